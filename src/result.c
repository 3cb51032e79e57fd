/*-------------------------------------------------------------------------
 *
 * result.c
 *	  Sets and rows as results of our functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

#include "booking.h"

/*
 * Starts a materialized result.  The caller's expected descriptor serves where
 * there is one, as building our own costs as much as an index descent; it is
 * not handed back, since the executor frees the descriptor it is given.
 */
void
result_begin(FunctionCallInfo fcinfo, ResultSet *result)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));

	caller = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	result->desc = rsinfo->expectedDesc;
	rsinfo->setDesc = NULL;
	if (result->desc == NULL)
	{
		if (get_call_result_type(fcinfo, NULL, &result->desc) !=
			TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		rsinfo->setDesc = result->desc;
	}
	result->store = tuplestore_begin_heap((rsinfo->allowedModes &
										   SFRM_Materialize_Random) != 0,
										  false, work_mem);
	MemoryContextSwitchTo(caller);

	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = result->store;
}

/*
 * Appends rows whose first "width" bytes are laid out as the result's columns,
 * which are of fixed length and not null.  One tuple is formed, of any values,
 * and its columns are overwritten for each row: half the cost of forming one a
 * row.
 */
void
result_put_fixed(ResultSet *result, const Datum *model_values,
				 const void *rows, Size row_size, int count, Size width)
{
	TupleTableSlot *model = MakeSingleTupleTableSlot(result->desc,
													 &TTSOpsVirtual);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(result->desc,
													&TTSOpsMinimalTuple);
	MinimalTuple tuple;
	char	   *columns;

	for (int i = 0; i < result->desc->natts; i++)
	{
		model->tts_values[i] = model_values[i];
		model->tts_isnull[i] = false;
	}
	ExecStoreVirtualTuple(model);
	tuple = ExecCopySlotMinimalTuple(model);
	columns = (char *) tuple + tuple->t_hoff - MINIMAL_TUPLE_OFFSET;
	ExecStoreMinimalTuple(tuple, slot, false);
	for (int i = 0; i < count; i++)
	{
		memcpy(columns, (const char *) rows + i * row_size, width);
		tuplestore_puttupleslot(result->store, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	ExecDropSingleTupleTableSlot(model);
}

/*
 * A row of the function's composite type.
 */
Datum
composite_result(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
											 values, nulls));
}
