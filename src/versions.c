/*-------------------------------------------------------------------------
 *
 * versions.c
 *	  Follows a row's update chain from an index entry whose version is dead.
 *
 * A look copies index entries first and fetches their tuples afterwards.  In
 * between, a transaction that has updated one of those rows may commit: the
 * version that the entry points to is then dead, and the entry of the version
 * that replaced it need not be among those copied.  The row was there all the
 * time, so a look that skipped it would miss it.  (pgsql-hackers knows this as
 * "SnapshotDirty index scan may miss tuples".)  So whoever finds no version of
 * an entry visible to the dirty snapshot calls here, and is given the row's
 * first version that is not dead, as EvalPlanQual would find it.
 *
 * Which entries have to be followed: only those whose version was replaced by
 * a transaction that the active snapshot does not see as finished.  Had the
 * replacing transaction finished before that snapshot was taken, hence before
 * the entries were copied, the entry of the new version would have been in the
 * index by then.  Entries that have been dead for longer cost one look at a
 * heap page and nothing else.
 *
 * Why the chain is whole: every version of it was replaced by a transaction
 * that the active snapshot does not see, so it is at most recently dead, and
 * no page is pruned of such tuples while the snapshot is held.  (The exception,
 * old_snapshot_threshold of 15 and 16, raises "snapshot too old".)  Until the
 * page of the entry is released, VACUUM cannot reuse the entry's line pointer.
 * Versions of aborted updates end the chain: they are dead, and their
 * predecessor stands or was replaced again, which the predecessor says itself.
 *
 * The first version that is not dead is the one to judge.  A later one is not
 * committed yet, and its transaction may abort.
 *
 * Versions that our own transaction replaced or deleted need not be followed:
 * the entry of the next version was inserted before the entries were copied.
 * (An index expression that books while that version is being stored is the
 * exception, for which nothing is promised.)  Nor need they be fetched twice.
 * A transaction that books and cancels the same time over and over leaves a
 * dead entry with each change, which cannot be removed before it ends.  Those
 * entries are remembered, so that its looks do not get slower with each of them.
 * All are forgotten when a subtransaction aborts, since that may revive versions
 * and let line pointers be reused, and when a definition changes, since a table
 * may have been rewritten.
 *
 * The caller holds a lock on the table, a pin on the page of the entry, and an
 * active snapshot older than its copy of the entries.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"
#include "compat.h"

/* ---- entries that our own transaction has left dead ---- */

typedef struct OwnDead
{
	ItemPointerData entry;		/* the key */
	TransactionId replaced_by;	/* who replaced or deleted the last version */
} OwnDead;

static HTAB *own_dead = NULL;	/* NULL: none */
static uint64 own_dead_generation;	/* of the definitions */

static void
forget_own_dead(void)
{
	if (own_dead != NULL)
		hash_destroy(own_dead);
	own_dead = NULL;
}

static void
remember_own_dead(const ItemPointerData *entry, TransactionId replaced_by)
{
	OwnDead    *known;
	bool		found;

	if (own_dead == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(ItemPointerData),
			.entrysize = sizeof(OwnDead),
			.hcxt = TopTransactionContext
		};

		own_dead = hash_create("own dead entries", 64, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		own_dead_generation = catalog_shape_generation();
	}
	known = hash_search(own_dead, entry, HASH_ENTER, &found);
	known->replaced_by = replaced_by;
}

/*
 * Whether our own transaction is known to have left an entry of appointments
 * dead: no dirty snapshot of ours will see a version of it.
 */
bool
version_is_own_dead(const ItemPointerData *entry)
{
	OwnDead    *known;

	if (own_dead == NULL)
		return false;
	if (own_dead_generation != catalog_shape_generation())
	{
		forget_own_dead();
		return false;
	}
	known = hash_search(own_dead, entry, HASH_FIND, NULL);
	return known != NULL &&
		TransactionIdIsCurrentTransactionId(known->replaced_by);
}

static void
own_transaction_ended(XactEvent event, void *arg)
{
	forget_own_dead();
}

void
versions_init(void)
{
	RegisterXactCallback(own_transaction_ended, NULL);
}

/* ---- update chains ---- */

/*
 * The step from a version to the one that replaced it.
 */
typedef struct UpdateStep
{
	ItemPointerData next;
	TransactionId replaced_by;	/* the xmin that the next version must have */
} UpdateStep;

/*
 * Whether an update replaced a version; then *step leads on from it.
 */
static bool
read_step(HeapTupleHeader version, const ItemPointerData *at,
		  UpdateStep *step)
{
	if ((version->t_infomask & HEAP_XMAX_INVALID) ||
		HeapTupleHeaderIsOnlyLocked(version) ||
		HeapTupleHeaderIndicatesMovedPartitions(version) ||
		ItemPointerEquals(&version->t_ctid, unconstify(ItemPointerData *, at)))
		return false;
	step->next = version->t_ctid;
	step->replaced_by = HeapTupleHeaderGetUpdateXid(version);
	return true;
}

/*
 * Which (sub)transaction of ours has replaced or deleted a version; invalid:
 * none.
 */
static TransactionId
own_replacer(HeapTupleHeader version)
{
	TransactionId xid;

	if ((version->t_infomask & HEAP_XMAX_INVALID) ||
		HeapTupleHeaderIsOnlyLocked(version))
		return InvalidTransactionId;
	xid = HeapTupleHeaderGetUpdateXid(version);
	return TransactionIdIsCurrentTransactionId(xid) ? xid :
		InvalidTransactionId;
}

/*
 * Finds the first version in the HOT chain of an entry that was replaced by a
 * transaction which the snapshot does not see as finished.  *own: who of ours has
 * replaced or deleted the last one of the chain.  Its buffer is locked by the
 * caller.
 */
static bool
find_recent_step(Page page, const ItemPointerData *entry, Snapshot held,
				 UpdateStep *step, TransactionId *own)
{
	ItemPointerData at = *entry;
	TransactionId replaced_by = InvalidTransactionId;

	*own = InvalidTransactionId;
	for (;;)
	{
		OffsetNumber offset = ItemPointerGetOffsetNumber(&at);
		ItemId		item;
		HeapTupleHeader version;

		if (offset > PageGetMaxOffsetNumber(page))
			return false;
		item = PageGetItemId(page, offset);
		if (ItemIdIsRedirected(item))
		{
			ItemPointerSetOffsetNumber(&at, ItemIdGetRedirect(item));
			continue;
		}
		if (!ItemIdIsNormal(item))
			return false;
		version = (HeapTupleHeader) PageGetItem(page, item);
		if (TransactionIdIsValid(replaced_by) &&
			!TransactionIdEquals(HeapTupleHeaderGetXmin(version),
								 replaced_by))
			return false;
		*own = own_replacer(version);
		if (!read_step(version, &at, step))
			return false;
		if (!TransactionIdIsValid(*own) &&
			XidInMVCCSnapshot(step->replaced_by, held))
			return true;
		if (!HeapTupleHeaderIsHotUpdated(version))
			return false;
		at = step->next;
		replaced_by = step->replaced_by;
	}
}

static bool
find_first_step(Relation rel, const ItemPointerData *entry, UpdateStep *step)
{
	Snapshot	held = GetActiveSnapshot();
	Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(entry));
	Page		page = BufferGetPage(buffer);
	TransactionId own;
	bool		found;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	booking_test_for_old_snapshot(held, rel, page);
	found = find_recent_step(page, entry, held, step, &own);
	UnlockReleaseBuffer(buffer);
	if (TransactionIdIsValid(own))
		remember_own_dead(entry, own);
	return found;
}

/*
 * Fetches the first version from a step on that is visible to the dirty
 * snapshot; false if the chain ends before.
 */
static bool
follow(Relation rel, UpdateStep *step, Snapshot dirty, TupleTableSlot *row)
{
	for (;;)
	{
		HeapTupleData version;
		Buffer		buffer;
		bool		is_there;
		bool		goes_on;

		CHECK_FOR_INTERRUPTS();
		version.t_self = step->next;
		is_there = heap_fetch(rel, dirty, &version, &buffer, true);
		if (version.t_data == NULL)
			return false;
		if (!TransactionIdEquals(HeapTupleHeaderGetXmin(version.t_data),
								 step->replaced_by))
			goes_on = is_there = false;
		else if (is_there)
		{
			ExecForceStoreHeapTuple(&version, row, false);
			goes_on = false;
		}
		else
		{
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			goes_on = !TransactionIdIsValid(own_replacer(version.t_data)) &&
				read_step(version.t_data, &version.t_self, step);
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		ReleaseBuffer(buffer);
		if (!goes_on)
			return is_there;
	}
}

/*
 * Fetches the present version of the row of an entry none of whose own
 * versions is visible to the dirty snapshot; false if the row is gone, or need
 * not be followed.  The snapshot then says who inserts or deletes the version.
 */
bool
version_follow(Relation rel, const ItemPointerData *entry, Snapshot dirty,
			   TupleTableSlot *row)
{
	UpdateStep	step;

	Assert(ActiveSnapshotSet());
	Assert(dirty->snapshot_type == SNAPSHOT_DIRTY);
	return find_first_step(rel, entry, &step) &&
		follow(rel, &step, dirty, row);
}

/*
 * Fetches what a transaction in progress makes of a version that it replaces;
 * false if it deletes the row, or is no longer in progress.
 */
bool
version_next(Relation rel, TupleTableSlot *version, Snapshot dirty,
			 TupleTableSlot *row)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) version;
	HeapTuple	tuple = slot->base.tuple;
	bool		is_on_page = BufferIsValid(slot->buffer);
	UpdateStep	step;
	bool		is_replaced;

	Assert(TTS_IS_BUFFERTUPLE(version) && tuple != NULL);
	if (is_on_page)
		LockBuffer(slot->buffer, BUFFER_LOCK_SHARE);
	is_replaced = read_step(tuple->t_data, &tuple->t_self, &step);
	if (is_on_page)
		LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
	return is_replaced && follow(rel, &step, dirty, row);
}
