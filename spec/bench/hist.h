/* SPDX-License-Identifier: Apache-2.0
 *
 * hist: how long things took: a log-linear histogram of nanoseconds, up to
 * 100 s and beyond, within 0.4 %. Called by load.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>
#include <stdio.h>

#define HIST_SLOTS (128 * 36)

struct hist {
    uint64_t slot[HIST_SLOTS];
    uint64_t count;
    uint64_t max;
    double sum;
};

void hist_add(struct hist *h, uint64_t ns);
/** The value that a share ${q} (0..1) of the samples does not exceed; 0 when
 * there are none. */
double hist_quantile(const struct hist *h, double q);
/** One JSON object of microseconds. */
void hist_print(const struct hist *h, FILE *to);

#endif
