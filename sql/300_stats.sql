--
-- The statistics, as far as they are the same with and without shared memory;
-- t/040_stats.pl counts.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- Monitoring builds on these columns.
SELECT c.relname AS view, string_agg(a.attname || ' ' || format_type(a.atttypid, NULL), ', ' ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'booking'::regnamespace AND c.relkind = 'v' GROUP BY 1 ORDER BY 1;
SELECT relname AS view_without_comment
FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'v' AND obj_description(oid, 'pg_class') IS NULL;

-- stats_info() answers, whether there are statistics or not.
SELECT available IS NOT NULL AND preloaded IS NOT NULL AND (stats_reset IS NOT NULL) = available AND detail ~ '\.$' AS answered
FROM booking.stats_info();

-- ---------------------------------------------------------------------------
-- Quantiles
-- ---------------------------------------------------------------------------

-- Off by more than 5 per cent, a quantile would be no measurement.  Lengths of time of some kinds, from 256 ns to an hour.
CREATE FUNCTION test.histogram_quantiles(bigint[], float8[]) RETURNS float8[]
AS '$libdir/booking', 'booking_histogram_quantiles' LANGUAGE C STRICT;
SELECT setseed(0.3);
CREATE TABLE test.lengths AS
SELECT k.kind, CASE k.kind
	WHEN 'log-uniform' THEN exp(ln(256) + random() * (ln(3600e9) - ln(256)))
	WHEN 'uniform' THEN 1000 + random() * 9000
	WHEN 'normal' THEN 2e6 + 1e5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())
	WHEN 'two peaks' THEN CASE WHEN n % 20 = 0 THEN 5e7 + random() * 1e6 ELSE 3000 + random() * 100 END
	WHEN 'one value' THEN 123456
	WHEN 'few' THEN 1000 * n
	WHEN 'powers of two' THEN 2 ^ (8 + n % 34)
	WHEN 'before powers of two' THEN 2 ^ (9 + n % 33) - 1
END::bigint AS ns
FROM unnest(ARRAY['log-uniform', 'uniform', 'normal', 'two peaks', 'one value', 'few', 'powers of two', 'before powers of two']) AS k (kind),
	generate_series(1, 5000) AS n
WHERE k.kind <> 'few' OR n <= 7;
SELECT l.kind, l.lengths, max(abs(q.estimated / q.exact - 1)) <= 0.05 AS within_5_percent
FROM (
	SELECT kind, count(*) AS lengths, test.histogram_quantiles(array_agg(ns), p.qs) AS estimated,
		percentile_disc(p.qs) WITHIN GROUP (ORDER BY ns) AS exact
	FROM test.lengths, (SELECT array_agg(i / 1000.0::float8) AS qs FROM generate_series(1, 1000) AS i) AS p
	GROUP BY kind, p.qs
) l, unnest(l.estimated, l.exact) AS q (estimated, exact)
GROUP BY 1, 2 ORDER BY 1;
-- Every bucket, at either end: none has a length that it misses by more.
SELECT count(*) AS lengths, max(abs((test.histogram_quantiles(ARRAY[ns], '{1}'))[1] / ns - 1)) <= 0.05 AS within_5_percent
FROM (
	SELECT (2 ^ (8 + i / 8.0))::bigint + d AS ns FROM generate_series(0, 34 * 8 - 1) AS i, generate_series(-1, 1) AS d
) AS edge WHERE ns >= 256;
-- Nothing is lost beyond the ends, and nothing counted is zero.
SELECT test.histogram_quantiles(ARRAY[0, 1, 255, 9223372036854775807], '{0.75, 1}') AS ends, test.histogram_quantiles('{}', '{0.5}') AS nothing;
DROP TABLE test.lengths;

-- ---------------------------------------------------------------------------
-- Who may see them
-- ---------------------------------------------------------------------------

BEGIN;
CREATE ROLE regress_booking_monitor IN ROLE pg_monitor;
CREATE ROLE regress_booking_front;
GRANT USAGE ON SCHEMA booking TO regress_booking_front;

-- pg_monitor's members may look, and no more.
SET LOCAL ROLE regress_booking_monitor;
SELECT available IS NOT NULL AS answered FROM booking.stats_info();
SELECT what, test.brief(statement) ~ '^42501 ' AS denied FROM (VALUES
	(1, 'stats', 'SELECT FROM booking.stats'), (2, 'stats_outcomes', 'SELECT FROM booking.stats_outcomes'),
	(3, 'stats_cache', 'SELECT FROM booking.stats_cache'), (4, 'stats_reset', 'SELECT booking.stats_reset()'),
	(5, 'business_metrics', 'SELECT FROM booking.business_metrics(1, ''2026-01-01'')'),
	(6, 'book_slot', 'SELECT FROM booking.book_slot(1, 1, 1, ''2026-01-01'')')) AS v (n, what, statement) ORDER BY n;
RESET ROLE;

-- A front sees nothing of them, and cannot hide what it does.
SET LOCAL ROLE regress_booking_front;
SELECT statement, test.brief(statement) FROM (VALUES
	(1, 'SELECT * FROM booking.stats'), (2, 'SELECT * FROM booking.stats_outcomes'), (3, 'SELECT * FROM booking.stats_cache'),
	(4, 'SELECT * FROM booking.stats_operations()'), (5, 'SELECT * FROM booking.stats_outcome_counts()'),
	(6, 'SELECT * FROM booking.stats_cache_counts()'), (7, 'SELECT * FROM booking.stats_info()'),
	(8, 'SELECT booking.stats_reset()'), (9, 'SELECT * FROM booking.business_metrics(1, ''2026-01-01'')'),
	(10, 'SET booking.track = off')) AS v (n, statement) ORDER BY n;
RESET ROLE;
ROLLBACK;

-- Whoever may reset them needs no more than EXECUTE.
BEGIN;
CREATE ROLE regress_booking_resetter;
GRANT USAGE ON SCHEMA booking TO regress_booking_resetter;
GRANT EXECUTE ON FUNCTION booking.stats_reset() TO regress_booking_resetter;
SET LOCAL ROLE regress_booking_resetter;
SELECT test.brief('SELECT booking.stats_reset()') ~ '^42501 ' AS denied;
ROLLBACK;
