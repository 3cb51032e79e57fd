--
-- Changes that are repeated, confirmations that come late, and requests that
-- wait for the shop's word only for so long.  If this breaks, an app that
-- repeats a call after a timeout tells its customer the wrong thing, or a
-- request that nobody answers blocks the day.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 08:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, cancellation_window_minutes) VALUES (18201, 'Corner', 'UTC', 30, 0);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (18201, 18201, 'Rea');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 18201, d, '09:00', '17:00' FROM generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, requires_confirmation) VALUES (18201, 18201, 'Cut', 30, false), (18202, 18201, 'Colour', 30, true), (18203, 18201, 'Perm', 90, true);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (18203, 1, 30, 30), (18203, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (18201, 18201), (18201, 18202), (18201, 18203);
INSERT INTO booking.users (id, email) VALUES (18201, 'u18201@example.org'), (18202, 'u18202@example.org');

-- A call, made twice, the second time as one who has seen version 1; what came of it, and how often the row was written for the second.
CREATE FUNCTION test.twice(call text, appointment bigint) RETURNS TABLE (first text, second text, writes int) LANGUAGE plpgsql AS $$
DECLARE
	history bigint;
	old booking.appointments;
	changed booking.appointments;
BEGIN
	EXECUTE format('SELECT status || '' '' || version FROM booking.' || call, appointment) INTO first;
	SELECT * INTO old FROM booking.appointments WHERE id = appointment;
	SELECT count(*) INTO history FROM booking.appointment_history;
	BEGIN
		EXECUTE format('SELECT status || '' '' || version FROM booking.' || regexp_replace(call, '\)$', ', version => 1)'), appointment) INTO second;
	EXCEPTION WHEN OTHERS THEN
		second := SQLSTATE;
	END;
	SELECT * INTO changed FROM booking.appointments WHERE id = appointment;
	writes := (SELECT count(*) FROM booking.appointment_history) - history + CASE WHEN old = changed THEN 0 ELSE 100 END;
	RETURN NEXT;
END
$$;

-- ---------------------------------------------------------------------------
-- Twice
-- ---------------------------------------------------------------------------

SAVEPOINT s;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at)
SELECT 18200 + n, 18201, 18201, 18201, timestamptz '2026-03-02 08:30Z' + n * interval '30 min', timestamptz '2026-03-02 09:00Z' + n * interval '30 min',
	CASE n WHEN 1 THEN 'pending' WHEN 2 THEN 'pending' ELSE 'confirmed' END, CASE n WHEN 1 THEN timestamptz '2026-03-02 09:00Z' END
FROM generate_series(1, 7) n;
SELECT booking.join_waitlist(18202, 18201, '2026-03-02 10:00Z', '2026-03-02 10:30Z') > 0 AS waits;
SET LOCAL booking.now = '2026-03-02 08:10Z';
SELECT v.call, t.* FROM (VALUES (1, 'confirm_appointment(%s)'), (2, 'decline_appointment(%s)'), (3, 'cancel_appointment(%s)'), (4, 'cancel_appointment(%s, NULL, ''shop'')')) v (n, call),
	test.twice(v.call, 18200 + n) t ORDER BY n;
SET LOCAL booking.now = '2026-03-02 16:00Z';
SELECT v.call, t.* FROM (VALUES (5, 'check_in(%s)'), (6, 'complete_appointment(%s)'), (7, 'mark_no_show(%s)')) v (n, call), test.twice(v.call, 18200 + n) t ORDER BY n;
-- Cancelling served the one who waited, once.
SELECT user_id, status FROM booking.waitlist;
SELECT count(*) FROM booking.appointments WHERE user_id = 18202;
-- What confirms is confirmed also in the chair and afterwards; what the other side has cancelled, or nobody knows who, is not ours to have done.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 18205;
SELECT v.call, test.brief(format('SELECT booking.' || v.call)) FROM (VALUES
	(1, 'confirm_appointment(18206)'), (2, 'confirm_appointment(18207)'), (3, 'confirm_appointment(18203)'), (4, 'cancel_appointment(18203, NULL, ''shop'')'), (5, 'cancel_appointment(18204)'),
	(6, 'decline_appointment(18204)'), (7, 'decline_appointment(18203)'), (8, 'cancel_appointment(18205)'), (9, 'cancel_appointment(18205, NULL, ''shop'')'), (10, 'check_in(18206)'),
	(11, 'complete_appointment(18207)'), (12, 'mark_no_show(18206)')) v (n, call) ORDER BY n;
-- Of a service with steps any part may be named; the head is returned.
SET LOCAL booking.now = '2026-03-02 08:00Z';
SELECT id AS perm FROM booking.book_slot(18201, 18203, 18202, '2026-03-03 09:00Z') \gset
SELECT id = :perm AS head, status, version FROM booking.confirm_appointment((SELECT id FROM booking.appointments WHERE part_of = :perm));
SELECT id = :perm AS head, status, version FROM booking.confirm_appointment((SELECT id FROM booking.appointments WHERE part_of = :perm), 1);
-- Another's is not there, done or not; and the shop's doing is not a customer's.
SET LOCAL booking.user_id = '18202';
SELECT v.call, test.brief('SELECT booking.' || v.call) FROM (VALUES ('cancel_appointment(18203)'), ('cancel_appointment(18204, NULL, ''shop'')'), ('decline_appointment(18204)'), ('check_in(18205)')) v (call);
SET LOCAL booking.user_id = '';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Late
-- ---------------------------------------------------------------------------

-- A hold ends when it begins, at the latest, also where the shop or the caller wants more; unless staff let it begin in the past.
UPDATE booking.shops SET hold_minutes = 120;
SELECT to_char(starts_at, 'HH24:MI') AS starts_at, to_char(hold_expires_at, 'HH24:MI') AS until FROM (VALUES (1, interval '7 days'), (2, NULL), (3, '30 min')) v (n, for_long),
	booking.hold_slot(18201, 18201, 18201, timestamptz '2026-03-02 09:00Z' + n * interval '30 min', for_long) ORDER BY n;
SET LOCAL booking.now = '2026-03-02 12:00Z';
SELECT test.brief('SELECT booking.hold_slot(18201, 18201, 18201, ''2026-03-02 12:00Z'')');
SELECT id AS walked_in, to_char(hold_expires_at, 'HH24:MI') AS until FROM booking.hold_slot(18201, 18201, NULL, '2026-03-02 11:30Z', '10 min', overrides => '{notice}') \gset
\echo :until
-- All steps of a service end when the first begins.
SET LOCAL booking.now = '2026-03-02 12:30Z';
SELECT starts_at FROM booking.hold_slot(18201, 18203, 18201, '2026-03-02 13:00Z', '7 days');
SELECT to_char(starts_at, 'HH24:MI') AS starts_at, to_char(hold_expires_at, 'HH24:MI') AS until FROM booking.appointments WHERE service_id = 18203 ORDER BY starts_at;
-- Nothing is confirmed that has begun, unless staff say so: neither a hold that somebody made by hand, nor a request.
SET LOCAL booking.now = '2026-03-02 14:00Z';
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at) VALUES
	(18201, 18201, 18201, 18201, '2026-03-02 15:00Z', '2026-03-02 15:30Z', 'pending', '2026-03-02 18:00Z'), (18202, 18201, 18202, 18201, '2026-03-02 15:30Z', '2026-03-02 16:00Z', 'pending', NULL);
SET LOCAL booking.now = '2026-03-02 14:59:59.999999Z';
SELECT test.brief('SELECT booking.confirm_appointment(18201)');
SET LOCAL booking.now = '2026-03-02 15:00Z';
SELECT test.error('SELECT booking.confirm_appointment(18201)');
SET LOCAL booking.now = '2026-03-02 15:30Z';
SELECT test.error('SELECT booking.confirm_appointment(18202)');
SELECT test.brief('SELECT booking.confirm_appointment(18202, NULL, ''{' || v.overrides || '}'')') FROM (VALUES ('hours'), ('window'), (''), ('soon')) v (overrides);
SET LOCAL booking.user_id = '18201';
SELECT test.brief('SELECT booking.confirm_appointment(18201, NULL, ''{notice}'')');
SET LOCAL booking.user_id = '';
SELECT status FROM booking.confirm_appointment(18201, NULL, '{notice}');
SELECT status FROM booking.confirm_appointment(18202, 1, overrides => '{notice}');
-- A hold that has run out has run out, whoever says what.
SELECT test.brief('SELECT booking.confirm_appointment(' || :walked_in || ', overrides => ''{notice}'')');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- The shop's word, within a time
-- ---------------------------------------------------------------------------

SELECT test.brief('UPDATE booking.shops SET answer_within_minutes = ' || n) FROM unnest(ARRAY[0, 1, 525600, 525601]) n;
SELECT hold_expires_at FROM booking.book_slot(18201, 18202, 18201, '2026-03-02 09:00Z');
UPDATE booking.shops SET answer_within_minutes = 120;
SELECT id AS a, status, hold_expires_at FROM booking.book_slot(18201, 18202, 18201, '2026-03-02 11:00Z', 'k') \gset
\echo :status :hold_expires_at
SELECT status, hold_expires_at FROM booking.book_slot(18201, 18202, 18201, '2026-03-02 09:30Z');
SELECT status, hold_expires_at FROM booking.book_slot(18201, 18203, 18201, '2026-03-02 14:00Z');
SELECT status, hold_expires_at FROM booking.book_slot(18201, 18201, 18201, '2026-03-02 12:00Z');
SELECT id AS h, status, hold_expires_at FROM booking.hold_slot(18201, 18202, 18201, '2026-03-02 13:00Z') \gset
SELECT status, hold_expires_at FROM booking.book_slot(18201, 18202, 18202, '2026-03-02 07:30Z', overrides => '{hours,notice}');
SELECT barber_id, starts_at, is_request, hold_expires_at FROM booking.appointments WHERE barber_id = 18201 ORDER BY starts_at;
-- It stays the shop's to confirm, also when the service asks for no word any more; and the window binds its customer as before.
CREATE ROLE regress_booking_front;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_front', 'front');
GRANT USAGE ON SCHEMA test TO PUBLIC;
UPDATE booking.services SET requires_confirmation = false;
UPDATE booking.shops SET cancellation_window_minutes = 600;
SET LOCAL ROLE regress_booking_front;
SELECT v.call, test.brief(format('SELECT booking.' || v.call, :a)) FROM (VALUES ('confirm_appointment(%s)'), ('cancel_appointment(%s)')) v (call);
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :h));
RESET ROLE;
UPDATE booking.services SET requires_confirmation = true WHERE id <> 18201;
UPDATE booking.shops SET cancellation_window_minutes = 0;
-- A day board shows what waits for the shop as an appointment; it is no hold in the figures.
SELECT to_char(starts_at, 'HH24:MI') AS at, kind, service_name FROM booking.get_barber_availability(18201, '2026-03-02') WHERE appointment_id IS NOT NULL ORDER BY starts_at;
SELECT attempts, bookings, holds, holds_confirmed FROM booking.business_metrics(18201, '2026-03-02');
SELECT figure, value FROM booking.table_figures() WHERE figure ~ 'holds';
-- Moved, it keeps its deadline or ends earlier; confirmed, it has none.
SELECT status, hold_expires_at FROM booking.confirm_appointment(:a);
SELECT is_request FROM booking.appointments WHERE id = :a;
-- Unanswered, its time is free, and it is no answer to its key.
SELECT id AS late FROM booking.book_slot(18201, 18202, 18202, '2026-03-02 16:00Z', 'k') \gset
SET LOCAL booking.now = '2026-03-02 10:00Z';
SELECT test.brief('SELECT booking.confirm_appointment(' || :late || ')');
SELECT test.brief('SELECT booking.book_slot(18201, 18202, 18202, ''2026-03-02 16:00Z'', ''k'')');
SELECT reason FROM booking.try_book_slot(18201, 18201, 18201, '2026-03-02 16:00Z');
SELECT booking.expire_holds() > 0 AS expired;
SELECT status FROM booking.appointments WHERE id = :late;
SELECT attempts, bookings, holds, holds_confirmed FROM booking.business_metrics(18201, '2026-03-02');
SELECT check_name, table_name, row_id, detail FROM booking.verify(true) WHERE table_name IN ('appointments', 'shops');
ROLLBACK;
