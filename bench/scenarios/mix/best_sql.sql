-- multirange and exclusion_on_conflict.  The table has no index for availability:
-- that of (barber_id, starts_at) serves as well here, and bookings are the
-- faster for it.
\if :is_booking
INSERT INTO bench.exclusion (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, price_cents)
VALUES (:barber, :service, :customer, to_timestamp(:at), to_timestamp(:until), to_timestamp(:at), to_timestamp(:until), 2500)
ON CONFLICT DO NOTHING
RETURNING id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version;
\else
SELECT t
FROM (SELECT date '1970-01-01' + :day::int AS day OFFSET 0) AS d,
	unnest(
		(SELECT range_agg(tstzrange((day + opens) AT TIME ZONE 'America/New_York',
			(day + closes) AT TIME ZONE 'America/New_York'))
		FROM bench.hours
		WHERE barber_id = :barber AND weekday = extract(isodow FROM day)::int)
		- coalesce((SELECT range_agg(tstzrange(busy_from, busy_until))
		FROM bench.exclusion
		WHERE barber_id = :barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND starts_at >= day::timestamp AT TIME ZONE 'America/New_York'
		AND starts_at < (day + 1)::timestamp AT TIME ZONE 'America/New_York'
		AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap,
	generate_series(date_bin('15 minutes', lower(gap) + interval '14:59.999999', '2000-01-01'),
		upper(gap) - interval '30 minutes', interval '15 minutes') AS t
WHERE t >= now();
\endif
