/*-------------------------------------------------------------------------
 *
 * decide.c
 *	  Rules, guard and store make a booking.
 *
 * The configuration's rules are asked first, then the guard decides about the
 * time and the limits, and the row is stored.  A service with steps makes a
 * row for each, all or none.  Whoever would have to wait is told for whom,
 * and asks everything again afterwards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/* ---- the rules ---- */

static void
check_user_row(HeapTuple row, TupleDesc desc, void *state)
{
	bool		isnull;

	*(bool *) state = DatumGetBool(row_value(row, desc, USERS,
											 USER_IS_ACTIVE, &isnull));
}

/*
 * Whether there is such a user, whom the caller may know, and active.
 */
bool
check_user(int64 user_id, bool is_hidden, Refusal *refusal)
{
	bool		is_active;

	if (is_hidden ||
		scan_rows_by_key(USERS, user_id, GetActiveSnapshot(),
						 check_user_row, &is_active) == 0)
		return refuse(refusal, NOT_FOUND, "There is no user " INT64_FORMAT
					  ".", user_id);
	if (!is_active)
		return refuse(refusal, NOT_OFFERED, "User " INT64_FORMAT
					  " is not active.", user_id);
	return true;
}

static bool
check_customer(const Request *request, Refusal *refusal)
{
	return request->is_walk_in ||
		check_user(request->user_id, request->is_hidden_user, refusal);
}

/*
 * Whether the request, if that barber gets it, follows another item.
 */
static bool
is_continuation(const Request *request, int64 barber_id)
{
	for (int i = 0; i < request->follows_count; i++)
	{
		if (request->follows[i] == barber_id)
			return true;
	}
	return request->is_continuation;
}

/*
 * Whether a hold could still be confirmed: what begins now has begun, and then
 * it takes staff.
 */
static bool
check_hold_time(const Request *request, StartCheck *check, Refusal *refusal)
{
	if (!request->is_hold || request->starts_at > booking_now())
		return true;
	if ((request->overrides & OVERRIDE_NOTICE) == 0)
		return refuse(refusal, NOTICE_TOO_SHORT,
					  "A hold cannot begin at %s, which is not in the future.",
					  instant_text(request->starts_at));
	check->overrides_used |= OVERRIDE_NOTICE;
	return true;
}

/*
 * Whether the rules allow the request with that barber, but for what the guard
 * judges.
 */
static bool
check_rules(Schedule *schedule, const Request *request, int64 barber_id,
			Offer *offer, int *overrides_used, Refusal *refusal)
{
	StartCheck	check = {
		.starts_at = request->starts_at,
		.overrides = request->overrides,
		.is_continuation = is_continuation(request, barber_id),
		.guard_follows = true
	};
	Refusal		unknown;

	if (!find_offer(schedule, barber_id, request->service_id, offer, refusal))
	{
		/* an unknown user goes before "not offered" */
		if (refusal->reason == NOT_OFFERED &&
			!check_customer(request, &unknown) && unknown.reason == NOT_FOUND)
			*refusal = unknown;
		return false;
	}
	if (!check_customer(request, refusal) ||
		(!request->is_walk_in &&
		 !check_welcome(schedule, offer->barber->shop->id, request->user_id,
						refusal)) ||
		!check_start(offer, &check, refusal) ||
		!check_hold_time(request, &check, refusal))
		return false;
	*overrides_used = check.overrides_used;
	return true;
}

static void
set_parts(const SlotRule *rule, TimestampTz starts_at, Limits *limits)
{
	Part	   *parts = palloc(rule_part_count(rule) * sizeof(Part));

	for (int i = 0; i < rule_part_count(rule); i++)
		rule_part(rule, i, starts_at, &parts[i]);
	limits->parts = parts;
	limits->part_count = rule_part_count(rule);
}

/*
 * The limits that the request is under.  They point to nothing of the schedule,
 * which a trigger may begin anew.
 */
void
limits_for(const Offer *offer, const Request *request, Limits *limits)
{
	Shop	   *shop = offer->barber->shop;

	memset(limits, 0, sizeof(*limits));
	limits->shop_id = shop->id;
	limits->zone = shop->zone;
	limits->has_user = !request->is_walk_in;
	limits->user_id = request->user_id;
	limits->max_active = shop->max_active_per_user;
	limits->need = request->need;
	if (request->is_hold || offer->service->requires_confirmation)
		limits->max_pending = shop->max_pending_per_user;
	limits->pending_need = 1 + request->pending_to_come;
	limits->prevent_overlap = shop->prevent_user_overlap;
	limits->span.from = request->starts_at;
	limits->span.until = request->starts_at + offer->rule.duration_us;
	limits->visit_id = request->visit_id;
	limits->guest_name = request->guest_name;
	if (!limits_bind(limits) && offer->barber->max_per_day == 0)
		return;
	limits->known = palloc0(sizeof(KnownBarbers));
	set_parts(&offer->rule, request->starts_at, limits);
	limits->barber_id = offer->barber->id;
	limits->max_per_day = offer->barber->max_per_day;
}

/*
 * Whether staff break a limit by overriding them all.
 */
bool
breaks_limits(Relation appointments, const Limits *limits)
{
	Holder		holder;
	Refusal		refusal;

	return limits_bind(limits) &&
		probe_limits(appointments, limits, false, &holder, &refusal) !=
		PROBE_FREE;
}

/* ---- the rows ---- */

/*
 * When what is pending for so long from now on, and begins then, runs out: at
 * its start at the latest, unless that is not to come.  A request for now
 * takes staff who override the notice, and staff may hold what began.
 */
static TimestampTz
end_of_wait(int64 wait_us, TimestampTz starts_at)
{
	TimestampTz now = booking_now();

	return starts_at <= now ? now + wait_us : Min(now + wait_us, starts_at);
}

/*
 * How long a hold is kept: as long as was asked, or as the shop has it.
 */
static int64
hold_length(const Request *request, const Shop *shop)
{
	int64		shops_us = shop->hold_minutes * USECS_PER_MINUTE;

	if (request->hold_us < 0 ||
		(request->hold_is_bound && request->hold_us > shops_us))
		return shops_us;
	return request->hold_us;
}

/*
 * Until when the shop may answer a request that begins then; DT_NOEND: for
 * good.
 */
TimestampTz
request_deadline(const Shop *shop, TimestampTz starts_at)
{
	return shop->answer_within_minutes == 0 ? DT_NOEND :
		end_of_wait(shop->answer_within_minutes * USECS_PER_MINUTE, starts_at);
}

/*
 * Until when a new row occupies its time; DT_NOEND: for good.
 */
static TimestampTz
draft_expiry(const Request *request, const Offer *offer)
{
	const Shop *shop = offer->barber->shop;

	if (request->is_hold)
		return end_of_wait(hold_length(request, shop), request->starts_at);
	return offer->service->requires_confirmation ?
		request_deadline(shop, request->starts_at) : DT_NOEND;
}

static void
draft_part(const Request *request, const Offer *offer, int position,
		   int64 head_id, int overrides_used, Draft *draft)
{
	bool		is_head = position == 0;

	memset(draft, 0, sizeof(*draft));
	draft->id = is_head ? head_id : 0;
	draft->barber_id = offer->barber->id;
	draft->service_id = offer->service->id;
	draft->is_walk_in = request->is_walk_in;
	draft->user_id = request->user_id;
	rule_part(&offer->rule, position, request->starts_at, &draft->part);
	draft->is_request = !request->is_hold &&
		offer->service->requires_confirmation;
	draft->is_pending = request->is_hold || draft->is_request;
	draft->hold_expires_at = draft_expiry(request, offer);
	draft->price_cents = is_head ? offer->price_cents : 0;
	draft->key = is_head ? request->key : NULL;
	draft->request_hash = request->hash;
	draft->visit_id = request->visit_id != 0 ? request->visit_id :
		rule_part_count(&offer->rule) > 1 ? head_id : 0;
	draft->part_of = is_head ? 0 : head_id;
	draft->series_id = request->series_id < 0 ? head_id : request->series_id;
	draft->guest_name = request->guest_name;
	draft->is_assigned = request->any_barber && is_head;
	draft->overrides_used = overrides_used;
}

/*
 * What a row that is to be stored claims.
 */
static void
claim_of_draft(const Draft *draft, int capacity, const Limits *limits,
			   Claim *claim)
{
	memset(claim, 0, sizeof(*claim));
	claim->occupant.barber_id = draft->barber_id;
	claim->occupant.busy = draft->part.busy;
	claim->occupant.own = (IdList) {&draft->id, 1};
	ItemPointerSetInvalid(&claim->occupant.stored);
	claim->occupant.service_id = draft->service_id;
	claim->occupant.starts_at = draft->part.work.from;
	claim->capacity = capacity;
	claim->key = draft->key;
	claim->limits = limits;
}

static Decision
decision_of(ClaimResult result, const Request *request,
			TupleTableSlot *appointment, Refusal *refusal)
{
	switch (result)
	{
		case CLAIM_GRANTED:
			return DECIDED_YES;
		case CLAIM_REPEATED:
			return is_same_request(request, appointment, refusal) ?
				DECIDED_YES : DECIDED_NO;
		case CLAIM_REFUSED:
			return DECIDED_NO;
		case CLAIM_IN_PROGRESS:
		case CLAIM_KEY_IN_USE:
			break;
	}
	return DECIDE_AGAIN;
}

/*
 * Looks whether the claim would be granted.  decide() has looked for the key,
 * and looks again before a "no"; if it is used in between, its unique index
 * says so.
 */
static ClaimResult
look_past_key(Relation appointments, const Claim *claim,
			  TupleTableSlot *repeated, Holder *holder, Refusal *refusal)
{
	Claim		keyless = *claim;

	keyless.key = NULL;
	return guard_look(appointments, &keyless, repeated, holder, refusal);
}

/*
 * Lets the guard decide about one row, and stores it.
 */
static Decision
place(Relation appointments, Draft *draft, int capacity,
	  const Limits *limits, const Request *request,
	  TupleTableSlot *appointment, Refusal *refusal, Holder *holder)
{
	Claim		claim;
	ClaimResult result;

	claim_of_draft(draft, capacity, limits, &claim);
	result = look_past_key(appointments, &claim, appointment, holder,
						   refusal);
	if (result == CLAIM_GRANTED)
	{
		if (draft->id == 0)
			draft->id = catalog_next_appointment_id();
		result = store_appointment(appointments, draft, &claim, appointment,
								   holder, refusal);
	}
	return decision_of(result, request, appointment, refusal);
}

/*
 * The rows of a service with steps, all or none.
 */
typedef struct Parts
{
	Relation	appointments;
	const Request *request;
	const Limits *limits;
	Draft	   *drafts;
	int			count;
	TupleTableSlot *appointment;	/* the first */
	Refusal    *refusal;
	Holder	   *holder;
	Decision	decision;
} Parts;

/*
 * Lets the guard decide about one part; "other" is for a row that is none of
 * the result's.
 */
static ClaimResult
try_part(Parts *parts, int position, bool is_to_be_stored,
		 TupleTableSlot *other)
{
	const Draft *draft = &parts->drafts[position];
	TupleTableSlot *row = position == 0 ? parts->appointment : other;
	Claim		claim;

	claim_of_draft(draft, 1, position == 0 ? parts->limits :
				   limits_of_part(parts->limits), &claim);
	return is_to_be_stored ?
		store_appointment(parts->appointments, draft, &claim, row,
						  parts->holder, parts->refusal) :
		look_past_key(parts->appointments, &claim, row, parts->holder,
					  parts->refusal);
}

/*
 * Looks at all parts before the first is stored, so that nothing is stored in
 * vain while another has to wait.
 */
static bool
try_parts(void *arg)
{
	Parts	   *parts = arg;
	TupleTableSlot *other = table_slot_create(parts->appointments, NULL);
	ClaimResult result = CLAIM_GRANTED;

	for (int i = 0; i < 2 * parts->count && result == CLAIM_GRANTED; i++)
		result = try_part(parts, i % parts->count, i >= parts->count, other);
	ExecDropSingleTupleTableSlot(other);
	parts->decision = decision_of(result, parts->request, parts->appointment,
								  parts->refusal);
	return result == CLAIM_GRANTED;
}

static Decision
place_parts(Relation appointments, Draft *drafts, int count,
			const Limits *limits, const Request *request,
			TupleTableSlot *appointment, Refusal *refusal, Holder *holder)
{
	Parts		parts = {
		.appointments = appointments,
		.request = request,
		.drafts = drafts,
		.count = count,
		.appointment = appointment,
		.refusal = refusal,
		.holder = holder
	};
	Limits		of_all;
	int64	   *ids = palloc(count * sizeof(int64));

	for (int i = 0; i < count; i++)
	{
		if (drafts[i].id == 0)
			drafts[i].id = catalog_next_appointment_id();
		ids[i] = drafts[i].id;
	}
	if (limits != NULL)
	{
		of_all = *limits;
		of_all.own = (IdList) {ids, count};
		parts.limits = &of_all;
	}
	attempt(try_parts, &parts);
	return parts.decision;
}

/* ---- the decision ---- */

/*
 * With one barber.  All that is needed of the schedule is copied before the
 * first row is stored: a trigger may call us, and begin the schedule anew.
 */
static Decision
decide_barber(Relation appointments, const Request *request, int64 barber_id,
			  TupleTableSlot *appointment, Refusal *refusal, Holder *holder)
{
	Schedule   *schedule = schedule_begin();
	Offer		offer;
	Limits		limits;
	const Limits *binding;
	Draft	   *drafts;
	int			count;
	int			capacity;
	int			overrides_used;
	int64		head_id = request->id;

	if (!check_rules(schedule, request, barber_id, &offer, &overrides_used,
					 refusal))
		return DECIDED_NO;
	count = rule_part_count(&offer.rule);
	if (head_id == 0 && (count > 1 || request->series_id < 0))
		head_id = catalog_next_appointment_id();
	drafts = palloc(count * sizeof(Draft));
	for (int i = 0; i < count; i++)
		draft_part(request, &offer, i, head_id, overrides_used, &drafts[i]);
	capacity = offer.rule.capacity;
	limits_for(&offer, request, &limits);
	binding = limits_bind(&limits) ? &limits : NULL;
	/* from here on the schedule may be begun anew */
	if (binding != NULL && (request->overrides & OVERRIDE_LIMITS) != 0)
	{
		bool		is_broken = breaks_limits(appointments, &limits);

		for (int i = 0; is_broken && i < count; i++)
			drafts[i].overrides_used |= OVERRIDE_LIMITS;
		binding = NULL;
	}
	if (count > 1)
		return place_parts(appointments, drafts, count, binding, request,
						   appointment, refusal, holder);
	return place(appointments, drafts, capacity, binding,
				 request, appointment, refusal, holder);
}

/*
 * How far a refused request came; in a packed grid, what is busy goes before
 * what is off the grid.
 */
static int
progress(Reason reason, bool is_packed)
{
	const Reason order[] = {
		NOT_OFFERED, NOTICE_TOO_SHORT, TOO_FAR_AHEAD, OUTSIDE_HOURS,
		is_packed ? SLOT_TAKEN : OFF_GRID, is_packed ? OFF_GRID : SLOT_TAKEN
	};

	for (int i = 0; i < (int) lengthof(order); i++)
	{
		if (order[i] == reason)
			return i;
	}
	return lengthof(order);
}

/*
 * With the first of the barbers who can.  While one of them might be free once
 * a transaction has ended, the next is asked; only when nobody is free now is
 * there a wait.  The refusal is that of whoever came closest.
 */
static Decision
decide_in_turn(Relation appointments, const Request *request,
			   const int64 *barber_ids, int count, bool is_packed,
			   TupleTableSlot *appointment, Refusal *refusal, Holder *holder)
{
	Decision	result = DECIDED_NO;

	for (int i = 0; i < count; i++)
	{
		Refusal		reason;
		Holder		in_way;
		Decision	decision;

		CHECK_FOR_INTERRUPTS();
		decision = decide_barber(appointments, request, barber_ids[i],
								 appointment, &reason, &in_way);
		if (decision == DECIDED_YES)
			return DECIDED_YES;
		if (decision == DECIDED_NO &&
			progress(reason.reason, is_packed) >=
			progress(refusal->reason, is_packed))
			*refusal = reason;
		if (decision == DECIDE_AGAIN && result != DECIDE_AGAIN)
		{
			*holder = in_way;
			result = DECIDE_AGAIN;
		}
	}
	return refusal->reason == IDEMPOTENCY_CONFLICT ||
		refusal->reason == HOLD_EXPIRED ? DECIDED_NO : result;
}

static Decision
decide_any_barber(Relation appointments, const Request *request,
				  TupleTableSlot *appointment, Refusal *refusal,
				  Holder *holder)
{
	Schedule   *schedule = schedule_begin();
	Service    *service = schedule_service(schedule, request->service_id);
	Shop	   *shop;
	int64	   *barber_ids;
	int			count;

	if (service == NULL)
	{
		refuse(refusal, NOT_FOUND, "There is no service " INT64_FORMAT ".",
			   request->service_id);
		return DECIDED_NO;
	}
	refuse(refusal, NOT_OFFERED, "Nobody offers service " INT64_FORMAT ".",
		   request->service_id);
	shop = schedule_shop(schedule, service->shop_id);
	barber_ids = assignment_order(schedule, service, request->starts_at,
								  &count);
	if (count == 0)
		check_customer(request, refusal);	/* an unknown one goes first */
	return decide_in_turn(appointments, request, barber_ids, count,
						  shop != NULL && shop->anchor == ANCHOR_PACKED,
						  appointment, refusal, holder);
}

/*
 * Whether a repeated request has its answer already, or will have it when a
 * transaction has ended; if so, *decision is it.
 */
static bool
is_repeated(Relation appointments, const Request *request,
			TupleTableSlot *appointment, Refusal *refusal, Holder *holder,
			Decision *decision)
{
	ClaimResult result = CLAIM_GRANTED;

	if (request->key != NULL)
		result = guard_find_key(appointments, request->key, appointment,
								holder);
	if (result == CLAIM_GRANTED)
		return false;
	if (result == CLAIM_IN_PROGRESS)
		*decision = DECIDE_AGAIN;
	else
		*decision = is_same_request(request, appointment, refusal) ?
			DECIDED_YES : DECIDED_NO;
	return true;
}

/*
 * Books, or answers a repeated request, and leaves the appointment in
 * *appointment; or refuses; or says whom to wait for.  A repeated request is
 * recognized before any rule is asked (the slot is no longer free, after all),
 * and again before a "no", since its first run may have ended meanwhile.
 */
Decision
decide(Relation appointments, const Request *request,
	   TupleTableSlot *appointment, Refusal *refusal, Holder *holder)
{
	Decision	decision;
	Decision	repeated;

	if (is_repeated(appointments, request, appointment, refusal, holder,
					&decision))
		return decision;
	decision = request->any_barber ?
		decide_any_barber(appointments, request, appointment, refusal,
						  holder) :
		decide_barber(appointments, request, request->barber_id, appointment,
					  refusal, holder);
	if (decision == DECIDED_NO &&
		is_repeated(appointments, request, appointment, refusal, holder,
					&repeated))
		return repeated;
	return decision;
}

/*
 * Runs a request with a snapshot that sees what this transaction has done so
 * far, also earlier in the same statement; after a wait with another, since
 * the rules may have changed meanwhile.
 */
bool
book(const char *function, const Request *request, Relation appointments,
	 TupleTableSlot *appointment, Refusal *refusal)
{
	PreventCommandIfReadOnly(function);
	for (;;)
	{
		Decision	decision;
		Holder		holder;

		PushActiveSnapshot(GetTransactionSnapshot());
		decision = decide(appointments, request, appointment, refusal,
						  &holder);
		PopActiveSnapshot();
		if (decision != DECIDE_AGAIN)
			return decision == DECIDED_YES;
		guard_wait(&holder);
	}
}

/*
 * The columns of result type "appointment", of a stored row.
 */
void
appointment_row(TupleTableSlot *row, Datum *values, bool *nulls)
{
	static const int columns[APPOINTMENT_ROW_COLUMNS] = {
		APPT_ID, APPT_BARBER_ID, APPT_SERVICE_ID, APPT_USER_ID,
		APPT_STARTS_AT, APPT_ENDS_AT, APPT_STATUS, APPT_HOLD_EXPIRES_AT,
		APPT_PRICE, APPT_VISIT_ID, APPT_VERSION
	};

	memset(nulls, false, APPOINTMENT_ROW_COLUMNS * sizeof(bool));
	for (int i = 0; i < APPOINTMENT_ROW_COLUMNS; i++)
		values[i] = appointment_value(row, columns[i], &nulls[i]);
}
