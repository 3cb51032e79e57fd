# A hot standby gives the primary's answers once it has replayed, to a session
# that has been asking all along too; whoever wants to write there is told so;
# and once it is promoted, booking goes on under the guard.  If this fails, a
# page that reads from a standby offers what is taken, or a failover ends the
# business.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use FilledShops;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = start_server('primary', allows_streaming => 1);
fill_shops($primary, 'postgres');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub replayed
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

sub same_answers
{
	my ($name) = @_;

	replayed();
	my $now = $primary->safe_psql('postgres', 'SELECT now()');
	same_list(answers($standby, 'postgres', $now), answers($primary, 'postgres', $now), "$name: the same answers");
	return;
}

same_answers('the base backup');

# ---------------------------------------------------------------------------
# A session of the standby's that was there first
# ---------------------------------------------------------------------------

my $tuesday = $primary->safe_psql('postgres', q{SELECT date_trunc('week', current_date + 14)::date + 1});
my $question = qq{SELECT count(*), min(starts_at::time), max(starts_at::time),
	count(DISTINCT barber_id), min(ends_at - starts_at) FROM booking.available_slots(15, '$tuesday')};
my $reader = $standby->background_psql('postgres', on_error_stop => 0);
$reader->query(q{SET timezone = 'America/New_York'});
like($reader->query($question), qr/^\d+\|09:00:00\|17:30:00\|1\|00:30:00$/, 'a session of the standby has asked');

my @changes = (
	[ 'working_hours', q{UPDATE booking.working_hours SET opens = '10:00' WHERE barber_id = 14}, qr/\|10:00:00\|17:30/ ],
	[ 'services', q{UPDATE booking.services SET duration_minutes = 60 WHERE id = 15}, qr/\|01:00:00$/ ],
	[ 'barber_services', q{UPDATE booking.barber_services SET duration_minutes = 45 WHERE barber_id = 14}, qr/\|00:45:00$/ ],
	[ 'shops', q{UPDATE booking.shops SET slot_interval_minutes = 120 WHERE id = 6}, qr/\|10:00:00\|14:00:00\|/ ],
	[ 'time_off', q{DELETE FROM booking.time_off WHERE barber_id = 15}, qr/\|2\|/ ],
	[ 'schedule_overrides', qq{INSERT INTO booking.schedule_overrides (shop_id, on_date, opens, closes)
		VALUES (6, '$tuesday', '08:00', '09:00')}, qr/\|08:00:00\|08:00:00\|2\|/ ],
	[ 'barbers', q{UPDATE booking.barbers SET is_active = false WHERE id = 14}, qr/\|1\|/ ],
	[ 'service_steps', q{INSERT INTO booking.service_steps VALUES (15, 1, 10, 20), (15, 2, 20, 0)}, qr/\|00:50:00$/ ],
	[ 'a rollback', q{BEGIN; DELETE FROM booking.working_hours; ROLLBACK}, qr/\|1\|00:50:00$/ ],
	[ 'a new index', q{DROP INDEX booking.idx_working_hours_barber;
		CREATE INDEX idx_working_hours_barber ON booking.working_hours (barber_id)}, qr/\|1\|00:50:00$/ ],
	[ 'an appointment', qq{SELECT booking.book_slot(15, 15, 71, '$tuesday 08:00 America/New_York')}, qr/^0\|/ ]);

foreach my $change (@changes)
{
	my ($name, $statement, $want) = @$change;
	$primary->safe_psql('postgres', $statement);
	replayed();
	like($reader->query($question), $want, "$name: that session sees it");
}
same_answers('the changes');

# ---------------------------------------------------------------------------
# Writers are told: 25006, read_only_sql_transaction, whatever the function
# ---------------------------------------------------------------------------

$primary->safe_psql('postgres', q{DELETE FROM booking.service_steps WHERE service_id = 15;
	DELETE FROM booking.schedule_overrides WHERE shop_id = 6});
replayed();

# Ids of appointments that are ready for each change, and a slot that is free.
my $ids = $standby->safe_psql(
	'postgres', q{
	SELECT min(id) FILTER (WHERE status = 'pending' AND hold_expires_at > now()),
		min(id) FILTER (WHERE status = 'confirmed' AND part_of IS NULL AND starts_at > now() + interval '2 days'
			AND barber_id = 15),
		min(id) FILTER (WHERE status = 'checked_in' OR status = 'confirmed'),
		(SELECT min(id) FROM booking.waitlist WHERE status = 'waiting'),
		(SELECT starts_at FROM booking.next_slots(15, now() + interval '2 days', 1, 15))
	FROM booking.appointments});
my ($hold, $booked, $begun, $place, $free) = split /\|/, $ids;
my $stylish = "15, 15, NULL, '$free'"; # a walk-in, who is nowhere else then

my %calls = (
	book_slot => "booking.book_slot($stylish)",
	'book_slot, any barber' => "booking.book_slot(NULL, 15, 42, '$free')",
	try_book_slot => "booking.try_book_slot($stylish)",
	hold_slot => "booking.hold_slot($stylish)",
	book_visit => "booking.book_visit(42, ARRAY[ROW(15, 15, '$free', NULL)]::booking.visit_item[])",
	book_series => "booking.book_series($stylish, '1 week', 2)",
	confirm_appointment => "booking.confirm_appointment($hold)",
	decline_appointment => "booking.decline_appointment($hold)",
	cancel_appointment => "booking.cancel_appointment($booked, cancelled_by => 'shop')",
	reschedule_appointment => "booking.reschedule_appointment($booked, '$free', 15, 15)",
	check_in => "booking.check_in($booked)",
	complete_appointment => "booking.complete_appointment($booked)",
	mark_no_show => "booking.mark_no_show($begun)",
	expire_holds => 'booking.expire_holds()',
	join_waitlist => "booking.join_waitlist(42, 15, '$free', '$free'::timestamptz + interval '1 hour')",
	leave_waitlist => "booking.leave_waitlist($place)",
	ensure_user => "booking.ensure_user('nobody.yet\@example.org')");

foreach my $call (sort keys %calls)
{
	my ($status, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT $calls{$call}");
	like($err, qr/ERROR:  25006: cannot execute .* (during recovery|in a read-only transaction)/, "$call on the standby: 25006");
}
is($standby->safe_psql('postgres', 'SELECT booking.setup()'), '', 'setup() finds nothing missing');

# ---------------------------------------------------------------------------
# The primary is lost, the standby promoted
# ---------------------------------------------------------------------------

my $kept = rows($primary, 'postgres');
$primary->stop('immediate');
$standby->promote;
same_list(rows($standby, 'postgres'), $kept, 'promoted: every row is there');
like($reader->query("SELECT starts_at = '$free' FROM booking.book_slot($stylish)"), qr/^t$/,
	'the session that was there before the promotion books');
my ($status, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT booking.book_slot($stylish)");
like($err, qr/23P01/, 'nobody else gets that slot');
$reader->quit;
guards_and_books($standby, 'postgres', 'promoted');

done_testing();
