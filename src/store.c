/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Inserts a row into appointments, and judges it.
 *
 * It is stored by the executor's own primitives, as the tables' owner: all
 * triggers, constraints, indexes, transition tables.  The steps are those of
 * ExecInsert() for ON CONFLICT DO NOTHING, where the guard's look takes the
 * place of the arbiter's: the tuple is inserted speculatively, with its index
 * entries; the guard looks past it; the insertion is completed, or the tuple is
 * taken back.
 *
 * No unique index waits while the row is speculative or a lock of the guard's
 * is held.  Whether another row has the key is found out by the entry itself;
 * then the row is taken back, and the other one is asked, or waited for.  (An
 * exclusion constraint of the user's waits for speculative rows of younger
 * transactions, as the guard does and in the same order.)
 *
 * What is judged is the row as BEFORE triggers leave it.  They fire before any
 * lock is taken.  A row that is taken back takes with it what they have done,
 * if there are any besides the guard's: then all of it is a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

static void
set_value(TupleTableSlot *slot, int column, Datum value)
{
	AttrNumber	attno = catalog_column(APPOINTMENTS, column);

	slot->tts_values[attno - 1] = value;
	slot->tts_isnull[attno - 1] = false;
}

/*
 * What a column is to hold that nobody gave a value; NULL if it is to stay
 * without.  A domain is asked whether that may be.
 */
static Node *
column_default(Relation rel, Form_pg_attribute attribute)
{
	Node	   *expression = build_column_default(rel, attribute->attnum);
	int32		typmod = attribute->atttypmod;
	Oid			base;

	if (expression != NULL ||
		get_typtype(attribute->atttypid) != TYPTYPE_DOMAIN)
		return expression;
	base = getBaseTypeAndTypmod(attribute->atttypid, &typmod);
	expression = (Node *) makeNullConst(base, typmod, attribute->attcollation);
	return coerce_to_domain(expression, base, typmod, attribute->atttypid,
							COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1,
							false);
}

/*
 * The defaults of columns that are not ours.
 */
static void
set_defaults(EState *estate, Relation rel, TupleTableSlot *slot)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (desc->natts == APPT_COLUMNS)
		return;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		bool		is_ours = false;
		Node	   *expression;

		if (attribute->attisdropped || attribute->attgenerated)
			continue;
		for (int c = 0; c < APPT_COLUMNS && !is_ours; c++)
			is_ours = catalog_column(APPOINTMENTS, c) == i + 1;
		if (is_ours)
			continue;
		expression = column_default(rel, attribute);
		if (expression != NULL)
			slot->tts_values[i] =
				ExecEvalExpr(ExecInitExpr(expression_planner((Expr *) expression),
										  NULL),
							 GetPerTupleExprContext(estate),
							 &slot->tts_isnull[i]);
	}
}

static void
set_instant(TupleTableSlot *slot, int column, TimestampTz at)
{
	set_value(slot, column, TimestampTzGetDatum(at));
}

/* An id, unless it is 0 */
static void
set_id(TupleTableSlot *slot, int column, int64 id)
{
	if (id != 0)
		set_value(slot, column, Int64GetDatum(id));
}

static void
set_text(TupleTableSlot *slot, int column, const char *string)
{
	if (string != NULL)
		set_value(slot, column, CStringGetTextDatum(string));
}

static void
set_key(TupleTableSlot *slot, const IdempotencyKey *key, int64 request_hash)
{
	if (key == NULL)
		return;
	set_text(slot, APPT_IDEMPOTENCY_KEY, key->text);
	if (key->has_shop)
		set_value(slot, APPT_KEY_SHOP_ID, Int64GetDatum(key->shop_id));
	if (key->has_user)
		set_value(slot, APPT_KEY_USER_ID, Int64GetDatum(key->user_id));
	set_value(slot, APPT_REQUEST_HASH, Int64GetDatum(request_hash));
}

/*
 * The values of our own columns; NULL everywhere else.
 */
static void
set_row(const Draft *draft, TupleTableSlot *slot)
{
	TimestampTz now = booking_now();

	memset(slot->tts_isnull, true,
		   slot->tts_tupleDescriptor->natts * sizeof(bool));
	set_id(slot, APPT_ID, draft->id);
	set_value(slot, APPT_BARBER_ID, Int64GetDatum(draft->barber_id));
	set_value(slot, APPT_SERVICE_ID, Int64GetDatum(draft->service_id));
	if (!draft->is_walk_in)
		set_value(slot, APPT_USER_ID, Int64GetDatum(draft->user_id));
	set_instant(slot, APPT_STARTS_AT, draft->part.work.from);
	set_instant(slot, APPT_ENDS_AT, draft->part.work.until);
	set_instant(slot, APPT_BUSY_FROM, draft->part.busy.from);
	set_instant(slot, APPT_BUSY_UNTIL, draft->part.busy.until);
	set_text(slot, APPT_STATUS, draft->is_pending ? "pending" : "confirmed");
	if (draft->hold_expires_at != DT_NOEND)
		set_instant(slot, APPT_HOLD_EXPIRES_AT, draft->hold_expires_at);
	set_value(slot, APPT_PRICE, Int64GetDatum(draft->price_cents));
	set_key(slot, draft->key, draft->request_hash);
	set_id(slot, APPT_VISIT_ID, draft->visit_id);
	set_id(slot, APPT_PART_OF, draft->part_of);
	set_id(slot, APPT_SERIES_ID, draft->series_id);
	set_text(slot, APPT_GUEST_NAME, draft->guest_name);
	set_value(slot, APPT_IS_ASSIGNED, BoolGetDatum(draft->is_assigned));
	set_value(slot, APPT_IS_REQUEST, BoolGetDatum(draft->is_request));
	if (draft->overrides_used != 0)
		set_value(slot, APPT_OVERRIDES,
				  overrides_array(draft->overrides_used));
	set_value(slot, APPT_VERSION, Int32GetDatum(1));
	set_instant(slot, APPT_CREATED_AT, now);
	set_instant(slot, APPT_UPDATED_AT, now);
}

/*
 * Generated columns, and what the table demands of a row.
 */
static void
check_row(EState *estate, ResultRelInfo *target, TupleTableSlot *slot)
{
	Relation	rel = target->ri_RelationDesc;

	slot->tts_tableOid = RelationGetRelid(rel); /* they may ask for it */
	if (rel->rd_att->constr != NULL)
	{
		if (rel->rd_att->constr->has_generated_stored)
			ExecComputeStoredGenerated(target, estate, slot, CMD_INSERT);
		ExecConstraints(target, slot, estate);
	}
	if (rel->rd_rel->relispartition)
		ExecPartitionCheck(target, slot, estate, true);
}

/*
 * A row that is being stored, for which a claim asks.
 */
typedef struct Storing
{
	Relation	appointments;
	const Draft *draft;
	const Claim *asked;
	OwnWrite   *write;
	TupleTableSlot *stored;		/* the result: the row, or the one repeated */
	ClaimResult result;
	Holder	   *holder;
	Refusal    *refusal;
} Storing;

/* ---- unique indexes ---- */

static void
raise_duplicate(Relation rel, Relation index, IndexInfo *info,
				TupleTableSlot *slot, EState *estate)
{
	bool		is_exclusion = info->ii_ExclusionOps != NULL;
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	char	   *description;

	GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
	FormIndexDatum(info, slot, estate, values, nulls);
	description = BuildIndexValueDescription(index, values, nulls);
	ereport(ERROR,
			(errcode(is_exclusion ? ERRCODE_EXCLUSION_VIOLATION :
					 ERRCODE_UNIQUE_VIOLATION),
			 is_exclusion ?
			 errmsg("conflicting key value violates exclusion constraint \"%s\"",
					RelationGetRelationName(index)) :
			 errmsg("duplicate key value violates unique constraint \"%s\"",
					RelationGetRelationName(index)),
			 errdetail(VALUES_ARE_LOGGED),
			 description != NULL ?
			 errdetail_log("Key %s already exists.", description) : 0,
			 errtableconstraint(rel, RelationGetRelationName(index))));
}

/*
 * Returns once no other row has the row's key in any unique index, but for that
 * of idempotency keys, which look_again() asks; a row that is committed raises
 * the error that an insert would.  Nothing is stored, and no lock of the guard's
 * is held.
 */
static void
await_unique_indexes(ResultRelInfo *target, EState *estate,
					 TupleTableSlot *slot)
{
	for (int i = 0; i < target->ri_NumIndices; i++)
	{
		Relation	index = target->ri_IndexRelationDescs[i];
		IndexInfo  *info = target->ri_IndexRelationInfo[i];
		ItemPointerData conflict;

		if ((!info->ii_Unique && info->ii_ExclusionOps == NULL) ||
			!info->ii_ReadyForInserts || !index->rd_index->indimmediate ||
			RelationGetRelid(index) == catalog_index_id(IDEMPOTENCY_INDEX))
			continue;
		if (info->ii_Unique && info->ii_ExclusionOps == NULL &&
			info->ii_UniqueOps == NULL)
		{
			MemoryContext caller =
				MemoryContextSwitchTo(estate->es_query_cxt);

			BuildSpeculativeIndexInfo(index, info);
			MemoryContextSwitchTo(caller);
		}
		if (!booking_check_index_constraints(target, slot, estate, &conflict,
											 list_make1_oid(RelationGetRelid(index))))
			raise_duplicate(target->ri_RelationDesc, index, info, slot,
							estate);
	}
}

/* ---- the row ---- */

/*
 * Stores the row speculatively, and keeps it if its keys are free and the
 * claim, if there is one, is granted.  KEY_IN_USE: some unique index knows its
 * key.
 */
static ClaimResult
insert_if_granted(ResultRelInfo *target, EState *estate, TupleTableSlot *slot,
				  Claim *claim, Storing *storing, List **recheck)
{
	Relation	rel = target->ri_RelationDesc;
	TransactionId xid = GetCurrentTransactionId();
	uint32		token = SpeculativeInsertionLockAcquire(xid);
	bool		has_conflict = false;
	ClaimResult result = CLAIM_GRANTED;

	table_tuple_insert_speculative(rel, slot, GetCurrentCommandId(true), 0,
								   NULL, token);
	*recheck = booking_insert_index_tuples(target, slot, estate,
										   &has_conflict);
	if (has_conflict)
		result = CLAIM_KEY_IN_USE;
	else if (claim != NULL)
	{
		claim->occupant.stored = slot->tts_tid;
		result = guard_settle(rel, claim, true, storing->holder,
							  storing->refusal);
		ItemPointerSetInvalid(&claim->occupant.stored);
	}
	table_tuple_complete_speculative(rel, slot, token,
									 result == CLAIM_GRANTED);
	SpeculativeInsertionLockRelease(xid);
	storing->write->is_settled = result == CLAIM_GRANTED;
	storing->write->tid = slot->tts_tid;
	return result;
}

/*
 * Opens a passage if the claim needs one, and inserts the row within it.
 */
static ClaimResult
insert_in_passage(ResultRelInfo *target, EState *estate, TupleTableSlot *slot,
				  Claim *claim, Storing *storing, List **recheck)
{
	ClaimResult result = CLAIM_GRANTED;

	if (claim != NULL)
		result = guard_enter(target->ri_RelationDesc, claim, false,
							 storing->stored, storing->holder,
							 storing->refusal);
	if (result == CLAIM_GRANTED)
		result = insert_if_granted(target, estate, slot, claim, storing,
								   recheck);
	guard_leave();
	return result;
}

/*
 * Whether the row with the same key answers the request, or takes the time
 * besides: that is said rather than that some index has the key.
 */
static ClaimResult
look_again(Relation rel, const Claim *claim, const IdempotencyKey *key,
		   Storing *storing)
{
	if (claim != NULL)
		return guard_look(rel, claim, storing->stored, storing->holder,
						  storing->refusal);
	return key == NULL ? CLAIM_GRANTED :
		guard_find_key(rel, key, storing->stored, storing->holder);
}

/*
 * Inserts the row, or finds out whose key it has.
 */
static ClaimResult
insert_with_key(ResultRelInfo *target, EState *estate, TupleTableSlot *slot,
				Claim *claim, const IdempotencyKey *key, Storing *storing,
				List **recheck)
{
	for (;;)
	{
		ClaimResult result = insert_in_passage(target, estate, slot, claim,
											   storing, recheck);

		if (result != CLAIM_KEY_IN_USE)
			return result;
		result = look_again(target->ri_RelationDesc, claim, key, storing);
		if (result != CLAIM_GRANTED)
			return result;
		CHECK_FOR_INTERRUPTS();
		await_unique_indexes(target, estate, slot);
	}
}

/*
 * What the row claims as BEFORE triggers have left it; false: nothing.
 */
static bool
claim_of_row(const Claim *asked, const Occupation *row, const IdList *own,
			 const IdempotencyKey *key, Claim *claim, Limits *limits)
{
	if (!occupation_needs_look(row, NULL))
		return false;
	*claim = *asked;
	claim->key = key;
	occupation_occupant(row, id_is_listed(&asked->occupant.own, row->id) ?
						&asked->occupant.own : own, key, &claim->occupant);
	if (row->service_id != asked->occupant.service_id)
		claim->capacity = 0;
	if (asked->limits != NULL)
	{
		limits_of_row(asked->limits, row->has_user, row->user_id,
					  row->barber_id, limits);
		if (!id_is_listed(&limits->own, row->id))
			limits->own = *own;
		claim->limits = limits;
	}
	return true;
}

/*
 * Whether BEFORE triggers have made another row of it than was looked for.  It
 * is looked for then, without a lock, as the draft was.
 */
static bool
was_changed(const Claim *asked, const Claim *claim)
{
	const Limits *before = asked->limits;
	const Limits *now = claim->limits;

	return asked->occupant.barber_id != claim->occupant.barber_id ||
		asked->occupant.starts_at != claim->occupant.starts_at ||
		(now != NULL && (now->has_user != before->has_user ||
						 now->user_id != before->user_id));
}

static ClaimResult
insert_judged(ResultRelInfo *target, EState *estate, TupleTableSlot *slot,
			  Storing *storing, List **recheck)
{
	const IdempotencyKey *key = key_of_row(slot);
	Occupation	row;
	IdList		own = {&row.id, 1};
	Claim		claim;
	Limits		limits;
	bool		has_claim;
	ClaimResult result = CLAIM_GRANTED;

	read_occupation(slot, &row);
	has_claim = claim_of_row(storing->asked, &row, &own, key, &claim, &limits);
	if (has_claim && was_changed(storing->asked, &claim))
		result = guard_look(target->ri_RelationDesc, &claim, storing->stored,
							storing->holder, storing->refusal);
	return result != CLAIM_GRANTED ? result :
		insert_with_key(target, estate, slot, has_claim ? &claim : NULL, key,
						storing, recheck);
}

static void
fire_before_triggers(EState *estate, ResultRelInfo *target,
					 TupleTableSlot *slot)
{
	ExecBSInsertTriggers(estate, target);
	if (target->ri_TrigDesc != NULL &&
		target->ri_TrigDesc->trig_insert_before_row &&
		!ExecBRInsertTriggers(estate, target, slot))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("a trigger dropped the appointment"),
				 errdetail("A BEFORE trigger on table booking.appointments returned NULL."),
				 errhint("Let the trigger return the row, or raise an error.")));
}

/*
 * Stores the row that the slot holds, with all triggers, constraints and
 * indexes, if it is granted.
 */
static ClaimResult
insert_row(EState *estate, ResultRelInfo *target, TupleTableSlot *slot,
		   Storing *storing)
{
	Relation	rel = target->ri_RelationDesc;
	TransitionCaptureState *transition;
	List	   *recheck = NIL;
	ClaimResult result;

	transition = MakeTransitionCaptureState(target->ri_TrigDesc,
											RelationGetRelid(rel),
											CMD_INSERT);
	fire_before_triggers(estate, target, slot);
	check_row(estate, target, slot);
	result = insert_judged(target, estate, slot, storing, &recheck);
	if (result == CLAIM_GRANTED)
	{
		ExecARInsertTriggers(estate, target, slot, recheck, transition);
		ExecASInsertTriggers(estate, target, transition);
	}
	return result;
}

/*
 * Makes and stores the row.
 */
static void
store_row(InsertTarget *target, TupleTableSlot *slot, Storing *storing)
{
	EState	   *estate = target->estate;

	ExecClearTuple(slot);
	set_row(storing->draft, slot);
	set_defaults(estate, storing->appointments, slot);
	ExecStoreVirtualTuple(slot);
	storing->write = guard_begin_write(storing->draft->id, NULL);
	AfterTriggerBeginQuery();
	storing->result = insert_row(estate, target->result, slot, storing);
	AfterTriggerEndQuery(estate);
	guard_end_write(storing->write);
}

/*
 * The same as the tables' owner, with a target.
 */
static void
store_as_owner(void *arg)
{
	Storing    *storing = arg;
	Relation	rel = storing->appointments;
	InsertTarget target;
	TupleTableSlot *slot;
	MemoryContext caller;

	target_take(&target, rel);
	caller =
		MemoryContextSwitchTo(GetPerTupleMemoryContext(target.estate));
	slot = ExecInitExtraTupleSlot(target.estate, RelationGetDescr(rel),
								  table_slot_callbacks(rel));
	store_row(&target, slot, storing);
	CommandCounterIncrement();
	MemoryContextSwitchTo(caller);
	if (storing->result == CLAIM_GRANTED)
		ExecCopySlot(storing->stored, slot);
	else if (storing->result == CLAIM_REFUSED)
		keep_refusal(storing->refusal, caller);
	target_give_back(&target);
}

static bool
try_to_store(void *arg)
{
	Storing    *storing = arg;

	run_as_owner(RelationGetForm(storing->appointments)->relowner,
				 1 << APPOINTMENTS, store_as_owner, storing);
	return storing->result == CLAIM_GRANTED;
}

/*
 * Whether BEFORE triggers other than the guard's fire for an insert.
 */
static bool
has_before_triggers(Relation rel)
{
	const TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_BEFORE(trigger->tgtype) &&
			TRIGGER_FOR_INSERT(trigger->tgtype) &&
			trigger->tgenabled != TRIGGER_DISABLED &&
			strcmp(trigger->tgname, "zz_guard_before") != 0)
			return true;
	}
	return false;
}

/*
 * Stores an appointment if its claim is granted, and leaves it in *stored.
 * REPEATED: *stored has the appointment with its key.  Whatever else the
 * result is, nothing is stored.
 */
ClaimResult
store_appointment(Relation appointments, const Draft *draft,
				  const Claim *claim, TupleTableSlot *stored, Holder *holder,
				  Refusal *refusal)
{
	Storing		storing = {
		.appointments = appointments,
		.draft = draft,
		.asked = claim,
		.stored = stored,
		.holder = holder,
		.refusal = refusal
	};

	if (has_before_triggers(appointments))
		attempt(try_to_store, &storing);
	else
		(void) try_to_store(&storing);
	return storing.result;
}
