/*-------------------------------------------------------------------------
 *
 * general_scan.c
 *	  Ranges of the availability index, by the server's own index scan.
 *
 * An index-only scan in the manner of nodeIndexonlyscan.c that returns index
 * tuples and leaves visibility to the caller.  leaves.c uses it where it may
 * not read the pages itself; it also marks dead entries (busy_mark_dead).
 *
 * xs_want_itup makes btree keep the page of the current entry pinned, as the
 * callers need it: VACUUM cannot give its row pointer to another row before
 * the visibility map has been asked about it.  (A scan by a dirty snapshot keeps
 * the pin anyway.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/itup.h"
#include "access/nbtree.h"
#include "access/relscan.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "booking.h"
#include "compat.h"

/* Columns of the index, as catalog.c has checked them */
enum
{
	INDEX_BARBER_ID = 1, INDEX_BUSY_FROM, INDEX_BUSY_UNTIL,
	INDEX_HOLD_EXPIRES_AT
};

/*
 * Whether the index is a btree that orders a barber's entries by their begin,
 * in either direction, as the types do.
 */
bool
general_is_possible(Relation index)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		IndexRelationGetNumberOfKeyAttributes(index) >= INDEX_BUSY_FROM &&
		index_getprocid(index, INDEX_BARBER_ID, BTORDER_PROC) == F_BTINT8CMP &&
		index_getprocid(index, INDEX_BUSY_FROM,
						BTORDER_PROC) == F_TIMESTAMPTZ_CMP;
}

/*
 * Starts a scan of the entries of a barber that begin in (after, before); it
 * ends with index_endscan().
 */
IndexScanDesc
general_begin(Relation appointments, Relation index, Snapshot snapshot,
			  int64 barber_id, TimestampTz after, TimestampTz before)
{
	ScanKeyData keys[3];
	IndexScanDesc scan;

	ScanKeyInit(&keys[0], INDEX_BARBER_ID, BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum(barber_id));
	ScanKeyInit(&keys[1], INDEX_BUSY_FROM, BTLessStrategyNumber,
				F_TIMESTAMPTZ_LT, TimestampTzGetDatum(before));
	ScanKeyInit(&keys[2], INDEX_BUSY_FROM, BTGreaterStrategyNumber,
				F_TIMESTAMPTZ_GT, TimestampTzGetDatum(after));
	scan = booking_index_beginscan(appointments, index, snapshot,
								   lengthof(keys));
	scan->xs_want_itup = true;
	index_rescan(scan, keys, lengthof(keys), NULL, 0);
	return scan;
}

static ScanDirection
ascending(Relation index)
{
	return index->rd_indoption[INDEX_BUSY_FROM - 1] & INDOPTION_DESC ?
		BackwardScanDirection : ForwardScanDirection;
}

/*
 * The next entry in ascending order of its begin; false: no more.
 */
bool
general_next(IndexScanDesc scan, LeafEntry *entry)
{
	ItemPointer row;

	while ((row = index_getnext_tid(scan,
									ascending(scan->indexRelation))) != NULL)
	{
		IndexTuple	tuple = scan->xs_itup;
		TupleDesc	desc = scan->xs_itupdesc;
		bool		has_no_end;
		bool		never_expires;
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		Assert(tuple != NULL && !scan->xs_recheck);
		value = index_getattr(tuple, INDEX_BUSY_FROM, desc, &has_no_end);
		Assert(!has_no_end);	/* or it would not satisfy the keys */
		entry->busy.from = DatumGetTimestampTz(value);
		value = index_getattr(tuple, INDEX_BUSY_UNTIL, desc, &has_no_end);
		if (has_no_end)
			continue;
		entry->busy.until = DatumGetTimestampTz(value);
		value = index_getattr(tuple, INDEX_HOLD_EXPIRES_AT, desc,
							  &never_expires);
		entry->expires_at = never_expires ? DT_NOEND :
			DatumGetTimestampTz(value);
		entry->row = *row;
		return true;
	}
	return false;
}
