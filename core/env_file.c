/* SPDX-License-Identifier: Apache-2.0 */
#include "env_file.h"

#include "ceilings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (4 * MIB)

struct variable {
    const char *name, *value;
};

struct env_file {
    char *text;             /* what the variables point into */
    size_t bytes, n;
    struct variable all[];
};

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

/* The variable of one line; its name is NULL when the line has none. -1 when it
 * is neither a variable nor to be skipped. */
static int read_line(char *line, struct variable *v)
{
    char *value, quote;
    size_t n;

    v->name = NULL;
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
    v->name = line;
    v->value = value;
    return 0;
}

static size_t count_lines(const char *text)
{
    size_t n = 1;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

struct env_file *env_file_parse(const char *name, char *text, char *why,
                                size_t why_size)
{
    size_t lines = count_lines(text);
    struct env_file *e = malloc(sizeof *e + lines * sizeof *e->all);
    char *line, *next;
    int number = 1;

    if (!e) {
        snprintf(why, why_size, "%s: not enough memory", name);
        free(text);
        return NULL;
    }
    e->text = text;
    e->bytes = strlen(text);
    e->n = 0;
    for (line = text; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (read_line(line, &e->all[e->n])) {
            snprintf(why, why_size, "%s:%d: expected NAME=value", name, number);
            env_file_free(e);
            return NULL;
        }
        e->n += e->all[e->n].name != NULL;
    }
    return e;
}

/* The whole of a plain file, NUL-terminated; NULL with errno. */
static char *content(int fd)
{
    struct stat st;
    char *text;
    ssize_t n;

    if (fstat(fd, &st))
        return NULL;
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_BYTES) {
        errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        return NULL;
    }
    text = malloc((size_t)st.st_size + 1);
    n = text ? read(fd, text, (size_t)st.st_size) : -1;
    if (n >= 0 && memchr(text, '\0', (size_t)n)) {
        errno = EINVAL;
        n = -1;
    }
    if (n < 0) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

struct env_file *env_file_read(const char *path, char *why, size_t why_size)
{
    /* Not blocking: a pipe without a writer must not stop a reload. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd < 0 ? NULL : content(fd);

    if (!text)
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return text ? env_file_parse(path, text, why, why_size) : NULL;
}

const char *env_file_get(const struct env_file *e, const char *name)
{
    const char *value = getenv(name);

    /* Of several the first, as if each were put into the environment in turn. */
    for (size_t i = 0; !value && i < e->n; i++)
        if (strcmp(e->all[i].name, name) == 0)
            value = e->all[i].value;
    return value;
}

int env_file_export(const struct env_file *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (setenv(e->all[i].name, e->all[i].value, 0))
            return -1;
    return 0;
}

void env_file_free(struct env_file *e)
{
    if (!e)
        return;
    explicit_bzero(e->text, e->bytes);
    free(e->text);
    free(e);
}
