/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_lookup: names that do not resolve. libcurl looks each up in a thread
 * with two descriptors, which stay for as long as the resolver waits, also when
 * the attempt is over: a silent DNS server would take all descriptors there are.
 */
#include "upstream_impl.h"

#include "config.h"

#define STUCK_MIN 8u            /* lookups of a name without an answer */
#define STUCK_AFTER US_PER_S    /* and how long there was none */
#define PROBE_EVERY US_PER_S    /* of a stuck name */
#define LEFT_FOR (15 * US_PER_S)    /* the resolver has given up by then */

/* The entry of the host that ${t} has to find, or one that is free. */
static struct lookup *lookup_of(struct transfer *t)
{
    const struct provider *p = t->provider;
    uint64_t host = upstream_pool_origin(p->proxy ? p->proxy : p->base);
    struct lookup *all = t->upstream->lookups, *free_one = NULL;
    us_t now = clock_now();

    for (unsigned i = 0; i < MAX_LOOKUPS; i++) {
        if (all[i].host == host)
            return &all[i];
        if (!free_one && all[i].busy == 0 &&
            now - all[i].left_at > LEFT_FOR)
            free_one = &all[i];
    }
    if (free_one)
        *free_one = (struct lookup){.host = host};
    return free_one;
}

int upstream_on_lookup(void *resolver, void *reserved, void *transfer)
{
    struct transfer *t = transfer;
    struct lookup *l = lookup_of(t);
    us_t now = clock_now();

    (void)resolver;
    (void)reserved;
    if (!l || t->lookup)
        return 0;
    if (now - l->left_at > LEFT_FOR)
        l->left = 0;
    if (l->busy + l->left == 0)
        l->answered = now;
    if (l->busy + l->left >= STUCK_MIN && now - l->answered > STUCK_AFTER) {
        if (now < l->probe_at)
            return 1;
        l->probe_at = now + PROBE_EVERY;
    }
    l->busy++;
    t->lookup = l;
    return 0;
}

void upstream_lookup_end(struct transfer *t, bool answered)
{
    struct lookup *l = t->lookup;

    if (!l)
        return;
    t->lookup = NULL;
    l->busy--;
    if (answered) {
        l->answered = clock_now();
        l->left = 0;
    } else {
        l->left_at = clock_now();
        l->left++;
    }
}
