/*-------------------------------------------------------------------------
 *
 * history.c
 *	  What was changed in an appointment, by whom: appointment_history.
 *
 * Every writer's changes come here, as they come through the guard.  The entry
 * is written as the tables' owner: a writer needs no privilege on the history.
 *
 * The rows go into SQL as records, and come apart there by column name: a column
 * that a user has added is in the history from its first change on, without a
 * plan that would have to know of it.  Of an update they have the columns alone
 * whose values differ in form, which are few: to make JSON of all of them takes
 * longer than the update.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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

static OwnerQuery update_query = {
	.sql = NEW_ENTRY " c.from_values, c.to_values"
	" FROM (SELECT jsonb_object_agg(o.key, o.value) AS from_values,"
	" jsonb_object_agg(n.key, n.value) AS to_values"
	" FROM jsonb_each(to_jsonb($5)) o"
	" JOIN jsonb_each(to_jsonb($6)) n ON n.key = o.key"
	" WHERE n.value <> o.value) c"
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
 * The columns that differ between two rows.
 */
typedef struct Difference
{
	TupleDesc	desc;
	int			count;
	Datum	   *old_values;
	bool	   *old_nulls;
	Datum	   *new_values;
	bool	   *new_nulls;
} Difference;

/*
 * The guard sets version and updated_at in every update.
 */
static bool
is_recorded(Form_pg_attribute column)
{
	return !column->attisdropped &&
		column->attnum != catalog_column(APPOINTMENTS, APPT_VERSION) &&
		column->attnum != catalog_column(APPOINTMENTS, APPT_UPDATED_AT);
}

/*
 * Moves the values of the columns that differ to the front of the arrays, and
 * describes them.
 */
static void
find_difference(TupleDesc desc, HeapTuple old, HeapTuple last,
				Difference *result)
{
	AttrNumber *columns = palloc(desc->natts * sizeof(AttrNumber));

	result->count = 0;
	result->old_values = palloc(desc->natts * sizeof(Datum));
	result->old_nulls = palloc(desc->natts * sizeof(bool));
	result->new_values = palloc(desc->natts * sizeof(Datum));
	result->new_nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(old, desc, result->old_values, result->old_nulls);
	heap_deform_tuple(last, desc, result->new_values, result->new_nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		bool		is_same = result->old_nulls[i] == result->new_nulls[i] &&
			(result->old_nulls[i] ||
			 datum_image_eq(result->old_values[i], result->new_values[i],
							column->attbyval, column->attlen));

		if (is_same || !is_recorded(column))
			continue;
		result->old_values[result->count] = result->old_values[i];
		result->old_nulls[result->count] = result->old_nulls[i];
		result->new_values[result->count] = result->new_values[i];
		result->new_nulls[result->count] = result->new_nulls[i];
		columns[result->count++] = (AttrNumber) (i + 1);
	}
	result->desc = CreateTemplateTupleDesc(result->count);
	for (int i = 0; i < result->count; i++)
		TupleDescCopyEntry(result->desc, (AttrNumber) (i + 1), desc,
						   columns[i]);
}

/*
 * Writes an entry about the row "last": its id, its version, and one or two
 * records.
 */
static void
write_entry(Relation appointments, HeapTuple last, OwnerQuery *query,
			Datum record, Datum other_record)
{
	TupleDesc	desc = RelationGetDescr(appointments);
	Datum		values[6];
	bool		isnull;

	values[0] = row_value(last, desc, APPOINTMENTS, APPT_ID, &isnull);
	values[1] = row_value(last, desc, APPOINTMENTS, APPT_VERSION, &isnull);
	values[2] = TimestampTzGetDatum(booking_now());
	values[3] = CStringGetTextDatum(booking_actor());
	values[4] = record;
	values[5] = other_record;
	SPI_connect();
	run_owner_query(query, values, NULL, false);
	SPI_finish();
}

static void
write_update(Relation appointments, HeapTuple old, HeapTuple last)
{
	Difference	difference;
	TupleDesc	desc;

	find_difference(RelationGetDescr(appointments), old, last, &difference);
	if (difference.count == 0)
		return;
	desc = BlessTupleDesc(difference.desc);
	write_entry(appointments, last, &update_query,
				HeapTupleGetDatum(heap_form_tuple(desc, difference.old_values,
												  difference.old_nulls)),
				HeapTupleGetDatum(heap_form_tuple(desc, difference.new_values,
												  difference.new_nulls)));
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
		write_update(trigger->tg_relation, trigger->tg_trigtuple,
					 trigger->tg_newtuple);
	else
		write_entry(trigger->tg_relation, trigger->tg_trigtuple, &delete_query,
					heap_copy_tuple_as_datum(trigger->tg_trigtuple,
											 RelationGetDescr(trigger->tg_relation)),
					(Datum) 0);
	return PointerGetDatum(NULL);
}
