/*-------------------------------------------------------------------------
 *
 * occupancy.c
 *	  What appointments occupy, as the caller's snapshot sees it.
 *
 * It is read from idx_appointments_availability_check, which holds all that is
 * needed (barber, busy range, expiry of a hold), and only rows whose status is
 * live: an index-only scan in the manner of nodeIndexonlyscan.c, over the leaf
 * pages as leaves.c reads them.  It relies on nothing but the CHECK that a busy
 * range spans two days at most.  A snapshot that the index does not serve
 * (catalog_index_serves) has the table read instead.
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
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"
#include "compat.h"

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
	if (reader->leaves != NULL)
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
 * After a range was read: if many entries were dead, goes over it by the
 * general scan, which marks them so that nobody looks at their rows again.
 */
void
busy_mark_dead(BusyReader *reader, int64 barber_id, TimestampTz after,
			   TimestampTz before)
{
	IndexScanDesc scan;

	if (reader->dead_count < MANY_DEAD)
		return;
	reader->dead_count = 0;
	scan = general_begin(reader->appointments, reader->index, reader->snapshot,
						 barber_id, after, before);
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
	Relation	index = catalog_open_index(AVAILABILITY_INDEX,
										   AccessShareLock);

	Assert(IsMVCCSnapshot(GetActiveSnapshot()));
	busy_start(reader, appointments, index, GetActiveSnapshot());
	if (!catalog_index_serves(AVAILABILITY_INDEX, reader->snapshot))
		reader->leaves = NULL;
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

	Assert(BlockNumberIsValid(block));
	if (block == reader->visible_block)
		return true;
	if (!VM_ALL_VISIBLE(reader->appointments, block, &reader->vm_buffer))
		return fetch_row(reader, entry);
	PredicateLockPage(reader->appointments, block, reader->snapshot);
	reader->visible_block = block;
	return true;
}

/*
 * Whether a row is one of those that move with an appointment.
 */
static bool
is_moved(const Moved *moved, TupleTableSlot *row)
{
	bool		isnull = false;

	return id_is_listed(&moved->rows,
						DatumGetInt64(appointment_value(row, APPT_ID,
														&isnull)));
}

static void
count_in_group(GroupList *list, TimestampTz starts_at, const Span *busy)
{
	SeatGroup	   *group;

	for (int i = list->count - 1; i >= 0; i--)
	{
		group = &list->groups[i];
		CHECK_FOR_INTERRUPTS();
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
 * Whether the filter keeps the row in the slot, which it then counts in its
 * group.
 */
static bool
filter_row(TupleTableSlot *row, const Span *busy, BusyFilter *filter)
{
	bool		isnull = false;

	if (filter->moved != NULL && is_moved(filter->moved, row))
		return false;
	if (filter->service_id != 0 &&
		DatumGetInt64(appointment_value(row, APPT_SERVICE_ID, &isnull)) ==
		filter->service_id)
		count_in_group(&filter->groups,
					   DatumGetTimestampTz(appointment_value(row,
															 APPT_STARTS_AT,
															 &isnull)),
					   busy);
	return true;
}

/*
 * Adds what the entries of a page stand for, if it meets the time from "from".
 */
static void
read_entries(BusyReader *reader, const LeafEntries *entries, TimestampTz from,
			 BusyFilter *filter, SpanList *busy)
{
	/* what was asked before this page was read says nothing of it */
	reader->visible_block = InvalidBlockNumber;
	for (int i = 0; i < entries->count; i++)
	{
		const LeafEntry *entry = &entries->rows[i];

		if (entry->busy.until <= from || entry->expires_at <= reader->now)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (filter != NULL ?
			fetch_row(reader, entry) &&
			filter_row(reader->slot, &entry->busy, filter) :
			row_is_visible(reader, entry))
			spans_append(busy, entry->busy.from, entry->busy.until);
	}
}

/* ---- the table instead of the index ---- */

/* Rows that are live and meet [from, until) */
typedef struct LiveRows
{
	TimestampTz from;
	TimestampTz until;
	TimestampTz now;
	HeapTuple  *rows;
	int			count;
	int			capacity;
} LiveRows;

static TimestampTz
row_instant(HeapTuple row, TupleDesc desc, int column, TimestampTz missing)
{
	bool		isnull;
	Datum		value = row_value(row, desc, APPOINTMENTS, column, &isnull);

	return isnull ? missing : DatumGetTimestampTz(value);
}

static void
collect_live(HeapTuple row, TupleDesc desc, void *state)
{
	LiveRows   *live = state;
	bool		isnull;
	Datum		status = row_value(row, desc, APPOINTMENTS, APPT_STATUS,
								   &isnull);

	if (isnull ||
		row_instant(row, desc, APPT_BUSY_UNTIL, DT_NOBEGIN) <= live->from ||
		row_instant(row, desc, APPT_BUSY_FROM, DT_NOEND) >= live->until ||
		row_instant(row, desc, APPT_HOLD_EXPIRES_AT, DT_NOEND) <= live->now ||
		!status_is_live(TextDatumGetCString(status), DT_NOEND))
		return;
	if (live->count == live->capacity)
		live->rows = grow_array(live->rows, &live->capacity, live->count + 1,
								sizeof(HeapTuple));
	live->rows[live->count++] = heap_copytuple(row);
}

static int
compare_begins(const void *a, const void *b, void *desc)
{
	TimestampTz x = row_instant(*(const HeapTuple *) a, desc, APPT_BUSY_FROM, 0);
	TimestampTz y = row_instant(*(const HeapTuple *) b, desc, APPT_BUSY_FROM, 0);

	return (x > y) - (x < y);
}

/*
 * What busy_read() does, from the table, by whatever index serves the snapshot.
 * An appointment starts within its busy range.
 */
static void
read_table(BusyReader *reader, int64 barber_id, TimestampTz from,
		   TimestampTz until, BusyFilter *filter, SpanList *busy)
{
	TupleDesc	desc = RelationGetDescr(reader->appointments);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	LiveRows	live = {from, until, reader->now};

	scan_appointments(barber_id, from, until + LONGEST_BUSY, collect_live,
					  &live);
	qsort_arg(live.rows, live.count, sizeof(HeapTuple), compare_begins, desc);
	for (int i = 0; i < live.count; i++)
	{
		HeapTuple	row = live.rows[i];
		Span		span = {
			row_instant(row, desc, APPT_BUSY_FROM, 0),
			row_instant(row, desc, APPT_BUSY_UNTIL, 0)
		};

		CHECK_FOR_INTERRUPTS();
		ExecStoreHeapTuple(row, slot, false);
		if (filter == NULL || filter_row(slot, &span, filter))
			spans_append(busy, span.from, span.until);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* ---- busy time ---- */

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

	Assert(busy->count == 0);
	if (reader->leaves == NULL)
	{
		read_table(reader, barber_id, from, until, filter, busy);
		return;
	}
	for (entries = leaves_first(reader->leaves, barber_id, after, until);
		 entries != NULL; entries = leaves_next(reader->leaves))
		read_entries(reader, entries, from, filter, busy);
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
	scan = systable_beginscan(rel, RelationGetRelid(index),
							  catalog_index_serves(BARBER_DATE_INDEX,
												   GetActiveSnapshot()),
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
