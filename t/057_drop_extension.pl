# DROP EXTENSION, by accident: refused; with CASCADE it takes functions and
# triggers, and not one row.  CREATE EXTENSION and setup() guard what is there
# again, for sessions too that were there all the time.  If this fails, one
# command of a tired DBA costs a shop its book.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FilledShops;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_server('dropped');
fill_shops($node, 'postgres');
$node->safe_psql('postgres', 'DROP VIEW public.week; DROP MATERIALIZED VIEW public.days');
my $rows = rows($node, 'postgres');

# A session that was there first, and has looked and booked.
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $book = q{SELECT b.status FROM booking.next_slots(8, now() + interval '1 day') n,
	booking.book_slot(n.barber_id, 8, 99, n.starts_at) b};
$session->query("BEGIN; $book; ROLLBACK");

my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nDROP EXTENSION booking");
like($err, qr/2BP01.*trigger zz_guard_before on table booking.appointments depends on function/s,
	'DROP EXTENSION is refused');
same_list(rows($node, 'postgres'), $rows, 'refused: every row is there');

$node->safe_psql('postgres', 'DROP EXTENSION booking CASCADE');
same_list(rows($node, 'postgres'), $rows, 'CASCADE: every row is there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid
		WHERE p.pronamespace = 'booking'::regnamespace}), 0, 'and no trigger');

# What slips in while nobody guards: an overlap.
my $overlap = q{
	INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at, busy_from, busy_until)
	SELECT barber_id, service_id, starts_at, ends_at, busy_from, busy_until FROM booking.appointments
	WHERE status = 'confirmed' AND starts_at > now() AND barber_id = 1 ORDER BY id LIMIT 1 RETURNING id};
like($session->query($overlap), qr/^\d+$/, 'without the guard anybody writes anything');
$session->query($book);
like($session->{stderr}, qr/function booking.next_slots.* does not exist/, 'and nobody books');
$session->{stderr} = '';

$node->safe_psql('postgres', 'CREATE EXTENSION booking');
is($node->safe_psql('postgres', q{SELECT count(*) FROM booking.setup() s WHERE s !~ '^created trigger'}),
	0, 'setup() has only triggers to make');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM booking.schema_parts() p WHERE kind = 'trigger' AND NOT EXISTS (
			SELECT FROM pg_trigger WHERE tgname = p.name AND tgrelid = ('booking.' || p.on_table)::regclass)}),
	0,
	'and makes them all');
guards_and_books($node, 'postgres', 'guarded again');
is($session->query($book), 'confirmed', 'the session that was there all the time books');
is($session->query($overlap), '', 'and is guarded');
like($session->{stderr}, qr/booking refused: slot_taken/, 'by the guard');
$session->quit;

SKIP:
{
	skip 'there is no verify()', 1
	  if $node->safe_psql('postgres', q{SELECT to_regprocedure('booking.verify(boolean)') IS NULL}) eq 't';
	my $slipped = $node->safe_psql('postgres', q{SELECT max(id) FROM booking.appointments WHERE barber_id = 1});
	like($node->safe_psql('postgres', 'SELECT table_name, row_id, detail FROM booking.verify(true)'),
		qr/^appointments\|.*\b$slipped\b/m, 'verify() finds what slipped in');
}

# ---------------------------------------------------------------------------
# Tables of an owner who is no superuser, with triggers of his own and policies
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE ROLE keeper; CREATE DATABASE kept');
fill_shops($node, 'kept', 'keeper');
$node->safe_psql('kept', q{
	DROP VIEW public.week;
	DROP MATERIALIZED VIEW public.days;
	SELECT booking.enable_row_security();
	ALTER FUNCTION public.ring() OWNER TO keeper;
	ALTER TABLE public.rings OWNER TO keeper;
	GRANT CREATE ON SCHEMA booking TO keeper});
is($node->safe_psql('kept', 'SELECT * FROM booking.find_structure_faults()'), '', 'an honest owner gives no offence');
$rows = rows($node, 'kept');
$node->safe_psql('kept', 'DROP EXTENSION booking CASCADE');
($status, $out, $err) = $node->psql('kept', 'CREATE EXTENSION booking');
like($err, qr/ERROR:  others may create objects in schema "booking"/, 'CREATE EXTENSION wants the schema for itself');
like($err, qr/HINT:  REVOKE CREATE ON SCHEMA booking FROM keeper\./, 'and says how to give it');
$node->safe_psql('kept', 'REVOKE CREATE ON SCHEMA booking FROM keeper');
($status, $out, $err) = $node->psql('kept', 'CREATE EXTENSION booking');
is($status, 0, 'then it takes his tables');
like($err, qr/WARNING:  tables in schema "booking" belong to role keeper\n.* There is trigger ring on appointments, trigger set_front on appointments\./,
	'and says whose they are');
is($node->safe_psql('kept', q{SELECT count(*) FROM booking.setup() s WHERE s !~ '^created trigger'}),
	0, 'setup() has only triggers to make');
is($node->safe_psql('kept', 'SELECT booking.setup()'), '', 'and makes them all');
is($node->safe_psql('kept', 'SELECT booking.enable_row_security()'), '', 'row security is as it was');
is($node->safe_psql('kept', 'SELECT * FROM booking.verify(true)'), '', 'nothing is broken');
same_list(rows($node, 'kept'), $rows, 'every row is there');
guards_and_books($node, 'kept', 'of an owner');

done_testing();
