/* SPDX-License-Identifier: MIT */
/*
 * The log, the cursors, the outbox and the rule against congestion, as chat.c
 * has them, so small that spin looks at every state.  Each inline stands for
 * the function of the same name.  A frame has two bytes; what a client sends,
 * and how much its socket takes, is left to chance, but for client 0, which
 * takes all at once and must never be dropped.
 *
 * MISTAKE, a number, breaks the model on purpose: test/model/run expects each
 * to be found.
 */
#ifndef MISTAKE
#define MISTAKE 0
#endif
#ifndef N
#define N     2    /* entries of the table */
#define FRAME 2    /* bytes: one of header, one of payload */
#define PINGS      /* of both sides */
#endif
#define LOG    (4 * FRAME)  /* LOG_SIZE */
#define MORE   (FRAME - 1)  /* of half a frame: MESSAGE_MAX + WS_SERVER_HEADER */
#define READ   (LOG / 2 - MORE) /* RECEIVE_SIZE */
#define OUTBOX (3 * FRAME)  /* two private frames and a Close */
#define END    (6 * FRAME)  /* after so many bytes nobody says anything more */
#define STALL  2            /* ticks */

mtype = { FREE, OPEN, CLOSING, OVER };

typedef client {
	mtype state;
	byte cursor, until; /* offsets into the log */
	byte outbox, sent;  /* private bytes; how many are on the wire */
	byte have;          /* bytes of half a frame that it sent */
	bool owes_ping, blocked;
	bool last;          /* its Close is on the wire */
}

client c[N];
byte ring[LOG];  /* each byte is the offset that it was written for */
byte head, slowest, stalled;
bool congested;
byte i, j, k, n, left, room; /* for the inlines */

inline drop(i) {
	assert(i != 0); /* who reads is never dropped */
	c[i].state = OVER;
}

#define due(i) (c[i].outbox > 0 && c[i].cursor >= c[i].until)

inline rest(i) {
	if
	:: due(i) -> n = c[i].outbox - c[i].sent
	:: else ->
		if
		:: c[i].state == CLOSING && c[i].outbox == 0 && MISTAKE != 1 ->
			n = 0 /* nothing after a Close */
		:: else ->
			if
			:: c[i].outbox > 0 && MISTAKE != 2 ->
				n = c[i].until - c[i].cursor
			:: else -> n = head - c[i].cursor
			fi
		fi
	fi
}

/* A send() of n bytes of the log, or of the outbox. */
inline advance(i) {
	assert(!c[i].last); /* nothing follows a Close */
	if
	:: due(i) ->
		assert(c[i].cursor % FRAME == 0); /* it splits no frame */
		c[i].sent = c[i].sent + n;
		if
		:: c[i].sent == c[i].outbox ->
			c[i].last = c[i].state == CLOSING;
			c[i].outbox = 0;
			c[i].sent = 0
		:: else
		fi
	:: else ->
		do
		:: n > 0 ->
			assert(c[i].sent == 0); /* it splits no private one */
			assert(ring[c[i].cursor % LOG] == c[i].cursor);
			c[i].cursor++;
			n--
		:: else -> break
		od
	fi
}

/* Puts a private frame into the outbox; k becomes 1 if there was room.  `spare`
   is kept for a Close. */
inline add(i, spare) {
	if
	:: c[i].outbox + FRAME + spare > OUTBOX -> k = 0
	:: else ->
		if
		:: c[i].outbox == 0 -> c[i].until = head
		:: else
		fi;
		c[i].outbox = c[i].outbox + FRAME;
		k = 1
	fi
}

inline pay(i) {
	if
	:: c[i].owes_ping && c[i].state == OPEN &&
	   (c[i].outbox == 0 || c[i].until == head) ->
		add(i, FRAME);
		c[i].owes_ping = (k == 0)
	:: else
	fi
}

/* Sends what is due; any socket but that of client 0 may take less. */
inline flush(i) {
	left = n;
	pay(i);
	rest(i);
	do
	:: n > 0 && !c[i].blocked ->
		do
		:: n > 1 && i > 0 -> n--; c[i].blocked = true
		:: break
		od;
		advance(i);
		pay(i);
		rest(i)
	:: n > 0 && !c[i].blocked && i > 0 -> c[i].blocked = true
	:: n == 0 || c[i].blocked -> break
	od;
	n = left
}

inline put(i, spare) {
	if
	:: c[i].outbox > 0 && c[i].until != head && MISTAKE != 3 -> flush(i)
	:: else
	fi;
	add(i, spare);
	if
	:: k == 0 -> flush(i); add(i, spare)
	:: else
	fi;
	/* who reads gets all in the order it was said */
	assert(i > 0 || c[i].until == head)
}

inline broadcast() {
	assert(head + FRAME - slowest <= LOG);
	for (k : 1 .. FRAME) {
		ring[head % LOG] = head; /* the offset stands for the byte */
		head++
	}
}

/* A read brings bytes of messages, a ping, or a Close. */
inline receive(i) {
	room = LOG - (head - slowest);
	if
	:: !congested && room <= MORE -> congested = true; stalled = 0
	:: else
	fi;
	if
	:: congested && MISTAKE != 4 -> skip
	:: else ->
		n = (room <= MORE -> 0 : room - MORE);
		n = (n > READ || MISTAKE == 4 -> READ : n);
		room = 0; /* now: how often it pings */
		do
		:: n > 0 ->
			n--;
			c[i].have++;
			if
			:: c[i].have == FRAME -> c[i].have = 0; broadcast()
			:: else
			fi
#ifdef PINGS
		:: c[i].have == 0 && room < 2 && c[i].state == OPEN ->
			room++;
			put(i, FRAME);
			if
			:: k == 0 && i > 0 -> drop(i) /* it floods */
			:: else
			fi
#endif
		:: break
		od;
		if
		:: c[i].have == 0 && i > 0 && c[i].state == OPEN ->
			put(i, 0);
			assert(k == 1); /* a Close always has room */
			c[i].state = CLOSING
		:: true
		fi
	fi
}

/* A newcomer starts with some history, at most half a log. */
inline join(i) {
	c[i].cursor = head;
	do
	:: c[i].cursor > 0 &&
	   (head - c[i].cursor < LOG / 2 || MISTAKE == 5) ->
		c[i].cursor = c[i].cursor - FRAME
	:: break
	od;
	if
	:: c[i].cursor < slowest && MISTAKE != 6 -> slowest = c[i].cursor
	:: else
	fi;
	c[i].outbox = FRAME; /* the response to its handshake */
	c[i].until = c[i].cursor;
	c[i].state = OPEN
}

inline tick() {
	stalled = (congested -> stalled + 1 : 0);
	for (i : 0 .. N - 1) {
		if
#ifdef PINGS
		:: c[i].state == OPEN -> c[i].owes_ping = true
#endif
		:: else
		fi;
		if
		:: c[i].state == OPEN && congested && stalled >= STALL &&
		   head - c[i].cursor > LOG / 2 && MISTAKE != 7 -> drop(i)
		:: c[i].state == CLOSING && stalled >= STALL ->
			c[i].state = OVER /* CLOSE_TIMEOUT */
		:: else
		fi
	}
}

inline measure() {
	slowest = head;
	for (i : 0 .. N - 1) {
		if
		:: c[i].cursor < slowest &&
		   (c[i].state == OPEN ||
		    (c[i].state == CLOSING && c[i].outbox > 0 && !due(i) &&
		     MISTAKE != 8)) -> slowest = c[i].cursor
		:: else
		fi
	};
	if
	:: head - slowest <= LOG / 2 -> congested = false
	:: else
	fi
}

inline reap(i) {
	c[i].state = FREE;
	c[i].cursor = 0; c[i].until = 0; c[i].outbox = 0; c[i].sent = 0;
	c[i].have = 0; c[i].owes_ping = false; c[i].blocked = false;
	c[i].last = false
}

inline serve(i) {
	if
	:: c[i].blocked -> c[i].blocked = false /* POLLOUT */
	:: true
	fi;
	if
	:: c[i].state == OPEN && head < END -> receive(i)
	:: c[i].state == FREE && head < END -> join(i)
	:: true
	fi;
	k = 0; n = 0; left = 0; room = 0
}

inline write_to(i) {
	if
	:: c[i].state == OPEN || c[i].state == CLOSING -> flush(i)
	:: else
	fi;
	k = 0; n = 0; left = 0
}

inline check() {
	/* who reads is up to date, and nobody holds up the room for long */
	assert(c[0].state != OPEN || c[0].cursor == head);
	assert(!congested || stalled <= STALL)
}

inline pass() {
	for (j : 0 .. N - 1) {
		atomic { serve(j) }
	}
	atomic {
		if
		:: tick()
		:: !congested
		fi;
		i = 0
	}
	for (j : 0 .. N - 1) {
		atomic { write_to(j) }
	}
	atomic {
		measure();
		for (i : 0 .. N - 1) {
			if
			:: c[i].state == OVER || c[i].last -> reap(i)
			:: else
			fi
		}
		check();
		i = 0;
		j = 0
	}
}

active proctype server() {
	for (i : 0 .. N - 1) {
		c[i].state = FREE
	};
	do
	:: pass()
	od
}
