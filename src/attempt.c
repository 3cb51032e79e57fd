/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  Something that is stored as a whole, or not at all.
 *
 * A call that stores several rows must not wait for anybody while it has
 * stored some of them: two such calls could wait for each other.  So it stores
 * them in a subtransaction, gives that back when a row has to wait, waits with
 * nothing in hand, and starts anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "booking.h"

/*
 * Runs body(arg) in a subtransaction, which is kept if it returns true, and
 * taken back if it returns false or raises an error, which *error is then.
 * Returns what it did.
 */
static bool
run(AttemptBody body, void *arg, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool keep = false;

	*error = NULL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		keep = body(arg);
		if (keep)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		keep = false;
	}
	PG_END_TRY();
	return keep;
}

/*
 * Runs body(arg) as a whole, or not at all.  Returns what it did; an error is
 * raised again.
 */
bool
attempt(AttemptBody body, void *arg)
{
	ErrorData  *error;
	bool		keep = run(body, arg, &error);

	if (error != NULL)
		ReThrowError(error);
	return keep;
}

/*
 * Whether an error is about the rows at hand, and not about the definition of
 * the tables, the transaction, the session or the server.
 */
static bool
is_about_rows(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
	}
	return true;
}

/*
 * As attempt(), but what is wrong with the rows at hand becomes a warning, so
 * that the caller goes on with others.  It may be about another customer than
 * the caller: who and what is for the log.
 */
bool
attempt_or_warn(AttemptBody body, void *arg, const char *what, int64 id)
{
	ErrorData  *error;
	bool		keep = run(body, arg, &error);

	if (error == NULL)
		return keep;
	if (!is_about_rows(error))
		ReThrowError(error);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not serve a %s", what),
			 errdetail("The server's log says which, and why."),
			 errdetail_log("It is number " INT64_FORMAT ": %s", id,
						   error->message)));
	FreeErrorData(error);
	return false;
}
