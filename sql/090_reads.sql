--
-- The reads, each with its own corners: next_slots, availability_by_day,
-- free_time, get_barber_availability, check_slot, active_services,
-- active_barbers, user_appointments.
--
-- Barber 9001 works Mondays and Wednesdays 09:00 to 12:00, 9002 Wednesdays
-- 10:00 to 12:00; an hour each.  It is Sunday 2026-03-01, the last bookable
-- date Sunday 2026-03-15.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, max_advance_days, currency) VALUES
	(9001, 'Reads', 'America/New_York', 60, 14, 'CAD'), (9002, 'Far ahead', 'America/New_York', 60, 3660, 'USD');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (9001, 9001, 'Mo'), (9002, 9001, 'Al'), (9003, 9002, 'Rare');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (9001, 1, '09:00', '12:00'), (9001, 3, '09:00', '12:00'), (9002, 3, '10:00', '12:00');
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, buffer_after_minutes) VALUES
	(9001, 9001, 'Hour', 60, 4000, 0), (9002, 9002, 'Hour', 60, 0, 0), (9003, 9001, 'Buffered', 30, 2500, 15);
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes, price_cents)
VALUES (9001, 9001, NULL, NULL), (9002, 9001, NULL, 3500), (9003, 9002, NULL, NULL), (9001, 9003, NULL, NULL);
INSERT INTO booking.users (id, email) VALUES (9001, 'u9001@example.org'), (9002, 'u9002@example.org');

-- ---------------------------------------------------------------------------
-- next_slots
-- ---------------------------------------------------------------------------

-- One by default: Monday 09:00.
SELECT * FROM booking.next_slots(9001);
-- Seven: Monday's three, and Wednesday's first four; at 10:00 and 11:00 both barbers, in the order of their ids.
SELECT * FROM booking.next_slots(9001, how_many => 7);
-- not_before is inclusive; a microsecond later it is the next one.
SELECT starts_at FROM booking.next_slots(9001, '2026-03-02 10:00-05');
SELECT starts_at FROM booking.next_slots(9001, '2026-03-02 10:00:00.000001-05');
-- Before now it means now.
SELECT starts_at FROM booking.next_slots(9001, '1999-01-01 00:00Z');
-- One barber.
SELECT * FROM booking.next_slots(9001, NULL, 1, 9002);
-- No further than the horizon: Mondays 2 and 9, Wednesdays 4 and 11: 4 times 3, and 2 times 2.
SELECT count(*), max(starts_at) FROM booking.next_slots(9001, NULL, 10000);
SELECT * FROM booking.next_slots(9001, '2026-03-16 00:00-04');
SELECT * FROM booking.next_slots(9001, '9999-12-31 00:00Z');
-- Far away, and alone: the search goes on until it has it.
SELECT * FROM booking.next_slots(9002);
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes)
VALUES (9003, '2026-03-01', '12:00', '13:00'), (9003, '2026-06-30', '23:00', '01:00'), (9003, '2035-01-05', '09:00', '10:00');
SELECT starts_at FROM booking.next_slots(9002, NULL, 10);
-- The same as available_slots has, in the same order.
SELECT bool_and(n = a) AS same, count(*)
FROM (SELECT row_number() OVER () AS i, s AS n FROM booking.next_slots(9001, NULL, 10000) s) x
FULL JOIN (SELECT row_number() OVER () AS i, s AS a FROM booking.available_slots(9001, '2026-03-01', '2026-04-30') s) y USING (i);

-- ---------------------------------------------------------------------------
-- availability_by_day
-- ---------------------------------------------------------------------------

-- A row for every date, also for those without slots: 3 on Monday, 3 + 2 on Wednesday.
SELECT * FROM booking.availability_by_day(9001, '2026-03-01', '2026-03-05');
SELECT * FROM booking.availability_by_day(9001, '2026-03-02', '2026-03-04', 9002);
-- first_slot is the earliest of all barbers, whoever comes first in the list.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (9002, '2026-03-11', '08:00', '09:00');
SELECT * FROM booking.availability_by_day(9001, '2026-03-11', '2026-03-11');
-- 366 days are allowed.
SELECT count(*), sum(slot_count) FROM booking.availability_by_day(9001, '2026-03-01', '2027-03-01');

-- ---------------------------------------------------------------------------
-- get_barber_availability and free_time
-- ---------------------------------------------------------------------------

-- Monday: off until 09:30; an appointment from 10:00 to 10:30 that is busy until 10:45; a hold from 11:00 to 11:30;
-- cancelled, completed and expired ones are not on the board.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (9001, '2026-02-20 00:00-05', '2026-03-02 09:30-05');
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_until, status, hold_expires_at) VALUES
	(9001, 9001, 9003, '2026-03-02 10:00-05', '2026-03-02 10:30-05', '2026-03-02 10:45-05', 'confirmed', NULL),
	(9002, 9001, 9001, '2026-03-02 11:00-05', '2026-03-02 11:30-05', NULL, 'pending', '2026-03-01 12:10-05'),
	(9003, 9001, 9001, '2026-03-02 11:30-05', '2026-03-02 12:00-05', NULL, 'pending', '2026-03-01 12:00-05'),
	(9004, 9001, 9001, '2026-03-02 11:30-05', '2026-03-02 12:00-05', NULL, 'cancelled', NULL),
	(9005, 9001, 9001, '2026-03-02 09:30-05', '2026-03-02 10:00-05', NULL, 'completed', NULL);
SELECT starts_at::time, ends_at::time, kind, appointment_id, service_name FROM booking.get_barber_availability(9001, '2026-03-02');
SELECT * FROM test.free(9001, '2026-03-02');
-- The hold lapses: its time is free, together with what follows.
SET booking.now = '2026-03-01 12:10-05';
SELECT starts_at::time, ends_at::time, kind, appointment_id, service_name FROM booking.get_barber_availability(9001, '2026-03-02');
SET booking.now = '2026-03-01 12:00-05';
-- Pending without an end is an appointment, not a hold; checked in is one too.
UPDATE booking.appointments SET hold_expires_at = NULL WHERE id = 9002;
UPDATE booking.appointments SET status = 'checked_in' WHERE id = 9001;
SELECT kind, appointment_id FROM booking.get_barber_availability(9001, '2026-03-02') WHERE appointment_id IS NOT NULL;

-- A day without hours still shows who comes, whole though it runs over midnight, on both dates; one that ends at midnight is
-- not on the next date.  Time off is clipped to the date.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(9010, 9002, 9001, '2026-03-06 23:30-05', '2026-03-07 00:30-05'), (9011, 9002, 9001, '2026-03-05 23:00-05', '2026-03-06 00:00-05');
INSERT INTO booking.time_off (shop_id, starts_at, ends_at) VALUES (9001, '2026-03-06 18:00-05', '2026-03-07 12:00-05');
SELECT starts_at, ends_at, kind, appointment_id FROM booking.get_barber_availability(9002, '2026-03-05');
SELECT starts_at, ends_at, kind, appointment_id FROM booking.get_barber_availability(9002, '2026-03-06');
SELECT starts_at, ends_at, kind, appointment_id FROM booking.get_barber_availability(9002, '2026-03-07');
-- An inactive barber has no free time, and keeps his appointments.
UPDATE booking.barbers SET is_active = false WHERE id = 9001;
SELECT starts_at::time, ends_at::time, kind, appointment_id FROM booking.get_barber_availability(9001, '2026-03-02');
UPDATE booking.barbers SET is_active = true WHERE id = 9001;

-- Free time ignores notice and horizon, and merges what several dates leave: Monday's and Wednesday's of 2030.
SELECT * FROM test.free(9001, '2030-03-04', '2030-03-06');
-- From an appointment that began on the day before the range only what is left of it is taken away.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (9002, '2026-03-12', '22:00', '04:00');
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (9012, 9002, 9001, '2026-03-12 23:30-04', '2026-03-13 00:30-04');
SELECT * FROM test.free(9002, '2026-03-13');
SELECT * FROM test.free(9002, '2026-03-12');

-- ---------------------------------------------------------------------------
-- check_slot
-- ---------------------------------------------------------------------------

-- March 9: 10:00 is taken.  A day's notice, so that times of March 1 and early March 2 are too soon.
UPDATE booking.services SET min_notice_minutes = 1440 WHERE id = 9001;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (9020, 9001, 9001, '2026-03-09 10:00-04', '2026-03-09 11:00-04');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (9004, 9001, 'Idle');
SELECT v.what, c.* FROM (VALUES
	(1, 'free', 9001, 9001, timestamptz '2026-03-09 09:00-04'),
	(2, 'free, and touching', 9001, 9001, '2026-03-09 11:00-04'),
	(3, 'unknown barber', 9999, 9001, '2026-03-09 09:00-04'),
	(4, 'unknown service', 9001, 9999, '2026-03-09 09:00-04'),
	(5, 'both unknown', 9999, 9999, '2026-03-09 09:00-04'),
	(6, 'not his service', 9004, 9001, '2026-03-09 09:00-04'),
	(7, 'past', 9001, 9001, '2020-03-09 09:00-04'),
	(8, 'too soon, and no hours', 9001, 9001, '2026-03-02 11:59:59-05'),
	(9, 'too far', 9001, 9001, '2026-03-16 09:00-04'),
	(10, 'too far, and no hours', 9001, 9001, '2026-03-17 09:00-04'),
	(11, 'no hours', 9001, 9001, '2026-03-10 09:00-04'),
	(12, 'before opening', 9001, 9001, '2026-03-09 08:00-04'),
	(13, 'ends after closing', 9001, 9001, '2026-03-09 11:15-04'),
	(14, 'no hours, and off the grid', 9001, 9001, '2026-03-09 12:07-04'),
	(15, 'off the grid', 9001, 9001, '2026-03-11 09:30-04'),
	(15.5, 'off the grid, until closing', 9001, 9003, '2026-03-11 11:30-04'),
	(16, 'off the grid by a microsecond', 9001, 9001, '2026-03-11 09:00:00.000001-04'),
	(17, 'off the grid, and taken', 9001, 9001, '2026-03-09 10:30-04'),
	(18, 'taken', 9001, 9001, '2026-03-09 10:00-04')
) v (n, what, barber, service, at), booking.check_slot(v.barber, v.service, v.at) c ORDER BY v.n;
-- Where the grid depends on the appointments (packed), taken comes before off the grid: on the 9th 09:30 would run into the
-- appointment and 10:30 begins in it; on the 11th 09:30 is off the grid.
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 9001;
SELECT v.at, c.available, c.reason FROM (VALUES
	(timestamptz '2026-03-09 09:00-04'), ('2026-03-09 09:30-04'), ('2026-03-09 10:00-04'), ('2026-03-09 10:30-04'), ('2026-03-09 11:00-04'),
	('2026-03-09 08:30-04'), ('2026-03-11 09:30-04'), ('2026-03-11 10:00-04')) v (at),
	booking.check_slot(9001, 9001, v.at) c ORDER BY v.at;
UPDATE booking.shops SET slot_anchor = 'opening' WHERE id = 9001;

-- ---------------------------------------------------------------------------
-- active_services and active_barbers
-- ---------------------------------------------------------------------------

INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, requires_confirmation, is_active) VALUES
	(9004, 9001, 'A colour', 90, 9000, true, true), (9005, 9001, 'Retired', 30, 1000, false, false),
	(9006, 9001, 'Not done', 30, 1000, false, true), (9007, 9001, 'Only by Gus', 30, 1000, false, true);
INSERT INTO booking.barbers (id, shop_id, name, is_active) VALUES (9005, 9001, 'Gus', false);
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes) VALUES (9001, 9004, 100), (9001, 9005, NULL), (9005, 9007, NULL);
-- By name; without the retired one, the one that nobody does, and the one whose only barber is inactive.
SELECT * FROM booking.active_services(9001);
-- All active barbers by name; minutes and price are a matter of the service.
SELECT * FROM booking.active_barbers(9001);
-- Those who offer it, with their own minutes and price: Al takes 35.00, Mo the service's 40.00.
SELECT * FROM booking.active_barbers(9001, 9001);
SELECT * FROM booking.active_barbers(9001, 9004);
-- An inactive service, one nobody does, and a service of another shop are offered by nobody.
SELECT * FROM booking.active_barbers(9001, 9005);
SELECT * FROM booking.active_barbers(9001, 9006);
SELECT * FROM booking.active_barbers(9001, 9002);
-- A closed shop lists nothing.
UPDATE booking.shops SET is_active = false WHERE id = 9001;
SELECT * FROM booking.active_services(9001);
SELECT * FROM booking.active_barbers(9001);
SELECT * FROM booking.active_barbers(9001, 9001);
UPDATE booking.shops SET is_active = true WHERE id = 9001;

-- ---------------------------------------------------------------------------
-- user_appointments
-- ---------------------------------------------------------------------------

-- It is noon.  Upcoming: later ones, one under way, a live hold; soonest first.  The others: one that ends this very moment,
-- an older one, a cancelled one, a hold that has lapsed; latest first.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents) VALUES
	(9031, 9002, 9001, 9001, '2026-03-20 09:00-04', '2026-03-20 10:00-04', 'confirmed', NULL, 3500),
	(9032, 9002, 9001, 9001, '2026-03-01 11:30-05', '2026-03-01 12:30-05', 'checked_in', NULL, 3500),
	(9033, 9002, 9001, 9001, '2026-03-19 09:00-04', '2026-03-19 10:00-04', 'pending', '2026-03-01 12:01-05', 3500),
	(9034, 9001, 9001, 9001, '2026-03-01 11:00-05', '2026-03-01 12:00-05', 'confirmed', NULL, 3500),
	(9035, 9002, 9001, 9001, '2025-03-01 11:00-05', '2025-03-01 12:00-05', 'completed', NULL, 3500),
	(9036, 9002, 9001, 9001, '2026-03-21 09:00-04', '2026-03-21 10:00-04', 'cancelled', NULL, 3500),
	(9037, 9002, 9001, 9001, '2026-03-22 09:00-04', '2026-03-22 10:00-04', 'pending', '2026-03-01 12:00-05', 3500),
	(9038, 9002, 9001, 9002, '2026-03-23 09:00-04', '2026-03-23 10:00-04', 'confirmed', NULL, 3500);
SELECT appointment_id, starts_at, status FROM booking.user_appointments(9001);
SELECT appointment_id, starts_at, status FROM booking.user_appointments(9001, false);
-- All columns, of the other user, who sees only his own.
\x on
SELECT * FROM booking.user_appointments(9002);
\x off
SELECT * FROM booking.user_appointments(9002, upcoming => false);
-- What is upcoming and what is not changes with the clock alone.
SET booking.now = '2026-03-20 10:00-04';
SELECT appointment_id FROM booking.user_appointments(9001);
SELECT appointment_id FROM booking.user_appointments(9001, false);

ROLLBACK;
