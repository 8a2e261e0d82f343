/* SPDX-License-Identifier: Apache-2.0
 *
 * The listeners of one loop and the list of its connections.
 */
#include "conn_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPT_PAUSE_US (100 * US_PER_MS)
#define ACCEPTS_A_TURN 64
#define BACKLOG 4096

/* -- binding --------------------------------------------------------------- */

static int bind_unix(const char *path, char *why, size_t why_size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    int fd;

    if (strlen(path) >= sizeof at.sun_path) {
        snprintf(why, why_size, "the socket path is longer than %zu bytes",
                 sizeof at.sun_path - 1);
        return -1;
    }
    strcpy(at.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        goto err;
    /* A socket left behind by a process that was killed is in the way; one that
       still answers is not ours to remove. */
    if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, (struct sockaddr *)&at, sizeof at) && errno == ECONNREFUSED)
        unlink(path);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || chmod(path, 0600) ||
        listen(fd, BACKLOG))
        goto err;
    return fd;
err:
    snprintf(why, why_size, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* "host:port" or "[v6]:port" into its parts. */
static int split_address(const char *address, char *host, size_t size,
                         const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t n;

    if (!colon)
        return -1;
    *port = colon + 1;
    n = (size_t)(colon - address);
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    }
    if (n >= size)
        return -1;
    memcpy(host, address, n);
    host[n] = '\0';
    return 0;
}

static void name_bound(int fd, char *bound, size_t size)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    char host[64], port[16];

    if (getsockname(fd, (struct sockaddr *)&at, &len) ||
        getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        return;
    snprintf(bound, size, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
             port);
}

static int bind_info(const struct addrinfo *ai, bool reuse)
{
    int on = 1, fd;

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (reuse)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    /* Accepted sockets inherit it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

int conn_bind(const char *address, bool reuse, char *bound, size_t bound_size,
              char *why, size_t why_size)
{
    struct addrinfo want = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                            .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *ai;
    const char *port;
    char host[256];
    int fd, failed;

    snprintf(bound, bound_size, "%s", address);
    if (strncmp(address, "unix:", 5) == 0)
        return bind_unix(address + 5, why, why_size);
    /* The resolver takes a port above 65535 for what is left of it. */
    if (split_address(address, host, sizeof host, &port) ||
        strspn(port, "0123456789") != strlen(port) || strlen(port) > 5 ||
        !*port || atoi(port) > 65535) {
        snprintf(why, why_size, "%s: expected host:port, port 0 to 65535",
                 address);
        return -1;
    }
    failed = getaddrinfo(host[0] ? host : NULL, port, &want, &ai);
    if (failed) {
        snprintf(why, why_size, "%s: %s", address, gai_strerror(failed));
        return -1;
    }
    fd = bind_info(ai, reuse);
    if (fd < 0)
        snprintf(why, why_size, "%s: %s", address, strerror(errno));
    else
        name_bound(fd, bound, bound_size);
    freeaddrinfo(ai);
    return fd;
}

/* -- accepting ------------------------------------------------------------- */

static void peer_name(const struct sockaddr_storage *from, char *out, size_t n)
{
    snprintf(out, n, "unix");
    if (from->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr,
                  out, (socklen_t)n);
    else if (from->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr,
                  out, (socklen_t)n);
}

static void listeners_pause(struct conns *cs, bool pause)
{
    for (struct listener_socket *l = cs->listeners; l; l = l->next) {
        if (pause)
            event_del(&l->event);
        else if (!cs->draining)
            event_add(&l->event, NULL);
    }
    if (pause)
        timer_at(&cs->accept_again, clock_now() + ACCEPT_PAUSE_US);
}

static void on_accept_again(void *arg)
{
    listeners_pause(arg, false);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct listener_socket *l = arg;
    struct conns *cs = l->conns;
    struct sockaddr_storage from;
    char peer[46];
    socklen_t len;
    int got;

    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (cs->limits.max_connections && cs->open >= cs->limits.max_connections) {
            listeners_pause(cs, true);
            return;
        }
        len = sizeof from;
        got = accept4(fd, (struct sockaddr *)&from, &len,
                      SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (got >= 0) {
            peer_name(&from, peer, sizeof peer);
            conn_open(cs, got, l->half_close, peer);
            continue;
        }
        /* Out of descriptors or memory: come back later, do not spin. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM)
            listeners_pause(cs, true);
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* -- all connections ------------------------------------------------------- */

struct conns *conns_new(struct event_base *base,
                        const struct conn_limits *limits,
                        const struct conn_handler *handler,
                        struct memory *memory)
{
    struct conns *cs = calloc(1, sizeof *cs);

    if (!cs)
        return NULL;
    cs->base = base;
    cs->limits = *limits;
    cs->handler = *handler;
    cs->memory = memory;
    reply_loop_init(&cs->reply_loop, memory);
    timer_init(&cs->accept_again, base, on_accept_again, cs);
    return cs;
}

int conns_listen(struct conns *cs, int fd, bool half_close)
{
    struct listener_socket *l = calloc(1, sizeof *l);

    if (!l)
        return -1;
    l->conns = cs;
    l->fd = fd;
    l->half_close = half_close;
    l->next = cs->listeners;
    cs->listeners = l;
    event_assign(&l->event, cs->base, fd, EV_READ | EV_PERSIST, on_accept, l);
    return event_add(&l->event, NULL);
}

/* Before its socket is closed: whoever binds next does so on a free path. */
static void remove_path(int fd)
{
    struct sockaddr_un at;
    socklen_t len = sizeof at;

    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
        at.sun_family == AF_UNIX && at.sun_path[0])
        unlink(at.sun_path);
}

static void close_listeners(struct conns *cs)
{
    while (cs->listeners) {
        struct listener_socket *l = cs->listeners;

        cs->listeners = l->next;
        event_del(&l->event);
        remove_path(l->fd);
        close(l->fd);
        free(l);
    }
    timer_drop(&cs->accept_again);
}

void conns_drain(struct conns *cs)
{
    struct conn *c, *next;

    cs->draining = true;
    close_listeners(cs);
    for (c = cs->first; c; c = next) {
        next = c->next;
        /* What lingers has its answer: it is not worth waiting for. */
        if ((c->state == CONN_IDLE || c->state == CONN_LINGER) && !c->writing)
            conn_drop(c);
        else if (c->state == CONN_IDLE)
            c->close_after = true;      /* once its answer has left */
        else
            c->reply.keep_alive = false;
    }
}

void conns_free(struct conns *cs)
{
    if (!cs)
        return;
    close_listeners(cs);
    while (cs->first) {
        conn_abandon(cs->first);
        conn_drop(cs->first);
    }
    while (cs->nspare)
        free(cs->spare[--cs->nspare]);
    reply_loop_free(&cs->reply_loop);
    free(cs);
}

unsigned conns_open(const struct conns *cs)
{
    return cs->open;
}

/* -- asking a connection ---------------------------------------------------- */

const struct http1_head *conn_head(const struct conn *c)
{
    return c->head;
}

const char *conn_bytes(const struct conn *c)
{
    return c->in.data;
}

char *conn_body(const struct conn *c, size_t *len)
{
    *len = c->body_len;
    return c->in.data + c->head->bytes;
}

us_t conn_received(const struct conn *c)
{
    return c->received;
}

struct reply *conn_reply(struct conn *c)
{
    return &c->reply;
}

const char *conn_peer(const struct conn *c)
{
    return c->peer;
}

void conn_set_user(struct conn *c, void *user)
{
    c->user = user;
}

void *conn_user(const struct conn *c)
{
    return c->user;
}
