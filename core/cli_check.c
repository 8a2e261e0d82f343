/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_check: "leme check": findings as lines or as JSON.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check {
    const char *spool;      /* the file that stands for stdin, or NULL */
    bool json;
    int counts[3];          /* errors, warnings, notes */
};

static const char *const severities[] = {"error", "warning", "note"};

static const char *const formats[] = {"text", "json", NULL};

static void as_json(const struct check *c, const char *file, int line,
                    const char *severity, const char *message)
{
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
    struct check *c = arg;

    c->counts[severity]++;
    if (c->spool && strcmp(file, c->spool) == 0)
        file = "stdin";
    if (c->json) {
        as_json(c, file, line, severities[severity], message);
        return;
    }
    printf("%s:", file);
    if (line > 0)
        printf("%d:", line);
    printf(" %s%s:%s %s\n",
           cli_colour(stdout, colours[severity]), severities[severity],
           cli_colour(stdout, CLI_PLAIN), message);
}

static void total(const struct check *c)
{
    int errors = c->counts[0], warnings = c->counts[1];

    if (c->json)
        printf("],\"errors\":%d,\"warnings\":%d}\n", errors, warnings);
    else
        printf("%d error%s, %d warning%s\n", errors, errors == 1 ? "" : "s",
               warnings, warnings == 1 ? "" : "s");
}

static int check(const struct cli_args *args, const char *config,
                 struct check *c)
{
    const char *strict = args->value[CLI_STRICT];
    int code;

    if (c->json)
        printf("{\"findings\":[");
    code = leme_check(config, args->value[CLI_LUA_DIR], finding, c);
    total(c);
    if (code < 0) {
        cli_say("the check itself failed (%d)", code);
        return cli_status_of(code);
    }
    if (code || c->counts[0] || (strict && *strict == '1' && c->counts[1]))
        return CLI_REFUSED;
    return CLI_OK;
}

int cli_check(const struct cli_args *args)
{
    const char *config = args->words ? args->word[0] : "leme.lua";
    int format = cli_choice(args, CLI_FORMAT, formats, 0), status;
    struct check c = {.json = format == 1};
    char *spool = NULL;

    if (format < 0)
        return CLI_USAGE;
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
    status = check(args, config, &c);
    if (spool)
        unlink(spool);
    free(spool);
    return status;
}
