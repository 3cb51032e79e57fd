--
-- What the tables themselves refuse: every CHECK, NOT NULL, UNIQUE and foreign
-- key, and the trigger that knows time zones.  A raw writer has no other
-- adviser, and the C code relies on these (a service of no length would make a
-- grid without end).
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SET booking.now = '2026-03-01 00:00Z';
BEGIN;

INSERT INTO booking.shops (id, name) VALUES (2001, 'Constraints');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (2001, 2001, 'Bo');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (2001, 2001, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (2001, 2001);
INSERT INTO booking.users (id, email) VALUES (2001, 'Ann@example.org');

-- The defaults are the design's.
SELECT time_zone, currency, slot_interval_minutes AS step, slot_anchor AS anchor, min_notice_minutes AS notice,
	max_advance_days AS days, hold_minutes AS hold, cancellation_window_minutes AS cancel, max_active_per_user AS per_user, max_pending_per_user AS pending,
	assignment, is_active
FROM booking.shops WHERE id = 2001;
SELECT priority, max_per_day, is_active FROM booking.barbers WHERE id = 2001;
SELECT buffer_before_minutes AS before, buffer_after_minutes AS after, slot_interval_minutes AS step, min_notice_minutes AS notice,
	requires_confirmation AS confirm, capacity, price_cents, is_active
FROM booking.services WHERE id = 2001;
SELECT duration_minutes, price_cents FROM booking.barber_services WHERE barber_id = 2001;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (2001, 1, '09:00', '17:00')
RETURNING valid_from, valid_until;

-- ---------------------------------------------------------------------------
-- Shops
-- ---------------------------------------------------------------------------

-- Each line must be refused by the constraint it is about; "OK000 no error" is a rule that is gone.
SELECT v.columns, test.brief(format('INSERT INTO booking.shops %s', v.columns))
FROM (VALUES
	('(name) VALUES (NULL)'),
	('(name) VALUES ('''')'),
	('(name, time_zone) VALUES (''x'', NULL)'),
	('(name, currency) VALUES (''x'', NULL)'),
	('(name, currency) VALUES (''x'', ''usd'')'),
	('(name, currency) VALUES (''x'', ''US'')'),
	('(name, slot_interval_minutes) VALUES (''x'', 0)'),
	('(name, slot_interval_minutes) VALUES (''x'', 1441)'),
	('(name, slot_interval_minutes) VALUES (''x'', NULL)'),
	('(name, slot_anchor) VALUES (''x'', ''midnight'')'),
	('(name, slot_anchor) VALUES (''x'', NULL)'),
	('(name, min_notice_minutes) VALUES (''x'', -1)'),
	('(name, min_notice_minutes) VALUES (''x'', NULL)'),
	('(name, max_advance_days) VALUES (''x'', -1)'),
	('(name, max_advance_days) VALUES (''x'', 3661)'),
	('(name, max_advance_days) VALUES (''x'', NULL)'),
	('(name, hold_minutes) VALUES (''x'', 0)'),
	('(name, hold_minutes) VALUES (''x'', NULL)'),
	('(name, cancellation_window_minutes) VALUES (''x'', -1)'),
	('(name, cancellation_window_minutes) VALUES (''x'', NULL)'),
	('(name, waitlist_hold_minutes) VALUES (''x'', 0)'),
	('(name, waitlist_hold_minutes) VALUES (''x'', 10081)'),
	('(name, waitlist_hold_minutes) VALUES (''x'', NULL)'),
	('(name, max_active_per_user) VALUES (''x'', 0)'),
	('(name, max_pending_per_user) VALUES (''x'', 0)'),
	('(name, prevent_user_overlap) VALUES (''x'', NULL)'),
	('(name, assignment) VALUES (''x'', ''random'')'),
	('(name, assignment) VALUES (''x'', NULL)'),
	('(name, is_active) VALUES (''x'', NULL)'),
	('(id, name) VALUES (2001, ''x'')')
) v (columns);

-- The ends of the ranges are allowed.
INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days, hold_minutes, max_active_per_user, min_notice_minutes)
VALUES (2002, 'least', 1, 0, 1, 1, 0), (2003, 'most', 1440, 3660, 10080, 1000, 525600);

-- ---------------------------------------------------------------------------
-- Time zones
-- ---------------------------------------------------------------------------

-- A name the server does not know, an abbreviation, and POSIX rules that the server would accept with a meaning nobody intends
-- ("X5" is five hours west): a shop in such a zone would open at the wrong time.
SELECT v.zone, test.brief(format('INSERT INTO booking.shops (name, time_zone) VALUES (''x'', %L)', v.zone))
FROM (VALUES ('Mars/Olympus'), ('PST'), ('X5'), ('X-5'), ('EST5'), ('UTC+3'), ('UTC-3'), ('<+03>-3'), ('+03'), ('-3'), ('03:00'),
	('CET-1CEST,M3.5.0,M10.5.0/3'), (''), (' Europe/Berlin'), ('Europe/Berlin '), ('Europe/Berlin; DROP TABLE booking.shops'),
	('../../etc/passwd'), ('/etc/localtime')) v (zone);
SELECT test.error('INSERT INTO booking.shops (name, time_zone) VALUES (''x'', ''Mars/Olympus'')');

-- An update is checked like an insert.
SELECT test.brief('UPDATE booking.shops SET time_zone = ''Mars/Olympus'' WHERE id = 2001');

-- Every name that looks like Area/City is accepted, and so are names with digits that are names.
CREATE FUNCTION pg_temp.refused_zones() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	zone text;
BEGIN
	FOR zone IN SELECT name FROM pg_timezone_names WHERE name ~ '^[A-Z][A-Za-z]+/' ORDER BY name LOOP
		BEGIN
			UPDATE booking.shops SET time_zone = zone WHERE id = 2001;
		EXCEPTION WHEN OTHERS THEN
			RETURN NEXT zone;
		END;
	END LOOP;
END
$$;
SELECT count(*) > 400 AS many FROM pg_timezone_names WHERE name ~ '^[A-Z][A-Za-z]+/';
SELECT refused_zones AS refused_zone FROM pg_temp.refused_zones();
UPDATE booking.shops SET time_zone = 'Etc/GMT-14' WHERE id = 2001;
UPDATE booking.shops SET time_zone = 'America/Argentina/Buenos_Aires' WHERE id = 2001;
UPDATE booking.shops SET time_zone = 'America/Port-au-Prince' WHERE id = 2001;
UPDATE booking.shops SET time_zone = 'UTC' WHERE id = 2001;

-- ---------------------------------------------------------------------------
-- Barbers, services, who offers what, users
-- ---------------------------------------------------------------------------

SELECT v.columns, test.brief(format('INSERT INTO booking.barbers %s', v.columns))
FROM (VALUES
	('(shop_id, name) VALUES (NULL, ''x'')'),
	('(shop_id, name) VALUES (2999, ''x'')'),
	('(shop_id, name) VALUES (2001, NULL)'),
	('(shop_id, name) VALUES (2001, '''')'),
	('(shop_id, name, priority) VALUES (2001, ''x'', NULL)'),
	('(shop_id, name, max_per_day) VALUES (2001, ''x'', 0)'),
	('(shop_id, name, is_active) VALUES (2001, ''x'', NULL)'),
	('(id, shop_id, name) VALUES (2001, 2001, ''x'')')
) v (columns);

SELECT v.columns, test.brief(format('INSERT INTO booking.services %s', v.columns))
FROM (VALUES
	('(shop_id, name, duration_minutes) VALUES (NULL, ''x'', 30)'),
	('(shop_id, name, duration_minutes) VALUES (2999, ''x'', 30)'),
	('(shop_id, name, duration_minutes) VALUES (2001, NULL, 30)'),
	('(shop_id, name, duration_minutes) VALUES (2001, '''', 30)'),
	('(shop_id, name) VALUES (2001, ''x'')'),
	('(shop_id, name, duration_minutes) VALUES (2001, ''x'', 0)'),
	('(shop_id, name, duration_minutes) VALUES (2001, ''x'', 1441)'),
	('(shop_id, name, duration_minutes, buffer_before_minutes) VALUES (2001, ''x'', 30, -1)'),
	('(shop_id, name, duration_minutes, buffer_before_minutes) VALUES (2001, ''x'', 30, 721)'),
	('(shop_id, name, duration_minutes, buffer_before_minutes) VALUES (2001, ''x'', 30, NULL)'),
	('(shop_id, name, duration_minutes, buffer_after_minutes) VALUES (2001, ''x'', 30, -1)'),
	('(shop_id, name, duration_minutes, buffer_after_minutes) VALUES (2001, ''x'', 30, 721)'),
	('(shop_id, name, duration_minutes, buffer_after_minutes) VALUES (2001, ''x'', 30, NULL)'),
	('(shop_id, name, duration_minutes, slot_interval_minutes) VALUES (2001, ''x'', 30, 0)'),
	('(shop_id, name, duration_minutes, slot_interval_minutes) VALUES (2001, ''x'', 30, 1441)'),
	('(shop_id, name, duration_minutes, min_notice_minutes) VALUES (2001, ''x'', 30, -1)'),
	('(shop_id, name, duration_minutes, requires_confirmation) VALUES (2001, ''x'', 30, NULL)'),
	('(shop_id, name, duration_minutes, capacity) VALUES (2001, ''x'', 30, 0)'),
	('(shop_id, name, duration_minutes, capacity) VALUES (2001, ''x'', 30, NULL)'),
	('(shop_id, name, duration_minutes, price_cents) VALUES (2001, ''x'', 30, -1)'),
	('(shop_id, name, duration_minutes, price_cents) VALUES (2001, ''x'', 30, NULL)'),
	('(shop_id, name, duration_minutes, is_active) VALUES (2001, ''x'', 30, NULL)'),
	('(id, shop_id, name, duration_minutes) VALUES (2001, 2001, ''x'', 30)')
) v (columns);

SELECT v.columns, test.brief(format('INSERT INTO booking.barber_services %s', v.columns))
FROM (VALUES
	('VALUES (2001, 2001)'),
	('VALUES (2999, 2001)'),
	('VALUES (2001, 2999)'),
	('VALUES (NULL, 2001)'),
	('VALUES (2001, NULL)')
) v (columns);
SELECT v.columns, test.brief(format('UPDATE booking.barber_services SET %s WHERE barber_id = 2001', v.columns))
FROM (VALUES ('duration_minutes = 0'), ('duration_minutes = 1441'), ('price_cents = -1')) v (columns);

-- Steps: up to 20, in any order and with holes; never of a service that several customers share.
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity) VALUES (2002, 2001, 'Class', 60, 8);
INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (2001, 20, 1440), (2001, 1, 1)
RETURNING position, gap_minutes;
SELECT v.columns, test.brief(format('INSERT INTO booking.service_steps VALUES %s', v.columns))
FROM (VALUES
	('(2001, 1, 30, 0)'),
	('(2999, 1, 30, 0)'),
	('(NULL, 2, 30, 0)'),
	('(2001, 0, 30, 0)'),
	('(2001, 21, 30, 0)'),
	('(2001, 2, 0, 0)'),
	('(2001, 2, 1441, 0)'),
	('(2001, 2, NULL, 0)'),
	('(2001, 2, 30, -1)'),
	('(2001, 2, 30, 1441)'),
	('(2001, 2, 30, NULL)'),
	('(2002, 1, 30, 0)')
) v (columns);
SELECT test.error('UPDATE booking.services SET capacity = 2 WHERE id = 2001');
SELECT test.error('UPDATE booking.service_steps SET service_id = 2002 WHERE position = 20');
DELETE FROM booking.service_steps WHERE service_id = 2001;
UPDATE booking.services SET capacity = 2 WHERE id = 2001;
UPDATE booking.services SET capacity = 1 WHERE id = 2001;

-- The same address in other letters is the same customer, unless the old account is inactive.
SELECT v.columns, test.brief(format('INSERT INTO booking.users %s', v.columns))
FROM (VALUES
	('(email) VALUES (NULL)'),
	('(email) VALUES ('''')'),
	('(email) VALUES (''ann'')'),
	('(email) VALUES (''@example.org'')'),
	('(email) VALUES (''ann@'')'),
	('(email) VALUES (''a@b@c'')'),
	('(email) VALUES (''ann lee@example.org'')'),
	('(email) VALUES (E''ann@example.org\n'')'),
	('(email) VALUES (repeat(''a'', 243) || ''@example.org'')'),
	('(email, is_active) VALUES (''x@example.org'', NULL)'),
	('(email) VALUES (''aNN@EXAMPLE.org'')')
) v (columns);
INSERT INTO booking.users (email) VALUES (repeat('a', 242) || '@example.org');
INSERT INTO booking.users (email, is_active) VALUES ('ANN@example.org', false), ('ann@example.org', false);

-- ---------------------------------------------------------------------------
-- Hours, overrides, time off
-- ---------------------------------------------------------------------------

-- closes = opens could mean nothing or a whole day: refused.
SELECT v.columns, test.brief(format('INSERT INTO booking.working_hours %s', v.columns))
FROM (VALUES
	('(barber_id, weekday, opens, closes) VALUES (NULL, 1, ''09:00'', ''17:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2999, 1, ''09:00'', ''17:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2001, NULL, ''09:00'', ''17:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2001, 0, ''09:00'', ''17:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2001, 8, ''09:00'', ''17:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2001, 1, NULL, ''17:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2001, 1, ''09:00'', NULL)'),
	('(barber_id, weekday, opens, closes) VALUES (2001, 1, ''09:00'', ''09:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2001, 1, ''00:00'', ''00:00'')'),
	('(barber_id, weekday, opens, closes) VALUES (2001, 1, ''24:00'', ''06:00'')'),
	('(barber_id, weekday, opens, closes, valid_from) VALUES (2001, 1, ''09:00'', ''17:00'', NULL)'),
	('(barber_id, weekday, opens, closes, valid_until) VALUES (2001, 1, ''09:00'', ''17:00'', NULL)'),
	('(barber_id, weekday, opens, closes, valid_from, valid_until) VALUES (2001, 1, ''09:00'', ''17:00'', ''2026-03-02'', ''2026-03-01'')')
) v (columns);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes, valid_from, valid_until)
VALUES (2001, 1, '00:00', '24:00', '2026-03-02', '2026-03-02'), (2001, 7, '22:00', '06:00', '-infinity', 'infinity');

SELECT v.columns, test.brief(format('INSERT INTO booking.schedule_overrides %s', v.columns))
FROM (VALUES
	('(on_date) VALUES (''2026-03-02'')'),
	('(barber_id, shop_id, on_date) VALUES (2001, 2001, ''2026-03-02'')'),
	('(barber_id, on_date) VALUES (2999, ''2026-03-02'')'),
	('(shop_id, on_date) VALUES (2999, ''2026-03-02'')'),
	('(shop_id, on_date) VALUES (2001, NULL)'),
	('(shop_id, on_date) VALUES (2001, ''infinity'')'),
	('(shop_id, on_date, opens) VALUES (2001, ''2026-03-02'', ''09:00'')'),
	('(shop_id, on_date, closes) VALUES (2001, ''2026-03-02'', ''09:00'')'),
	('(shop_id, on_date, opens, closes) VALUES (2001, ''2026-03-02'', ''09:00'', ''09:00'')'),
	('(shop_id, on_date, opens, closes) VALUES (2001, ''2026-03-02'', ''24:00'', ''06:00'')')
) v (columns);

SELECT v.columns, test.brief(format('INSERT INTO booking.time_off %s', v.columns))
FROM (VALUES
	('(starts_at, ends_at) VALUES (''2026-03-02 09:00Z'', ''2026-03-02 10:00Z'')'),
	('(barber_id, shop_id, starts_at, ends_at) VALUES (2001, 2001, ''2026-03-02 09:00Z'', ''2026-03-02 10:00Z'')'),
	('(barber_id, starts_at, ends_at) VALUES (2999, ''2026-03-02 09:00Z'', ''2026-03-02 10:00Z'')'),
	('(shop_id, starts_at, ends_at) VALUES (2999, ''2026-03-02 09:00Z'', ''2026-03-02 10:00Z'')'),
	('(barber_id, starts_at, ends_at) VALUES (2001, NULL, ''2026-03-02 10:00Z'')'),
	('(barber_id, starts_at, ends_at) VALUES (2001, ''2026-03-02 09:00Z'', NULL)'),
	('(barber_id, starts_at, ends_at) VALUES (2001, ''2026-03-02 09:00Z'', ''2026-03-02 09:00Z'')'),
	('(barber_id, starts_at, ends_at) VALUES (2001, ''2026-03-02 09:00Z'', ''2026-03-02 08:00Z'')')
) v (columns);

-- ---------------------------------------------------------------------------
-- Appointments
-- ---------------------------------------------------------------------------

-- One good row, then each value that is refused put into one like it.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
VALUES (2001, 2001, 2001, 2001, '2026-03-02 09:00Z', '2026-03-02 10:00Z', 'used');
SELECT v.columns, test.brief(format('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at%s) VALUES (%s)',
	v.columns, v.row))
FROM (VALUES
	('', 'NULL, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'''),
	('', '2999, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'''),
	('', '2001, NULL, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'''),
	('', '2001, 2999, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'''),
	('', '2001, 2001, NULL, ''2026-03-03 10:00Z'''),
	('', '2001, 2001, ''2026-03-03 09:00Z'', NULL'),
	('', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 09:00Z'''),
	('', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 08:00Z'''),
	(', user_id', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', 2999'),
	(', status', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''maybe'''),
	(', status', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', NULL'),
	(', busy_from', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''2026-03-03 09:01Z'''),
	(', busy_until', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''2026-03-03 09:59Z'''),
	(', busy_until', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''2026-03-05 09:01Z'''),
	(', cancelled_at', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''2026-03-01 09:00Z'''),
	(', price_cents', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', -1'),
	(', price_cents', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', NULL'),
	(', version', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', NULL'),
	(', created_at', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', NULL'),
	(', updated_at', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', NULL'),
	(', idempotency_key', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', '''''),
	(', idempotency_key', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', repeat(''k'', 201)'),
	(', user_id, idempotency_key', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', 2001, ''used'''),
	(', id', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', 2001'),
	(', cancelled_by', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''shop'''),
	(', status, cancelled_by', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''cancelled'', ''nobody'''),
	(', part_of', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', 2999'),
	(', id, part_of', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', 2099, 2099'),
	(', is_assigned', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', NULL')
) v (columns, row);

-- Infinite times are refused too; which rule sees them first differs between server versions.
SELECT v.starts, v.ends, test.brief(format('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (2001, 2001, %L, %L)', v.starts, v.ends)) NOT LIKE 'OK000%' AS refused
FROM (VALUES ('-infinity', '2026-03-03 10:00Z'), ('2026-03-03 10:00Z', 'infinity'), ('-infinity', 'infinity'),
	('infinity', 'infinity')) v (starts, ends);

-- A busy range of exactly two days is allowed: the index scans look back no further than that.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
VALUES (2001, 2001, '2026-03-10 09:00Z', '2026-03-11 09:00Z', '2026-03-09 21:00Z', '2026-03-11 21:00Z')
RETURNING busy_until - busy_from AS busy;

-- A wish that can be fulfilled, once for each customer while it is not.
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest) VALUES (2001, 2001, '2026-03-03 09:00Z', '2026-03-03 10:00Z')
RETURNING status, barber_id, appointment_id, served_at;
SELECT v.columns, test.brief(format('INSERT INTO booking.waitlist (user_id, service_id, earliest, latest%s) VALUES (%s)',
	v.columns, v.row))
FROM (VALUES
	('', 'NULL, 2001, ''2026-03-03 09:00Z'', ''2026-03-04 09:00Z'''),
	('', '2999, 2001, ''2026-03-03 09:00Z'', ''2026-03-04 09:00Z'''),
	('', '2001, 2999, ''2026-03-03 09:00Z'', ''2026-03-04 09:00Z'''),
	(', barber_id', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-04 09:00Z'', 2999'),
	('', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 09:00Z'''),
	('', '2001, 2001, ''-infinity'', ''2026-03-03 09:00Z'''),
	('', '2001, 2001, ''2026-03-03 09:00Z'', ''infinity'''),
	(', status', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-04 09:00Z'', ''maybe'''),
	(', status', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-04 09:00Z'', NULL'),
	(', appointment_id', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-04 09:00Z'', 2999'),
	('', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'''),
	(', barber_id', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', 2001'),
	(', status', '2001, 2001, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', ''left''')
) v (columns, row);

-- A row that others refer to stays; parts go with the first, steps with their service.
SELECT test.brief('DELETE FROM booking.barbers WHERE id = 2001');
SELECT test.brief('DELETE FROM booking.users WHERE id = 2001');
SELECT test.brief('DELETE FROM booking.shops WHERE id = 2001');
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, part_of)
VALUES (2010, 2001, 2001, '2026-03-17 09:00Z', '2026-03-17 10:00Z', NULL), (2011, 2001, 2001, '2026-03-17 11:00Z', '2026-03-17 12:00Z', 2010);
UPDATE booking.waitlist SET status = 'served', appointment_id = 2010;
DELETE FROM booking.appointments WHERE id = 2010;
SELECT id FROM booking.appointments WHERE id IN (2010, 2011);
SELECT status, appointment_id FROM booking.waitlist WHERE user_id = 2001;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (2003, 2001, 'Colour', 60);
INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (2003, 1, 30);
DELETE FROM booking.services WHERE id = 2003;
SELECT count(*) FROM booking.service_steps WHERE service_id = 2003;

ROLLBACK;
