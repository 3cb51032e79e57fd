/*-------------------------------------------------------------------------
 *
 * occupancy.c
 *	  What appointments occupy, as the caller's snapshot sees it.
 *
 * It is read from idx_appointments_availability_check, which holds all that is
 * needed (barber, busy range, expiry of a hold), and only rows whose status is
 * live: an index-only scan in the manner of nodeIndexonlyscan.c, over the leaf
 * pages as leaves.c reads them.  It relies on nothing but the CHECK that a busy
 * range spans two days at most.
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
#include "access/table.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"
#include "compat.h"

/* Columns of the index, as catalog.c has checked them */
#define INDEX_BARBER_ID 1
#define INDEX_BUSY_FROM 2

/*
 * Dead entries that make it worth having them marked: each costs every later
 * reader a look at its row.
 */
#define MANY_DEAD 8

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
int64
appointment_head(TupleTableSlot *row)
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

/*
 * Starts reading with any snapshot, which the caller keeps.
 */
void
busy_start(BusyReader *reader, Relation appointments, Relation index,
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

void
busy_stop(BusyReader *reader)
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
bool
busy_fetch(BusyReader *reader, ItemPointer row, bool *goes_on)
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
void
busy_mark_dead(BusyReader *reader, int64 barber_id, TimestampTz after,
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

	busy_start(reader, appointments,
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
	busy_stop(reader);
	index_close(reader->index, NoLock);
	table_close(reader->appointments, NoLock);
}

static bool
fetch_row(BusyReader *reader, const LeafEntry *entry)
{
	ItemPointerData row = entry->row;
	bool		goes_on = false;

	return busy_fetch(reader, &row, &goes_on);
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
	if (filter->head_id != 0 && appointment_head(row) == filter->head_id)
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
	busy_mark_dead(reader, barber_id, after, until);
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
