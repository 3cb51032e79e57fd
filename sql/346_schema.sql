--
-- Who else could change what the functions run, and damage of that kind: a
-- schema that is not ours alone, tables, triggers and policies of others,
-- indexes and row security that are not as they were made.  If this fails,
-- somebody reads all customers through a trigger that nobody has seen.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

BEGIN;
CREATE ROLE regress_booking_owner;
CREATE ROLE regress_booking_creator;
CREATE ROLE regress_booking_root SUPERUSER;
CREATE FUNCTION test.do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION test.always(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
-- All tables to one owner, as setup(owner) makes them.
CREATE FUNCTION test.own_tables(owner regrole) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO %s', t, owner);
	END LOOP;
	EXECUTE format('GRANT USAGE ON SCHEMA booking TO %s', owner);
END
$$;

-- ---------------------------------------------------------------------------
-- CREATE EXTENSION
-- ---------------------------------------------------------------------------

SAVEPOINT install;
DROP EXTENSION booking CASCADE;
-- Others who may put objects into the schema; its owner and superusers do as they like anyway.
GRANT CREATE ON SCHEMA booking TO regress_booking_root;
SELECT test.brief('CREATE EXTENSION booking');
GRANT CREATE ON SCHEMA booking TO regress_booking_creator;
SELECT test.error('CREATE EXTENSION booking');
GRANT CREATE ON SCHEMA booking TO PUBLIC;
SELECT test.error('CREATE EXTENSION booking');
REVOKE CREATE ON SCHEMA booking FROM regress_booking_creator, PUBLIC;
-- A table of somebody else's, with code: in the midst of ours, or alone.
ALTER TABLE booking.users OWNER TO regress_booking_creator;
SELECT v.n, l.* FROM (VALUES
	(1, 'CREATE TRIGGER evil BEFORE INSERT ON booking.users FOR EACH ROW EXECUTE FUNCTION test.do_nothing()'),
	(2, 'CREATE RULE evil AS ON INSERT TO booking.users DO ALSO DELETE FROM booking.users'),
	(3, 'CREATE POLICY evil ON booking.users USING (true)'),
	(4, 'CREATE POLICY booking_customer ON booking.users USING (true)'),
	(5, 'ALTER TABLE booking.users ADD CONSTRAINT evil CHECK (test.always(id))'),
	(6, 'ALTER TABLE booking.users ADD evil boolean DEFAULT test.always(1)'),
	(7, 'CREATE INDEX evil ON booking.users ((test.always(id)))')) v (n, statement),
	LATERAL test.error(format('DO $d$ BEGIN %s; CREATE EXTENSION booking; END $d$', v.statement)) WITH ORDINALITY l (line, m) WHERE m <= 2 ORDER BY v.n, l.m;
SELECT test.error('DO $d$ BEGIN CREATE TRIGGER evil BEFORE INSERT ON booking.users FOR EACH ROW EXECUTE FUNCTION test.do_nothing();
	CREATE EXTENSION booking; END $d$');
-- The table is given to another owner, as who would believe that mends it: what its maker put on it is still his. In the midst of ours, and alone.
CREATE SCHEMA creators AUTHORIZATION regress_booking_creator;
CREATE FUNCTION test.left_behind(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	lines text[];
BEGIN
	BEGIN
		GRANT USAGE, CREATE ON SCHEMA booking TO regress_booking_creator;
		SET LOCAL ROLE regress_booking_creator;
		CREATE FUNCTION creators.f(int DEFAULT 1) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
		CREATE FUNCTION creators.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE FUNCTION creators.same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
		CREATE OPERATOR creators.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = creators.same);
		CREATE TABLE creators.log (id bigint, email text);
		CREATE VIEW creators.seen AS SELECT id FROM creators.log WHERE creators.f();
		CREATE DOMAIN creators.d AS int CHECK (creators.f(VALUE));
		CREATE DOMAIN creators.dd AS creators.d DEFAULT 1;
		CREATE TYPE creators.row AS (n int, d creators.dd);
		EXECUTE statement;
		RESET ROLE;
		REVOKE CREATE ON SCHEMA booking FROM regress_booking_creator;
		ALTER TABLE booking.users OWNER TO postgres;
		lines := ARRAY(SELECT test.error('CREATE EXTENSION booking'));
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
	END;
	RETURN QUERY SELECT unnest(lines[1:2]);
END
$$;
GRANT USAGE ON SCHEMA creators, test TO PUBLIC;
SELECT v.n, l.* FROM (VALUES
	(1, 'ALTER TABLE booking.users ADD CHECK (creators.f())'),
	(2, 'ALTER TABLE booking.users ADD x boolean DEFAULT creators.f()'),
	(3, 'ALTER TABLE booking.users ADD x boolean GENERATED ALWAYS AS (creators.f(1)) STORED'),
	(4, 'CREATE INDEX evil ON booking.users (id) WHERE creators.f()'),
	(5, 'CREATE STATISTICS creators.evil ON (creators.f(length(email))), id FROM booking.users'),
	(6, 'CREATE POLICY evil ON booking.users USING (EXISTS (SELECT FROM creators.seen))'),
	(7, 'CREATE RULE evil AS ON UPDATE TO booking.users DO ALSO INSERT INTO creators.log SELECT NEW.id, NEW.email'),
	(8, 'CREATE TRIGGER evil BEFORE INSERT ON booking.users FOR EACH ROW EXECUTE FUNCTION creators.t()'),
	(9, 'ALTER TABLE booking.users ADD CHECK (email OPERATOR(creators.===) name)'),
	(10, 'ALTER TABLE booking.users ADD x creators.d'),
	(11, 'ALTER TABLE booking.users ADD x creators.row[]'),
	(12, 'ALTER TABLE booking.users ADD CHECK (is_active::int::creators.dd > 0)'),
	(13, 'CREATE TABLE creators.parent (email text); ALTER TABLE booking.users INHERIT creators.parent'),
	(14, 'CREATE RULE evil AS ON INSERT TO booking.users DO ALSO DELETE FROM booking.users')) v (n, statement),
	LATERAL test.left_behind(v.statement) WITH ORDINALITY l (line, m) ORDER BY v.n, l.m;
SELECT test.left_behind('SELECT 1');
DROP SCHEMA booking CASCADE;
CREATE SCHEMA booking;
CREATE TABLE booking.users (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, email text, name text, phone text, is_active boolean NOT NULL DEFAULT true);
ALTER TABLE booking.users OWNER TO regress_booking_creator;
GRANT USAGE ON SCHEMA booking TO regress_booking_creator;
SELECT test.left_behind('ALTER TABLE booking.users ADD CHECK (creators.f())');
SELECT test.left_behind('ALTER TABLE booking.users ADD x creators.dd');
SELECT test.error('CREATE EXTENSION booking');
-- All of them his: they are what DROP EXTENSION left, with the owner's triggers and our policies.
ROLLBACK TO install;
SELECT count(*) > 0 AS enabled FROM booking.enable_row_security();
SELECT test.own_tables('regress_booking_owner');
CREATE TRIGGER own BEFORE INSERT ON booking.shops FOR EACH ROW EXECUTE FUNCTION test.do_nothing();
DROP EXTENSION booking CASCADE;
CREATE EXTENSION booking;
SELECT count(*) AS triggers FROM booking.setup();
SELECT * FROM booking.setup();
SELECT * FROM booking.verify(true);
-- Not all: whose the missing ones will be is not his to say.
DROP EXTENSION booking CASCADE;
DROP TABLE booking.waitlist CASCADE;
SELECT test.brief('CREATE EXTENSION booking');
DROP TRIGGER own ON booking.shops;
CREATE EXTENSION booking;

-- ---------------------------------------------------------------------------
-- setup(): new tables belong to whom the others do
-- ---------------------------------------------------------------------------

SELECT s FROM booking.setup() s WHERE s !~ 'trigger';
SELECT relowner::regrole FROM pg_class WHERE oid = 'booking.waitlist'::regclass;
-- and staff who give time back to the line are not refused
SELECT count(*) FROM booking.enable_row_security();
SELECT * FROM booking.setup();
ROLLBACK TO install;

-- ---------------------------------------------------------------------------
-- What verify(), health() and setup() say
-- ---------------------------------------------------------------------------

-- After a statement that is undone: what they name, the status of health() and its checks that are not healthy, and what setup() says.
CREATE FUNCTION test.seen(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	results text[];
BEGIN
	BEGIN
		EXECUTE statement;
		results := ARRAY(SELECT concat_ws(' ', check_name, table_name || ':', detail) COLLATE "C" FROM booking.find_structure_faults() ORDER BY 1)
			|| ARRAY(SELECT format('health: %s, by %s', h ->> 'status', (SELECT string_agg(key, ' ' ORDER BY key)
				FROM jsonb_each(h -> 'checks') WHERE value ->> 'status' <> 'healthy')) FROM booking.health() h)
			|| ARRAY(SELECT 'setup: ' || s FROM booking.setup() s ORDER BY s COLLATE "C");
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
	END;
	RETURN QUERY SELECT unnest(results);
END
$$;
SELECT * FROM test.seen('SELECT 1');

-- Of an honest owner with indexes, triggers and a policy of his own, who may create the indexes here: nothing.
SELECT * FROM test.seen($$SELECT test.own_tables('regress_booking_owner'); GRANT CREATE, USAGE ON SCHEMA booking TO regress_booking_owner;
	CREATE INDEX own ON booking.shops (name); CREATE POLICY own ON booking.shops USING (true);
	CREATE FUNCTION test.owned() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; ALTER FUNCTION test.owned() OWNER TO regress_booking_owner;
	CREATE TRIGGER own BEFORE INSERT ON booking.users FOR EACH ROW EXECUTE FUNCTION test.owned();
	CREATE TRIGGER own BEFORE INSERT ON booking.shops FOR EACH ROW EXECUTE FUNCTION test.do_nothing()$$);
-- 1, 2: others who could; 3: whose the schema is; 4 to 7: overloads, also of the owner's, and other objects.
-- 8: functions, views and types of ours that somebody else may replace; 9: triggers that somebody else could make, 10: or has made.
SELECT v.n, s FROM (VALUES
	(1, 'GRANT CREATE ON SCHEMA booking TO regress_booking_creator'),
	(2, 'GRANT CREATE ON SCHEMA booking TO PUBLIC'),
	(3, 'ALTER SCHEMA booking OWNER TO regress_booking_creator'),
	(4, 'CREATE FUNCTION booking.cancel_appointment(int) RETURNS int LANGUAGE sql AS ''SELECT 1''; ALTER FUNCTION booking.cancel_appointment(int) OWNER TO regress_booking_creator'),
	(5, 'CREATE FUNCTION booking.helper() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
	(6, 'CREATE FUNCTION test.same(text, text) RETURNS boolean LANGUAGE sql AS ''SELECT true''; CREATE OPERATOR booking.= (LEFTARG = text, RIGHTARG = text, FUNCTION = test.same)'),
	(7, 'CREATE TYPE booking.mood AS ENUM (''good''); CREATE DOMAIN booking.text AS int; CREATE TYPE booking.pair AS (a int, b int); CREATE TYPE booking.span AS RANGE (SUBTYPE = int)'),
	(8, 'ALTER FUNCTION booking.health() OWNER TO regress_booking_creator; ALTER VIEW booking.stats OWNER TO regress_booking_creator; ALTER TYPE booking.slot OWNER TO regress_booking_creator'),
	(9, 'GRANT SELECT, UPDATE, REFERENCES, TRIGGER, TRUNCATE ON booking.users TO regress_booking_creator; GRANT REFERENCES (id) ON booking.shops TO regress_booking_creator'),
	(10, 'ALTER FUNCTION test.do_nothing() OWNER TO regress_booking_creator; CREATE TRIGGER evil BEFORE INSERT ON booking.users FOR EACH ROW EXECUTE FUNCTION test.do_nothing()'),
	(11, 'GRANT SELECT, UPDATE ON booking.users TO PUBLIC; GRANT SELECT (user_id) ON booking.shop_customers TO PUBLIC'),
	(12, 'CREATE FUNCTION test.f() RETURNS boolean LANGUAGE sql AS ''SELECT true''; ALTER FUNCTION test.f() OWNER TO regress_booking_creator; ALTER TABLE booking.users ADD CHECK (test.f())'),
	(13, 'CREATE DOMAIN test.d AS int CHECK (test.always(VALUE)); ALTER DOMAIN test.d OWNER TO regress_booking_creator; ALTER TABLE booking.users ADD x test.d[]'),
	(14, 'CREATE VIEW booking.peek AS SELECT 1 AS n; ALTER VIEW booking.peek OWNER TO regress_booking_creator'),
	-- the owner's own business
	(15, 'CREATE VIEW booking.peek AS SELECT * FROM booking.users; CREATE TABLE booking.notes (n int); GRANT SELECT ON booking.peek TO regress_booking_creator')
	) v (n, statement), LATERAL test.seen(v.statement) WITH ORDINALITY l (s, m) ORDER BY v.n, l.m;
-- A table of another owner, with what he has put on it.
SELECT check_name, table_name, detail FROM booking.find_schema_faults();
SAVEPOINT s;
CREATE TRIGGER evil BEFORE INSERT ON booking.users FOR EACH ROW EXECUTE FUNCTION test.do_nothing();
CREATE RULE evil AS ON INSERT TO booking.users DO ALSO DELETE FROM booking.users;
CREATE POLICY evil ON booking.users USING (true);
CREATE POLICY booking_customer ON booking.users USING (true);
SELECT check_name, table_name, detail FROM booking.find_schema_faults();
ALTER TABLE booking.users OWNER TO regress_booking_creator;
SELECT check_name, table_name, detail COLLATE "C" AS detail FROM booking.find_schema_faults() ORDER BY 1, 2, 3;
SELECT booking.health() #> '{checks,privileges}' AS privileges;
ROLLBACK TO s;

-- A parent, be it the owner's own: who may read its rows reads ours. What was made before the settings of a session counts for nothing.
SAVEPOINT s;
CREATE TABLE test.parent (email text);
ALTER TABLE booking.users INHERIT test.parent;
SELECT test.error('SELECT booking.check_tables()');
ALTER TABLE test.parent OWNER TO regress_booking_creator;
SELECT check_name, table_name, detail FROM booking.find_schema_faults();
ROLLBACK TO s;
SET LOCAL quote_all_identifiers = on;
SET LOCAL standard_conforming_strings = off;
SET LOCAL escape_string_warning = off;
SELECT count(*) FROM booking.verify(true);
SELECT booking.health() -> 'status' AS status, booking.metrics() ~ 'status="healthy"} 1' AS has_metrics;
SELECT count(*) FROM booking.setup();
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Overloads catch no call of ours
-- ---------------------------------------------------------------------------

INSERT INTO booking.shops (id, name) VALUES (34601, 'Schema');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (34601, 34601, 'Sid');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (34601, 34601, 'Cut', 60);
INSERT INTO booking.users (id, email) VALUES (34601, 'u34601@example.org'), (34602, 'u34602@example.org');
SET LOCAL session_replication_role = replica;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
SELECT 34600 + n, 34601, 34601, 34600 + n, t, t + interval '1 hour', t, t + interval '1 hour'
FROM generate_series(1, 2) n, LATERAL (SELECT timestamptz '2126-03-04 09:00Z' + n * interval '30 min') x (t);
UPDATE booking.appointments SET user_id = 34699 WHERE id = 34601;
SET LOCAL session_replication_role = origin;
SELECT check_name, table_name, row_id, detail FROM booking.verify();
SAVEPOINT s;
DO $$
DECLARE
	f text;
BEGIN
	FOREACH f IN ARRAY ARRAY['find_overlaps(timestamptz, text, timestamptz, text)', 'find_overlaps(timestamptz, bigint[], text, timestamptz)',
		'find_overlaps(timestamptz, anyelement, timestamptz, timestamptz)', 'find_rule_faults(boolean, text)', 'find_life_faults(boolean, date)',
		'find_limit_faults(anyelement, timestamptz)', 'find_row_faults(boolean, text)', 'find_row_faults(anyelement, timestamp)'] LOOP
		EXECUTE format('CREATE FUNCTION booking.%s RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
			LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION ''caught''; END $f$', f);
	END LOOP;
END
$$;
SELECT check_name, table_name, row_id, CASE WHEN check_name = 'overloaded_function' THEN split_part(detail, ' of role', 1) ELSE detail END COLLATE "C" AS detail
FROM booking.verify() ORDER BY 1, 2, 3, 4;
SELECT booking.health() #>> '{checks,privileges,status}' AS privileges, booking.health() #>> '{checks,tables,status}' AS tables;
-- One with a default makes the call an error, which names it.
CREATE FUNCTION booking.find_schema_faults(int DEFAULT 1) RETURNS SETOF text LANGUAGE sql AS 'SELECT NULL';
SELECT booking.health() #> '{checks,privileges}' AS privileges;
SELECT test.brief('SELECT booking.setup()');
-- grant_role() grants what is the extension's, whatever else has its name.
CREATE FUNCTION booking.health(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION booking.health(int) FROM PUBLIC;
SELECT count(*) AS granted FROM booking.grant_role('regress_booking_creator', 'monitor') g WHERE g ~ 'health';
SELECT has_function_privilege('regress_booking_creator', 'booking.health(int)', 'EXECUTE') AS may;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- A monitor sees figures
-- ---------------------------------------------------------------------------

CREATE ROLE regress_booking_monitor;
CREATE ROLE regress_booking_manager;
CREATE ROLE regress_booking_pg_monitor IN ROLE pg_monitor;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_monitor', 'monitor');
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_manager', 'manager');
GRANT EXECUTE ON FUNCTION booking.verify TO regress_booking_pg_monitor;
GRANT USAGE ON SCHEMA test TO PUBLIC;
ALTER TABLE booking.shops DISABLE TRIGGER check_time_zone;
SET LOCAL ROLE regress_booking_monitor;
SELECT * FROM booking.verify();
SELECT check_name, table_name, row_id, detail FROM booking.verify(true) WHERE table_name = 'appointments';
-- No id of a row or customer anywhere.
SELECT count(*) FROM booking.verify(true) v WHERE v::text ~ '346\d\d';
SELECT booking.health()::text ~ '346\d\d' AS in_health, booking.metrics() ~ '[^.0-9]346\d\d[^.0-9]' AS in_metrics;
SET LOCAL booking.user_id = '34602';
SELECT * FROM booking.verify();
SET LOCAL booking.user_id = '';
SET LOCAL ROLE regress_booking_pg_monitor;
SELECT * FROM booking.verify();
-- Who may read the appointments is told which; under row security nobody may read all, but the owner and superusers.
SET LOCAL ROLE regress_booking_manager;
SELECT * FROM booking.verify();
RESET ROLE;
SAVEPOINT s;
SELECT count(*) > 0 AS enabled FROM booking.enable_row_security();
SET LOCAL ROLE regress_booking_manager;
SET LOCAL booking.shop_id = '34601';
SELECT * FROM booking.verify();
RESET ROLE;
SELECT * FROM booking.verify();
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- What everybody may call tells of no appointment
-- ---------------------------------------------------------------------------

-- Where one could move to is told to those alone who may move it, and the refusal is the same whether it is there or not, whoever is named.
CREATE ROLE regress_booking_nobody;
GRANT USAGE ON SCHEMA booking TO regress_booking_nobody;
CREATE FUNCTION test.probe(service bigint, appointment bigint, overrides text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT test.error(format('SELECT * FROM booking.available_slots(%L, ''2126-03-04'', for_appointment_id => %L, overrides => %L)', service, appointment, overrides))
$$;
-- How many different answers a role gets to all of these, and one of them.
CREATE FUNCTION test.probe_all(OUT answers bigint, OUT answer text) LANGUAGE plpgsql AS $$
DECLARE
	customer text;
	lines text[];
BEGIN
	FOREACH customer IN ARRAY ARRAY['', '34602', '34603', '9223372036854775807'] LOOP
		PERFORM set_config('booking.user_id', customer, true);
		lines := lines || ARRAY(SELECT string_agg(p.line, ' ' ORDER BY p.n)
			FROM unnest(ARRAY[34601, 34699]) s, unnest(ARRAY[34601, 34602, 34699, 0, -1]) a, unnest(ARRAY[NULL, '{}']) o,
				LATERAL test.probe(s, a, o) WITH ORDINALITY p (line, n) GROUP BY s, a, o);
	END LOOP;
	SELECT count(DISTINCT l), min(l) INTO answers, answer FROM unnest(lines) l;
END
$$;
SET LOCAL ROLE regress_booking_nobody;
SELECT * FROM test.probe_all();
SET LOCAL ROLE regress_booking_monitor;
SELECT * FROM test.probe_all();
SET LOCAL ROLE regress_booking_pg_monitor;
SELECT * FROM test.probe_all();
RESET ROLE;
SET LOCAL booking.user_id = '';
-- Of the functions that everybody may execute, these take an id of an appointment or a customer.
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'booking'::regnamespace AND has_function_privilege('regress_booking_nobody', p.oid, 'EXECUTE')
AND EXISTS (SELECT FROM unnest(proargnames[1:pronargs]) n WHERE n ~ '(appointment|user|customer|entry|visit)_id|key|email|phone');
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Indexes and row security that are not as they were made
-- ---------------------------------------------------------------------------

BEGIN;
CREATE FUNCTION test.rebuilt(index text, columns text) RETURNS TABLE (status text, line text) LANGUAGE plpgsql AS $$
DECLARE
	health jsonb;
	lines text[];
BEGIN
	BEGIN
		EXECUTE format('DROP INDEX booking.%1$I; CREATE %2$s INDEX %1$I ON booking.%3$s', index, CASE WHEN columns ~ '^U:' THEN 'UNIQUE' END, regexp_replace(columns, '^U:', ''));
		health := booking.health() #> '{checks,indexes}';
		lines := ARRAY(SELECT booking.setup());
		-- What setup() says mends it.
		EXECUTE substring(lines[1], '; (DROP INDEX [\w.]+),');
		lines := lines || ARRAY(SELECT booking.setup()) || ARRAY(SELECT booking.setup());
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
	END;
	RETURN QUERY SELECT concat_ws(': ', health ->> 'status', health ->> 'detail'), unnest(lines);
END
$$;
SELECT v.n, r.* FROM (VALUES
	(1, 'idx_appointments_barber_date', 'appointments (barber_id, starts_at DESC)'),
	(2, 'idx_appointments_barber_date', 'appointments USING brin (barber_id, starts_at)'),
	(3, 'idx_appointments_barber_date', 'appointments (barber_id, starts_at) WHERE status <> ''expired'''),
	(4, 'idx_appointments_barber_date', 'appointments (barber_id) INCLUDE (starts_at)'),
	(5, 'idx_appointments_barber_date', 'appointments ((barber_id::int), starts_at)'),
	(6, 'idx_appointments_barber_date', 'U:appointments (barber_id, starts_at)'),
	(7, 'idx_appointments_availability_check', 'appointments (barber_id, busy_from) INCLUDE (busy_until, hold_expires_at) WHERE status IN (''PENDING'', ''confirmed'', ''checked_in'')'),
	(8, 'idx_appointments_availability_check', 'appointments (barber_id, busy_from) INCLUDE (busy_until, hold_expires_at) WHERE status IN (''confirmed'', ''checked_in'')'),
	(9, 'idx_appointments_user_status', 'appointments (user_id, status text_pattern_ops)'),
	(10, 'idx_appointments_user_status', 'appointments (user_id, status) WHERE user_id IS NULL'),
	(11, 'idx_users_email_active', 'U:users (lower(email)) WHERE is_active'),
	(12, 'idx_waitlist_waiting', 'waitlist (service_id, id, earliest, latest) WHERE status = ''Waiting'''),
	(13, 'idx_appointments_availability_check', 'appointments (barber_id, busy_from) INCLUDE (busy_until, hold_expires_at) WHERE status IN (''pend ing'', ''confirmed '', ''checked_in'')'),
	(14, 'idx_waitlist_waiting', 'waitlist (service_id, id, earliest, latest) WHERE status = ''(waiting)''::text'),
	(15, 'idx_users_phone_active', 'U:users (regexp_replace(phone, ''[^0-9+ ]'', '''', ''g'')) WHERE is_active AND email IS NULL')) v (n, index, columns),
	LATERAL test.rebuilt(v.index, v.columns) WITH ORDINALITY r (status, line, m) ORDER BY v.n, r.m;
-- How much space is left free is the owner's business.
DROP INDEX booking.idx_appointments_barber_date;
CREATE INDEX idx_appointments_barber_date ON booking.appointments (barber_id, starts_at) WITH (fillfactor = 70);
SELECT * FROM booking.setup();
-- Something else that has the name of an index, or of a trigger.
SAVEPOINT s;
DROP INDEX booking.idx_appointments_visit;
CREATE TABLE booking.idx_appointments_visit ();
ALTER TABLE booking.shops DISABLE TRIGGER check_time_zone;
DROP TRIGGER history ON booking.appointments;
CREATE TRIGGER history BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION booking.guard_before();
SELECT * FROM booking.setup();
ROLLBACK TO s;
-- A primary key on other columns, or one that may be broken for a while.
SAVEPOINT s;
ALTER TABLE booking.blocked_customers DROP CONSTRAINT blocked_customers_pkey, ADD PRIMARY KEY (user_id);
SELECT table_name, detail FROM booking.find_catalog_faults();
ALTER TABLE booking.blocked_customers DROP CONSTRAINT blocked_customers_pkey, ADD PRIMARY KEY (shop_id, user_id) DEFERRABLE;
SELECT table_name, detail FROM booking.find_catalog_faults();
ROLLBACK TO s;

-- Row security: nothing while it is off, or as it was made.
SELECT * FROM booking.find_policy_faults();
SELECT count(*) > 0 AS enabled FROM booking.enable_row_security();
SELECT * FROM booking.find_policy_faults();
SELECT * FROM booking.enable_row_security();
-- Damage, what health() makes of it, and what enable_row_security() does about it.
CREATE FUNCTION test.repaired(statement text) RETURNS TABLE (faults text[], mended text[], status text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE statement;
		faults := ARRAY(SELECT concat_ws(' ', f.check_name, f.table_name || ':', f.detail) COLLATE "C" FROM booking.find_policy_faults() f ORDER BY 1);
		status := booking.health() #>> '{checks,row_security,status}';
		mended := ARRAY(SELECT e FROM booking.enable_row_security() e ORDER BY e COLLATE "C");
		status := status || ', then ' || (booking.health() #>> '{checks,row_security,status}');
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
	END;
	RETURN NEXT;
END
$$;
SELECT v.n, r.status, l.line FROM (VALUES
	(1, 'ALTER TABLE booking.users DISABLE ROW LEVEL SECURITY'),
	(2, 'ALTER TABLE booking.appointments DISABLE ROW LEVEL SECURITY; ALTER TABLE booking.waitlist DISABLE ROW LEVEL SECURITY'),
	(3, 'DROP POLICY booking_customer ON booking.appointments'),
	(4, 'DROP POLICY booking_customer ON booking.appointments; CREATE POLICY booking_customer ON booking.appointments USING (true)'),
	(5, 'ALTER POLICY booking_customer ON booking.users USING (id = 1 OR id = (SELECT nullif(current_setting(''booking.user_id'', true), '''')::bigint))'),
	(6, 'ALTER POLICY booking_customer ON booking.users TO pg_monitor'),
	(7, 'ALTER POLICY booking_customer ON booking.users WITH CHECK (true)'),
	(8, 'DROP POLICY booking_shop ON booking.blocked_customers; CREATE POLICY booking_shop ON booking.blocked_customers AS RESTRICTIVE USING (true)'),
	(9, 'ALTER POLICY booking_customer ON booking.waitlist RENAME TO another')) v (n, statement),
	LATERAL test.repaired(v.statement) r, LATERAL unnest(r.faults || r.mended) WITH ORDINALITY l (line, m) ORDER BY v.n, l.m;
-- Each policy, replaced by one that lets everything through, is found and put right.
SELECT p.on_table, p.name, r.faults[1] ~ '^altered_policy' AS found, r.mended = ARRAY[format('replaced policy %s on %s', p.name, p.on_table)] AS mended
FROM booking.row_policies() p, LATERAL test.repaired(format('DROP POLICY %1$I ON booking.%2$I; CREATE POLICY %1$I ON booking.%2$I USING (true)', p.name, p.on_table)) r
WHERE r.faults[1] !~ '^altered_policy' OR r.mended <> ARRAY[format('replaced policy %s on %s', p.name, p.on_table)];
-- No policy is left at all, but row security is on; policies of one's own alone are one's own business.
SELECT r.status, cardinality(r.faults) = (SELECT count(*) FROM booking.row_policies()) AS all_missing FROM test.repaired('DO $d$ DECLARE p record;
	BEGIN FOR p IN SELECT * FROM booking.row_policies() LOOP EXECUTE format(''DROP POLICY %I ON booking.%I'', p.name, p.on_table); END LOOP; END $d$') r;
-- Columns that were added or renamed since make no difference.
ALTER TABLE booking.users ADD extra text;
ALTER TABLE booking.appointments ADD extra text;
ALTER TABLE booking.barbers RENAME priority TO weight;
SELECT * FROM booking.find_policy_faults();
ALTER TABLE booking.barbers RENAME weight TO priority;
SELECT count(*) > 0 AS disabled FROM booking.disable_row_security();
SELECT * FROM booking.find_policy_faults();
CREATE POLICY own ON booking.users USING (true);
ALTER TABLE booking.users ENABLE ROW LEVEL SECURITY;
SELECT * FROM booking.find_policy_faults();
-- All of ours are gone, and row security is off for one: the others let nothing through.
SAVEPOINT s;
DROP POLICY own ON booking.users;
DO $$ DECLARE t text; BEGIN
	FOR t IN SELECT DISTINCT on_table FROM booking.row_policies() LOOP EXECUTE format('ALTER TABLE booking.%I ENABLE ROW LEVEL SECURITY', t); END LOOP;
END $$;
ALTER TABLE booking.users DISABLE ROW LEVEL SECURITY;
SELECT * FROM booking.find_policy_faults() WHERE check_name = 'disabled_row_security';
SELECT booking.health() #>> '{checks,row_security,status}' AS status;
ROLLBACK TO s;
-- What else lets through is the owner's choice, and named.
SELECT count(*) > 0 AS enabled FROM booking.enable_row_security();
CREATE POLICY narrow ON booking.users AS RESTRICTIVE USING (true);
CREATE VIEW test.peek AS SELECT id FROM booking.users;
CREATE VIEW test.own_peek AS SELECT id FROM booking.users;
CREATE VIEW test.honest WITH (security_invoker) AS SELECT id FROM booking.users;
GRANT SELECT ON test.peek, test.honest TO pg_monitor;
SELECT booking.health() #> '{checks,row_security}' AS row_security;
ROLLBACK TO s;
-- has_policy() knows ours alone, and parses nothing that a caller says.
SELECT d, booking.has_policy('users', d) AS of_users, booking.has_policy(d, 'booking_customer') AS on_table
FROM unnest(ARRAY['booking_customer', 'own', 'users', '', 'x USING (true); DROP TABLE booking.users', 'pg_authid']) d;
SELECT count(*) > 0 AS enabled, booking.has_policy(NULL, 'booking_customer') AS none FROM booking.enable_row_security();
SELECT booking.has_policy('users', 'booking_customer') AS same;
ALTER POLICY booking_customer ON booking.users USING (true);
SELECT booking.has_policy('users', 'booking_customer') AS same;
ROLLBACK;
