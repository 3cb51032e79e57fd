SELECT * FROM bench.not_exists_bounded_day(:barber, date '1970-01-01' + :day::int);
