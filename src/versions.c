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
 * What our own transaction replaced or deleted need not be followed either: the
 * entry of the version that came after it was made before the entries were
 * copied.  (But for a look out of an index expression, in the midst of storing
 * that version; whoever has such a function book is not promised anything.)
 * Nor need it be fetched a second time.  A transaction that changes
 * the same time over and over leaves a dead entry with each change, which
 * nobody may remove before it ends.  So that its looks do not become slower and
 * slower, those entries are remembered.  They stay dead until a subtransaction
 * aborts, which may bring versions back and let their line pointers be reused:
 * then all are forgotten.  So they are when a definition changes, since a table
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
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"
#include "compat.h"

/* ---- entries that our own transaction has left dead ---- */

typedef struct OwnDead
{
	uint64		entry;			/* block and offset */
	char		status;			/* simplehash's own */
} OwnDead;

#define SH_PREFIX own_dead
#define SH_ELEMENT_TYPE OwnDead
#define SH_KEY_TYPE uint64
#define SH_KEY entry
#define SH_HASH_KEY(table, key) hash_combine(murmurhash32((uint32) (key)), \
											 (uint32) ((key) >> 32))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
/* In 15 the header shadows a variable of its own */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "lib/simplehash.h"
#pragma GCC diagnostic pop

static own_dead_hash *own_dead = NULL;	/* NULL: none */
static MemoryContext own_dead_context;	/* of the transaction */
static uint64 own_dead_generation;	/* of the definitions */

static uint64
entry_key(const ItemPointerData *entry)
{
	return ((uint64) ItemPointerGetBlockNumber(entry) << 16) |
		ItemPointerGetOffsetNumber(entry);
}

static void
forget_own_dead(void)
{
	if (own_dead == NULL)
		return;
	own_dead = NULL;
	MemoryContextDelete(own_dead_context);
}

static void
remember_own_dead(const ItemPointerData *entry)
{
	bool		found;

	if (own_dead == NULL)
	{
		own_dead_context = AllocSetContextCreate(TopTransactionContext,
												 "own dead entries",
												 ALLOCSET_DEFAULT_SIZES);
		own_dead = own_dead_create(own_dead_context, 64, NULL);
		own_dead_generation = catalog_shape_generation();
	}
	(void) own_dead_insert(own_dead, entry_key(entry), &found);
}

/*
 * Whether our own transaction is known to have left an entry of appointments
 * dead: no dirty snapshot of ours will see a version of it.
 */
bool
version_is_own_dead(const ItemPointerData *entry)
{
	if (own_dead == NULL)
		return false;
	if (own_dead_generation != catalog_shape_generation())
		forget_own_dead();
	return own_dead != NULL &&
		own_dead_lookup(own_dead, entry_key(entry)) != NULL;
}

static void
own_subtransaction_ended(SubXactEvent event, SubTransactionId mySubid,
						 SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_own_dead();
}

static void
own_transaction_ended(XactEvent event, void *arg)
{
	forget_own_dead();
}

void
versions_init(void)
{
	RegisterSubXactCallback(own_subtransaction_ended, NULL);
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
 * Whether our own transaction has replaced or deleted a version.
 */
static bool
is_own_change(HeapTupleHeader version)
{
	TransactionId xid;

	if ((version->t_infomask & HEAP_XMAX_INVALID) ||
		HeapTupleHeaderIsOnlyLocked(version))
		return false;
	xid = HeapTupleHeaderGetUpdateXid(version);
	return TransactionIdIsCurrentTransactionId(xid);
}

/*
 * Finds the first version in the HOT chain of an entry that was replaced by a
 * transaction which the snapshot does not see as finished.  *is_own_dead: there
 * is none, as our own has replaced or deleted the last.  The buffer of the
 * chain is locked by the caller.
 */
static bool
find_recent_step(Page page, const ItemPointerData *entry, Snapshot held,
				 UpdateStep *step, bool *is_own_dead)
{
	ItemPointerData at = *entry;
	TransactionId replaced_by = InvalidTransactionId;

	*is_own_dead = false;
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
		*is_own_dead = is_own_change(version);
		if (*is_own_dead || !read_step(version, &at, step))
			return false;
		if (XidInMVCCSnapshot(step->replaced_by, held))
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
	bool		is_own_dead;
	bool		found;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	booking_test_for_old_snapshot(held, rel, page);
	found = find_recent_step(page, entry, held, step, &is_own_dead);
	UnlockReleaseBuffer(buffer);
	if (is_own_dead)
		remember_own_dead(entry);
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
			goes_on = !is_own_change(version.t_data) &&
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
