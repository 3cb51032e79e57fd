--
-- Limits: how many appointments a customer may have at a shop, how many a
-- barber takes a day, and nobody in two places at once.
--
-- Open every day 20:00 to 02:00 New York time, an hour apart: the date of an
-- evening there is not the one in London.  It is Sunday 2026-03-01, noon.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, max_advance_days)
VALUES (22001, 'Limits', 'America/New_York', 60, 30), (22002, 'Elsewhere', 'America/New_York', 60, 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (22001, 22001, 'Lee'), (22002, 22001, 'Lou'), (22003, 22002, 'Eve');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '20:00', '02:00' FROM generate_series(22001, 22003) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity, requires_confirmation, buffer_before_minutes) VALUES
	(22001, 22001, 'Cut', 60, 1, false, 0), (22002, 22001, 'Colour', 60, 1, true, 0), (22003, 22001, 'Perm', 5, 1, false, 0),
	(22004, 22001, 'Class', 60, 4, false, 0), (22005, 22001, 'Buffered', 60, 1, false, 30), (22006, 22002, 'Cut elsewhere', 60, 1, false, 0);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (22003, 1, 60, 60), (22003, 2, 60, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(22001, 22002) b, generate_series(22001, 22005) s UNION ALL SELECT 22003, 22006;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(22001, 22005) n;

-- What try_book_slot answers, for a Cut by Lee on March 2 and after unless said otherwise.
CREATE FUNCTION pg_temp.try(customer bigint, at timestamptz, service bigint DEFAULT 22001, barber bigint DEFAULT 22001, overrides text[] DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
SELECT coalesce(reason, 'booked') FROM booking.try_book_slot(barber, service, customer, at, NULL, overrides)
$$;
-- A raw appointment of a customer with Lee.
CREATE PROCEDURE pg_temp.put(id bigint, customer bigint, at timestamptz, status text DEFAULT 'confirmed', hold timestamptz DEFAULT NULL, barber bigint DEFAULT 22001)
LANGUAGE sql AS $$
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at)
VALUES (id, barber, CASE WHEN barber = 22003 THEN 22006 ELSE 22001 END, customer, at, at + interval '1 hour', status, hold)
$$;
-- test.error() without the ids that a sequence gave.
CREATE FUNCTION pg_temp.error(statement text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(e, '(appointment) [0-9]+', '\1 N', 'i') FROM test.error(statement) e
$$;
SAVEPOINT empty;

-- ---------------------------------------------------------------------------
-- max_active_per_user
-- ---------------------------------------------------------------------------

UPDATE booking.shops SET max_active_per_user = 2 WHERE id = 22001;
SAVEPOINT two;
-- Two, and no third; another customer is not touched by it, and a walk-in is nobody.
SELECT pg_temp.try(22001, '2026-03-02 20:00'), pg_temp.try(22001, '2026-03-03 20:00', barber => 22002), pg_temp.try(22001, '2026-03-04 20:00') AS third;
SELECT test.error('SELECT booking.book_slot(22001, 22001, 22001, ''2026-03-04 20:00'')');
SELECT test.brief('SELECT booking.hold_slot(22001, 22001, 22001, ''2026-03-04 20:00'')') AS hold,
	test.brief('SELECT booking.book_slot(NULL, 22001, 22001, ''2026-03-04 20:00'')') AS any_barber;
SELECT pg_temp.try(22002, '2026-03-04 20:00') AS another, pg_temp.try(NULL, '2026-03-04 21:00') AS walk_in, pg_temp.try(NULL, '2026-03-04 22:00') AS walk_in,
	pg_temp.try(NULL, '2026-03-04 23:00') AS walk_in;
-- check_slot and available_slots know no customer.
SELECT * FROM booking.check_slot(22001, 22001, '2026-03-05 20:00');
SELECT starts FROM test.slots(22001, '2026-03-05', NULL, 22001);
-- Another shop has its own limit, or none; what is booked there does not count here, nor the other way round.
SELECT pg_temp.try(22001, '2026-03-05 20:00', 22006, 22003) AS elsewhere, pg_temp.try(22002, '2026-03-05 21:00', 22006, 22003) AS other_user,
	pg_temp.try(22002, '2026-03-05 22:00', 22006, 22003) AS again, pg_temp.try(22002, '2026-03-05 20:00') AS second_here, pg_temp.try(22002, '2026-03-05 22:00') AS third_here;
-- A "no" has stored nothing.
SELECT user_id, count(*) FROM booking.appointments WHERE barber_id BETWEEN 22001 AND 22003 GROUP BY 1 ORDER BY 1;
ROLLBACK TO two;

-- What is active: pending, confirmed and checked in, until it ends.  The answer is that to a third request.
CREATE FUNCTION pg_temp.counts(status text, hold timestamptz DEFAULT NULL, at timestamptz DEFAULT '2026-03-02 20:00') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CALL pg_temp.put(22011, 22001, at, status, hold);
	CALL pg_temp.put(22012, 22001, '2026-03-03 20:00');
	RAISE SQLSTATE 'OK000' USING MESSAGE = pg_temp.try(22001, '2026-03-04 20:00');
EXCEPTION WHEN SQLSTATE 'OK000' THEN
	RETURN SQLERRM;
END
$$;
SELECT s AS status, pg_temp.counts(s) FROM unnest(ARRAY['pending', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show', 'expired']) s;
SELECT pg_temp.counts('pending', '2026-03-01 12:00:01') AS hold, pg_temp.counts('pending', '2026-03-01 12:00') AS lapsed_hold;
SELECT pg_temp.counts('confirmed', at => '2026-03-01 11:00:00.000001') AS ends_soon, pg_temp.counts('confirmed', at => '2026-03-01 11:00') AS ends_now,
	pg_temp.counts('confirmed', at => '2026-02-01 20:00') AS long_ago;
-- A raw writer is not bound, but counts.
CALL pg_temp.put(22021, 22001, '2026-03-02 20:00');
CALL pg_temp.put(22022, 22001, '2026-03-03 20:00');
CALL pg_temp.put(22023, 22001, '2026-03-04 20:00');
SELECT pg_temp.try(22001, '2026-03-05 20:00');
-- Cancelling one is not enough then, two are.
SELECT status FROM booking.cancel_appointment(22021);
SELECT pg_temp.try(22001, '2026-03-05 20:00');
SELECT status FROM booking.cancel_appointment(22022);
SELECT pg_temp.try(22001, '2026-03-05 20:00');
-- What one has already may be confirmed; the limit is for new ones.
ROLLBACK TO two;
SELECT id AS held FROM booking.hold_slot(22001, 22001, 22001, '2026-03-02 20:00') \gset
CALL pg_temp.put(22031, 22001, '2026-03-03 20:00');
SELECT status FROM booking.confirm_appointment(:held);
ROLLBACK TO two;
-- A limit that is lowered takes nothing away; a limit that is taken away binds nobody.
CALL pg_temp.put(22041, 22001, '2026-03-02 20:00');
CALL pg_temp.put(22042, 22001, '2026-03-03 20:00');
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 22001;
SELECT pg_temp.try(22001, '2026-03-04 20:00');
SELECT count(*) FROM booking.appointments WHERE user_id = 22001 AND status = 'confirmed';
UPDATE booking.shops SET max_active_per_user = NULL WHERE id = 22001;
SELECT pg_temp.try(22001, '2026-03-04 20:00');
ROLLBACK TO two;
-- A service with steps is one appointment; a place in a group is one.
SELECT pg_temp.try(22001, '2026-03-02 20:00', 22003) AS steps, pg_temp.try(22001, '2026-03-03 20:00', 22004) AS class, pg_temp.try(22001, '2026-03-04 20:00', 22003) AS third;
SELECT count(*) FROM booking.appointments WHERE user_id = 22001;
ROLLBACK TO two;
-- A visit and a series need room for all of theirs at once; a series that skips books what there is room for.
CALL pg_temp.put(22051, 22001, '2026-03-02 20:00');
SELECT test.error('SELECT booking.book_visit(22001, ARRAY[(22001, 22001, ''2026-03-03 20:00'', NULL), (22002, 22001, ''2026-03-03 20:00'', ''guest'')]::booking.visit_item[])');
SELECT test.brief('SELECT booking.book_series(22001, 22001, 22001, ''2026-03-03 20:00'', ''1 day'', 2)');
SELECT occurrence, starts_at, reason FROM booking.book_series(22001, 22001, 22001, '2026-03-03 20:00', '1 day', 3, 'skip');
ROLLBACK TO two;
SELECT count(*) FROM booking.book_visit(22001, ARRAY[(22001, 22001, '2026-03-03 20:00', NULL), (22002, 22001, '2026-03-03 20:00', 'guest')]::booking.visit_item[]);
ROLLBACK TO two;

-- Staff may override limits; only a limit that was broken is remembered.
SELECT pg_temp.try(22001, '2026-03-02 20:00', overrides => '{limits}'), pg_temp.try(22001, '2026-03-03 20:00', overrides => '{limits}'),
	pg_temp.try(22001, '2026-03-04 20:00', overrides => '{limits,notice}'), pg_temp.try(22001, '2026-03-05 20:00', overrides => '{hours,notice,grid,horizon,window}') AS others;
SELECT starts_at, overrides FROM booking.appointments WHERE user_id = 22001 ORDER BY 1;
ROLLBACK TO two;

-- Other reasons come first: the slot is taken, or is none.
CALL pg_temp.put(22061, 22001, '2026-03-02 20:00');
CALL pg_temp.put(22062, 22001, '2026-03-03 20:00');
SELECT pg_temp.try(22001, '2026-03-02 20:00') AS taken, pg_temp.try(22001, '2026-03-02 20:10') AS off_grid, pg_temp.try(22001, '2026-03-02 12:00') AS outside,
	pg_temp.try(22001, '2026-04-02 20:00') AS horizon, pg_temp.try(22001, '2026-02-02 20:00') AS notice;
-- The first answer to a request stays the answer when the limit is reached.
ROLLBACK TO two;
SELECT id AS first FROM booking.book_slot(22001, 22001, 22001, '2026-03-02 20:00', 'limited') \gset
CALL pg_temp.put(22063, 22001, '2026-03-03 20:00');
SELECT id = :first AS same FROM booking.book_slot(22001, 22001, 22001, '2026-03-02 20:00', 'limited');
ROLLBACK TO two;

-- Moving: an appointment of the shop's counts already; one that comes from another shop does not.
CALL pg_temp.put(22071, 22001, '2026-03-02 20:00');
CALL pg_temp.put(22072, 22001, '2026-03-03 20:00');
CALL pg_temp.put(22073, 22001, '2026-03-04 20:00', barber => 22003);
SELECT starts_at FROM booking.reschedule_appointment(22071, '2026-03-05 20:00');
-- (also where the customer has more than the shop allows by now)
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 22001;
SELECT barber_id, starts_at FROM booking.reschedule_appointment(22071, '2026-03-05 21:00', 22002);
SELECT barber_id, starts_at FROM booking.reschedule_appointment(22071, '2026-03-05 20:00', 22001, overrides => '{limits}');
SELECT overrides FROM booking.appointments WHERE id = 22071;
UPDATE booking.shops SET max_active_per_user = 2 WHERE id = 22001;
SELECT test.error('SELECT booking.reschedule_appointment(22073, ''2026-03-06 20:00'', 22001, 22001)');
SELECT barber_id, starts_at, status, version FROM booking.appointments WHERE id = 22073;
SELECT starts_at FROM booking.reschedule_appointment(22073, '2026-03-06 20:00', 22001, 22001, NULL, '{limits}');
SELECT id, overrides FROM booking.appointments WHERE user_id = 22001 ORDER BY 1;
-- One that is over does not count any more; moved into the future it would.
CALL pg_temp.put(22074, 22002, '2026-02-28 20:00');
CALL pg_temp.put(22075, 22002, '2026-03-02 20:00');
CALL pg_temp.put(22076, 22002, '2026-03-03 21:00');
SELECT test.brief('SELECT booking.reschedule_appointment(22074, ''2026-03-04 22:00'', overrides => ''{window}'')');
SELECT status FROM booking.cancel_appointment(22076);
SELECT starts_at FROM booking.reschedule_appointment(22074, '2026-03-04 22:00', overrides => '{window}');
ROLLBACK TO two;
-- Over is what has ended, also while the barber is still busy with the buffer after it; what ends in a moment counts, so it may move.
CALL pg_temp.put(22075, 22002, '2026-03-02 20:00');
CALL pg_temp.put(22076, 22002, '2026-03-03 21:00');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_until)
VALUES (22077, 22001, 22001, 22002, '2026-03-01 11:00', '2026-03-01 12:00', '2026-03-01 12:30');
SELECT test.brief('SELECT booking.reschedule_appointment(22077, ''2026-03-04 22:00'', overrides => ''{window}'')');
UPDATE booking.appointments SET ends_at = '2026-03-01 12:00:00.000001' WHERE id = 22077;
SELECT test.brief('SELECT booking.reschedule_appointment(22077, ''2026-03-04 22:00'', overrides => ''{window}'')');
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- max_per_day
-- ---------------------------------------------------------------------------

UPDATE booking.barbers SET max_per_day = 2 WHERE id = 22001;
SAVEPOINT daily;
-- With one there is room for one more, at any time of the day.
CALL pg_temp.put(22101, 22001, '2026-03-03 20:00');
SELECT day, starts FROM test.slots(22001, '2026-03-02', '2026-03-04', 22001);
-- With two the day is full for everybody, walk-ins too, in every function; it ends at midnight in New York (05:00 in London), where the
-- evening goes on as the next day.
SELECT pg_temp.try(22001, '2026-03-03 21:00');
SELECT day, starts FROM test.slots(22001, '2026-03-02', '2026-03-04', 22001);
SELECT day, slot_count, first_slot FROM booking.availability_by_day(22001, '2026-03-02', '2026-03-04', 22001);
SELECT day, slot_count, first_slot FROM booking.availability_by_day(22001, '2026-03-03', '2026-03-03', 22001);
SELECT starts_at FROM booking.next_slots(22001, '2026-03-03 00:30', 3, 22001);
SELECT v.at, (booking.check_slot(22001, 22001, v.at)).reason, pg_temp.try(NULL, v.at) AS walk_in
FROM (VALUES (timestamptz '2026-03-03 00:00'), ('2026-03-03 23:00'), ('2026-03-04 00:00'), ('2026-03-02 23:00')) v (at);
ROLLBACK TO daily;
CALL pg_temp.put(22101, 22001, '2026-03-03 20:00');
CALL pg_temp.put(22102, 22001, '2026-03-03 21:00');
SELECT * FROM booking.check_slot(22001, 22001, '2026-03-03 22:00');
SELECT test.error('SELECT booking.book_slot(22001, 22001, NULL, ''2026-03-03 22:00'')');
SELECT test.brief('SELECT booking.hold_slot(22001, 22002, 22002, ''2026-03-03 22:00'')') AS hold;
-- Another service of that barber's is refused alike, another barber is not; any barber is the other one.
SELECT pg_temp.try(22002, '2026-03-03 22:00', 22003) AS perm, pg_temp.try(22002, '2026-03-03 22:00', barber => 22002) AS other_barber;
SELECT barber_id FROM booking.book_slot(NULL, 22001, 22003, '2026-03-03 20:00');
SELECT barber_id FROM booking.book_slot(NULL, 22001, 22003, '2026-03-03 23:00');
SELECT barber_id, starts FROM test.slots(22001, '2026-03-03');
UPDATE booking.barbers SET max_per_day = 3 WHERE id = 22002;
SELECT test.error('SELECT booking.book_slot(NULL, 22001, 22003, ''2026-03-03 21:00'')');
-- free_time is about time, not about slots.
SELECT starts_at, ends_at FROM test.free(22001, '2026-03-03');
ROLLBACK TO daily;

-- What counts: live and completed; a day's work that is done is done, but a no-show or a cancellation makes room.
CREATE FUNCTION pg_temp.counts_of_day(status text, hold timestamptz DEFAULT NULL) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
	CALL pg_temp.put(22111, 22001, '2026-03-03 20:00', status, hold);
	CALL pg_temp.put(22112, 22001, '2026-03-03 21:00');
	RAISE SQLSTATE 'OK000' USING MESSAGE = ARRAY[(SELECT count(*)::text FROM booking.available_slots(22001, '2026-03-03', NULL, 22001)),
		(booking.check_slot(22001, 22001, '2026-03-03 22:00')).reason, pg_temp.try(22002, '2026-03-03 22:00')];
EXCEPTION WHEN SQLSTATE 'OK000' THEN
	RETURN SQLERRM;
END
$$;
SELECT s AS status, pg_temp.counts_of_day(s) FROM unnest(ARRAY['pending', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show', 'expired']) s;
SELECT pg_temp.counts_of_day('pending', '2026-03-01 12:00:01') AS hold, pg_temp.counts_of_day('pending', '2026-03-01 12:00') AS lapsed_hold;
-- A service with steps counts once, where it starts: one leaves room for more, and the second part of one late at night is none of the
-- next day's.  In a group each place counts.
SELECT pg_temp.try(22001, '2026-03-03 20:00', 22003) AS steps, (SELECT starts FROM test.slots(22001, '2026-03-03', NULL, 22001)), (booking.check_slot(22001, 22001, '2026-03-03 21:00')).available;
ROLLBACK TO daily;
SELECT pg_temp.try(22001, '2026-03-03 23:00', 22003) AS steps, pg_temp.try(22001, '2026-03-03 20:00') AS second, pg_temp.try(22001, '2026-03-03 21:00') AS third,
	pg_temp.try(22001, '2026-03-04 00:00') AS next_day, pg_temp.try(22001, '2026-03-04 20:00') AS second, pg_temp.try(22001, '2026-03-04 21:00') AS third;
ROLLBACK TO daily;
SELECT pg_temp.try(22001, '2026-03-03 20:00', 22004), pg_temp.try(22002, '2026-03-03 20:00', 22004), pg_temp.try(22003, '2026-03-03 20:00', 22004) AS third;
SELECT count(*) FROM booking.available_slots(22004, '2026-03-03', NULL, 22001);
ROLLBACK TO daily;
-- It is the start that has the date, not the buffer before it, nor the end after midnight.
SELECT pg_temp.try(22001, '2026-03-03 00:00', 22005) AS buffer_from_23_30, pg_temp.try(22001, '2026-03-02 20:00') AS first_of_monday,
	pg_temp.try(22001, '2026-03-02 21:00') AS second, pg_temp.try(22001, '2026-03-02 22:00') AS third, pg_temp.try(22001, '2026-03-03 23:00') AS second_of_tuesday,
	pg_temp.try(22001, '2026-03-04 00:00') AS first_of_wednesday;
ROLLBACK TO daily;
-- A visit or a series counts with what it has stored itself: two with one barber do not fit where there is room for one.
CALL pg_temp.put(22115, 22001, '2026-03-03 20:00');
SELECT test.brief('SELECT booking.book_visit(22002, ARRAY[(22001, 22001, ''2026-03-03 21:00'', NULL), (22001, 22001, ''2026-03-03 22:00'', NULL)]::booking.visit_item[])');
SELECT occurrence, starts_at, reason FROM booking.book_series(22001, 22001, 22002, '2026-03-02 21:00', '1 day', 3, 'skip');
SELECT occurrence, starts_at, reason FROM booking.book_series(22001, 22001, 22002, '2026-03-02 22:00', '1 day', 3, 'skip');
ROLLBACK TO daily;
-- Raw writers are not bound; a day that has more than allowed is as full as one that has as many.
CALL pg_temp.put(22121, 22001, '2026-03-03 20:00');
CALL pg_temp.put(22122, 22001, '2026-03-03 21:00');
CALL pg_temp.put(22123, 22001, '2026-03-03 22:00');
SELECT count(*) FROM booking.available_slots(22001, '2026-03-03', NULL, 22001);
SELECT (booking.check_slot(22001, 22001, '2026-03-03 23:00')).reason, pg_temp.try(22002, '2026-03-03 23:00');
-- Other reasons come first.
SELECT (booking.check_slot(22001, 22001, '2026-03-03 22:00')).reason AS taken, pg_temp.try(22002, '2026-03-03 22:00') AS taken,
	(booking.check_slot(22001, 22001, '2026-03-03 23:10')).reason AS off_grid, pg_temp.try(22002, '2026-03-03 19:00') AS outside;
-- Staff may override it; it is remembered.
SELECT pg_temp.try(22002, '2026-03-03 23:00', overrides => '{limits}'), pg_temp.try(22002, '2026-03-02 23:00', overrides => '{limits}');
SELECT starts_at, overrides FROM booking.appointments WHERE user_id = 22002 ORDER BY 1;
ROLLBACK TO daily;
-- Without a limit again the day has slots again: the schedule's cache has noticed.
CALL pg_temp.put(22131, 22001, '2026-03-03 20:00');
CALL pg_temp.put(22132, 22001, '2026-03-03 21:00');
SELECT count(*) FROM booking.available_slots(22001, '2026-03-03', NULL, 22001);
UPDATE booking.barbers SET max_per_day = NULL WHERE id = 22001;
SELECT count(*) FROM booking.available_slots(22001, '2026-03-03', NULL, 22001);
ROLLBACK TO daily;

-- Moving on a full day: within it, yes; to another full day or another barber's, no; the slots for the move say the same.
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 22002;
CALL pg_temp.put(22141, 22001, '2026-03-03 20:00');
CALL pg_temp.put(22142, 22001, '2026-03-03 21:00');
CALL pg_temp.put(22143, 22002, '2026-03-04 20:00');
CALL pg_temp.put(22144, 22002, '2026-03-04 21:00');
CALL pg_temp.put(22145, 22002, '2026-03-03 20:00', barber => 22002);
SELECT barber_id, starts_at::date AS day, string_agg(to_char(starts_at, 'HH24:MI'), ' ' ORDER BY starts_at) AS starts
FROM booking.available_slots(22001, '2026-03-03', '2026-03-05', NULL, 22141) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT test.error('SELECT booking.reschedule_appointment(22141, ''2026-03-04 22:00'')');
SELECT test.brief('SELECT booking.reschedule_appointment(22141, ''2026-03-03 21:00'', 22002)') AS other_barber,
	test.brief('SELECT booking.reschedule_appointment(22141, ''2026-03-04 00:00'')') AS past_midnight;
SELECT starts_at FROM booking.reschedule_appointment(22141, '2026-03-03 23:00');
SELECT starts_at FROM booking.reschedule_appointment(22141, '2026-03-05 20:00');
SELECT starts_at FROM booking.reschedule_appointment(22142, '2026-03-04 22:00', overrides => '{limits}');
SELECT id, starts_at, overrides FROM booking.appointments WHERE id BETWEEN 22141 AND 22142 ORDER BY 1;
-- A day with more than allowed is open to those who are on it, and to nobody else.
CALL pg_temp.put(22146, NULL, '2026-03-04 23:00');
SELECT starts_at::date AS day, count(*) FROM booking.available_slots(22001, '2026-03-04', NULL, 22001, 22143) GROUP BY 1;
SELECT count(*) FROM booking.available_slots(22001, '2026-03-04', NULL, 22001, 22141);
SELECT starts_at FROM booking.reschedule_appointment(22143, '2026-03-04 00:00');
SELECT test.brief('SELECT booking.reschedule_appointment(22141, ''2026-03-04 20:00'')');
-- Cancelled or moved away, it makes room.
SELECT pg_temp.try(22002, '2026-03-03 20:00'), pg_temp.try(22002, '2026-03-03 21:00'), pg_temp.try(22002, '2026-03-03 22:00');
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- prevent_user_overlap
-- ---------------------------------------------------------------------------

UPDATE booking.shops SET prevent_user_overlap = true WHERE id = 22001;
CALL pg_temp.put(22201, 22001, '2026-03-03 21:00', barber => 22002);
CALL pg_temp.put(22202, 22001, '2026-03-04 21:30', barber => 22003);
SAVEPOINT once;
-- Not with another barber at the same time, nor at another shop's; before and after it, yes.
SELECT test.error('SELECT booking.book_slot(22001, 22001, 22001, ''2026-03-03 21:00'')');
SELECT v.at, pg_temp.try(22001, v.at) FROM (VALUES (timestamptz '2026-03-03 20:00'), ('2026-03-03 21:00'), ('2026-03-03 22:00'),
	('2026-03-04 20:00'), ('2026-03-04 21:00'), ('2026-03-04 22:00'), ('2026-03-04 23:00')) v (at);
ROLLBACK TO once;
-- Another customer, a walk-in; check_slot knows no customer; a shop that does not mind.
SELECT pg_temp.try(22002, '2026-03-03 21:00') AS other, pg_temp.try(NULL, '2026-03-04 21:00') AS walk_in,
	(booking.check_slot(22001, 22001, '2026-03-04 22:00')).available, pg_temp.try(22001, '2026-03-03 21:00', 22006, 22003) AS elsewhere;
ROLLBACK TO once;
-- Buffers are the barber's time, not the customer's: both 22:00 after an appointment that ends then and is busy for longer, and before one.
UPDATE booking.appointments SET busy_until = '2026-03-03 22:30' WHERE id = 22201;
SELECT pg_temp.try(22001, '2026-03-03 22:00', 22005);
ROLLBACK TO once;
-- Only what is live is in the way.
CREATE FUNCTION pg_temp.is_in_way(status text, hold timestamptz DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CALL pg_temp.put(22211, 22001, '2026-03-05 21:00', status, hold, 22002);
	RAISE SQLSTATE 'OK000' USING MESSAGE = pg_temp.try(22001, '2026-03-05 21:00');
EXCEPTION WHEN SQLSTATE 'OK000' THEN
	RETURN SQLERRM;
END
$$;
SELECT s AS status, pg_temp.is_in_way(s) FROM unnest(ARRAY['pending', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show', 'expired']) s;
SELECT pg_temp.is_in_way('pending', '2026-03-01 12:00:01') AS hold, pg_temp.is_in_way('pending', '2026-03-01 12:00') AS lapsed_hold;
-- A service with steps takes the customer for the whole of it; but in a gap of what is booked already, the customer may do as they like.
SELECT pg_temp.try(22001, '2026-03-03 20:00', 22003) AS around, pg_temp.try(22001, '2026-03-03 22:00', 22003) AS after_it;
SELECT pg_temp.try(22001, '2026-03-03 23:00') AS in_the_gap, pg_temp.try(22001, '2026-03-04 00:00', barber => 22002) AS second_part,
	pg_temp.try(22001, '2026-03-03 22:00', barber => 22002) AS first_part;
ROLLBACK TO once;
-- Within a visit people may sit side by side; but not with what is there already.
SELECT barber_id, starts_at FROM booking.book_visit(22001, ARRAY[(22001, 22001, '2026-03-05 20:00', NULL), (22002, 22001, '2026-03-05 20:00', 'child')]::booking.visit_item[]);
SELECT test.brief('SELECT booking.book_visit(22001, ARRAY[(22001, 22001, ''2026-03-03 20:00'', NULL), (22001, 22001, ''2026-03-03 21:00'', NULL)]::booking.visit_item[])');
SELECT occurrence, starts_at, reason FROM booking.book_series(22001, 22001, 22001, '2026-03-02 21:00', '1 day', 4, 'skip');
ROLLBACK TO once;
-- It is said before the limit, and after the slot itself.
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 22001;
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 22001;
SELECT pg_temp.try(NULL, '2026-03-03 22:00') AS walk_in, pg_temp.try(22001, '2026-03-03 21:00') AS both, pg_temp.try(22001, '2026-03-02 21:00') AS limit_alone,
	pg_temp.try(22001, '2026-03-03 21:00', barber => 22002) AS taken, pg_temp.try(22001, '2026-03-03 21:10') AS off_grid;
-- Overriding limits lifts all three at once.
SELECT pg_temp.try(22001, '2026-03-03 21:00', overrides => '{limits}');
SELECT overrides FROM booking.appointments WHERE barber_id = 22001 AND user_id = 22001;
ROLLBACK TO once;
-- Moving: its own old time is not in its way, also for a bit of it; another of the customer's is, also within a full set of limits.
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 22001;
UPDATE booking.shops SET slot_interval_minutes = 30 WHERE id = 22001;
SELECT starts_at FROM booking.reschedule_appointment(22201, '2026-03-03 21:30');
SELECT test.error('SELECT booking.reschedule_appointment(22201, ''2026-03-04 22:00'')');
SELECT starts_at FROM booking.reschedule_appointment(22201, '2026-03-04 22:30');
SELECT starts_at FROM booking.reschedule_appointment(22201, '2026-03-04 22:00', overrides => '{limits}');
SELECT starts_at, overrides FROM booking.appointments WHERE id = 22201;
ROLLBACK TO once;
-- A raw writer is not bound.
CALL pg_temp.put(22221, 22001, '2026-03-03 21:00');
SELECT count(*) FROM booking.appointments WHERE user_id = 22001;

-- ---------------------------------------------------------------------------
-- max_pending_per_user
-- ---------------------------------------------------------------------------

ROLLBACK TO empty;
-- Ten unless the shop says otherwise; a confirmed appointment is not asked for it, nor a walk-in, nor another customer.
SELECT count(id) FROM generate_series(2, 11) d, booking.hold_slot(22001, 22001, 22001, '2026-03-01 20:00-05'::timestamptz + d * interval '1 day');
SELECT test.error('SELECT booking.hold_slot(22001, 22001, 22001, ''2026-03-20 20:00'')');
SELECT pg_temp.try(22001, '2026-03-20 20:00', 22002) AS request, pg_temp.try(22001, '2026-03-20 20:00') AS confirmed, pg_temp.try(22002, '2026-03-20 21:00', 22002) AS another,
	pg_temp.try(NULL, '2026-03-20 22:00', 22002) AS walk_in;
-- One confirmed makes room for one.
SELECT status FROM booking.confirm_appointment((SELECT min(id) FROM booking.appointments WHERE user_id = 22001 AND status = 'pending'));
SELECT pg_temp.try(22001, '2026-03-21 20:00', 22002) AS request, pg_temp.try(22001, '2026-03-22 20:00', 22002) AS one_more;
-- Staff may give more, which is kept on the row; without a limit nobody asks.
SELECT pg_temp.try(22001, '2026-03-22 20:00', 22002, overrides => '{limits}');
SELECT overrides FROM booking.appointments WHERE starts_at = '2026-03-22 20:00';
UPDATE booking.shops SET max_pending_per_user = NULL WHERE id = 22001;
SELECT pg_temp.try(22001, '2026-03-23 20:00', 22002);
ROLLBACK TO empty;
UPDATE booking.shops SET max_pending_per_user = 2 WHERE id = 22001;
SAVEPOINT pending;
-- What is pending: holds and what waits for the shop, until it ends or runs out; raw ones too, whoever they came from; a service with steps once.
CREATE FUNCTION pg_temp.is_counted(status text, hold timestamptz DEFAULT NULL, at timestamptz DEFAULT '2026-03-02 20:00', barber bigint DEFAULT 22001) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CALL pg_temp.put(22011, 22001, at, status, hold, barber);
	CALL pg_temp.put(22012, 22001, '2026-03-03 20:00', 'pending');
	RAISE SQLSTATE 'OK000' USING MESSAGE = pg_temp.try(22001, '2026-03-04 20:00', 22002);
EXCEPTION WHEN SQLSTATE 'OK000' THEN
	RETURN SQLERRM;
END
$$;
SELECT s AS status, pg_temp.is_counted(s) FROM unnest(ARRAY['pending', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show', 'expired']) s;
SELECT pg_temp.is_counted('pending', '2026-03-01 12:00:01') AS hold, pg_temp.is_counted('pending', '2026-03-01 12:00') AS lapsed_hold,
	pg_temp.is_counted('pending', at => '2026-03-01 11:00') AS over, pg_temp.is_counted('pending', barber => 22003) AS elsewhere;
SELECT hold_expires_at FROM booking.hold_slot(22001, 22003, 22001, '2026-03-02 20:00');
SELECT pg_temp.try(22001, '2026-03-03 20:00', 22002) AS second, pg_temp.try(22001, '2026-03-04 20:00', 22002) AS third;
ROLLBACK TO pending;
-- A visit asks for all of its own that will be pending, a series too, unless it skips; both limits bind, the one of active ones first.
SELECT v.n, test.brief(format('SELECT booking.book_visit(22001, %L)', v.items)) FROM (VALUES
	(1, ARRAY[(22001, 22002, '2026-03-02 20:00', NULL), (22001, 22002, '2026-03-02 21:00', NULL), (22001, 22001, '2026-03-02 22:00', NULL)]::booking.visit_item[]),
	(2, ARRAY[(22001, 22002, '2026-03-02 20:00', NULL), (22001, 22002, '2026-03-02 21:00', NULL), (22002, 22002, '2026-03-02 22:00', NULL)]::booking.visit_item[])) v (n, items) ORDER BY n;
SELECT test.brief('SELECT booking.book_series(22001, 22002, 22001, ''2026-03-02 20:00'', ''1 day'', 3)');
SELECT occurrence, reason, detail FROM booking.book_series(22001, 22002, 22001, '2026-03-02 20:00', '1 day', 4, 'skip');
UPDATE booking.shops SET max_active_per_user = 3 WHERE id = 22001;
SELECT test.error('SELECT booking.hold_slot(22001, 22001, 22001, ''2026-03-20 20:00'')');
SELECT pg_temp.try(22001, '2026-03-19 20:00');
SELECT test.error('SELECT booking.hold_slot(22001, 22001, 22001, ''2026-03-20 20:00'')');
ROLLBACK TO pending;
-- Moves: a pending one that stays with the shop is counted already; one that becomes pending, or comes from another shop, is asked for.  What is offered follows.
CREATE FUNCTION pg_temp.move(id bigint, at timestamptz, barber bigint, service bigint, overrides text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, %L, %s, %s, NULL, %L)', id, at, barber, service, overrides)) ||
	CASE WHEN EXISTS (SELECT FROM booking.available_slots(service, (at AT TIME ZONE 'America/New_York')::date, NULL, barber, id) s WHERE s.starts_at = at) THEN ', offered' ELSE ', not offered' END
$$;
CALL pg_temp.put(22011, 22001, '2026-03-02 20:00', 'pending');
CALL pg_temp.put(22012, 22001, '2026-03-03 20:00', 'pending');
CALL pg_temp.put(22013, 22001, '2026-03-04 20:00');
CALL pg_temp.put(22014, 22001, '2026-03-05 20:00', 'pending', barber => 22003);
CALL pg_temp.put(22015, 22001, '2026-03-06 20:00', barber => 22003);
SELECT v.n, pg_temp.move(v.id, v.at, v.barber, v.service, v.overrides) FROM (VALUES
	(1, 22011, timestamptz '2026-03-07 20:00', 22002, 22001, NULL), (2, 22011, '2026-03-07 20:00', 22001, 22002, NULL), (3, 22013, '2026-03-07 20:00', 22001, 22001, NULL),
	(4, 22013, '2026-03-07 20:00', 22001, 22002, NULL), (5, 22013, '2026-03-04 20:00', 22001, 22002, NULL), (6, 22014, '2026-03-07 20:00', 22001, 22001, NULL),
	(7, 22015, '2026-03-07 20:00', 22001, 22001, NULL), (8, 22015, '2026-03-07 20:00', 22001, 22002, NULL), (9, 22013, '2026-03-07 20:00', 22001, 22002, '{limits}')) v (n, id, at, barber, service, overrides) ORDER BY n;
SELECT test.error('SELECT booking.reschedule_appointment(22013, ''2026-03-07 20:00'', service_id => 22002)');
-- What requires the shop's word anyway: a customer may not give it another time then, staff may, and where it is it stays.
UPDATE booking.appointments SET service_id = 22002 WHERE id = 22013;
SET LOCAL booking.user_id = '22001';
SELECT pg_temp.move(22013, '2026-03-07 20:00', 22001, 22002) AS elsewhen, pg_temp.move(22013, '2026-03-04 20:00', 22002, 22002) AS else_who, pg_temp.move(22013, '2026-03-04 20:00', 22001, 22002) AS nowhere;
RESET booking.user_id;
SELECT pg_temp.move(22013, '2026-03-07 20:00', 22001, 22002) AS staff;
-- All of a visit, and some of it.
UPDATE booking.appointments SET status = 'cancelled' WHERE id IN (22011, 22012);
SELECT array_agg(id) AS ids FROM booking.book_visit(22001, ARRAY[(22001, 22002, '2026-03-09 20:00', NULL), (22001, 22002, '2026-03-09 21:00', NULL)]::booking.visit_item[]) \gset
SELECT count(booking.confirm_appointment(i)) FROM unnest(:'ids'::bigint[]) i;
UPDATE booking.shops SET max_pending_per_user = 1 WHERE id = 22001;
SET LOCAL booking.user_id = '22001';
SELECT pg_temp.move((:'ids'::bigint[])[1], '2026-03-10 20:00', 22001, 22002) AS both,
	test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-10 20:00'', whole_visit => false)', (:'ids'::bigint[])[1])) AS one;
RESET booking.user_id;
-- A visit in two shops: the move asks for all that the shop will have of it, and of that customer.
UPDATE booking.appointments SET status = 'cancelled' WHERE user_id = 22001 AND status IN ('pending', 'confirmed');
CALL pg_temp.put(22021, 22001, '2026-03-12 20:00');
CALL pg_temp.put(22022, 22001, '2026-03-12 21:00');
UPDATE booking.appointments SET visit_id = 22021 WHERE id IN (22021, 22022);
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 22002;
SELECT barber_id FROM booking.reschedule_appointment(22022, '2026-03-12 21:00', 22003, 22006);
SELECT pg_temp.try(22001, '2026-03-20 20:00', 22006, 22003) AS elsewhere, pg_temp.move(22021, '2026-03-13 20:00', 22003, 22006) AS all, pg_temp.move(22021, '2026-03-12 20:00', 22003, 22006) AS alone,
	pg_temp.move(22021, '2026-03-13 20:00', 22001, 22001) AS as_they_are, pg_temp.move(22021, '2026-03-13 20:00', 22003, 22006, '{limits}') AS staff;
UPDATE booking.appointments SET user_id = 22002 WHERE id = 22022;
SELECT pg_temp.move(22021, '2026-03-13 20:00', 22003, 22006) AS two_customers;
UPDATE booking.appointments SET user_id = 22001 WHERE id = 22022;
UPDATE booking.shops SET max_active_per_user = 2 WHERE id = 22002;
SELECT pg_temp.move(22021, '2026-03-13 20:00', 22003, 22006) AS two;
ROLLBACK TO empty;

-- No lock of the guard's is left by any of this.
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

ROLLBACK;
