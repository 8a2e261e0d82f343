/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_pool: libcurl handles prepared once for a shape (provider, method,
 * path, streaming, size class) and used again, because setting about 40 options
 * and parsing a URL costs more than the request. Owns shapes and idle handles.
 */
#include "upstream_impl.h"

#include "ceilings.h"
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BIG_BODY (256u * 1024u)     /* from here the large upload buffer */
#define BIG_BUFFER (1024L * 1024L)
#define SMALL_BODY (64u * 1024u)    /* up to here sent with the head, from no
                                       upload buffer at all */
#define SMALL_BUFFER (64L * 1024L)
#define STREAM_BUFFER 4096L         /* held by every open stream */
#define UNARY_BUFFER 16384L
#define KEEP_BODY 4096u             /* bytes of a buffer kept with a handle */
#define CA_CACHE_S 3600L            /* the system's certificates may change */
#define MAX_SHAPES 16384u           /* above: prepared for one use */

uint64_t upstream_pool_origin(const char *base)
{
    const char *authority = strstr(base, "://"), *end;
    uint64_t hash = 14695981039346656037u;

    authority = authority ? authority + 3 : base;
    end = authority + strcspn(authority, "/?#");
    for (const char *c = base; c < end; c++) {
        unsigned char lower = (unsigned char)*c;

        if (lower >= 'A' && lower <= 'Z')
            lower |= 0x20;
        hash = (hash ^ lower) * 1099511628211u;
    }
    return hash;
}

/* --- shapes -------------------------------------------------------------- */

static bool same_shape(const struct shape *s, const struct call *call)
{
    return s->provider == call->provider && s->stream == call->stream &&
           s->big == (call->body_bytes > BIG_BODY) &&
           strcmp(s->path, call->path) == 0 &&
           strcmp(s->method, call->method) == 0;
}

static unsigned bucket_of(const struct provider *p)
{
    return (unsigned)(((uintptr_t)p * 11400714819323198485u) >> 56) %
           SHAPE_BUCKETS;
}

static CURLU *prepare_url(const struct call *call)
{
    const struct provider *p = call->provider;
    const char *path = p->path ? p->path : call->path;
    struct buf text;
    CURLU *url = curl_url();
    int bad;

    buf_init(&text, 65536);
    bad = buf_adds(&text, p->base) | buf_adds(&text, path);
    if (p->query)
        bad |= buf_addc(&text, strchr(path, '?') ? '&' : '?') |
               buf_adds(&text, p->query);
    bad |= buf_addc(&text, '\0');
    if (!url || bad ||
        curl_url_set(url, CURLUPART_URL, text.data, CURLU_DISALLOW_USER)) {
        curl_url_cleanup(url);
        url = NULL;
    }
    buf_free(&text);
    return url;
}

static void shape_free(struct shape *s)
{
    free(s->method);
    free(s->path);
    curl_url_cleanup(s->url);
    upstream_lines_free(s->headers);
    upstream_lines_free(s->lines);
    if (s->start.data)
        explicit_bzero(s->start.data, s->start.len);
    buf_free(&s->start);
    upstream_site_release(s->site);
    if (s->target)
        explicit_bzero(s->target, strlen(s->target));
    free(s->target);
    free(s);
}

/* Spoken by us and not by libcurl. */
static bool plain(const struct provider *p)
{
    return !p->proxy && !strncasecmp(p->base, "http://", 7);
}

static struct shape *shape_new(struct upstream *u, const struct call *call,
                               const char **problem)
{
    struct shape *s = calloc(1, sizeof *s);

    if (!s) {
        *problem = "no memory for a request";
        return NULL;
    }
    s->provider = call->provider;
    s->stream = call->stream;
    s->big = call->body_bytes > BIG_BODY;
    s->origin = upstream_pool_origin(call->provider->base);
    s->method = strdup(call->method);
    s->path = strdup(call->path);
    s->url = prepare_url(call);
    buf_init(&s->start, 256 * KIB);
    LIST_INIT(&s->idle);
    if (plain(call->provider))
        s->site = upstream_site_hold(u, call->provider->base);
    if (!s->method || !s->path || (plain(call->provider) && !s->site))
        *problem = "no memory for a request";
    else if (!s->url)
        *problem = "the provider's base and path do not make a URL";
    else if (upstream_lines_prepare(s))
        *problem = "a header or the key of the provider is malformed";
    if (!*problem)
        return s;
    shape_free(s);
    return NULL;
}

static struct shape *find_shape(struct upstream *u, const struct call *call,
                                const char **problem)
{
    unsigned bucket = bucket_of(call->provider);
    struct shape *s;

    LIST_FOREACH(s, &u->pool.buckets[bucket], link)
        if (same_shape(s, call))
            return s;
    s = shape_new(u, call, problem);
    if (!s)
        return NULL;
    if (u->pool.shapes >= MAX_SHAPES) {
        s->provider = NULL;
        return s;
    }
    u->pool.shapes++;
    LIST_INSERT_HEAD(&u->pool.buckets[bucket], s, link);
    return s;
}

/* --- handles ------------------------------------------------------------- */

/* An option this libcurl does not know must not pass unseen. */
#define SET(option, value) bad |= (int)curl_easy_setopt(e, option, value)

static int set_socket(CURL *e, struct transfer *t)
{
    int bad = 0;

    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_OPENSOCKETFUNCTION, upstream_on_open);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_RESOLVER_START_FUNCTION, upstream_on_lookup);
    SET(CURLOPT_RESOLVER_START_DATA, t);
    SET(CURLOPT_CLOSESOCKETFUNCTION, upstream_on_close);
    /* A connection outlives the transfer that opened it. */
    SET(CURLOPT_CLOSESOCKETDATA, t->upstream);
    SET(CURLOPT_CURLU, t->shape->url);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, 30L);
    SET(CURLOPT_TCP_KEEPINTVL, 10L);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 120L);
    SET(CURLOPT_SHARE, t->upstream->share);
    SET(CURLOPT_NOPROGRESS, 1L);
    return bad;
}

static int set_callbacks(CURL *e, struct transfer *t)
{
    int bad = 0;

    SET(CURLOPT_WRITEFUNCTION, upstream_on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, upstream_head_line);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_PREREQFUNCTION, upstream_on_ready);
    SET(CURLOPT_PREREQDATA, t);
    return bad;
}

/* A folder of certificates beside the bundle keeps libcurl from caching what it
 * read: then each connection reads 200 KB of certificates on the loop (23 ms)
 * and keeps its own copy (0.6 MB). An own ca_file stands alone, and is read
 * anew by each connection, so that a replaced one counts. */
static int set_trust(CURL *e, const struct provider *p)
{
    int bad = 0;

    if (p->ca_file || curl_version_info(CURLVERSION_NOW)->cainfo)
        SET(CURLOPT_CAPATH, NULL);
    if (p->ca_file)
        SET(CURLOPT_CAINFO, p->ca_file);
    SET(CURLOPT_CA_CACHE_TIMEOUT, p->ca_file ? 0L : CA_CACHE_S);
    return bad;
}

static int set_safety(CURL *e, const struct provider *p)
{
    int bad = 0;

    SET(CURLOPT_NOSIGNAL, 1L);
    /* Otherwise a silent DNS server stops the loop for seconds. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_MAXREDIRS, 0L);
    SET(CURLOPT_UNRESTRICTED_AUTH, 0L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    /* Both set, so that the environment is never asked. */
    SET(CURLOPT_PROXY, p->proxy ? p->proxy : "");
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    return bad | set_trust(e, p);
}

static int set_wire(CURL *e, const struct transfer *t)
{
    const struct shape *s = t->shape;
    int bad = 0;

    SET(CURLOPT_HTTPHEADER, s->headers);
    if (s->target)
        SET(CURLOPT_REQUEST_TARGET, s->target);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (strcmp(s->method, "GET") == 0)
        SET(CURLOPT_HTTPGET, 1L);
    else
        SET(CURLOPT_POST, 1L);
    if (strcmp(s->method, "GET") != 0 && strcmp(s->method, "POST") != 0)
        SET(CURLOPT_CUSTOMREQUEST, s->method);
    SET(CURLOPT_BUFFERSIZE, s->stream ? STREAM_BUFFER : UNARY_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, s->big ? BIG_BUFFER : SMALL_BUFFER);
    /* Below the 60 s after which common front ends close idle connections. */
    SET(CURLOPT_MAXAGE_CONN, 55L);
    SET(CURLOPT_MAXLIFETIME_CONN, 3600L);
    return bad;
}

static long whole_ms(us_t time)
{
    return (long)((time + US_PER_MS - 1) / US_PER_MS);
}

int upstream_pool_dial(struct transfer *t)
{
    CURL *e = t->easy = curl_easy_init();
    int bad = 0;

    if (!e)
        return -1;
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, whole_ms(t->connect_timeout));
    return bad || set_socket(e, t) || set_safety(e, t->provider) ? -1 : 0;
}

#undef SET

static const char *prepare_handle(struct transfer *t,
                                  const struct provider *provider)
{
    t->easy = curl_easy_init();
    if (!t->easy)
        return "no memory for a request";
    if (set_socket(t->easy, t) || set_callbacks(t->easy, t) || set_safety(t->easy, provider) ||
        set_wire(t->easy, t))
        return "libcurl refused an option";
    return NULL;
}

static const char *prepare_exchange(struct transfer *t, const struct call *call)
{
    struct exchange *x = &t->exchange;
    bool bodiless = strcmp(t->shape->method, "GET") == 0;

    x->payload = call->body;
    x->payload_bytes = bodiless ? 0 : call->body_bytes;
    x->sent = 0;
    x->heard = x->deaf = false;
    x->framing = IN_HEAD;
    memset(&x->chunked, 0, sizeof x->chunked);
    x->chunked.blanks = true;
    return upstream_lines_write(t, call->headers, call->body_bytes);
}

/* What differs between two requests of one shape. */
static const char *prepare_request(struct transfer *t, const struct call *call)
{
    us_t timeout = call->connect_timeout;
    int bad = 0;

    if (timeout <= 0)
        timeout = t->upstream->options.connect_timeout;
    if (t->shape->site) {
        t->connect_timeout = timeout;
        return prepare_exchange(t, call);
    }
    if (timeout != t->connect_timeout) {
        bad |= (int)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
                                     whole_ms(timeout));
        t->connect_timeout = timeout;
    }
    t->upload = 0;
    if (call->stream && call->body_bytes > SMALL_BODY)
        t->upload = call->body_bytes;
    if (strcmp(t->shape->method, "GET") != 0) {
        bad |= (int)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                     (curl_off_t)call->body_bytes);
        bad |= (int)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS,
                                     call->body ? call->body : "");
    }
    if (bad)
        return "libcurl refused an option";
    return call->headers ? upstream_lines_chain(t, call->headers) : NULL;
}

static void make_blank(struct transfer *t)
{
    t->taken = 0;
    t->paused = t->has_news = t->resuming = false;
    t->opened = t->repeated = false;
    upstream_head_init(&t->head);
    quota_init(&t->quota);
    memset(&t->state, 0, sizeof t->state);
    t->state.retry_after = -1;
    t->state.quota_requests = t->state.quota_tokens = -1;
    t->state.quota_reset_requests = t->state.quota_reset_tokens = -1;
}

/* A transfer with a handle when there is a shape. NULL: no memory. */
static struct transfer *handle_new(struct upstream *u, struct shape *s,
                                   const struct provider *provider,
                                   const char **problem)
{
    struct transfer *t = calloc(1, sizeof *t);

    if (!t) {
        if (s && s->users == 0 && !s->provider)
            shape_free(s);
        return NULL;
    }
    t->upstream = u;
    t->shape = s;
    buf_init(&t->body, SIZE_MAX);
    buf_init(&t->exchange.lines, CEIL_CALL_LINES);
    buf_init(&t->exchange.rest, CEIL_ANSWER_HEAD_BYTES);
    if (s) {
        s->users++;
        if (!s->site)
            *problem = prepare_handle(t, provider);
    }
    return t;
}

struct transfer *upstream_pool_take(struct upstream *u, const struct call *call,
                                    const char **problem)
{
    struct shape *s;
    struct transfer *t;

    *problem = NULL;
    s = find_shape(u, call, problem);
    t = s ? LIST_FIRST(&s->idle) : NULL;
    if (t) {
        LIST_REMOVE(t, link);
        u->pool.idle--;
    } else {
        t = handle_new(u, s, call->provider, problem);
        if (!t)
            return NULL;
    }
    make_blank(t);
    t->owner = call->owner;
    t->provider = call->provider;
    t->hold = call->hold_bytes;
    if (!*problem)
        *problem = prepare_request(t, call);
    return t;
}

/* libcurl keeps the upload buffer until the transfer ends: 64 KB for each of
 * thousands of streams (measured: 80 KB instead of 16 each with 100 KB bodies).
 * Setting its size drops it. */
void upstream_pool_slim(struct transfer *t)
{
    curl_off_t sent = 0;

    if (t->upload == 0 || !t->state.head || !t->shard)
        return;
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (sent < (curl_off_t)t->upload)
        return;
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE,
                     t->shape->big ? BIG_BUFFER : SMALL_BUFFER);
    t->upload = 0;
}

static void handle_free(struct transfer *t)
{
    struct shape *s = t->shape;

    curl_easy_cleanup(t->easy);
    buf_free(&t->exchange.lines);
    free(t->own);
    buf_free(&t->body);
    upstream_charge(t);
    free(t);
    if (s && --s->users == 0 && !s->provider)
        shape_free(s);
}

/* libcurl counts the requests it repeated in the handle and gives up at the
 * fifth, also when each belonged to another transfer: such a handle goes. */
static bool keepable(const struct transfer *t)
{
    return t->state.ended && t->state.error == ERROR_none && !t->head.doubt &&
           !t->repeated;
}

void upstream_pool_put(struct transfer *t)
{
    struct upstream *u = t->upstream;

    buf_free(&t->exchange.rest);
    if (!keepable(t) || !t->shape->provider || u->pool.idle >= u->options.max_idle) {
        handle_free(t);
        return;
    }
    if (t->own) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->shape->headers);
        free(t->own);
        t->own = NULL;
    }
    t->body.len = 0;
    if (t->body.size > KEEP_BODY)
        buf_free(&t->body);
    upstream_charge(t);
    if (t->exchange.lines.size > KEEP_BODY)
        buf_free(&t->exchange.lines);
    LIST_INSERT_HEAD(&t->shape->idle, t, link);
    u->pool.idle++;
}

/* Unlink ${s}; it is freed now or with its last transfer. */
static void shape_drop(struct upstream *u, struct shape *s)
{
    struct transfer *t, *next;

    LIST_REMOVE(s, link);
    u->pool.shapes--;
    s->provider = NULL;
    if (s->users == 0) {
        shape_free(s);
        return;
    }
    for (t = LIST_FIRST(&s->idle); t; t = next) {
        next = LIST_NEXT(t, link);
        u->pool.idle--;
        handle_free(t);
    }
}

void upstream_forget(struct upstream *u, const struct provider *provider)
{
    unsigned bucket = bucket_of(provider);
    struct shape *s, *next;

    for (s = LIST_FIRST(&u->pool.buckets[bucket]); s; s = next) {
        next = LIST_NEXT(s, link);
        if (s->provider == provider)
            shape_drop(u, s);
    }
}

void upstream_pool_free(struct upstream *u)
{
    for (unsigned i = 0; i < SHAPE_BUCKETS; i++)
        while (!LIST_EMPTY(&u->pool.buckets[i]))
            shape_drop(u, LIST_FIRST(&u->pool.buckets[i]));
}
