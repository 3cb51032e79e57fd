SELECT q.n, s.starts_at
FROM bench.questions q, bench.multirange_rules_days(q.service_id, q.barber_id, q.from_day, q.to_day) s
WHERE q.n <= $1
