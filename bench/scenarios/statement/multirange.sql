SELECT * FROM bench.multirange_day(:barber, date '1970-01-01' + :day::int);
