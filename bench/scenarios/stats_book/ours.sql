SELECT n, CASE WHEN b.reason IS NULL THEN at END AS starts_at
FROM (
	SELECT n, t % barbers + 1 AS barber, t / barbers AS place, today + 3540 AS base
	FROM bench.numbers, (SELECT n, nextval('bench.bookings') AS t FROM generate_series(1, $1) AS n) AS tries
) AS x,
	LATERAL (SELECT base + place::int / 12 + (28 + place % 12 + place % 12 / 6 * 4) * interval '30 minutes' AS local) AS l,
	LATERAL (SELECT local AT TIME ZONE 'UTC' AS at) AS a,
	LATERAL booking.try_book_slot(barber, (barber - 1) / 10 * 3 + 1, NULL, at) AS b
