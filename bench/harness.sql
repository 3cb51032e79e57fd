-- harness.sql: what the runner itself needs: a stopwatch, checks, results.

SET client_min_messages = warning;

-- What is measured, in the order in which it is
CREATE TABLE bench.scenarios (
	position int GENERATED ALWAYS AS IDENTITY,
	scenario text PRIMARY KEY,
	title text,
	unit text,					-- of bench.results.value: us (a call) or tps
	best_peer_target numeric,
	best_peer_p99_target numeric
);

CREATE TABLE bench.contestants (
	position int GENERATED ALWAYS AS IDENTITY,
	scenario text REFERENCES bench.scenarios,
	contestant text,
	is_floor boolean,			-- no peer: it does less than is asked for
	target numeric,				-- ours is at least so many times as fast
	p99_target numeric,			-- the same, of the 99th percentile
	PRIMARY KEY (scenario, contestant)
);

-- One run of one contestant
CREATE TABLE bench.results (
	scenario text,
	contestant text,
	round int,
	value numeric,				-- microseconds a call, or transactions a second
	transactions bigint,		-- those that failed included
	failed bigint,				-- aborted, gave up, or ended in an error
	booked bigint,
	double_booked bigint,
	deadlocks bigint,
	gave_up bigint,				-- clients who waited too long for an answer
	p50_us numeric,				-- latencies of those that did not fail
	p95_us numeric,
	p99_us numeric,
	max_us numeric,
	FOREIGN KEY (scenario, contestant) REFERENCES bench.contestants
);

-- What a call costs as the data grows, see growth
CREATE TABLE bench.growth (
	axis text,					-- what grows: appointments or barbers
	appointments bigint,
	barbers bigint,
	asked text,					-- about whom, where that differs
	call text,
	us numeric,					-- the median of all rounds
	lowest numeric,
	highest numeric
);

-- Something that must not be; any row makes the run fail
CREATE TABLE bench.faults (
	scenario text,
	contestant text,
	fault text
);

-- How long a read takes.  query answers the first $1 questions with rows
-- (n, starts_at).  It runs in this backend, with ever more questions until it
-- takes a tenth of that many seconds, then again and again for all of them.
-- Memoize is off: it would answer a repeated question from the one before, as no
-- single call can.
CREATE FUNCTION bench.microseconds_per_call(query text, seconds float) RETURNS float
LANGUAGE plpgsql
SET enable_memoize = off
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
	counting text := format('SELECT count(starts_at) FROM (%s) AS slots', query);
	started timestamptz;
	elapsed float := 0;
	questions int := 5;
	passes int := 0;
BEGIN
	WHILE elapsed < seconds / 10 AND questions < 20000 LOOP
		questions := least(20000, questions * 2);
		started := clock_timestamp();
		EXECUTE counting USING questions;
		elapsed := extract(epoch FROM clock_timestamp() - started);
	END LOOP;

	started := clock_timestamp();
	LOOP
		EXECUTE counting USING questions;
		passes := passes + 1;
		elapsed := extract(epoch FROM clock_timestamp() - started);
		EXIT WHEN elapsed >= seconds;
	END LOOP;
	RETURN elapsed * 1e6 / passes / questions;
END
$$;

-- The same of our own functions, with booking.track on and off by turns (on, off,
-- off, on), so that whatever else the machine does falls on both.  The medians
-- are those of four turns and of their quotients.  It is an error if other calls
-- were counted than those of the turns with it on.
CREATE FUNCTION bench.microseconds_tracked_or_not(query text, seconds float, OUT tracked float, OUT untracked float)
LANGUAGE plpgsql
SET enable_memoize = off
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
	counting text := format('SELECT count(starts_at) FROM (%s) AS slots', query);
	until timestamptz := clock_timestamp() + make_interval(secs => seconds);
	started timestamptz;
	questions int := 100;
	answers int;
	turns int := 0;
	times float[] := '{}';
BEGIN
	EXECUTE counting USING questions;
	PERFORM booking.stats_reset();
	WHILE clock_timestamp() < until OR turns % 4 <> 0 LOOP
		PERFORM set_config('booking.track', CASE WHEN turns % 4 IN (0, 3) THEN 'on' ELSE 'off' END, true);
		started := clock_timestamp();
		EXECUTE counting INTO answers USING questions;
		times := times || extract(epoch FROM clock_timestamp() - started) * 1e6 / questions;
		turns := turns + 1;
		ASSERT answers >= questions, 'calls without an answer';
	END LOOP;
	ASSERT (SELECT sum(calls) FROM booking.stats) = turns / 2 * questions, 'statistics count wrong';
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY us_on),
		percentile_cont(0.5) WITHIN GROUP (ORDER BY us_on) * percentile_cont(0.5) WITHIN GROUP (ORDER BY us_off / us_on)
	INTO tracked, untracked
	FROM (
		SELECT avg(us) FILTER (WHERE turn % 4 IN (0, 3)) AS us_on, avg(us) FILTER (WHERE turn % 4 IN (1, 2)) AS us_off
		FROM (SELECT us, n - 1 AS turn FROM unnest(times) WITH ORDINALITY AS t (us, n)) AS turns
		GROUP BY turn / 4
	) AS fours;
END
$$;

-- How many rows two such queries do not have in common
CREATE FUNCTION bench.differences(query text, other_query text, questions int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	different bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (((%1$s) EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL (%1$s))) AS x',
		query, other_query)
	INTO different USING questions;
	RETURN different;
END
$$;

-- How many live appointments of a table, of those with a greater id, begin before
-- the one before them ends.  A hold that is over counts for nothing.
CREATE FUNCTION bench.count_overlaps(appointments regclass, after_id bigint DEFAULT 0) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (
			SELECT busy_from < max(busy_until) OVER (PARTITION BY barber_id ORDER BY busy_from, id
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_overlap
			FROM %s
			WHERE id > $1 AND status IN (''pending'', ''confirmed'', ''checked_in'')
			AND (hold_expires_at IS NULL OR hold_expires_at > now())) AS x
		WHERE is_overlap', appointments)
	INTO result USING after_id;
	RETURN result;
END
$$;

-- What a run left in its table: all appointments, and those of them that overlap
CREATE FUNCTION bench.count_booked(appointments regclass, after_id bigint, OUT booked bigint, OUT double_booked bigint)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*) FROM %s WHERE id > $1', appointments) INTO booked USING after_id;
	double_booked := bench.count_overlaps(appointments, after_id);
END
$$;

-- Numbers the runs of scripts
CREATE SEQUENCE bench.runs MINVALUE 0;

-- Counts those who gave up waiting and caught that error, even if all that they
-- did is undone.  Unlogged, so that to draw a number is no write.
CREATE UNLOGGED SEQUENCE bench.given_up MINVALUE 0;
