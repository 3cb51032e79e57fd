--
-- Idempotency keys: whose they are, what a repeated request is answered with,
-- and the hash by which it is known.  If this breaks, one customer's request is
-- taken for another's, or an app takes a cancelled appointment for a booking.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes) VALUES (11201, 'Corner', 'UTC', 30), (11202, 'Market', 'UTC', 30);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (11201, 11201, 'Kim'), (11202, 11201, 'Kay'), (11203, 11202, 'Ken');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, d, '09:00', '17:00' FROM generate_series(11201, 11203) b, generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, requires_confirmation) VALUES
	(11201, 11201, 'Cut', 30, false), (11202, 11202, 'Cut', 30, false), (11203, 11201, 'Colour', 30, true);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (11201, 11201), (11202, 11201), (11203, 11202), (11201, 11203);
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(11201, 11204) n;
CREATE VIEW test.keyed AS
SELECT barber_id, user_id, to_char(starts_at, 'DD HH24:MI') AS at, idempotency_key AS key, key_shop_id, key_user_id, request_hash IS NOT NULL AS hash
FROM booking.appointments WHERE barber_id BETWEEN 11201 AND 11203;

-- ---------------------------------------------------------------------------
-- Whose
-- ---------------------------------------------------------------------------

-- The same word: of two customers, of walk-ins, in two shops; each is answered with its own.
SAVEPOINT s;
SELECT n, (booking.book_slot(barber, service, customer, at, 'order-1')).id = (booking.book_slot(barber, service, customer, at, 'order-1')).id AS repeated
FROM (VALUES (1, 11201, 11201, 11201, timestamptz '2026-03-02 09:00Z'), (2, 11201, 11201, 11202, '2026-03-02 10:00Z'), (3, 11201, 11201, NULL, '2026-03-02 11:00Z'),
	(4, 11203, 11202, 11201, '2026-03-02 09:00Z'), (5, 11203, 11202, NULL, '2026-03-02 11:00Z')) v (n, barber, service, customer, at) ORDER BY n;
SELECT * FROM test.keyed ORDER BY 5, 3;
-- Within a shop the barber does not matter, nor whether one was named.
SELECT reason FROM booking.try_book_slot(11202, 11201, 11201, '2026-03-02 13:00Z', 'order-1');
SELECT reason FROM booking.try_book_slot(NULL, 11201, 11201, '2026-03-02 13:00Z', 'order-1');
SELECT reason FROM booking.try_book_slot(NULL, 11201, 11203, '2026-03-02 13:00Z', 'order-1');
SELECT (booking.book_slot(NULL, 11201, 11203, '2026-03-02 13:00Z', 'order-1')).user_id;
SELECT key_shop_id, key_user_id, count(*) FROM test.keyed WHERE user_id = 11203 GROUP BY 1, 2;
-- An unknown barber or service has no shop.
SELECT reason FROM booking.try_book_slot(11299, 11201, 11201, '2026-03-02 13:00Z', 'order-1');
SELECT reason FROM booking.try_book_slot(NULL, 11299, 11201, '2026-03-02 13:00Z', 'order-1');
ROLLBACK TO s;

-- The key stays whose it was when the appointment is moved, or given to somebody else, who may use the word as well.
SELECT id AS given FROM booking.book_slot(11201, 11201, 11201, '2026-03-02 09:00Z', 'k') \gset
SELECT barber_id FROM booking.reschedule_appointment(:given, '2026-03-02 10:00Z', 11202);
SELECT id = :given AS same, starts_at FROM booking.book_slot(11201, 11201, 11201, '2026-03-02 09:00Z', 'k');
UPDATE booking.appointments SET user_id = 11202 WHERE id = :given;
SELECT test.error('SELECT booking.book_slot(11201, 11201, 11201, ''2026-03-02 09:00Z'', ''k'')');
SELECT id <> :given AS another FROM booking.book_slot(11201, 11201, 11202, '2026-03-02 09:00Z', 'k');
SELECT * FROM test.keyed ORDER BY 3;
ROLLBACK TO s;

-- A raw writer's is filled in: INSERT, COPY, UPDATE; one that says whose it is keeps that; a key that is taken away leaves nothing.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, idempotency_key) VALUES
	(11201, 11201, 11201, 11201, '2026-03-02 09:00Z', '2026-03-02 09:30Z', 'raw'), (11202, 11203, 11202, NULL, '2026-03-02 09:00Z', '2026-03-02 09:30Z', 'raw'),
	(11203, 11202, 11201, 11202, '2026-03-02 09:00Z', '2026-03-02 09:30Z', NULL);
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, idempotency_key, key_shop_id, key_user_id)
VALUES (11204, 11201, 11201, 11201, '2026-03-02 10:00Z', '2026-03-02 10:30Z', 'raw', 11202, 11203);
COPY booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, idempotency_key) FROM stdin;
11205	11201	11201	11204	2026-03-02 11:00Z	2026-03-02 11:30Z	raw
11206	11201	11201	\N	2026-03-02 12:00Z	2026-03-02 12:30Z	raw
\.
UPDATE booking.appointments SET idempotency_key = 'late' WHERE id = 11203;
SELECT * FROM test.keyed ORDER BY 5, 3, 1;
SELECT id FROM booking.book_slot(11202, 11201, 11202, '2026-03-02 09:00Z', 'late');
SELECT test.brief(format('INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, idempotency_key) VALUES
	(%s, ''2026-03-02 14:00Z'', ''2026-03-02 14:30Z'', ''raw'')', v.row)) FROM (VALUES (1, '11202, 11201, 11201'), (2, '11202, 11201, NULL'), (3, '11202, 11201, 11203')) v (n, row) ORDER BY n;
-- ON CONFLICT names all three; the row's own are there by then.
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
VALUES (11202, 11201, 11201, '2026-03-02 14:00Z', '2026-03-02 14:30Z', 'raw')
ON CONFLICT (idempotency_key, key_shop_id, key_user_id) WHERE idempotency_key IS NOT NULL DO UPDATE SET notes = 'again' RETURNING id, notes;
UPDATE booking.appointments SET idempotency_key = NULL WHERE id IN (11201, 11206);
SELECT * FROM test.keyed WHERE key IS NULL ORDER BY 3;
-- A barber who changes shops takes nothing along: the key counts where it was used.
UPDATE booking.barbers SET shop_id = 11202 WHERE id = 11202;
SELECT key_shop_id FROM test.keyed WHERE key = 'late';
SELECT count(*) FROM booking.verify(true) WHERE table_name = 'appointments';
ROLLBACK TO s;

-- Where the index does not see to it, a row with the key is not passed over: NULLs that differ are no unique key.
DROP INDEX booking.idx_appointments_idempotency_key;
CREATE UNIQUE INDEX idx_appointments_idempotency_key ON booking.appointments (idempotency_key, key_shop_id, key_user_id) WHERE idempotency_key IS NOT NULL;
SELECT check_name, table_name, detail FROM booking.verify();
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- What has become of it
-- ---------------------------------------------------------------------------

-- Cancelled, by whomever; no answer is a booking, and another request still is a conflict of its own.
SELECT id AS a FROM booking.book_slot(11201, 11201, 11201, '2026-03-02 09:00Z', 'a') \gset
SELECT status FROM booking.cancel_appointment(:a, cancelled_by => 'shop');
SELECT test.error('SELECT booking.book_slot(11201, 11201, 11201, ''2026-03-02 09:00Z'', ''a'')');
SELECT * FROM booking.try_book_slot(11201, 11201, 11201, '2026-03-02 09:00Z', 'a');
SELECT test.error('SELECT booking.book_slot(11201, 11201, 11201, ''2026-03-02 09:30Z'', ''a'')');
-- With any barber as well, though others are free.
SELECT id AS a FROM booking.book_slot(NULL, 11201, 11201, '2026-03-02 10:00Z', 'any') \gset
SELECT status FROM booking.cancel_appointment(:a);
SELECT * FROM booking.try_book_slot(NULL, 11201, 11201, '2026-03-02 10:00Z', 'any');
-- A hold that has run out, marked as such or not; what is over otherwise is the answer that it was.
SELECT id AS a FROM booking.hold_slot(11201, 11201, 11201, '2026-03-02 11:00Z', '5 minutes', 'h') \gset
SELECT (booking.hold_slot(11201, 11201, 11201, '2026-03-02 11:00Z', '5 minutes', 'h')).id = :a AS same;
SET LOCAL booking.now = '2026-03-01 12:05Z';
SELECT test.error('SELECT booking.hold_slot(11201, 11201, 11201, ''2026-03-02 11:00Z'', ''5 minutes'', ''h'')');
SELECT booking.expire_holds() AS expired;
SELECT test.brief('SELECT booking.hold_slot(11201, 11201, 11201, ''2026-03-02 11:00Z'', ''5 minutes'', ''h'')');
SET LOCAL booking.now = '2026-03-01 12:00Z';
SELECT id AS a FROM booking.book_slot(11201, 11201, 11201, '2026-03-02 12:00Z', 'b') \gset
SET LOCAL booking.now = '2026-03-02 12:10Z';
SELECT status FROM booking.check_in(:a);
SELECT status FROM booking.book_slot(11201, 11201, 11201, '2026-03-02 12:00Z', 'b');
SELECT status FROM booking.mark_no_show(:a);
SELECT status FROM booking.book_slot(11201, 11201, 11201, '2026-03-02 12:00Z', 'b');
SET LOCAL booking.now = '2026-03-01 12:00Z';
-- A visit goes by the appointment that has the key.
SELECT array_agg(id ORDER BY id) AS visit FROM booking.book_visit(11201, ARRAY[ROW(11202, 11201, '2026-03-03 09:30Z', NULL),
	ROW(11201, 11201, '2026-03-03 09:00Z', 'Zoë')]::booking.visit_item[], 'v') \gset
SELECT key IS NOT NULL AS keyed, at FROM test.keyed WHERE at LIKE '03 %' ORDER BY at;
SELECT status FROM booking.cancel_appointment((:'visit'::bigint[])[1]);
SELECT count(*) FROM booking.book_visit(11201, ARRAY[ROW(11202, 11201, '2026-03-03 09:30Z', NULL), ROW(11201, 11201, '2026-03-03 09:00Z', 'Zoë')]::booking.visit_item[], 'v');
SELECT status FROM booking.cancel_appointment((:'visit'::bigint[])[2]);
SELECT test.error($$SELECT booking.book_visit(11201, ARRAY[ROW(11202, 11201, '2026-03-03 09:30Z', NULL),
	ROW(11201, 11201, '2026-03-03 09:00Z', 'Zoë')]::booking.visit_item[], 'v')$$);
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- The hash
-- ---------------------------------------------------------------------------

-- What src/request.c documents, in plain SQL: the first 8 bytes of the text's SHA-256, the highest first.
CREATE FUNCTION test.hash(call text) RETURNS bigint LANGUAGE sql AS $$
SELECT ('x' || encode(substr(sha256(convert_to(call, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
$$;
CREATE FUNCTION test.item(barber text, service bigint, customer text, at timestamptz, overrides text DEFAULT '-', guest text DEFAULT '-') RETURNS text LANGUAGE sql AS $$
SELECT format(E'%s %s %s %s %s %s\n', barber, service, customer,
	(extract(epoch FROM at) * 1000000)::bigint, overrides, guest)
$$;
SELECT booking.book_slot(11201, 11201, 11201, '2026-03-02 09:00Z', 'h1') \g /dev/null
SELECT booking.book_slot(NULL, 11201, NULL, '2026-03-02 10:00Z', 'h2') \g /dev/null
SELECT booking.hold_slot(11201, 11201, 11201, '2026-03-02 11:00Z', NULL, 'h3') \g /dev/null
SELECT booking.hold_slot(11201, 11201, 11201, '2026-03-02 12:00Z', '5 minutes', 'h4') \g /dev/null
SELECT booking.book_slot(11201, 11201, 11201, '2026-03-02 20:10Z', 'h5', '{limits,hours,grid,hours}') \g /dev/null
SELECT booking.book_visit(11201, ARRAY[ROW(11202, 11201, '2026-03-03 09:30Z', NULL),
	ROW(NULL, 11201, '2026-03-03 09:00Z', 'Zoë ''=1')]::booking.visit_item[], 'h6') \g /dev/null
SELECT count(*) FROM booking.appointments WHERE idempotency_key ~ '^h[1-6]$';
SELECT a.idempotency_key, a.request_hash = test.hash(v.call) AS as_documented
FROM (VALUES
	('h1', E'book\n' || test.item('11201', 11201, '11201', '2026-03-02 09:00Z')), ('h2', E'book\n' || test.item('-', 11201, '-', '2026-03-02 10:00Z')),
	('h3', E'hold -1\n' || test.item('11201', 11201, '11201', '2026-03-02 11:00Z')), ('h4', E'hold 300000000\n' || test.item('11201', 11201, '11201', '2026-03-02 12:00Z')),
	('h5', E'book\n' || test.item('11201', 11201, '11201', '2026-03-02 20:10Z', 'hours,grid,limits')),
	('h6', E'visit 2\n' || test.item('11202', 11201, '11201', '2026-03-03 09:30Z') ||
		test.item('-', 11201, '11201', '2026-03-03 09:00Z', '-', octet_length(convert_to('Zoë ''=1', 'UTF8')) || ':Zoë ''=1'))
) v (key, call) JOIN booking.appointments a ON a.idempotency_key = v.key ORDER BY 1;
-- One value for good: a change of it would make conflicts of all repeated requests.
SELECT idempotency_key, request_hash FROM booking.appointments WHERE idempotency_key ~ '^h[1-6]$' ORDER BY 1;
-- No key, no hash.
SELECT id AS plain FROM booking.book_slot(11202, 11201, 11201, '2026-03-04 09:00Z') \gset
SELECT request_hash, key_shop_id, key_user_id FROM booking.appointments WHERE id = :plain;
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- Words of a refusal are not cut in two
-- ---------------------------------------------------------------------------

INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (11201, 11201, 11201, '2026-03-02 09:00Z', '2026-03-02 09:30Z');
ALTER TABLE booking.appointments DROP CONSTRAINT appointments_status;
CREATE FUNCTION test.detail(length int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	UPDATE booking.appointments SET status = 'x' || repeat('€', length) WHERE id = 11201;
	PERFORM booking.check_in(11201);
EXCEPTION WHEN SQLSTATE 'SL009' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END
$$;
SELECT n, test.detail(n) = 'Appointment 11201 is x' || repeat('€', n) || '.' AS whole FROM unnest(ARRAY[1, 161, 162, 163, 164, 1000, 20000]) n;
SELECT test.brief(format('SELECT booking.book_slot(11201, 11201, NULL, ''2026-03-02 10:00Z'', NULL, ARRAY[%L])', repeat('€', n))) FROM generate_series(32, 34) n;
SELECT left(test.brief(format('SELECT booking.book_slot(11201, 11201, NULL, ''2026-03-02 10:00Z'', %L)', repeat('€', n))), 60) FROM unnest(ARRAY[200, 201, 20000, 40000]) n;
ROLLBACK;
