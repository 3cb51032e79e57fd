/*-------------------------------------------------------------------------
 *
 * occupancy.c
 *	  What appointments occupy: index scans over appointments.
 *
 * Both scans read idx_appointments_availability_check.  It holds all that is
 * needed (barber, busy range, expiry of a hold), and only rows whose status is
 * live.  They rely on nothing but the CHECK that a busy range spans two days at
 * most.
 *
 *	busy_read	what the caller's snapshot sees, for availability: an
 *				index-only scan in the manner of nodeIndexonlyscan.c, over the
 *				leaf pages as leaves.c reads them.
 *
 *	probe_overlap	what is there now, committed or not, for the guard: the
 *				same with a dirty snapshot, in the manner of
 *				check_exclusion_or_unique_constraint().
 *
 * Of a service with a capacity, appointments of one barber, start and busy
 * range share that time: a group.  So live busy ranges of a barber are equal,
 * or do not overlap.
 *
 * Callers hold a lock on appointments; the index is locked here as strongly.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

/* Columns of the index, as catalog.c has checked them */
#define INDEX_BARBER_ID 1
#define INDEX_BUSY_FROM 2

#define LONGEST_BUSY (2 * USECS_PER_DAY)

/*
 * Dead entries that make it worth having them marked: each costs every later
 * reader a look at its row.
 */
#define MANY_DEAD 8

struct BusyReader
{
	Relation	appointments;
	Relation	index;
	Snapshot	snapshot;
	LeafScan   *leaves;
	IndexFetchTableData *fetch; /* NULL until a row is looked at */
	TupleTableSlot *slot;
	Buffer		vm_buffer;
	BlockNumber visible_block;	/* visible to all, for this page's entries */
	TimestampTz now;
	int			dead_count;		/* rows that nobody can see any more */
};

/*
 * A column of a row of appointments; sets *isnull only when it is.
 */
Datum
appointment_value(TupleTableSlot *row, int column, bool *isnull)
{
	bool		null;
	Datum		value = slot_getattr(row,
									 catalog_column(APPOINTMENTS, column),
									 &null);

	if (null)
		*isnull = true;
	return value;
}

/*
 * The row's first part: its own id, or what it is a part of.
 */
static int64
head_of(TupleTableSlot *row)
{
	bool		is_head = false;
	int64		part_of = DatumGetInt64(appointment_value(row, APPT_PART_OF,
														  &is_head));

	return is_head ?
		DatumGetInt64(appointment_value(row, APPT_ID, &is_head)) : part_of;
}

/*
 * Whether that status occupies time now; expires_at DT_NOEND: never.
 */
bool
status_is_live(const char *status, TimestampTz expires_at)
{
	return strcmp(status, "confirmed") == 0 ||
		strcmp(status, "checked_in") == 0 ||
		(strcmp(status, "pending") == 0 && expires_at > booking_now());
}

/* ---- entries and their rows ---- */

static void
start_reading(BusyReader *reader, Relation appointments, Relation index,
			  Snapshot snapshot)
{
	memset(reader, 0, sizeof(*reader));
	reader->appointments = appointments;
	reader->index = index;
	reader->snapshot = snapshot;
	reader->leaves = leaves_open(appointments, index, snapshot);
	reader->vm_buffer = InvalidBuffer;
	reader->now = booking_now();
}

static void
stop_reading(BusyReader *reader)
{
	leaves_release(reader->leaves);
	if (BufferIsValid(reader->vm_buffer))
		ReleaseBuffer(reader->vm_buffer);
	if (reader->fetch == NULL)
		return;
	table_index_fetch_end(reader->fetch);
	ExecDropSingleTupleTableSlot(reader->slot);
}

/*
 * Fetches the next version of the row at *row that the snapshot sees into
 * reader->slot; *goes_on, false at first, says whether there may be more.
 */
static bool
fetch_version(BusyReader *reader, ItemPointer row, bool *goes_on)
{
	bool		all_dead = false;

	if (reader->fetch == NULL)
	{
		reader->slot = table_slot_create(reader->appointments, NULL);
		reader->fetch = table_index_fetch_begin(reader->appointments);
	}
	pgstat_count_heap_fetch(reader->index);
	if (table_index_fetch_tuple(reader->fetch, row, reader->snapshot,
								reader->slot, goes_on, &all_dead))
		return true;
	if (all_dead)
		reader->dead_count++;
	return false;
}

/*
 * Keys for the entries of a barber that begin in (after, before).
 */
static void
set_keys(ScanKey keys, int64 barber_id, TimestampTz after, TimestampTz before)
{
	ScanKeyInit(&keys[0], INDEX_BARBER_ID, BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum(barber_id));
	ScanKeyInit(&keys[1], INDEX_BUSY_FROM, BTLessStrategyNumber,
				F_TIMESTAMPTZ_LT, TimestampTzGetDatum(before));
	ScanKeyInit(&keys[2], INDEX_BUSY_FROM, BTGreaterStrategyNumber,
				F_TIMESTAMPTZ_GT, TimestampTzGetDatum(after));
}

/*
 * After a range was read: if many entries were dead, goes over it by the
 * general scan, which marks them so that nobody looks at their rows again.
 */
static void
mark_dead(BusyReader *reader, int64 barber_id, TimestampTz after,
		  TimestampTz before)
{
	ScanKeyData keys[3];
	IndexScanDesc scan;

	if (reader->dead_count < MANY_DEAD)
		return;
	reader->dead_count = 0;
	scan = booking_index_beginscan(reader->appointments, reader->index,
								   reader->snapshot, 3);
	set_keys(keys, barber_id, after, before);
	index_rescan(scan, keys, 3, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, reader->slot))
		CHECK_FOR_INTERRUPTS();
	index_endscan(scan);
}

/* ---- the caller's snapshot ---- */

/*
 * Starts reading busy time, for any number of barbers.
 */
BusyReader *
busy_open(void)
{
	BusyReader *reader = palloc(sizeof(BusyReader));
	Relation	appointments = catalog_open(APPOINTMENTS, AccessShareLock);

	start_reading(reader, appointments,
				  catalog_open_index(AVAILABILITY_INDEX, AccessShareLock),
				  GetActiveSnapshot());
	return reader;
}

/*
 * Keeps the locks until the transaction ends, as a query does: the next call
 * of a statement finds them held.
 */
void
busy_close(BusyReader *reader)
{
	stop_reading(reader);
	index_close(reader->index, NoLock);
	table_close(reader->appointments, NoLock);
}

static bool
fetch_row(BusyReader *reader, const LeafEntry *entry)
{
	ItemPointerData row = entry->row;
	bool		goes_on = false;

	return fetch_version(reader, &row, &goes_on);
}

/*
 * Whether the snapshot sees the row.  The heap is visited only if its page is
 * not known to be visible to all.
 */
static bool
row_is_visible(BusyReader *reader, const LeafEntry *entry)
{
	BlockNumber block = ItemPointerGetBlockNumber(&entry->row);

	if (block == reader->visible_block)
		return true;
	if (!VM_ALL_VISIBLE(reader->appointments, block, &reader->vm_buffer))
		return fetch_row(reader, entry);
	PredicateLockPage(reader->appointments, block, reader->snapshot);
	reader->visible_block = block;
	return true;
}

static void
count_in_group(GroupList *list, TimestampTz starts_at, const Span *busy)
{
	SeatGroup	   *group;

	for (int i = list->count - 1; i >= 0; i--)
	{
		group = &list->groups[i];
		if (group->busy.from != busy->from)
			break;
		if (group->starts_at == starts_at &&
			group->busy.until == busy->until)
		{
			group->taken++;
			return;
		}
	}
	if (list->count == list->capacity)
		list->groups = grow_array(list->groups, &list->capacity,
								  list->count + 1, sizeof(SeatGroup));
	group = &list->groups[list->count++];
	group->starts_at = starts_at;
	group->busy = *busy;
	group->taken = 1;
}

/*
 * Whether the filter keeps a row that the snapshot sees, which takes the row
 * itself, and counts it in its group.
 */
static bool
filter_row(BusyReader *reader, const LeafEntry *entry, BusyFilter *filter)
{
	TupleTableSlot *row;
	bool		isnull = false;

	if (!fetch_row(reader, entry))
		return false;
	row = reader->slot;
	if (filter->head_id != 0 && head_of(row) == filter->head_id)
		return false;
	if (filter->service_id != 0 &&
		DatumGetInt64(appointment_value(row, APPT_SERVICE_ID, &isnull)) ==
		filter->service_id)
		count_in_group(&filter->groups,
					   DatumGetTimestampTz(appointment_value(row,
															 APPT_STARTS_AT,
															 &isnull)),
					   &entry->busy);
	return true;
}

/*
 * Adds the live busy spans of a barber that meet [from, until), whole, to an
 * empty list, normalized.  A filter leaves some out, and lists groups besides.
 */
void
busy_read(BusyReader *reader, int64 barber_id, TimestampTz from,
		  TimestampTz until, BusyFilter *filter, SpanList *busy)
{
	TimestampTz after = from - LONGEST_BUSY;
	const LeafEntries *entries;

	for (entries = leaves_first(reader->leaves, barber_id, after, until);
		 entries != NULL; entries = leaves_next(reader->leaves))
	{
		/* what was asked before this page was read says nothing of it */
		reader->visible_block = InvalidBlockNumber;
		for (int i = 0; i < entries->count; i++)
		{
			const LeafEntry *entry = &entries->rows[i];

			if (entry->busy.until <= from || entry->expires_at <= reader->now)
				continue;
			CHECK_FOR_INTERRUPTS();
			if (filter != NULL ? filter_row(reader, entry, filter) :
				row_is_visible(reader, entry))
				spans_append(busy, entry->busy.from, entry->busy.until);
		}
	}
	leaves_release(reader->leaves);
	mark_dead(reader, barber_id, after, until);
	if (reader->fetch != NULL)
		table_index_fetch_reset(reader->fetch);
}

/*
 * Calls back for each appointment of a barber that the caller's snapshot sees
 * and that may meet [from, until): it starts less than two days before it.
 */
void
scan_appointments(int64 barber_id, TimestampTz from, TimestampTz until,
				  RowCallback callback, void *state)
{
	Relation	rel = catalog_open(APPOINTMENTS, AccessShareLock);
	Relation	index = catalog_open_index(BARBER_DATE_INDEX,
										   AccessShareLock);
	AttrNumber	starts_at = catalog_column(APPOINTMENTS, APPT_STARTS_AT);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	row;

	ScanKeyInit(&keys[0], catalog_column(APPOINTMENTS, APPT_BARBER_ID),
				BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(barber_id));
	ScanKeyInit(&keys[1], starts_at, BTGreaterStrategyNumber,
				F_TIMESTAMPTZ_GT, TimestampTzGetDatum(from - LONGEST_BUSY));
	ScanKeyInit(&keys[2], starts_at, BTLessStrategyNumber,
				F_TIMESTAMPTZ_LT, TimestampTzGetDatum(until));
	scan = systable_beginscan(rel, RelationGetRelid(index), true,
							  GetActiveSnapshot(), 3, keys);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		callback(row, RelationGetDescr(rel), state);
	}
	systable_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/* ---- everybody's present rows ---- */

/*
 * What the row that a dirty snapshot just returned means: another transaction
 * may still be inserting it, or deleting it.  One that is being updated has
 * its deleter to wait for, whose new version is looked at after that.
 */
static ProbeResult
row_state(const SnapshotData *dirty, Holder *holder)
{
	holder->speculative_token = 0;
	if (TransactionIdIsValid(dirty->xmin))
	{
		holder->xid = dirty->xmin;
		holder->speculative_token = dirty->speculativeToken;
		return PROBE_IN_PROGRESS;
	}
	if (TransactionIdIsValid(dirty->xmax))
	{
		holder->xid = dirty->xmax;
		return PROBE_IN_PROGRESS;
	}
	return PROBE_TAKEN;
}

/*
 * Counts a row of a dirty scan, once: of one that is being updated, or was
 * while the scan went on, several versions may come by.
 */
void
tally_row(Tally *tally, int64 id, ProbeResult state, const Holder *holder)
{
	int			count = tally->committed + tally->in_progress;

	for (int i = 0; i < count; i++)
	{
		if (tally->ids[i] == id)
			return;
	}
	if (count == tally->capacity)
		tally->ids = grow_array(tally->ids, &tally->capacity, count + 1,
								sizeof(int64));
	tally->ids[count] = id;
	if (state == PROBE_TAKEN)
		tally->committed++;
	else if (tally->in_progress++ == 0 ||
			 TransactionIdFollows(holder->xid, tally->youngest.xid))
		tally->youngest = *holder;
}

/*
 * Whether one more than what was counted would be more than "most" now, or may
 * be, as the holder's transaction ends.
 */
ProbeResult
tally_result(const Tally *tally, int most, Holder *holder)
{
	if (tally->committed >= most)
		return PROBE_TAKEN;
	if (tally->committed + tally->in_progress < most)
		return PROBE_FREE;
	*holder = tally->youngest;
	return PROBE_IN_PROGRESS;
}

static bool
is_own(const Occupant *occupant, TupleTableSlot *row)
{
	bool		isnull = false;

	if (occupant->head_id != 0)
		return head_of(row) == occupant->head_id;
	return occupant->has_id &&
		DatumGetInt64(appointment_value(row, APPT_ID, &isnull)) ==
		occupant->id;
}

/*
 * Whether the row shares the occupant's time as one of a group would.
 */
static bool
is_seat(const Occupant *occupant, const Span *busy, TupleTableSlot *row)
{
	bool		isnull = false;

	return busy->from == occupant->busy.from &&
		busy->until == occupant->busy.until &&
		DatumGetInt64(appointment_value(row, APPT_SERVICE_ID, &isnull)) ==
		occupant->service_id &&
		DatumGetTimestampTz(appointment_value(row, APPT_STARTS_AT,
											  &isnull)) ==
		occupant->starts_at;
}

/*
 * Goes through all present versions of an entry's row.
 */
static ProbeResult
probe_row(BusyReader *reader, const LeafEntry *entry,
		  const Occupant *occupant, Tally *seats, Holder *holder)
{
	ItemPointerData row = entry->row;
	bool		goes_on = false;
	ProbeResult result = PROBE_FREE;

	do
	{
		Holder		found;
		ProbeResult state;

		if (!fetch_version(reader, &row, &goes_on))
			break;
		state = row_state(reader->snapshot, &found);
		if (is_own(occupant, reader->slot))
			continue;
		if (is_seat(occupant, &entry->busy, reader->slot))
		{
			bool		isnull = false;

			tally_row(seats,
					  DatumGetInt64(appointment_value(reader->slot, APPT_ID,
													  &isnull)),
					  state, &found);
			continue;
		}
		if (state == PROBE_TAKEN)
			return PROBE_TAKEN;
		result = state;
		*holder = found;
	} while (goes_on);
	return result;
}

/*
 * The same for a page of entries.
 */
static ProbeResult
probe_rows(BusyReader *reader, const LeafEntries *entries,
		   const Occupant *occupant, Tally *seats, Holder *holder)
{
	ProbeResult result = PROBE_FREE;

	for (int i = 0; i < entries->count && result != PROBE_TAKEN; i++)
	{
		const LeafEntry *entry = &entries->rows[i];
		ProbeResult state;

		if (entry->busy.until <= occupant->busy.from ||
			entry->expires_at <= reader->now)
			continue;
		CHECK_FOR_INTERRUPTS();
		state = probe_row(reader, entry, occupant, seats, holder);
		if (state != PROBE_FREE)
			result = state;
	}
	return result;
}

/*
 * Whether a live appointment of the barber, other than the occupant's own,
 * overlaps its busy time now: committed (or our own transaction's), or of a
 * transaction still in progress, which *holder then names.  Those that could
 * be of its group are counted instead.
 */
ProbeResult
probe_overlap(Relation appointments, Relation index,
			  const Occupant *occupant, Tally *seats, Holder *holder)
{
	TimestampTz after = occupant->busy.from - LONGEST_BUSY;
	TimestampTz before = occupant->busy.until;
	SnapshotData dirty;
	BusyReader	reader;
	const LeafEntries *entries;
	ProbeResult result = PROBE_FREE;

	InitDirtySnapshot(dirty);
	start_reading(&reader, appointments, index, &dirty);
	for (entries = leaves_first(reader.leaves, occupant->barber_id, after,
								before);
		 entries != NULL && result != PROBE_TAKEN;
		 entries = leaves_next(reader.leaves))
	{
		ProbeResult state = probe_rows(&reader, entries, occupant, seats,
									   holder);

		if (state != PROBE_FREE)
			result = state;
	}
	leaves_release(reader.leaves);
	mark_dead(&reader, occupant->barber_id, after, before);
	stop_reading(&reader);
	return result;
}

/*
 * Whether an appointment has that idempotency key now: committed, and then
 * copied into *found, or of a transaction still in progress.
 */
ProbeResult
probe_key(Relation appointments, Relation index, const char *key,
		  TupleTableSlot *found, Holder *holder)
{
	SnapshotData dirty;
	ScanKeyData scan_key;
	IndexScanDesc scan;
	ProbeResult result = PROBE_FREE;

	InitDirtySnapshot(dirty);
	ScanKeyEntryInitialize(&scan_key, 0, 1, BTEqualStrategyNumber, TEXTOID,
						   index->rd_indcollation[0], F_TEXTEQ,
						   CStringGetTextDatum(key));
	scan = booking_index_beginscan(appointments, index, &dirty, 1);
	index_rescan(scan, &scan_key, 1, NULL, 0);
	while (result != PROBE_TAKEN &&
		   index_getnext_slot(scan, ForwardScanDirection, found))
	{
		CHECK_FOR_INTERRUPTS();
		result = row_state(&dirty, holder);
	}
	if (result == PROBE_TAKEN)
		ExecMaterializeSlot(found);
	else
		ExecClearTuple(found);
	index_endscan(scan);
	return result;
}

/*
 * Calls back for each row under some keys of an index that is there now,
 * committed or of a transaction still in progress.
 */
static void
scan_dirty(Relation appointments, IndexId index_id, ScanKey keys, int key_count,
		   DirtyCallback callback, void *arg)
{
	Relation	index = catalog_open_index(index_id, RowExclusiveLock);
	TupleTableSlot *row = table_slot_create(appointments, NULL);
	SnapshotData dirty;
	IndexScanDesc scan;

	InitDirtySnapshot(dirty);
	scan = booking_index_beginscan(appointments, index, &dirty, key_count);
	index_rescan(scan, keys, key_count, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, row))
	{
		Holder		holder;
		ProbeResult state = row_state(&dirty, &holder);

		CHECK_FOR_INTERRUPTS();
		callback(row, state, &holder, arg);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
	index_close(index, RowExclusiveLock);
}

/*
 * Everybody's present rows of a user that may be live.
 */
void
scan_user_dirty(Relation appointments, int64 user_id,
				DirtyCallback callback, void *arg)
{
	static const char *const statuses[] = {"pending", "confirmed", "checked_in"};

	for (int i = 0; i < (int) lengthof(statuses); i++)
	{
		ScanKeyData keys[2];

		ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
					Int64GetDatum(user_id));
		ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, TEXTOID,
							   DEFAULT_COLLATION_OID, F_TEXTEQ,
							   CStringGetTextDatum(statuses[i]));
		scan_dirty(appointments, USER_STATUS_INDEX, keys, 2, callback, arg);
	}
}

/*
 * Everybody's present rows of a barber that start in [from, until).
 */
void
scan_barber_dirty(Relation appointments, int64 barber_id, TimestampTz from,
				  TimestampTz until, DirtyCallback callback, void *arg)
{
	ScanKeyData keys[3];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(barber_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	ScanKeyInit(&keys[2], 2, BTLessStrategyNumber, F_TIMESTAMPTZ_LT,
				TimestampTzGetDatum(until));
	scan_dirty(appointments, BARBER_DATE_INDEX, keys, 3, callback, arg);
}
