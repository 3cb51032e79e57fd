/*-------------------------------------------------------------------------
 *
 * reschedule.c
 *	  The SQL-callable write that moves an appointment.
 *
 * Each part is an appointment's row, which the guard judges as a new one,
 * except that the rows that this call moves or gives up are not in each other's
 * way.  A part that has another status than the head, because somebody changed
 * it by itself, stays where it is, and is in the way like any other row.
 *
 * What the shop has confirmed of a service that requires it waits for its word
 * again when somebody else moves it; so does whatever moves to such a service.
 *
 * The rest of its visit moves by the same distance, each appointment with its
 * own barber and time (moves.c).  All rows are looked at, then written, in the
 * order of barber and start.  All of it is one attempt: whoever must wait holds
 * nothing meanwhile, not even the appointments' own rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/* ---- the rows ---- */

/* A row that is to be written, with what the guard is asked about it */
typedef struct MovedRow
{
	Draft		draft;
	const MoveItem *item;
	bool		is_new;			/* a part that the item has not yet */
	bool		is_result;
	int			capacity;
	const Limits *limits;		/* or NULL */
} MovedRow;

/* Parts keep their price, and a deadline is never moved back */
static OwnerQuery move_query = {
	.sql = "UPDATE booking.appointments SET barber_id = $2, service_id = $3,"
	" starts_at = $4, ends_at = $5, busy_from = $6, busy_until = $7,"
	" price_cents = coalesce($8, price_cents), overrides = $9, visit_id = $10,"
	" hold_expires_at = CASE WHEN $12 THEN nullif($11, 'infinity')"
	" WHEN hold_expires_at > $11 THEN $11 ELSE hold_expires_at END,"
	" status = CASE WHEN $12 THEN 'pending' ELSE status END,"
	" is_request = is_request OR $12"
	" WHERE id = $1"
	" RETURNING id, barber_id, service_id, user_id, starts_at, ends_at,"
	" status, hold_expires_at, price_cents, visit_id, version",
	.by_index = true,
	.nargs = 12,
	.argtypes = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TEXTARRAYOID, INT8OID,
		TIMESTAMPTZOID, BOOLOID
	}
};

/*
 * Writes the draft over its row, which the guard's triggers judge by the claim;
 * *judged says what came of it.  Returns the row.
 */
static Datum
move_row(const MovedRow *row, const Claim *claim, OwnWrite *judged)
{
	const Draft *draft = &row->draft;
	OwnWrite   *write;
	Datum		values[] = {
		Int64GetDatum(draft->id), Int64GetDatum(draft->barber_id),
		Int64GetDatum(draft->service_id),
		TimestampTzGetDatum(draft->part.work.from),
		TimestampTzGetDatum(draft->part.work.until),
		TimestampTzGetDatum(draft->part.busy.from),
		TimestampTzGetDatum(draft->part.busy.until),
		Int64GetDatum(draft->price_cents), (Datum) 0,
		Int64GetDatum(draft->visit_id),
		TimestampTzGetDatum(draft->hold_expires_at),
		BoolGetDatum(row->item->becomes_request)
	};
	char		nulls[lengthof(values)];
	Datum		result;

	memset(nulls, ' ', sizeof(nulls));
	if (draft->part_of != 0)
		nulls[7] = 'n';
	if (draft->overrides_used != 0)
		values[8] = overrides_array(draft->overrides_used);
	else
		nulls[8] = 'n';
	if (draft->visit_id == 0)
		nulls[9] = 'n';
	write = guard_begin_write(draft->id, claim);
	SPI_connect();
	if (run_owner_query(&move_query, values, nulls, false) != 1)
		raise_dropped_row("moved");
	guard_leave();
	*judged = *write;
	guard_end_write(write);
	result = PointerGetDatum(SPI_returntuple(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc));
	SPI_finish();
	return result;
}

static OwnerQuery drop_query = {
	.sql = "UPDATE booking.appointments"
	" SET status = 'cancelled', cancel_reason = 'moved to a service with fewer steps'"
	" WHERE id = $1",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * Gives up a part that the new service has no step for.
 */
static void
drop_part(int64 id)
{
	Datum		values[] = {Int64GetDatum(id)};

	SPI_connect();
	if (run_owner_query(&drop_query, values, NULL, false) != 1)
		raise_dropped_row("moved");
	SPI_finish();
}

/*
 * Until when what is moved is kept.  A request has the shop's time to answer
 * from now on; a hold is not kept beyond its new start, unless that is past,
 * which only staff can have it.
 */
static TimestampTz
moved_deadline(const MoveItem *item, TimestampTz starts_at)
{
	const Booked *booked = &item->booked;

	if (item->becomes_request)
		return request_deadline(item->offer.barber->shop, starts_at);
	if (starts_at <= booking_now())
		return booked->hold_expires_at;
	return Min(booked->hold_expires_at, starts_at);
}

/*
 * The row of one part as it shall be.  What was booked keeps its price.
 */
static void
draft_move(const MoveItem *item, int position, TimestampTz starts_at,
		   Draft *draft)
{
	const Booked *booked = &item->booked;
	bool		is_head = position == 0;
	int			count = rule_part_count(&item->offer.rule);

	memset(draft, 0, sizeof(*draft));
	if (position < booked->part_count)
		draft->id = booked->part_ids[position];
	draft->barber_id = item->barber_id;
	draft->service_id = item->service_id;
	draft->is_walk_in = booked->is_walk_in;
	draft->user_id = booked->user_id;
	rule_part(&item->offer.rule, position, starts_at, &draft->part);
	draft->is_pending = item->becomes_request ||
		strcmp(booked->status, "pending") == 0;
	draft->hold_expires_at = moved_deadline(item, starts_at);
	draft->is_request = item->becomes_request || booked->is_request;
	if (is_head)
		draft->price_cents = booked->barber_id == item->barber_id &&
			booked->service_id == item->service_id ?
			booked->price_cents : item->offer.price_cents;
	draft->visit_id = booked->visit_id == 0 && count > 1 ?
		booked->id : booked->visit_id;
	draft->part_of = is_head ? 0 : booked->id;
	draft->series_id = booked->series_id;
	draft->guest_name = booked->guest_name;
	draft->overrides_used = item->overrides_used;
}

/*
 * A move that is under way.
 */
typedef struct Moving
{
	Relation	appointments;
	Move	   *move;
	TimestampTz starts_at;		/* of the named one */
	int			overrides;
	MovedRow   *rows;			/* by barber and start */
	int			count;
	int			capacity;
	IdList		own;			/* ids of the rows, then of those given up */
	TupleTableSlot *scratch;
	Datum		result;			/* the named head's row */
	Refusal    *refusal;
	Holder	   *holder;
} Moving;

/* ---- what is to be written ---- */

static int
compare_items(const void *a, const void *b)
{
	const MoveItem *x = *(MoveItem *const *) a;
	const MoveItem *y = *(MoveItem *const *) b;

	if (x->barber_id != y->barber_id)
		return x->barber_id < y->barber_id ? -1 : 1;
	if (x->offset_us != y->offset_us)
		return x->offset_us < y->offset_us ? -1 : 1;
	return (x->booked.id > y->booked.id) - (x->booked.id < y->booked.id);
}

/*
 * The items in the order in which they are written.
 */
static MoveItem **
order_items(Move *move)
{
	MoveItem  **order = palloc(move->count * sizeof(MoveItem *));

	for (int i = 0; i < move->count; i++)
		order[i] = &move->items[i];
	qsort(order, move->count, sizeof(MoveItem *), compare_items);
	return order;
}

/*
 * Whether the rules let an item begin where it shall, but for what the guard
 * judges.
 */
static bool
check_item(const Moving *moving, MoveItem *item)
{
	Moved		moved = {item->booked.id, moving->move->rows};
	StartCheck	check = {
		.starts_at = moving->starts_at + item->offset_us,
		.moved = &moved,
		.overrides = moving->overrides,
		.is_continuation = item->is_continuation,
		.guard_follows = true
	};

	if (!check_start(&item->offer, &check, moving->refusal))
		return false;
	item->overrides_used |= check.overrides_used;
	return true;
}

/*
 * Whether nobody would be in two places at one time by the move itself, unless
 * staff want it so.
 */
static bool
check_guests(const Moving *moving)
{
	Move	   *move = moving->move;

	for (int i = 0; i < move->count; i++)
	{
		MoveItem   *item = &move->items[i];

		CHECK_FOR_INTERRUPTS();
		if (!move_doubles_guest(move, item))
			continue;
		if ((moving->overrides & OVERRIDE_LIMITS) == 0)
			return refuse(moving->refusal, USER_OVERLAP, "User " INT64_FORMAT
						  " would be in two places at %s.",
						  item->booked.user_id,
						  instant_text(moving->starts_at + item->offset_us));
		item->overrides_used |= OVERRIDE_LIMITS;
	}
	return true;
}

/*
 * Finds the offers of all items, then asks the rules, of the named one first.
 */
static bool
check_items(const Moving *moving)
{
	Move	   *move = moving->move;
	Schedule   *schedule = schedule_begin();

	if (!move_find_offer(schedule, move->named, moving->refusal) ||
		!check_item(moving, move->named))
		return false;
	for (int i = 0; i < move->count; i++)
	{
		MoveItem   *item = &move->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item != move->named &&
			(!move_find_offer(schedule, item, moving->refusal) ||
			 !check_item(moving, item)))
			return false;
	}
	return check_guests(moving);
}

/*
 * The named one begins where it does now, and moves alone.
 */
static bool
keeps_start(const Moving *moving)
{
	return moving->starts_at == moving->move->named->booked.starts_at;
}

/*
 * The limits that an item is under where it shall be.  One that it counts for
 * already is not asked again; if it was booked beyond a limit, it goes on
 * saying so.
 */
static void
limits_of_item(const Moving *moving, MoveItem *item, Limits *limits)
{
	const Booked *booked = &item->booked;
	bool		is_pending = move_is_pending(item, keeps_start(moving));
	int			pending_need = move_pending_need(moving->move, item,
												 keeps_start(moving));
	Request		request = {
		.is_walk_in = booked->is_walk_in,
		.user_id = booked->user_id,
		.starts_at = moving->starts_at + item->offset_us,
		.visit_id = booked->visit_id,
		.guest_name = booked->guest_name,
		.is_hold = is_pending,
		.need = move_need(moving->move, item),
		.pending_to_come = pending_need - 1
	};
	Zone	   *zone = &limits->zone;
	bool		had_limit;

	limits_for(&item->offer, &request, limits);
	if (!is_pending)
		limits->max_pending = 0;
	had_limit = limits_bind(limits);
	if (request.need == 0)
		limits->max_active = 0;
	if (pending_need == 0)
		limits->max_pending = 0;
	if (booked->barber_id == limits->barber_id &&
		zone_date(zone, booked->starts_at) ==
		zone_date(zone, limits->span.from))
		limits->max_per_day = 0;
	if (booked->overrides_limits && had_limit && !limits_bind(limits))
		item->overrides_used |= OVERRIDE_LIMITS;
	limits->others_of_day = move_others_of_day(moving->move, item,
											   moving->starts_at);
}

/*
 * Adds the rows of an item.
 */
static void
add_rows(Moving *moving, const MoveItem *item)
{
	int			count = rule_part_count(&item->offer.rule);

	if (moving->count + count > moving->capacity)
		moving->rows = grow_array(moving->rows, &moving->capacity,
								  moving->count + count, sizeof(MovedRow));
	for (int i = 0; i < count; i++)
	{
		MovedRow   *row = &moving->rows[moving->count++];

		row->item = item;
		row->is_new = i >= item->booked.part_count;
		row->is_result = i == 0 && item == moving->move->named;
		row->capacity = count > 1 ? 1 : item->offer.rule.capacity;
		row->limits = NULL;
		draft_move(item, i, moving->starts_at + item->offset_us, &row->draft);
		if (row->is_new)
			row->draft.id = catalog_next_appointment_id();
	}
}

/*
 * Lists the rows that the call moves, gives up or adds, which are all that do
 * not stand in its way.
 */
static void
list_own_rows(Moving *moving)
{
	const Move *move = moving->move;
	int64	   *ids = palloc((moving->count + move->rows.count) *
							 sizeof(int64));
	int			count = 0;

	for (int i = 0; i < moving->count; i++)
		ids[count++] = moving->rows[i].draft.id;
	for (int i = 0; i < move->count; i++)
	{
		const MoveItem *item = &move->items[i];

		for (int p = rule_part_count(&item->offer.rule);
			 p < item->booked.part_count; p++)
			ids[count++] = item->booked.part_ids[p];
	}
	moving->own = (IdList) {ids, count};
}

/*
 * Puts an item's rows under its limits, or, if staff override them, notes on
 * the rows that they break some.
 */
static void
limit_rows(Moving *moving, const MoveItem *item, const Limits *limits)
{
	bool		overrides_them = (moving->overrides & OVERRIDE_LIMITS) != 0;
	bool		breaks_them = overrides_them &&
		breaks_limits(moving->appointments, limits);

	for (int i = 0; i < moving->count; i++)
	{
		MovedRow   *row = &moving->rows[i];

		if (row->item != item)
			continue;
		if (breaks_them)
			row->draft.overrides_used |= OVERRIDE_LIMITS;
		else if (!overrides_them && limits_bind(limits))
			row->limits = row->draft.part_of == 0 ? limits :
				limits_of_part(limits);
	}
}

/*
 * Makes the rows of all items.  What is asked of the limits comes last, since
 * it may begin the schedule anew.
 */
static void
plan_rows(Moving *moving)
{
	Move	   *move = moving->move;
	MoveItem  **order = order_items(move);
	Limits	   *limits = palloc(move->count * sizeof(Limits));

	for (int i = 0; i < move->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		order[i]->becomes_request = move_makes_request(order[i],
													   keeps_start(moving));
		limits_of_item(moving, order[i], &limits[i]);
		add_rows(moving, order[i]);
	}
	list_own_rows(moving);
	for (int i = 0; i < move->count; i++)
	{
		limits[i].own = moving->own;
		limit_rows(moving, order[i], &limits[i]);
	}
}

/* ---- writing it ---- */

/*
 * Writes one row, or adds it, if the guard grants it.
 */
static ClaimResult
write_row(Moving *moving, const MovedRow *row, const Claim *claim)
{
	OwnWrite	judged;
	Datum		written;

	if (row->is_new)
		return store_appointment(moving->appointments, &row->draft, claim,
								 moving->scratch, moving->holder,
								 moving->refusal);
	written = move_row(row, claim, &judged);
	if (row->is_result)
		moving->result = written;
	if (judged.result == CLAIM_IN_PROGRESS)
		*moving->holder = judged.holder;
	else if (judged.result == CLAIM_REFUSED)
		*moving->refusal = judged.refusal;
	return judged.result;
}

/*
 * The rows that are in no row's way: itself, and those that are to be moved or
 * given up after it.  A row that has been moved is where it stays.
 */
static IdList
not_yet_written(const Moving *moving, int position)
{
	return (IdList) {moving->own.ids + position, moving->own.count - position};
}

static ClaimResult
try_row(Moving *moving, int position, bool is_to_be_written)
{
	const MovedRow *row = &moving->rows[position];
	const Draft *draft = &row->draft;
	Claim		claim = {
		.occupant = {
			.barber_id = draft->barber_id,
			.busy = draft->part.busy,
			.own = is_to_be_written ? not_yet_written(moving, position) :
			moving->own,
			.service_id = draft->service_id,
			.starts_at = draft->part.work.from
		},
		.capacity = row->capacity,
		.limits = row->limits
	};

	ItemPointerSetInvalid(&claim.occupant.stored);
	return is_to_be_written ? write_row(moving, row, &claim) :
		guard_look(moving->appointments, &claim, moving->scratch,
				   moving->holder, moving->refusal);
}

/*
 * Looks at all rows before the first is written, so that nothing is written in
 * vain while another has to wait.
 */
static Decision
write_rows(Moving *moving)
{
	ClaimResult result = CLAIM_GRANTED;
	int			count = moving->count;

	moving->scratch = table_slot_create(moving->appointments, NULL);
	for (int i = 0; i < 2 * count && result == CLAIM_GRANTED; i++)
	{
		CHECK_FOR_INTERRUPTS();
		result = try_row(moving, i % count, i >= count);
	}
	ExecDropSingleTupleTableSlot(moving->scratch);
	if (result == CLAIM_GRANTED)
	{
		for (int i = count; i < moving->own.count; i++)
			drop_part(moving->own.ids[i]);
	}
	return result == CLAIM_GRANTED ? DECIDED_YES :
		result == CLAIM_REFUSED ? DECIDED_NO : DECIDE_AGAIN;
}

/* ---- the decision ---- */

/* A call, and what comes of an attempt */
typedef struct Attempted
{
	FunctionCallInfo fcinfo;
	Relation	appointments;
	Move		move;
	int64		awaited;		/* an appointment to wait for; or 0 */
	Datum		result;
	Refusal		refusal;
	Holder		holder;
	Decision	decision;
} Attempted;

/*
 * What the caller asks for; the appointment says the rest.
 */
static void
read_arguments(FunctionCallInfo fcinfo, Moving *moving)
{
	require_argument(fcinfo, 0, "appointment_id");
	require_argument(fcinfo, 1, "starts_at");
	require_argument(fcinfo, 6, "whole_visit");
	moving->starts_at = PG_GETARG_TIMESTAMPTZ(1);
	require_finite(moving->starts_at, "starts_at");
	moving->overrides = read_rule_overrides(fcinfo, 5);
}

/*
 * Where the named appointment shall be, and who goes with it: nobody, if it
 * stays where it is.
 */
static void
aim(FunctionCallInfo fcinfo, const Moving *moving)
{
	MoveItem   *named = moving->move->named;
	Scope		scope;

	if (!PG_ARGISNULL(2))
		named->barber_id = PG_GETARG_INT64(2);
	if (!PG_ARGISNULL(3))
		named->service_id = PG_GETARG_INT64(3);
	find_scope(&scope);
	require_own_service(&scope, named->service_id);
	if (keeps_start(moving))
		move_alone(moving->move);
}

static Decision
decide_move(Attempted *attempted)
{
	FunctionCallInfo fcinfo = attempted->fcinfo;
	Refusal    *refusal = &attempted->refusal;
	Moving		moving = {
		.appointments = attempted->appointments,
		.move = &attempted->move,
		.refusal = refusal,
		.holder = &attempted->holder
	};
	Decision	decision;

	read_arguments(fcinfo, &moving);
	decision = move_lock(PG_GETARG_INT64(0), PG_GETARG_BOOL(6), moving.move,
						 &attempted->awaited, refusal);
	if (decision != DECIDED_YES)
		return decision;
	if (!check_version(&moving.move->named->booked, fcinfo, 4, refusal) ||
		!move_check_named(moving.move, moving.overrides, refusal))
		return DECIDED_NO;
	aim(fcinfo, &moving);
	if (!move_check_others(moving.move, moving.overrides, refusal))
		return DECIDED_NO;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (check_items(&moving))
	{
		plan_rows(&moving);
		decision = write_rows(&moving);
	}
	else
		decision = DECIDED_NO;
	PopActiveSnapshot();
	attempted->result = moving.result;
	return decision;
}

static bool
try_move(void *arg)
{
	Attempted  *attempted = arg;

	memset(&attempted->holder, 0, sizeof(Holder));
	attempted->decision = decide_move(attempted);
	return attempted->decision == DECIDED_YES;
}

/*
 * Waits until an appointment can be locked, and lets it go at once.
 */
static bool
await_appointment(void *arg)
{
	Attempted  *attempted = arg;
	Booked		booked;

	(void) lock_appointment(attempted->awaited, &booked, &attempted->refusal);
	return false;
}

/*
 * reschedule_appointment(appointment_id, starts_at, barber_id, service_id,
 *						  version, overrides, whole_visit)
 */
MEASURED_FUNCTION(booking_reschedule_appointment, OP_RESCHEDULE_APPOINTMENT)
{
	Relation	rel;
	Attempted	attempted = {.fcinfo = fcinfo};

	PreventCommandIfReadOnly("reschedule_appointment()");
	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	attempted.appointments = rel;
	while (!attempt(try_move, &attempted))
	{
		if (attempted.decision == DECIDED_NO)
			raise_booking_refusal(rel, &attempted.refusal);
		if (attempted.awaited != 0)
			(void) attempt(await_appointment, &attempted);
		else
			guard_wait(&attempted.holder);
	}
	for (int i = 0; i < attempted.move.count; i++)
	{
		const Booked *booked = &attempted.move.items[i].booked;

		serve_waitlist(booked->shop_id, booked->barber_id, &booked->busy);
	}
	table_close(rel, NoLock);
	return attempted.result;
}
