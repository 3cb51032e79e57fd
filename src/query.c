/*-------------------------------------------------------------------------
 *
 * query.c
 *	  SQL run as the tables' owner, by plans that are kept.
 *
 * Foreign-key triggers work the same way: the caller needs no privilege on
 * the tables, and a trigger or rule of the owner's runs with the owner's
 * rights, never the caller's or ours.  SQL functions that come here pin their
 * search_path in booking--1.0.sql, since a plan is analysed again whenever the
 * path changes.
 *
 * No search_path keeps pg_temp away: a table that the owner's code names
 * without its schema may be one that the caller has made, with triggers of the
 * caller's that would run with the owner's rights.  So while we are the owner,
 * nobody else's temporary table is touched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "booking.h"
#include "compat.h"

/*
 * What become_owner() adds to the security context: what the server's own checks
 * of foreign keys add, and a bit that says it is us, which the server hands on
 * and takes back with the others.
 */
#define SECURITY_BOOKING_OWNER 0x10000
#define OWNER_CONTEXT \
	(SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS | \
	 SECURITY_BOOKING_OWNER)

static ExecutorCheckPerms_hook_type next_check_permissions;

/*
 * Refuses a temporary table of another role's than the current one.
 */
static void
refuse_temporary(Oid relid, Oid userid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->relpersistence == RELPERSISTENCE_TEMP &&
		form->relowner != userid)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for temporary table \"%s\"",
						NameStr(form->relname)),
				 errdetail("Code that runs as role \"%s\" referred to a temporary table of the caller's.",
						   GetUserNameFromId(userid, false)),
				 errhint("If another table is meant, write its schema in front of its name; a caller's temporary tables cannot be used here.")));
	ReleaseSysCache(tuple);
}

static bool
check_permissions(BOOKING_CHECK_PERMS_PARAMETERS)
{
	Oid			userid;
	int			context;
	ListCell   *cell;

	GetUserIdAndSecContext(&userid, &context);
	if ((context & SECURITY_BOOKING_OWNER) != 0)
	{
		foreach(cell, range_table)
		{
			RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

			if (OidIsValid(entry->relid))
				refuse_temporary(entry->relid, userid);
		}
	}
	return next_check_permissions == NULL ||
		next_check_permissions(BOOKING_CHECK_PERMS_ARGUMENTS);
}

void
query_init(void)
{
	next_check_permissions = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
}

static void
become_role(Oid role, OwnerIdentity *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	SetUserIdAndSecContext(role, saved->sec_context | OWNER_CONTEXT);
}

/*
 * Becomes the owner of a table, whose own row-level security does not bind
 * it.  An error gives the identity back by itself.
 */
void
become_owner(Relation rel, OwnerIdentity *saved)
{
	become_role(rel->rd_rel->relowner, saved);
}

void
resign_owner(const OwnerIdentity *saved)
{
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}

/*
 * Sets the search_path that code of the owner's is to see, until
 * unpin_search_path() is called with the result, or the transaction or
 * subtransaction is aborted.
 */
int
pin_search_path(void)
{
	int			level;

	if (strcmp(namespace_search_path, SAFE_SEARCH_PATH) == 0)
		return 0;
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", SAFE_SEARCH_PATH, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
unpin_search_path(int level)
{
	if (level != 0)
		AtEOXact_GUC(true, level);
}

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
 * Has a query planned without sequential scans, and without sorting what an index
 * has in order.  A plan is kept: one that was made while a table was small, or by
 * statistics of that time, would read all of it when it is large.  What has to be
 * sorted still is; jit is off, as the planner's penalty would set it off.
 * Returns the nest level of the settings, or 0.
 */
static int
plan_by_index(const OwnerQuery *query)
{
	static const char *const settings[] = {
		"enable_seqscan", "enable_sort", "jit"
	};
	int			level;

	if (!query->by_index)
		return 0;
	level = NewGUCNestLevel();
	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i], "off", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return level;
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
	OwnerIdentity saved;
	int			level;
	int			code;

	if (query->plan == NULL)
		query->tables = catalog_tables_in(query->sql);
	catalog_check(query->tables);
	become_role(catalog_owner(), &saved);
	if (query->plan == NULL)
		prepare(query);
	if (query->arbiter != NULL)
		find_arbiter(query);
	level = plan_by_index(query);
	code = SPI_execute_plan(query->plan, values, nulls, read_only, 0);
	if (level != 0)
		AtEOXact_GUC(true, level);
	if (code < 0)
		elog(ERROR, "could not run \"%s\": %s", query->sql,
			 SPI_result_code_string(code));
	resign_owner(&saved);
	catalog_check(query->tables);
	return (int) SPI_processed;
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
	check_result(SPI_tuptable->tupdesc, result.desc);
	for (int i = 0; i < count; i++)
		tuplestore_puttuple(result.store, SPI_tuptable->vals[i]);
	SPI_finish();
}
