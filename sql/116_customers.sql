--
-- Customers without e-mail, and customers whom a shop has blocked.  If this
-- breaks, somebody who calls is two people, or the shop cannot keep somebody
-- out, or others learn whom it keeps out.
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00Z';
BEGIN;

-- ---------------------------------------------------------------------------
-- Without e-mail
-- ---------------------------------------------------------------------------

SAVEPOINT s;
SELECT booking.ensure_user(NULL, 'Ann', '+1 (202) 555-0101') AS ann \gset
SELECT email, name, phone FROM booking.users WHERE id = :ann;
-- The digits and the plus sign count; the user stays as it is; the plus sign makes another number.
SELECT v.phone, booking.ensure_user(phone => v.phone, name => 'Other') = :ann AS same FROM (VALUES
	('+12025550101'), (' +1-202-555-0101 '), ('+1/202.555 0101'), ('12025550101'), ('+12025550102')) v (phone);
SELECT name, count(*) FROM booking.users WHERE email IS NULL GROUP BY name ORDER BY name;
-- Who has an address is known by that alone, whatever the phone.
SELECT booking.ensure_user('ann@example.org', 'Ann', '+12025550101') <> :ann AS another;
SELECT booking.ensure_user('ANN@example.org', phone => 'none') = (SELECT max(id) FROM booking.users) AS same;
-- One who is not active is not found, and in nobody's way.
UPDATE booking.users SET is_active = false WHERE id = :ann;
SELECT booking.ensure_user(NULL, 'Ann', '+12025550101') <> :ann AS another;
SELECT test.brief('UPDATE booking.users SET is_active = true WHERE id = ' || :ann);
-- From 3 to 15 digits, the plus sign before them.
SELECT v.phone, test.brief(format('SELECT booking.ensure_user(NULL, NULL, %L)', v.phone)) FROM (VALUES
	('110'), ('+110'), ('11'), ('+1'), ('123456789012345'), ('+123456789012345'), ('1234567890123456'), (''), ('none'), ('1+10'), ('++110'), ('+1+10'),
	('110+'), ('(0)110'), (E'110\n'), ('１１０'), ('＋110'), ('1-800-FLOWERS'), ('+49 ١٧١ 100'), ('110 ☎')) v (phone);
SELECT test.brief(format('SELECT booking.ensure_user(NULL, NULL, %L)', v.phone)) FROM (VALUES
	(1, repeat('x', 99999) || '1'), (2, '1' || repeat('x', 99996) || '10'), (3, repeat('1', 100001))) v (n, phone) ORDER BY n;
SELECT test.error('SELECT booking.ensure_user(NULL, NULL, ''11'')');
SELECT test.error('SELECT booking.ensure_user()');
SELECT test.brief('SELECT booking.ensure_user('''', ''Ann'', ''+12025550101'')');
SET LOCAL booking.user_id = '1';
SELECT test.brief('SELECT booking.ensure_user(NULL, NULL, ''+12025550101'')');
SET LOCAL booking.user_id = '';

-- Addresses that look alike are not alike: the case of A to Z is folded, of no other letter, be it in a locale that folds all.
SAVEPOINT alike;
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') THEN
		ALTER TABLE booking.users ALTER email TYPE text COLLATE "und-x-icu";
	END IF;
END
$$;
SELECT booking.ensure_user('kim@bank.example') AS kim, booking.ensure_user('info@gi.example') AS info, booking.ensure_user('straße@é.example') AS street \gset
SELECT v.email, booking.ensure_user(v.email) IN (:kim, :info, :street) AS same, char_length(v.email) FROM (VALUES
	(1, 'KIM@Bank.EXAMPLE'), (2, ' kim@bank.example '), (3, E'\u212Aim@bank.example'), (4, E'k\u0131m@bank.example'), (5, E'\u0130nfo@g\u0130.example'),
	(6, E'info@g\u0131.example'), (7, E'STRASSE@\u00e9.example'), (8, E'stra\u1e9ee@\u00e9.example'), (9, E'stra\u00dfe@\u00c9.example'),
	(10, E'stra\u00dfe@e\u0301.example'), (11, E'k\u0456m@bank.example'), (12, E'kim@ban\u017f.example'), (13, E'STRA\u00dfE@\u00e9.EXAMPLE')) v (n, email) ORDER BY v.n;
-- Each of them once, and found again.
SELECT count(*), count(DISTINCT email), bool_and(booking.ensure_user(email) = id) AS found_again FROM booking.users WHERE email ~ 'example$';
SELECT test.brief('INSERT INTO booking.users (email) VALUES (''Kim@BANK.example'')'), test.brief(E'INSERT INTO booking.users (email) VALUES (''Strasse@\u00c9.example'')');
ROLLBACK TO alike;
-- What nobody sees stands in no address, and in no name or phone number.
CREATE TABLE test.hidden AS
SELECT n, chr(n) AS c FROM generate_series(1, 1114111) n WHERE (n < 55296 OR n > 57343)
AND (n <= 31 OR n BETWEEN 127 AND 160 OR n BETWEEN 8192 AND 8207 OR n BETWEEN 8232 AND 8239 OR n BETWEEN 8287 AND 8303
	OR n IN (173, 847, 1564, 4447, 4448, 5760, 6068, 6069, 6155, 6156, 6157, 6158, 6159, 10240, 12288, 12644, 65279, 65440, 65529, 65530, 65531, 65532, 94180, 119129)
	OR n & 65534 = 65534 OR n BETWEEN 64976 AND 65007 OR n BETWEEN 78896 AND 78943
	OR n BETWEEN 65024 AND 65039 OR n BETWEEN 917504 AND 917764);
CREATE FUNCTION test.refused(argument text, value text) RETURNS text LANGUAGE sql AS $$
SELECT left(test.brief(format('SELECT booking.ensure_user(%s)', CASE argument WHEN 'email' THEN format('%L', value)
	ELSE format('''x@a.example'', %s => %L', argument, value) END)), 5)
$$;
SELECT argument, answer, count(*), string_agg(to_hex(n), ' ' ORDER BY n) FILTER (WHERE answer <> '22023') AS allowed
FROM test.hidden, unnest(ARRAY['email', 'name', 'phone']) argument, LATERAL test.refused(argument, 'a' || c || 'b' || CASE argument WHEN 'email' THEN '@a.example' ELSE '' END) AS answer
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT argument, answer, count(*) FROM (VALUES ('email', 'a%sb@a.example'), ('email', 'ab@%sa.example'), ('email', 'ab@a.example%s'), ('email', '%sab@a.example'),
	('name', '%s'), ('phone', '%s')) v (argument, form), test.hidden, LATERAL test.refused(argument, format(form, c)) AS answer
WHERE n IN (1, 9, 10, 127, 133, 160, 173, 8195, 8203, 8206, 8232, 8238, 8288, 8294, 65279) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT test.error(E'SELECT booking.ensure_user(''a\u2028b@c.example'')');
SELECT test.error(E'SELECT booking.ensure_user(''a@c.example'', E''A\u202enn'')');
SELECT test.brief(E'SELECT booking.ensure_user(NULL, E''A\u200bnn'', ''+12025550199'')'), test.brief(E'SELECT booking.ensure_user(NULL, ''Ann'', E''+120255\u00a050199'')');
-- Names as they are written: accents, joiners, ideographs with their space, emoji.
SELECT test.brief(format('SELECT booking.ensure_user(''x@a.example'', %L)', v.name)) FROM (VALUES
	('José O''Brien-Ñandú'), ('Jürgen von der Heide'), (E'\u5c71\u7530\u3000\u592a\u90ce'), (E'\u0639\u0644\u06cc\u200c\u0631\u0636\u0627'),
	(E'\u845b\U000E0100'), (E'Ann \u2764\uFE0F'), (E'\U0001F469\u200D\U0001F9B0')) v (name);

-- Raw writers are under the same rules.
SELECT test.brief('INSERT INTO booking.users (email, phone) VALUES (' || v.row || ')') FROM (VALUES
	('NULL, NULL'), ('NULL, ''none'''), ('NULL, ''11'''), ('NULL, ''+12025550101'''), ('NULL, ''+1 202-5550101'''), ('NULL, ''+12025550109'''), ('''b@example.org'', ''none''')) v (row);
SELECT check_name, table_name, detail FROM booking.verify(true) WHERE table_name = 'users';
-- Such a customer books as any other.
INSERT INTO booking.shops (id, name) VALUES (11601, 'Corner'), (11602, 'Market');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (11601, 11601, 'Bea'), (11602, 11601, 'Ben'), (11603, 11602, 'Bob');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT b, d, '09:00', '17:00' FROM generate_series(11601, 11603) b, generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, requires_confirmation) VALUES
	(11601, 11601, 'Cut', 60, false), (11602, 11602, 'Cut', 60, false), (11603, 11601, 'Colour', 60, true);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (11601, 11601), (11602, 11601), (11603, 11602), (11601, 11603), (11603, 11601);
INSERT INTO booking.users (id, email, phone) VALUES (11601, NULL, '+1 202 555 0111'), (11602, 'u11602@example.org', NULL), (11603, 'u11603@example.org', NULL);
SELECT user_id FROM booking.book_slot(11601, 11601, 11601, '2026-03-02 09:00Z', 'k');

-- ---------------------------------------------------------------------------
-- Not welcome
-- ---------------------------------------------------------------------------

-- What there is before the shop blocks 11602.
SELECT id AS booked FROM booking.book_slot(11601, 11601, 11602, '2026-03-02 10:00Z') \gset
SELECT id AS hold FROM booking.hold_slot(11601, 11601, 11602, '2026-03-02 11:00Z', '1 hour') \gset
SELECT id AS request FROM booking.book_slot(11601, 11603, 11602, '2026-03-02 12:00Z') \gset
SELECT id AS elsewhere FROM booking.book_slot(11603, 11602, 11602, '2026-03-02 15:00Z') \gset
SELECT booking.join_waitlist(11602, 11601, '2026-03-02 09:00Z', '2026-03-02 10:00Z', 11601) AS place \gset
SELECT booking.join_waitlist(11603, 11601, '2026-03-02 09:00Z', '2026-03-02 10:00Z', 11601) > :place AS behind;
INSERT INTO booking.blocked_customers (shop_id, user_id, reason) VALUES (11601, 11602, 'threw a comb');
SELECT test.error('SELECT booking.book_slot(11601, 11601, 11602, ''2026-03-03 09:00Z'')');
SELECT v.call, test.brief(format('SELECT * FROM booking.' || v.call, :hold, :elsewhere)) FROM (VALUES
	(1, 'book_slot(11601, 11601, 11602, ''2026-03-03 09:00Z'')'), (2, 'book_slot(NULL, 11601, 11602, ''2026-03-03 09:00Z'')'),
	(3, 'hold_slot(11601, 11601, 11602, ''2026-03-03 09:00Z'')'), (4, 'book_slot(11601, 11603, 11602, ''2026-03-03 09:00Z'')'),
	(5, 'book_slot(11601, 11601, 11602, ''2026-03-03 03:00Z'', NULL, ''{hours,notice,grid,horizon,limits,window}'')'),
	(6, 'book_visit(11602, ARRAY[ROW(11601, 11601, ''2026-03-03 09:00Z'', ''Guest'')]::booking.visit_item[])'),
	(7, 'book_series(11601, 11601, 11602, ''2026-03-03 09:00Z'', ''7 days'', 2)'),
	(8, 'join_waitlist(11602, 11601, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'')'),
	(9, 'join_waitlist(11602, 11601, ''2026-03-03 09:00Z'', ''2026-03-03 10:00Z'', 11602)'),
	(10, 'confirm_appointment(%s)'), (11, 'reschedule_appointment(%2$s, ''2026-03-03 15:00Z'', 11601, 11601)'),
	(12, 'reschedule_appointment(%2$s, ''2026-03-03 15:00Z'')'),
	-- others, and walk-ins, are welcome; so is the customer in other shops
	(13, 'book_slot(11601, 11601, 11603, ''2026-03-03 09:00Z'')'), (14, 'book_slot(11601, 11601, NULL, ''2026-03-03 09:00Z'')'),
	(15, 'book_slot(11603, 11602, 11602, ''2026-03-03 09:00Z'')'),
	-- an id that is none goes first
	(16, 'book_slot(11601, 11601, 11699, ''2026-03-03 09:00Z'')')) v (n, call) ORDER BY n;
SELECT * FROM booking.try_book_slot(NULL, 11601, 11602, '2026-03-03 09:00Z');
SELECT occurrence, reason, detail FROM booking.book_series(11601, 11601, 11602, '2026-03-03 09:00Z', '7 days', 2, 'skip');
-- A key of the time before still has its answer.
SELECT (booking.book_slot(11601, 11601, 11601, '2026-03-02 09:00Z', 'k')).status;
INSERT INTO booking.blocked_customers (shop_id, user_id) VALUES (11601, 11601);
SELECT (booking.book_slot(11601, 11601, 11601, '2026-03-02 09:00Z', 'k')).status;
DELETE FROM booking.blocked_customers WHERE user_id = 11601;
-- Within the shop what is booked may be moved and cancelled; staff confirm for the shop.
SELECT barber_id, starts_at FROM booking.reschedule_appointment(:booked, '2026-03-03 10:00Z', 11602);
SELECT status FROM booking.cancel_appointment(:booked);
SELECT status FROM booking.confirm_appointment(:request);
SELECT status FROM booking.check_in(:request);
-- An offer passes the blocked by, who keep their place.
SELECT status FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE user_id = 11601));
SELECT user_id, status FROM booking.waitlist ORDER BY id;
-- Unblocked, and all is well.
DELETE FROM booking.blocked_customers;
SELECT status FROM booking.confirm_appointment(:hold);
SELECT appointment_id > 0 AS booked, reason FROM booking.try_book_slot(11601, 11601, 11602, '2026-03-03 09:00Z');
-- Many of them; one who is not among them is welcome.
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(1160001, 1161000) n;
INSERT INTO booking.blocked_customers (shop_id, user_id) SELECT 11601, n FROM generate_series(1160001, 1161000) n WHERE n <> 1160500;
SELECT reason, count(*) FROM generate_series(1160001, 1161000) n, booking.try_book_slot(11601, 11601, n, '2026-03-04 09:00Z') GROUP BY 1 ORDER BY 1 NULLS FIRST;
SELECT count(*) FROM booking.appointments WHERE user_id = 1160500;
-- What the table refuses; and it lists nobody who is gone.
SELECT test.brief('INSERT INTO booking.blocked_customers (shop_id, user_id) VALUES (' || v.row || ')') FROM (VALUES ('11601, 1160001'), ('11699, 11601'), ('11601, 11699'), ('NULL, 11601'), ('11601, NULL')) v (row);
DELETE FROM booking.users WHERE id = 1160001;
SELECT count(*) FROM booking.blocked_customers WHERE user_id = 1160001;

-- ---------------------------------------------------------------------------
-- Who may know
-- ---------------------------------------------------------------------------

CREATE ROLE regress_booking_front;
CREATE ROLE regress_booking_staff;
CREATE ROLE regress_booking_manager;
SELECT count(*) > 0 AS granted FROM (VALUES ('front'), ('staff'), ('manager')) k (kind), LATERAL booking.grant_role(('regress_booking_' || kind)::regrole, kind);
SELECT count(*) > 0 AS enabled FROM booking.enable_row_security();
INSERT INTO booking.blocked_customers (shop_id, user_id, reason) VALUES (11602, 11602, 'never paid');
GRANT USAGE ON SCHEMA test TO PUBLIC;
SET LOCAL ROLE regress_booking_front;
SELECT test.brief('SELECT * FROM booking.blocked_customers');
SET LOCAL booking.user_id = '11602';
SELECT test.error('SELECT booking.book_slot(11603, 11602, 11602, ''2026-03-05 09:00Z'')');
SET LOCAL ROLE regress_booking_manager;
-- the customer, whatever role it has
SELECT count(*) FROM booking.blocked_customers;
SET LOCAL booking.user_id = '';
SELECT count(*) FROM booking.blocked_customers;
SET LOCAL booking.shop_id = '11602';
SELECT shop_id, user_id, reason FROM booking.blocked_customers;
SELECT test.brief('INSERT INTO booking.blocked_customers (shop_id, user_id) VALUES (11601, 11603)');
SELECT test.brief('INSERT INTO booking.blocked_customers (shop_id, user_id) VALUES (11602, 11603)');
-- whom a shop has blocked it does not get to know by that
SELECT id FROM booking.users ORDER BY id;
UPDATE booking.blocked_customers SET reason = 'ours' WHERE shop_id = 11601;
SET LOCAL booking.shop_id = '11601';
SELECT count(*), count(*) FILTER (WHERE shop_id = 11602 OR reason IS NOT NULL) AS others FROM booking.blocked_customers;
SET LOCAL ROLE regress_booking_staff;
SELECT count(*) FROM booking.blocked_customers;
SELECT test.brief('DELETE FROM booking.blocked_customers');
-- staff book for a customer whom the shop knows, and are bound; whom it has blocked it does not know by that
SELECT reason FROM booking.try_book_slot(11601, 11601, 1160002, '2026-03-05 09:00Z', NULL, '{limits}');
SELECT booking.ensure_user('u1160002@example.org');
SELECT reason FROM booking.try_book_slot(11601, 11601, 1160002, '2026-03-05 09:00Z', NULL, '{limits}');
RESET ROLE;
SET LOCAL booking.shop_id = '';
SELECT count(*) FROM booking.disable_row_security();
SELECT booking.revoke_role('regress_booking_manager');
SELECT has_table_privilege('regress_booking_manager', 'booking.blocked_customers', 'SELECT');
SELECT check_name, table_name, detail FROM booking.verify(true);
ROLLBACK;
