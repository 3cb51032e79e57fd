SELECT q.n, s.day, s.slots, s.first_slot AS starts_at
FROM bench.questions q, bench.multirange_rules_month(q.service_id, q.from_day, q.from_day + 30) s
WHERE q.n <= $1
