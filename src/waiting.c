/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  The SQL-callable writes of the waitlist, and of holds that ran out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "booking.h"

/* How often the same wish may come and go before we can read it */
#define MAX_TRIES 100

typedef struct Wish
{
	int64		user_id;
	int64		service_id;
	bool		any_barber;
	int64		barber_id;
	TimestampTz earliest;
	TimestampTz latest;
} Wish;

/* ---- joining ---- */

static void
read_wish(FunctionCallInfo fcinfo, Wish *wish)
{
	static const char *const names[] = {
		"user_id", "service_id", "earliest", "latest"
	};

	for (int i = 0; i < (int) lengthof(names); i++)
		require_argument(fcinfo, i, names[i]);
	wish->user_id = PG_GETARG_INT64(0);
	wish->service_id = PG_GETARG_INT64(1);
	wish->earliest = PG_GETARG_TIMESTAMPTZ(2);
	wish->latest = PG_GETARG_TIMESTAMPTZ(3);
	require_finite(wish->earliest, "earliest");
	require_finite(wish->latest, "latest");
	wish->any_barber = PG_ARGISNULL(4);
	wish->barber_id = wish->any_barber ? 0 : PG_GETARG_INT64(4);
	require_own_booking(false, wish->user_id, wish->service_id);
	if (wish->earliest >= wish->latest || wish->latest <= booking_now())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the wish leaves no time"),
				 errdetail("It is from %s to %s.",
						   instant_text(wish->earliest),
						   instant_text(wish->latest)),
				 errhint("Pass an earliest time before the latest, and a latest time that is not past.")));
}

/*
 * Whether somebody could fulfil the wish at all.
 */
static bool
check_wish(const Wish *wish, Refusal *refusal)
{
	Schedule   *schedule = schedule_begin();
	Service    *service = schedule_service(schedule, wish->service_id);
	Shop	   *shop = service == NULL ? NULL :
		schedule_shop(schedule, service->shop_id);
	Offer		offer;

	if (!check_user(wish->user_id, refusal) ||
		(shop != NULL && !check_welcome(shop, wish->user_id, refusal)))
		return false;
	if (!wish->any_barber)
		return find_offer(schedule, wish->barber_id, wish->service_id,
						  &offer, refusal);
	if (service == NULL)
		return refuse(refusal, NOT_FOUND, "There is no service " INT64_FORMAT
					  ".", wish->service_id);
	for (int i = 0; i < service->barber_count; i++)
	{
		if (find_offer(schedule, service->barber_ids[i], wish->service_id,
					   &offer, refusal))
			return true;
	}
	return refuse(refusal, NOT_OFFERED, "Nobody offers service "
				  INT64_FORMAT ".", wish->service_id);
}

static OwnerQuery find_wish_query = {
	.sql = "SELECT id FROM booking.waitlist WHERE user_id = $1"
	" AND service_id = $2 AND earliest = $3 AND latest = $4"
	" AND coalesce(barber_id, 0) = coalesce($5, 0) AND status = 'waiting'",
	.nargs = 5,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
};

static OwnerQuery make_wish_query = {
	.sql = "INSERT INTO booking.waitlist"
	" (user_id, service_id, earliest, latest, barber_id, joined_at)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (user_id, service_id, coalesce(barber_id, 0), earliest,"
	" latest) WHERE status = 'waiting' DO NOTHING RETURNING id",
	.arbiter = "idx_waitlist_wish",
	.nargs = 6,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
	TIMESTAMPTZOID}
};

/*
 * join_waitlist(user_id, service_id, earliest, latest, barber_id).  The same
 * wish twice at once makes one place: see ensure_user().
 */
MEASURED_FUNCTION(booking_join_waitlist, OP_JOIN_WAITLIST)
{
	Wish		wish;
	Refusal		refusal;
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};
	int			tries = 0;
	int64		id;
	bool		isnull;

	read_wish(fcinfo, &wish);
	PreventCommandIfReadOnly("join_waitlist()");
	if (!check_wish(&wish, &refusal))
		raise_refusal("waitlist", &refusal);
	for (int i = 0; i < 5; i++)
		values[i] = PG_GETARG_DATUM(i);
	values[5] = TimestampTzGetDatum(booking_now());
	if (wish.any_barber)
		nulls[4] = 'n';

	SPI_connect();
	while (run_owner_query(&find_wish_query, values, nulls, false) == 0 &&
		   run_owner_query(&make_wish_query, values, nulls, false) == 0)
	{
		if (++tries == MAX_TRIES)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("could not store the wish"),
					 errdetail("A trigger on table booking.waitlist may have dropped the row."),
					 errhint("Look at the triggers of booking.waitlist.")));
		CHECK_FOR_INTERRUPTS();
	}
	id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									 SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PG_RETURN_INT64(id);
}

/* ---- leaving ---- */

static OwnerQuery place_query = {
	.sql = "SELECT FROM booking.waitlist WHERE id = $1"
	" AND ($2 IS NULL OR user_id = $2)"
	" AND ($3 IS NULL OR service_id IN"
	" (SELECT s.id FROM booking.services s WHERE s.shop_id = $3))",
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, INT8OID}
};

static OwnerQuery leave_query = {
	.sql = "UPDATE booking.waitlist SET status = 'left'"
	" WHERE id = $1 AND status = 'waiting'",
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * leave_waitlist(entry_id)
 */
MEASURED_FUNCTION(booking_leave_waitlist, OP_LEAVE_WAITLIST)
{
	Datum		values[3];
	char		nulls[3] = {' '};
	Scope		scope;
	Refusal		refusal;
	bool		has_left;

	require_argument(fcinfo, 0, "entry_id");
	PreventCommandIfReadOnly("leave_waitlist()");
	values[0] = PG_GETARG_DATUM(0);
	find_scope(&scope);
	scope_parameters(&scope, &values[1], &nulls[1]);
	SPI_connect();
	if (run_owner_query(&place_query, values, nulls, false) == 0)
	{
		refuse(&refusal, NOT_FOUND, "There is no place " INT64_FORMAT
			   " in a waitlist.", PG_GETARG_INT64(0));
		raise_refusal("request", &refusal);
	}
	has_left = run_owner_query(&leave_query, values, NULL, false) > 0;
	SPI_finish();
	PG_RETURN_BOOL(has_left);
}

/* ---- holds that ran out ---- */

/* All parts of a hold, or none: somebody may have locked some of them */
static OwnerQuery expire_query = {
	.sql = "WITH locked AS (SELECT id, coalesce(part_of, id) AS head_id"
	" FROM booking.appointments"
	" WHERE status = 'pending' AND hold_expires_at <= $1"
	" ORDER BY id FOR NO KEY UPDATE SKIP LOCKED),"
	" due AS (SELECT l.id FROM locked l WHERE NOT EXISTS"
	" (SELECT FROM booking.appointments p"
	" WHERE (p.id = l.head_id OR p.part_of = l.head_id)"
	" AND p.status = 'pending' AND p.hold_expires_at <= $1"
	" AND p.id NOT IN (SELECT id FROM locked)))"
	" UPDATE booking.appointments a SET status = 'expired'"
	" FROM due WHERE a.id = due.id"
	" RETURNING (SELECT b.shop_id FROM booking.barbers b"
	" WHERE b.id = a.barber_id),"
	" a.barber_id, a.busy_from, a.busy_until, a.part_of IS NULL",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

typedef struct Expired
{
	int64		shop_id;
	int64		barber_id;
	Span		busy;
	bool		is_head;
} Expired;

/*
 * Marks the holds that ran out and reads what they are.
 */
static Expired *
expire(int *count)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {TimestampTzGetDatum(booking_now())};
	Expired    *expired;

	SPI_connect();
	*count = run_owner_query(&expire_query, values, NULL, false);
	expired = MemoryContextAllocHuge(caller,
									 Max(*count, 1) * sizeof(Expired));
	for (int i = 0; i < *count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

#define VALUE(column) SPI_getbinval(row, desc, (column), &isnull)
		expired[i].shop_id = DatumGetInt64(VALUE(1));
		expired[i].barber_id = DatumGetInt64(VALUE(2));
		expired[i].busy.from = DatumGetTimestampTz(VALUE(3));
		expired[i].busy.until = DatumGetTimestampTz(VALUE(4));
		expired[i].is_head = DatumGetBool(VALUE(5));
#undef VALUE
	}
	SPI_finish();
	return expired;
}

/* Wishes that nothing can fulfil any more */
static OwnerQuery past_wishes_query = {
	.sql = "UPDATE booking.waitlist SET status = 'expired' WHERE id IN"
	" (SELECT id FROM booking.waitlist"
	" WHERE status = 'waiting' AND latest <= $1 FOR NO KEY UPDATE SKIP LOCKED)",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

static void
expire_wishes(void)
{
	Datum		values[] = {TimestampTzGetDatum(booking_now())};

	SPI_connect();
	run_owner_query(&past_wishes_query, values, NULL, false);
	SPI_finish();
}

/*
 * expire_holds()
 */
MEASURED_FUNCTION(booking_expire_holds, OP_EXPIRE_HOLDS)
{
	Expired    *expired;
	int			count;
	int			head_count = 0;

	PreventCommandIfReadOnly("expire_holds()");
	expired = expire(&count);
	for (int i = 0; i < count; i++)
	{
		Expired    *row = &expired[i];

		CHECK_FOR_INTERRUPTS();
		if (row->is_head)
			head_count++;
		if (row->busy.until > booking_now())
			serve_waitlist(row->shop_id, row->barber_id,
						   &(SpanList) {&row->busy, 1, 1});
	}
	expire_wishes();
	PG_RETURN_INT32(head_count);
}
