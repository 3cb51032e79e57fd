# No room left for the write-ahead log while clients book: the server stops with
# a PANIC.  Once its log has been moved to a larger disk it recovers: what was
# acknowledged is there and as it was, nothing is there by halves, a retry finds
# the same appointment, and booking goes on.  If this fails, a full disk costs
# customers their appointments.
#
# BOOKING_SMALL_DISK is an empty directory on a file system of some 32 MB;
# scripts/with-server mounts one when root runs it.
#
# BOOKING_SEED repeats what the clients ask for.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Bookings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $disk = $ENV{BOOKING_SMALL_DISK};
plan skip_all => 'BOOKING_SMALL_DISK names no small file system; run scripts/test as root, where it may mount a tmpfs'
  if !defined $disk || !-d $disk;

# The server's log goes to the small disk; nothing takes away what it has
# written before the disk is full.
sub move_log
{
	my ($node, $to) = @_;
	my $log = $node->data_dir . '/pg_wal';
	my $from = readlink($log) // $log;
	system_or_bail('cp', '-Rp', $from, "$to.new");
	if (-l $log) { unlink $log; }
	else { system_or_bail('rm', '-r', $log); }
	rename("$to.new", $to) or die "could not rename $to.new: $!";
	symlink($to, $log) or die "could not link $log: $!" if $to ne $log;
	return;
}

my $node = new_shop(
	'disk_full',
	extra => ['--wal-segsize=1'],
	prepare => sub { move_log($_[0], "$disk/wal") },
	conf => q{
checkpoint_timeout = 1h
min_wal_size = 2MB
max_wal_size = 1GB
});

start_load($node);
sleep 2;

# Others write into the same log, until there is no room.
my $deadline = time + 60;
my $status = 0;
while ($status == 0 && time < $deadline)
{
	($status) = $node->psql('postgres', q{SELECT pg_logical_emit_message(false, 'filler', repeat('x', 500000))});
}
isnt($status, 0, 'the server runs into the full disk');
sleep 0.1 while -e $node->data_dir . '/postmaster.pid' && time < $deadline;
is(finish_load(), 0, 'no client waited for ever');
like(slurp_file($node->logfile), qr/PANIC: .*could not write to file "pg_wal.*No space left on device/, 'it stops with a PANIC');
$node->stop('immediate', fail_ok => 1);

move_log($node, $node->data_dir . '/pg_wal');
$node->start;
like(slurp_file($node->logfile), qr/redo done/, 'with a larger disk it recovers');
my @before = transcript();
sound($node, \@before, 'disk full');
is(retry($node, 300, @before), '', 'whoever asks again gets the same appointment');

start_load($node);
sleep 1;
is(finish_load(), 0, 'afterwards no client waits for ever');
my @requests = transcript();
cmp_ok(scalar(grep { $_->{state} eq 'done' } @requests), '>', scalar(grep { $_->{state} eq 'done' } @before), 'booking goes on');
sound($node, \@requests, 'later');
complaints_are($node, '53100', '57P01', '57P02', '57P03');

$node->stop;
done_testing();
