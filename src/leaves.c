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
 *	 pages that were split meanwhile.  It and _bt_getbuf() check a page they
 *	 return with _bt_checkpage(): it is no zero page and has a btree's special
 *	 area.
 * - A page's entries are copied while it is locked, together with the link to
 *	 its right neighbour.  Should it be split after that, what moved to the new
 *	 page has been copied, and the link leads past it.
 * - Pages that are half dead or deleted are passed over.
 * - The page stays pinned until its entries have been dealt with, so that
 *	 VACUUM cannot give their row pointers to other rows before the visibility
 *	 map has been asked about them.
 * - Entries that are marked dead are left out, but not in a transaction that
 *	 began on a standby, where the mark may be ahead of the snapshot.
 * - SERIALIZABLE transactions take a predicate lock on each page, while it is
 *	 locked; on the whole index if it is empty, and then search again.
 *
 * booking.leaf_scan = off, or an index that is laid out in another way, has the
 * same ranges read by general_scan.c, an entry at a time, behind the same
 * functions.
 *
 * Entries come in ascending order of their begin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/nbtree.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
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

struct LeafScan
{
	Relation	index;
	Relation	appointments;
	Snapshot	snapshot;
	int64		barber_id;		/* the range: begins in (after, before) */
	TimestampTz after;
	TimestampTz before;
	LeafEntries entries;

	/* reading pages */
	BTScanInsert key;			/* (barber, after); NULL: general scan */
	bool		skips_dead;
	Buffer		buffer;			/* pinned: the page that was read last */
	BlockNumber next;			/* its neighbour, or P_NONE: no more */

	/* general scan */
	IndexScanDesc general;		/* NULL: none is going on */
};

/* ---- the key ---- */

/*
 * Whether the entries of the index can be read as EntryColumns, in ascending
 * order.  The columns are known to be these (catalog.c), and ordered as their
 * types are (general_scan.c).
 */
static bool
is_as_assumed(Relation index)
{
	TupleDesc	desc = RelationGetDescr(index);

	if (desc->natts < HOLD_EXPIRES_AT)
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
 * The key that _bt_search() descends by, but for its values.
 */
static BTScanInsert
make_key(Relation index)
{
	BTScanInsert key = _bt_mkscankey(index, NULL);

	key->keysz = 2;
	key->anynullkeys = false;
	key->nextkey = true;
	for (int i = 0; i < key->keysz; i++)
		key->scankeys[i].sk_flags &= ~SK_ISNULL;
	return key;
}

/*
 * Starts scanning, for any number of ranges.  The caller keeps the relations
 * open and locked, and the snapshot registered; a dirty one need not be.
 */
LeafScan *
leaves_open(Relation appointments, Relation index, Snapshot snapshot)
{
	LeafScan   *scan = palloc0(sizeof(LeafScan));

	Assert(CheckRelationLockedByMe(appointments, AccessShareLock, true));
	Assert(CheckRelationLockedByMe(index, AccessShareLock, true));
	Assert(index->rd_index->indrelid == RelationGetRelid(appointments));
	if (!general_is_possible(index))
		catalog_raise_unfit(AVAILABILITY_INDEX);
	scan->index = index;
	scan->appointments = appointments;
	scan->snapshot = snapshot;
	scan->buffer = InvalidBuffer;
	scan->next = P_NONE;
	if (booking_leaf_scan() && is_as_assumed(index))
	{
		scan->key = make_key(index);
		scan->skips_dead = !TransactionStartedDuringRecovery();
	}
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

	if (columns == NULL)
		return _bt_compare(scan->index, scan->key, page, offset) < 0;
	if (columns->barber_id != scan->barber_id)
		return columns->barber_id > scan->barber_id;
	return columns->busy_from > scan->after;
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
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	Assert(offset >= P_FIRSTDATAKEY(BTPageGetOpaque(page)));
	Assert(offset <= last + 1);
	for (; offset <= last; offset = OffsetNumberNext(offset))
	{
		ItemId		item = PageGetItemId(page, offset);
		IndexTuple	entry = (IndexTuple) PageGetItem(page, item);
		const EntryColumns *columns = entry_columns(entry);

		if (columns == NULL)
			continue;
		if (columns->barber_id != scan->barber_id ||
			columns->busy_from >= scan->before)
			return false;
		if (!scan->skips_dead || !ItemIdIsDead(item))
			add_rows(&scan->entries, entry, columns);
	}
	return true;
}

/*
 * With assertions: the entries lie in the range, in order, none before
 * "reached", where the page before ended.
 */
static inline void
assert_in_order(const LeafScan *scan, TimestampTz reached)
{
#ifdef USE_ASSERT_CHECKING
	for (int i = 0; i < scan->entries.count; i++)
	{
		const LeafEntry *entry = &scan->entries.rows[i];

		Assert(ItemPointerIsValid(&entry->row));
		Assert(entry->busy.from > scan->after);
		Assert(entry->busy.from < scan->before);
		Assert(entry->busy.from >= reached);
		reached = entry->busy.from;
	}
#endif
}

/* ---- pages ---- */

static void
drop_pin(LeafScan *scan)
{
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	scan->buffer = InvalidBuffer;
}

/*
 * Takes the entries off the page in scan->buffer, which is locked, and unlocks
 * it.  Its pin is kept.
 */
static void
read_page(LeafScan *scan, OffsetNumber offset)
{
	Page		page = BufferGetPage(scan->buffer);
	BTPageOpaque opaque = BTPageGetOpaque(page);
	LeafEntries *entries = &scan->entries;
	TimestampTz reached = entries->count > 0 ?
		entries->rows[entries->count - 1].busy.from : scan->after;

	Assert(!PageIsNew(page));
	Assert(P_ISLEAF(opaque) && !P_IGNORE(opaque));
	PredicateLockPage(scan->index, BufferGetBlockNumber(scan->buffer),
					  scan->snapshot);
	entries->count = 0;
	scan->next = opaque->btpo_next;
	if (!copy_entries(scan, page, offset))
		scan->next = P_NONE;
	_bt_unlockbuf(scan->index, scan->buffer);
	assert_in_order(scan, reached);
	pgstat_count_index_tuples(scan->index, entries->count);
	booking_injection_point("booking-leaves-copied");
}

/*
 * Pins and locks the leaf page where the key's place is; false if the index
 * has no page at all.
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
 * The same.  In SERIALIZABLE an empty index is locked as a whole, as there is
 * nothing else to lock.  Another transaction may have made its first page
 * before that, and not have seen our lock: so it is looked for once more, as
 * _bt_first() does.
 */
static bool
find_first_page(LeafScan *scan)
{
	if (descend(scan))
		return true;
	booking_injection_point("booking-leaves-empty-index");
	if (!IsolationIsSerializable())
		return false;
	PredicateLockRelation(scan->index, scan->snapshot);
	return descend(scan);
}

static const LeafEntries *
read_first_page(LeafScan *scan)
{
	Page		page;

	Assert(!BufferIsValid(scan->buffer));
	scan->key->scankeys[0].sk_argument = Int64GetDatum(scan->barber_id);
	scan->key->scankeys[1].sk_argument = TimestampTzGetDatum(scan->after);
	pgstat_count_index_scan(scan->index);
	if (!find_first_page(scan))
		return NULL;
	page = BufferGetPage(scan->buffer);
	booking_test_for_old_snapshot(scan->snapshot, scan->index, page);
	read_page(scan, find_first(scan, page));
	return &scan->entries;
}

static const LeafEntries *
read_next_page(LeafScan *scan)
{
	while (scan->next != P_NONE)
	{
		Page		page;
		BTPageOpaque opaque;

		CHECK_FOR_INTERRUPTS();
		drop_pin(scan);
		scan->buffer = _bt_getbuf(scan->index, scan->next, BT_READ);
		page = BufferGetPage(scan->buffer);
		booking_test_for_old_snapshot(scan->snapshot, scan->index, page);
		opaque = BTPageGetOpaque(page);
		if (!P_IGNORE(opaque))
		{
			read_page(scan, P_FIRSTDATAKEY(opaque));
			return &scan->entries;
		}
		scan->next = opaque->btpo_next;
		_bt_unlockbuf(scan->index, scan->buffer);
	}
	return NULL;
}

/* ---- general scan ---- */

static const LeafEntries *
read_next_entry(LeafScan *scan)
{
	LeafEntries *entries = &scan->entries;
	TimestampTz reached = entries->count > 0 ?
		entries->rows[0].busy.from : scan->after;

	entries->count = 0;
	if (entries->capacity == 0)
		entries->rows = grow_array(entries->rows, &entries->capacity, 1,
								   sizeof(LeafEntry));
	if (!general_next(scan->general, &entries->rows[0]))
		return NULL;
	entries->count = 1;
	assert_in_order(scan, reached);
	booking_injection_point("booking-leaves-copied");
	return entries;
}

/* ---- both ---- */

/*
 * The entries of a barber that begin in (after, before), as far as the first
 * page has them; NULL when there is none.
 */
const LeafEntries *
leaves_first(LeafScan *scan, int64 barber_id, TimestampTz after,
			 TimestampTz before)
{
	leaves_release(scan);
	scan->barber_id = barber_id;
	scan->after = after;
	scan->before = before;
	scan->entries.count = 0;
	if (scan->key != NULL)
		return read_first_page(scan);
	scan->general = general_begin(scan->appointments, scan->index,
								  scan->snapshot, barber_id, after, before);
	return read_next_entry(scan);
}

/*
 * The entries of the next page, or NULL.
 */
const LeafEntries *
leaves_next(LeafScan *scan)
{
	return scan->key != NULL ? read_next_page(scan) : read_next_entry(scan);
}

/*
 * Gives up the page that is still pinned.
 */
void
leaves_release(LeafScan *scan)
{
	drop_pin(scan);
	scan->next = P_NONE;
	if (scan->general != NULL)
		index_endscan(scan->general);
	scan->general = NULL;
}
