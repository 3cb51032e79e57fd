INSERT INTO bench.exclusion (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
SELECT :chair, :service, :customer, at, at + interval '1 hour', at, at + interval '1 hour'
FROM (SELECT to_timestamp(:chair_base + nextval('bench.tries') / 64 * 7200 + :late) AS at) AS chosen
ON CONFLICT DO NOTHING
RETURNING id;
