--
-- A backend keeps the configuration in booking.cache_size.  If this fails, the
-- setting is not obeyed, or what was forgotten and read again, or is held while
-- others are read, gives other slots.  (t/087_cache_size.pl measures.)
--
-- Barber n works on Mondays from 09:00 to 12:00, and n % 5 half hours more.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

-- Anybody may set it, to nothing at the least.
SELECT count(*) AS loads_the_library FROM booking.stats_info();
SELECT boot_val, unit, context, min_val FROM pg_settings WHERE name = 'booking.cache_size';
\set VERBOSITY sqlstate
SET booking.cache_size = -1;
\set VERBOSITY default
SET booking.cache_size = '64MB';

INSERT INTO booking.shops (id, name, slot_interval_minutes)
SELECT 14200 + n, 'Shop ' || n, 30 FROM generate_series(1, 10) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes)
SELECT 14200 + n, 14200 + n, 'Cut', 30 FROM generate_series(1, 10) n;
INSERT INTO booking.barbers (id, shop_id, name)
SELECT 1420000 + n, 14201 + n % 10, 'Barber ' || n FROM generate_series(1, 500) n;
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT 1420000 + n, 14201 + n % 10 FROM generate_series(1, 500) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT 1420000 + n, 1, '09:00', time '12:00' + interval '30 minutes' * (n % 5) FROM generate_series(1, 500) n;
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes)
SELECT 1420000 + n, '2026-03-02', '09:00', '09:30' FROM generate_series(11, 20) n;
INSERT INTO booking.schedule_overrides (shop_id, on_date, opens, closes) VALUES (14203, '2026-03-02', '10:00', '11:00');
INSERT INTO booking.time_off (shop_id, starts_at, ends_at) VALUES (14204, '2026-03-02 09:30Z', '2026-03-02 10:00Z');
INSERT INTO booking.time_off (barber_id, starts_at, ends_at)
SELECT 1420000 + n, '2026-03-02 11:00Z', '2026-03-02 11:30Z' FROM generate_series(21, 40) n;

-- Each barber alone, everybody of a service, and one shop's two barbers by turns.
CREATE FUNCTION pg_temp.answers() RETURNS TABLE (question text, slots text) LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	FOR n IN SELECT generate_series(1, 500) UNION ALL SELECT generate_series(500, 1, -7) LOOP
		question := 'barber ' || n;
		slots := (SELECT string_agg(starts_at::text, ' ' ORDER BY starts_at) FROM booking.available_slots(14201 + n % 10, '2026-03-02', NULL, 1420000 + n));
		RETURN NEXT;
	END LOOP;
	FOR n IN 1..10 LOOP
		question := 'service ' || n;
		slots := (SELECT md5(string_agg(s::text, ' ' ORDER BY s)) FROM booking.available_slots(14200 + n, '2026-03-02', '2026-03-09') s);
		RETURN NEXT;
	END LOOP;
	FOR n IN 1..40 LOOP
		question := 'turn ' || n;
		slots := (SELECT count(*)::text FROM booking.next_slots(14201 + n % 2, NULL, 20, 1420020 + n % 2));
		RETURN NEXT;
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.evictions() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT evictions FROM booking.stats_cache);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RETURN NULL;
END
$$;

-- With room for all of them.
CREATE TEMPORARY TABLE answers AS SELECT question, min(slots) AS slots FROM pg_temp.answers() GROUP BY 1;
SELECT slots, count(*) FROM answers WHERE question LIKE 'barber %' GROUP BY 1 ORDER BY 1;

-- With less, and with none.
CREATE FUNCTION pg_temp.compare(size text, OUT cache_size text, OUT answers bigint, OUT others bigint, OUT evicts boolean) LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_temp.evictions();
BEGIN
	cache_size := set_config('booking.cache_size', size, false);
	SELECT count(*), count(*) FILTER (WHERE g.slots IS DISTINCT FROM w.slots)
	INTO answers, others FROM pg_temp.answers() g LEFT JOIN pg_temp.answers w USING (question);
	-- where there are statistics
	evicts := coalesce(pg_temp.evictions() - before > 100, size <> '64MB');
END
$$;
SELECT c.* FROM (VALUES (1, '64MB'), (2, '128kB'), (3, '20kB'), (4, '0'), (5, '200kB')) v (n, size), LATERAL pg_temp.compare(v.size) c ORDER BY n;

-- What changes is seen where nothing is kept, and so is that it is rolled back.
BEGIN;
SET LOCAL booking.cache_size = 0;
SELECT count(*) FROM booking.available_slots(14202, '2026-03-02', NULL, 1420001);
UPDATE booking.working_hours SET closes = '10:00' WHERE barber_id = 1420001;
SELECT count(*) FROM booking.available_slots(14202, '2026-03-02', NULL, 1420001);
ROLLBACK;
SELECT count(*) FROM booking.available_slots(14202, '2026-03-02', NULL, 1420001);

-- A repeatable read transaction keeps nothing from one call to the next, whatever the setting.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT others FROM pg_temp.compare('20kB');
COMMIT;

RESET booking.cache_size;
DELETE FROM booking.barbers WHERE id BETWEEN 1420001 AND 1420500;
DELETE FROM booking.services WHERE shop_id BETWEEN 14201 AND 14210;
DELETE FROM booking.shops WHERE id BETWEEN 14201 AND 14210;
