package Figures;

# Figures.pm: reads the JSON that bench/run writes, for report and compare.
#
# Nothing in such a file is trusted: parts may be missing or of another type,
# and a name may be made to harm.  So a reader takes lists from objects(),
# numbers from figure() and texts from printable(), and escapes the latter for
# where they go.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use Scalar::Util 'looks_like_number';

our @EXPORT = qw(read_figures objects figure printable by_scenario number percent);

my $format = 1;

# The file's top-level object.  Dies with one line that says why not.
sub read_figures
{
	my ($file) = @_;
	open my $handle, '<:raw', $file or die "$file: $!\n";
	my $text = do { local $/; <$handle> };
	my $object = eval { JSON::PP->new->utf8->decode($text // '') };
	my $stated = ref $object eq 'HASH' ? figure($object->{format}) : undef;
	die "$file: this is not JSON\n" unless defined $object;
	die "$file: not a file of bench/run's format $format\n" unless defined $stated && $stated == $format;
	return $object;
}

# What of a list are objects
sub objects
{
	my ($list) = @_;
	return ref $list eq 'ARRAY' ? grep { ref $_ eq 'HASH' } @$list : ();
}

# A finite number, or undef
sub figure
{
	my ($value) = @_;
	return undef unless defined $value && !ref $value && looks_like_number($value);
	return $value - $value == 0 ? $value + 0 : undef;
}

# One line of text without control characters, cut to a length
sub printable
{
	my ($value, $length) = @_;
	my $text = defined $value && !ref $value ? "$value" : '';
	$length //= 200;
	$text =~ s/\p{C}/ /g;
	$text =~ s/^\s+|\s+$//g;
	return length $text > $length ? substr($text, 0, $length - 1) . "\x{2026}" : $text;
}

# The summary's scenarios in their order, each as [name, row, ...]
sub by_scenario
{
	my ($run) = @_;
	my (@scenarios, %seen);
	foreach my $row (objects($run->{summary}))
	{
		my $name = printable($row->{scenario});
		push @scenarios, $seen{$name} = [$name] unless $seen{$name};
		push @{ $seen{$name} }, $row;
	}
	return @scenarios;
}

# Three digits or all of them: 5.29, 57.8, 11,770
sub number
{
	my ($value) = @_;
	return '' unless defined $value;
	my $size = abs $value;
	my $text = sprintf $value == int $value || $size >= 99.95 ? '%.0f' : $size >= 9.995 ? '%.1f' : '%.2f', $value;
	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

# Of a share of 1; what is not all is never shown as 100 %
sub percent
{
	my ($share) = @_;
	return '' unless defined $share;
	my $text = sprintf '%.2f', 100 * $share;
	$text = '99.99' if $text eq '100.00' && $share < 1;
	$text =~ s/\.00$//;
	return "$text %";
}

1;
