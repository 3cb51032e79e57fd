# Clients that book, and keep a record of what they were told; and what has to
# be true of a server's appointments afterwards, whatever happened to it.
#
# A client writes what it asks for into its record before it asks, and the
# answer after the commit, in a file of its own: no crash of the server takes
# back what it has acknowledged.  A request without an answer is in doubt: it
# may have been done as a whole, or not at all.
#
# Each line also has the place in the write-ahead log and the time at which it
# was written, so that a server that was recovered to some moment can be held
# to exactly what was acknowledged until then.

package Bookings;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(new_shop wait_for_server start_load finish_load load_pattern
  begin_record transcript complaints_are retry quiet_barber quiet_start
  sound unsound);

my $barbers = 4;    # of the load; one more is the test's own
my $clients = 6;
my $dates = 60;
my $longest = 180;    # seconds, of any load
my $seed = $ENV{BOOKING_SEED} // int(rand(1_000_000));
diag("BOOKING_SEED=$seed");

# ---------------------------------------------------------------------------
# The server and its shop
# ---------------------------------------------------------------------------

# A barber that the load leaves alone, and his only service, as the first two
# arguments of a call.
sub quiet_barber { return $barbers + 1 . ', 4'; }

# SQL for an instant: so many minutes after the midnight UTC before the test.
my $midnight = 86400 * int(time / 86400);
sub at { return sprintf('to_timestamp(%d)', $midnight + 60 * $_[0]); }

# SQL for a time of day, "HH:MM", on a date that is always bookable.
sub quiet_start
{
	my ($hours, $minutes) = split /:/, $_[0];
	return at(3 * 1440 + 60 * $hours + $minutes);
}

# Service 1 is plain, 2 has buffers, and 3 has steps with a gap between them.
my $shop = qq{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name, max_pending_per_user, max_waiting_per_user) VALUES ('crash', NULL, NULL);
INSERT INTO booking.barbers (shop_id, name) SELECT 1, 'barber' FROM generate_series(1, $barbers + 1);
INSERT INTO booking.services (shop_id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes)
VALUES (1, 'cut', 30, 0, 0), (1, 'shave', 15, 5, 5), (1, 'colour', 90, 0, 0), (1, 'quiet cut', 30, 0, 0);
INSERT INTO booking.service_steps VALUES (3, 1, 30, 30), (3, 2, 30, 0);
INSERT INTO booking.barber_services (barber_id, service_id)
SELECT b.id, s.id FROM booking.barbers b, booking.services s WHERE (b.id > $barbers) = (s.id = 4);
INSERT INTO booking.working_hours (barber_id, weekday, opens, closes)
SELECT b.id, d, '00:00', '24:00' FROM booking.barbers b, generate_series(1, 7) d;
INSERT INTO booking.users (email) SELECT 'u' || n || '\@example.org' FROM generate_series(1, 50) n;
};

# A running server that keeps what it acknowledges, with a shop in it.
sub new_shop
{
	my ($name, %init) = @_;
	my $prepare = delete $init{prepare};
	my $conf = delete $init{conf} // '';
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%init);
	$node->append_conf(
		'postgresql.conf', qq{
fsync = on
max_connections = 50
max_prepared_transactions = 10
log_statement = none
log_line_prefix = '%m [%p] %a:%e: '
timezone = 'UTC'
jit = off
$conf});
	$prepare->($node) if $prepare;
	$node->start;
	$node->safe_psql('postgres', $shop);
	return $node;
}

# Returns once a server that restarts by itself answers again.
sub wait_for_server
{
	my ($node) = @_;
	# It dies of a broken pipe if the server turns psql away before the query.
	foreach (1 .. 100)
	{
		return 1 if eval { $node->poll_query_until('postgres', 'SELECT true') };
		sleep 0.1;
	}
	return;
}

# ---------------------------------------------------------------------------
# What a client asks for
# ---------------------------------------------------------------------------

sub one_of { return $_[ int(rand(@_)) ]; }
sub barber { return 1 + int(rand($barbers)); }
sub user { return 1 + int(rand(50)); }

# Some dates are crowded, so that clients meet.  What is moved begins at
# another minute: every move is a change.
sub some_start
{
	my ($minute) = @_;
	return at(1440 * (2 + int(rand(1 + rand($dates)))) + 30 * int(rand(44)) + $minute);
}
sub start_at { return some_start(0); }

my $moment = "pg_current_wal_insert_lsn() - '0/0' AS lsn, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us";
my $row = "'is', id, version, status, barber_id, extract(epoch FROM starts_at)::bigint";

# A request and its answer in the record.  The kind says what it does; what is
# asked for can be asked again with the same key.
sub request
{
	my ($key, $kind, $sql, $call) = @_;
	my $quoted = ($call // '') =~ s/'/''/gr;
	return "RESET statement_timeout;\nSELECT $moment \\gset\n"
	  . "\\echo asked|$key|$kind|:lsn|:us|'$quoted'\n"
	  . "\\set failed false\n$sql\n\\if :ERROR\n\\set failed true\n\\endif\n"
	  . "\\set state :LAST_ERROR_SQLSTATE\nRESET statement_timeout;\n"
	  . "\\if :failed\n\\echo refused|:state\n\\else\nSELECT 'done', $moment;\n\\endif\n";
}

# Requests that follow a booking, if it was made.
sub then_ask { return "\\if :failed\n\\else\n" . join('', @_) . "\\endif\n"; }

sub booked { return "(SELECT id FROM booking.appointments WHERE idempotency_key = '$_[0]')"; }
sub call { return "$_[0]SELECT $row FROM booking.$_[1];"; }

sub change
{
	my ($key, $kind, $limit, $function, @arguments) = @_;
	return request($key, $kind, call($limit, "$function(" . join(', ', booked($key), @arguments) . ')'));
}

sub move { return change($_[0], 'move', $_[1], 'reschedule_appointment', some_start(15)); }
sub cancel { return change($_[0], 'cancel', $_[1], 'cancel_appointment', "'changed my mind'"); }

sub book
{
	my ($key, $kind, $limit, $call) = @_;
	return request($key, $kind, call($limit, $call), $call);
}

sub book_slot
{
	my ($key, $service, $barber) = @_;
	return sprintf("book_slot(%s, %d, %d, %s, '%s')", $barber // barber(), $service, user(), start_at(), $key);
}

# What a client may do, from the first request to the last.  $limit is SQL that
# limits the time of the statement after it, or nothing.
my %stories = (
	slot => sub {
		my ($key, $limit) = @_;
		return book($key, 'book', $limit->(), book_slot($key, one_of(1, 2)))
		  . then_ask(map { $_->($key, $limit->()) } one_of([], [ \&move ], [ \&cancel ], [ \&move, \&cancel ])->@*);
	},
	any_barber => sub {
		my ($key, $limit) = @_;
		return book($key, 'book', $limit->(), book_slot($key, 1, 'NULL'))
		  . then_ask(one_of('', cancel($key, $limit->())));
	},
	hold => sub {
		my ($key, $limit) = @_;
		my $call = sprintf("hold_slot(%d, 1, %d, %s, '1 hour', '%s')", barber(), user(), start_at(), $key);
		return book($key, 'book', $limit->(), $call)
		  . then_ask(change($key, 'confirm', $limit->(), 'confirm_appointment'),
			one_of('', cancel($key, $limit->())));
	},
	brief_hold => sub {
		my ($key, $limit) = @_;
		my $call = sprintf("hold_slot(%d, 1, %d, %s, '50 ms', '%s')", barber(), user(), start_at(), $key);
		return book($key, 'brief', $limit->(), $call)
		  . $limit->() . "SELECT 'expired', booking.expire_holds();\n";
	},
	visit => sub {
		my ($key, $limit) = @_;
		my $count = one_of(2, 3);
		$key .= "-visit$count";
		my $items = join(', ', map { sprintf('ROW(%d, 1, %s, NULL)', barber(), start_at()) } 1 .. $count);
		return book($key, 'book', $limit->(), sprintf("book_visit(%d, ARRAY[%s]::booking.visit_item[], '%s')", user(), $items, $key));
	},
	steps => sub {
		my ($key, $limit) = @_;
		return book($key, 'book', $limit->(), book_slot($key, 3))
		  . then_ask(move($key, $limit->()), one_of('', cancel($key, $limit->())));
	},
	pair => sub {
		my ($key, $limit) = @_;
		my ($one, $other) = map { book_slot("$key-$_", 1) } 'one', 'other';
		return request("$key-one", 'pair',
			"BEGIN;\n" . call($limit->(), $one) . "\n" . call('', $other)
			  . "\n\\if :ERROR\nROLLBACK;\n\\set failed true\n\\else\nCOMMIT;\n\\endif");
	},
	insert => sub {
		my ($key, $limit) = @_;
		my $at = start_at();
		return request($key, 'book', $limit->()
			  . "INSERT INTO booking.appointments (barber_id, service_id, user_id, starts_at, ends_at, idempotency_key)"
			  . sprintf(" VALUES (%d, 1, %d, %s, %s + interval '30 minutes', '%s') RETURNING %s;", barber(), user(), $at, $at, $key, $row));
	},
	waitlist => sub {
		my ($key, $limit) = @_;
		my $at = start_at();
		return $limit->() . sprintf("SELECT 'waiting', booking.join_waitlist(%d, 1, %s, %s + interval '2 hours');\n", user(), $at, $at);
	},
);

# ---------------------------------------------------------------------------
# The load
# ---------------------------------------------------------------------------

my $directory = PostgreSQL::Test::Utils::tempdir;
my $round = 0;
my @running;

# Names of the clients' sessions
sub load_pattern { return 'booker %'; }

# Forgets what earlier clients were told.
sub begin_record
{
	unlink glob("$directory/*.said");
	return;
}

sub write_script
{
	my ($file, $prefix, $limit) = @_;
	my @kinds = sort keys %stories;
	my $script = '';
	foreach my $n (1 .. 12)
	{
		$script .= $stories{ one_of(@kinds) }->("$prefix-$n", $limit);
	}
	unlink $file;
	append_to_file($file, $script);
	return;
}

# A client: one psql after the other, until it is told to stop.  A psql that
# loses its connection ends, having written down what it was told before.
sub run_client
{
	my ($node, $client, $most_ms) = @_;
	my $parent = getppid();
	my $name = "$directory/$round-$client";
	my $limit = sub { return $most_ms ? 'SET statement_timeout = ' . (1 + int(rand($most_ms))) . ";\n" : '' };
	my $end = time + $longest;

	srand($seed + 1000 * $round + $client);
	$ENV{PGAPPNAME} = "booker $client";
	my $psql = sprintf(q{psql -X -q -A -t -d '%s' -f %s.sql >>%s.said 2>>%s.errors}, $node->connstr('postgres'), $name, $name, $name);
	for (my $run = 1; !-e "$directory/stop" && getppid() == $parent && time < $end; $run++)
	{
		write_script("$name.sql", "c$client-$round-$run", $limit);
		sleep 0.2 if system($psql) != 0;
	}
	return;
}

# Starts clients.  most_ms: every statement of theirs may take 1 to so many
# milliseconds.  settings: what libpq's PGOPTIONS has.
sub start_load
{
	my ($node, %params) = @_;
	$round++;
	unlink "$directory/stop";
	foreach my $client (1 .. $params{clients} // $clients)
	{
		my $pid = fork // die "could not fork: $!";
		if ($pid == 0)
		{
			setpgrp;
			eval { run_client($node, $client, $params{most_ms}); 1 } or POSIX::_exit(1);
			POSIX::_exit(0);
		}
		push @running, $pid;
	}
	return;
}

# Tells the clients to stop and waits for them; returns how many had to be
# killed, because somebody lets them wait for ever.
sub finish_load
{
	my $deadline = time + 60;
	my $stuck = 0;
	append_to_file("$directory/stop", '');
	foreach my $pid (@running)
	{
		while (waitpid($pid, POSIX::WNOHANG()) == 0)
		{
			if (time > $deadline)
			{
				kill 'KILL', -$pid;
				waitpid($pid, 0);
				$stuck++;
				last;
			}
			sleep 0.05;
		}
	}
	@running = ();
	return $stuck;
}

END
{
	my $status = $?;
	kill 'KILL', map { -$_ } @running;
	$? = $status;
}

# ---------------------------------------------------------------------------
# The record
# ---------------------------------------------------------------------------

# What the clients have asked and been told, a hash for each request: key, kind,
# call, its "state" (done, refused, doubt, later), and the rows that it showed.
# until says up to which moment they were told: [ 'lsn', N ] or [ 'time', N ];
# what was asked later is "later", what was answered later is in doubt.
sub transcript
{
	my (%params) = @_;
	my ($clock, $until) = ($params{until} // [ 'lsn', 9**30 ])->@*;
	my $at = $clock eq 'time' ? 1 : 0;
	my @requests;

	foreach my $file (sort glob("$directory/*.said"))
	{
		my $request = {};
		foreach my $line (split /\n/, slurp_file($file))
		{
			my ($word, @values) = split /\|/, $line;
			if ($word eq 'asked')
			{
				my ($key, $kind, @rest) = @values;
				my $is_later = $rest[$at] >= $until;
				$request = { key => $key, kind => $kind, call => $rest[2], rows => [], state => $is_later ? 'later' : 'doubt' };
				push @requests, $request;
			}
			elsif ($word eq 'is')
			{
				push @{ $request->{rows} }, \@values;
			}
			elsif ($word eq 'refused')
			{
				@{$request}{ 'state', 'sqlstate' } = ('refused', @values);
			}
			elsif ($word eq 'done' && $values[$at] <= $until)
			{
				$request->{state} = 'done';
			}
		}
	}
	return @requests;
}

# Errors that a client of the load has to expect while nothing goes wrong: the
# time is taken, or the first of two bookings was refused.
my %expected_states = map { $_ => 1 } qw(23P01 25P02);

# Checks that no session of the load met an error but those, and those given.
sub complaints_are
{
	my ($node, @more) = @_;
	my %expected = (%expected_states, map { $_ => 1 } @more);
	my (%count, %first);
	foreach (split /\n/, slurp_file($node->logfile))
	{
		next unless /\] booker \d+:(\w{5}): (?:ERROR|FATAL|PANIC): (.*)/;
		$count{$1}++;
		$first{$1} //= $2;
	}
	note('errors of the clients: ' . join(', ', map { "$_ $count{$_}" } sort keys %count));
	is(join('; ', map { "$_ $first{$_}" } grep { !$expected{$_} } sort keys %count), '', 'no client met an error it need not expect');
	return;
}

# Asks again, with the same keys, for what was done and what is in doubt, the
# last ones; returns what is wrong with the answers.  What has been cancelled
# since is no answer.
sub retry
{
	my ($node, $most, @requests) = @_;
	my @again = grep { $_->{call} && $_->{kind} eq 'book' && $_->{state} =~ /done|doubt/ } @requests;
	splice(@again, 0, @again - $most) if @again > $most;

	my $script = "\\set VERBOSITY sqlstate\nSET statement_timeout = '30 s';\n";
	foreach my $request (@again)
	{
		$script .= "\\echo key $request->{key}\n"
		  . "SELECT 'was', coalesce((SELECT min(coalesce(part_of, id)) FROM booking.appointments WHERE idempotency_key = '$request->{key}'), 0);\n"
		  . "SELECT 'gone', id FROM booking.appointments WHERE idempotency_key = '$request->{key}' AND status IN ('cancelled', 'expired');\n"
		  . "SELECT 'now', id FROM booking.$request->{call};\n";
	}
	my ($status, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0);
	my %answer;
	my $key;
	foreach my $line (split /\n/, $out)
	{
		$key = $1 if $line =~ /^key (.*)/;
		push @{ $answer{$key}{$1} }, $2 if $line =~ /^(was|gone|now)\|(.*)/;
	}
	my %count = (done => 0, doubt => 0);
	my @wrong = $status == 0 ? () : ("psql: $err");
	foreach my $request (@again)
	{
		my $answer = $answer{ $request->{key} };
		my $was = $answer->{was}[0];
		my @now = @{ $answer->{now} // [] };
		my @told = map { $_->[0] } @{ $request->{rows} };
		$count{ $request->{state} }++;
		if ($answer->{gone})
		{
			push @wrong, "$request->{key}: gone, and yet @now" if @now;
			next;
		}
		push @wrong, "$request->{key}: told @told, then @now" if $request->{state} eq 'done' && "@told" ne "@now";
		push @wrong, "$request->{key}: stored as $was, then @now" if $was != 0 && !grep { $_ == $was } @now;
	}
	note("asked again: $count{done} done, $count{doubt} in doubt");
	return join("\n", @wrong);
}

# ---------------------------------------------------------------------------
# What has to be true
# ---------------------------------------------------------------------------

# Each query finds what is wrong; "said" has what the clients were told.
my @checks = (
	'every acknowledged booking is there' => q{
SELECT s.key, s.id FROM said s WHERE s.state = 'done' AND NOT EXISTS (SELECT FROM booking.appointments a WHERE a.id = s.id)},

	'and as it was acknowledged last' => q{
SELECT s.key, s.id, s.version, s.status, a.version, a.status, a.starts_at
FROM (SELECT DISTINCT ON (id) * FROM said WHERE state = 'done' AND kind <> 'brief' ORDER BY id, n DESC) s
JOIN booking.appointments a USING (id)
WHERE a.version < s.version
OR (a.version = s.version
	AND (a.status, a.barber_id, extract(epoch FROM a.starts_at)) <> (s.status, s.barber_id, s.starts_at))
OR (a.version > s.version
	AND NOT EXISTS (SELECT FROM said d WHERE d.key = s.key AND d.n > s.n AND d.state = 'doubt'
		AND (d.kind = 'cancel') = (a.status = 'cancelled')))},

	'nothing that was refused is there, nor what was asked for later or never' => q{
SELECT a.idempotency_key, a.id FROM booking.appointments a
WHERE a.idempotency_key ~ '^c\d+-\d+-\d+-\d+'
AND NOT EXISTS (SELECT FROM said s WHERE s.key = regexp_replace(a.idempotency_key, '-other$', '-one')
	AND s.kind IN ('book', 'brief', 'pair') AND s.state IN ('done', 'doubt'))},

	'no two live appointments of a barber overlap' => q{
SELECT id, barber_id, busy_from FROM (
	SELECT *, max(busy_until) OVER (PARTITION BY barber_id ORDER BY busy_from, id
		ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_before
	FROM booking.appointments
	WHERE status IN ('confirmed', 'checked_in')
	OR (status = 'pending' AND coalesce(hold_expires_at > clock_timestamp() + interval '2 seconds', true))) live
WHERE busy_before > busy_from},

	'every visit is there as a whole' => q{
SELECT a.idempotency_key, a.visit_id, count(v.id)
FROM booking.appointments a LEFT JOIN booking.appointments v USING (visit_id)
WHERE a.idempotency_key ~ '-visit\d$' GROUP BY a.id HAVING count(v.id) <> right(a.idempotency_key, 1)::int
UNION ALL
SELECT 'lone part', visit_id, count(*) FROM booking.appointments WHERE visit_id IS NOT NULL GROUP BY visit_id HAVING count(*) = 1},

	'every appointment in steps has all its parts, in one status and in their places' => q{
SELECT h.id, h.status, count(p.id)
FROM booking.appointments h LEFT JOIN booking.appointments p
	ON p.part_of = h.id AND p.status = h.status AND p.barber_id = h.barber_id AND p.starts_at = h.starts_at + interval '1 hour'
WHERE h.service_id = 3 AND h.part_of IS NULL GROUP BY h.id HAVING count(p.id) <> 1},

	'every transaction of two bookings is there as a whole' => q{
SELECT regexp_replace(idempotency_key, '-(one|other)$', '') AS pair, count(*)
FROM booking.appointments WHERE idempotency_key ~ '-(one|other)$' GROUP BY 1 HAVING count(*) <> 2},

	'every change has its history' => q{
SELECT a.id, a.version, count(h.id) FROM booking.appointments a LEFT JOIN booking.appointment_history h ON h.appointment_id = a.id
GROUP BY a.id HAVING count(h.id) <> a.version - 1
UNION ALL
SELECT appointment_id, version, 0 FROM booking.appointment_history h
WHERE NOT EXISTS (SELECT FROM booking.appointments a WHERE a.id = h.appointment_id AND a.version >= h.version)},

	'who was served from the waitlist has one offer' => q{
SELECT w.appointment_id, count(*), count(a.id) FROM booking.waitlist w LEFT JOIN booking.appointments a ON a.id = w.appointment_id
WHERE w.status = 'served' GROUP BY w.appointment_id HAVING count(*) <> 1 OR count(a.id) <> 1},

	'no lock is left but those of prepared transactions' => q{
SELECT locktype, mode, pid, classid, objid, objsubid FROM pg_locks
WHERE locktype IN ('advisory', 'tuple', 'spectoken')
OR (locktype = 'transactionid'
	AND CASE WHEN pid IS NULL THEN transactionid NOT IN (SELECT transaction FROM pg_prepared_xacts)
		ELSE pid <> pg_backend_pid() AND pid NOT IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker') END)},

	'no prepared transaction is left but those that were left on purpose' => q{
SELECT gid FROM pg_prepared_xacts WHERE gid NOT LIKE 'left %'});

# A record as a table.
sub said_table
{
	my (@requests) = @_;
	my $rows = '';
	my $n = 0;
	foreach my $request (@requests)
	{
		my @rows = $request->{state} eq 'done' ? @{ $request->{rows} } : ();
		@rows = ([ ('\N') x 5 ]) if !@rows;
		$n++;
		$rows .= join("\t", $n, @{$request}{qw(key kind state)}, @$_) . "\n" foreach @rows;
	}
	return "CREATE TEMP TABLE said (n int, key text, kind text, state text,"
	  . " id bigint, version int, status text, barber_id bigint, starts_at numeric);\n"
	  . "COPY said FROM stdin;\n$rows\\.\n"
	  . "CREATE INDEX ON said (key);\nCREATE INDEX ON said (id);\nANALYZE said;\n";
}

# The extension's own check, where it has one.
my $verify = q{
SELECT to_regprocedure('booking.verify(boolean)') IS NOT NULL AS has_verify \gset
\if :has_verify
SELECT * FROM booking.verify(true) LIMIT 10;
\endif
};

# Asks every question of a quiet server; returns a hash of those with an answer.
# tamper: SQL that is run before, and taken back after.
sub unsound
{
	my ($node, $requests, %params) = @_;
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE '@{[load_pattern()]}')")
	  or die 'a client of the load is still connected';
	my $script = said_table(@$requests) . "BEGIN;\n" . ($params{tamper} // '') . ";\n";
	for (my $i = 0; $i < @checks; $i += 2)
	{
		$script .= "\\echo check $checks[$i]\n" . $checks[ $i + 1 ] . "\nLIMIT 10;\n";
	}
	$script .= "\\echo check booking.verify() finds nothing\n$verify\n\\echo check end\nROLLBACK;\n";

	my %found;
	my $check;
	foreach my $line (split /\n/, $node->safe_psql('postgres', $script))
	{
		if ($line =~ /^check (.*)/) { $check = $1; next; }
		$found{$check} .= "$line\n" if defined $check;
	}
	die 'the checks did not come to their end' if ($check // '') ne 'end';
	return %found;
}

# A test for each question.
sub sound
{
	my ($node, $requests, $when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %found = unsound($node, $requests);
	my %count;
	$count{ $_->{state} }++ foreach @$requests;
	note("$when: " . join(', ', map { "$_ $count{$_}" } sort keys %count));
	my @questions = @checks[ map { 2 * $_ } 0 .. $#checks / 2 ];
	is($found{$_} // '', '', "$when: $_") foreach @questions, 'booking.verify() finds nothing';
	cmp_ok($count{done} // 0, '>', 0, "$when: something was acknowledged");
	return;
}

1;
