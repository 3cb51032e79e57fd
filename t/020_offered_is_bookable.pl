# book_slot takes exactly what available_slots offers, and says why when it
# does not: in random shops, every candidate instant is asked of
# available_slots, check_slot, try_book_slot, book_slot, hold_slot and the
# oracle, some also for any barber, and for appointments that are to be moved,
# each attempt rolled back; then some bookings stay, and what is offered
# afterwards has to be what they leave.  If this fails, a customer is shown a
# slot that cannot be had, or is refused one that could.
#
# BOOKING_SEED=n BOOKING_ROUNDS=1 repeats the shop that a failure names.

use strict;
use warnings FATAL => 'all';

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{BOOKING_SEED} // int(rand(1_000_000));
my $rounds = $ENV{BOOKING_ROUNDS} // 30;
my $rounds_per_session = 10;

my $node = PostgreSQL::Test::Cluster->new('offered');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION booking; SELECT booking.setup();');
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/$_"))
  foreach qw(oracle.sql random_shops.sql);

$node->safe_psql(
	'postgres', q{
CREATE TABLE oracle.seen (answer text, answers bigint);
CREATE TABLE oracle.had (what text, times bigint);

-- The reasons, in the order in which a request comes closer to being granted; on a packed grid the time comes first.
CREATE TABLE oracle.reasons (closeness int, closeness_if_packed int, reason text, code text);
INSERT INTO oracle.reasons VALUES
	(1, 1, 'not_offered', 'SL005'), (2, 2, 'notice_too_short', 'SL002'), (3, 3, 'too_far_ahead', 'SL003'),
	(4, 4, 'outside_hours', 'SL001'), (5, 6, 'off_grid', 'SL004'), (6, 5, 'slot_taken', '23P01'), (7, 7, 'limit_reached', 'SL006');

CREATE FUNCTION oracle.error_code(why_not text) RETURNS text LANGUAGE sql AS $$
	SELECT code FROM oracle.reasons WHERE reason = why_not
$$;

CREATE FUNCTION oracle.local_date(shop bigint, t timestamptz) RETURNS date LANGUAGE sql AS $$
	SELECT (t AT TIME ZONE time_zone)::date FROM booking.shops WHERE id = shop
$$;

-- What a call says, before it is rolled back: an error's code, or its answer.
CREATE FUNCTION oracle.attempt(call text, OUT code text, OUT answer text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call INTO answer;
	RAISE SQLSTATE 'RB000';
EXCEPTION
	WHEN SQLSTATE 'RB000' THEN
	WHEN OTHERS THEN code := SQLSTATE;
END
$$;

-- Asks everybody about one instant; what they disagree on, or nothing.
CREATE FUNCTION oracle.disagreement(shop bigint, barber bigint, service bigint, t timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	day date := oracle.local_date(shop, t);
	offered boolean := EXISTS (SELECT FROM booking.available_slots(service, day, day, barber) WHERE starts_at = t);
	expected text := oracle.reason(barber, service, t);
	checked booking.slot_check := booking.check_slot(barber, service, t);
	args text := format('%s, %s, NULL, %L', barber, service, t);
	tried text := (oracle.attempt(format('SELECT coalesce(reason, ''yes'') FROM booking.try_book_slot(%s)', args))).answer;
	booked text := (oracle.attempt(format('SELECT id FROM booking.book_slot(%s)', args))).code;
	held text := (oracle.attempt(format('SELECT id FROM booking.hold_slot(%s)', args))).code;
BEGIN
	INSERT INTO oracle.seen VALUES (coalesce(expected, 'yes'), 1);
	IF offered IS DISTINCT FROM (expected IS NULL)
		OR checked.available IS DISTINCT FROM (expected IS NULL)
		OR checked.reason IS DISTINCT FROM expected
		OR (checked.detail IS NULL) <> (expected IS NULL)
		OR tried IS DISTINCT FROM coalesce(expected, 'yes')
		OR booked IS DISTINCT FROM oracle.error_code(expected)
		-- what begins now can be booked, but no longer held
		OR (held IS DISTINCT FROM oracle.error_code(expected) AND NOT (t = oracle.now() AND held = 'SL002'))
	THEN
		RETURN format('barber %s, service %s at %s: offered %s, check_slot %s, try_book_slot %s, book_slot %s, hold_slot %s, oracle %s',
			barber, service, t, offered, checked, tried, coalesce(booked, 'yes'), coalesce(held, 'yes'), coalesce(expected, 'yes'));
	END IF;
	RETURN NULL;
END
$$;

-- Any barber: the one whose turn it is of those who can, or the reason of whoever came closest.
CREATE FUNCTION oracle.disagreement_of_any(service bigint, t timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	is_packed boolean := (SELECT slot_anchor = 'packed' FROM booking.shops
		WHERE id = (SELECT shop_id FROM booking.services WHERE id = service));
	expected bigint;
	why_not text;
	got record;
BEGIN
	SELECT barber_id INTO expected
	FROM oracle.turns(service, t)
	WHERE oracle.reason(barber_id, service, t) IS NULL ORDER BY turn, barber_id LIMIT 1;
	IF NOT FOUND THEN
		SELECT reason INTO why_not
		FROM oracle.reasons
		WHERE reason IN (SELECT oracle.reason(barber_id, service, t) FROM oracle.turns(service, t) UNION SELECT 'not_offered')
		ORDER BY CASE WHEN is_packed THEN closeness_if_packed ELSE closeness END DESC LIMIT 1;
	END IF;
	got := oracle.attempt(format('SELECT barber_id FROM booking.book_slot(NULL, %s, NULL, %L)', service, t));
	INSERT INTO oracle.seen VALUES (CASE WHEN why_not IS NOT NULL THEN 'no barber'
		WHEN (SELECT count(*) > 1 FROM oracle.turns(service, t) WHERE oracle.reason(barber_id, service, t) IS NULL)
		THEN 'one of several barbers' ELSE 'any barber' END, 1);
	IF got.code IS DISTINCT FROM oracle.error_code(why_not) OR got.answer IS DISTINCT FROM expected::text THEN
		RETURN format('any barber, service %s at %s: book_slot %s, oracle %s', service, t, got, coalesce(why_not, expected::text));
	END IF;
	RETURN NULL;
END
$$;

-- The rows of an appointment are those of the oracle: one for each step.
CREATE FUNCTION oracle.mistakes_of_rows(head bigint, o oracle.offers, t timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	stored text := (SELECT string_agg(format('[%s, %s)', starts_at, ends_at), ' ' ORDER BY starts_at)
		FROM oracle.live WHERE coalesce(part_of, id) = head AND (barber_id, service_id) = (o.barber_id, o.service_id));
	expected text := coalesce(
		(SELECT string_agg(format('[%s, %s)', t + begins * interval '1 minute', t + ends * interval '1 minute'), ' ' ORDER BY begins)
			FROM oracle.steps WHERE service_id = o.service_id),
		format('[%s, %s)', t, t + o.duration));
	busy tstzmultirange := (SELECT range_agg(tstzrange(busy_from, busy_until)) FROM oracle.live WHERE coalesce(part_of, id) = head);
BEGIN
	INSERT INTO oracle.seen VALUES (CASE WHEN stored LIKE '% [%' THEN 'several steps' ELSE 'one row' END, 1);
	IF stored IS DISTINCT FROM expected OR busy IS DISTINCT FROM oracle.busy_time(o, t) THEN
		RETURN NEXT format('appointment %s of %s at %s is stored as %s, busy %s', head, o, t, stored, busy);
	END IF;
END
$$;

-- The time of an appointment, since its start.
CREATE FUNCTION oracle.shape(head bigint) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(concat_ws(' ', p.starts_at - h.starts_at, p.ends_at - h.starts_at, h.starts_at - p.busy_from, p.busy_until - h.starts_at), ', ' ORDER BY p.starts_at, p.id)
	FROM booking.appointments h JOIN booking.appointments p ON h.id IN (p.id, p.part_of) AND p.status = h.status
	WHERE h.id = head
$$;

-- A move: its own time is not in its way, neither to another start nor to another barber or service.
CREATE FUNCTION oracle.disagreement_of_move(shop bigint, moved bigint, barber bigint, service bigint, t timestamptz)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	day date := oracle.local_date(shop, t);
	offered boolean := EXISTS (
		SELECT FROM booking.available_slots(service, day, day, barber, moved, '{window}') WHERE starts_at = t);
	expected text;
	head bigint := (SELECT coalesce(part_of, id) FROM booking.appointments WHERE id = moved);
	keeps_time boolean;
	got record;
BEGIN
	PERFORM set_config('oracle.moved', head::text, false);
	expected := oracle.reason(barber, service, t);
	keeps_time := oracle.keeps_time(barber, service);
	PERFORM set_config('oracle.moved', '', false);
	got := oracle.attempt(format(CASE WHEN keeps_time
		THEN 'SELECT nullif(oracle.shape(a.id), %5$L) FROM booking.reschedule_appointment(%1$s, %2$L, %3$s, %4$s, NULL, ''{window}'') a'
		ELSE 'SELECT string_agg(mistake, ''; '')
		FROM booking.reschedule_appointment(%1$s, %2$L, %3$s, %4$s, NULL, ''{window}'') a, oracle.offers o,
			oracle.mistakes_of_rows(a.id, o, %2$L) mistake
		WHERE o.barber_id = %3$s AND o.service_id = %4$s' END, moved, t, barber, service, oracle.shape(head)));
	INSERT INTO oracle.seen VALUES (CASE WHEN expected IS NULL THEN 'moved' ELSE 'not moved' END, 1);
	INSERT INTO oracle.seen SELECT 'moved with its own time', 1
	WHERE keeps_time AND expected IS NULL AND oracle.own_time(head) IS DISTINCT FROM oracle.usual_time(barber, service);
	IF offered IS DISTINCT FROM (expected IS NULL)
		OR got.code IS DISTINCT FROM oracle.error_code(expected) OR got.answer IS NOT NULL
	THEN
		RETURN format('appointment %s to barber %s, service %s at %s: offered %s, reschedule_appointment %s, oracle %s',
			moved, barber, service, t, offered, got, coalesce(expected, 'yes'));
	END IF;
	RETURN NULL;
END
$$;

-- Slots, their neighbours, the edges of what is booked and open, anything.
CREATE FUNCTION oracle.candidates(c oracle.case, barber bigint, service bigint)
RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
DECLARE
	s booking.services := (SELECT s FROM booking.services s WHERE id = service);
	length interval := coalesce((SELECT duration FROM oracle.offers WHERE barber_id = barber AND service_id = service),
		s.duration_minutes * interval '1 minute');
	slots timestamptz[] := (SELECT array_agg(starts_at)
		FROM booking.available_slots(service, c.day - 1, c.day + 3, barber));
	t timestamptz;
BEGIN
	IF slots IS NOT NULL THEN
		FOR i IN 1 .. 3 LOOP
			t := oracle.pick(slots);
			RETURN NEXT t;
			RETURN NEXT t + oracle.pick(ARRAY[-1, 1]) * interval '1 minute';
			RETURN NEXT t + oracle.pick(ARRAY[-1, 1]) * interval '1 microsecond';
			RETURN NEXT t + oracle.pick(ARRAY[-5, 5, 7, 15, 30]) * interval '1 minute';
			RETURN NEXT t + oracle.pick(ARRAY[-1, 1]) * length;
		END LOOP;
		RETURN NEXT slots[1];
		RETURN NEXT slots[cardinality(slots)];
	END IF;
	RETURN QUERY
		SELECT busy_until + s.buffer_before_minutes * interval '1 minute'
		FROM booking.appointments WHERE barber_id = barber ORDER BY random() LIMIT 2;
	RETURN QUERY
		SELECT unnest(ARRAY[lower(piece), upper(piece), upper(piece) - length])
		FROM oracle.pieces(barber, c.day, c.day) piece ORDER BY random() LIMIT 4;
	RETURN QUERY
		SELECT starts_at FROM booking.appointments WHERE barber_id = barber AND service_id = service ORDER BY random() LIMIT 1;
	RETURN QUERY
		SELECT g.t FROM oracle.offers o, oracle.groups(o) g
		WHERE o.barber_id = barber AND o.service_id = service ORDER BY random() LIMIT 2;
	RETURN NEXT oracle.random_instant(c.zone, c.day, 1, 3);
	RETURN NEXT c.now;
END
$$;

CREATE FUNCTION oracle.disagreements(c oracle.case) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	barber bigint;
	service bigint;
BEGIN
	FOR barber, service IN
		SELECT b.id, s.id FROM booking.barbers b JOIN booking.services s USING (shop_id)
		WHERE shop_id = c.shop_id ORDER BY b.id, s.id
	LOOP
		RETURN QUERY SELECT d
			FROM (SELECT oracle.disagreement(c.shop_id, barber, service, t) FROM oracle.candidates(c, barber, service) t) x (d)
			WHERE d IS NOT NULL;
	END LOOP;
END
$$;

-- Starts that several barbers have, and others.
CREATE FUNCTION oracle.disagreements_of_any(c oracle.case) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT d
	FROM booking.services s,
	LATERAL (
		(SELECT starts_at FROM booking.available_slots(s.id, c.day - 1, c.day + 3)
			GROUP BY starts_at HAVING count(*) > 1 ORDER BY random() LIMIT 4)
		UNION ALL
		(SELECT t FROM booking.barber_services bs, oracle.candidates(c, bs.barber_id, s.id) t
			WHERE bs.service_id = s.id ORDER BY random() LIMIT 4)
	) candidate (t),
	oracle.disagreement_of_any(s.id, t) d
	WHERE s.shop_id = c.shop_id AND d IS NOT NULL
$$;

CREATE FUNCTION oracle.disagreements_of_moves(c oracle.case) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	a oracle.live;
	barber bigint;
	service bigint;
	slots timestamptz[];
BEGIN
	FOR a IN
		SELECT * FROM oracle.live
		WHERE barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = c.shop_id) AND status <> 'checked_in'
		ORDER BY random() LIMIT 4
	LOOP
		SELECT barber_id, service_id INTO barber, service
		FROM oracle.offers
		WHERE barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = c.shop_id)
		ORDER BY (barber_id, service_id) <> (a.barber_id, a.service_id) OR oracle.chance(30), random() LIMIT 1;
		CONTINUE WHEN barber IS NULL;
		slots := (SELECT array_agg(starts_at) FROM booking.available_slots(service, c.day - 1, c.day + 3, barber, a.id, '{window}'));
		RETURN QUERY SELECT d
			FROM (SELECT oracle.disagreement_of_move(c.shop_id, a.id, barber, service, t)
				FROM (SELECT a.starts_at
					UNION SELECT oracle.pick(slots) FROM generate_series(1, 2)
					UNION (SELECT t FROM unnest(slots) t WHERE t BETWEEN a.busy_from - interval '1 hour' AND a.busy_until
						ORDER BY random() LIMIT 3)
					UNION (SELECT * FROM oracle.candidates(c, barber, service) ORDER BY random() LIMIT 2)) candidate (t)
				WHERE t IS NOT NULL) x (d)
			WHERE d IS NOT NULL;
	END LOOP;
END
$$;

-- Some of a shop's appointments get customers and belong together as visits, some are over or booked by customers elsewhere; the shop has rules for them.
CREATE FUNCTION oracle.add_customers(c oracle.case) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	barbers bigint[] := ARRAY(SELECT id FROM booking.barbers WHERE shop_id = c.shop_id);
	customers bigint[];
	a booking.appointments;
	visit bigint;
BEGIN
	WITH added AS (INSERT INTO booking.users (email) SELECT format('%s.%s@example.org', c.shop_id, n) FROM generate_series(1, 3) n RETURNING id)
	SELECT array_agg(id) INTO customers FROM added;
	UPDATE booking.shops
	SET prevent_user_overlap = oracle.chance(50), max_active_per_user = oracle.pick(ARRAY[NULL, NULL, 1, 3]),
		max_pending_per_user = oracle.pick(ARRAY[NULL, 1, 2, 10]), answer_within_minutes = oracle.pick(ARRAY[NULL, 30]),
		cancellation_window_minutes = oracle.pick(ARRAY[0, 0, 0, 60, 600])
	WHERE id = c.shop_id;
	UPDATE booking.appointments SET user_id = oracle.pick(customers)
	WHERE barber_id = ANY (barbers) AND part_of IS NULL AND oracle.chance(80);
	UPDATE booking.appointments p SET user_id = h.user_id FROM booking.appointments h WHERE h.id = p.part_of AND p.barber_id = ANY (barbers);
	FOR a IN SELECT * FROM booking.appointments WHERE barber_id = ANY (barbers) AND part_of IS NULL AND user_id IS NOT NULL ORDER BY starts_at LOOP
		CONTINUE WHEN oracle.chance(50);
		visit := (SELECT coalesce(visit_id, id) FROM booking.appointments b
			WHERE b.barber_id = ANY (barbers) AND b.part_of IS NULL AND b.user_id = a.user_id AND b.status = a.status AND b.id <> a.id
			AND b.starts_at BETWEEN a.starts_at - interval '6 hours' AND a.starts_at AND b.service_id <> a.service_id
			ORDER BY b.ends_at = a.starts_at DESC, random() LIMIT 1);
		UPDATE booking.appointments SET visit_id = visit WHERE visit IS NOT NULL AND (a.id IN (id, part_of) OR visit IN (id, part_of));
	END LOOP;
END
$$;

-- A visit of two or three, back to back where the services are booked by whoever has time.
CREATE FUNCTION oracle.add_visit(c oracle.case) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	services bigint[] := ARRAY(SELECT oracle.pick(array_agg(id)) FROM booking.services, generate_series(1, oracle.dice(2, 3)) n WHERE shop_id = c.shop_id GROUP BY n);
	found booking.visit_slot := oracle.pick(ARRAY(SELECT v FROM booking.available_visits(services, c.day - 1, c.day + 3) v));
	customer bigint := (SELECT id FROM booking.users WHERE email LIKE c.shop_id || '.%' ORDER BY random() LIMIT 1);
BEGIN
	IF found IS NOT NULL THEN
		PERFORM booking.book_visit(CASE WHEN oracle.chance(50) THEN customer END, found.items);
	END IF;
EXCEPTION WHEN OTHERS THEN
	NULL;	-- more than the customer may have
END
$$;

-- Moves an appointment, and returns when it ends then.
CREATE FUNCTION oracle.move_and_see(moved bigint, t timestamptz, barber bigint, service bigint, overrides text[]) RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
	a booking.appointment := booking.reschedule_appointment(moved, t, barber, service, NULL, overrides);
BEGIN
	IF a.hold_expires_at > a.starts_at AND a.starts_at > oracle.now() THEN
		RAISE 'a hold of % ends after its start', a;
	END IF;
	RETURN (SELECT max(ends_at) FROM booking.appointments p WHERE a.id IN (p.id, p.part_of) AND p.status = a.status);
END
$$;

-- What is offered for an appointment, of any status, can be had by the same caller, with the end that is shown; what is not cannot.
CREATE FUNCTION oracle.mistakes_of_offer(c oracle.case, a booking.appointments, barber bigint, service bigint, overrides text[]) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	offered booking.slot[] := ARRAY(SELECT s FROM booking.available_slots(service, c.day - 2, c.day + 4, barber, a.id, overrides) s);
	t timestamptz;
	got record;
	slot booking.slot;
BEGIN
	FOR t IN
		SELECT a.starts_at
		UNION SELECT (oracle.pick(offered)).starts_at FROM generate_series(1, 6)
		UNION (SELECT x FROM oracle.candidates(c, barber, service) x ORDER BY random() LIMIT 5)
		UNION (SELECT x.starts_at FROM unnest(offered) x ORDER BY abs(extract(epoch FROM x.starts_at - a.starts_at)) LIMIT 3)
	LOOP
		CONTINUE WHEN t IS NULL OR oracle.local_date(c.shop_id, t) NOT BETWEEN c.day - 2 AND c.day + 4;
		slot := (SELECT s FROM unnest(offered) s WHERE starts_at = t);
		got := oracle.attempt(format('SELECT oracle.move_and_see(%s, %L, %s, %s, %L)', a.id, t, barber, service, overrides));
		INSERT INTO oracle.had
		SELECT concat_ws(' ', CASE WHEN got.code IS NULL THEN 'had' ELSE 'not had' END, kind, got.code), 1
		FROM unnest(ARRAY['for ' || a.status, CASE WHEN (SELECT count(*) > 1 FROM booking.appointments v WHERE v.visit_id = a.visit_id AND v.part_of IS NULL AND v.status = a.status) THEN 'for a visit' END]) kind WHERE kind IS NOT NULL;
		IF (slot.starts_at IS NULL) <> (got.code IS NOT NULL) OR slot.ends_at <> got.answer::timestamptz THEN
			RETURN NEXT format('appointment %s to barber %s, service %s at %s, overrides %s: available_slots %s, reschedule_appointment %s',
				a.id, barber, service, t, overrides, slot, got);
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION oracle.mistakes_of_offers(c oracle.case) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	a booking.appointments;
	barber bigint;
	service bigint;
BEGIN
	FOR a IN
		WITH theirs AS (
			SELECT id, row_number() OVER (PARTITION BY CASE WHEN status NOT IN ('pending', 'confirmed') THEN 'over' WHEN visit_id <> 0 THEN 'visit' END
				ORDER BY random()) AS n
			FROM booking.appointments
			WHERE barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = c.shop_id) AND part_of IS NULL
		)
		SELECT x.* FROM theirs t JOIN booking.appointments x USING (id) WHERE n <= 4
	LOOP
		SELECT barber_id, service_id INTO barber, service
		FROM oracle.offers
		WHERE barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = c.shop_id)
		ORDER BY (barber_id, service_id) <> (a.barber_id, a.service_id) OR oracle.chance(30), random() LIMIT 1;
		CONTINUE WHEN barber IS NULL;
		-- a customer's move of what the shop confirmed makes it pending, staff's does not
		IF a.user_id IS NOT NULL AND oracle.chance(50) THEN
			PERFORM set_config('booking.user_id', a.user_id::text, false);
			RETURN QUERY SELECT oracle.mistakes_of_offer(c, a, barber, service, NULL);
			PERFORM set_config('booking.user_id', '', false);
		ELSE
			RETURN QUERY SELECT oracle.mistakes_of_offer(c, a, barber, service, oracle.pick(ARRAY['{}', '{window}'])::text[]);
		END IF;
	END LOOP;
END
$$;

-- What is offered before and after one booking that stays.
CREATE FUNCTION oracle.mistakes_of_booking(c oracle.case, service bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	o oracle.offers;
	before booking.slot[] := (SELECT array_agg(s) FROM booking.available_slots(service, c.day - 1, c.day + 3) s);
	after booking.slot[];
	chosen booking.slot := oracle.pick(coalesce(
		(SELECT array_agg(s) FROM unnest(before) s
			WHERE s.seats_left < (SELECT capacity FROM booking.services WHERE id = service) AND oracle.chance(60)),
		before));
	taken tstzmultirange;
	full_day date;
	left_over int;
	booked booking.appointment;
BEGIN
	IF before IS NULL THEN
		RETURN;
	END IF;
	SELECT * INTO o FROM oracle.offers WHERE service_id = service AND barber_id = chosen.barber_id;
	SELECT * INTO booked FROM booking.book_slot(chosen.barber_id, service, NULL, chosen.starts_at);
	INSERT INTO oracle.seen VALUES (CASE WHEN chosen.seats_left < o.capacity THEN 'joined' ELSE 'booked' END, 1);
	RETURN QUERY SELECT oracle.mistakes_of_rows(booked.id, o, chosen.starts_at);

	taken := oracle.busy_time(o, chosen.starts_at);
	full_day := (SELECT d FROM oracle.full_days(o) d WHERE d = oracle.local_date(c.shop_id, chosen.starts_at));
	after := (SELECT array_agg(s) FROM booking.available_slots(service, c.day - 1, c.day + 3) s);
	left_over := (SELECT seats_left FROM unnest(after) s WHERE (barber_id, starts_at) = (chosen.barber_id, chosen.starts_at));
	IF left_over IS DISTINCT FROM (CASE WHEN full_day IS NULL AND chosen.seats_left > 1 THEN chosen.seats_left - 1 END) THEN
		RETURN NEXT format('after booking %s, %s seats are left', chosen, left_over);
	END IF;
	RETURN QUERY
		SELECT format('%s is offered after booking %s', s, chosen)
		FROM unnest(after) s
		WHERE s.barber_id = chosen.barber_id AND s.starts_at <> chosen.starts_at
		AND (oracle.busy_time(o, s.starts_at) && taken OR oracle.local_date(c.shop_id, s.starts_at) = full_day);
	-- On a fixed grid, nothing else changes.
	RETURN QUERY
		SELECT format('%s is no longer offered after booking %s', s, chosen)
		FROM (SELECT * FROM unnest(before) EXCEPT SELECT * FROM unnest(after)) s
		WHERE s.barber_id <> chosen.barber_id
		OR (o.slot_anchor <> 'packed' AND NOT oracle.busy_time(o, s.starts_at) && taken
			AND oracle.local_date(c.shop_id, s.starts_at) IS DISTINCT FROM full_day);
	RETURN QUERY
		SELECT format('%s is offered only after booking %s', s, chosen)
		FROM (SELECT * FROM unnest(after) EXCEPT SELECT * FROM unnest(before)) s
		WHERE s.barber_id <> chosen.barber_id OR (o.slot_anchor <> 'packed' AND s.starts_at <> chosen.starts_at);

	-- Moving it away or cancelling it gives back what was offered before.
	IF oracle.chance(25) THEN
		PERFORM * FROM booking.cancel_appointment(booked.id);
		IF before IS DISTINCT FROM (SELECT array_agg(s) FROM booking.available_slots(service, c.day - 1, c.day + 3) s) THEN
			RETURN NEXT format('cancelling %s does not bring back what it took', booked);
		END IF;
	ELSIF oracle.chance(40) THEN
		chosen := oracle.pick((SELECT array_agg(s)
			FROM booking.available_slots(service, c.day - 1, c.day + 3, NULL, booked.id) s));
		SELECT * INTO o FROM oracle.offers WHERE service_id = service AND barber_id = chosen.barber_id;
		PERFORM * FROM booking.reschedule_appointment(booked.id, chosen.starts_at, chosen.barber_id);
		RETURN QUERY SELECT oracle.mistakes_of_rows(booked.id, o, chosen.starts_at);
		IF before IS DISTINCT FROM (SELECT array_agg(s)
			FROM booking.available_slots(service, c.day - 1, c.day + 3, NULL, booked.id) s)
		THEN
			RETURN NEXT format('moving %s to %s does not bring back what it took', booked, chosen);
		END IF;
	END IF;
END
$$;

-- Books what next_slots names until it names nothing more, forty times at most.
CREATE FUNCTION oracle.mistakes_of_filling(service bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	s booking.slot;
	outcome booking.booking_outcome;
BEGIN
	FOR i IN 1 .. 40 LOOP
		SELECT * INTO s FROM booking.next_slots(service);
		EXIT WHEN NOT FOUND;
		SELECT * INTO outcome
		FROM booking.try_book_slot(CASE WHEN oracle.chance(50) THEN s.barber_id END, service, NULL, s.starts_at);
		INSERT INTO oracle.seen VALUES ('filled', 1);
		IF outcome.reason IS NOT NULL THEN
			RETURN NEXT format('next_slots named %s, try_book_slot said %s', s, outcome.reason);
			EXIT;
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION oracle.mistakes(shop bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	c oracle.case := (SELECT c FROM oracle.case c WHERE c.shop_id = shop);
	service bigint;
BEGIN
	PERFORM set_config('booking.now', c.now::text, false);
	RETURN QUERY SELECT oracle.disagreements(c);
	RETURN QUERY SELECT oracle.disagreements_of_any(c);
	FOR service IN SELECT id FROM booking.services WHERE shop_id = shop ORDER BY id LOOP
		FOR i IN 1 .. 4 LOOP
			RETURN QUERY SELECT oracle.mistakes_of_booking(c, service);
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT oracle.disagreements(c);
	RETURN QUERY SELECT oracle.disagreements_of_moves(c);

	-- Later: holds have run out, notice is shorter, the horizon further.
	PERFORM set_config('booking.now', (c.now + oracle.dice(1, 2000) * interval '1 minute')::text, false);
	RETURN QUERY SELECT oracle.disagreements(c);
	RETURN QUERY SELECT oracle.disagreements_of_any(c);
	RETURN QUERY SELECT oracle.disagreements_of_moves(c);
	FOR service IN SELECT id FROM booking.services WHERE shop_id = shop ORDER BY id LOOP
		RETURN QUERY SELECT oracle.mistakes_of_filling(service);
	END LOOP;

	RETURN QUERY
		SELECT format('%s overlaps %s', a, b)
		FROM oracle.live a JOIN oracle.live b ON a.barber_id = b.barber_id AND a.id < b.id
		WHERE a.barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = shop)
		AND tstzrange(a.busy_from, a.busy_until) && tstzrange(b.busy_from, b.busy_until)
		AND (a.service_id, a.starts_at, a.busy_from, a.busy_until) <> (b.service_id, b.starts_at, b.busy_from, b.busy_until);
	RETURN QUERY
		SELECT format('%s appointments of barber %s, service %s are at %s', count(*), barber_id, service_id, starts_at)
		FROM oracle.live
		WHERE barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = shop)
		GROUP BY barber_id, service_id, starts_at
		HAVING count(*) > (SELECT capacity FROM booking.services WHERE id = service_id);

	-- Back to when it was before, with what was booked since; holds that ran out in between are over, since their time may be another's by now.
	UPDATE booking.appointments SET status = 'expired'
	WHERE status = 'pending' AND hold_expires_at > c.now AND hold_expires_at <= oracle.now()
	AND barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = shop);
	PERFORM set_config('booking.now', c.now::text, false);
	PERFORM oracle.add_customers(c);
	PERFORM oracle.add_visit(c) FROM generate_series(1, 4);
	RETURN QUERY SELECT oracle.mistakes_of_offers(c);
END
$$;

CREATE FUNCTION oracle.named_mistakes(shop bigint) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('seed %s (shop %s in %s, booking.now %L): %s', c.seed, shop, c.zone, c.now, m)
	FROM oracle.case c, oracle.mistakes(shop) m
	WHERE c.shop_id = shop
$$;
});

diag("BOOKING_SEED=$seed BOOKING_ROUNDS=$rounds");
for (my $first = 0; $first < $rounds; $first += $rounds_per_session)
{
	my $last = $first + $rounds_per_session - 1;
	$last = $rounds - 1 if $last >= $rounds;
	# how the index is read must not matter
	my $script = $first / $rounds_per_session % 3 == 2 ? "SET booking.leaf_scan = off;\n" : '';
	foreach my $round ($first .. $last)
	{
		$script .= 'SELECT oracle.make_shop(' . ($seed + $round) . ") AS shop \\gset\n";
		$script .= "SELECT oracle.named_mistakes(:shop);\n";
	}

	my ($status, $mistakes, $errors) = $node->psql('postgres', $script, on_error_stop => 1);
	is($status . $errors . $mistakes, '0',
		'shops of seeds ' . ($seed + $first) . ' to ' . ($seed + $last))
	  or diag(join("\n", grep { defined } (split /\n/, "$errors\n$mistakes")[ 0 .. 19 ]));
}

# Each answer was given, or the test was about less than it says.
note($node->safe_psql('postgres',
		q{SELECT string_agg(format('%s: %s', answer, n), '; ' ORDER BY answer)
		  FROM (SELECT answer, sum(answers) AS n FROM oracle.seen GROUP BY answer) s}));
is( $node->safe_psql('postgres', q{SELECT string_agg(DISTINCT answer, ' ' ORDER BY answer) FROM oracle.seen}),
	'any barber booked filled joined limit_reached moved moved with its own time no barber not moved not_offered notice_too_short off_grid '
	  . 'one of several barbers one row outside_hours several steps slot_taken too_far_ahead yes',
	'every answer was given')
  if $rounds >= 30;

note($node->safe_psql('postgres',
		q{SELECT string_agg(format('%s: %s', what, n), '; ' ORDER BY what)
		  FROM (SELECT what, sum(times) AS n FROM oracle.had GROUP BY what) s}));
is( $node->safe_psql('postgres', q{SELECT string_agg(DISTINCT what, ', ' ORDER BY what) FROM oracle.had
	WHERE what LIKE 'had%' OR what LIKE 'not had for c% SL009'}),
	'had for a visit, had for confirmed, had for pending, not had for cancelled SL009, not had for checked_in SL009, '
	  . 'not had for completed SL009',
	'appointments were moved, and kept from it')
  if $rounds >= 30;

# Nothing is broken in the tables, at a time when all holds have run out; limits do
# not bind the rows that were written by hand.
is($node->safe_psql('postgres', q{SET booking.now = '2100-01-01 00:00Z'; SELECT * FROM booking.verify(true) WHERE check_name NOT IN ('over_active_limit', 'over_pending_limit', 'over_day_limit', 'user_overlap')}),
	'', 'verify finds nothing broken');

$node->stop;
done_testing();
