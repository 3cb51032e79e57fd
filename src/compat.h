/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the supported server versions, 15 to 18.
 *
 * No other file asks for the version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BOOKING_COMPAT_H
#define BOOKING_COMPAT_H

#include "access/genam.h"
#include "catalog/dependency.h"
#include "storage/lock.h"
#include "utils/datetime.h"
#include "utils/guc.h"

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

/* 17 can ask for a lock at least as strong */
#if PG_VERSION_NUM >= 170000
#define booking_lock_held(tag, mode) LockHeldByMe((tag), (mode), false)
#else
#define booking_lock_held(tag, mode) LockHeldByMe((tag), (mode))
#endif

/* 16 can leave out all but summarizing indexes */
#if PG_VERSION_NUM >= 160000
#define booking_insert_index_tuples(target, slot, estate) \
	ExecInsertIndexTuples((target), (slot), (estate), false, false, NULL, \
						  NIL, false)
#else
#define booking_insert_index_tuples(target, slot, estate) \
	ExecInsertIndexTuples((target), (slot), (estate), false, false, NULL, NIL)
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

/* 16 keeps the texts of settings in memory of its own */
#if PG_VERSION_NUM >= 160000
#define booking_guc_strdup(text) guc_strdup(LOG, (text))
#define booking_guc_free(text) guc_free(text)
#else
#define booking_guc_strdup(text) strdup(text)
#define booking_guc_free(text) free(text)
#endif

/* 18 lets a module say its name and version */
#if PG_VERSION_NUM >= 180000
#define booking_module_magic() \
	PG_MODULE_MAGIC_EXT(.name = "booking", .version = "1.0")
#else
#define booking_module_magic() PG_MODULE_MAGIC
#endif

#endif							/* BOOKING_COMPAT_H */
