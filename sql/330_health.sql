--
-- health(): one answer with named checks, which never fails.  If this breaks, a
-- DBA hears from customers that the guard was off, or a monitoring system takes
-- an error for an answer.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- The status, and the checks that are not healthy.
CREATE FUNCTION test.health() RETURNS TABLE (status text, checks text) LANGUAGE sql AS $$
WITH h AS MATERIALIZED (SELECT booking.health() AS h)
SELECT h ->> 'status', (SELECT string_agg(format('%s %s: %s', key, value ->> 'status', value ->> 'detail'), E'\n' ORDER BY key)
	FROM jsonb_each(h -> 'checks') WHERE value ->> 'status' <> 'healthy') FROM h
$$;
-- The same after a statement, which is undone.
CREATE FUNCTION test.health_after(statement text) RETURNS TABLE (status text, checks text) LANGUAGE plpgsql AS $$
DECLARE
	result record;
BEGIN
	BEGIN
		EXECUTE statement;
		SELECT * INTO result FROM test.health();
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
	END;
	RETURN QUERY SELECT result.status, result.checks;
END
$$;

-- Healthy, and what it says then.
SELECT jsonb_pretty(booking.health() #- '{checks,statistics}' #- '{checks,guard,barbers}' #- '{checks,guard,detail}');
SELECT jsonb_object_keys(booking.health() -> 'checks') ORDER BY 1;

BEGIN;
INSERT INTO booking.shops (id, name) VALUES (33001, 'Watched');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (33001, 33001, 'Wes');
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity) VALUES (33001, 33001, 'Cut', 30, 1), (33002, 33001, 'Course', 30, 2);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, created_at)
SELECT 33000 + i, 33001, 33001, t, t + interval '30 min', now() FROM generate_series(1, 4) i, LATERAL (SELECT now() + i * interval '10 hours') x (t);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT 33010 + i, 33001, 33002, now() + interval '1 hour', now() + interval '90 min' FROM generate_series(1, 2) i;
SELECT * FROM test.health();

-- ---------------------------------------------------------------------------
-- Unhealthy: bookings fail or may go wrong
-- ---------------------------------------------------------------------------

SELECT v.statement, h.* FROM unnest(ARRAY[
	'ALTER TABLE booking.time_off RENAME TO time_on',
	'ALTER TABLE booking.appointments DROP COLUMN notes',
	'DROP INDEX booking.idx_appointments_availability_check',
	'UPDATE pg_index SET indisvalid = false WHERE indexrelid = ''booking.idx_appointments_barber_date''::regclass',
	'DROP TRIGGER "00_guard_after" ON booking.appointments',
	'ALTER TABLE booking.appointments DISABLE TRIGGER zz_guard_before',
	'ALTER TABLE booking.shops DISABLE TRIGGER configuration_changed',
	'SELECT booking.enable_row_security(); ALTER TABLE booking.users DISABLE ROW LEVEL SECURITY',
	'SELECT booking.enable_row_security(); ALTER POLICY booking_customer ON booking.users USING (true)',
	'CREATE CONSTRAINT TRIGGER late AFTER INSERT ON booking.appointments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION booking.guard_after()',
	'CREATE FUNCTION booking.cancel_appointment(int) RETURNS int LANGUAGE sql AS ''SELECT 1''',
	'ALTER TABLE booking.users OWNER TO pg_monitor']) WITH ORDINALITY v (statement, n), LATERAL test.health_after(v.statement) h ORDER BY n;
-- A double booking within the sample: the guard was off for a moment.
SELECT status, regexp_replace(checks, 'of \d+ barbers', 'of N barbers') AS checks FROM test.health_after($$
	SET LOCAL session_replication_role = replica;
	UPDATE booking.appointments SET busy_until = busy_until + interval '10 hours' WHERE id = 33001;
	SET LOCAL session_replication_role = origin$$);

-- ---------------------------------------------------------------------------
-- Degraded: it works, but somebody should look
-- ---------------------------------------------------------------------------

SELECT v.statement, h.* FROM unnest(ARRAY[
	'DROP INDEX booking.idx_appointments_visit',
	'ALTER TABLE booking.waitlist DROP CONSTRAINT waitlist_wish',
	'GRANT CREATE ON SCHEMA booking TO PUBLIC',
	'GRANT TRIGGER ON booking.users TO pg_monitor',
	'UPDATE booking.appointments SET created_at = now() + interval ''10 minutes'' WHERE id = 33001',
	'SET LOCAL booking.now = ''2026-03-01 12:00Z''']) WITH ORDINALITY v (statement, n), LATERAL test.health_after(v.statement) h ORDER BY n;
-- Holds that nobody has marked as expired: a while is normal, a quarter of an hour is not.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 33020, 33001, 33001, now() + interval '5 days', now() + interval '5 days 1 hour', 'pending', now() - interval '10 minutes';
SELECT * FROM test.health();
SELECT * FROM test.health_after('UPDATE booking.appointments SET hold_expires_at = now() - interval ''20 minutes'' WHERE id = 33020');
-- An offer of the waitlist ran out when the customer could last take it, though its time is still kept.
SELECT * FROM test.health_after($$INSERT INTO booking.users (id, email) VALUES (33001, 'u33001@example.org');
	UPDATE booking.appointments SET user_id = 33001, hold_expires_at = now() + interval '10 minutes' WHERE id = 33020;
	INSERT INTO booking.waitlist (user_id, service_id, earliest, latest, status, appointment_id, offer_ends_at)
	VALUES (33001, 33001, now() + interval '5 days', now() + interval '6 days', 'served', 33020, now() - interval '20 minutes')$$);
SELECT booking.expire_holds();
SELECT booking.health() #> '{checks,holds,oldest_expired_seconds}' AS oldest_expired_seconds;
-- Values that arithmetic does not like.
SELECT * FROM test.health_after($$UPDATE booking.appointments SET created_at = 'infinity' WHERE id = 33001;
	INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
	VALUES (33001, 33001, now() + interval '9 days', now() + interval '9 days 1 hour', 'pending', '-infinity')$$);
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Never an error
-- ---------------------------------------------------------------------------

-- Without any table.
BEGIN;
DROP EXTENSION booking CASCADE;
DROP SCHEMA booking CASCADE;
CREATE EXTENSION booking;
SELECT h ->> 'status' AS status, string_agg(format('%s %s', key, value ->> 'status'), ', ' ORDER BY key)
FROM booking.health() h, jsonb_each(h -> 'checks') GROUP BY h;
SELECT booking.metrics() ~ 'booking_health_status{status="unhealthy"} 1' AS unhealthy, booking.metrics() ~ 'booking_appointments' AS has_figures,
	booking.metrics() ~ '# EOF\n$' AS is_complete;
ROLLBACK;

-- In a transaction that may only read, with an exotic search_path, and shadowed functions and operators.
BEGIN;
CREATE FUNCTION test.coalesced(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1';
CREATE OPERATOR test.= (LEFTARG = text, RIGHTARG = text, FUNCTION = test.coalesced);
CREATE FUNCTION test.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'pg_backend_pid';
SET TRANSACTION READ ONLY;
SET LOCAL search_path = test, pg_catalog;
SELECT booking.health() ->> 'status' OPERATOR(pg_catalog.||) '' AS status;
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Who may
-- ---------------------------------------------------------------------------

BEGIN;
CREATE ROLE regress_booking_owner;
CREATE ROLE regress_booking_monitor IN ROLE pg_monitor;
CREATE ROLE regress_booking_nobody;
GRANT USAGE ON SCHEMA booking TO regress_booking_owner, regress_booking_nobody;
GRANT USAGE ON SCHEMA test TO PUBLIC;
DO $$
DECLARE
	t name;
BEGIN
	FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE booking.%I OWNER TO regress_booking_owner', t);
	END LOOP;
END
$$;
SET LOCAL ROLE regress_booking_monitor;
SELECT * FROM test.health();
SELECT booking.metrics() ~ E'booking_appointments{status="confirmed"} \\d+\n' AS has_figures;
-- All that he sees are figures.
SELECT f, test.brief(format('SELECT * FROM booking.%s', f)) FROM unnest(ARRAY['appointments', 'users', 'verify()', 'user_appointments(1)', 'setup()']) f;
RESET ROLE;
SET LOCAL ROLE regress_booking_nobody;
SELECT f, test.brief(format('SELECT * FROM booking.%s()', f))
FROM unnest(ARRAY['health', 'metrics', 'metric_samples', 'guard_sample', 'table_delays', 'table_figures']) f;
RESET ROLE;
-- Who was given health() alone is told what could not be looked at.
GRANT EXECUTE ON FUNCTION booking.health TO regress_booking_nobody;
SET LOCAL ROLE regress_booking_nobody;
SELECT * FROM test.health();
ROLLBACK;
DROP FUNCTION test.health_after, test.health;
