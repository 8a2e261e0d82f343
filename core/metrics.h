/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics: counters, gauges and histograms in fixed per-worker slots, rendered
 * as Prometheus text by another thread. The families and their labels are one
 * table. Called by request, engine, daemon, policy.
 */
#ifndef LEME_METRICS_H
#define LEME_METRICS_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct metrics;             /* one for the process' servers; survives reloads */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/*
 * X(id, name, kind, labels, buckets, help)
 *   labels  comma-separated names in the order values are given
 *   buckets which set of bounds: duration, overhead, attempts, none
 */
#define METRICS(X)                                                             \
    X(BUILD_INFO, "leme_build_info", GAUGE, "version,lua,curl,event,openssl", none, "Always 1; the versions of what runs.") \
    X(REQUESTS, "leme_requests_total", COUNTER, "op,model,code,error_type,stream", none, "Finished requests.") \
    X(IN_FLIGHT, "leme_requests_in_flight", GAUGE, "op", none, "Requests accepted and not finished.") \
    X(OLDEST, "leme_oldest_request_age_seconds", GAUGE, "", none, "Age of the oldest request in flight.") \
    X(DURATION, "leme_request_duration_seconds", HISTOGRAM, "op,model,stream", duration, "From the head of a request to the last byte of its answer.") \
    X(FIRST_CHUNK, "leme_time_to_first_chunk_seconds", HISTOGRAM, "op,model", duration, "From the head of a request to the first byte of its answer.") \
    X(OVERHEAD, "leme_overhead_seconds", HISTOGRAM, "op", overhead, "Time spent in the engine itself.") \
    X(OVERHEAD_PART, "leme_overhead_part_seconds", HISTOGRAM, "part", overhead, "The same by part.") \
    X(DISCONNECTS, "leme_client_disconnects_total", COUNTER, "phase", none, "Clients that left before the end of their answer.") \
    X(ATTEMPTS, "leme_upstream_attempts_total", COUNTER, "provider,model,error_type", none, "Calls of a target; an empty error_type is a success.") \
    X(KEY_ATTEMPTS, "leme_upstream_key_attempts_total", COUNTER, "provider,key,error_type", none, "Calls by each of a provider's several keys, by its name in the configuration.") \
    X(ATTEMPT_DURATION, "leme_upstream_attempt_duration_seconds", HISTOGRAM, "provider,model", duration, "Calls of a target, from start to end.") \
    X(ATTEMPT_FIRST, "leme_upstream_time_to_first_chunk_seconds", HISTOGRAM, "provider,model", duration, "Calls of a target, from start to the first content.") \
    X(CHUNK_GAP, "leme_upstream_chunk_gap_seconds", HISTOGRAM, "provider,model", duration, "Longest silence between two events of a stream.") \
    X(UPSTREAM_IN_FLIGHT, "leme_upstream_in_flight", GAUGE, "provider,model", none, "Calls of a target running now.") \
    X(UPSTREAM_CONNECTIONS, "leme_upstream_connections", GAUGE, "provider,state", none, "Open connections to a provider.") \
    X(UPSTREAM_CONNECTS, "leme_upstream_connects_total", COUNTER, "provider,reused", none, "Calls by whether their connection was reused.") \
    X(QUOTA_REQUESTS, "leme_upstream_ratelimit_remaining_requests", GAUGE, "provider,key", none, "As the provider's headers say.") \
    X(QUOTA_TOKENS, "leme_upstream_ratelimit_remaining_tokens", GAUGE, "provider,key", none, "As the provider's headers say.") \
    X(TARGET_STATE, "leme_target_state", GAUGE, "target,state", none, "1 for the state a target is in.") \
    X(ATTEMPTS_PER_REQUEST, "leme_attempts_per_request", HISTOGRAM, "op", attempts, "Attempts a request needed.") \
    X(FALLBACKS, "leme_fallbacks_total", COUNTER, "from,to,error_type", none, "Moves from a failed target to another.") \
    X(RETRY_BUDGET, "leme_retry_budget_exhausted_total", COUNTER, "", none, "Repeats of the same target refused for want of budget.") \
    X(HEDGES, "leme_hedges_total", COUNTER, "result", none, "Second calls started beside a slow one.") \
    X(INPUT_TOKENS, "leme_input_tokens_total", COUNTER, "provider,model,client", none, "As reported by providers; cached ones included.") \
    X(OUTPUT_TOKENS, "leme_output_tokens_total", COUNTER, "provider,model,client", none, "As reported by providers; reasoning included.") \
    X(CACHE_READ_TOKENS, "leme_cache_read_input_tokens_total", COUNTER, "provider,model", none, "Part of the input tokens.") \
    X(CACHE_WRITE_TOKENS, "leme_cache_write_input_tokens_total", COUNTER, "provider,model", none, "Part of the input tokens.") \
    X(REASONING_TOKENS, "leme_reasoning_output_tokens_total", COUNTER, "provider,model", none, "Part of the output tokens.") \
    X(COST, "leme_cost_usd_total", COUNTER, "provider,model,client", none, "Cost of priced answers in US dollars.") \
    X(UNPRICED, "leme_unpriced_requests_total", COUNTER, "provider,model", none, "Answers whose cost is unknown.") \
    X(USAGE_MISSING, "leme_usage_missing_total", COUNTER, "provider,model", none, "Answers without usage.") \
    X(POLICY_CALLS, "leme_policy_calls_total", COUNTER, "policy,hook,result", none, "Entries into a policy.") \
    X(POLICY_DURATION, "leme_policy_duration_seconds", HISTOGRAM, "policy,hook", overhead, "Time inside a policy, a step.") \
    X(POLICY_MEMORY, "leme_policy_memory_bytes", GAUGE, "policy", none, "Lua memory of the state a policy lives in, all workers.") \
    X(POLICY_INFO, "leme_policy_info", GAUGE, "policy,revision", none, "1 for the live revision.") \
    X(RELOADS, "leme_policy_reloads_total", COUNTER, "result", none, "Reloads by result.") \
    X(RELOAD_OK, "leme_policy_last_reload_success", GAUGE, "", none, "1 when the last reload was applied or changed nothing.") \
    X(RELOAD_TIME, "leme_policy_last_reload_timestamp_seconds", GAUGE, "", none, "When the last reload was applied.") \
    X(SHADOWS, "leme_shadow_decisions_total", COUNTER, "policy,agrees", none, "Reserved; nothing compares shadow policies yet.") \
    X(LIMITED, "leme_limited_total", COUNTER, "limit", none, "Requests refused by a limit of a client.") \
    X(SHED, "leme_shed_total", COUNTER, "reason", none, "Requests or connections refused to protect the process.") \
    X(QUEUE_DEPTH, "leme_queue_depth", GAUGE, "class", none, "Reserved; there is no queue, a full engine refuses.") \
    X(QUEUE_WAIT, "leme_queue_wait_seconds", HISTOGRAM, "class", duration, "Reserved, like the depth.") \
    X(CACHE_LOOKUPS, "leme_cache_lookups_total", COUNTER, "result", none, "Reserved; there is no answer cache yet.") \
    X(CACHE_BYTES, "leme_cache_bytes", GAUGE, "", none, "Reserved; there is no answer cache yet.") \
    X(LOG_DROPPED, "leme_log_dropped_total", COUNTER, "sink", none, "Lines or records dropped because a queue was full or a sink failed.") \
    X(LOOP_LAG, "leme_loop_lag_seconds", HISTOGRAM, "", overhead, "How late a worker's loop came to a timer.") \
    X(CUSTOM, "leme_custom_total", COUNTER, "policy,name,label", none, "Counters of policies' own.") \
    X(METRICS_DROPPED, "leme_metrics_dropped_total", COUNTER, "", none, "Writes to series for which the table had no room.")

enum metric {
#define X(id, name, kind, labels, buckets, help) METRIC_##id,
    METRICS(X)
#undef X
        METRIC_COUNT
};

struct metrics *metrics_new(unsigned shards);
void metrics_free(struct metrics *m);

/** One series: a family with its label values. 0 is "nowhere" (the table is
 * full: CEIL_SERIES; writes to it are dropped and counted, in the one series of
 * METRICS_DROPPED). */
typedef uint32_t series_t;

/**
 * The series of ${m} with ${values} (one a label, in the table's order); made
 * on first use. Takes a lock: keep the result. Label values come from the
 * configuration or closed lists; never from a client. ${values} may be NULL for
 * a family without labels; a NULL value is an empty one.
 */
series_t metrics_series(struct metrics *ms, enum metric m,
                        const char *const *values);

/** By worker ${shard} only; wait-free. ${shard} 0..shards-1; one more shard
 * (index = shards) is the control loop's. */
void metrics_add(struct metrics *ms, unsigned shard, series_t s, double by);
void metrics_set(struct metrics *ms, unsigned shard, series_t s, double value);
/** A histogram sample in seconds (or attempts). */
void metrics_observe(struct metrics *ms, unsigned shard, series_t s,
                     double value);
/** Sum over all shards (for tests and status); of a histogram the number of
 * samples. */
double metrics_value(struct metrics *ms, series_t s);

/** Prometheus text 0.0.4 of everything, with the process_* set, appended.
 * Off the request loops. 0, or -1 with nothing added. Gauges that are sums over
 * shards add up. Families without a series are left out, but for counters
 * without labels, which begin at 0. */
int metrics_render(struct metrics *ms, struct buf *out);

#endif
