/*-------------------------------------------------------------------------
 *
 * floor.c
 *	  The least that a set-returning function in C costs.
 *
 * It belongs to the bench, not to the extension.  trivial_srf(n) looks at
 * nothing and materializes n rows with the columns of available_slots' result,
 * by the server's own InitMaterializedSRF().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(trivial_srf);

Datum
trivial_srf(PG_FUNCTION_ARGS)
{
	int32		rows = PG_GETARG_INT32(0);
	TimestampTz starts_at = INT64CONST(900000000) * USECS_PER_SEC;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int32 i = 0; i < rows; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		starts_at += 15 * USECS_PER_MINUTE;
		values[0] = Int64GetDatum(7);
		values[1] = TimestampTzGetDatum(starts_at);
		values[2] = TimestampTzGetDatum(starts_at + 30 * USECS_PER_MINUTE);
		values[3] = Int32GetDatum(1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
