# bench/compare finds what became slower, and bench/report writes a run as a page,
# whatever is missing in the JSON and whatever a name in it tries.  The runs are
# made up, and no server is needed.  If this fails, a change that made us slower
# passes as harmless, or the report of a run is wrong or cannot be made.

use strict;
use warnings FATAL => 'all';
use utf8;

use File::Temp 'tempdir';
use FindBin;
use JSON::PP;
use Test::More;

binmode $_, ':encoding(UTF-8)'
  foreach *STDOUT, *STDERR, map { Test::More->builder->$_ } qw(output failure_output todo_output);

my $bench = "$FindBin::RealBin/../bench";
my $directory = tempdir(CLEANUP => 1);
my $files = 0;

# ---------------------------------------------------------------------------
# Made-up runs
# ---------------------------------------------------------------------------

sub row
{
	my ($scenario, $contestant, $unit, $median, $ratio, %more) = @_;
	return {
		scenario => $scenario, title => "About $scenario", contestant => $contestant, is_floor => JSON::PP::false,
		unit => $unit, median => $median, lowest => 0.9 * $median, highest => 1.2 * $median, ratio => $ratio, target => undef,
		%more
	};
}

# A fresh run: two loops and a pgbench scenario
sub run
{
	my @of_sale = (success_rate => 0.995, booked => 100, double_booked => 0, deadlocks => 0, gave_up => 0);
	return {
		format => 1, server => 'PostgreSQL 15.99', machine => { cpu => 'an abacus', cores => 2 },
		finished_at => '2026-01-02T03:04:05+00:00', settings => { barbers => 2000, appointments => 1_000_000 },
		summary => [
			row('day', 'ours', 'us', 10),
			row('day', 'multirange', 'us', 62.5, 6.25, target => 6),
			row('day', 'not_exists', 'us', 80, 8),
			row('day', 'index_probe', 'us', 5, 0.5, is_floor => JSON::PP::true),
			row('month', 'ours', 'us', 200),
			row('month', 'multirange', 'us', 5000, 25, target => 30),
			row('sale', 'ours', 'tps', 9000, undef, p50_us => 4000, p95_us => 8000, p99_us => 9000, max_us => 12000, @of_sale),
			row('sale', 'unguarded', 'tps', 12000, 0.75, p50_us => 3000, p95_us => 4000, p99_us => 5000, max_us => 6000,
				@of_sale, double_booked => 17)
		],
		runs => [], faults => [],
		growth => [
			(map { { axis => 'appointments', appointments => $_->[0], barbers => 100, call => 'next_slots', us => $_->[1] } }
				[ 10_000, 10 ], [ 10_000_000, 12 ]),
			(map { { axis => 'barbers', appointments => 1000, barbers => $_->[0], asked => $_->[1], call => 'next_slots', us => $_->[2] } }
				[ 10, 'one shop', 10 ], [ 100_000, 'one shop', 11 ], [ 10, 'any barber', 12 ], [ 100_000, 'any barber', 40 ])
		]
	};
}

# A run that differs: $change gets each row of the summary
sub changed
{
	my ($change) = @_;
	my $run = run();
	$change->() foreach @{ $run->{summary} };
	return $run;
}

sub is_row
{
	my ($scenario, $contestant) = @_;
	return $_->{scenario} eq $scenario && $_->{contestant} eq $contestant;
}

# The same, but one row's figure is so many times as large
sub scaled
{
	my ($scenario, $contestant, $key, $factor) = @_;
	return changed(sub { $_->{$key} *= $factor if is_row($scenario, $contestant) });
}

sub without
{
	my ($scenario) = @_;
	my $run = run();
	$run->{summary} = [ grep { $_->{scenario} ne $scenario } @{ $run->{summary} } ];
	return $run;
}

sub write_text
{
	my ($text) = @_;
	my $name = "$directory/" . ++$files . '.json';
	open my $handle, '>:raw', $name or die "$name: $!";
	print $handle $text;
	close $handle or die "$name: $!";
	return $name;
}

sub write_json
{
	return write_text(JSON::PP->new->utf8->canonical->encode($_[0]));
}

# ---------------------------------------------------------------------------
# Running the tools
# ---------------------------------------------------------------------------

# The exit status, and what it says on stdout and stderr
sub run_tool
{
	my ($tool, @arguments) = @_;
	my $pid = open(my $output, '-|') // die "fork: $!";
	if (!$pid)
	{
		open STDERR, '>&', \*STDOUT or die;
		exec $^X, "$bench/$tool", @arguments or die;
	}
	binmode $output, ':encoding(UTF-8)';
	my $said = join '', <$output>;
	close $output;
	return ($? & 127 ? "signal $?" : $? >> 8, $said);
}

# Compares two made-up files; it must end and say as wanted.
sub compares
{
	my ($name, $old, $new, $wanted_status, $wanted, @options) = @_;
	my ($status, $said) = run_tool('compare', @options, write_json($old), write_json($new));
	is($status, $wanted_status, "$name: the exit status") or diag($said);
	like($said, $_, "$name: it says so") foreach @$wanted;
	unlike($said, qr/^(SLOWER|FAILS)/m, "$name: nothing is reported as worse") unless $wanted_status;
	return $said;
}

# ---------------------------------------------------------------------------
# compare: two runs
# ---------------------------------------------------------------------------

compares('a run and itself', run(), run(), 0, [ qr/^0 of 4 figures worse/m ]);

my $said = compares('a loop 30 % slower', run(), scaled('month', 'ours', 'median', 1.3), 1,
	[ qr/^SLOWER +month: 200 us -> 260 us \(\+30\.0 %\)$/m, qr/^1 of 4 figures worse/m ]);
unlike($said, qr/^SLOWER +(day|sale)/m, 'no other scenario is accused');

compares('a loop 10 % slower', run(), scaled('month', 'ours', 'median', 1.1), 0, [ qr/^ok +month: 200 us -> 220 us/m ]);
compares('a loop exactly 20 % slower', run(), scaled('day', 'ours', 'median', 1.2), 0, []);
compares('a loop 21 % slower', run(), scaled('day', 'ours', 'median', 1.21), 1, [ qr/^SLOWER +day: /m ]);
compares('a loop 30 % faster', run(), scaled('day', 'ours', 'median', 0.7), 0, []);
compares('a peer 30 % slower', run(), scaled('day', 'multirange', 'median', 1.3), 0, []);
compares('pgbench 30 % slower', run(), scaled('sale', 'ours', 'p50_us', 1.3), 1,
	[ qr/^SLOWER +sale: 4,000 us -> 5,200 us \(\+30\.0 %\)$/m ]);
compares('pgbench with more transactions', run(), scaled('sale', 'ours', 'median', 1.3), 0, []);
compares('30 % where 40 are allowed', run(), scaled('day', 'ours', 'median', 1.3), 0, [], '--threshold', 40);
compares('10 % where 5 are allowed', run(), scaled('day', 'ours', 'median', 1.1), 1, [ qr/^SLOWER +day/m ], '--threshold=5');

compares('two points less successful', run(), changed(sub { $_->{success_rate} = 0.975 if is_row('sale', 'ours') }), 1,
	[ qr/^FAILS +sale: 99\.50 % succeeded -> 97\.50 % \(-2\.00 points\)$/m ]);
compares('half a point less successful', run(), changed(sub { $_->{success_rate} = 0.99 if is_row('sale', 'ours') }), 0, []);
compares('a peer less successful', run(), changed(sub { $_->{success_rate} = 0.5 if is_row('sale', 'unguarded') }), 0, []);

compares('a scenario that is gone', run(), without('day'), 0, [ qr/^ +day: only in the old file$/m ]);
compares('a scenario that is new', without('day'), run(), 0, [ qr/^ +day: only in the new file$/m ]);
compares('ours was not measured', run(), changed(sub { $_->{median} = undef if is_row('day', 'ours') }), 0,
	[ qr/^ +day, latency of ours: only in the old file$/m ]);
compares('nothing in common', run(), { format => 1 }, 0, [ qr/nothing that both files have/ ]);
compares('other settings', run(), { %{ run() }, settings => { barbers => 5 } }, 0, [ qr/settings: .*1000000.*; new: barbers 5$/m ]);

# ---------------------------------------------------------------------------
# compare: ratios
# ---------------------------------------------------------------------------

my ($made, $text) = run_tool('compare', '--make-baseline', write_json(run()));
is($made, 0, 'a baseline is made');
my $baseline = eval { JSON::PP->new->decode($text) } // {};
is($baseline->{kind}, 'ratios', 'it says what it is');
is_deeply(
	$baseline->{scenarios},
	{ day => { multirange => 6.25, not_exists => 8, index_probe => 0.5 }, month => { multirange => 25 }, sale => { unguarded => 0.75 } },
	'it has the ratios, and nothing that depends on the machine');

my $slow_machine = changed(sub { $_->{median} *= 3 });
my $less = scaled('day', 'not_exists', 'ratio', 0.7);
my $accused = qr/^SLOWER +day: 8 times as fast as not_exists -> 5\.60 times \(-30\.0 %\)$/m;
compares('the baseline and its run', $baseline, run(), 0, [ qr/^0 of 5 figures worse/m ]);
compares('the baseline and a slow machine', $baseline, $slow_machine, 0, []);
compares('the baseline and a ratio 30 % lower', $baseline, $less, 1, [ $accused, qr/^1 of 5 figures worse/m ]);
compares('the baseline and a ratio 10 % lower', $baseline, scaled('day', 'not_exists', 'ratio', 0.9), 0, []);
compares('the baseline and a ratio 30 % higher', $baseline, scaled('day', 'not_exists', 'ratio', 1.3), 0, []);
compares('the baseline and a scenario that is gone', $baseline, without('sale'), 0, [ qr/^ +sale: only in the old file$/m ]);
compares('a baseline as the new file', scaled('day', 'not_exists', 'ratio', 2), $baseline, 1, [ qr/^SLOWER +day: 16 times/m ]);
compares('the ratios of two runs', run(), $less, 1, [$accused], '--ratios');
compares('the ratios of two runs, one on a slow machine', run(), $slow_machine, 0, [], '--ratios');

# ---------------------------------------------------------------------------
# What is no figures file, and wrong calls
# ---------------------------------------------------------------------------

my $good = write_json(run());
my %bad = (
	'malformed JSON' => write_text('{"format": 1, "summary": ['),
	'an empty file' => write_text(''),
	'a list' => write_text('[1]'),
	'another format' => write_json({ %{ run() }, format => 2 }),
	'no file' => "$directory/none.json",
	'a directory' => $directory);
foreach my $kind (sort keys %bad)
{
	foreach my $call ([ 'compare', $bad{$kind}, $good ], [ 'compare', $good, $bad{$kind} ], [ 'compare', '--make-baseline', $bad{$kind} ],
		[ 'report', $bad{$kind}, "$directory/never" ])
	{
		my ($status, $said) = run_tool(@$call);
		is($status, 2, "$kind: $call->[0] refuses it") or diag($said);
		like($said, qr/^$call->[0]: \Q$bad{$kind}\E: /, "$kind: $call->[0] names the file");
	}
}
foreach my $call ([ 'compare', $good ], [ 'compare', $good, $good, $good ], [ 'compare', '--fast', $good, $good ],
	[ 'compare', '--threshold', 'much', $good, $good ], [ 'compare', '--threshold', -1, $good, $good ],
	[ 'compare', '--make-baseline' ], ['report'], [ 'report', $good ])
{
	my ($status, $said) = run_tool(@$call);
	is($status, 2, join(' ', map { $_ eq $good ? 'FILE' : $_ } @$call) . ' is refused');
	like($said, qr/^usage: /m, 'with the usage');
}

# ---------------------------------------------------------------------------
# report
# ---------------------------------------------------------------------------

sub slurp
{
	my ($name) = @_;
	open my $handle, '<:encoding(UTF-8)', $name or return '';
	return join '', <$handle>;
}

# The page, and the images that it shows
sub reported
{
	my ($name, $run) = @_;
	my $to = "$directory/report" . ++$files . '/of/it';
	my ($status, $said) = run_tool('report', write_json($run), $to);
	is($status, 0, "$name: a report is made") or diag($said);
	my $page = slurp("$to/report.md");
	my @images = $page =~ /^!\[.*\]\((.*)\)$/mg;
	return ($page, $said, map { "$to/$_" } @images);
}

# Every row of a table has as many cells as its head.
sub tables_are_whole
{
	my ($name, $page) = @_;
	my ($wanted, @broken);
	foreach my $line (split /\n/, $page)
	{
		my $cells = $line =~ /^\|/ ? () = $line =~ /(?<!\\)(?:\\\\)*\|/g : undef;
		push @broken, $line if defined $wanted && defined $cells && $cells != $wanted;
		$wanted = $cells;
	}
	is_deeply(\@broken, [], "$name: no row has more or fewer cells");
}

my $has_gnuplot = grep { -x "$_/gnuplot" } split /:/, $ENV{PATH};

# All of them are there, are SVG, and have a white background.
sub images_are
{
	my ($name, $wanted, @images) = @_;
	is_deeply([ map { m{([^/]*)$} } @images ], $wanted, "$name: its images");
	foreach my $image (@images)
	{
		my $svg = slurp($image);
		like($svg, qr/^<\?xml.*<svg .*<\/svg>\s*$/s, "$name: $image is an SVG");
		like($svg, qr/<rect [^>]*fill="#ffffff"/, 'with a background');
	}
}

my ($page, $complaints, @images) = reported('a run', run());
foreach my $line ('- Machine: cores 2, cpu an abacus', '- Date: 2026-01-02T03:04:05+00:00', '- Server: PostgreSQL 15.99',
	'- Settings: appointments 1,000,000, barbers 2,000', '- Faults: none', '## About day', '## About sale',
	'| About day | multirange | at least 6 | 6.25 | met |',
	'| About month | multirange | at least 30 | 25 | **missed by 16.7 %** |',
	'| next_slots: cost with 10,000,000 appointments | with 10,000 | at most 1.3 | 1.20 | met |',
	'| contestant | median µs a call | min–max | ours is x times as fast |',
	'| **ours** | 10 | 9–12 |  |', '| not_exists | 80 | 72–96 | 8 |', '| index_probe (floor) | 5 | 4.50–6 | 0.50 |',
	'| unguarded | 12,000 | 10,800–14,400 | 0.75 | 3,000 | 4,000 | 5,000 | 6,000 | 99.50 % | 100 | 17 | 0 | 0 |',
	'| µs a call | 10 | 100,000 |', '| next_slots | 10 | 11 |', '| next_slots | 12 | 40 |',
	'## What a call costs, by the number of barbers, asked about one shop')
{
	like($page, qr/^\Q$line\E$/m, "the report has: $line");
}
tables_are_whole('a run', $page);

my $faulty = { %{ run() }, faults => [ { scenario => 'day', contestant => 'multirange', fault => '3 slots differ' } ] };
like((reported('a run with a fault', $faulty))[0], qr/^- fault: day, multirange, 3 slots differ$/m, 'it tells the fault');

my ($empty_page) = reported('an empty run', { format => 1 });
like($empty_page, qr/^# /, 'an empty run has a heading');
reported('a run of other types', { format => 1, map { $_ => 5 } qw(server machine settings summary faults growth finished_at) });
my ($odd_page) = reported('a run of odd rows',
	{
		format => 1, growth => [ 1, {} ],
		summary => [ {}, 3, undef, [], { scenario => 'x', contestant => 'ours', median => 'NaN', lowest => [], highest => '1e999' } ]
	});
like($odd_page, qr/^\| \*\*ours\*\* \|$/m, 'what is no number is left out');

{
	local $ENV{PATH} = "$directory/nothing";
	my ($bare, $warning, @none) = reported('without gnuplot', run());
	is_deeply(\@none, [], 'without gnuplot: no images');
	like($bare, qr/^\| not_exists \| 80 /m, 'without gnuplot: the tables');
	like($warning, qr/there is no gnuplot/, 'without gnuplot: it says so');
}

# ---------------------------------------------------------------------------
# Names that want to be more than text
# ---------------------------------------------------------------------------

my $trap = "$directory/trap";
my @hostile = (
	"`touch $trap`", "\$(touch $trap)", "'; system 'touch $trap'; '", "\"; system \"touch $trap\"; \"", "\\'; system \"touch $trap\" #",
	"x\nsystem \"touch $trap\"\nx", "END\n!touch $trap\n", "a | b \\| c", '<script>alert(1)</script>', '../../../etc/passwd',
	"![x](y) [x](y) *b* _i_", "\x{202e}right \x{0}\x{1b}[31m", '%s %n @x $x', '', 'day', 'DAY', 'growth_appointments', 'x' x 5000,
	'Müller & Söhne');
my $hostile = run();
foreach my $name (@hostile)
{
	push @{ $hostile->{summary} }, map { row($name, $_, 'us', 10, 2, target => 3, title => $name) } 'ours', @hostile;
	push @{ $hostile->{growth} }, { axis => 'appointments', appointments => $_, call => $name, us => $_ } foreach 1, 10;
	push @{ $hostile->{growth} }, { axis => 'barbers', barbers => $_, asked => $name, call => $name, us => $_ } foreach 1, 10;
	push @{ $hostile->{faults} }, { scenario => $name, fault => $name };
}
$hostile->{$_} = join ' ', @hostile foreach qw(server finished_at);
$hostile->{$_} = { map { $_ => $_ } @hostile } foreach qw(machine settings);

my ($hostile_page, $hostile_said, @hostile_images) = reported('hostile names', $hostile);
tables_are_whole('hostile names', $hostile_page);
unlike($hostile_page, qr/(?<!\\)(?:<\w|`touch)|[^\P{C}\n]/, 'hostile names: no HTML, no code, no control characters');
unlike($hostile_page, qr/(?<!\\)\]\(y\)/, 'hostile names: no links');
ok(!(grep { m{/it/.*/} || !m{/[\w~-]+\.svg$} } @hostile_images), 'hostile names: every file has a harmless name');
my %distinct = map { lc $_ => 1 } @hostile_images;
is(keys %distinct, @hostile_images, 'hostile names: every image has a file of its own');

($made, $said) = run_tool('compare', write_json($hostile), write_json($hostile));
is($made, 0, 'hostile names: compare takes them');
unlike($said, qr/[^\P{C}\n]/, 'hostile names: compare prints no control characters');

SKIP:
{
	diag('THE CHARTS OF bench/report ARE NOT TESTED: there is no gnuplot (Debian: gnuplot-nox)') unless $has_gnuplot;
	skip 'there is no gnuplot', 1 unless $has_gnuplot;
	is($complaints, '', 'gnuplot complains about nothing');
	images_are('a run',
		[qw(day.svg month.svg sale.svg growth_appointments.svg growth_barbers_any_barber.svg growth_barbers_one_shop.svg)], @images);
	is(grep({ -s $_ } @hostile_images), 2 * @hostile + 5, 'hostile names: a chart of each scenario and growth curve');
	my $svgs = join '', map { slurp($_) } @hostile_images;
	unlike($svgs, qr/<script/, 'hostile names: no script in an SVG');
	like($svgs, qr/Müller &amp; Söhne/, 'hostile names: an honest one is kept');
}
ok(!-e $trap, 'hostile names: none was run');

done_testing();
