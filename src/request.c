/*-------------------------------------------------------------------------
 *
 * request.c
 *	  What a caller of the booking functions asks for.
 *
 * A request with an idempotency key leaves a hash of all it asked for on the
 * row, so that it is known again after the appointment was moved.  The hash is
 * that of a text, the same on every machine and in every version:
 *
 *	 book, hold LENGTH or visit COUNT, and a newline; LENGTH in microseconds,
 *	 -1 for the shop's own
 *
 * and for each appointment that is asked for, in the order of the call,
 *
 *	 BARBER SERVICE USER TIME OVERRIDES GUEST
 *
 * with a space between them, and a newline.  The first three are ids, TIME is
 * in microseconds since 1970-01-01 00:00 UTC, OVERRIDES are in the order of
 * override_names, with commas between them.  GUEST is the length of the name
 * in bytes, a colon, and the name, in the database's encoding.  What there is
 * none of is "-".
 * Of the text's SHA-256 the first 8 bytes, the highest first, are the hash.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

#define LONGEST_KEY 200			/* characters, as the CHECK has it */
#define MOST_OVERRIDES 100		/* elements, if many name the same */

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

static void
require_few_overrides(FunctionCallInfo fcinfo, int argno)
{
	int			dimensions;
	int			count = array_argument_count(fcinfo, argno, &dimensions);

	if (count > MOST_OVERRIDES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("overrides has too many elements"),
				 errdetail("It has %d; the most is %d.", count,
						   MOST_OVERRIDES),
				 errhint("Name each rule once: hours, notice, grid, horizon, limits or window.")));
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
	require_few_overrides(fcinfo, argno);
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
read_request(FunctionCallInfo fcinfo, int overrides_arg, Request *request)
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
	request->overrides = read_rule_overrides(fcinfo, overrides_arg);
	require_own_booking(request->is_walk_in, request->user_id,
						request->service_id);
	request->is_hidden_user = is_hidden_user(request->is_walk_in,
											 request->user_id,
											 GetTransactionSnapshot());
	request->need = 1;
}

/* ---- the same request again ---- */

static void
append_number(StringInfo form, bool has_one, int64 number)
{
	char		digits[MAXINT8LEN + 1];

	if (has_one)
		appendBinaryStringInfo(form, digits, pg_lltoa(number, digits));
	else
		appendStringInfoChar(form, '-');
}

static void
append_overrides(StringInfo form, int overrides)
{
	const char *separator = "";

	if (overrides == 0)
		appendStringInfoChar(form, '-');
	for (int i = 0; i < (int) lengthof(override_names); i++)
	{
		if ((overrides & (1 << i)) == 0)
			continue;
		appendStringInfo(form, "%s%s", separator, override_names[i]);
		separator = ",";
	}
}

/*
 * A name as it is stored: some have no equivalent in another encoding.
 */
static void
append_name(StringInfo form, const char *name)
{
	if (name == NULL)
	{
		appendStringInfoChar(form, '-');
		return;
	}
	append_number(form, true, (int64) strlen(name));
	appendStringInfoChar(form, ':');
	appendStringInfoString(form, name);
}

static void
append_request(StringInfo form, const Request *request)
{
	int64		unix_epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
		USECS_PER_DAY;

	append_number(form, !request->any_barber, request->barber_id);
	appendStringInfoChar(form, ' ');
	append_number(form, true, request->service_id);
	appendStringInfoChar(form, ' ');
	append_number(form, !request->is_walk_in, request->user_id);
	appendStringInfoChar(form, ' ');
	append_number(form, true, request->starts_at + unix_epoch);
	appendStringInfoChar(form, ' ');
	append_overrides(form, request->overrides);
	appendStringInfoChar(form, ' ');
	append_name(form, request->guest_name);
	appendStringInfoChar(form, '\n');
}

static int64
hash_text(const StringInfoData *form)
{
	bytea	   *bytes = (bytea *) cstring_to_text_with_len(form->data,
														   form->len);
	bytea	   *digest =
		DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
											PointerGetDatum(bytes)));
	uint64		first;

	memcpy(&first, VARDATA_ANY(digest), sizeof(first));
	return (int64) pg_ntoh64(first);
}

/*
 * The shop at which a request's key counts: the barber's, or, where any will
 * do, the service's.  False: there is none, as others will say.
 */
static bool
find_shop(const Request *request, int64 *shop_id)
{
	Schedule   *schedule = schedule_begin();
	Barber	   *barber;
	Service    *service;

	if (!request->any_barber)
	{
		barber = schedule_barber(schedule, request->barber_id);
		*shop_id = barber != NULL ? barber->shop->id : 0;
		return barber != NULL;
	}
	service = schedule_service(schedule, request->service_id);
	*shop_id = service != NULL ? service->shop_id : 0;
	return service != NULL;
}

/*
 * Gives a request the key of its call, which asks for "items"; NULL: none.
 * Nothing of it costs a call without a key.  Of a user whom the caller may not
 * know it is to find no key either.
 */
void
request_set_key(Request *request, const char *key, const char *call,
				const Request *items, int count)
{
	IdempotencyKey *own;
	StringInfoData form;

	if (key == NULL || request->is_hidden_user)
		return;
	own = palloc0(sizeof(IdempotencyKey));
	own->text = key;
	own->has_shop = find_shop(request, &own->shop_id);
	own->has_user = !request->is_walk_in;
	own->user_id = request->user_id;
	request->key = own;
	initStringInfo(&form);
	appendStringInfoString(&form, call);
	appendStringInfoChar(&form, '\n');
	for (int i = 0; i < count; i++)
		append_request(&form, &items[i]);
	request->hash = hash_text(&form);
}

/*
 * An appointment that was given to somebody else since is not the old
 * customer's to see, nor one that was moved to another shop the old one's.
 */
static bool
is_still_theirs(const Request *request, TupleTableSlot *row)
{
	bool		has_no_user = false;
	bool		isnull = false;
	int64		user_id =
		DatumGetInt64(appointment_value(row, APPT_USER_ID, &has_no_user));

	return has_no_user == request->is_walk_in &&
		(has_no_user || user_id == request->user_id) &&
		is_in_scope(DatumGetInt64(appointment_value(row, APPT_BARBER_ID,
													&isnull)));
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
 * Whether the appointment still is what was asked for; a hold that ran out is
 * no answer, whether or not it has been marked.
 */
static bool
still_stands(TupleTableSlot *row, Refusal *refusal)
{
	bool		isnull = false;
	bool		never_expires = false;
	char	   *status = TextDatumGetCString(appointment_value(row, APPT_STATUS,
															   &isnull));
	TimestampTz expires_at =
		DatumGetTimestampTz(appointment_value(row, APPT_HOLD_EXPIRES_AT,
											  &never_expires));

	if (strcmp(status, "cancelled") == 0)
		return refuse(refusal, IDEMPOTENCY_CONFLICT,
					  "The key's appointment was cancelled.");
	if (strcmp(status, "expired") == 0 ||
		(strcmp(status, "pending") == 0 && !never_expires &&
		 expires_at <= booking_now()))
		return refuse(refusal, HOLD_EXPIRED,
					  "The key's hold has run out; a new request needs a new key.");
	return true;
}

/*
 * Whether a stored appointment is the answer to this very request; if not,
 * idempotency_conflict, or hold_expired.  Of one that is another customer's or,
 * to staff, another shop's by now nothing is said.  Whether a visit still stands, all of it says (visits.c).
 */
bool
is_same_request(const Request *request, TupleTableSlot *row,
				Refusal *refusal)
{
	bool		has_no_hash = false;
	int64		hash = DatumGetInt64(appointment_value(row, APPT_REQUEST_HASH,
													   &has_no_hash));

	if (is_still_theirs(request, row) &&
		(has_no_hash ?
		 request->visit_id == 0 && has_same_values(request, row) :
		 hash == request->hash))
		return request->visit_id != 0 || still_stands(row, refusal);
	return refuse(refusal, IDEMPOTENCY_CONFLICT,
				  "The key was used for another request.");
}
