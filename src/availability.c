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

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

#define LONGEST_RANGE_DAYS 366
#define MOST_SLOTS 10000
#define LONGEST_STRIDE_DAYS 32

/*
 * The barbers who offer the service that a call is about.
 */
typedef struct Search
{
	Offer	   *offers;
	int			offer_count;
	BusyReader *reader;
} Search;

typedef struct Slot
{
	TimestampTz starts_at;
	TimestampTz ends_at;
	int64		barber_id;
} Slot;

typedef struct SlotArray
{
	Slot	   *slots;
	int			count;
	int			capacity;
} SlotArray;

/* ---- arguments ---- */

static void
refuse_range(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errdetail("A range of dates is finite, in order, within the years 1 to 9999, and at most %d days long.",
					   LONGEST_RANGE_DAYS),
			 errhint("%s", hint)));
}

/*
 * Reads the arguments from_date and to_date; the latter's default is the
 * former.
 */
static void
read_range(FunctionCallInfo fcinfo, int from_arg, int to_arg,
		   DateADT *from_date, DateADT *to_date)
{
	const DateADT first = date2j(1, 1, 1) - POSTGRES_EPOCH_JDATE;
	const DateADT last = date2j(9999, 12, 31) - POSTGRES_EPOCH_JDATE;

	*from_date = PG_GETARG_DATEADT(from_arg);
	*to_date = PG_ARGISNULL(to_arg) ? *from_date : PG_GETARG_DATEADT(to_arg);
	if (*from_date < first || *from_date > last ||
		*to_date < first || *to_date > last)
		refuse_range("range of dates is infinite or out of bounds",
					 "Pass two ordinary dates.");
	if (*from_date > *to_date)
		refuse_range("range of dates is reversed",
					 "Pass the earlier date first.");
	if (*to_date - *from_date >= LONGEST_RANGE_DAYS)
		refuse_range("range of dates is too long",
					 "Ask for it in several calls.");
}

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

/*
 * The starts of one offer on a range of dates, which is first cut to those
 * that the notice and the horizon leave.
 */
static void
starts_on_dates(Search *search, Offer *offer, DateADT from_date,
				DateADT to_date, StartList *starts)
{
	Zone	   *zone = &offer->barber->shop->zone;
	DateWindow	window;

	starts->count = 0;
	from_date = Max(from_date, zone_date(zone, offer->rule.earliest));
	to_date = Min(to_date, offer->last_date);
	if (from_date > to_date)
		return;
	zone_window(zone, from_date, to_date, &window);
	offer_starts(offer, search->reader, &window, starts);
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
	{
		array->capacity = Max(needed, array->capacity * 2);
		array->slots = array->slots == NULL ?
			palloc_extended(array->capacity * sizeof(Slot),
							MCXT_ALLOC_HUGE) :
			repalloc_huge(array->slots, array->capacity * sizeof(Slot));
	}
	for (int i = 0; i < starts->count; i++)
	{
		Slot	   *slot = &array->slots[array->count++];

		slot->starts_at = starts->starts[i];
		slot->ends_at = slot->starts_at + offer->rule.duration_us;
		slot->barber_id = offer->barber->id;
	}
}

/*
 * All slots on a range of dates, in the order of available_slots().
 */
static void
collect_slots(Search *search, DateADT from_date, DateADT to_date,
			  SlotArray *array)
{
	StartList	starts = {0};

	array->count = 0;
	for (int i = 0; i < search->offer_count; i++)
	{
		Offer	   *offer = &search->offers[i];

		CHECK_FOR_INTERRUPTS();
		starts_on_dates(search, offer, from_date, to_date, &starts);
		add_slots(array, offer, &starts);
	}
	if (search->offer_count > 1 && array->count > 1)
		qsort(array->slots, array->count, sizeof(Slot), compare_slots);
}

static void
put_slots(ResultSet *result, const SlotArray *array, int how_many)
{
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	for (int i = 0; i < how_many; i++)
	{
		const Slot *slot = &array->slots[i];

		values[0] = Int64GetDatum(slot->barber_id);
		values[1] = TimestampTzGetDatum(slot->starts_at);
		values[2] = TimestampTzGetDatum(slot->ends_at);
		tuplestore_putvalues(result->store, result->desc, values, nulls);
	}
}

PG_FUNCTION_INFO_V1(booking_available_slots);

/*
 * available_slots(service_id, from_date, to_date, barber_id)
 */
Datum
booking_available_slots(PG_FUNCTION_ARGS)
{
	DateADT		from_date;
	DateADT		to_date;
	Search		search;
	SlotArray	array = {0};
	ResultSet	result;

	require_argument(fcinfo, 0, "service_id");
	require_argument(fcinfo, 1, "from_date");
	read_range(fcinfo, 1, 2, &from_date, &to_date);
	result_begin(fcinfo, &result);
	begin_search(fcinfo, 3, &search);
	collect_slots(&search, from_date, to_date, &array);
	end_search(&search);
	put_slots(&result, &array, array.count);
	return (Datum) 0;
}

/*
 * Puts out the earliest slots, in strides of dates that double in length, so
 * that the search ends soon after the last slot that is needed.
 */
static void
put_next_slots(Search *search, TimestampTz not_before, int how_many,
			   ResultSet *result)
{
	DateADT		date = DATEVAL_NOEND;
	DateADT		last_date = DATEVAL_NOBEGIN;
	SlotArray	array = {0};

	for (int i = 0; i < search->offer_count; i++)
	{
		Offer	   *offer = &search->offers[i];

		offer->rule.earliest = Max(offer->rule.earliest, not_before);
		date = Min(date, zone_date(&offer->barber->shop->zone,
								   offer->rule.earliest));
		last_date = Max(last_date, offer->last_date);
	}
	for (int stride = 1; how_many > 0 && date <= last_date;
		 stride = Min(stride * 2, LONGEST_STRIDE_DAYS))
	{
		int			found;

		collect_slots(search, date, Min(date + stride - 1, last_date),
					  &array);
		found = Min(array.count, how_many);
		put_slots(result, &array, found);
		how_many -= found;
		date += stride;
	}
}

PG_FUNCTION_INFO_V1(booking_next_slots);

/*
 * next_slots(service_id, not_before, how_many, barber_id)
 */
Datum
booking_next_slots(PG_FUNCTION_ARGS)
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
 * Counts an offer's slots by date.
 */
static void
count_by_day(Search *search, Offer *offer, DateADT from_date,
			 DateADT to_date, int *counts, TimestampTz *firsts)
{
	Zone	   *zone = &offer->barber->shop->zone;
	StartList	starts = {0};

	starts_on_dates(search, offer, from_date, to_date, &starts);
	for (int i = 0; i < starts.count; i++)
	{
		int			day = zone_date(zone, starts.starts[i]) - from_date;

		if (counts[day]++ == 0 || starts.starts[i] < firsts[day])
			firsts[day] = starts.starts[i];
	}
}

PG_FUNCTION_INFO_V1(booking_availability_by_day);

/*
 * availability_by_day(service_id, from_date, to_date, barber_id)
 */
Datum
booking_availability_by_day(PG_FUNCTION_ARGS)
{
	DateADT		from_date;
	DateADT		to_date;
	Search		search;
	ResultSet	result;
	int		   *counts;
	TimestampTz *firsts;

	require_argument(fcinfo, 0, "service_id");
	require_argument(fcinfo, 1, "from_date");
	require_argument(fcinfo, 2, "to_date");
	read_range(fcinfo, 1, 2, &from_date, &to_date);
	counts = palloc0((to_date - from_date + 1) * sizeof(int));
	firsts = palloc0((to_date - from_date + 1) * sizeof(TimestampTz));

	result_begin(fcinfo, &result);
	begin_search(fcinfo, 3, &search);
	for (int i = 0; i < search.offer_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		count_by_day(&search, &search.offers[i], from_date, to_date,
					 counts, firsts);
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

PG_FUNCTION_INFO_V1(booking_check_slot);

/*
 * check_slot(barber_id, service_id, starts_at)
 */
Datum
booking_check_slot(PG_FUNCTION_ARGS)
{
	Refusal		refusal = {REASON_NONE, NULL};
	BusyReader *reader;
	Offer		offer;
	TimestampTz starts_at;
	Datum		values[3];
	bool		nulls[3] = {false, true, true};

	require_argument(fcinfo, 0, "barber_id");
	require_argument(fcinfo, 1, "service_id");
	require_argument(fcinfo, 2, "starts_at");
	starts_at = PG_GETARG_TIMESTAMPTZ(2);
	require_finite(starts_at, "starts_at");

	if (find_offer(schedule_begin(), PG_GETARG_INT64(0), PG_GETARG_INT64(1),
				   &offer, &refusal))
	{
		reader = busy_open();
		check_start(&offer, reader, starts_at, &refusal);
		busy_close(reader);
	}
	values[0] = BoolGetDatum(refusal.reason == REASON_NONE);
	if (refusal.reason != REASON_NONE)
	{
		values[1] = CStringGetTextDatum(reason_name(refusal.reason));
		values[2] = CStringGetTextDatum(refusal.detail);
		nulls[1] = nulls[2] = false;
	}
	return composite_result(fcinfo, values, nulls);
}

/* ---- a barber's time ---- */

static Barber *
require_barber(int64 barber_id)
{
	Barber	   *barber = schedule_barber(schedule_begin(), barber_id);
	Refusal		refusal;

	if (barber == NULL)
	{
		refuse(&refusal, NOT_FOUND, "There is no barber " INT64_FORMAT ".",
			   barber_id);
		raise_refusal("request", &refusal);
	}
	return barber;
}

/*
 * The barber's open time less live busy time, clipped to [from, until).
 */
static void
find_free_time(Barber *barber, TimestampTz from, TimestampTz until,
			   SpanList *free)
{
	OpenTime	open = {0};
	SpanList	busy = {0};
	BusyReader *reader;

	if (!barber->is_active || !barber->shop->is_active)
		return;
	schedule_open_time(barber, from, until, &open);
	reader = busy_open();
	busy_read(reader, barber->id, from, until, &busy);
	busy_close(reader);
	spans_subtract(&open.open, &busy, free);
	spans_clip(free, from, until);
}

PG_FUNCTION_INFO_V1(booking_free_time);

/*
 * free_time(barber_id, from_date, to_date)
 */
Datum
booking_free_time(PG_FUNCTION_ARGS)
{
	DateADT		from_date;
	DateADT		to_date;
	Barber	   *barber;
	SpanList	free = {0};
	ResultSet	result;

	require_argument(fcinfo, 0, "barber_id");
	require_argument(fcinfo, 1, "from_date");
	read_range(fcinfo, 1, 2, &from_date, &to_date);
	result_begin(fcinfo, &result);
	barber = require_barber(PG_GETARG_INT64(0));
	find_free_time(barber, zone_date_start(&barber->shop->zone, from_date),
				   zone_date_start(&barber->shop->zone, to_date + 1), &free);
	for (int i = 0; i < free.count; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = TimestampTzGetDatum(free.spans[i].from);
		values[1] = TimestampTzGetDatum(free.spans[i].until);
		tuplestore_putvalues(result.store, result.desc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- the day board ---- */

typedef struct BoardEntry
{
	Span		span;
	const char *kind;
	int64		appointment_id; /* 0: none */
	int64		service_id;
} BoardEntry;

typedef struct Board
{
	Span		day;
	BoardEntry *entries;
	int			count;
	int			capacity;
} Board;

static void
add_entry(Board *board, const Span *span, const char *kind,
		  int64 appointment_id, int64 service_id)
{
	BoardEntry *entry;

	if (board->count == board->capacity)
	{
		int			capacity = Max(32, board->capacity * 2);

		board->entries = board->entries == NULL ?
			palloc(capacity * sizeof(BoardEntry)) :
			repalloc(board->entries, capacity * sizeof(BoardEntry));
		board->capacity = capacity;
	}
	entry = &board->entries[board->count++];
	entry->span = *span;
	entry->kind = kind;
	entry->appointment_id = appointment_id;
	entry->service_id = service_id;
}

static void
add_spans(Board *board, const SpanList *list, const char *kind)
{
	for (int i = 0; i < list->count; i++)
		add_entry(board, &list->spans[i], kind, 0, 0);
}

/*
 * Adds an appointment, if it is live and meets the day.
 */
static void
add_appointment(HeapTuple row, TupleDesc desc, void *state)
{
	Board	   *board = state;
	bool		isnull;
	bool		is_hold;
	Span		span;
	char	   *status;
	TimestampTz expires_at;

#define VALUE(column) row_value(row, desc, APPOINTMENTS, (column), &isnull)
	span.from = DatumGetTimestampTz(VALUE(APPT_STARTS_AT));
	span.until = DatumGetTimestampTz(VALUE(APPT_ENDS_AT));
	status = TextDatumGetCString(VALUE(APPT_STATUS));
	expires_at = DatumGetTimestampTz(VALUE(APPT_HOLD_EXPIRES_AT));
	is_hold = !isnull;
	if (span.until <= board->day.from || span.from >= board->day.until)
		return;
	if (strcmp(status, "pending") == 0)
	{
		if (is_hold && expires_at <= booking_now())
			return;
	}
	else if (strcmp(status, "confirmed") != 0 &&
			 strcmp(status, "checked_in") != 0)
		return;
	add_entry(board, &span, is_hold ? "hold" : "appointment",
			  DatumGetInt64(VALUE(APPT_ID)),
			  DatumGetInt64(VALUE(APPT_SERVICE_ID)));
#undef VALUE
}

static int
compare_entries(const void *a, const void *b)
{
	const BoardEntry *x = a;
	const BoardEntry *y = b;

	if (x->span.from != y->span.from)
		return x->span.from < y->span.from ? -1 : 1;
	if (x->span.until != y->span.until)
		return x->span.until < y->span.until ? -1 : 1;
	return strcmp(x->kind, y->kind);
}

static void
copy_service_name(HeapTuple row, TupleDesc desc, void *state)
{
	bool		isnull;

	*(char **) state = TextDatumGetCString(row_value(row, desc, SERVICES,
													 SERVICE_NAME, &isnull));
}

static void
put_entry(ResultSet *result, const BoardEntry *entry)
{
	char	   *service_name = NULL;
	Datum		values[5];
	bool		nulls[5] = {false, false, false, true, true};

	values[0] = TimestampTzGetDatum(entry->span.from);
	values[1] = TimestampTzGetDatum(entry->span.until);
	values[2] = CStringGetTextDatum(entry->kind);
	if (strcmp(entry->kind, "hold") == 0 ||
		strcmp(entry->kind, "appointment") == 0)
	{
		values[3] = Int64GetDatum(entry->appointment_id);
		nulls[3] = false;
		scan_rows_by_key(SERVICES, entry->service_id, GetActiveSnapshot(),
						 copy_service_name, &service_name);
	}
	if (service_name != NULL)
	{
		values[4] = CStringGetTextDatum(service_name);
		nulls[4] = false;
	}
	tuplestore_putvalues(result->store, result->desc, values, nulls);
}

PG_FUNCTION_INFO_V1(booking_get_barber_availability);

/*
 * get_barber_availability(barber_id, date)
 */
Datum
booking_get_barber_availability(PG_FUNCTION_ARGS)
{
	DateADT		date;
	DateADT		to_date;
	Barber	   *barber;
	Board		board = {0};
	SpanList	free = {0};
	SpanList	off = {0};
	ResultSet	result;

	require_argument(fcinfo, 0, "barber_id");
	require_argument(fcinfo, 1, "date");
	read_range(fcinfo, 1, 1, &date, &to_date);
	result_begin(fcinfo, &result);
	barber = require_barber(PG_GETARG_INT64(0));
	board.day.from = zone_date_start(&barber->shop->zone, date);
	board.day.until = zone_date_start(&barber->shop->zone, date + 1);

	find_free_time(barber, board.day.from, board.day.until, &free);
	add_spans(&board, &free, "free");
	for (int i = 0; i < barber->time_off.count; i++)
		spans_add(&off, barber->time_off.spans[i].from,
				  barber->time_off.spans[i].until);
	spans_clip(&off, board.day.from, board.day.until);
	add_spans(&board, &off, "time_off");
	scan_appointments(barber->id, board.day.from, board.day.until,
					  add_appointment, &board);
	if (board.count > 1)
		qsort(board.entries, board.count, sizeof(BoardEntry),
			  compare_entries);
	for (int i = 0; i < board.count; i++)
		put_entry(&result, &board.entries[i]);
	return (Datum) 0;
}
