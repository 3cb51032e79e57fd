--
-- Series: book_series books at the same wall-clock time of the shop, all or
-- nothing (fail) or what it can (skip).
--
-- New York and Sydney, open day and night, half an hour apart on the clock; a
-- shop in New York that is open Monday to Friday 09:00 to 12:00.  It is
-- Thursday 2026-01-01, 00:00 UTC.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-01-01 00:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, slot_anchor, max_advance_days) VALUES
	(21001, 'New York', 'America/New_York', 30, 'clock', 3660), (21002, 'Sydney', 'Australia/Sydney', 30, 'clock', 3660),
	(21003, 'Weekdays', 'America/New_York', 30, 'opening', 90);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (21001, 21001, 'Nan'), (21002, 21002, 'Syd'), (21003, 21003, 'Wes'), (21004, 21003, 'Win'), (21005, 21003, 'No');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, time '00:00', time '24:00' FROM generate_series(21001, 21002) b, generate_series(1, 7) n
UNION ALL SELECT b, n, '09:00', '12:00' FROM generate_series(21003, 21004) b, generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, buffer_before_minutes, buffer_after_minutes, requires_confirmation) VALUES
	(21001, 21001, 'Cut', 30, 3000, 0, 0, false), (21002, 21002, 'Cut', 30, 3000, 0, 0, false), (21003, 21003, 'Cut', 30, 3000, 0, 0, false),
	(21004, 21003, 'Dye', 30, 5000, 5, 10, true), (21005, 21003, 'Perm', 1, 7000, 0, 0, false);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (21005, 1, 30, 30), (21005, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (21001, 21001), (21002, 21002), (21003, 21003), (21003, 21004), (21003, 21005), (21004, 21003);
INSERT INTO booking.users (id, email) VALUES (21001, 'u21001@example.org');
INSERT INTO booking.users (id, email, is_active) VALUES (21003, 'u21003@example.org', false);

-- The starts of a series, as the shop's clocks show them; and their offsets from UTC.
CREATE FUNCTION pg_temp.clock(zone text, barber bigint, at timestamptz, every interval, occurrences int) RETURNS TABLE (n int, local text, utc text, booked boolean) LANGUAGE sql AS $$
SELECT s.occurrence, to_char(s.starts_at AT TIME ZONE zone, 'Dy YYYY-MM-DD HH24:MI'), to_char(s.starts_at, 'MM-DD HH24:MI'), s.appointment_id IS NOT NULL AND s.reason IS NULL AND s.detail IS NULL
FROM booking.book_series(barber, barber, NULL, at, every, occurrences) s ORDER BY 1
$$;

-- ---------------------------------------------------------------------------
-- The same time on the wall
-- ---------------------------------------------------------------------------

-- New York, spring (March 8): 09:00 stays 09:00, and comes an hour earlier in UTC.
SELECT * FROM pg_temp.clock('America/New_York', 21001, '2026-03-01 09:00-05', '1 week', 3);
-- Autumn (November 1): an hour later.
SELECT * FROM pg_temp.clock('America/New_York', 21001, '2026-10-25 09:00-04', '7 days', 3);
-- Sydney goes the other way: the clocks are put back on April 5, and forward on October 4.
SELECT * FROM pg_temp.clock('Australia/Sydney', 21002, '2026-03-29 09:00+11', '1 week', 3);
SELECT * FROM pg_temp.clock('Australia/Sydney', 21002, '2026-09-27 09:00+10', '1 week', 3);
-- The session's zone is nobody's business.
SET timezone = 'Asia/Kolkata';
SELECT n, local, booked FROM pg_temp.clock('America/New_York', 21001, '2026-03-01 23:30-05', '1 week', 3);
SET timezone = 'UTC';
-- A time that does not exist moves forward, on that day alone; it is counted from the first, not from the one before.
SELECT * FROM pg_temp.clock('America/New_York', 21001, '2026-03-07 02:30-05', '1 day', 3);
SELECT * FROM pg_temp.clock('Australia/Sydney', 21002, '2026-10-03 02:30+10', '1 day', 3);
-- One that exists twice is the second, unless the first occurrence was given as the first.
SAVEPOINT twice;
SELECT * FROM pg_temp.clock('America/New_York', 21001, '2026-10-31 01:30-04', '1 day', 3);
SELECT * FROM pg_temp.clock('Australia/Sydney', 21002, '2026-04-04 02:30+11', '1 day', 3);
ROLLBACK TO twice;
SELECT * FROM pg_temp.clock('America/New_York', 21001, '2026-11-01 01:30-04', '1 day', 2);
-- From within the winter to within the summer and back, every ten weeks.
SELECT * FROM pg_temp.clock('America/New_York', 21001, '2026-01-05 10:00-05', '10 weeks', 6);

-- Months from the 31st: the last day where there is none, and the 31st again where there is; over a switch, and into a leap year.
SELECT n, local, booked FROM pg_temp.clock('America/New_York', 21001, '2026-01-31 10:00-05', '1 month', 7);
SELECT n, local, booked FROM pg_temp.clock('Australia/Sydney', 21002, '2027-10-31 10:00+11', '2 months', 4);
SELECT n, local, booked FROM pg_temp.clock('America/New_York', 21001, '2028-02-29 10:00-05', '1 year', 5);
-- Months and days together; days of 24 hours are days.
SELECT n, local, booked FROM pg_temp.clock('America/New_York', 21001, '2026-01-30 11:00-05', '1 month 1 day', 3);
SELECT n, local, booked FROM pg_temp.clock('America/New_York', 21001, '2026-03-07 11:00-05', '48:00', 2);
-- The most there can be, and the least.
SELECT count(*), count(DISTINCT appointment_id) AS booked, max(starts_at) FROM booking.book_series(21001, 21001, NULL, '2026-01-02 12:00-05', '1 day', 200);
SELECT * FROM pg_temp.clock('America/New_York', 21001, '2026-01-02 13:00-05', '366 days', 1);
DELETE FROM booking.appointments WHERE barber_id IN (21001, 21002);

-- ---------------------------------------------------------------------------
-- What is stored
-- ---------------------------------------------------------------------------

SAVEPOINT start;
-- A row for each occurrence, with the first one's id as series_id; no visit, no key.  Buffers and status as book_slot has them.
SELECT occurrence, starts_at, appointment_id > 0 AS id, reason, detail FROM booking.book_series(21003, 21004, 21001, '2026-01-05 10:00-05', '1 week', 3);
SELECT a.id - min(a.id) OVER () AS nth_id, a.series_id - min(a.id) OVER () AS series, a.barber_id, a.service_id, a.user_id, a.starts_at, a.busy_from, a.busy_until, a.status, a.price_cents,
	a.visit_id, a.is_assigned, a.overrides, a.idempotency_key, a.request_hash, a.version FROM booking.appointments a WHERE a.user_id = 21001 ORDER BY a.starts_at;
-- A series of one; another series has another id.
SELECT appointment_id AS one FROM booking.book_series(21003, 21003, 21001, '2026-01-05 11:00-05', '1 day', 1) \gset
SELECT series_id = :one AS own FROM booking.appointments WHERE id = :one;
SELECT count(DISTINCT series_id), count(series_id) FROM booking.appointments WHERE user_id = 21001;
-- book_slot makes none.
SELECT id FROM booking.book_slot(21003, 21003, 21001, '2026-01-05 09:00-05') \gset
SELECT series_id FROM booking.appointments WHERE id = :id;
ROLLBACK TO start;
-- A service with steps: all parts are of the series, and each occurrence is a visit of its own.
SELECT count(*) FROM booking.book_series(21003, 21005, 21001, '2026-01-05 09:00-05', '1 day', 2);
SELECT starts_at, dense_rank() OVER (ORDER BY visit_id) AS visit, visit_id = coalesce(part_of, id) AS of_its_head, series_id = first_value(id) OVER (ORDER BY starts_at) AS of_the_first
FROM booking.appointments WHERE user_id = 21001 ORDER BY starts_at;
ROLLBACK TO start;
-- Any barber: each occurrence is given by itself.  On the Tuesday Wes has something already; on the Wednesday Win is on leave, on the Thursday both are.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (21003, 21003, '2026-01-06 11:00-05', '2026-01-06 11:30-05');
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (21004, '2026-01-07 00:00-05', '2026-01-09 00:00-05'), (21003, '2026-01-08 00:00-05', '2026-01-09 00:00-05');
SELECT occurrence, appointment_id IS NOT NULL AS booked, reason FROM booking.book_series(NULL, 21003, 21001, '2026-01-05 09:00-05', '1 day', 5, 'skip');
SELECT starts_at, barber_id, is_assigned, series_id = min(id) OVER () AS of_the_first FROM booking.appointments WHERE user_id = 21001 ORDER BY starts_at;
SELECT test.brief('SELECT * FROM booking.book_series(NULL, 21003, 21001, ''2026-01-05 09:30-05'', ''1 day'', 5)');
-- Without a user.
SELECT occurrence, reason FROM booking.book_series(NULL, 21003, NULL, '2026-01-05 10:00-05', '1 day', 2);
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- fail: all or nothing
-- ---------------------------------------------------------------------------

-- The third is taken: its error, in full, and nothing is left of the first two, which can be had.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (21003, 21003, '2026-01-07 09:10-05', '2026-01-07 09:20-05');
SAVEPOINT taken;
SELECT test.error('SELECT * FROM booking.book_series(21003, 21003, 21001, ''2026-01-05 09:00-05'', ''1 day'', 5)');
DO $$
DECLARE
	s text; t text; c text;
BEGIN
	PERFORM booking.book_series(21003, 21003, 21001, '2026-01-05 09:00-05', '1 day', 5, 'fail');
EXCEPTION WHEN exclusion_violation THEN
	GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = CONSTRAINT_NAME;
	RAISE WARNING '% % %', s, t, c;
END
$$;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
SELECT count(*) FROM booking.book_series(21003, 21003, 21001, '2026-01-05 09:00-05', '1 day', 2);
-- Every reason.  (Friday and Saturday; notice of the first; April 1 is the last day.)
UPDATE booking.shops SET min_notice_minutes = 60 WHERE id = 21003;
SET booking.now = '2026-01-01 09:00-05';
SELECT v.n, v.what, e.line FROM (VALUES
	(1, 'hours', '21003, 21003, 21001, ''2026-01-09 09:00-05'', ''1 day'', 2'), (2, 'notice', '21003, 21003, 21001, ''2026-01-01 09:30-05'', ''1 day'', 2'),
	(3, 'horizon', '21003, 21003, 21001, ''2026-03-26 09:00-04'', ''1 week'', 2'), (4, 'grid', '21003, 21003, 21001, ''2026-01-08 09:10-05'', ''1 day'', 2'),
	(5, 'not offered', '21005, 21003, 21001, ''2026-01-08 09:00-05'', ''1 day'', 2'), (6, 'another shop''s', '21001, 21003, 21001, ''2026-01-08 09:00-05'', ''1 day'', 2'),
	(7, 'barber', '21999, 21003, 21001, ''2026-01-08 09:00-05'', ''1 day'', 2'), (8, 'service', '21003, 21999, 21001, ''2026-01-08 09:00-05'', ''1 day'', 2'),
	(9, 'user', '21003, 21003, 21999, ''2026-01-08 09:00-05'', ''1 day'', 2'), (10, 'inactive user', '21003, 21003, 21003, ''2026-01-08 09:00-05'', ''1 day'', 2'),
	(11, 'none', '21003, 21003, 21001, ''2026-01-08 09:00-05'', ''1 day'', 2')) v (n, what, arguments), test.error('SELECT * FROM booking.book_series(' || v.arguments || ')') WITH ORDINALITY e (line, m)
WHERE e.m < 3 ORDER BY v.n, e.m;
SET booking.now = '2026-01-01 00:00Z';
UPDATE booking.shops SET min_notice_minutes = 0 WHERE id = 21003;
-- Limits are counted for the whole series: three of three are too many where one is had already, although two would be possible.
ROLLBACK TO taken;
UPDATE booking.shops SET max_active_per_user = 3 WHERE id = 21003;
SELECT starts_at FROM booking.book_slot(21004, 21003, 21001, '2026-01-05 09:00-05');
SELECT v.occurrences, test.brief(format('SELECT * FROM booking.book_series(21003, 21003, 21001, ''2026-01-12 09:00-05'', ''1 day'', %s)', v.occurrences)) FROM (VALUES (2), (3)) v (occurrences);
-- The first one says so, before the taken third one is asked.
SELECT test.brief('SELECT * FROM booking.book_series(21003, 21003, 21001, ''2026-01-05 09:00-05'', ''1 day'', 3)');
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 21003;
UPDATE booking.shops SET max_active_per_user = NULL, prevent_user_overlap = true WHERE id = 21003;
SELECT v.at, test.brief(format('SELECT * FROM booking.book_series(21003, 21003, 21001, %L, ''1 day'', 2)', v.at))
FROM (VALUES (timestamptz '2026-01-05 09:00-05'), ('2026-01-05 09:30-05'), ('2026-01-06 10:00-05')) v (at);
-- An error that is none of ours, of a trigger's, takes all of it back, too; in a skip as well.
CREATE FUNCTION pg_temp.no_tuesday() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF extract(isodow FROM NEW.starts_at) = 2 THEN
		RAISE EXCEPTION 'no Tuesday';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER no_tuesday BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.no_tuesday();
SELECT v.word, test.brief(format('SELECT * FROM booking.book_series(21004, 21003, 21001, ''2026-01-12 09:00-05'', ''1 day'', 3, %L)', v.word)) FROM (VALUES ('fail'), ('skip')) v (word);
SELECT starts_at FROM booking.book_series(21004, 21003, 21001, '2026-01-12 09:00-05', '2 days', 1);
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- skip: what it can
-- ---------------------------------------------------------------------------

-- Which failed, and why, in the words of the error; those that were booked are of one series, whose id is the first of them.
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES (21003, 21003, NULL, '2026-01-05 09:10-05', '2026-01-05 09:20-05'),
	(21004, 21003, 21001, '2026-01-07 09:10-05', '2026-01-07 09:20-05');
UPDATE booking.shops SET prevent_user_overlap = true, max_active_per_user = 4, max_advance_days = 8, min_notice_minutes = 4 * 1440 WHERE id = 21003;
UPDATE booking.barbers SET max_per_day = 2 WHERE id = 21003;
SELECT count(*) FROM booking.book_series(21003, 21003, NULL, '2026-01-08 10:00-05', '30 days', 1);
SELECT count(*) FROM booking.book_series(21003, 21003, NULL, '2026-01-08 11:00-05', '30 days', 1);
SELECT occurrence, starts_at, appointment_id IS NOT NULL AS booked, reason, detail FROM booking.book_series(21003, 21003, 21001, '2026-01-03 09:00-05', '1 day', 8, 'skip');
UPDATE booking.shops SET max_advance_days = 90, min_notice_minutes = 0 WHERE id = 21003;
-- The user has two now, and may have four; the first falls on a day that is full, so that the second gives the series its id.
SELECT occurrence, starts_at, appointment_id IS NOT NULL AS booked, reason FROM booking.book_series(21003, 21003, 21001, '2026-01-08 09:30-05', '1 day', 6, 'skip') ORDER BY 1;
SELECT starts_at, series_id = lag(series_id) OVER (ORDER BY starts_at) AS same_series, series_id = id AS first FROM booking.appointments WHERE user_id = 21001 ORDER BY starts_at;
ROLLBACK TO start;
-- Nothing can be booked: rows that say so, and no error.
SELECT occurrence, appointment_id, reason FROM booking.book_series(21003, 21003, NULL, '2026-01-03 09:00-05', '7 days', 2, 'skip');
SELECT v.barber, v.customer, s.occurrence, s.appointment_id, s.reason, s.detail FROM (VALUES (1, 21999, 21001), (2, 21005, 21001), (3, 21003, 21999), (4, 21003, 21003)) v (n, barber, customer),
	booking.book_series(v.barber, 21003, v.customer, '2026-01-05 09:00-05', '1 day', 1, 'skip') s ORDER BY n;
SELECT count(*) FROM booking.appointments WHERE barber_id BETWEEN 21003 AND 21005;
-- A step that does not fit is an occurrence that is not booked: no part of it is.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (21003, 21003, '2026-01-06 10:10-05', '2026-01-06 10:20-05');
SELECT occurrence, reason FROM booking.book_series(21003, 21005, 21001, '2026-01-05 09:00-05', '1 day', 3, 'skip');
SELECT starts_at, part_of IS NULL AS head, series_id = first_value(id) OVER (ORDER BY starts_at) AS of_the_first FROM booking.appointments WHERE user_id = 21001 ORDER BY starts_at;
-- Those that were booked are as good as any: their times are taken.
SELECT reason FROM booking.try_book_slot(21003, 21003, NULL, '2026-01-07 10:00-05');
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Bad arguments
-- ---------------------------------------------------------------------------

SELECT v.n, e.line FROM (VALUES
	(1, '21003, NULL, NULL, ''2026-01-05 09:00-05'', ''1 day'', 2'), (2, '21003, 21003, NULL, NULL, ''1 day'', 2'), (3, '21003, 21003, NULL, ''2026-01-05 09:00-05'', NULL, 2'),
	(4, '21003, 21003, NULL, ''2026-01-05 09:00-05'', ''1 day'', NULL'), (5, '21003, 21003, NULL, ''2026-01-05 09:00-05'', ''1 day'', 2, NULL'),
	(6, '21003, 21003, NULL, ''infinity'', ''1 day'', 2'), (7, '21003, 21003, NULL, ''-infinity'', ''1 day'', 2, ''skip'''),
	(8, '21003, 21003, NULL, ''2026-01-05 09:00-05'', ''1 day'', 0'), (9, '21003, 21003, NULL, ''2026-01-05 09:00-05'', ''1 day'', 201'),
	(10, '21003, 21003, NULL, ''2026-01-05 09:00-05'', ''0'', 2'), (11, '21003, 21003, NULL, ''2026-01-05 09:00-05'', ''36:00'', 2'),
	(12, '21003, 21003, NULL, ''2026-01-05 09:00-05'', ''1 day'', 2, ''Skip'''),
	(13, '21003, 21999, NULL, ''2026-01-05 09:00-05'', ''1 day'', 2, ''skip''')) v (n, arguments),
	test.error('SELECT * FROM booking.book_series(' || v.arguments || ')') WITH ORDINALITY e (line, m) ORDER BY v.n, e.m;
SELECT v.arguments, test.brief('SELECT * FROM booking.book_series(21003, 21003, NULL, ''2026-01-05 09:00-05'', ' || v.arguments || ')') FROM (VALUES
	('''1 day'', -1'), ('''1 day'', 2147483647'), ('''-1 day'', 2'), ('''-2 months 3 days'', 2'), ('''23:59:59.999999'', 1'), ('''23 hours'', 1'), ('''1 day 00:00:01'', 1'), ('''1.5 days'', 1'),
	('''367 days'', 1'), ('''13 months'', 1'), ('''178000000 years'', 1'), ('''1 month -29 days'', 1'), ('''-1 month 40 days'', 1'), ('''24 hours'', 2'), ('''12 months'', 1'),
	('''1 day'', 1, '''''), ('''1 day'', 1, ''ignore'''), ('''1 day'', 1, ''fail '''), ('''1 day'', 1, ''fail'', ''{overlap}'''), ('''1 day'', 1, ''skip'', ''{NULL}'''), ('''1 day'', 1, ''skip'', ''{}''')) v (arguments);
-- A series that runs out of the calendar.
SELECT test.brief('SELECT * FROM booking.book_series(21003, 21003, NULL, ''294276-12-31 00:00Z'', ''1 week'', 2, ''skip'')');
SELECT test.brief('SELECT * FROM booking.book_series(21003, 21003, NULL, ''294276-12-31 00:00Z'', ''1 week'', 1)');
SELECT test.brief('SELECT * FROM booking.book_series(21003, 21003, NULL, ''4714-11-24 00:00Z BC'', ''1 week'', 2, ''skip'')');
SELECT occurrence, reason FROM booking.book_series(21003, 21003, NULL, '4714-12-01 00:00Z BC', '1 week', 2, 'skip');
-- Called twice in a statement: each sees what the other has done; in the select list; with the schema in the path.
SELECT v.n, s.occurrence, s.reason FROM (VALUES (1, 2), (2, 3)) v (n, occurrences), booking.book_series(21003, 21003, NULL, '2026-01-05 09:00-05', '1 day', v.occurrences, 'skip') s ORDER BY n, occurrence;
SELECT (booking.book_series(21003, 21003, NULL, '2026-01-05 10:00-05', '1 day', 2)).occurrence;
SET LOCAL search_path = booking, public;
SELECT starts_at FROM book_series(21003, 21003, NULL, '2026-01-05 11:00-05', '1 day', 2);
RESET search_path;
ROLLBACK;

BEGIN READ ONLY;
SELECT test.brief('SELECT * FROM booking.book_series(1, 1, NULL, NULL, NULL, NULL)');
ROLLBACK;
