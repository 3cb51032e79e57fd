INSERT INTO bench.unguarded (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, price_cents)
VALUES (:barber, :service, :customer, to_timestamp(:at), to_timestamp(:until), to_timestamp(:at), to_timestamp(:until), 2500)
RETURNING id \gset
UPDATE bench.unguarded
SET status = 'cancelled', cancelled_at = now(), cancelled_by = 'customer', updated_at = now(), version = version + 1
WHERE id = :id AND status IN ('pending', 'confirmed')
RETURNING id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version;
