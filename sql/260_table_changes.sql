--
-- Changes of the tables between two bookings of one session.
--
-- What book_slot needs of table appointments (constraints, index predicates,
-- triggers, all ready to run) is kept from call to call.  Whatever it depends
-- on is changed here, and the next booking must go by the change.  Between two
-- bookings there is nothing else that could make them look again: helpers are
-- made beforehand.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

INSERT INTO booking.shops (id, name, min_notice_minutes, max_advance_days) VALUES (26001, 'Changes', 0, 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (26001, 26001, 'Cy'), (26002, 26001, 'Di');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '00:00', '23:30' FROM generate_series(26001, 26002) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (26001, 26001, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (26001, 26001), (26002, 26001);

-- Books the first slot there is.
CREATE FUNCTION test.book(barber bigint DEFAULT 26001) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN b.id FROM booking.book_slot(barber, 26001, NULL,
		(SELECT min(starts_at) FROM booking.available_slots(26001, '2026-03-02', '2026-03-31', barber))) b;
END
$$;
-- Whether something is kept.
CREATE FUNCTION test.kept() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM pg_backend_memory_contexts WHERE ident = 'insert into booking.appointments'
$$;
-- How many rows an index finds; an error if the plan asks another one.
CREATE FUNCTION test.found(index text, condition text) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off SET enable_indexscan = on SET enable_bitmapscan = on AS $$
DECLARE
	line text;
	plan text;
	rows bigint;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT count(*) FROM booking.appointments WHERE ' || condition LOOP
		plan := concat_ws(E'\n', plan, line);
	END LOOP;
	IF plan !~ ('\m' || index || '\M') OR plan ~ 'Seq Scan' THEN
		RAISE 'not by that index: %', plan;
	END IF;
	EXECUTE 'SELECT count(*) FROM booking.appointments WHERE ' || condition INTO rows;
	RETURN rows;
END
$$;

-- After the first booking there is something kept, and after the second that same one.
SELECT test.book() > 0 AS booked;
SELECT test.kept();
SELECT test.book() > 0 AS booked;
SELECT test.kept();

BEGIN;

-- ---------------------------------------------------------------------------
-- CHECK constraints, and what they depend on
-- ---------------------------------------------------------------------------

SAVEPOINT part;
-- A new one refuses, with more or fewer of them than the last time; a dropped one is gone.
ALTER TABLE booking.appointments ADD CONSTRAINT not_cy CHECK (barber_id <> 26001) NOT VALID;
SELECT test.brief('SELECT test.book()');
SELECT test.book(26002) > 0 AS booked FROM generate_series(1, 2);
ALTER TABLE booking.appointments DROP CONSTRAINT not_cy;
SELECT test.book(b) > 0 AS booked FROM generate_series(26001, 26002) b;
ALTER TABLE booking.appointments ADD CONSTRAINT not_di CHECK (barber_id <> 26002) NOT VALID, ADD CONSTRAINT zero CHECK (price_cents = 0);
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
SELECT test.brief('SELECT test.book(26002)');
SELECT test.book() > 0 AS booked;
ALTER TABLE booking.appointments DROP CONSTRAINT zero;
SELECT test.brief('SELECT test.book(26002)');
-- A refused booking leaves nothing that would refuse, or spoil, the next one.
SELECT test.brief('SELECT test.book(26002)') FROM generate_series(1, 3);
SELECT test.book() > 0 AS booked;
SELECT test.brief('SELECT test.book(26002)');
SELECT test.book() > 0 AS booked;
SELECT test.kept();
-- A change that is rolled back is no change.
SAVEPOINT change;
ALTER TABLE booking.appointments DROP CONSTRAINT not_di, ADD CONSTRAINT not_cy CHECK (barber_id <> 26001) NOT VALID;
SELECT test.brief('SELECT test.book()');
SELECT test.book(26002) > 0 AS booked;
ROLLBACK TO change;
SELECT test.brief('SELECT test.book(26002)');
SELECT test.book() > 0 AS booked;
ROLLBACK TO part;

-- The CHECK's function is replaced: one that is called, one that is inlined.
CREATE FUNCTION test.called(bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
CREATE FUNCTION test.inlined(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT $1 > 0';
ALTER TABLE booking.appointments ADD CONSTRAINT called CHECK (test.called(barber_id)), ADD CONSTRAINT inlined CHECK (test.inlined(barber_id));
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
CREATE OR REPLACE FUNCTION test.called(bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN false; END';
SELECT test.brief('SELECT test.book()');
CREATE OR REPLACE FUNCTION test.called(bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
CREATE OR REPLACE FUNCTION test.inlined(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < 0';
SELECT test.brief('SELECT test.book()');
CREATE OR REPLACE FUNCTION test.inlined(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT $1 > 1';
SELECT test.book() > 0 AS booked;
ROLLBACK TO part;

-- An inlined function names another one without its schema: the path of each booking does not say which.
CREATE SCHEMA test_yes;
CREATE FUNCTION test_yes.opinion() RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
SET LOCAL search_path = test_yes;
CREATE FUNCTION test.asks(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT opinion() AND $1 > 0';
ALTER TABLE booking.appointments ADD CONSTRAINT asks CHECK (test.asks(barber_id)) NOT VALID;
SELECT test.brief('SELECT test.book()');
RESET search_path;
SELECT test.brief('SELECT test.book()');
CREATE OR REPLACE FUNCTION test.asks(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT test_yes.opinion() AND $1 > 0';
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
CREATE OR REPLACE FUNCTION test_yes.opinion() RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
SELECT test.brief('SELECT test.book()');
ROLLBACK TO part;

-- A CHECK's function that reads a table; the index that its plan uses, then the table itself, is another one.
CREATE TABLE test.closed (barber_id bigint);
INSERT INTO test.closed SELECT 26002 FROM generate_series(1, 100);
CREATE INDEX closed_index ON test.closed (barber_id);
CREATE FUNCTION test.is_open(bigint) RETURNS boolean LANGUAGE sql SET enable_seqscan = off SET enable_bitmapscan = off
AS 'SELECT NOT EXISTS (SELECT FROM test.closed WHERE barber_id = $1)';
ALTER TABLE booking.appointments ADD CONSTRAINT is_open CHECK (test.is_open(barber_id)) NOT VALID;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
SELECT test.brief('SELECT test.book(26002)');
SELECT test.book() > 0 AS booked;
DROP INDEX test.closed_index;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
DROP TABLE test.closed;
CREATE TABLE test.closed AS SELECT bigint '26001' AS barber_id;
SELECT test.brief('SELECT test.book()');
SELECT test.book(26002) > 0 AS booked;
ROLLBACK TO part;

-- A CHECK on the table's OID, as in any insert.
ALTER TABLE booking.appointments ADD CHECK (tableoid = 'booking.appointments'::regclass);
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
ROLLBACK TO part;

-- ---------------------------------------------------------------------------
-- Columns and domains
-- ---------------------------------------------------------------------------

-- A new column, its default, another default, none; then it is gone.
ALTER TABLE booking.appointments ADD source text DEFAULT 'web';
SELECT test.book() AS id \gset
SELECT source FROM booking.appointments WHERE id = :id;
ALTER TABLE booking.appointments ALTER source SET DEFAULT 'app';
SELECT test.book() AS id \gset
SELECT source FROM booking.appointments WHERE id = :id;
ALTER TABLE booking.appointments ALTER source SET NOT NULL;
SELECT test.book() AS id \gset
SELECT source FROM booking.appointments WHERE id = :id;
ALTER TABLE booking.appointments ALTER source DROP DEFAULT;
SELECT test.brief('SELECT test.book()');
ALTER TABLE booking.appointments ALTER source DROP NOT NULL;
SELECT test.book() AS id \gset
SELECT source IS NULL AS is_null FROM booking.appointments WHERE id = :id;
-- A generated column comes, is computed otherwise, and goes; a dropped column before it does not shift anything.
ALTER TABLE booking.appointments ADD minutes int GENERATED ALWAYS AS (extract(epoch FROM ends_at - starts_at) / 60) STORED;
SELECT test.book() AS id \gset
SELECT source, minutes FROM booking.appointments WHERE id = :id;
ALTER TABLE booking.appointments DROP source;
SELECT test.book() AS id \gset
SELECT minutes FROM booking.appointments WHERE id = :id;
ALTER TABLE booking.appointments DROP minutes,
	ADD minutes text GENERATED ALWAYS AS ('m' || extract(epoch FROM ends_at - starts_at)::int / 60) STORED, ADD source text DEFAULT 'fax';
SELECT test.book() AS id \gset
SELECT minutes, source FROM booking.appointments WHERE id = :id;
ALTER TABLE booking.appointments DROP minutes;
SELECT test.book() AS id \gset
SELECT source FROM booking.appointments WHERE id = :id;
-- Another type below the constraints.
ALTER TABLE booking.appointments ALTER source TYPE varchar(3), ADD CONSTRAINT fax CHECK (source = 'fax') NOT VALID;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
ALTER TABLE booking.appointments ALTER source DROP DEFAULT, DROP CONSTRAINT fax;
ALTER TABLE booking.appointments ALTER source TYPE int USING 7, ALTER source SET DEFAULT 8;
SELECT test.book() AS id \gset
SELECT source FROM booking.appointments WHERE id = :id;
ROLLBACK TO part;

-- A domain's constraints come and go, and none of the tables changes.
CREATE DOMAIN test.minutes AS int;
CREATE DOMAIN test.colour AS text;
ALTER TABLE booking.appointments ADD minutes test.minutes GENERATED ALWAYS AS (extract(epoch FROM ends_at - starts_at)::int / 60) STORED;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
ALTER DOMAIN test.minutes ADD CONSTRAINT long CHECK (VALUE > 45) NOT VALID;
SELECT test.brief('SELECT test.book()');
ALTER DOMAIN test.minutes DROP CONSTRAINT long;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
-- One that knows no NULL, for a column without a default.
ALTER TABLE booking.appointments ADD colour test.colour;
SELECT test.book() AS id \gset
SELECT colour IS NULL AS is_null FROM booking.appointments WHERE id = :id;
UPDATE booking.appointments SET colour = 'red';
ALTER DOMAIN test.colour SET NOT NULL;
SELECT test.brief('SELECT test.book()');
ALTER DOMAIN test.colour SET DEFAULT 'blue';
SELECT test.book() AS id \gset
SELECT colour FROM booking.appointments WHERE id = :id;
ROLLBACK TO part;

-- ---------------------------------------------------------------------------
-- Triggers
-- ---------------------------------------------------------------------------

CREATE TABLE test.log (what text, who text, work_mem text);
CREATE FUNCTION test.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test.log VALUES (TG_NAME);
	RETURN NEW;
END
$$;
-- What has been noted since the last time.
CREATE FUNCTION test.log() RETURNS text LANGUAGE sql AS $$
WITH gone AS (DELETE FROM test.log RETURNING what || coalesce(' as ' || who || ' with ' || work_mem, '') AS line)
SELECT coalesce(string_agg(line, ', ' ORDER BY line), 'nothing') FROM gone
$$;
SELECT test.book() > 0 AS booked;
CREATE TRIGGER a_note BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.note();
SELECT test.book() > 0 AS booked, test.log() FROM generate_series(1, 2);
CREATE TRIGGER b_note AFTER INSERT ON booking.appointments FOR EACH ROW WHEN (NEW.barber_id = 26001) EXECUTE FUNCTION test.note();
CREATE TRIGGER c_note AFTER INSERT ON booking.appointments FOR EACH STATEMENT EXECUTE FUNCTION test.note();
CREATE TRIGGER d_note BEFORE INSERT ON booking.appointments FOR EACH STATEMENT EXECUTE FUNCTION test.note();
SELECT test.book(b) > 0 AS booked, test.log() FROM generate_series(26001, 26002) b, generate_series(1, 2);
ALTER TABLE booking.appointments DISABLE TRIGGER a_note;
SELECT test.book() > 0 AS booked, test.log();
ALTER TABLE booking.appointments ENABLE REPLICA TRIGGER a_note, ENABLE ALWAYS TRIGGER d_note;
SELECT test.book() > 0 AS booked, test.log();
-- As a replica: the guard's triggers rest as well, but book_slot's own look does not.
SET LOCAL session_replication_role = replica;
SELECT test.book() > 0 AS booked, test.log();
RESET session_replication_role;
SELECT test.book() > 0 AS booked, test.log();
ALTER TABLE booking.appointments ENABLE TRIGGER a_note;
ALTER TRIGGER a_note ON booking.appointments RENAME TO z_note;
SELECT test.book() > 0 AS booked, test.log();
-- Another WHEN, another function, none.
CREATE OR REPLACE TRIGGER b_note AFTER INSERT ON booking.appointments FOR EACH ROW WHEN (NEW.barber_id = 26002) EXECUTE FUNCTION test.note();
SELECT test.book(b) > 0 AS booked, test.log() FROM generate_series(26001, 26002) b;
CREATE OR REPLACE FUNCTION test.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test.log VALUES (upper(TG_NAME));
	RETURN NEW;
END
$$;
SELECT test.book() > 0 AS booked, test.log();
DROP FUNCTION test.note CASCADE;
SELECT test.book() > 0 AS booked, test.log();
SELECT test.kept();

-- A trigger function with an owner and settings of its own, called again and again, before and after the row, and when these change.
CREATE FUNCTION test.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET work_mem = '1MB' SET search_path = pg_catalog AS $$
BEGIN
	INSERT INTO test.log VALUES (TG_NAME, current_user = 'regress_booking_changes', current_setting('work_mem'));
	RETURN NEW;
END
$$;
CREATE ROLE regress_booking_changes;
GRANT USAGE ON SCHEMA test TO regress_booking_changes;
GRANT INSERT ON test.log TO regress_booking_changes;
ALTER FUNCTION test.note OWNER TO regress_booking_changes;
CREATE TRIGGER b_note BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.note();
CREATE TRIGGER a_note AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.note();
SELECT test.book() > 0 AS booked, test.log() FROM generate_series(1, 5);
SELECT count(test.book()) FROM generate_series(1, 50);
SELECT what, who, work_mem, count(*) FROM test.log GROUP BY 1, 2, 3 ORDER BY 1;
DELETE FROM test.log;
ALTER FUNCTION test.note SECURITY INVOKER SET work_mem = '2MB';
SELECT test.book() > 0 AS booked, test.log() FROM generate_series(1, 2);
ROLLBACK TO part;

-- Transition tables, a constraint trigger that is put off and fired at once, a deferred unique constraint.
CREATE TABLE test.log (what text);
CREATE FUNCTION test.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO test.log SELECT TG_NAME || ' ' || count(*) || ' ' || min(barber_id) FROM fresh;
	RETURN NULL;
END
$$;
CREATE FUNCTION test.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused in the end'; END $$;
CREATE TRIGGER see_statement AFTER INSERT ON booking.appointments REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION test.see();
CREATE TRIGGER see_row AFTER INSERT ON booking.appointments REFERENCING NEW TABLE AS fresh FOR EACH ROW EXECUTE FUNCTION test.see();
SELECT test.book(b) > 0 AS booked FROM generate_series(26001, 26002) b, generate_series(1, 2);
SELECT what, count(*) FROM test.log GROUP BY 1 ORDER BY 1;
DROP FUNCTION test.see CASCADE;
SELECT test.book() > 0 AS booked;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON booking.appointments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test.refuse();
SELECT test.brief('SELECT test.book()');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT test.brief('SELECT test.book()');
DROP TRIGGER refuse ON booking.appointments;
SELECT test.book() > 0 AS booked;
SET CONSTRAINTS ALL DEFERRED;
ALTER TABLE booking.appointments ADD rank int DEFAULT 1, ADD EXCLUDE USING btree (barber_id WITH =, rank WITH =)
	WHERE (starts_at > '2026-03-20') DEFERRABLE INITIALLY DEFERRED;
SAVEPOINT change;
SELECT starts_at FROM booking.book_slot(26001, 26001, NULL, '2026-03-21 10:00Z');
SELECT test.brief('SELECT booking.book_slot(26001, 26001, NULL, ''2026-03-21 11:00Z'')');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT test.brief('SELECT booking.book_slot(26001, 26001, NULL, ''2026-03-21 11:00Z'')');
SET CONSTRAINTS ALL DEFERRED;
ROLLBACK TO change;
SELECT starts_at FROM booking.book_slot(26001, 26001, NULL, '2026-03-21 10:00Z');
SELECT starts_at FROM booking.book_slot(26002, 26001, NULL, '2026-03-21 10:00Z');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT test.kept();
ROLLBACK TO part;

-- A trigger that books for its part, before or after the row, and one whose booking fails: each booking has all that it needs.
CREATE FUNCTION test.also() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	IF NEW.barber_id = 26001 THEN
		SELECT coalesce(t.reason, 'booked') INTO answer FROM booking.try_book_slot(26002, 26001, NULL, NEW.starts_at) t;
		IF TG_WHEN = 'BEFORE' THEN
			NEW.notes := answer;
		END IF;
	END IF;
	RETURN NEW;
EXCEPTION WHEN check_violation THEN
	NEW.notes := 'refused';
	RETURN NEW;
END
$$;
CREATE TRIGGER also BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.also();
SELECT count(test.book()) FROM generate_series(1, 3);
SELECT notes, count(*) FROM booking.appointments WHERE barber_id = 26001 GROUP BY 1 ORDER BY 1;
SELECT barber_id, count(*) FROM booking.appointments WHERE barber_id BETWEEN 26001 AND 26002 GROUP BY 1 ORDER BY 1;
SELECT test.kept();
ALTER TABLE booking.appointments ADD CONSTRAINT not_di CHECK (barber_id <> 26002) NOT VALID;
SELECT count(test.book()) FROM generate_series(1, 3);
SELECT notes, count(*) FROM booking.appointments WHERE barber_id = 26001 GROUP BY 1 ORDER BY 1;
SELECT test.brief('SELECT test.book(26002)');
ALTER TABLE booking.appointments DROP CONSTRAINT not_di;
DROP TRIGGER also ON booking.appointments;
CREATE TRIGGER also AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.also();
SELECT test.book() > 0 AS booked FROM generate_series(1, 3);
SELECT barber_id, count(*) FROM booking.appointments WHERE barber_id BETWEEN 26001 AND 26002 GROUP BY 1 ORDER BY 1;
SELECT test.kept();
ROLLBACK TO part;

-- A trigger cannot change the table under the booking; the next booking is none the worse.
CREATE FUNCTION test.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.barber_id = 26001 THEN
		EXECUTE 'ALTER TABLE booking.appointments ADD COLUMN meddled int';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER meddle BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.meddle();
SELECT test.book(26002) > 0 AS booked;
SELECT test.brief('SELECT test.book()');
SELECT test.book(26002) > 0 AS booked;
ROLLBACK TO part;

-- A timeout in the middle of the insert.
CREATE FUNCTION test.sleep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(CASE WHEN NEW.barber_id = 26001 THEN 1000 ELSE 0 END);
	RETURN NEW;
END
$$;
CREATE TRIGGER sleep AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.sleep();
SELECT test.book(26002) > 0 AS booked;
SAVEPOINT change;
SET LOCAL statement_timeout = '500ms';
SELECT test.book();
ROLLBACK TO change;
SELECT test.book(26002) > 0 AS booked;
DROP TRIGGER sleep ON booking.appointments;
SELECT test.book() > 0 AS booked;
ROLLBACK TO part;

-- ---------------------------------------------------------------------------
-- Indexes
-- ---------------------------------------------------------------------------

-- New ones hold the next rows, if those belong there: plain, on an expression, partial, unique.
SELECT test.book() > 0 AS booked;
CREATE INDEX test_plain ON booking.appointments (guest_name, price_cents);
CREATE INDEX test_expression ON booking.appointments ((barber_id + 1));
CREATE INDEX test_partial ON booking.appointments (ends_at) WHERE barber_id + 2 = 26003;
SELECT count(*) AS before FROM booking.appointments WHERE barber_id = 26001 \gset
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
SELECT test.found('test_plain', 'guest_name IS NULL AND price_cents = 0') - (SELECT count(*) FROM booking.appointments WHERE guest_name IS NULL AND price_cents = 0) AS missing;
SELECT test.found('test_expression', 'barber_id + 1 = 26002') - :before AS added;
SELECT test.found('test_partial', 'barber_id + 2 = 26003 AND ends_at > ''2026-03-01''') - :before AS added;
SELECT test.book(26002) > 0 AS booked;
SELECT test.found('test_expression', 'barber_id + 1 = 26003') AS added;
SELECT test.found('test_partial', 'barber_id + 2 = 26003 AND ends_at > ''2026-03-01''') - :before AS added;
SELECT test.kept();
ROLLBACK TO part;
CREATE UNIQUE INDEX test_unique ON booking.appointments (created_at) WHERE barber_id = 26002;
SELECT test.book(26002) > 0 AS booked;
SELECT test.brief('SELECT test.book(26002)');
SELECT test.book() > 0 AS booked;
DROP INDEX booking.test_unique;
SELECT test.book(26002) > 0 AS booked FROM generate_series(1, 2);
-- The function of an index is replaced: the next row's entry is by the new one.
CREATE FUNCTION test.key(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN -$1; END';
CREATE FUNCTION test.wanted(bigint) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 = 26001';
CREATE INDEX test_function ON booking.appointments (test.key(barber_id)) WHERE test.wanted(service_id);
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
SELECT test.found('test_function', 'test.key(barber_id) = -26001 AND test.wanted(service_id)') > 0 AS found;
CREATE OR REPLACE FUNCTION test.key(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 7; END';
SELECT test.book() > 0 AS booked;
SELECT test.found('test_function', 'test.key(barber_id) = 7 AND test.wanted(service_id)') AS found;
CREATE OR REPLACE FUNCTION test.wanted(bigint) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT false AND $1 = 1';
SELECT test.book() > 0 AS booked;
CREATE OR REPLACE FUNCTION test.wanted(bigint) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 = 26001';
SELECT test.found('test_function', 'test.key(barber_id) = 7 AND test.wanted(service_id)') AS found;
SELECT test.book() > 0 AS booked;
SELECT test.found('test_function', 'test.key(barber_id) = 7 AND test.wanted(service_id)') AS found;
ROLLBACK TO part;

-- Other access methods keep things of their own while they insert; with one of them nothing is kept, and without them there is again.
CREATE INDEX test_gin ON booking.appointments USING gin (overrides);
SELECT count(test.book()) FROM generate_series(1, 20);
SELECT test.kept();
UPDATE booking.shops SET min_notice_minutes = 60 * 24 * 2 WHERE id = 26001;
SELECT starts_at FROM booking.book_slot(26001, 26001, NULL, '2026-03-01 14:00Z', NULL, '{notice}');
SELECT starts_at FROM booking.book_slot(26001, 26001, NULL, '2026-03-01 15:00Z', NULL, '{notice}');
UPDATE booking.shops SET min_notice_minutes = 0 WHERE id = 26001;
SELECT test.found('test_gin', 'overrides @> ''{notice}''');
ALTER INDEX booking.test_gin SET (fastupdate = off);
SELECT count(test.book()) FROM generate_series(1, 20);
DROP INDEX booking.test_gin;
SELECT test.book() > 0 AS booked;
SELECT test.kept();
CREATE INDEX test_brin ON booking.appointments USING brin (starts_at);
CREATE INDEX test_hash ON booking.appointments USING hash (busy_until);
ALTER TABLE booking.appointments ADD CONSTRAINT test_gist EXCLUDE USING gist (tstzrange(starts_at, ends_at) WITH &&) WHERE (service_id = 26001 AND starts_at > '2026-03-20');
SELECT starts_at FROM booking.book_slot(26001, 26001, NULL, '2026-03-22 10:00Z');
SELECT starts_at FROM booking.book_slot(26002, 26001, NULL, '2026-03-22 11:00Z');
SELECT test.brief('SELECT booking.book_slot(26002, 26001, NULL, ''2026-03-22 10:00Z'')');
SELECT test.found('test_hash', 'busy_until = ''2026-03-22 11:30Z''');
SELECT test.kept();
ALTER TABLE booking.appointments DROP CONSTRAINT test_gist;
SELECT starts_at FROM booking.book_slot(26002, 26001, NULL, '2026-03-22 10:00Z');
DROP INDEX booking.test_brin, booking.test_hash;
SELECT test.book() > 0 AS booked;
SELECT test.kept();
ROLLBACK TO part;

-- ---------------------------------------------------------------------------
-- The owner, and what the owner may
-- ---------------------------------------------------------------------------

CREATE ROLE regress_booking_changes;
CREATE ROLE regress_booking_judges;
GRANT regress_booking_judges TO regress_booking_changes;
CREATE FUNCTION test.judge(bigint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN $1 > 0; END';
REVOKE EXECUTE ON FUNCTION test.judge FROM PUBLIC;
GRANT EXECUTE ON FUNCTION test.judge TO regress_booking_judges;
GRANT USAGE ON SCHEMA booking, test TO regress_booking_changes;
GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA booking TO regress_booking_changes;
ALTER TABLE booking.appointments ADD made_by text DEFAULT current_user, ADD CONSTRAINT judge CHECK (test.judge(barber_id));
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
ALTER TABLE booking.appointments OWNER TO regress_booking_changes;
SELECT test.book() AS id \gset
SELECT made_by FROM booking.appointments WHERE id = :id;
SELECT test.book() > 0 AS booked;
-- The owner may not call a CHECK's function any more: by a role's members, by the function's own list, by being no superuser.
REVOKE regress_booking_judges FROM regress_booking_changes;
SELECT test.brief('SELECT test.book()');
GRANT regress_booking_judges TO regress_booking_changes;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
REVOKE EXECUTE ON FUNCTION test.judge FROM regress_booking_judges;
SELECT test.brief('SELECT test.book()');
ALTER ROLE regress_booking_changes SUPERUSER;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
ALTER ROLE regress_booking_changes NOSUPERUSER;
SELECT test.brief('SELECT test.book()');
ROLLBACK TO part;

-- ---------------------------------------------------------------------------
-- The table as a whole
-- ---------------------------------------------------------------------------

-- Emptied; renamed and back; made anew by setup(), after which nothing of the old one's is there.
TRUNCATE booking.appointments CASCADE;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
SELECT count(*) FROM booking.appointments;
ALTER TABLE booking.appointments RENAME TO appointments_then;
SELECT test.brief('SELECT test.book()');
ALTER TABLE booking.appointments_then RENAME TO appointments;
SELECT test.book() > 0 AS booked;
ALTER TABLE booking.appointments ADD old text DEFAULT 'old', ADD CONSTRAINT old CHECK (starts_at < '2026-03-02 02:00Z');
SELECT test.book() > 0 AS booked;
SELECT test.brief('SELECT test.book()');
DROP TABLE booking.appointments CASCADE;
SELECT test.brief('SELECT test.book()');
SELECT count(*) AS parts FROM booking.setup();
SELECT test.book() > 0 AS booked FROM generate_series(1, 6);
SELECT count(*), max(starts_at) FROM booking.appointments;
SELECT test.found('idx_appointments_barber_date', 'barber_id = 26001 AND starts_at > ''2026-03-01''');
SELECT test.kept();
ROLLBACK TO part;
SELECT test.book() > 0 AS booked FROM generate_series(1, 2);
SELECT test.found('idx_appointments_barber_date', 'barber_id = 26001 AND starts_at > ''2026-03-01''');
ROLLBACK;

-- ---------------------------------------------------------------------------
-- What no transaction may contain
-- ---------------------------------------------------------------------------

SELECT test.book() > 0 AS booked;
CREATE INDEX CONCURRENTLY test_built ON booking.appointments ((service_id + 1)) WHERE service_id > 26000;
SELECT test.book() > 0 AS booked;
SELECT test.found('test_built', 'service_id + 1 = 26002 AND service_id > 26000');
REINDEX INDEX CONCURRENTLY booking.test_built;
SELECT test.book() > 0 AS booked;
SELECT test.found('test_built', 'service_id + 1 = 26002 AND service_id > 26000');
REINDEX TABLE booking.appointments;
SELECT test.book() > 0 AS booked;
SELECT test.found('test_built', 'service_id + 1 = 26002 AND service_id > 26000');
SELECT test.found('idx_appointments_barber_date', 'barber_id = 26001 AND starts_at > ''2026-03-01''');
VACUUM FULL booking.appointments;
SELECT test.book() > 0 AS booked;
CLUSTER booking.appointments USING idx_appointments_barber_date;
SELECT test.book() > 0 AS booked;
SELECT test.found('test_built', 'service_id + 1 = 26002 AND service_id > 26000');
SELECT test.found('idx_appointments_barber_date', 'barber_id = 26001 AND starts_at > ''2026-03-01''');
DROP INDEX CONCURRENTLY booking.test_built;
SELECT test.book() > 0 AS booked;
VACUUM ANALYZE booking.appointments;
SELECT test.book() > 0 AS booked;
SELECT count(*) FROM booking.appointments WHERE barber_id = 26001;
SELECT test.kept();
ALTER TABLE booking.appointments SET WITHOUT CLUSTER;

DELETE FROM booking.appointments WHERE barber_id IN (26001, 26002);
DELETE FROM booking.appointment_history h WHERE h.to_values IS NULL AND h.from_values->>'service_id' = '26001';
DELETE FROM booking.services WHERE shop_id = 26001;
DELETE FROM booking.barbers WHERE shop_id = 26001;
DELETE FROM booking.shops WHERE id = 26001;
DROP FUNCTION test.book, test.kept, test.found;
