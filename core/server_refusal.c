/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that are refused before they begin. They are counted and logged like
 * all others, with what is known of them by then.
 */
#include "server_impl.h"

#include "metrics.h"
#include "policy.h"
#include "record.h"

#include <stdio.h>
#include <string.h>

enum request_op server_op(enum route route)
{
    static const enum request_op ops[ROUTE_NONE] = {
        [ROUTE_COMPLETIONS] = REQUEST_COMPLETIONS,
        [ROUTE_EMBEDDINGS] = REQUEST_EMBEDDINGS,
        [ROUTE_MESSAGES] = REQUEST_MESSAGES,
        [ROUTE_RESPONSES] = REQUEST_RESPONSES,
        [ROUTE_GEMINI] = REQUEST_GEMINI,
        [ROUTE_GEMINI_EMBED] = REQUEST_GEMINI_EMBED,
        [ROUTE_MISTRAL] = REQUEST_MISTRAL,
        [ROUTE_MISTRAL_EMBED] = REQUEST_MISTRAL_EMBED,
        [ROUTE_MOCK] = REQUEST_MOCK};

    return ops[route];      /* REQUEST_CHAT is 0 */
}
_Static_assert(REQUEST_CHAT == 0, "what a route without a row asks for");

/* Who was refused. */
struct refused {
    char id[129];
    const char *op, *client, *peer;
    char agent[120];
};

/* What is sent besides the body is not known yet. */
static void account(struct server *s, const struct refused *who, enum error_type e,
                    int status)
{
    struct record r;
    struct record_blob *blob;
    char code[8];
    const char *values[] = {who->op, "_other", code, errors_row(e)->name, "false"};

    snprintf(code, sizeof code, "%d", status);
    metrics_add(s->env.metrics, s->env.shard,
                metrics_series(s->env.metrics, METRIC_REQUESTS, values), 1);
    record_init(&r);
    record_add(&r, RECORD_begin, who->id, (int64_t)clock_wall(), who->client,
               who->op, "", 0, "",
               policy_generation(requests_state(s->env.requests))->short_revision,
               (int64_t)0, (int64_t)0, "");
    record_add(&r, RECORD_end, (int64_t)status, errors_row(e)->name,
               strncmp(errors_row(e)->name, "caller", 6) ? "GR" : "CR",
               (int64_t)0, "", "", "", (int64_t)-1, (int64_t)-1, (int64_t)-1,
               (int64_t)-1, (int64_t)0, (int64_t)-1, (int64_t)-1, (int64_t)-1,
               (int64_t)-1, (int64_t)-1, (int64_t)-1, -1.0, (int64_t)0,
               (int64_t)s->body.len, who->peer, who->agent, "", "");
    blob = record_seal(&r);
    record_free(&r);
    if (blob)
        s->env.finished(s->env.arg, blob);
}

/* ${surface}: what the client speaks when it is not OpenAI's; or NULL. */
static void fill_refusal(struct server *s, struct conn_refusal *no,
                         const char *surface, enum error_type e, int status,
                         const char *message, const char *id)
{
    s->headers.len = s->body.len = 0;
    if (surface)
        request_foreign_error(s->env.requests, surface, e, status, message, id,
                              &s->headers, &s->body);
    else
        request_error(e, message, id, &s->headers, &s->body);
    if (status == 429 || status == 503)
        buf_adds(&s->headers, "retry-after: 1\r\n");
    if (status == 401)
        buf_adds(&s->headers, "www-authenticate: Bearer\r\n");
    if (status == 405)
        buf_adds(&s->headers, "allow: GET, HEAD, POST\r\n");
    buf_addc(&s->headers, '\0');
    no->status = status;
    no->headers = s->headers.data;
    no->body = s->body.data;
    no->body_len = s->body.len;
}

static const char *op_of(const struct asked *a)
{
    bool answered = (a->post && a->route != ROUTE_COUNT) ||
                    a->route == ROUTE_MOCK;

    return answered ? request_op_name(server_op(a->route)) : "_other";
}

bool server_refuse(struct server *s, struct conn *c, struct conn_refusal *no,
                   enum error_type e, int status, const char *message)
{
    struct refused who = {.client = "", .peer = conn_peer(c)};
    struct asked a = server_asked(s, c);
    int client = status == 401 ? -1 : server_client(s, c);
    size_t len;
    const char *text = server_header(c, "x-request-id", &len);

    request_id(text, text ? len : 0, who.id);
    who.op = op_of(&a);
    if (client >= 0)
        who.client = server_config(s)->clients[client].name;
    text = server_header(c, "user-agent", &len);
    if (text)
        text_copy(who.agent, sizeof who.agent, text, len);
    fill_refusal(s, no, server_surface(c, &a), e, status, message, who.id);
    account(s, &who, e, status);
    return false;
}

void server_fault(void *arg, const struct conn *c,
                  const struct http1_fault *fault, struct conn_refusal *no)
{
    struct server *s = arg;
    struct refused who = {.op = "_other", .client = "", .peer = conn_peer(c)};
    enum error_type e = ERROR_caller_invalid_request;

    if (fault->status == 413)
        e = ERROR_caller_too_large;
    else if (fault->status == 408)
        e = ERROR_caller_timeout;
    else if (fault->status == 503)
        e = ERROR_gateway_shed;
    request_id(NULL, 0, who.id);
    fill_refusal(s, no, NULL, e, fault->status, fault->message, who.id);
    account(s, &who, e, fault->status);
}
