--
-- Two shops and row security.  Staff of shop A try every function and every
-- table to learn anything of a customer of shop B: the answers must be those
-- that they get about a customer whom there is not.  Then what goes from one
-- shop, or customer, to another: each keeps its part of the history, and learns
-- nothing of the other's.  "secret" is what staff of A must not read.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

CREATE ROLE regress_booking_front;
CREATE ROLE regress_booking_staff;
CREATE ROLE regress_booking_manager;
SELECT count(*) > 0 AS granted FROM unnest(ARRAY['front', 'staff', 'manager']) kind, LATERAL booking.grant_role(('regress_booking_' || kind)::regrole, kind);
GRANT USAGE ON SCHEMA test TO PUBLIC;

INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (35201, 'A', 60), (35202, 'B', 60);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (35201, 35201, 'Ada'), (35202, 35202, 'Bo');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, d, '09:00', '17:00' FROM generate_series(35201, 35202) b, generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, price_cents, requires_confirmation) VALUES
	(35201, 35201, 'Cut', 60, 1100, false), (35202, 35202, 'Cut', 60, 2200, false), (35203, 35202, 'Dye', 60, 3300, true);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (35201, 35201), (35202, 35202), (35202, 35203);

-- Alma is A's customer, Bela B's, Carl both shops'.  Hank is B's, and at A he only holds, held, waits and waited.  Dora asked A for a
-- time that A has to confirm, Emil's was cancelled.
INSERT INTO booking.users (id, email, name, phone) VALUES
	(352101, 'alma@example.org', 'Alma', NULL), (352102, 'bela.secret@example.org', 'Bela secret', '+1 555 secret'),
	(352103, 'carl@example.org', 'Carl', NULL), (352104, 'hank.secret@example.org', 'Hank secret', NULL),
	(352105, 'dora@example.org', 'Dora', NULL), (352106, 'emil@example.org', 'Emil', NULL);
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, is_request, notes, guest_name, cancel_reason, idempotency_key)
SELECT id, shop, shop, customer, at, at + interval '1 hour', status, expires, is_request, CASE shop WHEN 35202 THEN 'secret' END,
	CASE shop WHEN 35202 THEN 'secret' END, CASE WHEN shop = 35202 AND status = 'cancelled' THEN 'secret' END,
	CASE id WHEN 352208 THEN 'a key' END
FROM (VALUES
	(352201, 35201, 352101, timestamptz '2026-03-02 09:00Z', 'confirmed', NULL::timestamptz, false),
	(352202, 35202, 352102, '2026-03-02 09:00Z', 'confirmed', NULL, false),
	(352203, 35202, 352102, '2026-03-02 10:00Z', 'pending', '2026-03-01 13:00Z', false),
	(352204, 35202, 352102, '2026-03-02 11:00Z', 'pending', '2026-03-02 08:00Z', true),
	(352205, 35202, 352102, '2026-03-02 12:00Z', 'cancelled', NULL, false),
	(352206, 35202, 352102, '2026-02-02 12:00Z', 'completed', NULL, false),
	(352207, 35202, 352104, '2026-03-02 13:00Z', 'confirmed', NULL, false),
	(352208, 35201, 352104, '2026-03-02 13:00Z', 'pending', '2026-03-01 13:00Z', false),
	(352209, 35201, 352104, '2026-03-02 14:00Z', 'expired', '2026-03-01 11:00Z', false),
	(352210, 35201, 352105, '2026-03-02 14:00Z', 'pending', '2026-03-02 11:00Z', true),
	(352211, 35201, 352106, '2026-03-02 15:00Z', 'cancelled', NULL, false)) v (id, shop, customer, at, status, expires, is_request);
INSERT INTO booking.waitlist (id, user_id, service_id, earliest, latest, status) VALUES
	(352301, 352104, 35201, '2026-03-02 09:00Z', '2026-03-02 12:00Z', 'waiting'), (352302, 352104, 35201, '2026-03-02 09:00Z', '2026-03-02 11:00Z', 'left'),
	(352303, 352102, 35202, '2026-03-02 09:00Z', '2026-03-02 12:00Z', 'waiting');
INSERT INTO booking.blocked_customers (shop_id, user_id, reason) VALUES (35202, 352102, 'secret');
INSERT INTO booking.time_off (barber_id, shop_id, starts_at, ends_at, reason) VALUES
	(35202, NULL, '2026-03-04 09:00Z', '2026-03-04 10:00Z', 'secret: dentist'), (NULL, 35202, '2026-03-05 09:00Z', '2026-03-05 10:00Z', 'secret: feast'),
	(35201, NULL, '2026-03-04 09:00Z', '2026-03-04 10:00Z', 'ours: holiday'), (NULL, 35201, '2026-03-05 09:00Z', '2026-03-05 10:00Z', 'ours: feast');
INSERT INTO booking.schedule_overrides (barber_id, shop_id, on_date, opens, closes, note) VALUES
	(35202, NULL, '2026-03-06', '09:00', '10:00', 'secret: late'), (NULL, 35202, '2026-03-07', NULL, NULL, 'secret: closed'),
	(35201, NULL, '2026-03-06', '09:00', '10:00', 'ours: late'), (NULL, 35201, '2026-03-07', NULL, NULL, 'ours: closed');
UPDATE booking.appointments SET notes = notes || ' too', guest_name = guest_name || ' too' WHERE barber_id = 35202;
UPDATE booking.appointments SET notes = 'ours' WHERE barber_id = 35201;
SELECT count(*) > 0 AS enabled FROM booking.enable_row_security();

-- Every function that a role may call, of the pages and writes as of the checks, with everything it is asked about: a place (0: A, 1: B), a
-- customer, an appointment, a place in line.
CREATE FUNCTION test.calls(of_role regrole, place int, customer bigint, appointment bigint, entry bigint) RETURNS TABLE (function text, call text)
LANGUAGE sql AS $$
SELECT p.proname, format('SELECT * FROM booking.%I(%s)', p.proname, string_agg(format('%I => %s', a.name, coalesce(v.value, 'what')), ', ' ORDER BY a.n)
	FILTER (WHERE a.name IS NOT NULL))
FROM pg_proc p
LEFT JOIN LATERAL unnest(p.proargnames[:p.pronargs]) WITH ORDINALITY a (name, n) ON true
LEFT JOIN (VALUES ('user_id', customer::text), ('appointment_id', appointment::text), ('for_appointment_id', appointment::text), ('entry_id', entry::text),
	('barber_id', (35201 + place)::text), ('service_id', (35201 + place)::text), ('shop_id', (35201 + place)::text),
	('service_ids', format('ARRAY[%s]::bigint[]', 35201 + place)), ('barber_ids', format('ARRAY[%s]::bigint[]', 35201 + place)),
	('items', format('ARRAY[ROW(%s, %1$s, ''2026-03-02 16:00Z'', NULL)]::booking.visit_item[]', 35201 + place)),
	('starts_at', '''2026-03-02 16:00Z'''), ('first_starts_at', '''2026-03-02 16:00Z'''), ('every', '''7 days'''), ('occurrences', '2'),
	('idempotency_key', '''a key'''), ('earliest', '''2026-03-02 15:00Z'''), ('latest', '''2026-03-02 17:00Z'''), ('not_before', '''2026-03-02 08:00Z'''),
	('from_date', '''2026-03-01'''), ('to_date', '''2026-03-08'''), ('date', '''2026-03-02'''), ('how_many', '5'), ('upcoming', 'true'), ('hold_for', '''1 second'''),
	('cancelled_by', '''shop'''), ('email', format('''new%s@example.org''', place)), ('deep', 'true'), ('at', '''2026-03-01 12:00Z'''), ('since', '''-infinity'''), ('until', '''infinity'''),
	('on_table', '''users'''), ('name', '''booking_customer'''), ('role', '''regress_booking_staff''')
) v (name, value) ON v.name = a.name
WHERE p.pronamespace = 'booking'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND has_function_privilege(of_role, p.oid, 'EXECUTE')
AND (a.name IS NULL OR v.name IS NOT NULL OR a.n <= p.pronargs - p.pronargdefaults)
GROUP BY p.oid, p.proname
$$;
-- All that a call says, undone.
CREATE FUNCTION test.answer(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	rows text;
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE format('SELECT string_agg(t::text, '' '') FROM (%s) t', call) INTO rows;
	RAISE SQLSTATE 'OK000' USING MESSAGE = coalesce(rows, 'nothing');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' ', state, message, detail, hint);
END
$$;
-- The tables in which somebody reads the word.
CREATE FUNCTION test.tables_with(word text) RETURNS TABLE (on_table name, rows int) LANGUAGE plpgsql AS $$
BEGIN
	FOR on_table IN SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' ORDER BY 1 LOOP
		EXECUTE format('SELECT count(*) FROM booking.%I t WHERE t::text ~ $1', on_table) INTO rows USING word;
		IF rows > 0 THEN RETURN NEXT; END IF;
	END LOOP;
END
$$;

-- ---------------------------------------------------------------------------
-- What staff of A learn of B's customers
-- ---------------------------------------------------------------------------

SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35201';
SELECT * FROM test.tables_with('secret');
SELECT * FROM test.tables_with('ours');
-- Their own: who booked, asked or cancelled, not who only holds or waits.
SELECT id, name FROM booking.users ORDER BY id;
-- Nor do functions show it, of whichever shop's barbers and services; and about nobody's ids they say the same.
CREATE TEMP TABLE answers AS
SELECT c.function, p AS place, v.who, replace(replace(replace(c.call, v.customer::text, 'U'), v.appointment::text, 'P'), v.entry::text, 'E') AS call,
	replace(replace(replace(test.answer(c.call), v.customer::text, 'U'), v.appointment::text, 'P'), v.entry::text, 'E') AS answer
FROM (VALUES ('nobody', 4899990001, 4899990002, 4899990003), ('Bela', 352102, 352202, 352303), ('her hold', 352102, 352203, 352303),
	('her request', 352102, 352204, 352303), ('her cancelled', 352102, 352205, 352303), ('her past', 352102, 352206, 352303),
	('Hank', 352104, 352207, 352303)) v (who, customer, appointment, entry), generate_series(0, 1) p,
	LATERAL test.calls('regress_booking_staff', p, v.customer, v.appointment, v.entry) c;
SELECT count(DISTINCT function) > 30 AS many, count(*) FILTER (WHERE answer ~ '^42883|^42703|^42601') AS not_understood,
	count(*) FILTER (WHERE answer ~ '^XX') AS internal FROM answers;
SELECT function, place, who, answer FROM answers WHERE answer ~ 'secret' ORDER BY 1, 2, 3;
SELECT n.function, n.place, n.answer AS of_nobody, b.who, b.answer
FROM answers n JOIN answers b USING (function, place) WHERE n.who = 'nobody' AND b.who <> 'nobody' AND n.call ~ '\m[UPE]\M' AND n.answer <> b.answer ORDER BY 1, 2, 4;
-- What they say.
SELECT function, place, answer FROM answers WHERE who = 'Hank' AND call ~ 'user_id|appointment_id|entry_id' ORDER BY 1, 2;
DROP TABLE answers;
-- The order of the errors tells nothing either: whatever else is wrong with the call.
SELECT v.call, bool_and(a.answer = b.answer) AS same, min(a.answer) FROM (VALUES
	('book_slot(35201, 35201, %s, ''2026-03-02 09:00Z'')'), ('book_slot(35201, 35201, %s, ''2026-03-02 09:30Z'')'), ('book_slot(35201, 35201, %s, ''2026-03-02 20:00Z'')'),
	('book_slot(35201, 35201, %s, ''2026-03-02 20:00Z'', NULL, ''{hours,limits}'')'), ('book_slot(NULL, 35201, %s, ''2026-03-02 16:00Z'')'),
	('book_slot(35202, 35201, %s, ''2026-03-02 16:00Z'')'), ('book_slot(35299, 35201, %s, ''2026-03-02 16:00Z'')'), ('book_slot(35201, 35299, %s, ''2026-03-02 16:00Z'')'),
	('try_book_slot(35202, 35201, %s, ''2026-03-02 16:00Z'')'), ('book_slot(35201, 35201, %s, NULL)'), ('hold_slot(35201, 35201, %s, ''2026-03-02 16:00Z'', ''-1 day'')'),
	('book_visit(%s, ARRAY[ROW(35201, 35201, ''2026-03-02 16:00Z'', NULL), ROW(NULL, 35201, ''2026-03-03 16:00Z'', ''Guest'')]::booking.visit_item[])'),
	('book_series(35201, 35201, %s, ''2026-03-02 16:00Z'', ''7 days'', 3, ''skip'')'), ('join_waitlist(%s, 35201, ''2026-03-02 15:00Z'', ''2026-03-02 15:10Z'')'),
	('join_waitlist(%s, 35201, ''2026-03-02 15:00Z'', ''2026-03-02 17:00Z'', 35202)'), ('user_appointments(%s, false)')) v (call)
CROSS JOIN (VALUES (352102), (352104)) u (id),
LATERAL (SELECT replace(test.answer('SELECT * FROM booking.' || format(v.call, u.id)), u.id::text, 'U') AS answer) a,
LATERAL (SELECT replace(test.answer('SELECT * FROM booking.' || format(v.call, 4899990001)), '4899990001', 'U') AS answer) b
GROUP BY v.call ORDER BY v.call COLLATE "C";
SELECT test.error('SELECT booking.join_waitlist(352102, 35201, ''2026-03-02 15:00Z'', ''2026-03-02 17:00Z'')');
SELECT test.error('SELECT booking.join_waitlist(4899990001, 35201, ''2026-03-02 15:00Z'', ''2026-03-02 17:00Z'')');
-- The waitlist is served for whoever waits, when staff cancel; he is the shop's customer once he has taken the offer.
SAVEPOINT s;
SELECT status FROM booking.cancel_appointment(352201, NULL, 'shop');
SELECT user_id, status FROM booking.appointments WHERE barber_id = 35201 AND starts_at = '2026-03-02 09:00Z' ORDER BY id;
SELECT count(*) AS known FROM booking.users WHERE id = 352104;
SELECT appointment_id AS offer FROM booking.waitlist WHERE id = 352301 \gset
SET LOCAL booking.user_id = '352104';
SELECT status FROM booking.confirm_appointment(:offer);
SET LOCAL booking.user_id = '';
SELECT count(*) AS known FROM booking.users WHERE id = 352104;
SELECT test.brief('SELECT booking.book_slot(35201, 35201, 352104, ''2026-03-03 09:00Z'')');
ROLLBACK TO s;
-- Whatever they do to his hold, he stays unknown; to confirm it is to book for him.  (A request is the shop's to answer, and its customer known.)
SELECT test.brief('SELECT booking.confirm_appointment(352210)');
SAVEPOINT s;
SELECT status FROM booking.cancel_appointment(352208, NULL, 'shop');
SELECT count(*) AS known FROM booking.users WHERE id = 352104;
ROLLBACK TO s;
SELECT status FROM booking.decline_appointment(352208);
SELECT count(*) AS known FROM booking.users WHERE id = 352104;
ROLLBACK TO s;
SELECT test.error('SELECT booking.confirm_appointment(352208)');
SELECT booking.ensure_user('Hank.secret@example.org');
SELECT status FROM booking.confirm_appointment(352208);
ROLLBACK TO s;
-- Nor where the service is one that the shop has to confirm.
RESET ROLE;
UPDATE booking.services SET requires_confirmation = true WHERE id = 35201;
SET LOCAL ROLE regress_booking_staff;
SELECT test.error('SELECT booking.confirm_appointment(352208)');
SELECT count(*) AS known FROM booking.users WHERE id = 352104;
ROLLBACK TO s;
-- What succeeds, and stays, makes nobody known.
DO $$
DECLARE
	c text;
BEGIN
	FOR c IN SELECT t.call FROM (VALUES (352102), (352104)) u (id), LATERAL test.calls('regress_booking_staff', 0, u.id, 352208, 352303) t ORDER BY 1 LOOP
		BEGIN
			EXECUTE c;
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
END
$$;
SELECT id, name FROM booking.users WHERE id BETWEEN 352101 AND 352106 ORDER BY id;
SELECT * FROM test.tables_with('secret');
-- For their own customers they do all of it.
SELECT v.call, test.brief('SELECT * FROM booking.' || v.call) FROM (VALUES
	('book_slot(35201, 35201, 352103, ''2026-03-03 09:00Z'')'), ('book_slot(35201, 35201, 352101, ''2026-03-03 09:00Z'', ''k'')'), ('hold_slot(NULL, 35201, 352105, ''2026-03-03 09:00Z'')'),
	('try_book_slot(35201, 35201, 352106, ''2026-03-03 09:00Z'')'), ('book_slot(35201, 35201, NULL, ''2026-03-03 09:00Z'')'),
	('book_visit(352101, ARRAY[ROW(35201, 35201, ''2026-03-03 09:00Z'', NULL)]::booking.visit_item[])'), ('book_series(35201, 35201, 352101, ''2026-03-03 09:00Z'', ''7 days'', 2)'),
	('join_waitlist(352101, 35201, ''2026-03-03 15:00Z'', ''2026-03-03 17:00Z'')'), ('user_appointments(352105)')) v (call);
RESET ROLE;
SET LOCAL booking.shop_id = '';

-- A customer whose address the shop has, it knows from then on, also in the same statement; the other shop does not.
SAVEPOINT s;
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35201';
SELECT user_id, status FROM booking.book_slot(35201, 35201, booking.ensure_user('Carl@example.org'), '2026-03-03 09:00Z');
SELECT booking.ensure_user('carl@example.org') AS again;
SELECT shop_id, since IS NOT NULL AS since FROM booking.shop_customers WHERE user_id = 352103;
SELECT booking.ensure_user(NULL, 'Nina', '+1 555 1234') AS nina \gset
SELECT name FROM booking.users WHERE id = :nina;
SELECT name FROM booking.users WHERE id = 352103;
SET LOCAL booking.shop_id = '35202';
SELECT count(*) AS nina FROM booking.users WHERE id = :nina;
SELECT count(*) FROM booking.shop_customers;
-- who writes it is staff, of a shop that there is; without a shop nothing is written
SET LOCAL booking.shop_id = '35299';
SELECT test.error('SELECT booking.ensure_user(''oda@example.org'')');
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.shop_id = '35201';
SELECT test.brief('SELECT booking.ensure_user(''oda@example.org'')');
SET LOCAL booking.shop_id = '';
SELECT booking.ensure_user('oda@example.org') > 0 AS oda;
RESET ROLE;
SELECT shop_id, count(*) FROM booking.shop_customers c JOIN booking.users u ON u.id = c.user_id WHERE u.email ~ '^(carl|oda)@' OR u.id = :nina GROUP BY 1;
-- who is gone is nobody's customer
DELETE FROM booking.users WHERE id = :nina;
SELECT count(*) FROM booking.shop_customers WHERE user_id = :nina;
ROLLBACK TO s;
-- Without a shop, and without row security, everybody is there for staff; with a shop, row security or not, they are not.
SAVEPOINT s;
SELECT count(*) > 0 AS disabled FROM booking.disable_row_security();
SET LOCAL ROLE regress_booking_staff;
SELECT test.brief('SELECT booking.book_slot(35201, 35201, 352102, ''2026-03-03 09:00Z'')');
SET LOCAL booking.shop_id = '35201';
SELECT test.brief('SELECT booking.book_slot(35201, 35201, 352102, ''2026-03-03 09:00Z'')');
ROLLBACK TO s;
-- ---------------------------------------------------------------------------
-- Time off and opening hours: the manager's, for his shop
-- ---------------------------------------------------------------------------

SAVEPOINT s;
SET LOCAL ROLE regress_booking_manager;
SELECT (SELECT count(*) FROM booking.time_off) AS time_off, (SELECT count(*) FROM booking.schedule_overrides) AS overrides;
SELECT test.brief('INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (35201, ''2026-03-10 09:00Z'', ''2026-03-10 17:00Z'')');
SET LOCAL booking.shop_id = '35201';
SELECT reason FROM booking.time_off ORDER BY id;
SELECT note FROM booking.schedule_overrides ORDER BY id;
INSERT INTO booking.time_off (barber_id, starts_at, ends_at, reason) VALUES (35201, '2026-03-10 09:00Z', '2026-03-10 17:00Z', 'ours: ill');
SELECT test.brief('INSERT INTO booking.time_off (barber_id, starts_at, ends_at) VALUES (35202, ''2026-03-10 09:00Z'', ''2026-03-10 17:00Z'')'),
	test.brief('INSERT INTO booking.schedule_overrides (shop_id, on_date) VALUES (35202, ''2026-03-10'')'),
	test.brief('UPDATE booking.time_off SET barber_id = 35202, shop_id = NULL');
WITH d AS (DELETE FROM booking.schedule_overrides RETURNING note) SELECT count(*), bool_and(note ~ 'ours') AS ours FROM d;
-- A customer has nothing to do with either.
SET LOCAL booking.user_id = '352101';
SELECT (SELECT count(*) FROM booking.time_off) AS time_off, (SELECT count(*) FROM booking.schedule_overrides) AS overrides;
SET LOCAL booking.user_id = '';
SET LOCAL booking.shop_id = '';
-- They count for everybody all the same.
SET LOCAL ROLE regress_booking_front;
SELECT count(*) AS none FROM booking.available_slots(35201, '2026-03-10');
SELECT count(*) FILTER (WHERE starts_at < '2026-03-04 10:00Z') AS none, count(*) AS some FROM booking.available_slots(35202, '2026-03-04');
SELECT count(*) AS some FROM booking.available_slots(35202, '2026-03-06');
SELECT count(*) AS none FROM booking.available_slots(35202, '2026-03-07');
SET LOCAL ROLE regress_booking_staff;
SELECT count(*) AS none FROM booking.available_slots(35202, '2026-03-07');
ROLLBACK TO s;

-- ---------------------------------------------------------------------------
-- From shop to shop
-- ---------------------------------------------------------------------------

-- Carl booked at A, which noted something; he moves to B by himself.
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, price_cents)
VALUES (352220, 35201, 35201, 352103, '2026-03-03 10:00Z', '2026-03-03 11:00Z', 1111);
UPDATE booking.appointments SET notes = 'noted by A' WHERE id = 352220;
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '352103';
SELECT barber_id, status FROM booking.reschedule_appointment(352220, '2026-03-03 12:00Z', 35202, 35202);
SET LOCAL booking.user_id = '';
RESET ROLE;
UPDATE booking.appointments SET notes = 'secret of B' WHERE id = 352220;
-- A reads what it had, and that it is gone; B what it got.
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35201';
SELECT version, jsonb_strip_nulls(from_values - '{created_at,updated_at,busy_from,busy_until,is_assigned,is_request}'::text[]) AS from_values, to_values FROM booking.appointment_history WHERE appointment_id = 352220 ORDER BY id;
SET LOCAL booking.shop_id = '35202';
SELECT version, from_values, jsonb_strip_nulls(to_values - '{created_at,updated_at,busy_from,busy_until,is_assigned,is_request}'::text[]) AS to_values FROM booking.appointment_history WHERE appointment_id = 352220 ORDER BY id;
SELECT notes FROM booking.appointments WHERE id = 352220;
RESET ROLE;
SET LOCAL booking.shop_id = '';
-- And back: each shop has its own times in its part.
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '352103';
SELECT barber_id, price_cents FROM booking.reschedule_appointment(352220, '2026-03-03 14:00Z', 35201, 35201);
SET LOCAL booking.user_id = '';
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35201';
SELECT version, bool_or(h::text ~ 'secret|35202|03T12:00|2200') AS of_b, bool_or(h::text ~ 'noted by A|1111|03T10:00|03T14:00') AS of_a FROM booking.appointment_history h
WHERE appointment_id = 352220 GROUP BY version ORDER BY version;
SELECT notes FROM booking.appointments WHERE id = 352220;
SET LOCAL booking.shop_id = '35202';
SELECT version, bool_or(h::text ~ 'secret|35202|03T12:00|2200') AS of_b, bool_or(h::text ~ '\m35201\M|noted by A|1111|1100|03T10:00|03T14:00') AS of_a FROM booking.appointment_history h
WHERE appointment_id = 352220 GROUP BY version ORDER BY version;
SET LOCAL booking.shop_id = '';
RESET ROLE;
-- A raw writer's move is no other, and a deletion is the shop's that has it; what he notes himself stays; within a shop notes stay.
SAVEPOINT s;
INSERT INTO booking.barbers (id, shop_id, name) VALUES (35211, 35201, 'Abe');
UPDATE booking.appointments SET notes = 'noted by A' WHERE id = 352220;
UPDATE booking.appointments SET barber_id = 35211 WHERE id = 352220 RETURNING notes;
UPDATE booking.appointments SET barber_id = 35202 WHERE id = 352220 RETURNING notes;
UPDATE booking.appointments SET barber_id = 35211, notes = 'noted on the way' WHERE id = 352220 RETURNING notes;
DELETE FROM booking.appointments WHERE id = 352220;
SELECT version, shop_id, user_id, from_values - 'created_at' <> '{}' AS has_from, to_values - 'created_at' <> '{}' AS has_to, from_values ->> 'notes' AS notes_before
FROM booking.appointment_history WHERE appointment_id = 352220 ORDER BY id DESC LIMIT 7;
ROLLBACK TO s;
-- A barber who goes to another shop leaves the history where it happened.
SAVEPOINT s;
UPDATE booking.barbers SET shop_id = 35202 WHERE id = 35201;
UPDATE booking.appointments SET notes = 'noted at B' WHERE id = 352220;
SELECT shop_id, count(*) FROM booking.appointment_history WHERE appointment_id = 352220 GROUP BY 1 ORDER BY 1;
ROLLBACK TO s;

-- A key that A knows does not bring back what has gone to B; neither does one of a visit, which gives at most what is left.
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35201';
SELECT id AS keyed FROM booking.book_slot(35201, 35201, 352103, '2026-03-03 09:00Z', 'carls-key') \gset
SELECT min(id) AS first FROM booking.book_visit(352103, ARRAY[ROW(35201, 35201, '2026-03-06 09:00Z', NULL), ROW(35201, 35201, '2026-03-08 09:00Z', NULL)]::booking.visit_item[], 'carls-visit') \gset
SELECT max(id) AS last FROM booking.book_visit(352103, ARRAY[ROW(35201, 35201, '2026-03-08 11:00Z', NULL), ROW(35201, 35201, '2026-03-08 14:00Z', NULL)]::booking.visit_item[], 'carls-other-visit') \gset
SET LOCAL booking.shop_id = '';
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '352103';
SELECT barber_id FROM booking.reschedule_appointment(:keyed, '2026-03-03 15:00Z', 35202, 35202);
SELECT barber_id FROM booking.reschedule_appointment(:first, '2026-03-09 15:00Z', 35202, 35202, whole_visit => false);
SELECT barber_id FROM booking.reschedule_appointment(:last, '2026-03-09 16:00Z', 35202, 35202, whole_visit => false);
-- he himself gets it
SELECT id = :keyed AS same, barber_id FROM booking.book_slot(35201, 35201, 352103, '2026-03-03 09:00Z', 'carls-key');
SELECT count(*) FROM booking.book_visit(352103, ARRAY[ROW(35201, 35201, '2026-03-06 09:00Z', NULL), ROW(35201, 35201, '2026-03-08 09:00Z', NULL)]::booking.visit_item[], 'carls-visit');
SET LOCAL booking.user_id = '';
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35201';
SELECT test.error('SELECT booking.book_slot(35201, 35201, 352103, ''2026-03-03 09:00Z'', ''carls-key'')');
SELECT test.answer('SELECT barber_id, starts_at FROM booking.book_visit(352103, ARRAY[ROW(35201, 35201, ''2026-03-06 09:00Z'', NULL), ROW(35201, 35201, ''2026-03-08 09:00Z'', NULL)]::booking.visit_item[], ''carls-visit'')');
SELECT test.answer('SELECT barber_id, starts_at FROM booking.book_visit(352103, ARRAY[ROW(35201, 35201, ''2026-03-08 11:00Z'', NULL), ROW(35201, 35201, ''2026-03-08 14:00Z'', NULL)]::booking.visit_item[], ''carls-other-visit'')');
SET LOCAL booking.shop_id = '';
RESET ROLE;

-- ---------------------------------------------------------------------------
-- From customer to customer
-- ---------------------------------------------------------------------------

INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, price_cents, notes) VALUES
	(352230, 35201, 35201, 352101, '2026-03-10 10:00Z', '2026-03-10 11:00Z', 1212, 'about Alma'), (352231, 35201, 35201, NULL, '2026-03-10 11:00Z', '2026-03-10 12:00Z', 1313, 'tall man');
UPDATE booking.appointments SET price_cents = 1414 WHERE id IN (352230, 352231);
UPDATE booking.appointments SET user_id = 352103, starts_at = '2026-03-10 14:00Z', ends_at = '2026-03-10 15:00Z', price_cents = 1515 WHERE id = 352230 RETURNING notes;
-- a walk-in turns out to be Carl
UPDATE booking.appointments SET user_id = 352103 WHERE id = 352231 RETURNING notes;
GRANT SELECT ON ALL TABLES IN SCHEMA booking TO regress_booking_front;
SET LOCAL ROLE regress_booking_front;
SET LOCAL booking.user_id = '352101';
SELECT appointment_id, version, from_values ->> 'notes' AS notes, from_values ->> 'price_cents' AS price, to_values, h::text ~ '352103|10T14:00|1515' AS of_carl
FROM booking.appointment_history h WHERE appointment_id >= 352230 ORDER BY id;
SELECT count(*) FROM booking.appointments WHERE id = 352230;
SET LOCAL booking.user_id = '352103';
SELECT appointment_id, version, from_values, to_values ? 'notes' AS has_notes, to_values ->> 'notes' AS notes, to_values ->> 'price_cents' AS price, h::text ~ 'Alma|"user_id": 352101|10T10:00|1212|1414' AS of_alma
FROM booking.appointment_history h WHERE appointment_id BETWEEN 352230 AND 352231 ORDER BY id;
SET LOCAL booking.user_id = '';
RESET ROLE;
SET LOCAL ROLE regress_booking_staff;
SET LOCAL booking.shop_id = '35201';
SELECT appointment_id, version, from_values ->> 'user_id' AS from_user, to_values ->> 'user_id' AS to_user FROM booking.appointment_history
WHERE appointment_id BETWEEN 352230 AND 352231 ORDER BY id;
SET LOCAL booking.shop_id = '';
RESET ROLE;

-- ---------------------------------------------------------------------------
-- What reads the history
-- ---------------------------------------------------------------------------

-- Two entries of a version are as they should be; a third is not, nor two that do not belong together.
SELECT check_name, row_id, detail FROM booking.verify(true) WHERE table_name IN ('appointment_history', 'shop_customers');
SAVEPOINT s;
INSERT INTO booking.appointment_history (appointment_id, version, changed_at, changed_by, db_role, from_values, to_values)
SELECT appointment_id, version, changed_at, changed_by, db_role, from_values, '{"notes": null}' FROM booking.appointment_history WHERE appointment_id = 352230 AND version = 3 AND from_values = '{}';
SELECT check_name, detail FROM booking.verify(true) WHERE table_name = 'appointment_history';
ROLLBACK TO s;
-- A hold that is given to a customer and confirmed in one is a hold that was confirmed; one that went to another shop is one there.
SAVEPOINT s;
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at, created_at) VALUES
	(35240, 35201, 35201, NULL, '2026-03-11 10:00Z', '2026-03-11 11:00Z', 'pending', '2026-03-01 12:10Z', '2026-03-01 12:00Z'),
	(35241, 35202, 35202, 352103, '2026-03-11 11:00Z', '2026-03-11 12:00Z', 'pending', '2026-03-01 12:10Z', '2026-03-01 12:00Z');
SET LOCAL booking.now = '2026-03-01 12:05Z';
UPDATE booking.appointments SET user_id = 352103, status = 'confirmed' WHERE id = 35240;
UPDATE booking.appointments SET barber_id = 35201 WHERE id = 35241;
SELECT status FROM booking.confirm_appointment(35241);
SELECT attempts, bookings, holds, holds_confirmed, hold_to_confirm_median FROM booking.business_metrics(35201, '2026-03-11');
ROLLBACK TO s;

SELECT count(*) > 0 AS disabled FROM booking.disable_row_security();
ROLLBACK;
