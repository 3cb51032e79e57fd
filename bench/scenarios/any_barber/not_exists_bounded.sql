SELECT q.n, o.barber_id, s.starts_at
FROM bench.questions q, booking.barber_services o, bench.not_exists_bounded_day(o.barber_id, q.day) s
WHERE q.n <= $1 AND o.service_id = q.service_id
