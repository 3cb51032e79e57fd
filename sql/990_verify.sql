--
-- The last file: whatever the others have left in the tables, nothing of it is
-- broken.  (Most of them leave nothing, and damage what they damage in a
-- transaction that is rolled back.)
--
SELECT * FROM booking.verify(true);
SELECT booking.health() ->> 'status' AS status;
