-- waitlist.sql: what a long line costs a cancellation and expire_holds().
--
--     psql -d DATABASE -v mode=first -v n=5000 -f bench/waitlist.sql
--
-- in a database of its own, with CREATE EXTENSION booking and setup(): the tables
-- are emptied.  mode, of the n who wait for one service of five full barbers:
-- none (nobody waits), first (the first in line takes what is freed), last (only
-- the last of them can), times (they want other hours of the same dates), days
-- (other dates).  Prints the median of 40 cancellations, each rolled back, and the
-- time of an expire_holds() that finds nothing free.

\set QUIET on
SET client_min_messages = warning;
TRUNCATE booking.shops, booking.users CASCADE;
INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (1, 'Shop', 15, 365);
INSERT INTO booking.barbers (id, shop_id, name) SELECT b, 1, 'B' || b FROM generate_series(1, 5) b;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (1, 1, 'Cut', 30), (2, 1, 'Perm', 60);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT b, s FROM generate_series(1, 5) b, generate_series(1, 2) s;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(1, :n + 1) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, d, '09:00', '17:00' FROM generate_series(1, 5) b, generate_series(1, 7) d;
-- Full for forty days from tomorrow.
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
SELECT b, 1, :n + 1, t, t + interval '30 min'
FROM generate_series(1, 5) b, generate_series(1, 40) d, generate_series(0, 15) k,
	LATERAL (SELECT (current_date + d + time '09:00' + k * interval '30 min') AT TIME ZONE 'UTC' AS t) t;
-- What is freed is at eleven tomorrow.
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT n, 1, (current_date + w.day + w.from_time) AT TIME ZONE 'UTC', (current_date + w.day + w.from_time + w.length) AT TIME ZONE 'UTC'
FROM generate_series(1, :n) n, LATERAL (SELECT
	CASE :'mode' WHEN 'days' THEN 20 + n % 10 WHEN 'first' THEN 1 + n % 10 ELSE 1 END AS day,
	CASE WHEN :'mode' = 'times' OR (:'mode' = 'last' AND n < :n) THEN time '14:00' WHEN :'mode' = 'last' THEN time '11:00' ELSE time '09:00' END AS from_time,
	CASE WHEN :'mode' IN ('times', 'last') THEN interval '1 hour' ELSE interval '8 hours' END AS length) w
WHERE :'mode' <> 'none';
ANALYZE booking.waitlist, booking.appointments;

SET client_min_messages = notice;
DO $$
DECLARE
	freed bigint;
	began timestamptz;
	times float8[];
BEGIN
	FOR i IN 0..39 LOOP
		SELECT id INTO STRICT freed FROM booking.appointments
		WHERE barber_id = 1 + i % 5 AND starts_at = (current_date + 1 + time '11:00') AT TIME ZONE 'UTC';
		began := clock_timestamp();
		BEGIN
			PERFORM booking.cancel_appointment(freed, cancelled_by => 'shop');
			times := times || extract(epoch FROM clock_timestamp() - began)::float8 * 1000;
			RAISE 'taken back' USING ERRCODE = 'BN000';
		EXCEPTION WHEN SQLSTATE 'BN000' THEN
		END;
	END LOOP;
	RAISE NOTICE 'cancellation, median of %: % ms', cardinality(times),
		round((SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t)::numeric, 2);
	began := clock_timestamp();
	PERFORM booking.expire_holds();
	RAISE NOTICE 'expire_holds: % ms', round(extract(epoch FROM clock_timestamp() - began)::numeric * 1000, 2);
END
$$;
