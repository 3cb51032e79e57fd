--
-- Overrides: staff may break hours, notice, grid, horizon, limits and window,
-- in every call that books; never the overlap.  What was really broken is kept
-- on the row.
--
-- Open every day 09:00 to 12:00, half an hour apart, an hour's notice, two
-- weeks ahead, cancellations up to a day before.  It is Sunday 2026-03-01, noon.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, min_notice_minutes, max_advance_days, cancellation_window_minutes)
VALUES (22601, 'Overrides', 'America/New_York', 30, 60, 14, 1440), (22602, 'Packed', 'America/New_York', 30, 60, 14, 0), (22603, 'Far', 'UTC', 30, 60, 14, 0);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (22601, 22601, 'Ora'), (22602, 22601, 'Otto'), (22603, 22602, 'Pat'), (22604, 22601, 'Not'), (22605, 22603, 'Fay');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT b, n, '09:00', '12:00' FROM generate_series(22601, 22605) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes, capacity)
VALUES (22601, 22601, 'Cut', 30, 0, 0, 1), (22602, 22601, 'Dye', 30, 10, 10, 1), (22603, 22601, 'Class', 30, 0, 0, 2), (22604, 22601, 'Perm', 30, 0, 0, 1),
	(22605, 22602, 'Packed', 30, 0, 0, 1), (22606, 22603, 'Far', 30, 10, 10, 1);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (22604, 1, 30, 30), (22604, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(22601, 22602) b, generate_series(22601, 22604) s UNION ALL VALUES (22603, 22605), (22605, 22606);
INSERT INTO booking.users (id, email) VALUES (22601, 'u22601@example.org'), (22602, 'u22602@example.org');

-- The calls that take overrides.
CREATE TEMP TABLE calls (n int PRIMARY KEY, call text, statement text);
INSERT INTO calls VALUES
	(1, 'book_slot', 'SELECT id, NULL FROM booking.book_slot(%1$s, %2$s, %3$s, %4$L, NULL, %5$L)'),
	(2, 'try_book_slot', 'SELECT appointment_id, reason FROM booking.try_book_slot(%1$s, %2$s, %3$s, %4$L, NULL, %5$L)'),
	(3, 'hold_slot', 'SELECT id, NULL FROM booking.hold_slot(%1$s, %2$s, %3$s, %4$L, NULL, NULL, %5$L)'),
	(4, 'book_visit', 'SELECT id, NULL FROM booking.book_visit(%3$s, ARRAY[(%1$s, %2$s, %4$L, NULL)]::booking.visit_item[], NULL, %5$L)'),
	(5, 'book_series, fail', 'SELECT appointment_id, reason FROM booking.book_series(%1$s, %2$s, %3$s, %4$L, ''1 day'', 1, ''fail'', %5$L)'),
	(6, 'book_series, skip', 'SELECT appointment_id, reason FROM booking.book_series(%1$s, %2$s, %3$s, %4$L, ''1 day'', 1, ''skip'', %5$L)'),
	(7, 'reschedule', 'SELECT id, NULL FROM booking.reschedule_appointment(22690, %4$L, %1$s, %2$s, NULL, %5$L)');
-- What a call says: SQLSTATE or reason, or what is kept on the row.  Undone; the appointment that is moved is made for it, far from everything, with overrides of old.
CREATE FUNCTION pg_temp.ask(which int, barber bigint, service bigint, customer bigint, at timestamptz, overrides text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	made bigint;
	answer text;
BEGIN
	IF which = 7 THEN
		INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, overrides)
		SELECT 22690, 22603, 22605, customer, timestamptz '2026-05-01 09:00-04', timestamptz '2026-05-01 09:30-04', '{horizon}';
	END IF;
	EXECUTE format((SELECT c.statement FROM calls c WHERE c.n = which), barber, service, coalesce(customer::text, 'NULL'), at, overrides) INTO made, answer;
	IF made IS NOT NULL THEN
		SELECT coalesce(a.overrides::text, 'none') INTO answer FROM booking.appointments a WHERE a.id = made;
	END IF;
	RAISE SQLSTATE 'OK000';
EXCEPTION
	WHEN SQLSTATE 'OK000' THEN RETURN answer;
	WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;
-- Of a time that breaks one rule: what each call says without overrides, with all others, with that one, and with all.
CREATE FUNCTION pg_temp.matrix(word text, barber bigint, service bigint, customer bigint, at timestamptz) RETURNS TABLE (call text, without text, others text, alone text, "all" text) LANGUAGE sql AS $$
SELECT c.call, pg_temp.ask(n, barber, service, customer, at, NULL),
	pg_temp.ask(n, barber, service, customer, at, array_remove('{hours,notice,grid,horizon,limits,window}', word)),
	pg_temp.ask(n, barber, service, customer, at, ARRAY[word]), pg_temp.ask(n, barber, service, customer, at, '{window,limits,horizon,grid,notice,hours}')
FROM calls c ORDER BY c.n
$$;

-- ---------------------------------------------------------------------------
-- Each rule, in each call
-- ---------------------------------------------------------------------------

-- A time that breaks none: nothing is kept, whatever was given.
SELECT * FROM pg_temp.matrix('hours', 22601, 22601, 22601, '2026-03-03 09:00-05');
-- Outside of hours there is no grid: hours alone will do, and 07:10 is not "off the grid" as well.
SELECT * FROM pg_temp.matrix('hours', 22601, 22601, 22601, '2026-03-03 12:00-05');
SELECT * FROM pg_temp.matrix('hours', 22601, 22601, 22601, '2026-03-03 07:10-05');
-- Begun within the hours, and not over at noon.
SELECT * FROM pg_temp.matrix('hours', 22601, 22601, 22601, '2026-03-03 11:45-05');
SELECT * FROM pg_temp.matrix('grid', 22601, 22601, 22601, '2026-03-03 09:10-05');
SELECT * FROM pg_temp.matrix('horizon', 22601, 22601, 22601, '2026-03-16 09:00-04');
-- Notice: in half an hour, an hour ago.  Those are outside of hours, too, unless there are others that day.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (22601, '2026-03-01', '09:00', '18:00');
SELECT * FROM pg_temp.matrix('notice', 22601, 22601, 22601, '2026-03-01 12:30-05');
SELECT * FROM pg_temp.matrix('notice', 22601, 22601, 22601, '2026-03-01 11:00-05');

-- Limits: as many as the user may have, elsewhere at that time, as many as the barber takes.
SAVEPOINT limits;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES (22602, 22601, 22601, '2026-03-03 10:00-05', '2026-03-03 10:30-05');
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 22601;
SELECT * FROM pg_temp.matrix('limits', 22601, 22601, 22601, '2026-03-03 11:00-05');
UPDATE booking.shops SET max_active_per_user = NULL, prevent_user_overlap = true WHERE id = 22601;
SELECT * FROM pg_temp.matrix('limits', 22601, 22601, 22601, '2026-03-03 10:00-05');
UPDATE booking.shops SET prevent_user_overlap = false WHERE id = 22601;
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 22602;
SELECT * FROM pg_temp.matrix('limits', 22602, 22601, 22602, '2026-03-03 11:00-05');
-- All three, and none that is broken: of another user, another day.
UPDATE booking.shops SET max_active_per_user = 1, prevent_user_overlap = true WHERE id = 22601;
SELECT DISTINCT pg_temp.ask(n, 22602, 22601, 22601, '2026-03-03 09:45-05', '{limits}') AS off_grid, pg_temp.ask(n, 22602, 22601, 22601, '2026-03-03 09:30-05', '{limits}') AS limits,
	pg_temp.ask(n, 22602, 22601, 22602, '2026-03-04 10:00-05', '{limits}') AS nothing, pg_temp.ask(n, 22602, 22601, NULL, '2026-03-04 10:00-05', '{limits}') AS walk_in FROM calls;
ROLLBACK TO limits;

-- The window: a move of what begins in less than a day.  It is no rule of booking.
SAVEPOINT close;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(22680, 22601, 22601, 22601, '2026-03-02 11:30-05', '2026-03-02 12:00-05'), (22681, 22601, 22601, 22601, '2026-03-03 10:00-05', '2026-03-03 10:30-05');
SELECT v.n, v.id, v.overrides, test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-04 09:00-05'', NULL, NULL, NULL, %L)', v.id, v.overrides)) FROM (VALUES
	(1, 22680, NULL), (2, 22680, '{}'), (3, 22680, '{hours,notice,grid,horizon,limits}'), (4, 22680, '{window}'), (5, 22681, NULL), (6, 22681, '{window}')) v (n, id, overrides) ORDER BY n;
SELECT r.id, (SELECT count(*) FROM booking.reschedule_appointment(r.id, '2026-03-04 09:00-05', r.barber, NULL, NULL, '{window}')) FROM (VALUES (22680, 22601), (22681, 22602)) r (id, barber) ORDER BY 1;
SELECT id, barber_id, starts_at, overrides FROM booking.appointments WHERE id BETWEEN 22680 AND 22681 ORDER BY id;
-- What was broken by an earlier move is not kept; what this one breaks is.
SELECT starts_at FROM booking.reschedule_appointment(22680, '2026-03-04 09:10-05', NULL, NULL, NULL, '{window,grid,hours}');
SELECT overrides FROM booking.appointments WHERE id = 22680;
SELECT starts_at FROM booking.reschedule_appointment(22680, '2026-03-02 07:10-05', NULL, NULL, NULL, '{hours}');
SELECT overrides FROM booking.appointments WHERE id = 22680;
SELECT starts_at FROM booking.reschedule_appointment(22680, '2026-03-01 11:10-05', NULL, NULL, NULL, '{window,notice,grid}');
SELECT overrides FROM booking.appointments WHERE id = 22680;
SELECT starts_at FROM booking.reschedule_appointment(22680, '2026-03-05 11:00-05', NULL, NULL, NULL, '{window}');
SELECT starts_at FROM booking.reschedule_appointment(22680, '2026-03-05 10:00-05');
SELECT overrides IS NULL AS none FROM booking.appointments WHERE id = 22680;
ROLLBACK TO close;

-- ---------------------------------------------------------------------------
-- Several at once
-- ---------------------------------------------------------------------------

-- The first rule that is neither kept nor overridden refuses; what was overridden before it does not show.
SELECT v.n, v.at, v.overrides, pg_temp.ask(1, 22601, 22601, 22601, v.at, v.overrides) AS book_slot, pg_temp.ask(7, 22601, 22601, 22601, v.at, v.overrides) AS reschedule FROM (VALUES
	(1, timestamptz '2026-03-01 08:10-05', '{}'::text[]), (2, '2026-03-01 08:10-05', '{hours}'), (3, '2026-03-01 08:10-05', '{notice}'), (4, '2026-03-01 08:10-05', '{notice,hours}'),
	(5, '2026-03-01 10:10-05', '{notice}'), (6, '2026-03-01 10:10-05', '{grid}'), (7, '2026-03-01 10:10-05', '{grid,notice}'), (8, '2026-04-01 07:00-04', '{horizon}'),
	(9, '2026-04-01 07:00-04', '{hours}'), (10, '2026-04-01 07:00-04', '{horizon,hours,limits,window}'), (11, '2026-04-01 10:10-04', '{horizon}'), (12, '2026-04-01 10:10-04', '{horizon,grid,horizon}')
) v (n, at, overrides) ORDER BY n;
-- Kept once and in one order, however they were given; in more dimensions than one.
SELECT starts_at FROM booking.book_slot(22601, 22601, NULL, '2026-03-01 08:10-05', NULL, '{{window,notice},{hours,notice}}');
SELECT barber_id, starts_at, overrides FROM booking.appointments WHERE barber_id = 22601 ORDER BY id;
-- Each row of a visit and of a series keeps its own; all parts of a service with steps the same.
SELECT count(*) FROM booking.book_visit(22601, ARRAY[(22601, 22601, '2026-03-04 12:00-05', NULL), (22601, 22601, '2026-03-04 10:10-05', NULL), (22602, 22601, '2026-03-04 09:00-05', NULL),
	(22602, 22604, '2026-03-04 11:30-05', NULL), (22602, 22601, '2026-03-04 09:30-05', NULL)]::booking.visit_item[], NULL, '{hours,grid}');
SELECT barber_id, starts_at, part_of IS NULL AS head, overrides FROM booking.appointments WHERE user_id = 22601 ORDER BY barber_id, starts_at;
SELECT occurrence, reason FROM booking.book_series(22602, 22601, 22602, '2026-03-14 10:00-04', '1 day', 4, 'fail', '{horizon,hours}');
SELECT occurrence, reason FROM booking.book_series(22602, 22601, 22602, '2026-03-14 11:10-04', '1 day', 3, 'skip', '{horizon}');
SELECT starts_at, overrides FROM booking.appointments WHERE user_id = 22602 ORDER BY starts_at;
-- A limit that a visit breaks as a whole is broken by its first items; two of three are within it.
SAVEPOINT whole;
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 22601;
INSERT INTO booking.users (id, email) VALUES (22603, 'u22603@example.org');
SELECT count(*) FROM booking.book_visit(22603, ARRAY[(22601, 22601, '2026-03-05 10:00-05', NULL)]::booking.visit_item[], NULL, '{limits}');
SELECT count(*) FROM booking.book_visit(22603, ARRAY[(22601, 22601, '2026-03-05 10:30-05', NULL), (22601, 22601, '2026-03-05 11:00-05', NULL)]::booking.visit_item[], NULL, '{limits}');
SELECT starts_at, overrides FROM booking.appointments WHERE user_id = 22603 ORDER BY starts_at;
ROLLBACK TO whole;
-- A continuation is off the grid by right: nothing is overridden.
SELECT count(*) FROM booking.book_visit(NULL, ARRAY[(22601, 22602, '2026-03-06 09:00-05', NULL), (22601, 22602, '2026-03-06 09:50-05', NULL)]::booking.visit_item[], NULL, '{grid}');
SELECT starts_at, overrides FROM booking.appointments WHERE barber_id = 22601 AND starts_at > '2026-03-06 00:00-05' ORDER BY starts_at;

-- ---------------------------------------------------------------------------
-- Never the overlap, nor what is unknown or not offered
-- ---------------------------------------------------------------------------

-- Ora has 10:00 to 10:30 on the 7th, 12:30 to 13:00 after hours, and a class that is full at 09:00; her Dye needs 10 minutes around it.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (22601, 22601, '2026-03-07 10:00-05', '2026-03-07 10:30-05'),
	(22601, 22601, '2026-03-07 12:30-05', '2026-03-07 13:00-05'), (22601, 22603, '2026-03-07 09:00-05', '2026-03-07 09:30-05'), (22601, 22603, '2026-03-07 09:00-05', '2026-03-07 09:30-05');
SELECT v.n, v.what, string_agg(DISTINCT pg_temp.ask(c.n, v.barber, v.service, NULL, v.at, '{hours,notice,grid,horizon,limits,window}'), ' ') AS answers FROM (VALUES
	(1, 'taken', 22601, 22601, timestamptz '2026-03-07 10:00-05'), (2, 'taken, off the grid', 22601, 22601, '2026-03-07 10:29-05'), (3, 'taken, after hours', 22601, 22601, '2026-03-07 12:59-05'),
	(4, 'buffer', 22601, 22602, '2026-03-07 10:39-05'), (5, 'its end', 22601, 22602, '2026-03-07 10:40-05'), (6, 'no place', 22601, 22603, '2026-03-07 09:00-05'), (7, 'another class', 22601, 22603, '2026-03-07 09:10-05'),
	(8, 'second step', 22601, 22604, '2026-03-07 11:31-05'), (9, 'not offered', 22604, 22601, '2026-03-07 11:00-05'), (10, 'unknown barber', 22699, 22601, '2026-03-07 11:00-05'),
	(11, 'unknown service', 22601, 22699, '2026-03-07 11:00-05'), (12, 'none', 22601, 22601, '2026-03-07 11:00-05')) v (n, what, barber, service, at), calls c GROUP BY 1, 2 ORDER BY 1;
UPDATE booking.barbers SET is_active = false WHERE id = 22602;
SELECT DISTINCT pg_temp.ask(n, 22602, 22601, NULL, '2026-03-09 09:00-04', '{hours,notice,grid,horizon,limits,window}') FROM calls ORDER BY 1;
UPDATE booking.barbers SET is_active = true WHERE id = 22602;
-- A place in a class that was made off the grid is no break of it, one of one's own is.
SELECT barber_id FROM booking.book_slot(22601, 22603, NULL, '2026-03-08 09:10-04', NULL, '{grid}');
SELECT barber_id FROM booking.book_slot(22601, 22603, NULL, '2026-03-08 09:10-04', NULL, '{grid}');
SELECT barber_id FROM booking.book_slot(22601, 22603, NULL, '2026-03-08 07:10-04', NULL, '{grid,hours}');
SELECT barber_id FROM booking.book_slot(22601, 22603, NULL, '2026-03-08 07:10-04', NULL, '{grid,hours}');
SELECT test.brief('SELECT booking.book_slot(22601, 22603, NULL, ''2026-03-08 07:10-04'', NULL, ''{grid,hours}'')');
SELECT starts_at, overrides FROM booking.appointments WHERE service_id = 22603 AND starts_at > '2026-03-08 00:00-05' ORDER BY id;

-- A packed grid: what is busy is said first, and what is off it can be overridden, also before and after hours.
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 22602;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (22603, 22605, '2026-03-07 09:05-05', '2026-03-07 09:35-05'), (22603, 22605, '2026-03-07 12:05-05', '2026-03-07 12:10-05');
SELECT v.n, v.at, string_agg(DISTINCT pg_temp.ask(c.n, 22603, 22605, NULL, v.at, '{}'), ' ') AS without, string_agg(DISTINCT pg_temp.ask(c.n, 22603, 22605, NULL, v.at, '{grid,hours}'), ' ') AS overridden
FROM (VALUES (1, timestamptz '2026-03-07 09:35-05'), (2, '2026-03-07 09:40-05'), (3, '2026-03-07 09:34-05'), (4, '2026-03-07 08:40-05'), (5, '2026-03-07 08:30-05'), (6, '2026-03-07 11:40-05'), (7, '2026-03-07 11:35-05')) v (n, at), calls c GROUP BY 1, 2 ORDER BY 1;

-- Long ago and far ahead, as far as there are instants: ten minutes before it and after it are the appointment's, too.
SET timezone = 'UTC';
SELECT v.n, v.at, string_agg(DISTINCT pg_temp.ask(c.n, 22605, 22606, NULL, v.at, '{hours,notice,horizon}'), ' ') AS answers, string_agg(DISTINCT pg_temp.ask(c.n, 22605, 22606, NULL, v.at, NULL), ' ') AS without
FROM (VALUES (1, timestamptz '1926-03-01 10:00Z'), (2, '0001-01-01 00:00Z'), (3, '9999-12-31 23:00Z'), (4, '294276-12-31 23:19:59Z'), (5, '294276-12-31 23:20:00Z'),
	(6, '294276-12-31 23:59:59Z'), (7, '4714-11-24 00:10Z BC'), (8, '4714-11-24 00:09Z BC')) v (n, at), calls c GROUP BY 1, 2 ORDER BY 1;
SELECT c.call, e.line FROM calls c, test.error(format(c.statement, 22605, 22606, 'NULL', '294276-12-31 23:59:59Z', '{hours,horizon}')) e (line) WHERE c.n = 2;
SET timezone = 'America/New_York';

-- The same key with other overrides is another request; in another order, or twice, it is the same.
SELECT id AS keyed FROM booking.book_slot(22602, 22601, NULL, '2026-03-07 09:10-05', 'overrides', '{grid,hours}') \gset
SELECT v.overrides, coalesce((SELECT reason FROM booking.try_book_slot(22602, 22601, NULL, '2026-03-07 09:10-05', 'overrides', v.overrides)), 'the same') FROM (VALUES
	(1, '{grid,hours}'::text[]), (2, '{hours,grid,grid}'), (3, '{{hours},{grid}}'), (4, '{grid}'), (5, '{}'), (6, NULL), (7, '{grid,hours,window}')) v (n, overrides) ORDER BY n;
SELECT overrides FROM booking.appointments WHERE id = :keyed;

-- ---------------------------------------------------------------------------
-- Words that are none
-- ---------------------------------------------------------------------------

SELECT v.n, left(v.overrides::text, 40) AS overrides, string_agg(DISTINCT pg_temp.ask(c.n, 22601, 22601, NULL, '2026-03-09 09:00-04', v.overrides), ' ') AS answers FROM (VALUES
	(1, '{}'::text[]), (2, NULL), (3, '{overlap}'), (4, '{Hours}'), (5, '{" hours"}'), (6, '{""}'), (7, '{NULL}'), (8, '{hours,NULL}'), (9, '{{hours,grid},{limits,slot_taken}}'),
	(10, '{hours;notice}'), (11, '{all}'), (12, '{*}'), (13, ARRAY[repeat('hours', 10000)])) v (n, overrides), calls c GROUP BY 1, 2 ORDER BY 1;
SELECT test.error('SELECT booking.hold_slot(22601, 22601, NULL, ''2026-03-09 09:00-04'', NULL, NULL, ''{hours,overlap}'')');
-- They are looked at before anything is asked.
SELECT c.call, pg_temp.ask(c.n, 22699, 22699, NULL, '2026-03-09 09:00-04', '{x}') FROM calls c ORDER BY c.n;

ROLLBACK;
