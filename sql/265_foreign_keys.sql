--
-- The foreign keys of a row that book_slot stores.
--
-- book_slot looks most of them up by hand, and leaves the rest to the server's
-- triggers.  Whatever a trigger of the user's does in between, a row that
-- points nowhere is never stored, and the error is the server's own.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET booking.now = '2026-03-01 12:00Z';

INSERT INTO booking.shops (id, name, max_advance_days) VALUES (26501, 'References', 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (26501, 26501, 'Cy'), (26502, 26501, 'Di');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '00:00', '23:30' FROM generate_series(26501, 26502) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (26501, 26501, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (26501, 26501), (26502, 26501);
INSERT INTO booking.users (id, email) VALUES (26501, 'cy@references.example'), (26502, 'di@references.example');

CREATE FUNCTION test.interfere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE current_setting('test.deed')
		WHEN 'delete the user' THEN DELETE FROM booking.users WHERE id = new.user_id;
		WHEN 'change the user' THEN UPDATE booking.users SET name = 'New' WHERE id = new.user_id;
		WHEN 'replace the user' THEN
			DELETE FROM booking.users WHERE id = new.user_id;
			INSERT INTO booking.users (id, email) VALUES (new.user_id, 'again@references.example');
		WHEN 'another user' THEN new.user_id := 26599;
		WHEN 'another barber' THEN new.barber_id := 26599;
		WHEN 'another service' THEN new.service_id := 26599;
		WHEN 'a part of nothing' THEN new.part_of := 26599;
		WHEN 'a part of itself' THEN new.part_of := new.id;
		WHEN 'no user' THEN new.user_id := NULL;
		WHEN 'new user' THEN
			INSERT INTO booking.users (id, email) VALUES (26503, 'new@references.example');
			new.user_id := 26503;
		ELSE NULL;
	END CASE;
	RETURN new;
END
$$;
CREATE TRIGGER interfere BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.interfere();

-- What came of a booking under such a trigger; it is taken back.
CREATE FUNCTION test.book_while(deed text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	booked booking.appointment;
BEGIN
	PERFORM set_config('test.deed', deed, true);
	booked := booking.book_slot(26501, 26501, 26501, '2026-03-02 10:00Z');
	RAISE 'booked for user %', booked.user_id USING ERRCODE = 'ZZZZZ';
EXCEPTION
	WHEN OTHERS THEN
		RETURN sqlerrm;
END
$$;
SELECT deed, test.book_while(deed)
FROM unnest(ARRAY['nothing', 'delete the user', 'change the user', 'replace the user', 'another user', 'another barber',
	'another service', 'a part of nothing', 'a part of itself', 'no user', 'new user', 'nothing']) AS deed;

-- A trigger that deletes the user when the row is stored already meets the row.
CREATE FUNCTION test.delete_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM booking.users WHERE id = new.user_id;
	RETURN NULL;
END
$$;
CREATE TRIGGER a_early AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.delete_user();
SELECT test.book_while('nothing');
DROP TRIGGER a_early ON booking.appointments;
CREATE TRIGGER zzz_late AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION test.delete_user();
SELECT test.book_while('nothing');
DROP TRIGGER zzz_late ON booking.appointments;

-- One that is deferred is refused: its query would be run at the end, in whoever's place.  One that could be is checked at once.
BEGIN;
ALTER TABLE booking.appointments ALTER CONSTRAINT appointments_user_id_fkey DEFERRABLE INITIALLY DEFERRED;
SET test.deed = 'another user';
SELECT test.error('SELECT booking.book_slot(26501, 26501, 26501, ''2026-03-02 11:00Z'')');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT test.error('SELECT booking.book_slot(26501, 26501, 26501, ''2026-03-02 11:00Z'')');
SET test.deed = 'nothing';
SELECT user_id FROM booking.book_slot(26501, 26501, 26501, '2026-03-02 11:00Z');
ROLLBACK;
SELECT count(*) FROM booking.appointments WHERE user_id = 26599;

-- Keys that are no bigint, or several: the user's own
BEGIN;
CREATE TABLE test.colours (name text PRIMARY KEY);
CREATE TABLE test.numbers (number int PRIMARY KEY);
INSERT INTO test.numbers VALUES (26501);
ALTER TABLE booking.appointments ADD colour text DEFAULT 'red' REFERENCES test.colours;
SELECT test.book_while('nothing');
INSERT INTO test.colours VALUES ('red');
SELECT test.book_while('nothing');
ALTER TABLE booking.appointments ADD FOREIGN KEY (barber_id) REFERENCES test.numbers;
SELECT test.book_while('nothing');
DELETE FROM test.numbers;
SELECT test.book_while('nothing');
ROLLBACK;
BEGIN;
ALTER TABLE booking.appointments ADD FOREIGN KEY (barber_id, service_id) REFERENCES booking.barber_services;
SELECT test.book_while('nothing');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (26599, 26501, 'Shave', 30);
SELECT test.book_while('another service');
ROLLBACK;

-- A key that is gone asks for nothing.
BEGIN;
ALTER TABLE booking.appointments DROP CONSTRAINT appointments_user_id_fkey;
SELECT test.book_while('another user');
ROLLBACK;

DROP TRIGGER interfere ON booking.appointments;
DROP FUNCTION test.interfere, test.book_while, test.delete_user;

DELETE FROM booking.appointments WHERE service_id = 26501;
DELETE FROM booking.appointment_history h WHERE h.to_values IS NULL AND h.from_values->>'service_id' = '26501';
DELETE FROM booking.services WHERE shop_id = 26501;
DELETE FROM booking.barbers WHERE shop_id = 26501;
DELETE FROM booking.shops WHERE id = 26501;
