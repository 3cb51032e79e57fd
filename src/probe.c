/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  What is there now, committed or not.
 *
 * The guard asks with a dirty snapshot, in the manner of
 * check_exclusion_or_unique_constraint(): of the rows of a busy time, of a key,
 * of a customer or a day.  Whoever is still storing or deleting a row is named,
 * to be waited for.
 *
 * Callers hold RowExclusiveLock on appointments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"
#include "compat.h"

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
		return appointment_head(row) == occupant->head_id;
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

		if (!busy_fetch(reader, &row, &goes_on))
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
	busy_start(&reader, appointments, index, &dirty);
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
	busy_mark_dead(&reader, occupant->barber_id, after, before);
	busy_stop(&reader);
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
