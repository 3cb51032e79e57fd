# metrics() is OpenMetrics: a real parser takes it, and finds the figures that
# the tables and statistics have.  The queries for the exporter run, as a role
# that is in pg_monitor and nothing else.  If this fails, a scrape is refused as
# a whole, or the alerts look at numbers that are not there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = '/usr/bin/python3';
plan skip_all => 'needs the Debian packages python3-prometheus-client and python3-yaml'
  unless IPC::Run::run([ $python, '-c', 'import prometheus_client.openmetrics.parser, yaml' ], '>', \my $out, '2>', \my $err);

my $node = PostgreSQL::Test::Cluster->new('metrics');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'booking'\njit = off\n");
$node->start;
$node->safe_psql('postgres', q{
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name) VALUES ('watched');
INSERT INTO booking.barbers (shop_id, name) VALUES (1, 'Wes'), (1, 'Wim');
INSERT INTO booking.services (shop_id, name, duration_minutes) VALUES (1, 'cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (1, 1), (2, 1);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b, d, '00:00', '24:00' FROM generate_series(1, 2) b, generate_series(1, 7) d;
INSERT INTO booking.users (email) VALUES ('one@example.org'), ('two@example.org');
-- three confirmed and one cancelled within 24 hours, others before and after
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status)
SELECT barber, 1, now() + h * interval '1 hour', now() + h * interval '1 hour' + interval '30 min', status
FROM (VALUES (1, 1, 'confirmed'), (1, 3, 'confirmed'), (2, 3, 'confirmed'), (2, 4, 'cancelled'), (1, -2, 'completed'), (1, 25, 'confirmed')) v (barber, h, status);
-- two holds that run, one that ran out two minutes ago
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status, hold_expires_at)
SELECT 2, 1, now() + d * interval '1 day', now() + d * interval '1 day' + interval '30 min', 'pending', now() + m * interval '1 minute'
FROM (VALUES (2, 60), (3, 60), (4, -2)) v (d, m);
SELECT booking.join_waitlist(1, 1, now() + interval '5 days', now() + interval '6 days');
-- one that was an offer of the waitlist, until a minute ago, and is kept for the next in line
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, status, hold_expires_at)
VALUES (100, 2, 1, 1, now() + interval '5 days', now() + interval '5 days 30 min', 'pending', now() + interval '60 minutes');
INSERT INTO booking.waitlist (user_id, service_id, earliest, latest, status, appointment_id, offer_ends_at)
VALUES (1, 1, now() + interval '5 days', now() + interval '6 days', 'served', 100, now() - interval '1 minute');
});

# ---------------------------------------------------------------------------
# A parser
# ---------------------------------------------------------------------------

sub parsed
{
	my ($text) = @_;
	my ($answer, $errors);
	my $ok = IPC::Run::run([ $python, "$FindBin::RealBin/monitoring.py", 'metrics' ], '<', \$text, '>', \$answer, '2>', \$errors);
	ok($ok, 'the parser takes it') or diag($errors, $text);
	return split /\n/, $answer;
}

# As it is: safe_psql() takes away the newline that psql adds.
sub metrics_of
{
	my ($database) = @_;
	my $text = $node->safe_psql($database, 'SELECT booking.metrics()', extra_params => [ '-U', 'watcher' ]);
	return $text;
}

sub has
{
	my ($lines, @expected) = @_;
	my %there = map { $_ => 1 } @$lines;
	is(join("\n", grep { !$there{$_} } @expected), '', "has $expected[0]" . (@expected > 1 ? ' ...' : ''))
	  or diag(join("\n", @$lines));
	return;
}

# A text that is no OpenMetrics is refused, or the parser would prove nothing.
my $broken = metrics_of('postgres') =~ s/^# EOF\n//mr;
ok(!IPC::Run::run([ $python, "$FindBin::RealBin/monitoring.py", 'metrics' ], '<', \$broken, '>', \$out, '2>', \$err),
	'without its end it is refused');

my @lines = parsed(metrics_of('postgres'));
has(\@lines,
	'family booking_health_status gauge -',
	'sample booking_health_status {"status": "healthy"} 1.0',
	'sample booking_health_status {"status": "unhealthy"} 0.0',
	'sample booking_health_check_status {"check": "guard", "status": "healthy"} 1.0',
	'family booking_replication_lag_seconds gauge seconds',
	'sample booking_replication_lag_seconds {} 0.0');
has(\@lines,
	'family booking_appointments gauge -',
	'sample booking_appointments {"status": "confirmed"} 3.0',
	'sample booking_appointments {"status": "cancelled"} 1.0',
	'sample booking_appointments {"status": "completed"} 0.0',
	'sample booking_holds_open {} 2.0',
	'sample booking_holds_expired {} 2.0',
	'sample booking_waitlist_waiting {} 1.0',
	'family booking_oldest_expired_hold_seconds gauge seconds');
my ($oldest) = map { /^sample booking_oldest_expired_hold_seconds \{\} (\S+)/ } @lines;
cmp_ok($oldest, '>=', 120, 'the oldest hold ran out two minutes ago');

# ---------------------------------------------------------------------------
# Statistics
# ---------------------------------------------------------------------------

my $keeps_statistics = $node->safe_psql('postgres', q{SELECT to_regprocedure('booking.stats_info()') IS NOT NULL}) eq 't';
if ($keeps_statistics)
{
	$node->safe_psql('postgres', "SELECT * FROM booking.available_slots(1, current_date + 3);\n"
		  . "SELECT * FROM booking.try_book_slot(1, 1, 2, (current_date + 3 + time '10:00') AT TIME ZONE 'UTC');\n" x 2);
	@lines = parsed(metrics_of('postgres'));
	has(\@lines,
		'sample booking_stats_available {} 1.0',
		'family booking_call_duration_seconds summary seconds',
		'sample booking_call_duration_seconds_count {"operation": "available_slots"} 1.0',
		'sample booking_outcomes_total {"operation": "try_book_slot", "outcome": "slot_taken"} 1.0',
		'family booking_cache_misses counter -');
}
else
{
	has(\@lines, 'sample booking_stats_available {} 0.0');
	is(scalar(grep { /booking_call|booking_outcomes|booking_cache/ } @lines), 0, 'and no statistics');
}

# Statistics with values that need care: units, labels, what is not there.
$node->safe_psql('postgres', 'CREATE DATABASE odd');
$node->safe_psql('odd', q{
CREATE EXTENSION booking;
SELECT booking.setup();
CREATE OR REPLACE FUNCTION booking.stats_info(OUT available boolean, OUT preloaded boolean, OUT stats_reset timestamptz, OUT detail text)
LANGUAGE sql AS $$SELECT true, true, now(), 'odd'$$;
CREATE OR REPLACE VIEW booking.stats AS
SELECT 'book_slot'::text AS operation, 7::bigint AS calls, 5::bigint AS rows, 1234.5::float8 AS total_ms,
	1.5::float8 AS p50_ms, 0.025::float8 AS p95_ms, 'infinity'::float8 AS p99_ms, NULL::float8 AS max_ms;
CREATE OR REPLACE VIEW booking.stats_outcomes AS
SELECT 'book_slot'::text AS operation, E'a "quoted" \\\\ back\nslash'::text AS outcome, 12345678901::bigint AS calls;
CREATE OR REPLACE VIEW booking.stats_cache AS SELECT 3::bigint AS hits, 2::bigint AS misses, 1::bigint AS invalidations, 4::bigint AS evictions;
GRANT EXECUTE ON FUNCTION booking.stats_info TO pg_monitor;
GRANT SELECT ON booking.stats, booking.stats_outcomes, booking.stats_cache TO pg_monitor;
});
@lines = parsed(metrics_of('odd'));
has(\@lines,
	'sample booking_stats_available {} 1.0',
	'family booking_call_duration_seconds summary seconds',
	'sample booking_call_duration_seconds_count {"operation": "book_slot"} 7.0',
	'sample booking_call_duration_seconds_sum {"operation": "book_slot"} 1.2345',
	'sample booking_call_duration_seconds {"operation": "book_slot", "quantile": "0.5"} 0.0015',
	'sample booking_call_duration_seconds {"operation": "book_slot", "quantile": "0.95"} 2.5e-05',
	'sample booking_call_duration_seconds {"operation": "book_slot", "quantile": "0.99"} inf',
	'family booking_outcomes counter -',
	'sample booking_outcomes_total {"operation": "book_slot", "outcome": "a \"quoted\" \\\\ back\nslash"} 12345678901.0',
	'sample booking_call_rows_total {"operation": "book_slot"} 5.0',
	'sample booking_cache_hits_total {} 3.0',
	'sample booking_cache_misses_total {} 2.0',
	'sample booking_cache_invalidations_total {} 1.0',
	'sample booking_cache_evictions_total {} 4.0');
is(scalar(grep { /booking_call_longest/ } @lines), 0, 'what is NULL is left out');

# What fails is left out, and said.
$node->safe_psql('odd', 'REVOKE SELECT ON booking.stats FROM pg_monitor');
has([ parsed(metrics_of('odd')) ], 'sample booking_stats_available {} 0.0', 'sample booking_holds_open {} 0.0');

# ---------------------------------------------------------------------------
# The exporter's queries
# ---------------------------------------------------------------------------

my $yaml = slurp_file("$FindBin::RealBin/../monitoring/postgres_exporter.yaml");
IPC::Run::run([ $python, "$FindBin::RealBin/monitoring.py", 'queries' ], '<', \$yaml, '>', \my $list, '2>', \$err) or die $err;
my @queries = @{ decode_json($list) };
cmp_ok(scalar @queries, '>=', 6, 'there are queries');
$node->safe_psql('odd', 'GRANT SELECT ON booking.stats TO pg_monitor');
foreach my $entry (@queries)
{
	my ($name, $query, $columns) = @$entry;
	my ($status, $answer, $errors) = $node->psql('odd', $query, extra_params => [ '-U', 'watcher', '-P', 'tuples_only=off', '-P', 'footer=off' ]);
	my ($header, @rows) = split /\n/, $answer;
	is($status . $errors, '0', "query $name runs");
	is(join('|', sort split /\|/, $header // ''), join('|', sort @$columns), "query $name has the columns that its metrics name");
	cmp_ok(scalar @rows, '>', 0, "query $name has rows");
}

$node->stop;
done_testing();
