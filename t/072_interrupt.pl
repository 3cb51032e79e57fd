# Calls that are cut off in the middle: by statement_timeout, lock_timeout,
# pg_cancel_backend() and pg_terminate_backend(), each while every kind of call
# waits for an uncommitted booking, for one that is not yet decided, for a
# barber's lock, for a row, or has itself a barber's lock and a row that is not
# yet decided.  Afterwards no lock of ours is left, though the transaction goes on, nothing is stored by halves, the
# session can book, and so can others.  If this fails, a front with a
# timeout, as every front should have, blocks a barber for everybody.
#
# Then clients whose every statement has but a few milliseconds, and somebody
# who ends their sessions at random.
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

my $node = new_shop('interrupt', conf => "deadlock_timeout = 10s\n");
my $barber = quiet_barber();

# One session looks on, one opens and shuts the gate, one stands in the way.
my $watch = $node->background_psql('postgres', on_error_stop => 0);
my $gate = $node->background_psql('postgres');
my $other = $node->background_psql('postgres', on_error_stop => 0);
$watch->query_safe("SET lock_timeout = '10s'");

sub sql { return $watch->query_safe($_[0]); }

sub wait_until
{
	my ($condition) = @_;
	my $deadline = time + 60;
	until (sql("SELECT $condition") eq 't')
	{
		die "in vain: $condition" if time > $deadline;
		sleep 0.005;
	}
	return;
}

# ---------------------------------------------------------------------------
# What stands in the way
# ---------------------------------------------------------------------------

# A writer who has set test.pause stops before its row is stored; while it is (a
# function's is speculative then, and where the barber has a limit a day it has
# the barber's lock); or after (a raw writer's is stored and not yet judged), until
# the gate is opened.
sql(qq{UPDATE booking.barbers SET max_per_day = 1000 WHERE id = (ARRAY[$barber])[1]});
sql(q{
CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('test.pause', true) = TG_WHEN THEN
		PERFORM pg_advisory_xact_lock_shared(1);
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER zzz_pause BEFORE INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION public.pause();
CREATE TRIGGER "000_pause" AFTER INSERT OR UPDATE ON booking.appointments FOR EACH ROW EXECUTE FUNCTION public.pause();
CREATE FUNCTION public.pause(id bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('test.pause', true) = 'STORING' THEN
		PERFORM pg_advisory_xact_lock_shared(1);
	END IF;
	RETURN id;
END
$$;
CREATE INDEX pausing ON booking.appointments (public.pause(id));
});

# A booking at 09:00 that may be moved, and a hold at 09:30.
my $booked = sql(sprintf "SELECT id FROM booking.book_slot(%s, 1, %s)", $barber, quiet_start('09:00'));
my $held = sql(sprintf "SELECT id FROM booking.hold_slot(%s, 1, %s, '1 day')", $barber, quiet_start('09:30'));

sub pause_other
{
	my ($call) = @_;
	shut_gate();
	$other->query_until(qr/going/, "\\echo going\nBEGIN; SET LOCAL test.pause = 'STORING';\n$call;\n\\echo paused\n");
	wait_until(q{EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND NOT granted)});
	return;
}

sub shut_gate { $gate->query_safe('SELECT pg_advisory_lock(1)'); return; }
sub open_gate { $gate->query_safe('SELECT pg_advisory_unlock(1)'); return; }
sub other_gives_up { $other->query_safe('ROLLBACK'); return; }

sub let_other_go_on
{
	open_gate();
	$other->query_until(qr/paused/, '');
	other_gives_up();
	return;
}

sub other_has
{
	my ($call) = @_;
	$other->query_safe("BEGIN; $call");
	return;
}

my $nine = quiet_start('09:00');
my $ten = quiet_start('10:00');
my $eleven = quiet_start('11:00');
my $book_ten = "SELECT FROM booking.book_slot($barber, 2, $ten, 'cut off')";

# name => [ how it begins, the waiting call, how it ends ]
my $uncommitted = [ sub { other_has($book_ten =~ s/cut off/other/r) }, \&other_gives_up ];
my $locked = [
	sub { pause_other("SELECT FROM booking.book_slot($barber, 2, " . quiet_start('15:00') . ')') },
	\&let_other_go_on ];
my $undecided = [
	sub { pause_other($book_ten =~ s/cut off/other/r) },
	\&let_other_go_on ];
my $gated = [ \&shut_gate, \&open_gate ];
my $same_key = [ sub { other_has("SELECT FROM booking.book_slot($barber, 2, " . quiet_start('15:00') . ", 'cut off')") }, \&other_gives_up ];
my $row = sub { my ($id) = @_; return [ sub { other_has("UPDATE booking.appointments SET notes = 'mine' WHERE id = $id") }, \&other_gives_up ] };

my $visit = "SELECT FROM booking.book_visit(2, ARRAY[ROW($barber, $eleven, NULL), ROW($barber, $ten, NULL), ROW(1, 1, $nine, NULL)]::booking.visit_item[], 'cut off')";
my $series = "SELECT FROM booking.book_series($barber, 2, $nine - interval '1 day', '1 day', 3)";
my $raw = "INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, idempotency_key)"
  . " VALUES ($barber, $eleven, $eleven + interval '20 minutes', 'cut off too'), ($barber, $ten, $ten + interval '20 minutes', 'cut off')";

my @cases = (
	[ 'book_slot, time in progress', $uncommitted, $book_ten ],
	[ 'book_slot, lock', $locked, $book_ten ],
	[ 'book_slot, key in progress', $same_key, $book_ten ],
	[ 'book_slot, not yet decided', $undecided, $book_ten ],
	[ 'book_slot, not yet stored', $gated, "SET LOCAL test.pause = 'BEFORE'; $book_ten" ],
	[ 'book_slot, its own lock', $gated, "SET LOCAL test.pause = 'STORING'; $book_ten" ],
	[ 'try_book_slot, time in progress', $uncommitted, $book_ten =~ s/book_slot/try_book_slot/r ],
	[ 'hold_slot, lock', $locked, "SELECT FROM booking.hold_slot($barber, 2, $ten, idempotency_key => 'cut off')" ],
	[ 'book_visit, time in progress', $uncommitted, $visit ],
	[ 'book_visit, lock', $locked, $visit ],
	[ 'book_visit, its own lock', $gated, "SET LOCAL test.pause = 'STORING'; $visit" ],
	[ 'book_series, time in progress', [ sub { other_has("SELECT FROM booking.cancel_appointment($booked)") }, \&other_gives_up ], $series ],
	[ 'book_series, its own lock', $gated,
		"SET LOCAL test.pause = 'STORING'; SELECT FROM booking.book_series($barber, 2, $ten, '1 day', 3)" ],
	[ 'reschedule, time in progress', $uncommitted, "SELECT FROM booking.reschedule_appointment($booked, $ten)" ],
	[ 'reschedule, not yet decided', $undecided, "SELECT FROM booking.reschedule_appointment($booked, $ten)" ],
	[ 'reschedule, row', $row->($booked), "SELECT FROM booking.reschedule_appointment($booked, $ten)" ],
	[ 'reschedule, lock', $locked, "SELECT FROM booking.reschedule_appointment($booked, $ten)" ],
	[ 'reschedule, its own lock', $gated,
		"SET LOCAL test.pause = 'STORING'; SELECT FROM booking.reschedule_appointment($booked, $ten)" ],
	[ 'cancel, row', $row->($booked), "SELECT FROM booking.cancel_appointment($booked)" ],
	[ 'cancel, under way', $gated, "SET LOCAL test.pause = 'AFTER'; SELECT FROM booking.cancel_appointment($booked)" ],
	[ 'confirm, row', $row->($held), "SELECT FROM booking.confirm_appointment($held)" ],
	[ 'expire_holds, under way', $gated,
		"SET LOCAL booking.now = '2200-01-01 00:00Z'; SET LOCAL test.pause = 'BEFORE'; SELECT booking.expire_holds()" ],
	[ 'INSERT, time in progress', $uncommitted, $raw ],
	[ 'INSERT, not yet decided', $undecided, $raw ],
	[ 'INSERT, stored and not yet checked', $gated, "SET LOCAL test.pause = 'AFTER'; $raw" ],
);

# ---------------------------------------------------------------------------
# How a call is cut off
# ---------------------------------------------------------------------------

my $session;
my $pid;

sub new_session
{
	$session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query('\set VERBOSITY sqlstate');
	$pid = $session->query('SELECT pg_backend_pid()');
	return;
}

sub start_call
{
	my ($begin, $call) = @_;
	$session->query_until(qr/going/, "\\echo going\n$begin\n$call;\n\\echo over :SQLSTATE\n");
	return;
}

sub end_call
{
	my $out = $session->query_until(qr/over \w+/, '');
	return $out =~ /over (\w+)/ ? $1 : '';
}

sub wait_until_it_waits
{
	wait_until("EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)");
	return;
}

# It gets the barber's lock and is cancelled at the same time.
sub cancel_and_let_go
{
	my ($end) = @_;
	wait_until_it_waits();
	kill 'STOP', $pid;
	sql("SELECT pg_cancel_backend($pid)");
	$end->();
	wait_until("NOT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)");
	kill 'CONT', $pid;
	return;
}

# Locks of ours that a session has, and what is stored of the call.
sub is_left
{
	my ($who) = @_;
	return sql(qq{
SELECT 'lock of ' || pid || ': ' || locktype || ' ' || mode FROM pg_locks
WHERE pid = $who AND (locktype IN ('tuple', 'advisory', 'spectoken') OR NOT granted)
UNION ALL
SELECT 'stored ' || id FROM booking.appointments WHERE idempotency_key LIKE 'cut off%' OR series_id IS NOT NULL
UNION ALL
SELECT 'changed ' || id FROM booking.appointments WHERE id IN ($booked, $held) AND version > 1});
}

# Every 30 minutes from the fourth day on, one after the other.
my $free_slot = 0;

sub book_free
{
	return sprintf("SELECT 'booked ' || id FROM booking.book_slot(%s, 3, %s + interval '%d days %d minutes')",
		$barber, quiet_start('00:00'), 2 + $free_slot / 48, 30 * ($free_slot++ % 48));
}

sub can_book
{
	my ($who, $whose) = @_;
	my $out = $who->query(book_free());
	$who->{stderr} = '';
	return $out =~ /^booked \d+$/ ? '' : "$whose cannot book";
}

# What is wrong after a call was cut off in a subtransaction, and the
# transaction went on.
sub cut_in_savepoint
{
	my ($call, $end, $limit, $cut_off, $state) = @_;
	start_call("BEGIN; SAVEPOINT s; $limit", $call);
	$cut_off->($end);
	my $got = end_call();
	$session->query('ROLLBACK TO s');
	my @wrong = is_left($pid);
	push @wrong, "SQLSTATE $got" if $got ne $state;
	$end->();
	push @wrong, can_book($watch, 'another session'), can_book($session, 'the session');
	$session->query('COMMIT');
	return join("\n", grep { $_ } @wrong, is_left($pid));
}

# What is wrong after its session was ended.
sub terminated
{
	my ($call, $end) = @_;
	start_call('BEGIN;', $call);
	wait_until_it_waits();
	my $gone = $pid;
	sql("SELECT pg_terminate_backend($pid, 30000)");
	eval { $session->quit };
	my @wrong = is_left($gone);
	$end->();
	new_session();
	push @wrong, can_book($watch, 'another session'), can_book($session, 'a new session');
	return join("\n", grep { $_ } @wrong, is_left($gone));
}

my %cuts = (
	'statement_timeout' => [ "SET LOCAL statement_timeout = '60 ms';", sub { }, '57014' ],
	'lock_timeout' => [ "SET LOCAL lock_timeout = '60 ms';", sub { }, '55P03' ],
	'pg_cancel_backend()' => [ '', sub { wait_until_it_waits(); sql("SELECT pg_cancel_backend($pid)") }, '57014' ]);
my %when_granted = ('pg_cancel_backend() as it gets the lock' => [ '', \&cancel_and_let_go, '57014' ]);

new_session();
foreach my $case (@cases)
{
	my ($name, $obstacle, $call) = @$case;
	my ($begin, $end) = @$obstacle;
	my %all = (%cuts, $obstacle == $locked ? %when_granted : ());

	foreach my $cut (sort keys %all)
	{
		my $lifted = 0;
		$begin->();
		is(cut_in_savepoint($call, sub { $end->() if !$lifted++ }, @{ $all{$cut} }), '', "$name: $cut");
	}
	$begin->();
	is(terminated($call, $end), '', "$name: pg_terminate_backend()");
}
$_->quit foreach $session, $other, $gate;
sql('DROP TRIGGER zzz_pause ON booking.appointments; DROP TRIGGER "000_pause" ON booking.appointments; DROP INDEX booking.pausing');
sql("UPDATE booking.barbers SET max_per_day = NULL WHERE id = (ARRAY[$barber])[1]");

# ---------------------------------------------------------------------------
# At random
# ---------------------------------------------------------------------------

start_load($node, most_ms => 20);
# Whoever is to be ended may be gone already, of which the server warns.
$watch->query_safe('SET client_min_messages = error');
my $ended = 0;
my $stop = time + 7;
while (time < $stop)
{
	$ended += sql(sprintf q{SELECT count(pg_terminate_backend(pid)) FROM (
		SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%s' ORDER BY random() LIMIT 1) s}, load_pattern());
	sleep 0.2;
}
$watch->quit;
is(finish_load(), 0, 'no client waited for ever');
cmp_ok($ended, '>', 0, 'sessions were ended');
my @requests = transcript();
sound($node, \@requests, 'after interruptions');
cmp_ok(scalar(grep { $_->{state} eq 'refused' && $_->{sqlstate} eq '57014' } @requests), '>', 0, 'calls ran out of time');
complaints_are($node, '57014', '57P01');

$node->stop;
done_testing();
