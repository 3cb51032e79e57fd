--
-- What the waitlist costs: how many wishes a customer may have, and what many of
-- them, of one customer or of many, cost whoever frees time, and expire_holds().
--
-- If this breaks, one customer keeps a shop from cancelling.  Work is counted, in
-- buffers and in customers tried, not timed.  The statistics are of a waitlist
-- with one entry, and the plans are made then.
--
-- Open every day 09:00 to 17:00, an hour apart, for a cut of an hour and, every
-- five minutes, a shave of twenty.  It is Sunday 2026-03-01, noon; Ann is booked
-- for Monday and the rest of the week.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
SET statement_timeout = '120s';
BEGIN;
-- Ids of its own: the sequences are where they were afterwards.
ALTER TABLE booking.appointments ALTER id RESTART WITH 900000000;
ALTER TABLE booking.waitlist ALTER id RESTART WITH 900000000;

INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (21701, 'Queue', 60), (21702, 'Elsewhere', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (21701, 21701, 'Ann'), (21702, 21702, 'Eve');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT b, n, '09:00', '17:00' FROM unnest(ARRAY[21701, 21702]) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, slot_interval_minutes) VALUES
	(21701, 21701, 'Cut', 60, 60), (21702, 21701, 'Shave', 20, 5), (21703, 21702, 'Cut elsewhere', 60, 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (21701, 21701), (21701, 21702), (21702, 21703);
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(21701, 21709) n;
-- 217000 + 10 * day of March + hour - 9 is Ann's, of user 21709.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
SELECT 217000 + 10 * d + h, 21701, 21701, 21709, t, t + interval '1 hour'
FROM generate_series(2, 9) d, generate_series(0, 7) h, LATERAL (SELECT timestamptz '2026-03-01 09:00Z' + (d - 1) * interval '1 day' + h * interval '1 hour' AS t) t;

CREATE FUNCTION pg_temp.wish(customer bigint, service bigint DEFAULT 21701, from_time text DEFAULT '2026-03-02 09:00', to_time text DEFAULT '2026-03-02 17:00')
RETURNS bigint LANGUAGE sql AS $$
SELECT booking.join_waitlist(customer, service, (from_time || 'Z')::timestamptz, (to_time || 'Z')::timestamptz)
$$;
-- How many buffers a statement touches, in all that it calls.
CREATE FUNCTION pg_temp.buffers(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || statement INTO plan;
	RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END
$$;
-- How many customers a statement tries to serve in vain: those at or above the id that is set.
CREATE SEQUENCE pg_temp.tries;
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.user_id >= current_setting('test.refused_from')::bigint THEN
		PERFORM nextval('pg_temp.tries');
		RAISE EXCEPTION 'not this one' USING ERRCODE = 'P0099';
	END IF;
	RETURN NEW;
END
$$;
CREATE FUNCTION pg_temp.tries(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM setval('pg_temp.tries', 1, false);
	EXECUTE statement;
	RETURN nextval('pg_temp.tries') - 1;
END
$$;
-- Calls expire_holds() until a customer is served; says whether that was so at all.
CREATE FUNCTION pg_temp.is_served_sometime(customer bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..100 LOOP
		PERFORM booking.expire_holds();
		IF EXISTS (SELECT FROM booking.waitlist WHERE user_id = customer AND status = 'served') THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;
-- Has the plans made, generic ones too, with one in line, as the statistics say from then on.
CREATE PROCEDURE pg_temp.make_plans() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM booking.join_waitlist(21701, 21702, '2026-03-09 09:00Z', '2026-03-09 10:00Z');
	ANALYZE booking.waitlist;
	FOR i IN 90..97 LOOP
		PERFORM booking.cancel_appointment(217000 + i);
		PERFORM booking.expire_holds();
	END LOOP;
	DELETE FROM booking.waitlist;
	DELETE FROM booking.appointments WHERE user_id <> 21709;
END
$$;
SAVEPOINT sunday;

-- ---------------------------------------------------------------------------
-- How many wishes
-- ---------------------------------------------------------------------------

-- Ten, if the shop says nothing.
SELECT max_waiting_per_user FROM booking.shops WHERE id = 21701;
SELECT count(DISTINCT pg_temp.wish(21701, to_time => '2026-03-02 12:0' || n)) FROM generate_series(0, 9) n;
SELECT test.error('SELECT pg_temp.wish(21701)');
-- Any service of the shop; not another shop's, nor another customer's.
SELECT test.brief('SELECT pg_temp.wish(21701, 21702)') AS shave, test.brief('SELECT pg_temp.wish(21701, 21703)') AS elsewhere, test.brief('SELECT pg_temp.wish(21702)') AS another;
-- The same wish again is no other.
SELECT pg_temp.wish(21701, to_time => '2026-03-02 12:03') = (SELECT id FROM booking.waitlist WHERE user_id = 21701 AND latest = '2026-03-02 12:03Z') AS same;
-- Who gives one up, or is served, may have another.
SELECT booking.leave_waitlist(min(id)) FROM booking.waitlist WHERE user_id = 21701;
SELECT test.brief('SELECT pg_temp.wish(21701)') AS once;
SELECT pg_temp.wish(21701) > 0 AS joined;
SELECT test.brief('SELECT pg_temp.wish(21701, 21702)') AS twice;
SELECT status FROM booking.cancel_appointment(217020);
SELECT pg_temp.wish(21701, 21702) > 0 AS joined;
SELECT test.brief('SELECT pg_temp.wish(21701, 21702, to_time => ''2026-03-02 16:00'')') AS again;
-- What is past waits no longer, be it marked or not.
SET LOCAL booking.now = '2026-03-02 12:05Z';
SELECT pg_temp.wish(21701, 21702, to_time => '2026-03-02 16:00') > 0 AS joined;
ROLLBACK TO sunday;
-- As many as the shop says; NULL is any number; raw writers are not bound.
UPDATE booking.shops SET max_waiting_per_user = 1 WHERE id = 21701;
SELECT pg_temp.wish(21701) > 0 AS joined, test.brief('SELECT pg_temp.wish(21701, 21702)') AS second;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest) VALUES (21701, 21702, '2026-03-02 09:00Z', '2026-03-02 10:00Z');
UPDATE booking.shops SET max_waiting_per_user = NULL WHERE id = 21701;
SELECT count(DISTINCT pg_temp.wish(21701, to_time => '2026-03-02 12:' || n)) FROM generate_series(10, 59) n;
ROLLBACK TO sunday;
SELECT v.n, test.brief('UPDATE booking.shops SET max_waiting_per_user = ' || v.n || ' WHERE id = 21701') FROM (VALUES ('0'), ('-1'), ('2147483647')) v (n);
ROLLBACK TO sunday;
-- A customer's own call is bound as anybody's.
SET LOCAL booking.user_id = 21701;
SELECT count(DISTINCT pg_temp.wish(21701, to_time => '2026-03-02 12:0' || n)) FROM generate_series(0, 9) n;
SELECT test.brief('SELECT pg_temp.wish(21701)');
ROLLBACK TO sunday;

-- Wishes count in whole minutes, rounded inwards: what differs by less is the same.
SELECT count(DISTINCT booking.join_waitlist(21701, 21701, '2026-03-02 09:00Z'::timestamptz + n * interval '1 microsecond', '2026-03-02 17:00Z'::timestamptz + n * interval '1 second'))
FROM generate_series(1, 59) n;
SELECT count(DISTINCT booking.join_waitlist(21702, 21701, '2026-03-02 09:00Z'::timestamptz - n * interval '1 second', '2026-03-02 17:00Z'::timestamptz))
FROM generate_series(0, 59) n;
SELECT user_id, earliest, latest FROM booking.waitlist ORDER BY id;
-- Also before 2000, where the clock counts backwards.
SELECT booking.join_waitlist(21703, 21701, '1999-12-31 23:58:59.999999Z', '2026-03-02 17:00:59.999999Z') = booking.join_waitlist(21703, 21701, '1999-12-31 23:58:00.000001Z', '2026-03-02 17:00Z') AS same;
SELECT earliest, latest FROM booking.waitlist WHERE user_id = 21703;
-- What has no room for the service when it is rounded is refused.
SELECT test.error('SELECT booking.join_waitlist(21704, 21701, ''2026-03-02 09:00:01Z'', ''2026-03-02 10:00:59Z'')');
SELECT booking.join_waitlist(21704, 21701, '2026-03-02 08:59:01Z', '2026-03-02 10:00:59Z') > 0 AS joined;
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- Forty thousand wishes of one customer
-- ---------------------------------------------------------------------------

CALL pg_temp.make_plans();
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT 21701, 21702, timestamptz '2026-03-02 09:00Z' + n * interval '1 microsecond', '2026-03-20 17:00Z' FROM generate_series(1, 40000) n;
SELECT pg_temp.wish(21702, 21702, to_time => '2026-03-20 17:00') > 0 AS joined;
SAVEPOINT long_line;
-- The first cancellation serves the customer, the next ones pass over all of the other wishes; none reads the line to its end.
SELECT pg_temp.buffers('SELECT booking.cancel_appointment(217021)') < 4000 AS first, pg_temp.buffers('SELECT booking.cancel_appointment(217031)') < 4000 AS second,
	pg_temp.buffers('SELECT booking.cancel_appointment(217041)') < 4000 AS third;
SELECT user_id, count(*) FROM booking.waitlist WHERE status = 'served' GROUP BY 1;
-- expire_holds() finds, in some call, the one behind them all.
SELECT pg_temp.buffers('SELECT booking.expire_holds()') < 40000 AS sweep;
SELECT pg_temp.is_served_sometime(21702) AS the_last;
ROLLBACK TO long_line;
-- Who could not be served is tried once, whatever many wishes: by a trigger's error ...
CREATE TRIGGER zz_refuse BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SET LOCAL test.refused_from = 21701;
SET LOCAL client_min_messages = error;
SELECT pg_temp.tries('SELECT booking.cancel_appointment(217021)') AS cancellation;
SELECT pg_temp.tries('SELECT booking.expire_holds()') <= 2 AS sweep;
-- ... and not at all where that is clear: inactive, blocked, with an open offer.
ROLLBACK TO long_line;
CREATE TRIGGER zz_refuse BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SET LOCAL client_min_messages = error;
SET LOCAL test.refused_from = 21708;
SELECT status FROM booking.cancel_appointment(217021);
SET LOCAL test.refused_from = 21701;
SELECT pg_temp.tries('SELECT booking.cancel_appointment(217031)') AS open_offer;
DELETE FROM booking.appointments WHERE user_id = 21701;
UPDATE booking.users SET is_active = false WHERE id = 21701;
SELECT pg_temp.tries('SELECT booking.cancel_appointment(217041)') AS inactive;
UPDATE booking.users SET is_active = true WHERE id = 21701;
INSERT INTO booking.blocked_customers (shop_id, user_id) VALUES (21701, 21701);
SELECT pg_temp.tries('SELECT booking.cancel_appointment(217051)') AS blocked;
ROLLBACK TO long_line;
-- Sixty holds that ran out, of which each is time for a shave.
UPDATE booking.appointments SET status = 'cancelled' WHERE barber_id = 21701 AND status = 'confirmed' AND id < 217090;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at)
SELECT 21701, 21701, 21701, starts_at, ends_at, 'pending', '2026-03-01 12:01Z' FROM booking.appointments WHERE id < 217090 ORDER BY id LIMIT 60;
SET LOCAL booking.now = '2026-03-01 12:02Z';
SELECT pg_temp.buffers('SELECT booking.expire_holds()') < 60000 AS sweep;
SELECT status, count(*) FROM booking.appointments WHERE user_id = 21701 GROUP BY 1 ORDER BY 1;
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- One wish each of forty thousand customers
-- ---------------------------------------------------------------------------

CALL pg_temp.make_plans();
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(2170001, 2210000) n;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT n, 21701, '2026-03-02 09:00Z', '2026-03-20 17:00Z' FROM generate_series(2170001, 2210000) n;
SAVEPOINT long_line;
SELECT pg_temp.buffers('SELECT booking.cancel_appointment(217021)') < 2000 AS first, pg_temp.buffers('SELECT booking.cancel_appointment(217031)') < 2000 AS second;
SELECT user_id - 2170000 AS customer, appointment_id IS NOT NULL AS has_offer FROM booking.waitlist WHERE status = 'served' ORDER BY 1;
ROLLBACK TO long_line;
-- Of those who cannot take it fifty are tried; expire_holds() tries more, and as many again in the rest of the line.
CREATE TRIGGER zz_refuse BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SET LOCAL test.refused_from = 2170001;
SET LOCAL client_min_messages = error;
SELECT pg_temp.tries('SELECT booking.cancel_appointment(217021)') AS cancellation, pg_temp.tries('SELECT booking.expire_holds()') <= 400 AS sweep;
-- Where they are inactive, none is tried, and a bounded part of the line is read.
UPDATE booking.users SET is_active = false WHERE id >= 2170001;
SELECT pg_temp.tries('SELECT booking.cancel_appointment(217031)') AS cancellation;
SELECT pg_temp.buffers('SELECT booking.cancel_appointment(217041)') < 40000 AS cancellation;
-- The one who can, behind them all, is served in some call.
SELECT pg_temp.wish(21702, to_time => '2026-03-20 17:00') > 0 AS joined;
SELECT pg_temp.is_served_sometime(21702) AS the_last;
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- expire_holds() in batches
-- ---------------------------------------------------------------------------

-- The oldest thousand holds a call, all parts of one or none.
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (21704, 21702, 'Colour', 5);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (21704, 1, 1, 0), (21704, 2, 1, 0);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at, part_of)
SELECT 2170000 + 2 * n + p, 21702, 21704, t, t + interval '1 minute', 'pending', timestamptz '2026-03-01 11:59Z' - n * interval '1 second', CASE p WHEN 1 THEN 2170000 + 2 * n END
FROM generate_series(0, 1249) n, generate_series(0, 1) p, LATERAL (SELECT timestamptz '2026-03-03 00:00Z' + (2 * n + p) * interval '1 minute' AS t) t;
SELECT booking.expire_holds();
SELECT status, count(*), count(*) FILTER (WHERE part_of IS NULL) AS heads, min(id) - 2170000 AS first, max(id) - 2170000 AS last FROM booking.appointments WHERE barber_id = 21702 GROUP BY 1 ORDER BY 1;
SELECT booking.expire_holds(), booking.expire_holds() AS again, booking.expire_holds() AS and_again;
SELECT status, count(*) FROM booking.appointments WHERE barber_id = 21702 GROUP BY 1 ORDER BY 1;
ROLLBACK TO sunday;
-- A thousand past wishes a call.
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT 21701, 21701, timestamptz '2026-02-01 09:00Z' + n * interval '1 minute', '2026-02-28 12:00Z' FROM generate_series(1, 2500) n;
SELECT pg_temp.wish(21702) > 0 AS joined;
SELECT booking.expire_holds();
SELECT status, count(*) FROM booking.waitlist GROUP BY 1 ORDER BY 1;
SELECT booking.expire_holds(), booking.expire_holds() AS again;
SELECT status, count(*) FROM booking.waitlist GROUP BY 1 ORDER BY 1;
ROLLBACK TO sunday;
-- More services are waited for than a call looks at: each call serves some, and together they serve all.
INSERT INTO booking.barbers (id, shop_id, name) SELECT 217100 + n, 21702, 'B' || n FROM generate_series(1, 30) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 217100 + b, n, '09:00', '17:00' FROM generate_series(1, 30) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) SELECT 2170000 + n, 21702, 'S' || n, 60 FROM generate_series(1, 1500) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 217101 + n % 30, 2170000 + n FROM generate_series(1, 1500) n;
INSERT INTO booking.users (id, email) SELECT 2170000 + n, 'u' || n || '@many.example.org' FROM generate_series(1, 1500) n;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT 2170000 + n, 2170000 + n, '2026-03-02 09:00Z', '2026-03-30 17:00Z' FROM generate_series(1, 1500) n;
SELECT booking.expire_holds();
SELECT count(*) BETWEEN 200 AND 1400 AS some FROM booking.waitlist WHERE status = 'served';
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM booking.waitlist WHERE status = 'waiting');
		PERFORM booking.expire_holds();
	END LOOP;
END
$$;
SELECT status, count(*) FROM booking.waitlist GROUP BY 1 ORDER BY 1;
ROLLBACK TO sunday;
-- Barbers whose lines cannot be served do not use up all of a call, again and again.
INSERT INTO booking.barbers (id, shop_id, name) SELECT 217100 + n, 21702, 'B' || n FROM generate_series(1, 7) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 217100 + b, n, '09:00', '17:00' FROM generate_series(1, 7) b, generate_series(1, 7) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 217100 + n, 21703 FROM generate_series(1, 7) n;
INSERT INTO booking.users (id, email) SELECT 2170000 + n, 'u' || n || '@many.example.org' FROM generate_series(1, 3500) n;
INSERT INTO booking.waitlist (user_id, service_id, barber_id, earliest, latest)
SELECT 2170000 + n, 21703, 217101 + n % 6, '2026-03-02 09:00Z', '2026-03-02 17:00Z' FROM generate_series(1, 3000) n;
INSERT INTO booking.waitlist (user_id, service_id, barber_id, earliest, latest) VALUES (21702, 21703, 217107, '2026-03-02 09:00Z', '2026-03-02 17:00Z');
CREATE TRIGGER zz_refuse BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SET LOCAL test.refused_from = 2170001;
SET LOCAL client_min_messages = error;
SELECT pg_temp.tries('SELECT booking.expire_holds()') BETWEEN 1000 AND 2400 AS sweep;
SELECT pg_temp.is_served_sometime(21702) AS the_last;
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- Customers who cannot take what they wish
-- ---------------------------------------------------------------------------

-- How often a customer is refused is not to be seen; what it costs is.  Thirty barbers, four weeks.
INSERT INTO booking.barbers (id, shop_id, name) SELECT 217100 + n, 21702, 'B' || n FROM generate_series(1, 30) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 217100 + b, n, '09:00', '17:00' FROM generate_series(1, 30) b, generate_series(1, 7) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 217100 + n, 21703 FROM generate_series(1, 30) n;
INSERT INTO booking.users (id, email) SELECT 2170000 + n, 'u' || n || '@many.example.org' FROM generate_series(1, 30) n;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
SELECT 217100 + n, 21703, 2170000 + n, '2026-03-02 09:00Z', '2026-03-02 10:00Z' FROM generate_series(1, 30) n;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT 2170000 + n, 21703, '2026-03-02 09:00Z', '2026-03-29 17:00Z' FROM generate_series(1, 30) n;
SAVEPOINT many_barbers;
-- Each has all that the shop allows: he is tried once, not with each barber and on each date.
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 21702;
SELECT pg_temp.buffers('SELECT booking.expire_holds()') < 25000 AS active;
SELECT pg_temp.wish(21701, 21703) > 0 AS joined;
SELECT booking.expire_holds();
SELECT user_id, status FROM booking.waitlist WHERE user_id = 21701 OR status = 'served';
ROLLBACK TO many_barbers;
UPDATE booking.shops SET max_pending_per_user = 1 WHERE id = 21702;
DELETE FROM booking.appointments WHERE barber_id > 217100;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, status, is_request)
SELECT 217100 + n, 21703, 2170000 + n, '2026-03-02 09:00Z', '2026-03-02 10:00Z', 'pending', true FROM generate_series(1, 30) n;
SELECT pg_temp.buffers('SELECT booking.expire_holds()') < 25000 AS pending;
SELECT status, count(*) FROM booking.waitlist GROUP BY 1;
ROLLBACK TO many_barbers;
-- The day's limit says nothing of other days, nor of other customers.
UPDATE booking.barbers SET max_per_day = 1 WHERE id > 217100;
SELECT booking.expire_holds();
SELECT status, count(*) FROM booking.waitlist GROUP BY 1;
ROLLBACK TO sunday;
-- Whoever is elsewhere is tried behind his appointments: one of a whole day costs one try, and the next day is his.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 21701;
DELETE FROM booking.appointments WHERE barber_id = 21701;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
SELECT 21702, 21703, 21701, t, t + interval '10 hours' FROM generate_series(2, 4) d, LATERAL (SELECT timestamptz '2026-03-01 08:00Z' + (d - 1) * interval '1 day' AS t) t;
SELECT pg_temp.wish(21701, 21702, to_time => '2026-03-29 17:00') > 0 AS joined;
SELECT booking.expire_holds();
SELECT a.starts_at FROM booking.waitlist w JOIN booking.appointments a ON a.id = w.appointment_id;
ROLLBACK TO sunday;
-- Behind many of them he is served in some call; a customer of a wish with no end costs no more than any.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 21701;
DELETE FROM booking.appointments WHERE barber_id = 21701;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
SELECT 21702, 21703, 21701, t, t + interval '10 minutes' FROM generate_series(2, 29) d, generate_series(0, 47) n, LATERAL (SELECT timestamptz '2026-03-01 09:00Z' + (d - 1) * interval '1 day' + n * interval '10 minutes' AS t) t;
SELECT pg_temp.wish(21701, 21702, to_time => '2026-03-29 17:00') > 0 AS joined;
SELECT pg_temp.buffers('SELECT booking.expire_holds()') < 60000 AS sweep;
DELETE FROM booking.appointments WHERE user_id = 21701 AND starts_at >= '2026-03-20' AND starts_at < '2026-03-25';
SELECT pg_temp.is_served_sometime(21701) AS sometime;
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- Ids far apart
-- ---------------------------------------------------------------------------

-- One service, and one wish, with a huge id do not put those in between out of reach.
INSERT INTO booking.services (id, shop_id, name, duration_minutes) SELECT 2170000 + n, 21702, 'S' || n, 60 FROM generate_series(1, 1499) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (9000000000000000000, 21702, 'Far', 60);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 21702, id FROM booking.services WHERE id = 2171499;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT 21701, id, '2026-03-02 09:00Z', '2026-03-30 17:00Z' FROM booking.services WHERE id BETWEEN 2170001 AND 2171498 OR id > 2171499;
SELECT pg_temp.wish(21702, 2171499) > 0 AS joined;
SELECT pg_temp.is_served_sometime(21702) AS the_last_but_one;
ROLLBACK TO sunday;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(2170001, 2171000) n;
CREATE TRIGGER zz_refuse BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SET LOCAL test.refused_from = 2170001;
SET LOCAL client_min_messages = error;
INSERT INTO booking.waitlist (id, user_id, service_id, earliest, latest)
SELECT n, n, 21703, '2026-03-02 09:00Z', '2026-03-29 17:00Z' FROM generate_series(2170001, 2171000) n WHERE n <> 2170500;
INSERT INTO booking.waitlist (id, user_id, service_id, earliest, latest) VALUES
	(2170500, 21702, 21703, '2026-03-02 09:00Z', '2026-03-29 17:00Z'), (9000000000000000000, 2170500, 21703, '2026-03-02 09:00Z', '2026-03-29 17:00Z');
SELECT pg_temp.is_served_sometime(21702) AS in_the_middle;
ROLLBACK;
