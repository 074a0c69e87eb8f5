/* SPDX-License-Identifier: MIT */
/*
 * The ring, its cursors, private frames and congestion, as chat.c and ring.c
 * have them, so small that spin looks at every state.  Each inline stands for
 * the function of the same name.  A frame has FRAME bytes; what a client says,
 * and how much its socket takes, is left to chance, but for client 0, which
 * takes all at once and must never be dropped.
 *
 * MISTAKE, a number, breaks the model on purpose: test/model/run expects each
 * to be found.
 */
#ifndef MISTAKE
#define MISTAKE 0
#endif
#define RING_SIZE (4 * FRAME)
#define RESERVE   (FRAME - 1) /* of half a message: see ring_room() */
#define END       (6 * FRAME) /* nobody says anything after so many bytes */

mtype = { FREE, OPEN, DEPARTED, ENDING, DEAD };

typedef client {
	mtype state;
	byte cursor, due_place; /* offsets in the ring */
	byte own_left;          /* bytes of a private frame that is begun */
	byte buffered;          /* bytes of half a message that it sent */
	bool due, blocked;
	bool last;              /* its Close is sent */
}

client c[N];
byte bytes[RING_SIZE]; /* each is the offset that it was written for */
byte head, slowest, saved;
bool congested;
byte patience = PATIENCE;
byte waited; /* how long the room has waited, less what was refilled */
byte i, j, n, room, pings; /* for the inlines */

inline client_drop(i) {
	assert(i != 0); /* a client that reads is never dropped */
	c[i].state = DEAD
}

inline ring_append() {
	assert(head + FRAME - slowest <= RING_SIZE);
	d_step {
		n = 0;
		do
		:: n < FRAME -> bytes[head % RING_SIZE] = head; head++; n++
		:: else -> break
		od;
		n = 0
	}
}

#define free_bytes (RING_SIZE - (head - slowest))
#define ring_room  (free_bytes > RESERVE -> free_bytes - RESERVE : 0)
#define ring_end(i) \
	((c[i].due && MISTAKE != 2) || \
	 (c[i].state == ENDING && MISTAKE != 1) -> c[i].due_place : head)
#define lag(i) \
	(c[i].state == OPEN || (c[i].state == ENDING && \
		c[i].cursor < c[i].due_place && MISTAKE != 8) -> \
	 head - c[i].cursor : 0)

inline make_due(i) {
	if
	:: !c[i].due -> c[i].due_place = head
	:: else
	fi;
	c[i].due = true
}

/* n becomes the number of bytes to send next. */
inline next_chunk(i) {
	if
	:: c[i].own_left == 0 && c[i].due && c[i].cursor == ring_end(i) ->
		assert(c[i].cursor % FRAME == 0); /* it splits no frame */
		c[i].due = false;
		c[i].due_place = (c[i].state == ENDING -> c[i].due_place : 0);
		c[i].own_left = FRAME
	:: else
	fi;
	n = (c[i].own_left > 0 -> c[i].own_left : ring_end(i) - c[i].cursor)
}

/* A send() of n bytes. */
inline advance(i) {
	assert(!c[i].last); /* nothing follows a Close */
	do
	:: n > 0 && c[i].own_left > 0 ->
		c[i].own_left--;
		n--;
		c[i].last = c[i].state == ENDING && c[i].own_left == 0 &&
			    !c[i].due && c[i].cursor == c[i].due_place
	:: n > 0 && c[i].own_left == 0 ->
		assert(bytes[c[i].cursor % RING_SIZE] == c[i].cursor);
		assert(c[i].cursor < saved); /* if the server is killed now */
		c[i].cursor++;
		n--;
		assert(!c[i].due || c[i].cursor <= c[i].due_place)
	:: n == 0 -> break
	od
}

/* Sends what is due; any socket but that of client 0 may take less. */
inline flush(i) {
	next_chunk(i);
	do
	:: n > 0 && !c[i].blocked ->
		if
		:: n > 1 && i > 0 -> n = 1; c[i].blocked = true
		:: true
		fi;
		advance(i);
		next_chunk(i)
	:: n > 0 && !c[i].blocked && i > 0 -> c[i].blocked = true
	:: n == 0 || c[i].blocked -> break
	od;
	n = 0
}

inline save_messages() { saved = head }

/* A read brings bytes of messages, pings, or a Close. */
inline receive(i) {
	if
	:: ring_room == 0 ->
		patience = (MISTAKE == 9 && !congested -> PATIENCE : patience);
		congested = true
	:: else
	fi;
	room = (MISTAKE == 3 -> free_bytes : ring_room);
	room = (MISTAKE == 4 -> RING_SIZE / 2 : room);
	do
	:: room > 0 && !congested && head < END && c[i].state != ENDING ->
		room--;
		c[i].buffered++;
		if
		:: c[i].buffered == FRAME ->
			c[i].buffered = 0;
			ring_append()
		:: else
		fi
	:: pings < PINGS && !congested && c[i].buffered == 0 &&
	   c[i].state == OPEN ->
		pings++;
		make_due(i);
		if
		:: MISTAKE != 11 -> save_messages()
		:: else
		fi;
		flush(i)
	:: break
	od;
	if
	:: !congested && c[i].buffered == 0 && i > 0 && c[i].state == OPEN ->
		make_due(i); /* a Close */
		c[i].state = ENDING
	:: i > 0 && c[i].state == OPEN -> /* it has reset the connection */
		c[i].state = DEPARTED;
		c[i].cursor = 0; c[i].due_place = 0; c[i].own_left = 0;
		c[i].due = false; c[i].blocked = false
	:: c[i].state == DEPARTED -> c[i].state = DEAD
	:: true
	fi;
	room = 0; pings = 0
}

/* A newcomer starts with some history, at most half a ring. */
inline admit(i) {
	c[i].cursor = head;
	do
	:: c[i].cursor > 0 && head - c[i].cursor < RING_SIZE / 2 ->
		c[i].cursor = c[i].cursor - FRAME
	:: break
	od;
	if
	:: c[i].cursor < slowest && MISTAKE != 6 -> slowest = c[i].cursor
	:: else
	fi;
	c[i].own_left = FRAME; /* the response to its handshake */
	make_due(i);           /* a notice */
	c[i].state = OPEN
}

inline entry_free(i) {
	d_step {
		c[i].state = FREE;
		c[i].cursor = 0; c[i].due_place = 0; c[i].own_left = 0;
		c[i].buffered = 0; c[i].due = false; c[i].blocked = false;
		c[i].last = false
	}
}

#define is_slow(i) \
	(congested && patience == 0 && lag(i) > RING_SIZE / 2)

inline visit(i) {
	if
	:: c[i].state == OPEN || c[i].state == ENDING -> flush(i)
	:: else
	fi;
	if
	:: is_slow(i) && MISTAKE != 7 && !(MISTAKE == 10 && room > 0) ->
		client_drop(i);
		room = 1
	:: !is_slow(i) && c[i].state == ENDING -> c[i].state = DEAD /* its time is over */
	:: !is_slow(i) || MISTAKE == 7 || MISTAKE == 10
	fi;
	if
	:: c[i].state == DEAD || c[i].last -> entry_free(i)
	:: else
	fi;
	if
	:: head - slowest < lag(i) -> slowest = c[i].cursor
	:: else
	fi;
	/* a client that reads has all; the others together delay the room no
	   longer than its patience, after which all who did so are gone */
	assert(i > 0 || c[0].state != OPEN || c[0].cursor == head);
	assert(waited <= PATIENCE)
}

inline end_congestion() {
	room = 0;
	if
	:: congested && head - slowest <= RING_SIZE / 2 ->
		congested = false;
		if
		:: patience = PATIENCE; waited = 0 /* with -l 0 */
		:: true
		fi
	:: else
	fi;
	assert(!congested || patience > 0)
}

/* Time passes, and the room pays for it while it is congested. */
inline advance_clock() {
	if
	:: congested -> patience--; waited++
	:: patience < PATIENCE -> patience++; waited--
	:: true
	fi
}

inline handle_events(i) {
	if
	:: c[i].blocked -> c[i].blocked = false /* POLLOUT */
	:: true
	fi;
	if
	:: c[i].state == OPEN || c[i].state == DEPARTED -> receive(i)
	:: c[i].state == FREE && head < END -> admit(i)
	:: true
	fi
}

/* The passes of the loop. */
active proctype server() {
	for (i : 0 .. N - 1) {
		c[i].state = FREE
	};
	do
	:: atomic {
		if
		:: MISTAKE != 5 -> save_messages()
		:: else
		fi;
		if
		:: PINGS > 0 -> /* a heartbeat */
			for (i : 0 .. N - 1) {
				if
				:: c[i].state == OPEN -> make_due(i)
				:: else
				fi
			}
		:: true
		fi;
		slowest = head;
		i = 0
	   };
	   for (j : 0 .. N - 1) {
		atomic { visit(j) }
	   };
	   atomic { end_congestion(); advance_clock(); j = 0; i = 0 };
	   for (j : 0 .. N - 1) {
		atomic { handle_events(j) }
	   };
	   atomic { j = 0 }
	od
}
