/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_file: files that the command line names, and stdin in their place.
 */
#include "cli.h"

#include "env_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

int cli_environment(const char *path)
{
    size_t len;
    char *text = cli_read(path, FILE_BYTES, &len), why[PATH_MAX + 64];
    struct env_file *e;
    int status = CLI_ENVIRONMENT;

    if (!text)
        return CLI_ENVIRONMENT;
    e = env_file_parse(path, text, why, sizeof why);
    if (!e)
        cli_say("%s", why);
    else if (env_file_export(e))
        cli_say("not enough memory");
    else
        status = CLI_OK;
    env_file_free(e);
    return status;
}
