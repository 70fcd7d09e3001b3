/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the two ends of a ring sleep and wake each other (ring/ring.h, ring/bell.h): no wake-up is
 * lost, nobody waits for ever, neither on an empty ring nor on a full one. tests/spin/prove.py runs
 * it, and runs each -DBROKEN=n below, which it must refute.
 *
 * Memory is as weak here as the edges allow. A load of the peer's count may yield any value from
 * what this side is bound to see up to the newest: its `view`. That is so, too, of a count that is
 * told in rows (ring/layout.h): a look at one row after the other ends at an older count or at
 * the newest. Only an edge raises the view: an exchange that releases leaves the count with the
 * word, an exchange that acquires picks it up. The eventfd carries no order, though the kernel's
 * does. Sleeps have no bound here, and a look may be stale for as long as it likes.
 *
 * -DALONE=1: the same with the bell only, rung after every batch without an ask word.
 */
#ifndef SLOTS
#define SLOTS 1
#endif
#ifndef ALONE
#define ALONE 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define PLAIN_LOAD     1 /* the waker looks at the ask word before it exchanges it */
#define LOOK_FIRST     2 /* the sleeper looks at the ring, then asks */
#define ARM_LAST       3 /* the sleeper arms its bell after the look */
#define WITHDRAW_STORE 4 /* the sleeper takes its ask back by a plain store */
#define NO_R4_A4       5 /* an ask does not see what was done before the word was taken */
#define NO_R5_A5       6 /* an ask may be taken before the bell is armed */
#define NO_R6_A6       7 /* arming does not see what was done before the bell was rung */

#define ENTRIES 4 /* in all */

typedef word { /* an ask word or a bell's: exchanged, never loaded or stored */
    bit set;
    byte carries /* the waker's count when it last took the word */
}

byte published;
byte released;
word consumer_asks;
word producer_asks;
word consumer_bell;
word producer_bell;
bit consumer_event; /* the eventfds */
bit producer_event;

/* An exchange with 0 that releases: R4, R6. */
inline take(which, was, count)
{
    d_step {
        was = which.set;
        which.set = 0;
        which.carries = count
    }
}

/* An exchange with 1 that acquires unless it is broken: A4, A6. */
inline put(which, view, relaxed)
{
    d_step {
        which.set = 1;
        if
        :: !(relaxed) && view < which.carries -> view = which.carries
        :: else
        fi
    }
}

/* A load of the peer's count, which yields what view is afterwards. */
inline look(view, newest)
{
    do
    :: view < newest -> view++
    :: break
    od
}

/* After publishing or releasing. */
inline wake(asks, bell, event, count, was)
{
    if
    :: ALONE -> was = 1
    :: !ALONE && BROKEN == PLAIN_LOAD -> was = 0 /* an old value, which a plain load may yield */
    :: !ALONE -> take(asks, was, count)
    fi;
    if
    :: was ->
        take(bell, was, count);
        if
        :: was -> event = 1
        :: else
        fi
    :: else
    fi
}

/* R5 -> A5 is the order of these two, as the waker sees it. */
inline arm_and_ask(asks, bell, view)
{
    if
    :: ALONE -> put(bell, view, BROKEN == NO_R6_A6)
    :: !ALONE && BROKEN == ARM_LAST -> put(asks, view, false)
    :: !ALONE && BROKEN != ARM_LAST ->
        put(bell, view, BROKEN == NO_R6_A6);
        put(asks, view, BROKEN == NO_R4_A4)
    :: !ALONE && BROKEN == NO_R5_A5 ->
        put(asks, view, false);
        put(bell, view, false)
    fi
}

inline withdraw(asks)
{
    d_step {
        asks.set = 0;
        if
        :: BROKEN == WITHDRAW_STORE -> asks.carries = 0
        :: else
        fi
    }
}

/* Nothing was found, and `nothing` says so of the view. */
inline sleep(asks, bell, event, view, newest, nothing, idle)
{
    if
    :: BROKEN == LOOK_FIRST ->
        look(view, newest);
        idle = nothing;
        arm_and_ask(asks, bell, view)
    :: else ->
        arm_and_ask(asks, bell, view);
        look(view, newest);
        idle = nothing
    fi;
    if
    :: idle ->
        if
        :: BROKEN == ARM_LAST -> bell.set = 1
        :: else
        fi;
        event == 1 /* the sleep */
    :: else -> withdraw(asks)
    fi;
    bell.set = 0; /* disarm: an exchange, the chain holds */
    event = 0     /* hear */
}

#define IS_FULL  (published - released_view == SLOTS)
#define IS_EMPTY (published_view == released)

active proctype producer()
{
    byte released_view;
    bit was;
    bit idle;

    do
    :: published == ENTRIES -> break
    :: else ->
        look(released_view, released);
        if
        :: IS_FULL ->
            sleep(producer_asks, producer_bell, producer_event, released_view, released, IS_FULL,
                idle)
        :: else ->
            published++;
            if
            :: !IS_FULL && published < ENTRIES -> published++ /* a batch of two */
            :: true
            fi;
            wake(consumer_asks, consumer_bell, consumer_event, published, was)
        fi
    od
}

active proctype consumer()
{
    byte published_view;
    bit was;
    bit idle;

    do
    :: released == ENTRIES -> break
    :: else ->
        look(published_view, published);
        if
        :: IS_EMPTY ->
            sleep(consumer_asks, consumer_bell, consumer_event, published_view, published, IS_EMPTY,
                idle)
        :: else ->
            released++;
            if
            :: !IS_EMPTY -> released++
            :: true
            fi;
            wake(producer_asks, producer_bell, producer_event, released, was)
        fi
    od
}

ltl everything_arrives { <> (released == ENTRIES) }
