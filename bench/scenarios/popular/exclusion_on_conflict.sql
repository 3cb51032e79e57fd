INSERT INTO bench.exclusion (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
VALUES (:chair, :service, :customer, to_timestamp(:at), to_timestamp(:at + 300), to_timestamp(:at), to_timestamp(:at + 300))
ON CONFLICT DO NOTHING
RETURNING id;
