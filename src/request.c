/*-------------------------------------------------------------------------
 *
 * request.c
 *	  What a caller of the booking functions asks for.
 *
 * A request with an idempotency key leaves a hash of all it asked for on the
 * row, so that it is known again after the appointment was moved.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "booking.h"

#define LONGEST_KEY 200			/* characters, as the CHECK has it */

static const char *const override_names[] = {
	"hours", "notice", "grid", "horizon", "limits", "window"
};

/* ---- arguments ---- */

/*
 * The argument idempotency_key, or NULL.
 */
const char *
read_key(FunctionCallInfo fcinfo, int argno)
{
	char	   *key = text_argument(fcinfo, argno, "idempotency_key",
									LONGEST_TEXT);

	if (key == NULL)
		return NULL;
	if (key[0] == '\0' || pg_mbstrlen(key) > LONGEST_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("idempotency_key must have 1 to %d characters",
						LONGEST_KEY),
				 errdetail("It has %d.", pg_mbstrlen(key)),
				 errhint("Use a UUID, one for each request.")));
	return key;
}

static int
override_from_datum(Datum name, bool isnull)
{
	char	   *given = isnull ? "NULL" :
		read_text(name, "override", LONGEST_WORD);

	for (int i = 0; !isnull && i < (int) lengthof(override_names); i++)
	{
		if (strcmp(given, override_names[i]) == 0)
			return 1 << i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown override \"%s\"", given),
			 errdetail("An override names a rule that may be broken; the overlap of appointments is none."),
			 errhint("Use hours, notice, grid, horizon, limits or window.")));
	return 0;
}

/*
 * The argument overrides, as a set of bits.
 */
int
read_rule_overrides(FunctionCallInfo fcinfo, int argno)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;
	int			overrides = 0;

	if (PG_ARGISNULL(argno))
		return 0;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
		overrides |= override_from_datum(names[i], nulls[i]);
	if (overrides != 0)
		require_staff("use overrides");
	return overrides;
}

/*
 * A set of overrides as text[].
 */
Datum
overrides_array(int overrides)
{
	Datum		names[lengthof(override_names)];
	int			count = 0;

	for (int i = 0; i < (int) lengthof(override_names); i++)
	{
		if ((overrides & (1 << i)) != 0)
			names[count++] = CStringGetTextDatum(override_names[i]);
	}
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * An interval of fixed length, in microseconds, a month being 30 days.
 */
int64
read_interval(Datum value, const char *name, int64 least_us, int64 most_us)
{
	const Interval *interval = DatumGetIntervalP(value);
	double		length = (double) interval->time +
		((double) interval->day + 30.0 * interval->month) * USECS_PER_DAY;

	if (length < (double) least_us || length > (double) most_us)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", name),
				 errdetail("It is %s.",
						   DatumGetCString(DirectFunctionCall1(interval_out, value))),
				 errhint("Pass an interval of %s, and at most %d days.",
						 least_us < USECS_PER_DAY ? "more than nothing" :
						 "at least a day", (int) (most_us / USECS_PER_DAY))));
	return (int64) length;
}

/*
 * The arguments that book_slot() and its like have in common: barber_id,
 * service_id, user_id and starts_at come first.
 */
void
read_request(FunctionCallInfo fcinfo, int key_arg, int overrides_arg,
			 Request *request)
{
	memset(request, 0, sizeof(*request));
	require_argument(fcinfo, 1, "service_id");
	require_argument(fcinfo, 3, "starts_at");
	request->any_barber = PG_ARGISNULL(0);
	if (!request->any_barber)
		request->barber_id = PG_GETARG_INT64(0);
	request->service_id = PG_GETARG_INT64(1);
	request->is_walk_in = PG_ARGISNULL(2);
	if (!request->is_walk_in)
		request->user_id = PG_GETARG_INT64(2);
	request->starts_at = PG_GETARG_TIMESTAMPTZ(3);
	require_finite(request->starts_at, "starts_at");
	if (key_arg >= 0)
		request->key = read_key(fcinfo, key_arg);
	request->overrides = read_rule_overrides(fcinfo, overrides_arg);
	require_own_booking(request->is_walk_in, request->user_id,
						request->service_id);
	request->need = 1;
	request->hash = request_hash(0, request);
}

/* ---- the same request again ---- */

static uint64
combine(uint64 hash, const void *bytes, int length)
{
	return hash_combine64(hash, hash_bytes_extended(bytes, length, 0));
}

/*
 * Adds a request to the hash of a call.
 */
uint64
request_hash(uint64 hash, const Request *request)
{
	int64		asked[] = {
		request->any_barber, request->barber_id, request->service_id,
		request->is_walk_in, request->user_id, request->starts_at,
		request->is_hold, request->overrides
	};

	hash = combine(hash, asked, sizeof(asked));
	if (request->guest_name != NULL)
		hash = combine(hash, request->guest_name,
					   (int) strlen(request->guest_name));
	return hash;
}

/*
 * An appointment that was given to somebody else since is not the old
 * customer's to see.
 */
static bool
has_same_user(const Request *request, TupleTableSlot *row)
{
	bool		has_no_user = false;
	int64		user_id =
		DatumGetInt64(appointment_value(row, APPT_USER_ID, &has_no_user));

	return has_no_user == request->is_walk_in &&
		(has_no_user || user_id == request->user_id);
}

/*
 * A row that the request's function did not write has no hash.
 */
static bool
has_same_values(const Request *request, TupleTableSlot *row)
{
	bool		isnull = false;

#define VALUE(column) appointment_value(row, (column), &isnull)
	return DatumGetInt64(VALUE(APPT_BARBER_ID)) == request->barber_id &&
		DatumGetInt64(VALUE(APPT_SERVICE_ID)) == request->service_id &&
		DatumGetTimestampTz(VALUE(APPT_STARTS_AT)) == request->starts_at;
#undef VALUE
}

/*
 * Whether a stored appointment is the answer to this very request; if not,
 * idempotency_conflict.
 */
bool
is_same_request(const Request *request, TupleTableSlot *row,
				Refusal *refusal)
{
	bool		has_no_hash = false;
	int64		hash = DatumGetInt64(appointment_value(row, APPT_REQUEST_HASH,
													   &has_no_hash));

	if (has_same_user(request, row) &&
		(has_no_hash ?
		 request->visit_id == 0 && has_same_values(request, row) :
		 hash == (int64) request->hash))
		return true;
	return refuse(refusal, IDEMPOTENCY_CONFLICT,
				  "The key was used for another request.");
}
