/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Runs something as the tables' owner, and keeps the owner's code in it.
 *
 * Whoever calls a booking function may be a superuser, and the tables' owner
 * somebody whom he need not trust: triggers, rules, CHECKs, defaults, index
 * expressions and whatever else the owner has attached to the tables run with
 * the owner's rights, and only until run_as_owner() returns.
 *
 * - It is a security-restricted operation, as VACUUM and REINDEX are: no
 *	 deferred trigger, which would be fired as whoever commits; no cursor WITH
 *	 HOLD, LISTEN, PREPARE, DISCARD, temporary table or change of role.
 * - Settings go back to what they were (a nest level of their own).
 * - What the server does not refuse, we do: SET CONSTRAINTS, with which the
 *	 owner's code would fire what the caller has deferred, or put off what the
 *	 caller has not; and types and functions in pg_temp, which would come before
 *	 those of the same name in the caller's search_path.
 * - Cursors that are open in the end are closed: the caller, or the COMMIT of a
 *	 procedure, would go on with their queries.  Meanwhile those of the caller
 *	 can neither be fetched from nor closed: a name is all it would take.
 *
 * It holds the other way round, too.  No search_path keeps pg_temp away: a table
 * that the owner's code names without its schema may be one that the caller has
 * made, with triggers of the caller's that would run with the owner's rights.
 * So nobody else's temporary table is touched here.
 *
 * What the server says of a row that a constraint refuses shows all its values,
 * as its owner may see them.  Those go to the log, not to the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/syscache.h"

#include "booking.h"
#include "compat.h"

/*
 * What is added to the security context: what the server's own checks of
 * foreign keys add, the restriction, and a bit that says it is us, which the
 * server hands on and takes back with the others.
 */
#define SECURITY_BOOKING_OWNER 0x10000
#define OWNER_CONTEXT \
	(SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS | \
	 SECURITY_RESTRICTED_OPERATION | SECURITY_BOOKING_OWNER)

/* Bits of Portal->cursorOptions that are not the server's */
#define CURSOR_OPT_NOT_OWNERS (1 << 30)
#define CURSOR_OPT_PARKED (1 << 29)

static ExecutorCheckPerms_hook_type next_check_permissions;
static ProcessUtility_hook_type next_process_utility;

/* ---- what the owner's code may not do ---- */

static bool
is_owners_code(void)
{
	Oid			userid;
	int			context;

	GetUserIdAndSecContext(&userid, &context);
	return (context & SECURITY_BOOKING_OWNER) != 0;
}

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
	ListCell   *cell;

	if (is_owners_code())
	{
		foreach(cell, range_table)
		{
			RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

			if (OidIsValid(entry->relid))
				refuse_temporary(entry->relid, GetUserId());
		}
	}
	return next_check_permissions == NULL ||
		next_check_permissions(BOOKING_CHECK_PERMS_ARGUMENTS);
}

/*
 * The name of what a statement creates that the server lets anybody have in
 * pg_temp at any time.  NIL: it creates no such thing.
 */
static List *
created_name(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateDomainStmt:
			return ((CreateDomainStmt *) statement)->domainname;
		case T_CreateEnumStmt:
			return ((CreateEnumStmt *) statement)->typeName;
		case T_CreateRangeStmt:
			return ((CreateRangeStmt *) statement)->typeName;
		case T_DefineStmt:
			return ((DefineStmt *) statement)->defnames;
		case T_CreateFunctionStmt:
			return ((CreateFunctionStmt *) statement)->funcname;
		default:
			return NIL;
	}
}

static bool
is_temporary(List *name)
{
	char	   *last;

	return name != NIL &&
		isAnyTempNamespace(QualifiedNameGetCreationNamespace(name, &last));
}

static void
refuse_command(const char *command, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("cannot %s within security-restricted operation",
					command),
			 errdetail("Code that runs as role \"%s\" because a booking function was called must leave nothing to the caller.",
					   GetUserNameFromId(GetUserId(), false)),
			 errhint("%s", hint)));
}

static void
process_utility(PlannedStmt *statement, const char *query,
				bool is_read_only_tree, ProcessUtilityContext context,
				ParamListInfo parameters, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	Node	   *utility = statement->utilityStmt;
	ProcessUtility_hook_type next = next_process_utility != NULL ?
		next_process_utility : standard_ProcessUtility;

	if (is_owners_code())
	{
		if (IsA(utility, ConstraintsSetStmt))
			refuse_command("execute SET CONSTRAINTS",
						   "Triggers and constraints cannot be deferred here.");
		else if (is_temporary(created_name(utility)))
			refuse_command("create a temporary type or function",
						   "Create it in a schema of the owner's, beforehand.");
	}
	next(statement, query, is_read_only_tree, context, parameters,
		 environment, receiver, completion);
}

void
owner_init(void)
{
	next_check_permissions = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

/* ---- cursors ---- */

/*
 * The portal that a memory context belongs to; NULL: none.
 */
static Portal
portal_of(MemoryContext context)
{
	Portal		portal = NULL;

	if (context->ident != NULL)
		portal = GetPortalByName(context->ident);
	if (portal == NULL || portal->portalContext != context)
		portal = GetPortalByName("");	/* whose context has another name */
	return portal != NULL && portal->portalContext == context ? portal : NULL;
}

/*
 * Calls back for every portal but the one that runs now.  There is no list of
 * them, but each has a context, beside the others'.
 */
static void
for_each_portal(void (*callback) (Portal portal))
{
	MemoryContext next;

	if (ActivePortal == NULL)
		return;
	for (MemoryContext context = ActivePortal->portalContext->parent->firstchild;
		 context != NULL; context = next)
	{
		Portal		portal = context == ActivePortal->portalContext ? NULL :
			portal_of(context);

		next = context->nextchild;
		if (portal != NULL)
			callback(portal);
	}
}

/*
 * Keeps a cursor of the caller's from being run: to the server it runs already.
 */
static void
park_cursor(Portal portal)
{
	portal->cursorOptions |= CURSOR_OPT_NOT_OWNERS;
	if (portal->status != PORTAL_READY)
		return;
	portal->cursorOptions |= CURSOR_OPT_PARKED;
	portal->status = PORTAL_ACTIVE;
}

static void
release_cursor(Portal portal)
{
	if ((portal->cursorOptions & CURSOR_OPT_PARKED) == 0)
		return;
	portal->cursorOptions &= ~CURSOR_OPT_PARKED;
	portal->status = PORTAL_READY;
}

static void
close_cursor(Portal portal)
{
	release_cursor(portal);
	if ((portal->cursorOptions & CURSOR_OPT_NOT_OWNERS) != 0)
		return;
	if (portal->portalPinned)
		UnpinPortal(portal);
	PortalDrop(portal, false);
}

/* ---- errors ---- */

static bool
is_about_constraint(int sqlstate)
{
	const int	category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_WITH_CHECK_OPTION_VIOLATION;
}

/*
 * Whether an error is the server's about a row that a constraint refuses.  What
 * we say ourselves, and what PL/pgSQL's RAISE does, is meant for the caller.
 */
static bool
shows_values(const ErrorData *error)
{
	return is_about_constraint(error->sqlerrcode) &&
		error->detail != NULL && error->domain != NULL &&
		strcmp(error->domain, TEXTDOMAIN) != 0 &&
		strcmp(error->domain, PG_TEXTDOMAIN("plpgsql")) != 0;
}

static bool
is_about_deferred(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE &&
		error->message_id != NULL &&
		strcmp(error->message_id,
			   "cannot fire deferred trigger within security-restricted operation") == 0;
}

/*
 * Says which trigger or constraint it was, if it is one of the given tables'.
 */
static void
describe_deferred(ErrorData *error, uint32 tables)
{
	char	   *which = catalog_deferrable(tables);

	error->message_id = "cannot defer %s";
	error->message = which == NULL ?
		pstrdup("cannot defer a trigger or constraint") :
		psprintf("cannot defer %s", which);
	error->detail = which == NULL ?
		pstrdup("Code of the tables' owner wrote to a table that has one which is deferred until the transaction ends.") :
		pstrdup("It would be fired when the transaction ends, as whoever ends it; code of the tables' owner runs within the call.");
	error->hint = pstrdup("Make it NOT DEFERRABLE, or INITIALLY IMMEDIATE and leave out SET CONSTRAINTS ... DEFERRED.");
}

/*
 * Raises the error at hand again, as it is meant for the caller.  Memory is
 * taken in the given context, and only where something is to be changed.
 */
static _Noreturn void
raise_for_caller(MemoryContext context, uint32 tables)
{
	ErrorData  *error;

	if (geterrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE &&
		!is_about_constraint(geterrcode()))
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	if (is_about_deferred(error))
		describe_deferred(error, tables);
	else if (shows_values(error))
	{
		if (error->detail_log == NULL)
			error->detail_log = error->detail;
		error->detail = pstrdup(VALUES_ARE_LOGGED);
	}
	ReThrowError(error);
	pg_unreachable();
}

/* ---- being the owner ---- */

/*
 * A run as the owner that is under way.
 */
typedef struct OwnerRun
{
	struct OwnerRun *outer;
	int			guc_level;		/* 0: no code of the owner's has been let in */
} OwnerRun;

static OwnerRun *innermost;

/*
 * Whether code of the owner's has been let in by a run, or one around it.
 */
static bool
is_open(const OwnerRun *run)
{
	return run != NULL && (run->guc_level != 0 || is_open(run->outer));
}

/*
 * Takes back what the owner's code has left.
 */
static void
shut(const OwnerRun *run)
{
	if (run->guc_level == 0)
		return;
	if (!is_open(run->outer))
		for_each_portal(close_cursor);
	AtEOXact_GUC(false, run->guc_level);
}

/*
 * Runs body(arg) as a role, the tables' owner, whose own row-level security does
 * not bind it; "tables" are those that it may write to.  The body calls
 * let_owners_code_in() first if any can be run.  An error gives the identity and
 * the settings back by itself, when its subtransaction ends.
 */
void
run_as_owner(Oid owner, uint32 tables, OwnerBody body, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	OwnerRun	run = {.outer = innermost};
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(owner, sec_context | OWNER_CONTEXT);
	innermost = &run;
	PG_TRY();
	{
		body(arg);
		shut(&run);
	}
	PG_CATCH();
	{
		if (innermost->guc_level != 0 && !is_open(innermost->outer))
			for_each_portal(release_cursor);
		innermost = run.outer;
		raise_for_caller(context, tables);
	}
	PG_END_TRY();
	innermost = run.outer;
	SetUserIdAndSecContext(userid, sec_context);
}

/*
 * From here on code of the owner's may run, until run_as_owner() returns: under
 * a search_path of ours, whatever the caller's is.
 */
void
let_owners_code_in(void)
{
	Assert(innermost != NULL && is_owners_code());
	if (innermost->guc_level == 0)
	{
		if (!is_open(innermost->outer))
			for_each_portal(park_cursor);
		innermost->guc_level = NewGUCNestLevel();
	}
	if (strcmp(namespace_search_path, SAFE_SEARCH_PATH) != 0)
		(void) set_config_option("search_path", SAFE_SEARCH_PATH, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}
