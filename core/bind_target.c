/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets for lua/leme: the static catalog and the live numbers of the board.
 * Lua names a target by its index from 1; the board knows it by its slot.
 */
#include "bind_impl.h"

#include "answer.h"
#include "board.h"
#include "config.h"
#include "generation.h"

#include <string.h>

static const struct target *check_target(lua_State *L, struct bind *b, int arg)
{
    lua_Integer i = luaL_checkinteger(L, arg);

    luaL_argcheck(L, i >= 1 && (size_t)i <= b->config->ntargets, arg,
                  "no such target");
    return &b->config->targets[i - 1];
}

static enum board_metric check_metric(lua_State *L, int arg)
{
    const char *name = luaL_checkstring(L, arg);
    int m = board_metric(name);

    if (m < 0)
        luaL_error(L, "no metric \"%s\"; there are connect, first_token, total, "
                      "speed, cost and error", name);
    return (enum board_metric)m;
}

static us_t check_seconds(lua_State *L, int arg)
{
    double s = luaL_checknumber(L, arg);

    luaL_argcheck(L, s >= 0, arg, "seconds >= 0 expected");
    return clock_from_seconds(s);
}

/* -- static ---------------------------------------------------------------- */

static void set_text(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_number(lua_State *L, const char *key, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

static void set_count(lua_State *L, const char *key, unsigned value)
{
    if (value == 0)
        return;
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

static void set_list(lua_State *L, const char *key, char **list, size_t n)
{
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushstring(L, list[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, key);
}

/* What a short prompt costs now. */
static void set_price(lua_State *L, const struct prices *prices)
{
    const struct price *p = price_at(prices, 0, clock_wall());

    if (p && p->input >= 0)
        set_number(L, "price_in", p->input);
    if (p && p->output >= 0)
        set_number(L, "price_out", p->output);
    if (p && p->cached >= 0)
        set_number(L, "price_cached", p->cached);
    if (p && prices->date)
        set_text(L, "price_date", prices->date);
}

static void push_target(lua_State *L, const struct config *c, size_t i)
{
    const struct target *t = &c->targets[i];

    lua_createtable(L, 0, 16);
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_setfield(L, -2, "index");
    set_text(L, "name", t->name);
    set_text(L, "model", t->model);
    set_text(L, "provider", c->providers[t->provider].name);
    set_number(L, "weight", t->weight);
    set_count(L, "priority", t->priority);
    set_price(L, &t->price);
    set_count(L, "context", t->context);
    set_count(L, "max_output", t->max_output);
    set_count(L, "max_in_flight", t->max_in_flight);
    if (t->region)
        set_text(L, "region", t->region);
    if (t->key) {
        set_text(L, "key", t->key);
        set_count(L, "of", t->of + 1);
    }
    set_list(L, "tags", t->tags, t->ntags);
    set_list(L, "caps", t->caps, t->ncaps);
}

static int host_catalog(lua_State *L)
{
    const struct config *c = bind_of(L)->config;

    lua_createtable(L, (int)c->ntargets, 0);
    for (size_t i = 0; i < c->ntargets; i++) {
        push_target(L, c, i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* -- live ------------------------------------------------------------------ */

static int host_inflight(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    unsigned n = board_in_flight(b->board, t->slot);

    bind_note_number(b, "inflight", t->name, n);
    lua_pushinteger(L, n);
    return 1;
}

static const char *const states[] = {"ready",   "drain",     "maint",
                                     "cooling", "half_open", "saturated"};

/* state(i) -> state, why */
static int host_state(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    char why[128] = "";
    enum board_state s = generation_state(b->config, t, b->board, b->now, why,
                                          sizeof why);

    bind_note_text(b, "state", t->name, states[s]);
    lua_pushstring(L, states[s]);
    lua_pushstring(L, why);
    return 2;
}

/* usable(i) -> true, or false, state, why: what each candidate is asked. Beside
 * the states of targets there is "limit": this request does not fit it. */
static int host_usable(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    char why[128];

    if (b->plan && !bind_fits(b->plan, t, &b->scratch, why, sizeof why)) {
        bind_note_text(b, "state", t->name, "limit");
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "limit");
        lua_pushstring(L, why);
        return 3;
    }
    if (generation_state(b->config, t, b->board, b->now, NULL, 0) ==
        BOARD_READY) {
        bind_note_text(b, "state", t->name, "ready");
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    return 1 + host_state(L);
}

static int host_weight(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    double w = t->weight * board_weight(b->board, t->slot);

    bind_note_number(b, "weight", t->name, w);
    lua_pushnumber(L, w);
    return 1;
}

static int push_sample(lua_State *L, struct bind *b, const char *what,
                       const struct target *t, bool known, double value)
{
    if (!known) {
        bind_note_text(b, what, t->name, "nil");
        lua_pushnil(L);
        return 1;
    }
    bind_note_number(b, what, t->name, value);
    lua_pushnumber(L, value);
    return 1;
}

static int host_ewma(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    enum board_metric m = check_metric(L, 2);
    double tau = luaL_checknumber(L, 3), value = 0;
    bool known;

    luaL_argcheck(L, tau > 0 && tau <= 3600, 3, "0 < tau <= 3600 s expected");
    known = board_ewma(b->board, t->slot, m, b->now, tau, &value);
    return push_sample(L, b, "ewma", t, known, value);
}

static int host_quantile(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    enum board_metric m = check_metric(L, 2);
    double q = luaL_checknumber(L, 3), window = luaL_checknumber(L, 4), v = 0;
    bool known;

    luaL_argcheck(L, q >= 0 && q <= 1, 3, "quantile in 0..1 expected");
    known = board_quantile(b->board, t->slot, m, b->now, q, window, &v);
    return push_sample(L, b, "quantile", t, known, v);
}

static int host_window(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    uint64_t count = 0;
    double sum = 0;

    board_window(b->board, t->slot, check_metric(L, 2), b->now,
                 luaL_checknumber(L, 3), &count, &sum);
    bind_note_number(b, "window.count", t->name, (double)count);
    bind_note_number(b, "window.sum", t->name, sum);
    lua_pushinteger(L, (lua_Integer)count);
    lua_pushnumber(L, sum);
    return 2;
}

static int host_remaining(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    double requests = -1, tokens = -1;

    board_remaining(b->board, t->slot, b->now, &requests, &tokens);
    push_sample(L, b, "remaining.requests", t, requests >= 0, requests);
    push_sample(L, b, "remaining.tokens", t, tokens >= 0, tokens);
    return 2;
}

static int host_outage_age(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    us_t age = board_outage_age(b->board, t->slot, b->now);

    return push_sample(L, b, "outage_age", t, age != US_NEVER, (double)age / 1e6);
}

static int host_cool(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    us_t us = check_seconds(L, 2);

    board_cool(b->board, t->slot, b->now, us, luaL_optstring(L, 3, "policy"));
    bind_note_number(b, "cool", t->name, (double)us / 1e6);
    return 0;
}

static int host_eject(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    us_t given = board_eject(b->board, t->slot, b->now, check_seconds(L, 2),
                             check_seconds(L, 3), luaL_optstring(L, 4, "policy"));

    bind_note_number(b, "eject", t->name, (double)given / 1e6);
    lua_pushnumber(L, (double)given / 1e6);
    return 1;
}

static int host_restore(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);

    board_restore(b->board, t->slot);
    bind_note_text(b, "restore", t->name, "");
    return 0;
}

static int host_probe(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    bool mine = board_probe(b->board, t->slot, b->now);

    bind_note_text(b, "probe", t->name, mine ? "true" : "false");
    lua_pushboolean(L, mine);
    return 1;
}

/* cost(i, input, output) -> US dollars for so many tokens now, or nil */
static int host_cost(lua_State *L)
{
    struct bind *b = bind_of(L);
    const struct target *t = check_target(L, b, 1);
    struct usage u = {luaL_checkinteger(L, 2), luaL_checkinteger(L, 3),
                      -1, -1, -1, -1, -1, -1};
    double cost = price_cost(&t->price, &u, b->wall);

    return push_sample(L, b, "cost", t, cost >= 0, cost);
}

static const luaL_Reg functions[] = {
    {"catalog", host_catalog},     {"inflight", host_inflight},
    {"cost", host_cost},
    {"state", host_state},         {"usable", host_usable},
    {"weight", host_weight},
    {"ewma", host_ewma},           {"quantile", host_quantile},
    {"window", host_window},       {"remaining", host_remaining},
    {"outage_age", host_outage_age}, {"cool", host_cool},
    {"eject", host_eject},         {"restore", host_restore},
    {"probe", host_probe},         {NULL, NULL},
};

void bind_open_targets(lua_State *L, struct bind *b)
{
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, functions, 1);
}
