/*-------------------------------------------------------------------------
 *
 * target.c
 *	  What the executor needs to insert into appointments, kept between calls.
 *
 * Its constraints, index predicates and triggers come out of the catalogs as
 * text: to parse them costs more than to insert a row.  So the executor state
 * in which they are ready is kept, until anything changes that they depend on:
 * a table, a function, a domain, who may call what.
 *
 * All of it is made, and code of the owner's run, under a search_path of our
 * own, whatever the caller's is: SQL functions that are inlined are read by
 * it, and a caller's operators and functions are never those that the owner's
 * code means.  To set it costs a microsecond, so the path is left as it is
 * where a kept state runs nothing but what setup() makes, which looks nothing
 * up.
 *
 * While it is used it belongs to its user's memory context, and nobody else
 * finds it: an error takes it away with that context, and a trigger that books
 * for its part makes one of its own.  Nothing of one transaction is left in it:
 * relations are opened, slots made, and trigger functions looked up, for each
 * use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "booking.h"
#include "compat.h"

static InsertTarget kept;		/* estate NULL: none, or in use */

/* ---- what an insert runs ---- */

/*
 * A function that may look something up by the search_path: any but the
 * server's own immutable ones.
 */
static bool
may_look_up(Oid function, void *context)
{
	return function >= FirstNormalObjectId ||
		func_volatile(function) != PROVOLATILE_IMMUTABLE;
}

static bool
expression_may_look_up(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, CoerceToDomain) ||
		check_functions_in_node(node, may_look_up, NULL) ||
		expression_tree_walker(node, expression_may_look_up, NULL);
}

/*
 * Whether a trigger is the guard's, or one of a foreign key that references.c
 * checks.
 */
static bool
is_our_trigger(const Trigger *trigger, const FmgrInfo *stand_in)
{
	const char *name = get_func_name(trigger->tgfoid);

	return OidIsValid(stand_in->fn_oid) ||
		(trigger->tgqual == NULL && name != NULL && get_func_namespace(trigger->tgfoid) ==
		 get_namespace_oid(BOOKING_SCHEMA, true) &&
		 (strcmp(name, "guard_before") == 0 ||
		  strcmp(name, "guard_after") == 0));
}

static bool
triggers_may_look_up(const TriggerDesc *triggers, const FmgrInfo *stand_ins)
{
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_INSERT(trigger->tgtype) &&
			trigger->tgenabled != TRIGGER_DISABLED &&
			!is_our_trigger(trigger, &stand_ins[i]))
			return true;
	}
	return false;
}

static bool
constraints_may_look_up(const TupleConstr *constraints)
{
	if (constraints == NULL)
		return false;
	for (int i = 0; i < constraints->num_check; i++)
	{
		if (expression_may_look_up(stringToNode(constraints->check[i].ccbin),
								   NULL))
			return true;
	}
	return constraints->has_generated_stored;
}

static bool
index_may_look_up(Relation index, const IndexInfo *info)
{
	for (int i = 0; i < info->ii_NumIndexKeyAttrs; i++)
	{
		if (index->rd_opfamily[i] >= FirstNormalObjectId)
			return true;
	}
	return index->rd_rel->relam != BTREE_AM_OID ||
		info->ii_ExclusionOps != NULL ||
		expression_may_look_up((Node *) info->ii_Expressions, NULL) ||
		expression_may_look_up((Node *) info->ii_Predicate, NULL);
}

/*
 * Whether an insert runs anything that could look a name up.  A column that is
 * not ours may have a default.
 */
static bool
may_run_owners_code(const InsertTarget *target, Relation rel)
{
	const ResultRelInfo *result = target->result;
	bool		found = RelationGetDescr(rel)->natts != APPT_COLUMNS ||
		triggers_may_look_up(result->ri_TrigDesc, target->stand_ins) ||
		constraints_may_look_up(RelationGetDescr(rel)->constr);

	for (int i = 0; i < result->ri_NumIndices && !found; i++)
		found = index_may_look_up(result->ri_IndexRelationDescs[i],
								  result->ri_IndexRelationInfo[i]);
	return found;
}

/* ---- making it ---- */

static void
build(InsertTarget *target, Relation rel)
{
	MemoryContext caller = CurrentMemoryContext;

	target->relid = RelationGetRelid(rel);
	target->estate = CreateExecutorState();
	MemoryContextSwitchTo(target->estate->es_query_cxt);
	MemoryContextSetIdentifier(CurrentMemoryContext,
							   "insert into " BOOKING_SCHEMA ".appointments");
	target->result = makeNode(ResultRelInfo);
	InitResultRelInfo(target->result, rel, 0, NULL, 0);
	target->estate->es_opened_result_relations =
		list_make1(target->result);
	target->stand_ins = references_stand_ins(target->result);
	target->indexes = NULL;
	target->index_count = 0;
	MemoryContextSwitchTo(caller);
}

/*
 * What was known of an index, if it still holds.  Other access methods than
 * btree keep things of their own in an IndexInfo.
 */
static IndexInfo *
known_index(const InsertTarget *target, Relation index)
{
	if (index->rd_rel->relam != BTREE_AM_OID)
		return NULL;
	for (int i = 0; i < target->index_count; i++)
	{
		if (target->indexes[i].indexid == RelationGetRelid(index))
			return target->indexes[i].info;
	}
	return NULL;
}

static void
remember_index(InsertTarget *target, Relation index, IndexInfo *info)
{
	if (target->index_count == 0)
		target->indexes = palloc(sizeof(TargetIndex));
	else
		target->indexes = repalloc(target->indexes,
								   (target->index_count + 1) *
								   sizeof(TargetIndex));
	target->indexes[target->index_count++] =
		(TargetIndex) {RelationGetRelid(index), info};
}

/*
 * Opens the table's indexes, as ExecOpenIndices() does.
 */
static void
open_indexes(InsertTarget *target, Relation rel)
{
	List	   *index_ids = RelationGetIndexList(rel);
	ResultRelInfo *result = target->result;
	MemoryContext caller;
	ListCell   *cell;

	result->ri_NumIndices = 0;
	result->ri_IndexRelationDescs =
		palloc(Max(list_length(index_ids), 1) * sizeof(Relation));
	result->ri_IndexRelationInfo =
		palloc(Max(list_length(index_ids), 1) * sizeof(IndexInfo *));
	foreach(cell, index_ids)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo  *info = known_index(target, index);

		if (info == NULL)
		{
			caller = MemoryContextSwitchTo(target->estate->es_query_cxt);
			info = BuildIndexInfo(index);
			if (index->rd_rel->relam == BTREE_AM_OID)
				remember_index(target, index, info);
			MemoryContextSwitchTo(caller);
		}
		info->ii_ReadyForInserts = index->rd_index->indisready;
		result->ri_IndexRelationDescs[result->ri_NumIndices] = index;
		result->ri_IndexRelationInfo[result->ri_NumIndices++] = info;
	}
	list_free(index_ids);
}

static bool
still_holds(const InsertTarget *target, Oid relid, uint64 generation)
{
	return target->relid == relid && target->generation == generation;
}

/*
 * Trigger functions are looked up anew for each use: what the server notes
 * about them, it notes in the row's memory.
 */
static void
set_trigger_functions(InsertTarget *target)
{
	const ResultRelInfo *result = target->result;

	if (result->ri_TrigDesc != NULL)
		memcpy(result->ri_TrigFunctions, target->stand_ins,
			   result->ri_TrigDesc->numtriggers * sizeof(FmgrInfo));
}

/*
 * Takes the target for inserts into appointments.  The caller holds
 * RowExclusiveLock, is the tables' owner (run_as_owner()), as the server
 * evaluates what it can of an index's expressions here, and gives the target
 * back.  From here on the search_path is ours, where that matters.
 */
void
target_take(InsertTarget *target, Relation appointments)
{
	uint64		generation = catalog_shape_generation();
	bool		is_new;

	*target = kept;
	kept.estate = NULL;
	if (target->estate != NULL &&
		!still_holds(target, RelationGetRelid(appointments), generation))
	{
		FreeExecutorState(target->estate);
		target->estate = NULL;
	}
	is_new = target->estate == NULL;
	if (is_new || target->runs_owners_code)
		let_owners_code_in();
	if (is_new)
		build(target, appointments);
	else
		MemoryContextSetParent(target->estate->es_query_cxt,
							   CurrentMemoryContext);
	Assert(target->estate->es_tupleTable == NIL);
	Assert(target->result->ri_NumIndices == 0);
	target->generation = generation;
	target->result->ri_RelationDesc = appointments;
	set_trigger_functions(target);
	open_indexes(target, appointments);
	if (is_new)
		target->runs_owners_code = may_run_owners_code(target, appointments);
}

/*
 * Leaves nothing in it that belongs to this use.
 */
static void
clear(InsertTarget *target)
{
	EState	   *estate = target->estate;
	ResultRelInfo *result = target->result;

	ExecResetTupleTable(estate->es_tupleTable, true);
	estate->es_tupleTable = NIL;
	result->ri_TrigOldSlot = NULL;
	result->ri_TrigNewSlot = NULL;
	for (int i = 0; i < result->ri_NumIndices; i++)
	{
		booking_index_insert_cleanup(result->ri_IndexRelationDescs[i],
									 result->ri_IndexRelationInfo[i]);
		index_close(result->ri_IndexRelationDescs[i], NoLock);
	}
	result->ri_NumIndices = 0;
	ExecCloseResultRelations(estate);
	pfree(result->ri_IndexRelationDescs);
	pfree(result->ri_IndexRelationInfo);
	result->ri_NumIndices = 0;
	ResetPerTupleExprContext(estate);
}

/*
 * Gives it back, to be kept if that is possible: nobody else's is by now, no
 * index has things of its own in it, and no trigger queued events of other
 * tables, which are open in it.
 */
void
target_give_back(InsertTarget *target)
{
	EState	   *estate = target->estate;
	bool		can_be_kept = kept.estate == NULL &&
		target->result->ri_NumIndices <= target->index_count &&
		estate->es_trig_target_relations == NIL;

	clear(target);
	if (!can_be_kept)
	{
		FreeExecutorState(estate);
		return;
	}
	MemoryContextSetParent(estate->es_query_cxt, CacheMemoryContext);
	kept = *target;
}
