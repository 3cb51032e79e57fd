/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Refusals of bad arguments, and of too large answers, which have no
 *	  reason code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "booking.h"

#define LONGEST_RANGE_DAYS 366
#define SLOTS_PER_ROW 10		/* that may be gone through */

void
require_argument(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name),
				 errdetail("The function cannot answer without it."),
				 errhint("Pass a value for %s.", name)));
}

void
require_finite(TimestampTz at, const char *name)
{
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be finite", name),
				 errdetail("Infinity is no time of day."),
				 errhint("Pass a date and time with its time zone.")));
}

/*
 * A text, if it has at most "most" bytes.  It is measured before it is
 * unpacked, so that a huge one costs nothing.
 */
char *
read_text(Datum value, const char *name, int most)
{
	Size		length = toast_raw_datum_size(value) - VARHDRSZ;

	if (length > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", name),
				 errdetail("It has %zu bytes; the most is %d.", length, most),
				 errhint("Shorten it.")));
	return TextDatumGetCString(value);
}

/*
 * A text argument that may be NULL.
 */
char *
text_argument(FunctionCallInfo fcinfo, int argno, const char *name, int most)
{
	return PG_ARGISNULL(argno) ? NULL :
		read_text(PG_GETARG_DATUM(argno), name, most);
}

/*
 * How many elements an array argument has, of how many dimensions.  Neither the
 * elements nor a compressed array are unpacked for that, so that a huge one
 * costs nothing.
 */
int
array_argument_count(FunctionCallInfo fcinfo, int argno, int *dimensions)
{
	Datum		value = PG_GETARG_DATUM(argno);
	ArrayType  *head;

	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
	{
		AnyArrayType *array = DatumGetAnyArrayP(value);

		*dimensions = AARR_NDIM(array);
		return ArrayGetNItems(*dimensions, AARR_DIMS(array));
	}
	head = (ArrayType *) PG_DETOAST_DATUM_SLICE(value, 0, sizeof(ArrayType) -
												VARHDRSZ +
												MAXDIM * sizeof(int));
	*dimensions = ARR_NDIM(head);
	return ArrayGetNItems(*dimensions, ARR_DIMS(head));
}

/*
 * Refuses an answer of more rows than booking.max_rows; called as soon as that
 * many are known.
 */
void
require_row_count(int64 count)
{
	if (count > booking_max_rows())
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer has too many rows"),
				 errdetail("It has more than %d, the most that booking.max_rows allows.",
						   booking_max_rows()),
				 errhint("Ask for fewer days or for one barber, or let a superuser raise booking.max_rows.")));
}

/*
 * The same for slots that are counted or gone through, of which few or none are
 * returned: ten times as many.
 */
void
require_slot_count(int64 count)
{
	int64		most = (int64) booking_max_rows() * SLOTS_PER_ROW;

	if (count > most)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are too many slots to go through"),
				 errdetail("There are more than " INT64_FORMAT ", %d times booking.max_rows.",
						   most, SLOTS_PER_ROW),
				 errhint("Ask for fewer days or for one barber, or let a superuser raise booking.max_rows.")));
}

static void
refuse_range(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errdetail("A range of dates is finite, in order, within the years 1 to 9999, and at most %d days long.",
					   LONGEST_RANGE_DAYS),
			 errhint("%s", hint)));
}

/*
 * Reads the arguments from_date and to_date; the latter's default is the
 * former.
 */
void
read_date_range(FunctionCallInfo fcinfo, int from_arg, int to_arg,
				DateADT *from_date, DateADT *to_date)
{
	const DateADT first = date2j(1, 1, 1) - POSTGRES_EPOCH_JDATE;
	const DateADT last = date2j(9999, 12, 31) - POSTGRES_EPOCH_JDATE;

	*from_date = PG_GETARG_DATEADT(from_arg);
	*to_date = PG_ARGISNULL(to_arg) ? *from_date : PG_GETARG_DATEADT(to_arg);
	if (*from_date < first || *from_date > last ||
		*to_date < first || *to_date > last)
		refuse_range("range of dates is infinite or out of bounds",
					 "Pass two ordinary dates.");
	if (*from_date > *to_date)
		refuse_range("range of dates is reversed",
					 "Pass the earlier date first.");
	if (*to_date - *from_date >= LONGEST_RANGE_DAYS)
		refuse_range("range of dates is too long",
					 "Ask for it in several calls.");
}
