-- any set-returning function: five rows
SELECT q.n, s.starts_at
FROM bench.questions q, generate_series(q.day + time '9:00', q.day + time '10:00', interval '15 minutes') AS s (starts_at)
WHERE q.n <= $1
