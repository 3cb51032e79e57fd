-- What a year in production leaves behind, on top of demo/demo.sql: every kind
-- of row that the functions write, and what users add of their own.  Run it as
-- a superuser, after demo.sql.

SET timezone = 'America/New_York';
SET search_path = booking, pg_catalog;
CREATE FUNCTION pg_temp.at(at time) RETURNS timestamptz LANGUAGE sql
AS $$ SELECT date_trunc('week', current_date + 7)::date + 1 + at $$;
SELECT pg_temp.at('16:45') AS late, pg_temp.at('0:00')::date AS day \gset

-- ---------------------------------------------------------------------------
-- Columns, an index, triggers, views of a user's
-- ---------------------------------------------------------------------------

ALTER TABLE appointments
	ADD front text NOT NULL DEFAULT 'web',
	ADD minutes int GENERATED ALWAYS AS (extract(epoch FROM ends_at - starts_at) / 60) STORED,
	DROP notes,
	ADD notes text;
CREATE INDEX appointments_front ON appointments (front, starts_at);
ALTER TABLE shops ADD loyalty jsonb DEFAULT '{"stamps": 10}';

-- Each row that is written rings once; who restores a dump must not be rung.
CREATE TABLE public.rings (appointment_id bigint, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION public.ring() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO public.rings VALUES (NEW.id);
	RETURN NEW;
END $$;
CREATE TRIGGER ring AFTER INSERT OR UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION public.ring();
CREATE FUNCTION public.set_front() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.front := NEW.front || '!';
	RETURN NEW;
END $$;
CREATE TRIGGER set_front BEFORE INSERT ON appointments FOR EACH ROW EXECUTE FUNCTION public.set_front();
CREATE VIEW public.week AS
SELECT * FROM booking.available_slots(15, current_date, current_date + 7);
CREATE MATERIALIZED VIEW public.days AS
SELECT * FROM booking.availability_by_day(15, current_date, current_date + 7);

-- ---------------------------------------------------------------------------
-- Holds: confirmed, running, run out and booked over, expired
-- ---------------------------------------------------------------------------

SELECT id AS hold FROM hold_slot(14, 15, 42, pg_temp.at('09:00'), hold_for => '5 minutes') \gset
SELECT confirm_appointment(:hold);
SELECT reschedule_appointment(:hold, pg_temp.at('09:15'), version => 2);
SELECT hold_slot(15, 15, 43, pg_temp.at('09:00'), hold_for => '7 days');
SELECT now() - interval '1 hour' AS earlier \gset
SET booking.now = :'earlier';
SELECT hold_slot(14, 15, 44, pg_temp.at('10:00'), hold_for => '5 minutes');
SELECT hold_slot(15, 15, 45, pg_temp.at('10:00'), hold_for => '5 minutes');
RESET booking.now;
SELECT book_slot(14, 15, 46, pg_temp.at('10:00'), 'key of 46');

-- ---------------------------------------------------------------------------
-- Visits, steps, seats, a series, overrides, any barber
-- ---------------------------------------------------------------------------

SELECT count(*) FROM book_visit(47, ARRAY[
	ROW(14, 15, pg_temp.at('10:30'), NULL), ROW(15, 15, pg_temp.at('10:30'), E'L\u00e9o "the\tkid"')]::booking.visit_item[]);
SELECT id AS colour FROM book_slot(14, 16, 48, pg_temp.at('11:00')) \gset
SELECT reschedule_appointment(:colour, pg_temp.at('11:15'));
SELECT count(book_slot(15, 17, u, pg_temp.at('14:00'))) FROM generate_series(49, 51) AS u;
SELECT count(*) FROM book_series(14, 15, 52, pg_temp.at('16:00'), '1 week', 12, on_conflict => 'skip');
SELECT book_slot(14, 15, 53, pg_temp.at('18:10'), overrides => '{hours,grid}');
SELECT book_slot(NULL, 15, NULL, pg_temp.at('15:00'));

-- ---------------------------------------------------------------------------
-- The end of it: declined, cancelled, came, did not come, deleted
-- ---------------------------------------------------------------------------

SELECT id AS wedding FROM book_slot(15, 18, 54, pg_temp.at('11:30')) \gset
SELECT decline_appointment(:wedding, E'Closed \\. that\nweek');
SELECT id AS came FROM book_slot(15, 15, 55, pg_temp.at('15:30')) \gset
SELECT check_in(:came);
SELECT complete_appointment(:came);
SELECT id AS gone FROM book_slot(15, 15, 56, pg_temp.at('16:30')) \gset
SET booking.now = :'late';
SELECT mark_no_show(:gone);
RESET booking.now;
SELECT id AS wrong FROM book_slot(15, 15, 57, pg_temp.at('17:00')) \gset
UPDATE appointments SET notes = E'wrong\\N', front = 'phone' WHERE id = :wrong;
DELETE FROM appointments WHERE id = :wrong;

-- The waitlist: one is served by a cancellation, one has left, two wait; one
-- for a time that is free.
SELECT join_waitlist(58, 15, pg_temp.at('09:00'), pg_temp.at('10:00'), barber_id => 14);
SELECT join_waitlist(59, 15, pg_temp.at('09:00'), pg_temp.at('10:00'), barber_id => 14);
SELECT join_waitlist(60, 15, pg_temp.at('13:00'), pg_temp.at('14:00'));
SELECT join_waitlist(61, 15, pg_temp.at('09:00'), pg_temp.at('10:00')) AS place \gset
SELECT leave_waitlist(:place);
SELECT cancel_appointment(:hold, 'Rain');

-- ---------------------------------------------------------------------------
-- Configuration with an end, and without one
-- ---------------------------------------------------------------------------

-- Somebody's appointment is at risk.
SELECT book_slot(15, 15, 62, pg_temp.at('17:00'));
INSERT INTO time_off (barber_id, starts_at, ends_at, reason) VALUES (15, pg_temp.at('17:15'), 'infinity', 'Moving');
INSERT INTO working_hours (barber_id, weekday, opens, closes, valid_until) VALUES (14, 7, '22:00', '02:00', :'day');
SELECT ensure_user(E'O''Brien@example.org', E'Bri\u00e1n', NULL);
-- Somebody who only calls, and whom a shop does not want.
SELECT ensure_user(NULL, E'J\u00fcrgen', '+49 (171) 2345678') AS caller \gset
INSERT INTO blocked_customers (shop_id, user_id, reason) SELECT shop_id, :caller, E'threw\ta comb' FROM barbers WHERE id = 15;
-- Whose address a shop has taken.
BEGIN;
SELECT set_config('booking.shop_id', shop_id::text, true) FROM barbers WHERE id = 14;
SELECT ensure_user('known@example.org');
COMMIT;
REFRESH MATERIALIZED VIEW public.days;
