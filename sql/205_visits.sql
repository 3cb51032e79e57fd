--
-- Visits: book_visit stores all its items or none, under one visit_id, and
-- returns them in the order they were given.
--
-- Open every day 09:00 to 17:00, half an hour apart from opening; it is Sunday
-- 2026-03-01, noon.  Wash takes 20 minutes, Cut 30, Dye 35 and then 10 for
-- airing, Shave 30 after 5 for soap; Perm 30, a gap of 30, and 30; a Class has
-- three places.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, min_notice_minutes, max_advance_days)
VALUES (20501, 'Visits', 'America/New_York', 30, 60, 14), (20502, 'Next door', 'America/New_York', 30, 60, 14);
INSERT INTO booking.barbers (id, shop_id, name)
VALUES (20501, 20501, 'Vic'), (20502, 20501, 'Val'), (20503, 20501, 'Vera'), (20504, 20502, 'Ned');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(20501, 20504) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, buffer_before_minutes, buffer_after_minutes, requires_confirmation, capacity)
VALUES (20501, 20501, 'Wash', 20, 1000, 0, 0, false, 1), (20502, 20501, 'Cut', 30, 3000, 0, 0, false, 1), (20503, 20501, 'Dye', 35, 5000, 0, 10, true, 1),
	(20504, 20501, 'Shave', 30, 2000, 5, 0, false, 1), (20505, 20501, 'Perm', 30, 7000, 0, 0, false, 1), (20506, 20501, 'Class', 60, 500, 0, 0, false, 3),
	(20507, 20502, 'Nails', 30, 1500, 0, 0, false, 1);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (20505, 1, 30, 30), (20505, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(20501, 20503) b, generate_series(20501, 20506) s UNION ALL SELECT 20504, 20507;
UPDATE booking.barber_services SET price_cents = 3300 WHERE barber_id = 20502 AND service_id = 20502;
INSERT INTO booking.users (id, email) VALUES (20501, 'u20501@example.org'), (20502, 'u20502@example.org');
INSERT INTO booking.users (id, email, is_active) VALUES (20503, 'u20503@example.org', false);

-- Items in short: barber (or *), service, time on March 2 or date and time, guest; of services 20500 + n and barbers 20500 + n.
CREATE FUNCTION pg_temp.items(VARIADIC given text[]) RETURNS booking.visit_item[] LANGUAGE sql AS $$
SELECT array_agg(ROW(20500 + nullif(w[1], '*')::int, 20500 + w[2]::int,
	(CASE WHEN w[3] ~ '-' THEN w[3] ELSE '2026-03-02 ' || w[3] END || ' America/New_York')::timestamptz, w[4])::booking.visit_item ORDER BY n)
FROM unnest(given) WITH ORDINALITY v (line, n), string_to_array(line, ' ') w
$$;
-- A visit of user 20501, each row in a line: barber, service, time, status, price, and where its id and visit_id stand.
CREATE FUNCTION pg_temp.visit(VARIADIC given text[]) RETURNS TABLE (row_text text) LANGUAGE sql AS $$
SELECT concat_ws(' ', v.barber_id - 20500, v.service_id - 20500, to_char(v.starts_at, 'MM-DD HH24:MI-'), to_char(v.ends_at, 'HH24:MI'), v.status, v.price_cents,
	CASE WHEN v.id = first_value(v.id) OVER (ORDER BY v.n) + v.n - 1 THEN 'next id' END, CASE WHEN v.visit_id = first_value(v.id) OVER (ORDER BY v.n) THEN 'of the first' END)
FROM booking.book_visit(20501, pg_temp.items(VARIADIC given)) WITH ORDINALITY v (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version, n)
ORDER BY v.n
$$;
-- What book_visit says to it, undone.
CREATE FUNCTION pg_temp.ask(VARIADIC given text[]) RETURNS text LANGUAGE sql AS $$
SELECT test.brief(format('SELECT * FROM booking.book_visit(20501, %L)', pg_temp.items(VARIADIC given)))
$$;

-- ---------------------------------------------------------------------------
-- Several services, barbers and guests
-- ---------------------------------------------------------------------------

-- In the order of the items, which is neither that of time nor of barbers; each with its barber's price and its service's status.
SAVEPOINT start;
SELECT v.id - min(v.id) OVER () AS nth_id, v.visit_id - min(v.id) OVER () AS visit, v.barber_id, v.service_id, v.user_id, v.starts_at, v.ends_at, v.status, v.hold_expires_at, v.price_cents, v.version
FROM booking.book_visit(20501, pg_temp.items('3 2 11:00', '2 2 09:00 Gus', '1 3 10:00', '2 1 10:00 Gil')) v;
-- What is stored with it: guests, buffers; nobody was assigned, nothing overridden, no key and no hash of one.
SELECT barber_id, starts_at, busy_until, guest_name, is_assigned, overrides, idempotency_key, request_hash, part_of, series_id
FROM booking.appointments WHERE user_id = 20501 ORDER BY id;
-- A visit of one; of a walk-in; of the most there may be, given in reverse.
SELECT * FROM pg_temp.visit('1 2 14:00');
SELECT user_id, visit_id = id AS own FROM booking.book_visit(NULL, pg_temp.items('2 2 14:00'));
SELECT count(*), count(DISTINCT visit_id) AS visits, bool_and(starts_at = timestamptz '2026-03-12 17:00-04' - n * interval '30 minutes') AS in_order
FROM booking.book_visit(20501, (SELECT array_agg(ROW(CASE WHEN n > 16 THEN 20502 ELSE 20501 END, 20502, timestamptz '2026-03-12 17:00-04' - ((n - 1) % 16 + 1) * interval '30 minutes', NULL)::booking.visit_item ORDER BY n) FROM generate_series(1, 20) n))
	WITH ORDINALITY v (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version, n) WHERE n <= 16;
SELECT barber_id, count(*) FROM booking.appointments WHERE starts_at BETWEEN '2026-03-12 00:00-04' AND '2026-03-13 00:00-04' GROUP BY 1 ORDER BY 1;
-- Two visits in one statement see each other.
SELECT v.n, b.barber_id - 20500 AS barber FROM (VALUES (1, '*'), (2, '*'), (3, '*')) v (n, who),
	booking.book_visit(NULL, pg_temp.items(v.who || ' 2 15:00')) b ORDER BY n;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- One after the other, off the grid
-- ---------------------------------------------------------------------------

-- Alone 09:20 is on no grid; after the Wash it is, with the same barber and with another, whichever item comes first in the list.
SELECT pg_temp.ask('1 2 09:20');
SELECT * FROM pg_temp.visit('1 1 09:00', '1 2 09:20');
SELECT * FROM pg_temp.visit('3 2 09:20', '2 1 09:00');
-- After an appointment that is not of the visit it is none.
SELECT pg_temp.ask('1 2 09:50');
ROLLBACK TO start;
-- A chain; one of its links is missing.
SELECT * FROM pg_temp.visit('1 1 09:40', '1 1 09:00', '1 2 10:00', '1 1 09:20');
ROLLBACK TO start;
SELECT pg_temp.ask('1 1 09:40', '1 1 09:00', '1 2 10:00');
-- Buffers: the same barber airs until 09:45, and then another five minutes for soap; another barber can begin at 09:35, and only then.
SELECT v.n, v.items, pg_temp.ask(VARIADIC v.items) FROM (VALUES (1, ARRAY['1 3 09:00', '1 2 09:45']), (2, ARRAY['1 3 09:00', '1 2 09:44']), (3, ARRAY['1 3 09:00', '1 2 09:35']),
	(4, ARRAY['1 3 09:00', '2 2 09:35']), (5, ARRAY['1 3 09:00', '2 2 09:45']), (6, ARRAY['1 3 09:00', '1 4 09:50']), (7, ARRAY['1 3 09:00', '1 4 09:45']), (8, ARRAY['1 3 09:00', '2 4 09:35']),
	(9, ARRAY['1 4 09:50', '1 3 09:00']), (10, ARRAY['1 3 09:00', '1 2 09:46'])) v (n, items) ORDER BY n;
-- It ends when this barber ends it: Val takes 40 minutes for a Wash.
UPDATE booking.barber_services SET duration_minutes = 40 WHERE barber_id = 20502 AND service_id = 20501;
SELECT pg_temp.ask('2 1 09:00', '1 2 09:40'), pg_temp.ask('2 1 09:00', '1 2 09:20');
UPDATE booking.barber_services SET duration_minutes = NULL WHERE barber_id = 20502 AND service_id = 20501;
-- After a service with steps: at the end of the last.  Where its gap begins is no end.
SELECT * FROM pg_temp.visit('1 5 09:00', '1 1 10:30', '2 2 10:50');
ROLLBACK TO start;
SELECT pg_temp.ask('2 1 09:00', '2 5 09:20', '2 1 09:50');
-- Off the grid is all it may be: hours and other appointments are asked as ever.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (20502, 20502, '2026-03-02 09:25-05', '2026-03-02 09:30-05');
SELECT pg_temp.ask('1 1 16:30', '2 2 16:50'), pg_temp.ask('1 1 09:00', '2 2 09:20');
ROLLBACK TO start;
-- An end at closing time, across midnight, and in the hour that is missing: 20 minutes are 20 minutes.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) SELECT b, '2026-03-07', '12:00', '06:00' FROM generate_series(20501, 20503) b;
SELECT v.starts_at, v.ends_at FROM booking.book_visit(20501, ARRAY[(20501, 20501, '2026-03-07 23:30-05', NULL), (20501, 20502, '2026-03-07 23:50-05', NULL),
	(20501, 20501, '2026-03-08 01:30-05', NULL), (20502, 20501, '2026-03-08 01:50-05', NULL), (20502, 20502, '2026-03-08 03:10-04', NULL)]::booking.visit_item[]) v;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Any barber
-- ---------------------------------------------------------------------------

-- Two at once get two barbers; whoever is named is not given away before, in whatever order the items come.
SELECT * FROM pg_temp.visit('* 2 09:00 Ann', '* 2 09:00 Bob', '1 2 09:00');
SELECT barber_id, guest_name, is_assigned FROM booking.appointments WHERE user_id = 20501 ORDER BY id;
SELECT pg_temp.ask('* 2 09:00'), pg_temp.ask('* 2 09:30', '* 2 09:30', '* 2 09:30', '* 2 09:30');
ROLLBACK TO start;
-- What the visit gives one is counted for the next: Vic has the hour of the class, then Val has her cut, then it is Vera's turn.
SELECT * FROM pg_temp.visit('1 6 09:00', '* 2 10:00', '* 2 10:30', '* 2 11:00');
ROLLBACK TO start;
-- Whoever gets the first ends at the same time: the next may be anybody, too.
SELECT * FROM pg_temp.visit('* 1 09:00', '* 2 09:20');
ROLLBACK TO start;
-- Vic is ill, and Val, who is next, takes 40 minutes for a Wash.
UPDATE booking.barbers SET is_active = false WHERE id = 20501;
UPDATE booking.barber_services SET duration_minutes = 40 WHERE barber_id = 20502 AND service_id = 20501;
SELECT v.n, v.items, pg_temp.ask(VARIADIC v.items) FROM (VALUES (1, ARRAY['* 1 09:00', '3 2 09:40']), (2, ARRAY['* 1 09:00', '3 2 09:10']),
	(3, ARRAY['* 1 09:00', '* 2 09:40']), (4, ARRAY['* 1 09:00', '* 2 09:20'])) v (n, items) ORDER BY n;
ROLLBACK TO start;
-- With buffers between them only the same barber may begin off the grid: whoever had the Dye, although Vera has less to do; and if he is busy, nobody.
UPDATE booking.shops SET assignment = 'priority' WHERE id = 20501;
UPDATE booking.barbers SET priority = 1 WHERE id = 20503;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (20503, 20502, '2026-03-02 09:00-05', '2026-03-02 09:30-05');
SELECT * FROM pg_temp.visit('* 3 09:00', '* 2 09:45');
ROLLBACK TO start;
SELECT * FROM pg_temp.visit('2 3 09:00', '* 2 09:45');
ROLLBACK TO start;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (20501, 20502, '2026-03-02 10:00-05', '2026-03-02 10:30-05');
SELECT pg_temp.ask('1 3 09:00', '* 2 09:45'), pg_temp.ask('1 3 09:00', '* 1 09:40'), pg_temp.ask('1 3 09:00', '* 2 09:35');
ROLLBACK TO start;
-- Vic, who has the Cut, would not get the Dye before it: that is Val's; nor would Vera.
SELECT pg_temp.ask('* 3 09:00', '1 2 09:45'), pg_temp.ask('* 3 09:00', '3 2 09:45');
SELECT * FROM pg_temp.visit('* 3 09:00', '1 2 10:00');
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Steps and places
-- ---------------------------------------------------------------------------

-- One row comes back for the Perm, and two are stored; the Cut is done in its gap by the same barber.  A guest's name is on all rows.
SELECT * FROM pg_temp.visit('1 5 09:00 Pam', '1 2 09:30', '2 5 09:00');
SELECT a.barber_id, a.service_id, a.starts_at, a.ends_at, a.guest_name, a.price_cents, h.starts_at AS part_of, a.visit_id = min(a.id) OVER () AS of_the_visit
FROM booking.appointments a LEFT JOIN booking.appointments h ON h.id = a.part_of WHERE a.user_id = 20501 ORDER BY a.barber_id, a.starts_at;
-- The second step is somebody else's time: nothing of the visit is stored, the first step neither.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (20503, 20502, '2026-03-02 10:29-05', '2026-03-02 10:30-05');
SELECT pg_temp.ask('3 2 14:00', '3 5 09:30'), pg_temp.ask('3 5 09:00', '3 2 10:00');
ROLLBACK TO start;
-- Three guests in one class; a fourth has no place in the visit, nor after it.
SELECT * FROM pg_temp.visit('1 6 09:00', '1 6 09:00 Ann', '1 6 09:00 Bob');
SELECT barber_id, guest_name FROM booking.appointments WHERE user_id = 20501 ORDER BY id;
SELECT pg_temp.ask('1 6 09:00'), pg_temp.ask('2 6 09:00', '2 6 09:00', '2 6 09:00', '2 6 09:00'), pg_temp.ask('* 6 09:00', '* 6 09:00', '* 6 09:00', '* 6 09:00');
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- All or nothing
-- ---------------------------------------------------------------------------

INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES (20502, 20502, 20502, '2026-03-02 10:00-05', '2026-03-02 10:30-05');
SAVEPOINT start;
-- The first item is possible; the second is not, and says why, as book_slot would.
SELECT v.n, v.what, pg_temp.ask('1 2 09:00', v.item) FROM (VALUES
	(1, 'taken by others', '2 2 10:00'), (2, 'taken by the visit', '1 2 09:00'), (3, 'hours', '2 2 17:00'), (4, 'notice', '2 2 2026-03-01T12:30'), (5, 'horizon', '2 2 2026-03-16T09:00'),
	(6, 'grid', '2 2 11:10'), (7, 'not offered', '4 2 09:00'), (8, 'another shop''s', '2 7 09:00'), (9, 'no such barber', '99 2 09:00'), (10, 'no such service', '2 99 09:00'),
	(11, 'anybody, no such service', '* 99 09:00'), (12, 'anybody, hours', '* 2 08:00'), (13, 'nothing', '2 2 09:00')) v (n, what, item) ORDER BY n;
-- The error in full is that of the item, with the table's name for an overlap.
SELECT test.error(format('SELECT * FROM booking.book_visit(20501, %L)', pg_temp.items('1 2 09:00', '2 2 10:00')));
SELECT test.error(format('SELECT * FROM booking.book_visit(20501, %L)', pg_temp.items('1 2 09:00', '2 2 11:10')));
DO $$
DECLARE
	s text; t text; c text;
BEGIN
	PERFORM booking.book_visit(20501, pg_temp.items('1 2 09:00', '2 2 10:00'));
EXCEPTION WHEN exclusion_violation THEN
	GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = CONSTRAINT_NAME;
	RAISE WARNING '% % %', s, t, c;
END
$$;
-- The user: unknown, inactive.
SELECT test.brief(format('SELECT * FROM booking.book_visit(20999, %L)', pg_temp.items('1 2 09:00')));
SELECT test.brief(format('SELECT * FROM booking.book_visit(20503, %L)', pg_temp.items('1 2 09:00')));
-- Nothing is left of these: no row, no lock of the guard's; the first item can be had.
SELECT count(*) FROM booking.appointments WHERE user_id = 20501;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
SELECT * FROM pg_temp.visit('1 2 09:00');
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
-- An error that is none of ours, of a trigger's, takes all of it back, too.
CREATE FUNCTION pg_temp.no_val() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.barber_id = 20502 THEN
		RAISE EXCEPTION 'not Val';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER no_val BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.no_val();
DO $$
BEGIN
	PERFORM booking.book_visit(20501, pg_temp.items('1 2 11:00', '2 2 11:00'));
EXCEPTION WHEN raise_exception THEN
	RAISE WARNING '%, % rows', SQLERRM, (SELECT count(*) FROM booking.appointments WHERE user_id = 20501);
END
$$;
SELECT * FROM pg_temp.visit('1 2 11:00');
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Limits are counted for the whole visit
-- ---------------------------------------------------------------------------

-- Two at a time: of three items not even the first two are booked; a Perm counts once, what is over and what is cancelled not at all.
UPDATE booking.shops SET max_active_per_user = 2 WHERE id = 20501;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, status) VALUES
	(20503, 20502, 20501, '2026-03-01 11:30-05', '2026-03-01 12:00-05', 'confirmed'), (20503, 20502, 20501, '2026-03-02 12:00-05', '2026-03-02 12:30-05', 'cancelled');
SELECT test.error(format('SELECT * FROM booking.book_visit(20501, %L)', pg_temp.items('1 2 09:00', '1 2 09:30', '1 2 10:00')));
SELECT pg_temp.ask('1 5 09:00', '2 5 14:00'), pg_temp.ask('* 2 09:00', '* 2 09:00', '* 2 09:00');
SELECT * FROM pg_temp.visit('1 2 09:00');
SELECT pg_temp.ask('1 2 09:30'), pg_temp.ask('1 2 09:30', '1 2 10:00');
-- It is the first item that says so, before the second is asked; of a walk-in's there may be as many as he likes.
SELECT pg_temp.ask('1 2 09:30', '2 2 10:00');
SELECT count(*) FROM booking.book_visit(NULL, pg_temp.items('1 2 10:00', '1 2 10:30', '1 2 11:00'));
-- Each shop counts its own.
SELECT pg_temp.ask('1 2 09:30', '4 7 10:00'), pg_temp.ask('4 7 10:00', '1 2 09:30', '4 7 11:00'), pg_temp.ask('4 7 10:00', '1 2 09:30', '1 2 11:30');
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 20502;
SELECT pg_temp.ask('1 2 09:30', '4 7 10:00'), pg_temp.ask('1 2 09:30', '4 7 10:00', '4 7 11:00');
ROLLBACK TO start;
-- What a barber takes a day.
UPDATE booking.barbers SET max_per_day = 2 WHERE id = 20501;
SELECT pg_temp.ask('1 2 09:00', '1 2 09:30', '1 2 10:00'), pg_temp.ask('1 2 09:00', '1 5 09:30', '1 2 2026-03-03T09:00'), pg_temp.ask('1 2 09:00', '1 2 09:30', '* 2 11:00');
-- A customer who can be at one place only may bring others along in the same visit, but not come twice.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 20501;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES (20504, 20507, 20501, '2026-03-02 14:00-05', '2026-03-02 14:30-05');
SELECT v.n, v.items, pg_temp.ask(VARIADIC v.items) FROM (VALUES (1, ARRAY['1 2 09:00', '2 2 09:00 Ann', '3 5 09:00 Bob']), (2, ARRAY['1 2 09:00', '2 5 13:00']), (3, ARRAY['1 2 09:00', '2 5 13:30']),
	(4, ARRAY['1 2 13:30', '2 2 14:30']), (5, ARRAY['4 7 14:30', '1 2 14:30'])) v (n, items) ORDER BY n;
-- Nor sit in two chairs at once: not the customer, not a guest, whoever comes first and by whatever barber; one after the other, or two guests, may.
SELECT v.n, v.items, pg_temp.ask(VARIADIC v.items) FROM (VALUES (1, ARRAY['1 2 09:00', '2 2 09:00']), (2, ARRAY['1 2 13:30', '3 5 13:00']), (3, ARRAY['3 2 14:00', '1 5 13:00']),
	(4, ARRAY['1 2 09:00 Ann', '2 2 09:00 Ann']), (5, ARRAY['1 2 09:00 Ann', '2 2 09:00', '3 2 09:00 Ann']), (6, ARRAY['* 2 09:00', '* 2 09:00']), (7, ARRAY['* 2 09:00', '* 2 09:00 Ann']),
	(8, ARRAY['1 2 09:00 Ann', '2 2 09:00 Anna']), (9, ARRAY['1 2 09:00 Ann', '2 2 09:00 ann']), (10, ARRAY['1 2 09:00', '2 2 09:30'])) v (n, items) ORDER BY n;
SELECT test.error(format('SELECT * FROM booking.book_visit(20501, %L)', pg_temp.items('1 2 09:00', '2 2 09:00')));
-- A walk-in's are nobody's; staff may want it so, and the second row says it.
SELECT count(*) FROM booking.book_visit(NULL, pg_temp.items('1 2 09:00', '2 2 09:00'));
SELECT count(*) FROM booking.book_visit(20501, pg_temp.items('1 2 16:00', '2 2 16:00'), NULL, '{limits}');
SELECT barber_id, overrides FROM booking.appointments WHERE user_id = 20501 AND visit_id IS NOT NULL ORDER BY barber_id;
ROLLBACK TO start;
-- In the gap of a Perm one can be shaved, by whomever; while it is worked at, not.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 20501;
SELECT v.n, v.items, pg_temp.ask(VARIADIC v.items) FROM (VALUES (1, ARRAY['3 5 13:00', '1 2 13:30']), (2, ARRAY['1 5 13:00', '3 2 13:30']), (3, ARRAY['3 5 13:00', '1 2 14:00']), (4, ARRAY['1 5 13:00', '3 2 13:00']),
	(5, ARRAY['1 5 13:00', '3 5 13:30']), (6, ARRAY['1 5 13:00', '3 5 14:00'])) v (n, items) ORDER BY n;
-- Moves within a visit: an item alone, to another barber, to a longer service, and all of it.  What is offered is what can be had.
CREATE FUNCTION pg_temp.move_one(item text, at text, whole boolean DEFAULT false, service bigint DEFAULT NULL, broken text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, %L, NULL, %s, NULL, %L, %L)', a.id, '2026-03-02 ' || at || '-05', coalesce(service::text, 'NULL'), broken, whole))
	|| CASE WHEN EXISTS (SELECT FROM booking.available_slots(coalesce(service, a.service_id), '2026-03-02', NULL, a.barber_id, a.id) s
		WHERE s.starts_at = ('2026-03-02 ' || at || '-05')::timestamptz) THEN ', offered' ELSE ', not offered' END
FROM booking.appointments a WHERE a.user_id = 20501 AND a.barber_id = 20500 + item::int AND a.part_of IS NULL
$$;
SELECT count(*) FROM booking.book_visit(20501, pg_temp.items('1 2 09:00', '2 2 09:30', '3 2 09:00 Ann'));
SELECT v.n, pg_temp.move_one(v.item, v.at, v.whole, v.service, v.overrides) FROM (VALUES (1, '2', '09:00', false, NULL::bigint, NULL), (2, '2', '11:00', false, NULL, NULL),
	(3, '1', '09:00', true, 20505, NULL), (4, '1', '10:00', true, NULL, NULL), (5, '1', '10:00', true, 20505, NULL), (6, '1', '10:00', true, 20506, NULL), (7, '3', '10:00', true, 20506, NULL),
	(8, '1', '09:00', false, 20506, NULL), (9, '1', '10:00', true, 20506, '{limits}'), (10, '2', '09:00', false, NULL, '{limits}')) v (n, item, at, whole, service, overrides) ORDER BY n;
SELECT starts_at FROM booking.reschedule_appointment((SELECT id FROM booking.appointments WHERE user_id = 20501 AND barber_id = 20501), '2026-03-02 10:00-05', service_id => 20506, overrides => '{limits}');
SELECT barber_id, starts_at, ends_at, overrides FROM booking.appointments WHERE user_id = 20501 ORDER BY 1;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Idempotency
-- ---------------------------------------------------------------------------

-- In the order of the items, again and again, although they were booked in another order.
SELECT string_agg(id::text, ',' ORDER BY n) AS ids, string_agg(barber_id::text, ' ' ORDER BY n) AS barbers
FROM booking.book_visit(20501, pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus'), 'visit 1')
	WITH ORDINALITY v (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version, n) \gset
\echo :barbers
SELECT string_agg(id::text, ',' ORDER BY n) = :'ids' AS same
FROM booking.book_visit(20501, pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus'), 'visit 1')
	WITH ORDINALITY v (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version, n);
SELECT count(*), count(idempotency_key) AS keys, count(request_hash) AS hashes FROM booking.appointments WHERE user_id = 20501;
-- Any other request is a conflict: items in another order, fewer, more, another time, barber, guest, user; overrides; and what the key is used for elsewhere.
SELECT v.n, v.what, test.brief(v.statement) FROM (VALUES
	(1, 'order', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('1 5 09:00', '3 2 11:00', '* 2 11:00 Gus'))),
	(2, 'fewer', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00'))),
	(3, 'more', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus', '3 2 15:00'))),
	(4, 'time', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('3 2 11:30', '1 5 09:00', '* 2 11:00 Gus'))),
	(5, 'barber', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00', '1 2 11:00 Gus'))),
	(6, 'guest', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gil'))),
	(7, 'whose guest', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('3 2 11:00 Gus', '1 5 09:00', '* 2 11:00'))),
	(8, 'no guest', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00'))),
	(9, 'user', format('SELECT * FROM booking.book_visit(20502, %L, ''visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus'))),
	(10, 'no user', format('SELECT * FROM booking.book_visit(NULL, %L, ''visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus'))),
	(11, 'overrides', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'', ''{hours}'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus'))),
	(12, 'none', format('SELECT * FROM booking.book_visit(20501, %L, ''visit 1'', ''{}'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus'))),
	(13, 'book_slot', 'SELECT booking.book_slot(20501, 20505, 20501, ''2026-03-02 09:00-05'', ''visit 1'')'),
	(14, 'hold_slot', 'SELECT booking.hold_slot(20501, 20505, 20501, ''2026-03-02 09:00-05'', NULL, ''visit 1'')'),
	(15, 'key', format('SELECT * FROM booking.book_visit(20501, %L, ''Visit 1'')', pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus')))
) v (n, what, statement) ORDER BY n;
-- A key of book_slot's, and one that no function has written: neither is this visit.
SELECT starts_at FROM booking.book_slot(20502, 20502, 20501, '2026-03-02 13:00-05', 'slot 1');
SELECT test.brief(format('SELECT * FROM booking.book_visit(20501, %L, ''slot 1'')', pg_temp.items('2 2 13:00')));
SELECT starts_at FROM booking.hold_slot(20502, 20502, 20501, '2026-03-02 13:30-05', NULL, 'hold 1');
SELECT test.brief(format('SELECT * FROM booking.book_visit(20501, %L, ''hold 1'')', pg_temp.items('2 2 13:30')));
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
VALUES (20502, 20502, 20501, '2026-03-02 15:00-05', '2026-03-02 15:30-05', 'raw 1');
SELECT test.brief(format('SELECT * FROM booking.book_visit(20501, %L, ''raw 1'')', pg_temp.items('2 2 15:00')));
SELECT test.brief(format('SELECT * FROM booking.book_visit(20501, %L, ''raw 1'')', pg_temp.items('2 2 15:00', '2 2 15:30')));
-- Cancelled, moved, whatever has become of them: the same appointments, as they are now; the rules are not asked again.
SELECT status FROM booking.cancel_appointment(split_part(:'ids', ',', 1)::bigint);
SELECT starts_at FROM booking.reschedule_appointment(split_part(:'ids', ',', 2)::bigint, '2026-03-04 09:00-05', 20502);
UPDATE booking.barbers SET is_active = false WHERE shop_id = 20501;
UPDATE booking.users SET is_active = false WHERE id = 20501;
SELECT string_agg(id::text, ',' ORDER BY n) = :'ids' AS same, string_agg(concat_ws(' ', to_char(starts_at, 'DD HH24:MI'), status), ', ' ORDER BY n) AS items
FROM booking.book_visit(20501, pg_temp.items('3 2 11:00', '1 5 09:00', '* 2 11:00 Gus'), 'visit 1')
	WITH ORDINALITY v (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version, n);
ROLLBACK TO start;
-- A "no" does not use the key up.
SELECT test.brief(format('SELECT * FROM booking.book_visit(20501, %L, ''visit 2'')', pg_temp.items('2 2 10:00')));
SELECT starts_at FROM booking.book_visit(20501, pg_temp.items('2 2 10:30'), 'visit 2');

-- ---------------------------------------------------------------------------
-- Bad arguments
-- ---------------------------------------------------------------------------

SELECT v.n, e.line FROM (VALUES
	(1, 'NULL'), (2, '''{}'''), (3, 'ARRAY[NULL]'), (4, 'ARRAY[ROW(20501, 20502, ''2026-03-02 14:00-05'', NULL), NULL]'),
	(5, 'ARRAY[ROW(20501, NULL, ''2026-03-02 14:00-05'', NULL)]'), (6, 'ARRAY[ROW(20501, 20502, ''2026-03-02 14:00-05'', NULL), ROW(20501, 20502, NULL, ''x'')]'),
	(7, 'ARRAY[ROW(NULL, NULL, NULL, NULL)]'), (8, 'ARRAY[ROW(20501, 20502, ''infinity'', NULL)]'), (9, 'ARRAY[ROW(20501, 20502, ''-infinity'', NULL)]'),
	(10, 'ARRAY[[ROW(20501, 20502, ''2026-03-02 14:00-05'', NULL)], [ROW(20501, 20502, ''2026-03-02 14:30-05'', NULL)]]'),
	(11, 'ARRAY[[ROW(20501, 20502, ''2026-03-02 14:00-05'', NULL)]]'),
	(12, '(SELECT array_agg(ROW(20501, 20501, timestamptz ''2026-03-02 09:00-05'' + n * interval ''20 minutes'', NULL)::booking.visit_item) FROM generate_series(0, 20) n)'),
	(13, 'array_fill(NULL::booking.visit_item, ARRAY[100000])'), (14, 'array_fill(ROW(20501, 20502, timestamptz ''2026-03-02 14:00-05'', NULL)::booking.visit_item, ARRAY[1], ARRAY[-5])')) v (n, items),
	test.error('SELECT * FROM booking.book_visit(20501, ' || v.items || '::booking.visit_item[])') WITH ORDINALITY e (line, m) ORDER BY v.n, e.m;
-- The key and the overrides.
SELECT v.rest, test.brief(format('SELECT * FROM booking.book_visit(20501, %L, %s)', pg_temp.items('1 2 14:00'), v.rest)) FROM (VALUES
	('NULL, NULL'), ('repeat(''k'', 200)'), ('repeat(''k'', 201)'), (''''''), ('NULL, ''{overlap}'''), ('NULL, ''{NULL}'''), ('''k'', ''{hours,Grid}''')) v (rest);
-- A bad argument goes before any rule and any lock; so does an empty list before an unknown user.
SELECT test.brief('SELECT * FROM booking.book_visit(20999, ''{}'')');
-- A guest's name is text, and nothing else: empty, long, with quotes, as it was given.
SELECT count(b.id) FROM (VALUES (1, ''), (2, 'O''Hara; DROP TABLE x --'), (3, repeat('x', 100000)), (4, 'Zoe "%s"')) v (n, name)
JOIN LATERAL booking.book_visit(20501, ARRAY[ROW(20503, 20502, timestamptz '2026-03-02 09:00-05' + v.n * interval '30 minutes', v.name)]::booking.visit_item[]) b ON true;
SELECT length(guest_name), left(guest_name, 23) FROM booking.appointments WHERE barber_id = 20503 AND user_id = 20501 ORDER BY id;

-- ---------------------------------------------------------------------------
-- Ways to call it
-- ---------------------------------------------------------------------------

-- In the select list it is a set as well; with the schema in the path; with a column more in the table, one dropped, and a trigger that writes.
SAVEPOINT ways;
SELECT count(*) FROM (SELECT booking.book_visit(20501, pg_temp.items('1 2 14:00', '1 2 14:30'))) x;
ALTER TABLE booking.appointments ADD gone int DEFAULT 5, ADD source text NOT NULL DEFAULT 'web';
ALTER TABLE booking.appointments DROP gone;
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.price_cents := NEW.price_cents + 1; RETURN NEW; END';
CREATE TRIGGER note BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SET LOCAL search_path = booking, public;
SELECT starts_at, price_cents FROM book_visit(20501, ARRAY[(20501, 20502, '2026-03-02 15:30-05', NULL), (20501, 20502, '2026-03-02 15:00-05', NULL)]::visit_item[]);
RESET search_path;
SELECT starts_at, source FROM booking.appointments WHERE barber_id = 20501 AND starts_at >= '2026-03-02 15:00-05' ORDER BY 1;
ROLLBACK TO ways;
ROLLBACK;

BEGIN READ ONLY;
SELECT test.brief('SELECT * FROM booking.book_visit(NULL, ''{}'')');
ROLLBACK;
