/*-------------------------------------------------------------------------
 *
 * history.c
 *	  What was changed in an appointment, by whom: appointment_history.
 *
 * Every writer's changes come here, as they come through the guard.  The entry
 * is written as the tables' owner: a writer needs no privilege on the history.
 *
 * The rows go into SQL whole, as records, and come apart there by column name:
 * a column that a user has added is in the history from its first change on,
 * without a plan that would have to know of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "booking.h"

/*
 * session_user is whoever logged in, not the owner that we have become, nor a
 * role that was SET.  What is compared is the JSON of the values, so that a
 * type without an equality operator will do.
 */
#define NEW_ENTRY \
	"INSERT INTO booking.appointment_history (appointment_id, version," \
	" changed_at, changed_by, db_role, from_values, to_values)" \
	" SELECT $1, $2, $3, coalesce(nullif($4, ''), session_user), session_user,"

#define ENTRY_ARGTYPES INT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID, RECORDOID

/* The guard sets version and updated_at in every update */
static OwnerQuery update_query = {
	.sql = NEW_ENTRY " c.from_values, c.to_values"
	" FROM (SELECT jsonb_object_agg(o.key, o.value) AS from_values,"
	" jsonb_object_agg(n.key, n.value) AS to_values"
	" FROM jsonb_each(to_jsonb($5)) o"
	" JOIN jsonb_each(to_jsonb($6)) n ON n.key = o.key"
	" WHERE n.value <> o.value"
	" AND o.key NOT IN ('version', 'updated_at')) c"
	" WHERE c.from_values IS NOT NULL",
	.nargs = 6,
	.argtypes = {ENTRY_ARGTYPES, RECORDOID}
};

static OwnerQuery delete_query = {
	.sql = NEW_ENTRY " to_jsonb($5), NULL",
	.nargs = 5,
	.argtypes = {ENTRY_ARGTYPES}
};

/*
 * Writes the entry of a row that was "old"; "last" has its id and version.
 */
static void
write_entry(Relation appointments, HeapTuple old, HeapTuple last,
			OwnerQuery *query)
{
	TupleDesc	desc = RelationGetDescr(appointments);
	Datum		values[6];
	bool		isnull;

	values[0] = row_value(last, desc, APPOINTMENTS, APPT_ID, &isnull);
	values[1] = row_value(last, desc, APPOINTMENTS, APPT_VERSION, &isnull);
	values[2] = TimestampTzGetDatum(booking_now());
	values[3] = CStringGetTextDatum(booking_actor());
	values[4] = heap_copy_tuple_as_datum(old, desc);
	values[5] = heap_copy_tuple_as_datum(last, desc);
	SPI_connect();
	run_owner_query(query, values, NULL, false);
	SPI_finish();
}

PG_FUNCTION_INFO_V1(booking_appointment_changed);

/*
 * Row trigger of appointments.  Its entries stand in the order of the changes.
 */
Datum
booking_appointment_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	catalog_check_trigger(fcinfo, APPOINTMENTS, APPOINTMENTS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_AFTER |
						  TRIGGER_EVENT_DELETE,
						  "appointment_changed");
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		write_entry(trigger->tg_relation, trigger->tg_trigtuple,
					trigger->tg_newtuple, &update_query);
	else
		write_entry(trigger->tg_relation, trigger->tg_trigtuple,
					trigger->tg_trigtuple, &delete_query);
	return PointerGetDatum(NULL);
}
