--
-- Days on which clocks are changed.  Local time becomes an instant by the
-- server's own rule: in the spring gap it moves forward, of a repeated hour it
-- is the second.  Opening and closing convert separately.
--
-- A service takes an hour, slots are an hour apart in elapsed time.
--
SET client_min_messages = warning;
SET datestyle = 'ISO, YMD';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, max_advance_days) VALUES
	(4001, 'New York', 'America/New_York', 60, 3660), (4002, 'Berlin', 'Europe/Berlin', 60, 3660),
	(4003, 'Lord Howe', 'Australia/Lord_Howe', 60, 3660), (4004, 'Sao Paulo', 'America/Sao_Paulo', 60, 3660),
	(4005, 'Havana', 'America/Havana', 60, 3660), (4006, 'Beirut', 'Asia/Beirut', 60, 3660), (4007, 'Apia', 'Pacific/Apia', 60, 3660);
INSERT INTO booking.services (id, shop_id, name, duration_minutes)
SELECT id, id, 'Hour', 60 FROM booking.shops WHERE id BETWEEN 4001 AND 4007;
-- Of each shop: 40x1 works Saturday 22:00 to 06:00, 40x2 around the clock.
INSERT INTO booking.barbers (id, shop_id, name)
SELECT shop * 10 - 36000 + n, shop, CASE n WHEN 1 THEN 'Night' ELSE 'Always' END
FROM generate_series(4001, 4007) shop, generate_series(1, 2) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT id, 6, time '22:00', time '06:00' FROM booking.barbers WHERE shop_id BETWEEN 4001 AND 4007 AND name = 'Night'
UNION ALL SELECT id, n, '00:00', '24:00' FROM booking.barbers, generate_series(1, 7) n
WHERE shop_id BETWEEN 4001 AND 4007 AND name = 'Always';
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id) WHERE shop_id BETWEEN 4001 AND 4007;

-- ---------------------------------------------------------------------------
-- New York: 2025-03-09 02:00 becomes 03:00, 2025-11-02 02:00 becomes 01:00
-- ---------------------------------------------------------------------------

SET timezone = 'America/New_York';
SET booking.now = '2025-01-01 00:00Z';

-- The night shift has 7 hours in spring (no 02:00), and 9 in autumn (01:00 twice); a closing converted with the opening's offset
-- would give 8.  An ordinary night has 8.
SELECT * FROM test.slots(4001, '2025-03-08', '2025-03-09', 4011);
SELECT * FROM test.free(4011, '2025-03-08', '2025-03-09');
SELECT * FROM test.slots(4001, '2025-11-01', '2025-11-02', 4011);
SELECT * FROM test.free(4011, '2025-11-01', '2025-11-02');
SELECT count(*) FROM booking.available_slots(4001, '2025-03-15', '2025-03-16', 4011);
-- The two slots at 01:00 are an hour apart.
SELECT starts_at, ends_at FROM booking.available_slots(4001, '2025-11-02', NULL, 4011) ORDER BY 1 LIMIT 4;

-- Around the clock: 23 and 25 slots on the day itself, 24 on its neighbours; its free time has 23 and 25 hours.
SELECT * FROM booking.availability_by_day(4001, '2025-03-08', '2025-03-10', 4012);
SELECT * FROM booking.availability_by_day(4001, '2025-11-01', '2025-11-03', 4012);
SELECT * FROM test.free(4012, '2025-03-09');
SELECT * FROM test.free(4012, '2025-11-02');
SELECT starts_at, ends_at, kind FROM booking.get_barber_availability(4012, '2025-03-09');
SELECT starts_at, ends_at, kind FROM booking.get_barber_availability(4012, '2025-11-02');

-- Opening inside the gap, and inside the repeated hour.  Sunday 02:30 to 05:00: in spring 03:30 to 05:00.
-- Sunday 01:30 to 04:00: in autumn from the second 01:30, at -05.
INSERT INTO booking.barbers (id, shop_id, name) SELECT n, 4001, 'Barber ' || n FROM generate_series(4013, 4018) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT n, 4001 FROM generate_series(4013, 4018) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
VALUES (4013, 7, '02:30', '05:00'), (4014, 7, '01:30', '04:00'), (4015, 7, '00:00', '01:30'), (4016, 7, '00:00', '02:30'),
	(4017, 7, '02:15', '02:45'), (4018, 7, '02:30', '03:15');
SELECT * FROM test.free(4013, '2025-03-09');
SELECT starts_at FROM booking.available_slots(4001, '2025-03-09', NULL, 4013);
SELECT * FROM test.free(4014, '2025-11-02');
SELECT starts_at FROM booking.available_slots(4001, '2025-11-02', NULL, 4014) ORDER BY 1;

-- Closing inside them: Sunday 00:00 to 01:30 lasts until the second 01:30 in autumn, 2.5 hours;
-- Sunday 00:00 to 02:30 until 03:30 in spring, 2.5 hours of real time.
SELECT * FROM test.free(4015, '2025-11-02');
SELECT starts_at FROM booking.available_slots(4001, '2025-11-02', NULL, 4015) ORDER BY 1;
SELECT * FROM test.free(4016, '2025-03-09');

-- Wholly inside the gap, 02:15 to 02:45 moves to 03:15 to 03:45.  02:30 to 03:15 would end before it begins: no hours that day,
-- and 45 minutes a week later.
SELECT * FROM test.free(4017, '2025-03-09');
SELECT * FROM test.free(4018, '2025-03-09');
SELECT * FROM test.free(4018, '2025-03-16');

-- Pieces merge as instants: 00:00 to 02:00 and 03:00 to 05:00 touch on the day that has no 02:00, and an hour and a half fits at
-- 01:00; a week later it does not.
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (4011, 4001, 'Hour and a half', 90);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (4013, 4011);
DELETE FROM booking.working_hours WHERE barber_id = 4013;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (4013, 7, '00:00', '02:00'), (4013, 7, '03:00', '05:00');
SELECT * FROM test.slots(4011, '2025-03-09', NULL, 4013);
SELECT * FROM test.slots(4011, '2025-03-16', NULL, 4013);

-- The same through overrides: their times convert in the same way.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes)
VALUES (4014, '2025-03-08', '22:00', '06:00'), (4014, '2025-11-02', '01:30', '02:30');
SELECT * FROM test.free(4014, '2025-03-08', '2025-03-09');
SELECT * FROM test.free(4014, '2025-11-02');

-- book_slot takes the second 01:00 and not the first again.
SELECT starts_at FROM booking.book_slot(4011, 4001, NULL, '2025-11-02 01:00-04');
SELECT test.brief('SELECT * FROM booking.book_slot(4011, 4001, NULL, ''2025-11-02 01:00-04'')');
SELECT starts_at FROM booking.book_slot(4011, 4001, NULL, '2025-11-02 01:00-05');
SELECT * FROM test.slots(4001, '2025-11-02', NULL, 4011);

-- ---------------------------------------------------------------------------
-- Berlin: 2025-03-30 02:00 becomes 03:00, 2025-10-26 03:00 becomes 02:00
-- ---------------------------------------------------------------------------

SET timezone = 'Europe/Berlin';
SELECT * FROM test.slots(4002, '2025-03-29', '2025-03-30', 4021);
SELECT * FROM test.slots(4002, '2025-10-25', '2025-10-26', 4021);
SELECT * FROM test.free(4021, '2025-03-29', '2025-03-30');
SELECT * FROM test.free(4021, '2025-10-25', '2025-10-26');
SELECT * FROM booking.availability_by_day(4002, '2025-03-29', '2025-03-31', 4022);
SELECT * FROM booking.availability_by_day(4002, '2025-10-25', '2025-10-27', 4022);
-- Sunday 02:30 to 05:00: in spring from 03:30 at +02, in autumn from the second 02:30 at +01.
INSERT INTO booking.barbers (id, shop_id, name) VALUES (4023, 4002, 'Early');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (4023, 4002);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (4023, 7, '02:30', '05:00');
SELECT * FROM test.free(4023, '2025-03-30');
SELECT * FROM test.free(4023, '2025-10-26');
SELECT starts_at FROM booking.available_slots(4002, '2025-03-30', NULL, 4023) ORDER BY 1;
SELECT starts_at FROM booking.available_slots(4002, '2025-10-26', NULL, 4023) ORDER BY 1;

-- ---------------------------------------------------------------------------
-- Lord Howe moves by half an hour: 2025-10-05 02:00 becomes 02:30, 2025-04-06 02:00 becomes 01:30
-- ---------------------------------------------------------------------------

-- 7.5 hours: after 01:00 comes 02:30, and 05:30 would end at 06:30.  8.5 hours: after 01:00 comes 01:30.
SET timezone = 'Australia/Lord_Howe';
SELECT * FROM test.slots(4003, '2025-10-04', '2025-10-05', 4031);
SELECT * FROM test.slots(4003, '2025-04-05', '2025-04-06', 4031);
SELECT * FROM test.free(4031, '2025-10-04', '2025-10-05');
SELECT * FROM test.free(4031, '2025-04-05', '2025-04-06');
-- Around the clock: 23.5 and 24.5 hours.  The grid of a date begins with its own midnight, so that 23.5 hours have 24 starts
-- (the last one, 23:30, runs into the next day's open time) and 24.5 have 25.
SELECT * FROM booking.availability_by_day(4003, '2025-10-04', '2025-10-06', 4032);
SELECT * FROM booking.availability_by_day(4003, '2025-04-05', '2025-04-07', 4032);
SELECT * FROM test.free(4032, '2025-10-05');
SELECT * FROM test.free(4032, '2025-04-06');
-- Sunday 02:15 to 04:00 opens at 02:45 in spring; Sunday 01:45 to 04:00 at the second 01:45, at +10:30, in autumn.
INSERT INTO booking.barbers (id, shop_id, name) VALUES (4033, 4003, 'Early'), (4034, 4003, 'Earlier');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (4033, 4003), (4034, 4003);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (4033, 7, '02:15', '04:00'), (4034, 7, '01:45', '04:00');
SELECT starts_at FROM booking.available_slots(4003, '2025-10-05', NULL, 4033) ORDER BY 1;
SELECT starts_at FROM booking.available_slots(4003, '2025-04-06', NULL, 4034) ORDER BY 1;

-- ---------------------------------------------------------------------------
-- Zones that switch at midnight
-- ---------------------------------------------------------------------------

-- Sao Paulo, 2018-11-04 00:00 becomes 01:00: the night has 7 hours, Sunday has no 00:00 and 23 hours.
SET timezone = 'America/Sao_Paulo';
SET booking.now = '2018-01-01 00:00Z';
SELECT * FROM test.slots(4004, '2018-11-03', '2018-11-04', 4041);
SELECT * FROM test.free(4041, '2018-11-03');
SELECT * FROM test.free(4041, '2018-11-04');
SELECT * FROM booking.availability_by_day(4004, '2018-11-03', '2018-11-05', 4042);
SELECT * FROM test.free(4042, '2018-11-04');
-- 2018-02-18 00:00 becomes 23:00 of the 17th: the night has 9 hours, Saturday has 23:00 twice and 25 hours.
SELECT * FROM test.slots(4004, '2018-02-17', '2018-02-18', 4041);
SELECT * FROM test.free(4041, '2018-02-17', '2018-02-18');
SELECT * FROM booking.availability_by_day(4004, '2018-02-16', '2018-02-18', 4042);
SELECT * FROM test.free(4042, '2018-02-17');
-- Opening at 23:30 on that Saturday is the second 23:30, at -03.
INSERT INTO booking.barbers (id, shop_id, name) VALUES (4043, 4004, 'Late');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (4043, 4004);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (4043, 6, '23:30', '01:30');
SELECT starts_at FROM booking.available_slots(4004, '2018-02-17', '2018-02-18', 4043) ORDER BY 1;

-- Havana, 2024-11-03 01:00 becomes 00:00: midnight itself comes twice.  The day begins with the first and has 25 hours.
SET timezone = 'America/Havana';
SET booking.now = '2024-01-01 00:00Z';
SELECT * FROM booking.availability_by_day(4005, '2024-11-02', '2024-11-04', 4052);
SELECT * FROM test.free(4052, '2024-11-03');
SELECT starts_at, ends_at, kind FROM booking.get_barber_availability(4052, '2024-11-03');
SELECT * FROM test.slots(4005, '2024-11-02', '2024-11-03', 4051);
-- Hours from Sunday 00:00 begin with the second midnight: 24 hours.  Saturday's until 24:00 last until then: 25 hours, of which
-- the last belongs to Sunday.
INSERT INTO booking.barbers (id, shop_id, name) VALUES (4053, 4005, 'Sunday'), (4054, 4005, 'Saturday');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (4053, 4005), (4054, 4005);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (4053, 7, '00:00', '24:00'), (4054, 6, '00:00', '24:00');
SELECT * FROM booking.availability_by_day(4005, '2024-11-02', '2024-11-03', 4053);
SELECT * FROM booking.availability_by_day(4005, '2024-11-02', '2024-11-03', 4054);
SELECT * FROM test.free(4054, '2024-11-02', '2024-11-03');
SELECT * FROM test.free(4054, '2024-11-03');
-- 2024-03-10 00:00 becomes 01:00.
SELECT * FROM booking.availability_by_day(4005, '2024-03-09', '2024-03-11', 4052);
SELECT * FROM test.slots(4005, '2024-03-09', '2024-03-10', 4051);

-- Beirut, 2024-03-31 00:00 becomes 01:00, 2024-10-27 00:00 becomes 23:00 of the 26th.
SET timezone = 'Asia/Beirut';
SELECT * FROM booking.availability_by_day(4006, '2024-03-30', '2024-04-01', 4062);
SELECT * FROM booking.availability_by_day(4006, '2024-10-25', '2024-10-27', 4062);
SELECT * FROM test.slots(4006, '2024-03-30', '2024-03-31', 4061);
SELECT * FROM test.slots(4006, '2024-10-26', '2024-10-27', 4061);

-- St. John's, 2010-11-07 00:01 became 23:01 of the 6th: a minute of Sunday, then 59 of Saturday again.  On a clock grid of half
-- hours Saturday has 23:30 twice and Sunday 00:00 twice, 49 each; their free time comes in two pieces, on either side of the switch.
INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, slot_anchor, max_advance_days)
VALUES (4008, 'St. John''s', 'America/St_Johns', 30, 'clock', 3660);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (4082, 4008, 'Always');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (4008, 4008, 'Half an hour', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (4082, 4008);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 4082, n, '00:00', '24:00' FROM generate_series(1, 7) n;
SET timezone = 'America/St_Johns';
SET booking.now = '2010-11-01 00:00Z';
SELECT * FROM booking.availability_by_day(4008, '2010-11-05', '2010-11-08', 4082);
-- Asked for alone, Saturday does not contain Sunday's first midnight, nor Sunday Saturday's second 23:30.
SELECT count(*), min(starts_at), max(starts_at) FROM booking.available_slots(4008, '2010-11-06');
SELECT count(*), min(starts_at), max(starts_at) FROM booking.available_slots(4008, '2010-11-07');
SELECT * FROM test.free(4082, '2010-11-06');
SELECT * FROM test.free(4082, '2010-11-07');
SELECT * FROM test.free(4082, '2010-11-06', '2010-11-07');
-- During that first minute of Sunday, Saturday's second 23:30 can still be had.
SET booking.now = '2010-11-07 02:30:30Z';
SELECT starts_at FROM booking.available_slots(4008, '2010-11-06');
SELECT starts_at FROM booking.next_slots(4008, NULL, 2);

-- ---------------------------------------------------------------------------
-- A day that never was: Apia had no 2011-12-30
-- ---------------------------------------------------------------------------

SET timezone = 'Pacific/Apia';
SET booking.now = '2011-12-01 00:00Z';
SELECT * FROM booking.availability_by_day(4007, '2011-12-29', '2011-12-31', 4072);
SELECT * FROM test.free(4072, '2011-12-30');
SELECT * FROM booking.get_barber_availability(4072, '2011-12-30');
SELECT * FROM test.free(4072, '2011-12-29', '2011-12-31');
-- A night that begins on Thursday the 29th at 22:00 ends on Saturday at 06:00, 8 hours later.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (4071, '2011-12-29', '22:00', '06:00');
SELECT * FROM test.slots(4007, '2011-12-29', '2011-12-31', 4071);
-- Also when Saturday alone is asked for, whose own night begins at 22:00.
SELECT * FROM test.slots(4007, '2011-12-31', NULL, 4071);
-- Friday's hours lie in a gap of 24 hours and move forward by as much: to Saturday.
INSERT INTO booking.barbers (id, shop_id, name) VALUES (4073, 4007, 'Friday');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (4073, 4007);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (4073, 5, '09:00', '12:00');
SELECT * FROM test.slots(4007, '2011-12-28', '2012-01-05', 4073);
SELECT * FROM test.slots(4007, '2011-12-30', NULL, 4073);

-- ---------------------------------------------------------------------------
-- The last instant there is
-- ---------------------------------------------------------------------------

-- A question about it must not spoil what is known of the zone: summer stays summer.
SET booking.now = '2025-01-01 00:00Z';
SELECT available, reason FROM booking.check_slot(4011, 4001, '294276-12-31 23:19:59Z');
SELECT available, reason FROM booking.check_slot(4011, 4001, '4713-01-01 00:00Z BC');
SELECT min(starts_at AT TIME ZONE 'UTC') FROM booking.available_slots(4001, '2025-07-05', '2025-07-05', 4011);

ROLLBACK;
