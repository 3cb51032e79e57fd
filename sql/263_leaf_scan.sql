--
-- booking.leaf_scan: pages of the availability index read directly, or by the
-- server's index scan.
--
-- Whoever doubts the one uses the other.  If this fails, they do not give the
-- same answers, or a customer can turn a doubter's choice.
-- (t/012_leaf_pages.pl compares them while pages come and go.)
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

-- Superusers only, and whom they let.
SELECT count(*) AS loads_the_library FROM booking.stats_info();
SELECT boot_val, vartype, context FROM pg_settings WHERE name = 'booking.leaf_scan';
CREATE ROLE regress_booking_reader;
SET ROLE regress_booking_reader;
SET booking.leaf_scan = off;
RESET ROLE;
DROP ROLE regress_booking_reader;

-- Two months of five barbers, a bit more than half full, with holds, lapsed holds
-- and cancelled ones; a sixth is busy for two days on end.
INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (26301, 'Leaf', 15, 90);
INSERT INTO booking.barbers (id, shop_id, name) SELECT 26300 + n, 26301, 'Barber ' || n FROM generate_series(1, 6) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT 26300 + n, d, '08:00', '20:00' FROM generate_series(1, 6) n, generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity)
VALUES (26301, 26301, 'Cut', 15, 1), (26302, 26301, 'Class', 30, 3);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT 26300 + n, 26300 + s FROM generate_series(1, 6) n, generate_series(1, 2) s;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 26301 + n % 5, 26301, t, t + interval '15 minutes',
	CASE WHEN n % 11 = 0 THEN 'cancelled' WHEN n % 7 = 0 THEN 'pending' ELSE 'confirmed' END,
	CASE WHEN n % 11 > 0 AND n % 7 = 0 THEN timestamptz '2026-03-01 11:00Z' + interval '1 hour' * (n % 3) END
FROM generate_series(0, 59 * 48 - 1) slot,
	LATERAL (SELECT timestamptz '2026-03-02 08:00Z' + interval '1 day' * (slot / 48) + interval '15 minutes' * (slot % 48)) x (t),
	LATERAL (SELECT slot * 5 + b FROM generate_series(0, 4) b WHERE (slot * 31 + b * 17) % 100 < 57) y (n);
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status)
VALUES (26306, 26301, '2026-03-10 08:00Z', '2026-03-12 08:00Z', 'confirmed');
SELECT count(booking.book_slot(26306, 26302, NULL, '2026-03-16 09:00Z')) AS booked FROM generate_series(1, 2);
SELECT pg_relation_size('booking.idx_appointments_availability_check') > 20 * 8192 AS has_pages;

-- What each question is answered: days, weeks, the whole, and refusals.
CREATE FUNCTION pg_temp.answers(leaf_scan text) RETURNS TABLE (question text, answer text) LANGUAGE plpgsql AS $$
DECLARE
	barber bigint;
	day date;
	days int;
BEGIN
	PERFORM set_config('booking.leaf_scan', leaf_scan, false);
	FOR barber IN SELECT generate_series(26301, 26306) LOOP
		FOR day, days IN
			SELECT '2026-03-01'::date + n, 0 FROM generate_series(0, 61) n
			UNION ALL SELECT '2026-03-01'::date + n, 6 FROM generate_series(0, 61, 5) n
			UNION ALL VALUES ('2026-02-20'::date, 80)
		LOOP
			question := format('free time of %s, %s + %s', barber, day, days);
			answer := (SELECT string_agg(f::text, ' ' ORDER BY f.starts_at) FROM booking.free_time(barber, day, day + days) f);
			RETURN NEXT;
			question := format('slots of %s, %s + %s', barber, day, days);
			answer := (SELECT string_agg(s::text, ' ' ORDER BY s.starts_at) FROM booking.available_slots(26301 + days % 2, day, day + days, barber) s);
			RETURN NEXT;
		END LOOP;
		FOR day IN SELECT '2026-03-02'::date + n FROM generate_series(0, 58, 4) n LOOP
			question := format('booking of %s, %s', barber, day);
			BEGIN
				answer := (SELECT string_agg(coalesce(r.reason, 'yes'), ' ' ORDER BY t)
					FROM generate_series(day + time '08:00', day + time '19:00', '60 minutes') t,
					LATERAL booking.try_book_slot(barber, 26301, NULL, t AT TIME ZONE 'UTC') r);
				RAISE SQLSTATE 'RB000';
			EXCEPTION WHEN SQLSTATE 'RB000' THEN
				RETURN NEXT;
			END;
			question := format('raw booking of %s, %s', barber, day);
			BEGIN
				INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
				VALUES (barber, 26301, day + interval '9 hours', day + interval '9 hours 15 minutes');
				answer := 'stored';
				RAISE SQLSTATE 'RB000';
			EXCEPTION
				WHEN exclusion_violation THEN
					answer := SQLERRM;
					RETURN NEXT;
				WHEN SQLSTATE 'RB000' THEN
					RETURN NEXT;
			END;
		END LOOP;
	END LOOP;
END
$$;
CREATE TEMP TABLE answers AS SELECT w.setting, a.* FROM (VALUES ('on'), ('off')) w (setting), LATERAL pg_temp.answers(w.setting) a;
SELECT a.question, a.answer AS read_directly, b.answer AS by_the_scan
FROM answers a FULL JOIN answers b ON b.question = a.question AND b.setting = 'off'
WHERE a.setting = 'on' AND a.answer IS DISTINCT FROM b.answer;
SELECT setting, split_part(question, ' ', 1) AS kind, count(*), count(DISTINCT answer) > 1 AS differ
FROM answers GROUP BY 1, 2 ORDER BY 1 DESC, 2;

-- Both are what the table says.
SELECT w.setting, barber, day
FROM (VALUES ('on'), ('off')) w (setting), generate_series(26301, 26306) barber, generate_series(0, 60) n,
	LATERAL (SELECT date '2026-03-01' + n) d (day), LATERAL (SELECT set_config('booking.leaf_scan', w.setting, false)) s
WHERE (SELECT coalesce(range_agg(tstzrange(f.starts_at, f.ends_at)), '{}') FROM booking.free_time(barber, day) f) <>
	tstzmultirange(tstzrange(day + interval '8 hours', day + interval '20 hours')) -
	(SELECT coalesce(range_agg(tstzrange(busy_from, busy_until)), '{}') FROM booking.appointments
	WHERE barber_id + 0 = barber AND status IN ('pending', 'confirmed', 'checked_in')
	AND coalesce(hold_expires_at > '2026-03-01 12:00Z', true));

RESET booking.leaf_scan;
DELETE FROM booking.appointments WHERE barber_id BETWEEN 26301 AND 26306;
DELETE FROM booking.appointment_history h WHERE h.to_values IS NULL AND (h.from_values->>'barber_id')::bigint BETWEEN 26301 AND 26306;
DELETE FROM booking.services WHERE shop_id = 26301;
DELETE FROM booking.barbers WHERE shop_id = 26301;
DELETE FROM booking.shops WHERE id = 26301;
