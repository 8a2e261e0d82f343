/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_outline: JSON to lines for people, whatever its members are called. The
 * text comes from a server we asked; it is checked as far as not to run astray.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 32 };

struct outline {
    FILE *out;
    const char *p;
};

static void blanks(struct outline *o)
{
    o->p += strspn(o->p, " \t\r\n");
}

static bool eat(struct outline *o, char c)
{
    blanks(o);
    if (*o->p != c)
        return false;
    o->p++;
    return true;
}

static void put_code_point(FILE *out, unsigned c)
{
    if (c < 0x20 || c == 0x7F || (c >= 0x80 && c < 0xA0))
        fputc(c == '\n' || c == '\t' ? ' ' : '?', out);
    else if (c < 0x80)
        fputc((int)c, out);
    else if (c < 0x800)
        fprintf(out, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 0x3F)));
    else if (c >= 0xD800 && c < 0xE000)
        fputc('?', out);
    else
        fprintf(out, "%c%c%c", (int)(0xE0 | c >> 12),
                (int)(0x80 | (c >> 6 & 0x3F)), (int)(0x80 | (c & 0x3F)));
}

/* After the backslash. Control characters never reach the terminal. */
static bool escape(struct outline *o)
{
    char hex[5] = "", *end;
    unsigned long c;

    if (*o->p != 'u') {
        if (!*o->p)
            return false;
        fputc(strchr("\"\\/", *o->p) ? *o->p : ' ', o->out);
        o->p++;
        return true;
    }
    memcpy(hex, o->p + 1, strnlen(o->p + 1, 4));
    c = strtoul(hex, &end, 16);
    if (end != hex + 4)
        return false;
    put_code_point(o->out, (unsigned)c);
    o->p += 5;
    return true;
}

static bool string(struct outline *o)
{
    if (!eat(o, '"'))
        return false;
    while (*o->p != '"') {
        if ((unsigned char)*o->p < 0x20)
            return false;
        if (*o->p == '\\') {
            o->p++;
            if (!escape(o))
                return false;
        } else {
            fputc(*o->p++, o->out);
        }
    }
    o->p++;
    return true;
}

static bool scalar(struct outline *o)
{
    size_t n;

    blanks(o);
    if (*o->p == '"')
        return string(o);
    n = strspn(o->p, "+-.0123456789eEaflnrstu");
    if (!n)
        return false;
    if (strncmp(o->p, "null", n) == 0)
        fputc('-', o->out);
    else
        fwrite(o->p, 1, n, o->out);
    o->p += n;
    return true;
}

static bool opens(struct outline *o)
{
    blanks(o);
    return *o->p == '{' || *o->p == '[';
}

/* Whether what opens here has only scalars inside. */
static bool flat(const char *p)
{
    bool quoted = false;

    for (p++; *p; p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '{' || *p == '['))
            return false;
        else if (!quoted && (*p == '}' || *p == ']'))
            return true;
    }
    return false;
}

/* Past "name": and "", null, 0 or false, or NULL. A row leaves such a member out,
 * so that what is unusual can be seen. */
static const char *nothing(const char *p)
{
    static const char *const values[] = {"\"\"", "null", "0", "false"};

    p += strspn(p, " \t\r\n");
    if (*p++ != '"')
        return NULL;
    while (*p && *p != '"')
        p += *p == '\\' && p[1] ? 2 : 1;
    if (!*p)
        return NULL;
    p += 1 + strspn(p + 1, " \t\r\n:");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        size_t n = strlen(values[i]);

        if (strncmp(p, values[i], n) == 0 && strchr(",}] \t\r\n", p[n]))
            return p + n;
    }
    return NULL;
}

/* All on the present line. */
static bool row(struct outline *o)
{
    bool object = *o->p++ == '{';
    const char *past;
    bool first = true;

    if (eat(o, object ? '}' : ']')) {
        fputs("none", o->out);
        return true;
    }
    do {
        past = object ? nothing(o->p) : NULL;
        if (past) {
            o->p = past;
            continue;
        }
        if (!first)
            fputs(object ? "  " : ", ", o->out);
        first = false;
        if (object) {
            if (!string(o) || !eat(o, ':'))
                return false;
            fputc('=', o->out);
        }
        if (!scalar(o))
            return false;
    } while (eat(o, ','));
    return eat(o, object ? '}' : ']');
}

static bool block(struct outline *o, int depth);

/* What stands after "name:" or after the dash of a list. */
static bool inner(struct outline *o, int depth)
{
    if (opens(o) && !flat(o->p)) {
        fputc('\n', o->out);
        return depth < DEPTH && block(o, depth + 1);
    }
    fputc(' ', o->out);
    if (!(opens(o) ? row(o) : scalar(o)))
        return false;
    fputc('\n', o->out);
    return true;
}

/* One line a member. */
static bool block(struct outline *o, int depth)
{
    bool object = *o->p++ == '{';

    if (eat(o, object ? '}' : ']'))
        return true;
    do {
        fprintf(o->out, "%*s", 2 * depth, "");
        if (!object)
            fputc('-', o->out);
        else if (!string(o) || !eat(o, ':'))
            return false;
        else
            fputc(':', o->out);
        if (!inner(o, depth))
            return false;
    } while (eat(o, ','));
    return eat(o, object ? '}' : ']');
}

bool cli_outline(FILE *out, const char *json)
{
    struct outline o = {out, json};
    bool ok;

    if (opens(&o)) {
        ok = block(&o, 0);
    } else {
        ok = scalar(&o);
        fputc('\n', out);
    }
    blanks(&o);
    return ok && !*o.p;
}
