/* SPDX-License-Identifier: Apache-2.0
 *
 * price: what an answer costs: prices with the conditions under which they hold,
 * and one multiplication. Pure. Filled by config; called by request and bind.
 */
#ifndef LEME_PRICE_H
#define LEME_PRICE_H

#include "clock.h"

#include <stddef.h>
#include <stdint.h>

struct usage;

/**
 * US dollars per million tokens; -1 unknown. A part of the prompt or of the
 * answer without a price of its own costs what the whole of it costs, except
 * for cache_write_1h: nobody sells that at a price of something else.
 */
struct price {
    double input;
    double output;
    double cached;              /* prompt tokens read from a cache */
    double cache_write;         /* prompt tokens kept for 5 minutes */
    double cache_write_1h;      /* or for an hour */
    double audio;               /* prompt tokens that are sound */
    double reasoning;           /* completion tokens that are thoughts */
    double thinking;            /* all completion tokens of an answer with any */
    /* When it holds. */
    double above;               /* the prompt has more tokens; -1: any */
    int64_t since;              /* seconds since 1970 */
    int32_t from, to;           /* seconds of the day, UTC; alike: all day */
};

#define PRICE_UNKNOWN {-1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0}

/** Of several that hold the last counts; the first always holds. */
struct prices {
    struct price *list;         /* n of them; NULL: no price is known */
    size_t n;
    char *date;                 /* "2026-09-23": as of; or NULL */
};

/** The price of a prompt of ${input} tokens at ${wall}; NULL: none known. */
const struct price *price_at(const struct prices *prices, int64_t input,
                             us_t wall);
/**
 * US dollars for what ${usage} counts, begun at ${wall} (microseconds since
 * 1970). -1 when it is unknown: no price, no count of the prompt, or a part
 * that was used and has no price.
 */
double price_cost(const struct prices *prices, const struct usage *usage,
                  us_t wall);

#endif
