-- Every try is a time of its own: the barbers in turn (in a shuffled order),
-- each at his next free time of the run.  Twelve half hours a day are used, from
-- 14:00 and from 19:00 UTC, which New York's shops are open in winter and summer.
\set try :try + 1
\set turn :try * :clients + :client_id
\set barber permute(:turn % :barbers, :barbers) + 1
\set place :turn / :barbers
\set at :base + :place / 12 * 86400 + (28 + :place % 12 + :place % 12 / 6 * 4) * 1800
\set until :at + 1800
\set service (:barber - 1) / 10 * 3 + 1
\set customer random(1, 10000)
