/* SPDX-License-Identifier: Apache-2.0
 *
 * An OpenAI-shaped upstream on raw epoll: see README.md.
 */
#include "mock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define EVENTS 256
#define THREADS_MAX 64

static const struct {
    const char *flag;
    double initial;
    const char *text;
} knobs[] = {
#define X(name, flag, initial, text) { flag, initial, text },
    MOCK_KNOBS(X)
#undef X
};

struct mock_shared mock_shared;

static struct mock_loop loops[THREADS_MAX];
static int nloops = 1;

/* -- knobs ------------------------------------------------------------------ */

bool mock_set(const char *flag, const char *value)
{
    for (size_t i = 0; i < MOCK_KNOB_COUNT; i++) {
        char *end;
        double v = strtod(value, &end);
        if (strncmp(flag, "--", 2) != 0 || strcmp(flag + 2, knobs[i].flag) != 0)
            continue;
        if (end == value || *end)
            return false;
        mock_shared.knob[i] = v;
        atomic_fetch_add(&mock_shared.version, 1);
        return true;
    }
    return false;
}

static void usage(void)
{
    fputs("bench-mock [--listen 127.0.0.1:PORT] [--threads N] [--raw FILE]\n"
          "           [--seed N] [--KNOB NUMBER]...\n"
          "knobs (times in microseconds):\n", stderr);
    for (size_t i = 0; i < MOCK_KNOB_COUNT; i++)
        fprintf(stderr, "  --%-12s %s (%g)\n", knobs[i].flag, knobs[i].text,
                knobs[i].initial);
    exit(2);
}

/* -- loops ------------------------------------------------------------------ */

static void accept_all(struct mock_loop *loop)
{
    int fd, on = 1;

    while ((fd = accept4(loop->listen_fd, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        mock_conn_open(loop, fd);
    }
}

void mock_release(void)
{
    uint64_t one = 1;

    mock_shared.knob[MOCK_HOLD] = 0;
    for (int i = 0; i < nloops; i++)
        if (write(loops[i].wake_fd, &one, sizeof one) != (ssize_t)sizeof one)
            wire_die("eventfd: %s", strerror(errno));
}

static void woken(struct mock_loop *loop)
{
    uint64_t count;

    if (read(loop->wake_fd, &count, sizeof count) == (ssize_t)sizeof count)
        mock_conn_release_all(loop);
}

static void run_due(struct mock_loop *loop)
{
    struct heap_entry *e;
    uint64_t now = wire_now_ns();

    while ((e = heap_top(&loop->heap)) && e->due_ns <= now) {
        heap_remove(&loop->heap, e);
        mock_conn_due(e);
    }
}

static int wait_events(struct mock_loop *loop, struct epoll_event *events)
{
    struct heap_entry *e = heap_top(&loop->heap);
    struct timespec t, *limit = NULL;

    if (e) {
        uint64_t now = wire_now_ns();
        uint64_t left = e->due_ns > now ? e->due_ns - now : 0;
        t.tv_sec = (time_t)(left / 1000000000u);
        t.tv_nsec = (long)(left % 1000000000u);
        limit = &t;
    }
    return epoll_pwait2(loop->epoll_fd, events, EVENTS, limit, NULL);
}

static void *run(void *arg)
{
    struct mock_loop *loop = arg;
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = wait_events(loop, events);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &loop->listen_fd)
                accept_all(loop);
            else if (events[i].data.ptr == &loop->wake_fd)
                woken(loop);
            else
                mock_conn_event(events[i].data.ptr, events[i].events);
        }
        run_due(loop);
    }
    return NULL;
}

static void watch(struct mock_loop *loop, int *fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = fd };

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, *fd, &e))
        wire_die("epoll_ctl: %s", strerror(errno));
}

static void loop_open(struct mock_loop *loop, struct sockaddr_in *at,
                      uint64_t seed)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->listen_fd = wire_listen(at);
    loop->dice = seed;
    watch(loop, &loop->listen_fd);
    watch(loop, &loop->wake_fd);
}

int main(int argc, char **argv)
{
    const char *listen_at = "127.0.0.1:0";
    struct sockaddr_in at;
    uint64_t seed = 1;

    for (size_t i = 0; i < MOCK_KNOB_COUNT; i++)
        mock_shared.knob[i] = knobs[i].initial;
    atomic_store(&mock_shared.version, 1);
    for (int i = 1; i < argc; i += 2) {
        const char *flag = argv[i], *value = argv[i + 1];
        if (!value)
            usage();
        if (strcmp(flag, "--listen") == 0)
            listen_at = value;
        else if (strcmp(flag, "--threads") == 0)
            nloops = atoi(value);
        else if (strcmp(flag, "--raw") == 0)
            mock_shared.raw_len = wire_read_file(value, &mock_shared.raw);
        else if (strcmp(flag, "--seed") == 0)
            seed = strtoull(value, NULL, 10);
        else if (!mock_set(flag, value))
            usage();
    }
    if (nloops < 1 || nloops > THREADS_MAX)
        wire_die("--threads: expected 1 to %d", THREADS_MAX);
    signal(SIGPIPE, SIG_IGN);
    wire_raise_limits();
    wire_address(listen_at, &at);
    for (int i = 0; i < nloops; i++)
        loop_open(&loops[i], &at, seed + (uint64_t)i);
    printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (int i = 1; i < nloops; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, &loops[i]))
            wire_die("no thread");
    }
    run(&loops[0]);
    return 0;
}
