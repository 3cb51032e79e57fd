--
-- A visit moves as a whole: all its appointments by the same distance, or none.  If
-- this breaks, a customer who moves the cut comes back to find the colour where it
-- was, or half a family's appointments are at another hour than the rest.
--
-- Ann and Bob are there every day from 09:00 to 17:00, half an hour apart.  It is
-- Monday 2026-03-02, eight o'clock.  On Tuesday a customer has a cut with Ann at ten
-- (20 minutes), a colour with Bob right after it, and a shave with Ann at 11:05, when
-- the colour's buffer and hers have passed.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 08:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (19701, 'Visits', 30, 30), (19702, 'Elsewhere', 30, 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (19701, 19701, 'Ann'), (19702, 19701, 'Bob'), (19703, 19702, 'Eve');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(19701, 19703) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes, capacity, price_cents) VALUES
	(19701, 19701, 'Cut', 20, 0, 0, 1, 3000), (19702, 19701, 'Colour', 40, 0, 5, 1, 9000), (19703, 19701, 'Shave', 15, 0, 0, 1, 1500),
	(19704, 19701, 'Perm', 5, 0, 0, 1, 7000), (19705, 19701, 'Class', 60, 0, 0, 3, 500), (19706, 19702, 'Tattoo', 30, 0, 0, 1, 1000);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (19704, 1, 20, 20), (19704, 2, 20, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(19701, 19702) b, generate_series(19701, 19705) s UNION ALL VALUES (19703, 19706);
INSERT INTO booking.users (id, email) VALUES (19701, 'u19701@example.org'), (19702, 'u19702@example.org');

CREATE FUNCTION pg_temp.at(clock time, day int DEFAULT 3) RETURNS timestamptz LANGUAGE sql AS $$
SELECT (format('2026-03-0%s ', day) || clock || 'Z')::timestamptz
$$;
-- The visit's appointments and parts, by start.
CREATE FUNCTION pg_temp.visit(of_visit bigint) RETURNS TABLE (id bigint, part_of bigint, barber bigint, service bigint, starts timestamp, ends time, busy_until time,
	status text, price bigint, version int) LANGUAGE sql AS $$
SELECT a.id % 1000, a.part_of % 1000, a.barber_id % 10, a.service_id % 10, a.starts_at, a.ends_at::time, a.busy_until::time, a.status, a.price_cents, a.version
FROM booking.appointments a WHERE a.visit_id = of_visit ORDER BY a.starts_at, a.id
$$;
CREATE FUNCTION pg_temp.move(arguments text) RETURNS text LANGUAGE sql AS $$
SELECT test.brief('SELECT booking.reschedule_appointment(' || arguments || ')')
$$;
-- When an appointment is offered to begin on that day, and whether that is just when it can be had, asked every five minutes and wherever it is offered.
CREATE FUNCTION pg_temp.offered(appointment bigint, service bigint, barber bigint, day date DEFAULT '2026-03-03', overrides text[] DEFAULT NULL,
	OUT offered text, OUT differs text) LANGUAGE plpgsql AS $$
DECLARE
	starts timestamptz[] := ARRAY(SELECT s.starts_at FROM booking.available_slots(service, day, NULL, barber, appointment, overrides) s);
	had timestamptz[] := ARRAY(
		SELECT t FROM (SELECT generate_series(day + time '08:30', day + time '17:30', interval '5 minutes')::timestamptz UNION SELECT unnest(starts)) v (t)
		WHERE pg_temp.move(format('%s, %L, %s, %s, NULL, %L', appointment, t, barber, service, overrides)) = 'OK000 no error' ORDER BY t);
BEGIN
	offered := coalesce((SELECT string_agg(to_char(t, 'HH24:MI'), ' ') FROM unnest(starts) t), '-');
	differs := (SELECT string_agg(to_char(t, 'HH24:MI'), ' ') FROM unnest(had) t) WHERE starts <> had;
END
$$;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_until, visit_id, price_cents) VALUES
	(19701, 19701, 19701, 19701, pg_temp.at('10:00'), pg_temp.at('10:20'), NULL, 19701, 2500),
	(19702, 19702, 19702, 19701, pg_temp.at('10:20'), pg_temp.at('11:00'), pg_temp.at('11:05'), 19701, 9000),
	(19703, 19702, 19703, 19701, pg_temp.at('11:05'), pg_temp.at('11:20'), NULL, 19701, 1500);
SAVEPOINT s;

-- ---------------------------------------------------------------------------
-- All of it
-- ---------------------------------------------------------------------------

-- Whichever is named: all move by the same distance, each is a version on, and the named one's row is the answer.
SELECT * FROM booking.reschedule_appointment(19701, pg_temp.at('14:00'));
SELECT * FROM pg_temp.visit(19701);
SELECT id, starts_at, version FROM booking.reschedule_appointment(19702, pg_temp.at('09:20', 5), version => 2);
SELECT * FROM pg_temp.visit(19701);
SELECT id, starts_at, version FROM booking.reschedule_appointment(19703, pg_temp.at('10:05', 5));
SELECT id, starts, ends, version FROM pg_temp.visit(19701);
ROLLBACK TO s;
-- Alone, if that is asked for.  NULL is no answer to that.
SELECT id, starts_at FROM booking.reschedule_appointment(19702, pg_temp.at('14:00'), whole_visit => false);
SELECT id, starts, ends, version FROM pg_temp.visit(19701);
SELECT pg_temp.move('19702, pg_temp.at(''14:20''), whole_visit => false') AS by_itself_on_its_grid, pg_temp.move('19702, pg_temp.at(''15:00''), whole_visit => NULL') AS null;
ROLLBACK TO s;
-- The version is about the named one.
SELECT pg_temp.move('19702, pg_temp.at(''14:20''), version => 2');
UPDATE booking.appointments SET notes = 'x' WHERE id = 19701;
SELECT pg_temp.move('19702, pg_temp.at(''14:20''), version => 1'), pg_temp.move('19701, pg_temp.at(''14:00''), version => 1');
ROLLBACK TO s;

-- None of their own old times is in the way of any: twenty minutes later, and to where they are.
UPDATE booking.shops SET slot_interval_minutes = 10 WHERE id = 19701;
SELECT pg_temp.move(format('19702, pg_temp.at(''%s'')', t)) FROM unnest(ARRAY['10:20', '10:40', '10:30', '10:00']) t;
SELECT starts_at FROM booking.reschedule_appointment(19702, pg_temp.at('10:40'));
SELECT id, starts, ends, version FROM pg_temp.visit(19701);
ROLLBACK TO s;

-- When one of them cannot be had, all stay: somebody has Bob's time, or Bob's hours end.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19710, 19702, 19701, pg_temp.at('15:00'), pg_temp.at('15:20'));
SELECT v.start, pg_temp.move(format('19701, pg_temp.at(''%s'')', v.start)) FROM unnest(ARRAY['13:30', '14:00', '14:30', '15:00', '15:30', '16:00', '16:30']) v (start);
SELECT test.error('SELECT booking.reschedule_appointment(19701, pg_temp.at(''14:00''))');
SELECT test.error('SELECT booking.reschedule_appointment(19701, pg_temp.at(''16:00''))');
SELECT id, starts, ends, version FROM pg_temp.visit(19701);
SELECT count(*) FROM booking.appointment_history WHERE appointment_id BETWEEN 19701 AND 19703;
-- What is offered for one of them is where all fit, by whichever is named.
SELECT * FROM pg_temp.offered(19701, 19701, 19701);
SELECT * FROM pg_temp.offered(19702, 19702, 19702);
SELECT * FROM pg_temp.offered(19703, 19703, 19702);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- The grid
-- ---------------------------------------------------------------------------

-- The first is on it; those that begin later need not be, whether they follow another of the visit or not.
SELECT v.start, pg_temp.move(format('19701, pg_temp.at(''%s'')', v.start)) FROM unnest(ARRAY['14:00', '14:10']) v (start);
SELECT pg_temp.move('19702, pg_temp.at(''14:30'')') AS off_the_firsts_grid;
UPDATE booking.appointments SET starts_at = pg_temp.at('11:30'), ends_at = pg_temp.at('11:45') WHERE id = 19703;
SELECT * FROM pg_temp.offered(19702, 19702, 19702);
-- Those that begin with the first are each on their own.
UPDATE booking.services SET slot_interval_minutes = 20 WHERE id = 19703;
UPDATE booking.appointments SET starts_at = pg_temp.at('10:00'), ends_at = pg_temp.at('10:15') WHERE id = 19703;
SELECT * FROM pg_temp.offered(19703, 19703, 19702);
ROLLBACK TO s;
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 19701;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19710, 19701, 19701, pg_temp.at('12:00'), pg_temp.at('12:25'));
SELECT * FROM pg_temp.offered(19701, 19701, 19701);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- The named one becomes another
-- ---------------------------------------------------------------------------

-- Barber and service are its own; the others keep theirs.  With its start unchanged it changes alone.
SELECT id, barber_id, service_id, starts_at, ends_at, price_cents FROM booking.reschedule_appointment(19701, pg_temp.at('14:00'), 19702, 19703);
SELECT * FROM pg_temp.visit(19701);
ROLLBACK TO s;
SELECT id, barber_id, service_id, starts_at, ends_at, price_cents FROM booking.reschedule_appointment(19701, pg_temp.at('10:00'), service_id => 19705);
SELECT * FROM pg_temp.visit(19701);
ROLLBACK TO s;
-- A longer service stands in the way of the visit's next with the same barber, wherever they go.
SELECT pg_temp.move('19702, pg_temp.at(''14:20''), service_id => 19705'), pg_temp.move('19702, pg_temp.at(''10:20''), service_id => 19705, overrides => ''{grid}''');
SELECT * FROM pg_temp.offered(19702, 19705, 19702);
SELECT * FROM pg_temp.offered(19702, 19705, 19701);
SELECT * FROM pg_temp.offered(19701, 19704, 19702);
SELECT * FROM pg_temp.offered(19701, 19704, 19701);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Steps, groups
-- ---------------------------------------------------------------------------

-- A perm is in the visit, with its parts; the others move with whichever part is named.  A perm alone is no visit of several.
SELECT id AS perm FROM booking.book_slot(19701, 19704, 19701, pg_temp.at('12:00')) \gset
SELECT id AS part FROM booking.appointments WHERE part_of = :perm \gset
SELECT starts_at FROM booking.reschedule_appointment(:part, pg_temp.at('11:30'));
UPDATE booking.appointments SET visit_id = 19701 WHERE :perm IN (id, part_of);
SELECT id = :perm AS is_head, starts_at FROM booking.reschedule_appointment(:part, pg_temp.at('12:00', 4));
SELECT part_of IS NOT NULL AS is_part, barber, service, starts, ends, version FROM pg_temp.visit(19701);
-- A part that somebody changed by itself stays, and is in the way.
UPDATE booking.appointments SET status = 'checked_in' WHERE id = :part;
SELECT starts_at FROM booking.reschedule_appointment(19701, pg_temp.at('10:00'));
SELECT part_of IS NOT NULL AS is_part, barber, service, starts, status FROM pg_temp.visit(19701);
ROLLBACK TO s;
-- Two seats of the visit in one class need two.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, visit_id, guest_name) VALUES
	(19721, 19701, 19705, 19701, pg_temp.at('12:00'), pg_temp.at('13:00'), 19721, NULL), (19722, 19701, 19705, 19701, pg_temp.at('12:00'), pg_temp.at('13:00'), 19721, 'Leo'),
	(19723, 19701, 19705, 19702, pg_temp.at('14:00'), pg_temp.at('15:00'), NULL, NULL), (19724, 19701, 19705, 19702, pg_temp.at('15:00'), pg_temp.at('16:00'), NULL, NULL),
	(19725, 19701, 19705, NULL, pg_temp.at('15:00'), pg_temp.at('16:00'), NULL, NULL);
SELECT * FROM pg_temp.offered(19721, 19705, 19701);
SELECT starts_at::time, seats_left FROM booking.available_slots(19705, '2026-03-03', NULL, 19701, 19722) WHERE seats_left < 2 OR starts_at > pg_temp.at('13:00');
SELECT pg_temp.move('19722, pg_temp.at(''15:00'')') AS two_more, pg_temp.move('19722, pg_temp.at(''15:00''), whole_visit => false') AS one_more;
ROLLBACK TO s;

-- A large party of 150, each with a barber of their own, moves in a moment, in little memory.
INSERT INTO booking.barbers (id, shop_id, name) SELECT 1970000 + n, 19701, 'one of many' FROM generate_series(1, 150) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 1970000 + n, 19701 FROM generate_series(1, 150) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 1970000 + n, 2, '09:00', '17:00' FROM generate_series(1, 150) n;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, visit_id)
SELECT 1970000 + n, 1970000 + n, 19701, pg_temp.at('12:00'), pg_temp.at('12:20'), 1970001 FROM generate_series(1, 150) n;
SELECT starts_at FROM booking.reschedule_appointment(1970077, pg_temp.at('13:00'));
SELECT starts_at, count(*) FROM booking.appointments WHERE visit_id = 1970001 GROUP BY 1;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Who moves along
-- ---------------------------------------------------------------------------

-- Those with the named one's status: what is cancelled, completed, checked in, or still waits for the shop, stays; so does a hold that ran out.
UPDATE booking.appointments SET status = 'checked_in' WHERE id = 19701;
SELECT starts_at FROM booking.reschedule_appointment(19702, pg_temp.at('14:00'));
SELECT id, starts, status FROM pg_temp.visit(19701);
SELECT pg_temp.move('19701, pg_temp.at(''15:00'')'), (pg_temp.offered(19701, 19701, 19701)).offered;
ROLLBACK TO s;
SELECT status FROM booking.cancel_appointment(19702);
SELECT starts_at FROM booking.reschedule_appointment(19701, pg_temp.at('14:00'));
SELECT id, starts, status FROM pg_temp.visit(19701);
ROLLBACK TO s;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, visit_id, status, hold_expires_at)
SELECT 19730 + n, 19701, 19703, 19701, pg_temp.at('12:00') + n * interval '30 min', pg_temp.at('12:15') + n * interval '30 min', 19731, 'pending', expires
FROM (VALUES (1, pg_temp.at('23:00')), (2, pg_temp.at('08:10', 2)), (3, NULL)) v (n, expires);
SET booking.now = '2026-03-02 08:10Z';
SELECT starts_at, hold_expires_at FROM booking.reschedule_appointment(19731, pg_temp.at('12:00'));
SELECT id, starts_at, hold_expires_at FROM booking.appointments WHERE visit_id = 19731 ORDER BY id;
SET booking.now = '2026-03-02 08:00Z';
ROLLBACK TO s;
-- No visit has the id 0.
UPDATE booking.appointments SET visit_id = 0 WHERE id BETWEEN 19701 AND 19703;
SELECT starts_at FROM booking.reschedule_appointment(19701, pg_temp.at('14:00'));
SELECT id, starts FROM pg_temp.visit(0);
ROLLBACK TO s;
-- A deadline is each appointment's own, and so is the start that it must not outlast.
UPDATE booking.appointments SET visit_id = NULL WHERE id = 19703;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, visit_id, status, hold_expires_at)
SELECT 19730 + n, 19701, 19703, 19701, pg_temp.at('12:00') + n * interval '30 min', pg_temp.at('12:15') + n * interval '30 min', 19731, 'pending', pg_temp.at('12:30')
FROM generate_series(1, 2) n;
SELECT hold_expires_at FROM booking.reschedule_appointment(19732, pg_temp.at('12:30'));
SELECT id, starts_at, hold_expires_at FROM booking.appointments WHERE visit_id = 19731 ORDER BY id;
ROLLBACK TO s;
-- And those that are the caller's: for a customer his own, for staff their shop's.
UPDATE booking.appointments SET user_id = 19702 WHERE id = 19702;
SET LOCAL booking.user_id = '19701';
SELECT starts_at FROM booking.reschedule_appointment(19701, pg_temp.at('14:00'));
SELECT pg_temp.move('19702, pg_temp.at(''14:00'')');
SET LOCAL booking.user_id = '';
SELECT id, starts FROM pg_temp.visit(19701);
ROLLBACK TO s;
UPDATE booking.appointments SET barber_id = 19703, service_id = 19706 WHERE id = 19702;
SET LOCAL booking.shop_id = '19701';
SELECT starts_at FROM booking.reschedule_appointment(19701, pg_temp.at('14:00'));
SET LOCAL booking.shop_id = '';
SELECT id, starts FROM pg_temp.visit(19701);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Rules and limits
-- ---------------------------------------------------------------------------

-- Each has its own window, notice and horizon: too late for the first is too late for all.
UPDATE booking.shops SET cancellation_window_minutes = 60, min_notice_minutes = 60 WHERE id = 19701;
SET booking.now = '2026-03-03 09:10Z';
SELECT pg_temp.move('19702, pg_temp.at(''14:20'')') AS all, pg_temp.move('19702, pg_temp.at(''14:30''), whole_visit => false') AS alone,
	pg_temp.move('19702, pg_temp.at(''14:20''), overrides => ''{window}''') AS staff, (pg_temp.offered(19702, 19702, 19702)).*;
SELECT * FROM pg_temp.offered(19702, 19702, 19702, overrides => '{window}');
SELECT starts_at FROM booking.reschedule_appointment(19702, pg_temp.at('14:20'), overrides => '{window,hours,limits}');
SELECT id, overrides FROM booking.appointments WHERE visit_id = 19701 ORDER BY id;
SET booking.now = '2026-03-02 08:00Z';
ROLLBACK TO s;
UPDATE booking.shops SET max_advance_days = 1 WHERE id = 19701;
SELECT pg_temp.move('19701, pg_temp.at(''10:00'', 4)'), pg_temp.move('19701, pg_temp.at(''14:00'')');
ROLLBACK TO s;
-- Staff may override a rule for all of it.
SELECT pg_temp.move('19701, pg_temp.at(''16:30''), overrides => ''{grid}'''), pg_temp.move('19701, pg_temp.at(''16:30''), overrides => ''{hours}''');
SELECT starts_at FROM booking.reschedule_appointment(19701, pg_temp.at('16:30'), overrides => '{hours}');
SELECT id, overrides FROM booking.appointments WHERE visit_id = 19701 ORDER BY id;
ROLLBACK TO s;

-- A customer who may have three has them still; who is elsewhere at the time of one cannot move all, but the visit's own do not count.
UPDATE booking.shops SET max_active_per_user = 3, prevent_user_overlap = true WHERE id = 19701;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (19710, 19703, 19706, 19701, pg_temp.at('15:00'), pg_temp.at('15:30'));
SELECT v.start, pg_temp.move(format('19701, pg_temp.at(''%s'')', v.start)) FROM unnest(ARRAY['13:30', '14:00', '14:30', '15:00', '15:30']) v (start);
SELECT * FROM pg_temp.offered(19703, 19703, 19702);
ROLLBACK TO s;

-- One shop of two minds: its item is at no time of the other's, whichever is named, wherever they go, unless staff want it so.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 19702;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (19707, 19702, 'Dragon', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (19703, 19707);
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, visit_id) VALUES
	(19731, 19703, 19706, 19701, pg_temp.at('12:00'), pg_temp.at('12:30'), 19731), (19732, 19701, 19701, 19701, pg_temp.at('12:30'), pg_temp.at('12:50'), 19731);
SELECT v.start, pg_temp.move(format('19731, pg_temp.at(''%s''), 19703, 19707', v.start)) AS longer, pg_temp.move(format('19731, pg_temp.at(''%s''), 19703, 19706', v.start)) AS as_it_is,
	pg_temp.move(format('19731, pg_temp.at(''%s''), 19703, 19707, NULL, ''{limits}''', v.start)) AS staff
FROM unnest(ARRAY['12:00', '13:00']) v (start);
SELECT test.error('SELECT booking.reschedule_appointment(19731, pg_temp.at(''13:00''), service_id => 19707)');
SELECT * FROM pg_temp.offered(19731, 19707, 19703);
SELECT * FROM pg_temp.offered(19731, 19706, 19703);
UPDATE booking.appointments SET starts_at = pg_temp.at('11:30'), ends_at = pg_temp.at('11:50') WHERE id = 19732;
SELECT pg_temp.move('19732, pg_temp.at(''12:30''), service_id => 19705') AS longer;
SELECT * FROM pg_temp.offered(19732, 19705, 19701);
-- Another guest's is not in the way.
UPDATE booking.appointments SET guest_name = 'Leo' WHERE id = 19732;
SELECT pg_temp.move('19732, pg_temp.at(''12:30''), service_id => 19705') AS guest;
ROLLBACK TO s;

-- A barber's day: Bob takes three on Wednesday and has two, so that the visit's two are one too many; within its own day it may move.
UPDATE booking.barbers SET max_per_day = 3 WHERE id = 19702;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(19710, 19702, 19703, pg_temp.at('15:00', 4), pg_temp.at('15:15', 4)), (19711, 19702, 19703, pg_temp.at('16:00', 4), pg_temp.at('16:15', 4)),
	(19712, 19702, 19703, pg_temp.at('16:00'), pg_temp.at('16:15'));
SELECT pg_temp.move('19701, pg_temp.at(''10:00'', 4)') AS wednesday, pg_temp.move('19702, pg_temp.at(''10:00'', 4), whole_visit => false') AS one_of_them,
	pg_temp.move('19701, pg_temp.at(''10:00'', 5)') AS thursday, pg_temp.move('19701, pg_temp.at(''14:00'')') AS tuesday;
SELECT test.error('SELECT booking.reschedule_appointment(19701, pg_temp.at(''10:00'', 4))');
SELECT * FROM pg_temp.offered(19701, 19701, 19701, '2026-03-04');
UPDATE booking.barbers SET max_per_day = 4 WHERE id = 19702;
SELECT * FROM pg_temp.offered(19701, 19701, 19701, '2026-03-04');
ROLLBACK TO s;
-- Even if that has more than the barber takes.
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 19702;
SELECT * FROM pg_temp.offered(19701, 19701, 19701);
ROLLBACK TO s;
-- Around midnight, one goes over to the next day and the other stays on it.
UPDATE booking.working_hours SET opens = '00:00', closes = '24:00' WHERE barber_id = 19702;
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 19702;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, visit_id) VALUES
	(19731, 19702, 19703, 19701, pg_temp.at('23:30', 5), pg_temp.at('23:45', 5), 19731), (19732, 19702, 19703, 19701, pg_temp.at('00:30', 6), pg_temp.at('00:45', 6), 19731);
SELECT pg_temp.move('19731, pg_temp.at(''00:00'', 6)') AS both_on_friday, pg_temp.move('19731, pg_temp.at(''23:00'', 5)') AS one_on_each;
SELECT string_agg(starts_at::text, ', ') FROM booking.available_slots(19703, '2026-03-05', '2026-03-06', 19702, 19731);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- The waitlist
-- ---------------------------------------------------------------------------

-- All the time that is given up is served, with each barber.
SELECT booking.join_waitlist(19702, 19701, pg_temp.at('10:00'), pg_temp.at('10:30'), 19701) > 0 AS ann, booking.join_waitlist(19702, 19703, pg_temp.at('11:00'), pg_temp.at('11:30'), 19702) > 0 AS bob;
INSERT INTO booking.users (id, email) VALUES (19703, 'u19703@example.org');
SELECT booking.join_waitlist(19703, 19703, pg_temp.at('11:00'), pg_temp.at('11:30'), 19702) > 0 AS bob_too;
SELECT starts_at FROM booking.reschedule_appointment(19702, pg_temp.at('14:20'));
SELECT w.user_id, w.status, a.barber_id, a.starts_at::time FROM booking.waitlist w LEFT JOIN booking.appointments a ON a.id = w.appointment_id WHERE w.user_id IN (19702, 19703) ORDER BY w.id;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- As booked by book_visit, and cancelled
-- ---------------------------------------------------------------------------

SELECT max(id) AS cut FROM booking.book_visit(19702,
	ARRAY[ROW(19701, 19704, pg_temp.at('12:00'), NULL), ROW(19701, 19701, pg_temp.at('13:00'), NULL)]::booking.visit_item[]) \gset
SELECT starts_at FROM booking.reschedule_appointment(:cut, pg_temp.at('14:00'));
SELECT barber_id, service_id, starts_at, part_of IS NOT NULL AS is_part FROM booking.appointments WHERE user_id = 19702 ORDER BY starts_at;
SELECT status FROM booking.cancel_appointment(19702);
SELECT id, status FROM pg_temp.visit(19701);
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;
