-- The floor: the day's busy rows, found in the index and not looked at
SELECT q.n, s.starts_at
FROM bench.questions q, LATERAL (
	SELECT max(busy_until) AS starts_at
	FROM booking.appointments
	WHERE barber_id = q.barber_id AND status IN ('pending', 'confirmed', 'checked_in')
	AND busy_from >= q.day::timestamp AT TIME ZONE 'America/New_York'
	AND busy_from < (q.day + 1)::timestamp AT TIME ZONE 'America/New_York') AS s
WHERE q.n <= $1
