-- report_json.sql: everything that was measured.
--
-- psql variable: settings.

SELECT jsonb_pretty(jsonb_build_object(
	'server', version(),
	'finished_at', now(),
	'settings', :'settings',
	'summary', (SELECT jsonb_agg(c ORDER BY scenario, contestant) FROM bench.comparison c),
	'runs', (SELECT jsonb_agg(r ORDER BY scenario, round, contestant) FROM bench.results r),
	'faults', (SELECT coalesce(jsonb_agg(f), '[]') FROM bench.faults f)));
