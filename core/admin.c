/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may speak: on a unix socket the file's mode decides. Over TCP it takes the
 * key, a Host that no foreign name can have led here (DNS rebinding), and no
 * Origin: no web page has business here. Only POST changes anything.
 */
#include "admin_impl.h"

#include "ceilings.h"
#include "config.h"
#include "conn.h"
#include "generation.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_BYTES (64 * KIB)
#define CONNECTIONS 64
#define PATIENCE_US (10 * US_PER_S)
#define KEEPALIVE_US (60 * US_PER_S)

/* -- paths ----------------------------------------------------------------- */

static void start_reload(struct admin_call *call);
static void start_drain(struct admin_call *call);
static void start_stop(struct admin_call *call);

struct route {
    const char *path;           /* one that ends in '/' takes what follows */
    void (*get)(struct admin_call *);
    void (*post)(struct admin_call *);
    bool open;                  /* without a key; says nothing but yes or no */
};

static const struct route routes[] = {
    {"/livez", admin_live, NULL, true},
    {"/readyz", admin_ready, NULL, true},
    {"/metrics", admin_metrics, NULL, false},
    {"/v1/info", admin_info, NULL, false},
    {"/v1/status", admin_status, NULL, false},
    {"/v1/config", admin_config, NULL, false},
    {"/v1/policies", admin_policies, NULL, false},
    {"/v1/requests", admin_requests, NULL, false},
    {"/v1/requests/", admin_request, NULL, false},
    {"/v1/targets", admin_targets, NULL, false},
    {"/v1/targets/", admin_target, admin_operate, false},
    {"/v1/reload", NULL, start_reload, false},
    {"/v1/drain", NULL, start_drain, false},
    {"/v1/stop", NULL, start_stop, false},
};

static const struct route *find_route(const char *path, size_t len)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        size_t n = strlen(routes[i].path);
        bool folder = routes[i].path[n - 1] == '/';

        if ((folder ? len > n : len == n) &&
            memcmp(path, routes[i].path, n) == 0)
            return &routes[i];
    }
    return NULL;
}

static const char *query_value(const struct admin_call *call, const char *name,
                               size_t *len)
{
    const char *p = call->query, *end = p + call->query_len;
    size_t n = strlen(name);

    while (p < end) {
        const char *stop = memchr(p, '&', (size_t)(end - p));

        if (!stop)
            stop = end;
        if ((size_t)(stop - p) >= n && memcmp(p, name, n) == 0 &&
            (p + n == stop || p[n] == '=')) {
            p += n + (p + n < stop);
            *len = (size_t)(stop - p);
            return p;
        }
        p = stop + 1;
    }
    return NULL;
}

bool admin_asked(const struct admin_call *call, const char *name)
{
    size_t len;

    return query_value(call, name, &len) != NULL;
}

int admin_value(const struct admin_call *call, const char *name, char *out,
                size_t size)
{
    size_t len;
    const char *p = query_value(call, name, &len);

    return p && http1_decode(p, len, out, size) ? (int)strlen(out) : -1;
}

size_t admin_number(const struct admin_call *call, const char *name,
                    size_t otherwise, size_t max)
{
    size_t len, n = 0;
    const char *p = query_value(call, name, &len);

    if (!p || !len)
        return otherwise;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return otherwise;
        n = n * 10 + (size_t)(p[i] - '0');
        if (n > max)
            return max;
    }
    return n;
}

/* -- answers ---------------------------------------------------------------- */

void admin_text(struct buf *b, const char *name, const char *value)
{
    bool first = b->len == 0 || b->data[b->len - 1] == '{';

    buf_addf(b, "%s\"%s\":", first ? "" : ",", name);
    buf_add_json(b, value, strlen(value));
}

void admin_refuse(struct admin_call *call, int status, const char *type,
                  const char *code, const char *message)
{
    call->status = status;
    call->type = "application/json";
    call->out->len = 0;
    buf_adds(call->out, "{\"error\":{");
    admin_text(call->out, "message", message);
    admin_text(call->out, "type", type);
    buf_adds(call->out, ",\"param\":null");
    admin_text(call->out, "code", code);
    buf_adds(call->out, "}}");
}

static void make_headers(struct admin_call *call)
{
    struct buf *h = &call->admin->headers;

    h->len = 0;
    buf_addf(h, "content-type: %s\r\ncache-control: no-store\r\n"
                "x-content-type-options: nosniff\r\n", call->type);
    if (call->status == 401)
        buf_adds(h, "www-authenticate: Bearer\r\n");
    buf_addc(h, '\0');
}

static void send_answer(struct admin_call *call)
{
    struct buf *h = &call->admin->headers;
    struct reply *r = conn_reply(call->conn);

    make_headers(call);
    reply_head(r, call->status, h->data, h->len - 1,
               (long long)call->out->len);
    reply_body(r, call->out->data ? call->out->data : "", call->out->len);
    reply_finish(r);
    conn_done(call->conn, false);
}

static struct admin_call call_new(struct admin *a, struct conn *c)
{
    a->out.len = 0;
    return (struct admin_call){.admin = a, .conn = c, .out = &a->out,
                               .status = 200, .type = "application/json",
                               .query = ""};
}

/* -- who may speak ------------------------------------------------------------ */

static const char *header(const struct conn *c, const char *name, size_t *len)
{
    const struct http1_field *f = http1_find(conn_bytes(c), conn_head(c), name);

    if (!f)
        return NULL;
    *len = f->value.len;
    return conn_bytes(c) + f->value.at;
}

/* A Host that is no name of anybody's: an address, or localhost. */
static bool literal_host(const char *host, size_t len)
{
    char text[64];
    unsigned char address[16];
    char *colon;

    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    if (text[0] == '[') {
        char *close = strchr(text, ']');

        if (!close)
            return false;
        *close = '\0';
        return inet_pton(AF_INET6, text + 1, address) == 1;
    }
    colon = strchr(text, ':');
    if (colon)
        *colon = '\0';
    return strcasecmp(text, "localhost") == 0 ||
           inet_pton(AF_INET, text, address) == 1;
}

/* In a time that does not depend on where they differ. */
static bool same_digest(const unsigned char *a, const unsigned char *b)
{
    unsigned difference = 0;

    for (int i = 0; i < 32; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    return difference == 0;
}

static bool key_is_right(const struct admin *a, const struct conn *c)
{
    const struct config *config = a->env.generation(a->env.arg)->config;
    unsigned char given[32], wanted[32];
    size_t len;
    const char *value = header(c, "authorization", &len);

    if (!value || len < 7 || strncasecmp(value, "Bearer ", 7) != 0 ||
        !config->admin_key.bytes)
        return false;
    config_digest(value + 7, len - 7, given);
    config_digest(config->admin_key.bytes, config->admin_key.len, wanted);
    return same_digest(given, wanted);
}

/* false: the refusal stands in ${call}. */
static bool admitted(struct admin_call *call, const struct route *route)
{
    struct conn *c = call->conn;
    bool tcp = strcmp(conn_peer(c), "unix") != 0;
    size_t len;
    const char *host = header(c, "host", &len);

    if (tcp && host && !literal_host(host, len)) {
        admin_refuse(call, 403, "permission_error", "forbidden_host",
                     "the Host header must be an address or localhost");
        return false;
    }
    if (header(c, "origin", &len)) {
        admin_refuse(call, 403, "permission_error", "forbidden_origin",
                     "requests of web pages are not answered here");
        return false;
    }
    if (tcp && !(route && route->open && !call->query_len) &&
        !key_is_right(call->admin, c)) {
        admin_refuse(call, 401, "authentication_error", "invalid_api_key",
                     "the admin key is missing or wrong; send it as "
                     "Authorization: Bearer");
        return false;
    }
    return true;
}

/* -- requests ---------------------------------------------------------------- */

static const struct route *route_of(struct admin_call *call)
{
    const struct http1_head *h = conn_head(call->conn);
    const char *target = conn_bytes(call->conn) + h->target.at;
    const struct route *route = find_route(target, h->path.len);

    if (h->target.len > h->path.len) {
        call->query = target + h->path.len + 1;
        call->query_len = h->target.len - h->path.len - 1;
    }
    return route;
}

static bool is_get(const struct http1_head *h)
{
    return h->method == HTTP1_GET || h->method == HTTP1_HEAD;
}

/* false: the refusal stands in ${call}. */
static bool allowed(struct admin_call *call, const struct route *route)
{
    const struct http1_head *h = conn_head(call->conn);

    if (!admitted(call, route))
        return false;
    if (!route) {
        admin_refuse(call, 404, "invalid_request_error", "not_found",
                     "there is no such path");
        return false;
    }
    if ((is_get(h) && route->get) || (h->method == HTTP1_POST && route->post))
        return true;
    admin_refuse(call, 405, "invalid_request_error", "method_not_allowed",
                 route->post ? "this path takes POST" : "this path takes GET");
    return false;
}

static bool on_head(void *arg, struct conn *c, struct conn_refusal *refusal)
{
    struct admin *a = arg;
    struct admin_call call = call_new(a, c);

    if (allowed(&call, route_of(&call)))
        return true;
    make_headers(&call);
    refusal->status = call.status;
    refusal->headers = a->headers.data;
    refusal->body = a->out.data;
    refusal->body_len = a->out.len;
    return false;
}

static void on_request(void *arg, struct conn *c)
{
    struct admin_call call = call_new(arg, c);
    const struct http1_head *h = conn_head(c);
    const struct route *route = route_of(&call);
    size_t n = strlen(route->path);

    if (!http1_decode(conn_bytes(c) + h->path.at + n, h->path.len - n, call.rest,
                sizeof call.rest))
        admin_refuse(&call, 404, "invalid_request_error", "not_found",
                     "there is no such path");
    else if (is_get(h))
        route->get(&call);
    else
        route->post(&call);
    if (!call.later)
        send_answer(&call);
}

static void on_gone(void *arg, struct conn *c)
{
    struct admin *a = arg;

    for (struct admin_waiter **at = &a->waiters; *at; at = &(*at)->next)
        if ((*at)->conn == c) {
            struct admin_waiter *w = *at;

            *at = w->next;
            free(w);
            return;
        }
}

static void on_drained(void *arg, struct conn *c)
{
    (void)arg;
    (void)c;
}

static void on_fault(void *arg, const struct conn *c,
                     const struct http1_fault *fault,
                     struct conn_refusal *refusal)
{
    struct admin *a = arg;
    struct admin_call call = call_new(a, NULL);

    (void)c;
    admin_refuse(&call, fault->status, "invalid_request_error", "bad_request",
                 fault->message);
    make_headers(&call);
    refusal->headers = a->headers.data;
    refusal->body = a->out.data;
    refusal->body_len = a->out.len;
}

/* -- what changes the engine --------------------------------------------------- */

static void start_reload(struct admin_call *call)
{
    struct admin *a = call->admin;
    struct admin_waiter *w = calloc(1, sizeof *w);

    if (!w) {
        admin_refuse(call, 503, "server_error", "gateway_oom",
                     "not enough memory");
        return;
    }
    w->conn = call->conn;
    w->ticket = a->env.reload(a->env.arg);
    w->next = a->waiters;
    a->waiters = w;
    call->later = true;
}

void admin_outcome(struct buf *b, const struct admin_reload *r)
{
    admin_text(b, "result", r->result);
    buf_addf(b, ",\"time\":%.3f", (double)r->wall / 1e6);
    if (r->message[0]) {
        admin_text(b, "message", r->message);
        admin_text(b, "where", r->where);
    }
}

static void answer_reload(struct admin *a, struct conn *c,
                          const struct admin_reload *outcome)
{
    struct admin_call call = call_new(a, c);

    if (strcmp(outcome->result, "rejected") == 0) {
        admin_refuse(&call, 422, "invalid_request_error", "reload_rejected",
                     outcome->message);
        call.out->len--;
        admin_text(call.out, "result", outcome->result);
        admin_text(call.out, "where", outcome->where);
    } else {
        buf_addc(call.out, '{');
        admin_outcome(call.out, outcome);
    }
    admin_text(call.out, "revision", a->env.generation(a->env.arg)->revision);
    buf_addc(call.out, '}');
    send_answer(&call);
}

void admin_reloaded(struct admin *a, uint64_t ticket,
                    const struct admin_reload *outcome)
{
    struct admin_waiter **at = &a->waiters;

    while (*at) {
        struct admin_waiter *w = *at;

        if (w->ticket > ticket) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        answer_reload(a, w->conn, outcome);
        free(w);
        /* The connection may have brought its next request. */
        at = &a->waiters;
    }
}

static void start_drain(struct admin_call *call)
{
    struct admin *a = call->admin;

    a->env.drain(a->env.arg);
    buf_adds(call->out, "{\"phase\":\"draining\"}");
}

static void start_stop(struct admin_call *call)
{
    struct admin *a = call->admin;

    a->env.stop(a->env.arg);
    buf_adds(call->out, "{\"phase\":\"stopping\"}");
}

/* -- life ---------------------------------------------------------------------- */

struct admin *admin_new(const struct admin_env *env)
{
    static const struct conn_limits limits = {
        .head_max = CEIL_HEAD_BYTES, .body_max = BODY_BYTES,
        .max_connections = CONNECTIONS, .header_timeout = PATIENCE_US,
        .body_timeout = PATIENCE_US, .keepalive_timeout = KEEPALIVE_US,
        .write_timeout = PATIENCE_US};
    struct admin *a = calloc(1, sizeof *a);
    struct conn_handler handler = {.head = on_head, .request = on_request,
                                   .gone = on_gone, .drained = on_drained,
                                   .fault = on_fault, .arg = a};

    if (!a)
        return NULL;
    a->env = *env;
    buf_init(&a->out, ADMIN_ANSWER_BYTES);
    buf_init(&a->headers, KIB);
    a->conns = conns_new(env->base, &limits, &handler, NULL);
    if (a->conns)
        return a;
    free(a);
    return NULL;
}

void admin_free(struct admin *a)
{
    if (!a)
        return;
    conns_free(a->conns);
    admin_reverts_free(a);
    buf_free(&a->out);
    buf_free(&a->headers);
    free(a);
}

int admin_listen(struct admin *a, int fd)
{
    return conns_listen(a->conns, fd, false);
}
