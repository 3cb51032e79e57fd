SELECT bench.book_locked('for_update', false, :chair, :service, :customer, to_timestamp(:at), '5 minutes');
