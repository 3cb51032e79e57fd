--
-- Bounds: how large an answer, an array, a price or a version may be, and that
-- a long transaction stays as fast as it was.  If this breaks, one call takes
-- the server's memory, a figure wraps, or the guard forgets what a rollback has
-- brought back.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;
-- Ids of its own: the sequences are where they were afterwards.
ALTER TABLE booking.appointments ALTER id RESTART WITH 900000000;
ALTER TABLE booking.waitlist ALTER id RESTART WITH 900000000;

INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (14401, 'Bounds', 1, 3660), (14402, 'Many', 1, 3660), (14403, 'Long', 15, 3660);
INSERT INTO booking.barbers (id, shop_id, name) SELECT 14400 + n, 14401, 'B' || n FROM generate_series(1, 3) n;
INSERT INTO booking.barbers (id, shop_id, name) SELECT 14500 + n, 14402, 'M' || n FROM generate_series(1, 75) n;
INSERT INTO booking.barbers (id, shop_id, name) VALUES (14411, 14403, 'L1'), (14412, 14403, 'L2');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d WHERE b.shop_id IN (14401, 14402, 14403);
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (14401, 14401, 'Cut', 1), (14402, 14402, 'Cut', 1), (14403, 14403, 'Cut', 30), (14404, 14401, 'Shave', 1);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id) WHERE s.id BETWEEN 14401 AND 14404;
INSERT INTO booking.users (id, email) SELECT 14400 + n, format('u%s@bounds.example', n) FROM generate_series(1, 9) n;

-- ---------------------------------------------------------------------------
-- booking.max_rows
-- ---------------------------------------------------------------------------

SELECT boot_val, context, min_val, max_val FROM pg_settings WHERE name = 'booking.max_rows';
SELECT test.brief('SET booking.max_rows = ' || v) FROM unnest(ARRAY['0', '-1', '1', '100000001', '100000000']) v;
CREATE ROLE regress_bounds;
SELECT test.brief($$SET ROLE regress_bounds; SET booking.max_rows = 100000000$$);

-- A year of all who offer it is 1.5 million slots; a month of one is not too many.
SELECT test.error($$SELECT count(*) FROM booking.available_slots(14401, '2026-03-02', '2027-03-01')$$);
SELECT count(*) FROM booking.available_slots(14401, '2026-03-02', '2026-03-31', 14401);
-- Counting goes ten times as far.
SELECT test.error($$SELECT * FROM booking.availability_by_day(14401, '2026-03-02', '2027-03-01')$$);
SELECT count(*), sum(slot_count) FROM booking.availability_by_day(14401, '2026-03-02', '2027-03-01', 14401);
SELECT test.brief($$SELECT * FROM booking.available_visits('{14401,14404}', '2026-03-02', '2027-03-01')$$);

-- Each function gives an answer of as many rows as are allowed, and none of one more.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
SELECT 144100 + n, 14401, 14401, 14401, '2026-03-02 00:00Z'::timestamptz + n * interval '2 minutes', '2026-03-02 00:01Z'::timestamptz + n * interval '2 minutes' FROM generate_series(0, 40) n;
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
SELECT 14402, 14403, 14402, '2026-02-02 00:00Z'::timestamptz + n * interval '2 minutes', '2026-02-02 00:01Z'::timestamptz + n * interval '2 minutes' FROM generate_series(0, 20) n;
SAVEPOINT s;
UPDATE booking.appointments SET status = 'completed' WHERE user_id = 14402;
CREATE FUNCTION test.bounds(call text, share int DEFAULT 1, what text DEFAULT 'count(*)', OUT enough bigint, OUT allowed text, OUT one_less text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT %s FROM booking.%s', what, call) INTO enough;
	enough := (enough + share - 1) / share;
	allowed := test.brief(format('SET LOCAL booking.max_rows = %s; SELECT count(*) FROM booking.%s', enough, call));
	one_less := test.brief(format('SET LOCAL booking.max_rows = %s; SELECT count(*) FROM booking.%s', enough - 1, call));
END $$;
SELECT v.call, b.* FROM (VALUES
	('available_slots(14401, ''2026-03-02'')', 1, 'count(*)'), ('available_slots(14401, ''2026-03-02'', NULL, 14403)', 1, 'count(*)'),
	('available_slots(14401, ''2026-03-02'', NULL, NULL, 144100)', 1, 'count(*)'),
	('next_slots(14401, ''2026-03-02 00:00Z'', 10000)', 1, 'count(*)'), ('next_slots(14401, ''2026-03-02 00:00Z'', 2)', 1, 'count(*)'),
	('availability_by_day(14401, ''2026-03-02'', ''2026-03-05'')', 10, 'sum(slot_count)'),
	('available_visits(''{14401,14404}'', ''2026-03-02'', ''2026-03-02'')', 1, 'count(*)'),
	('free_time(14401, ''2026-03-02'')', 1, 'count(*)'), ('get_barber_availability(14401, ''2026-03-02'')', 1, 'count(*)'),
	('user_appointments(14401)', 1, 'count(*)'), ('user_appointments(14402, false)', 1, 'count(*)'),
	('active_services(14401)', 1, 'count(*)'), ('active_barbers(14401)', 1, 'count(*)'), ('active_barbers(14401, 14401)', 1, 'count(*)')
) v (call, share, what), LATERAL test.bounds(v.call, v.share, v.what) b;
UPDATE booking.services SET is_active = false WHERE id = 14401;
SELECT * FROM test.bounds('appointments_at_risk(14401)');
ROLLBACK TO s;

-- next_slots gives what it is asked for, however many more there are: 108,000 on the first day.
SET LOCAL booking.max_rows = 200000;
CREATE TEMP TABLE all_of_day AS SELECT *, row_number() OVER (ORDER BY starts_at, barber_id) AS n FROM booking.available_slots(14402, '2026-03-02');
SET LOCAL booking.max_rows = 10000;
SELECT (SELECT count(*) FROM all_of_day), count(*) AS next, count(*) FILTER (WHERE (a.barber_id, a.starts_at) = (s.barber_id, s.starts_at)) AS same
FROM booking.next_slots(14402, '2026-03-02 00:00Z', 10000) WITH ORDINALITY s JOIN all_of_day a ON a.n = s.ordinality;
RESET booking.max_rows;

-- ---------------------------------------------------------------------------
-- Arrays: what is too long is not unpacked
-- ---------------------------------------------------------------------------

-- The longest that are taken, and one more; of several dimensions; expanded ones, as PL/pgSQL passes them; short and compressed ones, as a table holds them.
CREATE TEMP TABLE arrays (n int, ids bigint[], rules text[]);
INSERT INTO arrays VALUES (10, array_fill(14401::bigint, ARRAY[10]), array_fill('hours'::text, ARRAY[100])), (11, array_fill(14401::bigint, ARRAY[11]), array_fill('hours'::text, ARRAY[101])),
	(100000, array_fill(14401::bigint, ARRAY[100000]), array_fill('hours'::text, ARRAY[100000])), (2, array_fill(14401::bigint, ARRAY[1, 2]), array_fill('hours'::text, ARRAY[10, 10]));
CREATE FUNCTION test.unpacked(ids bigint[], rules text[], OUT services text, OUT overrides text) LANGUAGE plpgsql AS $$
BEGIN
	ids[1] := ids[1];
	rules[1] := rules[1];
	BEGIN
		PERFORM booking.available_visits(ids, '2026-03-02', '2026-03-02');
		services := 'OK';
	EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS services = PG_EXCEPTION_DETAIL;
	END;
	BEGIN
		PERFORM booking.book_slot(14401, 14401, 14401, '2026-03-03 00:00Z', NULL, rules);
		overrides := 'OK';
	EXCEPTION WHEN OTHERS THEN overrides := SQLSTATE || ' ' || SQLERRM;
	END;
END $$;
SELECT n, test.brief(format('SELECT * FROM booking.available_visits((SELECT ids FROM arrays WHERE n = %s), ''2026-03-02'', ''2026-03-02'')', n)),
	test.brief(format('SELECT * FROM booking.book_slot(14401, 14401, 14401, ''2026-03-04 00:00Z'', NULL, (SELECT rules FROM arrays WHERE n = %s))', n))
FROM arrays ORDER BY n;
SELECT n, u.* FROM arrays, test.unpacked(ids, rules) u WHERE n <> 2 ORDER BY n;
SELECT test.error($$SELECT booking.book_slot(14401, 14401, 14401, '2026-03-04 00:00Z', NULL, array_fill('hours'::text, ARRAY[101]))$$);

-- ---------------------------------------------------------------------------
-- Seats, prices, versions
-- ---------------------------------------------------------------------------

SELECT v.t, v.change, test.brief(format('UPDATE booking.%I SET %s', v.t, v.change)) FROM (VALUES
	('services', 'capacity = 100000'), ('services', 'capacity = 100001'), ('services', 'price_cents = 1000000000000'), ('services', 'price_cents = 1000000000001'),
	('barber_services', 'price_cents = 1000000000000'), ('barber_services', 'price_cents = 1000000000001'),
	('appointments', 'price_cents = 1000000000000'), ('appointments', 'price_cents = 1000000000001')) v (t, change);

-- Prices from before such a CHECK: the day's figures are there, its revenue is NULL.
SAVEPOINT s;
ALTER TABLE booking.appointments DROP CONSTRAINT appointments_price;
UPDATE booking.appointments SET status = 'completed', price_cents = CASE WHEN user_id = 14402 THEN 9223372036854775807 ELSE 5 END WHERE user_id IN (14401, 14402);
SELECT day, completed, revenue_cents FROM booking.business_metrics(14401, '2026-02-02', '2026-03-02') WHERE completed > 0;
ROLLBACK TO s;

-- The last version is the last: no number comes twice.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, version) VALUES
	(14401, 14411, 14403, 14401, '2026-03-02 09:00Z', '2026-03-02 09:30Z', 1000000000), (14402, 14411, 14403, 14401, '2026-03-02 10:00Z', '2026-03-02 10:30Z', 1);
SELECT version FROM booking.reschedule_appointment(14401, '2026-03-02 11:00Z');
-- Nobody begins near the end.
SELECT test.error($$INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, version) VALUES (14411, 14403, '2026-03-02 12:00Z', '2026-03-02 12:30Z', 1000000001)$$);
SELECT test.brief($$INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, version) VALUES (14411, 14403, '2026-03-02 12:00Z', '2026-03-02 12:30Z', 2147483647)$$);
SELECT test.brief($$UPDATE booking.appointments SET version = 2147483647 WHERE id = 14402$$);
UPDATE booking.appointments SET version = 2147483647 WHERE id = 14402;
SELECT version FROM booking.appointments WHERE id = 14402;
ALTER TABLE booking.appointments DISABLE TRIGGER zz_guard_before;
UPDATE booking.appointments SET version = 2147483645 + id - 14400 WHERE id IN (14401, 14402);
ALTER TABLE booking.appointments ENABLE TRIGGER zz_guard_before;
SELECT version FROM booking.reschedule_appointment(14401, '2026-03-02 11:00Z');
SELECT test.error('SELECT booking.cancel_appointment(14401)');
SELECT test.brief(s) FROM unnest(ARRAY['SELECT booking.cancel_appointment(14402)', 'SELECT booking.reschedule_appointment(14402, ''2026-03-02 12:00Z'')', 'SELECT booking.check_in(14402)',
	'UPDATE booking.appointments SET notes = ''x'' WHERE id = 14402', 'DELETE FROM booking.appointments WHERE id = 14402']) s;
SELECT id, status, version FROM booking.appointments WHERE id IN (14401, 14402) ORDER BY id;
-- As the hint says
ALTER TABLE booking.appointments DISABLE TRIGGER zz_guard_before;
UPDATE booking.appointments SET version = 1 WHERE id = 14402;
ALTER TABLE booking.appointments ENABLE TRIGGER zz_guard_before;
SELECT status, version FROM booking.cancel_appointment(14402);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- What a transaction has left dead
-- ---------------------------------------------------------------------------

-- It books and cancels one slot over and over, moves to and fro, and holds and confirms: a look fetches what it has not known yet, and follows nothing.
CREATE FUNCTION test.effort(OUT fetched bigint, OUT pages bigint) LANGUAGE sql AS $$
	SELECT pg_stat_get_xact_tuples_fetched('booking.idx_appointments_availability_check'::regclass), pg_stat_get_xact_blocks_fetched('booking.appointments'::regclass)
$$;
CREATE FUNCTION test.repeat(what text, times int, OUT fetched bigint, OUT pages bigint) LANGUAGE plpgsql AS $$
DECLARE
	before record;
	after record;
	appointment bigint;
BEGIN
	IF what = 'move' THEN
		SELECT id INTO appointment FROM booking.book_slot(14411, 14403, 14401, '2026-03-09 10:00Z');
	END IF;
	before := test.effort();
	FOR i IN 1 .. times LOOP
		CASE what
			WHEN 'book' THEN
				SELECT id INTO appointment FROM booking.book_slot(14411, 14403, 14401, '2026-03-09 09:00Z');
				PERFORM booking.cancel_appointment(appointment);
			WHEN 'hold' THEN
				SELECT id INTO appointment FROM booking.hold_slot(14411, 14403, 14401, '2026-03-09 05:00Z');
				PERFORM booking.confirm_appointment(appointment), booking.cancel_appointment(appointment);
			WHEN 'insert' THEN
				INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
				VALUES (14411, 14403, 14401, '2026-03-09 01:00Z', '2026-03-09 01:30Z') RETURNING id INTO appointment;
				DELETE FROM booking.appointments WHERE id = appointment;
			WHEN 'move' THEN
				PERFORM booking.reschedule_appointment(appointment, '2026-03-09 10:00Z'::timestamptz + i % 2 * interval '1 hour');
		END CASE;
	END LOOP;
	after := test.effort();
	fetched := after.fetched - before.fetched;
	pages := after.pages - before.pages;
END $$;
SAVEPOINT l;
-- The last rounds look at as much as the first, though each leaves dead entries: if every look fetched those, seven times as much.  With a customer's limits:
UPDATE booking.shops SET max_active_per_user = 5, prevent_user_overlap = true WHERE id = 14403;
SELECT r3.pages < 3 * r1.pages AS even_pages FROM test.repeat('book', 100) r1, LATERAL test.repeat('book', 200) r2, LATERAL test.repeat('book', 100) r3;
ROLLBACK TO l;
-- Without, in several ways
SELECT w AS what, r1.fetched > 0 AND r3.fetched < 3 * r1.fetched AS even_fetched, r3.pages < 3 * r1.pages AS even_pages
FROM unnest(ARRAY['book', 'hold', 'insert']) w, LATERAL test.repeat(w, 100) r1, LATERAL test.repeat(w, 200) r2, LATERAL test.repeat(w, 100) r3;
-- A move finds the row by its id a dozen times, past all its versions, as any UPDATE does; what the looks follow does not add to it.
SELECT r.pages < 100000 AS few_pages FROM test.repeat('move', 150) r;
ROLLBACK TO s;

-- What a rollback to a savepoint brings back is in the way again.  Each change makes room, is seen to have made it, and is taken back.
CREATE FUNCTION test.try_again(change text, wish text, OUT meanwhile text, OUT afterwards text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE change;
		EXECUTE format('SELECT coalesce((t).reason, ''booked'') FROM booking.try_book_slot(%s) t', wish) INTO meanwhile;
		-- The second attempt looks once more, at what the first has left.
		EXECUTE format('DO $d$ BEGIN PERFORM booking.cancel_appointment((b).id) FROM booking.book_slot(%s) b; RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN NULL; END $d$', wish);
		RAISE EXCEPTION USING ERRCODE = 'XX999';
	EXCEPTION WHEN SQLSTATE 'XX999' THEN NULL;
	END;
	EXECUTE format('SELECT coalesce((t).reason, ''booked'') FROM booking.try_book_slot(%s) t', wish) INTO afterwards;
END $$;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(14405, 14411, 14403, 14401, '2026-03-10 09:00Z', '2026-03-10 09:30Z');
SELECT v.change, t.* FROM (VALUES
	('SELECT booking.cancel_appointment(14405)'), ('SELECT booking.complete_appointment(14405)'), ('SELECT booking.check_in(14405); SELECT booking.complete_appointment(14405)'), ('SELECT booking.reschedule_appointment(14405, ''2026-03-10 12:00Z'')'),
	('SELECT booking.reschedule_appointment(14405, ''2026-03-10 09:00Z'', 14412)'), ('DELETE FROM booking.appointments WHERE id = 14405'),
	('UPDATE booking.appointments SET barber_id = 14412 WHERE id = 14405'),
	('UPDATE booking.appointments SET starts_at = starts_at + interval ''2 hours'', ends_at = ends_at + interval ''2 hours'' WHERE id = 14405'),
	('DO $$ BEGIN PERFORM booking.cancel_appointment(14405); BEGIN PERFORM booking.cancel_appointment(14405); EXCEPTION WHEN OTHERS THEN NULL; END; END $$')
) v (change), LATERAL test.try_again(v.change, '14411, 14403, 14402, ''2026-03-10 09:15Z''') t;
-- The same, released into an outer savepoint that is taken back
SAVEPOINT outer_one;
SAVEPOINT inner_one;
SELECT status FROM booking.cancel_appointment(14405);
RELEASE SAVEPOINT inner_one;
SELECT reason FROM booking.try_book_slot(14411, 14403, 14402, '2026-03-10 09:15Z');
SELECT test.brief('SELECT booking.book_slot(14411, 14403, 14402, ''2026-03-10 09:15Z'')');
ROLLBACK TO outer_one;
SELECT appointment_id, reason FROM booking.try_book_slot(14411, 14403, 14402, '2026-03-10 09:15Z');
-- A limit, seats and an overlap of the customer
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 14403;
SELECT * FROM test.try_again('SELECT booking.cancel_appointment(14405)', '14412, 14403, 14401, ''2026-03-11 09:00Z''');
UPDATE booking.shops SET max_active_per_user = NULL, prevent_user_overlap = true WHERE id = 14403;
SELECT * FROM test.try_again('SELECT booking.cancel_appointment(14405)', '14412, 14403, 14401, ''2026-03-10 09:00Z''');
UPDATE booking.shops SET prevent_user_overlap = false WHERE id = 14403;
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 14411;
SELECT * FROM test.try_again('SELECT booking.cancel_appointment(14405)', '14411, 14403, 14402, ''2026-03-10 12:00Z''');
UPDATE booking.barbers SET max_per_day = NULL WHERE id = 14411;
UPDATE booking.services SET capacity = 2 WHERE id = 14403;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (14406, 14411, 14403, 14403, '2026-03-10 09:00Z', '2026-03-10 09:30Z');
SELECT * FROM test.try_again('SELECT booking.cancel_appointment(14405)', '14411, 14403, 14402, ''2026-03-10 09:00Z''');
-- A key
UPDATE booking.appointments SET idempotency_key = 'again', key_shop_id = 14403, key_user_id = 14401 WHERE id = 14405;
SELECT * FROM test.try_again('DELETE FROM booking.appointments WHERE id = 14405', '14412, 14403, 14401, ''2026-03-12 09:00Z'', ''again''');
-- A table that was emptied: its first rows stand where those were that the transaction has left dead.
CREATE FUNCTION test.emptied(OUT booked bigint, OUT taken bigint) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE booking.appointments, booking.waitlist;
	FOR i IN 1 .. 30 LOOP
		PERFORM booking.cancel_appointment((b).id) FROM booking.book_slot(14411, 14403, 14401, '2026-03-10 09:00Z') b;
	END LOOP;
	TRUNCATE booking.appointments, booking.waitlist;
	SELECT count((booking.book_slot(14411, 14403, 14402, '2026-03-10 00:00Z'::timestamptz + n * interval '30 minutes')).id) INTO booked FROM generate_series(0, 29) n;
	SELECT count(*) INTO taken FROM generate_series(0, 29) n, LATERAL booking.try_book_slot(14411, 14403, 14403, '2026-03-10 00:00Z'::timestamptz + n * interval '30 minutes') t
	WHERE t.reason = 'slot_taken';
END $$;
UPDATE booking.services SET capacity = 1 WHERE id = 14403;
SELECT * FROM test.emptied();
-- At random: books, cancels, moves, changes and deletes by hand, in savepoints within each other that are kept or taken back.  Whether a time is
-- taken is always what the rows say.
CREATE FUNCTION test.taken(barber bigint, at timestamptz, but bigint DEFAULT 0) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM booking.appointments WHERE barber_id = barber AND id <> but AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from < at + interval '30 minutes' AND busy_until > at)
$$;
CREATE TEMP TABLE told (what text, taken boolean, said text);
CREATE FUNCTION test.wander(steps int, depth int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	barber bigint;
	at timestamptz;
	one bigint;
	is_taken boolean;
	said text;
BEGIN
	FOR step IN 1 .. steps LOOP
		barber := 14411 + floor(random() * 2);
		at := '2026-03-10 09:00Z'::timestamptz + floor(random() * 8) * interval '15 minutes';
		SELECT id INTO one FROM booking.appointments WHERE status = 'confirmed' AND barber_id IN (14411, 14412) ORDER BY random() LIMIT 1;
		is_taken := test.taken(barber, at, coalesce(one, 0));
		said := NULL;
		CASE floor(random() * 8)
			WHEN 0, 1, 2 THEN
				is_taken := test.taken(barber, at);
				SELECT coalesce(reason, 'OK') INTO said FROM booking.try_book_slot(barber, 14403, NULL, at);
				INSERT INTO told VALUES ('book', is_taken, said);
			WHEN 3, 4 THEN
				PERFORM booking.cancel_appointment(one) WHERE one IS NOT NULL;
			WHEN 5 THEN
				IF random() < 0.3 THEN
					DELETE FROM booking.appointments WHERE id = one;
				ELSIF one IS NOT NULL THEN
					said := left(test.in_savepoint(format('UPDATE booking.appointments SET barber_id = %s, starts_at = %L, ends_at = %L WHERE id = %s', barber, at, at + interval '30 minutes', one)), 5);
					INSERT INTO told VALUES ('update', is_taken, said);
				END IF;
			WHEN 6 THEN
				IF one IS NOT NULL THEN
					said := left(test.in_savepoint(format('SELECT booking.reschedule_appointment(%s, %L, %s)', one, at, barber)), 5);
					INSERT INTO told VALUES ('move', is_taken, said);
				END IF;
			ELSE
				IF depth < 4 THEN
					BEGIN
						PERFORM test.wander(5, depth + 1);
						IF random() < 0.5 THEN
							RAISE division_by_zero;
						END IF;
					EXCEPTION WHEN division_by_zero THEN NULL;
					END;
				END IF;
		END CASE;
		IF (said = 'OK') = is_taken THEN
			RAISE EXCEPTION 'barber % at %: taken %, but %', barber, at, is_taken, said;
		END IF;
	END LOOP;
END $$;
CREATE FUNCTION test.in_savepoint(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'OK';
EXCEPTION WHEN exclusion_violation THEN RETURN SQLSTATE;
END $$;
SELECT setseed(0.144);
SELECT test.wander(250, 0);
SELECT what, taken, said, count(*) > 2 AS some FROM told GROUP BY what, taken, said ORDER BY what, taken, said;
SELECT check_name, row_id FROM booking.verify(true) WHERE row_id BETWEEN 14400 AND 14600;
-- Without statistics, too, no change of an appointment reads the table through: a plan that was made while it was empty is kept.
SAVEPOINT s;
TRUNCATE booking.appointments CASCADE;
SELECT pg_stat_get_xact_numscans('booking.appointments'::regclass) AS before \gset
DO $$
DECLARE
	booked bigint;
BEGIN
	FOR n IN 1..3 LOOP
		SELECT id INTO booked FROM booking.hold_slot(14411, 14403, 14402, '2026-03-10 00:00Z');
		PERFORM booking.confirm_appointment(booked);
		PERFORM booking.reschedule_appointment(booked, '2026-03-10 01:00Z');
		PERFORM booking.cancel_appointment(booked), booking.cancel_appointment(booked);
	END LOOP;
END
$$;
SELECT pg_stat_get_xact_numscans('booking.appointments'::regclass) - :before AS read_through;
ROLLBACK TO s;
ROLLBACK;
