/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Refusals of bad arguments, which have no reason code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "booking.h"

#define LONGEST_RANGE_DAYS 366

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
