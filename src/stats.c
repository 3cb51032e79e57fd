/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  What the server's booking functions did, counted in shared memory.
 *
 * A function that is counted is defined with MEASURED_FUNCTION(), and runs
 * within stats_measure(): that takes the time, sees an error on its way out,
 * and records the call when it is over.  Measurements nest as the calls do,
 * on the C stack, so nothing is left behind whatever ends a statement.  A
 * function that says no without an error tells stats_outcome().  What a
 * process was killed in is not counted.
 *
 * Nobody takes a lock.  Counters are added to atomically; there is a set of
 * them for every so many processes, so that these seldom wait for each
 * other's cache lines, and the views sum the sets up.  Nothing is derived from
 * two counters that must agree: the calls are the sum of their outcomes.
 *
 * The memory is the server's own where booking was preloaded.  Else it is a
 * named segment that the first who needs it makes, if the server's version
 * has those.  Without memory nothing is counted, and only the views say so:
 * to count is never a reason to fail.  It is one memory for all databases,
 * and starts empty whenever the server does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

#define STRIPES 16				/* sets of counters */

typedef struct OperationCounters
{
	pg_atomic_uint64 outcomes[OUTCOME_COUNT];
	pg_atomic_uint64 rows;
	pg_atomic_uint64 total_ns;
	pg_atomic_uint64 max_ns;
	pg_atomic_uint64 buckets[HISTOGRAM_BUCKETS];
} OperationCounters;

typedef struct Stripe
{
	OperationCounters operations[OPERATION_COUNT];
	pg_atomic_uint64 cache[CACHE_EVENT_COUNT];
} Stripe;

typedef struct SharedStats
{
	pg_atomic_uint64 reset_at;	/* TimestampTz */
	Stripe		stripes[STRIPES];
} SharedStats;

static SharedStats *shared;		/* NULL: not attached */
static const char *no_memory;	/* why it cannot be; NULL: nobody tried */
static bool is_preloaded;

/*
 * A call under way.
 */
typedef struct Measurement
{
	struct Measurement *outer;
	Operation	operation;
	instr_time	started;
	int			outcome;
	int64		rows;
} Measurement;

static Measurement *innermost;

/* Of the cache, until a measurement ends */
static uint64 cache_events[CACHE_EVENT_COUNT];

/* ---- the memory ---- */

/*
 * Makes all counters, in memory that nobody else has.
 */
static void
create_counters(void *memory)
{
	SharedStats *stats = memory;

	pg_atomic_init_u64(&stats->reset_at, (uint64) GetCurrentTimestamp());
	for (int s = 0; s < STRIPES; s++)
	{
		pg_atomic_uint64 *counter = (pg_atomic_uint64 *) &stats->stripes[s];

		for (Size i = 0; i < sizeof(Stripe) / sizeof(*counter); i++)
			pg_atomic_init_u64(&counter[i], 0);
	}
}

static shmem_request_hook_type next_request_hook;
static shmem_startup_hook_type next_startup_hook;

static void
request_memory(void)
{
	if (next_request_hook != NULL)
		next_request_hook();
	RequestAddinShmemSpace(sizeof(SharedStats));
}

static void
start_memory(void)
{
	bool		found;

	if (next_startup_hook != NULL)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("booking statistics", sizeof(SharedStats),
							 &found);
	if (!found)
		create_counters(shared);
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Called when the library is loaded.
 */
void
stats_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	is_preloaded = true;
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_memory;
}

/*
 * Attaches a named segment, whose name tells its size, so that a server that
 * has been given another version of the library gets another segment.
 */
static void
attach_segment(void)
{
	shared = booking_named_memory(psprintf("booking statistics, %zu bytes",
										   sizeof(SharedStats)),
								  sizeof(SharedStats), create_counters);
}

/*
 * The same, in a subtransaction: if there is no memory left, the caller goes
 * on without.
 */
static void
try_to_attach_segment(void)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		attach_segment();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		no_memory = MemoryContextStrdup(TopMemoryContext,
										psprintf("Shared memory could not be had: %s.",
												 error->message));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/*
 * Attaches the memory, if that can be; tries once.  A parallel query, which
 * must not begin a subtransaction, has just made a segment of its own.
 */
static bool
attach(void)
{
	if (shared != NULL)
		return true;
	if (no_memory != NULL || !IsTransactionState())
		return false;
	if (!IsUnderPostmaster)
		no_memory = "The server runs in single-user mode.";
	else if (!BOOKING_HAS_NAMED_MEMORY)
		no_memory = "Before version 17, a server gives shared memory only to "
			"libraries that it loads when it starts.";
	else if (IsInParallelMode())
		attach_segment();
	else
		try_to_attach_segment();
	return shared != NULL;
}

/* ---- recording ---- */

static Stripe *
my_stripe(void)
{
	return &shared->stripes[(uint32) booking_backend_number() % STRIPES];
}

static void
add(pg_atomic_uint64 *counter, uint64 count)
{
	if (count > 0)
		pg_atomic_fetch_add_u64(counter, (int64) count);
}

static void
raise_to(pg_atomic_uint64 *counter, uint64 value)
{
	uint64		known = pg_atomic_read_u64(counter);

	while (known < value &&
		   !pg_atomic_compare_exchange_u64(counter, &known, value))
		;
}

static void
record_cache_events(void)
{
	Stripe	   *stripe = my_stripe();

	for (int i = 0; i < CACHE_EVENT_COUNT; i++)
	{
		add(&stripe->cache[i], cache_events[i]);
		cache_events[i] = 0;
	}
}

static void
begin_measurement(Measurement *measurement, Operation operation)
{
	measurement->outer = innermost;
	measurement->operation = operation;
	measurement->outcome = REASON_NONE;
	measurement->rows = 0;
	innermost = measurement;
	INSTR_TIME_SET_CURRENT(measurement->started);
}

static void
end_measurement(Measurement *measurement, int outcome)
{
	OperationCounters *counters =
		&my_stripe()->operations[measurement->operation];
	instr_time	elapsed;
	uint64		ns;

	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, measurement->started);
	ns = booking_nanoseconds(elapsed);
	innermost = measurement->outer;
	add(&counters->outcomes[outcome], 1);
	add(&counters->rows, measurement->rows);
	add(&counters->total_ns, ns);
	raise_to(&counters->max_ns, ns);
	add(&counters->buckets[histogram_bucket(ns)], 1);
	record_cache_events();
}

/*
 * Whether a call is to be measured.  The setting is asked when none is under
 * way: what is called by a measured call is measured too.
 */
static bool
is_measuring(void)
{
	return innermost != NULL || (booking_is_tracked() && attach());
}

/*
 * Runs body(arg), as a call of the operation.
 */
void
stats_measure(Operation operation, MeasuredBody body, void *arg)
{
	Measurement measurement;

	if (!is_measuring())
	{
		body(arg);
		return;
	}
	begin_measurement(&measurement, operation);
	PG_TRY();
	{
		body(arg);
	}
	PG_CATCH();
	{
		Reason		reason = reason_of_sqlstate(geterrcode());

		measurement.rows = 0;
		end_measurement(&measurement,
						reason == REASON_NONE ? OUTCOME_ERROR : (int) reason);
		PG_RE_THROW();
	}
	PG_END_TRY();
	end_measurement(&measurement, measurement.outcome);
}

/*
 * A call of an SQL function.
 */
typedef struct SqlCall
{
	PGFunction	function;
	FunctionCallInfo fcinfo;
	Datum		result;
} SqlCall;

static int64
count_rows(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	if (rsinfo != NULL && IsA(rsinfo, ReturnSetInfo) &&
		rsinfo->returnMode == SFRM_Materialize && rsinfo->setResult != NULL)
		return tuplestore_tuple_count(rsinfo->setResult);
	return fcinfo->isnull ? 0 : 1;
}

static void
run_call(void *arg)
{
	SqlCall    *call = arg;

	require_row_types();
	call->result = call->function(call->fcinfo);
	if (innermost != NULL)
		innermost->rows = count_rows(call->fcinfo);
}

Datum
stats_call(Operation operation, PGFunction function, FunctionCallInfo fcinfo)
{
	SqlCall		call = {.function = function, .fcinfo = fcinfo};

	stats_measure(operation, run_call, &call);
	return call.result;
}

/*
 * What the call under way came to, if that is no error.
 */
void
stats_outcome(Reason reason)
{
	if (innermost != NULL)
		innermost->outcome = reason;
}

/*
 * Counts what the configuration's cache did.
 */
void
stats_count(CacheEvent event, uint64 count)
{
	if (!is_measuring())
		return;
	cache_events[event] += count;
	if (innermost == NULL)
		record_cache_events();
}

/* ---- reading ---- */

static uint64
sum_counters(Size offset)
{
	uint64		sum = 0;

	for (int s = 0; s < STRIPES; s++)
		sum += pg_atomic_read_u64((pg_atomic_uint64 *)
								  ((char *) &shared->stripes[s] + offset));
	return sum;
}

static void
require_memory(void)
{
	if (attach())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("statistics are not available"),
			 errdetail_internal("%s", no_memory),
			 errhint("Add booking to shared_preload_libraries and restart the server.")));
}

/*
 * What is known of the memory; never fails.
 */
void
stats_read_state(StatsState *state)
{
	state->is_available = attach();
	state->is_preloaded = is_preloaded;
	state->no_memory = no_memory;
	state->reset_at = state->is_available ?
		(TimestampTz) pg_atomic_read_u64(&shared->reset_at) : 0;
}

/*
 * The sums of an operation.
 */
void
stats_read_operation(Operation operation, OperationSums *sums)
{
	Size		start = offsetof(Stripe, operations) +
		operation * sizeof(OperationCounters);

	require_memory();
#define SUM(field) \
	sum_counters(start + offsetof(OperationCounters, field))
	for (int i = 0; i < OUTCOME_COUNT; i++)
		sums->outcomes[i] = SUM(outcomes[i]);
	sums->rows = SUM(rows);
	sums->total_ns = SUM(total_ns);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		sums->buckets[i] = SUM(buckets[i]);
#undef SUM
	sums->max_ns = 0;
	for (int s = 0; s < STRIPES; s++)
	{
		OperationCounters *counters = &shared->stripes[s].operations[operation];

		sums->max_ns = Max(sums->max_ns,
						   pg_atomic_read_u64(&counters->max_ns));
	}
}

void
stats_read_cache(uint64 *events)
{
	require_memory();
	for (int i = 0; i < CACHE_EVENT_COUNT; i++)
		events[i] = sum_counters(offsetof(Stripe, cache) +
								 i * sizeof(pg_atomic_uint64));
}

/*
 * Sets all to zero.  A call that ends meanwhile may be counted in part.
 */
void
stats_clear(void)
{
	require_memory();
	for (int s = 0; s < STRIPES; s++)
	{
		pg_atomic_uint64 *counter =
			(pg_atomic_uint64 *) &shared->stripes[s];

		for (Size i = 0; i < sizeof(Stripe) / sizeof(*counter); i++)
			pg_atomic_write_u64(&counter[i], 0);
	}
	pg_atomic_write_u64(&shared->reset_at, (uint64) GetCurrentTimestamp());
}
