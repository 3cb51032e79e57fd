--
-- Every cache is lost all the time: on a server with assertions, each lock that
-- is taken discards what the catalog caches, the relation cache and our own
-- hold (debug_discard_caches).  Elsewhere the setting has no other value than 0
-- and this is a plain test.
--
-- The other tests do not stand the setting: a call of a function takes seconds,
-- and what their own SQL is planned from is lost as well.  One of the shortest,
-- 050_grid, was stopped after 40 seconds of processor time.
--
-- Open Monday to Friday 09:00 to 12:00.  It is Sunday 2026-03-01, noon.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (36001, 'Caches', 60, 14);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (36001, 36001, 'Cass');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 36001, n, '09:00', '12:00' FROM generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents) VALUES (36001, 36001, 'Cut', 60, 3000), (36002, 36001, 'Perm', 60, 9000);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (36002, 1, 30, 60), (36002, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (36001, 36001), (36001, 36002);
INSERT INTO booking.users (id, email) VALUES (36001, 'u36001@example.org');

SELECT least(max_val::int, 1) AS discard FROM pg_settings WHERE name = 'debug_discard_caches' \gset
SET debug_discard_caches = :discard;

-- Reading
SELECT starts_at FROM booking.available_slots(36001, '2026-03-02');

-- Booking, the key's own appointment, and a service in two parts
SELECT starts_at, ends_at, status FROM booking.book_slot(36001, 36001, 36001, '2026-03-02 09:00Z', 'one');
SELECT id AS booked FROM booking.book_slot(36001, 36001, 36001, '2026-03-02 09:00Z', 'one') \gset
SELECT starts_at, ends_at FROM booking.book_slot(36001, 36002, 36001, '2026-03-03 09:00Z', 'two');

-- Configuration that changes is seen
UPDATE booking.services SET duration_minutes = 120 WHERE id = 36001;
SELECT starts_at FROM booking.available_slots(36001, '2026-03-02');

-- Moving, with what it has taken so far, and a visit
SELECT starts_at, ends_at FROM booking.available_slots(36001, '2026-03-04', for_appointment_id => :booked);
SELECT starts_at, ends_at FROM booking.reschedule_appointment(:booked, '2026-03-04 10:00Z');

-- Rows from outside: one that fits, one that does not, one that is moved onto another
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (36001, 36001, 36001, '2026-03-05 09:00Z', '2026-03-05 10:00Z');
SAVEPOINT refused;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (36002, 36001, 36001, '2026-03-05 09:30Z', '2026-03-05 10:30Z');
ROLLBACK TO refused;
UPDATE booking.appointments SET starts_at = '2026-03-04 10:30Z', ends_at = '2026-03-04 11:30Z',
	busy_from = '2026-03-04 10:30Z', busy_until = '2026-03-04 11:30Z' WHERE id = 36001;
ROLLBACK TO refused;
UPDATE booking.appointments SET visit_id = 36001 WHERE id IN (36001, :booked);
SELECT starts_at FROM booking.available_slots(36001, '2026-03-05', for_appointment_id => :booked);
SELECT starts_at FROM booking.reschedule_appointment(:booked, '2026-03-05 10:00Z');

SET debug_discard_caches = 0;
SELECT starts_at, ends_at, status FROM booking.appointments WHERE barber_id = 36001 ORDER BY starts_at, id;
ROLLBACK;
