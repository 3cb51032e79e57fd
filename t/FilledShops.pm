# A database with every kind of row, and what is asked of a copy of it: has it
# the same rows, does it give the same answers, is it guarded?
#
# The copies are a restored dump, a standby, a subscriber, an upgraded server.

package FilledShops;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_server fill_shops rows answers sorted_lines same_list guards_and_books);

# A new server.  install_path is of another installation; the other parameters are
# those of Cluster's init.
sub start_server
{
	my ($name, %parameters) = @_;
	my $install = delete $parameters{install_path};

	# Cluster adds the installation's own to it.
	$ENV{LD_LIBRARY_PATH} //= '';
	my $node = PostgreSQL::Test::Cluster->new($name, $install ? (install_path => $install) : ());

	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ], %parameters);
	$node->append_conf('postgresql.conf', "jit = off\nautovacuum = off\n");
	$node->start;
	return $node;
}

# Makes the extension, the tables (of that owner, if one is named), and rows.
sub fill_shops
{
	my ($node, $database, $owner) = @_;
	my $setup = $owner ? "SELECT booking.setup('$owner')" : 'SELECT booking.setup()';

	$node->safe_psql($database, "CREATE EXTENSION booking; $setup;");
	foreach my $file ('../demo/demo.sql', 'filled_shops.sql')
	{
		run_log([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null',
				'-d', $node->connstr($database), '-f', "$FindBin::RealBin/$file" ])
		  or die "$file failed";
	}
	$node->safe_psql($database, 'VACUUM ANALYZE');
	my $empty = $node->safe_psql(
		$database, q{
		SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' AND reltuples <= 0});
	die "there are no rows in $empty" if $empty ne '';
	return;
}

# A line for each table of the schema: how many rows it has, and which; some
# columns may be left out.
sub rows
{
	my ($node, $database, @but) = @_;
	my $but = join ',', @but;
	my $tables = $node->safe_psql($database,
		q{SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' ORDER BY 1});
	my $query = join ' UNION ALL ', map {
		qq{SELECT '$_', count(*), md5(string_agg(r, ';' ORDER BY r COLLATE "C"))
			FROM booking.$_ t, CAST(to_jsonb(t) - '{$but}'::text[] AS text) r}
	} split /\n/, $tables;

	return $node->safe_psql($database, "SET timezone = 'UTC'; $query");
}

sub sorted_lines
{
	my ($text) = @_;
	return join '', map { "$_\n" } sort split /\n/, $text;
}

# What every reading function says of every shop, at an instant.  In which order
# the planner asks them is left out.
my $questions = q{
SELECT 'available_slots', s.id, a.* FROM booking.services s,
	booking.available_slots(s.id, current_date, current_date + 14) a;
SELECT 'next_slots', s.id, n.* FROM booking.services s, booking.next_slots(s.id, how_many => 20) n;
SELECT 'availability_by_day', s.id, a.* FROM booking.services s,
	booking.availability_by_day(s.id, current_date, current_date + 30) a;
SELECT 'free_time', b.id, f.* FROM booking.barbers b, booking.free_time(b.id, current_date, current_date + 14) f;
SELECT 'get_barber_availability', b.id, g.* FROM booking.barbers b, generate_series(0, 9) d,
	booking.get_barber_availability(b.id, current_date + d) g;
SELECT 'check_slot', o.barber_id, o.service_id, h, c.* FROM booking.barber_services o, generate_series(0, 96, 5) h,
	booking.check_slot(o.barber_id, o.service_id, current_date::timestamptz + h * interval '30 minutes') c;
SELECT 'available_visits', o.barber_id, v.* FROM booking.barber_services o,
	booking.available_visits(ARRAY[o.service_id, o.service_id], current_date + 7, current_date + 9, o.barber_id) v;
SELECT 'active_services', s.id, a.* FROM booking.shops s, booking.active_services(s.id) a;
SELECT 'active_barbers', s.id, a.* FROM booking.services s, booking.active_barbers(s.shop_id, s.id) a;
SELECT 'user_appointments', u.id, p.* FROM booking.users u, booking.user_appointments(u.id) p;
SELECT 'user_appointments', u.id, p.* FROM booking.users u, booking.user_appointments(u.id, false) p;
SELECT 'appointments_at_risk', s.id, a.* FROM booking.shops s, booking.appointments_at_risk(s.id) a;
SELECT 'for_appointment', p.id, a.* FROM booking.appointments p,
	booking.available_slots(p.service_id, current_date + 7, current_date + 9, for_appointment_id => p.id) a
	WHERE p.status IN ('pending', 'confirmed') AND p.service_id BETWEEN 15 AND 18;
};

sub answers
{
	my ($node, $database, $now) = @_;
	my $text = $node->safe_psql($database, "SET timezone = 'UTC'; SET booking.now = '$now'; $questions");

	foreach my $call ($questions =~ /^SELECT '(\w+)'/mg)
	{
		die "$call says nothing" unless $text =~ /^$call\|/m;
	}
	return sorted_lines($text);
}

# Passes when two texts are the same; otherwise shows which lines are not.
sub same_list
{
	my ($got, $want, $name) = @_;
	my $same = is($got eq $want ? 'the same' : 'different', 'the same', $name);

	unless ($same)
	{
		my %in_got = map { $_ => 1 } split /\n/, $got;
		my %in_want = map { $_ => 1 } split /\n/, $want;
		my @more = grep { !$in_want{$_} } split /\n/, $got;
		my @less = grep { !$in_got{$_} } split /\n/, $want;
		diag('the lines are the same, in another order') if !@more && !@less;
		diag(join "\n", (map { "has   $_" } @more[0 .. min(9, $#more)]), (map { "lacks $_" } @less[0 .. min(9, $#less)]));
	}
	return $same;
}

sub min { return $_[0] < $_[1] ? $_[0] : $_[1]; }

# A raw writer is refused, a booking gets an id that was never used, and its
# changes are kept in the history.
sub guards_and_books
{
	my ($node, $database, $name) = @_;
	my ($status, $out, $err) = $node->psql(
		$database, q{
		\set VERBOSITY sqlstate
		INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
		SELECT barber_id, service_id, starts_at, ends_at FROM booking.appointments
		WHERE status = 'confirmed' AND starts_at > now() ORDER BY id LIMIT 1});
	like($err, qr/23P01/, "$name: an overlapping INSERT is refused");

	my $before = $node->safe_psql($database, q{
		SELECT max(greatest(a.id, h.appointment_id)) FROM booking.appointments a, booking.appointment_history h});
	my ($id, $entries) = split /\|/, $node->safe_psql(
		$database, q{
		SELECT id FROM booking.next_slots(8, now() + interval '1 day') n,
			booking.book_slot(n.barber_id, 8, 99, n.starts_at) \gset
		SELECT FROM booking.cancel_appointment(:id, cancelled_by => 'shop') \gset
		SELECT :id, count(*) FROM booking.appointment_history WHERE appointment_id = :id});
	cmp_ok($id, '>', $before, "$name: a booking gets a fresh id");
	is($entries, 1, "$name: its cancellation is in the history once");
	return;
}

1;
