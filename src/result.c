/*-------------------------------------------------------------------------
 *
 * result.c
 *	  Sets and rows as results of our functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
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
