# Every kind of writer at once, on few barbers and one crowded day: afterwards
# no two live appointments of a barber overlap, every booking that a client was
# told of is there, nobody who booked one slot at a time met a deadlock, and no
# lock is left.  If this fails, a customer stands before a taken chair.
#
# A first run without the guard, by writers who look before they write, has to
# produce overlaps: otherwise the rest would prove nothing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

my $barbers = 3;

start_server('stress');

# ---------------------------------------------------------------------------
# The shop: a day of 24 hours, a start every quarter of an hour
# ---------------------------------------------------------------------------

# What each connection acknowledges after its commit: only then does a client
# know that it has an appointment.
my $setup = qq{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name) VALUES ('crowded');
INSERT INTO booking.barbers (shop_id, name) SELECT 1, 'barber' FROM generate_series(1, $barbers);
INSERT INTO booking.services (shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes)
VALUES (1, 'cut', 30, 5, 5), (1, 'shave', 15, 0, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b, booking.services s;
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d;
CREATE SCHEMA stress;
CREATE TABLE stress.acknowledged (id bigint, writer text);
CREATE TABLE stress.cancelled (id bigint);
CREATE TABLE stress.answered (key text, id bigint);
CREATE TABLE stress.kept_locks (writer text);
CREATE TABLE stress.worked (writer text, rows bigint);
};

# A pending appointment that is about to expire is nobody's while we look.
my $overlaps = q{
WITH live AS (
	SELECT * FROM booking.appointments
	WHERE status IN ('confirmed', 'checked_in')
	OR (status = 'pending' AND coalesce(hold_expires_at > clock_timestamp() + interval '2 seconds', true)))
SELECT count(*)
FROM live a JOIN live b ON a.barber_id = b.barber_id AND a.id < b.id
WHERE tstzrange(a.busy_from, a.busy_until) && tstzrange(b.busy_from, b.busy_until)};

my $day = $node->safe_psql('postgres', q{SELECT (now() AT TIME ZONE 'UTC')::date + 3});
$node->safe_psql('postgres', $setup);

# ---------------------------------------------------------------------------
# Writers: psql processes that work through a script until the time is over
# ---------------------------------------------------------------------------

sub barber { return 1 + int(rand($barbers)); }
sub start_at { return sprintf("'%s %02d:%02dZ'::timestamptz", $day, int(rand(24)), 15 * int(rand(4))); }

# Columns and values of an appointment by hand.  Only those marked 'raw' are
# ever deleted.
my $columns = '(barber_id, service_id, starts_at, ends_at, busy_from, busy_until, notes, idempotency_key)';

sub raw_row
{
	my ($note, $key) = @_;
	my $at = start_at();
	my $busy = one_of("NULL, NULL", "$at - interval '5 min', $at + interval '35 min'");
	return sprintf('(%d, 1, %s, %s + interval \'30 min\', %s, %s, %s)',
		barber(), $at, $at, $busy, $note ? "'$note'" : 'NULL', $key // 'NULL');
}

# Leaves the ids of a statement in :ids; forgets them if the statement failed.
sub catching_ids
{
	my ($statement) = @_;
	return "\\unset ids\nWITH written AS ($statement RETURNING id)\n"
	  . "SELECT array_agg(id) AS ids FROM written \\gset\n";
}

sub booking_call
{
	my $arguments = sprintf('%d, %d, NULL, %s', barber(), one_of(1, 1, 2), start_at());
	my $call = one_of("SELECT ARRAY[id] AS ids FROM booking.book_slot($arguments)",
		"SELECT ARRAY[appointment_id] AS ids FROM booking.try_book_slot($arguments) WHERE reason IS NULL");
	return "\\unset ids\n$call \\gset\n";
}

# After a commit that worked.
sub acknowledge
{
	my ($writer) = @_;
	return "\\if :ERROR\n\\unset ids\n\\endif\n\\if :{?ids}\n"
	  . "INSERT INTO stress.acknowledged SELECT unnest(:'ids'::bigint[]), '$writer';\n\\endif\n";
}

# Of writers who do not ask for ids.
sub count_rows
{
	my ($writer) = @_;
	return "INSERT INTO stress.worked SELECT '$writer', :ROW_COUNT WHERE :ROW_COUNT > 0;\n";
}

sub keeps_no_lock
{
	my ($writer) = @_;
	return "INSERT INTO stress.kept_locks SELECT '$writer' FROM pg_locks"
	  . " WHERE pid = pg_backend_pid() AND locktype = 'advisory';\n";
}

sub some_live
{
	my ($how_many) = @_;
	return sprintf("(SELECT id FROM booking.appointments WHERE status = 'confirmed' AND barber_id = %d"
		  . " AND starts_at >= %s ORDER BY starts_at LIMIT %d)", barber(), start_at(), $how_many);
}

# The transactions of those who book one slot at a time.
my %bookers = (
	'book_slot' => sub { booking_call() . acknowledge('book_slot') },
	'book_slot, slow' => sub {
		my $end = one_of('COMMIT', 'COMMIT', 'ROLLBACK');
		return "BEGIN;\n" . booking_call() . "\\if :{?ids}\n" . keeps_no_lock('book_slot') . nap()
		  . "\\endif\n$end;\n" . ($end eq 'COMMIT' ? acknowledge('book_slot, slow') : '');
	},
	'book_slot, strict' => sub {
		my $level = one_of('REPEATABLE READ', 'SERIALIZABLE');
		return "BEGIN ISOLATION LEVEL $level;\nSELECT count(*) FROM booking.appointments;\n"
		  . booking_call() . "COMMIT;\n" . acknowledge('book_slot, strict');
	},
	'book_slot, prepared' => sub {
		my ($transaction) = @_;
		my $end = one_of('COMMIT', 'COMMIT', 'ROLLBACK');
		return "BEGIN;\n" . booking_call() . "\\if :{?ids}\nPREPARE TRANSACTION '$transaction';\n" . nap()
		  . "$end PREPARED '$transaction';\n" . ($end eq 'COMMIT' ? acknowledge('book_slot, prepared') : '')
		  . "\\else\nROLLBACK;\n\\endif\n";
	},
	'cancel_appointment' => sub {
		return "\\unset id\nSELECT id FROM booking.cancel_appointment(" . some_live(1) . ", 'stress') \\gset\n"
		  . "\\if :{?id}\nINSERT INTO stress.cancelled VALUES (:id);\n\\endif\n";
	});

# The transactions of those who write the table by themselves, as they like.
my %writers = (
	'INSERT' => sub { catching_ids("INSERT INTO booking.appointments $columns VALUES " . raw_row('keep')) . acknowledge('INSERT') },
	'INSERT of many' => sub {
		my $rows = join(', ', map { raw_row('keep') } 1 .. one_of(2, 3));
		return catching_ids("INSERT INTO booking.appointments $columns VALUES $rows") . acknowledge('INSERT of many');
	},
	'INSERT ON CONFLICT' => sub {
		# Several writers come up with the same key at the same time.
		my $key = "'conflict ' || (extract(epoch FROM clock_timestamp()) * 10)::bigint";
		my $action = one_of('DO NOTHING', 'DO NOTHING',
			"(idempotency_key, key_shop_id, key_user_id) WHERE idempotency_key IS NOT NULL DO UPDATE SET cancel_reason = 'again'");
		return catching_ids("INSERT INTO booking.appointments $columns VALUES "
			  . raw_row('keep', $key) . " ON CONFLICT $action")
		  . acknowledge('INSERT ON CONFLICT');
	},
	'COPY' => sub {
		my $rows = '';
		foreach (1 .. one_of(1, 2))
		{
			my $minutes = 15 * int(rand(94));
			my $at = sub { sprintf('%s %02d:%02dZ', $day, int($_[0] / 60), $_[0] % 60) };
			$rows .= join("\t", barber(), 1, $at->($minutes), $at->($minutes + 30), 'raw') . "\n";
		}
		return "COPY booking.appointments (barber_id, service_id, starts_at, ends_at, notes) FROM stdin;\n$rows\\.\n"
		  . count_rows('COPY');
	},
	'UPDATE of the time' => sub {
		my $at = start_at();
		return sprintf("UPDATE booking.appointments SET barber_id = %d, starts_at = %s, ends_at = %s + interval '30 min',"
			  . " busy_from = %s - interval '5 min', busy_until = %s + interval '35 min' WHERE id = %s;\n",
			barber(), $at, $at, $at, $at, some_live(1)) . count_rows('UPDATE of the time');
	},
	'UPDATE of many' => sub {
		my $shift = "interval '" . one_of(-15, 15, 30) . " min'";
		return "UPDATE booking.appointments SET starts_at = starts_at + $shift, ends_at = ends_at + $shift,"
		  . " busy_from = busy_from + $shift, busy_until = busy_until + $shift WHERE id IN " . some_live(2) . ";\n"
		  . count_rows('UPDATE of many');
	},
	'UPDATE of the status' => sub {
		return "UPDATE booking.appointments SET status = '" . one_of('checked_in', 'completed', 'no_show', 'cancelled')
		  . "' WHERE id = " . some_live(1) . " AND notes = 'raw';\n" . count_rows('UPDATE of the status');
	},
	'MERGE' => sub {
		my $at = start_at();
		return "MERGE INTO booking.appointments a USING (VALUES (" . barber() . ", $at)) v (barber, at)"
		  . " ON a.barber_id = v.barber AND a.starts_at = v.at AND a.status = 'confirmed'"
		  . " WHEN MATCHED THEN UPDATE SET starts_at = a.starts_at + interval '15 min',"
		  . " ends_at = a.ends_at + interval '15 min', busy_until = a.busy_until + interval '15 min'"
		  . " WHEN NOT MATCHED THEN INSERT (barber_id, service_id, starts_at, ends_at, notes)"
		  . " VALUES (v.barber, 1, v.at, v.at + interval '30 min', 'raw');\n" . count_rows('MERGE');
	},
	'DELETE' => sub {
		return "DELETE FROM booking.appointments WHERE notes = 'raw' AND starts_at >= " . start_at()
		  . " AND id IN (SELECT id FROM booking.appointments WHERE notes = 'raw' ORDER BY random() LIMIT 3);\n"
		  . count_rows('DELETE');
	},
	'savepoint' => sub {
		my $insert = sub { catching_ids("INSERT INTO booking.appointments $columns VALUES " . raw_row('keep')) };
		return "BEGIN;\nSAVEPOINT s;\n" . $insert->() . "ROLLBACK TO s;\n" . $insert->()
		  . "\\if :ERROR\nROLLBACK TO s;\n" . $insert->() . "\\endif\n"
		  . keeps_no_lock('savepoint') . one_of('', nap()) . "COMMIT;\n" . acknowledge('savepoint');
	},
	'prepared' => sub {
		my ($transaction) = @_;
		my $end = one_of('COMMIT', 'ROLLBACK');
		return "BEGIN;\n" . catching_ids("INSERT INTO booking.appointments $columns VALUES "
			  . join(', ', raw_row('keep'), raw_row('keep')))
		  . "\\if :{?ids}\nPREPARE TRANSACTION '$transaction';\n" . nap() . "$end PREPARED '$transaction';\n"
		  . ($end eq 'COMMIT' ? acknowledge('prepared') : '') . "\\else\nROLLBACK;\n\\endif\n";
	},
	'strict' => sub {
		my $level = one_of('REPEATABLE READ', 'SERIALIZABLE');
		return "BEGIN ISOLATION LEVEL $level;\nSELECT count(*) FROM booking.appointments;\n"
		  . catching_ids("INSERT INTO booking.appointments $columns VALUES " . raw_row('keep'))
		  . one_of('', nap()) . "COMMIT;\n" . acknowledge('strict');
	},
	'hold' => sub {
		# It may have run out, and its time be taken, when it is confirmed.
		my $at = start_at();
		my $confirm = one_of("status = 'confirmed'", "hold_expires_at = clock_timestamp() + interval '3 seconds'");
		return "\\unset id\nINSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, status, hold_expires_at)"
		  . " VALUES (" . barber() . ", 1, $at, $at + interval '30 min', 'pending',"
		  . " clock_timestamp() + interval '150 ms') RETURNING id \\gset\n"
		  . sprintf("\\if :{?id}\nSELECT pg_sleep(%.3f);\n", rand(0.3))
		  . "UPDATE booking.appointments SET $confirm WHERE id = :id;\n" . count_rows('hold') . "\\endif\n";
	});

# ---------------------------------------------------------------------------
# Without the guard
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE unguarded');
$node->safe_psql('unguarded', $setup . 'ALTER TABLE booking.appointments DISABLE TRIGGER USER');

my %lookers = (
	'look, then INSERT' => sub {
		my ($barber, $at) = (barber(), start_at());
		return "BEGIN;\nINSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until)"
		  . " SELECT $barber, 1, t, t + interval '30 min', t, t + interval '30 min' FROM (SELECT $at AS t) s"
		  . " WHERE NOT EXISTS (SELECT FROM booking.appointments WHERE barber_id = $barber"
		  . " AND busy_from < t + interval '30 min' AND busy_until > t);\n" . nap() . "COMMIT;\n";
	});
stop_in(2);
start_psql('unguarded', 'unguarded', \%lookers) foreach 1 .. 6;
is(finish_clients(), 0, 'writers without a guard went through');
cmp_ok($node->safe_psql('unguarded', $overlaps), '>', 0, 'without the guard, looking first does not prevent overlaps');

# ---------------------------------------------------------------------------
# Everybody
# ---------------------------------------------------------------------------

# Several clients come up with the same time, with a key or without, at once.
my $quarter = "timestamptz '$day 00:00Z' + :at * interval '15 min'";
my %fast_bookers = (
	keyed => "SELECT (extract(epoch FROM clock_timestamp()) * 20)::bigint AS k \\gset\n"
	  . "\\set barber 1 + :k % $barbers\n\\set at :k * 7 % 96\n"
	  . "SELECT coalesce(appointment_id, 0) AS id FROM booking.try_book_slot(:barber, 1, NULL, $quarter, 'key ' || :k) \\gset\n"
	  . "INSERT INTO stress.answered SELECT 'key ' || :k, :id WHERE :id > 0;\n",
	fight => "SELECT (extract(epoch FROM clock_timestamp()) * 200)::bigint AS k \\gset\n"
	  . "\\set barber 1 + :k % $barbers\n\\set at :k * 7 % 95 + random(0, 1)\n"
	  . "SELECT coalesce(appointment_id, 0) AS id FROM booking.try_book_slot(:barber, 1, NULL, $quarter) \\gset\n"
	  . "INSERT INTO stress.acknowledged SELECT :id, 'try_book_slot, fight' WHERE :id > 0;\n",
	plain => "\\set barber random(1, $barbers)\n\\set at random(0, 95)\n\\set service random(1, 2)\n"
	  . "SELECT coalesce(appointment_id, 0) AS id FROM booking.try_book_slot(:barber, :service, NULL, $quarter) \\gset\n"
	  . "INSERT INTO stress.acknowledged SELECT :id, 'try_book_slot' WHERE :id > 0;\n");

$node->safe_psql(
	'postgres', q{
CREATE FUNCTION stress.insert(barber int, at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	new_id bigint;
BEGIN
	INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, notes)
	VALUES (barber, 1, at, at + interval '30 min', 'raw') RETURNING id INTO new_id;
	RETURN new_id;
EXCEPTION WHEN exclusion_violation OR deadlock_detected THEN
	RETURN NULL;
END
$$;
CREATE FUNCTION stress.thin_out() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM booking.cancel_appointment((SELECT id FROM booking.appointments
		WHERE status = 'confirmed' ORDER BY random() LIMIT 1), 'thinned out');
EXCEPTION WHEN SQLSTATE 'SL009' OR no_data_found OR null_value_not_allowed THEN
END
$$;
});
my %fast_writers = (
	insert => "\\set barber random(1, $barbers)\n\\set at random(0, 95)\nSELECT stress.insert(:barber, $quarter);\n",
	thin_out => "SELECT stress.thin_out();\n");

stop_in($seconds);
start_pgbench('booker', 6, %fast_bookers);
start_pgbench('writer', 4, %fast_writers);
start_psql('booker', 'postgres', \%bookers) foreach 1 .. 6;
start_psql('writer', 'postgres', \%writers) foreach 1 .. 10;

# At no moment does anybody see an overlap.
my $seen_overlaps = 0;
my $looks = 0;
my $end = time + $seconds;
while (time < $end)
{
	$seen_overlaps += $node->safe_psql('postgres', $overlaps);
	$looks++;
	select(undef, undef, undef, 0.5);
}
is(finish_clients(), 0, 'all clients went through');

# ---------------------------------------------------------------------------
# What is left
# ---------------------------------------------------------------------------

is($seen_overlaps, 0, "no overlap was ever seen ($looks looks)");
finds($overlaps, 0, 'no two live appointments of a barber overlap');
finds('SELECT * FROM booking.verify(true)', '', 'verify finds nothing broken');
finds('SELECT count(*) FROM stress.acknowledged k WHERE NOT EXISTS (SELECT FROM booking.appointments a WHERE a.id = k.id)',
	0, 'every acknowledged booking is present');
finds(q{SELECT count(*) FROM stress.cancelled JOIN booking.appointments a USING (id) WHERE a.status <> 'cancelled'},
	0, 'every acknowledged cancellation is done');
finds('SELECT count(*) FROM stress.answered k LEFT JOIN booking.appointments a ON a.idempotency_key = k.key
	WHERE k.id IS DISTINCT FROM a.id',
	0, 'everybody who asked with one key got the one appointment');
finds("SELECT count(*) FROM booking.appointments, CAST(substring(idempotency_key FROM '^key (.*)') AS bigint) k
	WHERE k IS NOT NULL AND (barber_id, service_id, busy_from) IS DISTINCT FROM
		(1 + k % $barbers, 1, timestamptz '$day 00:00Z' + (k * 7 % 96) * interval '15 min' - interval '5 min')
	AND version = 1",
	0, 'and it is what was asked for');
finds('SELECT count(*) FROM stress.kept_locks', 0, 'no lock of ours is held after a statement');
finds("SELECT count(*) FROM pg_locks WHERE locktype NOT IN ('relation', 'virtualxid')", 0, 'no lock is left');
finds('SELECT count(*) FROM pg_prepared_xacts', 0, 'no prepared transaction is left');

# Anything else that a client met is ours.  Of cancel_appointment: 22004 when
# there is nothing to cancel, P0002 and SL009 when somebody was faster.
met_no_other_error('booker', qw(23P01 40001 SL009 22004 P0002));
met_no_other_error('writer', qw(23P01 40001 40P01 23505 25P02 SL009));

# Every kind of writer has to get something through, or it was not there.
$node->safe_psql('postgres', q{
INSERT INTO stress.worked SELECT writer, 1 FROM stress.acknowledged;
INSERT INTO stress.worked SELECT 'cancel_appointment', 1 FROM stress.cancelled;
INSERT INTO stress.worked SELECT 'try_book_slot with a key', 1 FROM stress.answered});
note('rows written: '
	  . $node->safe_psql('postgres', q{
SELECT string_agg(format('%s: %s', writer, n), '; ' ORDER BY writer)
FROM (SELECT writer, sum(rows) AS n FROM stress.worked GROUP BY writer) s}));
finds('SELECT string_agg(DISTINCT writer COLLATE "C", \', \' ORDER BY writer COLLATE "C") FROM stress.worked',
	join(', ', sort(keys %bookers, keys %writers, 'try_book_slot', 'try_book_slot, fight', 'try_book_slot with a key')),
	'every kind of writer has written something')
  if $seconds >= 10;

$node->stop;
done_testing();
