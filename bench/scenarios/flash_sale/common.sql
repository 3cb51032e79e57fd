-- One chair; each hour that opens is tried for by 64 transactions in a row, each
-- at one of four starts that all overlap.  Then the next opens, two hours later.
\set late random(0, 3) * 900
\set customer random(1, 10000)
\set service (:barbers + 9) / 10 * 3 + 3
