SELECT bench.book_locked('row_lock', false, :chair, :service, :customer, to_timestamp(:at), '5 minutes');
