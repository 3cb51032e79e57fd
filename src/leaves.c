/*-------------------------------------------------------------------------
 *
 * leaves.c
 *	  Leaf pages of the availability index, read a page at a time.
 *
 * A day of a barber is ten entries of one leaf page, and a month is two or
 * three pages.  The general index scan checks each entry key by key through
 * function calls, copies it, and hands it out by itself; here the entries of a
 * range are taken off their page in one go, as the numbers that they are.
 * bench/NOTES.md has the figures.
 *
 * What is kept of the general scan (nbtree.c, nbtsearch.c):
 *
 * - The tree is descended by the server's own _bt_search(), which deals with
 *	 pages that were split meanwhile.
 * - A page's entries are copied while it is locked, together with the link to
 *	 its right neighbour.  Should it be split after that, what moved to the new
 *	 page has been copied, and the link leads past it.
 * - Pages that are half dead or deleted are passed over.
 * - The page stays pinned until its entries have been dealt with, so that
 *	 VACUUM cannot give their row pointers to other rows before the visibility
 *	 map has been asked about them.
 * - Entries that are marked dead are left out, but not in a transaction that
 *	 began on a standby, where the mark may be ahead of the snapshot.
 * - Each page is locked as SERIALIZABLE transactions need it.
 *
 * Where a range of a barber's was found last is noted: the page, and the buffer
 * that it was in.  If that buffer still has the page, and the page is a live leaf
 * with entries on both sides of the key, the range begins there, whatever has
 * happened meanwhile, and the tree need not be descended.
 *
 * Entries come in ascending order of their begin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/itup.h"
#include "access/nbtree.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/rel.h"

#include "booking.h"
#include "compat.h"

/*
 * The columns of an entry: bigint and timestamptz, eight bytes each, of which
 * but the last are never null.
 */
typedef struct EntryColumns
{
	int64		barber_id;
	TimestampTz busy_from;
	TimestampTz busy_until;
	TimestampTz hold_expires_at;	/* there only if it is not null */
} EntryColumns;

#define HOLD_EXPIRES_AT 4

/* Where ranges began; any that is wrong is found out */
typedef struct LeafHint
{
	Buffer		buffer;
	BlockNumber block;
} LeafHint;

#define HINT_COUNT 16384
#define HINT_STRETCH (4 * USECS_PER_DAY)

static LeafHint hints[HINT_COUNT];

struct LeafScan
{
	Relation	index;
	Relation	appointments;
	Snapshot	snapshot;
	BTScanInsert key;			/* (barber, instant): the first after it */
	bool		skips_dead;
	TimestampTz before;
	Buffer		buffer;			/* pinned: the page that was read last */
	BlockNumber next;			/* its neighbour, or P_NONE: no more */
	LeafEntries entries;
};

/* ---- the key ---- */

/*
 * Whether the index is laid out as assumed above.
 */
static bool
is_as_assumed(Relation index)
{
	TupleDesc	desc = RelationGetDescr(index);

	if (index->rd_rel->relam != BTREE_AM_OID ||
		IndexRelationGetNumberOfKeyAttributes(index) < 2 ||
		desc->natts < HOLD_EXPIRES_AT)
		return false;
	for (int i = 0; i < HOLD_EXPIRES_AT; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attlen != sizeof(int64) || column->attalign != TYPALIGN_DOUBLE)
			return false;
	}
	return index->rd_indoption[0] == 0 && index->rd_indoption[1] == 0;
}

/*
 * Starts scanning, for any number of ranges.  The caller keeps the relations
 * open and the snapshot registered.
 */
LeafScan *
leaves_open(Relation appointments, Relation index, Snapshot snapshot)
{
	LeafScan   *scan = palloc0(sizeof(LeafScan));

	if (!is_as_assumed(index))
		catalog_raise_unfit(AVAILABILITY_INDEX);
	scan->index = index;
	scan->appointments = appointments;
	scan->snapshot = snapshot;
	scan->skips_dead = !TransactionStartedDuringRecovery();
	scan->key = _bt_mkscankey(index, NULL);
	scan->key->keysz = 2;
	scan->key->anynullkeys = false;
	scan->key->nextkey = true;
	for (int i = 0; i < scan->key->keysz; i++)
		scan->key->scankeys[i].sk_flags &= ~SK_ISNULL;
	scan->buffer = InvalidBuffer;
	return scan;
}

/* ---- entries ---- */

/* In the bitmap of columns that are there */
#define ALWAYS_THERE 0x07
#define HAS_EXPIRY 0x08

static inline bits8
columns_there(IndexTuple entry)
{
	return IndexTupleHasNulls(entry) ?
		*((bits8 *) entry + sizeof(IndexTupleData)) :
		ALWAYS_THERE | HAS_EXPIRY;
}

/*
 * The columns; NULL for an entry that lacks one which is never null.
 */
static inline const EntryColumns *
entry_columns(IndexTuple entry)
{
	if (unlikely((columns_there(entry) & ALWAYS_THERE) != ALWAYS_THERE))
		return NULL;
	return (const EntryColumns *)
		((char *) entry + IndexInfoFindDataOffset(entry->t_info));
}

static inline TimestampTz
entry_expiry(IndexTuple entry, const EntryColumns *columns)
{
	return columns_there(entry) & HAS_EXPIRY ? columns->hold_expires_at :
		DT_NOEND;
}

/*
 * Whether an entry is the first, or after the first, that the key looks for.
 */
static bool
is_after_key(LeafScan *scan, Page page, OffsetNumber offset)
{
	IndexTuple	entry = (IndexTuple) PageGetItem(page,
												 PageGetItemId(page, offset));
	const EntryColumns *columns = entry_columns(entry);
	int64		barber_id;

	if (columns == NULL)
		return _bt_compare(scan->index, scan->key, page, offset) < 0;
	barber_id = DatumGetInt64(scan->key->scankeys[0].sk_argument);
	if (columns->barber_id != barber_id)
		return columns->barber_id > barber_id;
	return columns->busy_from >
		DatumGetTimestampTz(scan->key->scankeys[1].sk_argument);
}

/*
 * The position on a leaf page of the first entry after the key.
 */
static OffsetNumber
find_first(LeafScan *scan, Page page)
{
	OffsetNumber low = P_FIRSTDATAKEY(BTPageGetOpaque(page));
	OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;

	while (low < high)
	{
		OffsetNumber middle = low + (high - low) / 2;

		if (is_after_key(scan, page, middle))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void
add_entry(LeafEntries *entries, const EntryColumns *columns,
		  TimestampTz expires_at, ItemPointer row)
{
	LeafEntry  *entry;

	if (entries->count == entries->capacity)
		entries->rows = grow_array(entries->rows, &entries->capacity,
								   entries->count + 1, sizeof(LeafEntry));
	entry = &entries->rows[entries->count++];
	entry->busy.from = columns->busy_from;
	entry->busy.until = columns->busy_until;
	entry->expires_at = expires_at;
	entry->row = *row;
}

/*
 * An entry may stand for several rows, if the index was made without INCLUDE.
 */
static void
add_rows(LeafEntries *entries, IndexTuple entry, const EntryColumns *columns)
{
	TimestampTz expires_at = entry_expiry(entry, columns);

	if (!BTreeTupleIsPosting(entry))
	{
		add_entry(entries, columns, expires_at, &entry->t_tid);
		return;
	}
	for (int i = 0; i < BTreeTupleGetNPosting(entry); i++)
		add_entry(entries, columns, expires_at,
				  BTreeTupleGetPostingN(entry, i));
}

/*
 * Copies a locked page's entries, from a position to the end of the range.
 * Returns whether the range may go on.
 */
static bool
copy_entries(LeafScan *scan, Page page, OffsetNumber offset)
{
	int64		barber_id = DatumGetInt64(scan->key->scankeys[0].sk_argument);
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	for (; offset <= last; offset = OffsetNumberNext(offset))
	{
		ItemId		item = PageGetItemId(page, offset);
		IndexTuple	entry = (IndexTuple) PageGetItem(page, item);
		const EntryColumns *columns = entry_columns(entry);

		if (columns == NULL)
			continue;
		if (columns->barber_id != barber_id ||
			columns->busy_from >= scan->before)
			return false;
		if (!scan->skips_dead || !ItemIdIsDead(item))
			add_rows(&scan->entries, entry, columns);
	}
	return true;
}

/* ---- pages ---- */

/*
 * Takes the entries off the page in scan->buffer, which is locked, and unlocks
 * it.
 */
static void
read_page(LeafScan *scan, OffsetNumber offset)
{
	Page		page = BufferGetPage(scan->buffer);
	BTPageOpaque opaque = BTPageGetOpaque(page);

	PredicateLockPage(scan->index, BufferGetBlockNumber(scan->buffer),
					  scan->snapshot);
	scan->entries.count = 0;
	scan->next = opaque->btpo_next;
	if (offset == InvalidOffsetNumber)
		offset = P_FIRSTDATAKEY(opaque);
	if (!copy_entries(scan, page, offset))
		scan->next = P_NONE;
	_bt_unlockbuf(scan->index, scan->buffer);
	pgstat_count_index_tuples(scan->index, scan->entries.count);
}

static LeafHint *
hint_for(int64 barber_id, TimestampTz after)
{
	uint64		hash = (uint64) barber_id * UINT64CONST(0x9E3779B97F4A7C15) +
		(uint64) (after / HINT_STRETCH) * UINT64CONST(0xC2B2AE3D27D4EB4F);

	return &hints[(hash >> 32) % HINT_COUNT];
}

/*
 * Whether the key's place is within a page, which is locked.
 */
static bool
is_key_within(LeafScan *scan, Page page)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	return !PageIsNew(page) && P_ISLEAF(opaque) && !P_IGNORE(opaque) &&
		last > P_FIRSTDATAKEY(opaque) &&
		!is_after_key(scan, page, P_FIRSTDATAKEY(opaque)) &&
		is_after_key(scan, page, last);
}

/*
 * Pins and locks the leaf page where the key's place is; false if the hint
 * does not lead there.
 */
static bool
follow_hint(LeafScan *scan, const LeafHint *hint)
{
	if (!BufferIsValid(hint->buffer) ||
		!booking_read_recent_buffer(scan->index, hint->block, hint->buffer))
		return false;
	scan->buffer = hint->buffer;
	_bt_lockbuf(scan->index, scan->buffer, BT_READ);
	if (is_key_within(scan, BufferGetPage(scan->buffer)))
		return true;
	_bt_unlockbuf(scan->index, scan->buffer);
	leaves_release(scan);
	return false;
}

/*
 * The same from the root; false if the index is empty.
 */
static bool
descend(LeafScan *scan)
{
	BTStack		stack = booking_bt_search(scan->index, scan->appointments,
										  scan->key, &scan->buffer,
										  scan->snapshot);

	_bt_freestack(stack);
	return BufferIsValid(scan->buffer);
}

/*
 * The entries of a barber that begin in (after, before), as far as the first
 * page has them; NULL when there is none.
 */
const LeafEntries *
leaves_first(LeafScan *scan, int64 barber_id, TimestampTz after,
			 TimestampTz before)
{
	LeafHint   *hint = hint_for(barber_id, after);

	leaves_release(scan);
	scan->key->scankeys[0].sk_argument = Int64GetDatum(barber_id);
	scan->key->scankeys[1].sk_argument = TimestampTzGetDatum(after);
	scan->before = before;
	pgstat_count_index_scan(scan->index);
	if (!follow_hint(scan, hint))
	{
		if (!descend(scan))
		{
			PredicateLockRelation(scan->index, scan->snapshot);
			return NULL;
		}
		hint->buffer = scan->buffer;
		hint->block = BufferGetBlockNumber(scan->buffer);
	}
	booking_test_for_old_snapshot(scan->snapshot, scan->index,
								  BufferGetPage(scan->buffer));
	read_page(scan, find_first(scan, BufferGetPage(scan->buffer)));
	return &scan->entries;
}

/*
 * The entries of the next page, or NULL.
 */
const LeafEntries *
leaves_next(LeafScan *scan)
{
	while (scan->next != P_NONE)
	{
		BTPageOpaque opaque;

		CHECK_FOR_INTERRUPTS();
		leaves_release(scan);
		scan->buffer = _bt_getbuf(scan->index, scan->next, BT_READ);
		booking_test_for_old_snapshot(scan->snapshot, scan->index,
									  BufferGetPage(scan->buffer));
		opaque = BTPageGetOpaque(BufferGetPage(scan->buffer));
		if (!P_IGNORE(opaque))
		{
			read_page(scan, InvalidOffsetNumber);
			return &scan->entries;
		}
		scan->next = opaque->btpo_next;
		_bt_unlockbuf(scan->index, scan->buffer);
	}
	return NULL;
}

/*
 * Gives up the page that is still pinned.
 */
void
leaves_release(LeafScan *scan)
{
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	scan->buffer = InvalidBuffer;
}
