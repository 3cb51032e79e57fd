\if :is_booking
SELECT * FROM booking.book_slot(:barber, :service, :customer, to_timestamp(:at));
\else
SELECT * FROM booking.available_slots(:service, date '1970-01-01' + :day::int, NULL, :barber);
\endif
