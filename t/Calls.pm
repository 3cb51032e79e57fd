# Random calls of whatever functions the extension has, as pg_proc describes
# them: names of arguments say which ids could be meant, types all that could be
# passed.  What is not known here is passed as NULL.
#
# Everything is drawn with rand(), so that a seed repeats it; ids of appointments
# and places in line are psql variables, which the caller sets before.

package Calls;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Stress;

our @EXPORT = qw(read_functions functions tables judged random_call table_read some_day some_time text_literal
  customer barber_of service_of shop_of_customer chance);

my %functions;
my @tables;
my $today;

# ---------------------------------------------------------------------------
# What there is
# ---------------------------------------------------------------------------

sub read_functions
{
	my ($database) = @_;
	$today = $node->safe_psql($database, 'SELECT current_date');
	my $answer = $node->safe_psql(
		$database, q{
SELECT p.proname, p.oid::regprocedure, p.prorettype::regtype, p.pronargdefaults,
	(SELECT string_agg(concat_ws(':', coalesce(nullif(p.proargnames[n], ''), '?'), format_type(type, NULL)), ';' ORDER BY n)
		FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n))
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'booking' ORDER BY p.oid::regprocedure::text COLLATE "C"});
	foreach (split /\n/, $answer)
	{
		my ($name, $signature, $result, $defaults, $arguments) = split /\|/;
		my @arguments = map { my ($argument, $type) = split /:/; { name => $argument, type => $type } } split /;/, $arguments // '';
		$functions{$name} = { name => $name, signature => $signature, result => $result, arguments => \@arguments, least => @arguments - $defaults };
	}
	@tables = split /\n/, $node->safe_psql($database, q{
SELECT oid::regclass FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname COLLATE "C"});
	return;
}

sub functions { return map { $functions{$_} } sort keys %functions; }
sub tables { return @tables; }

# ---------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------

# The shops of random_caller.sql
my %barbers = (1 => [ 1 .. 3 ], 2 => [ 4, 5 ], 3 => [ 6, 7 ]);
my %services = (1 => [ 1 .. 5 ], 2 => [ 6, 7 ], 3 => [ 8, 9 ]);

sub chance { return rand() < $_[0]; }
sub customer { return 1 + int(rand(30)); }
sub barber_of { return one_of(@{ $barbers{ $_[0] } }); }
sub service_of { return one_of(@{ $services{ $_[0] } }); }
sub shop_of_customer { return 1 + $_[0] % 3; }
sub text_literal { my ($text) = @_; return "'" . ($text =~ s/'/''/gr) . "'"; }

sub some_day { return sprintf("('%s'::date + %d)", $today, 1 + int(rand(shift // 12))); }
sub some_time { return sprintf("timestamptz '%s %02d:%02dZ' + interval '%d days'", $today, int(rand(24)), 15 * int(rand(4)), 1 + int(rand(12))); }

my @odd_text = map { text_literal($_) } '', 'x', q{'; DROP TABLE booking.users; --}, '{hours}', '%s%n%1$s', 'a@b', "\n\n", 'NULL', '(((((', '[]{}', '0';
push @odd_text, q{U&'\212Aim@example.org'}, q{U&'a\2028b@example.org'}, q{U&'\0130\200B\202E'}, q{E'\x01\x7f'}, q{E'\xe4\xff@\xc3'}, q{repeat('x', 200)}, q{repeat('x', 201)},
  q{repeat('ab@', 50000)}, 'NULL';
my @override = qw(hours notice grid horizon limits window);

# Expressions of a type, without any thought.
my %odd = (
	bigint => [ qw(NULL 0 -1 1 2147483648 9223372036854775807), '(-9223372036854775808)', '1000' ],
	integer => [ qw(NULL 0 -1 1 2 366 10000 10001 2147483647), '(-2147483648)' ],
	boolean => [qw(NULL true false)],
	date => [ 'NULL', map { "'$_'" } 'infinity', '-infinity', '4713-01-01 BC', '5874897-12-31', '294276-12-31', '0001-01-01', '2028-02-29', '2000-01-01' ],
	'timestamp with time zone' => [ 'NULL', 'now()', map { "'$_'" } 'infinity', '-infinity', '4713-01-01 00:00Z BC', '294276-12-31 23:59:59.999999Z', '2000-01-01', '2028-02-29 12:00:00.000001Z' ],
	interval => [ 'NULL', map { "'$_'" } '0', '1 us', '1 second', '-1 day', '1 mon -29 days', '178000000 years', '-178000000 years', '2147483647 days', '7 days', '1 mon', '7 days 1 us' ],
	text => \@odd_text,
	regrole => [ 'NULL', "'caller_nobody'", "'caller_owner'", '0' ],
	'text[]' => [ 'NULL', q{'{}'}, q{'{NULL}'}, q{'{x}'}, q{'{{hours,grid},{limits,window}}'}, q{'[-5:-4]={hours,grid}'}, q{array_fill('hours'::text, ARRAY[100000])} ],
	'bigint[]' => [ 'NULL', q{'{}'}, q{'{NULL}'}, q{'{{1},{2}}'}, q{'{1,9223372036854775807,-9223372036854775808}'}, q{'{1,6}'}, q{array_fill(1::bigint, ARRAY[100000])} ],
	'booking.visit_item[]' => [ 'NULL', q{'{}'}, 'ARRAY[NULL]', 'ARRAY[ROW(NULL, NULL, NULL, NULL)]', q{ARRAY[ROW(9223372036854775807, -1, 'infinity', '')]},
		q{array_fill(ROW(1, 1, '2030-01-01', NULL)::booking.visit_item, ARRAY[100000])}, q{array_fill(ROW(1, 1, '2030-01-01', NULL)::booking.visit_item, ARRAY[2, 2])} ]);

# Expressions that could be meant.  about: the shop and customer that a call is about.
my %meant = (
	bigint => sub {
		my ($about, $name) = @_;
		return one_of(':appointment', ':appointment', ':other') if $name =~ /appointment_id$/;
		return one_of(':entry', ':entry', ':other_entry') if $name eq 'entry_id';
		return $about->{shop} if $name eq 'shop_id';
		return one_of(@{ $barbers{ $about->{shop} } }, 'NULL') if $name eq 'barber_id';
		return service_of($about->{shop}) if $name eq 'service_id';
		return $about->{user} if $name eq 'user_id';
		return 1 + int(rand(30));
	},
	integer => sub { my ($about, $name) = @_; return $name eq 'version' ? one_of('NULL', 'NULL', 1 .. 3) : 1 + int(rand(5)); },
	boolean => sub { return one_of('true', 'false'); },
	date => sub { my ($about, $name) = @_; return $name =~ /^to/ ? "($about->{day} + " . one_of(0, 1, 7, 90, 365) . ')' : $about->{day}; },
	'timestamp with time zone' => sub {
		my ($about, $name) = @_;
		return $name eq 'latest' ? "$about->{time} + interval '4 hours'" : $about->{time};
	},
	interval => sub { return one_of(map { "'$_'" } '7 days', '1 day', '10 minutes', '2 seconds', '1 mon'); },
	text => sub {
		my ($about, $name) = @_;
		return text_literal('key ' . int(rand(200))) if $name =~ /key/;
		return one_of(q{'customer'}, q{'shop'}) if $name eq 'cancelled_by';
		return one_of(q{'fail'}, q{'skip'}) if $name eq 'on_conflict';
		return one_of(map { "'$_'" } qw(front staff manager monitor)) if $name eq 'kind';
		return text_literal(one_of('u' . customer(), 'U' . customer(), 'new' . int(rand(100))) . '@example.org') if $name eq 'email';
		return one_of(q{'+1 555 0100'}, q{'(555) 0101'}, q{'555-0102'}) if $name eq 'phone';
		return one_of(q{'because'}, @odd_text);
	},
	regrole => sub { return q{'caller_nobody'}; },
	'text[]' => sub { return "'{" . join(',', grep { chance(0.5) } @override) . "}'"; },
	'bigint[]' => sub { my ($about) = @_; return "'{" . join(',', map { service_of($about->{shop}) } 1 .. one_of(1, 2, 2, 3)) . "}'"; },
	'booking.visit_item[]' => sub {
		my ($about) = @_;
		return 'ARRAY[' . join(', ', map {
				sprintf("ROW(%s, %d, %s + interval '%d minutes', %s)", one_of(@{ $barbers{ $about->{shop} } }, 'NULL'), service_of($about->{shop}),
					$about->{time}, 30 * int(rand(4)), one_of('NULL', q{'a friend'}))
		} 1 .. one_of(1, 2, 2, 3)) . ']';
	});

sub about
{
	my ($whose, $who) = @_;
	my $user = $whose eq 'user' && chance(0.8) ? $who : customer();
	my $shop = $whose eq 'shop' && chance(0.8) ? $who : one_of(1, 1, 2, 3);
	return { shop => $shop, user => $user, day => some_day(), time => some_time() };
}

# ---------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------

# A call whose answer goes to the judge.  caller: {name, whose, who}.  values:
# [ name, expression ].  take: columns that psql keeps.
sub judged
{
	my ($caller, $function, $values, $take) = @_;
	my $f = $functions{$function};
	my %type = map { $_->{name} => $_->{type} } @{ $f->{arguments} };
	my @values = map { "($_->[1])::" . ($type{ $_->[0] } // die "$function has no argument $_->[0]") } @$values;
	my $named = join(', ', map { "$values->[$_][0] => $values[$_]" } 0 .. $#values);
	$named = join(', ', @values) if grep { $_->[0] eq '?' } @$values;
	my $call = "booking.$function($named)";
	my $then = "\\warn \@call $caller->{name} $function :SQLSTATE\n";
	return "SELECT $call;\n$then" if $f->{result} eq 'trigger';

	my $ids = join(', ', map { "'$values->[$_][0]', $values[$_]" } grep { $values->[$_][0] =~ /_id$/ } 0 .. $#values);
	my $row = $f->{result} eq 'void' ? 'NULL::jsonb' : 'to_jsonb(r)';
	return "SELECT caller.judge('$caller->{whose}', $caller->{who}, '$f->{signature}', \$c\$$call\$c\$, jsonb_build_object($ids), count(*),"
	  . " jsonb_agg($row) FILTER (WHERE n <= 100))" . ($take ? ", $take" : '')
	  . " FROM (SELECT r, row_number() OVER () AS n FROM $call r) s" . ($take ? " \\gset\n" : ";\n") . $then;
}

# wildness: how many of the arguments are anything.
sub random_call
{
	my ($caller, $function, $wildness) = @_;
	my $f = $functions{$function};
	my @arguments = @{ $f->{arguments} };
	my $about = about($caller->{whose}, $caller->{who});
	my $how_many = $f->{least} + int(rand(1 + @arguments - $f->{least}));
	my @values = map {
		my $type = $_->{type};
		my $value = !$odd{$type} ? 'NULL' : $meant{$type} && !chance($wildness) ? $meant{$type}->($about, $_->{name}) : one_of(@{ $odd{$type} });
		[ $_->{name}, $value ]
	} @arguments[ 0 .. $how_many - 1 ];
	return judged($caller, $function, \@values);
}

# What a table shows.
sub table_read
{
	my ($caller, $table) = @_;
	return "SELECT caller.judge('$caller->{whose}', $caller->{who}, NULL, '$table', '{}', count(*), jsonb_agg(r)) FROM (SELECT to_jsonb(t) AS r FROM $table t LIMIT 1000) s;\n"
	  . "\\warn \@call $caller->{name} $table :SQLSTATE\n";
}

1;
