--
-- Tables, columns and indexes that are not as setup() makes them.
--
-- They are the owner's, who may alter them.  Every column that C reads, returns
-- or writes, and every index that it trusts, is made wrong once here, in each way
-- that a definition can be wrong.  Every public function must then answer as
-- before, or raise an error that names what is wrong.  If this breaks, an ALTER
-- TABLE crashes the server, shows foreign memory as text, or lets two customers
-- book one chair.
--
-- Open Monday to Friday 09:00 to 17:00 UTC.  It is Sunday 2026-03-01, noon.
--
-- expire_holds() warns of what it passes over
SET client_min_messages = error;
\pset format unaligned
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';

BEGIN;
INSERT INTO booking.shops (id, name, time_zone, max_active_per_user, prevent_user_overlap, slot_interval_minutes)
VALUES (27001, 'Corner', 'UTC', 20, true, 60);
INSERT INTO booking.barbers (id, shop_id, name, max_per_day) VALUES (27001, 27001, 'Ann', 9), (27002, 27001, 'Bob', NULL);
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_after_minutes, slot_interval_minutes, capacity, price_cents) VALUES
	(27001, 27001, 'Cut', 30, 10, NULL, 1, 3000), (27002, 27001, 'Class', 60, 0, 30, 3, 1000), (27003, 27001, 'Perm', 90, 0, NULL, 1, 9000);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (27003, 1, 30, 30), (27003, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes, price_cents) VALUES
	(27001, 27001, 40, 3500), (27001, 27002, NULL, NULL), (27001, 27003, NULL, NULL), (27002, 27001, NULL, NULL);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '17:00' FROM generate_series(27001, 27002) b, generate_series(1, 5) n;
INSERT INTO booking.schedule_overrides (barber_id, shop_id, on_date, opens, closes) VALUES
	(27001, NULL, '2026-03-03', '10:00', '12:00'), (NULL, 27001, '2026-03-04', NULL, NULL);
INSERT INTO booking.time_off (barber_id, shop_id, starts_at, ends_at) VALUES
	(27001, NULL, '2026-03-05 09:00Z', '2026-03-05 13:00Z'), (NULL, 27001, '2026-03-06 09:00Z', '2026-03-06 12:00Z');
INSERT INTO booking.users (id, email, name) VALUES (27001, 'a27001@example.org', 'Abe'), (27002, 'b27002@example.org', NULL);
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, cancelled_at, idempotency_key) VALUES
	(27001, 27001, 27001, 27001, '2026-03-02 10:00Z', '2026-03-02 10:40Z', 'confirmed', NULL, NULL, NULL),
	(27002, 27001, 27001, 27002, '2026-03-02 11:00Z', '2026-03-02 11:40Z', 'pending', '2026-03-01 13:00Z', NULL, NULL),
	(27003, 27001, 27001, 27001, '2026-03-02 12:00Z', '2026-03-02 12:40Z', 'cancelled', NULL, '2026-03-01 11:00Z', NULL),
	(27004, 27001, 27002, 27002, '2026-03-02 13:00Z', '2026-03-02 14:00Z', 'confirmed', NULL, NULL, NULL),
	(27005, 27001, 27001, 27001, '2026-03-01 11:30Z', '2026-03-01 12:10Z', 'checked_in', NULL, NULL, NULL),
	(27006, 27001, 27001, 27001, '2026-03-01 10:30Z', '2026-03-01 11:10Z', 'confirmed', NULL, NULL, NULL);
SELECT starts_at FROM booking.book_slot(27001, 27001, 27001, '2026-03-02 15:00Z', 'key27001');
INSERT INTO booking.waitlist (id, user_id, service_id, earliest, latest) VALUES (27001, 27002, 27001, '2026-03-02 09:00Z', '2026-03-02 11:00Z');

-- Every public function, in SQL that gives one text, without new ids.
CREATE TABLE test.calls (name text, statement text);
INSERT INTO test.calls VALUES
	('available_slots', 'SELECT string_agg(s::text, '' '') FROM booking.available_slots(27001, ''2026-03-01'', ''2026-03-09'') s'),
	('available_slots', 'SELECT string_agg(s::text, '' '') FROM booking.available_slots(27002, ''2026-03-01'', ''2026-03-09'', 27001) s'),
	('available_slots', 'SELECT string_agg(s::text, '' '') FROM booking.available_slots(27003, ''2026-03-01'', ''2026-03-09'') s'),
	('next_slots', 'SELECT string_agg(s::text, '' '') FROM booking.next_slots(27001, how_many => 5) s'),
	('availability_by_day', 'SELECT string_agg(s::text, '' '') FROM booking.availability_by_day(27001, ''2026-03-01'', ''2026-03-09'') s'),
	('available_visits', 'SELECT md5(string_agg(s::text, '' '')) FROM booking.available_visits(ARRAY[27001, 27003], ''2026-03-02'', ''2026-03-03'') s'),
	('free_time', 'SELECT string_agg(s::text, '' '') FROM booking.free_time(27001, ''2026-03-01'', ''2026-03-09'') s'),
	('board', 'SELECT string_agg(s::text, '' '') FROM booking.get_barber_availability(27001, ''2026-03-02'') s'),
	('check_slot', 'SELECT s::text FROM booking.check_slot(27001, 27001, ''2026-03-02 12:00Z'') s'),
	('active_services', 'SELECT string_agg(s::text, '' '') FROM booking.active_services(27001) s'),
	('active_barbers', 'SELECT string_agg(s::text, '' '') FROM booking.active_barbers(27001) s'),
	('active_barbers', 'SELECT string_agg(s::text, '' '') FROM booking.active_barbers(27001, 27001) s'),
	('user_appointments', 'SELECT string_agg((s.starts_at, s.barber_name, s.service_name, s.shop_name, s.currency)::text, '' '') FROM booking.user_appointments(27001) s'),
	('at_risk', 'SELECT string_agg((s.starts_at, s.reason)::text, '' '') FROM booking.appointments_at_risk(27001) s'),
	('business_metrics', 'SELECT string_agg(s::text, '' '') FROM booking.business_metrics(27001, ''2026-03-02'', ''2026-03-03'') s'),
	('book_slot', 'SELECT (s.starts_at, s.ends_at, s.status)::text FROM booking.book_slot(27001, 27001, 27002, ''2026-03-02 12:00Z'') s'),
	('book_slot taken', 'SELECT (s.starts_at, s.ends_at, s.status)::text FROM booking.book_slot(27001, 27001, 27002, ''2026-03-02 10:00Z'') s'),
	('book_slot key', 'SELECT (s.starts_at, s.ends_at, s.status)::text FROM booking.book_slot(27001, 27001, 27001, ''2026-03-02 15:00Z'', ''key27001'') s'),
	('book_slot class', 'SELECT (s.starts_at, s.ends_at, s.status)::text FROM booking.book_slot(27001, 27002, 27001, ''2026-03-02 13:00Z'') s'),
	('book_slot steps', 'SELECT (s.starts_at, s.ends_at, s.status)::text FROM booking.book_slot(27001, 27003, 27002, ''2026-03-10 09:00Z'') s'),
	('try_book_slot', 'SELECT s.reason FROM booking.try_book_slot(NULL, 27001, 27002, ''2026-03-02 10:00Z'') s'),
	('hold_slot', 'SELECT (s.starts_at, s.ends_at, s.status, s.hold_expires_at)::text FROM booking.hold_slot(27001, 27001, 27002, ''2026-03-02 09:00Z'') s'),
	('book_visit', 'SELECT string_agg((s.starts_at, s.status)::text, '' '') FROM booking.book_visit(27001, ARRAY[(27001, 27001, ''2026-03-10 09:00Z'', NULL), (27001, 27003, ''2026-03-10 10:00Z'', NULL)]::booking.visit_item[]) s'),
	('book_series', 'SELECT string_agg((s.occurrence, s.starts_at, s.reason)::text, '' '') FROM booking.book_series(27001, 27001, 27001, ''2026-03-10 09:00Z'', ''1 week'', 2) s'),
	('confirm', 'SELECT (s.starts_at, s.status)::text FROM booking.confirm_appointment(27002) s'),
	('decline', 'SELECT (s.starts_at, s.status)::text FROM booking.decline_appointment(27002) s'),
	('cancel', 'SELECT (s.starts_at, s.status)::text FROM booking.cancel_appointment(27001) s'),
	('reschedule', 'SELECT (s.starts_at, s.status)::text FROM booking.reschedule_appointment(27001, ''2026-03-02 12:00Z'') s'),
	('check_in', 'SELECT (s.starts_at, s.status)::text FROM booking.check_in(27006) s'),
	('complete', 'SELECT (s.starts_at, s.status)::text FROM booking.complete_appointment(27005) s'),
	('no_show', 'SELECT (s.starts_at, s.status)::text FROM booking.mark_no_show(27006) s'),
	('expire_holds', 'SELECT booking.expire_holds()::text'),
	('join_waitlist', 'SELECT (booking.join_waitlist(27001, 27001, ''2026-03-02 09:00Z'', ''2026-03-02 18:00Z'') > 0)::text'),
	('join again', 'SELECT booking.join_waitlist(27002, 27001, ''2026-03-02 09:00Z'', ''2026-03-02 11:00Z'')::text'),
	('leave_waitlist', 'SELECT booking.leave_waitlist(27001)::text'),
	('ensure_user', 'SELECT booking.ensure_user(''A27001@example.org'')::text'),
	('ensure_user new', 'SELECT (booking.ensure_user(''n27001@example.org'', ''New'') > 0)::text'),
	('insert taken', 'INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (27901, 27001, 27001, ''2026-03-02 10:30Z'', ''2026-03-02 11:00Z'') RETURNING ''stored'''),
	('insert free', 'INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at) VALUES (27901, 27001, 27001, ''2026-03-02 12:00Z'', ''2026-03-02 12:30Z'') RETURNING ''stored'''),
	('update', 'UPDATE booking.appointments SET notes = NULL RETURNING ''stored''');

CREATE FUNCTION test.answer(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	more text;
BEGIN
	EXECUTE statement INTO result;
	RAISE SQLSTATE 'OK000';
EXCEPTION
	WHEN SQLSTATE 'OK000' THEN
		RETURN 'answer: ' || coalesce(result, 'none');
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS more = PG_EXCEPTION_DETAIL;
		RETURN concat_ws(' ', SQLSTATE, SQLERRM, more);
END
$$;

-- As everything should be
CREATE TABLE test.as_made AS
SELECT row_number() OVER () AS n, name, statement, test.answer(statement) AS answer FROM test.calls;
SELECT name, left(answer, 110) AS answer FROM test.as_made ORDER BY n;

-- How many functions answer as before when something is wrong, and how many raise an error with these words in it.  other: all that do neither.
CREATE FUNCTION test.with_fault(fault text, VARIADIC words text[]) RETURNS TABLE (same bigint, named bigint, other text) LANGUAGE plpgsql AS $$
DECLARE
	replies text[];
BEGIN
	BEGIN
		EXECUTE fault;
		-- as a query: a function's own search must not be planned before the fault
		SELECT array_agg(test.answer(m.statement) ORDER BY m.n) INTO replies FROM test.as_made m;
		RAISE SQLSTATE 'OK000';
	EXCEPTION
		WHEN SQLSTATE 'OK000' THEN
		WHEN OTHERS THEN
			RETURN QUERY SELECT 0::bigint, 0::bigint, 'cannot be made wrong: ' || SQLERRM;
			RETURN;
	END;
	RETURN QUERY
		SELECT count(*) FILTER (WHERE r.reply = m.answer), count(*) FILTER (WHERE r.reply <> m.answer AND names_it),
			string_agg(m.name || ': ' || r.reply, E'\n' ORDER BY m.n) FILTER (WHERE r.reply <> m.answer AND NOT names_it)
		FROM test.as_made m JOIN unnest(replies) WITH ORDINALITY r (reply, n) USING (n),
			LATERAL (SELECT r.reply !~ '^answer' AND (bool_and(strpos(r.reply, w) > 0) OR r.reply ~ '^428C9') AS names_it FROM unnest(words) w) x;	-- the server's own words
END
$$;
SELECT * FROM test.with_fault('SELECT 1', 'nothing');

-- ---------------------------------------------------------------------------
-- Columns
-- ---------------------------------------------------------------------------

CREATE TABLE test.columns AS
SELECT a.attrelid::regclass AS rel, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS is_needed, a.attidentity <> '' AS is_identity,
	i.indexrelid IS NOT NULL AS is_key, p.ordinality AS table_number, a.attnum
FROM booking.schema_parts() WITH ORDINALITY p JOIN pg_attribute a ON a.attrelid = to_regclass('booking.' || p.name)
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)
WHERE p.kind = 'table' AND a.attnum > 0 AND NOT a.attisdropped;

-- Drops what keeps a column as it is, but for keys.
CREATE FUNCTION test.free_column(c test.columns) RETURNS text LANGUAGE sql AS $$
SELECT concat_ws('; ', CASE WHEN c.is_identity THEN format('ALTER TABLE %s ALTER %I DROP IDENTITY', c.rel, c.name) END,
	format('ALTER TABLE %s ALTER %I DROP DEFAULT', c.rel, c.name),
	(SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I', c.rel, k.conname), '; ') FROM pg_constraint k
		WHERE k.conrelid = c.rel AND k.contype = 'c' AND c.attnum = ANY (k.conkey)),
	(SELECT string_agg('DROP INDEX ' || i.indexrelid::regclass, '; ') FROM pg_index i
		WHERE i.indrelid = c.rel AND NOT i.indisprimary AND pg_get_indexdef(i.indexrelid) ~ ('\m' || c.name || '\M')))
$$;
-- What becomes of a fault in each column.  refused: some function raises an error that names it; read_by_none: all answer as before.  Both lists
-- are in the tables' order; what answers otherwise is wrong, and shown by itself.
CREATE FUNCTION test.with_faults(fault text) RETURNS TABLE (rel regclass, refused text, read_by_none text, wrong text) LANGUAGE sql AS $$
WITH found AS MATERIALIZED (
	SELECT c.*, f.*
	FROM test.columns c CROSS JOIN LATERAL (SELECT CASE fault
		WHEN 'type' THEN concat_ws('; ', test.free_column(c), format('ALTER TABLE %s ALTER %I TYPE %s', c.rel, c.name, CASE c.type
			WHEN 'bigint' THEN format('int USING CASE WHEN abs(%I) < 99999 THEN %1$I END', c.name)
			WHEN 'text' THEN 'int USING 400'
			WHEN 'boolean' THEN format('int USING %I::int', c.name)
			ELSE format('text USING %I::text', c.name) END))
		WHEN 'domain' THEN concat_ws('; ', test.free_column(c), format('CREATE DOMAIN test.d AS %s; ALTER TABLE %s ALTER %I TYPE test.d', c.type, c.rel, c.name))
		WHEN 'dropped' THEN format('ALTER TABLE %s DROP COLUMN %I CASCADE', c.rel, c.name)
		WHEN 'generated' THEN CASE WHEN NOT c.is_key THEN format('ALTER TABLE %1$s RENAME %2$I TO old; ALTER TABLE %1$s ADD %2$I %3$s GENERATED ALWAYS AS (old) STORED', c.rel, c.name, c.type) END
		WHEN 'null' THEN CASE WHEN c.is_needed AND c.name <> 'email' THEN concat_ws('; ', CASE WHEN c.is_identity THEN format('ALTER TABLE %s ALTER %I DROP IDENTITY', c.rel, c.name) END,
			CASE WHEN c.is_key THEN (SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', k.conrelid::regclass, k.conname) FROM pg_constraint k WHERE k.conrelid = c.rel AND k.contype = 'p') END,
			format('ALTER TABLE %s ALTER %I DROP NOT NULL; SET LOCAL session_replication_role = replica; UPDATE %1$s SET %2$I = NULL; SET LOCAL session_replication_role = origin', c.rel, c.name)) END
		END AS statement) s
	CROSS JOIN LATERAL test.with_fault(s.statement, format('"%s"', c.name), split_part(c.rel::text, '.', 2)) f
	WHERE s.statement IS NOT NULL
)
SELECT rel, string_agg(name, ' ' ORDER BY attnum) FILTER (WHERE named > 0 AND other IS NULL),
	string_agg(name, ' ' ORDER BY attnum) FILTER (WHERE named = 0 AND other IS NULL),
	string_agg(name || ': ' || other, E'\n' ORDER BY attnum)
FROM found GROUP BY rel, table_number ORDER BY table_number
$$;

-- Another type, so that what is stored would be read as something else
SELECT * FROM test.with_faults('type');
-- A domain over the type itself: its CHECKs would bind what C writes around the executor.
SELECT * FROM test.with_faults('domain');
SELECT * FROM test.with_faults('dropped');
SELECT * FROM test.with_faults('generated');
-- NULL in every row
SELECT * FROM test.with_faults('null');

-- A collation by which different texts are equal, where the server has one: C compares bytes.
SELECT bool_and(f.named > 0 AND f.other IS NULL OR f.other ~ 'cannot be made wrong: ICU is not supported') AS named
FROM (VALUES ('appointments', 'status', '"status"'), ('appointments', 'idempotency_key', '"idempotency_key"'), ('waitlist', 'status', '"status"')) c (rel, name, word), LATERAL test.with_fault(format(
	'CREATE COLLATION test.same (provider = icu, locale = ''und-u-ks-level2'', deterministic = false); ALTER TABLE booking.%I ALTER %I TYPE text COLLATE test.same', c.rel, c.name), c.word) f;
-- The type as it was, but for its length: harmless.
SELECT * FROM test.with_fault('ALTER TABLE booking.shops DROP CONSTRAINT shops_currency_check, ALTER currency TYPE char(7)', 'currency');
SELECT * FROM test.with_fault('ALTER TABLE booking.appointments ALTER busy_from TYPE timestamptz(0), ALTER ends_at TYPE timestamptz(3)', 'busy_from');

-- ---------------------------------------------------------------------------
-- CHECKs
-- ---------------------------------------------------------------------------

-- Each CHECK of appointments that an index relies on is gone, or need not hold for old rows.
SELECT f.* FROM unnest(ARRAY['appointments_busy', 'appointments_hold']) n, LATERAL (
	SELECT * FROM test.with_fault(format('ALTER TABLE booking.appointments DROP CONSTRAINT %I', n), n)
	UNION ALL SELECT * FROM test.with_fault((SELECT format('ALTER TABLE booking.appointments DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I %2$s NOT VALID', n, pg_get_constraintdef(oid))
		FROM pg_constraint WHERE conrelid = 'booking.appointments'::regclass AND conname = n), n)) f;
-- One of its name says something else.
SELECT f.* FROM (VALUES ('appointments_busy', 'busy_from <= starts_at AND ends_at <= busy_until AND busy_until - busy_from <= interval ''30 days'''), ('appointments_hold', 'true')) c (name, says),
	LATERAL test.with_fault(format('ALTER TABLE booking.appointments DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I CHECK (%2$s)', c.name, c.says), c.name) f;
-- The caller's settings change neither what it says nor how it is read.
SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL search_path = test, pg_catalog;
SELECT booking.check_tables();
RESET intervalstyle;
RESET search_path;
-- A child table, whose rows SQL would read and no trigger guards.
SELECT p.name, f.named > 0 AS named, f.other FROM booking.schema_parts() p, LATERAL test.with_fault(format('CREATE TABLE test.child () INHERITS (booking.%I)', p.name), 'booking.' || p.name) f
WHERE p.kind = 'table';
-- A type of the extension's own, which its owner alone may alter.
SELECT t.name, f.named > 0 AS named, f.other FROM (VALUES ('slot', 'ADD ATTRIBUTE note text'), ('slot', 'ALTER ATTRIBUTE starts_at TYPE text'), ('slot', 'DROP ATTRIBUTE seats_left'), ('appointment', 'ALTER ATTRIBUTE id TYPE text'),
	('day_entry', 'ADD ATTRIBUTE note text'), ('time_span', 'ADD ATTRIBUTE note text'), ('visit_item', 'ALTER ATTRIBUTE starts_at TYPE text'), ('visit_slot', 'ALTER ATTRIBUTE items TYPE text')) t (name, change),
	LATERAL test.with_fault(format('ALTER TYPE booking.%I %s CASCADE', t.name, t.change), 'booking.' || t.name) f;

-- Values that a CHECK forbids, in every row: the table lost it, or was filled around it.
CREATE FUNCTION test.with_value(rel regclass, attribute name, value text) RETURNS TABLE (same bigint, named bigint, other text) LANGUAGE sql AS $$
SELECT * FROM test.with_fault(concat_ws('; ',
	(SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I', rel, k.conname), '; ' ORDER BY k.conname) FROM pg_constraint k
		JOIN pg_attribute a ON a.attrelid = rel AND a.attname = attribute
		WHERE k.conrelid = rel AND k.contype = 'c' AND a.attnum = ANY (k.conkey) AND k.conname NOT IN ('appointments_busy', 'appointments_hold')),
	'SET LOCAL session_replication_role = replica',
	format('UPDATE %s SET %I = %s', rel, attribute, value), 'SET LOCAL session_replication_role = origin'), format('"%s"', attribute))
$$;
CREATE TABLE test.forbidden (rel text, attribute text, vals text[]);
INSERT INTO test.forbidden VALUES
	('shops', 'name', ARRAY['''''']), ('shops', 'time_zone', ARRAY['''Nowhere''', '''''']), ('shops', 'currency', ARRAY['''x''']),
	('shops', 'slot_interval_minutes', ARRAY['0', '-5', '-2147483648', '1441']), ('shops', 'slot_anchor', ARRAY['''noon''']),
	('shops', 'min_notice_minutes', ARRAY['-1', '2147483647']), ('shops', 'max_advance_days', ARRAY['-1', '2147483647']),
	('shops', 'hold_minutes', ARRAY['0', '2147483647']), ('shops', 'cancellation_window_minutes', ARRAY['-1']),
	('shops', 'waitlist_hold_minutes', ARRAY['0', '-5']), ('shops', 'waitlist_grace_minutes', ARRAY['-1', '1441']),
	('shops', 'answer_within_minutes', ARRAY['0', '2147483647']), ('shops', 'max_active_per_user', ARRAY['0', '-1']), ('shops', 'max_pending_per_user', ARRAY['0', '-1']), ('shops', 'assignment', ARRAY['''none''']),
	('barbers', 'name', ARRAY['''''']), ('barbers', 'max_per_day', ARRAY['0', '-1']),
	('services', 'name', ARRAY['''''']), ('services', 'duration_minutes', ARRAY['0', '-30', '1441', '2147483647']),
	('services', 'buffer_before_minutes', ARRAY['-1', '2147483647']), ('services', 'buffer_after_minutes', ARRAY['-1', '2147483647']),
	('services', 'slot_interval_minutes', ARRAY['0', '-5', '2147483647']), ('services', 'min_notice_minutes', ARRAY['-1']),
	('services', 'capacity', ARRAY['0', '-1', '100001']), ('services', 'price_cents', ARRAY['-1', '9223372036854775807']),
	('service_steps', 'position', ARRAY['-position']), ('service_steps', 'work_minutes', ARRAY['0', '-30', '2147483647']), ('service_steps', 'gap_minutes', ARRAY['-1', '2147483647']),
	('barber_services', 'duration_minutes', ARRAY['0', '-40', '2147483647']), ('barber_services', 'price_cents', ARRAY['-1', '1000000000001']),
	('working_hours', 'weekday', ARRAY['0', '-1', '8', '2147483647']), ('working_hours', 'opens', ARRAY['''24:00''', 'closes']), ('working_hours', 'valid_until', ARRAY['valid_from']),
	('schedule_overrides', 'on_date', ARRAY['''infinity''', '''-infinity''']), ('schedule_overrides', 'opens', ARRAY['NULL', '''24:00''', 'closes']),
	('schedule_overrides', 'closes', ARRAY['NULL']), ('schedule_overrides', 'barber_id', ARRAY['27001', 'NULL']),
	('time_off', 'ends_at', ARRAY['starts_at', '''-infinity''']), ('time_off', 'shop_id', ARRAY['27001']),
	('appointments', 'status', ARRAY['CASE WHEN hold_expires_at IS NULL THEN ''maybe'' ELSE status END']), ('appointments', 'ends_at', ARRAY['starts_at']), ('appointments', 'starts_at', ARRAY['''infinity''']),
	('appointments', 'cancelled_at', ARRAY['now()']), ('appointments', 'cancelled_by', ARRAY['''nobody''']), ('appointments', 'part_of', ARRAY['id']),
	('appointments', 'price_cents', ARRAY['-1']), ('appointments', 'idempotency_key', ARRAY['CASE WHEN idempotency_key <> '''' THEN '''' END']),
	('waitlist', 'earliest', ARRAY['''infinity''', '''-infinity''']), ('waitlist', 'latest', ARRAY['''infinity''', 'earliest']), ('waitlist', 'status', ARRAY['''maybe''']);
-- outcome: an error names the column; all answer as before; or, where the value has no sense and does no harm, who answers otherwise.
SELECT rel, attribute, value, CASE WHEN f.other IS NULL AND f.named > 0 THEN 'named' WHEN f.other IS NULL THEN 'as before' ELSE
	(SELECT string_agg(DISTINCT regexp_replace(line, '^([^:]*): (answer|\w+).*', '\1: \2'), ', ') FROM regexp_split_to_table(f.other, E'\n') line) END AS outcome
FROM test.forbidden, unnest(vals) value, LATERAL test.with_value(('booking.' || rel)::regclass, attribute, value) f;

-- ---------------------------------------------------------------------------
-- Keys and indexes
-- ---------------------------------------------------------------------------

-- A primary key that is gone: appointments are told apart by theirs.  Then with every row twice.
SELECT p.name, f.* FROM booking.schema_parts() p, LATERAL test.with_fault((SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)
	FROM pg_constraint WHERE conrelid = to_regclass('booking.' || p.name) AND contype = 'p'), p.name) f
WHERE p.kind = 'table' AND (f.named > 0 OR f.other IS NOT NULL);
SELECT p.name, f.named > 0 AS named, f.other FROM unnest(ARRAY['shops', 'barbers', 'services', 'appointments']) p (name), LATERAL test.with_fault((SELECT format(
	'ALTER TABLE %1$s DROP CONSTRAINT %2$I CASCADE; SET LOCAL session_replication_role = replica; INSERT INTO %1$s OVERRIDING SYSTEM VALUE SELECT * FROM %1$s WHERE id BETWEEN 27000 AND 27006 %3$s; SET LOCAL session_replication_role = origin',
	conrelid::regclass, conname, CASE p.name WHEN 'appointments' THEN 'AND idempotency_key IS NULL' END) FROM pg_constraint WHERE conrelid = ('booking.' || p.name)::regclass AND contype = 'p'), 'booking.' || p.name) f;

-- Operator classes that order the other way round
CREATE FUNCTION test.backwards(bigint, bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint8cmp($2, $1)';
CREATE OPERATOR CLASS test.backwards FOR TYPE bigint USING btree AS
	OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 test.backwards(bigint, bigint);
CREATE FUNCTION test.later_first(timestamptz, timestamptz) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT timestamptz_cmp($2, $1)';
CREATE OPERATOR CLASS test.later_first FOR TYPE timestamptz USING btree AS
	OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 test.later_first(timestamptz, timestamptz);

-- Another index of the same name, made by a regular expression from what setup() makes.
CREATE TABLE test.variants (n int, variant text, pattern text, replacement text);
INSERT INTO test.variants VALUES
	(2, 'of every row', '\s+WHERE .*', ''), (3, 'of one status', 'WHERE status IN .*', 'WHERE status = ''pending'''),
	(4, 'of more statuses', '''checked_in''\)', '''checked_in'', ''cancelled'')'), (5, 'of other statuses', '''confirmed''', '''cancelled'''),
	(6, 'statuses turned', '\(''pending'', ''confirmed''', '(''confirmed'', ''pending'''), (7, 'of those without', 'IS NOT NULL', 'IS NULL'),
	(8, 'not unique', 'UNIQUE ', ''), (9, 'hash', '\((\w+)[,)].*', 'USING hash (\1)'), (10, 'brin', '\((\w+)[,)].*', 'USING brin (\1)'),
	(11, 'down', '\((\w+)\M', '(\1 DESC NULLS LAST'), (12, 'nulls first', '\((\w+)\M', '(\1 NULLS FIRST'), (13, 'second down', ', (\w+)\)', ', \1 DESC)'),
	(14, 'backwards', '\((barber_id|service_id|user_id|shop_id)\M', '(\1 test.backwards'), (15, 'later first', '(busy_from|starts_at)\)', '\1 test.later_first)'),
	(16, 'by bytes', '(idempotency_key|status)\)', '\1 COLLATE "C")'), (17, 'by pattern', '(idempotency_key|status)\)', '\1 text_pattern_ops)'),
	(18, 'first column alone', '\((\w+), .*', '(\1)'), (19, 'rest included', '\((\w+), (\w+)\)', '(\1) INCLUDE (\2)'),
	(20, 'on an expression', '\((barber_id|service_id|user_id|shop_id)\M', '((\1 + 0)'), (21, 'other order', '\((\w+), (\w+)\)', '(\2, \1)'),
	(22, 'more included', 'INCLUDE \(busy_until, hold_expires_at', '\& , notes'), (23, 'all in the key', '\)\s+INCLUDE \(', ', ');
CREATE TABLE test.index_outcomes AS
SELECT m.name, m.on_table, m.n, m.variant, f.* FROM (
	SELECT p.*, -1 AS n, 'dropped' AS variant, '' AS statement FROM booking.schema_parts() p
	UNION ALL SELECT p.*, 0, 'invalid', format('%s; UPDATE pg_index SET indisvalid = false WHERE indexrelid = ''booking.%I''::regclass', p.definition, p.name) FROM booking.schema_parts() p
	UNION ALL SELECT p.*, 1, 'of fewer rows', concat(p.definition, CASE WHEN p.definition ~ '\sWHERE ' THEN ' AND ' ELSE ' WHERE ' END, a.attname, ' <> 27001')
	FROM booking.schema_parts() p JOIN pg_attribute a ON a.attrelid = to_regclass('booking.' || p.on_table) AND a.attnum = 1
	UNION ALL SELECT p.*, v.n, v.variant, regexp_replace(p.definition, v.pattern, v.replacement) FROM booking.schema_parts() p, test.variants v
	WHERE (p.definition !~ 'lower|coalesce|regexp' OR v.n IN (2, 8)) AND NOT (p.definition ~ 'NULLS NOT DISTINCT' AND v.n IN (2, 7)) AND NOT (p.definition ~ 'UNIQUE' AND v.n IN (9, 10)) AND NOT (p.definition ~ 'INCLUDE' AND v.n = 19)
) m, LATERAL test.with_fault(format('DROP INDEX booking.%I; %s', m.name, m.statement), m.name) f
WHERE m.kind = 'index' AND m.statement <> m.definition;
-- refused: an error names the index; as_before: all answers are right, with it or without; wrong: neither.
SELECT name, string_agg(variant, ', ' ORDER BY n) FILTER (WHERE named > 0 AND other IS NULL) AS refused, string_agg(variant, ', ' ORDER BY n) FILTER (WHERE named = 0 AND other IS NULL) AS as_before,
	string_agg(variant || ': ' || other, E'\n' ORDER BY n) AS wrong
FROM test.index_outcomes GROUP BY on_table, name ORDER BY on_table COLLATE "C", name COLLATE "C";
-- An index that got the name of one which was missing: its table was not changed by that.
ALTER INDEX booking.idx_appointments_availability_check RENAME TO other;
SELECT test.brief('SELECT count(*) FROM booking.free_time(27001, ''2026-03-02'')');
ALTER INDEX booking.other RENAME TO idx_appointments_availability_check;
SELECT count(*) FROM booking.free_time(27001, '2026-03-02');
ROLLBACK;
