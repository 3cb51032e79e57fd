SELECT bench.book_exclusion_handler(:chair, :service, :customer,
	to_timestamp(:chair_base + nextval('bench.tries') / 64 * 7200 + :late), '1 hour');
