--
-- Services with steps: one appointment in several rows, with time between them
-- that the barber may give to others.
--
-- Open Monday to Friday 09:00 to 13:00, a quarter of an hour apart.  It is
-- Sunday 2026-03-01, noon.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (22401, 'Steps', 15, 14);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (22401, 22401, 'Stan'), (22402, 22401, 'Stella');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '13:00' FROM generate_series(22401, 22402) b, generate_series(1, 5) n;
-- Colour: half an hour, three quarters' wait, a quarter, at once another half hour; what follows the last step counts for nothing,
-- nor do the 5 minutes of the service and the 7 of the barber.  Its rows come in disorder.
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, buffer_before_minutes, buffer_after_minutes, requires_confirmation) VALUES
	(22401, 22401, 'Colour', 5, 9000, 10, 15, false), (22402, 22401, 'Cut', 30, 3000, 0, 0, false), (22403, 22401, 'Wash', 45, 2000, 0, 0, false),
	(22404, 22401, 'Weave', 5, 4000, 0, 0, false), (22405, 22401, 'Single', 5, 1000, 0, 0, false), (22406, 22401, 'Consult', 5, 500, 0, 0, true),
	(22407, 22401, 'Twenty', 5, 500, 0, 0, false);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES
	(22401, 20, 30, 60), (22401, 1, 30, 45), (22401, 7, 15, 0), (22404, 1, 30, 30), (22404, 2, 30, 0), (22405, 3, 45, 30),
	(22406, 1, 30, 30), (22406, 2, 30, 0);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) SELECT 22407, n, 5, 5 FROM generate_series(1, 20) n;
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes, price_cents)
SELECT b, s, CASE WHEN s = 22401 THEN 7 END, CASE WHEN s = 22401 AND b = 22401 THEN 9900 END
FROM generate_series(22401, 22402) b, generate_series(22401, 22407) s;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(22401, 22403) n;

-- Stan's appointments, part by part.
CREATE VIEW pg_temp.rows AS
SELECT a.service_id, a.user_id, to_char(a.starts_at, 'DD HH24:MI') || to_char(a.ends_at, '-HH24:MI') AS work,
	to_char(a.busy_from, 'HH24:MI') || to_char(a.busy_until, '-HH24:MI') AS busy, a.status, a.price_cents AS price, a.version,
	dense_rank() OVER (ORDER BY coalesce(a.part_of, a.id)) AS appointment, a.part_of IS NULL AS is_head, a.visit_id = coalesce(a.part_of, a.id) AS is_visit
FROM booking.appointments a WHERE a.barber_id IN (22401, 22402) ORDER BY appointment, a.starts_at;
-- The starts of a service of Stan's on March 2.
CREATE FUNCTION pg_temp.starts(service bigint, moved bigint DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
SELECT string_agg(to_char(s.starts_at, 'HH24:MI'), ' ' ORDER BY s.starts_at) FROM booking.available_slots(service, '2026-03-02', NULL, 22401, moved) s
$$;
-- What try_book_slot answers, for Stan's March 2, and check_slot.
CREATE FUNCTION pg_temp.try(service bigint, at text, customer bigint DEFAULT 22401) RETURNS text LANGUAGE sql AS $$
SELECT coalesce(reason, 'booked') FROM booking.try_book_slot(22401, service, customer, ('2026-03-02 ' || at || 'Z')::timestamptz)
$$;
CREATE FUNCTION pg_temp.check(service bigint, at text) RETURNS text LANGUAGE sql AS $$
SELECT coalesce(reason, 'available') FROM booking.check_slot(22401, service, ('2026-03-02 ' || at || 'Z')::timestamptz)
$$;
-- A raw Cut of Stan's.
CREATE PROCEDURE pg_temp.put(id bigint, from_time text, to_time text) LANGUAGE sql AS $$
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (id, 22401, 22402, ('2026-03-02 ' || from_time || 'Z')::timestamptz, ('2026-03-02 ' || to_time || 'Z')::timestamptz)
$$;
-- The second part of somebody's appointment.
CREATE FUNCTION pg_temp.part(customer bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
SELECT id FROM booking.appointments WHERE user_id = customer AND part_of IS NOT NULL ORDER BY starts_at LIMIT 1
$$;
-- test.error() without the ids that a sequence gave.
CREATE FUNCTION pg_temp.error(statement text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(e, '(appointment) [0-9]+', '\1 N', 'i') FROM test.error(statement) e
$$;
SAVEPOINT empty;

-- ---------------------------------------------------------------------------
-- What is offered and stored
-- ---------------------------------------------------------------------------

-- Two hours: the last one that ends by 13:00 begins at 11:00.
SELECT pg_temp.starts(22401);
SELECT starts_at, ends_at, seats_left FROM booking.available_slots(22401, '2026-03-02', NULL, 22401) ORDER BY 1 LIMIT 1;
SELECT slot_count, first_slot FROM booking.availability_by_day(22401, '2026-03-02', '2026-03-02', 22401);
SELECT starts_at, ends_at FROM booking.next_slots(22401, '2026-03-02 10:46Z', 2, 22401);
SELECT pg_temp.check(22401, '11:00'), pg_temp.check(22401, '11:15') AS too_long, pg_temp.check(22401, '10:10') AS off_grid;
-- The answer is the first part.  The buffers are before the first and after the last, the price is on the first alone, and the key too.
SELECT barber_id, service_id, user_id, starts_at, ends_at, status, price_cents, visit_id = id AS is_visit, version
FROM booking.book_slot(22401, 22401, 22401, '2026-03-02 10:00Z', 'steps');
SELECT * FROM pg_temp.rows;
SELECT starts_at, idempotency_key, request_hash IS NOT NULL AS has_hash, series_id, guest_name, is_assigned, overrides, hold_expires_at, notes
FROM booking.appointments WHERE user_id = 22401 ORDER BY starts_at;
-- The same request again stores nothing more and answers with the first part.
SELECT starts_at, visit_id = id AS is_head FROM booking.book_slot(22401, 22401, 22401, '2026-03-02 10:00Z', 'steps');
SELECT count(*) FROM pg_temp.rows;
SELECT test.brief('SELECT booking.book_slot(22401, 22401, 22401, ''2026-03-02 09:00Z'', ''steps'')');

-- The gap is the barber's: free on the board, offered, and booked.  45 minutes fit into it exactly.
SELECT starts_at, ends_at FROM booking.free_time(22401, '2026-03-02');
SELECT starts_at, ends_at, kind, service_name FROM booking.get_barber_availability(22401, '2026-03-02');
SELECT pg_temp.starts(22402) AS cut, pg_temp.starts(22403) AS wash, pg_temp.starts(22401) AS colour, pg_temp.starts(22404) AS weave;
SELECT pg_temp.check(22403, '10:30') AS wash, pg_temp.check(22403, '10:45') AS wash_into_it, pg_temp.check(22402, '10:15') AS cut_before_it;
SELECT pg_temp.try(22403, '10:30', 22402) AS wash, pg_temp.try(22402, '10:45', 22403) AS cut;
SELECT * FROM pg_temp.rows;
SELECT starts_at, ends_at FROM booking.free_time(22401, '2026-03-02');
ROLLBACK TO empty;

-- Two of the same kind, woven into each other: work in the other's gap.
SELECT pg_temp.try(22404, '09:00'), pg_temp.starts(22404);
SELECT pg_temp.try(22404, '09:30', 22402), pg_temp.starts(22404), pg_temp.try(22404, '09:15', 22403) AS overlapping;
SELECT * FROM pg_temp.rows;
ROLLBACK TO empty;
-- Whoever is free: all parts are with one barber, and the mark of the assignment is on the first.
CALL pg_temp.put(22411, '11:15', '11:30');
SELECT barber_id FROM booking.book_slot(NULL, 22401, NULL, '2026-03-02 10:00Z');
SELECT barber_id, starts_at, user_id, is_assigned, price_cents FROM booking.appointments WHERE service_id = 22401 ORDER BY starts_at;
ROLLBACK TO empty;
-- One step alone makes one row, as long as the step; twenty make twenty.
SELECT pg_temp.starts(22405), pg_temp.try(22405, '12:15');
SELECT pg_temp.starts(22407), pg_temp.try(22407, '09:00', 22402);
SELECT user_id, count(*), count(part_of) AS parts, count(visit_id) AS of_visit, min(starts_at), max(ends_at), sum(extract(epoch FROM ends_at - starts_at))::int / 60 AS work_minutes
FROM booking.appointments WHERE service_id IN (22405, 22407) GROUP BY 1 ORDER BY 1;
ROLLBACK TO empty;
-- What staff override is kept on each part.
SELECT status FROM booking.book_slot(22401, 22401, 22401, '2026-03-02 12:10Z', NULL, '{hours,grid}');
SELECT starts_at, overrides FROM booking.appointments WHERE user_id = 22401 ORDER BY 1;
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- What is in the way
-- ---------------------------------------------------------------------------

-- Somebody else's time against a Colour at 10:00, which is busy 09:50 to 10:30 and 11:15 to 12:15: it is refused by one minute of any
-- part or buffer, not by the gap nor by what touches it; slots, check and booking agree, and of a "no" nothing is stored.
CREATE FUNCTION pg_temp.against(from_time text, to_time text, OUT offered boolean, OUT checked text, OUT answer text, OUT rows bigint) LANGUAGE plpgsql AS $$
DECLARE
	result text[];
BEGIN
	CALL pg_temp.put(22421, from_time, to_time);
	offered := coalesce(pg_temp.starts(22401) ~ '10:00', false);
	checked := pg_temp.check(22401, '10:00');
	answer := pg_temp.try(22401, '10:00');
	SELECT count(*) INTO rows FROM booking.appointments WHERE service_id = 22401;
	RAISE SQLSTATE 'OK000' USING MESSAGE = ARRAY[offered::text, checked, answer, rows::text];
EXCEPTION WHEN SQLSTATE 'OK000' THEN
	result := SQLERRM;
	offered := result[1]; checked := result[2]; answer := result[3]; rows := result[4];
END
$$;
SELECT v.what, v.f, v.u, t.* FROM (VALUES (1, 'before the buffer', '09:00', '09:50'), (2, 'into the buffer', '09:00', '09:51'), (3, 'first part', '10:00', '10:30'),
	(4, 'end of the first', '10:29', '10:31'), (5, 'the gap', '10:30', '11:15'), (6, 'into the second', '10:30', '11:16'), (7, 'in the second', '11:20', '11:25'),
	(8, 'end of the second, begin of the third', '11:29', '11:31'), (9, 'in the third', '11:45', '11:46'), (10, 'buffer after the last', '12:14', '13:00'),
	(11, 'after the buffer', '12:15', '13:00'), (12, 'around all', '09:00', '13:00')) v (n, what, f, u), pg_temp.against(v.f, v.u) t ORDER BY v.n;
-- The error speaks of the part that could not be had; check_slot, which stores none, of the whole.
CALL pg_temp.put(22422, '11:20', '11:25');
SELECT test.error('SELECT booking.book_slot(22401, 22401, 22401, ''2026-03-02 10:00Z'')');
SELECT * FROM booking.check_slot(22401, 22401, '2026-03-02 10:00Z');
SELECT test.brief('SELECT booking.hold_slot(22401, 22401, 22401, ''2026-03-02 10:00Z'')');
SELECT count(*) FROM booking.appointments WHERE service_id = 22401;
-- The key of a request that was refused is not used up.
SELECT test.brief('SELECT booking.book_slot(22401, 22401, 22401, ''2026-03-02 10:00Z'', ''refused'')');
DELETE FROM booking.appointments WHERE id = 22422;
SELECT starts_at FROM booking.book_slot(22401, 22401, 22401, '2026-03-02 10:00Z', 'refused');
ROLLBACK TO empty;

-- On a day with some odds and ends: an instant is offered if and only if check_slot says so, and if and only if it can be booked; for each
-- service, every five minutes of the day.
CALL pg_temp.put(22431, '10:05', '10:10');
SELECT pg_temp.starts(22401) AS colour, pg_temp.starts(22404) AS weave, pg_temp.starts(22407) AS twenty;
CREATE FUNCTION pg_temp.can_book(service bigint, at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	booked boolean;
BEGIN
	SELECT appointment_id IS NOT NULL INTO booked FROM booking.try_book_slot(22401, service, NULL, at);
	RAISE SQLSTATE 'OK000';
EXCEPTION WHEN SQLSTATE 'OK000' THEN
	RETURN booked;
END
$$;
CREATE FUNCTION pg_temp.agree() RETURNS TABLE (service bigint, offered bigint, disagreements bigint) LANGUAGE sql AS $$
SELECT s, count(o.starts_at), count(*) FILTER (WHERE (booking.check_slot(22401, s, t)).available <> (o.starts_at IS NOT NULL)
	OR pg_temp.can_book(s, t) <> (o.starts_at IS NOT NULL))
FROM generate_series(22401, 22407) s CROSS JOIN generate_series(timestamptz '2026-03-02 08:30Z', '2026-03-02 13:30Z', '5 minutes') t
LEFT JOIN booking.available_slots(s, '2026-03-02', NULL, 22401) o ON o.starts_at = t
GROUP BY 1 ORDER BY 1
$$;
SELECT * FROM pg_temp.agree();
SELECT pg_temp.try(22404, '11:30', 22402);
SELECT * FROM pg_temp.agree();
-- The same on the packed grid, where the first slot is as early as all parts allow, and on the clock's.
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 22401;
SELECT pg_temp.starts(22401) AS colour, pg_temp.starts(22404) AS weave, pg_temp.starts(22402) AS cut;
SELECT * FROM pg_temp.agree();
UPDATE booking.shops SET slot_anchor = 'clock', slot_interval_minutes = 25 WHERE id = 22401;
SELECT pg_temp.starts(22401) AS colour, pg_temp.starts(22404) AS weave, pg_temp.starts(22402) AS cut;
SELECT * FROM pg_temp.agree();
ROLLBACK TO empty;

-- The barber must be at work all the time, in the gap too: time off in it, or two pieces of hours that do not touch.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (22401, '2026-03-02 10:50Z', '2026-03-02 10:51Z');
SELECT pg_temp.check(22401, '10:00'), pg_temp.try(22401, '10:00'), pg_temp.starts(22401), pg_temp.starts(22404) AS weave;
SELECT test.error('SELECT booking.book_slot(22401, 22401, 22401, ''2026-03-02 10:00Z'')');
ROLLBACK TO empty;
UPDATE booking.working_hours SET closes = '10:45' WHERE barber_id = 22401;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (22401, 1, '11:00', '13:00');
SELECT pg_temp.check(22401, '10:00'), pg_temp.starts(22401), pg_temp.starts(22404) AS weave;
-- Two that touch are one.
UPDATE booking.working_hours SET opens = '10:45' WHERE barber_id = 22401 AND opens = '11:00';
SELECT pg_temp.check(22401, '10:00'), pg_temp.starts(22401);
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- All parts are one appointment
-- ---------------------------------------------------------------------------

-- Whichever part is named, all change, and the answer is the first.  (The second part of user 22401's is named here.)
SELECT id AS colour FROM booking.book_slot(22401, 22401, 22401, '2026-03-02 10:00Z') \gset
SAVEPOINT booked;
SELECT id = :colour AS is_head, status, version, price_cents FROM booking.check_in(pg_temp.part(22401));
SELECT * FROM pg_temp.rows;
SELECT id = :colour AS is_head, status, version FROM booking.complete_appointment(pg_temp.part(22401), 2);
SELECT work, status, version FROM pg_temp.rows;
ROLLBACK TO booked;
SELECT id = :colour AS is_head, status FROM booking.cancel_appointment(pg_temp.part(22401), 'rain');
SELECT starts_at, status, cancelled_at, cancel_reason, cancelled_by FROM booking.appointments WHERE user_id = 22401 ORDER BY starts_at;
SELECT starts_at, ends_at FROM booking.free_time(22401, '2026-03-02');
SELECT pg_temp.error('SELECT booking.cancel_appointment(pg_temp.part(22401))');
ROLLBACK TO booked;
SET booking.now = '2026-03-02 10:10Z';
SELECT id = :colour AS is_head, status FROM booking.mark_no_show(pg_temp.part(22401));
SELECT work, status, version FROM pg_temp.rows;
ROLLBACK TO booked;
-- The start of the whole is what counts for a no-show, also when a later part is named; and for the cancellation window.
SET booking.now = '2026-03-02 09:59Z';
SELECT test.brief('SELECT booking.mark_no_show(pg_temp.part(22401))'), test.brief('SELECT booking.cancel_appointment(pg_temp.part(22401))') AS in_time;
UPDATE booking.shops SET cancellation_window_minutes = 30 WHERE id = 22401;
SELECT test.brief('SELECT booking.cancel_appointment(pg_temp.part(22401))') AS too_late, test.brief('SELECT booking.cancel_appointment(pg_temp.part(22401), NULL, ''shop'')') AS shop;
ROLLBACK TO booked;
-- The version is the first part's.
UPDATE booking.appointments SET notes = 'gloves' WHERE id = pg_temp.part(22401);
SELECT test.brief('SELECT booking.check_in(pg_temp.part(22401), 2)') AS the_parts, test.brief('SELECT booking.check_in(pg_temp.part(22401), 1)') AS the_heads;
ROLLBACK TO empty;

-- Pending parts: held until the same moment, confirmed, declined or run out together, and free together when they do.
SELECT id AS hold FROM booking.hold_slot(22401, 22401, 22401, '2026-03-02 10:00Z', '20 minutes') \gset
SELECT starts_at, status, hold_expires_at FROM booking.appointments WHERE user_id = 22401 ORDER BY starts_at;
SAVEPOINT held;
SELECT id = :hold AS is_head, status, hold_expires_at FROM booking.confirm_appointment(pg_temp.part(22401));
SELECT starts_at, status, hold_expires_at FROM booking.appointments WHERE user_id = 22401 ORDER BY starts_at;
ROLLBACK TO held;
SET booking.now = '2026-03-01 12:19:59Z';
SELECT pg_temp.check(22402, '10:00') AS first, pg_temp.check(22402, '11:30') AS last;
SET booking.now = '2026-03-01 12:20Z';
SELECT pg_temp.check(22402, '10:00') AS first, pg_temp.check(22402, '11:30') AS last;
SELECT pg_temp.error('SELECT booking.confirm_appointment(pg_temp.part(22401))');
SELECT booking.expire_holds();
SELECT work, status FROM pg_temp.rows;
ROLLBACK TO empty;
SELECT status, hold_expires_at FROM booking.book_slot(22401, 22406, 22401, '2026-03-02 10:00Z');
SELECT status FROM booking.decline_appointment(pg_temp.part(22401), 'too busy');
SELECT starts_at, status, cancel_reason, cancelled_by FROM booking.appointments WHERE user_id = 22401 ORDER BY starts_at;
ROLLBACK TO empty;

-- Moving it: its own parts are not in its way, whichever is named; slots for the move say where it can go.
SELECT id AS colour FROM booking.book_slot(22401, 22401, 22401, '2026-03-02 10:00Z') \gset
SELECT pg_temp.try(22402, '12:30', 22402);
SELECT pg_temp.starts(22401) AS another, pg_temp.starts(22401, :colour) AS moved, pg_temp.starts(22401, pg_temp.part(22401)) AS by_its_part;
SELECT id = :colour AS is_head, starts_at FROM booking.reschedule_appointment(pg_temp.part(22401), '2026-03-02 10:15Z');
SELECT * FROM pg_temp.rows;
SELECT test.brief('SELECT booking.reschedule_appointment(pg_temp.part(22401), ''2026-03-02 10:30Z'')') AS last_part_taken;
SELECT work, status FROM pg_temp.rows;
ROLLBACK TO empty;

-- ---------------------------------------------------------------------------
-- Raw writers and changed steps
-- ---------------------------------------------------------------------------

-- The guard protects each part, and not the gap.
SELECT id AS colour FROM booking.book_slot(22401, 22401, 22401, '2026-03-02 10:00Z') \gset
SELECT v.f, v.u, test.brief(format('CALL pg_temp.put(22441, %L, %L)', v.f, v.u)) FROM (VALUES ('10:30', '11:15'), ('10:29', '10:31'), ('11:29', '11:31'), ('12:14', '12:30'), ('12:15', '12:30')) v (f, u);
-- Deleting the first part deletes all, and the history keeps them; deleting another leaves the rest.
SAVEPOINT booked;
DELETE FROM booking.appointments WHERE id = :colour;
SELECT count(*) FROM pg_temp.rows;
SELECT count(*), count(to_values), count(DISTINCT appointment_id) FROM booking.appointment_history WHERE from_values ->> 'user_id' = '22401';
SELECT starts_at, ends_at FROM booking.free_time(22401, '2026-03-02');
ROLLBACK TO booked;
DELETE FROM booking.appointments WHERE id = pg_temp.part(22401);
SELECT work, is_head FROM pg_temp.rows;
SELECT starts_at, ends_at FROM booking.free_time(22401, '2026-03-02');
-- What is left of it is still changed together.
SELECT status FROM booking.cancel_appointment(pg_temp.part(22401));
SELECT work, status FROM pg_temp.rows;
ROLLBACK TO booked;
-- A part that somebody has ended by hand stays as it is.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = pg_temp.part(22401);
SELECT status FROM booking.check_in(:colour);
SELECT work, status FROM pg_temp.rows;
ROLLBACK TO booked;

-- Other steps are for those who book afterwards; without steps the service lasts as long as the barber's own minutes say.
UPDATE booking.service_steps SET work_minutes = 60 WHERE service_id = 22401 AND position = 1;
SELECT starts_at, ends_at FROM booking.available_slots(22401, '2026-03-03', NULL, 22401) ORDER BY 1 DESC LIMIT 1;
DELETE FROM booking.service_steps WHERE service_id = 22401;
SELECT starts_at, ends_at FROM booking.available_slots(22401, '2026-03-03', NULL, 22401) ORDER BY 1 DESC LIMIT 1;
SELECT starts_at, ends_at, visit_id FROM booking.book_slot(22401, 22401, 22402, '2026-03-03 10:00Z');
SELECT status FROM booking.check_in(pg_temp.part(22401));
SELECT work, status, price, is_head, is_visit FROM pg_temp.rows;
ROLLBACK TO empty;

-- No lock of the guard's is left by any of this.
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

ROLLBACK;
