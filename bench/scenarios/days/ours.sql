SELECT q.n, s.starts_at
FROM bench.questions q, booking.available_slots(q.service_id, q.from_day, q.to_day, q.barber_id) s
WHERE q.n <= $1
