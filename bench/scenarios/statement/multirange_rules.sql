SELECT * FROM bench.multirange_rules_day(:service, :barber, date '1970-01-01' + :day::int);
