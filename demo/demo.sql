-- demo.sql: five shops in five time zones, with a few thousand appointments,
-- and an empty sixth for the tour of an appointment's life.
--
-- Run it once, in a database where booking.setup() has made the tables and
-- nothing is in them.  Plain INSERTs, so that the guard sees every row; dates
-- are relative to today, everything else is arithmetic: two runs on one day
-- give the same rows.
--
-- Known by their ids, in examples: barber 7 does service 3 in shop 1; user 42.

BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL search_path = booking, pg_catalog;

-- ---------------------------------------------------------------------------
-- Shops: one of every kind of grid, one that is open past midnight, one always
-- ---------------------------------------------------------------------------

INSERT INTO shops (id, name, time_zone, currency, slot_interval_minutes, slot_anchor,
	min_notice_minutes, max_advance_days, cancellation_window_minutes) VALUES
	(1, 'Harbor Street Barbers', 'America/New_York', 'USD', 15, 'opening', 60, 90, 120),
	(2, 'Kiezschnitt', 'Europe/Berlin', 'EUR', 30, 'clock', 120, 60, 1440),
	(3, 'Island Clippers', 'Australia/Lord_Howe', 'AUD', 10, 'packed', 0, 90, 0),
	(4, 'Navalha da Noite', 'America/Sao_Paulo', 'BRL', 20, 'opening', 30, 45, 60),
	(5, 'Terminal 2 Grooming', 'Asia/Kolkata', 'INR', 15, 'clock', 0, 30, 0);

INSERT INTO barbers (id, shop_id, name, priority, max_per_day, is_active) VALUES
	(1, 1, 'Marcus Bell', 10, NULL, true),
	(2, 1, 'Dolores Ortega', 5, NULL, true),
	(3, 1, 'Sam Whitaker', 0, 8, true),
	(4, 2, 'Aylin Kaya', 10, NULL, true),
	(5, 2, 'Jonas Weber', 0, NULL, true),
	(6, 2, 'Petra Lindner', 0, NULL, false),
	(7, 1, 'Ruth Abrams', 5, NULL, true),
	(8, 3, 'Tom Nichols', 0, NULL, true),
	(9, 3, 'Isla Thompson', 0, NULL, true),
	(10, 4, 'Rafael Souza', 10, NULL, true),
	(11, 4, 'Bruna Carvalho', 0, NULL, true),
	(12, 5, 'Arjun Rao', 0, NULL, true),
	(13, 5, 'Meera Nair', 0, NULL, true);

INSERT INTO services (id, shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes,
	slot_interval_minutes, min_notice_minutes, requires_confirmation, price_cents, is_active) VALUES
	(1, 1, 'Haircut', 30, 0, 5, NULL, NULL, false, 3500, true),
	(2, 1, 'Beard trim', 15, 0, 0, NULL, 0, false, 1800, true),
	(3, 1, 'Haircut and beard', 45, 0, 10, NULL, NULL, false, 4900, true),
	(4, 1, 'Colour', 60, 5, 15, 30, 1440, true, 9500, true),
	(5, 2, 'Haarschnitt', 30, 0, 0, NULL, NULL, false, 3200, true),
	(6, 2, 'Bartpflege', 20, 0, 10, 15, NULL, false, 1900, true),
	(7, 2, 'Dauerwelle', 60, 0, 15, NULL, NULL, true, 8900, false),
	(8, 3, 'Cut', 25, 0, 5, NULL, NULL, false, 4000, true),
	(9, 3, 'Cut and wash', 40, 5, 5, NULL, NULL, false, 5500, true),
	(10, 4, 'Corte', 40, 0, 0, NULL, NULL, false, 6000, true),
	(11, 4, 'Barba', 20, 0, 0, NULL, NULL, false, 4000, true),
	(12, 4, 'Corte e barba', 60, 0, 0, NULL, NULL, false, 9000, true),
	(13, 5, 'Quick cut', 20, 0, 5, NULL, NULL, false, 2200, true),
	(14, 5, 'Shave', 30, 0, 0, NULL, NULL, false, 2800, true);

-- Who does what; some are quicker, some dearer than the list says.
INSERT INTO barber_services (barber_id, service_id, duration_minutes, price_cents) VALUES
	(1, 1, 25, 4500), (1, 2, NULL, 2200), (1, 3, 40, 6200),
	(2, 1, NULL, NULL), (2, 3, NULL, NULL), (2, 4, NULL, NULL),
	(3, 1, 45, 2500), (3, 2, 20, 1500),
	(7, 1, NULL, NULL), (7, 2, NULL, NULL), (7, 3, NULL, 5200), (7, 4, 75, 9900),
	(4, 5, NULL, 3800), (4, 6, NULL, NULL), (4, 7, NULL, NULL),
	(5, 5, NULL, NULL), (5, 6, 25, NULL),
	(6, 5, NULL, NULL), (6, 7, NULL, NULL),
	(8, 8, NULL, NULL), (8, 9, NULL, NULL),
	(9, 8, 30, 3600), (9, 9, NULL, NULL),
	(10, 10, 35, 7000), (10, 11, NULL, NULL), (10, 12, NULL, NULL),
	(11, 10, NULL, NULL), (11, 11, NULL, NULL),
	(12, 13, NULL, NULL), (12, 14, NULL, NULL),
	(13, 13, 15, NULL), (13, 14, NULL, 3000);

INSERT INTO users (id, email, name, phone)
SELECT n, format('%s.%s%s@example.com', lower(first), lower(last), n), first || ' ' || last,
	'+1 555 ' || lpad((n * 7919 % 10000)::text, 4, '0')
FROM generate_series(1, 300) AS n
CROSS JOIN LATERAL (VALUES (
	(ARRAY['Alex', 'Blake', 'Casey', 'Drew', 'Eli', 'Frances', 'Gus', 'Harper', 'Ida', 'Jules', 'Kim', 'Lee'])[n % 12 + 1],
	(ARRAY['Adams', 'Brandt', 'Costa', 'Dietz', 'Evans', 'Fujita', 'Gomez', 'Hughes', 'Ito', 'Jansen', 'Kowalski'])[n % 11 + 1]
)) AS names (first, last);

-- ---------------------------------------------------------------------------
-- Hours
-- ---------------------------------------------------------------------------

-- With a lunch break: two rows for each weekday.
INSERT INTO working_hours (barber_id, weekday, opens, closes)
SELECT barber, weekday, opens, closes
FROM (VALUES
	(1, 2, 6, time '09:00', time '13:00'), (1, 2, 6, '14:00', '18:00'),
	(2, 1, 5, '10:00', '14:00'), (2, 1, 5, '15:00', '19:00'),
	(3, 3, 7, '12:00', '20:00'),
	(7, 1, 6, '09:00', '12:30'), (7, 1, 6, '13:15', '17:30'),
	(4, 1, 5, '08:30', '12:30'), (4, 1, 5, '13:30', '18:00'), (4, 6, 6, '09:00', '14:00'),
	(5, 2, 6, '11:00', '15:00'), (5, 2, 6, '15:30', '20:00'),
	(6, 1, 5, '09:00', '17:00')
) AS hours (barber, first_day, last_day, opens, closes)
CROSS JOIN generate_series(first_day, last_day) AS weekday;

-- Late nights: closing is on the next day, Thursday to Saturday later still.
INSERT INTO working_hours (barber_id, weekday, opens, closes)
SELECT barber, weekday, '18:00', CASE WHEN weekday >= 4 THEN time '03:00' ELSE time '01:00' END
FROM generate_series(10, 11) AS barber
CROSS JOIN generate_series(2, 6) AS weekday;

-- Day and night: one barber around the clock, one in the night shift.
INSERT INTO working_hours (barber_id, weekday, opens, closes)
SELECT 12, weekday, time '00:00', time '24:00' FROM generate_series(1, 7) AS weekday
UNION ALL
SELECT 13, weekday, time '22:00', time '06:00' FROM generate_series(1, 7) AS weekday;

-- Seasons: the island's shop works longer from October to March.
INSERT INTO working_hours (barber_id, weekday, opens, closes, valid_from, valid_until)
SELECT barber, weekday, opens, closes, valid_from, valid_until
FROM generate_series(extract(year FROM current_date)::int - 1, extract(year FROM current_date)::int + 1) AS y
CROSS JOIN LATERAL (VALUES
	(time '08:00', time '12:00', make_date(y, 10, 1), make_date(y + 1, 3, 31)),
	(time '13:00', time '19:00', make_date(y, 10, 1), make_date(y + 1, 3, 31)),
	(time '09:00', time '12:00', make_date(y, 4, 1), make_date(y, 9, 30)),
	(time '13:00', time '16:00', make_date(y, 4, 1), make_date(y, 9, 30))
) AS season (opens, closes, valid_from, valid_until)
CROSS JOIN generate_series(8, 9) AS barber
CROSS JOIN generate_series(1, 5) AS weekday;

-- Holidays: the shop's overrides without hours.
INSERT INTO schedule_overrides (shop_id, on_date, note)
SELECT shop, make_date(y, month, day), note
FROM generate_series(extract(year FROM current_date)::int, extract(year FROM current_date)::int + 1) AS y
CROSS JOIN (VALUES
	(1, 1, 1, 'New Year''s Day'), (1, 7, 4, 'Independence Day'), (1, 12, 25, 'Christmas'),
	(2, 1, 1, 'Neujahr'), (2, 5, 1, 'Tag der Arbeit'), (2, 10, 3, 'Tag der Deutschen Einheit'),
	(2, 12, 25, '1. Weihnachtstag'), (2, 12, 26, '2. Weihnachtstag'),
	(3, 1, 1, 'New Year''s Day'), (3, 1, 26, 'Australia Day'), (3, 12, 25, 'Christmas'),
	(4, 1, 1, 'Ano Novo'), (4, 9, 7, 'Independencia'), (4, 12, 25, 'Natal')
) AS holidays (shop, month, day, note);

-- Days that differ: shorter hours for a whole shop, an extra Sunday, a day off,
-- a night that begins early.  The day counts from the Monday two weeks ahead.
INSERT INTO schedule_overrides (shop_id, barber_id, on_date, opens, closes, note)
SELECT shop, barber, date_trunc('week', current_date)::date + 14 + day, opens, closes, note
FROM (VALUES
	(1, NULL::bigint, 3, time '09:00', time '15:00', 'Staff training in the afternoon'),
	(NULL, 7, 6, '10:00', '14:00', 'Sunday before the street fair'),
	(NULL, 4, 2, NULL, NULL, 'Day off'),
	(NULL, 10, 4, '14:00', '19:00', 'Film crew'),
	(NULL, 10, 4, '20:00', '02:00', 'Film crew')
) AS days (shop, barber, day, opens, closes, note);

INSERT INTO time_off (shop_id, barber_id, starts_at, ends_at, reason)
SELECT shop, barber, (date_trunc('week', current_date::timestamp) + starts) AT TIME ZONE zone,
	(date_trunc('week', current_date::timestamp) + ends) AT TIME ZONE zone, reason
FROM (VALUES
	(NULL::bigint, 3, interval '9 days', interval '23 days', 'America/New_York', 'Holiday'),
	(NULL, 7, '9 days 09:00', '9 days 10:30', 'America/New_York', 'Dentist'),
	(NULL, 5, '15 days', '17 days', 'Europe/Berlin', 'Fortbildung'),
	(3, NULL, '10 days 13:00', '10 days 15:00', 'Australia/Lord_Howe', 'Plumber'),
	(NULL, 11, '11 days 18:00', '11 days 20:30', 'America/Sao_Paulo', 'Dentista'),
	(5, NULL, '16 days 02:00', '16 days 05:00', 'Asia/Kolkata', 'Terminal closed')
) AS absences (shop, barber, starts, ends, zone, reason);

-- ---------------------------------------------------------------------------
-- Appointments: from six weeks ago to four weeks ahead
--
-- Every piece of regular hours is cut into cells of 90 minutes, and at most one
-- appointment with its buffers is put into each, so that none overlap.  Days
-- with an override, and cells that meet time off, stay empty.  "dice" is a
-- number between 0 and 999 for each cell that looks random.
-- ---------------------------------------------------------------------------

WITH pieces AS (
	SELECT b.id AS barber_id, s.slot_interval_minutes AS step, d.day::date AS day,
		(d.day::date + h.opens) AT TIME ZONE s.time_zone AS opens_at,
		(d.day::date + CASE WHEN h.closes < h.opens THEN 1 ELSE 0 END + h.closes)
			AT TIME ZONE s.time_zone AS closes_at,
		h.id AS hours_id, s.id AS shop_id
	FROM barbers b
	JOIN shops s ON s.id = b.shop_id
	CROSS JOIN generate_series(current_date - 42, current_date + 28, interval '1 day') AS d (day)
	JOIN working_hours h ON h.barber_id = b.id
		AND h.weekday = extract(isodow FROM d.day)
		AND d.day::date BETWEEN h.valid_from AND h.valid_until
	WHERE b.is_active
	AND NOT EXISTS (
		SELECT FROM schedule_overrides o
		WHERE o.on_date = d.day::date AND (o.barber_id = b.id OR o.shop_id = s.id))
), cells AS (
	SELECT p.*, cell.starts_at,
		(('x' || substr(md5(concat_ws('/', p.barber_id, p.day - current_date, p.hours_id, cell.number)), 1, 8)
			)::bit(32)::bigint % 1000)::int AS dice
	FROM pieces p
	CROSS JOIN LATERAL generate_series(p.opens_at, p.closes_at - interval '90 minutes', interval '90 minutes')
		WITH ORDINALITY AS cell (starts_at, number)
	WHERE NOT EXISTS (
		SELECT FROM time_off t
		WHERE (t.barber_id = p.barber_id OR t.shop_id = p.shop_id)
		AND t.starts_at < cell.starts_at + interval '90 minutes' AND t.ends_at > cell.starts_at)
), offers AS (
	SELECT bs.barber_id, s.id AS service_id,
		coalesce(bs.duration_minutes, s.duration_minutes) AS minutes,
		s.buffer_before_minutes AS before, s.buffer_after_minutes AS after,
		coalesce(bs.price_cents, s.price_cents) AS price_cents,
		row_number() OVER (PARTITION BY bs.barber_id ORDER BY s.id) - 1 AS choice,
		count(*) OVER (PARTITION BY bs.barber_id) AS choices
	FROM barber_services bs
	JOIN services s ON s.id = bs.service_id
	WHERE s.is_active
	AND coalesce(bs.duration_minutes, s.duration_minutes) + s.buffer_before_minutes + s.buffer_after_minutes <= 90
), booked AS (
	-- The first step that leaves room for the buffer, or one of the next.
	SELECT c.*, o.service_id, o.minutes, o.before, o.after, o.price_cents,
		c.starts_at + make_interval(mins => c.step * (first.step
			+ c.dice % greatest(1, (90 - o.minutes - o.after) / c.step - first.step + 1))) AS appointment_at
	FROM cells c
	JOIN offers o ON o.barber_id = c.barber_id AND o.choice = c.dice % o.choices
	CROSS JOIN LATERAL (SELECT ceil(o.before::numeric / c.step)::int AS step) AS first
	-- Fuller behind us than ahead of us.
	WHERE c.dice < CASE WHEN c.day < current_date THEN 750 ELSE 550 END
	AND c.step * first.step + o.minutes + o.after <= 90
)
INSERT INTO appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until,
	status, hold_expires_at, price_cents, cancelled_at, cancel_reason, created_at, updated_at)
SELECT barber_id, service_id,
	CASE WHEN dice % 10 <> 0 THEN dice * 31 % 300 + 1 END,
	appointment_at, ends_at, appointment_at - make_interval(mins => before), ends_at + make_interval(mins => after),
	status,
	CASE WHEN status = 'pending' THEN now() + interval '10 minutes' END,
	price_cents,
	CASE WHEN status = 'cancelled' THEN least(now(), made_at + interval '1 day') END,
	CASE WHEN status = 'cancelled' THEN 'Something came up' END,
	made_at, made_at
FROM booked
CROSS JOIN LATERAL (
	SELECT appointment_at + make_interval(mins => minutes) AS ends_at,
		least(now() - make_interval(hours => dice % 120),
			appointment_at - make_interval(days => 2 + dice % 7)) AS made_at
) AS times
CROSS JOIN LATERAL (
	SELECT CASE
		WHEN dice % 13 = 0 THEN 'cancelled'
		WHEN ends_at < now() AND dice % 23 = 0 THEN 'no_show'
		WHEN ends_at < now() THEN 'completed'
		WHEN appointment_at <= now() THEN 'checked_in'
		WHEN dice % 41 = 0 THEN 'pending'
		ELSE 'confirmed'
	END AS status
) AS state
ORDER BY barber_id, appointment_at;

-- ---------------------------------------------------------------------------
-- The sixth: steps, groups, holds, a waitlist, limits
-- ---------------------------------------------------------------------------

INSERT INTO shops (id, name, time_zone, currency, max_active_per_user, prevent_user_overlap, assignment) VALUES
	(6, 'Riverside Studio', 'America/New_York', 'USD', 6, true, 'least_booked');

INSERT INTO barbers (id, shop_id, name) VALUES
	(14, 6, 'Nadia Flores'),
	(15, 6, 'Owen Clarke');

INSERT INTO services (id, shop_id, name, duration_minutes, requires_confirmation, capacity, price_cents) VALUES
	(15, 6, 'Cut', 30, false, 1, 3000),
	(16, 6, 'Highlights', 90, false, 1, 12000),
	(17, 6, 'Shaving class', 60, false, 3, 2500),
	(18, 6, 'Wedding styling', 120, true, 1, 25000);

-- Thirty minutes of colour, forty of waiting, twenty of rinsing
INSERT INTO service_steps (service_id, position, work_minutes, gap_minutes) VALUES
	(16, 1, 30, 40),
	(16, 2, 20, 0);

INSERT INTO barber_services (barber_id, service_id)
SELECT barber, service FROM generate_series(14, 15) AS barber, generate_series(15, 18) AS service;

INSERT INTO working_hours (barber_id, weekday, opens, closes)
SELECT barber, weekday, '09:00', '18:00'
FROM generate_series(14, 15) AS barber, generate_series(1, 6) AS weekday;

-- ---------------------------------------------------------------------------
-- New rows get ids after the ones given above
-- ---------------------------------------------------------------------------

SELECT setval(pg_get_serial_sequence('booking.shops', 'id'), (SELECT max(id) FROM shops));
SELECT setval(pg_get_serial_sequence('booking.barbers', 'id'), (SELECT max(id) FROM barbers));
SELECT setval(pg_get_serial_sequence('booking.services', 'id'), (SELECT max(id) FROM services));
SELECT setval(pg_get_serial_sequence('booking.users', 'id'), (SELECT max(id) FROM users));

COMMIT;
