/*-------------------------------------------------------------------------
 *
 * book.c
 *	  The SQL-callable writes that book one slot.
 *
 * book_slot() and try_book_slot() are one function with two ways to say no;
 * hold_slot() is the first, for a while: at most for the shop's hold_minutes,
 * unless staff ask.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "booking.h"

#define LONGEST_HOLD (7 * USECS_PER_DAY)

/*
 * Books, or raises the refusal.
 */
static Datum
book_or_raise(FunctionCallInfo fcinfo, const char *function,
			  const Request *request)
{
	Relation	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	TupleTableSlot *appointment = table_slot_create(rel, NULL);
	Refusal		refusal;
	Datum		values[APPOINTMENT_ROW_COLUMNS];
	bool		nulls[APPOINTMENT_ROW_COLUMNS];
	Datum		result;

	if (!book(function, request, rel, appointment, &refusal))
		raise_booking_refusal(rel, &refusal);
	appointment_row(appointment, values, nulls);
	result = composite_result(fcinfo, values, nulls);
	ExecDropSingleTupleTableSlot(appointment);
	table_close(rel, NoLock);
	return result;
}

/*
 * book_slot(barber_id, service_id, user_id, starts_at, idempotency_key,
 *			 overrides)
 */
MEASURED_FUNCTION(booking_book_slot, OP_BOOK_SLOT)
{
	Request		request;

	read_request(fcinfo, 5, &request);
	request_set_key(&request, read_key(fcinfo, 4), "book", &request, 1);
	return book_or_raise(fcinfo, "book_slot()", &request);
}

/*
 * hold_slot(barber_id, service_id, user_id, starts_at, hold_for,
 *			 idempotency_key, overrides)
 */
MEASURED_FUNCTION(booking_hold_slot, OP_HOLD_SLOT)
{
	Request		request;

	read_request(fcinfo, 6, &request);
	request.is_hold = true;
	request.hold_us = PG_ARGISNULL(4) ? -1 :
		read_interval(PG_GETARG_DATUM(4), "hold_for", 1, LONGEST_HOLD);
	request.hold_is_bound = !PG_ARGISNULL(4) && !speaks_for_shop();
	request_set_key(&request, read_key(fcinfo, 5),
					psprintf("hold " INT64_FORMAT, request.hold_us),
					&request, 1);
	return book_or_raise(fcinfo, "hold_slot()", &request);
}

/*
 * try_book_slot(barber_id, service_id, user_id, starts_at, idempotency_key,
 *				 overrides)
 */
MEASURED_FUNCTION(booking_try_book_slot, OP_TRY_BOOK_SLOT)
{
	Request		request;
	Refusal		refusal;
	Relation	rel;
	TupleTableSlot *appointment;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	read_request(fcinfo, 5, &request);
	request_set_key(&request, read_key(fcinfo, 4), "book", &request, 1);
	rel = catalog_open(APPOINTMENTS, RowExclusiveLock);
	appointment = table_slot_create(rel, NULL);
	if (book("try_book_slot()", &request, rel, appointment, &refusal))
	{
		values[0] = appointment_value(appointment, APPT_ID, &nulls[0]);
		nulls[1] = true;
	}
	else
	{
		stats_outcome(refusal.reason);
		values[1] = CStringGetTextDatum(reason_name(refusal.reason));
		nulls[0] = true;
	}
	values[0] = composite_result(fcinfo, values, nulls);
	ExecDropSingleTupleTableSlot(appointment);
	table_close(rel, NoLock);
	return values[0];
}
