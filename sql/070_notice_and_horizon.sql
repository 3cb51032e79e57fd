--
-- How soon and how far ahead one can book, and what booking.now does to it.
--
-- Open daily from 09:00 to 12:00, half an hour each: 6 slots a day.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, min_notice_minutes, max_advance_days) VALUES
	(7001, 'New York', 'America/New_York', 30, 60, 7), (7002, 'Tokyo', 'Asia/Tokyo', 30, 0, 0),
	(7003, 'Always', 'UTC', 1, 0, 1);
INSERT INTO booking.barbers (id, shop_id, name) SELECT id, id, name FROM booking.shops WHERE id BETWEEN 7001 AND 7003;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, time '09:00', time '12:00' FROM generate_series(7001, 7002) b, generate_series(1, 7) n
UNION ALL SELECT 7003, n, '00:00', '24:00' FROM generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, min_notice_minutes) VALUES
	(7001, 7001, 'As the shop says', 30, NULL), (7002, 7001, 'At once', 30, 0), (7003, 7001, 'A day before', 30, 1440),
	(7004, 7002, 'Today', 30, NULL), (7005, 7003, 'Any minute', 1, NULL);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id) WHERE shop_id BETWEEN 7001 AND 7003;

-- ---------------------------------------------------------------------------
-- Notice
-- ---------------------------------------------------------------------------

-- At 09:30 with an hour's notice 10:30 is the first, just in time; a microsecond later it is 11:00.
SET booking.now = '2026-03-02 09:30-05';
SELECT starts FROM test.slots(7001, '2026-03-02');
SET booking.now = '2026-03-02 09:30:00.000001-05';
SELECT starts FROM test.slots(7001, '2026-03-02');
-- The service's own notice goes before the shop's, also when it is 0: 09:30 itself can be booked at 09:30.
SET booking.now = '2026-03-02 09:30-05';
SELECT starts FROM test.slots(7002, '2026-03-02');
SET booking.now = '2026-03-02 09:30:00.000001-05';
SELECT starts FROM test.slots(7002, '2026-03-02');
-- A day's notice: nothing today, and from 09:30 tomorrow.
SET booking.now = '2026-03-02 09:30-05';
SELECT day, starts FROM test.slots(7003, '2026-03-02', '2026-03-03');
-- The same through book_slot, one slot on either side of the edge.
SELECT test.brief('SELECT booking.book_slot(7001, 7001, NULL, ''2026-03-02 10:00-05'')');
SELECT starts_at FROM booking.book_slot(7001, 7001, NULL, '2026-03-02 10:30-05');
SELECT test.brief('SELECT booking.book_slot(7001, 7003, NULL, ''2026-03-03 09:00-05'')');
SELECT starts_at FROM booking.book_slot(7001, 7003, NULL, '2026-03-03 09:30-05');

-- The past has no slots, and asking for it is no error.
SELECT * FROM test.slots(7002, '2026-02-01', '2026-03-01');
SELECT * FROM test.slots(7002, '1999-12-31');
SELECT test.brief('SELECT booking.book_slot(7001, 7002, NULL, ''2026-03-02 09:00-05'')');

-- ---------------------------------------------------------------------------
-- Horizon: local dates, today's and max_advance_days more
-- ---------------------------------------------------------------------------

-- March 2 and 7 days: the 9th is the last, whatever the time of day.
SELECT day, slot_count FROM booking.availability_by_day(7002, '2026-03-08', '2026-03-11');
SELECT starts_at FROM booking.book_slot(7001, 7001, NULL, '2026-03-09 11:30-04');
SELECT test.brief('SELECT booking.book_slot(7001, 7001, NULL, ''2026-03-10 09:00-04'')');
-- 22:30 in New York is the next day in UTC, and still March 2 here.
SET booking.now = '2026-03-03 03:30Z';
SELECT day, slot_count FROM booking.availability_by_day(7002, '2026-03-09', '2026-03-11');
-- From local midnight on it is the 10th.
SET booking.now = '2026-03-03 04:59:59Z';
SELECT day, slot_count FROM booking.availability_by_day(7002, '2026-03-10', '2026-03-11');
SET booking.now = '2026-03-03 05:00Z';
SELECT day, slot_count FROM booking.availability_by_day(7002, '2026-03-10', '2026-03-11');
-- The client's time zone has no say in it.
SET timezone = 'Pacific/Kiritimati';
SELECT day, slot_count FROM booking.availability_by_day(7002, '2026-03-10', '2026-03-11');

-- 0 days ahead: today only.  16:00 UTC on the 2nd is 01:00 on the 3rd in Tokyo.
SET timezone = 'Asia/Tokyo';
SET booking.now = '2026-03-02 16:00Z';
SELECT day, slot_count FROM booking.availability_by_day(7004, '2026-03-02', '2026-03-04');
SET booking.now = '2026-03-02 14:59Z';
SELECT day, slot_count FROM booking.availability_by_day(7004, '2026-03-02', '2026-03-04');

-- ---------------------------------------------------------------------------
-- booking.now
-- ---------------------------------------------------------------------------

-- Empty means the clock: around the clock, a slot every minute, the next one is less than a minute away.
SET booking.now = '';
SELECT starts_at - statement_timestamp() BETWEEN interval '0' AND interval '1 minute' AS is_next_minute FROM booking.next_slots(7005);
RESET booking.now;
SELECT starts_at - statement_timestamp() BETWEEN interval '0' AND interval '1 minute' AS is_next_minute FROM booking.next_slots(7005);
-- It is the statement's start, not the transaction's: rows booked later in a long transaction bear the later time.
SELECT id FROM booking.book_slot(7003, 7005, NULL, date_trunc('minute', statement_timestamp()) + interval '2 hours') \gset
SELECT created_at > now() AS after_begin, created_at < clock_timestamp() AS before_now FROM booking.appointments WHERE id = :id;

-- A value is a timestamp with its zone; what is none is refused, as a typo would move every booking.
SELECT v.setting, test.brief(format('SET booking.now = %L', v.setting))
FROM (VALUES ('2026-03-02 09:30-05'), ('2026-03-02T14:30:00Z'), ('2026-03-02 09:30 America/New_York'), (''),
	('2026-03-02 09:30'), ('2026-03-02'), ('09:30'), ('09:30-05'), ('now'), ('today'), ('epoch'), ('infinity'),
	('-infinity'), ('yes'), ('2026-02-30 09:30Z'), ('1899-12-31 00:00Z'), ('10000-01-01 00:00Z'), ('2026-03-02 09:30 BC')) v (setting);
SELECT test.error('SET booking.now = ''yesterday, or so''');
-- A name that is not ours in our prefix is a typo too.
SELECT test.brief('SET booking.nwo = ''2026-03-02 09:30Z''');

-- A zone in any form: a name, one word or more, an abbreviation, a number; but one, and of those there are.
SELECT left(v.zone, 20) AS zone, left(test.brief(format('SET booking.now = ''2026-03-02 09:30 %s''', v.zone)), 80) AS answer FROM unnest(ARRAY['Factory', 'factory', 'America/New_York', 'EST5EDT', 'est', 'Z',
	'+05:30', '-0330', 'Factory UTC', 'Z +00', '+00 -01', 'Nowhere', 'DST', repeat('x', 200), repeat(' ', 200)]) WITH ORDINALITY v (zone, n) ORDER BY n;
SAVEPOINT zone;
SET LOCAL booking.now = '2026-03-02 09:30 Factory';
SHOW booking.now;
ROLLBACK TO zone;
-- A parallel worker takes it over, whatever it was written in: it may read this setting before DateStyle and the zones.
CREATE TABLE test.large WITH (parallel_workers = 2) AS SELECT n FROM generate_series(1, 10) n;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL DateStyle = 'SQL, DMY';
SET LOCAL booking.now = '02/03/2026 09:30:00.5 EST';
CREATE INDEX ON test.large (n);
SHOW booking.now;
SET LOCAL DateStyle = 'ISO';
DROP TABLE test.large;

-- Only a superuser may set it: whoever can say what time it is can book the past.
CREATE ROLE regress_booking_guest;
SET LOCAL ROLE regress_booking_guest;
SELECT test.brief('SET booking.now = ''2026-03-02 09:30Z''');
SELECT test.brief('SELECT set_config(''booking.now'', ''2026-03-02 09:30Z'', false)');
RESET ROLE;

-- A subtransaction's setting goes with it.
SET booking.now = '2026-03-02 00:00Z';
SAVEPOINT s;
SET LOCAL booking.now = '2026-05-05 00:00Z';
SELECT starts_at AT TIME ZONE 'UTC' AS next FROM booking.next_slots(7005);
ROLLBACK TO s;
SELECT starts_at AT TIME ZONE 'UTC' AS next FROM booking.next_slots(7005);

ROLLBACK;
