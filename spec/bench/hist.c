/* SPDX-License-Identifier: Apache-2.0 */
#include "hist.h"

/* Values below 128 have a slot each; above, each power of two has 128 slots,
 * so a slot is at most 1/128 wide and its middle at most 0.4 % off. */
#define STEPS 128u

static unsigned slot_of(uint64_t ns)
{
    unsigned shift, slot;

    if (ns < STEPS)
        return (unsigned)ns;
    shift = 56u - (unsigned)__builtin_clzll(ns);
    slot = (shift + 1) * STEPS + (unsigned)((ns >> shift) - STEPS);
    return slot < HIST_SLOTS ? slot : HIST_SLOTS - 1;
}

static double middle_of(unsigned slot)
{
    unsigned shift;

    if (slot < STEPS)
        return slot;
    shift = slot / STEPS - 1;
    return (double)(((uint64_t)(slot % STEPS) + STEPS) << shift) +
           (double)((uint64_t)1 << shift) / 2;
}

void hist_add(struct hist *h, uint64_t ns)
{
    h->slot[slot_of(ns)]++;
    h->count++;
    h->sum += (double)ns;
    if (ns > h->max)
        h->max = ns;
}

double hist_quantile(const struct hist *h, double q)
{
    double wanted = q * (double)h->count;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HIST_SLOTS; i++) {
        seen += h->slot[i];
        if (seen && (double)seen >= wanted)
            return middle_of(i);
    }
    return 0;
}

void hist_print(const struct hist *h, FILE *to)
{
    fprintf(to,
            "{\"count\":%llu,\"mean\":%.2f,\"p50\":%.2f,\"p90\":%.2f,"
            "\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}",
            (unsigned long long)h->count,
            h->count ? h->sum / (double)h->count / 1000 : 0.0,
            hist_quantile(h, 0.5) / 1000, hist_quantile(h, 0.9) / 1000,
            hist_quantile(h, 0.99) / 1000, hist_quantile(h, 0.999) / 1000,
            (double)h->max / 1000);
}
