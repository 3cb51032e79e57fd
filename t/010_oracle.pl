# The answers of the C code are those of the oracle: random shops, asked for
# slots and their seats, where an appointment could move to, days, next slots,
# free time, and why not, before and after their owner changes something.  If this fails, a rule of time or availability is not the one the
# design states, or the configuration cache kept something it had to forget.
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
my $rounds_per_session = 8;

my $node = PostgreSQL::Test::Cluster->new('oracle');
$node->init;
# The naive answers go through more slots than ours do: the bound is not the subject here.
$node->append_conf('postgresql.conf', "jit = off\nbooking.max_rows = 10000000\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION booking; SELECT booking.setup();');
$node->safe_psql('postgres', slurp_file("$FindBin::RealBin/$_"))
  foreach qw(oracle.sql random_shops.sql);

$node->safe_psql(
	'postgres', q{
CREATE TABLE oracle.seen (what text, answers bigint, rows bigint);

-- Rows that one side has and the other has not.
CREATE FUNCTION oracle.compare(call text, got text, want text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	got_rows text[];
	want_rows text[];
BEGIN
	EXECUTE format('SELECT array_agg(t::text) FROM %s t', got) INTO got_rows;
	EXECUTE format('SELECT array_agg(t::text) FROM %s t', want) INTO want_rows;
	INSERT INTO oracle.seen VALUES (call, 1, cardinality(got_rows));
	RETURN QUERY
		SELECT format('%s has %s', got, r)
		FROM (SELECT unnest(got_rows) EXCEPT SELECT unnest(want_rows)) x (r);
	RETURN QUERY
		SELECT format('%s lacks %s', got, r)
		FROM (SELECT unnest(want_rows) EXCEPT SELECT unnest(got_rows)) x (r);
	IF NOT EXISTS (SELECT unnest(got_rows) EXCEPT SELECT unnest(want_rows))
		AND cardinality(got_rows) IS DISTINCT FROM cardinality(want_rows)
	THEN
		RETURN NEXT format('%s has %s rows instead of %s', got, cardinality(got_rows), cardinality(want_rows));
	END IF;
END
$$;

-- What follows from available_slots, once that is known to be right.
CREATE FUNCTION oracle.availability_by_day(service bigint, from_date date, to_date date, barber bigint)
RETURNS TABLE (day date, slot_count int, first_slot timestamptz) LANGUAGE sql AS $$
	SELECT d, count(s)::int, min(s.starts_at)
	FROM oracle.days(from_date, to_date) d
	LEFT JOIN LATERAL booking.available_slots(service, d, d, barber) s ON true
	GROUP BY d
$$;

CREATE FUNCTION oracle.next_slots(service bigint, not_before timestamptz, how_many int, barber bigint)
RETURNS SETOF booking.slot LANGUAGE plpgsql AS $$
DECLARE
	shop booking.shops := (SELECT s FROM booking.shops s
		WHERE id = (SELECT shop_id FROM booking.services WHERE id = service));
	horizon date := (oracle.now() AT TIME ZONE shop.time_zone)::date + shop.max_advance_days;
	day date := (greatest(not_before, oracle.now()) AT TIME ZONE shop.time_zone)::date - 1;
	found_so_far int := 0;
	s booking.slot;
BEGIN
	WHILE day <= horizon AND found_so_far < how_many LOOP
		FOR s IN
			SELECT * FROM booking.available_slots(service, day, least(day + 200, horizon), barber)
			WHERE starts_at >= greatest(not_before, oracle.now())
			ORDER BY starts_at, barber_id LIMIT how_many - found_so_far
		LOOP
			found_so_far := found_so_far + 1;
			RETURN NEXT s;
		END LOOP;
		day := day + 201;
	END LOOP;
END
$$;

-- Where staff could move an appointment to: nowhere, unless it is pending or confirmed.
CREATE FUNCTION oracle.slots_of_move(service bigint, from_date date, to_date date, barber bigint, moved bigint)
RETURNS SETOF booking.slot LANGUAGE plpgsql AS $$
DECLARE
	head bigint := (SELECT coalesce(part_of, id) FROM booking.appointments WHERE id = moved);
BEGIN
	IF NOT EXISTS (SELECT FROM oracle.live WHERE id = head AND status <> 'checked_in') THEN
		RETURN;
	END IF;
	PERFORM set_config('oracle.moved', head::text, false);
	RETURN QUERY SELECT * FROM oracle.available_slots(service, from_date, to_date, barber);
	PERFORM set_config('oracle.moved', '', false);
END
$$;

-- Instants to ask about: where somebody begins or ends, where hours do, any.
CREATE FUNCTION oracle.instants(c oracle.case, barber bigint, service bigint) RETURNS SETOF timestamptz LANGUAGE sql AS $$
	(SELECT starts_at FROM booking.appointments WHERE barber_id = barber ORDER BY random() LIMIT 1)
	UNION
	(SELECT starts_at FROM booking.appointments WHERE barber_id = barber AND service_id = service ORDER BY random() LIMIT 1)
	UNION
	(SELECT busy_until FROM booking.appointments WHERE barber_id = barber ORDER BY random() LIMIT 1)
	UNION
	(SELECT lower(piece) FROM oracle.pieces(barber, c.day, c.day) piece ORDER BY random() LIMIT 1)
	UNION
	SELECT oracle.random_instant(c.zone, c.day, 1, 3)
$$;

-- What there is among the slots that only some services have.
CREATE FUNCTION oracle.note_features(service bigint, from_date date, to_date date, barber bigint) RETURNS void
LANGUAGE sql AS $$
	WITH offer AS MATERIALIZED (
		SELECT o, o.capacity, oracle.busy(barber) AS busy,
			EXISTS (SELECT FROM oracle.steps WHERE service_id = service) AS has_steps,
			(SELECT range_agg(tstzrange(a.ends_at, b.starts_at)) FROM oracle.live a
				JOIN oracle.live b ON b.part_of = coalesce(a.part_of, a.id) AND b.starts_at > a.ends_at
				WHERE a.barber_id = barber) AS gaps
		FROM oracle.offers o WHERE service_id = service AND barber_id = barber
	)
	INSERT INTO oracle.seen
	SELECT what, 1, count(*)
	FROM offer, booking.available_slots(service, from_date, to_date, barber) s,
	LATERAL (VALUES
		('a group with room', s.seats_left < capacity),
		('a group off the grid', s.seats_left < capacity AND NOT EXISTS (
			SELECT FROM oracle.grid(o, from_date, to_date) t WHERE t = s.starts_at)),
		('steps', has_steps),
		('a gap', (has_steps AND tstzrange(s.starts_at, s.ends_at) && busy) OR tstzrange(s.starts_at, s.ends_at) <@ gaps)
	) f (what, is_so)
	WHERE is_so
	GROUP BY what
$$;

CREATE FUNCTION oracle.free_entries(barber bigint, day date)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz) LANGUAGE sql AS $$
	SELECT starts_at, ends_at FROM booking.get_barber_availability(barber, day) WHERE kind = 'free'
$$;

CREATE FUNCTION oracle.differences_of(c oracle.case, service bigint, barber bigint) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	from_date date := c.day + oracle.dice(-2, 1);
	to_date date := from_date + oracle.pick(ARRAY[0, 2, 4, 4], ARRAY[12, 30]);
	range text := format('%L, %L', from_date, to_date);
	args text := format('%s, %s, %L', service, range, barber);
	how_many int := oracle.pick(ARRAY[1, 3, 20], ARRAY[100]);
	not_before timestamptz := CASE WHEN oracle.chance(60) THEN oracle.random_instant(c.zone, c.day, 2, 2) END;
	next_args text := format('%s, %L, %s, %L', service, not_before, how_many, barber);
	moved bigint;
	t timestamptz;
	why_not text;
	checked booking.slot_check;
BEGIN
	RETURN QUERY SELECT oracle.compare('available_slots',
		format('booking.available_slots(%s)', args), format('oracle.available_slots(%s)', args));
	RETURN QUERY SELECT format('booking.available_slots(%s) is out of order', args)
		FROM (SELECT s, row_number() OVER (ORDER BY starts_at, barber_id) AS place, n
			FROM ROWS FROM (booking.available_slots(service, from_date, to_date, barber))
				WITH ORDINALITY AS s (barber_id, starts_at, ends_at, seats_left, n)) x
		WHERE place <> n LIMIT 1;
	SELECT id INTO moved
	FROM booking.appointments
	WHERE barber_id IN (SELECT id FROM booking.barbers WHERE shop_id = c.shop_id)
	ORDER BY random() LIMIT 1;
	IF moved IS NOT NULL AND oracle.chance(50) THEN
		RETURN QUERY SELECT oracle.compare('slots of a move',
			format('booking.available_slots(%s, %s, ''{window}'')', args, moved), format('oracle.slots_of_move(%s, %s)', args, moved));
	END IF;
	RETURN QUERY SELECT oracle.compare('availability_by_day',
		format('booking.availability_by_day(%s)', args), format('oracle.availability_by_day(%s)', args));
	RETURN QUERY SELECT oracle.compare('next_slots',
		format('booking.next_slots(%s)', next_args), format('oracle.next_slots(%s)', next_args));
	IF barber IS NOT NULL THEN
		RETURN QUERY SELECT oracle.compare('free_time',
			format('booking.free_time(%s, %s)', barber, range), format('oracle.free_time(%s, %s)', barber, range));
		RETURN QUERY SELECT oracle.compare('free entries',
			format('oracle.free_entries(%s, %L)', barber, from_date),
			format('oracle.free_time(%s, %L)', barber, from_date));
		PERFORM oracle.note_features(service, from_date, to_date, barber);
		FOR t IN SELECT oracle.instants(c, barber, service) LOOP
			why_not := oracle.reason(barber, service, t);
			checked := booking.check_slot(barber, service, t);
			INSERT INTO oracle.seen VALUES (coalesce(why_not, 'available'), 1, 1);
			IF checked.reason IS DISTINCT FROM why_not OR checked.available IS DISTINCT FROM (why_not IS NULL) THEN
				RETURN NEXT format('booking.check_slot(%s, %s, %L) is %s instead of %s', barber, service, t, checked, why_not);
			END IF;
		END LOOP;
	END IF;
END
$$;

-- Every service, of every barber and of any barber.
CREATE FUNCTION oracle.differences(shop bigint, at text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	c oracle.case := (SELECT c FROM oracle.case c WHERE c.shop_id = shop);
	service bigint;
	barber bigint;
BEGIN
	PERFORM set_config('booking.now', c.now::text, false);
	FOR service, barber IN
		SELECT s.id, b.id
		FROM booking.services s, (SELECT NULL UNION ALL SELECT id FROM booking.barbers WHERE shop_id = shop) b (id)
		WHERE s.shop_id = shop
		ORDER BY s.id, b.id
	LOOP
		RETURN QUERY
			SELECT format('seed %s (%s, shop %s in %s, booking.now %L): %s', c.seed, at, shop, c.zone, c.now, d)
			FROM oracle.differences_of(c, service, barber) d;
	END LOOP;
END
$$;
});

# What a session does with one shop.  The cache has to follow changes of its
# own transaction, of none, of a snapshot that stays, and their rollback.
sub visit
{
	my ($round) = @_;
	my $make = "SELECT oracle.make_shop(" . ($seed + $round) . ") AS shop \\gset\n";
	my $change = "SELECT oracle.change_shop(:shop) AS change \\gset\n";
	my $compare = sub { "SELECT oracle.differences(:shop, '$_[0]');\n" };
	my $changed = "SELECT oracle.differences(:shop, 'changed: ' || :'change');\n";
	my @visits = (
		$make . $compare->('new') . $change . $changed,
		"BEGIN;\n$make" . $compare->('new, uncommitted') . $change . $changed . "COMMIT;\n",
		"BEGIN ISOLATION LEVEL REPEATABLE READ;\n$make" . $compare->('new, repeatable read')
		  . $change . $changed . "COMMIT;\n" . $compare->('committed'),
		$make . $compare->('new') . "BEGIN;\n$change$changed" . "ROLLBACK;\n" . $compare->('rolled back'));
	return $visits[ $round % @visits ];
}

# A caller's TimeZone must not matter, nor whether a parallel worker answers, nor how
# the index is read.
my @session_zones = ('UTC', 'America/St_Johns', 'Pacific/Apia', 'Africa/Cairo');
my $parallel_setting = $node->safe_psql('postgres',
	"SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')");

diag("BOOKING_SEED=$seed BOOKING_ROUNDS=$rounds");
for (my $first = 0; $first < $rounds; $first += $rounds_per_session)
{
	my $last = $first + $rounds_per_session - 1;
	$last = $rounds - 1 if $last >= $rounds;
	my $session = $first / $rounds_per_session;
	my $script = "SET TimeZone = '$session_zones[$session % @session_zones]';\n";
	$script .= "SET $parallel_setting = on;\n" if $session % 5 == 4;
	$script .= "SET booking.leaf_scan = off;\n" if $session % 3 == 2;
	$script .= visit($_) foreach $first .. $last;

	my ($status, $differences, $errors) = $node->psql('postgres', $script, on_error_stop => 1);
	$errors =~ s/^.*(?:NOTICE|WARNING):.*\n?//mg;
	is($status . $errors . $differences, '0',
		'shops of seeds ' . ($seed + $first) . ' to ' . ($seed + $last))
	  or diag(join("\n", grep { defined } (split /\n/, "$errors\n$differences")[ 0 .. 19 ]));
}

# Shops without a slot would agree with anything.
my $seen = $node->safe_psql('postgres', q{
SELECT string_agg(format('%s: %s answers, %s rows', what, answers, rows), '; ' ORDER BY what)
FROM (SELECT what, count(*) AS answers, sum(rows) AS rows FROM oracle.seen GROUP BY what) s});
note($seen);
is( $node->safe_psql('postgres', q{
SELECT string_agg(what, ', ' ORDER BY what)
FROM (SELECT what FROM oracle.seen GROUP BY what HAVING sum(rows) >= sum(answers)) s}),
	'a gap, a group off the grid, a group with room, availability_by_day, available, available_slots, free entries, free_time, '
	  . 'limit_reached, next_slots, not_offered, notice_too_short, off_grid, outside_hours, slot_taken, '
	  . 'slots of a move, steps, too_far_ahead',
	'there was something to compare')
  if $rounds >= 40;

# Nothing is broken in the tables, at a time when all holds have run out; but for
# seats that the shops took away while they were taken, and limits, which do not
# bind rows that were written by hand.
is($node->safe_psql('postgres', q{SET booking.now = '2100-01-01 00:00Z'; SELECT * FROM booking.verify(true) WHERE check_name NOT IN ('over_capacity', 'over_active_limit', 'over_pending_limit', 'over_day_limit', 'user_overlap')}),
	'', 'verify finds nothing broken');

$node->stop;
done_testing();
