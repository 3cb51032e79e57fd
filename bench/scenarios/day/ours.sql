SELECT q.n, s.starts_at
FROM bench.questions q, booking.available_slots(q.service_id, q.day, NULL, q.barber_id) s
WHERE q.n <= $1
