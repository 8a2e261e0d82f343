/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that need no provider: the list of models, health, OPTIONS.
 */
#include "server_impl.h"

#include "dialect.h"
#include "request.h"

#include <string.h>

/* Send the body that was made; its headers may have begun. */
static void finish(struct server *s, struct conn *c, int status,
                   const char *type)
{
    struct reply *r = conn_reply(c);

    buf_addf(&s->headers, "content-type: %s\r\n", type);
    reply_head(r, status, s->headers.data, s->headers.len,
               (long long)s->body.len);
    reply_body(r, s->body.data, s->body.len);
    reply_finish(r);
    conn_done(c, false);
}

static void add_model(struct buf *b, const char *name, bool first)
{
    buf_adds(b, first ? "{\"id\":" : ",{\"id\":");
    buf_add_json(b, name, strlen(name));
    buf_adds(b, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"leme\"}");
}

static void list_models(struct server *s, struct conn *c)
{
    const struct config *config = server_config(s);
    bool first = true;

    buf_adds(&s->body, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < config->nmodels; i++, first = false)
        add_model(&s->body, config->models[i].name, first);
    buf_adds(&s->body, "]}");
    finish(s, c, 200, "application/json");
}

static void show_model(struct server *s, struct conn *c, const struct asked *a)
{
    const struct config *config = server_config(s);
    struct conn_refusal no;
    char name[256];
    int i = -1;

    /* SDKs send names escaped. */
    if (http1_decode(a->name, a->name_len, name, sizeof name))
        i = config_find_model(config, name, strlen(name));
    if (i >= 0) {
        add_model(&s->body, config->models[i].name, true);
        finish(s, c, 200, "application/json");
        return;
    }
    server_refuse(s, c, &no, ERROR_caller_unknown_model, 404,
           "no model has this name; GET /v1/models lists those that are");
    reply_head(conn_reply(c), 404, no.headers, strlen(no.headers),
               (long long)no.body_len);
    reply_body(conn_reply(c), no.body, no.body_len);
    reply_finish(conn_reply(c));
    conn_done(c, false);
}

/* An estimate, as Anthropic's clients ask for it. */
static void count_tokens(struct server *s, struct conn *c)
{
    struct dialect_fault fault;
    size_t len;
    const char *text = conn_body(c, &len);

    if (surface_count_tokens(requests_state(s->env.requests), text, len,
                             &s->body, &fault)) {
        request_error(ERROR_caller_invalid_request, fault.message, "",
                      &s->headers, &s->body);
        finish(s, c, 400, "application/json");
        return;
    }
    finish(s, c, 200, "application/json");
}

void server_answer(struct server *s, struct conn *c, const struct asked *a)
{
    s->body.len = s->headers.len = 0;
    switch (a->route) {
    case ROUTE_MODELS:
        list_models(s, c);
        break;
    case ROUTE_MODEL:
        show_model(s, c, a);
        break;
    case ROUTE_COUNT:
        count_tokens(s, c);
        break;
    case ROUTE_READY:
        buf_adds(&s->body, s->draining ? "draining\n" : "ok\n");
        finish(s, c, s->draining ? 503 : 200, "text/plain");
        break;
    case ROUTE_OPTIONS:
        reply_head(conn_reply(c), 204, "allow: GET, HEAD, POST, OPTIONS\r\n", 33, 0);
        reply_finish(conn_reply(c));
        conn_done(c, false);
        break;
    default:
        buf_adds(&s->body, "ok\n");
        finish(s, c, 200, "text/plain");
    }
}
