SELECT q.n, s.barber, s.starts_at
FROM bench.questions q, bench.multirange_shop_day(q.service_id, q.day) s
WHERE q.n <= $1
