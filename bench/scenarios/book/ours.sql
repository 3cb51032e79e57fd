SELECT * FROM booking.book_slot(:barber, :service, :customer, to_timestamp(:at));
