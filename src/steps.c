/*-------------------------------------------------------------------------
 *
 * steps.c
 *	  No service has both steps and a capacity above 1.
 *
 * Whoever writes a step holds the service's row FOR SHARE until commit, and
 * whoever raises a capacity has updated that row: one of the two waits for the
 * other, and then sees what the other has done.  For the steps that means the
 * latest snapshot, since at REPEATABLE READ the transaction's own may be older
 * than a step whose writer it did not even have to wait for.  The capacity
 * needs none: there, a row that was updated meanwhile cannot be locked (40001).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"

static void
refuse_both(Relation rel, int64 service_id, int capacity)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("a service with steps cannot have a capacity above 1"),
			 errdetail("Service " INT64_FORMAT " would have steps and a capacity of %d.",
					   service_id, capacity),
			 errhint("Set the service's capacity to 1, or delete its rows in %s.service_steps.",
					 BOOKING_SCHEMA),
			 errtableconstraint(rel, "services_steps_or_capacity")));
}

static OwnerQuery capacity_query = {
	.sql = "SELECT capacity FROM booking.services WHERE id = $1 FOR SHARE",
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * The service's capacity, which now stays as it is until we commit; 1 when the
 * foreign key has yet to refuse the step.
 */
static int
lock_capacity(int64 service_id)
{
	Datum		values[] = {Int64GetDatum(service_id)};
	int			capacity = 1;
	bool		isnull;

	SPI_connect();
	if (run_owner_query(&capacity_query, values, NULL, false) > 0)
		capacity = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1,
											   &isnull));
	SPI_finish();
	return capacity;
}

/*
 * Whether the service has steps by now.  Those of this very statement are left
 * to their own trigger, which finds the new capacity.
 */
static bool
has_steps(int64 service_id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			count = scan_rows_by_key(SERVICE_STEPS, service_id, snapshot,
										 NULL, NULL);

	UnregisterSnapshot(snapshot);
	return count > 0;
}

PG_FUNCTION_INFO_V1(booking_check_steps);

/*
 * Row trigger of services and service_steps.
 */
Datum
booking_check_steps(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	rel;
	HeapTuple	row;
	int64		service_id;
	int			capacity;
	bool		isnull;

	catalog_check_trigger(fcinfo, SERVICES, SERVICE_STEPS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_AFTER,
						  "check_steps");
	rel = trigger->tg_relation;
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
#define VALUE(table, column) \
	row_value(row, RelationGetDescr(rel), (table), (column), &isnull)
	if (catalog_is_table(rel, SERVICES))
	{
		service_id = DatumGetInt64(VALUE(SERVICES, SERVICE_ID));
		capacity = DatumGetInt32(VALUE(SERVICES, SERVICE_CAPACITY));
		if (capacity > 1 && has_steps(service_id))
			refuse_both(rel, service_id, capacity);
	}
	else
	{
		service_id = DatumGetInt64(VALUE(SERVICE_STEPS, STEP_SERVICE_ID));
		capacity = lock_capacity(service_id);
		if (capacity > 1)
			refuse_both(rel, service_id, capacity);
	}
#undef VALUE
	return PointerGetDatum(NULL);
}
