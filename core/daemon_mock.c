/* SPDX-License-Identifier: Apache-2.0
 *
 * The mock provider is a server like any other, with lua/leme/mock.lua for
 * its policy and a configuration made here. A gateway whose providers are mocked
 * runs one of its own on a loopback port, in a thread.
 */
#include "daemon_impl.h"

#include "buf.h"
#include "config.h"
#include "json.h"
#include "thread.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- a JSON object as a Lua table --------------------------------------------------- */

static int add_value(struct buf *b, struct json_view v, unsigned depth);

/* ${text}: a JSON string with its quotes. */
static int add_string(struct buf *b, const char *text, size_t len)
{
    char *plain = malloc(len + 1);
    size_t n = plain ? json_view_string(json_view(text, len), plain, len + 1) : 0;
    int bad = !plain || buf_addc(b, '"');

    for (size_t i = 0; i < n && !bad; i++)
        bad = buf_addf(b, "\\%03d", (unsigned char)plain[i]);
    free(plain);
    return bad || buf_addc(b, '"');
}

static int add_table(struct buf *b, struct json_view v, unsigned depth)
{
    struct json_walk w;
    int bad = buf_addc(b, '{');

    json_walk_start(&w, v.at, v.len);
    while (!bad && json_walk_next(&w)) {
        if (w.key)
            bad = buf_addc(b, '[') || add_string(b, w.key - 1, w.key_len + 2) ||
                  buf_adds(b, "]=");
        bad = bad || add_value(b, w.value, depth - 1) || buf_addc(b, ',');
    }
    return bad || buf_addc(b, '}');
}

static int add_value(struct buf *b, struct json_view v, unsigned depth)
{
    switch (depth ? json_view_kind(v) : JSON_NULL) {
    case JSON_STRING:
        return add_string(b, v.at, v.len);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return add_table(b, v, depth);
    case JSON_NULL:
        return buf_adds(b, "nil");
    default:
        return buf_add(b, v.at, v.len);
    }
}

/* -- a server that is a provider ------------------------------------------------------ */

/* Its default route leads nowhere: a mock whose policy fails answers 502. */
static int write_config(struct buf *b, const char *script)
{
    return buf_adds(b, "provider \"nowhere\" { base = \"http://127.0.0.1:9\" }\n"
                       /* Prompts of any size are for it to read. */
                       "settings { workers = 1, step_limit = 10,\n"
                       "  lua_request_max = 400000000, lua_state_max = 600000000 }\n"
                       "model \"*\" { policy = \"@leme.mock\", "
                       "default_route = { \"nowhere/none\" }, knobs = ") ||
           add_value(b, json_view(script, strlen(script)), CEIL_JSON_DEPTH) ||
           buf_adds(b, " }\n") || buf_addc(b, '\0');
}

int leme_mock_new(const char *listen, const char *script,
                  const struct leme_server_options *options, leme_server **out,
                  struct leme_error *error)
{
    struct leme_server_options own = {.size = sizeof own, .watch = 0};
    struct json_fault fault;
    struct buf text;
    int code;

    if (!script)
        script = "{}";
    if (json_check(script, strlen(script), CEIL_JSON_DEPTH, &fault) ||
        json_view_kind(json_view(script, strlen(script))) != JSON_OBJECT)
        return daemon_fail(error, LEME_USAGE, "", "the script of a mock must "
                           "be a JSON object");
    if (options) {
        own.lua_dir = options->lua_dir;
        own.kill_signal = options->kill_signal;
        own.log = options->log;
        own.log_arg = options->log_arg;
    }
    own.workers = options && options->workers ? options->workers : 1;
    own.listen = listen;
    buf_init(&text, CEIL_POLICY_FILE);
    code = write_config(&text, script)
               ? daemon_fail(error, LEME_USAGE, "", "the script is too large")
               : daemon_new(&own, text.data, out, error);
    buf_free(&text);
    return code;
}

/* -- the one of a gateway ----------------------------------------------------------------- */

static void *run_mock(void *arg)
{
    leme_server_run(arg, NULL);
    return NULL;
}

static int mock_failed(struct daemon_fault *fault, const char *why)
{
    fault->code = LEME_CANNOT_BIND;
    snprintf(fault->message, sizeof fault->message, "the mock provider: %s", why);
    return -1;
}

static int start_mock(struct leme_server *s, struct daemon_fault *fault)
{
    struct leme_server_options own = {.size = sizeof own,
                                      .lua_dir = s->options.lua_dir,
                                      .kill_signal = s->options.kill_signal};
    struct leme_error error = {.size = sizeof error};
    struct leme_server *mock;
    int code = leme_mock_new("127.0.0.1:0", NULL, &own, &mock, &error);

    if (code) {
        fault->code = code;
        snprintf(fault->message, sizeof fault->message,
                 "the mock provider: %s", error.message);
        snprintf(fault->where, sizeof fault->where, "%s", error.where);
        return -1;
    }
    if (thread_start(&s->mock_thread, run_mock, mock, s->options.kill_signal)) {
        leme_server_free(mock);
        return mock_failed(fault, "no thread can be started");
    }
    s->mock = mock;
    return 0;
}

static struct mock_base *keep_base(struct leme_server *s, const char *text,
                                   size_t size)
{
    struct mock_base *b = malloc(offsetof(struct mock_base, text) + size);

    if (!b)
        return NULL;
    memcpy(b->text, text, size);
    b->next = s->mock_bases;
    s->mock_bases = b;
    return b;
}

/* The address at which the mock speaks ${dialect}: kept as long as the mock,
 * since configurations of several generations name it. NULL: no memory. */
static char *mock_base(struct leme_server *s, const char *dialect)
{
    const char *at = leme_server_address(s->mock, 0);
    size_t size = strlen("http:////v1") + strlen(at) + strlen(dialect) + 1;
    char *text = malloc(size);
    struct mock_base *b = s->mock_bases;

    if (!text)
        return NULL;
    snprintf(text, size, "http://%s/%s/v1", at, dialect);
    while (b && strcmp(b->text, text) != 0)
        b = b->next;
    if (!b)
        b = keep_base(s, text, size);
    free(text);
    return b ? b->text : NULL;
}

int daemon_mock(struct leme_server *s, struct config *c,
                struct daemon_fault *fault)
{
    for (size_t i = 0; i < c->nproviders; i++) {
        struct provider *p = &c->providers[i];

        if (!p->mocked)
            continue;
        if (!s->mock && start_mock(s, fault))
            return -1;
        p->base = mock_base(s, p->service ? "service" : p->dialect);
        if (!p->base)
            return mock_failed(fault, "not enough memory");
        p->path = p->proxy = p->ca_file = NULL;
    }
    return 0;
}

void daemon_mock_free(struct leme_server *s)
{
    if (!s->mock)
        return;
    leme_server_notify(s->mock, LEME_QUIT);
    pthread_join(s->mock_thread, NULL);
    leme_server_free(s->mock);
    s->mock = NULL;
    for (struct mock_base *b = s->mock_bases, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    s->mock_bases = NULL;
}
