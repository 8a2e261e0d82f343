/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_run: "leme run" and "leme mock": a server from its flags to its end.
 */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORKERS_MAX = 256, SCRIPT_BYTES = 1 << 20, MOCK_BYTES = 8192 };

/* --- the way a server goes ------------------------------------------------ */

static void options_begin(const struct cli_args *args, struct cli_log *log,
                          struct leme_server_options *o)
{
    const char *watch = args->value[CLI_WATCH];

    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->lua_dir = args->value[CLI_LUA_DIR];
    o->kill_signal = cli_signals_kill();
    o->watch = watch ? *watch == '1' : -1;
    o->log = cli_log_line;
    o->log_arg = log;
}

static void print_addresses(const leme_server *server)
{
    const char *address;
    unsigned i;

    for (i = 0; (address = leme_server_address(server, i)); i++)
        fprintf(stderr, "listening on %s\n", address);
}

static void log_addresses(const leme_server *server, struct cli_log *log)
{
    struct cli_log always = {.least = 3, .json = log->json};
    const char *address;
    char line[256];
    unsigned i;
    int n;

    for (i = 0; (address = leme_server_address(server, i)); i++) {
        n = snprintf(line, sizeof line, "listening on %s", address);
        if (n > 0 && (size_t)n < sizeof line)
            cli_log_line(&always, "info", line, (size_t)n);
    }
}

/* From a server, or a code that says why there is none, to an exit status. */
static int serve(int code, leme_server *server, struct leme_error *error,
                 struct cli_log *log, void (*greet)(const leme_server *))
{
    int stops;

    if (code)
        return cli_failed(code, error);
    cli_signals_begin(server);
    if (log->json) {
        log_addresses(server, log);
    } else {
        print_addresses(server);
        greet(server);
    }
    code = leme_server_run(server, error);
    stops = cli_signals_end();
    leme_server_free(server);
    if (code == LEME_CUT) {
        cli_say("stopped; streams were cut");
        return stops > 1 ? CLI_USAGE : cli_status_of(code);
    }
    return code ? cli_failed(code, error) : CLI_OK;
}

/* --- run ------------------------------------------------------------------ */

/* Nothing that a shell or JSON would read otherwise. */
static bool plain(const char *text, size_t len)
{
    return len > 0 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789._-/:@+") >= len;
}

/* A call that works when it is pasted into a shell of this machine. */
static void print_call(const char *address, const char *model, int len,
                       bool keyed)
{
    bool any4 = strncmp(address, "0.0.0.0:", 8) == 0;
    bool any6 = strncmp(address, "[::]:", 5) == 0;
    char host[160];

    if (any4 || any6)
        snprintf(host, sizeof host, "%s%s", any4 ? "127.0.0.1" : "[::1]",
                 strrchr(address, ':'));
    else
        snprintf(host, sizeof host, "%s", address);
    fprintf(stderr,
            "\n  curl -sN http://%s/v1/chat/completions %s"
            "-H 'content-type: application/json' \\\n"
            "    -d '{\"model\":\"%.*s\",\"stream\":true,\"messages\":"
            "[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n",
            host,
            keyed ? "-H \"authorization: Bearer $LEME_CLIENT_KEY\" " : "",
            len, model);
    fprintf(stderr,
            "\n  import OpenAI from \"openai\"\n"
            "  const openai = new OpenAI({ baseURL: \"http://%s/v1\", "
            "apiKey: %s })\n"
            "  console.log((await openai.chat.completions.create({ model: "
            "\"%.*s\",\n"
            "    messages: [{ role: \"user\", content: \"Hello\" }] }))"
            ".choices[0].message.content)\n\n",
            host, keyed ? "process.env.LEME_CLIENT_KEY" : "\"none\"", len,
            model);
}

/* Lines "model target note", those of one model together. */
static void print_summary(const char *line)
{
    const char *model = NULL;
    size_t known = 0, name, len;

    for (; *line; line += len + (line[len] == '\n')) {
        len = strcspn(line, "\n");
        name = strcspn(line, " \n");
        if (!model || name != known || memcmp(model, line, name) != 0)
            fprintf(stderr, "%s  %.*s:", model ? "\n" : "", (int)name, line);
        else
            fputc(',', stderr);
        fprintf(stderr, "%.*s", (int)(len - name), line + name);
        model = line;
        known = name;
    }
    if (model)
        fputc('\n', stderr);
}

static void greet_run(const leme_server *server)
{
    const char *summary = leme_server_summary(server);
    const char *address = leme_server_address(server, 0);
    size_t len;

    if (!summary)
        return;
    print_summary(summary);
    len = strcspn(summary, " \n");
    if (address && strncmp(address, "unix:", 5) != 0 && plain(summary, len))
        print_call(address, summary, (int)len,
                   leme_server_needs_key(server));
}

/* A file is the server's, who reads it at each reload; a pipe has its variables
 * only once. */
static int take_variables(const char *path, struct leme_server_options *options)
{
    struct stat st;

    if (!path)
        return CLI_OK;
    if (strcmp(path, "-") == 0 || (!stat(path, &st) && !S_ISREG(st.st_mode)))
        return cli_environment(path);
    options->env_file = path;
    return CLI_OK;
}

int cli_run(const struct cli_args *args)
{
    const char *config = args->words ? args->word[0] : "leme.lua";
    long workers = cli_count(args, CLI_WORKERS, WORKERS_MAX, 0);
    struct leme_error error = {.size = sizeof error};
    struct leme_server_options options;
    leme_server *server = NULL;
    struct cli_log log;
    int status;

    if (workers < 0 || cli_log_begin(args, &log))
        return CLI_USAGE;
    if (strcmp(config, "-") == 0)
        return cli_wrong(args->command, "CONFIG is read again at every reload: "
                         "name a file (leme check takes - for stdin)");
    if (!args->words && access(config, F_OK))
        return cli_wrong(args->command, "there is no leme.lua here: name a "
                         "configuration, or go where it is");
    options_begin(args, &log, &options);
    status = take_variables(args->value[CLI_ENV_FILE], &options);
    if (status)
        return status;
    options.workers = (uint32_t)workers;
    options.config = config;
    options.listen = args->value[CLI_LISTEN];
    options.admin = args->value[CLI_ADMIN];
    cli_signals_hold();
    status = leme_server_new(&options, &server, &error);
    return serve(status, server, &error, &log, greet_run);
}

/* --- mock ----------------------------------------------------------------- */

/* "0.5", or "0.1-0.5" as a range; neither below 0 nor above ${max}. */
static bool read_numbers(const char *text, double max, double out[2], int *n)
{
    char *end;

    for (*n = 0; *n < 2; text = end + 1) {
        if (strchr("+-", *text))
            return false;
        out[*n] = strtod(text, &end);
        if (end == text || !isfinite(out[*n]) || out[*n] > max)
            return false;
        ++*n;
        if (*end != '-')
            return !*end && (*n == 1 || out[0] <= out[1]);
    }
    return false;
}

struct mock_key {
    enum cli_name id;
    const char *key;
    double max;
    int most;               /* numbers: 2 allows a range */
    const char *expected;
};

static const struct mock_key mock_keys[] = {
    {CLI_LATENCY, "latency", 3600, 2, "seconds, or a range 0.1-0.5"},
    {CLI_PACE, "pace", 3600, 2, "seconds, or a range 0.01-0.05"},
    {CLI_ERROR_RATE, "error_rate", 1, 1, "a share from 0 to 1"},
    {CLI_STATUS, "status", 599, 1, "an HTTP status from 400 to 599"},
    {CLI_RETRY_AFTER, "retry_after", 86400, 1, "seconds"},
    {CLI_CUT_AFTER, "cut_after", 1e6, 1, "a number of events"},
};

static int add_key(const struct cli_args *args, const struct mock_key *k,
                   FILE *out, bool first)
{
    const char *value = args->value[k->id];
    bool whole = k->id == CLI_STATUS || k->id == CLI_CUT_AFTER;
    double v[2];
    int n;

    if (!read_numbers(value, k->max, v, &n) || n > k->most ||
        (whole && v[0] != floor(v[0])) ||
        (k->id == CLI_STATUS && v[0] < 400))
        return cli_wrong(args->command, "\"%s\": %s is %s", value, k->key,
                         k->expected);
    fprintf(out, "%s\"%s\":", first ? "" : ",", k->key);
    if (n == 2)
        fprintf(out, "[%.9g,%.9g]", v[0], v[1]);
    else
        fprintf(out, "%.9g", v[0]);
    return CLI_OK;
}

static void add_text(FILE *out, const char *key, const char *value, bool first)
{
    fprintf(out, "%s\"%s\":\"", first ? "" : ",", key);
    for (; *value; value++)
        if ((unsigned char)*value < 0x20 || strchr("\"\\", *value))
            fprintf(out, "\\u%04x", (unsigned char)*value);
        else
            fputc(*value, out);
    fputc('"', out);
}

/* The flags as the options of lua/leme/mock.lua. 0, or the exit status after
 * saying why. */
static int mock_flags(const struct cli_args *args, char *text, int *given)
{
    static const struct { enum cli_name id; const char *key; } texts[] = {
        {CLI_FORMAT, "format"}, {CLI_RECORDINGS, "recordings"}};
    FILE *out = fmemopen(text, MOCK_BYTES, "w");
    int status = CLI_OK;
    size_t i;

    if (!out) {
        cli_say("not enough memory");
        return CLI_ENVIRONMENT;
    }
    fputc('{', out);
    for (i = 0; i < sizeof mock_keys / sizeof *mock_keys && !status; i++)
        if (args->value[mock_keys[i].id])
            status = add_key(args, &mock_keys[i], out, !(*given)++);
    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        if (args->value[texts[i].id])
            add_text(out, texts[i].key, args->value[texts[i].id], !(*given)++);
    fputc('}', out);
    if (fclose(out) && !status)
        status = cli_wrong(args->command, "the flags are too long: use --script");
    return status;
}

/* *${out} is the caller's. 0, or the exit status after saying why. */
static int mock_script(const struct cli_args *args, char **out)
{
    const char *file = args->value[CLI_SCRIPT];
    char text[MOCK_BYTES] = "";
    int given = 0, status = mock_flags(args, text, &given);
    size_t len;

    if (status)
        return status;
    if (file && given)
        return cli_wrong(args->command, "--script says everything: no other "
                         "flag for answers goes with it");
    *out = file ? cli_read(file, SCRIPT_BYTES, &len) : strdup(text);
    return *out ? CLI_OK : CLI_ENVIRONMENT;
}

static void greet_mock(const leme_server *server)
{
    const char *address = leme_server_address(server, 0);

    if (address && strncmp(address, "unix:", 5) != 0)
        fprintf(stderr, "  provider \"mock\" { base = \"http://%s/v1\", "
                "auth = \"none\" }\n", address);
}

int cli_mock(const struct cli_args *args)
{
    const char *listen = args->value[CLI_LISTEN];
    struct leme_error error = {.size = sizeof error};
    struct leme_server_options options;
    leme_server *server = NULL;
    char *script = NULL;
    struct cli_log log;
    int code;

    if (cli_log_begin(args, &log))
        return CLI_USAGE;
    code = mock_script(args, &script);
    if (code)
        return code;
    options_begin(args, &log, &options);
    cli_signals_hold();
    code = leme_mock_new(listen ? listen : "127.0.0.1:9000", script, &options,
                         &server, &error);
    free(script);
    return serve(code, server, &error, &log, greet_mock);
}
