SELECT bench.book_locked('advisory_lock', true, :chair, :service, :customer,
	to_timestamp(:chair_base + nextval('bench.tries') / 64 * 7200 + :late), '1 hour');
