/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_check: "leme check": findings as lines or as JSON.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS_MAX = 600, SECONDS_USUAL = 10 };

static const char *const severities[] = {"error", "warning", "note"};

static const char *const formats[] = {"text", "json", NULL};

static void as_json(const struct cli_findings *c, const char *file, int line,
                    const char *severity, const char *message)
{
    if (c->spool && strcmp(file, c->spool) == 0)
        file = "stdin";
    printf("%s{\"file\":",
           c->counts[0] + c->counts[1] + c->counts[2] > 1 ? "," : "");
    cli_json(stdout, file, strlen(file));
    printf(",\"line\":%d,\"severity\":\"%s\",\"message\":", line, severity);
    cli_json(stdout, message, strlen(message));
    putchar('}');
}

static void finding(void *arg, const char *file, int line, int severity,
                    const char *message)
{
    static const enum cli_colour colours[] = {CLI_RED, CLI_YELLOW, CLI_DIM};
    struct cli_findings *c = arg;

    c->counts[severity]++;
    if (c->json) {
        as_json(c, file, line, severities[severity], message);
        return;
    }
    cli_finding(c, file, line, colours[severity], severities[severity]);
    printf("%s\n", message);
}

void cli_finding(const struct cli_findings *c, const char *file, int line,
                 enum cli_colour colour, const char *word)
{
    printf("%s:", c->spool && strcmp(file, c->spool) == 0 ? "stdin" : file);
    if (line > 0)
        printf("%d:", line);
    printf(" %s%s:%s ", cli_colour(stdout, colour), word,
           cli_colour(stdout, CLI_PLAIN));
}

static void total(const struct cli_findings *c)
{
    int errors = c->counts[0], warnings = c->counts[1];

    if (c->json)
        printf("\"errors\":%d,\"warnings\":%d}\n", errors, warnings);
    else
        printf("%d error%s, %d warning%s\n", errors, errors == 1 ? "" : "s",
               warnings, warnings == 1 ? "" : "s");
}

static bool on(const struct cli_args *args, enum cli_name id)
{
    return args->value[id] && *args->value[id] == '1';
}

/* ${seconds}: to wait for the providers; 0 asks nobody. */
static int check(const struct cli_args *args, const char *config, long seconds,
                 struct cli_findings *c)
{
    const char *lua_dir = args->value[CLI_LUA_DIR];
    int code;

    if (c->json)
        printf("{\"findings\":[");
    code = leme_check(config, lua_dir, finding, c);
    if (c->json)
        printf("],");
    if (code == 0 && seconds)
        code = cli_online(config, lua_dir, seconds, c);
    else if (seconds)
        cli_say("no provider was asked: what is wrong comes first");
    total(c);
    if (code < 0) {
        cli_say("the check itself failed (%d)", code);
        return cli_status_of(code);
    }
    if (code || c->counts[0] || (on(args, CLI_STRICT) && c->counts[1]))
        return CLI_REFUSED;
    return CLI_OK;
}

int cli_check(const struct cli_args *args)
{
    const char *config = args->words ? args->word[0] : "leme.lua";
    int format = cli_choice(args, CLI_FORMAT, formats, 0), status;
    long seconds = cli_count(args, CLI_TIMEOUT, SECONDS_MAX, SECONDS_USUAL);
    struct cli_findings c = {.json = format == 1};
    char *spool = NULL;

    if (format < 0 || seconds < 0)
        return CLI_USAGE;
    if (args->value[CLI_TIMEOUT] && (seconds == 0 || !on(args, CLI_ONLINE)))
        return cli_wrong(args->command, "--timeout is for --online, and 1 second "
                         "or more");
    if (args->value[CLI_ENV_FILE]) {
        if (strcmp(config, "-") == 0 &&
            strcmp(args->value[CLI_ENV_FILE], "-") == 0)
            return cli_wrong(args->command, "stdin cannot be two files");
        status = cli_environment(args->value[CLI_ENV_FILE]);
        if (status)
            return status;
    }
    if (!args->words && access(config, F_OK))
        return cli_wrong(args->command, "there is no leme.lua here: name the "
                         "file to check");
    if (strcmp(config, "-") == 0) {
        config = spool = cli_spool();
        if (!spool)
            return CLI_ENVIRONMENT;
        c.spool = spool;
    }
    status = check(args, config, on(args, CLI_ONLINE) ? seconds : 0, &c);
    if (spool)
        unlink(spool);
    free(spool);
    return status;
}
