-- growth_table.sql: the medians of bench.growth_runs, and the tables that
-- bench/run --growth prints.
--
-- psql variables: the three sizes of each axis, few_appointments,
-- more_appointments, most_appointments, few_barbers, more_barbers, most_barbers.

INSERT INTO bench.growth (axis, appointments, barbers, asked, call, us, lowest, highest)
SELECT axis, appointments, barbers, CASE axis WHEN 'barbers' THEN asker END, call,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY us), min(us), max(us)
FROM bench.growth_runs
GROUP BY axis, appointments, barbers, asker, call
ORDER BY axis, asker, call, appointments;

CREATE VIEW bench.growth_table AS
SELECT axis, asked, call, to_char(us[1], 'FM9999990.00') AS few, to_char(us[2], 'FM9999990.00') AS more,
	to_char(us[3], 'FM9999990.00') AS most, round(us[3] / us[1], 2) AS growth,
	round(lowest[3] / lowest[1], 2) AS of_lowest
FROM (
	SELECT axis, asked, call, array_agg(us ORDER BY appointments) AS us, array_agg(lowest ORDER BY appointments) AS lowest
	FROM bench.growth GROUP BY axis, asked, call
) AS c;

\pset tuples_only off
\pset format aligned
\pset footer off
\pset border 1
\set target 1.3
\echo
\echo 'Microseconds a call, by the number of appointments'
SELECT call, few AS :"few_appointments", more AS :"more_appointments", most AS :"most_appointments",
	growth, of_lowest AS "of the lowest rounds", '<= ' || :target AS target, CASE WHEN growth <= :target THEN 'yes' ELSE 'no' END AS met
FROM bench.growth_table WHERE axis = 'appointments' ORDER BY call;
\echo 'Microseconds a call, by the number of barbers'
SELECT call, asked AS "asked about", few AS :"few_barbers", more AS :"more_barbers", most AS :"most_barbers", growth,
	of_lowest AS "of the lowest rounds"
FROM bench.growth_table WHERE axis = 'barbers' ORDER BY asked DESC, call;
