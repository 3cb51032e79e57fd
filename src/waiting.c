/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  The SQL-callable writes of the waitlist, and of holds that ran out.
 *
 * A shop limits how many wishes of a customer wait at a time.  A call that adds
 * one holds a lock on the user's row until the transaction ends, so that of two
 * concurrent calls only one can add the last.
 *
 * expire_holds() also serves the waitlist with time that none of our functions
 * freed: for each barber whom somebody waits for, it computes once what is
 * available within their wishes, and reads the line only if that is something.
 * Each of its tasks is bounded, so that a call ends within a second or two no
 * matter how much there is to do: an unbounded call could run into the same
 * statement_timeout every time.  The next call continues: the oldest holds come
 * first, and half of the serving starts at random, so that nothing is left for
 * ever.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/* Attempts to read a wish that others add and delete meanwhile */
#define MAX_TRIES 100

/* Holds, offers and past wishes that one call of expire_holds() marks, each */
#define MOST_AT_ONCE "1000"

/*
 * expire_holds() picks MOST_SERVICES at random from MOST_WAITED_FOR services that
 * somebody waits for, and serves them until MOST_WORK is done (in entries).
 */
#define MOST_WAITED_FOR "100000"
#define MOST_SERVICES "1000"
#define MOST_WORK 2000

typedef struct Wish
{
	int64		user_id;
	bool		is_hidden_user; /* the caller may not know that there is one */
	int64		service_id;
	bool		any_barber;
	int64		barber_id;
	TimestampTz earliest;		/* both in whole minutes */
	TimestampTz latest;
	int64		shop_id;
	int			most_waiting;	/* in the shop; 0: no limit */
} Wish;

/* ---- joining ---- */

/*
 * The last whole minute that is not after an instant.
 */
static TimestampTz
whole_minute(TimestampTz at)
{
	int64		rest = at % USECS_PER_MINUTE;

	return at - (rest < 0 ? rest + USECS_PER_MINUTE : rest);
}

static void
read_wish(FunctionCallInfo fcinfo, Wish *wish)
{
	TimestampTz earliest;
	TimestampTz latest;

	static const char *const names[] = {
		"user_id", "service_id", "earliest", "latest"
	};

	for (int i = 0; i < (int) lengthof(names); i++)
		require_argument(fcinfo, i, names[i]);
	wish->user_id = PG_GETARG_INT64(0);
	wish->service_id = PG_GETARG_INT64(1);
	earliest = PG_GETARG_TIMESTAMPTZ(2);
	latest = PG_GETARG_TIMESTAMPTZ(3);
	require_finite(earliest, "earliest");
	require_finite(latest, "latest");
	wish->earliest = whole_minute(earliest + USECS_PER_MINUTE - 1);
	wish->latest = whole_minute(latest);
	wish->any_barber = PG_ARGISNULL(4);
	wish->barber_id = wish->any_barber ? 0 : PG_GETARG_INT64(4);
	require_own_booking(false, wish->user_id, wish->service_id);
	wish->is_hidden_user = is_hidden_user(false, wish->user_id,
										  GetTransactionSnapshot());
	if (wish->earliest >= wish->latest || wish->latest <= booking_now())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the wish leaves no time"),
				 errdetail("It is from %s to %s, in whole minutes.",
						   instant_text(earliest), instant_text(latest)),
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

/*
 * How many wishes the shop allows the customer.  The service was found before.
 */
static void
read_most_waiting(Wish *wish)
{
	Schedule   *schedule = schedule_begin();
	Service    *service = schedule_service(schedule, wish->service_id);
	Shop	   *shop = service == NULL ? NULL :
		schedule_shop(schedule, service->shop_id);

	wish->shop_id = shop == NULL ? 0 : shop->id;
	wish->most_waiting = shop == NULL ? 0 : shop->max_waiting_per_user;
}

static OwnerQuery lock_user_query = {
	.sql = "SELECT FROM booking.users WHERE id = $1 FOR NO KEY UPDATE",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

/* Wishes that wait in a shop, up to $4 of them; what is past waits no longer */
static OwnerQuery waiting_query = {
	.sql = "SELECT FROM booking.waitlist w"
	" WHERE w.user_id = $1 AND w.status = 'waiting'"
	" AND coalesce(w.latest > $3, false)"
	" AND (SELECT s.shop_id = $2 FROM booking.services s"
	" WHERE s.id = w.service_id) LIMIT $4",
	.by_index = true,
	.nargs = 4,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID}
};

/*
 * Refuses one wish too many.  The user's lock is held: so the latest snapshot
 * sees whatever another call has added, also at REPEATABLE READ.
 */
static void
require_place(const Wish *wish)
{
	Datum		values[] = {
		Int64GetDatum(wish->user_id), Int64GetDatum(wish->shop_id),
		TimestampTzGetDatum(booking_now()), Int64GetDatum(wish->most_waiting)
	};
	Refusal		refusal;
	int			count;

	if (wish->most_waiting == 0)
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	count = run_owner_query(&waiting_query, values, NULL, true);
	PopActiveSnapshot();
	if (count < wish->most_waiting)
		return;
	refuse(&refusal, LIMIT_REACHED, "The shop allows a customer %d wishes on its waitlist at a time.",
		   wish->most_waiting);
	raise_refusal("waitlist", &refusal);
}

static OwnerQuery find_wish_query = {
	.sql = "SELECT id FROM booking.waitlist WHERE user_id = $1"
	" AND service_id = $2 AND earliest = $3 AND latest = $4"
	" AND coalesce(barber_id, 0) = coalesce($5, 0) AND status = 'waiting'",
	.by_index = true,
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
 * Stores a wish, if there is none like it, within SPI.  The same wish twice at
 * once makes one place: see ensure_user().
 */
static int64
store_wish(const Wish *wish)
{
	Datum		values[] = {
		Int64GetDatum(wish->user_id), Int64GetDatum(wish->service_id),
		TimestampTzGetDatum(wish->earliest),
		TimestampTzGetDatum(wish->latest), Int64GetDatum(wish->barber_id),
		TimestampTzGetDatum(booking_now())
	};
	const char	nulls[] = {
		' ', ' ', ' ', ' ', wish->any_barber ? 'n' : ' ', ' '
	};
	int			tries = 0;
	bool		isnull;

	if (wish->most_waiting > 0 &&
		run_owner_query(&find_wish_query, values, nulls, false) == 0)
		run_owner_query(&lock_user_query, values, NULL, false);
	while (run_owner_query(&find_wish_query, values, nulls, false) == 0)
	{
		require_place(wish);
		if (run_owner_query(&make_wish_query, values, nulls, false) > 0)
			break;
		if (++tries == MAX_TRIES)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("could not store the wish"),
					 errdetail("A trigger on table booking.waitlist may have dropped the row."),
					 errhint("Look at the triggers of booking.waitlist.")));
		CHECK_FOR_INTERRUPTS();
	}
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * join_waitlist(user_id, service_id, earliest, latest, barber_id)
 */
MEASURED_FUNCTION(booking_join_waitlist, OP_JOIN_WAITLIST)
{
	Wish		wish;
	Refusal		refusal;
	int64		id;

	read_wish(fcinfo, &wish);
	PreventCommandIfReadOnly("join_waitlist()");
	if (!check_wish(&wish, &refusal))
		raise_refusal("waitlist", &refusal);
	read_most_waiting(&wish);
	SPI_connect();
	id = store_wish(&wish);
	SPI_finish();
	PG_RETURN_INT64(id);
}

/* ---- leaving ---- */

static OwnerQuery place_query = {
	.sql = "SELECT FROM booking.waitlist WHERE id = $1"
	" AND ($2 IS NULL OR user_id = $2)"
	" AND ($3 IS NULL OR service_id IN"
	" (SELECT s.id FROM booking.services s WHERE s.shop_id = $3))",
	.by_index = true,
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, INT8OID}
};

static OwnerQuery leave_query = {
	.sql = "UPDATE booking.waitlist SET status = 'left'"
	" WHERE id = $1 AND status = 'waiting'",
	.by_index = true,
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

/* coalesce() leaves the planner the keys alone to find the rows by */
#define IS_DUE(of) \
	"coalesce(a.status, '') = 'pending'" \
	" AND (a.hold_expires_at <= $1 OR " of ".is_ended)"

/*
 * The rows that are to be marked, locked: of the oldest holds that ran out all
 * parts, or none, as somebody may have locked some of them.  The offers in
 * "ended" still occupy their time, for the next in line.
 */
static OwnerQuery due_query = {
	.sql = "WITH oldest AS MATERIALIZED (SELECT coalesce(h.part_of, h.id)"
	" AS head_id FROM (SELECT a.id, a.part_of FROM booking.appointments a"
	" WHERE a.status = 'pending' AND a.hold_expires_at <= $1"
	" ORDER BY a.hold_expires_at LIMIT " MOST_AT_ONCE
	" FOR NO KEY UPDATE SKIP LOCKED) h),"
	" ended AS MATERIALIZED (SELECT a.id FROM booking.appointments a"
	" WHERE a.status = 'pending' AND a.hold_expires_at > $1"
	" AND a.hold_expires_at <= $1 + " LONGEST_GRACE " AND NOT a.is_request"
	" AND (SELECT min(w.offer_ends_at) FROM booking.waitlist w"
	" WHERE w.appointment_id = a.id AND w.status = 'served') <= $1"
	" ORDER BY a.hold_expires_at LIMIT " MOST_AT_ONCE "),"
	" heads AS MATERIALIZED (SELECT head_id, bool_or(is_ended) AS is_ended"
	" FROM (SELECT head_id, false AS is_ended FROM oldest"
	" UNION ALL SELECT id, true FROM ended) h GROUP BY head_id),"
	" parts AS MATERIALIZED (SELECT a.id, h.head_id, h.is_ended FROM heads h"
	" JOIN booking.appointments a ON a.id = h.head_id"
	" WHERE " IS_DUE("h")
	" UNION ALL SELECT a.id, h.head_id, h.is_ended FROM heads h"
	" JOIN booking.appointments a ON a.part_of = h.head_id"
	" WHERE " IS_DUE("h") "),"
	" locked AS MATERIALIZED (SELECT a.id FROM parts p"
	" JOIN booking.appointments a ON a.id = p.id"
	" WHERE " IS_DUE("p")
	" FOR NO KEY UPDATE OF a SKIP LOCKED)"
	" SELECT pg_catalog.unnest(d.ids) FROM (SELECT array_agg(p.id) AS ids"
	" FROM parts p LEFT JOIN locked l ON l.id = p.id GROUP BY p.head_id"
	" HAVING count(*) = count(l.id)) d",
	.by_index = true,
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

static OwnerQuery expire_query = {
	.sql = "UPDATE booking.appointments SET status = 'expired'"
	" WHERE id = ANY ($1) AND coalesce(status, '') = 'pending'"
	" RETURNING part_of IS NULL",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID}
};

/*
 * Marks the oldest of the holds that ran out, and returns how many appointments
 * they were.
 */
static int
expire(void)
{
	Datum		values[] = {TimestampTzGetDatum(booking_now())};
	int			head_count = 0;
	int			count;
	bool		isnull;

	SPI_connect();
	count = run_owner_query(&due_query, values, NULL, false);
	if (count > 0)
	{
		values[0] = owner_query_ids(count);
		count = run_owner_query(&expire_query, values, NULL, false);
	}
	for (int i = 0; i < count; i++)
	{
		if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i],
									   SPI_tuptable->tupdesc, 1, &isnull)))
			head_count++;
	}
	SPI_finish();
	return head_count;
}

/* Wishes that nothing can fulfil any more; so written, they are looked up once */
static OwnerQuery past_wishes_query = {
	.sql = "UPDATE booking.waitlist SET status = 'expired'"
	" WHERE id = ANY (ARRAY(SELECT w.id FROM booking.waitlist w"
	" WHERE w.status = 'waiting' AND w.latest <= $1"
	" ORDER BY w.service_id LIMIT " MOST_AT_ONCE
	" FOR NO KEY UPDATE SKIP LOCKED))",
	.by_index = true,
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

/* The first or last service in the order that somebody waits for */
#define SERVICE_WAITED_FOR(condition, order) \
	"(SELECT w.service_id FROM booking.waitlist w WHERE w.status = 'waiting'" \
	condition " ORDER BY w.service_id" order " LIMIT 1)"

static OwnerQuery bounds_query = {
	.sql = "SELECT " SERVICE_WAITED_FOR("", "") ", "
	SERVICE_WAITED_FOR("", " DESC"),
	.by_index = true,
	.nargs = 0
};

/*
 * An id at random between the first and the last service that somebody waits for;
 * false if nobody waits.
 */
static bool
choose_service(int64 *service_id)
{
	bool		isnull;
	int64		first;
	int64		last;

	run_owner_query(&bounds_query, NULL, NULL, false);
	first = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	if (isnull)
		return false;
	last = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 2, &isnull));
	*service_id = first + (int64)
		pg_prng_uint64_range(&pg_global_prng_state, 0,
							 (uint64) last - (uint64) first);
	return true;
}

/*
 * What somebody waits for, with whom and when; barbers by who has waited for
 * them the longest.  "waited" goes from service to service by the index, from $2
 * on and around, which matters if there are too many to go to all; "services" are
 * some of these, another choice for each $3.  Of a line with more than a hundred
 * entries the others are not read, and may be for any barber and time.
 */
#define FIRST_IN_LINE(columns, offset) \
	"(SELECT " columns " FROM booking.waitlist w" \
	" WHERE w.service_id >= s.service_id AND w.service_id <= s.service_id" \
	" AND w.status = 'waiting' AND w.latest > $1" \
	" ORDER BY w.service_id, w.id " offset ")"

static OwnerQuery wanted_query = {
	.sql = "WITH RECURSIVE waited (service_id) AS (SELECT coalesce("
	SERVICE_WAITED_FOR(" AND w.service_id >= $2", "") ", "
	SERVICE_WAITED_FOR("", "") ")"
	" UNION SELECT coalesce("
	SERVICE_WAITED_FOR(" AND w.service_id > s.service_id", "") ", "
	SERVICE_WAITED_FOR("", "") ") FROM waited s),"
	" services AS MATERIALIZED (SELECT service_id"
	" FROM (SELECT service_id FROM waited LIMIT " MOST_WAITED_FOR ") s"
	" ORDER BY pg_catalog.hashint8extended(service_id, $3) LIMIT "
	MOST_SERVICES ")"
	" SELECT barber_id, service_id, earliest, latest"
	" FROM (SELECT o.barber_id, s.service_id, min(l.earliest) AS earliest,"
	" max(l.latest) AS latest,"
	" min(min(l.first_id)) OVER (PARTITION BY o.barber_id) AS first_id"
	" FROM services s CROSS JOIN LATERAL"
	" (SELECT f.barber_id, min(f.earliest) AS earliest,"
	" max(f.latest) AS latest, min(f.id) AS first_id FROM "
	FIRST_IN_LINE("w.barber_id, w.earliest, w.latest, w.id", "LIMIT 100")
	" f GROUP BY f.barber_id UNION ALL SELECT NULL,"
	" timestamptz '-infinity', timestamptz 'infinity', f.id FROM "
	FIRST_IN_LINE("w.id", "OFFSET 100 LIMIT 1") " f) l"
	" CROSS JOIN LATERAL (SELECT b.barber_id FROM booking.barber_services b"
	" WHERE b.service_id = s.service_id"
	" AND b.barber_id = coalesce(l.barber_id, b.barber_id) OFFSET 0) o"
	" GROUP BY o.barber_id, s.service_id) w"
	" ORDER BY first_id, barber_id, service_id",
	.by_index = true,
	.nargs = 3,
	.argtypes = {TIMESTAMPTZOID, INT8OID, INT8OID}
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
	Datum		values[3] = {TimestampTzGetDatum(booking_now())};
	int64		service_id;

	SPI_connect();
	list->count = 0;
	if (choose_service(&service_id))
	{
		values[1] = Int64GetDatum(service_id);
		values[2] = Int64GetDatum((int64)
								  pg_prng_uint64(&pg_global_prng_state));
		list->count = run_owner_query(&wanted_query, values, NULL, false);
	}
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
	Round	   *round;
} BarbersLines;

/*
 * The list, barber by barber.
 */
static BarbersLines *
group_by_barber(const WantedList *list, int *count)
{
	BarbersLines *lines =
		MemoryContextAllocHuge(CurrentMemoryContext,
							   Max(list->count, 1) * sizeof(BarbersLines));

	*count = 0;
	for (int i = 0; i < list->count; i++)
	{
		if (i == 0 || list->barber_ids[i] != list->barber_ids[i - 1])
			lines[(*count)++] = (BarbersLines) {
			list->barber_ids[i], &list->wanted[i]
		};
		lines[*count - 1].count++;
	}
	return lines;
}

static bool
serve_lines_of_barber(void *arg)
{
	BarbersLines *lines = arg;

	serve_barber(lines->barber_id, lines->wanted, lines->count, lines->round);
	return true;
}

/*
 * Moves one of the barbers from position i on there, at random.
 */
static void
draw_barber(BarbersLines *lines, int i, int count)
{
	int			drawn = (int) pg_prng_uint64_range(&pg_global_prng_state, i,
												   count - 1);
	BarbersLines other = lines[i];

	lines[i] = lines[drawn];
	lines[drawn] = other;
}

/*
 * Gives whatever can be had to those who wait for it, however it became free:
 * by a row that somebody changed or deleted by hand, by longer hours, by more
 * seats.  A shop whose configuration is broken does not keep others from it.
 *
 * For half of the work the barbers who have been waited for the longest come
 * first; the other half is for any of the rest.
 */
static void
serve_everybody(void)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext per_barber = AllocSetContextCreate(caller,
													 "booking waitlist",
													 ALLOCSET_DEFAULT_SIZES);
	WantedList	list;
	BarbersLines *lines;
	int			count;
	Round		round = {caller, MOST_WORK};

	find_wanted(&list);
	lines = group_by_barber(&list, &count);
	MemoryContextSwitchTo(per_barber);
	for (int i = 0; i < count && round.work_left > 0; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (round.work_left < MOST_WORK / 2)
			draw_barber(lines, i, count);
		lines[i].round = &round;
		attempt_or_warn(serve_lines_of_barber, &lines[i], "barber",
						lines[i].barber_id);
		round.work_left--;
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
