SELECT id FROM booking.book_slot(:barber, :service, :customer, to_timestamp(:at)) \gset
SELECT * FROM booking.cancel_appointment(:id);
