--
-- Roles as grant_role() makes them: what each kind may do, and that it may do
-- nothing else.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

CREATE ROLE regress_booking_front;
CREATE ROLE regress_booking_staff;
CREATE ROLE regress_booking_manager;
CREATE ROLE regress_booking_monitor;
CREATE ROLE regress_booking_nobody;
CREATE ROLE "regress_booking O'Hara; DROP TABLE booking.users; --";

INSERT INTO booking.shops (id, name, slot_interval_minutes, cancellation_window_minutes) VALUES (34001, 'Roles', 30, 1440);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (34001, 34001, 'Rosa');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 34001, d, '09:00', '17:00' FROM generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, requires_confirmation)
VALUES (34001, 34001, 'Cut', 30, false), (34002, 34001, 'Tattoo', 60, true);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (34001, 34001), (34001, 34002);
INSERT INTO booking.users (id, email) VALUES (34001, 'u34001@example.org'), (34002, 'u34002@example.org');

-- ---------------------------------------------------------------------------
-- Granting
-- ---------------------------------------------------------------------------

-- A line for each grant; again, the same.
SELECT * FROM booking.grant_role('regress_booking_front', 'front') ORDER BY 1;
SELECT count(*) FROM booking.grant_role('regress_booking_front', 'front');
SELECT count(*) > 27 AS staff FROM booking.grant_role('regress_booking_staff', 'staff');
SELECT count(*) > 27 AS manager FROM booking.grant_role('regress_booking_manager', 'manager');
SELECT count(*) >= 0 AS monitor FROM booking.grant_role('regress_booking_monitor', 'monitor');
SELECT count(*) FROM booking.grant_role('"regress_booking O''Hara; DROP TABLE booking.users; --"', 'front');

-- Who may execute what, by name.  A function that is added has to be put somewhere: x is everybody who may use the schema.
SELECT p.oid::regprocedure AS function,
	string_agg(k.letter, '' ORDER BY k.n) FILTER (WHERE has_function_privilege(k.role, p.oid, 'EXECUTE')) AS may
FROM pg_proc p, (VALUES
	(1, 'f', 'regress_booking_front'::regrole), (2, 's', 'regress_booking_staff'), (3, 'm', 'regress_booking_manager'),
	(4, 'o', 'regress_booking_monitor'), (5, 'x', 'regress_booking_nobody')) k (n, letter, role)
WHERE p.pronamespace = 'booking'::regnamespace AND p.prorettype <> 'trigger'::regtype
GROUP BY p.oid ORDER BY p.proname COLLATE "C";
-- Those with figures about the server or the business are not for everybody, nor for a front or staff.
SELECT count(*) FILTER (WHERE has_function_privilege('regress_booking_front', p.oid, 'EXECUTE')) AS front,
	count(*) FILTER (WHERE has_function_privilege('regress_booking_nobody', p.oid, 'EXECUTE')) AS nobody
FROM pg_proc p WHERE p.pronamespace = 'booking'::regnamespace
AND p.proname IN ('stats_reset', 'health', 'metrics', 'verify', 'business_metrics');

-- The tables: nothing for a front, reading for staff, the configuration for a manager.
SELECT c.relname, k.role::text, string_agg(lower(v.privilege), ' ' ORDER BY v.n) AS privileges
FROM pg_class c, unnest(ARRAY['regress_booking_front', 'regress_booking_staff', 'regress_booking_manager', 'regress_booking_monitor',
	'regress_booking_nobody']::regrole[]) k (role),
	(VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE'), (5, 'TRUNCATE'), (6, 'REFERENCES'), (7, 'TRIGGER')) v (n, privilege)
WHERE c.relnamespace = 'booking'::regnamespace AND c.relkind = 'r' AND has_table_privilege(k.role, c.oid, v.privilege)
GROUP BY 1, 2 ORDER BY 2, 1;
SELECT count(*) AS sequences FROM pg_class c, unnest(ARRAY['regress_booking_front', 'regress_booking_staff', 'regress_booking_manager']) k (role)
WHERE c.relnamespace = 'booking'::regnamespace AND c.relkind = 'S' AND has_sequence_privilege(k.role, c.oid, 'USAGE, SELECT, UPDATE');
SELECT has_schema_privilege(k.role, 'booking', 'CREATE') AS create_in_schema, k.role
FROM unnest(ARRAY['regress_booking_front', 'regress_booking_staff', 'regress_booking_manager', 'regress_booking_monitor']) k (role);

-- Bad calls.
SELECT test.error('SELECT booking.grant_role(''regress_booking_front'', ''Front'')');
SELECT test.error('SELECT booking.grant_role(NULL, ''front'')');
SELECT test.brief('SELECT booking.grant_role(''regress_booking_front'', NULL)');
-- A number that is no role's.
SELECT f, test.brief(format('SELECT booking.%s', f)) FROM unnest(ARRAY['grant_role(0, ''staff'')', 'revoke_role(0)', 'setup(0)', 'setup(4294967295)']) f;
SELECT test.brief('SELECT booking.grant_role(''regress_booking_front'', repeat(''x'', 100000))');
SELECT test.brief('SELECT booking.grant_role(''regress_booking_front'', ''front''''; DROP TABLE booking.users; --'')');
SELECT test.brief('SELECT booking.grant_role(''regress_booking_none'', ''front'')');

-- Nobody grants himself anything: neither without EXECUTE on grant_role() nor with it, as GRANT runs with the caller's rights.
SET LOCAL ROLE regress_booking_manager;
SELECT f, test.brief('SELECT ' || f) FROM unnest(ARRAY['booking.grant_role(''regress_booking_manager'', ''manager'')',
	'booking.revoke_role(''regress_booking_front'')', 'booking.enable_row_security()', 'booking.disable_row_security()']) f;
RESET ROLE;
SAVEPOINT s;
GRANT USAGE ON SCHEMA booking TO regress_booking_nobody;
GRANT EXECUTE ON FUNCTION booking.grant_role, booking.enable_row_security, booking.disable_row_security TO regress_booking_nobody;
SET LOCAL ROLE regress_booking_nobody;
SET LOCAL client_min_messages = error;
SELECT test.brief('SELECT booking.grant_role(''regress_booking_nobody'', ''front'')');
SELECT left(test.brief('SELECT booking.enable_row_security()'), 5) AS enable;
SELECT count(*) FROM booking.disable_row_security();
RESET ROLE;
SELECT count(*) FROM booking.enable_row_security();
SET LOCAL ROLE regress_booking_nobody;
SELECT left(test.brief('SELECT booking.disable_row_security()'), 5) AS disable;
SELECT has_function_privilege('booking.book_slot(bigint,bigint,bigint,timestamptz,text,text[])', 'EXECUTE') AS may_book;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- A front does the README's booking example, and nothing else
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_front;
SELECT starts_at FROM booking.available_slots(service_id => 34001, from_date => '2026-03-02', barber_id => 34001) LIMIT 2;
SELECT starts_at FROM booking.next_slots(service_id => 34001, how_many => 2);
SELECT id AS booked, starts_at, ends_at, status, price_cents
FROM booking.book_slot(barber_id => 34001, service_id => 34001, user_id => 34001, starts_at => '2026-03-04 11:00Z') \gset
SELECT test.brief('SELECT * FROM booking.book_slot(34001, 34001, 34002, ''2026-03-04 11:00Z'')');
SELECT * FROM booking.try_book_slot(34001, 34001, 34002, '2026-03-04 11:00Z');
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (34001, 34001, ''2026-03-05 11:00Z'', ''2026-03-05 11:10Z'')');
SELECT test.brief('SELECT * FROM booking.get_barber_availability(34001, ''2026-03-04'')');
-- The rest of a customer's life.
SELECT name FROM booking.active_services(34001);
SELECT name FROM booking.active_barbers(34001, 34001);
SELECT booking.ensure_user('new34@example.org') AS new_user \gset
SELECT id AS held, status FROM booking.hold_slot(34001, 34001, :new_user, '2026-03-04 12:00Z') \gset
SELECT status FROM booking.confirm_appointment(:held);
SELECT starts_at FROM booking.reschedule_appointment(:held, '2026-03-04 13:00Z');
SELECT starts_at FROM booking.book_visit(:new_user, ARRAY[ROW(NULL, 34001, '2026-03-04 14:00Z', NULL)]::booking.visit_item[]);
SELECT starts_at FROM booking.book_series(34001, 34001, :new_user, '2026-03-04 15:00Z', '7 days', 2);
SELECT count(*) FROM booking.available_visits(ARRAY[34001, 34001], '2026-03-04', '2026-03-04');
SELECT status FROM booking.cancel_appointment(:held, 'ill');
SELECT booking.leave_waitlist(booking.join_waitlist(:new_user, 34001, '2026-03-05 09:00Z', '2026-03-05 12:00Z')) AS gone;
SELECT count(*) FROM booking.user_appointments(:new_user);
-- No table can be read or written, not by COPY, through a view of its own, as an index's statistics, or by locking it.
SELECT v.statement, left(test.brief(v.statement), 5) AS state FROM (
	SELECT format('SELECT * FROM booking.%I', c.relname) FROM pg_class c WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r'
	UNION ALL VALUES ('SELECT count(*) FROM booking.users'), ('SELECT FROM booking.appointments'),
	('COPY booking.users TO STDOUT'), ('COPY (SELECT * FROM booking.appointments) TO STDOUT'),
	('LOCK TABLE booking.appointments'), ('SELECT * FROM booking.appointments FOR UPDATE'),
	('UPDATE booking.users SET name = name'), ('DELETE FROM booking.appointments'), ('TRUNCATE booking.appointments'),
	('DELETE FROM booking.appointment_history'), ('INSERT INTO booking.time_off (shop_id, starts_at, ends_at) VALUES (34001, now(), now())'),
	('ALTER TABLE booking.appointments DISABLE TRIGGER ALL'), ('ALTER TABLE booking.appointments DISABLE ROW LEVEL SECURITY'),
	('DROP TRIGGER zz_guard_before ON booking.appointments'), ('CREATE TRIGGER t AFTER INSERT ON booking.appointments EXECUTE FUNCTION booking.guard_after()'),
	('CREATE FUNCTION booking.f() RETURNS int LANGUAGE sql AS ''SELECT 1'''), ('CREATE TABLE booking.t ()'),
	('ALTER EXTENSION booking UPDATE'), ('DROP EXTENSION booking'), ('SELECT nextval(''booking.users_id_seq'')'),
	('SET booking.now = ''2026-03-01''')) v (statement) ORDER BY v.statement COLLATE "C";
SELECT count(*) AS statistics FROM pg_stats WHERE schemaname = 'booking';
RESET ROLE;

-- ---------------------------------------------------------------------------
-- The shop's word is staff's
-- ---------------------------------------------------------------------------

-- Breaking rules: no front may, whichever call has the overrides, and whatever they are.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
VALUES (34010, 34001, 34001, 34001, '2026-03-06 09:00Z', '2026-03-06 09:30Z'), (34011, 34001, 34001, 34001, '2026-03-02 09:00Z', '2026-03-02 09:30Z');
CREATE FUNCTION test.overrides() RETURNS TABLE (call text, answer text) LANGUAGE sql AS $$
SELECT c, test.brief('SELECT * FROM booking.' || c) FROM unnest(ARRAY[
	'book_slot(34001, 34001, 34001, ''2026-03-08 20:00Z'', NULL, ''{hours}'')',
	'try_book_slot(34001, 34001, 34001, ''2026-03-08 20:00Z'', NULL, ''{hours,grid,notice,horizon,limits,window}'')',
	'hold_slot(34001, 34001, 34001, ''2026-03-08 20:00Z'', NULL, NULL, ''{hours}'')',
	'book_visit(34001, ARRAY[ROW(34001, 34001, ''2026-03-08 20:00Z'', NULL)]::booking.visit_item[], NULL, ''{hours}'')',
	'book_series(34001, 34001, 34001, ''2026-03-08 20:00Z'', ''7 days'', 2, ''fail'', ''{hours}'')',
	'reschedule_appointment(34010, ''2026-03-08 20:00Z'', overrides => ''{hours}'')',
	'reschedule_appointment(34011, ''2026-03-08 10:00Z'', overrides => ''{window}'')',
	'cancel_appointment(34011, cancelled_by => ''shop'')']) c
$$;
SET LOCAL ROLE regress_booking_front;
SELECT * FROM test.overrides();
SELECT test.error('SELECT booking.book_slot(34001, 34001, 34001, ''2026-03-08 20:00Z'', NULL, ''{hours}'')');
-- An empty list overrides nothing, and the window binds.
SELECT test.brief('SELECT booking.book_slot(34001, 34001, 34001, ''2026-03-08 10:00Z'', NULL, ''{}'')');
SELECT test.brief('SELECT booking.cancel_appointment(34011)');
RESET ROLE;
SET LOCAL ROLE regress_booking_staff;
SELECT * FROM test.overrides();
RESET ROLE;

-- Confirming what waits for the shop: neither a booking of such a service nor a hold of one becomes the customer's by his own word.
SET LOCAL ROLE regress_booking_front;
SELECT id AS waits, status FROM booking.book_slot(34001, 34002, 34001, '2026-03-07 09:00Z') \gset
SELECT id AS hold, status FROM booking.hold_slot(34001, 34002, 34001, '2026-03-07 11:00Z') \gset
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', i)) FROM unnest(ARRAY[:waits, :hold]) i;
RESET ROLE;
-- What waits for the shop goes on to, though its service asks for no confirmation by now; a hold then does not.
SAVEPOINT s;
UPDATE booking.services SET requires_confirmation = false WHERE id = 34002;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', i)) FROM unnest(ARRAY[:waits, :hold]) i;
ROLLBACK TO s;
SET LOCAL ROLE regress_booking_staff;
SELECT status FROM booking.confirm_appointment(:waits);
SELECT status FROM booking.confirm_appointment(:hold);
-- Staff: the day itself, and reading; nothing is written but through functions.
SELECT kind, count(*) FROM booking.get_barber_availability(34001, '2026-03-07') GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM booking.appointments_at_risk(34001);
SELECT status FROM booking.check_in(34010);
SELECT status FROM booking.complete_appointment(34010);
SELECT booking.expire_holds() >= 0 AS expired;
SELECT email FROM booking.users WHERE id = 34001;
SELECT test.brief('UPDATE booking.services SET price_cents = 1'), test.brief('DELETE FROM booking.appointments'),
	test.brief('UPDATE booking.users SET name = ''x''');
RESET ROLE;

-- A manager changes the configuration, ids from the sequences included, and the cache follows; appointments are out of his hands too.
SET LOCAL ROLE regress_booking_manager;
INSERT INTO booking.barbers (shop_id, name) VALUES (34001, 'New') RETURNING id AS new_barber \gset
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (:new_barber, 34001);
INSERT INTO booking.schedule_overrides (shop_id, on_date) VALUES (34001, '2026-03-09');
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (34001, '2026-03-10 09:00Z', '2026-03-10 12:00Z');
INSERT INTO booking.service_steps VALUES (34002, 1, 20, 20), (34002, 2, 20, 0);
UPDATE booking.shops SET slot_interval_minutes = 60 WHERE id = 34001;
DELETE FROM booking.working_hours WHERE barber_id = 34001 AND weekday = 7;
SELECT starts_at::time FROM booking.available_slots(34001, '2026-03-10', barber_id => 34001);
SELECT test.brief('UPDATE booking.appointments SET status = ''cancelled'''), test.brief('INSERT INTO booking.users (email) VALUES (''x@example.org'')'),
	test.brief('TRUNCATE booking.time_off'), test.brief('ALTER TABLE booking.services ADD x int');
RESET ROLE;

-- A monitor books nothing and sees nobody.
SET LOCAL ROLE regress_booking_monitor;
SELECT test.brief('SELECT booking.book_slot(34001, 34001, NULL, ''2026-03-08 10:00Z'')'), test.brief('SELECT * FROM booking.appointments'),
	test.brief('SELECT * FROM booking.user_appointments(34001)');
RESET ROLE;

-- ---------------------------------------------------------------------------
-- Taking back
-- ---------------------------------------------------------------------------

-- Whatever kind it was, and by hand: nothing is left, and the role can go.
GRANT SELECT ON booking.users TO regress_booking_staff;
GRANT USAGE ON SEQUENCE booking.users_id_seq TO regress_booking_staff;
SELECT booking.revoke_role(r) FROM unnest(ARRAY['regress_booking_front', 'regress_booking_staff', 'regress_booking_manager', 'regress_booking_monitor',
	'"regress_booking O''Hara; DROP TABLE booking.users; --"']::regrole[]) r;
DROP ROLE regress_booking_front, regress_booking_staff, regress_booking_manager, regress_booking_monitor;
DROP ROLE "regress_booking O'Hara; DROP TABLE booking.users; --";
SELECT test.error('SELECT booking.revoke_role(NULL)');

ROLLBACK;

-- ---------------------------------------------------------------------------
-- An extension that was made under other default privileges, and has no tables yet
-- ---------------------------------------------------------------------------

BEGIN;
CREATE ROLE regress_booking_front;
DROP SCHEMA booking CASCADE;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE EXTENSION booking;
GRANT USAGE ON SCHEMA booking TO regress_booking_front;
SELECT has_function_privilege('regress_booking_front', 'booking.next_slots(bigint,timestamptz,int,bigint)', 'EXECUTE') AS by_default;
SELECT count(*) > 20 AS granted FROM booking.grant_role('regress_booking_front', 'staff');
SELECT has_function_privilege('regress_booking_front', 'booking.next_slots(bigint,timestamptz,int,bigint)', 'EXECUTE') AS granted;
SELECT count(*) > 0 AS made FROM booking.setup();
SELECT has_table_privilege('regress_booking_front', 'booking.users', 'SELECT') AS before_again;
SELECT count(*) > 20 AS granted FROM booking.grant_role('regress_booking_front', 'staff');
SELECT has_table_privilege('regress_booking_front', 'booking.users', 'SELECT') AS granted;
ROLLBACK;
