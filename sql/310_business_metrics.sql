--
-- A shop's figures by day.  A wrong one would be paid for, or fire somebody.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

-- Monday to Friday from 9 to 17, and all Sunday; one of the barbers has left.
INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes) VALUES
	(31001, 'Measured', 'America/New_York', 30), (31002, 'Other', 'UTC', 30);
INSERT INTO booking.barbers (id, shop_id, name, is_active) VALUES
	(31001, 31001, 'Ann', true), (31002, 31001, 'Ben', true), (31003, 31001, 'Gone', false), (31004, 31002, 'Else', true);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, d, '09:00', '17:00' FROM unnest(ARRAY[31001, 31002, 31003, 31004]) b, generate_series(1, 5) d;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (31001, 7, '00:00', '24:00'), (31002, 6, '22:00', '02:00');
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, capacity, buffer_before_minutes) VALUES
	(31001, 31001, 'Cut', 60, 4000, 1, 0), (31002, 31001, 'Class', 60, 1500, 5, 15), (31003, 31001, 'Colour', 60, 9000, 1, 0),
	(31004, 31002, 'Cut', 60, 4000, 1, 0);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (31003, 1, 30, 60), (31003, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM unnest(ARRAY[31001, 31002, 31003]) b, unnest(ARRAY[31001, 31002, 31003]) s UNION ALL VALUES (31004, 31004);
INSERT INTO booking.users (id, email) SELECT 31000 + n, 'u' || 31000 + n || '@example.org' FROM generate_series(1, 5) n;

CREATE FUNCTION test.metrics(from_date date, to_date date DEFAULT NULL, shop bigint DEFAULT 31001) RETURNS TABLE (line text) LANGUAGE sql AS $$
	SELECT format('%s: attempts %s = bookings %s + unconfirmed %s; holds %s confirmed %s after %s; cancelled %s (%s customer, %s shop), no_show %s, done %s; %s of %s min = %s; %s cents',
		day, attempts, bookings, attempts - bookings, holds, holds_confirmed, coalesce(hold_to_confirm_median::text, '-'),
		cancellations, cancelled_by_customer, cancelled_by_shop, no_shows, completed,
		booked_minutes, open_minutes, coalesce(utilization::text, '-'), revenue_cents)
	FROM booking.business_metrics(shop, from_date, to_date)
$$;

-- A row for every date, weekend or not.
SELECT * FROM test.metrics('2026-03-02', '2026-03-08');

-- ---------------------------------------------------------------------------
-- What becomes of appointments: Monday
-- ---------------------------------------------------------------------------

-- Three plain ones: completed, not come, and still to come; one of Ann's next day.
SELECT id AS done FROM booking.book_slot(31001, 31001, 31001, '2026-03-02 09:00') \gset
SELECT id AS missed FROM booking.book_slot(31001, 31001, 31002, '2026-03-02 10:00') \gset
SELECT count(*) FROM booking.book_slot(31001, 31001, NULL, '2026-03-02 11:00');
SELECT count(*) FROM booking.book_slot(31001, 31001, 31003, '2026-03-03 09:00');
-- Holds: two confirmed, after 4 and 10 minutes, one of them cancelled later; one that ran out, one given up, one still open.
SELECT id AS h1 FROM booking.hold_slot(31002, 31001, 31001, '2026-03-02 09:00') \gset
SELECT id AS h2 FROM booking.hold_slot(31002, 31001, 31002, '2026-03-02 10:00', '20 minutes') \gset
SELECT id AS h3 FROM booking.hold_slot(31002, 31001, 31003, '2026-03-02 11:00') \gset
SELECT id AS h4 FROM booking.hold_slot(31002, 31001, 31003, '2026-03-02 12:00', '1 day') \gset
SELECT id AS h5 FROM booking.hold_slot(31002, 31001, 31003, '2026-03-02 13:00', '1 day') \gset
SELECT * FROM test.metrics('2026-03-02');
SET booking.now = '2026-03-01 12:04Z';
SELECT status FROM booking.confirm_appointment(:h1);
SET booking.now = '2026-03-01 12:10Z';
SELECT status FROM booking.confirm_appointment(:h2);
SELECT status FROM booking.cancel_appointment(:h2);
SELECT status FROM booking.cancel_appointment(:h4);
SELECT * FROM test.metrics('2026-03-02');
-- Marking the one that ran out changes nothing.
SELECT booking.expire_holds();
SELECT * FROM test.metrics('2026-03-02');

-- Cancelled by the shop; by somebody unknown; moved from Tuesday to Monday; and deleted, which leaves nothing.
SELECT id AS gone FROM booking.book_slot(31002, 31001, 31004, '2026-03-02 14:00') \gset
SELECT status FROM booking.cancel_appointment(:gone, 'ill', 'shop');
SELECT id AS gone FROM booking.book_slot(31002, 31001, 31004, '2026-03-02 14:00') \gset
UPDATE booking.appointments SET status = 'cancelled' WHERE id = :gone;
SELECT id AS moved FROM booking.book_slot(31002, 31001, 31004, '2026-03-03 14:00') \gset
SELECT count(*) FROM booking.reschedule_appointment(:moved, '2026-03-02 14:00');
SELECT id AS gone FROM booking.book_slot(31002, 31001, 31004, '2026-03-02 15:00') \gset
DELETE FROM booking.appointments WHERE id = :gone;
-- Of another shop
SELECT count(*) FROM booking.book_slot(31004, 31004, 31005, '2026-03-02 10:00Z');
SELECT * FROM test.metrics('2026-03-02');

-- The day comes.  Done after half an hour, somebody else has the rest: each minute counts once.
SET booking.now = '2026-03-02 09:30-05';
SELECT status FROM booking.complete_appointment(:done);
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, price_cents)
VALUES (31001, 31001, '2026-03-02 09:30', '2026-03-02 10:00', 100);
SET booking.now = '2026-03-02 10:30-05';
SELECT status FROM booking.mark_no_show(:missed);
SELECT * FROM test.metrics('2026-03-02');

-- A hold that was made permanent by hand and then confirmed was a hold; what waits for the shop is none, but booked.
UPDATE booking.appointments SET hold_expires_at = NULL WHERE id = :h5;
SELECT * FROM test.metrics('2026-03-02');
UPDATE booking.appointments SET status = 'confirmed' WHERE id = :h5;
UPDATE booking.services SET requires_confirmation = true WHERE id = 31001;
SELECT status FROM booking.book_slot(31002, 31001, 31004, '2026-03-02 16:00');
SELECT * FROM test.metrics('2026-03-02');
UPDATE booking.services SET requires_confirmation = false WHERE id = 31001;

-- ---------------------------------------------------------------------------
-- Minutes
-- ---------------------------------------------------------------------------

-- A group is one hour of its barber's, whoever comes, and its buffer none; one with steps is one booking, without its gap.
SELECT count(*) FROM generate_series(31001, 31003) u, booking.book_slot(31001, 31002, u, '2026-03-04 10:00');
SELECT count(*) FROM booking.book_slot(31002, 31003, 31004, '2026-03-04 10:00');
SELECT * FROM test.metrics('2026-03-04');

-- Time off and overrides make the day shorter; nobody is there: no utilization.  What staff book outside hours counts.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (31001, '2026-03-05 08:00', '2026-03-05 12:30');
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (31002, '2026-03-05', '09:00', '09:30');
INSERT INTO booking.schedule_overrides (shop_id, on_date) VALUES (31001, '2026-03-06');
SELECT count(*) FROM booking.book_slot(31001, 31001, 31001, '2026-03-06 10:00', overrides => ARRAY['hours', 'grid']);
SELECT * FROM test.metrics('2026-03-05', '2026-03-06');

-- The night in which clocks go forward: Ann's Sunday has 23 hours, and Ben's shift ends at 2 o'clock of it.
-- An appointment at midnight belongs to the date on which it begins, its minutes to both.
SELECT count(*) FROM booking.book_slot(31002, 31001, 31001, '2026-03-07 23:30');
SELECT * FROM test.metrics('2026-03-07', '2026-03-08');

-- By the configuration as it is now
UPDATE booking.barbers SET is_active = false WHERE id = 31002;
SELECT * FROM test.metrics('2026-03-08');
UPDATE booking.shops SET is_active = false WHERE id = 31001;
SELECT * FROM test.metrics('2026-03-08');

-- ---------------------------------------------------------------------------
-- Arguments
-- ---------------------------------------------------------------------------

SELECT count(*), min(day), max(day) FROM booking.business_metrics(31001, '2026-01-01', '2027-01-01');
SELECT call, test.error('SELECT * FROM booking.business_metrics(' || call || ')') FROM (VALUES
	('31001, ''2026-01-01'', ''2027-01-02'''), ('31001, ''2026-01-02'', ''2026-01-01'''), ('31001, ''infinity'''),
	('NULL, ''2026-01-01'''), ('31001, NULL'), ('4711, ''2026-01-01''')) AS v (call);
-- Samoa had no 30 December 2011.
INSERT INTO booking.shops (id, name, time_zone) VALUES (31005, 'Apia', 'Pacific/Apia');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (31005, 31005, 'Sam');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 31005, d, '00:00', '24:00' FROM generate_series(1, 7) d;
SELECT * FROM test.metrics('2011-12-29', '2011-12-31', 31005);

-- The caller needs no privilege on a table.
CREATE ROLE regress_booking_manager;
GRANT USAGE ON SCHEMA booking TO regress_booking_manager;
GRANT EXECUTE ON FUNCTION booking.business_metrics(bigint, date, date) TO regress_booking_manager;
SET LOCAL ROLE regress_booking_manager;
SELECT bookings, revenue_cents FROM booking.business_metrics(31001, '2026-03-02');
ROLLBACK;
