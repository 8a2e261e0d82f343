/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_parse: the words behind a command, and the environment, to values.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 48, NAMES_BYTES = 512, LIST = 32 };

/* Steps from one word to another: a byte added, dropped or replaced. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES + 1], i, j, corner, above;
    size_t n = strlen(b);

    for (j = 0; j <= n; j++)
        row[j] = j;
    for (i = 1; a[i - 1]; i++) {
        corner = row[0];
        row[0] = i;
        for (j = 1; j <= n; j++) {
            above = row[j];
            row[j] = corner + (a[i - 1] != b[j - 1]);
            if (above + 1 < row[j])
                row[j] = above + 1;
            if (row[j - 1] + 1 < row[j])
                row[j] = row[j - 1] + 1;
            corner = above;
        }
    }
    return row[n];
}

/* At most half of the word may be wrong, and no more than three bytes. */
static const char *nearest(const char *word, const char *const *names)
{
    size_t len = strlen(word), best = len / 2 + 1, steps;
    const char *near = NULL;

    if (len < 2 || len > NAME_BYTES)
        return NULL;
    for (; *names; names++) {
        if (strncmp(word, *names, len) == 0)
            return *names;
        steps = distance(word, *names);
        if (steps < best && steps <= 3) {
            best = steps;
            near = *names;
        }
    }
    return near;
}

int cli_unknown(const struct cli_command *command, const char *what,
                const char *word, const char *const *names)
{
    const char *near = nearest(word, names);
    char list[NAMES_BYTES] = "";
    size_t n = 0;

    if (near)
        return cli_wrong(command, "%s \"%.*s\" is not known; did you mean "
                         "\"%s\"?", what, NAME_BYTES, word, near);
    for (; *names && n < sizeof list; names++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s",
                              n ? ", " : "", *names);
    return cli_wrong(command, "%s \"%.*s\" is not known; known: %s", what,
                     NAME_BYTES, word, list);
}

int cli_command_unknown(const char *name)
{
    const char *names[LIST];
    size_t n;

    for (n = 0; cli_commands[n].name && n + 1 < LIST; n++)
        names[n] = cli_commands[n].name;
    names[n] = NULL;
    return cli_unknown(NULL, "command", name, names);
}

static int unknown_flag(const struct cli_command *command, const char *text,
                        size_t len)
{
    const struct cli_flag *f;
    const char *names[LIST];
    char word[NAME_BYTES];
    size_t n = 0;

    snprintf(word, sizeof word, "%.*s", (int)(len < NAME_BYTES ? len : NAME_BYTES),
             text);
    for (f = cli_flags; f->name && n + 2 < LIST; f++)
        if (cli_flag_of(f, command))
            names[n++] = f->name;
    names[n++] = "help";
    names[n] = NULL;
    return cli_unknown(command, "flag", word, names);
}

static const struct cli_flag *find(const struct cli_command *command,
                                   const char *name, size_t len)
{
    const struct cli_flag *f;

    for (f = cli_flags; f->name; f++)
        if (strlen(f->name) == len && memcmp(f->name, name, len) == 0 &&
            cli_flag_of(f, command))
            return f;
    return NULL;
}

/* A switch: --name or --no-name. */
static int read_switch(struct cli_args *args, const struct cli_flag *f,
                       const char *equals, bool on)
{
    if (equals)
        return cli_wrong(args->command, "--%s takes no value", f->name);
    args->value[f->id] = on ? "1" : "0";
    return CLI_OK;
}

/* One "--name", "--name=value" or "--name value"; ${next} follows it. */
static int read_flag(struct cli_args *args, const char *text, char ***next)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const struct cli_flag *f = find(args->command, text, len);

    if (!f && len > 3 && strncmp(text, "no-", 3) == 0) {
        f = find(args->command, text + 3, len - 3);
        if (f && !f->takes)
            return read_switch(args, f, equals, false);
        f = NULL;
    }
    if (!f)
        return unknown_flag(args->command, text, len);
    if (!f->takes)
        return read_switch(args, f, equals, true);
    if (args->value[f->id])
        return cli_wrong(args->command, "--%s is given twice", f->name);
    if (!equals && !**next)
        return cli_wrong(args->command, "--%s needs %s", f->name, f->takes);
    args->value[f->id] = equals ? equals + 1 : *(*next)++;
    return CLI_OK;
}

static int read_word(struct cli_args *args, const char *word)
{
    if (args->words == args->command->most)
        return cli_wrong(args->command, "\"%s\" is one word too many", word);
    args->word[args->words++] = word;
    return CLI_OK;
}

static int read_words(struct cli_args *args, char **argv)
{
    bool flags = true;
    const char *text;
    int status = CLI_OK;

    while (*argv && !status && !args->help) {
        text = *argv++;
        if (!flags || text[0] != '-' || !text[1])
            status = read_word(args, text);
        else if (strcmp(text, "--") == 0)
            flags = false;
        else if (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0)
            args->help = true;
        else if (text[1] == '-')
            status = read_flag(args, text + 2, &argv);
        else
            status = cli_wrong(args->command, "no flag %s: flags begin with --",
                               text);
    }
    return status;
}

/* LEME_RUN_LOG_LEVEL for --log-level of run. */
static void variable(const struct cli_command *command,
                     const struct cli_flag *f, char out[2 * NAME_BYTES])
{
    char *p;

    snprintf(out, 2 * NAME_BYTES, "LEME_%s_%s", command->name, f->name);
    for (p = out; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static const char *truth(const char *text)
{
    static const char *const words[] = {"0", "1",  "false", "true",
                                        "no", "yes", "off",   "on"};
    size_t i;

    for (i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0)
            return words[i % 2];
    return NULL;
}

static int read_environment(struct cli_args *args)
{
    char name[2 * NAME_BYTES];
    const struct cli_flag *f;
    const char *value;

    for (f = cli_flags; f->name; f++) {
        if (!cli_flag_of(f, args->command) || args->value[f->id])
            continue;
        variable(args->command, f, name);
        value = getenv(name);
        if (!value || !*value)
            continue;
        if (!f->takes)
            value = truth(value);
        if (!value)
            return cli_wrong(args->command, "%s is neither 1 nor 0", name);
        args->value[f->id] = value;
    }
    return CLI_OK;
}

int cli_parse(const struct cli_command *command, char **argv,
              struct cli_args *args)
{
    int status;

    memset(args, 0, sizeof *args);
    args->command = command;
    status = read_words(args, argv);
    if (status || args->help)
        return status;
    if (args->words < command->least)
        return cli_wrong(command, "it needs %s", command->words);
    return read_environment(args);
}

static const char *name_of(const struct cli_args *args, enum cli_name id)
{
    const struct cli_flag *f;

    for (f = cli_flags; f->name; f++)
        if (f->id == id && cli_flag_of(f, args->command))
            return f->name;
    return "?";
}

int cli_choice(const struct cli_args *args, enum cli_name id,
               const char *const *choices, int otherwise)
{
    const char *value = args->value[id];
    char what[NAME_BYTES];
    int i;

    if (!value)
        return otherwise;
    for (i = 0; choices[i]; i++)
        if (strcmp(value, choices[i]) == 0)
            return i;
    snprintf(what, sizeof what, "--%s", name_of(args, id));
    cli_unknown(args->command, what, value, choices);
    return -1;
}

long cli_count(const struct cli_args *args, enum cli_name id, long max,
               long otherwise)
{
    const char *value = args->value[id];
    char *end;
    long n;

    if (!value)
        return otherwise;
    errno = 0;
    n = strtol(value, &end, 10);
    if (!errno && isdigit((unsigned char)*value) && !*end && n <= max)
        return n;
    cli_wrong(args->command, "--%s \"%s\": a whole number from 0 to %ld",
              name_of(args, id), value, max);
    return -1;
}
