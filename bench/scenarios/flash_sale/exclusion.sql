SELECT bench.book_exclusion(:chair, :service, :customer,
	to_timestamp(:chair_base + nextval('bench.tries') / 64 * 7200 + :late), '1 hour');
