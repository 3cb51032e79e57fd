--
-- The life of the waitlist's offers: when one ends, for how long its time is kept
-- for the next in line, and what is found by expire_holds() that no function freed.
--
-- Open Monday to Friday 09:00 to 13:00, an hour apart.  It is Sunday 2026-03-01,
-- noon, and all of Monday and Tuesday is booked.  An offer is held for 45 minutes,
-- its time for 5 minutes more.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, waitlist_hold_minutes)
VALUES (21601, 'Queue', 60, 45);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (21601, 21601, 'Ann'), (21602, 21601, 'Ben');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '13:00' FROM unnest(ARRAY[21601, 21602]) b, generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity) VALUES
	(21601, 21601, 'Cut', 60, 1), (21602, 21601, 'Long', 120, 1), (21603, 21601, 'Perm', 5, 1), (21604, 21601, 'Class', 60, 2);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (21603, 1, 60, 60), (21603, 2, 60, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(21601, 21602) b, generate_series(21601, 21604) s;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(21601, 21609) n;
-- 216111 to 216114 are Ann's 09:00 to 12:00 of Monday, 216121 to 216124 of Tuesday, 216211 and on are Ben's; all of user 21609.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at)
SELECT 216000 + 100 * b + 10 * d + h, 21600 + b, 21601, 21609, t, t + interval '1 hour'
FROM generate_series(1, 2) b, generate_series(1, 2) d, generate_series(1, 4) h,
	LATERAL (SELECT timestamptz '2026-03-01 08:00Z' + d * interval '1 day' + h * interval '1 hour' AS t) t;

CREATE VIEW pg_temp.line AS
SELECT w.user_id - 21600 AS customer, s.name AS service, w.status, a.barber_id - 21600 AS barber,
	to_char(a.starts_at, 'Dy HH24:MI') AS at, a.status AS offer, w.offer_ends_at, a.hold_expires_at AS kept_until
FROM booking.waitlist w JOIN booking.services s ON s.id = w.service_id LEFT JOIN booking.appointments a ON a.id = w.appointment_id
ORDER BY w.id;
-- A wish: who, which service, which day of March, between which hours, with whom.
CREATE PROCEDURE pg_temp.wait(customer bigint, service bigint DEFAULT 1, day int DEFAULT 2, from_time text DEFAULT '09:00', to_time text DEFAULT '13:00', barber bigint DEFAULT NULL)
LANGUAGE sql AS $$
SELECT booking.join_waitlist(21600 + customer, 21600 + service, ('2026-03-0' || day || ' ' || from_time || 'Z')::timestamptz,
	('2026-03-0' || day || ' ' || to_time || 'Z')::timestamptz, 21600 + barber)
$$;
-- The id of what a customer was offered last.
CREATE FUNCTION pg_temp.offer(customer bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
SELECT appointment_id FROM booking.waitlist WHERE user_id = 21600 + customer AND appointment_id IS NOT NULL ORDER BY served_at DESC, id DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.error(statement text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(e, '(appointment) [0-9]+', '\1 N', 'i') FROM test.error(statement) e
$$;
-- What a customer's page shows.
CREATE FUNCTION pg_temp.page(customer bigint) RETURNS TABLE (at text, status text, hold_expires_at timestamptz) LANGUAGE sql AS $$
SELECT to_char(starts_at, 'Dy HH24:MI'), status, hold_expires_at FROM booking.user_appointments(21600 + customer)
$$;
SAVEPOINT sunday;

-- ---------------------------------------------------------------------------
-- An offer ends when its appointment begins, at the latest
-- ---------------------------------------------------------------------------

CALL pg_temp.wait(1); CALL pg_temp.wait(2);
SET booking.now = '2026-03-02 08:40Z';
SELECT status FROM booking.cancel_appointment(216111, cancelled_by => 'shop');
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
-- at its start it is too late to take it, or to move it
SET booking.now = '2026-03-02 09:00Z';
SELECT pg_temp.error('SELECT booking.confirm_appointment(pg_temp.offer(1))');
SELECT test.brief('SELECT booking.reschedule_appointment(pg_temp.offer(1), ''2026-03-03 09:00Z'')');
SELECT * FROM pg_temp.page(1);
ROLLBACK TO sunday;
-- Close to it, the grace ends there too: 09:00 less 47 minutes is two minutes short of it.
CALL pg_temp.wait(1); CALL pg_temp.wait(2);
SET booking.now = '2026-03-02 08:13Z';
SELECT status FROM booking.cancel_appointment(216111, cancelled_by => 'shop');
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
ROLLBACK TO sunday;
-- What begins right now is no offer, to nobody.
CALL pg_temp.wait(1);
SET booking.now = '2026-03-02 09:00Z';
SELECT status FROM booking.cancel_appointment(216111, cancelled_by => 'shop');
SELECT booking.expire_holds();
SELECT customer, status, at, offer_ends_at FROM pg_temp.line;
-- A microsecond earlier it is one, however short.
ROLLBACK TO sunday;
CALL pg_temp.wait(1);
SET booking.now = '2026-03-02 08:59:59.999999Z';
SELECT status FROM booking.cancel_appointment(216111, cancelled_by => 'shop');
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
SELECT status FROM booking.confirm_appointment(pg_temp.offer(1));
ROLLBACK TO sunday;
-- A service with steps: all parts end with the first part's start.
CALL pg_temp.wait(1, 3, barber => 1);
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216111;
SET booking.now = '2026-03-02 08:40Z';
SELECT status FROM booking.cancel_appointment(216113, cancelled_by => 'shop');
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
SELECT starts_at, status, hold_expires_at FROM booking.appointments WHERE user_id = 21601 ORDER BY starts_at;
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- What lapses is kept for the next in line
-- ---------------------------------------------------------------------------

CALL pg_temp.wait(1); CALL pg_temp.wait(2);
SELECT status FROM booking.cancel_appointment(216111);
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
-- The customer is told the deadline, not the grace, until then ...
SELECT * FROM pg_temp.page(1);
SET booking.now = '2026-03-01 12:44:59.999999Z';
SELECT * FROM pg_temp.page(1);
SAVEPOINT in_time;
SELECT status FROM booking.confirm_appointment(pg_temp.offer(1));
ROLLBACK TO in_time;
-- ... and from then on has nothing to take, while nobody else can book it, nor is it offered to anybody.
SET booking.now = '2026-03-01 12:45Z';
SELECT * FROM pg_temp.page(1);
SELECT at, status, hold_expires_at FROM (SELECT to_char(starts_at, 'Dy HH24:MI') AS at, status, hold_expires_at FROM booking.user_appointments(21601, upcoming => false)) p;
SELECT pg_temp.error('SELECT booking.confirm_appointment(pg_temp.offer(1))');
SELECT pg_temp.error('SELECT booking.reschedule_appointment(pg_temp.offer(1), ''2026-03-04 09:00Z'')');
SELECT test.brief('SELECT booking.book_slot(21601, 21601, 21606, ''2026-03-02 09:00Z'')');
SELECT starts FROM test.slots(21601, '2026-03-02');
SAVEPOINT lapsed;
-- The next in line gets it from expire_holds(), as the last in line without a grace.
SELECT booking.expire_holds(), booking.expire_holds() AS again;
SELECT customer, status, at, offer, offer_ends_at, kept_until FROM pg_temp.line;
SELECT * FROM booking.verify();
ROLLBACK TO lapsed;
-- Or from the next cancellation in the shop, of whichever time and barber; both go on in line.
CALL pg_temp.wait(3);
SELECT status FROM booking.cancel_appointment(216224);
SELECT customer, status, at, offer, offer_ends_at, kept_until FROM pg_temp.line;
SELECT status FROM booking.cancel_appointment(216213);
SELECT customer, status, barber, at, offer, offer_ends_at, kept_until FROM pg_temp.line;
ROLLBACK TO lapsed;
-- Whoever let an offer lapse may be served again at once, although its time is still kept.
CALL pg_temp.wait(1, day => 3);
SELECT status FROM booking.cancel_appointment(216121);
SELECT customer, status, at, offer, offer_ends_at FROM pg_temp.line;
SELECT check_name FROM booking.verify();
ROLLBACK TO lapsed;
-- It can still be given up by hand, for the next.
SELECT status FROM booking.cancel_appointment(pg_temp.offer(1));
SELECT customer, status, at, offer, offer_ends_at FROM pg_temp.line;
ROLLBACK TO lapsed;
-- After the grace it is anybody's, if nobody has served the line by then.
SET booking.now = '2026-03-01 12:49:59.999999Z';
SELECT test.brief('SELECT booking.book_slot(21601, 21601, 21606, ''2026-03-02 09:00Z'')');
SET booking.now = '2026-03-01 12:50Z';
SELECT starts FROM test.slots(21601, '2026-03-02');
SELECT status FROM booking.book_slot(21601, 21601, 21606, '2026-03-02 09:00Z');
SELECT booking.expire_holds();
SELECT customer, status, at, offer FROM pg_temp.line;
ROLLBACK TO sunday;

-- Nobody is kept waiting for nobody: no grace where nobody else in line wishes that time.
-- The same customer's other wish; another time of the day; another day; another barber; a service that is too long for it.
CALL pg_temp.wait(1); CALL pg_temp.wait(1, day => 2, to_time => '12:59');
CALL pg_temp.wait(2, from_time => '10:00'); CALL pg_temp.wait(3, day => 3); CALL pg_temp.wait(4, barber => 2); CALL pg_temp.wait(5, 2);
SELECT status FROM booking.cancel_appointment(216111);
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
ROLLBACK TO sunday;
-- A wish that was passed over counts, as does one for another service which could have that time.
CALL pg_temp.wait(1); CALL pg_temp.wait(2);
UPDATE booking.users SET is_active = false WHERE id = 21601;
SELECT status FROM booking.cancel_appointment(216111);
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
ROLLBACK TO sunday;
CALL pg_temp.wait(1); CALL pg_temp.wait(2, 2);
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216112;
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216111;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES (216131, 21601, 21602, 21609, '2026-03-02 09:00Z', '2026-03-02 11:00Z');
SELECT status FROM booking.cancel_appointment(216131);
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
ROLLBACK TO sunday;
-- The shop decides how long, or that it is not.
CALL pg_temp.wait(1); CALL pg_temp.wait(2);
UPDATE booking.shops SET waitlist_grace_minutes = 0 WHERE id = 21601;
SELECT status FROM booking.cancel_appointment(216111);
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
SET booking.now = '2026-03-01 12:45Z';
SELECT starts FROM test.slots(21601, '2026-03-02');
ROLLBACK TO sunday;
CALL pg_temp.wait(1); CALL pg_temp.wait(2);
UPDATE booking.shops SET waitlist_grace_minutes = 1440 WHERE id = 21601;
SET booking.now = '2026-02-28 12:00Z';
SELECT status FROM booking.cancel_appointment(216124);
SELECT status FROM booking.cancel_appointment(216111);
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
SET booking.now = '2026-03-01 12:44Z';
SELECT booking.expire_holds();
SELECT customer, status, at, offer_ends_at, kept_until FROM pg_temp.line;
ROLLBACK TO sunday;
SELECT v.n, test.brief('UPDATE booking.shops SET waitlist_grace_minutes = ' || v.n || ' WHERE id = 21601') FROM (VALUES ('-1'), ('1441'), ('NULL')) v (n);
ROLLBACK TO sunday;

-- An offer that is moved in time is still an offer: it ends when it would have, or with its new start.
CALL pg_temp.wait(1); CALL pg_temp.wait(2);
SELECT status FROM booking.cancel_appointment(216111);
SELECT starts_at, status FROM booking.reschedule_appointment(pg_temp.offer(1), '2026-03-04 09:00Z');
SELECT customer, status, at, offer, offer_ends_at FROM pg_temp.line;
SELECT * FROM pg_temp.page(1);
SET booking.now = '2026-03-01 12:45Z';
SELECT test.brief('SELECT booking.confirm_appointment(pg_temp.offer(1))');
SELECT booking.expire_holds();
SELECT customer, status, at, offer FROM pg_temp.line;
ROLLBACK TO sunday;

-- All parts of a service with steps lapse, and are given back, as one.
CALL pg_temp.wait(1, 3, barber => 1); CALL pg_temp.wait(2, 3, barber => 1);
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216111;
SELECT status FROM booking.cancel_appointment(216113);
SET booking.now = '2026-03-01 12:45Z';
SELECT test.brief(format('SELECT booking.confirm_appointment(%s)', (SELECT id FROM booking.appointments WHERE part_of = pg_temp.offer(1))));
SELECT booking.expire_holds();
SELECT customer, service, status, at, offer, offer_ends_at FROM pg_temp.line;
SELECT user_id, starts_at, status, hold_expires_at FROM booking.appointments WHERE service_id = 21603 ORDER BY user_id, starts_at;
SELECT * FROM booking.verify();
ROLLBACK TO sunday;

-- An offer that was shortened by hand ends then; one whose entry was deleted is a hold like any other.
CALL pg_temp.wait(1); CALL pg_temp.wait(2);
SELECT status FROM booking.cancel_appointment(216111);
SAVEPOINT offered;
UPDATE booking.appointments SET hold_expires_at = '2026-03-01 12:10Z' WHERE id = pg_temp.offer(1);
SET booking.now = '2026-03-01 12:10Z';
SELECT test.brief('SELECT booking.confirm_appointment(pg_temp.offer(1))');
SELECT status FROM booking.cancel_appointment(216224);
SELECT customer, status, at, offer FROM pg_temp.line;
ROLLBACK TO offered;
UPDATE booking.waitlist SET offer_ends_at = '2026-03-01 12:10Z' WHERE user_id = 21601;
SET booking.now = '2026-03-01 12:10Z';
SELECT test.brief('SELECT booking.confirm_appointment(pg_temp.offer(1))');
SELECT booking.expire_holds();
SELECT customer, status, at, offer FROM pg_temp.line;
ROLLBACK TO offered;
SELECT pg_temp.offer(1) AS offer \gset
DELETE FROM booking.waitlist WHERE user_id = 21601;
SET booking.now = '2026-03-01 12:45Z';
SELECT booking.expire_holds();
SELECT status FROM booking.confirm_appointment(:offer);
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- An offer of a service that the shop confirms
-- ---------------------------------------------------------------------------

INSERT INTO booking.services (id, shop_id, name, duration_minutes, requires_confirmation) VALUES (21605, 21601, 'Colour', 60, true);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (21601, 21605), (21602, 21605);
SAVEPOINT colour;
CALL pg_temp.wait(1, 5); CALL pg_temp.wait(1, 5, day => 3); CALL pg_temp.wait(2, 5);
SELECT status FROM booking.cancel_appointment(216111);
SELECT pg_temp.offer(1) AS offer \gset
SAVEPOINT offered;
-- Its customer takes it: it waits for the shop, without end where the shop sets none.  Nobody else can.
SET LOCAL booking.user_id = 21602;
SELECT test.brief('SELECT booking.confirm_appointment(pg_temp.offer(1))') AS another;
SET LOCAL booking.user_id = 21601;
SELECT status, hold_expires_at, version FROM booking.confirm_appointment(:offer, version => 1);
-- Once more changes nothing, whatever version the customer has seen.
SELECT status, hold_expires_at, version FROM booking.confirm_appointment(:offer, version => 1);
SELECT * FROM pg_temp.page(1);
SET LOCAL booking.user_id = '';
SELECT is_request FROM booking.appointments WHERE id = :offer;
SELECT customer, status, at, offer, offer_ends_at, kept_until FROM pg_temp.line;
SAVEPOINT taken;
-- It does not lapse with the offer, and is no open offer: the customer's other wish is served.
SELECT status FROM booking.cancel_appointment(216122);
SET LOCAL booking.now = '2026-03-01 12:50Z';
SELECT booking.expire_holds();
SELECT status FROM booking.cancel_appointment(216224);
SELECT customer, status, at, offer, offer_ends_at FROM pg_temp.line;
SELECT * FROM booking.verify();
-- The shop confirms it, or declines, and then the next is served.
ROLLBACK TO taken;
SELECT status, hold_expires_at FROM booking.confirm_appointment(:offer);
SELECT * FROM booking.verify();
ROLLBACK TO taken;
SELECT status FROM booking.decline_appointment(:offer);
SELECT customer, status, at, offer FROM pg_temp.line;
ROLLBACK TO offered;
-- Where the shop has to answer within some time, it lapses after that.
UPDATE booking.shops SET answer_within_minutes = 90 WHERE id = 21601;
SET LOCAL booking.user_id = 21601;
SELECT status, hold_expires_at FROM booking.confirm_appointment(:offer);
SELECT status, hold_expires_at FROM booking.confirm_appointment(:offer);
SET LOCAL booking.user_id = '';
SET LOCAL booking.now = '2026-03-01 13:29Z';
SELECT booking.expire_holds();
SET LOCAL booking.now = '2026-03-01 13:30Z';
SELECT booking.expire_holds();
SELECT customer, status, at, offer FROM pg_temp.line;
ROLLBACK TO offered;
-- Not after the offer has ended, nor by whom the shop has blocked since.
SET LOCAL booking.user_id = 21601;
SET LOCAL booking.now = '2026-03-01 12:45Z';
SELECT pg_temp.error('SELECT booking.confirm_appointment(pg_temp.offer(1))');
ROLLBACK TO offered;
INSERT INTO booking.blocked_customers (shop_id, user_id) VALUES (21601, 21601);
SET LOCAL booking.user_id = 21601;
SELECT test.brief('SELECT booking.confirm_appointment(pg_temp.offer(1))');
ROLLBACK TO offered;
-- Staff confirm an offer at once.
SELECT status FROM booking.confirm_appointment(:offer);
ROLLBACK TO offered;
-- A trigger that drops the row is an error, and nothing is done.
CREATE FUNCTION pg_temp.drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER drop_row BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.drop_row();
SET LOCAL booking.user_id = 21601;
SELECT test.error('SELECT booking.confirm_appointment(pg_temp.offer(1))');
ROLLBACK TO colour;
-- An ordinary hold of that service stays the shop's to confirm.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216111;
SELECT id AS held FROM booking.hold_slot(21601, 21605, 21601, '2026-03-02 09:00Z') \gset
SET LOCAL booking.user_id = 21601;
SELECT test.brief('SELECT booking.confirm_appointment(' || :held || ')');
ROLLBACK TO colour;
-- All parts of a service with steps wait for the shop.
UPDATE booking.services SET requires_confirmation = true WHERE id = 21603;
CALL pg_temp.wait(1, 3, barber => 1);
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216111;
SELECT status FROM booking.cancel_appointment(216113);
SET LOCAL booking.user_id = 21601;
SELECT status FROM booking.confirm_appointment(pg_temp.offer(1));
SET LOCAL booking.user_id = '';
SELECT starts_at, status, is_request, hold_expires_at FROM booking.appointments WHERE user_id = 21601 ORDER BY starts_at;
SELECT status FROM booking.confirm_appointment(pg_temp.offer(1));
SELECT status, count(*) FROM booking.appointments WHERE user_id = 21601 GROUP BY 1;
ROLLBACK TO sunday;

-- ---------------------------------------------------------------------------
-- What became free in some other way
-- ---------------------------------------------------------------------------

-- By raw writers: of the status, of the time, of the barber; by a deletion.
CALL pg_temp.wait(1, from_time => '09:00', to_time => '10:00'); CALL pg_temp.wait(2, from_time => '10:00', to_time => '11:00', barber => 1);
CALL pg_temp.wait(3, from_time => '11:00', to_time => '12:00', barber => 1); CALL pg_temp.wait(4, from_time => '12:00', to_time => '13:00');
SELECT booking.expire_holds();
SELECT customer, status FROM pg_temp.line;
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216111;
UPDATE booking.appointments SET starts_at = '2026-03-05 09:00Z', ends_at = '2026-03-05 10:00Z', busy_from = '2026-03-05 09:00Z', busy_until = '2026-03-05 10:00Z' WHERE id = 216112;
DELETE FROM booking.appointments WHERE id = 216213;
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216212;
UPDATE booking.appointments SET barber_id = 21602, starts_at = '2026-03-02 11:00Z', ends_at = '2026-03-02 12:00Z', busy_from = '2026-03-02 11:00Z', busy_until = '2026-03-02 12:00Z' WHERE id = 216113;
DELETE FROM booking.appointments WHERE id = 216214;
SELECT booking.expire_holds();
SELECT customer, status, barber, at, offer FROM pg_temp.line;
ROLLBACK TO sunday;
-- By the shop: longer hours, a day that is opened, time off that is cancelled, a barber who is back, one who learns the service, a longer horizon, a shorter notice.
CALL pg_temp.wait(1, from_time => '13:00', to_time => '14:00');
UPDATE booking.working_hours SET closes = '14:00' WHERE barber_id = 21602;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;
CALL pg_temp.wait(1, day => 7);
SELECT booking.expire_holds();
INSERT INTO booking.schedule_overrides (shop_id, on_date, opens, closes) VALUES (21601, '2026-03-07', '10:00', '12:00');
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;
INSERT INTO booking.time_off (id, shop_id, starts_at, ends_at) VALUES (21601, 21601, '2026-03-04 00:00Z', '2026-03-05 00:00Z');
CALL pg_temp.wait(1, day => 4);
SELECT booking.expire_holds();
SELECT customer, status FROM pg_temp.line;
DELETE FROM booking.time_off WHERE id = 21601;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;
INSERT INTO booking.barbers (id, shop_id, name, is_active) VALUES (21603, 21601, 'Cem', false);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (21603, 1, '09:00', '13:00');
CALL pg_temp.wait(1); CALL pg_temp.wait(2, 2);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (21603, 21601);
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
UPDATE booking.barbers SET is_active = true WHERE id = 21603;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (21603, 21602);
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;
UPDATE booking.shops SET max_advance_days = 2, min_notice_minutes = 600 WHERE id = 21601;
CALL pg_temp.wait(1, day => 4); CALL pg_temp.wait(2, 2, 2);
DELETE FROM booking.appointments WHERE id IN (216111, 216112);
SET booking.now = '2026-03-02 08:30Z';
UPDATE booking.shops SET max_advance_days = 1 WHERE id = 21601;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
UPDATE booking.shops SET max_advance_days = 2, min_notice_minutes = 30 WHERE id = 21601;
SELECT booking.expire_holds();
SELECT customer, status, barber, at, offer_ends_at FROM pg_temp.line;
ROLLBACK TO sunday;
-- Limits that were raised or lifted: of the customer, of the barber's day.
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 21601;
SELECT count(*) FROM booking.book_slot(21601, 21601, 21601, '2026-03-05 09:00Z');
CALL pg_temp.wait(1, day => 4); CALL pg_temp.wait(2, day => 3);
UPDATE booking.barbers SET max_per_day = 3 WHERE shop_id = 21601;
DELETE FROM booking.appointments WHERE id = 216121;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
UPDATE booking.shops SET max_active_per_user = 2 WHERE id = 21601;
UPDATE booking.barbers SET max_per_day = NULL WHERE shop_id = 21601;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;

-- More seats serve as many; a seat that is freed serves one.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 216111;
SELECT id AS seat FROM booking.book_slot(21601, 21604, 21608, '2026-03-02 09:00Z') \gset
SELECT count(*) FROM booking.book_slot(21601, 21604, 21609, '2026-03-02 09:00Z');
CALL pg_temp.wait(1, 4); CALL pg_temp.wait(2, 4); CALL pg_temp.wait(3, 4); CALL pg_temp.wait(4, 4);
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
UPDATE booking.services SET capacity = 4 WHERE id = 21604;
SELECT booking.expire_holds();
SELECT customer, status, barber, at, offer_ends_at, kept_until FROM pg_temp.line;
DELETE FROM booking.appointments WHERE id = :seat;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
SELECT * FROM booking.verify();
ROLLBACK TO sunday;

-- Whoever joins although the wished time is free is served by the next expire_holds(); in the order of the line, each once, and one offer a customer.
DELETE FROM booking.appointments WHERE id IN (216111, 216112, 216213);
CALL pg_temp.wait(1); CALL pg_temp.wait(2, from_time => '10:00'); CALL pg_temp.wait(1, to_time => '12:59'); CALL pg_temp.wait(3, 2); CALL pg_temp.wait(4); CALL pg_temp.wait(5);
SELECT booking.expire_holds();
SELECT customer, service, status, barber, at, offer_ends_at, kept_until FROM pg_temp.line;
SELECT booking.expire_holds();
SELECT customer, service, status, barber, at FROM pg_temp.line;
-- Once confirmed, the second wish of the first customer goes on in line.
SELECT status FROM booking.confirm_appointment(pg_temp.offer(1));
DELETE FROM booking.appointments WHERE id = 216214;
SELECT booking.expire_holds();
SELECT customer, service, status, barber, at FROM pg_temp.line;
SELECT * FROM booking.verify();
ROLLBACK TO sunday;
-- The first in line is first whichever the service: a long one goes before a cut, and the other way round.
DELETE FROM booking.appointments WHERE id IN (216111, 216112);
SAVEPOINT two_free;
CALL pg_temp.wait(1, 2); CALL pg_temp.wait(2);
SELECT booking.expire_holds();
SELECT customer, service, status, barber, at FROM pg_temp.line;
ROLLBACK TO two_free;
CALL pg_temp.wait(2); CALL pg_temp.wait(1, 2);
SELECT booking.expire_holds();
SELECT customer, service, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;
-- A packed grid, buffers, a zone: what is offered is what available_slots shows.
UPDATE booking.shops SET slot_anchor = 'packed', slot_interval_minutes = 60, time_zone = 'America/New_York' WHERE id = 21601;
UPDATE booking.working_hours SET opens = '04:00', closes = '08:00' WHERE barber_id IN (21601, 21602);
UPDATE booking.services SET buffer_before_minutes = 10, buffer_after_minutes = 5 WHERE id = 21601;
DELETE FROM booking.appointments WHERE id IN (216111, 216112);
CALL pg_temp.wait(1); CALL pg_temp.wait(2);
SELECT barber_id, starts_at FROM booking.available_slots(21601, '2026-03-02') ORDER BY 1, 2;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
SELECT barber_id, starts_at FROM booking.available_slots(21601, '2026-03-02') ORDER BY 1, 2;
ROLLBACK TO sunday;
-- The widest wish there is, and the widest horizon.
UPDATE booking.shops SET max_advance_days = 3660 WHERE id = 21601;
SELECT booking.join_waitlist(21601, 21601, '4714-11-24 00:00Z BC', '294276-12-31 23:59:59.999999Z') > 0 AS joined;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;

-- Who is inactive, blocked by the shop, or has an open offer, is not even tried: many of them do not keep a cancellation from those behind.
INSERT INTO booking.users (id, email, is_active) SELECT n, 'u' || n || '@example.org', n > 216100 FROM generate_series(216001, 216150) n;
INSERT INTO booking.blocked_customers (shop_id, user_id) SELECT 21601, n FROM generate_series(216101, 216150) n;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT n, 21601, '2026-03-02 09:00Z', '2026-03-02 10:00Z' FROM generate_series(216001, 216150) n;
CALL pg_temp.wait(1);
SELECT status FROM booking.cancel_appointment(216111);
SELECT customer, status, at FROM pg_temp.line WHERE customer < 10;
ROLLBACK TO sunday;
-- Who is at the shop's limit is tried: a cancellation gives up after fifty, expire_holds() later.
UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 21601;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(216001, 216150) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity) VALUES (21605, 21601, 'Big class', 60, 1000);
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
SELECT 21601, 21605, n, '2026-03-05 09:00Z', '2026-03-05 10:00Z' FROM generate_series(216001, 216150) n;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT n, 21601, '2026-03-02 09:00Z', '2026-03-02 10:00Z' FROM generate_series(216001, 216150) n;
CALL pg_temp.wait(1);
SELECT status FROM booking.cancel_appointment(216111);
SELECT customer, status, at FROM pg_temp.line WHERE customer < 10;
SELECT booking.expire_holds();
SELECT customer, status, at FROM pg_temp.line WHERE customer < 10;
ROLLBACK TO sunday;

-- However long the line is, a cancellation reads few of it, whether everybody, or nobody, or only the last could have the time.
CREATE FUNCTION pg_temp.rows_read(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := (SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relid = 'booking.waitlist'::regclass);
BEGIN
	EXECUTE statement;
	RETURN (SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relid = 'booking.waitlist'::regclass) - before;
END
$$;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(216001, 218000) n;
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT n, 21601, '2026-03-02 09:00Z', '2026-03-02 10:00Z' FROM generate_series(216001, 218000) n;
ANALYZE booking.waitlist;
SELECT pg_temp.rows_read('SELECT booking.cancel_appointment(216112)') < 20 AS another_time;
SELECT pg_temp.rows_read('SELECT booking.cancel_appointment(216122)') < 20 AS another_day;
CALL pg_temp.wait(1, from_time => '11:00');
SELECT pg_temp.rows_read('SELECT booking.cancel_appointment(216213)') < 20 AS the_last;
SELECT pg_temp.rows_read('SELECT booking.cancel_appointment(216111)') < 100 AS the_first;
SELECT customer, barber, at, kept_until > offer_ends_at AS has_grace FROM pg_temp.line WHERE status = 'served';
ROLLBACK TO sunday;
-- One for whom a trigger of the shop's raises an error, or drops the row, is passed over with a warning.
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.user_id = 21601 THEN
		RAISE EXCEPTION 'not this one' USING ERRCODE = 'P0099';
	END IF;
	RETURN CASE WHEN NEW.user_id <> 21602 THEN NEW END;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
CALL pg_temp.wait(1); CALL pg_temp.wait(2); CALL pg_temp.wait(3); CALL pg_temp.wait(4);
SET client_min_messages = error;
SELECT test.brief('SELECT booking.cancel_appointment(216111)');
DELETE FROM booking.appointments WHERE id IN (216111, 216112);
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
UPDATE booking.waitlist SET id = 216000 WHERE user_id = 21601;
SET client_min_messages = warning;
DELETE FROM booking.waitlist WHERE user_id = 21602;
DELETE FROM booking.appointments WHERE id = 216113;
SELECT booking.expire_holds();
ROLLBACK TO sunday;
-- A shop whose configuration is broken does not keep others from it.
INSERT INTO booking.shops (id, name) VALUES (21602, 'Broken');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (21604, 21602, 'Eve');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (21605, 21602, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (21604, 21605);
CALL pg_temp.wait(1, 5); CALL pg_temp.wait(2);
ALTER TABLE booking.shops DISABLE TRIGGER check_time_zone;
UPDATE booking.shops SET time_zone = 'Europe/Atlantis' WHERE id = 21602;
DELETE FROM booking.appointments WHERE id = 216111;
SELECT booking.expire_holds();
SELECT customer, status, barber, at FROM pg_temp.line;
ROLLBACK TO sunday;
-- What is wrong with a table's definition is an error.
CALL pg_temp.wait(1);
DELETE FROM booking.appointments WHERE id = 216111;
ALTER TABLE booking.working_hours DROP COLUMN valid_until CASCADE;
SELECT test.brief('SELECT booking.expire_holds()');
ROLLBACK TO sunday;
-- A shop that is closed for good serves nobody, nor does one whose wishes are past; those are marked.
DELETE FROM booking.appointments WHERE id IN (216111, 216121);
CALL pg_temp.wait(1); CALL pg_temp.wait(2, day => 3);
UPDATE booking.shops SET is_active = false WHERE id = 21601;
SELECT booking.expire_holds();
SELECT customer, status FROM pg_temp.line;
UPDATE booking.shops SET is_active = true WHERE id = 21601;
SET booking.now = '2026-03-02 13:00Z';
SELECT booking.expire_holds();
SELECT customer, status, at FROM pg_temp.line;
ROLLBACK TO sunday;
-- Not in a transaction that only reads.
SET transaction_read_only = on;
SELECT test.brief('SELECT booking.expire_holds()');
ROLLBACK;
