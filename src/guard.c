/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  No two live appointments of a barber overlap, whoever writes them.
 *
 * Everybody stores first and looks afterwards.  A row is stored once every
 * later look finds it.  A look (probe.c) finds every row that was stored
 * before the look began and that counts, in some version, until it ends.  So
 * of two rows that overlap, the one whose last look began later has seen the
 * other.  The argument needs no lock and holds at every isolation level.  It
 * is about the last look of each row: whoever makes a row count where it did
 * not count before (a new row, a move, the revival of an expired hold) looks
 * after storing it.  Whoever changes anything else of a row need not look,
 * because looks follow update chains.
 *
 * What remains is that not both give in, and that nobody waits in a circle:
 *
 * - book_slot() and its like look before they store, so they store in
 *	 vain only when two come at once.  The row is stored speculatively, as
 *	 INSERT ... ON CONFLICT does it: until its writer has looked, it can
 *	 be taken back, and others can wait for just that.  Of two speculative
 *	 rows that see each other the older stays and waits for the other's
 *	 decision; the younger is taken back.  (Older means the lower
 *	 transaction or subtransaction id, the server's own order for
 *	 speculative insertions.)  Nobody waits with a row in hand for a row
 *	 that is no longer speculative: the own row is taken back first.
 *
 * - reschedule_appointment() and its like update in a subtransaction,
 *	 which they roll back instead.  The barber's lock is held from before
 *	 the update is stored until it has been judged, so that two moves do
 *	 not take each other back for ever.
 *
 * - A raw writer cannot take anything back.  The BEFORE trigger looks, to
 *	 refuse or to wait while there is nothing to undo; the AFTER trigger
 *	 decides when the row is stored.  Of two that stored before either
 *	 looked, the older transaction waits and the younger is refused.  A
 *	 row that an older transaction is deleting, or moving out of the way,
 *	 is waited for, but not by a writer that gives up time itself: the two
 *	 may be swapping places.  (Three raw writers can wait in a circle: one
 *	 for an older deleter, that one for a younger inserter, and that one
 *	 for the first.  It takes three that meet between their first look and
 *	 their storing; the deadlock detector ends it.)
 *
 * Counts (the seats of a group, the limits of limits.c) follow the same
 * argument: of those that would be one too many, the last to look sees all
 * the others.  Functions that count take the customer's lock, then the
 * barber's, around storing and looking, so that all places are given away.
 * A refusal by count is confirmed by one snapshot.
 *
 * The holder of a lock, or of a speculative row, waits for no transaction
 * and for no lock.  It may wait for a younger speculative row, and a move
 * for any: those wait for younger ones only.  Under a lock no catalog is
 * looked up and no configuration is read, and the user's BEFORE triggers
 * have fired before it is taken.  An idempotency key needs no lock: its
 * unique index has the last word, and does not wait (store.c).  Of two rows
 * with one key, the one whose entry is in the index passes over the other
 * while that is in progress.
 *
 * Locks are heavyweight locks of our own kind, advisory with a fourth field
 * that no SQL function can produce, so they take part in deadlock detection,
 * obey lock_timeout and show up in pg_locks.  At most one passage, which is
 * what has locks here, is open at a time, and none after a call.
 *
 * analysis/guard.pml is a model of this protocol.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

/* Fourth fields of advisory lock tags; SQL functions make 1 and 2 */
#define BARBER_LOCK 0xB00C
#define USER_LOCK 0xB00E

/*
 * The open passage of this backend.  It belongs to a transaction nesting
 * level; a lock that the server took back (at an abort) is no longer held,
 * whatever is_open says.
 */
typedef struct Passage
{
	bool		is_open;
	bool		has_user;
	bool		has_barber;
	int			nest_level;
	LOCKTAG		barber_tag;
	LOCKTAG		user_tag;
} Passage;

static Passage passage;

/* What our functions are writing just now, the innermost first */
static OwnWrite *own_writes = NULL;

/* ---- the locks ---- */

static void
set_tag(LOCKTAG *tag, int64 id, uint16 kind)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) ((uint64) id >> 32),
						 (uint32) id, kind);
}

static void
wait_for_lock(void *tag)
{
	(void) LockAcquire(tag, ExclusiveLock, false, false);
}

/*
 * Takes a lock, and returns whether it had to wait.  The top transaction owns
 * it, so that a passage may be closed under any resource owner;
 * subtransaction_ended() closes those of subtransactions.
 */
static bool
acquire(LOCKTAG *tag)
{
	ResourceOwner caller = CurrentResourceOwner;
	bool		waits;

	CurrentResourceOwner = TopTransactionResourceOwner;
	waits = LockAcquire(tag, ExclusiveLock, false, true) ==
		LOCKACQUIRE_NOT_AVAIL;
	if (waits)
		stats_measure(OP_GUARD_LOCK_WAIT, wait_for_lock, tag);
	CurrentResourceOwner = caller;
	return waits;
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
	catalog_freeze(false);
	if (passage.has_barber)
		release(&passage.barber_tag);
	if (passage.has_user)
		release(&passage.user_tag);
}

/*
 * Makes sure that nothing has to be looked up in the catalogs from now on.
 */
static void
prepare_catalog(void)
{
	const IndexId used[] = {
		AVAILABILITY_INDEX, USER_STATUS_INDEX, BARBER_DATE_INDEX
	};

	for (int i = 0; i < (int) lengthof(used); i++)
		index_close(catalog_open_index(used[i], RowExclusiveLock), NoLock);
	catalog_freeze(true);
}

/*
 * Opens a passage with the locks that a claim needs, if it needs any; returns
 * whether it had to wait for them.
 */
static bool
open_passage(const Claim *claim, bool is_move)
{
	bool		has_user = claim->limits != NULL &&
		limits_bind_user(claim->limits);
	bool		has_barber = is_move || claim->capacity > 1 ||
		(claim->limits != NULL && claim->limits->max_per_day > 0);
	bool		waited = false;

	Assert(!passage.is_open);
	if (!has_user && !has_barber)
		return false;
	passage.nest_level = GetCurrentTransactionNestLevel();
	passage.has_user = has_user;
	passage.has_barber = has_barber;
	if (has_user)
		set_tag(&passage.user_tag, claim->limits->user_id, USER_LOCK);
	set_tag(&passage.barber_tag, claim->occupant.barber_id, BARBER_LOCK);
	prepare_catalog();
	passage.is_open = true;
	if (has_user && acquire(&passage.user_tag))
		waited = true;
	if (has_barber && acquire(&passage.barber_tag))
		waited = true;
	return waited;
}

/* ---- what our functions are writing ---- */

/*
 * From here to guard_end_write() the row with that id is one that a function
 * writes: an insert, which it judges itself, or a move, for which the triggers
 * ask what the claim asks.  An error ends it, too; it lives in memory that an
 * aborted subtransaction leaves, so that subtransaction_ended() finds it.
 */
OwnWrite *
guard_begin_write(int64 id, const Claim *claim)
{
	OwnWrite   *write = MemoryContextAllocZero(TopTransactionContext,
											   sizeof(OwnWrite));

	write->id = id;
	write->claim = claim;
	write->result = CLAIM_GRANTED;
	write->nest_level = GetCurrentTransactionNestLevel();
	write->outer = own_writes;
	own_writes = write;
	return write;
}

void
guard_end_write(OwnWrite *write)
{
	Assert(own_writes == write);
	own_writes = write->outer;
	pfree(write);
}

/*
 * The innermost write, if it is of that row.
 */
OwnWrite *
guard_own_write(int64 id)
{
	return own_writes != NULL && own_writes->id == id ? own_writes : NULL;
}

/*
 * Whether a function has inserted and judged this very version.
 */
bool
guard_has_settled(HeapTuple stored)
{
	return own_writes != NULL && own_writes->is_settled &&
		ItemPointerEquals(&stored->t_self, &own_writes->tid);
}

/*
 * A subtransaction that aborts takes its passage and its writes with it.
 */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId mySubid,
					 SubTransactionId parentSubid, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (passage.is_open && passage.nest_level >= level)
		guard_leave();
	while (own_writes != NULL && own_writes->nest_level >= level)
		guard_end_write(own_writes);
}

static void
transaction_ended(XactEvent event, void *arg)
{
	passage.is_open = false;
	catalog_freeze(false);
	own_writes = NULL;
}

void
guard_init(void)
{
	RegisterSubXactCallback(subtransaction_ended, NULL);
	RegisterXactCallback(transaction_ended, NULL);
}

/* ---- waiting ---- */

static void
wait_for_holder(void *arg)
{
	const Holder *holder = arg;

	/* a lock's holder waits for no transaction, only for a decision */
	Assert(holder->speculative_token != 0 || !passage.is_open);
	if (holder->speculative_token != 0)
		SpeculativeInsertionWait(holder->xid, holder->speculative_token);
	else
		XactLockTableWait(holder->xid, NULL, NULL, XLTW_None);
}

/*
 * Waits until that transaction has ended, or decided about its speculative row.
 */
void
guard_wait(const Holder *holder)
{
	if (TransactionIdIsValid(holder->xid))
		stats_measure(OP_GUARD_WAIT, wait_for_holder,
					  unconstify(Holder *, holder));
	CHECK_FOR_INTERRUPTS();
}

/* ---- looking ---- */

/*
 * The seats of the service that a claim is for.  A service that cannot be
 * found has one: its foreign key will refuse the row.
 */
static int
seats_of(const Claim *claim)
{
	Service    *service;

	if (claim->capacity > 0)
		return claim->capacity;
	Assert(!passage.is_open);
	service = schedule_service(schedule_begin(), claim->occupant.service_id);
	return service != NULL ? service->capacity : 1;
}

/*
 * Whether one snapshot, too, has no seat left.
 */
static bool
is_full(Relation appointments, Relation index, const Occupant *occupant,
		int seats)
{
	Snapshot	snapshot = probe_register_snapshot();
	Tally		tally = {0};
	Holder		nobody;
	ProbeResult result = probe_overlap(appointments, index, snapshot,
									   occupant, &tally, &nobody);

	UnregisterSnapshot(snapshot);
	return result == PROBE_TAKEN ||
		tally_result(&tally, seats, &nobody) == PROBE_TAKEN;
}

static ProbeResult
probe_time(Relation appointments, const Claim *claim, Holder *holder)
{
	Relation	index = catalog_open_index(AVAILABILITY_INDEX,
										   RowExclusiveLock);
	Occupant	occupant = claim->occupant;
	Tally		tally = {0};
	ProbeResult result;

	if (claim->capacity == 1)
		occupant.service_id = 0;	/* there is no group to share time with */
	result = probe_overlap(appointments, index, NULL, &occupant, &tally,
						   holder);
	if (result == PROBE_FREE && tally.count > 0)
	{
		int			seats = seats_of(claim);

		result = tally_result(&tally, seats, holder);
		if (result == PROBE_TAKEN && seats > 1 &&
			!is_full(appointments, index, &occupant, seats))
		{
			memset(holder, 0, sizeof(*holder));
			result = PROBE_IN_PROGRESS;
		}
	}
	index_close(index, NoLock);
	return result;
}

/*
 * Asks for the limits.  They are the last reason for a "no": that another part
 * of the service is taken, whose turn would only come, is said instead.
 */
static ProbeResult
probe_limits_last(Relation appointments, const Claim *claim, Holder *holder,
				  Refusal *refusal)
{
	const Limits *limits = claim->limits;
	ProbeResult result = probe_limits(appointments, limits, passage.is_open,
									  holder, refusal);

	for (int i = 1; result == PROBE_TAKEN && i < limits->part_count; i++)
	{
		const Part *part = &limits->parts[i];
		Claim		other = *claim;

		other.occupant.busy = part->busy;
		other.occupant.starts_at = part->work.from;
		if (probe_time(appointments, &other, holder) == PROBE_TAKEN)
		{
			refuse_overlap(refusal, other.occupant.barber_id,
						   part->busy.from, part->busy.until);
			break;
		}
	}
	return result;
}

/*
 * What stands in the way of the claim's time and counts.
 */
static ProbeResult
probe_claim(Relation appointments, const Claim *claim, Holder *holder,
			Refusal *refusal)
{
	const Occupant *occupant = &claim->occupant;
	ProbeResult result = probe_time(appointments, claim, holder);

	if (result == PROBE_TAKEN)
		refuse_overlap(refusal, occupant->barber_id, occupant->busy.from,
					   occupant->busy.until);
	else if (result == PROBE_FREE && claim->limits != NULL)
		result = probe_limits_last(appointments, claim, holder, refusal);
	return result;
}

/*
 * Whether an appointment has that idempotency key: REPEATED, and copied into
 * *found; IN_PROGRESS; or GRANTED, nobody has it.
 */
ClaimResult
guard_find_key(Relation appointments, const IdempotencyKey *key,
			   TupleTableSlot *found, Holder *holder)
{
	switch (probe_key(appointments, key, found, holder))
	{
		case PROBE_TAKEN:
			return CLAIM_REPEATED;
		case PROBE_IN_PROGRESS:
			return CLAIM_IN_PROGRESS;
		case PROBE_FREE:
			break;
	}
	return CLAIM_GRANTED;
}

/*
 * What stands in a claim's way before anything is stored.  GRANTED: nothing.
 * REPEATED: *repeated has the appointment that answers the request.
 * IN_PROGRESS: wait for *holder, and ask everything again.  The key comes
 * first, and again before a "no": the overlap may be the first answer to this
 * very request.
 */
ClaimResult
guard_look(Relation appointments, const Claim *claim,
		   TupleTableSlot *repeated, Holder *holder, Refusal *refusal)
{
	ClaimResult key = CLAIM_GRANTED;

	Assert(ActiveSnapshotSet());
	if (claim->key != NULL)
		key = guard_find_key(appointments, claim->key, repeated, holder);
	if (key != CLAIM_GRANTED)
		return key;
	switch (probe_claim(appointments, claim, holder, refusal))
	{
		case PROBE_FREE:
			return CLAIM_GRANTED;
		case PROBE_IN_PROGRESS:
			return CLAIM_IN_PROGRESS;
		case PROBE_TAKEN:
			break;
	}
	if (claim->key != NULL)
		key = guard_find_key(appointments, claim->key, repeated, holder);
	return key != CLAIM_GRANTED ? key : CLAIM_REFUSED;
}

/* ---- functions ---- */

/*
 * Opens the passage in which a claim's row is to be stored and judged; a claim
 * that is not counted needs none.  Whoever had to wait looks once more, so as
 * not to store in vain; if the result is not GRANTED, no passage is open.
 */
ClaimResult
guard_enter(Relation appointments, const Claim *claim, bool is_move,
			TupleTableSlot *repeated, Holder *holder, Refusal *refusal)
{
	ClaimResult result = CLAIM_GRANTED;

	guard_leave();
	if (open_passage(claim, is_move) && !is_move)
		result = guard_look(appointments, claim, repeated, holder, refusal);
	if (result != CLAIM_GRANTED)
		guard_leave();
	return result;
}

/*
 * Judges a row that a function has stored.  GRANTED: it may stay.  Otherwise
 * the function takes it back, and IN_PROGRESS then means to wait for *holder
 * with nothing in hand.  Speculative rows of others decide for themselves: a
 * move waits for all, a speculative row for those of younger transactions.
 */
ClaimResult
guard_settle(Relation appointments, const Claim *claim, bool is_speculative,
			 Holder *holder, Refusal *refusal)
{
	Assert(TransactionIdIsValid(GetTopTransactionIdIfAny()));
	for (;;)
	{
		switch (probe_claim(appointments, claim, holder, refusal))
		{
			case PROBE_FREE:
				return CLAIM_GRANTED;
			case PROBE_TAKEN:
				return CLAIM_REFUSED;
			case PROBE_IN_PROGRESS:
				break;
		}
		if (holder->speculative_token == 0 ||
			(is_speculative && TransactionIdPrecedes(holder->xid,
													 GetCurrentTransactionId())))
			return CLAIM_IN_PROGRESS;
		guard_wait(holder);
	}
}

/* ---- raw writers ---- */

/*
 * Returns once nothing stands in a claim's way; false: a committed overlap does,
 * for good.
 */
bool
guard_await(Relation appointments, const Claim *claim)
{
	guard_leave();
	for (;;)
	{
		Holder		holder;
		ProbeResult result = probe_time(appointments, claim, &holder);

		if (result != PROBE_IN_PROGRESS)
			return result == PROBE_FREE;
		guard_wait(&holder);
	}
}

/*
 * Judges a row that a raw writer has stored: false unless it may stay.  A row
 * that gives up time of its own, by a move, does not wait for an older
 * transaction that gives up this one's.
 */
bool
guard_verify(Relation appointments, const Claim *claim, bool gives_up_time)
{
	guard_leave();
	for (;;)
	{
		Holder		holder;
		ProbeResult result = probe_time(appointments, claim, &holder);

		if (result != PROBE_IN_PROGRESS)
			return result == PROBE_FREE;
		if (TransactionIdIsValid(holder.xid) &&
			holder.speculative_token == 0 &&
			(!holder.is_deleter || gives_up_time) &&
			TransactionIdPrecedes(holder_age(&holder), GetTopTransactionId()))
			return false;
		guard_wait(&holder);
	}
}
