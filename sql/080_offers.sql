--
-- Who offers what, for how long and at which price.
--
-- Open on Mondays from 09:00 to 11:00, half an hour apart.  2026-03-02 is a Monday.
--
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes) VALUES
	(8001, 'Offers', 'America/New_York', 30), (8002, 'Other', 'America/New_York', 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES
	(8001, 8001, 'Ann'), (8002, 8001, 'Bob'), (8003, 8001, 'Cid'), (8004, 8001, 'Dan'), (8005, 8002, 'Eve');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT n, 1, '09:00', '11:00' FROM generate_series(8001, 8005) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents) VALUES
	(8001, 8001, 'Cut', 30, 3000), (8002, 8001, 'Beard', 30, 1500), (8003, 8002, 'Cut', 30, 4000), (8004, 8001, 'Nobody does this', 30, 1);
-- Not in the order of their ids, as the answer must not depend on the order of rows.  Bob takes 45 minutes and 50 dollars.
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes, price_cents) VALUES
	(8004, 8001, 30, 0), (8002, 8001, 45, 5000), (8001, 8001, NULL, NULL), (8001, 8002, NULL, NULL), (8005, 8003, NULL, NULL);
INSERT INTO booking.users (id, email) VALUES (8001, 'u8001@example.org'), (8002, 'u8002@example.org');
UPDATE booking.users SET is_active = false WHERE id = 8002;

-- ---------------------------------------------------------------------------
-- Any barber
-- ---------------------------------------------------------------------------

-- Of all who offer it, by start, then barber.  Ann and Dan: 09:00 to 10:30; Bob's 45 minutes end by 11:00 from 10:00 at the latest.
-- Cid, who offers nothing, is not among them.
SELECT n, barber_id, starts_at, ends_at FROM booking.available_slots(8001, '2026-03-02') WITH ORDINALITY s (barber_id, starts_at, ends_at, seats_left, n);
SELECT barber_id, starts_at FROM booking.next_slots(8001, NULL, 4);
-- One barber of them.
SELECT barber_id, starts_at, ends_at FROM booking.available_slots(8001, '2026-03-02', barber_id => 8002);
-- Nobody offers it: no rows, and no error.
SELECT * FROM booking.available_slots(8004, '2026-03-02');
SELECT * FROM booking.next_slots(8004);
SELECT * FROM booking.availability_by_day(8004, '2026-03-02', '2026-03-02');

-- ---------------------------------------------------------------------------
-- Minutes and price: the barber's own, else the service's
-- ---------------------------------------------------------------------------

SELECT barber_id, starts_at, ends_at, price_cents FROM booking.book_slot(8002, 8001, 8001, '2026-03-02 09:00-05');
SELECT barber_id, starts_at, ends_at, price_cents FROM booking.book_slot(8001, 8001, 8001, '2026-03-02 09:00-05');
-- A price of 0 is a price.
SELECT barber_id, starts_at, ends_at, price_cents FROM booking.book_slot(8004, 8001, 8001, '2026-03-02 09:00-05');
-- Bob is busy until 09:45: 10:00 is his next.
SELECT starts FROM test.slots(8001, '2026-03-02', NULL, 8002);

-- ---------------------------------------------------------------------------
-- Not offered
-- ---------------------------------------------------------------------------

-- What is not offered has no slots, and is refused in the same words by all three.
CREATE FUNCTION pg_temp.offer(barber bigint, service bigint) RETURNS TABLE (slots bigint, checked text, tried text, booked text)
LANGUAGE sql AS $$
SELECT (SELECT count(*) FROM booking.available_slots(service, '2026-03-02', NULL, barber)),
	(SELECT concat_ws(': ', c.reason, c.detail) FROM booking.check_slot(barber, service, '2026-03-02 10:00-05') c),
	(SELECT t.reason FROM booking.try_book_slot(barber, service, NULL, '2026-03-02 10:00-05') t),
	(SELECT test.brief(format('SELECT booking.book_slot(%s, %s, NULL, ''2026-03-02 10:00-05'')', barber, service)))
$$;
-- No row in barber_services; another service than the one he does; a service of another shop.
SELECT * FROM pg_temp.offer(8003, 8001);
SELECT * FROM pg_temp.offer(8002, 8002);
SELECT * FROM pg_temp.offer(8001, 8003);
-- A row that joins a barber and a service of two shops offers nothing, also to "any barber".
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (8001, 8003);
SELECT * FROM pg_temp.offer(8001, 8003);
SELECT DISTINCT barber_id FROM booking.available_slots(8003, '2026-03-02');

-- Inactive service, barber, shop.
UPDATE booking.services SET is_active = false WHERE id = 8001;
SELECT * FROM pg_temp.offer(8001, 8001);
SELECT * FROM booking.available_slots(8001, '2026-03-02');
UPDATE booking.services SET is_active = true WHERE id = 8001;
UPDATE booking.barbers SET is_active = false WHERE id = 8001;
SELECT * FROM pg_temp.offer(8001, 8001);
SELECT DISTINCT barber_id FROM booking.available_slots(8001, '2026-03-02') ORDER BY 1;
SELECT * FROM test.free(8001, '2026-03-02');
UPDATE booking.barbers SET is_active = true WHERE id = 8001;
UPDATE booking.shops SET is_active = false WHERE id = 8001;
SELECT * FROM pg_temp.offer(8001, 8001);
SELECT * FROM booking.available_slots(8001, '2026-03-02');
SELECT * FROM booking.next_slots(8001);
SELECT * FROM booking.availability_by_day(8001, '2026-03-02', '2026-03-02');
SELECT * FROM test.free(8001, '2026-03-02');
UPDATE booking.shops SET is_active = true WHERE id = 8001;

-- An inactive user cannot book; the slot is there for others.
SELECT test.error('SELECT booking.book_slot(8001, 8001, 8002, ''2026-03-02 10:00-05'')');
SELECT * FROM booking.try_book_slot(8001, 8001, 8002, '2026-03-02 10:00-05');
-- All is active again, and 10:00 was only looked at.
SELECT user_id, starts_at, status FROM booking.book_slot(8001, 8001, 8001, '2026-03-02 10:00-05');

ROLLBACK;
