/*-------------------------------------------------------------------------
 *
 * book.c
 *	  The SQL-callable writes.
 *
 * book_slot() and try_book_slot() are one function with two ways to say no.
 * The configuration's rules are checked first, then the guard decides about
 * the time; the row is stored by the executor's own primitives, as the tables'
 * owner.  Everything else that is written goes through SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

#define LONGEST_KEY 200			/* characters, as the CHECK has it */

/*
 * What a caller of book_slot() asks for.
 */
typedef struct Request
{
	int64		barber_id;
	int64		service_id;
	int64		user_id;
	bool		is_walk_in;		/* no user_id */
	TimestampTz starts_at;
	char	   *key;			/* or NULL */
} Request;

static void
read_request(FunctionCallInfo fcinfo, Request *request)
{
	require_argument(fcinfo, 0, "barber_id");
	require_argument(fcinfo, 1, "service_id");
	require_argument(fcinfo, 3, "starts_at");
	request->barber_id = PG_GETARG_INT64(0);
	request->service_id = PG_GETARG_INT64(1);
	request->is_walk_in = PG_ARGISNULL(2);
	request->user_id = request->is_walk_in ? 0 : PG_GETARG_INT64(2);
	request->starts_at = PG_GETARG_TIMESTAMPTZ(3);
	require_finite(request->starts_at, "starts_at");
	request->key = NULL;
	if (!PG_ARGISNULL(4))
	{
		request->key = text_to_cstring(PG_GETARG_TEXT_PP(4));
		if (request->key[0] == '\0' ||
			pg_mbstrlen(request->key) > LONGEST_KEY)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("idempotency_key must have 1 to %d characters",
							LONGEST_KEY),
					 errdetail("It has %d.", pg_mbstrlen(request->key)),
					 errhint("Use a UUID, one for each request.")));
	}
}

/* ---- the row ---- */

static void
set_value(TupleTableSlot *slot, int column, Datum value)
{
	AttrNumber	attno = catalog_column(APPOINTMENTS, column);

	slot->tts_values[attno - 1] = value;
	slot->tts_isnull[attno - 1] = false;
}

/*
 * The defaults of columns that are not ours.
 */
static void
set_defaults(EState *estate, Relation rel, TupleTableSlot *slot)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool		is_ours = false;
		Node	   *expression;

		if (attribute->attisdropped || attribute->attgenerated)
			continue;
		for (int c = 0; c <= APPT_CANCEL_REASON && !is_ours; c++)
			is_ours = catalog_column(APPOINTMENTS, c) == i + 1;
		if (is_ours)
			continue;
		expression = build_column_default(rel, i + 1);
		if (expression != NULL)
			slot->tts_values[i] =
				ExecEvalExpr(ExecInitExpr(expression_planner((Expr *) expression),
										  NULL),
							 GetPerTupleExprContext(estate),
							 &slot->tts_isnull[i]);
	}
}

/*
 * The values of our own columns; NULL everywhere else.
 */
static void
set_row(const Request *request, const Offer *offer, const Claim *claim,
		TupleTableSlot *slot)
{
	TimestampTz now = booking_now();

	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	set_value(slot, APPT_ID, Int64GetDatum(claim->id));
	set_value(slot, APPT_BARBER_ID, Int64GetDatum(request->barber_id));
	set_value(slot, APPT_SERVICE_ID, Int64GetDatum(request->service_id));
	if (!request->is_walk_in)
		set_value(slot, APPT_USER_ID, Int64GetDatum(request->user_id));
	set_value(slot, APPT_STARTS_AT, TimestampTzGetDatum(request->starts_at));
	set_value(slot, APPT_ENDS_AT,
			  TimestampTzGetDatum(request->starts_at +
								  offer->rule.duration_us));
	set_value(slot, APPT_BUSY_FROM, TimestampTzGetDatum(claim->busy_from));
	set_value(slot, APPT_BUSY_UNTIL, TimestampTzGetDatum(claim->busy_until));
	set_value(slot, APPT_STATUS,
			  CStringGetTextDatum(offer->service->requires_confirmation ?
								  "pending" : "confirmed"));
	set_value(slot, APPT_PRICE, Int64GetDatum(offer->price_cents));
	if (request->key != NULL)
		set_value(slot, APPT_IDEMPOTENCY_KEY,
				  CStringGetTextDatum(request->key));
	set_value(slot, APPT_VERSION, Int32GetDatum(1));
	set_value(slot, APPT_CREATED_AT, TimestampTzGetDatum(now));
	set_value(slot, APPT_UPDATED_AT, TimestampTzGetDatum(now));
}

/*
 * Stores the row that the slot holds: all triggers, constraints, indexes.
 * The steps are those of ExecSimpleRelationInsert(), and the triggers it
 * leaves out: those of the statement, and transition tables.
 */
static void
insert_row(EState *estate, ResultRelInfo *target, TupleTableSlot *slot)
{
	Relation	rel = target->ri_RelationDesc;
	TransitionCaptureState *transition;
	List	   *recheck;

	transition = MakeTransitionCaptureState(target->ri_TrigDesc,
											RelationGetRelid(rel),
											CMD_INSERT);
	ExecBSInsertTriggers(estate, target);
	if (target->ri_TrigDesc != NULL &&
		target->ri_TrigDesc->trig_insert_before_row &&
		!ExecBRInsertTriggers(estate, target, slot))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("a trigger dropped the appointment"),
				 errdetail("A BEFORE trigger on table booking.appointments returned NULL."),
				 errhint("Let the trigger return the row, or raise an error.")));
	if (rel->rd_att->constr != NULL)
	{
		if (rel->rd_att->constr->has_generated_stored)
			ExecComputeStoredGenerated(target, estate, slot, CMD_INSERT);
		ExecConstraints(target, slot, estate);
	}
	simple_table_tuple_insert(rel, slot);
	recheck = booking_insert_index_tuples(target, slot, estate);
	ExecARInsertTriggers(estate, target, slot, recheck, transition);
	ExecASInsertTriggers(estate, target, transition);
}

/*
 * Makes and stores the row as the tables' owner.  The guard's AFTER trigger
 * closes the passage before foreign keys are checked.
 */
static void
store_as_owner(EState *estate, Relation rel, const Request *request,
			   const Offer *offer, const Claim *claim, TupleTableSlot *slot)
{
	ResultRelInfo *target = makeNode(ResultRelInfo);
	OwnerIdentity saved;

	InitResultRelInfo(target, rel, 0, NULL, 0);
	estate->es_opened_result_relations =
		lappend(estate->es_opened_result_relations, target);
	ExecOpenIndices(target, false);

	become_owner(rel, &saved);
	ExecClearTuple(slot);
	/* the offer first: a default may call us, and begin the schedule anew */
	set_row(request, offer, claim, slot);
	set_defaults(estate, rel, slot);
	ExecStoreVirtualTuple(slot);
	AfterTriggerBeginQuery();
	insert_row(estate, target, slot);
	AfterTriggerEndQuery(estate);
	guard_leave();
	resign_owner(&saved);

	ExecCloseIndices(target);
	CommandCounterIncrement();
}

/*
 * Stores the appointment of a granted claim, and leaves it in *stored.
 */
static void
store_appointment(Relation rel, const Request *request, const Offer *offer,
				  Claim *claim, TupleTableSlot *stored)
{
	EState	   *estate = CreateExecutorState();
	TupleTableSlot *slot;
	MemoryContext caller;

	claim->has_id = true;
	claim->id = catalog_next_appointment_id();
	guard_name_row(claim->id);

	caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(rel),
								  &TTSOpsVirtual);
	store_as_owner(estate, rel, request, offer, claim, slot);
	ExecCopySlot(stored, slot);
	MemoryContextSwitchTo(caller);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
}

/* ---- the decision ---- */

static Datum
stored_value(TupleTableSlot *row, int column, bool *isnull)
{
	return slot_getattr(row, catalog_column(APPOINTMENTS, column), isnull);
}

/*
 * Whether a stored appointment is the answer to this very request; if not,
 * idempotency_conflict.
 */
static bool
is_same_request(const Request *request, TupleTableSlot *row,
				Refusal *refusal)
{
	bool		isnull;
	bool		has_no_user;
	int64		user_id = DatumGetInt64(stored_value(row, APPT_USER_ID,
													 &has_no_user));

	if (DatumGetInt64(stored_value(row, APPT_BARBER_ID, &isnull)) ==
		request->barber_id &&
		DatumGetInt64(stored_value(row, APPT_SERVICE_ID, &isnull)) ==
		request->service_id &&
		DatumGetTimestampTz(stored_value(row, APPT_STARTS_AT, &isnull)) ==
		request->starts_at &&
		has_no_user == request->is_walk_in &&
		(has_no_user || user_id == request->user_id))
		return true;
	return refuse(refusal, IDEMPOTENCY_CONFLICT,
				  "The key was used with another barber, service, user or start.");
}

static void
check_user_row(HeapTuple row, TupleDesc desc, void *state)
{
	bool		isnull;

	*(bool *) state = DatumGetBool(row_value(row, desc, USERS,
											 USER_IS_ACTIVE, &isnull));
}

static bool
check_user(const Request *request, Refusal *refusal)
{
	bool		is_active;

	if (request->is_walk_in)
		return true;
	if (scan_rows_by_key(USERS, request->user_id, GetActiveSnapshot(),
						 check_user_row, &is_active) == 0)
		return refuse(refusal, NOT_FOUND, "There is no user " INT64_FORMAT
					  ".", request->user_id);
	if (!is_active)
		return refuse(refusal, NOT_OFFERED, "User " INT64_FORMAT
					  " is not active.", request->user_id);
	return true;
}

/*
 * Whether the rules allow the request, but for the overlap.
 */
static bool
check_rules(const Request *request, Offer *offer, Refusal *refusal)
{
	BusyReader *reader = NULL;
	Refusal		unknown;
	bool		allowed;

	if (!find_offer(schedule_begin(), request->barber_id,
					request->service_id, offer, refusal))
	{
		/* an unknown user goes before "not offered" */
		if (refusal->reason == NOT_OFFERED &&
			!check_user(request, &unknown) && unknown.reason == NOT_FOUND)
			*refusal = unknown;
		return false;
	}
	if (!check_user(request, refusal))
		return false;
	if (offer->rule.anchor == ANCHOR_PACKED)
		reader = busy_open();
	allowed = check_start(offer, reader, request->starts_at, refusal);
	if (reader != NULL)
		busy_close(reader);
	return allowed;
}

typedef enum Decision
{
	DECIDED_NO, DECIDED_YES, DECIDE_AGAIN
} Decision;

/*
 * Whether a repeated request has its answer already; if so, *decision is it.
 */
static bool
is_repeated(Relation rel, const Request *request,
			TupleTableSlot *appointment, Refusal *refusal,
			Decision *decision)
{
	if (request->key == NULL ||
		!guard_find_key(rel, request->key, appointment))
		return false;
	*decision = is_same_request(request, appointment, refusal) ?
		DECIDED_YES : DECIDED_NO;
	return true;
}

/*
 * Books, or answers a repeated request, and leaves the appointment in
 * *appointment; or refuses.  A repeated request is recognized before any rule
 * is asked (the slot is no longer free, after all), and again before a "no",
 * since its first run may have ended meanwhile.
 */
static Decision
decide(Relation rel, const Request *request, TupleTableSlot *appointment,
	   Refusal *refusal)
{
	Offer		offer;
	Decision	decision;
	Claim		claim = {.barber_id = request->barber_id,
	.key = request->key};

	if (is_repeated(rel, request, appointment, refusal, &decision))
		return decision;
	if (!check_rules(request, &offer, refusal))
	{
		if (is_repeated(rel, request, appointment, refusal, &decision))
			return decision;
		return DECIDED_NO;
	}

	claim.busy_from = request->starts_at - offer.rule.buffer_before_us;
	claim.busy_until = request->starts_at + offer.rule.duration_us +
		offer.rule.buffer_after_us;
	switch (guard_enter(rel, &claim, appointment))
	{
		case CLAIM_GRANTED:
			store_appointment(rel, request, &offer, &claim, appointment);
			return DECIDED_YES;
		case CLAIM_REPEATED:
			return is_same_request(request, appointment, refusal) ?
				DECIDED_YES : DECIDED_NO;
		case CLAIM_TAKEN:
			refuse_overlap(refusal, claim.barber_id, claim.busy_from,
						   claim.busy_until);
			return DECIDED_NO;
		case CLAIM_WAITED:
			break;
	}
	return DECIDE_AGAIN;
}

/*
 * Runs a request with a snapshot that sees what this transaction has done so
 * far, also earlier in the same statement; after a wait with another, since
 * the rules may have changed meanwhile.
 */
static bool
book(const char *function, const Request *request, Relation rel,
	 TupleTableSlot *appointment, Refusal *refusal)
{
	Decision	decision;

	PreventCommandIfReadOnly(function);
	do
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		decision = decide(rel, request, appointment, refusal);
		PopActiveSnapshot();
	} while (decision == DECIDE_AGAIN);
	return decision == DECIDED_YES;
}

/*
 * A stored row as the result type "appointment".
 */
static Datum
appointment_result(FunctionCallInfo fcinfo, TupleTableSlot *row)
{
	static const int columns[] = {
		APPT_ID, APPT_BARBER_ID, APPT_SERVICE_ID, APPT_USER_ID,
		APPT_STARTS_AT, APPT_ENDS_AT, APPT_STATUS, APPT_HOLD_EXPIRES_AT,
		APPT_PRICE, APPT_VISIT_ID, APPT_VERSION
	};
	Datum		values[lengthof(columns)];
	bool		nulls[lengthof(columns)];

	for (int i = 0; i < (int) lengthof(columns); i++)
		values[i] = stored_value(row, columns[i], &nulls[i]);
	return composite_result(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(booking_book_slot);

/*
 * book_slot(barber_id, service_id, user_id, starts_at, idempotency_key)
 */
Datum
booking_book_slot(PG_FUNCTION_ARGS)
{
	Request		request;
	Refusal		refusal;
	Relation	rel;
	TupleTableSlot *appointment;
	Datum		result;

	read_request(fcinfo, &request);
	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	appointment = table_slot_create(rel, NULL);
	if (!book("book_slot()", &request, rel, appointment, &refusal))
	{
		if (refusal.reason == SLOT_TAKEN)
			raise_overlap(rel, &refusal);
		raise_refusal("booking", &refusal);
	}
	result = appointment_result(fcinfo, appointment);
	ExecDropSingleTupleTableSlot(appointment);
	table_close(rel, NoLock);
	return result;
}

PG_FUNCTION_INFO_V1(booking_try_book_slot);

/*
 * try_book_slot(barber_id, service_id, user_id, starts_at, idempotency_key)
 */
Datum
booking_try_book_slot(PG_FUNCTION_ARGS)
{
	Request		request;
	Refusal		refusal;
	Relation	rel;
	TupleTableSlot *appointment;
	Datum		values[2];
	bool		nulls[2] = {true, true};

	read_request(fcinfo, &request);
	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	appointment = table_slot_create(rel, NULL);
	if (book("try_book_slot()", &request, rel, appointment, &refusal))
		values[0] = stored_value(appointment, APPT_ID, &nulls[0]);
	else
	{
		values[1] = CStringGetTextDatum(reason_name(refusal.reason));
		nulls[1] = false;
	}
	values[0] = composite_result(fcinfo, values, nulls);
	ExecDropSingleTupleTableSlot(appointment);
	table_close(rel, NoLock);
	return values[0];
}

/* ---- cancelling ---- */

static OwnerQuery lock_appointment_query = {
	.sql = "SELECT a.status, a.starts_at,"
	" a.starts_at - make_interval(mins => h.cancellation_window_minutes)"
	" FROM booking.appointments a"
	" JOIN booking.barbers b ON b.id = a.barber_id"
	" JOIN booking.shops h ON h.id = b.shop_id"
	" WHERE a.id = $1 FOR NO KEY UPDATE OF a",
	.nargs = 1,
	.argtypes = {INT8OID}
};

static OwnerQuery cancel_query = {
	.sql = "UPDATE booking.appointments"
	" SET status = 'cancelled', cancel_reason = $2, cancelled_at = $3"
	" WHERE id = $1"
	" RETURNING id, barber_id, service_id, user_id, starts_at, ends_at,"
	" status, hold_expires_at, price_cents, visit_id, version",
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, TIMESTAMPTZOID}
};

/*
 * Whether the appointment that lock_appointment_query locked may be cancelled.
 */
static bool
check_cancellation(int64 id, int row_count, Refusal *refusal)
{
	HeapTuple	row;
	TupleDesc	desc;
	char	   *status;
	bool		isnull;
	TimestampTz deadline;

	if (row_count == 0)
		return refuse(refusal, NOT_FOUND, "There is no appointment "
					  INT64_FORMAT ".", id);
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	status = SPI_getvalue(row, desc, 1);
	deadline = DatumGetTimestampTz(SPI_getbinval(row, desc, 3, &isnull));
	if (strcmp(status, "pending") != 0 && strcmp(status, "confirmed") != 0)
		return refuse(refusal, INVALID_TRANSITION, "Appointment "
					  INT64_FORMAT " is %s.", id, status);
	if (booking_now() > deadline)
		return refuse(refusal, CANCELLATION_WINDOW_CLOSED, "Appointment "
					  INT64_FORMAT " could be cancelled until %s.", id,
					  instant_text(deadline));
	return true;
}

PG_FUNCTION_INFO_V1(booking_cancel_appointment);

/*
 * cancel_appointment(appointment_id, reason)
 */
Datum
booking_cancel_appointment(PG_FUNCTION_ARGS)
{
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	Refusal		refusal;
	Datum		result;

	require_argument(fcinfo, 0, "appointment_id");
	PreventCommandIfReadOnly("cancel_appointment()");
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = TimestampTzGetDatum(booking_now());
	if (PG_ARGISNULL(1))
		nulls[1] = 'n';

	SPI_connect();
	if (!check_cancellation(PG_GETARG_INT64(0),
							run_owner_query(&lock_appointment_query, values,
											NULL, false),
							&refusal))
		raise_refusal("cancellation", &refusal);
	if (run_owner_query(&cancel_query, values, nulls, false) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("the appointment was not cancelled"),
				 errdetail("A BEFORE trigger on table booking.appointments returned NULL."),
				 errhint("Let the trigger return the row, or raise an error.")));
	result = PointerGetDatum(SPI_returntuple(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc));
	SPI_finish();
	return result;
}
