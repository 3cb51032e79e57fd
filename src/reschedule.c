/*-------------------------------------------------------------------------
 *
 * reschedule.c
 *	  The SQL-callable write that moves an appointment.
 *
 * Each part is an appointment's row, which the guard judges as a new one,
 * except that the rows that this call moves or gives up are not in each other's
 * way.  A part that has another status than the head, because somebody changed
 * it by itself, stays where it is, and is in the way like any other row.  All
 * of it is one attempt: whoever must wait holds nothing meanwhile, not even the
 * appointment's own rows.
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

/* ---- where to ---- */

/*
 * What the caller asks for; the appointment says the rest.
 */
static void
read_move(FunctionCallInfo fcinfo, Request *move)
{
	memset(move, 0, sizeof(*move));
	require_argument(fcinfo, 0, "appointment_id");
	require_argument(fcinfo, 1, "starts_at");
	move->id = PG_GETARG_INT64(0);
	move->starts_at = PG_GETARG_TIMESTAMPTZ(1);
	require_finite(move->starts_at, "starts_at");
	move->overrides = read_rule_overrides(fcinfo, 5);
	move->need = 1;
}

static void
complete_move(FunctionCallInfo fcinfo, const Booked *booked, Request *move)
{
	Scope		scope;

	move->id = booked->id;
	move->barber_id = PG_ARGISNULL(2) ? booked->barber_id : PG_GETARG_INT64(2);
	move->service_id = PG_ARGISNULL(3) ? booked->service_id :
		PG_GETARG_INT64(3);
	find_scope(&scope);
	require_own_service(&scope, move->service_id);
	move->is_walk_in = booked->is_walk_in;
	move->user_id = booked->user_id;
	move->visit_id = booked->visit_id;
}

/*
 * Whether the appointment may be moved at all.
 */
static bool
check_movable(const Booked *booked, const Request *move, int *overrides_used,
			  Refusal *refusal)
{
	if (strcmp(booked->status, "pending") != 0 &&
		strcmp(booked->status, "confirmed") != 0)
		return refuse(refusal, INVALID_TRANSITION, "Appointment "
					  INT64_FORMAT " is %s.", booked->id, booked->status);
	if (!check_hold(booked, refusal))
		return false;
	if (check_window(booked, refusal))
		return true;
	if ((move->overrides & OVERRIDE_WINDOW) == 0)
		return false;
	*overrides_used |= OVERRIDE_WINDOW;
	return true;
}

/*
 * A limit that the appointment counts for already is not asked again.  If it was
 * booked beyond a limit, it goes on saying so.
 */
static void
drop_met_limits(const Booked *booked, Limits *limits, int *overrides_used)
{
	Zone	   *zone = &limits->zone;
	bool		had_limit = limits_bind(limits);

	if (booked->shop_id == limits->shop_id &&
		booked->ends_at > booking_now())
		limits->max_active = 0;
	if (booked->barber_id == limits->barber_id &&
		zone_date(zone, booked->starts_at) ==
		zone_date(zone, limits->span.from))
		limits->max_per_day = 0;
	if (booked->overrides_limits && had_limit && !limits_bind(limits))
		*overrides_used |= OVERRIDE_LIMITS;
}

/* ---- the rows ---- */

static OwnerQuery move_query = {
	.sql = "UPDATE booking.appointments SET barber_id = $2, service_id = $3,"
	" starts_at = $4, ends_at = $5, busy_from = $6, busy_until = $7,"
	" price_cents = $8, overrides = $9, visit_id = $10"
	" WHERE id = $1"
	" RETURNING id, barber_id, service_id, user_id, starts_at, ends_at,"
	" status, hold_expires_at, price_cents, visit_id, version",
	.nargs = 10,
	.argtypes = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TEXTARRAYOID, INT8OID
	}
};

/*
 * Writes the draft over its row, which the guard's triggers judge by the claim;
 * *judged says what came of it.  Returns the row.
 */
static Datum
move_row(const Draft *draft, const Claim *claim, OwnWrite *judged)
{
	OwnWrite   *write;
	Datum		values[] = {
		Int64GetDatum(draft->id), Int64GetDatum(draft->barber_id),
		Int64GetDatum(draft->service_id),
		TimestampTzGetDatum(draft->part.work.from),
		TimestampTzGetDatum(draft->part.work.until),
		TimestampTzGetDatum(draft->part.busy.from),
		TimestampTzGetDatum(draft->part.busy.until),
		Int64GetDatum(draft->price_cents), (Datum) 0,
		Int64GetDatum(draft->visit_id)
	};
	char		nulls[] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', 'n', ' '};
	Datum		result;

	if (draft->overrides_used != 0)
	{
		values[8] = overrides_array(draft->overrides_used);
		nulls[8] = ' ';
	}
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
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * Gives up the parts beyond the first "count".
 */
static void
drop_parts(const Booked *booked, int count)
{
	for (int i = count; i < booked->part_count; i++)
	{
		Datum		values[] = {Int64GetDatum(booked->part_ids[i])};

		SPI_connect();
		if (run_owner_query(&drop_query, values, NULL, false) != 1)
			raise_dropped_row("moved");
		SPI_finish();
	}
}

/*
 * The row of one part as it shall be.  What was booked keeps its price.
 */
static void
draft_move(const Booked *booked, const Request *move, const Offer *offer,
		   int position, int overrides_used, Draft *draft)
{
	bool		is_head = position == 0;
	int			count = rule_part_count(&offer->rule);

	memset(draft, 0, sizeof(*draft));
	if (position < booked->part_count)
		draft->id = booked->part_ids[position];
	draft->barber_id = move->barber_id;
	draft->service_id = move->service_id;
	draft->is_walk_in = booked->is_walk_in;
	draft->user_id = booked->user_id;
	rule_part(&offer->rule, position, move->starts_at, &draft->part);
	draft->is_pending = strcmp(booked->status, "pending") == 0;
	draft->is_request = booked->is_request;
	draft->hold_expires_at = booked->hold_expires_at;
	if (is_head)
		draft->price_cents = booked->barber_id == move->barber_id &&
			booked->service_id == move->service_id ?
			booked->price_cents : offer->price_cents;
	draft->visit_id = booked->visit_id == 0 && count > 1 ?
		booked->id : booked->visit_id;
	draft->part_of = is_head ? 0 : booked->id;
	draft->series_id = booked->series_id;
	draft->guest_name = booked->guest_name;
	draft->overrides_used = overrides_used;
}

/*
 * A move that is under way.
 */
typedef struct Moving
{
	Relation	appointments;
	const Booked *booked;
	Draft	   *drafts;
	int			count;
	int			capacity;
	const Limits *limits;		/* or NULL */
	IdList		own;			/* rows that are moved, given up or added */
	TupleTableSlot *scratch;
	Datum		result;			/* the head's row */
	Refusal    *refusal;
	Holder	   *holder;
} Moving;

/*
 * Writes one part, or adds it, if the guard grants it.
 */
static ClaimResult
write_part(Moving *moving, int position, const Claim *claim)
{
	Draft	   *draft = &moving->drafts[position];
	OwnWrite	judged;
	Datum		row;

	if (position >= moving->booked->part_count)
		return store_appointment(moving->appointments, draft, claim,
								 moving->scratch, moving->holder,
								 moving->refusal);
	row = move_row(draft, claim, &judged);
	if (position == 0)
		moving->result = row;
	if (judged.result == CLAIM_IN_PROGRESS)
		*moving->holder = judged.holder;
	else if (judged.result == CLAIM_REFUSED)
		*moving->refusal = judged.refusal;
	return judged.result;
}

/*
 * The rows that are in no part's way: itself, and those that are to be moved or
 * given up after it.  A part that has been moved is where it stays.
 */
static IdList
not_yet_written(const Moving *moving, int position)
{
	int			first = Min(position, moving->own.count - 1);

	return (IdList) {moving->own.ids + first, moving->own.count - first};
}

static ClaimResult
move_part(Moving *moving, int position, bool is_to_be_written)
{
	const Draft *draft = &moving->drafts[position];
	Claim		claim = {
		.occupant = {
			.barber_id = draft->barber_id,
			.busy = draft->part.busy,
			.own = is_to_be_written ? not_yet_written(moving, position) :
			moving->own,
			.service_id = draft->service_id,
			.starts_at = draft->part.work.from
		},
		.capacity = moving->capacity,
		.limits = position == 0 ? moving->limits :
		limits_of_part(moving->limits)
	};

	ItemPointerSetInvalid(&claim.occupant.stored);
	return is_to_be_written ? write_part(moving, position, &claim) :
		guard_look(moving->appointments, &claim, moving->scratch,
				   moving->holder, moving->refusal);
}

/*
 * Lists the rows that the call moves, gives up or adds, which are all that do
 * not stand in its way.
 */
static void
list_own_rows(Moving *moving)
{
	const Booked *booked = moving->booked;
	int64	   *ids = palloc((booked->part_count + moving->count) *
							 sizeof(int64));
	int			count = booked->part_count;

	memcpy(ids, booked->part_ids, count * sizeof(int64));
	for (int i = booked->part_count; i < moving->count; i++)
	{
		moving->drafts[i].id = catalog_next_appointment_id();
		ids[count++] = moving->drafts[i].id;
	}
	moving->own = (IdList) {ids, count};
}

/*
 * Looks at all parts before the first is written, so that nothing is written in
 * vain while another has to wait.
 */
static Decision
move_parts(Moving *moving)
{
	ClaimResult result = CLAIM_GRANTED;
	int			count = moving->count;

	moving->scratch = table_slot_create(moving->appointments, NULL);
	for (int i = 0; i < 2 * count && result == CLAIM_GRANTED; i++)
		result = move_part(moving, i % count, i >= count);
	ExecDropSingleTupleTableSlot(moving->scratch);
	if (result == CLAIM_GRANTED)
		drop_parts(moving->booked, count);
	return result == CLAIM_GRANTED ? DECIDED_YES :
		result == CLAIM_REFUSED ? DECIDED_NO : DECIDE_AGAIN;
}

/* ---- the decision ---- */

/*
 * Moves the appointment that was locked, as far as rules and guard allow.
 */
static Decision
decide_move(Relation appointments, const Booked *booked, const Request *move,
			int overrides_used, Datum *result, Refusal *refusal,
			Holder *holder)
{
	Moved		moved = {booked->id, booked->status};
	StartCheck	check = {
		.starts_at = move->starts_at,
		.moved = &moved,
		.overrides = move->overrides,
		.guard_follows = true
	};
	Moving		moving = {
		.appointments = appointments,
		.booked = booked,
		.refusal = refusal,
		.holder = holder
	};
	Offer		offer;
	Limits		limits;
	Decision	decision;

	if (!find_offer(schedule_begin(), move->barber_id, move->service_id,
					&offer, refusal) ||
		(!booked->is_walk_in && offer.barber->shop->id != booked->shop_id &&
		 !check_welcome(offer.barber->shop, booked->user_id, refusal)) ||
		!check_start(&offer, &check, refusal))
		return DECIDED_NO;
	overrides_used |= check.overrides_used;
	moving.count = rule_part_count(&offer.rule);
	moving.capacity = moving.count > 1 ? 1 : offer.rule.capacity;
	moving.drafts = palloc(moving.count * sizeof(Draft));
	limits_for(&offer, move, &limits);
	drop_met_limits(booked, &limits, &overrides_used);
	for (int i = 0; i < moving.count; i++)
		draft_move(booked, move, &offer, i, overrides_used,
				   &moving.drafts[i]);
	list_own_rows(&moving);
	limits.own = moving.own;
	if ((move->overrides & OVERRIDE_LIMITS) == 0)
		moving.limits = limits_bind(&limits) ? &limits : NULL;
	else if (breaks_limits(appointments, &limits))
	{
		for (int i = 0; i < moving.count; i++)
			moving.drafts[i].overrides_used |= OVERRIDE_LIMITS;
	}
	decision = move_parts(&moving);
	*result = moving.result;
	return decision;
}

typedef struct Attempted
{
	FunctionCallInfo fcinfo;
	Relation	appointments;
	Booked		booked;
	Datum		result;
	Refusal		refusal;
	Holder		holder;
	Decision	decision;
} Attempted;

static bool
try_move(void *arg)
{
	Attempted  *attempted = arg;
	Booked	   *booked = &attempted->booked;
	Refusal    *refusal = &attempted->refusal;
	FunctionCallInfo fcinfo = attempted->fcinfo;
	Request		move;
	int			overrides_used = 0;

	attempted->decision = DECIDED_NO;
	read_move(fcinfo, &move);
	if (!lock_appointment(move.id, booked, refusal) ||
		!check_version(booked, fcinfo, 4, refusal) ||
		!check_movable(booked, &move, &overrides_used, refusal))
		return false;
	complete_move(fcinfo, booked, &move);
	PushActiveSnapshot(GetTransactionSnapshot());
	attempted->decision = decide_move(attempted->appointments, booked, &move,
									  overrides_used, &attempted->result,
									  refusal, &attempted->holder);
	PopActiveSnapshot();
	return attempted->decision == DECIDED_YES;
}

/*
 * reschedule_appointment(appointment_id, starts_at, barber_id, service_id,
 *						  version, overrides)
 */
MEASURED_FUNCTION(booking_reschedule_appointment, OP_RESCHEDULE_APPOINTMENT)
{
	Relation	rel;
	Attempted	move = {.fcinfo = fcinfo};

	PreventCommandIfReadOnly("reschedule_appointment()");
	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	move.appointments = rel;
	while (!attempt(try_move, &move))
	{
		if (move.decision == DECIDED_NO)
			raise_booking_refusal(rel, &move.refusal);
		guard_wait(&move.holder);
	}
	serve_waitlist(move.booked.shop_id, move.booked.barber_id,
				   &move.booked.busy);
	table_close(rel, NoLock);
	return move.result;
}
