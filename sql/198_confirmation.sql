--
-- What the shop has to confirm stays the shop's: an appointment that moves to
-- a service that requires confirmation, or is given another time or barber
-- there by anybody but staff, waits for the shop's word again.
--
-- Open every day 09:00 to 17:00, half an hour apart.  The shop answers within
-- an hour.  It is Monday 2026-03-02, eight o'clock.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 08:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, answer_within_minutes) VALUES (19801, 'Asks', 30, 60), (19802, 'Asks for good', 30, NULL);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (19801, 19801, 'Ann'), (19802, 19801, 'Bob'), (19803, 19802, 'Cid');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(19801, 19803) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, requires_confirmation) VALUES (19801, 19801, 'Cut', 30, false), (19802, 19801, 'Tattoo', 30, true),
	(19803, 19801, 'Dragon', 5, true), (19804, 19801, 'Perm', 5, false), (19805, 19802, 'Piercing', 30, true), (19806, 19802, 'Shave', 30, false);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes)
SELECT s, n, 30, 30 FROM (VALUES (19803, 1), (19803, 2), (19803, 3), (19804, 1), (19804, 2)) v (s, n);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(19801, 19802) b, generate_series(19801, 19804) s UNION ALL VALUES (19803, 19805), (19803, 19806);
INSERT INTO booking.users (id, email) VALUES (19801, 'u19801@example.org'), (19802, 'u19802@example.org');
CREATE ROLE regress_front_198;
DO $$ BEGIN PERFORM booking.grant_role('regress_front_198', 'front'); END $$;

-- An appointment and its parts, as they are now.
CREATE FUNCTION pg_temp.rows(head bigint) RETURNS TABLE (barber bigint, service bigint, starts time, status text, until time, request boolean, part boolean, version int) LANGUAGE sql AS $$
SELECT a.barber_id, a.service_id, a.starts_at::time, a.status, a.hold_expires_at::time, a.is_request, a.part_of IS NOT NULL, a.version
FROM booking.appointments a WHERE head IN (a.id, a.part_of) ORDER BY a.part_of NULLS FIRST, a.starts_at
$$;
SAVEPOINT s;

-- ---------------------------------------------------------------------------
-- To a service that requires it
-- ---------------------------------------------------------------------------

-- The customer books what nobody confirms, and moves: the answer says pending, for the hour that the shop has.
SET LOCAL booking.user_id = '19801';
SELECT id AS cut, status FROM booking.book_slot(19801, 19801, 19801, '2026-03-03 10:00Z', 'a cut') \gset
SELECT status, hold_expires_at, version FROM booking.reschedule_appointment(:cut, '2026-03-03 11:00Z', service_id => 19802);
SELECT * FROM pg_temp.rows(:cut);
-- As if it had been booked there.
SELECT id AS tattoo FROM booking.book_slot(19802, 19802, 19801, '2026-03-03 12:00Z') \gset
SELECT * FROM pg_temp.rows(:tattoo);
-- It is not the customer's to confirm; the booking's key still finds it.
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :cut));
SELECT id = :cut AS same, status FROM booking.book_slot(19801, 19801, 19801, '2026-03-03 10:00Z', 'a cut');
-- What waits goes on waiting, at another time, with another barber, and back with a cut.
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:cut, '2026-03-03 11:00Z', 19802);
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:cut, '2026-03-03 13:00Z', service_id => 19801);
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :cut));
RESET booking.user_id;
SELECT status FROM booking.confirm_appointment(:cut);
SELECT from_values, to_values FROM booking.appointment_history WHERE appointment_id = :cut ORDER BY id;
ROLLBACK TO s;
-- Whoever moves it: a front that names nobody, staff.
SELECT id AS cut FROM booking.book_slot(19801, 19801, 19801, '2026-03-03 10:00Z') \gset
SAVEPOINT cut;
SET LOCAL ROLE regress_front_198;
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:cut, '2026-03-03 10:00Z', service_id => 19802);
ROLLBACK TO cut;
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:cut, '2026-03-03 10:00Z', service_id => 19802);
ROLLBACK TO cut;
-- It cannot wait beyond its start; where the shop takes its time, it waits for good; a walk-in's waits too.
UPDATE booking.shops SET answer_within_minutes = 120 WHERE id = 19801;
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:cut, '2026-03-02 09:00Z', service_id => 19802);
ROLLBACK TO cut;
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:cut, '2026-03-02 09:00Z', 19803, 19805);
SELECT * FROM pg_temp.rows(:cut);
SELECT id AS walk_in FROM booking.book_slot(19801, 19801, NULL, '2026-03-03 11:00Z') \gset
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:walk_in, '2026-03-03 11:00Z', service_id => 19802);
ROLLBACK TO cut;
-- When the shop does not answer, the time is free from that moment on, for everybody; the sweep says so.
SELECT status FROM booking.reschedule_appointment(:cut, '2026-03-03 10:00Z', service_id => 19802);
SET booking.now = '2026-03-02 08:59:59Z';
SELECT reason FROM booking.check_slot(19801, 19801, '2026-03-03 10:00Z');
SET booking.now = '2026-03-02 09:00Z';
SELECT reason FROM booking.check_slot(19801, 19801, '2026-03-03 10:00Z');
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :cut));
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-03 11:00Z'')', :cut));
SELECT booking.expire_holds();
SELECT status FROM booking.appointments WHERE id = :cut;
SET booking.now = '2026-03-02 08:00Z';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Within a service that requires it
-- ---------------------------------------------------------------------------

SELECT id AS tattoo FROM booking.book_slot(19801, 19802, 19801, '2026-03-03 10:00Z') \gset
SELECT status FROM booking.confirm_appointment(:tattoo);
SAVEPOINT tattoo;
-- The customer's move to where it is changes nothing; another time, or barber, asks the shop again.
SET LOCAL booking.user_id = '19801';
SELECT status, version FROM booking.reschedule_appointment(:tattoo, '2026-03-03 10:00Z');
SELECT status, version FROM booking.reschedule_appointment(:tattoo, '2026-03-03 10:00Z', 19801, 19802);
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:tattoo, '2026-03-03 10:00Z', 19802);
RESET booking.user_id;
SELECT status FROM booking.confirm_appointment(:tattoo);
SET LOCAL ROLE regress_front_198;
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:tattoo, '2026-03-03 10:30Z');
ROLLBACK TO tattoo;
-- Staff's moves are the shop's word; to another such service it is another question.
SELECT status, version FROM booking.reschedule_appointment(:tattoo, '2026-03-03 11:00Z', 19802);
SELECT status, version FROM booking.reschedule_appointment(:tattoo, '2026-03-03 11:00Z', service_id => 19803);
ROLLBACK TO tattoo;
-- A service that requires it by now; one that does not any more.
SELECT id AS cut FROM booking.book_slot(19801, 19801, 19801, '2026-03-03 12:00Z') \gset
UPDATE booking.services SET requires_confirmation = NOT requires_confirmation WHERE id IN (19801, 19802);
SET LOCAL booking.user_id = '19801';
SELECT status FROM booking.reschedule_appointment(:cut, '2026-03-03 13:00Z');
SELECT status FROM booking.reschedule_appointment(:tattoo, '2026-03-03 14:00Z');
ROLLBACK TO s;
-- What can be had is the same before and after: the rule takes nothing from what is offered.
SELECT id AS cut FROM booking.book_slot(19801, 19801, 19801, '2026-03-03 10:00Z') \gset
SELECT count(*), min(starts_at)::time, max(starts_at)::time FROM booking.available_slots(19802, '2026-03-03', NULL, 19801, :cut);
SELECT count(*) FROM booking.available_slots(19802, '2026-03-03', NULL, 19801, :cut) s
WHERE test.brief(format('SELECT booking.reschedule_appointment(%s, %L, service_id => 19802)', :cut, s.starts_at)) = 'OK000 no error';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Round about
-- ---------------------------------------------------------------------------

SET LOCAL booking.user_id = '19801';
-- A hold stays a hold, at whatever service it is, and the customer confirms it where nobody else has to.
SELECT id AS hold FROM booking.hold_slot(19801, 19801, 19801, '2026-03-03 10:00Z') \gset
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:hold, '2026-03-03 10:30Z', service_id => 19802);
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :hold));
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:hold, '2026-03-03 10:30Z', service_id => 19801);
SELECT status FROM booking.confirm_appointment(:hold);
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:hold, '2026-03-03 11:00Z', service_id => 19802);
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :hold));
-- A hold of what the shop confirms, by way of what it does not.
SELECT id AS hold FROM booking.hold_slot(19802, 19802, 19801, '2026-03-03 10:00Z') \gset
SELECT status FROM booking.reschedule_appointment(:hold, '2026-03-03 10:00Z', service_id => 19801);
SELECT status FROM booking.confirm_appointment(:hold);
SELECT status FROM booking.reschedule_appointment(:hold, '2026-03-03 10:00Z', service_id => 19802);
-- By way of another shop.
SELECT id AS shave FROM booking.book_slot(19803, 19806, 19801, '2026-03-03 12:00Z') \gset
SELECT status FROM booking.reschedule_appointment(:shave, '2026-03-03 12:00Z', 19801, 19802);
ROLLBACK TO s;
-- A series: each occurrence by itself.
SET LOCAL booking.user_id = '19801';
SELECT array_agg(appointment_id) AS ids FROM booking.book_series(19801, 19801, 19801, '2026-03-03 10:00Z', '1 day', 2) \gset
SELECT status FROM booking.reschedule_appointment((:'ids'::bigint[])[2], '2026-03-04 10:00Z', service_id => 19802);
SELECT status, is_request, series_id = (:'ids'::bigint[])[1] AS of_series FROM booking.appointments WHERE id = ANY (:'ids') ORDER BY id;
ROLLBACK TO s;
-- A visit that moves as a whole: each item for itself; of the named one the service may change besides.
SELECT array_agg(id) AS ids FROM booking.book_visit(19801, ARRAY[(19801, 19801, '2026-03-03 10:00Z', NULL), (19801, 19802, '2026-03-03 10:30Z', NULL), (19802, 19801, '2026-03-03 11:00Z', NULL)]::booking.visit_item[]) \gset
SELECT status FROM booking.confirm_appointment((:'ids'::bigint[])[2]);
SAVEPOINT visit;
SET LOCAL booking.user_id = '19801';
SELECT status FROM booking.reschedule_appointment((:'ids'::bigint[])[1], '2026-03-03 13:00Z');
SELECT a.* FROM unnest(:'ids'::bigint[]) i, pg_temp.rows(i) a;
ROLLBACK TO visit;
SET LOCAL booking.user_id = '19801';
SELECT status FROM booking.reschedule_appointment((:'ids'::bigint[])[3], '2026-03-03 14:00Z', service_id => 19802);
SELECT a.* FROM unnest(:'ids'::bigint[]) i, pg_temp.rows(i) a;
ROLLBACK TO visit;
SELECT status FROM booking.reschedule_appointment((:'ids'::bigint[])[1], '2026-03-03 13:00Z');
SELECT a.* FROM unnest(:'ids'::bigint[]) i, pg_temp.rows(i) a;
ROLLBACK TO s;
-- Of a visit some of which waits already, all that will wait must be within the limit, whichever is named.
UPDATE booking.shops SET max_pending_per_user = 4 WHERE id = 19801;
SET LOCAL booking.user_id = '19801';
SELECT array_agg(id ORDER BY id) AS ids FROM booking.book_visit(19801, ARRAY[(19801, 19802, '2026-03-03 10:00Z', NULL), (19801, 19802, '2026-03-03 10:30Z', NULL),
	(19801, 19802, '2026-03-03 11:00Z', NULL), (19801, 19802, '2026-03-03 11:30Z', NULL)]::booking.visit_item[]) \gset
RESET booking.user_id;
SELECT (booking.confirm_appointment(i)).status FROM unnest((:'ids'::bigint[])[1:2]) i;
SET LOCAL booking.user_id = '19801';
SELECT id AS fifth, status FROM booking.book_slot(19802, 19802, 19801, '2026-03-04 10:00Z') \gset
SELECT id AS sixth, status FROM booking.book_slot(19802, 19802, 19801, '2026-03-04 11:00Z') \gset
SELECT test.brief('SELECT booking.book_slot(19802, 19802, 19801, ''2026-03-04 12:00Z'')');
SAVEPOINT visit;
SELECT n, test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-05 12:00Z'')', i)) AS moved, (SELECT count(*) FROM booking.available_slots(19802, '2026-03-05', NULL, 19801, i)) AS offered
FROM unnest(:'ids'::bigint[]) WITH ORDINALITY v (i, n) ORDER BY n;
-- Exactly: with one other that waits they are five, without it four.
SELECT status FROM booking.cancel_appointment(:fifth);
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-05 12:00Z'')', (:'ids'::bigint[])[1]));
SELECT status FROM booking.cancel_appointment(:sixth);
SELECT count(*) > 0 AS offered FROM booking.available_slots(19802, '2026-03-05', NULL, 19801, (:'ids'::bigint[])[1]);
SELECT status FROM booking.reschedule_appointment((:'ids'::bigint[])[1], '2026-03-05 12:00Z');
SELECT status, count(*) FROM booking.appointments WHERE id = ANY (:'ids') GROUP BY 1;
ROLLBACK TO visit;
-- Staff's move makes none wait.
RESET booking.user_id;
SELECT status FROM booking.reschedule_appointment((:'ids'::bigint[])[1], '2026-03-05 12:00Z');
SELECT check_name FROM booking.verify(true) WHERE check_name = 'over_pending_limit' AND detail LIKE '%198__%';
ROLLBACK TO s;
-- Steps: all parts wait, those that are new, and those that stay; what is given up is cancelled.
SELECT id AS perm FROM booking.book_slot(19801, 19804, 19801, '2026-03-03 10:00Z') \gset
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:perm, '2026-03-03 10:00Z', service_id => 19803);
SELECT * FROM pg_temp.rows(:perm);
SELECT status FROM booking.confirm_appointment(:perm);
SET LOCAL booking.user_id = '19801';
SELECT status FROM booking.reschedule_appointment(:perm, '2026-03-03 11:00Z', 19802);
SELECT * FROM pg_temp.rows(:perm);
RESET booking.user_id;
SELECT status FROM booking.confirm_appointment(:perm);
SELECT status FROM booking.reschedule_appointment(:perm, '2026-03-03 12:00Z', service_id => 19802);
SELECT * FROM pg_temp.rows(:perm);
ROLLBACK TO s;
-- Nobody else sends a confirmed appointment back: it is a transition like any other.
SELECT id AS cut FROM booking.book_slot(19801, 19801, 19801, '2026-03-03 10:00Z') \gset
SELECT test.brief(format('UPDATE booking.appointments SET status = ''pending'', service_id = 19802 WHERE id = %s', :cut));
-- A move that is refused has changed nothing: neither time nor status.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (19801, 19801, '2026-03-03 12:00Z', '2026-03-03 12:30Z');
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-03 12:00Z'', service_id => 19802)', :cut));
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-03 11:00Z'', service_id => 19803)', :cut));
SELECT * FROM pg_temp.rows(:cut);
-- Nothing of it is a fault, and no lock is left.
SELECT status FROM booking.reschedule_appointment(:cut, '2026-03-03 13:00Z', service_id => 19803);
SELECT check_name, row_id, detail FROM booking.verify(true) WHERE row_id = :cut OR detail LIKE '%198__%';
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;
