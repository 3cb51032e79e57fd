--
-- The status of an appointment: which change each function makes, which it
-- refuses, and what a raw UPDATE may do.
--
-- Open every day 09:00 to 17:00.  It is Monday 2026-03-02, 10:15.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-02 10:15Z';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (18001, 'Status', 30, 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (18001, 18001, 'Stan'), (18002, 18001, 'Stella');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(18001, 18002) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (18001, 18001, 'Cut', 60), (18002, 18001, 'Perm', 5);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (18002, 1, 30, 30), (18002, 2, 30, 15), (18002, 3, 15, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(18001, 18002) b, generate_series(18001, 18002) s;
INSERT INTO booking.users (id, email) VALUES (18001, 'u18001@example.org');

-- One appointment of each status, a day apart; a pending one also as a hold that is alive, and as one that has run out.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, price_cents, notes, updated_at)
SELECT 18000 + n, 18001, 18001, 18001, timestamptz '2026-03-01 10:00Z' + n * interval '1 day', timestamptz '2026-03-01 11:00Z' + n * interval '1 day',
	status, expires, 3000, 'by the window', '2026-03-01 00:00Z'
FROM (VALUES (1, 'confirmed', NULL::timestamptz), (2, 'pending', NULL), (3, 'pending', '2026-03-02 10:30Z'), (4, 'pending', '2026-03-02 08:30Z'),
	(5, 'checked_in', NULL), (6, 'completed', NULL), (7, 'cancelled', NULL), (8, 'no_show', NULL), (9, 'expired', NULL)) v (n, status, expires);

-- What a statement changes in the table, column by column; it is undone.
CREATE FUNCTION pg_temp.changes(statement text) RETURNS TABLE (what text, was text, becomes text) LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := (SELECT jsonb_object_agg(a.id, to_jsonb(a)) FROM booking.appointments a WHERE a.barber_id IN (18001, 18002));
BEGIN
	BEGIN
		EXECUTE statement;
		CREATE TEMP TABLE changed ON COMMIT DROP AS
		SELECT a.id || ' ' || n.key AS what, o.value #>> '{}' AS was, n.value #>> '{}' AS becomes
		FROM booking.appointments a, jsonb_each(to_jsonb(a)) n, jsonb_each(before -> a.id::text) o
		WHERE a.barber_id IN (18001, 18002) AND o.key = n.key AND o.value <> n.value;
		RETURN QUERY SELECT * FROM changed c ORDER BY c.what COLLATE "C";
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN NULL;
	END;
END
$$;
-- test.error() in one line.
CREATE FUNCTION pg_temp.error(call text) RETURNS text LANGUAGE sql AS $$
SELECT string_agg(e, '; ') FROM test.error('SELECT booking.' || call) e
$$;

SAVEPOINT s;

-- ---------------------------------------------------------------------------
-- What each change writes, and nothing else
-- ---------------------------------------------------------------------------

SELECT v.call, c.* FROM (VALUES
	(1, 'confirm_appointment(18002)'), (2, 'confirm_appointment(18003)'), (3, 'decline_appointment(18002)'), (4, 'decline_appointment(18003, ''no'')'),
	(5, 'cancel_appointment(18002)'), (6, 'cancel_appointment(18005, ''power cut'', ''shop'')'), (7, 'check_in(18001)'),
	(8, 'complete_appointment(18001)'), (9, 'complete_appointment(18005)'), (10, 'mark_no_show(18001)')
) v (n, call), pg_temp.changes('SELECT booking.' || v.call) c ORDER BY v.n, c.what COLLATE "C";
-- The answer is the row.
SELECT * FROM booking.check_in(18001);
SELECT * FROM booking.complete_appointment(18001, 2);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Which status may change how
-- ---------------------------------------------------------------------------

-- Before any of them begins (at nine, when one hold is alive and one has run out), and when all are over.
CREATE FUNCTION pg_temp.matrix() RETURNS TABLE (status text, hold time, confirm text, decline text, cancel text, cancel_shop text,
	check_in text, complete text, no_show text) LANGUAGE sql AS $$
SELECT a.status, a.hold_expires_at::time, v.can[1], v.can[2], v.can[3], v.can[4], v.can[5], v.can[6], v.can[7]
FROM booking.appointments a, LATERAL (
	SELECT array_agg(replace(left(test.brief(format('SELECT booking.' || c.call, a.id)), 5), 'OK000', 'yes') ORDER BY c.n) AS can
	FROM unnest(ARRAY['confirm_appointment(%s)', 'decline_appointment(%s)', 'cancel_appointment(%s)',
		'cancel_appointment(%s, NULL, ''shop'')', 'check_in(%s)', 'complete_appointment(%s)', 'mark_no_show(%s)']) WITH ORDINALITY c (call, n)) v
WHERE a.barber_id = 18001 ORDER BY a.id
$$;
SET booking.now = '2026-03-02 09:00Z';
SELECT * FROM pg_temp.matrix();
SET booking.now = '2026-03-12 09:00Z';
SELECT * FROM pg_temp.matrix();

-- Nobody has failed to come before the start; from then on they may have.
SET booking.now = '2026-03-02 09:59:59.999999Z';
SELECT test.error('SELECT booking.mark_no_show(18001)');
SET booking.now = '2026-03-02 10:00Z';
SELECT test.brief('SELECT booking.mark_no_show(18001)');
SET booking.now = '2026-03-02 10:15Z';

-- In full, what each says to a status that does not allow it.
SELECT v.call, pg_temp.error(v.call) FROM (VALUES ('confirm_appointment(18006)'), ('decline_appointment(18006)'), ('cancel_appointment(18006)'),
	('cancel_appointment(18006, NULL, ''shop'')'), ('check_in(18006)'), ('complete_appointment(18006)'), ('mark_no_show(18006)')) v (call);

-- ---------------------------------------------------------------------------
-- Arguments
-- ---------------------------------------------------------------------------

-- No id, one that never was, a version that is not there; the appointment is asked for before its version, and the version before the status.
SELECT f.name, a.arguments, test.brief('SELECT booking.' || f.name || format('(%s)', a.arguments))
FROM unnest(ARRAY['confirm_appointment', 'decline_appointment', 'cancel_appointment', 'check_in', 'complete_appointment', 'mark_no_show'])
	WITH ORDINALITY f (name, n), unnest(ARRAY['NULL', '18999', '0', '18999, version => 1', '18006, version => 2', '18006, version => 1'])
	WITH ORDINALITY a (arguments, n) ORDER BY f.n, a.n;
SELECT pg_temp.error('check_in(18999)');
-- Any version, the right one, others.
SELECT v.version, test.brief(format('SELECT booking.confirm_appointment(18002, %s)', v.version)) AS confirm,
	test.brief(format('SELECT booking.decline_appointment(18002, NULL, %s)', v.version)) AS decline,
	test.brief(format('SELECT booking.cancel_appointment(18002, NULL, ''customer'', %s)', v.version)) AS cancel,
	test.brief(format('SELECT booking.check_in(18001, %s)', v.version)) AS check_in,
	test.brief(format('SELECT booking.complete_appointment(18001, %s)', v.version)) AS complete,
	test.brief(format('SELECT booking.mark_no_show(18001, %s)', v.version)) AS no_show
FROM unnest(ARRAY['NULL', '1', '2', '0', '-1', '2147483647']) WITH ORDINALITY v (version, n) ORDER BY n;
-- Two have seen version 1.  The second to act is told, acts on what is there now, and is heard.
SELECT version FROM booking.check_in(18001, 1);
SELECT pg_temp.error('cancel_appointment(18001, ''ill'', ''shop'', 1)');
SELECT status, version FROM booking.cancel_appointment(18001, 'ill', 'shop', 2);
ROLLBACK TO s;
-- Whatever changed the row, a raw writer too, makes a new version.
UPDATE booking.appointments SET notes = 'at the back' WHERE id = 18001;
SELECT test.brief('SELECT booking.check_in(18001, 1)'), test.brief('SELECT booking.check_in(18001, 2)');
ROLLBACK TO s;

-- Who cancels: customer (who is the default) or shop, and no other word.
SELECT v.who, pg_temp.error(format('cancel_appointment(18002, NULL, %L)', v.who))
FROM unnest(ARRAY['customer', 'shop', NULL, '', 'Shop', 'shop ', 'barber']) WITH ORDINALITY v (who, n) ORDER BY n;
-- The word is asked for before the appointment.
SELECT test.brief('SELECT booking.cancel_appointment(NULL, NULL, ''me'')');

-- The window binds customers alone, whatever they cancel.
UPDATE booking.shops SET cancellation_window_minutes = 1440 WHERE id = 18001;
SET booking.now = '2026-03-02 10:00:00.000001Z';
SELECT v.id, v.who, pg_temp.error(format('cancel_appointment(%s, NULL, %L)', v.id, v.who))
FROM (VALUES (18001, 'customer'), (18001, 'shop'), (18002, 'customer'), (18002, 'shop')) v (id, who);
SET booking.now = '2026-03-02 10:00Z';
SELECT test.brief('SELECT booking.cancel_appointment(18002)');
SELECT test.brief('SELECT booking.decline_appointment(18002)');
SET booking.now = '2026-03-02 10:15Z';
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- The time
-- ---------------------------------------------------------------------------

-- A quarter past ten, in the middle of 18001, which is until eleven.  Whoever is there keeps the time; done, gone or cancelled gives the rest back.
CREATE FUNCTION pg_temp.next_after(call text) RETURNS time LANGUAGE plpgsql AS $$
DECLARE
	result time;
BEGIN
	BEGIN
		IF call IS NOT NULL THEN EXECUTE 'SELECT booking.' || call; END IF;
		SELECT starts_at::time INTO result FROM booking.next_slots(18001, barber_id => 18001);
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN RETURN result;
	END;
END
$$;
SELECT v.call, pg_temp.next_after(v.call) FROM (VALUES (NULL), ('check_in(18001)'), ('complete_appointment(18001)'),
	('mark_no_show(18001)'), ('cancel_appointment(18001, NULL, ''shop'')')) v (call);
SELECT status FROM booking.check_in(18001);
SELECT v.call, pg_temp.next_after(v.call) FROM (VALUES ('complete_appointment(18001)'), ('mark_no_show(18001)'),
	('cancel_appointment(18001, NULL, ''shop'')')) v (call);
SELECT status FROM booking.complete_appointment(18001);
SELECT starts_at, status FROM booking.book_slot(18001, 18001, NULL, '2026-03-02 10:30Z');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- A service with steps
-- ---------------------------------------------------------------------------

INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, visit_id, part_of, updated_at) VALUES
	(18020, 18002, 18002, '2026-03-02 10:00Z', '2026-03-02 10:30Z', 18020, NULL, '2026-03-01 00:00Z'),
	(18021, 18002, 18002, '2026-03-02 11:00Z', '2026-03-02 11:30Z', 18020, 18020, '2026-03-01 00:00Z'),
	(18022, 18002, 18002, '2026-03-02 11:45Z', '2026-03-02 12:00Z', 18020, 18020, '2026-03-01 00:00Z');
SAVEPOINT steps;
-- All change together, whichever is named; the answer is the first.
SELECT v.call, c.* FROM (VALUES (1, 'check_in(18020)'), (2, 'complete_appointment(18021, 1)'), (3, 'mark_no_show(18022)'),
	(4, 'cancel_appointment(18021, ''ill'', ''shop'')')) v (n, call), pg_temp.changes('SELECT booking.' || v.call) c
WHERE c.what !~ 'updated_at' ORDER BY v.n, c.what COLLATE "C";
SELECT id, starts_at, ends_at, status, version FROM booking.check_in(18022);
SELECT id, status, version FROM booking.complete_appointment(18021, 2);
-- It has begun when its first part has.
ROLLBACK TO steps;
SET booking.now = '2026-03-02 09:59Z';
SELECT pg_temp.error('mark_no_show(18022)');
-- The customer's window counts from there too.
UPDATE booking.shops SET cancellation_window_minutes = 60 WHERE id = 18001;
SET booking.now = '2026-03-02 09:01Z';
SELECT pg_temp.error('cancel_appointment(18022)');
SET booking.now = '2026-03-02 10:15Z';
-- The version is the first part's: what changes another by itself changes nothing of it.
ROLLBACK TO steps;
UPDATE booking.appointments SET notes = 'x' WHERE id = 18022;
SELECT test.brief('SELECT booking.check_in(18022, 2)'), test.brief('SELECT booking.check_in(18022, 1)');
-- A part that was cancelled by itself stays so, and is no obstacle.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 18022;
SELECT c.* FROM pg_temp.changes('SELECT booking.complete_appointment(18022)') c WHERE c.what ~ 'status';
ROLLBACK TO steps;

-- ---------------------------------------------------------------------------
-- By hand
-- ---------------------------------------------------------------------------

-- In full, what a raw writer gets; a statement that does it to one row does nothing to the others.
SELECT test.error('UPDATE booking.appointments SET status = ''pending'' WHERE id = 18001');
SELECT test.error('UPDATE booking.appointments SET status = ''checked_in'' WHERE barber_id = 18001');
SELECT id, status FROM booking.appointments WHERE barber_id = 18001 AND (status = 'checked_in' OR version <> 1);
-- In other statements it is the same change.
SELECT v.n, test.brief(v.statement) FROM (VALUES
	(1, 'MERGE INTO booking.appointments a USING (VALUES (18006)) v (id) ON a.id = v.id WHEN MATCHED THEN UPDATE SET status = ''confirmed'''),
	(2, 'MERGE INTO booking.appointments a USING (VALUES (18001)) v (id) ON a.id = v.id WHEN MATCHED THEN UPDATE SET status = ''completed'''),
	(3, 'INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (18006, 18001, 18001, ''2026-03-20 10:00Z'', ''2026-03-20 11:00Z'')
		ON CONFLICT (id) DO UPDATE SET status = ''confirmed'''),
	(4, 'INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (18001, 18001, 18001, ''2026-03-20 10:00Z'', ''2026-03-20 11:00Z'')
		ON CONFLICT (id) DO UPDATE SET status = ''completed'''),
	(5, 'UPDATE booking.appointments SET status = ''confirmed'', starts_at = ''2026-03-20 10:00Z'', ends_at = ''2026-03-20 11:00Z'', busy_from = NULL, busy_until = NULL WHERE id = 18006'),
	(6, 'UPDATE booking.appointments SET id = 18099, status = ''confirmed'' WHERE id = 18006')
) v (n, statement) ORDER BY n;
-- What is no status, and no status at all, are refused by the table.
SELECT v.status, test.brief(format('UPDATE booking.appointments SET status = %L WHERE id = 18001', v.status))
FROM unnest(ARRAY['done', 'Confirmed', '', NULL]) v (status);
-- Only the change itself is checked: neither the window, nor that a no-show has begun, nor a version.
UPDATE booking.shops SET cancellation_window_minutes = 525600 WHERE id = 18001;
SELECT c.* FROM pg_temp.changes('UPDATE booking.appointments SET status = ''cancelled'', version = 7 WHERE id = 18002') c;
SET booking.now = '2026-03-02 09:00Z';
SELECT c.* FROM pg_temp.changes('UPDATE booking.appointments SET status = ''no_show'' WHERE id = 18001') c;
SET booking.now = '2026-03-02 10:15Z';
-- A hold's end goes with the hold, unless it is cancelled or has run out; one that has run out can still be confirmed by hand, if its time is free.
SELECT c.* FROM pg_temp.changes('UPDATE booking.appointments SET status = ''confirmed'' WHERE id IN (18003, 18004)') c WHERE c.what !~ 'version|updated';
SELECT c.* FROM pg_temp.changes('UPDATE booking.appointments SET status = ''expired'' WHERE id IN (18002, 18003)') c WHERE c.what !~ 'version|updated';
-- Who cancelled is said of what is cancelled, in the two words.
SELECT v.set, test.brief('UPDATE booking.appointments SET ' || v.set || ' WHERE id = 18001') FROM (VALUES
	('status = ''cancelled'', cancelled_by = ''shop'''), ('status = ''cancelled'', cancelled_by = ''customer'''),
	('status = ''cancelled'', cancelled_by = ''barber'''), ('cancelled_by = ''shop'''), ('status = ''no_show'', cancelled_by = ''customer''')) v (set);
ROLLBACK TO steps;

-- ---------------------------------------------------------------------------
-- Triggers of the user's
-- ---------------------------------------------------------------------------

-- One that keeps a row as it is must not pass for a change: of the first part, of another.
CREATE FUNCTION pg_temp.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE UPDATE ON booking.appointments FOR EACH ROW WHEN (OLD.id = 18020) EXECUTE FUNCTION pg_temp.keep();
SELECT pg_temp.error('check_in(18021)');
DROP TRIGGER keep ON booking.appointments;
CREATE TRIGGER keep BEFORE UPDATE ON booking.appointments FOR EACH ROW WHEN (OLD.id = 18021) EXECUTE FUNCTION pg_temp.keep();
SELECT pg_temp.error('cancel_appointment(18020, NULL, ''shop'')');
DROP TRIGGER keep ON booking.appointments;
-- One that writes other columns is seen in the answer.
CREATE FUNCTION pg_temp.charge() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.price_cents := 999; RETURN NEW; END';
CREATE TRIGGER charge BEFORE UPDATE ON booking.appointments FOR EACH ROW WHEN (NEW.status = 'no_show') EXECUTE FUNCTION pg_temp.charge();
SELECT status, price_cents FROM booking.mark_no_show(18001);
ROLLBACK TO steps;

SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;

-- In a read-only transaction nothing can be written.
BEGIN READ ONLY;
SELECT v.call, test.brief('SELECT booking.' || v.call) FROM (VALUES ('check_in(1)'), ('complete_appointment(1)'), ('mark_no_show(1)')) v (call);
ROLLBACK;
