# Behind pgbouncer in transaction mode, where a client's transactions run in
# whichever backend is free: forty clients on three backends book without an
# overlap, keep what they were told of, leave no setting and no lock to the next
# client, and see a changed configuration at once.  If this fails, something
# lives in a session, and a pool in transaction mode mixes customers up.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $pgbouncer = (grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin')[0];
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $clients = 40;
my $backends = 3;
my $seconds = 5;

my $node = PostgreSQL::Test::Cluster->new('pooled');
$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name) VALUES ('pooled');
INSERT INTO booking.barbers (shop_id, name) SELECT 1, 'barber' FROM generate_series(1, 4);
INSERT INTO booking.services (shop_id, name, duration_minutes, buffer_after_minutes) VALUES (1, 'cut', 30, 5);
INSERT INTO booking.barber_services SELECT id, 1 FROM booking.barbers;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d;
CREATE SCHEMA pooled;
CREATE TABLE pooled.told (appointment_id bigint, client text);
CREATE TABLE pooled.kept (what text);
});

# ---------------------------------------------------------------------------
# The pool
# ---------------------------------------------------------------------------

my $directory = PostgreSQL::Test::Utils::tempdir_short;
my $port = 6432;
my $user = $node->safe_psql('postgres', 'SELECT current_user');
append_to_file(
	"$directory/ini", sprintf(q{
[databases]
postgres = host=%s port=%d user=%s
[pgbouncer]
pool_mode = transaction
default_pool_size = %d
max_client_conn = 200
auth_type = any
listen_addr =
listen_port = %d
unix_socket_dir = %s
ignore_startup_parameters = extra_float_digits
pidfile = %s/pid
logfile = %s/log
}, $node->host, $node->port, $user, $backends, $port, ($directory) x 3));
my $pool = IPC::Run::start([ $pgbouncer, '-q', "$directory/ini" ], '>', "$directory/out", '2>&1');

END
{
	my $status = $?;
	$pool->kill_kill if $pool;
	$? = $status;
}

# Runs a statement in the pool; dies if it fails.
sub ask
{
	my ($statement) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', $directory, '-p', $port, 'postgres' ],
		'<', \$statement, '>', \$out, '2>', \$err)
	  or die "through the pool: $err";
	chomp $out;
	return $out;
}

foreach my $try (1 .. 100)
{
	last if eval { ask('SELECT 1') };
	select(undef, undef, undef, 0.1);
}
is(ask('SELECT 1'), '1', 'the pool answers');

# ---------------------------------------------------------------------------
# Everybody books, says who acts, and sometimes cancels
# ---------------------------------------------------------------------------

append_to_file(
	"$directory/book.sql", q{
\set barber random(1, 4)
\set quarter random(0, 671)
\set cancels random(1, 3)
BEGIN;
INSERT INTO pooled.kept SELECT 'actor ' || a FROM current_setting('booking.actor', true) a WHERE a <> '';
SET LOCAL booking.actor = :client_id;
SELECT coalesce(appointment_id, 0) AS id FROM booking.try_book_slot(:barber, 1, NULL,
	date_trunc('day', now()) + interval '2 days' + :quarter * interval '15 min') \gset
INSERT INTO pooled.told SELECT :id, :client_id WHERE :id > 0;
INSERT INTO pooled.kept SELECT 'lock' FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory';
COMMIT;
\if :id > 0 and :cancels = 1
BEGIN;
SET LOCAL booking.actor = :client_id;
SELECT status FROM booking.cancel_appointment(:id);
COMMIT;
\endif
});
my ($out, $err) = run_command([
	'pgbench', '-n', '-M', 'simple', '-T', $seconds, '-c', $clients, '-j', 2, '-f', "$directory/book.sql",
	'-h', $directory, '-p', $port, 'postgres' ]);
like($out, qr/^tps = /m, 'all clients went through');
unlike("$out$err", qr/error:|aborted|failed transactions: [1-9]/, 'without an error');

sub finds
{
	my ($query, $expected, $test) = @_;
	is($node->safe_psql('postgres', $query), $expected, $test);
	return;
}

cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM pooled.told'), '>', 100, 'a lot was booked');
cmp_ok(
	$node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()}),
	'<=', $backends, "by no more than $backends backends");
finds(q{
WITH live AS (SELECT * FROM booking.appointments WHERE status = 'confirmed')
SELECT count(*) FROM live a JOIN live b ON a.barber_id = b.barber_id AND a.id < b.id
WHERE tstzrange(a.busy_from, a.busy_until) && tstzrange(b.busy_from, b.busy_until)}, 0, 'no two appointments overlap');
finds('SELECT count(*) FROM pooled.told FULL JOIN booking.appointments a ON a.id = appointment_id
	WHERE a.id IS NULL OR appointment_id IS NULL', 0, 'what the clients were told of is what is there');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM booking.appointment_history'), '>', 10, 'some was cancelled');
finds('SELECT count(*) FROM booking.appointment_history JOIN pooled.told USING (appointment_id)
	WHERE changed_by <> client', 0, 'by whom the history says');
finds('TABLE pooled.kept', '', 'no setting and no lock was left to the next client');

# ---------------------------------------------------------------------------
# A changed configuration
# ---------------------------------------------------------------------------

my $slots = "SELECT count(*) FROM booking.available_slots(1, current_date + 20, barber_id => 1)";

# Runs a statement often enough, and at once, for every backend to run it.
sub ask_all
{
	my ($statement) = @_;
	my %answers;
	my @clients = map {
		my %client = (out => '', in => "BEGIN;\n$statement;\nSELECT pg_sleep(0.3);\nCOMMIT;\n");
		$client{run} = IPC::Run::start([ 'psql', '-XqAt', '-h', $directory, '-p', $port, 'postgres' ],
			'<', \$client{in}, '>', \$client{out});
		\%client;
	} 1 .. $backends;
	foreach my $client (@clients)
	{
		$client->{run}->finish;
		$answers{ (split /\n/, $client->{out})[0] }++;
	}
	return join ' ', sort keys %answers;
}

cmp_ok(ask_all($slots), '>', 0, 'there are slots');
ask("INSERT INTO booking.schedule_overrides (barber_id, on_date) VALUES (1, current_date + 20)");
is(ask_all($slots), '0', 'no backend of the pool offers a day that was closed');

$node->stop;
done_testing();
