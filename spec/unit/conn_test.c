/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of conn: requests, their order, their bodies, refusals and bounds.
 */
#include "conn_rig.h"

#include "ceilings.h"

#include <sys/stat.h>
#include <sys/un.h>

/* -- one connection ---------------------------------------------------------- */

static void a_connection_is_kept_when_the_client_may_keep_it(void)
{
    static const struct {
        int line;
        const char *request;
        bool kept;
    } rows[] = {
        {__LINE__, GET("/now"), true},
        {__LINE__, "GET /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
        {__LINE__, "GET /now HTTP/1.0\r\n\r\n", false},
        {__LINE__, "GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {__LINE__, POST("/now", "3") "abc", true},
        {__LINE__, GET("/refuse"), true},
        {__LINE__, POST("/refuse", "3") "abc", false},
        {__LINE__, "GET /now HTTP/1.1\r\n\r\n", false},
        {__LINE__, "nonsense\r\n\r\n", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client *k;

        rig_open(&usual, false);
        k = client_open();
        client_says(k, rows[i].request);
        UNTIL(saw(k, "\r\n\r\n"));
        settle();
        CHECK_ROW(rows[i].line, k->ended == !rows[i].kept && !k->reset);
        if (rows[i].kept) {
            client_says(k, GET("/now?again"));
            UNTIL(saw(k, "/now?again|"));
        }
        client_close(k, false);
        UNTIL(conns_open(conns) == 0);
        CHECK_ROW(rows[i].line, gone == 0);
        rig_close();
    }
}

static void a_request_is_seen_as_it_was_sent(void)
{
    struct client *k;
    size_t len;
    us_t before;

    rig_open(&usual, false);
    k = client_open();
    before = clock_now();
    client_says(k, POST("/later", "5") "hello");
    UNTIL(nheld == 1);
    CHECK(conn_head(held[0])->method == HTTP1_POST);
    CHECK(memcmp(conn_body(held[0], &len), "hello", 5) == 0 && len == 5);
    CHECK(strcmp(conn_peer(held[0]), "127.0.0.1") == 0);
    CHECK(conn_received(held[0]) >= before && conn_received(held[0]) <= clock_now());
    CHECK(conn_user(held[0]) == NULL);
    conn_set_user(held[0], &len);
    CHECK(conn_user(held[0]) == &len);
    finish(0);
    UNTIL(saw(k, "/later|hello"));
    client_says(k, GET("/later"));
    UNTIL(nheld == 2);
    CHECK(conn_user(held[1]) == NULL);
    CHECK(turns > 0);
    rig_close();
}

static void a_head_may_come_byte_by_byte(void)
{
    struct client *k;

    rig_open(&usual, false);
    k = client_open();
    client_spells(k, POST("/now", "4") "body" GET("/now?2"));
    UNTIL(saw(k, "/now?2|"));
    CHECK(saw(k, "/now|body") && handled == 2);
    rig_close();
}

static void a_client_that_asks_is_told_to_go_on(void)
{
    static const char ask[] = "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                              "Expect: 100-continue\r\n\r\n";
    struct client *k, *no;
    char text[200];

    rig_open(&usual, false);
    k = client_open();
    snprintf(text, sizeof text, ask, "/now");
    client_says(k, text);
    UNTIL(saw(k, "HTTP/1.1 100 Continue\r\n\r\n"));
    client_says(k, "ok");
    UNTIL(saw(k, "/now|ok"));
    no = client_open();
    snprintf(text, sizeof text, ask, "/refuse");
    client_says(no, text);
    UNTIL(no->ended);
    CHECK(saw(no, "403") && !saw(no, "100"));
    rig_close();
}

/* -- pipelining -------------------------------------------------------------- */

static void pipelined_requests_are_answered_in_their_order(void)
{
    struct client *k;
    const char *at;
    char text[64];

    rig_open(&usual, false);
    k = client_open();
    client_says(k, GET("/now?1") POST("/now?2", "3") "two" CHUNKED("/now?3")
                "3\r\nthr\r\n2\r\nee\r\n0\r\n\r\n" GET("/refuse") GET("/now?4"));
    UNTIL(saw(k, "/now?4|"));
    at = k->got;
    for (int i = 1; i <= 4; i++) {
        static const char *const bodies[] = {"", "two", "three", ""};

        snprintf(text, sizeof text, "/now?%d|%s", i, bodies[i - 1]);
        at = at ? strstr(at, text) : NULL;
        CHECK_ROW(i, at != NULL);
    }
    CHECK(count_of(k->got, "HTTP/1.1 200") == 4 && count_of(k->got, " 403 ") == 1);
    CHECK(handled == 4);
    rig_close();
}

static void what_comes_while_busy_waits_and_moves_nothing(void)
{
    struct client *k;
    const char *body;
    size_t len;

    rig_open(&usual, false);
    k = client_open();
    client_says(k, POST("/later", "5") "first" "POST /la");
    UNTIL(nheld == 1);
    body = conn_body(held[0], &len);
    client_says(k, "ter HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsec");
    settle();
    client_says(k, "ond" GET("/now?third"));
    settle();
    CHECK(nheld == 1 && handled == 1);
    CHECK(conn_body(held[0], &len) == body && memcmp(body, "first", 5) == 0);
    CHECK(len == 5 && path_is(held[0], "/later"));
    conn_release_body(held[0]);
    CHECK(path_is(held[0], "/later"));
    finish(0);
    UNTIL(nheld == 2);
    CHECK(memcmp(conn_body(held[1], &len), "second", 6) == 0 && len == 6);
    finish(1);
    UNTIL(saw(k, "/now?third|"));
    CHECK(gone == 0);
    rig_close();
}

static void who_pipelines_more_than_is_read_ahead_waits(void)
{
    enum { N = 6000 };
    static const char one[] = GET("/now");
    char *all = malloc(N * sizeof one), *at = all;
    struct client *k;

    for (int i = 0; i < N; i++)
        at = stpcpy(at, one);
    rig_open(&usual, false);
    k = client_open();
    client_says(k, GET("/later"));
    UNTIL(nheld == 1);
    CHECK(client_write(k, all, (size_t)(at - all)) || k->fd >= 0);
    settle();
    CHECK(handled == 1);
    finish(0);
    UNTIL(handled == N + 1);
    UNTIL(count_of(k->got, "HTTP/1.1 200 OK") == N + 1);
    free(all);
    rig_close();
}

/* A client that asks and asks and never reads is not answered into memory. */
static void the_next_request_waits_for_the_answer_before_to_leave(void)
{
    struct client *k;

    rig_open(&usual, false);
    k = client_open();
    k->deaf = true;
    client_says(k, GET("/big") GET("/big") GET("/big") GET("/big"));
    UNTIL(handled >= 1);
    settle();
    CHECK(handled <= 2);
    k->deaf = false;
    UNTIL(handled == 4);
    UNTIL(k->len > 4 * (size_t)BIG);
    CHECK(count_of(k->got, "HTTP/1.1 200 OK") == 4);
    rig_close();
}

/* -- bodies ------------------------------------------------------------------- */

static void a_chunked_body_may_be_cut_anywhere(void)
{
    static const char text[] = CHUNKED("/now") "5;ext=1\r\nhello\r\n"
                               "0006\r\n world\r\n0\r\nX-T: 1\r\n\r\n" GET("/now?z");

    for (size_t cut = 1; cut < sizeof text - 1; cut += 3) {
        struct client *k;

        rig_open(&usual, false);
        k = client_open();
        client_write(k, text, cut);
        turn();
        client_says(k, text + cut);
        UNTIL(saw(k, "/now?z|"));
        CHECK_ROW(cut, saw(k, "/now|hello worldHTTP/1.1"));
        rig_close();
    }
}

static void a_large_body_arrives_whole_and_may_be_the_largest(void)
{
    struct client *k;
    char head[128];

    rig_open(&usual, false);
    k = client_open();
    snprintf(head, sizeof head, POST("/now", "%zu"), usual.body_max);
    client_says(k, head);
    for (size_t n = 0; n < usual.body_max; n += BIG)
        CHECK(client_write(k, big, BIG));
    UNTIL(k->len > usual.body_max);
    CHECK(saw(k, "/now|bbb") && handled == 1);
    rig_close();
}

static void a_body_that_cannot_be_read_is_refused_and_let_go(void)
{
    static const struct {
        int line;
        const char *text, *status;
        unsigned gone;
    } rows[] = {
        {__LINE__, CHUNKED("/now") "zz\r\n", "HTTP/1.1 400", 1},
        {__LINE__, CHUNKED("/now") "3\r\nabcd", "HTTP/1.1 400", 1},
        {__LINE__, CHUNKED("/now") "ffffffff\r\n", "HTTP/1.1 413", 1},
        {__LINE__, POST("/now", "99999999"), "HTTP/1.1 413", 0},
        {__LINE__, POST("/now", "1, 2"), "HTTP/1.1 400", 0},
        {__LINE__, "GET /now HTTP/9.9\r\n\r\n", "HTTP/1.1 505", 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client *k;

        rig_open(&usual, false);
        k = client_open();
        client_says(k, rows[i].text);
        UNTIL(k->ended);
        CHECK_ROW(rows[i].line, strncmp(k->got, rows[i].status, 12) == 0);
        CHECK_ROW(rows[i].line, saw(k, "connection: close\r\n"));
        CHECK_ROW(rows[i].line, gone == rows[i].gone && handled == 0);
        CHECK_ROW(rows[i].line, atomic_load(&memory.used) == 0);
        client_close(k, false);
        UNTIL(conns_open(conns) == 0);
        CHECK_ROW(rows[i].line, gone == rows[i].gone);
        rig_close();
    }
}

/* -- refusing ------------------------------------------------------------------ */

/* The client reads only when it has sent everything. */
static void a_refusal_reaches_a_client_that_still_sends(void)
{
    struct client *k;

    rig_open(&usual, false);
    k = client_open();
    k->deaf = true;
    client_says(k, POST("/refuse", "4194304"));
    CHECK(client_write(k, big, BIG));
    k->deaf = false;
    UNTIL(k->ended || k->reset);
    CHECK(k->ended && saw(k, "HTTP/1.1 403") && saw(k, "x-why: because\r\n"));
    CHECK(saw(k, "{\"no\":1}") && count_of(k->got, "HTTP/1.1") == 1);
    CHECK(accepted == 0 && gone == 0 && handled == 0);
    client_close(k, false);
    UNTIL(conns_open(conns) == 0);
    rig_close();
}

/* -- memory --------------------------------------------------------------------- */

static void the_memory_of_a_body_is_given_back(void)
{
    static const struct {
        int line;
        const char *text;
        bool leaves;        /* or is answered */
    } rows[] = {
        {__LINE__, POST("/later", "5") "hello", false},
        {__LINE__, POST("/later", "5") "hello", true},
        {__LINE__, CHUNKED("/later") "5\r\nhello\r\n0\r\n\r\n", false},
        {__LINE__, POST("/later", "4000000") "begins", true},
        {__LINE__, CHUNKED("/later") "500000\r\nbegins", true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client *k;

        rig_open(&usual, false);
        k = client_open();
        client_says(k, rows[i].text);
        UNTIL(accepted == 1);
        settle();
        CHECK_ROW(rows[i].line, atomic_load(&memory.used) > 0);
        if (rows[i].leaves)
            client_close(k, false);
        else
            finish(0);
        UNTIL(atomic_load(&memory.used) == 0);
        CHECK_ROW(rows[i].line, gone == rows[i].leaves);
        rig_close();
    }
}

static void a_body_is_released_before_the_answer(void)
{
    struct client *k;

    rig_open(&usual, false);
    k = client_open();
    client_says(k, POST("/later", "5") "hello");
    UNTIL(nheld == 1);
    conn_release_body(held[0]);
    CHECK(atomic_load(&memory.used) == 0);
    finish(0);
    UNTIL(saw(k, "/later|"));
    client_says(k, POST("/now", "3") "abc");
    UNTIL(saw(k, "/now|abc"));
    CHECK(atomic_load(&memory.used) == 0);
    rig_close();
}

/* A head was accepted, so somebody took places for it: they must hear. */
static void a_request_that_memory_refuses_is_let_go(void)
{
    static const char *const rows[] = {
        POST("/later", "2000000"),
        POST("/later", "2000000") "begins",
        CHUNKED("/later") "200000\r\n",
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client *k;

        rig_open(&usual, false);
        memory.max = 1 << 20;
        k = client_open();
        client_says(k, rows[i]);
        client_write(k, big, 2u << 20);
        UNTIL(saw(k, "HTTP/1.1 503"));
        /* A known length is refused before it is accepted. */
        CHECK_ROW(i, accepted == (i == 2) && gone == accepted && handled == 0);
        CHECK_ROW(i, atomic_load(&memory.used) == 0);
        client_close(k, false);
        UNTIL(conns_open(conns) == 0);
        CHECK_ROW(i, gone == accepted);
        rig_close();
    }
}

/* -- listeners ------------------------------------------------------------------ */

static void more_than_max_connections_wait_for_a_place(void)
{
    struct conn_limits limits = usual;
    struct client *a, *b;

    limits.max_connections = 1;
    rig_open(&limits, false);
    a = client_open();
    client_says(a, GET("/now"));
    UNTIL(saw(a, "/now|"));
    b = client_open();
    client_says(b, GET("/now"));
    settle();
    CHECK(conns_open(conns) == 1 && b->len == 0);
    client_close(a, false);
    UNTIL(saw(b, "/now|"));
    CHECK(conns_open(conns) == 1);
    rig_close();
}

static void an_address_that_cannot_be_bound_is_said(void)
{
    static const char *const rows[] = {"nonsense", "127.0.0.1:port", "[::1:80",
                                       "127.0.0.1:99999", "unix:/nowhere/at/all",
                                       "203.0.113.1:0", "127.0.0.1:%u"};
    char address[64], bound[64], why[200];

    rig_open(&usual, false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        why[0] = '\0';
        snprintf(address, sizeof address, "%s", rows[i]);
        if (strstr(rows[i], "%u"))      /* taken by the rig */
            snprintf(address, sizeof address, "127.0.0.1:%u", port);
        CHECK_ROW(i, conn_bind(address, false, bound, sizeof bound, why,
                               sizeof why) == -1);
        CHECK_ROW(i, why[0] != '\0');
    }
    rig_close();
}

static void a_unix_socket_is_private_and_replaces_only_a_dead_one(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char address[128], bound[128], why[200];
    struct client *k;
    struct stat st;
    int fd, other;

    rig_open(&usual, false);
    snprintf(at.sun_path, sizeof at.sun_path, "/tmp/conn_test.%d", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", at.sun_path);
    fd = conn_bind(address, false, bound, sizeof bound, why, sizeof why);
    CHECK(fd >= 0 && strcmp(bound, address) == 0);
    CHECK(stat(at.sun_path, &st) == 0 && (st.st_mode & 0777) == 0600);
    other = conn_bind(address, false, bound, sizeof bound, why, sizeof why);
    CHECK(other == -1);
    close(fd);                          /* as a process that was killed */
    fd = conn_bind(address, false, bound, sizeof bound, why, sizeof why);
    CHECK(fd >= 0);
    CHECK(conns_listen(conns, fd, false) == 0);
    other = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(other, (struct sockaddr *)&at, sizeof at) == 0);
    k = client_on(other);
    client_says(k, GET("/later"));
    UNTIL(nheld == 1);
    CHECK(strcmp(conn_peer(held[0]), "unix") == 0);
    finish(0);
    UNTIL(saw(k, "/later|"));
    unlink(at.sun_path);
    rig_close();
}

int main(void)
{
    RUN(a_connection_is_kept_when_the_client_may_keep_it);
    RUN(a_request_is_seen_as_it_was_sent);
    RUN(a_head_may_come_byte_by_byte);
    RUN(a_client_that_asks_is_told_to_go_on);
    RUN(pipelined_requests_are_answered_in_their_order);
    RUN(what_comes_while_busy_waits_and_moves_nothing);
    RUN(who_pipelines_more_than_is_read_ahead_waits);
    RUN(the_next_request_waits_for_the_answer_before_to_leave);
    RUN(a_chunked_body_may_be_cut_anywhere);
    RUN(a_large_body_arrives_whole_and_may_be_the_largest);
    RUN(a_body_that_cannot_be_read_is_refused_and_let_go);
    RUN(a_refusal_reaches_a_client_that_still_sends);
    RUN(the_memory_of_a_body_is_given_back);
    RUN(a_body_is_released_before_the_answer);
    RUN(a_request_that_memory_refuses_is_let_go);
    RUN(more_than_max_connections_wait_for_a_place);
    RUN(an_address_that_cannot_be_bound_is_said);
    RUN(a_unix_socket_is_private_and_replaces_only_a_dead_one);
    free(big);
    return test_end();
}
