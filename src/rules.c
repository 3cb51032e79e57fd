/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  One barber's offer of one service: its slots, or why a time is none.
 *
 * check_start() asks find_starts() for the one instant, so that a time is
 * accepted exactly when it would have been offered; only a refused one is
 * looked at again, for the reason.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "booking.h"

#define MINUTES(n) ((n) * USECS_PER_MINUTE)

static const SpanList nothing_busy = {0};

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
	int			duration = own->duration_minutes > 0 ?
		own->duration_minutes : service->duration_minutes;
	int			step = service->slot_interval_minutes > 0 ?
		service->slot_interval_minutes : shop->slot_interval_minutes;
	int			notice = service->min_notice_minutes >= 0 ?
		service->min_notice_minutes : shop->min_notice_minutes;
	TimestampTz now = booking_now();

	rule->anchor = shop->anchor;
	rule->duration_us = MINUTES(duration);
	rule->buffer_before_us = MINUTES(service->buffer_before_minutes);
	rule->buffer_after_us = MINUTES(service->buffer_after_minutes);
	rule->step_us = MINUTES(step);
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
 * Replaces *result by the starts of the offer's slots in a window, which may be
 * empty, and reach beyond the notice but not beyond the horizon.
 */
void
offer_starts(Offer *offer, BusyReader *reader, const DateWindow *window,
			 StartList *result)
{
	Zone	   *zone = &offer->barber->shop->zone;
	OpenTime	open = {0};
	SpanList	busy = {0};
	Span		span;

	result->count = 0;
	if (window->from >= window->until)
		return;
	find_open_time(offer->barber, window->from,
					   window->until + offer->rule.duration_us, &open);
	if (!relevant_time(offer, &open, window, &span))
		return;
	busy_read(reader, offer->barber->id, span.from, span.until, &busy);
	find_starts(&open, &busy, &offer->rule, window, zone, result);
}

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

/*
 * Why a time that is not offered is not.
 */
static bool
explain(const Offer *offer, const OpenTime *open, bool is_busy,
		TimestampTz starts_at, Refusal *refusal)
{
	const SlotRule *rule = &offer->rule;
	char	   *start = instant_text(starts_at);

	if (starts_at < rule->earliest)
		return refuse(refusal, NOTICE_TOO_SHORT,
					  "%s is before %s, the earliest time that the notice allows.",
					  start, instant_text(rule->earliest));
	if (zone_date(&offer->barber->shop->zone, starts_at) > offer->last_date)
		return refuse(refusal, TOO_FAR_AHEAD,
					  "The shop takes bookings up to %d days ahead.",
					  offer->barber->shop->max_advance_days);
	if (!is_inside(&open->open, starts_at, starts_at + rule->duration_us))
		return refuse(refusal, OUTSIDE_HOURS, "Barber " INT64_FORMAT
					  " is not at work all the time from %s to %s.",
					  offer->barber->id, start,
					  instant_text(starts_at + rule->duration_us));
	if (is_busy)
		return refuse_overlap(refusal, offer->barber->id,
							  starts_at - rule->buffer_before_us,
							  starts_at + rule->duration_us +
							  rule->buffer_after_us);
	return refuse(refusal, OFF_GRID,
				  "No slot of service " INT64_FORMAT " begins at %s.",
				  offer->service->id, start);
}

/*
 * Whether a slot of the offer begins at that instant.  With a reader, as far
 * as the caller's snapshot knows; without one, appointments are left for the
 * guard to judge, which a packed grid does not allow.
 */
bool
check_start(Offer *offer, BusyReader *reader, TimestampTz starts_at,
			Refusal *refusal)
{
	const SlotRule *rule = &offer->rule;
	Zone	   *zone = &offer->barber->shop->zone;
	DateWindow	window = {.from = starts_at, .until = starts_at + 1};
	OpenTime	open = {0};
	SpanList	busy = {0};
	StartList	found = {0};
	Span		span;
	bool		is_packed = rule->anchor == ANCHOR_PACKED;
	bool		is_busy = false;

	if (starts_at < rule->earliest ||
		zone_date(zone, starts_at) > offer->last_date)
		return explain(offer, &open, false, starts_at, refusal);

	find_open_time(offer->barber, starts_at,
					   starts_at + rule->duration_us, &open);
	if (reader != NULL && relevant_time(offer, &open, &window, &span))
	{
		TimestampTz from = starts_at - rule->buffer_before_us;
		int			b;

		busy_read(reader, offer->barber->id, span.from, span.until, &busy);
		b = spans_first_ending_after(&busy, from);
		is_busy = b < busy.count && busy.spans[b].from <
			starts_at + rule->duration_us + rule->buffer_after_us;
	}
	find_starts(&open, is_packed ? &busy : &nothing_busy, rule, &window,
				zone, &found);
	if (found.count == 0)
		return explain(offer, &open, is_busy && is_packed, starts_at,
					   refusal);
	return is_busy ? explain(offer, &open, true, starts_at, refusal) : true;
}
