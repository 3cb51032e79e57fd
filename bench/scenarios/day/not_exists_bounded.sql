SELECT q.n, s.starts_at
FROM bench.questions q, bench.not_exists_bounded_day(q.barber_id, q.day) s
WHERE q.n <= $1
