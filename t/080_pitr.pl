# Point-in-time recovery: a base backup taken while clients book, the archived
# log after it, and a moment in the middle of the load, before somebody deletes
# every appointment.  The recovered server has what was acknowledged until then,
# as it was, and nothing that was asked for later; it is guarded and booking goes
# on.  If this fails, the disaster-recovery drill of the documentation ends with
# customers who are not expected.
#
# The moment is given once as a named restore point, once as a time.
#
# BOOKING_SEED repeats what the clients ask for.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Bookings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $base = PostgreSQL::Test::Utils::tempdir;
my $archive = "$base/archive";
mkdir $archive;

# ---------------------------------------------------------------------------
# A server with an archive, a backup, a moment, and a disaster
# ---------------------------------------------------------------------------

my $node = new_shop(
	'archived',
	allows_streaming => 1,
	conf => qq{
archive_mode = on
archive_command = 'test ! -f $archive/%f && cp %p $archive/%f'
});

sub query
{
	my ($server, $sql) = @_;
	return $server->safe_psql('postgres', $sql);
}

start_load($node);
sleep 1;
$node->command_ok([ 'pg_basebackup', '-h', $node->host, '-p', $node->port, '-D', "$base/backup", '-c', 'fast', '-X', 'none', '--no-sync' ],
	'a base backup while clients book');
$node->command_ok([ 'pg_verifybackup', '-n', "$base/backup" ], 'whose files are whole');
sleep 1.5;
my ($point, $time, $us) = split /\|/, query($node,
	q{SELECT pg_create_restore_point('before the disaster') - '0/0', now, (extract(epoch FROM now) * 1000000)::bigint FROM clock_timestamp() AS now});
sleep 1.5;
is(finish_load(), 0, 'no client waited for ever');
sound($node, [ transcript() ], 'before the disaster');

query($node, 'DELETE FROM booking.appointments');
my $last = query($node, 'SELECT pg_walfile_name(pg_switch_wal())');
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver") or die "$last was not archived";
$node->stop('immediate');

# ---------------------------------------------------------------------------
# Recovery
# ---------------------------------------------------------------------------

# A server made of the backup and the archive, up to the moment.  It must not
# write into the archive of the old one.
sub recover
{
	my ($name, $target) = @_;
	my $server = PostgreSQL::Test::Cluster->new($name);
	PostgreSQL::Test::RecursiveCopy::copypath("$base/backup", $server->data_dir);
	chmod 0700, $server->data_dir;
	$server->append_conf('postgresql.conf', sprintf(q{
port = %d
unix_socket_directories = '%s'
archive_mode = off
restore_command = 'cp %s/%%f %%p'
recovery_target_action = 'promote'
%s
}, $server->port, $server->host, $archive, $target));
	append_to_file($server->data_dir . '/recovery.signal', '');
	$server->start;
	$server->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
	return $server;
}

# The server has what was acknowledged until the moment.
sub holds_to
{
	my ($server, $name, @until) = @_;
	my @requests = transcript(until => \@until);
	my %count;
	$count{ $_->{state} }++ foreach @requests;
	cmp_ok($count{$_} // 0, '>', 0, "$name: some requests are $_") foreach 'done', 'later';
	sound($server, \@requests, $name);
	is(retry($server, 300, @requests), '', "$name: whoever asks again gets the same appointment");
	return @requests;
}

# The guard of a promoted server
sub is_guarded
{
	my ($server, $name) = @_;
	my ($status, $out, $err) = $server->psql('postgres', q{
\set VERBOSITY sqlstate
SELECT barber_id, service_id, starts_at FROM booking.appointments WHERE status = 'confirmed' AND part_of IS NULL ORDER BY id DESC LIMIT 1 \gset
SELECT FROM booking.book_slot(:barber_id, :service_id, 1, :'starts_at');
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
VALUES (:barber_id, 1, :'starts_at', :'starts_at'::timestamptz + interval '10 minutes');
}, on_error_stop => 0);
	is(join(' ', $err =~ /ERROR:\s+(\w{5})/g), '23P01 23P01', "$name: what is booked is guarded");
	return;
}

my $timed = recover('timed', "recovery_target_time = '$time'");
holds_to($timed, 'time', 'time', $us);
is_guarded($timed, 'time');
$timed->stop;

my $named = recover('named', q{recovery_target_name = 'before the disaster'});
my @before = holds_to($named, 'restore point', 'lsn', $point);
is_guarded($named, 'restore point');

begin_record();
start_load($named, clients => 3);
sleep 1.5;
is(finish_load(), 0, 'restore point: no client waited for ever');
my @after = transcript();
cmp_ok(scalar(grep { $_->{state} eq 'done' } @after), '>', 0, 'restore point: booking goes on');
sound($named, [ @before, @after ], 'restore point, later');
complaints_are($_) foreach $node, $named;
$named->stop;

# A server that was recovered to another moment does not pass for this one.
my $late = recover('late', q{recovery_target = 'immediate'});
my %found = unsound($late, \@before);
ok($found{'every acknowledged booking is there'}, 'the checks see bookings that a recovery left behind');
$late->stop;

done_testing();
