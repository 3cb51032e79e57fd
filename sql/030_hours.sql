--
-- Hours of a barber: which local times are open on which date.
--
-- Slots are an hour apart unless said otherwise; every list of starts below was
-- worked out by hand from the rows above it.  2026-03-02 is a Monday.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes)
VALUES (3001, 'Hours', 'America/New_York', 60), (3002, 'Other', 'America/New_York', 60), (3003, 'Zulu', 'UTC', 60);
INSERT INTO booking.services (id, shop_id, name, duration_minutes)
VALUES (3001, 3001, 'Hour', 60), (3002, 3001, 'Hour and a half', 90), (3003, 3002, 'Hour', 60);
INSERT INTO booking.barbers (id, shop_id, name)
SELECT n, 3001, 'Barber ' || n FROM generate_series(3001, 3006) n
UNION ALL VALUES (3011, 3002, 'Barber 3011'), (3012, 3002, 'Barber 3012'), (3021, 3003, 'Barber 3021');
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id) WHERE shop_id BETWEEN 3001 AND 3003;

-- ---------------------------------------------------------------------------
-- Weekly hours
-- ---------------------------------------------------------------------------

INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (3001, 1, '09:00', '12:00'), (3001, 1, '13:00', '17:00');

-- A lunch break from 12 to 13: an hour that ends at 12:00 fits, none starts before 13:00.
SELECT * FROM test.slots(3001, '2026-03-02', NULL, 3001);
-- An hour and a half: 11:00 would run into the break, 16:00 past closing; 10:30 is on no grid.
SELECT * FROM test.slots(3002, '2026-03-02', NULL, 3001);
SELECT * FROM test.free(3001, '2026-03-02');

-- Tuesday to Sunday have no hours, the next Monday has; a weekday counted from Sunday would shift this.
SELECT * FROM test.slots(3001, '2026-03-03', '2026-03-09', 3001);

-- Weekdays: Monday is 1, also before 2000 and at the ends of the calendar (0001-01-01 was a Monday, 9999-12-31 is a Friday).
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (3021, 1, '01:00', '02:00'), (3021, 5, '05:00', '06:00'), (3021, 7, '07:00', '08:00');
SELECT d.day, f.starts_at AT TIME ZONE 'UTC' AS opens
FROM (VALUES (date '0001-01-01'), ('1969-12-28'), ('1969-12-29'), ('1999-12-26'), ('1999-12-31'), ('2000-01-01'), ('2000-01-02'), ('2000-01-03'), ('2026-03-01'),
	('9999-12-31')) d (day)
LEFT JOIN LATERAL booking.free_time(3021, d.day) f ON true ORDER BY d.day;

-- Rows that touch (10:30) or overlap (11:45 to 12:00), and one that is there twice, are one piece 09:00 to 14:15 with one grid;
-- pieces of their own would offer 10:30, 11:45 and 12:45.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (3001, 4, '09:00', '10:30'), (3001, 4, '10:30', '12:00'), (3001, 4, '11:45', '14:15'), (3001, 4, '09:00', '10:30');
SELECT * FROM test.slots(3001, '2026-03-05', NULL, 3001);
SELECT * FROM test.free(3001, '2026-03-05');

-- A minute between two rows keeps them apart: 10:01 begins a grid of its own.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (3002, 4, '09:00', '10:00'), (3002, 4, '10:01', '11:30');
SELECT * FROM test.slots(3001, '2026-03-05', NULL, 3002);

-- ---------------------------------------------------------------------------
-- Seasons: valid_from and valid_until are both inclusive
-- ---------------------------------------------------------------------------

INSERT INTO booking.working_hours (barber_id, weekday, opens, closes, valid_from, valid_until)
VALUES (3001, 3, '10:00', '12:00', '2026-01-07', '2026-03-04'), (3001, 3, '08:00', '10:00', '2026-03-18', 'infinity'),
	(3001, 3, '20:00', '21:00', '2026-04-01', '2026-04-01');
-- Wednesdays: winter's first day, its last one, the gap, summer's first day, a season of one day and the week after it.
SELECT d.day, f.starts_at::time AS opens, f.ends_at::time AS closes
FROM (VALUES (date '2025-12-31'), ('2026-01-07'), ('2026-03-04'), ('2026-03-11'), ('2026-03-18'), ('2026-03-25'), ('2026-04-01'),
	('2026-04-08')) d (day)
LEFT JOIN LATERAL booking.free_time(3001, d.day) f ON true ORDER BY d.day, opens;

-- ---------------------------------------------------------------------------
-- Overrides: the barber's before the shop's before the week
-- ---------------------------------------------------------------------------

INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (3002, 1, '09:00', '12:00');
INSERT INTO booking.schedule_overrides (barber_id, shop_id, on_date, opens, closes) VALUES
	(3001, NULL, '2026-03-09', '14:00', '16:00'), (NULL, 3001, '2026-03-09', '10:00', '13:00'),
	(NULL, 3001, '2026-03-16', NULL, NULL), (3001, NULL, '2026-03-16', '10:00', '12:00'),
	(NULL, 3001, '2026-03-23', '10:00', '12:00'), (3001, NULL, '2026-03-23', NULL, NULL),
	(3001, NULL, '2026-03-10', '08:00', '10:00'), (3001, NULL, '2026-03-10', '12:00', '14:00'), (3001, NULL, '2026-03-10', NULL, NULL);

-- March 9: barber 3001 has own hours, 14 to 16; the others, who have none, follow the shop, 10 to 13.
SELECT * FROM test.slots(3001, '2026-03-09');
-- March 16: the shop is closed; only 3001, with hours of his own that day, works.
SELECT * FROM test.slots(3001, '2026-03-16');
-- March 23: 3001 is off; the others follow the shop's short day.
SELECT * FROM test.slots(3001, '2026-03-23');
-- March 10, a Tuesday without weekly hours: two rows open it twice; a "closed" row beside them takes nothing away.
SELECT * FROM test.slots(3001, '2026-03-10');
-- The days around overrides follow the week: Mondays March 2 and March 30.
SELECT * FROM test.slots(3001, '2026-03-02', NULL, 3002);
SELECT * FROM test.slots(3001, '2026-03-30', NULL, 3002);

-- Override rows that touch merge like any others: 08:00 to 10:30 is one piece, an hour and a half fits at 08:00 and 09:00.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes)
VALUES (3001, '2026-03-17', '09:10', '10:30'), (3001, '2026-03-17', '08:00', '09:10');
SELECT * FROM test.slots(3002, '2026-03-17', NULL, 3001);

-- An override of another shop, or of a barber there, changes nothing here.
INSERT INTO booking.schedule_overrides (barber_id, shop_id, on_date) VALUES (3011, NULL, '2026-03-02'), (NULL, 3002, '2026-03-02');
SELECT * FROM test.slots(3001, '2026-03-02', NULL, 3002);

-- ---------------------------------------------------------------------------
-- Past midnight
-- ---------------------------------------------------------------------------

-- Friday 22:00 to 02:00: the slots after midnight are Saturday's, and nothing is at Friday 00:00.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (3003, 5, '22:00', '02:00');
SELECT * FROM test.slots(3001, '2026-03-06', NULL, 3003);
SELECT * FROM test.slots(3001, '2026-03-07', NULL, 3003);
-- 90 minutes: 23:00 runs over midnight, 00:00 ends at 01:30; 01:00 would end at 02:30.
SELECT * FROM test.slots(3002, '2026-03-05', '2026-03-08', 3003);
-- Free time is clipped at midnight, and whole over both days.
SELECT * FROM test.free(3003, '2026-03-06');
SELECT * FROM test.free(3003, '2026-03-07');
SELECT * FROM test.free(3003, '2026-03-06', '2026-03-07');

-- A night that an override opens runs past midnight in the same way; the next date's override does not cut it.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes)
VALUES (3003, '2026-03-13', '23:00', '01:00'), (3003, '2026-03-14', NULL, NULL);
SELECT * FROM test.slots(3001, '2026-03-13', '2026-03-14', 3003);

-- 00:00 to 24:00 is the whole day.  Both days of a weekend are open, so 90 minutes fit at Saturday 23:00;
-- Sunday's last is 22:00, as 23:00 would run into a closed Monday.  24 and 23 slots.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (3004, 6, '00:00', '24:00'), (3004, 7, '00:00', '24:00');
SELECT barber_id, day, slots, left(starts, 5) AS first, right(starts, 5) AS last
FROM test.slots(3002, '2026-03-13', '2026-03-16', 3004);
SELECT * FROM test.free(3004, '2026-03-13', '2026-03-16');

-- Friday 18:00 to 24:00 and Saturday 00:00 to 02:00 are open across midnight: 23:00 takes 90 minutes.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (3005, 5, '18:00', '24:00'), (3005, 6, '00:00', '02:00');
SELECT * FROM test.slots(3002, '2026-03-06', '2026-03-07', 3005);

-- Friday 20:00 to 04:00 overlaps Saturday 02:30 to 06:00: each has its own grid, a start that both give is one slot.
-- Friday's: 20 to 23, 00 to 03.  Saturday's: 02:30, 03:30, 04:30; 05:30 would end at 06:30.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (3006, 5, '20:00', '04:00'), (3006, 6, '02:30', '06:00');
SELECT * FROM test.slots(3001, '2026-03-06', '2026-03-07', 3006);
SELECT * FROM test.free(3006, '2026-03-06', '2026-03-07');
-- With Saturday from 02:00 the grids agree between 02:00 and 04:00: 02 and 03 come once.
UPDATE booking.working_hours SET opens = '02:00' WHERE barber_id = 3006 AND weekday = 6;
SELECT * FROM test.slots(3001, '2026-03-06', '2026-03-07', 3006);

-- ---------------------------------------------------------------------------
-- Time off
-- ---------------------------------------------------------------------------

-- Off from 10:30 to 13:30: of the morning 09:00 is left, and the afternoon's grid still counts from 13:00.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (3001, '2026-03-02 10:30-05', '2026-03-02 13:30-05');
SELECT * FROM test.slots(3001, '2026-03-02', NULL, 3001);
SELECT * FROM test.free(3001, '2026-03-02');
-- The shop's time off counts for each of its barbers: 15:00 is gone, and for 3002 09:00.
INSERT INTO booking.time_off (shop_id, starts_at, ends_at)
VALUES (3001, '2026-03-02 15:00-05', '2026-03-02 16:00-05'), (3001, '2026-03-02 09:59-05', '2026-03-02 10:00-05');
SELECT * FROM test.slots(3001, '2026-03-02');
-- Rows that overlap each other are one absence, 10:30 to 14:30.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at)
VALUES (3001, '2026-03-02 11:00-05', '2026-03-02 12:00-05'), (3001, '2026-03-02 12:30-05', '2026-03-02 14:30-05');
SELECT * FROM test.slots(3001, '2026-03-02', NULL, 3001);
SELECT * FROM test.free(3001, '2026-03-02');

-- Another shop's barbers are untouched by it.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (3011, 1, '09:00', '12:00'), (3012, 1, '09:00', '12:00');
DELETE FROM booking.schedule_overrides WHERE barber_id = 3011 OR shop_id = 3002;
SELECT * FROM test.slots(3003, '2026-03-02');

-- Time off without an end, and without a beginning: 3011 starts on March 9 at 10:00 and leaves on March 23 at 10:00.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at)
VALUES (3011, '-infinity', '2026-03-09 10:00-04'), (3011, '2026-03-23 10:00-04', 'infinity');
SELECT * FROM test.slots(3003, '2026-03-02', '2026-04-30', 3011);
-- For ever: nothing at all, and no error.
INSERT INTO booking.time_off (shop_id, starts_at, ends_at) VALUES (3002, '-infinity', 'infinity');
SELECT * FROM test.slots(3003, '2026-03-02', '2026-04-30');
SELECT * FROM test.free(3012, '2026-03-02', '2026-04-30');

ROLLBACK;
