SELECT q.n, s.day, s.slot_count::bigint, s.first_slot AS starts_at
FROM bench.questions q, booking.availability_by_day(q.service_id, q.from_day, q.from_day + 30) s
WHERE q.n <= $1
