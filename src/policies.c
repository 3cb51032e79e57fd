/*-------------------------------------------------------------------------
 *
 * policies.c
 *	  Compares the policies of the tables with their CREATE POLICY statements.
 *
 * The server stores the expressions of a policy as parse trees.  To find out
 * whether one was altered, our CREATE POLICY is parsed and analysed again, and
 * both trees are compared as pg_get_expr() prints them.  Columns added since,
 * spaces and parentheses make no difference, and every version of the server
 * compares with what it would store itself.  No expression is evaluated or
 * simplified, so no user's function is called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"

#include "booking.h"

PG_FUNCTION_INFO_V1(booking_has_policy);

/*
 * The CREATE POLICY statement of a policy of ours, in the caller's memory; NULL
 * if there is no such policy.
 */
static char *
find_definition(Datum on_table, Datum name)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {on_table, name};
	char	   *result = NULL;

	SPI_connect();
	if (SPI_execute_with_args("SELECT definition FROM booking.row_policies()"
							  " WHERE on_table = $1 AND name = $2",
							  lengthof(types), types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the policies");
	if (SPI_processed > 0)
		result = MemoryContextStrdup(caller,
									 SPI_getvalue(SPI_tuptable->vals[0],
												  SPI_tuptable->tupdesc, 1));
	SPI_finish();
	return result;
}

static CreatePolicyStmt *
parse_policy(const char *definition)
{
	List	   *statements = raw_parser(definition, RAW_PARSE_DEFAULT);

	return castNode(CreatePolicyStmt,
					linitial_node(RawStmt, statements)->stmt);
}

/*
 * What pg_policy.polcmd is for a statement's command.
 */
static char
command_code(const char *name)
{
	static const struct
	{
		const char *name;
		char		code;
	}			commands[] = {
		{"select", ACL_SELECT_CHR}, {"insert", ACL_INSERT_CHR},
		{"update", ACL_UPDATE_CHR}, {"delete", ACL_DELETE_CHR}
	};

	for (int i = 0; i < (int) lengthof(commands); i++)
	{
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].code;
	}
	return '*';
}

/*
 * An expression of a statement about a table, as the server would store it.
 */
static char *
analysed(Relation rel, const char *source, Node *expression)
{
	ParseState *state = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *result;

	state->p_sourcetext = source;
	item = addRangeTableEntryForRelation(state, rel, AccessShareLock, NULL,
										 false, false);
	addNSItemToQuery(state, item, false, true, true);
	result = transformWhereClause(state, expression, EXPR_KIND_POLICY,
								  "POLICY");
	assign_expr_collations(state, result);
	free_parsestate(state);
	return nodeToString(result);
}

static char *
printed(Relation rel, const char *stored)
{
	return TextDatumGetCString(DirectFunctionCall2(pg_get_expr,
												   CStringGetTextDatum(stored),
												   ObjectIdGetDatum(RelationGetRelid(rel))));
}

/*
 * Whether an expression in a tuple of pg_policy is that of the statement.  A
 * missing expression equals only a missing one.
 */
static bool
same_expression(Relation rel, const char *source, Node *expression,
				bool isnull, Datum stored)
{
	if (isnull || expression == NULL)
		return isnull && expression == NULL;
	return strcmp(printed(rel, TextDatumGetCString(stored)),
				  printed(rel, analysed(rel, source, expression))) == 0;
}

/*
 * Whether a policy applies to PUBLIC, the default if it names no role.
 */
static bool
is_for_everybody(Datum roles)
{
	ArrayType  *array = DatumGetArrayTypeP(roles);

	return ARR_NDIM(array) == 1 && ARR_DIMS(array)[0] == 1 &&
		((Oid *) ARR_DATA_PTR(array))[0] == ACL_ID_PUBLIC;
}

static bool
says_the_same(Relation rel, const char *source, CreatePolicyStmt *stmt,
			  HeapTuple tuple, TupleDesc desc)
{
	Form_pg_policy form = (Form_pg_policy) GETSTRUCT(tuple);
	Datum		values[Natts_pg_policy];
	bool		nulls[Natts_pg_policy];

	heap_deform_tuple(tuple, desc, values, nulls);
	return form->polcmd == command_code(stmt->cmd_name) &&
		form->polpermissive == stmt->permissive &&
		is_for_everybody(values[Anum_pg_policy_polroles - 1]) &&
		same_expression(rel, source, stmt->qual,
						nulls[Anum_pg_policy_polqual - 1],
						values[Anum_pg_policy_polqual - 1]) &&
		same_expression(rel, source, stmt->with_check,
						nulls[Anum_pg_policy_polwithcheck - 1],
						values[Anum_pg_policy_polwithcheck - 1]);
}

/*
 * Whether the table's policy of the statement's name is what the statement
 * would create.  *is_missing is set if there is none of that name.
 */
static bool
compare_policy(Relation rel, const char *source, CreatePolicyStmt *stmt,
			   bool *is_missing)
{
	Relation	policies = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		result = false;

	ScanKeyInit(&keys[0], Anum_pg_policy_polrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationGetRelid(rel)));
	ScanKeyInit(&keys[1], Anum_pg_policy_polname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(stmt->policy_name));
	scan = systable_beginscan(policies, PolicyPolrelidPolnameIndexId, true,
							  NULL, lengthof(keys), keys);
	tuple = systable_getnext(scan);
	*is_missing = !HeapTupleIsValid(tuple);
	if (!*is_missing)
		result = says_the_same(rel, source, stmt, tuple,
							   RelationGetDescr(policies));
	systable_endscan(scan);
	table_close(policies, AccessShareLock);
	return result;
}

/*
 * has_policy(on_table, name): true if the table has that policy exactly as
 * row_policies() defines it; false if a policy of that name differs; NULL if
 * there is none, no such table, or row_policies() has no such policy.  Locks the
 * tables that the policy reads in ACCESS SHARE mode.
 */
Datum
booking_has_policy(PG_FUNCTION_ARGS)
{
	char	   *source = find_definition(PG_GETARG_DATUM(0),
										 PG_GETARG_DATUM(1));
	CreatePolicyStmt *stmt;
	Oid			relid;
	Relation	rel;
	bool		is_missing;
	bool		result;

	if (source == NULL)
		PG_RETURN_NULL();
	stmt = parse_policy(source);
	relid = RangeVarGetRelid(stmt->table, AccessShareLock, true);
	if (!OidIsValid(relid))
		PG_RETURN_NULL();
	rel = table_open(relid, NoLock);
	result = compare_policy(rel, source, stmt, &is_missing);
	table_close(rel, NoLock);
	if (is_missing)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(result);
}
