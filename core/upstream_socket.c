/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_socket: libcurl's descriptors as libevent events. Owns one slot for
 * each; opens and closes the provider's sockets.
 */
#include "upstream_impl.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One descriptor of libcurl's and its events. */
struct socket_slot {
    struct upstream *upstream;
    struct shard *shard;    /* whose libcurl asked last */
    struct transfer *opener;    /* only compared: it may be gone */
    struct event readable;
    struct event writable;
    uint64_t origin;        /* 0: not opened by us (libcurl's resolver) */
    curl_socket_t fd;
    int want;               /* CURL_POLL_IN, _OUT or both: what libcurl asked */
    bool reading;           /* registered, wanted or not */
    bool writing;
};

/* libcurl drops its interest in a socket after each answer and takes it up
 * with the next request. We stay registered meanwhile, which saves two system
 * calls a request; a socket that fires while nobody wants it is unregistered
 * here. */
static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct socket_slot *s = arg;
    int mask = what & EV_READ ? CURL_CSELECT_IN : CURL_CSELECT_OUT;
    int wanted = what & EV_READ ? CURL_POLL_IN : CURL_POLL_OUT;

    if (s->want & wanted) {
        upstream_shard_act(s->shard, fd, mask);
        return;
    }
    event_del(what & EV_READ ? &s->readable : &s->writable);
    if (what & EV_READ)
        s->reading = false;
    else
        s->writing = false;
}

static struct socket_slot *slot_of(const struct upstream *u, curl_socket_t fd)
{
    return (size_t)fd < u->nsockets ? u->sockets[fd] : NULL;
}

static void slot_free(struct socket_slot *s)
{
    if (!s)
        return;
    event_del(&s->readable);
    event_del(&s->writable);
    s->upstream->sockets[s->fd] = NULL;
    free(s);
}

static struct socket_slot *slot_new(struct upstream *u, curl_socket_t fd)
{
    size_t at = (size_t)fd, size = u->nsockets ? u->nsockets : 64;
    struct socket_slot **sockets, *s;

    while (size <= at)
        size *= 2;
    if (size > u->nsockets) {
        sockets = realloc(u->sockets, size * sizeof *sockets);
        if (!sockets)
            return NULL;
        memset(sockets + u->nsockets, 0,
               (size - u->nsockets) * sizeof *sockets);
        u->sockets = sockets;
        u->nsockets = size;
    }
    /* A connect given up early is closed by libcurl without a word; its number
       comes back, and what is known of the old one must go first. */
    slot_free(u->sockets[at]);
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->upstream = u;
    s->fd = fd;
    event_assign(&s->readable, u->options.base, fd, EV_READ | EV_PERSIST,
                 on_socket, s);
    event_assign(&s->writable, u->options.base, fd, EV_WRITE | EV_PERSIST,
                 on_socket, s);
    u->sockets[at] = s;
    return s;
}

int upstream_on_interest(CURL *easy, curl_socket_t fd, int what, void *arg,
                         void *ignored)
{
    struct shard *shard = arg;
    struct socket_slot *s = slot_of(shard->upstream, fd);

    (void)easy;
    (void)ignored;
    if (!s && what != CURL_POLL_REMOVE)
        s = slot_new(shard->upstream, fd);
    if (!s)
        return 0;
    s->shard = shard;
    /* A descriptor that libcurl made itself is closed behind our back. */
    if (what == CURL_POLL_REMOVE && s->origin == 0) {
        slot_free(s);
        return 0;
    }
    s->want = what & CURL_POLL_INOUT;
    if (what == CURL_POLL_REMOVE)
        s->want = 0;
    if ((s->want & CURL_POLL_IN) && !s->reading)
        s->reading = event_add(&s->readable, NULL) == 0;
    if ((s->want & CURL_POLL_OUT) && !s->writing) {
        s->writing = event_add(&s->writable, NULL) == 0;
    } else if (!(s->want & CURL_POLL_OUT) && s->writing) {
        event_del(&s->writable);
        s->writing = false;
    }
    return 0;
}

curl_socket_t upstream_on_open(void *arg, curlsocktype purpose,
                               struct curl_sockaddr *address)
{
    struct transfer *t = arg;
    struct socket_slot *s;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);

    (void)purpose;
    upstream_lookup_end(t, true);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    s = slot_new(t->upstream, fd);
    if (!s) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    s->origin = t->shape->origin;
    s->opener = t;
    t->opened = true;
    return fd;
}

void upstream_forget_connects(const struct transfer *t)
{
    const struct upstream *u = t->upstream;

    for (size_t i = 0; i < u->nsockets; i++)
        if (u->sockets[i] && u->sockets[i]->opener == t &&
            u->sockets[i]->want == CURL_POLL_OUT)
            slot_free(u->sockets[i]);
}

int upstream_on_close(void *upstream, curl_socket_t fd)
{
    /* Before close: the next socket may get the same number. */
    slot_free(slot_of(upstream, fd));
    return close(fd);
}

unsigned upstream_socket_count(const struct upstream *u, uint64_t origin)
{
    unsigned n = 0;

    for (size_t i = 0; i < u->nsockets; i++)
        n += u->sockets[i] && u->sockets[i]->origin == origin;
    return n;
}

void upstream_socket_free(struct upstream *u)
{
    for (size_t i = 0; i < u->nsockets; i++)
        slot_free(u->sockets[i]);
    free(u->sockets);
}
