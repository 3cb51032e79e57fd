SELECT bench.book_serializable(:chair, :service, :customer, to_timestamp(:at), '5 minutes');
