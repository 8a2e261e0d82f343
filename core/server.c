/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens before a request exists: the path decides what is asked, the key
 * who asks, the limits whether now. All of it needs the head only, so a refusal
 * never waits for a body.
 */
#include "server_impl.h"

#include "board.h"
#include "ceilings.h"
#include "config.h"
#include "conn.h"
#include "metrics.h"
#include "policy.h"
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a pending request of a connection is: kept in the conn's user pointer. */
struct pending {
    struct server *server;
    struct conn *conn;
    struct request *request;        /* NULL until begun */
    bool conn_left;                 /* the client left: conn frees itself */
    int client;                     /* -1: none configured */
    int client_slot, global_slot;   /* places taken; -1: none */
};

/* -- paths ----------------------------------------------------------------- */

static const struct {
    const char *path;
    enum route route;
    bool post;
    bool open;                      /* needs no key */
} paths[] = {
    {"/chat/completions", ROUTE_CHAT, true, false},
    {"/completions", ROUTE_COMPLETIONS, true, false},
    {"/embeddings", ROUTE_EMBEDDINGS, true, false},
    {"/messages", ROUTE_MESSAGES, true, false},
    {"/messages/count_tokens", ROUTE_COUNT, true, false},
    {"/responses", ROUTE_RESPONSES, true, false},
    {"/models", ROUTE_MODELS, false, false},
    {"/livez", ROUTE_LIVE, false, true},
    {"/readyz", ROUTE_READY, false, true},
    {"/health", ROUTE_LIVE, false, true},
    {"/healthz", ROUTE_LIVE, false, true},
};

/* A model to be shown, or what Gemini's clients ask of one. */
static void find_model_path(const char *name, size_t len, struct asked *a)
{
    a->route = ROUTE_MODEL;
    a->name = name;
    a->name_len = len;
    server_find_verb(name, len, a);
}

/* A path behind /v1beta: Gemini's alone. */
static struct asked find_beta(const char *path, size_t len)
{
    struct asked a = {.route = ROUTE_NONE, .gemini = true};

    if (len == 7 && memcmp(path, "/models", 7) == 0)
        a.route = ROUTE_MODELS;
    else if (len > 8 && memcmp(path, "/models/", 8) == 0)
        find_model_path(path + 8, len - 8, &a);
    return a;
}

static struct asked find_path(const char *path, size_t len)
{
    struct asked a = {.route = ROUTE_NONE};

    if (len > 7 && memcmp(path, "/v1beta/", 8) == 0)
        return find_beta(path + 7, len - 7);
    if (len > 3 && memcmp(path, "/v1/", 4) == 0) {
        path += 3;
        len -= 3;
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (strlen(paths[i].path) != len || memcmp(paths[i].path, path, len) != 0)
            continue;
        a.route = paths[i].route;
        a.post = paths[i].post;
        a.open = paths[i].open;
        return a;
    }
    if (len > 8 && memcmp(path, "/models/", 8) == 0)
        find_model_path(path + 8, len - 8, &a);
    return a;
}

static struct asked asked_path(const struct conn *c)
{
    const struct http1_span *path = &conn_head(c)->path;

    return find_path(conn_bytes(c) + path->at, path->len);
}

/* A mock has one model, which takes every name; its policy knows the paths. */
static bool is_mock(const struct server *s)
{
    return config_find_model(server_config(s), "*", 1) >= 0;
}

struct asked server_asked(const struct server *s, const struct conn *c)
{
    struct asked a = {.route = ROUTE_OPTIONS, .open = true};

    if (conn_head(c)->method == HTTP1_OPTIONS)
        return a;
    a = asked_path(c);
    if (!a.open && is_mock(s))
        return (struct asked){.route = ROUTE_MOCK};
    if (a.route == ROUTE_CHAT && server_is_mistral(c))
        a.route = ROUTE_MISTRAL;
    if (a.route == ROUTE_EMBEDDINGS && server_is_mistral(c))
        a.route = ROUTE_MISTRAL_EMBED;
    return a;
}

const struct config *server_config(const struct server *s)
{
    return policy_generation(requests_state(s->env.requests))->config;
}

const char *server_header(const struct conn *c, const char *name, size_t *len)
{
    const struct http1_field *f = http1_find(conn_bytes(c), conn_head(c), name);

    if (!f)
        return NULL;
    *len = f->value.len;
    return conn_bytes(c) + f->value.at;
}

/* -- keys and limits ------------------------------------------------------- */

/* ${room} holds a key that had to be decoded. */
static const char *key_of(const struct conn *c, char *room, size_t size,
                          size_t *len)
{
    static const char *const names[] = {"x-api-key", "api-key",
                                        "x-goog-api-key"};
    const char *key = server_header(c, "authorization", len);

    if (key && *len > 7 && strncasecmp(key, "bearer ", 7) == 0) {
        *len -= 7;
        return key + 7;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        key = server_header(c, names[i], len);
        if (key)
            return key;
    }
    /* Gemini's older clients know no other place. Nothing keeps a request's
     * target, so the key is in no log and no record. */
    if (!asked_path(c).gemini || !server_query_key(c, room, size))
        return NULL;
    *len = strlen(room);
    return room;
}

int server_client(const struct server *s, const struct conn *c)
{
    const struct config *config = server_config(s);
    unsigned char digest[32];
    char room[513];
    size_t len;
    const char *key;
    int i;

    if (config->nclients == 0)
        return -1;
    key = key_of(c, room, sizeof room, &len);
    if (!key || len == 0 || len > 512)
        return -2;
    config_digest(key, len, digest);
    i = config_find_client(config, digest);
    return i < 0 ? -2 : i;
}

static void leave(struct pending *p)
{
    if (p->client_slot >= 0)
        board_leave(p->server->env.board, (unsigned)p->client_slot);
    if (p->global_slot >= 0)
        board_leave(p->server->env.board, (unsigned)p->global_slot);
    p->client_slot = p->global_slot = -1;
}

static void count_limit(struct server *s, enum metric m, const char *label)
{
    const char *values[] = {label};

    metrics_add(s->env.metrics, s->env.shard,
                metrics_series(s->env.metrics, m, values), 1);
}

/* Take the places a request needs, or say which is missing. */
static bool enter(struct server *s, struct conn *c, struct pending *p,
                  struct conn_refusal *no)
{
    const struct config *config = server_config(s);
    const struct client *client =
        p->client >= 0 ? &config->clients[p->client] : NULL;
    us_t now = conn_received(c);

    if (policy_full(requests_state(s->env.requests))) {
        count_limit(s, METRIC_SHED, "lua_memory");
        return server_refuse(s, c, no, ERROR_gateway_shed, 503,
                      "the policies' memory is full; try again shortly");
    }
    if (config->settings.global_slot >= 0) {
        if (!board_enter(s->env.board, (unsigned)config->settings.global_slot,
                         now)) {
            count_limit(s, METRIC_SHED, "max_in_flight");
            return server_refuse(s, c, no, ERROR_gateway_shed, 503,
                          "the engine has max_in_flight requests; try again");
        }
        p->global_slot = config->settings.global_slot;
    }
    if (client && client->slot >= 0) {
        if (!board_enter(s->env.board, (unsigned)client->slot, now)) {
            leave(p);
            count_limit(s, METRIC_LIMITED, "client_in_flight");
            return server_refuse(s, c, no, ERROR_policy_rate_limited, 429,
                          "this client has max_in_flight requests; try again");
        }
        p->client_slot = client->slot;
    }
    return true;
}

static bool encoded(const struct conn *c)
{
    size_t len;
    const char *coding = server_header(c, "content-encoding", &len);

    return coding && len && (len != 8 || strncasecmp(coding, "identity", 8) != 0);
}

/* -- conn's callbacks ------------------------------------------------------ */

static bool method_fits(const struct http1_head *h, const struct asked *a)
{
    bool get = h->method == HTTP1_GET || h->method == HTTP1_HEAD;

    if (a->route == ROUTE_OPTIONS)
        return true;
    if (a->route == ROUTE_MOCK)
        return get || h->method == HTTP1_POST;
    if (a->post)
        return h->method == HTTP1_POST;
    return get;
}

static bool admit(struct server *s, struct conn *c, const struct asked *a,
                  struct conn_refusal *no)
{
    struct pending *p;
    int client = a->open ? -1 : server_client(s, c);

    if (client == -2)
        return server_refuse(s, c, no, ERROR_caller_unauthenticated, 401,
                      "this endpoint needs a key that is configured here, as "
                      "`Authorization: Bearer KEY`, `x-api-key: KEY` or "
                      "`x-goog-api-key: KEY`");
    if (!a->post && a->route != ROUTE_MOCK)
        return true;
    if (encoded(c))
        return server_refuse(s, c, no, ERROR_caller_invalid_request, 415,
                      "encoded request bodies are not accepted; send the JSON "
                      "as it is");
    p = calloc(1, sizeof *p);
    if (!p)
        return server_refuse(s, c, no, ERROR_gateway_oom, 503, "not enough memory");
    p->server = s;
    p->conn = c;
    p->client = client;
    p->client_slot = p->global_slot = -1;
    if (!enter(s, c, p, no)) {
        free(p);
        return false;
    }
    conn_set_user(c, p);
    return true;
}

static const char openai_paths[] =
    "there is no such path; there are /v1/chat/completions, /v1/completions, "
    "/v1/embeddings, /v1/messages, /v1/responses and /v1/models";
static const char gemini_paths[] =
    "there is no such path; there are /v1beta/models and "
    "/v1beta/models/NAME:VERB with generateContent, streamGenerateContent, "
    "countTokens, embedContent and batchEmbedContents";

static bool on_head(void *arg, struct conn *c, struct conn_refusal *no)
{
    struct server *s = arg;
    const struct http1_head *h = conn_head(c);
    struct asked a = server_asked(s, c);

    /* A verb that is not known reads as part of a model's name. */
    if (a.route == ROUTE_MODEL && a.gemini && h->method == HTTP1_POST)
        a.route = ROUTE_NONE;
    if (h->method == HTTP1_OTHER)
        return server_refuse(s, c, no, ERROR_caller_invalid_request, 501,
                      "this method is not known here");
    if (a.route == ROUTE_NONE)
        return server_refuse(s, c, no, ERROR_caller_invalid_request, 404,
                      a.gemini ? gemini_paths : openai_paths);
    if (!method_fits(h, &a))
        return server_refuse(s, c, no, ERROR_caller_invalid_request, 405,
                      "this path does not take this method");
    return admit(s, c, &a, no);
}

static const char *input_header(void *owner, const char *name, size_t *len)
{
    struct pending *p = owner;

    return server_header(p->conn, name, len);
}

/* A mock reads the target, as HTTP/2 names it; to others it may hold a key. */
static const char *mock_header(void *owner, const char *name, size_t *len)
{
    struct pending *p = owner;

    if (strcmp(name, ":path") != 0)
        return server_header(p->conn, name, len);
    *len = conn_head(p->conn)->target.len;
    return conn_bytes(p->conn) + conn_head(p->conn)->target.at;
}

static size_t input_flush(void *owner)
{
    struct pending *p = owner;

    /* Who has read a whole answer must find its place free. */
    if (conn_reply(p->conn)->finished)
        leave(p);
    return conn_flush(p->conn);
}

static void input_release(void *owner)
{
    struct pending *p = owner;

    conn_release_body(p->conn);
}

static void input_done(void *owner, bool cut)
{
    struct pending *p = owner;
    struct conn *c = p->conn;
    bool left = p->conn_left;

    leave(p);
    free(p);
    if (left)
        return;
    conn_set_user(c, NULL);
    conn_done(c, cut);
}

/* The request is answered without a provider. */
static void let_go(struct pending *p)
{
    conn_set_user(p->conn, NULL);
    leave(p);
    free(p);
}

static void on_request(void *arg, struct conn *c)
{
    struct server *s = arg;
    struct pending *p = conn_user(c);
    struct asked a = server_asked(s, c);
    struct request_input in = {
        .client = p ? p->client : -1, .peer = conn_peer(c),
        .received = conn_received(c), .reply = conn_reply(c),
        .header = input_header, .flush = input_flush,
        .release_body = input_release, .done = input_done, .owner = p};
    struct request *r;
    char model[256];

    if (!p || a.route == ROUTE_COUNT) {
        if (p)
            let_go(p);
        server_answer(s, c, &a);
        return;
    }
    in.op = server_op(a.route);
    if (in.op == REQUEST_MOCK)
        in.header = mock_header;
    if (in.op == REQUEST_MISTRAL_EMBED)
        in.verb = "embeddings";
    if (a.verb) {
        if (!http1_decode(a.name, a.name_len, model, sizeof model))
            model[0] = '\0';
        in.model = model;
        in.verb = server_verb(c, &a);
    }
    in.body = conn_body(c, &in.body_bytes);
    r = request_begin(s->env.requests, &in);
    if (r)
        p->request = r;
}

static void on_gone(void *arg, struct conn *c)
{
    struct pending *p = conn_user(c);

    (void)arg;
    if (!p)
        return;
    if (p->request) {
        p->conn_left = true;
        request_gone(p->request);
        return;
    }
    leave(p);
    free(p);
}

static void on_drained(void *arg, struct conn *c)
{
    struct pending *p = conn_user(c);

    (void)arg;
    if (p && p->request)
        request_drained(p->request);
}

static void on_turn(void *arg)
{
    struct server *s = arg;

    requests_turn(s->env.requests);
    s->env.turned(s->env.arg);
}

/* -- life ------------------------------------------------------------------ */

struct server *server_new(const struct server_env *env,
                          const struct conn_limits *limits)
{
    struct server *s = calloc(1, sizeof *s);
    struct conn_handler handler = {on_head, on_request, on_gone, on_drained,
                                   server_fault, on_turn, s};

    if (!s)
        return NULL;
    s->env = *env;
    buf_init(&s->headers, 16 * KIB);
    buf_init(&s->body, 4 * MIB);
    s->conns = conns_new(env->base, limits, &handler, env->memory);
    if (!s->conns) {
        free(s);
        return NULL;
    }
    return s;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    conns_free(s->conns);
    buf_free(&s->headers);
    buf_free(&s->body);
    free(s);
}

int server_listen(struct server *s, int fd, bool half_close)
{
    return conns_listen(s->conns, fd, half_close);
}

void server_drain(struct server *s)
{
    s->draining = true;
    conns_drain(s->conns);
}

unsigned server_connections(const struct server *s)
{
    return conns_open(s->conns);
}
