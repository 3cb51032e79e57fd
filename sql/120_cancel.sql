--
-- Cancelling.  The shop wants two hours' warning.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, cancellation_window_minutes)
VALUES (12001, 'Cancel', 'America/New_York', 30, 120);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (12001, 12001, 'Cal');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (12001, 1, '09:00', '12:00');
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents) VALUES (12001, 12001, 'Cut', 30, 3000);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (12001, 12001);
INSERT INTO booking.users (id, email) VALUES (12001, 'u12001@example.org'), (12002, 'u12002@example.org');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, price_cents, idempotency_key, visit_id, notes)
VALUES (12001, 12001, 12001, 12001, '2026-03-02 10:00-05', '2026-03-02 10:30-05', 3000, 'cancel me', 7, 'window seat');

-- ---------------------------------------------------------------------------
-- The window
-- ---------------------------------------------------------------------------

-- Two hours before 10:00 is 08:00: until then, and at that instant, it can be cancelled; a microsecond later it cannot.
SET booking.now = '2026-03-02 07:59-05';
SELECT test.brief('SELECT booking.cancel_appointment(12001)');
SET booking.now = '2026-03-02 08:00-05';
SELECT test.brief('SELECT booking.cancel_appointment(12001)');
SET booking.now = '2026-03-02 08:00:00.000001-05';
SELECT test.error('SELECT booking.cancel_appointment(12001)');
SET booking.now = '2026-03-02 11:00-05';
SELECT test.brief('SELECT booking.cancel_appointment(12001)');
-- Without a window: until it begins.
UPDATE booking.shops SET cancellation_window_minutes = 0 WHERE id = 12001;
SET booking.now = '2026-03-02 10:00-05';
SELECT test.brief('SELECT booking.cancel_appointment(12001)');
SET booking.now = '2026-03-02 10:00:01-05';
SELECT test.brief('SELECT booking.cancel_appointment(12001)');
UPDATE booking.shops SET cancellation_window_minutes = 120 WHERE id = 12001;

-- ---------------------------------------------------------------------------
-- What it does
-- ---------------------------------------------------------------------------

-- The answer is the row; who cancelled why and when is kept, and nothing else is touched.
SET booking.now = '2026-03-01 13:00-05';
SELECT * FROM booking.cancel_appointment(12001, 'caught a cold');
SELECT starts_at, ends_at, busy_from, busy_until, status, idempotency_key, notes, cancelled_at, cancel_reason, updated_at
FROM booking.appointments WHERE id = 12001;
-- Twice is as once.
SELECT id, status, version FROM booking.cancel_appointment(12001);
-- The time is offered again, and somebody else books it.
SELECT starts FROM test.slots(12001, '2026-03-02');
SELECT user_id, starts_at, status FROM booking.book_slot(12001, 12001, 12002, '2026-03-02 10:00-05');
SELECT starts FROM test.slots(12001, '2026-03-02');
-- No reason is no reason.
SELECT status FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE user_id = 12002));
SELECT cancelled_at, cancel_reason FROM booking.appointments WHERE user_id = 12002;

-- ---------------------------------------------------------------------------
-- Which can be cancelled
-- ---------------------------------------------------------------------------

-- pending (with a hold or without, also one that has lapsed) and confirmed; nothing else, and the status is said before the window.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 12010 + n, 12001, 12001, timestamptz '2026-03-09 09:00-04' + n * interval '30 minutes',
	timestamptz '2026-03-09 09:30-04' + n * interval '30 minutes', status, expires
FROM (VALUES (1, 'pending', NULL::timestamptz), (2, 'pending', '2026-03-01 14:00-05'), (3, 'pending', '2026-03-01 12:30-05'),
	(4, 'confirmed', NULL), (5, 'checked_in', NULL), (6, 'completed', NULL), (7, 'cancelled', NULL), (8, 'no_show', NULL),
	(9, 'expired', NULL)) v (n, status, expires);
SELECT a.status, a.hold_expires_at, (SELECT string_agg(e, '; ') FROM test.error(format('SELECT booking.cancel_appointment(%s)', a.id)) e)
FROM booking.appointments a WHERE id BETWEEN 12011 AND 12019 ORDER BY id;
SET booking.now = '2026-03-09 12:00-04';
SELECT a.status, test.brief(format('SELECT booking.cancel_appointment(%s)', a.id))
FROM booking.appointments a WHERE id BETWEEN 12014 AND 12019 ORDER BY id;
SET booking.now = '2026-03-01 13:00-05';
-- A cancelled hold keeps the mark of when it would have ended.
SELECT status, hold_expires_at FROM booking.cancel_appointment(12012, 'changed my mind');

-- An appointment that is not there.
SELECT test.error('SELECT booking.cancel_appointment(12999)');

-- Cancelling by hand is the same transition, without the window; it sets cancelled_at too.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 12014
RETURNING status, cancelled_at, cancel_reason, version, updated_at;

-- ---------------------------------------------------------------------------
-- Triggers of the user's
-- ---------------------------------------------------------------------------

-- One that keeps the row as it is must not pass for a cancellation.
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.keep();
SELECT test.error('SELECT booking.cancel_appointment(12011)');
DROP TRIGGER keep ON booking.appointments;
-- One that refuses is heard.
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no'' USING ERRCODE = ''XX123''; END';
CREATE TRIGGER refuse BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SELECT test.error('SELECT booking.cancel_appointment(12011)');
DROP TRIGGER refuse ON booking.appointments;
SELECT status FROM booking.cancel_appointment(12011);

-- A rollback takes the cancellation back, and the time with it.
UPDATE booking.appointments SET status = 'confirmed' WHERE id = 12013;
SAVEPOINT s;
SELECT status FROM booking.cancel_appointment(12013);
SELECT starts_at FROM booking.book_slot(12001, 12001, NULL, '2026-03-09 10:30-04');
ROLLBACK TO s;
SELECT status, version FROM booking.appointments WHERE id = 12013;
SELECT reason FROM booking.try_book_slot(12001, 12001, NULL, '2026-03-09 10:30-04');

-- No lock of the guard's is left by any of this.
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

ROLLBACK;
