--
-- The configuration is compiled once per backend.  Whatever changes it must be
-- seen by the next statement, and be forgotten when it is rolled back; a stale
-- entry sells hours that do not exist.  (Changes by other sessions are an
-- isolation spec's business.)
--
-- Mondays 09:00 to 12:00, half an hour: 6 slots on 2026-03-02.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

CREATE FUNCTION pg_temp.starts() RETURNS text LANGUAGE sql AS $$
SELECT coalesce((SELECT starts FROM test.slots(14001, '2026-03-02', NULL, 14001)), 'none')
$$;

-- Rows that are committed, so that what is compiled outlives transactions.
SELECT test.brief('SELECT pg_temp.starts()');
INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (14001, 'Cache', 30), (14002, 'Other', 30);
SELECT test.brief('SELECT pg_temp.starts()');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (14001, 14001, 'Cut', 30);
SELECT test.brief('SELECT pg_temp.starts()');
-- An id that was unknown a moment ago: "not found" must not be remembered.
INSERT INTO booking.barbers (id, shop_id, name) VALUES (14001, 14001, 'Cay');
SELECT pg_temp.starts();
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (14001, 14001);
SELECT pg_temp.starts();
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (14001, 1, '09:00', '12:00');
SELECT pg_temp.starts();

-- ---------------------------------------------------------------------------
-- Each table: seen at once, in the same transaction, and gone with it
-- ---------------------------------------------------------------------------

-- What the day looks like before a change, after it, and when it has been rolled back.
CREATE FUNCTION pg_temp.change(statement text, OUT before text, OUT after text, OUT later text) LANGUAGE plpgsql AS $$
BEGIN
	before := pg_temp.starts();
	BEGIN
		EXECUTE statement;
		after := pg_temp.starts();
		RAISE SQLSTATE 'OK000';
	EXCEPTION WHEN SQLSTATE 'OK000' THEN
		NULL;
	END;
	later := pg_temp.starts();
END
$$;
SELECT v.statement, c.after, c.before = c.later AS restored FROM (VALUES
	(1, 'UPDATE booking.shops SET slot_interval_minutes = 60 WHERE id = 14001'),
	(2, 'UPDATE booking.shops SET time_zone = ''Etc/GMT-1'' WHERE id = 14001'),
	(3, 'UPDATE booking.barbers SET is_active = false WHERE id = 14001'),
	(4, 'UPDATE booking.barbers SET shop_id = 14002 WHERE id = 14001'),
	(5, 'UPDATE booking.services SET duration_minutes = 90 WHERE id = 14001'),
	(6, 'UPDATE booking.barber_services SET duration_minutes = 120 WHERE barber_id = 14001'),
	(7, 'DELETE FROM booking.barber_services WHERE barber_id = 14001'),
	(8, 'UPDATE booking.working_hours SET closes = ''10:00'' WHERE barber_id = 14001'),
	(9, 'DELETE FROM booking.working_hours WHERE barber_id = 14001'),
	(10, 'INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (14001, 1, ''14:00'', ''15:00'')'),
	(11, 'INSERT INTO booking.schedule_overrides (shop_id, on_date) VALUES (14001, ''2026-03-02'')'),
	(12, 'INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (14001, ''2026-03-02'', ''20:00'', ''21:00'')'),
	(13, 'INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (14001, ''2026-03-02 10:00Z'', ''infinity'')'),
	(14, 'INSERT INTO booking.time_off (shop_id, starts_at, ends_at) VALUES (14001, ''-infinity'', ''2026-03-02 10:00Z'')'),
	(15, 'WITH c AS (UPDATE booking.shops SET slot_interval_minutes = 60 WHERE id = 14001) SELECT 1'),
	(16, 'MERGE INTO booking.services s USING (SELECT 14001 AS id) n ON s.id = n.id WHEN MATCHED THEN UPDATE SET duration_minutes = 60'),
	(17, 'TRUNCATE booking.working_hours'),
	(18, 'TRUNCATE booking.barber_services')
) v (n, statement), pg_temp.change(v.statement) c ORDER BY v.n;

-- The same with savepoints and transactions of the client's.
BEGIN;
UPDATE booking.services SET duration_minutes = 60 WHERE id = 14001;
SELECT pg_temp.starts();
SAVEPOINT s;
UPDATE booking.services SET duration_minutes = 120 WHERE id = 14001;
SELECT pg_temp.starts();
ROLLBACK TO s;
SELECT pg_temp.starts();
ROLLBACK;
SELECT pg_temp.starts();
-- Committed.
UPDATE booking.services SET duration_minutes = 60 WHERE id = 14001;
SELECT pg_temp.starts();
UPDATE booking.services SET duration_minutes = 30 WHERE id = 14001;
SELECT pg_temp.starts();
-- A statement that changes nothing, and one that fails.
UPDATE booking.services SET duration_minutes = 99 WHERE id = 14999;
\set VERBOSITY terse
UPDATE booking.services SET duration_minutes = 0 WHERE id = 14001;
\set VERBOSITY default
SELECT pg_temp.starts();

-- ---------------------------------------------------------------------------
-- REPEATABLE READ and SERIALIZABLE: the transaction's own configuration
-- ---------------------------------------------------------------------------

BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.starts();
UPDATE booking.services SET duration_minutes = 120 WHERE id = 14001;
SELECT pg_temp.starts();
ROLLBACK;
SELECT pg_temp.starts();
BEGIN ISOLATION LEVEL SERIALIZABLE;
DELETE FROM booking.working_hours WHERE barber_id = 14001;
SELECT pg_temp.starts();
ROLLBACK;
SELECT pg_temp.starts();

-- ---------------------------------------------------------------------------
-- Tables that change their shape
-- ---------------------------------------------------------------------------

-- Columns added and dropped.
BEGIN;
ALTER TABLE booking.services ADD colour text DEFAULT 'blue', ADD size int;
SELECT pg_temp.starts();
ALTER TABLE booking.services DROP colour, DROP capacity, ADD capacity int NOT NULL DEFAULT 1;
SELECT pg_temp.starts();
UPDATE booking.services SET duration_minutes = 60 WHERE id = 14001;
SELECT pg_temp.starts();
ALTER TABLE booking.appointments DROP notes, ADD notes text, DROP visit_id, ADD front text, ADD visit_id bigint;
SELECT starts_at, ends_at, status, visit_id FROM booking.book_slot(14001, 14001, NULL, '2026-03-02 09:00Z');
SELECT pg_temp.starts();
ROLLBACK;
SELECT pg_temp.starts();

-- A table renamed away, and another one in its place, with its columns in another order: its rows count, not the old one's.
BEGIN;
ALTER TABLE booking.working_hours RENAME TO old_hours;
SELECT test.brief('SELECT pg_temp.starts()');
CREATE TABLE booking.working_hours (closes time NOT NULL, extra int, valid_until date NOT NULL, weekday int NOT NULL, opens time NOT NULL, valid_from date NOT NULL, barber_id bigint NOT NULL);
SELECT pg_temp.starts();
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes, valid_from, valid_until)
VALUES (14001, 1, '15:00', '16:00', '-infinity', 'infinity');
-- The new table has no trigger yet; setup() sees to that.
SELECT * FROM booking.setup();
SELECT pg_temp.starts();
UPDATE booking.working_hours SET closes = '17:00';
SELECT pg_temp.starts();
ROLLBACK;
SELECT pg_temp.starts();

-- Dropped and made again by setup(), empty.
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (14001, '2026-03-02 09:00Z', '2026-03-02 10:00Z');
SELECT pg_temp.starts();
BEGIN;
DROP TABLE booking.time_off;
SELECT * FROM booking.setup();
SELECT pg_temp.starts();
INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (14001, '2026-03-02 11:00Z', '2026-03-02 12:00Z');
SELECT pg_temp.starts();
ROLLBACK;
SELECT pg_temp.starts();
-- Rewritten: other file, same rows.
BEGIN;
ALTER TABLE booking.time_off ALTER reason TYPE varchar(100);
CLUSTER booking.time_off USING time_off_pkey;
SELECT pg_temp.starts();
ROLLBACK;

-- Without the indexes of the configuration tables the answers are the same; those of appointments can be rebuilt.
BEGIN;
DROP INDEX booking.idx_working_hours_barber, booking.idx_schedule_overrides_barber, booking.idx_schedule_overrides_shop,
	booking.idx_time_off_barber, booking.idx_time_off_shop, booking.idx_barber_services_service;
SELECT pg_temp.starts();
-- In whatever order the rows come.
SAVEPOINT s;
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (14001, '2026-03-09', '20:00', '21:00'),
	(14001, '2026-03-02', '14:00', '15:00'), (14001, '2026-03-01', NULL, NULL), (14001, '2026-03-02', '16:00', '17:00');
SELECT pg_temp.starts();
ROLLBACK TO s;
SELECT * FROM booking.setup();
SELECT pg_temp.starts();
REINDEX TABLE booking.appointments;
SELECT starts_at FROM booking.book_slot(14001, 14001, NULL, '2026-03-02 10:00Z');
SELECT pg_temp.starts();
ROLLBACK;
DISCARD PLANS;
SELECT pg_temp.starts();
DELETE FROM booking.time_off WHERE barber_id = 14001;

-- The lists of a booking page keep plans, which have to follow as well.
SELECT name FROM booking.active_services(14001);
BEGIN;
ALTER TABLE booking.services ADD colour text;
ALTER TABLE booking.services RENAME TO old_services;
CREATE TABLE booking.services (LIKE booking.old_services INCLUDING ALL);
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (14001, 14001, 'New', 30);
SELECT name FROM booking.active_services(14001);
ROLLBACK;
SELECT name FROM booking.active_services(14001);

-- Appointments are never remembered: each call sees the rows as they are.
BEGIN;
SELECT starts_at FROM booking.book_slot(14001, 14001, NULL, '2026-03-02 10:00Z');
SELECT pg_temp.starts();
UPDATE booking.appointments SET status = 'cancelled' WHERE barber_id = 14001;
SELECT pg_temp.starts();
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
VALUES (14001, 14001, '2026-03-02 11:00Z', '2026-03-02 12:00Z');
SELECT pg_temp.starts();
DELETE FROM booking.appointments WHERE barber_id = 14001;
SELECT pg_temp.starts();
ROLLBACK;

DELETE FROM booking.barber_services WHERE barber_id = 14001;
DELETE FROM booking.working_hours WHERE barber_id = 14001;
DELETE FROM booking.services WHERE id = 14001;
DELETE FROM booking.barbers WHERE id = 14001;
DELETE FROM booking.shops WHERE id IN (14001, 14002);
