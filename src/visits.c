/*-------------------------------------------------------------------------
 *
 * visits.c
 *	  The SQL-callable write that books a visit.
 *
 * A visit is one attempt: its items are booked in ascending order of barber
 * and start, and whoever must wait gives back what is stored first.  The ids
 * of its appointments ascend in the order of the items, so that they can be
 * returned in that order, also to a caller who repeats the request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

#define MOST_ITEMS 20

typedef struct Visit
{
	Request		items[MOST_ITEMS];	/* as the caller has them */
	Request    *order[MOST_ITEMS];	/* as they are booked */
	int			count;
	int64		follows[MOST_ITEMS];	/* of the item that is being booked */
	int64		id;				/* of the first item's appointment */

	/* what comes of an attempt */
	Relation	appointments;
	Decision	decision;
	bool		is_repeated;	/* somebody else has just booked it */
	Refusal		refusal;
	Holder		holder;
} Visit;

/* ---- the items ---- */

static Datum
item_value(HeapTupleHeader item, const char *name, int position,
		   bool is_required, bool *isnull)
{
	Datum		value = GetAttributeByName(item, name, isnull);

	if (*isnull && is_required)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name),
				 errdetail("Item %d has none.", position + 1),
				 errhint("Each item needs a service_id and a starts_at.")));
	return value;
}

static void
read_item(HeapTupleHeader item, int position, Request *request)
{
	bool		isnull;
	Datum		value;

	request->service_id = DatumGetInt64(item_value(item, "service_id",
												   position, true, &isnull));
	request->starts_at = DatumGetTimestampTz(item_value(item, "starts_at",
														position, true,
														&isnull));
	require_finite(request->starts_at, "starts_at");
	value = item_value(item, "barber_id", position, false,
					   &request->any_barber);
	request->barber_id = request->any_barber ? 0 : DatumGetInt64(value);
	value = item_value(item, "guest_name", position, false, &isnull);
	request->guest_name = isnull ? NULL :
		read_text(value, "guest_name", LONGEST_TEXT);
}

static void
refuse_items(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("items must be a list of 1 to %d visit items", MOST_ITEMS),
			 errdetail("%s", detail),
			 errhint("Pass ARRAY[ROW(barber_id, service_id, starts_at, guest_name)]::booking.visit_item[].")));
}

static void
read_items(FunctionCallInfo fcinfo, int argno, Visit *visit)
{
	int			dimensions;
	ArrayType  *array;
	int16		length;
	bool		by_value;
	char		alignment;
	Datum	   *items;
	bool	   *nulls;

	visit->count = array_argument_count(fcinfo, argno, &dimensions);
	if (dimensions > 1)
		refuse_items("It has more than one dimension.");
	if (visit->count < 1 || visit->count > MOST_ITEMS)
		refuse_items(psprintf("It has %d.", visit->count));
	array = PG_GETARG_ARRAYTYPE_P(argno);
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &alignment);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, alignment,
					  &items, &nulls, &visit->count);
	for (int i = 0; i < visit->count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("items must not hold null"),
					 errdetail("Item %d is null.", i + 1),
					 errhint("Leave it out.")));
		read_item(DatumGetHeapTupleHeader(items[i]), i, &visit->items[i]);
	}
}

/*
 * Those whose barber is not chosen yet come last.
 */
static int
compare_items(const void *a, const void *b)
{
	const Request *x = *(Request *const *) a;
	const Request *y = *(Request *const *) b;

	if (x->any_barber != y->any_barber)
		return x->any_barber ? 1 : -1;
	if (x->barber_id != y->barber_id)
		return x->barber_id < y->barber_id ? -1 : 1;
	return (x->starts_at > y->starts_at) - (x->starts_at < y->starts_at);
}

static void
read_visit(FunctionCallInfo fcinfo, Visit *visit)
{
	const char *key;
	int			overrides;

	memset(visit, 0, sizeof(*visit));
	require_argument(fcinfo, 1, "items");
	read_items(fcinfo, 1, visit);
	key = read_key(fcinfo, 2);
	overrides = read_rule_overrides(fcinfo, 3);
	for (int i = 0; i < visit->count; i++)
	{
		Request    *item = &visit->items[i];

		item->is_walk_in = PG_ARGISNULL(0);
		item->user_id = item->is_walk_in ? 0 : PG_GETARG_INT64(0);
		item->overrides = overrides;
		require_own_booking(item->is_walk_in, item->user_id,
							item->service_id);
		item->is_hidden_user = i == 0 ?
			is_hidden_user(item->is_walk_in, item->user_id,
						   GetTransactionSnapshot()) :
			visit->items[0].is_hidden_user;
		visit->order[i] = item;
	}
	qsort(visit->order, visit->count, sizeof(Request *), compare_items);
	request_set_key(visit->order[0], key, psprintf("visit %d", visit->count),
					visit->items, visit->count);
}

/* ---- one after the other ---- */

/*
 * Notes whether an item begins when another ends that this barber does; with
 * the same barber, once the buffers between them have passed.
 */
static void
note_end(Schedule *schedule, Visit *visit, Request *item,
		 const Request *other, int64 barber_id)
{
	Service    *service = schedule_service(schedule, item->service_id);
	Offer		offer;
	Refusal		refusal;
	int64		gap_us;

	if (service == NULL ||
		!find_offer(schedule, barber_id, other->service_id, &offer, &refusal))
		return;
	gap_us = item->starts_at - (other->starts_at + offer.rule.duration_us);
	if (gap_us == 0)
		item->is_continuation = true;
	else if (barber_id == other->barber_id &&
			 gap_us == offer.rule.buffer_after_us +
			 service->buffer_before_minutes * USECS_PER_MINUTE)
		visit->follows[item->follows_count++] = barber_id;
}

/*
 * Notes whether an item begins when another of the visit ends.  Until an item
 * for any barber is booked it may take as long as any of them.
 */
static void
note_ends(Schedule *schedule, Visit *visit, Request *item)
{
	item->is_continuation = false;
	item->follows = visit->follows;
	item->follows_count = 0;
	for (int i = 0; i < visit->count; i++)
	{
		const Request *other = &visit->items[i];
		Service    *service = schedule_service(schedule, other->service_id);
		bool		is_open = other->any_barber && other->barber_id == 0;
		int			count = service == NULL || other == item ? 0 :
			is_open ? service->barber_count : 1;

		for (int b = 0; b < count; b++)
			note_end(schedule, visit, item, other,
					 is_open ? service->barber_ids[b] : other->barber_id);
	}
}

/* ---- booking ---- */

/*
 * Counts the appointments of its shop that are still to be booked, from this
 * item on.
 */
static void
count_needed(Schedule *schedule, const Visit *visit, int position,
			 Request *item)
{
	int64		shop_id = 0;

	item->need = 0;
	item->pending_to_come = 0;
	for (int i = position; i < visit->count; i++)
	{
		Service    *service = schedule_service(schedule,
											   visit->order[i]->service_id);

		if (i == position && service != NULL)
			shop_id = service->shop_id;
		if (service == NULL || service->shop_id != shop_id)
			continue;
		item->need++;
		if (i > position && service->requires_confirmation)
			item->pending_to_come++;
	}
}

/*
 * Books one item, with a snapshot that sees those before.  If the appointment
 * is not the one it was to be, the visit has been booked before.
 */
static void
book_item(Visit *visit, int position, TupleTableSlot *stored)
{
	Request    *item = visit->order[position];
	Schedule   *schedule;
	bool		isnull;

	PushActiveSnapshot(GetTransactionSnapshot());
	schedule = schedule_begin();
	note_ends(schedule, visit, item);
	count_needed(schedule, visit, position, item);
	visit->decision = decide(visit->appointments, item, stored,
							 &visit->refusal, &visit->holder);
	PopActiveSnapshot();
	if (visit->decision != DECIDED_YES)
		return;
	if (item->any_barber)
		item->barber_id = DatumGetInt64(appointment_value(stored,
														  APPT_BARBER_ID,
														  &isnull));
	if (DatumGetInt64(appointment_value(stored, APPT_ID, &isnull)) ==
		item->id)
		return;
	visit->is_repeated = true;
	visit->id = DatumGetInt64(appointment_value(stored, APPT_VISIT_ID,
												&isnull));
}

static bool
book_items(void *arg)
{
	Visit	   *visit = arg;
	TupleTableSlot *stored = table_slot_create(visit->appointments, NULL);

	visit->decision = DECIDED_YES;
	visit->is_repeated = false;
	for (int i = 0; i < visit->count && visit->decision == DECIDED_YES &&
		 !visit->is_repeated; i++)
	{
		CHECK_FOR_INTERRUPTS();
		book_item(visit, i, stored);
	}
	ExecDropSingleTupleTableSlot(stored);
	return visit->decision == DECIDED_YES && !visit->is_repeated;
}

static void
name_items(Visit *visit)
{
	visit->id = catalog_next_appointment_id();
	for (int i = 0; i < visit->count; i++)
	{
		visit->items[i].id = i == 0 ? visit->id :
			catalog_next_appointment_id();
		visit->items[i].visit_id = visit->id;
		if (visit->items[i].any_barber)
			visit->items[i].barber_id = 0;	/* to be chosen */
	}
}

/*
 * Books the visit, or finds it booked by an earlier run.
 */
static bool
book_all(Visit *visit)
{
	for (;;)
	{
		name_items(visit);
		attempt(book_items, visit);
		if (visit->decision != DECIDE_AGAIN)
			return visit->decision == DECIDED_YES;
		guard_wait(&visit->holder);
	}
}

/*
 * Of a visit that was booked before, an item may be another customer's or shop's
 * by now.
 */
#define VISITS_ITEMS \
	" FROM booking.appointments WHERE visit_id = $1 AND part_of IS NULL" \
	" AND ($2 IS NULL OR user_id = $2) AND ($3 IS NULL OR barber_id IN" \
	" (SELECT b.id FROM booking.barbers b WHERE b.shop_id = $3))"

static OwnerQuery visit_query = {
	.sql = "SELECT id, barber_id, service_id, user_id, starts_at, ends_at,"
	" status, hold_expires_at, price_cents, visit_id, version"
	VISITS_ITEMS " ORDER BY id",
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, INT8OID}
};

static OwnerQuery stands_query = {
	.sql = "SELECT" VISITS_ITEMS " AND status NOT IN ('cancelled', 'expired')"
	" AND (status <> 'pending' OR coalesce(hold_expires_at > $4, true)) LIMIT 1",
	.nargs = 4,
	.argtypes = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID}
};

/*
 * Refuses to give a visit of which nothing is left for the answer to a request
 * that is repeated.  The first three values are those of visit_query.
 */
static void
require_standing(Visit *visit, Datum *values, const char *nulls)
{
	int			count;

	values[3] = TimestampTzGetDatum(booking_now());
	SPI_connect();
	count = run_owner_query(&stands_query, values, nulls, true);
	SPI_finish();
	if (count > 0)
		return;
	refuse(&visit->refusal, IDEMPOTENCY_CONFLICT,
		   "Nothing of the key's visit stands any more.");
	raise_refusal("booking", &visit->refusal);
}

/*
 * book_visit(user_id, items, idempotency_key, overrides).  The visit may be an
 * earlier run's, and that newer than the snapshot of a REPEATABLE READ
 * transaction: hence the latest to read it with.
 */
MEASURED_FUNCTION(booking_book_visit, OP_BOOK_VISIT)
{
	Visit		visit;
	Relation	rel;
	Scope		scope;
	Datum		values[4];
	char		nulls[4] = {' ', 'n', 'n', ' '};

	PreventCommandIfReadOnly("book_visit()");
	read_visit(fcinfo, &visit);
	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	visit.appointments = rel;
	if (!book_all(&visit))
		raise_booking_refusal(rel, &visit.refusal);
	table_close(rel, NoLock);
	values[0] = Int64GetDatum(visit.id);
	PushActiveSnapshot(GetLatestSnapshot());
	if (visit.is_repeated)
	{
		find_scope(&scope);
		scope_parameters(&scope, &values[1], &nulls[1]);
		require_standing(&visit, values, nulls);
	}
	owner_query_result(fcinfo, &visit_query, values, nulls);
	PopActiveSnapshot();
	return (Datum) 0;
}
