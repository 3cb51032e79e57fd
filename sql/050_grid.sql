--
-- The grid: at which instants slots may begin.
--
-- Every shop is open from 09:10 to 12:00 on Mondays, an odd time on purpose;
-- a service takes half an hour.  2026-03-02 and 2026-03-09 are Mondays.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_anchor, slot_interval_minutes) VALUES
	(5001, 'Opening', 'America/New_York', 'opening', 30), (5002, 'Clock', 'America/New_York', 'clock', 30),
	(5003, 'Packed', 'America/New_York', 'packed', 30);
INSERT INTO booking.barbers (id, shop_id, name) SELECT id, id, name FROM booking.shops WHERE id BETWEEN 5001 AND 5003;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT id, 1, '09:10', '12:00' FROM booking.barbers WHERE id BETWEEN 5001 AND 5003;
-- Of each shop: 50n1 has the shop's step, 50n2 one of 20 minutes, 50n3 of 45, 50n4 of 35 (which divides no hour);
-- 50n5 has buffers of 5 minutes before and 10 after.
INSERT INTO booking.services (id, shop_id, name, duration_minutes, slot_interval_minutes, buffer_before_minutes, buffer_after_minutes)
SELECT 5000 + n * 10 + k, 5000 + n, 'Service ' || k, 30, (ARRAY[NULL, 20, 45, 35, NULL])[k],
	CASE k WHEN 5 THEN 5 ELSE 0 END, CASE k WHEN 5 THEN 10 ELSE 0 END
FROM generate_series(1, 3) n, generate_series(1, 5) k;
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id) WHERE shop_id BETWEEN 5001 AND 5003;

-- ---------------------------------------------------------------------------
-- An empty day
-- ---------------------------------------------------------------------------

-- opening counts from 09:10; 11:40 would end at 12:10.  clock takes full and half hours; 11:30 ends just at closing.
-- packed counts from the beginning of the gap, which is 09:10.
SELECT * FROM test.slots(5011, '2026-03-02');
SELECT * FROM test.slots(5021, '2026-03-02');
SELECT * FROM test.slots(5031, '2026-03-02');

-- The service's own step goes before the shop's: 20 and 45 minutes.
SELECT * FROM test.slots(5012, '2026-03-02');
SELECT * FROM test.slots(5013, '2026-03-02');
SELECT * FROM test.slots(5022, '2026-03-02');

-- 35 minutes.  clock counts them from midnight: 16 * 35 = 560 minutes is 09:20, 19 * 35 = 665 is 11:05.
SELECT * FROM test.slots(5014, '2026-03-02');
SELECT * FROM test.slots(5024, '2026-03-02');
SELECT * FROM test.slots(5034, '2026-03-02');

-- A step of 7 hours on the clock begins anew each midnight: 21:00 is followed by 00:00.
INSERT INTO booking.services (id, shop_id, name, duration_minutes, slot_interval_minutes)
VALUES (5026, 5002, 'Seven hours', 30, 420), (5027, 5002, 'A day', 30, 1440), (5017, 5001, 'A day', 30, 1440);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (5004, 5002, 'Always'), (5005, 5001, 'Always');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (5004, 3, '00:00', '24:00'), (5004, 4, '00:00', '24:00'), (5005, 3, '06:00', '24:00'), (5005, 4, '00:00', '24:00');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (5004, 5026), (5004, 5027), (5005, 5017);
SELECT * FROM test.slots(5026, '2026-03-04', '2026-03-05');
-- Within one piece as well: Friday 20:00 to 08:00 has 21:00, 00:00 and 07:00.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (5004, 5, '20:00', '08:00');
SELECT * FROM test.slots(5026, '2026-03-06', '2026-03-07');
-- A step of a day: midnight on the clock, and the opening of each piece otherwise.
SELECT * FROM test.slots(5027, '2026-03-04', '2026-03-05');
SELECT * FROM test.slots(5017, '2026-03-04', '2026-03-05');

-- ---------------------------------------------------------------------------
-- Appointments and time off
-- ---------------------------------------------------------------------------

-- Busy from 09:45 to 10:00.  opening loses 09:40 and keeps its grid; clock loses 09:30, and 10:00 touches.
-- packed goes on from 10:00, when the appointment ends.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES
	(5001, 5011, '2026-03-02 09:45-05', '2026-03-02 10:00-05'), (5002, 5021, '2026-03-02 09:45-05', '2026-03-02 10:00-05'),
	(5003, 5031, '2026-03-02 09:45-05', '2026-03-02 10:00-05');
SELECT * FROM test.slots(5011, '2026-03-02');
SELECT * FROM test.slots(5021, '2026-03-02');
SELECT * FROM test.slots(5031, '2026-03-02');

-- Off from 10:20 to 10:30 besides.  opening loses 10:10, clock 10:00; packed begins anew at 10:30.
INSERT INTO booking.time_off (shop_id, starts_at, ends_at)
SELECT n, '2026-03-02 10:20-05', '2026-03-02 10:30-05' FROM generate_series(5001, 5003) n;
SELECT * FROM test.slots(5011, '2026-03-02');
SELECT * FROM test.slots(5021, '2026-03-02');
SELECT * FROM test.slots(5031, '2026-03-02');

-- ---------------------------------------------------------------------------
-- packed, with buffers of 5 and 10 minutes
-- ---------------------------------------------------------------------------

-- An empty day begins at 09:10, since a buffer may stick out of the hours.
SELECT * FROM test.slots(5035, '2026-03-09');
-- Busy from 09:45 to 10:00: nothing fits before (09:05 would be the last start), then 10:00 + 5.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (5001, 5003, 5031, '2026-03-09 09:45-04', '2026-03-09 10:00-04');
SELECT * FROM test.slots(5035, '2026-03-09');
-- At 10:30 the grid still counts from 10:05: what was busy before matters, though nobody can book it any more.
SET booking.now = '2026-03-09 10:30-04';
SELECT * FROM test.slots(5035, '2026-03-09');
SELECT available, reason FROM booking.check_slot(5003, 5035, '2026-03-09 10:35-04');
SELECT available, reason FROM booking.check_slot(5003, 5035, '2026-03-09 10:40-04');
SET booking.now = '2026-03-01 12:00-05';
-- Busy from 11:00 to 11:10 too: the gap's last start is 11:00 - 10 - 30 = 10:20, so 10:05 alone, and 11:15 after it.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (5002, 5003, 5031, '2026-03-09 11:00-04', '2026-03-09 11:10-04');
SELECT * FROM test.slots(5035, '2026-03-09');
-- A gap too narrow for the service gives nothing; of appointments that touch, the last one's end counts.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (5003, 5003, 5031, '2026-03-09 10:00-04', '2026-03-09 10:16-04');
SELECT * FROM test.slots(5035, '2026-03-09');
-- Moved a minute forward, it leaves 45 minutes: 5 + 30 + 10.
UPDATE booking.appointments SET starts_at = '2026-03-09 10:00-04', ends_at = '2026-03-09 10:15-04',
	busy_from = NULL, busy_until = NULL WHERE id = 5003;
SELECT * FROM test.slots(5035, '2026-03-09');
-- The notice cuts the list and does not move it: at 10:21 the grid from 10:20 is over, at 11:16 that from 11:15.
SET booking.now = '2026-03-09 10:21-04';
SELECT * FROM test.slots(5035, '2026-03-09');
SET booking.now = '2026-03-09 11:16-04';
SELECT * FROM test.slots(5035, '2026-03-09');
SET booking.now = '2026-03-01 12:00-05';
-- What is busy before opening matters too: until 09:08 and 5 minutes later it is 09:13.  Until 09:05 it does not.
DELETE FROM booking.appointments WHERE id BETWEEN 5001 AND 5003;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (5004, 5003, 5031, '2026-03-09 08:50-04', '2026-03-09 09:08-04');
SELECT * FROM test.slots(5035, '2026-03-09');
UPDATE booking.appointments SET ends_at = '2026-03-09 09:05-04', busy_until = NULL WHERE id = 5004;
SELECT * FROM test.slots(5035, '2026-03-09');
-- An appointment that ends in the piece and began before it: 09:25 + 5.
UPDATE booking.appointments SET ends_at = '2026-03-09 09:25-04', busy_until = NULL WHERE id = 5004;
SELECT * FROM test.slots(5035, '2026-03-09');

-- ---------------------------------------------------------------------------
-- The clock on switch days
-- ---------------------------------------------------------------------------

INSERT INTO booking.shops (id, name, time_zone, slot_anchor, slot_interval_minutes, max_advance_days) VALUES
	(5006, 'New York', 'America/New_York', 'clock', 45, 3660), (5007, 'Lord Howe', 'Australia/Lord_Howe', 'clock', 60, 3660),
	(5008, 'Sao Paulo', 'America/Sao_Paulo', 'clock', 1440, 3660), (5009, 'Havana', 'America/Havana', 'clock', 1440, 3660),
	(5010, 'Kathmandu', 'Asia/Kathmandu', 'clock', 60, 3660), (5011, 'Monrovia', 'Africa/Monrovia', 'clock', 30, 3660);
INSERT INTO booking.barbers (id, shop_id, name) SELECT id, id, name FROM booking.shops WHERE id BETWEEN 5006 AND 5011;
INSERT INTO booking.services (id, shop_id, name, duration_minutes)
SELECT id + 100, id, 'Half an hour', 30 FROM booking.shops WHERE id BETWEEN 5006 AND 5011;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, slot_interval_minutes) VALUES (5120, 5007, 'Every half hour', 30, 30);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id) WHERE shop_id BETWEEN 5006 AND 5011;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (5006, 7, '00:00', '06:00'), (5007, 7, '00:00', '06:00'), (5010, 1, '09:10', '12:00'), (5011, 1, '09:00', '10:30');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '00:00', '24:00' FROM generate_series(5008, 5009) b, generate_series(1, 7) n;

-- New York, every 45 minutes since midnight: 02:15 does not exist in spring; 01:30 comes twice in autumn, and both count.
SET booking.now = '2025-01-01 00:00Z';
SELECT * FROM test.slots(5106, '2025-03-09');
SELECT starts_at FROM booking.available_slots(5106, '2025-11-02') ORDER BY 1;
-- Lord Howe, every hour: there is no 02:00 in spring, and one (after 01:30 came twice) in autumn.
SET timezone = 'Australia/Lord_Howe';
SELECT * FROM test.slots(5107, '2025-10-05');
SELECT * FROM test.slots(5107, '2025-04-06');
-- Every half hour: 01:30 twice, the second being the very instant of the switch.
SELECT * FROM test.slots(5120, '2025-04-06');
SELECT * FROM test.slots(5120, '2025-10-05');
-- Sao Paulo, midnight only: 2018-11-04 has none.  Havana: 2024-11-03 has two.
SET timezone = 'America/Sao_Paulo';
SET booking.now = '2018-01-01 00:00Z';
SELECT * FROM booking.availability_by_day(5108, '2018-11-03', '2018-11-05');
SELECT * FROM booking.availability_by_day(5108, '2018-02-17', '2018-02-18');
SET timezone = 'America/Havana';
SET booking.now = '2024-01-01 00:00Z';
SELECT starts_at FROM booking.available_slots(5109, '2024-11-02', '2024-11-04') ORDER BY 1;
-- Offsets of quarters of an hour, and of seconds (Monrovia was 44:30 behind until 1972): the clock on the wall counts.
SET timezone = 'Asia/Kathmandu';
SET booking.now = '2026-03-01 00:00Z';
SELECT starts_at FROM booking.available_slots(5110, '2026-03-02') ORDER BY 1;
SET timezone = 'Africa/Monrovia';
SET booking.now = '1971-01-01 00:00Z';
SELECT starts_at AT TIME ZONE 'Africa/Monrovia' AS local, starts_at AT TIME ZONE 'UTC' AS utc
FROM booking.available_slots(5111, '1971-03-01') ORDER BY 1;

ROLLBACK;
