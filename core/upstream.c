/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream: libcurl's multi handle on a libevent loop, and what the owner sees
 * of it. Callbacks of libcurl only store bytes and set flags; handles are
 * added, resumed and removed from our own calls and events.
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
#define KICKS 16                /* in a row, before the loop gets its turn */

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

static void finish(struct transfer *t, enum error_type error,
                   const char *detail)
{
    t->paused = false;
    t->state.ended = true;
    t->state.error = error;
    snprintf(t->state.detail, sizeof t->state.detail, "%s", detail);
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
    finish(t, ERROR_provider_connect, text);
}

/* libcurl names a broken chunk and a lost connection alike. */
static void fail_receive(struct transfer *t)
{
    finish(t, ERROR_provider_cut_stream,
           t->state.head ? "broke off inside its answer"
                         : "closed the connection before answering");
}

static void fail(struct transfer *t, CURLcode result)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        finish(t, ERROR_provider_dns, "its name could not be resolved");
        return;
    case CURLE_OPERATION_TIMEDOUT:
        finish(t, ERROR_provider_timeout_connect,
               "no connection within the connect timeout");
        return;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_WRITE_ERROR:
        finish(t, ERROR_gateway_oom, "no memory for the answer");
        return;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        finish(t, ERROR_provider_bad_response, "sent no valid HTTP answer");
        return;
    case CURLE_PARTIAL_FILE:
        fail_receive(t);
        return;
    default:
        break;
    }
    if (is_tls(result))
        finish(t, ERROR_provider_tls, "the TLS handshake failed");
    else if (!t->state.sent)
        fail_connect(t);
    else
        fail_receive(t);
}

static void conclude(struct transfer *t, CURLcode result)
{
    if (t->head.refused)
        finish(t, ERROR_provider_bad_response, t->head.refused);
    else if (result)
        fail(t, result);
    else if (!t->head.complete)
        finish(t, ERROR_provider_cut_stream,
               "closed the connection inside the head of its answer");
    else
        finish(t, ERROR_none, "");
}

/* --- libcurl's turns ----------------------------------------------------- */

static void collect(struct upstream *u)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(u->multi, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        struct transfer *t = NULL;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
        curl_multi_remove_handle(u->multi, easy);
        t->added = false;
        conclude(t, result);
    }
}

/* Let libcurl do what it wanted to do "in 0 ms": after adding a handle that
 * saves a turn of the loop for each request. */
static void settle(struct upstream *u)
{
    int running;

    for (int i = 0; u->kick && i < KICKS; i++) {
        u->kick = false;
        curl_multi_socket_action(u->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(u);
    u->inside = false;
    if (u->kick)
        event_active(u->deferred, EV_TIMEOUT, 0);
}

void upstream_act(struct upstream *u, curl_socket_t fd, int mask)
{
    int running;

    u->inside = true;
    curl_multi_socket_action(u->multi, fd, mask, &running);
    settle(u);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    upstream_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *u = arg;
    struct transfer_queue batch = TAILQ_HEAD_INITIALIZER(batch);
    struct transfer *t;

    (void)fd;
    (void)what;
    u->inside = true;
    TAILQ_CONCAT(&batch, &u->resume, resume);
    while ((t = TAILQ_FIRST(&batch))) {
        TAILQ_REMOVE(&batch, t, resume);
        t->resuming = t->paused = false;
        /* Calls upstream_on_body before it returns. */
        if (t->added)
            curl_easy_pause(t->easy, CURLPAUSE_CONT);
    }
    u->kick = true;
    settle(u);
}

static int on_timeout_wanted(CURLM *multi, long ms, void *arg)
{
    struct upstream *u = arg;
    struct timeval tv;

    (void)multi;
    if (ms < 0) {
        evtimer_del(u->timer);
    } else if (ms == 0) {
        u->kick = true;
        if (!u->inside)
            event_active(u->deferred, EV_TIMEOUT, 0);
    } else {
        tv.tv_sec = ms / 1000;
        tv.tv_usec = (ms % 1000) * 1000;
        evtimer_add(u->timer, &tv);
    }
    return 0;
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

size_t upstream_on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    (void)size;                 /* always 1 */
    if (t->body.len - t->taken > t->hold) {
        t->paused = true;       /* libcurl keeps these bytes and comes again */
        return CURL_WRITEFUNC_PAUSE;
    }
    if (t->taken > t->body.len / 2) {
        buf_drop(&t->body, t->taken);
        t->taken = 0;
    }
    if (buf_add(&t->body, bytes, n))
        return 0;
    if (t->state.received == 0)
        t->state.first_byte = clock_now();
    t->state.received += n;
    upstream_news(t);
    return n;
}

const char *transfer_bytes(const struct transfer *t, size_t *len)
{
    *len = t->body.len - t->taken;
    return *len ? t->body.data + t->taken : "";
}

/* Resume at half the mark, so that a steady taker does not cause a pause for
 * every read. */
static void resume_if_low(struct transfer *t)
{
    struct upstream *u = t->upstream;

    if (!t->paused || t->resuming || t->body.len - t->taken > t->hold / 2)
        return;
    t->resuming = true;
    TAILQ_INSERT_TAIL(&u->resume, t, resume);
    event_active(u->deferred, EV_TIMEOUT, 0);
}

void transfer_take(struct transfer *t, size_t n)
{
    t->taken += n;
    if (t->taken >= t->body.len) {
        t->taken = t->body.len = 0;
        if (t->body.size > KEEP_DRAINED)
            buf_free(&t->body);
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
        finish(t, ERROR_gateway_internal, problem);
        return t;
    }
    u->inside = true;
    if (curl_multi_add_handle(u->multi, t->easy)) {
        finish(t, ERROR_gateway_internal, "libcurl refused the request");
    } else {
        t->added = true;
        u->kick = true;
    }
    settle(u);
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
    if (t->added)
        curl_multi_remove_handle(u->multi, t->easy);
    t->added = false;
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
    const struct transfer *t;

    *open = upstream_socket_count(u, origin);
    *busy = 0;
    LIST_FOREACH(t, &u->running, link)
        *busy += t->added && t->state.sent && t->shape->origin == origin;
}

static int set_up_curl(struct upstream *u)
{
    int bad = 0;

    u->multi = curl_multi_init();
    u->share = curl_share_init();
    if (!u->multi || !u->share)
        return -1;
    bad |= (int)curl_share_setopt(u->share, CURLSHOPT_SHARE,
                                  CURL_LOCK_DATA_SSL_SESSION);
    bad |= (int)curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION,
                                  upstream_on_interest);
    bad |= (int)curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
    bad |= (int)curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION,
                                  on_timeout_wanted);
    bad |= (int)curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
    bad |= (int)curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS,
                                  (long)u->options.max_idle);
    bad |= (int)curl_multi_setopt(u->multi, CURLMOPT_PIPELINING,
                                  (long)CURLPIPE_NOTHING);
    return bad ? -1 : 0;
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
    u->timer = evtimer_new(options->base, on_timer, u);
    u->deferred = event_new(options->base, -1, 0, on_deferred, u);
    if (u->timer && u->deferred && set_up_curl(u) == 0)
        return u;
    upstream_free(u);
    return NULL;
}

void upstream_free(struct upstream *u)
{
    if (!u)
        return;
    u->woken = true;            /* nobody is told any more */
    u->inside = true;
    while (!LIST_EMPTY(&u->running))
        upstream_release(LIST_FIRST(&u->running));
    upstream_pool_free(u);
    curl_multi_cleanup(u->multi);
    curl_share_cleanup(u->share);
    upstream_socket_free(u);
    if (u->timer)
        event_free(u->timer);
    if (u->deferred)
        event_free(u->deferred);
    free(u);
}
