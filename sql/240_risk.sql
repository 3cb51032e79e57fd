--
-- Appointments at risk: what the configuration has left behind.
--
-- Open Monday to Friday 09:00 to 17:00.  It is Sunday 2026-03-01, noon.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes)
VALUES (24001, 'Risk', 'America/New_York', 30), (24002, 'Elsewhere', 'America/New_York', 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (24001, 24001, 'Rita'), (24002, 24001, 'Ron'), (24003, 24002, 'Elsa');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(24001, 24003) b, generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_before_minutes)
VALUES (24001, 24001, 'Cut', 30, 0), (24002, 24001, 'Colour', 60, 15), (24003, 24002, 'Cut', 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
VALUES (24001, 24001), (24001, 24002), (24002, 24001), (24002, 24002), (24003, 24003);
INSERT INTO booking.users (id, email) VALUES (24001, 'u24001@example.org');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_from) VALUES
	(24001, 24001, 24001, 24001, '2026-03-02 09:00-05', '2026-03-02 09:30-05', NULL),
	(24002, 24001, 24002, NULL, '2026-03-02 11:30-05', '2026-03-02 12:30-05', '2026-03-02 11:15-05'),
	(24003, 24001, 24001, 24001, '2026-03-02 16:30-05', '2026-03-02 17:00-05', NULL),
	(24004, 24002, 24001, 24001, '2026-03-02 09:00-05', '2026-03-02 09:30-05', NULL),
	(24005, 24002, 24002, 24001, '2026-03-03 09:00-05', '2026-03-03 10:00-05', '2026-03-03 08:45-05'),
	(24006, 24003, 24003, 24001, '2026-03-02 09:00-05', '2026-03-02 09:30-05', NULL);

-- The risks of the shop, in the order in which the function gives them.
CREATE FUNCTION pg_temp.risks() RETURNS TABLE (id bigint, barber bigint, starts_at timestamptz, reason text, detail text)
LANGUAGE sql AS 'SELECT appointment_id, barber_id, starts_at, reason, detail FROM booking.appointments_at_risk(24001)';

-- ---------------------------------------------------------------------------
-- The reasons
-- ---------------------------------------------------------------------------

-- All of them fit: a buffer before the shop opens (24005), and an end at the minute it closes (24003), are no risk.
SELECT * FROM pg_temp.risks();
-- What has changed since for new bookings is not asked: grid, notice, horizon, length, price, limits.
SAVEPOINT s;
UPDATE booking.shops SET slot_interval_minutes = 37, min_notice_minutes = 500000, max_advance_days = 0, max_active_per_user = 1,
	prevent_user_overlap = true WHERE id = 24001;
UPDATE booking.services SET duration_minutes = 600, price_cents = 9, buffer_after_minutes = 60, capacity = 3 WHERE shop_id = 24001;
UPDATE booking.barbers SET max_per_day = 1 WHERE shop_id = 24001;
SELECT * FROM pg_temp.risks();
ROLLBACK TO s;

-- outside_hours: on Mondays Rita now goes at noon.  One is out of her hours, one half; all columns once.
UPDATE booking.working_hours SET closes = '12:00' WHERE barber_id = 24001 AND weekday = 1;
SELECT * FROM booking.appointments_at_risk(24001);
ROLLBACK TO s;
-- A minute too short is too short, at either end.
UPDATE booking.working_hours SET opens = '09:01', closes = '16:59' WHERE barber_id = 24001 AND weekday = 1;
SELECT * FROM pg_temp.risks();
ROLLBACK TO s;
-- Other hours on that date: a barber's, the shop's; closed.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (24001, '2026-03-02', '09:00', '16:30');
SELECT id, reason FROM pg_temp.risks();
INSERT INTO booking.schedule_overrides (shop_id, on_date) VALUES (24001, '2026-03-02'), (24001, '2026-03-03');
SELECT id, reason FROM pg_temp.risks();
ROLLBACK TO s;
-- Time off that begins where 24001 ends and cuts a minute off 24002; then the shop's, a minute in 24001 and 24004.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (24001, '2026-03-02 09:30-05', '2026-03-02 11:31-05');
SELECT id, reason FROM pg_temp.risks();
INSERT INTO booking.time_off (shop_id, starts_at, ends_at) VALUES (24001, '2026-03-02 09:10-05', '2026-03-02 09:11-05');
SELECT id, reason FROM pg_temp.risks();
ROLLBACK TO s;
-- Two pieces of hours that touch are one.
UPDATE booking.working_hours SET closes = '12:00' WHERE barber_id = 24001 AND weekday = 1;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (24001, 1, '12:00', '17:00');
SELECT * FROM pg_temp.risks();
ROLLBACK TO s;
-- Over midnight, where both days are open, and where the second is not.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (24001, 1, '20:00', '00:00'), (24001, 2, '00:00', '02:00'), (24001, 3, '20:00', '00:00');
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (24010, 24001, 24001, '2026-03-02 23:45-05', '2026-03-03 00:15-05'), (24011, 24001, 24001, '2026-03-04 23:45-05', '2026-03-05 00:15-05');
SELECT id, reason FROM pg_temp.risks();
ROLLBACK TO s;
-- The shop's clock: at 09:00 in New York it is 14:00 in UTC, which is open until 17:00.
UPDATE booking.shops SET time_zone = 'UTC' WHERE id = 24001;
SELECT id, starts_at, reason FROM pg_temp.risks();
ROLLBACK TO s;

-- not_offered: the barber does not do it any more, has left, or works elsewhere now.
DELETE FROM booking.barber_services WHERE barber_id = 24001 AND service_id = 24002;
SELECT * FROM pg_temp.risks();
ROLLBACK TO s;
UPDATE booking.barbers SET is_active = false WHERE id = 24001;
SELECT * FROM pg_temp.risks();
ROLLBACK TO s;
UPDATE booking.barbers SET shop_id = 24002 WHERE id = 24002;
SELECT id, reason FROM pg_temp.risks();
SELECT appointment_id, reason, detail FROM booking.appointments_at_risk(24002);
ROLLBACK TO s;
-- The service is given up; so is the shop.
UPDATE booking.services SET is_active = false WHERE id = 24002;
SELECT * FROM pg_temp.risks();
ROLLBACK TO s;
UPDATE booking.shops SET is_active = false WHERE id = 24001;
SELECT * FROM pg_temp.risks();
-- Of two reasons the first is not_offered: the shop is closed all day as well.
INSERT INTO booking.schedule_overrides (shop_id, on_date) VALUES (24001, '2026-03-02');
SELECT id, reason FROM pg_temp.risks();
-- The shop next door goes on.
SELECT appointment_id, reason FROM booking.appointments_at_risk(24002);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Which are asked
-- ---------------------------------------------------------------------------

-- Sundays are closed, so all of these would be at risk: only the live ones are.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 24020 + n, 24001, 24001, timestamptz '2026-03-08 08:00-04' + n * interval '1 hour', timestamptz '2026-03-08 08:30-04' + n * interval '1 hour',
	status, expires
FROM (VALUES (1, 'pending', NULL::timestamptz), (2, 'pending', '2026-03-01 12:00:00.000001-05'), (3, 'pending', '2026-03-01 12:00-05'),
	(4, 'confirmed', NULL), (5, 'checked_in', NULL), (6, 'completed', NULL), (7, 'cancelled', NULL), (8, 'no_show', NULL),
	(9, 'expired', '2026-03-05 12:00-05')) v (n, status, expires);
SELECT r.id, a.status, a.hold_expires_at, r.reason FROM pg_temp.risks() r JOIN booking.appointments a USING (id) ORDER BY id;
ROLLBACK TO s;
-- What is over is over, at that instant; what has begun is not, also when it is as long as one can be.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(24031, 24001, 24001, '2026-03-01 11:00-05', '2026-03-01 12:00-05'),
	(24032, 24001, 24001, '2026-03-01 12:00-05', '2026-03-01 12:30-05'),
	(24033, 24002, 24001, '2026-03-01 11:30-05', '2026-03-01 12:00:00.000001-05'),
	(24034, 24002, 24001, '2026-02-20 09:00-05', '2026-02-20 09:30-05');
SELECT id, starts_at FROM pg_temp.risks();
DELETE FROM booking.appointments WHERE id = 24033;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (24035, 24002, 24001, '2026-02-27 12:00:00.000001-05', '2026-03-01 12:00:00.000001-05');
SELECT id, starts_at FROM pg_temp.risks();
-- So it is over the two days in which the clocks go forward, which on the wall are 49 hours.
SET LOCAL booking.now = '2026-03-09 00:30-04';
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (24036, 24002, 24001, '2026-03-06 23:31-05', '2026-03-09 00:31-04');
SELECT id, starts_at FROM pg_temp.risks();
ROLLBACK TO s;
SHOW booking.now;

-- Booked outside of hours on purpose: not asked about hours, whatever else was overridden, but about the offer.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, overrides)
SELECT 24040 + n, 24001, 24001, timestamptz '2026-03-08 08:00-04' + n * interval '1 hour', timestamptz '2026-03-08 08:30-04' + n * interval '1 hour', o
FROM (VALUES (1, '{hours}'::text[]), (2, '{notice,hours}'), (3, '{notice,grid,horizon,limits,window}'), (4, '{}'), (5, NULL), (6, '{NULL}')) v (n, o);
SELECT r.id, a.overrides, r.reason FROM pg_temp.risks() r JOIN booking.appointments a USING (id) ORDER BY id;
UPDATE booking.services SET is_active = false WHERE id = 24001;
SELECT r.id, a.overrides, r.reason FROM pg_temp.risks() r JOIN booking.appointments a USING (id) WHERE id > 24040 ORDER BY id;
ROLLBACK TO s;

-- Each part of a service with steps is judged by its own time: the barber may leave in the gap.
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (24002, 1, 30, 120), (24002, 2, 30, 0);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, visit_id, part_of)
VALUES (24050, 24002, 24002, '2026-03-04 09:00-05', '2026-03-04 09:30-05', 24050, NULL),
	(24051, 24002, 24002, '2026-03-04 11:30-05', '2026-03-04 12:00-05', 24050, 24050);
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (24002, '2026-03-04 09:30-05', '2026-03-04 11:30-05');
SELECT * FROM pg_temp.risks();
UPDATE booking.time_off SET ends_at = '2026-03-04 11:45-05' WHERE barber_id = 24002;
SELECT * FROM pg_temp.risks();
ROLLBACK TO s;

-- By start, then id, whoever the barber is.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(24064, 24001, 24001, '2026-03-07 10:00-05', '2026-03-07 10:30-05'), (24063, 24002, 24001, '2026-03-07 10:00-05', '2026-03-07 10:30-05'),
	(24062, 24001, 24001, '2026-03-07 11:00-05', '2026-03-07 11:30-05'), (24061, 24002, 24001, '2026-03-07 12:00-05', '2026-03-07 12:30-05');
SELECT id, starts_at FROM pg_temp.risks();
ROLLBACK TO s;

-- Many of them, each with its own sentence.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
SELECT 24001, 24001, timestamptz '2026-04-01 00:00Z' + n * interval '6 hours', timestamptz '2026-04-01 00:30Z' + n * interval '6 hours'
FROM generate_series(1, 1000) n;
SELECT count(*) AS risks, count(DISTINCT detail) AS details, bool_and(detail LIKE '% from ' || starts_at || ' to %') AS own_times
FROM pg_temp.risks();
SELECT count(*) AS outside FROM booking.appointments a WHERE barber_id = 24001 AND starts_at > '2026-03-31' AND (
	extract(isodow FROM starts_at) > 5 OR starts_at::time NOT BETWEEN '09:00' AND '16:30');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Calling it
-- ---------------------------------------------------------------------------

SELECT test.error('SELECT * FROM booking.appointments_at_risk(24999)');
SELECT test.error('SELECT * FROM booking.appointments_at_risk(NULL)');
-- In the target list it makes rows, too.
UPDATE booking.barbers SET is_active = false WHERE id = 24002;
SELECT (booking.appointments_at_risk(24001)).appointment_id;
-- It shows customers' data: EXECUTE is the gate, and no table privilege is needed, or used.
CREATE ROLE regress_booking_clerk;
GRANT USAGE ON SCHEMA booking TO regress_booking_clerk;
SET LOCAL ROLE regress_booking_clerk;
SELECT test.brief('SELECT * FROM booking.appointments_at_risk(24001)');
RESET ROLE;
GRANT EXECUTE ON FUNCTION booking.appointments_at_risk TO regress_booking_clerk;
SET LOCAL ROLE regress_booking_clerk;
SELECT appointment_id, user_id, reason FROM booking.appointments_at_risk(24001);
RESET ROLE;
ROLLBACK;

-- In REPEATABLE READ the configuration is that of the transaction's own snapshot, compiled for the one call.
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO booking.shops (id, name) VALUES (24001, 'Risk');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (24001, 24001, 'Rita');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (24001, 1, '09:00', '12:00');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (24001, 24001, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (24001, 24001);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(24001, 24001, 24001, '2026-03-02 09:00Z', '2026-03-02 09:30Z'), (24002, 24001, 24001, '2026-03-02 11:45Z', '2026-03-02 12:15Z');
SET TRANSACTION READ ONLY;
SELECT appointment_id, reason FROM booking.appointments_at_risk(24001);
ROLLBACK;
