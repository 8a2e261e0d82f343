/* SPDX-License-Identifier: Apache-2.0
 *
 * The header lines that every answer of the engine carries.
 */
#include "request_impl.h"

#include <stdio.h>

/* Milliseconds with three decimals; printf is slow and sees the locale. */
static void add_ms(struct buf *b, us_t us)
{
    char text[32];
    size_t at = sizeof text;
    uint64_t n = us > 0 ? (uint64_t)us : 0;

    for (int i = 0; i < 3; i++, n /= 10)
        text[--at] = (char)('0' + n % 10);
    text[--at] = '.';
    do {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    buf_add(b, text + at, sizeof text - at);
}

void relay_header(struct buf *b, const char *name, const char *value)
{
    buf_adds(b, name);
    buf_adds(b, ": ");
    buf_adds(b, value);
    buf_add(b, "\r\n", 2);
}

/* Anthropic's clients look for it under its name there; errors have it already. */
void relay_own_id(struct buf *b, const struct request *r)
{
    if (r->in.op == REQUEST_MESSAGES)
        relay_header(b, "request-id", r->id);
}

/* What every answer of the engine says about itself. */
struct buf *relay_headers(struct request *r, const struct flight *f)
{
    struct buf *b = &r->all->scratch;
    us_t now = clock_now();

    b->len = 0;
    relay_header(b, "x-request-id", r->id);
    if (f && f->ok && f->target >= 0)
        relay_header(b, "x-leme-target", flight_whole(f, flight_target(f))->name);
    if (r->model >= 0)
        relay_header(b, "x-leme-policy",
                   policy_label(r->state, (unsigned)r->model));
    if (r->attempts > 1)
        buf_addf(b, "x-leme-attempts: %u\r\n", r->attempts);
    buf_adds(b, "server-timing: policy;dur=");
    add_ms(b, r->policy_us);
    buf_adds(b, ", queue;dur=0, first;dur=");
    add_ms(b, (f && f->first_at ? f->first_at : now) - r->in.received);
    buf_add(b, "\r\n", 2);
    return b;
}
