/* SPDX-License-Identifier: Apache-2.0
 *
 * The string library of policies: find, match, gmatch and gsub over our matcher;
 * the rest is Lua's own behind bounds.
 */
#include "vm_impl.h"

#include <lualib.h>

#include <string.h>

/* -- bounded ones of Lua's own --------------------------------------------- */

static const struct vm_stock *stock(lua_State *L)
{
    return &vm_of(L)->stock;
}

static void too_long(lua_State *L, int arg)
{
    luaL_argerror(L, arg,
                  lua_pushfstring(L, "string longer than %I bytes",
                                  (LUAI_UACINT)CEIL_LUA_STRING));
}

/* Under a count hook, a thousand calls on long strings pass between two looks at
 * the clock: so long ones look themselves. */
static void spend(lua_State *L, size_t bytes)
{
    if (bytes > 32 * KIB)
        vm_monitor_check(L);
}

static void check_string(lua_State *L, int arg)
{
    size_t len;

    luaL_checklstring(L, arg, &len);
    if (len > CEIL_LUA_STRING)
        too_long(L, arg);
    spend(L, len);
}

/* The index that Lua's ${i} means in something of length ${len}, at least 1. */
static lua_Integer start_of(lua_Integer i, size_t len)
{
    if (i > 0)
        return i;
    if (i == 0 || i < -(lua_Integer)len)
        return 1;
    return (lua_Integer)len + i + 1;
}

static lua_Integer end_of(lua_Integer i, size_t len)
{
    if (i > (lua_Integer)len)
        return (lua_Integer)len;
    if (i >= 0)
        return i;
    return i < -(lua_Integer)len ? 0 : (lua_Integer)len + i + 1;
}

/* Arguments (s, i, j): at most as many values as a call may take. */
static void check_slice(lua_State *L)
{
    size_t len;
    lua_Integer i, j;

    luaL_checklstring(L, 1, &len);
    i = luaL_optinteger(L, 2, 1);
    j = end_of(luaL_optinteger(L, 3, i), len);
    i = start_of(i, len);
    if (j - i >= CEIL_LUA_UNPACK)
        luaL_error(L, "slice of more than %d characters", CEIL_LUA_UNPACK);
}

static int string_byte(lua_State *L)
{
    check_slice(L);
    return stock(L)->byte(L);
}

/* ASCII letters from ${first} on to the other case, eight at a time: prompts go
 * through here. A byte's high bit tells whether it is one of the letters. */
static uint64_t turn_word(uint64_t word, uint64_t first)
{
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t low = word & ones * 0x7F;
    uint64_t letters = ((low + ones * (0x80 - first)) ^
                        (low + ones * (0x80 - 26 - first))) & ~word & ones * 0x80;

    return word ^ letters >> 2;
}

static int turn_case(lua_State *L, unsigned char first)
{
    size_t len, i = 0;
    const char *s = luaL_checklstring(L, 1, &len);
    uint64_t word = 0;
    luaL_Buffer b;
    char *to;

    check_string(L, 1);
    to = luaL_buffinitsize(L, &b, len);
    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s + i, sizeof word);
        word = turn_word(word, first);
        memcpy(to + i, &word, sizeof word);
    }
    memcpy(&word, s + i, len - i);
    word = turn_word(word, first);
    memcpy(to + i, &word, len - i);
    luaL_pushresultsize(&b, len);
    return 1;
}

static int string_lower(lua_State *L)
{
    return turn_case(L, 'A');
}

static int string_upper(lua_State *L)
{
    return turn_case(L, 'a');
}

static int string_reverse(lua_State *L)
{
    check_string(L, 1);
    return stock(L)->reverse(L);
}

static int string_rep(lua_State *L)
{
    size_t len, between;
    lua_Integer n = luaL_checkinteger(L, 2);

    luaL_checklstring(L, 1, &len);
    luaL_optlstring(L, 3, "", &between);
    if (n > VM_ELEMENTS)
        luaL_argerror(L, 2, lua_pushfstring(L, "at most %d", VM_ELEMENTS));
    if (n > 0 && len + between > CEIL_LUA_STRING / (lua_Unsigned)n)
        luaL_error(L, "result longer than %d bytes", (int)CEIL_LUA_STRING);
    if (n > 0)
        spend(L, (len + between) * (size_t)n);
    return stock(L)->rep(L);
}

/* The numbers of a pack format are sizes: together they make the result. */
static void check_pack_format(lua_State *L)
{
    size_t len, sum = 0, number = 0;
    const char *format = luaL_checklstring(L, 1, &len);

    if (len > CEIL_LUA_UNPACK)
        luaL_argerror(L, 1, "format too long");
    for (size_t i = 0; i < len; i++) {
        bool digit = format[i] >= '0' && format[i] <= '9';

        number = digit ? number * 10 + (size_t)(format[i] - '0') : 0;
        sum += number;
        if (sum > 2 * CEIL_LUA_STRING)
            luaL_argerror(L, 1, "sizes too large");
    }
}

static int string_pack(lua_State *L)
{
    check_pack_format(L);
    return stock(L)->pack(L);
}

static int string_unpack(lua_State *L)
{
    check_pack_format(L);
    return stock(L)->unpack(L);
}

/* Strings decide the length (an escaped byte takes 5). Arguments of %s become
 * text here, so that no address and no metamethod reaches the stock function. */
static int string_format(lua_State *L)
{
    size_t len, sum, size;
    const char *format = luaL_checklstring(L, 1, &len);
    const char *end = format + len;
    int arg = 1;

    sum = len;
    for (const char *p = format; p < end; p++) {
        if (*p != '%' || *++p == '%')
            continue;
        p += strspn(p, "-+ #0123456789.");
        arg++;
        if (*p == 'p')
            luaL_error(L, "'%%p' shows addresses, which policies do not see");
        if (*p == 's' && !lua_isnone(L, arg))
            vm_lib_text(L, arg);
        size = lua_type(L, arg) == LUA_TSTRING ? lua_rawlen(L, arg) : 0;
        sum += *p == 'q' ? 5 * size : size;
        if (sum > CEIL_LUA_STRING)
            luaL_error(L, "result longer than %d bytes", (int)CEIL_LUA_STRING);
    }
    spend(L, sum);
    return stock(L)->format(L);
}

/* -- patterns -------------------------------------------------------------- */

static void push_capture(struct vm_pattern *m, int i, const char *from,
                         const char *to)
{
    if (i >= m->captures) {
        if (i)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, from, (size_t)(to - from));
        return;
    }
    if (m->capture[i].len == VM_CAPTURE_OPEN)
        luaL_error(m->L, "unfinished capture");
    if (m->capture[i].len == VM_CAPTURE_POSITION)
        lua_pushinteger(m->L, m->capture[i].at - m->subject + 1);
    else
        lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
}

/* All captures; the whole match when there are none and ${whole}. */
static int push_captures(struct vm_pattern *m, const char *from, const char *to,
                         bool whole)
{
    int n = m->captures ? m->captures : whole;

    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, from, to);
    return n;
}

static int find_plain(lua_State *L, const char *s, size_t len, size_t from,
                      const char *what, size_t what_len)
{
    const char *at = what_len ? memmem(s + from, len - from, what, what_len)
                              : s + from;

    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - s + 1);
    lua_pushinteger(L, at - s + (lua_Integer)what_len);
    return 2;
}

static bool has_specials(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] && strchr("^$*+?.([%-", p[i]))
            return true;
    return false;
}

static int search(lua_State *L, bool find)
{
    size_t len, plen;
    const char *s = luaL_checklstring(L, 1, &len);
    const char *p = luaL_checklstring(L, 2, &plen);
    lua_Integer from = start_of(luaL_optinteger(L, 3, 1), len) - 1;
    bool anchor = plen && *p == '^';
    struct vm_pattern m;

    if (from > (lua_Integer)len) {
        lua_pushnil(L);
        return 1;
    }
    spend(L, len);
    if (find && (lua_toboolean(L, 4) || !has_specials(p, plen)))
        return find_plain(L, s, len, (size_t)from, p, plen);
    vm_pattern_init(&m, L, 1, 2);
    for (const char *at = s + from; at <= s + len; at++) {
        const char *end = vm_pattern_match(&m, at, p + anchor);

        if (end && !find)
            return push_captures(&m, at, end, true);
        if (end) {
            lua_pushinteger(L, at - s + 1);
            lua_pushinteger(L, end - s);
            return push_captures(&m, at, end, false) + 2;
        }
        if (anchor)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return search(L, true);
}

static int string_match(lua_State *L)
{
    return search(L, false);
}

/* Upvalues: subject, pattern, where to go on, end of the last match (or -1). */
static int next_match(lua_State *L)
{
    const char *p = lua_tostring(L, lua_upvalueindex(2));
    lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct vm_pattern m;

    vm_pattern_init(&m, L, lua_upvalueindex(1), lua_upvalueindex(2));
    for (const char *at = m.subject + from; at <= m.subject_end; at++) {
        const char *end = vm_pattern_match(&m, at, p);

        if (!end || end - m.subject == last)
            continue;
        lua_pushinteger(L, end - m.subject);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, at, end, true);
    }
    return 0;
}

static int string_gmatch(lua_State *L)
{
    size_t len;
    lua_Integer from;

    luaL_checklstring(L, 1, &len);
    luaL_checkstring(L, 2);
    from = start_of(luaL_optinteger(L, 3, 1), len) - 1;
    if (from > (lua_Integer)len)
        from = (lua_Integer)len + 1;
    lua_settop(L, 2);
    lua_pushinteger(L, from);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* -- gsub ------------------------------------------------------------------ */

static void add(luaL_Buffer *b, const char *text, size_t len)
{
    if (luaL_bufflen(b) + len > CEIL_LUA_STRING)
        luaL_error(b->L, "result longer than %d bytes", (int)CEIL_LUA_STRING);
    luaL_addlstring(b, text, len);
}

/* Add the value on top, which a capture or a replacement gave. */
static void add_value(luaL_Buffer *b)
{
    size_t len;

    lua_tolstring(b->L, -1, &len);
    if (luaL_bufflen(b) + len > CEIL_LUA_STRING)
        luaL_error(b->L, "result longer than %d bytes", (int)CEIL_LUA_STRING);
    luaL_addvalue(b);
}

/* The replacement at 3 is a string: its %0 to %9 are captures. */
static void add_template(struct vm_pattern *m, luaL_Buffer *b, const char *from,
                         const char *to)
{
    size_t len;
    const char *p = lua_tolstring(m->L, 3, &len);
    const char *end = p + len;
    const char *mark;

    for (; (mark = memchr(p, '%', (size_t)(end - p))); p = mark + 2) {
        char which = mark + 1 < end ? mark[1] : '\0';

        add(b, p, (size_t)(mark - p));
        if (which == '%') {
            add(b, "%", 1);
        } else if (which == '0') {
            add(b, from, (size_t)(to - from));
        } else if (which >= '1' && which <= '9') {
            push_capture(m, which - '1', from, to);
            add_value(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
    add(b, p, (size_t)(end - p));
}

/* What stands for the match from ${from} to ${to}. */
static bool replace(struct vm_pattern *m, luaL_Buffer *b, const char *from,
                    const char *to)
{
    lua_State *L = m->L;

    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, from, to, true), 1);
        break;
    case LUA_TTABLE:
        push_capture(m, 0, from, to);
        lua_gettable(L, 3);
        break;
    default:
        add_template(m, b, from, to);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add(b, from, (size_t)(to - from));
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    add_value(b);
    return true;
}

static void check_replacement(lua_State *L)
{
    int type = lua_type(L, 3);

    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TFUNCTION &&
        type != LUA_TTABLE)
        luaL_typeerror(L, 3, "string/function/table");
}

static int string_gsub(lua_State *L)
{
    size_t len;
    const char *at = luaL_checklstring(L, 1, &len);
    const char *p = luaL_checkstring(L, 2);
    bool anchor = *p == '^';
    lua_Integer max, n = 0;
    bool changed = false;
    const char *last = NULL;
    struct vm_pattern m;
    luaL_Buffer b;

    check_replacement(L);
    max = luaL_optinteger(L, 4, (lua_Integer)len + 1);
    vm_deeper(L);
    vm_pattern_init(&m, L, 1, 2);
    spend(L, len);
    luaL_buffinit(L, &b);
    while (n < max) {
        const char *end = vm_pattern_match(&m, at, p + anchor);

        if (end && end != last) {
            n++;
            changed |= replace(&m, &b, at, end);
            at = last = end;
        } else if (at < m.subject_end) {
            luaL_addchar(&b, *at);
            at++;
        } else {
            break;
        }
        if (anchor)
            break;
    }
    if (!changed) {
        lua_pushvalue(L, 1);
    } else {
        add(&b, at, (size_t)(m.subject_end - at));
        luaL_pushresult(&b);
    }
    lua_pushinteger(L, n);
    return 2;
}

/* -- the table ------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"byte", string_byte},       {"find", string_find},
    {"format", string_format},   {"gmatch", string_gmatch},
    {"gsub", string_gsub},       {"lower", string_lower},
    {"match", string_match},     {"pack", string_pack},
    {"rep", string_rep},         {"reverse", string_reverse},
    {"unpack", string_unpack},   {"upper", string_upper},
    {NULL, NULL},
};

void vm_string_open(lua_State *L)
{
    static const char *const unbounded[] = {"char", "len", "packsize", "sub"};
    struct vm *vm = vm_of(L);

    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    vm->stock.byte = vm_lib_function(L, "byte");
    vm->stock.format = vm_lib_function(L, "format");
    vm->stock.pack = vm_lib_function(L, "pack");
    vm->stock.rep = vm_lib_function(L, "rep");
    vm->stock.reverse = vm_lib_function(L, "reverse");
    vm->stock.unpack = vm_lib_function(L, "unpack");
    for (size_t i = 0; i < sizeof unbounded / sizeof *unbounded; i++) {
        lua_getfield(L, -1, unbounded[i]);
        lua_setfield(L, -3, unbounded[i]);
    }
    lua_pop(L, 1);
    /* Methods of strings come from our table, whatever the environment says. */
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}
