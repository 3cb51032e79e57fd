# Fights: crowds on one customer, one day, one class, one key or one time after
# another, while the rows that count are updated, moved or completed.
#
# A fight is a hash: name, for the test and for BOOKING_STRESS_ONLY; promise;
# setup, SQL that is run before and undo, SQL that is run after it; clients, a
# number and a pgbench script each; by_hand, those who write the table by themselves; finds, a query that returns a row for each
# time that the promise was broken; errors and errors_by_hand, which its
# clients have to expect; wanted, a query for a number that is above 0 once something was
# fought for; share, of the file's time.
#
# BOOKING_STRESS_SECONDS says how long a fight with a share of 1 takes, by
# default 6; BOOKING_STRESS_ONLY names the fights that are wanted, by default all.
# The output of "prove -v" has the numbers, and when the first row was found.

package Fights;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use POSIX qw(ceil);
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(open_shop fight tells nothing_is_left %index);

my $each = $ENV{BOOKING_STRESS_SECONDS} // 6;
my %only = map { $_ => 1 } split ' ', $ENV{BOOKING_STRESS_ONLY} // '';

# An index of a user's, on a column that every update changes: no update of a
# row is then a heap-only one, and each makes a new entry in all indexes.
our %index = (
	setup => 'CREATE INDEX every_update ON booking.appointments (updated_at);',
	undo => 'DROP INDEX booking.every_update;');

# ---------------------------------------------------------------------------
# The shop
#
# Ten barbers who work day and night, as far ahead as there is.  Service 1 is a
# cut of 30 minutes, 2 a shave of 15, 3 and 4 are classes of 30 and 300 seats, and 5 is
# a perm: a quarter of an hour, another one of waiting, and a third of work.  6 is
# advice of 30 minutes, which waits for the shop to confirm it.
# ---------------------------------------------------------------------------

my $shop = q{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name, max_advance_days) VALUES ('crowded', 3600);
INSERT INTO booking.barbers (shop_id, name) SELECT 1, 'barber' FROM generate_series(1, 10);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d;
INSERT INTO booking.services (shop_id, name, duration_minutes, capacity)
VALUES (1, 'cut', 30, 1), (1, 'shave', 15, 1), (1, 'class', 60, 30), (1, 'lecture', 60, 300), (1, 'perm', 45, 1);
INSERT INTO booking.services (shop_id, name, duration_minutes, requires_confirmation) VALUES (1, 'advice', 30, true);
INSERT INTO booking.service_steps (service_id, position, work_minutes, gap_minutes) VALUES (5, 1, 15, 15), (5, 2, 15, 0);
INSERT INTO booking.barber_services (barber_id, service_id) SELECT b.id, s.id FROM booking.barbers b, booking.services s;
INSERT INTO booking.users (email) SELECT n || '@example.com' FROM generate_series(1, 3000) n;

CREATE SCHEMA stress;
-- The appointments that clients were told of by a call that committed.
CREATE TABLE stress.told (id bigint);
CREATE TABLE stress.kept_locks (fight text, locktype text, mode text);
CREATE TABLE stress.reasons (fight text, reason text);
-- What a client has seen itself that must not be.
CREATE TABLE stress.seen (fight text, what text);
-- Who comes next; so many at a time fight for one thing.
CREATE SEQUENCE stress.turn;
CREATE FUNCTION stress.turn(crowd int) RETURNS bigint LANGUAGE sql AS $$SELECT nextval('stress.turn') / crowd$$;
-- The n-th half hour from the first day on.
CREATE FUNCTION stress.at(n bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT (current_date + 3)::timestamptz + n * interval '30 min'
$$;

-- Now and then: the transaction goes on, and the call must have let go of its locks.
CREATE FUNCTION stress.check_locks() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF random() < 0.02 THEN
		INSERT INTO stress.kept_locks SELECT current_setting('application_name'), locktype, mode
		FROM pg_locks WHERE pid = pg_backend_pid() AND locktype IN ('advisory', 'spectoken');
	END IF;
END
$$;
-- Keeps a reason that was not among those expected.
CREATE FUNCTION stress.expect(reason text, expected text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF reason IS NOT NULL AND reason <> ALL (expected) THEN
		INSERT INTO stress.reasons VALUES (current_setting('application_name'), reason);
	END IF;
END
$$;
-- A booking: its id, or 0.
CREATE FUNCTION stress.try(barber bigint, service bigint, customer bigint, at timestamptz, key text DEFAULT NULL,
	expected text[] DEFAULT '{slot_taken}') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	answer booking.booking_outcome := booking.try_book_slot(barber, service, customer, at, key);
BEGIN
	PERFORM stress.expect(answer.reason, expected);
	PERFORM stress.check_locks();
	RETURN coalesce(answer.appointment_id, 0);
END
$$;
-- A move: whether it was done.
CREATE FUNCTION stress.move(appointment bigint, at timestamptz, barber bigint DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM booking.reschedule_appointment(appointment, at, barber);
	PERFORM stress.check_locks();
	RETURN true;
EXCEPTION WHEN exclusion_violation OR SQLSTATE 'SL009' OR SQLSTATE 'SL006' OR SQLSTATE 'SL012' THEN
	RETURN false;
END
$$;
-- The same by hand.
CREATE FUNCTION stress.move_raw(appointment bigint, at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE booking.appointments SET starts_at = at, ends_at = at + (ends_at - starts_at),
		busy_from = at, busy_until = at + (ends_at - starts_at) WHERE id = appointment;
	PERFORM stress.check_locks();
	RETURN true;
EXCEPTION WHEN exclusion_violation THEN
	RETURN false;
END
$$;
-- A row by hand: its id, or 0 if there is one in its way.
CREATE FUNCTION stress.insert(barber bigint, service bigint, at timestamptz, customer bigint DEFAULT NULL, key text DEFAULT NULL,
	row_id bigint DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	got bigint;
BEGIN
	INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)
	VALUES (coalesce(row_id, nextval('booking.appointments_id_seq')), barber, service, customer, at,
		at + (SELECT duration_minutes * interval '1 min' FROM booking.services WHERE id = service), key) RETURNING id INTO got;
	PERFORM stress.check_locks();
	RETURN got;
EXCEPTION WHEN exclusion_violation OR unique_violation THEN
	RETURN 0;
END
$$;
};

sub open_shop
{
	my ($name) = @_;
	start_server($name);
	$node->safe_psql('postgres', $shop);
	return;
}

# ---------------------------------------------------------------------------
# A fight
# ---------------------------------------------------------------------------

sub is_wanted { my ($name) = @_; return !%only || $only{$name}; }

# When the query first finds something while the clients run; undef: never.
sub watch
{
	my ($query) = @_;
	my $begin = time;
	my $first;
	while (time < $begin + $seconds)
	{
		$first //= time - $begin if $node->safe_psql('postgres', "SELECT EXISTS ($query)") eq 't';
		sleep(0.25);
	}
	return $first;
}

sub start_crowd
{
	my ($name, @clients) = @_;
	while (my ($count, $script) = splice(@clients, 0, 2))
	{
		start_pgbench($name, $count, script => $script);
	}
	return;
}

sub fight
{
	my (%fight) = @_;
	my $name = $fight{name};
	return if !is_wanted($name);

	subtest "$name: $fight{promise}" => sub {
		my $first;
		$node->safe_psql('postgres', $fight{setup}) if $fight{setup};
		$node->safe_psql('postgres', 'ALTER SEQUENCE stress.turn RESTART');
		$seconds = ceil($each * ($fight{share} // 1));
		# A machine that is too slow for anything to happen is given more time.
		foreach my $round (1 .. 3)
		{
			start_crowd($name, @{ $fight{clients} });
			start_crowd("$name by hand", @{ $fight{by_hand} // [] });
			$first //= watch($fight{finds});
			is(finish_clients(), 0, 'all clients went through');
			last if $node->safe_psql('postgres', $fight{wanted}) > 0;
		}
		cmp_ok(my $fought = $node->safe_psql('postgres', $fight{wanted}), '>', 0, 'something was fought for');
		my $found = $node->safe_psql('postgres', "SELECT count(*) FROM ($fight{finds}) s");
		is($found, 0, $fight{promise});
		note("$name: $found found, $fought fought for, " . (defined $first ? sprintf('the first after %.1f s', $first) : 'none seen'));
		met_no_other_error($name, @{ $fight{errors} // [] });
		met_no_other_error("$name by hand", @{ $fight{errors_by_hand} // [] }) if $fight{by_hand};
		finds("SELECT reason, count(*) FROM stress.reasons WHERE fight IN ('$name', '$name by hand') GROUP BY 1", '', 'no client was given a reason that could not be');
		finds("SELECT DISTINCT locktype, mode FROM stress.kept_locks WHERE fight IN ('$name', '$name by hand')", '', 'no lock of ours is held after a call');
		finds('SELECT count(*) FROM stress.told k WHERE NOT EXISTS (SELECT FROM booking.appointments a WHERE a.id = k.id)',
			0, 'every acknowledged booking is present');
		$node->safe_psql('postgres', $fight{undo}) if $fight{undo};
		finds("SELECT DISTINCT check_name FROM booking.verify(true)", '', 'verify finds nothing broken');
		# What it has left would only slow down the next one.
		$node->safe_psql('postgres', 'TRUNCATE stress.told, booking.appointments CASCADE; UPDATE booking.shops SET max_active_per_user = NULL, max_pending_per_user = 10,'
			  . ' prevent_user_overlap = false; UPDATE booking.barbers SET max_per_day = NULL');
	};
	return;
}

# A client that tells of the booking that it got.
sub tells { my ($call) = @_; return "SELECT $call AS id \\gset\n\\if :id > 0\nINSERT INTO stress.told VALUES (:id);\n\\endif\n"; }

sub nothing_is_left
{
	finds("SELECT count(*) FROM pg_locks WHERE locktype NOT IN ('relation', 'virtualxid')", 0, 'no lock is left');
	$node->stop;
	return;
}

1;
