# Logical replication of the tables into a database that has the extension too:
# the copy and the stream of changes arrive as they are, no trigger of ours adds
# to them, and a backend of the subscriber's that keeps the configuration sees
# what is replicated.  If this fails, a reporting copy shows hours that are no
# longer, or a switch to the subscriber begins with doubled history.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FilledShops;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = start_server('publisher', allows_streaming => 'logical');
my $subscriber = start_server('subscriber', allows_streaming => 'logical');

fill_shops($publisher, 'postgres');
# The columns that users added, and the user's trigger, which must not ring.
my $schema = $publisher->basedir . '/schema.sql';
$publisher->command_ok([ 'pg_dump', '-s', '-f', $schema, 'postgres' ], 'the schema is dumped');
$subscriber->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $schema, 'postgres' ],
	'the subscriber gets it');

# ---------------------------------------------------------------------------
# A backend of the subscriber's that has looked before anything came
# ---------------------------------------------------------------------------

my $tuesday = $publisher->safe_psql('postgres', q{SELECT date_trunc('week', current_date + 14)::date + 1});
my $reader = $subscriber->background_psql('postgres', on_error_stop => 0);
$reader->query('SET timezone = \'America/New_York\'');

# Who is free for a cut on that day, as the old backend sees it and as a new one.
my $question = qq{SELECT count(*), min(starts_at::time), max(starts_at::time),
	count(DISTINCT barber_id), min(ends_at - starts_at) FROM booking.available_slots(15, '$tuesday')};

sub old_and_new_agree
{
	my ($name, $want) = @_;
	my $old = $reader->query($question);
	my $new = $subscriber->safe_psql('postgres', "SET timezone = 'America/New_York'; $question");

	$old = 'error' if $old eq '';
	like($new, $want, "$name: it came");
	is($old, $new, "$name: a backend that had looked before sees it");
	return;
}

$reader->query($question);

# ---------------------------------------------------------------------------
# The copy
# ---------------------------------------------------------------------------

# All tables but one, which is copied later.
my $others = $publisher->safe_psql(
	'postgres', q{
	SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
	WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' AND relname <> 'time_off'});
$publisher->safe_psql('postgres', "CREATE PUBLICATION shops FOR TABLE $others");
$subscriber->safe_psql('postgres',
	sprintf(q{CREATE SUBSCRIPTION shops CONNECTION '%s dbname=postgres' PUBLICATION shops}, $publisher->connstr));
$subscriber->wait_for_subscription_sync($publisher, 'shops');
old_and_new_agree('most tables', qr/^\d+\|09:00:00\|17:30:00\|2\|00:30:00$/);

$publisher->safe_psql('postgres', 'ALTER PUBLICATION shops ADD TABLE booking.time_off');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION shops REFRESH PUBLICATION');
$subscriber->wait_for_subscription_sync($publisher, 'shops');
old_and_new_agree('the last table', qr/\|1\|00:30:00$/);

sub is_a_copy
{
	my ($name) = @_;

	$publisher->wait_for_catchup('shops');
	same_list(rows($subscriber, 'postgres'), rows($publisher, 'postgres'), "$name: the same rows");
	is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM public.rings'), 0, "$name: nobody is rung");
	return;
}

is_a_copy('the copy');

# ---------------------------------------------------------------------------
# Appointments, their history and the waitlist
# ---------------------------------------------------------------------------

$publisher->safe_psql(
	'postgres', q{
	SET timezone = 'America/New_York';
	SELECT a.id AS old, a.starts_at AS early FROM booking.appointments a WHERE a.barber_id = 14 AND a.user_id = 52
		AND status = 'confirmed' ORDER BY 2 LIMIT 1 \gset
	SELECT booking.ensure_user('waiting@example.org') AS waiting \gset
	SELECT booking.join_waitlist(:waiting, 15, :'early', :'early'::timestamptz + interval '30 minutes', barber_id => 14);
	SELECT booking.reschedule_appointment(:old, :'early'::timestamptz + interval '1 hour', version => 1);
	SELECT booking.confirm_appointment(appointment_id) FROM booking.waitlist WHERE user_id = :waiting;
	SELECT booking.expire_holds();
	DELETE FROM booking.appointments WHERE id = :old});
is_a_copy('appointments changed');

my ($status, $out, $err) = $subscriber->psql(
	'postgres', q{
	\set VERBOSITY sqlstate
	INSERT INTO booking.appointments (id, barber_id, service_id, starts_at, ends_at)
	SELECT -1, barber_id, service_id, starts_at, ends_at FROM booking.appointments
	WHERE status = 'confirmed' AND starts_at > now() LIMIT 1});
like($err, qr/23P01/, 'somebody who writes on the subscriber is guarded');

# ---------------------------------------------------------------------------
# The configuration, table by table
# ---------------------------------------------------------------------------

my @changes = (
	[ 'working_hours', q{UPDATE booking.working_hours SET opens = '10:00' WHERE barber_id = 14}, qr/\|10:00:00\|17:30/ ],
	[ 'services', q{UPDATE booking.services SET duration_minutes = 60 WHERE id = 15}, qr/\|01:00:00$/ ],
	[ 'barber_services', q{UPDATE booking.barber_services SET duration_minutes = 45 WHERE barber_id = 14}, qr/\|00:45:00$/ ],
	[ 'shops', q{UPDATE booking.shops SET slot_interval_minutes = 120 WHERE id = 6}, qr/\|10:00:00\|14:00:00\|/ ],
	[ 'time_off', qq{INSERT INTO booking.time_off (barber_id, starts_at, ends_at)
		VALUES (14, '$tuesday 12:00 America/New_York', '$tuesday 24:00 America/New_York')}, qr/\|10:00:00\|10:00:00\|/ ],
	[ 'a deletion', q{DELETE FROM booking.time_off WHERE barber_id = 15}, qr/\|2\|/ ],
	[ 'schedule_overrides', qq{INSERT INTO booking.schedule_overrides (shop_id, on_date, opens, closes)
		VALUES (6, '$tuesday', '08:00', '09:00')}, qr/\|08:00:00\|08:00:00\|2\|/ ],
	[ 'barbers', q{UPDATE booking.barbers SET is_active = false WHERE id = 14}, qr/\|1\|/ ],
	[ 'service_steps', q{INSERT INTO booking.service_steps VALUES (15, 1, 10, 20), (15, 2, 20, 0)}, qr/\|00:50:00$/ ],
	[ 'TRUNCATE', q{TRUNCATE booking.service_steps}, qr/\|01:00:00$/ ],
	[ 'none of it', q{DELETE FROM booking.barber_services WHERE service_id = 15}, qr/^0\|/ ]);

foreach my $change (@changes)
{
	my ($name, $statement, $want) = @$change;
	$publisher->safe_psql('postgres', $statement);
	$publisher->wait_for_catchup('shops');
	old_and_new_agree($name, $want);
}

# A tool that replicates through a session of its own.
$subscriber->safe_psql('postgres', q{
	SET session_replication_role = replica; INSERT INTO booking.barber_services VALUES (15, 15)});
old_and_new_agree('a session in the role of a replica', qr/^1\|/);
$subscriber->safe_psql('postgres', q{
	SET session_replication_role = replica; DELETE FROM booking.barber_services WHERE service_id = 15});
is_a_copy('the configuration changed');

# ---------------------------------------------------------------------------
# The subscriber takes over.  Sequences are not replicated: they have to be set.
# ---------------------------------------------------------------------------

$reader->quit;
$publisher->stop;
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION shops DISABLE');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION shops SET (slot_name = NONE)');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION shops');
$subscriber->safe_psql(
	'postgres', q{
	SELECT format('SELECT setval(%L, (SELECT max(id) FROM booking.%I))', s, table_name)
	FROM information_schema.columns, pg_get_serial_sequence('booking.' || table_name, 'id') s
	WHERE table_schema = 'booking' AND column_name = 'id' AND is_identity = 'YES' \gexec});
is($subscriber->safe_psql('postgres', 'SELECT booking.setup()'), '', 'the subscriber lacks no part');
guards_and_books($subscriber, 'postgres', 'the subscriber that took over');

done_testing();
