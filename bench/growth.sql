-- growth.sql: the calls whose cost growth follows, and their stopwatch.
--
-- Loaded after data.sql.  Who calls asks about any barber, or about those of one
-- shop alone, and finds the configuration cache of his backend as full as it gets.

SET client_min_messages = warning;

-- The questions of data.sql, but from the third day on: an appointment may last
-- two days, so that a call looks at those of two days more, which all points have.
-- And the same ones put to the first shop's barbers.
ALTER TABLE bench.questions ADD PRIMARY KEY (n);
UPDATE bench.questions
SET day = today + 3 + n % (future_days - 2), from_day = today + 3
FROM bench.numbers;

CREATE TABLE bench.shop_questions (LIKE bench.questions INCLUDING ALL);
INSERT INTO bench.shop_questions
SELECT n, 1 + n % 10, 1, day, from_day, to_day FROM bench.questions;

-- Whom is asked about; bookings are made from first_day on, a stretch for each.
CREATE TABLE bench.askers (asker text PRIMARY KEY, questions regclass, barbers bigint, first_day date);
INSERT INTO bench.askers
SELECT 'one shop', 'bench.shop_questions', 10, today + 40 FROM bench.numbers
UNION ALL
SELECT 'any barber', 'bench.questions', barbers, today + 1840 FROM bench.numbers;

-- A query answers the questions $1 to $2 of the table that it names %1$s.
CREATE TABLE bench.reads (position int, call text, query text);
INSERT INTO bench.reads VALUES
(1, 'available_slots, 1 day', 'SELECT s.starts_at
FROM %1$s q, booking.available_slots(q.service_id, q.day, NULL, q.barber_id) s WHERE q.n BETWEEN $1 AND $2'),
(2, 'available_slots, 8 days', 'SELECT s.starts_at
FROM %1$s q, booking.available_slots(q.service_id, q.from_day, q.to_day, q.barber_id) s WHERE q.n BETWEEN $1 AND $2'),
(3, 'availability_by_day, 10 x 8', 'SELECT s.first_slot AS starts_at
FROM %1$s q, booking.availability_by_day(q.service_id, q.from_day, q.to_day) s WHERE q.n BETWEEN $1 AND $2'),
(4, 'next_slots', 'SELECT s.starts_at
FROM %1$s q, booking.next_slots(q.service_id, q.day::timestamp AT TIME ZONE ''America/New_York'', 1, q.barber_id) s
WHERE q.n BETWEEN $1 AND $2'),
(5, 'check_slot', 'SELECT q.day + c.available::int AS starts_at
FROM %1$s q, booking.check_slot(q.barber_id, q.service_id, q.day + timetz ''10:00-05'') c WHERE q.n BETWEEN $1 AND $2');

-- The tries $1 to $2: the barbers in turn, in a shuffled order, each at his next
-- free time, as scenarios/book has them; and the appointments $1 to $2.
CREATE FUNCTION bench.book_query(asker text) RETURNS text
LANGUAGE sql AS $$
SELECT format('SELECT b.starts_at
FROM (
	SELECT t %% %1$s * 7919 %% %1$s + 1 AS barber, t / %1$s AS place, 1 + t * 7919 %% 10000 AS customer
	FROM generate_series($1, $2) AS t
) AS x,
	LATERAL (SELECT %2$L::date + place::int / 12 + (28 + place %% 12 + place %% 12 / 6 * 4) * interval ''30 minutes'') AS l (local),
	LATERAL booking.book_slot(barber, (barber - 1) / 10 * 3 + 1, customer, local AT TIME ZONE ''UTC'') AS b', barbers, first_day)
FROM bench.askers
WHERE askers.asker = $1
$$;

CREATE FUNCTION bench.cancel_query() RETURNS text
LANGUAGE sql AS $$
SELECT 'SELECT c.starts_at
FROM booking.appointments a, LATERAL booking.cancel_appointment(a.id) AS c WHERE a.id BETWEEN $1 AND $2'
$$;

-- ---------------------------------------------------------------------------
-- The stopwatch
-- ---------------------------------------------------------------------------

-- Microseconds that have passed, without those in which this backend waited for a
-- CPU that somebody else used.  Waits for a lock or a disk count.
CREATE FUNCTION bench.stopwatch() RETURNS float
LANGUAGE sql VOLATILE AS $$
SELECT extract(epoch FROM clock_timestamp())::float * 1e6
	- coalesce(split_part(pg_read_file('/proc/self/schedstat', 0, 100, true), ' ', 2)::float / 1e3, 0)
$$;

CREATE TABLE bench.growth_runs (asker text, call text, round int, us float);
CREATE TABLE bench.batches (call text, us float);

-- What the questions first to last take, in microseconds
CREATE FUNCTION bench.time_to_answer(query text, first bigint, last bigint) RETURNS float
LANGUAGE plpgsql
SET enable_memoize = off
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
	started float := bench.stopwatch();
	answers bigint;
BEGIN
	EXECUTE format('SELECT count(starts_at) FROM (%s) AS answers', query) INTO answers USING first, last;
	ASSERT answers > 0, 'calls without an answer';
	RETURN bench.stopwatch() - started;
END
$$;

-- One asker's calls, once each: reads for so many seconds, and bookings that are
-- then cancelled.  A call's time is the median of that of many small batches, so
-- that what disturbs a few of them does not count.
CREATE PROCEDURE bench.play(asker text, round int, seconds float, bookings int)
LANGUAGE plpgsql AS $$
DECLARE
	table_name regclass := (SELECT questions FROM bench.askers a WHERE a.asker = play.asker);
	queries CONSTANT text[] := (SELECT array_agg(format(query, table_name) ORDER BY position) FROM bench.reads);
	calls CONSTANT text[] := (SELECT array_agg(call ORDER BY position) FROM bench.reads);
	last_question CONSTANT bigint := (SELECT max(n) FROM bench.questions);
	batch bigint;
	at bigint := 1;
	took float;
	total float;
BEGIN
	-- What this backend keeps
	PERFORM bench.time_to_answer(queries[5], 1, last_question);
	COMMIT;

	FOR i IN 1 .. array_length(queries, 1) LOOP
		batch := 10;
		total := 0;
		WHILE total < seconds * 1e6 LOOP
			at := CASE WHEN at + batch > last_question THEN 1 ELSE at END;
			took := bench.time_to_answer(queries[i], at, at + batch - 1);
			at := at + batch;
			IF total = 0 AND took < seconds * 2e4 AND batch < last_question / 2 THEN
				batch := batch * 2;		-- the first ones are a warm-up
			ELSE
				INSERT INTO bench.batches VALUES (calls[i], took / batch);
				total := total + took;
			END IF;
		END LOOP;
		COMMIT;
	END LOOP;

	CALL bench.play_writes(asker, round, bookings);

	INSERT INTO bench.growth_runs
	SELECT asker, call, round, percentile_cont(0.5) WITHIN GROUP (ORDER BY us) FROM bench.batches GROUP BY call;
	TRUNCATE bench.batches;
END
$$;

-- Each batch is a transaction; the first one is a warm-up.
CREATE PROCEDURE bench.play_writes(asker text, round int, bookings int)
LANGUAGE plpgsql AS $$
DECLARE
	batch CONSTANT bigint := bookings / 20;
	first_id CONSTANT bigint := (SELECT max(id) + 1 FROM booking.appointments);
	took float;
BEGIN
	FOR i IN 0 .. 19 LOOP
		took := bench.time_to_answer(bench.book_query(asker), round * bookings + i * batch, round * bookings + (i + 1) * batch - 1);
		INSERT INTO bench.batches SELECT 'book_slot', took / batch WHERE i > 0;
		COMMIT;
	END LOOP;
	FOR i IN 0 .. 19 LOOP
		took := bench.time_to_answer(bench.cancel_query(), first_id + i * batch, first_id + (i + 1) * batch - 1);
		INSERT INTO bench.batches SELECT 'cancel_appointment', took / batch WHERE i > 0;
		COMMIT;
	END LOOP;
END
$$;

-- What the first questions are answered, to be compared between points
CREATE FUNCTION bench.answers(asker text, questions int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	digests text := '';
	digest text;
	query text;
BEGIN
	FOR query IN
		SELECT format(r.query, a.questions) FROM bench.reads r, bench.askers a WHERE a.asker = answers.asker ORDER BY position
	LOOP
		EXECUTE format('SELECT md5(string_agg(starts_at::text, '','' ORDER BY starts_at)) FROM (%s) AS x', query)
		INTO digest USING 1, questions;
		digests := digests || digest;
	END LOOP;
	RETURN md5(digests);
END
$$;

-- Nothing but tables of ours and their indexes, as far as memory goes; the rows of
-- appointments themselves are not asked for.
CREATE EXTENSION pg_prewarm;
CREATE FUNCTION bench.warm_up() RETURNS bigint
LANGUAGE sql AS $$
SELECT sum(pg_prewarm(c.oid))
FROM pg_class c
WHERE c.relnamespace IN ('booking'::regnamespace, 'bench'::regnamespace)
AND c.relkind IN ('r', 'i') AND c.oid <> 'booking.appointments'::regclass
$$;

VACUUM FULL ANALYZE bench.questions;
VACUUM ANALYZE bench.shop_questions;
