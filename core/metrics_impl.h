/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics_impl: what metrics.c and metrics_process.c share. Nobody else
 * includes it.
 */
#ifndef LEME_METRICS_IMPL_H
#define LEME_METRICS_IMPL_H

#include "metrics.h"

/* Each appends text; 0, or not 0 when ${out} is full. */

/** The HELP and TYPE lines of a family. */
int metrics_add_head(struct buf *out, const char *name, enum metric_kind kind,
                     const char *help);
/** One sample; ${labels} without {} may be empty. */
int metrics_add_line(struct buf *out, const char *name, const char *suffix,
                     const char *labels, double value);
/** The process_* set; what cannot be known now is left out. */
int metrics_add_process(struct buf *out);

#endif
