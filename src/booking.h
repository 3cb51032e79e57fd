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
 * SQL-callable reads (availability.c, available_visits.c, board.c, pages.c,
 * policies.c, risk.c, business.c, stats_views.c), writes (book.c, visits.c, series.c,
 * status.c, reschedule.c) and triggers (guard_triggers.c, history.c, steps.c).
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
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "storage/lockdefs.h"
#include "utils/date.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

#include "columns.h"
#include "compat.h"

/* Tells our errors from the server's */
#undef TEXTDOMAIN
#define TEXTDOMAIN PG_TEXTDOMAIN("booking")

#define BOOKING_SCHEMA "booking"

/* The search_path under which code of the owner's runs */
#define SAFE_SEARCH_PATH "pg_catalog, pg_temp"

/* ---- booking.c: the settings ---- */

extern TimestampTz booking_now(void);
extern const char *booking_actor(void);
extern TimestampTz booking_clock(void);
extern bool booking_user_id(int64 *user_id);
extern bool booking_shop_id(int64 *shop_id);
extern bool booking_is_tracked(void);
extern bool booking_leaf_scan(void);
extern Size booking_cache_size(void);
extern int	booking_max_rows(void);

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
	LIMIT_REACHED,
	CANCELLATION_WINDOW_CLOSED,
	HOLD_EXPIRED,
	INVALID_TRANSITION,
	IDEMPOTENCY_CONFLICT,
	VERSION_CONFLICT,
	USER_OVERLAP,
	NOT_WELCOME,
	NOT_FOUND,
	REASON_COUNT
} Reason;

typedef struct Refusal
{
	Reason		reason;			/* REASON_NONE: not refused */
	bool		is_customers;	/* LIMIT_REACHED by what the customer has */
	char	   *detail;			/* palloc'd; NULL: made of what follows */
	int64		barber_id;
	TimestampTz busy_from;
	TimestampTz busy_until;		/* USER_OVERLAP: the customer, if known */
} Refusal;

extern const char *reason_name(Reason reason);
extern Reason reason_of_sqlstate(int sqlstate);
extern bool refuse(Refusal *refusal, Reason reason, const char *detail,...)
			pg_attribute_printf(3, 4);
extern void keep_refusal(Refusal *refusal, MemoryContext context);
extern char *refusal_detail(const Refusal *refusal);
extern _Noreturn void raise_refusal(const char *action,
									const Refusal *refusal);
extern bool refuse_overlap(Refusal *refusal, int64 barber_id,
						   TimestampTz from, TimestampTz until);
extern _Noreturn void raise_booking_refusal(Relation appointments,
										   const Refusal *refusal);
extern char *instant_text(TimestampTz at);

/* ---- arguments.c: bad arguments ---- */

extern void require_argument(FunctionCallInfo fcinfo, int argno,
							 const char *name);
extern void require_finite(TimestampTz at, const char *name);
#define LONGEST_WORD 100		/* bytes of a text that names a choice */
#define LONGEST_TEXT 100000		/* bytes of any other */
extern char *read_text(Datum value, const char *name, int most);
extern char *text_argument(FunctionCallInfo fcinfo, int argno,
						   const char *name, int most);
extern void require_row_count(int64 count);
extern void require_slot_count(int64 count);
extern int	array_argument_count(FunctionCallInfo fcinfo, int argno,
								 int *dimensions);
extern void read_date_range(FunctionCallInfo fcinfo, int from_arg,
							int to_arg, DateADT *from_date,
							DateADT *to_date);

/* ---- characters.c: what nobody sees ---- */

extern void refuse_hidden_characters(const char *argument, const char *value,
									 bool is_name);

/* ---- array.c: growing arrays, and lists of ids ---- */

/* Ids of rows */
typedef struct IdList
{
	const int64 *ids;
	int			count;
} IdList;

extern void *grow_array(void *rows, int *capacity, int needed,
						Size row_size);
extern bool id_is_listed(const IdList *list, int64 id);

/* ---- cache.c: entries, of which the least recently used go first ---- */

typedef struct Cache Cache;

#define MOST_ENTRY_ARRAYS 4

/* What is to become an entry: a struct, and the arrays it points to */
typedef struct CacheDraft
{
	int			kind;
	int64		id;
	void	   *entry;
	Size		size;
	struct
	{
		Size		pointer_at;
		Size		size;
	}			arrays[MOST_ENTRY_ARRAYS];
	int			array_count;
	void	   *support;		/* an entry it points to; or NULL */
} CacheDraft;

/* Names an array that a field of the entry points to */
#define ENTRY_ARRAY(draft, type, field, count, row_type) \
	cache_draft_array((draft), offsetof(type, field), \
					  (count) * sizeof(row_type))

extern void cache_draft_array(CacheDraft *draft, Size pointer_at, Size size);
extern Cache *cache_create(MemoryContext parent);
extern void cache_drop(Cache *cache);
extern void *cache_find(Cache *cache, int kind, int64 id);
extern void *cache_add(Cache *cache, const CacheDraft *draft);
extern Cache *cache_trim(Cache *cache, Size limit, uint64 *count);

/* ---- histogram.c: lengths of time in buckets ---- */

#define HISTOGRAM_FIRST_EXPONENT 8	/* 256 ns */
#define HISTOGRAM_LAST_EXPONENT 42	/* 73 minutes */
#define HISTOGRAM_BUCKETS \
	((HISTOGRAM_LAST_EXPONENT - HISTOGRAM_FIRST_EXPONENT) * 8 + 2)

extern int	histogram_bucket(uint64 ns);
extern double histogram_quantile(const uint64 *counts, double quantile);

/* ---- stats.c: calls, counted in shared memory ---- */

typedef enum Operation
{
	OP_AVAILABLE_SLOTS, OP_NEXT_SLOTS, OP_AVAILABILITY_BY_DAY,
	OP_AVAILABLE_VISITS, OP_FREE_TIME, OP_CHECK_SLOT, OP_ACTIVE_SERVICES,
	OP_ACTIVE_BARBERS, OP_USER_APPOINTMENTS, OP_GET_BARBER_AVAILABILITY,
	OP_APPOINTMENTS_AT_RISK, OP_BUSINESS_METRICS,
	OP_BOOK_SLOT, OP_TRY_BOOK_SLOT, OP_HOLD_SLOT, OP_BOOK_VISIT,
	OP_BOOK_SERIES, OP_CONFIRM_APPOINTMENT, OP_DECLINE_APPOINTMENT,
	OP_CANCEL_APPOINTMENT, OP_RESCHEDULE_APPOINTMENT, OP_CHECK_IN,
	OP_COMPLETE_APPOINTMENT, OP_MARK_NO_SHOW, OP_EXPIRE_HOLDS,
	OP_JOIN_WAITLIST, OP_LEAVE_WAITLIST, OP_ENSURE_USER,
	OP_GUARD_WAIT,				/* for a transaction that has the time */
	OP_GUARD_LOCK_WAIT,			/* for the lock of a barber, key or user */
	OPERATION_COUNT
} Operation;

/* How a call ended: a Reason, or in an error that has none */
#define OUTCOME_ERROR REASON_COUNT
#define OUTCOME_COUNT (REASON_COUNT + 1)

typedef enum CacheEvent
{
	CACHE_HIT, CACHE_MISS, CACHE_INVALIDATION, CACHE_EVICTION,
	CACHE_EVENT_COUNT
} CacheEvent;

typedef struct StatsState
{
	bool		is_available;
	bool		is_preloaded;
	TimestampTz reset_at;
	const char *no_memory;		/* why it is not available */
} StatsState;

typedef struct OperationSums
{
	uint64		outcomes[OUTCOME_COUNT];
	uint64		rows;
	uint64		total_ns;
	uint64		max_ns;
	uint64		buckets[HISTOGRAM_BUCKETS];
} OperationSums;

typedef void (*MeasuredBody) (void *arg);

extern void stats_init(void);
extern void stats_measure(Operation operation, MeasuredBody body, void *arg);
extern Datum stats_call(Operation operation, PGFunction function,
						FunctionCallInfo fcinfo);
extern void stats_outcome(Reason reason);
extern void stats_count(CacheEvent event, uint64 count);
extern void stats_read_state(StatsState *state);
extern void stats_read_operation(Operation operation, OperationSums *sums);
extern void stats_read_cache(uint64 *events);
extern void stats_clear(void);

/* The head of an SQL-callable function whose calls are measured */
#define MEASURED_FUNCTION(name, operation) \
	static Datum name##_unmeasured(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return stats_call((operation), name##_unmeasured, fcinfo); \
	} \
	static Datum \
	name##_unmeasured(PG_FUNCTION_ARGS)

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
extern void spans_append(SpanList *list, TimestampTz from,
						 TimestampTz until);
extern void spans_normalize(SpanList *list);
extern int	spans_first_ending_after(const SpanList *list, TimestampTz at);
extern int	spans_seek(const SpanList *list, int position, TimestampTz at);
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
extern bool zone_has_switch(Zone *zone, TimestampTz from, TimestampTz until);
extern TimestampTz zone_instant(Zone *zone, int64 local_us);
extern DateADT zone_date(Zone *zone, TimestampTz at);
extern DateADT zone_date_until(Zone *zone, TimestampTz at,
							   TimestampTz *until);
extern void zone_date_spans(Zone *zone, DateADT from_date, DateADT to_date,
							SpanList *spans);
extern void zone_window(Zone *zone, DateADT from_date, DateADT to_date,
						DateWindow *window);
extern bool window_has(const DateWindow *window, Zone *zone, TimestampTz at);

/* ---- catalog.c: our tables, columns and indexes ---- */

typedef enum TableId
{
	SHOPS, BARBERS, SERVICES, SERVICE_STEPS, BARBER_SERVICES, WORKING_HOURS,
	SCHEDULE_OVERRIDES, TIME_OFF, BLOCKED_CUSTOMERS,
	CONFIGURATION_TABLES,		/* those above are cached by schedule.c */
	USERS = CONFIGURATION_TABLES,
	SHOP_CUSTOMERS, APPOINTMENTS, APPOINTMENT_HISTORY, WAITLIST,
	TABLE_COUNT
} TableId;

/* Columns of each table */
#define COLUMN_NUMBER(number, name, type, flags) number,
enum
{
	SHOPS_COLUMNS(COLUMN_NUMBER)
};
enum
{
	BARBERS_COLUMNS(COLUMN_NUMBER)
};
enum
{
	SERVICES_COLUMNS(COLUMN_NUMBER)
};
enum
{
	SERVICE_STEPS_COLUMNS(COLUMN_NUMBER)
};
enum
{
	BARBER_SERVICES_COLUMNS(COLUMN_NUMBER)
};
enum
{
	WORKING_HOURS_COLUMNS(COLUMN_NUMBER)
};
enum
{
	SCHEDULE_OVERRIDES_COLUMNS(COLUMN_NUMBER)
};
enum
{
	TIME_OFF_COLUMNS(COLUMN_NUMBER)
};
enum
{
	BLOCKED_CUSTOMERS_COLUMNS(COLUMN_NUMBER)
};
enum
{
	USERS_COLUMNS(COLUMN_NUMBER)
};
enum
{
	SHOP_CUSTOMERS_COLUMNS(COLUMN_NUMBER)
};
enum
{
	APPOINTMENTS_COLUMNS(COLUMN_NUMBER)
	APPT_COLUMNS
};
enum
{
	APPOINTMENT_HISTORY_COLUMNS(COLUMN_NUMBER)
};
enum
{
	WAITLIST_COLUMNS(COLUMN_NUMBER)
};
#define MAX_TABLE_COLUMNS APPT_COLUMNS

typedef enum IndexId
{
	BARBER_SERVICES_SERVICE_INDEX, WORKING_HOURS_BARBER_INDEX,
	OVERRIDES_BARBER_INDEX, OVERRIDES_SHOP_INDEX,
	TIME_OFF_BARBER_INDEX, TIME_OFF_SHOP_INDEX,
	AVAILABILITY_INDEX, BARBER_DATE_INDEX, IDEMPOTENCY_INDEX,
	USER_STATUS_INDEX,
	INDEX_COUNT
} IndexId;

typedef void (*RowCallback) (HeapTuple row, TupleDesc desc, void *state);

extern void catalog_init(void);
extern uint64 catalog_configuration_generation(void);
extern uint64 catalog_shape_generation(void);
extern Oid	catalog_table_id(TableId table);
extern Oid	catalog_owner(uint32 set);
extern char *catalog_deferrable(uint32 set);
extern uint32 catalog_tables_in(const char *sql);
extern void catalog_check(uint32 set);
extern void catalog_check_types(void);
extern Relation catalog_open(TableId table, LOCKMODE lockmode);
extern Relation catalog_open_index(IndexId index, LOCKMODE lockmode);
extern void catalog_freeze(bool is_frozen);
extern Oid	catalog_index_id(IndexId index);
extern bool catalog_index_serves(IndexId index, Snapshot snapshot);
extern _Noreturn void catalog_raise_unfit(IndexId index);
extern _Noreturn void catalog_raise_forbidden(TableId table, int column,
											  const char *value);
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

/* ---- general_scan.c: the availability index, by the server's scan ---- */

typedef struct LeafEntry
{
	Span		busy;
	TimestampTz expires_at;		/* of a hold; DT_NOEND: never */
	ItemPointerData row;
} LeafEntry;

extern bool general_is_possible(Relation index);
extern struct IndexScanDescData *general_begin(Relation appointments,
											   Relation index,
											   Snapshot snapshot,
											   int64 barber_id,
											   TimestampTz after,
											   TimestampTz before);
extern bool general_next(struct IndexScanDescData *scan, LeafEntry *entry);

/* ---- leaves.c: leaf pages of the availability index ---- */

/* Those of a range that one page has, by busy.from */
typedef struct LeafEntries
{
	LeafEntry  *rows;
	int			count;
	int			capacity;
} LeafEntries;

typedef struct LeafScan LeafScan;

extern LeafScan *leaves_open(Relation appointments, Relation index,
							 Snapshot snapshot);
extern const LeafEntries *leaves_first(LeafScan *scan, int64 barber_id,
									   TimestampTz after,
									   TimestampTz before);
extern const LeafEntries *leaves_next(LeafScan *scan);
extern void leaves_release(LeafScan *scan);

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

/* In which order "any barber" tries them */
typedef enum Assignment
{
	ASSIGN_LEAST_BOOKED, ASSIGN_ROUND_ROBIN, ASSIGN_PRIORITY
} Assignment;

typedef struct Shop
{
	int64		id;				/* first, in what schedule.c keeps */
	bool		is_active;
	Zone		zone;
	SlotAnchor	anchor;
	Assignment	assignment;
	int			slot_interval_minutes;
	int			min_notice_minutes;
	int			max_advance_days;
	int			hold_minutes;
	int			waitlist_hold_minutes;
	int			answer_within_minutes;	/* 0: without end */
	int			waitlist_grace_minutes;
	int			max_active_per_user;	/* 0: no limit */
	int			max_pending_per_user;	/* 0: no limit */
	int			max_waiting_per_user;	/* 0: no limit */
	bool		prevent_user_overlap;
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
	int64		id;				/* first, in what schedule.c keeps */
	bool		is_active;
	int			priority;
	int			max_per_day;	/* 0: no limit */
	Shop	   *shop;
	HoursRow   *hours;			/* by weekday */
	int			hours_count;
	int			hours_until[7 + 1]; /* where a weekday's end */
	Overrides	overrides;
	SpanList	time_off;		/* the shop's too; sorted and disjoint */
	OfferRow   *offers;
	int			offer_count;
} Barber;

/* One step's work, in time since the start of the service */
typedef struct Step
{
	int64		starts_us;
	int64		ends_us;
} Step;

typedef struct Service
{
	int64		id;				/* first, in what schedule.c keeps */
	int64		shop_id;
	char	   *name;
	bool		is_active;
	bool		requires_confirmation;
	int			capacity;
	int			duration_minutes;
	int			buffer_before_minutes;
	int			buffer_after_minutes;
	int			slot_interval_minutes;	/* 0: the shop's */
	int			min_notice_minutes; /* -1: the shop's */
	int64		price_cents;
	int64	   *barber_ids;		/* who has a row in barber_services */
	int			barber_count;
	Step	   *steps;			/* by position; none: one piece of work */
	int			step_count;
} Service;

typedef struct Schedule Schedule;

extern Schedule *schedule_begin(void);
extern Shop *schedule_shop(Schedule *schedule, int64 shop_id);
extern Barber *schedule_barber(Schedule *schedule, int64 barber_id);
extern Service *schedule_service(Schedule *schedule, int64 service_id);
extern bool schedule_blocks(Schedule *schedule, int64 shop_id, int64 user_id);

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

/* The live appointments of one barber, service, start and busy time */
typedef struct SeatGroup
{
	TimestampTz starts_at;
	Span		busy;
	int			taken;			/* how many there are */
} SeatGroup;

typedef struct GroupList
{
	SeatGroup	   *groups;			/* by begin of their busy time */
	int			count;
	int			capacity;
} GroupList;

/*
 * An appointment that is to be moved, and the rows that move with it: the parts
 * that have its status, and those of its visit.  Any other row is in the way.
 */
typedef struct Moved
{
	int64		head_id;
	IdList		rows;
} Moved;

/* What busy_read() is to tell apart; its index alone cannot */
typedef struct BusyFilter
{
	const Moved *moved;			/* whose rows are left out; or NULL */
	int64		service_id;		/* whose groups are listed too; or 0 */
	GroupList	groups;
} BusyFilter;

#define LONGEST_BUSY (2 * USECS_PER_DAY)

/* Reads entries of the index, and the rows they stand for */
typedef struct BusyReader
{
	Relation	appointments;
	Relation	index;
	Snapshot	snapshot;
	LeafScan   *leaves;			/* NULL: the index does not serve the snapshot */
	struct IndexFetchTableData *fetch; /* NULL until a row is looked at */
	TupleTableSlot *slot;
	Buffer		vm_buffer;
	BlockNumber visible_block;	/* visible to all, for this page's entries */
	TimestampTz now;
	int			dead_count;		/* rows that nobody can see any more */
} BusyReader;

extern Datum appointment_value(TupleTableSlot *row, int column, bool *isnull);
extern bool status_is_live(const char *status, TimestampTz expires_at);
extern void busy_start(BusyReader *reader, Relation appointments,
					   Relation index, Snapshot snapshot);
extern bool busy_fetch(BusyReader *reader, ItemPointer row, bool *goes_on);
extern void busy_mark_dead(BusyReader *reader, int64 barber_id,
						   TimestampTz after, TimestampTz before);
extern void busy_stop(BusyReader *reader);
extern BusyReader *busy_open(void);
extern void busy_read(BusyReader *reader, int64 barber_id, TimestampTz from,
					  TimestampTz until, BusyFilter *filter, SpanList *busy);
extern void busy_close(BusyReader *reader);
extern void scan_appointments(int64 barber_id, TimestampTz from,
							  TimestampTz until, RowCallback callback,
							  void *state);

/* ---- versions.c: update chains ---- */

extern void versions_init(void);
extern bool version_is_own_dead(const ItemPointerData *entry);
extern bool version_follow(Relation rel, const ItemPointerData *entry,
						   Snapshot dirty, TupleTableSlot *row);
extern bool version_next(Relation rel, TupleTableSlot *version,
						 Snapshot dirty, TupleTableSlot *row);

/* ---- probe.c: dirty looks at rows, committed or in progress ---- */

typedef enum ProbeResult
{
	PROBE_FREE, PROBE_TAKEN, PROBE_IN_PROGRESS
} ProbeResult;

/* Who is still writing a row */
typedef struct Holder
{
	TransactionId xid;			/* to wait for; invalid: look again at once */
	uint32		speculative_token;	/* if set, wait for this insertion only */
	bool		is_deleter;		/* the row goes away when it commits */
} Holder;

/*
 * An idempotency key, and whose it is: a customer's (none: walk-ins') at a
 * shop.  No shop: of a row that no writer of ours has filled in.
 */
typedef struct IdempotencyKey
{
	const char *text;
	bool		has_shop;
	int64		shop_id;
	bool		has_user;
	int64		user_id;
} IdempotencyKey;

/* Whose overlap is looked for */
typedef struct Occupant
{
	int64		barber_id;
	Span		busy;
	IdList		own;			/* rows that are never in its way */
	ItemPointerData stored;		/* its own version, if it is stored */
	const IdempotencyKey *key;	/* its own, if it is in the index; or NULL */
	int64		service_id;		/* with starts_at: whose seats are counted */
	TimestampTz starts_at;
} Occupant;

/* A version of a row that counts towards a number */
typedef struct Counted
{
	int64		id;
	bool		is_committed;
	Holder		holder;			/* if it is not */
} Counted;

typedef struct Tally
{
	Counted    *rows;
	int			count;
	int			capacity;
} Tally;

typedef void (*VersionCallback) (TupleTableSlot *row, ProbeResult state,
								 const Holder *holder, void *arg);

extern Snapshot probe_register_snapshot(void);
extern TransactionId holder_age(const Holder *holder);
extern void tally_row(Tally *tally, int64 id, ProbeResult state,
					  const Holder *holder);
extern ProbeResult tally_result(Tally *tally, int most, Holder *holder);
extern ProbeResult probe_overlap(Relation appointments, Relation index,
								 Snapshot snapshot, const Occupant *occupant,
								 Tally *seats, Holder *holder);
extern ProbeResult probe_key(Relation appointments,
							 const IdempotencyKey *key,
							 TupleTableSlot *found, Holder *holder);
extern void scan_user_versions(Relation appointments, Snapshot snapshot,
							   int64 user_id, VersionCallback callback,
							   void *arg);
extern void scan_barber_versions(Relation appointments, Snapshot snapshot,
								 int64 barber_id, TimestampTz from,
								 TimestampTz until, VersionCallback callback,
								 void *arg);

/* ---- slots.c: open time, busy time and rules make slots ---- */

typedef struct SlotRule
{
	SlotAnchor	anchor;
	int64		duration_us;
	int64		lead_us;		/* of parts that begin before the start */
	int64		buffer_before_us;
	int64		buffer_after_us;
	int64		interval_us;	/* of the grid */
	TimestampTz earliest;		/* now and the notice */
	int			capacity;
	const Step *steps;			/* none: one piece of work */
	int			step_count;
	const struct Part *parts;	/* in place of the steps, with their own */
	int			part_count;		/* buffers, since the start; none: NULL */
} SlotRule;

/* A stretch of work, with its buffers: what becomes an appointment's row */
typedef struct Part
{
	Span		work;
	Span		busy;
} Part;

typedef struct Start
{
	TimestampTz at;
	int			seats_left;
} Start;

typedef struct StartList
{
	Start	   *starts;			/* ascending, each once */
	int			count;
	int			capacity;
} StartList;

extern int	rule_part_count(const SlotRule *rule);
extern void rule_part(const SlotRule *rule, int position,
					  TimestampTz starts_at, Part *part);
extern void block_starts(const SlotRule *rule, SpanList *busy);
extern void add_start(StartList *list, TimestampTz at, int seats_left);
extern void order_starts(StartList *list);
extern bool has_start(const StartList *list, TimestampTz at);
extern void find_starts(const OpenTime *open, const SpanList *blocked,
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

/* What staff may override */
typedef enum Override
{
	OVERRIDE_HOURS = 1 << 0,
	OVERRIDE_NOTICE = 1 << 1,
	OVERRIDE_GRID = 1 << 2,
	OVERRIDE_HORIZON = 1 << 3,
	OVERRIDE_LIMITS = 1 << 4,
	OVERRIDE_WINDOW = 1 << 5
} Override;

/* When an offer can begin: open time less what others occupy */
typedef struct Agenda
{
	OpenTime	open;
	SpanList	blocked;		/* starts that would meet others' busy time */
	GroupList	groups;			/* whom a customer could join */
} Agenda;

/* How many appointments a barber's dates have */
typedef struct DayCounts
{
	Zone	   *zone;
	const Moved *moved;			/* whose own date is open to it; or NULL */
	DateADT		first;
	int			day_count;
	int		   *counts;
} DayCounts;

extern bool check_welcome(Schedule *schedule, int64 shop_id, int64 user_id,
						  Refusal *refusal);
extern bool find_offer(Schedule *schedule, int64 barber_id, int64 service_id,
					   Offer *offer, Refusal *refusal);
extern bool find_usual_rule(Schedule *schedule, int64 barber_id,
							int64 service_id, SlotRule *rule);
extern void read_agenda(Offer *offer, BusyReader *reader,
						const Moved *moved, const DateWindow *window,
						Agenda *agenda);
extern int	agenda_seats_left(const Offer *offer, const Agenda *agenda,
							  TimestampTz starts_at);
extern bool agenda_fits(const Offer *offer, const Agenda *agenda,
						TimestampTz starts_at);
extern void agenda_starts(Offer *offer, const Agenda *agenda,
						  const DateWindow *window, StartList *result);
extern void count_days(const Offer *offer, const Moved *moved,
					   TimestampTz first, TimestampTz last, DayCounts *days);
extern int	days_left(const Offer *offer, const DayCounts *days,
					  TimestampTz at);
extern void offer_window(Offer *offer, DateADT from_date, DateADT to_date,
						 DateWindow *window);
extern void offer_starts(Offer *offer, BusyReader *reader,
						 const Moved *moved, const DateWindow *window,
						 StartList *result);

/* A start that check_start() is asked about */
typedef struct StartCheck
{
	TimestampTz starts_at;
	const Moved *moved;			/* whose rows are not in the way; or NULL */
	int			overrides;
	bool		is_continuation;	/* of a visit: the grid is not asked */
	bool		guard_follows;	/* and judges appointments and limits */
	int			overrides_used; /* what came of it */
} StartCheck;

extern bool check_start(Offer *offer, StartCheck *check, Refusal *refusal);

/* ---- limits.c: how much one customer, or one day, may have ---- */

/* A barber whose rows were met, and whether the limits' shop is its own */
typedef struct KnownBarber
{
	int64		id;
	bool		is_of_shop;
} KnownBarber;

typedef struct KnownBarbers
{
	KnownBarber *rows;
	int			count;
	int			capacity;
} KnownBarbers;

typedef struct Limits
{
	int64		shop_id;
	Zone		zone;			/* the shop's */
	bool		has_user;
	int64		user_id;
	int			max_active;		/* per user; 0: no limit */
	int			need;			/* appointments still to store, this one too */
	int			max_pending;	/* per user; 0: no limit, or it is confirmed */
	int			pending_need;	/* pending ones still to store, this one too */
	bool		prevent_overlap;
	Span		span;			/* when the user is there */
	const Part *parts;			/* of the service */
	int			part_count;
	int64		visit_id;		/* whose other guests may overlap; or 0 */
	const char *guest_name;		/* or NULL: the user */
	IdList		own;			/* rows that do not count */
	int64		barber_id;
	int			max_per_day;	/* per barber; 0: no limit */
	int			others_of_day;	/* of "own", how many that day will have */
	KnownBarbers *known;		/* so that none is read under a lock */
} Limits;

extern bool limits_bind_user(const Limits *limits);
extern bool limits_bind(const Limits *limits);
extern Limits *limits_of_part(const Limits *limits);
extern void limits_of_row(const Limits *asked, bool has_user, int64 user_id,
						  int64 barber_id, Limits *limits);
extern ProbeResult probe_limits(Relation appointments, const Limits *limits,
								bool is_locked, Holder *holder,
								Refusal *refusal);

/* ---- occupation.c: what the guard reads of a row ---- */

typedef enum Status
{
	STATUS_UNKNOWN,				/* the CHECK will refuse it */
	STATUS_PENDING, STATUS_CONFIRMED, STATUS_CHECKED_IN,
	STATUS_COMPLETED, STATUS_CANCELLED, STATUS_NO_SHOW, STATUS_EXPIRED,
	STATUS_COUNT
} Status;

typedef struct Occupation
{
	bool		is_complete;	/* no NULL where NOT NULL will refuse it */
	Status		status;
	int64		id;
	int64		barber_id;
	int64		service_id;
	bool		has_user;
	int64		user_id;
	TimestampTz starts_at;
	Span		busy;
	TimestampTz expires_at;		/* DT_NOEND: never */
} Occupation;

extern const char *status_name(Status status);
extern void read_occupation(TupleTableSlot *row, Occupation *result);
extern bool occupation_is_live(const Occupation *row);
extern bool occupation_needs_look(const Occupation *row,
								  const Occupation *old);
extern void occupation_occupant(const Occupation *row, const IdList *own,
								const IdempotencyKey *key,
								Occupant *occupant);
extern const IdempotencyKey *key_of_row(TupleTableSlot *row);
extern bool is_same_key(const IdempotencyKey *key,
						const IdempotencyKey *other);

/* ---- guard.c: no two live appointments of a barber overlap ---- */

typedef struct Claim
{
	Occupant	occupant;
	int			capacity;		/* of the service; 0: look it up if it matters */
	const IdempotencyKey *key;	/* or NULL */
	const Limits *limits;		/* or NULL */
} Claim;

typedef enum ClaimResult
{
	CLAIM_GRANTED, CLAIM_REFUSED, CLAIM_REPEATED, CLAIM_IN_PROGRESS,
	CLAIM_KEY_IN_USE			/* some unique index has the row's key */
} ClaimResult;

/*
 * A row that one of our functions inserts or moves.  The triggers leave it to
 * that function, or ask what it wants asked.
 */
typedef struct OwnWrite
{
	int64		id;
	const Claim *claim;			/* of a move; NULL: an insert */
	ClaimResult result;			/* what came of a move */
	Holder		holder;
	Refusal		refusal;
	bool		is_settled;		/* an insert: the version at tid was judged */
	ItemPointerData tid;
	int			nest_level;
	struct OwnWrite *outer;
} OwnWrite;

extern void guard_init(void);
extern ClaimResult guard_look(Relation appointments, const Claim *claim,
							  TupleTableSlot *repeated, Holder *holder,
							  Refusal *refusal);
extern ClaimResult guard_enter(Relation appointments, const Claim *claim,
							   bool is_move, TupleTableSlot *repeated,
							   Holder *holder, Refusal *refusal);
extern ClaimResult guard_settle(Relation appointments, const Claim *claim,
								bool is_speculative, Holder *holder,
								Refusal *refusal);
extern void guard_leave(void);
extern void guard_wait(const Holder *holder);
extern ClaimResult guard_find_key(Relation appointments,
								  const IdempotencyKey *key,
								  TupleTableSlot *found, Holder *holder);
extern bool guard_await(Relation appointments, const Claim *claim);
extern bool guard_verify(Relation appointments, const Claim *claim,
						 bool gives_up_time);
extern OwnWrite *guard_begin_write(int64 id, const Claim *claim);
extern OwnWrite *guard_own_write(int64 id);
extern bool guard_has_settled(HeapTuple stored);
extern void guard_end_write(OwnWrite *write);

/* ---- result.c: sets and rows as results ---- */

typedef struct ResultSet
{
	Tuplestorestate *store;
	TupleDesc	desc;
} ResultSet;

extern void require_row_types(void);
extern void result_begin(FunctionCallInfo fcinfo, ResultSet *result);
extern void result_put_fixed(ResultSet *result, const Datum *model_values,
							 const void *rows, Size row_size, int count,
							 Size width);
extern Datum composite_result(FunctionCallInfo fcinfo, Datum *values,
							  bool *nulls);

/* ---- owner.c: as the tables' owner ---- */

#define VALUES_ARE_LOGGED "The server's log has the values."

typedef void (*OwnerBody) (void *arg);

extern void owner_init(void);
extern void run_as_owner(Oid owner, uint32 tables, OwnerBody body, void *arg);
extern void let_owners_code_in(void);

/* ---- query.c: SQL run as the tables' owner ---- */

typedef struct OwnerQuery
{
	const char *sql;
	int			nargs;
	Oid			argtypes[12];
	const char *arbiter;		/* index that ON CONFLICT asks for; or NULL */
	bool		by_index;		/* whatever the statistics say */
	bool		is_answer;		/* no more rows than booking.max_rows */
	struct _SPI_plan *plan;		/* kept once prepared */
	uint32		tables;			/* which of ours it names; set with the plan */
} OwnerQuery;

/* For a query that may be analysed under any search_path */
#define EQUALS " OPERATOR(pg_catalog.=) "

extern int	run_owner_query(OwnerQuery *query, Datum *values,
							const char *nulls, bool read_only);
extern Datum id_array(const IdList *list);
extern Datum owner_query_ids(int count);
extern void owner_query_result(FunctionCallInfo fcinfo, OwnerQuery *query,
							   Datum *values, const char *nulls);

/* ---- access.c: for whom the caller acts ---- */

typedef struct Scope
{
	bool		is_customer;	/* acts for a user, and nobody else */
	int64		user_id;
	bool		is_shop;		/* acts for a shop, and no other */
	int64		shop_id;
} Scope;

extern void find_scope(Scope *scope);
extern void scope_parameters(const Scope *scope, Datum *values, char *nulls);
extern void require_own_user(const Scope *scope, int64 user_id);
extern void require_own_service(const Scope *scope, int64 service_id);
extern void require_own_booking(bool is_walk_in, int64 user_id,
								int64 service_id);
extern bool is_hidden_user(bool is_walk_in, int64 user_id, Snapshot snapshot);
extern bool is_in_scope(int64 barber_id);
extern bool find_barber_shop(int64 barber_id, int64 *shop_id);
extern void require_shop_view(int64 shop_id);
extern void require_no_customer(const char *what);
extern bool speaks_for_shop(void);
extern void require_staff(const char *what);
extern void require_mover(void);
extern bool may_read_appointments(void);

/* ---- request.c: what a caller asks for ---- */

typedef struct Request
{
	int64		barber_id;
	int64		service_id;
	int64		user_id;
	TimestampTz starts_at;
	bool		any_barber;
	bool		is_walk_in;		/* no user */
	bool		is_hidden_user; /* the caller may not know that there is one */
	bool		is_hold;
	int			overrides;
	int64		hold_us;		/* -1: the shop's hold_minutes */
	bool		hold_is_bound;	/* to those minutes at most */
	bool		is_continuation;	/* follows another item: no grid */
	int			follows_count;
	const int64 *follows;		/* barbers for whom it is one all the same */
	const IdempotencyKey *key;	/* or NULL */
	int64		hash;			/* of the whole call, if there is a key */
	int64		visit_id;		/* of the visit it belongs to; or 0 */
	int64		id;				/* for the appointment; 0: a new one */
	int64		series_id;		/* or 0; -1: its own id */
	const char *guest_name;		/* or NULL */
	int			need;			/* appointments still to book, this one too */
	int			pending_to_come;	/* pending ones to book after this one */
} Request;

extern const char *read_key(FunctionCallInfo fcinfo, int argno);
extern int	read_rule_overrides(FunctionCallInfo fcinfo, int argno);
extern Datum overrides_array(int overrides);
extern int64 read_interval(Datum value, const char *name, int64 least_us,
						   int64 most_us);
extern void read_request(FunctionCallInfo fcinfo, int overrides_arg,
						 Request *request);
extern void request_set_key(Request *request, const char *key,
							const char *call, const Request *items,
							int count);
extern bool is_same_request(const Request *request, TupleTableSlot *row,
							Refusal *refusal);

/* ---- references.c: the foreign keys of a new row ---- */

extern FmgrInfo *references_stand_ins(struct ResultRelInfo *target);

/* ---- target.c: what an insert into appointments needs ---- */

typedef struct TargetIndex
{
	Oid			indexid;
	struct IndexInfo *info;
} TargetIndex;

typedef struct InsertTarget
{
	struct EState *estate;
	struct ResultRelInfo *result;
	Oid			relid;
	uint64		generation;
	bool		runs_owners_code;	/* that may look a name up */
	FmgrInfo   *stand_ins;		/* by trigger; fn_oid invalid: none */
	TargetIndex *indexes;
	int			index_count;
} InsertTarget;

extern void target_take(InsertTarget *target, Relation appointments);
extern void target_give_back(InsertTarget *target);

/* ---- store.c: a new row of appointments ---- */

typedef struct Draft
{
	int64		id;
	int64		barber_id;
	int64		service_id;
	bool		is_walk_in;		/* no user */
	int64		user_id;
	Part		part;
	bool		is_pending;
	bool		is_request;		/* pending until the shop answers */
	TimestampTz hold_expires_at;	/* DT_NOEND: never */
	int64		price_cents;
	const IdempotencyKey *key;	/* or NULL */
	int64		request_hash;
	int64		visit_id;		/* or 0 */
	int64		part_of;		/* or 0 */
	int64		series_id;		/* or 0 */
	const char *guest_name;		/* or NULL */
	bool		is_assigned;
	int			overrides_used;
} Draft;

extern ClaimResult store_appointment(Relation appointments,
									 const Draft *draft, const Claim *claim,
									 TupleTableSlot *stored, Holder *holder,
									 Refusal *refusal);

/* ---- assign.c: any barber ---- */

extern int64 *assignment_order(Schedule *schedule, Service *service,
							   TimestampTz starts_at, int *count);

/* ---- attempt.c: stored as a whole, or not at all ---- */

typedef bool (*AttemptBody) (void *arg);

extern bool attempt(AttemptBody body, void *arg);
extern bool attempt_or_warn(AttemptBody body, void *arg, const char *what,
							int64 id);

/* ---- decide.c: rules, guard and store make a booking ---- */

typedef enum Decision
{
	DECIDED_NO, DECIDED_YES, DECIDE_AGAIN	/* once the holder is gone */
} Decision;

extern bool check_user(int64 user_id, bool is_hidden, Refusal *refusal);
extern TimestampTz request_deadline(const Shop *shop, TimestampTz starts_at);
extern void limits_for(const Offer *offer, const Request *request,
					   Limits *limits);
extern bool breaks_limits(Relation appointments, const Limits *limits);
extern Decision decide(Relation appointments, const Request *request,
					   TupleTableSlot *appointment, Refusal *refusal,
					   Holder *holder);
extern bool book(const char *function, const Request *request,
				 Relation appointments, TupleTableSlot *appointment,
				 Refusal *refusal);
extern void appointment_row(TupleTableSlot *row, Datum *values, bool *nulls);
#define APPOINTMENT_ROW_COLUMNS 11

/* ---- change.c: an appointment that is to be changed ---- */

typedef struct Booked
{
	int64		id;				/* of the first part */
	int64		barber_id;
	int64		service_id;
	bool		is_walk_in;
	int64		user_id;
	int64		visit_id;		/* or 0 */
	int64		shop_id;
	int64		price_cents;
	int			version;
	char	   *status;
	TimestampTz starts_at;
	TimestampTz ends_at;		/* of the first part alone */
	TimestampTz hold_expires_at;	/* an offer's: its end; DT_NOEND: never */
	bool		is_request;		/* pending until the shop answers */
	int			window_minutes; /* the shop's cancellation window */
	int64		series_id;		/* or 0 */
	const char *guest_name;		/* or NULL */
	bool		overrides_limits;	/* was booked beyond a limit */
	int64	   *part_ids;		/* of the parts that have its status */
	Part	   *parts;			/* their time */
	int			part_count;
	SpanList	busy;			/* theirs */
} Booked;

extern bool lock_appointment(int64 id, Booked *booked, Refusal *refusal);
extern bool lock_appointment_at_once(int64 id, Booked *booked);
extern bool read_appointment(int64 id, Booked *booked, Refusal *refusal);
extern int64 list_visit(int64 id, bool with_active_snapshot, IdList *list);
extern bool check_version(const Booked *booked, FunctionCallInfo fcinfo,
						  int argno, Refusal *refusal);
extern bool check_window(const Booked *booked, Refusal *refusal);
extern bool check_hold(const Booked *booked, Refusal *refusal);
extern _Noreturn void raise_dropped_row(const char *what);

/* ---- moves.c: what moves with an appointment ---- */

/* An appointment of the visit that moves; alone, if it is of none */
typedef struct MoveItem
{
	Booked		booked;
	int64		barber_id;		/* whose it shall be */
	int64		service_id;
	int64		offset_us;		/* of its start from the named one's */
	bool		is_continuation;	/* begins later than the visit: no grid */
	Offer		offer;			/* there, with the time that it takes */
	bool		becomes_request;	/* the shop has to confirm it again */
	int			overrides_used;
} MoveItem;

typedef struct Move
{
	MoveItem   *items;			/* by id */
	int			count;
	MoveItem   *named;			/* the one that the caller means */
	bool		others_stay;	/* they may not leave their time any more */
	IdList		rows;			/* of all of them */
} Move;

extern bool move_read(int64 id, Move *move, Refusal *refusal);
extern Decision move_lock(int64 id, bool whole_visit, Move *move,
						  int64 *awaited, Refusal *refusal);
extern void move_alone(Move *move);
extern bool move_check_named(Move *move, int overrides, Refusal *refusal);
extern bool move_check_others(Move *move, int overrides, Refusal *refusal);
extern bool move_find_offer(Schedule *schedule, MoveItem *item,
							Refusal *refusal);
extern int	move_companions(const Move *move, const MoveItem *item);
extern bool move_collides(const Move *move);
extern int	move_others_of_day(const Move *move, const MoveItem *item,
							   TimestampTz starts_at);
extern int	move_need(const Move *move, const MoveItem *item);
extern bool move_makes_request(const MoveItem *item, bool keeps_start);
extern bool move_is_pending(const MoveItem *item, bool keeps_start);
extern int	move_pending_need(const Move *move, const MoveItem *item,
							  bool keeps_start);
extern bool move_doubles_guest(const Move *move, const MoveItem *item);

/* ---- available_moves.c: where an appointment fits ---- */

extern void find_starts_of_move(Schedule *schedule, Move *move, Offer *offer,
								BusyReader *reader, const DateWindow *window,
								StartList *result);

/* ---- waitlist.c: offers of what became free ---- */

/* What waitlist_grace_minutes allows at most */
#define LONGEST_GRACE "interval '1440 minutes'"

/* A service that somebody waits for, and when */
typedef struct Wanted
{
	int64		service_id;
	TimestampTz earliest;
	TimestampTz latest;
} Wanted;

/* A customer whom a shop allows no more */
typedef struct FullCustomer
{
	int64		shop_id;
	int64		user_id;
} FullCustomer;

/* What a call that serves may still do, and has found out */
typedef struct Round
{
	MemoryContext context;		/* of what is found out */
	int			work_left;		/* about in entries; may end below 0 */
	int			in_vain;
	FullCustomer *full;
	int			full_count;
	int			full_capacity;
} Round;

extern TimestampTz offer_deadline(int64 appointment_id, bool read_only);
extern bool was_offered(int64 appointment_id);
extern void close_offer(int64 appointment_id);
extern void serve_barber(int64 barber_id, const Wanted *wanted, int count,
						 Round *round);
extern void serve_waitlist(int64 shop_id, int64 barber_id,
						   const SpanList *freed);

#endif							/* BOOKING_H */
