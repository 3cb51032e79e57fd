-- not_exists and for_update
\if :is_booking
SELECT bench.book_locked('for_update', false, :barber, :service, :customer, to_timestamp(:at), '30 minutes');
\else
SELECT t
FROM (SELECT date '1970-01-01' + :day::int AS day OFFSET 0) AS d,
	bench.hours,
	generate_series((day + opens) AT TIME ZONE 'America/New_York',
		(day + closes) AT TIME ZONE 'America/New_York' - interval '30 minutes', interval '15 minutes') AS t
WHERE barber_id = :barber AND weekday = extract(isodow FROM day)::int AND t >= now()
AND NOT EXISTS (
	SELECT FROM bench.unguarded
	WHERE barber_id = :barber AND status IN ('pending', 'confirmed', 'checked_in')
	AND busy_from < t + interval '30 minutes' AND busy_until > t
	AND (hold_expires_at IS NULL OR hold_expires_at > now()));
\endif
