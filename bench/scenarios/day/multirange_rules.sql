SELECT q.n, s.starts_at
FROM bench.questions q, bench.multirange_rules_day(q.service_id, q.barber_id, q.day) s
WHERE q.n <= $1
