-- full_house.sql: barbers whose next two weeks are full, beside data.sql's.
--
-- Five shops of ten barbers who have no free minute today and in the next 14
-- days, and nothing to do after that.  Then some are away, some work other hours
-- for a day, and one of the shops is closed.  full_barbers numbers them from 0.

SET client_min_messages = warning;
SET session_replication_role = replica;

CREATE TABLE bench.full_barbers AS
SELECT k, shop, 1000001 + k AS barber, 3 * (shop - 1)::bigint + 1 AS service
FROM bench.numbers, generate_series(0, 49) AS k, LATERAL (SELECT shops + 1001 + k / 10) AS s (shop);

INSERT INTO booking.shops (id, name, time_zone)
SELECT DISTINCT shop, 'Full house ' || shop, 'America/New_York' FROM bench.full_barbers;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents)
SELECT DISTINCT service, shop, 'Cut', 30, 2500 FROM bench.full_barbers;
INSERT INTO booking.barbers (id, shop_id, name)
SELECT barber, shop, 'Favourite ' || k FROM bench.full_barbers;
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT barber, service FROM bench.full_barbers;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT barber, weekday, opens, closes
FROM bench.full_barbers, generate_series(1, 7) AS weekday,
	(VALUES (time '9:00', time '13:00'), ('14:00', '18:00')) AS h (opens, closes)
ORDER BY barber, weekday, opens;

INSERT INTO booking.schedule_overrides (shop_id, on_date, note)
SELECT shops + 1005, today + 15, 'Stocktaking' FROM bench.numbers;
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes)
SELECT barber, today + 15, '10:30', '12:00' FROM bench.numbers, bench.full_barbers WHERE k % 10 = 5;
INSERT INTO booking.time_off (barber_id, starts_at, ends_at, reason)
SELECT barber, (today + 14 + time '17:00') AT TIME ZONE 'America/New_York',
	(today + 15 + time '15:30') AT TIME ZONE 'America/New_York', 'Dentist'
FROM bench.numbers, bench.full_barbers WHERE k % 10 = 7;

-- An hour of two cuts, then a long one, and so on
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until,
	status, created_at, updated_at)
SELECT barber, service, 1 + (k * 97 + day * 31 + hour) % 10000, starts_at, ends_at, starts_at, ends_at,
	CASE WHEN starts_at < now() THEN 'checked_in' ELSE 'confirmed' END, now(), now()
FROM bench.numbers, bench.full_barbers,
	generate_series(0, 14) AS day,
	generate_series(0, 7) AS hour,
	LATERAL (VALUES (0, 30, 0), (30, 30, 0), (0, 60, 1)) AS piece (minute, minutes, parity),
	LATERAL (SELECT (today + day + interval '9 hours' + (hour + hour / 4) * interval '1 hour' + minute * interval '1 minute')
		AT TIME ZONE 'America/New_York') AS f (starts_at),
	LATERAL (SELECT starts_at + minutes * interval '1 minute') AS u (ends_at)
WHERE (day + hour) % 2 = parity;

RESET session_replication_role;

-- Of whom a time is sought who are full, but for those with a day unlike others
CREATE TABLE bench.full_questions AS
SELECT n, barber AS barber_id, service AS service_id
FROM generate_series(1, 20000) AS n JOIN bench.full_barbers ON k = n % 4 * 10 + n / 4 % 5;

-- The boards that are looked at: one in ten is of those who are away or work
-- other hours, as a shop has them
CREATE TABLE bench.board_questions AS
SELECT n, CASE WHEN n % 10 = 0 THEN barber ELSE barber_id END AS barber_id,
	CASE WHEN n % 10 = 0 THEN today + 14 + n / 10 % 2 ELSE day END AS day
FROM bench.numbers, bench.questions LEFT JOIN bench.full_barbers ON k = (n / 10) * 7 % 50;

VACUUM ANALYZE;
