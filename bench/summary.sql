-- summary.sql: the views of what was measured, and the table that bench/run prints.

CREATE VIEW bench.medians AS
SELECT scenario, contestant,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median,
	min(value) AS lowest, max(value) AS highest,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY p50_us) AS p50_us,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY p95_us) AS p95_us,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY p99_us) AS p99_us,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY max_us) AS max_us,
	sum(transactions) AS transactions,
	1 - sum(failed) / nullif(sum(transactions), 0) AS success_rate,
	sum(booked) AS booked, sum(double_booked) AS double_booked,
	sum(deadlocks) AS deadlocks, sum(gave_up) AS gave_up
FROM bench.results
GROUP BY scenario, contestant;

-- ratio: how many times as fast ours is, as a median and in its 99th percentile
CREATE VIEW bench.ratios AS
SELECT s.position AS scenario_position, s.title, s.unit, c.position, c.is_floor, m.*,
	CASE WHEN c.contestant <> 'ours' THEN
		CASE s.unit WHEN 'us' THEN m.median / o.median ELSE o.median / nullif(m.median, 0) END
	END AS ratio,
	CASE WHEN c.contestant <> 'ours' THEN m.p99_us / nullif(o.p99_us, 0) END AS p99_ratio
FROM bench.contestants c
JOIN bench.scenarios s USING (scenario)
JOIN bench.medians m USING (scenario, contestant)
LEFT JOIN bench.medians o ON o.scenario = c.scenario AND o.contestant = 'ours';

-- A peer does what ours does: it is no floor, and books nothing twice.
CREATE VIEW bench.best_peers AS
SELECT scenario, min(ratio) AS ratio
FROM bench.ratios
WHERE NOT is_floor AND contestant !~ '^ours' AND coalesce(double_booked, 0) = 0
GROUP BY scenario;

CREATE VIEW bench.summary AS
SELECT r.*, b.ratio IS NOT NULL AS is_best_peer,
	coalesce(c.target, CASE WHEN b.ratio IS NOT NULL THEN s.best_peer_target END) AS target,
	coalesce(c.p99_target, CASE WHEN b.ratio IS NOT NULL THEN s.best_peer_p99_target END) AS p99_target
FROM bench.ratios r
JOIN bench.contestants c USING (scenario, contestant)
JOIN bench.scenarios s USING (scenario)
LEFT JOIN bench.best_peers b ON b.scenario = r.scenario AND b.ratio = r.ratio AND NOT r.is_floor;

\pset tuples_only off
\pset format aligned
\pset footer off
\pset border 1
\echo
SELECT scenario,
	contestant || CASE WHEN is_best_peer THEN ' (best peer)' WHEN is_floor THEN ' (floor)' ELSE '' END AS contestant,
	to_char(median, number) AS median,
	to_char(lowest, number) || '-' || to_char(highest, number) AS "min-max",
	CASE unit WHEN 'us' THEN 'us/call' ELSE 'tx/s' END AS unit,
	to_char(p50_us / 1000, 'FM99990.00') AS "p50 ms",
	to_char(p99_us / 1000, 'FM99990.00') AS "p99 ms",
	to_char(ratio, 'FM9999990.00') AS "ours is x times as fast",
	concat_ws(', ', '>= ' || target, 'p99 >= ' || p99_target) AS target,
	CASE WHEN coalesce(target, p99_target) IS NOT NULL THEN
		CASE WHEN ratio >= coalesce(target, 0) AND (p99_target IS NULL OR p99_ratio >= p99_target) THEN 'yes' ELSE 'no' END
	END AS met,
	concat_ws(', ', booked || ' booked', nullif(double_booked, 0) || ' double bookings',
		nullif(deadlocks, 0) || ' deadlocks', nullif(gave_up, 0) || ' gave up',
		CASE WHEN success_rate < 1 THEN to_char(100 * success_rate, 'FM990.00') || ' % succeeded' END) AS notes
FROM bench.summary,
	LATERAL (SELECT CASE unit WHEN 'us' THEN 'FM9999990.00' ELSE 'FM9999990' END AS number) AS f
ORDER BY scenario_position, contestant <> 'ours', ratio DESC;
