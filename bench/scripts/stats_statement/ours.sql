SELECT * FROM booking.check_slot(:barber, :service, date '1970-01-01' + :day::int + timetz '10:00-05');
