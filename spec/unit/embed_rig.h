/* SPDX-License-Identifier: Apache-2.0
 *
 * embed_rig: a provider that answers with bytes, on a thread of its own, and a
 * host that counts what it is told. For the tests of leme_engine_*; knows only
 * leme.h.
 *
 * The provider answers by the model it is asked for: "unary" with a whole
 * answer, "stream" with events, "first" with one event and then silence, "cut"
 * with one event and the end, "bad" with a caller's mistake, "silent" never.
 */
#ifndef LEME_EMBED_RIG_H
#define LEME_EMBED_RIG_H

#include "leme.h"
#include "test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* --- the provider ----------------------------------------------------------- */

#define EVENT "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":"         \
              "{\"content\":\"hi\"}}]}\n\n"
#define LAST "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},"       \
             "\"finish_reason\":\"stop\"}]}\n\n" "data: [DONE]\n\n"
#define UNARY "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{"      \
              "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"    \
              "\"hello\"},\"finish_reason\":\"stop\"}],\"usage\":{"             \
              "\"prompt_tokens\":3,\"completion_tokens\":2}}"
#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"    \
                    "Connection: close\r\n\r\n"
#define JSON_HEAD(status) "HTTP/1.1 " status "\r\nContent-Type: "               \
                          "application/json\r\nConnection: close\r\n\r\n"

static const struct {
    const char *model, *answer;
    bool stays;             /* the connection stays open behind it */
} scripts[] = {
    {"\"unary\"", JSON_HEAD("200 OK") UNARY, false},
    {"\"stream\"", STREAM_HEAD EVENT EVENT LAST, false},
    {"\"first\"", STREAM_HEAD EVENT, true},
    {"\"cut\"", STREAM_HEAD EVENT, false},
    {"\"bad\"", JSON_HEAD("400 Bad Request")
     "{\"error\":{\"message\":\"no such thing\"}}", false},
    {"\"silent\"", "", true},
};

static int provider_fd, provider_stop[2];
static unsigned short provider_port;
static atomic_uint provider_asked, provider_left;
static pthread_t provider_thread;

struct line {
    int fd;
    char in[16384];
    size_t len;
    bool answered;
};

static inline void line_close(struct line *l)
{
    close(l->fd);
    l->fd = -1;
}

/* A whole request is here when the braces of its body are. */
static inline void line_read(struct line *l)
{
    ssize_t n = recv(l->fd, l->in + l->len, sizeof l->in - 1 - l->len, 0);
    const char *body, *model;

    if (n <= 0) {
        atomic_fetch_add(&provider_left, 1);
        line_close(l);
        return;
    }
    l->len += (size_t)n;
    l->in[l->len] = '\0';
    body = strstr(l->in, "\r\n\r\n");
    model = body ? strstr(body, "\"model\":") : NULL;
    if (l->answered || !model || l->in[l->len - 1] != '}')
        return;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        if (strncmp(model + 8, scripts[i].model, strlen(scripts[i].model)) != 0)
            continue;
        l->answered = true;
        send(l->fd, scripts[i].answer, strlen(scripts[i].answer), MSG_NOSIGNAL);
        atomic_fetch_add(&provider_asked, 1);
        if (!scripts[i].stays)
            line_close(l);
        return;
    }
}

static inline void *provider_main(void *arg)
{
    enum { N = 256 };
    static struct line lines[N];
    struct pollfd polled[N + 2];

    (void)arg;
    for (int i = 0; i < N; i++)
        lines[i].fd = -1;
    for (;;) {
        polled[0] = (struct pollfd){provider_stop[0], POLLIN, 0};
        polled[1] = (struct pollfd){provider_fd, POLLIN, 0};
        for (int i = 0; i < N; i++)
            polled[i + 2] = (struct pollfd){lines[i].fd, POLLIN, 0};
        poll(polled, N + 2, -1);
        if (polled[0].revents)
            break;
        for (int i = 0; i < N; i++)
            if (polled[i + 2].revents)
                line_read(&lines[i]);
        for (int i = 0; polled[1].revents && i < N; i++) {
            if (lines[i].fd >= 0)
                continue;
            memset(&lines[i], 0, sizeof lines[i]);
            lines[i].fd = accept(provider_fd, NULL, NULL);
            break;
        }
    }
    for (int i = 0; i < N; i++)
        if (lines[i].fd >= 0)
            close(lines[i].fd);
    return NULL;
}

static inline void provider_open(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    provider_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(provider_fd, (struct sockaddr *)&at, len) ||
        listen(provider_fd, 512) || pipe(provider_stop) ||
        getsockname(provider_fd, (struct sockaddr *)&at, &len))
        abort();
    provider_port = ntohs(at.sin_port);
    pthread_create(&provider_thread, NULL, provider_main, NULL);
}

static inline void provider_close(void)
{
    if (write(provider_stop[1], "", 1) != 1)
        abort();
    pthread_join(provider_thread, NULL);
    close(provider_fd);
    close(provider_stop[0]);
    close(provider_stop[1]);
}

/* --- files -------------------------------------------------------------------- */

static char folder[] = "/tmp/embed_test.XXXXXX";

static inline const char *write_file(const char *name, const char *text)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];
    FILE *f;

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f))
        abort();
    return path;
}

static inline void clean_up(void)
{
    char command[sizeof folder + 16];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command))
        fprintf(stderr, "%s\n", command);
}

/* A configuration with every model of the provider, and ${more}. */
static inline const char *config_with(const char *name, const char *more)
{
    char text[4096];
    size_t n = (size_t)snprintf(
        text, sizeof text,
        "provider \"p\" { base = \"http://127.0.0.1:%u/v1\", usage = \"none\",\n"
        "  key = \"sk-0123456789abcdef\" }\n", provider_port);

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "model %s { \"p/%.*s\" }\n", scripts[i].model,
                              (int)strlen(scripts[i].model) - 2,
                              scripts[i].model + 1);
    snprintf(text + n, sizeof text - n, "%s", more);
    return write_file(name, text);
}

/* --- the host ------------------------------------------------------------------ */

struct told {
    unsigned heads, datas, ends;
    int status, whole;
    bool disorder;          /* data before the head, anything behind the end */
    char headers[2048], text[4096];
    leme_engine *engine;
    uint64_t id;
    int cancel_in;          /* cancels itself in this callback: 'h' or 'd' */
    struct told *follows;   /* submitted in the end of this one */
};

static inline void told_head(void *arg, int status, const char *headers,
                             size_t len)
{
    struct told *t = arg;

    t->disorder |= t->heads || t->datas || t->ends;
    t->heads++;
    t->status = status;
    snprintf(t->headers, sizeof t->headers, "%.*s", (int)len, headers);
    if (t->cancel_in == 'h')
        leme_engine_cancel(t->engine, t->id);
}

static inline void told_data(void *arg, const char *bytes, size_t len)
{
    struct told *t = arg;
    size_t at = strlen(t->text);

    t->disorder |= !t->heads || t->ends;
    t->datas++;
    snprintf(t->text + at, sizeof t->text - at, "%.*s", (int)len, bytes);
    if (t->cancel_in == 'd')
        leme_engine_cancel(t->engine, t->id);
}

static inline int ask(struct told *t, leme_engine *e, const char *model,
                      bool stream);

static inline void told_end(void *arg, int whole)
{
    struct told *t = arg;

    t->disorder |= t->ends > 0;
    t->ends++;
    t->whole = whole;
    if (t->follows)
        ask(t->follows, t->engine, "unary", false);
}

/* Everything is freed when submit returns: it has to copy. */
static inline int submit(struct told *t, leme_engine *e, const char *path,
                         const char *body, const char *headers,
                         struct leme_error *error)
{
    struct leme_callbacks to = {told_head, told_data, told_end, t};
    char *path_copy = strdup(path), *body_copy = strdup(body);
    char *headers_copy = headers ? strdup(headers) : NULL;
    struct leme_request r = {.size = sizeof r, .path = path_copy,
                             .body = body_copy, .body_bytes = strlen(body),
                             .headers = headers_copy};
    int code;

    t->engine = e;
    code = leme_engine_submit(e, &r, &to, &t->id, error);
    memset(body_copy, '#', strlen(body));
    free(path_copy);
    free(body_copy);
    free(headers_copy);
    return code;
}

static inline int ask(struct told *t, leme_engine *e, const char *model,
                      bool stream)
{
    struct leme_error error = {.size = sizeof error};
    char body[256];

    snprintf(body, sizeof body,
             "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\","
             "\"content\":\"hi\"}]}", model, stream ? "true" : "false");
    return submit(t, e, "/v1/chat/completions", body, NULL, &error);
}

static inline leme_engine *engine_on(const char *config, void *event_base)
{
    struct leme_engine_options o = {.size = sizeof o, .config = config,
                                    .event_base = event_base};
    struct leme_error error = {.size = sizeof error};
    leme_engine *e = NULL;

    if (leme_engine_new(&o, &e, &error))
        fprintf(stderr, "%s: %s\n", error.where, error.message);
    CHECK(e != NULL);
    return e;
}

static inline double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Turns of ${engine} until ${condition}; a failure after 5 s. */
#define UNTIL(engine, condition)                                               \
    do {                                                                       \
        double until_ = now_ms() + 5000;                                       \
        while (!(condition) && now_ms() < until_)                              \
            leme_engine_turn(engine, 1);                                       \
        CHECK(condition);                                                      \
    } while (0)

/* Some turns, for what must not happen. */
static inline void settle(leme_engine *e)
{
    for (int i = 0; i < 5; i++)
        leme_engine_turn(e, 1);
}

#endif
