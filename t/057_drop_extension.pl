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

done_testing();
