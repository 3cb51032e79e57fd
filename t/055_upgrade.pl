# ALTER EXTENSION booking UPDATE, below a running server: a next version is made
# here, with a function that has another argument, a column, a table, an index
# and a trigger more, and installed over this one in a private copy of the
# server.  If this fails, an update takes bookings, rights or the guard along.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FilledShops;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/..";
my $work = PostgreSQL::Test::Utils::tempdir;
my $tree = "$work/tree";
chomp(my $bindir = `pg_config --bindir`);

# ---------------------------------------------------------------------------
# A server of our own with this version, and a tree of the next one
# ---------------------------------------------------------------------------

$ENV{PG_CONFIG} = "$bindir/pg_config";
mkdir $tree or die $!;
system_or_bail('sh', '-c', "tar -C '$top' -cf - Makefile *.control *.sql src booking.so scripts | tar -C '$tree' -xf -");

sub install
{
	my ($name) = @_;
	return command_ok([ "$tree/scripts/build", $tree, "$work/copy" ], "$name: built and installed");
}

my $next_function = q{
CREATE FUNCTION book_slot(barber_id bigint, service_id bigint, user_id bigint, starts_at timestamptz,
	idempotency_key text DEFAULT NULL, overrides text[] DEFAULT NULL, remark text DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_book_slot_with_remark' LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION book_slot(bigint, bigint, bigint, timestamptz, text, text[], text) FROM PUBLIC;
};

my $next_source = q{
#include "postgres.h"
#include "booking.h"

extern Datum booking_book_slot(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(booking_book_slot_with_remark);
Datum
booking_book_slot_with_remark(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(6))
		ereport(NOTICE, (errmsg("remark heard")));
	fcinfo->nargs = 6;
	return booking_book_slot(fcinfo);
}
};

# A function cannot get an argument by CREATE OR REPLACE, and whoever was granted
# the old one must have the new one.
my $update_script = q{
CREATE TEMP TABLE booking_grants AS
SELECT a.grantee, a.is_grantable
FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
WHERE p.oid = 'booking.book_slot'::pg_catalog.regproc AND a.grantee NOT IN (0, p.proowner);
DROP FUNCTION book_slot(bigint, bigint, bigint, timestamptz, text, text[]);
} . $next_function . q{
DO $$
DECLARE
	g record;
BEGIN
	FOR g IN SELECT * FROM pg_temp.booking_grants LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION booking.book_slot TO %s', g.grantee::regrole);
	END LOOP;
	IF to_regclass('booking.appointments') IS NOT NULL THEN
		ALTER TABLE booking.appointments ADD chair int;
	END IF;
END
$$;
DROP TABLE pg_temp.booking_grants;
};

sub edit
{
	my ($file, $change) = @_;
	local $_ = slurp_file("$tree/$file");
	$change->();
	append_to_file("$tree/$file.next", $_);
	rename "$tree/$file.next", "$tree/$file" or die $!;
	return;
}

# schema_parts() as the next version has it.
sub next_parts
{
	my ($parts) = slurp_file("$tree/booking--1.0.sql") =~ /^(CREATE FUNCTION schema_parts.*?^\$schema_parts\$;)/ms;
	$parts =~ s/^CREATE FUNCTION/CREATE OR REPLACE FUNCTION/;
	$parts =~ s/(request_hash bigint,\n)/$1\tchair int,\n/ or die 'appointments have changed';
	$parts =~ s/^(?=\('index', 'idx_barbers_active')/<<'END'/me or die 'indexes have changed';
('table', 'chairs', NULL, 'CREATE TABLE booking.chairs (id bigint PRIMARY KEY, name text)'),
('index', 'idx_chairs_name', 'chairs', 'CREATE INDEX idx_chairs_name ON booking.chairs (name)'),
('trigger', 'recheck', 'shops', 'CREATE TRIGGER recheck BEFORE UPDATE ON booking.shops
FOR EACH ROW EXECUTE FUNCTION booking.check_time_zone()'),
END
	return $parts;
}

sub make_next_version
{
	append_to_file("$tree/booking--1.0--1.0.next.sql", next_parts() . $update_script);
	append_to_file("$tree/src/next.c", $next_source);
	edit('booking.control', sub { s/^default_version.*$/default_version = '1.0.next'/m or die });
	edit('Makefile', sub {
		s/^(DATA = .*)$/$1 booking--1.0--1.0.next.sql/m or die;
		s/^(OBJS = \\\n)/$1\tsrc\/next.o \\\n/m or die;
	});
	return;
}

install('this version');
my $node = start_server('upgraded', install_path => "$work/copy" . ($bindir =~ s/\/bin$//r));
fill_shops($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE ROLE front LOGIN;
	GRANT USAGE ON SCHEMA booking TO front;
	GRANT EXECUTE ON FUNCTION booking.book_slot TO front;
	CREATE DATABASE fresh TEMPLATE template0});

# ---------------------------------------------------------------------------
# The next library is installed; the extension is still the old one
# ---------------------------------------------------------------------------

# Books the next free slot of that service and says its status.
my $book = q{SELECT b.status FROM booking.next_slots(8, now() + interval '1 day') n,
	booking.book_slot(n.barber_id, 8, 99, n.starts_at) b};
my $raw = q{INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
	SELECT barber_id, service_id, starts_at, ends_at FROM booking.appointments
	WHERE status = 'confirmed' AND starts_at > now() ORDER BY id LIMIT 1};

my $old = $node->background_psql('postgres', on_error_stop => 0);
is($old->query($book), 'confirmed', 'a session books');

make_next_version();
install('the next version');
is($old->query($book), 'confirmed', 'the next library is there: a session with the old one books');
is($node->safe_psql('postgres', $book), 'confirmed', 'a session with the next one books, before the update');
guards_and_books($node, 'postgres', 'before the update');

# ---------------------------------------------------------------------------
# The update
# ---------------------------------------------------------------------------

my $before = rows($node, 'postgres');
$node->safe_psql('postgres', 'ALTER EXTENSION booking UPDATE');
is($node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'booking'}), '1.0.next', 'updated');
same_list(rows($node, 'postgres', 'chair'), $before, 'no row differs');

is( $node->safe_psql('postgres', 'SELECT booking.setup()'),
	"created table chairs\ncreated index idx_chairs_name on chairs\ncreated trigger recheck on shops",
	'setup() adds what the next version has more');
is($node->safe_psql('postgres', 'SELECT booking.setup()'), '', 'and then lacks nothing');
guards_and_books($node, 'postgres', 'updated');
is($node->safe_psql('postgres', $book, extra_params => [ '-U', 'front' ]), 'confirmed', 'the front still may book');
my ($status, $out, $err) = $node->psql(
	'postgres', q{
	SELECT FROM booking.next_slots(8) n, booking.book_slot(n.barber_id, 8, 99, n.starts_at, remark => 'x')});
like($err, qr/NOTICE:  remark heard/, 'with what is new');

# A session with the old library: what has not changed works, and what has says so.
is($old->query('SELECT count(*) > 0 FROM booking.available_slots(8, current_date, current_date + 7)'),
	't', 'the old session reads');
unlike($old->query("$raw RETURNING 1"), qr/1/, 'it is guarded');
like($old->{stderr}, qr/booking refused: slot_taken/, 'by the guard');
$old->query($book);
like($old->{stderr}, qr/could not find function "booking_book_slot_with_remark"/, 'it is told what it lacks');
$old->quit;

# ---------------------------------------------------------------------------
# Installed afresh, by way of the update script
# ---------------------------------------------------------------------------

$node->safe_psql('fresh', 'CREATE EXTENSION booking');
cmp_ok($node->safe_psql('fresh', 'SELECT count(*) FROM booking.setup()'), '>', 50, 'a fresh database gets everything');
my $functions = q{SELECT p.oid::regprocedure, p.prosrc, obj_description(p.oid, 'pg_proc'), p.proacl FROM pg_proc p
	WHERE pronamespace = 'booking'::regnamespace AND proname <> 'book_slot' ORDER BY p.oid::regprocedure::text COLLATE "C"};
same_list($node->safe_psql('fresh', $functions), $node->safe_psql('postgres', $functions),
	'the same functions as in the updated one');

done_testing();
