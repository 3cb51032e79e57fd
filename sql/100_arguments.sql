--
-- Bad arguments: every function says 22004 for a NULL that means nothing, 22023
-- for a value that cannot be meant, P0002 for an id that is not there.  A line
-- "OK000 no error" below is an argument that must be accepted.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

INSERT INTO booking.shops (id, name, max_advance_days) VALUES (10001, 'Arguments', 3660);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (10001, 10001, 'Ari');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) VALUES (10001, 1, '09:00', '12:00');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (10001, 10001, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (10001, 10001);
INSERT INTO booking.users (id, email) VALUES (10001, 'u10001@example.org');

-- ---------------------------------------------------------------------------
-- Reads
-- ---------------------------------------------------------------------------

-- NULL: an error that names the argument, unless it has a meaning (the default).
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('available_slots(NULL, ''2026-03-02'')'),
	('available_slots(10001, NULL)'),
	('available_slots(10001, ''2026-03-02'', NULL, NULL)'),
	('next_slots(NULL)'),
	('next_slots(10001, NULL, NULL)'),
	('next_slots(10001, NULL, 1, NULL)'),
	('availability_by_day(NULL, ''2026-03-02'', ''2026-03-02'')'),
	('availability_by_day(10001, NULL, ''2026-03-02'')'),
	('availability_by_day(10001, ''2026-03-02'', NULL)'),
	('availability_by_day(10001, ''2026-03-02'', ''2026-03-02'', NULL)'),
	('free_time(NULL, ''2026-03-02'')'),
	('free_time(10001, NULL)'),
	('free_time(10001, ''2026-03-02'', NULL)'),
	('get_barber_availability(NULL, ''2026-03-02'')'),
	('get_barber_availability(10001, NULL)'),
	('check_slot(NULL, 10001, ''2026-03-02 09:00Z'')'),
	('check_slot(10001, NULL, ''2026-03-02 09:00Z'')'),
	('check_slot(10001, 10001, NULL)'),
	('active_services(NULL)'),
	('active_barbers(NULL)'),
	('active_barbers(10001, NULL)'),
	('user_appointments(NULL)'),
	('user_appointments(10001, NULL)')
) v (call);

-- Dates and times: infinite, reversed, more than 366 days, beyond the years 1 to 9999.  A leap year's 366 are allowed.
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('available_slots(10001, ''infinity'')'),
	('available_slots(10001, ''-infinity'', ''infinity'')'),
	('available_slots(10001, ''2026-03-02'', ''infinity'')'),
	('available_slots(10001, ''2026-03-02'', ''2026-03-01'')'),
	('available_slots(10001, ''2028-01-01'', ''2028-12-31'')'),
	('available_slots(10001, ''2026-01-01'', ''2027-01-01'')'),
	('available_slots(10001, ''2026-01-01'', ''2027-01-02'')'),
	('available_slots(10001, ''0001-01-01'', ''0001-12-31'')'),
	('available_slots(10001, ''0001-12-31 BC'')'),
	('available_slots(10001, ''9999-12-31'')'),
	('available_slots(10001, ''10000-01-01'')'),
	('available_slots(10001, ''9999-12-31'', ''10000-01-01'')'),
	('available_slots(10001, ''5874897-12-31'')'),
	('availability_by_day(10001, ''2026-03-02'', ''infinity'')'),
	('availability_by_day(10001, ''2026-03-02'', ''2026-03-01'')'),
	('availability_by_day(10001, ''2026-01-01'', ''2027-01-02'')'),
	('free_time(10001, ''-infinity'')'),
	('free_time(10001, ''2026-03-02'', ''2026-03-01'')'),
	('free_time(10001, ''2026-01-01'', ''2027-01-02'')'),
	('free_time(10001, ''0001-01-01'')'),
	('free_time(10001, ''9999-12-31'')'),
	('get_barber_availability(10001, ''infinity'')'),
	('get_barber_availability(10001, ''10000-01-01'')'),
	('next_slots(10001, ''infinity'')'),
	('next_slots(10001, ''-infinity'')'),
	('next_slots(10001, ''4713-01-01 00:00 BC'')'),
	('next_slots(10001, ''294276-12-31 23:59Z'')'),
	('check_slot(10001, 10001, ''infinity'')'),
	('check_slot(10001, 10001, ''-infinity'')')
) v (call);
-- Instants at the ends of the calendar are ordinary refusals.
SELECT available, reason FROM booking.check_slot(10001, 10001, '294276-12-31 23:59:59Z');
SELECT available, reason FROM booking.check_slot(10001, 10001, '4713-01-01 00:00 BC');

-- How many: 1 to 10000.
SELECT v.n, test.brief(format('SELECT * FROM booking.next_slots(10001, NULL, %s)', v.n))
FROM (VALUES ('0'), ('-1'), ('1'), ('10000'), ('10001'), ('2147483647'), ('-2147483648')) v (n);

-- Ids that are not there.
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('available_slots(10999, ''2026-03-02'')'),
	('available_slots(10001, ''2026-03-02'', NULL, 10999)'),
	('available_slots(0, ''2026-03-02'')'),
	('available_slots(-9223372036854775808, ''2026-03-02'')'),
	('available_slots(9223372036854775807, ''2026-03-02'')'),
	('next_slots(10999)'),
	('next_slots(10001, NULL, 1, 10999)'),
	('availability_by_day(10999, ''2026-03-02'', ''2026-03-02'')'),
	('free_time(10999, ''2026-03-02'')'),
	('get_barber_availability(10999, ''2026-03-02'')'),
	('active_services(10999)'),
	('active_barbers(10999)'),
	('active_barbers(10001, 10999)'),
	('user_appointments(10999)')
) v (call);

-- Each kind of error in full: what was wrong, and what to do.
SELECT test.error('SELECT * FROM booking.available_slots(NULL, ''2026-03-02'')');
SELECT test.error('SELECT * FROM booking.available_slots(10001, ''infinity'')');
SELECT test.error('SELECT * FROM booking.available_slots(10001, ''2026-03-02'', ''2026-03-01'')');
SELECT test.error('SELECT * FROM booking.available_slots(10001, ''2026-01-01'', ''2027-01-02'')');
SELECT test.error('SELECT * FROM booking.next_slots(10001, ''infinity'')');
SELECT test.error('SELECT * FROM booking.next_slots(10001, NULL, 0)');
SELECT test.error('SELECT * FROM booking.available_slots(10999, ''2026-03-02'')');
SELECT test.error('SELECT * FROM booking.free_time(10999, ''2026-03-02'')');
SELECT test.error('SELECT * FROM booking.user_appointments(10999)');
-- A set-returning function where no set can be.
SELECT test.brief('SELECT * FROM booking.shops WHERE booking.free_time(10001, ''2026-03-02'') IS NULL');

-- ---------------------------------------------------------------------------
-- Writes
-- ---------------------------------------------------------------------------

-- try_book_slot raises for a bad argument and for nothing else; book_slot has the same arguments.
SELECT v.arguments, test.brief('SELECT * FROM booking.book_slot(' || v.arguments || ')') AS book_slot,
	test.brief('SELECT * FROM booking.try_book_slot(' || v.arguments || ')') AS try_book_slot
FROM (VALUES
	('NULL, 10001, 10001, ''2026-03-02 09:00Z'''),
	('10001, NULL, 10001, ''2026-03-02 09:00Z'''),
	('10001, 10001, NULL, ''2026-03-02 09:00Z'''),
	('10001, 10001, 10001, NULL'),
	('10001, 10001, 10001, ''infinity'''),
	('10001, 10001, 10001, ''-infinity'''),
	('10001, 10001, 10001, ''294276-12-31 23:59:59Z'''),
	('10001, 10001, 10001, ''4713-01-01 00:00 BC'''),
	('10999, 10001, 10001, ''2026-03-02 09:00Z'''),
	('10001, 10999, 10001, ''2026-03-02 09:00Z'''),
	('10001, 10001, 10999, ''2026-03-02 09:00Z'''),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', NULL'),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', '''''),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', repeat(''k'', 200)'),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', repeat(chr(228), 200)'),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', repeat(''k'', 201)'),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', repeat(''k'', 100000)'),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', NULL, ''{}'''),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', NULL, ''{hours,notice,grid,horizon,limits,window}'''),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', NULL, ''{{hours,grid},{grid,limits}}'''),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', NULL, ''{overlap}'''),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', NULL, ''{hours,Hours}'''),
	('10001, 10001, 10001, ''2026-03-02 09:00Z'', NULL, ''{NULL}'''),
	('NULL, 10999, 10001, ''2026-03-02 09:00Z'''),
	('NULL, 10001, 10999, ''2026-03-02 09:00Z''')
) v (arguments);
SELECT reason FROM booking.try_book_slot(10001, 10001, 10001, '294276-12-31 23:59:59Z');
SELECT reason FROM booking.try_book_slot(10001, 10001, 10001, '4713-01-01 00:00 BC');
SELECT reason FROM booking.try_book_slot(10999, 10001, 10001, '2026-03-02 09:00Z');
SELECT reason FROM booking.try_book_slot(10001, 10001, 10999, '2026-03-02 09:00Z');
SELECT test.error('SELECT booking.book_slot(10001, 10001, NULL, NULL)');
SELECT test.error('SELECT booking.book_slot(10001, 10001, NULL, ''2026-03-02 09:00Z'', repeat(''k'', 201))');
SELECT test.error('SELECT booking.book_slot(10001, 10001, 10999, ''2026-03-02 09:00Z'')');
SELECT test.error('SELECT booking.book_slot(10001, 10001, NULL, ''2026-03-02 09:00Z'', NULL, ''{overlap}'')');
-- An appointment to be moved has to be there.
SELECT test.error('SELECT * FROM booking.available_slots(10001, ''2026-03-02'', NULL, NULL, 10999)');

-- A key is text and nothing else: quotes, statements, line ends and percent signs are stored and found as they are.
SELECT n, length(k) AS length, (b1).id = (b2).id AS same_appointment
FROM unnest(ARRAY[E'O\'Hara"s', E'\'; DROP TABLE booking.appointments; --', E'two\nlines\ttab', '%s%n%d', '$1', E'\\', ' ', 'schl' || chr(252) || 'ssel', 'NULL'])
	WITH ORDINALITY u (k, n),
	LATERAL (SELECT booking.book_slot(10001, 10001, 10001, timestamptz '2026-03-02 09:00Z' + n * interval '7 days', k) AS b1) one,
	LATERAL (SELECT booking.book_slot(10001, 10001, 10001, timestamptz '2026-03-02 09:00Z' + n * interval '7 days', k) AS b2) two
ORDER BY n;
SELECT count(*), count(DISTINCT idempotency_key) FROM booking.appointments WHERE barber_id = 10001;

-- Cancelling: the reason is text too.
SELECT v.arguments, test.brief('SELECT * FROM booking.cancel_appointment(' || v.arguments || ')')
FROM (VALUES ('NULL'), ('NULL, ''reason'''), ('0'), ('-1'), ('9223372036854775807')) v (arguments);
SELECT test.error('SELECT booking.cancel_appointment(NULL)');
SELECT test.error('SELECT booking.cancel_appointment(10999)');
SELECT status FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE idempotency_key = '$1'),
	E'\'); DELETE FROM booking.users; --');
SELECT cancel_reason FROM booking.appointments WHERE idempotency_key = '$1';

-- ---------------------------------------------------------------------------
-- ensure_user
-- ---------------------------------------------------------------------------

SELECT left(v.email, 40) AS email, length(v.email), test.brief(format('SELECT booking.ensure_user(%L)', v.email))
FROM (VALUES (NULL), (''), (' '), ('ann'), ('@'), ('ann@'), ('@example.org'), ('a@b@c'), ('a b@example.org'), (E'a@example.org\nb'),
	(E'a\t@example.org'), ('Ann <ann@example.org>'), ('x@example.org; DELETE FROM booking.users'), (repeat('a', 243) || '@example.org'),
	(repeat('a', 100000) || '@example.org'), ('o''hara@example.org'), ('"; --@example.org'), ('x''||pg_sleep(9)||''@example.org'),
	('$1@example.org')) v (email);
SELECT test.error('SELECT booking.ensure_user(NULL)');
SELECT test.error('SELECT booking.ensure_user(''ann'')');
-- The same address in any letters, with spaces around it, is the same user, whose name and phone stay.
SELECT booking.ensure_user('New@Example.org', 'New', '555-1') AS id \gset
SELECT booking.ensure_user('nEW@eXAMPLE.ORG', 'Other', '555-2') = :id AS same, booking.ensure_user('  new@example.org ') = :id AS trimmed;
SELECT email, name, phone, is_active FROM booking.users WHERE id = :id;
-- Name and phone are text, and may be missing.
SELECT booking.ensure_user('bobby@example.org', E'Robert\'); DROP TABLE booking.users; --', NULL) AS bobby \gset
SELECT email, name, phone FROM booking.users WHERE id = :bobby;
-- An inactive account of that address is left alone, and another one made.
UPDATE booking.users SET is_active = false WHERE id = :id;
SELECT booking.ensure_user('new@example.org') <> :id AS another;
SELECT email, name, is_active FROM booking.users WHERE lower(email) = 'new@example.org' ORDER BY id;
-- Called twice in one statement it makes one user.
SELECT count(DISTINCT booking.ensure_user('twice@example.org')) FROM generate_series(1, 5);

ROLLBACK;
