# What roles may do survives dump and restore: grants on the extension's own
# functions, which pg_dump keeps as differences from what CREATE EXTENSION
# makes, grants on the tables, and row security.  If this fails, a restored
# database is open to a front, or shut to it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('roles');
my $dir = PostgreSQL::Test::Utils::tempdir;

$node->init;
$node->start;

# ---------------------------------------------------------------------------
# A shop with a front, staff, a manager and a monitor
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', q{
CREATE ROLE front LOGIN;
CREATE ROLE staff LOGIN;
CREATE ROLE manager LOGIN;
CREATE ROLE monitor LOGIN;
CREATE DATABASE shop;
});
$node->safe_psql('shop', q{
CREATE EXTENSION booking;
SELECT booking.setup();
SELECT booking.grant_role(r::regrole, r) FROM unnest(ARRAY['front', 'staff', 'manager', 'monitor']) r;
SELECT booking.enable_row_security();
-- Something that was taken from everybody, and something given by hand.
REVOKE EXECUTE ON FUNCTION booking.schema_parts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION booking.expire_holds() TO monitor;
INSERT INTO booking.shops (id, name) VALUES (1, 'Dumped');
INSERT INTO booking.barbers (id, shop_id, name) VALUES (1, 1, 'Dora');
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes) SELECT 1, d, '00:00', '24:00' FROM generate_series(1, 7) d;
INSERT INTO booking.services (id, shop_id, name, duration_minutes) VALUES (1, 1, 'Cut', 30);
INSERT INTO booking.barber_services (barber_id, service_id) VALUES (1, 1);
INSERT INTO booking.users (id, email) VALUES (1, 'ann@example.org'), (2, 'bob@example.org');
INSERT INTO booking.appointments (id, barber_id, service_id, user_id, starts_at, ends_at) VALUES
	(101, 1, 1, 1, date_trunc('day', now()) + interval '5 days', date_trunc('day', now()) + interval '5 days 30 minutes'),
	(102, 1, 1, 2, date_trunc('day', now()) + interval '6 days', date_trunc('day', now()) + interval '6 days 30 minutes');
SELECT setval('booking.appointments_id_seq', 1000);
});

# Every privilege on the schema and what is in it, and every policy.
my $privileges = q{
SELECT o.name, coalesce(g.rolname, 'public'), a.privilege_type FROM (
	SELECT p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_proc p WHERE p.pronamespace = 'booking'::regnamespace
	UNION ALL SELECT c.oid::regclass::text, coalesce(c.relacl, acldefault('r', c.relowner)) FROM pg_class c
	WHERE c.relnamespace = 'booking'::regnamespace AND c.relkind IN ('r', 'v')
	UNION ALL SELECT nspname, nspacl FROM pg_namespace WHERE nspname = 'booking') o (name, acl)
CROSS JOIN LATERAL aclexplode(o.acl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
ORDER BY 1, 2, 3};
my $policies = q{
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, p.polname, p.polcmd, p.polroles, pg_get_expr(p.polqual, p.polrelid)
FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid WHERE c.relnamespace = 'booking'::regnamespace AND c.relkind = 'r' ORDER BY 1, 4};

my $granted = $node->safe_psql('shop', $privileges);
my $secured = $node->safe_psql('shop', $policies);
like($granted, qr/^booking\.book_slot\(.*\|front\|EXECUTE$/m, 'there is something to lose');
like($secured, qr/booking_customer/, 'and policies');

# ---------------------------------------------------------------------------
# What they may do
# ---------------------------------------------------------------------------

# The SQLSTATE of a statement as some role, acting for a user or shop; or its result.
sub as
{
	my ($database, $role, $setting, $statement) = @_;
	my ($result, $out, $err) = $node->psql($database,
		"BEGIN; $setting $statement",
		extra_params => [ '-U', $role, '-q', '-v', 'VERBOSITY=sqlstate' ]);

	return $result == 0 ? $out : $err =~ /ERROR:  (\w{5})/ ? $1 : $err;
}

sub check_roles
{
	my ($database, $when) = @_;
	my $ann = "SET LOCAL booking.user_id = '1';";
	my $shop = "SET LOCAL booking.shop_id = '1';";
	my $slot = "date_trunc('day', now()) + interval '7 days'";

	is(as($database, 'front', $ann, "SELECT status FROM booking.book_slot(1, 1, 1, $slot);"), 'confirmed', "$when: a front books for its customer");
	is(as($database, 'front', $ann, 'SELECT status FROM booking.cancel_appointment(101);'), 'cancelled', "$when: cancels the customer's");
	is(as($database, 'front', $ann, 'SELECT booking.cancel_appointment(102);'), 'P0002', "$when: but no other's");
	is(as($database, 'front', '', 'SELECT booking.cancel_appointment(101);'), '42501', "$when: nor for nobody");
	is(as($database, 'front', $ann, "SELECT booking.book_slot(1, 1, 2, $slot);"), '42501', "$when: nor books for another");
	is(as($database, 'front', $ann, 'SELECT * FROM booking.users;'), '42501', "$when: reads no table");
	is(as($database, 'front', $shop, 'SELECT * FROM booking.get_barber_availability(1, current_date);'), '42501', "$when: is no staff");
	is(as($database, 'staff', $shop, 'SELECT count(*) FROM booking.appointments;'), '2', "$when: staff read their shop's");
	is(as($database, 'staff', "SET LOCAL booking.shop_id = '2';", 'SELECT count(*) FROM booking.appointments;'), '0', "$when: and no other's");
	is(as($database, 'staff', $shop, "SELECT status FROM booking.cancel_appointment(102, NULL, 'shop');"), 'cancelled', "$when: speak for it");
	is(as($database, 'staff', $shop, "UPDATE booking.services SET name = 'x';"), '42501', "$when: and do not manage it");
	is(as($database, 'manager', '', "UPDATE booking.services SET name = 'x' RETURNING name;"), 'x', "$when: a manager does");
	is(as($database, 'monitor', '', 'SELECT booking.book_slot(1, 1, 1, now());'), '42501', "$when: a monitor does not book");
	is(as($database, 'monitor', '', 'SELECT booking.schema_parts();'), '42501', "$when: what was taken from everybody is taken");
	return;
}

check_roles('shop', 'before');

# ---------------------------------------------------------------------------
# Plain, and as an archive
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE plain; CREATE DATABASE archive;');
$node->command_ok([ 'pg_dump', '-f', "$dir/shop.sql", $node->connstr('shop') ], 'pg_dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/shop.sql", $node->connstr('plain') ], 'psql');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/shop.dump", $node->connstr('shop') ], 'pg_dump -Fc');
$node->command_ok([ 'pg_restore', '-j2', '-e', '-d', $node->connstr('archive'), "$dir/shop.dump" ], 'pg_restore -j2');
foreach my $database ('plain', 'archive')
{
	is($node->safe_psql($database, $privileges), $granted, "$database: the same privileges");
	is($node->safe_psql($database, $policies), $secured, "$database: the same policies");
	is($node->safe_psql($database, 'SELECT * FROM booking.find_structure_faults()'), '', "$database: none of them looks altered");
	is($node->safe_psql($database, 'SELECT booking.enable_row_security()'), '', "$database: nor is replaced");
	check_roles($database, $database);
}

# A role that has lost all it had in each database can be dropped.
$node->safe_psql($_, 'SELECT booking.revoke_role(\'front\')') foreach ('shop', 'plain', 'archive');
$node->safe_psql('postgres', 'DROP ROLE front');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname = 'front'}), '0', 'a front is gone');

$node->stop;
done_testing();
