/*-------------------------------------------------------------------------
 *
 * result.c
 *	  Sets and rows as results of our functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "booking.h"

#define MOST_ROW_COLUMNS 11

/* Composite types of ours, as C reads and forms their rows */
typedef struct RowType
{
	const char *name;
	int			count;
	Oid			types[MOST_ROW_COLUMNS];	/* invalid: visit_item[] */
} RowType;

static const RowType row_types[] = {
	{"slot", 4, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID}},
	{"time_span", 2, {TIMESTAMPTZOID, TIMESTAMPTZOID}},
	{"day_availability", 3, {DATEOID, INT4OID, TIMESTAMPTZOID}},
	{"day_entry", 5, {TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, INT8OID,
	TEXTOID}},
	{"slot_check", 3, {BOOLOID, TEXTOID, TEXTOID}},
	{"booking_outcome", 2, {INT8OID, TEXTOID}},
	{"appointment", 11, {INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID,
			TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID,
	INT4OID}},
	{"visit_item", 4, {INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID}},
	{"visit_slot", 3, {TIMESTAMPTZOID, TIMESTAMPTZOID, InvalidOid}},
	{"series_outcome", 5, {INT4OID, TIMESTAMPTZOID, INT8OID, TEXTOID,
	TEXTOID}},
};

static uint64 checked_generation = 0;

static Oid
find_type(const char *name)
{
	Oid			space = get_namespace_oid(BOOKING_SCHEMA, true);

	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum(name), ObjectIdGetDatum(space));
}

static bool
has_columns(TupleDesc desc, const RowType *row)
{
	if (desc->natts != row->count)
		return false;
	for (int i = 0; i < row->count; i++)
	{
		Oid			type = row->types[i];

		if (!OidIsValid(type))
			type = get_array_type(find_type("visit_item"));
		if (TupleDescAttr(desc, i)->attisdropped ||
			TupleDescAttr(desc, i)->atttypid != type)
			return false;
	}
	return true;
}

/*
 * Refuses to go on where a type of the extension's was altered: its rows would be
 * read as something else.  They are looked at again whenever some definition
 * changed.
 */
void
require_row_types(void)
{
	uint64		generation = catalog_shape_generation();

	if (generation == checked_generation)
		return;
	for (int i = 0; i < (int) lengthof(row_types); i++)
	{
		TupleDesc	desc =
			lookup_rowtype_tupdesc_noerror(find_type(row_types[i].name), -1,
										   true);
		bool		fits = desc != NULL && has_columns(desc, &row_types[i]);

		if (desc != NULL)
			ReleaseTupleDesc(desc);
		if (!fits)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("type %s.%s is not as CREATE EXTENSION makes it",
							BOOKING_SCHEMA, row_types[i].name),
					 errdetail("The booking functions read and return rows of it."),
					 errhint("Undo what ALTER TYPE did to it.")));
	}
	checked_generation = generation;
}

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
