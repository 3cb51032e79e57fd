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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "booking.h"

/*
 * Becomes the owner of a table, whose own row-level security does not bind
 * it.  An error gives the identity back by itself.
 */
void
become_owner(Relation rel, OwnerIdentity *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   saved->sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

void
resign_owner(const OwnerIdentity *saved)
{
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}

/*
 * Runs a query within SPI, and returns how many rows it gave or wrote.
 */
int
run_owner_query(OwnerQuery *query, Datum *values, const char *nulls,
				bool read_only)
{
	Relation	rel = catalog_open(APPOINTMENTS, AccessShareLock);
	OwnerIdentity saved;
	int			code;

	become_owner(rel, &saved);
	if (query->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(query->sql, query->nargs,
									   query->argtypes);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\"", query->sql);
		query->plan = plan;
	}
	code = SPI_execute_plan(query->plan, values, nulls, read_only, 0);
	if (code < 0)
		elog(ERROR, "could not run \"%s\": %s", query->sql,
			 SPI_result_code_string(code));
	resign_owner(&saved);
	table_close(rel, AccessShareLock);
	return (int) SPI_processed;
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
	for (int i = 0; i < count; i++)
		tuplestore_puttuple(result.store, SPI_tuptable->vals[i]);
	SPI_finish();
}
