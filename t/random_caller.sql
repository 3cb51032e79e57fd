--
-- What t/077_random_caller.pl calls about, in one database: three shops that
-- differ in everything, customers of each, and a judge.  For psql; row_security
-- says whether it is switched on.
--
-- Whatever is somebody's has a mark that no caller passes: (u7) is customer 7's,
-- (n2) what shop 2 alone may read.
--

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE EXTENSION booking;
SELECT count(*) AS made FROM booking.setup('caller_owner') \gset
SELECT count(*) AS granted FROM unnest(ARRAY['front', 'staff', 'manager', 'monitor']) kind, LATERAL booking.grant_role(('caller_' || kind)::regrole, kind) \gset
GRANT USAGE ON SCHEMA booking TO caller_public;

INSERT INTO booking.shops (id, name, time_zone, slot_anchor, max_advance_days, hold_minutes, max_active_per_user, prevent_user_overlap, answer_within_minutes, assignment)
VALUES (1, 'Plain', 'UTC', 'opening', 60, 10, NULL, false, NULL, 'least_booked'), (2, 'Strict', 'America/New_York', 'packed', 60, 1, 12, true, 60, 'round_robin'),
	(3, 'Minutes', 'Asia/Kolkata', 'clock', 366, 10, NULL, false, NULL, 'priority');
INSERT INTO booking.barbers (id, shop_id, name, max_per_day)
VALUES (1, 1, 'Ann', NULL), (2, 1, 'Bob', NULL), (3, 1, 'Cem', 8), (4, 2, 'Dee', NULL), (5, 2, 'Eve', 12), (6, 3, 'Fay', NULL), (7, 3, 'Gus', NULL);
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes, slot_interval_minutes, requires_confirmation, capacity, price_cents)
VALUES (1, 1, 'cut', 30, 0, 0, NULL, false, 1, 2500), (2, 1, 'shave', 15, 5, 5, NULL, false, 1, 1500), (3, 1, 'colour', 90, 0, 0, NULL, false, 1, 9000),
	(4, 1, 'class', 60, 0, 0, 60, false, 5, 1000), (5, 1, 'advice', 30, 0, 0, NULL, true, 1, 0),
	(6, 2, 'cut', 45, 0, 10, NULL, false, 1, 5000), (7, 2, 'tattoo', 120, 0, 0, NULL, true, 1, 50000),
	(8, 3, 'blink', 1, 0, 0, 1, false, 1, 1), (9, 3, 'nap', 30, 0, 0, 30, false, 3, 100);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (3, 1, 30, 30), (3, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes)
SELECT b.id, s.id, CASE WHEN b.id = 3 AND s.id = 1 THEN 40 END FROM booking.barbers b JOIN booking.services s USING (shop_id) WHERE (b.id, s.id) NOT IN ((2, 5), (5, 7));
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, d, CASE WHEN b.shop_id < 3 THEN time '08:00' ELSE '00:00' END, CASE WHEN b.shop_id < 3 THEN time '20:00' ELSE '24:00' END
FROM booking.barbers b, generate_series(1, 7) d;
INSERT INTO booking.users (id, email, name, phone) SELECT n, format('u%s@example.org', n), format('(u%s)', n), format('(u%s)', n) FROM generate_series(1, 30) n;
INSERT INTO booking.blocked_customers (shop_id, user_id, reason) VALUES (1, 30, '(n1)'), (2, 29, '(n2)');
INSERT INTO booking.time_off (shop_id, barber_id, starts_at, ends_at, reason)
VALUES (NULL, 1, current_date + time '12:00', current_date + time '13:00', '(n1)'), (2, NULL, current_date + time '17:00', current_date + time '18:00', '(n2)'),
	(NULL, 6, current_date + time '17:00', current_date + time '18:00', '(n3)');
INSERT INTO booking.schedule_overrides (shop_id, barber_id, on_date, opens, closes, note)
VALUES (1, NULL, current_date + 9, NULL, NULL, '(n1)'), (NULL, 4, current_date + 9, '10:00', '12:00', '(n2)'), (3, NULL, current_date + 9, NULL, NULL, '(n3)');

-- Customers 1 to 24 have had something; 25 to 30 nobody knows.
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, notes)
SELECT v.barber, v.service, n, t.at, t.at + interval '15 minutes', format('(n%s)', v.shop)
FROM generate_series(1, 24) n, LATERAL (VALUES (0, 1, 1, 2), (1, 2, 4, 6), (2, 3, 6, 9)) v (rest, shop, barber, service),
	LATERAL (SELECT (current_date + 3 + time '14:00' + n / 3 * interval '30 minutes') AT TIME ZONE 'UTC') t (at)
WHERE n % 3 = v.rest;
SELECT count(setval('booking.' || t || '_id_seq', 1000)) AS moved FROM unnest(ARRAY['shops', 'barbers', 'services', 'users']) t \gset

\if :row_security
SELECT count(*) AS enabled FROM booking.enable_row_security() \gset
\endif

-- ---------------------------------------------------------------------------
-- What to call about
-- ---------------------------------------------------------------------------

CREATE SCHEMA caller;

-- Some appointment, place in line of that customer ('user'), shop, or anybody, from the latest on; 0: there is none.
CREATE FUNCTION caller.pick(whose text, who bigint, nth int, OUT appointment bigint, OUT entry bigint) LANGUAGE sql AS $$
SELECT coalesce(CASE whose
		WHEN 'user' THEN (SELECT id FROM booking.appointments WHERE user_id = who ORDER BY id DESC OFFSET nth % 8 LIMIT 1)
		WHEN 'shop' THEN (SELECT a.id FROM booking.appointments a JOIN booking.barbers b ON b.id = a.barber_id WHERE b.shop_id = who ORDER BY a.id DESC OFFSET nth % 30 LIMIT 1)
		ELSE (SELECT id FROM booking.appointments WHERE id <= (SELECT last_value FROM booking.appointments_id_seq) - nth ORDER BY id DESC LIMIT 1) END, 0),
	coalesce(CASE whose
		WHEN 'user' THEN (SELECT id FROM booking.waitlist WHERE user_id = who ORDER BY id DESC OFFSET nth % 3 LIMIT 1)
		WHEN 'shop' THEN (SELECT w.id FROM booking.waitlist w JOIN booking.services s ON s.id = w.service_id WHERE s.shop_id = who ORDER BY w.id DESC OFFSET nth % 5 LIMIT 1)
		ELSE (SELECT id FROM booking.waitlist ORDER BY id DESC OFFSET nth % 50 LIMIT 1) END, 0)
$$;

-- ---------------------------------------------------------------------------
-- The judge
--
-- whose: 'user' or 'shop' with the id that the caller has set, 'stranger' for who
-- is nothing to customers, 'nobody' for who may not even use the schema, else ''.
-- ---------------------------------------------------------------------------

CREATE FUNCTION caller.shop_of_appointment(appointment bigint) RETURNS bigint LANGUAGE sql AS $$
SELECT b.shop_id FROM booking.appointments a JOIN booking.barbers b ON b.id = a.barber_id WHERE a.id = appointment
$$;

-- Whether the rows let staff of a shop see a customer: an appointment that was
-- more than a hold, now or before, or that the shop has made him known itself.
CREATE FUNCTION caller.knows(shop bigint, customer bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	made_known boolean := false;
BEGIN
	IF to_regclass('booking.shop_customers') IS NOT NULL THEN
		EXECUTE 'SELECT EXISTS (SELECT FROM booking.shop_customers c WHERE c.shop_id = $1 AND c.user_id = $2)' INTO made_known USING shop, customer;
	END IF;
	RETURN made_known OR EXISTS (SELECT FROM booking.appointments a JOIN booking.barbers b ON b.id = a.barber_id
		WHERE a.user_id = customer AND b.shop_id = shop AND a.status <> 'expired' AND (a.hold_expires_at IS NULL OR a.is_request));
END
$$;

-- What a call names that is none of the caller's.
CREATE FUNCTION caller.outside(whose text, who bigint, args jsonb) RETURNS text LANGUAGE sql AS $$
SELECT string_agg(format('%s %s', key, value), ', ' ORDER BY key)
FROM jsonb_each_text(args), LATERAL (SELECT CASE key
	WHEN 'user_id' THEN CASE whose WHEN 'user' THEN value::bigint END
	WHEN 'shop_id' THEN CASE whose WHEN 'shop' THEN value::bigint END
	WHEN 'barber_id' THEN CASE whose WHEN 'shop' THEN (SELECT b.shop_id FROM booking.barbers b WHERE b.id = value::bigint) END
	WHEN 'service_id' THEN CASE whose WHEN 'shop' THEN (SELECT s.shop_id FROM booking.services s WHERE s.id = value::bigint) END
	WHEN 'entry_id' THEN (SELECT CASE whose WHEN 'user' THEN w.user_id ELSE s.shop_id END
		FROM booking.waitlist w JOIN booking.services s ON s.id = w.service_id WHERE w.id = value::bigint)
	ELSE CASE WHEN key ~ 'appointment_id$' THEN CASE whose
		WHEN 'user' THEN (SELECT coalesce(a.user_id, 0) FROM booking.appointments a WHERE a.id = value::bigint)
		ELSE caller.shop_of_appointment(value::bigint) END END END) o (owner)
WHERE owner <> who
$$;

-- What an answer shows that is another's.
CREATE FUNCTION caller.shown(whose text, who bigint, is_history boolean, gives_appointments boolean, answer jsonb) RETURNS text LANGUAGE sql AS $$
SELECT string_agg(DISTINCT what, ', ') FROM (
	SELECT m[1] || m[2] FROM (SELECT DISTINCT m FROM regexp_matches(answer::text, '\(([un])(\d+)\)', 'g') m) marks
	WHERE CASE whose
		WHEN 'user' THEN m[1] = 'u' AND m[2]::bigint <> who
		WHEN 'shop' THEN CASE m[1] WHEN 'u' THEN NOT caller.knows(who, m[2]::bigint) ELSE m[2]::bigint <> who END
		ELSE whose = 'stranger' END
	UNION ALL
	SELECT 'user_id ' || (e ->> 'user_id') FROM jsonb_array_elements(answer) e
	WHERE jsonb_typeof(e) = 'object' AND e ->> 'user_id' IS NOT NULL AND (whose = 'stranger' OR whose = 'user' AND (e ->> 'user_id')::bigint <> who)
	UNION ALL
	-- History stays where it happened, so it says itself where that was.
	SELECT 'history of shop ' || (e ->> 'shop_id') FROM jsonb_array_elements(answer) e
	WHERE is_history AND whose = 'shop' AND (e ->> 'shop_id')::bigint <> who
	UNION ALL
	SELECT 'appointment ' || id FROM (
		SELECT DISTINCT (e ->> CASE WHEN gives_appointments THEN 'id' ELSE 'appointment_id' END)::bigint FROM jsonb_array_elements(answer) e
		WHERE jsonb_typeof(e) = 'object' AND NOT (is_history AND e ? 'shop_id')) a (id)
	WHERE id IS NOT NULL AND CASE whose
		WHEN 'user' THEN (SELECT coalesce(b.user_id, 0) <> who FROM booking.appointments b WHERE b.id = a.id)
		WHEN 'shop' THEN caller.shop_of_appointment(a.id) <> who
		ELSE whose = 'stranger' END
) s (what)
$$;

-- The locks of the guard that outlived the call.
CREATE FUNCTION caller.judge_locks(call text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') THEN
		RAISE WARNING 'complaint: a lock is left after %', call;
	END IF;
END
$$;

-- function is NULL for a table.  A warning is what the test counts.
CREATE FUNCTION caller.judge(whose text, who bigint, function regprocedure, call text, args jsonb, row_count bigint, answer jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	most CONSTANT bigint := coalesce(nullif(current_setting('booking.max_rows', true), '')::bigint, 100000);
	f CONSTANT pg_proc := (SELECT p FROM pg_proc p WHERE p.oid = function);
	found text;
	said CONSTANT text := format('%s %s: %s %s', whose, who, call, args);
BEGIN
	answer := coalesce(answer, '[]');
	PERFORM caller.judge_locks(said);
	IF function IS NOT NULL AND row_count > most THEN
		RAISE WARNING 'complaint: % rows, more than %, from %', row_count, most, said;
	END IF;
	IF whose = 'nobody' THEN
		RAISE WARNING 'complaint: nobody was answered by %', said;
	END IF;
	IF f.proname = 'verify' AND row_count > 0 THEN
		RAISE WARNING 'complaint: verify found %, asked by %', left(answer::text, 400), said;
	END IF;
	found := caller.shown(whose, who, call ~ 'appointment_history', coalesce(f.prorettype::regtype::text = 'booking.appointment', call = 'booking.appointments'), answer);
	IF found IS NOT NULL THEN
		RAISE WARNING 'complaint: % shown by %', found, said;
	END IF;
	-- A "no" with a reason is an answer too.  Who reads may meet a row that moves away meanwhile.
	IF whose IN ('user', 'shop') AND function IS NOT NULL AND NOT EXISTS (SELECT FROM jsonb_array_elements(answer) e WHERE jsonb_typeof(e) = 'object' AND e ->> 'reason' IS NOT NULL)
		AND (f.provolatile = 'v' OR current_setting('transaction_isolation') <> 'read committed') THEN
		found := caller.outside(whose, who, CASE WHEN has_function_privilege('public', f.oid, 'EXECUTE') THEN args - '{barber_id,service_id,shop_id,user_id}'::text[] ELSE args END);
		IF found IS NOT NULL THEN
			RAISE WARNING 'complaint: answered about %, by %', found, said;
		END IF;
	END IF;
	IF whose = 'stranger' AND args ->> 'for_appointment_id' IS NOT NULL THEN
		RAISE WARNING 'complaint: answered about an appointment by %', said;
	END IF;
END
$$;
GRANT USAGE ON SCHEMA caller TO PUBLIC;
