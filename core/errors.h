/* SPDX-License-Identifier: Apache-2.0
 *
 * errors: the closed vocabulary of what can go wrong, as one table. Pure; every
 * other file may call it. Metrics, logs, records, replies and Lua all take
 * their words from here.
 */
#ifndef LEME_ERRORS_H
#define LEME_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * X(name, status, type, code, retry, fallback)
 *   status    to the client when this ends a request
 *   type,code of the OpenAI-style error object
 *   retry     x-should-retry: may the client's SDK send the request again
 *   fallback  may another target be tried after an attempt ended like this
 */
#define ERRORS(X)                                                              \
    X(caller_invalid_request, 400, "invalid_request_error", "invalid_request", 0, 0)   \
    X(caller_unauthenticated, 401, "authentication_error", "invalid_api_key", 0, 0)    \
    X(caller_unknown_model, 404, "invalid_request_error", "model_not_found", 0, 0)     \
    X(caller_too_large, 413, "invalid_request_error", "request_too_large", 0, 0)       \
    X(caller_cancelled, 499, "invalid_request_error", "client_closed_request", 0, 0)   \
    X(caller_timeout, 408, "invalid_request_error", "request_timeout", 0, 0)           \
    X(policy_denied, 403, "permission_error", "policy_denied", 0, 0)                   \
    X(policy_rate_limited, 429, "rate_limit_error", "policy_rate_limited", 1, 0)       \
    X(policy_budget_exceeded, 429, "insufficient_quota", "policy_budget_exceeded", 0, 0) \
    X(policy_error, 500, "server_error", "policy_error", 0, 1)                         \
    X(policy_timeout, 500, "server_error", "policy_timeout", 0, 1)                     \
    X(policy_bad_result, 500, "server_error", "policy_bad_result", 0, 1)               \
    X(policy_attempts_exhausted, 503, "server_error", "policy_attempts_exhausted", 0, 0) \
    X(policy_no_route, 503, "server_error", "policy_no_route", 1, 1)                   \
    X(provider_auth, 502, "server_error", "provider_auth", 0, 1)                       \
    X(provider_billing, 502, "server_error", "provider_billing", 0, 1)                 \
    X(provider_rate_limited, 429, "rate_limit_error", "rate_limit_exceeded", 1, 1)     \
    X(provider_overloaded, 503, "server_error", "provider_overloaded", 1, 1)           \
    X(provider_invalid_request, 400, "invalid_request_error", "invalid_request", 0, 0) \
    X(provider_model_gone, 404, "invalid_request_error", "model_not_found", 0, 1)      \
    X(provider_content_filtered, 400, "invalid_request_error", "content_filter", 0, 1) \
    X(provider_server_error, 502, "server_error", "provider_server_error", 1, 1)       \
    X(provider_connect, 502, "server_error", "provider_connect", 1, 1)                 \
    X(provider_timeout_connect, 504, "server_error", "provider_timeout_connect", 1, 1) \
    X(provider_timeout_first_token, 504, "server_error", "provider_timeout_first_token", 0, 1) \
    X(provider_timeout_idle, 504, "server_error", "provider_timeout_idle", 0, 1)       \
    X(provider_timeout_total, 504, "server_error", "provider_timeout_total", 0, 1)     \
    X(provider_slow, 504, "server_error", "provider_slow", 0, 1)                       \
    X(provider_dns, 502, "server_error", "provider_dns", 1, 1)                         \
    X(provider_tls, 502, "server_error", "provider_tls", 0, 1)                         \
    X(provider_context_too_long, 400, "invalid_request_error", "context_length_exceeded", 0, 1) \
    X(provider_quota_exhausted, 429, "insufficient_quota", "insufficient_quota", 0, 1) \
    X(provider_cut_stream, 502, "server_error", "provider_cut_stream", 1, 1)           \
    X(provider_bad_response, 502, "server_error", "provider_bad_response", 1, 1)       \
    X(gateway_shed, 503, "server_error", "gateway_shed", 1, 0)                         \
    X(gateway_draining, 503, "server_error", "gateway_draining", 1, 0)                 \
    X(gateway_oom, 503, "server_error", "gateway_oom", 1, 0)                           \
    X(gateway_internal, 500, "server_error", "gateway_internal", 0, 0)                 \
    X(_other, 500, "server_error", "other", 0, 0)

enum error_type {
    ERROR_none,
#define X(name, status, type, code, retry, fallback) ERROR_##name,
    ERRORS(X)
#undef X
        ERROR_COUNT
};

/** One row of the table. Strings live as long as the process. */
struct error_row {
    const char *name;
    int status;
    const char *type;
    const char *code;
    bool retry;
    bool fallback;
};

/** The row of ${e}; ERROR_none has an empty name and status 200. */
const struct error_row *errors_row(enum error_type e);
/** The value called ${name}, or ERROR__other. */
enum error_type errors_find(const char *name, size_t len);

#endif
