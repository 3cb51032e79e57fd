/*-------------------------------------------------------------------------
 *
 * available_visits.c
 *	  The SQL-callable read of visits: when several services fit back to back.
 *
 * Each barber who offers one of the services is a chair of it.  The first
 * service begins where available_slots has a slot; from each such start a
 * depth-first search seats the services one after the other.  A chair's
 * agenda is read once, for all starts, when the search first asks for it.
 *
 * Without more, visits that do not fit would cost barbers ^ services.  So each
 * failure is remembered as a dead end: from this service on, at this time,
 * nothing fits, given those earlier items of the visit that were in the way.
 * Most often none are: what would not fit without them either is no fault of
 * theirs.  What is left are items that stand in each other's way in very many
 * ways; then the search gives up with an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "booking.h"

#define MOST_SERVICES 10

/* For one start: chairs that are tried, and what is remembered of it */
#define MOST_TRIES 1000000
#define MOST_DEAD_ENDS 50000
#define MOST_OF_ONE_KEY 16

/*
 * One barber's offer of one of the services.
 */
typedef struct Chair
{
	Offer		offer;
	StartList	starts;			/* of the first service alone */
	bool		is_read;		/* the following are there */
	Agenda		agenda;
	DayCounts	days;
} Chair;

typedef struct Course
{
	Chair	   *chairs;			/* by barber */
	int			count;
} Course;

typedef struct Seating
{
	Chair	   *chair;
	TimestampTz starts_at;
} Seating;

/*
 * Where the search has been in vain: the service at that position does not
 * fit, with all after it, when the one before ends at that time, by that
 * barber if it makes a difference, else 0.
 */
typedef struct DeadEndKey
{
	int64		position;
	TimestampTz at;
	int64		barber_id;
} DeadEndKey;

/*
 * As long as these items come before it.
 */
typedef struct DeadEnd
{
	struct DeadEnd *next;
	int			in_way;			/* their positions, as a set of bits */
	Seating		seatings[MOST_SERVICES];
} DeadEnd;

typedef struct DeadEnds
{
	DeadEndKey	key;			/* hash key */
	DeadEnd    *first;
	int			count;
} DeadEnds;

typedef struct Search
{
	Course		courses[MOST_SERVICES];
	int			count;
	bool		same_barber;
	BusyReader *reader;
	DateWindow	window;			/* in which agendas are needed */
	Seating		seatings[MOST_SERVICES];

	bool		leaves_room;	/* pretend that no item is in another's way */

	/* of the start that is being tried */
	int			tries;
	MemoryContext context;		/* of what follows, and of the result's row */
	HTAB	   *dead_ends;		/* NULL: none yet */
	int			dead_end_count;
} Search;

/* ---- the arguments ---- */

static void
refuse_services(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("service_ids must be a list of 1 to %d services of one shop",
					MOST_SERVICES),
			 errdetail("%s", detail),
			 errhint("Pass the services in the order in which they follow each other.")));
}

static int64 *
read_service_ids(FunctionCallInfo fcinfo, int *count)
{
	int			dimensions;
	Datum	   *values;
	bool	   *nulls;
	int64	   *ids;

	*count = array_argument_count(fcinfo, 0, &dimensions);
	if (dimensions > 1)
		refuse_services("It has more than one dimension.");
	if (*count < 1 || *count > MOST_SERVICES)
		refuse_services(psprintf("It has %d.", *count));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls,
					  count);
	ids = palloc(*count * sizeof(int64));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("service_ids must not hold null"),
					 errdetail("Service %d is null.", i + 1),
					 errhint("Leave it out.")));
		ids[i] = DatumGetInt64(values[i]);
	}
	return ids;
}

static Service *
require_service(Schedule *schedule, int64 service_id, const Service *first)
{
	Service    *service = schedule_service(schedule, service_id);
	Refusal		refusal;

	if (service == NULL)
	{
		refuse(&refusal, NOT_FOUND, "There is no service " INT64_FORMAT ".",
			   service_id);
		raise_refusal("request", &refusal);
	}
	if (first != NULL && service->shop_id != first->shop_id)
		refuse_services(psprintf("Service " INT64_FORMAT
								 " is of another shop than the first.",
								 service_id));
	return service;
}

/* ---- chairs and their agendas ---- */

/*
 * Those who offer a service, or the one barber, if it does.
 */
static void
find_chairs(Schedule *schedule, Service *service, const int64 *only_barber,
			Course *course)
{
	const int64 *barber_ids = only_barber ? only_barber : service->barber_ids;
	int			count = only_barber ? 1 : service->barber_count;

	course->chairs = palloc0(Max(count, 1) * sizeof(Chair));
	for (int i = 0; i < count; i++)
	{
		Refusal		refusal;

		if (find_offer(schedule, barber_ids[i], service->id,
					   &course->chairs[course->count].offer, &refusal))
			course->count++;
		else if (refusal.reason != NOT_OFFERED)
			raise_refusal("request", &refusal);
	}
}

/*
 * A service that comes again is seated in the same chairs.
 */
static void
find_courses(Search *search, const int64 *service_ids,
			 const int64 *only_barber)
{
	Schedule   *schedule = schedule_begin();
	Service    *first = NULL;

	for (int k = 0; k < search->count; k++)
	{
		Service    *service = require_service(schedule, service_ids[k],
											  first);
		int			same = 0;

		if (k == 0)
			first = service;
		while (service_ids[same] != service_ids[k])
			same++;
		if (same < k)
			search->courses[k] = search->courses[same];
		else
			find_chairs(schedule, service, only_barber, &search->courses[k]);
	}
}

/*
 * The longest time from the start of a visit to its end, and past it.
 */
static int64
longest_visit(const Search *search)
{
	int64		total = 0;

	for (int k = 0; k < search->count; k++)
	{
		int64		longest = 0;

		for (int c = 0; c < search->courses[k].count; c++)
		{
			const SlotRule *rule = &search->courses[k].chairs[c].offer.rule;

			longest = Max(longest, rule->buffer_before_us +
						  rule->duration_us + rule->buffer_after_us);
		}
		total += longest;
	}
	return total;
}

/*
 * Reads the starts of the first service, each once, and finds out how far the
 * agendas of the others have to reach.
 */
static void
read_starts(Search *search, DateADT from_date, DateADT to_date,
			StartList *starts)
{
	Course	   *first = &search->courses[0];
	int64		total = 0;

	for (int c = 0; c < first->count; c++)
	{
		Chair	   *chair = &first->chairs[c];
		DateWindow	window;

		CHECK_FOR_INTERRUPTS();
		offer_window(&chair->offer, from_date, to_date, &window);
		offer_starts(&chair->offer, search->reader, NULL, &window,
					 &chair->starts);
		total += chair->starts.count;
		require_slot_count(total);
		for (int i = 0; i < chair->starts.count; i++)
			add_start(starts, chair->starts.starts[i].at, 1);
	}
	order_starts(starts);
	if (starts->count == 0)
		return;
	search->window.from = starts->starts[0].at;
	search->window.until = starts->starts[starts->count - 1].at +
		longest_visit(search);
}

static void
read_chair(Search *search, Chair *chair)
{
	if (chair->is_read)
		return;
	CHECK_FOR_INTERRUPTS();
	read_agenda(&chair->offer, search->reader, NULL, &search->window,
				&chair->agenda);
	count_days(&chair->offer, NULL, search->window.from, search->window.until,
			   &chair->days);
	chair->is_read = true;
}

/* ---- dead ends ---- */

static void
forget_dead_ends(Search *search)
{
	search->tries = 0;
	MemoryContextReset(search->context);
	search->dead_ends = NULL;
	search->dead_end_count = 0;
}

static DeadEnds *
find_dead_ends(Search *search, const DeadEndKey *key, HASHACTION action)
{
	HASHCTL		control = {
		.keysize = sizeof(DeadEndKey),
		.entrysize = sizeof(DeadEnds),
		.hcxt = search->context
	};
	bool		found;
	DeadEnds   *entry;

	if (search->dead_ends == NULL && action == HASH_FIND)
		return NULL;
	if (search->dead_ends == NULL)
		search->dead_ends = hash_create("dead ends of a visit", 64, &control,
										HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	entry = hash_search(search->dead_ends, key, action, &found);
	if (!found && entry != NULL)
	{
		entry->first = NULL;
		entry->count = 0;
	}
	return entry;
}

/*
 * Whether the items that a dead end is about are those of the present visit.
 */
static bool
is_of_visit(const Search *search, const DeadEnd *dead_end)
{
	if (search->leaves_room)
		return dead_end->in_way == 0;
	for (int i = 0; i < search->count; i++)
	{
		const Seating *then = &dead_end->seatings[i];
		const Seating *now = &search->seatings[i];

		if ((dead_end->in_way & (1 << i)) != 0 &&
			(then->chair != now->chair || then->starts_at != now->starts_at))
			return false;
	}
	return true;
}

static const DeadEnd *
find_dead_end(Search *search, const DeadEndKey *key)
{
	const DeadEnds *known = find_dead_ends(search, key, HASH_FIND);
	const DeadEnd *dead_end = known != NULL ? known->first : NULL;

	while (dead_end != NULL && !is_of_visit(search, dead_end))
		dead_end = dead_end->next;
	return dead_end;
}

static void
add_dead_end(Search *search, const DeadEndKey *key, int in_way)
{
	DeadEnds   *known;
	DeadEnd    *dead_end;

	if (search->dead_end_count == MOST_DEAD_ENDS)
		return;
	known = find_dead_ends(search, key, HASH_ENTER);
	if (known->count == MOST_OF_ONE_KEY)
		return;
	dead_end = MemoryContextAlloc(search->context, sizeof(DeadEnd));
	dead_end->in_way = in_way;
	memcpy(dead_end->seatings, search->seatings, sizeof(search->seatings));
	dead_end->next = known->first;
	known->first = dead_end;
	known->count++;
	search->dead_end_count++;
}

/* ---- the search ---- */

static TimestampTz
end_of(const Seating *seating)
{
	return seating->starts_at + seating->chair->offer.rule.duration_us;
}

/*
 * How long a barber who does both needs between an item and the next service.
 */
static int64
pause_us(const Seating *before, const Chair *chair)
{
	return before->chair->offer.rule.buffer_after_us +
		chair->offer.rule.buffer_before_us;
}

/*
 * The items of the visit that are in the way of the one at that position, as
 * a set of bits; 0 if none are.  An item begins when all before it have ended,
 * so that no more than the buffers between them can meet; what several have
 * used up together is the number that their barber takes on that date.
 */
static int
items_in_way(const Search *search, int position)
{
	const Seating *next = &search->seatings[position];
	const Barber *barber = next->chair->offer.barber;
	Zone	   *zone = &barber->shop->zone;
	int			of_day = 0;
	int			left = days_left(&next->chair->offer, &next->chair->days,
								 next->starts_at);

	for (int i = 0; i < position; i++)
	{
		const Seating *item = &search->seatings[i];

		if (item->chair->offer.barber != barber)
			continue;
		if (end_of(item) + pause_us(item, next->chair) > next->starts_at)
			return 1 << i;
		if (barber->max_per_day > 0 &&
			zone_date(zone, item->starts_at) ==
			zone_date(zone, next->starts_at))
		{
			of_day |= 1 << i;
			left--;
		}
	}
	return left > 0 ? 0 : of_day;
}

static void
count_try(Search *search)
{
	CHECK_FOR_INTERRUPTS();
	if (++search->tries > MOST_TRIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many ways to arrange the visit"),
				 errdetail("Whether it fits was still open after %d attempts.",
						   MOST_TRIES),
				 errhint("Ask for fewer services at once, or for one barber.")));
}

static bool seat_rest(Search *search, int position, int *in_way);

/*
 * Tries a chair for the service at that position, and the rest after it.  If
 * it fails, the items that were in the way are added to *in_way.
 */
static bool
seat_here(Search *search, int position, Chair *chair, TimestampTz starts_at,
		  int *in_way)
{
	int			own;

	search->seatings[position] = (Seating) {chair, starts_at};
	count_try(search);
	if (position > 0)
	{
		read_chair(search, chair);
		if (!agenda_fits(&chair->offer, &chair->agenda, starts_at) ||
			days_left(&chair->offer, &chair->days, starts_at) <= 0)
			return false;
		own = search->leaves_room ? 0 : items_in_way(search, position);
		*in_way |= own;
		if (own != 0)
			return false;
	}
	return position + 1 == search->count ||
		seat_rest(search, position + 1, in_way);
}

/*
 * Tries all chairs for the service at that position: that of the barber who
 * did the one before, then the others.
 */
static bool
seat_next(Search *search, int position, int *in_way)
{
	const Seating before = search->seatings[position - 1];
	const Course *course = &search->courses[position];
	const Barber *barber = before.chair->offer.barber;

	for (int c = 0; c < course->count; c++)
	{
		Chair	   *chair = &course->chairs[c];

		if (chair->offer.barber == barber &&
			seat_here(search, position, chair,
					  end_of(&before) + pause_us(&before, chair), in_way))
			return true;
	}
	for (int c = 0; c < course->count && !search->same_barber; c++)
	{
		Chair	   *chair = &course->chairs[c];

		if (chair->offer.barber != barber &&
			seat_here(search, position, chair, end_of(&before), in_way))
			return true;
	}
	return false;
}

/*
 * Whether the services from that position on would fit if no item of the
 * visit were in the way of another.
 */
static bool
would_fit(Search *search, int position)
{
	int			in_way = 0;
	bool		fits;

	search->leaves_room = true;
	fits = seat_next(search, position, &in_way);
	search->leaves_room = false;
	return fits;
}

/*
 * Seats the services from that position on, unless that is known to be in
 * vain.
 */
static bool
seat_rest(Search *search, int position, int *in_way)
{
	const Seating *before = &search->seatings[position - 1];
	const Course *course = &search->courses[position];
	DeadEndKey	key = {position, end_of(before), 0};
	const DeadEnd *dead_end;
	int			ours = 0;

	if (course->count == 0)
		return false;
	if (search->same_barber || pause_us(before, &course->chairs[0]) > 0)
		key.barber_id = before->chair->offer.barber->id;
	dead_end = find_dead_end(search, &key);
	if (dead_end != NULL)
		ours = dead_end->in_way;
	else if (seat_next(search, position, &ours))
		return true;
	else
	{
		ours &= (1 << position) - 1;
		if (ours != 0 && !would_fit(search, position))
			ours = 0;
		add_dead_end(search, &key, ours);
	}
	*in_way |= ours;
	return false;
}

/*
 * Seats a visit that begins then.
 */
static bool
seat_visit(Search *search, TimestampTz starts_at)
{
	const Course *first = &search->courses[0];
	int			in_way = 0;

	forget_dead_ends(search);
	for (int c = 0; c < first->count; c++)
	{
		if (has_start(&first->chairs[c].starts, starts_at) &&
			seat_here(search, 0, &first->chairs[c], starts_at, &in_way))
			return true;
	}
	return false;
}

/* ---- the result ---- */

static Datum
make_items(const Search *search, Oid item_type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(item_type, -1);
	Datum		items[MOST_SERVICES];
	int16		length;
	bool		by_value;
	char		alignment;

	for (int k = 0; k < search->count; k++)
	{
		const Seating *seating = &search->seatings[k];
		Datum		values[4];
		bool		nulls[4] = {false, false, false, true};

		values[0] = Int64GetDatum(seating->chair->offer.barber->id);
		values[1] = Int64GetDatum(seating->chair->offer.service->id);
		values[2] = TimestampTzGetDatum(seating->starts_at);
		items[k] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	}
	ReleaseTupleDesc(desc);
	get_typlenbyvalalign(item_type, &length, &by_value, &alignment);
	return PointerGetDatum(construct_array(items, search->count, item_type,
										   length, by_value, alignment));
}

static void
put_visit(ResultSet *result, const Search *search, Oid item_type)
{
	const Seating *last = &search->seatings[search->count - 1];
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	MemoryContext caller = MemoryContextSwitchTo(search->context);

	values[0] = TimestampTzGetDatum(search->seatings[0].starts_at);
	values[1] = TimestampTzGetDatum(end_of(last));
	values[2] = make_items(search, item_type);
	tuplestore_putvalues(result->store, result->desc, values, nulls);
	MemoryContextSwitchTo(caller);
}

/*
 * available_visits(service_ids, from_date, to_date, barber_id, same_barber)
 */
MEASURED_FUNCTION(booking_available_visits, OP_AVAILABLE_VISITS)
{
	DateADT		from_date;
	DateADT		to_date;
	Search		search = {0};
	StartList	starts = {0};
	int			visits = 0;
	ResultSet	result;
	Oid			item_type;
	int64	   *service_ids;
	int64		only_barber;

	require_argument(fcinfo, 0, "service_ids");
	require_argument(fcinfo, 1, "from_date");
	require_argument(fcinfo, 4, "same_barber");
	service_ids = read_service_ids(fcinfo, &search.count);
	read_date_range(fcinfo, 1, 2, &from_date, &to_date);
	search.same_barber = PG_GETARG_BOOL(4);
	only_barber = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3);
	result_begin(fcinfo, &result);
	item_type = get_element_type(TupleDescAttr(result.desc, 2)->atttypid);

	find_courses(&search, service_ids,
				 PG_ARGISNULL(3) ? NULL : &only_barber);
	search.context = AllocSetContextCreate(CurrentMemoryContext,
										   "available visits",
										   ALLOCSET_DEFAULT_SIZES);
	search.reader = busy_open();
	read_starts(&search, from_date, to_date, &starts);
	for (int i = 0; i < starts.count; i++)
	{
		if (!seat_visit(&search, starts.starts[i].at))
			continue;
		require_row_count(++visits);
		put_visit(&result, &search, item_type);
	}
	busy_close(search.reader);
	MemoryContextDelete(search.context);
	return (Datum) 0;
}
