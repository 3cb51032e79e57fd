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
 * checked.  A claim with an idempotency key, or under a limit of its customer,
 * takes that lock first, then the barber's, so that these too are looked up
 * and stored in one passage.  At most one passage is open at a time, none after
 * a call.
 *
 * What overlaps but could sit in one group with the claim is counted, and the
 * service's capacity decides.
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
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

/* Fourth fields of advisory lock tags; SQL functions make 1 and 2 */
#define BARBER_LOCK 0xB00C
#define KEY_LOCK 0xB00D
#define USER_LOCK 0xB00E

/*
 * The open passage of this backend.  It belongs to a transaction nesting
 * level; a lock that the server took back (at an abort) is no longer held,
 * whatever is_open says.
 */
typedef struct Passage
{
	bool		is_open;
	bool		has_key;
	bool		has_user;
	int			nest_level;
	LOCKTAG		barber_tag;
	LOCKTAG		key_tag;
	LOCKTAG		user_tag;
	Occupant	occupant;
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
try_to_acquire(const LOCKTAG *tag)
{
	ResourceOwner caller = CurrentResourceOwner;
	LockAcquireResult result;

	CurrentResourceOwner = TopTransactionResourceOwner;
	result = LockAcquire(tag, ExclusiveLock, false, true);
	CurrentResourceOwner = caller;
	return result != LOCKACQUIRE_NOT_AVAIL;
}

static void
wait_for_lock(void *tag)
{
	ResourceOwner caller = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockAcquire(tag, ExclusiveLock, false, false);
	CurrentResourceOwner = caller;
}

/*
 * It is no wait unless somebody else has the lock, so that is found out first.
 */
static bool
acquire(LOCKTAG *tag, bool wait)
{
	if (try_to_acquire(tag))
		return true;
	if (wait)
		stats_measure(OP_GUARD_LOCK_WAIT, wait_for_lock, tag);
	return wait;
}

/*
 * Waits until whoever holds the lock has let go.  All who wait here share the
 * lock, so they go on together and not one by one.  It is the caller's: one that
 * is cut off just as the lock is granted gives it back when it aborts.
 */
static void
wait_until_free(void *tag)
{
	(void) LockAcquire(tag, ShareLock, false, false);
	(void) LockRelease(tag, ShareLock, false);
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
	if (passage.has_user)
		release(&passage.user_tag);
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
	bool		has_user = claim->limits != NULL &&
		limits_bind_user(claim->limits);

	passage.nest_level = GetCurrentTransactionNestLevel();
	passage.occupant = claim->occupant;
	passage.has_key = claim->key != NULL;
	passage.has_user = has_user;
	set_tag(&passage.barber_tag, (uint64) claim->occupant.barber_id,
			BARBER_LOCK);
	passage.is_open = true;
	if (claim->key != NULL)
	{
		set_tag(&passage.key_tag,
				hash_bytes_extended((const unsigned char *) claim->key,
									(int) strlen(claim->key), 0),
				KEY_LOCK);
		acquire(&passage.key_tag, true);
	}
	if (has_user)
	{
		set_tag(&passage.user_tag, (uint64) claim->limits->user_id,
				USER_LOCK);
		acquire(&passage.user_tag, true);
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
	passage.occupant.has_id = true;
	passage.occupant.id = id;
}

/*
 * Whether the open passage has protected that row ever since it was checked.
 */
bool
guard_covers(const Claim *claim)
{
	const Occupant *checked = &passage.occupant;
	const Occupant *row = &claim->occupant;

	return passage.is_open &&
		checked->has_id && checked->id == row->id &&
		checked->barber_id == row->barber_id &&
		checked->busy.from == row->busy.from &&
		checked->busy.until == row->busy.until &&
		checked->service_id == row->service_id &&
		checked->starts_at == row->starts_at &&
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
wait_for_holder(void *arg)
{
	const Holder *holder = arg;

	if (holder->speculative_token != 0)
		SpeculativeInsertionWait(holder->xid, holder->speculative_token);
	else
		XactLockTableWait(holder->xid, NULL, NULL, XLTW_None);
}

/*
 * Waits until that transaction has ended, or taken back its insertion.
 */
void
guard_wait(const Holder *holder)
{
	stats_measure(OP_GUARD_WAIT, wait_for_holder,
				  unconstify(Holder *, holder));
}

typedef enum Sight
{
	SIGHT_FREE, SIGHT_REFUSED, SIGHT_REPEATED, SIGHT_IN_PROGRESS
} Sight;

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
	service = schedule_service(schedule_begin(), claim->occupant.service_id);
	return service != NULL ? service->capacity : 1;
}

static ProbeResult
probe_time(Relation appointments, Relation index, const Claim *claim,
		   Holder *holder)
{
	Tally		seats = {0};
	ProbeResult result = probe_overlap(appointments, index, &claim->occupant,
									   &seats, holder);

	if (result == PROBE_FREE && seats.committed + seats.in_progress > 0)
		result = tally_result(&seats, seats_of(claim), holder);
	return result;
}

/*
 * Asks for the limits.  They are the last reason for a "no": that another part
 * of the service is taken, whose turn would only come, is said instead.
 */
static ProbeResult
probe_limits_last(Relation appointments, Relation index, const Claim *claim,
				  Holder *holder, Refusal *refusal)
{
	const Limits *limits = claim->limits;
	ProbeResult result = probe_limits(appointments, limits, holder, refusal);

	for (int i = 1; result == PROBE_TAKEN &&
		 i < rule_part_count(limits->rule); i++)
	{
		Claim		other = *claim;
		Part		part;

		rule_part(limits->rule, i, limits->span.from, &part);
		other.occupant.busy = part.busy;
		other.occupant.starts_at = part.work.from;
		if (probe_time(appointments, index, &other, holder) == PROBE_TAKEN)
		{
			refuse_overlap(refusal, other.occupant.barber_id,
						   part.busy.from, part.busy.until);
			break;
		}
	}
	return result;
}

/*
 * What stands in the claim's way now.  The key comes first, and again before
 * a "no": the overlap may be the first answer to this very request.
 */
static Sight
look(Relation appointments, const Claim *claim, TupleTableSlot *repeated,
	 Holder *holder, Refusal *refusal)
{
	const Occupant *occupant = &claim->occupant;
	Relation	index;
	Relation	key_index = NULL;
	ProbeResult result = PROBE_FREE;
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
		result = probe_time(appointments, index, claim, holder);
		if (result == PROBE_TAKEN)
			refuse_overlap(refusal, occupant->barber_id, occupant->busy.from,
						   occupant->busy.until);
		else if (result == PROBE_FREE && claim->limits != NULL)
			result = probe_limits_last(appointments, index, claim, holder,
									   refusal);
		if (result == PROBE_TAKEN && claim->key != NULL)
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
	return result == PROBE_TAKEN ? SIGHT_REFUSED :
		result == PROBE_IN_PROGRESS ? SIGHT_IN_PROGRESS : SIGHT_FREE;
}

/*
 * Opens a passage for a claim.  GRANTED: it is open, write the row and leave.
 * Else none is open.  REPEATED: *repeated has the appointment that answers the
 * request.  IN_PROGRESS: *holder's transaction decides; wait for it, and ask
 * everything again.  The caller holds RowExclusiveLock on appointments.
 *
 * Where many want one time, the first to enter settles it for all: so whoever
 * finds the lock taken looks again when it is free, and only then queues.
 */
ClaimResult
guard_enter(Relation appointments, const Claim *claim,
			TupleTableSlot *repeated, Holder *holder, Refusal *refusal)
{
	bool		queue = false;

	guard_leave();
	for (;;)
	{
		Sight		sight;

		CHECK_FOR_INTERRUPTS();
		sight = look(appointments, claim, repeated, holder, refusal);
		if (sight == SIGHT_FREE)
		{
			if (!open_passage(claim, queue))
			{
				stats_measure(OP_GUARD_LOCK_WAIT, wait_until_free,
							  &passage.barber_tag);
				queue = true;
				continue;
			}
			sight = look(appointments, claim, repeated, holder, refusal);
			if (sight == SIGHT_FREE)
				return CLAIM_GRANTED;
			guard_leave();
		}
		return sight == SIGHT_REFUSED ? CLAIM_REFUSED :
			sight == SIGHT_REPEATED ? CLAIM_REPEATED : CLAIM_IN_PROGRESS;
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
		guard_wait(&holder);
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
		Refusal		refusal;
		Sight		sight;

		CHECK_FOR_INTERRUPTS();
		sight = look(appointments, claim, NULL, &holder, &refusal);
		if (sight != SIGHT_IN_PROGRESS)
			return sight == SIGHT_FREE;
		guard_wait(&holder);
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
		Refusal		refusal;
		Sight		sight;

		CHECK_FOR_INTERRUPTS();
		open_passage(claim, true);
		sight = look(appointments, claim, NULL, &holder, &refusal);
		guard_leave();
		if (sight != SIGHT_IN_PROGRESS)
			return sight == SIGHT_FREE;
		if (TransactionIdPrecedes(holder.xid, xid))
			return false;
		guard_wait(&holder);
	}
}
