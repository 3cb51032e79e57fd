/*-------------------------------------------------------------------------
 *
 * board.c
 *	  One barber's time: what is free, and the day as a board shows it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

static Barber *
require_barber(Schedule *schedule, int64 barber_id)
{
	Barber	   *barber = schedule_barber(schedule, barber_id);
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
 * The barber's open time less live busy time, on the given dates.
 */
static void
find_free_time(Barber *barber, const SpanList *dates, SpanList *free)
{
	OpenTime	open = {0};
	SpanList	busy = {0};
	SpanList	left = {0};
	BusyReader *reader;
	TimestampTz from;
	TimestampTz until;

	if (!barber->is_active || !barber->shop->is_active || dates->count == 0)
		return;
	from = dates->spans[0].from;
	until = dates->spans[dates->count - 1].until;
	find_open_time(barber, from, until, &open);
	reader = busy_open();
	busy_read(reader, barber->id, from, until, NULL, &busy);
	busy_close(reader);
	spans_subtract(&open.open, &busy, &left);
	spans_intersect(&left, dates, free);
}

/*
 * free_time(barber_id, from_date, to_date)
 */
MEASURED_FUNCTION(booking_free_time, OP_FREE_TIME)
{
	DateADT		from_date;
	DateADT		to_date;
	Schedule   *schedule;
	Barber	   *barber;
	SpanList	dates = {0};
	SpanList	free = {0};
	ResultSet	result;

	require_argument(fcinfo, 0, "barber_id");
	require_argument(fcinfo, 1, "from_date");
	read_date_range(fcinfo, 1, 2, &from_date, &to_date);
	result_begin(fcinfo, &result);
	schedule = schedule_begin();
	barber = require_barber(schedule, PG_GETARG_INT64(0));
	zone_date_spans(&barber->shop->zone, from_date, to_date, &dates);
	find_free_time(barber, &dates, &free);
	require_row_count(free.count);
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
		board->entries = grow_array(board->entries, &board->capacity,
									board->count + 1, sizeof(BoardEntry));
	entry = &board->entries[board->count++];
	require_row_count(board->count);
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
	if (!status_is_live(status, is_hold ? expires_at : DT_NOEND))
		return;
	add_entry(board, &span,
			  is_hold && !DatumGetBool(VALUE(APPT_IS_REQUEST)) ?
			  "hold" : "appointment",
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
put_entry(ResultSet *result, Schedule *schedule, const BoardEntry *entry)
{
	Datum		values[5];
	bool		nulls[5] = {false, false, false, true, true};

	values[0] = TimestampTzGetDatum(entry->span.from);
	values[1] = TimestampTzGetDatum(entry->span.until);
	values[2] = CStringGetTextDatum(entry->kind);
	if (strcmp(entry->kind, "hold") == 0 ||
		strcmp(entry->kind, "appointment") == 0)
	{
		Service    *service = schedule_service(schedule, entry->service_id);

		values[3] = Int64GetDatum(entry->appointment_id);
		nulls[3] = false;
		if (service != NULL)
		{
			values[4] = CStringGetTextDatum(service->name);
			nulls[4] = false;
		}
	}
	tuplestore_putvalues(result->store, result->desc, values, nulls);
}

/*
 * get_barber_availability(barber_id, date)
 */
MEASURED_FUNCTION(booking_get_barber_availability, OP_GET_BARBER_AVAILABILITY)
{
	DateADT		date;
	DateADT		to_date;
	Schedule   *schedule;
	Barber	   *barber;
	Board		board = {0};
	SpanList	day = {0};
	SpanList	free = {0};
	SpanList	off = {0};
	ResultSet	result;

	require_argument(fcinfo, 0, "barber_id");
	require_argument(fcinfo, 1, "date");
	read_date_range(fcinfo, 1, 1, &date, &to_date);
	result_begin(fcinfo, &result);
	schedule = schedule_begin();
	barber = require_barber(schedule, PG_GETARG_INT64(0));
	require_shop_view(barber->shop->id);
	zone_date_spans(&barber->shop->zone, date, date, &day);
	if (day.count > 0)
	{
		board.day.from = day.spans[0].from;
		board.day.until = day.spans[day.count - 1].until;
	}

	find_free_time(barber, &day, &free);
	add_spans(&board, &free, "free");
	spans_intersect(&barber->time_off, &day, &off);
	add_spans(&board, &off, "time_off");
	scan_appointments(barber->id, board.day.from, board.day.until,
					  add_appointment, &board);
	if (board.count > 1)
		qsort(board.entries, board.count, sizeof(BoardEntry),
			  compare_entries);
	for (int i = 0; i < board.count; i++)
		put_entry(&result, schedule, &board.entries[i]);
	return (Datum) 0;
}
