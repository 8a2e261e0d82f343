/* SPDX-License-Identifier: Apache-2.0
 *
 * check_names: names of targets in the source of a policy. A route that is not
 * taken while it is loaded or tested would tell of a misspelt one at its first
 * request only. What is looked at are its string literals that begin with the
 * name of a provider and a slash.
 */
#include "check_impl.h"

#include "buf.h"
#include "ceilings.h"
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lua source being read. */
struct reader {
    const char *p, *end;
    int line;
};

static bool at(const struct reader *r, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(r->end - r->p) >= n && memcmp(r->p, word, n) == 0;
}

static void pass(struct reader *r, size_t n)
{
    for (; n && r->p < r->end; n--)
        r->line += *r->p++ == '\n';
}

/* Length of a long bracket's opening ("[[", "[==[") at ${r}, or 0. */
static size_t long_open(const struct reader *r)
{
    const char *p = r->p;

    if (p == r->end || *p++ != '[')
        return 0;
    while (p < r->end && *p == '=')
        p++;
    return p < r->end && *p == '[' ? (size_t)(p + 1 - r->p) : 0;
}

/* Behind a long bracket whose opening is ${n} bytes. */
static void pass_long(struct reader *r, size_t n)
{
    pass(r, n);
    for (; r->p < r->end; pass(r, 1)) {
        size_t level = 0;

        if (*r->p != ']')
            continue;
        while (r->p + 1 + level < r->end && r->p[1 + level] == '=')
            level++;
        if (level == n - 2 && r->p + 1 + level < r->end &&
            r->p[1 + level] == ']') {
            pass(r, n);
            return;
        }
    }
}

static void pass_comment(struct reader *r)
{
    size_t n;

    pass(r, 2);
    n = long_open(r);
    if (n)
        pass_long(r, n);
    else
        while (r->p < r->end && *r->p != '\n')
            pass(r, 1);
}

/* The next literal in quotes; false at the end of the source. */
static bool next_literal(struct reader *r, const char **text, size_t *len)
{
    while (r->p < r->end) {
        size_t n = long_open(r);
        char quote = *r->p;

        if (n) {
            pass_long(r, n);
        } else if (at(r, "--")) {
            pass_comment(r);
        } else if (quote == '"' || quote == '\'') {
            pass(r, 1);
            *text = r->p;
            while (r->p < r->end && *r->p != quote && *r->p != '\n')
                pass(r, *r->p == '\\' ? 2 : 1);
            *len = (size_t)(r->p - *text);
            pass(r, 1);
            return true;
        } else {
            pass(r, 1);
        }
    }
    return false;
}

/* Does ${text} look like a target, and is none? */
static bool is_misspelt(const struct config *c, const char *text, size_t len)
{
    const char *slash = memchr(text, '/', len);

    return slash && !memchr(text, '\\', len) &&
           config_find_provider(c, text, (size_t)(slash - text)) >= 0 &&
           config_find_target(c, text, len) < 0;
}

static const char *nearest(const struct config *c, const char *name)
{
    const char **names = calloc(c->ntargets + 1, sizeof *names);
    const char *near;

    if (!names)
        return NULL;
    for (size_t i = 0; i < c->ntargets; i++)
        names[i] = c->targets[i].name;
    near = config_nearest(name, names, c->ntargets);
    free(names);
    return near;
}

static void read_source(const struct config *c, const char *file,
                        const struct buf *source, check_name_fn *report, void *arg)
{
    struct reader r = {source->data, source->data + source->len, 1};
    char name[257], message[700];
    const char *text, *near;
    size_t len;

    while (next_literal(&r, &text, &len)) {
        if (len >= sizeof name || !is_misspelt(c, text, len))
            continue;
        text_copy(name, sizeof name, text, len);
        near = nearest(c, name);
        snprintf(message, sizeof message, "no target is called \"%s\"%s%s%s", name,
                 near ? "; did you mean \"" : "", near ? near : "",
                 near ? "\"?" : "");
        report(arg, file, r.line, message);
    }
}

static int read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    size_t n = 1;

    if (!f)
        return -1;
    while (n && buf_reserve(out, 4096) == 0) {
        n = fread(out->data + out->len, 1, 4096, f);
        out->len += n;
    }
    fclose(f);
    return n ? -1 : 0;
}

/* Is the policy of model ${i} one that an earlier model has? */
static bool seen(const struct config *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (c->models[k].policy_path &&
            strcmp(c->models[k].policy_path, c->models[i].policy_path) == 0)
            return true;
    return false;
}

void check_names(const struct config *c, check_name_fn *report, void *arg)
{
    struct buf source;

    for (size_t i = 0; i < c->nmodels; i++) {
        const struct model *m = &c->models[i];

        if (!m->policy_path || seen(c, i))
            continue;
        buf_init(&source, 16 * MIB);
        if (read_file(m->policy_path, &source) == 0 && source.len)
            read_source(c, m->policy_path, &source, report, arg);
        buf_free(&source);
    }
}
