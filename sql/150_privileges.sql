--
-- Who may do what.  EXECUTE, and USAGE on the schema, are the gate; a caller
-- needs no privilege on any table, and gets none.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

CREATE ROLE regress_booking_owner;
CREATE ROLE regress_booking_front;
CREATE ROLE regress_booking_clerk;
CREATE ROLE regress_booking_nobody;
GRANT USAGE ON SCHEMA booking TO regress_booking_front, regress_booking_clerk;
GRANT EXECUTE ON FUNCTION booking.book_slot, booking.try_book_slot, booking.hold_slot, booking.book_visit, booking.book_series,
	booking.confirm_appointment, booking.decline_appointment, booking.cancel_appointment, booking.reschedule_appointment,
	booking.check_in, booking.complete_appointment, booking.mark_no_show, booking.expire_holds, booking.join_waitlist,
	booking.leave_waitlist, booking.ensure_user, booking.user_appointments, booking.get_barber_availability,
	booking.appointments_at_risk TO regress_booking_clerk;
-- The tables belong to somebody who is no superuser.
GRANT USAGE ON SCHEMA booking TO regress_booking_owner;
DO $$
DECLARE
	t name;
BEGIN
	FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE booking.%I OWNER TO regress_booking_owner', t);
	END LOOP;
END
$$;

INSERT INTO booking.shops (id, name, slot_interval_minutes, assignment) VALUES (15001, 'Privileges', 60, 'round_robin');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (15001, 15001, 'Pam');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (15001, 1, '09:00', '12:00');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (15001, 15001, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (15001, 15001);
INSERT INTO booking.users (id, email) VALUES (15001, 'u15001@example.org');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
VALUES (15001, 15001, 15001, 15001, '2026-03-02 09:00Z', '2026-03-02 10:00Z');

-- Every call, as some role: rows or the error.
CREATE FUNCTION test.calls() RETURNS TABLE (call text, answer text) LANGUAGE sql AS $$
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	(1, 'available_slots(15001, ''2026-03-02'')'), (2, 'next_slots(15001)'),
	(3, 'availability_by_day(15001, ''2026-03-02'', ''2026-03-02'')'), (4, 'free_time(15001, ''2026-03-02'')'),
	(5, 'check_slot(15001, 15001, ''2026-03-02 10:00Z'')'), (6, 'active_services(15001)'), (7, 'active_barbers(15001, 15001)'),
	(8, 'get_barber_availability(15001, ''2026-03-02'')'), (9, 'user_appointments(15001)'),
	(10, 'book_slot(15001, 15001, 15001, ''2026-03-02 10:00Z'')'), (11, 'try_book_slot(15001, 15001, 15001, ''2026-03-02 10:00Z'')'),
	(12, 'cancel_appointment(15001)'), (13, 'ensure_user(''new@example.org'')'), (14, 'setup()'), (15, 'shops'), (16, 'appointments'),
	(17, 'available_visits(ARRAY[15001], ''2026-03-02'', ''2026-03-02'')'), (18, 'appointments_at_risk(15001)'),
	(19, 'hold_slot(15001, 15001, 15001, ''2026-03-02 10:00Z'')'),
	(20, 'book_visit(15001, ARRAY[ROW(15001, 15001, ''2026-03-02 10:00Z'', NULL)]::booking.visit_item[])'),
	(21, 'book_series(15001, 15001, 15001, ''2026-03-02 10:00Z'', ''7 days'', 2)'),
	(22, 'reschedule_appointment(15001, ''2026-03-02 10:00Z'')'), (23, 'confirm_appointment(15001)'), (24, 'decline_appointment(15001)'),
	(25, 'check_in(15001)'), (26, 'complete_appointment(15001)'), (27, 'mark_no_show(15001)'), (28, 'expire_holds()'),
	(29, 'join_waitlist(15001, 15001, ''2026-03-02 09:00Z'', ''2026-03-02 10:00Z'')'), (30, 'leave_waitlist(1)'),
	(31, 'appointment_history'), (32, 'waitlist')
) v (n, call) ORDER BY n
$$;

-- ---------------------------------------------------------------------------
-- EXECUTE is the gate
-- ---------------------------------------------------------------------------

-- A front with USAGE alone: the reads that show no customer work, all else is denied.
SET LOCAL ROLE regress_booking_front;
SELECT * FROM test.calls();
-- The answers are real ones.
SELECT starts_at::time FROM booking.available_slots(15001, '2026-03-02') ORDER BY 1;
SELECT name FROM booking.active_services(15001);
SELECT name FROM booking.active_barbers(15001);
SELECT reason FROM booking.check_slot(15001, 15001, '2026-03-02 09:00Z');
RESET ROLE;

-- A clerk, who was granted the writes: he books without any privilege on a table.
SET LOCAL ROLE regress_booking_clerk;
SELECT * FROM test.calls();
SELECT starts_at, status FROM booking.book_slot(15001, 15001, booking.ensure_user('clerk@example.org'), '2026-03-02 10:00Z');
SELECT starts_at, barber_name FROM booking.user_appointments(booking.ensure_user('clerk@example.org'));
SELECT kind, count(*) FROM booking.get_barber_availability(15001, '2026-03-02') GROUP BY 1 ORDER BY 1;
SELECT status FROM booking.cancel_appointment(15001);
SELECT v.statement, test.brief(v.statement) FROM (VALUES ('INSERT INTO booking.appointments (barber_id) VALUES (1)'),
	('UPDATE booking.appointments SET notes = ''x'''), ('DELETE FROM booking.users'), ('TRUNCATE booking.time_off'),
	('SELECT nextval(''booking.appointments_id_seq'')')) v (statement);
RESET ROLE;

-- Without USAGE on the schema nothing can be named.
SET LOCAL ROLE regress_booking_nobody;
SELECT test.brief('SELECT * FROM booking.available_slots(15001, ''2026-03-02'')');
RESET ROLE;
-- REVOKE works as on any function.
SAVEPOINT s;
REVOKE EXECUTE ON FUNCTION booking.available_slots FROM PUBLIC;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief('SELECT * FROM booking.available_slots(15001, ''2026-03-02'')');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- The owner's rights, and nobody else's, behind a call
-- ---------------------------------------------------------------------------

-- A trigger of the tables runs as their owner, also when the caller is a superuser; afterwards the caller is himself again.
SAVEPOINT s;
CREATE FUNCTION test.who() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.cancel_reason := current_user;
	RETURN NEW;
END
$$;
CREATE TRIGGER who BEFORE INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.who();
ALTER TABLE booking.appointments ADD made_by text DEFAULT current_user;
SET LOCAL ROLE regress_booking_clerk;
SELECT id FROM booking.book_slot(15001, 15001, NULL, '2026-03-09 09:00Z') \gset
SELECT current_user;
RESET ROLE;
SELECT made_by, cancel_reason AS trigger_ran_as FROM booking.appointments WHERE id = :id;
SELECT id FROM booking.book_slot(15001, 15001, NULL, '2026-03-09 10:00Z') \gset
SELECT made_by, cancel_reason AS trigger_ran_as FROM booking.appointments WHERE id = :id;
SET LOCAL ROLE regress_booking_clerk;
SELECT status FROM booking.cancel_appointment(:id);
RESET ROLE;
SELECT cancel_reason AS trigger_ran_as FROM booking.appointments WHERE id = :id;
-- After an error the caller is himself as well.
CREATE FUNCTION test.fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
CREATE TRIGGER a_fail BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.fail();
SET LOCAL ROLE regress_booking_clerk;
SELECT test.brief('SELECT booking.book_slot(15001, 15001, NULL, ''2026-03-09 11:00Z'')');
SELECT current_user;
ROLLBACK TO s;

-- Row-level security on the tables does not change what a call answers or stores, once it is said for which shop.
SAVEPOINT s;
ALTER TABLE booking.appointments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE booking.users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE booking.services ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE booking.working_hours ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE booking.appointment_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE booking.waitlist ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET LOCAL ROLE regress_booking_clerk;
SET LOCAL booking.shop_id = 15001;
SELECT starts_at::time FROM booking.available_slots(15001, '2026-03-02') ORDER BY 1;
SELECT name FROM booking.active_services(15001);
SELECT starts_at, user_id FROM booking.book_slot(15001, 15001, 15001, '2026-03-09 09:00Z');
SELECT count(*) FROM booking.user_appointments(15001);
SELECT booking.ensure_user('u15001@example.org');
SELECT booking.ensure_user('rls@example.org') > 0 AS made;
SELECT reason FROM booking.try_book_slot(15001, 15001, 15001, '2026-03-09 09:00Z');
SELECT booking.join_waitlist(15001, 15001, '2026-03-09 09:00Z', '2026-03-09 10:00Z') > 0 AS joined;
SELECT status FROM booking.cancel_appointment((SELECT max(appointment_id) FROM booking.user_appointments(15001)));
SELECT starts_at FROM booking.reschedule_appointment((SELECT max(appointment_id) FROM booking.user_appointments(15001)), '2026-03-09 10:00Z');
RESET ROLE;
SELECT status, appointment_id IS NOT NULL AS served FROM booking.waitlist WHERE user_id = 15001;
SELECT h.to_values - 'cancelled_at' AS to_values, changed_by = session_user AS changed_by, db_role = session_user AS db_role
FROM booking.appointment_history h JOIN booking.appointments a ON a.id = appointment_id WHERE a.user_id = 15001 ORDER BY h.id;
ROLLBACK TO s;

-- A writer with privileges on appointments alone is guarded like any other.
GRANT SELECT, INSERT, UPDATE ON booking.appointments TO regress_booking_front;
GRANT INSERT, UPDATE, SELECT ON booking.shops TO regress_booking_front;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (15001, 15001, ''2026-03-02 10:30Z'', ''2026-03-02 11:30Z'')');
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (15010, 15001, 15001, '2026-03-02 14:00Z', '2026-03-02 15:00Z');
SELECT test.brief('UPDATE booking.appointments SET barber_id = 15001, starts_at = ''2026-03-02 10:30Z'', busy_from = NULL WHERE id = 15010');
UPDATE booking.shops SET is_active = false WHERE id = 15001;
SELECT starts_at::time FROM booking.available_slots(15001, '2026-03-02') ORDER BY 1;
SELECT test.brief('UPDATE booking.shops SET time_zone = ''Nowhere'' WHERE id = 15001');
RESET ROLE;
UPDATE booking.shops SET is_active = true WHERE id = 15001;

-- ---------------------------------------------------------------------------
-- Trigger functions
-- ---------------------------------------------------------------------------

-- They cannot be called.
SELECT f, test.brief('SELECT booking.' || f || '()')
FROM unnest(ARRAY['guard_before', 'guard_after', 'appointment_changed', 'check_steps', 'configuration_changed', 'check_time_zone']) f;
-- Nor do they serve a table that is not ours: they would read its rows as if they were appointments.
CREATE TEMP TABLE lure (id bigint, barber_id text);
GRANT ALL ON lure TO PUBLIC;
SELECT v.f, v.kind, test.brief(format('DO $d$ BEGIN CREATE TRIGGER t %s ON lure %s EXECUTE FUNCTION booking.%s(); INSERT INTO lure VALUES (1); END $d$',
	v.kind, v.level, v.f)) FROM (VALUES
	('guard_before', 'BEFORE INSERT', 'FOR EACH ROW'), ('guard_after', 'AFTER INSERT', 'FOR EACH ROW'),
	('appointment_changed', 'AFTER INSERT', 'FOR EACH ROW'), ('check_steps', 'AFTER INSERT', 'FOR EACH ROW'),
	('configuration_changed', 'AFTER INSERT', 'FOR EACH STATEMENT'),
	('check_time_zone', 'BEFORE INSERT', 'FOR EACH ROW')) v (f, kind, level);
-- Nor our own table in another role.
SELECT v.f, v.kind, v.level, test.brief(format('DO $d$ BEGIN CREATE TRIGGER "01" %s ON booking.%s %s EXECUTE FUNCTION booking.%s(); %s; END $d$',
	v.kind, v.rel, v.level, v.f, v.statement)) FROM (VALUES
	('guard_before', 'AFTER INSERT', 'appointments', 'FOR EACH ROW', 'PERFORM booking.book_slot(15001, 15001, NULL, ''2026-03-02 09:00Z'')'),
	('guard_before', 'BEFORE INSERT', 'appointments', 'FOR EACH STATEMENT', 'PERFORM booking.book_slot(15001, 15001, NULL, ''2026-03-02 09:00Z'')'),
	('guard_before', 'BEFORE DELETE', 'appointments', 'FOR EACH ROW', 'DELETE FROM booking.appointments'),
	('guard_after', 'BEFORE INSERT', 'appointments', 'FOR EACH ROW', 'PERFORM booking.book_slot(15001, 15001, NULL, ''2026-03-02 09:00Z'')'),
	('guard_after', 'AFTER DELETE', 'appointments', 'FOR EACH ROW', 'DELETE FROM booking.appointments'),
	('guard_before', 'BEFORE INSERT', 'users', 'FOR EACH ROW', 'PERFORM booking.ensure_user(''t@example.org'')'),
	('appointment_changed', 'AFTER INSERT', 'appointments', 'FOR EACH ROW', 'PERFORM booking.book_slot(15001, 15001, NULL, ''2026-03-02 09:00Z'')'),
	('appointment_changed', 'BEFORE DELETE', 'appointments', 'FOR EACH ROW', 'DELETE FROM booking.appointments'),
	('appointment_changed', 'AFTER DELETE', 'appointments', 'FOR EACH STATEMENT', 'DELETE FROM booking.appointments'),
	('appointment_changed', 'AFTER UPDATE', 'users', 'FOR EACH ROW', 'UPDATE booking.users SET name = ''x'''),
	('check_steps', 'BEFORE INSERT', 'service_steps', 'FOR EACH ROW', 'INSERT INTO booking.service_steps VALUES (15001, 1, 10, 0)'),
	('check_steps', 'AFTER INSERT', 'users', 'FOR EACH ROW', 'PERFORM booking.ensure_user(''t@example.org'')'),
	('check_time_zone', 'BEFORE DELETE', 'shops', 'FOR EACH ROW', 'DELETE FROM booking.shops WHERE id = 15001'),
	('check_time_zone', 'BEFORE UPDATE', 'users', 'FOR EACH ROW', 'UPDATE booking.users SET name = ''x'''),
	('configuration_changed', 'AFTER INSERT', 'users', 'FOR EACH STATEMENT', 'PERFORM booking.ensure_user(''t@example.org'')'),
	('configuration_changed', 'BEFORE UPDATE', 'shops', 'FOR EACH STATEMENT', 'UPDATE booking.shops SET name = ''x'''),
	('configuration_changed', 'BEFORE UPDATE', 'shops', 'FOR EACH ROW', 'UPDATE booking.shops SET name = ''x''')
) v (f, kind, rel, level, statement);
SELECT test.error('DO $d$ BEGIN CREATE TRIGGER t BEFORE INSERT ON lure FOR EACH ROW EXECUTE FUNCTION booking.guard_before(); INSERT INTO lure VALUES (1); END $d$');

-- ---------------------------------------------------------------------------
-- Shadows in the search_path
-- ---------------------------------------------------------------------------

-- Tables, functions, operators and types of the names that the extension's queries use, before everything else in the path.
CREATE SCHEMA test_shadow;
GRANT USAGE ON SCHEMA test_shadow TO PUBLIC;
CREATE FUNCTION test_shadow.no(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'shadow operator'; END $$;
CREATE FUNCTION test_shadow.no(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'shadow operator'; END $$;
CREATE FUNCTION test_shadow.no(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'shadow operator'; END $$;
CREATE OPERATOR test_shadow.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = test_shadow.no);
CREATE OPERATOR test_shadow.= (LEFTARG = text, RIGHTARG = text, FUNCTION = test_shadow.no);
CREATE OPERATOR test_shadow.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = test_shadow.no);
CREATE FUNCTION test_shadow.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'shadow function'; END $$;
CREATE FUNCTION test_shadow.make_interval(mins int) RETURNS interval LANGUAGE plpgsql AS $$ BEGIN RAISE 'shadow function'; END $$;
CREATE FUNCTION test_shadow.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'shadow function'; END $$;
CREATE TABLE test_shadow.appointments (id bigint);
CREATE TABLE test_shadow.shops (id bigint);
CREATE TABLE test_shadow.pg_trigger (tgrelid oid, tgname name);
CREATE TEMP TABLE users (id bigint, email text, is_active boolean);
CREATE TEMP TABLE pg_class (oid oid);
CREATE DOMAIN test_shadow.int8 AS text;
CREATE DOMAIN pg_temp.text AS int;
SET LOCAL ROLE regress_booking_clerk;
SET LOCAL search_path = test_shadow, pg_temp, pg_catalog;
SELECT starts_at::time FROM booking.available_slots(15001, '2026-03-02') ORDER BY starts_at;
SELECT starts_at FROM booking.next_slots(15001);
SELECT name, duration_minutes FROM booking.active_services(15001);
SELECT name, duration_minutes FROM booking.active_barbers(15001, 15001);
SELECT booking.ensure_user('U15001@example.org');
SELECT booking.ensure_user('shadow@example.org') > 0 AS made;
SELECT starts_at, status FROM booking.book_slot(15001, 15001, 15001, '2026-03-09 09:00Z', 'shadow') b;
SELECT status FROM booking.book_slot(15001, 15001, 15001, '2026-03-09 09:00Z', 'shadow') b;
SELECT appointment_id > 0 AS id, status FROM booking.user_appointments(15001);
SELECT appointment_id AS shadow FROM booking.user_appointments(15001) LIMIT 1 \gset
SELECT status FROM booking.cancel_appointment(:shadow, 'shadow');
SELECT barber_id FROM booking.book_slot(NULL, 15001, 15001, '2026-03-16 09:00Z');
SELECT id AS shadow, status FROM booking.hold_slot(15001, 15001, 15001, '2026-03-16 10:00Z') \gset
SELECT status FROM booking.confirm_appointment(:shadow);
SELECT starts_at FROM booking.reschedule_appointment(:shadow, '2026-03-16 11:00Z');
SELECT starts_at FROM booking.book_visit(15001, ARRAY[ROW(15001, 15001, '2026-03-23 09:00Z', NULL)]::booking.visit_item[]);
SELECT occurrence, starts_at, reason FROM booking.book_series(NULL, 15001, 15001, '2026-03-23 10:00Z', '7 days', 2);
SELECT booking.join_waitlist(15001, 15001, '2026-03-23 09:00Z', '2026-03-23 12:00Z') > 0 AS joined;
SELECT booking.expire_holds();
RESET ROLE;
SELECT booking.setup();
-- No path at all.
SET LOCAL search_path = '';
SET LOCAL ROLE regress_booking_clerk;
SELECT starts_at FROM booking.next_slots(15001);
SELECT name FROM booking.active_services(15001);
SELECT status FROM booking.book_slot(15001, 15001, 15001, '2026-03-09 10:00Z');
RESET ROLE;
RESET search_path;

-- The C functions and their SQL keep nothing in the caller's path for later calls: the same again, with the plain path.
DROP SCHEMA test_shadow CASCADE;
SELECT name, duration_minutes FROM booking.active_services(15001);
SELECT booking.ensure_user('u15001@example.org');

ROLLBACK;
