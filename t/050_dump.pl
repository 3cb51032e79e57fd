# A dump, restored: the same rows and definitions, nothing done twice by a
# trigger, sequences that go on, and the guard over it.  If this fails, the
# restore after an incident is an incident of its own.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FilledShops;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_server('dumped');
my $files = $node->basedir;
$node->safe_psql(
	'postgres', q{
	CREATE DATABASE source;
	CREATE ROLE keeper LOGIN;
	CREATE ROLE front LOGIN});
fill_shops($node, 'source', 'keeper');
$node->safe_psql(
	'source', q{
	GRANT USAGE ON SCHEMA booking TO front;
	GRANT EXECUTE ON FUNCTION booking.book_slot TO front;
	REVOKE EXECUTE ON FUNCTION booking.free_time FROM PUBLIC;
	GRANT SELECT ON booking.services TO front;
	GRANT CREATE ON SCHEMA booking TO keeper;
	ALTER TABLE public.rings OWNER TO keeper});

my @run_script = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$files/out", '-f');

sub run_ok
{
	my ($name, @command) = @_;
	return $node->command_ok(\@command, $name);
}

# Everything that pg_dump knows of a database.  Its protection against other
# dumps has a random key; and where a row lies in its table is nobody's promise:
# a restored one may fill a gap in an earlier page.
sub dump_text
{
	my ($database, @options) = @_;
	my ($out, $err) = run_command([ 'pg_dump', '-d', $node->connstr($database), @options ]);
	$out =~ s/^\\(un)?restrict .*$//mg;
	$out =~ s{^(COPY [^\n]* FROM stdin;\n)(.*?)(?=^\\\.$)}{$1 . sorted_lines($2)}gems;
	return $out;
}

sub new_database
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	return;
}

my $source = dump_text('source');
my $schema = dump_text('source', '-s');
my $rings = $node->safe_psql('source', 'SELECT count(*) FROM public.rings');

sub is_restored
{
	my ($database, $name) = @_;

	same_list(dump_text($database), $source, "$name: nothing differs");
	is($node->safe_psql($database, 'SELECT booking.setup()'), '', "$name: setup() finds nothing missing");
	is($node->safe_psql($database, 'SELECT * FROM booking.find_structure_faults()'), '', "$name: nothing looks altered");
	guards_and_books($node, $database, $name);
	return;
}

# ---------------------------------------------------------------------------
# The whole database
# ---------------------------------------------------------------------------

run_ok('pg_dump', 'pg_dump', '-f', "$files/plain.sql", 'source');
new_database('plain');
run_ok('psql takes it', @run_script, "$files/plain.sql", 'plain');
is_restored('plain', 'pg_dump | psql');

run_ok('pg_dump -Fc', 'pg_dump', '-Fc', '-f', "$files/custom", 'source');
new_database('parallel');
run_ok('pg_restore -j2 takes it', 'pg_restore', '-e', '-j2', '-d', 'parallel', "$files/custom");
is_restored('parallel', 'pg_restore -j2');

# A front, and what was taken from everybody else.
my @as_front = (extra_params => [ '-U', 'front' ]);
is( $node->safe_psql(
		'parallel',
		q{SELECT b.status FROM booking.next_slots(8, now() + interval '2 days') n,
			booking.book_slot(n.barber_id, 8, 99, n.starts_at) b},
		@as_front),
	'confirmed',
	'the front may book');
my ($status, $out, $err) = $node->psql('parallel', 'SELECT booking.free_time(1, current_date)', @as_front);
like($err, qr/permission denied for function free_time/, 'and may not do what it may not do in the source');

# ---------------------------------------------------------------------------
# The schema, then the rows
# ---------------------------------------------------------------------------

run_ok('pg_dump -s', 'pg_dump', '-s', '-f', "$files/schema.sql", 'source');
unlike(slurp_file("$files/schema.sql"), qr/^(COPY|INSERT)/m, 'pg_dump --schema-only has no rows');
run_ok('pg_dump -a', 'pg_dump', '-Fc', '-a', '-f', "$files/rows", 'source');

sub restore_schema
{
	my ($database) = @_;
	new_database($database);
	return run_ok("the schema, into $database", @run_script, "$files/schema.sql", $database);
}

restore_schema('guarded');
same_list(dump_text('guarded', '-s'), $schema, 'schema only: no definition differs');
is($node->safe_psql('guarded', 'SELECT booking.setup()'), '', 'schema only: setup() finds nothing missing');
unlike(rows($node, 'guarded'), qr/\|[1-9]/, 'schema only: no rows');

# With its triggers: the guard looks at each row, finds it right and leaves it as
# it is; no history comes of it.  A trigger of the user's does what it does.
my @restore_rows = ('pg_restore', '-e', '-a', '-d');
run_ok('the rows, past the guard', @restore_rows, 'guarded', "$files/rows");
is($node->safe_psql('guarded', 'SELECT count(*) FROM public.rings'),
	$rings + $node->safe_psql('guarded', 'SELECT count(*) FROM booking.appointments'), 'the user is rung');
$node->safe_psql(
	'guarded', q{
	ALTER TABLE booking.appointments DISABLE TRIGGER USER;
	UPDATE booking.appointments SET front = left(front, -1);
	ALTER TABLE booking.appointments ENABLE TRIGGER USER});
same_list(rows($node, 'guarded'), rows($node, 'source'), 'past the guard: no row differs otherwise');
guards_and_books($node, 'guarded', 'past the guard');

# Without: no trigger does anything.  What only a replica fires has then become an
# ordinary trigger, which setup() puts right.
restore_schema('unguarded');
run_ok('the rows, without triggers', @restore_rows, 'unguarded', '--disable-triggers', "$files/rows");
is($node->safe_psql('unguarded', 'SELECT count(*) FROM booking.setup() s WHERE s ~ $$configuration_replicated$$'),
	9, 'without triggers: setup() has the triggers of a replica to put right');
$node->safe_psql('unguarded', 'REFRESH MATERIALIZED VIEW public.days');
is_restored('unguarded', 'without triggers');

# ---------------------------------------------------------------------------
# The tables' owner, who is no superuser
# ---------------------------------------------------------------------------

run_ok('the owner dumps the tables',
	'pg_dump', '-U', 'keeper', '-Fc', '-a', '-t', 'booking.*', '-f', "$files/owned", 'source');
restore_schema('owned');
$node->safe_psql('owned', 'ALTER TABLE booking.appointments DISABLE TRIGGER set_front');
run_ok('the owner restores their rows', @restore_rows, 'owned', '-U', 'keeper', "$files/owned");
same_list(rows($node, 'owned'), rows($node, 'source'), 'by the owner: no row differs');
guards_and_books($node, 'owned', 'by the owner');

# ---------------------------------------------------------------------------
# Rows that the guard would refuse today
# ---------------------------------------------------------------------------

# Three have a seat in a class that now has two.  A whole dump restores them,
# as it makes the triggers last; rows alone pass the guard only without it.
$node->safe_psql('plain', 'UPDATE booking.services SET capacity = 2 WHERE id = 17');
run_ok('a dump of a class that shrank', 'pg_dump', '-Fc', '-f', "$files/shrunk", 'plain');
new_database('shrunk');
run_ok('the whole of it', 'pg_restore', '-e', '-d', 'shrunk', "$files/shrunk");
same_list(rows($node, 'shrunk'), rows($node, 'plain'), 'a class that shrank: no row differs');

restore_schema('refused');
run_ok('its rows', 'pg_dump', '-Fc', '-a', '-f', "$files/shrunk_rows", 'plain');
$node->command_fails_like([ @restore_rows, 'refused', "$files/shrunk_rows" ],
	qr/booking refused: slot_taken/, 'its rows alone are refused by the guard');
restore_schema('accepted');
run_ok('and pass without triggers', @restore_rows, 'accepted', '--disable-triggers', "$files/shrunk");
same_list(rows($node, 'accepted'), rows($node, 'plain'), 'then no row differs');

done_testing();
