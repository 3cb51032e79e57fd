/*-------------------------------------------------------------------------
 *
 * query.c
 *	  SQL run as the tables' owner, by plans that are kept.
 *
 * Foreign-key triggers work the same way: the caller needs no privilege on
 * the tables, and a trigger or rule of the owner's runs with the owner's
 * rights, never the caller's or ours (see owner.c).  The search_path is pinned
 * all the while, since a plan is analysed again whenever it changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/plancache.h"

#include "booking.h"
#include "compat.h"

static void
prepare(OwnerQuery *query)
{
	SPIPlanPtr	plan = SPI_prepare(query->sql, query->nargs, query->argtypes);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare \"%s\"", query->sql);
	query->plan = plan;
}

/*
 * Names the index where the planner found none that ON CONFLICT could ask.
 */
static void
name_arbiter(void *arg)
{
	const OwnerQuery *query = arg;

	if (geterrcode() != ERRCODE_INVALID_COLUMN_REFERENCE)
		return;
	errcode(ERRCODE_UNDEFINED_OBJECT);
	errmsg("index %s.%s is missing, invalid, or not as %s.setup() makes it",
		   BOOKING_SCHEMA, query->arbiter, BOOKING_SCHEMA);
	errdetail("No other unique index says which rows are the same.");
	errhint("Drop it if it is there, then SELECT %s.setup().", BOOKING_SCHEMA);
}

/*
 * Plans a query with an ON CONFLICT beforehand, so that no error of what it sets
 * off is taken for one about the arbiter.
 */
static void
find_arbiter(OwnerQuery *query)
{
	ErrorContextCallback callback = {
		.callback = name_arbiter, .arg = query, .previous = error_context_stack
	};

	error_context_stack = &callback;
	ReleaseCachedPlan(SPI_plan_get_cached_plan(query->plan),
					  CurrentResourceOwner);
	error_context_stack = callback.previous;
}

/*
 * Disables sequential scans and sorts until run_as_owner() returns, so that the
 * plan reads indexes.  The plan is kept: one made while the table was small would
 * read all of it when it is large.  A sort that no index can replace still
 * happens.  jit is disabled since the penalty for it would trigger compilation.
 */
static void
plan_by_index(void)
{
	static const char *const settings[] = {
		"enable_seqscan", "enable_sort", "jit"
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i], "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}

/*
 * A query to run, and its parameters.
 */
typedef struct QueryRun
{
	OwnerQuery *query;
	Datum	   *values;
	const char *nulls;
	bool		read_only;
} QueryRun;

static void
run_query(void *arg)
{
	const QueryRun *run = arg;
	OwnerQuery *query = run->query;
	int			code;

	let_owners_code_in();
	if (query->by_index)
		plan_by_index();
	if (query->plan == NULL)
		prepare(query);
	if (query->arbiter != NULL)
		find_arbiter(query);
	code = SPI_execute_plan(query->plan, run->values, run->nulls,
							run->read_only,
							query->is_answer ? booking_max_rows() + 1 : 0);
	if (code < 0)
		elog(ERROR, "could not run \"%s\": %s", query->sql,
			 SPI_result_code_string(code));
}

/*
 * Runs a query within SPI, and returns how many rows it gave or wrote.  Its
 * tables are checked before it is analysed, and once more when it has locked
 * them: whoever altered one before that may have changed what its columns are.
 */
int
run_owner_query(OwnerQuery *query, Datum *values, const char *nulls,
				bool read_only)
{
	QueryRun	run = {query, values, nulls, read_only};

	if (query->plan == NULL)
		query->tables = catalog_tables_in(query->sql);
	catalog_check(query->tables);
	run_as_owner(catalog_owner(query->tables), query->tables, run_query,
				 &run);
	catalog_check(query->tables);
	return (int) SPI_processed;
}

/*
 * Returns a list of ids as a bigint[].
 */
Datum
id_array(const IdList *list)
{
	Datum	   *values = palloc(Max(list->count, 1) * sizeof(Datum));

	for (int i = 0; i < list->count; i++)
		values[i] = Int64GetDatum(list->ids[i]);
	return PointerGetDatum(construct_array(values, list->count, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/*
 * The ids in the first column of the last query's result, within SPI, as a
 * bigint[].
 */
Datum
owner_query_ids(int count)
{
	int64	   *ids = palloc(Max(count, 1) * sizeof(int64));
	IdList		list = {ids, count};

	for (int i = 0; i < count; i++)
	{
		bool		isnull;

		ids[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i],
											 SPI_tuptable->tupdesc, 1,
											 &isnull));
	}
	return id_array(&list);
}

/*
 * The caller trusts the result's columns to be of the function's types.
 */
static void
check_result(TupleDesc desc, TupleDesc expected)
{
	if (desc->natts != expected->natts)
		elog(ERROR, "query has %d columns, not %d", desc->natts,
			 expected->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Form_pg_attribute wanted = TupleDescAttr(expected, i);

		if (column->atttypid != wanted->atttypid)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("result column \"%s\" is of type %s",
							NameStr(wanted->attname),
							format_type_be(column->atttypid)),
					 errdetail("The function returns type %s.",
							   format_type_be(wanted->atttypid)),
					 errhint("%s.schema_parts() shows the tables as they should be.",
							 BOOKING_SCHEMA)));
	}
}

/*
 * The rows of a read-only query as the calling function's result.
 */
void
owner_query_result(FunctionCallInfo fcinfo, OwnerQuery *query,
				   Datum *values, const char *nulls)
{
	ResultSet	result;
	int			count;

	result_begin(fcinfo, &result);
	SPI_connect();
	count = run_owner_query(query, values, nulls, true);
	if (query->is_answer)
		require_row_count(count);
	check_result(SPI_tuptable->tupdesc, result.desc);
	for (int i = 0; i < count; i++)
		tuplestore_puttuple(result.store, SPI_tuptable->vals[i]);
	SPI_finish();
}
