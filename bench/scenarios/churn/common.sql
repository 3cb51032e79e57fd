-- Every client has a barber of its own and four half hours of his, which it
-- books and cancels by turns: each leaves one more dead entry in the indexes.
\set try :try + 1
\set barber :client_id * :barbers / :clients + 1
\set at :base + (28 + :try % 4) * 1800
\set until :at + 1800
\set service (:barber - 1) / 10 * 3 + 1
\set customer random(1, 10000)
