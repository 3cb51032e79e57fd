/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Entries kept by kind and id, the least recently used of which go first.
 *
 * An entry is a struct and its arrays in one chunk of memory, behind a head
 * that only this file sees; so what it takes is known exactly, and one pfree()
 * gives it back.  It may lean on another, to which it has a pointer: that one
 * stays for as long.
 *
 * Nothing goes but in cache_trim(), so pointers to entries hold until then.
 * A freed chunk can serve another entry of about that size, but nobody else.
 * So entries go while a quarter of the limit is left for such holes; when the
 * limit is reached all the same, since one call needed more or other sizes are
 * asked for, everything goes.
 *
 * The blocks are small, so that hardly more memory is taken than is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/memutils.h"

#include "booking.h"

#define FIRST_BLOCK (4 * 1024)
#define LARGEST_BLOCK (32 * 1024)
#define FIRST_SLOTS 32
#define NOT_TRIMMED SIZE_MAX

/* What comes before an entry */
typedef struct Head
{
	dlist_node	node;
	int64		id;
	int			kind;
	int			leaning;		/* how many entries lean on this one */
	struct Head *support;		/* on which this one leans; or NULL */
} Head;

typedef struct Key
{
	int64		id;
	int			kind;
} Key;

typedef struct Slot
{
	Key			key;
	char		status;			/* simplehash's own */
	Head	   *head;			/* NULL: there was no memory for it */
} Slot;

static inline uint32
hash_key(Key key)
{
	return hash_combine(murmurhash32((uint32) key.id),
						(uint32) ((uint64) key.id >> 32) + (uint32) key.kind);
}

#define SH_PREFIX slots
#define SH_ELEMENT_TYPE Slot
#define SH_KEY_TYPE Key
#define SH_KEY key
#define SH_HASH_KEY(table, key) hash_key(key)
#define SH_EQUAL(table, a, b) ((a).id == (b).id && (a).kind == (b).kind)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
/* In 15 the header shadows a variable of its own */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "lib/simplehash.h"
#pragma GCC diagnostic pop

struct Cache
{
	MemoryContext context;		/* all of it, this struct too */
	slots_hash *slots;
	dlist_head	by_use;			/* most recently used first */
	Size		entries_space;
	Size		trimmed_to;		/* NOT_TRIMMED: entries were added since */
};

static Head *
head_of(void *entry)
{
	return (Head *) entry - 1;
}

static Size
space_of(const Cache *cache)
{
	return cache->entries_space + cache->slots->size * sizeof(Slot);
}

/*
 * An empty cache, in a child of that context.
 */
Cache *
cache_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "booking cache", 0,
												  FIRST_BLOCK, LARGEST_BLOCK);
	Cache	   *cache = MemoryContextAllocZero(context, sizeof(Cache));

	cache->context = context;
	cache->slots = slots_create(context, FIRST_SLOTS, NULL);
	dlist_init(&cache->by_use);
	cache->trimmed_to = NOT_TRIMMED;
	MemoryContextSetParent(context, parent);
	return cache;
}

void
cache_drop(Cache *cache)
{
	MemoryContextDelete(cache->context);
}

/*
 * The entry; NULL when there is none.
 */
void *
cache_find(Cache *cache, int kind, int64 id)
{
	Slot	   *slot = slots_lookup(cache->slots, (Key) {id, kind});

	if (slot == NULL || slot->head == NULL)
		return NULL;
	dlist_move_head(&cache->by_use, &slot->head->node);
	return slot->head + 1;
}

/*
 * Says where in the draft's struct the pointer to an array is, and how large
 * that is.
 */
void
cache_draft_array(CacheDraft *draft, Size pointer_at, Size size)
{
	Assert(draft->array_count < MOST_ENTRY_ARRAYS);
	draft->arrays[draft->array_count].pointer_at = pointer_at;
	draft->arrays[draft->array_count].size = size;
	draft->array_count++;
}

static Size
size_of_draft(const CacheDraft *draft)
{
	Size		size = MAXALIGN(draft->size);

	for (int i = 0; i < draft->array_count; i++)
		size += MAXALIGN(draft->arrays[i].size);
	return size;
}

static void
copy_draft(const CacheDraft *draft, char *entry)
{
	char	   *end = entry + MAXALIGN(draft->size);

	memcpy(entry, draft->entry, draft->size);
	for (int i = 0; i < draft->array_count; i++)
	{
		char	  **array = (char **) (entry + draft->arrays[i].pointer_at);
		Size		size = draft->arrays[i].size;

		if (size > 0)
			memcpy(end, *array, size);
		*array = end;
		end += MAXALIGN(size);
	}
}

/*
 * Adds an entry that is not there; returns it.
 */
void *
cache_add(Cache *cache, const CacheDraft *draft)
{
	Key			key = {draft->id, draft->kind};
	bool		found;
	Slot	   *slot;
	Head	   *head;

	cache->trimmed_to = NOT_TRIMMED;
	slot = slots_insert(cache->slots, key, &found);
	slot->head = NULL;
	head = MemoryContextAllocHuge(cache->context,
								  sizeof(Head) + size_of_draft(draft));
	slot->head = head;
	head->id = draft->id;
	head->kind = draft->kind;
	head->leaning = 0;
	head->support = NULL;
	if (draft->support != NULL)
	{
		head->support = head_of(draft->support);
		head->support->leaning++;
	}
	copy_draft(draft, (char *) (head + 1));
	dlist_push_head(&cache->by_use, &head->node);
	cache->entries_space += GetMemoryChunkSpace(head);
	return head + 1;
}

static void
let_go(Cache *cache, Head *head)
{
	slots_delete(cache->slots, (Key) {head->id, head->kind});
	dlist_delete(&head->node);
	cache->entries_space -= GetMemoryChunkSpace(head);
	if (head->support != NULL)
		head->support->leaning--;
	pfree(head);
}

/*
 * Lets go of what was least recently used, until no more than that is taken;
 * returns how many entries that were.
 */
static uint64
let_go_until(Cache *cache, Size most)
{
	uint64		count = 0;

	while (space_of(cache) > most && !dlist_is_empty(&cache->by_use))
	{
		Head	   *last = dlist_tail_element(Head, node, &cache->by_use);

		if (last->leaning > 0)
			dlist_move_head(&cache->by_use, &last->node);
		else
		{
			let_go(cache, last);
			count++;
		}
	}
	return count;
}

/*
 * Makes the cache take no more than "limit" bytes, if it is not empty; adds to
 * *count how many entries had to go.  Returns the cache, or another in its
 * place.
 */
Cache *
cache_trim(Cache *cache, Size limit, uint64 *count)
{
	if (cache->trimmed_to == limit)
		return cache;
	if (MemoryContextMemAllocated(cache->context, false) > limit)
	{
		Cache	   *full = cache;

		cache = cache_create(MemoryContextGetParent(full->context));
		*count += full->slots->members;
		cache_drop(full);
	}
	else
		*count += let_go_until(cache, limit - limit / 4);
	cache->trimmed_to = limit;
	return cache;
}
