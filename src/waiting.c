/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  The SQL-callable writes of the waitlist, and of holds that ran out.
 *
 * expire_holds() is also who serves the waitlist for time that no function of
 * ours has freed: for each barber whom somebody waits for, it looks once at
 * what can be had within their wishes.  Where that is nothing, the line is not
 * read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/* How often the same wish may come and go before we can read it */
#define MAX_TRIES 100

typedef struct Wish
{
	int64		user_id;
	bool		is_hidden_user; /* the caller may not know that there is one */
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
	wish->is_hidden_user = is_hidden_user(false, wish->user_id,
										  GetTransactionSnapshot());
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
 * Refuses a wish into which the service does not fit, however long it is waited
 * for.
 */
static void
require_room(const Wish *wish, int64 shortest_us)
{
	if (wish->earliest > wish->latest - shortest_us)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("waitlist range is shorter than the service"),
				 errdetail("It is from %s to %s, and the service takes "
						   INT64_FORMAT " minutes.",
						   instant_text(wish->earliest),
						   instant_text(wish->latest),
						   shortest_us / USECS_PER_MINUTE),
				 errhint("The appointment begins at earliest or later, and ends by latest.")));
}

/*
 * How long the service takes with whoever is quickest; false: nobody offers it.
 */
static bool
find_shortest(Schedule *schedule, const Service *service, int64 *shortest_us)
{
	bool		is_offered = false;

	for (int i = 0; i < service->barber_count; i++)
	{
		Offer		offer;
		Refusal		refusal;

		if (!find_offer(schedule, service->barber_ids[i], service->id, &offer,
						&refusal))
			continue;
		*shortest_us = is_offered ?
			Min(*shortest_us, offer.rule.duration_us) : offer.rule.duration_us;
		is_offered = true;
	}
	return is_offered;
}

/*
 * Whether somebody could fulfil the wish at all.
 */
static bool
check_wish(const Wish *wish, Refusal *refusal)
{
	Schedule   *schedule = schedule_begin();
	Service    *service = schedule_service(schedule, wish->service_id);
	Offer		offer;
	int64		shortest_us;

	if (!check_user(wish->user_id, wish->is_hidden_user, refusal) ||
		(service != NULL && !check_welcome(schedule, service->shop_id,
											wish->user_id, refusal)))
		return false;
	if (!wish->any_barber)
	{
		if (!find_offer(schedule, wish->barber_id, wish->service_id, &offer,
						refusal))
			return false;
		shortest_us = offer.rule.duration_us;
	}
	else if (service == NULL)
		return refuse(refusal, NOT_FOUND, "There is no service " INT64_FORMAT
					  ".", wish->service_id);
	else if (!find_shortest(schedule, service, &shortest_us))
		return refuse(refusal, NOT_OFFERED, "Nobody offers service "
					  INT64_FORMAT ".", wish->service_id);
	require_room(wish, shortest_us);
	return true;
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

/*
 * All parts of a hold, or none: somebody may have locked some of them.  The
 * offers in "ended" still occupy their time, for the next in line.
 */
static OwnerQuery expire_query = {
	.sql = "WITH ended AS MATERIALIZED (SELECT a.id"
	" FROM booking.appointments a"
	" WHERE a.status = 'pending' AND a.hold_expires_at > $1"
	" AND a.hold_expires_at <= $1 + " LONGEST_GRACE
	" AND (SELECT min(w.offer_ends_at) FROM booking.waitlist w"
	" WHERE w.appointment_id = a.id AND w.status = 'served') <= $1),"
	" locked AS (SELECT id, coalesce(part_of, id) AS head_id"
	" FROM booking.appointments"
	" WHERE status = 'pending' AND hold_expires_at <= $1 + " LONGEST_GRACE
	" AND (hold_expires_at <= $1"
	" OR coalesce(part_of, id) IN (SELECT id FROM ended))"
	" ORDER BY id FOR NO KEY UPDATE SKIP LOCKED),"
	" due AS (SELECT l.id FROM locked l WHERE NOT EXISTS"
	" (SELECT FROM booking.appointments p"
	" WHERE (p.id = l.head_id OR p.part_of = l.head_id)"
	" AND p.status = 'pending' AND (p.hold_expires_at <= $1"
	" OR l.head_id IN (SELECT id FROM ended))"
	" AND p.id NOT IN (SELECT id FROM locked)))"
	" UPDATE booking.appointments a SET status = 'expired'"
	" FROM due WHERE a.id = due.id"
	" RETURNING a.part_of IS NULL",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

/*
 * Marks the holds that ran out, and returns how many appointments they were.
 */
static int
expire(void)
{
	Datum		values[] = {TimestampTzGetDatum(booking_now())};
	int			head_count = 0;
	int			count;
	bool		isnull;

	SPI_connect();
	count = run_owner_query(&expire_query, values, NULL, false);
	for (int i = 0; i < count; i++)
	{
		if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i],
									   SPI_tuptable->tupdesc, 1, &isnull)))
			head_count++;
	}
	SPI_finish();
	return head_count;
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

/* ---- whatever can be had ---- */

/*
 * What somebody waits for, with whom and when; barbers by who has waited for
 * them the longest.
 */
static OwnerQuery wanted_query = {
	.sql = "SELECT barber_id, service_id, earliest, latest"
	" FROM (SELECT o.barber_id, l.service_id, min(l.earliest) AS earliest,"
	" max(l.latest) AS latest,"
	" min(min(l.first_id)) OVER (PARTITION BY o.barber_id) AS first_id"
	" FROM (SELECT service_id, barber_id, min(earliest) AS earliest,"
	" max(latest) AS latest, min(id) AS first_id FROM booking.waitlist"
	" WHERE status = 'waiting' AND latest > $1"
	" GROUP BY service_id, barber_id) l"
	" JOIN booking.barber_services o ON o.service_id = l.service_id"
	" AND o.barber_id = coalesce(l.barber_id, o.barber_id)"
	" GROUP BY o.barber_id, l.service_id) w"
	" ORDER BY first_id, barber_id, service_id",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

typedef struct WantedList
{
	Wanted	   *wanted;
	int64	   *barber_ids;
	int			count;
} WantedList;

static void
find_wanted(WantedList *list)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {TimestampTzGetDatum(booking_now())};

	SPI_connect();
	list->count = run_owner_query(&wanted_query, values, NULL, false);
	list->wanted = MemoryContextAllocHuge(caller, Max(list->count, 1) *
										  sizeof(Wanted));
	list->barber_ids = MemoryContextAllocHuge(caller, Max(list->count, 1) *
											  sizeof(int64));
	for (int i = 0; i < list->count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;

#define VALUE(column) SPI_getbinval(row, desc, (column), &isnull)
		list->barber_ids[i] = DatumGetInt64(VALUE(1));
		list->wanted[i].service_id = DatumGetInt64(VALUE(2));
		list->wanted[i].earliest = DatumGetTimestampTz(VALUE(3));
		list->wanted[i].latest = DatumGetTimestampTz(VALUE(4));
#undef VALUE
	}
	SPI_finish();
}

typedef struct BarbersLines
{
	int64		barber_id;
	const Wanted *wanted;
	int			count;
} BarbersLines;

static bool
serve_lines_of_barber(void *arg)
{
	const BarbersLines *lines = arg;

	serve_barber(lines->barber_id, lines->wanted, lines->count);
	return true;
}

/*
 * Gives whatever can be had to those who wait for it, however it became free:
 * by a row that somebody changed or deleted by hand, by longer hours, by more
 * seats.  A shop whose configuration is broken does not keep others from it.
 */
static void
serve_everybody(void)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext per_barber = AllocSetContextCreate(caller,
													 "booking waitlist",
													 ALLOCSET_DEFAULT_SIZES);
	WantedList	list;
	BarbersLines lines;
	int			end;

	find_wanted(&list);
	MemoryContextSwitchTo(per_barber);
	for (int i = 0; i < list.count; i = end)
	{
		CHECK_FOR_INTERRUPTS();
		for (end = i; end < list.count &&
			 list.barber_ids[end] == list.barber_ids[i]; end++)
			 /* the barber's lines are served as one */ ;
		lines = (BarbersLines) {
			list.barber_ids[i], &list.wanted[i], end - i
		};
		attempt_or_warn(serve_lines_of_barber, &lines, "barber",
						lines.barber_id);
		MemoryContextReset(per_barber);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(per_barber);
}

/*
 * expire_holds()
 */
MEASURED_FUNCTION(booking_expire_holds, OP_EXPIRE_HOLDS)
{
	int			count;

	PreventCommandIfReadOnly("expire_holds()");
	count = expire();
	expire_wishes();
	serve_everybody();
	PG_RETURN_INT32(count);
}
