--
-- Code of the owner's (triggers, CHECKs, defaults, index expressions) that a
-- booking runs, under the search_path of a caller who has made functions,
-- operators and tables of the names that it uses.  If this breaks, whoever may
-- book may do all that the owner of the tables may.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

CREATE ROLE regress_booking_front;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_front', 'front');
INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes) VALUES (11401, 'Path', 'UTC', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (11401, 11401, 'Pat');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 11401, d, '09:00', '17:00' FROM generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (11401, 11401, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (11401, 11401);
INSERT INTO booking.users (id, email) VALUES (11401, 'u11401@example.org'), (11402, 'u11402@example.org');

-- The caller's: a schema of its own that comes first, with whatever the owner's code may name, and a list of who ran it.
CREATE SCHEMA front AUTHORIZATION regress_booking_front;
GRANT USAGE ON SCHEMA test TO PUBLIC;
SET LOCAL ROLE regress_booking_front;
CREATE TABLE front.loot (what text, ran_as name);
GRANT USAGE ON SCHEMA front TO PUBLIC;
GRANT INSERT, SELECT ON front.loot TO PUBLIC;
CREATE FUNCTION front.upper(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO front.loot VALUES ('upper', current_user);
	RETURN 'front''s';
END
$$;
CREATE FUNCTION front.lower(text) RETURNS text LANGUAGE sql AS 'SELECT front.upper($1)';
CREATE FUNCTION front.is_more(bigint, int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO front.loot VALUES ('>=', current_user);
	RETURN true;
END
$$;
CREATE OPERATOR front.>= (LEFTARG = bigint, RIGHTARG = int, FUNCTION = front.is_more);
CREATE FUNCTION front.spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO front.loot VALUES ('audit', current_user);
	RETURN NEW;
END
$$;
RESET ROLE;
CREATE FUNCTION test.loot() RETURNS TABLE (what text, ran_as text, times bigint) LANGUAGE sql AS $$
SELECT what, CASE ran_as WHEN 'regress_booking_front' THEN 'the front' ELSE 'the owner' END, count(*) FROM front.loot GROUP BY 1, 2 ORDER BY 1, 2
$$;

-- The owner's, which say upper() and >= and mean the server's.
CREATE SCHEMA shop_code;
CREATE TABLE shop_code.audit (n int GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION shop_code.note() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
	IF NEW.price_cents >= 0 THEN
		NEW.notes := upper('noted');
	END IF;
	RETURN NEW;
END
$$;
CREATE FUNCTION shop_code.audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO shop_code.audit (what) VALUES (upper(TG_OP) || ' ' || upper(TG_LEVEL));
	RETURN NULL;
END
$$;
CREATE FUNCTION shop_code.allows(price bigint, name text) RETURNS boolean LANGUAGE sql AS $$ SELECT price >= 0 AND upper('a') = 'A' $$;
CREATE FUNCTION shop_code.token() RETURNS text LANGUAGE sql AS $$ SELECT lower('TOKEN') $$;
CREATE FUNCTION shop_code.shown(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN upper($1); END $$;
CREATE FUNCTION shop_code.shown_inline(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;

-- Every way to write, as that caller, each with "ok" or its error.
CREATE FUNCTION test.attack() RETURNS TABLE (call text, result text) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOR call, statement IN VALUES
		('book', 'book_slot(11401, 11401, 11401, ''2026-03-02 09:00Z'')'),
		('try', 'try_book_slot(11401, 11401, 11401, ''2026-03-02 10:00Z'')'),
		('hold', 'hold_slot(11401, 11401, 11401, ''2026-03-02 11:00Z'')'),
		('visit', 'book_visit(11401, ARRAY[ROW(11401, 11401, ''2026-03-02 12:00Z'', ''Guest'')]::booking.visit_item[])'),
		('series', 'book_series(11401, 11401, 11401, ''2026-03-02 13:00Z'', ''1 day'', 2)'),
		('move', 'reschedule_appointment(:made, ''2026-03-02 16:00Z'')'),
		('wait', 'join_waitlist(11402, 11401, ''2026-03-02 16:00Z'', ''2026-03-02 17:00Z'')'),
		('cancel', 'cancel_appointment(:made)')
	LOOP
		BEGIN
			EXECUTE 'SELECT FROM booking.' || replace(statement, ':made', coalesce((SELECT min(id) FROM booking.appointments
				WHERE barber_id = 11401)::text, '0'));
			result := 'ok';
		EXCEPTION WHEN OTHERS THEN
			result := SQLSTATE || ' ' || SQLERRM;
		END;
		RETURN NEXT;
	END LOOP;
END
$$;
CREATE VIEW test.held AS SELECT user_id, status, to_char(starts_at, 'DD HH24:MI') AS at, notes FROM booking.appointments WHERE barber_id = 11401;
GRANT SELECT ON test.held TO PUBLIC;
GRANT SELECT ON booking.appointments TO regress_booking_front;

-- ---------------------------------------------------------------------------
-- One kind of code at a time
-- ---------------------------------------------------------------------------

SAVEPOINT kind;
CREATE TRIGGER note BEFORE INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.note();
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT * FROM test.attack();
RESET search_path;
RESET ROLE;
SELECT * FROM test.loot();
SELECT * FROM test.held ORDER BY at, user_id;
ROLLBACK TO kind;

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.audit_row();
CREATE TRIGGER audit_before BEFORE INSERT OR UPDATE ON booking.appointments FOR EACH STATEMENT EXECUTE FUNCTION shop_code.audit_row();
CREATE TRIGGER audit_after AFTER INSERT OR UPDATE ON booking.appointments FOR EACH STATEMENT EXECUTE FUNCTION shop_code.audit_row();
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT * FROM test.attack();
RESET search_path;
RESET ROLE;
SELECT * FROM test.loot();
SELECT what, count(*) FROM shop_code.audit GROUP BY what ORDER BY what;
ROLLBACK TO kind;

ALTER TABLE booking.appointments ADD CONSTRAINT allows CHECK (shop_code.allows(price_cents, guest_name)) NOT VALID;
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT * FROM test.attack();
RESET search_path;
RESET ROLE;
SELECT * FROM test.loot();
ROLLBACK TO kind;

ALTER TABLE booking.appointments ADD COLUMN token text DEFAULT shop_code.token();
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT * FROM test.attack();
RESET search_path;
RESET ROLE;
SELECT * FROM test.loot();
SELECT token, count(*) FROM booking.appointments WHERE barber_id = 11401 GROUP BY token;
ROLLBACK TO kind;

CREATE INDEX shown ON booking.appointments (shop_code.shown(status), shop_code.shown_inline(status)) WHERE shop_code.shown(status) <> '';
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT * FROM test.attack();
RESET search_path;
RESET ROLE;
SELECT * FROM test.loot();
ROLLBACK TO kind;

ALTER TABLE booking.appointments ADD COLUMN shown text GENERATED ALWAYS AS (shop_code.shown(status)) STORED;
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT * FROM test.attack();
RESET search_path;
RESET ROLE;
SELECT * FROM test.loot();
SELECT shown, count(*) FROM booking.appointments WHERE barber_id = 11401 GROUP BY shown ORDER BY shown;
ROLLBACK TO kind;

-- A constraint trigger, as long as it is not deferred: then it fires at the commit, under the path that the session has then.
CREATE CONSTRAINT TRIGGER audit_late AFTER INSERT ON booking.appointments DEFERRABLE INITIALLY IMMEDIATE
FOR EACH ROW EXECUTE FUNCTION shop_code.audit_row();
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT starts_at FROM booking.book_slot(11401, 11401, 11401, '2026-03-02 09:00Z');
RESET search_path;
RESET ROLE;
SELECT * FROM test.loot();
ROLLBACK TO kind;

-- ---------------------------------------------------------------------------
-- What was kept from another path, and what the caller finds afterwards
-- ---------------------------------------------------------------------------

-- The first to book in this session has a path of its own; nothing of that is kept, and each caller's path is as it was.
ALTER TABLE booking.appointments ADD CONSTRAINT allows CHECK (shop_code.allows(price_cents, guest_name)) NOT VALID;
CREATE TRIGGER note BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.note();
SET LOCAL search_path = front, pg_catalog;
SELECT appointment_id > 0 AS booked, reason FROM booking.try_book_slot(11401, 11401, 11401, '2026-03-02 09:00Z');
SHOW search_path;
SET LOCAL search_path = pg_catalog, pg_temp;
SELECT appointment_id > 0 AS booked, reason FROM booking.try_book_slot(11401, 11401, 11401, '2026-03-02 10:00Z');
SHOW search_path;
SET LOCAL search_path = '';
SELECT appointment_id > 0 AS booked, reason FROM booking.try_book_slot(11401, 11401, 11401, '2026-03-02 10:00Z');
SELECT test.brief($$SELECT booking.book_slot(11401, 11401, 11999, '2026-03-02 11:00Z')$$);
SHOW search_path;
-- Also after an error of the owner's own, caught and not.
SET LOCAL search_path = front, pg_catalog;
CREATE OR REPLACE FUNCTION shop_code.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
SELECT test.brief($$SELECT booking.book_slot(11401, 11401, 11401, '2026-03-02 11:00Z')$$);
SHOW search_path;
SAVEPOINT failing;
SELECT booking.book_slot(11401, 11401, 11401, '2026-03-02 11:00Z');
ROLLBACK TO failing;
SHOW search_path;
RESET search_path;
SELECT * FROM test.loot();
ROLLBACK TO kind;

-- ---------------------------------------------------------------------------
-- Tables without a schema: no path keeps pg_temp away
-- ---------------------------------------------------------------------------

CREATE FUNCTION shop_code.audit_somewhere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit (what) VALUES (TG_OP);
	RETURN NULL;
END
$$;
CREATE TRIGGER audit_somewhere AFTER INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION shop_code.audit_somewhere();
SET LOCAL search_path = shop_code, pg_catalog;
SELECT test.error($$SELECT booking.book_slot(11401, 11401, 11401, '2026-03-02 09:00Z')$$);
RESET search_path;
SAVEPOINT temporary;
SET LOCAL ROLE regress_booking_front;
CREATE TEMP TABLE audit (what text);
CREATE TRIGGER spy BEFORE INSERT ON pg_temp.audit FOR EACH ROW EXECUTE FUNCTION front.spy();
SELECT test.error($$SELECT booking.book_slot(11401, 11401, 11401, '2026-03-02 09:00Z')$$);
SELECT * FROM test.attack();
INSERT INTO audit VALUES ('mine');
RESET ROLE;
SELECT * FROM test.loot();
ROLLBACK TO temporary;
-- A view of the caller's, whose functions would run as the reader.
CREATE OR REPLACE FUNCTION shop_code.audit_somewhere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM audit;
	RETURN NULL;
END
$$;
SET LOCAL ROLE regress_booking_front;
CREATE TEMP VIEW audit AS SELECT front.upper('x') AS what;
SELECT * FROM test.attack();
RESET ROLE;
SELECT * FROM test.loot();
ROLLBACK TO temporary;
-- A caller's temporary tables go on as ever, foreign keys and triggers included: those run as their owner, too.
SET LOCAL ROLE regress_booking_front;
CREATE TEMP TABLE kept (id int PRIMARY KEY);
CREATE TEMP TABLE kept_part (id int REFERENCES kept ON DELETE CASCADE);
CREATE TEMP TABLE dropped (id int);
CREATE FUNCTION front.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO dropped VALUES (OLD.id); RETURN OLD; END $$;
CREATE TRIGGER keep BEFORE DELETE ON kept_part FOR EACH ROW EXECUTE FUNCTION front.keep();
INSERT INTO kept VALUES (1);
INSERT INTO kept_part VALUES (1);
DELETE FROM kept;
SELECT * FROM dropped;
RESET ROLE;
ROLLBACK TO temporary;
-- So do triggers of tables whose foreign keys run as their owner, where nobody books.
SET LOCAL ROLE regress_booking_front;
CREATE TEMP TABLE seen (id int);
GRANT ALL ON seen TO PUBLIC;
RESET ROLE;
CREATE TABLE shop_code.kept (id int PRIMARY KEY);
CREATE TABLE shop_code.kept_part (id int REFERENCES shop_code.kept ON DELETE CASCADE);
CREATE FUNCTION shop_code.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pg_temp.seen VALUES (OLD.id); RETURN OLD; END $$;
CREATE TRIGGER keep BEFORE DELETE ON shop_code.kept_part FOR EACH ROW EXECUTE FUNCTION shop_code.keep();
INSERT INTO shop_code.kept VALUES (1);
INSERT INTO shop_code.kept_part VALUES (1);
DELETE FROM shop_code.kept;
SELECT * FROM seen;
ROLLBACK TO temporary;
-- A condition of the owner's on a trigger of the guard's is the owner's code, each time.
DROP TRIGGER IF EXISTS audit_somewhere ON booking.appointments;
CREATE FUNCTION shop_code.yes(bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN upper('x') = 'X'; END $$;
DROP TRIGGER zz_guard_before ON booking.appointments;
CREATE TRIGGER zz_guard_before BEFORE INSERT ON booking.appointments FOR EACH ROW WHEN (shop_code.yes(NEW.barber_id)) EXECUTE FUNCTION booking.guard_before();
SET LOCAL ROLE regress_booking_front;
SET LOCAL search_path = front, pg_catalog;
SELECT status FROM booking.book_slot(11401, 11401, 11401, '2026-03-02 09:00Z');
SELECT status FROM booking.book_slot(11401, 11401, 11401, '2026-03-02 10:00Z');
RESET ROLE;
RESET search_path;
SELECT * FROM test.loot();
ROLLBACK TO temporary;
-- A temporary table of the owner's would stay behind in the caller's session.
CREATE OR REPLACE FUNCTION shop_code.audit_somewhere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE IF NOT EXISTS audit (what text) ON COMMIT DROP;
	INSERT INTO audit VALUES (TG_OP);
	RETURN NULL;
END
$$;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief($$SELECT booking.book_slot(11401, 11401, 11401, '2026-03-02 09:00Z')$$);
RESET ROLE;
ROLLBACK;
