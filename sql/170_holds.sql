--
-- Holds: what hold_slot keeps, until when, and how a pending appointment ends:
-- confirmed, declined, or run out.
--
-- Open Monday to Friday 09:00 to 12:00, half an hour apart, an hour's notice,
-- two weeks ahead; a hold is for 15 minutes.  It is Sunday 2026-03-01, noon.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, min_notice_minutes, max_advance_days, hold_minutes)
VALUES (17001, 'Holds', 30, 60, 14, 15);
INSERT INTO booking.barbers (id, shop_id, name, max_per_day) VALUES (17001, 17001, 'Hal', NULL), (17002, 17001, 'Hope', NULL),
	(17003, 17001, 'Idle', NULL), (17004, 17001, 'Once', 1);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '12:00' FROM generate_series(17001, 17004) b, generate_series(1, 5) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, buffer_before_minutes, buffer_after_minutes, requires_confirmation, capacity)
VALUES (17001, 17001, 'Cut', 30, 3000, 0, 0, false, 1), (17002, 17001, 'Colour', 30, 9000, 5, 10, true, 1),
	(17003, 17001, 'Perm', 5, 7000, 0, 0, false, 1), (17004, 17001, 'Class', 60, 500, 0, 0, false, 2);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (17003, 1, 30, 30), (17003, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM unnest(ARRAY[17001, 17002, 17004]) b, generate_series(17001, 17004) s;
INSERT INTO booking.users (id, email) VALUES (17001, 'u17001@example.org'), (17002, 'u17002@example.org');
INSERT INTO booking.users (id, email, is_active) VALUES (17003, 'u17003@example.org', false);

-- What is stored of a barber's appointments and their parts.
CREATE FUNCTION pg_temp.stored(barber bigint)
RETURNS TABLE (starts time, ends time, status text, hold_expires_at time, price_cents bigint, part int, version int) LANGUAGE sql AS $$
SELECT a.starts_at::time, a.ends_at::time, a.status, a.hold_expires_at::time, a.price_cents,
	row_number() OVER (PARTITION BY coalesce(a.part_of, a.id) ORDER BY a.part_of NULLS FIRST, a.starts_at)::int, a.version
FROM booking.appointments a WHERE a.barber_id = barber ORDER BY a.starts_at, a.id
$$;
-- test.error() without the ids that a sequence gave.
CREATE FUNCTION pg_temp.error(statement text) RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(e, '(appointment) [0-9]+', '\1 N', 'i') FROM test.error(statement) e
$$;
CREATE FUNCTION pg_temp.locks() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
$$;

-- ---------------------------------------------------------------------------
-- What is stored
-- ---------------------------------------------------------------------------

SAVEPOINT s;
-- The answer is the row: pending, for the shop's 15 minutes, at the service's price.
SELECT id > 0 AS id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version
FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z');
-- For as long as the caller says; a walk-in; a service that requires confirmation, whose buffers are busy too.
SELECT user_id, status, hold_expires_at, price_cents FROM booking.hold_slot(17001, 17002, NULL, '2026-03-02 10:00Z', '5 minutes');
SELECT busy_from::time, busy_until::time, idempotency_key, overrides FROM booking.appointments WHERE barber_id = 17001 AND service_id = 17002;
-- A hold occupies its time like a booking: for booking, holding, raw rows, and whoever looks.
SELECT starts FROM test.slots(17001, '2026-03-02', NULL, 17001);
SELECT reason FROM booking.try_book_slot(17001, 17001, 17002, '2026-03-02 09:00Z');
SELECT test.brief('SELECT booking.hold_slot(17001, 17001, 17001, ''2026-03-02 09:00Z'')');
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (17001, 17001, ''2026-03-02 09:15Z'', ''2026-03-02 09:20Z'')');
SELECT reason FROM booking.check_slot(17001, 17001, '2026-03-02 09:00Z');
-- A shop's other hold_minutes.
UPDATE booking.shops SET hold_minutes = 10080 WHERE id = 17001;
SELECT hold_expires_at FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 11:30Z');
-- No barber: whoever is free.  Hal has most of the day, and the early morning is Hope's then.
SELECT barber_id, status FROM booking.hold_slot(NULL, 17001, 17001, '2026-03-02 09:00Z', '5 minutes');
SELECT is_assigned FROM booking.appointments WHERE barber_id = 17002;
SELECT pg_temp.locks();
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- For how long
-- ---------------------------------------------------------------------------

-- More than nothing, at most seven days; a month is thirty of them.
SELECT v.n, v.hold_for, test.brief(format('SELECT booking.hold_slot(17001, 17001, NULL, ''2026-03-02 09:00Z'', %L)', v.hold_for)) FROM (VALUES
	(1, '1 microsecond'), (2, '0'), (3, '-1 microsecond'), (4, '-1 day'), (5, '7 days'), (6, '7 days 1 microsecond'), (7, '168 hours'),
	(8, '1 month'), (9, '1 month -23 days'), (10, '1 day -24 hours'), (11, '-1 day 25 hours'), (12, '100000 years'), (13, NULL)
) v (n, hold_for) ORDER BY n;
SELECT test.error('SELECT booking.hold_slot(17001, 17001, NULL, ''2026-03-02 09:00Z'', ''8 days'')');
-- Longer than the shop's 15 minutes is staff's: a customer's is cut, and a front's; less is theirs to ask for.
CREATE ROLE regress_front_17;
DO $$ BEGIN PERFORM booking.grant_role('regress_front_17', 'front'); END $$;
SAVEPOINT lengths;
SET LOCAL booking.user_id = '17001';
SELECT v.n, hold_expires_at FROM (VALUES (1, interval '7 days'), (2, '16 minutes'), (3, '15 minutes'), (4, '14 minutes'), (5, NULL)) v (n, hold_for),
	LATERAL booking.hold_slot(17001, 17001, 17001, timestamptz '2026-03-02 09:00Z' + v.n * interval '30 minutes', v.hold_for) ORDER BY n;
SELECT test.brief('SELECT booking.hold_slot(17001, 17001, 17001, ''2026-03-02 09:00Z'', ''8 days'')');
-- The same request again is still the same, and prolongs nothing.
SELECT id AS long FROM booking.hold_slot(17001, 17001, 17001, '2026-03-03 09:00Z', '7 days', 'long') \gset
SELECT id = :long AS same, hold_expires_at FROM booking.hold_slot(17001, 17001, 17001, '2026-03-03 09:00Z', '7 days', 'long');
RESET booking.user_id;
SET LOCAL ROLE regress_front_17;
SELECT hold_expires_at FROM booking.hold_slot(17001, 17001, 17002, '2026-03-03 10:00Z', '1 day');
SELECT hold_expires_at FROM booking.hold_slot(NULL, 17003, NULL, '2026-03-03 10:30Z', '1 day');
RESET ROLE;
SELECT hold_expires_at FROM booking.hold_slot(17001, 17001, 17002, '2026-03-03 09:30Z', '1 day');
ROLLBACK TO lengths;
-- Counted from now, in real time.
SAVEPOINT s;
SELECT hold_expires_at FROM booking.hold_slot(17001, 17001, NULL, '2026-03-02 09:00Z', '7 days');
SELECT hold_expires_at FROM booking.hold_slot(17001, 17001, NULL, '2026-03-02 09:30Z', '-1 day 25:00:00.000001');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Every reason, in the same words as book_slot
-- ---------------------------------------------------------------------------

SAVEPOINT s;
SELECT status FROM booking.book_slot(17001, 17001, 17002, '2026-03-02 09:00Z');
SELECT status FROM booking.book_slot(17004, 17001, NULL, '2026-03-02 09:00Z');
UPDATE booking.shops SET prevent_user_overlap = true, max_active_per_user = 2 WHERE id = 17001;
SELECT status FROM booking.hold_slot(17002, 17001, 17001, '2026-03-02 10:00Z');
SELECT status FROM booking.hold_slot(17002, 17001, 17001, '2026-03-02 10:30Z');
SELECT v.n, test.brief('SELECT booking.hold_slot(' || v.arguments || ')') AS hold_slot,
	(SELECT array_agg(e) FROM test.error('SELECT booking.hold_slot(' || v.arguments || ')') e) =
	(SELECT array_agg(e) FROM test.error('SELECT booking.book_slot(' || v.arguments || ')') e) AS as_book_slot
FROM (VALUES
	(1, '17001, 17001, 17002, ''2026-03-02 09:00Z'''), (2, '17001, 17001, NULL, ''2026-03-07 09:00Z'''),
	(3, '17001, 17001, NULL, ''2026-03-01 12:30Z'''), (4, '17001, 17001, NULL, ''2026-03-16 09:00Z'''),
	(5, '17001, 17001, NULL, ''2026-03-03 09:10Z'''), (6, '17003, 17001, NULL, ''2026-03-03 09:00Z'''),
	(7, '17001, 17001, 17003, ''2026-03-03 09:00Z'''), (8, '17999, 17001, NULL, ''2026-03-03 09:00Z'''),
	(9, '17001, 17999, NULL, ''2026-03-03 09:00Z'''), (10, '17001, 17001, 17999, ''2026-03-03 09:00Z'''),
	(11, 'NULL, 17999, NULL, ''2026-03-03 09:00Z'''),
	(12, '17004, 17001, NULL, ''2026-03-02 10:00Z'''), (13, '17001, 17001, 17001, ''2026-03-03 09:00Z'''),
	(14, '17001, 17001, 17001, ''2026-03-02 10:00Z'''), (15, '17001, NULL, NULL, ''2026-03-03 09:00Z'''),
	(16, '17001, 17001, NULL, NULL'), (17, '17001, 17001, NULL, ''infinity'''), (18, '17001, 17001, NULL, ''-infinity''')
) v (n, arguments) ORDER BY n;
-- Arguments that stand elsewhere than book_slot's: key and overrides.
SELECT v.n, test.brief('SELECT booking.hold_slot(17001, 17001, NULL, ''2026-03-03 09:00Z'', NULL, ' || v.arguments || ')') FROM (VALUES
	(1, ''''''), (2, 'repeat(''k'', 200)'), (3, 'repeat(''k'', 201)'), (4, 'NULL, ''{}'''), (5, 'NULL, ''{overlap}'''), (6, 'NULL, ''{NULL}''')
) v (n, arguments) ORDER BY n;
-- Staff may hold what is not offered, and what was broken is kept; an overlap never.
SELECT id AS out_of_hours FROM booking.hold_slot(17001, 17001, NULL, '2026-03-02 13:07Z', overrides => '{grid,hours,limits,notice}') \gset
SELECT status, overrides FROM booking.appointments WHERE id = :out_of_hours;
SELECT id AS one_too_many FROM booking.hold_slot(17004, 17001, 17001, '2026-03-02 10:00Z', overrides => '{limits,horizon}') \gset
SELECT status, overrides FROM booking.appointments WHERE id = :one_too_many;
SELECT test.brief('SELECT booking.hold_slot(17001, 17001, NULL, ''2026-03-02 09:00Z'', overrides => ''{hours,notice,grid,horizon,limits,window}'')');
SELECT pg_temp.locks();
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Idempotency
-- ---------------------------------------------------------------------------

SAVEPOINT s;
SELECT id AS first FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z', '10 minutes', 'h1') \gset
-- The same request is the same hold, and does not prolong it.
SET booking.now = '2026-03-01 12:05Z';
SELECT id = :first AS same, status, hold_expires_at, version FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z', '600 seconds', 'h1');
-- Another length, the shop's length, another slot, no hold at all: not the same request.
SELECT v.call, test.brief('SELECT booking.' || v.call || ', ''h1'')') FROM (VALUES
	('hold_slot(17001, 17001, 17001, ''2026-03-02 09:00Z'', ''20 minutes'''), ('hold_slot(17001, 17001, 17001, ''2026-03-02 09:00Z'', NULL'),
	('hold_slot(17001, 17001, 17001, ''2026-03-02 09:30Z'', ''10 minutes'''), ('book_slot(17001, 17001, 17001, ''2026-03-02 09:00Z''')) v (call);
-- Nor is a hold the booking of the same slot.
SELECT id AS booked FROM booking.book_slot(17001, 17001, 17001, '2026-03-02 11:00Z', 'b1') \gset
SELECT test.brief('SELECT booking.hold_slot(17001, 17001, 17001, ''2026-03-02 11:00Z'', NULL, ''b1'')');
-- The answer stays the same appointment, whatever has become of it: confirmed ...
SELECT status FROM booking.confirm_appointment(:first);
SELECT id = :first AS same, status, hold_expires_at FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z', '10 minutes', 'h1');
-- A hold that ran out, and whose time is somebody else's, is no answer.
SELECT id AS lapsed FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 10:00Z', NULL, 'h2') \gset
SET booking.now = '2026-03-01 12:20Z';
SELECT user_id FROM booking.book_slot(17001, 17001, 17002, '2026-03-02 10:00Z');
SELECT test.error('SELECT booking.hold_slot(17001, 17001, 17001, ''2026-03-02 10:00Z'', NULL, ''h2'')');
SET booking.now = '2026-03-01 12:00Z';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Confirming
-- ---------------------------------------------------------------------------

SAVEPOINT s;
SELECT id AS hold FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z') \gset
SELECT id AS waits FROM booking.book_slot(17001, 17002, 17001, '2026-03-02 10:00Z') \gset
-- Until the last moment; from hold_expires_at on, its time is no longer its own, even if nobody has taken it.
SET booking.now = '2026-03-01 12:14:59.999999Z';
SELECT test.brief('SELECT booking.confirm_appointment(' || :hold || ')');
SELECT starts FROM test.slots(17001, '2026-03-02', NULL, 17001);
SET booking.now = '2026-03-01 12:15Z';
SELECT pg_temp.error('SELECT booking.confirm_appointment(' || :hold || ')');
SELECT starts FROM test.slots(17001, '2026-03-02', NULL, 17001);
-- The answer is the row: confirmed, nothing runs out any more, the next version.  The rest is as it was.
SET booking.now = '2026-03-01 12:10Z';
SELECT id = :hold AS same, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, visit_id, version
FROM booking.confirm_appointment(:hold);
SELECT busy_from::time, busy_until::time, created_at, updated_at, cancelled_at FROM booking.appointments WHERE id = :hold;
SET booking.now = '2026-03-01 13:00Z';
SELECT reason FROM booking.try_book_slot(17001, 17001, 17002, '2026-03-02 09:00Z');
-- Twice is as once.
SELECT status, version FROM booking.confirm_appointment(:hold);
-- What waits for the shop waits until it begins, if it must.
SET booking.now = '2026-03-02 09:59:59.999999Z';
SELECT status, version FROM booking.confirm_appointment(:waits, 1);
-- A version that is not there any more, an id that never was, no id.
SELECT v.arguments, test.brief(format('SELECT booking.confirm_appointment(' || v.arguments || ')', :waits)) FROM (VALUES
	('%s, 1'), ('%s, 2'), ('%s, NULL'), ('17999'), ('17999, 1'), ('NULL'), ('NULL, 1')) v (arguments);
SET booking.now = '2026-03-01 12:00Z';
ROLLBACK TO s;

-- Somebody else has taken what ran out: the hold is too late, the other one stays; and it is the hold that is said, not the overlap.
SAVEPOINT s;
SELECT id AS hold FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z') \gset
SET booking.now = '2026-03-01 12:15Z';
SELECT user_id, status FROM booking.book_slot(17001, 17001, 17002, '2026-03-02 09:00Z');
SELECT test.brief('SELECT booking.confirm_appointment(' || :hold || ')');
SELECT * FROM pg_temp.stored(17001);
SET booking.now = '2026-03-01 12:00Z';
ROLLBACK TO s;

-- A hold is a promise: no rule is asked again, whatever has become of the service, the barber, the customer and the hours meanwhile.
SAVEPOINT s;
SELECT id AS hold FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z') \gset
UPDATE booking.services SET is_active = false WHERE id = 17001;
UPDATE booking.barbers SET is_active = false WHERE id = 17001;
UPDATE booking.users SET is_active = false WHERE id = 17001;
UPDATE booking.shops SET is_active = false, max_active_per_user = 1, min_notice_minutes = 525600 WHERE id = 17001;
DELETE FROM booking.barber_services WHERE barber_id = 17001;
DELETE FROM booking.working_hours WHERE barber_id = 17001;
SELECT status, version FROM booking.confirm_appointment(:hold);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Declining
-- ---------------------------------------------------------------------------

SAVEPOINT s;
UPDATE booking.shops SET cancellation_window_minutes = 10000 WHERE id = 17001;
SELECT id AS waits FROM booking.book_slot(17001, 17002, 17001, '2026-03-02 10:00Z') \gset
SELECT id AS hold FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z') \gset
-- Cancelled, by the shop, whose own window does not bind it; when and why is kept.  The time is free.
SELECT * FROM test.slots(17001, '2026-03-02', NULL, 17001);
SELECT id = :waits AS same, starts_at, status, hold_expires_at, price_cents, version FROM booking.decline_appointment(:waits, 'fully booked');
SELECT cancelled_at, cancel_reason, cancelled_by, updated_at FROM booking.appointments WHERE id = :waits;
SELECT * FROM test.slots(17001, '2026-03-02', NULL, 17001);
SELECT pg_temp.error('SELECT booking.decline_appointment(' || :waits || ')');
-- Without a reason; a hold too, and one that has run out.
SELECT status, hold_expires_at FROM booking.decline_appointment(:hold, version => 1);
SELECT cancel_reason, cancelled_by FROM booking.appointments WHERE id = :hold;
SELECT id AS hold FROM booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z') \gset
SET booking.now = '2026-03-01 12:15Z';
SELECT status FROM booking.decline_appointment(:hold, '');
SELECT cancel_reason = '' AS empty FROM booking.appointments WHERE id = :hold;
SET booking.now = '2026-03-01 12:00Z';
-- A reason is text and nothing else.
SELECT n, (booking.decline_appointment((booking.hold_slot(17001, 17001, 17001, '2026-03-02 09:00Z')).id, r)).status
FROM unnest(ARRAY[E'O\'Hara\'); DELETE FROM booking.users; --', E'%s\n\\', repeat('x', 100000)]) WITH ORDINALITY v (r, n) ORDER BY n;
SELECT length(cancel_reason), left(cancel_reason, 40) FROM booking.appointments WHERE barber_id = 17001 AND starts_at = '2026-03-02 09:00Z' ORDER BY id DESC LIMIT 3;
-- What has been confirmed is cancelled, not declined.
SELECT id AS confirmed FROM booking.book_slot(17001, 17001, 17001, '2026-03-02 09:00Z') \gset
SELECT v.arguments, test.brief(format('SELECT booking.decline_appointment(' || v.arguments || ')', :confirmed)) FROM (VALUES
	('%s'), ('%s, NULL, 1'), ('%s, ''x'', 2'), ('17999'), ('NULL')) v (arguments);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Steps and groups
-- ---------------------------------------------------------------------------

-- A service with steps is held as a whole: each part pending for the same time.
SAVEPOINT s;
SELECT id AS hold FROM booking.hold_slot(17001, 17003, 17001, '2026-03-02 09:00Z') \gset
SELECT id AS part FROM booking.appointments WHERE part_of = :hold \gset
SELECT * FROM pg_temp.stored(17001);
SELECT starts FROM test.slots(17001, '2026-03-02', NULL, 17001);
-- Confirmed as a whole, whichever part is named, and the first is the answer.
SELECT id = :hold AS first, starts_at, ends_at, status, hold_expires_at, version FROM booking.confirm_appointment(:part, 1);
SELECT * FROM pg_temp.stored(17001);
ROLLBACK TO s;
-- Declined as a whole.
SAVEPOINT s;
SELECT id AS hold FROM booking.hold_slot(17001, 17003, 17001, '2026-03-02 09:00Z') \gset
SELECT id AS part FROM booking.appointments WHERE part_of = :hold \gset
SELECT id = :hold AS first, status FROM booking.decline_appointment(:part, 'no');
SELECT * FROM pg_temp.stored(17001);
SELECT DISTINCT cancelled_at, cancel_reason, cancelled_by FROM booking.appointments WHERE barber_id = 17001;
ROLLBACK TO s;
-- It runs out as a whole, and its gap was free all the time.
SAVEPOINT s;
SELECT id AS hold FROM booking.hold_slot(17001, 17003, 17001, '2026-03-02 09:00Z') \gset
SELECT id AS part FROM booking.appointments WHERE part_of = :hold \gset
SELECT status FROM booking.book_slot(17001, 17001, NULL, '2026-03-02 09:30Z');
SET booking.now = '2026-03-01 12:15Z';
SELECT starts FROM test.slots(17001, '2026-03-02', NULL, 17001);
SELECT test.brief('SELECT booking.confirm_appointment(' || :part || ')');
SELECT booking.expire_holds();
SELECT * FROM pg_temp.stored(17001);
SET booking.now = '2026-03-01 12:00Z';
-- When a later part is not to be had, nothing of it is held.
SELECT test.brief('SELECT booking.hold_slot(17001, 17003, NULL, ''2026-03-02 08:30Z'', overrides => ''{hours}'')');
SELECT status FROM booking.book_slot(17001, 17001, NULL, '2026-03-02 11:00Z');
DO $$
BEGIN
	PERFORM booking.hold_slot(17001, 17003, NULL, '2026-03-02 10:00Z');
EXCEPTION WHEN exclusion_violation THEN NULL;
END
$$;
SELECT starts::text || ' ' || status AS stored FROM pg_temp.stored(17001) ORDER BY starts;
SELECT pg_temp.locks();
ROLLBACK TO s;

-- In a group a hold takes a seat, gives it back when it runs out, and keeps it when it is confirmed.
SAVEPOINT s;
SELECT id AS hold FROM booking.hold_slot(17001, 17004, 17001, '2026-03-02 09:00Z') \gset
SELECT id AS hold2 FROM booking.hold_slot(17001, 17004, 17002, '2026-03-02 09:00Z', '5 minutes') \gset
SELECT test.brief('SELECT booking.hold_slot(17001, 17004, NULL, ''2026-03-02 09:00Z'')');
SET booking.now = '2026-03-01 12:05Z';
SELECT starts_at, seats_left FROM booking.available_slots(17004, '2026-03-02', NULL, 17001) LIMIT 1;
SELECT status FROM booking.confirm_appointment(:hold);
SELECT status FROM booking.hold_slot(17001, 17004, NULL, '2026-03-02 09:00Z');
SELECT test.brief('SELECT booking.confirm_appointment(' || :hold2 || ')');
SELECT * FROM pg_temp.stored(17001);
SET booking.now = '2026-03-01 12:00Z';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- expire_holds
-- ---------------------------------------------------------------------------

-- Hal's holds run out at 12:05, 12:15 and (with two parts) 12:20; what waits for the shop, and what was confirmed, does not.
SELECT id AS a FROM booking.hold_slot(17001, 17001, NULL, '2026-03-02 09:00Z', '5 minutes') \gset
SELECT id AS b FROM booking.hold_slot(17001, 17001, NULL, '2026-03-02 09:30Z') \gset
SELECT id AS c FROM booking.hold_slot(17001, 17003, NULL, '2026-03-02 10:00Z', '20 minutes') \gset
SELECT id AS e FROM booking.hold_slot(17002, 17001, NULL, '2026-03-02 09:00Z', '5 minutes') \gset
SELECT status FROM booking.confirm_appointment(:e);
SELECT status, hold_expires_at FROM booking.book_slot(17002, 17002, NULL, '2026-03-02 10:00Z');
-- A hold of the past is housekeeping as well; so is one that a raw writer has made.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at) VALUES
	(17050, 17002, 17001, '2026-02-02 09:00Z', '2026-02-02 10:00Z', 'pending', '2026-02-01 09:00Z'),
	(17051, 17002, 17001, '2026-02-02 09:00Z', '2026-02-02 10:00Z', 'cancelled', '2026-02-01 09:00Z');
SELECT booking.expire_holds();
SELECT booking.expire_holds();
-- At the moment they run out, no sooner: their time is free whether somebody calls or not.
SET booking.now = '2026-03-01 12:04:59.999999Z';
SELECT booking.expire_holds();
SET booking.now = '2026-03-01 12:05Z';
SELECT starts FROM test.slots(17001, '2026-03-02', NULL, 17001);
SELECT booking.expire_holds();
SELECT starts FROM test.slots(17001, '2026-03-02', NULL, 17001);
-- An appointment counts once, however many parts it has.
SET booking.now = '2026-03-01 12:30Z';
SELECT user_id, status FROM booking.book_slot(17001, 17001, 17001, '2026-03-02 09:30Z');
SELECT booking.expire_holds();
SELECT booking.expire_holds();
SELECT * FROM pg_temp.stored(17001);
SELECT * FROM pg_temp.stored(17002);
SELECT updated_at FROM booking.appointments WHERE id = :a;
-- Expired is final; that it was a hold is still to be seen.
SELECT v.call, test.brief('SELECT booking.' || v.call || '_appointment(' || :a || ')') FROM (VALUES ('confirm'), ('decline'), ('cancel')) v (call);
-- Whoever has kept a row from expiring is not counted; another is.
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.notes = ''keep'' THEN RETURN NULL; END IF; RETURN NEW; END';
SAVEPOINT s;
CREATE TRIGGER keep BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.keep();
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at, notes) VALUES
	(17052, 17002, 17001, '2026-03-05 09:00Z', '2026-03-05 10:00Z', 'pending', '2026-03-01 09:00Z', 'keep'),
	(17053, 17002, 17001, '2026-03-05 10:00Z', '2026-03-05 11:00Z', 'pending', '2026-03-01 09:00Z', NULL);
SELECT booking.expire_holds();
SELECT id, status FROM booking.appointments WHERE id IN (17052, 17053) ORDER BY id;
ROLLBACK TO s;
SELECT pg_temp.locks();

ROLLBACK;

-- A hold that runs out while it is being confirmed is not confirmed: others may have booked what it no longer counted for.
BEGIN;
INSERT INTO booking.shops (id, name) VALUES (17071, 'Slow');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (17071, 17071, 'Io');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (17071, 17071, 'Cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (17071, 17071);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (17071, 4, '09:00', '12:00');
SET LOCAL booking.now = '';
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
VALUES (17071, 17071, 17071, clock_timestamp() + interval '1 day', clock_timestamp() + interval '25 hours', 'pending', clock_timestamp() + interval '1 second');
\set a 17071
CREATE FUNCTION pg_temp.dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.1); RETURN NEW; END';
CREATE TRIGGER dawdle BEFORE UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.dawdle();
SELECT test.brief('SELECT booking.confirm_appointment(' || :a || ')');
SELECT status FROM booking.appointments WHERE id = :a;
DROP TRIGGER dawdle ON booking.appointments;
SELECT set_config('booking.now', (clock_timestamp() - interval '1 minute')::text, true) < 'x' AS earlier;
SELECT status FROM booking.confirm_appointment(:a);
ROLLBACK;

-- In a read-only transaction nothing can be written, not even when there is nothing to do.
BEGIN READ ONLY;
SELECT test.brief('SELECT booking.hold_slot(1, 1, NULL, ''2026-03-05 11:00Z'')');
SELECT test.brief('SELECT booking.confirm_appointment(1)');
SELECT test.brief('SELECT booking.decline_appointment(1)');
SELECT test.brief('SELECT booking.expire_holds()');
ROLLBACK;
