--
-- What a hostile caller could pass, and where: SQL in every text, enormous
-- values, arrays of the wrong shape, ids at the ends of bigint, shadows in the
-- search_path, triggers as functions and functions as triggers.  An error is
-- right; a crash, a hang or a changed table is not.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

CREATE ROLE regress_booking_staff;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_staff', 'staff');
INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (34501, 'Hostile', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (34501, 34501, 'Hal');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 34501, d, '09:00', '17:00' FROM generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (34501, 34501, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (34501, 34501);
INSERT INTO booking.users (id, email) VALUES (34501, 'u34501@example.org');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status)
VALUES (34501, 34501, 34501, 34501, '2026-03-02 09:00Z', '2026-03-02 10:00Z', 'pending');

-- Each call that takes a text; %1$s is an expression for it.
CREATE TABLE test.takes_text (argument text, call text);
GRANT SELECT ON test.takes_text TO PUBLIC;
INSERT INTO test.takes_text VALUES
	('key', 'booking.book_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', %1$s)'),
	('key', 'booking.try_book_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', %1$s)'),
	('key', 'booking.hold_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', NULL, %1$s)'),
	('key', 'booking.book_visit(34501, ARRAY[ROW(34501, 34501, ''2026-03-03 09:00Z'', NULL)]::booking.visit_item[], %1$s)'),
	('guest_name', 'booking.book_visit(34501, ARRAY[ROW(34501, 34501, ''2026-03-03 09:00Z'', %1$s)]::booking.visit_item[])'),
	('overrides', 'booking.book_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', NULL, ARRAY[%1$s])'),
	('overrides', 'booking.reschedule_appointment(34501, ''2026-03-03 09:00Z'', overrides => ARRAY[%1$s])'),
	('on_conflict', 'booking.book_series(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''7 days'', 2, %1$s)'),
	('reason', 'booking.cancel_appointment(34501, %1$s)'),
	('cancelled_by', 'booking.cancel_appointment(34501, NULL, %1$s)'),
	('reason', 'booking.decline_appointment(34501, %1$s)'),
	('email', 'booking.ensure_user(%1$s)'),
	('name', 'booking.ensure_user(''x34501@example.org'', %1$s)'),
	('phone', 'booking.ensure_user(''x34501@example.org'', NULL, %1$s)');

-- ---------------------------------------------------------------------------
-- SQL in every text
-- ---------------------------------------------------------------------------

CREATE TABLE test.payloads (n int, payload text);
GRANT SELECT ON test.payloads TO PUBLIC;
INSERT INTO test.payloads VALUES (1, '''; DROP TABLE booking.users CASCADE; --'), (2, ''' || (SELECT email FROM booking.users LIMIT 1) || '''),
	(3, '$$; DELETE FROM booking.appointments; $$'), (4, E'\\''; TRUNCATE booking.appointments; --'), (5, '%s%n%1$s%%'), (6, '$1'), (7, '" ; ROLLBACK; "'),
	(8, E'\r\nDROP SCHEMA booking CASCADE;'), (9, 'NULL'), (10, '{hours}'), (11, ''), (12, E'\x01\x7f\u202e');
-- As a name: without control characters.
CREATE FUNCTION test.name(p test.payloads) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN p.n NOT IN (8, 12) THEN p.payload ELSE 'none' END $$;
SET LOCAL ROLE regress_booking_staff;
-- One line for each call and answer, with the payloads that it got.
SELECT t.argument, left(t.call, 50) AS call, test.brief(format('SELECT * FROM ' || t.call, quote_literal(p.payload))) AS answer,
	string_agg(p.n::text, ' ' ORDER BY p.n) AS payloads
FROM test.takes_text t, test.payloads p WHERE t.argument IN ('key', 'guest_name', 'reason', 'name', 'phone') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT t.argument, left(t.call, 50) AS call, left(test.brief(format('SELECT * FROM ' || t.call, quote_literal(p.payload))), 5) AS state,
	string_agg(p.n::text, ' ' ORDER BY p.n) AS payloads
FROM test.takes_text t, test.payloads p WHERE t.argument IN ('overrides', 'on_conflict', 'cancelled_by', 'email') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- What is stored is what was given; names with control characters, payloads 8 and 12, are refused.
SELECT count(*) AS kept FROM test.payloads p, LATERAL (SELECT * FROM booking.book_visit(34501,
	ARRAY[ROW(34501, 34501, timestamptz '2026-03-10 09:00Z' + p.n * interval '1 day', p.payload)]::booking.visit_item[], 'k' || p.payload)) b
JOIN LATERAL (SELECT * FROM booking.cancel_appointment(b.id, p.payload)) c ON true
JOIN LATERAL (SELECT booking.ensure_user('p' || p.n || '@example.org', test.name(p), test.name(p)) AS id) u ON true;
RESET ROLE;
SELECT count(*) AS kept FROM test.payloads p JOIN booking.appointments a ON a.idempotency_key = 'k' || p.payload AND a.guest_name = p.payload AND a.cancel_reason = p.payload
JOIN booking.appointment_history h ON h.appointment_id = a.id AND h.to_values ->> 'cancel_reason' = p.payload
JOIN booking.users u ON u.email = 'p' || p.n || '@example.org' AND u.name = test.name(p) AND u.phone = test.name(p);
-- Settings are texts too; booking.actor is kept as it is.
DO $$
DECLARE
	p record;
BEGIN
	FOR p IN SELECT * FROM test.payloads ORDER BY n LOOP
		PERFORM set_config('booking.actor', p.payload, true);
		PERFORM booking.reschedule_appointment(34501, timestamptz '2026-04-01 09:00Z' + p.n * interval '1 day');
	END LOOP;
END
$$;
SELECT count(*) AS kept FROM test.payloads p JOIN booking.appointment_history h ON h.appointment_id = 34501
AND h.changed_by = coalesce(nullif(p.payload, ''), session_user) AND h.version = p.n + 1;
SELECT p.n, left(test.brief(format('SET LOCAL booking.now = %L', p.payload)), 5) AS now, left(test.brief(format('SET LOCAL booking.user_id = %L', p.payload)), 5) AS user_id
FROM test.payloads p ORDER BY 1;
SET LOCAL booking.actor = '';

-- ---------------------------------------------------------------------------
-- Enormous texts and arrays, and arrays of the wrong shape
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_staff;
SELECT t.argument, left(t.call, 50) AS call, test.brief(format('SELECT * FROM ' || t.call, 'repeat(''x'', 5000000)')) AS answer FROM test.takes_text t ORDER BY 1, 2;
SELECT test.error('SELECT booking.cancel_appointment(34501, repeat(''x'', 100001))');
SELECT test.brief('SELECT booking.cancel_appointment(34501, repeat(''x'', 100000))'), test.brief('SELECT booking.cancel_appointment(34501, repeat(chr(228), 50001))');
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('book_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', NULL, array_fill(''hours''::text, ARRAY[1000000]))'),
	('book_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', NULL, array_fill(''x''::text, ARRAY[1000000]))'),
	('book_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', NULL, array_fill(NULL::text, ARRAY[2, 2, 2, 2, 2, 2]))'),
	('book_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', NULL, array_fill(''grid''::text, ARRAY[2, 2, 2, 2, 2, 2], ARRAY[-5, 0, 1, 2, 3, 2147483640]))'),
	('book_visit(34501, array_fill(ROW(34501, 34501, ''2026-03-03 09:00Z'', NULL)::booking.visit_item, ARRAY[1000000]))'),
	('book_visit(34501, array_fill(ROW(34501, 34501, ''2026-03-03 09:00Z'', NULL)::booking.visit_item, ARRAY[1], ARRAY[2147483646]))'),
	('book_visit(34501, array_fill(ROW(34501, 34501, ''2026-03-03 09:00Z'', NULL)::booking.visit_item, ARRAY[1, 1]))'),
	('book_visit(34501, array_fill(NULL::booking.visit_item, ARRAY[1000000]))'),
	('book_visit(34501, ARRAY[NULL]::booking.visit_item[])'), ('book_visit(34501, ARRAY[ROW(NULL, NULL, NULL, NULL)]::booking.visit_item[])'),
	('book_visit(34501, ARRAY[ROW(1, 2)]::booking.visit_item[])'), ('book_visit(34501, ARRAY[ROW(''a'', ''b'', ''c'', ''d'')]::booking.visit_item[])'),
	('book_visit(34501, ARRAY[ROW(34501, 34501, ''infinity'', NULL)]::booking.visit_item[])'),
	('book_visit(34501, ARRAY[ROW(9223372036854775807, -9223372036854775808, ''294276-12-31 23:59Z'', '''')]::booking.visit_item[])'),
	('book_visit(34501, ARRAY[1, 2])'), ('book_visit(34501, ''{"(34501,34501,"}'')'),
	('available_visits(array_fill(34501::bigint, ARRAY[1000000]), ''2026-03-03'', ''2026-03-03'')'),
	('available_visits(array_fill(34501::bigint, ARRAY[1], ARRAY[-2147483648]), ''2026-03-03'', ''2026-03-03'')'),
	('available_visits(''{{34501},{34501}}'', ''2026-03-03'', ''2026-03-03'')'), ('available_visits(''{NULL}'', ''2026-03-03'', ''2026-03-03'')'),
	('available_visits(''{}'', ''2026-03-03'', ''2026-03-03'')'), ('available_visits(''{9223372036854775807,-9223372036854775808}'', ''2026-03-03'', ''2026-03-03'')')) v (call);

-- ---------------------------------------------------------------------------
-- Ids, numbers, intervals and instants at their ends
-- ---------------------------------------------------------------------------

SELECT c.call, string_agg(DISTINCT test.brief(format('SELECT * FROM booking.' || c.call, i.id)), ', ') AS answers
FROM (VALUES ('book_slot(%1$s, 34501, 34501, ''2026-03-03 09:00Z'')'), ('book_slot(34501, %1$s, 34501, ''2026-03-03 09:00Z'')'), ('book_slot(34501, 34501, %1$s, ''2026-03-03 09:00Z'')'),
	('book_slot(%1$s, %1$s, %1$s, ''2026-03-03 09:00Z'')'), ('hold_slot(NULL, %1$s, %1$s, ''2026-03-03 09:00Z'')'), ('book_series(%1$s, %1$s, %1$s, ''2026-03-03 09:00Z'', ''7 days'', 200)'),
	('confirm_appointment(%1$s)'), ('decline_appointment(%1$s)'), ('cancel_appointment(%1$s)'), ('reschedule_appointment(%1$s, ''2026-03-03 09:00Z'')'),
	('reschedule_appointment(34501, ''2026-03-03 09:00Z'', %1$s)'), ('reschedule_appointment(34501, ''2026-03-03 09:00Z'', NULL, %1$s)'),
	('check_in(%1$s)'), ('complete_appointment(%1$s)'), ('mark_no_show(%1$s)'), ('leave_waitlist(%1$s)'), ('join_waitlist(%1$s, %1$s, ''2026-03-03 09:00Z'', ''2026-03-04'', %1$s)'),
	('user_appointments(%1$s)'), ('appointments_at_risk(%1$s)'), ('get_barber_availability(%1$s, ''2026-03-03'')'), ('available_slots(34501, ''2026-03-03'', NULL, NULL, %1$s)'),
	('active_services(%1$s)'), ('check_slot(%1$s, %1$s, ''2026-03-03 09:00Z'')')) c (call),
	(VALUES ('0::bigint'), ('-1::bigint'), ('9223372036854775807'), ('(-9223372036854775808)')) i (id)
GROUP BY 1 ORDER BY c.call COLLATE "C";
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('hold_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''178000000 years'')'), ('hold_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''-178000000 years'')'),
	('hold_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''2147483647 days'')'), ('hold_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''0'')'),
	('book_series(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''178000000 years'', 2)'), ('book_series(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''1 mon -29 days'', 2)'),
	('book_series(34501, 34501, 34501, ''294276-12-31 09:00Z'', ''366 days'', 200, ''skip'')'), ('book_series(34501, 34501, 34501, ''4713-01-01 BC'', ''1 day'', 200)'),
	('book_series(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''1 day'', 2147483647)'), ('book_series(34501, 34501, 34501, ''2026-03-03 09:00Z'', ''1 day'', -2147483648)'),
	('confirm_appointment(34501, 2147483647)'), ('confirm_appointment(34501, -2147483648)'),
	('join_waitlist(34501, 34501, ''4713-01-01 BC'', ''294276-12-31 23:59Z'')'), ('join_waitlist(34501, 34501, ''-infinity'', ''infinity'')'),
	('reschedule_appointment(34501, ''294276-12-31 23:59Z'')'), ('reschedule_appointment(34501, ''infinity'')'),
	('reschedule_appointment(34501, ''294276-12-31 23:59Z'', overrides => ''{hours,notice,grid,horizon,limits,window}'')'),
	('book_slot(34501, 34501, 34501, ''294276-12-31 23:59Z'', NULL, ''{hours,notice,grid,horizon,limits,window}'')'),
	('book_slot(34501, 34501, 34501, ''4713-01-01 00:00 BC'', NULL, ''{hours,notice,grid,horizon,limits,window}'')')) v (call);
-- An interval may be infinite from 17 on.
SELECT c.call, string_agg(DISTINCT test.brief(format('SELECT * FROM booking.' || c.call, CASE WHEN current_setting('server_version_num')::int < 170000
	THEN sign || '178000000 years' ELSE sign || 'infinity' END)), ', ') AS answers
FROM (VALUES ('hold_slot(34501, 34501, 34501, ''2026-03-03 09:00Z'', %L)'), ('book_series(34501, 34501, 34501, ''2026-03-03 09:00Z'', %L, 2)')) c (call),
	(VALUES ('-'), ('')) s (sign) GROUP BY 1 ORDER BY 1;
RESET ROLE;

-- ---------------------------------------------------------------------------
-- Shadows: what is called as the owner or a superuser looks nowhere but in its own place
-- ---------------------------------------------------------------------------

SAVEPOINT s;
SELECT count(*) > 0 AS made FROM booking.enable_row_security();
SELECT string_agg(pg_get_expr(polqual, polrelid), E'\n' ORDER BY polrelid::regclass::text, polname) AS plain FROM pg_policy \gset
SELECT count(*) > 0 AS undone FROM booking.disable_row_security();
CREATE SCHEMA test_shadow;
GRANT USAGE ON SCHEMA test_shadow TO PUBLIC;
CREATE FUNCTION test_shadow.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'shadow'; END $$;
DO $$
DECLARE
	f record;
BEGIN
	-- Functions that take just what ours pass, so that they would win over pg_catalog's.
	FOR f IN SELECT * FROM (VALUES ('format', 'text, text'), ('format', 'text, text, text'), ('format', 'text, name, text'), ('format', 'text, regclass'), ('format', 'text, regrole'),
		('format', 'text, text, regclass'), ('to_regclass', 'text'), ('to_regprocedure', 'text'), ('current_setting', 'text, boolean'), ('current_setting', 'text'),
		('has_function_privilege', 'regprocedure, text'), ('replace', 'text, text, text'), ('unnest', 'text[]'), ('left', 'text, int'), ('coalesce', 'text, text'),
		('lower', 'text'), ('to_jsonb', 'record'), ('jsonb_each', 'jsonb'), ('jsonb_object_agg', 'text, jsonb'), ('greatest', 'timestamptz, timestamptz')) v (name, args) LOOP
		EXECUTE format('CREATE FUNCTION test_shadow.%I(%s) RETURNS text LANGUAGE plpgsql AS $f$ BEGIN RAISE ''shadow function''; END $f$', f.name, f.args);
	END LOOP;
	FOR f IN SELECT *, 'op' || row_number() OVER () AS name FROM (VALUES ('=', 'bigint', 'bigint'), ('=', 'text', 'text'), ('=', 'name', 'text'), ('=', 'oid', 'oid'), ('=', 'oid', 'regclass'), ('=', 'name', 'name'), ('<>', 'jsonb', 'jsonb'),
		('||', 'text', 'text'), ('>', 'timestamptz', 'timestamptz'), ('<=', 'timestamptz', 'timestamptz'), ('~', 'text', 'text')) v (op, l, r) LOOP
		EXECUTE format('CREATE FUNCTION test_shadow.%s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS $f$ BEGIN RAISE ''shadow operator''; END $f$', f.name, f.l, f.r);
		EXECUTE format('CREATE OPERATOR test_shadow.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = test_shadow.%s)', f.op, f.l, f.r, f.name);
	END LOOP;
	-- Tables of our names and the catalogs', that anybody may fill, with a trigger that would run as whoever does.
	FOR f IN SELECT * FROM unnest(ARRAY['appointments', 'appointment_history', 'users', 'waitlist', 'barbers', 'services', 'shops', 'pg_proc', 'pg_policy', 'pg_class', 'pg_namespace']) AS name LOOP
		EXECUTE format('CREATE TEMP TABLE %I (id bigint, user_id bigint, oid oid, proname name, polname name)', f.name);
		EXECUTE format('GRANT ALL ON pg_temp.%I TO PUBLIC', f.name);
		EXECUTE format('CREATE TRIGGER trap BEFORE INSERT OR UPDATE OR DELETE ON pg_temp.%I FOR EACH STATEMENT EXECUTE FUNCTION test_shadow.trap()', f.name);
	END LOOP;
END
$$;
CREATE DOMAIN test_shadow.int8 AS text;
CREATE DOMAIN pg_temp.regclass AS text;
CREATE TYPE test_shadow.visit_item AS (x int);
CREATE ROLE regress_booking_other;
SET LOCAL search_path = test_shadow, pg_temp, pg_catalog;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 AS made FROM booking.enable_row_security();
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 AS granted FROM booking.grant_role('regress_booking_other', 'manager');
SELECT pg_catalog.count(*) FROM booking.enable_row_security();
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '34501';
SELECT status FROM booking.check_in((booking.confirm_appointment(34501)).id);
SELECT status FROM booking.decline_appointment((SELECT id FROM booking.hold_slot(34501, 34501, 34501, '2026-03-04 09:00Z')), 'no');
SELECT status FROM booking.complete_appointment(34501);
SELECT pg_catalog.count(*) FROM booking.get_barber_availability(34501, '2026-03-04');
SELECT pg_catalog.count(*) FROM booking.appointments_at_risk(34501);
SELECT booking.leave_waitlist(booking.join_waitlist(34501, 34501, '2026-03-05 09:00Z', '2026-03-05 12:00Z'));
SELECT pg_catalog.count(*) FROM booking.user_appointments(34501);
SELECT id FROM booking.appointments WHERE id OPERATOR(pg_catalog.=) 34501;
RESET ROLE;
SELECT booking.revoke_role('regress_booking_other');
RESET search_path;
SELECT string_agg(pg_get_expr(polqual, polrelid), E'\n' ORDER BY polrelid::pg_catalog.regclass::text, polname) = :'plain' AS same_policies FROM pg_catalog.pg_policy;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Triggers as functions, functions as triggers
-- ---------------------------------------------------------------------------

CREATE VIEW test.view AS SELECT * FROM booking.appointments;
CREATE TABLE test.parted (id bigint, status text) PARTITION BY LIST (id);
CREATE TABLE test.part PARTITION OF test.parted DEFAULT;
CREATE TABLE test.child (LIKE booking.appointments);
SELECT v.f, v.kind, test.brief(format('DO $d$ BEGIN CREATE TRIGGER t %s EXECUTE FUNCTION booking.%s; %s; SET CONSTRAINTS ALL IMMEDIATE; END $d$', v.kind, v.f, v.statement)) FROM (VALUES
	('book_slot()', 'AFTER INSERT ON booking.users', 'NULL'), ('expire_holds()', 'AFTER INSERT ON booking.users', 'NULL'), ('setup()', 'AFTER INSERT ON booking.users', 'NULL'),
	('guard_before()', 'INSTEAD OF INSERT ON test.view FOR EACH ROW', 'INSERT INTO test.view (id) VALUES (1)'),
	('guard_after()', 'INSTEAD OF UPDATE ON test.view FOR EACH ROW', 'UPDATE test.view SET id = 1'),
	('appointment_changed()', 'INSTEAD OF DELETE ON test.view FOR EACH ROW', 'DELETE FROM test.view'),
	('guard_before()', 'BEFORE INSERT ON test.parted FOR EACH ROW', 'INSERT INTO test.parted VALUES (1)'),
	('guard_after()', 'AFTER INSERT ON test.child FOR EACH ROW', 'INSERT INTO test.child SELECT * FROM booking.appointments'),
	('appointment_changed()', 'AFTER DELETE ON test.child FOR EACH ROW', 'INSERT INTO test.child SELECT * FROM booking.appointments; DELETE FROM test.child'),
	('guard_before(''a'', ''b'')', 'BEFORE UPDATE ON booking.appointments FOR EACH ROW', 'UPDATE booking.appointments SET notes = ''x'''),
	('guard_after()', 'AFTER TRUNCATE ON booking.appointments', 'TRUNCATE booking.appointments CASCADE'),
	('configuration_changed()', 'BEFORE TRUNCATE ON booking.shops', 'TRUNCATE booking.shops CASCADE'),
	('check_steps()', 'AFTER DELETE ON booking.service_steps FOR EACH ROW', 'INSERT INTO booking.service_steps VALUES (34501, 1, 60, 0); DELETE FROM booking.service_steps')
) v (f, kind, statement);
-- As a deferred constraint trigger the second check comes once more, at the end, and finds nothing wrong: also where its row is gone by then.
SELECT test.brief('DO $d$ BEGIN CREATE CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE ON booking.appointments DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION booking.guard_after();
	INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (34501, 34501, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'');
	UPDATE booking.appointments SET notes = ''x''; DELETE FROM booking.appointments; SET CONSTRAINTS ALL IMMEDIATE; END $d$');
SELECT test.brief('CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION booking.guard_before()');
-- In the places where an expression may stand.
SELECT v.statement, left(test.brief(v.statement), 5) AS state FROM (VALUES
	('CREATE INDEX i ON booking.users ((booking.ensure_user(email)))'), ('ALTER TABLE booking.users ADD g bigint GENERATED ALWAYS AS (booking.ensure_user(email)) STORED'),
	('DO $d$ BEGIN ALTER TABLE booking.users ADD CHECK (booking.ensure_user(email) > 0); PERFORM booking.ensure_user(''c34501@example.org''); END $d$'),
	('SELECT booking.guard_before() FROM booking.users'), ('SELECT * FROM booking.guard_after()'), ('CALL booking.guard_before()'),
	('SELECT (booking.book_slot(34501, 34501, NULL, ''2026-03-03 09:00Z'')).*'),
	('SELECT sum(booking.expire_holds()) OVER () FROM generate_series(1, 3)'), ('SELECT booking.free_time(34501, ''2026-03-03''), booking.available_slots(34501, ''2026-03-03'')'),
	('SELECT CASE WHEN true THEN booking.free_time(34501, ''2026-03-03'') END'), ('SELECT * FROM booking.users LIMIT booking.expire_holds()')) v (statement);
-- A trigger of the owner's that books, and so fires itself, ends when the stack does.
SELECT test.brief('DO $d$ BEGIN CREATE FUNCTION test.again() RETURNS trigger LANGUAGE plpgsql AS
	''BEGIN PERFORM booking.book_slot(34501, 34501, NULL, NEW.starts_at + interval ''''1 day'''', NULL, ''''{horizon}''''); RETURN NEW; END'';
	CREATE TRIGGER a_again BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.again();
	PERFORM set_config(''max_stack_depth'', ''200kB'', true); PERFORM booking.book_slot(34501, 34501, NULL, ''2026-03-03 10:00Z''); END $d$');
-- After all of that a booking goes its way.
SELECT starts_at, status FROM booking.book_slot(34501, 34501, 34501, '2026-03-03 09:00Z');
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

ROLLBACK;
