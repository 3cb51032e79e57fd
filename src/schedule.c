/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Configuration rows, compiled once per backend.
 *
 * Shops, barbers and services are read on first use into a cache of the
 * backend's, and stay there until a configuration table changes, or others
 * need the room that booking.cache_size leaves.  Both happen in
 * schedule_begin().  Every function that answers a call begins with it, and
 * holds the pointers it gets only until it or what it calls begins anew; so
 * it runs no code of a user's meanwhile (a trigger may call us again).
 *
 * What is kept is read with a fresh snapshot, taken after the generation was
 * noted, so that a change which commits meanwhile either is seen or makes the
 * next call begin anew.  In REPEATABLE READ and SERIALIZABLE the caller's own
 * snapshot decides, and in a parallel query no other may be taken: there we
 * compile for the one call, into the caller's context.
 *
 * What belongs to a row is read into memory that is given back, and copied into
 * one entry of just that size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "booking.h"

struct Schedule
{
	Cache	   *cache;
	uint64		generation;
	bool		is_kept;		/* across calls */
};

static Schedule kept_schedule;

typedef enum EntryKind
{
	SHOP_ENTRY, BARBER_ENTRY, SERVICE_ENTRY, BLOCKLIST_ENTRY
} EntryKind;

/* What CHECKs of the tables are about */
#define MINUTES_PER_DAY (24 * 60)
#define MOST_SEATS 100000
#define HIGHEST_PRICE INT64CONST(1000000000000)
#define MINUTES_PER_YEAR (365 * MINUTES_PER_DAY)

/* ---- rows into arrays ---- */

/*
 * A growing array of rows, while they are read.
 */
typedef struct RowArray
{
	void	   *rows;
	Size		row_size;
	int			count;
	int			capacity;
} RowArray;

static void *
next_row(RowArray *array)
{
	if (array->count == array->capacity)
		array->rows = grow_array(array->rows, &array->capacity,
								 array->count + 1, array->row_size);
	return (char *) array->rows + array->row_size * array->count++;
}

static int
int4_value(HeapTuple row, TupleDesc desc, TableId table, int column,
		   int if_null)
{
	bool		isnull;
	Datum		value = row_value(row, desc, table, column, &isnull);

	return isnull ? if_null : DatumGetInt32(value);
}

/*
 * The same, within what the column's CHECK allows: a table may have lost it, or
 * have been restored around it.
 */
static int
int4_between(HeapTuple row, TupleDesc desc, TableId table, int column,
			 int if_null, int least, int most)
{
	bool		isnull;
	int			value = DatumGetInt32(row_value(row, desc, table, column,
												&isnull));

	if (isnull)
		return if_null;
	if (value < least || value > most)
		catalog_raise_forbidden(table, column, psprintf("%d", value));
	return value;
}

static int64
int8_value(HeapTuple row, TupleDesc desc, TableId table, int column,
		   int64 if_null)
{
	bool		isnull;
	Datum		value = row_value(row, desc, table, column, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

static int64
price_value(HeapTuple row, TupleDesc desc, TableId table, int column,
			int64 if_null)
{
	int64		value = int8_value(row, desc, table, column, if_null);

	if ((value < 0 && value != if_null) || value > HIGHEST_PRICE)
		catalog_raise_forbidden(table, column, psprintf(INT64_FORMAT, value));
	return value;
}

static bool
bool_value(HeapTuple row, TupleDesc desc, TableId table, int column)
{
	bool		isnull;
	Datum		value = row_value(row, desc, table, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static char *
text_value(HeapTuple row, TupleDesc desc, TableId table, int column)
{
	bool		isnull;
	Datum		value = row_value(row, desc, table, column, &isnull);

	return isnull ? pstrdup("") : TextDatumGetCString(value);
}

static void
add_override(HeapTuple row, TupleDesc desc, void *state)
{
	OverrideRow *override = next_row((RowArray *) state);
	bool		isnull;

	override->on_date = DatumGetDateADT(row_value(row, desc,
												  SCHEDULE_OVERRIDES,
												  OVERRIDE_DATE, &isnull));
	override->opens = DatumGetTimeADT(row_value(row, desc, SCHEDULE_OVERRIDES,
												OVERRIDE_OPENS,
												&override->is_closed));
	override->closes = DatumGetTimeADT(row_value(row, desc,
												 SCHEDULE_OVERRIDES,
												 OVERRIDE_CLOSES, &isnull));
	if (isnull != override->is_closed)
		catalog_raise_forbidden(SCHEDULE_OVERRIDES,
								isnull ? OVERRIDE_CLOSES : OVERRIDE_OPENS,
								"NULL");
}

static int
compare_overrides(const void *a, const void *b)
{
	DateADT		x = ((const OverrideRow *) a)->on_date;
	DateADT		y = ((const OverrideRow *) b)->on_date;

	return (x > y) - (x < y);
}

/*
 * The overrides of a barber or a shop, by date.
 */
static Overrides
read_overrides(int column, IndexId index, int64 id, Snapshot snapshot)
{
	RowArray	array = {.row_size = sizeof(OverrideRow)};
	Overrides	overrides;

	scan_rows(SCHEDULE_OVERRIDES, column, id, index, snapshot,
			  add_override, &array);
	if (array.count > 1)
		qsort(array.rows, array.count, array.row_size, compare_overrides);
	overrides.rows = array.rows;
	overrides.count = array.count;
	return overrides;
}

static void
add_time_off(HeapTuple row, TupleDesc desc, void *state)
{
	bool		isnull;

	spans_add((SpanList *) state,
			  DatumGetTimestampTz(row_value(row, desc, TIME_OFF,
											OFF_STARTS_AT, &isnull)),
			  DatumGetTimestampTz(row_value(row, desc, TIME_OFF,
											OFF_ENDS_AT, &isnull)));
}

/* ---- shops ---- */

static SlotAnchor
anchor_from_text(const char *name)
{
	if (strcmp(name, "clock") == 0)
		return ANCHOR_CLOCK;
	if (strcmp(name, "packed") == 0)
		return ANCHOR_PACKED;
	if (strcmp(name, "opening") != 0)
		catalog_raise_forbidden(SHOPS, SHOP_SLOT_ANCHOR, name);
	return ANCHOR_OPENING;
}

static Assignment
assignment_from_text(const char *name)
{
	if (strcmp(name, "round_robin") == 0)
		return ASSIGN_ROUND_ROBIN;
	if (strcmp(name, "priority") == 0)
		return ASSIGN_PRIORITY;
	if (strcmp(name, "least_booked") != 0)
		catalog_raise_forbidden(SHOPS, SHOP_ASSIGNMENT, name);
	return ASSIGN_LEAST_BOOKED;
}

static pg_tz *
find_zone(const char *name)
{
	pg_tz	   *tz = pg_tzset(name);

	if (tz == NULL || !pg_tz_acceptable(tz))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errdetail("Column \"time_zone\" of table booking.shops needs the name of a time zone that the server knows."),
				 errhint("SELECT name FROM pg_timezone_names lists them.")));
	return tz;
}

static void
compile_shop(HeapTuple row, TupleDesc desc, void *state)
{
	Shop	   *shop = state;

	shop->is_active = bool_value(row, desc, SHOPS, SHOP_IS_ACTIVE);
	zone_init(&shop->zone,
			  find_zone(text_value(row, desc, SHOPS, SHOP_TIME_ZONE)));
	shop->anchor = anchor_from_text(text_value(row, desc, SHOPS,
											   SHOP_SLOT_ANCHOR));
	shop->slot_interval_minutes = int4_between(row, desc, SHOPS,
											   SHOP_SLOT_INTERVAL, 0,
											   1, MINUTES_PER_DAY);
	shop->min_notice_minutes = int4_between(row, desc, SHOPS, SHOP_MIN_NOTICE,
											0, 0, MINUTES_PER_YEAR);
	shop->max_advance_days = int4_between(row, desc, SHOPS,
										  SHOP_MAX_ADVANCE_DAYS, 0, 0, 3660);
	shop->hold_minutes = int4_between(row, desc, SHOPS, SHOP_HOLD_MINUTES, 0,
									  1, 7 * MINUTES_PER_DAY);
	shop->waitlist_hold_minutes = int4_between(row, desc, SHOPS,
											   SHOP_WAITLIST_HOLD_MINUTES, 0,
											   1, 7 * MINUTES_PER_DAY);
	shop->waitlist_grace_minutes = int4_between(row, desc, SHOPS,
												SHOP_WAITLIST_GRACE_MINUTES, 0,
												0, MINUTES_PER_DAY);
	shop->answer_within_minutes = int4_between(row, desc, SHOPS,
											   SHOP_ANSWER_WITHIN, 0,
											   1, MINUTES_PER_YEAR);
	shop->max_active_per_user = int4_between(row, desc, SHOPS,
											 SHOP_MAX_ACTIVE_PER_USER, 0,
											 1, PG_INT32_MAX);
	shop->max_pending_per_user = int4_between(row, desc, SHOPS,
											  SHOP_MAX_PENDING_PER_USER, 0,
											  1, PG_INT32_MAX);
	shop->max_waiting_per_user = int4_between(row, desc, SHOPS,
											  SHOP_MAX_WAITING_PER_USER, 0,
											  1, PG_INT32_MAX);
	shop->prevent_user_overlap = bool_value(row, desc, SHOPS,
											SHOP_PREVENT_USER_OVERLAP);
	shop->assignment = assignment_from_text(text_value(row, desc, SHOPS,
													   SHOP_ASSIGNMENT));
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static void
add_blocked(HeapTuple row, TupleDesc desc, void *state)
{
	*(int64 *) next_row((RowArray *) state) =
		int8_value(row, desc, BLOCKED_CUSTOMERS, BLOCKED_USER_ID, 0);
}

typedef struct Blocklist
{
	int64		shop_id;
	int64	   *user_ids;		/* ascending */
	int			count;
} Blocklist;

/*
 * The customers whom a shop has blocked; an entry of their own, so that only who
 * asks for them needs their table.
 */
static bool
read_blocklist(Schedule *schedule, CacheDraft *draft, Snapshot snapshot)
{
	Blocklist  *list = draft->entry;
	RowArray	array = {.row_size = sizeof(int64)};

	scan_rows_by_key(BLOCKED_CUSTOMERS, list->shop_id, snapshot, add_blocked,
					 &array);
	if (array.count > 1)
		qsort(array.rows, array.count, array.row_size, compare_ids);
	list->user_ids = array.rows;
	list->count = array.count;
	ENTRY_ARRAY(draft, Blocklist, user_ids, list->count, int64);
	return true;
}

static bool
read_shop(Schedule *schedule, CacheDraft *draft, Snapshot snapshot)
{
	Shop	   *shop = draft->entry;

	if (scan_rows_by_key(SHOPS, shop->id, snapshot, compile_shop, shop) == 0)
		return false;
	shop->overrides = read_overrides(OVERRIDE_SHOP_ID, OVERRIDES_SHOP_INDEX,
									 shop->id, snapshot);
	scan_rows(TIME_OFF, OFF_SHOP_ID, shop->id, TIME_OFF_SHOP_INDEX, snapshot,
			  add_time_off, &shop->time_off);
	ENTRY_ARRAY(draft, Shop, overrides.rows, shop->overrides.count, OverrideRow);
	ENTRY_ARRAY(draft, Shop, time_off.spans, shop->time_off.count, Span);
	return true;
}

/* ---- barbers ---- */

static void
add_hours(HeapTuple row, TupleDesc desc, void *state)
{
	HoursRow   *hours = next_row((RowArray *) state);
	bool		isnull;

	hours->weekday = int4_between(row, desc, WORKING_HOURS, HOURS_WEEKDAY, 0,
								  1, 7);
	hours->opens = DatumGetTimeADT(row_value(row, desc, WORKING_HOURS,
											 HOURS_OPENS, &isnull));
	hours->closes = DatumGetTimeADT(row_value(row, desc, WORKING_HOURS,
											  HOURS_CLOSES, &isnull));
	hours->valid_from = DatumGetDateADT(row_value(row, desc, WORKING_HOURS,
												  HOURS_VALID_FROM, &isnull));
	hours->valid_until = DatumGetDateADT(row_value(row, desc, WORKING_HOURS,
												   HOURS_VALID_UNTIL,
												   &isnull));
}

static void
add_offer(HeapTuple row, TupleDesc desc, void *state)
{
	OfferRow   *offer = next_row((RowArray *) state);

	offer->service_id = int8_value(row, desc, BARBER_SERVICES,
								   OFFER_SERVICE_ID, 0);
	offer->duration_minutes = int4_between(row, desc, BARBER_SERVICES,
										   OFFER_DURATION, 0,
										   1, MINUTES_PER_DAY);
	offer->price_cents = price_value(row, desc, BARBER_SERVICES,
									 OFFER_PRICE, -1);
}

static int
compare_hours(const void *a, const void *b)
{
	return ((const HoursRow *) a)->weekday - ((const HoursRow *) b)->weekday;
}

/*
 * Sorts a barber's hours, and notes where those of each weekday end.
 */
static void
index_hours(Barber *barber)
{
	if (barber->hours_count > 1)
		qsort(barber->hours, barber->hours_count, sizeof(HoursRow),
			  compare_hours);
	for (int i = 0; i < barber->hours_count; i++)
		barber->hours_until[barber->hours[i].weekday] = i + 1;
	for (int weekday = 1; weekday < (int) lengthof(barber->hours_until);
		 weekday++)
		barber->hours_until[weekday] = Max(barber->hours_until[weekday],
										   barber->hours_until[weekday - 1]);
}

typedef struct BarberState
{
	Barber	   *barber;
	int64		shop_id;
} BarberState;

static void
compile_barber(HeapTuple row, TupleDesc desc, void *state)
{
	BarberState *read = state;

	read->shop_id = int8_value(row, desc, BARBERS, BARBER_SHOP_ID, 0);
	read->barber->is_active = bool_value(row, desc, BARBERS,
										 BARBER_IS_ACTIVE);
	read->barber->priority = int4_value(row, desc, BARBERS,
										BARBER_PRIORITY, 0);
	read->barber->max_per_day = int4_between(row, desc, BARBERS,
											 BARBER_MAX_PER_DAY, 0,
											 1, PG_INT32_MAX);
}

static bool
read_barber(Schedule *schedule, CacheDraft *draft, Snapshot snapshot)
{
	Barber	   *barber = draft->entry;
	BarberState read = {.barber = barber};
	RowArray	hours = {.row_size = sizeof(HoursRow)};
	RowArray	offers = {.row_size = sizeof(OfferRow)};

	if (scan_rows_by_key(BARBERS, barber->id, snapshot,
						 compile_barber, &read) == 0)
		return false;
	barber->shop = schedule_shop(schedule, read.shop_id);
	if (barber->shop == NULL)
		return false;

	scan_rows(WORKING_HOURS, HOURS_BARBER_ID, barber->id,
			  WORKING_HOURS_BARBER_INDEX, snapshot, add_hours, &hours);
	barber->hours = hours.rows;
	barber->hours_count = hours.count;
	index_hours(barber);
	barber->overrides = read_overrides(OVERRIDE_BARBER_ID,
									   OVERRIDES_BARBER_INDEX,
									   barber->id, snapshot);
	scan_rows(TIME_OFF, OFF_BARBER_ID, barber->id, TIME_OFF_BARBER_INDEX,
			  snapshot, add_time_off, &barber->time_off);
	for (int i = 0; i < barber->shop->time_off.count; i++)
		spans_add(&barber->time_off, barber->shop->time_off.spans[i].from,
				  barber->shop->time_off.spans[i].until);
	spans_normalize(&barber->time_off);
	scan_rows_by_key(BARBER_SERVICES, barber->id, snapshot,
					 add_offer, &offers);
	barber->offers = offers.rows;
	barber->offer_count = offers.count;

	draft->support = barber->shop;
	ENTRY_ARRAY(draft, Barber, hours, barber->hours_count, HoursRow);
	ENTRY_ARRAY(draft, Barber, overrides.rows, barber->overrides.count,
			  OverrideRow);
	ENTRY_ARRAY(draft, Barber, time_off.spans, barber->time_off.count, Span);
	ENTRY_ARRAY(draft, Barber, offers, barber->offer_count, OfferRow);
	return true;
}

/* ---- services ---- */

static void
compile_service(HeapTuple row, TupleDesc desc, void *state)
{
	Service    *service = state;

	service->shop_id = int8_value(row, desc, SERVICES, SERVICE_SHOP_ID, 0);
	service->name = text_value(row, desc, SERVICES, SERVICE_NAME);
	service->is_active = bool_value(row, desc, SERVICES, SERVICE_IS_ACTIVE);
	service->requires_confirmation =
		bool_value(row, desc, SERVICES, SERVICE_REQUIRES_CONFIRMATION);
	service->duration_minutes = int4_between(row, desc, SERVICES,
											 SERVICE_DURATION, 0,
											 1, MINUTES_PER_DAY);
	service->buffer_before_minutes = int4_between(row, desc, SERVICES,
												  SERVICE_BUFFER_BEFORE, 0,
												  0, MINUTES_PER_DAY / 2);
	service->buffer_after_minutes = int4_between(row, desc, SERVICES,
												 SERVICE_BUFFER_AFTER, 0,
												 0, MINUTES_PER_DAY / 2);
	service->slot_interval_minutes = int4_between(row, desc, SERVICES,
												  SERVICE_SLOT_INTERVAL, 0,
												  1, MINUTES_PER_DAY);
	service->min_notice_minutes = int4_between(row, desc, SERVICES,
											   SERVICE_MIN_NOTICE, -1,
											   0, MINUTES_PER_YEAR);
	service->price_cents = price_value(row, desc, SERVICES, SERVICE_PRICE, 0);
	service->capacity = int4_between(row, desc, SERVICES, SERVICE_CAPACITY, 1,
									 1, MOST_SEATS);
}

typedef struct StepRow
{
	int			position;
	int			work_minutes;
	int			gap_minutes;
} StepRow;

static void
add_step(HeapTuple row, TupleDesc desc, void *state)
{
	StepRow    *step = next_row((RowArray *) state);

	step->position = int4_between(row, desc, SERVICE_STEPS, STEP_POSITION, 0,
								  1, 20);
	step->work_minutes = int4_between(row, desc, SERVICE_STEPS, STEP_WORK, 0,
									  1, MINUTES_PER_DAY);
	step->gap_minutes = int4_between(row, desc, SERVICE_STEPS, STEP_GAP, 0,
									 0, MINUTES_PER_DAY);
}

static int
compare_steps(const void *a, const void *b)
{
	return ((const StepRow *) a)->position - ((const StepRow *) b)->position;
}

/*
 * The steps of a service, by position, as time since its start.
 */
static void
read_steps(Service *service, Snapshot snapshot)
{
	RowArray	array = {.row_size = sizeof(StepRow)};
	const StepRow *rows;
	int64		at = 0;

	service->step_count = scan_rows_by_key(SERVICE_STEPS, service->id,
										   snapshot, add_step, &array);
	if (service->step_count == 0)
		return;
	qsort(array.rows, array.count, array.row_size, compare_steps);
	rows = array.rows;
	service->steps = palloc(array.count * sizeof(Step));
	for (int i = 0; i < array.count; i++)
	{
		service->steps[i].starts_us = at;
		at += rows[i].work_minutes * USECS_PER_MINUTE;
		service->steps[i].ends_us = at;
		at += rows[i].gap_minutes * USECS_PER_MINUTE;
	}
}

static void
add_barber_id(HeapTuple row, TupleDesc desc, void *state)
{
	*(int64 *) next_row((RowArray *) state) =
		int8_value(row, desc, BARBER_SERVICES, OFFER_BARBER_ID, 0);
}

static bool
read_service(Schedule *schedule, CacheDraft *draft, Snapshot snapshot)
{
	Service    *service = draft->entry;
	RowArray	barber_ids = {.row_size = sizeof(int64)};

	if (scan_rows_by_key(SERVICES, service->id, snapshot,
						 compile_service, service) == 0)
		return false;
	scan_rows(BARBER_SERVICES, OFFER_SERVICE_ID, service->id,
			  BARBER_SERVICES_SERVICE_INDEX, snapshot,
			  add_barber_id, &barber_ids);
	if (barber_ids.count > 1)
		qsort(barber_ids.rows, barber_ids.count, barber_ids.row_size,
			  compare_ids);
	service->barber_ids = barber_ids.rows;
	service->barber_count = barber_ids.count;
	read_steps(service, snapshot);
	ENTRY_ARRAY(draft, Service, name, strlen(service->name) + 1, char);
	ENTRY_ARRAY(draft, Service, barber_ids, service->barber_count, int64);
	ENTRY_ARRAY(draft, Service, steps, service->step_count, Step);
	return true;
}

/* ---- the cache ---- */

static void
forget(Schedule *schedule)
{
	Cache	   *forgotten = schedule->cache;

	schedule->cache = NULL;
	cache_drop(forgotten);
	stats_count(CACHE_INVALIDATION, 1);
}

static void
trim(Schedule *schedule)
{
	uint64		evicted = 0;

	schedule->cache = cache_trim(schedule->cache, booking_cache_size(),
								 &evicted);
	if (evicted > 0)
		stats_count(CACHE_EVICTION, evicted);
}

/*
 * The configuration as the calling statement may see it.  Pointers into it
 * hold until the next call of this.
 */
Schedule *
schedule_begin(void)
{
	uint64		generation = catalog_configuration_generation();

	if (IsolationUsesXactSnapshot() || IsInParallelMode())
	{
		Schedule   *schedule = palloc0(sizeof(Schedule));

		schedule->cache = cache_create(CurrentMemoryContext);
		return schedule;
	}
	if (kept_schedule.cache != NULL &&
		kept_schedule.generation != generation)
		forget(&kept_schedule);
	if (kept_schedule.cache != NULL)
		trim(&kept_schedule);
	else
	{
		kept_schedule.cache = cache_create(CacheMemoryContext);
		kept_schedule.generation = generation;
		kept_schedule.is_kept = true;
	}
	return &kept_schedule;
}

typedef bool (*EntryReader) (Schedule *schedule, CacheDraft *draft,
							 Snapshot snapshot);

/*
 * Reads an entry into a draft; false when there is no such row.
 */
static bool
read_draft(Schedule *schedule, CacheDraft *draft, EntryReader reader)
{
	Snapshot	snapshot = RegisterSnapshot(schedule->is_kept ?
											GetLatestSnapshot() :
											GetActiveSnapshot());
	bool		result;

	draft->entry = palloc0(draft->size);
	*(int64 *) draft->entry = draft->id;
	result = reader(schedule, draft, snapshot);
	UnregisterSnapshot(snapshot);
	return result;
}

/*
 * Reads an entry, and enters it when it is complete, so that an error half-way
 * leaves none; NULL when there is no such row.  Where the configuration changed
 * meanwhile, the snapshot may be older than a table that was waited for, and see
 * no row of it: then it is read once more.
 */
static void *
read_entry(Schedule *schedule, EntryKind kind, int64 id, Size size,
		   EntryReader reader)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "booking row",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	uint64		generation = catalog_configuration_generation();
	CacheDraft	draft = {.kind = kind, .id = id, .size = size};
	bool		is_there = read_draft(schedule, &draft, reader);
	void	   *entry = NULL;

	if (schedule->is_kept && generation != catalog_configuration_generation())
	{
		draft = (CacheDraft) {.kind = kind, .id = id, .size = size};
		is_there = read_draft(schedule, &draft, reader);
	}
	if (is_there)
		entry = cache_add(schedule->cache, &draft);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	return entry;
}

static void *
find_entry(Schedule *schedule, EntryKind kind, int64 id, Size size,
		   EntryReader reader)
{
	void	   *entry = cache_find(schedule->cache, kind, id);

	stats_count(entry != NULL ? CACHE_HIT : CACHE_MISS, 1);
	return entry != NULL ? entry :
		read_entry(schedule, kind, id, size, reader);
}

/*
 * The shop, barber or service with that id; NULL when there is none.
 */
Shop *
schedule_shop(Schedule *schedule, int64 shop_id)
{
	return find_entry(schedule, SHOP_ENTRY, shop_id, sizeof(Shop), read_shop);
}

Barber *
schedule_barber(Schedule *schedule, int64 barber_id)
{
	return find_entry(schedule, BARBER_ENTRY, barber_id, sizeof(Barber),
					  read_barber);
}

Service *
schedule_service(Schedule *schedule, int64 service_id)
{
	return find_entry(schedule, SERVICE_ENTRY, service_id, sizeof(Service),
					  read_service);
}

/*
 * Whether a shop takes no bookings of a user.
 */
bool
schedule_blocks(Schedule *schedule, int64 shop_id, int64 user_id)
{
	Blocklist  *list = find_entry(schedule, BLOCKLIST_ENTRY, shop_id,
								  sizeof(Blocklist), read_blocklist);

	return list->count > 0 &&
		bsearch(&user_id, list->user_ids, list->count, sizeof(int64),
				compare_ids) != NULL;
}

PG_FUNCTION_INFO_V1(booking_check_time_zone);

/*
 * Row trigger of shops.  A CHECK sees to the name's form, so that the server
 * cannot take it for a rule of its own making ("X5" would be one).
 */
Datum
booking_check_time_zone(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	row;
	Datum		zone;
	bool		isnull;

	catalog_check_trigger(fcinfo, SHOPS, SHOPS,
						  TRIGGER_EVENT_ROW | TRIGGER_EVENT_BEFORE,
						  "check_time_zone");
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
	zone = row_value(row, RelationGetDescr(trigger->tg_relation), SHOPS,
					 SHOP_TIME_ZONE, &isnull);
	if (!isnull)				/* NOT NULL will refuse it */
		find_zone(TextDatumGetCString(zone));
	return PointerGetDatum(row);
}
