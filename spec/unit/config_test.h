/* SPDX-License-Identifier: Apache-2.0
 *
 * config_test: what the tests of config share: an environment of five variables,
 * a folder for files, and the messages of a loading.
 */
#ifndef LEME_CONFIG_TEST_H
#define LEME_CONFIG_TEST_H

#include "buf.h"
#include "config.h"
#include "test.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *corpus = "spec/config";
static char folder[] = "/tmp/config_test.XXXXXX";

static const char *const variables[][2] = {
    {"OPENAI_API_KEY", "sk-proj-abcdefghijklmnop7Qz1"},
    {"WEB_KEY", "web-0123456789abcdefghij"},
    {"ADMIN_KEY", "adm-0123456789abcdefghij"},
    {"EMPTY_KEY", ""},
    {"BLANK_KEY", "two words"},
    {"QUERY", "v=2026-01-01&key=query-secret-0123456789"},
};

/* What systemd would say; NULL: not started by it. */
static const char *credentials;

static inline const char *lookup(void *arg, const char *name)
{
    size_t i;

    (void)arg;
    if (strcmp(name, "CREDENTIALS_DIRECTORY") == 0)
        return credentials;
    for (i = 0; i < sizeof variables / sizeof *variables; i++)
        if (strcmp(name, variables[i][0]) == 0)
            return variables[i][1];
    return NULL;
}

struct messages {
    struct buf text;
    size_t count, errors;
};

static inline void collect(void *arg, const struct config_issue *issue)
{
    struct messages *m = arg;

    m->count++;
    m->errors += !issue->warning;
    buf_addf(&m->text, "%d: %s%s\n", issue->line,
             issue->warning ? "warning: " : "", issue->message);
}

static inline struct config *load(const char *path, struct messages *m)
{
    struct config_options options = {
        .path = path, .env = lookup, .files = strstr(path, "missing") != NULL,
    };

    m->count = m->errors = 0;
    buf_init(&m->text, 1 << 20);
    return config_load(&options, collect, m);
}

static inline void write_file(const char *name, const char *text, size_t len,
                              mode_t mode, char path[256])
{
    FILE *f;

    snprintf(path, 256, "%s/%s", folder, name);
    f = fopen(path, "w");
    if (!f || fwrite(text, 1, len, f) != len || fclose(f))
        abort();
    chmod(path, mode);
}

static inline struct config *load_text(const char *name, const char *text,
                                       struct messages *m)
{
    char path[256];

    write_file(name, text, strlen(text), 0600, path);
    return load(path, m);
}

static inline bool says(const struct messages *m, const char *part)
{
    return m->text.len &&
           memmem(m->text.data, m->text.len, part, strlen(part)) != NULL;
}

#define OPENAI "provider \"openai\" { key = env \"OPENAI_API_KEY\" }\n"
#define MODEL "model \"fast\" { \"openai/gpt\" }\n"

/* A configuration of corpus/good. */
static inline struct config *load_full(const char *name)
{
    struct messages m;
    struct config *c;
    char path[512];

    snprintf(path, sizeof path, "%s/good/%s", corpus, name);
    c = load(path, &m);
    if (m.count)
        fprintf(stderr, "%.*s", (int)m.text.len, m.text.data);
    CHECK(m.count == 0);
    buf_free(&m.text);
    return c;
}

/* The corpus is the first argument; the folder is made. 0 or -1. */
static inline int set_up(int argc, char **argv)
{
    if (argc > 1)
        corpus = argv[1];
    return mkdtemp(folder) ? 0 : -1;
}

static inline void clean_up(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[512];

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            unlink(path);
        }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

#endif
