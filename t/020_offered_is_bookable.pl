# book_slot takes exactly what available_slots offers, and says why when it
# does not: in random shops, every candidate instant is asked of
# available_slots, check_slot, try_book_slot, book_slot and the oracle, each
# attempt rolled back; then some bookings stay, and what is offered afterwards
# has to be what they leave.  If this fails, a customer is shown a slot that
# cannot be had, or is refused one that could.
#
# BOOKING_SEED=n BOOKING_ROUNDS=1 repeats the shop that a failure names.

use strict;
use warnings FATAL => 'all';

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{BOOKING_SEED} // int(rand(1_000_000));
my $rounds = $ENV{BOOKING_ROUNDS} // 40;
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

CREATE FUNCTION oracle.error_code(reason text) RETURNS text LANGUAGE sql AS $$
	SELECT code FROM (VALUES ('slot_taken', '23P01'), ('outside_hours', 'SL001'), ('notice_too_short', 'SL002'),
		('too_far_ahead', 'SL003'), ('off_grid', 'SL004'), ('not_offered', 'SL005'), ('not_found', 'P0002')) v (r, code)
	WHERE r = reason
$$;

CREATE FUNCTION oracle.offered(service bigint, barber bigint, t timestamptz) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM booking.available_slots(service, day, day, barber) WHERE starts_at = t)
	FROM (VALUES ((t AT TIME ZONE oracle.zone(barber))::date)) v (day)
$$;

-- Asks everybody about one instant; what they disagree on, or nothing.
CREATE FUNCTION oracle.disagreement(barber bigint, service bigint, t timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	offered boolean := oracle.offered(service, barber, t);
	expected text := oracle.reason(barber, service, t);
	checked booking.slot_check := booking.check_slot(barber, service, t);
	tried booking.booking_outcome;
	booked text;
BEGIN
	BEGIN
		SELECT * INTO tried FROM booking.try_book_slot(barber, service, NULL, t);
		RAISE SQLSTATE 'RB000';
	EXCEPTION WHEN SQLSTATE 'RB000' THEN
	END;
	BEGIN
		PERFORM * FROM booking.book_slot(barber, service, NULL, t);
		RAISE SQLSTATE 'RB000';
	EXCEPTION
		WHEN SQLSTATE 'RB000' THEN
		WHEN OTHERS THEN booked := SQLSTATE;
	END;

	INSERT INTO oracle.seen VALUES (coalesce(expected, 'yes'), 1);
	IF offered IS DISTINCT FROM (tried.reason IS NULL)
		OR offered IS DISTINCT FROM (tried.appointment_id IS NOT NULL)
		OR offered IS DISTINCT FROM checked.available
		OR checked.reason IS DISTINCT FROM expected
		OR tried.reason IS DISTINCT FROM expected
		OR booked IS DISTINCT FROM oracle.error_code(expected)
		OR (checked.detail IS NULL) <> (expected IS NULL)
	THEN
		RETURN format('barber %s, service %s at %s: offered %s, check_slot %s, try_book_slot %s, book_slot %s, oracle %s',
			barber, service, t, offered, checked, tried, coalesce(booked, 'yes'), coalesce(expected, 'yes'));
	END IF;
	RETURN NULL;
END
$$;

-- Slots, their neighbours, the edges of what is booked and open, anything.
CREATE FUNCTION oracle.candidates(c oracle.case, barber bigint, service bigint)
RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
DECLARE
	s booking.services := (SELECT s FROM booking.services s WHERE id = service);
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
			RETURN NEXT t + oracle.pick(ARRAY[-1, 1]) * s.duration_minutes * interval '1 minute';
		END LOOP;
		RETURN NEXT slots[1];
		RETURN NEXT slots[cardinality(slots)];
	END IF;
	RETURN QUERY
		SELECT busy_until + s.buffer_before_minutes * interval '1 minute'
		FROM booking.appointments WHERE barber_id = barber ORDER BY random() LIMIT 2;
	RETURN QUERY
		SELECT unnest(ARRAY[lower(piece), upper(piece), upper(piece) - s.duration_minutes * interval '1 minute'])
		FROM oracle.pieces(barber, c.day, c.day) piece ORDER BY random() LIMIT 4;
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
			FROM (SELECT oracle.disagreement(barber, service, t) FROM oracle.candidates(c, barber, service) t) x (d)
			WHERE d IS NOT NULL;
	END LOOP;
END
$$;

-- What is offered before and after one booking that stays.
CREATE FUNCTION oracle.mistakes_of_booking(c oracle.case, service bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	o oracle.offers;
	before booking.slot[] := (SELECT array_agg(s) FROM booking.available_slots(service, c.day - 1, c.day + 3) s);
	after booking.slot[];
	chosen booking.slot := oracle.pick(before);
	booked booking.appointment;
	a booking.appointments;
BEGIN
	IF before IS NULL THEN
		RETURN;
	END IF;
	SELECT * INTO o FROM oracle.offers WHERE service_id = service AND barber_id = chosen.barber_id;
	SELECT * INTO booked FROM booking.book_slot(chosen.barber_id, service, NULL, chosen.starts_at);
	SELECT * INTO a FROM booking.appointments WHERE id = booked.id;
	INSERT INTO oracle.seen VALUES ('booked', 1);

	IF (a.barber_id, a.service_id, a.starts_at, a.ends_at, a.busy_from, a.busy_until) IS DISTINCT FROM
		(chosen.barber_id, service, chosen.starts_at, chosen.starts_at + o.duration,
		chosen.starts_at - o.buffer_before, chosen.starts_at + o.duration + o.buffer_after)
	THEN
		RETURN NEXT format('booked %s, stored %s', chosen, a);
	END IF;

	after := (SELECT array_agg(s) FROM booking.available_slots(service, c.day - 1, c.day + 3) s);
	RETURN QUERY
		SELECT format('%s is offered after booking %s', s, a)
		FROM unnest(after) s
		WHERE s.barber_id = a.barber_id
		AND tstzrange(s.starts_at - o.buffer_before, s.ends_at + o.buffer_after)
			&& tstzrange(a.busy_from, a.busy_until);
	-- On a fixed grid, nothing else changes.
	RETURN QUERY
		SELECT format('%s is no longer offered after booking %s', s, a)
		FROM (SELECT * FROM unnest(before) EXCEPT SELECT * FROM unnest(after)) s
		WHERE s.barber_id <> a.barber_id
		OR (o.slot_anchor <> 'packed' AND NOT tstzrange(s.starts_at - o.buffer_before, s.ends_at + o.buffer_after)
			&& tstzrange(a.busy_from, a.busy_until));
	RETURN QUERY
		SELECT format('%s is offered only after booking %s', s, a)
		FROM (SELECT * FROM unnest(after) EXCEPT SELECT * FROM unnest(before)) s
		WHERE s.barber_id <> a.barber_id OR o.slot_anchor <> 'packed';

	-- Cancelling gives back what was offered before.
	IF oracle.chance(25) THEN
		PERFORM * FROM booking.cancel_appointment(a.id);
		IF before IS DISTINCT FROM (SELECT array_agg(s) FROM booking.available_slots(service, c.day - 1, c.day + 3) s) THEN
			RETURN NEXT format('cancelling %s does not bring back what it took', a);
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
		SELECT * INTO outcome FROM booking.try_book_slot(s.barber_id, service, NULL, s.starts_at);
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
	FOR service IN SELECT id FROM booking.services WHERE shop_id = shop ORDER BY id LOOP
		FOR i IN 1 .. 4 LOOP
			RETURN QUERY SELECT oracle.mistakes_of_booking(c, service);
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT oracle.disagreements(c);

	-- Later: holds have run out, notice is shorter, the horizon further.
	PERFORM set_config('booking.now', (c.now + oracle.dice(1, 2000) * interval '1 minute')::text, false);
	RETURN QUERY SELECT oracle.disagreements(c);
	FOR service IN SELECT id FROM booking.services WHERE shop_id = shop ORDER BY id LOOP
		RETURN QUERY SELECT oracle.mistakes_of_filling(service);
	END LOOP;

	RETURN QUERY
		SELECT format('%s overlaps %s', a, b)
		FROM oracle.live a JOIN oracle.live b ON a.barber_id = b.barber_id AND a.id < b.id
		WHERE a.barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = shop)
		AND tstzrange(a.busy_from, a.busy_until) && tstzrange(b.busy_from, b.busy_until);
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
	my $script = '';
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
	'booked filled not_offered notice_too_short off_grid outside_hours slot_taken too_far_ahead yes',
	'every answer was given')
  if $rounds >= 30;

$node->stop;
done_testing();
