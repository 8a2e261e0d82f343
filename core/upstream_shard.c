/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_shard: one multi handle of libcurl on the loop. There are several
 * when much is in flight, because libcurl looks for a free connection by
 * walking all that are in use to the same host: with 5,000 open streams that
 * made a start cost 190 us instead of 40.
 */
#include "upstream_impl.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>

#define SHARD_BUSY 512u         /* transfers in flight before the next is used */
#define SHARD_LINGER_S 60       /* an empty one keeps its connections */
#define KICKS 16                /* in a row, before the loop gets its turn */

/* --- turns --------------------------------------------------------------- */

/* A number of our own for what a dialing handle opened: libcurl closes its. */
static int opened_by(const struct transfer *t)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd == CURL_SOCKET_BAD ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void conclude(struct transfer *t, CURLcode result)
{
    int fd;

    upstream_lookup_end(t, result != CURLE_OPERATION_TIMEDOUT);
    if (!t->exchange.dialing) {
        upstream_shard_remove(t);
        upstream_conclude(t, result);
        return;
    }
    fd = result ? -1 : opened_by(t);
    upstream_shard_remove(t);
    upstream_wire_dialed(t, fd, result);
    curl_easy_cleanup(t->easy);
    t->easy = NULL;
}

static void collect(struct shard *s)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(s->multi, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        struct transfer *t = NULL;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
        conclude(t, result);
    }
}

/* Let libcurl do what it wanted to do "in 0 ms": after adding a handle that
 * saves a turn of the loop for each request. */
static void settle(struct shard *s)
{
    int running;

    for (int i = 0; s->kick && i < KICKS; i++) {
        s->kick = false;
        curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(s);
    s->inside = false;
    if (s->kick)
        upstream_defer(s->upstream);
}

void upstream_shard_act(struct shard *s, curl_socket_t fd, int mask)
{
    int running;

    s->inside = true;
    curl_multi_socket_action(s->multi, fd, mask, &running);
    settle(s);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    upstream_shard_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout_wanted(CURLM *multi, long ms, void *arg)
{
    struct shard *s = arg;
    struct timeval tv;

    (void)multi;
    if (ms < 0) {
        evtimer_del(s->timer);
    } else if (ms == 0) {
        s->kick = true;
        if (!s->inside)
            upstream_defer(s->upstream);
    } else {
        tv.tv_sec = ms / 1000;
        tv.tv_usec = (ms % 1000) * 1000;
        evtimer_add(s->timer, &tv);
    }
    return 0;
}

void upstream_shard_turn(struct upstream *u)
{
    for (unsigned i = 0; i < MAX_SHARDS; i++)
        if (u->shards[i] && u->shards[i]->kick) {
            u->shards[i]->inside = true;
            settle(u->shards[i]);
        }
}

/* --- life ---------------------------------------------------------------- */

static void shard_free(struct shard *s)
{
    s->inside = true;
    curl_multi_cleanup(s->multi);
    if (s->timer)
        event_free(s->timer);
    if (s->linger)
        event_free(s->linger);
    s->upstream->shards[s->index] = NULL;
    free(s);
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
    struct shard *s = arg;

    (void)fd;
    (void)what;
    if (s->busy == 0)
        shard_free(s);
}

static int set_up_multi(struct shard *s)
{
    int bad = 0;

    if (!s->multi)
        return -1;
#define SET(option, value) bad |= (int)curl_multi_setopt(s->multi, option, value)
    SET(CURLMOPT_SOCKETFUNCTION, upstream_on_interest);
    SET(CURLMOPT_SOCKETDATA, s);
    SET(CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    SET(CURLMOPT_TIMERDATA, s);
    /* Fixed: by default a dip in what is in flight closes warm connections. */
    SET(CURLMOPT_MAXCONNECTS, (long)s->upstream->options.max_idle);
    SET(CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
#undef SET
    return bad ? -1 : 0;
}

static struct shard *shard_new(struct upstream *u, unsigned index)
{
    struct shard *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->upstream = u;
    s->index = index;
    s->multi = curl_multi_init();
    s->timer = evtimer_new(u->options.base, on_timer, s);
    s->linger = evtimer_new(u->options.base, on_linger, s);
    if (!s->timer || !s->linger || set_up_multi(s)) {
        shard_free(s);
        return NULL;
    }
    u->shards[index] = s;
    return s;
}

/* The first with room: low ones stay full, so that connections are found again
 * and high ones can go. */
static struct shard *with_room(struct upstream *u)
{
    struct shard *s = NULL;

    for (unsigned i = 0; i < MAX_SHARDS; i++) {
        s = u->shards[i];
        if (!s)
            s = shard_new(u, i);
        if (!s || s->busy < SHARD_BUSY)
            return s;
    }
    return s;
}

int upstream_shard_open(struct upstream *u)
{
    return shard_new(u, 0) ? 0 : -1;
}

void upstream_shard_close(struct upstream *u)
{
    for (unsigned i = 0; i < MAX_SHARDS; i++)
        if (u->shards[i])
            shard_free(u->shards[i]);
}

int upstream_shard_add(struct transfer *t)
{
    struct shard *s = with_room(t->upstream);

    if (!s)
        return -1;
    s->inside = true;
    if (curl_multi_add_handle(s->multi, t->easy)) {
        settle(s);
        return -1;
    }
    t->shard = s;
    if (s->busy++ == 0 && s->index > 0)
        evtimer_del(s->linger);
    s->kick = true;
    settle(s);
    return 0;
}

void upstream_shard_remove(struct transfer *t)
{
    static const struct timeval linger = {SHARD_LINGER_S, 0};
    struct shard *s = t->shard;

    if (!s)
        return;
    upstream_lookup_end(t, false);
    curl_multi_remove_handle(s->multi, t->easy);
    t->shard = NULL;
    if (--s->busy == 0 && s->index > 0)
        evtimer_add(s->linger, &linger);
}
