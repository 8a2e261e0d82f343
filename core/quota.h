/* SPDX-License-Identifier: Apache-2.0
 *
 * quota: what a provider's answer says about its limits: when to come back and
 * how much is left, in every spelling vendors use. Pure. Called by request.
 */
#ifndef LEME_QUOTA_H
#define LEME_QUOTA_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>

/** -1 is unknown. Durations are from the moment of the answer, 0 to a day. */
struct quota {
    us_t retry_after;       /* how long to stay away */
    double requests;        /* left; of several windows the smallest */
    double tokens;
    us_t reset_requests;    /* until refilled; of several windows the soonest */
    us_t reset_tokens;
    bool exact;             /* retry_after came in milliseconds */
};

void quota_init(struct quota *q);
/**
 * Take note of one response field; fields that say nothing about limits are
 * ignored, as are values that make no sense or are negative. ${name} is
 * compared without case. ${wall_now} turns points in time into durations; one
 * that has passed is 0. A positive retry-after-ms wins over retry-after,
 * whichever comes first.
 */
void quota_header(struct quota *q, const char *name, size_t name_len,
                  const char *value, size_t value_len, us_t wall_now);
/**
 * The wait an error body asks for: Google's retryDelay, or a sentence such as
 * "Please try again in 1.2s". ${body} may be anything. -1 when it names none.
 */
us_t quota_retry_body(const char *body, size_t len);

#endif
