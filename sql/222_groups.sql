--
-- Groups: a service with a capacity, whose appointments share one time.
--
-- Open Monday to Friday 09:00 to 13:00, half an hour apart, two weeks ahead.
-- It is Sunday 2026-03-01, noon.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (22201, 'Groups', 30, 14);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (22201, 22201, 'Gus'), (22202, 22201, 'Gil');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '13:00' FROM generate_series(22201, 22202) b, generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity, price_cents, buffer_before_minutes, buffer_after_minutes) VALUES
	(22201, 22201, 'Class', 60, 3, 500, 0, 0), (22202, 22201, 'Talk', 60, 3, 100, 0, 0), (22203, 22201, 'Cut', 30, 1, 3000, 0, 0),
	(22204, 22201, 'Messy class', 60, 2, 700, 15, 30);
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes)
SELECT b, s, CASE WHEN b = 22202 AND s = 22201 THEN 45 END FROM generate_series(22201, 22202) b, generate_series(22201, 22204) s;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(22201, 22209) n;

-- The slots of a service of Gus's with their seats, one line for a date.
CREATE FUNCTION pg_temp.seats(service bigint, from_date date DEFAULT '2026-03-02', to_date date DEFAULT NULL, moved bigint DEFAULT NULL, barber bigint DEFAULT 22201)
RETURNS TABLE (day date, starts text) LANGUAGE sql AS $$
SELECT s.starts_at::date, string_agg(to_char(s.starts_at, 'HH24:MI') || '=' || s.seats_left, ' ' ORDER BY s.starts_at)
FROM booking.available_slots(service, from_date, to_date, barber, moved) s GROUP BY 1 ORDER BY 1
$$;
-- What try_book_slot answers, for March 2 and Gus unless said otherwise, and check_slot.
CREATE FUNCTION pg_temp.try(customer bigint, service bigint, at text, barber bigint DEFAULT 22201, overrides text[] DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
SELECT coalesce(reason, 'booked') FROM booking.try_book_slot(barber, service, customer, ('2026-03-02 ' || at || 'Z')::timestamptz, NULL, overrides)
$$;
CREATE FUNCTION pg_temp.check(service bigint, at text, barber bigint DEFAULT 22201) RETURNS text LANGUAGE sql AS $$
SELECT coalesce(reason, 'available') FROM booking.check_slot(barber, service, ('2026-03-02 ' || at || 'Z')::timestamptz)
$$;
-- A statement that writes a raw row of March 2; Gus's and confirmed unless said otherwise.
CREATE FUNCTION pg_temp.put(id bigint, service bigint, from_time text, to_time text, status text DEFAULT 'confirmed', barber bigint DEFAULT 22201,
	busy_from text DEFAULT NULL, busy_until text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
SELECT format('INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until, status) VALUES (%s, %s, %s, %L, %L, %L, %L, %L)',
	id, barber, service, '2026-03-02 ' || from_time || 'Z', '2026-03-02 ' || to_time || 'Z', '2026-03-02 ' || coalesce(busy_from, from_time) || 'Z',
	'2026-03-02 ' || coalesce(busy_until, to_time) || 'Z', status)
$$;
-- Such a row in earnest.
CREATE PROCEDURE pg_temp.store(id bigint, service bigint, from_time text, to_time text, status text DEFAULT 'confirmed') LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE pg_temp.put(id, service, from_time, to_time, status);
END
$$;
SAVEPOINT empty;

-- ---------------------------------------------------------------------------
-- Seats
-- ---------------------------------------------------------------------------

-- Nobody yet: all seats everywhere; a service for one has one.
SELECT starts FROM pg_temp.seats(22201);
SELECT starts FROM pg_temp.seats(22203);
-- The first makes the group, at its time; the others join it, and no slot overlaps it.  Each is an appointment of its own, at the full price.
SELECT user_id, starts_at, ends_at, price_cents, visit_id FROM booking.book_slot(22201, 22201, 22201, '2026-03-02 10:00Z');
SELECT starts FROM pg_temp.seats(22201);
SELECT pg_temp.try(22202, 22201, '10:00'), pg_temp.check(22201, '10:00') AS one_seat;
SELECT starts FROM pg_temp.seats(22201);
-- What is in the way: another start that overlaps, another service, though it lasts as long, a service for one.
SELECT pg_temp.try(22203, 22201, '09:30') AS before, pg_temp.try(22203, 22201, '10:30') AS after, pg_temp.try(22203, 22202, '10:00') AS talk,
	pg_temp.try(22203, 22203, '10:00') AS cut, pg_temp.try(22203, 22203, '10:30') AS cut_later;
SELECT pg_temp.check(22201, '09:30') AS before, pg_temp.check(22201, '10:30') AS after, pg_temp.check(22202, '10:00') AS talk,
	pg_temp.check(22203, '10:00') AS cut, pg_temp.check(22203, '10:30') AS cut_later;
SELECT (SELECT starts FROM pg_temp.seats(22202)) AS talk, (SELECT starts FROM pg_temp.seats(22203)) AS cut;
-- What touches it is not.
SELECT pg_temp.try(22203, 22202, '09:00') AS talk, pg_temp.try(22203, 22203, '11:00') AS cut;
-- Three are a full group; the fourth comes too late, in every function, even with everything overridden.  A walk-in takes a seat as well.
SELECT pg_temp.try(NULL, 22201, '10:00'), pg_temp.try(22204, 22201, '10:00') AS fourth, pg_temp.check(22201, '10:00');
SELECT test.error('SELECT booking.book_slot(22201, 22201, 22204, ''2026-03-02 10:00Z'', NULL, ''{hours,notice,grid,horizon,limits,window}'')');
SELECT test.brief('SELECT booking.hold_slot(22201, 22201, 22204, ''2026-03-02 10:00Z'')');
SELECT starts FROM pg_temp.seats(22201);
-- Counted by day and searched for, a group is one slot while it has a seat.
SELECT slot_count, first_slot FROM booking.availability_by_day(22201, '2026-03-02', '2026-03-02', 22201);
SELECT status FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE user_id = 22202));
SELECT slot_count, first_slot FROM booking.availability_by_day(22201, '2026-03-02', '2026-03-02', 22201);
SELECT starts_at, ends_at, seats_left FROM booking.next_slots(22201, '2026-03-02 09:00Z', 2, 22201);
SELECT starts_at, ends_at, seats_left FROM booking.next_slots(22201, '2026-03-02 10:00:01Z', 1, 22201);
-- The seat that was given back is taken again.
SELECT pg_temp.try(22204, 22201, '10:00'), pg_temp.try(22205, 22201, '10:00') AS fifth;
ROLLBACK TO empty;

-- Another barber's group is another group, as long as that barber's own minutes say; a group of 45 minutes has none of 60 in it.
SELECT pg_temp.try(22201, 22201, '10:00', 22202), pg_temp.try(22201, 22201, '10:00');
SELECT (SELECT starts FROM pg_temp.seats(22201)) AS gus, (SELECT starts FROM pg_temp.seats(22201, barber => 22202)) AS gil;
SELECT barber_id, starts_at, ends_at, seats_left FROM booking.available_slots(22201, '2026-03-02') WHERE starts_at = '2026-03-02 10:00Z';
UPDATE booking.barber_services SET duration_minutes = NULL WHERE barber_id = 22202;
SELECT starts FROM pg_temp.seats(22201, barber => 22202);
SELECT pg_temp.try(22202, 22201, '10:00', 22202), pg_temp.check(22201, '10:00', 22202);
-- The same minutes again, and the group can be joined again.
UPDATE booking.barber_services SET duration_minutes = 45 WHERE barber_id = 22202 AND service_id = 22201;
SELECT pg_temp.try(22202, 22201, '10:00', 22202);
ROLLBACK TO empty;
-- Buffers are a group's, not each member's; a group that was made with other buffers is not joined.
SELECT pg_temp.try(22201, 22204, '10:00'), pg_temp.try(22202, 22204, '10:00'), pg_temp.try(22203, 22204, '10:00') AS third;
SELECT DISTINCT busy_from, busy_until FROM booking.appointments WHERE service_id = 22204;
SELECT (SELECT starts FROM pg_temp.seats(22204)) AS messy, (SELECT starts FROM pg_temp.seats(22203)) AS cut;
SELECT status FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE user_id = 22202));
SELECT starts FROM pg_temp.seats(22204);
UPDATE booking.services SET buffer_after_minutes = 15 WHERE id = 22204;
SELECT starts FROM pg_temp.seats(22204);
SELECT pg_temp.try(22203, 22204, '10:00'), pg_temp.check(22204, '10:00');
ROLLBACK TO empty;
-- Any barber will do: as long as one has a seat.
SELECT u AS user_id, t.appointment_id > 0 AS booked, t.reason FROM generate_series(22201, 22206) u, booking.try_book_slot(NULL, 22202, u, '2026-03-02 10:00Z') t ORDER BY 1;
SELECT barber_id, count(*) FROM booking.appointments WHERE service_id = 22202 GROUP BY 1 ORDER BY 1;
SELECT reason FROM booking.try_book_slot(NULL, 22202, 22207, '2026-03-02 10:00Z');
ROLLBACK TO empty;
-- The same request again is the same seat.
SELECT id AS first FROM booking.book_slot(22201, 22201, 22201, '2026-03-02 10:00Z', 'my seat') \gset
SELECT id = :first AS same FROM booking.book_slot(22201, 22201, 22201, '2026-03-02 10:00Z', 'my seat');
SELECT starts FROM pg_temp.seats(22201);
-- A family takes its seats at once, or none of them.
SELECT test.brief('SELECT booking.book_visit(22202, array_fill((22201, 22201, ''2026-03-02 10:00Z'', NULL)::booking.visit_item, ARRAY[3]))');
SELECT starts FROM pg_temp.seats(22201);
SELECT user_id, starts_at FROM booking.book_visit(22202, array_fill((22201, 22201, '2026-03-02 10:00Z', NULL)::booking.visit_item, ARRAY[2]));
SELECT pg_temp.try(22203, 22201, '10:00');
-- Nobody sits in two places, where the shop minds.
ROLLBACK TO empty;
UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 22201;
SELECT pg_temp.try(22201, 22201, '10:00'), pg_temp.try(22201, 22201, '10:00') AS twice, pg_temp.try(22202, 22201, '10:00') AS other;
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- Raw writers: the guard counts for them too
-- ---------------------------------------------------------------------------

-- Two are there: a third is let in, if barber, service, start and busy time are the same; rows that are not live take no seat.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT n, 22201, 22201, '2026-03-02 10:00Z', '2026-03-02 11:00Z' FROM generate_series(22211, 22212) n;
SAVEPOINT two;
SELECT starts FROM pg_temp.seats(22201);
SELECT v.what, test.brief(pg_temp.put(22213, v.service, v.f, v.u, v.status, busy_from => v.bf, busy_until => v.bu)) FROM (VALUES
	('the same', 22201, '10:00', '11:00', 'confirmed', NULL, NULL), ('pending', 22201, '10:00', '11:00', 'pending', NULL, NULL),
	('ends earlier, is busy as long', 22201, '10:00', '10:50', 'confirmed', NULL, '11:00'),
	('another service', 22202, '10:00', '11:00', 'confirmed', NULL, NULL), ('shorter', 22201, '10:00', '10:59', 'confirmed', NULL, NULL),
	('longer', 22201, '10:00', '11:01', 'confirmed', NULL, NULL), ('starts later, is busy as long', 22201, '10:10', '11:00', 'confirmed', '10:00', NULL),
	('busy from earlier', 22201, '10:00', '11:00', 'confirmed', '09:50', NULL), ('busy until later', 22201, '10:00', '11:00', 'confirmed', NULL, '11:10'),
	('overlapping', 22201, '10:30', '11:30', 'confirmed', NULL, NULL), ('cancelled, as wrong as can be', 22202, '10:30', '11:30', 'cancelled', NULL, NULL))
	v (what, service, f, u, status, bf, bu);
-- A fourth is not, in the words of any overlap, whether alone, in one statement with the third, or by COPY.
SELECT test.brief(pg_temp.put(22213, 22201, '10:00', '11:00') || ';' || pg_temp.put(22214, 22201, '10:00', '11:00'));
SELECT test.error('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	SELECT 22201, 22201, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z'' FROM generate_series(1, 2)');
COPY booking.appointments (id, barber_id, service_id, starts_at, ends_at) FROM STDIN;
22213	22201	22201	2026-03-02 10:00Z	2026-03-02 11:00Z
22214	22201	22201	2026-03-02 10:00Z	2026-03-02 11:00Z
\.
ROLLBACK TO two;
COPY booking.appointments (id, barber_id, service_id, starts_at, ends_at) FROM STDIN;
22213	22201	22201	2026-03-02 10:00Z	2026-03-02 11:00Z
22214	22201	22201	2026-03-02 11:00Z	2026-03-02 12:00Z
\.
SELECT starts FROM pg_temp.seats(22201);
-- A whole new group at once, up to its capacity.
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	SELECT 22201, 22201, ''2026-03-03 10:00Z'', ''2026-03-03 11:00Z'' FROM generate_series(1, ' || n || ')') FROM generate_series(3, 4) n;
-- A service that is not there has no seats; the foreign key says so.
SELECT test.brief(pg_temp.put(22215, 22999, '12:00', '13:00'));
ROLLBACK TO two;

-- UPDATE: into the group, into it when it is full, out of it and back; by bits, and all members at once.
CALL pg_temp.store(22221, 22201, '12:00', '13:00');
CALL pg_temp.store(22222, 22201, '12:00', '13:00');
SAVEPOINT four;
SELECT v.what, test.brief('UPDATE booking.appointments SET ' || v.change) FROM (VALUES
	('one joins', 'starts_at = ''2026-03-02 10:00Z'', ends_at = ''2026-03-02 11:00Z'', busy_from = NULL, busy_until = NULL WHERE id = 22221'),
	('two join', 'starts_at = ''2026-03-02 10:00Z'', ends_at = ''2026-03-02 11:00Z'', busy_from = NULL, busy_until = NULL WHERE id IN (22221, 22222)'),
	('a member ends later', 'ends_at = ''2026-03-02 11:10Z'', busy_until = ''2026-03-02 11:10Z'' WHERE id = 22212'),
	('a member is busy for less', 'ends_at = ''2026-03-02 10:50Z'' WHERE id = 22212'),
	('a member starts later', 'starts_at = ''2026-03-02 10:10Z'' WHERE id = 22212'),
	('a member wants something else', 'service_id = 22202 WHERE id = 22212'),
	('a member goes elsewhere', 'barber_id = 22202 WHERE id = 22212'),
	('a member comes', 'status = ''checked_in'' WHERE id = 22212'),
	('a note on all', 'notes = ''x'' WHERE barber_id = 22201'),
	('all an hour later', 'starts_at = starts_at + ''1 hour'', ends_at = ends_at + ''1 hour'', busy_from = NULL, busy_until = NULL WHERE id IN (22211, 22212)'),
	('all half an hour later', 'starts_at = starts_at + ''30 min'', ends_at = ends_at + ''30 min'', busy_from = NULL, busy_until = NULL WHERE id IN (22211, 22212)'))
	v (what, change);
-- A full group is joined by nobody, but a seat is enough: whoever leaves makes room for who comes.
UPDATE booking.appointments SET starts_at = '2026-03-02 10:00Z', ends_at = '2026-03-02 11:00Z', busy_from = NULL, busy_until = NULL WHERE id = 22221;
SELECT test.brief('UPDATE booking.appointments SET starts_at = ''2026-03-02 10:00Z'', ends_at = ''2026-03-02 11:00Z'', busy_from = NULL, busy_until = NULL WHERE id = 22222');
DELETE FROM booking.appointments WHERE id = 22211;
UPDATE booking.appointments SET starts_at = '2026-03-02 10:00Z', ends_at = '2026-03-02 11:00Z', busy_from = NULL, busy_until = NULL WHERE id = 22222;
SELECT starts FROM pg_temp.seats(22201);
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- Capacity, hours and grid change
-- ---------------------------------------------------------------------------

-- Lowered below what is there, it throws nobody out and lets nobody in until there is room again.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT n, 22201, 22201, '2026-03-02 10:00Z', '2026-03-02 11:00Z' FROM generate_series(22231, 22233) n;
UPDATE booking.services SET capacity = 2 WHERE id = 22201;
SELECT starts FROM pg_temp.seats(22201);
SELECT pg_temp.try(22201, 22201, '10:00'), test.brief(pg_temp.put(22234, 22201, '10:00', '11:00')) AS raw;
-- Who is there may be changed, as long as no seat is taken anew.
SELECT status FROM booking.check_in(22231);
UPDATE booking.appointments SET notes = 'still here' WHERE id = 22232;
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 22233;
SELECT pg_temp.check(22201, '10:00') AS two_of_two;
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 22232;
SELECT pg_temp.check(22201, '10:00') AS one_of_two, (SELECT starts FROM pg_temp.seats(22201));
-- Raised, it has more.
UPDATE booking.services SET capacity = 10 WHERE id = 22201;
SELECT starts FROM pg_temp.seats(22201);
-- Lowered while a hold waits for its payment: with two others in two places there is none for it, until one of them goes; what only waits
-- for the shop has had its place all the time.
UPDATE booking.services SET capacity = 3 WHERE id = 22201;
SELECT id AS held FROM booking.hold_slot(22201, 22201, 22201, '2026-03-02 10:00Z') \gset
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status) VALUES (22235, 22201, 22201, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'pending');
UPDATE booking.services SET capacity = 2 WHERE id = 22201;
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :held)) AS hold, test.brief('SELECT booking.confirm_appointment(22235)') AS waits_for_the_shop;
SELECT status FROM booking.cancel_appointment(22235);
SELECT status FROM booking.confirm_appointment(:held);
SELECT status FROM booking.cancel_appointment(:held);
-- With a capacity of 1 it is a service like any other: the slot is taken.
UPDATE booking.services SET capacity = 1 WHERE id = 22201;
SELECT starts FROM pg_temp.seats(22201);
SELECT pg_temp.try(22201, 22201, '10:00'), pg_temp.check(22201, '10:00'), test.brief(pg_temp.put(22234, 22201, '10:00', '11:00')) AS raw;
ROLLBACK TO empty;

-- A group that the grid has left is still joined, at its own start; no new one begins there, and full it is taken, not off the grid.
SELECT pg_temp.try(22201, 22201, '10:30'), pg_temp.try(22201, 22201, '09:10', overrides => '{grid}');
UPDATE booking.shops SET slot_interval_minutes = 60 WHERE id = 22201;
SELECT day, starts FROM pg_temp.seats(22201, to_date => '2026-03-03');
SELECT pg_temp.check(22201, '10:30') AS joined, pg_temp.check(22201, '09:10') AS joined, pg_temp.check(22201, '11:30') AS free_but_off_grid, pg_temp.check(22202, '10:30') AS talk,
	pg_temp.check(22201, '10:20') AS neither;
SELECT pg_temp.try(22202, 22201, '10:30'), pg_temp.try(22203, 22201, '10:30'), pg_temp.try(22204, 22201, '10:30') AS fourth, pg_temp.check(22201, '10:30'),
	pg_temp.try(22202, 22201, '09:10'), pg_temp.try(22202, 22201, '11:30') AS off_grid;
SELECT starts FROM pg_temp.seats(22201);
SELECT overrides FROM booking.appointments WHERE starts_at = '2026-03-02 09:10Z' ORDER BY id;
-- Once nobody is left in it, it is gone.
SELECT c.status FROM booking.appointments a, booking.cancel_appointment(a.id) c WHERE a.starts_at = '2026-03-02 09:10Z';
SELECT pg_temp.check(22201, '09:10');
-- Open time still counts, from its start to its end; so do the notice and the horizon.
UPDATE booking.appointments SET status = 'cancelled' WHERE user_id = 22202;
SELECT pg_temp.check(22201, '10:30');
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (22201, '2026-03-02 11:20Z', '2026-03-02 12:00Z');
SELECT pg_temp.check(22201, '10:30'), pg_temp.try(22204, 22201, '10:30');
SELECT starts FROM pg_temp.seats(22201);
DELETE FROM booking.time_off;
UPDATE booking.services SET min_notice_minutes = 22 * 60 + 30 WHERE id = 22201;
SELECT pg_temp.check(22201, '10:30'), (SELECT starts FROM pg_temp.seats(22201));
UPDATE booking.services SET min_notice_minutes = 22 * 60 + 31 WHERE id = 22201;
SELECT pg_temp.check(22201, '10:30'), pg_temp.try(22204, 22201, '10:30'), (SELECT starts FROM pg_temp.seats(22201));
UPDATE booking.services SET min_notice_minutes = NULL WHERE id = 22201;
UPDATE booking.shops SET max_advance_days = 0 WHERE id = 22201;
SELECT pg_temp.check(22201, '10:30'), pg_temp.try(22204, 22201, '10:30'), (SELECT starts FROM pg_temp.seats(22201));
ROLLBACK TO empty;
-- Of a group outside the dates that were asked for nothing is shown: it begins the day before, or a microsecond before the search.
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (22202, 6, '22:00', '02:00');
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (22241, 22202, 22202, '2026-03-07 23:45Z', '2026-03-08 00:45Z');
SELECT day, starts FROM pg_temp.seats(22202, '2026-03-07', '2026-03-08', barber => 22202);
SELECT day, starts FROM pg_temp.seats(22202, '2026-03-08', barber => 22202);
SELECT day, starts FROM pg_temp.seats(22202, '2026-03-07', barber => 22202);
SELECT starts_at, seats_left FROM booking.next_slots(22202, '2026-03-07 23:45Z', 1, 22202);
SELECT starts_at, seats_left FROM booking.next_slots(22202, '2026-03-07 23:45:00.000001Z', 1, 22202);
SELECT starts_at, seats_left FROM booking.next_slots(22202, '2026-03-07 23:15Z', 2, 22202);
UPDATE booking.appointments SET starts_at = '2026-03-08 00:00Z', ends_at = '2026-03-08 01:00Z', busy_from = NULL, busy_until = NULL WHERE id = 22241;
SELECT (SELECT starts FROM pg_temp.seats(22202, '2026-03-07', barber => 22202)) AS the_day_before, (SELECT starts FROM pg_temp.seats(22202, '2026-03-08', barber => 22202)) AS the_day;
ROLLBACK TO empty;

-- A packed grid: the next slot begins when the group ends; the group's own start stays one as long as it has a seat.
UPDATE booking.shops SET slot_anchor = 'packed', slot_interval_minutes = 60 WHERE id = 22201;
SELECT starts FROM pg_temp.seats(22201);
SELECT pg_temp.try(22201, 22203, '09:00') AS cut, (SELECT starts FROM pg_temp.seats(22201));
SELECT pg_temp.try(22201, 22201, '09:30'), pg_temp.try(22202, 22201, '09:30'), (SELECT starts FROM pg_temp.seats(22201));
SELECT pg_temp.check(22201, '09:30') AS joined, pg_temp.check(22201, '10:00') AS in_its_middle, pg_temp.check(22201, '11:00') AS off_grid, pg_temp.check(22202, '09:30') AS talk;
SELECT pg_temp.try(22203, 22201, '09:30'), pg_temp.try(22204, 22201, '09:30') AS fourth, pg_temp.check(22201, '09:30'), (SELECT starts FROM pg_temp.seats(22201));
-- The neighbour moves, and the group's start is none of the grid's any more: still joined.
SELECT c.status FROM booking.appointments a, booking.cancel_appointment(a.id) c WHERE a.service_id = 22203 OR a.user_id = 22203;
SELECT starts FROM pg_temp.seats(22201);
SELECT pg_temp.try(22205, 22201, '09:30');
ROLLBACK TO empty;
-- A grid by the clock.
UPDATE booking.shops SET slot_anchor = 'clock', slot_interval_minutes = 60 WHERE id = 22201;
SELECT pg_temp.try(22201, 22201, '09:10', overrides => '{grid}'), pg_temp.try(22202, 22201, '09:10'), (SELECT starts FROM pg_temp.seats(22201));
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- Boards, holds, moves
-- ---------------------------------------------------------------------------

-- A group is busy time once, and on the board each of it is a line.
CALL pg_temp.store(22251, 22201, '10:00', '11:00');
CALL pg_temp.store(22252, 22201, '10:00', '11:00', 'pending');
UPDATE booking.appointments SET hold_expires_at = '2026-03-01 12:10Z' WHERE id = 22252;
CALL pg_temp.store(22253, 22201, '10:00', '11:00', 'cancelled');
SELECT starts_at, ends_at FROM booking.free_time(22201, '2026-03-02');
SELECT * FROM booking.get_barber_availability(22201, '2026-03-02');

-- A hold takes a seat until it runs out.
SELECT starts FROM pg_temp.seats(22201);
SELECT status, hold_expires_at FROM booking.hold_slot(22201, 22201, 22203, '2026-03-02 10:00Z', '20 minutes');
SELECT pg_temp.try(22204, 22201, '10:00'), test.brief(pg_temp.put(22254, 22201, '10:00', '11:00')) AS raw;
SET booking.now = '2026-03-01 12:09:59.999999Z';
SELECT pg_temp.check(22201, '10:00');
SET booking.now = '2026-03-01 12:10Z';
SELECT pg_temp.check(22201, '10:00'), (SELECT starts FROM pg_temp.seats(22201));
-- Somebody takes it; the hold that ran out cannot be revived any more, nor confirmed, and the other can.
SELECT pg_temp.try(22204, 22201, '10:00'), (SELECT starts FROM pg_temp.seats(22201));
SELECT test.brief('UPDATE booking.appointments SET hold_expires_at = ''2026-03-01 13:00Z'' WHERE id = 22252') AS revived,
	test.brief('SELECT booking.confirm_appointment(22252)') AS confirmed;
SELECT status FROM booking.confirm_appointment((SELECT id FROM booking.appointments WHERE user_id = 22203));
-- All of a group's holds run out: only the confirmed ones are left, then nothing.
SET booking.now = '2026-03-01 13:00Z';
SELECT booking.expire_holds(), (SELECT starts FROM pg_temp.seats(22201));
SELECT appointment_id, kind FROM booking.get_barber_availability(22201, '2026-03-02') WHERE appointment_id BETWEEN 22251 AND 22259;
ROLLBACK TO empty;
-- A group of nothing but expired holds does not exist: its start is off the grid again, its time is everybody's.
CALL pg_temp.store(22261, 22201, '10:10', '11:10', 'pending');
UPDATE booking.appointments SET hold_expires_at = '2026-03-01 12:10Z' WHERE id = 22261;
SELECT pg_temp.check(22201, '10:10') AS joined, pg_temp.check(22202, '10:00') AS talk;
SET booking.now = '2026-03-01 12:10Z';
SELECT pg_temp.check(22201, '10:10') AS joined, pg_temp.check(22202, '10:00') AS talk;
ROLLBACK TO empty;

-- Moves.  One's own seat is not counted: 22271 sees two seats left at 10:00 of its own group of two, and all at 12:00 where it would be alone.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
SELECT n, 22201, 22201, n - 70, '2026-03-02 10:00Z', '2026-03-02 11:00Z' FROM generate_series(22271, 22272) n;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
SELECT n, 22201, 22201, n - 70, '2026-03-02 12:00Z', '2026-03-02 13:00Z' FROM generate_series(22273, 22275) n;
SELECT starts FROM pg_temp.seats(22201);
SELECT (SELECT starts FROM pg_temp.seats(22201, moved => 22271)) AS member_of_two, (SELECT starts FROM pg_temp.seats(22201, moved => 22273)) AS member_of_a_full_one;
SELECT test.brief('SELECT booking.reschedule_appointment(22271, ''2026-03-02 12:00Z'')') AS into_full, test.brief('SELECT booking.reschedule_appointment(22271, ''2026-03-02 10:30Z'')') AS over_the_other,
	test.brief('SELECT booking.reschedule_appointment(22271, ''2026-03-02 10:00Z'', NULL, 22202)') AS another_service;
SELECT test.brief('SELECT booking.reschedule_appointment(22273, ''2026-03-02 12:00Z'')') AS to_where_it_is, test.brief('SELECT booking.reschedule_appointment(22273, ''2026-03-02 10:00Z'')') AS into_two;
SELECT starts_at FROM booking.reschedule_appointment(22273, '2026-03-02 10:00Z');
SELECT starts FROM pg_temp.seats(22201);
SELECT starts_at FROM booking.reschedule_appointment(22271, '2026-03-02 12:00Z');
SELECT starts FROM pg_temp.seats(22201);
-- To the other barber, for 45 minutes; and the last one of a group may move it by half an hour.
SELECT barber_id, starts_at, ends_at FROM booking.reschedule_appointment(22271, '2026-03-02 10:00Z', 22202);
SELECT starts_at FROM booking.reschedule_appointment(22272, '2026-03-02 09:00Z');
SELECT starts_at FROM booking.reschedule_appointment(22272, '2026-03-03 09:00Z');
SELECT starts_at FROM booking.reschedule_appointment(22272, '2026-03-03 09:30Z');
SELECT day, starts FROM pg_temp.seats(22201, to_date => '2026-03-03');
-- A member joins at its own start what the grid has left.
UPDATE booking.shops SET slot_interval_minutes = 60 WHERE id = 22201;
SELECT starts_at FROM booking.reschedule_appointment(22273, '2026-03-03 09:30Z');
SELECT test.brief('SELECT booking.reschedule_appointment(22274, ''2026-03-03 10:30Z'')');
ROLLBACK TO empty;

-- No lock of the guard's is left by any of this.
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

ROLLBACK;
