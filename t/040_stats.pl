# The statistics count right: every call once, whatever it ended with, from any
# number of clients, nested, rolled back, on a standby; with the library
# preloaded, and without it, where the server's version allows that or says why
# not.  A dump brings their privileges back.  If this fails, whoever watches the
# shop's database is told something that did not happen.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $setup = q{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name) VALUES ('counted');
INSERT INTO booking.barbers (shop_id, name) SELECT 1, 'barber' FROM generate_series(1, 3);
INSERT INTO booking.services (shop_id, name, duration_minutes) VALUES (1, 'cut', 60);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT id, 1 FROM booking.barbers;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d;
INSERT INTO booking.users (email) VALUES ('somebody@example.org');
CREATE FUNCTION at(hour int) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
	RETURN ((now() AT TIME ZONE 'UTC')::date + 3 + make_interval(hours => hour)) AT TIME ZONE 'UTC';
};

sub start_node
{
	my ($name, $settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 1);
	$node->append_conf('postgresql.conf',
		"max_connections = 100\nmax_prepared_transactions = 10\njit = off\nrestart_after_crash = on\n$settings");
	$node->start;
	return $node;
}

# Runs statements one by one; errors are part of the test.
sub run
{
	my ($node, $script) = @_;
	$node->psql('postgres', $script, on_error_stop => 0);
	return;
}

sub outcomes
{
	my ($node) = @_;
	return $node->safe_psql('postgres',
		q{SELECT string_agg(operation || ' ' || outcome || ' ' || calls, ', ' ORDER BY operation, outcome) FROM booking.stats_outcomes});
}

sub reset_stats
{
	my ($node) = @_;
	$node->safe_psql('postgres', 'SELECT booking.stats_reset()');
	return;
}

# What holds of the views whatever was counted.
sub check_consistency
{
	my ($node, $what) = @_;
	is( $node->safe_psql(
			'postgres', q{
SELECT s.operation FROM booking.stats s
LEFT JOIN (SELECT operation, sum(calls) AS calls FROM booking.stats_outcomes GROUP BY 1) o ON o.operation = s.operation
WHERE s.calls <> coalesce(o.calls, 0)
OR (s.calls > 0 AND NOT coalesce(0 < p50_ms AND p50_ms <= p95_ms AND p95_ms <= p99_ms AND p99_ms <= max_ms
	AND max_ms <= total_ms AND total_ms <= max_ms * s.calls, false))
OR (s.calls = 0 AND (rows <> 0 OR total_ms <> 0 OR num_nonnulls(p50_ms, p95_ms, p99_ms, max_ms) > 0))}),
		'', "$what: calls are the sum of outcomes, times are in order");
	return;
}

# ---------------------------------------------------------------------------
# One session
# ---------------------------------------------------------------------------

sub check_counting
{
	my ($node) = @_;
	my $name = $node->name;

	is($node->safe_psql('postgres', q{SELECT available, stats_reset <= now() FROM booking.stats_info()}),
		't|t', "$name: statistics are available");
	my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
	reset_stats($node);
	is($node->safe_psql('postgres', "SELECT stats_reset > '$before' FROM booking.stats_info()"), 't', "$name: a reset is known");
	is(outcomes($node), '', "$name: a reset leaves nothing");

	run($node, q{
SELECT * FROM booking.available_slots(1, at(0)::date, barber_id => 1);
SELECT * FROM booking.available_slots(1, at(0)::date, barber_id => 1) LIMIT 1;
SELECT * FROM booking.available_slots(99, at(0)::date);
SELECT * FROM booking.available_slots(1, NULL);
SELECT * FROM booking.next_slots(1, at(0), 5);
SELECT * FROM booking.availability_by_day(1, at(0)::date, at(0)::date + 9);
SELECT * FROM booking.available_visits(ARRAY[1], at(0)::date, at(0)::date, 1);
SELECT * FROM booking.free_time(1, at(0)::date);
SELECT * FROM booking.get_barber_availability(1, at(0)::date);
SELECT * FROM booking.active_services(1);
SELECT * FROM booking.active_barbers(1);
SELECT * FROM booking.check_slot(1, 1, at(1));
SELECT * FROM booking.check_slot(1, 1, at(1) + interval '1 minute');
SELECT * FROM booking.check_slot(1, 77, at(1));
SELECT * FROM booking.book_slot(1, 1, 1, at(1));
SELECT * FROM booking.book_slot(1, 1, 1, at(1));
SELECT * FROM booking.book_slot(1, 1, 1, now() - interval '1 day');
SELECT * FROM booking.try_book_slot(1, 1, 1, at(1));
SELECT * FROM booking.try_book_slot(1, 1, 99, at(1));
SELECT * FROM booking.try_book_slot(1, 1, NULL, at(1) + interval '1000 days');
SELECT * FROM booking.hold_slot(1, 1, 1, at(3));
SELECT * FROM booking.book_visit(1, ARRAY[ROW(1, 1, at(4), NULL), ROW(2, 1, at(4), 'guest')]::booking.visit_item[]);
SELECT * FROM booking.book_series(1, 1, 1, at(4), '7 days', 2, 'skip');
SELECT * FROM booking.confirm_appointment((SELECT id FROM booking.appointments WHERE starts_at = at(3)));
SELECT * FROM booking.confirm_appointment((SELECT id FROM booking.appointments WHERE starts_at = at(3)));
SELECT * FROM booking.decline_appointment(12345);
SELECT * FROM booking.reschedule_appointment((SELECT id FROM booking.appointments WHERE starts_at = at(3)), at(5));
SELECT * FROM booking.reschedule_appointment((SELECT id FROM booking.appointments WHERE starts_at = at(5)), at(1));
SELECT * FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE starts_at = at(5)), version => 1);
SELECT * FROM booking.cancel_appointment((SELECT id FROM booking.appointments WHERE starts_at = at(5)));
SELECT * FROM booking.check_in((SELECT id FROM booking.appointments WHERE starts_at = at(1)));
SELECT * FROM booking.mark_no_show((SELECT id FROM booking.appointments WHERE starts_at = at(1)));
SELECT * FROM booking.complete_appointment((SELECT id FROM booking.appointments WHERE starts_at = at(1)));
SELECT booking.expire_holds();
SELECT booking.join_waitlist(1, 1, at(1), at(9));
SELECT booking.leave_waitlist(1);
SELECT booking.ensure_user('SOMEBODY@example.org');
SELECT * FROM booking.user_appointments(1);
SELECT * FROM booking.appointments_at_risk(1);
SELECT * FROM booking.business_metrics(1, at(0)::date, at(0)::date + 6);
});
	is(outcomes($node), join(', ',
			'active_barbers ok 1', 'active_services ok 1', 'appointments_at_risk ok 1', 'availability_by_day ok 1',
			'available_slots error 1', 'available_slots not_found 1', 'available_slots ok 2', 'available_visits ok 1',
			'book_series ok 1', 'book_slot notice_too_short 1', 'book_slot ok 1', 'book_slot slot_taken 1', 'book_visit ok 1',
			'business_metrics ok 1', 'cancel_appointment ok 1', 'cancel_appointment version_conflict 1', 'check_in ok 1',
			'check_slot not_found 1', 'check_slot off_grid 1', 'check_slot ok 1', 'complete_appointment ok 1',
			'confirm_appointment ok 2', 'decline_appointment not_found 1',
			'ensure_user ok 1', 'expire_holds ok 1', 'free_time ok 1', 'get_barber_availability ok 1', 'hold_slot ok 1',
			'join_waitlist ok 1', 'leave_waitlist ok 1', 'mark_no_show invalid_transition 1', 'next_slots ok 1',
			'reschedule_appointment ok 1', 'reschedule_appointment slot_taken 1', 'try_book_slot not_found 1',
			'try_book_slot slot_taken 1', 'try_book_slot too_far_ahead 1', 'user_appointments ok 1'),
		"$name: each call is counted once, with its reason");
	is( $node->safe_psql('postgres',
			q{SELECT string_agg(operation || ' ' || rows, ', ' ORDER BY operation) FROM booking.stats
			WHERE operation IN ('available_slots', 'next_slots', 'availability_by_day', 'check_slot', 'book_slot', 'try_book_slot',
				'book_visit', 'book_series', 'expire_holds', 'business_metrics', 'decline_appointment')}),
		'availability_by_day 10, available_slots 192, book_series 2, book_slot 1, book_visit 2, business_metrics 7, '
		  . 'check_slot 3, decline_appointment 0, expire_holds 1, next_slots 5, try_book_slot 3',
		"$name: rows are counted");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM booking.stats WHERE calls = 0 AND operation !~ '^guard'}),
		'0', "$name: no function was left out");
	check_consistency($node, $name);

	# Calls within calls, within exception blocks, and rolled back.
	reset_stats($node);
	run($node, q{
CREATE FUNCTION companion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM booking.try_book_slot(NEW.barber_id, 1, 1, NEW.starts_at + interval '1 minute');
	PERFORM booking.book_slot(3, 1, 1, NEW.starts_at) WHERE NEW.barber_id <> 3;
	BEGIN
		PERFORM booking.cancel_appointment(4711);
	EXCEPTION WHEN no_data_found THEN NULL;
	END;
	RETURN NULL;
END $$;
CREATE TRIGGER companion AFTER INSERT ON booking.appointments FOR EACH ROW EXECUTE FUNCTION companion();
SELECT * FROM booking.try_book_slot(1, 1, 1, at(30));
BEGIN;
SELECT * FROM booking.book_slot(2, 1, 1, at(31));
ROLLBACK;
SELECT * FROM booking.book_slot(3, 1, 1, at(30));
DROP TRIGGER companion ON booking.appointments;
DO $$
BEGIN
	FOR i IN 1 .. 10 LOOP
		BEGIN
			PERFORM booking.book_slot(1, 1, 1, at(30));
		EXCEPTION WHEN exclusion_violation THEN NULL;
		END;
		BEGIN
			PERFORM booking.hold_slot(1, 1, 1, at(32));
			RAISE EXCEPTION 'never mind';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
});
	is(outcomes($node), join(', ',
			'book_slot ok 3', 'book_slot slot_taken 11', 'cancel_appointment not_found 4', 'hold_slot ok 10',
			'try_book_slot off_grid 4', 'try_book_slot ok 1'),
		"$name: a call within a call is counted once, and does not change the outer one's outcome");
	is($node->safe_psql('postgres', q{SELECT rows FROM booking.stats WHERE operation IN ('book_slot', 'try_book_slot') ORDER BY operation}),
		"3\n5", "$name: nor its rows");

	# In a parallel worker, whose first call it is
	my $call = 'SELECT * FROM booking.check_slot(1, 1, at(4))';
	my $parallel = q{SELECT FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') AND set_config(name, 'on', false) = 'on';};
	like($node->safe_psql('postgres', "$parallel EXPLAIN $call"), qr/Gather/, "$name: a parallel query");
	reset_stats($node);
	run($node, "$parallel $call");
	is(outcomes($node), 'check_slot slot_taken 1', "$name: what a parallel worker calls is counted");

	# The setting
	reset_stats($node);
	run($node, q{
SET booking.track = off;
SELECT * FROM booking.check_slot(1, 1, at(4));
SET booking.track = on;
SELECT * FROM booking.check_slot(1, 1, at(4));
});
	is(outcomes($node), 'check_slot slot_taken 1', "$name: nothing is counted with booking.track off");

	# The configuration's cache, in one backend
	my $counts = q{SELECT hits || ' ' || misses || ' ' || invalidations || ' ' || evictions FROM booking.stats_cache;};
	reset_stats($node);
	is( $node->safe_psql(
			'postgres', qq{
SELECT count(*) > 0 FROM booking.free_time(1, at(0)::date);
$counts
SELECT count(*) > 0 FROM booking.free_time(1, at(0)::date);
$counts
UPDATE booking.shops SET name = name;
SELECT count(*) > 0 FROM booking.free_time(1, at(0)::date);
$counts
SELECT booking.stats_reset();
$counts}),
		"t\n0 2 0 0\nt\n1 2 0 0\nt\n1 4 1 0\n\n0 0 0 0", "$name: hits, misses and invalidations of the cache");
	return;
}

# ---------------------------------------------------------------------------
# Many sessions
# ---------------------------------------------------------------------------

# More clients than there are sets of counters, so that some share one.
sub check_clients
{
	my ($node) = @_;
	my ($clients, $transactions) = (40, 100);
	my $calls = $clients * $transactions;

	reset_stats($node);
	$node->pgbench(
		"--no-vacuum --client=$clients --jobs=2 --transactions=$transactions --protocol=prepared",
		0, [qr/processed: $calls\/$calls/], [qr/^$/],
		$node->name . ": $clients clients",
		{
			$node->name . '_counted' => q{
SELECT * FROM booking.check_slot(1, 1, at(1) + interval '1 minute');
SELECT * FROM booking.check_slot(1, 99, at(1));
SELECT * FROM booking.next_slots(1, at(100), 3);
SELECT * FROM booking.try_book_slot(1, 1, 99, at(1));
DO $$ BEGIN PERFORM booking.book_slot(1, 1, 1, now() - interval '1 day'); EXCEPTION WHEN OTHERS THEN NULL; END $$;
}
		});
	is(outcomes($node), join(', ',
			"book_slot notice_too_short $calls", "check_slot not_found $calls", "check_slot off_grid $calls", "next_slots ok $calls",
			"try_book_slot not_found $calls"),
		$node->name . ': exactly as many calls as the clients made');
	is($node->safe_psql('postgres', q{SELECT rows FROM booking.stats WHERE operation = 'next_slots'}),
		3 * $calls, $node->name . ': exactly as many rows');
	is($node->safe_psql('postgres', 'SELECT hits > misses AND invalidations = 0 FROM booking.stats_cache'),
		't', $node->name . ': the cache was hit');
	check_consistency($node, $node->name . ' after many clients');
	return;
}

# Waits: for a prepared transaction, in vain and with success; for the lock.
sub check_waits
{
	my ($node) = @_;
	my $name = $node->name;

	reset_stats($node);
	run($node, q{
BEGIN;
SELECT * FROM booking.book_slot(2, 1, NULL, at(40));
PREPARE TRANSACTION 'first';
SET lock_timeout = '10ms';
SELECT * FROM booking.book_slot(2, 1, NULL, at(40));
});
	is(outcomes($node), 'book_slot error 1, book_slot ok 1, guard_wait error 1', "$name: a wait that timed out");

	my ($out, $err) = ('', '');
	my $waiter = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT reason FROM booking.try_book_slot(2, 1, NULL, at(40))' ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(180));
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted});
	$node->safe_psql('postgres', q{COMMIT PREPARED 'first'});
	$waiter->finish;
	is($out, "slot_taken\n", "$name: who waited was told no");
	is(outcomes($node),
		'book_slot error 1, book_slot ok 1, guard_wait error 1, guard_wait ok 1, try_book_slot slot_taken 1',
		"$name: a wait for a transaction");

	# The barber's lock is only held while a row that counts is stored; an index
	# expression that waits makes that long.
	reset_stats($node);
	$node->safe_psql(
		'postgres', q{
UPDATE booking.barbers SET max_per_day = 1000 WHERE id = 2;
CREATE FUNCTION dawdle(id bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(1);
	RETURN id;
END $$;
CREATE INDEX dawdling ON booking.appointments (dawdle(id))});
	my $gate = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \my $in, '>', \my $gate_out, '2>&1',
		IPC::Run::timeout(180));
	$in = "SELECT pg_advisory_lock(1);\n\\echo closed\n";
	$gate->pump until ($gate_out // '') =~ /closed/;
	my @bookers;
	foreach my $hour (50, 52)
	{
		push @bookers, IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SELECT starts_at = at($hour) FROM booking.book_slot(2, 1, NULL, at($hour))" ],
			'<', \undef, '>', \my $answer, '2>&1', IPC::Run::timeout(180));
		my $waiting = scalar @bookers;
		$node->poll_query_until('postgres', "SELECT count(*) = $waiting FROM pg_locks WHERE NOT granted");
	}
	$in = "SELECT pg_advisory_unlock(1);\n\\q\n";
	$gate->finish;
	$_->finish foreach @bookers;
	$node->safe_psql('postgres', 'DROP INDEX booking.dawdling; UPDATE booking.barbers SET max_per_day = NULL WHERE id = 2');
	is(outcomes($node), 'book_slot ok 2, guard_lock_wait ok 1', "$name: a wait for the barber's lock");
	return;
}

# A backend that is killed takes the server's memory with it.
sub check_crash
{
	my ($node) = @_;
	my $sleeper = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT pg_sleep(600)' ],
		'<', \undef, '>', \my $out, '2>&1', IPC::Run::timeout(180));
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'});
	my $started = $node->safe_psql('postgres', 'SELECT stats_reset FROM booking.stats_info()');
	kill 'KILL', $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'});
	$sleeper->finish;
	$node->poll_query_until('postgres', "SELECT stats_reset > '$started' FROM booking.stats_info()");
	is(outcomes($node), '', $node->name . ': after a crash counting begins anew');
	run($node, 'SELECT * FROM booking.check_slot(1, 1, at(4))');
	is(outcomes($node), 'check_slot slot_taken 1', $node->name . ': and goes on');
	return;
}

# Nothing is written to count.
sub check_standby
{
	my ($primary, $settings) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($primary->name . '_standby');

	$primary->backup('base');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->start;
	$primary->wait_for_catchup($standby);
	reset_stats($primary);
	run($standby, q{
SELECT * FROM booking.check_slot(1, 1, at(4));
SELECT * FROM booking.book_slot(1, 1, 1, at(60));
SELECT * FROM booking.next_slots(1);
});
	is(outcomes($standby), 'book_slot error 1, check_slot slot_taken 1, next_slots ok 1', $standby->name . ': a standby counts its calls');
	is(outcomes($primary), '', $standby->name . ': which are not the primary\'s');
	$standby->stop;
	return;
}

# pg_monitor may read after a dump and a restore; nothing of this is in the dump.
sub check_dump
{
	my ($node) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/dump.sql';

	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'pg_dump', '-f', $file, $node->connstr('postgres') ], 'pg_dump');
	unlike(slurp_file($file), qr/pg_monitor|VIEW booking/, 'the dump leaves the views and their privileges to the extension');
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr('restored') ], 'restore');
	is($node->safe_psql('restored', q{SET ROLE pg_monitor; SELECT count(*) > 0 FROM booking.stats; SELECT count(*) FROM booking.stats_cache;
		SELECT count(*) >= 0 FROM booking.stats_outcomes; SELECT available FROM booking.stats_info()}),
		"t\n1\nt\nt", 'pg_monitor may read the views of a restored database');
	return;
}

sub check_refusals
{
	my ($node, $why) = @_;
	foreach my $statement ('SELECT FROM booking.stats', 'SELECT FROM booking.stats_outcomes', 'SELECT FROM booking.stats_cache',
		'SELECT booking.stats_reset()')
	{
		my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");
		like($err, qr/ERROR:  55000: statistics are not available\nDETAIL:  $why.*\.\nHINT:  Add booking to shared_preload_libraries/,
			$node->name . ": $statement says what is missing");
	}
	return;
}

# Where there is no memory, there is booking all the same.
sub check_starved
{
	my $node = start_node('starved', "dynamic_shared_memory_type = mmap\n");
	my $segments = $node->data_dir . '/pg_dynshmem';

	chmod 0500, $segments;
	$node->safe_psql('postgres', $setup);
	is( $node->safe_psql(
			'postgres', q{
BEGIN;
SELECT status FROM booking.book_slot(1, 1, 1, at(1));
SELECT reason FROM booking.try_book_slot(1, 1, 1, at(1));
COMMIT;
SELECT available, detail ~ '^Shared memory could not be had: .*Permission denied' FROM booking.stats_info();}),
		"confirmed\nslot_taken\nf|t", 'without memory, booking works');
	check_refusals($node, 'Shared memory could not be had: ');
	chmod 0700, $segments;
	run($node, 'SELECT * FROM booking.check_slot(1, 1, at(1))');
	is(outcomes($node), 'check_slot slot_taken 1', 'when there is memory again, new sessions count');
	$node->stop;
	return;
}

my $preloaded = start_node('preloaded', "shared_preload_libraries = 'booking'\n");
$preloaded->safe_psql('postgres', $setup);
is($preloaded->safe_psql('postgres', 'SELECT preloaded FROM booking.stats_info()'), 't', 'it is preloaded');
check_counting($preloaded);
check_clients($preloaded);
check_waits($preloaded);
check_crash($preloaded);
check_standby($preloaded);
check_dump($preloaded);
$preloaded->stop;

my $bare = start_node('bare', '');
$bare->safe_psql('postgres', $setup);
is($bare->safe_psql('postgres', 'SELECT preloaded FROM booking.stats_info()'), 'f', 'it is not preloaded');
if ($bare->safe_psql('postgres', 'SHOW server_version_num') >= 170000)
{
	check_counting($bare);
	check_clients($bare);
	check_crash($bare);
	check_standby($bare);
	check_starved();
}
else
{
	is( $bare->safe_psql('postgres', q{SELECT * FROM booking.stats_info()}),
		'f|f||Before version 17, a server gives shared memory only to libraries that it loads when it starts.',
		'stats_info() says why there are none');
	check_refusals($bare, 'Before version 17');
	is($bare->safe_psql('postgres', q{SELECT status FROM booking.book_slot(1, 1, 1, at(1)); SELECT reason FROM booking.try_book_slot(1, 1, 1, at(1))}),
		"confirmed\nslot_taken", 'booking works');
}
$bare->stop;

done_testing();
