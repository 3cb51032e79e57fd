/*-------------------------------------------------------------------------
 *
 * booking.c
 *	  Module magic, settings, initialization; nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "booking.h"
#include "compat.h"

booking_module_magic();

PGDLLEXPORT void _PG_init(void);

/* Of the longest rows, slots, that many take 3.2 GB */
#define MOST_MAX_ROWS 100000000

static char *now_setting = NULL;
static TimestampTz fixed_now;	/* DT_NOEND: the clock decides */
static char *actor_setting = NULL;
static bool track_setting = true;
static bool leaf_scan_setting = true;
static int	cache_size_setting = 16 * 1024;	/* kB */
static int	max_rows_setting = 100000;

/* A setting that holds an id, or nothing */
typedef struct IdSetting
{
	char	   *text;
	bool		is_set;
	int64		id;
} IdSetting;

static IdSetting user_setting;
static IdSetting shop_setting;

static bool
decode_now(const char *string, struct pg_tm *tm, fsec_t *fsec, int *tz)
{
	int			dtype;
	int			field_count;
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	char		workbuf[MAXDATELEN + MAXDATEFIELDS];

	return ParseDateTime(string, workbuf, sizeof(workbuf), field, ftype,
						 MAXDATEFIELDS, &field_count) == 0 &&
		booking_decode_datetime(field, ftype, field_count, &dtype,
								tm, fsec, tz) == 0 &&
		dtype == DTK_DATE;
}

/*
 * Whether a text names its zone: then it has no place for another.  (To decode
 * it with no place for any would be a crash, if the zone is a word like Japan.)
 * So has "now", a moving target, which alone of such texts has no digit.
 */
static bool
has_zone(const char *string)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;
	char		with_zone[MAXDATELEN + sizeof(" +00")];

	if (strlen(string) > MAXDATELEN || strpbrk(string, "0123456789") == NULL)
		return false;
	snprintf(with_zone, sizeof(with_zone), "%s +00", string);
	return !decode_now(with_zone, &tm, &fsec, &tz);
}

/*
 * Reads a setting of booking.now.  The empty string means the clock.
 */
static bool
parse_now(const char *string, TimestampTz *result)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	*result = DT_NOEND;
	if (string[0] == '\0')
		return true;
	return has_zone(string) && decode_now(string, &tm, &fsec, &tz) &&
		tm2timestamp(&tm, fsec, &tz, result) == 0 &&
		timestamp2tm(*result, NULL, &tm, &fsec, NULL, NULL) == 0 &&
		tm.tm_year >= 1900 && tm.tm_year < 10000;
}

/*
 * The instant as a text that means the same whatever DateStyle, TimeZone and
 * timezone_abbreviations are: a parallel worker takes over the settings one by
 * one, and those may come later.  NULL: out of memory.
 */
static char *
canonical_now(TimestampTz now)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char		string[MAXDATELEN + 1] = "";

	if (!TIMESTAMP_IS_NOEND(now) &&
		timestamp2tm(now, NULL, &tm, &fsec, NULL, NULL) == 0)
	{
		tm.tm_isdst = 0;		/* or the zone is left out */
		EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, string);
	}
	return booking_guc_strdup(string);
}

static bool
check_now(char **newval, void **extra, GucSource source)
{
	TimestampTz parsed;
	char	   *string;

	if (!parse_now(*newval, &parsed))
	{
		GUC_check_errdetail("\"booking.now\" takes a timestamp with time zone of the years 1900 to 9999, or nothing.");
		return false;
	}
	string = canonical_now(parsed);
	if (string == NULL)
		return false;
	booking_guc_free(*newval);
	*newval = string;
	return true;
}

static void
assign_now(const char *newval, void *extra)
{
	if (!parse_now(newval, &fixed_now))
		fixed_now = DT_NOEND;	/* cannot happen: check_now() read it */
}

/*
 * Reads a setting that is an id in decimal digits, or empty.
 */
static bool
parse_id(const char *string, IdSetting *setting)
{
	const char *digits = string[0] == '-' ? string + 1 : string;
	char	   *end;

	setting->is_set = string[0] != '\0';
	setting->id = 0;
	if (!setting->is_set)
		return true;
	errno = 0;
	setting->id = strtoi64(string, &end, 10);
	return isdigit((unsigned char) digits[0]) && *end == '\0' && errno == 0;
}

static bool
check_id(char **newval, void **extra, GucSource source)
{
	IdSetting	parsed;

	if (parse_id(*newval, &parsed))
		return true;
	GUC_check_errdetail("An id is a whole number of type bigint; empty means none.");
	return false;
}

static void
assign_user_id(const char *newval, void *extra)
{
	(void) parse_id(newval, &user_setting);
}

static void
assign_shop_id(const char *newval, void *extra)
{
	(void) parse_id(newval, &shop_setting);
}

/*
 * What "now" is to every rule: the start of the client's statement, so that
 * all rows of one answer agree, unless booking.now fixes it.
 */
TimestampTz
booking_now(void)
{
	return TIMESTAMP_IS_NOEND(fixed_now) ?
		GetCurrentStatementStartTimestamp() : fixed_now;
}

/*
 * The present moment, for what cannot wait for the next statement.
 */
TimestampTz
booking_clock(void)
{
	return TIMESTAMP_IS_NOEND(fixed_now) ? GetCurrentTimestamp() : fixed_now;
}

/*
 * On whose behalf the client says it acts; empty: it does not say.
 */
const char *
booking_actor(void)
{
	return actor_setting;
}

/*
 * Whether calls are to be counted.
 */
bool
booking_is_tracked(void)
{
	return track_setting;
}

/*
 * Whether pages of the availability index may be read directly.
 */
bool
booking_leaf_scan(void)
{
	return leaf_scan_setting;
}

/*
 * How much memory a backend may keep the configuration in, in bytes.
 */
Size
booking_cache_size(void)
{
	return (Size) cache_size_setting * 1024;
}

/*
 * How many rows an answer may have.
 */
int
booking_max_rows(void)
{
	return max_rows_setting;
}

/*
 * The customer that the client says it acts for; false: it names none.
 */
bool
booking_user_id(int64 *user_id)
{
	*user_id = user_setting.id;
	return user_setting.is_set;
}

/*
 * The shop that the client says it acts for; false: it names none.
 */
bool
booking_shop_id(int64 *shop_id)
{
	*shop_id = shop_setting.id;
	return shop_setting.is_set;
}

static void
define_id(const char *name, const char *description, IdSetting *setting,
		  GucStringAssignHook assign)
{
	DefineCustomStringVariable(name, description,
							   "Set it with SET LOCAL, once in each transaction.",
							   &setting->text, "", PGC_USERSET, 0,
							   check_id, assign, NULL);
}

/*
 * Settings of what a call may read, keep and return.
 */
static void
define_bounds(void)
{
	/*
	 * Answers are the same either way, so this is for whoever doubts that.
	 * As the guard looks through the same code, a session must not undo the
	 * doubter's choice: PGC_SUSET.
	 */
	DefineCustomBoolVariable("booking.leaf_scan",
							 "Reads pages of the availability index directly.",
							 "Off: by the server's index scan, which is slower.",
							 &leaf_scan_setting,
							 true,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
	DefineCustomIntVariable("booking.cache_size",
							"How much memory a backend keeps shops, barbers and services in.",
							"What was not used for longest goes first; 0 keeps nothing from one call to the next.",
							&cache_size_setting,
							16 * 1024,
							0,
							MAX_KILOBYTES,
							PGC_USERSET,
							GUC_UNIT_KB,
							NULL,
							NULL,
							NULL);

	/* Whoever may call a function must not be able to raise it: PGC_SUSET */
	DefineCustomIntVariable("booking.max_rows",
							"How many rows the answer of a booking function may have.",
							"What would be more is an error, and so is going through ten times as many slots.",
							&max_rows_setting,
							100000,
							1,
							MOST_MAX_ROWS,
							PGC_SUSET,
							0,
							NULL,
							NULL,
							NULL);
}

void
_PG_init(void)
{
	DefineCustomStringVariable("booking.now",
							   "The instant that booking takes for now; empty: the clock.",
							   "For tests and what-if questions.",
							   &now_setting,
							   "",
							   PGC_SUSET,
							   0,
							   check_now,
							   assign_now,
							   NULL);
	DefineCustomStringVariable("booking.actor",
							   "Who is acting, for appointment_history; empty: the session's role.",
							   "Set it to whom the application has logged in.",
							   &actor_setting,
							   "",
							   PGC_USERSET,
							   0,
							   NULL,
							   NULL,
							   NULL);
	define_id("booking.user_id",
			  "The customer that the caller acts for; empty: none.",
			  &user_setting, assign_user_id);
	define_id("booking.shop_id",
			  "The shop that the caller, one of its staff, acts for; empty: none.",
			  &shop_setting, assign_shop_id);
	DefineCustomBoolVariable("booking.track",
							 "Counts calls for the views booking.stats, stats_outcomes and stats_cache.",
							 NULL,
							 &track_setting,
							 true,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
	define_bounds();
	MarkGUCPrefixReserved("booking");
	catalog_init();
	owner_init();
	versions_init();
	guard_init();
	stats_init();
}
