/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  How much one customer, or one day of a barber, may have.
 *
 * Limits bind those who book through functions; the guard asks for them with
 * the row's other claims, with a dirty snapshot and under the customer's and
 * the barber's lock, so two bookings at once cannot both be the last one.
 * Whoever may be the last waits for the transaction that may be, and for no
 * other.  A limit that is off is not looked at.
 *
 * Each asks for as many appointments as it still has to store.  So of several
 * calls that store many for one customer, the one that stored last has room
 * for all of its own: they do not wait in a circle.
 *
 * A service with steps counts once, by its first part.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

typedef struct Count
{
	const Limits *limits;
	Tally		active;
	Tally		overlaps;
	Tally		of_day;
	DateADT		date;
} Count;

/*
 * What the limits look at in a row.
 */
typedef struct Row
{
	int64		id;
	int64		head_id;
	bool		is_head;
	bool		is_live;
	bool		is_completed;
	int64		barber_id;
	int64		visit_id;		/* 0: none */
	Span		span;
} Row;

static void
read_row(TupleTableSlot *slot, Row *row)
{
	bool		isnull = false;
	bool		never_expires = false;
	bool		has_visit = true;
	TimestampTz expires_at;
	char	   *status;

#define VALUE(column) appointment_value(slot, (column), &isnull)
	row->id = DatumGetInt64(VALUE(APPT_ID));
	row->is_head = false;
	row->head_id = DatumGetInt64(appointment_value(slot, APPT_PART_OF,
												   &row->is_head));
	if (row->is_head)
		row->head_id = row->id;
	row->barber_id = DatumGetInt64(VALUE(APPT_BARBER_ID));
	row->span.from = DatumGetTimestampTz(VALUE(APPT_STARTS_AT));
	row->span.until = DatumGetTimestampTz(VALUE(APPT_ENDS_AT));
	status = TextDatumGetCString(VALUE(APPT_STATUS));
	isnull = false;
	row->visit_id = DatumGetInt64(VALUE(APPT_VISIT_ID));
	has_visit = !isnull;
#undef VALUE
	if (!has_visit)
		row->visit_id = 0;
	expires_at = DatumGetTimestampTz(appointment_value(slot,
													   APPT_HOLD_EXPIRES_AT,
													   &never_expires));
	row->is_live = status_is_live(status,
								  never_expires ? DT_NOEND : expires_at);
	row->is_completed = strcmp(status, "completed") == 0;
	pfree(status);
}

static bool
is_of_shop(const Limits *limits, int64 barber_id)
{
	Barber	   *barber = schedule_barber(limits->schedule, barber_id);

	return barber != NULL && barber->shop->id == limits->shop->id;
}

static void
count_of_user(TupleTableSlot *slot, ProbeResult state, const Holder *holder,
			  void *arg)
{
	Count	   *count = arg;
	const Limits *limits = count->limits;
	Row			row;

	read_row(slot, &row);
	if (!row.is_live || row.head_id == limits->head_id)
		return;
	if (limits->max_active > 0 && row.is_head &&
		row.span.until > booking_now() && is_of_shop(limits, row.barber_id))
		tally_row(&count->active, row.id, state, holder);
	if (limits->prevent_overlap &&
		row.span.from < limits->span.until &&
		row.span.until > limits->span.from &&
		(limits->visit_id == 0 || row.visit_id != limits->visit_id))
		tally_row(&count->overlaps, row.id, state, holder);
}

static void
count_of_day(TupleTableSlot *slot, ProbeResult state, const Holder *holder,
			 void *arg)
{
	Count	   *count = arg;
	const Limits *limits = count->limits;
	Row			row;

	read_row(slot, &row);
	if (row.is_head && row.head_id != limits->head_id &&
		(row.is_live || row.is_completed) &&
		zone_date(&limits->shop->zone, row.span.from) == count->date)
		tally_row(&count->of_day, row.id, state, holder);
}

static ProbeResult
probe_user(Relation appointments, const Limits *limits, Count *count,
		   Holder *holder, Refusal *refusal)
{
	ProbeResult active = PROBE_FREE;
	ProbeResult overlap = PROBE_FREE;

	scan_user_dirty(appointments, limits->user_id, count_of_user, count);
	if (limits->prevent_overlap)
		overlap = tally_result(&count->overlaps, 1, holder);
	if (overlap == PROBE_TAKEN)
		refuse(refusal, USER_OVERLAP, "User " INT64_FORMAT
			   " has another appointment between %s and %s.",
			   limits->user_id, instant_text(limits->span.from),
			   instant_text(limits->span.until));
	if (overlap != PROBE_FREE)
		return overlap;
	if (limits->max_active > 0)
		active = tally_result(&count->active,
							  limits->max_active - limits->need + 1, holder);
	if (active == PROBE_TAKEN)
		refuse(refusal, LIMIT_REACHED, "The shop allows a customer %d active appointments.",
			   limits->max_active);
	return active;
}

static ProbeResult
probe_day(Relation appointments, const Limits *limits, Count *count,
		  Holder *holder, Refusal *refusal)
{
	ProbeResult result;

	count->date = zone_date(&limits->shop->zone, limits->span.from);
	scan_barber_dirty(appointments, limits->barber_id,
					  limits->span.from - 2 * USECS_PER_DAY,
					  limits->span.from + 2 * USECS_PER_DAY,
					  count_of_day, count);
	result = tally_result(&count->of_day, limits->max_per_day, holder);
	if (result == PROBE_TAKEN)
		refuse(refusal, LIMIT_REACHED, "Barber " INT64_FORMAT
			   " takes %d appointments a day.", limits->barber_id,
			   limits->max_per_day);
	return result;
}

/*
 * Whether the customer's lock is needed.
 */
bool
limits_bind_user(const Limits *limits)
{
	return limits->has_user &&
		(limits->max_active > 0 || limits->prevent_overlap);
}

bool
limits_bind(const Limits *limits)
{
	return limits_bind_user(limits) || limits->max_per_day > 0;
}

/*
 * Whether the limits have room now: FREE; TAKEN, and *refusal says which has
 * not; or IN_PROGRESS, which *holder's transaction decides.
 */
ProbeResult
probe_limits(Relation appointments, const Limits *limits, Holder *holder,
			 Refusal *refusal)
{
	Count		count = {.limits = limits};
	ProbeResult result = PROBE_FREE;

	if (limits_bind_user(limits))
		result = probe_user(appointments, limits, &count, holder, refusal);
	if (result == PROBE_FREE && limits->max_per_day > 0)
		result = probe_day(appointments, limits, &count, holder, refusal);
	return result;
}
