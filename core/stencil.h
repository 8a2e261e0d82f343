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

#endif
