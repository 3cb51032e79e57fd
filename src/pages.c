/*-------------------------------------------------------------------------
 *
 * pages.c
 *	  What the pages around a booking list, and the customers they know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "booking.h"

static void
refuse_missing(const char *what, int64 id)
{
	Refusal		refusal;

	refuse(&refusal, NOT_FOUND, "There is no %s " INT64_FORMAT ".", what, id);
	raise_refusal("request", &refusal);
}

/*
 * Raises not_found unless the table has a row with that id.
 */
static void
require_row(TableId table, const char *what, int64 id)
{
	if (scan_rows_by_key(table, id, GetActiveSnapshot(), NULL, NULL) == 0)
		refuse_missing(what, id);
}

/* How long a service with steps takes; its last gap is void.  NULL: no steps */
#define STEPS_MINUTES \
	"(SELECT (sum(t.work_minutes + t.gap_minutes)" \
	" - (array_agg(t.gap_minutes ORDER BY t.position DESC))[1])::int" \
	" FROM booking.service_steps t WHERE t.service_id = s.id)"
#define SERVICE_MINUTES "coalesce(" STEPS_MINUTES ", s.duration_minutes)"

static OwnerQuery services_query = {
	.sql =
	"SELECT s.id, s.name, " SERVICE_MINUTES ", s.price_cents,"
	" h.currency::text, s.requires_confirmation"
	" FROM booking.services s JOIN booking.shops h ON h.id = s.shop_id"
	" WHERE s.shop_id = $1 AND s.is_active AND h.is_active AND EXISTS ("
	"SELECT FROM booking.barber_services o"
	" JOIN booking.barbers b ON b.id = o.barber_id AND b.shop_id = s.shop_id"
	" WHERE o.service_id = s.id AND b.is_active)"
	" ORDER BY s.name, s.id",
	.nargs = 1,
	.argtypes = {INT8OID},
	.is_answer = true
};

/*
 * active_services(shop_id)
 */
MEASURED_FUNCTION(booking_active_services, OP_ACTIVE_SERVICES)
{
	Datum		values[1];

	require_argument(fcinfo, 0, "shop_id");
	values[0] = PG_GETARG_DATUM(0);
	require_row(SHOPS, "shop", PG_GETARG_INT64(0));
	owner_query_result(fcinfo, &services_query, values, NULL);
	return (Datum) 0;
}

static OwnerQuery barbers_query = {
	.sql =
	"SELECT b.id, b.name, NULL::int, NULL::bigint, h.currency::text"
	" FROM booking.barbers b JOIN booking.shops h ON h.id = b.shop_id"
	" WHERE b.shop_id = $1 AND b.is_active AND h.is_active"
	" ORDER BY b.name, b.id",
	.nargs = 1,
	.argtypes = {INT8OID},
	.is_answer = true
};

static OwnerQuery offering_barbers_query = {
	.sql =
	"SELECT b.id, b.name, coalesce(" STEPS_MINUTES ", o.duration_minutes,"
	" s.duration_minutes),"
	" coalesce(o.price_cents, s.price_cents), h.currency::text"
	" FROM booking.barbers b JOIN booking.shops h ON h.id = b.shop_id"
	" JOIN booking.barber_services o ON o.barber_id = b.id"
	" JOIN booking.services s ON s.id = o.service_id AND s.shop_id = b.shop_id"
	" WHERE b.shop_id = $1 AND s.id = $2 AND b.is_active AND h.is_active AND s.is_active"
	" ORDER BY b.name, b.id",
	.nargs = 2,
	.argtypes = {INT8OID, INT8OID},
	.is_answer = true
};

/*
 * active_barbers(shop_id, service_id)
 */
MEASURED_FUNCTION(booking_active_barbers, OP_ACTIVE_BARBERS)
{
	Datum		values[2];

	require_argument(fcinfo, 0, "shop_id");
	require_row(SHOPS, "shop", PG_GETARG_INT64(0));
	values[0] = PG_GETARG_DATUM(0);
	if (PG_ARGISNULL(1))
	{
		owner_query_result(fcinfo, &barbers_query, values, NULL);
		return (Datum) 0;
	}
	require_row(SERVICES, "service", PG_GETARG_INT64(1));
	values[1] = PG_GETARG_DATUM(1);
	owner_query_result(fcinfo, &offering_barbers_query, values, NULL);
	return (Datum) 0;
}

/* A service with steps is one line, from the first part to the end of the last */
#define ENDS_AT \
	"greatest(a.ends_at, (SELECT max(p.ends_at) FROM booking.appointments p" \
	" WHERE p.part_of = a.id AND p.status = a.status))"
/* Until when the customer may confirm: an offer's end, not its grace */
#define HOLD_EXPIRES_AT \
	"CASE WHEN a.hold_expires_at IS NOT NULL THEN least(a.hold_expires_at," \
	" (SELECT min(w.offer_ends_at) FROM booking.waitlist w" \
	" WHERE w.appointment_id = a.id AND w.status = 'served')) END"
#define USER_APPOINTMENTS \
	"SELECT a.id, a.starts_at, " ENDS_AT ", a.status, " HOLD_EXPIRES_AT "," \
	" a.price_cents, h.currency::text, a.version, b.id, b.name, s.id, s.name," \
	" h.id, h.name, h.time_zone" \
	" FROM booking.appointments a" \
	" JOIN booking.barbers b ON b.id = a.barber_id" \
	" JOIN booking.services s ON s.id = a.service_id" \
	" JOIN booking.shops h ON h.id = b.shop_id" \
	" WHERE a.user_id = $1 AND a.part_of IS NULL" \
	" AND ($3 IS NULL OR b.shop_id = $3)"

#define IS_UPCOMING \
	"(a.status IN ('pending', 'confirmed', 'checked_in') AND " ENDS_AT " > $2" \
	" AND (a.hold_expires_at IS NULL OR " HOLD_EXPIRES_AT " > $2))"

static OwnerQuery upcoming_query = {
	.sql = USER_APPOINTMENTS " AND " IS_UPCOMING " ORDER BY a.starts_at, a.id",
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, INT8OID},
	.is_answer = true
};

static OwnerQuery past_query = {
	.sql = USER_APPOINTMENTS " AND NOT " IS_UPCOMING
	" ORDER BY a.starts_at DESC, a.id DESC",
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, INT8OID},
	.is_answer = true
};

/*
 * user_appointments(user_id, upcoming)
 */
MEASURED_FUNCTION(booking_user_appointments, OP_USER_APPOINTMENTS)
{
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	Scope		scope;

	require_argument(fcinfo, 0, "user_id");
	require_argument(fcinfo, 1, "upcoming");
	find_scope(&scope);
	require_own_user(&scope, PG_GETARG_INT64(0));
	if (is_hidden_user(false, PG_GETARG_INT64(0), GetActiveSnapshot()))
		refuse_missing("user", PG_GETARG_INT64(0));
	require_row(USERS, "user", PG_GETARG_INT64(0));
	values[0] = PG_GETARG_DATUM(0);
	values[1] = TimestampTzGetDatum(booking_now());
	values[2] = Int64GetDatum(scope.shop_id);
	nulls[2] = scope.is_shop ? ' ' : 'n';
	owner_query_result(fcinfo,
					   PG_GETARG_BOOL(1) ? &upcoming_query : &past_query,
					   values, nulls);
	return (Datum) 0;
}

/* ---- customers ---- */

/* How often a new user may be gone again before we can read it */
#define MAX_TRIES 100

/*
 * Case is folded in ASCII alone, whatever the database's collation: the Kelvin
 * sign, or a dotted capital I, would else lead to another customer's account.
 */
static OwnerQuery find_user_query = {
	.sql = "SELECT id FROM booking.users"
	" WHERE lower(email COLLATE \"C\") = lower($1 COLLATE \"C\")"
	" AND is_active",
	.nargs = 3,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID}
};

static OwnerQuery make_user_query = {
	.sql = "INSERT INTO booking.users (email, name, phone) VALUES ($1, $2, $3)"
	" ON CONFLICT (lower(email COLLATE \"C\")) WHERE is_active"
	" DO NOTHING RETURNING id",
	.arbiter = "idx_users_email_active",
	.nargs = 3,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID}
};

/* What counts of a phone number, as idx_users_phone_active has it */
#define DIGITS(phone) "regexp_replace(" phone ", '[^0-9+]', '', 'g')"

static OwnerQuery find_caller_query = {
	.sql = "SELECT id FROM booking.users"
	" WHERE " DIGITS("phone") " = " DIGITS("$3")
	" AND is_active AND email IS NULL",
	.nargs = 3,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID}
};

static OwnerQuery make_caller_query = {
	.sql = "INSERT INTO booking.users (name, phone) VALUES ($2, $3)"
	" ON CONFLICT (" DIGITS("phone") ") WHERE is_active AND email IS NULL"
	" DO NOTHING RETURNING id",
	.arbiter = "idx_users_phone_active",
	.nargs = 3,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID}
};

static OwnerQuery make_customer_query = {
	.sql = "INSERT INTO booking.shop_customers (shop_id, user_id)"
	" VALUES ($1, $2) ON CONFLICT DO NOTHING",
	.nargs = 2,
	.argtypes = {INT8OID, INT8OID}
};

/*
 * The shop for which staff ask for a user; false: for none.
 */
static bool
find_asking_shop(int64 *shop_id)
{
	if (!booking_shop_id(shop_id))
		return false;
	require_staff("act for a shop");
	require_row(SHOPS, "shop", *shop_id);
	return true;
}

/*
 * Within SPI: from now on the shop knows the user.
 */
static void
make_customer(int64 shop_id, int64 user_id)
{
	Datum		values[] = {Int64GetDatum(shop_id), Int64GetDatum(user_id)};

	run_owner_query(&make_customer_query, values, NULL, false);
}

/*
 * The address without spaces around it, if its form is one: something, one @,
 * something, no space and no other character that nobody sees.
 */
static Datum
read_email(Datum argument)
{
	char	   *given = read_text(argument, "email", LONGEST_TEXT);
	Datum		trimmed = DirectFunctionCall1(btrim1,
											  CStringGetTextDatum(given));
	char	   *email = TextDatumGetCString(trimmed);
	char	   *at = strchr(email, '@');

	if (at == NULL || at == email || at[1] == '\0' ||
		strchr(at + 1, '@') != NULL || strlen(email) > 254 ||
		strpbrk(email, " \t\r\n\v\f") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("email is not an address"),
				 errdetail("An address is name@domain, without spaces, of at most 254 bytes."),
				 errhint("Pass the customer's e-mail address.")));
	refuse_hidden_characters("email", email, false);
	return trimmed;
}

/*
 * Refuses a phone number that cannot be an address: E.164 has 3 to 15 digits,
 * and a plus sign before them, or none.  Between them there may be what people
 * write there; a letter, or a digit of another script, would be lost, and the
 * number be another customer's.
 */
static void
check_phone(const char *phone)
{
	int			digits = 0;
	bool		fits = true;

	for (const char *c = phone; *c != '\0'; c++)
	{
		if (*c >= '0' && *c <= '9')
			digits++;
		else if (*c == '+')
			fits = fits && digits == 0 && strchr(c + 1, '+') == NULL;
		else
			fits = fits && strchr(" -./()", *c) != NULL;
	}
	if (!fits || digits < 3 || digits > 15)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid phone number"),
				 errdetail("The number of a customer without e-mail has 3 to 15 digits, after a plus sign or none, with spaces, hyphens, dots, slashes and parentheses between them."),
				 errhint("Pass it as +49 171 2345678, or pass the customer's e-mail address.")));
}

/*
 * The address that a user is known by: e-mail, or else phone.
 */
static bool
read_address(FunctionCallInfo fcinfo, Datum *values, char *nulls)
{
	static const char *const names[] = {"email", "name", "phone"};
	bool		has_email = !PG_ARGISNULL(0);

	if (!has_email && PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("email and phone must not both be null"),
				 errdetail("A customer is known by one of them at least."),
				 errhint("Pass a value for email, or for phone.")));
	for (int i = has_email ? 1 : 0; i < (int) lengthof(names); i++)
	{
		char	   *value = text_argument(fcinfo, i, names[i], LONGEST_TEXT);

		nulls[i] = value != NULL ? ' ' : 'n';
		values[i] = value != NULL ? CStringGetTextDatum(value) : (Datum) 0;
		if (value != NULL && i == 2 && !has_email)
			check_phone(value);
		if (value != NULL && i != 0)
			refuse_hidden_characters(names[i], value, i == 1);
	}
	if (has_email)
	{
		nulls[0] = ' ';
		values[0] = read_email(PG_GETARG_DATUM(0));
	}
	return has_email;
}

/*
 * ensure_user(email, name, phone).  Whoever loses the race for a new address
 * waits for the other's commit in ON CONFLICT, then finds the other's row.
 */
MEASURED_FUNCTION(booking_ensure_user, OP_ENSURE_USER)
{
	Datum		values[3];
	char		nulls[3];
	bool		has_email;
	OwnerQuery *find;
	OwnerQuery *make;
	int			tries = 0;
	bool		is_shop;
	int64		shop_id;
	int64		id;
	bool		isnull;

	require_no_customer("look up a user by address");
	is_shop = find_asking_shop(&shop_id);
	has_email = read_address(fcinfo, values, nulls);
	find = has_email ? &find_user_query : &find_caller_query;
	make = has_email ? &make_user_query : &make_caller_query;

	SPI_connect();
	while (run_owner_query(find, values, nulls, false) == 0 &&
		   run_owner_query(make, values, nulls, false) == 0)
	{
		if (++tries == MAX_TRIES)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("could not store the user"),
					 errdetail("A trigger on table booking.users may have dropped the row."),
					 errhint("Look at the triggers of booking.users.")));
		CHECK_FOR_INTERRUPTS();
	}
	id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									 SPI_tuptable->tupdesc, 1, &isnull));
	if (is_shop)
		make_customer(shop_id, id);
	SPI_finish();
	PG_RETURN_INT64(id);
}
