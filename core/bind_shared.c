/* SPDX-License-Identifier: Apache-2.0
 *
 * Named values of the board for lua/leme. Keys are whole names; lua/leme puts
 * the policy's name in front.
 */
#include "bind_impl.h"

#include "board.h"
#include "ceilings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TTL_US (3600 * US_PER_S)

static const char *check_key(lua_State *L, size_t *len)
{
    const char *key = luaL_checklstring(L, 1, len);

    luaL_argcheck(L, *len > 0 && *len <= CEIL_BOARD_KEY, 1,
                  "a name of 1 to 256 bytes expected");
    return key;
}

static us_t opt_ttl(lua_State *L, int arg)
{
    double s = luaL_optnumber(L, arg, 0);

    luaL_argcheck(L, s >= 0, arg, "seconds >= 0 expected");
    return s > 0 ? clock_from_seconds(s) : TTL_US;
}

static double check_amount(lua_State *L, int arg)
{
    double n = luaL_checknumber(L, arg);

    luaL_argcheck(L, isfinite(n) && n >= 0, arg, "a number >= 0 expected");
    return n;
}

static void check_value(lua_State *L, int arg, struct board_value *v)
{
    memset(v, 0, sizeof *v);
    switch (lua_type(L, arg)) {
    case LUA_TNIL:
        v->type = BOARD_NIL;
        break;
    case LUA_TNUMBER:
        v->type = BOARD_NUMBER;
        v->number = lua_tonumber(L, arg);
        break;
    case LUA_TBOOLEAN:
        v->type = BOARD_BOOL;
        v->number = lua_toboolean(L, arg);
        break;
    case LUA_TSTRING:
        v->type = BOARD_TEXT;
        v->text = (char *)(uintptr_t)lua_tolstring(L, arg, &v->len);
        break;
    default:
        luaL_error(L, "shared values are numbers, booleans or texts up to 4 KB; "
                      "got a %s", luaL_typename(L, arg));
    }
}

static void push_number(lua_State *L, double n)
{
    if (n == floor(n) && fabs(n) < 9e15)
        lua_pushinteger(L, (lua_Integer)n);
    else
        lua_pushnumber(L, n);
}

static void push_value(lua_State *L, const struct board_value *v)
{
    if (v->type == BOARD_NUMBER)
        push_number(L, v->number);
    else if (v->type == BOARD_BOOL)
        lua_pushboolean(L, v->number != 0);
    else if (v->type == BOARD_TEXT)
        lua_pushlstring(L, v->text, v->len);
    else
        lua_pushnil(L);
}

/* nil, "full" | "wrong type" | "too large" */
static int push_failure(lua_State *L, enum board_result got)
{
    static const char *const names[] = {
        [BOARD_OK] = "", [BOARD_FULL] = "full",
        [BOARD_WRONG_TYPE] = "wrong type", [BOARD_TOO_LARGE] = "too large",
        [BOARD_REFUSED] = "refused"};

    lua_pushnil(L);
    lua_pushstring(L, names[got]);
    return 2;
}

static void note_value(struct bind *b, const char *what, const char *key,
                       const struct board_value *v)
{
    char text[256];

    if (v->type == BOARD_TEXT) {
        snprintf(text, sizeof text, "%.*s", (int)v->len, v->text);
        bind_note_text(b, what, key, text);
    } else if (v->type == BOARD_NIL) {
        bind_note_text(b, what, key, "nil");
    } else {
        bind_note_number(b, what, key, v->number);
    }
}

static int host_get(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct board_value v = {.type = BOARD_NIL};
    char text[CEIL_BOARD_VALUE];
    size_t n;
    const char *key = check_key(L, &n);

    board_get(b->board, key, n, b->now, &v, text, sizeof text);
    note_value(b, "get", key, &v);
    push_value(L, &v);
    return 1;
}

static int host_set(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct board_value v;
    enum board_result got;
    size_t n;
    const char *key = check_key(L, &n);

    check_value(L, 2, &v);
    got = board_set(b->board, key, n, b->now, &v, opt_ttl(L, 3));
    note_value(b, "set", key, &v);
    if (got != BOARD_OK)
        return push_failure(L, got);
    lua_pushboolean(L, 1);
    return 1;
}

static int host_incr(lua_State *L)
{
    struct bind *b = bind_of(L);
    double after = 0;
    enum board_result got;
    size_t n;
    const char *key = check_key(L, &n);

    got = board_incr(b->board, key, n, b->now, luaL_optnumber(L, 2, 1),
                     opt_ttl(L, 3), &after);
    bind_note_number(b, "incr", key, after);
    if (got != BOARD_OK)
        return push_failure(L, got);
    push_number(L, after);
    return 1;
}

static int host_pin(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct board_value want, v = {.type = BOARD_NIL};
    char text[CEIL_BOARD_VALUE];
    enum board_result got;
    size_t n;
    const char *key = check_key(L, &n);

    check_value(L, 2, &want);
    got = board_pin(b->board, key, n, b->now, &want, opt_ttl(L, 3), &v, text,
                    sizeof text);
    note_value(b, "pin", key, &v);
    if (got != BOARD_OK)
        return push_failure(L, got);
    push_value(L, &v);
    return 1;
}

/* take(key, n, rate, burst) -> true | false, seconds to wait */
static int host_take(lua_State *L)
{
    struct bind *b = bind_of(L);
    us_t wait = 0;
    enum board_result got;
    size_t len;
    const char *key = check_key(L, &len);
    double n = check_amount(L, 2), rate = check_amount(L, 3);

    luaL_argcheck(L, rate > 0, 3, "a rate > 0 a second expected");
    got = board_take(b->board, key, len, b->now, n, rate, check_amount(L, 4),
                     &wait);
    bind_note_text(b, "take", key, got == BOARD_OK ? "true" : "false");
    if (got == BOARD_FULL)
        return push_failure(L, got);
    lua_pushboolean(L, got == BOARD_OK);
    lua_pushnumber(L, (double)wait / 1e6);
    return 2;
}

/* reserve(key, n, limit, window, ttl) -> id | nil, why */
static int host_reserve(lua_State *L)
{
    struct bind *b = bind_of(L);
    uint64_t id = 0;
    enum board_result got;
    size_t len;
    const char *key = check_key(L, &len);

    got = board_reserve(b->board, key, len, b->now, check_amount(L, 2),
                        check_amount(L, 3),
                        clock_from_seconds(luaL_optnumber(L, 4, 0)),
                        opt_ttl(L, 5), &id);
    bind_note_text(b, "reserve", key, got == BOARD_OK ? "true" : "false");
    if (got != BOARD_OK)
        return push_failure(L, got);
    lua_pushinteger(L, (lua_Integer)id);
    return 1;
}

static int host_settle(lua_State *L)
{
    struct bind *b = bind_of(L);
    lua_Integer id = luaL_checkinteger(L, 1);
    double used = check_amount(L, 2);

    bind_note_number(b, "settle", "", used);
    lua_pushboolean(L, board_settle(b->board, (uint64_t)id, b->now, used));
    return 1;
}

static int host_used(lua_State *L)
{
    struct bind *b = bind_of(L);
    size_t n;
    const char *key = check_key(L, &n);
    double used = board_used(b->board, key, n, b->now);

    bind_note_number(b, "used", key, used);
    push_number(L, used);
    return 1;
}

static const luaL_Reg functions[] = {
    {"get", host_get},         {"set", host_set},       {"incr", host_incr},
    {"pin", host_pin},         {"take", host_take},     {"used", host_used},
    {"reserve", host_reserve}, {"settle", host_settle}, {NULL, NULL},
};

void bind_open_shared(lua_State *L, struct bind *b)
{
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, functions, 1);
}
