/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_rig: an upstream and a provider's server that answers with bytes as
 * they are, both on one loop in one thread: no sleeps, no races. For the tests
 * of upstream.
 */
#ifndef LEME_UPSTREAM_RIG_H
#define LEME_UPSTREAM_RIG_H

#include "config.h"
#include "test.h"
#include "upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the provider's side -------------------------------------------------- */

struct server {
    struct event *event;
    int fd;
    unsigned short port;
    const char *answer;     /* borrowed; NULL: never answers */
    size_t answer_len;
    size_t repeat;          /* times the answer is sent; 0 is once */
    size_t piece;           /* bytes a turn of the loop; 0: as many as fit */
    bool close_after;       /* the answer */
    bool close_on_second;   /* request of a connection, unanswered */
    bool reset;             /* closing sends RST */
    bool early;             /* answers the head alone, then reads no more */
    unsigned accepted;
    unsigned left;          /* connections the client closed */
    unsigned requests;
    char *request;          /* owned: the last one */
    size_t request_head;
    size_t request_body;
    LIST_HEAD(, peer) peers;
};

struct peer {
    LIST_ENTRY(peer) link;
    struct server *server;
    struct event *readable, *writable;
    int fd;
    char *in;
    size_t len;
    size_t sent;            /* of all repetitions */
    unsigned requests;
};

static inline void peer_drop(struct peer *p)
{
    struct linger now = {1, 0};

    if (p->server->reset)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    event_free(p->readable);
    event_free(p->writable);
    close(p->fd);
    LIST_REMOVE(p, link);
    free(p->in);
    free(p);
}

static inline void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct peer *p = arg;
    struct server *s = p->server;
    size_t all = s->answer_len * (s->repeat ? s->repeat : 1), at, n;
    ssize_t sent = 1;

    (void)what;
    while (p->sent < all && sent > 0) {
        at = p->sent % s->answer_len;
        n = s->answer_len - at;
        if (s->piece && n > s->piece)
            n = s->piece;
        sent = send(fd, s->answer + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            p->sent += (size_t)sent;
        if (s->piece)
            break;
    }
    if (p->sent < all && (sent > 0 || errno == EAGAIN)) {
        event_add(p->writable, NULL);
        return;
    }
    p->sent = 0;
    if (s->close_after)
        peer_drop(p);
}

/* Takes a whole request off the front; false when it is not complete. */
static inline bool take_request(struct peer *p)
{
    struct server *s = p->server;
    char *blank, *field;
    size_t head, body = 0;

    blank = p->len ? memmem(p->in, p->len, "\r\n\r\n", 4) : NULL;
    if (!blank)
        return false;
    head = (size_t)(blank - p->in) + 4;
    field = memmem(p->in, head, "Content-Length: ", 16);
    if (field)
        body = strtoul(field + 16, NULL, 10);
    if (p->len < head + body)
        return false;
    free(s->request);
    s->request = calloc(1, head + body + 1);
    memcpy(s->request, p->in, head + body);
    s->request_head = head;
    s->request_body = body;
    s->requests++;
    p->requests++;
    p->len = 0;
    return true;
}

static inline void answer_early(struct peer *p)
{
    const struct server *s = p->server;

    if (send(p->fd, s->answer, s->answer_len, MSG_NOSIGNAL) < 0)
        abort();
    p->server->requests++;
    shutdown(p->fd, SHUT_WR);
    event_del(p->readable);
}

static inline void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct peer *p = arg;
    ssize_t n;

    (void)what;
    p->in = realloc(p->in, p->len + 65536);
    n = recv(fd, p->in + p->len, 65536, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        p->server->left++;
        peer_drop(p);
        return;
    }
    p->len += (size_t)n;
    if (p->server->close_on_second && p->requests > 0)
        peer_drop(p);
    else if (take_request(p) && p->server->answer)
        on_writable(fd, 0, p);
    else if (p->server->early && memmem(p->in, p->len, "\r\n\r\n", 4))
        answer_early(p);
}

static inline void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    struct peer *p = calloc(1, sizeof *p);

    (void)what;
    p->server = s;
    p->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    p->readable = event_new(event_get_base(s->event), p->fd,
                            EV_READ | EV_PERSIST, on_readable, p);
    p->writable = event_new(event_get_base(s->event), p->fd, EV_WRITE,
                            on_writable, p);
    event_add(p->readable, NULL);
    LIST_INSERT_HEAD(&s->peers, p, link);
    s->accepted++;
}

static inline struct server *server_open(struct event_base *on)
{
    struct server *s = calloc(1, sizeof *s);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (struct sockaddr *)&at, len) || listen(s->fd, 512) ||
        getsockname(s->fd, (struct sockaddr *)&at, &len))
        abort();
    s->port = ntohs(at.sin_port);
    s->event = event_new(on, s->fd, EV_READ | EV_PERSIST, on_accept, s);
    event_add(s->event, NULL);
    return s;
}

static inline void server_answer(struct server *s, const char *text)
{
    s->answer = text;
    s->answer_len = strlen(text);
}

static inline void server_close(struct server *s)
{
    while (!LIST_EMPTY(&s->peers))
        peer_drop(LIST_FIRST(&s->peers));
    event_free(s->event);
    close(s->fd);
    free(s->request);
    free(s);
}

/* --- our side ------------------------------------------------------------- */

struct taker {
    struct transfer *transfer;
    struct transfer_state state;    /* as it was when it ended */
    char *body;                     /* owned */
    size_t len;
    bool hoard;                     /* takes nothing */
    size_t most;                    /* untaken bytes seen at once */
};

static struct event_base *base;
static struct event *drain;
static struct upstream *up;
static unsigned wakes;
static unsigned polls;              /* turns of the loop, where they are counted */
static bool counted;

static inline void on_wake(void *arg)
{
    (void)arg;
    wakes++;
    event_active(drain, EV_TIMEOUT, 0);
}

static inline void take_all(struct taker *c, struct transfer *t)
{
    size_t len;
    const char *bytes = transfer_bytes(t, &len);

    if (len > c->most)
        c->most = len;
    if (c->hoard && !transfer_state(t)->ended)
        return;
    c->body = realloc(c->body, c->len + len + 1);
    memcpy(c->body + c->len, bytes, len);
    c->len += len;
    c->body[c->len] = '\0';
    transfer_take(t, len);
}

static inline void on_drain(evutil_socket_t fd, short what, void *arg)
{
    struct transfer *t;

    (void)fd;
    (void)what;
    (void)arg;
    while ((t = upstream_next(up))) {
        struct taker *c = transfer_owner(t);

        take_all(c, t);
        if (!transfer_state(t)->ended)
            continue;
        c->state = *transfer_state(t);
        c->transfer = NULL;
        upstream_release(t);
    }
}

static inline void open_up(void)
{
    struct upstream_options options = {
        .base = base,
        .max_idle = 1000,
        .connect_timeout = 2 * US_PER_S,
        .wake = on_wake,
        .polls = counted ? &polls : NULL,
    };

    up = upstream_new(&options);
}

static inline void reopen(void)
{
    upstream_free(up);
    open_up();
}

static inline void start(struct taker *c, const struct call *call)
{
    struct call mine = *call;

    memset(c, 0, sizeof *c);
    mine.owner = c;
    if (!mine.method)
        mine.method = "POST";
    if (!mine.path)
        mine.path = "/chat/completions";
    if (!mine.hold_bytes)
        mine.hold_bytes = 1 << 20;
    if (!mine.body) {
        mine.body = "{}";
        mine.body_bytes = 2;
    }
    c->transfer = upstream_start(up, &mine);
}

/* Turns of the loop until ${c} has ended; false after 5 s. */
static inline bool await(struct taker *c)
{
    us_t deadline = clock_now() + 5 * US_PER_S;
    struct timeval tick = {0, 100000};

    while (c->transfer && clock_now() < deadline) {
        event_base_loopexit(base, &tick);
        polls++;
        event_base_loop(base, EVLOOP_ONCE);
    }
    if (!c->transfer)
        return true;
    upstream_release(c->transfer);
    c->transfer = NULL;
    return false;
}

static inline void end(struct taker *c)
{
    if (c->transfer)
        upstream_release(c->transfer);
    free(c->body);
    memset(c, 0, sizeof *c);
}

/* libcurl speaks through a proxy, we speak without one; the server plays the
 * proxy too. */
static bool through_proxy;

static inline struct provider provider_at(const struct server *s)
{
    static char bases[8][64];
    static unsigned next;
    char *text = bases[next++ % 8];

    snprintf(text, sizeof bases[0], "http://127.0.0.1:%u/v1", s->port);
    return (struct provider){.name = (char *)"p", .base = text,
                             .proxy = through_proxy ? text : NULL};
}

static inline void rig_open(void)
{
    upstream_global_init();
    base = event_base_new();
    drain = event_new(base, -1, 0, on_drain, NULL);
    open_up();
}

static inline void rig_close(void)
{
    upstream_free(up);
    event_free(drain);
    event_base_free(base);
    upstream_global_cleanup();
}

#endif
