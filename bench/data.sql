-- data.sql: the generated data that every contestant reads and writes.
--
-- psql variables: barbers, appointments (about that many are made); chairs, if
-- there are to be more than 10; future_days, if not 30; past, what most of the
-- past's appointments have become, if not completed; bulk, if that is set, for many
-- rows.
--
-- Shops of ten barbers in America/New_York, open daily 9:00-13:00 and
-- 14:00-18:00, and one last shop, open around the clock in UTC, whose chairs
-- nobody has booked yet.
-- The past is as long as the number of appointments asks for; the future, which
-- is what availability looks at, is future_days.  There are no overrides and no
-- time off, because some plain-SQL peers do not know them.
--
-- No random(): the same numbers make the same calendar, moved to today.

\if :{?chairs}
\else
\set chairs 10
\endif
\if :{?future_days}
\else
\set future_days 30
\endif
\if :{?past}
\else
\set past completed
\endif

SET client_min_messages = warning;

CREATE EXTENSION booking;
SELECT count(*) FROM booking.setup() \g /dev/null

CREATE SCHEMA bench;

CREATE TABLE bench.numbers AS
SELECT :barbers AS barbers,
	greatest(:chairs, 10) AS chairs,
	(:barbers + 9) / 10 AS shops,
	(now() AT TIME ZONE 'America/New_York')::date AS today,
	:future_days AS future_days,
	ceil(:appointments / (:barbers * 10.2))::int AS days;

-- ---------------------------------------------------------------------------
-- Configuration
-- ---------------------------------------------------------------------------

INSERT INTO booking.shops (id, name, time_zone, max_advance_days)
SELECT shop, 'Shop ' || shop, 'America/New_York', 3660
FROM bench.numbers, generate_series(1, shops) AS shop
UNION ALL
SELECT shops + 1, 'Around the clock', 'UTC', 3660 FROM bench.numbers;

INSERT INTO booking.barbers (id, shop_id, name)
SELECT barber, (barber + 9) / 10, 'Barber ' || barber
FROM bench.numbers, generate_series(1, barbers) AS barber
UNION ALL
SELECT barbers + chair, shops + 1, 'Chair ' || chair
FROM bench.numbers, generate_series(1, chairs) AS chair;

-- Three services a shop, of 30, 45 and 60 minutes: 3 * shop - 2, - 1 and - 0
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents)
SELECT 3 * (shop - 1) + s.position, shop, s.name, s.minutes, s.cents
FROM bench.numbers, generate_series(1, shops + 1) AS shop,
	(VALUES (1, 'Cut', 30, 2500), (2, 'Beard', 45, 3500), (3, 'Both', 60, 5000)) AS s (position, name, minutes, cents);

INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id);

INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, weekday, opens, closes
FROM bench.numbers, booking.barbers b, generate_series(1, 7) AS weekday,
	LATERAL (
		SELECT time '9:00', time '13:00' WHERE b.shop_id <= shops
		UNION ALL
		SELECT time '14:00', time '18:00' WHERE b.shop_id <= shops
		UNION ALL
		SELECT time '0:00', time '24:00' WHERE b.shop_id > shops
	) AS h (opens, closes)
ORDER BY b.id, weekday, opens;

INSERT INTO booking.users (id, email, name)
SELECT id, 'customer' || id || '@example.com', 'Customer ' || id
FROM generate_series(1, 10000) AS id;

-- ---------------------------------------------------------------------------
-- Appointments
--
-- Each of the eight working hours of a barber's day is filled in one of the
-- ways below, so that nothing overlaps: an hour of two cuts, a beard, both, one
-- cut, or nothing.  That is 10.2 appointments a day, as a full shop has them.
-- Triggers and foreign keys are off while this runs; the check at the end of a
-- bench run covers these rows too.
--
-- In bulk: setup() puts back the indexes that are dropped before, which is faster
-- than to keep them, but leaves them denser than those of the peers' tables; where
-- wal_level is minimal, a table that was emptied in the same transaction is filled
-- without WAL.
-- ---------------------------------------------------------------------------

SET session_replication_role = replica;

\if :{?bulk}
BEGIN;
TRUNCATE booking.appointments CASCADE;
SELECT format('DROP INDEX booking.%I', indexname)
FROM pg_indexes
WHERE schemaname = 'booking' AND tablename = 'appointments' AND indexname LIKE 'idx%'
\gexec
\endif

INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until,
	status, hold_expires_at, price_cents, created_at, updated_at, cancelled_at)
SELECT barber, 3 * ((barber + 9) / 10 - 1) + piece.service, 1 + (dice >> 20) % 10000,
	starts_at, ends_at, starts_at, ends_at,
	status, CASE status WHEN 'pending' THEN now() + (fate % 2 * 400 - 200) * interval '1 day' END, 2500,
	starts_at - interval '9 days', starts_at - interval '9 days',
	CASE status WHEN 'cancelled' THEN starts_at - interval '1 day' END
FROM bench.numbers,
	generate_series(future_days - days + 1, future_days) AS day,
	generate_series(1, barbers) AS barber,
	generate_series(0, 7) AS hour,
	LATERAL (SELECT hashint8extended(barber * 1000000::bigint + day * 10 + hour, 7) & ((1::bigint << 60) - 1)) AS h (dice),
	LATERAL (VALUES
		(1, 0, 30, 0, 430), (1, 30, 30, 0, 430),
		(2, 0, 45, 430, 600),
		(3, 0, 60, 600, 790),
		(1, 0, 30, 790, 850)
	) AS piece (service, minute, minutes, from_chance, to_chance),
	LATERAL (SELECT
		((dice >> 10) + minute) % 100,
		(today + day + interval '9 hours' + (hour + hour / 4) * interval '1 hour' + minute * interval '1 minute')
			AT TIME ZONE 'America/New_York') AS f (fate, starts_at),
	LATERAL (SELECT starts_at + minutes * interval '1 minute',
		CASE
			WHEN fate < 4 THEN 'cancelled'
			WHEN starts_at < now() THEN CASE WHEN fate < 6 THEN 'no_show' ELSE :'past' END
			WHEN fate < 6 THEN 'pending'
			ELSE 'confirmed'
		END) AS s (ends_at, status)
WHERE dice % 1000 >= from_chance AND dice % 1000 < to_chance;

\if :{?bulk}
COMMIT;
SET maintenance_work_mem = '512MB';
SELECT count(*) FROM booking.setup() \g /dev/null
\endif

RESET session_replication_role;

-- The questions of the read scenarios: which barber, and from which day
CREATE TABLE bench.questions AS
SELECT n,
	barber AS barber_id,
	3 * ((barber + 9) / 10 - 1)::bigint + 1 AS service_id,
	today + 1 + ((dice >> 32) % (future_days - 1))::int AS day,
	today + 1 AS from_day,
	today + future_days AS to_day
FROM bench.numbers, generate_series(1, 20000) AS n,
	LATERAL (SELECT hashint8extended(n, 11) & ((1::bigint << 60) - 1)) AS h (dice),
	LATERAL (SELECT 1 + dice % barbers) AS b (barber);

VACUUM ANALYZE;
