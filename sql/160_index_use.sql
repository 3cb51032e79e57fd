--
-- Every index earns its keep: each is used by a call that people make.  An
-- index that no line below names is dead weight for every writer.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
SET booking.cache_size = '16MB';
BEGIN;

INSERT INTO booking.shops (id, name, slot_interval_minutes) SELECT n, 'Shop ' || n, 60 FROM generate_series(16001, 16500) n;
INSERT INTO booking.barbers (id, shop_id, name) SELECT n, n, 'Barber ' || n FROM generate_series(16001, 16500) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT n, d, '09:00', '17:00' FROM generate_series(16001, 16500) n, generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) SELECT n, n, 'Service ' || n, 60 FROM generate_series(16001, 16500) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT n, n FROM generate_series(16001, 16500) n;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(16001, 16500) n;
INSERT INTO booking.schedule_overrides (barber_id, on_date) SELECT n, '2026-04-01' FROM generate_series(16001, 16500) n;
INSERT INTO booking.schedule_overrides (shop_id, on_date) SELECT n, '2026-04-02' FROM generate_series(16001, 16500) n;
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) SELECT n, '2026-04-03 00:00Z', '2026-04-04 00:00Z' FROM generate_series(16001, 16500) n;
INSERT INTO booking.time_off (shop_id, starts_at, ends_at) SELECT n, '2026-04-05 00:00Z', '2026-04-06 00:00Z' FROM generate_series(16001, 16500) n;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
SELECT 16000 * 1000 + n * 10 + d, 16000 + n, 16000 + n, 16000 + n, timestamptz '2026-03-02 09:00Z' + d * interval '1 day',
	timestamptz '2026-03-02 10:00Z' + d * interval '1 day', 'key ' || n || ' ' || d
FROM generate_series(1, 500) n, generate_series(0, 9) d;
ANALYZE booking.shops, booking.barbers, booking.services, booking.barber_services, booking.users, booking.appointments;

-- How often a statement begins a scan of an index.
CREATE FUNCTION pg_temp.scans(index_name text, statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	index oid := ('booking.' || index_name)::regclass;
	before bigint := pg_stat_get_xact_numscans(index);
BEGIN
	EXECUTE statement;
	RETURN pg_stat_get_xact_numscans(index) - before;
END
$$;

-- ---------------------------------------------------------------------------
-- Appointments
-- ---------------------------------------------------------------------------

-- Availability reads one index, once for a barber, whatever the number of days.
SELECT v.statement, pg_temp.scans('idx_appointments_availability_check', 'SELECT * FROM booking.' || v.statement) AS scans FROM (VALUES
	(1, 'available_slots(16001, ''2026-03-02'')'), (2, 'available_slots(16001, ''2026-03-02'', ''2026-05-30'')'),
	(3, 'availability_by_day(16001, ''2026-03-02'', ''2026-05-30'')'), (4, 'free_time(16001, ''2026-03-02'', ''2026-05-30'')'),
	(5, 'next_slots(16001)')) v (n, statement) ORDER BY n;
-- The table itself is never read through, nor is any other index of it used.
CREATE FUNCTION pg_temp.reads(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before text[];
	list text := '';
	r record;
BEGIN
	CREATE TEMP TABLE counts ON COMMIT DROP AS
	SELECT oid, relname, pg_stat_get_xact_numscans(oid) AS n FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind IN ('r', 'i');
	EXECUTE statement;
	SELECT string_agg(relname || ' ' || pg_stat_get_xact_numscans(oid) - n, ', ' ORDER BY relname COLLATE "C") INTO list
	FROM counts WHERE pg_stat_get_xact_numscans(oid) <> n AND relname LIKE '%appointments%';
	DROP TABLE counts;
	RETURN list;
END
$$;
SELECT pg_temp.reads('SELECT * FROM booking.available_slots(16001, ''2026-03-02'', ''2026-03-31'')');
SELECT pg_temp.reads('SELECT * FROM booking.get_barber_availability(16001, ''2026-03-02'')');

-- The guard looks into the same index, for book_slot and for raw writers: before a row is stored and afterwards.
SELECT pg_temp.scans('idx_appointments_availability_check', 'SELECT booking.book_slot(16001, 16001, 16001, ''2026-03-02 10:00Z'')') > 0 AS book_slot,
	pg_temp.scans('idx_appointments_availability_check', 'INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
		VALUES (16001, 16002, 16002, ''2026-03-02 11:00Z'', ''2026-03-02 12:00Z'')') > 0 AS raw_insert;
-- A refusal looks once.
SELECT pg_temp.scans('idx_appointments_availability_check', 'SELECT booking.try_book_slot(16001, 16001, 16001, ''2026-03-02 10:00Z'')') AS refused;

SELECT pg_temp.scans('idx_appointments_barber_date', 'SELECT * FROM booking.get_barber_availability(16001, ''2026-03-02'')') AS day_board,
	pg_temp.scans('idx_appointments_user_status', 'SELECT * FROM booking.user_appointments(16001)') > 0 AS user_appointments,
	pg_temp.scans('idx_appointments_user_status', 'SELECT * FROM booking.user_appointments(16001, false)') > 0 AS past_appointments,
	pg_temp.scans('idx_appointments_idempotency_key', 'SELECT booking.book_slot(16001, 16001, 16001, ''2026-03-02 11:00Z'', ''new key'')') > 0 AS key,
	pg_temp.scans('idx_appointments_idempotency_key', 'SELECT booking.book_slot(16001, 16001, 16001, ''2026-03-02 11:00Z'', ''new key'')') > 0 AS same_key,
	pg_temp.scans('idx_appointments_idempotency_key', 'SELECT booking.book_slot(16001, 16001, 16001, ''2026-03-02 12:00Z'')') AS no_key;

-- Limits count in them too: a customer's live appointments, and those of a barber's day.
UPDATE booking.shops SET max_active_per_user = 100 WHERE id = 16002;
UPDATE booking.barbers SET max_per_day = 100 WHERE id = 16002;
SELECT pg_temp.scans('idx_appointments_user_status', 'SELECT booking.try_book_slot(16002, 16002, 16002, ''2026-03-02 13:00Z'')') > 0 AS active,
	pg_temp.scans('idx_appointments_barber_date', 'SELECT booking.try_book_slot(16002, 16002, 16002, ''2026-03-02 14:00Z'')') > 0 AS of_day,
	pg_temp.scans('idx_appointments_barber_date', 'SELECT * FROM booking.available_slots(16002, ''2026-03-02'')') AS full_days;

-- Any barber, in turn: who was assigned last.
UPDATE booking.shops SET assignment = 'round_robin' WHERE id = 16001;
SELECT pg_temp.scans('idx_appointments_assigned', 'SELECT booking.book_slot(NULL, 16001, 16001, ''2026-03-02 13:00Z'')') > 0 AS assigned;

-- All appointments of a visit; all parts of an appointment, as it is changed, and as it is deleted.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, part_of)
SELECT 16100 + n, 16100 + n, 16100 + n, timestamptz '2026-04-10 12:00Z', timestamptz '2026-04-10 13:00Z', 16000 * 1000 + (100 + n) * 10
FROM generate_series(1, 300) n;
ANALYZE booking.appointments;
SELECT pg_temp.scans('idx_appointments_visit', 'SELECT * FROM booking.book_visit(16001, ARRAY[ROW(16004, 16004, ''2026-03-02 10:00Z'', NULL),
		ROW(16004, 16004, ''2026-03-02 12:00Z'', NULL)]::booking.visit_item[])') > 0 AS visit,
	pg_temp.scans('idx_appointments_part', 'SELECT booking.check_in(16000 * 1000 + 101 * 10)') > 0 AS change,
	pg_temp.scans('idx_appointments_part', 'DELETE FROM booking.appointments WHERE id = 16000 * 1000 + 102 * 10') > 0 AS deletion;
SELECT count(*) FROM booking.appointments WHERE id IN (16101, 16102);

-- Holds that have run out.
INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 16500 + n, 16001 + n, 16001 + n, '2026-04-11 12:00Z', '2026-04-11 13:00Z', 'pending', timestamptz '2026-03-01 12:00Z' + n * interval '1 minute'
FROM generate_series(1, 300) n;
ANALYZE booking.appointments;
SET booking.now = '2026-03-01 12:10Z';
SELECT pg_temp.scans('idx_appointments_hold', 'SELECT booking.expire_holds()') > 0 AS expire_holds;
SELECT count(*) FROM booking.appointments WHERE status = 'expired' AND id BETWEEN 16501 AND 16800;
SET booking.now = '2026-03-01 12:00Z';

-- What was done to one appointment.
UPDATE booking.appointments SET notes = 'kept' WHERE barber_id BETWEEN 16001 AND 16500;
ANALYZE booking.appointment_history;
SELECT pg_temp.scans('idx_appointment_history_appointment',
	'SELECT changed_by, to_values FROM booking.appointment_history WHERE appointment_id = 16000010 ORDER BY id') > 0 AS history;

-- ---------------------------------------------------------------------------
-- The waitlist
-- ---------------------------------------------------------------------------

INSERT INTO booking.waitlist (user_id, service_id, earliest, latest)
SELECT 16000 + n, 16000 + n, '2026-03-02 00:00Z', timestamptz '2026-03-10 00:00Z' + d * interval '1 day'
FROM generate_series(1, 500) n, generate_series(1, 4) d;
-- Each customer was served once before, and asks for three other days.
UPDATE booking.waitlist SET status = 'served', appointment_id = 16000000 + (user_id - 16000) * 10 + 1 WHERE latest = '2026-03-11 00:00Z';
ANALYZE booking.waitlist;
SELECT pg_temp.scans('idx_waitlist_wish', 'SELECT booking.join_waitlist(16005, 16005, ''2026-03-02 00:00Z'', ''2026-03-12 00:00Z'')') > 0 AS join_again,
	pg_temp.scans('idx_waitlist_waiting', 'SELECT booking.cancel_appointment(16000000 + 6 * 10)') > 0 AS serve,
	pg_temp.scans('idx_waitlist_user', 'SELECT booking.cancel_appointment(16000000 + 7 * 10)') > 0 AS has_offer,
	pg_temp.scans('idx_waitlist_appointment', 'DELETE FROM booking.appointments WHERE id = 16000000 + 8 * 10 + 1') > 0 AS deletion;
SELECT service_id - 16000 AS service, status, count(*) FROM booking.waitlist WHERE service_id BETWEEN 16005 AND 16008 GROUP BY 1, 2 ORDER BY 1, 2;

-- ---------------------------------------------------------------------------
-- The lists of a page, and customers
-- ---------------------------------------------------------------------------

SELECT pg_temp.scans('idx_services_active', 'SELECT * FROM booking.active_services(16001)') > 0 AS services,
	pg_temp.scans('idx_barbers_active', 'SELECT * FROM booking.active_barbers(16001)') > 0 AS barbers,
	pg_temp.scans('idx_users_email_active', 'SELECT booking.ensure_user(''U16001@example.org'')') > 0 AS known_user,
	pg_temp.scans('idx_users_email_active', 'SELECT booking.ensure_user(''new16001@example.org'')') > 0 AS new_user;

-- ---------------------------------------------------------------------------
-- Configuration: read through its indexes, once, and not again until something changes
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_temp.compiles() RETURNS TABLE (index text, first bigint, again bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOREACH index IN ARRAY ARRAY['idx_barber_services_service', 'idx_schedule_overrides_barber', 'idx_schedule_overrides_shop',
		'idx_time_off_barber', 'idx_time_off_shop', 'idx_working_hours_barber'] LOOP
		UPDATE booking.shops SET name = 'Renamed' WHERE id = 16003;
		first := pg_temp.scans(index, 'SELECT * FROM booking.available_slots(16003, ''2026-03-02'')');
		again := pg_temp.scans(index, 'SELECT * FROM booking.available_slots(16003, ''2026-03-03'')');
		RETURN NEXT;
	END LOOP;
END
$$;
SELECT * FROM pg_temp.compiles();

ROLLBACK;
