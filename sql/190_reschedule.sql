--
-- Moving an appointment: to another time, barber or service.  The row stays the
-- same, and what it occupied is never in its own way.
--
-- Open every day 09:00 to 17:00 (Bob: 10:00 to 14:00), a quarter of an hour
-- apart, an hour's notice, thirty days ahead.  Customers may cancel or move up
-- to two hours before.  It is Monday 2026-03-02, eight o'clock.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 08:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, min_notice_minutes, max_advance_days, cancellation_window_minutes)
VALUES (19001, 'Move', 60, 30, 120), (19002, 'Elsewhere', 0, 90, 0);
INSERT INTO booking.barbers (id, shop_id, name, is_active) VALUES (19001, 19001, 'Ann', true), (19002, 19001, 'Bob', true), (19003, 19001, 'Cid', true),
	(19004, 19001, 'Dan', false), (19005, 19002, 'Eve', true);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, CASE b WHEN 19002 THEN time '10:00' ELSE '09:00' END, CASE b WHEN 19002 THEN time '14:00' ELSE '17:00' END
FROM generate_series(19001, 19005) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, buffer_before_minutes, buffer_after_minutes, capacity, requires_confirmation)
VALUES (19001, 19001, 'Cut', 30, 3000, 0, 0, 1, false), (19002, 19001, 'Colour', 60, 9000, 10, 5, 1, false),
	(19003, 19001, 'Perm', 5, 7000, 0, 15, 1, false), (19004, 19001, 'Wave', 5, 5000, 0, 0, 1, false),
	(19005, 19001, 'Class', 60, 500, 0, 0, 3, false), (19006, 19001, 'Tattoo', 30, 20000, 0, 0, 1, true), (19007, 19002, 'Shave', 30, 1000, 0, 0, 1, false);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES
	(19003, 1, 30, 30), (19003, 2, 30, 0), (19004, 1, 15, 15), (19004, 2, 15, 15), (19004, 3, 15, 0);
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes, price_cents)
SELECT 19001, s, NULL::int, NULL::bigint FROM generate_series(19001, 19006) s
UNION ALL VALUES (19002, 19001, 45, 4000), (19002, 19003, NULL, 6500), (19004, 19001, NULL, NULL), (19005, 19007, NULL, NULL);
INSERT INTO booking.users (id, email) VALUES (19001, 'u19001@example.org'), (19002, 'u19002@example.org');

-- A cut with Ann on Tuesday at ten, at a price that was agreed.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, price_cents, idempotency_key, notes, series_id, guest_name, updated_at)
VALUES (19001, 19001, 19001, 19001, '2026-03-03 10:00Z', '2026-03-03 10:30Z', 2500, 'first cut', 'by the window', 77, 'Tom', '2026-03-01 00:00Z');

-- What a statement changes in a row, column by column; it is undone.
CREATE FUNCTION pg_temp.changes(row_id bigint, statement text) RETURNS TABLE (what text, was text, becomes text) LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := (SELECT to_jsonb(a) FROM booking.appointments a WHERE a.id = row_id);
BEGIN
	BEGIN
		EXECUTE statement;
		RETURN QUERY SELECT n.key, before ->> n.key, n.value #>> '{}'
		FROM booking.appointments a, jsonb_each(to_jsonb(a)) n WHERE a.id = row_id AND before -> n.key <> n.value ORDER BY n.key COLLATE "C";
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN NULL;
	END;
END
$$;
CREATE FUNCTION pg_temp.move(arguments text) RETURNS text LANGUAGE sql AS $$
SELECT test.brief('SELECT booking.reschedule_appointment(' || arguments || ')')
$$;
-- An appointment and its parts, as they are now.
CREATE FUNCTION pg_temp.rows(head bigint) RETURNS TABLE (part bigint, barber bigint, service bigint, starts timestamp, ends time, busy_from time,
	busy_until time, status text, price bigint, visit bigint, version int) LANGUAGE sql AS $$
SELECT row_number() OVER (ORDER BY a.part_of NULLS FIRST, a.status DESC, a.starts_at), a.barber_id, a.service_id, a.starts_at AT TIME ZONE 'UTC', a.ends_at::time,
	a.busy_from::time, a.busy_until::time, a.status, a.price_cents, a.visit_id, a.version
FROM booking.appointments a WHERE a.id = head OR a.part_of = head ORDER BY 1
$$;
CREATE FUNCTION pg_temp.starts(service bigint, barber bigint, appointment bigint, day date) RETURNS text LANGUAGE sql AS $$
SELECT string_agg(to_char(s.starts_at, 'HH24:MI'), ' ' ORDER BY s.starts_at)
FROM booking.available_slots(service, day, NULL, barber, appointment) s WHERE s.starts_at::time BETWEEN '09:00' AND '12:00'
$$;
SAVEPOINT s;

-- ---------------------------------------------------------------------------
-- The row
-- ---------------------------------------------------------------------------

-- The answer is the row; its time and its version are new, and nothing else: no price, no key, no note.
SELECT * FROM booking.reschedule_appointment(19001, '2026-03-04 11:00Z');
ROLLBACK TO s;
SELECT * FROM pg_temp.changes(19001, 'SELECT booking.reschedule_appointment(19001, ''2026-03-04 11:00Z'')');
-- What it left is offered again, what it has now is not.
SELECT starts_at FROM booking.reschedule_appointment(19001, '2026-03-03 11:00Z');
SELECT count(*) FROM booking.appointments WHERE barber_id = 19001;
SELECT starts_at::time, (booking.check_slot(19001, 19001, starts_at)).reason
FROM (VALUES (timestamptz '2026-03-03 10:00Z'), ('2026-03-03 10:30Z'), ('2026-03-03 10:45Z'), ('2026-03-03 11:15Z'), ('2026-03-03 11:30Z')) v (starts_at);
-- A repeated request to book it still gets it, as it is now.
SELECT id, starts_at, version FROM booking.book_slot(19001, 19001, 19001, '2026-03-03 11:00Z', 'first cut');
SELECT id AS keyed FROM booking.book_slot(19001, 19001, 19002, '2026-03-05 11:00Z', 'second cut') \gset
SELECT starts_at FROM booking.reschedule_appointment(:keyed, '2026-03-05 12:00Z');
SELECT id = :keyed AS same, starts_at, version FROM booking.book_slot(19001, 19001, 19002, '2026-03-05 11:00Z', 'second cut');
SELECT test.brief('SELECT booking.book_slot(19001, 19001, 19002, ''2026-03-05 12:00Z'', ''second cut'')');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Its own time is not in its way
-- ---------------------------------------------------------------------------

-- Before ten and after half past are others; a quarter of an hour to either side is not free, the rest of its own time is.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(19010, 19001, 19001, '2026-03-03 09:00Z', '2026-03-03 09:45Z'), (19011, 19001, 19001, '2026-03-03 10:45Z', '2026-03-03 11:30Z');
SELECT pg_temp.starts(19001, 19001, 19001, '2026-03-03') AS for_it, pg_temp.starts(19001, 19001, NULL, '2026-03-03') AS for_others;
SELECT v.start, pg_temp.move(format('19001, ''2026-03-03 %s:00Z''', v.start)) FROM unnest(ARRAY['09:30', '09:45', '10:00', '10:15', '10:30']) v (start);
SELECT starts_at FROM booking.reschedule_appointment(19001, '2026-03-03 10:15Z');
SELECT starts_at, version FROM booking.reschedule_appointment(19001, '2026-03-03 09:45Z');
-- To where it is: a move like any other.
SELECT starts_at, version FROM booking.reschedule_appointment(19001, '2026-03-03 09:45Z');
ROLLBACK TO s;
-- Its buffers are not in its way either: a colour is busy from ten minutes before until five after.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until) VALUES
	(19012, 19001, 19002, '2026-03-03 11:15Z', '2026-03-03 12:15Z', '2026-03-03 11:05Z', '2026-03-03 12:20Z');
SELECT pg_temp.starts(19002, 19001, 19012, '2026-03-03') AS for_it, pg_temp.starts(19002, 19001, NULL, '2026-03-03') AS for_others;
SELECT starts_at FROM booking.reschedule_appointment(19012, '2026-03-03 11:00Z');
SELECT starts, busy_from, busy_until FROM pg_temp.rows(19012);
SELECT pg_temp.move('19012, ''2026-03-03 10:30Z''');
ROLLBACK TO s;
-- Nor are the parts of a service with steps in each other's; somebody else's in the gap is.
SELECT id AS perm FROM booking.book_slot(19001, 19003, 19001, '2026-03-03 11:00Z') \gset
SELECT v.start, pg_temp.move(format('%s, ''2026-03-03 %s:00Z''', :perm, v.start))
FROM unnest(ARRAY['10:15', '10:30', '10:45', '11:00', '11:15', '11:30', '12:00', '12:30']) v (start);
SELECT starts_at FROM booking.reschedule_appointment(:perm, '2026-03-03 11:30Z');
SELECT starts, ends, busy_until, version FROM pg_temp.rows(:perm);
SELECT status FROM booking.book_slot(19001, 19001, 19002, '2026-03-03 12:00Z');
SELECT v.start, pg_temp.move(format('%s, ''2026-03-03 %s:00Z''', :perm, v.start)) FROM unnest(ARRAY['11:15', '11:30', '12:00', '12:30']) v (start);
SELECT starts_at FROM booking.reschedule_appointment(:perm, '2026-03-03 12:30Z');
SELECT starts, ends, busy_until, version FROM pg_temp.rows(:perm);
ROLLBACK TO s;
-- On a packed grid, where the starts depend on what is booked, it starts where its gap does without it.
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 19001;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(19010, 19001, 19001, '2026-03-03 09:00Z', '2026-03-03 09:40Z'), (19011, 19001, 19001, '2026-03-03 10:50Z', '2026-03-03 11:30Z');
SELECT pg_temp.starts(19001, 19001, 19001, '2026-03-03') AS for_it, pg_temp.starts(19001, 19001, NULL, '2026-03-03') AS for_others;
SELECT v.start, pg_temp.move(format('19001, ''2026-03-03 %s:00Z''', v.start))
FROM unnest(ARRAY['09:30', '09:40', '09:55', '10:00', '10:10', '10:15', '10:25', '11:30', '11:40']) v (start);
SELECT starts_at, version FROM booking.reschedule_appointment(19001, '2026-03-03 09:55Z');
SELECT starts_at, version FROM booking.reschedule_appointment(19001, '2026-03-03 10:10Z');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Another barber, another service: length and price
-- ---------------------------------------------------------------------------

-- Whoever does what was booked does it for what was agreed, and in the time that was; a new barber or service has a new price.
SELECT v.n, m.starts_at, m.ends_at, m.price_cents FROM (VALUES (1, NULL::bigint, NULL::bigint), (2, 19001, 19001)) v (n, barber, service),
	booking.reschedule_appointment(19001, '2026-03-04 10:00Z', v.barber, v.service) m ORDER BY n;
-- Bob takes 45 minutes and 40.00.
SELECT barber_id, service_id, ends_at, price_cents FROM booking.reschedule_appointment(19001, '2026-03-04 11:00Z', 19002);
-- Back with Ann it takes and costs what it does by now, and once there it takes as long as it does.
UPDATE booking.services SET duration_minutes = 40, price_cents = 3300 WHERE id = 19001;
SELECT barber_id, ends_at, price_cents FROM booking.reschedule_appointment(19001, '2026-03-04 11:00Z', 19001);
UPDATE booking.services SET duration_minutes = 50, price_cents = 3500 WHERE id = 19001;
SELECT ends_at, price_cents FROM booking.reschedule_appointment(19001, '2026-03-04 12:00Z');
SELECT service_id, ends_at, price_cents FROM booking.reschedule_appointment(19001, '2026-03-04 11:00Z', service_id => 19002);
SELECT starts, busy_from, busy_until, price, version FROM pg_temp.rows(19001);
SELECT barber_id, service_id, ends_at, price_cents FROM booking.reschedule_appointment(19001, '2026-03-04 11:00Z', 19002, 19001);
SELECT starts, busy_from, busy_until, price, version FROM pg_temp.rows(19001);
ROLLBACK TO s;
-- All that a move writes when everything is another's.
SELECT * FROM pg_temp.changes(19001, 'SELECT booking.reschedule_appointment(19001, ''2026-03-04 10:15Z'', 19001, 19002)');
-- The new barber's time counts, not the old one's.
SELECT status FROM booking.book_slot(19002, 19001, 19002, '2026-03-03 10:00Z');
SELECT v.start, pg_temp.move(format('19001, ''2026-03-03 %s:00Z'', 19002', v.start)) FROM unnest(ARRAY['09:45', '10:00', '10:30', '10:45', '11:00']) v (start);
SELECT pg_temp.starts(19001, 19002, 19001, '2026-03-03');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Steps
-- ---------------------------------------------------------------------------

-- Whichever part is named, all move, and the first is the answer; each keeps its row.
SELECT id AS wave FROM booking.book_slot(19001, 19004, 19001, '2026-03-03 11:00Z', 'a wave') \gset
SELECT array_agg(id ORDER BY starts_at) AS parts FROM booking.appointments WHERE part_of = :wave \gset
SELECT id = :wave AS first, starts_at, ends_at, visit_id = id AS visit, version FROM booking.reschedule_appointment((:'parts'::bigint[])[2], '2026-03-03 13:00Z', version => 1);
SELECT part, barber, service, starts, ends, status, price, visit = :wave AS visit, version FROM pg_temp.rows(:wave);
SELECT array_agg(id ORDER BY starts_at) = :'parts' AS same FROM booking.appointments WHERE part_of = :wave;
-- From three steps to two: the third is given up, and its time is free.
SELECT service_id, ends_at, price_cents FROM booking.reschedule_appointment((:'parts'::bigint[])[1], '2026-03-03 13:00Z', service_id => 19003);
SELECT part, barber, service, starts, ends, busy_until, status, price, visit = :wave AS visit, version FROM pg_temp.rows(:wave);
SELECT cancelled_at, cancel_reason, cancelled_by FROM booking.appointments WHERE part_of = :wave AND status = 'cancelled';
-- To another barber, all of it.
SELECT barber_id, price_cents FROM booking.reschedule_appointment(:wave, '2026-03-03 11:00Z', 19002);
SELECT part, barber, service, starts, ends, busy_until, status, price, version FROM pg_temp.rows(:wave);
-- To a plain service: one row is left, and the parts' times are free.
SELECT service_id, starts_at, ends_at, price_cents, version FROM booking.reschedule_appointment(:wave, '2026-03-03 11:00Z', 19002, 19001);
SELECT part, barber, service, starts, ends, busy_until, status, price, version FROM pg_temp.rows(:wave);
SELECT pg_temp.starts(19001, 19002, NULL, '2026-03-03');
-- And to three steps again: what was given up stays, the new parts are new.
SELECT service_id, starts_at, ends_at, price_cents, version FROM booking.reschedule_appointment(:wave, '2026-03-04 11:00Z', 19001, 19004);
SELECT part, barber, service, starts, ends, status, price, visit = :wave AS visit, version FROM pg_temp.rows(:wave);
-- The key finds it after all this.
SELECT id = :wave AS same, starts_at FROM booking.book_slot(19001, 19004, 19001, '2026-03-03 11:00Z', 'a wave');
ROLLBACK TO s;

-- A plain appointment becomes a visit; its new parts are of the same customer and guest, in the same series and status.
SELECT id, visit_id, starts_at, ends_at, price_cents FROM booking.reschedule_appointment(19001, '2026-03-03 10:15Z', service_id => 19004);
SELECT * FROM pg_temp.rows(19001);
SELECT user_id, guest_name, series_id, idempotency_key, notes, part_of FROM booking.appointments WHERE 19001 IN (id, part_of) ORDER BY starts_at;
SELECT status FROM booking.cancel_appointment((SELECT max(id) FROM booking.appointments WHERE part_of = 19001));
SELECT status, count(*) FROM pg_temp.rows(19001) GROUP BY 1;
ROLLBACK TO s;

-- When a later part is not to be had, nothing has moved.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19010, 19001, 19001, '2026-03-03 12:00Z', '2026-03-03 12:30Z');
SELECT id AS perm FROM booking.book_slot(19001, 19003, 19001, '2026-03-03 13:00Z') \gset
DO $$
DECLARE
	perm bigint := (SELECT id FROM booking.appointments WHERE barber_id = 19001 AND starts_at = '2026-03-03 13:00Z');
	locks int;
BEGIN
	PERFORM booking.reschedule_appointment(perm, '2026-03-03 11:00Z');
EXCEPTION WHEN exclusion_violation THEN
	SELECT count(*) INTO locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
	RAISE WARNING '%, locks: %', SQLERRM, locks;
END
$$;
SELECT starts, ends, version FROM pg_temp.rows(:perm);
SELECT count(*) FROM booking.appointment_history WHERE appointment_id = :perm;
SELECT pg_temp.starts(19001, 19001, NULL, '2026-03-03');
-- A plain one that would have to fit around it cannot either.
SELECT pg_temp.move('19001, ''2026-03-03 11:00Z'', service_id => 19003'), pg_temp.move('19001, ''2026-03-03 10:30Z'', service_id => 19003');
-- A part that was cancelled by hand stays behind, and no new one takes its place.
UPDATE booking.appointments SET status = 'cancelled' WHERE part_of = :perm;
SELECT starts_at FROM booking.reschedule_appointment(:perm, '2026-03-04 13:00Z');
SELECT part, starts, ends, status, version FROM pg_temp.rows(:perm);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Version, window, status
-- ---------------------------------------------------------------------------

SELECT v.version, test.brief(format('SELECT booking.reschedule_appointment(19001, ''2026-03-03 11:00Z'', version => %s)', v.version))
FROM unnest(ARRAY['NULL', '1', '2', '0']) WITH ORDINALITY v (version, n) ORDER BY n;
SELECT version FROM booking.reschedule_appointment(19001, '2026-03-03 11:00Z', version => 1);
SELECT test.error('SELECT booking.reschedule_appointment(19001, ''2026-03-03 12:00Z'', version => 1)');
SELECT version FROM booking.reschedule_appointment(19001, '2026-03-03 12:00Z', version => 2);
ROLLBACK TO s;

-- Two hours before ten is eight: until then, and at that instant, a customer may move it; staff with "window" later too, and that is kept.
SET booking.now = '2026-03-03 08:00Z';
SELECT pg_temp.move('19001, ''2026-03-03 11:00Z''');
SET booking.now = '2026-03-03 08:00:00.000001Z';
SELECT test.error('SELECT booking.reschedule_appointment(19001, ''2026-03-04 11:00Z'')');
SELECT v.overrides, pg_temp.move(format('19001, ''2026-03-04 11:00Z'', overrides => %L', v.overrides))
FROM unnest(ARRAY['{}', '{hours,notice,grid,horizon,limits}', '{window}', '{limits,window}']) v (overrides);
SELECT starts_at FROM booking.reschedule_appointment(19001, '2026-03-04 11:00Z', overrides => '{grid,window,limits}');
SELECT overrides FROM booking.appointments WHERE id = 19001;
-- From where it now is, the window is open: nothing was broken.
SELECT starts_at FROM booking.reschedule_appointment(19001, '2026-03-04 12:00Z', overrides => '{window}');
SELECT overrides FROM booking.appointments WHERE id = 19001;
-- Also once it has begun, or is over.
SET booking.now = '2026-03-04 12:45Z';
SELECT pg_temp.move('19001, ''2026-03-05 12:00Z'''), pg_temp.move('19001, ''2026-03-05 12:00Z'', overrides => ''{window}''');
ROLLBACK TO s;
SET booking.now = '2026-03-02 08:00Z';

-- Only what is pending or confirmed can be moved; the status is said before the window.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 19020 + n, 19001, 19001, timestamptz '2026-03-02 09:00Z' + n * interval '30 minutes', timestamptz '2026-03-02 09:30Z' + n * interval '30 minutes', status, expires
FROM (VALUES (1, 'pending', NULL::timestamptz), (2, 'pending', '2026-03-02 08:10Z'), (3, 'pending', '2026-03-02 08:00Z'), (4, 'confirmed', NULL),
	(5, 'checked_in', NULL), (6, 'completed', NULL), (7, 'cancelled', NULL), (8, 'no_show', NULL), (9, 'expired', NULL)) v (n, status, expires);
UPDATE booking.shops SET cancellation_window_minutes = 0 WHERE id = 19001;
SELECT a.status, a.hold_expires_at::time AS hold, v.move
FROM booking.appointments a, LATERAL (SELECT string_agg(e, '; ') AS move FROM test.error(format('SELECT booking.reschedule_appointment(%s, ''2026-03-05 09:00Z'')', a.id)) e) v
WHERE id BETWEEN 19021 AND 19029 ORDER BY id;
UPDATE booking.shops SET cancellation_window_minutes = 10000 WHERE id = 19001;
SELECT a.status, pg_temp.move(format('%s, ''2026-03-05 09:00Z''', a.id)) FROM booking.appointments a WHERE id BETWEEN 19021 AND 19029 ORDER BY id;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Holds, and what waits for confirmation
-- ---------------------------------------------------------------------------

-- A hold moves as a hold, and ends when it would have; so do parts that it gets on the way.
SELECT id AS hold FROM booking.hold_slot(19001, 19001, 19001, '2026-03-03 11:00Z', '10 minutes') \gset
SET booking.now = '2026-03-02 08:05Z';
SELECT starts_at, status, hold_expires_at, version FROM booking.reschedule_appointment(:hold, '2026-03-03 11:15Z');
SELECT starts_at, status, hold_expires_at, version FROM booking.reschedule_appointment(:hold, '2026-03-03 13:00Z', service_id => 19004);
SELECT starts_at, status, hold_expires_at FROM booking.appointments WHERE :hold IN (id, part_of) ORDER BY starts_at;
SET booking.now = '2026-03-02 08:09:59.999999Z';
SELECT pg_temp.move(:hold || ', ''2026-03-03 12:00Z''');
SET booking.now = '2026-03-02 08:10Z';
SELECT regexp_replace(e, '(appointment) [0-9]+', '\1 N') AS error FROM test.error('SELECT booking.reschedule_appointment(' || :hold || ', ''2026-03-03 12:00Z'')') e;
SELECT reason FROM booking.check_slot(19001, 19004, '2026-03-03 13:00Z');
SET booking.now = '2026-03-02 08:00Z';
ROLLBACK TO s;
-- What waits for the shop's confirmation goes on waiting; what was confirmed waits for it where the new service requires it (198_confirmation.sql).
SELECT id AS waits FROM booking.book_slot(19001, 19006, 19001, '2026-03-03 11:00Z') \gset
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:waits, '2026-03-03 12:00Z');
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:waits, '2026-03-03 12:00Z', service_id => 19001);
SELECT status FROM booking.reschedule_appointment(19001, '2026-03-03 11:00Z', service_id => 19006);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Groups
-- ---------------------------------------------------------------------------

-- Three seats: a full group at ten, two people at twelve, somebody alone at 15:10, where no grid has a start.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT 19030 + n, 19001, 19005, timestamptz '2026-03-06 00:00Z' + start, timestamptz '2026-03-06 01:00Z' + start
FROM unnest(ARRAY[interval '10:00', '10:00', '10:00', '12:00', '12:00', '15:10']) WITH ORDINALITY v (start, n);
SELECT starts_at::time, seats_left FROM booking.available_slots(19005, '2026-03-06', NULL, 19001, 19031) WHERE seats_left < 3 OR starts_at::time < '10:30' ORDER BY 1;
SELECT v.id, v.start, pg_temp.move(format('%s, ''2026-03-06 %s:00Z''', v.id, v.start)) FROM (VALUES
	(19031, '10:00'), (19031, '10:15'), (19031, '09:45'), (19031, '12:00'), (19031, '12:15'), (19031, '15:10'), (19031, '11:00'),
	(19034, '10:00'), (19034, '12:00'), (19034, '15:10'), (19036, '15:10'), (19036, '15:15'), (19036, '10:00'), (19036, '12:00')) v (id, start);
-- The third at noon makes it full, and leaves a seat at ten.
SELECT starts_at FROM booking.reschedule_appointment(19031, '2026-03-06 12:00Z');
SELECT pg_temp.move('19036, ''2026-03-06 12:00Z'''), pg_temp.move('19036, ''2026-03-06 10:00Z''');
SELECT starts_at::time, seats_left FROM booking.available_slots(19005, '2026-03-06', NULL, 19001) WHERE seats_left < 3 ORDER BY 1;
-- Whoever leaves for another service stands in the way of nobody who stays.
SELECT pg_temp.move('19031, ''2026-03-06 12:00Z'', service_id => 19001'), pg_temp.move('19031, ''2026-03-06 13:00Z'', service_id => 19001');
SELECT pg_temp.move('19001, ''2026-03-06 12:00Z'', service_id => 19005'), pg_temp.move('19001, ''2026-03-06 10:00Z'', service_id => 19005');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Every reason
-- ---------------------------------------------------------------------------

INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19010, 19001, 19001, '2026-03-03 11:00Z', '2026-03-03 11:30Z');
SELECT v.n, v.arguments, pg_temp.move(v.arguments) FROM (VALUES
	(1, 'NULL, ''2026-03-03 12:00Z'''), (2, '19001, NULL'), (3, '19001, ''infinity'''), (4, '19001, ''-infinity'''),
	(5, '19001, ''2026-03-03 12:00Z'', overrides => ''{overlap}'''), (6, '19001, ''2026-03-03 12:00Z'', overrides => ''{NULL}'''),
	(7, '19001, ''2026-03-03 12:00Z'', overrides => ''{}'''),
	(8, '19999, ''2026-03-03 12:00Z'''), (9, '19001, ''2026-03-03 12:00Z'', 19999'), (10, '19001, ''2026-03-03 12:00Z'', NULL, 19999'),
	(11, '19001, ''2026-03-03 12:00Z'', 19003'), (12, '19001, ''2026-03-03 12:00Z'', 19004'), (13, '19001, ''2026-03-03 12:00Z'', 19002, 19002'),
	(14, '19001, ''2026-03-03 12:00Z'', NULL, 19007'), (15, '19001, ''2026-03-03 12:00Z'', 19005'),
	(16, '19001, ''2026-03-02 08:45Z'''), (17, '19001, ''2026-03-02 09:00Z'''), (18, '19001, ''2026-04-01 16:30Z'''), (19, '19001, ''2026-04-02 09:00Z'''),
	(20, '19001, ''2026-03-03 16:45Z'''), (21, '19001, ''2026-03-03 12:05Z'''), (22, '19001, ''2026-03-03 11:15Z'''),
	(23, '19001, ''2026-03-03 11:20Z'''), (24, '19001, ''294276-12-31 23:59:59Z'''), (25, '19001, ''4713-01-01 00:00 BC'''),
	(26, '19001, ''2026-03-03 16:30Z'', NULL, 19003')
) v (n, arguments) ORDER BY n;
SELECT test.error('SELECT booking.reschedule_appointment(19001, ''2026-03-03 11:15Z'')');
SELECT test.error('SELECT booking.reschedule_appointment(19999, ''2026-03-03 11:15Z'')');
-- An overlap is an exclusion violation of the table, as a booking's is.
DO $$
DECLARE
	s text; t text; c text;
BEGIN
	PERFORM booking.reschedule_appointment(19001, '2026-03-03 11:15Z');
EXCEPTION WHEN exclusion_violation THEN
	GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = CONSTRAINT_NAME;
	RAISE WARNING '% % %', s, t, c;
END
$$;
-- To another shop, with a service of its own, under its own rules.
SELECT barber_id, service_id, starts_at, price_cents FROM booking.reschedule_appointment(19001, '2026-03-02 12:00Z', 19005, 19007);
ROLLBACK TO s;

-- Staff may break the rules, each by its name; what was broken is kept, until a move that breaks none.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19010, 19001, 19001, '2026-03-03 11:00Z', '2026-03-03 11:30Z');
SELECT v.start, v.overrides, pg_temp.move(format('19001, ''%s'', overrides => %L', v.start, v.overrides)),
	(SELECT becomes FROM pg_temp.changes(19001, format('DO $do$ BEGIN PERFORM booking.reschedule_appointment(19001, %L, overrides => %L); EXCEPTION WHEN OTHERS THEN NULL; END $do$',
		v.start, v.overrides)) WHERE what = 'overrides') AS kept
FROM (VALUES ('2026-03-03 20:07Z', '{hours}'), ('2026-03-03 20:07Z', '{grid,notice,horizon}'), ('2026-03-03 12:07Z', '{grid}'),
	('2026-03-03 12:07Z', '{hours,notice,horizon}'), ('2026-03-02 08:30Z', '{notice,hours}'), ('2026-03-02 09:00Z', '{notice}'), ('2026-04-02 09:00Z', '{horizon,grid}'),
	('2026-04-02 09:00Z', '{hours,grid,notice}'), ('2026-03-03 11:15Z', '{hours,notice,grid,horizon,limits,window}')) v (start, overrides);
SELECT starts_at FROM booking.reschedule_appointment(19001, '2026-03-03 20:07Z', overrides => '{hours}');
SELECT starts_at FROM booking.reschedule_appointment(19001, '2026-03-03 12:00Z');
SELECT overrides FROM booking.appointments WHERE id = 19001;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Limits
-- ---------------------------------------------------------------------------

-- A barber's day that is full takes nobody from another day; whoever is of it may move within it.
UPDATE booking.barbers SET max_per_day = 2 WHERE id = 19001;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19010, 19001, 19001, '2026-03-03 11:00Z', '2026-03-03 11:30Z'),
	(19011, 19001, 19001, '2026-03-04 11:00Z', '2026-03-04 11:30Z'), (19012, 19002, 19001, '2026-03-03 11:00Z', '2026-03-03 11:30Z');
SELECT v.arguments, pg_temp.move(v.arguments) FROM (VALUES ('19001, ''2026-03-03 12:00Z'''), ('19001, ''2026-03-03 12:00Z'', 19001, 19003'),
	('19011, ''2026-03-03 12:00Z'''), ('19012, ''2026-03-03 12:00Z'', 19001'), ('19012, ''2026-03-04 12:00Z'', 19001'),
	('19011, ''2026-03-03 12:00Z'', overrides => ''{limits}'''), ('19010, ''2026-03-04 12:00Z''')) v (arguments);
SELECT v.id, v.day, count(s.*) > 0 AS offered FROM (VALUES (19001, date '2026-03-03'), (19011, '2026-03-03'), (19012, '2026-03-03'), (19012, '2026-03-04')) v (id, day)
LEFT JOIN booking.available_slots(19001, v.day, NULL, 19001, v.id) s ON true GROUP BY 1, 2 ORDER BY 1, 2;
-- So may one of a day that is more than full.
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 19001;
SELECT pg_temp.move('19001, ''2026-03-03 12:00Z'''), pg_temp.starts(19001, 19001, 19001, '2026-03-03') AS for_it, pg_temp.starts(19001, 19001, 19011, '2026-03-03') AS for_another;
ROLLBACK TO s;

-- A customer's number of appointments stays what it is; another shop has a number of its own.
UPDATE booking.shops SET max_active_per_user = 1 WHERE id IN (19001, 19002);
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (19010, 19001, 19001, 19001, '2026-03-03 11:00Z', '2026-03-03 11:30Z');
SELECT pg_temp.move('19001, ''2026-03-05 12:00Z''');
SELECT starts_at FROM booking.reschedule_appointment(19010, '2026-03-05 12:00Z', 19005, 19007);
SELECT pg_temp.move('19001, ''2026-03-05 14:00Z'', 19005, 19007');
SELECT pg_temp.move('19001, ''2026-03-05 14:00Z'', 19005, 19007, overrides => ''{limits}''');
ROLLBACK TO s;

-- Where customers cannot be in two places: not where they are with somebody else, but where the appointment itself was, in all its parts.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 19001;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (19010, 19005, 19007, 19001, '2026-03-03 12:00Z', '2026-03-03 12:30Z');
SELECT v.start, pg_temp.move(format('19001, ''2026-03-03 %s:00Z''', v.start)) FROM unnest(ARRAY['10:15', '11:30', '11:45', '12:15', '12:30']) v (start);
SELECT pg_temp.move('19001, ''2026-03-03 12:00Z'', overrides => ''{limits}''');
SELECT ends_at FROM booking.reschedule_appointment(19001, '2026-03-03 10:00Z', service_id => 19003);
SELECT v.start, pg_temp.move(format('19001, ''2026-03-03 %s:00Z''', v.start)) FROM unnest(ARRAY['10:15', '10:30', '10:45', '11:30', '12:30']) v (start);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Visits
-- ---------------------------------------------------------------------------

-- An item of a visit can move by itself, and stays of the visit; to the time of another one if it is for somebody else.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 19001;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, visit_id) VALUES
	(19040, 19001, 19001, 19001, '2026-03-05 11:00Z', '2026-03-05 11:30Z', 19040), (19041, 19002, 19001, 19001, '2026-03-05 11:30Z', '2026-03-05 12:15Z', 19040);
SELECT pg_temp.move('19041, ''2026-03-05 11:00Z'', whole_visit => false');
UPDATE booking.appointments SET guest_name = 'Kid' WHERE id = 19041;
SELECT id, starts_at, visit_id, version FROM booking.reschedule_appointment(19041, '2026-03-05 11:00Z', whole_visit => false);
SELECT id, starts_at, visit_id, version FROM booking.reschedule_appointment(19040, '2026-03-05 13:00Z', service_id => 19004, whole_visit => false);
SELECT id, starts_at, visit_id, version FROM booking.appointments WHERE visit_id = 19040 AND part_of IS NULL ORDER BY id;
SELECT part_of, starts_at, visit_id, version FROM booking.appointments WHERE visit_id = 19040 AND part_of IS NOT NULL ORDER BY starts_at;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- What is offered is what can be had
-- ---------------------------------------------------------------------------

-- Over a day, every five minutes and wherever something is offered: for whom does available_slots offer what reschedule_appointment refuses, or the other way round?
CREATE FUNCTION pg_temp.compare(appointment bigint, service bigint, barber bigint, day date)
RETURNS TABLE (offered bigint, only_offered text, only_taken text) LANGUAGE plpgsql AS $$
DECLARE
	offers timestamptz[] := ARRAY(SELECT s.starts_at FROM booking.available_slots(service, day, NULL, barber, appointment) s);
	taken timestamptz[];
BEGIN
	taken := ARRAY(
		SELECT t FROM (SELECT generate_series(day + time '08:30', day + time '17:30', interval '5 minutes')::timestamptz UNION SELECT unnest(offers)) v (t)
		WHERE pg_temp.move(format('%s, %L, %s, %s', appointment, t, barber, service)) = 'OK000 no error');
	RETURN QUERY SELECT cardinality(offers)::bigint,
		(SELECT string_agg(to_char(t, 'HH24:MI'), ' ') FROM unnest(offers) t WHERE t <> ALL (taken)),
		(SELECT string_agg(to_char(t, 'HH24:MI'), ' ') FROM unnest(taken) t WHERE t <> ALL (offers));
END
$$;
-- A day of Ann's: a cut, a colour, a wave with a cut in its gap, two of a class, a hold; Bob has a perm.  At 08:20 the notice rules out what begins before 09:20.
SET booking.now = '2026-03-10 08:20Z';
UPDATE booking.shops SET cancellation_window_minutes = 0 WHERE id = 19001;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until, status, hold_expires_at, part_of) VALUES
	(19050, 19001, 19001, '2026-03-10 09:35Z', '2026-03-10 10:00Z', NULL, NULL, 'confirmed', NULL, NULL),
	(19051, 19001, 19002, '2026-03-10 10:15Z', '2026-03-10 11:15Z', '2026-03-10 10:05Z', '2026-03-10 11:20Z', 'confirmed', NULL, NULL),
	(19052, 19001, 19004, '2026-03-10 11:30Z', '2026-03-10 11:45Z', NULL, NULL, 'confirmed', NULL, NULL),
	(19053, 19001, 19004, '2026-03-10 12:00Z', '2026-03-10 12:15Z', NULL, NULL, 'confirmed', NULL, 19052),
	(19054, 19001, 19004, '2026-03-10 12:30Z', '2026-03-10 12:45Z', NULL, NULL, 'confirmed', NULL, 19052),
	(19055, 19001, 19001, '2026-03-10 11:45Z', '2026-03-10 12:00Z', NULL, NULL, 'confirmed', NULL, NULL),
	(19056, 19001, 19005, '2026-03-10 13:10Z', '2026-03-10 14:10Z', NULL, NULL, 'confirmed', NULL, NULL),
	(19057, 19001, 19005, '2026-03-10 13:10Z', '2026-03-10 14:10Z', NULL, NULL, 'confirmed', NULL, NULL),
	(19058, 19001, 19001, '2026-03-10 15:05Z', '2026-03-10 15:35Z', NULL, NULL, 'pending', '2026-03-10 08:30Z', NULL),
	(19059, 19002, 19003, '2026-03-10 11:00Z', '2026-03-10 11:30Z', NULL, NULL, 'confirmed', NULL, NULL),
	(19060, 19002, 19003, '2026-03-10 12:00Z', '2026-03-10 12:30Z', NULL, '2026-03-10 12:45Z', 'confirmed', NULL, 19059);
CREATE FUNCTION pg_temp.compare_all(day date)
RETURNS TABLE (appointment bigint, offered text, differences text) LANGUAGE sql AS $$
SELECT a.id, string_agg(o.barber_id % 10 || '.' || o.service_id % 10 || ': ' || c.offered, ', ' ORDER BY o.barber_id, o.service_id),
	string_agg(o.barber_id || ' ' || o.service_id || ' offered: ' || coalesce(c.only_offered, '') || ' taken: ' || coalesce(c.only_taken, ''), '; ')
		FILTER (WHERE c.only_offered IS NOT NULL OR c.only_taken IS NOT NULL)
FROM booking.appointments a, booking.barber_services o, pg_temp.compare(a.id, o.service_id, o.barber_id, day) c
WHERE a.id IN (19050, 19051, 19052, 19053, 19055, 19056, 19058, 19060) AND o.barber_id IN (19001, 19002) GROUP BY 1 ORDER BY 1
$$;
-- For each: what Ann (1) and Bob (2) offer of each service (1 to 6), how many starts; and no difference.
SELECT * FROM pg_temp.compare_all('2026-03-10');
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 19001;
SELECT * FROM pg_temp.compare_all('2026-03-10');
-- By the clock, twenty minutes apart, on the last day of the horizon, with time off, when Bob's day is full and Ann's more than full.
UPDATE booking.shops SET slot_anchor = 'clock', slot_interval_minutes = 20, max_advance_days = 0 WHERE id = 19001;
UPDATE booking.barbers SET max_per_day = 1 WHERE id IN (19001, 19002);
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (19001, '2026-03-10 14:50Z', '2026-03-10 15:35Z');
SELECT * FROM pg_temp.compare_all('2026-03-10');
-- For whom nobody is named, all are offered; a part stands for the whole.
SELECT count(*), (SELECT array_agg(s) FROM booking.available_slots(19003, '2026-03-10', NULL, NULL, 19059) s) =
	array_agg(s) AS same FROM booking.available_slots(19003, '2026-03-10', for_appointment_id => 19060) s;
ROLLBACK TO s;
SET booking.now = '2026-03-02 08:00Z';

-- ---------------------------------------------------------------------------
-- Triggers of the user's
-- ---------------------------------------------------------------------------

-- One that keeps a row as it is must not pass for a move: of the first part, of another, of one that is to be given up.
SELECT service_id FROM booking.reschedule_appointment(19001, '2026-03-03 10:00Z', service_id => 19003);
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SAVEPOINT t;
CREATE TRIGGER keep BEFORE UPDATE ON booking.appointments FOR EACH ROW WHEN (OLD.part_of IS NULL) EXECUTE FUNCTION pg_temp.keep();
SELECT test.error('SELECT booking.reschedule_appointment(19001, ''2026-03-03 11:00Z'')');
ROLLBACK TO t;
CREATE TRIGGER keep BEFORE UPDATE ON booking.appointments FOR EACH ROW WHEN (OLD.part_of IS NOT NULL) EXECUTE FUNCTION pg_temp.keep();
SELECT pg_temp.move('19001, ''2026-03-03 11:00Z'''), pg_temp.move('19001, ''2026-03-03 11:00Z'', service_id => 19001');
ROLLBACK TO t;
-- One that moves it elsewhere: the guard judges the row that will be stored, and the answer is that row.
CREATE FUNCTION pg_temp.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.starts_at := '2026-03-04 15:00Z'; NEW.ends_at := '2026-03-04 15:30Z';
	NEW.busy_from := NEW.starts_at; NEW.busy_until := NEW.ends_at;
	RETURN NEW;
END
$$;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19010, 19001, 19001, '2026-03-05 10:00Z', '2026-03-05 10:30Z');
CREATE TRIGGER later BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.later();
SELECT starts_at, ends_at FROM booking.reschedule_appointment(19010, '2026-03-05 12:00Z');
DROP TRIGGER later ON booking.appointments;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19011, 19001, 19001, '2026-03-05 10:00Z', '2026-03-05 10:30Z');
CREATE TRIGGER later BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.later();
SELECT pg_temp.move('19011, ''2026-03-05 12:00Z''');
ROLLBACK TO s;

SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;

-- In a read-only transaction nothing can be written.
BEGIN READ ONLY;
SELECT test.brief('SELECT booking.reschedule_appointment(1, ''2026-03-03 10:00Z'')');
ROLLBACK;
