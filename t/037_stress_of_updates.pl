# Rows that count, updated, moved and completed while crowds ask for what they
# leave: no two customers get one time or one seat, no limit is exceeded, nobody
# ends in a deadlock and no acknowledged booking is lost.  If this fails, a look
# that copies index entries first and reads rows afterwards has missed a row that
# was updated in between, or a row was stored that nobody had looked at.
#
# BOOKING_STRESS_SECONDS=60 BOOKING_STRESS_ONLY="time seats_30" has those two for a
# minute each.  How soon a guard shows it that lacks what a fight is for: found in
# so many runs of six seconds on two busy cores, how often in each, and the first
# after how many seconds.
#
#   fight            without                                found   rows    first
#   time             looks that follow updates              3 of 5   1-4    0.7-4
#   time_index       the same; every update is in the index 4 of 4   1-7    1.6-3
#   time_old         the same, beside old snapshots          0 of 2
#   moves            the same                               1 of 5   1      3
#   places           (a promise; nothing has broken it)     0 of 1
#   seats_30         the same                               8 of 8   2-9    0.6-4
#   seats_300        the same                               3 of 3   2      3-6
#   limit_moves      the same, for a customer's rows        6 of 6   1-6    0.8-5
#   limit_raw_moves  the same                               3 of 3   3-9    0.4-1
#   day              the same, for completed rows           3 of 3   5-6    1.4
#   overlap          a look for every part of a service     3 of 3   100+   0.4
#   overlap_moves    the same for a part that is moved      3 of 3    50+   0.5
#
# specs/injection has the same races step by step, and paused_user_overlap the parts.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Fights;
use Stress;
use Test::More;

open_shop('updates');

$node->safe_psql(
	'postgres', q{
-- An update that moves nothing, of a row that counts; one that is updated twice,
-- or whose update is taken back, leaves several versions.  Every change of a key
-- or of the status makes new index entries; others do where an index of a
-- user's has a column that changes.
CREATE FUNCTION stress.touch(row_id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CASE (random() * 8)::int
	WHEN 0, 8 THEN
		UPDATE booking.appointments SET notes = 'one' WHERE id = row_id;
	WHEN 1, 2, 3 THEN
		UPDATE booking.appointments SET idempotency_key = 'touch ' || nextval('stress.touch') WHERE id = row_id;
	WHEN 4 THEN
		UPDATE booking.appointments SET notes = 'one' WHERE id = row_id;
		UPDATE booking.appointments SET price_cents = price_cents + 1, idempotency_key = 'touch ' || nextval('stress.touch') WHERE id = row_id;
	WHEN 5, 6 THEN
		UPDATE booking.appointments SET status = 'checked_in' WHERE id = row_id AND status = 'confirmed';
	WHEN 7 THEN
		BEGIN
			UPDATE booking.appointments SET idempotency_key = 'never ' || nextval('stress.touch') WHERE id = row_id;
			RAISE SQLSTATE 'OK000';
		EXCEPTION WHEN SQLSTATE 'OK000' THEN
		END;
		UPDATE booking.appointments SET idempotency_key = 'touch ' || nextval('stress.touch') WHERE id = row_id;
	END CASE;
END
$$;
CREATE SEQUENCE stress.touch;

-- Rows that are there before a fight begins, of barber 1: so many cuts.
CREATE FUNCTION stress.fill(service bigint, customer bigint, first bigint, how_many int, each int DEFAULT 1) RETURNS void
LANGUAGE sql SET session_replication_role = replica AS $$
	INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
	SELECT 1, service, customer, t, t + d, t, t + d
	FROM generate_series(first, first + how_many - 1) n, stress.at(n * (SELECT duration_minutes FROM booking.services WHERE id = service) / 30) t,
		(SELECT duration_minutes * interval '1 min' FROM booking.services WHERE id = service) s (d), generate_series(1, each)
$$;

-- Some row that is there, by its place among those filled in.
CREATE TABLE stress.filled (low bigint, high bigint);
CREATE FUNCTION stress.some_row() RETURNS bigint LANGUAGE sql AS $$
	SELECT low + (random() * (high - low))::bigint FROM stress.filled
$$;

-- For one time after the other: one in four touches the row of whoever has it,
-- and some give it back once, to a savepoint.
CREATE FUNCTION stress.fight_for_time(crowd int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := stress.at(stress.turn(crowd));
	got bigint;
BEGIN
	IF random() < 0.03 THEN
		BEGIN
			got := stress.try(1, 1, NULL, at);
			RAISE SQLSTATE 'OK000';
		EXCEPTION WHEN SQLSTATE 'OK000' THEN
		END;
	END IF;
	got := stress.try(1, 1, NULL, at);
	IF got > 0 OR random() < 0.25 THEN
		PERFORM stress.touch(id) FROM booking.appointments WHERE barber_id = 1 AND starts_at = at;
	END IF;
	RETURN got;
END
$$;
-- For one seat after the other, of one class after the other.
CREATE FUNCTION stress.fight_for_seat(service bigint, crowd int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := stress.at(stress.turn(crowd) * 2);
	got bigint := stress.try(1, service, NULL, at);
BEGIN
	PERFORM stress.touch(id) FROM (SELECT id FROM booking.appointments
		WHERE barber_id = 1 AND starts_at = at ORDER BY random() LIMIT 1) s;
	RETURN got;
END
$$;
-- The same by hand or by a move, for a time and for one of an earlier one.
CREATE FUNCTION stress.fight_by_moves(crowd int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint := stress.turn(crowd);
	other bigint := (SELECT id FROM booking.appointments WHERE barber_id = 1 AND status = 'confirmed'
		AND starts_at = stress.at(greatest(0, n - 1 - (random() * 4)::int)) LIMIT 1);
	got bigint := 0;
BEGIN
	CASE (random() * 5)::int
	WHEN 0, 5 THEN
		got := stress.try(1, 1, NULL, stress.at(n));
	WHEN 1 THEN
		IF other IS NOT NULL AND stress.move(other, stress.at(n)) THEN
			PERFORM stress.touch(other);
		END IF;
	WHEN 2 THEN
		IF other IS NOT NULL AND stress.move_raw(other, stress.at(n)) THEN
			PERFORM stress.touch(other);
		END IF;
	WHEN 3 THEN
		PERFORM stress.touch(other);
	WHEN 4 THEN
		got := stress.insert(1, 1, stress.at(n));
	END CASE;
	RETURN got;
END
$$;
-- Two dozen rows have three dozen places, and change them all the time.
CREATE FUNCTION stress.change_places() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := stress.at((random() * 35)::int);
BEGIN
	IF random() < 0.5 THEN
		PERFORM stress.move(stress.some_row(), at);
	ELSE
		PERFORM stress.move_raw(stress.some_row(), at);
	END IF;
END
$$;
});

# ---------------------------------------------------------------------------
# Time and seats
# ---------------------------------------------------------------------------

# Fills the table, and keeps which ids there are.
sub filled_with { my ($rows) = @_; return "SELECT $rows; TRUNCATE stress.filled; INSERT INTO stress.filled SELECT min(id), max(id) FROM booking.appointments;"; }

my $same_time = q{
SELECT starts_at FROM booking.appointments WHERE status IN ('confirmed', 'checked_in')
GROUP BY barber_id, starts_at HAVING count(*) > 1};
my %time = (
	promise => 'nobody gets a time that somebody has whose row is updated',
	finds => $same_time,
	wanted => 'SELECT count(DISTINCT starts_at) FROM booking.appointments');
# Some of them with a snapshot that is older than what they meet
sub tells_old
{
	my ($call) = @_;
	return "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM booking.shops;\nSELECT $call AS id \\gset\nCOMMIT;\n"
	  . "\\if :id > 0\nINSERT INTO stress.told VALUES (:id);\n\\endif\n";
}
fight(name => 'time', %time, share => 1.5, clients => [ 32, tells('stress.fight_for_time(32)') ]);
fight(name => 'time_index', %time, %index, share => 1.5, clients => [ 32, tells('stress.fight_for_time(32)') ]);
fight(name => 'time_old', %time, %index, errors => ['40001'], share => 0.5,
	clients => [ 24, tells('stress.fight_for_time(32)'), 8, tells_old('stress.fight_for_time(32)') ]);
fight(name => 'moves', %time, clients => [ 24, tells('stress.fight_by_moves(32)') ]);
fight(name => 'places', %time, share => 0.5,
	promise => 'two that change places get no one place, and no deadlock',
	setup => filled_with('stress.fill(1, NULL, 0, 24)'),
	clients => [ 16, "SELECT stress.change_places();\n" ],
	wanted => 'SELECT sum(version - 1) FROM booking.appointments');

my %seats = (
	promise => 'no class has more members than seats while their rows are updated',
	finds => q{
SELECT a.starts_at FROM booking.appointments a JOIN booking.services s ON s.id = a.service_id
WHERE status IN ('confirmed', 'checked_in') GROUP BY barber_id, s.id, starts_at, capacity HAVING count(*) > capacity},
	wanted => 'SELECT count(DISTINCT starts_at) FROM booking.appointments WHERE version > 1');
fight(name => 'seats_30', %seats, clients => [ 24, tells('stress.fight_for_seat(3, 60)') ]);
fight(name => 'seats_300', %seats, share => 1.5,
	setup => 'SELECT stress.fill(4, NULL, 0, 200, 290)',
	clients => [ 24, tells('stress.fight_for_seat(4, 60)') ]);

# ---------------------------------------------------------------------------
# What a customer may have: as many as the limit says, all the time, with
# barber 1; each other one is one too many
# ---------------------------------------------------------------------------

my $one_more = "\\set barber random(2, 8)\n\\set n random(0, 20000)\n"
  . "SELECT stress.try(:barber, 1, 1, stress.at(:n), NULL, '{slot_taken,limit_reached}') AS id \\gset\n\\if :id > 0\n"
  . "INSERT INTO stress.seen VALUES (current_setting('application_name'), :id);\nSELECT booking.cancel_appointment(:id);\n\\endif\n";
sub limit
{
	my ($name, $limit, $mover, %more) = @_;
	return (
		name => $name,
		promise => 'no customer gets one more than the limit while others are moved',
		setup => "UPDATE booking.shops SET max_active_per_user = $limit; " . filled_with("stress.fill(1, 1, 0, $limit)"),
		clients => [ 6, "\\set n random(0, 2000)\nSELECT $mover(stress.some_row(), stress.at(:n));\n", 8, $one_more ],
		finds => "SELECT FROM stress.seen WHERE fight = '$name'",
		wanted => 'SELECT sum(version - 1) FROM booking.appointments',
		%more);
}
fight(limit('limit_moves', 300, 'stress.move'));
fight(limit('limit_raw_moves', 100, 'stress.move_raw', share => 0.7));
# What waits for the shop has a limit of its own.
fight(limit('limit_pending', 100, 'stress.move', share => 0.7,
	setup => 'UPDATE booking.shops SET max_pending_per_user = 100; ' . filled_with('stress.fill(6, 1, 0, 100)')
	  . " SET session_replication_role = replica; UPDATE booking.appointments SET status = 'pending'; RESET session_replication_role;",
	clients => [ 6, "\\set n random(0, 2000)\nSELECT stress.move(stress.some_row(), stress.at(:n));\n", 8, $one_more =~ s/try\(:barber, 1,/try(:barber, 6,/r ]));

# ---------------------------------------------------------------------------
# A barber's day
# ---------------------------------------------------------------------------

$node->safe_psql(
	'postgres', q{
CREATE FUNCTION stress.fight_for_day(crowd int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint := stress.turn(crowd);
	at timestamptz := stress.at(n / 10 * 48) + (random() * 95)::int * interval '15 min';
BEGIN
	RETURN stress.try(1 + n % 10, 2, NULL, at, NULL, '{slot_taken,limit_reached}');
END
$$;
});
my %day = (
	promise => 'no day of a barber has more than the limit while what is booked is completed',
	setup => 'UPDATE booking.barbers SET max_per_day = 30',
	finds => q{
SELECT starts_at::date FROM booking.appointments WHERE status <> 'cancelled'
GROUP BY barber_id, starts_at::date HAVING count(*) > 30},
	wanted => q{SELECT count(*) FROM booking.appointments WHERE status = 'completed'});
my $complete = "SELECT id FROM booking.complete_appointment(:id);\n\\endif\n";
fight(name => 'day', %day, clients => [ 32, tells('stress.fight_for_day(50)') =~ s/\\endif\n$/$complete/r ]);

# ---------------------------------------------------------------------------
# A customer's time: a perm at ten has its second part at half past, where the
# other barber would do a shave
# ---------------------------------------------------------------------------

$node->safe_psql(
	'postgres', q{
CREATE FUNCTION stress.fight_for_customer(crowd int, service bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint := stress.turn(crowd);
BEGIN
	RETURN CASE service
		WHEN 5 THEN stress.try(1 + n % 5, 5, 1 + n % 3000, stress.at(2 * n), NULL, '{slot_taken,user_overlap}')
		ELSE stress.try(6 + n % 5, 2, 1 + n % 3000, stress.at(2 * n + 1), NULL, '{slot_taken,user_overlap}')
	END;
END
$$;
-- Perms of all customers, in that order, at a time when nobody fights.
CREATE FUNCTION stress.fill_perms() RETURNS void LANGUAGE sql SET session_replication_role = replica AS $$
	WITH heads AS (INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until)
		SELECT 1 + n % 5, 5, 1 + n, t, t + interval '15 min', t, t + interval '15 min'
		FROM generate_series(0, 2999) n, stress.at(100000 + n * 2) t RETURNING *)
	INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, part_of, visit_id)
	SELECT barber_id, service_id, user_id, t, t + interval '15 min', t, t + interval '15 min', id, id
	FROM heads, CAST(starts_at + interval '30 min' AS timestamptz) t;
	UPDATE booking.appointments SET visit_id = id WHERE visit_id IS NULL
$$;
CREATE FUNCTION stress.move_perm(crowd int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n bigint := stress.turn(crowd);
BEGIN
	RETURN stress.move((SELECT id FROM booking.appointments WHERE user_id = 1 + n % 3000 AND service_id = 5 AND part_of IS NULL), stress.at(2 * n));
END
$$;
});
my %overlap = (
	promise => 'no customer gets two things at one time, whichever part of the one it is',
	finds => q{
SELECT a.id FROM booking.appointments a JOIN booking.appointments b ON a.user_id = b.user_id AND a.starts_at = b.starts_at AND a.id < b.id},
	wanted => 'SELECT count(*) FROM booking.appointments WHERE service_id = 2');
fight(name => 'overlap', %overlap, share => 0.5, setup => 'UPDATE booking.shops SET prevent_user_overlap = true;',
	clients => [ 8, tells("stress.fight_for_customer(16, 2)"), 8, tells("stress.fight_for_customer(16, 5)") ]);
fight(name => 'overlap_moves', %overlap, share => 0.5, setup => 'UPDATE booking.shops SET prevent_user_overlap = true; SELECT stress.fill_perms();',
	clients => [ 8, tells('stress.fight_for_customer(16, 2)'), 8, "SELECT stress.move_perm(16);\n" ]);

nothing_is_left();
done_testing();
