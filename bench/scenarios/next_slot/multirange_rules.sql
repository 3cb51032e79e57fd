SELECT q.n, s.starts_at
FROM bench.full_questions q, bench.multirange_rules_next(q.service_id, q.barber_id) s
WHERE q.n <= $1
