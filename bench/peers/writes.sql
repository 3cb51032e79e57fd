-- writes.sql: booking as people would do it, each way at its best.
--
-- It is loaded only where something is to be booked.  The writers check no rule
-- but the overlap: not that the barber works then, offers the service, or that the
-- time is on the grid.

SET client_min_messages = warning;

-- A service so short that thousands of appointments a second can be made at one
-- chair for as long as a run wants
INSERT INTO booking.services (id, shop_id, name, duration_minutes, slot_interval_minutes, price_cents)
SELECT 3 * shops + 4, shops + 1, 'Fringe', 5, 5, 500 FROM bench.numbers;
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT id, 3 * shops + 4 FROM bench.numbers, booking.barbers WHERE shop_id = shops + 1;
VACUUM ANALYZE booking.services, booking.barber_services;

-- ---------------------------------------------------------------------------
-- Tables to write to: the columns, CHECKs, indexes, foreign keys and rows of
-- appointments, without its triggers
-- ---------------------------------------------------------------------------

-- unguarded: anything goes.  The floor of booking, and the table of those who
-- check for themselves under a lock, or leave it to SERIALIZABLE.
CREATE TABLE bench.unguarded (LIKE booking.appointments INCLUDING ALL);

-- exclusion: guarded by the server's own means, whose index makes the one for
-- availability superfluous
CREATE EXTENSION btree_gist;
CREATE TABLE bench.exclusion (LIKE booking.appointments INCLUDING ALL);
DROP INDEX bench.exclusion_barber_id_busy_from_busy_until_hold_expires_at_idx;

-- check_then_insert: of those who check and guard nothing.  Their double
-- bookings are counted here; only the flash sale writes to it.
CREATE TABLE bench.check_then_insert (LIKE booking.appointments INCLUDING ALL);

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
ALTER TABLE bench.check_then_insert
	ADD FOREIGN KEY (barber_id) REFERENCES booking.barbers,
	ADD FOREIGN KEY (service_id) REFERENCES booking.services,
	ADD FOREIGN KEY (user_id) REFERENCES booking.users,
	ADD FOREIGN KEY (part_of) REFERENCES bench.check_then_insert ON DELETE CASCADE;
VACUUM ANALYZE bench.unguarded, bench.exclusion, bench.check_then_insert;

-- ---------------------------------------------------------------------------
-- Booking a time that others want too, "no" as NULL
--
-- One call each, so that no lock is held while the client is on its way.
-- EXCLUDE with ON CONFLICT DO NOTHING needs no function.
-- ---------------------------------------------------------------------------

-- EXCLUDE, and "no" is an error caught, as it is usually written.  Who is stuck
-- among others who all wait for each other gives up when statement_timeout says
-- so, and is counted.
CREATE FUNCTION bench.book_exclusion_handler(barber bigint, service bigint, customer bigint, at timestamptz,
	length interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + length;
	booked bigint;
BEGIN
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

-- The same with a look first that spares most losers the error; it decides
-- nothing.
CREATE FUNCTION bench.book_exclusion(barber bigint, service bigint, customer bigint, at timestamptz, length interval)
RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (
		SELECT FROM bench.exclusion
		WHERE barber_id = barber AND tstzrange(busy_from, busy_until) && tstzrange(at, at + length)
		AND status IN ('pending', 'confirmed', 'checked_in'))
	THEN
		RETURN NULL;
	END IF;
	RETURN bench.book_exclusion_handler(barber, service, customer, at, length);
END
$$;

-- For those who look for themselves: has this barber an appointment then?
-- Nothing overlaps in this table, so that the last to begin before the end of
-- the time tells all.  Every statement of a VOLATILE function has a snapshot of
-- its own, and in SERIALIZABLE the least is read that can be.
CREATE FUNCTION bench.is_taken(barber bigint, at timestamptz, until timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
SELECT coalesce((
	SELECT busy_until > at
	FROM bench.unguarded
	WHERE barber_id = barber AND busy_from < until AND status IN ('pending', 'confirmed', 'checked_in')
	ORDER BY busy_from DESC LIMIT 1), false)
$$;

-- A lock until the commit: on the barber's row, as it is usually written, or an
-- advisory one.  Where most lose, look_first spares latecomers the queue.
-- (FOR NO KEY UPDATE makes no difference here: who books locks first, so that
-- no foreign key comes to wait.)
CREATE FUNCTION bench.book_locked(lock text, look_first boolean, barber bigint, service bigint, customer bigint,
	at timestamptz, length interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + length;
	booked bigint;
BEGIN
	IF look_first AND bench.is_taken(barber, at, until) THEN
		RETURN NULL;
	END IF;
	IF lock = 'for_update' THEN
		PERFORM FROM booking.barbers WHERE id = barber FOR UPDATE;
	ELSE
		PERFORM pg_advisory_xact_lock(barber);
	END IF;
	IF bench.is_taken(barber, at, until) THEN
		RETURN NULL;
	END IF;
	INSERT INTO bench.unguarded (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (barber, service, customer, at, until, at, until)
	RETURNING id INTO booked;
	RETURN booked;
END
$$;

-- A look, the INSERT, and SERIALIZABLE, which the clients set and whose
-- failures they try again
CREATE FUNCTION bench.book_serializable(barber bigint, service bigint, customer bigint, at timestamptz, length interval)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + length;
	booked bigint;
BEGIN
	ASSERT current_setting('transaction_isolation') = 'serializable';
	IF bench.is_taken(barber, at, until) THEN
		RETURN NULL;
	END IF;
	INSERT INTO bench.unguarded (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (barber, service, customer, at, until, at, until)
	RETURNING id INTO booked;
	RETURN booked;
END
$$;

-- A look and the INSERT, and no more.  As overlaps do happen here, it looks at
-- whatever began in the two hours that the longest appointment could take.
CREATE FUNCTION bench.book_check_then_insert(barber bigint, service bigint, customer bigint, at timestamptz,
	length interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := at + length;
	booked bigint;
BEGIN
	IF EXISTS (
		SELECT FROM bench.check_then_insert
		WHERE barber_id = barber AND status IN ('pending', 'confirmed', 'checked_in')
		AND busy_from > at - interval '2 hours' AND busy_from < until AND busy_until > at)
	THEN
		RETURN NULL;
	END IF;
	INSERT INTO bench.check_then_insert (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	VALUES (barber, service, customer, at, until, at, until)
	RETURNING id INTO booked;
	RETURN booked;
END
$$;
