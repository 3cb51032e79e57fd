SELECT q.n, s.starts_at
FROM bench.full_questions q, bench.multirange_next(q.barber_id) s
WHERE q.n <= $1
