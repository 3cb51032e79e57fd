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
 * An entry is the shop's and the customer's to which the row belonged.  An update
 * that changes either makes two: the old shop and customer see what they have
 * lost and not where it went, the new ones what they have got and not where it
 * was.  Both have the whole row, for the columns that differ would tell which do
 * not.
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
	" changed_at, changed_by, db_role, shop_id, user_id, from_values," \
	" to_values) SELECT $1, $2, $3, coalesce(nullif($4, ''), session_user)," \
	" session_user, $5, $6,"

#define ENTRY_ARGTYPES \
	INT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID, INT8OID, INT8OID, RECORDOID
#define ENTRY_ARGS 7

static OwnerQuery update_query = {
	.sql = NEW_ENTRY " c.from_values, c.to_values"
	" FROM (SELECT jsonb_object_agg(o.key, o.value) AS from_values,"
	" jsonb_object_agg(n.key, n.value) AS to_values"
	" FROM jsonb_each(to_jsonb($7)) o"
	" JOIN jsonb_each(to_jsonb($8)) n ON n.key = o.key"
	" WHERE n.value <> o.value) c"
	" WHERE c.from_values IS NOT NULL",
	.nargs = ENTRY_ARGS + 1,
	.argtypes = {ENTRY_ARGTYPES, RECORDOID}
};

static OwnerQuery delete_query = {
	.sql = NEW_ENTRY " to_jsonb($7), NULL",
	.nargs = ENTRY_ARGS,
	.argtypes = {ENTRY_ARGTYPES}
};

static OwnerQuery departure_query = {
	.sql = NEW_ENTRY " to_jsonb($7), '{}'",
	.nargs = ENTRY_ARGS,
	.argtypes = {ENTRY_ARGTYPES}
};

static OwnerQuery arrival_query = {
	.sql = NEW_ENTRY " '{}', to_jsonb($7)",
	.nargs = ENTRY_ARGS,
	.argtypes = {ENTRY_ARGTYPES}
};

/*
 * Whose a row is.
 */
typedef struct Place
{
	int64		shop_id;
	bool		has_no_shop;
	int64		user_id;
	bool		has_no_user;
} Place;

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

static void
find_place(TupleDesc desc, HeapTuple row, Place *place)
{
	bool		isnull;
	int64		barber_id = DatumGetInt64(row_value(row, desc, APPOINTMENTS,
													APPT_BARBER_ID, &isnull));

	place->user_id = DatumGetInt64(row_value(row, desc, APPOINTMENTS,
											 APPT_USER_ID,
											 &place->has_no_user));
	place->shop_id = 0;
	place->has_no_shop = !find_barber_shop(barber_id, &place->shop_id);
}

static bool
is_same_place(const Place *a, const Place *b)
{
	return a->has_no_shop == b->has_no_shop && a->shop_id == b->shop_id &&
		a->has_no_user == b->has_no_user &&
		(a->has_no_user || a->user_id == b->user_id);
}

/*
 * Where the row was before the update.  Barbers are looked up only if there are
 * two.
 */
static void
find_old_place(TupleDesc desc, HeapTuple old, HeapTuple last,
			   const Place *place, Place *result)
{
	bool		isnull;

	if (DatumGetInt64(row_value(old, desc, APPOINTMENTS, APPT_BARBER_ID,
								&isnull)) !=
		DatumGetInt64(row_value(last, desc, APPOINTMENTS, APPT_BARBER_ID,
								&isnull)))
	{
		find_place(desc, old, result);
		return;
	}
	*result = *place;
	result->user_id = DatumGetInt64(row_value(old, desc, APPOINTMENTS,
											  APPT_USER_ID,
											  &result->has_no_user));
}

/*
 * Writes an entry about the row "last", for the shop and customer of "place":
 * its id, its version, and one or two records.
 */
static void
write_entry(Relation appointments, HeapTuple last, const Place *place,
			OwnerQuery *query, Datum record, Datum other_record)
{
	TupleDesc	desc = RelationGetDescr(appointments);
	Datum		values[ENTRY_ARGS + 1];
	char		nulls[ENTRY_ARGS + 1];
	bool		isnull;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = row_value(last, desc, APPOINTMENTS, APPT_ID, &isnull);
	values[1] = row_value(last, desc, APPOINTMENTS, APPT_VERSION, &isnull);
	values[2] = TimestampTzGetDatum(booking_now());
	values[3] = CStringGetTextDatum(booking_actor());
	values[4] = Int64GetDatum(place->shop_id);
	nulls[4] = place->has_no_shop ? 'n' : ' ';
	values[5] = Int64GetDatum(place->user_id);
	nulls[5] = place->has_no_user ? 'n' : ' ';
	values[6] = record;
	values[7] = other_record;
	SPI_connect();
	run_owner_query(query, values, nulls, false);
	SPI_finish();
}

static void
write_change(Relation appointments, HeapTuple last, const Place *place,
			 Difference *difference)
{
	TupleDesc	desc = BlessTupleDesc(difference->desc);

	write_entry(appointments, last, place, &update_query,
				HeapTupleGetDatum(heap_form_tuple(desc, difference->old_values,
												  difference->old_nulls)),
				HeapTupleGetDatum(heap_form_tuple(desc, difference->new_values,
												  difference->new_nulls)));
}

static void
write_update(Relation appointments, HeapTuple old, HeapTuple last)
{
	TupleDesc	desc = RelationGetDescr(appointments);
	Difference	difference;
	Place		place;
	Place		old_place;

	find_difference(desc, old, last, &difference);
	if (difference.count == 0)
		return;
	find_place(desc, last, &place);
	find_old_place(desc, old, last, &place, &old_place);
	if (is_same_place(&old_place, &place))
	{
		write_change(appointments, last, &place, &difference);
		return;
	}
	write_entry(appointments, last, &old_place, &departure_query,
				heap_copy_tuple_as_datum(old, desc), (Datum) 0);
	write_entry(appointments, last, &place, &arrival_query,
				heap_copy_tuple_as_datum(last, desc), (Datum) 0);
}

static void
write_deletion(Relation appointments, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(appointments);
	Place		place;

	find_place(desc, row, &place);
	write_entry(appointments, row, &place, &delete_query,
				heap_copy_tuple_as_datum(row, desc), (Datum) 0);
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
		write_deletion(trigger->tg_relation, trigger->tg_trigtuple);
	return PointerGetDatum(NULL);
}
