-- pgbench runs the whole script again when it fails, and that with the number
-- that it had: who has to try again does so for the same hour.
\if :answered
\set answered 0
SELECT nextval('bench.tries') AS number \gset
\endif
SELECT bench.book_serializable(:chair, :service, :customer,
	to_timestamp(:chair_base + :number / 64 * 7200 + :late), '1 hour');
\set answered 1
