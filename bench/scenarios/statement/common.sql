\set barber random(1, :barbers)
\set service (:barber - 1) / 10 * 3 + 1
\set day :today + random(1, 29)
