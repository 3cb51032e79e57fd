--
-- What is never in a moved appointment's way: the rows that the move itself moves
-- or gives up.  Any other live row is, though it has the same head: a part that
-- somebody changed by itself, or another's row that was made a part.  If this
-- breaks, one barber has two customers at one time, and nobody raced for it.
--
-- Open every day 09:00 to 17:00, a quarter of an hour apart, an hour's notice.  A
-- perm works for 15 minutes, waits for 15, and works for 15 again.  It is Monday
-- 2026-03-02, eight o'clock.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 08:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, prevent_user_overlap) VALUES (19201, 'Own rows', false);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (19201, 19201, 'Ann'), (19202, 19201, 'Bob');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(19201, 19202) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity, requires_confirmation) VALUES
	(19201, 19201, 'Perm', 5, 1, false), (19202, 19201, 'Tattoo', 5, 1, true), (19203, 19201, 'Shave', 15, 1, false), (19204, 19201, 'Class', 60, 3, false);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes)
SELECT s, n, 15, (2 - n) * 15 FROM generate_series(19201, 19202) s, generate_series(1, 2) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT b, s FROM generate_series(19201, 19202) b, generate_series(19201, 19204) s;
INSERT INTO booking.users (id, email) VALUES (19201, 'u19201@example.org'), (19202, 'u19202@example.org');

CREATE FUNCTION pg_temp.at(clock time) RETURNS timestamptz LANGUAGE sql AS $$
SELECT ('2026-03-03 ' || clock || 'Z')::timestamptz
$$;
-- What a move to that time says; it is undone.
CREATE FUNCTION pg_temp.move(head bigint, clock time, barber bigint DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, %L, %L)', head, pg_temp.at(clock), barber))
$$;
CREATE FUNCTION pg_temp.moves(head bigint, clocks time[], barber bigint DEFAULT NULL) RETURNS TABLE (starts time, move text) LANGUAGE sql AS $$
SELECT c, pg_temp.move(head, c, barber) FROM unnest(clocks) WITH ORDINALITY u (c, n) ORDER BY n
$$;
CREATE FUNCTION pg_temp.live() RETURNS TABLE (barber bigint, starts time, ends time, status text, is_part boolean) LANGUAGE sql AS $$
SELECT barber_id, starts_at::time, ends_at::time, status, part_of IS NOT NULL FROM booking.appointments
WHERE barber_id IN (19201, 19202) AND status IN ('pending', 'confirmed', 'checked_in') ORDER BY barber_id, starts_at, id
$$;
SAVEPOINT s;

-- ---------------------------------------------------------------------------
-- What moves along, or is given up, is in no way
-- ---------------------------------------------------------------------------

-- A perm at ten works from 10:00 to 10:15 and from 10:30 to 10:45.  It may move to where it is.
SELECT id AS perm FROM booking.book_slot(19201, 19201, 19201, pg_temp.at('10:00')) \gset
SELECT * FROM pg_temp.moves(:perm, '{09:30,09:45,10:00,10:15,10:30,10:45}');
-- So may the shave that it becomes: the second part is given up.
SELECT starts_at, status FROM booking.reschedule_appointment(:perm, pg_temp.at('10:30'), service_id => 19203);
SELECT * FROM pg_temp.live();
ROLLBACK TO s;
-- A part that was cancelled by itself is over, and in no way either.
SELECT id AS perm FROM booking.book_slot(19201, 19201, 19201, pg_temp.at('10:00')) \gset
UPDATE booking.appointments SET status = 'cancelled' WHERE part_of = :perm;
SELECT pg_temp.move(:perm, '10:30');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- A part that stays is
-- ---------------------------------------------------------------------------

-- Somebody has begun with the second step, and checked in that part alone.  The move takes the rest, and makes no new part; not to where that part is.
SELECT id AS perm FROM booking.book_slot(19201, 19201, 19201, pg_temp.at('10:00')) \gset
UPDATE booking.appointments SET status = 'checked_in' WHERE part_of = :perm;
SELECT * FROM pg_temp.moves(:perm, '{09:45,10:00,10:15,10:30,10:45,11:00}');
SELECT starts_at FROM booking.reschedule_appointment(:perm, pg_temp.at('11:00'));
SELECT * FROM pg_temp.live();
-- Nor does anything else of the move remain once it was refused.
SELECT test.error(format('SELECT booking.reschedule_appointment(%s, %L)', :perm, pg_temp.at('10:30')));
SELECT * FROM pg_temp.live();
-- With Bob that time is free.
SELECT * FROM pg_temp.moves(:perm, '{10:00,10:15,10:30}', 19202);
ROLLBACK TO s;
-- Only the first row was confirmed; the other still waits for the shop, and keeps its time for as long as that takes.
SELECT id AS tattoo FROM booking.book_slot(19201, 19202, 19201, pg_temp.at('10:00')) \gset
UPDATE booking.appointments SET status = 'confirmed' WHERE id = :tattoo;
SELECT * FROM pg_temp.moves(:tattoo, '{10:00,10:15,10:30,10:45}');
SELECT * FROM pg_temp.live();
ROLLBACK TO s;
-- One that is pending until a moment has passed is in the way until then.
SELECT id AS tattoo FROM booking.book_slot(19201, 19202, 19201, pg_temp.at('10:00')) \gset
UPDATE booking.appointments SET status = 'confirmed' WHERE id = :tattoo;
UPDATE booking.appointments SET hold_expires_at = '2026-03-02 08:10Z' WHERE part_of = :tattoo;
SELECT pg_temp.move(:tattoo, '10:30') AS before;
SET booking.now = '2026-03-02 08:10Z';
SELECT pg_temp.move(:tattoo, '10:30') AS after;
SET booking.now = '2026-03-02 08:00Z';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Another's row that was made a part is
-- ---------------------------------------------------------------------------

SELECT id AS shave FROM booking.book_slot(19201, 19203, 19201, pg_temp.at('10:00')) \gset
SELECT id AS other FROM booking.book_slot(19201, 19203, 19202, pg_temp.at('11:00')) \gset
UPDATE booking.appointments SET part_of = :shave, status = 'checked_in' WHERE id = :other;
SELECT * FROM pg_temp.moves(:shave, '{10:45,11:00,11:15}');
-- Its customer, not the head's, has something else then.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 19201;
SELECT pg_temp.move(:shave, '11:00', 19202);
ROLLBACK TO s;
-- The customer's own other appointment, made a part by hand and begun, is one that they have at that time.
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 19201;
SELECT id AS shave FROM booking.book_slot(19201, 19203, 19201, pg_temp.at('10:00')) \gset
SELECT id AS other FROM booking.book_slot(19201, 19203, 19201, pg_temp.at('11:00')) \gset
UPDATE booking.appointments SET part_of = :shave, status = 'checked_in' WHERE id = :other;
SELECT * FROM pg_temp.moves(:shave, '{10:45,11:00,11:15}', 19202);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- And so is a seat
-- ---------------------------------------------------------------------------

-- Three sit in the class at ten, one of them as a part of the one who is alone at noon.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT 19210 + n, 19201, 19204, pg_temp.at('10:00') + hours, pg_temp.at('11:00') + hours
FROM unnest(ARRAY[interval '2 hours', '0', '0', '0']) WITH ORDINALITY u (hours, n);
UPDATE booking.appointments SET part_of = 19211, status = 'checked_in' WHERE id = 19212;
SELECT * FROM pg_temp.moves(19211, '{10:00,12:00,13:00}');
ROLLBACK TO s;
ROLLBACK;
