# booking.cache_size: a backend keeps the shops, barbers and services it has met
# in so much memory, and no more.  If this fails, a pooled connection that
# meets many barbers grows without end, or one that forgets some answers from
# memory that is no longer theirs.
#
# malloc is asked to overwrite what is freed, so that a pointer that was kept for
# too long does not happen to find what was there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{MALLOC_PERTURB_} = 165;

my $barbers = 30_000;
my $limit = 4 * 1024 * 1024;
my $slack = 64 * 1024;    # what one call needs

my $node = PostgreSQL::Test::Cluster->new('cache_size');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nfsync = off\nshared_preload_libraries = 'booking'\n");
$node->start;

# Barber n works from 09:00 for 1 + n % 8 hours, so that no two neighbours have
# the same slots; all offer the one service, which takes an hour.
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION booking;
SELECT booking.setup();
ALTER DATABASE postgres SET booking.now = '2026-11-30 12:00+00';
ALTER DATABASE postgres SET timezone = 'UTC';
INSERT INTO booking.shops (id, name, slot_interval_minutes) VALUES (1, 'Large', 60), (2, 'Small', 60);
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (1, 1, 'Cut', 60), (2, 2, 'Cut', 60);
INSERT INTO booking.barbers (id, shop_id, name) SELECT n, 1, 'Barber ' || n FROM generate_series(1, $barbers) n;
INSERT INTO booking.barbers (id, shop_id, name) VALUES (100001, 2, 'Ann'), (100002, 2, 'Bob');
INSERT INTO booking.barber_services (barber_id, service_id) SELECT n, 1 FROM generate_series(1, $barbers) n;
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (100001, 2), (100002, 2);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
	SELECT id, day, '09:00', time '10:00' + interval '1 hour' * (id % 8) FROM booking.barbers, generate_series(1, 7) day;
INSERT INTO booking.users (id, email) VALUES (1, 'one\@example.com');
ANALYZE;

CREATE FUNCTION slots(barber bigint) RETURNS bigint LANGUAGE sql AS \$\$
SELECT count(*) FROM booking.available_slots(1, '2026-12-01', NULL, barber)
\$\$;
-- Of so many barbers, one after the other: whose answers are wrong, and how large the cache ever was.
CREATE FUNCTION ask(first int, last int, OUT wrong bigint, OUT largest bigint) LANGUAGE plpgsql AS \$\$
BEGIN
	wrong := 0;
	largest := 0;
	FOR n IN first..last LOOP
		wrong := wrong + (slots(n) <> 1 + n % 8)::int;
		IF n % 1000 = 0 THEN
			largest := greatest(largest, ours());
		END IF;
	END LOOP;
END
\$\$;
CREATE FUNCTION ours() RETURNS bigint LANGUAGE sql AS \$\$
SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts WHERE name LIKE 'booking%'
\$\$;
});

# What one backend answers to a statement each; the last row of each.
sub answers
{
	my ($settings, @statements) = @_;
	my $out = $node->safe_psql('postgres', join('', map { "SET $_;\n" } @$settings) . join(";\n", @statements) . ';');
	return split(/\n/, $out);
}

# ---------------------------------------------------------------------------
# One by one
# ---------------------------------------------------------------------------

my @got = answers([ 'booking.cache_size = 4096' ], "SELECT * FROM ask(1, $barbers)", 'SELECT ours()');
my ($wrong, $largest) = split(/\|/, $got[0]);
note("4 MB: $largest bytes at most, $got[1] at the end");
is($wrong, 0, "each of $barbers barbers has its own slots");
cmp_ok($largest, '<=', $limit + $slack, 'and the backend does not take more than booking.cache_size');
cmp_ok($got[1], '>', $limit / 2, 'but most of that');

# A larger cache keeps them all: no barber is read twice.
$node->safe_psql('postgres', 'SELECT booking.stats_reset()');
@got = answers([ "booking.cache_size = '64MB'" ],
	"SELECT wrong FROM ask(1, $barbers)", "SELECT wrong FROM ask(1, $barbers)", 'SELECT ours()', 'SELECT misses, evictions FROM booking.stats_cache');
is("$got[0] $got[1] $got[3]", '0 0 ' . ($barbers + 2) . '|0', 'what fits stays: barbers, one shop and one service are read once');
note("a barber takes " . int($got[2] / $barbers) . ' bytes');
cmp_ok($got[2] / $barbers, '<', 800, 'and a barber with a usual week takes so little that 16 MB do for 10,000');

# A smaller one forgets those that were asked for longest ago, and only those.
$node->safe_psql('postgres', 'SELECT booking.stats_reset()');
@got = answers([ 'booking.cache_size = 1024' ],
	'SELECT sum((slots(1) <> 2)::int + (slots(n) <> 1 + n % 8)::int) FROM generate_series(2, 5000) n',
	'SELECT misses, evictions BETWEEN 3000 AND 4998 FROM booking.stats_cache');
is("@got", '0 5002|t', 'a barber, a shop and a service that are used all the time stay, among 5000 that pass by');

# Nor does a shop go while a barber of it is kept.  Of 600 others, each with a
# time zone other than UTC, some would be where it was.
$node->safe_psql(
	'postgres', q{
INSERT INTO booking.shops (id, name, time_zone, slot_interval_minutes) SELECT 1000 + n, 'Shop', 'Etc/GMT-' || n % 11 + 1, 60 FROM generate_series(1, 600) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) SELECT 1000 + n, 1000 + n, 'Cut', 60 FROM generate_series(1, 600) n;
INSERT INTO booking.barbers (id, shop_id, name) SELECT 101000 + n, 1000 + n, 'Barber' FROM generate_series(1, 600) n;
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 101000 + n, 1000 + n FROM generate_series(1, 600) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 101000 + n, 2, '12:00', '13:00' FROM generate_series(1, 600) n;
CREATE FUNCTION first_hour(service bigint, barber bigint) RETURNS int LANGUAGE sql AS $$
SELECT extract(hour FROM min(starts_at))::int FROM booking.available_slots(service, '2026-12-01', NULL, barber)
$$;
});
@got = answers([ 'booking.cache_size = 256' ],
	'SELECT sum((first_hour(2, 100001) IS DISTINCT FROM 9)::int), sum((first_hour(1000 + n, 101000 + n) IS DISTINCT FROM 12 - (n % 11 + 1))::int) FROM generate_series(1, 600) n',
	'SELECT evictions > 1000 FROM booking.stats_cache');
is("@got", '0|0 t', 'and no shop goes before its barbers');

# The room may change at any time.
@got = answers([ "booking.cache_size = '64MB'" ], 'SELECT wrong FROM ask(1, 10000)', 'SET booking.cache_size = 1024', 'SELECT slots(1)', 'SELECT slots(2)', 'SELECT ours()');
is("@got[0..2]", '0 2 3', 'a smaller booking.cache_size is obeyed');
cmp_ok($got[3], '<=', 1024 * 1024 + $slack, 'at once');

# ---------------------------------------------------------------------------
# All in one call
# ---------------------------------------------------------------------------

my $slots = 0;
$slots += 1 + $_ % 8 for 1 .. $barbers;
@got = answers(
	[ 'booking.cache_size = 4096', 'booking.max_rows = 1000000' ],
	q{SELECT count(*), count(DISTINCT barber_id) FROM booking.available_slots(1, '2026-12-01')},
	'SELECT ours()', 'SELECT slots(7)', 'SELECT ours()',
	q{SELECT barber_id FROM booking.book_slot(NULL, 1, 1, '2026-12-01 16:00+00')},
	'SELECT slots(6)', 'SELECT ours()');
is($got[0], "$slots|$barbers", 'a call that needs more than booking.cache_size gets it');
cmp_ok($got[1], '>', 2 * $limit, 'and it is more');
is($got[2], 8, 'the next answers');
cmp_ok($got[3], '<=', $limit + $slack, 'and the memory is given back');
is($got[4], 7, 'any of them is booked');
is($got[5], 7, 'the next answers');
cmp_ok($got[6], '<=', $limit + $slack, 'and the memory is given back');

# ---------------------------------------------------------------------------
# Nothing outlives the call: who holds a pointer for too long is found out
# ---------------------------------------------------------------------------

# Whether staff may see the appointment that is to be moved depends on its
# barber, who is another than the one that is asked for.
$node->safe_psql('postgres', q{INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
VALUES (1001, 100002, 2, '2026-12-01 09:00+00', '2026-12-01 10:00+00')});
@got = answers([ 'booking.cache_size = 0', q{booking.shop_id = '2'} ],
	q{SELECT string_agg(to_char(starts_at, 'HH24'), ' ' ORDER BY starts_at) FROM booking.available_slots(2, '2026-12-01', NULL, 100001, 1001)});
is("@got", '09 10', 'an appointment of another barber to be moved');

my @files = qw(010_install 040_dst 110_book 180_status_changes 200_any_barber 205_visits 210_series 215_waitlist 216_waitlist_life 220_limits 222_groups
	224_steps 240_risk 250_available_visits 310_business_metrics);
{
	local $ENV{PGOPTIONS} = '-c booking.cache_size=0';
	my $results = PostgreSQL::Test::Utils::tempdir();

	command_ok([ $ENV{PG_REGRESS}, "--inputdir=$FindBin::RealBin/..", "--outputdir=$results", '--bindir=', '--dbname=regression_cache',
			'--host=' . $node->host, '--port=' . $node->port, '--user=' . (getpwuid($<))[0], @files ],
		'the same answers where nothing is kept from one call to the next');
	diag(slurp_file("$results/regression.diffs")) if -s "$results/regression.diffs";
}
is($node->safe_psql('postgres', 'SELECT 1'), 1, 'and the server lives');

done_testing();
