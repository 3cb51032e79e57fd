-- peers.sql: what people would use instead, each at its best.
--
-- psql variable: with_writes (the tables of the write scenarios are filled).
--
-- But for multirange_rules, the peers know less than booking does: no overrides,
-- no time off, no notice, no horizon, no buffers, one time zone, one grid, the
-- length of the service written into the text; and the writers check no rule
-- but the overlap.  None knows services with steps or a capacity, or limits.

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

-- ---------------------------------------------------------------------------
-- Tables to write to: the columns, CHECKs, indexes, foreign keys and rows of
-- appointments, without its triggers
-- ---------------------------------------------------------------------------

-- unguarded: anything goes.  The floor of booking, and the table of those who
-- check for themselves under a lock.
CREATE TABLE bench.unguarded (LIKE booking.appointments INCLUDING ALL);

-- exclusion: guarded by the server's own means, whose index makes the one for
-- availability superfluous
CREATE EXTENSION btree_gist;
CREATE TABLE bench.exclusion (LIKE booking.appointments INCLUDING ALL);
DROP INDEX bench.exclusion_barber_id_busy_from_busy_until_hold_expires_at_idx;

\if :with_writes
INSERT INTO bench.unguarded SELECT * FROM booking.appointments;
INSERT INTO bench.exclusion SELECT * FROM booking.appointments
WHERE hold_expires_at IS NULL OR hold_expires_at > now();
SELECT setval('bench.unguarded_id_seq', max(id)), setval('bench.exclusion_id_seq', max(id))
FROM booking.appointments \g /dev/null
\endif

ALTER TABLE bench.unguarded
	ADD FOREIGN KEY (barber_id) REFERENCES booking.barbers,
	ADD FOREIGN KEY (service_id) REFERENCES booking.services,
	ADD FOREIGN KEY (user_id) REFERENCES booking.users,
	ADD FOREIGN KEY (part_of) REFERENCES bench.unguarded ON DELETE CASCADE;
ALTER TABLE bench.exclusion
	ADD FOREIGN KEY (barber_id) REFERENCES booking.barbers,
	ADD FOREIGN KEY (service_id) REFERENCES booking.services,
	ADD FOREIGN KEY (user_id) REFERENCES booking.users,
	ADD FOREIGN KEY (part_of) REFERENCES bench.exclusion ON DELETE CASCADE,
	ADD EXCLUDE USING gist (barber_id WITH =, tstzrange(busy_from, busy_until) WITH &&)
	WHERE (status IN ('pending', 'confirmed', 'checked_in'));
VACUUM ANALYZE bench.unguarded, bench.exclusion;

-- ---------------------------------------------------------------------------
-- Booking one hour, "no" as NULL: for the fight
--
-- EXCLUDE with ON CONFLICT DO NOTHING needs no function, see scripts/fight/.
-- ---------------------------------------------------------------------------

-- EXCLUDE, and "no" is an error caught.  A look before the insert spares most
-- callers the error; it decides nothing.  Who is stuck among others who all wait
-- for each other gives up when statement_timeout says so, and is counted.
CREATE UNLOGGED SEQUENCE bench.given_up MINVALUE 0;
CREATE FUNCTION bench.book_exclusion(barber bigint, service bigint, customer bigint, at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + interval '1 hour';
	booked bigint;
BEGIN
	IF EXISTS (
		SELECT FROM bench.exclusion
		WHERE barber_id = barber AND tstzrange(busy_from, busy_until) && tstzrange(at, until)
		AND status IN ('pending', 'confirmed', 'checked_in'))
	THEN
		RETURN NULL;
	END IF;
	INSERT INTO bench.exclusion (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (barber, service, customer, at, until, at, until)
	RETURNING id INTO booked;
	RETURN booked;
EXCEPTION
	WHEN exclusion_violation OR deadlock_detected THEN
		RETURN NULL;
	WHEN query_canceled THEN
		PERFORM nextval('bench.given_up');
		RETURN NULL;
END
$$;

-- A lock until the commit: on the barber's row, or an advisory one.  The first
-- look only spares latecomers the queue.  Nothing overlaps in this table, so
-- that the last appointment to begin before the end of the hour tells all.
-- FOR NO KEY UPDATE lets foreign keys to the barber pass, as FOR UPDATE would not.
CREATE FUNCTION bench.book_locked(barber bigint, service bigint, customer bigint, at timestamptz, lock_row boolean)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + interval '1 hour';
	booked bigint;
BEGIN
	IF (SELECT busy_until > at FROM bench.unguarded
		WHERE barber_id = barber AND busy_from < until AND status IN ('pending', 'confirmed', 'checked_in')
		ORDER BY busy_from DESC LIMIT 1)
	THEN
		RETURN NULL;
	END IF;
	IF lock_row THEN
		PERFORM FROM booking.barbers WHERE id = barber FOR NO KEY UPDATE;
	ELSE
		PERFORM pg_advisory_xact_lock(barber);
	END IF;
	IF (SELECT busy_until > at FROM bench.unguarded
		WHERE barber_id = barber AND busy_from < until AND status IN ('pending', 'confirmed', 'checked_in')
		ORDER BY busy_from DESC LIMIT 1)
	THEN
		RETURN NULL;
	END IF;
	INSERT INTO bench.unguarded (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (barber, service, customer, at, until, at, until)
	RETURNING id INTO booked;
	RETURN booked;
END
$$;
