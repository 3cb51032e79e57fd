-- json.sql: everything that was measured.
--
-- psql variables: barbers, appointments, rounds, seconds, clients; machine (JSON).

SELECT jsonb_pretty(jsonb_build_object(
	'format', 1,
	'server', version(),
	'machine', :'machine'::jsonb,
	'finished_at', now(),
	'settings', jsonb_build_object('barbers', :barbers, 'appointments', :appointments,
		'rounds', :rounds, 'seconds', :seconds, 'clients', :clients),
	'summary', (SELECT jsonb_agg(to_jsonb(s) - 'scenario_position' - 'position'
			ORDER BY s.scenario_position, s.position) FROM bench.summary s),
	'runs', (SELECT jsonb_agg(r ORDER BY s.position, c.position, round)
		FROM bench.results r JOIN bench.contestants c USING (scenario, contestant) JOIN bench.scenarios s USING (scenario)),
	'faults', (SELECT coalesce(jsonb_agg(f), '[]') FROM bench.faults f))
	|| (SELECT CASE WHEN count(*) > 0 THEN jsonb_build_object('growth', jsonb_agg(g)) ELSE '{}' END FROM bench.growth g));
