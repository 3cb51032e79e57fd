-- reads.sql: availability as people would write it, each way at its best.
--
-- But for multirange_rules, the peers know less than booking does: no overrides,
-- no time off, no notice, no horizon, no buffers, one time zone, one grid, the
-- length of the service written into the text.  None knows services with steps or
-- a capacity, or limits.

SET client_min_messages = warning;

-- ---------------------------------------------------------------------------
-- Availability: a 30-minute service on a grid of 15 minutes
--
-- All are functions that the planner inlines, so that a call costs what the
-- bare query would.  They look up the barber's hours in an index made for that.
-- ---------------------------------------------------------------------------

CREATE TABLE bench.hours AS SELECT barber_id, weekday, opens, closes FROM booking.working_hours;
CREATE INDEX ON bench.hours (barber_id, weekday) INCLUDE (opens, closes);
VACUUM ANALYZE bench.hours;

-- The hours minus the busy spans, both as multiranges, cut into slots.  Nobody
-- is busy past midnight here, so that it need not look at the day before.
CREATE FUNCTION bench.multirange_day(barber bigint, day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT t
FROM unnest(
		(SELECT range_agg(tstzrange((day + opens) AT TIME ZONE 'America/New_York',
			(day + closes) AT TIME ZONE 'America/New_York'))
		FROM bench.hours
		WHERE barber_id = barber AND weekday = extract(isodow FROM day)::int)
		- coalesce((SELECT range_agg(tstzrange(busy_from, busy_until))
		FROM booking.appointments
		WHERE barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from >= day::timestamp AT TIME ZONE 'America/New_York'
		AND busy_from < (day + 1)::timestamp AT TIME ZONE 'America/New_York'
		AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap,
	generate_series(date_bin('15 minutes', lower(gap) + interval '14:59.999999', '2000-01-01'),
		upper(gap) - interval '30 minutes', interval '15 minutes') AS t
WHERE t >= now()
$$;

CREATE FUNCTION bench.multirange_days(barber bigint, from_day date, to_day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT t
FROM unnest(
		(SELECT range_agg(tstzrange((from_day + i + opens) AT TIME ZONE 'America/New_York',
			(from_day + i + closes) AT TIME ZONE 'America/New_York'))
		FROM generate_series(0, to_day - from_day) AS i
		JOIN bench.hours ON barber_id = barber AND weekday = extract(isodow FROM from_day + i)::int)
		- coalesce((SELECT range_agg(tstzrange(busy_from, busy_until))
		FROM booking.appointments
		WHERE barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from >= from_day::timestamp AT TIME ZONE 'America/New_York'
		AND busy_from < (to_day + 1)::timestamp AT TIME ZONE 'America/New_York'
		AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap,
	generate_series(date_bin('15 minutes', lower(gap) + interval '14:59.999999', '2000-01-01'),
		upper(gap) - interval '30 minutes', interval '15 minutes') AS t
WHERE t >= now()
$$;

-- The same for people with overrides, time off, buffers, notice, a horizon,
-- several zones and a barber's own minutes: most of what booking knows, though
-- only the clock's grid and no shift past midnight.
CREATE FUNCTION bench.multirange_rules_day(service bigint, barber bigint, day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT t
FROM booking.barbers b
JOIN booking.shops p ON p.id = b.shop_id AND p.is_active
JOIN booking.barber_services o ON o.barber_id = b.id AND o.service_id = service
JOIN booking.services s ON s.id = service AND s.shop_id = p.id AND s.is_active,
	LATERAL (SELECT make_interval(mins => coalesce(s.slot_interval_minutes, p.slot_interval_minutes)) AS step,
		day::timestamp AT TIME ZONE p.time_zone AS midnight,
		(day + 1)::timestamp AT TIME ZONE p.time_zone AS next_midnight
		OFFSET 0) AS x,
	unnest(
		(SELECT range_agg(tstzrange((day + opens) AT TIME ZONE p.time_zone, (day + closes) AT TIME ZONE p.time_zone))
		FROM (
			SELECT opens, closes
			FROM booking.schedule_overrides v
			WHERE v.barber_id = b.id AND on_date = day
			UNION ALL
			SELECT opens, closes
			FROM booking.schedule_overrides v
			WHERE v.shop_id = p.id AND on_date = day
			AND NOT EXISTS (SELECT FROM booking.schedule_overrides w WHERE w.barber_id = b.id AND on_date = day)
			UNION ALL
			SELECT opens, closes
			FROM booking.working_hours v
			WHERE v.barber_id = b.id AND weekday = extract(isodow FROM day)::int
			AND day BETWEEN valid_from AND valid_until
			AND NOT EXISTS (SELECT FROM booking.schedule_overrides w WHERE w.barber_id = b.id AND on_date = day)
			AND NOT EXISTS (SELECT FROM booking.schedule_overrides w WHERE w.shop_id = p.id AND on_date = day)
		) AS hours
		WHERE opens IS NOT NULL)
		- coalesce((SELECT range_agg(tstzrange(starts_at, ends_at))
		FROM booking.time_off v
		WHERE (v.barber_id = b.id OR v.shop_id = p.id) AND starts_at < next_midnight AND ends_at > midnight), '{}')
		- coalesce((SELECT range_agg(tstzrange(busy_from - make_interval(mins => s.buffer_after_minutes),
			busy_until + make_interval(mins => s.buffer_before_minutes)))
		FROM booking.appointments a
		WHERE a.barber_id = b.id AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from > midnight - interval '2 days' AND busy_from < next_midnight + interval '12 hours'
		AND busy_until > midnight - interval '12 hours'
		AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap,
	generate_series(date_bin(step, lower(gap) + step - interval '0.000001', '2000-01-01'),
		upper(gap) - make_interval(mins => coalesce(o.duration_minutes, s.duration_minutes)), step) AS t
WHERE b.id = barber AND b.is_active
AND t >= now() + make_interval(mins => coalesce(s.min_notice_minutes, p.min_notice_minutes))
AND day <= (now() AT TIME ZONE p.time_zone)::date + p.max_advance_days
$$;

-- Every start on the grid that no appointment meets, as it is usually written
CREATE FUNCTION bench.not_exists_day(barber bigint, day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT t
FROM bench.hours,
	generate_series((day + opens) AT TIME ZONE 'America/New_York',
		(day + closes) AT TIME ZONE 'America/New_York' - interval '30 minutes', interval '15 minutes') AS t
WHERE barber_id = barber AND weekday = extract(isodow FROM day)::int AND t >= now()
AND NOT EXISTS (
	SELECT FROM booking.appointments
	WHERE barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
	AND busy_from < t + interval '30 minutes' AND busy_until > t
	AND (hold_expires_at IS NULL OR hold_expires_at > now()))
$$;

CREATE FUNCTION bench.not_exists_days(barber bigint, from_day date, to_day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT starts_at
FROM generate_series(0, to_day - from_day) AS i, bench.not_exists_day(barber, from_day + i)
$$;

-- The same by somebody who knows that no appointment is longer than two hours,
-- and so makes an index range of it
CREATE FUNCTION bench.not_exists_bounded_day(barber bigint, day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT t
FROM bench.hours,
	generate_series((day + opens) AT TIME ZONE 'America/New_York',
		(day + closes) AT TIME ZONE 'America/New_York' - interval '30 minutes', interval '15 minutes') AS t
WHERE barber_id = barber AND weekday = extract(isodow FROM day)::int AND t >= now()
AND NOT EXISTS (
	SELECT FROM booking.appointments
	WHERE barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
	AND busy_from > t - interval '2 hours' AND busy_from < t + interval '30 minutes' AND busy_until > t
	AND (hold_expires_at IS NULL OR hold_expires_at > now()))
$$;

CREATE FUNCTION bench.not_exists_bounded_days(barber bigint, from_day date, to_day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT starts_at
FROM generate_series(0, to_day - from_day) AS i, bench.not_exists_bounded_day(barber, from_day + i)
$$;
