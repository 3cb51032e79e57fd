--
-- Corners of an appointment's life: the exact start, several statuses in one
-- visit, a row of somebody else's that is refused.  If this breaks, a customer is
-- told yes and has nothing, or one customer's trouble becomes another's.
--
-- Ann and Bob work every day from 09:00 to 17:00, an hour an appointment.  It is
-- Monday 2026-03-02, eight o'clock.
--
\set SHOW_CONTEXT never
SET client_min_messages = error;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 08:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (19901, 'Corner', 60, 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (19901, 19901, 'Ann'), (19902, 19901, 'Bob');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(19901, 19902) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, requires_confirmation) VALUES
	(19901, 19901, 'Cut', 60, false), (19902, 19901, 'Tattoo', 60, true), (19903, 19901, 'Perm', 5, false);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (19903, 1, 60, 60), (19903, 2, 60, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(19901, 19902) b, generate_series(19901, 19903) s;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(19901, 19906) n;
SAVEPOINT monday;

-- A hold that could only end at once is refused; a booking is not, and a request lives on for staff to confirm.
SET LOCAL booking.now = '2026-03-02 10:00Z';
UPDATE booking.shops SET answer_within_minutes = 15;
SELECT test.brief('SELECT booking.hold_slot(19901, 19901, 19901, ''2026-03-02 10:00Z'')');
SELECT status, hold_expires_at FROM booking.book_slot(19902, 19902, 19901, '2026-03-02 10:00Z');
ROLLBACK TO monday;
SET LOCAL booking.now = '2026-03-02 10:00Z';
SELECT starts_at, status FROM booking.book_slot(19901, 19901, 19901, '2026-03-02 10:00Z');
-- Staff may, and the hold lasts as long as usual.
SELECT hold_expires_at FROM booking.hold_slot(19902, 19901, 19901, '2026-03-02 10:00Z', overrides => '{notice}');
-- Nor can a hold be moved to begin now, and that is not offered.
SELECT id AS hold FROM booking.hold_slot(19901, 19901, 19902, '2026-03-02 15:00Z', '7 days') \gset
SET LOCAL booking.now = '2026-03-02 14:00Z';
SELECT starts_at FROM booking.available_slots(19901, '2026-03-02', NULL, 19901, :hold);
SELECT test.brief(format('SELECT booking.reschedule_appointment(%s, ''2026-03-02 14:00Z'')', :hold));
SELECT starts_at, hold_expires_at FROM booking.reschedule_appointment(:hold, '2026-03-02 14:00Z', overrides => '{notice}');
SET LOCAL booking.now = '2026-03-02 10:00Z';
-- What begins now has begun.
SELECT id AS request FROM booking.book_slot(19901, 19902, 19902, '2026-03-02 12:00Z') \gset
SET LOCAL booking.now = '2026-03-02 12:00Z';
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', :request));
SELECT status FROM booking.confirm_appointment(:request, overrides => '{notice}');
ROLLBACK TO monday;

-- A request that has run out can still be withdrawn, whatever the window.
UPDATE booking.shops SET answer_within_minutes = 30, cancellation_window_minutes = 1440;
SELECT id AS request FROM booking.book_slot(19901, 19902, 19901, '2026-03-02 12:00Z') \gset
SELECT test.brief(format('SELECT booking.cancel_appointment(%s)', :request));
SET LOCAL booking.now = '2026-03-02 08:30Z';
SELECT status FROM booking.cancel_appointment(:request);
ROLLBACK TO monday;

-- A visit's request and its confirmed appointment move together.
SELECT min(id) AS first FROM booking.book_visit(19901, ARRAY[(19901, 19901, '2026-03-03 09:00Z', NULL), (19901, 19902, '2026-03-03 10:00Z', NULL)]::booking.visit_item[]) \gset
SELECT starts_at, status FROM booking.reschedule_appointment(:first, '2026-03-04 09:00Z');
SELECT starts_at, status FROM booking.appointments WHERE visit_id = :first ORDER BY starts_at;
ROLLBACK TO monday;

-- A step that a move adds may begin where another of the visit still is.
SELECT min(id) AS first FROM booking.book_visit(19901, ARRAY[(19901, 19901, '2026-03-03 09:00Z', NULL), (19901, 19901, '2026-03-03 12:00Z', NULL)]::booking.visit_item[]) \gset
SELECT count(*) FROM booking.available_slots(19903, '2026-03-03', NULL, 19901, :first) WHERE starts_at = '2026-03-03 10:00Z';
SELECT starts_at FROM booking.reschedule_appointment(:first, '2026-03-03 10:00Z', service_id => 19903);
SELECT starts_at, ends_at, part_of IS NOT NULL AS is_part FROM booking.appointments WHERE visit_id = :first ORDER BY starts_at;
ROLLBACK TO monday;

-- The key of a visit stands for all of it: whichever appointment was cancelled, the visit is the answer, until nothing of it is left.
CREATE FUNCTION pg_temp.visit() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	SELECT string_agg(status, ',' ORDER BY id) INTO found FROM booking.book_visit(19901,
		ARRAY[(19902, 19901, '2026-03-03 09:00Z', NULL), (19901, 19901, '2026-03-03 10:00Z', NULL)]::booking.visit_item[], 'family');
	RETURN found;
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END
$$;
SELECT pg_temp.visit();
SELECT min(id) AS first, max(id) AS last FROM booking.appointments WHERE user_id = 19901 \gset
SAVEPOINT booked;
SELECT status FROM booking.cancel_appointment(:first);
SELECT pg_temp.visit();
ROLLBACK TO booked;
SELECT status FROM booking.cancel_appointment(:last);
SELECT pg_temp.visit();
SELECT status FROM booking.cancel_appointment(:first);
SELECT pg_temp.visit();
ROLLBACK TO monday;

-- A wish into which the service does not fit is refused: nothing could ever fulfil it.
SELECT test.brief('SELECT booking.join_waitlist(19901, 19901, ''2026-03-03 09:00Z'', ''2026-03-03 09:59Z'')');
SELECT test.brief('SELECT booking.join_waitlist(19901, 19901, ''2026-03-03 09:00Z'', ''2026-03-03 09:59Z'', 19901)');
UPDATE booking.barber_services SET duration_minutes = 45 WHERE barber_id = 19902 AND service_id = 19901;
SELECT booking.join_waitlist(19901, 19901, '2026-03-03 09:00Z', '2026-03-03 09:59Z') > 0 AS joined;
ROLLBACK TO monday;

-- A row of the owner's that refuses one customer's offer neither stops another's cancellation nor shows it that row.
SELECT id AS booked FROM booking.book_slot(19901, 19901, 19901, '2026-03-03 09:00Z') \gset
SELECT booking.join_waitlist(19902, 19901, '2026-03-03 09:00Z', '2026-03-03 10:00Z', 19901) > 0 AS joined;
SELECT booking.join_waitlist(19903, 19901, '2026-03-03 09:00Z', '2026-03-03 10:00Z', 19901) > 0 AS joined;
ALTER TABLE booking.appointments ADD CONSTRAINT owners_rule CHECK (user_id <> 19902);
SELECT status FROM booking.cancel_appointment(:booked);
SELECT user_id, status FROM booking.waitlist WHERE user_id IN (19902, 19903) ORDER BY id;
ROLLBACK;
