--
-- Any barber: book_slot and its like with barber_id NULL, in the order of each
-- assignment; who is counted how, and what is answered when nobody can.
--
-- A shop for each assignment, open Monday to Friday 09:00 to 24:00, and one for
-- refusals; it is Sunday 2026-03-01, noon.  In each, the barber with the lowest
-- id and the highest priority is inactive, and the last does not offer the
-- service.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, min_notice_minutes, max_advance_days, assignment)
SELECT 20000 + n, 'Any ' || n, 'America/New_York', 30, 60, 14, a
FROM unnest(ARRAY['least_booked', 'round_robin', 'priority', 'priority']) WITH ORDINALITY v (a, n);
INSERT INTO booking.barbers (id, shop_id, name, priority, is_active)
SELECT 20000 + 10 * s + b, 20000 + s, 'Barber ' || s || b, CASE WHEN b IN (0, 9) THEN 99 ELSE 0 END, b <> 0
FROM generate_series(1, 4) s, unnest(ARRAY[0, 1, 2, 3, 9]) b;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, n, '09:00', '24:00' FROM booking.barbers b, generate_series(1, 5) n WHERE b.shop_id BETWEEN 20001 AND 20003;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents)
SELECT 20000 + s, 20000 + s, 'Cut', 30, 3000 FROM generate_series(1, 4) s;
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT 20000 + 10 * s + b, 20000 + s FROM generate_series(1, 4) s, generate_series(0, 3) b;
INSERT INTO booking.users (id, email) VALUES (20001, 'u20001@example.org');
INSERT INTO booking.users (id, email, is_active) VALUES (20003, 'u20003@example.org', false);

-- Who gets the next one at that time, after that statement; nothing of it stays.
CREATE FUNCTION pg_temp.next_after(statement text, service bigint, at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	got bigint;
BEGIN
	EXECUTE statement;
	SELECT b.barber_id INTO got FROM booking.book_slot(NULL, service, NULL, at) b;
	RAISE SQLSTATE 'OK000';
EXCEPTION WHEN SQLSTATE 'OK000' THEN
	RETURN got;
END
$$;
-- Who get the next ones at that time.
CREATE FUNCTION pg_temp.in_turn(how_many int, service bigint, at timestamptz, overrides text[] DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text := '';
BEGIN
	FOR i IN 1..how_many LOOP
		got := concat_ws(' ', got, (SELECT b.barber_id FROM booking.book_slot(NULL, service, NULL, at, NULL, in_turn.overrides) b));
	END LOOP;
	RETURN ltrim(got);
END
$$;
CREATE FUNCTION pg_temp.put(barber bigint, from_time timestamptz, to_time timestamptz, status text DEFAULT 'confirmed', hold timestamptz DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
SELECT format('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
	VALUES (%s, 20001, %L, %L, %L, %L)', barber, from_time, to_time, status, hold)
$$;

-- ---------------------------------------------------------------------------
-- least_booked
-- ---------------------------------------------------------------------------

-- All are idle: the lowest id of those who are active and offer it.  The row says that nobody had chosen the barber.
SELECT id AS first, barber_id, user_id, starts_at, ends_at, status, price_cents, visit_id, version
FROM booking.book_slot(NULL, 20001, 20001, '2026-03-02 09:00-05') \gset first_
\echo :first_barber_id :first_user_id :first_starts_at :first_ends_at :first_status :first_price_cents :first_version
SELECT barber_id FROM booking.book_slot(20012, 20001, NULL, '2026-03-03 09:00-05');
SELECT barber_id, starts_at, is_assigned FROM booking.appointments WHERE barber_id BETWEEN 20010 AND 20019 ORDER BY starts_at;
SAVEPOINT start;
-- On Monday 20011 has half an hour: the others come first, then it begins anew.
SELECT v.n, b.barber_id FROM (VALUES (1, timestamptz '2026-03-02 10:00-05'), (2, '2026-03-02 11:00-05'), (3, '2026-03-02 12:00-05'), (4, '2026-03-02 13:00-05')) v (n, at),
	booking.book_slot(NULL, 20001, NULL, v.at) b ORDER BY n;
-- All at one time: each once; then it is taken.
SELECT pg_temp.in_turn(3, 20001, '2026-03-02 20:00-05');
SELECT test.brief('SELECT booking.book_slot(NULL, 20001, NULL, ''2026-03-02 20:00-05'')');
ROLLBACK TO start;

-- Minutes are counted, not appointments: an hour is more than twice a quarter.  Buffers are not: 20013 has 25 minutes with 60 minutes of them.
SELECT pg_temp.put(20012, '2026-03-02 10:00-05', '2026-03-02 10:15-05') AS a, pg_temp.put(20012, '2026-03-02 11:00-05', '2026-03-02 11:15-05') AS b \gset
:a;
:b;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
VALUES (20013, 20001, '2026-03-02 10:00-05', '2026-03-02 10:25-05', '2026-03-02 09:30-05', '2026-03-02 10:55-05');
UPDATE booking.appointments SET ends_at = '2026-03-02 09:40-05', busy_until = '2026-03-02 09:40-05' WHERE id = :first_first;
SELECT pg_temp.in_turn(3, 20001, '2026-03-02 20:00-05');
ROLLBACK TO start;

-- What is booked: live or completed.  20011 has half an hour on the Thursday with that status; if it counts, 20012 is next.
SELECT v.status, v.hold, pg_temp.next_after(pg_temp.put(20011, '2026-03-05 09:00-05', '2026-03-05 09:30-05', v.status, v.hold), 20001, '2026-03-05 15:00-05')
FROM (VALUES (1, 'pending', NULL), (2, 'confirmed', NULL), (3, 'checked_in', NULL), (4, 'completed', NULL), (5, 'cancelled', NULL), (6, 'no_show', NULL),
	(7, 'expired', NULL), (8, 'pending', timestamptz '2026-03-01 12:00:01-05'), (9, 'pending', '2026-03-01 12:00-05')) v (n, status, hold) ORDER BY n;

-- The day is the shop's, of the start: half past eleven at night is tomorrow in UTC.  20012 where 20011's counts, else 20011.
SELECT v.booked, v.asked, pg_temp.next_after(pg_temp.put(20011, v.booked, v.booked + interval '30 minutes'), 20001, v.asked)
FROM (VALUES (1, timestamptz '2026-03-05 23:30-05', timestamptz '2026-03-05 10:00-05'), (2, '2026-03-05 23:30-05', '2026-03-06 10:00-05'),
	(3, '2026-03-04 23:59-05', '2026-03-05 10:00-05'), (4, '2026-03-05 00:00-05', '2026-03-05 10:00-05'), (5, '2026-03-06 00:00-05', '2026-03-05 10:00-05'),
	(6, '2026-03-05 10:00-05', '2026-03-05 23:30-05'), (7, '2026-03-06 10:00-05', '2026-03-05 23:30-05'), (8, '2026-03-06 00:00-05', '2026-03-05 23:30-05')) v (n, booked, asked) ORDER BY n;
-- A day of 23 hours is a day, a day of 25 as well.
SAVEPOINT sundays;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT n, 7, '00:00', '24:00' FROM generate_series(20011, 20013) n;
UPDATE booking.shops SET max_advance_days = 365 WHERE id = 20001;
SELECT v.booked, v.asked, pg_temp.next_after(pg_temp.put(20011, v.booked, v.booked + interval '30 minutes'), 20001, v.asked)
FROM (VALUES (1, timestamptz '2026-03-08 23:30-04', timestamptz '2026-03-08 00:00-05'), (2, '2026-03-09 00:00-04', '2026-03-08 00:00-05'),
	(3, '2026-11-01 23:30-05', '2026-11-01 00:00-04'), (4, '2026-11-02 00:00-05', '2026-11-01 00:00-04')) v (n, booked, asked) ORDER BY n;
ROLLBACK TO sundays;

-- The first in the order is busy, on leave, not at work, has as many as he takes a day: the next one.
SELECT v.what, pg_temp.next_after(v.statement, 20001, '2026-03-05 15:00-05') FROM (VALUES
	(1, 'nothing', 'SELECT'), (2, 'busy', pg_temp.put(20011, '2026-03-05 14:59-05', '2026-03-05 15:01-05')),
	(3, 'two busy', 'INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
		SELECT n, 20001, ''2026-03-05 15:00-05'', ''2026-03-05 15:30-05'' FROM generate_series(20011, 20012) n'),
	(4, 'leave', 'INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (20011, ''2026-03-05 15:29-05'', ''2026-03-05 16:00-05'')'),
	(5, 'hours', 'INSERT INTO booking.schedule_overrides (barber_id, on_date) VALUES (20011, ''2026-03-05'')'),
	(6, 'full', 'UPDATE booking.barbers SET max_per_day = 1 WHERE id = 20011;
		INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
		SELECT 20010 + n, 20001, ''2026-03-05 09:00-05'', timestamptz ''2026-03-05 09:00-05'' + n * interval ''1 minute'' FROM generate_series(1, 3) n'),
	(7, 'inactive', 'UPDATE booking.barbers SET is_active = id NOT IN (20010, 20011) WHERE shop_id = 20001'),
	(8, 'active', 'UPDATE booking.barbers SET is_active = true WHERE shop_id = 20001')
) v (n, what, statement) ORDER BY n;

-- Length and price are those of who was chosen.
UPDATE booking.barber_services SET duration_minutes = 45, price_cents = 3500 WHERE barber_id = 20012;
SELECT barber_id, ends_at, price_cents FROM booking.book_slot(NULL, 20001, NULL, '2026-03-05 15:00-05');
SELECT barber_id, ends_at, price_cents FROM booking.book_slot(NULL, 20001, NULL, '2026-03-05 15:00-05');
ROLLBACK TO start;

-- A service with steps: its work is counted, not the gap between, in which the barber is free.  Only the appointment is assigned, not its other parts.
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (20021, 20001, 'Perm', 1);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (20021, 1, 30, 60), (20021, 2, 15, 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (20011, 20021), (20012, 20021);
SELECT barber_id, ends_at FROM booking.book_slot(NULL, 20021, NULL, '2026-03-05 09:00-05');
SELECT barber_id, starts_at, ends_at, part_of IS NULL AS head, is_assigned FROM booking.appointments WHERE service_id = 20021 ORDER BY starts_at;
SELECT v.minutes, pg_temp.next_after(format('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	SELECT n, 20001, ''2026-03-05 12:00-05'', timestamptz ''2026-03-05 12:00-05'' + %s * interval ''1 minute'' FROM generate_series(20012, 20013) n', v.minutes), 20001, '2026-03-05 15:00-05')
FROM (VALUES (44), (46)) v (minutes) ORDER BY 1;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- round_robin
-- ---------------------------------------------------------------------------

-- In turn, whatever the date; the fifth finds 20022 busy and takes the one after him, who then has had his turn; 20022 is next.
SELECT v.n, v.at, b.barber_id FROM (VALUES (1, timestamptz '2026-03-03 15:00-05'), (2, '2026-03-02 09:00-05'), (3, '2026-03-04 12:00-05'),
	(4, '2026-03-02 09:00-05'), (5, '2026-03-02 09:00-05'), (6, '2026-03-05 09:00-05')) v (n, at),
	booking.book_slot(NULL, 20002, NULL, v.at) b ORDER BY n;
-- Now 20021 is the one who has waited longest.  To be booked by name is no turn, however much it is.
SELECT count(*) FROM booking.available_slots(20002, '2026-03-06', NULL, 20021) s, booking.try_book_slot(20021, 20002, NULL, s.starts_at) t WHERE s.starts_at >= '2026-03-06 12:00-05' AND t.reason IS NULL;
SELECT barber_id FROM booking.book_slot(NULL, 20002, NULL, '2026-03-06 09:00-05');
-- A turn that was cancelled was a turn: after 20023 comes 20022.
SELECT id, barber_id FROM booking.book_slot(NULL, 20002, NULL, '2026-03-06 09:30-05') \gset
\echo :barber_id
SELECT status FROM booking.cancel_appointment(:id);
SELECT barber_id FROM booking.book_slot(NULL, 20002, NULL, '2026-03-06 09:30-05');
-- A hold is one as well, also when it has lapsed.
SELECT barber_id, status, hold_expires_at FROM booking.hold_slot(NULL, 20002, NULL, '2026-03-06 10:00-05', '1 minute');
SET booking.now = '2026-03-01 12:01-05';
SELECT barber_id FROM booking.book_slot(NULL, 20002, NULL, '2026-03-06 10:00-05');
SET booking.now = '2026-03-01 12:00-05';
-- A refusal is none: the next is 20022, before and after it.
SELECT reason FROM booking.try_book_slot(NULL, 20002, NULL, '2026-03-06 10:10-05');
SELECT barber_id FROM booking.book_slot(NULL, 20002, NULL, '2026-03-06 11:00-05');
-- Who has never had a turn comes first, the lowest id before others.
UPDATE booking.barbers SET is_active = true WHERE id = 20020;
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (20029, 20002);
SELECT pg_temp.in_turn(3, 20002, '2026-03-06 11:30-05');

-- ---------------------------------------------------------------------------
-- priority
-- ---------------------------------------------------------------------------

-- The highest first, whatever they have; of equals the lowest id; below zero last.
UPDATE booking.barbers SET priority = CASE id WHEN 20031 THEN -1 WHEN 20032 THEN 5 WHEN 20033 THEN 5 END WHERE id BETWEEN 20031 AND 20033;
INSERT INTO booking.barbers (id, shop_id, name) VALUES (20034, 20003, 'Barber 34');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (20034, 1, '09:00', '24:00');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (20034, 20003);
SELECT pg_temp.in_turn(4, 20003, '2026-03-02 09:00-05');
SELECT test.brief('SELECT booking.book_slot(NULL, 20003, NULL, ''2026-03-02 09:00-05'')');
SELECT pg_temp.in_turn(2, 20003, '2026-03-02 09:30-05');
-- The ends of the scale.
UPDATE booking.barbers SET priority = CASE id WHEN 20031 THEN 2147483647 WHEN 20032 THEN -2147483648 END WHERE id IN (20031, 20032);
SELECT pg_temp.in_turn(4, 20003, '2026-03-02 10:00-05');
-- A shop that changes its mind: 20031 and 20034 have an hour that Monday, 20032 and 20033 half an hour more.
UPDATE booking.shops SET assignment = 'least_booked' WHERE id = 20003;
SELECT barber_id, count(*) FROM booking.appointments WHERE barber_id BETWEEN 20031 AND 20034 GROUP BY 1 ORDER BY 1;
SELECT pg_temp.in_turn(4, 20003, '2026-03-02 11:00-05');
-- By turns: of those four appointments 20031's is the first, however much he has.
UPDATE booking.shops SET assignment = 'round_robin' WHERE id = 20003;
SELECT barber_id FROM booking.book_slot(20031, 20003, NULL, '2026-03-02 12:00-05');
SELECT barber_id FROM booking.book_slot(20031, 20003, NULL, '2026-03-02 12:30-05');
SELECT pg_temp.in_turn(4, 20003, '2026-03-02 11:30-05');

-- ---------------------------------------------------------------------------
-- Nobody can: the answer is that of whoever came closest
-- ---------------------------------------------------------------------------

-- Monday: 20041 works 09:00 to 12:00 and 14:00 to 15:00 and has had the only one he takes a day; 20042 09:10 to 12:10, busy at 10:10; 20043 14:00 to 15:00, busy at 14:00.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (20041, 1, '09:00', '12:00'), (20041, 1, '14:00', '15:00'),
	(20042, 1, '09:10', '12:10'), (20043, 1, '14:00', '15:00');
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 20041;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status) VALUES
	(20041, 20004, '2026-03-02 09:00-05', '2026-03-02 09:30-05', 'completed'), (20042, 20004, '2026-03-02 10:10-05', '2026-03-02 10:40-05', 'confirmed'),
	(20043, 20004, '2026-03-02 14:00-05', '2026-03-02 14:30-05', 'confirmed');
-- In one order and in the other, the error of book_slot, with whom it speaks of, and the word of try_book_slot.
CREATE FUNCTION pg_temp.closest(at timestamptz, customer bigint DEFAULT NULL) RETURNS TABLE (first_asked text, answer text) LANGUAGE plpgsql AS $$
BEGIN
	FOR factor IN -1..1 BY 2 LOOP
		UPDATE booking.barbers SET priority = factor * id WHERE shop_id = 20004;
		first_asked := CASE factor WHEN 1 THEN 'highest' ELSE 'lowest' END;
		SELECT string_agg(e.line, '; ' ORDER BY e.n) INTO answer
		FROM test.error(format('SELECT booking.book_slot(NULL, 20004, %L, %L)', customer, at)) WITH ORDINALITY e (line, n) WHERE e.n < 3;
		answer := answer || '; ' || (SELECT reason FROM booking.try_book_slot(NULL, 20004, customer, at));
		RETURN NEXT;
	END LOOP;
END
$$;
-- Before anybody comes.
SELECT first_asked, split_part(answer, ';', 1) FROM pg_temp.closest('2026-03-02 08:00-05');
-- 20041 is there, but not on his grid.
SELECT * FROM pg_temp.closest('2026-03-02 09:05-05');
-- Not on his grid, but on 20042's, who is busy.
SELECT * FROM pg_temp.closest('2026-03-02 10:10-05');
-- 20042 is off the grid; 20041 would be free, and has enough.
SELECT * FROM pg_temp.closest('2026-03-02 11:00-05');
-- 20043 is busy; 20041 would be free, and has enough.
SELECT * FROM pg_temp.closest('2026-03-02 14:00-05');
-- The rules that are the same for all.
SELECT first_asked, split_part(answer, ';', 1) FROM pg_temp.closest('2026-03-01 12:30-05');
SELECT first_asked, split_part(answer, ';', 1) FROM pg_temp.closest('2026-03-16 09:00-04');
-- A customer who is elsewhere: that comes after the grid, and before the limit.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 20004;
SELECT barber_id FROM booking.book_slot(20013, 20001, 20001, '2026-03-02 11:00-05');
SELECT * FROM pg_temp.closest('2026-03-02 11:00-05', 20001);
UPDATE booking.shops SET prevent_user_overlap = false WHERE id = 20004;
-- In a packed grid to be off it is closer than to be busy: at 09:20 20041 is busy, and 20042 free, but begins at 09:10 and 09:40.
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 20004;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (20041, 20004, '2026-03-02 09:00-05', '2026-03-02 09:30-05');
SELECT reason FROM booking.check_slot(20041, 20004, '2026-03-02 09:20-05') UNION ALL SELECT reason FROM booking.check_slot(20042, 20004, '2026-03-02 09:20-05');
SELECT first_asked, split_part(answer, ';', 1) FROM pg_temp.closest('2026-03-02 09:20-05');
-- All who are there are busy.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (20041, 20004, '2026-03-02 14:10-05', '2026-03-02 14:20-05');
SELECT first_asked, split_part(answer, ';', 1) FROM pg_temp.closest('2026-03-02 14:10-05');

-- Unknown, then not offered: service, user; nobody has it on the list, only inactive ones, or ones of another shop; inactive service, user, shop.
INSERT INTO booking.services (id, shop_id, name, duration_minutes, is_active) VALUES (20031, 20001, 'Nobody does it', 30, true),
	(20032, 20001, 'Once', 30, false), (20033, 20001, 'The inactive one does it', 30, true), (20034, 20001, 'Next door they do it', 30, true);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (20011, 20032), (20010, 20033), (20021, 20034);
SELECT v.what, t.* FROM (VALUES
	(1, 'unknown service', 20999, NULL), (2, 'unknown user', 20001, 20999), (3, 'nobody', 20031, NULL), (4, 'nobody, unknown user', 20031, 20999),
	(5, 'nobody, inactive user', 20031, 20003), (6, 'inactive service', 20032, NULL), (7, 'inactive service, unknown user', 20032, 20999),
	(8, 'inactive barber', 20033, NULL), (9, 'another shop', 20034, NULL), (10, 'inactive user', 20001, 20003)) v (n, what, service, customer),
	booking.try_book_slot(NULL, v.service, v.customer, '2026-03-02 09:00-05') t ORDER BY n;
SELECT test.error('SELECT booking.book_slot(NULL, 20031, NULL, ''2026-03-02 09:00-05'')');
UPDATE booking.shops SET is_active = false WHERE id = 20004;
SELECT test.brief('SELECT booking.book_slot(NULL, 20004, NULL, ''2026-03-02 09:00-05'')');
-- No barber is no excuse for no service or no time.
SELECT test.brief('SELECT booking.book_slot(NULL, NULL, NULL, ''2026-03-02 09:00-05'')');
SELECT test.brief('SELECT booking.hold_slot(NULL, 20001, NULL, NULL)');
SELECT test.brief('SELECT booking.try_book_slot(NULL, 20001, NULL, ''infinity'')');

-- ---------------------------------------------------------------------------
-- Idempotency, holds, overrides
-- ---------------------------------------------------------------------------

SELECT id AS keyed, barber_id FROM booking.book_slot(NULL, 20001, 20001, '2026-03-06 09:00-05', 'any 1') \gset
\echo :barber_id
-- Again: the same appointment, not the next barber's.
SELECT id = :keyed AS same, barber_id FROM booking.book_slot(NULL, 20001, 20001, '2026-03-06 09:00-05', 'any 1');
SELECT appointment_id = :keyed AS same, reason FROM booking.try_book_slot(NULL, 20001, 20001, '2026-03-06 09:00-05', 'any 1');
SELECT count(*) FROM booking.appointments WHERE starts_at = '2026-03-06 09:00-05' AND barber_id BETWEEN 20010 AND 20019;
-- Another request: with the barber's name, though it is the one who was chosen; another time; a hold.
SELECT v.what, test.brief(v.statement) FROM (VALUES
	(1, 'the barber', 'SELECT booking.book_slot(20011, 20001, 20001, ''2026-03-06 09:00-05'', ''any 1'')'),
	(2, 'the time', 'SELECT booking.book_slot(NULL, 20001, 20001, ''2026-03-06 09:30-05'', ''any 1'')'),
	(3, 'the user', 'SELECT booking.book_slot(NULL, 20001, NULL, ''2026-03-06 09:00-05'', ''any 1'')'),
	(4, 'a hold', 'SELECT booking.hold_slot(NULL, 20001, 20001, ''2026-03-06 09:00-05'', NULL, ''any 1'')'),
	(5, 'overrides', 'SELECT booking.book_slot(NULL, 20001, 20001, ''2026-03-06 09:00-05'', ''any 1'', ''{hours}'')'),
	(6, 'the same', 'SELECT booking.book_slot(NULL, 20001, 20001, ''2026-03-06 09:00-05'', ''any 1'', ''{}'')')) v (n, what, statement) ORDER BY n;
-- Moved to another barber and time it is still the answer, as it now is.
SELECT barber_id FROM booking.reschedule_appointment(:keyed, '2026-03-06 10:00-05', 20013);
SELECT id = :keyed AS same, barber_id, starts_at FROM booking.book_slot(NULL, 20001, 20001, '2026-03-06 09:00-05', 'any 1');
-- So it is when nobody offers the service any more.
SAVEPOINT nobody;
DELETE FROM booking.barber_services WHERE service_id = 20001;
SELECT id = :keyed AS same FROM booking.book_slot(NULL, 20001, 20001, '2026-03-06 09:00-05', 'any 1');
ROLLBACK TO nobody;
-- Booked by name, asked for anybody; and a row that no function has written, of which nobody knows whether the barber was chosen.
SELECT barber_id FROM booking.book_slot(20012, 20001, 20001, '2026-03-06 11:00-05', 'any 2');
SELECT reason FROM booking.try_book_slot(NULL, 20001, 20001, '2026-03-06 11:00-05', 'any 2');
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
VALUES (20012, 20001, 20001, '2026-03-06 12:00-05', '2026-03-06 12:30-05', 'any 3');
SELECT reason FROM booking.try_book_slot(NULL, 20001, 20001, '2026-03-06 12:00-05', 'any 3');
-- A "no" does not use the key up.
SELECT reason FROM booking.try_book_slot(NULL, 20001, 20001, '2026-03-06 12:10-05', 'any 4');
SELECT reason FROM booking.try_book_slot(NULL, 20001, 20001, '2026-03-06 12:30-05', 'any 4');

-- hold_slot: the shop's ten minutes, and its key.
SELECT id AS held, barber_id, status, hold_expires_at FROM booking.hold_slot(NULL, 20001, 20001, '2026-03-06 15:00-05', NULL, 'any 5') \gset
\echo :barber_id :status :hold_expires_at
SELECT id = :held AS same FROM booking.hold_slot(NULL, 20001, 20001, '2026-03-06 15:00-05', NULL, 'any 5');
SELECT test.brief('SELECT booking.hold_slot(NULL, 20001, 20001, ''2026-03-06 15:00-05'', ''5 minutes'', ''any 5'')');
SELECT is_assigned FROM booking.appointments WHERE id = :held;

-- Overrides hold for all of them: in order, with what was broken on the row.
SELECT pg_temp.in_turn(3, 20001, '2026-03-05 03:05-05', '{hours,grid}');
SELECT barber_id, overrides FROM booking.appointments WHERE starts_at = '2026-03-05 03:05-05' ORDER BY 1;
SELECT test.brief('SELECT booking.book_slot(NULL, 20001, NULL, ''2026-03-05 03:05-05'', NULL, ''{hours,notice,grid,horizon,limits,window}'')');

ROLLBACK;
