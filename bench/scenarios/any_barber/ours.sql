SELECT q.n, s.barber_id, s.starts_at
FROM bench.questions q, booking.available_slots(q.service_id, q.day) s
WHERE q.n <= $1
