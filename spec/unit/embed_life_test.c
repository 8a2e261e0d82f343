/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the embedding API: engines come and go, several in a process, on the
 * host's loop or their own, and change nothing of the process.
 */
#include "embed_rig.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>

extern char **environ;

static const char *config;      /* the usual one */

/* Open descriptors of this process. */
static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void ask_and_check(leme_engine *e)
{
    struct told t = {0};

    ask(&t, e, "unary", false);
    UNTIL(e, t.ends == 1);
    CHECK(t.status == 200 && t.whole);
}

/* -- what cannot be built ---------------------------------------------------------- */

#define GOOD                                                                   \
    "provider \"openai\" { key = \"sk-0123456789abcdef\" }\n"                   \
    "model \"good\" { \"openai/x\" }\n"

static const struct {
    int line;
    const char *config, *says, *where;
} broken[] = {
    {__LINE__, "model \"m\" { \"nobody/x\" }\n", "nobody", "broken.lua:1"},
    {__LINE__, "\nprovider \"openai\" {\n", "", "broken.lua:"},
    {__LINE__, GOOD "nonsense { }\n", "nonsense", "broken.lua:3"},
    {__LINE__, GOOD "provider \"groq\" { kee = \"x\" }\n", "kee", "broken.lua:3"},
    {__LINE__, "\n", "no model", "broken.lua"},
    {__LINE__, "provider \"openai\" { key = \"sk-0123456789abcdef\" }\n"
               "model \"m\" { policy = \"none.lua\", default_route = "
               "{ \"openai/x\" } }\n", "none.lua",
     "broken.lua:2"},
    {__LINE__, "provider \"openai\" { key = \"sk-0123456789abcdef\" }\n"
               "model \"m\" { policy = \"bad.lua\", default_route = "
               "{ \"openai/x\" } }\n", "boom", "bad.lua:2"},
};

static void what_is_wrong_is_said_with_its_place(void)
{
    write_file("bad.lua", "-- a policy that fails while it loads\nerror(\"boom\")\n");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct leme_engine_options o = {.size = sizeof o};
        struct leme_error error = {.size = sizeof error};
        leme_engine *e = (leme_engine *)&o;

        o.config = write_file("broken.lua", broken[i].config);
        CHECK_ROW(broken[i].line, leme_engine_new(&o, &e, &error) == LEME_BAD_CONFIG);
        CHECK_ROW(broken[i].line, e == NULL && error.code == LEME_BAD_CONFIG);
        if (!strstr(error.message, broken[i].says))
            fprintf(stderr, "%s: %s\n", error.where, error.message);
        CHECK_ROW(broken[i].line, strstr(error.message, broken[i].says));
        CHECK_ROW(broken[i].line, strstr(error.where, broken[i].where));
        CHECK_ROW(broken[i].line, !strstr(error.where, ":0"));
        CHECK_ROW(broken[i].line, leme_engine_new(&o, &e, NULL) == LEME_BAD_CONFIG);
    }
}

static void a_missing_file_or_no_file_is_said(void)
{
    struct leme_engine_options o = {.size = sizeof o};
    struct leme_error error = {.size = sizeof error};
    leme_engine *e;

    CHECK(leme_engine_new(&o, &e, &error) == LEME_USAGE);
    CHECK(e == NULL && error.code == LEME_USAGE && error.message[0]);
    o.config = "/nowhere/leme.lua";
    CHECK(leme_engine_new(&o, &e, &error) == LEME_BAD_CONFIG);
    CHECK(e == NULL && strstr(error.where, "/nowhere/leme.lua"));
    CHECK(strstr(error.message, "No such file"));
}

static void a_path_that_is_no_operation_is_refused(void)
{
    static const char *const paths[] = {"", "/", "/v1/models", "/v1/chat",
                                        "/v1/chat/completions/", "chat/completions"};
    leme_engine *e = engine_on(config, NULL);
    struct leme_request none = {.size = sizeof none};
    struct leme_callbacks nobody = {0};
    uint64_t id;

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct leme_error error = {.size = sizeof error};
        struct told t = {0};

        CHECK_ROW(i, submit(&t, e, paths[i], "{}", NULL, &error) == LEME_REFUSED);
        CHECK_ROW(i, error.code == LEME_REFUSED && strstr(error.message, "path"));
        settle(e);
        CHECK_ROW(i, t.heads + t.ends == 0);
    }
    CHECK(leme_engine_submit(e, &none, &nobody, &id, NULL) == LEME_REFUSED);
    leme_engine_free(e);
}

/* -- many engines -------------------------------------------------------------------- */

static void a_hundred_engines_leave_no_descriptor(void)
{
    unsigned before;

    leme_engine_free(engine_on(config, NULL));
    before = descriptors();
    for (int i = 0; i < 100; i++) {
        leme_engine *e = engine_on(config, NULL);

        if (i % 10 == 0)
            ask_and_check(e);
        leme_engine_free(e);
    }
    CHECK(descriptors() == before);
}

static void a_failed_engine_leaves_no_descriptor(void)
{
    struct leme_engine_options o = {.size = sizeof o, .config = "/nowhere/leme.lua"};
    unsigned before = descriptors();
    leme_engine *e;

    for (int i = 0; i < 20; i++)
        CHECK_ROW(i, leme_engine_new(&o, &e, NULL) < 0);
    CHECK(descriptors() == before);
}

static void two_engines_serve_side_by_side(void)
{
    const char *other = config_with("other.lua", "model \"only\" { \"p/unary\" }\n");
    leme_engine *a = engine_on(config, NULL), *b = engine_on(other, NULL);
    struct told in_a = {0}, in_b = {0}, again = {0};

    ask(&in_a, a, "only", false);
    ask(&in_b, b, "only", false);
    for (int i = 0; i < 5000 && !(in_a.ends && in_b.ends); i++) {
        leme_engine_turn(a, 0);
        leme_engine_turn(b, 1);
    }
    CHECK(in_a.ends == 1 && in_a.status == 404);
    CHECK(in_b.ends == 1 && in_b.status == 200);
    leme_engine_free(a);
    ask(&again, b, "unary", false);
    UNTIL(b, again.ends == 1);
    CHECK(again.status == 200);
    leme_engine_free(b);
}

static void *serve_on_a_thread(void *arg)
{
    for (int i = 0; i < 10; i++) {
        leme_engine *e = engine_on(config, NULL);

        ask_and_check(e);
        leme_engine_free(e);
    }
    return arg;
}

static void engines_of_different_threads_do_not_meet(void)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, serve_on_a_thread, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* -- the host's loop ------------------------------------------------------------------ */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void engines_run_on_the_hosts_loop_and_leave_it_as_it_was(void)
{
    struct event_base *base = event_base_new();
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    struct timeval ms = {0, 1000};
    leme_engine *a = engine_on(config, base), *b = engine_on(config, base);
    struct told t[3] = {0};
    double until = now_ms() + 5000;

    event_add(tick, &ms);
    ask(&t[0], a, "unary", false);
    ask(&t[1], b, "stream", true);
    ask(&t[2], b, "silent", false);
    while (now_ms() < until && !(t[0].ends && t[1].ends))
        event_base_loop(base, EVLOOP_ONCE);
    CHECK(t[0].status == 200 && t[1].status == 200 && t[2].ends == 0);
    leme_engine_free(b);
    CHECK(t[2].ends == 1 && !t[2].whole);
    memset(&t[0], 0, sizeof t[0]);
    ask(&t[0], a, "unary", false);
    while (now_ms() < until && !t[0].ends)
        event_base_loop(base, EVLOOP_ONCE);
    CHECK(t[0].status == 200);
    leme_engine_free(a);
    CHECK(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 1);
    for (int i = 0; i < 3; i++)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(tick);
    event_base_free(base);
}

/* -- the process ------------------------------------------------------------------------ */

struct process {
    struct sigaction actions[65];
    sigset_t blocked;
    char locale[256], cwd[4096];
    char **environ_at;
    size_t environ_sum;
    mode_t mask;
};

static void look(struct process *p)
{
    memset(p, 0, sizeof *p);
    for (int s = 1; s < 65; s++)
        sigaction(s, NULL, &p->actions[s]);
    sigprocmask(SIG_BLOCK, NULL, &p->blocked);
    snprintf(p->locale, sizeof p->locale, "%s", setlocale(LC_ALL, NULL));
    if (!getcwd(p->cwd, sizeof p->cwd))
        abort();
    p->environ_at = environ;
    for (char **v = environ; *v; v++)
        for (const char *c = *v; *c; c++)
            p->environ_sum = p->environ_sum * 31 + (unsigned char)*c;
    p->mask = umask(0);
    umask(p->mask);
}

static void check_same(const struct process *a, const struct process *b)
{
    for (int s = 1; s < 65; s++) {
        CHECK_ROW(s, a->actions[s].sa_handler == b->actions[s].sa_handler);
        CHECK_ROW(s, a->actions[s].sa_flags == b->actions[s].sa_flags);
    }
    CHECK(memcmp(&a->blocked, &b->blocked, sizeof a->blocked) == 0);
    CHECK(strcmp(a->locale, b->locale) == 0 && strcmp(a->cwd, b->cwd) == 0);
    CHECK(a->environ_at == b->environ_at && a->environ_sum == b->environ_sum);
    CHECK(a->mask == b->mask);
}

static void the_process_stays_as_it_was(void)
{
    struct process before, during, after;
    struct told gone = {0};
    leme_engine *e;

    look(&before);
    e = engine_on(config, NULL);
    ask_and_check(e);
    ask(&gone, e, "first", true);
    UNTIL(e, gone.datas > 0);
    leme_engine_reload(e, NULL);
    look(&during);
    leme_engine_free(e);
    look(&after);
    check_same(&before, &during);
    check_same(&before, &after);
}

/* Runs ${f} with both outputs in a file; the bytes that came there. */
static long printed_by(void (*f)(void))
{
    const char *path = write_file("printed", "");
    int out = dup(1), err = dup(2), fd = open(path, O_WRONLY | O_APPEND);
    struct stat st;

    fflush(NULL);
    dup2(fd, 1);
    dup2(fd, 2);
    f();
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    fstat(fd, &st);
    close(fd);
    close(out);
    close(err);
    return (long)st.st_size;
}

static void use_and_misuse(void)
{
    struct leme_engine_options o = {.size = sizeof o};
    leme_engine *e = engine_on(config, NULL);
    struct told t = {0};

    ask_and_check(e);
    ask(&t, e, "cut", true);
    UNTIL(e, t.ends == 1);
    leme_engine_free(e);
    o.config = write_file("broken.lua", "nonsense {}\n");
    leme_engine_new(&o, &e, NULL);
}

static void the_library_prints_nothing(void)
{
    CHECK(printed_by(use_and_misuse) == 0);
}

static char logged[8192];

static void on_log(void *arg, const char *level, const char *text, size_t len)
{
    size_t at = strlen(logged);

    (void)arg;
    snprintf(logged + at, sizeof logged - at, "%s %.*s\n", level, (int)len, text);
}

/* The client itself may send a provider's key, here as its agent. */
static void a_log_line_holds_no_key(void)
{
    struct leme_engine_options o = {.size = sizeof o, .config = config,
                                    .log = on_log};
    leme_engine *e = NULL;
    struct told t = {0};

    logged[0] = '\0';
    CHECK(leme_engine_new(&o, &e, NULL) == LEME_OK);
    CHECK(submit(&t, e, "/v1/chat/completions",
                 "{\"model\":\"unary\",\"messages\":[]}",
                 "user-agent: sk-0123456789abcdef\r\n", NULL) ==
          LEME_OK);
    UNTIL(e, t.ends == 1);
    CHECK(strstr(logged, "\"ua\":\"") && !strstr(logged, "sk-0123456789abcdef"));
    leme_engine_free(e);
}

static void the_log_has_every_finding_of_a_configuration(void)
{
    struct leme_engine_options o = {.size = sizeof o, .log = on_log};
    struct leme_error error = {.size = sizeof error};
    leme_engine *e = NULL;

    o.config = write_file("two.lua", "provider \"openai\" { kee = \"x\" }\n"
                                     "settings { wrokers = 1 }\n");
    logged[0] = '\0';
    CHECK(leme_engine_new(&o, &e, &error) == LEME_BAD_CONFIG);
    CHECK(error.where[0] && error.message[0]);
    CHECK(strstr(logged, "two.lua:1: ") && strstr(logged, "two.lua:2: "));
    CHECK(strstr(logged, "wrokers"));
}

static void the_host_gets_one_log_line_a_request(void)
{
    struct leme_engine_options o = {.size = sizeof o, .config = config,
                                    .log = on_log};
    leme_engine *e = NULL;
    struct told t = {0};

    CHECK(leme_engine_new(&o, &e, NULL) == LEME_OK);
    ask_and_check(e);
    ask(&t, e, "nobody", false);
    UNTIL(e, t.ends == 1);
    leme_engine_free(e);
    CHECK(strstr(logged, "info {\"ts\":\""));
    CHECK(strstr(logged, "\"target\":\"p/unary\""));
    CHECK(strstr(logged, "\"error_type\":\"caller_unknown_model\""));
    CHECK(!strstr(logged, "sk-0123456789abcdef"));
}

static void runaway_policies_are_stopped_with_and_without_a_signal(void)
{
    const char *path;

    write_file("loop.lua",
               "local leme = require \"leme\"\n"
               "return leme.policy { name = \"loop\", route = function()\n"
               "  while true do end\n"
               "end }\n");
    path = config_with("loop_config.lua",
                       "settings { step_limit = 0.005 }\n"
                       "model \"loop\" { policy = \"loop.lua\",\n"
                       "  default_route = { \"p/unary\" } }\n");
    for (int i = 0; i < 2; i++) {
        struct leme_engine_options o = {.size = sizeof o, .config = path,
                                        .kill_signal = i ? SIGRTMIN + 3 : 0};
        struct leme_error error = {.size = sizeof error};
        leme_engine *e = NULL;
        struct told t = {0};

        CHECK_ROW(i, leme_engine_new(&o, &e, &error) == LEME_OK);
        if (!e) {
            fprintf(stderr, "%s: %s\n", error.where, error.message);
            continue;
        }
        ask(&t, e, "loop", false);
        UNTIL(e, t.ends == 1);
        CHECK_ROW(i, t.status == 200 && strstr(t.text, "hello"));
        leme_engine_free(e);
    }
}

static void the_library_says_what_it_is(void)
{
    CHECK(leme_abi() == LEME_ABI);
    CHECK(leme_version()[0] >= '0' && leme_version()[0] <= '9');
    CHECK(strstr(leme_libraries(), "\n"));
    leme_release(NULL);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);       /* as leme.h asks of a host */
    if (!mkdtemp(folder))
        return 1;
    provider_open();
    config = strdup(config_with("leme.lua", ""));
    RUN(what_is_wrong_is_said_with_its_place);
    RUN(a_missing_file_or_no_file_is_said);
    RUN(a_path_that_is_no_operation_is_refused);
    RUN(a_hundred_engines_leave_no_descriptor);
    RUN(a_failed_engine_leaves_no_descriptor);
    RUN(two_engines_serve_side_by_side);
    RUN(engines_of_different_threads_do_not_meet);
    RUN(engines_run_on_the_hosts_loop_and_leave_it_as_it_was);
    RUN(the_process_stays_as_it_was);
    RUN(the_library_prints_nothing);
    RUN(the_host_gets_one_log_line_a_request);
    RUN(a_log_line_holds_no_key);
    RUN(the_log_has_every_finding_of_a_configuration);
    RUN(runaway_policies_are_stopped_with_and_without_a_signal);
    RUN(the_library_says_what_it_is);
    provider_close();
    clean_up();
    free((void *)(uintptr_t)config);
    return test_end();
}
