/*-------------------------------------------------------------------------
 *
 * assign.c
 *	  Any barber: in which order those who offer a service are asked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

typedef struct Candidate
{
	int64		barber_id;
	int64		rank;			/* lowest first */
} Candidate;

/* ---- least_booked ---- */

typedef struct BookedTime
{
	Zone	   *zone;
	DateADT		date;
	int64		total_us;
} BookedTime;

static void
add_booked_time(HeapTuple row, TupleDesc desc, void *state)
{
	BookedTime *booked = state;
	bool		isnull;
	char	   *status;
	TimestampTz starts_at;
	TimestampTz expires_at;

#define VALUE(column) row_value(row, desc, APPOINTMENTS, (column), &isnull)
	starts_at = DatumGetTimestampTz(VALUE(APPT_STARTS_AT));
	if (zone_date(booked->zone, starts_at) != booked->date)
		return;
	status = TextDatumGetCString(VALUE(APPT_STATUS));
	expires_at = DatumGetTimestampTz(VALUE(APPT_HOLD_EXPIRES_AT));
	if (isnull)
		expires_at = DT_NOEND;
	if (status_is_live(status, expires_at) ||
		strcmp(status, "completed") == 0)
		booked->total_us += DatumGetTimestampTz(VALUE(APPT_ENDS_AT)) -
			starts_at;
#undef VALUE
}

/*
 * The time a barber has booked on the local date of an instant, what is over
 * included.
 */
static int64
booked_time(Barber *barber, TimestampTz at)
{
	Zone	   *zone = &barber->shop->zone;
	BookedTime	booked = {.zone = zone, .date = zone_date(zone, at)};

	scan_appointments(barber->id, at - 2 * USECS_PER_DAY,
					  at + 2 * USECS_PER_DAY, add_booked_time, &booked);
	return booked.total_us;
}

/* ---- round_robin ---- */

static OwnerQuery last_assigned_query = {
	.sql = "SELECT coalesce(pg_catalog.max(id), 0) FROM booking.appointments"
	" WHERE barber_id OPERATOR(pg_catalog.=) $1 AND is_assigned",
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * The last appointment that "any barber" gave to a barber; ids grow.
 */
static int64
last_assigned(int64 barber_id)
{
	Datum		values[] = {Int64GetDatum(barber_id)};
	int64		id;
	bool		isnull;

	SPI_connect();
	run_owner_query(&last_assigned_query, values, NULL, false);
	id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									 SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return id;
}

/* ---- the order ---- */

static int
compare_candidates(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->barber_id > y->barber_id) - (x->barber_id < y->barber_id);
}

static int64
rank(Barber *barber, TimestampTz starts_at)
{
	switch (barber->shop->assignment)
	{
		case ASSIGN_PRIORITY:
			return -(int64) barber->priority;
		case ASSIGN_ROUND_ROBIN:
			return last_assigned(barber->id);
		case ASSIGN_LEAST_BOOKED:
			break;
	}
	return booked_time(barber, starts_at);
}

/*
 * The barbers who have the service on their list, in the order of their shop's
 * assignment: fewest booked minutes on that date, longest since last assigned,
 * or highest priority; then lowest id.
 */
int64 *
assignment_order(Schedule *schedule, Service *service, TimestampTz starts_at,
				 int *count)
{
	Candidate  *candidates;
	int64	   *barber_ids;

	*count = service->barber_count;
	candidates = palloc(Max(*count, 1) * sizeof(Candidate));
	barber_ids = palloc(Max(*count, 1) * sizeof(int64));
	for (int i = 0; i < *count; i++)
	{
		Barber	   *barber = schedule_barber(schedule, service->barber_ids[i]);

		candidates[i].barber_id = service->barber_ids[i];
		candidates[i].rank = barber != NULL ? rank(barber, starts_at) : 0;
	}
	qsort(candidates, *count, sizeof(Candidate), compare_candidates);
	for (int i = 0; i < *count; i++)
		barber_ids[i] = candidates[i].barber_id;
	pfree(candidates);
	return barber_ids;
}
