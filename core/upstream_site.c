/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_site: plain connections to providers, by host and port: which are
 * open, which lie idle, how long they are kept. Knows nothing of HTTP.
 */
#include "upstream_impl.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below the 60 s after which common front ends close idle connections. */
#define IDLE_MAX (55 * US_PER_S)
/* A name may lead elsewhere by now. */
#define LIFE_MAX (3600 * US_PER_S)

/* --- sites ---------------------------------------------------------------- */

static size_t authority_of(const char *base, const char **start)
{
    const char *scheme = strstr(base, "://");

    *start = scheme ? scheme + 3 : base;
    return strcspn(*start, "/?#");
}

static struct site *site_new(struct upstream *u, const char *authority,
                             size_t len)
{
    struct site *site = calloc(1, sizeof *site);

    if (!site)
        return NULL;
    site->authority = strndup(authority, len);
    if (!site->authority) {
        free(site);
        return NULL;
    }
    LIST_INIT(&site->idle);
    LIST_INSERT_HEAD(&u->sites, site, link);
    return site;
}

struct site *upstream_site_find(const struct upstream *u, const char *base)
{
    const char *authority;
    size_t len = authority_of(base, &authority);
    struct site *site;

    LIST_FOREACH(site, &u->sites, link)
        if (!strncasecmp(site->authority, authority, len) &&
            !site->authority[len])
            return site;
    return NULL;
}

struct site *upstream_site_hold(struct upstream *u, const char *base)
{
    struct site *site = upstream_site_find(u, base);
    const char *authority;
    size_t len = authority_of(base, &authority);

    if (!site)
        site = site_new(u, authority, len);
    if (site)
        site->users++;
    return site;
}

void upstream_site_release(struct site *site)
{
    if (!site || --site->users)
        return;
    LIST_REMOVE(site, link);
    free(site->authority);
    free(site);
}

/* --- connections ---------------------------------------------------------- */

struct wire *upstream_site_adopt(struct transfer *t, int fd,
                                 event_callback_fn readable,
                                 event_callback_fn writable)
{
    struct event_base *base = t->upstream->options.base;
    struct wire *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->upstream = t->upstream;
    w->site = t->shape->site;
    w->transfer = t;
    w->fd = fd;
    w->opened = clock_now();
    event_assign(&w->readable, base, fd, EV_READ | EV_PERSIST, readable, w);
    event_assign(&w->writable, base, fd, EV_WRITE | EV_PERSIST, writable, w);
    if (event_add(&w->readable, NULL)) {
        free(w);
        return NULL;
    }
    w->site->users++;
    w->site->open++;
    w->site->busy++;
    return w;
}

static void unlist(struct wire *w)
{
    if (w->site->settled == w)
        w->site->settled = LIST_NEXT(w, link);
    LIST_REMOVE(w, link);
    TAILQ_REMOVE(&w->upstream->idle_wires, w, age);
    w->upstream->nidle_wires--;
}

void upstream_site_close(struct wire *w)
{
    if (w->transfer)
        w->site->busy--;
    else
        unlist(w);
    /* Before close: the next socket may get the same number. */
    event_del(&w->readable);
    event_del(&w->writable);
    close(w->fd);
    w->site->open--;
    upstream_site_release(w->site);
    free(w);
}

/* The loop has looked at its sockets since the last time: what was idle then is
 * known to be quiet, or has its event among those that are being called. */
static void settle(struct site *site, const unsigned *polls)
{
    if (!polls || site->poll == *polls)
        return;
    site->settled = LIST_FIRST(&site->idle);
    site->poll = *polls;
}

/* Closed by now, or bytes are there that nobody asked for, which must never be
 * taken for the answer to the next request (RFC 9112, 6.3)? */
static bool quiet(const struct wire *w, bool settled)
{
    char byte;

    if (settled)
        return !(w->readable.ev_evcallback.evcb_flags & EVLIST_ACTIVE);
    return recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

static bool stale(const struct wire *w, us_t now)
{
    return now - w->idle_since > IDLE_MAX || now - w->opened > LIFE_MAX;
}

struct wire *upstream_site_take(struct transfer *t)
{
    struct site *site = t->shape->site;
    us_t now = t->state.started;
    struct wire *w;

    settle(site, t->upstream->options.polls);
    while ((w = site->settled ? site->settled : LIST_FIRST(&site->idle))) {
        if (stale(w, now) || !quiet(w, site->settled)) {
            upstream_site_close(w);
            continue;
        }
        unlist(w);
        w->transfer = t;
        site->busy++;
        return w;
    }
    return NULL;
}

void upstream_site_keep(struct wire *w)
{
    struct upstream *u = w->upstream;
    struct wire *oldest;

    settle(w->site, u->options.polls);
    w->idle_since = clock_now();
    w->transfer = NULL;
    w->site->busy--;
    LIST_INSERT_HEAD(&w->site->idle, w, link);
    TAILQ_INSERT_TAIL(&u->idle_wires, w, age);
    u->nidle_wires++;
    oldest = TAILQ_FIRST(&u->idle_wires);
    if (u->nidle_wires > u->options.max_idle || stale(oldest, w->idle_since))
        upstream_site_close(oldest);
}

void upstream_site_free(struct upstream *u)
{
    while (!TAILQ_EMPTY(&u->idle_wires))
        upstream_site_close(TAILQ_FIRST(&u->idle_wires));
}
