/*-------------------------------------------------------------------------
 *
 * booking.h
 *	  Shared types, and prototypes grouped by the file that defines them.
 *
 * Instants are TimestampTz, lengths of time int64 microseconds (..._us) unless
 * a name says minutes, and intervals half open: [from, until).
 *
 * The files build on each other in the order of this header; but for _PG_init(),
 * none calls into one that stands below it here.  On top of them all are the
 * SQL-callable reads (availability.c, board.c, pages.c), writes (book.c) and
 * triggers (guard_triggers.c).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BOOKING_H
#define BOOKING_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "commands/trigger.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "pgtime.h"
#include "storage/lockdefs.h"
#include "utils/date.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

#define BOOKING_SCHEMA "booking"

/* ---- booking.c: the clock ---- */

extern TimestampTz booking_now(void);

/* ---- reasons.c: why something is refused ---- */

typedef enum Reason
{
	REASON_NONE = 0,
	SLOT_TAKEN,
	OUTSIDE_HOURS,
	NOTICE_TOO_SHORT,
	TOO_FAR_AHEAD,
	OFF_GRID,
	NOT_OFFERED,
	CANCELLATION_WINDOW_CLOSED,
	INVALID_TRANSITION,
	IDEMPOTENCY_CONFLICT,
	NOT_FOUND
} Reason;

typedef struct Refusal
{
	Reason		reason;			/* REASON_NONE: not refused */
	char	   *detail;			/* a whole sentence, palloc'd */
} Refusal;

extern const char *reason_name(Reason reason);
extern bool refuse(Refusal *refusal, Reason reason, const char *detail,...)
			pg_attribute_printf(3, 4);
extern _Noreturn void raise_refusal(const char *action,
									const Refusal *refusal);
extern bool refuse_overlap(Refusal *refusal, int64 barber_id,
						   TimestampTz from, TimestampTz until);
extern _Noreturn void raise_overlap(Relation appointments,
									const Refusal *refusal);
extern char *instant_text(TimestampTz at);

/* ---- arguments.c: bad arguments ---- */

extern void require_argument(FunctionCallInfo fcinfo, int argno,
							 const char *name);
extern void require_finite(TimestampTz at, const char *name);
extern void read_date_range(FunctionCallInfo fcinfo, int from_arg,
							int to_arg, DateADT *from_date,
							DateADT *to_date);

/* ---- array.c: growing arrays ---- */

extern void *grow_array(void *rows, int *capacity, int needed,
						Size row_size);

/* ---- intervals.c: sorted half-open intervals ---- */

typedef struct Span
{
	TimestampTz from;
	TimestampTz until;
} Span;

typedef struct SpanList
{
	Span	   *spans;
	int			count;
	int			capacity;
} SpanList;

extern void spans_add(SpanList *list, TimestampTz from, TimestampTz until);
extern void spans_normalize(SpanList *list);
extern int	spans_first_ending_after(const SpanList *list, TimestampTz at);
extern void spans_subtract(const SpanList *list, const SpanList *hole,
						   SpanList *result);
extern void spans_intersect(const SpanList *list, const SpanList *other,
							SpanList *result);

/* ---- zone.c: local time and instants ---- */

typedef struct Zone
{
	pg_tz	   *tz;
	TimestampTz known_from;		/* where offset_us is known to hold */
	TimestampTz known_until;
	int64		offset_us;		/* east of UTC */
} Zone;

/* The instants in [from, until) whose local date lies in a range */
typedef struct DateWindow
{
	TimestampTz from;
	TimestampTz until;
	bool		check_dates;	/* some may have other dates than these */
	DateADT		from_date;		/* both inclusive */
	DateADT		to_date;
} DateWindow;

extern void zone_init(Zone *zone, pg_tz *tz);
extern int64 zone_offset_us(Zone *zone, TimestampTz at);
extern TimestampTz zone_instant(Zone *zone, int64 local_us);
extern DateADT zone_date(Zone *zone, TimestampTz at);
extern void zone_date_spans(Zone *zone, DateADT from_date, DateADT to_date,
							SpanList *spans);
extern void zone_window(Zone *zone, DateADT from_date, DateADT to_date,
						DateWindow *window);

/* ---- catalog.c: our tables, columns and indexes ---- */

typedef enum TableId
{
	SHOPS, BARBERS, SERVICES, BARBER_SERVICES, WORKING_HOURS,
	SCHEDULE_OVERRIDES, TIME_OFF,
	CONFIGURATION_TABLES,		/* those above are cached by schedule.c */
	USERS = CONFIGURATION_TABLES,
	APPOINTMENTS,
	TABLE_COUNT
} TableId;

/* Columns of each table, in the order of catalog.c's list of names */
enum
{
	SHOP_ID, SHOP_TIME_ZONE, SHOP_SLOT_INTERVAL, SHOP_SLOT_ANCHOR,
	SHOP_MIN_NOTICE, SHOP_MAX_ADVANCE_DAYS, SHOP_CANCELLATION_WINDOW,
	SHOP_IS_ACTIVE
};
enum
{
	BARBER_ID, BARBER_SHOP_ID, BARBER_IS_ACTIVE
};
enum
{
	SERVICE_ID, SERVICE_SHOP_ID, SERVICE_NAME, SERVICE_DURATION,
	SERVICE_BUFFER_BEFORE, SERVICE_BUFFER_AFTER, SERVICE_SLOT_INTERVAL,
	SERVICE_MIN_NOTICE, SERVICE_REQUIRES_CONFIRMATION, SERVICE_PRICE,
	SERVICE_IS_ACTIVE
};
enum
{
	OFFER_BARBER_ID, OFFER_SERVICE_ID, OFFER_DURATION, OFFER_PRICE
};
enum
{
	HOURS_BARBER_ID, HOURS_WEEKDAY, HOURS_OPENS, HOURS_CLOSES,
	HOURS_VALID_FROM, HOURS_VALID_UNTIL
};
enum
{
	OVERRIDE_BARBER_ID, OVERRIDE_SHOP_ID, OVERRIDE_DATE, OVERRIDE_OPENS,
	OVERRIDE_CLOSES
};
enum
{
	OFF_BARBER_ID, OFF_SHOP_ID, OFF_STARTS_AT, OFF_ENDS_AT
};
enum
{
	USER_ID, USER_IS_ACTIVE, USER_EMAIL, USER_NAME, USER_PHONE
};
enum
{
	APPT_ID, APPT_BARBER_ID, APPT_SERVICE_ID, APPT_USER_ID, APPT_STARTS_AT,
	APPT_ENDS_AT, APPT_BUSY_FROM, APPT_BUSY_UNTIL, APPT_STATUS,
	APPT_HOLD_EXPIRES_AT, APPT_PRICE, APPT_IDEMPOTENCY_KEY, APPT_VISIT_ID,
	APPT_VERSION, APPT_NOTES, APPT_CREATED_AT, APPT_UPDATED_AT,
	APPT_CANCELLED_AT, APPT_CANCEL_REASON
};
#define MAX_TABLE_COLUMNS 19

typedef enum IndexId
{
	BARBER_SERVICES_SERVICE_INDEX, WORKING_HOURS_BARBER_INDEX,
	OVERRIDES_BARBER_INDEX, OVERRIDES_SHOP_INDEX,
	TIME_OFF_BARBER_INDEX, TIME_OFF_SHOP_INDEX,
	AVAILABILITY_INDEX, BARBER_DATE_INDEX, IDEMPOTENCY_INDEX,
	INDEX_COUNT
} IndexId;

typedef void (*RowCallback) (HeapTuple row, TupleDesc desc, void *state);

extern void catalog_init(void);
extern uint64 catalog_configuration_generation(void);
extern Relation catalog_open(TableId table, LOCKMODE lockmode);
extern Relation catalog_open_index(IndexId index, LOCKMODE lockmode);
extern AttrNumber catalog_column(TableId table, int column);
extern int64 catalog_next_appointment_id(void);
extern bool catalog_is_table(Relation rel, TableId table);
extern void catalog_check_trigger(FunctionCallInfo fcinfo, TableId first,
								  TableId last, TriggerEvent shape,
								  const char *function);
extern Datum row_value(HeapTuple row, TupleDesc desc, TableId table,
					   int column, bool *isnull);
extern int	scan_rows(TableId table, int column, int64 key, IndexId index,
					  Snapshot snapshot, RowCallback callback, void *state);
extern int	scan_rows_by_key(TableId table, int64 value, Snapshot snapshot,
							 RowCallback callback, void *state);

/* ---- schedule.c: the configuration, compiled ---- */

typedef enum SlotAnchor
{
	ANCHOR_OPENING, ANCHOR_CLOCK, ANCHOR_PACKED
} SlotAnchor;

typedef struct HoursRow
{
	int			weekday;		/* ISO: Monday is 1 */
	DateADT		valid_from;		/* both inclusive */
	DateADT		valid_until;
	TimeADT		opens;
	TimeADT		closes;			/* less than opens: on the next day */
} HoursRow;

typedef struct OverrideRow
{
	DateADT		on_date;
	bool		is_closed;
	TimeADT		opens;
	TimeADT		closes;
} OverrideRow;

typedef struct Overrides
{
	OverrideRow *rows;			/* by on_date */
	int			count;
} Overrides;

typedef struct Shop
{
	int64		id;				/* hash key */
	bool		is_active;
	Zone		zone;
	SlotAnchor	anchor;
	int			slot_interval_minutes;
	int			min_notice_minutes;
	int			max_advance_days;
	Overrides	overrides;
	SpanList	time_off;
} Shop;

/* A row of barber_services, as one barber's list has it */
typedef struct OfferRow
{
	int64		service_id;
	int			duration_minutes;	/* 0: the service's */
	int64		price_cents;	/* -1: the service's */
} OfferRow;

typedef struct Barber
{
	int64		id;				/* hash key */
	bool		is_active;
	Shop	   *shop;
	HoursRow   *hours;
	int			hours_count;
	Overrides	overrides;
	SpanList	time_off;		/* the shop's too; sorted and disjoint */
	OfferRow   *offers;
	int			offer_count;
} Barber;

typedef struct Service
{
	int64		id;				/* hash key */
	int64		shop_id;
	bool		is_active;
	bool		requires_confirmation;
	int			duration_minutes;
	int			buffer_before_minutes;
	int			buffer_after_minutes;
	int			slot_interval_minutes;	/* 0: the shop's */
	int			min_notice_minutes; /* -1: the shop's */
	int64		price_cents;
	int64	   *barber_ids;		/* who has a row in barber_services */
	int			barber_count;
} Service;

typedef struct Schedule Schedule;

extern Schedule *schedule_begin(void);
extern Shop *schedule_shop(Schedule *schedule, int64 shop_id);
extern Barber *schedule_barber(Schedule *schedule, int64 barber_id);
extern Service *schedule_service(Schedule *schedule, int64 service_id);

/* ---- hours.c: when a barber works ---- */

/* Part of an hours piece that time off leaves; the grid starts at anchor */
typedef struct OpenPiece
{
	TimestampTz from;
	TimestampTz until;
	TimestampTz anchor;
} OpenPiece;

typedef struct OpenTime
{
	OpenPiece  *pieces;			/* by date, then start */
	int			piece_count;
	int			piece_capacity;
	SpanList	open;			/* their union: sorted and disjoint */
} OpenTime;

extern void find_open_time(Barber *barber, TimestampTz from,
						   TimestampTz until, OpenTime *open);

/* ---- occupancy.c: what appointments occupy ---- */

typedef enum ProbeResult
{
	PROBE_FREE, PROBE_TAKEN, PROBE_IN_PROGRESS
} ProbeResult;

typedef struct Holder
{
	TransactionId xid;			/* the transaction to wait for */
	uint32		speculative_token;	/* or, if set, its insertion */
} Holder;

typedef struct BusyReader BusyReader;

extern BusyReader *busy_open(void);
extern void busy_read(BusyReader *reader, int64 barber_id, TimestampTz from,
					  TimestampTz until, SpanList *busy);
extern void busy_close(BusyReader *reader);
extern void scan_appointments(int64 barber_id, TimestampTz from,
							  TimestampTz until, RowCallback callback,
							  void *state);
extern ProbeResult probe_overlap(Relation appointments, Relation index,
								 int64 barber_id, TimestampTz from,
								 TimestampTz until, const int64 *except_id,
								 Holder *holder);
extern ProbeResult probe_key(Relation appointments, Relation index,
							 const char *key, TupleTableSlot *found,
							 Holder *holder);

/* ---- slots.c: open time, busy time and rules make slots ---- */

typedef struct SlotRule
{
	SlotAnchor	anchor;
	int64		duration_us;
	int64		buffer_before_us;
	int64		buffer_after_us;
	int64		step_us;
	TimestampTz earliest;		/* now and the notice */
} SlotRule;

typedef struct StartList
{
	TimestampTz *starts;		/* ascending, each once */
	int			count;
	int			capacity;
} StartList;

extern void find_starts(const OpenTime *open, const SpanList *busy,
						const SlotRule *rule, const DateWindow *window,
						Zone *zone, StartList *result);

/* ---- rules.c: one barber's offer of one service ---- */

typedef struct Offer
{
	Barber	   *barber;
	Service    *service;
	SlotRule	rule;
	DateADT		last_date;		/* the horizon */
	int64		price_cents;
} Offer;

extern bool find_offer(Schedule *schedule, int64 barber_id, int64 service_id,
					   Offer *offer, Refusal *refusal);
extern void offer_starts(Offer *offer, BusyReader *reader,
						 const DateWindow *window, StartList *result);
extern bool check_start(Offer *offer, BusyReader *reader,
						TimestampTz starts_at, Refusal *refusal);

/* ---- guard.c: no two live appointments of a barber overlap ---- */

typedef struct Claim
{
	int64		barber_id;
	TimestampTz busy_from;
	TimestampTz busy_until;
	bool		has_id;
	int64		id;				/* the appointment's own: never in its way */
	const char *key;			/* idempotency key, or NULL */
} Claim;

typedef enum ClaimResult
{
	CLAIM_GRANTED, CLAIM_TAKEN, CLAIM_REPEATED, CLAIM_WAITED
} ClaimResult;

extern void guard_init(void);
extern ClaimResult guard_enter(Relation appointments, const Claim *claim,
							   TupleTableSlot *repeated);
extern bool guard_await(Relation appointments, const Claim *claim);
extern bool guard_verify(Relation appointments, const Claim *claim,
						 TransactionId xid);
extern bool guard_covers(const Claim *claim);
extern void guard_name_row(int64 id);
extern void guard_leave(void);
extern bool guard_find_key(Relation appointments, const char *key,
						   TupleTableSlot *found);

/* ---- result.c: sets and rows as results ---- */

typedef struct ResultSet
{
	Tuplestorestate *store;
	TupleDesc	desc;
} ResultSet;

extern void result_begin(FunctionCallInfo fcinfo, ResultSet *result);
extern Datum composite_result(FunctionCallInfo fcinfo, Datum *values,
							  bool *nulls);

/* ---- query.c: SQL run as the tables' owner ---- */

typedef struct OwnerQuery
{
	const char *sql;
	int			nargs;
	Oid			argtypes[4];
	struct _SPI_plan *plan;		/* kept once prepared */
} OwnerQuery;

typedef struct OwnerIdentity
{
	Oid			userid;
	int			sec_context;
} OwnerIdentity;

extern void become_owner(Relation rel, OwnerIdentity *saved);
extern void resign_owner(const OwnerIdentity *saved);
extern int	run_owner_query(OwnerQuery *query, Datum *values,
							const char *nulls, bool read_only);
extern void owner_query_result(FunctionCallInfo fcinfo, OwnerQuery *query,
							   Datum *values, const char *nulls);

#endif							/* BOOKING_H */
