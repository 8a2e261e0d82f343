/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream: the life of connections and transfers: reuse, loss, back-pressure,
 * cancellation, reload.
 */
#include "upstream_rig.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"

/* A resolver that says nothing about one name, as with a silent DNS server. */
static atomic_uint lookups, looking;
static atomic_bool speaks;

__attribute__((visibility("default")))
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    int (*theirs)(const char *, const char *, const struct addrinfo *,
                  struct addrinfo **);

    *(void **)&theirs = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strcmp(name, "silent.test"))
        return theirs(name, service, hints, found);
    lookups++;
    looking++;
    while (!speaks)
        usleep(1000);
    looking--;
    return theirs("127.0.0.1", service, hints, found);
}

static bool call_once(struct provider *p, struct taker *c)
{
    bool ended;

    start(c, &(struct call){.provider = p});
    ended = await(c);
    free(c->body);
    c->body = NULL;
    return ended && c->state.error == ERROR_none;
}

/* --- connections ---------------------------------------------------------- */

static void fifty_calls_in_a_row_use_one_connection(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    unsigned open, busy;
    struct taker c;

    server_answer(s, ANSWER);
    for (int i = 0; i < 50; i++) {
        CHECK(call_once(&p, &c));
        CHECK(c.state.reused == (i > 0));
    }
    CHECK(s->accepted == 1 && s->requests == 50);
    upstream_connections(up, &p, &open, &busy);
    CHECK(open == 1 && busy == 0);
    upstream_forget(up, &p);
    server_close(s);
}

static void all_at_once(struct server *s, struct provider *p, unsigned n)
{
    static struct taker takers[600];
    unsigned open, busy;

    for (unsigned i = 0; i < n; i++)
        start(&takers[i], &(struct call){.provider = p});
    for (unsigned i = 0; i < n; i++) {
        CHECK(await(&takers[i]));
        CHECK(takers[i].state.error == ERROR_none);
        CHECK(takers[i].body && !strcmp(takers[i].body, "0123456789"));
        end(&takers[i]);
    }
    CHECK(s->accepted == n);
    upstream_connections(up, p, &open, &busy);
    CHECK(open == n && busy == 0);
}

/* 600 are more than one multi handle takes. */
static void many_calls_at_once_all_end_well_and_reuse_connections(void)
{
    static const unsigned counts[] = {300, 600};
    struct rlimit files = {4096, 4096};

    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    for (size_t i = 0; i < 2; i++) {
        struct server *s = server_open(base);
        struct provider p = provider_at(s);

        server_answer(s, ANSWER);
        all_at_once(s, &p, counts[i]);
        all_at_once(s, &p, counts[i]);
        CHECK(s->requests == 2 * counts[i]);
        upstream_forget(up, &p);
        server_close(s);
    }
}

static void an_idle_connection_the_server_closed_costs_no_error(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    server_answer(s, ANSWER);
    s->close_after = true;
    for (int i = 0; i < 200; i++) {
        s->reset = i % 2;
        CHECK(call_once(&p, &c));
    }
    CHECK(s->requests == 200 && s->accepted == 200);
    upstream_forget(up, &p);
    server_close(s);
}

/* The close crosses our request on the wire: libcurl has sent it when the
 * connection ends, and sends it again on a fresh one. */
static void a_close_that_crosses_the_next_request_costs_no_error(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    server_answer(s, ANSWER);
    s->close_on_second = true;
    for (int i = 0; i < 200; i++) {
        s->reset = i % 2;
        CHECK(call_once(&p, &c));
        CHECK(!c.state.reused);
    }
    CHECK(s->requests == 200 && s->accepted == 200);
    upstream_forget(up, &p);
    server_close(s);
}

static void a_connection_lost_after_a_reload_costs_no_error(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    server_answer(s, ANSWER);
    CHECK(call_once(&p, &c));
    s->answer = NULL;
    start(&c, &(struct call){.provider = &p});
    while (s->requests < 2)
        event_base_loop(base, EVLOOP_ONCE);
    upstream_forget(up, &p);
    server_answer(s, ANSWER);
    peer_drop(LIST_FIRST(&s->peers));
    CHECK(await(&c) && c.state.error == ERROR_none);
    CHECK(s->requests == 3 && s->accepted == 2);
    end(&c);
    server_close(s);
}

/* So many shapes are kept; one more is prepared for one use. */
static void a_shape_of_one_use_opens_its_connection(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct provider nowhere = {.base = (char *)"http://127.0.0.1:1"};
    struct taker c;
    char path[32];

    server_answer(s, ANSWER);
    reopen();
    for (unsigned i = 0; i < 16384; i++) {
        snprintf(path, sizeof path, "/%u", i);
        start(&c, &(struct call){.provider = &nowhere, .path = path});
        end(&c);
    }
    CHECK(call_once(&p, &c) && s->requests == 1);
    reopen();
    server_close(s);
}

struct later {
    struct taker *taker;
    const struct provider *provider;
};

static void start_later(evutil_socket_t fd, short what, void *arg)
{
    const struct later *l = arg;

    (void)fd;
    (void)what;
    start(l->taker, &(struct call){.provider = l->provider});
}

/* In the next turn of the loop, after it has looked at its sockets, but before
 * it has called anybody. */
static void start_in_a_turn(struct taker *c, const struct provider *p)
{
    struct later l = {c, p};
    struct event *first = event_new(base, -1, 0, start_later, &l);

    event_active(first, EV_TIMEOUT, 0);
    polls++;
    event_base_loop(base, EVLOOP_ONCE);
    event_free(first);
}

/* The first read ends where the answer does, and what the provider sent behind
 * it is there when the next request looks for a connection. */
static void bytes_behind(bool in_a_turn)
{
    enum { READ = 4096 };
    char answer[READ + 128] = "HTTP/1.1 200 OK\r\nContent-Length: 4055\r\n\r\n";
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    memset(answer + 41, 'a', READ - 41);
    strcpy(answer + READ, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSTRAY");
    server_answer(s, answer);
    start(&c, &(struct call){.provider = &p, .hold_bytes = 1});
    CHECK(await(&c) && c.len == READ - 41);
    end(&c);
    server_answer(s, ANSWER);
    if (in_a_turn)
        start_in_a_turn(&c, &p);
    else
        start(&c, &(struct call){.provider = &p});
    CHECK(await(&c) && c.body && !strcmp(c.body, "0123456789"));
    CHECK(!c.state.reused && s->accepted == 2);
    end(&c);
    upstream_forget(up, &p);
    server_close(s);
}

static void bytes_behind_an_answer_never_answer_the_next_request(void)
{
    bytes_behind(false);
    bytes_behind(true);
}

static void a_reset_before_any_answer_is_a_cut_and_not_repeated(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    server_answer(s, "");
    s->close_after = s->reset = true;
    CHECK(!call_once(&p, &c));
    CHECK(c.state.error == ERROR_provider_cut_stream && c.state.sent);
    CHECK(!c.state.head && s->accepted == 1 && s->requests == 1);
    upstream_forget(up, &p);
    server_close(s);
}

static void a_closed_port_is_a_failure_to_connect(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    server_close(s);
    CHECK(!call_once(&p, &c));
    CHECK(c.state.error == ERROR_provider_connect && !c.state.sent);
    CHECK(strcmp(c.state.detail, "could not connect: Connection refused") == 0);
    CHECK(c.state.connected == 0);
    upstream_forget(up, &p);
}

static void a_connection_that_never_completes_ends_at_its_timeout(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0), fill[4];
    char url[64];
    struct provider p = {.base = url};
    struct taker c;
    us_t took;

    CHECK(!bind(fd, (struct sockaddr *)&at, len) && !listen(fd, 0));
    CHECK(!getsockname(fd, (struct sockaddr *)&at, &len));
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fill[i], (struct sockaddr *)&at, len);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(at.sin_port));
    start(&c, &(struct call){.provider = &p, .connect_timeout = 200000});
    CHECK(await(&c));
    took = clock_now() - c.state.started;
    CHECK(c.state.error == ERROR_provider_timeout_connect && !c.state.sent);
    CHECK(took >= 190000 && took < 400000);
    end(&c);
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    close(fd);
    upstream_forget(up, &p);
}

static void plain_http_where_tls_was_asked_is_a_tls_failure(void)
{
    struct server *s = server_open(base);
    char url[64];
    struct provider p = {.base = url};
    struct taker c;

    s->answer = ANSWER;
    snprintf(url, sizeof url, "https://127.0.0.1:%u", s->port);
    start(&c, &(struct call){.provider = &p});
    /* A ClientHello has no blank line: the server answers nothing, so hang up
     * once it is there. */
    while (c.transfer && (LIST_EMPTY(&s->peers) ||
                          LIST_FIRST(&s->peers)->len == 0))
        event_base_loop(base, EVLOOP_ONCE);
    send(LIST_FIRST(&s->peers)->fd, ANSWER, strlen(ANSWER), 0);
    CHECK(await(&c) && c.state.error == ERROR_provider_tls && !c.state.sent);
    end(&c);
    upstream_forget(up, &p);
    server_close(s);
}

static void a_name_is_resolved_without_leaving_descriptors_behind(void)
{
    struct server *s = server_open(base);
    char url[64];
    struct provider p = {.base = url};
    struct taker c;
    int before, after;

    server_answer(s, ANSWER);
    s->close_after = true;
    snprintf(url, sizeof url, "http://localhost:%u", s->port);
    reopen();
    before = dup(0);
    close(before);
    for (int i = 0; i < 20; i++) {
        reopen();               /* a fresh name cache */
        CHECK(call_once(&p, &c));
    }
    reopen();
    after = dup(0);
    close(after);
    CHECK(before == after);
    server_close(s);
}

static enum error_type look_up(struct provider *p, us_t *took)
{
    struct taker c;
    enum error_type e;

    start(&c, &(struct call){.provider = p, .connect_timeout = 200000});
    CHECK(await(&c));
    e = c.state.error;
    *took = clock_now() - c.state.started;
    end(&c);
    return e;
}

static void a_name_that_does_not_resolve_is_not_looked_up_again_and_again(void)
{
    struct server *s = server_open(base);
    char url[64];
    struct provider p = {.base = url};
    us_t took = 0;
    int i;

    server_answer(s, ANSWER);
    snprintf(url, sizeof url, "http://silent.test:%u", s->port);
    reopen();
    for (i = 0; i < 8; i++)
        CHECK(look_up(&p, &took) == ERROR_provider_timeout_connect);
    CHECK(lookups == 8);
    for (i = 0; i < 20; i++)        /* one of them tries again */
        if (look_up(&p, &took) == ERROR_provider_dns)
            CHECK(took < 50000);
    CHECK(lookups == 9);
    speaks = true;
    for (i = 0; i < 2000 && look_up(&p, &took) != ERROR_none; i++)
        usleep(1000);
    CHECK(i < 2000 && look_up(&p, &took) == ERROR_none);
    for (i = 0; i < 2000 && looking; i++)
        usleep(1000);
    server_close(s);
    upstream_forget(up, &p);
}

static void proxies_of_the_environment_are_not_used(void)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "ALL_PROXY",
                                        "all_proxy", "https_proxy"};
    struct server *trap = server_open(base), *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u", trap->port);
    for (size_t i = 0; i < 5; i++)
        setenv(names[i], url, 1);
    server_answer(s, ANSWER);
    CHECK(call_once(&p, &c));
    CHECK(trap->accepted == 0 && s->accepted == 1);
    upstream_forget(up, &p);
    for (size_t i = 0; i < 5; i++)
        unsetenv(names[i]);
    server_close(trap);
    server_close(s);
}

static void a_configured_proxy_is_used_whatever_no_proxy_says(void)
{
    struct server *proxy = server_open(base);
    char url[64];
    struct provider p = {.base = (char *)"http://provider.invalid/v1",
                         .proxy = url};
    struct taker c;

    setenv("no_proxy", "*", 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", proxy->port);
    server_answer(proxy, ANSWER);
    CHECK(call_once(&p, &c));
    CHECK(proxy->requests == 1 &&
          !strncmp(proxy->request, "POST http://provider.invalid/v1/", 32));
    unsetenv("no_proxy");
    upstream_forget(up, &p);
    server_close(proxy);
}

/* --- transfers ------------------------------------------------------------ */

static void turns(int n)
{
    while (n-- > 0)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void wait_head(struct taker *c)
{
    us_t deadline = clock_now() + 5 * US_PER_S;

    while (c->transfer && !transfer_state(c->transfer)->first_byte &&
           clock_now() < deadline)
        turns(1);
}

#define ENDLESS "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

static void a_provider_is_held_back_while_nobody_takes(void)
{
    enum { HOLD = 65536, ALL = 2 << 20 };
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    char *answer = malloc(ALL + 128);
    struct taker c;
    size_t len, head;

    head = (size_t)sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
                           ALL);
    for (size_t i = 0; i < ALL; i++)
        answer[head + i] = (char)('a' + i % 23);
    s->answer = answer;
    s->answer_len = head + ALL;
    start(&c, &(struct call){
                  .provider = &p, .stream = true, .hold_bytes = HOLD});
    c.hoard = true;
    wait_head(&c);
    turns(300);
    CHECK(c.transfer && transfer_paused(c.transfer));
    transfer_bytes(c.transfer, &len);
    CHECK(len > HOLD && len <= HOLD + 4096);
    CHECK(LIST_FIRST(&s->peers)->sent < ALL);
    while (c.transfer && transfer_paused(c.transfer)) {
        take_all(&c, c.transfer);
        c.hoard = false;
        take_all(&c, c.transfer);
        c.hoard = true;
        turns(300);
    }
    c.hoard = false;
    if (c.transfer)
        take_all(&c, c.transfer);
    CHECK(await(&c) && c.state.error == ERROR_none);
    CHECK(c.len == ALL && !memcmp(c.body, answer + head, ALL));
    CHECK(c.most <= HOLD + 4096);
    end(&c);
    free(answer);
    upstream_forget(up, &p);
    server_close(s);
}

static void raising_the_hold_resumes(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    char answer[9000] = "HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n";
    struct taker c;

    s->answer = answer;
    s->answer_len = strlen(answer) + 8192;
    start(&c, &(struct call){.provider = &p, .stream = true, .hold_bytes = 1});
    c.hoard = true;
    wait_head(&c);
    turns(50);
    CHECK(c.transfer && transfer_paused(c.transfer));
    transfer_hold(c.transfer, SIZE_MAX);
    CHECK(await(&c) && c.len == 8192);
    end(&c);
    upstream_forget(up, &p);
    server_close(s);
}

static void a_cancelled_stream_is_closed_within_a_turn(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c;

    server_answer(s, ENDLESS "data: 1\n\n");
    start(&c, &(struct call){.provider = &p, .stream = true});
    wait_head(&c);
    CHECK(c.transfer && c.len > 0 && s->left == 0);
    end(&c);
    turns(1);
    CHECK(s->left == 1);
    upstream_forget(up, &p);
    server_close(s);
}

static void a_call_that_is_never_answered_ends_by_release_alone(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    unsigned open, busy;
    struct taker c;

    start(&c, &(struct call){.provider = &p});
    while (c.transfer && s->requests == 0)
        turns(1);
    upstream_connections(up, &p, &open, &busy);
    CHECK(open == 1 && busy == 1);
    CHECK(c.transfer && transfer_state(c.transfer)->sent);
    CHECK(transfer_state(c.transfer)->connected > 0);
    CHECK(!transfer_state(c.transfer)->ended);
    end(&c);
    turns(1);
    CHECK(s->left == 1);
    upstream_forget(up, &p);
    server_close(s);
}

static void news_wakes_once_until_drained(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c[3];

    server_answer(s, ANSWER);
    event_del(drain);
    wakes = 0;
    for (int i = 0; i < 3; i++) {
        const char *const bad[] = {"bad", NULL};

        start(&c[i], &(struct call){.provider = &p, .headers = bad});
    }
    CHECK(wakes == 1);
    for (int i = 0; i < 3; i++)
        CHECK(await(&c[i]));
    CHECK(wakes == 1);
    CHECK(upstream_next(up) == NULL);
    for (int i = 0; i < 3; i++)
        end(&c[i]);
    upstream_forget(up, &p);
    server_close(s);
}

static void a_released_transfer_gives_no_news(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c, d;
    const char *const bad[] = {"bad", NULL};

    server_answer(s, ANSWER);
    start(&c, &(struct call){.provider = &p, .headers = bad});
    start(&d, &(struct call){.provider = &p, .headers = bad});
    upstream_release(c.transfer);
    c.transfer = NULL;
    CHECK(await(&d) && !c.state.ended);
    end(&c);
    end(&d);
    upstream_forget(up, &p);
    server_close(s);
}

/* --- generations ---------------------------------------------------------- */

static void a_new_generation_uses_the_connections_of_the_old(void)
{
    struct server *s = server_open(base);
    struct provider old = provider_at(s), new = provider_at(s);
    struct taker c, d;

    server_answer(s, ANSWER);
    CHECK(call_once(&old, &c));
    start(&d, &(struct call){.provider = &old});
    upstream_forget(up, &old);
    CHECK(await(&d) && d.state.error == ERROR_none);
    end(&d);
    old = (struct provider){.base = (char *)"http://127.0.0.1:1"};
    new.key = (struct secret){.bytes = (char *)"sk-2", .len = 4};
    CHECK(call_once(&new, &c));
    CHECK(c.state.reused && strstr(s->request, "Bearer sk-2"));
    CHECK(s->accepted == 1);
    CHECK(!call_once(&old, &c));    /* nothing prepared was left behind */
    upstream_forget(up, &old);
    upstream_forget(up, &new);
    server_close(s);
}

static void freeing_the_upstream_ends_what_runs_without_a_word(void)
{
    struct server *s = server_open(base);
    struct provider p = provider_at(s);
    struct taker c[5];

    server_answer(s, ENDLESS "data: 1\n\n");
    for (int i = 0; i < 5; i++)
        start(&c[i], &(struct call){.provider = &p, .stream = true});
    wait_head(&c[4]);
    for (int i = 0; i < 5; i++) {
        c[i].transfer = NULL;
        end(&c[i]);
    }
    event_del(drain);
    upstream_next(up);
    wakes = 0;
    upstream_free(up);
    turns(2);
    CHECK(wakes == 0 && s->left == s->accepted);
    open_up();
    server_close(s);
}

/* As in a loop of our own, which spares the look at a connection that it knows to
 * be quiet. */
static void the_same_where_turns_are_counted(void)
{
    counted = true;
    reopen();
    fifty_calls_in_a_row_use_one_connection();
    many_calls_at_once_all_end_well_and_reuse_connections();
    an_idle_connection_the_server_closed_costs_no_error();
    a_close_that_crosses_the_next_request_costs_no_error();
    bytes_behind_an_answer_never_answer_the_next_request();
    counted = false;
    reopen();
}

int main(void)
{
    rig_open();
    RUN(fifty_calls_in_a_row_use_one_connection);
    RUN(many_calls_at_once_all_end_well_and_reuse_connections);
    RUN(an_idle_connection_the_server_closed_costs_no_error);
    RUN(a_close_that_crosses_the_next_request_costs_no_error);
    RUN(a_connection_lost_after_a_reload_costs_no_error);
    RUN(a_shape_of_one_use_opens_its_connection);
    RUN(bytes_behind_an_answer_never_answer_the_next_request);
    RUN(the_same_where_turns_are_counted);
    RUN(a_reset_before_any_answer_is_a_cut_and_not_repeated);
    RUN(a_closed_port_is_a_failure_to_connect);
    RUN(a_connection_that_never_completes_ends_at_its_timeout);
    RUN(plain_http_where_tls_was_asked_is_a_tls_failure);
    RUN(a_name_is_resolved_without_leaving_descriptors_behind);
    RUN(a_name_that_does_not_resolve_is_not_looked_up_again_and_again);
    RUN(proxies_of_the_environment_are_not_used);
    RUN(a_configured_proxy_is_used_whatever_no_proxy_says);
    RUN(a_provider_is_held_back_while_nobody_takes);
    RUN(raising_the_hold_resumes);
    RUN(a_cancelled_stream_is_closed_within_a_turn);
    RUN(a_call_that_is_never_answered_ends_by_release_alone);
    RUN(news_wakes_once_until_drained);
    RUN(a_released_transfer_gives_no_news);
    RUN(a_new_generation_uses_the_connections_of_the_old);
    RUN(freeing_the_upstream_ends_what_runs_without_a_word);
    rig_close();
    return test_end();
}
