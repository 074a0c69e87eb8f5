/* SPDX-License-Identifier: MIT */
/*
 * The ring, the cursors, the outbox and the rule against congestion, as chat.c
 * has them, so small that spin looks at every state.  Each inline stands for
 * the function of the same name, and each variable for that of the same name
 * (in chat.c: ring.head, room.congested and so on).  A frame has two bytes;
 * what a client sends, and how much its socket takes, is left to chance, but
 * for client 0, which takes all at once and must never be dropped.
 *
 * MISTAKE, a number, breaks the model on purpose: test/model/run expects each
 * to be found.
 */
#ifndef MISTAKE
#define MISTAKE 0
#endif
#ifndef N
#define N        2 /* entries of the table */
#define FRAME    2 /* bytes: one of header, one of payload */
#define PINGS      /* of both sides */
#define PATIENCE 2 /* units of time; see settle_congestion() */
#endif
#define LOG_SIZE      (4 * FRAME)
#define RESERVE       (FRAME - 1) /* of half a frame: see read_budget() */
#define RECEIVE_SIZE  (LOG_SIZE / 2 - RESERVE)
#define PRIVATE_MAX   (2 * FRAME) /* two private frames */
#define OUTBOX_SIZE   (3 * FRAME) /* and a Close */
#define END           (6 * FRAME) /* nobody sends after so many bytes */

mtype = { FREE, OPEN, CLOSING, DEAD };

typedef client {
	mtype state;
	byte cursor, outbox_at;       /* offsets in the ring */
	byte outbox_len, outbox_sent; /* private bytes; how many are sent */
	byte buffered;                /* bytes of half a frame that it sent */
	bool ping_due, blocked;
	bool last;                    /* its Close is sent */
}

client c[N];
byte bytes[LOG_SIZE]; /* each is the offset that it was written for */
byte head, slowest;
bool congested;
byte patience = PATIENCE;
byte waited; /* how long the room has waited, less what was refilled */
byte i, j, k, n, left, budget; /* for the inlines */

inline client_drop(i) {
	assert(i != 0); /* a client that reads is never dropped */
	c[i].state = DEAD
}

#define outbox_is_due(i) (c[i].outbox_len > 0 && c[i].cursor >= c[i].outbox_at)
#define outbox_waits(i)  (c[i].outbox_len > 0 && c[i].outbox_at != head)
#define ring_end(i) \
	((c[i].outbox_len > 0 && MISTAKE != 2) || \
	 (c[i].state == CLOSING && MISTAKE != 1) -> c[i].outbox_at : head)

/* n becomes the number of bytes to send next. */
inline next_chunk(i) {
	if
	:: outbox_is_due(i) -> n = c[i].outbox_len - c[i].outbox_sent
	:: else -> n = ring_end(i) - c[i].cursor
	fi
}

/* A send() of n bytes of the ring, or of the outbox. */
inline advance(i) {
	assert(!c[i].last); /* nothing follows a Close */
	if
	:: outbox_is_due(i) ->
		assert(c[i].cursor % FRAME == 0); /* it splits no frame */
		c[i].outbox_sent = c[i].outbox_sent + n;
		if
		:: c[i].outbox_sent == c[i].outbox_len ->
			c[i].last = c[i].state == CLOSING;
			c[i].outbox_len = 0;
			c[i].outbox_sent = 0
		:: else
		fi
	:: else ->
		do
		:: n > 0 ->
			/* it splits no private frame */
			assert(c[i].outbox_sent == 0);
			assert(bytes[c[i].cursor % LOG_SIZE] == c[i].cursor);
			c[i].cursor++;
			n--
		:: else -> break
		od
	fi
}

/* k becomes 1 if the frame fits below max: PRIVATE_MAX, or for a Close
   OUTBOX_SIZE. */
inline outbox_append(i, max) {
	if
	:: c[i].outbox_len + FRAME > max -> k = 0
	:: else ->
		if
		:: c[i].outbox_len == 0 -> c[i].outbox_at = head
		:: else
		fi;
		c[i].outbox_len = c[i].outbox_len + FRAME;
		k = 1
	fi
}

inline queue_due_frames(i) {
	if
	:: c[i].ping_due && c[i].state == OPEN && !outbox_waits(i) ->
		outbox_append(i, PRIVATE_MAX);
		c[i].ping_due = (k == 0)
	:: else
	fi
}

/* Sends what is due; any socket but that of client 0 may take less. */
inline flush(i) {
	left = n;
	queue_due_frames(i);
	next_chunk(i);
	do
	:: n > 0 && !c[i].blocked ->
		do
		:: n > 1 && i > 0 -> n--; c[i].blocked = true
		:: break
		od;
		advance(i);
		queue_due_frames(i);
		next_chunk(i)
	:: n > 0 && !c[i].blocked && i > 0 -> c[i].blocked = true
	:: n == 0 || c[i].blocked -> break
	od;
	n = left
}

inline queue_frame(i, max) {
	k = 0;
	if
	:: !outbox_waits(i) || MISTAKE == 3 -> outbox_append(i, max)
	:: else
	fi;
	if
	:: k == 0 -> flush(i); outbox_append(i, max)
	:: else
	fi;
	/* a client that reads gets all in the order in which it was sent */
	assert(i > 0 || c[i].outbox_at == head)
}

inline broadcast() {
	assert(head + FRAME - slowest <= LOG_SIZE);
	for (k : 1 .. FRAME) {
		bytes[head % LOG_SIZE] = head; /* the offset stands for the byte */
		head++
	}
}

inline read_budget() {
	budget = LOG_SIZE - (head - slowest);
	if
	:: !congested && budget <= RESERVE ->
		congested = true;
		patience = (MISTAKE == 9 -> PATIENCE : patience)
	:: else
	fi;
	budget = (budget <= RESERVE -> 0 : budget - RESERVE);
	budget = (budget > RECEIVE_SIZE -> RECEIVE_SIZE : budget);
	budget = (congested -> 0 : budget);
	budget = (MISTAKE == 4 -> RECEIVE_SIZE : budget)
}

/* A read brings bytes of messages, pings, or a Close. */
inline receive(i) {
	read_budget();
	if
	:: budget == 0 || head >= END
	:: else ->
		n = budget;
		budget = 0; /* now: how often it pings */
		do
		:: n > 0 ->
			n--;
			c[i].buffered++;
			if
			:: c[i].buffered == FRAME ->
				c[i].buffered = 0;
				broadcast()
			:: else
			fi
#ifdef PINGS
		:: c[i].buffered == 0 && budget < 2 && c[i].state == OPEN ->
			budget++;
			queue_frame(i, PRIVATE_MAX);
			if
			:: k == 0 -> client_drop(i) /* it floods */
			:: else
			fi
#endif
		:: break
		od;
		if
		:: c[i].buffered == 0 && i > 0 && c[i].state == OPEN ->
			queue_frame(i, OUTBOX_SIZE);
			assert(k == 1); /* a Close always fits */
			c[i].state = CLOSING
		:: true
		fi
	fi
}

/* A newcomer starts with some history, at most half a ring. */
inline admit(i) {
	c[i].cursor = head;
	do
	:: c[i].cursor > 0 &&
	   (head - c[i].cursor < LOG_SIZE / 2 || MISTAKE == 5) ->
		c[i].cursor = c[i].cursor - FRAME
	:: break
	od;
	if
	:: c[i].cursor < slowest && MISTAKE != 6 -> slowest = c[i].cursor
	:: else
	fi;
	c[i].outbox_len = FRAME; /* the response to its handshake */
	c[i].outbox_at = c[i].cursor;
	c[i].state = OPEN
}

/* Heartbeats, refilled patience, and the timeout of a Close, which may be over
   in any tick. */
inline tick() {
	if
	:: patience < PATIENCE -> patience++; waited--
	:: true
	fi;
	for (i : 0 .. N - 1) {
#ifdef PINGS
		c[i].ping_due = c[i].state == OPEN;
#endif
		if
		:: c[i].state == CLOSING -> c[i].state = DEAD
		:: true
		fi
	}
}

#define needs_ring(i) \
	(c[i].state == OPEN || (c[i].state == CLOSING && \
				c[i].cursor < ring_end(i) && MISTAKE != 8))
#define lag(i) (needs_ring(i) -> head - c[i].cursor : 0)

inline update_slowest() {
	slowest = head;
	for (i : 0 .. N - 1) {
		if
		:: head - slowest < lag(i) -> slowest = c[i].cursor
		:: else
		fi
	}
}

/* Takes a unit of patience for the time since the last pass, or nothing; at the
   end of congestion the room may get it back, as with -l 0. */
inline settle_congestion() {
	update_slowest();
	if
	:: congested ->
		if
		:: patience > 0 -> patience--; waited++
		:: true
		fi;
		for (i : 0 .. N - 1) {
			if
			:: patience == 0 && lag(i) > LOG_SIZE / 2 &&
			   MISTAKE != 7 ->
				client_drop(i);
				if
				:: MISTAKE == 10 -> break
				:: else
				fi
			:: else
			fi
		};
		update_slowest();
		congested = head - slowest > LOG_SIZE / 2;
		if
		:: !congested ->
			patience = PATIENCE;
			waited = 0
		:: true
		fi
	:: else
	fi
}

inline entry_free(i) {
	c[i].state = FREE;
	c[i].cursor = 0; c[i].outbox_at = 0;
	c[i].outbox_len = 0; c[i].outbox_sent = 0;
	c[i].buffered = 0; c[i].ping_due = false; c[i].blocked = false;
	c[i].last = false
}

inline handle_events(i) {
	if
	:: c[i].blocked -> c[i].blocked = false /* POLLOUT */
	:: true
	fi;
	if
	:: c[i].state == OPEN -> receive(i)
	:: c[i].state == FREE && head < END ->
		read_budget(); /* of its request */
		if
		:: budget > 0 -> admit(i)
		:: else
		fi
	:: true
	fi;
	k = 0; n = 0; left = 0; budget = 0
}

inline write_to(i) {
	if
	:: c[i].state == OPEN || c[i].state == CLOSING -> flush(i)
	:: else
	fi;
	k = 0; n = 0; left = 0
}

inline check() {
	/* a client that reads has all; the others together delay the room no
	   longer than its patience, after which all who did so are gone */
	assert(c[0].state != OPEN || c[0].cursor == head);
	assert(waited <= PATIENCE);
	assert(!congested || patience > 0)
}

inline run_once() {
	for (j : 0 .. N - 1) {
		atomic { write_to(j) }
	}
	atomic {
		settle_congestion();
		for (i : 0 .. N - 1) {
			if
			:: c[i].state == DEAD || c[i].last -> entry_free(i)
			:: else
			fi
		}
		check();
		i = 0;
		j = 0
	}
	/* poll() */
	for (j : 0 .. N - 1) {
		atomic { handle_events(j) }
	}
	atomic {
		if
		:: tick()
		:: true
		fi;
		i = 0;
		j = 0
	}
}

active proctype server() {
	for (i : 0 .. N - 1) {
		c[i].state = FREE
	};
	i = 0;
	do
	:: run_once()
	od
}
