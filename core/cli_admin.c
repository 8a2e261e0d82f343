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

/* One call and its answer on the terminal. Returns the exit status. */
static int call(const struct cli_args *args, const char *method,
                const char *path, const char *request)
{
    int format = cli_choice(args, CLI_FORMAT, formats, 0), status = 0, code;
    struct leme_error error = {.size = sizeof error};
    const char *address = address_of(args);
    char *body = NULL;
    bool refused;

    if (format < 0)
        return CLI_USAGE;
    code = leme_admin_call(address, key_of(args), method, path, request,
                           &status, &body, &error);
    if (code) {
        cli_failed(code, &error);
        if (code == LEME_UNREACHABLE)
            cli_say("asked at %s; --admin or LEME_ADMIN names another address",
                    address);
        return cli_status_of(code);
    }
    refused = status < 200 || status > 299;
    if (body)
        show(body, format == 1, refused);
    leme_release(body);
    if (refused)
        cli_say("refused (%d)", status);
    return refused ? CLI_REFUSED : CLI_OK;
}

int cli_reload(const struct cli_args *args)
{
    return call(args, "POST", "/v1/reload", "{}");
}

int cli_status(const struct cli_args *args)
{
    int status = call(args, "GET", "/v1/info", NULL);

    return status ? status : call(args, "GET", "/v1/targets", NULL);
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

static int set_weight(const struct cli_args *args, const char *path)
{
    const char *text = args->word[2];
    char request[64], *end = NULL;
    double weight = text ? strtod(text, &end) : -1;

    if (!text || end == text || *end || !isfinite(weight) || weight < 0 ||
        weight > 1e6)
        return cli_wrong(args->command, "weight NAME needs a number from 0 to "
                         "1000000");
    snprintf(request, sizeof request, "{\"weight\":%.9g}", weight);
    return call(args, "POST", path, request);
}

static int set_state(const struct cli_args *args, const char *path,
                     const char *state)
{
    char request[64];

    if (args->words > 2)
        return cli_wrong(args->command, "\"%s\" is one word too many",
                         args->word[2]);
    snprintf(request, sizeof request, "{\"state\":\"%s\"}", state);
    return call(args, "POST", path, request);
}

int cli_target(const struct cli_args *args)
{
    static const char *const verbs[] = {"drain", "ready", "maint", "weight",
                                        NULL};
    const char *verb = args->word[0];
    char path[PATH_BYTES];
    size_t i;

    for (i = 0; verbs[i] && strcmp(verb, verbs[i]) != 0; i++)
        ;
    if (!verbs[i])
        return cli_unknown(args->command, "verb", verb, verbs);
    if (!target_path(args->word[1], path))
        return cli_wrong(args->command, "no target has so long a name");
    return strcmp(verb, "weight") == 0 ? set_weight(args, path)
                                       : set_state(args, path, verb);
}
