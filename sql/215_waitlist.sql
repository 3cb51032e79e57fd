--
-- The waitlist: who may join, who gets what becomes free, and when.
--
-- Open Monday to Friday 09:00 to 13:00, an hour apart.  It is Sunday 2026-03-01,
-- noon, and all of Monday is booked.  An offer is held for 45 minutes.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, waitlist_hold_minutes)
VALUES (21501, 'Queue', 60, 45), (21502, 'Elsewhere', 60, 45);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (21501, 21501, 'Ann'), (21502, 21501, 'Ben'), (21503, 21501, 'Idle'), (21504, 21502, 'Eve');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '13:00' FROM unnest(ARRAY[21501, 21502, 21504]) b, generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, capacity, requires_confirmation) VALUES
	(21501, 21501, 'Cut', 60, 3000, 1, false), (21502, 21501, 'Long', 120, 6000, 1, false), (21503, 21501, 'Perm', 5, 9000, 1, false),
	(21504, 21501, 'Class', 60, 500, 2, false), (21505, 21501, 'Colour', 60, 7000, 1, true), (21506, 21501, 'Nobody''s', 60, 0, 1, false),
	(21507, 21502, 'Cut elsewhere', 60, 2000, 1, false);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (21503, 1, 60, 60), (21503, 2, 60, 0);
INSERT INTO booking.barber_services (barber_id, service_id, price_cents)
SELECT b, s, CASE WHEN b = 21502 AND s = 21501 THEN 3300 END FROM generate_series(21501, 21502) b, generate_series(21501, 21505) s
UNION ALL SELECT 21504, 21507, NULL;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(21501, 21509) n;
-- 21511 to 21514 are Ann's 09:00 to 12:00, 21521 to 21524 Ben's, 21541 is Eve's 09:00; all of user 21509.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
SELECT 21500 + 10 * b + h, 21500 + b, 21501, 21509, timestamptz '2026-03-02 08:00Z' + h * interval '1 hour', timestamptz '2026-03-02 09:00Z' + h * interval '1 hour'
FROM generate_series(1, 2) b, generate_series(1, 4) h
UNION ALL SELECT 21541, 21504, 21507, 21509, '2026-03-02 09:00Z', '2026-03-02 10:00Z';

-- The line: who waits for what, and what they were offered.
CREATE VIEW pg_temp.line AS
SELECT row_number() OVER (ORDER BY w.id) AS n, w.user_id, s.name AS service, w.status, w.served_at, a.barber_id AS barber,
	to_char(a.starts_at, 'Dy HH24:MI') AS at, a.status AS offer, a.hold_expires_at AS until
FROM booking.waitlist w JOIN booking.services s ON s.id = w.service_id LEFT JOIN booking.appointments a ON a.id = w.appointment_id;
-- A wish for Monday: who, which service, between which hours, with whom.
CREATE FUNCTION pg_temp.wish(customer bigint, service bigint DEFAULT 21501, from_time text DEFAULT '09:00', to_time text DEFAULT '13:00', barber bigint DEFAULT NULL)
RETURNS bigint LANGUAGE sql AS $$
SELECT booking.join_waitlist(customer, service, ('2026-03-02 ' || from_time || 'Z')::timestamptz, ('2026-03-02 ' || to_time || 'Z')::timestamptz, barber)
$$;
-- The same where the place in line does not matter; and for another day.
CREATE PROCEDURE pg_temp.wait(customer bigint, service bigint DEFAULT 21501, from_time text DEFAULT '09:00', to_time text DEFAULT '13:00', barber bigint DEFAULT NULL)
LANGUAGE sql AS 'SELECT pg_temp.wish(customer, service, from_time, to_time, barber)';
CREATE PROCEDURE pg_temp.wait_until(customer bigint, service bigint, earliest timestamptz, latest timestamptz, barber bigint DEFAULT NULL)
LANGUAGE sql AS 'SELECT booking.join_waitlist(customer, service, earliest, latest, barber)';
-- The id of what an entry's user was offered last.
CREATE FUNCTION pg_temp.offer(customer bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
SELECT appointment_id FROM booking.waitlist WHERE user_id = customer AND appointment_id IS NOT NULL ORDER BY served_at DESC, id DESC LIMIT 1
$$;
-- test.error() without the ids that a sequence gave.
CREATE FUNCTION pg_temp.error(statement text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(e, '(appointment) [0-9]+', '\1 N', 'i') FROM test.error(statement) e
$$;
SAVEPOINT monday;

-- ---------------------------------------------------------------------------
-- Joining and leaving
-- ---------------------------------------------------------------------------

-- Everything is booked; the place is stored as it was asked for.
SELECT count(*) FROM booking.available_slots(21501, '2026-03-02');
SELECT pg_temp.wish(21501) AS place \gset
SELECT user_id, service_id, barber_id, earliest, latest, status, appointment_id, joined_at, served_at FROM booking.waitlist WHERE id = :place;
-- The same wish again is the same place, also in another time zone's words and when the clock has moved: asking twice is no way forward.
SET booking.now = '2026-03-01 12:30Z';
SELECT pg_temp.wish(21501) = :place AS same,
	booking.join_waitlist(21501, 21501, '2026-03-02 04:00-05', '2026-03-02 14:00+01') = :place AS same_instants;
SELECT joined_at FROM booking.waitlist WHERE id = :place;
SET booking.now = '2026-03-01 12:00Z';
-- Another user, service, barber, earliest or latest is another place, behind it.
SELECT pg_temp.wish(21502) > :place AS another_user, pg_temp.wish(21501, 21502) > :place AS service,
	pg_temp.wish(21501, barber => 21501) > :place AS barber, pg_temp.wish(21501, from_time => '09:01') > :place AS earliest,
	pg_temp.wish(21501, to_time => '12:59') > :place AS latest;
SELECT count(*) FROM booking.waitlist;
-- A named barber's wish twice is one place as well.
SELECT pg_temp.wish(21501, barber => 21501) = pg_temp.wish(21501, barber => 21501) AS same;
SELECT count(*) FROM booking.waitlist;

-- Leaving: true once; the place is kept as given up.
SELECT booking.leave_waitlist(:place), booking.leave_waitlist(:place) AS again;
SELECT status, appointment_id, served_at FROM booking.waitlist WHERE id = :place;
-- The same wish after that is a new place, at the end of the line.
SELECT pg_temp.wish(21501) > (SELECT max(id) FROM booking.waitlist) AS at_the_end;
SELECT pg_temp.error('SELECT booking.leave_waitlist(-1)');
SELECT v.id, test.brief(format('SELECT booking.leave_waitlist(%s)', v.id)) FROM (VALUES ('NULL'), ('0'), ('9223372036854775807'), ('-9223372036854775808')) v (id);
ROLLBACK TO monday;

-- Bad wishes.  What is missing or infinite, in the words of the other functions:
SELECT v.arguments, test.brief('SELECT booking.join_waitlist(' || v.arguments || ')') FROM (VALUES
	('NULL, 21501, ''2026-03-02 09:00Z'', ''2026-03-02 13:00Z'''), ('21501, NULL, ''2026-03-02 09:00Z'', ''2026-03-02 13:00Z'''),
	('21501, 21501, NULL, ''2026-03-02 13:00Z'''), ('21501, 21501, ''2026-03-02 09:00Z'', NULL'),
	('21501, 21501, ''-infinity'', ''2026-03-02 13:00Z'''), ('21501, 21501, ''infinity'', ''infinity'''),
	('21501, 21501, ''2026-03-02 09:00Z'', ''infinity''')) v (arguments);
-- reversed, empty, past, just past; a wish that has a minute left is allowed, one with a microsecond is not, and one may have begun yesterday.
SELECT test.error('SELECT booking.join_waitlist(21501, 21501, ''2026-03-02 13:00Z'', ''2026-03-02 09:00Z'')');
SELECT v.arguments, test.brief('SELECT booking.join_waitlist(21501, 21501, ' || v.arguments || ')') FROM (VALUES
	('''2026-03-02 09:00Z'', ''2026-03-02 09:00Z'''), ('''2026-02-02 09:00Z'', ''2026-02-02 13:00Z'''), ('''2026-03-01 09:00Z'', ''2026-03-01 12:00Z'''),
	('''2026-03-01 09:00Z'', ''2026-03-01 12:00:00.000001Z'''), ('''2026-03-01 09:00Z'', ''2026-03-01 12:01Z'''),
	('''2026-03-02 09:00:00.000001Z'', ''2026-03-02 09:01:59Z''')) v (arguments);
-- From the first instant there is to the last: as good a wish as any, and served like one.
SELECT booking.join_waitlist(21501, 21501, '4714-11-24 00:00Z BC', '294276-12-31 23:59:59.999999Z') > 0 AS joined;
SELECT status FROM booking.cancel_appointment(21511);
SELECT user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
-- An unknown user, service or barber; a service that the barber, or nobody, offers; something inactive.
SELECT test.error('SELECT pg_temp.wish(21999)');
SELECT test.error('SELECT pg_temp.wish(21501, 21506)');
SELECT v.arguments, test.brief('SELECT pg_temp.wish(' || v.arguments || ')') FROM (VALUES
	('21501, 21999'), ('21501, barber => 21999'), ('21501, barber => 21503'), ('21501, barber => 21504'), ('21501, 21507, barber => 21501')) v (arguments);
UPDATE booking.barbers SET is_active = false WHERE id = 21501;
SELECT test.brief('SELECT pg_temp.wish(21501, barber => 21501)') AS the_barber, test.brief('SELECT pg_temp.wish(21501)') AS anybody;
UPDATE booking.barbers SET is_active = false WHERE id = 21502;
SELECT test.brief('SELECT pg_temp.wish(21501)') AS nobody_is_left;
ROLLBACK TO monday;
UPDATE booking.services SET is_active = false WHERE id = 21501;
SELECT test.brief('SELECT pg_temp.wish(21501)') AS the_service, test.brief('SELECT pg_temp.wish(21501, barber => 21501)') AS with_the_barber;
ROLLBACK TO monday;
UPDATE booking.shops SET is_active = false WHERE id = 21501;
SELECT test.brief('SELECT pg_temp.wish(21501)') AS the_shop;
ROLLBACK TO monday;
-- Nothing of all that was stored; nor is anything in a transaction that only reads.
SELECT count(*) FROM booking.waitlist;
SET transaction_read_only = on;
SELECT test.brief('SELECT pg_temp.wish(21501)') AS joining, test.brief('SELECT booking.leave_waitlist(1)') AS leaving;
ROLLBACK TO monday;
-- A trigger that swallows the row must not make the call spin for ever.
CREATE FUNCTION pg_temp.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON booking.waitlist FOR EACH ROW EXECUTE FUNCTION pg_temp.swallow();
SELECT test.error('SELECT pg_temp.wish(21501)');
ROLLBACK TO monday;

-- ---------------------------------------------------------------------------
-- What serves the line
-- ---------------------------------------------------------------------------

-- A cancellation.  The offer is a hold, by the barber's own price, for the shop's 45 minutes; it occupies the time at once.
SELECT pg_temp.wish(21501) AS place \gset
SELECT status FROM booking.cancel_appointment(21522);
SELECT * FROM pg_temp.line;
SELECT barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, status, hold_expires_at, price_cents, is_assigned, overrides, idempotency_key
FROM booking.appointments WHERE id = pg_temp.offer(21501);
SELECT count(*) FROM booking.available_slots(21501, '2026-03-02');
-- Whoever was served cannot leave any more, and the same wish again is a new place.
SELECT booking.leave_waitlist(:place), pg_temp.wish(21501) > :place AS new_place;
-- Confirmed, it is an appointment like any other; the place keeps pointing at it.
SELECT status, hold_expires_at FROM booking.confirm_appointment(pg_temp.offer(21501));
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;

-- A cancellation by the shop, also of somebody who is there; each of the other ways to free time.
CALL pg_temp.wait(21501);
SELECT status FROM booking.check_in(21511);
SELECT status FROM booking.cancel_appointment(21511, 'power cut', 'shop');
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- decline
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21513;
SELECT id AS pending FROM booking.book_slot(21501, 21505, 21508, '2026-03-02 11:00Z') \gset
CALL pg_temp.wait(21501);
SELECT status FROM booking.decline_appointment(:pending);
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- a move, to another day, another barber, another shop: it is the time that it leaves
CALL pg_temp.wait(21501);
SELECT starts_at FROM booking.reschedule_appointment(21512, '2026-03-03 10:00Z');
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
CALL pg_temp.wait(21501, from_time => '10:00', to_time => '11:00');
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21524;
SELECT barber_id, starts_at FROM booking.reschedule_appointment(21512, '2026-03-02 12:00Z', 21502);
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
CALL pg_temp.wait(21501);
SELECT barber_id, service_id, price_cents FROM booking.reschedule_appointment(21512, '2026-03-02 10:00Z', 21504, 21507);
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- a move that is refused leaves nothing
CALL pg_temp.wait(21501);
SELECT test.brief('SELECT booking.reschedule_appointment(21512, ''2026-03-02 12:00Z'')');
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- a no-show, for what is left of the time: 11:00 of 10:00 to 12:00, not 10:00
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21513;
UPDATE booking.appointments SET ends_at = '2026-03-02 12:00Z', busy_until = '2026-03-02 12:00Z' WHERE id = 21512;
CALL pg_temp.wait(21501);
SET booking.now = '2026-03-02 10:20Z';
SELECT status FROM booking.mark_no_show(21512);
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- work that was done early
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21513;
UPDATE booking.appointments SET ends_at = '2026-03-02 12:00Z', busy_until = '2026-03-02 12:00Z' WHERE id = 21512;
CALL pg_temp.wait(21501);
SET booking.now = '2026-03-02 10:20Z';
SELECT status FROM booking.complete_appointment(21512);
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- too late: nothing of the time is left, or too little for the grid
CALL pg_temp.wait(21501);
SET booking.now = '2026-03-02 10:00:00.000001Z';
SELECT status FROM booking.mark_no_show(21512);
SET booking.now = '2026-03-02 12:00Z';
SELECT status FROM booking.complete_appointment(21513);
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- a hold that ran out, at the next expire_holds(), which counts the appointment and not the offer it makes
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21511;
SELECT status FROM booking.hold_slot(21501, 21501, 21508, '2026-03-02 09:00Z', '20 minutes');
CALL pg_temp.wait(21501);
SET booking.now = '2026-03-01 12:19:59Z';
SELECT booking.expire_holds();
SET booking.now = '2026-03-01 12:20Z';
SELECT booking.expire_holds(), booking.expire_holds() AS again;
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;
-- What frees no time serves nobody: confirming, checking in; nor, before the next expire_holds(), does a deletion or a cancellation by hand.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21511;
SELECT id AS held FROM booking.hold_slot(21501, 21501, 21508, '2026-03-02 09:00Z') \gset
CALL pg_temp.wait(21501);
SELECT status FROM booking.confirm_appointment(:held);
SELECT status FROM booking.check_in(21512);
DELETE FROM booking.appointments WHERE id = 21513;
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21514;
SELECT * FROM pg_temp.line;
ROLLBACK TO monday;

-- Nothing is served if the cancellation does not happen.
CALL pg_temp.wait(21501);
SAVEPOINT change_of_mind;
SELECT status FROM booking.cancel_appointment(21511);
SELECT user_id, status, at, offer FROM pg_temp.line;
ROLLBACK TO change_of_mind;
SELECT * FROM pg_temp.line;
SELECT user_id, status FROM booking.appointments WHERE barber_id = 21501 AND starts_at = '2026-03-02 09:00Z';
-- and again in earnest, to the same user
SELECT status FROM booking.cancel_appointment(21511);
SELECT user_id, status, at, offer FROM pg_temp.line;
ROLLBACK TO monday;

-- ---------------------------------------------------------------------------
-- First come, first served
-- ---------------------------------------------------------------------------

-- Each cancellation serves the next, and nobody twice.
CALL pg_temp.wait(21503); CALL pg_temp.wait(21502); CALL pg_temp.wait(21501);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, barber, at FROM pg_temp.line;
SELECT status FROM booking.cancel_appointment(21521);
SELECT status FROM booking.cancel_appointment(21514);
SELECT n, user_id, status, barber, at FROM pg_temp.line;
-- A fourth frees time that nobody wants any more.
SELECT status FROM booking.cancel_appointment(21524);
SELECT starts FROM test.slots(21501, '2026-03-02');
ROLLBACK TO monday;

-- A wish that does not fit is passed over and keeps its place.  10:00 is freed, with all around it booked, and these cannot use it:
-- too early, too late, ended by then, another barber, a longer service, a service in parts, another day.
CALL pg_temp.wait(21501, to_time => '10:59');
CALL pg_temp.wait(21501, from_time => '10:01');
CALL pg_temp.wait(21502, from_time => '09:00', to_time => '10:00');
CALL pg_temp.wait(21503, barber => 21502);
CALL pg_temp.wait(21504, 21502);
CALL pg_temp.wait(21505, 21503);
CALL pg_temp.wait_until(21506, 21501, '2026-03-03 09:00Z', '2026-03-03 13:00Z');
CALL pg_temp.wait(21507, from_time => '10:00', to_time => '11:00', barber => 21501); CALL pg_temp.wait(21508);
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, service, status, barber, at FROM pg_temp.line;
-- Ben's 10:00 is for the one who wanted him, ahead of the last.
SELECT status FROM booking.cancel_appointment(21522);
SELECT n, user_id, service, status, barber, at FROM pg_temp.line WHERE status = 'served';
-- 09:00 is next to nothing: too short for Long, too early for most; then 12:00 is for the last.
SELECT status FROM booking.cancel_appointment(21511, 'x', 'shop');
SELECT n, user_id, service, status, barber, at FROM pg_temp.line WHERE status = 'served';
ROLLBACK TO monday;

-- What was free already counts: Long and Perm fit as soon as the gap is long enough, not before.
CALL pg_temp.wait(21501, 21502); CALL pg_temp.wait(21502, 21503);
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, service, status, barber, at FROM pg_temp.line;
SELECT status FROM booking.cancel_appointment(21513);
SELECT n, user_id, service, status, barber, at FROM pg_temp.line;
-- Perm needs 09:00 and 11:00, or 10:00 and 12:00; both parts are held, and the place points at the first.
SELECT status FROM booking.cancel_appointment(21521);
SELECT status FROM booking.cancel_appointment(21523);
SELECT n, user_id, service, status, barber, at, until FROM pg_temp.line;
SELECT starts_at, ends_at, status, hold_expires_at, price_cents, part_of = pg_temp.offer(21502) AS is_part
FROM booking.appointments WHERE user_id = 21502 ORDER BY starts_at;
-- Nobody is offered what nobody gave up: 09:00 to 11:00 of a Tuesday has always been free.
CALL pg_temp.wait_until(21503, 21501, '2026-03-02 09:00Z', '2026-03-04 13:00Z', 21501);
SELECT status FROM booking.cancel_appointment(21524);
SELECT n, user_id, service, status FROM pg_temp.line;
ROLLBACK TO monday;

-- So do buffers: 10:00 was in the way of a buffer alone, behind the one who waits for 09:00 and before the one who waits for 11:00.
UPDATE booking.services SET duration_minutes = 60, buffer_after_minutes = 15 WHERE id = 21502;
UPDATE booking.services SET buffer_before_minutes = 15 WHERE id = 21505;
UPDATE booking.appointments SET status = 'cancelled' WHERE id IN (21511, 21513);
CALL pg_temp.wait(21501, 21502, to_time => '10:00'); CALL pg_temp.wait(21502, 21505, from_time => '11:00', to_time => '12:00');
SELECT count(*) FROM booking.available_slots(21502, '2026-03-02');
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, service, status, at FROM pg_temp.line;
ROLLBACK TO monday;

-- One long cancellation serves two, each with a time of their own, and no third.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21512;
UPDATE booking.appointments SET ends_at = '2026-03-02 11:00Z', busy_until = '2026-03-02 11:00Z' WHERE id = 21511;
CALL pg_temp.wait(21501); CALL pg_temp.wait(21502); CALL pg_temp.wait(21503);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
-- One user with two wishes gets one offer of it; the other is passed over.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21512;
UPDATE booking.appointments SET ends_at = '2026-03-02 11:00Z', busy_until = '2026-03-02 11:00Z' WHERE id = 21511;
CALL pg_temp.wait(21501); CALL pg_temp.wait(21501, barber => 21501); CALL pg_temp.wait(21502);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
-- A service with parts gives back both, and not what lies between.
UPDATE booking.appointments SET status = 'cancelled' WHERE id IN (21511, 21513);
SELECT id AS perm FROM booking.book_slot(21501, 21503, 21509, '2026-03-02 09:00Z') \gset
CALL pg_temp.wait(21501); CALL pg_temp.wait(21502); CALL pg_temp.wait(21503);
SELECT status FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE part_of = :perm));
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
-- A seat of a full group goes to one.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21511;
SELECT id AS seat FROM booking.book_slot(21501, 21504, 21508, '2026-03-02 09:00Z') \gset
SELECT id > 0 AS full FROM booking.book_slot(21501, 21504, 21509, '2026-03-02 09:00Z');
CALL pg_temp.wait(21501, 21501); CALL pg_temp.wait(21502, 21504); CALL pg_temp.wait(21503, 21504);
SELECT status FROM booking.cancel_appointment(:seat);
SELECT n, user_id, service, status, at FROM pg_temp.line;
ROLLBACK TO monday;

-- The notice and the horizon hold for offers too: 09:00 is an hour and a half away, then eight days.
UPDATE booking.shops SET min_notice_minutes = 120 WHERE id = 21501;
CALL pg_temp.wait(21501);
SET booking.now = '2026-03-02 07:30Z';
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, at FROM pg_temp.line;
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
UPDATE booking.shops SET max_advance_days = 7 WHERE id = 21501;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(21551, 21501, 21501, '2026-03-08 23:00Z', '2026-03-09 10:00Z'), (21552, 21501, 21501, '2026-03-06 09:00Z', '2026-03-06 10:00Z');
CALL pg_temp.wait_until(21501, 21501, '2026-03-06 09:00Z', '2026-03-10 10:00Z');
SELECT status FROM booking.cancel_appointment(21551);
SELECT n, user_id, status, at FROM pg_temp.line;
SELECT status FROM booking.cancel_appointment(21552);
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;

-- Who is passed over: an inactive user, one who has as many appointments as the shop allows, one who is elsewhere at that time.
UPDATE booking.shops SET max_active_per_user = 2, prevent_user_overlap = true WHERE id = 21501;
CALL pg_temp.wait(21501); CALL pg_temp.wait(21502); CALL pg_temp.wait(21503, to_time => '11:00'); CALL pg_temp.wait(21504);
UPDATE booking.users SET is_active = false WHERE id = 21501;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(21501, 21501, 21502, '2026-03-03 09:00Z', '2026-03-03 10:00Z'), (21501, 21501, 21502, '2026-03-04 09:00Z', '2026-03-04 10:00Z'),
	(21504, 21507, 21503, '2026-03-02 10:30Z', '2026-03-02 11:30Z');
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, status, at FROM pg_temp.line;
-- They are where they were in the line: the one who is elsewhere at 10:00 is not at 09:00; the others, once they may.
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, at FROM pg_temp.line;
UPDATE booking.users SET is_active = true WHERE id = 21501;
UPDATE booking.shops SET max_active_per_user = 3 WHERE id = 21501;
SELECT status FROM booking.cancel_appointment(21513);
SELECT status FROM booking.cancel_appointment(21514);
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
-- Whoever cannot come at the first hour of what is freed gets the next.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 21501;
UPDATE booking.appointments SET status = 'cancelled' WHERE id IN (21512, 21541);
UPDATE booking.appointments SET ends_at = '2026-03-02 11:00Z', busy_until = '2026-03-02 11:00Z' WHERE id = 21511;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES (21504, 21507, 21501, '2026-03-02 08:30Z', '2026-03-02 09:00:01Z');
CALL pg_temp.wait(21501);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
-- The freed time's day had been full, and is not any more.
UPDATE booking.barbers SET max_per_day = 4 WHERE id = 21501;
CALL pg_temp.wait(21501); CALL pg_temp.wait(21502);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;
-- A service or barber that is no longer offered gives nothing away; an entry that left is not looked at.
SELECT pg_temp.wish(21501), pg_temp.wish(21502, 21504), pg_temp.wish(21503, 21505) AS gone, pg_temp.wish(21504, 21505) \gset
UPDATE booking.services SET is_active = false WHERE id = 21501;
DELETE FROM booking.barber_services WHERE barber_id = 21501 AND service_id = 21504;
SELECT booking.leave_waitlist(:gone);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, service, status, at FROM pg_temp.line;
ROLLBACK TO monday;

-- ---------------------------------------------------------------------------
-- Offers: answered, declined, run out
-- ---------------------------------------------------------------------------

-- Whoever has an offer that is not yet answered gets no other, and is first again once it is confirmed.
CALL pg_temp.wait(21501); CALL pg_temp.wait(21501, to_time => '12:59'); CALL pg_temp.wait(21502);
SELECT status FROM booking.cancel_appointment(21511);
SELECT status FROM booking.cancel_appointment(21521);
SELECT n, user_id, status, barber, at FROM pg_temp.line;
SELECT status FROM booking.confirm_appointment(pg_temp.offer(21501));
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, status, barber, at, offer FROM pg_temp.line;
ROLLBACK TO monday;
-- Nor does an ordinary hold of theirs count as an offer.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21514;
SELECT status FROM booking.hold_slot(21501, 21501, 21501, '2026-03-02 12:00Z');
CALL pg_temp.wait(21501);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, barber, at FROM pg_temp.line;
ROLLBACK TO monday;
-- An offer that is cancelled, by the customer or by the shop, goes to the next at once.
CALL pg_temp.wait(21501); CALL pg_temp.wait(21502); CALL pg_temp.wait(21503);
SELECT status FROM booking.cancel_appointment(21511);
SELECT status FROM booking.cancel_appointment(pg_temp.offer(21501), 'found another');
SELECT n, user_id, status, at, offer FROM pg_temp.line;
SELECT status FROM booking.decline_appointment(pg_temp.offer(21502));
SELECT n, user_id, status, at, offer FROM pg_temp.line;
ROLLBACK TO monday;

-- An offer runs out after 45 minutes: it cannot be confirmed, and the time is kept for the next in line until the line is served again ...
CALL pg_temp.wait(21501); CALL pg_temp.wait(21502);
SELECT status FROM booking.cancel_appointment(21511);
SET booking.now = '2026-03-01 12:45Z';
SELECT pg_temp.error('SELECT booking.confirm_appointment(pg_temp.offer(21501))');
SELECT starts FROM test.slots(21501, '2026-03-02');
SELECT n, user_id, status, at, offer, until FROM pg_temp.line;
SAVEPOINT lapsed;
-- ... by expire_holds() ...
SELECT booking.expire_holds();
SELECT n, user_id, status, served_at, at, offer, until FROM pg_temp.line;
ROLLBACK TO lapsed;
-- ... or by the next cancellation in the shop, of whichever time and barber; a cancellation elsewhere does not.
SELECT status FROM booking.cancel_appointment(21541);
SELECT n, user_id, status, at, offer FROM pg_temp.line;
SELECT status FROM booking.cancel_appointment(21524);
SELECT n, user_id, status, barber, at, offer, until FROM pg_temp.line;
ROLLBACK TO lapsed;
-- The time that lapsed is served before the time that was cancelled.
CALL pg_temp.wait(21503);
SELECT status FROM booking.cancel_appointment(21524);
SELECT n, user_id, status, barber, at, offer, until FROM pg_temp.line;
ROLLBACK TO lapsed;
-- Nobody served the line for five minutes more, and somebody was quicker: nothing is left for the next.
SELECT test.brief('SELECT booking.book_slot(21501, 21501, 21508, ''2026-03-02 09:00Z'')');
SET booking.now = '2026-03-01 12:50Z';
SELECT status FROM booking.book_slot(21501, 21501, 21508, '2026-03-02 09:00Z');
SELECT booking.expire_holds();
SELECT n, user_id, status, at, offer FROM pg_temp.line;
ROLLBACK TO lapsed;
-- Whoever let it run out may join again, behind the others.
CALL pg_temp.wait(21501);
SELECT booking.expire_holds();
SELECT n, user_id, status, at, offer FROM pg_temp.line;
SET booking.now = '2026-03-01 13:30Z';
SELECT booking.expire_holds();
SELECT n, user_id, status, at, offer FROM pg_temp.line;
ROLLBACK TO monday;
-- So it is with an offer of another shop's: it counts until it runs out, marked or not.
CALL pg_temp.wait(21501, 21507); CALL pg_temp.wait(21501);
SELECT status FROM booking.cancel_appointment(21541);
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, service, status, at, offer FROM pg_temp.line;
SET booking.now = '2026-03-01 12:45Z';
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, service, status, at, offer FROM pg_temp.line;
ROLLBACK TO monday;
-- An offer that ran out is no open offer, even before it is marked.
CALL pg_temp.wait(21501); CALL pg_temp.wait(21501, 21504, barber => 21502);
SELECT status FROM booking.cancel_appointment(21511);
SET booking.now = '2026-03-01 12:45Z';
DELETE FROM booking.waitlist WHERE service_id = 21501 AND status = 'waiting';
SELECT status FROM booking.cancel_appointment(21524);
SELECT n, user_id, service, status, barber, at, offer FROM pg_temp.line;
ROLLBACK TO monday;
-- A cancellation takes back offers alone, and only if somebody waits; other holds are left to expire_holds().
UPDATE booking.appointments SET status = 'cancelled' WHERE id IN (21513, 21514);
SELECT id AS held FROM booking.hold_slot(21501, 21501, 21508, '2026-03-02 11:00Z', '45 minutes') \gset
CALL pg_temp.wait(21501);
SELECT status FROM booking.cancel_appointment(21511);
SET booking.now = '2026-03-01 12:45Z';
SELECT status FROM booking.cancel_appointment(21512);
SELECT n, user_id, status, at, offer FROM pg_temp.line;
CALL pg_temp.wait(21502, from_time => '09:30', to_time => '13:00', barber => 21502);
SELECT status FROM booking.cancel_appointment(21523);
SELECT n, user_id, status, barber, at, offer FROM pg_temp.line;
SELECT status FROM booking.appointments WHERE id = :held;
ROLLBACK TO monday;
-- All parts of a lapsed offer go together, and each part's time is given away.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 21511;
CALL pg_temp.wait(21501, 21503);
SELECT status FROM booking.cancel_appointment(21513);
SELECT n, user_id, service, status, at, offer FROM pg_temp.line;
CALL pg_temp.wait(21502); CALL pg_temp.wait(21503);
SET booking.now = '2026-03-01 12:45Z';
SAVEPOINT lapsed;
SELECT status FROM booking.cancel_appointment(21521);
SELECT n, user_id, service, status, barber, at, offer FROM pg_temp.line;
SELECT starts_at, status FROM booking.appointments WHERE user_id = 21501 ORDER BY 1;
ROLLBACK TO lapsed;
SELECT booking.expire_holds();
SELECT n, user_id, service, status, barber, at, offer FROM pg_temp.line;
ROLLBACK TO monday;

-- ---------------------------------------------------------------------------
-- Time that becomes bookable elsewhere on the day
-- ---------------------------------------------------------------------------

-- A full day gets room: whoever waits for another hour of it is served too.
UPDATE booking.appointments SET status = 'cancelled' WHERE id IN (21512, 21513, 21514);
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 21501;
CALL pg_temp.wait(21501, from_time => '11:00', to_time => '13:00', barber => 21501);
SELECT n, user_id, status, at FROM pg_temp.line;
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, barber, at, offer FROM pg_temp.line;
ROLLBACK TO monday;
-- On a packed grid a cancellation moves the starts of the whole gap around it.
UPDATE booking.shops SET slot_anchor = 'packed', slot_interval_minutes = 60 WHERE id = 21501;
UPDATE booking.appointments SET status = 'cancelled' WHERE id IN (21512, 21513, 21514);
UPDATE booking.appointments SET ends_at = '2026-03-02 09:30Z', busy_until = '2026-03-02 09:30Z' WHERE id = 21511;
CALL pg_temp.wait(21501, from_time => '12:00', to_time => '13:00', barber => 21501);
SELECT count(*) FROM booking.available_slots(21501, '2026-03-02', barber_id => 21501) WHERE starts_at = '2026-03-02 12:00Z';
SELECT status FROM booking.cancel_appointment(21511);
SELECT n, user_id, status, barber, at, offer FROM pg_temp.line;
ROLLBACK TO monday;
-- An inactive account cannot be booked for, so it does not wait either.
UPDATE booking.users SET is_active = false WHERE id = 21501;
SAVEPOINT inactive;
CALL pg_temp.wait(21501);
ROLLBACK TO monday;

-- ---------------------------------------------------------------------------
-- What is left behind
-- ---------------------------------------------------------------------------

-- A user, service or barber that is deleted takes the places along; an offer that is deleted leaves the place as served.
CALL pg_temp.wait(21501); CALL pg_temp.wait(21502, barber => 21502); CALL pg_temp.wait(21503, 21504);
SELECT status FROM booking.cancel_appointment(21511);
DELETE FROM booking.appointments WHERE id = pg_temp.offer(21501);
SELECT n, user_id, status, at FROM pg_temp.line;
DELETE FROM booking.users WHERE id = 21502;
DELETE FROM booking.services WHERE id = 21504;
SELECT n, user_id, status, at FROM pg_temp.line;
ROLLBACK TO monday;

-- A trigger's error about an offer is a warning: the cancellation stands, and the next call serves the line.
CREATE FUNCTION pg_temp.complain() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no offers today''; END';
CREATE TRIGGER complain BEFORE UPDATE ON booking.waitlist FOR EACH ROW EXECUTE FUNCTION pg_temp.complain();
CALL pg_temp.wait(21501);
SET client_min_messages = error;
SELECT status FROM booking.cancel_appointment(21511);
SET client_min_messages = warning;
SELECT n, user_id, status FROM pg_temp.line;
DROP TRIGGER complain ON booking.waitlist;
SELECT booking.expire_holds();
SELECT n, user_id, status FROM pg_temp.line;
ROLLBACK TO monday;

-- A wish that is past waits no longer from the next expire_holds() on; one that is not past does, to the last moment.
CALL pg_temp.wait(21501, from_time => '11:00', to_time => '13:00');
SET LOCAL booking.now = '2026-03-02 12:59:59Z';
SELECT booking.expire_holds();
SELECT n, user_id, status FROM pg_temp.line;
SET LOCAL booking.now = '2026-03-02 13:00Z';
SELECT booking.expire_holds();
SELECT n, user_id, status FROM pg_temp.line;
SELECT booking.leave_waitlist((SELECT max(id) FROM booking.waitlist)) AS has_left;
ROLLBACK TO monday;

-- No lock of the guard's is left by any of this.
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

ROLLBACK;
