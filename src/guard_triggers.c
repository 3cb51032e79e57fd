/*-------------------------------------------------------------------------
 *
 * guard_triggers.c
 *	  The triggers of appointments, through which every writer comes.
 *
 * The BEFORE trigger, named to fire last, fills in what a writer may leave to
 * us, lets busy time go along with a raw writer's move, clears the notes of a
 * row that goes to another shop or customer, checks the change of status, and
 * waits until nothing overlaps.  The AFTER trigger, named to fire first, judges
 * the row that was really stored, before the foreign keys' triggers can wait
 * for anybody.  A row that one of our own functions inserts is judged by that
 * function (store.c); of one that it moves the triggers judge what the function
 * asks, and tell it the result.
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
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

#define HIGHEST_FIRST_VERSION 1000000000

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
 * Whether one of our moves sends a confirmed appointment back to the shop,
 * which has to confirm it again.
 */
static bool
is_sent_back(const OwnWrite *write, const Occupation *old,
			 const Occupation *row)
{
	return write != NULL && write->claim != NULL &&
		old->status == STATUS_CONFIRMED && row->status == STATUS_PENDING;
}

static void
check_transition(const OwnWrite *write, const Occupation *old,
				 const Occupation *row)
{
	Refusal		refusal;

	if (old->status == row->status || row->status == STATUS_UNKNOWN ||
		(transitions[old->status] & MAY_BECOME(row->status)) != 0 ||
		is_sent_back(write, old, row))
		return;
	refuse(&refusal, INVALID_TRANSITION,
		   "Appointment " INT64_FORMAT " is %s and cannot become %s.",
		   old->id, status_name(old->status), status_name(row->status));
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
 * Whose a new key is: the customer's at the barber's shop, as they are now.
 * They stay so when the appointment is moved or given away.
 */
static void
fill_in_key(TupleTableSlot *row, const Occupation *occupation,
			Changes *changes)
{
	bool		has_shop = !column_is_null(row, APPT_KEY_SHOP_ID);
	bool		has_user = !column_is_null(row, APPT_KEY_USER_ID);
	int64		shop_id;

	if (column_is_null(row, APPT_IDEMPOTENCY_KEY))
	{
		if (has_shop)
			change(changes, APPT_KEY_SHOP_ID, (Datum) 0, true);
		if (has_user)
			change(changes, APPT_KEY_USER_ID, (Datum) 0, true);
	}
	else if (!has_shop && find_barber_shop(occupation->barber_id, &shop_id))
	{
		change(changes, APPT_KEY_SHOP_ID, Int64GetDatum(shop_id), false);
		if (!has_user && occupation->has_user)
			change(changes, APPT_KEY_USER_ID,
				   Int64GetDatum(occupation->user_id), false);
	}
}

/*
 * What a writer may leave to us: busy times, and the marks of a new status.
 */
static void
fill_in(TupleTableSlot *row, const Occupation *occupation, Changes *changes)
{
	Status		status = occupation->status;

	fill_in_key(row, occupation, changes);
	if (column_is_null(row, APPT_BUSY_FROM))
		change(changes, APPT_BUSY_FROM,
			   TimestampTzGetDatum(occupation->busy.from), false);
	if (column_is_null(row, APPT_BUSY_UNTIL))
		change(changes, APPT_BUSY_UNTIL,
			   TimestampTzGetDatum(occupation->busy.until), false);
	if (status != STATUS_PENDING && status != STATUS_CANCELLED &&
		status != STATUS_EXPIRED && status != STATUS_UNKNOWN &&
		!column_is_null(row, APPT_HOLD_EXPIRES_AT))
		change(changes, APPT_HOLD_EXPIRES_AT, (Datum) 0, true);
	if (status == STATUS_CANCELLED && column_is_null(row, APPT_CANCELLED_AT))
		change(changes, APPT_CANCELLED_AT,
			   TimestampTzGetDatum(booking_now()), false);
}

/*
 * Whether an update gives the row to another shop or customer.  Who walked in
 * may turn out to be a customer.
 */
static bool
is_given_away(const Occupation *old, const Occupation *row)
{
	int64		old_shop;
	int64		shop;

	if (old->has_user && (!row->has_user || old->user_id != row->user_id))
		return true;
	return old->barber_id != row->barber_id &&
		find_barber_shop(old->barber_id, &old_shop) &&
		(!find_barber_shop(row->barber_id, &shop) || shop != old_shop);
}

/*
 * What a shop noted about a customer is for nobody else, and is cleared when
 * the row goes to somebody else; the history keeps it.  What the writer notes
 * at the same time stays.
 */
static void
clear_notes(const TriggerData *trigger, const Occupation *old,
			const Occupation *row, Changes *changes)
{
	bool		was_null = false;
	bool		isnull = false;
	Datum		before;
	Datum		after;

	if (old->barber_id == row->barber_id && old->has_user == row->has_user &&
		old->user_id == row->user_id)
		return;
	before = appointment_value(trigger->tg_trigslot, APPT_NOTES, &was_null);
	after = appointment_value(trigger->tg_newslot, APPT_NOTES, &isnull);
	if (!was_null && !isnull && datum_image_eq(before, after, false, -1) &&
		is_given_away(old, row))
		change(changes, APPT_NOTES, (Datum) 0, true);
}

/*
 * A raw writer may begin with any version, as a copy of old rows does, but not
 * with one after which changes would soon be impossible.
 */
static void
check_first_version(TupleTableSlot *row)
{
	bool		isnull = false;
	int			version =
		DatumGetInt32(appointment_value(row, APPT_VERSION, &isnull));

	if (!isnull && version > HIGHEST_FIRST_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("version of new appointment is out of range"),
				 errdetail("It is %d; the most is %d.", version,
						   HIGHEST_FIRST_VERSION),
				 errhint("Leave version out: it begins with 1.")));
}

/*
 * Every update is a new version.  After the last there is none: a number that
 * wraps would let an old one through that somebody still has.
 */
static void
advance_version(TupleTableSlot *old, Changes *changes)
{
	bool		isnull = false;
	int			version =
		DatumGetInt32(appointment_value(old, APPT_VERSION, &isnull));

	if (!isnull && version == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("version of appointment is out of range"),
				 errdetail("It is %d, and every change makes it one more.",
						   version),
				 errhint("Let the tables' owner set it to 1 while trigger zz_guard_before is disabled.")));
	change(changes, APPT_VERSION, Int32GetDatum(isnull ? 0 : version + 1),
		   isnull);
	change(changes, APPT_UPDATED_AT, TimestampTzGetDatum(booking_now()),
		   false);
}

static TimestampTz
instant_of(TupleTableSlot *row, int column, bool *isnull)
{
	return DatumGetTimestampTz(appointment_value(row, column, isnull));
}

/*
 * Where one end of busy time goes when a raw writer moves the appointment's
 * and leaves that of its busy time as it was: as far from it as before.  NULL
 * and what the writer has changed stay as they are; so does what would leave
 * the calendar, which a CHECK then refuses.
 */
static void
move_busy_end(const TriggerData *trigger, int column, int busy_column,
			  TimestampTz *busy, Changes *changes)
{
	TupleTableSlot *old = trigger->tg_trigslot;
	TupleTableSlot *new = trigger->tg_newslot;
	bool		isnull = false;
	TimestampTz was = instant_of(old, column, &isnull);
	TimestampTz busy_was = instant_of(old, busy_column, &isnull);
	TimestampTz at = instant_of(new, column, &isnull);
	TimestampTz busy_at = instant_of(new, busy_column, &isnull);
	TimestampTz moved;

	if (isnull || at == was || busy_at != busy_was ||
		TIMESTAMP_NOT_FINITE(at) || TIMESTAMP_NOT_FINITE(was) ||
		TIMESTAMP_NOT_FINITE(busy_was))
		return;
	moved = at + (busy_was - was);
	if (!IS_VALID_TIMESTAMP(moved))
		return;
	*busy = moved;
	change(changes, busy_column, TimestampTzGetDatum(moved), false);
}

static void
move_busy(const TriggerData *trigger, Occupation *row, Changes *changes)
{
	move_busy_end(trigger, APPT_STARTS_AT, APPT_BUSY_FROM, &row->busy.from,
				  changes);
	move_busy_end(trigger, APPT_ENDS_AT, APPT_BUSY_UNTIL, &row->busy.until,
				  changes);
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

	refuse_overlap(&refusal, row->barber_id, row->busy.from, row->busy.until);
	raise_booking_refusal(appointments, &refusal);
}

/*
 * What a raw writer's row claims: time, past itself.  The key is NULL before it
 * is stored.
 */
static void
claim_of_raw_row(const Occupation *row, const IdList *own,
				 const IdempotencyKey *key, Claim *claim)
{
	memset(claim, 0, sizeof(*claim));
	occupation_occupant(row, own, key, &claim->occupant);
}

/*
 * What a moved row claims: the time that it was stored with, and besides what
 * the function asks.
 */
static void
claim_of_move(const OwnWrite *write, const Occupation *row, Claim *claim,
			  Limits *limits)
{
	*claim = *write->claim;
	occupation_occupant(row, &write->claim->occupant.own, NULL,
						&claim->occupant);
	if (claim->limits == NULL)
		return;
	limits_of_row(claim->limits, row->has_user, row->user_id, row->barber_id,
				  limits);
	claim->limits = limits;
}

PG_FUNCTION_INFO_V1(booking_guard_before);

/*
 * Prepares the row of a function's that is to be stored.  An insert is that
 * function's to judge; a move takes its locks here, after all other BEFORE
 * triggers.
 */
static void
prepare_own_row(Relation appointments, const OwnWrite *write,
				const Occupation *row)
{
	Claim		claim;
	Limits		limits;

	if (write->claim == NULL)
		return;
	claim_of_move(write, row, &claim, &limits);
	(void) guard_enter(appointments, &claim, true, NULL, NULL, NULL);
}

static void
await_raw_row(Relation appointments, const Occupation *row)
{
	IdList		own = {&row->id, 1};
	Claim		claim;

	claim_of_raw_row(row, &own, NULL, &claim);
	if (!guard_await(appointments, &claim))
		refuse_row(appointments, row);
}

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
	OwnWrite   *write;

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
		check_transition(guard_own_write(old.id), &old, &row);
		advance_version(trigger->tg_trigslot, &changes);
		clear_notes(trigger, &old, &row, &changes);
		/* an update may give the row another id; its old one is in no way */
		row.id = old.id;
	}
	write = guard_own_write(row.id);
	if (is_update && write == NULL)
		move_busy(trigger, &row, &changes);
	if (!is_update && write == NULL)
		check_first_version(slot);
	if (occupation_needs_look(&row, is_update ? &old : NULL))
	{
		if (write != NULL)
			prepare_own_row(rel, write, &row);
		else
			await_raw_row(rel, &row);
	}
	return PointerGetDatum(apply(is_update ? trigger->tg_newtuple :
								 trigger->tg_trigtuple,
								 RelationGetDescr(rel), &changes));
}

PG_FUNCTION_INFO_V1(booking_guard_after);

static void
judge_move(Relation appointments, OwnWrite *write, const Occupation *row)
{
	Claim		claim;
	Limits		limits;

	claim_of_move(write, row, &claim, &limits);
	write->result = guard_settle(appointments, &claim, false, &write->holder,
								 &write->refusal);
	guard_leave();
	if (write->result == CLAIM_REFUSED)
		keep_refusal(&write->refusal, TopTransactionContext);
}

/*
 * A row that had no time before, or whose hold had run out, gives up none.
 */
static void
judge_raw_row(Relation appointments, const Occupation *row,
			  const Occupation *old, TupleTableSlot *slot)
{
	IdList		own = {&row->id, 1};
	Claim		claim;

	claim_of_raw_row(row, &own, key_of_row(slot), &claim);
	if (!guard_verify(appointments, &claim,
					  old != NULL && occupation_is_live(old)))
		refuse_row(appointments, row);
}

Datum
booking_guard_after(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Occupation	row;
	Occupation	old;
	bool		is_update;
	OwnWrite   *write;

	catalog_check_trigger(fcinfo, APPOINTMENTS, APPOINTMENTS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_AFTER,
						  "guard_after");
	is_update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	if (guard_has_settled(is_update ? trigger->tg_newtuple :
						  trigger->tg_trigtuple))
		return PointerGetDatum(NULL);
	read_occupation(is_update ? trigger->tg_newslot : trigger->tg_trigslot,
					&row);
	if (is_update)
		read_occupation(trigger->tg_trigslot, &old);
	write = guard_own_write(row.id);
	if (!occupation_needs_look(&row, is_update ? &old : NULL))
		guard_leave();
	else if (write != NULL && write->claim != NULL)
		judge_move(trigger->tg_relation, write, &row);
	else
		judge_raw_row(trigger->tg_relation, &row, is_update ? &old : NULL,
					  is_update ? trigger->tg_newslot : trigger->tg_trigslot);
	return PointerGetDatum(NULL);
}
