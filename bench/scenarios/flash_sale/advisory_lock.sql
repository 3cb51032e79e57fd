SELECT bench.book_locked(:chair, :service, :customer,
	to_timestamp(:chair_base + nextval('bench.tries') / 64 * 7200 + :late), false);
