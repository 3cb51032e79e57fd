SELECT q.n, s.starts_at
FROM bench.questions q, bench.not_exists_days(q.barber_id, q.from_day, q.to_day) s
WHERE q.n <= $1
