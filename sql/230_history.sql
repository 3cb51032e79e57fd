--
-- History: what of an appointment was changed, when, by whom.
--
-- The changes are raw statements of all kinds; whatever function makes one
-- comes through the same trigger.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone) VALUES (23001, 'History', 'America/New_York');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (23001, 23001, 'Hal'), (23002, 23001, 'Hope');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (23001, 23001, 'Cut', 30);
INSERT INTO booking.users (id, email) VALUES (23001, 'u23001@example.org');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, created_at, updated_at, notes)
SELECT 23000 + n, 23001, 23001, 23001, timestamptz '2026-03-02 09:00-05' + n * interval '1 hour',
	timestamptz '2026-03-02 09:30-05' + n * interval '1 hour', '2026-02-28 08:00-05', '2026-02-28 08:00-05', 'quiet'
FROM generate_series(1, 9) n;

-- What is new in the history since the last look.  The session's role has no fixed name here.
CREATE SEQUENCE pg_temp.seen;
SELECT setval('pg_temp.seen', (SELECT coalesce(max(id), 0) + 1 FROM booking.appointment_history)) > 0 AS ready;
CREATE FUNCTION pg_temp.news() RETURNS TABLE (appointment bigint, version int, changed_at timestamptz, changed_by text, db_role text,
	from_values jsonb, to_values jsonb) LANGUAGE plpgsql AS $$
DECLARE
	old_last bigint := (SELECT last_value FROM pg_temp.seen);
BEGIN
	RETURN QUERY SELECT h.appointment_id, h.version, h.changed_at,
		CASE h.changed_by WHEN session_user THEN 'session_user' ELSE h.changed_by END,
		CASE h.db_role WHEN session_user THEN 'session_user' ELSE h.db_role END, h.from_values, h.to_values
	FROM booking.appointment_history h WHERE h.id >= old_last AND h.appointment_id BETWEEN 23001 AND 23999 ORDER BY h.id;
	PERFORM setval('pg_temp.seen', (SELECT coalesce(max(id), 0) + 1 FROM booking.appointment_history));
END
$$;

-- ---------------------------------------------------------------------------
-- What is kept
-- ---------------------------------------------------------------------------

-- A new appointment has no history.
SELECT * FROM pg_temp.news();
-- A change of status: both sides have the status alone; version is the new one, and the time is that of booking.now.
SET booking.now = '2026-03-01 13:00-05';
UPDATE booking.appointments SET status = 'checked_in' WHERE id = 23001;
SELECT * FROM pg_temp.news();
-- What the guard's trigger fills in is a change too: cancelled_at.  An instant has its offset, a missing value is null.
UPDATE booking.appointments SET status = 'cancelled', cancel_reason = 'ill', cancelled_by = 'customer' WHERE id = 23002;
SELECT * FROM pg_temp.news();
-- A move, to another time and barber.
UPDATE booking.appointments SET barber_id = 23002, starts_at = '2026-03-03 09:00-05', ends_at = '2026-03-03 09:30-05',
	busy_from = '2026-03-03 09:00-05', busy_until = '2026-03-03 09:40-05' WHERE id = 23003;
SELECT * FROM pg_temp.news();
-- A value that was taken away, a number, an array.
UPDATE booking.appointments SET notes = NULL, price_cents = 3500, overrides = '{hours,grid}' WHERE id = 23003;
SELECT * FROM pg_temp.news();
-- What is set to the value it had is no change: of two columns one, and of one none, though the version went on.
UPDATE booking.appointments SET notes = notes, price_cents = 3600 WHERE id = 23003;
UPDATE booking.appointments SET notes = notes WHERE id = 23003 RETURNING version;
SELECT * FROM pg_temp.news();
-- The writer's own version and updated_at are not kept, as the guard's trigger overwrites them.
UPDATE booking.appointments SET version = 99, updated_at = '2020-01-01 00:00Z' WHERE id = 23003 RETURNING version, updated_at;
SELECT * FROM pg_temp.news();
-- A deletion: the whole row as it was, with its last version; and the history of what is gone stays.
UPDATE booking.appointments SET notes = 'loud' WHERE id = 23004;
DELETE FROM booking.appointments WHERE id = 23004;
SELECT appointment, version, changed_at, changed_by, db_role, to_values FROM pg_temp.news();
SELECT v.key, v.value FROM booking.appointment_history h, jsonb_each(h.from_values) v
WHERE h.appointment_id = 23004 AND h.to_values IS NULL ORDER BY v.key COLLATE "C";
SELECT count(*) FROM booking.appointment_history WHERE appointment_id = 23004;

-- ---------------------------------------------------------------------------
-- Statements of other kinds
-- ---------------------------------------------------------------------------

-- Each row of a statement has its entry, and each of two changes in a transaction.
UPDATE booking.appointments SET notes = 'both' WHERE id IN (23005, 23006);
UPDATE booking.appointments SET notes = 'again' WHERE id = 23006;
SELECT appointment, version, from_values, to_values FROM pg_temp.news() ORDER BY appointment, version;
-- INSERT ... ON CONFLICT DO UPDATE: as an update it has one, as an insertion none.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (23005, 23001, 23001, '2026-03-20 09:00-04', '2026-03-20 09:30-04'), (23020, 23001, 23001, '2026-03-21 09:00-04', '2026-03-21 09:30-04')
ON CONFLICT (id) DO UPDATE SET notes = 'conflict';
SELECT appointment, version, from_values, to_values FROM pg_temp.news();
-- Another id: the entry is the new one's, and names the old.
UPDATE booking.appointments SET id = 23021 WHERE id = 23020;
SELECT appointment, version, from_values, to_values FROM pg_temp.news();
-- Parts go with their head, and each leaves an entry.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, visit_id, part_of)
VALUES (23030, 23001, 23001, '2026-03-22 09:00-04', '2026-03-22 09:30-04', 23030, NULL),
	(23031, 23001, 23001, '2026-03-22 10:00-04', '2026-03-22 10:30-04', 23030, 23030);
DELETE FROM booking.appointments WHERE id = 23030;
SELECT appointment, version, from_values ->> 'part_of' AS part_of, to_values FROM pg_temp.news() ORDER BY appointment;
-- A rollback takes the entries with it.
SAVEPOINT s;
UPDATE booking.appointments SET notes = 'never' WHERE id = 23005;
DELETE FROM booking.appointments WHERE id = 23005;
SELECT count(*) FROM booking.appointment_history WHERE appointment_id = 23005;
ROLLBACK TO s;
SELECT count(*) FROM booking.appointment_history WHERE appointment_id = 23005;
-- A refused change leaves none: 23001 is at 10:00.
SELECT test.brief('UPDATE booking.appointments SET starts_at = ''2026-03-02 10:00-05'', ends_at = ''2026-03-02 10:30-05'',
	busy_from = NULL, busy_until = NULL WHERE id = 23005');
SELECT test.brief('UPDATE booking.appointments SET status = ''pending'' WHERE id = 23005');
SELECT * FROM pg_temp.news();
-- Nor does a change that a BEFORE trigger dropped; one that it altered is kept as it was stored.
CREATE FUNCTION pg_temp.alter_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.notes = 'drop' THEN
		RETURN NULL;
	END IF;
	NEW.notes := upper(NEW.notes);
	RETURN NEW;
END
$$;
CREATE TRIGGER alter_it BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.alter_it();
UPDATE booking.appointments SET notes = 'drop' WHERE id = 23005;
UPDATE booking.appointments SET notes = 'store' WHERE id = 23005;
SELECT appointment, version, from_values, to_values FROM pg_temp.news();
DROP TRIGGER alter_it ON booking.appointments;
-- Many rows, in as many entries.
SAVEPOINT s;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT 23100 + n, 23002, 23001, timestamptz '2026-05-01 00:00Z' + n * interval '1 hour', timestamptz '2026-05-01 00:30Z' + n * interval '1 hour'
FROM generate_series(1, 500) n;
UPDATE booking.appointments SET notes = id::text WHERE id BETWEEN 23101 AND 23600;
SELECT count(*), count(DISTINCT appointment), bool_and(to_values = jsonb_build_object('notes', appointment::text)) AS own_values FROM pg_temp.news();
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Whose
-- ---------------------------------------------------------------------------

-- An entry is the shop's and the customer's; who walked in is nobody.  It stays so when the barber goes elsewhere.
SAVEPOINT s;
CREATE FUNCTION pg_temp.whose() RETURNS TABLE (appointment bigint, version int, shop bigint, customer bigint, from_keys text, to_keys text,
	from_notes text, to_notes text) LANGUAGE sql AS $$
SELECT h.appointment_id, h.version, h.shop_id, h.user_id, (SELECT CASE WHEN count(*) > 20 THEN 'all' ELSE count(*)::text END FROM jsonb_object_keys(h.from_values)),
	(SELECT CASE WHEN count(*) > 20 THEN 'all' ELSE count(*)::text END FROM jsonb_object_keys(h.to_values)), h.from_values ->> 'notes', h.to_values ->> 'notes'
FROM booking.appointment_history h WHERE h.id >= (SELECT last_value FROM pg_temp.seen) ORDER BY h.id
$$;
INSERT INTO booking.shops (id, name) VALUES (23002, 'Other');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (23003, 23002, 'Otto'), (23004, 23001, 'Hugo');
INSERT INTO booking.users (id, email) VALUES (23002, 'u23002@example.org');
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (23040, 23004, 23001, '2026-04-01 09:00-04', '2026-04-01 09:30-04');
UPDATE booking.appointments SET notes = 'whose' WHERE id IN (23009, 23040);
UPDATE booking.barbers SET shop_id = 23002 WHERE id = 23004;
SELECT * FROM pg_temp.whose();
-- Who gets a row of somebody else's gets another entry: each has the whole row, and nothing of the other side.  The notes stay behind.
SELECT setval('pg_temp.seen', (SELECT max(id) + 1 FROM booking.appointment_history)) > 0 AS looked;
UPDATE booking.appointments SET barber_id = 23003 WHERE id = 23009;
UPDATE booking.appointments SET user_id = 23002, notes = 'of another' WHERE id = 23009;
UPDATE booking.appointments SET user_id = NULL WHERE id = 23009;
UPDATE booking.appointments SET user_id = 23001, barber_id = 23001, starts_at = starts_at + interval '1 month', ends_at = ends_at + interval '1 month',
	busy_from = NULL, busy_until = NULL WHERE id = 23009;
SELECT * FROM pg_temp.whose();
-- To the same shop and customer it is a change as any other; a deletion is theirs.
SELECT setval('pg_temp.seen', (SELECT max(id) + 1 FROM booking.appointment_history)) > 0 AS looked;
UPDATE booking.appointments SET barber_id = 23002, user_id = user_id WHERE id = 23009;
DELETE FROM booking.appointments WHERE id = 23009;
SELECT appointment, version, shop, customer, from_keys, to_keys FROM pg_temp.whose();
SELECT check_name, row_id, detail FROM booking.verify(true) WHERE table_name = 'appointment_history';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Columns of the user's
-- ---------------------------------------------------------------------------

-- A column that is added in mid-session: it is there at once, with the value that old rows have of it; a type without equality will do.
ALTER TABLE booking.appointments ADD gone int DEFAULT 5, ADD source text DEFAULT 'web', ADD extra json;
UPDATE booking.appointments SET source = 'phone' WHERE id = 23005;
UPDATE booking.appointments SET extra = '{"tea": true}', gone = 6 WHERE id = 23006;
SELECT appointment, version, from_values, to_values FROM pg_temp.news();
-- Dropped, renamed, of another type, generated.
ALTER TABLE booking.appointments DROP gone;
ALTER TABLE booking.appointments RENAME source TO channel;
ALTER TABLE booking.appointments ALTER extra TYPE jsonb, ADD minutes int GENERATED ALWAYS AS (extract(epoch FROM ends_at - starts_at) / 60) STORED;
UPDATE booking.appointments SET channel = NULL, ends_at = ends_at - interval '5 minutes', busy_until = NULL WHERE id = 23005;
SELECT appointment, version, from_values, to_values FROM pg_temp.news();
DELETE FROM booking.appointments WHERE id = 23006;
SELECT from_values -> 'channel' AS channel, from_values -> 'extra' AS extra, from_values -> 'minutes' AS minutes, from_values ? 'gone' AS gone
FROM pg_temp.news();
ALTER TABLE booking.appointments DROP channel, DROP extra, DROP minutes;
-- A value that does not fit into a page is kept whole.
UPDATE booking.appointments SET notes = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) n) WHERE id = 23005;
UPDATE booking.appointments SET notes = 'short' WHERE id = 23005;
SELECT appointment, length(from_values ->> 'notes') AS before, length(to_values ->> 'notes') AS after FROM pg_temp.news();

-- ---------------------------------------------------------------------------
-- By whom
-- ---------------------------------------------------------------------------

-- Whom the application names; the role that has logged in is kept beside it.
SET LOCAL booking.actor = 'alice@example.org';
UPDATE booking.appointments SET notes = 'by Alice' WHERE id = 23007;
-- The empty string names nobody.
SET LOCAL booking.actor = '';
UPDATE booking.appointments SET notes = 'by nobody' WHERE id = 23007;
-- A savepoint that is rolled back takes the name back.
SAVEPOINT s;
SET LOCAL booking.actor = 'mallory';
ROLLBACK TO s;
DELETE FROM booking.appointments WHERE id = 23007;
SELECT version, changed_by, db_role, to_values FROM pg_temp.news();
-- A name is text and nothing else.
SAVEPOINT s;
SET LOCAL booking.actor = E'O\'Hara\'); DROP TABLE booking.users; -- \\ %s $1';
UPDATE booking.appointments SET notes = 'quoted' WHERE id = 23008;
SELECT length(set_config('booking.actor', repeat('x', 100000), true)) AS long;
UPDATE booking.appointments SET notes = 'long' WHERE id = 23008;
SELECT left(changed_by, 60) AS changed_by, length(changed_by), to_values FROM pg_temp.news();
ROLLBACK TO s;

-- The tables are somebody's who is no superuser, and the writer has no more than UPDATE on appointments.
SAVEPOINT privileges;
CREATE ROLE regress_booking_owner;
CREATE ROLE regress_booking_writer;
CREATE ROLE regress_booking_other;
GRANT USAGE ON SCHEMA booking TO regress_booking_owner, regress_booking_writer, regress_booking_other;
GRANT regress_booking_other TO regress_booking_writer;
DO $$
DECLARE
	t name;
BEGIN
	FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE booking.%I OWNER TO regress_booking_owner', t);
	END LOOP;
END
$$;
DELETE FROM booking.appointments WHERE id NOT IN (23008, 23009);
SELECT count(*) > 0 AS deleted FROM pg_temp.news();
GRANT UPDATE ON booking.appointments TO regress_booking_writer, regress_booking_other;
SET LOCAL SESSION AUTHORIZATION regress_booking_writer;
UPDATE booking.appointments SET notes = 'raw';
SET LOCAL booking.actor = 'bob@example.org';
UPDATE booking.appointments SET notes = 'for Bob';
-- A role that was SET is not the one that has logged in.
SET LOCAL booking.actor = '';
SET LOCAL ROLE regress_booking_other;
UPDATE booking.appointments SET notes = 'other';
RESET ROLE;
-- The history is not his to read, and less to write.
SELECT v.statement, test.brief(v.statement) FROM (VALUES ('SELECT FROM booking.appointment_history'),
	('UPDATE booking.appointment_history SET changed_by = ''x'''), ('DELETE FROM booking.appointment_history'),
	('INSERT INTO booking.appointment_history VALUES (1, 1, 1, now(), ''x'', ''x'', ''{}'')')) v (statement);
RESET SESSION AUTHORIZATION;
SELECT appointment, version, changed_by, db_role, from_values, to_values FROM pg_temp.news() ORDER BY appointment, version;
-- A function of the writer's own in front of ours in the path would run as the owner.
CREATE SCHEMA regress_booking_path AUTHORIZATION regress_booking_writer;
CREATE FUNCTION regress_booking_path.jsonb_each(jsonb, OUT key text, OUT value jsonb) RETURNS SETOF record
LANGUAGE sql AS $$SELECT 'stolen', $1$$;
GRANT USAGE ON SCHEMA regress_booking_path TO PUBLIC;
SET LOCAL SESSION AUTHORIZATION regress_booking_writer;
SET LOCAL search_path = regress_booking_path, pg_catalog;
UPDATE booking.appointments SET notes = 'path';
SELECT key FROM jsonb_each('{"his": "own"}');
RESET search_path;
RESET SESSION AUTHORIZATION;
SELECT appointment, from_values, to_values FROM pg_temp.news() ORDER BY appointment, version;
ROLLBACK TO privileges;

-- ---------------------------------------------------------------------------
-- As a trigger of another kind it would keep nonsense
-- ---------------------------------------------------------------------------

SAVEPOINT s;
CREATE TRIGGER another AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION booking.appointment_changed();
SELECT test.error('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (23001, 23001, ''2026-04-01 09:00Z'', ''2026-04-01 09:30Z'')');
ROLLBACK TO s;
CREATE TRIGGER another BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION booking.appointment_changed();
SELECT test.brief('UPDATE booking.appointments SET notes = ''x'' WHERE id = 23005');
ROLLBACK TO s;
CREATE TRIGGER another AFTER UPDATE ON booking.appointments FOR EACH STATEMENT EXECUTE FUNCTION booking.appointment_changed();
SELECT test.brief('UPDATE booking.appointments SET notes = ''x'' WHERE id = 23005');
ROLLBACK TO s;
CREATE TRIGGER another AFTER UPDATE ON booking.users FOR EACH ROW EXECUTE FUNCTION booking.appointment_changed();
SELECT test.brief('UPDATE booking.users SET name = ''x'' WHERE id = 23001');
ROLLBACK TO s;
-- The guard's own are not for deletions.
CREATE TRIGGER another AFTER DELETE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION booking.guard_after();
SELECT test.brief('DELETE FROM booking.appointments WHERE id = 23005');
ROLLBACK TO s;
CREATE TRIGGER another BEFORE DELETE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION booking.guard_before();
SELECT test.brief('DELETE FROM booking.appointments WHERE id = 23005');
ROLLBACK TO s;
SELECT test.brief('SELECT booking.appointment_changed()');

ROLLBACK;
