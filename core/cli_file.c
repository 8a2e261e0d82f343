/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_file: files that the command line names, and stdin in their place.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 4096, FILE_BYTES = 4 << 20 };

/* Everything ${f} has, NUL-terminated; NULL with errno. */
static char *slurp(FILE *f, size_t max, size_t *len)
{
    char *text = NULL, *more;
    size_t size = 0, got;

    *len = 0;
    do {
        if (size - *len < CHUNK + 1) {
            size = 2 * size + 2 * CHUNK;
            more = realloc(text, size);
            if (!more)
                goto err;
            text = more;
        }
        got = fread(text + *len, 1, CHUNK, f);
        *len += got;
        if (*len > max) {
            errno = EFBIG;
            goto err;
        }
    } while (got > 0);
    if (ferror(f))
        goto err;
    text[*len] = '\0';
    return text;
err:
    free(text);
    return NULL;
}

char *cli_read(const char *path, size_t max, size_t *len)
{
    bool piped = strcmp(path, "-") == 0;
    FILE *f = piped ? stdin : fopen(path, "re");
    char *text = f ? slurp(f, max, len) : NULL;

    if (!text)
        cli_say("%s: %s", piped ? "stdin" : path, strerror(errno));
    if (f && !piped)
        fclose(f);
    return text;
}

static int write_all(int fd, const char *text, size_t len)
{
    ssize_t n;

    for (; len > 0; text += n, len -= (size_t)n) {
        n = write(fd, text, len);
        if (n < 0)
            return -1;
    }
    return 0;
}

/* Policies are named relative to the configuration, so it lies where we are. */
char *cli_spool(void)
{
    size_t len, i = 0;
    char *text = cli_read("-", FILE_BYTES, &len), *name;
    bool json;
    int fd;

    if (!text)
        return NULL;
    while (isspace((unsigned char)text[i]))
        i++;
    json = text[i] == '{';
    name = strdup(json ? ".leme-stdin-XXXXXX.json" : ".leme-stdin-XXXXXX.lua");
    fd = name ? mkostemps(name, json ? 5 : 4, O_CLOEXEC) : -1;
    if (fd >= 0 && write_all(fd, text, len) == 0 && close(fd) == 0) {
        free(text);
        return name;
    }
    cli_say("stdin cannot be kept beside its policies: %s", strerror(errno));
    if (fd >= 0)
        unlink(name);
    free(name);
    free(text);
    return NULL;
}

/* Ends ${s} before the blanks at its end. */
static void trim(char *s)
{
    size_t n = strlen(s);

    while (n && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
}

static bool name_ok(const char *name)
{
    const char *p;

    if (!*name || isdigit((unsigned char)*name))
        return false;
    for (p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
    return true;
}

/* One line; -1 when it is none. The value may hold a key: it is never shown. */
static int set_line(char *line)
{
    char *value, quote;
    size_t n;

    line += strspn(line, " \t");
    trim(line);
    if (!*line || *line == '#')
        return 0;
    if (strncmp(line, "export ", 7) == 0)
        line += 7 + strspn(line + 7, " \t");
    value = strchr(line, '=');
    if (!value)
        return -1;
    *value++ = '\0';
    if (!name_ok(line))
        return -1;
    n = strlen(value);
    quote = value[0];
    if (n > 1 && (quote == '"' || quote == '\'') && value[n - 1] == quote) {
        value[n - 1] = '\0';
        value++;
    }
    return setenv(line, value, 0);
}

int cli_environment(const char *path)
{
    size_t len;
    char *text = cli_read(path, FILE_BYTES, &len), *line, *next;
    int number = 1, status = CLI_OK;

    if (!text)
        return CLI_ENVIRONMENT;
    for (line = text; line && !status; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (set_line(line)) {
            cli_say("%s:%d: expected NAME=value", path, number);
            status = CLI_ENVIRONMENT;
        }
    }
    memset(text, 0, len);
    free(text);
    return status;
}
