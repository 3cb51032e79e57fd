--
-- Booking: what book_slot and try_book_slot store, answer and refuse.
--
-- Open Monday to Friday 09:00 to 12:00, half an hour apart, an hour's notice,
-- two weeks ahead.  It is Sunday 2026-03-01, noon.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, min_notice_minutes, max_advance_days)
VALUES (11001, 'Book', 'America/New_York', 30, 60, 14);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (11001, 11001, 'Bea'), (11002, 11001, 'Bill'), (11003, 11001, 'Idle');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '12:00' FROM generate_series(11001, 11002) b, generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, buffer_before_minutes, buffer_after_minutes, requires_confirmation)
VALUES (11001, 11001, 'Cut', 30, 3000, 0, 0, false), (11002, 11001, 'Colour', 30, 9000, 5, 10, true);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(11001, 11002) b, generate_series(11001, 11002) s;
INSERT INTO booking.users (id, email) VALUES (11001, 'u11001@example.org'), (11002, 'u11002@example.org');
INSERT INTO booking.users (id, email, is_active) VALUES (11003, 'u11003@example.org', false);

-- What the three say of a request: book_slot's error, try_book_slot's reason, check_slot's reason.
CREATE FUNCTION pg_temp.ask(barber bigint, service bigint, customer bigint, at timestamptz)
RETURNS TABLE (answer text) LANGUAGE sql AS $$
SELECT test.error(format('SELECT booking.book_slot(%s, %s, %L, %L)', barber, service, customer, at))
UNION ALL SELECT 'try_book_slot: ' || coalesce(reason, 'booked') FROM booking.try_book_slot(barber, service, customer, at)
UNION ALL SELECT 'check_slot: ' || coalesce(reason, 'available') FROM booking.check_slot(barber, service, at)
$$;

-- ---------------------------------------------------------------------------
-- What is stored
-- ---------------------------------------------------------------------------

-- The answer is the row: half an hour, confirmed, the service's price, version 1.
SELECT id > 0 AS id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version
FROM booking.book_slot(11001, 11001, 11001, '2026-03-02 09:00-05');
SELECT starts_at, busy_from, busy_until, status, idempotency_key, notes, created_at, updated_at, cancelled_at, cancel_reason
FROM booking.appointments WHERE barber_id = 11001;
-- A service that requires confirmation: pending, without an end; buffers of 5 and 10 minutes are busy.  A walk-in has no user.
SELECT user_id, starts_at, ends_at, status, hold_expires_at, price_cents
FROM booking.book_slot(11001, 11002, NULL, '2026-03-02 10:00-05', 'key of the colour');
SELECT busy_from, busy_until, idempotency_key FROM booking.appointments WHERE barber_id = 11001 AND service_id = 11002;
-- try_book_slot gives the id, and no reason.
SELECT appointment_id > 0 AS id, reason FROM booking.try_book_slot(11001, 11001, 11002, '2026-03-02 11:00-05');
SELECT user_id, starts_at, status FROM booking.appointments WHERE barber_id = 11001 ORDER BY starts_at;
-- What is left of that Monday: 09:30 would end at 10:00, and 09:55 is busy; 10:30 runs into the buffer.
SELECT starts FROM test.slots(11001, '2026-03-02', NULL, 11001);

-- ---------------------------------------------------------------------------
-- Every reason, in the same word from all three
-- ---------------------------------------------------------------------------

-- slot_taken
SELECT * FROM pg_temp.ask(11001, 11001, 11002, '2026-03-02 09:00-05');
-- the buffer of a neighbour
SELECT * FROM pg_temp.ask(11001, 11001, 11002, '2026-03-02 09:30-05');
-- outside_hours
SELECT * FROM pg_temp.ask(11001, 11001, 11001, '2026-03-07 09:00-05');
-- notice_too_short
SELECT * FROM pg_temp.ask(11001, 11001, 11001, '2026-03-01 12:30-05');
-- too_far_ahead
SELECT * FROM pg_temp.ask(11001, 11001, 11001, '2026-03-16 09:00-04');
-- off_grid
SELECT * FROM pg_temp.ask(11001, 11001, 11001, '2026-03-03 09:10-05');
-- not_offered
SELECT * FROM pg_temp.ask(11003, 11001, 11001, '2026-03-03 09:00-05');
-- not_found: barber, service
SELECT * FROM pg_temp.ask(11999, 11001, 11001, '2026-03-03 09:00-05');
SELECT * FROM pg_temp.ask(11001, 11999, 11001, '2026-03-03 09:00-05');
-- The user is none of check_slot's business: unknown, inactive.
SELECT * FROM pg_temp.ask(11001, 11001, 11999, '2026-03-03 09:00-05');
SELECT * FROM pg_temp.ask(11001, 11001, 11003, '2026-03-03 09:00-05');
-- An unknown or inactive user is said before anything about the time.
SELECT reason FROM booking.try_book_slot(11001, 11001, 11999, '2026-03-02 09:00-05');
SELECT reason FROM booking.try_book_slot(11001, 11001, 11003, '2026-03-02 09:00-05');
-- Not found comes before not offered, also for the user.
SELECT reason FROM booking.try_book_slot(11003, 11001, 11999, '2026-03-02 09:00-05');
-- An overlap is an exclusion violation of the table, for clients that look at constraint names.
DO $$
DECLARE
	s text; t text; c text;
BEGIN
	PERFORM booking.book_slot(11001, 11001, 11001, '2026-03-02 09:00-05');
EXCEPTION WHEN exclusion_violation THEN
	GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = CONSTRAINT_NAME;
	RAISE WARNING '% % %', s, t, c;
END
$$;
-- A "no" of try_book_slot leaves the transaction alive; so does everything above.
SELECT count(*) FROM booking.appointments WHERE barber_id BETWEEN 11001 AND 11003;

-- ---------------------------------------------------------------------------
-- Idempotency
-- ---------------------------------------------------------------------------

SELECT id AS first FROM booking.book_slot(11002, 11001, 11001, '2026-03-02 09:00-05', 'k1') \gset
-- The same request again is the same appointment, from both functions; nothing is stored twice.
SELECT id = :first AS same, starts_at, status, version FROM booking.book_slot(11002, 11001, 11001, '2026-03-02 09:00-05', 'k1');
SELECT appointment_id = :first AS same, reason FROM booking.try_book_slot(11002, 11001, 11001, '2026-03-02 09:00-05', 'k1');
SELECT count(*) FROM booking.appointments WHERE idempotency_key = 'k1';
-- The same instant in other words is the same request.
SELECT id = :first AS same FROM booking.book_slot(11002, 11001, 11001, '2026-03-02 14:00Z', 'k1');
-- Without the key, or with another one, the slot is taken.
SELECT reason FROM booking.try_book_slot(11002, 11001, 11001, '2026-03-02 09:00-05');
SELECT reason FROM booking.try_book_slot(11002, 11001, 11001, '2026-03-02 09:00-05', 'K1');
-- Another barber, service or start: a key reused by mistake must not pass for a booking.  Another customer's is another key.
SELECT test.error('SELECT booking.book_slot(11001, 11001, 11001, ''2026-03-02 09:00-05'', ''k1'')');
SELECT v.request, t.* FROM (VALUES
	(1, 'service', 11002, 11002, 11001, timestamptz '2026-03-02 09:00-05'), (2, 'user', 11002, 11001, 11002, '2026-03-02 09:00-05'),
	(3, 'no user', 11002, 11001, NULL, '2026-03-02 09:00-05'), (4, 'start', 11002, 11001, 11001, '2026-03-02 09:30-05'),
	(5, 'what would be refused', 11002, 11001, 11001, '2020-01-01 00:00Z')
) v (n, request, barber, service, customer, at), booking.try_book_slot(v.barber, v.service, v.customer, v.at, 'k1') t ORDER BY n;
-- The answer is remembered, whatever has become of the rules: the notice has passed, the barber left, the user is gone.
SET booking.now = '2026-03-02 09:10-05';
UPDATE booking.barbers SET is_active = false WHERE id = 11002;
UPDATE booking.users SET is_active = false WHERE id = 11001;
SELECT id = :first AS same FROM booking.book_slot(11002, 11001, 11001, '2026-03-02 09:00-05', 'k1');
UPDATE booking.barbers SET is_active = true WHERE id = 11002;
UPDATE booking.users SET is_active = true WHERE id = 11001;
SET booking.now = '2026-03-01 12:00-05';
-- A "no" does not use the key up: the same key books another time afterwards.
SELECT reason FROM booking.try_book_slot(11002, 11001, 11001, '2026-03-02 09:00-05', 'k2');
SELECT starts_at FROM booking.book_slot(11002, 11001, 11001, '2026-03-02 09:30-05', 'k2');
-- After it was cancelled, no answer passes for a booking; the time is free for others.
SELECT status FROM booking.cancel_appointment(:first);
SELECT test.error('SELECT booking.book_slot(11002, 11001, 11001, ''2026-03-02 09:00-05'', ''k1'')');
SELECT id <> :first AS another, status FROM booking.book_slot(11002, 11001, 11001, '2026-03-02 09:00-05', 'k3');
-- A walk-in's request: no user is the same as no user.
SELECT id AS walk_in FROM booking.book_slot(11002, 11001, NULL, '2026-03-02 10:00-05', 'k4') \gset
SELECT id = :walk_in AS same FROM booking.book_slot(11002, 11001, NULL, '2026-03-02 10:00-05', 'k4');
SELECT reason FROM booking.try_book_slot(11002, 11001, 11001, '2026-03-02 10:00-05', 'k4');
-- A raw writer's key counts as well, and its own duplicate is refused by the index.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
VALUES (11050, 11002, 11001, 11001, '2026-03-02 10:30-05', '2026-03-02 11:00-05', 'k5');
SELECT id FROM booking.book_slot(11002, 11001, 11001, '2026-03-02 10:30-05', 'k5');
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
	VALUES (11002, 11001, 11001, ''2026-03-02 11:30-05'', ''2026-03-02 12:00-05'', ''k5'')');

-- ---------------------------------------------------------------------------
-- Ways to call it
-- ---------------------------------------------------------------------------

-- (book_slot(...)).* runs it once per column, and the second run finds the slot taken; a key makes even that harmless.
SELECT test.brief('SELECT (booking.book_slot(11002, 11001, NULL, ''2026-03-03 09:00-05'')).*');
SELECT (booking.book_slot(11002, 11001, NULL, '2026-03-03 09:00-05', 'k6')).starts_at,
	(booking.book_slot(11002, 11001, NULL, '2026-03-03 09:00-05', 'k6')).status;
SELECT count(*) FROM booking.appointments WHERE idempotency_key = 'k6';
-- Several bookings in one statement see each other.
SELECT v.n, t.appointment_id IS NOT NULL AS booked, t.reason
FROM (VALUES (1, timestamptz '2026-03-03 09:30-05'), (2, '2026-03-03 10:00-05'), (3, '2026-03-03 10:00-05'), (4, '2026-03-03 09:30-05')) v (n, at),
	booking.try_book_slot(11002, 11001, NULL, v.at) t ORDER BY n;
-- The user can be made in the same statement.
SELECT b.starts_at FROM booking.book_slot(11002, 11001, booking.ensure_user('made@example.org', 'Made'), '2026-03-03 10:30-05') b;
SELECT u.email, a.starts_at FROM booking.users u JOIN booking.appointments a ON a.user_id = u.id WHERE u.email = 'made@example.org';
-- A whole day, slot by slot: what is offered can be booked, and then nothing is offered.
SELECT count(*) AS booked, count(t.reason) AS refused
FROM booking.available_slots(11001, '2026-03-04') s, booking.try_book_slot(s.barber_id, 11001, NULL, s.starts_at) t;
SELECT * FROM test.slots(11001, '2026-03-04');
-- A savepoint that is rolled back gives the time back.
SAVEPOINT s;
SELECT starts_at FROM booking.book_slot(11002, 11001, NULL, '2026-03-03 11:00-05');
SELECT reason FROM booking.try_book_slot(11002, 11001, NULL, '2026-03-03 11:00-05');
ROLLBACK TO s;
SELECT starts_at FROM booking.book_slot(11002, 11001, NULL, '2026-03-03 11:00-05');
-- Unqualified, with the schema in the path.
SET LOCAL search_path = booking, public;
SELECT starts_at FROM book_slot(11002, 11001, NULL, '2026-03-03 11:30-05');
RESET search_path;

-- ---------------------------------------------------------------------------
-- Columns and triggers of the user's
-- ---------------------------------------------------------------------------

-- Added columns get their defaults, generated ones their values, one of a domain the domain's; a dropped column does no harm.
SAVEPOINT columns;
CREATE DOMAIN pg_temp.colour AS text DEFAULT 'blue' CHECK (VALUE <> 'red');
ALTER TABLE booking.appointments ADD gone int DEFAULT 5, ADD source text NOT NULL DEFAULT 'web' || 'site',
	ADD minutes int GENERATED ALWAYS AS (extract(epoch FROM ends_at - starts_at) / 60) STORED,
	ADD number int GENERATED ALWAYS AS IDENTITY (START 1), ADD plain text, ADD colour pg_temp.colour, ADD who text DEFAULT current_user;
ALTER TABLE booking.appointments DROP gone;
SELECT id FROM booking.book_slot(11001, 11001, 11001, '2026-03-05 09:00-05') \gset
SELECT source, minutes, number > 0 AS number, plain, colour, who = current_user AS who, starts_at, notes FROM booking.appointments WHERE id = :id;
-- A column without a default that must not be NULL, and a CHECK: the error is the table's own.
ALTER TABLE booking.appointments ALTER plain SET DEFAULT 'x';
UPDATE booking.appointments SET plain = 'x';
ALTER TABLE booking.appointments ALTER plain SET NOT NULL, ALTER plain DROP DEFAULT;
SELECT test.brief('SELECT booking.book_slot(11001, 11001, 11001, ''2026-03-05 09:30-05'')');
ALTER TABLE booking.appointments DROP plain, ADD CONSTRAINT no_fridays CHECK (extract(isodow FROM starts_at AT TIME ZONE 'UTC') <> 5) NOT VALID;
SELECT test.brief('SELECT booking.book_slot(11001, 11001, 11001, ''2026-03-06 09:30-05'')');
ROLLBACK TO columns;

-- A BEFORE trigger may write other columns; the answer is what was stored.
SAVEPOINT triggers;
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.notes := 'noted';
	NEW.price_cents := NEW.price_cents + 1;
	RETURN NEW;
END
$$;
CREATE TRIGGER note BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT price_cents FROM booking.book_slot(11001, 11001, 11001, '2026-03-05 09:00-05');
SELECT notes, price_cents FROM booking.appointments WHERE barber_id = 11001 AND starts_at = '2026-03-05 09:00-05';
DROP TRIGGER note ON booking.appointments;
-- One that moves the appointment: the guard judges the row that will be stored.  09:00 was asked for; 10:00 is stored, once.
CREATE FUNCTION pg_temp.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.starts_at := '2026-03-05 10:00-05'; NEW.ends_at := '2026-03-05 10:30-05';
	NEW.busy_from := NEW.starts_at; NEW.busy_until := NEW.ends_at;
	RETURN NEW;
END
$$;
CREATE TRIGGER later BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.later();
SELECT starts_at, ends_at FROM booking.book_slot(11002, 11001, 11001, '2026-03-05 09:00-05');
SELECT test.brief('SELECT booking.book_slot(11002, 11001, 11001, ''2026-03-05 09:00-05'')');
DROP TRIGGER later ON booking.appointments;
-- One that drops the row: an error, as there is no appointment to return.
CREATE FUNCTION pg_temp.drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER drop_it BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.drop_it();
SELECT test.error('SELECT booking.book_slot(11001, 11001, 11001, ''2026-03-05 09:30-05'')');
DROP TRIGGER drop_it ON booking.appointments;
-- AFTER triggers, of row and statement, and their transition table fire once each; the row is there for them.
CREATE TEMP TABLE seen (n serial, what text, rows bigint);
CREATE FUNCTION pg_temp.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen (what, rows) SELECT TG_WHEN || ' ' || TG_LEVEL, count(*) FROM booking.appointments a
	WHERE a.barber_id = 11001 AND a.starts_at = '2026-03-05 11:00-05';
	RETURN NULL;
END
$$;
CREATE FUNCTION pg_temp.see_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen (what, rows) SELECT 'transition table', count(*) FROM new_rows;
	RETURN NULL;
END
$$;
CREATE TRIGGER see1 BEFORE INSERT ON booking.appointments FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see();
CREATE TRIGGER see2 AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
CREATE TRIGGER see3 AFTER INSERT ON booking.appointments FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see();
CREATE TRIGGER see4 AFTER INSERT ON booking.appointments REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see_new();
SELECT starts_at FROM booking.book_slot(11001, 11001, 11001, '2026-03-05 11:00-05');
SELECT what, rows FROM seen ORDER BY n;
ROLLBACK TO triggers;
-- An AFTER trigger that books the chair next door, through the same function.
SAVEPOINT triggers;
CREATE FUNCTION pg_temp.follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.barber_id = 11001 THEN
		PERFORM booking.book_slot(11002, 11001, NEW.user_id, NEW.starts_at);
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER follow AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.follow();
SELECT barber_id FROM booking.book_slot(11001, 11001, 11001, '2026-03-05 11:30-05');
SELECT barber_id FROM booking.appointments WHERE starts_at = '2026-03-05 11:30-05' ORDER BY 1;
-- When the neighbour cannot, neither is stored.
SELECT starts_at FROM booking.book_slot(11002, 11001, NULL, '2026-03-06 11:30-05');
SELECT test.brief('SELECT booking.book_slot(11001, 11001, 11001, ''2026-03-06 11:30-05'')');
SELECT barber_id FROM booking.appointments WHERE starts_at = '2026-03-06 11:30-05';
ROLLBACK TO triggers;

-- No lock of the guard's is left by any of this.
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

ROLLBACK;

-- In a read-only transaction nothing can be written.
BEGIN READ ONLY;
SELECT test.brief('SELECT booking.book_slot(1, 1, NULL, ''2026-03-05 11:00-05'')');
SELECT test.brief('SELECT booking.try_book_slot(1, 1, NULL, ''2026-03-05 11:00-05'')');
SELECT test.brief('SELECT booking.ensure_user(''x@example.org'')');
SELECT test.brief('SELECT booking.cancel_appointment(1)');
ROLLBACK;
