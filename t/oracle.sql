/*
 * oracle.sql: the rules of time and availability once more, in plain SQL
 *
 * What booking's C code answers is compared with what these functions answer
 * (010_oracle.pl, 020_offered_is_bookable.pl).  They share nothing with it but
 * the tables: each rule is stated as a set (a multirange) or as a test of one
 * candidate instant, the way the design states it, and nothing is fast.
 *
 * Dates are looked back and ahead three days beyond the asked range: hours of
 * a date can reach two local dates further where a zone skips a whole day.
 */
CREATE SCHEMA oracle;

/* ---------------------------------------------------------------------------
 * Rules as rows
 * ------------------------------------------------------------------------ */

CREATE FUNCTION oracle.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(current_setting('booking.now', true), '')::timestamptz,
					statement_timestamp())
$$;

/* Who offers what, and under which rules; inactive and foreign pairs are out. */
CREATE VIEW oracle.offers AS
SELECT b.id AS barber_id,
	s.id AS service_id,
	make_interval(mins => coalesce(bs.duration_minutes, s.duration_minutes)) AS duration,
	make_interval(mins => s.buffer_before_minutes) AS buffer_before,
	make_interval(mins => s.buffer_after_minutes) AS buffer_after,
	make_interval(mins => coalesce(s.slot_interval_minutes, shop.slot_interval_minutes)) AS step,
	make_interval(mins => coalesce(s.min_notice_minutes, shop.min_notice_minutes)) AS notice,
	shop.slot_anchor,
	shop.time_zone,
	shop.max_advance_days
FROM booking.barber_services bs
JOIN booking.barbers b ON b.id = bs.barber_id
JOIN booking.services s ON s.id = bs.service_id
JOIN booking.shops shop ON shop.id = b.shop_id AND shop.id = s.shop_id
WHERE b.is_active AND s.is_active AND shop.is_active;

/* The appointments that occupy time now. */
CREATE VIEW oracle.live AS
SELECT *
FROM booking.appointments
WHERE status IN ('confirmed', 'checked_in')
OR (status = 'pending' AND (hold_expires_at IS NULL OR hold_expires_at > oracle.now()));

/* ---------------------------------------------------------------------------
 * Time as sets
 * ------------------------------------------------------------------------ */

CREATE FUNCTION oracle.zone(barber bigint) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT time_zone FROM booking.shops
	WHERE id = (SELECT shop_id FROM booking.barbers WHERE id = barber)
$$;

/* Hours of a local date: the barber's overrides, else the shop's, else the weekday's. */
CREATE FUNCTION oracle.hours(barber bigint, day date) RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	WITH own AS (
		SELECT opens, closes FROM booking.schedule_overrides
		WHERE barber_id = barber AND on_date = day
	), shops AS (
		SELECT opens, closes FROM booking.schedule_overrides
		WHERE shop_id = (SELECT shop_id FROM booking.barbers WHERE id = barber) AND on_date = day
	), usual AS (
		SELECT opens, closes FROM booking.working_hours
		WHERE barber_id = barber AND weekday = extract(isodow FROM day)
		AND day BETWEEN valid_from AND valid_until
	), valid AS (
		SELECT * FROM own
		UNION ALL
		SELECT * FROM shops WHERE NOT EXISTS (SELECT FROM own)
		UNION ALL
		SELECT * FROM usual WHERE NOT EXISTS (SELECT FROM own) AND NOT EXISTS (SELECT FROM shops)
	), instants AS (
		SELECT (day + opens) AT TIME ZONE oracle.zone(barber) AS opens,
			(CASE WHEN closes < opens THEN day + 1 ELSE day END + closes)
				AT TIME ZONE oracle.zone(barber) AS closes
		FROM valid
		WHERE opens IS NOT NULL		-- NULL: closed
	)
	SELECT coalesce(range_agg(tstzrange(opens, closes)) FILTER (WHERE opens < closes), '{}')
	FROM instants
$$;

CREATE FUNCTION oracle.time_off(barber bigint) RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	SELECT coalesce(range_agg(tstzrange(starts_at, ends_at)), '{}')
	FROM booking.time_off
	WHERE barber_id = barber OR shop_id = (SELECT shop_id FROM booking.barbers WHERE id = barber)
$$;

CREATE FUNCTION oracle.busy(barber bigint) RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	SELECT coalesce(range_agg(tstzrange(busy_from, busy_until)), '{}')
	FROM oracle.live
	WHERE barber_id = barber
$$;

CREATE FUNCTION oracle.days(from_date date, to_date date) RETURNS SETOF date LANGUAGE sql IMMUTABLE AS $$
	SELECT from_date + n FROM generate_series(0, to_date - from_date) n
$$;

/* Every hours piece that can concern the local dates, with time off still in it. */
CREATE FUNCTION oracle.pieces(barber bigint, from_date date, to_date date)
RETURNS SETOF tstzrange LANGUAGE sql STABLE AS $$
	SELECT unnest(oracle.hours(barber, day))
	FROM oracle.days(from_date - 3, to_date + 3) day
$$;

/* When the barber works, around the local dates: maximal intervals. */
CREATE FUNCTION oracle.open(barber bigint, from_date date, to_date date)
RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	SELECT coalesce(range_agg(piece), '{}') - oracle.time_off(barber)
	FROM oracle.pieces(barber, from_date, to_date) piece
$$;

/*
 * The instants whose local date is one of the asked: minute by minute near the
 * first and the last midnight, for a local date need not be one interval (in
 * St John's, clocks once went back from 00:01 to 23:01 of the day before).
 */
CREATE FUNCTION oracle.dates(zone text, from_date date, to_date date)
RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	WITH minute AS (
		SELECT m FROM generate_series(from_date::timestamp AT TIME ZONE 'UTC' - interval '27 hours',
			from_date::timestamp AT TIME ZONE 'UTC' + interval '27 hours', interval '1 minute') m
		UNION
		SELECT m FROM generate_series((to_date + 1)::timestamp AT TIME ZONE 'UTC' - interval '27 hours',
			(to_date + 1)::timestamp AT TIME ZONE 'UTC' + interval '27 hours', interval '1 minute') m
	), edges AS (
		SELECT range_agg(tstzrange(m, m + interval '1 minute')) AS near,
			range_agg(tstzrange(m, m + interval '1 minute'))
				FILTER (WHERE (m AT TIME ZONE zone)::date BETWEEN from_date AND to_date) AS inside
		FROM minute
	)
	SELECT coalesce(inside, '{}')
		+ (tstzmultirange(tstzrange(from_date::timestamp AT TIME ZONE 'UTC',
			(to_date + 1)::timestamp AT TIME ZONE 'UTC')) - near)
	FROM edges
$$;

CREATE FUNCTION oracle.free_time(barber bigint, from_date date, to_date date DEFAULT NULL)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz) LANGUAGE sql STABLE AS $$
	SELECT lower(span), upper(span)
	FROM unnest((oracle.open(barber, from_date, coalesce(to_date, from_date)) - oracle.busy(barber))
		* oracle.dates(oracle.zone(barber), from_date, coalesce(to_date, from_date))) span
	WHERE (SELECT b.is_active AND s.is_active
		FROM booking.barbers b JOIN booking.shops s ON s.id = b.shop_id WHERE b.id = barber)
$$;

/* ---------------------------------------------------------------------------
 * Slots: candidates of the grid, each tested by the rules
 * ------------------------------------------------------------------------ */

/* opening: whole steps of elapsed time since the start of an hours piece. */
CREATE FUNCTION oracle.opening_grid(o oracle.offers, from_date date, to_date date)
RETURNS SETOF timestamptz LANGUAGE sql STABLE AS $$
	SELECT t
	FROM oracle.pieces(o.barber_id, from_date, to_date) piece,
		generate_series(lower(piece), upper(piece), o.step) t
	WHERE t <@ piece
$$;

/*
 * clock: wall-clock minutes that are a multiple of the step.  An instant is a
 * wall-clock time minus an offset; try each offset that the zone has around
 * the dates and keep what reads as that time, twice where an hour repeats.
 */
CREATE FUNCTION oracle.clock_grid(o oracle.offers, from_date date, to_date date)
RETURNS SETOF timestamptz LANGUAGE sql STABLE AS $$
	WITH utc_offset AS MATERIALIZED (
		SELECT DISTINCT (i AT TIME ZONE o.time_zone) - (i AT TIME ZONE 'UTC') AS utc_offset
		FROM generate_series((from_date - 2)::timestamp AT TIME ZONE 'UTC',
			(to_date + 3)::timestamp AT TIME ZONE 'UTC', interval '30 minutes') i
	), wall AS (
		SELECT day + m * interval '1 minute' AS wall
		FROM oracle.days(from_date, to_date) day,
			generate_series(0, 1439, (extract(epoch FROM o.step) / 60)::int) m
	), instant AS (
		SELECT (wall - utc_offset) AT TIME ZONE 'UTC' AS t, wall
		FROM wall, utc_offset
	), piece AS MATERIALIZED (
		SELECT range_agg(piece) AS pieces FROM oracle.pieces(o.barber_id, from_date, to_date) piece
	)
	SELECT t
	FROM instant, piece
	WHERE t AT TIME ZONE o.time_zone = wall AND t <@ pieces
$$;

/*
 * packed: a start collides with a live appointment inside an open interval of
 * instants.  What is left of an hours piece without time off are closed
 * intervals (sometimes a single instant); steps count from where one begins.
 */
CREATE FUNCTION oracle.packed_grid(o oracle.offers, from_date date, to_date date)
RETURNS SETOF timestamptz LANGUAGE sql STABLE AS $$
	WITH collision AS MATERIALIZED (
		SELECT coalesce(range_agg(tstzrange(busy_from - (o.duration + o.buffer_after),
			busy_until + o.buffer_before, '()')), '{}') AS collisions
		FROM oracle.live
		WHERE barber_id = o.barber_id
	), stretch AS MATERIALIZED (
		SELECT unnest(tstzmultirange(piece) - oracle.time_off(o.barber_id)) AS stretch
		FROM oracle.pieces(o.barber_id, from_date, to_date) piece
	), gap AS (
		SELECT unnest(tstzmultirange(stretch) - collisions) AS gap
		FROM stretch, collision
	)
	SELECT t
	FROM gap, generate_series(lower(gap), upper(gap), o.step) t
	WHERE t <@ gap
$$;

/* Rule 1: the grid's instants on the local dates. */
CREATE FUNCTION oracle.grid(o oracle.offers, from_date date, to_date date)
RETURNS SETOF timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT DISTINCT t FROM oracle.%I($1, $2, $3) t
		WHERE (t AT TIME ZONE $4)::date BETWEEN $2 AND $3', o.slot_anchor || '_grid')
	USING o, from_date, to_date, o.time_zone;
END
$$;

/* Rule 4, in two halves. */
CREATE FUNCTION oracle.soon_enough(o oracle.offers, t timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT (t AT TIME ZONE o.time_zone)::date
		<= (oracle.now() AT TIME ZONE o.time_zone)::date + o.max_advance_days
$$;

CREATE FUNCTION oracle.late_enough(o oracle.offers, t timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT t >= oracle.now() + o.notice
$$;

CREATE FUNCTION oracle.available_slots(service bigint, from_date date, to_date date DEFAULT NULL,
	barber bigint DEFAULT NULL)
RETURNS TABLE (barber_id bigint, starts_at timestamptz, ends_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
	o oracle.offers;
	open tstzmultirange;
	busy tstzmultirange;
	until_date date := coalesce(to_date, from_date);
BEGIN
	FOR o IN
		SELECT * FROM oracle.offers
		WHERE service_id = service AND (barber IS NULL OR barber_id = barber)
	LOOP
		open := oracle.open(o.barber_id, from_date, until_date);
		busy := oracle.busy(o.barber_id);
		RETURN QUERY
			SELECT o.barber_id, t, t + o.duration
			FROM oracle.grid(o, from_date, until_date) t
			WHERE tstzrange(t, t + o.duration) <@ open
			AND NOT tstzrange(t - o.buffer_before, t + o.duration + o.buffer_after) && busy
			AND oracle.late_enough(o, t)
			AND oracle.soon_enough(o, t);
	END LOOP;
END
$$;

/* Why a slot cannot be booked: the first rule that refuses; NULL when none does. */
CREATE FUNCTION oracle.reason(barber bigint, service bigint, t timestamptz) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	o oracle.offers;
	day date;
	taken boolean;
	on_grid boolean;
BEGIN
	IF NOT EXISTS (SELECT FROM booking.barbers WHERE id = barber)
		OR NOT EXISTS (SELECT FROM booking.services WHERE id = service)
	THEN
		RETURN 'not_found';
	END IF;

	SELECT * INTO o FROM oracle.offers WHERE barber_id = barber AND service_id = service;
	IF NOT FOUND THEN
		RETURN 'not_offered';
	END IF;

	day := (t AT TIME ZONE o.time_zone)::date;
	taken := tstzrange(t - o.buffer_before, t + o.duration + o.buffer_after) && oracle.busy(barber);
	on_grid := t IN (SELECT oracle.grid(o, day, day));

	RETURN CASE
		WHEN NOT oracle.late_enough(o, t) THEN 'notice_too_short'
		WHEN NOT oracle.soon_enough(o, t) THEN 'too_far_ahead'
		WHEN NOT tstzrange(t, t + o.duration) <@ oracle.open(barber, day, day) THEN 'outside_hours'
		WHEN o.slot_anchor = 'packed' AND taken THEN 'slot_taken'
		WHEN NOT on_grid THEN 'off_grid'
		WHEN taken THEN 'slot_taken'
	END;
END
$$;
