/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Counts what one customer, or one day of a barber, has.
 *
 * Limits bind those who book through functions.  The guard counts with a dirty
 * snapshot, under the customer's and the barber's lock, once the new row is
 * stored, so two bookings at once cannot both be the last one.  Whoever may be
 * the last waits for the transaction that may be, and for no other.  A limit
 * that is off is not looked at.
 *
 * Each asks for as many appointments as it still has to store.  So of several
 * calls that store many for one customer, the one that stored last has room
 * for all of its own: they do not wait in a circle.
 *
 * Pending appointments are counted besides for those that are stored as
 * pending themselves, and for those alone: a confirmed one asks nothing more.
 *
 * A service with steps counts once, by its first part; its customer is busy in
 * every part, so each part asks for the overlap of the whole.  Within a visit
 * only rows of the same guest (the customer is one) are in each other's way.
 *
 * A dirty count is not of one moment: of a transaction that cancels one
 * appointment and books another it may meet the first before its commit and
 * the second after it.  So a refusal is confirmed by a count with one snapshot.
 *
 * Under a lock no configuration is read.  A count without one, which comes
 * first, notes which barbers are the shop's; if another turns up under the
 * lock, the caller lets go and starts again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

typedef struct Count
{
	const Limits *limits;
	bool		is_locked;
	bool		met_unknown;	/* a barber that could not be looked up */
	Tally		active;
	Tally		pending;
	Tally		overlaps;
	TimestampTz overlap_until;	/* when the last of them that is certain ends */
	Tally		of_day;
	DateADT		date;
} Count;

/* ---- barbers ---- */

static bool
is_of_shop(Count *count, int64 barber_id)
{
	const Limits *limits = count->limits;
	KnownBarbers *known = limits->known;
	Barber	   *barber;
	KnownBarber *added;

	for (int i = 0; i < known->count; i++)
	{
		if (known->rows[i].id == barber_id)
			return known->rows[i].is_of_shop;
	}
	if (count->is_locked)
	{
		count->met_unknown = true;
		return false;
	}
	barber = schedule_barber(schedule_begin(), barber_id);
	if (known->count == known->capacity)
		known->rows = grow_array(known->rows, &known->capacity,
								 known->count + 1, sizeof(KnownBarber));
	added = &known->rows[known->count++];
	added->id = barber_id;
	added->is_of_shop = barber != NULL && barber->shop->id == limits->shop_id;
	return added->is_of_shop;
}

/* ---- counting ---- */

static bool
is_head(TupleTableSlot *row)
{
	bool		isnull = false;

	appointment_value(row, APPT_PART_OF, &isnull);
	return isnull;
}

static bool
is_of_visit(TupleTableSlot *row, int64 visit_id)
{
	bool		isnull = false;
	int64		id = DatumGetInt64(appointment_value(row, APPT_VISIT_ID,
													 &isnull));

	return visit_id != 0 && !isnull && id == visit_id;
}

/*
 * Whether the row is for that guest, or, NULL, for the customer.  A long name
 * may be stored elsewhere; it is not fetched if its length is another.
 */
static bool
is_of_guest(TupleTableSlot *row, const char *guest_name)
{
	bool		isnull = false;
	Datum		value = appointment_value(row, APPT_GUEST_NAME, &isnull);
	Size		length;

	if (isnull || guest_name == NULL)
		return isnull && guest_name == NULL;
	length = strlen(guest_name);
	return toast_raw_datum_size(value) - VARHDRSZ == length &&
		memcmp(VARDATA_ANY(DatumGetTextPP(value)), guest_name, length) == 0;
}

static bool
is_own_part(TupleTableSlot *row, const IdList *own)
{
	bool		isnull = false;
	int64		head_id = DatumGetInt64(appointment_value(row, APPT_PART_OF,
														  &isnull));

	return !isnull && id_is_listed(own, head_id);
}

/*
 * Whether the customer cannot be at a row of his and where the limits are
 * asked for.  Within a visit other guests do not count, and a gap is free.
 */
static bool
is_in_way(const Limits *limits, TupleTableSlot *slot, TimestampTz starts_at,
		  TimestampTz ends_at)
{
	if (!is_of_visit(slot, limits->visit_id))
		return starts_at < limits->span.until && ends_at > limits->span.from;
	if (!is_of_guest(slot, limits->guest_name) ||
		is_own_part(slot, &limits->own))
		return false;
	for (int i = 0; i < limits->part_count; i++)
	{
		const Span *work = &limits->parts[i].work;

		if (starts_at < work->until && ends_at > work->from)
			return true;
	}
	return false;
}

/*
 * Whether the limit of pending ones counts the row.
 */
static bool
is_pending(const Limits *limits, const Occupation *row)
{
	return limits->max_pending > 0 && row->status == STATUS_PENDING;
}

static void
count_of_user(TupleTableSlot *slot, ProbeResult state, const Holder *holder,
			  void *arg)
{
	Count	   *count = arg;
	const Limits *limits = count->limits;
	bool		isnull = false;
	TimestampTz ends_at = DatumGetTimestampTz(appointment_value(slot,
																APPT_ENDS_AT,
																&isnull));
	Occupation	row;

	read_occupation(slot, &row);
	if (!row.has_user || row.user_id != limits->user_id ||
		!occupation_is_live(&row) || id_is_listed(&limits->own, row.id))
		return;
	if ((limits->max_active > 0 || is_pending(limits, &row)) &&
		ends_at > booking_now() && is_head(slot) &&
		is_of_shop(count, row.barber_id))
	{
		tally_row(&count->active, row.id, state, holder);
		if (is_pending(limits, &row))
			tally_row(&count->pending, row.id, state, holder);
	}
	if (limits->prevent_overlap &&
		is_in_way(limits, slot, row.starts_at, ends_at))
	{
		tally_row(&count->overlaps, row.id, state, holder);
		if (state == PROBE_TAKEN)
			count->overlap_until = Max(count->overlap_until, ends_at);
	}
}

static void
count_of_day(TupleTableSlot *slot, ProbeResult state, const Holder *holder,
			 void *arg)
{
	Count	   *count = arg;
	const Limits *limits = count->limits;
	Zone		zone = limits->zone;
	Occupation	row;

	read_occupation(slot, &row);
	if (row.barber_id == limits->barber_id && is_head(slot) &&
		!id_is_listed(&limits->own, row.id) &&
		(occupation_is_live(&row) || row.status == STATUS_COMPLETED) &&
		zone_date(&zone, row.starts_at) == count->date)
		tally_row(&count->of_day, row.id, state, holder);
}

static void
count_day(Relation appointments, Snapshot snapshot, Count *count)
{
	const Limits *limits = count->limits;

	scan_barber_versions(appointments, snapshot, limits->barber_id,
						 limits->span.from - 2 * USECS_PER_DAY,
						 limits->span.from + 2 * USECS_PER_DAY,
						 count_of_day, count);
}

static void
count_user(Relation appointments, Snapshot snapshot, Count *count)
{
	scan_user_versions(appointments, snapshot, count->limits->user_id,
					   count_of_user, count);
}

typedef void (*Counter) (Relation appointments, Snapshot snapshot,
						 Count *count);

/*
 * Whether one snapshot, too, has at least "most" rows of a kind.
 */
static bool
is_confirmed(Relation appointments, const Count *count, Counter counter,
			 Size tally_at, int most)
{
	Snapshot	snapshot = probe_register_snapshot();
	Count		again = {
		.limits = count->limits, .is_locked = count->is_locked,
		.date = count->date
	};
	Holder		nobody;

	counter(appointments, snapshot, &again);
	UnregisterSnapshot(snapshot);
	return tally_result((Tally *) ((char *) &again + tally_at), most,
						&nobody) == PROBE_TAKEN;
}

/*
 * Whether the count leaves room for one more.  A refusal that one snapshot does
 * not confirm was true of no moment: look again, and wait for nobody.
 */
static ProbeResult
judge_count(Relation appointments, Count *count, Counter counter,
			Size tally_at, int most, Holder *holder)
{
	ProbeResult result = tally_result((Tally *) ((char *) count + tally_at),
									  most, holder);

	if (result != PROBE_TAKEN || most <= 1 ||
		is_confirmed(appointments, count, counter, tally_at, most))
		return result;
	memset(holder, 0, sizeof(*holder));
	return PROBE_IN_PROGRESS;
}

/* ---- the limits ---- */

/*
 * Fills in that the customer has all that the shop allows: so it is at any time,
 * and with any barber.
 */
static void
refuse_customer(Refusal *refusal, const char *kind, int most)
{
	refuse(refusal, LIMIT_REACHED, "The shop allows a customer %d %s appointments.",
		   most, kind);
	refusal->is_customers = true;
}

/*
 * Whether the customer may have as many more active appointments, and as many
 * more pending ones.
 */
static ProbeResult
probe_allowance(Relation appointments, Count *count, Holder *holder,
				Refusal *refusal)
{
	const Limits *limits = count->limits;
	ProbeResult result = PROBE_FREE;

	if (limits->max_active > 0)
		result = judge_count(appointments, count, count_user,
							 offsetof(Count, active),
							 limits->max_active - limits->need + 1, holder);
	if (result == PROBE_TAKEN)
		refuse_customer(refusal, "active", limits->max_active);
	if (result != PROBE_FREE || limits->max_pending == 0)
		return result;
	result = judge_count(appointments, count, count_user,
						 offsetof(Count, pending),
						 limits->max_pending - limits->pending_need + 1,
						 holder);
	if (result == PROBE_TAKEN)
		refuse_customer(refusal, "pending", limits->max_pending);
	return result;
}

static ProbeResult
probe_user(Relation appointments, Count *count, Holder *holder,
		   Refusal *refusal)
{
	const Limits *limits = count->limits;
	ProbeResult overlap = PROBE_FREE;

	count_user(appointments, NULL, count);
	if (limits->prevent_overlap)
		overlap = tally_result(&count->overlaps, 1, holder);
	if (overlap == PROBE_TAKEN)
	{
		refuse(refusal, USER_OVERLAP, "User " INT64_FORMAT
			   " has another appointment between %s and %s.",
			   limits->user_id, instant_text(limits->span.from),
			   instant_text(limits->span.until));
		refusal->busy_until = count->overlap_until;
	}
	if (overlap != PROBE_FREE)
		return overlap;
	if (count->met_unknown)
	{
		memset(holder, 0, sizeof(*holder));
		return PROBE_IN_PROGRESS;
	}
	return probe_allowance(appointments, count, holder, refusal);
}

static ProbeResult
probe_day(Relation appointments, Count *count, Holder *holder,
		  Refusal *refusal)
{
	const Limits *limits = count->limits;
	Zone		zone = limits->zone;
	ProbeResult result;

	count->date = zone_date(&zone, limits->span.from);
	count_day(appointments, NULL, count);
	result = judge_count(appointments, count, count_day,
						 offsetof(Count, of_day),
						 limits->max_per_day - limits->others_of_day, holder);
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
		(limits->max_active > 0 || limits->max_pending > 0 ||
		 limits->prevent_overlap);
}

bool
limits_bind(const Limits *limits)
{
	return limits_bind_user(limits) || limits->max_per_day > 0;
}

/*
 * The limits of a part of a service other than the first: it is not counted,
 * but its customer is busy.  NULL if that does not matter.
 */
Limits *
limits_of_part(const Limits *limits)
{
	Limits	   *result;

	if (limits == NULL || !limits->has_user || !limits->prevent_overlap)
		return NULL;
	result = palloc(sizeof(Limits));
	*result = *limits;
	result->max_active = 0;
	result->max_pending = 0;
	result->max_per_day = 0;
	return result;
}

/*
 * The limits of a row as it is stored: a BEFORE trigger may have given it to
 * another customer, who has the same limits, or to another barber, whose limit
 * a day nobody asked for.
 */
void
limits_of_row(const Limits *asked, bool has_user, int64 user_id,
			  int64 barber_id, Limits *limits)
{
	*limits = *asked;
	limits->has_user = has_user;
	limits->user_id = user_id;
	if (barber_id != asked->barber_id)
		limits->max_per_day = 0;
}

/*
 * Whether the limits have room: FREE; TAKEN, and *refusal says which has not;
 * or IN_PROGRESS, which *holder's transaction decides.
 */
ProbeResult
probe_limits(Relation appointments, const Limits *limits, bool is_locked,
			 Holder *holder, Refusal *refusal)
{
	Count		count = {
		.limits = limits, .is_locked = is_locked, .overlap_until = DT_NOBEGIN
	};
	ProbeResult result = PROBE_FREE;

	if (limits_bind_user(limits))
		result = probe_user(appointments, &count, holder, refusal);
	if (result == PROBE_FREE && limits->max_per_day > 0)
		result = probe_day(appointments, &count, holder, refusal);
	return result;
}
