/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Runs a body as the tables' owner, and confines the owner's code to it.
 *
 * A superuser may call a booking function without trusting the tables' owner.
 * Triggers, rules, CHECKs, defaults, index expressions and whatever else the
 * owner has attached to the tables therefore run with the owner's rights, and
 * only until run_as_owner() returns:
 *
 * - It is a security-restricted operation, like VACUUM and REINDEX: no deferred
 *	 trigger, which would fire as whoever commits; no cursor WITH HOLD, LISTEN,
 *	 PREPARE, DISCARD, temporary table or change of role.
 * - Settings are restored when it returns (a GUC nest level).
 * - We refuse what the server allows: SET CONSTRAINTS, with which the owner's
 *	 code could fire or defer triggers of the caller's; and types and functions
 *	 in pg_temp, which would hide those of the same name in the caller's
 *	 search_path.
 * - Cursors that the owner's code leaves open are closed; otherwise the caller,
 *	 or the COMMIT of a procedure, would run their queries.  The caller's own
 *	 cursors can be neither fetched from nor closed meanwhile: the owner's code
 *	 would need no more than their names.
 *
 * The owner is protected from the caller as well.  pg_temp cannot be removed
 * from a search_path: a table that the owner's code names without a schema may
 * be one that the caller has created, with triggers that would run with the
 * owner's rights.  So no temporary table of another role is touched here.
 *
 * The server's DETAIL of a constraint violation shows the whole row.  It goes
 * to the log, not to the caller.
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
 * Added to the security context: the flags of the server's own foreign-key
 * checks, the restriction, and a bit of ours.  The server saves and restores
 * unknown bits along with its own.
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
 * The name of the type or function that a statement creates; NIL for any other
 * statement.  Even a restricted operation may create these in pg_temp.
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
 * Calls back for every portal but the active one.  The server exports no list
 * of portals; their memory contexts are siblings.
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
 * Keeps a cursor of the caller's from being run, by marking it as running.
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
 * Whether an error is a constraint violation raised by the server.  Our own,
 * and those of RAISE in PL/pgSQL, are meant for the caller.
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
 * Rewrites the error to name the deferred trigger or constraint, if it belongs
 * to one of the given tables.
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
 * Re-throws the current error, changed where the caller must see less or more.
 * A changed error is copied into the given context.
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
 * A call of run_as_owner() in progress.
 */
typedef struct OwnerRun
{
	struct OwnerRun *outer;
	int			guc_level;		/* 0: let_owners_code_in() was not called */
} OwnerRun;

static OwnerRun *innermost;

/*
 * Whether a run, or one around it, has called let_owners_code_in().
 */
static bool
is_open(const OwnerRun *run)
{
	return run != NULL && (run->guc_level != 0 || is_open(run->outer));
}

/*
 * Closes the owner's cursors and restores the settings.
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
 * Runs body(arg) as the tables' owner, exempt from row-level security of the
 * owner's tables.  "tables" is the set of tables that it may write to.  The body
 * calls let_owners_code_in() before anything that can run the owner's code.
 * After an error, the end of the subtransaction restores user and settings.
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
 * Allows the owner's code to run until run_as_owner() returns, under our
 * search_path instead of the caller's.
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
