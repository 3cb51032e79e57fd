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

/* The steps of a service: from when to when it is worked on, in minutes since its start. */
CREATE VIEW oracle.steps AS
SELECT service_id, position, begins, begins + work_minutes AS ends
FROM (SELECT *, coalesce(sum(work_minutes + gap_minutes) OVER (PARTITION BY service_id ORDER BY position
		ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS begins
	FROM booking.service_steps) step;

/*
 * Who offers what, and under which rules; inactive and foreign pairs are out.
 * work: the stretches of work, seconds since the start; all of them last for
 * "duration".
 */
CREATE VIEW oracle.offers AS
SELECT b.id AS barber_id,
	s.id AS service_id,
	s.capacity,
	b.max_per_day,
	work,
	make_interval(secs => upper(work)) AS duration,
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
CROSS JOIN LATERAL (
	SELECT coalesce(range_agg(int4range(60 * begins::int, 60 * ends::int)),
		int4multirange(int4range(0, 60 * coalesce(bs.duration_minutes, s.duration_minutes)))) AS work
	FROM oracle.steps WHERE service_id = s.id) steps
WHERE b.is_active AND s.is_active AND shop.is_active;

/* The appointments that occupy time now. */
CREATE VIEW oracle.live AS
SELECT *
FROM booking.appointments
WHERE status IN ('confirmed', 'checked_in')
OR (status = 'pending' AND (hold_expires_at IS NULL OR hold_expires_at > oracle.now()));

/* The appointment that is to be moved, if any: none of its parts is in its way. */
CREATE FUNCTION oracle.moved() RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT nullif(current_setting('oracle.moved', true), '')::bigint
$$;

CREATE VIEW oracle.others AS
SELECT *
FROM oracle.live
WHERE coalesce(part_of, id) IS DISTINCT FROM oracle.moved();

/* ---------------------------------------------------------------------------
 * What an appointment that is moved takes along
 * ------------------------------------------------------------------------ */

/* The time of an appointment: of the parts that have its status. */
CREATE FUNCTION oracle.own_time(head bigint, OUT parts bigint, OUT work int4multirange, OUT buffer_before interval, OUT buffer_after interval)
LANGUAGE sql STABLE AS $$
	SELECT count(*), range_agg(int4range(extract(epoch FROM p.starts_at - h.starts_at)::int, extract(epoch FROM p.ends_at - h.starts_at)::int)),
		min(p.starts_at) - min(p.busy_from), max(p.busy_until) - max(p.ends_at)
	FROM booking.appointments h JOIN booking.appointments p ON h.id IN (p.id, p.part_of) AND p.status = h.status
	WHERE h.id = head
$$;

/* The time that a barber takes for a service, offered or not. */
CREATE FUNCTION oracle.usual_time(barber bigint, service bigint, OUT parts bigint, OUT work int4multirange, OUT buffer_before interval, OUT buffer_after interval)
LANGUAGE sql STABLE AS $$
	SELECT coalesce(steps.parts, 1), coalesce(steps.work, int4multirange(int4range(0, 60 * coalesce(bs.duration_minutes, s.duration_minutes)))),
		make_interval(mins => s.buffer_before_minutes), make_interval(mins => s.buffer_after_minutes)
	FROM booking.services s LEFT JOIN booking.barber_services bs ON bs.service_id = s.id AND bs.barber_id = barber
	LEFT JOIN (SELECT service_id, count(*) AS parts, range_agg(int4range(60 * begins::int, 60 * ends::int)) AS work
		FROM oracle.steps GROUP BY service_id) steps ON steps.service_id = s.id
	WHERE s.id = service
$$;

/* Whether the moved appointment keeps its own time there: always with its barber, else if it is not what its barber takes anyway. */
CREATE FUNCTION oracle.keeps_time(barber bigint, service bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT a.service_id = service
			AND (a.barber_id = barber OR oracle.own_time(a.id) IS DISTINCT FROM oracle.usual_time(a.barber_id, a.service_id))
		FROM booking.appointments a WHERE a.id = oracle.moved()), false)
$$;

/* An offer, as one of the time that the moved appointment has. */
CREATE FUNCTION oracle.as_moved(o oracle.offers) RETURNS oracle.offers LANGUAGE plpgsql STABLE AS $$
DECLARE
	own record;
BEGIN
	IF o.barber_id IS NOT NULL AND oracle.keeps_time(o.barber_id, o.service_id) THEN
		own := oracle.own_time(oracle.moved());
		o.work := own.work;
		o.duration := make_interval(secs => upper(own.work));
		o.buffer_before := own.buffer_before;
		o.buffer_after := own.buffer_after;
		IF own.parts > 1 THEN
			o.capacity := 1;
		END IF;
	END IF;
	RETURN o;
END
$$;

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
		SELECT (day + opens) AT TIME ZONE time_zone AS opens,
			(CASE WHEN closes < opens THEN day + 1 ELSE day END + closes) AT TIME ZONE time_zone AS closes
		FROM valid, booking.shops
		WHERE id = (SELECT shop_id FROM booking.barbers WHERE id = barber)
		AND opens IS NOT NULL		-- NULL: closed
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
	FROM oracle.others
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
 * What an offer takes, and what others have taken
 * ------------------------------------------------------------------------ */

/* The barber's busy time: all of the work, a buffer before the first and one after the last of it. */
CREATE FUNCTION oracle.busy_time(o oracle.offers, t timestamptz) RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	SELECT range_agg(tstzrange(
		t + make_interval(secs => lower(piece)) - CASE WHEN lower(piece) = 0 THEN o.buffer_before ELSE '0' END,
		t + make_interval(secs => upper(piece)) + CASE WHEN upper(piece) = upper(o.work) THEN o.buffer_after ELSE '0' END))
	FROM unnest(o.work) piece
$$;

/* Groups: who comes at the same time, for the same service, and for as long. */
CREATE FUNCTION oracle.groups(o oracle.offers) RETURNS TABLE (t timestamptz, seats_left int) LANGUAGE sql STABLE AS $$
	SELECT starts_at, (o.capacity - count(*))::int
	FROM oracle.others
	WHERE barber_id = o.barber_id AND service_id = o.service_id AND o.capacity > 1
	AND (busy_from, busy_until) = (starts_at - o.buffer_before, starts_at + o.duration + o.buffer_after)
	GROUP BY starts_at
$$;

/*
 * Days on which the barber takes no more; a service with steps counts once.
 * Whoever is moved within such a day makes it no fuller.
 */
CREATE FUNCTION oracle.full_days(o oracle.offers) RETURNS SETOF date LANGUAGE sql STABLE AS $$
	SELECT day
	FROM (
		SELECT * FROM oracle.live
		UNION ALL
		SELECT * FROM booking.appointments WHERE status = 'completed'
	) taken, LATERAL (SELECT (starts_at AT TIME ZONE o.time_zone)::date AS day) x
	WHERE barber_id = o.barber_id AND part_of IS NULL
	GROUP BY day
	HAVING count(*) >= o.max_per_day AND NOT coalesce(bool_or(id = oracle.moved()), false)
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
 * packed: a stretch of work collides with a live appointment inside an open
 * interval of starts.  What is left of an hours piece without time off are
 * closed intervals (sometimes a single instant); the grid counts from where
 * one begins.
 */
CREATE FUNCTION oracle.packed_grid(o oracle.offers, from_date date, to_date date)
RETURNS SETOF timestamptz LANGUAGE sql STABLE AS $$
	WITH collision AS MATERIALIZED (
		SELECT coalesce(range_agg(tstzrange(a.busy_from - (upper(piece) - '2000-01-01Z'),
			a.busy_until + ('2000-01-01Z' - lower(piece)), '()')), '{}') AS collisions
		FROM oracle.others a, unnest(oracle.busy_time(o, '2000-01-01Z')) piece
		WHERE a.barber_id = o.barber_id
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
	SELECT t >= oracle.now() + o.notice AND (t > oracle.now()
		-- What runs out, at its start at the latest, cannot be moved to begin now.
		OR NOT EXISTS (SELECT FROM booking.appointments a WHERE a.id = oracle.moved() AND a.hold_expires_at IS NOT NULL))
$$;

/* A group is joined at its own start, whatever the grid says. */
CREATE FUNCTION oracle.available_slots(service bigint, from_date date, to_date date DEFAULT NULL,
	barber bigint DEFAULT NULL)
RETURNS TABLE (barber_id bigint, starts_at timestamptz, ends_at timestamptz, seats_left int)
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
		o := oracle.as_moved(o);
		open := oracle.open(o.barber_id, from_date, until_date);
		busy := oracle.busy(o.barber_id);
		RETURN QUERY
			SELECT o.barber_id, t, t + o.duration, seats
			FROM (
				SELECT t, o.capacity
				FROM oracle.grid(o, from_date, until_date) t
				WHERE NOT oracle.busy_time(o, t) && busy
				UNION ALL
				SELECT t, seats_left
				FROM oracle.groups(o)
				WHERE seats_left > 0 AND (t AT TIME ZONE o.time_zone)::date BETWEEN from_date AND until_date
			) start (t, seats)
			WHERE tstzrange(t, t + o.duration) <@ open
			AND oracle.late_enough(o, t)
			AND oracle.soon_enough(o, t)
			AND (t AT TIME ZONE o.time_zone)::date NOT IN (SELECT oracle.full_days(o));
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
	o := oracle.as_moved(o);

	day := (t AT TIME ZONE o.time_zone)::date;
	IF NOT oracle.late_enough(o, t) THEN
		RETURN 'notice_too_short';
	ELSIF NOT oracle.soon_enough(o, t) THEN
		RETURN 'too_far_ahead';
	ELSIF NOT tstzrange(t, t + o.duration) <@ oracle.open(barber, day, day) THEN
		RETURN 'outside_hours';
	END IF;

	on_grid := t IN (SELECT oracle.grid(o, day, day) UNION ALL SELECT g.t FROM oracle.groups(o) g);
	taken := oracle.busy_time(o, t) && oracle.busy(barber)
		AND t NOT IN (SELECT g.t FROM oracle.groups(o) g WHERE g.seats_left > 0);

	RETURN CASE
		WHEN o.slot_anchor = 'packed' AND taken THEN 'slot_taken'
		WHEN NOT on_grid THEN 'off_grid'
		WHEN taken THEN 'slot_taken'
		WHEN day IN (SELECT oracle.full_days(o)) THEN 'limit_reached'
	END;
END
$$;

/* ---------------------------------------------------------------------------
 * Any barber
 * ------------------------------------------------------------------------ */

/* In which order a shop's barbers are asked for a service: by the first column, then by id. */
CREATE FUNCTION oracle.turns(service bigint, t timestamptz) RETURNS TABLE (turn numeric, barber_id bigint)
LANGUAGE sql STABLE AS $$
	SELECT CASE shop.assignment
			WHEN 'priority' THEN -b.priority
			WHEN 'round_robin' THEN (SELECT coalesce(max(a.id), 0) FROM booking.appointments a
				WHERE a.barber_id = b.id AND a.is_assigned)
			WHEN 'least_booked' THEN (SELECT coalesce(sum(extract(epoch FROM a.ends_at - a.starts_at)), 0)
				FROM booking.appointments a
				WHERE a.barber_id = b.id
				AND (a.status = 'completed' OR a.id IN (SELECT id FROM oracle.live))
				AND (a.starts_at AT TIME ZONE shop.time_zone)::date = (t AT TIME ZONE shop.time_zone)::date)
		END, b.id
	FROM booking.barber_services bs
	JOIN booking.barbers b ON b.id = bs.barber_id
	JOIN booking.shops shop ON shop.id = b.shop_id
	WHERE bs.service_id = service
$$;
