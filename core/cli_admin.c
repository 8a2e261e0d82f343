/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_admin: what a running server is asked and told.
 */
#include "cli.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024 };

static const char *const formats[] = {"text", "json", NULL};

static const char *address_of(const struct cli_args *args)
{
    const char *given = args->value[CLI_ADMIN];

    if (!given)
        given = getenv("LEME_ADMIN");
    if (given && *given)
        return given;
    return access("leme.sock", F_OK) == 0 ? "unix:./leme.sock"
                                          : "unix:/run/leme/admin.sock";
}

static const char *key_of(const struct cli_args *args)
{
    const char *given = args->value[CLI_KEY];

    if (!given)
        given = getenv("LEME_KEY");
    return given && *given ? given : NULL;
}

/* Data to stdout; a refusal is talk, unless JSON was asked for. */
static void show(const char *body, bool json, bool refused)
{
    FILE *out = refused && !json ? stderr : stdout;
    char *text = NULL;
    size_t size = 0;
    FILE *lines;

    if (json) {
        fprintf(out, "%s%s", body,
                *body && body[strlen(body) - 1] == '\n' ? "" : "\n");
        return;
    }
    lines = open_memstream(&text, &size);
    if (!lines)
        return;
    if (cli_outline(lines, body) && fclose(lines) == 0)
        fwrite(text, 1, size, out);
    else
        fprintf(out, "%s\n", body);
    free(text);
}

/* One call. The exit status; *${body} is the caller's, or NULL. */
static int ask(const struct cli_args *args, const char *method,
               const char *path, const char *request, bool json, char **body)
{
    struct leme_error error = {.size = sizeof error};
    const char *address = address_of(args);
    int status = 0, code;

    *body = NULL;
    code = leme_admin_call(address, key_of(args), method, path, request,
                           &status, body, &error);
    if (code) {
        cli_failed(code, &error);
        if (code == LEME_UNREACHABLE)
            cli_say("asked at %s; --admin or LEME_ADMIN names another address",
                    address);
        return cli_status_of(code);
    }
    if (status >= 200 && status <= 299)
        return CLI_OK;
    show(*body ? *body : "", json, true);
    cli_say("refused (%d)", status);
    leme_release(*body);
    *body = NULL;
    return CLI_REFUSED;
}

/* One call and its answer on the terminal. The exit status. */
static int tell(const struct cli_args *args, const char *path,
                const char *request)
{
    int format = cli_choice(args, CLI_FORMAT, formats, 0), status;
    char *body;

    if (format < 0)
        return CLI_USAGE;
    status = ask(args, "POST", path, request, format == 1, &body);
    if (!status)
        show(body ? body : "", format == 1, false);
    leme_release(body);
    return status;
}

int cli_reload(const struct cli_args *args)
{
    return tell(args, "/v1/reload", "{}");
}

int cli_status(const struct cli_args *args)
{
    int format = cli_choice(args, CLI_FORMAT, formats, 0), status;
    char *process, *targets;

    if (format < 0)
        return CLI_USAGE;
    status = ask(args, "GET", "/v1/status", NULL, format == 1, &process);
    if (status)
        return status;
    status = ask(args, "GET", "/v1/targets", NULL, format == 1, &targets);
    if (!status && format == 1) {
        printf("{\"status\":%s,\"targets\":%s}\n", process, targets);
    } else if (!status) {
        show(process, false, false);
        show(targets, false, false);
    }
    leme_release(process);
    leme_release(targets);
    return status;
}

/* "/v1/targets/" and ${name} with what a path cannot hold as %XX. */
static bool target_path(const char *name, char out[PATH_BYTES])
{
    size_t n = (size_t)snprintf(out, PATH_BYTES, "/v1/targets/");

    for (; *name && n + 4 < PATH_BYTES; name++) {
        if (isalnum((unsigned char)*name) || strchr("-._~/", *name))
            out[n++] = *name;
        else
            n += (size_t)snprintf(out + n, 4, "%%%02X", (unsigned char)*name);
    }
    out[n] = '\0';
    return !*name;
}

/* "90", "90s", "10m", "2h" or "1d" to seconds; -1: none of these. */
static double seconds_of(const char *text)
{
    static const char units[] = "smhd";
    static const double worth[] = {1, 60, 3600, 86400};
    const char *unit;
    char *end;
    double n;

    if (!isdigit((unsigned char)*text))
        return -1;
    n = strtod(text, &end);
    if (!*end)
        return n;
    unit = strchr(units, *end);
    return unit && !end[1] ? n * worth[unit - units] : -1;
}

/* What is asked of the target, as JSON. CLI_OK, or CLI_USAGE after saying why. */
static int request_of(const struct cli_args *args, char *out, size_t size)
{
    const char *text = args->word[2], *span = args->value[CLI_FOR];
    double weight = -1, seconds = span ? seconds_of(span) : 0;
    bool weigh = strcmp(args->word[0], "weight") == 0;
    char *end = NULL;
    size_t n;

    if (seconds < 0 || !isfinite(seconds))
        return cli_wrong(args->command, "--for \"%s\": seconds, or 10m, or 2h",
                         span);
    if (!weigh && text)
        return cli_wrong(args->command, "\"%s\" is one word too many", text);
    if (weigh && text)
        weight = strtod(text, &end);
    if (weigh && (!text || end == text || *end || !(weight >= 0) || weight > 1e6))
        return cli_wrong(args->command, "weight NAME needs a number from 0 to "
                         "1000000");
    if (weigh)
        n = (size_t)snprintf(out, size, "{\"weight\":%.9g", weight);
    else
        n = (size_t)snprintf(out, size, "{\"state\":\"%s\"", args->word[0]);
    if (span)
        n += (size_t)snprintf(out + n, size - n, ",\"for\":%.9g", seconds);
    snprintf(out + n, size - n, "}");
    return CLI_OK;
}

int cli_target(const struct cli_args *args)
{
    static const char *const verbs[] = {"drain", "ready", "maint", "weight",
                                        NULL};
    const char *verb = args->word[0];
    char path[PATH_BYTES], request[128];
    size_t i;

    for (i = 0; verbs[i] && strcmp(verb, verbs[i]) != 0; i++)
        ;
    if (!verbs[i])
        return cli_unknown(args->command, "verb", verb, verbs);
    if (!target_path(args->word[1], path))
        return cli_wrong(args->command, "no target has so long a name");
    if (request_of(args, request, sizeof request))
        return CLI_USAGE;
    return tell(args, path, request);
}
