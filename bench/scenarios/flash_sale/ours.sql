SELECT * FROM booking.try_book_slot(:chair, :service, :customer,
	to_timestamp(:chair_base + nextval('bench.tries') / 64 * 7200 + :late));
