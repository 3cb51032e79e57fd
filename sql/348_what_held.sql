--
-- What an attacker has tried in vain: without privileges, as a customer, as
-- staff of another shop, with settings, through the planner and through names of
-- triggers and constraints.  Functions are found in pg_proc, so that a new one is
-- tried as well.  If a line below changes, somebody gets more than is his.
--
-- What needs sessions, encodings or time of its own is in t/078_what_held.pl,
-- what is tried at random in t/077_random_caller.pl.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

CREATE ROLE regress_booking_connect;
CREATE ROLE regress_booking_front;
CREATE ROLE regress_booking_staff;
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_front', 'front');
SELECT count(*) > 0 AS granted FROM booking.grant_role('regress_booking_staff', 'staff');

-- Two shops with a barber, a service and a customer each.  Ann (34801) is the first one's, Bob (34802) the second one's.
INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (34801, 'First', 60), (34802, 'Second', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (34801, 34801, 'Fay'), (34802, 34802, 'Sam');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT b, d, '09:00', '17:00' FROM generate_series(34801, 34802) b, generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (34801, 34801, 'Cut', 60), (34802, 34802, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (34801, 34801), (34802, 34802);
INSERT INTO booking.users (id, email, name) VALUES (34801, 'ann348@example.org', 'Ann'), (34802, 'bob348@example.org', 'Bob');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(34801, 34801, 34801, 34801, '2026-03-02 09:00Z', '2026-03-02 10:00Z'), (34802, 34802, 34802, 34802, '2026-03-02 09:00Z', '2026-03-02 10:00Z');
INSERT INTO booking.waitlist (id, user_id, service_id, earliest, latest) VALUES
	(34801, 34801, 34801, '2026-03-03 09:00Z', '2026-03-03 10:00Z'), (34802, 34802, 34802, '2026-03-03 09:00Z', '2026-03-03 10:00Z');
UPDATE booking.appointments SET notes = 'seen' WHERE id IN (34801, 34802);

-- What there is, to see that an attempt has changed nothing.
CREATE FUNCTION test.all_rows() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
SELECT md5(string_agg(r, E'\n' ORDER BY r)) FROM (SELECT a::text FROM booking.appointments a UNION ALL SELECT h::text FROM booking.appointment_history h
	UNION ALL SELECT w::text FROM booking.waitlist w UNION ALL SELECT u::text FROM booking.users u) v (r)
$$;

-- A call of each function, all its arguments given: the ids that are named, else something that could be meant.
CREATE FUNCTION test.calls(ids jsonb) RETURNS TABLE (f regprocedure, args text[], call text) LANGUAGE sql AS $$
SELECT p.oid, p.proargnames, format('booking.%I(%s)', p.proname, (
	SELECT string_agg(format('%s::%s', coalesce(quote_literal(ids ->> p.proargnames[n]), CASE format_type(t, NULL)
		WHEN 'bigint' THEN 'NULL' WHEN 'boolean' THEN 'true' WHEN 'integer' THEN CASE p.proargnames[n] WHEN 'version' THEN 'NULL' ELSE '2' END
		WHEN 'date' THEN '''2026-03-02''' WHEN 'interval' THEN '''7 days''' WHEN 'text' THEN CASE p.proargnames[n] WHEN 'on_conflict' THEN '''fail''' WHEN 'cancelled_by' THEN '''customer''' ELSE 'NULL' END
		WHEN 'timestamp with time zone' THEN CASE p.proargnames[n] WHEN 'latest' THEN '''2026-03-02 17:00Z''' ELSE '''2026-03-02 12:00Z''' END
		WHEN 'bigint[]' THEN format('ARRAY[%s]', coalesce(ids ->> 'service_id', 'NULL'))
		WHEN 'booking.visit_item[]' THEN format('ARRAY[ROW(%s, %s, ''2026-03-02 12:00Z'', NULL)]', coalesce(ids ->> 'barber_id', 'NULL'), coalesce(ids ->> 'service_id', 'NULL'))
		ELSE 'NULL' END), format_type(t, NULL)), ', ' ORDER BY n)
	FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n)))
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'booking'
WHERE p.prorettype <> 'trigger'::regtype
$$;
-- Whoever is tried may not see what may be called; the calls are made once.
CREATE TABLE test.attempts AS
SELECT 'anns' AS whose, * FROM test.calls('{"shop_id": 34801, "barber_id": 34801, "service_id": 34801, "user_id": 34801, "appointment_id": 34801, "for_appointment_id": 34801, "entry_id": 34801}')
UNION ALL SELECT 'bobs', * FROM test.calls('{"shop_id": 34802, "barber_id": 34802, "service_id": 34802, "user_id": 34802, "appointment_id": 34802, "for_appointment_id": 34802, "entry_id": 34802}')
UNION ALL SELECT 'nobodys', * FROM test.calls('{"shop_id": 34899, "barber_id": 34899, "service_id": 34899, "user_id": 34899, "appointment_id": 34899, "for_appointment_id": 34899, "entry_id": 34899}')
UNION ALL SELECT 'bobs, of anns shop', * FROM test.calls('{"shop_id": 34801, "barber_id": 34801, "service_id": 34801, "user_id": 34802, "appointment_id": 34802, "for_appointment_id": 34802, "entry_id": 34802}')
UNION ALL SELECT 'nobodys, of anns shop', * FROM test.calls('{"shop_id": 34801, "barber_id": 34801, "service_id": 34801, "user_id": 34899, "appointment_id": 34899, "for_appointment_id": 34899, "entry_id": 34899}');
GRANT SELECT ON test.attempts TO PUBLIC;
SELECT whose, count(*) > 50 AS many FROM test.attempts GROUP BY 1 ORDER BY 1;

-- ---------------------------------------------------------------------------
-- Who may only connect
-- ---------------------------------------------------------------------------

BEGIN;
SET LOCAL ROLE regress_booking_connect;
-- No function, no table, no sequence.
SELECT DISTINCT test.brief('SELECT ' || call) FROM test.attempts;
SELECT DISTINCT test.brief(format('SELECT FROM booking.%I', relname)) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'booking') AND relkind IN ('r', 'v');
SELECT DISTINCT left(test.brief(format('SELECT nextval(%L)', 'booking.' || relname)), 5) FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'booking') AND relkind = 'S';
-- Not through the library, nor what the planner knows of the rows.
SELECT left(test.brief('LOAD ''booking'''), 5) AS load;
SELECT left(test.brief('CREATE FUNCTION pg_temp.expire() RETURNS int LANGUAGE c AS ''$libdir/booking'', ''booking_expire_holds'''), 5) AS c_function;
SELECT (SELECT count(*) FROM pg_stats WHERE schemaname = 'booking') AS statistics, (SELECT count(*) FROM pg_stats_ext WHERE schemaname = 'booking') AS extended;
ROLLBACK;

-- The guard's locks are of a kind that pg_advisory_lock() does not take: nobody can hold up a barber with it.
BEGIN;
UPDATE booking.barbers SET max_per_day = 9 WHERE id = 34801;
-- An index's expression is evaluated while the row is stored, under the barber's lock.
CREATE FUNCTION test.look(id bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	takable boolean;
BEGIN
	FOR takable IN SELECT l.objsubid IN (1, 2) FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'advisory' LOOP
		RAISE WARNING 'a lock, takable: %', takable;
	END LOOP;
	RETURN id;
END
$$;
CREATE INDEX look ON booking.appointments (test.look(id));
SELECT status FROM booking.book_slot(34801, 34801, NULL, '2026-03-02 12:00Z');
ROLLBACK;

-- ---------------------------------------------------------------------------
-- A customer
-- ---------------------------------------------------------------------------

SELECT count(*) > 0 AS enabled FROM booking.enable_row_security();
SELECT test.all_rows() AS before \gset

-- Whatever names Bob's appointment, account or place is refused; what is not there is answered the same, to the letter.
BEGIN;
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '34801';
CREATE TEMP TABLE answers AS SELECT whose, f, args, replace(replace(test.brief('SELECT * FROM ' || call), '34802', 'ID'), '34899', 'ID') AS answer
FROM test.attempts WHERE args && '{user_id,appointment_id,for_appointment_id,entry_id}' AND whose LIKE '%of anns shop' AND has_function_privilege(f, 'EXECUTE');
SELECT count(*) > 10 AS tried FROM answers WHERE whose LIKE 'bobs%';
SELECT f, answer AS answered FROM answers WHERE left(answer, 5) NOT IN ('P0002', '42501') ORDER BY f::text COLLATE "C";
SELECT b.f AS told_apart, b.answer, n.answer FROM answers b JOIN answers n USING (f) WHERE b.whose LIKE 'bobs%' AND n.whose LIKE 'nobodys%' AND b.answer <> n.answer ORDER BY 1;
ROLLBACK;
SELECT test.all_rows() = :'before' AS unchanged;

-- A visit and a series of which an appointment was given to Bob: hers is the rest.
BEGIN;
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '34801';
SELECT min(id) AS first, max(id) AS second FROM booking.book_visit(34801,
	ARRAY[ROW(34801, 34801, '2026-03-04 09:00Z', NULL), ROW(34801, 34801, '2026-03-04 11:00Z', NULL)]::booking.visit_item[]) \gset
SELECT max(appointment_id) AS third FROM booking.book_series(34801, 34801, 34801, '2026-03-05 09:00Z', '1 day', 2) \gset
RESET ROLE;
UPDATE booking.appointments SET user_id = 34802 WHERE id IN (:second, :third);
SET LOCAL ROLE regress_booking_front;
SELECT starts_at FROM booking.reschedule_appointment(:first, '2026-03-04 13:00Z');
SELECT left(test.brief(format('SELECT booking.%s', c)), 5) AS state FROM unnest(ARRAY[format('cancel_appointment(%s)', :second), format('cancel_appointment(%s)', :third),
	format('reschedule_appointment(%s, ''2026-03-06 12:00Z'')', :second), format('confirm_appointment(%s)', :third)]) c;
SELECT count(*) FROM booking.user_appointments(34801) WHERE appointment_id IN (:second, :third);
RESET ROLE;
SELECT starts_at, user_id FROM booking.appointments WHERE id IN (:first, :second, :third) ORDER BY id;
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Staff of one shop
-- ---------------------------------------------------------------------------

BEGIN;
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '34801';
-- About the other shop: refused or not there, whatever function it is that not everybody may call.
CREATE TEMP TABLE answers AS SELECT f, test.brief('SELECT * FROM ' || call) AS answer
FROM test.attempts a JOIN pg_proc p ON p.oid = a.f WHERE whose = 'bobs' AND args && '{shop_id,barber_id,service_id,appointment_id,entry_id,items}'
AND NOT has_function_privilege('public', f, 'EXECUTE') AND has_function_privilege(f, 'EXECUTE') AND p.proname NOT IN ('try_book_slot', 'user_appointments');
SELECT count(*) > 10 AS tried FROM answers;
SELECT f, answer AS answered FROM answers WHERE left(answer, 5) NOT IN ('P0002', '42501') ORDER BY f::text COLLATE "C";
SELECT left(test.brief('SELECT booking.try_book_slot(34802, 34802, NULL, ''2026-03-02 12:00Z'')'), 5) AS try;
SELECT count(*) FROM booking.user_appointments(34801) WHERE shop_id <> 34801;
-- The other shop's barber for a service of theirs.
SELECT left(test.brief('SELECT booking.book_slot(34802, 34801, NULL, ''2026-03-02 12:00Z'')'), 5) AS book,
	(SELECT reason FROM booking.try_book_slot(34802, 34801, NULL, '2026-03-02 12:00Z')) AS try,
	left(test.brief('SELECT booking.reschedule_appointment(34801, ''2026-03-02 12:00Z'', 34802)'), 5) AS move;
ROLLBACK;
SELECT test.all_rows() = :'before' AS unchanged;

-- ---------------------------------------------------------------------------
-- Ways around the policies
-- ---------------------------------------------------------------------------

ANALYZE booking.users, booking.appointments, booking.waitlist, booking.appointment_history;
BEGIN;
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.user_id = '34801';
-- A reader who wants no row security gets no row; the functions do not mind.
SAVEPOINT s;
SET LOCAL row_security = off;
SELECT t, left(test.brief('SELECT FROM booking.' || t), 5) AS state FROM unnest('{appointments,appointment_history,users,waitlist,blocked_customers}'::text[]) t;
SELECT left(test.brief('SELECT * FROM booking.user_appointments(34802)'), 5) AS bobs, (SELECT count(*) FROM booking.user_appointments(34801)) AS own;
ROLLBACK TO s;
-- Nor do parallel workers, who are under the same settings.
SELECT set_config(CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'force_parallel_mode' ELSE 'debug_parallel_query' END, 'on', true) AS forced;
SELECT left(test.brief('SELECT * FROM booking.user_appointments(34802)'), 5) AS bobs, left(test.brief('SELECT * FROM booking.available_slots(34802, ''2026-03-02'', for_appointment_id => 34802)'), 5) AS move;
SELECT count(*) FROM booking.user_appointments(34801);
SELECT (SELECT count(*) FROM booking.users) AS users, (SELECT count(*) FROM booking.appointments) AS appointments, (SELECT count(*) FROM booking.waitlist) AS waitlist;
ROLLBACK TO s;
-- What the planner knows of the rows.
SELECT count(*) AS statistics FROM pg_stats WHERE schemaname = 'booking' AND tablename IN ('appointments', 'appointment_history', 'users', 'waitlist');
-- A function that is cheaper than any comparison, in WHERE and in a join.
-- Bob is in none of the warnings.
CREATE FUNCTION pg_temp.peek(row_text text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING 'seen: %', substring(row_text FROM '(?:bob|348)\d*'); RETURN true; END $$;
SELECT (SELECT count(*) FROM booking.users u WHERE pg_temp.peek(u.email)) AS users, (SELECT count(*) FROM booking.appointments a WHERE pg_temp.peek(a.id::text)) AS appointments,
	(SELECT count(*) FROM booking.waitlist w WHERE pg_temp.peek(w.id::text)) AS waitlist,
	(SELECT count(*) FROM booking.appointment_history h WHERE pg_temp.peek(h.appointment_id::text)) AS history;
ROLLBACK;

-- A trigger of the owner's cannot become somebody else, nor the caller again.
BEGIN;
CREATE ROLE regress_booking_owner;
GRANT USAGE ON SCHEMA booking TO regress_booking_owner;
GRANT regress_booking_staff TO regress_booking_owner;
DO $$
DECLARE
	t name;
BEGIN
	FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE booking.%I OWNER TO regress_booking_owner', t);
	END LOOP;
END
$$;
CREATE TABLE test.became (statement text, state text, who name);
GRANT ALL ON test.became TO PUBLIC;
CREATE FUNCTION test.become() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	s text;
BEGIN
	FOREACH s IN ARRAY ARRAY['SET ROLE regress_booking_staff', 'SET LOCAL ROLE NONE', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', 'RESET SESSION AUTHORIZATION', 'SET ROLE regress_booking_front'] LOOP
		INSERT INTO test.became VALUES (s, left(test.brief(s), 5), current_user);
	END LOOP;
	RETURN NEW;
END
$$;
CREATE TRIGGER become BEFORE INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.become();
SELECT status FROM booking.book_slot(34801, 34801, NULL, '2026-03-02 12:00Z');
SELECT DISTINCT statement, state, who FROM test.became ORDER BY 1;
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Settings
-- ---------------------------------------------------------------------------

-- In a session that has not loaded the library anybody may write anything into a setting; once it is loaded, what is not his to set is as before.
\c -
SET client_min_messages = error;
SET ROLE regress_booking_front;
SET booking.now = '2000-01-01';
SET booking.track = off;
SET booking.user_id = '34801';
SELECT left(test.brief('SELECT * FROM booking.user_appointments(34802)'), 5) AS bobs;
SHOW booking.now;
SHOW booking.track;
SHOW booking.user_id;
SELECT v, left(test.brief(v), 5) AS state FROM unnest(ARRAY['SET booking.now = ''2000-01-01''', 'SET LOCAL booking.track = off', 'SET booking.leaf_scan = off',
	'SELECT set_config(''booking.now'', ''2000-01-01'', true)', 'UPDATE pg_settings SET setting = ''2000-01-01'' WHERE name = ''booking.now''']) v;
-- The library comes in a subtransaction that is rolled back: who is acted for is neither lost nor another.
\c -
SET client_min_messages = error;
SET booking.now = '2026-03-01 12:00Z';
SET ROLE regress_booking_front;
BEGIN;
SET LOCAL booking.user_id = '34801';
SAVEPOINT s;
SELECT left(test.brief('SELECT * FROM booking.user_appointments(34802)'), 5) AS bobs;
ROLLBACK TO s;
SHOW booking.user_id;
SELECT left(test.brief('SELECT * FROM booking.user_appointments(34802)'), 5) AS bobs, (SELECT count(*) FROM booking.user_appointments(34801)) AS own;
COMMIT;
SHOW booking.user_id;
\c -
SET client_min_messages = error;
SET booking.now = '2026-03-01 12:00Z';
SET ROLE regress_booking_front;
BEGIN;
SAVEPOINT s;
SET LOCAL booking.user_id = '34801';
SELECT count(*) AS own FROM booking.user_appointments(34801);
ROLLBACK TO s;
SELECT test.brief('SELECT * FROM booking.user_appointments(34801)');
-- One within another, and a function's own.
SET LOCAL booking.user_id = '34801';
SAVEPOINT s;
SET LOCAL booking.user_id = '34802';
SELECT left(test.brief('SELECT * FROM booking.user_appointments(34801)'), 5) AS anns;
RELEASE s;
SHOW booking.user_id;
SAVEPOINT s;
SET LOCAL booking.user_id = '34801';
ROLLBACK TO s;
SHOW booking.user_id;
SELECT count(*) AS bobs FROM booking.user_appointments(34802);
CREATE FUNCTION pg_temp.as_ann(about bigint) RETURNS bigint LANGUAGE sql SET booking.user_id = '34801' AS $$ SELECT count(*) FROM booking.user_appointments(about) $$;
SELECT pg_temp.as_ann(34801), left(test.brief('SELECT pg_temp.as_ann(34802)'), 5) AS bobs;
SHOW booking.user_id;
ROLLBACK;
\c -
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

-- ---------------------------------------------------------------------------
-- Names and texts in what a monitor reads
-- ---------------------------------------------------------------------------

-- A status and a constraint's name that would end a label, a line or a string.
BEGIN;
SELECT count(*) > 0 AS disabled FROM booking.disable_row_security();
ALTER TABLE booking.appointments DROP CONSTRAINT appointments_status;
SET LOCAL session_replication_role = replica;
UPDATE booking.appointments SET status = E'x"} 1\nbooking_forged{a="b\\', starts_at = now() + interval '1 hour', ends_at = now() + interval '2 hours',
	busy_from = now() + interval '1 hour', busy_until = now() + interval '2 hours' WHERE id = 34801;
SET LOCAL session_replication_role = origin;
DO $$
BEGIN
	EXECUTE format('ALTER TABLE booking.barbers ADD CONSTRAINT %I FOREIGN KEY (shop_id) REFERENCES booking.shops', E'x"}\nbooking_forged 1\n{"');
	EXECUTE format('ALTER TABLE booking.barbers DISABLE TRIGGER ALL');
END
$$;
SET LOCAL booking.now = '';
-- Every line is a comment, or a name, labels whose values are closed, and a number.
SELECT line AS forged FROM regexp_split_to_table(booking.metrics(), '\n') line
WHERE line !~ '^(|# (HELP|TYPE|UNIT) booking_\w+ .*|# EOF|booking_\w+(\{\w+="([^"\\]|\\.)*"(,\w+="([^"\\]|\\.)*")*\})? [-+.0-9einfNa]+)$' OR line ~ '^booking_forged';
SELECT jsonb_typeof(booking.health()::text::jsonb) AS health, booking.health() ->> 'status' IN ('degraded', 'unhealthy') AS is_told;
SELECT DISTINCT check_name FROM booking.verify() WHERE detail ~ E'x"}\n' OR check_name ~ 'forged' ORDER BY 1;
ROLLBACK;

SELECT count(*) > 0 AS disabled FROM booking.disable_row_security();
DELETE FROM booking.waitlist WHERE id IN (34801, 34802);
DELETE FROM booking.appointments WHERE id IN (34801, 34802);
DELETE FROM booking.appointment_history WHERE appointment_id IN (34801, 34802);
DELETE FROM booking.services WHERE shop_id IN (34801, 34802);
DELETE FROM booking.barbers WHERE shop_id IN (34801, 34802);
DELETE FROM booking.shops WHERE id IN (34801, 34802);
DELETE FROM booking.users WHERE id IN (34801, 34802);
SELECT booking.revoke_role(r::regrole) FROM unnest(ARRAY['regress_booking_front', 'regress_booking_staff']) r;
DROP ROLE regress_booking_connect, regress_booking_front, regress_booking_staff;
DROP TABLE test.attempts;
DROP FUNCTION test.all_rows, test.calls;
