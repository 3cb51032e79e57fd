-- Of a hundred calls 95 ask for a day of some barber, five book a free half hour
-- of another, as in book.
\set is_booking random(1, 100) > 95
\if :is_booking
\set try :try + 1
\set turn :try * :clients + :client_id
\set barber permute(:turn % :barbers, :barbers) + 1
\set place :turn / :barbers
\set at :base + :place / 12 * 86400 + (28 + :place % 12 + :place % 12 / 6 * 4) * 1800
\set until :at + 1800
\set customer random(1, 10000)
\else
\set barber random(1, :barbers)
\set day :today + random(1, 29)
\endif
\set service (:barber - 1) / 10 * 3 + 1
