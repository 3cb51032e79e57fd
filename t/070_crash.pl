# A server that crashes while clients book: kill -9 of a backend, again and
# again, and immediate shutdown.  After each, what was acknowledged is there and
# as it was, nothing is there by halves, nobody is blocked by the dead, a retry
# with the same key finds the same appointment, and booking goes on.  If this
# fails, a customer stands before a chair that the crash gave away.
#
# At the end the same checks are shown what they look for, a lost booking (of a
# session that did not wait for its commit to be on disk) among the rest.
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
use Time::HiRes qw(sleep);

my $node = new_shop(
	'crash', conf => q{
restart_after_crash = on
checkpoint_timeout = 1h
bgwriter_lru_maxpages = 0
});
my $barber = quiet_barber();

sub sql { return $node->safe_psql('postgres', $_[0]); }

# What a new session gets for its booking: an id, or an error's SQLSTATE.
sub book
{
	my ($time, $key) = @_;
	my ($status, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSET lock_timeout = '200 ms';\n"
		  . sprintf("SELECT id FROM booking.book_slot(%s, 1, %s, '%s')", $barber, quiet_start($time), $key // "at $time"),
		on_error_stop => 0);
	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : $out;
}

# ---------------------------------------------------------------------------
# Bookings that are under way when the server crashes
# ---------------------------------------------------------------------------

foreach ([ 'commit', '08:00' ], [ 'rollback', '10:00' ])
{
	my ($end, $time) = @$_;
	sql(sprintf("BEGIN; SELECT FROM booking.book_slot(%s, 1, %s, '%s'); PREPARE TRANSACTION 'left to %s'",
			$barber, quiet_start($time), $end, $end));
}

# Prepared bookings block their own time and no other's.
sub prepared_block
{
	my ($when, $free) = @_;
	is(sql('SELECT string_agg(gid, \', \' ORDER BY gid) FROM pg_prepared_xacts'),
		'left to commit, left to rollback', "$when: prepared transactions are there");
	is(book('08:00'), '55P03', "$when: a prepared booking blocks its time");
	is(book('10:15'), '55P03', "$when: another one too");
	is(book('10:00', 'rollback'), '55P03', "$when: and whoever asks with its key");
	like(book($free), qr/^\d+$/, "$when: but not the time beside it");
	return;
}
prepared_block('before', '07:30');

# ---------------------------------------------------------------------------
# Crashes
# ---------------------------------------------------------------------------

# A backend of the load that is at work, if possible within a booking.
sub busy_backend
{
	return sql(sprintf q{SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%s'
		ORDER BY state = 'active' AND query LIKE '%%booking.%%' DESC, random() LIMIT 1}, load_pattern());
}

sub killed_backends { return scalar(() = slurp_file($node->logfile) =~ /was terminated by signal 9/g); }

sub kill_backend
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query('SELECT pg_backend_pid()');
	$session->query(sprintf("BEGIN; SELECT FROM booking.book_slot(%s, 1, %s, 'unfinished')", $barber, quiet_start('12:00')));
	is(book('12:00'), '55P03', 'an unfinished booking blocks its time');
	# One that ends by itself just then is no crash.
	my $killed = killed_backends();
	while (killed_backends() == $killed)
	{
		kill 'KILL', (eval { busy_backend() } || $pid);
		sleep 0.3;
	}
	eval { $session->quit };
	return;
}

my %crashes = (
	'kill -9' => \&kill_backend,
	'kill -9 again' => \&kill_backend,
	'immediate shutdown' => sub { $node->stop('immediate'); $node->start; });
my @free = ('07:00', '08:30', '09:30');

foreach my $crash (sort keys %crashes)
{
	start_load($node);
	sleep 1.5;
	$crashes{$crash}->();
	wait_for_server($node);
	my @before = grep { $_->{state} eq 'done' } transcript();
	sleep 1;
	is(finish_load(), 0, "$crash: no client waited for ever");

	my @requests = transcript();
	cmp_ok(scalar(grep { $_->{state} eq 'done' } @requests), '>', scalar(@before), "$crash: booking went on");
	sound($node, \@requests, $crash);
	is(retry($node, 300, @requests), '', "$crash: whoever asks again gets the same appointment");
	prepared_block($crash, shift @free);
}
like(book('12:00', 'unfinished'), qr/^\d+$/, 'an unfinished booking is gone with its session');

my $log = slurp_file($node->logfile);
is(killed_backends(), 2, 'two backends were killed');
is(scalar(() = $log =~ /received immediate shutdown request/g), 1, 'and the server was shut down once');
is(scalar(() = $log =~ /redo done/g), 3, 'it recovered from its log three times');

sql("COMMIT PREPARED 'left to commit'");
sql("ROLLBACK PREPARED 'left to rollback'");
is(book('08:00'), '23P01', 'a prepared booking that is committed is there');
is(book('08:00', 'commit'), sql("SELECT id FROM booking.appointments WHERE idempotency_key = 'commit'"), 'whoever asks with its key gets it');
like(book('10:15'), qr/^\d+$/, 'one that is rolled back is gone');
sound($node, [ transcript() ], 'at the end');
complaints_are($node, '57P01', '57P02', '57P03');

# ---------------------------------------------------------------------------
# The checks see what they look for
# ---------------------------------------------------------------------------

sub acknowledged
{
	my ($key, @row) = @_;
	return { key => $key, kind => 'book', state => 'done', rows => [ \@row ] };
}

sub finds
{
	my ($name, $expected, $tamper, @made_up) = @_;
	my %found = unsound($node, [ transcript(), @made_up ], tamper => $tamper);
	ok($found{$expected}, "the checks see $name") or diag('they see: ' . join('; ', sort keys %found));
	return;
}

# SQL that deletes an appointment behind everybody's back
sub lose { return "SET LOCAL session_replication_role = replica; DELETE FROM booking.appointments WHERE id = ($_[0])"; }

finds('a booking that is not there', 'every acknowledged booking is there', '',
	acknowledged('made up', 987654321, 1, 'confirmed', 1, 0));
finds('a cancellation that is not there', 'and as it was acknowledged last', '',
	acknowledged('commit', split(/\|/, sql(q{SELECT id, version + 1, 'cancelled', barber_id, extract(epoch FROM starts_at)::bigint
		FROM booking.appointments WHERE idempotency_key = 'commit'}))));
finds('a booking that nobody was told of', 'nothing that was refused is there, nor what was asked for later or never',
	"UPDATE booking.appointments SET idempotency_key = 'c0-0-0-0' WHERE idempotency_key = 'commit'");
finds('an overlap', 'no two live appointments of a barber overlap', q{
SET LOCAL session_replication_role = replica;
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
SELECT barber_id, service_id, starts_at, ends_at, busy_from, busy_until FROM booking.appointments WHERE idempotency_key = 'commit'});
finds('half a visit', 'every visit is there as a whole',
	lose(q{SELECT min(o.id) FROM booking.appointments k JOIN booking.appointments o ON o.visit_id = k.visit_id AND o.id <> k.id
		WHERE k.idempotency_key ~ '-visit\d$'}));
finds('a lost part', 'every appointment in steps has all its parts, in one status and in their places',
	lose('SELECT max(id) FROM booking.appointments WHERE part_of IS NOT NULL'));
finds('half a transaction', 'every transaction of two bookings is there as a whole',
	lose(q{SELECT max(id) FROM booking.appointments WHERE idempotency_key LIKE '%-other'}));
finds('a change without its history', 'every change has its history',
	'DELETE FROM booking.appointment_history WHERE id = (SELECT max(id) FROM booking.appointment_history)');
finds('a lock', 'no lock is left but those of prepared transactions', 'SELECT pg_advisory_xact_lock(1)');

# A commit that nobody waited for, and a crash before it is written.
{
	my $writer = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
	kill 'STOP', $writer;
	my $id = $node->safe_psql('postgres', sprintf(
		"SET synchronous_commit = off; SELECT id FROM booking.book_slot(%s, 1, %s, 'not waited for')", $barber, quiet_start('14:00')));
	kill 'KILL', $writer;
	$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'walwriter' AND pid <> $writer)");
	finds('a booking that a crash has taken, as its session did not wait for the disk',
		'every acknowledged booking is there', '', acknowledged('not waited for', $id, 1, 'confirmed', 5, 0));
}

$node->stop;
done_testing();
