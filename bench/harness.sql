-- harness.sql: what the runner itself needs: a stopwatch, checks, results.

SET client_min_messages = warning;

-- One run of one contestant
CREATE TABLE bench.results (
	scenario text,
	contestant text,
	round int,
	value numeric,				-- microseconds a call, or transactions a second
	transactions bigint,
	booked bigint,
	deadlocks bigint,
	gave_up bigint				-- clients who waited too long for an answer
);

-- Something that must not be; any row makes the run fail
CREATE TABLE bench.faults (
	scenario text,
	contestant text,
	fault text
);

-- How long a read takes.  query answers the first $1 questions with rows
-- (n, starts_at).  It runs in this backend, once to warm up, then again and
-- again for about that many seconds.  Memoize is off: it would answer a
-- repeated question from the one before, as no single call can.
CREATE FUNCTION bench.microseconds_per_call(query text, seconds float) RETURNS float
LANGUAGE plpgsql
SET enable_memoize = off
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
	counting text := format('SELECT count(starts_at) FROM (%s) AS slots', query);
	started timestamptz := clock_timestamp();
	elapsed float;
	questions int := 200;
	passes int := 0;
BEGIN
	EXECUTE counting USING questions;
	elapsed := extract(epoch FROM clock_timestamp() - started);
	questions := least(20000, greatest(questions, questions * 0.2 * seconds / elapsed));
	EXECUTE counting USING questions;

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

-- How many live appointments of a table begin before the one before them ends.
-- A hold that is over counts for nothing.
CREATE FUNCTION bench.count_overlaps(appointments regclass) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (
			SELECT busy_from < max(busy_until) OVER (PARTITION BY barber_id ORDER BY busy_from, id
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_overlap
			FROM %s
			WHERE status IN (''pending'', ''confirmed'', ''checked_in'')
			AND (hold_expires_at IS NULL OR hold_expires_at > now())) AS x
		WHERE is_overlap', appointments)
	INTO result;
	RETURN result;
END
$$;

-- The times that stats_book books, each one of its own, as scripts/book/ has them
CREATE SEQUENCE bench.bookings MINVALUE 0;

-- Numbers the tries of a fight.  Unlogged, so that to draw a number is no write.
CREATE UNLOGGED SEQUENCE bench.tries MINVALUE 0;
