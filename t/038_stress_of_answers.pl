# Answers under stress: everybody who asks with one key gets the one appointment
# that has it, whoever stored it; nobody who books one appointment at a time ends
# in a deadlock, whichever unique index they meet in; and a "no" was true of some
# moment.
#
# BOOKING_STRESS_SECONDS and BOOKING_STRESS_ONLY as for 037_stress_of_updates.pl.  How
# often a guard shows it in six seconds on two busy cores that lets a booking wait in
# a unique index with the barber's lock held, or counts rows of several moments:
#
#   keys, keys_given    28-53, 12-42 deadlocks, those of rows by hand included;
#                       and 7-8 bookings that failed in the unique index
#   ids, unique         207-290, 172-254 deadlocks
#   keys_updated        0 (a promise; nothing has broken it)
#   swaps_limit         9-14 that were told limit_reached, the first after 0.8 s
#   swaps_seats         2-5 that were told slot_taken, the first after 0.4-2.7 s

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use Fights;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

open_shop('answers');

$node->safe_psql(
	'postgres', q{
CREATE TABLE stress.answers (key text, id bigint);
-- A booking that a unique index may refuse.
CREATE FUNCTION stress.try_unique(barber bigint, service bigint, customer bigint, at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN stress.try(barber, service, customer, at);
EXCEPTION WHEN unique_violation THEN
	RETURN 0;
END
$$;

-- With the key of the turn, for its time: a request, a row by hand.
CREATE FUNCTION stress.ask(n bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT stress.try(1, 1, NULL, stress.at(n), 'key ' || n, '{}')
$$;
CREATE FUNCTION stress.ask_by_hand(n bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT stress.insert(1, 1, stress.at(n), NULL, 'key ' || n)
$$;
-- A row of the last few turns changes, and with it its entries in all indexes.
CREATE FUNCTION stress.touch_keyed(n bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE booking.appointments SET notes = notes || 'x', user_id = NULL, visit_id = nextval('stress.visit')
	WHERE idempotency_key = 'key ' || n;
	IF random() < 0.1 THEN
		UPDATE booking.appointments SET status = 'checked_in' WHERE idempotency_key = 'key ' || n AND status = 'confirmed';
	END IF;
END
$$;
CREATE SEQUENCE stress.visit START 1000000000;
});

# A request that is repeated; what was answered is kept.
my $repeats = "INSERT INTO stress.answers VALUES ('key ' || :n, :id);\n";
sub turn { my ($crowd) = @_; return "SELECT stress.turn($crowd) AS n \\gset\n"; }
sub answered { my ($call) = @_; return "SELECT $call AS id \\gset\n\\if :id > 0\n$repeats\\endif\n"; }

my %keys = (
	promise => 'everybody with a key gets the one appointment that has it',
	setup => 'TRUNCATE stress.answers;',
	finds => q{SELECT k.key FROM stress.answers k LEFT JOIN booking.appointments a ON a.idempotency_key = k.key WHERE a.id IS DISTINCT FROM k.id},
	wanted => 'SELECT count(DISTINCT key) FROM stress.answers');

# ---------------------------------------------------------------------------
# Keys
#
# Two who write one key and one time by hand may still end in a deadlock: the
# one waits in the unique index, the other for whoever has the time.
# ---------------------------------------------------------------------------

fight(name => 'keys', %keys,
	clients => [ 8, turn(16) . answered('stress.ask(:n)') ],
	by_hand => [ 8, turn(16) . answered('stress.ask_by_hand(:n)') ]);
fight(name => 'keys_updated', %keys,
	clients => [ 12, turn(200) . answered('stress.ask(:n)'), 4, turn(200) . "SELECT stress.touch_keyed(:n);\n" ]);

# A row that is elsewhere gets the key of a request, and the time beside its own.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION stress.give_key(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := stress.at(2 * n + 1);
BEGIN
	IF random() < 0.5 THEN
		UPDATE booking.appointments SET idempotency_key = 'key ' || n WHERE barber_id = 2 AND starts_at = stress.at(n % 2000);
		RETURN 0;
	END IF;
	UPDATE booking.appointments SET barber_id = 1, starts_at = at, ends_at = at + interval '30 min',
		busy_from = at, busy_until = at + interval '30 min', idempotency_key = 'key ' || n
	WHERE barber_id = 2 AND starts_at = stress.at(n % 2000);
	PERFORM stress.check_locks();
	RETURN 0;
EXCEPTION WHEN exclusion_violation OR unique_violation THEN
	RETURN 0;
END
$$;
CREATE FUNCTION stress.ask_beside(n bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT stress.try(1, 1, NULL, stress.at(2 * n), 'key ' || n, '{idempotency_conflict}')
$$;
CREATE FUNCTION stress.fill_for_keys() RETURNS void LANGUAGE sql SET session_replication_role = replica AS $$
	INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	SELECT 2, 1, t, t + interval '30 min', t, t + interval '30 min' FROM generate_series(0, 1999) n, stress.at(n) t
$$;
});
fight(name => 'keys_given', %keys,
	setup => 'TRUNCATE stress.answers; SELECT stress.fill_for_keys();',
	clients => [ 8, turn(16) . answered('stress.ask_beside(:n)') ],
	by_hand => [ 8, turn(16) . "SELECT stress.give_key(:n);\n" ], errors_by_hand => ['40P01']);

# ---------------------------------------------------------------------------
# Other unique indexes: the sequence comes to an id that somebody took by hand;
# a rule of a user's, no two of a customer in one hour
# ---------------------------------------------------------------------------

my %unique = (
	promise => 'two that meet in a unique index both have an answer',
	finds => 'SELECT WHERE false',
	wanted => 'SELECT count(*) FROM booking.appointments');
fight(name => 'ids', %unique, share => 0.5,
	clients => [ 8, turn(4) . tells('stress.try_unique(1, 1, NULL, stress.at(2 * :n))') ],
	errors_by_hand => ['40P01'],
	by_hand => [
		8, turn(4) . tells("stress.insert(1, 1, stress.at(2 * :n + 1), NULL, NULL, (SELECT last_value + (random() * 8)::int FROM booking.appointments_id_seq))") ]);
fight(name => 'unique', %unique, share => 0.5,
	setup => q{CREATE UNIQUE INDEX one_an_hour ON booking.appointments (user_id, date_trunc('hour', starts_at AT TIME ZONE 'UTC')) WHERE user_id IS NOT NULL;},
	undo => 'DROP INDEX booking.one_an_hour',
	clients => [ 8, turn(8) . tells('stress.try_unique(1, 1, 1, stress.at(2 * :n))') ],
	errors_by_hand => ['40P01'],
	by_hand => [
		8, turn(8) . tells('stress.insert(1, 1, stress.at(2 * :n + 1), 1)') ]);

# ---------------------------------------------------------------------------
# A "no" that was never true: of a customer, or of a class, there is one less
# than there may be at every moment.  Who takes the last one must get it.
# ---------------------------------------------------------------------------

$node->safe_psql(
	'postgres', q{
CREATE FUNCTION stress.fill(barbers int, service bigint, customer bigint, each int, apart int, as_status text) RETURNS void
LANGUAGE sql SET session_replication_role = replica AS $$
	INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, busy_from, busy_until, status)
	SELECT b, service, b + customer, t, t + d, t, t + d, as_status
	FROM generate_series(1, barbers) b, generate_series(1, each) n, stress.at(n * apart) t,
		(SELECT duration_minutes * interval '1 min' FROM booking.services WHERE id = service) s (d)
$$;
-- In one transaction: one of a barber's is given up, and another booked, in that order.
CREATE FUNCTION stress.swap(barber bigint, given_up bigint, service bigint, customer bigint, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM booking.cancel_appointment((SELECT min(id) FROM booking.appointments
		WHERE barber_id = barber AND service_id = given_up AND status IN ('pending', 'confirmed')), 'swapped');
	IF stress.try(barber, service, customer, at, NULL, '{}') = 0 THEN
		RAISE SQLSTATE 'OK000';
	END IF;
EXCEPTION WHEN SQLSTATE 'OK000' OR null_value_not_allowed THEN
END
$$;
});
my %swaps = (
	promise => 'nobody is refused the last one while it is free',
	finds => 'SELECT FROM stress.reasons',
	undo => 'TRUNCATE stress.reasons',
	wanted => q{SELECT count(*) FROM booking.appointments WHERE status = 'cancelled'});
sub takes
{
	my ($arguments) = @_;
	return "SELECT stress.try($arguments, NULL, '{}') AS id \\gset\n\\if :id > 0\nSELECT booking.cancel_appointment(:id);\n\\endif\n";
}
# What waits for the shop is looked at before what is confirmed.
my $next = q{stress.at(10000 + nextval('stress.turn'))};
fight(name => 'swaps_limit', %swaps,
	setup => q{UPDATE booking.shops SET max_active_per_user = 1000, max_pending_per_user = NULL; SELECT stress.fill(4, 6, 0, 999, 1, 'pending')},
	clients => [
		4, "SELECT stress.swap(:client_id + 1, 6, 1, :client_id + 1, $next);\nSELECT stress.swap(:client_id + 1, 1, 6, :client_id + 1, $next);\n",
		4, takes(':client_id + 5, 1, :client_id + 1, stress.at(0)') ]);
fight(name => 'swaps_seats', %swaps,
	setup => q{SELECT stress.fill(4, 4, NULL, 299, 0, 'confirmed')},
	clients => [
		4, "SELECT stress.swap(:client_id + 1, 4, 4, NULL, stress.at(0));\n",
		4, takes(':client_id + 1, 4, NULL, stress.at(0)') ]);

nothing_is_left();
done_testing();
