/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream: what the owner sees of an attempt: news, bytes, state, its end.
 * Callbacks of libcurl only store bytes and set flags; handles are added,
 * resumed and removed from our own calls and events.
 */
#include "upstream_impl.h"

#include "config.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_DRAINED 1024u      /* a drained buffer above this is freed: many
                                   streams are silent most of the time */

/* --- process-wide -------------------------------------------------------- */

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned global_users;

int upstream_global_init(void)
{
    int status = 0;

    pthread_mutex_lock(&global_lock);
    if (global_users == 0 && curl_global_init(CURL_GLOBAL_DEFAULT))
        status = -1;
    else
        global_users++;
    pthread_mutex_unlock(&global_lock);
    return status;
}

void upstream_global_cleanup(void)
{
    pthread_mutex_lock(&global_lock);
    if (global_users && --global_users == 0)
        curl_global_cleanup();
    pthread_mutex_unlock(&global_lock);
}

/* --- news ---------------------------------------------------------------- */

void upstream_news(struct transfer *t)
{
    struct upstream *u = t->upstream;

    if (t->has_news)
        return;
    t->has_news = true;
    TAILQ_INSERT_TAIL(&u->news, t, news);
    if (u->woken)
        return;
    u->woken = true;
    u->options.wake(u->options.arg);
}

struct transfer *upstream_next(struct upstream *u)
{
    struct transfer *t = TAILQ_FIRST(&u->news);

    if (!t) {
        u->woken = false;
        return NULL;
    }
    TAILQ_REMOVE(&u->news, t, news);
    t->has_news = false;
    upstream_pool_slim(t);
    return t;
}

void upstream_finish(struct transfer *t, enum error_type error,
                     const char *detail)
{
    t->paused = false;
    t->state.ended = true;
    t->state.error = error;
    text_copy(t->state.detail, sizeof t->state.detail, detail, strlen(detail));
    upstream_news(t);
}

/* --- what libcurl's result means ----------------------------------------- */

static bool is_tls(CURLcode result)
{
    switch (result) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
        return true;
    default:
        return false;
    }
}

static void fail_connect(struct transfer *t)
{
    char text[96];
    long code = 0;
    const char *why;

    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &code);
    why = code ? strerrordesc_np((int)code) : NULL;
    snprintf(text, sizeof text, "could not connect%s%s", why ? ": " : "",
             why ? why : "");
    upstream_finish(t, ERROR_provider_connect, text);
}

/* libcurl names a broken chunk and a lost connection alike. */
static void fail_receive(struct transfer *t)
{
    upstream_finish(t, ERROR_provider_cut_stream,
           t->state.head ? "broke off inside its answer"
                         : "closed the connection before answering");
}

static void fail(struct transfer *t, CURLcode result)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        upstream_finish(t, ERROR_provider_dns, "its name could not be resolved");
        return;
    case CURLE_OPERATION_TIMEDOUT:
        upstream_finish(t, ERROR_provider_timeout_connect,
               "no connection within the connect timeout");
        return;
    case CURLE_OUT_OF_MEMORY:
        /* libcurl says so too of a head above its own ceiling. */
        if (!t->state.head && t->state.sent && !t->exchange.dialing) {
            upstream_finish(t, ERROR_provider_bad_response,
                   "sent a head that is larger than any valid one");
            return;
        }
        /* fall through */
    case CURLE_WRITE_ERROR:
        upstream_finish(t, ERROR_gateway_oom, "no memory for the answer");
        return;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        upstream_finish(t, ERROR_provider_bad_response, "sent no valid HTTP answer");
        return;
    case CURLE_PARTIAL_FILE:
        fail_receive(t);
        return;
    default:
        break;
    }
    if (is_tls(result))
        upstream_finish(t, ERROR_provider_tls, "the TLS handshake failed");
    else if (!t->state.sent || t->exchange.dialing)
        fail_connect(t);
    else
        fail_receive(t);
}

void upstream_conclude(struct transfer *t, CURLcode result)
{
    if (t->head.refused)
        upstream_finish(t, ERROR_provider_bad_response, t->head.refused);
    else if (result)
        fail(t, result);
    else if (!t->head.complete)
        upstream_finish(t, ERROR_provider_cut_stream,
               "closed the connection inside the head of its answer");
    else
        upstream_finish(t, ERROR_none, "");
}

/* --- bytes --------------------------------------------------------------- */

int upstream_on_ready(void *arg, char *peer, char *local, int peer_port,
                      int local_port)
{
    struct transfer *t = arg;

    (void)peer;
    (void)local;
    (void)peer_port;
    (void)local_port;
    t->repeated = t->state.sent;
    t->state.connected = clock_now();
    t->state.reused = !t->opened;
    t->state.sent = true;
    return CURL_PREREQFUNC_OK;
}

void upstream_charge(struct transfer *t)
{
    memory_charge(t->upstream->options.memory, &t->charged, t->body.size);
}

int upstream_take_body(struct transfer *t, const char *bytes, size_t n)
{
    if (t->taken > t->body.len / 2) {
        buf_drop(&t->body, t->taken);
        t->taken = 0;
    }
    if (buf_add(&t->body, bytes, n))
        return -1;
    if (t->state.received == 0)
        t->state.first_byte = clock_now();
    t->state.received += n;
    upstream_charge(t);
    upstream_news(t);
    return 0;
}

size_t upstream_on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    (void)size;                 /* always 1 */
    if (t->body.len - t->taken > t->hold) {
        t->paused = true;       /* libcurl keeps these bytes and comes again */
        return CURL_WRITEFUNC_PAUSE;
    }
    return upstream_take_body(t, bytes, n) ? 0 : n;
}

const char *transfer_bytes(const struct transfer *t, size_t *len)
{
    *len = t->body.len - t->taken;
    return *len ? t->body.data + t->taken : "";
}

/* A timer and not event_active: a provider and a taker that are both fast would
 * keep the loop from ever looking at its sockets. */
void upstream_defer(struct upstream *u)
{
    static const struct timeval now = {0, 0};

    evtimer_add(u->deferred, &now);
}

/* Resume at half the mark, so that a steady taker does not cause a pause for
 * every read. */
static void resume_if_low(struct transfer *t)
{
    struct upstream *u = t->upstream;

    if (!t->paused || t->resuming || t->body.len - t->taken > t->hold / 2)
        return;
    if (t->shape->site) {
        upstream_wire_resume(t);
        return;
    }
    t->resuming = true;
    TAILQ_INSERT_TAIL(&u->resume, t, resume);
    upstream_defer(u);
}

void transfer_take(struct transfer *t, size_t n)
{
    t->taken += n;
    if (t->taken >= t->body.len) {
        t->taken = t->body.len = 0;
        if (t->body.size > KEEP_DRAINED)
            buf_free(&t->body);
        upstream_charge(t);
    }
    resume_if_low(t);
}

void transfer_hold(struct transfer *t, size_t bytes)
{
    t->hold = bytes;
    resume_if_low(t);
}

bool transfer_paused(const struct transfer *t)
{
    return t->paused;
}

void *transfer_owner(const struct transfer *t)
{
    return t->owner;
}

const struct transfer_state *transfer_state(const struct transfer *t)
{
    return &t->state;
}

/* --- life ---------------------------------------------------------------- */

struct transfer *upstream_start(struct upstream *u, const struct call *call)
{
    const char *problem;
    struct transfer *t = upstream_pool_take(u, call, &problem);

    if (!t)
        return NULL;
    LIST_INSERT_HEAD(&u->running, t, link);
    t->state.started = clock_now();
    if (problem) {
        upstream_finish(t, ERROR_gateway_internal, problem);
        return t;
    }
    if (t->shape->site)
        upstream_wire_start(t);
    else if (upstream_shard_add(t))
        upstream_finish(t, ERROR_gateway_internal, "libcurl refused the request");
    return t;
}

void upstream_release(struct transfer *t)
{
    struct upstream *u;

    if (!t)
        return;
    u = t->upstream;
    if (t->resuming)
        TAILQ_REMOVE(&u->resume, t, resume);
    if (t->shard && t->opened)
        upstream_forget_connects(t);
    upstream_shard_remove(t);
    upstream_wire_cancel(t);
    if (t->has_news)
        TAILQ_REMOVE(&u->news, t, news);
    LIST_REMOVE(t, link);
    upstream_pool_put(t);
}

void upstream_connections(const struct upstream *u,
                          const struct provider *provider, unsigned *open,
                          unsigned *busy)
{
    uint64_t origin = upstream_pool_origin(provider->base);
    const struct site *site = upstream_site_find(u, provider->base);
    const struct transfer *t;

    *open = upstream_socket_count(u, origin) + (site ? site->open : 0);
    *busy = site ? site->busy : 0;
    LIST_FOREACH(t, &u->running, link)
        *busy += t->shard && t->state.sent && t->shape->origin == origin;
}

/* Work that may not be done where it was asked for: resuming calls the write
 * callback at once, and a timeout of 0 ms may be asked for inside a callback. */
static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *u = arg;
    struct transfer *t;
    unsigned n = 0;

    (void)fd;
    (void)what;
    TAILQ_FOREACH(t, &u->resume, resume)
        n++;
    while (n-- > 0) {
        t = TAILQ_FIRST(&u->resume);
        TAILQ_REMOVE(&u->resume, t, resume);
        t->resuming = t->paused = false;
        if (!t->shard)
            continue;
        t->shard->inside = true;
        curl_easy_pause(t->easy, CURLPAUSE_CONT);
        t->shard->kick = true;
    }
    upstream_shard_turn(u);
}

static int set_up_curl(struct upstream *u)
{
    int bad = 0;

    u->share = curl_share_init();
    if (!u->share)
        return -1;
    bad |= (int)curl_share_setopt(u->share, CURLSHOPT_SHARE,
                                  CURL_LOCK_DATA_SSL_SESSION);
    bad |= (int)curl_share_setopt(u->share, CURLSHOPT_SHARE,
                                  CURL_LOCK_DATA_DNS);
    return bad || upstream_shard_open(u) ? -1 : 0;
}

struct upstream *upstream_new(const struct upstream_options *options)
{
    struct upstream *u = calloc(1, sizeof *u);

    if (!u)
        return NULL;
    u->options = *options;
    LIST_INIT(&u->running);
    TAILQ_INIT(&u->news);
    TAILQ_INIT(&u->resume);
    LIST_INIT(&u->sites);
    TAILQ_INIT(&u->idle_wires);
    u->inbox = malloc(UPSTREAM_INBOX);
    u->deferred = evtimer_new(options->base, on_deferred, u);
    if (u->inbox && u->deferred && set_up_curl(u) == 0)
        return u;
    upstream_free(u);
    return NULL;
}

void upstream_free(struct upstream *u)
{
    if (!u)
        return;
    u->woken = true;            /* nobody is told any more */
    while (!LIST_EMPTY(&u->running))
        upstream_release(LIST_FIRST(&u->running));
    upstream_site_free(u);
    upstream_pool_free(u);
    upstream_shard_close(u);
    curl_share_cleanup(u->share);
    upstream_socket_free(u);
    if (u->deferred)
        event_free(u->deferred);
    free(u->inbox);
    free(u);
}
