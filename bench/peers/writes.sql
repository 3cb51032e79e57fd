-- writes.sql: booking as people would do it, each way at its best.
--
-- It is loaded only where something is to be booked.  The writers check no rule
-- but the overlap: not that the barber works then, offers the service, or that the
-- time is on the grid.

SET client_min_messages = warning;

-- ---------------------------------------------------------------------------
-- Tables to write to: the columns, CHECKs, indexes, foreign keys and rows of
-- appointments, without its triggers
-- ---------------------------------------------------------------------------

-- unguarded: anything goes.  The floor of booking, and the table of those who
-- check for themselves under a lock.
CREATE TABLE bench.unguarded (LIKE booking.appointments INCLUDING ALL);

-- exclusion: guarded by the server's own means, whose index makes the one for
-- availability superfluous
CREATE EXTENSION btree_gist;
CREATE TABLE bench.exclusion (LIKE booking.appointments INCLUDING ALL);
DROP INDEX bench.exclusion_barber_id_busy_from_busy_until_hold_expires_at_idx;

INSERT INTO bench.unguarded SELECT * FROM booking.appointments;
INSERT INTO bench.exclusion SELECT * FROM booking.appointments
WHERE hold_expires_at IS NULL OR hold_expires_at > now();
SELECT setval('bench.unguarded_id_seq', max(id)), setval('bench.exclusion_id_seq', max(id))
FROM booking.appointments \g /dev/null

ALTER TABLE bench.unguarded
	ADD FOREIGN KEY (barber_id) REFERENCES booking.barbers,
	ADD FOREIGN KEY (service_id) REFERENCES booking.services,
	ADD FOREIGN KEY (user_id) REFERENCES booking.users,
	ADD FOREIGN KEY (part_of) REFERENCES bench.unguarded ON DELETE CASCADE;
ALTER TABLE bench.exclusion
	ADD FOREIGN KEY (barber_id) REFERENCES booking.barbers,
	ADD FOREIGN KEY (service_id) REFERENCES booking.services,
	ADD FOREIGN KEY (user_id) REFERENCES booking.users,
	ADD FOREIGN KEY (part_of) REFERENCES bench.exclusion ON DELETE CASCADE,
	ADD EXCLUDE USING gist (barber_id WITH =, tstzrange(busy_from, busy_until) WITH &&)
	WHERE (status IN ('pending', 'confirmed', 'checked_in'));
VACUUM ANALYZE bench.unguarded, bench.exclusion;

-- ---------------------------------------------------------------------------
-- Booking one hour, "no" as NULL: for the flash sale
--
-- EXCLUDE with ON CONFLICT DO NOTHING needs no function, see scenarios/flash_sale.
-- ---------------------------------------------------------------------------

-- EXCLUDE, and "no" is an error caught.  A look before the insert spares most
-- callers the error; it decides nothing.  Who is stuck among others who all wait
-- for each other gives up when statement_timeout says so, and is counted.
CREATE FUNCTION bench.book_exclusion(barber bigint, service bigint, customer bigint, at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + interval '1 hour';
	booked bigint;
BEGIN
	IF EXISTS (
		SELECT FROM bench.exclusion
		WHERE barber_id = barber AND tstzrange(busy_from, busy_until) && tstzrange(at, until)
		AND status IN ('pending', 'confirmed', 'checked_in'))
	THEN
		RETURN NULL;
	END IF;
	INSERT INTO bench.exclusion (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (barber, service, customer, at, until, at, until)
	RETURNING id INTO booked;
	RETURN booked;
EXCEPTION
	WHEN exclusion_violation OR deadlock_detected THEN
		RETURN NULL;
	WHEN query_canceled THEN
		PERFORM nextval('bench.given_up');
		RETURN NULL;
END
$$;

-- A lock until the commit: on the barber's row, or an advisory one.  The first
-- look only spares latecomers the queue.  Nothing overlaps in this table, so
-- that the last appointment to begin before the end of the hour tells all.
-- FOR NO KEY UPDATE lets foreign keys to the barber pass, as FOR UPDATE would not.
CREATE FUNCTION bench.book_locked(barber bigint, service bigint, customer bigint, at timestamptz, lock_row boolean)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + interval '1 hour';
	booked bigint;
BEGIN
	IF (SELECT busy_until > at FROM bench.unguarded
		WHERE barber_id = barber AND busy_from < until AND status IN ('pending', 'confirmed', 'checked_in')
		ORDER BY busy_from DESC LIMIT 1)
	THEN
		RETURN NULL;
	END IF;
	IF lock_row THEN
		PERFORM FROM booking.barbers WHERE id = barber FOR NO KEY UPDATE;
	ELSE
		PERFORM pg_advisory_xact_lock(barber);
	END IF;
	IF (SELECT busy_until > at FROM bench.unguarded
		WHERE barber_id = barber AND busy_from < until AND status IN ('pending', 'confirmed', 'checked_in')
		ORDER BY busy_from DESC LIMIT 1)
	THEN
		RETURN NULL;
	END IF;
	INSERT INTO bench.unguarded (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (barber, service, customer, at, until, at, until)
	RETURNING id INTO booked;
	RETURN booked;
END
$$;
