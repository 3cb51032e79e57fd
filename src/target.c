/*-------------------------------------------------------------------------
 *
 * target.c
 *	  What the executor needs to insert into appointments, kept between calls.
 *
 * Its constraints, index predicates and triggers come out of the catalogs as
 * text: to parse them costs more than to insert a row.  So the executor state
 * in which they are ready is kept, until anything changes that they depend on:
 * a table, a function, a domain, who may call what.  They may have SQL
 * functions inlined, whose text was read by the search_path of that moment, so
 * another path asks for another state.
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
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "executor/executor.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "booking.h"
#include "compat.h"

static InsertTarget kept;		/* estate NULL: none, or in use */

static void
build(InsertTarget *target, Relation rel)
{
	MemoryContext caller = CurrentMemoryContext;

	target->relid = RelationGetRelid(rel);
	target->estate = CreateExecutorState();
	MemoryContextSwitchTo(target->estate->es_query_cxt);
	MemoryContextSetIdentifier(CurrentMemoryContext,
							   "insert into " BOOKING_SCHEMA ".appointments");
	target->search_path = pstrdup(namespace_search_path);
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
	return target->relid == relid && target->generation == generation &&
		strcmp(target->search_path, namespace_search_path) == 0;
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
 * RowExclusiveLock, and gives it back.
 */
void
target_take(InsertTarget *target, Relation appointments)
{
	uint64		generation = catalog_shape_generation();

	*target = kept;
	kept.estate = NULL;
	if (target->estate != NULL &&
		!still_holds(target, RelationGetRelid(appointments), generation))
	{
		FreeExecutorState(target->estate);
		target->estate = NULL;
	}
	if (target->estate == NULL)
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
