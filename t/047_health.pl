# health() where a regression test cannot go: on a standby, with replay paused,
# while somebody holds a lock on the tables; and verify() on a standby.  If this
# fails, monitoring waits behind a lock, or takes a standby for a primary.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "max_prepared_transactions = 5\njit = off\n");
$primary->start;
$primary->safe_psql('postgres', q{
CREATE EXTENSION booking;
SELECT booking.setup();
INSERT INTO booking.shops (name) VALUES ('watched');
INSERT INTO booking.barbers (shop_id, name) VALUES (1, 'Wes');
INSERT INTO booking.services (shop_id, name, duration_minutes) VALUES (1, 'cut', 30);
INSERT INTO booking.appointments (barber_id, service_id, starts_at, ends_at)
VALUES (1, 1, now() + interval '1 hour', now() + interval '2 hours');
});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));

sub health
{
	my ($node, $query) = @_;
	return $node->safe_psql('postgres', "WITH h AS MATERIALIZED (SELECT booking.health() AS h) SELECT $query FROM h");
}

my $short = q{h ->> 'status', h #>> '{checks,replication,role}', h #>> '{checks,replication,status}'};
is(health($primary, $short), 'healthy|primary|healthy', 'the primary is healthy');

# ---------------------------------------------------------------------------
# A standby
# ---------------------------------------------------------------------------

is(health($standby, $short), 'healthy|standby|healthy', 'a standby that keeps up is healthy');
# WAL comes at any time, but not for long.
ok($standby->poll_query_until('postgres', q{SELECT (booking.health() #>> '{checks,replication,lag_seconds}')::float8 = 0}),
	'it lags by nothing while nothing is to be replayed');
like($standby->safe_psql('postgres', 'SELECT booking.metrics()'), qr/^booking_appointments\{status="confirmed"\} 1$/m,
	'it has metrics');
is($standby->safe_psql('postgres', 'SELECT * FROM booking.verify(true)'), '', 'verify runs on it');

$primary->safe_psql('postgres', q{UPDATE booking.appointments SET notes = 'sooner'});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'});
is(health($standby, $short), 'degraded|standby|degraded', 'it is degraded while replay is paused');
$primary->safe_psql('postgres', q{UPDATE booking.appointments SET notes = 'later'});
$standby->poll_query_until('postgres', 'SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()');
is(health($standby, q{(h #>> '{checks,replication,lag_seconds}')::float8 > 0}), 't', 'and lags behind what it has received');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is(health($standby, $short), 'healthy|standby|healthy', 'and healthy again afterwards');

# ---------------------------------------------------------------------------
# A lock
# ---------------------------------------------------------------------------

# A prepared transaction holds it without a session.
$primary->safe_psql('postgres', q{BEGIN; LOCK TABLE booking.appointments IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'maintenance'});
is( health($primary, q{h ->> 'status', h #>> '{checks,guard,status}', h #>> '{checks,guard,sqlstate}', h #>> '{checks,replication,status}'}),
	'degraded|degraded|55P03|healthy', 'what has to wait for a lock is given up, the rest is answered');
like($primary->safe_psql('postgres', 'SELECT booking.metrics()'),
	qr/^booking_health_status\{status="degraded"\} 1\n.*^# EOF\n?\z/ms, 'metrics too');
$primary->safe_psql('postgres', q{ROLLBACK PREPARED 'maintenance'});
is(health($primary, $short), 'healthy|primary|healthy', 'afterwards all is well');

$standby->stop;
$primary->stop;
done_testing();
