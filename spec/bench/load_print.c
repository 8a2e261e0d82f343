/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <stdio.h>

/* A generator whose own lateness is above this share of what it reports has
 * measured itself. */
#define LATE_SHARE 0.05

static unsigned long long number(uint64_t n)
{
    return n;
}

static void print_failures(const struct load_result *r)
{
    static const char *const names[LOAD_FAILURES] = {
        "connect", "status", "cut", "malformed", "unfinished"
    };
    uint64_t all = 0;

    for (int i = 0; i < LOAD_FAILURES; i++) {
        all += r->failed[i];
        printf("\"failed_%s\":%llu,", names[i], number(r->failed[i]));
    }
    printf("\"failed\":%llu,\"statuses\":{", number(all));
    for (int i = 0, comma = 0; i < 600; i++) {
        if (!r->status[i])
            continue;
        printf("%s\"%d\":%llu", comma ? "," : "", i, number(r->status[i]));
        comma = 1;
    }
    printf("},");
}

static void print_stream(const struct load_result *r)
{
    printf("\"stream\":{\"streams\":%llu,\"chunks\":%llu,\"lost\":%llu,"
           "\"merged\":%llu,\"first_us\":",
           number(r->streams), number(r->chunks), number(r->lost),
           number(r->merged));
    hist_print(&r->first, stdout);
    printf(",\"delay_us\":");
    hist_print(&r->delay, stdout);
    printf("},");
}

void load_print(const struct load_options *options, const struct load_result *r)
{
    double late = hist_quantile(&r->late, 0.99);
    double p99 = hist_quantile(&r->latency, 0.99);

    printf("{\"seconds\":%.6f,\"completed\":%llu,\"per_second\":%.1f,",
           r->seconds, number(r->completed),
           r->seconds > 0 ? (double)r->completed / r->seconds : 0.0);
    if (options->nwatch)
        printf("\"watched_cpu_s\":%.6f,", r->watched_cpu_s);
    printf("\"own_cpu_s\":%.6f,", r->own_cpu_s);
    print_failures(r);
    printf("\"scheduled\":%llu,\"reconnects\":%llu,\"queued_max\":%llu,"
           "\"unstamped\":%llu,",
           number(r->scheduled), number(r->reconnects), number(r->queued_max),
           number(r->unstamped));
    if (r->streams)
        print_stream(r);
    printf("\"late\":%s,\"late_us\":",
           late > LATE_SHARE * p99 ? "true" : "false");
    hist_print(&r->late, stdout);
    printf(",\"latency_us\":");
    hist_print(&r->latency, stdout);
    printf(",\"added_us\":");
    hist_print(&r->added, stdout);
    printf("}\n");
    fflush(stdout);
}
