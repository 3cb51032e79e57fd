/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Dirty-snapshot lookups: rows that are committed or in progress.
 *
 * The guard asks with a dirty snapshot, in the manner of
 * check_exclusion_or_unique_constraint(), for the rows of a busy time, a key, a
 * customer or a day.  Whoever is still inserting or deleting a row is named,
 * to be waited for.
 *
 * A look finds every row that counts in some version all the time that the
 * look lasts: the versions that its index entries lead to, and where none of
 * those is left, the one that replaced them (versions.c).  Rows that come to
 * count while it lasts it may miss; whoever writes them looks after that.
 * So what is judged is a version as it is when it is read, by all that it says:
 * a successor may be another barber's, another customer's, or over.
 *
 * The same scans take an MVCC snapshot, for a count that is true of one moment:
 * a dirty one may meet rows of one transaction before and after its commit.
 *
 * Callers hold RowExclusiveLock on appointments, and have an active snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/subtrans.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

/*
 * Registers a snapshot of this moment, for a count that is true of it.  It sees
 * all that our own transaction has done, by the current command too.
 */
Snapshot
probe_register_snapshot(void)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	snapshot->curcid = InvalidCommandId;
	return snapshot;
}

/* ---- who is still writing ---- */

/*
 * What the version that a snapshot just returned means.  To a dirty snapshot
 * another transaction may still be inserting it, or deleting it.  Of a row
 * that is being updated both versions come by.
 */
static ProbeResult
version_state(const SnapshotData *snapshot, Holder *holder)
{
	memset(holder, 0, sizeof(*holder));
	if (snapshot->snapshot_type != SNAPSHOT_DIRTY)
		return PROBE_TAKEN;
	if (TransactionIdIsValid(snapshot->xmin))
	{
		holder->xid = snapshot->xmin;
		holder->speculative_token = snapshot->speculativeToken;
		return PROBE_IN_PROGRESS;
	}
	if (TransactionIdIsValid(snapshot->xmax))
	{
		holder->xid = snapshot->xmax;
		holder->is_deleter = true;
		return PROBE_IN_PROGRESS;
	}
	return PROBE_TAKEN;
}

/*
 * The transaction whose age decides between two who wait: the top one.
 */
TransactionId
holder_age(const Holder *holder)
{
	return SubTransGetTopmostTransaction(holder->xid);
}

/*
 * Of several holders, the one that decides: who inserts for good, then who
 * deletes, then a speculative inserter, who will decide for himself.
 */
static int
holder_rank(const Holder *holder)
{
	if (holder->speculative_token != 0)
		return 0;
	return holder->is_deleter ? 1 : 2;
}

/*
 * Of those of one rank the oldest.  Speculative rows are older or younger as the
 * server's own exclusion constraints have it: by who inserts them, which may be
 * a subtransaction.
 */
static bool
is_older(const Holder *holder, const Holder *other)
{
	if (holder->speculative_token != 0)
		return TransactionIdPrecedes(holder->xid, other->xid);
	return TransactionIdPrecedes(holder_age(holder), holder_age(other));
}

static void
note_holder(Holder *noted, ProbeResult *result, const Holder *found)
{
	if (*result != PROBE_IN_PROGRESS ||
		holder_rank(found) > holder_rank(noted) ||
		(holder_rank(found) == holder_rank(noted) &&
		 is_older(found, noted)))
		*noted = *found;
	*result = PROBE_IN_PROGRESS;
}

/* ---- counting ---- */

/*
 * Adds a version to a tally.
 */
void
tally_row(Tally *tally, int64 id, ProbeResult state, const Holder *holder)
{
	Counted    *row;

	if (tally->count == tally->capacity)
		tally->rows = grow_array(tally->rows, &tally->capacity,
								 tally->count + 1, sizeof(Counted));
	row = &tally->rows[tally->count++];
	row->id = id;
	row->is_committed = state == PROBE_TAKEN;
	row->holder = *holder;
}

/*
 * By id; of one row's versions the one that says most comes first.
 */
static int
compare_counted(const void *a, const void *b)
{
	const Counted *x = a;
	const Counted *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->is_committed != y->is_committed)
		return x->is_committed ? -1 : 1;
	return holder_rank(&y->holder) - holder_rank(&x->holder);
}

static void
merge_versions(Tally *tally)
{
	int			kept = 0;

	if (tally->count > 1)
		qsort(tally->rows, tally->count, sizeof(Counted), compare_counted);
	for (int i = 0; i < tally->count; i++)
	{
		if (kept == 0 || tally->rows[i].id != tally->rows[kept - 1].id)
			tally->rows[kept++] = tally->rows[i];
	}
	tally->count = kept;
}

/*
 * The one to wait for: a speculative inserter; else, if the rows that stay are
 * as many as there may be even without those that are being deleted, the
 * youngest inserter; else a deleter.
 */
static const Holder *
tally_holder(const Tally *tally, bool inserters_decide)
{
	const Holder *best = NULL;

	for (int i = 0; i < tally->count; i++)
	{
		const Counted *row = &tally->rows[i];

		if (row->is_committed)
			continue;
		if (row->holder.speculative_token != 0)
			return &row->holder;
		if (row->holder.is_deleter == inserters_decide)
			continue;
		if (best == NULL || TransactionIdFollows(holder_age(&row->holder),
												 holder_age(best)))
			best = &row->holder;
	}
	Assert(best != NULL);
	return best;
}

/*
 * Whether one more row than were counted would be more than "most" now, or may
 * be, as the holder's transaction ends.
 */
ProbeResult
tally_result(Tally *tally, int most, Holder *holder)
{
	int			committed = 0;
	int			inserting = 0;

	merge_versions(tally);
	for (int i = 0; i < tally->count; i++)
	{
		if (tally->rows[i].is_committed)
			committed++;
		else if (!tally->rows[i].holder.is_deleter)
			inserting++;
	}
	if (committed >= most)
		return PROBE_TAKEN;
	if (tally->count < most)
		return PROBE_FREE;
	*holder = *tally_holder(tally, committed + inserting >= most);
	return PROBE_IN_PROGRESS;
}

/* ---- overlaps ---- */

/*
 * Whether the row shares the occupant's time as one of a group would.
 */
static bool
is_seat(const Occupant *occupant, const Span *busy, TupleTableSlot *row)
{
	bool		isnull = false;

	return occupant->service_id != 0 &&
		busy->from == occupant->busy.from &&
		busy->until == occupant->busy.until &&
		DatumGetInt64(appointment_value(row, APPT_SERVICE_ID, &isnull)) ==
		occupant->service_id &&
		DatumGetTimestampTz(appointment_value(row, APPT_STARTS_AT,
											  &isnull)) ==
		occupant->starts_at;
}

/*
 * Whether a version still occupies time of the barber that the occupant wants.
 */
static bool
still_overlaps(const Occupation *row, const Occupant *occupant)
{
	return occupation_is_live(row) && row->barber_id == occupant->barber_id &&
		row->busy.until > occupant->busy.from &&
		row->busy.from < occupant->busy.until;
}

/*
 * Whether the transaction that replaces the version in reader->slot keeps it in
 * the occupant's way.
 */
static bool
keeps_time(BusyReader *reader, const Occupant *occupant)
{
	TupleTableSlot *next = table_slot_create(reader->appointments, NULL);
	Occupation	row;
	bool		result = false;

	if (version_next(reader->appointments, reader->slot, reader->snapshot,
					 next))
	{
		read_occupation(next, &row);
		result = still_overlaps(&row, occupant);
	}
	ExecDropSingleTupleTableSlot(next);
	return result;
}

/*
 * Whether a row in progress has the occupant's idempotency key.  The entry of
 * the occupant's own is in the unique index without a conflict, so the other
 * row will not be committed unless this one is gone: it is nobody to wait for,
 * and two who repeat one request do not take each other back.
 */
static bool
has_same_key(const Occupant *occupant, TupleTableSlot *row)
{
	const IdempotencyKey *key;

	if (occupant->key == NULL)
		return false;
	key = key_of_row(row);
	return key != NULL && is_same_key(key, occupant->key) &&
		OidIsValid(catalog_index_id(IDEMPOTENCY_INDEX));
}

/*
 * Judges the version in reader->slot, which overlaps.
 */
static void
judge_version(BusyReader *reader, const Span *busy, const Occupant *occupant,
			  Tally *seats, ProbeResult *result, Holder *holder)
{
	bool		isnull = false;
	int64		id = DatumGetInt64(appointment_value(reader->slot, APPT_ID,
													 &isnull));
	Holder		found;
	ProbeResult state = version_state(reader->snapshot, &found);

	if (id_is_listed(&occupant->own, id) ||
		(state == PROBE_IN_PROGRESS && has_same_key(occupant, reader->slot)))
		return;
	if (found.is_deleter && keeps_time(reader, occupant))
		found.is_deleter = false;
	if (is_seat(occupant, busy, reader->slot))
		tally_row(seats, id, state, &found);
	else if (state == PROBE_TAKEN)
		*result = PROBE_TAKEN;
	else
		note_holder(holder, result, &found);
}

/*
 * Judges the version that replaced those of an entry, if it still overlaps.
 */
static void
judge_successor(BusyReader *reader, const LeafEntry *entry,
				const Occupant *occupant, Tally *seats, ProbeResult *result,
				Holder *holder)
{
	Occupation	row;

	if (reader->snapshot->snapshot_type != SNAPSHOT_DIRTY ||
		!version_follow(reader->appointments, &entry->row, reader->snapshot,
						reader->slot))
		return;
	read_occupation(reader->slot, &row);
	if (still_overlaps(&row, occupant))
		judge_version(reader, &row.busy, occupant, seats, result, holder);
}

static void
probe_entry(BusyReader *reader, const LeafEntry *entry,
			const Occupant *occupant, Tally *seats, ProbeResult *result,
			Holder *holder)
{
	ItemPointerData row = entry->row;
	bool		goes_on = false;
	bool		is_seen = false;

	while (*result != PROBE_TAKEN && busy_fetch(reader, &row, &goes_on))
	{
		is_seen = true;
		judge_version(reader, &entry->busy, occupant, seats, result, holder);
		if (!goes_on)
			break;
	}
	if (!is_seen && *result != PROBE_TAKEN)
		judge_successor(reader, entry, occupant, seats, result, holder);
}

static void
probe_entries(BusyReader *reader, const LeafEntries *entries,
			  const Occupant *occupant, Tally *seats, ProbeResult *result,
			  Holder *holder)
{
	for (int i = 0; i < entries->count && *result != PROBE_TAKEN; i++)
	{
		const LeafEntry *entry = &entries->rows[i];

		if (entry->busy.until <= occupant->busy.from ||
			entry->expires_at <= reader->now ||
			ItemPointerCompare((ItemPointer) &entry->row,
							   (ItemPointer) &occupant->stored) == 0 ||
			(reader->snapshot->snapshot_type == SNAPSHOT_DIRTY &&
			 version_is_own_dead(&entry->row)))
			continue;
		CHECK_FOR_INTERRUPTS();
		probe_entry(reader, entry, occupant, seats, result, holder);
	}
}

/*
 * Whether a live appointment of the barber, other than the occupant's own,
 * overlaps its busy time: committed (or our own transaction's), or of a
 * transaction still in progress, which *holder then names.  Those that could
 * be of its group are counted instead.  Snapshot NULL: a dirty one.
 */
ProbeResult
probe_overlap(Relation appointments, Relation index, Snapshot snapshot,
			  const Occupant *occupant, Tally *seats, Holder *holder)
{
	TimestampTz after = occupant->busy.from - LONGEST_BUSY;
	TimestampTz before = occupant->busy.until;
	SnapshotData dirty;
	BusyReader	reader;
	const LeafEntries *entries;
	ProbeResult result = PROBE_FREE;

	Assert(ActiveSnapshotSet());
	Assert(occupant->busy.from <= occupant->busy.until);
	InitDirtySnapshot(dirty);
	busy_start(&reader, appointments, index,
			   snapshot != NULL ? snapshot : &dirty);
	for (entries = leaves_first(reader.leaves, occupant->barber_id, after,
								before);
		 entries != NULL && result != PROBE_TAKEN;
		 entries = leaves_next(reader.leaves))
		probe_entries(&reader, entries, occupant, seats, &result, holder);
	leaves_release(reader.leaves);
	busy_mark_dead(&reader, occupant->barber_id, after, before);
	busy_stop(&reader);
	return result;
}

/* ---- the general scan ---- */

/*
 * Fetches the versions of the entry that a scan is at, and calls back for each;
 * where there is none left, for the one that replaced them.
 */
static void
visit_versions(IndexScanDesc scan, TupleTableSlot *row,
			   VersionCallback callback, void *arg)
{
	Snapshot	snapshot = scan->xs_snapshot;
	ItemPointerData entry = scan->xs_heaptid;
	bool		is_seen = false;
	Holder		holder;
	ProbeResult state;

	while (index_fetch_heap(scan, row))
	{
		is_seen = true;
		state = version_state(snapshot, &holder);
		callback(row, state, &holder, arg);
		if (!scan->xs_heap_continue)
			break;
	}
	if (!is_seen && snapshot->snapshot_type == SNAPSHOT_DIRTY &&
		version_follow(scan->heapRelation, &entry, snapshot, row))
	{
		state = version_state(snapshot, &holder);
		callback(row, state, &holder, arg);
	}
}

/*
 * Calls back for each version under some keys of an index.  Snapshot NULL: a
 * dirty one.  The callback asks whether a version is still under the keys.
 */
static void
scan_versions(Relation appointments, Relation index, Snapshot snapshot,
			  ScanKey keys, int key_count, VersionCallback callback,
			  void *arg)
{
	TupleTableSlot *row = table_slot_create(appointments, NULL);
	bool		is_dirty = snapshot == NULL;
	SnapshotData dirty;
	IndexScanDesc scan;

	Assert(ActiveSnapshotSet());
	InitDirtySnapshot(dirty);
	scan = booking_index_beginscan(appointments, index,
								   snapshot != NULL ? snapshot : &dirty,
								   key_count);
	index_rescan(scan, keys, key_count, NULL, 0);
	while (index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		booking_injection_point("booking-entries-copied");
		if (is_dirty && version_is_own_dead(&scan->xs_heaptid))
			continue;
		visit_versions(scan, row, callback, arg);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(row);
}

typedef struct KeySearch
{
	const IdempotencyKey *key;
	TupleTableSlot *found;
	ProbeResult result;
	Holder	   *holder;
} KeySearch;

static void
match_key(TupleTableSlot *row, ProbeResult state, const Holder *holder,
		  void *arg)
{
	KeySearch  *search = arg;
	const IdempotencyKey *key = key_of_row(row);

	if (search->result == PROBE_TAKEN || key == NULL ||
		!is_same_key(key, search->key))
		return;
	if (state == PROBE_TAKEN)
	{
		search->result = PROBE_TAKEN;
		if (search->found != NULL)
		{
			ExecCopySlot(search->found, row);
			ExecMaterializeSlot(search->found);
		}
	}
	else
		note_holder(search->holder, &search->result, holder);
}

static void
set_id_key(ScanKey scan_key, AttrNumber column, bool has_id, int64 id)
{
	if (has_id)
		ScanKeyInit(scan_key, column, BTEqualStrategyNumber, F_INT8EQ,
					Int64GetDatum(id));
	else
		ScanKeyEntryInitialize(scan_key, SK_ISNULL | SK_SEARCHNULL, column,
							   InvalidStrategy, InvalidOid, InvalidOid,
							   InvalidOid, (Datum) 0);
}

/*
 * Whether an appointment has that idempotency key: committed, and then copied
 * into *found, unless that is NULL; or of a transaction still in progress.
 */
ProbeResult
probe_key(Relation appointments, const IdempotencyKey *key,
		  TupleTableSlot *found, Holder *holder)
{
	Relation	index = catalog_open_index(IDEMPOTENCY_INDEX,
										   RowExclusiveLock);
	KeySearch	search = {
		.key = key,
		.found = found,
		.result = PROBE_FREE,
		.holder = holder
	};
	ScanKeyData keys[3];

	if (found != NULL)
		ExecClearTuple(found);
	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, TEXTOID,
						   index->rd_indcollation[0], F_TEXTEQ,
						   CStringGetTextDatum(key->text));
	set_id_key(&keys[1], 2, key->has_shop, key->shop_id);
	set_id_key(&keys[2], 3, key->has_user, key->user_id);
	scan_versions(appointments, index, NULL, keys, 3, match_key, &search);
	index_close(index, NoLock);
	return search.result;
}

/*
 * The rows of a user that may be live.
 */
void
scan_user_versions(Relation appointments, Snapshot snapshot, int64 user_id,
				   VersionCallback callback, void *arg)
{
	static const char *const statuses[] = {"pending", "confirmed", "checked_in"};
	Relation	index = catalog_open_index(USER_STATUS_INDEX,
										   RowExclusiveLock);

	for (int i = 0; i < (int) lengthof(statuses); i++)
	{
		ScanKeyData keys[2];

		ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
					Int64GetDatum(user_id));
		ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, TEXTOID,
							   index->rd_indcollation[1], F_TEXTEQ,
							   CStringGetTextDatum(statuses[i]));
		scan_versions(appointments, index, snapshot, keys, 2, callback, arg);
	}
	index_close(index, NoLock);
}

/*
 * The rows of a barber that start in [from, until).
 */
void
scan_barber_versions(Relation appointments, Snapshot snapshot,
					 int64 barber_id, TimestampTz from, TimestampTz until,
					 VersionCallback callback, void *arg)
{
	Relation	index = catalog_open_index(BARBER_DATE_INDEX,
										   RowExclusiveLock);
	ScanKeyData keys[3];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(barber_id));
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(from));
	ScanKeyInit(&keys[2], 2, BTLessStrategyNumber, F_TIMESTAMPTZ_LT,
				TimestampTzGetDatum(until));
	scan_versions(appointments, index, snapshot, keys, 3, callback, arg);
	index_close(index, NoLock);
}
