SELECT q.n, s.starts_at
FROM bench.questions q, bench.multirange_day(q.barber_id, q.day) s
WHERE q.n <= $1
