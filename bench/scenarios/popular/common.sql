-- One chair; every client has times of its own: five minutes that nobody else wants.
\set try :try + 1
\set at :chair_base + (:try * :clients + :client_id) * 300
\set customer random(1, 10000)
\set service (:barbers + 9) / 10 * 3 + 4
