package Charts;

# Charts.pm: gnuplot scripts for report's charts, and running them.
#
# gnuplot reads a script from its standard input and writes to a file in the
# current directory, so that no path is ever part of a script.  A text that came
# from a figures file is: it goes through quoted(), which leaves nothing in it
# that gnuplot or a shell could take for a command.
#
# The background is white, for pages that are dark.

use strict;
use warnings;

use Exporter 'import';
use Figures;
use List::Util qw(max min);
use POSIX 'floor';

our @EXPORT = qw(bar_chart growth_chart gnuplot_is_there draw);

my $width = 820;
my $wide_spread = 20;	# from this on, a logarithmic axis
my %colours = (ours => '#1f6feb', variant => '#79b0fb', peer => '#8b949e', floor => '#d0d7de');
my @line_colours = ('#1f6feb', '#d55e00', '#009e73', '#cc79a7', '#8a6d00', '#24292f', '#56b4e9', '#8b949e');

# A text as a string of gnuplot's
sub quoted
{
	my ($text, $length) = @_;
	$text = printable($text, $length);
	$text =~ tr/'"`\\/\x{2019}\x{2019}\x{2019}\//;
	return "'$text'";
}

# What all charts have; the heading stands above the plot, at the left.
sub beginning
{
	my ($file, $height, $title, $subtitle) = @_;
	return (
		"set terminal svg noenhanced size $width,$height background '#ffffff' font 'sans-serif,14'",
		"set output '$file'",
		'set encoding utf8',
		'set label ' . quoted($title, 80) . " at character 2, screen 1 offset 0,-1.3 font ',17'",
		'set label ' . quoted($subtitle) . " at character 2, screen 1 offset 0,-2.6 textcolor '#57606a'",
		'set tmargin 4',
		"set border 3 linecolor '#57606a'",
		"set tics nomirror out textcolor '#24292f'",
		"set grid linetype 1 linecolor '#e4e8ec'");
}

# ---------------------------------------------------------------------------
# Bars: what a scenario's contestants needed
# ---------------------------------------------------------------------------

# The nearest of 1, 2, 5, 10, ... that is not below
sub round_number
{
	my ($value) = @_;
	my $decade = 10**floor(log($value) / log 10);
	return (grep { $_ >= $value * (1 - 1e-9) } map { $_ * $decade } 1, 2, 5, 10)[0];
}

# An axis from zero, or from the decade below: where it begins and ends, and its
# tics.  The labels to the right of the bars need room.
sub linear_axis
{
	my ($highest) = @_;
	my $step = round_number($highest / 5 || 1);
	return (0, 1.25 * $highest || 1, map { tic($_ * $step, number($_ * $step)) } 0 .. 1.25 * $highest / $step);
}

sub log_axis
{
	my ($lowest, $highest) = @_;
	my $first = floor(log($lowest / 1.5) / log 10);
	my $end = $highest * ($highest / 10**$first)**0.2;
	my @decades = map { 10**$_ } $first .. floor(log($end) / log 10);
	my @tics = map { my $decade = $_; (tic($decade, number($decade)), map { tic($_ * $decade, '', 1) } 2 .. 9) } @decades;
	return (0.999 * $decades[0], $end, @tics);	# else gnuplot leaves out the first tic
}

# One line of the data: y, from, to, lowest, highest, colour
sub bar
{
	my ($position, $row, $from) = @_;
	return join ' ', $position, $from, map({ max($_, $from) } @$row{qw(median lowest highest)}),
	  hex substr($colours{ $row->{kind} }, 1);
}

# level 1: a small one.  gnuplot takes the text for a format.
sub tic
{
	my ($position, $text, $level) = @_;
	$text =~ s/%/%%/g;
	return sprintf '%s %.10g %d', quoted($text, 50), $position, $level // 0;
}

sub bar_name
{
	my ($row) = @_;
	return printable($row->{name}, 36) . ($row->{kind} eq 'floor' ? ' (floor)' : '');
}

sub bar_label
{
	my ($position, $row, $from, $unit) = @_;
	return sprintf 'set label %s at %.10g,%d offset 1,0', quoted(number($row->{median}) . " $unit"),
	  max($row->{highest}, $from), $position;
}

# rows: name, median, lowest, highest, kind (a key of %colours), in the order from top to
# bottom; every number is there and none below 0.
sub bar_chart
{
	my ($file, $title, $axis, $unit, @rows) = @_;
	my ($lowest, $highest) = (min(map { $_->{lowest} } @rows), max(map { $_->{highest} } @rows));
	my $is_log = $lowest > 0 && $highest / $lowest > $wide_spread;
	my ($from, $to, @tics) = $is_log ? log_axis($lowest, $highest) : linear_axis($highest);
	return join "\n",
	  beginning($file, 110 + 32 * @rows, $title, "$axis; whiskers: lowest and highest round" . ($is_log ? '; logarithmic axis' : '')),
	  $is_log ? 'set logscale x' : (), sprintf('set xrange [%.10g:%.10g]', $from, $to), 'set xtics (' . join(', ', @tics) . ')',
	  'unset key', 'set grid xtics noytics back', 'set ytics scale 0', sprintf('set yrange [%g:-0.6]', @rows - 0.4),
	  'set ytics (' . join(', ', map { tic($_, bar_name($rows[$_])) } 0 .. $#rows) . ')',
	  'set style fill solid noborder',
	  (map { bar_label($_, $rows[$_], $from, $unit) } 0 .. $#rows),
	  '$bars << END', (map { bar($_, $rows[$_], $from) } 0 .. $#rows), 'END',
	  'plot $bars using 3:1:2:3:($1-0.34):($1+0.34):6 with boxxyerror linecolor rgb variable, '
	  . "\$bars using 3:1:4:5 with xerrorbars linecolor '#24292f' linewidth 1.5 pointtype 0", '';
}

# ---------------------------------------------------------------------------
# Lines: what a call costs as the tables grow
# ---------------------------------------------------------------------------

sub growth_line
{
	my ($number, $name) = @_;
	return sprintf q($line%d using 1:2 with linespoints title %s linecolor '%s' linewidth 2 pointtype %d pointsize 0.8),
	  $number, quoted($name, 36), $line_colours[ $number % @line_colours ], 5 + 2 * ($number % 5);
}

# calls: name => { size => microseconds }; sizes and times are above 0.
sub growth_chart
{
	my ($file, $title, $axis, %calls) = @_;
	my @names = sort { max(values %{ $calls{$b} }) <=> max(values %{ $calls{$a} }) || $a cmp $b } keys %calls;
	my @times = map { values %$_ } values %calls;
	my %sizes = map { $_ => 1 } map { keys %$_ } values %calls;
	my $is_log = max(@times) / min(@times) > $wide_spread;
	my $subtitle = 'microseconds a call; ' . ($is_log ? 'logarithmic axes' : "logarithmic axis of $axis");
	return join "\n", beginning($file, 400 + 11 * @names, $title, $subtitle),
	  'set logscale x',
	  'set xtics (' . join(', ', map { tic($_, number($_)) } sort { $a <=> $b } keys %sizes) . ')',
	  $is_log ? ('set logscale y', sprintf 'set yrange [%.10g:%.10g]', min(@times) / 2, max(@times) * 2)
	  : sprintf('set yrange [0:%.10g]', 1.15 * max(@times)),
	  "set format y '%.10g'", 'set offsets graph 0.04, graph 0.04, 0, 0', 'set rmargin 4',
	  'set key below left horizontal maxcols 2 width 4 Left reverse',
	  (map { ("\$line$_ << END", line_data($calls{ $names[$_] }), 'END') } 0 .. $#names),
	  'plot ' . join(', ', map { growth_line($_, $names[$_]) } 0 .. $#names), '';
}

sub line_data
{
	my ($times) = @_;
	return map { "$_ $times->{$_}" } sort { $a <=> $b } keys %$times;
}

# ---------------------------------------------------------------------------
# gnuplot
# ---------------------------------------------------------------------------

sub gnuplot_is_there
{
	return grep { -x "$_/gnuplot" } split /:/, $ENV{PATH} // '';
}

# Runs a script; true if all went well.
sub draw
{
	my ($script) = @_;
	local $ENV{LC_ALL} = 'C.UTF-8';	# or it cannot say the sign for a degree
	open my $gnuplot, '|-:encoding(UTF-8)', 'gnuplot', '-d', '-' or return 0;
	local $SIG{PIPE} = 'IGNORE';
	print $gnuplot $script;
	return close $gnuplot;
}

1;
