SELECT q.n, s.starts_at
FROM bench.full_questions q, booking.next_slots(q.service_id, NULL, 1, q.barber_id) s
WHERE q.n <= $1
