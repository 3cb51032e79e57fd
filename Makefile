# booking: a booking engine inside PostgreSQL.  "make help" lists the targets.

# The first target, so that a plain "make" is the PGXS build.
all:

EXTENSION = booking
EXTVERSION = 1.0
DATA = booking--$(EXTVERSION).sql
PGFILEDESC = "booking - live availability, and appointments that cannot overlap"

MODULE_big = booking
OBJS = \
	src/access.o \
	src/arguments.o \
	src/array.o \
	src/assign.o \
	src/attempt.o \
	src/availability.o \
	src/available_moves.o \
	src/available_visits.o \
	src/board.o \
	src/book.o \
	src/booking.o \
	src/business.o \
	src/cache.o \
	src/catalog.o \
	src/change.o \
	src/characters.o \
	src/decide.o \
	src/general_scan.o \
	src/guard.o \
	src/guard_triggers.o \
	src/histogram.o \
	src/history.o \
	src/hours.o \
	src/intervals.o \
	src/leaves.o \
	src/limits.o \
	src/monitor.o \
	src/moves.o \
	src/occupancy.o \
	src/occupation.o \
	src/owner.o \
	src/pages.o \
	src/policies.o \
	src/probe.o \
	src/query.o \
	src/reasons.o \
	src/references.o \
	src/request.o \
	src/reschedule.o \
	src/result.o \
	src/risk.o \
	src/rules.o \
	src/schedule.o \
	src/series.o \
	src/slots.o \
	src/stats.o \
	src/stats_views.o \
	src/status.o \
	src/steps.o \
	src/store.o \
	src/target.o \
	src/versions.o \
	src/visits.o \
	src/waiting.o \
	src/waitlist.o \
	src/zone.o

# Only what is marked leaves the library, on 15 too (see src/compat.h).
PG_CFLAGS = -fvisibility=hidden -Wshadow -Wmissing-prototypes -Wvla

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
ISOLATION = $(sort $(patsubst specs/%.spec,%,$(wildcard specs/*.spec)))

# The TAP tests start servers of their own, which root must not, and need
# IPC::Run; "make installcheck" leaves them out where they cannot run.
ifneq ($(wildcard t/*.pl),)
TAP_TESTS := $(shell perl -MIPC::Run -e 'print 1 if $$>' 2>/dev/null)
endif

PG_CONFIG ?= pg_config

# ---------------------------------------------------------------------------
# Targets that need neither PGXS nor pg_config: their scripts install what is
# missing, and build in a copy of this tree.
# ---------------------------------------------------------------------------

SCRIPTED = quickstart tour stop test bench analyse checkver help
.PHONY: all $(SCRIPTED)

quickstart:
	@scripts/quickstart

tour:
	@scripts/life

stop:
	@scripts/stop

test:
	@scripts/test

bench:
	@bench/run

analyse:
	@scripts/analyse

checkver:
	@scripts/checkver

help:
	@echo "make              build the extension (needs pg_config and PostgreSQL's server headers)"
	@echo "make install      install it into the PostgreSQL that pg_config belongs to"
	@echo "make installcheck run the tests against a running server that has it installed"
	@echo ""
	@echo "make quickstart   packages, build, private demo server, a tour of it"
	@echo "make tour         an appointment's whole life, shown on the demo server"
	@echo "make stop         end the demo server and remove its files"
	@echo "make test         packages, build, private server, all tests; leaves nothing behind"
	@echo "                  (BOOKING_DATE='2028-02-29 12:00' make test: on that date)"
	@echo "make bench        measure against what people would use instead"
	@echo "make analyse      fuzz, model-check, lint, memcheck, measure coverage"
	@echo "make checkver     check that all files name the same version"

# ---------------------------------------------------------------------------
# Everything else is PGXS
# ---------------------------------------------------------------------------

ifneq ($(filter-out $(SCRIPTED),$(or $(MAKECMDGOALS),all)),)

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(and $(PGXS),$(wildcard $(PGXS))),)
$(error No PostgreSQL build environment: "$(PG_CONFIG) --pgxs" names no file. \
Install the server's development package (Debian: postgresql-server-dev-15, or your version) \
or give PG_CONFIG=/path/to/pg_config; "make quickstart" and "make test" install it themselves)
endif
include $(PGXS)

# PGXS tracks no headers.  The second line is for clang's copy of the objects.
$(OBJS): $(wildcard src/*.h)
$(OBJS:.o=.bc): $(wildcard src/*.h)

endif
