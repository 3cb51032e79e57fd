/*-------------------------------------------------------------------------
 *
 * occupation.c
 *	  Reads from a row what the guard needs: whose time it occupies, and when.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

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

const char *
status_name(Status status)
{
	return status_names[status];
}

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
void
read_occupation(TupleTableSlot *row, Occupation *result)
{
	bool		any_null = false;
	bool		no_expiry = false;
	bool		no_from = false;
	bool		no_until = false;
	bool		no_user = false;
	Datum		status = appointment_value(row, APPT_STATUS, &any_null);
	TimestampTz ends_at;

#define NEEDED(column) appointment_value(row, (column), &any_null)
	result->id = DatumGetInt64(NEEDED(APPT_ID));
	result->barber_id = DatumGetInt64(NEEDED(APPT_BARBER_ID));
	result->service_id = DatumGetInt64(NEEDED(APPT_SERVICE_ID));
	result->starts_at = DatumGetTimestampTz(NEEDED(APPT_STARTS_AT));
	ends_at = DatumGetTimestampTz(NEEDED(APPT_ENDS_AT));
#undef NEEDED
	result->user_id =
		DatumGetInt64(appointment_value(row, APPT_USER_ID, &no_user));
	result->has_user = !no_user;
	result->busy.from =
		DatumGetTimestampTz(appointment_value(row, APPT_BUSY_FROM, &no_from));
	if (no_from)
		result->busy.from = result->starts_at;
	result->busy.until =
		DatumGetTimestampTz(appointment_value(row, APPT_BUSY_UNTIL,
											  &no_until));
	if (no_until)
		result->busy.until = ends_at;
	result->expires_at =
		DatumGetTimestampTz(appointment_value(row, APPT_HOLD_EXPIRES_AT,
											  &no_expiry));
	result->is_complete = !any_null;
	result->status = any_null ? STATUS_UNKNOWN : status_from_text(status);
	if (no_expiry || result->status != STATUS_PENDING)
		result->expires_at = DT_NOEND;
}

/*
 * Whether the row occupies time now.
 */
bool
occupation_is_live(const Occupation *row)
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
bool
occupation_needs_look(const Occupation *row, const Occupation *old)
{
	if (!row->is_complete || !occupation_is_live(row) ||
		row->busy.from >= row->busy.until)
		return false;
	return old == NULL || !occupation_is_live(old) ||
		old->barber_id != row->barber_id ||
		old->service_id != row->service_id ||
		old->starts_at != row->starts_at ||
		old->busy.from != row->busy.from ||
		old->busy.until != row->busy.until ||
		old->expires_at < row->expires_at;
}

/*
 * The row, once it is stored, as one whose overlap is looked for; "own" and the
 * key must live as long.
 */
void
occupation_occupant(const Occupation *row, const IdList *own,
					const IdempotencyKey *key, Occupant *occupant)
{
	ItemPointerSetInvalid(&occupant->stored);
	occupant->key = key;
	occupant->barber_id = row->barber_id;
	occupant->busy = row->busy;
	occupant->own = *own;
	occupant->service_id = row->service_id;
	occupant->starts_at = row->starts_at;
}

/*
 * The row's idempotency key, palloc'd, or NULL.
 */
const IdempotencyKey *
key_of_row(TupleTableSlot *row)
{
	IdempotencyKey *key;
	bool		has_none = false;
	bool		no_shop = false;
	bool		no_user = false;
	Datum		value = appointment_value(row, APPT_IDEMPOTENCY_KEY, &has_none);

	if (has_none)
		return NULL;
	key = palloc(sizeof(IdempotencyKey));
	key->text = TextDatumGetCString(value);
	key->shop_id = DatumGetInt64(appointment_value(row, APPT_KEY_SHOP_ID,
												   &no_shop));
	key->user_id = DatumGetInt64(appointment_value(row, APPT_KEY_USER_ID,
												   &no_user));
	key->has_shop = !no_shop;
	key->has_user = !no_user;
	return key;
}

/*
 * Whether two keys are one, as their unique index has it.
 */
bool
is_same_key(const IdempotencyKey *key, const IdempotencyKey *other)
{
	return key->has_shop == other->has_shop &&
		(!key->has_shop || key->shop_id == other->shop_id) &&
		key->has_user == other->has_user &&
		(!key->has_user || key->user_id == other->user_id) &&
		strcmp(key->text, other->text) == 0;
}
