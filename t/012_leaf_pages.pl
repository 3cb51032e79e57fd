# Availability is read from the pages of an index, by code of our own.  While
# those pages are split, emptied, deleted and used again, and their entries
# killed, each statement must see just the appointments that its snapshot sees:
# what free_time() says, with booking.leaf_scan on and off, is compared with the
# same from the table, by the server's own scans, on the primary, in a SERIALIZABLE
# transaction, and on a standby.  Writers look through the same pages, in either way,
# and once all is quiet, both refuse what the table has.  If this fails, a taken
# time is offered, or a free one is not, or two get one time.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{BOOKING_SECONDS} || 12;

my $node = PostgreSQL::Test::Cluster->new('pages');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', qq{
fsync = off
max_connections = 30
autovacuum = off
max_standby_streaming_delay = -1
booking.now = '2029-12-01 00:00Z'
});
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name, time_zone, max_advance_days) VALUES ('crowded', 'UTC', 120);
INSERT INTO booking.barbers (shop_id, name) SELECT 1, 'barber' FROM generate_series(1, 12);
INSERT INTO booking.services (shop_id, name, duration_minutes) VALUES (1, 'shave', 15);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT id, 1 FROM booking.barbers;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT id, d, '00:00', '24:00' FROM booking.barbers, generate_series(1, 7) d;

CREATE FUNCTION busy(barber bigint, span tstzrange) RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	SELECT coalesce(range_agg(tstzrange(busy_from, busy_until)), '{}') FROM booking.appointments
	WHERE barber_id + 0 = barber AND status = 'confirmed' AND tstzrange(busy_from, busy_until) && span
$$;

-- Free time, by pages read directly and by the server's index scan.
CREATE FUNCTION free(barber bigint, day date, last date) RETURNS tstzmultirange LANGUAGE sql STABLE AS $$
	SELECT coalesce(range_agg(tstzrange(starts_at, ends_at)), '{}') FROM booking.free_time(barber, day, last)
$$;
CREATE FUNCTION free_by_scan(barber bigint, day date, last date) RETURNS tstzmultirange LANGUAGE sql STABLE
SET booking.leaf_scan = off AS $$
	SELECT coalesce(range_agg(tstzrange(starts_at, ends_at)), '{}') FROM booking.free_time(barber, day, last)
$$;

-- Asks again and again; the first difference is an error.
CREATE PROCEDURE ask(seconds int, OUT questions int) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + make_interval(secs => seconds);
	barber bigint;
	day date;
	days int;
	span tstzrange;
	says tstzmultirange;
	scan_says tstzmultirange;
	is_so tstzmultirange;
BEGIN
	questions := 0;
	WHILE clock_timestamp() < until LOOP
		barber := 1 + random() * 11;
		days := (ARRAY[0, 0, 3, 20])[1 + floor(random() * 4)::int];
		day := date '2030-01-01' + floor(random() * 40)::int;
		span := tstzrange(day::timestamp AT TIME ZONE 'UTC', (day + days + 1)::timestamp AT TIME ZONE 'UTC');
		SELECT free(barber, day, day + days), free_by_scan(barber, day, day + days),
			tstzmultirange(span) - busy(barber, span)
		INTO says, scan_says, is_so;
		IF says <> is_so OR scan_says <> is_so THEN
			RAISE 'barber %, %: free are %, not % or %', barber, span, is_so, says, scan_says;
		END IF;
		questions := questions + 1;
	END LOOP;
END
$$;

-- Where try_book_slot refuses, or does not, against the table.
CREATE FUNCTION refusals(leaf_scan text, OUT asked bigint, OUT refused bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('booking.leaf_scan', leaf_scan, false);
	SELECT count(*), count(r.reason), count(*) FILTER (WHERE r.reason IS DISTINCT FROM CASE WHEN is_busy THEN 'slot_taken' END)
	INTO asked, refused, wrong
	FROM (SELECT b AS barber, t, tstzrange(t, t + interval '15 minutes') && taken AS is_busy
		FROM (SELECT b, busy(b, tstzrange('2030-01-01 00:00Z', '2030-03-01 00:00Z')) AS taken FROM generate_series(1, 12, 3) b OFFSET 0) x,
			generate_series(timestamptz '2030-01-01 00:00Z', timestamptz '2030-02-28 23:00Z', interval '3 hours') t
		OFFSET 0) y,
	LATERAL booking.try_book_slot(barber, 1, NULL, t) r;
	RAISE SQLSTATE 'RB000';
EXCEPTION WHEN SQLSTATE 'RB000' THEN
END
$$;
});

my $backup = $node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

# ---------------------------------------------------------------------------
# An entry's mark of death reaches a standby with the page, while a snapshot
# there still sees the row.  All rows fit into half a page, so that nothing is
# pruned, for which a standby would wait.
# ---------------------------------------------------------------------------

sub say_to
{
	my ($session, $sql) = @_;
	$session->{out} = '';
	$session->{in} .= "$sql\n\\echo done\n";
	$session->{run}->pump until $session->{out} =~ s/done\n//;
	return $session->{out} =~ s/\s+$//r;
}

my $insert = q{
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
SELECT 1, 1, t, t + interval '15 minutes' FROM generate_series(timestamptz '2030-02-03 08:00Z', '2030-02-03 12:45Z', '15 min') t;
};
my $kill = q{
SET enable_seqscan = off; SET enable_bitmapscan = off;
SELECT count(*) FROM booking.appointments WHERE barber_id = 1 AND busy_from < '2030-02-04Z' AND busy_from >= '2030-02-03Z'
AND status IN ('pending', 'confirmed', 'checked_in');
};
my $question = q{SELECT count(*), min(starts_at)::time, max(ends_at)::time FROM booking.free_time(1, '2030-02-03');};

$node->safe_psql('postgres', $insert);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my %session = (in => '', out => '');
my $timer = IPC::Run::timer(60);
$session{run} = IPC::Run::start(
	[ 'psql', '-X', '-q', '-A', '-t', '-d', $standby->connstr('postgres') ],
	'<', \$session{in}, '>', \$session{out}, $timer);
my $as_before = say_to(\%session, "SET timezone = 'UTC'; BEGIN ISOLATION LEVEL REPEATABLE READ; $question");
is($as_before, '2|00:00:00|00:00:00', 'standby: busy from 8 to 13');

$node->safe_psql('postgres', "DELETE FROM booking.appointments WHERE busy_from >= '2030-02-03Z'");
$node->safe_psql('postgres', $kill) for 1 .. 2;
$node->safe_psql('postgres', 'CHECKPOINT');
$node->safe_psql('postgres', $insert =~ s/2030-02-03 08:00Z/2030-02-03 12:45Z/r);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(say_to(\%session, $question), $as_before, 'standby: the snapshot still sees those that are gone');
is($standby->safe_psql('postgres', "SET timezone = 'UTC'; $question"), $as_before,
	'standby: a new one sees the one that came');
is($standby->safe_psql('postgres', "SET timezone = 'UTC'; SELECT min(ends_at)::time FROM booking.free_time(1, '2030-02-03')"),
	'12:45:00', 'standby: at its time');
$session{in} .= "\\q\n";
$session{run}->finish;

# ---------------------------------------------------------------------------
# Writers: appointments come one by one and by the hundred, are cancelled, go,
# and whole stretches of the index become empty.
# ---------------------------------------------------------------------------

my $tempdir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$tempdir/write.sql", q{
\set barber random(1, 12)
\set day random(0, 60)
\set quarter random(0, 95)
\set dice random(1, 100)
\if :dice <= 60
SELECT booking.try_book_slot(:barber, 1, NULL,
	timestamptz '2030-01-01 00:00Z' + :day * interval '1 day' + :quarter * interval '15 minutes');
\elif :dice <= 85
UPDATE booking.appointments SET status = 'cancelled', cancelled_at = now() WHERE id = (
	SELECT id FROM booking.appointments WHERE barber_id = :barber AND status = 'confirmed'
	AND busy_from >= timestamptz '2030-01-01 00:00Z' + :day * interval '1 day' ORDER BY busy_from LIMIT 1);
\elif :dice <= 96
SELECT booking.try_book_slot(:barber, 1, NULL,
	timestamptz '2030-01-01 00:00Z' + :day * interval '1 day' + q * interval '15 minutes')
FROM generate_series(0, 95) q;
\else
DELETE FROM booking.appointments WHERE barber_id = :barber
AND busy_from BETWEEN timestamptz '2030-01-01 00:00Z' + :day * interval '1 day' - interval '15 days'
	AND timestamptz '2030-01-01 00:00Z' + :day * interval '1 day';
\endif
});
append_to_file("$tempdir/vacuum.sql", "VACUUM (INDEX_CLEANUP on) booking.appointments;\n\\sleep 200 ms\n");

# Cancels may deadlock, or lose their row; that is the writers' business.
my @writers = map {
	my ($script, $clients, $leaf_scan) = @$_;
	IPC::Run::start([
			'pgbench', '-n', '-c', $clients, '-T', $seconds + 1, '--max-tries=1000', '-f', "$tempdir/$script",
			$node->connstr('postgres') . " options='-c booking.leaf_scan=$leaf_scan'" ],
		'>', '/dev/null', '2>', "$tempdir/$script.$leaf_scan.log")
} [ 'write.sql', 2, 'on' ], [ 'write.sql', 1, 'off' ], [ 'vacuum.sql', 1, 'on' ];

# ---------------------------------------------------------------------------
# Questions
# ---------------------------------------------------------------------------

my %askers;
sub start_asking
{
	my ($name, $asked, $options) = @_;
	$askers{$name} = { out => '', err => '' };
	$askers{$name}{run} = IPC::Run::start([
			'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $asked->connstr('postgres'),
			'-c', $options, '-c', 'CALL ask(' . ($asked == $standby ? $seconds - 2 : $seconds) . ', NULL)' ],
		'>', \$askers{$name}{out}, '2>', \$askers{$name}{err});
}
start_asking('primary', $node, 'SET jit = off');
start_asking('serializable', $node, 'SET default_transaction_isolation = serializable');
start_asking('standby', $standby, 'SET jit = off');

for my $name (sort keys %askers)
{
	my $asker = $askers{$name};
	$asker->{run}->finish;
	is($asker->{err}, '', "$name: free time is what the table says");
	cmp_ok($asker->{out} || 0, '>', 20, "$name: asked $asker->{out} times");
}
$_->finish for @writers;

# Without pages that came and went, this would have shown little.
$node->safe_psql('postgres', 'CREATE EXTENSION pgstattuple');
my $pages = $node->safe_psql('postgres',
	q{SELECT leaf_pages, deleted_pages FROM pgstatindex('booking.idx_appointments_availability_check')});
my ($leaves, $deleted) = split /\|/, $pages;
note "leaf pages: $leaves, deleted: $deleted";
cmp_ok($leaves + $deleted, '>', 20, 'the index has grown');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM booking.appointments WHERE status = 'cancelled'}),
	'>', 50, 'appointments were cancelled');

# ---------------------------------------------------------------------------
# What the writers looked at
# ---------------------------------------------------------------------------

is($node->safe_psql('postgres', 'SELECT * FROM booking.verify()'), '', 'no two got one time');
for my $leaf_scan ('on', 'off')
{
	my ($asked, $refused, $wrong) = split /\|/,
	  $node->safe_psql('postgres', "SELECT * FROM refusals('$leaf_scan')");
	is($wrong, 0, "leaf_scan = $leaf_scan: what is taken is refused, what is free is not");
	cmp_ok($refused, '>', 20, "leaf_scan = $leaf_scan: $refused of $asked are refused");
	cmp_ok($refused, '<', $asked, "leaf_scan = $leaf_scan: not all are");
}

# ---------------------------------------------------------------------------
# A page that a broken disk has emptied is an error, and no crash.
# ---------------------------------------------------------------------------

my $file = $node->safe_psql('postgres', q{SELECT pg_relation_filepath('booking.idx_appointments_availability_check')});
$node->stop;
open(my $handle, '+<:raw', $node->data_dir . "/$file") or die "$file: $!";
seek($handle, 8192, 0);		# all but the page that names the root
print $handle "\0" x ((-s $handle) - 8192);
close($handle);
$node->start;
for my $leaf_scan ('on', 'off')
{
	my ($status, $out, $err) = $node->psql('postgres',
		"SET booking.leaf_scan = $leaf_scan; SELECT * FROM booking.free_time(1, '2030-01-01')");
	like($err, qr/ERROR: +index "idx_appointments_availability_check" contains unexpected zero page at block/,
		"leaf_scan = $leaf_scan: a page of zeroes is an error");
}
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is up');

done_testing();
