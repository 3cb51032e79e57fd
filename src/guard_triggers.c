/*-------------------------------------------------------------------------
 *
 * guard_triggers.c
 *	  The triggers of appointments, through which every writer comes.
 *
 * The BEFORE trigger, named to fire last, fills in what a writer may leave to
 * us, checks the change of status, and waits until nothing overlaps.  The AFTER
 * trigger, named to fire first, makes sure of the row that was really stored,
 * before the foreign keys' triggers can wait for anybody.
 *
 * Triggers are of the ordinary kind: a logical replica, whose apply does not
 * fire them, trusts its publisher.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "booking.h"

typedef enum Status
{
	STATUS_UNKNOWN,				/* the CHECK will refuse it */
	STATUS_PENDING, STATUS_CONFIRMED, STATUS_CHECKED_IN,
	STATUS_COMPLETED, STATUS_CANCELLED, STATUS_NO_SHOW, STATUS_EXPIRED,
	STATUS_COUNT
} Status;

static const char *const status_names[STATUS_COUNT] = {
	[STATUS_UNKNOWN] = "unknown",
	[STATUS_PENDING] = "pending",
	[STATUS_CONFIRMED] = "confirmed",
	[STATUS_CHECKED_IN] = "checked_in",
	[STATUS_COMPLETED] = "completed",
	[STATUS_CANCELLED] = "cancelled",
	[STATUS_NO_SHOW] = "no_show",
	[STATUS_EXPIRED] = "expired",
};

#define MAY_BECOME(s) (1 << (s))

/* Which status may follow; those without an entry are final */
static const int transitions[STATUS_COUNT] = {
	[STATUS_PENDING] = MAY_BECOME(STATUS_CONFIRMED) |
	MAY_BECOME(STATUS_CANCELLED) | MAY_BECOME(STATUS_EXPIRED),
	[STATUS_CONFIRMED] = MAY_BECOME(STATUS_CHECKED_IN) |
	MAY_BECOME(STATUS_COMPLETED) | MAY_BECOME(STATUS_CANCELLED) |
	MAY_BECOME(STATUS_NO_SHOW),
	[STATUS_CHECKED_IN] = MAY_BECOME(STATUS_COMPLETED) |
	MAY_BECOME(STATUS_CANCELLED) | MAY_BECOME(STATUS_NO_SHOW),
};

/*
 * What of an appointment the guard looks at.
 */
typedef struct Occupation
{
	bool		is_complete;	/* no NULL where NOT NULL will refuse it */
	Status		status;
	Claim		claim;
	TimestampTz expires_at;		/* DT_NOEND: never */
} Occupation;

static Status
status_from_text(Datum value)
{
	text	   *name = DatumGetTextPP(value);

	for (int s = STATUS_UNKNOWN + 1; s < STATUS_COUNT; s++)
	{
		if (VARSIZE_ANY_EXHDR(name) == strlen(status_names[s]) &&
			memcmp(VARDATA_ANY(name), status_names[s],
				   strlen(status_names[s])) == 0)
			return s;
	}
	return STATUS_UNKNOWN;
}

/*
 * Reads a row.  Missing busy times stand for the appointment's own.
 */
static void
read_occupation(TupleTableSlot *row, Occupation *result)
{
	bool		any_null = false;
	bool		no_expiry = false;
	bool		no_from = false;
	bool		no_until = false;
	Datum		status = appointment_value(row, APPT_STATUS, &any_null);
	TimestampTz starts_at =
		DatumGetTimestampTz(appointment_value(row, APPT_STARTS_AT,
											  &any_null));
	TimestampTz ends_at =
		DatumGetTimestampTz(appointment_value(row, APPT_ENDS_AT, &any_null));
	TimestampTz busy_from =
		DatumGetTimestampTz(appointment_value(row, APPT_BUSY_FROM, &no_from));
	TimestampTz busy_until =
		DatumGetTimestampTz(appointment_value(row, APPT_BUSY_UNTIL,
											  &no_until));
	TimestampTz expires_at =
		DatumGetTimestampTz(appointment_value(row, APPT_HOLD_EXPIRES_AT,
											  &no_expiry));
	Occupant   *occupant = &result->claim.occupant;

	memset(&result->claim, 0, sizeof(result->claim));
	occupant->barber_id = DatumGetInt64(appointment_value(row, APPT_BARBER_ID,
														  &any_null));
	occupant->has_id = true;
	occupant->id = DatumGetInt64(appointment_value(row, APPT_ID, &any_null));
	occupant->service_id =
		DatumGetInt64(appointment_value(row, APPT_SERVICE_ID, &any_null));
	occupant->starts_at = starts_at;
	occupant->busy.from = no_from ? starts_at : busy_from;
	occupant->busy.until = no_until ? ends_at : busy_until;
	result->is_complete = !any_null;
	result->status = any_null ? STATUS_UNKNOWN : status_from_text(status);
	result->expires_at = no_expiry || result->status != STATUS_PENDING ?
		DT_NOEND : expires_at;
}

static bool
is_live(const Occupation *row)
{
	return row->status == STATUS_CONFIRMED ||
		row->status == STATUS_CHECKED_IN ||
		(row->status == STATUS_PENDING && row->expires_at > booking_now());
}

/*
 * Whether the row may come to overlap another: it is live, and occupies time
 * that its old version, if any, did not occupy for as long, or as one of
 * another group.
 */
static bool
needs_check(const Occupation *row, const Occupation *old)
{
	const Occupant *now = &row->claim.occupant;
	const Occupant *before = old != NULL ? &old->claim.occupant : NULL;

	if (!row->is_complete || !is_live(row) || now->busy.from >= now->busy.until)
		return false;
	return old == NULL || !is_live(old) ||
		before->barber_id != now->barber_id ||
		before->service_id != now->service_id ||
		before->starts_at != now->starts_at ||
		before->busy.from != now->busy.from ||
		before->busy.until != now->busy.until ||
		old->expires_at < row->expires_at;
}

static void
check_transition(const Occupation *old, const Occupation *row)
{
	Refusal		refusal;

	if (old->status == row->status || row->status == STATUS_UNKNOWN ||
		(transitions[old->status] & MAY_BECOME(row->status)) != 0)
		return;
	refuse(&refusal, INVALID_TRANSITION,
		   "Appointment " INT64_FORMAT " is %s and cannot become %s.",
		   old->claim.occupant.id, status_names[old->status],
		   status_names[row->status]);
	raise_refusal("change", &refusal);
}

/* ---- triggers ---- */

/*
 * Columns that the BEFORE trigger fills in.
 */
typedef struct Changes
{
	int			count;
	int			columns[MAX_TABLE_COLUMNS];
	Datum		values[MAX_TABLE_COLUMNS];
	bool		nulls[MAX_TABLE_COLUMNS];
} Changes;

static void
change(Changes *changes, int column, Datum value, bool isnull)
{
	changes->columns[changes->count] = catalog_column(APPOINTMENTS, column);
	changes->values[changes->count] = value;
	changes->nulls[changes->count] = isnull;
	changes->count++;
}

static bool
column_is_null(TupleTableSlot *row, int column)
{
	bool		isnull = false;

	appointment_value(row, column, &isnull);
	return isnull;
}

/*
 * What a writer may leave to us: busy times, and the marks of a new status.
 */
static void
fill_in(TupleTableSlot *row, const Occupation *occupation, Changes *changes)
{
	Status		status = occupation->status;

	if (column_is_null(row, APPT_BUSY_FROM))
		change(changes, APPT_BUSY_FROM,
			   TimestampTzGetDatum(occupation->claim.occupant.busy.from), false);
	if (column_is_null(row, APPT_BUSY_UNTIL))
		change(changes, APPT_BUSY_UNTIL,
			   TimestampTzGetDatum(occupation->claim.occupant.busy.until), false);
	if (status != STATUS_PENDING && status != STATUS_CANCELLED &&
		status != STATUS_EXPIRED && status != STATUS_UNKNOWN &&
		!column_is_null(row, APPT_HOLD_EXPIRES_AT))
		change(changes, APPT_HOLD_EXPIRES_AT, (Datum) 0, true);
	if (status == STATUS_CANCELLED && column_is_null(row, APPT_CANCELLED_AT))
		change(changes, APPT_CANCELLED_AT,
			   TimestampTzGetDatum(booking_now()), false);
}

/*
 * Every update is a new version.
 */
static void
advance_version(TupleTableSlot *old, Changes *changes)
{
	bool		isnull = false;
	Datum		version = appointment_value(old, APPT_VERSION, &isnull);

	change(changes, APPT_VERSION, Int32GetDatum(DatumGetInt32(version) + 1),
		   isnull);
	change(changes, APPT_UPDATED_AT, TimestampTzGetDatum(booking_now()),
		   false);
}

static HeapTuple
apply(HeapTuple row, TupleDesc desc, Changes *changes)
{
	if (changes->count == 0)
		return row;
	return heap_modify_tuple_by_cols(row, desc, changes->count,
									 changes->columns, changes->values,
									 changes->nulls);
}

static void
refuse_row(Relation appointments, const Occupation *row)
{
	Refusal		refusal;

	refuse_overlap(&refusal, row->claim.occupant.barber_id,
				   row->claim.occupant.busy.from,
				   row->claim.occupant.busy.until);
	raise_booking_refusal(appointments, &refusal);
}

PG_FUNCTION_INFO_V1(booking_guard_before);

Datum
booking_guard_before(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	rel;
	Changes		changes = {0};
	Occupation	row;
	Occupation	old;
	bool		is_update;
	TupleTableSlot *slot;

	catalog_check_trigger(fcinfo, APPOINTMENTS, APPOINTMENTS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_BEFORE,
						  "guard_before");
	rel = trigger->tg_relation;
	is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	slot = is_update ? trigger->tg_newslot : trigger->tg_trigslot;

	read_occupation(slot, &row);
	fill_in(slot, &row, &changes);
	if (is_update)
	{
		read_occupation(trigger->tg_trigslot, &old);
		check_transition(&old, &row);
		advance_version(trigger->tg_trigslot, &changes);
		/* an update may give the row another id; its old one is in no way */
		row.claim.occupant.id = old.claim.occupant.id;
	}
	if (needs_check(&row, is_update ? &old : NULL) &&
		!guard_covers(&row.claim) && !guard_await(rel, &row.claim))
		refuse_row(rel, &row);
	return PointerGetDatum(apply(is_update ? trigger->tg_newtuple :
								 trigger->tg_trigtuple,
								 RelationGetDescr(rel), &changes));
}

PG_FUNCTION_INFO_V1(booking_guard_after);

Datum
booking_guard_after(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Occupation	row;
	Occupation	old;
	bool		is_update;
	bool		is_covered;
	HeapTuple	stored;

	catalog_check_trigger(fcinfo, APPOINTMENTS, APPOINTMENTS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_AFTER,
						  "guard_after");
	is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	stored = is_update ? trigger->tg_newtuple : trigger->tg_trigtuple;
	read_occupation(is_update ? trigger->tg_newslot : trigger->tg_trigslot,
					&row);
	if (is_update)
		read_occupation(trigger->tg_trigslot, &old);

	is_covered = guard_covers(&row.claim);
	guard_leave();
	if (!is_covered && needs_check(&row, is_update ? &old : NULL) &&
		!guard_verify(trigger->tg_relation, &row.claim,
					  HeapTupleHeaderGetXmin(stored->t_data)))
		refuse_row(trigger->tg_relation, &row);
	return PointerGetDatum(NULL);
}
