/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of conn: clients that leave, are slow or silent, and the end of all.
 * What a handler is promised: `gone` once for each request whose head it
 * accepted and that it has not ended itself, and for no other.
 */
#include "conn_rig.h"

/* -- leaving ------------------------------------------------------------------- */

enum leave { CLOSE, RESET, FIN, LEAVES };

/* What the client has done when it leaves. */
static const struct {
    int line;
    const char *sent;
    bool deaf;
    unsigned gone;
} states[] = {
    {__LINE__, "", false, 0},
    {__LINE__, "GET /later HT", false, 0},
    {__LINE__, GET("/now"), false, 0},
    {__LINE__, GET("/now") "GET /la", false, 0},
    {__LINE__, GET("/refuse"), false, 0},
    {__LINE__, POST("/refuse", "10") "x", false, 0},
    {__LINE__, POST("/later", "10"), false, 1},
    {__LINE__, POST("/later", "10") "123456789", false, 1},
    {__LINE__, CHUNKED("/later"), false, 1},
    {__LINE__, CHUNKED("/later") "5\r\nab", false, 1},
    {__LINE__, GET("/later"), false, 1},
    {__LINE__, POST("/later", "2") "ab" GET("/later"), false, 1},
    {__LINE__, GET("/now") GET("/later"), false, 1},
    {__LINE__, GET("/big"), true, 0},
    {__LINE__, "nonsense\r\n\r\n", false, 0},
};

static void gone_comes_once_for_a_request_that_was_accepted(void)
{
    for (size_t i = 0; i < LEAVES * (sizeof states / sizeof *states); i++) {
        size_t row = i / LEAVES;
        struct client *k;

        rig_open(&usual, false);
        k = client_open();
        k->deaf = states[row].deaf;
        client_says(k, states[row].sent);
        settle();
        CHECK_ROW(states[row].line, gone == 0);
        if (i % LEAVES == FIN)
            shutdown(k->fd, SHUT_WR);
        else
            client_close(k, i % LEAVES == RESET);
        if (i % LEAVES != FIN || !states[row].deaf)
            UNTIL(conns_open(conns) == 0);
        k->deaf = false;
        UNTIL(conns_open(conns) == 0);
        CHECK_ROW(states[row].line, gone == states[row].gone);
        CHECK_ROW(states[row].line, atomic_load(&memory.used) == 0);
        rig_close();
        CHECK_ROW(states[row].line, gone == states[row].gone);
    }
}

static void who_ends_sending_may_still_get_its_answer(void)
{
    struct client *k;

    rig_open(&usual, true);
    k = client_open();
    client_says(k, POST("/later", "2") "ab");
    UNTIL(nheld == 1);
    shutdown(k->fd, SHUT_WR);
    settle();
    CHECK(gone == 0 && conns_open(conns) == 1);
    finish(0);
    UNTIL(k->ended);
    CHECK(saw(k, "/later|ab") && gone == 0);
    UNTIL(conns_open(conns) == 0);
    rig_close();
}

static void where_half_closing_is_allowed_half_a_body_is_still_gone(void)
{
    struct client *k;

    rig_open(&usual, true);
    k = client_open();
    client_says(k, POST("/later", "10") "ab");
    UNTIL(accepted == 1);
    shutdown(k->fd, SHUT_WR);
    UNTIL(conns_open(conns) == 0);
    CHECK(gone == 1);
    rig_close();
}

static void who_leaves_in_the_midst_of_an_answer_is_gone_once(void)
{
    struct client *k;

    for (int reset = 0; reset < 2; reset++) {
        rig_open(&usual, false);
        k = client_open();
        k->deaf = true;
        client_says(k, GET("/later"));
        UNTIL(nheld == 1);
        reply_head(conn_reply(held[0]), 200, "", 0, -1);
        for (int i = 0; i < 4; i++)
            reply_body(conn_reply(held[0]), big, BIG);
        CHECK(conn_flush(held[0]) > 0);
        client_close(k, reset);
        UNTIL(conns_open(conns) == 0);
        CHECK(gone == 1 && held[0] == NULL);
        rig_close();
    }
}

/* -- slow clients ---------------------------------------------------------------- */

static void a_slow_client_is_watched_until_it_has_read(void)
{
    struct client *k;

    rig_open(&usual, false);
    k = client_open();
    k->deaf = true;
    client_says(k, GET("/later"));
    UNTIL(nheld == 1);
    reply_head(conn_reply(held[0]), 200, "", 0, 2 * (long long)BIG);
    reply_body(conn_reply(held[0]), big, BIG);
    reply_body(conn_reply(held[0]), big, BIG);
    CHECK(conn_flush(held[0]) > 0);
    settle();
    CHECK(drained == 0);
    k->deaf = false;
    UNTIL(drained > 0);
    CHECK(reply_queued(conn_reply(held[0])) < 65536);
    reply_finish(conn_reply(held[0]));
    conn_done(held[0], false);
    UNTIL(k->len > 2 * (size_t)BIG);
    client_says(k, GET("/now"));
    UNTIL(saw(k, "/now|"));
    CHECK(gone == 0);
    rig_close();
}

static void an_answer_is_cut_where_the_handler_says(void)
{
    struct client *k, *other;

    rig_open(&usual, false);
    k = client_open();
    client_says(k, GET("/later"));
    UNTIL(nheld == 1);
    reply_head(conn_reply(held[0]), 200, "", 0, -1);
    reply_body(conn_reply(held[0]), "part", 4);
    conn_flush(held[0]);
    reply_body(conn_reply(held[0]), "never sent", 10);
    conn_done(held[0], true);
    UNTIL(k->ended || k->reset);
    CHECK(saw(k, "4\r\npart\r\n") && !saw(k, "0\r\n\r\n"));
    CHECK(gone == 0 && conns_open(conns) == 0);
    other = client_open();
    client_says(other, GET("/now"));
    UNTIL(saw(other, "/now|"));
    CHECK(!saw(other, "never") && strncmp(other->got, "HTTP/1.1 200", 12) == 0);
    rig_close();
}

static void an_answer_that_is_not_finished_ends_the_connection(void)
{
    struct client *k;

    rig_open(&usual, false);
    k = client_open();
    client_says(k, GET("/later") GET("/now"));
    UNTIL(nheld == 1);
    reply_head(conn_reply(held[0]), 200, "", 0, 10);
    reply_body(conn_reply(held[0]), "half", 4);
    conn_done(held[0], false);
    UNTIL(k->ended || k->reset);
    CHECK(handled == 1 && !saw(k, "/now"));
    rig_close();
}

/* -- deadlines --------------------------------------------------------------------- */

enum deadline { HEADER, BODY, KEEPALIVE, WRITE };

static const struct {
    int line;
    enum deadline deadline;
    const char *sent;
    const char *got;        /* at the start of what the client sees, or NULL */
    unsigned gone;
} silences[] = {
    {__LINE__, HEADER, "", NULL, 0},
    {__LINE__, HEADER, "GET /now HT", "HTTP/1.1 408", 0},
    {__LINE__, BODY, POST("/now", "10") "123", "HTTP/1.1 408", 1},
    {__LINE__, BODY, CHUNKED("/now") "3\r\nab", "HTTP/1.1 408", 1},
    {__LINE__, KEEPALIVE, GET("/now"), "HTTP/1.1 200", 0},
    {__LINE__, HEADER, GET("/now") "GET /now", "HTTP/1.1 200", 0},
};

static struct conn_limits limits_with(enum deadline which, us_t timeout)
{
    struct conn_limits limits = usual;
    us_t *timeouts[] = {&limits.header_timeout, &limits.body_timeout,
                        &limits.keepalive_timeout, &limits.write_timeout};

    *timeouts[which] = timeout;
    return limits;
}

static void silence_ends_at_its_deadline(void)
{
    for (size_t i = 0; i < sizeof silences / sizeof *silences; i++) {
        struct conn_limits limits = limits_with(silences[i].deadline, 20 * MS);
        struct client *k;
        us_t began;

        rig_open(&limits, false);
        k = client_open();
        began = clock_now();
        client_says(k, silences[i].sent);
        UNTIL(k->ended || k->reset);
        CHECK_ROW(silences[i].line, clock_now() - began >= 20 * MS);
        if (silences[i].got)
            CHECK_ROW(silences[i].line, strncmp(k->got, silences[i].got, 12) == 0);
        else
            CHECK_ROW(silences[i].line, k->len == 0);
        CHECK_ROW(silences[i].line, gone == silences[i].gone);
        client_close(k, false);
        UNTIL(conns_open(conns) == 0);
        CHECK_ROW(silences[i].line, gone == silences[i].gone);
        rig_close();
    }
}

/* A byte now and then does not push a deadline back. */
static void dripping_bytes_do_not_help(void)
{
    static const enum deadline which[] = {HEADER, BODY};

    for (int i = 0; i < 2; i++) {
        struct conn_limits limits = limits_with(which[i], 20 * MS);
        struct client *k;
        us_t until = clock_now() + 2 * US_PER_S;

        rig_open(&limits, false);
        k = client_open();
        client_says(k, i ? POST("/now", "100000") : "GET /");
        while (k->len == 0 && clock_now() < until) {
            client_write(k, "x", 1);
            turn();
        }
        CHECK_ROW(i, strncmp(k->got, "HTTP/1.1 408", 12) == 0);
        rig_close();
    }
}

static void who_reads_nothing_is_gone_at_the_write_deadline(void)
{
    struct conn_limits limits = limits_with(WRITE, 20 * MS);
    struct client *k;

    rig_open(&limits, false);
    k = client_open();
    k->deaf = true;
    client_says(k, GET("/later"));
    UNTIL(nheld == 1);
    reply_head(conn_reply(held[0]), 200, "", 0, -1);
    for (int i = 0; i < 4; i++)
        reply_body(conn_reply(held[0]), big, BIG);
    CHECK(conn_flush(held[0]) > 0);
    UNTIL(conns_open(conns) == 0);
    CHECK(gone == 1);
    rig_close();
}

static void a_request_that_takes_long_is_not_cut(void)
{
    struct conn_limits limits = usual;
    us_t until;
    struct client *k;

    limits.header_timeout = limits.body_timeout = 10 * MS;
    limits.keepalive_timeout = limits.write_timeout = 10 * MS;
    rig_open(&limits, false);
    k = client_open();
    client_says(k, GET("/later"));
    UNTIL(nheld == 1);
    for (until = clock_now() + 40 * MS; clock_now() < until;)
        turn();
    CHECK(gone == 0 && conns_open(conns) == 1);
    finish(0);
    UNTIL(saw(k, "/later|"));
    rig_close();
}

/* -- the end of all -------------------------------------------------------------- */

static void draining_lets_the_busy_finish_and_nobody_in(void)
{
    struct client *idle, *half, *busy, *late;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    rig_open(&usual, false);
    idle = client_open();
    client_says(idle, GET("/now"));
    busy = client_open();
    client_says(busy, GET("/later"));
    half = client_open();
    client_says(half, POST("/now", "4") "ab");
    UNTIL(nheld == 1 && accepted == 3 && saw(idle, "/now|"));
    conns_drain(conns);
    UNTIL(idle->ended);
    CHECK(conns_open(conns) == 2 && gone == 0);
    late = client_on(socket(AF_INET, SOCK_STREAM, 0));
    at.sin_port = htons(port);
    CHECK(connect(late->fd, (struct sockaddr *)&at, sizeof at) == -1);
    client_says(half, "cd");
    UNTIL(half->ended);
    CHECK(saw(half, "/now|abcd") && saw(half, "connection: close\r\n"));
    finish(0);
    UNTIL(busy->ended);
    CHECK(saw(busy, "/later|") && saw(busy, "connection: close\r\n"));
    client_close(busy, false);
    client_close(half, false);
    UNTIL(conns_open(conns) == 0);
    CHECK(gone == 0);
    rig_close();
}

static void draining_answers_no_pipelined_request_more(void)
{
    struct client *k;

    rig_open(&usual, false);
    k = client_open();
    client_says(k, GET("/later") GET("/now"));
    UNTIL(nheld == 1);
    settle();
    conns_drain(conns);
    finish(0);
    UNTIL(k->ended || k->reset);
    CHECK(handled == 1 && count_of(k->got, "HTTP/1.1") == 1);
    rig_close();
}

static void freeing_tells_each_pending_request_once(void)
{
    static const char *const sent[] = {
        "", "GET /l", GET("/later"), POST("/later", "9") "x", CHUNKED("/later"),
        GET("/now"), GET("/later") GET("/later"), "nonsense\r\n\r\n",
    };

    rig_open(&usual, false);
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
        client_says(client_open(), sent[i]);
    UNTIL(accepted == 5);
    settle();
    CHECK(gone == 0);
    rig_close();
    CHECK(gone == 4);
}

static void no_connections_at_all_may_be_freed(void)
{
    rig_open(&usual, false);
    rig_close();
    conns_free(NULL);
    CHECK(accepted == 0);
}

int main(void)
{
    RUN(gone_comes_once_for_a_request_that_was_accepted);
    RUN(who_ends_sending_may_still_get_its_answer);
    RUN(where_half_closing_is_allowed_half_a_body_is_still_gone);
    RUN(who_leaves_in_the_midst_of_an_answer_is_gone_once);
    RUN(a_slow_client_is_watched_until_it_has_read);
    RUN(an_answer_is_cut_where_the_handler_says);
    RUN(an_answer_that_is_not_finished_ends_the_connection);
    RUN(silence_ends_at_its_deadline);
    RUN(dripping_bytes_do_not_help);
    RUN(who_reads_nothing_is_gone_at_the_write_deadline);
    RUN(a_request_that_takes_long_is_not_cut);
    RUN(draining_lets_the_busy_finish_and_nobody_in);
    RUN(draining_answers_no_pipelined_request_more);
    RUN(freeing_tells_each_pending_request_once);
    RUN(no_connections_at_all_may_be_freed);
    free(big);
    return test_end();
}
