--
-- BEFORE triggers of the user's that change a new row: the guard judges the row
-- as they leave it, and asks for its customer's limits, its key and its id.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00+00';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, max_active_per_user, prevent_user_overlap) VALUES (19401, 'Triggers', 'UTC', 1, true);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (19401, 19401, 'Lee'), (19402, 19401, 'Lou');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '18:00' FROM generate_series(19401, 19402) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (19401, 19401, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (19401, 19401), (19402, 19401);
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(19401, 19404) n;

-- Named to fire after the guard's.  Customer 19402 is a child of 19401's.
CREATE FUNCTION pg_temp.late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.user_id = 19402 THEN
		NEW.user_id := 19401;
	END IF;
	IF NEW.idempotency_key LIKE 'shop %' THEN
		NEW.idempotency_key := substr(NEW.idempotency_key, 6);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER zzz_late BEFORE INSERT ON booking.appointments
FOR EACH ROW EXECUTE FUNCTION pg_temp.late();

CREATE FUNCTION pg_temp.try(customer bigint, at timestamptz, key text DEFAULT NULL, barber bigint DEFAULT 19401)
RETURNS text LANGUAGE sql AS $$
SELECT coalesce(reason, 'booked') FROM booking.try_book_slot(barber, 19401, customer, at, key)
$$;

-- The child's appointment is the parent's, who may have one.
SELECT pg_temp.try(19401, '2026-03-02 09:00') AS parent, pg_temp.try(19402, '2026-03-02 10:00', barber => 19402) AS child,
	pg_temp.try(19403, '2026-03-02 10:00') AS another;
SELECT user_id, starts_at FROM booking.appointments WHERE barber_id IN (19401, 19402) ORDER BY starts_at;
-- Nobody is in two places, however he comes there.
UPDATE booking.shops SET max_active_per_user = NULL WHERE id = 19401;
SELECT pg_temp.try(19402, '2026-03-02 09:00', barber => 19402) AS child_elsewhere;

-- The key that is stored is the key that counts.
SELECT pg_temp.try(19403, '2026-03-03 09:00', 'shop a') AS first, pg_temp.try(19403, '2026-03-03 11:00', 'a') AS another_request,
	pg_temp.try(19404, '2026-03-03 12:00', 'shop a') AS another_customer;
SELECT count(*) FROM booking.appointments WHERE idempotency_key IN ('a', 'shop a');

-- A row with another id is not in its own way.
ALTER TABLE booking.appointments DISABLE TRIGGER zzz_late;
CREATE FUNCTION pg_temp.later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.id := 1940100;
	RETURN NEW;
END $$;
CREATE TRIGGER zzz_later BEFORE INSERT ON booking.appointments
FOR EACH ROW EXECUTE FUNCTION pg_temp.later();
SELECT pg_temp.try(19404, '2026-03-04 09:00') AS new_id;
SELECT id FROM booking.appointments WHERE starts_at = '2026-03-04 09:00' AND barber_id = 19401;
-- The id is taken: the error is the unique index's, and nothing is left.
SAVEPOINT taken;
SELECT test.error('SELECT booking.try_book_slot(19402, 19401, 19404, ''2026-03-04 10:00'')');
ROLLBACK TO taken;
SELECT count(*) FROM booking.appointments WHERE id = 1940100;
DROP TRIGGER zzz_later ON booking.appointments;

-- A trigger that makes a part last longer, into the next one of its service: new, and moved.
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (19402, 19401, 'Perm', 5);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (19402, 1, 15, 15), (19402, 2, 15, 0);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (19401, 19402);
CREATE FUNCTION pg_temp.longer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.busy_until := NEW.ends_at + interval '20 min';
	RETURN NEW;
END $$;
SELECT id AS perm FROM booking.book_slot(19401, 19402, 19404, '2026-03-05 09:00') \gset
CREATE TRIGGER zzz_longer BEFORE INSERT OR UPDATE ON booking.appointments
FOR EACH ROW EXECUTE FUNCTION pg_temp.longer();
SELECT reason FROM booking.try_book_slot(19401, 19402, 19403, '2026-03-05 12:00');
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-05 14:00'')', :perm)) AS move;
SELECT count(*) AS stored FROM booking.appointments WHERE barber_id = 19401 AND starts_at > '2026-03-05 10:00';
DROP TRIGGER zzz_longer ON booking.appointments;

-- An error while a function writes leaves nothing behind: the next raw row is judged as ever.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (19490, 19402, 19401, '2026-03-06 09:00', '2026-03-06 09:30');
SELECT id AS cut FROM booking.book_slot(19401, 19401, 19404, '2026-03-06 09:00') \gset
ALTER TABLE booking.appointments ADD CONSTRAINT not_lou CHECK (id <> 0 AND (barber_id <> 19402 OR id = 19490)) NOT VALID;
SAVEPOINT moved;
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-06 12:00'', 19402)', :cut)) AS move;
SELECT test.brief('SELECT booking.book_slot(19402, 19401, 19403, ''2026-03-06 12:00'')') AS book;
ALTER TABLE booking.appointments DROP CONSTRAINT not_lou;
SELECT test.brief(format('UPDATE booking.appointments SET barber_id = 19402 WHERE id = %s', :cut)) AS raw_move;
SELECT pg_temp.try(19403, '2026-03-06 12:00', barber => 19402) AS booked;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' OR locktype = 'spectoken';
ROLLBACK;
