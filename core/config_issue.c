/* SPDX-License-Identifier: Apache-2.0
 *
 * config_issue: what is wrong with a configuration, and on which line.
 */
#include "config_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tables of Lua do not know the lines of their keys, so the text is looked at
 * again, from the line of the constructor to its closing brace. */

struct scan {
    const char *at, *end;
    int line;
};

static void skip_line(struct scan *s)
{
    while (s->at < s->end && *s->at != '\n')
        s->at++;
}

/* At "[[" or "[==[": the number of "=", else -1. */
static int long_level(const struct scan *s)
{
    const char *p = s->at + 1;

    while (p < s->end && *p == '=')
        p++;
    return p < s->end && *p == '[' ? (int)(p - s->at - 1) : -1;
}

static void skip_long(struct scan *s, int level)
{
    int run = -1;

    for (s->at += level + 2; s->at < s->end; s->at++) {
        if (*s->at == '\n')
            s->line++;
        if (*s->at == ']') {
            if (run == level) {
                s->at++;
                return;
            }
            run = 0;
        } else {
            run = *s->at == '=' && run >= 0 ? run + 1 : -1;
        }
    }
}

static void skip_comment(struct scan *s)
{
    s->at += 2;
    if (s->at < s->end && *s->at == '[' && long_level(s) >= 0)
        skip_long(s, long_level(s));
    else
        skip_line(s);
}

/* A quoted string: is it ${word}? */
static bool take_string(struct scan *s, const char *word)
{
    char quote = *s->at++;
    const char *from = s->at;
    size_t len;

    while (s->at < s->end && *s->at != quote && *s->at != '\n')
        s->at += *s->at == '\\' && s->at + 1 < s->end ? 2 : 1;
    len = (size_t)(s->at - from);
    if (s->at < s->end && *s->at == quote)
        s->at++;
    return len == strlen(word) && memcmp(from, word, len) == 0;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

static bool take_name(struct scan *s, const char *word)
{
    const char *from = s->at;

    while (s->at < s->end && is_name_byte(*s->at))
        s->at++;
    return (size_t)(s->at - from) == strlen(word) &&
           memcmp(from, word, strlen(word)) == 0;
}

static int find_word(struct scan *s, const char *word, int otherwise)
{
    int depth = 0;

    while (s->at < s->end) {
        char c = *s->at;

        if (c == '"' || c == '\'') {
            if (take_string(s, word))
                return s->line;
        } else if (is_name_byte(c)) {
            if (take_name(s, word))
                return s->line;
        } else if (c == '-' && s->end - s->at > 1 && s->at[1] == '-') {
            skip_comment(s);
        } else if (c == '[' && long_level(s) >= 0) {
            skip_long(s, long_level(s));
        } else {
            s->line += c == '\n';
            depth += (c == '{') - (c == '}');
            if (c == '}' && depth <= 0)
                return otherwise;
            s->at++;
        }
    }
    return otherwise;
}

static int line_of(const struct loader *l, int line, const char *word)
{
    struct scan s = {.at = l->c->source, .line = 1};

    if (l->json || !word || line < 1 || !s.at)
        return line;
    s.end = s.at + l->c->source_len;
    while (s.line < line && s.at < s.end) {
        skip_line(&s);
        if (s.at < s.end)
            s.at++;
        s.line++;
    }
    return find_word(&s, word, line);
}

static void add(struct loader *l, int line, bool warning, const char *format,
                va_list ap)
{
    struct config_issue *issue;
    char *c;

    if (!warning)
        l->failed = true;
    if (l->nissues == CONFIG_ISSUES) {
        l->dropped++;
        return;
    }
    issue = &l->issues[l->nissues++];
    snprintf(issue->file, sizeof issue->file, "%s", l->options->path);
    issue->line = line;
    issue->warning = warning;
    vsnprintf(issue->message, sizeof issue->message, format, ap);
    for (c = issue->message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
}

void config_wrong(struct loader *l, int line, const char *word,
                  const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    add(l, l->nissues < CONFIG_ISSUES ? line_of(l, line, word) : line, false,
        format, ap);
    va_end(ap);
}

void config_warn(struct loader *l, int line, const char *word,
                 const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    add(l, l->nissues < CONFIG_ISSUES ? line_of(l, line, word) : line, true,
        format, ap);
    va_end(ap);
}

size_t config_issues(const struct loader *l)
{
    return l->nissues + l->dropped;
}

static int by_line(const void *a, const void *b)
{
    const struct config_issue *x = a, *y = b;
    int file = strcmp(x->file, y->file);

    if (file)
        return file;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return strcmp(x->message, y->message);
}

void config_issues_report(struct loader *l, config_report *report, void *arg)
{
    struct config_issue last;
    size_t i, len;

    if (!report)
        return;
    for (i = 0; i < l->nissues; i++) {
        len = strlen(l->issues[i].message);
        len = config_redact(l->c, l->issues[i].message, len);
        l->issues[i].message[len] = '\0';
    }
    qsort(l->issues, l->nissues, sizeof *l->issues, by_line);
    for (i = 0; i < l->nissues; i++)
        /* A loop says the same of every turn. */
        if (i == 0 || by_line(&l->issues[i - 1], &l->issues[i]) != 0)
            report(arg, &l->issues[i]);
    if (!l->dropped)
        return;
    memset(&last, 0, sizeof last);
    snprintf(last.file, sizeof last.file, "%s", l->options->path);
    snprintf(last.message, sizeof last.message, "%zu more like these",
             l->dropped);
    last.warning = !l->failed;
    report(arg, &last);
}
