/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_online: "leme check --online": a line for each key.
 */
#include "cli.h"

#include <string.h>

struct online {
    struct cli_findings *found;
    int keys;
};

static void member(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    cli_json(stdout, text, strlen(text));
}

/* Sentences with LF between them, as a list. */
static void list(const char *name, const char *lines)
{
    const char *comma = "";

    printf(",\"%s\":[", name);
    for (; *lines; lines += strcspn(lines, "\n"), lines += *lines == '\n') {
        fputs(comma, stdout);
        cli_json(stdout, lines, strcspn(lines, "\n"));
        comma = ",";
    }
    putchar(']');
}

static void as_json(const struct online *o, const struct leme_key *k)
{
    const char *file = k->file;

    if (o->found->spool && strcmp(file, o->found->spool) == 0)
        file = "stdin";
    printf("%s{\"file\":", o->keys > 1 ? "," : "");
    cli_json(stdout, file, strlen(file));
    printf(",\"line\":%d", k->line);
    member("provider", k->provider);
    member("key", k->key);
    member("hint", k->hint);
    member("verdict", k->verdict);
    printf(",\"ok\":%s,\"status\":%d,\"seconds\":%.3f", k->ok ? "true" : "false",
           k->status, k->seconds);
    member("detail", k->detail);
    list("missing", k->missing);
    putchar('}');
}

static void print_who(const struct leme_key *k)
{
    printf("%s", k->provider);
    if (k->key[0])
        printf(", key \"%s\"", k->key);
    if (k->hint[0])
        printf(" (%s)", k->hint);
}

static void as_text(const struct online *o, const struct leme_key *k)
{
    const char *line;

    cli_finding(o->found, k->file, k->line, k->ok ? CLI_GREEN : CLI_RED,
                k->ok ? "ok" : "error");
    print_who(k);
    printf(": %s", k->verdict);
    if (k->status && !k->ok)
        printf(" (%d)", k->status);
    if (k->seconds > 0)
        printf(" after %.2f s", k->seconds);
    printf(": %s\n", k->detail);
    for (line = k->missing; *line; line += *line == '\n') {
        cli_finding(o->found, k->file, k->line, CLI_YELLOW, "warning");
        print_who(k);
        printf(": %.*s\n", (int)strcspn(line, "\n"), line);
        line += strcspn(line, "\n");
    }
}

static int count_lines(const char *text)
{
    int n = *text != '\0';

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void on_key(void *arg, const struct leme_key *k)
{
    struct online *o = arg;

    o->keys++;
    o->found->counts[0] += !k->ok;
    o->found->counts[1] += count_lines(k->missing);
    if (o->found->json)
        as_json(o, k);
    else
        as_text(o, k);
}

int cli_online(const char *config, const char *lua_dir, long seconds,
               struct cli_findings *found)
{
    struct online o = {.found = found};
    int code;

    if (found->json)
        printf("\"keys\":[");
    code = leme_check_keys(config, lua_dir, (double)seconds, on_key, &o);
    if (found->json)
        printf("],");
    return code < 0 ? code : 0;
}
