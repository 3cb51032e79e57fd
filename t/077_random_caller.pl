# Everybody calls everything: each function of the extension, as a front, a
# customer, staff, a manager, a monitor and nobody, with arguments that are meant
# and arguments that are extreme, between whole stories that go well; in two
# databases at once, of which one has row security on.  Whatever the answer, the
# server goes on, says why not in a code that callers know, gives no more rows
# than booking.max_rows, shows a customer or a shop nothing of another's, keeps no
# lock, and has sound tables afterwards, which a dump carries elsewhere.
#
# BOOKING_SEED repeats the calls, on the same date and for as many
# BOOKING_STRESS_SECONDS, though not the order in which clients meet.

use strict;
use warnings FATAL => 'all';

BEGIN { $ENV{BOOKING_STRESS_SECONDS} //= 60; }

use FindBin;
use lib $FindBin::RealBin;
use Calls;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

start_server('random');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'booking'\nrestart_after_crash = on\n");
$node->restart;

# Row security off, in a database that takes any bytes for text; and on
my %databases = (plain => 'off', secure => 'on');

$node->safe_psql('postgres', q{
CREATE ROLE caller_owner; CREATE ROLE caller_front; CREATE ROLE caller_staff; CREATE ROLE caller_manager; CREATE ROLE caller_monitor;
CREATE ROLE caller_dba IN ROLE pg_monitor; CREATE ROLE caller_public; CREATE ROLE caller_nobody;
CREATE DATABASE plain TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C';
CREATE DATABASE secure TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
});
foreach my $database (sort keys %databases)
{
	$node->command_ok([ 'psql', '-X', '-q', '-v', "row_security=$databases{$database}", '-f', "$FindBin::RealBin/random_caller.sql", '-d', $node->connstr($database) ],
		"there is something to call in database $database");
}
read_functions('plain');

# ---------------------------------------------------------------------------
# Who calls
# ---------------------------------------------------------------------------

# What ends a statement of ours that takes too long is a fault, not an answer.
my $long = "SET application_name = 'caller';\nSET statement_timeout = '30s';\n";

sub caller_of { my ($name, $role, $whose, $who, $settings) = @_; return { name => $name, role => $role, whose => $whose, who => $who, settings => $settings // '' }; }
sub for_user { my ($name, $role, $user) = @_; return caller_of($name, $role, 'user', $user, "SET booking.user_id = '$user';\n"); }
sub for_shop { my ($name, $role, $shop) = @_; return caller_of($name, $role, 'shop', $shop, "SET booking.shop_id = '$shop';\n"); }

sub customer_through_front { return for_user('customer', 'caller_front', shift // customer()); }
sub staff_of_shop { return for_shop('staff of a shop', 'caller_staff', shift // one_of(1, 2, 3)); }
sub plain { my ($name, $role, $whose) = @_; return caller_of($name, $role, $whose // '', 0); }

my @somebody = (
	\&customer_through_front, \&customer_through_front, \&staff_of_shop, \&staff_of_shop,
	sub { plain('front', 'caller_front') },
	sub { plain('staff', 'caller_staff') },
	sub { plain('manager', 'caller_manager') },
	sub { for_shop('manager of a shop', 'caller_manager', one_of(1, 2, 3)) },
	sub { for_user('staff for a customer', 'caller_staff', customer()) },
	sub { caller_of('front for a shop', 'caller_front', '', 0, "SET booking.shop_id = '1';\n") },
	sub { plain('monitor', 'caller_monitor', 'stranger') },
	sub { my $user = customer(); caller_of('monitor for a customer', 'caller_monitor', 'stranger', 0, "SET booking.user_id = '$user';\n") },
	sub { plain('pg_monitor', 'caller_dba', 'stranger') },
	sub { plain('public', 'caller_public', 'stranger') });

# ---------------------------------------------------------------------------
# How they call
# ---------------------------------------------------------------------------

sub begin_as { my ($caller) = @_; return "$caller->{settings}SET ROLE $caller->{role};\n"; }
my $end_as = "RESET ROLE;\nSET booking.user_id = '';\nSET booking.shop_id = '';\n";

sub picks
{
	my ($caller) = @_;
	return sprintf("SELECT appointment, entry FROM caller.pick('%s', %s, %d) \\gset\nSELECT appointment AS other, entry AS other_entry FROM caller.pick('any', 0, %d) \\gset\n",
		$caller->{whose}, $caller->{who}, int(rand(100)), int(rand(100)));
}

sub after_an_error { my ($call) = @_; return "\\if :ERROR\nSELECT caller.judge_locks('an error');\n\\endif\n"; }

# A call by itself, or some in a transaction, each under a savepoint.
sub as
{
	my ($caller, @calls) = @_;
	my $plain = chance(0.5);
	my $level = one_of('', '', '', 'ISOLATION LEVEL REPEATABLE READ', 'ISOLATION LEVEL SERIALIZABLE', 'READ ONLY');
	my $hasty = chance(0.03) ? "SET application_name = 'hasty';\nSET statement_timeout = " . (1 + int(rand(15))) . ";\n" : '';
	my $script = picks($caller) . begin_as($caller) . $hasty;
	$script = "\\c -\n$script" if chance(0.01);
	return $script . join('', map { $_ . after_an_error() } @calls) . $long . $end_as if $plain;
	return $script . "BEGIN $level;\n" . join('', map { "SAVEPOINT s;\n$_\\if :ERROR\nROLLBACK TO s;\nSELECT caller.judge_locks('an error');\n\\endif\n" } @calls)
	  . one_of('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK') . ";\n$long$end_as";
}

my @all = map { $_->{name} } functions();

sub random_calls
{
	my $caller = one_of(@somebody)->();
	return as($caller, map { random_call($caller, one_of(@all), one_of(0, 0.1, 0.1, 0.3, 1)) } 1 .. one_of(1, 2, 5, 10));
}

# A superuser may do anything, and takes it back.
my @settings = ("booking.now = '1900-01-02'", "booking.now = '9999-12-30 23:00Z'", "booking.now = '294276-12-31'", 'booking.leaf_scan = off', 'booking.track = off',
	'booking.cache_size = 0', "booking.actor = '(((('", 'row_security = off', 'enable_indexscan = off', "booking.user_id = '7'", "booking.shop_id = '2'", "timezone = 'Pacific/Apia'");

sub superuser_calls
{
	my $caller = caller_of('superuser', 'NONE', '', 0);
	return picks($caller) . "BEGIN;\nSET LOCAL lock_timeout = '2s';\n"
	  . join('', map {
			"SAVEPOINT s;\n" . (chance(0.5) ? 'SET LOCAL ' . one_of(@settings) . ";\n\\if :ERROR\nROLLBACK TO s;\n\\endif\n" : '') . random_call($caller, one_of(@all), one_of(0, 0.1, 0.5)) . "\\if :ERROR\nROLLBACK TO s;\n\\endif\n"
	  } 1 .. one_of(1, 2, 3)) . "ROLLBACK;\n";
}

sub nobody_calls
{
	my $caller = plain('nobody', 'caller_nobody', 'nobody');
	return as($caller, random_call($caller, one_of(@all), 0));
}

# A table is read in one snapshot with what the judge knows.  Where row security is off all of it is to be seen.
sub tables_read
{
	my ($row_security) = @_;
	my $caller = one_of(\&staff_of_shop, \&staff_of_shop, sub { for_user('staff for a customer', 'caller_staff', customer()) },
		sub { for_shop('manager of a shop', 'caller_manager', one_of(1, 2, 3)) }, sub { plain('monitor', 'caller_monitor', 'stranger') })->();
	$caller->{whose} = '' if $row_security eq 'off' && $caller->{whose} ne 'stranger';
	return begin_as($caller) . "BEGIN ISOLATION LEVEL REPEATABLE READ;\n"
	  . join('', map { "SAVEPOINT s;\n" . table_read($caller, $_) . "\\if :ERROR\nROLLBACK TO s;\n\\endif\n" } grep { chance(0.3) } tables())
	  . "COMMIT;\n$end_as";
}

# ---------------------------------------------------------------------------
# Stories: one call follows from the other
# ---------------------------------------------------------------------------

# Keeps a start that is offered; else one that is none.
sub choose
{
	my ($source) = @_;
	return "\\set starts_at 2000-01-01\n\\set barber_id 1\nSELECT barber_id, starts_at FROM booking.$source OFFSET " . int(rand(12)) . " LIMIT 1 \\gset\n";
}
my $chosen = [ starts_at => q{:'starts_at'} ];
my $chosen_barber = [ barber_id => ':barber_id' ];
my $id = [ appointment_id => ':id' ];
my $take_id = q{coalesce(min((to_jsonb(r) ->> 'id')::bigint), 0) AS id};

sub story { my ($caller, @steps) = @_; return "\\set id 0\n\\set entry 0\n\\set starts_at 2000-01-01\n" . begin_as($caller) . join('', map { $_ . after_an_error() } @steps) . $end_as; }
sub steps { return map { chance(0.8) ? $_ : () } @_; }

sub of_customer
{
	my ($story) = @_;
	my $user = customer();
	my $shop = chance(0.7) ? shop_of_customer($user) : one_of(1, 2, 3);
	my $caller = chance(0.8) ? customer_through_front($user) : staff_of_shop($shop);
	return story($caller, $story->($caller, $shop, [ user_id => $user ], [ service_id => service_of($shop) ]));
}

sub move
{
	my ($caller, $service, @more) = @_;
	return (sprintf("SELECT barber_id, starts_at FROM booking.available_slots(%d, %s, current_date + 14, for_appointment_id => :id) OFFSET %d LIMIT 1 \\gset\n", $service, some_day(3), int(rand(30)))
		  . judged($caller, 'reschedule_appointment', [ $id, $chosen, @more ]));
}

# To another shop: the same customer's, and no longer the first shop's.
sub leave_shop
{
	my ($caller) = @_;
	my $shop = one_of(1, 2, 3);
	my $service = service_of($shop);
	return (choose("next_slots($service, " . some_time() . ', 12)'), judged($caller, 'reschedule_appointment', [ $id, $chosen, $chosen_barber, [ service_id => $service ] ]));
}

my %stories = (
	hold => sub {
		my ($caller, $shop, $user, $service) = @_;
		return (choose("next_slots($service->[1], " . some_time() . ', 12)'),
			judged($caller, 'hold_slot', [ $chosen_barber, $service, $user, $chosen, [ hold_for => one_of('NULL', q{'1 second'}, q{'1 hour'}) ] ], $take_id),
			steps(judged($caller, 'confirm_appointment', [$id]), move($caller, $service->[1]), judged($caller, 'cancel_appointment', [$id])));
	},
	booking => sub {
		my ($caller, $shop, $user, $service) = @_;
		return (choose("next_slots($service->[1], " . some_time() . ', 12)'),
			judged($caller, 'book_slot', [ one_of($chosen_barber, [ barber_id => 'NULL' ]), $service, $user, $chosen ], $take_id),
			steps(move($caller, $service->[1], [ barber_id => barber_of($shop) ], [ service_id => service_of($shop) ]), move($caller, $service->[1]), leave_shop($caller),
				judged($caller, 'cancel_appointment', [ $id, [ reason => q{'ill'} ] ])));
	},
	visit => sub {
		my ($caller, $shop, $user) = @_;
		my $services = join(',', map { service_of($shop) } 1 .. one_of(2, 2, 3));
		my $day = some_day();
		return ("\\set items {}\nSELECT items FROM booking.available_visits('{$services}', $day, $day + 1) OFFSET " . int(rand(40)) . " LIMIT 1 \\gset\n",
			judged($caller, 'book_visit', [ $user, [ items => q{:'items'} ] ], $take_id),
			steps(move($caller, service_of($shop)), judged($caller, 'cancel_appointment', [$id]), judged($caller, 'user_appointments', [ $user, [ upcoming => 'true' ] ])));
	},
	series => sub {
		my ($caller, $shop, $user, $service) = @_;
		return (judged($caller, 'book_series', [ [ barber_id => one_of('NULL', barber_of($shop)) ], $service, $user, [ first_starts_at => some_time() ],
			[ every => one_of(q{'7 days'}, q{'1 day'}, q{'1 mon'}) ], [ occurrences => one_of(1 .. 6) ], [ on_conflict => q{'skip'} ] ], q{coalesce(min((to_jsonb(r) ->> 'appointment_id')::bigint), 0) AS id}),
			steps(move($caller, $service->[1]), judged($caller, 'cancel_appointment', [$id])));
	},
	waiting => sub {
		my ($caller, $shop, $user, $service) = @_;
		my $from = some_time();
		return (judged($caller, 'join_waitlist', [ $user, $service, [ earliest => $from ], [ latest => "$from + interval '5 hours'" ] ], 'coalesce(min(r), 0) AS entry'),
			steps(judged($caller, 'user_appointments', [$user],
					q{coalesce(min((to_jsonb(r) ->> 'appointment_id')::bigint) FILTER (WHERE to_jsonb(r) ->> 'status' = 'pending'), 0) AS id}),
				judged($caller, 'confirm_appointment', [$id]), judged($caller, 'leave_waitlist', [ [ entry_id => ':entry' ] ])));
	});

# The desk's: what has begun, what waits, who does not come.
sub desk_story
{
	my $shop = one_of(1, 2, 3);
	my $caller = one_of(staff_of_shop($shop), plain('staff', 'caller_staff'));
	my ($barber, $service) = ([ barber_id => barber_of($shop) ], [ service_id => service_of($shop) ]);
	my $past = sprintf("now() - interval '%d minutes'", 1 + int(rand(600)));
	return sprintf("SELECT appointment FROM caller.pick('shop', %d, %d) \\gset\n", $shop, int(rand(30)))
	  . story($caller,
		judged($caller, 'book_slot', [ $barber, $service, [ user_id => one_of('NULL', customer()) ], [ starts_at => $past ], [ overrides => q{'{hours,notice,grid,limits}'} ] ], $take_id),
		steps(judged($caller, 'check_in', [$id]), judged($caller, one_of('complete_appointment', 'mark_no_show'), [$id]),
			judged($caller, one_of('confirm_appointment', 'decline_appointment', 'cancel_appointment', 'check_in'), [ [ appointment_id => ':appointment' ] ]),
			judged($caller, 'expire_holds', []), judged($caller, 'appointments_at_risk', [ [ shop_id => $shop ] ]),
			judged($caller, 'get_barber_availability', [ $barber, [ date => some_day() ] ])));
}

# Nothing of it makes wrong what is booked: limits and capacities are not lowered.
sub manager_story
{
	my $shop = one_of(1, 2);
	my $caller = for_shop('manager of a shop', 'caller_manager', $shop);
	my ($barber, $service, $day, $time) = (barber_of($shop), service_of($shop), some_day(), some_time());
	my @changes = (
		"INSERT INTO booking.time_off (barber_id, starts_at, ends_at, reason) VALUES ($barber, $time, $time + interval '1 hour', '(n$shop)');\n",
		"DELETE FROM booking.time_off WHERE barber_id = $barber AND starts_at > now() + interval '1 day';\n",
		"INSERT INTO booking.schedule_overrides (barber_id, on_date, opens, closes, note) VALUES ($barber, $day, '09:00', '21:00', '(n$shop)');\n",
		"DELETE FROM booking.schedule_overrides WHERE barber_id = $barber;\n",
		'UPDATE booking.services SET price_cents = ' . int(rand(10000)) . " WHERE id = $service;\n",
		'UPDATE booking.barbers SET is_active = ' . one_of('true', 'true', 'false') . ", priority = priority + 1 WHERE id = $barber;\n",
		"UPDATE booking.shops SET slot_interval_minutes = " . one_of(10, 15, 30) . " WHERE id = $shop;\n");
	return story($caller, one_of(@changes), judged($caller, 'business_metrics', [ [ shop_id => $shop ], [ from_date => 'current_date' ], [ to_date => 'current_date + 7' ] ]),
		judged($caller, 'verify', []));
}

# What a shop writes down about an appointment is its own, also when that moves.
sub owner_story
{
	my $other = int(rand(40));
	return "SELECT appointment FROM caller.pick('any', 0, $other) \\gset\nSET ROLE caller_owner;\n"
	  . "UPDATE booking.appointments a SET notes = format('(n%s)', b.shop_id) FROM booking.barbers b WHERE b.id = a.barber_id AND a.id = :appointment AND a.notes IS NULL;\n$end_as";
}

# Answers that are as long as they get.
sub greedy_calls
{
	my $caller = one_of(@somebody)->();
	my ($shop, $day) = (one_of(1, 2, 3, 3, 3), some_day());
	my ($service, $barber, $until) = ([ service_id => $shop == 3 ? 8 : service_of($shop) ], [ barber_id => one_of(barber_of($shop), 'NULL') ], [ to_date => "$day + 365" ]);
	return as($caller, one_of(
		judged($caller, 'available_slots', [ $service, [ from_date => $day ], $until, $barber ]),
		judged($caller, 'next_slots', [ $service, [ how_many => 10000 ], $barber ]),
		judged($caller, 'availability_by_day', [ $service, [ from_date => $day ], $until, $barber ]),
		judged($caller, 'available_visits', [ [ service_ids => "ARRAY[$service->[1], " . service_of($shop) . ']' ], [ from_date => $day ], $until, $barber ]),
		judged($caller, 'free_time', [ [ barber_id => barber_of($shop) ], [ from_date => $day ], $until ])));
}

# ---------------------------------------------------------------------------
# A minute of it
# ---------------------------------------------------------------------------

sub kinds
{
	my ($database) = @_;
	my %kinds = (
		(map { my $story = $stories{$_}; $_ => sub { of_customer($story) } } keys %stories),
		(map { ("random calls $_" => \&random_calls) } 1 .. 10),
		greedy => sub { chance(0.2) ? greedy_calls() : random_calls() },
		superuser => \&superuser_calls, nobody => \&nobody_calls, desk => \&desk_story, manager => \&manager_story, owner => \&owner_story,
		tables => sub { tables_read($databases{$database}) });
	return { map { my $kind = $kinds{$_}; $_ => sub { $long . $kind->() . (chance(0.2) ? nap() : '') } } keys %kinds };
}

# What a complaint is about: what is wrong with which function or table, whatever the ids.
sub kind_of
{
	my ($complaint) = @_;
	my ($wrong, $name) = $complaint =~ /^(.*?)(booking\.\w+)/ or return $complaint;
	return ($wrong =~ s/(?:\w+ )?\w*\d,? ?//gr) . $name;
}

my %calls;
my %complaints;
my @told_marks;
sub read_answers
{
	foreach (split /\n/, shift)
	{
		if (/^\@call (.*) (\S+) (\w{5})$/) { $calls{$2}{$3}++; }
		elsif (/WARNING:  complaint: (.*)/) { push @{ $complaints{ kind_of($1) } }, substr($1, 0, 600); }
		elsif (/\([un]\d+\)/) { push @told_marks, $_; }
	}
	return;
}

# What the log says of processes that did not end by themselves, and what they were at.
sub went_down { return slurp_file($node->logfile) =~ /^.*(?:terminated by signal|PANIC: |TRAP: |server process .* exited with exit code)[^\n]*(?:\n[^\n]*DETAIL:[^\n]*(?:\n\t[^\n]*)*)?/mg; }

# Whatever has drawn numbers until now.
srand($seed);
stop_in($seconds);
foreach my $database (sort keys %databases)
{
	start_psql('caller', $database, kinds($database)) foreach 1, 2;
}
is(finish_clients(), 0, 'all clients went through');
read_answers(said_by_clients());

# Where there was too little time for a function to be answered, it is asked again.
my @missing;
foreach my $try (0 .. 20)
{
	@missing = grep { !$calls{$_}{'00000'} } map { $_->{name} } grep { $_->{result} ne 'trigger' } functions();
	last if !@missing || went_down();
	my $script = $long . join('', map { desk_story() } 1 .. 3);
	foreach my $function ((@missing) x 10)
	{
		my $caller = caller_of('superuser', 'NONE', one_of('user', 'shop', 'any'), one_of(1, 2));
		$script .= picks($caller);
		$caller->{whose} = '';
		$script .= "BEGIN;\n" . random_call($caller, $function, 0) . "ROLLBACK;\n";
	}
	my $stderr;
	$node->psql('plain', $script, stderr => \$stderr, on_error_stop => 0);
	read_answers($stderr);
}
foreach my $function (sort keys %calls)
{
	note("$function: " . join(', ', map { "$_ $calls{$function}{$_}" } sort keys %{ $calls{$function} }));
}

# ---------------------------------------------------------------------------
# What came of it
# ---------------------------------------------------------------------------

# Errors that callers have to expect: the extension's own, bad arguments, broken
# constraints, missing rights, and what ends a transaction that another is in the way of.
my $expected = qr/^(?:SL\d\d\d|22...|23...|42501|P0002|25006|40001|40P01|55P03|54000|55000|0A000|39P01)$/;

# The server's log as [ client, state, message, statement ].
sub errors_of
{
	my ($client) = @_;
	my (@errors, %latest);
	foreach (split /\n(?!\t)/, slurp_file($node->logfile))
	{
		next if !/^\S+ \S+ \S+ \[(\d+)\] \Q$client\E:(\w{5}): (\w+):\s+(.*)/s;
		my ($pid, $state, $kind, $text) = ($1, $2, $3, $4);
		if ($kind =~ /^(?:ERROR|FATAL|PANIC)$/) { push @errors, $latest{$pid} = { state => $state, message => $text, statement => '' }; }
		elsif ($kind eq 'STATEMENT' && $latest{$pid}) { $latest{$pid}{statement} = $text; }
	}
	return @errors;
}

# Those of one kind as one line, the shortest statement with them.
sub summary
{
	my (@errors) = @_;
	my %by_kind;
	push @{ $by_kind{"$_->{state} " . $_->{message} =~ s/\d+/N/gr} }, $_ foreach @errors;
	return map {
		my ($shortest) = sort { length $a->{statement} <=> length $b->{statement} } @{ $by_kind{$_} };
		scalar(@{ $by_kind{$_} }) . " times $shortest->{state} $shortest->{message}\n    $shortest->{statement}"
	} sort keys %by_kind;
}

sub none
{
	my ($test, @found) = @_;
	ok(!@found, $test) or diag(join("\n", @found[ 0 .. ($#found < 19 ? $#found : 19) ]) =~ s/[^\n\t -~]/?/gr);
	return;
}

none('the server never went down', went_down());
$node->poll_query_until('postgres', 'SELECT true');
none('nobody met an error that callers do not expect', summary(grep { $_->{state} !~ $expected } errors_of('caller')));
none('nor did those in haste', summary(grep { $_->{state} !~ $expected && $_->{state} !~ /^(?:57014|25P02)$/ } errors_of('hasty')));
none('no answer broke a promise', map { scalar(@{ $complaints{$_} }) . " times $complaints{$_}[0]" } sort keys %complaints);
none('no error told what is somebody\'s', @told_marks);
SKIP:
{
	skip 'too short a time for every function to be answered', 1 if $seconds < 20;
	none('every function was answered at least once', @missing);
}
foreach my $database (sort keys %databases)
{
	is($node->safe_psql($database, 'SELECT * FROM booking.verify(true) LIMIT 10'), '', "the tables are sound, row security $databases{$database}");
}
finds("SELECT count(*) FROM pg_locks WHERE locktype NOT IN ('relation', 'virtualxid')", 0, 'no lock is left');

# ---------------------------------------------------------------------------
# A dump of all that, restored elsewhere
# ---------------------------------------------------------------------------

my $dump = PostgreSQL::Test::Utils::tempdir . '/random.sql';
my $rows = join(' UNION ALL ', map { qq{SELECT '$_', md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE "C")) FROM booking.$_ t} }
	split(/\n/, $node->safe_psql('secure', q{SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r' ORDER BY 1})));
my $grants = q{SELECT c.relname, c.relrowsecurity, c.relacl::text FROM pg_class c WHERE c.relnamespace = 'booking'::regnamespace AND c.relkind IN ('r', 'v') UNION ALL
	SELECT tablename, true, policyname FROM pg_policies ORDER BY 1, 2, 3};
$node->safe_psql('postgres', q{CREATE DATABASE restored TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'});
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('secure') ], 'what came of it can be dumped');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $dump, '-d', $node->connstr('restored') ], '... and restored');
is($node->safe_psql('restored', $_->[0]), $node->safe_psql('secure', $_->[0]), "... with the same $_->[1]") foreach [ $rows, 'rows' ], [ $grants, 'grants' ];
is($node->safe_psql('restored', "SELECT $_"), '', "... where $_ has nothing to say") foreach 'booking.setup()', 'booking.verify(true)';

# ---------------------------------------------------------------------------
# If something were wrong, it would be seen
# ---------------------------------------------------------------------------

sub complains
{
	my ($what, $script) = @_;
	my $stderr;
	$node->psql('plain', "BEGIN;\n$script;\nROLLBACK;\n", stderr => \$stderr);
	like($stderr, qr/WARNING:  complaint: /, "the judge sees $what");
	return;
}

# Customers 2 and 3 have an appointment in shops 3 and 1; 999 is not there.
my $of_two = '(SELECT min(id) FROM booking.appointments WHERE user_id = 2)';
sub judges { my ($whose, $who, $function, $args, $rows, $answer) = @_; return "SELECT caller.judge('$whose', $who, $function, 'forged', $args, $rows, $answer)"; }
my $cancel = q{(SELECT oid FROM pg_proc WHERE pronamespace = 'booking'::regnamespace AND proname = 'cancel_appointment')};
complains('a lock that is left', 'SELECT pg_advisory_xact_lock(1); ' . judges('', 0, 'NULL', q{'{}'}, 0, 'NULL'));
complains('too many rows', judges('', 0, $cancel, q{'{}'}, 1_000_000_000, 'NULL'));
complains('another customer\'s name', judges('user', 3, 'NULL', q{'{}'}, 1, q{'[{"name": "(u2)"}]'}));
complains('another customer\'s id', judges('user', 3, 'NULL', q{'{}'}, 1, q{'[{"user_id": 2}]'}));
complains('another customer\'s appointment', judges('user', 3, $cancel, q{'{}'}, 1, "jsonb_build_array(jsonb_build_object('id', $of_two))"));
complains('a call about it', judges('user', 3, $cancel, "jsonb_build_object('appointment_id', $of_two)", 1, q{'[]'}));
complains('another shop\'s appointment', judges('shop', 1, $cancel, q{'{}'}, 1, "jsonb_build_array(jsonb_build_object('id', $of_two))"));
complains('another shop\'s notes', judges('shop', 1, 'NULL', q{'{}'}, 1, q{'["(n2)"]'}));
complains('another shop\'s customer', judges('shop', 1, 'NULL', q{'{}'}, 1, q{'["(u999)"]'}));
complains('another shop\'s barber', judges('shop', 1, $cancel, q{'{"barber_id": 6}'}, 1, q{'[]'}));
complains('a monitor who sees customers', judges('stranger', 0, 'NULL', q{'{}'}, 1, q{'[{"user_id": 2}]'}));
complains('an answer to nobody', judges('nobody', 0, 'NULL', q{'{}'}, 0, 'NULL'));
$node->psql('postgres', q{SET application_name = 'forger'; DO $$ BEGIN RAISE 'forged' USING ERRCODE = 'XX000'; END $$});
is(scalar(grep { $_->{state} !~ $expected && $_->{statement} =~ /forged/ } errors_of('forger')), 1, 'an internal error would be seen');

$node->stop;
done_testing();
