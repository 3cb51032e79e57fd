/*-------------------------------------------------------------------------
 *
 * reasons.c
 *	  Why something is refused: reason codes, their errors, their hints.
 *
 * A rule that says no fills in a Refusal.  check_slot() and try_book_slot()
 * return its name, the other functions raise it.  Details speak of what was
 * asked for, never of another customer's appointment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "booking.h"

typedef struct ReasonInfo
{
	const char *name;
	int			sqlstate;
	const char *hint;
} ReasonInfo;

#define BOOKING_SQLSTATE(c, d, e) MAKE_SQLSTATE('S', 'L', c, d, e)

static const ReasonInfo reasons[] = {
	[SLOT_TAKEN] = {"slot_taken", ERRCODE_EXCLUSION_VIOLATION,
	"Ask available_slots or next_slots for another time."},
	[OUTSIDE_HOURS] = {"outside_hours", BOOKING_SQLSTATE('0', '0', '1'),
	"Ask available_slots or next_slots for a time within the barber's hours."},
	[NOTICE_TOO_SHORT] = {"notice_too_short", BOOKING_SQLSTATE('0', '0', '2'),
	"Choose a later time; next_slots gives the earliest."},
	[TOO_FAR_AHEAD] = {"too_far_ahead", BOOKING_SQLSTATE('0', '0', '3'),
	"Choose an earlier date, or raise the shop's max_advance_days."},
	[OFF_GRID] = {"off_grid", BOOKING_SQLSTATE('0', '0', '4'),
	"Use a starts_at that available_slots returned."},
	[NOT_OFFERED] = {"not_offered", BOOKING_SQLSTATE('0', '0', '5'),
	"active_services and active_barbers list what can be booked."},
	[LIMIT_REACHED] = {"limit_reached", BOOKING_SQLSTATE('0', '0', '6'),
	"Give up another appointment or place in line first, choose another day, or ask the shop."},
	[CANCELLATION_WINDOW_CLOSED] = {"cancellation_window_closed",
		BOOKING_SQLSTATE('0', '0', '7'),
	"Ask the shop to do it."},
	[HOLD_EXPIRED] = {"hold_expired", BOOKING_SQLSTATE('0', '0', '8'),
	"Hold or book the slot again, if it is still available."},
	[INVALID_TRANSITION] = {"invalid_transition",
		BOOKING_SQLSTATE('0', '0', '9'),
	"Read the appointment's present status and decide again."},
	[IDEMPOTENCY_CONFLICT] = {"idempotency_conflict",
		BOOKING_SQLSTATE('0', '1', '0'),
	"Use a new idempotency key for a new request."},
	[VERSION_CONFLICT] = {"version_conflict", BOOKING_SQLSTATE('0', '1', '1'),
	"Read the appointment again and decide anew."},
	[USER_OVERLAP] = {"user_overlap", BOOKING_SQLSTATE('0', '1', '2'),
	"Choose a time at which the customer has no other appointment."},
	[NOT_WELCOME] = {"not_welcome", BOOKING_SQLSTATE('0', '1', '4'),
	"Ask the shop."},
	[NOT_FOUND] = {"not_found", ERRCODE_NO_DATA_FOUND,
	"Check the ids that were passed."},
};

/*
 * The reason's code, as SQL sees it; NULL for REASON_NONE.
 */
const char *
reason_name(Reason reason)
{
	return reason == REASON_NONE ? NULL : reasons[reason].name;
}

/*
 * The reason that an error has, if it is one of ours; else REASON_NONE.
 */
Reason
reason_of_sqlstate(int sqlstate)
{
	for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
	{
		if (reasons[i].sqlstate == sqlstate)
			return i;
	}
	return REASON_NONE;
}

/*
 * Fills in a refusal.  Returns false, so that a rule can return it at once.
 */
bool
refuse(Refusal *refusal, Reason reason, const char *detail,...)
{
	StringInfoData message;
	int			needed;

	initStringInfo(&message);
	do
	{
		va_list		args;

		va_start(args, detail);
		needed = appendStringInfoVA(&message, detail, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&message, needed);
	} while (needed > 0);
	refusal->reason = reason;
	refusal->is_customers = false;
	refusal->detail = message.data;
	refusal->busy_until = DT_NOBEGIN;
	return false;
}

/*
 * Fills in slot_taken, in the same words for every writer.  Where many want one
 * time nearly all are told so, and few want to read it: so the words are not
 * made here.
 */
bool
refuse_overlap(Refusal *refusal, int64 barber_id, TimestampTz from,
			   TimestampTz until)
{
	refusal->reason = SLOT_TAKEN;
	refusal->is_customers = false;
	refusal->detail = NULL;
	refusal->barber_id = barber_id;
	refusal->busy_from = from;
	refusal->busy_until = until;
	return false;
}

/*
 * Copies the words of a refusal, so that it outlives the context it was made in.
 */
void
keep_refusal(Refusal *refusal, MemoryContext context)
{
	if (refusal->detail != NULL)
		refusal->detail = MemoryContextStrdup(context, refusal->detail);
}

/*
 * What was refused and why, in a whole sentence.
 */
char *
refusal_detail(const Refusal *refusal)
{
	if (refusal->detail != NULL)
		return refusal->detail;
	return psprintf("Barber " INT64_FORMAT " is not free from %s to %s.",
					refusal->barber_id, instant_text(refusal->busy_from),
					instant_text(refusal->busy_until));
}

/*
 * Raises a refusal; action says what was refused.
 */
void
raise_refusal(const char *action, const Refusal *refusal)
{
	const ReasonInfo *info = &reasons[refusal->reason];

	ereport(ERROR,
			(errcode(info->sqlstate),
			 errmsg("%s refused: %s", action, info->name),
			 errdetail_internal("%s", refusal_detail(refusal)),
			 errhint("%s", info->hint)));
	pg_unreachable();
}

/*
 * Raises the refusal of a booking: slot_taken with the table, as a
 * constraint's error has it.
 */
void
raise_booking_refusal(Relation appointments, const Refusal *refusal)
{
	if (refusal->reason != SLOT_TAKEN)
		raise_refusal("booking", refusal);
	ereport(ERROR,
			(errcode(ERRCODE_EXCLUSION_VIOLATION),
			 errmsg("booking refused: %s", reasons[SLOT_TAKEN].name),
			 errdetail_internal("%s", refusal_detail(refusal)),
			 errhint("%s", reasons[SLOT_TAKEN].hint),
			 errtableconstraint(appointments, "appointments_no_overlap")));
	pg_unreachable();
}

/*
 * An instant in the session's time zone, palloc'd.
 */
char *
instant_text(TimestampTz at)
{
	return pstrdup(timestamptz_to_str(at));
}
