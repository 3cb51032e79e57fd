--
-- Installing: CREATE EXTENSION, setup(), and what DROP EXTENSION may take.
--
-- This file makes the tables that all the others work on, and the helpers they
-- print with; run it first when running a single file:
--   make installcheck REGRESS="010_install 030_hours"
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
DROP SCHEMA IF EXISTS test CASCADE;
CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

-- What a statement raises: SQLSTATE and message, DETAIL, HINT; its effects are
-- undone, also when it raises nothing.
CREATE FUNCTION test.error(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	BEGIN
		EXECUTE statement;
		RAISE SQLSTATE 'OK000' USING MESSAGE = 'no error';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
			detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	END;
	RETURN NEXT state || ' ' || message;
	IF detail <> '' THEN RETURN NEXT 'DETAIL: ' || detail; END IF;
	IF hint <> '' THEN RETURN NEXT 'HINT: ' || hint; END IF;
END
$$;

-- The same in one line, without DETAIL and HINT.
CREATE FUNCTION test.brief(statement text) RETURNS text LANGUAGE sql AS $$
SELECT line FROM test.error(statement) WITH ORDINALITY AS e (line, n) WHERE n = 1
$$;

-- ---------------------------------------------------------------------------
-- CREATE EXTENSION and setup()
-- ---------------------------------------------------------------------------

-- The extension is installed in its own schema; were it relocatable, the C code would not find its tables.
CREATE EXTENSION booking;
SELECT extrelocatable, extnamespace::regnamespace FROM pg_extension WHERE extname = 'booking';

-- Before setup() there is no table; a call must say how to make them.
SELECT test.error('SELECT * FROM booking.available_slots(1, ''2026-03-02'')');
SELECT test.error('SELECT * FROM booking.book_slot(1, 1, NULL, ''2026-03-02 10:00Z'')');
SELECT test.error('SELECT * FROM booking.active_services(1)');

-- 14 tables, 25 indexes, 6 triggers that guard and keep history, and 18 that watch the configuration, half of them for
-- what logical replication writes: a missing line is a missing promise.
SELECT * FROM booking.setup();

-- The second call has nothing to do; a line here would mean that it changes what exists.
SELECT * FROM booking.setup();

-- The tables are the caller's and no members; types and functions are members, and have comments.
SELECT count(*) AS tables, bool_and(relowner = current_user::regrole) AS owned_by_caller
FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r';
SELECT c.relkind, count(*)
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
JOIN pg_class c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
WHERE e.extname = 'booking' AND d.deptype = 'e' GROUP BY 1;
SELECT p.oid::regprocedure AS function_without_comment
FROM pg_proc p WHERE p.pronamespace = 'booking'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT t.typname AS type_without_comment
FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
WHERE t.typnamespace = 'booking'::regnamespace AND obj_description(t.oid, 'pg_type') IS NULL ORDER BY 1;

-- What the functions promise the planner.  A function that writes must be volatile and parallel unsafe.
SELECT p.proname, p.provolatile AS volatility, p.proparallel AS parallel, p.proisstrict AS strict,
	has_function_privilege('public', p.oid, 'EXECUTE') AS public
FROM pg_proc p
WHERE p.pronamespace = 'booking'::regnamespace AND p.prorettype <> 'trigger'::regtype
ORDER BY p.proname COLLATE "C";

-- The indexes are the ones the design names, valid and with those keys.
SELECT indexname, regexp_replace(indexdef, '^.* USING btree ', '') AS keys
FROM pg_indexes WHERE schemaname = 'booking' AND indexname LIKE 'idx%' ORDER BY indexname COLLATE "C";

-- No column, default, CHECK or index of a table may depend on the extension: CASCADE would take it along.
SELECT d.classid::regclass, count(*)
FROM pg_depend d
WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'booking'::regnamespace)
OR d.refclassid = 'pg_type'::regclass AND d.deptype <> 'i' AND d.refobjid IN (
	SELECT t.oid FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
	WHERE t.typnamespace = 'booking'::regnamespace)
AND d.classid <> 'pg_proc'::regclass
GROUP BY 1 ORDER BY 1;

-- ---------------------------------------------------------------------------
-- DROP EXTENSION
-- ---------------------------------------------------------------------------

INSERT INTO booking.shops (id, name) VALUES (10, 'Install');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (10, 10, 'Ina');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (10, 10, 'Cut', 30);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (10, 10, 10, '2026-03-02 10:00Z', '2026-03-02 10:30Z');

-- Plain DROP EXTENSION is refused, as triggers depend on it.
SELECT test.brief('DROP EXTENSION booking');

-- CASCADE takes the triggers alone: an appointment lost here is a customer at a closed door.
DROP EXTENSION booking CASCADE;
SELECT id, barber_id, starts_at, busy_from, status FROM booking.appointments;
SELECT count(*) AS triggers_left FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'booking'::regnamespace);

-- The schema now has tables, row types and sequences of its own, and CREATE EXTENSION takes it; setup() puts the triggers back.
CREATE EXTENSION booking;
SELECT * FROM booking.setup();
SELECT test.error($$INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
VALUES (10, 10, '2026-03-02 10:15Z', '2026-03-02 10:45Z')$$);

-- One trigger lost by hand comes back alone.
DROP TRIGGER zz_guard_before ON booking.appointments;
DROP INDEX booking.idx_barbers_active;
SELECT * FROM booking.setup();

-- A trigger that only replication fires has become one that replication does not fire; one that somebody has switched off stays so.
ALTER TABLE booking.shops ENABLE TRIGGER ALL;
ALTER TABLE booking.barbers DISABLE TRIGGER ALL;
SELECT * FROM booking.setup();
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
WHERE NOT tgisinternal AND tgrelid IN ('booking.shops'::regclass, 'booking.barbers'::regclass) ORDER BY tgrelid::regclass::text, tgname;
ALTER TABLE booking.barbers ENABLE TRIGGER ALL;
SELECT * FROM booking.setup();

-- ---------------------------------------------------------------------------
-- setup() for another owner
-- ---------------------------------------------------------------------------

BEGIN;
CREATE ROLE regress_booking_owner;
CREATE ROLE regress_booking_guest;
DROP SCHEMA booking CASCADE;
CREATE EXTENSION booking;
SELECT count(*) FROM booking.setup('regress_booking_owner');
-- All tables and their sequences are the owner's, who can also use the schema.
SELECT relkind, count(*) FROM pg_class
WHERE relnamespace = 'booking'::regnamespace AND relkind IN ('r', 'S') AND relowner = 'regress_booking_owner'::regrole
GROUP BY 1 ORDER BY 1;
SELECT has_schema_privilege('regress_booking_owner', 'booking', 'USAGE') AS owner_uses_schema,
	has_schema_privilege('regress_booking_guest', 'booking', 'USAGE') AS guest_uses_schema;
ROLLBACK;

-- setup() is not for everybody.
BEGIN;
CREATE ROLE regress_booking_guest;
GRANT USAGE ON SCHEMA booking TO regress_booking_guest;
SET LOCAL ROLE regress_booking_guest;
SELECT test.brief('SELECT booking.setup()');
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Tables that are not as setup() makes them
-- ---------------------------------------------------------------------------

-- A column renamed: the error names table and column, the type it should have, and where to look.
BEGIN;
ALTER TABLE booking.services RENAME duration_minutes TO minutes;
SELECT test.error('SELECT * FROM booking.available_slots(10, ''2026-03-02'')');
SELECT test.error('SELECT booking.check_tables()');
SELECT test.error('SELECT booking.setup()');
ROLLBACK;

-- A column of another type.
BEGIN;
ALTER TABLE booking.appointments ALTER price_cents TYPE int;
SELECT test.error('SELECT * FROM booking.book_slot(10, 10, NULL, ''2026-03-02 10:00Z'')');
ROLLBACK;

-- A table missing, and one that is a view.
BEGIN;
DROP TABLE booking.time_off;
SELECT test.error('SELECT * FROM booking.free_time(10, ''2026-03-02'')');
CREATE VIEW booking.time_off AS SELECT 1 AS id;
SELECT test.error('SELECT * FROM booking.free_time(10, ''2026-03-02'')');
ROLLBACK;

-- An index missing, and one of that name on another column.
BEGIN;
DROP INDEX booking.idx_appointments_availability_check;
SELECT test.error('SELECT * FROM booking.free_time(10, ''2026-03-02'')');
CREATE INDEX idx_appointments_availability_check ON booking.appointments (barber_id);
SELECT test.error('SELECT * FROM booking.free_time(10, ''2026-03-02'')');
ROLLBACK;

-- setup() meets a table of the same name that is somebody else's: nothing is built on it.
BEGIN;
ALTER TABLE booking.time_off RENAME TO old_time_off;
CREATE TABLE booking.time_off (id bigint, employee text);
SELECT test.error('SELECT booking.setup()');
ROLLBACK;

-- After all that the right tables work again.
SELECT booking.check_tables();
SELECT count(*) FROM booking.free_time(10, '2026-03-02');

-- ---------------------------------------------------------------------------
-- A schema that is not ours alone
-- ---------------------------------------------------------------------------

-- Functions, operators and types in the schema could stand in for ours or the system's.
BEGIN;
DROP EXTENSION booking CASCADE;
CREATE FUNCTION booking.available_slots() RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT test.error('CREATE EXTENSION booking');
ROLLBACK;
BEGIN;
DROP EXTENSION booking CASCADE;
CREATE FUNCTION test.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR booking.= (LEFTARG = text, RIGHTARG = text, FUNCTION = test.same);
SELECT test.error('CREATE EXTENSION booking');
ROLLBACK;
BEGIN;
DROP EXTENSION booking CASCADE;
CREATE TYPE booking.slot AS (x int);
SELECT test.error('CREATE EXTENSION booking');
DROP TYPE booking.slot;
CREATE DOMAIN booking.text AS int;
SELECT test.error('CREATE EXTENSION booking');
DROP DOMAIN booking.text;
CREATE TYPE booking.mood AS ENUM ('good');
SELECT test.error('CREATE EXTENSION booking');
ROLLBACK;

-- The schema of somebody who is no superuser.
BEGIN;
CREATE ROLE regress_booking_owner;
DROP EXTENSION booking CASCADE;
ALTER SCHEMA booking OWNER TO regress_booking_owner;
SELECT test.error('CREATE EXTENSION booking');
ROLLBACK;

-- Somebody who is no superuser cannot create the extension.
BEGIN;
CREATE ROLE regress_booking_owner;
DROP EXTENSION booking CASCADE;
SET LOCAL ROLE regress_booking_owner;
SELECT test.brief('CREATE EXTENSION booking');
ROLLBACK;

-- Leave the tables as the other files expect them.
DELETE FROM booking.appointments WHERE barber_id = 10;
DELETE FROM booking.services WHERE id = 10;
DELETE FROM booking.barbers WHERE id = 10;
DELETE FROM booking.shops WHERE id = 10;
SELECT * FROM booking.setup();

-- ---------------------------------------------------------------------------
-- What the other files print with
-- ---------------------------------------------------------------------------

-- The slots of a service, one line for a barber and date, in the session's time zone.
CREATE FUNCTION test.slots(service bigint, from_date date, to_date date DEFAULT NULL, barber bigint DEFAULT NULL)
RETURNS TABLE (barber_id bigint, day date, slots bigint, starts text) LANGUAGE sql AS $$
SELECT s.barber_id, s.starts_at::date, count(*), string_agg(to_char(s.starts_at, 'HH24:MI'), ' ' ORDER BY s.starts_at)
FROM booking.available_slots(service, from_date, to_date, barber) s
GROUP BY 1, 2 ORDER BY 1, 2
$$;

-- Free time of a barber, one line for a date.
CREATE FUNCTION test.free(barber bigint, from_date date, to_date date DEFAULT NULL)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz, hours numeric) LANGUAGE sql AS $$
SELECT f.starts_at, f.ends_at, round(extract(epoch FROM f.ends_at - f.starts_at) / 3600, 2)
FROM booking.free_time(barber, from_date, to_date) f ORDER BY 1
$$;
