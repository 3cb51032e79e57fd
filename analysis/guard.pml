/*
 * guard.pml: the guard's protocol (src/guard.c) as a Promela model.
 *
 * One barber; rows start at 0, 1 or 2 and last 2, so that 0 and 2 do not
 * overlap, but 1 overlaps both.  PLACES says who wants which.  Each of three
 * writers runs one transaction of one of three kinds:
 *
 *   function   book_slot(): looks, takes the lock, looks again, stores, lets
 *              go.  Its passage may be closed before the row is stored, as by
 *              a nested statement; then it goes on as a raw writer does.
 *   raw        INSERT: its BEFORE trigger looks without the lock, the row is
 *              stored, its AFTER trigger looks under the lock.
 *   reviver    UPDATE of a hold that may have expired: takes its row lock,
 *              then goes on as a raw writer does.
 *
 * Each commits or aborts when it likes.  The hold expires when it likes; a
 * transaction has the time of its beginning.  A look under the lock goes from
 * row to row, one step each, in between the others' steps; it sees what is
 * stored, committed or not.  A look without the lock only says who may give
 * up or wait early: it is one step.
 *
 * Checked in every reachable state: no two live committed rows overlap (the
 * assertion in commit), and nobody waits for ever (no invalid end state).
 *
 * Each of these takes a piece of the protocol out, and must be found out:
 * NO_LOCK, NO_SECOND_LOOK, NO_AFTER_LOOK, LET_GO_EARLY (before the row is
 * stored), NO_AGE (both wait who have stored first), NO_CHECK_OF_REVIVAL.
 *
 * Not in the model: transactions of several rows.  A call that stores several
 * waits with nothing in hand (attempt.c), so it is one of these again and
 * again; several raw rows in one transaction can deadlock, as with any unique
 * index, and the server resolves that.
 */

#ifndef PLACES
#define PLACES 1
#endif

#define WRITERS 3
#define HOLD WRITERS			/* the hold's row; a writer's is its number */
#define ROWS (WRITERS + 1)
#define NOBODY 255

#define overlaps(r, s) (starts[r] < starts[s] + 2 && starts[s] < starts[r] + 2)

mtype = { absent, pending, confirmed };		/* what is committed of a row */
mtype = { function, raw, reviver };
mtype = { free, refused, in_progress };		/* what a look says */

byte starts[ROWS];
mtype committed[ROWS];
byte storing[ROWS];		/* who has an uncommitted, live version of the row */
byte xid[WRITERS];
bool taken[WRITERS + 1];
bool ended[WRITERS];
bool expired;			/* the hold, by the clock */
bool prepared;
byte lock = NOBODY;		/* the barber's lock */
byte row_lock = NOBODY;	/* the hold's */

inline take_lock()
{
#ifdef NO_LOCK
	skip
#else
	atomic { lock == NOBODY -> lock = _pid }
#endif
}

inline let_go()
{
#ifdef NO_LOCK
	skip
#else
	assert(lock == _pid);
	lock = NOBODY
#endif
}

/*
 * An overlap that is committed decides; of several in progress, any may be
 * the one that is waited for.
 */
inline look()
{
	atomic { sight = free; r = 0; holder = 0 }
	do
	:: atomic { r < ROWS && sight != refused ->
		if
		:: r == own || !overlaps(r, own) -> r++
		:: else -> skip
		fi;
		if
		:: r == ROWS || r == own || !overlaps(r, own) -> skip
		:: else ->
			if
			:: storing[r] != NOBODY ->
				if
				:: sight = in_progress; holder = storing[r]
				:: sight == in_progress -> skip
				fi
			:: storing[r] == NOBODY && (committed[r] == confirmed ||
				committed[r] == pending && !has_expired) ->
				sight = refused
			:: else -> skip
			fi;
			r++
		fi }
	:: else -> atomic { r = 0; break }
	od
}

/*
 * Older or younger than any other: a transaction may have got its number long
 * before it comes to the guard.
 */
inline need_xid()
{
	if
	:: xid[_pid] != 0 -> skip
	:: xid[_pid] == 0 && !taken[1] -> taken[1] = true; xid[_pid] = 1
	:: xid[_pid] == 0 && !taken[2] -> taken[2] = true; xid[_pid] = 2
	:: xid[_pid] == 0 && !taken[3] -> taken[3] = true; xid[_pid] = 3
	fi
}

inline store()
{
	atomic { need_xid(); storing[own] = _pid }
}

/* Looks, and waits, until nothing is in the way, or something for good. */
inline await()
{
	do
	:: atomic { look() };
		if
		:: sight == in_progress -> atomic { ended[holder] -> holder = 0 }
		:: else -> break
		fi
	od
}

/* Makes sure of a row that is stored: the older waits, the younger gives in. */
inline verify()
{
	do
	:: take_lock();
		look();
		let_go();
		if
#ifndef NO_AGE
		:: sight == in_progress && xid[holder] < xid[_pid] ->
			sight = refused; break
		:: sight == in_progress && xid[holder] > xid[_pid] ->
			atomic { ended[holder] -> holder = 0 }
#else
		:: sight == in_progress -> atomic { ended[holder] -> holder = 0 }
#endif
		:: sight != in_progress -> break
		fi
	od
}

inline store_unguarded()
{
	store();
#ifdef NO_AFTER_LOOK
	sight = free
#else
	verify()
#endif
}

inline write_raw()
{
#ifdef NO_CHECK_OF_REVIVAL
	if
	:: kind == reviver -> store(); sight = free
	:: else -> await();
		if
		:: sight == free -> store_unguarded()
		:: else -> skip
		fi
	fi
#else
	await();
	if
	:: sight == free -> store_unguarded()
	:: else -> skip
	fi
#endif
}

/*
 * Whoever finds the lock taken looks again when it is free, and only then
 * queues: "queue" is left out, since any order of taking it is tried anyway.
 */
inline write_by_function()
{
	do
	:: await();
		if
		:: sight == refused -> break
		:: else -> skip
		fi;
		take_lock();
#ifndef NO_SECOND_LOOK
		look();
#endif
		if
		:: sight == free ->
#ifdef LET_GO_EARLY
			let_go(); store();
#else
			if
			:: store(); let_go()
			:: let_go(); store_unguarded()
			fi;
#endif
			break
		:: else -> let_go()
		fi
	od
}

#define is_live(r) \
	(committed[r] == confirmed || committed[r] == pending && !expired)

inline commit()
{
	atomic {
		if
		:: storing[own] == _pid ->
			committed[own] = confirmed;
			storing[own] = NOBODY
		:: else -> skip
		fi;
		r = 0;
		do
		:: r < ROWS ->
			assert(r == own || !overlaps(r, own) || !is_live(r) ||
				!is_live(own));
			r++
		:: else -> break
		od;
		r = 0
	}
}

inline abort()
{
	atomic {
		if
		:: storing[own] == _pid -> storing[own] = NOBODY
		:: else -> skip
		fi
	}
}

/* Whoever was refused aborts: for a raw writer it is an error. */
inline end_transaction()
{
	atomic {
		if
		:: sight == free -> commit()
		:: abort()
		fi;
		if
		:: row_lock == _pid -> row_lock = NOBODY
		:: else -> skip
		fi;
		ended[_pid] = true
	}
}

active [WRITERS] proctype writer()
{
	mtype kind;
	mtype sight = free;
	byte own = _pid;
	byte holder = 0;
	byte r = 0;
	bool has_expired;

	atomic {
		prepared;
		if
		:: kind = function
		:: kind = raw
		:: kind = reviver; own = HOLD
		fi;
		has_expired = expired
	}
	if
	:: kind == function -> write_by_function()
	:: kind == raw -> write_raw()
	:: kind == reviver ->
		atomic { row_lock == NOBODY -> row_lock = _pid; need_xid() };
		if
		:: committed[HOLD] == pending -> write_raw()
		:: else -> skip			/* somebody else has confirmed it */
		fi
	fi;
	end_transaction()
}

/* Says when rows start, and lets the hold expire. */
active proctype world()
{
	byte r = 0;

	atomic {
		do
		:: r < ROWS ->
			storing[r] = NOBODY;
			committed[r] = absent;
			r++
		:: else -> break
		od;
		if
		:: PLACES == 1 ->
			starts[0] = 1; starts[1] = 1; starts[2] = 1; starts[HOLD] = 1
		:: PLACES == 2 ->
			starts[0] = 0; starts[1] = 1; starts[2] = 2; starts[HOLD] = 1
		:: PLACES == 3 ->
			starts[0] = 0; starts[1] = 1; starts[2] = 2; starts[HOLD] = 0
		fi;
		committed[HOLD] = pending;
		prepared = true
	}
	expired = true
}
