/*-------------------------------------------------------------------------
 *
 * references.c
 *	  The foreign keys of a new row of appointments.
 *
 * For each, the server's trigger runs a query: SELECT ... FOR KEY SHARE.  To
 * start and end its executor costs twice what the query does.  So where our
 * insert fires that trigger, it calls us instead, at the same place: the key is
 * looked up in the index of the constraint, and the row locked in the same
 * mode, by hand.  Only success is decided here.  Whatever else there is, a row
 * that is missing, not yet visible, changed meanwhile, or gone, is left to
 * the server's own function, with its errors; so are keys of several columns,
 * of other types, and all that is deferred.
 *
 * Why that suffices: a row that our snapshot sees and that could be locked in
 * its present version has that key until we end.  The lock is taken when the
 * server's trigger would take it: the new row is stored, so that whoever deletes
 * the other one in our own transaction finds it, and the guard's lock is gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "nodes/execnodes.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"
#include "compat.h"

/*
 * Whether the row that a new one refers to is there, and is now locked.
 */
static bool
lock_referenced(Relation rel, Relation index, int64 key)
{
	TupleTableSlot *row = table_slot_create(rel, NULL);
	Snapshot	snapshot = GetActiveSnapshot();
	TM_FailureData failure;
	ScanKeyData scan_key;
	IndexScanDesc scan;
	bool		result = false;

	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(key));
	scan = booking_index_beginscan(rel, index, snapshot, 1);
	index_rescan(scan, &scan_key, 1, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, row))
		result = table_tuple_lock(rel, &row->tts_tid, snapshot, row,
								  GetCurrentCommandId(false),
								  LockTupleKeyShare, LockWaitBlock,
								  TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS,
								  &failure) == TM_Ok;
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	return result;
}

static bool
is_satisfied(const TriggerData *trigger, AttrNumber column)
{
	bool		isnull;
	Datum		key = slot_getattr(trigger->tg_trigslot, column, &isnull);
	Relation	rel;
	Relation	index;
	bool		result;

	if (isnull)
		return true;
	rel = table_open(trigger->tg_trigger->tgconstrrelid, RowShareLock);
	index = index_open(trigger->tg_trigger->tgconstrindid, RowShareLock);
	result = lock_referenced(rel, index, DatumGetInt64(key));
	index_close(index, RowShareLock);
	table_close(rel, NoLock);
	return result;
}

/*
 * Called for RI_FKey_check_ins(); fn_extra points to the referring column.
 */
static Datum
check_reference(PG_FUNCTION_ARGS)
{
	const AttrNumber *column = fcinfo->flinfo->fn_extra;

	if (is_satisfied((TriggerData *) fcinfo->context, *column))
		return PointerGetDatum(NULL);
	let_owners_code_in();			/* its query is planned */
	return RI_FKey_check_ins(fcinfo);
}

/*
 * The column of a foreign key that we can check: one bigint that refers to
 * another, in an ordinary table.
 */
static const AttrNumber *
simple_column(Relation rel, const Trigger *trigger)
{
	ListCell   *cell;

	if (trigger->tgfoid != F_RI_FKEY_CHECK_INS ||
		get_rel_relkind(trigger->tgconstrrelid) != RELKIND_RELATION)
		return NULL;
	foreach(cell, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *key = lfirst(cell);

		if (key->conoid == trigger->tgconstraint && key->nkeys == 1 &&
			get_opcode(key->conpfeqop[0]) == F_INT8EQ)
			return &key->conkey[0];
	}
	return NULL;
}

/*
 * What is to be called for each trigger of an insert's target; where we do not
 * stand in, it is left to be looked up.  NULL: it has no triggers.
 */
FmgrInfo *
references_stand_ins(ResultRelInfo *target)
{
	TriggerDesc *triggers = target->ri_TrigDesc;
	FmgrInfo   *stand_ins;

	if (triggers == NULL)
		return NULL;
	stand_ins = palloc0(triggers->numtriggers * sizeof(FmgrInfo));
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		const AttrNumber *column = simple_column(target->ri_RelationDesc,
												 trigger);
		AttrNumber *copy;

		if (column == NULL)
			continue;
		copy = palloc(sizeof(AttrNumber));
		*copy = *column;
		fmgr_info(trigger->tgfoid, &stand_ins[i]);
		stand_ins[i].fn_addr = check_reference;
		stand_ins[i].fn_extra = copy;
	}
	return stand_ins;
}
