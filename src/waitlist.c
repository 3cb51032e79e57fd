/*-------------------------------------------------------------------------
 *
 * waitlist.c
 *	  Offers freed time to the waitlist.
 *
 * A call that frees time serves the waitlist in the same transaction.  Time that
 * becomes free in any other way is found by expire_holds(), which checks every
 * barber whom somebody waits for.  The first in line whose wish fits gets a hold.
 * The available starts are computed once for each service of the barber, and the
 * line is read against them in batches, by id, until they are used up.
 *
 * The cost is bounded by the free time, not by the length of the line.  The query
 * that reads a batch leaves out users who are inactive, blocked by the shop, or
 * have an open offer.  A user who was tried in vain is not tried again for
 * another of his wishes, nor with another barber of the shop if he has reached a
 * limit of the shop's.  A wish is tried at MOST_TRIES starts.  A call that frees
 * time stops after MOST_IN_VAIN vain reads and tries, and leaves the rest to
 * expire_holds().  That call continues from a random place in the rest of the
 * line, so that users behind many who cannot be served get their turn in time.
 *
 * Nobody is waited for.  Of two who serve at once, the second passes over the
 * entry that the first is serving: the row locks on the entry and its user
 * say so, and are taken only with the hold.  If the first rolls back, that
 * entry is where it was in the line.
 *
 * A user with an offer that is still open gets no other, so that nobody has
 * two.  An offer is open until waitlist.offer_ends_at; if somebody else in
 * line wishes its time, the hold goes on to occupy it for the shop's grace, so
 * that the next in line is served before anybody else can book.  A call first
 * takes back the offers that ran out lately, as many as it can afford;
 * expire_holds() gets them all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/*
 * Limits on vain work: starts at which a customer was tried and could not be
 * served, plus batches read beyond the first of a line.  The first limit is for a
 * call that frees time; the second for expire_holds(), for each barber and each
 * of the two places in a line where it starts to read.
 */
#define MOST_IN_VAIN 50
#define MOST_IN_VAIN_PER_BARBER 200

/*
 * At how many starts a wish is tried: one half are the earliest, the others are
 * random, so that a start behind many that are refused can be reached.
 */
#define MOST_TRIES 20

/* Entries read by one query */
#define BATCH_SIZE 50
#define BATCH_SIZE_TEXT "50"

/* Starts that cost about as much as one entry */
#define STARTS_PER_ENTRY 500

/* Lines that can be searched for another wish at about that cost */
#define LINES_PER_ENTRY 10

/*
 * The random place is drawn evenly from this many entries of a line at most;
 * counting COUNTED_PER_ENTRY of them costs about as much as trying one.
 */
#define MOST_COUNTED 100000
#define MOST_COUNTED_TEXT "100000"
#define COUNTED_PER_ENTRY 2000

typedef struct Entry
{
	int64		id;
	int64		user_id;
	TimestampTz earliest;
	TimestampTz latest;
} Entry;

/*
 * Those who wait for one service with the barber.
 */
typedef struct Line
{
	Wanted		wanted;
	int64		duration_us;
	Span		busy;			/* of a start at 0, buffers included */
	StartList	starts;			/* that can be had */
	int			known_servings; /* of which the starts know */
	Entry		entries[BATCH_SIZE];	/* whose users can be served, by id */
	int			count;
	int			next;			/* of the entries */
	int64		last_id;		/* up to which the line was read */
	bool		is_begun;		/* a batch was read */
	bool		is_read;		/* to its end */
	bool		is_over;		/* or there is nothing more to do for it now */
} Line;

/*
 * The serving of one barber's lines.
 */
typedef struct Serving
{
	Relation	appointments;
	int64		barber_id;
	int64		shop_id;
	int64		hold_us;
	int64		grace_us;
	const Span *freed;			/* NULL: all that can be had */
	Line	   *lines;
	int			line_count;
	int64	   *user_ids;		/* who were tried */
	int			user_count;
	int			user_capacity;
	int			served_count;
	int			most_in_vain;
	int			tries;			/* of the present entry */
	Round	   *round;
} Serving;

static int64
entry_value(int row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, column,
									   &isnull));
}

/* ---- what can be had ---- */

/*
 * The time in which a start may have become a slot: some part of the service,
 * with its buffers, meets what was freed.  Where the day was full, or the grid
 * hangs on its appointments, that may be anywhere on the date.
 */
static void
affected_window(Offer *offer, const Span *freed, DateWindow *window)
{
	const SlotRule *rule = &offer->rule;
	Zone	   *zone = &offer->barber->shop->zone;

	window->check_dates = true;
	window->from_date = DATEVAL_NOBEGIN;
	window->to_date = offer->last_date;
	window->from = freed->from - rule->duration_us - rule->buffer_after_us + 1;
	window->until = freed->until + rule->buffer_before_us;
	if (offer->barber->max_per_day > 0 || rule->anchor == ANCHOR_PACKED)
	{
		DateWindow	dates;

		zone_window(zone, zone_date(zone, freed->from),
					zone_date(zone, freed->until), &dates);
		window->from = Min(window->from, dates.from);
		window->until = Max(window->until, dates.until);
	}
}

/*
 * The starts at which a service can be had, within what is wanted; an offer
 * that would end at once is none.
 */
static void
find_starts_for_line(Serving *serving, Line *line)
{
	BusyReader *reader;
	Offer		offer;
	Refusal		refusal;
	DateWindow	window;
	Part		part;

	line->starts.count = 0;
	line->known_servings = serving->served_count;
	serving->round->work_left--;
	if (!find_offer(schedule_begin(), serving->barber_id,
					line->wanted.service_id, &offer, &refusal))
		return;
	line->duration_us = offer.rule.duration_us;
	rule_part(&offer.rule, 0, 0, &part);
	line->busy.from = part.busy.from;
	rule_part(&offer.rule, rule_part_count(&offer.rule) - 1, 0, &part);
	line->busy.until = part.busy.until;
	if (serving->freed != NULL)
		affected_window(&offer, serving->freed, &window);
	else
		offer_window(&offer, DATEVAL_NOBEGIN, DATEVAL_NOEND, &window);
	window.from = Max(Max(window.from, line->wanted.earliest),
					  Max(offer.rule.earliest, booking_now() + 1));
	window.until = Min(window.until,
					   line->wanted.latest - line->duration_us + 1);
	PushActiveSnapshot(GetTransactionSnapshot());
	reader = busy_open();
	offer_starts(&offer, reader, NULL, &window, &line->starts);
	busy_close(reader);
	PopActiveSnapshot();
	serving->round->work_left -= line->starts.count / STARTS_PER_ENTRY;
}

/* ---- how much is done ---- */

static bool
may_go_on(const Serving *serving)
{
	return serving->round->in_vain < serving->most_in_vain &&
		serving->round->work_left > 0;
}

/*
 * Notes that a user is tried; false if that was so before.
 */
static bool
note_user(Serving *serving, int64 user_id)
{
	IdList		users = {serving->user_ids, serving->user_count};

	if (id_is_listed(&users, user_id))
		return false;
	serving->user_ids = grow_array(serving->user_ids,
								   &serving->user_capacity,
								   serving->user_count + 1, sizeof(int64));
	serving->user_ids[serving->user_count++] = user_id;
	return true;
}

/*
 * Notes, for the rest of the call, that the shop allows a customer no more.
 */
static void
note_full(const Serving *serving, int64 user_id)
{
	Round	   *round = serving->round;
	MemoryContext caller = MemoryContextSwitchTo(round->context);

	round->full = grow_array(round->full, &round->full_capacity,
							 round->full_count + 1, sizeof(FullCustomer));
	round->full[round->full_count++] = (FullCustomer) {
		serving->shop_id, user_id
	};
	MemoryContextSwitchTo(caller);
}

static void
skip_full(Serving *serving)
{
	const Round *round = serving->round;

	for (int i = 0; i < round->full_count; i++)
	{
		if (round->full[i].shop_id == serving->shop_id)
			note_user(serving, round->full[i].user_id);
	}
}

/* ---- the line ---- */

/*
 * Whose wish may fit, behind $5 in the line: it holds some of the starts, as far
 * as the first and the last can tell.  So written, the index on the line is the
 * only one with this order, and answers all but the barber without a row.
 */
#define MAY_FIT \
	"w.service_id >= $1 AND w.service_id <= $1 AND w.id > $5" \
	" AND w.status = 'waiting'" \
	" AND (w.barber_id IS NULL OR w.barber_id = $2)" \
	" AND w.earliest <= $3 AND w.latest >= $4"
#define IN_LINE " ORDER BY w.service_id, w.id LIMIT "

/*
 * Whether a user can be served at all: is active, not blocked by the shop, and
 * has no open offer.  What the user has accepted, and the shop has to confirm, is
 * no offer any more.  So written, the index on users and status is the only one
 * that finds the user's appointments, whatever the statistics say.
 */
#define CAN_BE_SERVED(user_id, now, shop_id) \
	"(SELECT u.is_active FROM booking.users u WHERE u.id = " user_id ")" \
	" AND (SELECT true FROM booking.blocked_customers k" \
	" WHERE k.shop_id = " shop_id " AND k.user_id = " user_id \
	" LIMIT 1) IS NULL" \
	" AND (SELECT true FROM booking.appointments a" \
	" WHERE a.user_id = " user_id \
	" AND a.status >= 'pending' AND a.status <= 'pending'" \
	" AND coalesce(a.hold_expires_at > " now ", false)" \
	" AND NOT a.is_request" \
	" AND (SELECT true FROM booking.waitlist o" \
	" WHERE o.appointment_id = a.id AND o.status = 'served'" \
	" AND coalesce(o.offer_ends_at > " now ", true) LIMIT 1)" \
	" LIMIT 1) IS NULL"

/* $6 are users who need not be looked at */
static OwnerQuery batch_query = {
	.sql = "WITH batch AS MATERIALIZED"
	" (SELECT w.id, w.user_id, w.earliest, w.latest"
	" FROM booking.waitlist w WHERE " MAY_FIT IN_LINE BATCH_SIZE_TEXT "),"
	" able AS MATERIALIZED (SELECT c.user_id"
	" FROM (SELECT DISTINCT b.user_id FROM batch b"
	" WHERE b.user_id <> ALL ($6)) c WHERE "
	CAN_BE_SERVED("c.user_id", "$7", "$8") ")"
	" SELECT b.id, b.user_id, b.earliest, b.latest,"
	" b.user_id IN (SELECT user_id FROM able) FROM batch b",
	.by_index = true,
	.nargs = 8,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
	INT8ARRAYOID, TIMESTAMPTZOID, INT8OID}
};

static void
read_entry(Line *line, int row)
{
	bool		isnull;

	line->last_id = entry_value(row, 1);
	if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[row],
								   SPI_tuptable->tupdesc, 5, &isnull)))
		line->entries[line->count++] = (Entry) {
			entry_value(row, 1), entry_value(row, 2), entry_value(row, 3),
			entry_value(row, 4)
		};
}

/*
 * Reads the next entries of a line, whose starts there are, and keeps those of
 * users who can be served.
 */
static void
read_batch(Serving *serving, Line *line)
{
	const StartList *starts = &line->starts;
	IdList		users = {serving->user_ids, serving->user_count};
	Datum		values[] = {
		Int64GetDatum(line->wanted.service_id),
		Int64GetDatum(serving->barber_id),
		TimestampTzGetDatum(starts->starts[starts->count - 1].at),
		TimestampTzGetDatum(starts->starts[0].at + line->duration_us),
		Int64GetDatum(line->last_id),
		id_array(&users),
		TimestampTzGetDatum(booking_now()),
		Int64GetDatum(serving->shop_id)
	};
	int			count;

	serving->round->work_left--;
	if (line->is_begun)
		serving->round->in_vain++;
	line->is_begun = true;
	line->next = 0;
	line->count = 0;
	SPI_connect();
	count = run_owner_query(&batch_query, values, NULL, false);
	for (int i = 0; i < count; i++)
		read_entry(line, i);
	SPI_finish();
	line->is_read = count < BATCH_SIZE;
}

/*
 * Sees to it that the starts of a line are what is left by the servings since.
 */
static void
refresh_starts(Serving *serving, Line *line)
{
	if (line->known_servings != serving->served_count)
		find_starts_for_line(serving, line);
}

/*
 * Sees to it that the line is over, or has a next entry, as far as the starts
 * tell that it knows of.
 */
static void
advance_line(Serving *serving, Line *line)
{
	if (line->is_over)
		return;
	while (line->starts.count > 0 && line->next == line->count &&
		   !line->is_read && may_go_on(serving))
	{
		CHECK_FOR_INTERRUPTS();
		read_batch(serving, line);
	}
	line->is_over = line->starts.count == 0 || line->next == line->count;
}

/*
 * The line whose next entry has waited the longest; NULL: all are over.
 */
static Line *
first_line(Serving *serving)
{
	Line	   *first = NULL;

	for (int i = 0; i < serving->line_count; i++)
	{
		Line	   *line = &serving->lines[i];

		advance_line(serving, line);
		if (!line->is_over &&
			(first == NULL ||
			 line->entries[line->next].id < first->entries[first->next].id))
			first = line;
	}
	return first;
}

/*
 * The same, with starts that are still to be had.  Only its starts are computed
 * again after a serving, not those of all lines.
 */
static Line *
next_line(Serving *serving)
{
	Line	   *line;

	while ((line = first_line(serving)) != NULL)
	{
		refresh_starts(serving, line);
		if (line->starts.count > 0)
			break;
		line->is_over = true;
	}
	return line;
}

/*
 * The position of the first start that is not before an instant.
 */
static int
first_start(const StartList *starts, TimestampTz at)
{
	int			low = 0;
	int			high = starts->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (starts->starts[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- one entry ---- */

static OwnerQuery take_query = {
	.sql = "SELECT FROM booking.waitlist w"
	" JOIN booking.users u ON u.id = w.user_id"
	" WHERE w.id = $1 AND w.status = 'waiting'"
	" FOR NO KEY UPDATE SKIP LOCKED",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

static OwnerQuery eligible_query = {
	.sql = "SELECT WHERE " CAN_BE_SERVED("$1", "$2", "$3"),
	.by_index = true,
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, INT8OID}
};

static OwnerQuery serve_query = {
	.sql = "UPDATE booking.waitlist SET status = 'served',"
	" appointment_id = $2, served_at = $3, offer_ends_at = $4 WHERE id = $1",
	.by_index = true,
	.nargs = 4,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* Nobody has so many wishes; a raw writer's many are not read to their end */
static OwnerQuery wished_query = {
	.sql = "SELECT FROM (SELECT w.user_id FROM booking.waitlist w WHERE "
	MAY_FIT IN_LINE "1000) w WHERE w.user_id <> $6 LIMIT 1",
	.by_index = true,
	.nargs = 6,
	.argtypes = {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
	INT8OID}
};

/*
 * Whether a user can be served.  Whoever made an offer had the user's lock: so
 * under that lock the latest snapshot sees it, while that of a REPEATABLE READ
 * transaction may be older.
 */
static bool
is_eligible(const Serving *serving, int64 user_id)
{
	Datum		values[] = {
		Int64GetDatum(user_id), TimestampTzGetDatum(booking_now()),
		Int64GetDatum(serving->shop_id)
	};
	bool		result;

	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	result = run_owner_query(&eligible_query, values, NULL, true) > 0;
	PopActiveSnapshot();
	SPI_finish();
	return result;
}

/*
 * Locks an entry and its user; false when either is locked by somebody else,
 * or the entry is no longer waiting, or the user not eligible.
 */
static bool
take_entry(const Serving *serving, const Entry *entry)
{
	Datum		values[] = {Int64GetDatum(entry->id)};
	bool		taken;

	SPI_connect();
	taken = run_owner_query(&take_query, values, NULL, false) > 0;
	SPI_finish();
	return taken && is_eligible(serving, entry->user_id);
}

static void
mark_served(const Entry *entry, Datum appointment_id,
			TimestampTz offer_ends_at)
{
	Datum		values[] = {
		Int64GetDatum(entry->id), appointment_id,
		TimestampTzGetDatum(booking_now()), TimestampTzGetDatum(offer_ends_at)
	};

	SPI_connect();
	run_owner_query(&serve_query, values, NULL, false);
	SPI_finish();
}

/*
 * Whether another user in a line wishes one of its starts that meet some busy
 * time, be it one who cannot be served just now.
 */
static bool
is_wished(const Serving *serving, const Line *line, const Span *busy,
		  const Entry *entry)
{
	const StartList *starts = &line->starts;
	int			first = first_start(starts,
									busy->from - line->busy.until + 1);
	int			end = first_start(starts, busy->until - line->busy.from);
	Datum		values[] = {
		Int64GetDatum(line->wanted.service_id),
		Int64GetDatum(serving->barber_id), (Datum) 0, (Datum) 0,
		Int64GetDatum(PG_INT64_MIN),
		Int64GetDatum(entry->user_id)
	};
	bool		result;

	if (first >= end)
		return false;
	values[2] = TimestampTzGetDatum(starts->starts[end - 1].at);
	values[3] = TimestampTzGetDatum(starts->starts[first].at +
									line->duration_us);
	SPI_connect();
	result = run_owner_query(&wished_query, values, NULL, false) > 0;
	SPI_finish();
	return result;
}

/*
 * The same, of the starts that are still to be had: they are computed again only
 * if it matters.
 */
static bool
is_still_wished(Serving *serving, Line *line, const Span *busy,
				const Entry *entry)
{
	if (!is_wished(serving, line, busy, entry))
		return false;
	if (line->known_servings == serving->served_count)
		return true;
	refresh_starts(serving, line);
	return is_wished(serving, line, busy, entry);
}

static TimestampTz
offer_end(const Serving *serving, TimestampTz starts_at)
{
	return Min(booking_now() + serving->hold_us, starts_at);
}

/*
 * How long an offer occupies its time: until it ends, or beyond that for the
 * grace if it would go to the next in line then.
 */
static int64
occupied_us(Serving *serving, const Line *line, const Entry *entry,
			TimestampTz starts_at)
{
	Span		busy = {
		starts_at + line->busy.from, starts_at + line->busy.until
	};
	TimestampTz until = offer_end(serving, starts_at);
	bool		is_next = false;

	if (serving->grace_us > 0 && until < starts_at)
	{
		serving->round->work_left -= serving->line_count / LINES_PER_ENTRY;
		for (int i = 0; i < serving->line_count && !is_next; i++)
			is_next = is_still_wished(serving, &serving->lines[i], &busy,
									  entry);
	}
	if (is_next)
		until = Min(until + serving->grace_us, starts_at);
	return until - booking_now();
}

/*
 * Where to go on after a start that was refused: the day's limit stands for all
 * of the date, and the customer's for ever; who is elsewhere is so to the end.
 */
static TimestampTz
next_to_try(const Serving *serving, TimestampTz starts_at,
			const Refusal *refusal)
{
	Barber	   *barber;
	TimestampTz until;

	if (refusal->reason == USER_OVERLAP)
		return Max(refusal->busy_until, starts_at + 1);
	if (refusal->reason != LIMIT_REACHED)
		return starts_at + 1;
	if (refusal->is_customers)
		return DT_NOEND;
	barber = schedule_barber(schedule_begin(), serving->barber_id);
	if (barber == NULL)
		return DT_NOEND;
	zone_date_until(&barber->shop->zone, starts_at, &until);
	return Max(until, starts_at + 1);
}

/*
 * An entry that is to be served.
 */
typedef struct Candidate
{
	Serving    *serving;
	const Line *line;
	const Entry *entry;
} Candidate;

/*
 * The next start to try, of those up to the "end"th that are not before an
 * instant; "end" if there is none, or enough was tried.
 */
static int
next_start(const Serving *serving, const StartList *starts, int end,
		   TimestampTz from)
{
	int			first = first_start(starts, from);

	if (first >= end || serving->tries >= MOST_TRIES ||
		serving->tries >= serving->round->work_left)
		return end;
	if (serving->tries < MOST_TRIES / 2)
		return first;
	return (int) pg_prng_uint64_range(&pg_global_prng_state, first, end - 1);
}

/*
 * Whether the request gets its hold.
 */
static bool
try_start(Serving *serving, const Request *request, TupleTableSlot *hold,
		  Refusal *refusal)
{
	Decision	decision;
	Holder		holder;

	CHECK_FOR_INTERRUPTS();
	serving->tries++;
	PushActiveSnapshot(GetTransactionSnapshot());
	decision = decide(serving->appointments, request, hold, refusal, &holder);
	PopActiveSnapshot();
	return decision == DECIDED_YES;
}

/*
 * Holds the first of the starts that fit and are to be had at once.
 */
static bool
hold_one(const Candidate *candidate, TupleTableSlot *hold)
{
	Serving    *serving = candidate->serving;
	const Line *line = candidate->line;
	const Entry *entry = candidate->entry;
	const StartList *starts = &line->starts;
	int			end = first_start(starts,
								  entry->latest - line->duration_us + 1);
	TimestampTz from = entry->earliest;
	Request		request = {
		.barber_id = serving->barber_id,
		.service_id = line->wanted.service_id,
		.user_id = entry->user_id,
		.is_hold = true,
		.need = 1
	};
	int			i;

	while ((i = next_start(serving, starts, end, from)) < end)
	{
		Refusal		refusal = {REASON_NONE};

		request.starts_at = starts->starts[i].at;
		request.hold_us = occupied_us(serving, line, entry,
									  request.starts_at);
		if (try_start(serving, &request, hold, &refusal))
			return true;
		if (refusal.is_customers)
			note_full(serving, entry->user_id);
		from = next_to_try(serving, request.starts_at, &refusal);
	}
	return false;
}

/*
 * Serving one entry, or leaving it as it was.
 */
static bool
try_to_serve(void *arg)
{
	const Candidate *candidate = arg;
	const Serving *serving = candidate->serving;
	TupleTableSlot *hold;
	bool		is_held;
	bool		isnull;

	if (!take_entry(serving, candidate->entry))
		return false;
	hold = table_slot_create(serving->appointments, NULL);
	is_held = hold_one(candidate, hold);
	if (is_held)
	{
		TimestampTz starts_at =
			DatumGetTimestampTz(appointment_value(hold, APPT_STARTS_AT,
												  &isnull));

		mark_served(candidate->entry,
					appointment_value(hold, APPT_ID, &isnull),
					offer_end(serving, starts_at));
	}
	ExecDropSingleTupleTableSlot(hold);
	return is_held;
}

/*
 * Serves an entry, if its wish fits and its user was not tried before.  An error
 * that a trigger or a CHECK raises about this customer's row is a warning: it is
 * not the fault of the call which frees the time, and the others in line are
 * served.
 */
static void
serve_entry(Serving *serving, const Line *line, const Entry *entry)
{
	Candidate	candidate = {serving, line, entry};
	int			first = first_start(&line->starts, entry->earliest);
	int			cost;
	bool		is_served;

	if (first == line->starts.count ||
		line->starts.starts[first].at > entry->latest - line->duration_us ||
		!note_user(serving, entry->user_id))
		return;
	serving->tries = 0;
	/* the batch is by the transaction's snapshot; asked again under the lock */
	is_served = is_eligible(serving, entry->user_id) &&
		attempt_or_warn(try_to_serve, &candidate, "waitlist entry", entry->id);
	cost = Max(serving->tries, 1);
	serving->round->work_left -= cost;
	if (is_served)
		serving->served_count++;
	else
		serving->round->in_vain += cost;
}

/*
 * Serves the lines, the longest waiting first, until what the barber has is
 * used up, or enough was done.
 */
static void
serve_from_here(Serving *serving)
{
	Line	   *line;

	while (may_go_on(serving) && (line = next_line(serving)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		serve_entry(serving, line, &line->entries[line->next++]);
	}
}

/* ---- the rest of a line ---- */

/* The entries of a line behind $2, by position */
#define BEHIND \
	" FROM booking.waitlist w WHERE w.service_id >= $1" \
	" AND w.service_id <= $1 AND w.id > $2 AND w.status = 'waiting'" \
	" ORDER BY w.service_id, w.id"

static OwnerQuery count_query = {
	.sql = "SELECT count(*) FROM (SELECT" BEHIND " LIMIT "
	MOST_COUNTED_TEXT ") w",
	.by_index = true,
	.nargs = 2,
	.argtypes = {INT8OID, INT8OID}
};

static OwnerQuery position_query = {
	.sql = "SELECT w.id" BEHIND " OFFSET $3 LIMIT 1",
	.by_index = true,
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, INT8OID}
};

static OwnerQuery last_query = {
	.sql = "SELECT w.id FROM booking.waitlist w WHERE w.service_id >= $1"
	" AND w.service_id <= $1 AND w.status = 'waiting'"
	" ORDER BY w.service_id DESC, w.id DESC LIMIT 1",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

static uint64
draw(uint64 most)
{
	return pg_prng_uint64_range(&pg_global_prng_state, 0, most);
}

/*
 * The id of one of the entries of a line behind an id, at random; the id itself
 * if there is none.  Where there are too many to count, that is the first that is
 * not before an id at random, up to the last.
 */
static int64
draw_entry(Serving *serving, const Line *line, int64 from)
{
	Datum		values[] = {
		Int64GetDatum(line->wanted.service_id), Int64GetDatum(from), (Datum) 0
	};
	int64		count;
	int64		result = from;

	SPI_connect();
	run_owner_query(&count_query, values, NULL, false);
	count = entry_value(0, 1);
	if (count == MOST_COUNTED)
	{
		/* the line may have been served by others since it was counted */
		if (run_owner_query(&last_query, values, NULL, false) > 0 &&
			entry_value(0, 1) > from)
			result = from + 1 + (int64)
				draw((uint64) entry_value(0, 1) - (uint64) from - 1);
	}
	else if (count > 0)
	{
		values[2] = Int64GetDatum((int64) draw(count - 1));
		if (run_owner_query(&position_query, values, NULL, false) > 0)
			result = entry_value(0, 1);
	}
	SPI_finish();
	serving->round->work_left -= 1 + (int) (count / COUNTED_PER_ENTRY);
	return result;
}

/*
 * Goes on in a line from somewhere behind where its serving ended; false if all
 * of it was served.
 */
static bool
skip_ahead(Serving *serving, Line *line)
{
	int64		from = line->last_id;

	line->is_over = false;
	if (line->starts.count == 0 ||
		(line->is_read && line->next == line->count))
		return false;
	if (!line->is_begun)
		return true;
	if (line->next < line->count)
		from = line->entries[line->next].id - 1;
	line->last_id = Max(draw_entry(serving, line, from) - 1, from);
	line->count = line->next = 0;
	line->is_begun = line->is_read = false;
	return true;
}

static bool
skip_ahead_in_lines(Serving *serving)
{
	bool		result = false;

	for (int i = 0; i < serving->line_count && serving->round->work_left > 0;
		 i++)
		result |= skip_ahead(serving, &serving->lines[i]);
	serving->round->in_vain = 0;
	return result;
}

/*
 * Prepares the serving of a barber's lines; false if there is no such barber.
 */
static bool
begin_serving(int64 barber_id, const Span *freed, const Wanted *wanted,
			  int count, Round *round, Serving *serving)
{
	Barber	   *barber = schedule_barber(schedule_begin(), barber_id);

	*serving = (Serving) {
		.barber_id = barber_id, .freed = freed, .round = round
	};
	if (barber == NULL)
		return false;
	serving->shop_id = barber->shop->id;
	/* a CHECK that was dropped must not make an offer of no time */
	serving->hold_us = Max(barber->shop->waitlist_hold_minutes, 1) *
		USECS_PER_MINUTE;
	serving->grace_us = Max(barber->shop->waitlist_grace_minutes, 0) *
		USECS_PER_MINUTE;
	skip_full(serving);
	serving->lines = palloc0(Max(count, 1) * sizeof(Line));
	serving->line_count = count;
	for (int i = 0; i < count; i++)
	{
		serving->lines[i].wanted = wanted[i];
		serving->lines[i].last_id = PG_INT64_MIN;
		find_starts_for_line(serving, &serving->lines[i]);
	}
	return true;
}

/*
 * Gives whatever can be had of a barber to those who wait for it, as long as the
 * round has work left.
 */
void
serve_barber(int64 barber_id, const Wanted *wanted, int count, Round *round)
{
	Serving		serving;

	round->in_vain = 0;
	if (!begin_serving(barber_id, NULL, wanted, count, round, &serving))
		return;
	serving.most_in_vain = MOST_IN_VAIN_PER_BARBER;
	serving.appointments = catalog_open(APPOINTMENTS, RowExclusiveLock);
	serve_from_here(&serving);
	if (round->work_left > 0 && skip_ahead_in_lines(&serving))
		serve_from_here(&serving);
	table_close(serving.appointments, NoLock);
}

/* ---- freed time ---- */

/*
 * Whether somebody waits, for anything or for a service.  In this form only the
 * index on the line will do, and one entry of it is read, whatever the
 * statistics say.
 */
#define IS_WAITED(condition) \
	"(SELECT true FROM booking.waitlist w WHERE w.status = 'waiting'" \
	condition " ORDER BY w.service_id LIMIT 1)"
#define IS_WAITED_FOR(service_id) \
	IS_WAITED(" AND w.service_id >= " service_id \
			  " AND w.service_id <= " service_id)

static OwnerQuery anybody_query = {
	.sql = "SELECT " IS_WAITED("") " IS NOT NULL AND EXISTS"
	" (SELECT FROM booking.services s WHERE s.shop_id = $1 AND s.is_active"
	" AND " IS_WAITED_FOR("s.id") ")",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

static bool
anybody_waits(int64 shop_id)
{
	Datum		values[] = {Int64GetDatum(shop_id)};
	bool		result;
	bool		isnull;

	SPI_connect();
	run_owner_query(&anybody_query, values, NULL, false);
	result = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return result;
}

/* Which of a barber's services somebody waits for */
static OwnerQuery wanted_query = {
	.sql = "SELECT o.service_id FROM booking.barber_services o"
	" WHERE o.barber_id = $1 AND " IS_WAITED_FOR("o.service_id"),
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

static Wanted *
find_wanted(int64 barber_id, int *count)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[] = {Int64GetDatum(barber_id)};
	Wanted	   *wanted;

	SPI_connect();
	*count = run_owner_query(&wanted_query, values, NULL, false);
	wanted = MemoryContextAlloc(caller, Max(*count, 1) * sizeof(Wanted));
	for (int i = 0; i < *count; i++)
		wanted[i] = (Wanted) {
		entry_value(i, 1), DT_NOBEGIN, DT_NOEND
	};
	SPI_finish();
	return wanted;
}

/*
 * Serves the lines for what was freed of a barber.
 */
static void
serve_freed(int64 barber_id, const SpanList *freed, Round *round)
{
	int			count;
	Wanted	   *wanted = find_wanted(barber_id, &count);

	for (int i = 0; i < freed->count && count > 0; i++)
	{
		Serving		serving;

		if (freed->spans[i].until <= booking_now() ||
			!begin_serving(barber_id, &freed->spans[i], wanted, count,
						   round, &serving))
			continue;
		serving.most_in_vain = MOST_IN_VAIN;
		serving.appointments = catalog_open(APPOINTMENTS, RowExclusiveLock);
		serve_from_here(&serving);
		table_close(serving.appointments, NoLock);
	}
}

/* ---- offers that ran out ---- */

/*
 * Whether an appointment is an offer of the shop $1 that ran out; coalesce()
 * leaves the planner the primary key alone to find it by.
 */
#define HAS_LAPSED \
	"coalesce(a.status, '') = 'pending' AND NOT a.is_request" \
	" AND (SELECT bool_or(a.hold_expires_at <= $2 OR w.offer_ends_at <= $2)" \
	" FROM booking.waitlist w WHERE w.appointment_id = a.id)" \
	" AND (SELECT b.shop_id = $1 FROM booking.barbers b" \
	" WHERE b.id = a.barber_id)"

/*
 * The shop's offers among the holds that ran out last, and among those that
 * run out next, which may be kept for the grace alone; $3 is when that ends at
 * the latest.
 */
static OwnerQuery lapsed_query = {
	.sql = "SELECT n.id FROM (SELECT DISTINCT coalesce(h.part_of, h.id) AS id"
	" FROM ((SELECT id, part_of FROM booking.appointments"
	" WHERE status = 'pending' AND hold_expires_at <= $2"
	" ORDER BY hold_expires_at DESC LIMIT 100)"
	" UNION ALL (SELECT id, part_of FROM booking.appointments"
	" WHERE status = 'pending' AND hold_expires_at > $2"
	" AND hold_expires_at <= $3 ORDER BY hold_expires_at LIMIT 100)) h) n"
	" WHERE (SELECT " HAS_LAPSED " FROM booking.appointments a"
	" WHERE a.id = n.id) ORDER BY n.id",
	.by_index = true,
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static OwnerQuery lock_lapsed_query = {
	.sql = "SELECT a.id FROM booking.appointments a"
	" WHERE a.id = ANY ($3) AND " HAS_LAPSED
	" LIMIT 10 FOR NO KEY UPDATE SKIP LOCKED",
	.by_index = true,
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, INT8ARRAYOID}
};

static OwnerQuery lapse_query = {
	.sql = "UPDATE booking.appointments SET status = 'expired'"
	" WHERE (id = ANY ($1) OR part_of = ANY ($1))"
	" AND coalesce(status, '') = 'pending'"
	" RETURNING barber_id, busy_from, busy_until",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID}
};

/*
 * Takes back the offers of a shop that ran out, as many as a call can afford.
 * Returns whose time they give back; *freed is that time.
 */
static int64 *
lapse_offers(int64 shop_id, SpanList *freed)
{
	MemoryContext caller = CurrentMemoryContext;
	Shop	   *shop = schedule_shop(schedule_begin(), shop_id);
	int			minutes = shop == NULL ? 0 : shop->waitlist_grace_minutes;
	Datum		values[] = {
		Int64GetDatum(shop_id), TimestampTzGetDatum(booking_now()),
		TimestampTzGetDatum(booking_now() + minutes * USECS_PER_MINUTE)
	};
	int64	   *barber_ids = NULL;
	int			count;

	SPI_connect();
	count = run_owner_query(&lapsed_query, values, NULL, false);
	if (count > 0)
	{
		values[2] = owner_query_ids(count);
		count = run_owner_query(&lock_lapsed_query, values, NULL, false);
	}
	if (count > 0)
	{
		values[0] = owner_query_ids(count);
		count = run_owner_query(&lapse_query, values, NULL, false);
		barber_ids = MemoryContextAlloc(caller, Max(count, 1) *
										sizeof(int64));
	}
	for (int i = 0; i < count; i++)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);

		barber_ids[i] = entry_value(i, 1);
		spans_add(freed, entry_value(i, 2), entry_value(i, 3));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return barber_ids;
}

/*
 * Gives time that this transaction has freed to those who wait for it, what
 * lapsed before it first.
 */
void
serve_waitlist(int64 shop_id, int64 barber_id, const SpanList *freed)
{
	SpanList	lapsed = {0};
	Round		round = {CurrentMemoryContext, PG_INT32_MAX};
	int64	   *barber_ids;

	if (!anybody_waits(shop_id))
		return;
	barber_ids = lapse_offers(shop_id, &lapsed);
	for (int i = 0; i < lapsed.count; i++)
		serve_freed(barber_ids[i], &(SpanList) {&lapsed.spans[i], 1, 1},
					&round);
	round.in_vain = 0;
	serve_freed(barber_id, freed, &round);
}

static OwnerQuery deadline_query = {
	.sql = "SELECT pg_catalog.min(offer_ends_at) FROM booking.waitlist"
	" WHERE appointment_id OPERATOR(pg_catalog.=) $1"
	" AND status OPERATOR(pg_catalog.=) 'served'",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * Until when a hold may be taken if it is an offer of the waitlist, else
 * DT_NOEND.  read_only: by the active snapshot; else the caller has locked the
 * appointment.  The query names its operators: a caller's search_path may hold.
 */
TimestampTz
offer_deadline(int64 appointment_id, bool read_only)
{
	Datum		values[] = {Int64GetDatum(appointment_id)};
	Datum		deadline;
	bool		isnull;

	SPI_connect();
	run_owner_query(&deadline_query, values, NULL, read_only);
	deadline = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							 &isnull);
	SPI_finish();
	return isnull ? DT_NOEND : DatumGetTimestampTz(deadline);
}

static OwnerQuery accept_query = {
	.sql = "UPDATE booking.waitlist SET offer_ends_at = NULL"
	" WHERE appointment_id = $1 AND status = 'served'"
	" AND offer_ends_at IS NOT NULL",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * Ends an offer that its customer has taken, while the shop has yet to confirm:
 * from now on only the appointment says until when it occupies its time.
 */
void
close_offer(int64 appointment_id)
{
	Datum		values[] = {Int64GetDatum(appointment_id)};

	SPI_connect();
	run_owner_query(&accept_query, values, NULL, false);
	SPI_finish();
}

static OwnerQuery offer_query = {
	.sql = "SELECT FROM booking.waitlist"
	" WHERE appointment_id = $1 AND status = 'served' LIMIT 1",
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

/*
 * Whether an appointment, which the caller has locked, is or was an offer.
 */
bool
was_offered(int64 appointment_id)
{
	Datum		values[] = {Int64GetDatum(appointment_id)};
	bool		result;

	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	result = run_owner_query(&offer_query, values, NULL, true) > 0;
	PopActiveSnapshot();
	SPI_finish();
	return result;
}
