# A backend that answers a million calls keeps no memory of them: reads, writes
# that are rolled back, and errors that are caught, each of which aborts a
# subtransaction.  If this fails, a pooled connection that lives for weeks
# grows until the server is out of memory.
#
# And one call takes little, however much it asks for: a year of one-minute slots
# of many barbers, or arrays of millions of elements.  If this fails, anybody who
# may call a read can take the server's memory.
#
# BOOKING_MEMORY_CALLS=n changes how many calls there are.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $calls = $ENV{BOOKING_MEMORY_CALLS} // 1_000_000;
my $most_growth = 64 * 1024;

my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;
$node->append_conf('postgresql.conf', "jit = off\nfsync = off\n");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (id, name, max_advance_days) VALUES (1, 'Corner', 3650);
INSERT INTO booking.barbers (id, shop_id, name) VALUES (1, 1, 'Ann');
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (1, 1, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (1, 1);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
	SELECT 1, day, '09:00', '12:00' FROM generate_series(1, 7) day;
INSERT INTO booking.users (id, email) VALUES (1, 'one@example.com');

-- Only every 64th time another day, so that the cache is not all that is asked.
CREATE PROCEDURE reads(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n / 4 LOOP
		PERFORM count(*) FROM booking.available_slots(1, date '2026-12-01' + i / 64 % 28);
		PERFORM booking.check_slot(1, 1, '2026-12-01 09:15+00');
		PERFORM FROM booking.next_slots(1, '2026-12-01 00:00+00', 1);
		PERFORM FROM booking.free_time(1, '2026-12-02');
	END LOOP;
END
$$;

-- One booking that is rolled back, one refusal, and one bad argument each.
CREATE PROCEDURE writes(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n / 4 LOOP
		BEGIN
			PERFORM booking.book_slot(1, 1, 1, '2026-12-01 10:00+00', 'key ' || i);
			PERFORM booking.book_slot(1, 1, 1, '2026-12-01 10:15+00');
		EXCEPTION WHEN exclusion_violation THEN
		END;
		BEGIN
			INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
			VALUES (1, 1, '2026-12-01 09:00+00', '2026-12-01 09:30+00'), (1, 1, '2026-12-01 09:15+00', '2026-12-01 09:45+00');
		EXCEPTION WHEN exclusion_violation THEN
		END;
		BEGIN
			PERFORM booking.available_slots(1, 'infinity');
		EXCEPTION WHEN invalid_parameter_value THEN
		END;
	END LOOP;
END
$$;

CREATE FUNCTION footprint(OUT total bigint, OUT ours bigint, OUT resident bigint) LANGUAGE sql AS $$
	SELECT sum(total_bytes), coalesce(sum(total_bytes) FILTER (WHERE name LIKE 'booking%'), 0),
		split_part(pg_read_file('/proc/' || pg_backend_pid() || '/statm'), ' ', 2)::bigint * 4096
	FROM pg_backend_memory_contexts
$$;
});

# Each round in one session; what it reports is asked in statements of their own.
my $writes = $calls / 50;
my $out = $node->safe_psql(
	'postgres', qq{
SET booking.now = '2026-11-30 12:00+00';
CALL reads(4000);
CALL writes(400);
SELECT FROM footprint();
CALL reads(400);
CALL writes(40);
SELECT 'before', * FROM footprint();
CALL reads($calls);
CALL writes($writes);
SELECT 'after', * FROM footprint();
SELECT 'rows', count(*) FROM booking.appointments;
});

my ($total_before, $ours_before, $resident_before) = $out =~ /^before\|(\d+)\|(\d+)\|(\d+)$/m;
my ($total_after, $ours_after, $resident_after) = $out =~ /^after\|(\d+)\|(\d+)\|(\d+)$/m;
note("contexts $total_before -> $total_after, ours $ours_before -> $ours_after, "
	  . "resident $resident_before -> $resident_after after $calls reads and $writes writes");

like($out, qr/^rows\|0$/m, 'every write was taken back');
cmp_ok($ours_before, '>', 0, 'the contexts of booking are among those that are counted');
cmp_ok($ours_after, '<=', $ours_before, 'no context of booking has grown');
cmp_ok($total_after - $total_before, '<=', $most_growth, 'all contexts together have not grown');
# malloc may keep what was freed; the shared buffers that a backend has touched count as resident, too.
cmp_ok($resident_after - $resident_before, '<=', 32 * 1024 * 1024, 'nor has the process');

# ---- one call ----

$node->safe_psql(
	'postgres', q{
INSERT INTO booking.shops (id, name, slot_interval_minutes, max_advance_days) VALUES (2, 'Large', 1, 3650);
INSERT INTO booking.barbers (id, shop_id, name) SELECT 10 + n, 2, 'L' || n FROM generate_series(1, 30) n;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (2, 2, 'Trim', 1);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT 10 + n, 2 FROM generate_series(1, 30) n;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
	SELECT 10 + n, day, '00:00', '24:00' FROM generate_series(1, 7) day, generate_series(1, 30) n;
CREATE TABLE large AS SELECT array_fill(1::bigint, ARRAY[10000000]) AS ids, array_fill('hours'::text, ARRAY[5000000]) AS rules,
	array_fill(ROW(1, 1, '2026-12-01 10:00Z', NULL)::booking.visit_item, ARRAY[1000000]) AS items;
});

# The most that the process had resident, in megabytes, once a call has failed in
# another session of its own.
sub refused
{
	my ($call) = @_;
	my ($ret, $stdout, $stderr) = $node->psql(
		'postgres', qq{
SELECT count(*) FROM booking.available_slots(1, '2026-12-01');
SELECT count(*) FROM booking.available_slots(2, '2026-12-01');
SELECT 'before ' || substring(pg_read_file('/proc/self/status') FROM 'VmHWM:[^0-9]*([0-9]+)');
SELECT count(*) FROM booking.$call;
SELECT 'after ' || substring(pg_read_file('/proc/self/status') FROM 'VmHWM:[^0-9]*([0-9]+)');
}, on_error_stop => 0);
	my ($before) = $stdout =~ /^before (\d+)/m;
	my ($after) = $stdout =~ /^after (\d+)/m;
	note($stderr);
	return ($stderr, ($after - $before) / 1024);
}

for (
	[ q{available_slots(2, '2026-12-01', '2027-11-30')}, 'too many rows' ],
	[ q{availability_by_day(2, '2026-12-01', '2027-11-30')}, 'too many slots' ],
	[ q{available_visits('{2,2}', '2026-12-01', '2027-11-30')}, 'too many slots' ],
	[ q{available_visits((SELECT ids FROM large), '2026-12-01', '2026-12-01')}, 'It has 10000000' ],
	[ q{book_visit(1, (SELECT items FROM large))}, 'It has 1000000' ],
	[ q{book_slot(1, 1, 1, '2026-12-01 10:00Z', NULL, (SELECT rules FROM large))}, 'It has 5000000' ])
{
	my ($call, $error) = @$_;
	my ($said, $grown) = refused($call);

	like($said, qr/$error/, "$call is refused");
	cmp_ok($grown, '<', 40, "and took little memory: $grown MB");
}

done_testing();
