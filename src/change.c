/*-------------------------------------------------------------------------
 *
 * change.c
 *	  An appointment that is to be changed: locked, with all its parts.
 *
 * Whoever only asks what a change would do reads it without a lock, by the same
 * query with the caller's snapshot.  That one may run under any search_path, so
 * operators are named with their schema.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

/* The head of the appointment, whichever of its parts is named */
#define HEAD_ID \
	"(SELECT coalesce(part_of, id) FROM booking.appointments" \
	" WHERE id" EQUALS "$1)"

/*
 * The head comes alone, and first: whoever changes an appointment holds it, so
 * that a query with a later snapshot then sees all the parts that there are,
 * those too which somebody added while we waited.  One that is beyond the
 * caller's scope is not there for it, and is not even waited for.
 */
#define SELECT_HEAD \
	"SELECT FROM booking.appointments" \
	" WHERE id" EQUALS HEAD_ID \
	" AND ($2 IS NULL OR user_id" EQUALS "$2)" \
	" AND ($3 IS NULL OR barber_id" EQUALS "ANY" \
	" (SELECT b.id FROM booking.barbers b WHERE b.shop_id" EQUALS "$3))"

/*
 * The parts follow their head, in the order of their work.  There is no join:
 * a row that was moved to another barber while we waited for it would drop out.
 */
#define SELECT_PARTS \
	"SELECT a.id, a.barber_id, a.service_id, a.user_id, a.visit_id," \
	" (SELECT b.shop_id FROM booking.barbers b" \
	" WHERE b.id" EQUALS "a.barber_id)," \
	" a.price_cents, a.version, a.status, a.starts_at, a.hold_expires_at," \
	" (SELECT h.cancellation_window_minutes FROM booking.barbers b" \
	" JOIN booking.shops h ON h.id" EQUALS "b.shop_id" \
	" WHERE b.id" EQUALS "a.barber_id)," \
	" a.busy_from, a.busy_until, a.series_id, a.guest_name, a.ends_at," \
	" coalesce('limits'" EQUALS "ANY (a.overrides), false), a.is_request" \
	" FROM booking.appointments a" \
	" WHERE a.id" EQUALS HEAD_ID " OR a.part_of" EQUALS HEAD_ID \
	" ORDER BY a.part_of NULLS FIRST, a.starts_at, a.id"

/* How to read an appointment: its head, then all of it */
typedef struct ReadMode
{
	OwnerQuery	head;
	OwnerQuery	parts;
	bool		read_only;
} ReadMode;

#define READ_MODE(locking, is_read_only) \
{ \
	.head = { \
		.sql = SELECT_HEAD locking, \
		.by_index = true, \
		.nargs = 3, \
		.argtypes = {INT8OID, INT8OID, INT8OID} \
	}, \
	.parts = { \
		.sql = SELECT_PARTS locking, \
		.by_index = true, \
		.nargs = 1, \
		.argtypes = {INT8OID} \
	}, \
	.read_only = (is_read_only) \
}

static ReadMode wait_and_lock = READ_MODE(" FOR NO KEY UPDATE", false);
static ReadMode lock_at_once = READ_MODE(" FOR NO KEY UPDATE SKIP LOCKED",
										 false);
static ReadMode read_only = READ_MODE("", true);

/* How many parts there are besides the head */
static OwnerQuery count_parts_query = {
	.sql = "SELECT FROM booking.appointments a WHERE a.part_of" EQUALS HEAD_ID,
	.by_index = true,
	.nargs = 1,
	.argtypes = {INT8OID}
};

/* The columns of SELECT_PARTS */
enum
{
	LOCKED_ID = 1, LOCKED_BARBER_ID, LOCKED_SERVICE_ID, LOCKED_USER_ID,
	LOCKED_VISIT_ID, LOCKED_SHOP_ID, LOCKED_PRICE, LOCKED_VERSION,
	LOCKED_STATUS, LOCKED_STARTS_AT, LOCKED_HOLD_EXPIRES_AT, LOCKED_WINDOW,
	LOCKED_BUSY_FROM, LOCKED_BUSY_UNTIL, LOCKED_SERIES_ID, LOCKED_GUEST_NAME,
	LOCKED_ENDS_AT, LOCKED_OVERRIDES_LIMITS, LOCKED_IS_REQUEST
};

static Datum
locked_value(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

static int64
locked_int8(int row, int column)
{
	bool		isnull;
	Datum		value = locked_value(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
read_head(Booked *booked)
{
	bool		isnull;

	booked->id = locked_int8(0, LOCKED_ID);
	booked->barber_id = locked_int8(0, LOCKED_BARBER_ID);
	booked->service_id = locked_int8(0, LOCKED_SERVICE_ID);
	booked->user_id = locked_int8(0, LOCKED_USER_ID);
	(void) locked_value(0, LOCKED_USER_ID, &booked->is_walk_in);
	booked->visit_id = locked_int8(0, LOCKED_VISIT_ID);
	booked->shop_id = locked_int8(0, LOCKED_SHOP_ID);
	booked->price_cents = locked_int8(0, LOCKED_PRICE);
	booked->version = DatumGetInt32(locked_value(0, LOCKED_VERSION, &isnull));
	booked->starts_at = locked_int8(0, LOCKED_STARTS_AT);
	booked->ends_at = locked_int8(0, LOCKED_ENDS_AT);
	booked->hold_expires_at =
		DatumGetTimestampTz(locked_value(0, LOCKED_HOLD_EXPIRES_AT, &isnull));
	if (isnull)
		booked->hold_expires_at = DT_NOEND;
	booked->window_minutes = DatumGetInt32(locked_value(0, LOCKED_WINDOW,
														&isnull));
	booked->series_id = locked_int8(0, LOCKED_SERIES_ID);
	booked->guest_name = SPI_getvalue(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc,
									  LOCKED_GUEST_NAME);
	booked->overrides_limits =
		DatumGetBool(locked_value(0, LOCKED_OVERRIDES_LIMITS, &isnull));
	booked->is_request =
		DatumGetBool(locked_value(0, LOCKED_IS_REQUEST, &isnull));
}

/*
 * Lists the parts that share the head's status, which are what a change is
 * about; somebody may have changed one by itself.
 */
static void
read_parts(Booked *booked, int count)
{
	booked->status = SPI_getvalue(SPI_tuptable->vals[0],
								  SPI_tuptable->tupdesc, LOCKED_STATUS);
	booked->part_ids = palloc(count * sizeof(int64));
	booked->parts = palloc(count * sizeof(Part));
	for (int i = 0; i < count; i++)
	{
		char	   *status = SPI_getvalue(SPI_tuptable->vals[i],
										  SPI_tuptable->tupdesc,
										  LOCKED_STATUS);
		Part	   *part;

		if (strcmp(status, booked->status) != 0)
			continue;
		part = &booked->parts[booked->part_count];
		part->work.from = locked_int8(i, LOCKED_STARTS_AT);
		part->work.until = locked_int8(i, LOCKED_ENDS_AT);
		part->busy.from = locked_int8(i, LOCKED_BUSY_FROM);
		part->busy.until = locked_int8(i, LOCKED_BUSY_UNTIL);
		booked->part_ids[booked->part_count++] = locked_int8(i, LOCKED_ID);
		spans_add(&booked->busy, part->busy.from, part->busy.until);
	}
}

/*
 * How many rows the appointment has by now, the head included.
 */
static int
count_rows(int64 id)
{
	Datum		values[] = {Int64GetDatum(id)};
	int			count;

	PushActiveSnapshot(GetLatestSnapshot());
	count = run_owner_query(&count_parts_query, values, NULL, true) + 1;
	PopActiveSnapshot();
	return count;
}

/*
 * At REPEATABLE READ the query above does not see a part that was added after
 * the transaction's snapshot, which would be left behind.
 */
static void
require_all_parts(int64 id, int count)
{
	if (IsolationUsesXactSnapshot() && count_rows(id) != count)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("Parts were added to appointment " INT64_FORMAT " after the transaction's snapshot was taken.",
						   id),
				 errhint("Retry the transaction.")));
}

/*
 * Reads an appointment within SPI, into the caller's memory; returns how many
 * rows it has.  0: it is not there, locked by somebody else, or not the
 * caller's.
 */
static int
read_booked(ReadMode *mode, int64 id, MemoryContext caller, Booked *booked)
{
	Datum		values[3] = {Int64GetDatum(id)};
	char		nulls[3] = {' '};
	Scope		scope;
	int			count;

	memset(booked, 0, sizeof(*booked));
	find_scope(&scope);
	scope_parameters(&scope, &values[1], &nulls[1]);
	count = run_owner_query(&mode->head, values, nulls, mode->read_only);
	if (count > 0)
		count = run_owner_query(&mode->parts, values, NULL, mode->read_only);
	if (count > 0)
	{
		MemoryContext spi = MemoryContextSwitchTo(caller);

		read_head(booked);
		read_parts(booked, count);
		MemoryContextSwitchTo(spi);
		if (booked->hold_expires_at != DT_NOEND)
			booked->hold_expires_at =
				Min(booked->hold_expires_at,
					offer_deadline(booked->id, mode->read_only));
	}
	return count;
}

static bool
refuse_missing(int64 id, Refusal *refusal)
{
	return refuse(refusal, NOT_FOUND, "There is no appointment " INT64_FORMAT
				  ".", id);
}

/*
 * Locks an appointment, whichever of its parts is named, until the end of the
 * transaction, and reads it.  False: not_found, or not the caller's to change.
 */
bool
lock_appointment(int64 id, Booked *booked, Refusal *refusal)
{
	MemoryContext caller = CurrentMemoryContext;
	int			count;

	SPI_connect();
	count = read_booked(&wait_and_lock, id, caller, booked);
	if (count > 0)
		require_all_parts(id, count);
	SPI_finish();
	return count > 0 || refuse_missing(id, refusal);
}

/*
 * lock_appointment() that does not wait.  False: some row of it was not to be
 * had at once.
 */
bool
lock_appointment_at_once(int64 id, Booked *booked)
{
	MemoryContext caller = CurrentMemoryContext;
	int			count;
	bool		is_whole;

	SPI_connect();
	count = read_booked(&lock_at_once, id, caller, booked);
	is_whole = count > 0 && count == count_rows(id);
	SPI_finish();
	return is_whole;
}

/*
 * Reads an appointment, as the caller's snapshot has it.  False: not_found, or
 * not the caller's.
 */
bool
read_appointment(int64 id, Booked *booked, Refusal *refusal)
{
	MemoryContext caller = CurrentMemoryContext;
	int			count;

	SPI_connect();
	count = read_booked(&read_only, id, caller, booked);
	SPI_finish();
	return count > 0 || refuse_missing(id, refusal);
}

/* ---- visits ---- */

/*
 * The appointments that move with one of a visit: those that are pending or
 * confirmed, live, and the caller's, itself among them, by id.
 */
static OwnerQuery visit_query = {
	.sql = "SELECT o.id, n.id"
	" FROM booking.appointments n, booking.appointments o"
	" WHERE n.id" EQUALS HEAD_ID " AND o.visit_id" EQUALS "n.visit_id"
	" AND n.visit_id OPERATOR(pg_catalog.<>) 0"
	" AND o.part_of IS NULL AND (o.id" EQUALS "n.id OR (n.status" EQUALS
	"ANY ('{pending,confirmed}'::pg_catalog.text[]) AND o.status" EQUALS
	"ANY ('{pending,confirmed}'::pg_catalog.text[])"
	" AND (o.hold_expires_at IS NULL"
	" OR o.hold_expires_at OPERATOR(pg_catalog.>) $4)))"
	" AND ($2 IS NULL OR o.user_id" EQUALS "$2)"
	" AND ($3 IS NULL OR o.barber_id" EQUALS "ANY"
	" (SELECT b.id FROM booking.barbers b WHERE b.shop_id" EQUALS "$3))"
	" ORDER BY o.id",
	.by_index = true,
	.nargs = 4,
	.argtypes = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID}
};

/*
 * The heads of the appointments that move with that one, itself among them, by
 * id; none if it is of no visit, or not the caller's.  Returns its own head.
 */
int64
list_visit(int64 id, bool with_active_snapshot, IdList *list)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		values[4] = {Int64GetDatum(id)};
	char		nulls[4] = {' ', ' ', ' ', ' '};
	Scope		scope;
	int64	   *ids;
	int64		head_id = 0;

	find_scope(&scope);
	scope_parameters(&scope, &values[1], &nulls[1]);
	values[3] = TimestampTzGetDatum(booking_clock());
	SPI_connect();
	list->count = run_owner_query(&visit_query, values, nulls,
								  with_active_snapshot);
	ids = MemoryContextAlloc(caller, Max(list->count, 1) * sizeof(int64));
	for (int i = 0; i < list->count; i++)
	{
		ids[i] = locked_int8(i, 1);
		head_id = locked_int8(i, 2);
	}
	list->ids = ids;
	SPI_finish();
	if (!id_is_listed(list, head_id))
		list->count = 0;
	return head_id;
}

/* ---- what may be changed ---- */

/*
 * Whether the appointment has the version that the caller has seen; NULL: any.
 */
bool
check_version(const Booked *booked, FunctionCallInfo fcinfo, int argno,
			  Refusal *refusal)
{
	if (PG_ARGISNULL(argno) || PG_GETARG_INT32(argno) == booked->version)
		return true;
	return refuse(refusal, VERSION_CONFLICT, "Appointment " INT64_FORMAT
				  " has version %d, not %d.", booked->id, booked->version,
				  PG_GETARG_INT32(argno));
}

/*
 * Whether a customer may still give up the time.  A hold promises nothing, and
 * nothing that has run out does; what waits for the shop's word does, also where
 * that has a deadline.
 */
bool
check_window(const Booked *booked, Refusal *refusal)
{
	TimestampTz deadline = booked->starts_at -
		booked->window_minutes * USECS_PER_MINUTE;

	if ((booked->hold_expires_at != DT_NOEND && !booked->is_request) ||
		booked->hold_expires_at <= booking_now() ||
		booking_now() <= deadline)
		return true;
	return refuse(refusal, CANCELLATION_WINDOW_CLOSED, "Appointment "
				  INT64_FORMAT " could be cancelled or moved until %s.",
				  booked->id, instant_text(deadline));
}

/*
 * Whether its time is still its own, if it is a hold.  The clock decides, not
 * the statement's start: the row may have been waited for, and others may book
 * over a hold from the moment on when it is over.
 */
bool
check_hold(const Booked *booked, Refusal *refusal)
{
	if (booked->hold_expires_at > booking_clock())
		return true;
	return refuse(refusal, HOLD_EXPIRED, "The hold on appointment "
				  INT64_FORMAT " ended at %s.", booked->id,
				  instant_text(booked->hold_expires_at));
}

/*
 * A BEFORE trigger of the user's returned NULL.
 */
void
raise_dropped_row(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("the appointment was not %s", what),
			 errdetail("A BEFORE trigger on table booking.appointments returned NULL."),
			 errhint("Let the trigger return the row, or raise an error.")));
	pg_unreachable();
}
