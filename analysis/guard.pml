/*
 * guard.pml
 *	  Model of the protocol that keeps appointments from overlapping.
 *
 * src/guard.c describes the protocol.  The model runs two to four transactions
 * against one small heap, and Spin searches every order in which their steps
 * can happen.  analysis/model lists the searches.
 *
 * The heap.  A cell is one tuple: one version of a row.  "inserted" stands for
 * xmin, "deleted" for xmax, "next" for t_ctid.  An INSERT fills a cell and
 * enters it in the indexes.  An UPDATE does it in two steps: it marks the old
 * version deleted and fills the cell of the new one; then it enters the new one
 * in the indexes.  COMMIT makes the old version dead.  ROLLBACK frees the new
 * version and undoes the mark.  A dead version is pruned as soon as no snapshot
 * needs it, and its cell can be used again.
 *
 * A look.  It is an index scan with a dirty snapshot.  It takes a snapshot,
 * copies the entries of one index page in one step, and reads the tuple of each
 * entry in a step of its own.  If an update that the snapshot does not see
 * as committed has made the tuple dead, the look follows "next", one step for
 * each version.  It reads four pages, one after the other: two of the index on
 * barber and time, one of the index on customers, one of the index on days.
 *
 * The transactions.  Each is one process and ends in COMMIT or ROLLBACK.  Which
 * is older, all orders are searched.
 *
 *   FUNCTION  book_slot(): looks, inserts a speculative tuple, looks, and
 *             confirms or super-deletes it.  It may do so twice: for a service
 *             of two parts, or for two bookings in one transaction.
 *   MOVE      reschedule_appointment(): looks, updates in a subtransaction
 *             under the barber's lock, looks, and rolls back if need be.
 *   RAW       INSERT by a user.  The triggers look before and after; what they
 *             find ends in a wait or an error.
 *   RAW_MOVE  The same for an UPDATE of the time.
 *   REVIVE    The same for an UPDATE that confirms a hold.
 *   updater   An UPDATE of notes, or one that completes an appointment.  It
 *             takes the row lock and does not look.
 *
 * What is checked.  At each COMMIT: no two live, committed rows of a barber
 * overlap, no limit is exceeded (seats, a customer's active rows and overlaps,
 * rows of a day), and no key has two rows.  At each wait for a transaction: the
 * waiter, if it is a function, holds no lock of the guard's.  In each state:
 * some process can go on, unless all have ended (else Spin reports an "invalid
 * end state").  With -DNP: no cycle.  A cycle would be a livelock, since each
 * transaction has only so much to do.
 *
 * What is not modelled, and why that suffices:
 *
 *   More than four transactions.  A search of small cases is not a proof, but
 *     three show a missed overlap: one looks, one has the row that overlaps, and
 *     one updates it meanwhile.  For deadlocks among any number of functions
 *     guard.c has the argument: they wait, with a row stored, only for the
 *     speculative rows of younger transactions.
 *   HOT updates.  A look reads the versions of a HOT chain under one buffer
 *     lock.  Here it reads them one by one, which allows more orders.
 *   Tuple and index entries of an INSERT as two steps.  No look can find the
 *     tuple before the entry is there, and the writer looks only after that.
 *     (The entry in the unique index on keys is a step of its own.)
 *   The look before storing as several steps.  It is one step, and does not
 *     count.  It decides only who waits or gives up early.  CHAIN and SWAP leave
 *     it out, so that what it finds does not hide what comes later.
 *   Reading the successor of a version that is being deleted as a step of its
 *     own.  It decides only whether a raw writer waits or fails.
 *   The MVCC snapshot that confirms a refusal by count.  It makes a "no" exact;
 *     no promise depends on it.
 *   Several raw rows in one transaction, and unique indexes of the user's.  They
 *     can deadlock, as in any table; the server's deadlock detector ends that.
 */

#define NOBODY 0
#define COMMITTED 1				/* inserted by a transaction that committed */
#define DEAD 1					/* deleted by a transaction that committed */
#define by(p) ((p) + 2)			/* inserted or deleted by p, in progress */
#define bit(x) (1 << (x))

/* Statuses of a row. */
#define LIVE 1
#define COMPLETED 2
#define HELD 3					/* live until it expires */

/*
 * What a look says.  Of several rows in the way, the greatest value decides.
 * Those from 2 to 5 are for raw writers.
 */
#define NOTHING 0
#define STAY 1					/* keep the row, wait for a token, look again */
#define AFTER_DELETER 2			/* wait for a transaction, look again */
#define REFUSED_BY_DELETER 3	/* fail */
#define AFTER_INSERTER 4		/* wait for a transaction, look again */
#define REFUSED_BY_INSERTER 5	/* fail */
#define LEAVE 6					/* take the row back, wait, start again */
#define TAKEN 7					/* committed: no */

#define says_stay(s) ((s) == STAY || (s) == AFTER_DELETER || (s) == AFTER_INSERTER)
#define says_no(s) \
	((s) == TAKEN || (s) == REFUSED_BY_DELETER || (s) == REFUSED_BY_INSERTER)

/* Kinds of transactions. */
#define FUNCTION 0
#define MOVE 1
#define RAW 2					/* INSERT */
#define RAW_MOVE 3
#define REVIVE 4				/* UPDATE that confirms a hold */
#define NONE 255

/* A place is a barber (0, 1) and a start (0 to 3); a row lasts 2. */
#define place(barber, start) ((barber) * 4 + (start))
#define barber_of(q) ((q) / 4)
#define start_of(q) ((q) % 4)
#define at_one_time(q, s) \
	(start_of(q) < start_of(s) + 2 && start_of(s) < start_of(q) + 2)
#define overlaps(q, s) (barber_of(q) == barber_of(s) && at_one_time(q, s))

/*
 * ---- scenarios ----
 *
 * analysis/model gives one of these names.  Each says how many transactions
 * (WRITERS), versions at a time (CELLS) and rows (ROWS) there are, and in CAST
 * who takes part; Spin tries each branch of an "if".
 *
 *   put(row, place, status)                 a row that is committed beforehand
 *   run writer(me, kind, row, place, row2, place2)
 *                                           a transaction that wants a place for
 *                                           a row, and another for a second row
 *                                           (NONE: there is none)
 *   run updater(me, row, times, status)     one that updates a row that often
 *
 *   BARBER_LOCK, USER_LOCK    the functions' claims count, so they take this lock
 *   GROUP, SEATS_OF_GROUP     a place that rows share, and how many may
 *   MOST_ACTIVE, MOST_PER_DAY the limits of a customer and of a barber's day
 *   NO_USER_OVERLAP           a customer's appointments may overlap
 *   user_of, key_of, head_of  a row's customer, key, and appointment
 *   NO_LOOK_BEFORE            nobody looks before storing
 *   EXPIRY                    the hold expires at some time
 *   TWO_BOOKINGS              the second row is another booking, not a part
 *   MAY_BE_CANCELLED          the first call may be rolled back to a savepoint
 *   HAS_COUNTER               a user's BEFORE trigger updates one common row
 *
 * Rules that analysis/model breaks, to see the error found:
 *
 *   NO_SECOND_LOOK       a function does not look after storing
 *   NO_AFTER_LOOK        a raw writer does not look after storing
 *   NO_CHECK_OF_REVIVAL  whoever confirms an expired hold does not look
 *   NO_FOLLOW            a look skips dead versions
 *   JUDGE_LATEST         a look follows past versions in progress, to the last
 *   SNAPSHOT_AFTER_COPY  a look takes its snapshot after it has copied entries
 *   OWN_BY_HEAD          a move skips all rows of its appointment, not only those
 *                        that it moves
 *   FIRST_PART_ONLY      only the first part of a service checks the customer
 *   NO_AGE               both of two speculative rows stay and wait
 *   NO_AGE_LEAVE         both of two speculative rows are taken back
 *   WAIT_WITH_ROW        a function waits for a transaction, its row stored
 *   NO_MOVE_LOCK         a move takes no lock
 *   DELETER_NOT_FOLLOWED a raw writer waits for an older deleter, whatever that
 *                        one makes of the row
 *   MOVER_WAITS          a raw move waits for an older deleter
 *   NO_KEY_RULE          rows with one key wait for each other
 *   WAIT_IN_INDEX        a function waits in the unique index, holding its locks
 *   KEEP_USER_LOCK       a rollback to a savepoint keeps the customer's lock
 *   LOCK_ACROSS_TRIGGER  the locks are taken before the user's triggers fire
 *
 * Variants that must hold: TWO_INSTANTS (taking the snapshot and copying the
 * first page are two steps), DEADLOCK_DETECTOR (in a deadlock, one of the
 * writers that wait with a row stored fails).
 */

#if defined(RACE)				/* three functions that overlap */
#define WRITERS 3
#define CELLS 3
#define ROWS 3
#define CAST \
	if \
	:: run writer(0, FUNCTION, 0, place(0, 1), NONE, 0); \
		run writer(1, FUNCTION, 1, place(0, 1), NONE, 0); \
		run writer(2, FUNCTION, 2, place(0, 1), NONE, 0) \
	:: run writer(0, FUNCTION, 0, place(0, 0), NONE, 0); \
		run writer(1, FUNCTION, 1, place(0, 1), NONE, 0); \
		run writer(2, FUNCTION, 2, place(0, 2), NONE, 0) \
	fi

#elif defined(UPDATES)			/* two functions; one row is updated meanwhile */
#define WRITERS 3
#define CELLS 5
#define ROWS 2
#define CAST \
	run writer(0, FUNCTION, 0, place(0, 0), NONE, 0); \
	run writer(1, FUNCTION, 1, place(0, 1), NONE, 0); \
	run updater(2, 0, 2, LIVE)

#elif defined(CHAIN)			/* a row is updated, then moved; both may roll back */
#define WRITERS 3
#define CELLS 5
#define ROWS 2
#define NO_LOOK_BEFORE
#define CAST \
	put(0, place(0, 0), LIVE); \
	run updater(0, 0, 1, LIVE); \
	run writer(1, RAW_MOVE, 0, place(1, 0), NONE, 0); \
	run writer(2, FUNCTION, 1, place(0, 1), NONE, 0)

#elif defined(MOVES)			/* two moves and a function */
#define WRITERS 3
#define CELLS 6
#define ROWS 3
#define CAST \
	if \
	:: put(0, place(0, 0), LIVE); put(1, place(1, 0), LIVE); \
		run writer(0, MOVE, 0, place(1, 0), NONE, 0); \
		run writer(1, MOVE, 1, place(0, 0), NONE, 0) \
	:: put(0, place(1, 0), LIVE); put(1, place(1, 2), LIVE); \
		run writer(0, MOVE, 0, place(0, 0), NONE, 0); \
		run writer(1, MOVE, 1, place(0, 1), NONE, 0) \
	fi; \
	if \
	:: run writer(2, FUNCTION, 2, place(0, 1), NONE, 0) \
	:: run writer(2, FUNCTION, 2, place(1, 1), NONE, 0) \
	fi

#elif defined(RAWS)				/* a raw INSERT and any other writer */
#define WRITERS 2
#define CELLS 4
#define ROWS 2
#define CAST \
	run writer(0, RAW, 0, place(0, 1), NONE, 0); \
	if \
	:: run writer(1, FUNCTION, 1, place(0, 0), NONE, 0) \
	:: run writer(1, RAW, 1, place(0, 0), NONE, 0) \
	:: put(1, place(1, 0), LIVE); run writer(1, MOVE, 1, place(0, 2), NONE, 0) \
	:: put(1, place(1, 0), LIVE); run writer(1, RAW_MOVE, 1, place(0, 2), NONE, 0) \
	fi

#elif defined(MORE_RAWS)		/* two raw INSERTs and a function */
#define WRITERS 3
#define CELLS 4
#define ROWS 3
#define CAST \
	run writer(0, RAW, 0, place(0, 1), NONE, 0); \
	run writer(1, FUNCTION, 1, place(0, 0), NONE, 0); \
	run writer(2, RAW, 2, place(0, 2), NONE, 0)

#elif defined(DELETERS)			/* a raw INSERT, a raw move out of its way, a function */
#define WRITERS 3
#define CELLS 5
#define ROWS 3
#define CAST \
	run writer(1, RAW_MOVE, 0, place(0, 2), NONE, 0); \
	run writer(2, RAW, 1, place(0, 1), NONE, 0); \
	if \
	:: run writer(0, FUNCTION, 0, place(0, 0), NONE, 0) \
	:: put(0, place(0, 0), LIVE); run writer(0, FUNCTION, 2, place(0, 0), NONE, 0) \
	:: put(0, place(0, 0), LIVE); run writer(0, FUNCTION, 2, place(0, 1), NONE, 0) \
	:: put(0, place(0, 0), LIVE); run writer(0, FUNCTION, 2, place(0, 3), NONE, 0) \
	fi

#elif defined(SWAP)				/* two raw moves, each to the other's place */
#define WRITERS 2
#define CELLS 4
#define ROWS 2
#define NO_LOOK_BEFORE
#define CAST \
	put(0, place(0, 0), LIVE); put(1, place(0, 2), LIVE); \
	run writer(0, RAW_MOVE, 0, place(0, 2), NONE, 0); \
	run writer(1, RAW_MOVE, 1, place(0, 0), NONE, 0)

/*
 * Three raw writers can deadlock.  Writer 1 has looked before the row of writer
 * 3 was there, and stored.  Writer 0 moves that row, and has not entered the
 * new version in the index yet.  Writer 1 waits for writer 0, an older deleter.
 * Writer 2 waits for writer 1, a younger inserter.  Writer 0 then finds writer
 * 2, a younger inserter, and waits for it.
 */
#elif defined(KNOWN_DEADLOCK)
#define WRITERS 4
#define CELLS 4
#define ROWS 3
#define CAST \
	run writer(3, FUNCTION, 0, place(0, 0), NONE, 0); \
	run writer(0, RAW_MOVE, 0, place(0, 3), NONE, 0); \
	run writer(1, RAW, 1, place(0, 1), NONE, 0); \
	run writer(2, RAW, 2, place(0, 2), NONE, 0)

#elif defined(REVIVAL)			/* a hold is confirmed after it expired, or just before */
#define WRITERS 2
#define CELLS 4
#define ROWS 2
#define EXPIRY
#define CAST \
	put(0, place(0, 1), HELD); \
	if \
	:: run writer(0, REVIVE, 0, place(0, 1), NONE, 0) \
	:: run writer(0, MOVE, 0, place(0, 1), NONE, 0) \
	fi; \
	if \
	:: run writer(1, FUNCTION, 1, place(0, 0), NONE, 0) \
	:: run writer(1, RAW, 1, place(0, 2), NONE, 0) \
	fi

#elif defined(LATE_REVIVAL)		/* a hold is confirmed, and a row moved out of its way */
#define WRITERS 3
#define CELLS 5
#define ROWS 3
#define EXPIRY
#define CAST \
	expired = true; \
	put(0, place(0, 1), HELD); put(1, place(0, 0), LIVE); \
	run writer(0, REVIVE, 0, place(0, 1), NONE, 0); \
	if \
	:: run writer(1, RAW_MOVE, 1, place(0, 2), NONE, 0) \
	:: run writer(1, RAW_MOVE, 1, place(1, 0), NONE, 0) \
	:: run writer(1, MOVE, 1, place(0, 2), NONE, 0) \
	fi; \
	if \
	:: run writer(2, FUNCTION, 2, place(0, 0), NONE, 0) \
	:: run writer(2, FUNCTION, 2, place(0, 2), NONE, 0) \
	fi

#elif defined(SEATS)			/* a group of two, with one seat taken; its row is updated */
#define WRITERS 3
#define CELLS 5
#define ROWS 3
#define BARBER_LOCK
#define GROUP place(0, 1)
#define SEATS_OF_GROUP 2
#define CAST \
	put(0, GROUP, LIVE); \
	run updater(0, 0, 1, LIVE); \
	run writer(1, FUNCTION, 1, GROUP, NONE, 0); \
	if \
	:: run writer(2, FUNCTION, 2, GROUP, NONE, 0) \
	:: run writer(2, RAW, 2, GROUP, NONE, 0) \
	fi

#elif defined(RAW_SEATS)		/* a group of two, with one seat taken, and raw INSERTs */
#define WRITERS 2
#define CELLS 4
#define ROWS 3
#define BARBER_LOCK
#define GROUP place(0, 1)
#define SEATS_OF_GROUP 2
#define CAST \
	put(0, GROUP, LIVE); \
	run writer(0, RAW, 1, GROUP, NONE, 0); \
	run writer(1, RAW, 2, GROUP, NONE, 0)

#elif defined(ACTIVE)			/* a customer with one of two active appointments */
#define WRITERS 3
#define CELLS 5
#define ROWS 3
#define USER_LOCK
#define NO_USER_OVERLAP
#define MOST_ACTIVE 2
#define CAST \
	put(0, place(0, 0), LIVE); \
	if \
	:: run writer(0, MOVE, 0, place(0, 1), NONE, 0) \
	:: run updater(0, 0, 1, LIVE) \
	fi; \
	run writer(1, FUNCTION, 1, place(1, 0), NONE, 0); \
	run writer(2, FUNCTION, 2, place(1, 2), NONE, 0)

#elif defined(DAY)				/* a barber's day is full; the row is completed */
#define WRITERS 2
#define CELLS 4
#define ROWS 2
#define BARBER_LOCK
#define MOST_PER_DAY 1
#define CAST \
	put(0, place(0, 0), LIVE); \
	run updater(0, 0, 2, COMPLETED); \
	run writer(1, FUNCTION, 1, place(0, 2), NONE, 0)

#elif defined(PARTS)			/* a customer books services of two parts */
#define WRITERS 2
#define CELLS 4
#define ROWS 4
#define USER_LOCK
#define CAST \
	run writer(0, FUNCTION, 0, place(0, 0), 1, place(0, 2)); \
	if \
	:: run writer(1, FUNCTION, 2, place(1, 2), NONE, 0) \
	:: run writer(1, FUNCTION, 2, place(1, 0), 3, place(1, 2)) \
	:: put(2, place(1, 0), LIVE); put(3, place(1, 2), LIVE); \
		run writer(1, MOVE, 2, place(1, 1), NONE, 0) \
	fi

#elif defined(OWN)				/* an appointment of three rows, two of which move */
#define WRITERS 2
#define CELLS 7
#define ROWS 4
#define head_of(row) (row == 3 -> 3 : 0)
#define CAST \
	put(0, place(0, 0), LIVE); put(1, place(1, 0), LIVE); \
	put(2, place(0, 2), LIVE); \
	if \
	:: run writer(0, MOVE, 0, place(0, 1), 1, place(1, 1)) \
	:: run writer(0, MOVE, 0, place(1, 0), 1, place(1, 2)) \
	fi; \
	run writer(1, FUNCTION, 3, place(1, 2), NONE, 0)

#elif defined(KEYS)				/* two rows with one key, at one time or at two */
#define WRITERS 2
#define CELLS 3
#define ROWS 2
#define key_of(row) 1
#define CAST \
	run writer(0, FUNCTION, 0, place(0, 0), NONE, 0); \
	if \
	:: run writer(1, FUNCTION, 1, place(0, 1), NONE, 0) \
	:: run writer(1, FUNCTION, 1, place(1, 0), NONE, 0) \
	:: run writer(1, RAW, 1, place(0, 1), NONE, 0) \
	:: run writer(1, RAW, 1, place(1, 0), NONE, 0) \
	fi

#elif defined(MORE_KEYS)		/* two rows with one key, and a third row */
#define WRITERS 3
#define CELLS 4
#define ROWS 3
#define key_of(row) (row == 2 -> NOBODY : 1)
#define CAST \
	run writer(0, FUNCTION, 0, place(0, 0), NONE, 0); \
	if \
	:: run writer(1, FUNCTION, 1, place(0, 1), NONE, 0) \
	:: run writer(1, RAW, 1, place(0, 1), NONE, 0) \
	fi; \
	run writer(2, FUNCTION, 2, place(0, 2), NONE, 0)

#elif defined(RAW_KEYS)			/* two raw INSERTs with one key */
#define WRITERS 2
#define CELLS 3
#define ROWS 2
#define key_of(row) 1
#define CAST \
	run writer(0, RAW, 0, place(0, 0), NONE, 0); \
	run writer(1, RAW, 1, place(0, 1), NONE, 0)

#elif defined(KEYED_SEATS)		/* two seats of a group with one key */
#define WRITERS 2
#define CELLS 3
#define ROWS 2
#define BARBER_LOCK
#define GROUP place(0, 1)
#define SEATS_OF_GROUP 2
#define key_of(row) 1
#define CAST \
	run writer(0, FUNCTION, 0, GROUP, NONE, 0); \
	run writer(1, RAW, 1, GROUP, NONE, 0)

#elif defined(KEYED_BOOKINGS)	/* two bookings, and another with the key of the first */
#define WRITERS 2
#define CELLS 4
#define ROWS 3
#define BARBER_LOCK
#define TWO_BOOKINGS
#define GROUP place(0, 1)
#define SEATS_OF_GROUP 2
#define key_of(row) (row == 1 -> NOBODY : 1)
#define CAST \
	run writer(0, FUNCTION, 0, place(1, 0), 1, GROUP); \
	run writer(1, FUNCTION, 2, GROUP, NONE, 0)

#elif defined(SAVEPOINT)		/* a call is rolled back, the next is for another customer */
#define WRITERS 2
#define CELLS 3
#define ROWS 4
#define USERS 2
#define user_of(row) (row == 0 || row == 3 -> 0 : 1)
#define USER_LOCK
#define BARBER_LOCK
#define MAY_BE_CANCELLED
#define CAST \
	run writer(0, FUNCTION, 0, place(0, 0), 1, place(0, 1)); \
	run writer(1, FUNCTION, 2, place(1, 0), 3, place(1, 1))

#elif defined(COUNTER)			/* a user's BEFORE trigger locks a row */
#define WRITERS 2
#define CELLS 4
#define ROWS 4
#define BARBER_LOCK
#define TWO_BOOKINGS
#define HAS_COUNTER
#define CAST \
	run writer(0, FUNCTION, 0, place(1, 0), 1, place(0, 0)); \
	if \
	:: run writer(1, FUNCTION, 2, place(0, 2), NONE, 0) \
	:: put(2, place(1, 2), LIVE); \
		run writer(1, MOVE, 2, place(0, 2), NONE, 0) \
	fi

#elif defined(TWO)				/* two bookings in one transaction */
#define WRITERS 2
#define CELLS 4
#define ROWS 3
#define TWO_BOOKINGS
#define CAST \
	run writer(0, FUNCTION, 0, place(0, 0), 1, place(0, 2)); \
	run writer(1, FUNCTION, 2, place(0, 1), NONE, 0)
#endif

#ifndef user_of
#define user_of(row) 0
#endif
#ifndef key_of
#define key_of(row) NOBODY
#endif
#ifndef GROUP
#define GROUP NONE
#endif
#ifndef SEATS_OF_GROUP
#define SEATS_OF_GROUP NONE
#endif
#ifndef MOST_ACTIVE
#define MOST_ACTIVE NONE
#endif
#ifndef MOST_PER_DAY
#define MOST_PER_DAY NONE
#endif
#ifndef USERS
#define USERS 1
#endif
#define BARBERS 2

/* ---- the heap, its indexes, the locks ---- */

/*
 * A tuple.  "unseen" are the writers whose snapshot does not see its deleter as
 * committed: until they have dropped it, the tuple is not pruned.
 */
typedef Cell {
	byte row;
	byte place;
	byte status;
	byte inserted;				/* NOBODY: the cell is free */
	byte deleted;
	byte next;					/* its successor, + 1 */
	byte unseen;
	bool entry;					/* is in the indexes that looks read */
	bool keyed;					/* is in the unique index on keys */
	bool speculative
};

Cell cell[CELLS];
byte copy[WRITERS];				/* index entries that a look has yet to read */
bool snapshot[WRITERS];
byte age[WRITERS];
byte holder[WRITERS];			/* the writer to wait for, + 1; 0: has ended */
bool for_token[WRITERS];		/* wait for its token, not its transaction */

/* Who is writing the rows that a look has counted, + 1: the youngest */
byte inserter[WRITERS];
byte deleter[WRITERS];
byte booker[WRITERS];			/* of speculative rows */

bool late[WRITERS];				/* its statement began after the hold expired */
byte user_lock[USERS];
byte barber_lock[BARBERS];
byte row_lock[ROWS];
#ifdef HAS_COUNTER
byte counter;					/* who has locked the row of the trigger, + 1 */
#endif
bool expired;					/* the hold has expired */
bool prepared;
byte there;						/* rows that were ever committed */

/* Scratch: without meaning between two steps, or two d_steps if hidden */
byte level, who, token;
hidden byte i, j, n, count, found;
hidden byte is_following;

/* Frees a cell, with its index entries. */
inline clear(c)
{
	cell[c].row = 0; cell[c].place = 0; cell[c].status = 0;
	cell[c].inserted = NOBODY; cell[c].deleted = NOBODY; cell[c].next = 0;
	cell[c].unseen = 0; cell[c].entry = false; cell[c].keyed = false;
	cell[c].speculative = false;
	n = 0;
	do
	:: n < WRITERS -> copy[n] = copy[n] & ~bit(c); n++
	:: else -> break
	od;
	skip
}

/* Prunes the tuples that are dead to every snapshot. */
inline reclaim()
{
	i = 0;
	do
	:: i < CELLS ->
		if
		:: cell[i].inserted == COMMITTED && cell[i].deleted == DEAD &&
			cell[i].unseen == 0 -> clear(i)
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	skip
}

/* Sets "found" to a free cell. */
inline allocate()
{
	found = 0;
	do
	:: found < CELLS && cell[found].inserted != NOBODY -> found++
	:: else -> break
	od;
	assert(found < CELLS)
}

/* A row that is committed beforehand. */
inline put(r, q, s)
{
	d_step {
		allocate();
		cell[found].row = r;
		cell[found].place = q;
		cell[found].status = s;
		cell[found].inserted = COMMITTED;
		cell[found].entry = true;
		cell[found].keyed = key_of(r) != NOBODY;
		there = there | bit(r)
	}
}

/* Sets "found" to the committed version of a row, or to CELLS. */
inline find_row(r)
{
	found = 0;
	do
	:: found < CELLS && !(cell[found].inserted == COMMITTED &&
		cell[found].deleted == NOBODY && cell[found].row == r) -> found++
	:: else -> break
	od;
	skip
}

/* The transaction of p has ended: nobody has to wait for it. */
inline wake(p)
{
	n = 0;
	do
	:: n < WRITERS ->
		if
		:: holder[n] == p + 1 -> holder[n] = 0; for_token[n] = false
		:: else -> skip
		fi;
		if
		:: inserter[n] == p + 1 -> inserter[n] = 0
		:: else -> skip
		fi;
		if
		:: deleter[n] == p + 1 -> deleter[n] = 0
		:: else -> skip
		fi;
		if
		:: booker[n] == p + 1 -> booker[n] = 0
		:: else -> skip
		fi;
		n++
	:: else -> break
	od;
	skip
}

/* The speculative row of p is confirmed: nobody has to wait for its token. */
inline wake_for_token(p)
{
	n = 0;
	do
	:: n < WRITERS ->
		if
		:: holder[n] == p + 1 && for_token[n] ->
			holder[n] = 0; for_token[n] = false
		:: else -> skip
		fi;
		if
		:: booker[n] == p + 1 -> booker[n] = 0
		:: else -> skip
		fi;
		n++
	:: else -> break
	od;
	skip
}


/* ---- looking ---- */

#ifdef EXPIRY
#define is_live(s) ((s) == LIVE || (s) == HELD && !late[me])
#define stands(s) ((s) == LIVE || (s) == HELD && !expired)
#else
#define is_live(s) ((s) == LIVE || (s) == HELD)
#define stands(s) is_live(s)
#endif

#define older(p, q) (age[p] < age[q])
#define is_raw (kind == RAW || kind == RAW_MOVE || kind == REVIVE)
#define is_update (kind != FUNCTION && kind != RAW)
#ifdef MOVER_WAITS
#define gives_up_time false
#else
#define gives_up_time (kind == RAW_MOVE || kind == REVIVE && !late[me])
#endif
#ifdef OWN_BY_HEAD
#define is_own(r) (head_of(r) == head_of(row))
#else
#define is_own(r) ((own & bit(r)) != 0)
#endif

#define V cell[i]

/* Which versions matter to a claim to the place "want". */
#define of_time (overlaps(V.place, want) && is_live(V.status))
#define of_user (user_of(V.row) == user_of(row) && is_live(V.status))
#define of_day \
	(barber_of(V.place) == barber_of(want) && \
		(is_live(V.status) || V.status == COMPLETED))

/* The pages that a look reads, and which entries they have. */
#define TIMES 0
#define MORE_TIMES 1
#define CUSTOMER 2
#define DAYS 3
#define END 4
#define is_of_scan \
	(scan == TIMES && of_time && start_of(V.place) == 0 || \
	 scan == MORE_TIMES && of_time && start_of(V.place) != 0 || \
	 scan == CUSTOMER && of_user || scan == DAYS && of_day)

#ifdef USER_LOCK
#define takes_user_lock (!is_raw && LATER_PART_TAKES)
#define asks_customer takes_user_lock
#else
#define takes_user_lock false
#define asks_customer false
#endif
#ifdef FIRST_PART_ONLY
#define LATER_PART_TAKES (part == 0)
#else
#define LATER_PART_TAKES true
#endif

#ifdef NO_MOVE_LOCK
#define MOVE_LOCK false
#else
#define MOVE_LOCK (kind == MOVE)
#endif
#ifdef BARBER_LOCK
#define takes_barber_lock (!is_raw)
#else
#define takes_barber_lock MOVE_LOCK
#endif

/* Whether the version that was read still matters; its entry may be older. */
#define is_of_scan_now \
	(scan < CUSTOMER && of_time || scan == CUSTOMER && of_user || \
	 scan == DAYS && of_day)

/* Whether the transaction that is replacing version i keeps it in the way. */
#ifdef DELETER_NOT_FOLLOWED
#define keeps_time false
#else
#define keeps_time \
	(V.next != 0 && overlaps(cell[V.next - 1].place, want) && \
		is_live(cell[V.next - 1].status))
#endif

/* What a raw writer does if "who" is inserting, or deleting, what is in its way. */
#define by_inserter \
	(older(who - 1, me) -> REFUSED_BY_INSERTER : AFTER_INSERTER)
#define by_deleter \
	(gives_up_time && older(who - 1, me) -> REFUSED_BY_DELETER : AFTER_DELETER)

/* Sets "level" to what version i means, and "who" to the writer to wait for, + 1. */
inline judge()
{
	level = NOTHING; who = 0; token = false;
	if
	:: V.inserted == NOBODY || V.deleted == DEAD || V.deleted == by(me) ||
		is_own(V.row) -> skip
	:: else ->
		if
		:: V.inserted == by(me) -> level = TAKEN	/* our own earlier booking */
		:: V.inserted == COMMITTED && V.deleted == NOBODY -> level = TAKEN
		:: V.inserted == COMMITTED && V.deleted != NOBODY ->
			who = V.deleted - 1;
			if
			:: is_raw && keeps_time -> level = by_inserter
			:: is_raw && !keeps_time -> level = by_deleter
#ifdef WAIT_WITH_ROW
			:: else -> level = STAY
#else
			:: else -> level = LEAVE
#endif
			fi
		:: V.inserted > COMMITTED && V.inserted != by(me) ->
			who = V.inserted - 1;
			token = V.speculative;
			if
			:: kind == FUNCTION ->
#if defined(NO_AGE) || defined(WAIT_WITH_ROW)
				level = STAY
#elif defined(NO_AGE_LEAVE)
				level = LEAVE
#else
				level = (token && older(me, who - 1) -> STAY : LEAVE)
#endif
			:: kind == MOVE -> level = (token -> STAY : LEAVE)
			:: else ->
#if defined(NO_AGE)
				level = STAY
#else
				level = (token -> STAY : by_inserter)
#endif
			fi
		fi
	fi;
#ifndef NO_KEY_RULE
	if
	:: who != 0 && V.inserted != COMMITTED && mine != 0 && key_of(row) != NOBODY &&
		key_of(V.row) == key_of(row) -> level = NOTHING; who = 0
	:: else -> skip
	fi
#endif
}

#define is_counted \
	(scan < CUSTOMER && want == GROUP && V.place == GROUP || \
	 scan == CUSTOMER && MOST_ACTIVE != NONE && kind == FUNCTION || scan == DAYS)

#define youngest(x) (x == 0 || older(x - 1, who - 1) -> who : x)

inline forget_counts()
{
	counted = 0; doing = 0; leaving = 0; trying = 0;
	inserter[me] = 0; deleter[me] = 0; booker[me] = 0
}

/*
 * Counts version i, if it is to be counted.  Of a row's versions the committed
 * one counts, else the one being inserted, else the one being deleted.
 */
inline tally()
{
	if
	:: level != NOTHING && is_counted ->
		if
		:: level == TAKEN && who == 0 -> counted = counted | bit(V.row)
		:: token -> trying = trying | bit(V.row); booker[me] = who
		:: who != 0 && !token && (V.inserted > COMMITTED || keeps_time) ->
			doing = doing | bit(V.row);
			inserter[me] = youngest(inserter[me])
		:: else ->
			leaving = leaving | bit(V.row);
			deleter[me] = youngest(deleter[me])
		fi;
		level = NOTHING; who = 0; token = false
	:: level != NOTHING && scan == CUSTOMER ->
#ifdef NO_USER_OVERLAP
		level = NOTHING
#else
		if
		:: at_one_time(V.place, want) -> skip
		:: else -> level = NOTHING
		fi
#endif
	:: else -> skip
	fi
}

/* Notes what version i means.  Of several that are alike, any may be noted. */
inline note()
{
	if
	:: level > sight || level == sight && who != 0 ->
		sight = level; holder[me] = who; for_token[me] = token
	:: level <= sight -> skip
	fi;
	d_step { level = NOTHING; who = 0; token = false }
}

/* Judges the count, if nothing else is in the way. */
inline evaluate()
{
	count = 0; found = 0; n = 0; i = 0;
	do
	:: i < ROWS ->
		count = count + ((counted >> i) & 1);
		found = found + (((counted | doing) >> i) & 1);
		n = n + (((counted | doing | leaving | trying) >> i) & 1);
		i++
	:: else -> break
	od;
	i = (scan == MORE_TIMES -> SEATS_OF_GROUP :
		(scan == CUSTOMER -> MOST_ACTIVE : MOST_PER_DAY));
	if
	:: sight != NOTHING || n < i || scan == TIMES -> skip
	:: scan == MORE_TIMES && want != GROUP -> skip
	:: scan == CUSTOMER && kind != FUNCTION -> skip
	:: else ->
		if
		:: count >= i -> sight = TAKEN
		:: count < i && trying != 0 ->
			who = booker[me]; holder[me] = who; for_token[me] = who != 0;
			sight = (is_raw || who == 0 || older(me, who - 1) -> STAY : LEAVE)
		:: count < i && trying == 0 && found >= i ->
			who = inserter[me]; holder[me] = who;
			sight = (!is_raw -> LEAVE : (who == 0 -> AFTER_INSERTER : by_inserter))
		:: else ->
			who = deleter[me]; holder[me] = who;
			sight = (!is_raw -> LEAVE : (who == 0 -> AFTER_DELETER : by_deleter))
		fi
	fi;
	who = 0;
	if
	:: scan != TIMES -> forget_counts()
	:: else -> skip
	fi
}

/* Drops the snapshot. */
inline forget()
{
	i = 0;
	do
	:: i < CELLS -> cell[i].unseen = cell[i].unseen & ~bit(me); i++
	:: else -> break
	od;
	snapshot[me] = false;
	copy[me] = 0;
	reclaim()
}

#ifdef NO_FOLLOW
#define follows false
#elif defined(JUDGE_LATEST)
#define follows \
	(V.next != 0 && (V.deleted == DEAD && (V.unseen & bit(me)) != 0 || is_following))
#else
#define follows (V.next != 0 && V.deleted == DEAD && (V.unseen & bit(me)) != 0)
#endif

/* Copies the entries of one page. */
inline copy_entries()
{
	i = 0;
	do
	:: i < CELLS ->
		if
		:: V.inserted != NOBODY && V.entry && is_of_scan ->
			copy[me] = copy[me] | bit(i)
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	printf("%d copies part %d: %x\n", me, scan, copy[me])
}

inline next_scan()
{
	scan++;
	if
	:: scan == CUSTOMER && !asks_customer -> scan++
	:: else -> skip
	fi;
	if
	:: scan == DAYS && (MOST_PER_DAY == NONE || is_raw) -> scan++
	:: else -> skip
	fi
}

/* Reads the tuple of the next entry, or the successor of the last one. */
inline read_version()
{
	if
	:: current == 0 ->
		i = 0;
		do
		:: (copy[me] & bit(i)) == 0 -> i++
		:: else -> break
		od;
		copy[me] = copy[me] & ~bit(i);
		is_following = false
	:: else -> i = current - 1; is_following = true
	fi;
	if
	:: follows -> current = V.next
	:: else ->
		current = 0;
		judge();
		if
		:: is_of_scan_now -> tally()
		:: else -> level = NOTHING
		fi
	fi;
	printf("%d reads cell %d (row %d): %d\n", me, i, V.row, level)
}

inline look()
{
#ifdef SNAPSHOT_AFTER_COPY
	d_step { scan = TIMES; copy_entries() }
#endif
	d_step {
		snapshot[me] = true;
		sight = NOTHING; holder[me] = 0; for_token[me] = false;
		scan = TIMES;
#if !defined(TWO_INSTANTS) && !defined(SNAPSHOT_AFTER_COPY)
		copy_entries()
#endif
	}
#ifdef TWO_INSTANTS
	d_step { copy_entries() }
#endif
	do
	:: atomic {
		sight != TAKEN && (current != 0 || copy[me] != 0) ->
		d_step { read_version() }
		note() }
	:: atomic {
		!(sight != TAKEN && (current != 0 || copy[me] != 0)) ->
		d_step {
			evaluate();
			next_scan();
			if
			:: sight == TAKEN || sight != NOTHING && scan >= CUSTOMER -> scan = END
			:: else -> skip
			fi;
			if
			:: scan != END -> copy_entries()
			:: else -> forget(); current = 0; forget_counts()
			fi;
			skip
		}
		if
		:: scan == END -> scan = 0; break
		:: else -> skip
		fi }
	od
}

/* The look before storing, in one step. */
inline look_before()
{
	atomic {
		sight = NOTHING; holder[me] = 0; for_token[me] = false; scan = 0;
		do
		:: scan < CELLS ->
			d_step {
				i = scan;
				judge();
				if
				:: !of_time || !V.entry || want == GROUP && V.place == GROUP ->
					level = NOTHING
				:: level != NOTHING && who != 0 -> level = LEAVE
				:: else -> skip
				fi
			}
			note();
			scan++
		:: else -> scan = 0; break
		od;
		skip
	}
}

/* ---- writing ---- */

#ifdef TWO_BOOKINGS
#define ALL_OR_NOTHING (row2 == NONE)
#define rows_of_call bit(row)
#else
#define ALL_OR_NOTHING true
#define rows_of_call (bit(row) | (row2 != NONE -> bit(row2) : 0))
#endif

inline lock_barber()
{
	atomic { barber_lock[barber_of(want)] == 0 ->
		barber_lock[barber_of(want)] = me + 1 }
}

inline release_barber()
{
	if
	:: barber_lock[barber_of(want)] == me + 1 -> barber_lock[barber_of(want)] = 0
	:: else -> skip
	fi
}

inline release()
{
	d_step {
		release_barber();
		if
		:: user_lock[user_of(row)] == me + 1 -> user_lock[user_of(row)] = 0
		:: else -> skip
		fi
	}
}

/* Waits for a transaction or a token, with no lock held and no row stored. */
inline wait_outside()
{
	atomic {
		assert(barber_lock[0] != me + 1 && barber_lock[1] != me + 1);
#ifndef KEEP_USER_LOCK
		assert(user_lock[0] != me + 1 && user_lock[USERS - 1] != me + 1);
#endif
		holder[me] == 0
	}
}

/* Inserts or updates the row. */
inline store()
{
	d_step {
		allocate();
		cell[found].row = row;
		cell[found].place = want;
		cell[found].status = LIVE;
		cell[found].inserted = by(me);
		cell[found].speculative = kind == FUNCTION;
		mine = found + 1;
		printf("%d stores row %d at %d, cell %d\n", me, row, want, found);
		if
		:: is_update ->
			find_row(row);
			cell[found].deleted = by(me);
			cell[found].next = mine
		:: else -> cell[mine - 1].entry = true
		fi
	}
	if
	:: is_update ->
		d_step {
			cell[mine - 1].entry = true;
			printf("%d enters it in the index\n", me)
		}
	:: else -> skip
	fi
}

/* Super-deletes the row, or rolls back the subtransaction. */
inline take_back()
{
	d_step {
		printf("%d takes back\n", me);
		i = 0;
		do
		:: i < CELLS ->
			if
			:: cell[i].inserted == by(me) && (i == mine - 1 || ALL_OR_NOTHING) -> clear(i)
			:: else -> skip
			fi;
			if
			:: cell[i].inserted != NOBODY && cell[i].deleted == by(me) ->
				cell[i].deleted = NOBODY; cell[i].next = 0
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		mine = 0;
		if
		:: ALL_OR_NOTHING -> wake(me)
		:: else -> wake_for_token(me)
		fi
	}
}

/* What is promised of the committed rows. */
inline check_promises()
{
	i = 0;
	do
	:: i < CELLS ->
		if
		:: V.inserted == COMMITTED && V.deleted != DEAD ->
			there = there | bit(V.row);
			count = 1; found = 1; level = 1; j = 0;
			do
			:: j < CELLS ->
				if
				:: j != i && cell[j].inserted == COMMITTED &&
					cell[j].deleted != DEAD ->
					assert(cell[j].row != V.row);
					assert(key_of(V.row) == NOBODY || key_of(V.row) != key_of(cell[j].row));
					if
					:: stands(V.status) && stands(cell[j].status) ->
						assert(!overlaps(V.place, cell[j].place) ||
							V.place == GROUP && cell[j].place == GROUP);
						count = count + (V.place == GROUP && cell[j].place == GROUP);
						found = found + (user_of(V.row) == user_of(cell[j].row));
#if defined(USER_LOCK) && !defined(NO_USER_OVERLAP)
						assert(user_of(V.row) != user_of(cell[j].row) ||
							!at_one_time(V.place, cell[j].place));
#endif
					:: else -> skip
					fi;
					level = level + (barber_of(V.place) == barber_of(cell[j].place))
				:: else -> skip
				fi;
				j++
			:: else -> break
			od;
			assert(count <= SEATS_OF_GROUP);
			assert(found <= MOST_ACTIVE);
			assert(level <= MOST_PER_DAY)
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	skip
}

inline commit()
{
	d_step {
		printf("%d commits\n", me);
		found = 0; n = 0;
		do
		:: n < WRITERS ->
			if
			:: snapshot[n] -> found = found | bit(n)
			:: else -> skip
			fi;
			n++
		:: else -> break
		od;
		i = 0;
		do
		:: i < CELLS ->
			if
			:: V.inserted == by(me) -> V.inserted = COMMITTED
			:: else -> skip
			fi;
			if
			:: V.deleted == by(me) -> V.deleted = DEAD; V.unseen = found
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		check_promises();
		level = NOTHING;
		reclaim();
		wake(me)
	}
}

inline abort()
{
	d_step {
		printf("%d aborts\n", me);
		i = 0;
		do
		:: i < CELLS ->
			if
			:: cell[i].inserted == by(me) -> clear(i)
			:: else -> skip
			fi;
			if
			:: cell[i].inserted != NOBODY && cell[i].deleted == by(me) ->
				cell[i].deleted = NOBODY; cell[i].next = 0
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
		wake(me)
	}
}

/*
 * Asks the unique index on keys.  Sets "level" to LEAVE if another row with
 * the key is in progress, TAKEN if it is committed.
 */
inline probe_key()
{
	level = NOTHING; who = 0; token = false;
	i = 0;
	do
	:: i < CELLS ->
		if
		:: V.keyed && V.row != row && key_of(V.row) == key_of(row) &&
			V.inserted != NOBODY && V.deleted != DEAD && level != TAKEN ->
			if
			:: V.inserted > COMMITTED ->
				level = LEAVE; who = V.inserted - 1; token = V.speculative
			:: V.inserted == COMMITTED && V.deleted != NOBODY ->
				level = LEAVE; who = V.deleted - 1
			:: else -> level = TAKEN; who = 0
			fi
		:: else -> skip
		fi;
		i++
	:: else -> break
	od;
	skip
}

#ifdef WAIT_IN_INDEX
#define waits_in_index true
#else
#define waits_in_index is_raw
#endif

/*
 * Enters the key in its unique index.  Of a conflict a function is told in
 * "sight"; a raw writer waits in the index until it is resolved.
 */
inline insert_key()
{
	do
	:: d_step {
			probe_key();
			sight = level;
			if
			:: level == NOTHING -> cell[mine - 1].keyed = true
			:: else -> holder[me] = who; for_token[me] = token
			fi;
			level = NOTHING; who = 0; token = false
		}
		if
		:: sight == LEAVE && waits_in_index -> holder[me] == 0
		:: else -> break
		fi
	od;
	skip
}

#ifdef MAY_BE_CANCELLED			/* the second row is not a part, but another call */
#define has_given_up true
#else
#define has_given_up false
#endif

/* Turns to the other part, or booking. */
inline change_parts()
{
	d_step {
		i = row; row = row2; row2 = i;
		i = want; want = want2; want2 = i;
		part = 1 - part;
		own = rows_of_call
	}
}

inline use_counter()
{
#ifdef HAS_COUNTER
	atomic { counter == 0 || counter == me + 1 -> counter = me + 1 }
#else
	skip
#endif
}

/*
 * A transaction that looks, stores a row and looks again.  An update waits for
 * its row to be there, and takes the row lock; the process may also end there,
 * if the row never comes.
 */
proctype writer(byte me; byte kind; byte row; byte want; byte row2; byte want2)
{
	byte sight, current, scan, counted, doing, leaving, trying, mine, own, part;

end_no_row:
	atomic {
		prepared && (!is_update || row_lock[row] == 0 && (there & bit(row)) != 0) ->
		own = rows_of_call;
#ifdef EXPIRY
		late[me] = expired;
#endif
		if
		:: is_update -> row_lock[row] = me + 1
		:: else -> skip
		fi;
		if
		:: is_update && row2 != NONE -> row_lock[row2] == 0; row_lock[row2] = me + 1
		:: else -> skip
		fi
	}

again:
#ifdef NO_CHECK_OF_REVIVAL
	if
	:: kind == REVIVE || kind == MOVE -> store(); goto end_transaction
	:: else -> skip
	fi;
#endif
	atomic {
#ifndef NO_LOOK_BEFORE
		look_before();
#else
		sight = NOTHING;
#endif
		printf("%d looked before: %d\n", me, sight);
		if
		:: sight == TAKEN -> goto refused
		:: sight == LEAVE -> goto leave
		:: sight == NOTHING -> skip
		fi
	};
#ifndef LOCK_ACROSS_TRIGGER
	use_counter();
#endif
	if
	:: takes_user_lock ->
		atomic { user_lock[user_of(row)] == 0 || user_lock[user_of(row)] == me + 1 ->
			user_lock[user_of(row)] = me + 1 }
	:: else -> skip
	fi;
#ifdef MAY_BE_CANCELLED
	if
	:: part == 0 ->
		atomic {
#ifndef KEEP_USER_LOCK
			release();
#endif
			change_parts(); goto again
		}
	:: skip
	fi;
#endif
	if
	:: takes_barber_lock -> lock_barber()
	:: else -> skip
	fi;
#ifdef LOCK_ACROSS_TRIGGER
	use_counter();
#endif
	store();
	if
	:: key_of(row) != NOBODY && !is_update ->
		insert_key();
		if
		:: sight != NOTHING -> goto decide
		:: else -> skip
		fi
	:: else -> skip
	fi;

look_again:
#if defined(NO_SECOND_LOOK)
	if
	:: kind == FUNCTION -> sight = NOTHING
	:: else -> look()
	fi;
#elif defined(NO_AFTER_LOOK)
	if
	:: is_raw -> sight = NOTHING
	:: else -> look()
	fi;
#else
	look();
#endif

decide:
	atomic {
		printf("%d saw %d\n", me, sight);
		if
		:: says_stay(sight) -> skip
		:: sight == LEAVE -> take_back(); release(); goto leave
		:: says_no(sight) ->
			if
			:: is_raw -> skip
			:: else -> take_back(); release()
			fi;
			goto refused
		:: sight == NOTHING ->
			d_step {
				cell[mine - 1].speculative = false;
				wake_for_token(me)
			};
			release();
			if
#ifndef MAY_BE_CANCELLED
			:: row2 != NONE && part == 0 -> mine = 0; change_parts(); goto again
#endif
			:: else -> goto end_transaction
			fi
		fi
	};
	if
	:: holder[me] == 0 -> goto look_again
#ifdef DEADLOCK_DETECTOR
	:: timeout -> goto refused
#endif
	fi;

leave:
	atomic {
		if
		:: ALL_OR_NOTHING && row2 != NONE && part == 1 && !has_given_up ->
			take_back(); change_parts()
		:: else -> skip
		fi
	};
	wait_outside();
	goto again;

end_transaction:
	atomic {
		if
		:: commit()
		:: abort()
		fi;
		skip
	};
	goto over;

refused:
#ifdef TWO_BOOKINGS
	goto end_transaction;
#endif
	abort();

over:
	skip;
	d_step {
		i = 0;
		do
		:: i < ROWS ->
			if
			:: row_lock[i] == me + 1 -> row_lock[i] = 0
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
#ifdef HAS_COUNTER
		if
		:: counter == me + 1 -> counter = 0
		:: else -> skip
		fi;
#endif
#ifdef KEEP_USER_LOCK
		i = 0;
		do
		:: i < USERS ->
			if
			:: user_lock[i] == me + 1 -> user_lock[i] = 0
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
#endif
		skip
	}
}

/* Updates a row in ways that cannot make it overlap: does not look. */
proctype updater(byte me; byte row; byte times; byte status)
{
	do
	:: atomic { times > 0 && row_lock[row] == 0 && (there & bit(row)) != 0 ->
			row_lock[row] = me + 1;
			d_step {
				allocate();
				j = found;
				find_row(row);
				cell[j].row = row;
				cell[j].place = cell[found].place;
				cell[j].status = (status == COMPLETED -> COMPLETED : cell[found].status);
				cell[j].inserted = by(me);
				cell[j].entry = true;
				cell[j].keyed = cell[found].keyed;
				cell[found].deleted = by(me);
				cell[found].next = j + 1;
				times--;
				printf("%d updates row %d, cell %d -> %d\n", me, row, found, j)
			} }
		atomic {
			if
			:: commit()
			:: abort()
			fi;
			row_lock[row] = 0
		}
	:: break
	od;
	skip
}

init
{
	byte k, age_of, given;

	atomic {
		/* any order of ages */
		do
		:: k < WRITERS ->
			if
			:: (given & 1) == 0 -> age_of = 0
			:: (given & 2) == 0 && WRITERS > 1 -> age_of = 1
			:: (given & 4) == 0 && WRITERS > 2 -> age_of = 2
			:: (given & 8) == 0 && WRITERS > 3 -> age_of = 3
			fi;
			age[k] = age_of;
			given = given | bit(age_of);
			k++
		:: else -> k = 0; age_of = 0; given = 0; break
		od;
		CAST;
		prepared = true
	}
#ifdef EXPIRY
	expired = true
#endif
}
