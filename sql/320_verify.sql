--
-- verify(): what is broken in the tables, after an incident in which nothing saw
-- to it.  Each damage here is done with triggers off, is found by one check of
-- one name, and is gone again after the repair.  If this fails, a double booking
-- that slipped in stays there until two customers meet.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

-- Nothing that the files before have done left anything broken.
SELECT * FROM booking.verify(true);

BEGIN;
INSERT INTO booking.shops (id, name) VALUES (32001, 'Damaged');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (32001, 32001, 'Dan'), (32002, 32001, 'Eve');
INSERT INTO booking.services (id, shop_id, name, duration_minutes, capacity) VALUES
	(32001, 32001, 'Cut', 60, 1), (32002, 32001, 'Course', 60, 2), (32003, 32001, 'Colour', 60, 1);
INSERT INTO booking.service_steps (service_id, position, work_minutes) VALUES (32003, 1, 30), (32003, 2, 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (32001, 32001), (32001, 32002), (32001, 32003), (32002, 32001);
INSERT INTO booking.users (id, email) VALUES (32001, 'u32001@example.org'), (32002, 'u32002@example.org');
INSERT INTO booking.working_hours (id, barber_id, weekday, opens, closes) VALUES (32001, 32001, 1, '08:00', '18:00'), (32002, 32002, 1, '08:00', '18:00');
INSERT INTO booking.schedule_overrides (id, barber_id, on_date) VALUES (32001, 32001, '2026-03-05');
INSERT INTO booking.schedule_overrides (id, shop_id, on_date) VALUES (32002, 32001, '2026-03-06');
INSERT INTO booking.time_off (id, barber_id, starts_at, ends_at) VALUES (32001, 32001, '2026-03-04 10:00Z', '2026-03-04 12:00Z');
INSERT INTO booking.time_off (id, shop_id, starts_at, ends_at) VALUES (32002, 32001, '2026-03-04 14:00Z', '2026-03-04 15:00Z');
-- Past and coming, with buffers, seats, parts, holds that ran out, history.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, status, hold_expires_at, idempotency_key) VALUES
	(32001, 32001, 32001, 32001, '2026-03-02 08:00Z', '2026-03-02 11:00Z', '2026-03-02 08:00Z', '2026-03-02 11:30Z', 'confirmed', NULL, 'a32001'),
	(32002, 32001, 32001, NULL, '2026-03-02 11:30Z', '2026-03-02 12:30Z', NULL, NULL, 'confirmed', NULL, NULL),
	(32003, 32001, 32002, 32001, '2026-03-02 13:00Z', '2026-03-02 14:00Z', NULL, NULL, 'confirmed', NULL, NULL),
	(32004, 32001, 32002, 32002, '2026-03-02 13:00Z', '2026-03-02 14:00Z', NULL, NULL, 'confirmed', NULL, NULL),
	(32005, 32002, 32001, 32002, '2026-03-02 08:00Z', '2026-03-02 09:00Z', NULL, NULL, 'pending', '2026-03-01 11:00Z', NULL),
	(32006, 32002, 32001, 32001, '2026-03-02 08:30Z', '2026-03-02 09:30Z', NULL, NULL, 'confirmed', NULL, NULL),
	(32007, 32001, 32001, NULL, '2026-02-02 08:00Z', '2026-02-02 09:00Z', NULL, NULL, 'confirmed', NULL, NULL);
SELECT id AS part FROM booking.book_slot(32001, 32003, 32001, '2026-03-02 15:00Z') \gset
UPDATE booking.appointments SET id = 32011 WHERE part_of = :part;
SELECT booking.join_waitlist(32002, 32001, '2026-03-02 08:00Z', '2026-03-02 18:00Z', 32002) IS NOT NULL AS joined;
UPDATE booking.waitlist SET id = 32001 WHERE user_id = 32002;
SELECT status FROM booking.cancel_appointment(32006);
SELECT w.status, a.status, a.user_id FROM booking.waitlist w JOIN booking.appointments a ON a.id = w.appointment_id WHERE w.user_id = 32002;
UPDATE booking.appointments SET notes = 'first' WHERE id = 32001;
UPDATE booking.appointments SET notes = 'second' WHERE id = 32001;
-- An appointment that was deleted and came back: its versions begin anew.
UPDATE booking.appointments SET notes = 'a first life' WHERE id = 32002;
UPDATE booking.appointments SET notes = 'with three versions' WHERE id = 32002;
DELETE FROM booking.appointments WHERE id = 32002;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (32002, 32001, 32001, '2026-03-02 11:30Z', '2026-03-02 12:30Z');
UPDATE booking.appointments SET notes = 'again' WHERE id = 32002;
SELECT appointment_id, version, to_values IS NULL AS deleted FROM booking.appointment_history WHERE appointment_id IN (32001, 32002) ORDER BY id;

-- All that is legitimate: touching, seats, an overlapped hold that ran out, what was booked over a cancelled one.
SELECT * FROM booking.verify();
SELECT * FROM booking.verify(true);

-- What verify finds when a statement was run with triggers off; the damage is undone.  by: verify(true) alone, or verify() as well.
CREATE FUNCTION test.found(statement text) RETURNS TABLE (by text, check_name text, table_name text, row_id bigint, detail text)
LANGUAGE plpgsql AS $$
DECLARE
	results text[];
BEGIN
	BEGIN
		PERFORM set_config('session_replication_role', 'replica', true);
		EXECUTE statement;
		PERFORM set_config('session_replication_role', 'origin', true);
		results := ARRAY(
			SELECT ARRAY[string_agg(depth, ' and ' ORDER BY depth), f.check_name, f.table_name, f.row_id::text, f.detail]::text
			FROM (SELECT 'deep' AS depth, d.* FROM booking.verify(true) d UNION ALL SELECT 'quick', s.* FROM booking.verify() s) f
			GROUP BY f.check_name, f.table_name, f.row_id, f.detail
			ORDER BY f.check_name COLLATE "C", f.table_name COLLATE "C", f.row_id, f.detail COLLATE "C");
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
	END;
	RETURN QUERY SELECT r[1], r[2], r[3], r[4]::bigint, r[5] FROM unnest(results) u, LATERAL (SELECT u::text[]) x (r);
END
$$;
-- The same of many statements, each with its name.
CREATE FUNCTION test.found_each(VARIADIC statements text[])
RETURNS TABLE (n bigint, by text, check_name text, table_name text, row_id bigint, detail text) LANGUAGE sql AS $$
SELECT n, f.by, f.check_name, f.table_name, f.row_id, f.detail
FROM unnest(statements) WITH ORDINALITY s (statement, n) LEFT JOIN LATERAL test.found(statement) WITH ORDINALITY f ON true ORDER BY n, f.ordinality
$$;
-- Without damage there is nothing.
SELECT * FROM test.found('SELECT 1');

-- ---------------------------------------------------------------------------
-- Two in one chair
-- ---------------------------------------------------------------------------

-- 1: half an hour into another's; 2: into a buffer alone; 3: two within a long one, of which the second touches the first;
-- 4: another service at the very same time; 5: a third in a course for two; 6: the very same appointment twice; 7: one that spans two others.
SELECT * FROM test.found_each(
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (32100, 32001, 32001, '2026-03-02 12:00Z', '2026-03-02 13:00Z', '2026-03-02 12:00Z', '2026-03-02 13:00Z')$$,
	$$UPDATE booking.appointments SET busy_until = '2026-03-02 11:31Z' WHERE id = 32001$$,
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until) VALUES
	(32100, 32001, 32001, '2026-03-02 09:00Z', '2026-03-02 10:00Z', '2026-03-02 09:00Z', '2026-03-02 10:00Z'),
	(32101, 32001, 32001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', '2026-03-02 10:00Z', '2026-03-02 11:00Z')$$,
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (32100, 32001, 32001, '2026-03-02 13:00Z', '2026-03-02 14:00Z', '2026-03-02 13:00Z', '2026-03-02 14:00Z')$$,
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (32100, 32001, 32002, '2026-03-02 13:00Z', '2026-03-02 14:00Z', '2026-03-02 13:00Z', '2026-03-02 14:00Z')$$,
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	SELECT 32100, barber_id, service_id, starts_at, ends_at, busy_from, busy_until FROM booking.appointments WHERE id = 32001$$,
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (32100, 32001, 32001, '2026-03-02 12:30Z', '2026-03-02 14:00Z', '2026-03-02 11:00Z', '2026-03-02 14:30Z')$$);
-- 1: a hold that ran out, revived; 2: what is over is looked at by verify(true) alone; 3: cancelled, expired and done appointments take no time.
SELECT * FROM test.found_each(
	$$UPDATE booking.appointments SET hold_expires_at = NULL WHERE id = 32005$$,
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (32100, 32001, 32001, '2026-02-02 08:30Z', '2026-02-02 09:30Z', '2026-02-02 08:30Z', '2026-02-02 09:30Z')$$,
	$$INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until, status)
	SELECT 32001, 32001, '2026-03-02 12:00Z', '2026-03-02 13:00Z', '2026-03-02 12:00Z', '2026-03-02 13:00Z', s
	FROM unnest(ARRAY['cancelled', 'expired', 'completed', 'no_show']) s$$);

-- ---------------------------------------------------------------------------
-- Beyond a limit
-- ---------------------------------------------------------------------------

-- Raw writers are not bound by limits, so triggers have no part in this.  Shop 32002 has limits, in New York: 2 active appointments a customer,
-- 2 a day with barber 32011, nobody in two places at once; it is 07:00 there.  Shop 32003 has none.
SAVEPOINT limits;
INSERT INTO booking.shops (id, name, time_zone, max_active_per_user, prevent_user_overlap) VALUES
	(32002, 'Limited', 'America/New_York', 2, true), (32003, 'Unlimited', 'America/New_York', NULL, false);
INSERT INTO booking.barbers (id, shop_id, name, max_per_day) VALUES (32011, 32002, 'Day', 2), (32012, 32002, 'One', NULL), (32013, 32002, 'Two', NULL),
	(32014, 32002, 'Three', NULL), (32015, 32003, 'Else', NULL), (32016, 32003, 'Other', NULL);
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(32003, 32005) n;
-- An appointment of an hour, unless it says otherwise.
CREATE FUNCTION test.put(id bigint, barber bigint, customer bigint, at timestamptz, status text DEFAULT 'confirmed', until timestamptz DEFAULT NULL,
	hold timestamptz DEFAULT NULL, part_of bigint DEFAULT NULL, visit bigint DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, status, hold_expires_at, part_of, visit_id, overrides)
SELECT $1, $2, 32001, $3, $4, u, $4, u, $5, $7, $8, $9, $10 FROM (SELECT coalesce($6, $4 + interval '1 hour')) t (u)
$$;

-- Customer 32003 has two active ones with barber 32012.
SELECT test.put(32201, 32012, 32003, '2026-03-03 10:00Z'), test.put(32202, 32012, 32003, '2026-03-04 10:00Z');
SELECT * FROM test.found('SELECT 1');
-- 1: a third; 2: also with another barber of the shop, and as an open hold; 3: whatever else staff overrode; 4: in a minute it is over.
SELECT * FROM test.found_each(
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z')$$,
	$$SELECT test.put(32203, 32013, 32003, '2026-03-05 10:00Z', 'pending', hold => '2026-03-01 12:00:01Z')$$,
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z', overrides => '{hours,notice}')$$,
	$$SELECT test.put(32203, 32012, 32003, '2026-03-01 11:01Z', 'checked_in')$$,
	-- 5: a limit that was lowered; 6: two too many
	'UPDATE booking.shops SET max_active_per_user = 1 WHERE id = 32002',
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z'), test.put(32204, 32012, 32003, '2026-03-06 10:00Z')$$,
	-- 7: one that staff meant does not make room for others
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z', overrides => '{limits}'), test.put(32204, 32012, 32003, '2026-03-06 10:00Z')$$);
-- None: what is not live, or over; 3: a hold that ran out; 4: a part; 5: another shop's; 6: another's, and nobody's; 7: an override; 8: no limit.
SELECT * FROM test.found_each(
	$$SELECT test.put(32210 + n, 32012, 32003, '2026-03-05 10:00Z', s) FROM unnest('{cancelled,expired,completed,no_show}'::text[]) WITH ORDINALITY u (s, n)$$,
	$$SELECT test.put(32203, 32012, 32003, '2026-03-01 11:00Z')$$,
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z', 'pending', hold => '2026-03-01 12:00Z')$$,
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z', part_of => 32202)$$,
	$$SELECT test.put(32203 + n, 32015, 32003, '2026-03-05 10:00Z'::timestamptz + n * interval '1 day') FROM generate_series(0, 3) n$$,
	$$SELECT test.put(32203 + n, 32012, CASE WHEN n < 2 THEN 32004 END, '2026-03-05 10:00Z'::timestamptz + n * interval '1 day') FROM generate_series(0, 4) n$$,
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z', overrides => '{notice,limits}')$$,
	$$SELECT test.put(32203, 32012, 32003, '2026-03-05 10:00Z'); UPDATE booking.shops SET max_active_per_user = NULL$$);

-- Barber 32011 has a walk-in at 23:00 on the 3rd, which is the 4th in London, and is done with one of 20:00.
SELECT test.put(32221, 32011, NULL, '2026-03-03 23:00-05'), test.put(32222, 32011, NULL, '2026-03-03 20:00-05', 'completed');
SELECT * FROM test.found('SELECT 1');
-- 1: a third; 2: that is done, too; 3: a limit that was lowered; 4: a day that is over, to verify(true) alone; 5: today, also what is over.
SELECT * FROM test.found_each(
	$$SELECT test.put(32223, 32011, NULL, '2026-03-03 21:00-05')$$,
	$$SELECT test.put(32223, 32011, NULL, '2026-03-03 00:00-05', 'completed')$$,
	'UPDATE booking.barbers SET max_per_day = 1 WHERE id = 32011',
	$$SELECT test.put(32223 + n, 32011, NULL, '2026-02-03 10:00Z'::timestamptz + n * interval '1 hour', s) FROM unnest('{completed,confirmed,checked_in}'::text[]) WITH ORDINALITY u (s, n)$$,
	$$SELECT test.put(32223 + n, 32011, NULL, '2026-03-01 05:00Z'::timestamptz + n * interval '1 hour', 'completed') FROM generate_series(0, 2) n$$);
-- None: the next day; 2: what does not count; 3: a hold that ran out; 4: a part; 5: another barber; 6: an override; 7: no limit; 8: yesterday and today.
SELECT * FROM test.found_each(
	$$SELECT test.put(32223, 32011, NULL, '2026-03-04 00:00-05'), test.put(32224, 32011, NULL, '2026-03-02 23:59-05', until => '2026-03-03 00:30-05')$$,
	$$SELECT test.put(32223 + n, 32011, NULL, '2026-03-03 21:00-05', s) FROM unnest('{cancelled,expired,no_show}'::text[]) WITH ORDINALITY u (s, n)$$,
	$$SELECT test.put(32223, 32011, NULL, '2026-03-03 21:00-05', 'pending', hold => '2026-03-01 12:00Z')$$,
	$$SELECT test.put(32223, 32011, NULL, '2026-03-03 21:00-05', part_of => 32221)$$,
	$$SELECT test.put(32223, 32012, NULL, '2026-03-03 21:00-05')$$,
	$$SELECT test.put(32223, 32011, NULL, '2026-03-03 21:00-05', overrides => '{limits}')$$,
	$$SELECT test.put(32223, 32011, NULL, '2026-03-03 21:00-05'); UPDATE booking.barbers SET max_per_day = NULL$$,
	$$SELECT test.put(32223 + n, 32011, NULL, '2026-03-01 02:00Z'::timestamptz + n * interval '1 hour', 'completed') FROM generate_series(1, 4) n$$);
-- 1: a time zone with a summer: the third is on July 2.  2: a zone that is none;
-- 3: a start that has no local time.
SELECT * FROM test.found_each(
	$$UPDATE booking.shops SET time_zone = 'Europe/Berlin' WHERE id = 32002; SELECT test.put(32223 + n, 32011, NULL, '2026-07-01 19:30Z'::timestamptz + n * interval '1 hour') FROM generate_series(1, 3) n$$,
	$$UPDATE booking.shops SET time_zone = 'Europe/Atlantis' WHERE id = 32002$$,
	$$UPDATE booking.shops SET time_zone = 'Pacific/Kiritimati' WHERE id = 32002; SELECT test.put(32223, 32011, NULL, '294276-12-31 20:00Z')$$);

-- Customer 32004 is with barber 32012 from 10:00 to 11:00.
SELECT test.put(32240, 32012, 32004, '2026-03-06 10:00Z');
UPDATE booking.shops SET max_active_per_user = NULL;
SELECT * FROM test.found('SELECT 1');
-- 1: with another barber; 2: the one that begins later is named, whichever was booked first; 3: in a visit with yet another; 4: one's first part, or
-- 5: second; 6: two within a long one; 7: aside of a visit; 8: an open hold.
SELECT * FROM test.found_each(
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z')$$,
	$$SELECT test.put(32231, 32013, 32004, '2026-03-06 10:59Z')$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z', visit => 32241), test.put(32242, 32014, 32004, '2026-03-06 11:30Z', visit => 32241)$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z', visit => 32241), test.put(32242, 32013, 32004, '2026-03-06 12:00Z', visit => 32241, part_of => 32241)$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 08:30Z', visit => 32241), test.put(32242, 32013, 32004, '2026-03-06 10:30Z', visit => 32241, part_of => 32241)$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 09:00Z', until => '2026-03-06 13:00Z'), test.put(32242, 32014, 32004, '2026-03-06 11:30Z')$$,
	$$SELECT test.put(32241, 32012, 32004, '2026-03-07 10:00Z', visit => 32241), test.put(32242, 32013, 32004, '2026-03-07 10:00Z', visit => 32241, until => '2026-03-07 13:00Z'),
		test.put(32243, 32014, 32004, '2026-03-07 12:00Z'), test.put(32244, 32012, 32004, '2026-03-07 12:30Z', visit => 32241);
		UPDATE booking.appointments SET guest_name = 'Tom' WHERE id = 32242$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z', 'pending', hold => '2026-03-01 12:00:01Z')$$,
	-- 9: at a shop that does not mind, but was there first; 10: over, to verify(true) alone; 11: two items of a visit, both for the customer; 12: or
	-- for one guest; 13: one meets another's second part
	$$SELECT test.put(32231, 32015, 32004, '2026-03-06 10:30Z')$$,
	$$SELECT test.put(32241, 32012, 32004, '2026-02-06 10:00Z'), test.put(32242, 32013, 32004, '2026-02-06 10:00Z')$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-07 10:00Z', visit => 32241), test.put(32242, 32014, 32004, '2026-03-07 10:30Z', visit => 32241)$$,
	$$SELECT test.put(32241 + n, 32012 + n, 32004, '2026-03-07 10:00Z', visit => 32241) FROM generate_series(0, 2) n; UPDATE booking.appointments SET guest_name = 'Tom' WHERE id IN (32241, 32243)$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-07 10:00Z', visit => 32241), test.put(32242, 32013, 32004, '2026-03-07 12:00Z', visit => 32241, part_of => 32241),
		test.put(32243, 32014, 32004, '2026-03-07 12:30Z', visit => 32241)$$);
-- None: touching; 2: not live; 3: a hold that ran out; 4: others of the same visit; 5: one's parts; 6: another's, and walk-ins; 7 and 8: an override, of either;
-- 9: later, at a shop that does not mind; 10: moved there later; 11: both are there; 12: in a gap; 13: nobody minds; 14: in a gap of another item.
SELECT * FROM test.found_each(
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 11:00Z'), test.put(32242, 32013, 32004, '2026-03-06 09:00Z')$$,
	$$SELECT test.put(32241 + n, 32013, 32004, '2026-03-06 10:30Z', s) FROM unnest('{cancelled,expired,completed,no_show}'::text[]) WITH ORDINALITY u (s, n)$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z', 'pending', hold => '2026-03-01 12:00Z')$$,
	$$SELECT test.put(32241 + n, 32012 + n, 32004, '2026-03-07 10:00Z', visit => 32241) FROM generate_series(0, 2) n; UPDATE booking.appointments SET guest_name = id WHERE id > 32241$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z', part_of => 32240)$$,
	$$SELECT test.put(32241, 32013, 32005, '2026-03-06 10:30Z'), test.put(32242, 32014, NULL, '2026-03-06 10:30Z'), test.put(32243, 32015, NULL, '2026-03-06 10:30Z')$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z', overrides => '{limits}')$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 09:30Z', overrides => '{limits}')$$,
	$$SELECT test.put(32241, 32015, 32004, '2026-03-06 10:30Z')$$,
	$$SELECT test.put(32231, 32015, 32004, '2026-03-06 10:30Z'); UPDATE booking.appointments SET updated_at = created_at + interval '1 second' WHERE id = 32231$$,
	$$SELECT test.put(32241, 32015, 32004, '2026-03-07 10:30Z'), test.put(32242, 32016, 32004, '2026-03-07 10:30Z')$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 09:00Z', visit => 32241), test.put(32242, 32013, 32004, '2026-03-06 11:00Z', visit => 32241, part_of => 32241)$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-06 10:30Z'); UPDATE booking.shops SET prevent_user_overlap = false$$,
	$$SELECT test.put(32241, 32013, 32004, '2026-03-07 10:00Z', visit => 32241), test.put(32242, 32013, 32004, '2026-03-07 12:00Z', visit => 32241, part_of => 32241),
		test.put(32243, 32014, 32004, '2026-03-07 11:00Z', visit => 32241)$$);

-- Customer 32005 has two pending ones at shop 32003, which allows two.
UPDATE booking.shops SET max_pending_per_user = 2 WHERE id = 32003;
SELECT test.put(32251, 32015, 32005, '2026-03-08 10:00Z', 'pending'), test.put(32252, 32016, 32005, '2026-03-09 10:00Z', 'pending', hold => '2026-03-01 12:00:01Z');
SELECT * FROM test.found('SELECT 1');
-- 1: a third; 2: a hold; 3: a limit that was lowered; 4: one that staff meant does not make room for others
SELECT * FROM test.found_each(
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z', 'pending')$$,
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z', 'pending', hold => '2026-03-02 12:00Z')$$,
	'UPDATE booking.shops SET max_pending_per_user = 1 WHERE id = 32003',
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z', 'pending', overrides => '{limits}'), test.put(32254, 32015, 32005, '2026-03-11 10:00Z', 'pending')$$);
-- None: what is confirmed, or over; 2: a hold that ran out; 3: a part; 4: another shop's; 5: another's, and nobody's; 6: an override; 7: no limit.
SELECT * FROM test.found_each(
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z'), test.put(32254, 32015, 32005, '2026-03-01 11:00Z', 'pending')$$,
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z', 'pending', hold => '2026-03-01 12:00Z')$$,
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z', 'pending', part_of => 32251)$$,
	$$SELECT test.put(32253 + n, 32013, 32005, '2026-03-10 10:00Z'::timestamptz + n * interval '1 day', 'pending') FROM generate_series(0, 9) n$$,
	$$SELECT test.put(32253, 32015, 32004, '2026-03-10 10:00Z', 'pending'), test.put(32254, 32016, NULL, '2026-03-10 10:00Z', 'pending')$$,
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z', 'pending', overrides => '{limits}')$$,
	$$SELECT test.put(32253, 32015, 32005, '2026-03-10 10:00Z', 'pending'); UPDATE booking.shops SET max_pending_per_user = NULL$$);
ROLLBACK TO limits;

-- ---------------------------------------------------------------------------
-- Rules of a row
-- ---------------------------------------------------------------------------

-- Each CHECK of appointments and waitlist: the constraint was added again as NOT VALID after the damage.
SELECT v.name, f.by, f.check_name, f.row_id, f.detail
FROM (VALUES
	('appointments', 'appointments_status', 'status = ''lost'' WHERE id = 32001'),
	('appointments', 'appointments_time', 'starts_at = ''2026-03-02 11:00Z'' WHERE id = 32001'),
	('appointments', 'appointments_busy', 'busy_from = ''2026-03-02 08:30Z'' WHERE id = 32001'),
	('appointments', 'appointments_hold', 'hold_expires_at = ''2026-03-01 13:00Z'' WHERE id = 32001'),
	('appointments', 'appointments_cancelled', 'cancelled_at = ''2026-03-01 11:00Z'' WHERE id = 32001'),
	('appointments', 'appointments_cancelled_by', 'cancelled_by = ''shop'' WHERE id = 32001'),
	('appointments', 'appointments_part', 'part_of = id WHERE id = 32007'),
	('appointments', 'appointments_price', 'price_cents = -1 WHERE id = 32001'),
	('appointments', 'appointments_key', 'idempotency_key = '''' WHERE id = 32001'),
	('waitlist', 'waitlist_status', 'status = ''lost'' WHERE user_id = 32002'),
	('waitlist', 'waitlist_wish', 'earliest = latest WHERE user_id = 32002')
) v (t, name, change),
LATERAL (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = v.name) c (def),
LATERAL test.found(format('ALTER TABLE booking.%1$I DROP CONSTRAINT %2$I; UPDATE booking.%1$I SET %3$s; ALTER TABLE booking.%1$I ADD CONSTRAINT %2$I %4$s NOT VALID',
	v.t, v.name, v.change, c.def)) f ORDER BY v.name COLLATE "C";
-- Rules are read out of the DDL: as many CHECKs, NOT NULLs, foreign keys and keys as the tables have, and the same by what they demand.
SELECT r.on_table, count(*) FILTER (WHERE kind = 'check') AS checks, count(*) FILTER (WHERE kind = 'not null') AS not_null,
	count(*) FILTER (WHERE kind = 'reference') AS refs, count(*) FILTER (WHERE kind LIKE '%key') AS keys, count(*) FILTER (WHERE kind = 'unique') AS uniques
FROM booking.table_rules() r GROUP BY r.on_table
EXCEPT ALL
SELECT c.relname, (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c'),
	(SELECT count(*) FROM pg_attribute a WHERE attrelid = c.oid AND attnum > 0 AND attnotnull AND attidentity = ''
		AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'p' AND a.attnum = ANY (p.conkey) AND cardinality(p.conkey) = 1)),
	(SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'), 1,
	(SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisunique AND NOT indisprimary)
FROM pg_class c WHERE c.relnamespace = 'booking'::regnamespace AND c.relkind = 'r';
CREATE SCHEMA again;
SELECT count(*) AS different_checks
FROM booking.table_rules() r
LEFT JOIN pg_constraint c ON c.conrelid = ('booking.' || r.on_table)::regclass AND c.contype = 'c'
	AND test.brief(format('DO $d$ BEGIN CREATE TABLE again.t (LIKE booking.%I); ALTER TABLE again.t ADD CONSTRAINT rule CHECK %s;
		IF (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ''again.t''::regclass AND conname = ''rule'') <> %L THEN RAISE ''different''; END IF; END $d$',
		r.on_table, r.condition, pg_get_constraintdef(c.oid))) = 'OK000 no error'
WHERE r.kind = 'check' AND c.oid IS NULL;
-- A configuration table, and a table without an id.
SELECT * FROM test.found_each(
	$$ALTER TABLE booking.working_hours DROP CONSTRAINT working_hours_check; UPDATE booking.working_hours SET closes = opens WHERE id = 32001;
	ALTER TABLE booking.working_hours ADD CONSTRAINT working_hours_check CHECK (closes <> opens) NOT VALID$$,
	$$ALTER TABLE booking.service_steps DROP CONSTRAINT service_steps_work_minutes_check; UPDATE booking.service_steps SET work_minutes = 0 WHERE service_id = 32003;
	ALTER TABLE booking.service_steps ADD CONSTRAINT service_steps_work_minutes_check CHECK (work_minutes BETWEEN 1 AND 1440) NOT VALID$$);

-- Every foreign key: one row points nowhere.
SELECT r.on_table, r.definition, f.by, f.check_name, f.row_id, regexp_replace(f.detail, 'appointment \d+ is of', 'appointment n is of') AS detail
FROM booking.table_rules() r,
LATERAL test.found(format('UPDATE booking.%I SET %I = 99999 WHERE ctid = (SELECT ctid FROM (SELECT ctid, to_jsonb(t) AS j FROM booking.%1$I t) t
	WHERE j ->> %2$L IS NOT NULL AND coalesce((j ->> ''id'')::bigint BETWEEN 32000 AND 32999, true) ORDER BY (j ->> ''id'')::bigint, j::text LIMIT 1)',
	r.on_table, r.definition)) f
WHERE r.kind = 'reference' ORDER BY r.on_table COLLATE "C", r.definition COLLATE "C", f.check_name COLLATE "C";
-- A head that is gone.
SELECT by, check_name, table_name, row_id IS NOT NULL AS has_row FROM test.found(format('DELETE FROM booking.appointments WHERE id = %s', :part));

-- ---------------------------------------------------------------------------
-- Rows that do not fit to each other
-- ---------------------------------------------------------------------------

SELECT n, by, check_name, table_name, regexp_replace(detail, '\m' || :'part' || '\M', 'HEAD') AS detail FROM test.found_each(
	format($$UPDATE booking.appointments SET status = 'cancelled' WHERE id = %s$$, :part),
	format($$UPDATE booking.appointments SET visit_id = 1 WHERE part_of = %s$$, :part),
	format($$UPDATE booking.appointments SET user_id = 32002 WHERE id = %s$$, :part),
	format($$UPDATE booking.appointments SET part_of = 32007 WHERE id = %s$$, :part),
	-- a part that is done, or given up, is no fault
	format($$UPDATE booking.appointments SET status = 'completed' WHERE part_of = %s$$, :part));
SELECT n, by, check_name, table_name, regexp_replace(detail, 'appointment \d+', 'appointment OFFER') AS detail FROM test.found_each(
	$$UPDATE booking.waitlist SET user_id = 32001 WHERE user_id = 32002$$,
	$$UPDATE booking.appointments SET user_id = NULL WHERE id = (SELECT appointment_id FROM booking.waitlist WHERE user_id = 32002)$$,
	$$WITH hold AS (INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, status, hold_expires_at)
		VALUES (32002, 32001, 32002, '2026-03-02 15:00Z', '2026-03-02 16:00Z', '2026-03-02 15:00Z', '2026-03-02 16:00Z', 'pending', '2026-03-01 13:00Z') RETURNING id)
	INSERT INTO booking.waitlist (user_id, service_id, earliest, latest, status, appointment_id)
	SELECT 32002, 32001, '2026-03-02 15:00Z', '2026-03-02 16:00Z', 'served', id FROM hold$$,
	-- an offer that is kept for the next in line is not open any more
	$$WITH hold AS (INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, status, hold_expires_at)
		VALUES (32002, 32001, 32002, '2026-03-02 15:00Z', '2026-03-02 16:00Z', '2026-03-02 15:00Z', '2026-03-02 16:00Z', 'pending', '2026-03-01 13:00Z') RETURNING id)
	INSERT INTO booking.waitlist (user_id, service_id, earliest, latest, status, appointment_id, offer_ends_at)
	SELECT 32002, 32001, '2026-03-02 15:00Z', '2026-03-02 16:00Z', 'served', id, '2026-03-01 11:55Z' FROM hold$$,
	$$UPDATE booking.services SET capacity = 3 WHERE id = 32003$$,
	$$UPDATE booking.shops SET time_zone = 'Europe/Atlantis' WHERE id = 32001$$);
-- History: an older state of an appointment was loaded over a newer one; every entry was loaded twice.
SELECT n, by, check_name, table_name, detail FROM test.found_each(
	$$UPDATE booking.appointments SET version = 2, notes = 'first' WHERE id = 32001$$,
	$$INSERT INTO booking.appointment_history (appointment_id, version, changed_at, changed_by, db_role, from_values, to_values)
	SELECT appointment_id, version, changed_at, changed_by, db_role, from_values, to_values FROM booking.appointment_history WHERE appointment_id = 32001 ORDER BY id$$);

-- ---------------------------------------------------------------------------
-- Indexes that lie
-- ---------------------------------------------------------------------------

-- Rows that came while an index took none: a key twice, an id twice, and an appointment that the guard cannot see.
CREATE FUNCTION test.behind(index regclass, statement text) RETURNS text LANGUAGE sql AS $$
SELECT format('UPDATE pg_index SET indisready = false WHERE indexrelid = %1$s; %2$s; UPDATE pg_index SET indisready = true WHERE indexrelid = %1$s', index::oid, statement)
$$;
-- The plan decides whether verify() without "deep" reads such an index: only what verify(true) finds is shown.
SELECT n, by IS NOT NULL AS found, check_name, table_name, row_id, detail FROM test.found_each(
	test.behind('booking.idx_appointments_idempotency_key', $$UPDATE booking.appointments SET idempotency_key = 'a32001', key_shop_id = 32001, key_user_id = 32001 WHERE id = 32003$$),
	test.behind('booking.appointments_pkey', $$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
		VALUES (32003, 32002, 32001, '2026-03-02 15:00Z', '2026-03-02 16:00Z', '2026-03-02 15:00Z', '2026-03-02 16:00Z')$$),
	test.behind('booking.idx_users_email_active', $$UPDATE booking.users SET email = 'U32001@example.org' WHERE id = 32002$$),
	test.behind('booking.barber_services_pkey', 'INSERT INTO booking.barber_services SELECT * FROM booking.barber_services WHERE barber_id = 32002'),
	test.behind('booking.idx_appointments_availability_check', $$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
		VALUES (32100, 32002, 32001, '2026-03-02 15:00Z', '2026-03-02 16:00Z', '2026-03-02 15:00Z', '2026-03-02 16:00Z')$$),
	-- an overlap that only the table knows of
	test.behind('booking.idx_appointments_availability_check', $$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
		VALUES (32100, 32001, 32001, '2026-03-02 12:00Z', '2026-03-02 13:00Z', '2026-03-02 12:00Z', '2026-03-02 13:00Z')$$),
	-- in an index so bloated that another one is cheaper to read
	format($$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
		SELECT 40000 + n, 32002, 32001, at, at + interval '1 minute', at, at + interval '1 minute' FROM generate_series(1, 5000) n, LATERAL (SELECT timestamptz '2026-03-03 00:00Z' + n * interval '1 minute') t (at);
		DELETE FROM booking.appointments WHERE id BETWEEN 40001 AND 45000; CREATE INDEX test_small ON booking.appointments (barber_id); %s$$,
		test.behind('booking.idx_appointments_availability_check', $$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
		VALUES (32100, 32002, 32001, '2026-03-02 15:00Z', '2026-03-02 16:00Z', '2026-03-02 15:00Z', '2026-03-02 16:00Z')$$)))
WHERE by IS NULL OR by ~ 'deep';

-- ---------------------------------------------------------------------------
-- What should see to all that
-- ---------------------------------------------------------------------------

SELECT * FROM test.found_each(
	'DROP TRIGGER zz_guard_before ON booking.appointments',
	'ALTER TABLE booking.appointments DISABLE TRIGGER "00_guard_after"',
	'ALTER TABLE booking.shops ENABLE REPLICA TRIGGER configuration_changed',
	'ALTER TABLE booking.shops ENABLE ALWAYS TRIGGER configuration_changed',	-- fires
	'DROP TRIGGER history ON booking.appointments; CREATE TRIGGER history AFTER DELETE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION booking.appointment_changed()',
	'ALTER TABLE booking.service_steps DISABLE TRIGGER ALL',
	'DROP INDEX booking.idx_waitlist_wish',
	'UPDATE pg_index SET indisvalid = false WHERE indexrelid = ''booking.idx_appointments_idempotency_key''::regclass',
	'DROP INDEX booking.idx_appointments_availability_check; CREATE INDEX idx_appointments_availability_check ON booking.appointments
		(barber_id, busy_from) INCLUDE (busy_until, hold_expires_at) WHERE status = ''confirmed''',
	'DROP INDEX booking.idx_appointments_barber_date; CREATE INDEX idx_appointments_barber_date ON booking.appointments (barber_id, ends_at)',
	'DROP INDEX booking.idx_appointments_user_status; CREATE INDEX idx_appointments_user_status ON booking.appointments (user_id, status text_pattern_ops)',
	'DROP INDEX booking.idx_appointments_idempotency_key; CREATE UNIQUE INDEX idx_appointments_idempotency_key ON booking.appointments (idempotency_key) WHERE idempotency_key > ''''',
	'DROP INDEX booking.idx_time_off_barber; CREATE INDEX idx_time_off_barber ON booking.time_off USING brin (barber_id, ends_at)',
	'DROP INDEX booking.idx_working_hours_barber; CREATE INDEX idx_working_hours_barber ON booking.working_hours (barber_id DESC)',
	'ALTER INDEX booking.idx_appointments_availability_check SET (fillfactor = 70)',	-- as good as ever
	'DROP INDEX booking.idx_users_email_active; CREATE INDEX idx_users_email_active ON booking.users (lower(email)) WHERE is_active',
	'ALTER TABLE booking.appointments DROP CONSTRAINT appointments_busy',
	'ALTER TABLE booking.appointments DROP CONSTRAINT appointments_barber_id_fkey',
	'ALTER TABLE booking.working_hours DROP CONSTRAINT working_hours_pkey',
	'ALTER TABLE booking.appointments ALTER starts_at DROP NOT NULL');
-- A table or column that is missing is an error, as for every function.
SELECT test.error('DO $$ BEGIN ALTER TABLE booking.appointments DROP COLUMN notes; PERFORM booking.verify(); END $$');
SELECT test.brief('SELECT booking.verify(NULL)');

-- ---------------------------------------------------------------------------
-- An incident, and its repair
-- ---------------------------------------------------------------------------

ALTER TABLE booking.appointments DISABLE TRIGGER USER;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
VALUES (32100, 32001, 32001, '2026-03-02 12:00Z', '2026-03-02 13:00Z', '2026-03-02 12:00Z', '2026-03-02 13:00Z');
SELECT check_name, count(*) FROM booking.verify() GROUP BY 1 ORDER BY 1;
ALTER TABLE booking.appointments ENABLE TRIGGER USER;
SELECT * FROM booking.verify();
SELECT status FROM booking.cancel_appointment(32100, cancelled_by => 'shop');
SELECT * FROM booking.verify(true);

-- ---------------------------------------------------------------------------
-- Who may, and as whom it reads
-- ---------------------------------------------------------------------------

CREATE ROLE regress_booking_owner;
CREATE ROLE regress_booking_front;
GRANT USAGE ON SCHEMA booking TO regress_booking_owner, regress_booking_front;
DO $$
DECLARE
	t name;
BEGIN
	FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE booking.%I OWNER TO regress_booking_owner', t);
	END LOOP;
END
$$;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief('SELECT booking.verify()');
-- The functions behind it give nobody what he could not read himself.
SELECT test.brief('SELECT booking.find_row_faults(true, now())');
SELECT test.brief('SELECT booking.find_overlaps(now(), NULL, now(), now())');
RESET ROLE;
GRANT EXECUTE ON FUNCTION booking.verify TO regress_booking_front;
SET LOCAL ROLE regress_booking_front;
SELECT * FROM booking.verify(true);
RESET ROLE;
-- A superuser, too, reads as the owner of the tables does: with his rights alone.
SAVEPOINT s;
REVOKE ALL ON booking.waitlist FROM regress_booking_owner;
ALTER TABLE booking.waitlist OWNER TO CURRENT_USER;
SELECT replace(test.brief('SELECT booking.verify()'), current_user, 'the caller');
ROLLBACK TO s;
-- Row-level security hides nothing from it; a shadowing operator is not asked.
ALTER TABLE booking.appointments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE FUNCTION test.never(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR test.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = test.never);
SET LOCAL search_path = test, pg_catalog;
SELECT check_name, table_name, row_id FROM test.found(
	$$INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (32102, 32001, 32001, '2026-03-02 12:00Z', '2026-03-02 13:00Z', '2026-03-02 12:00Z', '2026-03-02 13:00Z')$$);
ROLLBACK;

SELECT * FROM booking.verify(true);
