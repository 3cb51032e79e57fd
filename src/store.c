/*-------------------------------------------------------------------------
 *
 * store.c
 *	  A new row of appointments.
 *
 * It is stored by the executor's own primitives, as the tables' owner: all
 * triggers, constraints, indexes, transition tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
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
set_text(TupleTableSlot *slot, int column, const char *text)
{
	if (text != NULL)
		set_value(slot, column, CStringGetTextDatum(text));
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
	set_text(slot, APPT_IDEMPOTENCY_KEY, draft->key);
	if (draft->key != NULL)
		set_value(slot, APPT_REQUEST_HASH,
				  Int64GetDatum(draft->request_hash));
	set_id(slot, APPT_VISIT_ID, draft->visit_id);
	set_id(slot, APPT_PART_OF, draft->part_of);
	set_id(slot, APPT_SERIES_ID, draft->series_id);
	set_text(slot, APPT_GUEST_NAME, draft->guest_name);
	set_value(slot, APPT_IS_ASSIGNED, BoolGetDatum(draft->is_assigned));
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
	check_row(estate, target, slot);
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
store_as_owner(InsertTarget *target, Relation rel, const Draft *draft,
			   TupleTableSlot *slot)
{
	EState	   *estate = target->estate;
	OwnerIdentity saved;

	become_owner(rel, &saved);
	ExecClearTuple(slot);
	set_row(draft, slot);
	set_defaults(estate, rel, slot);
	ExecStoreVirtualTuple(slot);
	AfterTriggerBeginQuery();
	insert_row(estate, target->result, slot);
	AfterTriggerEndQuery(estate);
	guard_leave();
	resign_owner(&saved);
	CommandCounterIncrement();
}

/*
 * Stores an appointment for which the guard has opened a passage, and leaves
 * it in *stored.
 */
void
store_appointment(Relation appointments, const Draft *draft,
				  TupleTableSlot *stored)
{
	InsertTarget target;
	TupleTableSlot *slot;
	MemoryContext caller;

	guard_name_row(draft->id);
	target_take(&target, appointments);
	caller =
		MemoryContextSwitchTo(GetPerTupleMemoryContext(target.estate));
	slot = ExecInitExtraTupleSlot(target.estate,
								  RelationGetDescr(appointments),
								  table_slot_callbacks(appointments));
	store_as_owner(&target, appointments, draft, slot);
	ExecCopySlot(stored, slot);
	MemoryContextSwitchTo(caller);
	target_give_back(&target);
}
