/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_rig: connections with a tiny handler, and their clients, on one loop in
 * one thread: no sleeps, no races. For the tests of conn.
 *
 * The handler answers by path: /now at once with what it read, /later when the
 * test says so, /big at once with BIG bytes, /refuse not at all.
 */
#ifndef LEME_CONN_RIG_H
#define LEME_CONN_RIG_H

#include "conn.h"
#include "memory.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS US_PER_MS
#define BIG (4u << 20)

static struct event_base *base;
static struct event *tick;      /* ends a turn in which nothing happens */
static struct conns *conns;
static struct memory memory;
static unsigned short port;
static struct conn *held[64];   /* requests of /later, in their order */
static unsigned nheld, accepted, handled, gone, drained, turns;
static char *big;

/* --- the handler ----------------------------------------------------------- */

static inline bool path_is(const struct conn *c, const char *path)
{
    const struct http1_head *h = conn_head(c);

    return h->path.len == strlen(path) &&
           memcmp(conn_bytes(c) + h->path.at, path, h->path.len) == 0;
}

/* "path|body" as the answer. */
static inline void echo(struct conn *c)
{
    const struct http1_head *h = conn_head(c);
    size_t len;
    const char *body = conn_body(c, &len);

    reply_head(conn_reply(c), 200, "", 0, (long long)(h->target.len + 1 + len));
    reply_body(conn_reply(c), conn_bytes(c) + h->target.at, h->target.len);
    reply_body(conn_reply(c), "|", 1);
    reply_body(conn_reply(c), body, len);
    reply_finish(conn_reply(c));
}

static inline bool on_head(void *arg, struct conn *c, struct conn_refusal *no)
{
    (void)arg;
    if (path_is(c, "/refuse")) {
        no->status = 403;
        no->headers = "x-why: because\r\n";
        no->body = "{\"no\":1}";
        no->body_len = 8;
        return false;
    }
    accepted++;
    return true;
}

static inline void on_request(void *arg, struct conn *c)
{
    (void)arg;
    handled++;
    if (path_is(c, "/later")) {
        held[nheld++] = c;
        return;
    }
    if (path_is(c, "/big")) {
        reply_head(conn_reply(c), 200, "", 0, BIG);
        reply_body(conn_reply(c), big, BIG);
        reply_finish(conn_reply(c));
    } else {
        echo(c);
    }
    conn_done(c, false);
}

static inline void on_gone(void *arg, struct conn *c)
{
    (void)arg;
    gone++;
    for (unsigned i = 0; i < nheld; i++)
        if (held[i] == c)
            held[i] = NULL;
}

static inline void on_drained(void *arg, struct conn *c)
{
    (void)arg;
    (void)c;
    drained++;
}

static inline void on_fault(void *arg, const struct conn *c,
                            const struct http1_fault *fault,
                            struct conn_refusal *no)
{
    (void)arg;
    (void)c;
    no->status = fault->status;
    no->body = fault->message;
    no->body_len = strlen(fault->message);
}

static inline void on_turn(void *arg)
{
    (void)arg;
    turns++;
}

/* Answer request ${i} of /later. */
static inline void finish(unsigned i)
{
    struct conn *c = held[i];

    held[i] = NULL;
    echo(c);
    conn_done(c, false);
}

/* --- clients --------------------------------------------------------------- */

struct client {
    int fd;
    char *got;              /* owned, NUL-terminated */
    size_t len;
    bool ended;             /* FIN came */
    bool reset;
    bool deaf;              /* does not read */
};

static struct client clients[16];
static unsigned nclients;
static size_t received;         /* bytes of all clients */

static inline struct client *client_on(int fd)
{
    struct client *k = &clients[nclients++];

    memset(k, 0, sizeof *k);
    k->fd = fd;
    k->got = calloc(1, 1);
    return k;
}

static inline struct client *client_open(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&at, sizeof at))
        abort();
    return client_on(fd);
}

static inline void client_close(struct client *k, bool reset)
{
    struct linger now = {1, 0};

    if (reset)
        setsockopt(k->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
}

static inline void client_read(struct client *k)
{
    static char bytes[65536];
    ssize_t n = 1;

    while (k->fd >= 0 && !k->deaf && !k->ended && !k->reset && n > 0) {
        n = recv(k->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        k->ended = n == 0;
        k->reset = n < 0 && errno != EAGAIN;
        if (n <= 0)
            return;
        k->got = realloc(k->got, k->len + (size_t)n + 1);
        memcpy(k->got + k->len, bytes, (size_t)n);
        received += (size_t)n;
        k->len += (size_t)n;
        k->got[k->len] = '\0';
    }
}

static inline void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* One turn of the loop, of a millisecond at most, and of all clients. */
static inline void turn(void)
{
    struct timeval ms = {0, 1000};

    event_add(tick, &ms);
    event_base_loop(base, EVLOOP_ONCE);
    event_del(tick);
    for (unsigned i = 0; i < nclients; i++)
        client_read(&clients[i]);
}

static inline bool patient(us_t *until, size_t *before)
{
    if (*until == 0 || *before != received)
        *until = clock_now() + 5 * US_PER_S;
    *before = received;
    return clock_now() < *until;
}

/* Turns until ${condition}; a failure when no client has read for 5 s. */
#define UNTIL(condition)                                                       \
    do {                                                                       \
        size_t before_ = 0;                                                    \
        us_t until_ = 0;                                                       \
        while (!(condition) && patient(&until_, &before_))                     \
            turn();                                                            \
        CHECK(condition);                                                      \
    } while (0)

/* Some turns, for what must not happen. */
static inline void settle(void)
{
    for (int i = 0; i < 5; i++)
        turn();
}

/* All of ${n} bytes, while the other side runs; false when it gave up. */
static inline bool client_write(struct client *k, const char *bytes, size_t n)
{
    us_t until = clock_now() + 5 * US_PER_S;
    ssize_t sent;

    while (n > 0 && clock_now() < until) {
        sent = send(k->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        bytes += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
        if (n)
            turn();
    }
    return n == 0;
}

static inline bool client_says(struct client *k, const char *text)
{
    return client_write(k, text, strlen(text));
}

/* Byte by byte, each in a turn of its own. */
static inline void client_spells(struct client *k, const char *text)
{
    for (; *text; text++) {
        client_write(k, text, 1);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

static inline size_t count_of(const char *text, const char *part)
{
    size_t n = 0;

    while ((text = strstr(text, part))) {
        n++;
        text += strlen(part);
    }
    return n;
}

static inline bool saw(const struct client *k, const char *text)
{
    return strstr(k->got, text) != NULL;
}

/* --- the rig ---------------------------------------------------------------- */

static const struct conn_limits usual = {
    .head_max = 32768, .body_max = 8u << 20, .header_timeout = 60 * US_PER_S,
    .body_timeout = 60 * US_PER_S, .keepalive_timeout = 60 * US_PER_S,
    .write_timeout = 60 * US_PER_S};

static inline void rig_open(const struct conn_limits *limits, bool half_close)
{
    static const struct conn_handler handler = {
        .head = on_head, .request = on_request, .gone = on_gone,
        .drained = on_drained, .fault = on_fault, .turn = on_turn};
    char bound[64], why[200] = "";
    int fd = conn_bind("127.0.0.1:0", false, bound, sizeof bound, why, sizeof why);

    if (fd < 0 || !strchr(bound, ':'))
        abort();
    port = (unsigned short)strtoul(strchr(bound, ':') + 1, NULL, 10);
    base = event_base_new();
    tick = evtimer_new(base, on_tick, NULL);
    atomic_store(&memory.used, 0);
    memory.max = 64u << 20;
    nheld = accepted = handled = gone = drained = turns = 0;
    if (!big) {
        big = malloc(BIG);
        memset(big, 'b', BIG);
    }
    conns = conns_new(base, limits, &handler, &memory);
    conns_listen(conns, fd, half_close);
}

/* Whatever happened, nothing is left. */
static inline void rig_close(void)
{
    conns_free(conns);
    CHECK(atomic_load(&memory.used) == 0);
    for (unsigned i = 0; i < nclients; i++) {
        client_close(&clients[i], false);
        free(clients[i].got);
    }
    nclients = 0;
    event_free(tick);
    CHECK(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 0);
    event_base_free(base);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\nHost: x\r\n"             \
                           "Content-Length: " length "\r\n\r\n"
#define CHUNKED(path) "POST " path " HTTP/1.1\r\nHost: x\r\n"                  \
                      "Transfer-Encoding: chunked\r\n\r\n"

#endif
