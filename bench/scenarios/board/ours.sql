SELECT q.n, s.*
FROM bench.board_questions q, booking.get_barber_availability(q.barber_id, q.day) s
WHERE q.n <= $1
