--
-- Row security: whose rows.  A customer reaches his own, staff their shop's,
-- through the tables and through the functions; whoever says nothing reaches
-- none.  What is tried here is what a customer could make a front pass on.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

CREATE ROLE regress_booking_front;
CREATE ROLE regress_booking_staff;
CREATE ROLE regress_booking_chain BYPASSRLS;
CREATE ROLE regress_booking_tables;
CREATE ROLE regress_booking_owner;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_front', 'front');
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_staff', 'staff');
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_chain', 'staff');
-- A front that was given the tables as well.
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_tables', 'front');
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA booking TO regress_booking_tables;

-- Two shops; Ann has an appointment in the first, Bob one in each, and somebody walked in.
INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (35001, 'First', 60), (35002, 'Second', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (35001, 35001, 'Fay'), (35002, 35002, 'Sam');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, d, '09:00', '17:00' FROM generate_series(35001, 35002) b, generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (35001, 35001, 'Cut', 60), (35002, 35002, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (35001, 35001), (35002, 35002);
INSERT INTO booking.users (id, email, name) VALUES (35101, 'ann@example.org', 'Ann'), (35102, 'bob@example.org', 'Bob'), (35103, 'cid@example.org', 'Cid');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, idempotency_key) VALUES
	(35001, 35001, 35001, 35101, '2026-03-02 09:00Z', '2026-03-02 10:00Z', 'confirmed', NULL, NULL),
	(35002, 35001, 35001, 35102, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'pending', '2026-03-01 13:00Z', 'bobs-key'),
	(35003, 35002, 35002, 35102, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'confirmed', NULL, NULL),
	(35004, 35001, 35001, NULL, '2026-03-02 12:00Z', '2026-03-02 13:00Z', 'confirmed', NULL, NULL);
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, part_of, visit_id)
VALUES (35005, 35001, 35001, 35102, '2026-03-02 14:00Z', '2026-03-02 15:00Z', 35002, 35002);
INSERT INTO booking.waitlist (id, user_id, service_id, earliest, latest) VALUES
	(35201, 35101, 35001, '2026-03-03 09:00Z', '2026-03-03 10:00Z'), (35202, 35102, 35002, '2026-03-03 09:00Z', '2026-03-03 10:00Z');
UPDATE booking.appointments SET notes = 'x' WHERE id IN (35001, 35003);

-- What there is, to see that an attempt has changed nothing.
CREATE FUNCTION test.all_rows() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT a::text FROM booking.appointments a UNION ALL SELECT h::text FROM booking.appointment_history h
	UNION ALL SELECT w::text FROM booking.waitlist w UNION ALL SELECT u::text FROM booking.users u) v (r)
$$;

-- Every call that names an appointment, a user or a place in line.
CREATE FUNCTION test.calls_about(appointment bigint, someone text, place bigint) RETURNS TABLE (call text, answer text) LANGUAGE sql AS $$
SELECT replace(replace(replace(c, appointment::text, 'A'), someone, 'U'), place::text, 'P') AS call,
	replace(replace(replace(test.brief('SELECT * FROM booking.' || c), appointment::text, 'A'), someone, 'U'), place::text, 'P') AS answer
FROM unnest(ARRAY[
	format('confirm_appointment(%s)', appointment), format('confirm_appointment(%s, 99)', appointment),
	format('cancel_appointment(%s)', appointment), format('cancel_appointment(%s, NULL, ''customer'', 99)', appointment),
	format('cancel_appointment(%s, NULL, ''shop'')', appointment),
	format('reschedule_appointment(%s, ''2026-03-02 16:00Z'')', appointment), format('reschedule_appointment(%s, ''2026-03-02 16:00Z'', version => 99)', appointment),
	format('decline_appointment(%s)', appointment), format('check_in(%s)', appointment),
	format('complete_appointment(%s)', appointment), format('mark_no_show(%s)', appointment),
	format('available_slots(35001, ''2026-03-02'', for_appointment_id => %s)', appointment),
	format('user_appointments(%s)', someone), format('user_appointments(%s, false)', someone),
	format('book_slot(35001, 35001, %s, ''2026-03-02 16:00Z'')', someone), format('book_slot(NULL, 35001, %s, ''2026-03-02 16:00Z'')', someone),
	format('try_book_slot(35001, 35001, %s, ''2026-03-02 16:00Z'')', someone), format('hold_slot(35001, 35001, %s, ''2026-03-02 16:00Z'')', someone),
	format('book_visit(%s, ARRAY[ROW(35001, 35001, ''2026-03-02 16:00Z'', NULL)]::booking.visit_item[])', someone),
	format('book_series(35001, 35001, %s, ''2026-03-02 16:00Z'', ''7 days'', 2)', someone),
	format('join_waitlist(%s, 35001, ''2026-03-05 09:00Z'', ''2026-03-05 10:00Z'')', someone),
	format('leave_waitlist(%s)', place)]) c
$$;

-- ---------------------------------------------------------------------------
-- Switching it on
-- ---------------------------------------------------------------------------

SELECT booking.enable_row_security();
SELECT booking.enable_row_security();
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
WHERE relnamespace = 'booking'::regnamespace AND relname IN ('appointments', 'appointment_history', 'users', 'shop_customers', 'blocked_customers', 'waitlist', 'time_off', 'schedule_overrides') ORDER BY 1;
-- No policy holds on to the extension: DROP EXTENSION CASCADE would take it along.
SELECT count(*) AS policies, count(*) FILTER (WHERE d.refobjid IS NOT NULL) AS dependent
FROM pg_policy p LEFT JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
AND (d.refclassid IN ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass) OR d.refclassid = 'pg_extension'::regclass)
WHERE p.polrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'booking'::regnamespace);
-- The owner, a superuser and BYPASSRLS go on as before.
SELECT test.all_rows() AS before \gset
SELECT test.brief('SELECT booking.cancel_appointment(35003)');
SET LOCAL ROLE regress_booking_chain;
SELECT test.brief('SELECT booking.cancel_appointment(35003)'), (SELECT count(*) FROM booking.user_appointments(35102)) AS bobs;
RESET ROLE;

-- ---------------------------------------------------------------------------
-- A front that does not say for whom
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_front;
SELECT * FROM test.calls_about(35002, '35102', 35202);
SELECT test.error('SELECT booking.cancel_appointment(35002)');
SELECT test.brief('SELECT booking.book_slot(35001, 35001, NULL, ''2026-03-02 16:00Z'')') AS walk_in;
-- What shows and changes no customer works; so does finding out who the customer is.
SELECT count(*) FROM booking.available_slots(35001, '2026-03-02');
SELECT count(*) FROM booking.active_services(35001);
SELECT booking.ensure_user('Ann@example.org') AS ann;
RESET ROLE;
SELECT test.all_rows() = :'before' AS unchanged;

-- ---------------------------------------------------------------------------
-- A customer through a front
-- ---------------------------------------------------------------------------

SAVEPOINT ann;
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '35101';
-- Her own appointment, account and place.
SELECT * FROM test.calls_about(35001, '35101', 35201);
SELECT starts_at FROM booking.user_appointments(35101);
SELECT count(*) FROM booking.available_slots(35001, '2026-03-02', for_appointment_id => 35001);
-- Bob's: as if they were not there.  The same calls about ids that are not there say the same, to the letter.
SELECT * FROM test.calls_about(35002, '35102', 35202);
SELECT count(*) AS told_apart FROM test.calls_about(35002, '35102', 35202) b FULL JOIN test.calls_about(35997, '35998', 35999) n USING (call, answer)
WHERE b.call IS NULL OR n.call IS NULL;
SELECT test.error('SELECT booking.cancel_appointment(35002)');
SELECT test.error('SELECT * FROM booking.user_appointments(35102)');
-- Another part of Bob's appointment, a walk-in's, and ids at the ends of bigint.
SELECT id, test.brief(format('SELECT booking.cancel_appointment(%s)', id)), test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-02 16:00Z'')', id)),
	test.brief(format('SELECT booking.available_slots(35001, ''2026-03-02'', for_appointment_id => %s)', id))
FROM unnest('{35004,35005,0,-1,9223372036854775807,-9223372036854775808}'::bigint[]) id;
-- In nobody's name, and in the shop's.
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('book_slot(35001, 35001, NULL, ''2026-03-02 16:00Z'')'), ('try_book_slot(NULL, 35001, NULL, ''2026-03-02 16:00Z'')'),
	('book_visit(NULL, ARRAY[ROW(35001, 35001, ''2026-03-02 16:00Z'', ''Bob'')]::booking.visit_item[])'),
	('book_series(35001, 35001, NULL, ''2026-03-02 16:00Z'', ''7 days'', 2)'),
	('cancel_appointment(35001, NULL, ''shop'')'), ('book_slot(35001, 35001, 35101, ''2026-03-02 20:00Z'', NULL, ''{hours}'')'),
	('reschedule_appointment(35001, ''2026-03-02 20:00Z'', overrides => ''{hours}'')'),
	('ensure_user(''bob@example.org'')'), ('ensure_user(''dan@example.org'')')) v (call);
-- Bob's idempotency key is nothing to Ann: hers is another.
SELECT test.error('SELECT booking.book_slot(35001, 35001, 35101, ''2026-03-02 10:00Z'', ''bobs-key'')');
SELECT test.brief('SELECT booking.book_slot(35001, 35001, 35102, ''2026-03-02 10:00Z'', ''bobs-key'')');
-- Nor is her own key of any use once her appointment was given to Bob.
SELECT id AS given FROM booking.book_slot(35001, 35001, 35101, '2026-03-04 09:00Z', 'anns-key') \gset
SELECT (booking.book_slot(35001, 35001, 35101, '2026-03-04 09:00Z', 'anns-key')).id = :given AS repeated;
RESET ROLE;
UPDATE booking.appointments SET user_id = 35102 WHERE id = :given;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief('SELECT booking.book_slot(35001, 35001, 35101, ''2026-03-04 09:00Z'', ''anns-key'')');
RESET ROLE;
ROLLBACK TO ann;
SELECT test.all_rows() = :'before' AS unchanged;

-- What follows from her call is done all the same: Bob, who waits, gets the time that Ann gives up, and she does not learn of it.
SAVEPOINT s;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest) VALUES (35103, 35001, '2026-03-02 09:00Z', '2026-03-02 10:00Z');
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '35101';
SELECT status FROM booking.cancel_appointment(35001);
SELECT count(*) FROM booking.user_appointments(35101);
RESET ROLE;
SELECT user_id, status FROM booking.appointments WHERE barber_id = 35001 AND starts_at = '2026-03-02 09:00Z' ORDER BY id;
ROLLBACK TO s;

-- So is what a trigger of the owner's does, if its function says so: here the chair is cleaned after each customer.
SAVEPOINT s;
CREATE FUNCTION test.clean() RETURNS trigger LANGUAGE plpgsql SET booking.user_id = '' AS $$
BEGIN
	PERFORM booking.book_slot(35001, 35001, NULL, NEW.ends_at);
	RETURN NULL;
END
$$;
CREATE TRIGGER clean AFTER INSERT ON booking.appointments FOR EACH ROW WHEN (NEW.user_id IS NOT NULL) EXECUTE FUNCTION test.clean();
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '35101';
SELECT starts_at FROM booking.book_slot(35001, 35001, 35101, '2026-03-02 15:00Z');
SHOW booking.user_id;
RESET ROLE;
SELECT user_id, starts_at FROM booking.appointments WHERE starts_at >= '2026-03-02 15:00Z' ORDER BY 2;
ALTER FUNCTION test.clean() RESET ALL;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief('SELECT booking.book_slot(35001, 35001, 35101, ''2026-03-03 09:00Z'')');
ROLLBACK TO s;

-- Whoever sets it is bound by it, also a superuser, and also where row security is off.
SAVEPOINT s;
SELECT count(*) > 0 AS undone FROM booking.disable_row_security();
SET LOCAL booking.user_id = '35101';
SELECT * FROM test.calls_about(35002, '35102', 35202);
SELECT test.brief('SELECT * FROM booking.get_barber_availability(35001, ''2026-03-02'')'), test.brief('SELECT * FROM booking.appointments_at_risk(35001)');
SELECT test.brief('SELECT * FROM booking.business_metrics(35001, ''2026-03-02'')');
SELECT test.error('SELECT booking.book_slot(35001, 35001, 35101, ''2026-03-02 20:00Z'', NULL, ''{hours}'')');
SET LOCAL booking.user_id = '';
SET LOCAL booking.shop_id = '35001';
SELECT test.brief('SELECT * FROM booking.business_metrics(35001, ''2026-03-02'')'), test.brief('SELECT * FROM booking.business_metrics(35002, ''2026-03-02'')');
SET LOCAL booking.shop_id = '';
SELECT test.brief('SELECT booking.cancel_appointment(35002)');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Staff of one shop
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_staff;
-- For no shop: nothing.
SELECT test.brief('SELECT * FROM booking.get_barber_availability(35001, ''2026-03-02'')'), test.brief('SELECT * FROM booking.appointments_at_risk(35001)'),
	test.brief('SELECT booking.check_in(35001)'), (SELECT count(*) FROM booking.appointments) AS appointments, (SELECT count(*) FROM booking.users) AS users;
SET LOCAL booking.shop_id = '35001';
SELECT id, user_id FROM booking.appointments ORDER BY id;
SELECT appointment_id, to_values FROM booking.appointment_history ORDER BY id;
SELECT name FROM booking.users ORDER BY id;
SELECT id FROM booking.waitlist ORDER BY id;
SELECT appointment_id FROM booking.user_appointments(35102);
SELECT count(*) FROM booking.get_barber_availability(35001, '2026-03-02');
-- Their own shop's, anybody's; for their customers, and nobody else (Cid).
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('cancel_appointment(35001, NULL, ''shop'')'), ('confirm_appointment(35002)'), ('check_in(35001)'), ('decline_appointment(35005)'),
	('reschedule_appointment(35004, ''2026-03-02 20:00Z'', overrides => ''{hours}'')'), ('leave_waitlist(35201)'),
	('book_slot(35001, 35001, NULL, ''2026-03-02 20:00Z'', NULL, ''{hours}'')'), ('book_slot(35001, 35001, 35102, ''2026-03-02 16:00Z'')'),
	('book_slot(35001, 35001, 35103, ''2026-03-02 16:00Z'')')) v (call);
-- The other shop's: not there, or refused; with its barber's or service's id too.
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('cancel_appointment(35003, NULL, ''shop'')'), ('confirm_appointment(35003)'), ('check_in(35003)'), ('decline_appointment(35003)'),
	('complete_appointment(35003)'), ('mark_no_show(35003)'), ('reschedule_appointment(35003, ''2026-03-02 16:00Z'')'),
	('reschedule_appointment(35001, ''2026-03-02 16:00Z'', 35002, 35002)'), ('reschedule_appointment(35001, ''2026-03-02 20:00Z'', 35002, 35002, NULL, ''{hours}'')'),
	('available_slots(35002, ''2026-03-02'', for_appointment_id => 35003)'), ('leave_waitlist(35202)'),
	('book_slot(35002, 35002, NULL, ''2026-03-02 20:00Z'', NULL, ''{hours}'')'), ('book_slot(NULL, 35002, 35103, ''2026-03-02 16:00Z'')'),
	('book_visit(35103, ARRAY[ROW(35001, 35001, ''2026-03-02 16:00Z'', NULL), ROW(35002, 35002, ''2026-03-02 16:00Z'', NULL)]::booking.visit_item[])'),
	('book_series(35002, 35002, 35103, ''2026-03-02 16:00Z'', ''7 days'', 2)'), ('join_waitlist(35103, 35002, ''2026-03-05 09:00Z'', ''2026-03-05 10:00Z'')'),
	('get_barber_availability(35002, ''2026-03-02'')'), ('appointments_at_risk(35002)'), ('appointments_at_risk(35999)')) v (call);
SELECT test.error('SELECT * FROM booking.appointments_at_risk(35002)');
-- At the desk for a customer: as that customer.
SET LOCAL booking.user_id = '35101';
SELECT id FROM booking.appointments;
SELECT test.brief('SELECT booking.check_in(35001)'), test.brief('SELECT booking.cancel_appointment(35002)'), test.brief('SELECT booking.cancel_appointment(35001)');
SET LOCAL booking.user_id = '';
RESET ROLE;
SELECT test.all_rows() = :'before' AS unchanged;
-- Housekeeping knows no shops.
SAVEPOINT s;
SET LOCAL booking.now = '2026-03-01 14:00Z';
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35002';
SELECT booking.expire_holds() > 0 AS expired;
ROLLBACK TO s;

-- A front is no staff, whatever it sets.
SET LOCAL booking.shop_id = '35001';
SET LOCAL ROLE regress_booking_front;
SELECT test.error('SELECT booking.cancel_appointment(35001)');
SELECT test.brief('SELECT * FROM booking.user_appointments(35101)'), test.brief('SELECT booking.book_slot(35001, 35001, 35101, ''2026-03-02 16:00Z'')'),
	test.brief('SELECT booking.available_slots(35001, ''2026-03-02'', for_appointment_id => 35001)');
RESET ROLE;
SET LOCAL booking.shop_id = '';

-- ---------------------------------------------------------------------------
-- Who reaches the tables as well
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_tables;
SELECT (SELECT count(*) FROM booking.appointments) AS appointments, (SELECT count(*) FROM booking.users) AS users,
	(SELECT count(*) FROM booking.waitlist) AS waitlist, (SELECT count(*) FROM booking.appointment_history) AS history;
SET LOCAL booking.shop_id = '35001';
SELECT (SELECT count(*) FROM booking.appointments) AS appointments, (SELECT count(*) FROM booking.users) AS users,
	(SELECT count(*) FROM booking.waitlist) AS waitlist, (SELECT count(*) FROM booking.appointment_history) AS history;
SET LOCAL booking.user_id = '35101';
SELECT id FROM booking.appointments;
SELECT name FROM booking.users;
SELECT id FROM booking.waitlist;
SELECT appointment_id FROM booking.appointment_history;
-- What she changes is hers, and stays hers.
SELECT v.statement, test.brief(v.statement) FROM (VALUES
	('INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES (35001, 35001, 35101, ''2026-03-02 16:00Z'', ''2026-03-02 17:00Z'')'),
	('INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at) VALUES (35001, 35001, 35102, ''2026-03-02 16:00Z'', ''2026-03-02 17:00Z'')'),
	('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (35001, 35001, ''2026-03-02 16:00Z'', ''2026-03-02 17:00Z'')'),
	('UPDATE booking.appointments SET user_id = 35102 WHERE id = 35001'), ('UPDATE booking.users SET id = 35777'),
	('INSERT INTO booking.waitlist (user_id, service_id, earliest, latest) VALUES (35102, 35001, ''2026-03-05 09:00Z'', ''2026-03-05 10:00Z'')'),
	('INSERT INTO booking.appointment_history (appointment_id, version, changed_at, changed_by, db_role, from_values) VALUES (35001, 1, now(), ''x'', ''x'', ''{}'')')
) v (statement);
SAVEPOINT s;
WITH u AS (UPDATE booking.appointments SET notes = 'hers' RETURNING id) SELECT count(*) FROM u;
WITH u AS (UPDATE booking.appointments SET notes = 'hers' WHERE id = 35002 RETURNING id) SELECT count(*) FROM u;
WITH u AS (UPDATE booking.users SET name = 'Annie' RETURNING id) SELECT count(*) FROM u;
WITH u AS (DELETE FROM booking.waitlist RETURNING id) SELECT count(*) FROM u;
WITH u AS (UPDATE booking.appointment_history SET changed_by = 'nobody' RETURNING id) SELECT count(*) FROM u;
WITH u AS (DELETE FROM booking.appointment_history RETURNING id) SELECT count(*) FROM u;
ROLLBACK TO s;
-- A function that is called with each row of a scan meets no other's: the policy goes first.
CREATE FUNCTION pg_temp.peek(email text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING 'seen: %', email; RETURN true; END $$;
SELECT count(*) FROM booking.users WHERE pg_temp.peek(email);
-- The guard still sees what she cannot.
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
	VALUES (35001, 35001, 35101, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z'')');
DROP FUNCTION pg_temp.peek;
-- Who is nobody has nothing.
SET LOCAL booking.user_id = '9223372036854775807';
SELECT count(*) FROM booking.appointments;
RESET ROLE;
SELECT test.all_rows() = :'before' AS unchanged;
RESET booking.user_id;
RESET booking.shop_id;

-- ---------------------------------------------------------------------------
-- The settings
-- ---------------------------------------------------------------------------

SELECT v, test.brief(format('SET LOCAL booking.user_id = %L', v)) AS user_id, test.brief(format('SET LOCAL booking.shop_id = %L', v)) AS shop_id
FROM unnest(ARRAY['', '0', '-1', '42', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '-9223372036854775809', '+42', ' 42', '42 ', '42;', '4 2', '-', '--1', '1e3',
	'0x2A', '1_000', 'NULL', '42 OR true', ''';DROP TABLE booking.users;--']) v;
SELECT test.error('SET LOCAL booking.user_id = ''42 OR true''');
SELECT left(test.brief(format('SET LOCAL booking.user_id = %L', repeat('9', 100000))), 60);
-- SET LOCAL ends with the subtransaction or transaction.
SAVEPOINT s;
SET LOCAL booking.user_id = '35101';
ROLLBACK TO s;
SHOW booking.user_id;
SET LOCAL booking.user_id = '35101';
COMMIT;
SHOW booking.user_id;
-- In a session that has not called anything yet, the settings hold from the first call on.  A text that is no id then names nobody.
\c -
SET client_min_messages = error;
SET ROLE regress_booking_front;
BEGIN;
SET LOCAL booking.user_id = '35101';
SELECT test.brief('SELECT * FROM booking.user_appointments(35102)'), 
	(SELECT count(*) FROM unnest(ARRAY[true, false]) u, booking.user_appointments(35101, u)) AS own;
COMMIT;
SELECT test.brief('SELECT * FROM booking.user_appointments(35101)');
\c -
SET client_min_messages = error;
SET booking.user_id = '35101 OR true';
SET ROLE regress_booking_tables;
SELECT test.brief('SELECT * FROM booking.appointments');
SELECT test.brief('SELECT * FROM booking.user_appointments(35101)');
SELECT test.brief('SELECT * FROM booking.appointments');
\c -
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

-- ---------------------------------------------------------------------------
-- While the extension is gone, and switching it off
-- ---------------------------------------------------------------------------

BEGIN;
DROP EXTENSION booking CASCADE;
SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'booking' ORDER BY 1, 2;
SET LOCAL ROLE regress_booking_tables;
SET LOCAL booking.user_id = '35101';
SELECT id FROM booking.appointments;
RESET ROLE;
SET LOCAL booking.user_id = '';
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35001';
SELECT count(*) FROM booking.appointments;
RESET ROLE;
CREATE EXTENSION booking;
SELECT count(*) > 0 AS made FROM booking.setup();
SELECT booking.enable_row_security();
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_staff', 'staff');
SET LOCAL ROLE regress_booking_staff;
SELECT count(*) FROM booking.appointments;
ROLLBACK;

-- Off: policies of your own stay.
CREATE POLICY mine ON booking.users USING (true);
SELECT booking.disable_row_security();
SELECT booking.disable_row_security();
SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'booking' ORDER BY 1, 2;
DROP POLICY mine ON booking.users;
SET ROLE regress_booking_front;
SELECT count(*) FROM booking.user_appointments(35101);
RESET ROLE;

DELETE FROM booking.waitlist WHERE service_id IN (35001, 35002);
DELETE FROM booking.appointments WHERE barber_id IN (35001, 35002);
DELETE FROM booking.appointment_history WHERE appointment_id BETWEEN 35001 AND 35999;
DELETE FROM booking.services WHERE shop_id IN (35001, 35002);
DELETE FROM booking.barbers WHERE shop_id IN (35001, 35002);
DELETE FROM booking.shops WHERE id IN (35001, 35002);
DELETE FROM booking.users WHERE id IN (35101, 35102, 35103);
SELECT booking.revoke_role(r::regrole) FROM unnest(ARRAY['regress_booking_front', 'regress_booking_staff', 'regress_booking_chain', 'regress_booking_tables']) r;
DROP ROLE regress_booking_front, regress_booking_staff, regress_booking_chain, regress_booking_tables, regress_booking_owner;
DROP FUNCTION test.all_rows, test.calls_about;
