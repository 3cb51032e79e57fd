/*-------------------------------------------------------------------------
 *
 * access.c
 *	  For whom the caller acts, and what follows from it.
 *
 * What a role may do at all is EXECUTE, and only that.  What EXECUTE cannot
 * say is said here:
 *
 * - The scope.  With booking.user_id set, the caller acts for that customer:
 *	 books for nobody else, and finds no other's appointment.  With
 *	 booking.shop_id set, it acts for that shop in the same way, if it is
 *	 staff.  Both are set: for the customer.  Neither is: for everybody,
 *	 unless row security is on for appointments and binds the caller; then it
 *	 must say.
 * - Customers of a shop.  For a shop, staff book for its own customers only:
 *	 users with an appointment there that is neither a hold nor expired, and
 *	 users whose address its staff has passed to ensure_user().  A place on the
 *	 waitlist makes nobody a customer: knowing an id would be enough to get one.
 * - The shop's word.  To override the shop's rules, to cancel in its name, to
 *	 confirm what waits for its confirmation: that is staff's.  Staff is a role
 *	 that may decline an appointment, the shop's "no" (EXECUTE on
 *	 decline_appointment), and does not act for a customer just now.
 *
 * The settings are the front's to set, for each transaction, from whom it has
 * logged in: they hold against a customer who calls through the front, not
 * against the front.  The policies of enable_row_security() say the same about
 * reading and writing the tables.
 *
 * Another's appointment is not_found, as one that does not exist, so that ids
 * tell nothing.  So is, for a shop, a user who is not its customer.  A customer
 * who passes another's user id gets 42501, whether that user exists or not.
 *
 * All of it is asked before anything is locked or written, and of the caller:
 * what follows from a call, such as serving the waitlist, is the shop's doing.
 * A trigger of the user's that calls us is under the settings too, unless its
 * function has SET booking.user_id = ''.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "booking.h"
#include "compat.h"

/* ---- the scope ---- */

/*
 * Whether the caller's role may speak for a shop.
 */
static bool
is_staff(void)
{
	const Oid	argtypes[] = {INT8OID, TEXTOID, INT4OID};
	List	   *name = list_make2(makeString(BOOKING_SCHEMA),
								  makeString("decline_appointment"));
	Oid			decline = LookupFuncName(name, lengthof(argtypes), argtypes,
										 true);

	return OidIsValid(decline) && booking_may_execute(decline);
}

/*
 * Whether the tables' row security binds the caller, so that it has to say for
 * whom it acts.
 */
static bool
is_bound(void)
{
	return check_enable_rls(catalog_table_id(APPOINTMENTS), InvalidOid,
							true) == RLS_ENABLED;
}

static void
refuse_unnamed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the caller does not say for whom it acts"),
			 errdetail("Row security is on for the booking tables, and neither booking.user_id nor booking.shop_id is set."),
			 errhint("SET LOCAL booking.user_id to the customer who is logged in, or, as staff, booking.shop_id.")));
}

/*
 * Whether the caller may read all rows of the appointments table, and so may be
 * told which of them is broken.
 */
bool
may_read_appointments(void)
{
	return pg_class_aclcheck(catalog_table_id(APPOINTMENTS), GetUserId(),
							 ACL_SELECT) == ACLCHECK_OK && !is_bound();
}

/*
 * For whom the caller acts.
 */
void
find_scope(Scope *scope)
{
	scope->is_customer = booking_user_id(&scope->user_id);
	scope->is_shop = booking_shop_id(&scope->shop_id) && !scope->is_customer;
	if (scope->is_shop)
		require_staff("act for a shop");
	else if (!scope->is_customer && is_bound())
		refuse_unnamed();
}

/*
 * The scope as two parameters of a query, (user_id, shop_id), of which NULL
 * binds nothing.
 */
void
scope_parameters(const Scope *scope, Datum *values, char *nulls)
{
	values[0] = Int64GetDatum(scope->user_id);
	values[1] = Int64GetDatum(scope->shop_id);
	nulls[0] = scope->is_customer ? ' ' : 'n';
	nulls[1] = scope->is_shop ? ' ' : 'n';
}

/*
 * Refuses to tell where an appointment could move to, to a role that may not
 * move it there.
 */
void
require_mover(void)
{
	const Oid	argtypes[] = {
		INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, TEXTARRAYOID,
		BOOLOID
	};
	List	   *name = list_make2(makeString(BOOKING_SCHEMA),
								  makeString("reschedule_appointment"));
	Oid			reschedule = LookupFuncName(name, lengthof(argtypes),
											argtypes, true);

	if (OidIsValid(reschedule) && booking_may_execute(reschedule))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to ask where an appointment could move to"),
			 errdetail("Role \"%s\" may not execute %s.reschedule_appointment.",
					   GetUserNameFromId(GetUserId(), false), BOOKING_SCHEMA),
			 errhint("SELECT %s.grant_role(role, 'front') lets a role move appointments.",
					 BOOKING_SCHEMA)));
}

/* ---- what is asked for ---- */

static void
refuse_outside(const char *what, int64 id, const char *setting, int64 own)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for %s " INT64_FORMAT, what, id),
			 errdetail("The caller acts for %s " INT64_FORMAT ".", what, own),
			 errhint("Ask for that %s's own, or set %s to whom the call is for.",
					 what, setting)));
}

/*
 * Refuses a user who is not the customer that the caller acts for.
 */
void
require_own_user(const Scope *scope, int64 user_id)
{
	if (scope->is_customer && user_id != scope->user_id)
		refuse_outside("user", user_id, "booking.user_id", scope->user_id);
}

static void
require_own_shop(const Scope *scope, int64 shop_id)
{
	if (scope->is_shop && shop_id != scope->shop_id)
		refuse_outside("shop", shop_id, "booking.shop_id", scope->shop_id);
}

/*
 * Refuses a service of a shop that the caller does not act for.  That it is
 * not there is for others to say.
 */
void
require_own_service(const Scope *scope, int64 service_id)
{
	Service    *service = scope->is_shop ?
		schedule_service(schedule_begin(), service_id) : NULL;

	if (service != NULL)
		require_own_shop(scope, service->shop_id);
}

/*
 * Refuses a request to book for somebody else, or in another shop; a walk-in
 * is the shop's to book.
 */
void
require_own_booking(bool is_walk_in, int64 user_id, int64 service_id)
{
	Scope		scope;

	if (is_walk_in)
		require_no_customer("book without a user");
	find_scope(&scope);
	require_own_user(&scope, user_id);
	require_own_service(&scope, service_id);
}

/*
 * Refuses a view that is staff's, or not of their shop.
 */
void
require_shop_view(int64 shop_id)
{
	Scope		scope;

	require_no_customer("see a shop's appointments");
	find_scope(&scope);
	require_own_shop(&scope, shop_id);
}

/* ---- whom a shop knows ---- */

/*
 * The rule is that of the policies of users.  The shop's barbers are looked up
 * first, whether or not the user has appointments: otherwise the time of the
 * query would tell that he has one somewhere.  The caller's search_path may be
 * anything.
 */
static OwnerQuery known_query = {
	.sql = "WITH shop AS MATERIALIZED (SELECT ARRAY(SELECT b.id"
	" FROM booking.barbers b WHERE b.shop_id" EQUALS "$1) AS barber_ids)"
	" SELECT FROM shop WHERE EXISTS (SELECT FROM booking.shop_customers c"
	" WHERE c.shop_id" EQUALS "$1 AND c.user_id" EQUALS "$2)"
	" OR EXISTS (SELECT FROM booking.appointments a WHERE a.user_id" EQUALS
	"$2 AND a.status OPERATOR(pg_catalog.<>) 'expired'"
	" AND (a.hold_expires_at IS NULL OR a.is_request)"
	" AND a.barber_id" EQUALS "ANY (shop.barber_ids))",
	.nargs = 2,
	.argtypes = {INT8OID, INT8OID}
};

/*
 * Whether the caller acts for a shop and the user is not its customer.  Then the
 * caller must not learn whether the user exists: this runs the same query in
 * both cases, and comes before any other check of the user.
 */
bool
is_hidden_user(bool is_walk_in, int64 user_id, Snapshot snapshot)
{
	Datum		values[2];
	Scope		scope;
	bool		is_known;

	if (is_walk_in || !booking_shop_id(&scope.shop_id) ||
		booking_user_id(&scope.user_id))
		return false;
	values[0] = Int64GetDatum(scope.shop_id);
	values[1] = Int64GetDatum(user_id);
	PushActiveSnapshot(snapshot);
	SPI_connect();
	is_known = run_owner_query(&known_query, values, NULL, true) > 0;
	SPI_finish();
	PopActiveSnapshot();
	return !is_known;
}

static void
note_shop(HeapTuple row, TupleDesc desc, void *state)
{
	bool		isnull;

	*(int64 *) state = DatumGetInt64(row_value(row, desc, BARBERS,
											   BARBER_SHOP_ID, &isnull));
}

/*
 * The shop in which a barber works; false: there is no such barber.
 */
bool
find_barber_shop(int64 barber_id, int64 *shop_id)
{
	return scan_rows_by_key(BARBERS, barber_id, GetActiveSnapshot(),
							note_shop, shop_id) > 0;
}

/*
 * Whether an appointment with that barber is the shop's that the caller acts
 * for, if it acts for one.
 */
bool
is_in_scope(int64 barber_id)
{
	Scope		scope;
	int64		shop_id;

	find_scope(&scope);
	return !scope.is_shop ||
		(find_barber_shop(barber_id, &shop_id) && shop_id == scope.shop_id);
}

/* ---- the shop's word ---- */

/*
 * Whether the caller is staff, and does not act for a customer just now.
 */
bool
speaks_for_shop(void)
{
	int64		user_id;

	return !booking_user_id(&user_id) && is_staff();
}

/*
 * Refuses to do what no customer may, while the caller acts for one.
 */
void
require_no_customer(const char *what)
{
	int64		user_id;

	if (booking_user_id(&user_id))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errdetail("The caller acts for user " INT64_FORMAT
						   ", and this is the shop's to do.", user_id),
				 errhint("Staff call without booking.user_id.")));
}

/*
 * Refuses to do what is staff's to anybody else.
 */
void
require_staff(const char *what)
{
	require_no_customer(what);
	if (!is_staff())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errdetail("This is the shop's to do, and role \"%s\" may not execute %s.decline_appointment.",
						   GetUserNameFromId(GetUserId(), false),
						   BOOKING_SCHEMA),
				 errhint("SELECT %s.grant_role(role, 'staff') makes a role staff.",
						 BOOKING_SCHEMA)));
}
