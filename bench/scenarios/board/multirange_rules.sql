SELECT q.n, s.*
FROM bench.board_questions q, bench.board_rules(q.barber_id, q.day) s
WHERE q.n <= $1
