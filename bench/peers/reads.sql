-- reads.sql: what people would use instead to find free time, each at its best.
--
-- A peer with _rules in its name looks up what booking looks up: active, zone,
-- overrides, time off, buffers, notice, horizon, the barber's own minutes; only it
-- answers the same question.  It still knows less: the clock's grid alone, no hours
-- that reach or pass midnight, no steps, no capacity.  The others know the busy
-- rows and the weekly hours; zone, grid and minutes are in their text.
--
-- All are functions that the planner inlines, so that a call costs what the
-- bare query would.  They find hours in an index of their own, busy time in the
-- one that booking uses.
--
-- Two things made them fast: set-returning functions stand in the select list,
-- where no tuplestore is made of their rows, and bounds are computed once (OFFSET 0
-- keeps the planner from copying them into each row's filter).  What lost against
-- them is said at each.  As functions in PL/pgSQL, a step a statement, they lost.

SET client_min_messages = warning;

CREATE TABLE bench.hours AS SELECT barber_id, weekday, opens, closes FROM booking.working_hours;
CREATE INDEX ON bench.hours (barber_id, weekday) INCLUDE (opens, closes);
CREATE INDEX ON booking.working_hours (barber_id, weekday) INCLUDE (opens, closes, valid_from, valid_until);
VACUUM ANALYZE bench.hours, booking.working_hours;

-- Who offers what, if all of it is active, with the rules that go with it
CREATE VIEW bench.offers AS
SELECT o.barber_id AS barber, o.service_id AS service, b.shop_id AS shop, p.time_zone AS zone,
	(now() AT TIME ZONE p.time_zone)::date AS today,
	(now() AT TIME ZONE p.time_zone)::date + p.max_advance_days AS last_day,
	now() + make_interval(mins => coalesce(s.min_notice_minutes, p.min_notice_minutes)) AS earliest,
	make_interval(mins => coalesce(s.slot_interval_minutes, p.slot_interval_minutes)) AS step,
	make_interval(mins => coalesce(o.duration_minutes, s.duration_minutes)) AS length,
	make_interval(mins => s.buffer_before_minutes) AS buffer_before,
	make_interval(mins => s.buffer_after_minutes) AS buffer_after
FROM booking.barber_services o
JOIN booking.barbers b ON b.id = o.barber_id AND b.is_active
JOIN booking.shops p ON p.id = b.shop_id AND p.is_active
JOIN booking.services s ON s.id = o.service_id AND s.shop_id = b.shop_id AND s.is_active;

-- ---------------------------------------------------------------------------
-- Multiranges: the hours minus the busy spans, cut into slots
-- ---------------------------------------------------------------------------

-- Nobody is busy past midnight here, so that it need not look at the day before.
CREATE FUNCTION bench.multirange_day(barber bigint, day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT generate_series(date_bin('15 minutes', greatest(lower(gap), now()) + interval '14:59.999999', '2000-01-01'),
	upper(gap) - interval '30 minutes', interval '15 minutes')
FROM (
	SELECT unnest(
		(SELECT range_agg(tstzrange((day + opens) AT TIME ZONE 'America/New_York',
			(day + closes) AT TIME ZONE 'America/New_York'))
		FROM bench.hours
		WHERE barber_id = barber AND weekday = extract(isodow FROM day)::int)
		- coalesce((SELECT range_agg(tstzrange(busy_from, busy_until))
		FROM booking.appointments
		WHERE barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from >= day::timestamp AT TIME ZONE 'America/New_York'
		AND busy_from < (day + 1)::timestamp AT TIME ZONE 'America/New_York'
		AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap
	OFFSET 0) AS gaps
$$;

-- Of one barber, or of any who offers the service.  The last appointment before
-- the day, instead of those of two days that may last into it, cost a descent more
-- than it spared.
SELECT format($function$
CREATE FUNCTION bench.%s(service_id bigint,%s day date)
RETURNS TABLE (barber bigint, starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT barber, generate_series(date_bin(step, greatest(lower(gap), earliest) + step - interval '0.000001', '2000-01-01'),
	upper(gap) - length, step)
FROM (
	SELECT barber, earliest, step, length, unnest(
		coalesce(
			(SELECT coalesce(range_agg(tstzrange((day + opens) AT TIME ZONE zone, (day + closes) AT TIME ZONE zone))
				FILTER (WHERE opens IS NOT NULL), '{}')
			FROM booking.schedule_overrides v
			WHERE v.barber_id = barber AND on_date = day
			HAVING count(*) > 0),
			(SELECT coalesce(range_agg(tstzrange((day + opens) AT TIME ZONE zone, (day + closes) AT TIME ZONE zone))
				FILTER (WHERE opens IS NOT NULL), '{}')
			FROM booking.schedule_overrides v
			WHERE v.shop_id = shop AND on_date = day
			HAVING count(*) > 0),
			(SELECT range_agg(tstzrange((day + opens) AT TIME ZONE zone, (day + closes) AT TIME ZONE zone))
			FROM booking.working_hours v
			WHERE v.barber_id = barber AND weekday = extract(isodow FROM day)::int
			AND day BETWEEN valid_from AND valid_until))
		- coalesce((SELECT range_agg(tstzrange(starts_at, ends_at))
		FROM booking.time_off v
		WHERE (v.barber_id = barber OR v.shop_id = shop) AND starts_at < next_midnight AND ends_at > midnight), '{}')
		- coalesce((SELECT range_agg(tstzrange(busy_from - buffer_after, busy_until + buffer_before))
		FROM booking.appointments a
		WHERE a.barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from > look_from AND busy_from < look_until AND busy_until > busy_after
		AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap
	FROM (
		SELECT o.*,
			day::timestamp AT TIME ZONE zone AS midnight,
			(day + 1)::timestamp AT TIME ZONE zone AS next_midnight,
			day::timestamp AT TIME ZONE zone - interval '2 days' AS look_from,
			day::timestamp AT TIME ZONE zone - buffer_before AS busy_after,
			(day + 1)::timestamp AT TIME ZONE zone + buffer_after AS look_until
		FROM bench.offers o
		WHERE o.service = service_id%s AND day <= last_day
		OFFSET 0) AS x
	OFFSET 0) AS gaps
$$
$function$, name, barber, condition)
FROM (VALUES
	('multirange_rules_day', ' barber_id bigint,', ' AND o.barber = barber_id'),
	('multirange_rules_shop_day', '', '')) AS v (name, barber, condition) \gexec

-- The days of a range with their midnights.  The zone is asked for each of them, not
-- for each piece of the hours: on a day of 24 hours local time is midnight plus the
-- time.  Monday, 3 January 2000, tells the weekday in whole numbers.
CREATE FUNCTION bench.midnights(zone text, from_day date, to_day date)
RETURNS TABLE (day date, weekday int, midnight timestamptz, is_plain boolean) LANGUAGE sql STABLE AS $$
SELECT day, 1 + (day - date '2000-01-03') % 7, midnight, is_plain
FROM (
	SELECT day, midnight, lead(midnight) OVER () - midnight = interval '24 hours' AS is_plain
	FROM (
		SELECT from_day + i AS day, (from_day + i)::timestamp AT TIME ZONE zone AS midnight
		FROM generate_series(0, to_day - from_day + 1) AS i
		OFFSET 0) AS d) AS days
WHERE is_plain IS NOT NULL
$$;

-- One pass over the days; one for each day took a tenth more.
CREATE FUNCTION bench.multirange_days(barber bigint, from_day date, to_day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT generate_series(date_bin('15 minutes', greatest(lower(gap), now()) + interval '14:59.999999', '2000-01-01'),
	upper(gap) - interval '30 minutes', interval '15 minutes')
FROM (
	SELECT unnest(
		(SELECT range_agg(CASE WHEN is_plain THEN tstzrange(midnight + opens::interval, midnight + closes::interval)
			ELSE tstzrange((day + opens) AT TIME ZONE 'America/New_York', (day + closes) AT TIME ZONE 'America/New_York') END)
		FROM bench.midnights('America/New_York', from_day, to_day) AS days
		JOIN bench.hours h ON h.barber_id = barber AND h.weekday = days.weekday)
		- coalesce((SELECT range_agg(tstzrange(busy_from, busy_until))
		FROM booking.appointments
		WHERE barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from >= from_day::timestamp AT TIME ZONE 'America/New_York'
		AND busy_from < (to_day + 1)::timestamp AT TIME ZONE 'America/New_York'
		AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap
	OFFSET 0) AS gaps
$$;

-- What is free of a barber's days, gap by gap, and what it takes to cut it.
-- To intersect with gaps made by lead(), instead of less busy ranges, took longer.
CREATE FUNCTION bench.multirange_rules_gaps(service_id bigint, barber_id bigint, from_day date, to_day date)
RETURNS TABLE (gap tstzrange, zone text, earliest timestamptz, step interval, length interval) LANGUAGE sql STABLE AS $$
SELECT unnest(
	coalesce((SELECT range_agg(tstzrange(opens_at, closes_at))
	FROM (
		SELECT CASE WHEN is_plain THEN midnight + opens::interval ELSE (day + opens) AT TIME ZONE zone END AS opens_at,
			CASE WHEN is_plain THEN midnight + closes::interval ELSE (day + closes) AT TIME ZONE zone END AS closes_at
		FROM bench.midnights(zone, from_day, least(to_day, last_day)) AS days
		JOIN booking.working_hours v ON v.barber_id = barber AND v.weekday = days.weekday
			AND day BETWEEN valid_from AND valid_until AND day <> ALL (override_days)
		UNION ALL
		SELECT (on_date + opens) AT TIME ZONE zone, (on_date + closes) AT TIME ZONE zone
		FROM booking.schedule_overrides v
		WHERE v.barber_id = barber AND on_date BETWEEN from_day AND least(to_day, last_day) AND opens IS NOT NULL
		UNION ALL
		SELECT (on_date + opens) AT TIME ZONE zone, (on_date + closes) AT TIME ZONE zone
		FROM booking.schedule_overrides v
		WHERE v.shop_id = shop AND on_date BETWEEN from_day AND least(to_day, last_day) AND opens IS NOT NULL
		AND NOT EXISTS (SELECT FROM booking.schedule_overrides w WHERE w.barber_id = barber AND w.on_date = v.on_date)
	) AS hours), '{}')
	- coalesce((SELECT range_agg(tstzrange(starts_at, ends_at))
	FROM booking.time_off v
	WHERE (v.barber_id = barber OR v.shop_id = shop) AND starts_at < until AND ends_at > since), '{}')
	- coalesce((SELECT range_agg(tstzrange(busy_from - buffer_after, busy_until + buffer_before))
	FROM booking.appointments a
	WHERE a.barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
	AND busy_from > look_from AND busy_from < look_until AND busy_until > busy_after
	AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')),
	zone, earliest, step, length
FROM (
	SELECT o.*,
		from_day::timestamp AT TIME ZONE zone AS since,
		(to_day + 1)::timestamp AT TIME ZONE zone AS until,
		from_day::timestamp AT TIME ZONE zone - interval '2 days' AS look_from,
		from_day::timestamp AT TIME ZONE zone - buffer_before AS busy_after,
		(to_day + 1)::timestamp AT TIME ZONE zone + buffer_after AS look_until,
		ARRAY(SELECT on_date FROM booking.schedule_overrides v
			WHERE (v.barber_id = barber OR v.shop_id = shop) AND on_date BETWEEN from_day AND to_day) AS override_days
	FROM bench.offers o
	WHERE o.service = service_id AND o.barber = barber_id AND from_day <= last_day
	OFFSET 0) AS x
$$;

CREATE FUNCTION bench.multirange_rules_days(service bigint, barber bigint, from_day date, to_day date)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT generate_series(date_bin(step, greatest(lower(gap), earliest) + step - interval '0.000001', '2000-01-01'),
	upper(gap) - length, step)
FROM bench.multirange_rules_gaps(service, barber, from_day, to_day)
$$;

-- Any who offers the service.  One grouped scan for all of them was no faster.
CREATE FUNCTION bench.multirange_shop_day(service bigint, day date)
RETURNS TABLE (barber bigint, starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT barber_id, s.starts_at
FROM booking.barber_services, bench.multirange_day(barber_id, day) AS s
WHERE service_id = service
$$;

-- A month of a shop: how many slots a day, and the first.  They are counted, not
-- made: a gap has as many as steps fit into it.
CREATE FUNCTION bench.multirange_month(service bigint, from_day date, to_day date)
RETURNS TABLE (day date, slots bigint, first_slot timestamptz) LANGUAGE sql STABLE AS $$
SELECT from_day + i, coalesce(slots, 0), first_slot
FROM generate_series(0, to_day - from_day) AS i
LEFT JOIN (
	SELECT (first_start AT TIME ZONE 'America/New_York')::date AS day, min(first_start) AS first_slot,
		sum(1 + (date_part('epoch', last_start - first_start)::int / 900)) AS slots
	FROM (
		SELECT date_bin('15 minutes', greatest(lower(gap), now()) + interval '14:59.999999', '2000-01-01') AS first_start,
			upper(gap) - interval '30 minutes' AS last_start
		FROM booking.barber_services, LATERAL (
			SELECT unnest(
				(SELECT range_agg(CASE WHEN is_plain THEN tstzrange(midnight + opens::interval, midnight + closes::interval)
					ELSE tstzrange((day + opens) AT TIME ZONE 'America/New_York', (day + closes) AT TIME ZONE 'America/New_York') END)
				FROM bench.midnights('America/New_York', from_day, to_day) AS days
				JOIN bench.hours h ON h.barber_id = barber_services.barber_id AND h.weekday = days.weekday)
				- coalesce((SELECT range_agg(tstzrange(busy_from, busy_until))
				FROM booking.appointments a
				WHERE a.barber_id = barber_services.barber_id AND status IN ('pending', 'confirmed', 'checked_in')
				AND busy_from >= from_day::timestamp AT TIME ZONE 'America/New_York'
				AND busy_from < (to_day + 1)::timestamp AT TIME ZONE 'America/New_York'
				AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap
			OFFSET 0) AS gaps
		WHERE service_id = service
		OFFSET 0) AS starts
	WHERE first_start <= last_start
	GROUP BY 1) AS days ON days.day = from_day + i
$$;

CREATE FUNCTION bench.multirange_rules_month(service bigint, from_day date, to_day date)
RETURNS TABLE (day date, slots bigint, first_slot timestamptz) LANGUAGE sql STABLE AS $$
SELECT from_day + i, coalesce(slots, 0), first_slot
FROM generate_series(0, to_day - from_day) AS i
LEFT JOIN (
	SELECT (first_start AT TIME ZONE zone)::date AS day, min(first_start) AS first_slot,
		sum(1 + (date_part('epoch', last_start - first_start)::int / step_seconds)) AS slots
	FROM (
		SELECT date_bin(step, greatest(lower(gap), earliest) + step - interval '0.000001', '2000-01-01') AS first_start,
			upper(gap) - length AS last_start, zone, date_part('epoch', step)::int AS step_seconds
		FROM booking.barber_services o, bench.multirange_rules_gaps(service, o.barber_id, from_day, to_day) AS g
		WHERE o.service_id = service
		OFFSET 0) AS starts
	WHERE first_start <= last_start
	GROUP BY 1) AS days ON days.day = from_day + i
$$;

-- The next free time of a barber, a month at a time until there is one: LIMIT ends
-- it, and a set-returning function in the select list gives its rows one by one.
-- By the day it took twice as long, by the week or the fortnight a tenth more.
CREATE FUNCTION bench.multirange_next(barber bigint)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT s.starts_at
FROM (
	SELECT (now() AT TIME ZONE 'America/New_York')::date + generate_series(0, 90, 31) AS from_day
	OFFSET 0) AS months,
	bench.multirange_days(barber, from_day, from_day + 30) AS s
LIMIT 1
$$;

CREATE FUNCTION bench.multirange_rules_next(service_id bigint, barber_id bigint)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT s.starts_at
FROM (
	SELECT today + generate_series(0, last_day - today, 31) AS from_day, last_day
	FROM bench.offers
	WHERE service = service_id AND barber = barber_id
	OFFSET 0) AS months,
	bench.multirange_rules_days(service_id, barber_id, from_day, least(from_day + 30, last_day)) AS s
LIMIT 1
$$;

-- ---------------------------------------------------------------------------
-- The board of a day: what get_barber_availability returns
-- ---------------------------------------------------------------------------

CREATE FUNCTION bench.board_rules(barber bigint, day date)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz, kind text, appointment_id bigint, service_name text)
LANGUAGE sql STABLE AS $$
SELECT e.*
FROM (
	SELECT b.shop_id AS shop, p.time_zone AS zone, b.is_active AND p.is_active AS is_active,
		day::timestamp AT TIME ZONE p.time_zone AS midnight,
		(day + 1)::timestamp AT TIME ZONE p.time_zone AS next_midnight,
		day::timestamp AT TIME ZONE p.time_zone - interval '2 days' AS look_from
	FROM booking.barbers b JOIN booking.shops p ON p.id = b.shop_id
	WHERE b.id = barber
	OFFSET 0) AS x,
	LATERAL (
		SELECT lower(gap), upper(gap), 'free', NULL::bigint, NULL
		FROM (
			SELECT unnest(
				coalesce(
					(SELECT coalesce(range_agg(tstzrange((day + opens) AT TIME ZONE zone, (day + closes) AT TIME ZONE zone))
						FILTER (WHERE opens IS NOT NULL), '{}')
					FROM booking.schedule_overrides v
					WHERE v.barber_id = barber AND on_date = day
					HAVING count(*) > 0),
					(SELECT coalesce(range_agg(tstzrange((day + opens) AT TIME ZONE zone, (day + closes) AT TIME ZONE zone))
						FILTER (WHERE opens IS NOT NULL), '{}')
					FROM booking.schedule_overrides v
					WHERE v.shop_id = shop AND on_date = day
					HAVING count(*) > 0),
					(SELECT range_agg(tstzrange((day + opens) AT TIME ZONE zone, (day + closes) AT TIME ZONE zone))
					FROM booking.working_hours v
					WHERE v.barber_id = barber AND weekday = extract(isodow FROM day)::int
					AND day BETWEEN valid_from AND valid_until))
				- coalesce((SELECT range_agg(tstzrange(v.starts_at, v.ends_at))
				FROM booking.time_off v
				WHERE (v.barber_id = barber OR v.shop_id = shop)
				AND v.starts_at < next_midnight AND v.ends_at > midnight), '{}')
				- coalesce((SELECT range_agg(tstzrange(busy_from, busy_until))
				FROM booking.appointments a
				WHERE a.barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
				AND busy_from > look_from AND busy_from < next_midnight AND busy_until > midnight
				AND (hold_expires_at IS NULL OR hold_expires_at > now())), '{}')) AS gap
			WHERE is_active
			OFFSET 0) AS free
		UNION ALL
		SELECT a.starts_at, a.ends_at, CASE WHEN hold_expires_at IS NULL THEN 'appointment' ELSE 'hold' END, a.id, s.name
		FROM booking.appointments a JOIN booking.services s ON s.id = a.service_id
		WHERE a.barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND a.starts_at > look_from AND a.starts_at < next_midnight AND a.ends_at > midnight
		AND (hold_expires_at IS NULL OR hold_expires_at > now())
		UNION ALL
		SELECT lower(away), upper(away), 'time_off', NULL, NULL
		FROM (
			SELECT unnest((
				SELECT range_agg(tstzrange(greatest(v.starts_at, midnight), least(v.ends_at, next_midnight)))
				FROM booking.time_off v
				WHERE (v.barber_id = barber OR v.shop_id = shop)
				AND v.starts_at < next_midnight AND v.ends_at > midnight)) AS away
			OFFSET 0) AS off
	) AS e (starts_at, ends_at, kind, appointment_id, service_name)
ORDER BY e.starts_at, e.ends_at, e.kind
$$;

-- ---------------------------------------------------------------------------
-- Every start on the grid that no appointment meets, as it is usually written
-- ---------------------------------------------------------------------------

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

CREATE FUNCTION bench.not_exists_bounded_month(service bigint, from_day date, to_day date)
RETURNS TABLE (day date, slots bigint, first_slot timestamptz) LANGUAGE sql STABLE AS $$
SELECT from_day + i, count(starts_at), min(starts_at)
FROM generate_series(0, to_day - from_day) AS i
LEFT JOIN LATERAL (
	SELECT starts_at
	FROM booking.barber_services, bench.not_exists_bounded_day(barber_id, from_day + i)
	WHERE service_id = service
	OFFSET 0) AS s ON true
GROUP BY i
$$;

CREATE FUNCTION bench.not_exists_bounded_next(barber bigint)
RETURNS TABLE (starts_at timestamptz) LANGUAGE sql STABLE AS $$
SELECT s.starts_at
FROM (
	SELECT (now() AT TIME ZONE 'America/New_York')::date + generate_series(0, 90) AS day
	OFFSET 0) AS days,
	bench.not_exists_bounded_day(barber, day) AS s
LIMIT 1
$$;
