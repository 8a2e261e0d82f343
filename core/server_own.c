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

/* Say no to a request that was read whole. */
static void refuse(struct server *s, struct conn *c, enum error_type e,
                   int status, const char *message)
{
    struct conn_refusal no;

    server_refuse(s, c, &no, e, status, message);
    reply_head(conn_reply(c), status, no.headers, strlen(no.headers),
               (long long)no.body_len);
    reply_body(conn_reply(c), no.body, no.body_len);
    reply_finish(conn_reply(c));
    conn_done(c, false);
}

/* -- models, in the shape the client's SDK expects --------------------------- */

static bool has(const struct conn *c, const char *name)
{
    size_t len;

    return server_header(c, name, &len) != NULL;
}

/* They say who they are, and read answers more strictly than OpenAI's do. */
bool server_is_mistral(const struct conn *c)
{
    size_t len;
    const char *agent = server_header(c, "user-agent", &len);

    return agent && (memmem(agent, len, "@mistralai/mistralai", 20) ||
                     memmem(agent, len, "mistral-client", 14));
}

/* Of the list of models path and method are the same for OpenAI's clients and
 * Anthropic's, and a path that is not there is nobody's; the headers tell them
 * apart. */
const char *server_surface(const struct conn *c, const struct asked *a)
{
    if (a->gemini)
        return "gemini";
    if (a->route == ROUTE_MESSAGES || a->route == ROUTE_COUNT)
        return "messages";
    if (a->route == ROUTE_MISTRAL || a->route == ROUTE_MISTRAL_EMBED)
        return "mistral";
    if (a->route != ROUTE_MODELS && a->route != ROUTE_MODEL &&
        a->route != ROUTE_NONE)
        return NULL;
    if (server_is_mistral(c))
        return "mistral";
    if (has(c, "anthropic-version"))
        return "messages";
    if (has(c, "authorization"))
        return NULL;
    return has(c, "x-goog-api-key") ? "gemini"
           : has(c, "x-api-key")    ? "messages" : NULL;
}

/* A model is known by its name alone; ${name} comes as ready JSON text. */
static void add_openai(struct buf *b, const char *name)
{
    buf_addf(b, "{\"id\":%s,\"object\":\"model\",\"created\":0,"
                "\"owned_by\":\"leme\"}", name);
}

/* The epoch is Anthropic's word for a date nobody knows. */
static void add_anthropic(struct buf *b, const char *name)
{
    buf_addf(b, "{\"type\":\"model\",\"id\":%s,\"display_name\":%s,"
                "\"created_at\":\"1970-01-01T00:00:00Z\"}", name, name);
}

/* A list of theirs without these is empty to their clients. */
static void add_mistral(struct buf *b, const char *name)
{
    buf_addf(b, "{\"id\":%s,\"object\":\"model\",\"created\":0,"
                "\"owned_by\":\"leme\",\"type\":\"base\","
                "\"capabilities\":{\"completion_chat\":true}}", name);
}

static void add_gemini(struct buf *b, const char *name)
{
    buf_addf(b, "{\"name\":\"models/%s,\"version\":\"leme\",\"displayName\":%s,"
                "\"supportedGenerationMethods\":[\"generateContent\","
                "\"streamGenerateContent\",\"countTokens\",\"embedContent\","
                "\"batchEmbedContents\"]}", name + 1, name);
}

struct shape {
    const char *surface;
    const char *list;                   /* what a list begins with */
    void (*add)(struct buf *b, const char *name);
};

static const struct shape shapes[] = {
    {"messages", "{\"has_more\":false,\"data\":[", add_anthropic},
    {"gemini", "{\"models\":[", add_gemini},
    {"mistral", "{\"object\":\"list\",\"data\":[", add_mistral},
    {NULL, "{\"object\":\"list\",\"data\":[", add_openai},
};

static const struct shape *shape_of(const struct conn *c, const struct asked *a)
{
    const char *surface = server_surface(c, a);
    const struct shape *shape = shapes;

    while (shape->surface && (!surface || strcmp(shape->surface, surface) != 0))
        shape++;
    return shape;
}

static void add_model(struct buf *b, const struct shape *shape, const char *name)
{
    struct buf text;

    buf_init(&text, 4 * KIB);
    if (buf_add_json(&text, name, strlen(name)) == 0 && buf_addc(&text, '\0') == 0)
        shape->add(b, text.data);
    buf_free(&text);
}

/* Anthropic's clients turn pages by these. */
static void add_ends(struct buf *b, const struct config *config)
{
    const char *const names[] = {"first_id", "last_id"};

    for (size_t i = 0; i < 2; i++) {
        size_t at = i ? config->nmodels - 1 : 0;

        buf_addf(b, ",\"%s\":", names[i]);
        if (config->nmodels)
            buf_add_json(b, config->models[at].name,
                         strlen(config->models[at].name));
        else
            buf_adds(b, "null");
    }
}

static void list_models(struct server *s, struct conn *c, const struct asked *a)
{
    const struct config *config = server_config(s);
    const struct shape *shape = shape_of(c, a);

    buf_adds(&s->body, shape->list);
    for (size_t i = 0; i < config->nmodels; i++) {
        if (i)
            buf_addc(&s->body, ',');
        add_model(&s->body, shape, config->models[i].name);
    }
    buf_addc(&s->body, ']');
    if (shape->add == add_anthropic)
        add_ends(&s->body, config);
    buf_addc(&s->body, '}');
    finish(s, c, 200, "application/json");
}

static void show_model(struct server *s, struct conn *c, const struct asked *a)
{
    const struct config *config = server_config(s);
    char name[256];
    int i = -1;

    /* SDKs send names escaped. */
    if (http1_decode(a->name, a->name_len, name, sizeof name))
        i = config_find_model(config, name, strlen(name));
    if (i >= 0) {
        add_model(&s->body, shape_of(c, a), config->models[i].name);
        finish(s, c, 200, "application/json");
        return;
    }
    refuse(s, c, ERROR_caller_unknown_model, 404,
           "no model has this name; GET /v1/models lists those that are");
}

/* An estimate, as Anthropic's and Gemini's clients ask for it. */
static void count_tokens(struct server *s, struct conn *c, const struct asked *a)
{
    const char *surface = server_surface(c, a);
    struct dialect_fault fault;
    size_t len;
    const char *text = conn_body(c, &len);

    if (surface_count_tokens(requests_state(s->env.requests), surface, text,
                             len, &s->body, &fault)) {
        refuse(s, c, fault.error, errors_row(fault.error)->status, fault.message);
        return;
    }
    finish(s, c, 200, "application/json");
}

void server_answer(struct server *s, struct conn *c, const struct asked *a)
{
    s->body.len = s->headers.len = 0;
    switch (a->route) {
    case ROUTE_MODELS:
        list_models(s, c, a);
        break;
    case ROUTE_MODEL:
        show_model(s, c, a);
        break;
    case ROUTE_COUNT:
        count_tokens(s, c, a);
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
