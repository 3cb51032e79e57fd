-- report.sql: the table that bench/run prints.

CREATE VIEW bench.summary AS
SELECT scenario, contestant,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median,
	min(value) AS lowest, max(value) AS highest,
	sum(transactions) AS transactions, sum(booked) AS booked, sum(deadlocks) AS deadlocks, sum(gave_up) AS gave_up
FROM bench.results
GROUP BY scenario, contestant;

-- speedup: how many times as fast ours is
CREATE VIEW bench.comparison AS
SELECT s.*, i.is_time,
	CASE WHEN i.is_time THEN s.median / o.median ELSE o.median / s.median END AS speedup,
	t.target
FROM bench.summary s
CROSS JOIN LATERAL (SELECT s.scenario ~ '^(days?$|stats_)' AS is_time) i
LEFT JOIN bench.summary o ON o.scenario = s.scenario AND o.contestant = 'ours'
LEFT JOIN (VALUES
	('day', 'multirange', '>= 4'),
	('book_async', 'unguarded', '>= 0.75'),
	('book_sync', 'unguarded', '>= 0.75'),
	('fight', 'exclusion_on_conflict', '> 1'),
	('stats_check', 'untracked', '>= 0.98'),
	('stats_day', 'untracked', '>= 0.98'),
	('stats_book', 'untracked', '>= 0.98')) AS t (scenario, contestant, target)
	ON t.scenario = s.scenario AND t.contestant = s.contestant;

\pset tuples_only off
\pset format aligned
\pset footer off
\pset border 1
\echo
SELECT scenario, contestant,
	to_char(median, CASE WHEN is_time THEN 'FM9999990.00' ELSE 'FM9999990' END) AS median,
	to_char(lowest, CASE WHEN is_time THEN 'FM9999990.00' ELSE 'FM9999990' END) || '-'
		|| to_char(highest, CASE WHEN is_time THEN 'FM9999990.00' ELSE 'FM9999990' END) AS "min-max",
	CASE WHEN is_time THEN 'us/call' ELSE 'tx/s' END AS unit,
	CASE WHEN contestant <> 'ours' THEN to_char(speedup, 'FM9999990.00') END AS "ours is x times as fast",
	target,
	CASE WHEN scenario = 'fight' THEN
		format('%s tries, %s booked, %s deadlocks, %s gave up', transactions, booked, deadlocks, gave_up)
	END AS notes
FROM bench.comparison
ORDER BY array_position('{day,days,statement,book_async,book_sync,fight,stats_check,stats_day,stats_book}', scenario),
	contestant <> 'ours', speedup DESC;
