/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Our tables, columns and indexes, as OIDs and attribute numbers.
 *
 * The tables are the user's, found by name in schema booking.  They are looked
 * up once per backend; every column that we use is checked to be there with
 * the type we expect, and the indexes to be valid and on the columns we scan
 * by.  The one relation-cache callback of the extension bumps three counters:
 * "catalog_generation" makes us look up again, "configuration_generation"
 * makes schedule.c compile again, "shape_generation" makes target.c build
 * again.  It touches nothing else, as it may be called at any moment, even
 * while we are looking up; so what was looked up is valid only if the counter
 * did not move meanwhile.
 *
 * Reading rows here needs no privilege of the caller: EXECUTE on the calling
 * function is the gate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "booking.h"
#include "compat.h"

typedef struct ColumnName
{
	const char *name;
	Oid			type;
} ColumnName;

typedef struct TableName
{
	const char *name;
	ColumnName	columns[MAX_TABLE_COLUMNS];
} TableName;

static const TableName table_names[TABLE_COUNT] = {
	[SHOPS] = {"shops", {
			{"id", INT8OID}, {"time_zone", TEXTOID},
			{"slot_interval_minutes", INT4OID}, {"slot_anchor", TEXTOID},
			{"min_notice_minutes", INT4OID}, {"max_advance_days", INT4OID},
			{"cancellation_window_minutes", INT4OID},
			{"is_active", BOOLOID}, {"hold_minutes", INT4OID},
			{"waitlist_hold_minutes", INT4OID},
			{"max_active_per_user", INT4OID},
			{"prevent_user_overlap", BOOLOID}, {"assignment", TEXTOID},
	{"waitlist_grace_minutes", INT4OID}}},
	[BARBERS] = {"barbers", {
			{"id", INT8OID}, {"shop_id", INT8OID}, {"is_active", BOOLOID},
	{"priority", INT4OID}, {"max_per_day", INT4OID}}},
	[SERVICES] = {"services", {
			{"id", INT8OID}, {"shop_id", INT8OID}, {"name", TEXTOID},
			{"duration_minutes", INT4OID}, {"buffer_before_minutes", INT4OID},
			{"buffer_after_minutes", INT4OID},
			{"slot_interval_minutes", INT4OID},
			{"min_notice_minutes", INT4OID},
			{"requires_confirmation", BOOLOID}, {"price_cents", INT8OID},
	{"is_active", BOOLOID}, {"capacity", INT4OID}}},
	[SERVICE_STEPS] = {"service_steps", {
			{"service_id", INT8OID}, {"position", INT4OID},
	{"work_minutes", INT4OID}, {"gap_minutes", INT4OID}}},
	[BARBER_SERVICES] = {"barber_services", {
			{"barber_id", INT8OID}, {"service_id", INT8OID},
	{"duration_minutes", INT4OID}, {"price_cents", INT8OID}}},
	[WORKING_HOURS] = {"working_hours", {
			{"barber_id", INT8OID}, {"weekday", INT4OID}, {"opens", TIMEOID},
			{"closes", TIMEOID}, {"valid_from", DATEOID},
	{"valid_until", DATEOID}}},
	[SCHEDULE_OVERRIDES] = {"schedule_overrides", {
			{"barber_id", INT8OID}, {"shop_id", INT8OID}, {"on_date", DATEOID},
	{"opens", TIMEOID}, {"closes", TIMEOID}}},
	[TIME_OFF] = {"time_off", {
			{"barber_id", INT8OID}, {"shop_id", INT8OID},
	{"starts_at", TIMESTAMPTZOID}, {"ends_at", TIMESTAMPTZOID}}},
	[USERS] = {"users", {
			{"id", INT8OID}, {"is_active", BOOLOID}, {"email", TEXTOID},
	{"name", TEXTOID}, {"phone", TEXTOID}}},
	[APPOINTMENTS] = {"appointments", {
			{"id", INT8OID}, {"barber_id", INT8OID}, {"service_id", INT8OID},
			{"user_id", INT8OID}, {"starts_at", TIMESTAMPTZOID},
			{"ends_at", TIMESTAMPTZOID}, {"busy_from", TIMESTAMPTZOID},
			{"busy_until", TIMESTAMPTZOID}, {"status", TEXTOID},
			{"hold_expires_at", TIMESTAMPTZOID}, {"price_cents", INT8OID},
			{"idempotency_key", TEXTOID}, {"visit_id", INT8OID},
			{"version", INT4OID}, {"notes", TEXTOID},
			{"created_at", TIMESTAMPTZOID}, {"updated_at", TIMESTAMPTZOID},
			{"cancelled_at", TIMESTAMPTZOID}, {"cancel_reason", TEXTOID},
			{"cancelled_by", TEXTOID}, {"part_of", INT8OID},
			{"series_id", INT8OID}, {"guest_name", TEXTOID},
			{"is_assigned", BOOLOID}, {"overrides", TEXTARRAYOID},
	{"request_hash", INT8OID}}},
	[APPOINTMENT_HISTORY] = {"appointment_history", {
			{"id", INT8OID}, {"appointment_id", INT8OID},
			{"version", INT4OID}, {"changed_at", TIMESTAMPTZOID},
			{"changed_by", TEXTOID}, {"db_role", TEXTOID},
	{"from_values", JSONBOID}, {"to_values", JSONBOID}}},
	[WAITLIST] = {"waitlist", {
			{"id", INT8OID}, {"user_id", INT8OID}, {"service_id", INT8OID},
			{"barber_id", INT8OID}, {"earliest", TIMESTAMPTZOID},
			{"latest", TIMESTAMPTZOID}, {"status", TEXTOID},
			{"appointment_id", INT8OID}, {"joined_at", TIMESTAMPTZOID},
	{"served_at", TIMESTAMPTZOID}, {"offer_ends_at", TIMESTAMPTZOID}}},
};

/*
 * Indexes that we scan by hand.  Those of the configuration tables may be
 * missing: their tables are then read through.
 */
typedef struct IndexName
{
	const char *name;
	TableId		table;
	int			column_count;
	int			columns[4];
} IndexName;

static const IndexName index_names[INDEX_COUNT] = {
	[BARBER_SERVICES_SERVICE_INDEX] = {"idx_barber_services_service",
	BARBER_SERVICES, 1, {OFFER_SERVICE_ID}},
	[WORKING_HOURS_BARBER_INDEX] = {"idx_working_hours_barber",
	WORKING_HOURS, 1, {HOURS_BARBER_ID}},
	[OVERRIDES_BARBER_INDEX] = {"idx_schedule_overrides_barber",
	SCHEDULE_OVERRIDES, 1, {OVERRIDE_BARBER_ID}},
	[OVERRIDES_SHOP_INDEX] = {"idx_schedule_overrides_shop",
	SCHEDULE_OVERRIDES, 1, {OVERRIDE_SHOP_ID}},
	[TIME_OFF_BARBER_INDEX] = {"idx_time_off_barber",
	TIME_OFF, 1, {OFF_BARBER_ID}},
	[TIME_OFF_SHOP_INDEX] = {"idx_time_off_shop",
	TIME_OFF, 1, {OFF_SHOP_ID}},
	[AVAILABILITY_INDEX] = {"idx_appointments_availability_check",
		APPOINTMENTS, 4,
		{APPT_BARBER_ID, APPT_BUSY_FROM, APPT_BUSY_UNTIL,
	APPT_HOLD_EXPIRES_AT}},
	[BARBER_DATE_INDEX] = {"idx_appointments_barber_date",
	APPOINTMENTS, 2, {APPT_BARBER_ID, APPT_STARTS_AT}},
	[IDEMPOTENCY_INDEX] = {"idx_appointments_idempotency_key",
	APPOINTMENTS, 1, {APPT_IDEMPOTENCY_KEY}},
	[USER_STATUS_INDEX] = {"idx_appointments_user_status",
	APPOINTMENTS, 2, {APPT_USER_ID, APPT_STATUS}},
};

/*
 * An index that was found.  "since" is valid if indcheckxmin is set: snapshots
 * that do not see that transaction's end may need versions of rows that the
 * index lacks.
 */
typedef struct FoundIndex
{
	Oid			relid;			/* invalid: missing or unfit */
	TransactionId since;
} FoundIndex;

typedef struct TableInfo
{
	Oid			relid;
	FoundIndex	primary_key;	/* index on the first column */
	Oid			id_sequence;	/* of the identity column; invalid: none */
	AttrNumber	columns[MAX_TABLE_COLUMNS];
} TableInfo;

static TableInfo tables[TABLE_COUNT];
static FoundIndex indexes[INDEX_COUNT];

static uint64 catalog_generation = 1;
static uint64 configuration_generation = 1;
static uint64 shape_generation = 1;
static bool frozen = false;
static uint64 known_generation = 0; /* of tables and indexes above */

/*
 * The one relation-cache callback.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	shape_generation++;
	for (int t = 0; t < TABLE_COUNT; t++)
	{
		if (relid == InvalidOid || relid == tables[t].relid)
		{
			catalog_generation++;
			if (t < CONFIGURATION_TABLES)
				configuration_generation++;
		}
	}
	for (int i = 0; i < INDEX_COUNT; i++)
	{
		if (relid == indexes[i].relid)
			catalog_generation++;
	}
}

/*
 * What an expression depends on, besides tables, may have changed.
 */
static void
definition_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	shape_generation++;
}

void
catalog_init(void)
{
	/* functions, domains, what a name means, who may call what */
	const int	caches[] = {
		PROCOID, TYPEOID, NAMESPACEOID, AUTHOID, AUTHMEMROLEMEM
	};

	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	for (int i = 0; i < (int) lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], definition_changed,
									  (Datum) 0);
}

/*
 * Changes whenever what an insert into one of our tables does may have.  A
 * CHECK's function may read any table, so this does not ask which one changed.
 */
uint64
catalog_shape_generation(void)
{
	return shape_generation;
}

static Oid
find_table(TableId table)
{
	const char *name = table_names[table].name;
	Oid			space = get_namespace_oid(BOOKING_SCHEMA, true);
	Oid			relid = InvalidOid;

	if (OidIsValid(space))
		relid = get_relname_relid(name, space);
	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table %s.%s does not exist", BOOKING_SCHEMA, name),
				 errdetail("The booking functions work on ordinary tables."),
				 errhint("SELECT %s.setup() creates the tables that are missing.",
						 BOOKING_SCHEMA)));
	return relid;
}

static Form_pg_attribute
attribute_named(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped &&
			strcmp(NameStr(attribute->attname), name) == 0)
			return attribute;
	}
	return NULL;
}

static AttrNumber
find_column(TableId table, const ColumnName *column, TupleDesc desc)
{
	Form_pg_attribute attribute = attribute_named(desc, column->name);

	if (attribute == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table %s.%s has no column \"%s\"", BOOKING_SCHEMA,
						table_names[table].name, column->name),
				 errdetail("The booking functions need it, of type %s.",
						   format_type_be(column->type)),
				 errhint("%s.schema_parts() shows the tables as they should be.",
						 BOOKING_SCHEMA)));
	if (attribute->atttypid != column->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s.%s is of type %s",
						column->name, BOOKING_SCHEMA, table_names[table].name,
						format_type_be(attribute->atttypid)),
				 errdetail("The booking functions need type %s.",
						   format_type_be(column->type)),
				 errhint("%s.schema_parts() shows the tables as they should be.",
						 BOOKING_SCHEMA)));
	return attribute->attnum;
}

static void
find_columns(TableId table, TableInfo *info, TupleDesc desc)
{
	const ColumnName *columns = table_names[table].columns;

	for (int c = 0; c < MAX_TABLE_COLUMNS && columns[c].name != NULL; c++)
		info->columns[c] = find_column(table, &columns[c], desc);
}

/*
 * Whether a valid index of the table begins with those columns.
 */
static bool
index_fits(Form_pg_index form, const TableInfo *info, const int *columns,
		   int column_count)
{
	bool		fits = form->indrelid == info->relid && form->indisvalid &&
		form->indnatts >= column_count;

	for (int c = 0; fits && c < column_count; c++)
		fits = form->indkey.values[c] == info->columns[columns[c]];
	return fits;
}

/*
 * What is known of an index; no relid if it is missing or does not fit.
 */
static FoundIndex
describe_index(Oid indexid, const TableInfo *info, const int *columns,
			   int column_count)
{
	FoundIndex	found = {InvalidOid, InvalidTransactionId};
	HeapTuple	tuple = NULL;
	Form_pg_index form;

	if (OidIsValid(indexid))
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	if (!HeapTupleIsValid(tuple))
		return found;
	form = (Form_pg_index) GETSTRUCT(tuple);
	if (index_fits(form, info, columns, column_count))
	{
		found.relid = indexid;
		if (form->indcheckxmin)
			found.since = HeapTupleHeaderGetXmin(tuple->t_data);
	}
	ReleaseSysCache(tuple);
	return found;
}

static FoundIndex
find_index(IndexId index)
{
	const IndexName *name = &index_names[index];
	Oid			indexid;

	indexid = get_relname_relid(name->name,
								get_namespace_oid(BOOKING_SCHEMA, false));
	return describe_index(indexid, &tables[name->table], name->columns,
						  name->column_count);
}

/*
 * The primary key's index, if it begins with the first column, and that
 * column's sequence.
 */
static void
find_key(TableInfo *info, Relation rel)
{
	int			first_column = 0;

	info->primary_key = describe_index(booking_primary_key(rel), info,
									   &first_column, 1);
	info->id_sequence = booking_identity_sequence(rel, info->columns[0]);
}

/*
 * While it is frozen, the catalog is used as it was last found, so that nothing
 * is looked up under a lock of the guard's.  The caller holds locks on the
 * tables and indexes that it uses.
 */
void
catalog_freeze(bool is_frozen)
{
	frozen = is_frozen;
}

static void
look_up(void)
{
	uint64		generation = catalog_generation;

	for (int t = 0; t < TABLE_COUNT; t++)
	{
		Oid			relid = find_table(t);
		Relation	rel = table_open(relid, AccessShareLock);

		if (relid != tables[t].relid && t < CONFIGURATION_TABLES)
			configuration_generation++;
		tables[t].relid = relid;
		find_columns(t, &tables[t], RelationGetDescr(rel));
		find_key(&tables[t], rel);
		table_close(rel, AccessShareLock);
	}
	for (int i = 0; i < INDEX_COUNT; i++)
		indexes[i] = find_index(i);
	known_generation = generation;
}

/*
 * Looks everything up again, if anything may have changed, and again if that
 * happens meanwhile, until nothing is found to be other than it was: while
 * caches are discarded (debug_discard_caches) it always happens.  Then the next
 * call looks again.
 */
static void
catalog_refresh(void)
{
	TableInfo	previous_tables[TABLE_COUNT];
	FoundIndex	previous_indexes[INDEX_COUNT];
	bool		settled = false;

	while (!frozen && !settled && known_generation != catalog_generation)
	{
		memcpy(previous_tables, tables, sizeof(tables));
		memcpy(previous_indexes, indexes, sizeof(indexes));
		look_up();
		settled = memcmp(previous_tables, tables, sizeof(tables)) == 0 &&
			memcmp(previous_indexes, indexes, sizeof(indexes)) == 0;
	}
}

/*
 * Changes whenever a configuration table did.  Messages that have arrived are
 * taken in first, so that a statement sees what was committed before it, also
 * in a transaction that already holds all its locks.
 */
uint64
catalog_configuration_generation(void)
{
	AcceptInvalidationMessages();
	catalog_refresh();			/* which finds the tables to be others */
	return configuration_generation;
}

/*
 * One of our tables, as it is known by all messages that have arrived.
 */
Oid
catalog_table_id(TableId table)
{
	AcceptInvalidationMessages();
	catalog_refresh();
	return tables[table].relid;
}

/*
 * Opens one of our tables.  The lock may have had to wait for someone who
 * dropped or altered it, so look again once we have it.
 */
Relation
catalog_open(TableId table, LOCKMODE lockmode)
{
	for (;;)
	{
		Relation	rel;
		Oid			relid;

		CHECK_FOR_INTERRUPTS();
		catalog_refresh();
		relid = tables[table].relid;
		rel = try_relation_open(relid, lockmode);
		if (rel == NULL)
		{
			frozen = false;
			catalog_generation++;
			continue;
		}
		catalog_refresh();
		if (tables[table].relid == relid)
			return rel;
		relation_close(rel, lockmode);
	}
}

/*
 * Refuses to go on with an index that is not as setup() makes it.
 */
void
catalog_raise_unfit(IndexId index)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("index %s.%s is missing, invalid, or not as %s.setup() makes it",
					BOOKING_SCHEMA, index_names[index].name, BOOKING_SCHEMA),
			 errdetail("The booking functions look at appointments through it."),
			 errhint("Drop it if it is there, then SELECT %s.setup().",
					 BOOKING_SCHEMA)));
}

/*
 * Opens one of the indexes of appointments, whose table is open with an equal
 * lock.
 */
Relation
catalog_open_index(IndexId index, LOCKMODE lockmode)
{
	catalog_refresh();
	if (!OidIsValid(indexes[index].relid))
		catalog_raise_unfit(index);
	return index_open(indexes[index].relid, lockmode);
}

/*
 * Whether a snapshot may look through an index.  One that was built while HOT
 * chains were broken (indcheckxmin; README.HOT in the server's source) has only
 * the last version of such a row, under that version's key.  Snapshots that are
 * older than the index may see another.  The planner leaves such an index out
 * until no snapshot of its transaction is older; we ask about this one.
 *
 * All that a build left out was dead to whoever saw its transaction end: it kept
 * writers out, so those that made these versions had ended before.  Its own
 * transaction may have been the writer.
 *
 * Dirty snapshots take no interest in versions that were dead when the index
 * was built: any index serves them.
 */
static bool
found_serves(const FoundIndex *found, Snapshot snapshot)
{
	if (!OidIsValid(found->relid))
		return false;
	return !TransactionIdIsValid(found->since) ||
		!IsMVCCSnapshot(snapshot) ||
		!(TransactionIdIsCurrentTransactionId(found->since) ||
		  XidInMVCCSnapshot(found->since, snapshot));
}

/*
 * The same for one of our indexes: false too if it is missing or unfit.
 */
bool
catalog_index_serves(IndexId index, Snapshot snapshot)
{
	catalog_refresh();
	return found_serves(&indexes[index], snapshot);
}

Oid
catalog_index_id(IndexId index)
{
	return indexes[index].relid;
}

/*
 * Whether an index lets no two rows have one key, be it only for a moment.
 */
bool
catalog_index_is_unique(IndexId index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID,
										ObjectIdGetDatum(indexes[index].relid));
	Form_pg_index form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_index) GETSTRUCT(tuple);
	result = form->indisunique && form->indimmediate && form->indisvalid;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * The attribute number of a column; the table has been opened.
 */
AttrNumber
catalog_column(TableId table, int column)
{
	return tables[table].columns[column];
}

/*
 * A new id for an appointment.
 */
int64
catalog_next_appointment_id(void)
{
	Oid			sequence = tables[APPOINTMENTS].id_sequence;

	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"id\" of table %s.appointments is not an identity column",
						BOOKING_SCHEMA),
				 errdetail("The booking functions take new ids from its sequence."),
				 errhint("ALTER TABLE %s.appointments ALTER id ADD GENERATED BY DEFAULT AS IDENTITY.",
						 BOOKING_SCHEMA)));
	return nextval_internal(sequence, false);
}

bool
catalog_is_table(Relation rel, TableId table)
{
	catalog_refresh();
	return RelationGetRelid(rel) == tables[table].relid;
}

/*
 * Whether a trigger fired as its function expects: level and timing as given,
 * and if it is a row trigger, by INSERT or UPDATE; by UPDATE or DELETE where the
 * shape includes TRIGGER_EVENT_DELETE, by all three where it includes
 * TRIGGER_EVENT_TRUNCATE.
 */
static bool
has_shape(TriggerEvent event, TriggerEvent shape)
{
	const TriggerEvent level_and_timing = TRIGGER_EVENT_ROW |
		TRIGGER_EVENT_TIMINGMASK;
	TriggerEvent unexpected =
		TRIGGER_FIRED_BY_DELETE(shape) ? TRIGGER_EVENT_INSERT :
		TRIGGER_EVENT_DELETE;

	return (event & level_and_timing) == (shape & level_and_timing) &&
		(!TRIGGER_FIRED_FOR_ROW(event) || TRIGGER_FIRED_BY_TRUNCATE(shape) ||
		 (event & TRIGGER_EVENT_OPMASK) != unexpected);
}

/*
 * Refuses a call of a trigger function that is not for one of the tables first
 * to last, or was declared otherwise than setup() does.
 */
void
catalog_check_trigger(FunctionCallInfo fcinfo, TableId first, TableId last,
					  TriggerEvent shape, const char *function)
{
	if (CALLED_AS_TRIGGER(fcinfo))
	{
		TriggerData *trigger = (TriggerData *) fcinfo->context;

		for (int t = first; t <= (int) last; t++)
		{
			if (catalog_is_table(trigger->tg_relation, t) &&
				has_shape(trigger->tg_event, shape))
				return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("%s.%s() is a trigger function of the booking tables",
					BOOKING_SCHEMA, function),
			 errdetail("It can neither be called nor serve another table or kind of trigger."),
			 errhint("%s.setup() creates the triggers.", BOOKING_SCHEMA)));
}

/*
 * A column of a row.
 */
Datum
row_value(HeapTuple row, TupleDesc desc, TableId table, int column,
		  bool *isnull)
{
	return heap_getattr(row, tables[table].columns[column], desc, isnull);
}

/*
 * Calls back for each row of a table whose column has that value, in no
 * particular order; returns how many there were.  An index that does not serve
 * the snapshot is not used.
 */
static int
scan_by_index(TableId table, int column, int64 value, const FoundIndex *index,
			  Snapshot snapshot, RowCallback callback, void *state)
{
	Relation	rel = catalog_open(table, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	row;
	int			count = 0;

	ScanKeyInit(&key, catalog_column(table, column), BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum(value));
	scan = systable_beginscan(rel, index->relid,
							  found_serves(index, snapshot), snapshot,
							  1, &key);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		if (callback != NULL)
			callback(row, RelationGetDescr(rel), state);
		count++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return count;
}

int
scan_rows(TableId table, int column, int64 value, IndexId index,
		  Snapshot snapshot, RowCallback callback, void *state)
{
	catalog_refresh();
	return scan_by_index(table, column, value, &indexes[index],
						 snapshot, callback, state);
}

/*
 * The same by the first column, which is the first of the primary key.
 */
int
scan_rows_by_key(TableId table, int64 value, Snapshot snapshot,
				 RowCallback callback, void *state)
{
	catalog_refresh();
	return scan_by_index(table, 0, value, &tables[table].primary_key,
						 snapshot, callback, state);
}

PG_FUNCTION_INFO_V1(booking_check_tables);

/*
 * check_tables(): looks everything up, for its errors.
 */
Datum
booking_check_tables(PG_FUNCTION_ARGS)
{
	catalog_generation++;
	catalog_refresh();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(booking_configuration_changed);

/*
 * Trigger of the configuration tables: for each statement, and for each row
 * where logical replication writes.  The message reaches every backend, and
 * standbys, at commit; this one at the end of the statement.
 */
Datum
booking_configuration_changed(PG_FUNCTION_ARGS)
{
	TriggerEvent shape = TRIGGER_EVENT_AFTER;

	if (CALLED_AS_TRIGGER(fcinfo) &&
		TRIGGER_FIRED_FOR_ROW(((TriggerData *) fcinfo->context)->tg_event))
		shape |= TRIGGER_EVENT_ROW | TRIGGER_EVENT_TRUNCATE;
	catalog_check_trigger(fcinfo, SHOPS, CONFIGURATION_TABLES - 1, shape,
						  "configuration_changed");
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
