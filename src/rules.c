/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  One barber's offer of one service: its slots, or why a time is none.
 *
 * check_start() asks for one instant what offer_starts() asks for a window, so
 * that a time is accepted exactly when it would have been offered.  The reason
 * for a "no" is the first rule that refuses; staff may override some of them.
 *
 * A group that exists is joined at its own start, whatever the grid says: it
 * may have been made before a neighbour, or the grid, moved.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

#define MINUTES(n) ((n) * USECS_PER_MINUTE)

static const OfferRow *
find_offer_row(const Barber *barber, int64 service_id)
{
	for (int i = 0; i < barber->offer_count; i++)
	{
		if (barber->offers[i].service_id == service_id)
			return &barber->offers[i];
	}
	return NULL;
}

/*
 * Fills in what the service's row, the barber's own row for it and the shop
 * say together.
 */
static void
combine(Offer *offer, const OfferRow *own)
{
	Service    *service = offer->service;
	Shop	   *shop = offer->barber->shop;
	SlotRule   *rule = &offer->rule;
	int			minutes = own->duration_minutes > 0 ?
		own->duration_minutes : service->duration_minutes;
	int			interval = service->slot_interval_minutes > 0 ?
		service->slot_interval_minutes : shop->slot_interval_minutes;
	int			notice = service->min_notice_minutes >= 0 ?
		service->min_notice_minutes : shop->min_notice_minutes;
	TimestampTz now = booking_now();

	rule->anchor = shop->anchor;
	rule->duration_us = MINUTES(minutes);
	rule->lead_us = 0;
	rule->steps = service->steps;
	rule->step_count = service->step_count;
	rule->parts = NULL;
	rule->part_count = 0;
	if (rule->step_count > 0)
		rule->duration_us = rule->steps[rule->step_count - 1].ends_us;
	rule->buffer_before_us = MINUTES(service->buffer_before_minutes);
	rule->buffer_after_us = MINUTES(service->buffer_after_minutes);
	rule->interval_us = MINUTES(interval);
	rule->capacity = service->capacity;
	rule->earliest = now + MINUTES(notice);
	offer->last_date = zone_date(&shop->zone, now) + shop->max_advance_days;
	offer->price_cents = own->price_cents >= 0 ?
		own->price_cents : service->price_cents;
}

/*
 * Looks up the offer.  False: not_found or not_offered, as *refusal says.
 */
bool
find_offer(Schedule *schedule, int64 barber_id, int64 service_id,
		   Offer *offer, Refusal *refusal)
{
	Barber	   *barber = schedule_barber(schedule, barber_id);
	Service    *service = schedule_service(schedule, service_id);
	const OfferRow *own;

	if (barber == NULL)
		return refuse(refusal, NOT_FOUND, "There is no barber " INT64_FORMAT
					  ".", barber_id);
	if (service == NULL)
		return refuse(refusal, NOT_FOUND, "There is no service " INT64_FORMAT
					  ".", service_id);
	own = find_offer_row(barber, service_id);
	if (own == NULL || service->shop_id != barber->shop->id)
		return refuse(refusal, NOT_OFFERED, "Barber " INT64_FORMAT
					  " does not offer service " INT64_FORMAT ".",
					  barber_id, service_id);
	if (!barber->shop->is_active || !barber->is_active || !service->is_active)
		return refuse(refusal, NOT_OFFERED, "The %s is not active.",
					  !barber->shop->is_active ? "shop" :
					  !barber->is_active ? "barber" : "service");
	offer->barber = barber;
	offer->service = service;
	combine(offer, own);
	return true;
}

/*
 * What a barber takes for a service, whether or not it is still offered; false
 * if there is no such barber or service.
 */
bool
find_usual_rule(Schedule *schedule, int64 barber_id, int64 service_id,
				SlotRule *rule)
{
	Offer		offer = {
		.barber = schedule_barber(schedule, barber_id),
		.service = schedule_service(schedule, service_id)
	};
	const OfferRow services_own = {service_id, 0, -1};
	const OfferRow *own;

	if (offer.barber == NULL || offer.service == NULL)
		return false;
	own = find_offer_row(offer.barber, service_id);
	combine(&offer, own != NULL ? own : &services_own);
	*rule = offer.rule;
	return true;
}

/*
 * Whether a shop takes bookings of a user; what it has against the user is not
 * said.
 */
bool
check_welcome(Schedule *schedule, int64 shop_id, int64 user_id,
			  Refusal *refusal)
{
	return !schedule_blocks(schedule, shop_id, user_id) ||
		refuse(refusal, NOT_WELCOME, "Shop " INT64_FORMAT
			   " takes no bookings of user " INT64_FORMAT ".", shop_id,
			   user_id);
}

/*
 * The stretch in which appointments could matter to these pieces; false when
 * there are none.
 */
static bool
relevant_time(const Offer *offer, const OpenTime *open,
			  const DateWindow *window, Span *span)
{
	const SlotRule *rule = &offer->rule;
	const Span *spans = open->open.spans;

	if (open->open.count == 0)
		return false;
	span->from = spans[0].from;
	if (rule->anchor != ANCHOR_PACKED)
		span->from = Max(span->from, Max(window->from, rule->earliest));
	span->from -= rule->buffer_before_us;
	span->until = Min(window->until + rule->duration_us,
					  spans[open->open.count - 1].until) +
		rule->buffer_after_us;
	return span->from < span->until;
}

/*
 * Reads when the offer can begin in a window.
 */
void
read_agenda(Offer *offer, BusyReader *reader, const Moved *moved,
			const DateWindow *window, Agenda *agenda)
{
	SlotRule   *rule = &offer->rule;
	BusyFilter	filter = {.moved = moved};
	bool		is_filtered = moved != NULL;
	Span		span;

	memset(agenda, 0, sizeof(*agenda));
	find_open_time(offer->barber, window->from - rule->lead_us,
				   window->until + rule->duration_us, &agenda->open);
	if (!relevant_time(offer, &agenda->open, window, &span))
		return;
	if (rule->capacity > 1)
	{
		filter.service_id = offer->service->id;
		is_filtered = true;
	}
	busy_read(reader, offer->barber->id, span.from, span.until,
			  is_filtered ? &filter : NULL, &agenda->blocked);
	block_starts(rule, &agenda->blocked);
	agenda->groups = filter.groups;
}

/* ---- one instant of an agenda ---- */

/*
 * Whether [from, until) lies inside one piece of a normalized list.
 */
static bool
is_inside(const SpanList *list, TimestampTz from, TimestampTz until)
{
	int			i = spans_first_ending_after(list, from);

	return i < list->count && list->spans[i].from <= from &&
		until <= list->spans[i].until;
}

static bool
is_open(const Offer *offer, const Agenda *agenda, TimestampTz starts_at)
{
	return is_inside(&agenda->open.open, starts_at - offer->rule.lead_us,
					 starts_at + offer->rule.duration_us);
}

static bool
is_blocked(const Agenda *agenda, TimestampTz starts_at)
{
	return is_inside(&agenda->blocked, starts_at, starts_at + 1);
}

/*
 * Whether a customer of the offer at that group's start would be one of it.
 */
static bool
is_of_group(const Offer *offer, const SeatGroup *group)
{
	Part		part;

	rule_part(&offer->rule, 0, group->starts_at, &part);
	return part.busy.from == group->busy.from &&
		part.busy.until == group->busy.until;
}

/*
 * The group that begins then, or NULL.
 */
static const SeatGroup *
find_group(const Offer *offer, const Agenda *agenda, TimestampTz starts_at)
{
	const GroupList *list = &agenda->groups;
	int			low = 0;
	int			high = list->count;
	Part		part;

	rule_part(&offer->rule, 0, starts_at, &part);
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (list->groups[middle].busy.from < part.busy.from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < list->count &&
		 list->groups[low].busy.from == part.busy.from; low++)
	{
		if (list->groups[low].starts_at == starts_at &&
			is_of_group(offer, &list->groups[low]))
			return &list->groups[low];
	}
	return NULL;
}

/*
 * How many seats there are for somebody who begins then; 0: the time is busy.
 */
int
agenda_seats_left(const Offer *offer, const Agenda *agenda,
				  TimestampTz starts_at)
{
	const SeatGroup *group;

	if (!is_blocked(agenda, starts_at))
		return offer->rule.capacity;
	group = find_group(offer, agenda, starts_at);
	return group == NULL ? 0 : Max(offer->rule.capacity - group->taken, 0);
}

static bool
has_room(const Offer *offer, const Agenda *agenda, TimestampTz starts_at)
{
	return agenda_seats_left(offer, agenda, starts_at) > 0;
}

/*
 * Whether all rules but the grid and the limits allow a start.
 */
bool
agenda_fits(const Offer *offer, const Agenda *agenda, TimestampTz starts_at)
{
	return starts_at >= offer->rule.earliest &&
		zone_date(&offer->barber->shop->zone, starts_at) <=
		offer->last_date &&
		is_open(offer, agenda, starts_at) &&
		has_room(offer, agenda, starts_at);
}

/* ---- days that are full ---- */

static void
count_on_day(HeapTuple row, TupleDesc desc, void *state)
{
	DayCounts  *days = state;
	bool		isnull;
	char	   *status;
	TimestampTz expires_at;
	int64		id;
	int			day;

#define VALUE(column) row_value(row, desc, APPOINTMENTS, (column), &isnull)
	(void) VALUE(APPT_PART_OF);
	if (!isnull)
		return;
	id = DatumGetInt64(VALUE(APPT_ID));
	day = zone_date(days->zone, DatumGetTimestampTz(VALUE(APPT_STARTS_AT))) -
		days->first;
	expires_at = DatumGetTimestampTz(VALUE(APPT_HOLD_EXPIRES_AT));
	if (isnull)
		expires_at = DT_NOEND;
	status = TextDatumGetCString(VALUE(APPT_STATUS));
#undef VALUE
	if (day < 0 || day >= days->day_count ||
		(!status_is_live(status, expires_at) &&
		 strcmp(status, "completed") != 0))
		return;
	if (days->moved != NULL && id == days->moved->head_id)
		days->counts[day] = PG_INT32_MIN;
	else if (days->moved == NULL || !id_is_listed(&days->moved->rows, id))
		days->counts[day]++;
}

/*
 * Counts a barber's appointments on the dates from one instant to another,
 * those that are over included; of one without a limit nothing is read.
 */
void
count_days(const Offer *offer, const Moved *moved, TimestampTz first,
		   TimestampTz last, DayCounts *days)
{
	Zone	   *zone = &offer->barber->shop->zone;

	if (offer->barber->max_per_day == 0)
		return;
	days->zone = zone;
	days->moved = moved;
	days->first = zone_date(zone, first) - 1;
	days->day_count = zone_date(zone, last) - days->first + 2;
	days->counts = palloc0(days->day_count * sizeof(int));
	scan_appointments(offer->barber->id, first - USECS_PER_DAY,
					  last + 2 * USECS_PER_DAY, count_on_day, days);
}

/*
 * How many more appointments a barber takes on the date of an instant.
 */
int
days_left(const Offer *offer, const DayCounts *days, TimestampTz at)
{
	int			most = offer->barber->max_per_day;
	int			day;

	if (most == 0)
		return PG_INT32_MAX;
	day = zone_date(days->zone, at) - days->first;
	if (days->counts[day] < 0)
		return PG_INT32_MAX;	/* it is on that date already */
	return most - days->counts[day];
}

/*
 * Drops the starts of dates on which the barber has as many appointments as
 * max_per_day allows.
 */
static void
drop_full_days(Offer *offer, const Moved *moved, StartList *starts)
{
	DayCounts	days;
	int			kept = 0;

	if (offer->barber->max_per_day == 0 || starts->count == 0)
		return;
	count_days(offer, moved, starts->starts[0].at,
			   starts->starts[starts->count - 1].at, &days);
	for (int i = 0; i < starts->count; i++)
	{
		if (days_left(offer, &days, starts->starts[i].at) > 0)
			starts->starts[kept++] = starts->starts[i];
	}
	starts->count = kept;
}

/* ---- the slots of a window ---- */

/*
 * The window of a range of dates, without what the notice and the horizon
 * rule out anyway; possibly empty.  A date may be left twice where a clock
 * went back over midnight, hence the day before the earliest.
 */
void
offer_window(Offer *offer, DateADT from_date, DateADT to_date,
			 DateWindow *window)
{
	Zone	   *zone = &offer->barber->shop->zone;

	from_date = Max(from_date, zone_date(zone, offer->rule.earliest) - 1);
	to_date = Min(to_date, offer->last_date);
	if (from_date <= to_date)
		zone_window(zone, from_date, to_date, window);
	else
		window->from = window->until = 0;
	window->from = Max(window->from, offer->rule.earliest);
}

/*
 * Adds the starts of groups that have room.
 */
static void
add_groups(Offer *offer, const Agenda *agenda, const DateWindow *window,
		   StartList *result)
{
	Zone	   *zone = &offer->barber->shop->zone;
	int			count = result->count;

	for (int i = 0; i < agenda->groups.count; i++)
	{
		const SeatGroup *group = &agenda->groups.groups[i];
		DateADT		date = zone_date(zone, group->starts_at);

		CHECK_FOR_INTERRUPTS();
		if (group->starts_at >= Max(window->from, offer->rule.earliest) &&
			group->starts_at < window->until &&
			(!window->check_dates ||
			 (date >= window->from_date && date <= window->to_date)) &&
			group->taken < offer->rule.capacity &&
			is_of_group(offer, group) &&
			is_open(offer, agenda, group->starts_at))
			add_start(result, group->starts_at,
					  offer->rule.capacity - group->taken);
	}
	if (result->count > count)
		order_starts(result);
}

/*
 * Replaces *result by the starts that an agenda, read for that window, has on
 * the grid.  Days that are full are not asked.
 */
void
agenda_starts(Offer *offer, const Agenda *agenda, const DateWindow *window,
			  StartList *result)
{
	find_starts(&agenda->open, &agenda->blocked, &offer->rule, window,
				&offer->barber->shop->zone, result);
	add_groups(offer, agenda, window, result);
}

/*
 * Replaces *result by the starts of the offer's slots in a window, which may be
 * empty, and reach beyond the notice but not beyond the horizon.
 */
void
offer_starts(Offer *offer, BusyReader *reader, const Moved *moved,
			 const DateWindow *window, StartList *result)
{
	Agenda		agenda;

	result->count = 0;
	if (window->from >= window->until)
		return;
	read_agenda(offer, reader, moved, window, &agenda);
	agenda_starts(offer, &agenda, window, result);
	drop_full_days(offer, moved, result);
}

/* ---- one start ---- */

/*
 * Whether a rule that refuses is overridden.
 */
static bool
overrides(StartCheck *check, Override rule)
{
	if ((check->overrides & rule) == 0)
		return false;
	check->overrides_used |= (int) rule;
	return true;
}

static bool
check_time(Offer *offer, StartCheck *check, Refusal *refusal)
{
	const SlotRule *rule = &offer->rule;
	Shop	   *shop = offer->barber->shop;

	if (check->starts_at < rule->earliest &&
		!overrides(check, OVERRIDE_NOTICE))
		return refuse(refusal, NOTICE_TOO_SHORT,
					  "%s is before %s, the earliest time that the notice allows.",
					  instant_text(check->starts_at),
					  instant_text(rule->earliest));
	if (zone_date(&shop->zone, check->starts_at) > offer->last_date &&
		!overrides(check, OVERRIDE_HORIZON))
		return refuse(refusal, TOO_FAR_AHEAD,
					  "The shop takes bookings up to %d days ahead.",
					  shop->max_advance_days);
	return true;
}

/*
 * Staff may go as far as there are instants.
 */
static void
require_instants(const SlotRule *rule, TimestampTz starts_at)
{
	if (!IS_VALID_TIMESTAMP(starts_at - rule->buffer_before_us) ||
		!IS_VALID_TIMESTAMP(starts_at + rule->duration_us +
							rule->buffer_after_us))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("starts_at is out of range"),
				 errdetail("The appointment would reach beyond the first or the last instant there is."),
				 errhint("Check the year.")));
}

static bool
is_on_grid(Offer *offer, const Agenda *agenda, const DateWindow *window)
{
	static const SpanList nothing_blocked = {0};
	StartList	found = {0};

	find_starts(&agenda->open, offer->rule.anchor == ANCHOR_PACKED ?
				&agenda->blocked : &nothing_blocked, &offer->rule, window,
				&offer->barber->shop->zone, &found);
	return found.count > 0 || find_group(offer, agenda, window->from) != NULL;
}

/*
 * What the agenda says of the start; whether it is busy comes first where the
 * grid depends on it.
 */
static bool
check_agenda(Offer *offer, const Agenda *agenda, const DateWindow *window,
			 StartCheck *check, Refusal *refusal)
{
	const SlotRule *rule = &offer->rule;
	TimestampTz starts_at = check->starts_at;
	bool		is_packed = rule->anchor == ANCHOR_PACKED;
	bool		asks_grid = !check->is_continuation;
	bool		is_busy = !has_room(offer, agenda, starts_at);

	if (!is_open(offer, agenda, starts_at))
	{
		if (!overrides(check, OVERRIDE_HOURS))
			return refuse(refusal, OUTSIDE_HOURS, "Barber " INT64_FORMAT
						  " is not at work all the time from %s to %s.",
						  offer->barber->id,
						  instant_text(starts_at - rule->lead_us),
						  instant_text(starts_at + rule->duration_us));
		asks_grid = false;		/* there is none outside of hours */
	}
	if (asks_grid && !(is_busy && is_packed) &&
		!is_on_grid(offer, agenda, window) &&
		!overrides(check, OVERRIDE_GRID))
		return refuse(refusal, OFF_GRID,
					  "No slot of service " INT64_FORMAT " begins at %s.",
					  offer->service->id, instant_text(starts_at));
	if (is_busy && (is_packed || !check->guard_follows))
		return refuse_overlap(refusal, offer->barber->id,
							  starts_at - rule->buffer_before_us,
							  starts_at + rule->duration_us +
							  rule->buffer_after_us);
	return true;
}

static bool
check_day(Offer *offer, const StartCheck *check, Refusal *refusal)
{
	Start		start = {check->starts_at, 0};
	StartList	starts = {&start, 1, 1};

	drop_full_days(offer, check->moved, &starts);
	if (starts.count > 0)
		return true;
	return refuse(refusal, LIMIT_REACHED, "Barber " INT64_FORMAT
				  " takes %d appointments a day.", offer->barber->id,
				  offer->barber->max_per_day);
}

/*
 * Whether a slot of the offer begins at that instant, as far as the caller's
 * snapshot knows.  If the guard follows, appointments are left for it to
 * judge, unless the grid depends on them.
 */
bool
check_start(Offer *offer, StartCheck *check, Refusal *refusal)
{
	SlotRule   *rule = &offer->rule;
	DateWindow	window = {
		.from = check->starts_at, .until = check->starts_at + 1
	};
	Agenda		agenda = {0};

	check->overrides_used = 0;
	if (!check_time(offer, check, refusal))
		return false;
	require_instants(rule, check->starts_at);
	/* what was overridden is not asked again */
	rule->earliest = Min(rule->earliest, check->starts_at);
	if (check->guard_follows && rule->anchor != ANCHOR_PACKED &&
		rule->capacity == 1)
		find_open_time(offer->barber, check->starts_at - rule->lead_us,
					   check->starts_at + rule->duration_us, &agenda.open);
	else
	{
		BusyReader *reader = busy_open();

		read_agenda(offer, reader, check->moved, &window, &agenda);
		busy_close(reader);
	}
	return check_agenda(offer, &agenda, &window, check, refusal) &&
		(check->guard_follows || check_day(offer, check, refusal));
}
