/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a server through its public calls: made, reloaded, drained, freed.
 * A mock of the library plays the provider; the admin socket tells what is.
 */
#include "test.h"

#include "../../core/leme.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char folder[] = "/tmp/leme-daemon-XXXXXX";
static char config_path[64], keys_path[64], admin[64], logged[1 << 16];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct running {
    leme_server *server;
    pthread_t thread;
    int code;
};

static void on_log(void *arg, const char *level, const char *text, size_t len)
{
    size_t have;

    (void)arg;
    pthread_mutex_lock(&lock);
    have = strlen(logged);
    snprintf(logged + have, sizeof logged - have, "%s: %.*s\n", level, (int)len,
             text);
    pthread_mutex_unlock(&lock);
}

static void write_file(const char *name, const char *text)
{
    char path[128], new[160];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(new, sizeof new, "%s.new", path);
    f = fopen(new, "w");
    fputs(text, f);
    fclose(f);
    rename(new, path);
}

static void write_policy(int version)
{
    char text[256];

    snprintf(text, sizeof text, "local leme = require \"leme\" -- %d\n"
             "return leme.policy { name = \"p\", route = function(req) "
             "return req:try \"mock/m\" end }\n", version);
    write_file("p.lua", text);
}

static void write_config(const char *base, const char *more)
{
    char text[1024];

    snprintf(text, sizeof text,
             "listen { \"127.0.0.1:0\" }\nadmin { \"%s\" }\n"
             "provider \"mock\" { base = \"http://%s/v1\" }\n"
             "model \"p\" { policy = \"p.lua\", default_route = { \"mock/m\" } }\n"
             "settings { log = \"/dev/null\", %s }\n", admin, base, more);
    write_file("leme.lua", text);
}

static int make(leme_server **out, struct leme_error *error)
{
    struct leme_server_options o = {.size = sizeof o, .workers = 2,
                                    .config = config_path, .log = on_log};

    error->size = sizeof *error;
    return leme_server_new(&o, out, error);
}

static void *run(void *arg)
{
    struct running *r = arg;

    r->code = leme_server_run(r->server, NULL);
    return NULL;
}

static bool start(struct running *r)
{
    struct leme_error error;

    if (make(&r->server, &error)) {
        fprintf(stderr, "%s %s\n", error.where, error.message);
        return false;
    }
    return pthread_create(&r->thread, NULL, run, r) == 0;
}

static void start_mock(struct running *r, const char *script)
{
    struct leme_error error = {.size = sizeof error};

    if (leme_mock_new("127.0.0.1:0", script, NULL, &r->server, &error))
        fprintf(stderr, "%s %s\n", error.where, error.message);
    pthread_create(&r->thread, NULL, run, r);
}

static int finish(struct running *r)
{
    pthread_join(r->thread, NULL);
    leme_server_free(r->server);
    return r->code;
}

static int stop(struct running *r, enum leme_notice how)
{
    leme_server_notify(r->server, how);
    return finish(r);
}

/* The answer of the admin side; released by the caller. */
static char *ask(const char *method, const char *path, int *status)
{
    struct leme_error error = {.size = sizeof error};
    char *body = NULL;

    if (leme_admin_call(admin, NULL, method, path, NULL, status, &body, &error))
        fprintf(stderr, "%s\n", error.message);
    return body ? body : calloc(1, 1);
}

/* Does the answer say ${text}? */
static bool says(const char *method, const char *path, int want,
                 const char *text)
{
    int status;
    char *body = ask(method, path, &status);
    bool good = status == want && strstr(body, text);

    if (!good)
        fprintf(stderr, "%s %s: %d %s\n", method, path, status, body);
    leme_release(body);
    return good;
}

/* Waits until the status says ${text}. */
static void await(const char *text)
{
    bool there = false;
    int status;

    while (!there) {
        char *body = ask("GET", "/v1/status", &status);

        there = strstr(body, text);
        leme_release(body);
        usleep(2000);
    }
}

/* -- a client ---------------------------------------------------------------- */

static int send_request(const struct running *r, bool stream)
{
    const char *address = leme_server_address(r->server, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    char body[256], text[512];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    snprintf(body, sizeof body, "{\"model\":\"p\",\"stream\":%s,\"messages\":"
             "[{\"role\":\"user\",\"content\":\"Hello\"}]}",
             stream ? "true" : "false");
    snprintf(text, sizeof text, "POST /v1/chat/completions HTTP/1.1\r\n"
             "host: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
             "content-length: %zu\r\n\r\n%s", strlen(body), body);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) ||
        send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        fprintf(stderr, "no connection\n");
    return fd;
}

/* Everything until the end; the caller's until the next call. */
static const char *read_answer(int fd)
{
    static char text[1 << 16];
    size_t have = 0;
    ssize_t n;

    while ((n = recv(fd, text + have, sizeof text - 1 - have, 0)) > 0)
        have += (size_t)n;
    text[have] = '\0';
    close(fd);
    return text;
}

static bool answered(int fd)
{
    return strncmp(read_answer(fd), "HTTP/1.1 200 ", 13) == 0;
}

static int descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* -- promises ------------------------------------------------------------------ */

static void servers_come_and_go_and_leave_nothing(void)
{
    struct leme_error error;
    leme_server *server;
    int before;

    write_policy(0);
    write_config("127.0.0.1:9", "workers = 2");
    before = descriptors();
    for (int i = 0; i < 20; i++) {
        struct running r;

        CHECK(make(&server, &error) == 0);
        leme_server_free(server);
        CHECK(start(&r));
        CHECK(stop(&r, i % 2 ? LEME_STOP : LEME_QUIT) == 0);
    }
    leme_server_free(NULL);
    CHECK(descriptors() == before);
}

static void what_is_wrong_is_refused_with_its_place(void)
{
    struct leme_error error;
    leme_server *server;

    write_file("leme.lua", "listen { \"127.0.0.1:0\" }\nmodel \"p\" { 1 }\n");
    CHECK(make(&server, &error) == LEME_BAD_CONFIG);
    CHECK(server == NULL);
    CHECK(strstr(error.where, "leme.lua:2") != NULL);
    write_config("127.0.0.1:9", "workers = 2");
    write_file("p.lua", "local x = 1\nx.y.z = 2\n");
    CHECK(make(&server, &error) == LEME_BAD_CONFIG);
    CHECK(strcmp(error.where, "p.lua:2") == 0);
    CHECK(strstr(error.message, "p.lua") == NULL);
}

static void a_port_that_is_taken_is_refused(void)
{
    struct leme_server_options o = {.size = sizeof o, .workers = 2,
                                    .config = config_path};
    struct leme_error error = {.size = sizeof error};
    leme_server *first, *second;

    write_policy(0);
    write_config("127.0.0.1:9", "workers = 2");
    CHECK(make(&first, &error) == 0);
    o.listen = leme_server_address(first, 0);
    o.admin = "unix:/tmp/leme-daemon-none";
    CHECK(leme_server_new(&o, &second, &error) == LEME_CANNOT_BIND);
    CHECK(strstr(error.message, o.listen) != NULL);
    leme_server_free(first);
}

static void options_of_another_size_are_understood_or_refused(void)
{
    struct { struct leme_server_options o; int more; } newer;
    struct leme_error error = {.size = sizeof error};
    leme_server *server;

    memset(&newer, 0, sizeof newer);
    newer.o.size = sizeof newer;
    newer.o.config = config_path;
    newer.o.workers = 1;
    CHECK(leme_server_new(&newer.o, &server, &error) == 0);
    leme_server_free(server);
    newer.more = 1;
    CHECK(leme_server_new(&newer.o, &server, &error) == LEME_USAGE);
    newer.o.size = 0;
    CHECK(leme_server_new(&newer.o, &server, &error) == LEME_USAGE);
    CHECK(leme_server_new(NULL, &server, &error) == LEME_USAGE);
}

static void a_reload_says_what_came_of_it(void)
{
    struct running r;

    write_policy(0);
    write_config("127.0.0.1:9", "workers = 2");
    CHECK(start(&r));
    CHECK(says("POST", "/v1/reload", 200, "\"unchanged\""));
    write_policy(1);
    CHECK(says("POST", "/v1/reload", 200, "\"applied\""));
    write_file("p.lua", "this is no Lua");
    CHECK(says("POST", "/v1/reload", 422, "\"where\":\"p.lua:1\""));
    CHECK(says("GET", "/v1/status", 200, "\"rejected\""));
    write_policy(1);
    CHECK(says("POST", "/v1/reload", 200, "\"unchanged\""));
    write_config("127.0.0.1:9", "workers = 3");
    CHECK(says("POST", "/v1/reload", 422, "settings.workers"));
    CHECK(says("GET", "/v1/status", 200, "\"generations\":1,"));
    CHECK(stop(&r, LEME_STOP) == 0);
}

static void requests_finish_on_the_generation_they_began_with(void)
{
    struct running mock, r;
    int fds[7];

    start_mock(&mock, "{\"latency\":0.7}");
    write_policy(0);
    write_config(leme_server_address(mock.server, 0), "workers = 2");
    CHECK(start(&r));
    for (int i = 0; i < 7; i++) {
        char text[32];

        fds[i] = send_request(&r, false);
        snprintf(text, sizeof text, "\"in_flight\":%d,", i + 1);
        await(text);
        write_policy(i + 1);
        CHECK(says("POST", "/v1/reload", 200, "\"applied\""));
    }
    CHECK(says("GET", "/v1/status", 200, "\"generations\":8,"));
    /* The ninth waits for one of them, says so, and is applied. */
    write_policy(8);
    leme_server_notify(r.server, LEME_RELOAD);
    await("\"reload_waits\":true");
    CHECK(says("POST", "/v1/reload", 200, "\"applied\""));
    for (int i = 0; i < 7; i++)
        CHECK(answered(fds[i]));
    await("\"generations\":1,");
    CHECK(stop(&r, LEME_STOP) == 0);
    CHECK(stop(&mock, LEME_QUIT) == 0);
    CHECK(strstr(logged, "8 generations are alive") != NULL);
}

static void a_stop_lets_answers_finish(void)
{
    struct running mock, r;
    int whole, stream;

    start_mock(&mock, "{\"latency\":0.2,\"pace\":0.02}");
    write_policy(0);
    write_config(leme_server_address(mock.server, 0), "workers = 2");
    CHECK(start(&r));
    whole = send_request(&r, false);
    stream = send_request(&r, true);
    await("\"in_flight\":2,");
    leme_server_notify(r.server, LEME_STOP);
    CHECK(answered(whole));
    CHECK(strstr(read_answer(stream), "data: [DONE]") != NULL);
    CHECK(finish(&r) == 0);
    CHECK(stop(&mock, LEME_QUIT) == 0);
}

static void what_outlasts_the_drain_gets_an_error_and_is_told(void)
{
    struct running mock, r;
    int stream, whole;

    start_mock(&mock, "{\"latency\":20}");
    write_policy(0);
    write_config(leme_server_address(mock.server, 0),
                 "workers = 2, drain_timeout = 0.1");
    CHECK(start(&r));
    stream = send_request(&r, true);
    whole = send_request(&r, false);
    await("\"in_flight\":2,");
    leme_server_notify(r.server, LEME_STOP);
    CHECK(strstr(read_answer(stream), "gateway_draining") != NULL);
    CHECK(strstr(read_answer(whole), "gateway_draining") != NULL);
    CHECK(finish(&r) == LEME_CUT);
    CHECK(stop(&mock, LEME_QUIT) == 0);
}

static void a_drained_server_is_not_ready_but_there(void)
{
    struct running r;

    write_policy(0);
    write_config("127.0.0.1:9", "workers = 2");
    CHECK(start(&r));
    CHECK(says("GET", "/readyz", 200, "ok"));
    CHECK(says("POST", "/v1/drain", 200, "draining"));
    CHECK(says("GET", "/readyz", 503, "not ready"));
    CHECK(says("GET", "/livez", 200, "ok"));
    CHECK(stop(&r, LEME_STOP) == 0);
}

static void only_post_changes_anything(void)
{
    struct running r;

    CHECK(start(&r));
    CHECK(says("GET", "/v1/reload", 405, "POST"));
    CHECK(says("GET", "/v1/stop", 405, "POST"));
    CHECK(says("GET", "/v1/drain", 405, "POST"));
    CHECK(says("POST", "/v1/config", 405, "GET"));
    CHECK(says("GET", "/v1/status", 200, "running"));
    CHECK(stop(&r, LEME_STOP) == 0);
}

struct findings {
    int errors, warnings, line;
    char file[256];
};

static void on_finding(void *arg, const char *file, int line, int warning,
                       const char *message)
{
    struct findings *f = arg;

    (void)message;
    f->errors += !warning;
    f->warnings += warning;
    f->line = line;
    snprintf(f->file, sizeof f->file, "%s", file);
}

static void a_check_finds_faults_of_policies_too(void)
{
    struct findings f = {0};

    write_policy(0);
    write_config("127.0.0.1:9", "workers = 2");
    CHECK(leme_check(config_path, NULL, on_finding, &f) == 0);
    CHECK(f.errors == 0);
    write_file("p.lua", "\n\nerror(\"no\")\n");
    CHECK(leme_check(config_path, NULL, on_finding, &f) == 1);
    CHECK(f.line == 3 && strcmp(f.file, "p.lua") == 0);
    CHECK(leme_check(NULL, NULL, on_finding, &f) == LEME_USAGE);
}

struct keys {
    int n, ok;
    char verdict[32], detail[200];
};

static void on_key(void *arg, const struct leme_key *key)
{
    struct keys *k = arg;

    k->n++;
    k->ok += key->ok;
    snprintf(k->verdict, sizeof k->verdict, "%s", key->verdict);
    snprintf(k->detail, sizeof k->detail, "%s", key->detail);
}

static void keys_are_asked_about_and_counted(void)
{
    struct keys k = {0};
    sigset_t before, after;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    write_file("keys.lua", "provider \"a\" { base = \"http://127.0.0.1:1\", "
               "keys = { \"sk-one-0123456789\", \"sk-two-0123456789\" } }\n"
               "provider \"m\" { base = \"http://127.0.0.1:1\", mock = "
               "\"always\" }\n"
               "service \"s\" { base = \"http://127.0.0.1:1\" }\n"
               "model \"m\" { \"a/x\" }\n");
    snprintf(keys_path, sizeof keys_path, "%s/keys.lua", folder);
    CHECK(leme_check_keys(keys_path, NULL, 5, on_key, &k) == 2);
    CHECK(k.n == 3 && k.ok == 1 && strcmp(k.verdict, "mocked") == 0);
    write_file("keys.lua", "provider \"a\" { base = \"http://127.0.0.1:1\", "
               "auth = \"none\" }\nmodel \"m\" { \"a/x\" }\n");
    CHECK(leme_check_keys(keys_path, NULL, 5, on_key, &k) == 1);
    CHECK(strcmp(k.verdict, "unreachable") == 0 && strstr(k.detail, "refused"));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&before, SIGPIPE) == sigismember(&after, SIGPIPE));
    write_file("keys.lua", "nonsense {");
    CHECK(leme_check_keys(keys_path, NULL, 5, on_key, &k) == LEME_BAD_CONFIG);
    CHECK(leme_check_keys(keys_path, NULL, 0, on_key, &k) == LEME_USAGE);
    CHECK(leme_check_keys(NULL, NULL, 5, on_key, &k) == LEME_USAGE);
}

static void nobody_at_the_address_is_told(void)
{
    struct leme_error error = {.size = sizeof error};
    char *body;
    int status;

    CHECK(leme_admin_call(admin, NULL, "GET", "/livez", NULL, &status, &body,
                          &error) == LEME_UNREACHABLE);
    CHECK(strstr(error.message, admin) != NULL);
    CHECK(leme_admin_call("127.0.0.1:1", NULL, "GET", "/livez", NULL, &status,
                          &body, &error) == LEME_UNREACHABLE);
    CHECK(leme_admin_call("nonsense", "a\r\nb", "GET", "/", NULL, &status, &body,
                          &error) == LEME_UNREACHABLE);
}

int main(void)
{
    char command[64];

    /* A promise that is broken shows as waiting for ever. */
    alarm(55);
    if (!mkdtemp(folder))
        return 1;
    snprintf(config_path, sizeof config_path, "%s/leme.lua", folder);
    snprintf(admin, sizeof admin, "unix:%s/admin", folder);
    RUN(servers_come_and_go_and_leave_nothing);
    RUN(what_is_wrong_is_refused_with_its_place);
    RUN(a_port_that_is_taken_is_refused);
    RUN(options_of_another_size_are_understood_or_refused);
    RUN(a_reload_says_what_came_of_it);
    RUN(requests_finish_on_the_generation_they_began_with);
    RUN(a_stop_lets_answers_finish);
    RUN(what_outlasts_the_drain_gets_an_error_and_is_told);
    RUN(a_drained_server_is_not_ready_but_there);
    RUN(only_post_changes_anything);
    RUN(a_check_finds_faults_of_policies_too);
    RUN(keys_are_asked_about_and_counted);
    RUN(nobody_at_the_address_is_told);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) ? 1 : test_end();
}
