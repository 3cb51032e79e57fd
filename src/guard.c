/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  No two live appointments of a barber overlap, whoever writes them.
 *
 * Check, then insert, under a momentary lock; read dirty; wait only for a
 * transaction that truly overlaps:
 *
 *		look without the lock: a committed overlap is a final "no"
 *		take the barber's lock and look again with a dirty snapshot
 *		  overlap, committed:			let go, "no"
 *		  overlap, in progress:			let go, wait for that transaction, again
 *		  none:							write the row, let go
 *
 * From the moment the row is written every later dirty look sees it, so the
 * lock need not live until commit, and nobody waits for a barber: only for the
 * transaction that holds the very time.  A dirty look does not depend on the
 * isolation level.
 *
 * The lock is a heavyweight lock of our own kind, advisory with a fourth field
 * that no SQL function can produce, so it takes part in deadlock detection, obeys
 * lock_timeout and shows up in pg_locks.  Its holder waits for nobody: it lets
 * go before it waits for a transaction, and before foreign keys are checked.
 * A claim with an idempotency key takes the key's lock first, then the
 * barber's, so that the key too is looked up and stored in one passage.
 *
 * Raw writers come through triggers.  The BEFORE trigger, named to fire last,
 * enters.  The first AFTER trigger of the statement, named to fire first,
 * leaves; so does the next row's BEFORE trigger, as the previous row has been
 * stored by then.  At most one passage is open at a time, none after a
 * statement, and a bulk load does not fill the lock table.
 *
 * Correctness does not rest on all that, but on the AFTER trigger alone: it
 * looks once more, past the row itself, unless the open passage is for just
 * this row and has been open ever since it was checked.  (Two writers who both
 * wrote first and look afterwards see each other.)  So rows that another
 * trigger changed, nested statements that closed our passage, and rows of a
 * multi-row statement are looked at twice; the others once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

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
static void
acquire(const LOCKTAG *tag)
{
	ResourceOwner caller = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockAcquire(tag, ExclusiveLock, false, false);
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

static void
open_passage(const Claim *claim)
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
		acquire(&passage.key_tag);
	}
	acquire(&passage.barber_tag);
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
static bool
passage_covers(const Claim *claim)
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
 * TAKEN, REPEATED: none is open; of a repeated request *repeated has the
 * appointment.  The caller holds RowExclusiveLock on appointments.
 */
ClaimResult
guard_enter(Relation appointments, const Claim *claim,
			TupleTableSlot *repeated)
{
	guard_leave();
	for (;;)
	{
		Holder		holder;
		Sight		sight;

		CHECK_FOR_INTERRUPTS();
		sight = look(appointments, claim, repeated, &holder);
		if (sight == SIGHT_FREE)
		{
			open_passage(claim);
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
 * Makes sure of a row that is already stored: raises slot_taken unless it is
 * alone, having waited for whoever is writing next to it.
 */
static void
verify_stored(Relation appointments, const Claim *claim)
{
	Holder		holder;
	Sight		sight;
	Refusal		refusal;

	while ((sight = look(appointments, claim, NULL, &holder)) != SIGHT_FREE)
	{
		if (sight == SIGHT_TAKEN)
		{
			refuse_overlap(&refusal, claim->barber_id, claim->busy_from,
						   claim->busy_until);
			raise_overlap(appointments, &refusal);
		}
		wait_for(&holder);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- rows, as the triggers see them ---- */

typedef enum Status
{
	STATUS_UNKNOWN,				/* the CHECK will refuse it */
	STATUS_PENDING, STATUS_CONFIRMED, STATUS_CHECKED_IN,
	STATUS_COMPLETED, STATUS_CANCELLED, STATUS_NO_SHOW, STATUS_EXPIRED,
	STATUS_COUNT
} Status;

static const char *const status_names[STATUS_COUNT] = {
	[STATUS_UNKNOWN] = "unknown",
	[STATUS_PENDING] = "pending",
	[STATUS_CONFIRMED] = "confirmed",
	[STATUS_CHECKED_IN] = "checked_in",
	[STATUS_COMPLETED] = "completed",
	[STATUS_CANCELLED] = "cancelled",
	[STATUS_NO_SHOW] = "no_show",
	[STATUS_EXPIRED] = "expired",
};

#define MAY_BECOME(s) (1 << (s))

/* Which status may follow; those without an entry are final */
static const int transitions[STATUS_COUNT] = {
	[STATUS_PENDING] = MAY_BECOME(STATUS_CONFIRMED) |
	MAY_BECOME(STATUS_CANCELLED) | MAY_BECOME(STATUS_EXPIRED),
	[STATUS_CONFIRMED] = MAY_BECOME(STATUS_CHECKED_IN) |
	MAY_BECOME(STATUS_COMPLETED) | MAY_BECOME(STATUS_CANCELLED) |
	MAY_BECOME(STATUS_NO_SHOW),
	[STATUS_CHECKED_IN] = MAY_BECOME(STATUS_COMPLETED) |
	MAY_BECOME(STATUS_CANCELLED) | MAY_BECOME(STATUS_NO_SHOW),
};

/*
 * What of an appointment the guard looks at.
 */
typedef struct Occupation
{
	bool		is_complete;	/* no NULL where NOT NULL will refuse it */
	Status		status;
	Claim		claim;
	TimestampTz expires_at;		/* DT_NOEND: never */
} Occupation;

static Status
status_from_text(Datum value)
{
	text	   *name = DatumGetTextPP(value);

	for (int s = STATUS_UNKNOWN + 1; s < STATUS_COUNT; s++)
	{
		if (VARSIZE_ANY_EXHDR(name) == strlen(status_names[s]) &&
			memcmp(VARDATA_ANY(name), status_names[s],
				   strlen(status_names[s])) == 0)
			return s;
	}
	return STATUS_UNKNOWN;
}

static Datum
appointment_value(TupleTableSlot *row, int column, bool *any_null)
{
	bool		isnull;
	Datum		value = slot_getattr(row,
									 catalog_column(APPOINTMENTS, column),
									 &isnull);

	if (isnull)
		*any_null = true;
	return value;
}

/*
 * Reads a row.  Missing busy times stand for the appointment's own.
 */
static void
read_occupation(TupleTableSlot *row, Occupation *result)
{
	bool		any_null = false;
	bool		no_expiry = false;
	bool		no_from = false;
	bool		no_until = false;
	Datum		status = appointment_value(row, APPT_STATUS, &any_null);
	TimestampTz starts_at =
		DatumGetTimestampTz(appointment_value(row, APPT_STARTS_AT,
											  &any_null));
	TimestampTz ends_at =
		DatumGetTimestampTz(appointment_value(row, APPT_ENDS_AT, &any_null));
	TimestampTz busy_from =
		DatumGetTimestampTz(appointment_value(row, APPT_BUSY_FROM, &no_from));
	TimestampTz busy_until =
		DatumGetTimestampTz(appointment_value(row, APPT_BUSY_UNTIL,
											  &no_until));
	TimestampTz expires_at =
		DatumGetTimestampTz(appointment_value(row, APPT_HOLD_EXPIRES_AT,
											  &no_expiry));
	Claim	   *claim = &result->claim;

	claim->barber_id = DatumGetInt64(appointment_value(row, APPT_BARBER_ID,
													   &any_null));
	claim->has_id = true;
	claim->id = DatumGetInt64(appointment_value(row, APPT_ID, &any_null));
	claim->busy_from = no_from ? starts_at : busy_from;
	claim->busy_until = no_until ? ends_at : busy_until;
	claim->key = NULL;
	result->is_complete = !any_null;
	result->status = any_null ? STATUS_UNKNOWN : status_from_text(status);
	result->expires_at = no_expiry || result->status != STATUS_PENDING ?
		DT_NOEND : expires_at;
}

static bool
is_live(const Occupation *row)
{
	return row->status == STATUS_CONFIRMED ||
		row->status == STATUS_CHECKED_IN ||
		(row->status == STATUS_PENDING && row->expires_at > booking_now());
}

/*
 * Whether the row may come to overlap another: it is live, and occupies time
 * that its old version, if any, did not occupy for as long.
 */
static bool
needs_check(const Occupation *row, const Occupation *old)
{
	if (!row->is_complete || !is_live(row) ||
		row->claim.busy_from >= row->claim.busy_until)
		return false;
	return old == NULL || !is_live(old) ||
		old->claim.barber_id != row->claim.barber_id ||
		old->claim.busy_from > row->claim.busy_from ||
		old->claim.busy_until < row->claim.busy_until ||
		old->expires_at < row->expires_at;
}

static void
check_transition(const Occupation *old, const Occupation *row)
{
	Refusal		refusal;

	if (old->status == row->status || row->status == STATUS_UNKNOWN ||
		(transitions[old->status] & MAY_BECOME(row->status)) != 0)
		return;
	refuse(&refusal, INVALID_TRANSITION,
		   "Appointment " INT64_FORMAT " is %s and cannot become %s.",
		   old->claim.id, status_names[old->status],
		   status_names[row->status]);
	raise_refusal("change", &refusal);
}

/* ---- triggers ---- */

/*
 * Columns that the BEFORE trigger fills in.
 */
typedef struct Changes
{
	int			count;
	int			columns[MAX_TABLE_COLUMNS];
	Datum		values[MAX_TABLE_COLUMNS];
	bool		nulls[MAX_TABLE_COLUMNS];
} Changes;

static void
change(Changes *changes, int column, Datum value, bool isnull)
{
	changes->columns[changes->count] = catalog_column(APPOINTMENTS, column);
	changes->values[changes->count] = value;
	changes->nulls[changes->count] = isnull;
	changes->count++;
}

static bool
column_is_null(TupleTableSlot *row, int column)
{
	bool		isnull = false;

	appointment_value(row, column, &isnull);
	return isnull;
}

/*
 * What a writer may leave to us: busy times, and the marks of a new status.
 */
static void
fill_in(TupleTableSlot *row, const Occupation *occupation, Changes *changes)
{
	Status		status = occupation->status;

	if (column_is_null(row, APPT_BUSY_FROM))
		change(changes, APPT_BUSY_FROM,
			   TimestampTzGetDatum(occupation->claim.busy_from), false);
	if (column_is_null(row, APPT_BUSY_UNTIL))
		change(changes, APPT_BUSY_UNTIL,
			   TimestampTzGetDatum(occupation->claim.busy_until), false);
	if (status != STATUS_PENDING && status != STATUS_CANCELLED &&
		status != STATUS_EXPIRED && status != STATUS_UNKNOWN &&
		!column_is_null(row, APPT_HOLD_EXPIRES_AT))
		change(changes, APPT_HOLD_EXPIRES_AT, (Datum) 0, true);
	if (status == STATUS_CANCELLED && column_is_null(row, APPT_CANCELLED_AT))
		change(changes, APPT_CANCELLED_AT,
			   TimestampTzGetDatum(booking_now()), false);
}

/*
 * Every update is a new version.
 */
static void
advance_version(TupleTableSlot *old, Changes *changes)
{
	bool		isnull = false;
	Datum		version = appointment_value(old, APPT_VERSION, &isnull);

	change(changes, APPT_VERSION, Int32GetDatum(DatumGetInt32(version) + 1),
		   isnull);
	change(changes, APPT_UPDATED_AT, TimestampTzGetDatum(booking_now()),
		   false);
}

static HeapTuple
apply(HeapTuple row, TupleDesc desc, Changes *changes)
{
	if (changes->count == 0)
		return row;
	return heap_modify_tuple_by_cols(row, desc, changes->count,
									 changes->columns, changes->values,
									 changes->nulls);
}

/*
 * Checks a row that is about to be stored, and leaves the passage open behind
 * it, unless book_slot() has already opened one for just this row.
 */
static void
check_row(Relation appointments, const Occupation *row)
{
	Refusal		refusal;

	if (passage_covers(&row->claim) ||
		guard_enter(appointments, &row->claim, NULL) == CLAIM_GRANTED)
		return;
	refuse_overlap(&refusal, row->claim.barber_id, row->claim.busy_from,
				   row->claim.busy_until);
	raise_overlap(appointments, &refusal);
}

PG_FUNCTION_INFO_V1(booking_guard_before);

Datum
booking_guard_before(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	rel;
	Changes		changes = {0};
	Occupation	row;
	Occupation	old;
	bool		is_update;
	TupleTableSlot *slot;

	catalog_check_trigger(fcinfo, APPOINTMENTS, APPOINTMENTS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_BEFORE,
						  "guard_before");
	rel = trigger->tg_relation;
	is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	slot = is_update ? trigger->tg_newslot : trigger->tg_trigslot;

	read_occupation(slot, &row);
	fill_in(slot, &row, &changes);
	if (is_update)
	{
		read_occupation(trigger->tg_trigslot, &old);
		check_transition(&old, &row);
		advance_version(trigger->tg_trigslot, &changes);
		/* an update may give the row another id; its old one is in no way */
		row.claim.id = old.claim.id;
	}
	if (needs_check(&row, is_update ? &old : NULL))
		check_row(rel, &row);
	return PointerGetDatum(apply(is_update ? trigger->tg_newtuple :
								 trigger->tg_trigtuple,
								 RelationGetDescr(rel), &changes));
}

PG_FUNCTION_INFO_V1(booking_guard_after);

Datum
booking_guard_after(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Occupation	row;
	Occupation	old;
	bool		is_update;
	bool		is_covered;

	catalog_check_trigger(fcinfo, APPOINTMENTS, APPOINTMENTS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_AFTER,
						  "guard_after");
	is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	read_occupation(is_update ? trigger->tg_newslot : trigger->tg_trigslot,
					&row);
	if (is_update)
		read_occupation(trigger->tg_trigslot, &old);

	is_covered = passage_covers(&row.claim);
	guard_leave();
	if (!is_covered && needs_check(&row, is_update ? &old : NULL))
		verify_stored(trigger->tg_relation, &row.claim);
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(booking_guard_release);

Datum
booking_guard_release(PG_FUNCTION_ARGS)
{
	catalog_check_trigger(fcinfo, APPOINTMENTS, APPOINTMENTS,
						  TRIGGER_EVENT_AFTER, "guard_release");
	guard_leave();
	return PointerGetDatum(NULL);
}
