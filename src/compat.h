/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the server versions 15 to 18.
 *
 * 15, 17 and 18 are built and tested; what is said of 16 is from its source.
 *
 * No other file asks for the version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BOOKING_COMPAT_H
#define BOOKING_COMPAT_H

#include "access/genam.h"
#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/guc.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#include "storage/procnumber.h"
#else
#include "storage/backendid.h"
#endif
#ifdef USE_INJECTION_POINTS
#include "utils/injection_point.h"
#endif

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "booking supports PostgreSQL 15 to 18"
#endif

/* 18 lets a scan be instrumented */
#if PG_VERSION_NUM >= 180000
#define booking_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#else
#define booking_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#endif

/* 16 wants to know whose index it descends, 17 no age of the snapshot */
#if PG_VERSION_NUM >= 170000
#define booking_bt_search(index, heap, key, buffer, snapshot) \
	_bt_search((index), (heap), (key), (buffer), BT_READ)
#define booking_test_for_old_snapshot(snapshot, rel, page) ((void) 0)
#else
#if PG_VERSION_NUM >= 160000
#define booking_bt_search(index, heap, key, buffer, snapshot) \
	_bt_search((index), (heap), (key), (buffer), BT_READ, (snapshot))
#else
#define booking_bt_search(index, heap, key, buffer, snapshot) \
	_bt_search((index), (key), (buffer), BT_READ, (snapshot))
#endif
#define booking_test_for_old_snapshot(snapshot, rel, page) \
	TestForOldSnapshot((snapshot), (rel), (page))
#endif

/* 17 can be built to stop where a test wants it, 18 tells the test more */
#ifndef USE_INJECTION_POINTS
#define booking_injection_point(name) ((void) 0)
#elif PG_VERSION_NUM >= 180000
#define booking_injection_point(name) INJECTION_POINT((name), NULL)
#else
#define booking_injection_point(name) INJECTION_POINT(name)
#endif

/* 17 can ask for a lock at least as strong */
#if PG_VERSION_NUM >= 170000
#define booking_lock_held(tag, mode) LockHeldByMe((tag), (mode), false)
#else
#define booking_lock_held(tag, mode) LockHeldByMe((tag), (mode))
#endif

/*
 * Index entries of a speculative tuple.  16 can leave out all but summarizing
 * indexes.
 */
#if PG_VERSION_NUM >= 160000
#define booking_insert_index_tuples(target, slot, estate, conflict) \
	ExecInsertIndexTuples((target), (slot), (estate), false, true, \
						  (conflict), NIL, false)
#else
#define booking_insert_index_tuples(target, slot, estate, conflict) \
	ExecInsertIndexTuples((target), (slot), (estate), false, true, \
						  (conflict), NIL)
#endif

/* 18 can have a NOT NULL that old rows break */
#if PG_VERSION_NUM >= 180000
#define booking_is_not_null(desc, attribute) \
	(TupleDescCompactAttr((desc), (attribute)->attnum - 1)->attnullability == \
	 ATTNULLABLE_VALID)
#else
#define booking_is_not_null(desc, attribute) ((attribute)->attnotnull)
#endif

/* 18 can have a CHECK that nobody asks */
#if PG_VERSION_NUM >= 180000
#define booking_is_enforced(check) ((check)->ccenforced)
#else
#define booking_is_enforced(check) true
#endif

/* 18 asks which tuple is the row's own */
#if PG_VERSION_NUM >= 180000
#define booking_check_index_constraints(target, slot, estate, tid, indexes) \
	ExecCheckIndexConstraints((target), (slot), (estate), (tid), NULL, \
							  (indexes))
#else
#define booking_check_index_constraints(target, slot, estate, tid, indexes) \
	ExecCheckIndexConstraints((target), (slot), (estate), (tid), (indexes))
#endif

/* 17's access methods may keep things from insert to insert, buffers too */
#if PG_VERSION_NUM >= 170000
#define booking_index_insert_cleanup(index, info) \
	index_insert_cleanup((index), (info))
#else
#define booking_index_insert_cleanup(index, info) ((void) 0)
#endif

/* 17 looks an identity column's sequence up by relation */
#if PG_VERSION_NUM >= 170000
#define booking_identity_sequence(rel, attno) \
	getIdentitySequence((rel), (attno), true)
#else
#define booking_identity_sequence(rel, attno) \
	getIdentitySequence(RelationGetRelid(rel), (attno), true)
#endif

/* 18 can return a deferrable primary key */
#if PG_VERSION_NUM >= 180000
#define booking_primary_key(rel) RelationGetPrimaryKeyIndex((rel), false)
#else
#define booking_primary_key(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* 16 reports more about a datetime it could not read */
#if PG_VERSION_NUM >= 160000
#define booking_decode_datetime(field, ftype, nf, dtype, tm, fsec, tz) \
	DecodeDateTime((field), (ftype), (nf), (dtype), (tm), (fsec), (tz), \
				   &(DateTimeErrorExtra){0})
#else
#define booking_decode_datetime(field, ftype, nf, dtype, tm, fsec, tz) \
	DecodeDateTime((field), (ftype), (nf), (dtype), (tm), (fsec), (tz))
#endif

/* 17 gives shared memory to whoever asks, by name, and numbers backends anew */
#if PG_VERSION_NUM >= 170000
#define BOOKING_HAS_NAMED_MEMORY true
#define booking_named_memory(name, size, init) \
	GetNamedDSMSegment((name), (size), (init), &(bool){false})
#define booking_backend_number() MyProcNumber
#else
#define BOOKING_HAS_NAMED_MEMORY false
#define booking_named_memory(name, size, init) NULL
#define booking_backend_number() MyBackendId
#endif

/* 16 keeps time as nanoseconds, or something that becomes them */
#if PG_VERSION_NUM >= 160000
#define booking_nanoseconds(elapsed) ((uint64) INSTR_TIME_GET_NANOSEC(elapsed))
#else
#define booking_nanoseconds(elapsed) \
	((uint64) (INSTR_TIME_GET_DOUBLE(elapsed) * 1e9))
#endif

/* 16 keeps the texts of settings in memory of its own */
#if PG_VERSION_NUM >= 160000
#define booking_guc_strdup(text) guc_strdup(LOG, (text))
#define booking_guc_free(text) guc_free(text)
#else
#define booking_guc_strdup(text) strdup(text)
#define booking_guc_free(text) free(text)
#endif

/* 16 asks for all kinds of objects' privileges in one way */
#if PG_VERSION_NUM >= 160000
#define booking_may_execute(function) \
	(object_aclcheck(ProcedureRelationId, (function), GetUserId(), \
					 ACL_EXECUTE) == ACLCHECK_OK)
#else
#define booking_may_execute(function) \
	(pg_proc_aclcheck((function), GetUserId(), ACL_EXECUTE) == ACLCHECK_OK)
#endif

/* 16 keeps what is to be checked apart from the range table */
#if PG_VERSION_NUM >= 160000
#define BOOKING_CHECK_PERMS_PARAMETERS \
	List *range_table, List *permissions, bool raises_error
#define BOOKING_CHECK_PERMS_ARGUMENTS range_table, permissions, raises_error
#else
#define BOOKING_CHECK_PERMS_PARAMETERS List *range_table, bool raises_error
#define BOOKING_CHECK_PERMS_ARGUMENTS range_table, raises_error
#endif

/* 16 marks what a module's callers need; 15 leaves all of it to the linker */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
	extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
	extern PGDLLEXPORT const Pg_finfo_record *pg_finfo_##funcname(void); \
	const Pg_finfo_record * \
	pg_finfo_##funcname(void) \
	{ \
		static const Pg_finfo_record my_finfo = {1}; \
		return &my_finfo; \
	} \
	extern int no_such_variable
#endif

/* 18 lets a module say its name and version */
#if PG_VERSION_NUM >= 180000
#define booking_module_magic() \
	PG_MODULE_MAGIC_EXT(.name = "booking", .version = "1.0")
#else
#define booking_module_magic() PG_MODULE_MAGIC
#endif

#endif							/* BOOKING_COMPAT_H */
