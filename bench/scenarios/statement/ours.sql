SELECT * FROM booking.available_slots(:service, date '1970-01-01' + :day::int, NULL, :barber);
