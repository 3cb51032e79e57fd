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
 * taken back if it returns false or raises an error.  Returns what it did.
 */
bool
attempt(AttemptBody body, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool keep = false;

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
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
	return keep;
}
