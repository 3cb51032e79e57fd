--
-- A service has steps, or a capacity above 1, or neither; never both.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name) VALUES (24501, 'Steps');
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity)
VALUES (24501, 24501, 'Colour', 60, 1), (24502, 24501, 'Class', 60, 8), (24503, 24501, 'Cut', 30, 1);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (24501, 1, 30, 45), (24501, 2, 30, 0);

-- ---------------------------------------------------------------------------
-- One after the other
-- ---------------------------------------------------------------------------

-- Steps for a service with a capacity.
SELECT test.error('INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24502, 1, 30)');
-- A capacity for a service with steps.
SELECT test.error('UPDATE booking.services SET capacity = 2 WHERE id = 24501');
-- Either way it is a constraint of the table that was written, for clients that look at constraint names.
CREATE FUNCTION pg_temp.broken(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s text; t text; c text;
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN check_violation THEN
	GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = CONSTRAINT_NAME;
	RETURN concat_ws(' ', s, t, c);
END
$$;
SELECT pg_temp.broken('INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24502, 1, 30)');
SELECT pg_temp.broken('UPDATE booking.services SET capacity = 2 WHERE id = 24501');
-- A step that is moved to a service with a capacity; one that stays may change.
SELECT test.brief('UPDATE booking.service_steps SET service_id = 24502 WHERE service_id = 24501 AND position = 2');
UPDATE booking.service_steps SET work_minutes = 20 WHERE service_id = 24501 AND position = 2;
-- Of several rows one is enough.
SELECT test.brief('INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24503, 1, 30), (24502, 1, 30), (24501, 3, 30)');
SELECT test.brief('UPDATE booking.services SET capacity = 4 WHERE shop_id = 24501');
SELECT test.brief('INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24502, 1, 30) ON CONFLICT DO NOTHING');
-- What else is changed in a service, and a capacity of 1, is none of it; nor is a capacity where there are no steps.
UPDATE booking.services SET name = 'Balayage', capacity = 1, is_active = false WHERE id = 24501;
UPDATE booking.services SET capacity = 9, name = 'Course' WHERE id = 24502;
UPDATE booking.services SET capacity = 2 WHERE id = 24503;
UPDATE booking.services SET capacity = 1 WHERE id = 24503;
INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24503, 1, 30);
SELECT s.id, s.name, s.capacity, count(t.position) AS steps
FROM booking.services s LEFT JOIN booking.service_steps t ON t.service_id = s.id WHERE s.shop_id = 24501 GROUP BY s.id ORDER BY s.id;
-- The one must go before the other can come, in either direction; and then there is no way back.
DELETE FROM booking.service_steps WHERE service_id = 24503;
UPDATE booking.services SET capacity = 5 WHERE id = 24503;
SELECT test.brief('INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24503, 1, 30)');
UPDATE booking.services SET capacity = 1 WHERE id = 24502;
INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24502, 1, 30);
SELECT test.brief('UPDATE booking.services SET capacity = 9 WHERE id = 24502');
-- The last of the steps is a step.
DELETE FROM booking.service_steps WHERE service_id = 24501 AND position = 1;
SELECT test.brief('UPDATE booking.services SET capacity = 2 WHERE id = 24501');
-- A service that is not there is the foreign key's business.
SELECT test.brief('INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24599, 1, 30)');
-- A new number does not hide it: 24501 has steps, 24503 a capacity.
SELECT test.brief('UPDATE booking.services SET id = 24504, capacity = 3 WHERE id = 24501');
SELECT test.brief('UPDATE booking.service_steps SET service_id = 24503');

-- ---------------------------------------------------------------------------
-- Both in one statement
-- ---------------------------------------------------------------------------

SAVEPOINT s;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (24511, 24501, 'Both', 30), (24512, 24501, 'Both', 30);
SELECT test.brief('WITH w AS (UPDATE booking.services SET capacity = 2 WHERE id = 24511)
	INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24511, 1, 30)');
SELECT test.brief('WITH w AS (INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24511, 1, 30))
	UPDATE booking.services SET capacity = 2 WHERE id = 24511');
-- One goes, the other comes.
WITH w AS (UPDATE booking.services SET capacity = 1 WHERE id = 24503)
INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24503, 1, 30);
WITH w AS (DELETE FROM booking.service_steps WHERE service_id = 24503)
UPDATE booking.services SET capacity = 3 WHERE id = 24503;
-- In a trigger of the user's, which writes the one on account of the other.
CREATE FUNCTION pg_temp.add_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (NEW.id, 1, 30);
	RETURN NEW;
END
$$;
CREATE TRIGGER add_step BEFORE UPDATE ON booking.services FOR EACH ROW WHEN (NEW.id = 24511) EXECUTE FUNCTION pg_temp.add_step();
SELECT test.brief('UPDATE booking.services SET capacity = 2 WHERE id = 24511');
UPDATE booking.services SET name = 'Steps' WHERE id = 24511;
DROP TRIGGER add_step ON booking.services;
SELECT id, capacity FROM booking.services WHERE id IN (24503, 24511) ORDER BY id;
SELECT service_id, position FROM booking.service_steps WHERE service_id IN (24503, 24511) ORDER BY 1, 2;
-- Services go with their steps.
DELETE FROM booking.services WHERE id IN (24511, 24512);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Writers with few privileges
-- ---------------------------------------------------------------------------

-- Whoever may write steps cannot see the services, and the other way round: the check is the tables' owner's, not theirs.
CREATE ROLE regress_booking_steps;
CREATE ROLE regress_booking_services;
GRANT USAGE ON SCHEMA booking TO regress_booking_steps, regress_booking_services;
GRANT INSERT ON booking.service_steps TO regress_booking_steps;
GRANT UPDATE, SELECT ON booking.services TO regress_booking_services;
SET LOCAL ROLE regress_booking_steps;
SELECT test.brief('SELECT FROM booking.services');
SELECT test.brief('INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24503, 1, 30)');
INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (24502, 3, 30);
SET LOCAL ROLE regress_booking_services;
SELECT test.brief('SELECT FROM booking.service_steps');
SELECT test.brief('UPDATE booking.services SET capacity = 2 WHERE id = 24502');
UPDATE booking.services SET capacity = 7 WHERE id = 24503;
RESET ROLE;

-- ---------------------------------------------------------------------------
-- As a trigger of another kind it would not hold
-- ---------------------------------------------------------------------------

SAVEPOINT s;
CREATE TRIGGER another BEFORE UPDATE ON booking.services FOR EACH ROW EXECUTE FUNCTION booking.check_steps();
SELECT test.error('UPDATE booking.services SET name = ''x'' WHERE id = 24503');
ROLLBACK TO s;
CREATE TRIGGER another AFTER DELETE ON booking.service_steps FOR EACH ROW EXECUTE FUNCTION booking.check_steps();
SELECT test.brief('DELETE FROM booking.service_steps WHERE service_id = 24502');
ROLLBACK TO s;
CREATE TRIGGER another AFTER UPDATE ON booking.barber_services FOR EACH ROW EXECUTE FUNCTION booking.check_steps();
INSERT INTO booking.barbers (id, shop_id, name) VALUES (24501, 24501, 'Stu');
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (24501, 24501);
SELECT test.brief('UPDATE booking.barber_services SET price_cents = 1 WHERE barber_id = 24501');
ROLLBACK TO s;
SELECT test.brief('SELECT booking.check_steps()');

ROLLBACK;
