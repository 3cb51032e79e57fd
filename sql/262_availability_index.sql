--
-- Another definition of the index that availability is read from.
--
-- Its pages are read by code of our own, which knows how it is laid out.  An
-- index that stores several rows in an entry, or is in another order, must give
-- the same answers; one that cannot answer must be refused, not misread.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

BEGIN;
INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (26201, 'Index', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (26201, 26201, 'Ed');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT 26201, n, '08:00', '14:00' FROM generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity)
VALUES (26201, 26201, 'Class', 60, 4), (26202, 26201, 'Cut', 60, 1);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (26201, 26201), (26201, 26202);
SELECT count(booking.book_slot(26201, 26201, NULL, t)) AS booked
FROM unnest(ARRAY['09:00Z', '09:00Z', '09:00Z', '11:00Z', '12:00Z', '12:00Z', '12:00Z', '12:00Z']::text[]) AS clock,
	LATERAL (SELECT ('2026-03-03 ' || clock)::timestamptz AS t) AS x;
SELECT count(booking.book_slot(26201, 26202, NULL, '2026-03-03 13:00Z')) AS booked;

CREATE TEMP TABLE answers AS SELECT 'as setup makes it' AS index, s.* FROM booking.available_slots(26201, '2026-03-03') s;
SELECT * FROM answers;

-- Equal keys share an entry.
DROP INDEX booking.idx_appointments_availability_check;
CREATE INDEX idx_appointments_availability_check
ON booking.appointments (barber_id, busy_from, busy_until, hold_expires_at)
WHERE status IN ('pending', 'confirmed', 'checked_in');
SELECT starts_at, seats_left FROM booking.available_slots(26201, '2026-03-03')
EXCEPT SELECT starts_at, seats_left FROM answers;
SELECT count(*) FROM booking.available_slots(26201, '2026-03-03');
SELECT starts_at FROM booking.available_slots(26202, '2026-03-03');
SELECT * FROM booking.free_time(26201, '2026-03-03');
SELECT count(booking.book_slot(26201, 26201, NULL, '2026-03-03 09:00Z')) AS booked;
SELECT * FROM booking.available_slots(26201, '2026-03-03');

-- More columns after those that count
DROP INDEX booking.idx_appointments_availability_check;
CREATE INDEX idx_appointments_availability_check
ON booking.appointments (barber_id, busy_from) INCLUDE (busy_until, hold_expires_at, status, notes)
WHERE status IN ('pending', 'confirmed', 'checked_in');
SELECT * FROM booking.free_time(26201, '2026-03-03');

-- The other way round, and nulls first: the server's own scan reads these.
DROP INDEX booking.idx_appointments_availability_check;
CREATE INDEX idx_appointments_availability_check
ON booking.appointments (barber_id, busy_from DESC) INCLUDE (busy_until, hold_expires_at)
WHERE status IN ('pending', 'confirmed', 'checked_in');
SELECT * FROM booking.free_time(26201, '2026-03-03');
SELECT * FROM booking.available_slots(26201, '2026-03-03');
SELECT reason FROM booking.try_book_slot(26201, 26202, NULL, '2026-03-03 09:00Z');
SELECT reason FROM booking.try_book_slot(26201, 26202, NULL, '2026-03-03 13:00Z');
DROP INDEX booking.idx_appointments_availability_check;
CREATE INDEX idx_appointments_availability_check
ON booking.appointments (barber_id DESC, busy_from NULLS FIRST) INCLUDE (busy_until, hold_expires_at)
WHERE status IN ('pending', 'confirmed', 'checked_in');
SELECT * FROM booking.free_time(26201, '2026-03-03');

-- Not in order at all: neither by begin, nor by the type's own order, nor a btree.
CREATE FUNCTION pg_temp.say(definition text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	DROP INDEX booking.idx_appointments_availability_check;
	EXECUTE format('CREATE INDEX idx_appointments_availability_check ON booking.appointments %s '
		'WHERE status IN (''pending'', ''confirmed'', ''checked_in'')', definition);
	RETURN QUERY SELECT test.error($q$ SELECT * FROM booking.free_time(26201, '2026-03-03') $q$);
	RETURN QUERY SELECT test.brief($q$ SELECT * FROM booking.try_book_slot(26201, 26202, NULL, '2026-03-03 09:00Z') $q$);
END
$$;
SELECT pg_temp.say('(barber_id) INCLUDE (busy_from, busy_until, hold_expires_at)');
CREATE FUNCTION test.later_first(timestamptz, timestamptz) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT timestamptz_cmp($2, $1)';
CREATE OPERATOR CLASS test.later_first FOR TYPE timestamptz USING btree AS
	OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 test.later_first;
SELECT pg_temp.say('(barber_id, busy_from test.later_first) INCLUDE (busy_until, hold_expires_at)');
SELECT pg_temp.say('USING brin (barber_id, busy_from, busy_until, hold_expires_at)');
ROLLBACK;
