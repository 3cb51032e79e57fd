SELECT q.n, CASE WHEN c.available IS NOT NULL THEN q.day END AS starts_at
FROM bench.questions q, booking.check_slot(q.barber_id, q.service_id, q.day + timetz '10:00-05') c
WHERE q.n <= $1
