/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_log: a server's lines on stderr, as text or JSON, one write a line.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};

int cli_log_begin(const struct cli_args *args, struct cli_log *log)
{
    int format = cli_choice(args, CLI_LOG_FORMAT, formats, 0);

    /* The server itself drops what its configuration does not want. */
    log->least = cli_choice(args, CLI_LOG_LEVEL, levels, 3);
    log->json = format == 1;
    return log->least < 0 || format < 0 ? CLI_USAGE : CLI_OK;
}

static int rank(const char *level)
{
    int i;

    for (i = 0; levels[i]; i++)
        if (strcmp(level, levels[i]) == 0)
            return i;
    return 0;
}

static void stamp(char out[40])
{
    struct timespec now;
    struct tm tm;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%03ldZ", now.tv_nsec / 1000000);
}

static void line_text(FILE *out, const char *level, const char *text, size_t len)
{
    static const enum cli_colour colours[] = {CLI_RED, CLI_YELLOW, CLI_GREEN,
                                              CLI_DIM};
    char when[40];

    stamp(when);
    fprintf(out, "%s %s%-5s%s ", when, cli_colour(stderr, colours[rank(level)]),
            level, cli_colour(stderr, CLI_PLAIN));
    fwrite(text, 1, len, out);
    fputc('\n', out);
}

static void line_json(FILE *out, const char *level, const char *text, size_t len)
{
    char when[40];

    stamp(when);
    fprintf(out, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":", when, level);
    cli_json(out, text, len);
    fputs("}\n", out);
}

/* Lines of several threads do not mix: each is one write. */
static void put(const char *bytes, size_t len)
{
    ssize_t n;

    while (len > 0) {
        n = write(STDERR_FILENO, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

void cli_log_line(void *arg, const char *level, const char *text, size_t len)
{
    const struct cli_log *log = arg;
    char *line = NULL;
    size_t size = 0;
    FILE *out;

    if (rank(level) > log->least)
        return;
    out = open_memstream(&line, &size);
    if (!out)
        return;
    while (len && text[len - 1] == '\n')
        len--;
    if (log->json)
        line_json(out, level, text, len);
    else
        line_text(out, level, text, len);
    if (fclose(out) == 0)
        put(line, size);
    free(line);
}
