/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Our tables, columns and indexes, as OIDs and attribute numbers.
 *
 * The tables are the user's, found by name in schema booking.  Each is looked up
 * when it is first needed, once per backend; every column that we use
 * (columns.h) is checked to be as we need it, and its indexes to be valid and as
 * we scan them.  The one relation-cache callback of the extension bumps
 * counters: the table's generation makes us look it up again,
 * "configuration_generation" makes schedule.c compile again, "shape_generation"
 * makes target.c build again.  It touches nothing else, as it may be called at
 * any moment, even while we are looking up; so what was looked up is valid only
 * if the counter did not move meanwhile.
 *
 * Reading rows here needs no privilege of the caller: EXECUTE on the calling
 * function is the gate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "nodes/readfuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "booking.h"
#include "compat.h"

typedef struct ColumnName
{
	const char *name;
	Oid			type;
	int			flags;			/* COLUMN_..., see columns.h */
} ColumnName;

typedef struct TableName
{
	const char *name;
	const ColumnName *columns;
	int			column_count;
} TableName;

#define COLUMN_NAME(number, name, type, flags) {name, type, flags},
#define DEFINE_COLUMNS(array, list) \
	static const ColumnName array[] = {list(COLUMN_NAME)}; \
	StaticAssertDecl(lengthof(array) <= MAX_TABLE_COLUMNS, \
					 "no table has more columns than appointments")

DEFINE_COLUMNS(shops_columns, SHOPS_COLUMNS);
DEFINE_COLUMNS(barbers_columns, BARBERS_COLUMNS);
DEFINE_COLUMNS(services_columns, SERVICES_COLUMNS);
DEFINE_COLUMNS(service_steps_columns, SERVICE_STEPS_COLUMNS);
DEFINE_COLUMNS(barber_services_columns, BARBER_SERVICES_COLUMNS);
DEFINE_COLUMNS(working_hours_columns, WORKING_HOURS_COLUMNS);
DEFINE_COLUMNS(schedule_overrides_columns, SCHEDULE_OVERRIDES_COLUMNS);
DEFINE_COLUMNS(time_off_columns, TIME_OFF_COLUMNS);
DEFINE_COLUMNS(blocked_customers_columns, BLOCKED_CUSTOMERS_COLUMNS);
DEFINE_COLUMNS(users_columns, USERS_COLUMNS);
DEFINE_COLUMNS(shop_customers_columns, SHOP_CUSTOMERS_COLUMNS);
DEFINE_COLUMNS(appointments_columns, APPOINTMENTS_COLUMNS);
DEFINE_COLUMNS(appointment_history_columns, APPOINTMENT_HISTORY_COLUMNS);
DEFINE_COLUMNS(waitlist_columns, WAITLIST_COLUMNS);

#define TABLE_NAME(name) {#name, name##_columns, lengthof(name##_columns)}

static const TableName table_names[TABLE_COUNT] = {
	[SHOPS] = TABLE_NAME(shops),
	[BARBERS] = TABLE_NAME(barbers),
	[SERVICES] = TABLE_NAME(services),
	[SERVICE_STEPS] = TABLE_NAME(service_steps),
	[BARBER_SERVICES] = TABLE_NAME(barber_services),
	[WORKING_HOURS] = TABLE_NAME(working_hours),
	[SCHEDULE_OVERRIDES] = TABLE_NAME(schedule_overrides),
	[TIME_OFF] = TABLE_NAME(time_off),
	[BLOCKED_CUSTOMERS] = TABLE_NAME(blocked_customers),
	[USERS] = TABLE_NAME(users),
	[SHOP_CUSTOMERS] = TABLE_NAME(shop_customers),
	[APPOINTMENTS] = TABLE_NAME(appointments),
	[APPOINTMENT_HISTORY] = TABLE_NAME(appointment_history),
	[WAITLIST] = TABLE_NAME(waitlist),
};

/* Which rows an index has */
typedef enum IndexedRows
{
	EVERY_ROW,
	LIVE_ROWS,					/* status pending, confirmed, or checked_in */
	KEYED_ROWS					/* idempotency_key is not NULL */
} IndexedRows;

/*
 * Indexes that we scan by hand: a btree whose entries begin with these
 * columns, the first "key_count" of which order it as their types do.  Those of
 * the configuration tables may be missing, or other than this: their tables
 * are then read through.
 */
typedef struct IndexName
{
	const char *name;
	TableId		table;
	int			key_count;
	int			column_count;
	int			columns[4];
	IndexedRows rows;
	bool		is_unique;		/* at once, NULLs being equal */
	bool		is_whole_key;	/* there are no more key columns */
} IndexName;

static const IndexName index_names[INDEX_COUNT] = {
	[BARBER_SERVICES_SERVICE_INDEX] = {"idx_barber_services_service",
	BARBER_SERVICES, 1, 1, {OFFER_SERVICE_ID}, EVERY_ROW},
	[WORKING_HOURS_BARBER_INDEX] = {"idx_working_hours_barber",
	WORKING_HOURS, 1, 1, {HOURS_BARBER_ID}, EVERY_ROW},
	[OVERRIDES_BARBER_INDEX] = {"idx_schedule_overrides_barber",
	SCHEDULE_OVERRIDES, 1, 1, {OVERRIDE_BARBER_ID}, EVERY_ROW},
	[OVERRIDES_SHOP_INDEX] = {"idx_schedule_overrides_shop",
	SCHEDULE_OVERRIDES, 1, 1, {OVERRIDE_SHOP_ID}, EVERY_ROW},
	[TIME_OFF_BARBER_INDEX] = {"idx_time_off_barber",
	TIME_OFF, 1, 1, {OFF_BARBER_ID}, EVERY_ROW},
	[TIME_OFF_SHOP_INDEX] = {"idx_time_off_shop",
	TIME_OFF, 1, 1, {OFF_SHOP_ID}, EVERY_ROW},
	[AVAILABILITY_INDEX] = {"idx_appointments_availability_check",
		APPOINTMENTS, 2, 4,
		{APPT_BARBER_ID, APPT_BUSY_FROM, APPT_BUSY_UNTIL,
	APPT_HOLD_EXPIRES_AT}, LIVE_ROWS},
	[BARBER_DATE_INDEX] = {"idx_appointments_barber_date",
	APPOINTMENTS, 2, 2, {APPT_BARBER_ID, APPT_STARTS_AT}, EVERY_ROW},
	[IDEMPOTENCY_INDEX] = {"idx_appointments_idempotency_key",
		APPOINTMENTS, 3, 3,
	{APPT_IDEMPOTENCY_KEY, APPT_KEY_SHOP_ID, APPT_KEY_USER_ID}, KEYED_ROWS,
	true},
	[USER_STATUS_INDEX] = {"idx_appointments_user_status",
	APPOINTMENTS, 2, 2, {APPT_USER_ID, APPT_STATUS}, EVERY_ROW},
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

/*
 * A trigger or constraint that can be deferred, for the error about it.
 */
typedef struct Deferrable
{
	bool		is_known;
	bool		is_trigger;
	NameData	name;
} Deferrable;

typedef struct TableInfo
{
	Oid			relid;
	Oid			owner;
	Oid			id_sequence;	/* of the identity column; invalid: none */
	FoundIndex	primary_key;	/* index on the first column */
	AttrNumber	columns[MAX_TABLE_COLUMNS];
	Deferrable	deferrable;
} TableInfo;

static TableInfo tables[TABLE_COUNT];
static FoundIndex indexes[INDEX_COUNT];

static uint64 table_generations[TABLE_COUNT];	/* from 1 */
static uint64 known_generations[TABLE_COUNT];	/* of the above; 0: unknown */
static uint64 configuration_generation = 1;
static uint64 shape_generation = 1;
static bool frozen = false;

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
			table_generations[t]++;
			if (t < CONFIGURATION_TABLES)
				configuration_generation++;
		}
	}
	for (int i = 0; i < INDEX_COUNT; i++)
	{
		if (relid == indexes[i].relid)
			table_generations[index_names[i].table]++;
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

	for (int t = 0; t < TABLE_COUNT; t++)
		table_generations[t] = 1;
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

/*
 * The table that has the name; invalid: there is none.
 */
static Oid
find_any_table(TableId table)
{
	Oid			space = get_namespace_oid(BOOKING_SCHEMA, true);
	Oid			relid = InvalidOid;

	if (OidIsValid(space))
		relid = get_relname_relid(table_names[table].name, space);
	return OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_RELATION ?
		relid : InvalidOid;
}

static Oid
find_table(TableId table)
{
	const char *name = table_names[table].name;
	Oid			relid = find_any_table(table);

	if (!OidIsValid(relid))
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

static _Noreturn void
raise_missing_column(TableId table, const ColumnName *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("table %s.%s has no column \"%s\"", BOOKING_SCHEMA,
					table_names[table].name, column->name),
			 errdetail("The booking functions need it, of type %s.",
					   format_type_be(column->type)),
			 errhint("%s.schema_parts() shows the tables as they should be.",
					 BOOKING_SCHEMA)));
	pg_unreachable();
}

/*
 * A domain over the type is another type, too.
 */
static void
check_type(TableId table, const ColumnName *column,
		   Form_pg_attribute attribute)
{
	if (attribute->atttypid == column->type)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of table %s.%s is of type %s",
					column->name, BOOKING_SCHEMA, table_names[table].name,
					format_type_be(attribute->atttypid)),
			 errdetail("The booking functions need type %s.",
					   format_type_be(column->type)),
			 errhint("%s.schema_parts() shows the tables as they should be.",
					 BOOKING_SCHEMA)));
}

static void
check_not_null(TableId table, const ColumnName *column, TupleDesc desc,
			   Form_pg_attribute attribute)
{
	if ((column->flags & COLUMN_NEEDED) == 0 ||
		booking_is_not_null(desc, attribute))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("column \"%s\" of table %s.%s may be NULL",
					column->name, BOOKING_SCHEMA, table_names[table].name),
			 errdetail("The booking functions need a value in every row."),
			 errhint("ALTER TABLE %s.%s ALTER %s SET NOT NULL.",
					 BOOKING_SCHEMA, table_names[table].name, column->name)));
}

/*
 * A generated column takes no value from us, and a virtual one has none.
 */
static void
check_not_generated(TableId table, const ColumnName *column,
					Form_pg_attribute attribute)
{
	if (attribute->attgenerated == '\0')
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("column \"%s\" of table %s.%s is a generated column",
					column->name, BOOKING_SCHEMA, table_names[table].name),
			 errdetail("The booking functions need one that stores what is written to it."),
			 errhint("%s.schema_parts() shows the tables as they should be.",
					 BOOKING_SCHEMA)));
}

static void
check_collation(TableId table, const ColumnName *column,
				Form_pg_attribute attribute)
{
	if ((column->flags & COLUMN_EXACT) == 0 ||
		get_collation_isdeterministic(attribute->attcollation))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_COLLATION_MISMATCH),
			 errmsg("column \"%s\" of table %s.%s has a nondeterministic collation",
					column->name, BOOKING_SCHEMA, table_names[table].name),
			 errdetail("The booking functions compare its values byte by byte."),
			 errhint("ALTER TABLE %s.%s ALTER %s TYPE %s COLLATE \"default\".",
					 BOOKING_SCHEMA, table_names[table].name, column->name,
					 format_type_be(column->type))));
}

/*
 * The column of that name, of the type that it needs.
 */
static Form_pg_attribute
find_attribute(TableId table, const ColumnName *column, TupleDesc desc)
{
	Form_pg_attribute attribute = attribute_named(desc, column->name);

	if (attribute == NULL)
		raise_missing_column(table, column);
	check_type(table, column, attribute);
	return attribute;
}

static AttrNumber
find_column(TableId table, const ColumnName *column, TupleDesc desc)
{
	Form_pg_attribute attribute = find_attribute(table, column, desc);

	check_not_null(table, column, desc, attribute);
	check_not_generated(table, column, attribute);
	check_collation(table, column, attribute);
	return attribute->attnum;
}

static void
find_columns(TableId table, TableInfo *info, TupleDesc desc)
{
	const TableName *name = &table_names[table];

	for (int c = 0; c < name->column_count; c++)
		info->columns[c] = find_column(table, &name->columns[c], desc);
}

/*
 * CHECKs of appointments without which its indexes say too little: where a busy
 * time may be longer, an overlap is not looked for far enough back, and an entry
 * tells by its expiry alone whether a row is live.
 */
static const struct
{
	const char *name;
	const char *promise;
	const char *expression;		/* as the server prints it */
}			trusted_checks[] = {
	{"appointments_busy", "no busy time is longer than two days",
	"((busy_from <= starts_at) AND (ends_at <= busy_until)"
	" AND ((busy_until - busy_from) <= '2 days'::interval))"},
	{"appointments_hold", "a live row that is not pending has no hold_expires_at",
	"((hold_expires_at IS NULL) OR (status = ANY"
	" (ARRAY['pending'::text, 'cancelled'::text, 'expired'::text])))"}
};

/*
 * Whether a CHECK says just that.  It is printed with the names and the style of
 * intervals that every session has, whatever the caller's are, and
 * without quotes that are not needed.
 */
static bool
check_says(Relation rel, const ConstrCheck *check, const char *expression)
{
	int			level = NewGUCNestLevel();
	char	   *printed;

	(void) set_config_option("search_path", SAFE_SEARCH_PATH, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("intervalstyle", "postgres", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("quote_all_identifiers", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	printed =
		deparse_expression(stringToNode(check->ccbin),
						   deparse_context_for(RelationGetRelationName(rel),
											   RelationGetRelid(rel)),
						   false, false);
	AtEOXact_GUC(true, level);
	return strcmp(printed, expression) == 0;
}

static bool
has_check(Relation rel, const char *name, const char *expression)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			count = desc->constr != NULL ? desc->constr->num_check : 0;

	for (int i = 0; i < count; i++)
	{
		ConstrCheck *check = &desc->constr->check[i];

		if (strcmp(check->ccname, name) == 0)
			return check->ccvalid && booking_is_enforced(check) &&
				check_says(rel, check, expression);
	}
	return false;
}

static void
require_checks(Relation rel)
{
	for (int c = 0; c < (int) lengthof(trusted_checks); c++)
	{
		const char *name = trusted_checks[c].name;

		if (!has_check(rel, name, trusted_checks[c].expression))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("table %s.appointments has no valid constraint \"%s\"",
							BOOKING_SCHEMA, name),
					 errdetail("The booking functions rely on it: %s.",
							   trusted_checks[c].promise),
					 errhint("Add the CHECK that %s.schema_parts() has, or validate it.",
							 BOOKING_SCHEMA)));
	}
}

/* ---- owner ---- */

static Oid
owner_of_relation(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
require_owner(TableId table, Oid owner, Oid wanted)
{
	const char *name = table_names[table].name;
	const char *wanted_name;

	if (owner == wanted)
		return;
	wanted_name = GetUserNameFromId(wanted, false);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table %s.%s belongs to role \"%s\"", BOOKING_SCHEMA, name,
					GetUserNameFromId(owner, false)),
			 errdetail("Table %s.appointments belongs to role \"%s\", with whose rights the booking functions work; code of another role's must not run with them.",
					   BOOKING_SCHEMA, wanted_name),
			 errhint("ALTER TABLE %s.%s OWNER TO %s.", BOOKING_SCHEMA, name,
					 quote_identifier(wanted_name))));
}

/*
 * Refuses a table of another owner than the appointments'.  While there are no
 * appointments, nothing is done with anybody's rights.
 */
static void
require_common_owner(TableId table, Oid owner)
{
	Oid			appointments = table == APPOINTMENTS ? InvalidOid :
		find_any_table(APPOINTMENTS);

	if (OidIsValid(appointments))
		require_owner(table, owner, owner_of_relation(appointments));
}

/*
 * Whether a trigger may be put off until the transaction ends.
 */
static bool
is_deferrable(const Trigger *trigger)
{
	return trigger->tgdeferrable && trigger->tgenabled != TRIGGER_DISABLED &&
		(TRIGGER_FOR_INSERT(trigger->tgtype) ||
		 TRIGGER_FOR_UPDATE(trigger->tgtype));
}

/*
 * Notes a trigger or constraint that can be deferred, one that is so at first if
 * there is one.
 */
static void
find_deferrable(TableInfo *info, Relation rel)
{
	const TriggerDesc *triggers = rel->trigdesc;
	const Trigger *found = NULL;
	char	   *name;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (is_deferrable(trigger) &&
			(found == NULL || (trigger->tginitdeferred && !found->tginitdeferred)))
			found = trigger;
	}
	memset(&info->deferrable, 0, sizeof(info->deferrable));
	if (found == NULL)
		return;
	info->deferrable.is_trigger = !found->tgisinternal;
	name = get_constraint_name(found->tgconstraint);	/* may free "found" */
	if (name == NULL)
		return;
	info->deferrable.is_known = true;
	namestrcpy(&info->deferrable.name, name);
}

/* ---- indexes ---- */

/*
 * An expression in a tuple of pg_index, as it is stored: to simplify it would
 * run functions of the owner's.  NULL: it has none.
 */
static Node *
stored_predicate(HeapTuple tuple)
{
	bool		isnull;
	Datum		predicate = SysCacheGetAttr(INDEXRELID, tuple,
											Anum_pg_index_indpred, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(predicate));
}

static bool
is_column(Node *node, AttrNumber column)
{
	return IsA(node, Var) && ((Var *) node)->varattno == column;
}

/*
 * Whether an array has these words and no others, in any order.
 */
static bool
lists_words(Node *node, const char *const *words, int count)
{
	List	   *elements;
	ListCell   *cell;
	int			found = 0;

	if (!IsA(node, ArrayExpr))
		return false;
	elements = ((ArrayExpr *) node)->elements;
	foreach(cell, elements)
	{
		Const	   *element = lfirst(cell);

		if (!IsA(element, Const) || element->consttype != TEXTOID ||
			element->constisnull)
			return false;
		for (int w = 0; w < count; w++)
		{
			if (strcmp(TextDatumGetCString(element->constvalue), words[w]) == 0)
				found |= 1 << w;
		}
	}
	return list_length(elements) == count && found == (1 << count) - 1;
}

/*
 * Whether a predicate says: status = ANY (the live ones).
 */
static bool
is_live_predicate(Node *predicate, const AttrNumber *columns)
{
	static const char *const words[] = {"pending", "confirmed", "checked_in"};
	ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) predicate;

	return IsA(predicate, ScalarArrayOpExpr) &&
		any->opno == TextEqualOperator && any->useOr &&
		is_column(linitial(any->args), columns[APPT_STATUS]) &&
		lists_words(lsecond(any->args), words, lengthof(words));
}

static bool
is_not_null_predicate(Node *predicate, AttrNumber column)
{
	NullTest   *test = (NullTest *) predicate;

	return IsA(predicate, NullTest) && test->nulltesttype == IS_NOT_NULL &&
		is_column((Node *) test->arg, column);
}

/*
 * Whether an index has the rows that it is used for, and no others.
 */
static bool
has_rows(HeapTuple tuple, IndexedRows rows, const TableInfo *info)
{
	Node	   *predicate = stored_predicate(tuple);

	switch (rows)
	{
		case EVERY_ROW:
			break;
		case LIVE_ROWS:
			return predicate != NULL &&
				is_live_predicate(predicate, info->columns);
		case KEYED_ROWS:
			return predicate != NULL &&
				is_not_null_predicate(predicate,
									  info->columns[APPT_IDEMPOTENCY_KEY]);
	}
	return predicate == NULL;
}

/*
 * The operator class that orders a column as its type does.
 */
static Oid
usual_operator_class(Oid type)
{
	switch (type)
	{
		case INT8OID:
			return INT8_BTREE_OPS_OID;
		case TIMESTAMPTZOID:
			return TIMESTAMPTZ_BTREE_OPS_OID;
		case TEXTOID:
			return TEXT_BTREE_OPS_OID;
		default:
			return InvalidOid;
	}
}

/*
 * Whether the key columns have their types' order, up or down.
 */
static bool
has_usual_order(HeapTuple tuple, const IndexName *name)
{
	const ColumnName *columns = table_names[name->table].columns;
	bool		isnull;
	oidvector  *classes = (oidvector *)
		DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple,
										Anum_pg_index_indclass, &isnull));
	oidvector  *collations = (oidvector *)
		DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple,
										Anum_pg_index_indcollation, &isnull));

	for (int c = 0; c < name->key_count; c++)
	{
		Oid			type = columns[name->columns[c]].type;

		if (classes->values[c] != usual_operator_class(type))
			return false;
		if (type == TEXTOID &&
			!get_collation_isdeterministic(collations->values[c]))
			return false;
	}
	return true;
}

static bool
is_btree(Oid indexid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Whether an index lets no two rows have the same values in its columns, be it
 * only for a moment.
 */
static bool
keeps_apart(Form_pg_index form, int column_count)
{
	return form->indisunique && form->indimmediate &&
		form->indnullsnotdistinct && form->indnkeyatts == column_count;
}

/*
 * Whether an index of pg_index is a valid one, as its description says.
 */
static bool
index_fits(HeapTuple tuple, const IndexName *name, const TableInfo *info)
{
	Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

	if (form->indrelid != info->relid || !form->indisvalid ||
		(name->is_unique && !keeps_apart(form, name->key_count)) ||
		form->indnkeyatts < name->key_count ||
		form->indnatts < name->column_count ||
		(name->is_whole_key && form->indnkeyatts > name->key_count) ||
		!is_btree(form->indexrelid))
		return false;
	for (int c = 0; c < name->column_count; c++)
	{
		if (form->indkey.values[c] != info->columns[name->columns[c]])
			return false;
	}
	return has_usual_order(tuple, name) && has_rows(tuple, name->rows, info);
}

/*
 * What is known of an index; no relid if it is missing or does not fit.
 */
static FoundIndex
describe_index(Oid indexid, const IndexName *name, const TableInfo *info)
{
	FoundIndex	found = {InvalidOid, InvalidTransactionId};
	HeapTuple	tuple = NULL;

	if (OidIsValid(indexid))
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	if (!HeapTupleIsValid(tuple))
		return found;
	if (index_fits(tuple, name, info))
	{
		found.relid = indexid;
		if (((Form_pg_index) GETSTRUCT(tuple))->indcheckxmin)
			found.since = HeapTupleHeaderGetXmin(tuple->t_data);
	}
	ReleaseSysCache(tuple);
	return found;
}

static void
find_indexes(TableId table)
{
	Oid			space = get_namespace_oid(BOOKING_SCHEMA, false);

	for (int i = 0; i < INDEX_COUNT; i++)
	{
		const IndexName *name = &index_names[i];

		if (name->table == table)
			indexes[i] = describe_index(get_relname_relid(name->name, space),
										name, &tables[table]);
	}
}

/*
 * Whether the rows of a table are told apart by their ids.
 */
static bool
needs_id_key(TableId table)
{
	return table == SHOPS || table == BARBERS || table == SERVICES ||
		table == USERS || table == APPOINTMENTS || table == WAITLIST;
}

static void
raise_no_key(TableId table)
{
	const char *name = table_names[table].name;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("table %s.%s has no primary key on column \"id\"",
					BOOKING_SCHEMA, name),
			 errdetail("The booking functions tell its rows apart by their ids."),
			 errhint("ALTER TABLE %s.%s ADD PRIMARY KEY (id).",
					 BOOKING_SCHEMA, name)));
}

/*
 * The primary key's index, if it begins with the first column, and that
 * column's sequence.
 */
static void
find_key(TableId table, TableInfo *info, Relation rel)
{
	const IndexName name = {
		.table = table,
		.key_count = 1,
		.column_count = 1,
		.is_whole_key = needs_id_key(table)
	};

	info->primary_key = describe_index(booking_primary_key(rel), &name, info);
	if (name.is_whole_key && !OidIsValid(info->primary_key.relid))
		raise_no_key(table);
	info->id_sequence = booking_identity_sequence(rel, info->columns[0]);
}

/* ---- looking up ---- */

/*
 * While it is frozen, what is known of a table is used as it was last found, so
 * that nothing is looked up under a lock of the guard's.  The caller holds locks
 * on the tables and indexes that it uses.
 */
void
catalog_freeze(bool is_frozen)
{
	frozen = is_frozen;
}

/*
 * SQL would read the rows of a child table, for which no trigger of ours fires.
 */
static void
refuse_children(TableId table, Relation rel)
{
	if (!rel->rd_rel->relhassubclass ||
		find_inheritance_children(RelationGetRelid(rel), NoLock) == NIL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("table %s.%s has child tables", BOOKING_SCHEMA,
					table_names[table].name),
			 errdetail("The booking functions work on the rows of the table itself."),
			 errhint("ALTER TABLE the child NO INHERIT %s.%s.", BOOKING_SCHEMA,
					 table_names[table].name)));
}

/*
 * Who owns a parent reads and changes our rows as its own, past row security.
 * A partition's bound would be a rule that we do not know.
 */
static void
refuse_parents(TableId table, Relation rel)
{
	Relation	inherits;
	ScanKeyData key;
	SysScanDesc scan;
	Oid			parent = InvalidOid;
	HeapTuple	tuple;

	inherits = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true,
							  NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	if (!OidIsValid(parent))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("table %s.%s has a parent table", BOOKING_SCHEMA,
					table_names[table].name),
			 errdetail("Who may read or change the parent's rows may read or change the table's."),
			 errhint("ALTER TABLE %s.%s NO INHERIT %s.", BOOKING_SCHEMA,
					 table_names[table].name,
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(parent)),
											 get_rel_name(parent)))));
}

/*
 * Notes the table that has the name before it is locked, so that a message about
 * it which comes with the lock counts.  False: it was dropped meanwhile.
 */
static bool
look_up(TableId table)
{
	uint64		generation = table_generations[table];
	TableInfo  *info = &tables[table];
	Oid			relid = find_table(table);
	Relation	rel;

	info->relid = relid;
	rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL)
		return false;
	info->owner = rel->rd_rel->relowner;
	require_common_owner(table, info->owner);
	refuse_children(table, rel);
	refuse_parents(table, rel);
	find_deferrable(info, rel);
	find_columns(table, info, RelationGetDescr(rel));
	find_key(table, info, rel);
	find_indexes(table);
	if (table == APPOINTMENTS)
		require_checks(rel);
	table_close(rel, AccessShareLock);
	known_generations[table] = generation;
	return true;
}

static bool
is_current(TableId table)
{
	return known_generations[table] == table_generations[table] ||
		(frozen && known_generations[table] != 0);
}

static bool
is_same_table(const TableInfo *a, const TableInfo *b)
{
	return a->relid == b->relid && a->owner == b->owner &&
		a->primary_key.relid == b->primary_key.relid &&
		a->primary_key.since == b->primary_key.since &&
		a->id_sequence == b->id_sequence &&
		memcmp(a->columns, b->columns, sizeof(a->columns)) == 0;
}

/*
 * Looks a table up again, if anything about it may have changed, and again if
 * that happens meanwhile, until nothing is found to be other than it was: while
 * caches are discarded (debug_discard_caches) it always happens.  Then the next
 * call looks again.
 */
static void
look_up_until_settled(TableId table)
{
	TableInfo	previous_table;
	FoundIndex	previous_indexes[INDEX_COUNT];
	bool		settled = false;

	while (!settled && !is_current(table))
	{
		CHECK_FOR_INTERRUPTS();
		memcpy(&previous_table, &tables[table], sizeof(previous_table));
		memcpy(previous_indexes, indexes, sizeof(indexes));
		settled = look_up(table) &&
			is_same_table(&previous_table, &tables[table]) &&
			memcmp(previous_indexes, indexes, sizeof(indexes)) == 0;
	}
}

static inline void
refresh(TableId table)
{
	if (!is_current(table))
		look_up_until_settled(table);
}

/*
 * Changes whenever a configuration table that is known did.  Messages that have
 * arrived are taken in first, so that a statement sees what was committed before
 * it, also in a transaction that already holds all its locks.
 */
uint64
catalog_configuration_generation(void)
{
	AcceptInvalidationMessages();
	return configuration_generation;
}

/*
 * One of our tables, be it as it should be or not.
 */
static Oid
table_id(TableId table)
{
	return is_current(table) ? tables[table].relid : find_table(table);
}

/*
 * The same, as it is named by all messages that have arrived.
 */
Oid
catalog_table_id(TableId table)
{
	AcceptInvalidationMessages();
	return table_id(table);
}

/*
 * The owner of our tables: of the appointments, and of those in the set, which
 * have been checked.
 */
Oid
catalog_owner(uint32 set)
{
	Oid			owner = owner_of_relation(table_id(APPOINTMENTS));

	for (int t = 0; t < TABLE_COUNT; t++)
	{
		if (set & ((uint32) 1 << t))
			require_owner(t, tables[t].owner, owner);
	}
	return owner;
}

/*
 * Names a trigger or constraint of one of these tables that can be deferred, one
 * that has been found; NULL: there is none.  Looks nothing up.
 */
char *
catalog_deferrable(uint32 set)
{
	for (int t = 0; t < TABLE_COUNT; t++)
	{
		const Deferrable *deferrable = &tables[t].deferrable;

		if ((set & ((uint32) 1 << t)) && deferrable->is_known)
			return psprintf("%s \"%s\" of table %s.%s",
							deferrable->is_trigger ? "trigger" : "constraint",
							NameStr(deferrable->name), BOOKING_SCHEMA,
							table_names[t].name);
	}
	return NULL;
}

/*
 * The set of our tables that a query names, for catalog_check().
 */
uint32
catalog_tables_in(const char *sql)
{
	uint32		set = 0;

	StaticAssertStmt(TABLE_COUNT <= 32, "a set of tables is 32 bits wide");
	for (int t = 0; t < TABLE_COUNT; t++)
	{
		char	   *name = psprintf("%s.%s", BOOKING_SCHEMA,
									table_names[t].name);

		for (const char *at = strstr(sql, name); at != NULL;
			 at = strstr(at + 1, name))
		{
			char		next = at[strlen(name)];

			if (next != '_' && !isalnum((unsigned char) next))
				set |= (uint32) 1 << t;
		}
		pfree(name);
	}
	return set;
}

/*
 * Raises an error if one of these tables is not as the functions need it.
 */
void
catalog_check(uint32 set)
{
	for (int t = 0; t < TABLE_COUNT; t++)
	{
		if (set & ((uint32) 1 << t))
			refresh(t);
	}
}

/*
 * Raises an error if a table or column is missing or has another type.  What
 * else may be wrong is for the caller to find.
 */
void
catalog_check_types(void)
{
	for (int t = 0; t < TABLE_COUNT; t++)
	{
		const TableName *name = &table_names[t];
		Relation	rel = table_open(find_table(t), AccessShareLock);

		require_common_owner(t, rel->rd_rel->relowner);
		for (int c = 0; c < name->column_count; c++)
			(void) find_attribute(t, &name->columns[c], RelationGetDescr(rel));
		table_close(rel, AccessShareLock);
	}
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
		refresh(table);
		relid = tables[table].relid;
		rel = try_relation_open(relid, lockmode);
		if (rel == NULL)
		{
			frozen = false;
			table_generations[table]++;
			continue;
		}
		refresh(table);
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
 * lock.  Of one that is missing no message comes when another one is given its
 * name, so it is looked for again.
 */
Relation
catalog_open_index(IndexId index, LOCKMODE lockmode)
{
	TableId		table = index_names[index].table;

	refresh(table);
	if (!OidIsValid(indexes[index].relid))
	{
		table_generations[table]++;
		refresh(table);
	}
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
	refresh(index_names[index].table);
	return found_serves(&indexes[index], snapshot);
}

/*
 * One of our indexes, as it was last found; invalid: missing or unfit.
 */
Oid
catalog_index_id(IndexId index)
{
	return indexes[index].relid;
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
 * Refuses to go on with a value that the CHECKs of setup() do not allow.
 */
void
catalog_raise_forbidden(TableId table, int column, const char *value)
{
	const TableName *name = &table_names[table];

	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("column \"%s\" of table %s.%s has a value that its CHECK does not allow: %s",
					name->columns[column].name, BOOKING_SCHEMA, name->name,
					value),
			 errdetail("The CHECK was dropped, or the table was filled around it."),
			 errhint("%s.verify() lists such rows, %s.schema_parts() has the CHECK.",
					 BOOKING_SCHEMA, BOOKING_SCHEMA)));
	pg_unreachable();
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

/*
 * Whether that is one of our tables, be it as it should be or not.
 */
bool
catalog_is_table(Relation rel, TableId table)
{
	return (is_current(table) ||
			strcmp(RelationGetRelationName(rel),
				   table_names[table].name) == 0) &&
		RelationGetRelid(rel) == table_id(table);
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
 * to last, or was declared otherwise than setup() does.  Returns the table.
 */
static TableId
trigger_table(FunctionCallInfo fcinfo, TableId first, TableId last,
			  TriggerEvent shape, const char *function)
{
	if (CALLED_AS_TRIGGER(fcinfo))
	{
		TriggerData *trigger = (TriggerData *) fcinfo->context;

		for (int t = first; t <= (int) last; t++)
		{
			if (catalog_is_table(trigger->tg_relation, t) &&
				has_shape(trigger->tg_event, shape))
				return t;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("%s.%s() is a trigger function of the booking tables",
					BOOKING_SCHEMA, function),
			 errdetail("It can neither be called nor serve another table or kind of trigger."),
			 errhint("%s.setup() creates the triggers.", BOOKING_SCHEMA)));
	pg_unreachable();
}

/*
 * The same; afterwards the table's columns are known.
 */
void
catalog_check_trigger(FunctionCallInfo fcinfo, TableId first, TableId last,
					  TriggerEvent shape, const char *function)
{
	refresh(trigger_table(fcinfo, first, last, shape, function));
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
	refresh(table);
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
	refresh(table);
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
	for (int t = 0; t < TABLE_COUNT; t++)
	{
		table_generations[t]++;
		refresh(t);
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(booking_configuration_changed);

/*
 * Trigger of the configuration tables: for each statement, and for each row
 * where logical replication writes.  The message reaches every backend, and
 * standbys, at commit; this one at the end of the statement.  The table need not
 * be as it should be: its owner may be mending it.
 */
Datum
booking_configuration_changed(PG_FUNCTION_ARGS)
{
	TriggerEvent shape = TRIGGER_EVENT_AFTER;

	if (CALLED_AS_TRIGGER(fcinfo) &&
		TRIGGER_FIRED_FOR_ROW(((TriggerData *) fcinfo->context)->tg_event))
		shape |= TRIGGER_EVENT_ROW | TRIGGER_EVENT_TRUNCATE;
	(void) trigger_table(fcinfo, SHOPS, CONFIGURATION_TABLES - 1, shape,
						 "configuration_changed");
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
