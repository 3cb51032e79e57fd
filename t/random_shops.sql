/*
 * random_shops.sql: shops made to be difficult, from a seed
 *
 * oracle.make_shop(seed) makes one shop with barbers, services, hours and
 * appointments around a day on which its zone's clocks change, sets booking.now
 * near it, and remembers in oracle.case what a test needs to ask about it.  The
 * same seed makes the same shop.  Needs oracle.sql.
 */

CREATE TABLE oracle.zone (name text PRIMARY KEY);
INSERT INTO oracle.zone VALUES
	('America/New_York'), ('Europe/Berlin'), ('Australia/Lord_Howe'), ('America/Sao_Paulo'),
	('America/Havana'), ('Asia/Beirut'), ('Africa/Cairo'), ('America/St_Johns'), ('Asia/Kathmandu'),
	('Pacific/Apia'), ('Pacific/Chatham'), ('UTC'), ('Europe/Dublin'), ('America/Asuncion'),
	('America/Santiago'), ('Africa/Casablanca'), ('Asia/Tehran'), ('Atlantic/Azores'),
	('America/Scoresbysund'), ('Asia/Gaza'), ('Pacific/Kwajalein'), ('Pacific/Kiritimati'),
	('Antarctica/Troll'), ('Asia/Pyongyang'), ('America/Caracas');

/* Local dates on which a zone's offset changes, found in the server's own time zone data. */
CREATE TABLE oracle.switch_day (zone text, n int, day date, PRIMARY KEY (zone, n));
WITH noon AS (
	SELECT name, t, (t AT TIME ZONE name) - (t AT TIME ZONE 'UTC') AS utc_offset
	FROM oracle.zone, generate_series(timestamptz '1985-01-01 12:00Z', '2032-01-01 12:00Z', '24 hours') t
), change AS (
	SELECT name, t, utc_offset, lag(utc_offset) OVER (PARTITION BY name ORDER BY t) AS before FROM noon
)
INSERT INTO oracle.switch_day
SELECT name, row_number() OVER (PARTITION BY name ORDER BY t), (t AT TIME ZONE name)::date
FROM change
WHERE utc_offset <> before;

/* What a test knows about a shop: days around "day" are the interesting ones. */
CREATE TABLE oracle.case (
	seed int,
	shop_id bigint PRIMARY KEY,
	zone text,
	day date,
	now timestamptz
);

/* ---------------------------------------------------------------------------
 * Dice
 * ------------------------------------------------------------------------ */

CREATE FUNCTION oracle.seed(seed int) RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT setseed((seed % 1000003) / 1000003.0)
$$;

CREATE FUNCTION oracle.dice(lo int, hi int) RETURNS int LANGUAGE sql VOLATILE AS $$
	SELECT lo + floor(random() * (hi - lo + 1))::int
$$;

CREATE FUNCTION oracle.pick(choices anyarray) RETURNS anyelement LANGUAGE sql VOLATILE AS $$
	SELECT choices[oracle.dice(1, cardinality(choices))]
$$;

/* Mostly one of the usual; one time in eight one of the extreme values. */
CREATE FUNCTION oracle.pick(usual int[], extreme int[]) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN oracle.pick(CASE WHEN oracle.dice(1, 8) = 1 THEN extreme ELSE usual END);
END
$$;

CREATE FUNCTION oracle.chance(percent int) RETURNS boolean LANGUAGE sql VOLATILE AS $$
	SELECT random() * 100 < percent
$$;

/* A time of day near which clocks change, or shops open. */
CREATE FUNCTION oracle.random_time() RETURNS time LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN CASE
		WHEN oracle.chance(80) THEN oracle.pick(ARRAY['00:00', '00:01', '00:30', '01:00', '01:30',
			'02:00', '02:30', '03:00', '03:15', '06:00', '08:00', '09:00', '09:10', '12:00', '12:30',
			'13:00', '14:00', '17:30', '18:00', '20:00', '22:00', '23:00', '23:30', '23:59']::time[])
		WHEN oracle.chance(80) THEN time '00:00' + oracle.dice(0, 287) * interval '5 minutes'
		WHEN oracle.chance(80) THEN time '00:00' + oracle.dice(0, 1439) * interval '1 minute'
		ELSE time '00:00' + oracle.dice(0, 86399) * interval '1.000001 seconds'
	END;
END
$$;

CREATE FUNCTION oracle.random_closing(opens time) RETURNS time LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	closes time;
BEGIN
	LOOP
		closes := CASE WHEN oracle.chance(15) THEN time '24:00' ELSE oracle.random_time() END;
		CONTINUE WHEN closes = opens;
		-- Overnight shifts, but not only those.
		IF closes > opens OR oracle.chance(30) THEN
			RETURN closes;
		END IF;
	END LOOP;
END
$$;

/* An instant around local midnight of a date. */
CREATE FUNCTION oracle.random_instant(zone text, day date, days_before int, days_after int)
RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN (day AT TIME ZONE zone)
		+ oracle.dice(-288 * days_before, 288 * days_after) * interval '5 minutes'
		+ CASE
			WHEN oracle.chance(85) THEN interval '0'
			WHEN oracle.chance(70) THEN oracle.dice(0, 4) * interval '1 minute'
			ELSE oracle.dice(0, 300000000) * interval '1 microsecond'
		END;
END
$$;

/* ---------------------------------------------------------------------------
 * Parts of a shop
 * ------------------------------------------------------------------------ */

CREATE FUNCTION oracle.add_hours(barber bigint, day date) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	style text := oracle.pick(ARRAY['day', 'split', 'night', 'whole', 'random', 'random', 'random', 'random']);
	opens time;
BEGIN
	FOR weekday IN 1 .. 7 LOOP
		CONTINUE WHEN oracle.chance(10);
		CASE style
			WHEN 'day' THEN
				INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
				VALUES (barber, weekday, '09:00', '12:00'), (barber, weekday, '13:00', '18:00');
			WHEN 'split' THEN	-- touching, overlapping and inside one another
				INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
				VALUES (barber, weekday, '00:00', '02:30'), (barber, weekday, '02:30', '05:00'),
					(barber, weekday, '04:10', '14:00'), (barber, weekday, '10:00', '11:00'),
					(barber, weekday, '20:00', '02:00');
			WHEN 'night' THEN
				INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
				VALUES (barber, weekday, '22:00', '06:00');
			WHEN 'whole' THEN
				INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
				VALUES (barber, weekday, '00:00', '24:00');
			ELSE
				FOR i IN 1 .. oracle.dice(0, 3) LOOP
					opens := oracle.random_time();
					INSERT INTO booking.working_hours (barber_id, weekday, opens, closes, valid_from, valid_until)
					VALUES (barber, weekday, opens, oracle.random_closing(opens),
						CASE WHEN oracle.chance(20) THEN day + oracle.dice(-3, 3) ELSE '-infinity'::date END,
						CASE WHEN oracle.chance(20) THEN day + oracle.dice(3, 6) ELSE 'infinity'::date END);
				END LOOP;
		END CASE;
	END LOOP;
END
$$;

/* Of a barber or of a shop: the other is NULL. */
CREATE FUNCTION oracle.add_override(barber bigint, shop bigint, day date) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	on_date date := day + oracle.dice(-2, 3);
	opens time;
BEGIN
	FOR i IN 1 .. oracle.pick(ARRAY[1, 1, 1, 2, 3]) LOOP
		opens := CASE WHEN oracle.chance(70) THEN oracle.random_time() END;
		INSERT INTO booking.schedule_overrides (barber_id, shop_id, on_date, opens, closes)
		VALUES (barber, shop, on_date, opens,
			CASE WHEN opens IS NOT NULL THEN oracle.random_closing(opens) END);
	END LOOP;
END
$$;

CREATE FUNCTION oracle.add_time_off(barber bigint, shop bigint, zone text, day date) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	starts_at timestamptz := oracle.random_instant(zone, day, 2, 3);
	ends_at timestamptz := starts_at + oracle.pick(ARRAY[1, 5, 30, 60, 60, 200], ARRAY[1440, 3000]) * interval '1 minute';
BEGIN
	IF oracle.chance(4) THEN
		starts_at := '-infinity';
	ELSIF oracle.chance(2) THEN
		ends_at := 'infinity';
	END IF;
	INSERT INTO booking.time_off (barber_id, shop_id, starts_at, ends_at)
	VALUES (barber, shop, starts_at, ends_at);
END
$$;

/* An appointment of any status; false when the guard refused it. */
CREATE FUNCTION oracle.add_appointment(barber bigint, service bigint, zone text, day date, now timestamptz)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	status text := oracle.pick(ARRAY['pending', 'pending', 'confirmed', 'confirmed', 'confirmed', 'checked_in',
		'completed', 'completed', 'completed', 'cancelled', 'no_show', 'expired']);
	starts_at timestamptz := oracle.random_instant(zone, day, 1, 4);
	ends_at timestamptz := starts_at + oracle.pick(ARRAY[5, 15, 30, 30, 45, 60], ARRAY[1, 600]) * interval '1 minute';
	before interval := oracle.pick(ARRAY[0, 0, 5, 10, 60]) * interval '1 minute';
	after interval := oracle.pick(ARRAY[0, 0, 5, 15], ARRAY[600]) * interval '1 minute';
	has_buffers boolean := oracle.chance(50);
	hold_expires_at timestamptz;
BEGIN
	IF status = 'pending' THEN
		hold_expires_at := now + oracle.pick(ARRAY[NULL, -600, -1, 0, 1, 600]) * interval '1 minute';
	END IF;
	INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until,
		status, hold_expires_at, is_assigned)
	VALUES (barber, service, starts_at, ends_at,
		CASE WHEN has_buffers THEN starts_at - before END, CASE WHEN has_buffers THEN ends_at + after END,
		status, hold_expires_at, oracle.chance(30));
	RETURN true;
EXCEPTION WHEN exclusion_violation THEN
	RETURN false;
END
$$;

/* An instant at which the barber is at work, most often. */
CREATE FUNCTION oracle.likely_instant(barber bigint, zone text, day date) RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	piece tstzrange := oracle.pick((SELECT array_agg(p ORDER BY p) FROM oracle.pieces(barber, day + 2, day) p));
BEGIN
	IF piece IS NULL OR oracle.chance(25) THEN
		RETURN oracle.random_instant(zone, day, 1, 4);
	END IF;
	RETURN lower(piece) + oracle.dice(0, 60) * interval '5 minutes' + oracle.pick(ARRAY[0, 0, 0, 0, 1, 3]) * interval '1 minute';
END
$$;

/*
 * A class as raw writers fill it, on the grid or off it, up to all its seats;
 * some of them are only held, and some of the holds are over.
 */
CREATE FUNCTION oracle.add_group(barber bigint, service bigint, zone text, day date, now timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	o oracle.offers := (SELECT o FROM oracle.offers o WHERE barber_id = barber AND service_id = service);
	starts_at timestamptz := oracle.likely_instant(barber, zone, day);
	hold_expires_at timestamptz;
BEGIN
	FOR seat IN 1 .. coalesce(oracle.dice(1, o.capacity), 0) LOOP	-- nobody comes for what is not offered
		hold_expires_at := now + oracle.pick(ARRAY[NULL, NULL, -1, 0, 600]) * interval '1 minute';
		INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until,
			status, hold_expires_at)
		VALUES (barber, service, starts_at, starts_at + o.duration,
			starts_at - o.buffer_before, starts_at + o.duration + o.buffer_after,
			CASE WHEN hold_expires_at IS NULL THEN oracle.pick(ARRAY['confirmed', 'checked_in', 'pending']) ELSE 'pending' END,
			hold_expires_at);
	END LOOP;
EXCEPTION WHEN exclusion_violation THEN
END
$$;

/* An appointment with steps, in whose gaps the barber is free. */
CREATE FUNCTION oracle.add_steps(barber bigint, service bigint, zone text, day date)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	starts_at timestamptz := oracle.likely_instant(barber, zone, day);
	head bigint := nextval('booking.appointments_id_seq');
BEGIN
	INSERT INTO booking.appointments (id, part_of, visit_id, barber_id, service_id, starts_at, ends_at, status)
	SELECT CASE WHEN position = 1 THEN head ELSE nextval('booking.appointments_id_seq') END,
		CASE WHEN position > 1 THEN head END, head, barber, service,
		starts_at + begins * interval '1 minute', starts_at + ends * interval '1 minute', 'confirmed'
	FROM oracle.steps WHERE service_id = service ORDER BY position;
EXCEPTION WHEN exclusion_violation THEN
END
$$;

/* ---------------------------------------------------------------------------
 * Shops
 * ------------------------------------------------------------------------ */

/* A day on which the zone's clocks change, most often. */
CREATE FUNCTION oracle.random_day(of_zone text) RETURNS date LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	switches int := (SELECT count(*) FROM oracle.switch_day WHERE zone = of_zone);
	picked int := oracle.dice(1, switches);
	picked_day date := (SELECT day FROM oracle.switch_day WHERE zone = of_zone AND n = picked);
BEGIN
	IF picked_day IS NULL OR oracle.chance(10) THEN
		RETURN date '2026-01-01' + oracle.dice(0, 730);
	END IF;
	RETURN picked_day + oracle.pick(ARRAY[-1, 0, 0, 0, 1]);
END
$$;

/* One in three is for several customers, one in three has steps. */
CREATE FUNCTION oracle.add_service(shop bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	kind text := oracle.pick(ARRAY['plain', 'group', 'steps']);
	service bigint;
BEGIN
	INSERT INTO booking.services (shop_id, name, capacity, duration_minutes, buffer_before_minutes, buffer_after_minutes,
		slot_interval_minutes, min_notice_minutes, requires_confirmation, price_cents, is_active)
	VALUES (shop, kind,
		CASE kind WHEN 'group' THEN oracle.dice(2, 4) ELSE 1 END,
		oracle.pick(ARRAY[5, 15, 20, 30, 30, 45, 60, 90], ARRAY[1, 61, 120, 480, 1440]),
		oracle.pick(ARRAY[0, 0, 5, 10, 15], ARRAY[60, 180, 720]),
		oracle.pick(ARRAY[0, 0, 5, 10, 15], ARRAY[60, 180, 720]),
		oracle.pick(ARRAY[NULL, NULL, NULL, 5, 7, 10, 13, 15, 30, 40, 60], ARRAY[100, 1440]),
		oracle.pick(ARRAY[NULL, NULL, 0, 45], ARRAY[1500]),
		oracle.chance(20), oracle.dice(0, 50) * 100, oracle.chance(95))
	RETURNING id INTO service;
	IF kind = 'steps' THEN
		PERFORM oracle.add_step(service, n) FROM generate_series(1, oracle.dice(1, 3)) n;
	END IF;
END
$$;

CREATE FUNCTION oracle.add_step(service bigint, n int) RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO booking.service_steps
	VALUES (service, n, oracle.pick(ARRAY[5, 10, 20, 30], ARRAY[1, 61, 400]), oracle.pick(ARRAY[0, 20, 45, 60, 90], ARRAY[1, 300]))
$$;

CREATE FUNCTION oracle.add_barber(shop bigint, in_zone text, day date, now timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	barber bigint;
	service bigint;
	kind text;
BEGIN
	INSERT INTO booking.barbers (shop_id, name, priority, max_per_day, is_active)
	VALUES (shop, 'barber', oracle.dice(0, 1), oracle.pick(ARRAY[NULL, NULL, 2, 4, 8], ARRAY[1, 3]), oracle.chance(95))
	RETURNING id INTO barber;

	PERFORM oracle.add_hours(barber, day);
	FOR i IN 1 .. oracle.pick(ARRAY[0, 0, 0, 1], ARRAY[2]) LOOP
		PERFORM oracle.add_override(barber, NULL, day);
	END LOOP;
	FOR i IN 1 .. oracle.pick(ARRAY[0, 0, 1], ARRAY[3]) LOOP
		PERFORM oracle.add_time_off(barber, NULL, in_zone, day);
	END LOOP;

	FOR service, kind IN SELECT id, name FROM booking.services WHERE shop_id = shop ORDER BY id LOOP
		IF oracle.chance(85) THEN
			INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes, price_cents)
			VALUES (barber, service, oracle.pick(ARRAY[NULL, NULL, 10, 35, 50], ARRAY[600, 1440]), oracle.pick(ARRAY[NULL, 700]));
		END IF;
		FOR i IN 1 .. oracle.pick(ARRAY[0, 1, 3, 6]) LOOP
			PERFORM oracle.add_appointment(barber, service, in_zone, day, now);
		END LOOP;
		FOR i IN 1 .. oracle.pick(ARRAY[0, 2, 5, 8]) LOOP
			PERFORM oracle.add_group(barber, service, in_zone, day, now) WHERE kind = 'group';
			PERFORM oracle.add_steps(barber, service, in_zone, day) WHERE kind = 'steps';
		END LOOP;
	END LOOP;

	-- Offering a service of another shop means nothing.
	IF oracle.chance(10) THEN
		INSERT INTO booking.barber_services (barber_id, service_id)
		SELECT barber, id FROM booking.services WHERE shop_id <> shop ORDER BY id DESC LIMIT 1;
	END IF;
END
$$;

CREATE FUNCTION oracle.make_shop(seed int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_variable
DECLARE
	zone text;
	day date;
	now timestamptz;
	shop bigint;
BEGIN
	PERFORM oracle.seed(seed);
	zone := oracle.pick((SELECT array_agg(name ORDER BY name) FROM oracle.zone));
	day := oracle.random_day(zone);
	now := oracle.random_instant(zone, day - oracle.pick(ARRAY[0, 1, 1, 2], ARRAY[6]), 0, 1);
	-- Holds of its appointments run out on the shop's clock, not on ours.
	PERFORM set_config('booking.now', now::text, false);

	INSERT INTO booking.shops (name, time_zone, slot_interval_minutes, slot_anchor,
		min_notice_minutes, max_advance_days, assignment, is_active)
	VALUES ('seed ' || seed, zone,
		oracle.pick(ARRAY[5, 7, 10, 15, 15, 20, 25, 30, 45, 60], ARRAY[1, 90, 100, 240, 1440]),
		oracle.pick(ARRAY['opening', 'clock', 'packed']),
		oracle.pick(ARRAY[0, 0, 30], ARRAY[61, 1500]),
		oracle.pick(ARRAY[4, 7, 90], ARRAY[0, 1, 2, 400]),
		oracle.pick(ARRAY['least_booked', 'round_robin', 'priority']),
		oracle.chance(97))
	RETURNING id INTO shop;

	PERFORM oracle.add_service(shop) FROM generate_series(1, oracle.dice(1, 3));
	PERFORM oracle.add_barber(shop, zone, day, now) FROM generate_series(1, oracle.dice(1, 3));
	FOR i IN 1 .. oracle.pick(ARRAY[0, 0, 0, 0, 1]) LOOP
		PERFORM oracle.add_override(NULL, shop, day);
	END LOOP;
	FOR i IN 1 .. oracle.pick(ARRAY[0, 0, 0, 1]) LOOP
		PERFORM oracle.add_time_off(NULL, shop, zone, day);
	END LOOP;

	INSERT INTO oracle.case VALUES (seed, shop, zone, day, now);
	RETURN shop;
END
$$;

/* Changes something about a shop, as its owner would while customers look. */
CREATE FUNCTION oracle.change_shop(shop bigint) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	c oracle.case := (SELECT c FROM oracle.case c WHERE c.shop_id = shop);
	barber bigint := oracle.pick((SELECT array_agg(id ORDER BY id) FROM booking.barbers WHERE shop_id = shop));
	change text := oracle.pick(ARRAY['hours', 'hours gone', 'override', 'override gone', 'time off', 'time off gone',
		'barber', 'service', 'seats', 'step', 'steps gone', 'limit', 'shop', 'offer gone', 'zone']);
	other_zone text;
BEGIN
	CASE change
		WHEN 'hours' THEN PERFORM oracle.add_hours(barber, c.day);
		WHEN 'hours gone' THEN DELETE FROM booking.working_hours WHERE barber_id = barber AND weekday < 4;
		WHEN 'override' THEN PERFORM oracle.add_override(barber, NULL, c.day);
		WHEN 'override gone' THEN DELETE FROM booking.schedule_overrides WHERE barber_id = barber OR shop_id = shop;
		WHEN 'time off' THEN PERFORM oracle.add_time_off(NULL, shop, c.zone, c.day);
		WHEN 'time off gone' THEN DELETE FROM booking.time_off WHERE barber_id = barber OR shop_id = shop;
		WHEN 'barber' THEN UPDATE booking.barbers SET is_active = NOT is_active WHERE id = barber;
		WHEN 'service' THEN UPDATE booking.services SET duration_minutes = 25, buffer_after_minutes = 3 WHERE shop_id = shop;
		WHEN 'seats' THEN UPDATE booking.services SET capacity = capacity - 1 WHERE shop_id = shop AND capacity > 1;
		WHEN 'step' THEN
			PERFORM oracle.add_step(id, 20) FROM booking.services WHERE shop_id = shop AND capacity = 1;
		WHEN 'steps gone' THEN
			DELETE FROM booking.service_steps WHERE service_id IN (SELECT id FROM booking.services WHERE shop_id = shop);
		WHEN 'limit' THEN UPDATE booking.barbers SET max_per_day = nullif(coalesce(max_per_day, 4) - 1, 0) WHERE shop_id = shop;
		WHEN 'shop' THEN UPDATE booking.shops SET slot_interval_minutes = 35, max_advance_days = 2 WHERE id = shop;
		WHEN 'offer gone' THEN DELETE FROM booking.barber_services WHERE barber_id = barber;
		WHEN 'zone' THEN
			other_zone := oracle.pick((SELECT array_agg(name ORDER BY name) FROM oracle.zone));
			UPDATE booking.shops SET time_zone = other_zone WHERE id = shop;
	END CASE;
	RETURN change;
END
$$;
