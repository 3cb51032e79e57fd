/*-------------------------------------------------------------------------
 *
 * array.c
 *	  Growing arrays, and lists of ids.
 *
 * An array is a pointer and a capacity, NULL and 0 at first; it lives in the
 * context that is current when it first grows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "booking.h"

/*
 * Returns the array with room for at least "needed" rows.  It may be larger
 * than a gigabyte, as the slots of many barbers and dates can be.
 */
void *
grow_array(void *rows, int *capacity, int needed, Size row_size)
{
	if (rows != NULL && needed <= *capacity)
		return rows;
	*capacity = Max(Max(needed, 16),
					*capacity > PG_INT32_MAX / 2 ? PG_INT32_MAX : *capacity * 2);
	if (rows == NULL)
		return palloc_extended(*capacity * row_size, MCXT_ALLOC_HUGE);
	return repalloc_huge(rows, *capacity * row_size);
}

bool
id_is_listed(const IdList *list, int64 id)
{
	for (int i = 0; i < list->count; i++)
	{
		if (list->ids[i] == id)
			return true;
	}
	return false;
}
