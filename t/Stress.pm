# What the stress runs have in common: clients of a private server, each working
# through a script of its own until the time is over, and what the server's log
# says of them afterwards.
#
# BOOKING_SEED repeats what the clients try, though not the order in which they
# meet; BOOKING_STRESS_SECONDS says how long.

package Stress;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw($node $seconds $seed start_server one_of nap start_psql start_pgbench stop_in finish_clients
  said_by_clients finds met_no_other_error);

our $node;
our $seconds = $ENV{BOOKING_STRESS_SECONDS} // 20;
our $seed = $ENV{BOOKING_SEED} // int(rand(1_000_000));
my $scripts = PostgreSQL::Test::Utils::tempdir;

sub start_server
{
	my ($name) = @_;
	srand($seed);
	diag("BOOKING_SEED=$seed BOOKING_STRESS_SECONDS=$seconds");

	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf(
		'postgresql.conf', q{
max_connections = 100
max_prepared_transactions = 40
deadlock_timeout = 100ms
log_statement = none
log_line_prefix = '%m [%p] %a:%e: '
timezone = 'UTC'
jit = off
});
	$node->start;
	return;
}

sub one_of { return $_[ int(rand(@_)) ]; }
sub nap { return sprintf("SELECT pg_sleep(%.3f);\n", rand(0.04)); }

# ---------------------------------------------------------------------------
# Clients
# ---------------------------------------------------------------------------

my @running;
my $stop;

sub start_client
{
	my ($name, @command) = @_;
	local $ENV{PGAPPNAME} = $name;
	push @running, IPC::Run::start(\@command, '<', \undef, '>', "$scripts/out.$#running", '2>&1',
		IPC::Run::timeout($seconds + 180));
	return;
}

# A psql process with transactions drawn from some kinds.
my $client_count = 0;

sub start_psql
{
	my ($name, $database, $kinds) = @_;
	my @kinds = sort keys %$kinds;
	my $worker = $client_count++;
	my $script = '';
	foreach my $n (1 .. 100 * ($seconds + 5))
	{
		$script .= "SELECT clock_timestamp() > '$stop' AS over \\gset\n\\if :over\n\\q\n\\endif\n"
		  . $kinds->{ one_of(@kinds) }->("w$worker-$n");
	}
	append_to_file("$scripts/$worker.sql", $script);
	start_client($name, 'psql', '-X', '-q', '-A', '-t', '-f', "$scripts/$worker.sql",
		'-d', $node->connstr($database));
	return;
}

sub start_pgbench
{
	my ($name, $clients, %script) = @_;
	my @files;
	foreach my $file (sort keys %script)
	{
		my $path = "$scripts/" . $client_count++ . "-$file.sql";
		append_to_file($path, $script{$file});
		push @files, '-f', $path;
	}
	start_client($name, 'pgbench', '-n', '-M', 'prepared', '-T', $seconds, '-c', $clients, '-j', 1,
		"--random-seed=$seed", @files, '-h', $node->host, '-p', $node->port, 'postgres');
	return;
}

sub stop_in
{
	my ($wanted) = @_;
	$stop = $node->safe_psql('postgres', "SELECT clock_timestamp() + interval '$wanted seconds'");
	return;
}

# Exit codes of the clients that failed
sub finish_clients
{
	my @failed = grep { !$_->finish } @running;
	@running = ();
	return scalar @failed;
}

# ---------------------------------------------------------------------------
# Afterwards
# ---------------------------------------------------------------------------

# What the clients of the latest start_...() calls printed, errors included.
sub said_by_clients { return join('', map { slurp_file($_) } sort glob("$scripts/out.*")); }

sub finds
{
	my ($query, $expected, $test) = @_;
	is($node->safe_psql('postgres', $query), $expected, $test);
	return;
}

# The clients of that name met no error but those that they have to expect.
sub met_no_other_error
{
	my ($name, @expected) = @_;
	my %expected = map { $_ => 1 } @expected;
	my %errors;
	foreach (split /\n/, slurp_file($node->logfile))
	{
		$errors{$1}++ if /^\S+ \S+ \S+ \[\d+\] \Q$name\E:(\w{5}): (?:ERROR|FATAL|PANIC): /;
	}
	my @unexpected = grep { !$expected{$_} } sort keys %errors;
	note("errors of ${name}s: " . join(', ', map { "$_ $errors{$_}" } sort keys %errors));
	is(join(' ', @unexpected), '', "no $name met an error it need not expect");
	return;
}

1;
