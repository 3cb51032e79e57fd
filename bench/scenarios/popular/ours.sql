SELECT * FROM booking.book_slot(:chair, :service, :customer, to_timestamp(:at));
