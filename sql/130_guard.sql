--
-- The guard: no two live appointments of a barber overlap, whoever writes them
-- and by whatever statement; and no lock of it outlives a statement.
--
-- (Several sessions at once are the isolation specs' business.)
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name) VALUES (13001, 'Guard');
INSERT INTO booking.barbers (id, shop_id, name) SELECT n, 13001, 'Barber ' || n FROM generate_series(13001, 13009) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (13001, 13001, 'Cut', 30);
INSERT INTO booking.users (id, email) VALUES (13001, 'u13001@example.org');

-- A raw row of a barber on March 2, in short; and what is there.
CREATE FUNCTION pg_temp.put(id bigint, barber bigint, from_time text, to_time text, status text DEFAULT 'confirmed', hold text DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
SELECT format('INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
	VALUES (%s, %s, 13001, %L, %L, %L, %L)', id, barber, '2026-03-02 ' || from_time || 'Z', '2026-03-02 ' || to_time || 'Z', status, hold)
$$;
CREATE FUNCTION pg_temp.locks() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
$$;
CREATE FUNCTION pg_temp.overlaps() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM booking.appointments a JOIN booking.appointments b ON a.barber_id = b.barber_id AND a.id < b.id
	AND a.busy_from < b.busy_until AND b.busy_from < a.busy_until
WHERE a.status IN ('confirmed', 'checked_in') AND b.status IN ('confirmed', 'checked_in')
$$;

INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(13001, 13001, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z'), (13002, 13001, 13001, '2026-03-02 12:00Z', '2026-03-02 13:00Z'),
	(13003, 13002, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z');

-- ---------------------------------------------------------------------------
-- INSERT and COPY
-- ---------------------------------------------------------------------------

-- In full, what a raw writer gets: what was asked for, and nothing of the customer who is there.
SELECT test.error(pg_temp.put(13010, 13001, '10:30', '11:30'));
-- Inside, around, from before, into the end; touching on both sides; another barber; statuses that occupy nothing.
SELECT v.what, test.brief(pg_temp.put(13010, v.barber, v.f, v.u, v.status)) FROM (VALUES
	('inside', 13001, '10:15', '10:45', 'confirmed'), ('around', 13001, '09:00', '14:00', 'confirmed'),
	('from before', 13001, '09:30', '10:01', 'pending'), ('into the end', 13001, '10:59', '11:30', 'checked_in'),
	('the same', 13001, '10:00', '11:00', 'confirmed'), ('between', 13001, '11:00', '12:00', 'confirmed'),
	('another barber', 13003, '10:00', '11:00', 'confirmed'), ('cancelled', 13001, '10:00', '11:00', 'cancelled'),
	('completed', 13001, '10:00', '11:00', 'completed'), ('no_show', 13001, '10:00', '11:00', 'no_show'),
	('expired', 13001, '10:00', '11:00', 'expired')) v (what, barber, f, u, status);
SELECT pg_temp.locks();

-- Several rows in one statement: they must not overlap each other either, in whichever order, with others in between.
SELECT v.what, test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES ' || v.rows) FROM (VALUES
	('apart', '(13003, 13001, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z''), (13003, 13001, ''2026-03-02 11:00Z'', ''2026-03-02 12:00Z'')'),
	('second over first', '(13003, 13001, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z''), (13003, 13001, ''2026-03-02 10:59Z'', ''2026-03-02 12:00Z'')'),
	('third over first', '(13003, 13001, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z''), (13004, 13001, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z''), (13003, 13001, ''2026-03-02 09:30Z'', ''2026-03-02 10:01Z'')'),
	('second over an old one', '(13003, 13001, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z''), (13001, 13001, ''2026-03-02 10:00Z'', ''2026-03-02 11:00Z'')')
) v (what, rows);
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT 13020 + n, 13003 + n % 2, 13001, timestamptz '2026-03-02 10:00Z' + n * interval '30 minutes',
	timestamptz '2026-03-02 10:30Z' + n * interval '30 minutes'
FROM generate_series(0, 9) n;
SELECT pg_temp.locks();
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	SELECT barber_id, service_id, starts_at - interval ''30 minutes'', ends_at FROM booking.appointments WHERE id BETWEEN 13020 AND 13029');

SAVEPOINT copy;
COPY booking.appointments (id, barber_id, service_id, starts_at, ends_at) FROM STDIN;
13030	13005	13001	2026-03-02 10:00Z	2026-03-02 11:00Z
13031	13005	13001	2026-03-02 11:00Z	2026-03-02 12:00Z
13032	13006	13001	2026-03-02 10:00Z	2026-03-02 11:00Z
\.
SELECT pg_temp.locks();
COPY booking.appointments (id, barber_id, service_id, starts_at, ends_at) FROM STDIN;
13033	13005	13001	2026-03-02 12:00Z	2026-03-02 13:00Z
13034	13005	13001	2026-03-02 12:59Z	2026-03-02 14:00Z
\.
ROLLBACK TO copy;
SELECT pg_temp.locks();

-- ---------------------------------------------------------------------------
-- UPDATE
-- ---------------------------------------------------------------------------

-- Of 13001 (10:00 to 11:00; 13002 follows at 12:00).  Times are moved together with the busy range, or that is left to the guard.
SELECT v.what, test.brief('UPDATE booking.appointments SET busy_from = NULL, busy_until = NULL, ' || v.set || ' WHERE id = 13001') FROM (VALUES
	('nothing', 'notes = ''x'''), ('the same time', 'starts_at = ''2026-03-02 10:00Z'''),
	('longer, until it touches', 'ends_at = ''2026-03-02 12:00Z'''), ('a minute longer than that', 'ends_at = ''2026-03-02 12:01Z'''),
	('shorter', 'ends_at = ''2026-03-02 10:30Z'''), ('earlier', 'starts_at = ''2026-03-02 09:00Z'', ends_at = ''2026-03-02 10:00Z'''),
	('over its old place', 'starts_at = ''2026-03-02 10:30Z'', ends_at = ''2026-03-02 11:30Z'''),
	('into the other', 'starts_at = ''2026-03-02 12:30Z'', ends_at = ''2026-03-02 13:30Z'''),
	('to a barber who is busy', 'barber_id = 13002'), ('to one who is free', 'barber_id = 13007'),
	('another id', 'id = 13099'), ('another id, and into the other', 'id = 13099, starts_at = ''2026-03-02 11:30Z'', ends_at = ''2026-03-02 12:30Z''')
) v (what, set);
-- A busy range that grows is checked like a move: the buffer of 13001 may reach 12:00 and no further.
SELECT test.brief('UPDATE booking.appointments SET busy_until = ''2026-03-02 12:00Z'' WHERE id = 13001');
SELECT test.brief('UPDATE booking.appointments SET busy_until = ''2026-03-02 12:00:01Z'' WHERE id = 13001');
-- When the times alone are moved, the busy range goes along.
SELECT test.brief('UPDATE booking.appointments SET starts_at = ''2026-03-02 08:00Z'', ends_at = ''2026-03-02 09:00Z'' WHERE id = 13001');
SELECT pg_temp.locks();

-- Two that change places in one statement: the first would stand on the second, which is still there.  Refused, and nothing is moved.
SELECT test.brief('UPDATE booking.appointments a SET starts_at = b.starts_at, ends_at = b.ends_at, busy_from = b.busy_from, busy_until = b.busy_until
	FROM booking.appointments b WHERE a.id IN (13001, 13002) AND b.id = 26003 - a.id');
SELECT test.brief('UPDATE booking.appointments SET barber_id = 26003 - barber_id WHERE id IN (13001, 13003)');
-- By way of a free place they can.
SAVEPOINT swap;
UPDATE booking.appointments SET barber_id = 13009 WHERE id = 13001;
UPDATE booking.appointments SET barber_id = 13001 WHERE id = 13003;
UPDATE booking.appointments SET barber_id = 13002 WHERE id = 13001;
SELECT id, barber_id, version FROM booking.appointments WHERE id IN (13001, 13003) ORDER BY id;
ROLLBACK TO swap;

-- What occupies nothing may be moved anywhere, and is judged when it comes alive.
SAVEPOINT dead;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
VALUES (13040, 13007, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'pending', '2026-03-01 11:00Z');
UPDATE booking.appointments SET barber_id = 13001 WHERE id = 13040;
SELECT test.brief('UPDATE booking.appointments SET status = ''confirmed'' WHERE id = 13040');
ROLLBACK TO dead;

-- ---------------------------------------------------------------------------
-- MERGE and ON CONFLICT
-- ---------------------------------------------------------------------------

SELECT v.what, test.brief(format('MERGE INTO booking.appointments a USING (VALUES (%s)) n (id, f, u) ON a.id = n.id
	WHEN MATCHED THEN UPDATE SET starts_at = n.f, ends_at = n.u, busy_from = n.f, busy_until = n.u
	WHEN NOT MATCHED THEN INSERT (id, barber_id, service_id, starts_at, ends_at) VALUES (n.id, 13001, 13001, n.f, n.u)', v.row)) FROM (VALUES
	('insert, free', '13050, timestamptz ''2026-03-02 11:00Z'', timestamptz ''2026-03-02 12:00Z'''),
	('insert, taken', '13050, timestamptz ''2026-03-02 11:00Z'', timestamptz ''2026-03-02 12:01Z'''),
	('update, free', '13001, timestamptz ''2026-03-02 11:00Z'', timestamptz ''2026-03-02 12:00Z'''),
	('update, taken', '13001, timestamptz ''2026-03-02 11:00Z'', timestamptz ''2026-03-02 12:01Z''')) v (what, row);

-- DO NOTHING: the row was checked and not stored; its lock must go all the same.
SAVEPOINT conflict;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (13001, 13007, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z') ON CONFLICT DO NOTHING;
SELECT pg_temp.locks();
SELECT barber_id FROM booking.appointments WHERE id = 13001;
-- The place it did not take is free.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (13051, 13007, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z') ON CONFLICT (id) DO NOTHING;
-- An overlap is no conflict that DO NOTHING could swallow.
SELECT test.brief(pg_temp.put(13052, 13007, '10:30', '11:30') || ' ON CONFLICT DO NOTHING');
-- Upsert by id: in place, into free time, into another's.
SELECT v.f, v.u, test.brief(pg_temp.put(13051, 13007, v.f, v.u) || ' ON CONFLICT (id) DO UPDATE SET starts_at = EXCLUDED.starts_at,
	ends_at = EXCLUDED.ends_at, busy_from = EXCLUDED.busy_from, busy_until = EXCLUDED.busy_until')
FROM (VALUES ('10:00', '11:00'), ('10:30', '11:30'), ('15:00', '16:00')) v (f, u);
SELECT test.brief(pg_temp.put(13051, 13007, '15:00', '16:00') || ' ON CONFLICT (id) DO UPDATE SET barber_id = 13001');
SELECT pg_temp.locks();
ROLLBACK TO conflict;

-- ---------------------------------------------------------------------------
-- Holds
-- ---------------------------------------------------------------------------

-- It is 12:00.  A hold until 12:10 is in the way; one until 12:00 is not, and one that has lapsed may be put over a booking.
SAVEPOINT holds;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at) VALUES
	(13060, 13008, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'pending', '2026-03-01 12:10Z'),
	(13061, 13008, 13001, '2026-03-02 11:00Z', '2026-03-02 12:00Z', 'pending', '2026-03-01 12:00Z');
SELECT test.brief(pg_temp.put(13062, 13008, '10:30', '11:00'));
SELECT test.brief(pg_temp.put(13062, 13008, '11:00', '12:00'));
SELECT test.brief(pg_temp.put(13062, 13008, '10:30', '11:00', 'pending', '2026-03-01 12:00:01Z'));
SELECT test.brief(pg_temp.put(13062, 13008, '10:30', '11:00', 'pending', '2026-03-01 12:00Z'));
-- A live hold can be extended, shortened, confirmed.
SELECT v.set, test.brief('UPDATE booking.appointments SET ' || v.set || ' WHERE id = 13060')
FROM (VALUES ('hold_expires_at = ''2026-03-01 12:20Z'''), ('hold_expires_at = ''2026-03-01 12:05Z'''), ('hold_expires_at = NULL'),
	('status = ''confirmed''')) v (set);
-- A lapsed one too, while its time is free.
SELECT v.set, test.brief('UPDATE booking.appointments SET ' || v.set || ' WHERE id = 13061')
FROM (VALUES ('hold_expires_at = ''2026-03-01 12:20Z'''), ('hold_expires_at = NULL'), ('status = ''confirmed''')) v (set);
-- Once somebody else has it, it cannot come back in any way; and it can be touched otherwise.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (13063, 13008, 13001, '2026-03-02 11:30Z', '2026-03-02 12:00Z');
SELECT v.set, test.brief('UPDATE booking.appointments SET ' || v.set || ' WHERE id = 13061')
FROM (VALUES ('hold_expires_at = ''2026-03-01 12:20Z'''), ('hold_expires_at = NULL'), ('status = ''confirmed'''),
	('hold_expires_at = ''2026-03-01 11:00Z'''), ('notes = ''too late'''), ('status = ''cancelled'''), ('status = ''expired''')) v (set);
-- The clock moves on to 12:10: the other one lapses by itself, and the same holds for it.
SET booking.now = '2026-03-01 12:10Z';
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (13064, 13008, 13001, '2026-03-02 10:00Z', '2026-03-02 10:30Z');
SELECT test.brief('UPDATE booking.appointments SET hold_expires_at = ''2026-03-01 12:30Z'' WHERE id = 13060');
SELECT test.brief('UPDATE booking.appointments SET status = ''confirmed'' WHERE id = 13060');
-- A statement that began before 12:10 takes the hold for alive; it must not extend it over the booking that came since.
SET booking.now = '2026-03-01 12:09Z';
SELECT test.brief('UPDATE booking.appointments SET hold_expires_at = ''2026-03-01 12:30Z'' WHERE id = 13060');
SELECT test.brief('UPDATE booking.appointments SET hold_expires_at = ''2026-03-01 12:09:30Z'' WHERE id = 13060');
SELECT pg_temp.locks();
ROLLBACK TO holds;

-- Confirming ends a hold: hold_expires_at is cleared, here and for the statuses that follow.
SAVEPOINT holds;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at) VALUES
	(13065, 13008, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'pending', '2026-03-01 12:10Z'),
	(13066, 13008, 13001, '2026-03-02 11:00Z', '2026-03-02 12:00Z', 'no_show', '2026-03-01 12:10Z')
RETURNING status, hold_expires_at;
UPDATE booking.appointments SET status = 'confirmed' WHERE id = 13065 RETURNING status, hold_expires_at;
ROLLBACK TO holds;

-- ---------------------------------------------------------------------------
-- Status
-- ---------------------------------------------------------------------------

-- All 49 changes tried: these are allowed, and to stay what one is.
CREATE FUNCTION pg_temp.transitions() RETURNS TABLE (old text, becomes text) LANGUAGE plpgsql AS $$
DECLARE
	states text[] := '{pending,confirmed,checked_in,completed,cancelled,no_show,expired}';
	a text; b text; list text[]; others text[];
BEGIN
	FOREACH a IN ARRAY states LOOP
		list := '{}';
		FOREACH b IN ARRAY states LOOP
			BEGIN
				EXECUTE pg_temp.put(13070, 13008, '10:00', '11:00', a);
				UPDATE booking.appointments SET status = b WHERE id = 13070;
				RAISE SQLSTATE 'OK000';
			EXCEPTION
				WHEN SQLSTATE 'OK000' THEN list := list || b;
				WHEN SQLSTATE 'SL009' THEN NULL;
			END;
		END LOOP;
		old := a;
		becomes := array_to_string(list, ' ');
		RETURN NEXT;
	END LOOP;
END
$$;
SELECT * FROM pg_temp.transitions();
SAVEPOINT status;
UPDATE booking.appointments SET status = 'completed' WHERE id = 13001;
SELECT test.error('UPDATE booking.appointments SET status = ''confirmed'' WHERE id = 13001');
-- Confirmed cannot expire: that is for what waits for confirmation.
SELECT test.brief('UPDATE booking.appointments SET status = ''expired'' WHERE id = 13002');
-- The time of one that is over is free, and it stays over.
SELECT test.brief(pg_temp.put(13071, 13001, '10:00', '11:00'));
ROLLBACK TO status;

-- ---------------------------------------------------------------------------
-- What is filled in
-- ---------------------------------------------------------------------------

-- Busy times default to the appointment's own, each for itself.
SAVEPOINT filled;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until) VALUES
	(13080, 13008, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', NULL, NULL),
	(13081, 13008, 13001, '2026-03-02 12:00Z', '2026-03-02 13:00Z', '2026-03-02 11:50Z', NULL),
	(13082, 13008, 13001, '2026-03-02 14:00Z', '2026-03-02 15:00Z', NULL, '2026-03-02 15:10Z')
RETURNING busy_from::time, busy_until::time;
-- An update is a new version, whatever the writer says; updated_at is now, created_at stays.
UPDATE booking.appointments SET created_at = '2026-01-01 00:00Z', updated_at = '2026-01-01 00:00Z', version = 100 WHERE id = 13080
RETURNING version, created_at, updated_at;
UPDATE booking.appointments SET notes = 'again' WHERE id = 13080 RETURNING version, created_at, updated_at;
UPDATE booking.appointments SET notes = notes WHERE id = 13080 RETURNING version;
-- cancelled_at is now, unless the writer knows better.
UPDATE booking.appointments SET status = 'cancelled' WHERE id = 13080 RETURNING cancelled_at;
UPDATE booking.appointments SET status = 'cancelled', cancelled_at = '2026-02-28 00:00Z' WHERE id = 13081 RETURNING cancelled_at;
ROLLBACK TO filled;

-- ---------------------------------------------------------------------------
-- Other triggers
-- ---------------------------------------------------------------------------

-- One that fires after the guard's BEFORE trigger changes what was checked; the AFTER trigger looks at what was stored.
CREATE FUNCTION pg_temp.change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.notes = 'barber' THEN NEW.barber_id := 13001;
	ELSIF NEW.notes = 'time' THEN
		NEW.starts_at := '2026-03-02 10:30Z'; NEW.ends_at := '2026-03-02 11:30Z';
		NEW.busy_from := NEW.starts_at; NEW.busy_until := NEW.ends_at;
	ELSIF NEW.notes = 'longer' THEN NEW.busy_until := '2026-03-02 17:00Z';
	ELSIF NEW.notes = 'status' THEN NEW.status := 'confirmed';
	ELSIF NEW.notes = 'id' THEN NEW.id := NEW.id + 1;
	ELSIF NEW.notes = 'drop' THEN RETURN NULL;
	END IF;
	RETURN NEW;
END
$$;
SAVEPOINT other;
CREATE TRIGGER zzz_change BEFORE INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.change();
CREATE FUNCTION pg_temp.noted(id bigint, barber bigint, f text, u text, status text, note text) RETURNS text LANGUAGE sql AS $$
SELECT format('INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, notes) VALUES (%s, %s, 13001, %L, %L, %L, %L)',
	id, barber, '2026-03-02 ' || f || 'Z', '2026-03-02 ' || u || 'Z', status, note)
$$;
-- To 13001's time: refused.  To times that are free: stored.
SELECT v.note, v.barber, v.f, test.brief(pg_temp.noted(13090, v.barber, v.f, v.u, v.status, v.note)) FROM (VALUES
	(13009, '10:00', '11:00', 'confirmed', 'barber'), (13009, '14:00', '15:00', 'confirmed', 'barber'),
	(13001, '15:00', '16:00', 'confirmed', 'time'), (13009, '15:00', '16:00', 'confirmed', 'time'),
	(13001, '11:00', '12:00', 'confirmed', 'longer'), (13001, '16:00', '16:30', 'confirmed', 'longer'),
	(13001, '10:00', '11:00', 'completed', 'status'), (13009, '10:00', '11:00', 'completed', 'status'),
	(13009, '10:00', '11:00', 'confirmed', 'id')) v (barber, f, u, status, note);
SELECT pg_temp.locks();
-- The same for an update.
SELECT test.brief('UPDATE booking.appointments SET notes = ''barber'' WHERE id = 13003');
SELECT test.brief('UPDATE booking.appointments SET notes = ''longer'' WHERE id = 13001');
SELECT test.brief('UPDATE booking.appointments SET notes = ''longer'' WHERE id = 13003');
-- A completed one that such a trigger brings back to life, over 13001 and elsewhere.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status) VALUES
	(13095, 13001, 13001, '2026-03-02 10:30Z', '2026-03-02 10:45Z', 'completed'), (13096, 13001, 13001, '2026-03-02 16:00Z', '2026-03-02 16:30Z', 'completed');
SELECT test.brief('UPDATE booking.appointments SET notes = ''status'' WHERE id = 13095');
SELECT test.brief('UPDATE booking.appointments SET notes = ''status'' WHERE id = 13096');
-- A row that is dropped after it was checked, alone and between others: nothing is stored for it, and its lock goes.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, notes)
VALUES (13091, 13009, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'drop');
SELECT pg_temp.locks();
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, notes) VALUES
	(13092, 13009, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', 'drop'), (13093, 13009, 13001, '2026-03-02 10:30Z', '2026-03-02 11:30Z', NULL),
	(13094, 13009, 13001, '2026-03-02 12:00Z', '2026-03-02 13:00Z', 'drop');
SELECT id FROM booking.appointments WHERE barber_id = 13009;
SELECT pg_temp.locks();
ROLLBACK TO other;

-- An AFTER trigger that writes more rows of the same barber, for each of several rows.
SAVEPOINT other;
CREATE FUNCTION pg_temp.clean_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.notes IS NULL THEN
		INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, notes)
		VALUES (NEW.id + 10, NEW.barber_id, NEW.service_id, NEW.ends_at, NEW.ends_at + interval '10 minutes', 'clean up');
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER clean_up AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION pg_temp.clean_up();
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(13100, 13009, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z'), (13101, 13009, 13001, '2026-03-02 11:10Z', '2026-03-02 12:00Z');
SELECT id, starts_at::time, ends_at::time FROM booking.appointments WHERE barber_id = 13009 ORDER BY starts_at;
SELECT pg_temp.locks();
-- Without the ten minutes between them the cleaning is refused, and everything with it.
SELECT test.brief('INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES
	(13102, 13009, 13001, ''2026-03-02 14:00Z'', ''2026-03-02 15:00Z''), (13103, 13009, 13001, ''2026-03-02 15:00Z'', ''2026-03-02 16:00Z'')');
SELECT pg_temp.locks();
ROLLBACK TO other;

-- ---------------------------------------------------------------------------
-- Transactions
-- ---------------------------------------------------------------------------

-- A rolled back savepoint, a caught error and a deletion give the time back at once, in the same transaction.
SAVEPOINT s;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (13110, 13009, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z');
ROLLBACK TO s;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (13111, 13009, 13001, '2026-03-02 10:30Z', '2026-03-02 11:30Z');
DELETE FROM booking.appointments WHERE id = 13111;
DO $$
BEGIN
	BEGIN
		INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
		VALUES (13112, 13009, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z'), (13113, 13009, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z');
	EXCEPTION WHEN exclusion_violation THEN
		RAISE WARNING 'caught, locks: %', pg_temp.locks();
	END;
	INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
	VALUES (13114, 13009, 13001, '2026-03-02 10:45Z', '2026-03-02 11:45Z');
	RAISE WARNING 'stored, locks: %', pg_temp.locks();
END
$$;
SELECT id FROM booking.appointments WHERE barber_id = 13009;
-- A row that fails in another constraint after it was checked takes its lock with it.
SELECT test.brief(pg_temp.put(13115, 13009, '14:00', '15:00', 'confirmed') || ', (13116, 13009, 13999, ''2026-03-02 16:00Z'', ''2026-03-02 17:00Z'', ''confirmed'', NULL)');
SELECT pg_temp.locks();

-- 20,000 barbers in one statement: a lock for each until commit would not fit into the lock table.
SAVEPOINT many;
INSERT INTO booking.barbers (id, shop_id, name) SELECT n, 13001, 'One of many' FROM generate_series(1300001, 1320000) n;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
SELECT n, n, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z' FROM generate_series(1300001, 1320000) n;
SELECT pg_temp.locks();
UPDATE booking.appointments SET ends_at = '2026-03-02 11:30Z', busy_until = NULL WHERE id BETWEEN 1300001 AND 1320000;
SELECT pg_temp.locks();
SELECT count(*), min(version) FROM booking.appointments WHERE id BETWEEN 1300001 AND 1320000;
ROLLBACK TO many;

-- A replica, which applies what its publisher has checked, does not check again.
SAVEPOINT replica;
SET LOCAL session_replication_role = replica;
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
VALUES (13120, 13001, 13001, '2026-03-02 10:00Z', '2026-03-02 11:00Z', '2026-03-02 10:00Z', '2026-03-02 11:00Z');
SELECT pg_temp.overlaps();
ROLLBACK TO replica;

-- After all this no two overlap.
SELECT pg_temp.overlaps();
ROLLBACK;

-- The other isolation levels: the same answers, and the same freedom from locks.
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO booking.shops (id, name) VALUES (13001, 'Guard');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (13001, 13001, 'Barber');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (13001, 13001, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (13001, 13001);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (13001, 1, '10:00', '12:00');
SELECT starts_at FROM booking.book_slot(13001, 13001, NULL, '2026-03-02 10:00Z');
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (13001, 13001, ''2026-03-02 10:15Z'', ''2026-03-02 10:45Z'')');
SELECT reason FROM booking.try_book_slot(13001, 13001, NULL, '2026-03-02 10:15Z');
SELECT starts FROM test.slots(13001, '2026-03-02');
UPDATE booking.appointments SET status = 'cancelled' WHERE barber_id = 13001;
SELECT starts_at FROM booking.book_slot(13001, 13001, NULL, '2026-03-02 10:15Z');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO booking.shops (id, name) VALUES (13001, 'Guard');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (13001, 13001, 'Barber');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (13001, 13001, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (13001, 13001);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (13001, 1, '10:00', '12:00');
SELECT starts_at FROM booking.book_slot(13001, 13001, NULL, '2026-03-02 10:00Z', 'serial');
SELECT starts_at FROM booking.book_slot(13001, 13001, NULL, '2026-03-02 10:00Z', 'serial');
SELECT test.brief('INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	VALUES (13001, 13001, ''2026-03-02 10:15Z'', ''2026-03-02 10:45Z'')');
SELECT starts FROM test.slots(13001, '2026-03-02');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;
