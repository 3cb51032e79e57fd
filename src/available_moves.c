/*-------------------------------------------------------------------------
 *
 * available_moves.c
 *	  Finds the starts to which an appointment and its visit can be moved.
 *
 * Each start that is found is one that reschedule_appointment() would take of
 * the same caller, as far as the caller's snapshot knows, and there is no other
 * one: its own time and that of its visit are not in its way, its customer's
 * other appointments and limits may be.
 *
 * A visit fits where its first item has a start on the grid, and every other
 * one fits at its distance from it (on the grid too, if it begins with the
 * first).  To where it is now the appointment moves
 * alone, and the others are in the way like anybody's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "booking.h"

/* ---- the customer's other appointments ---- */

static OwnerQuery customer_query = {
	.sql = "SELECT a.id, coalesce(a.visit_id, 0), coalesce(a.part_of, 0),"
	" a.starts_at, a.ends_at, (SELECT b.shop_id FROM booking.barbers b"
	" WHERE b.id OPERATOR(pg_catalog.=) a.barber_id),"
	" a.status OPERATOR(pg_catalog.=) 'pending', a.guest_name"
	" FROM booking.appointments a WHERE a.user_id OPERATOR(pg_catalog.=) $1"
	" AND a.status OPERATOR(pg_catalog.=)"
	" ANY ('{pending,confirmed,checked_in}'::pg_catalog.text[])"
	" AND (a.status OPERATOR(pg_catalog.<>) 'pending'"
	" OR a.hold_expires_at IS NULL"
	" OR a.hold_expires_at OPERATOR(pg_catalog.>) $2)",
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID}
};

/* What a customer has besides what is moved */
typedef struct Customer
{
	SpanList	elsewhere;		/* when he is, where that must not overlap */
	SpanList	in_visit;		/* when the item's guest is, in its visit */
	int			active;			/* in the shop that the item shall be in */
	int			pending;		/* of those */
} Customer;

static int64
customer_value(int row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, column,
									   &isnull));
}

/*
 * Whether a row is for the guest that the item is for; NULL: the customer.
 */
static bool
is_of_guest(int row, const MoveItem *item)
{
	const char *guest_name = item->booked.guest_name;
	char	   *name = SPI_getvalue(SPI_tuptable->vals[row],
									SPI_tuptable->tupdesc, 8);

	return name == NULL || guest_name == NULL ? name == guest_name :
		strcmp(name, guest_name) == 0;
}

/*
 * Notes when the customer cannot be at the item.
 */
static void
note_place(const Move *move, int row, const MoveItem *item,
		   Customer *customer)
{
	int64		visit_id = customer_value(row, 2);
	bool		is_of_visit = visit_id != 0 &&
		visit_id == item->booked.visit_id;

	if (!is_of_visit)
		spans_add(&customer->elsewhere, customer_value(row, 4),
				  customer_value(row, 5));
	else if (is_of_guest(row, item) &&
			 !id_is_listed(&move->rows, customer_value(row, 3)))
		spans_add(&customer->in_visit, customer_value(row, 4),
				  customer_value(row, 5));
}

/*
 * Counts a row of the customer's that does not move.
 */
static void
count_row(const Move *move, int row, const MoveItem *item,
		  MemoryContext caller, Customer *customer)
{
	Shop	   *shop = item->offer.barber->shop;
	MemoryContext spi = MemoryContextSwitchTo(caller);
	bool		isnull;

	if (shop->prevent_user_overlap)
		note_place(move, row, item, customer);
	if (customer_value(row, 3) == 0 &&
		customer_value(row, 5) > booking_now() &&
		customer_value(row, 6) == shop->id)
	{
		customer->active++;
		if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, 7, &isnull)))
			customer->pending++;
	}
	MemoryContextSwitchTo(spi);
}

/*
 * Reads what limits an item's customer; nothing, if no limit asks.
 */
static void
read_customer(const Move *move, const MoveItem *item, Customer *customer)
{
	Shop	   *shop = item->offer.barber->shop;
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {
		Int64GetDatum(item->booked.user_id), TimestampTzGetDatum(booking_now())
	};
	int			count;

	memset(customer, 0, sizeof(*customer));
	if (item->booked.is_walk_in || (!shop->prevent_user_overlap &&
									shop->max_active_per_user == 0 &&
									shop->max_pending_per_user == 0))
		return;
	SPI_connect();
	count = run_owner_query(&customer_query, values, NULL, true);
	for (int i = 0; i < count; i++)
	{
		if (!id_is_listed(&move->rows, customer_value(i, 1)))
			count_row(move, i, item, caller, customer);
	}
	SPI_finish();
	spans_normalize(&customer->elsewhere);
	spans_normalize(&customer->in_visit);
}

/*
 * Whether the shop allows the item's customer as many active appointments.
 */
static bool
has_allowance(const Move *move, const MoveItem *item,
			  const Customer *customer)
{
	int			most = item->offer.barber->shop->max_active_per_user;
	int			need = move_need(move, item);

	return most == 0 || need == 0 || item->booked.is_walk_in ||
		customer->active + need <= most;
}

/*
 * Whether the shop allows the item's customer as many pending ones.
 */
static bool
may_be_pending(const Move *move, const MoveItem *item,
			   const Customer *customer, bool keeps_start)
{
	int			most = item->offer.barber->shop->max_pending_per_user;
	int			need = most == 0 || item->booked.is_walk_in ? 0 :
		move_pending_need(move, item, keeps_start);

	return need == 0 || customer->pending + need <= most;
}

static bool
is_free(const SpanList *busy, TimestampTz from, TimestampTz until)
{
	int			i;

	if (busy->count == 0)
		return true;
	i = spans_first_ending_after(busy, from);
	return i == busy->count || busy->spans[i].from >= until;
}

/*
 * Whether the customer has time for an item that begins then.
 */
static bool
has_time(const MoveItem *item, const Customer *customer,
		 TimestampTz starts_at)
{
	const SlotRule *rule = &item->offer.rule;

	if (!is_free(&customer->elsewhere, starts_at,
				 starts_at + rule->duration_us))
		return false;
	for (int i = 0; customer->in_visit.count > 0 &&
		 i < rule_part_count(rule); i++)
	{
		Part		part;

		rule_part(rule, i, starts_at, &part);
		if (!is_free(&customer->in_visit, part.work.from, part.work.until))
			return false;
	}
	return true;
}

/* ---- the appointment alone ---- */

/*
 * Drops the starts that the customer has no time for, or no pending one left.
 */
static void
drop_for_customer(const Move *move, const Customer *customer,
				  StartList *starts)
{
	const MoveItem *item = move->named;
	TimestampTz now_at = item->booked.starts_at;
	bool		may_stay = may_be_pending(move, item, customer, true);
	bool		may_leave = may_be_pending(move, item, customer, false);
	int			kept = 0;

	for (int i = 0; i < starts->count; i++)
	{
		TimestampTz at = starts->starts[i].at;

		if ((at == now_at ? may_stay : may_leave) &&
			has_time(item, customer, at))
			starts->starts[kept++] = starts->starts[i];
	}
	starts->count = kept;
}

/*
 * The starts of an appointment that moves alone.
 */
static void
find_starts_alone(const Move *move, BusyReader *reader,
				  const DateWindow *window, StartList *result)
{
	MoveItem   *item = move->named;
	Moved		moved = {item->booked.id, move->rows};
	Customer	customer;

	result->count = 0;
	read_customer(move, item, &customer);
	if (!has_allowance(move, item, &customer))
		return;
	offer_starts(&item->offer, reader, &moved, window, result);
	drop_for_customer(move, &customer, result);
}

/*
 * Its start where it is now, if it fits there, alone; one that begins
 * later than its visit needs no grid.
 */
static void
find_same_start(const Move *visit, BusyReader *reader,
				const DateWindow *window, StartList *result)
{
	Move		alone = *visit;
	MoveItem   *item = visit->named;
	Moved		moved;
	TimestampTz at = item->booked.starts_at;
	DateWindow	instant = {.from = at, .until = at + 1};
	Agenda		agenda;
	DayCounts	days;
	Customer	customer;

	move_alone(&alone);
	result->count = 0;
	if (!window_has(window, &item->offer.barber->shop->zone, at))
		return;
	if (!item->is_continuation)
	{
		find_starts_alone(&alone, reader, &instant, result);
		return;
	}
	moved = (Moved) {item->booked.id, alone.rows};
	read_customer(&alone, item, &customer);
	read_agenda(&item->offer, reader, &moved, &instant, &agenda);
	count_days(&item->offer, &moved, at, at, &days);
	if (has_allowance(&alone, item, &customer) &&
		may_be_pending(&alone, item, &customer, true) &&
		agenda_fits(&item->offer, &agenda, at) &&
		days_left(&item->offer, &days, at) > 0 &&
		has_time(item, &customer, at))
		add_start(result, at,
				  agenda_seats_left(&item->offer, &agenda, at));
}

/* ---- a visit ---- */

/* What is read of an item, for all starts */
typedef struct ItemPlan
{
	MoveItem   *item;
	Moved		moved;
	Agenda		agenda;
	StartList	starts;			/* of the grid, if that is asked */
	DayCounts	days;
	Customer	customer;
	int			companions;		/* in its group */
} ItemPlan;

/*
 * Reads an item's plan for starts of the named one in a window; false if it has
 * nowhere to go.
 */
static bool
read_plan(const Move *move, MoveItem *item, BusyReader *reader,
		  const DateWindow *window, ItemPlan *plan)
{
	DateWindow	own = {
		.from = window->from + item->offset_us,
		.until = window->until + item->offset_us
	};

	plan->item = item;
	plan->moved = (Moved) {item->booked.id, move->rows};
	plan->companions = move_companions(move, item);
	read_customer(move, item, &plan->customer);
	if (!has_allowance(move, item, &plan->customer) ||
		!may_be_pending(move, item, &plan->customer, false))
		return false;
	read_agenda(&item->offer, reader, &plan->moved, &own, &plan->agenda);
	count_days(&item->offer, &plan->moved, own.from, own.until, &plan->days);
	if (!item->is_continuation)
		agenda_starts(&item->offer, &plan->agenda, &own, &plan->starts);
	return true;
}

/*
 * Whether an item fits when the named one starts at that instant.
 */
static bool
plan_fits(const Move *move, const ItemPlan *plan, TimestampTz starts_at)
{
	const MoveItem *item = plan->item;
	const Offer *offer = &item->offer;
	TimestampTz at = starts_at + item->offset_us;

	return agenda_fits(offer, &plan->agenda, at) &&
		agenda_seats_left(offer, &plan->agenda, at) > plan->companions &&
		(item->is_continuation || has_start(&plan->starts, at)) &&
		days_left(offer, &plan->days, at) >
		move_others_of_day(move, item, starts_at) &&
		has_time(item, &plan->customer, at);
}

static bool
visit_fits(const Move *move, const ItemPlan *plans, TimestampTz starts_at)
{
	for (int i = 0; i < move->count; i++)
	{
		if (!plan_fits(move, &plans[i], starts_at))
			return false;
	}
	return true;
}

/*
 * The plan of the item that begins first: it is always asked for the grid.
 */
static const ItemPlan *
first_plan(const Move *move, const ItemPlan *plans)
{
	const ItemPlan *first = &plans[0];

	for (int i = 1; i < move->count; i++)
	{
		if (plans[i].item->offset_us < first->item->offset_us)
			first = &plans[i];
	}
	return first;
}

/*
 * The starts of the named appointment at which all of its visit fits, but for
 * where it is now.
 */
static void
find_starts_of_visit(const Move *move, BusyReader *reader,
					 const DateWindow *window, StartList *result)
{
	ItemPlan	   *plans = palloc0(move->count * sizeof(ItemPlan));
	Zone	   *zone = &move->named->offer.barber->shop->zone;
	const ItemPlan *named = &plans[move->named - move->items];
	const ItemPlan *first;

	result->count = 0;
	for (int i = 0; i < move->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!read_plan(move, &move->items[i], reader, window, &plans[i]))
			return;
	}
	first = first_plan(move, plans);
	for (int i = 0; i < first->starts.count; i++)
	{
		TimestampTz at = first->starts.starts[i].at - first->item->offset_us;

		CHECK_FOR_INTERRUPTS();
		if (at != move->named->booked.starts_at &&
			window_has(window, zone, at) && visit_fits(move, plans, at))
			add_start(result, at,
					  agenda_seats_left(&named->item->offer, &named->agenda,
										at) - named->companions);
	}
}

/*
 * Whether nobody would be in two places by the move itself.
 */
static bool
separates_guests(const Move *move)
{
	for (int i = 0; i < move->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (move_doubles_guest(move, &move->items[i]))
			return false;
	}
	return true;
}

/*
 * Whether all that move with the named one have an offer; they have it where
 * they are.
 */
static bool
find_other_offers(Schedule *schedule, Move *move)
{
	for (int i = 0; i < move->count; i++)
	{
		Refusal		refusal;

		if (&move->items[i] != move->named &&
			!move_find_offer(schedule, &move->items[i], &refusal))
			return false;
	}
	return true;
}

/* ---- what is offered ---- */

/*
 * Replaces *result by the starts in a window at which the named appointment,
 * with the rest of its visit, would begin by that offer, which becomes one of
 * the time that it takes.
 */
void
find_starts_of_move(Schedule *schedule, Move *move, Offer *offer,
					BusyReader *reader, const DateWindow *window,
					StartList *result)
{
	MoveItem   *named = move->named;
	StartList	same = {0};
	Refusal		refusal;

	result->count = 0;
	named->barber_id = offer->barber->id;
	named->service_id = offer->service->id;
	if (!move_find_offer(schedule, named, &refusal))
		return;
	*offer = named->offer;
	if (window->from >= window->until)
		return;
	if (move->count == 1)
	{
		find_starts_alone(move, reader, window, result);
		return;
	}
	if (!move->others_stay && find_other_offers(schedule, move) &&
		!move_collides(move) && separates_guests(move))
		find_starts_of_visit(move, reader, window, result);
	find_same_start(move, reader, window, &same);
	for (int i = 0; i < same.count; i++)
		add_start(result, same.starts[i].at, same.starts[i].seats_left);
	order_starts(result);
}
