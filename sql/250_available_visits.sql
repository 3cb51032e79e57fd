--
-- Visits that fit: available_visits finds when several services fit back to
-- back, and with whom; what it returns is what book_visit takes.
--
-- Open every day 09:00 to 12:00, half an hour apart from opening; it is Sunday
-- 2026-03-01, noon.  Wash takes 20 minutes, Cut 30, Dye 35 and then 10 for
-- airing, Shave 30 after 5 for soap; Perm 30, a gap of 30, and 30; a Class of
-- an hour has three places.  Vic and Val do everything, Vera nothing yet.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'America/New_York';
SET datestyle = 'ISO, YMD';
SET booking.now = '2026-03-01 12:00-05';
BEGIN;

INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes, max_advance_days)
VALUES (25001, 'Visits that fit', 'America/New_York', 30, 14), (25002, 'Next door', 'America/New_York', 30, 14);
INSERT INTO booking.barbers (id, shop_id, name)
VALUES (25001, 25001, 'Vic'), (25002, 25001, 'Val'), (25003, 25001, 'Vera'), (25009, 25002, 'Ned');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, n, '09:00', '12:00' FROM unnest(ARRAY[25001, 25002, 25003, 25009]) b, generate_series(1, 7) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes, capacity)
VALUES (25001, 25001, 'Wash', 20, 0, 0, 1), (25002, 25001, 'Cut', 30, 0, 0, 1), (25003, 25001, 'Dye', 35, 0, 10, 1), (25004, 25001, 'Shave', 30, 5, 0, 1),
	(25005, 25001, 'Perm', 5, 0, 0, 1), (25006, 25001, 'Class', 60, 0, 0, 3), (25007, 25001, 'Massage', 30, 0, 0, 1), (25009, 25002, 'Nails', 30, 0, 0, 1);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (25005, 1, 30, 30), (25005, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b, s FROM generate_series(25001, 25002) b, generate_series(25001, 25006) s UNION ALL SELECT 25009, 25009;
INSERT INTO booking.users (id, email) VALUES (25001, 'u25001@example.org');

-- The visits of some services (25000 + n) on Monday, in the order in which they come: each item as barber, service, time; and whether book_visit takes them.
CREATE FUNCTION pg_temp.visits(services int[], barber int DEFAULT NULL, same_barber boolean DEFAULT false, from_date date DEFAULT '2026-03-02', to_date date DEFAULT NULL)
RETURNS TABLE (visit text, items text, can_be_booked text) LANGUAGE sql AS $$
SELECT to_char(v.starts_at, 'DD HH24:MI-') || to_char(v.ends_at, 'HH24:MI'),
	(SELECT string_agg(concat_ws(' ', i.barber_id - 25000, i.service_id - 25000, to_char(i.starts_at, 'HH24:MI'), i.guest_name), ', ' ORDER BY n)
		FROM unnest(v.items) WITH ORDINALITY i (barber_id, service_id, starts_at, guest_name, n)),
	replace(test.brief(format('SELECT booking.book_visit(NULL, %L)', v.items)), 'OK000 no error', 'yes')
FROM booking.available_visits((SELECT array_agg(25000 + s ORDER BY n) FROM unnest(services) WITH ORDINALITY u (s, n)), from_date, to_date, 25000 + barber, same_barber)
	WITH ORDINALITY v (starts_at, ends_at, items, n)
ORDER BY v.n
$$;
-- Somebody else's appointment on Monday.
CREATE PROCEDURE pg_temp.put(barber int, starts text, ends text, service int DEFAULT 2, status text DEFAULT 'confirmed') LANGUAGE sql AS $$
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status)
VALUES (25000 + barber, 25000 + service, ('2026-03-02 ' || starts || ' America/New_York')::timestamptz, ('2026-03-02 ' || ends || ' America/New_York')::timestamptz, status)
$$;
SAVEPOINT start;

-- ---------------------------------------------------------------------------
-- One barber
-- ---------------------------------------------------------------------------

-- The first on its grid, the second when it ends, until closing time.
SELECT * FROM pg_temp.visits('{1,2}', 1);
-- The same barber airs for ten minutes, and then for another five there is soap.
SELECT * FROM pg_temp.visits('{3,4}', 1);
-- The buffer after the last may not reach into the next appointment, nor that before the first into the one before it.
SELECT * FROM pg_temp.visits('{2,3}', 1);
CALL pg_temp.put(1, '10:40', '11:00');
SELECT * FROM pg_temp.visits('{2,3}', 1);
CALL pg_temp.put(1, '09:00', '09:25');
SELECT * FROM pg_temp.visits('{4,2}', 1);
CALL pg_temp.put(1, '09:25', '09:26');
SELECT * FROM pg_temp.visits('{4,2}', 1);
ROLLBACK TO start;
-- A visit of one service has the starts of its slots, and whoever has the lowest id.
SELECT count(*), bool_and(v.starts_at = s.starts_at AND v.ends_at = s.ends_at AND v.items = ARRAY[ROW(25001, 25003, s.starts_at, NULL)::booking.visit_item]) AS same
FROM booking.available_visits('{25003}', '2026-03-02', '2026-03-04') v FULL JOIN booking.available_slots(25003, '2026-03-02', '2026-03-04', 25001) s USING (starts_at);
-- The most there may be: ten of 20 minutes.  Vic goes home at noon, so the last is for Val.
UPDATE booking.working_hours SET closes = '12:30' WHERE barber_id = 25002;
SELECT * FROM pg_temp.visits('{1,1,1,1,1,1,1,1,1,1}');
ROLLBACK TO start;
-- Exactly until closing time; and a minute more than that.
SELECT * FROM pg_temp.visits('{6,6,6}');
UPDATE booking.services SET duration_minutes = 61 WHERE id = 25006;
SELECT * FROM pg_temp.visits('{6,6,6}');
ROLLBACK TO start;
-- A barber's own minutes.
UPDATE booking.barber_services SET duration_minutes = 80 WHERE barber_id = 25001 AND service_id = 25001;
SELECT * FROM pg_temp.visits('{1,2}', 1);
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Several barbers
-- ---------------------------------------------------------------------------

-- The same barber if possible, else the other; then it begins at once, without the buffers.
CALL pg_temp.put(1, '09:50', '10:00');
SELECT * FROM pg_temp.visits('{3,4}');
-- All by one; by that one.
SELECT * FROM pg_temp.visits('{3,4}', same_barber => true);
SELECT * FROM pg_temp.visits('{3,4}', 1);
SELECT * FROM pg_temp.visits('{3,4}', 2);
SELECT * FROM pg_temp.visits('{3,4}', 1, true);
SELECT * FROM pg_temp.visits('{3,4}', 3);
ROLLBACK TO start;
-- The lowest id begins, and takes over; but the same barber goes on, although others have lower ids.
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (25003, 25002), (25003, 25007);
SELECT * FROM pg_temp.visits('{2,2}') LIMIT 1;
SELECT * FROM pg_temp.visits('{7,2}') LIMIT 1;
CALL pg_temp.put(3, '09:30', '10:00');
SELECT * FROM pg_temp.visits('{7,2}') LIMIT 1;
CALL pg_temp.put(1, '09:30', '10:00');
SELECT * FROM pg_temp.visits('{7,2}') LIMIT 1;
-- Nobody does both.
SELECT count(*) FROM pg_temp.visits('{7,1}', same_barber => true);
SELECT * FROM pg_temp.visits('{7,1}') LIMIT 1;
-- Each start once, even if several could begin then, and in order, whoever it is.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (25001, '2026-03-02', '09:10', '12:00');
SELECT * FROM pg_temp.visits('{2,2}');
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- A choice that has to be undone
-- ---------------------------------------------------------------------------

-- The first: with Vic, who takes 40 minutes, a Wash ends when Vera, who alone does massages, is busy.
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (25003, 25007);
UPDATE booking.barber_services SET duration_minutes = 40 WHERE barber_id = 25001 AND service_id = 25001;
CALL pg_temp.put(3, '09:50', '10:10');
SELECT * FROM pg_temp.visits('{1,7}');
-- One in the middle: did Vic go on at 11:10, Vera would have to stay until 12:20.
SELECT * FROM pg_temp.visits('{1,1,7}');
ROLLBACK TO start;
-- Vic takes two a day, of which the third has to be one.
UPDATE booking.barbers SET max_per_day = 2 WHERE id = 25001;
DELETE FROM booking.barber_services WHERE barber_id = 25002 AND service_id = 25003;
SELECT * FROM pg_temp.visits('{1,1,3}');
SELECT * FROM pg_temp.visits('{1,1,1,3,3}');
-- One: two of them are done by Val, Vic's is the last.
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 25001;
SELECT * FROM pg_temp.visits('{1,1,3}') LIMIT 1;
SELECT count(*) FROM pg_temp.visits('{3,1,3}');
ROLLBACK TO start;
-- Val would be done before the dye, of the visit itself, has been aired; after Vera's Wash Vic is free.
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (25003, 25001);
DELETE FROM booking.barber_services WHERE (barber_id, service_id) IN ((25001, 25001), (25002, 25002));
UPDATE booking.barber_services SET duration_minutes = 5 WHERE barber_id = 25002 AND service_id = 25001;
SELECT * FROM pg_temp.visits('{3,1,2}', from_date => '2026-03-03') LIMIT 2;
-- With ten minutes for the Wash, the dye is just aired.
UPDATE booking.barber_services SET duration_minutes = 10 WHERE barber_id = 25002 AND service_id = 25001;
SELECT * FROM pg_temp.visits('{3,1,2}', from_date => '2026-03-03') LIMIT 1;
-- With five of soap more, it takes fifteen.
UPDATE booking.services SET buffer_before_minutes = 5 WHERE id = 25002;
SELECT * FROM pg_temp.visits('{3,1,2}', from_date => '2026-03-03') LIMIT 1;
ROLLBACK TO start;
-- At 10:00, the only time for it, the Cut comes too early for a dye at 09:20, after Val's Wash; but not for one at 09:15, after Vera's.
INSERT INTO booking.barber_services (barber_id, service_id, duration_minutes) VALUES (25003, 25001, 15), (25002, 25007, 5), (25003, 25007, 10);
DELETE FROM booking.barber_services WHERE (barber_id, service_id) IN ((25001, 25001), (25002, 25002), (25002, 25003));
CALL pg_temp.put(1, '10:30', '11:00');
SELECT * FROM pg_temp.visits('{1,3,7,2}') LIMIT 1;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Steps and groups
-- ---------------------------------------------------------------------------

-- A Perm takes an hour and a half; somebody else may be served in its gap, not in its work.
CALL pg_temp.put(1, '09:50', '10:20');
SELECT * FROM pg_temp.visits('{1,5,1}', 1);
CALL pg_temp.put(2, '09:49', '10:20');
SELECT * FROM pg_temp.visits('{1,5,1}', 2);
ROLLBACK TO start;
-- Its buffers are before the first and after the last of its steps.
UPDATE booking.services SET buffer_before_minutes = 5, buffer_after_minutes = 10 WHERE id = 25005;
SELECT * FROM pg_temp.visits('{5,2}', 1);
SELECT * FROM pg_temp.visits('{3,5}', 1);
ROLLBACK TO start;
-- A class that has begun to fill is joined, also at a time that is on no grid; a full one is not.
CALL pg_temp.put(1, '09:20', '10:20', 6);
CALL pg_temp.put(1, '09:20', '10:20', 6);
SELECT * FROM pg_temp.visits('{1,6}');
SELECT * FROM pg_temp.visits('{6,1}');
CALL pg_temp.put(1, '09:20', '10:20', 6);
SELECT * FROM pg_temp.visits('{1,6}');
SELECT * FROM pg_temp.visits('{6,1}', 1);
-- One of another service at that time is no class mate.
ROLLBACK TO start;
CALL pg_temp.put(1, '09:20', '10:20');
SELECT * FROM pg_temp.visits('{1,6}', 1);
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Grids
-- ---------------------------------------------------------------------------

-- packed: the first begins where a gap does, and half hours later; the second is not asked for the grid that the first has changed.
UPDATE booking.shops SET slot_anchor = 'packed' WHERE id = 25001;
CALL pg_temp.put(1, '09:30', '09:50');
SELECT * FROM pg_temp.visits('{1,2}', 1);
SELECT * FROM pg_temp.visits('{3,4}', 1);
SELECT * FROM pg_temp.visits('{1,2}') LIMIT 2;
-- clock: multiples of 25 minutes since midnight.
UPDATE booking.shops SET slot_anchor = 'clock', slot_interval_minutes = 25 WHERE id = 25001;
SELECT * FROM pg_temp.visits('{1,2}', 2);
-- The grid is that of the first service.
UPDATE booking.services SET slot_interval_minutes = 60 WHERE id = 25001;
SELECT * FROM pg_temp.visits('{1,2}', 2);
SELECT * FROM pg_temp.visits('{2,1}', 2);
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Notice, horizon, midnight
-- ---------------------------------------------------------------------------

-- Each service's own notice, at its own start: a Cut not before 09:30 on Monday.
UPDATE booking.services SET min_notice_minutes = 1290 WHERE id = 25002;
SELECT * FROM pg_temp.visits('{1,2}', 1);
SELECT * FROM pg_temp.visits('{2,1}', 1);
ROLLBACK TO start;
-- Late shifts on Monday.  The date asked for is that of the first; the others may be on the next, and so may the first alone.
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (25001, '2026-03-02', '22:00', '02:00'), (25001, '2026-03-03', NULL, NULL), (25002, '2026-03-02', NULL, NULL);
SELECT * FROM pg_temp.visits('{2,1}', 1);
SELECT * FROM pg_temp.visits('{2,1}', 1, from_date => '2026-03-03');
SELECT count(*) FROM pg_temp.visits('{2,1}', 1, from_date => '2026-03-02', to_date => '2026-03-03');
SELECT count(*) FROM pg_temp.visits('{2,1}', 1, from_date => '2026-03-01');
-- What is booked after midnight is in the way of what begins before.
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at) VALUES (25001, 25002, '2026-03-03 01:00-05', '2026-03-03 01:10-05');
SELECT * FROM pg_temp.visits('{2,2,2,2}', 1);
-- A horizon between the two.
UPDATE booking.shops SET max_advance_days = 1 WHERE id = 25001;
SELECT * FROM pg_temp.visits('{2,1}', 1, from_date => '2026-03-02', to_date => '2026-03-04');
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- max_per_day
-- ---------------------------------------------------------------------------

-- The visit's own items count.
UPDATE booking.barbers SET max_per_day = 2 WHERE id = 25001;
SELECT * FROM pg_temp.visits('{1,1,1}') LIMIT 2;
SELECT count(*) FROM pg_temp.visits('{1,1,1}', 1);
SELECT count(*) FROM pg_temp.visits('{1,1,1}', same_barber => true) WHERE items LIKE '2%';
SELECT count(*) FROM pg_temp.visits('{1,1}', 1);
-- A Perm counts once; with what is booked, and what is over, but not with what is cancelled.
SELECT count(*) FROM pg_temp.visits('{5,1}', 1);
CALL pg_temp.put(1, '12:00', '12:30', status => 'cancelled');
SELECT count(*) FROM pg_temp.visits('{1,1}', 1);
CALL pg_temp.put(1, '08:00', '08:30', status => 'completed');
SELECT count(*) FROM pg_temp.visits('{1,1}', 1);
SELECT count(*) FROM pg_temp.visits('{1}', 1);
SELECT * FROM pg_temp.visits('{1,1}') LIMIT 1;
CALL pg_temp.put(1, '12:00', '12:30');
SELECT count(*) FROM pg_temp.visits('{1}', 1);
SELECT * FROM pg_temp.visits('{1,1}') LIMIT 1;
-- There is nobody else any more.
UPDATE booking.barbers SET max_per_day = 1 WHERE id = 25002;
SELECT count(*) FROM pg_temp.visits('{1,1}');
ROLLBACK TO start;
-- Each date counts for itself: two before midnight, and two after it.
UPDATE booking.barbers SET max_per_day = 2 WHERE id = 25001;
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (25001, '2026-03-02', '22:00', '02:00'), (25001, '2026-03-03', NULL, NULL);
SELECT * FROM pg_temp.visits('{2,2,2,2}', 1, from_date => '2026-03-02', to_date => '2026-03-03');
ROLLBACK TO start;

-- Thirty barbers with room for one more each: what is too long for the day must be found out without trying them in all orders.
INSERT INTO booking.barbers (id, shop_id, name, max_per_day) SELECT 25100 + n, 25001, 'Barber ' || n, 1 FROM generate_series(1, 30) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 25100 + n, 1, '09:00', '12:00' FROM generate_series(1, 30) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 25100 + n, 25007 FROM generate_series(1, 30) n;
UPDATE booking.services SET duration_minutes = 16 WHERE id = 25007;
SELECT * FROM pg_temp.visits('{7,7,7,7,7,7,7,7,7,7}');
-- Nine for ten, in nine times eight times seven ... orders: it says that it has not tried them all.  With nine for nine, it finds one.
DELETE FROM booking.barber_services WHERE barber_id > 25109;
SELECT test.error('SELECT * FROM booking.available_visits(array_fill(25007, ARRAY[10]), ''2026-03-02'', ''2026-03-02'')');
SELECT * FROM pg_temp.visits('{7,7,7,7,7,7,7,7,7}') LIMIT 1;
-- The only one who shaves can do it once: whoever of the others is chosen in between, it will not be twice.
UPDATE booking.barbers SET max_per_day = NULL WHERE id > 25101;
DELETE FROM booking.barber_services WHERE service_id = 25004;
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (25101, 25004);
SELECT count(*) FROM pg_temp.visits('{4,7,7,7,7,7,7,7,4}');
SELECT * FROM pg_temp.visits('{7,7,7,7,7,7,7,4}') LIMIT 1;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Clock changes
-- ---------------------------------------------------------------------------

-- 02:00 to 03:00 is missing; at night on March 8, a Perm that begins at 00:30 ends at 03:00.
UPDATE booking.shops SET max_advance_days = 300 WHERE id = 25001;
INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes) VALUES (25001, '2026-03-07', '22:00', '06:00'), (25001, '2026-03-08', NULL, NULL),
	(25001, '2026-10-31', '22:00', '06:00'), (25001, '2026-11-01', NULL, NULL);
SELECT * FROM pg_temp.visits('{5,2}', 1, from_date => '2026-03-08');
-- 01:00 to 02:00 comes twice.
SELECT v.starts_at, v.ends_at, (v.items[2]).starts_at AS second, test.brief(format('SELECT booking.book_visit(NULL, %L)', v.items))
FROM booking.available_visits('{25005,25002}', '2026-11-01', '2026-11-01', 25001) v;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Nothing fits
-- ---------------------------------------------------------------------------

-- Closed, full, not offered, inactive: no rows, and no error.
SELECT count(*) FROM booking.available_visits('{25001,25002}', '2026-02-20', '2026-02-28');
SELECT count(*) FROM booking.available_visits('{25001,25002}', '2026-03-16', '2027-03-01');
SELECT s, (SELECT count(*) FROM pg_temp.visits(s::int[])) FROM unnest(ARRAY['{1,7}', '{7,1}', '{7}']) s;
SELECT count(*) FROM pg_temp.visits('{9}', 1);
CALL pg_temp.put(1, '09:20', '12:00');
CALL pg_temp.put(2, '09:20', '12:00');
SELECT * FROM pg_temp.visits('{1,1}');
SELECT * FROM pg_temp.visits('{1}');
ROLLBACK TO start;
UPDATE booking.services SET is_active = false WHERE id = 25002;
SELECT count(*) FROM pg_temp.visits('{1,2}');
ROLLBACK TO start;
UPDATE booking.barbers SET is_active = false WHERE id = 25001;
SELECT * FROM pg_temp.visits('{1,2}') LIMIT 1;
UPDATE booking.shops SET is_active = false WHERE id = 25001;
SELECT count(*) FROM pg_temp.visits('{1,2}');
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Straight into book_visit
-- ---------------------------------------------------------------------------

SELECT b.barber_id, b.service_id, b.starts_at, b.ends_at, b.status
FROM (SELECT * FROM booking.available_visits('{25003,25005,25004}', '2026-03-02', '2026-03-02') LIMIT 1) v, booking.book_visit(25001, v.items) b;
-- What is booked is gone, in this transaction as well; then it is Val's turn, and after her nobody's.
SELECT v.starts_at, (v.items[1]).barber_id FROM booking.available_visits('{25003,25005,25004}', '2026-03-02', '2026-03-02') v;
SELECT count(*) FROM booking.available_visits('{25003,25005,25004}', '2026-03-02', '2026-03-02') v, booking.book_visit(25001, v.items) b;
SELECT count(*) FROM booking.available_visits('{25003,25005,25004}', '2026-03-02', '2026-03-02');
-- In the select list it is a set, too.
SELECT (booking.available_visits('{25005,25005}', '2026-03-03', '2026-03-03', 25002)).ends_at;
-- Two visits, side by side, are one, although both barbers go on at a time that is on no grid; with whoever has just done the first, if it is not said who.
SELECT string_agg(concat_ws(' ', b.barber_id - 25000, b.service_id - 25000, to_char(b.starts_at, 'HH24:MI')), ', ') AS items
FROM (SELECT * FROM booking.available_visits('{25003,25004}', '2026-03-03', '2026-03-03', 25001) LIMIT 1) v,
	(SELECT * FROM booking.available_visits('{25003,25004}', '2026-03-03', '2026-03-03', 25002) LIMIT 1) w, booking.book_visit(25001, v.items || w.items) b;
SELECT string_agg(concat_ws(' ', b.barber_id - 25000, b.service_id - 25000, to_char(b.starts_at, 'HH24:MI')), ', ') AS items
FROM booking.book_visit(25001, ARRAY[(25001, 25003, '2026-03-04 09:00', 'Ann'), (25002, 25003, '2026-03-04 09:00', 'Bob'), (NULL, 25004, '2026-03-04 09:50', 'Ann'), (NULL, 25004, '2026-03-04 09:50', 'Bob')]::booking.visit_item[]) b;
ROLLBACK TO start;

-- ---------------------------------------------------------------------------
-- Bad arguments
-- ---------------------------------------------------------------------------

SELECT a.args, e.line FROM (VALUES
	(1, 'NULL, ''2026-03-02'', ''2026-03-02'''), (2, '''{}'', ''2026-03-02'', ''2026-03-02'''), (3, 'ARRAY[25001, NULL], ''2026-03-02'', ''2026-03-02'''),
	(4, 'array_fill(25001, ARRAY[11]), ''2026-03-02'', ''2026-03-02'''), (5, '''{{25001},{25002}}'', ''2026-03-02'', ''2026-03-02'''),
	(6, '''{{25001}}'', ''2026-03-02'', ''2026-03-02'''), (7, '''{25001,25009}'', ''2026-03-02'', ''2026-03-02'''), (8, '''{25001,25001,25999}'', ''2026-03-02'', ''2026-03-02'''),
	(9, '''{25001}'', ''2026-03-02'', ''2026-03-02'', 25999'), (10, '''{25001}'', ''2026-03-02'', ''2026-03-01'''), (11, '''{25001}'', ''2026-03-02'', ''infinity'''),
	(12, '''{25001}'', ''2026-01-01'', ''2027-01-02'''), (13, '''{25001}'', NULL, ''2026-03-02'''), (14, '''{25001}'', ''2026-03-02'', ''2026-03-02'', NULL, NULL'),
	(15, '''{25001}'', ''2026-03-02'', NULL'), (16, '''[0:1]={25001,25002}'', ''2026-03-02'', ''2026-03-02'''), (17, 'array_fill(NULL::bigint, ARRAY[100000]), ''2026-03-02'', ''2026-03-02''')
) a (n, args), test.error('SELECT * FROM booking.available_visits(' || a.args || ')') WITH ORDINALITY e (line, m) ORDER BY a.n, e.m;
-- Without a to_date it is one day.
SELECT count(*) = (SELECT count(*) FROM booking.available_visits('{25001}', '2026-03-02', '2026-03-02')) AS same FROM booking.available_visits('{25001}', '2026-03-02', NULL);

ROLLBACK;
