# What an attacker has tried in vain, as far as it needs sessions, encodings or
# time of its own: settings that come with the connection or the role, bytes that
# are no text, timeouts, and a storm of DDL beside bookings.  The rest is in
# sql/348_what_held.sql and t/077_random_caller.pl.

use strict;
use warnings FATAL => 'all';

BEGIN { $ENV{BOOKING_STRESS_SECONDS} //= 10; }

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;
use Time::HiRes qw(time);

start_server('held');

my $setup = q{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (id, name, max_advance_days) VALUES (1, 'crowded', 366);
INSERT INTO booking.barbers (id, shop_id, name) SELECT n, 1, 'barber' FROM generate_series(1, 3) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes, slot_interval_minutes, capacity) VALUES (1, 1, 'cut', 30, 15, 1), (2, 1, 'blink', 1, 1, 1), (3, 1, 'class', 60, 60, 3);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT b.id, s.id FROM booking.barbers b, booking.services s;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d;
INSERT INTO booking.users (id, email) SELECT n, 'u' || n || '@example.org' FROM generate_series(1, 20) n;
SELECT setval('booking.users_id_seq', 100), setval('booking.barbers_id_seq', 100);
};

$node->safe_psql('postgres', $setup . q{
CREATE ROLE front LOGIN;
SELECT booking.grant_role('front', 'front');
SELECT booking.enable_row_security();
INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at)
SELECT n, 1, n, current_date + 3 + time '10:00', current_date + 3 + time '10:30' FROM generate_series(1, 2) n;
});

# ---------------------------------------------------------------------------
# Settings that come with the connection, the role or the database
# ---------------------------------------------------------------------------

# What a session of the front says, the last line.
sub says
{
	my ($options, $statement) = @_;
	local $ENV{PGOPTIONS} = $options;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XqAt', '-v', 'VERBOSITY=sqlstate', '-U', 'front', '-d', $node->connstr('postgres') ], '<', \$statement, '>', \$out, '2>', \$err);
	my @lines = grep { !/WARNING/ } split /\n/, "$out$err";
	return $lines[-1] =~ s/^.*ERROR: +//r;
}

my $own = 'SELECT count(*) FROM booking.user_appointments(1);';
my $other = 'SELECT count(*) FROM booking.user_appointments(2);';
is(says('', $own), '42501', 'a front that says nothing acts for nobody');
is(says('-c booking.user_id=1', $own), '1', 'a customer who comes with the connection has his own');
is(says('-c booking.user_id=1', $other), '42501', '... and no other\'s');
is(says('-c booking.user_id=1', "SET booking.user_id = '1 OR true'; $other"), '42501', '... nor by a text that is no id');
is(says('-c booking.user_id=1,2', $own), '42501', 'a text that is no id names nobody');
is(says('-c booking.user_id=1', "BEGIN; SAVEPOINT s; $own ROLLBACK TO s; $other"), '42501', '... also where the library came with what was rolled back');

# What a superuser alone may set: not before the library is there, nor with it.
my %theirs = ('booking.now' => '2000-01-01', 'booking.track' => 'off', 'booking.leaf_scan' => 'off');
foreach my $setting (sort keys %theirs)
{
	my $plain = $node->safe_psql('postgres', "LOAD 'booking'; SHOW $setting");
	my $show = "SELECT count(*) FROM booking.active_services(1); SELECT 'it is ' || current_setting('$setting');";
	is(says("-c $setting=$theirs{$setting}", $show), "it is $plain", "$setting does not come with the connection");
	is(says('', "SET $setting = '$theirs{$setting}'; $show"), "it is $plain", '... nor does it stay when the library comes');
	is(says('', "SELECT count(*) FROM booking.active_services(1); SET $setting = '$theirs{$setting}';"), '42501', '... nor may it be set afterwards');
	says('', "ALTER ROLE front SET $setting = '$theirs{$setting}';");
	is(says('', $show), "it is $plain", '... nor does the role bring it');
	$node->safe_psql('postgres', 'ALTER ROLE front RESET ALL');
}
$node->safe_psql('postgres', "ALTER ROLE front SET booking.user_id = '1'");
is(says('', $own) . says('', $other), '142501', 'a role that is a customer\'s is his');
$node->safe_psql('postgres', 'ALTER ROLE front RESET ALL; SELECT booking.disable_row_security()');

# ---------------------------------------------------------------------------
# Bytes that are no text
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', q{CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'});
$node->safe_psql('bytes', $setup);
my $broken = q{E'\xe4\xff\xc3'};
is($node->safe_psql('bytes', qq{
SET client_encoding = 'SQL_ASCII';
UPDATE booking.shops SET name = $broken; UPDATE booking.barbers SET name = $broken; UPDATE booking.services SET name = $broken;
UPDATE booking.users SET name = $broken WHERE id = 1;
SELECT booking.ensure_user('bytes\@example.org') > 0;
SELECT id FROM booking.book_visit(1, ARRAY[ROW(1, 1, current_date + 3 + time '10:00', $broken)]::booking.visit_item[], $broken) \\gset
SELECT count(*) FROM booking.book_visit(1, ARRAY[ROW(1, 1, current_date + 3 + time '10:00', $broken)]::booking.visit_item[], $broken) WHERE id = :id;
UPDATE booking.appointments SET notes = $broken;
SELECT status FROM booking.cancel_appointment(:id, $broken);
SELECT count(*) FROM booking.appointment_history WHERE to_values ->> 'cancel_reason' = $broken;
SELECT count(*) > 0 FROM booking.user_appointments(1, false) WHERE barber_name = $broken;
SELECT count(*) FROM booking.business_metrics(1, current_date, current_date + 7);
SELECT booking.health() ->> 'status' <> '', booking.metrics() ~ '# EOF';
SELECT count(*) FROM booking.verify(true);
}), "t\n1\ncancelled\n1\nt\n8\nt|t\n0", 'bytes that are no text are kept, counted and watched over');

# ---------------------------------------------------------------------------
# Timeouts
# ---------------------------------------------------------------------------

# Whatever takes long ends soon after its time is over, or has a bound of its own.
$node->safe_psql('postgres', q{
INSERT INTO booking.barbers (shop_id, name) SELECT 1, 'one of many' FROM generate_series(1, 60);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT b.id, 2 FROM booking.barbers b WHERE name = 'one of many';
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d WHERE name = 'one of many';
});
my %ended;
foreach my $call ('available_slots(2, current_date, current_date + 365)', 'availability_by_day(2, current_date, current_date + 365)', 'next_slots(2, NULL, 10000)',
	q{available_visits('{2,2,2,2,2,2,2,2,2,2}', current_date, current_date + 365)}, q{book_series(1, 1, NULL, now() + interval '1 day', '1 day', 200, 'skip')}, 'verify(true)')
{
	my $begun = time;
	my ($rc, undef, $stderr) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nSET statement_timeout = '50ms';\nSELECT count(*) FROM booking.$call;");
	my $state = $stderr =~ /ERROR: +(\w{5})/ ? $1 : 'ended';
	$ended{$state}++;
	ok($state =~ /^(?:ended|57014|54000)$/ && time - $begun < 5, "$call obeys statement_timeout") or diag("$state after " . (time - $begun) . ' s');
}
cmp_ok($ended{57014} // 0, '>', 0, 'some of them were cut off');
$node->safe_psql('postgres', q{DELETE FROM booking.barbers WHERE name = 'one of many'});

# ---------------------------------------------------------------------------
# A storm of DDL beside bookings
# ---------------------------------------------------------------------------

my $table = 'booking.appointments';
my %ddl = (
	column => sub { return "ALTER TABLE $table ADD COLUMN IF NOT EXISTS storm int DEFAULT 1;\n" . nap() . "ALTER TABLE $table DROP COLUMN IF EXISTS storm;\n" },
	generated => sub { return "ALTER TABLE $table ADD COLUMN IF NOT EXISTS storm_day int GENERATED ALWAYS AS (barber_id::int + 1) STORED;\n" . nap() . "ALTER TABLE $table DROP COLUMN IF EXISTS storm_day;\n" },
	index => sub { return "CREATE INDEX IF NOT EXISTS storm_index ON $table (notes, (price_cents + 1));\n" . nap() . "DROP INDEX IF EXISTS booking.storm_index;\n" },
	trigger => sub { return "CREATE OR REPLACE TRIGGER storm BEFORE INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION storm();\n" . nap() . "DROP TRIGGER IF EXISTS storm ON $table;\n" },
	check => sub { return "ALTER TABLE $table DROP CONSTRAINT IF EXISTS storm, ADD CONSTRAINT storm CHECK (barber_id > 0) NOT VALID;\nALTER TABLE $table VALIDATE CONSTRAINT storm;\n" },
	reindex => sub { return 'REINDEX INDEX booking.' . one_of(qw(idx_appointments_availability_check idx_appointments_user_status idx_appointments_idempotency_key)) . ";\n" },
	vacuum => sub { return one_of('VACUUM', 'VACUUM FULL', 'VACUUM FREEZE', 'ANALYZE') . " $table;\n" },
	configuration => sub { return "ALTER TABLE booking.services ADD COLUMN IF NOT EXISTS storm text;\nUPDATE booking.services SET price_cents = price_cents + 1;\nALTER TABLE booking.services DROP COLUMN IF EXISTS storm;\n" });
my $start = sprintf("current_date + 3 + %s * interval '15 minutes'", ':n');
my %calls = (
	book => "\\set barber random(1, 3)\n\\set service random(1, 3)\n\\set n random(0, 95)\n\\set customer random(1, 20)\n"
	  . "SELECT coalesce(appointment_id, 0) AS id FROM booking.try_book_slot(:barber, :service, :customer, ($start) AT TIME ZONE 'UTC') \\gset\n"
	  . "INSERT INTO told SELECT :id WHERE :id > 0;\n",
	give_up => "SELECT give_up();\n",
	look => "\\set barber random(1, 3)\nSELECT count(*) FROM booking.available_slots(1, current_date + 3, barber_id => :barber);\nSELECT count(*) FROM booking.user_appointments(1);\n");

$node->safe_psql('postgres', q{
CREATE TABLE told (id bigint);
CREATE FUNCTION storm() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION give_up() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE status = 'confirmed' ORDER BY random() LIMIT 1));
EXCEPTION WHEN SQLSTATE 'SL009' OR null_value_not_allowed THEN
END
$$;
});
stop_in($seconds);
# Each by itself: one who loses a deadlock goes on with the next.
start_psql('ddl', 'postgres', \%ddl);
start_pgbench('booker', 2, "$_" => $calls{$_} =~ s/\n(?=INSERT|SELECT count\(\*\) FROM booking.user)/\n/r) foreach sort keys %calls;
finish_clients();
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM told'), '>', 20, 'there were bookings in the storm');
met_no_other_error('ddl', '40P01');
met_no_other_error('booker', '40P01');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC: |TRAP: /, 'the server never went down');
finds('SELECT count(*) FROM told t LEFT JOIN booking.appointments a USING (id) WHERE a.id IS NULL', 0, 'what was booked is there');
foreach ('ALTER TABLE booking.appointments DROP CONSTRAINT IF EXISTS storm', 'DROP TRIGGER IF EXISTS storm ON booking.appointments') { $node->safe_psql('postgres', "SET client_min_messages = warning; $_"); }
is($node->safe_psql('postgres', 'SELECT * FROM booking.verify(true) LIMIT 10'), '', 'the tables are sound');
finds("SELECT count(*) FROM pg_locks WHERE locktype NOT IN ('relation', 'virtualxid')", 0, 'no lock is left');

$node->stop;
done_testing();
