SELECT bench.book_locked('advisory_lock', false, :chair, :service, :customer, to_timestamp(:at), '5 minutes');
