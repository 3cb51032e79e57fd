--
-- Code of the tables' owner, who is no superuser, in calls by a superuser: it
-- runs as the owner, within the call, and leaves nothing behind.  If this
-- breaks, whoever owns the tables may do what any caller may.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

CREATE ROLE regress_booking_owner;
CREATE SCHEMA shop_code AUTHORIZATION regress_booking_owner;
GRANT USAGE, CREATE ON SCHEMA booking TO regress_booking_owner;
GRANT USAGE ON SCHEMA shop_code TO PUBLIC;
INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes) VALUES (11801, 'Owned', 'UTC', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (11801, 11801, 'Ann'), (11802, 11801, 'Ben');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT b, d, '09:00', '17:00' FROM generate_series(1, 7) d, generate_series(11801, 11802) b;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (11801, 11801, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (11801, 11801), (11802, 11801);
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(11801, 11805) n;
DO $$
DECLARE
	part record;
BEGIN
	FOR part IN SELECT * FROM booking.schema_parts() p WHERE p.kind = 'table' LOOP
		EXECUTE format('ALTER TABLE booking.%I OWNER TO regress_booking_owner', part.name);
	END LOOP;
END
$$;

-- ---------------------------------------------------------------------------
-- What would be run when the transaction ends
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_owner;
CREATE FUNCTION shop_code.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
RESET ROLE;
SAVEPOINT kind;
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON booking.appointments DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION shop_code.nothing();
SELECT test.error($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z')$$);
-- A writer of his own: as in any table.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
VALUES (11801, 11801, 11801, '2026-03-02 09:00Z', '2026-03-02 10:00Z', 'pending', '2026-03-01 11:00Z'),
	(11802, 11801, 11801, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'confirmed', NULL);
SELECT v.call, test.brief('SELECT booking.' || v.call) FROM (VALUES ('expire_holds()'), ('cancel_appointment(11802)'),
	('reschedule_appointment(11802, ''2026-03-03 09:00Z'')'), ('check_in(11802)'), ('hold_slot(11801, 11801, 11801, ''2026-03-02 09:00Z'')')) v (call);
ROLLBACK TO kind;
-- One that is deferred by the caller.
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON booking.appointments DEFERRABLE INITIALLY IMMEDIATE
FOR EACH ROW EXECUTE FUNCTION shop_code.nothing();
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z');
SET CONSTRAINTS ALL DEFERRED;
SELECT test.error($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-02 10:00Z')$$);
ROLLBACK TO kind;
-- Of another table of ours, of one that the owner's code writes to, of keys.
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON booking.users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop_code.nothing();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON booking.waitlist DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop_code.nothing();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON booking.appointment_history DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop_code.nothing();
SELECT id AS a FROM booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z') \gset
SELECT split_part(v.call, '(', 1) AS call, test.brief('SELECT booking.' || v.call) FROM (VALUES ('ensure_user(''new@example.org'')'),
	('join_waitlist(11802, 11801, ''2026-03-02 09:00Z'', ''2026-03-03 09:00Z'')'), ('cancel_appointment(' || :a || ')')) v (call);
ROLLBACK TO kind;
SET LOCAL ROLE regress_booking_owner;
CREATE TABLE shop_code.log (id bigint);
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON shop_code.log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop_code.nothing();
CREATE FUNCTION shop_code.log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop_code.log VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER log AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.log();
RESET ROLE;
SELECT test.error($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z')$$);
ROLLBACK TO kind;
SET LOCAL ROLE regress_booking_owner;
CREATE TABLE shop_code.chairs (id bigint PRIMARY KEY);
INSERT INTO shop_code.chairs VALUES (1);
ALTER TABLE booking.appointments ADD chair bigint DEFAULT 1 REFERENCES shop_code.chairs DEFERRABLE INITIALLY DEFERRED;
RESET ROLE;
SELECT test.error($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z')$$);
SET CONSTRAINTS ALL IMMEDIATE;
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z');
ROLLBACK TO kind;
ALTER TABLE booking.appointments ADD chair int DEFAULT 1, ADD UNIQUE (chair) DEFERRABLE INITIALLY DEFERRED;
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z');
SELECT test.brief($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-02 10:00Z')$$);
ROLLBACK TO kind;

-- ---------------------------------------------------------------------------
-- What a trigger could leave in the session
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_owner;
CREATE TABLE shop_code.deed (statement text);
CREATE FUNCTION shop_code.act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT statement FROM shop_code.deed);
	RETURN NEW;
END
$$;
CREATE TRIGGER act AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.act();
CREATE FUNCTION shop_code.is_fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
RESET ROLE;
CREATE FUNCTION test.book_and(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE shop_code.deed;
	INSERT INTO shop_code.deed VALUES (statement);
	RETURN QUERY SELECT test.error('SELECT booking.book_slot(11801, 11801, 11801, ''2026-03-02 09:00Z'')');
END
$$;
SELECT v.statement, test.book_and(v.statement) FROM (VALUES
	('DECLARE late CURSOR WITH HOLD FOR SELECT 1'), ('LISTEN shop'), ('UNLISTEN *'), ('PREPARE shop AS SELECT 1'), ('DEALLOCATE ALL'), ('DISCARD ALL'), ('CLOSE ALL'),
	('CREATE TEMP TABLE date (a int)'), ('CREATE TABLE pg_temp.date AS SELECT 1'), ('CREATE TEMP VIEW date AS SELECT 1'), ('CREATE TEMP SEQUENCE date'), ('CREATE TYPE pg_temp.date AS (a int)'),
	('SET ROLE postgres'), ('RESET ROLE'), ('SET SESSION AUTHORIZATION DEFAULT')) v (statement);
-- The server would allow these.
SELECT v.statement, test.book_and(v.statement) FROM (VALUES
	('CREATE DOMAIN pg_temp.date AS pg_catalog.text CHECK (shop_code.is_fine(VALUE))'), ('CREATE TYPE pg_temp.regclass AS ENUM (''a'')'),
	('CREATE TYPE pg_temp.date AS RANGE (subtype = int)'), ('CREATE FUNCTION pg_temp.now() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
	('CREATE AGGREGATE pg_temp.max (int) (sfunc = int4larger, stype = int)'), ('SET CONSTRAINTS ALL DEFERRED'), ('SET CONSTRAINTS ALL IMMEDIATE'),
	('DO $d$ BEGIN SET LOCAL search_path = pg_temp, pg_catalog; CREATE DOMAIN date AS pg_catalog.text; END $d$')) v (statement);
-- What is no danger is allowed.
SELECT v.statement, test.book_and(v.statement) FROM (VALUES ('CREATE DOMAIN shop_code.colour AS text'), ('NOTIFY shop'), ('CREATE TABLE shop_code.kept (a int)'),
	('DO $d$ DECLARE r record; BEGIN FOR r IN SELECT 1 LOOP NULL; END LOOP; END $d$')) v (statement);

-- Settings, to the caller's, however they were made.
CREATE FUNCTION test.settings() RETURNS text LANGUAGE sql AS $$
SELECT concat_ws(' | ', current_setting('search_path'), current_setting('booking.user_id'), current_setting('booking.shop_id'), current_setting('booking.actor'),
	current_setting('work_mem'), current_setting('transaction_read_only'), current_setting('shop.own', true))
$$;
SET work_mem = '5MB';
SET LOCAL search_path = public;
SET LOCAL booking.actor = 'me';
SELECT test.settings();
UPDATE shop_code.deed SET statement = 'DO $d$ BEGIN SET search_path = shop_code; SET booking.user_id = 7; SET booking.shop_id = 7; SET booking.actor = x; SET work_mem = 64; SET shop.own = x;
	SET transaction_read_only = on; END $d$';
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z');
SELECT test.settings();
SELECT appointment_id > 0 AS booked FROM booking.try_book_slot(11801, 11801, 11801, '2026-03-02 10:00Z');
SELECT count(*) FROM booking.book_visit(11801, ARRAY[ROW(11801, 11801, '2026-03-02 11:00Z', NULL), ROW(11801, 11801, '2026-03-02 12:00Z', NULL)]::booking.visit_item[]);
SELECT test.settings();
UPDATE shop_code.deed SET statement = 'RESET ALL';
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-02 13:00Z');
SELECT test.settings();
-- Also when it fails, in the end or for good, and when it books for its part.
UPDATE shop_code.deed SET statement = 'DO $d$ BEGIN SET search_path = shop_code; RAISE EXCEPTION ''no''; END $d$';
SELECT test.brief($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-02 14:00Z')$$);
SELECT test.settings();
UPDATE shop_code.deed SET statement = 'DO $d$ BEGIN SET search_path = shop_code; IF (SELECT count(*) < 7 FROM booking.appointments WHERE barber_id = 11801) THEN
	PERFORM booking.book_slot(11801, 11801, 11801, ''2026-03-02 15:00Z''); END IF; END $d$';
GRANT EXECUTE ON FUNCTION booking.book_slot TO regress_booking_owner;
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-02 14:00Z');
SELECT test.settings(), (SELECT count(*) FROM booking.appointments WHERE barber_id = 11801);
RESET search_path;
RESET work_mem;
SET LOCAL booking.actor = '';

-- Cursors: one that is left open is closed.
UPDATE shop_code.deed SET statement = 'DO $d$ DECLARE c refcursor := ''kept''; BEGIN OPEN c FOR SELECT current_user; END $d$';
DECLARE mine CURSOR FOR SELECT 'mine';
DECLARE other CURSOR FOR SELECT generate_series(1, 2);
FETCH other;
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-03 09:00Z');
SELECT test.brief('FETCH kept'), test.brief('FETCH mine');
FETCH other;
CLOSE other;
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-03 10:00Z');
SELECT count(*) FROM pg_cursors WHERE name IN ('kept', 'mine');
-- The caller's are neither fetched from nor closed, nor those of a loop that calls; after an error in the call they are as before.
UPDATE shop_code.deed SET statement = 'DO $d$ DECLARE d refcursor; r record; BEGIN FOR d IN SELECT name FROM pg_cursors LOOP
	BEGIN FETCH d INTO r; RAISE WARNING ''fetched %'', r; EXCEPTION WHEN OTHERS THEN RAISE WARNING ''fetch: %'', SQLSTATE; END;
	BEGIN CLOSE d; RAISE WARNING ''closed''; EXCEPTION WHEN OTHERS THEN RAISE WARNING ''close: %'', SQLSTATE; END;
	END LOOP; IF current_setting(''test.fails'', true) = ''yes'' THEN RAISE ''no''; END IF; END $d$';
DECLARE whole CURSOR FOR SELECT generate_series(1, 3);
FETCH whole;
SELECT status FROM booking.book_slot(11801, 11801, 11801, '2026-03-03 11:00Z');
FETCH whole;
SET LOCAL test.fails = 'yes';
SELECT test.brief($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-03 12:00Z')$$);
SET LOCAL test.fails = '';
FETCH whole;
CLOSE whole;
DO $$
DECLARE
	n int := 0;
	r record;
BEGIN
	FOR r IN SELECT generate_series(1, 100) LOOP
		n := n + 1;
		IF n = 1 THEN PERFORM booking.book_slot(11801, 11801, 11801, '2026-03-03 12:00Z'); END IF;
	END LOOP;
	RAISE WARNING '% of 100', n;
END
$$;
ROLLBACK TO kind;

-- ---------------------------------------------------------------------------
-- Every call: who runs the owner's code, and what is left of it
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_owner;
CREATE TABLE shop_code.ran (what text, ran_as name);
GRANT SELECT, INSERT ON shop_code.ran TO PUBLIC;
CREATE FUNCTION shop_code.spy(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
BEGIN
	INSERT INTO shop_code.ran VALUES (spy.what, current_user);
	PERFORM set_config('search_path', 'shop_code', false), set_config('booking.user_id', '11899', false);
	OPEN c FOR SELECT shop_code.spy('cursor');
	RETURN what;
END
$$;
-- Such a function is called when a query is planned, or an index is looked at.
CREATE FUNCTION shop_code.constant(what text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN shop_code.spy(what); END $$;
CREATE FUNCTION shop_code.spy_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM shop_code.spy(TG_WHEN || ' ' || TG_LEVEL);
	RETURN coalesce(NEW, OLD);
END
$$;
DO $$
DECLARE
	part text;
BEGIN
	FOREACH part IN ARRAY ARRAY['appointments', 'appointment_history', 'users', 'waitlist'] LOOP
		EXECUTE format('CREATE TRIGGER b_spy BEFORE INSERT OR UPDATE OR DELETE ON booking.%I FOR EACH ROW EXECUTE FUNCTION shop_code.spy_trigger()', part);
		EXECUTE format('CREATE TRIGGER zz_spy AFTER INSERT OR UPDATE OR DELETE ON booking.%I FOR EACH ROW EXECUTE FUNCTION shop_code.spy_trigger()', part);
		EXECUTE format('CREATE TRIGGER s_spy AFTER INSERT OR UPDATE OR DELETE ON booking.%I FOR EACH STATEMENT EXECUTE FUNCTION shop_code.spy_trigger()', part);
		EXECUTE format('ALTER TABLE booking.%I ADD token text, ADD CHECK (shop_code.spy(''check'') <> '''') NOT VALID, ALTER token SET DEFAULT shop_code.spy(''default'')', part);
	END LOOP;
	-- An index of each table, its predicate and an expression of constants
	FOREACH part IN ARRAY ARRAY['appointments', 'appointment_history', 'users', 'waitlist', 'shops', 'barbers', 'services', 'barber_services', 'working_hours', 'blocked_customers'] LOOP
		EXECUTE format('CREATE INDEX ON booking.%I ((shop_code.constant(''expression''))) WHERE shop_code.constant(''predicate'') = ''predicate''', part);
		EXECUTE format('CREATE INDEX ON booking.%I USING hash ((shop_code.constant(''expression'')))', part);
		EXECUTE format('CREATE STATISTICS shop_code.%I ON (shop_code.constant(''statistics'')), (shop_code.constant(''of two'')) FROM booking.%I', 'st_' || part, part);
		EXECUTE format('CREATE POLICY spy ON booking.%I USING (shop_code.spy(''policy'') <> '''')', part);
	END LOOP;
END
$$;
TRUNCATE shop_code.ran;
RESET ROLE;
RESET search_path;
RESET booking.user_id;
CLOSE ALL;

-- What was run, and as whom; what is left.
CREATE FUNCTION test.after(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	outcome text;
	ran text;
BEGIN
	BEGIN
		EXECUTE 'SELECT count(*) FROM booking.' || call;
	EXCEPTION WHEN OTHERS THEN
		outcome := SQLSTATE || ' ' || SQLERRM;
	END;
	SELECT string_agg(DISTINCT CASE ran_as WHEN 'regress_booking_owner' THEN 'the owner' ELSE 'ANOTHER: ' || what END, ', ') INTO ran FROM shop_code.ran;
	TRUNCATE shop_code.ran;
	RETURN concat_ws(', ', outcome, coalesce(ran, 'nothing'), 'search_path ' || nullif(current_setting('search_path'), '"$user", public'),
		'user_id ' || nullif(current_setting('booking.user_id'), ''),
		(SELECT nullif(count(*), 0) || ' cursors' FROM pg_cursors WHERE statement ~ 'spy\(''cursor'));
END
$$;
-- As a superuser; with caches that are empty, so that all that is simplified once is simplified again.
CREATE FUNCTION test.forget() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	part record;
BEGIN
	FOR part IN SELECT i.indexrelid::regclass AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'booking'::regnamespace WHERE i.indexprs IS NOT NULL LOOP
		EXECUTE format('ALTER INDEX %s SET (fillfactor = %s)', part.name, 50 + floor(random() * 50));
	END LOOP;
	TRUNCATE shop_code.ran;
END
$$;
SELECT v.n, split_part(v.call, '(', 1) AS call, test.forget(), test.after(v.call) FROM (VALUES
	(1, 'book_slot(11801, 11801, 11801, ''2026-03-02 09:00Z'')'), (2, 'try_book_slot(NULL, 11801, 11801, ''2026-03-02 10:00Z'')'),
	(3, 'hold_slot(11801, 11801, 11802, ''2026-03-02 11:00Z'')'), (4, 'book_visit(11803, ARRAY[ROW(11802, 11801, ''2026-03-02 12:00Z'', NULL)]::booking.visit_item[])'),
	(5, 'book_series(11801, 11801, 11804, ''2026-03-05 09:00Z'', ''7 days'', 2)'), (6, 'join_waitlist(11805, 11801, ''2026-03-02 09:00Z'', ''2026-03-03 09:00Z'')'),
	(7, 'ensure_user(''new11801@example.org'', ''New'')')) v (n, call) ORDER BY n;
-- To read these tables, as anybody does who has the privilege, is to plan as oneself: so the ids are asked for here.
SELECT id AS a FROM booking.hold_slot(11802, 11801, 11802, '2026-03-02 13:00Z') \gset
SELECT id AS b FROM booking.book_slot(11802, 11801, 11803, '2026-03-02 14:00Z') \gset
SELECT booking.join_waitlist(11805, 11801, '2026-03-02 09:00Z', '2026-03-02 23:00Z') AS w \gset
SELECT v.n, split_part(v.call, '(', 1) AS call, test.forget(), test.after(format(v.call, :a, :b, :w)) FROM (VALUES
	(8, 'leave_waitlist(%3$s)'), (9, 'confirm_appointment(%1$s)'), (10, 'reschedule_appointment(%1$s, ''2026-03-03 09:00Z'')'), (11, 'check_in(%1$s)'),
	(12, 'cancel_appointment(%2$s)'), (13, 'mark_no_show(%2$s)'), (14, 'complete_appointment(%1$s)'), (15, 'decline_appointment(%2$s)')) v (n, call) ORDER BY n;
SELECT v.call, test.forget(), test.after(v.call) FROM (VALUES ('verify(true)'), ('health()'), ('metrics()'), ('setup()'), ('enable_row_security()'), ('disable_row_security()'), ('check_tables()'),
	('user_appointments(11801)'), ('get_barber_availability(11801, ''2026-03-02'')'), ('appointments_at_risk(11801)'), ('business_metrics(11801, ''2026-03-02'')'),
	('active_services(11801)'), ('active_barbers(11801)'), ('available_slots(11801, ''2026-03-02'')'), ('check_slot(11801, 11801, ''2026-03-02 15:00Z'')')) v (call);
-- A sweep that lapses a hold and offers its time
SELECT id AS a FROM booking.hold_slot(11802, 11801, 11802, '2026-03-04 09:00Z') \gset
SELECT booking.join_waitlist(11801, 11801, '2026-03-04 09:00Z', '2026-03-04 10:00Z', 11802) AS w \gset
SET LOCAL booking.now = '2026-03-01 12:30Z';
SELECT test.forget(), test.after('expire_holds()');
SET LOCAL booking.now = '2026-03-01 12:00Z';
SET LOCAL ROLE regress_booking_owner;
SELECT status FROM booking.appointments WHERE id = :a;
SELECT status FROM booking.waitlist WHERE id = :w;
RESET ROLE;
ROLLBACK TO kind;

-- ---------------------------------------------------------------------------
-- The other way round: what the caller has deferred does not become the owner's
-- ---------------------------------------------------------------------------

CREATE ROLE regress_booking_front;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_front', 'front');
CREATE SCHEMA front AUTHORIZATION regress_booking_front;
SET LOCAL ROLE regress_booking_owner;
CREATE FUNCTION shop_code.settle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; RETURN NULL; END $$;
CREATE TRIGGER settle AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.settle();
SET LOCAL ROLE regress_booking_front;
GRANT USAGE ON SCHEMA front TO PUBLIC;
CREATE TABLE front.mine (ran_as name);
CREATE FUNCTION front.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'as %', current_user; END $$;
CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON front.mine DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION front.trap();
INSERT INTO front.mine VALUES (NULL);
SELECT test.brief($$SELECT booking.book_slot(11801, 11801, 11801, '2026-03-02 09:00Z')$$);
RESET ROLE;
ROLLBACK TO kind;

-- ---------------------------------------------------------------------------
-- A row that a constraint of the owner's refuses is not shown to the caller
-- ---------------------------------------------------------------------------

CREATE FUNCTION test.refused(definition text, call text DEFAULT 'book_slot(11801, 11801, 11801, ''2026-03-02 09:00Z'')') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	lines text[];
BEGIN
	BEGIN
		EXECUTE definition;
		lines := ARRAY(SELECT test.error('SELECT booking.' || call));
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
		NULL;
	END;
	RETURN QUERY SELECT unnest(lines);
END
$$;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, notes) VALUES
	(11801, 11801, 11801, 11801, '2026-03-02 12:00Z', '2026-03-02 13:00Z', 'for staff only');
CREATE TABLE shop_code.log (what text CHECK (what !~ 'staff'), id bigint PRIMARY KEY);
ALTER TABLE shop_code.log OWNER TO regress_booking_owner;
CREATE FUNCTION shop_code.log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO shop_code.log VALUES ('for staff only', 1);
	RETURN NULL;
END
$$;
CREATE FUNCTION shop_code.say() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'not on a Monday' USING ERRCODE = 'check_violation', DETAIL = 'Ask Ann.';
END
$$;
SELECT v.definition, test.refused(v.definition) FROM (VALUES
	('ALTER TABLE booking.appointments ADD secret text, ADD CHECK (secret !~ ''staff'') NOT VALID; ALTER TABLE booking.appointments ALTER secret SET DEFAULT ''for staff only'''),
	('ALTER TABLE booking.appointments ADD secret text DEFAULT ''for staff only'', ADD missing text; ALTER TABLE booking.appointments ADD CHECK (missing IS NOT NULL) NOT VALID'),
	('DO $d$ BEGIN DELETE FROM booking.appointment_history; DELETE FROM booking.appointments; ALTER TABLE booking.appointments ADD missing text NOT NULL; END $d$'),
	('ALTER TABLE booking.appointments ADD secret text DEFAULT ''for staff only''; CREATE UNIQUE INDEX own ON booking.appointments (secret) WHERE id = 11801 OR barber_id = 11801'),
	('ALTER TABLE booking.appointments ADD EXCLUDE USING btree (service_id WITH =)'),
	('ALTER TABLE booking.appointments ADD chair bigint; ALTER TABLE booking.appointments ALTER chair SET DEFAULT 4711; ALTER TABLE booking.appointments ADD FOREIGN KEY (chair) REFERENCES booking.shops'),
	('CREATE TRIGGER log AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.log()'),
	('CREATE TRIGGER say BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.say()')) v (definition);
SELECT test.refused('ALTER TABLE booking.appointments ADD CHECK (cancel_reason <> '''') NOT VALID', 'cancel_appointment(11801, '''')');
SELECT test.refused('ALTER TABLE booking.users ADD secret text, ADD CHECK (secret !~ ''staff'') NOT VALID; ALTER TABLE booking.users ALTER secret SET DEFAULT ''for staff only''', 'ensure_user(''new@example.org'')');
SELECT test.refused('ALTER TABLE booking.waitlist ADD secret text, ADD CHECK (secret !~ ''staff'') NOT VALID; ALTER TABLE booking.waitlist ALTER secret SET DEFAULT ''for staff only''',
	'join_waitlist(11801, 11801, ''2026-03-02 09:00Z'', ''2026-03-03 09:00Z'')');
-- What we say ourselves is said, through an UPDATE too.
SELECT test.error('SELECT booking.book_slot(11801, 11801, 11801, ''2026-03-02 12:00Z'')');
ROLLBACK TO kind;

-- ---------------------------------------------------------------------------
-- A table of ours that belongs to somebody else
-- ---------------------------------------------------------------------------

CREATE ROLE "regress_booking_Other";
ALTER TABLE booking.waitlist OWNER TO "regress_booking_Other";
SELECT test.error('SELECT booking.join_waitlist(11801, 11801, ''2026-03-02 09:00Z'', ''2026-03-03 09:00Z'')');
SELECT test.brief('SELECT booking.verify()'), test.brief('SELECT booking.check_tables()');
ALTER TABLE booking.waitlist OWNER TO regress_booking_owner;
SELECT test.brief('SELECT booking.check_tables()');
-- The appointments themselves, in a session that knows the others.
ALTER TABLE booking.appointments OWNER TO "regress_booking_Other";
SELECT test.error('SELECT booking.ensure_user(''new@example.org'')');
ROLLBACK;
