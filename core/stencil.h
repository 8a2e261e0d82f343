/* SPDX-License-Identifier: Apache-2.0
 *
 * stencil: events of a stream that differ in one string only, translated without
 * Lua. A translator that has turned one event into bytes may say that others
 * like it, but for one text, become the same bytes with theirs. From then on the
 * text is moved from event to event as it is written, escapes included. Pure.
 * Called by request.
 */
#ifndef LEME_STENCIL_H
#define LEME_STENCIL_H

#include "buf.h"
#include "ceilings.h"

/** Texts that the owner should take note of when they are as many bytes. */
#define STENCIL_SAID (8 * KIB)

/** What stands around the text, in the event and in what it becomes. Zero it
 * with stencil_init. */
struct stencil {
    struct buf name;                    /* the event's */
    struct buf before, after;           /* in its data */
    struct buf out_before, out_after;
    struct buf said;                    /* texts moved, until the owner empties it,
                                           as the inside of a JSON string */
    bool set;
};

void stencil_init(struct stencil *s);
void stencil_free(struct stencil *s);
/** Match nothing any more; what was said stays. */
void stencil_clear(struct stencil *s);

/** A piece of memory that is not owned. */
struct stencil_text {
    const char *at;
    size_t len;
};

/**
 * The event ${name} with ${data} became ${out}, and ${text} of the one stands in
 * the other. Learned only when there can be no doubt which string is meant: no
 * escape in ${data}, and ${text} a whole string of it exactly once, as of
 * ${out}. Otherwise nothing matches until the next time.
 */
void stencil_learn(struct stencil *s, struct stencil_text name,
                   struct stencil_text data, struct stencil_text out,
                   struct stencil_text text);

/**
 * When the event is like the one learned, and its text is a good JSON string
 * that is not empty, append what it becomes to ${out}. 1; 0: another event;
 * -1: memory, or the ceiling of ${out}.
 */
int stencil_apply(struct stencil *s, struct stencil_text name,
                  struct stencil_text data, struct buf *out);

/** Where in a buffer the last events stand that were made with a stencil, one
 * behind the other: each differs from the one in front of it in a text only, the
 * first from the event that was learned. Zero it. */
struct stencil_run {
    size_t at, len;
};

/** One more of them stands from ${from} up to ${to}, the buffer's end. */
void stencil_run_add(struct stencil_run *r, size_t from, size_t to);
/** ${n} bytes were taken from the buffer's front. */
void stencil_run_take(struct stencil_run *r, size_t n);
/** How many bytes from ${at} on are theirs. */
size_t stencil_run_left(const struct stencil_run *r, size_t at);

#endif
