/*-------------------------------------------------------------------------
 *
 * availability.c
 *	  The SQL-callable reads of availability.
 *
 * A call resolves the service and those who offer it, then asks rules.c for
 * the starts of each; all appointments are read through one index scan that is
 * restarted for each barber.  Nothing here writes or locks rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

#define MOST_SLOTS 10000
#define MOST_IN_STRIDE (10 * MOST_SLOTS)
#define LONGEST_STRIDE (32 * USECS_PER_DAY)

/*
 * The barbers who offer the service that a call is about.
 */
typedef struct Search
{
	Schedule   *schedule;
	Offer	   *offers;
	int			offer_count;
	BusyReader *reader;
} Search;

/*
 * A slot, laid out as the SQL type is.
 */
typedef struct Slot
{
	int64		barber_id;
	TimestampTz starts_at;
	TimestampTz ends_at;
	int32		seats_left;
} Slot;

#define SLOT_WIDTH (offsetof(Slot, seats_left) + sizeof(int32))

typedef struct SlotArray
{
	Slot	   *slots;
	int			count;
	int			capacity;
} SlotArray;

/* ---- searching ---- */

static void
raise_unless_not_offered(const Refusal *refusal)
{
	if (refusal->reason != NOT_OFFERED)
		raise_refusal("request", refusal);
}

/*
 * Resolves the arguments service_id and barber_id (NULL: everybody).
 */
static void
begin_search(FunctionCallInfo fcinfo, int barber_arg, Search *search)
{
	Schedule   *schedule = schedule_begin();
	int64		service_id = PG_GETARG_INT64(0);
	Service    *service = schedule_service(schedule, service_id);
	int64		only_barber;
	int64	   *barber_ids;
	int			barber_count;
	Refusal		refusal;

	if (service == NULL)
	{
		refuse(&refusal, NOT_FOUND, "There is no service " INT64_FORMAT ".",
			   service_id);
		raise_refusal("request", &refusal);
	}
	barber_ids = service->barber_ids;
	barber_count = service->barber_count;
	if (!PG_ARGISNULL(barber_arg))
	{
		only_barber = PG_GETARG_INT64(barber_arg);
		barber_ids = &only_barber;
		barber_count = 1;
	}

	search->offers = palloc(Max(barber_count, 1) * sizeof(Offer));
	search->offer_count = 0;
	search->schedule = schedule;
	for (int i = 0; i < barber_count; i++)
	{
		Offer	   *offer = &search->offers[search->offer_count];

		if (find_offer(schedule, barber_ids[i], service_id, offer, &refusal))
			search->offer_count++;
		else
			raise_unless_not_offered(&refusal);
	}
	search->reader = search->offer_count > 0 ? busy_open() : NULL;
}

static void
end_search(Search *search)
{
	if (search->reader != NULL)
		busy_close(search->reader);
}

static int
compare_slots(const void *a, const void *b)
{
	const Slot *x = a;
	const Slot *y = b;

	if (x->starts_at != y->starts_at)
		return x->starts_at < y->starts_at ? -1 : 1;
	return (x->barber_id > y->barber_id) - (x->barber_id < y->barber_id);
}

static void
add_slots(SlotArray *array, const Offer *offer, const StartList *starts)
{
	int			needed = array->count + starts->count;

	if (needed > array->capacity)
		array->slots = grow_array(array->slots, &array->capacity, needed,
								  sizeof(Slot));
	for (int i = 0; i < starts->count; i++)
	{
		Slot	   *slot = &array->slots[array->count++];

		slot->starts_at = starts->starts[i].at;
		slot->seats_left = starts->starts[i].seats_left;
		slot->ends_at = slot->starts_at + offer->rule.duration_us;
		slot->barber_id = offer->barber->id;
	}
}

static void
sort_slots(SlotArray *array)
{
	if (array->count > 1)
		qsort(array->slots, array->count, sizeof(Slot), compare_slots);
}

static void
put_slots(ResultSet *result, const SlotArray *array, int how_many)
{
	Datum		model[] = {
		Int64GetDatum(0), TimestampTzGetDatum(0), TimestampTzGetDatum(0),
		Int32GetDatum(0)
	};

	if (how_many > 0)
		result_put_fixed(result, model, array->slots, sizeof(Slot), how_many,
						 SLOT_WIDTH);
}

/* ---- an appointment that is to be moved ---- */

static void
refuse_overrides(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("available_slots() takes no override but window, with for_appointment_id"),
			 errdetail("%s", detail),
			 errhint("With {window} staff see where an appointment could move to after its shop's cancellation window has closed.")));
}

/*
 * The arguments for_appointment_id and overrides: what is to be moved, or NULL;
 * *is_movable says whether it may leave its time.
 */
static Move *
read_move(FunctionCallInfo fcinfo, bool *is_movable)
{
	int			overrides = read_rule_overrides(fcinfo, 5);
	Move	   *move;
	Scope		scope;
	Refusal		refusal;

	if ((overrides & ~(int) OVERRIDE_WINDOW) != 0)
		refuse_overrides("It was given another rule to override.");
	if (PG_ARGISNULL(4))
	{
		if (overrides != 0)
			refuse_overrides("There is no appointment to be moved.");
		return NULL;
	}
	require_mover();
	move = palloc(sizeof(Move));
	if (!move_read(PG_GETARG_INT64(4), move, &refusal))
		raise_refusal("request", &refusal);
	find_scope(&scope);
	require_own_service(&scope, PG_GETARG_INT64(0));
	*is_movable = move_check_named(move, overrides, &refusal);
	move->others_stay = !move_check_others(move, overrides, &refusal);
	return move;
}

/*
 * available_slots(service_id, from_date, to_date, barber_id,
 *				   for_appointment_id, overrides)
 */
MEASURED_FUNCTION(booking_available_slots, OP_AVAILABLE_SLOTS)
{
	DateADT		from_date;
	DateADT		to_date;
	Move	   *move = NULL;
	bool		is_movable = true;
	Search		search;
	StartList	starts = {0};
	SlotArray	array = {0};
	ResultSet	result;

	require_argument(fcinfo, 0, "service_id");
	require_argument(fcinfo, 1, "from_date");
	read_date_range(fcinfo, 1, 2, &from_date, &to_date);
	if (!PG_ARGISNULL(4) || !PG_ARGISNULL(5))
		move = read_move(fcinfo, &is_movable);
	result_begin(fcinfo, &result);
	begin_search(fcinfo, 3, &search);
	for (int i = 0; i < search.offer_count && is_movable; i++)
	{
		Offer	   *offer = &search.offers[i];
		DateWindow	window;

		CHECK_FOR_INTERRUPTS();
		offer_window(offer, from_date, to_date, &window);
		if (move == NULL)
			offer_starts(offer, search.reader, NULL, &window, &starts);
		else
			find_starts_of_move(search.schedule, move, offer, search.reader,
								&window, &starts);
		require_row_count((int64) array.count + starts.count);
		add_slots(&array, offer, &starts);
	}
	end_search(&search);
	if (search.offer_count > 1)
		sort_slots(&array);
	put_slots(&result, &array, array.count);
	return (Datum) 0;
}

/*
 * The earliest slots that start in [from, until), up to the horizon of each
 * offer: how_many at least, if there are so many.
 */
static void
collect_stride(Search *search, TimestampTz from, TimestampTz until,
			   int how_many, SlotArray *array)
{
	StartList	starts = {0};

	array->count = 0;
	for (int i = 0; i < search->offer_count; i++)
	{
		Offer	   *offer = &search->offers[i];
		DateWindow	window = {
			.from = Max(from, offer->rule.earliest),
			.until = until,
			.check_dates = true,
			.from_date = DATEVAL_NOBEGIN,
			.to_date = offer->last_date
		};

		CHECK_FOR_INTERRUPTS();
		offer_starts(offer, search->reader, NULL, &window, &starts);
		add_slots(array, offer, &starts);
		if (array->count > MOST_IN_STRIDE)
		{
			sort_slots(array);
			array->count = how_many;
		}
	}
	sort_slots(array);
}

/*
 * Puts out the earliest slots, in strides that double in length, so that the
 * search ends soon after the last slot that is needed.
 */
static void
put_next_slots(Search *search, TimestampTz not_before, int how_many,
			   ResultSet *result)
{
	TimestampTz from = DT_NOEND;
	TimestampTz end = DT_NOBEGIN;
	int64		stride = USECS_PER_DAY;
	SlotArray	array = {0};
	int64		total = 0;

	for (int i = 0; i < search->offer_count; i++)
	{
		Offer	   *offer = &search->offers[i];
		Zone	   *zone = &offer->barber->shop->zone;
		SpanList	dates = {0};

		offer->rule.earliest = Max(offer->rule.earliest, not_before);
		from = Min(from, offer->rule.earliest);
		zone_date_spans(zone, offer->last_date - 1, offer->last_date, &dates);
		if (dates.count > 0)
			end = Max(end, dates.spans[dates.count - 1].until);
	}
	while (how_many > 0 && from < end)
	{
		int			found;

		collect_stride(search, from, Min(from + stride, end), how_many,
					   &array);
		found = Min(array.count, how_many);
		total += found;
		require_row_count(total);
		put_slots(result, &array, found);
		how_many -= found;
		from += stride;
		stride = Min(stride * 2, LONGEST_STRIDE);
	}
}

/*
 * next_slots(service_id, not_before, how_many, barber_id)
 */
MEASURED_FUNCTION(booking_next_slots, OP_NEXT_SLOTS)
{
	TimestampTz not_before;
	int			how_many;
	Search		search;
	ResultSet	result;

	require_argument(fcinfo, 0, "service_id");
	require_argument(fcinfo, 2, "how_many");
	not_before = PG_ARGISNULL(1) ? booking_now() : PG_GETARG_TIMESTAMPTZ(1);
	require_finite(not_before, "not_before");
	how_many = PG_GETARG_INT32(2);
	if (how_many < 1 || how_many > MOST_SLOTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("how_many is out of range"),
				 errdetail("It is %d; the range is 1 to %d.", how_many,
						   MOST_SLOTS),
				 errhint("Use available_slots for all slots of a range of dates.")));
	result_begin(fcinfo, &result);
	begin_search(fcinfo, 3, &search);
	put_next_slots(&search, not_before, how_many, &result);
	end_search(&search);
	return (Datum) 0;
}

/*
 * Counts an offer's slots by date, and adds their number to *total.
 */
static void
count_by_day(Search *search, Offer *offer, DateADT from_date,
			 DateADT to_date, int *counts, TimestampTz *firsts,
			 int64 *total)
{
	Zone	   *zone = &offer->barber->shop->zone;
	StartList	starts = {0};
	DateWindow	window;
	TimestampTz same_until = DT_NOBEGIN;
	int			day = 0;

	offer_window(offer, from_date, to_date, &window);
	offer_starts(offer, search->reader, NULL, &window, &starts);
	*total += starts.count;
	require_slot_count(*total);
	for (int i = 0; i < starts.count; i++)
	{
		TimestampTz at = starts.starts[i].at;

		if (at >= same_until)
			day = zone_date_until(zone, at, &same_until) - from_date;
		if (counts[day]++ == 0 || at < firsts[day])
			firsts[day] = at;
	}
}

/*
 * availability_by_day(service_id, from_date, to_date, barber_id)
 */
MEASURED_FUNCTION(booking_availability_by_day, OP_AVAILABILITY_BY_DAY)
{
	DateADT		from_date;
	DateADT		to_date;
	Search		search;
	ResultSet	result;
	int		   *counts;
	TimestampTz *firsts;
	int64		total = 0;

	require_argument(fcinfo, 0, "service_id");
	require_argument(fcinfo, 1, "from_date");
	require_argument(fcinfo, 2, "to_date");
	read_date_range(fcinfo, 1, 2, &from_date, &to_date);
	counts = palloc0((to_date - from_date + 1) * sizeof(int));
	firsts = palloc0((to_date - from_date + 1) * sizeof(TimestampTz));

	result_begin(fcinfo, &result);
	begin_search(fcinfo, 3, &search);
	for (int i = 0; i < search.offer_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		count_by_day(&search, &search.offers[i], from_date, to_date,
					 counts, firsts, &total);
	}
	end_search(&search);

	for (int day = 0; day <= to_date - from_date; day++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, counts[day] == 0};

		values[0] = DateADTGetDatum(from_date + day);
		values[1] = Int32GetDatum(counts[day]);
		values[2] = TimestampTzGetDatum(firsts[day]);
		tuplestore_putvalues(result.store, result.desc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * check_slot(barber_id, service_id, starts_at)
 */
MEASURED_FUNCTION(booking_check_slot, OP_CHECK_SLOT)
{
	Refusal		refusal = {REASON_NONE};
	StartCheck	check = {0};
	Offer		offer;
	Datum		values[3];
	bool		nulls[3] = {false, true, true};

	require_argument(fcinfo, 0, "barber_id");
	require_argument(fcinfo, 1, "service_id");
	require_argument(fcinfo, 2, "starts_at");
	check.starts_at = PG_GETARG_TIMESTAMPTZ(2);
	require_finite(check.starts_at, "starts_at");

	if (find_offer(schedule_begin(), PG_GETARG_INT64(0), PG_GETARG_INT64(1),
				   &offer, &refusal))
		check_start(&offer, &check, &refusal);
	stats_outcome(refusal.reason);
	values[0] = BoolGetDatum(refusal.reason == REASON_NONE);
	if (refusal.reason != REASON_NONE)
	{
		values[1] = CStringGetTextDatum(reason_name(refusal.reason));
		values[2] = CStringGetTextDatum(refusal_detail(&refusal));
		nulls[1] = nulls[2] = false;
	}
	return composite_result(fcinfo, values, nulls);
}
