/*-------------------------------------------------------------------------
 *
 * moves.c
 *	  Collects what moves with an appointment: its own time and its visit.
 *
 * An appointment that stays with its service takes its length, its buffers and
 * its parts along, which may be others than the service has by now: staff gave
 * it more time, or it was imported.  The other appointments of its visit that
 * are pending or confirmed move by the same distance.  Those that begin when the visit
 * does are asked for the grid; the others keep their distance.  Whether they
 * fit is asked by reschedule.c of rows that are locked, and by
 * available_moves.c of rows as a snapshot has them.
 *
 * A visit's appointments are locked in the order of their ids.  Only the first
 * is waited for; of another that is locked the caller is told, who then waits
 * for it with nothing in hand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/* ---- what moves ---- */

/*
 * Makes room for the items; the callers fill in what each was booked as.
 */
static void
begin_items(Move *move, int count)
{
	memset(move, 0, sizeof(*move));
	move->items = palloc0(count * sizeof(MoveItem));
	move->count = count;
}

static TimestampTz
end_of_work(const Booked *booked)
{
	TimestampTz end = booked->parts[0].work.until;

	for (int i = 1; i < booked->part_count; i++)
		end = Max(end, booked->parts[i].work.until);
	return end;
}

static TimestampTz
end_of_busy(const Booked *booked)
{
	TimestampTz end = booked->parts[0].busy.until;

	for (int i = 1; i < booked->part_count; i++)
		end = Max(end, booked->parts[i].busy.until);
	return end;
}

static TimestampTz
start_of_visit(const Move *move)
{
	TimestampTz start = move->items[0].booked.starts_at;

	for (int i = 1; i < move->count; i++)
		start = Min(start, move->items[i].booked.starts_at);
	return start;
}

/*
 * Lists the rows, and how the items stand to the one that is named.
 */
static void
end_items(Move *move, int64 named_id)
{
	TimestampTz start = start_of_visit(move);
	int64	   *ids;
	int			count = 0;

	for (int i = 0; i < move->count; i++)
	{
		count += move->items[i].booked.part_count;
		if (move->items[i].booked.id == named_id)
			move->named = &move->items[i];
	}
	Assert(move->named != NULL);
	ids = palloc(count * sizeof(int64));
	count = 0;
	for (int i = 0; i < move->count; i++)
	{
		MoveItem   *item = &move->items[i];
		Booked	   *booked = &item->booked;

		item->barber_id = booked->barber_id;
		item->service_id = booked->service_id;
		item->offset_us = booked->starts_at - move->named->booked.starts_at;
		item->is_continuation = booked->starts_at > start;
		memcpy(ids + count, booked->part_ids,
			   booked->part_count * sizeof(int64));
		count += booked->part_count;
	}
	move->rows = (IdList) {ids, count};
}

/*
 * Leaves all but the named appointment out: they stay where they are.
 */
void
move_alone(Move *move)
{
	if (move->count == 1)
		return;
	move->items = move->named;
	move->count = 1;
	move->rows = (IdList) {
		move->named->booked.part_ids, move->named->booked.part_count
	};
}

/*
 * Reads what would move with an appointment, by the active snapshot.
 */
bool
move_read(int64 id, Move *move, Refusal *refusal)
{
	Booked		named;
	IdList		visit;

	if (!read_appointment(id, &named, refusal))
		return false;
	(void) list_visit(id, true, &visit);
	begin_items(move, Max(visit.count, 1));
	move->items[0].booked = named;
	for (int i = 0; i < visit.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!read_appointment(visit.ids[i], &move->items[i].booked, refusal))
			return false;
	}
	end_items(move, named.id);
	return true;
}

/* ---- locking it ---- */

static bool
is_same_list(const IdList *list, const IdList *other)
{
	return list->count == other->count &&
		memcmp(list->ids, other->ids, list->count * sizeof(int64)) == 0;
}

/*
 * Whether those that are locked are still the ones that move together.  At
 * REPEATABLE READ the list that they were found by may be older than others.
 */
static bool
is_still_visit(int64 id, const IdList *locked)
{
	IdList		now;

	PushActiveSnapshot(GetLatestSnapshot());
	(void) list_visit(id, true, &now);
	PopActiveSnapshot();
	if (is_same_list(locked, &now))
		return true;
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("The visit of appointment " INT64_FORMAT " was changed after the transaction's snapshot was taken.",
						   id),
				 errhint("Retry the transaction.")));
	return false;
}

/*
 * Locks the appointments of a visit.
 */
static Decision
lock_items(const IdList *visit, Move *move, int64 *awaited, Refusal *refusal)
{
	begin_items(move, visit->count);
	for (int i = 0; i < visit->count; i++)
	{
		Booked	   *booked = &move->items[i].booked;

		CHECK_FOR_INTERRUPTS();
		if (i == 0 ? !lock_appointment(visit->ids[i], booked, refusal) :
			!lock_appointment_at_once(visit->ids[i], booked))
		{
			*awaited = i == 0 ? 0 : visit->ids[i];
			return DECIDE_AGAIN;
		}
	}
	return DECIDED_YES;
}

/*
 * Locks an appointment and, if asked for, what moves with it.  NO: it is not
 * there, or not the caller's.  AGAIN: give back what is locked, wait for the
 * appointment *awaited (0: for nobody), and start anew.
 */
Decision
move_lock(int64 id, bool whole_visit, Move *move, int64 *awaited,
		  Refusal *refusal)
{
	IdList		visit = {0};
	int64		named_id = 0;

	*awaited = 0;
	if (whole_visit)
		named_id = list_visit(id, false, &visit);
	if (visit.count > 1)
	{
		Decision	decision = lock_items(&visit, move, awaited, refusal);

		if (decision != DECIDED_YES)
			return decision;
	}
	else
	{
		begin_items(move, 1);
		if (!lock_appointment(id, &move->items[0].booked, refusal))
			return DECIDED_NO;
		named_id = move->items[0].booked.id;
	}
	/* one that is of no visit now that it is locked has stayed alone */
	if (whole_visit &&
		(visit.count > 1 || move->items[0].booked.visit_id != 0) &&
		!is_still_visit(id, &visit))
		return DECIDE_AGAIN;
	end_items(move, named_id);
	return DECIDED_YES;
}

/* ---- whether it may ---- */

static bool
check_item_window(MoveItem *item, int overrides, Refusal *refusal)
{
	if (check_window(&item->booked, refusal))
		return true;
	if ((overrides & OVERRIDE_WINDOW) == 0)
		return false;
	item->overrides_used |= OVERRIDE_WINDOW;
	return true;
}

/*
 * Whether the named appointment may be moved at all, by its status and its
 * shop's window.
 */
bool
move_check_named(Move *move, int overrides, Refusal *refusal)
{
	const Booked *booked = &move->named->booked;

	if (strcmp(booked->status, "pending") != 0 &&
		strcmp(booked->status, "confirmed") != 0)
		return refuse(refusal, INVALID_TRANSITION, "Appointment "
					  INT64_FORMAT " is %s.", booked->id, booked->status);
	return check_hold(booked, refusal) &&
		check_item_window(move->named, overrides, refusal);
}

/*
 * Whether those that move with it may; list_visit() chose them by status.
 */
bool
move_check_others(Move *move, int overrides, Refusal *refusal)
{
	for (int i = 0; i < move->count; i++)
	{
		if (&move->items[i] != move->named &&
			!check_item_window(&move->items[i], overrides, refusal))
			return false;
	}
	return true;
}

/* ---- the time that is taken along ---- */

/*
 * Whether an appointment takes the time that a rule gives it.
 */
static bool
has_rules_time(const Booked *booked, const SlotRule *rule)
{
	if (booked->part_count != rule_part_count(rule))
		return false;
	for (int i = 0; i < booked->part_count; i++)
	{
		Part		part;

		rule_part(rule, i, booked->starts_at, &part);
		if (memcmp(&part, &booked->parts[i], sizeof(Part)) != 0)
			return false;
	}
	return true;
}

/*
 * Whether an item keeps its own time where it shall be: with its barber always;
 * with another if it is not what its barber takes for the service anyway.
 */
static bool
keeps_time(Schedule *schedule, const MoveItem *item)
{
	const Booked *booked = &item->booked;
	SlotRule	rule;

	if (item->service_id != booked->service_id)
		return false;
	return item->barber_id == booked->barber_id ||
		!find_usual_rule(schedule, booked->barber_id, booked->service_id,
						 &rule) ||
		!has_rules_time(booked, &rule);
}

/*
 * Makes an offer one of the time that an appointment has.
 */
static void
take_time_along(const Booked *booked, SlotRule *rule)
{
	Part	   *parts = palloc(booked->part_count * sizeof(Part));
	TimestampTz start = booked->starts_at;
	TimestampTz work_from = start;
	TimestampTz busy_from = start;

	for (int i = 0; i < booked->part_count; i++)
	{
		const Part *part = &booked->parts[i];

		parts[i].work.from = part->work.from - start;
		parts[i].work.until = part->work.until - start;
		parts[i].busy.from = part->busy.from - start;
		parts[i].busy.until = part->busy.until - start;
		work_from = Min(work_from, part->work.from);
		busy_from = Min(busy_from, part->busy.from);
	}
	rule->parts = parts;
	rule->part_count = booked->part_count;
	rule->duration_us = end_of_work(booked) - start;
	rule->lead_us = start - work_from;
	rule->buffer_before_us = start - busy_from;
	rule->buffer_after_us = end_of_busy(booked) - end_of_work(booked);
	if (rule->part_count > 1)
		rule->capacity = 1;
}

/*
 * Whether the shop that an item would belong to takes bookings of its customer;
 * within a shop nobody asks.
 */
static bool
may_enter(Schedule *schedule, const MoveItem *item, Refusal *refusal)
{
	const Booked *booked = &item->booked;
	const Shop *shop = item->offer.barber->shop;

	return booked->is_walk_in || shop->id == booked->shop_id ||
		check_welcome(schedule, shop->id, booked->user_id, refusal);
}

/*
 * Finds the offer of an item where it shall be, with the time that it takes.
 */
bool
move_find_offer(Schedule *schedule, MoveItem *item, Refusal *refusal)
{
	if (!find_offer(schedule, item->barber_id, item->service_id, &item->offer,
					refusal) ||
		!may_enter(schedule, item, refusal))
		return false;
	/* what runs out cannot begin now: it would be over at once */
	if (item->booked.hold_expires_at != DT_NOEND)
		item->offer.rule.earliest = Max(item->offer.rule.earliest,
										booking_now() + 1);
	if (keeps_time(schedule, item))
		take_time_along(&item->booked, &item->offer.rule);
	return true;
}

/* ---- the shop's word ---- */

static bool
is_pending(const Booked *booked)
{
	return strcmp(booked->status, "pending") == 0;
}

/*
 * Whether the shop has to confirm an item again: it goes to a service that
 * requires it, or, moved by anybody but staff, stays with one and gets another
 * time or barber.
 */
bool
move_makes_request(const MoveItem *item, bool keeps_start)
{
	const Booked *booked = &item->booked;

	if (is_pending(booked) || !item->offer.service->requires_confirmation)
		return false;
	if (item->service_id != booked->service_id)
		return true;
	return (!keeps_start || item->barber_id != booked->barber_id) &&
		!speaks_for_shop();
}

/*
 * Whether an item is pending where it shall be.
 */
bool
move_is_pending(const MoveItem *item, bool keeps_start)
{
	return is_pending(&item->booked) || move_makes_request(item, keeps_start);
}

/* ---- the items among themselves ---- */

/*
 * Whether two items will be seats of one group.
 */
static bool
share_group(const MoveItem *item, const MoveItem *other)
{
	Part		part;
	Part		others;

	if (item->barber_id != other->barber_id ||
		item->service_id != other->service_id ||
		item->offset_us != other->offset_us ||
		item->offer.rule.capacity == 1 || other->offer.rule.capacity == 1)
		return false;
	rule_part(&item->offer.rule, 0, 0, &part);
	rule_part(&other->offer.rule, 0, 0, &others);
	return memcmp(&part.busy, &others.busy, sizeof(Span)) == 0;
}

/*
 * How many other items will sit in the same group.
 */
int
move_companions(const Move *move, const MoveItem *item)
{
	int			count = 0;

	for (int i = 0; i < move->count; i++)
	{
		if (&move->items[i] != item && share_group(item, &move->items[i]))
			count++;
	}
	return count;
}

static Span
span_of_part(const MoveItem *item, int position, bool with_buffers)
{
	Part		part;

	rule_part(&item->offer.rule, position, item->offset_us, &part);
	return with_buffers ? part.busy : part.work;
}

/*
 * Whether two items will have parts at one time.
 */
static bool
share_time(const MoveItem *item, const MoveItem *other, bool with_buffers)
{
	for (int i = 0; i < rule_part_count(&item->offer.rule); i++)
	{
		Span		span = span_of_part(item, i, with_buffers);

		for (int j = 0; j < rule_part_count(&other->offer.rule); j++)
		{
			Span		others = span_of_part(other, j, with_buffers);

			if (span.from < others.until && others.from < span.until)
				return true;
		}
	}
	return false;
}

/*
 * Whether two items will be in each other's way, wherever they go.
 */
static bool
collide(const MoveItem *item, const MoveItem *other)
{
	return item->barber_id == other->barber_id && !share_group(item, other) &&
		share_time(item, other, true);
}

static bool
is_same_customer(const Booked *booked, const Booked *other)
{
	return !booked->is_walk_in && !other->is_walk_in &&
		booked->user_id == other->user_id;
}

static bool
is_same_guest(const Booked *booked, const Booked *other)
{
	if (!is_same_customer(booked, other))
		return false;
	if (booked->guest_name == NULL || other->guest_name == NULL)
		return booked->guest_name == other->guest_name;
	return strcmp(booked->guest_name, other->guest_name) == 0;
}

/*
 * Whether an item and one before it will have the same guest (the customer is
 * one) at one time, though the shop of either prevents that: its row is judged
 * as a new one, which may be at the time of none of the customer's, whichever
 * shop has that.
 */
bool
move_doubles_guest(const Move *move, const MoveItem *item)
{
	for (const MoveItem *other = move->items; other < item; other++)
	{
		if ((item->offer.barber->shop->prevent_user_overlap ||
			 other->offer.barber->shop->prevent_user_overlap) &&
			is_same_guest(&item->booked, &other->booked) &&
			share_time(item, other, false))
			return true;
	}
	return false;
}

/*
 * Whether the items will be in each other's way.
 */
bool
move_collides(const Move *move)
{
	for (int i = 0; i < move->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < i; j++)
		{
			if (collide(&move->items[i], &move->items[j]))
				return true;
		}
	}
	return false;
}

/*
 * How many other items the item's barber will have on its date when the named
 * one starts at that instant.
 */
int
move_others_of_day(const Move *move, const MoveItem *item,
				   TimestampTz starts_at)
{
	Zone	   *zone = &item->offer.barber->shop->zone;
	DateADT		date = zone_date(zone, starts_at + item->offset_us);
	int			count = 0;

	for (int i = 0; i < move->count; i++)
	{
		const MoveItem *other = &move->items[i];

		if (other != item && other->barber_id == item->barber_id &&
			zone_date(zone, starts_at + other->offset_us) == date)
			count++;
	}
	return count;
}

/*
 * Whether the item's customer has it among the active appointments of the shop
 * that it shall be in.
 */
static bool
is_counted(const MoveItem *item)
{
	return item->booked.shop_id == item->offer.barber->shop->id &&
		item->booked.ends_at > booking_now();
}

/*
 * Whether two items will be the same customer's, in the same shop.
 */
static bool
share_limits(const MoveItem *item, const MoveItem *other)
{
	return is_same_customer(&item->booked, &other->booked) &&
		item->offer.barber->shop->id == other->offer.barber->shop->id;
}

/*
 * How many active appointments the item's customer must have room for in the
 * shop that it shall be in, where no row of the move is counted: all that the
 * move brings or leaves there.  0 if the item adds none.
 */
int
move_need(const Move *move, const MoveItem *item)
{
	int			count = 0;

	if (is_counted(item))
		return 0;
	for (int i = 0; i < move->count; i++)
	{
		if (share_limits(item, &move->items[i]))
			count++;
	}
	return count;
}

/*
 * Whether the customer has it among the pending appointments of the shop that
 * it shall be in.
 */
static bool
is_counted_pending(const MoveItem *item)
{
	return is_pending(&item->booked) && is_counted(item);
}

/*
 * move_need() of pending appointments.
 */
int
move_pending_need(const Move *move, const MoveItem *item, bool keeps_start)
{
	int			count = 0;

	if (is_counted_pending(item) || !move_is_pending(item, keeps_start))
		return 0;
	for (int i = 0; i < move->count; i++)
	{
		const MoveItem *other = &move->items[i];

		if (share_limits(item, other) && move_is_pending(other, keeps_start))
			count++;
	}
	return count;
}
