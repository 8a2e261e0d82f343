/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define READ_BYTES (256 * 1024)
#define DRAIN_NS 10000000000u       /* patience after the last request was due */
#define CONNECT_FAILURES_MAX 1000
#define RAMP 64                     /* streams being opened at once */
#define NEVER UINT64_MAX

enum state { CLOSED, CONNECTING, IDLE, BUSY };

struct conn {
    int fd;
    enum state state;
    bool writing;           /* part of the request is not sent yet */
    bool used;              /* has been open before */
    size_t written;
    uint64_t due_ns;        /* when the request should have been sent */
    uint64_t sent_ns;
    struct answer answer;
    unsigned chunks;        /* of the stream, so far */
    bool stream_done;       /* [DONE] was seen */
    struct conn *next;      /* of the idle or closed ones */
};

/* One run. */
static const struct load_options *opt;
static struct load_result *res;
static int epoll_fd;
static struct conn *conns, *idle, *closed;
static char *read_buffer;

static uint64_t begin_ns, end_ns;       /* the recorded time */
static bool begun, ended;
static double cpu_begin, own_begin;
static uint64_t issued, busy, pending, ripe, over;
static uint64_t next_due_ns;
static double next_due;                 /* the same with its fraction */
static uint64_t dice;

/* Requests that are due and found no connection: a ring of due times. */
static uint64_t *queue;
static size_t queue_first, queue_count, queue_cap;

/* -- the recorded time ------------------------------------------------------ */

static double watched_cpu(void)
{
    double sum = 0;

    for (unsigned i = 0; i < opt->nwatch; i++) {
        clockid_t clock;
        struct timespec t;
        if (clock_getcpuclockid(opt->watch[i], &clock) || clock_gettime(clock, &t))
            wire_die("process %d is gone", (int)opt->watch[i]);
        sum += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    }
    return sum;
}

static double own_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void end_window(uint64_t now)
{
    ended = true;
    end_ns = now;
    res->seconds = (double)(now - begin_ns) / 1e9;
    res->watched_cpu_s = watched_cpu() - cpu_begin;
    res->own_cpu_s = own_cpu() - own_begin;
}

static void move_window(uint64_t now)
{
    if (!begun && now >= begin_ns) {
        begun = true;
        begin_ns = now;
        if (opt->seconds > 0)
            end_ns = now + (uint64_t)(opt->seconds * 1e9);
        cpu_begin = watched_cpu();
        own_begin = own_cpu();
    }
    if (begun && !ended && now >= end_ns)
        end_window(now);
}

static bool recorded(uint64_t due_ns)
{
    return begun && due_ns >= begin_ns && due_ns < end_ns;
}

/* -- connections ------------------------------------------------------------ */

static void dispatch(uint64_t due_ns);

static void want(struct conn *c, bool write)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

    if (write)
        e.events |= EPOLLOUT;
    c->writing = write;
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void shut(struct conn *c)
{
    close(c->fd);
    c->fd = -1;
    c->state = CLOSED;
    c->next = closed;
    closed = c;
}

static void more_work(uint64_t now)
{
    uint64_t due;

    if (queue_count) {
        due = queue[queue_first];
        queue_first = (queue_first + 1) % queue_cap;
        queue_count--;
        dispatch(due);
        return;
    }
    if (opt->rate > 0 || opt->hold || ended)
        return;
    if (opt->requests && issued >= opt->requests) {
        if (!busy)
            end_window(now);
        return;
    }
    issued++;
    dispatch(now);
}

/* The request of ${c} came to nothing. */
static void fail(struct conn *c, enum load_failure why)
{
    res->failed[why]++;
    if (why == LOAD_CONNECT && res->failed[why] > CONNECT_FAILURES_MAX)
        wire_die("cannot connect: %s", strerror(errno));
    busy--;
    over++;
    if (opt->hold && !c->chunks)
        pending--;
    if (opt->hold && c->chunks >= opt->hold)
        ripe--;
    shut(c);
    more_work(wire_now_ns());
}

static void send_request(struct conn *c)
{
    const struct bytes *r = &opt->request;

    if (!c->written)
        c->sent_ns = wire_now_ns();
    while (c->written < r->len) {
        ssize_t n = send(c->fd, r->data + c->written, r->len - c->written,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            if (!c->writing)
                want(c, true);
            return;
        }
        if (n < 0) {
            fail(c, LOAD_CUT);
            return;
        }
        c->written += (size_t)n;
    }
    if (c->writing)
        want(c, false);
}

static void open_conn(struct conn *c)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };

    c->fd = wire_connect(&opt->to);
    if (c->fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e))
        wire_die("cannot open a connection: %s", strerror(errno));
    c->state = CONNECTING;
    c->writing = true;
    if (c->used)
        res->reconnects++;
    c->used = true;
}

static void enqueue(uint64_t due_ns)
{
    if (queue_count == queue_cap) {
        size_t cap = queue_cap ? queue_cap * 2 : 1024;
        uint64_t *wider = malloc(cap * sizeof *wider);
        if (!wider)
            wire_die("no memory");
        for (size_t i = 0; i < queue_count; i++)
            wider[i] = queue[(queue_first + i) % queue_cap];
        free(queue);
        queue = wider;
        queue_first = 0;
        queue_cap = cap;
    }
    queue[(queue_first + queue_count++) % queue_cap] = due_ns;
    if (queue_count > res->queued_max)
        res->queued_max = queue_count;
}

static void dispatch(uint64_t due_ns)
{
    struct conn *c = idle ? idle : closed;

    if (!c) {
        enqueue(due_ns);
        return;
    }
    if (c == idle)
        idle = c->next;
    else
        closed = c->next;
    c->due_ns = due_ns;
    c->written = 0;
    c->chunks = 0;
    c->stream_done = false;
    answer_reset(&c->answer);
    busy++;
    if (c->state == CLOSED) {
        open_conn(c);
        return;
    }
    c->state = BUSY;
    send_request(c);
}

/* -- answers ---------------------------------------------------------------- */

static void record_added(const struct conn *c, const struct stamp *stamp,
                         uint64_t now)
{
    if (recorded(c->due_ns))
        hist_add(&res->added, stamp->received_ns - c->sent_ns + now - stamp->sent_ns);
}

static void first_chunk(const struct conn *c, const struct stamp *stamp,
                        uint64_t now)
{
    record_added(c, stamp, now);
    if (recorded(c->due_ns))
        hist_add(&res->first, now - c->due_ns);
    if (opt->hold)
        pending--;
}

/* One event of a stream; true when it was a chunk. */
static bool take_event(struct conn *c, const char *event, size_t n, uint64_t now)
{
    struct stamp stamp;

    if (!wire_stamp_find(event, n, &stamp)) {
        if (memmem(event, n, "[DONE]", 6))
            c->stream_done = true;
        return false;
    }
    if (c->chunks == 0)
        first_chunk(c, &stamp, now);
    if (stamp.seq != c->chunks)
        res->lost++;
    c->chunks = stamp.seq + 1;
    res->chunks++;
    if (opt->hold && c->chunks == opt->hold)
        ripe++;
    if (recorded(c->due_ns) || opt->hold)
        hist_add(&res->delay, now - stamp.sent_ns);
    return true;
}

static void take_events(struct conn *c, uint64_t now)
{
    struct bytes *b = &c->answer.body;
    size_t at = 0;
    unsigned seen = 0;

    while (at < b->len) {
        const char *stop = memmem(b->data + at, b->len - at, "\n\n", 2);
        size_t n;
        if (!stop)
            break;
        n = (size_t)(stop - (b->data + at)) + 2;
        seen += take_event(c, b->data + at, n, now);
        at += n;
    }
    if (seen > 1)
        res->merged += seen - 1;
    wire_take(b, at);
}

static void complete(struct conn *c, uint64_t now)
{
    struct stamp stamp;

    if (c->answer.status != 200) {
        res->status[c->answer.status < 600 ? c->answer.status : 0]++;
        fail(c, LOAD_STATUS);
        return;
    }
    if (c->answer.stream && !c->stream_done) {
        fail(c, LOAD_CUT);
        return;
    }
    if (c->answer.stream)
        res->streams++;
    else if (wire_stamp_find(c->answer.body.data, c->answer.body.len, &stamp))
        record_added(c, &stamp, now);
    else
        res->unstamped++;
    if (recorded(c->due_ns))
        hist_add(&res->latency, now - c->due_ns);
    if (begun && !ended)
        res->completed++;
    busy--;
    over++;
    if (opt->hold && c->chunks >= opt->hold)
        ripe--;
    if (c->answer.closes) {
        shut(c);
    } else {
        c->state = IDLE;
        c->next = idle;
        idle = c;
    }
    more_work(now);
}

static void lost_idle(struct conn *c)
{
    struct conn **at = &idle;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    shut(c);
}

static void receive(struct conn *c)
{
    ssize_t n = recv(c->fd, read_buffer, READ_BYTES, 0);
    uint64_t now = wire_now_ns();

    if (n < 0 && errno == EAGAIN)
        return;
    if (c->state == IDLE) {
        lost_idle(c);
    } else if (n <= 0) {
        if (n == 0 && answer_closed(&c->answer))
            complete(c, now);
        else
            fail(c, LOAD_CUT);
    } else if (!answer_feed(&c->answer, read_buffer, (size_t)n)) {
        fail(c, LOAD_MALFORMED);
    } else {
        if (c->answer.stream)
            take_events(c, now);
        if (c->answer.phase == ANSWER_DONE)
            complete(c, now);
    }
}

static void handle(struct conn *c, uint32_t events)
{
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            errno = error;
            fail(c, LOAD_CONNECT);
            return;
        }
        c->state = BUSY;
        send_request(c);
        return;
    }
    if (c->state == BUSY && (events & EPOLLOUT)) {
        send_request(c);
        if (c->state != BUSY)
            return;
    }
    if (c->state != CLOSED && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        receive(c);
}

/* -- the loop --------------------------------------------------------------- */

static void schedule_next(void)
{
    double gap = 1e9 / opt->rate;

    next_due += opt->poisson ? -log(wire_dice(&dice)) * gap : gap;
    next_due_ns = (uint64_t)next_due;
}

static void issue(uint64_t now)
{
    if (opt->hold) {
        for (; issued < opt->connections && pending < RAMP; issued++) {
            pending++;
            dispatch(now);
        }
        return;
    }
    while (next_due_ns <= now && !ended && next_due_ns < end_ns) {
        if (recorded(next_due_ns)) {
            res->scheduled++;
            hist_add(&res->late, now - next_due_ns);
        }
        dispatch(next_due_ns);
        schedule_next();
        now = wire_now_ns();
    }
}

static bool finished(uint64_t now)
{
    static bool told;

    if (opt->hold) {
        if (!told && issued == opt->connections && ripe + over >= issued) {
            told = true;
            printf("{\"ready\":%llu}\n", (unsigned long long)ripe);
            fflush(stdout);
        }
        return over == opt->connections;
    }
    if (!ended || (busy + queue_count && now < end_ns + DRAIN_NS))
        return false;
    res->failed[LOAD_UNFINISHED] += busy + queue_count;
    return true;
}

static int wait_events(struct epoll_event *events)
{
    uint64_t now = wire_now_ns(), until = NEVER, left;
    struct timespec t;

    /* Sleeping until the next request is due costs 20 us of timers and wakeups
     * a request, measured, and makes it late; yielding lets a mock on the same
     * core run at once. */
    if (opt->spin && !ended) {
        sched_yield();
        return epoll_wait(epoll_fd, events, EVENTS, 0);
    }
    if (opt->rate > 0 && !ended)
        until = next_due_ns;
    if (!begun && begin_ns < until)
        until = begin_ns;
    else if (begun && !ended && end_ns < until)
        until = end_ns;
    else if (ended)
        until = end_ns + DRAIN_NS;
    if (until == NEVER)
        return epoll_wait(epoll_fd, events, EVENTS, -1);
    left = until > now ? until - now : 0;
    t.tv_sec = (time_t)(left / 1000000000u);
    t.tv_nsec = (long)(left % 1000000000u);
    return epoll_pwait2(epoll_fd, events, EVENTS, &t, NULL);
}

static void start(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(opt->connections, sizeof *conns);
    read_buffer = malloc(READ_BYTES);
    if (epoll_fd < 0 || !conns || !read_buffer)
        wire_die("no memory");
    for (unsigned i = opt->connections; i-- > 0;) {
        conns[i].fd = -1;
        conns[i].next = closed;
        closed = &conns[i];
    }
    dice = opt->seed;
    begin_ns = wire_now_ns() + (uint64_t)(opt->warmup_s * 1e9);
    end_ns = NEVER;
    next_due = (double)wire_now_ns();
    next_due_ns = opt->rate > 0 ? (uint64_t)next_due : NEVER;
}

void load_run(const struct load_options *options, struct load_result *result)
{
    struct epoll_event events[EVENTS];

    opt = options;
    res = result;
    start();
    move_window(wire_now_ns());
    for (unsigned i = 0; opt->rate <= 0 && !opt->hold && i < opt->connections &&
                         (!opt->requests || issued < opt->requests); i++) {
        issued++;
        dispatch(wire_now_ns());
    }
    for (;;) {
        uint64_t now = wire_now_ns();
        int n;
        move_window(now);
        issue(now);
        if (finished(now))
            break;
        n = wait_events(events);
        for (int i = 0; i < n; i++)
            handle(events[i].data.ptr, events[i].events);
    }
    if (opt->hold)
        end_window(wire_now_ns());
    for (unsigned i = 0; i < opt->connections; i++)
        answer_free(&conns[i].answer);
    free(conns);
    free(queue);
    free(read_buffer);
}
