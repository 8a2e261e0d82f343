/* SPDX-License-Identifier: Apache-2.0
 *
 * Lua's patterns, with a clock: the same language as string.find of Lua 5.4,
 * but the matcher checks every few thousand steps whether its step is overdue,
 * and it keeps its own list of choices instead of calling itself, so it needs
 * the same small C stack for every pattern.
 *
 * A path through a pattern passes each item once (only single items repeat), so
 * at most one choice an item is open.
 */
#include "vm_impl.h"

#include <ctype.h>
#include <string.h>

#define CHOICES 200
#define FUEL 20000

enum choice_kind {
    CHOICE_LONGEST,     /* repeated ${left} times beyond the least; try fewer */
    CHOICE_SHORTEST,    /* try one more of the item at ${item} */
    CHOICE_OPENED,      /* a capture: forget it */
    CHOICE_CLOSED       /* capture number ${left}: open it again */
};

struct choice {
    enum choice_kind kind;
    const char *at;
    const char *item;
    const char *rest;   /* the pattern after the item and its suffix */
    ptrdiff_t left;
};

/* Where one attempt stands. */
struct walk {
    struct vm_pattern *m;
    const char *at;
    const char *p;
    int open;
    struct choice choices[CHOICES];
};

static void burn(struct vm_pattern *m, size_t steps)
{
    if (m->fuel > steps) {
        m->fuel -= (unsigned)steps;
        return;
    }
    m->fuel = FUEL;
    vm_monitor_check(m->L);
}

static unsigned char byte_at(const struct vm_pattern *m, const char *at)
{
    return at < m->subject_end ? (unsigned char)*at : 0;
}

/* -- one character --------------------------------------------------------- */

static bool in_class(unsigned char c, unsigned char name)
{
    int yes;

    switch (tolower(name)) {
    case 'a': yes = isalpha(c); break;
    case 'c': yes = iscntrl(c); break;
    case 'd': yes = isdigit(c); break;
    case 'g': yes = isgraph(c); break;
    case 'l': yes = islower(c); break;
    case 'p': yes = ispunct(c); break;
    case 's': yes = isspace(c); break;
    case 'u': yes = isupper(c); break;
    case 'w': yes = isalnum(c); break;
    case 'x': yes = isxdigit(c); break;
    case 'z': yes = c == 0; break;
    default: return name == c;
    }
    return isupper(name) ? !yes : yes != 0;
}

/* ${set} stands on '[', ${last} on its ']'. */
static bool in_set(unsigned char c, const char *set, const char *last)
{
    const char *p = set + 1;
    bool found = true;

    if (*p == '^') {
        found = false;
        p++;
    }
    while (p < last) {
        if (*p == '%') {
            if (in_class(c, (unsigned char)p[1]))
                return found;
            p += 2;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return found;
            p += 3;
        } else {
            if ((unsigned char)*p == c)
                return found;
            p++;
        }
    }
    return !found;
}

/* The end of the item at ${p}, before any suffix. */
static const char *item_end(struct vm_pattern *m, const char *p)
{
    if (*p == '%') {
        if (p + 1 == m->end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[')
        return p + 1;
    p++;
    if (p < m->end && *p == '^')
        p++;
    /* A ']' that comes first stands for itself. */
    for (bool first = true; first || p >= m->end || *p != ']'; first = false) {
        if (p >= m->end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        p += *p == '%' && p + 1 < m->end ? 2 : 1;
    }
    return p + 1;
}

/* Does the item from ${p} to ${end} take the character at ${at}? */
static bool takes(struct vm_pattern *m, const char *at, const char *p,
                  const char *end)
{
    if (at >= m->subject_end)
        return false;
    burn(m, (size_t)(end - p));
    switch (*p) {
    case '.': return true;
    case '%': return in_class((unsigned char)*at, (unsigned char)p[1]);
    case '[': return in_set((unsigned char)*at, p, end - 1);
    default: return *p == *at;
    }
}

/* -- choices --------------------------------------------------------------- */

static void choose(struct walk *w, enum choice_kind kind, const char *item,
                   const char *rest, ptrdiff_t left)
{
    if (w->open == CHOICES)
        luaL_error(w->m->L, "pattern too complex");
    w->choices[w->open++] = (struct choice){kind, w->at, item, rest, left};
}

/* Take the item as often as it goes, at least ${least} times. */
static bool take_longest(struct walk *w, const char *end, ptrdiff_t least)
{
    const char *from = w->at;

    while (takes(w->m, w->at, w->p, end))
        w->at++;
    if (w->at - from < least)
        return false;
    if (w->at - from > least)
        choose(w, CHOICE_LONGEST, w->p, end + 1, w->at - from - least);
    w->p = end + 1;
    return true;
}

/* Go back to the last choice that has another way; false: there is none. */
static bool back(struct walk *w)
{
    while (w->open) {
        struct choice *c = &w->choices[w->open - 1];

        burn(w->m, 1);
        switch (c->kind) {
        case CHOICE_LONGEST:
            w->at = --c->at;
            w->p = c->rest;
            if (!--c->left)
                w->open--;
            return true;
        case CHOICE_SHORTEST:
            if (takes(w->m, c->at, c->item, c->rest - 1)) {
                w->at = ++c->at;
                w->p = c->rest;
                return true;
            }
            break;
        case CHOICE_OPENED:
            w->m->captures--;
            break;
        case CHOICE_CLOSED:
            w->m->capture[c->left].len = VM_CAPTURE_OPEN;
            break;
        }
        w->open--;
    }
    return false;
}

/* -- items ----------------------------------------------------------------- */

static bool open_capture(struct walk *w, ptrdiff_t what, size_t skip)
{
    struct vm_pattern *m = w->m;

    if (m->captures >= VM_CAPTURES)
        luaL_error(m->L, "too many captures");
    choose(w, CHOICE_OPENED, NULL, NULL, 0);
    m->capture[m->captures].at = w->at;
    m->capture[m->captures++].len = what;
    w->p += skip;
    return true;
}

static bool close_capture(struct walk *w)
{
    struct vm_pattern *m = w->m;
    int i = m->captures - 1;

    while (i >= 0 && m->capture[i].len != VM_CAPTURE_OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    choose(w, CHOICE_CLOSED, NULL, NULL, i);
    m->capture[i].len = w->at - m->capture[i].at;
    w->p++;
    return true;
}

/* %b() */
static bool balanced(struct walk *w)
{
    struct vm_pattern *m = w->m;
    const char *args = w->p + 2;
    int depth = 1;

    if (args + 1 >= m->end)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (w->at >= m->subject_end || *w->at != args[0])
        return false;
    for (const char *s = w->at + 1; s < m->subject_end; s++) {
        burn(m, 1);
        if (*s == args[1] && !--depth) {
            w->at = s + 1;
            w->p += 4;
            return true;
        }
        if (*s == args[0])
            depth++;
    }
    return false;
}

/* %f[set] */
static bool frontier(struct walk *w)
{
    struct vm_pattern *m = w->m;
    const char *set = w->p + 2;
    unsigned char before = 0;
    const char *end;

    if (set >= m->end || *set != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    end = item_end(m, set);
    if (w->at > m->subject)
        before = (unsigned char)w->at[-1];
    burn(m, (size_t)(end - set));
    if (in_set(before, set, end - 1) ||
        !in_set(byte_at(m, w->at), set, end - 1))
        return false;
    w->p = end;
    return true;
}

/* %1 */
static bool repeated(struct walk *w)
{
    struct vm_pattern *m = w->m;
    int i = w->p[1] - '1';
    size_t len;

    if (i < 0 || i >= m->captures || m->capture[i].len == VM_CAPTURE_OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    if (m->capture[i].len == VM_CAPTURE_POSITION)
        return false;
    len = (size_t)m->capture[i].len;
    burn(m, len / 16);
    if ((size_t)(m->subject_end - w->at) < len ||
        memcmp(m->capture[i].at, w->at, len) != 0)
        return false;
    w->at += len;
    w->p += 2;
    return true;
}

/* A single character and its suffix. */
static bool single(struct walk *w)
{
    const char *end = item_end(w->m, w->p);
    char suffix = end < w->m->end ? *end : '\0';

    switch (suffix) {
    case '*':
        return take_longest(w, end, 0);
    case '+':
        return take_longest(w, end, 1);
    case '-':
        choose(w, CHOICE_SHORTEST, w->p, end + 1, 0);
        w->p = end + 1;
        return true;
    case '?':
        if (takes(w->m, w->at, w->p, end)) {
            w->at++;
            choose(w, CHOICE_LONGEST, w->p, end + 1, 1);
        }
        w->p = end + 1;
        return true;
    default:
        if (!takes(w->m, w->at, w->p, end))
            return false;
        w->at++;
        w->p = end;
        return true;
    }
}

static bool advance(struct walk *w)
{
    char next = w->p + 1 < w->m->end ? w->p[1] : '\0';

    switch (*w->p) {
    case '(':
        if (next == ')')
            return open_capture(w, VM_CAPTURE_POSITION, 2);
        return open_capture(w, VM_CAPTURE_OPEN, 1);
    case ')':
        return close_capture(w);
    case '$':
        if (w->p + 1 == w->m->end) {
            w->p++;
            return w->at == w->m->subject_end;
        }
        return single(w);
    case '%':
        if (next == 'b')
            return balanced(w);
        if (next == 'f')
            return frontier(w);
        return isdigit((unsigned char)next) ? repeated(w) : single(w);
    default:
        return single(w);
    }
}

const char *vm_pattern_match(struct vm_pattern *m, const char *at,
                             const char *pattern)
{
    struct walk w;

    w.m = m;
    w.at = at;
    w.p = pattern;
    w.open = 0;
    m->captures = 0;
    burn(m, 1);
    while (w.p < m->end)
        if (!advance(&w) && !back(&w))
            return NULL;
    return w.at;
}

static void check_size(lua_State *L, int arg, size_t len, const char *what)
{
    if (len > CEIL_LUA_STRING)
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "%s of %I bytes, at most %I", what,
                                      (LUAI_UACINT)len,
                                      (LUAI_UACINT)CEIL_LUA_STRING));
}

void vm_pattern_init(struct vm_pattern *m, lua_State *L, int s, int p)
{
    size_t subject, pattern;
    const char *text;

    m->L = L;
    m->subject = lua_tolstring(L, s, &subject);
    text = lua_tolstring(L, p, &pattern);
    check_size(L, s, subject, "subject");
    check_size(L, p, pattern, "pattern");
    m->subject_end = m->subject + subject;
    m->end = text + pattern;
    m->fuel = FUEL;
    m->captures = 0;
}
