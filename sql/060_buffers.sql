--
-- What occupies a barber's time: appointments that are live, with their buffers.
--
-- Open from 09:00 to 11:00, a slot every 5 minutes, services of half an hour:
-- 19 starts from 09:00 to 10:30 on an empty day.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-02-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes) VALUES (6001, 'Buffers', 'America/New_York', 5);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (6001, 6001, 'Bob'), (6002, 6001, 'Ben');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '11:00' FROM generate_series(6001, 6002) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes) VALUES
	(6001, 6001, 'Plain', 30, 0, 0), (6002, 6001, 'Buffered', 30, 10, 5),
	(6003, 6001, 'Twelve hours before', 30, 720, 0), (6004, 6001, 'Twelve hours after', 30, 0, 720);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(6001, 6002) b, generate_series(6001, 6004) s;

-- ---------------------------------------------------------------------------
-- Buffers
-- ---------------------------------------------------------------------------

-- An empty day: buffers stick out of the hours on both sides (08:50, 11:05), so all 19 starts are there.
SELECT slots, left(starts, 5) AS first, right(starts, 5) AS last FROM test.slots(6002, '2026-03-02', NULL, 6001);

-- A buffered appointment at 09:30 is busy from 09:20 to 10:05.
SELECT starts_at, ends_at FROM booking.book_slot(6001, 6002, NULL, '2026-03-02 09:30-05');
SELECT busy_from, busy_until FROM booking.appointments WHERE barber_id = 6001;
-- A plain one fits from 10:05; before 09:20 there is no room for half an hour.
SELECT starts FROM test.slots(6001, '2026-03-02', NULL, 6001);
-- A buffered one from 10:15: the end at 10:00, 5 minutes after it and 10 before the next.  Buffers add up; if the larger were enough, 10:10.
SELECT starts FROM test.slots(6002, '2026-03-02', NULL, 6001);
-- Another barber's day is untouched.
SELECT barber_id, slots FROM test.slots(6002, '2026-03-02', NULL, 6002);
-- Free time is open time less busy time.
SELECT * FROM test.free(6001, '2026-03-02');

-- A plain appointment from 09:35 to 10:05: a buffered one still fits at 09:00 (until 09:30, and 5 minutes to 09:35), then from 10:15.
SELECT starts_at, ends_at FROM booking.book_slot(6001, 6001, NULL, '2026-03-03 09:35-05');
SELECT starts FROM test.slots(6002, '2026-03-03', NULL, 6001);
-- A minute earlier, 09:00 is gone as well.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
VALUES (6002, 6001, '2026-03-03 09:34-05', '2026-03-03 10:05-05');
SELECT starts FROM test.slots(6002, '2026-03-03', NULL, 6002);

-- Busy time is fixed when booked: that the service has other buffers now does not move March 2.
UPDATE booking.services SET buffer_before_minutes = 0, buffer_after_minutes = 0 WHERE id = 6002;
SELECT starts FROM test.slots(6002, '2026-03-02', NULL, 6001);
UPDATE booking.services SET buffer_before_minutes = 10, buffer_after_minutes = 5 WHERE id = 6002;

-- A buffer may lie in time off, the service may not: off from 10:30, the last start is 10:00.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (6001, '2026-03-04 10:30-05', '2026-03-04 11:00-05');
SELECT slots, right(starts, 5) AS last FROM test.slots(6002, '2026-03-04', NULL, 6001);
-- Nor may it begin in it; the buffer before may: off until 09:20, the first start is 09:20.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (6001, '2026-03-05 09:00-05', '2026-03-05 09:20-05');
SELECT slots, left(starts, 5) AS first FROM test.slots(6002, '2026-03-05', NULL, 6001);

-- Buffers of twelve hours reach into the day before: busy until 21:30 then, 09:30 is the first start; 21:00 to 21:30 is
-- looked for although the day asked for begins at 00:00.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
VALUES (6001, 6001, '2026-03-05 21:00-05', '2026-03-05 21:30-05');
SELECT slots, left(starts, 5) AS first FROM test.slots(6003, '2026-03-06', NULL, 6001);
-- And into the day after: 22:15 the same day, less 12 hours and a half, is 09:45; 00:15 the next day would leave 11:45.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
VALUES (6001, 6001, '2026-03-07 22:15-05', '2026-03-07 22:30-05');
SELECT slots, right(starts, 5) AS last FROM test.slots(6004, '2026-03-07', NULL, 6001);

-- The longest busy range, two days, from the 14th 10:00 to the 16th 10:00, leaves the rest of the 16th.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
VALUES (6001, 6001, '2026-03-14 10:00-04', '2026-03-15 10:00-04', '2026-03-14 10:00-04', '2026-03-16 10:00-04');
SELECT day, slots, left(starts, 5) AS first, right(starts, 5) AS last FROM test.slots(6001, '2026-03-14', '2026-03-16', 6001);

-- It is found from its last hour alone, by the reads and by the guard.
SELECT slots, left(starts, 5) AS first FROM test.slots(6001, '2026-03-16', NULL, 6001);
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (6001, 6001, ''2026-03-16 09:00-04'', ''2026-03-16 09:30-04'')');

-- ---------------------------------------------------------------------------
-- Half open, to the microsecond
-- ---------------------------------------------------------------------------

INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (6010, 6001, 6001, '2026-03-10 09:30-04', '2026-03-10 10:00-04');
-- Slots that touch it on either side are offered: 09:00 and 10:00, and none between.
SELECT starts FROM test.slots(6001, '2026-03-10', NULL, 6001);
SELECT v.from_time, v.to_time, test.brief(format('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (6001, 6001, %L, %L)', '2026-03-10 ' || v.from_time || '-04', '2026-03-10 ' || v.to_time || '-04'))
FROM (VALUES ('09:00', '09:30'), ('09:00', '09:31'), ('09:00', '09:30:00.000001'), ('09:45', '09:46'), ('09:00', '11:00'),
	('09:59', '10:30'), ('09:59:59.999999', '10:30'), ('10:00', '10:30')) v (from_time, to_time);

-- ---------------------------------------------------------------------------
-- Which appointments are live
-- ---------------------------------------------------------------------------

-- One appointment at 09:30 in each status: pending, confirmed and checked_in occupy it; the others leave 19 starts.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status)
SELECT 6100 + n, 6002, 6001, timestamptz '2026-03-20 09:30-04' + n * interval '1 day',
	timestamptz '2026-03-20 10:00-04' + n * interval '1 day', status
FROM unnest(ARRAY['pending', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show', 'expired']) WITH ORDINALITY u (status, n);
SELECT a.status, d.slot_count
FROM booking.appointments a, booking.availability_by_day(6001, a.starts_at::date, a.starts_at::date, 6002) d
WHERE a.id BETWEEN 6101 AND 6107 ORDER BY a.id;

-- A hold occupies its time until it expires; at that very instant it has.  8 starts are left while it lives: 09:00 and 10:00 to 10:30.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
VALUES (6110, 6002, 6001, '2026-04-01 09:30-04', '2026-04-01 10:00-04', 'pending', '2026-02-01 12:10-05');
SELECT slots FROM test.slots(6001, '2026-04-01', NULL, 6002);
SET booking.now = '2026-02-01 12:09:59.999999-05';
SELECT slots FROM test.slots(6001, '2026-04-01', NULL, 6002);
SET booking.now = '2026-02-01 12:10-05';
SELECT slots FROM test.slots(6001, '2026-04-01', NULL, 6002);
-- Then somebody else can have it.
SELECT starts_at FROM booking.book_slot(6002, 6001, NULL, '2026-04-01 09:30-04');
SELECT slots FROM test.slots(6001, '2026-04-01', NULL, 6002);

ROLLBACK;
