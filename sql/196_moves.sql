--
-- What an appointment takes along when it is moved, where it is offered to go, and
-- to whom that is told; and what a raw UPDATE of its time moves.  If this breaks, a
-- customer to whom staff gave an hour gets half of it, or is shown times that cannot
-- be had; or anybody can find out by difference when somebody's appointment is.
--
-- Open every day 09:00 to 13:00, half an hour apart.  It is Monday 2026-03-02, eight o'clock.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 08:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, cancellation_window_minutes) VALUES (19601, 'Moves', 30, 0), (19602, 'Elsewhere', 30, 0);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (19601, 19601, 'Ann'), (19602, 19601, 'Bob'), (19603, 19602, 'Eve');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '13:00' FROM generate_series(19601, 19603) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes, capacity, price_cents) VALUES
	(19601, 19601, 'Cut', 30, 0, 0, 1, 3000), (19602, 19601, 'Colour', 60, 10, 5, 1, 9000), (19603, 19601, 'Perm', 5, 0, 0, 1, 7000),
	(19604, 19601, 'Class', 60, 0, 0, 3, 500), (19605, 19602, 'Shave', 30, 0, 0, 1, 1000);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (19603, 1, 30, 30), (19603, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes, price_cents)
SELECT 19601, s, NULL::int, NULL::bigint FROM generate_series(19601, 19604) s
UNION ALL VALUES (19602, 19601, 45, 4000), (19602, 19602, NULL, NULL), (19603, 19605, NULL, NULL);
INSERT INTO booking.users (id, email) VALUES (19601, 'u19601@example.org'), (19602, 'u19602@example.org');

CREATE FUNCTION pg_temp.at(clock time, day int DEFAULT 3) RETURNS timestamptz LANGUAGE sql AS $$
SELECT (format('2026-03-0%s ', day) || clock || 'Z')::timestamptz
$$;
-- When an appointment is offered to begin, and when it would end.
CREATE FUNCTION pg_temp.offered(appointment bigint, service bigint DEFAULT 19601, barber bigint DEFAULT 19601, overrides text[] DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
SELECT coalesce(string_agg(to_char(starts_at, 'HH24:MI') || '-' || to_char(ends_at, 'HH24:MI'), ' ' ORDER BY starts_at), '-')
FROM booking.available_slots(service, '2026-03-03', NULL, barber, appointment, overrides)
$$;
-- When it can be had, every five minutes; each move is undone.
CREATE FUNCTION pg_temp.had(appointment bigint, service bigint DEFAULT 19601, barber bigint DEFAULT 19601, overrides text[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	answer text := '';
	moved booking.appointment;
	ends time;
BEGIN
	FOR n IN 0 .. 71 LOOP
		BEGIN
			moved := booking.reschedule_appointment(appointment, pg_temp.at('08:00') + n * interval '5 min', barber, service, NULL, overrides);
			ends := (SELECT max(ends_at)::time FROM booking.appointments a WHERE moved.id IN (a.id, a.part_of) AND a.status = moved.status);
			answer := concat_ws(' ', nullif(answer, ''), to_char(moved.starts_at, 'HH24:MI') || '-' || to_char(ends, 'HH24:MI'));
			RAISE SQLSTATE 'RB000';
		EXCEPTION WHEN SQLSTATE 'RB000' OR SQLSTATE '23P01' OR SQLSTATE 'SL001' OR SQLSTATE 'SL004' OR SQLSTATE 'SL006' OR SQLSTATE 'SL012' THEN NULL;
		END;
	END LOOP;
	RETURN coalesce(nullif(answer, ''), '-');
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;
-- An appointment and its parts, as they are now.
CREATE FUNCTION pg_temp.rows(head bigint) RETURNS TABLE (part bigint, barber bigint, service bigint, busy_from time, starts time, ends time, busy_until time,
	status text, price bigint, version int) LANGUAGE sql AS $$
SELECT row_number() OVER (ORDER BY a.part_of NULLS FIRST, a.starts_at), a.barber_id, a.service_id, a.busy_from::time, a.starts_at::time, a.ends_at::time,
	a.busy_until::time, a.status, a.price_cents, a.version
FROM booking.appointments a WHERE head IN (a.id, a.part_of) ORDER BY 1
$$;
CREATE FUNCTION pg_temp.move(arguments text) RETURNS text LANGUAGE sql AS $$
SELECT test.brief('SELECT booking.reschedule_appointment(' || arguments || ')')
$$;
SAVEPOINT s;

-- ---------------------------------------------------------------------------
-- Its own length, buffers and parts
-- ---------------------------------------------------------------------------

-- A cut that staff gave an hour; from 10:30 to 11:00 is somebody else's.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, price_cents) VALUES
	(19601, 19601, 19601, 19601, pg_temp.at('09:00'), pg_temp.at('10:00'), 2500), (19602, 19601, 19601, 19602, pg_temp.at('10:30'), pg_temp.at('11:00'), 3000);
SELECT pg_temp.offered(19601) AS offered, pg_temp.offered(19601) = pg_temp.had(19601) AS had;
SELECT starts_at, ends_at, price_cents FROM booking.reschedule_appointment(19601, pg_temp.at('11:00'));
SELECT * FROM pg_temp.rows(19601);
SELECT pg_temp.move('19601, pg_temp.at(''12:30'')');
-- With Bob, who takes 45 minutes, it keeps its hour; a plain one becomes one of 45 minutes.  The price is Bob's.
SELECT pg_temp.offered(19601, barber => 19602) AS offered, pg_temp.offered(19601, barber => 19602) = pg_temp.had(19601, barber => 19602) AS had;
SELECT pg_temp.offered(19602, barber => 19602) AS offered, pg_temp.offered(19602, barber => 19602) = pg_temp.had(19602, barber => 19602) AS had;
SELECT ends_at, price_cents FROM booking.reschedule_appointment(19601, pg_temp.at('09:00'), 19602);
SELECT ends_at, price_cents FROM booking.reschedule_appointment(19602, pg_temp.at('10:00'), 19602);
-- What is Bob's usual goes back to Ann as hers; what is nobody's usual stays.
SELECT ends_at FROM booking.reschedule_appointment(19602, pg_temp.at('10:00'), 19601);
SELECT ends_at FROM booking.reschedule_appointment(19601, pg_temp.at('12:00'), 19601);
-- Another service has its own time.
SELECT pg_temp.offered(19601, 19602) AS offered, pg_temp.offered(19601, 19602) = pg_temp.had(19601, 19602) AS had;
SELECT ends_at, price_cents FROM booking.reschedule_appointment(19601, pg_temp.at('11:30'), service_id => 19602);
SELECT * FROM pg_temp.rows(19601);
ROLLBACK TO s;

-- So it has where its new busy time begins just when its old one did.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (19601, 19601, 19601, 19601, pg_temp.at('10:00'), pg_temp.at('10:30'));
SELECT starts_at FROM booking.reschedule_appointment(19601, pg_temp.at('10:10'), service_id => 19602, overrides => '{grid}');
SELECT * FROM pg_temp.rows(19601);
ROLLBACK TO s;

-- A shorter one, too; and its usual time is what its barber takes now, whoever offers it still.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(19601, 19601, 19601, 19601, pg_temp.at('09:00'), pg_temp.at('09:15')), (19602, 19601, 19601, 19602, pg_temp.at('10:30'), pg_temp.at('11:00'));
SELECT pg_temp.offered(19601) AS offered, pg_temp.offered(19601) = pg_temp.had(19601) AS had;
DELETE FROM booking.barber_services WHERE barber_id = 19601 AND service_id = 19601;
UPDATE booking.barbers SET is_active = false WHERE id = 19601;
SELECT id, ends_at FROM unnest(ARRAY[19601, 19602]) a, booking.reschedule_appointment(a, pg_temp.at('09:00') + (a - 19601) * interval '1 hour', 19602) ORDER BY 1;
ROLLBACK TO s;

-- Its own buffers: half an hour before, none after, where a colour has ten and five minutes.  Ann is busy until 10:30.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until) VALUES
	(19601, 19601, 19602, 19601, pg_temp.at('12:00'), pg_temp.at('13:00'), pg_temp.at('11:30'), pg_temp.at('13:00')),
	(19602, 19601, 19601, 19602, pg_temp.at('10:00'), pg_temp.at('10:30'), pg_temp.at('09:50'), pg_temp.at('10:30'));
SELECT pg_temp.offered(19601, 19602) AS offered, pg_temp.offered(19601, 19602) = pg_temp.had(19601, 19602) AS had;
SELECT starts_at FROM booking.reschedule_appointment(19601, pg_temp.at('11:30'));
SELECT * FROM pg_temp.rows(19601);
SELECT starts_at FROM booking.reschedule_appointment(19601, pg_temp.at('11:30'), 19602);
SELECT * FROM pg_temp.rows(19601);
ROLLBACK TO s;

-- Its own parts: a perm whose second part is longer, and has a buffer of its own; the service has been given a third step since.
SELECT id AS perm FROM booking.book_slot(19601, 19603, 19601, pg_temp.at('09:00')) \gset
UPDATE booking.appointments SET ends_at = pg_temp.at('11:00'), busy_from = pg_temp.at('09:50'), price_cents = 100 WHERE part_of = :perm;
UPDATE booking.service_steps SET gap_minutes = 10 WHERE service_id = 19603 AND position = 2;
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (19603, 3, 10, 0);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19602, 19601, 19601, pg_temp.at('11:30'), pg_temp.at('11:50'));
SELECT pg_temp.offered(:perm, 19603) AS offered, pg_temp.offered(:perm, 19603) = pg_temp.had(:perm, 19603) AS had;
SELECT starts_at FROM booking.reschedule_appointment(:perm, pg_temp.at('11:00'));
SELECT * FROM pg_temp.rows(:perm);
ROLLBACK TO s;

-- A class of two hours shares its time with another of two hours, not with those of one.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(19601, 19601, 19604, 19601, pg_temp.at('09:00'), pg_temp.at('11:00')), (19602, 19602, 19604, 19601, pg_temp.at('09:00'), pg_temp.at('11:00')),
	(19603, 19601, 19604, 19602, pg_temp.at('11:00'), pg_temp.at('12:00')), (19604, 19601, 19604, 19602, pg_temp.at('12:00'), pg_temp.at('13:00'));
SELECT pg_temp.offered(19601, 19604) AS offered, pg_temp.offered(19601, 19604) = pg_temp.had(19601, 19604) AS had;
SELECT pg_temp.offered(19602, 19604) AS offered, pg_temp.offered(19602, 19604) = pg_temp.had(19602, 19604) AS had;
SELECT starts_at, seats_left FROM booking.available_slots(19604, '2026-03-03', NULL, 19601, 19602);
ROLLBACK TO s;

-- By the packed grid the gaps are those that it leaves for its own length.
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 19601;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_until) VALUES
	(19601, 19601, 19601, 19601, pg_temp.at('12:00'), pg_temp.at('12:50'), pg_temp.at('13:00')), (19602, 19601, 19601, 19602, pg_temp.at('10:20'), pg_temp.at('10:50'), NULL);
SELECT pg_temp.offered(19601) AS offered, pg_temp.offered(19601) = pg_temp.had(19601) AS had;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Limits
-- ---------------------------------------------------------------------------

-- Where customers cannot be in two places, an hour's cut is not offered where they are elsewhere within that hour.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 19601;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(19601, 19601, 19601, 19601, pg_temp.at('09:00'), pg_temp.at('10:00')), (19602, 19603, 19605, 19601, pg_temp.at('11:00'), pg_temp.at('11:30'));
SELECT pg_temp.offered(19601) AS offered, pg_temp.offered(19601) = pg_temp.had(19601) AS had;
-- Nor once that is only held, until the hold runs out; another customer's, or a cancelled one, is in no way.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 19602;
SELECT id AS hold FROM booking.hold_slot(19603, 19605, 19601, pg_temp.at('10:00'), '10 minutes') \gset
SELECT pg_temp.offered(19601) AS offered, pg_temp.offered(19601) = pg_temp.had(19601) AS had;
SET booking.now = '2026-03-02 08:10Z';
SELECT pg_temp.offered(19601) AS offered, pg_temp.offered(19601) = pg_temp.had(19601) AS had;
SET booking.now = '2026-03-02 08:00Z';
ROLLBACK TO s;
-- Another shop may allow no more of this customer's; in its own it makes them no more.
UPDATE booking.shops SET max_active_per_user = 1 WHERE id IN (19601, 19602);
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (19601, 19601, 19601, 19601, pg_temp.at('09:00'), pg_temp.at('09:30'));
SELECT pg_temp.offered(19601, 19605, 19603) AS offered, pg_temp.offered(19601, 19605, 19603) = pg_temp.had(19601, 19605, 19603) AS had;
SELECT status FROM booking.book_slot(19603, 19605, 19601, pg_temp.at('12:00'));
SELECT pg_temp.offered(19601, 19605, 19603) AS offered, pg_temp.had(19601, 19605, 19603) AS had;
SELECT pg_temp.offered(19601) = pg_temp.had(19601) AS had, pg_temp.offered(19601) <> '-' AS some;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Holds
-- ---------------------------------------------------------------------------

-- A hold ends at its new start at the latest, in all its parts, and gets no time back when it moves on.
SELECT id AS hold FROM booking.hold_slot(19601, 19603, 19601, pg_temp.at('09:00', 4), '2 days') \gset
SELECT starts_at, hold_expires_at FROM booking.reschedule_appointment(:hold, pg_temp.at('11:00'));
SELECT starts_at, hold_expires_at FROM booking.appointments WHERE part_of = :hold;
SELECT starts_at, hold_expires_at FROM booking.reschedule_appointment(:hold, pg_temp.at('09:00'), service_id => 19601);
SELECT starts_at, hold_expires_at FROM booking.reschedule_appointment(:hold, pg_temp.at('09:00', 5), service_id => 19603);
SELECT starts_at, hold_expires_at FROM booking.appointments WHERE part_of = :hold AND status = 'pending' ORDER BY 1;
SET booking.now = '2026-03-03 09:00Z';
SELECT pg_temp.move(format('%s, pg_temp.at(''10:00'', 5)', :hold)), pg_temp.offered(:hold, 19603), pg_temp.offered(:hold, 19603, overrides => '{window}');
SET booking.now = '2026-03-02 08:00Z';
-- Staff may let it begin in the past; then it keeps its deadline.
SELECT id AS hold FROM booking.hold_slot(19601, 19601, 19601, pg_temp.at('12:00'), '10 minutes') \gset
SELECT starts_at, hold_expires_at FROM booking.reschedule_appointment(:hold, pg_temp.at('07:30', 2), overrides => '{notice,hours}');
-- What has no deadline gets none.
UPDATE booking.services SET requires_confirmation = true WHERE id = 19601;
SELECT id AS request FROM booking.book_slot(19601, 19601, 19601, pg_temp.at('09:30')) \gset
SELECT status, hold_expires_at FROM booking.reschedule_appointment(:request, pg_temp.at('10:00'));
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- What is offered can be had
-- ---------------------------------------------------------------------------

-- Nothing for what cannot be moved: by its status, or as a hold that ran out.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 19610 + n, 19601, 19601, pg_temp.at('09:00') + n * interval '10 minutes', pg_temp.at('09:10') + n * interval '10 minutes', status, expires
FROM (VALUES (1, 'pending', NULL::timestamptz), (2, 'pending', '2026-03-02 08:10Z'), (3, 'pending', '2026-03-02 08:00Z'), (4, 'confirmed', NULL),
	(5, 'checked_in', NULL), (6, 'completed', NULL), (7, 'cancelled', NULL), (8, 'no_show', NULL), (9, 'expired', NULL)) v (n, status, expires);
SELECT a.status, a.hold_expires_at::time AS hold, pg_temp.offered(a.id) AS offered, pg_temp.offered(a.id, overrides => '{window}') = pg_temp.offered(a.id) AS with_override,
	pg_temp.had(a.id) AS had
FROM booking.appointments a WHERE id BETWEEN 19611 AND 19619 ORDER BY id;
ROLLBACK TO s;

-- Nothing past the cancellation window, but for holds, which promise nothing, and for staff who override it.
UPDATE booking.shops SET cancellation_window_minutes = 120 WHERE id = 19601;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(19601, 19601, 19601, 19601, pg_temp.at('12:00', 2), pg_temp.at('12:30', 2)), (19602, 19601, 19601, 19601, pg_temp.at('09:00'), pg_temp.at('12:00'));
SET booking.now = '2026-03-02 10:00Z';
SELECT pg_temp.offered(19601) AS in_time;
SET booking.now = '2026-03-02 10:00:01Z';
SELECT pg_temp.offered(19601) AS late, pg_temp.had(19601) AS had, pg_temp.offered(19601, overrides => '{window}') AS staff, pg_temp.had(19601, overrides => '{window}') AS staff_had;
-- So it is when it has begun, and when it is over.
SET booking.now = '2026-03-02 12:10Z';
SELECT pg_temp.offered(19601) AS late, pg_temp.offered(19601, overrides => '{window}') AS staff, pg_temp.had(19601, overrides => '{window}') AS staff_had;
SET booking.now = '2026-03-02 20:00Z';
SELECT pg_temp.offered(19601) AS late, pg_temp.offered(19601, overrides => '{window}') AS staff, pg_temp.had(19601, overrides => '{window}') AS staff_had;
SET booking.now = '2026-03-02 08:00Z';
-- The override is of the window, for an appointment, and nothing else.
SELECT v.arguments, test.error('SELECT * FROM booking.available_slots(19601, ''2026-03-03'', ' || v.arguments || ')') AS error FROM (VALUES (1, 'overrides => ''{window}'''),
	(2, 'for_appointment_id => 19601, overrides => ''{window,limits}'''), (3, 'for_appointment_id => 19601, overrides => ''{hours}'''),
	(4, 'for_appointment_id => 19601, overrides => ''{door}'''), (5, 'for_appointment_id => 19601, overrides => ''{NULL}'''),
	(6, 'for_appointment_id => 19601, overrides => ''{}'''), (7, 'overrides => ''{}'''), (8, 'for_appointment_id => 19699'),
	(9, 'for_appointment_id => 19601, overrides => ''{window}'', barber_id => 19699')) v (n, arguments) ORDER BY n;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Who may ask
-- ---------------------------------------------------------------------------

-- Times that are nobody's are everybody's to ask for; those of an appointment are for roles that may move it, and for whom it is.
CREATE ROLE regress_booking_anybody;
CREATE ROLE regress_booking_mover;
GRANT USAGE ON SCHEMA booking TO regress_booking_anybody;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_mover', 'front');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (19601, 19601, 19601, 19601, pg_temp.at('09:00'), pg_temp.at('12:30'));
CREATE FUNCTION pg_temp.asked(arguments text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT test.error('SELECT * FROM booking.available_slots(19601, ''2026-03-03'', ' || arguments || ')')
$$;
GRANT USAGE ON SCHEMA test TO regress_booking_anybody, regress_booking_mover;
SET LOCAL ROLE regress_booking_anybody;
SELECT starts_at FROM booking.available_slots(19601, '2026-03-03', barber_id => 19601);
SELECT pg_temp.asked('for_appointment_id => 19601');
SELECT pg_temp.asked('for_appointment_id => 19699');
SET LOCAL ROLE regress_booking_mover;
SELECT count(*) FROM booking.available_slots(19601, '2026-03-03', barber_id => 19601, for_appointment_id => 19601);
SELECT pg_temp.asked('for_appointment_id => 19601, overrides => ''{window}''');
SET LOCAL booking.user_id = '19601';
SELECT count(*) FROM booking.available_slots(19601, '2026-03-03', barber_id => 19601, for_appointment_id => 19601);
SET LOCAL booking.user_id = '19602';
SELECT pg_temp.asked('for_appointment_id => 19601');
RESET ROLE;
SELECT pg_temp.asked('for_appointment_id => 19601, overrides => ''{window}''');
SET LOCAL booking.user_id = '';
SET LOCAL booking.shop_id = '19602';
SELECT pg_temp.asked('for_appointment_id => 19601');
SET LOCAL booking.shop_id = '19601';
SELECT count(*) FROM booking.available_slots(19601, '2026-03-03', barber_id => 19601, for_appointment_id => 19601);
SELECT test.error('SELECT * FROM booking.available_slots(19605, ''2026-03-03'', for_appointment_id => 19601)');
SELECT pg_temp.move('19601, pg_temp.at(''09:00''), 19603, 19605');
SET LOCAL booking.shop_id = '';
-- Whatever operators the caller's search_path has.
CREATE SCHEMA regress_moves;
CREATE FUNCTION regress_moves.yes(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR regress_moves.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = regress_moves.yes);
SET LOCAL search_path = regress_moves, pg_catalog;
SELECT count(*) FROM booking.available_slots(19601, '2026-03-03', barber_id => 19601, for_appointment_id => 19601);
SELECT test.brief('SELECT booking.available_slots(19601, ''2026-03-03'', for_appointment_id => 19699)');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- A raw UPDATE
-- ---------------------------------------------------------------------------

-- Its busy time goes along, each end by itself; what the writer changes counts as given, and NULL is the appointment's own time.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until) VALUES
	(19601, 19601, 19602, 19601, pg_temp.at('10:00'), pg_temp.at('11:00'), pg_temp.at('09:50'), pg_temp.at('11:05'));
CREATE FUNCTION pg_temp.raw(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE 'UPDATE booking.appointments SET ' || change || ' WHERE id = 19601';
	answer := (SELECT concat_ws(' ', to_char(busy_from, 'HH24:MI'), to_char(starts_at, 'HH24:MI'), to_char(ends_at, 'HH24:MI'), to_char(busy_until, 'HH24:MI'))
		FROM booking.appointments WHERE id = 19601);
	RAISE SQLSTATE 'RB000';
EXCEPTION WHEN SQLSTATE 'RB000' THEN RETURN answer; WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;
SELECT v.change, pg_temp.raw(v.change) AS becomes FROM (VALUES
	(1, 'starts_at = starts_at + interval ''2 hours'', ends_at = ends_at + interval ''2 hours'''), (2, 'starts_at = starts_at - interval ''30 min'''), (3, 'ends_at = ends_at + interval ''1 hour'''),
	(4, 'ends_at = ends_at - interval ''20 min'''), (5, 'starts_at = starts_at - interval ''30 min'', busy_from = ''2026-03-03 09:00Z'''),
	(6, 'ends_at = ends_at + interval ''30 min'', busy_until = ''2026-03-03 11:30Z'''), (7, 'ends_at = ends_at + interval ''30 min'', busy_until = NULL'),
	(8, 'starts_at = starts_at - interval ''30 min'', busy_from = NULL'), (9, 'busy_from = NULL, busy_until = NULL'), (10, 'busy_until = ''2026-03-03 11:30Z'''),
	(11, 'starts_at = starts_at, ends_at = ends_at'), (12, 'notes = ''x'''), (13, 'barber_id = 19602'), (14, 'starts_at = ''infinity'''), (15, 'starts_at = NULL'),
	(16, 'ends_at = starts_at'), (17, 'ends_at = ends_at + interval ''2 days'''), (18, 'starts_at = ''4714-11-24 00:00Z BC''')) v (n, change) ORDER BY n;
-- The overlap is judged with it: a colour at 11:30 is busy from 11:20, in the way of this one's buffer after a later end.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until) VALUES
	(19602, 19601, 19602, 19602, pg_temp.at('11:30'), pg_temp.at('12:30'), pg_temp.at('11:20'), pg_temp.at('12:35'));
SELECT v.change, pg_temp.raw(v.change) AS becomes FROM (VALUES (1, 'ends_at = ''2026-03-03 11:15Z'''), (2, 'ends_at = ''2026-03-03 11:16Z'''),
	(3, 'starts_at = ''2026-03-03 12:45Z'', ends_at = ''2026-03-03 13:45Z'''), (4, 'starts_at = ''2026-03-03 12:44Z'', ends_at = ''2026-03-03 13:44Z''')) v (n, change) ORDER BY n;
-- What it gives up is free.
UPDATE booking.appointments SET starts_at = starts_at - interval '1 hour', ends_at = ends_at - interval '1 hour' WHERE id = 19601;
SELECT (booking.check_slot(19601, 19601, pg_temp.at('10:00'))).reason AS ten, (booking.check_slot(19601, 19601, pg_temp.at('10:30'))).reason AS half_past;
-- By MERGE and by INSERT ... ON CONFLICT as well.
INSERT INTO booking.appointments AS a (id, barber_id, service_id, starts_at, ends_at) VALUES (19601, 19601, 19602, pg_temp.at('09:30'), pg_temp.at('10:30'))
ON CONFLICT (id) DO UPDATE SET starts_at = EXCLUDED.starts_at, ends_at = EXCLUDED.ends_at;
SELECT busy_from, starts, ends, busy_until FROM pg_temp.rows(19601);
MERGE INTO booking.appointments a USING (VALUES (19601, interval '-15 min')) v (id, by) ON a.id = v.id
WHEN MATCHED THEN UPDATE SET starts_at = a.starts_at + v.by, ends_at = a.ends_at + v.by;
SELECT busy_from, starts, ends, busy_until FROM pg_temp.rows(19601);
ROLLBACK TO s;

-- It is about the row alone: the parts of a service with steps stay where they are, and so does the visit.
SELECT id AS perm FROM booking.book_slot(19601, 19603, 19601, pg_temp.at('09:00')) \gset
UPDATE booking.appointments SET starts_at = starts_at + interval '3 hours', ends_at = ends_at + interval '3 hours' WHERE id = :perm;
SELECT part, busy_from, starts, ends, busy_until FROM pg_temp.rows(:perm);
-- Moved by the function such a one keeps all its parts, the one before too, and they stay within the hours.
SELECT pg_temp.offered(:perm, 19603) AS offered, pg_temp.offered(:perm, 19603) = pg_temp.had(:perm, 19603) AS had;
SELECT pg_temp.move(format('%s, pg_temp.at(''10:30'')', :perm));
ROLLBACK TO s;
ROLLBACK;
