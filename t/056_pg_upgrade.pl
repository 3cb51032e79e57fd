# pg_upgrade: a cluster of an older PostgreSQL becomes one of this, with the same
# rows and the same answers, and is guarded.  If this fails, a shop cannot leave a
# release that is no longer maintained.
#
# BOOKING_OLD_INSTALL is where the older PostgreSQL lies, with the extension in
# it (its bin/ and lib/); scripts/matrix puts one there.  Without it this server
# is upgraded to itself, which shows as much of it as one version can.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FilledShops;
use PostgreSQL::Test::Utils;
use Test::More;

my $install = $ENV{BOOKING_OLD_INSTALL};

# A cluster without checksums cannot become one with them, the default since 18.
my $old = start_server('old', install_path => $install);
my @checksums = $old->pg_version < 18 ? (no_data_checksums => 1) : ();
my $new = start_server('new', @checksums);

# Minor releases of late 2026 give each column a version, which pg_upgrade to an
# older minor release of a newer major one cannot bring over, whosever table it is.
my $column_options = q{CREATE TEMP TABLE t (a int);
	SELECT attoptions FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum = 1};
if ($old->safe_psql('postgres', $column_options) ne '' && $new->safe_psql('postgres', $column_options) eq '')
{
	diag(sprintf('PostgreSQL %s takes no table of %s: it knows no versions of columns', $new->pg_version, $old->pg_version));
	$old->stop;
	$install = undef;
	$old = start_server('same', @checksums);
}
diag(sprintf('from PostgreSQL %s to %s', $old->pg_version, $new->pg_version));

fill_shops($old, 'postgres', 'postgres');
$old->safe_psql(
	'postgres', q{
	CREATE ROLE front LOGIN;
	GRANT USAGE ON SCHEMA booking TO front;
	GRANT EXECUTE ON FUNCTION booking.book_slot TO front});
my $now = $old->safe_psql('postgres', 'SELECT now()');
my $rows = rows($old, 'postgres');
my $answers = answers($old, 'postgres', $now);
$old->stop;
$new->stop;

# It leaves a script where it is run, and makes its socket there.
my $work = PostgreSQL::Test::Utils::tempdir_short;
my @command = (
	'pg_upgrade', '--no-sync',
	'-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'),
	'-d', $old->data_dir, '-D', $new->data_dir,
	'-p', $old->port, '-P', $new->port, '-s', $new->host);
{
	# What the older server needs and this system has not.
	local $ENV{LD_LIBRARY_PATH} = "$install/lib:$ENV{LD_LIBRARY_PATH}" if $install;
	chdir $work or die $!;
	my ($out, $err) = run_command(\@command);
	like($out, qr/Upgrade Complete/, 'pg_upgrade')
	  or diag($out, $err, map { slurp_file($_) } glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log'));
}

$new->start;
same_list(rows($new, 'postgres'), $rows, 'upgraded: no row differs');
same_list(answers($new, 'postgres', $now), $answers, 'upgraded: the same answers');
is($new->safe_psql('postgres', 'SELECT booking.setup()'), '', 'upgraded: setup() finds nothing missing');
guards_and_books($new, 'postgres', 'upgraded');
is( $new->safe_psql(
		'postgres',
		q{SELECT b.status FROM booking.next_slots(8, now() + interval '1 day') n,
			booking.book_slot(n.barber_id, 8, 98, n.starts_at) b},
		extra_params => [ '-U', 'front' ]),
	'confirmed',
	'upgraded: the front may book');
# The definitions are whole: what was upgraded can be dumped and restored.
$new->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
command_ok([ 'sh', '-c', sprintf(q{pg_dump -d "%s" | psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -d "%s"},
			$new->connstr('postgres'), $new->connstr('restored')) ], 'upgraded: it can be dumped and restored');
same_list(rows($new, 'restored'), rows($new, 'postgres'), 'and no row differs');

done_testing();
