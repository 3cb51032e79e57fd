/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  No two live appointments of a barber overlap, whoever writes them.
 *
 * Check, then insert, under a momentary lock; read dirty; wait only for a
 * transaction that truly overlaps.  book_slot() does this:
 *
 *		look without the lock: a committed overlap is a final "no"
 *		take the barber's lock and look again with a dirty snapshot
 *		  overlap, committed:			let go, "no"
 *		  overlap, in progress:			let go, wait for that transaction, again
 *		  none:							store the row, let go
 *
 * From the moment the row is stored every later dirty look sees it, so the
 * lock need not live until commit, and nobody waits for a barber: only for the
 * transaction that holds the very time.  A dirty look does not depend on the
 * isolation level.
 *
 * Between the BEFORE trigger of a raw writer's row and its being stored, the
 * server may wait for anything: a unique index, the next row of the source.
 * No lock may be held then.  So a raw writer's BEFORE trigger looks without
 * it, to be refused or to wait before there is anything to undo, and the AFTER
 * trigger looks under the lock, past the row itself, when it is stored.  The
 * same goes for a row of book_slot()'s that another trigger changed, or whose
 * passage a nested statement closed.
 *
 * Why that suffices: every live row has had a look under its barber's lock,
 * and was stored before that lock was let go.  Of two overlapping rows, the one
 * that looked later saw the other.
 *
 * Who has stored first and looks afterwards may meet somebody who did the
 * same.  They must not wait for each other: the older transaction waits, the
 * younger is refused.
 *
 * The lock is a heavyweight lock of our own kind, advisory with a fourth field
 * that no SQL function can produce, so it takes part in deadlock detection,
 * obeys lock_timeout and shows up in pg_locks.  Its holder waits for nobody
 * (but for what a BEFORE trigger of the user's does within book_slot()): it
 * lets go before it waits for a transaction, and before foreign keys are
 * checked.  A claim with an idempotency key takes the key's lock first, then
 * the barber's, so that the key too is looked up and stored in one passage.
 * At most one passage is open at a time, none after a call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "booking.h"
#include "compat.h"

/* Fourth fields of advisory lock tags; SQL functions make 1 and 2 */
#define BARBER_LOCK 0xB00C
#define KEY_LOCK 0xB00D

/*
 * The open passage of this backend.  It belongs to a transaction nesting
 * level; a lock that the server took back (at an abort) is no longer held,
 * whatever is_open says.
 */
typedef struct Passage
{
	bool		is_open;
	bool		has_key;
	int			nest_level;
	LOCKTAG		barber_tag;
	LOCKTAG		key_tag;
	Claim		claim;			/* its key is not kept */
} Passage;

static Passage passage;

/* ---- the lock ---- */

static void
set_tag(LOCKTAG *tag, uint64 value, uint16 kind)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (value >> 32),
						 (uint32) value, kind);
}

/*
 * The top transaction owns our locks, so that a passage may be closed under
 * any resource owner; aborted() closes those of subtransactions.
 */
static bool
acquire(const LOCKTAG *tag, bool wait)
{
	ResourceOwner caller = CurrentResourceOwner;
	LockAcquireResult result;

	CurrentResourceOwner = TopTransactionResourceOwner;
	result = LockAcquire(tag, ExclusiveLock, false, !wait);
	CurrentResourceOwner = caller;
	return result != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Waits until whoever holds the lock has let go.  All who wait here share the
 * lock, so they go on together and not one by one.
 */
static void
wait_until_free(const LOCKTAG *tag)
{
	ResourceOwner caller = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockAcquire(tag, ShareLock, false, false);
	(void) LockRelease(tag, ShareLock, false);
	CurrentResourceOwner = caller;
}

static void
release(const LOCKTAG *tag)
{
	ResourceOwner caller = CurrentResourceOwner;

	if (!booking_lock_held(tag, ExclusiveLock))
		return;
	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockRelease(tag, ExclusiveLock, false);
	CurrentResourceOwner = caller;
}

/*
 * Closes the open passage, if there is one.
 */
void
guard_leave(void)
{
	if (!passage.is_open)
		return;
	passage.is_open = false;
	release(&passage.barber_tag);
	if (passage.has_key)
		release(&passage.key_tag);
}

/*
 * Opens a passage.  Without "wait" it may find the barber's lock taken; then
 * returns false.
 */
static bool
open_passage(const Claim *claim, bool wait)
{
	passage.nest_level = GetCurrentTransactionNestLevel();
	passage.claim = *claim;
	passage.claim.key = NULL;
	passage.has_key = claim->key != NULL;
	set_tag(&passage.barber_tag, (uint64) claim->barber_id, BARBER_LOCK);
	passage.is_open = true;
	if (claim->key != NULL)
	{
		set_tag(&passage.key_tag,
				hash_bytes_extended((const unsigned char *) claim->key,
									strlen(claim->key), 0),
				KEY_LOCK);
		acquire(&passage.key_tag, true);
	}
	if (acquire(&passage.barber_tag, wait))
		return true;
	guard_leave();
	return false;
}

/*
 * Names the row that the open passage is for, once it has an id.
 */
void
guard_name_row(int64 id)
{
	passage.claim.has_id = true;
	passage.claim.id = id;
}

/*
 * Whether the open passage has protected that row ever since it was checked.
 */
bool
guard_covers(const Claim *claim)
{
	return passage.is_open &&
		passage.claim.has_id && passage.claim.id == claim->id &&
		passage.claim.barber_id == claim->barber_id &&
		passage.claim.busy_from == claim->busy_from &&
		passage.claim.busy_until == claim->busy_until &&
		booking_lock_held(&passage.barber_tag, ExclusiveLock);
}

/*
 * A subtransaction that aborts takes its passage with it.
 */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId mySubid,
					 SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && passage.is_open &&
		passage.nest_level >= GetCurrentTransactionNestLevel())
		guard_leave();
}

void
guard_init(void)
{
	RegisterSubXactCallback(subtransaction_ended, NULL);
}

/* ---- looking ---- */

static void
wait_for(const Holder *holder)
{
	if (holder->speculative_token != 0)
		SpeculativeInsertionWait(holder->xid, holder->speculative_token);
	else
		XactLockTableWait(holder->xid, NULL, NULL, XLTW_None);
}

typedef enum Sight
{
	SIGHT_FREE, SIGHT_TAKEN, SIGHT_REPEATED, SIGHT_IN_PROGRESS
} Sight;

/*
 * What stands in the claim's way now.  The key comes first, and again before
 * a "no": the overlap may be the first answer to this very request.
 */
static Sight
look(Relation appointments, const Claim *claim, TupleTableSlot *repeated,
	 Holder *holder)
{
	Relation	index;
	Relation	key_index = NULL;
	ProbeResult overlap = PROBE_FREE;
	ProbeResult key = PROBE_FREE;

	index = catalog_open_index(AVAILABILITY_INDEX, RowExclusiveLock);
	if (claim->key != NULL)
	{
		key_index = catalog_open_index(IDEMPOTENCY_INDEX, RowExclusiveLock);
		key = probe_key(appointments, key_index, claim->key, repeated,
						holder);
	}
	if (key == PROBE_FREE)
	{
		overlap = probe_overlap(appointments, index, claim->barber_id,
								claim->busy_from, claim->busy_until,
								claim->has_id ? &claim->id : NULL, holder);
		if (overlap == PROBE_TAKEN && claim->key != NULL)
			key = probe_key(appointments, key_index, claim->key, repeated,
							holder);
	}
	if (key_index != NULL)
		index_close(key_index, NoLock);
	index_close(index, NoLock);

	if (key == PROBE_TAKEN)
		return SIGHT_REPEATED;
	if (key == PROBE_IN_PROGRESS)
		return SIGHT_IN_PROGRESS;
	return overlap == PROBE_TAKEN ? SIGHT_TAKEN :
		overlap == PROBE_IN_PROGRESS ? SIGHT_IN_PROGRESS : SIGHT_FREE;
}

/*
 * Opens a passage for a claim.  GRANTED: it is open, write the row and leave.
 * Else none is open.  REPEATED: *repeated has the appointment that answers the
 * request.  WAITED: for another transaction, any time; ask everything again.
 * The caller holds RowExclusiveLock on appointments.
 *
 * Where many want one time, the first to enter settles it for all: so whoever
 * finds the lock taken looks again when it is free, and only then queues.
 */
ClaimResult
guard_enter(Relation appointments, const Claim *claim,
			TupleTableSlot *repeated)
{
	bool		queue = false;

	guard_leave();
	for (;;)
	{
		Holder		holder;
		Sight		sight;

		CHECK_FOR_INTERRUPTS();
		sight = look(appointments, claim, repeated, &holder);
		if (sight == SIGHT_FREE)
		{
			if (!open_passage(claim, queue))
			{
				wait_until_free(&passage.barber_tag);
				queue = true;
				continue;
			}
			sight = look(appointments, claim, repeated, &holder);
			if (sight == SIGHT_FREE)
				return CLAIM_GRANTED;
			guard_leave();
		}
		if (sight == SIGHT_TAKEN)
			return CLAIM_TAKEN;
		if (sight == SIGHT_REPEATED)
			return CLAIM_REPEATED;
		wait_for(&holder);
		return CLAIM_WAITED;
	}
}

/*
 * Whether an appointment has that idempotency key; waits for a transaction
 * that is just storing it, and copies the appointment into *found.
 */
bool
guard_find_key(Relation appointments, const char *key, TupleTableSlot *found)
{
	Relation	index = catalog_open_index(IDEMPOTENCY_INDEX,
										   RowExclusiveLock);
	ProbeResult result;
	Holder		holder;

	while ((result = probe_key(appointments, index, key, found, &holder)) ==
		   PROBE_IN_PROGRESS)
	{
		wait_for(&holder);
		CHECK_FOR_INTERRUPTS();
	}
	index_close(index, NoLock);
	return result == PROBE_TAKEN;
}

/*
 * Returns once nothing stands in a claim's way, without holding a lock; false:
 * a committed overlap does, for good.
 */
bool
guard_await(Relation appointments, const Claim *claim)
{
	guard_leave();
	for (;;)
	{
		Holder		holder;
		Sight		sight;

		CHECK_FOR_INTERRUPTS();
		sight = look(appointments, claim, NULL, &holder);
		if (sight != SIGHT_IN_PROGRESS)
			return sight == SIGHT_FREE;
		wait_for(&holder);
	}
}

/*
 * Makes sure of a row that is already stored, by transaction xid: false unless
 * it is alone.  Waits for a younger transaction that has stored an overlapping
 * row; an older one has been first.
 */
bool
guard_verify(Relation appointments, const Claim *claim, TransactionId xid)
{
	guard_leave();
	for (;;)
	{
		Holder		holder;
		Sight		sight;

		CHECK_FOR_INTERRUPTS();
		open_passage(claim, true);
		sight = look(appointments, claim, NULL, &holder);
		guard_leave();
		if (sight != SIGHT_IN_PROGRESS)
			return sight == SIGHT_FREE;
		if (TransactionIdPrecedes(holder.xid, xid))
			return false;
		wait_for(&holder);
	}
}
