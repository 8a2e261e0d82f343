/* SPDX-License-Identifier: Apache-2.0
 *
 * Clock, dice, record, log, metrics and JSON for lua/leme.
 */
#include "bind_impl.h"

#include "ceilings.h"
#include "config.h"
#include "metrics.h"
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- dice ------------------------------------------------------------------ */

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* xoshiro256** (Blackman and Vigna, 2018; public domain algorithm). */
double bind_random(uint64_t s[4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return (double)(result >> 11) * 0x1.0p-53;
}

/* splitmix64, the generator its authors name for seeding xoshiro. */
void bind_seed(uint64_t rng[4], uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9E3779B97F4A7C15u);

        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        rng[i] = z ^ (z >> 31);
    }
}

/* FNV-1a: leme.bucket promises the same for good. */
static uint64_t hash(const char *bytes, size_t len, uint64_t seed)
{
    uint64_t h = 0xCBF29CE484222325u ^ seed;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)bytes[i]) * 0x100000001B3u;
    return h;
}

/* -- digest ---------------------------------------------------------------- */

/* Eight bytes at a time, since every prompt that a policy reads goes through
 * here; tells two texts apart, and is no secret. */
void bind_digest(const char *bytes, size_t len, char out[DIGEST_SIZE])
{
    uint64_t h = len, word = 0;
    const char *end = bytes + len;

    for (; end - bytes >= (ptrdiff_t)sizeof word; bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, bytes, (size_t)(end - bytes));
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
    for (int i = 0; i < 16; i++)
        out[i] = "0123456789abcdef"[h >> (60 - 4 * i) & 15];
    out[16] = '\0';
}

/* -- record ---------------------------------------------------------------- */

void bind_note_text(struct bind *b, const char *name, const char *args,
                    const char *result)
{
    if (b->plan)
        record_add(b->plan->record, RECORD_host, name, args, result);
}

void bind_note_number(struct bind *b, const char *name, const char *args,
                      double result)
{
    if (b->plan)
        record_add(b->plan->record, RECORD_number, name, args, result);
}

/* -- functions ------------------------------------------------------------- */

static int host_now(lua_State *L)
{
    lua_pushnumber(L, (double)bind_of(L)->now / 1e6);
    return 1;
}

static int host_wall(lua_State *L)
{
    lua_pushnumber(L, (double)bind_of(L)->wall / 1e6);
    return 1;
}

static int host_random(lua_State *L)
{
    struct bind *b = bind_of(L);
    double x = bind_random(b->plan ? b->plan->rng : b->rng);

    if (b->plan)
        record_add(b->plan->record, RECORD_draw, x);
    lua_pushnumber(L, x);
    return 1;
}

/* bucket(key, salt) -> [0,1): stable over reloads, replicas and versions. */
static int host_bucket(lua_State *L)
{
    size_t n, m;
    const char *key = luaL_checklstring(L, 1, &n);
    const char *salt = luaL_optlstring(L, 2, "", &m);
    uint64_t h = hash(key, n, hash(salt, m, 0)), rng[4];

    bind_seed(rng, h);
    lua_pushnumber(L, bind_random(rng));
    return 1;
}

/* note(kind, target, text): kind "pass" or "trace". */
static int host_note(lua_State *L)
{
    struct bind *b = bind_of(L);
    const char *kind = luaL_checkstring(L, 1);
    lua_Integer target = luaL_checkinteger(L, 2);
    const char *text = luaL_checkstring(L, 3), *name = "";
    char where[128] = "";

    if (target >= 1 && (size_t)target <= b->config->ntargets)
        name = b->config->targets[target - 1].name;
    if (!b->plan)
        return 0;
    vm_where(L, 1, where, sizeof where);
    if (strcmp(kind, "pass") == 0)
        record_add(b->plan->record, RECORD_pass, name, text, where);
    else
        record_add(b->plan->record, RECORD_trace, name, text);
    return 0;
}

static int host_trace(lua_State *L)
{
    struct bind *b = bind_of(L);
    const char *key = luaL_checkstring(L, 1), *text = luaL_checkstring(L, 2);

    if (b->plan)
        record_add(b->plan->record, RECORD_trace, key, text);
    return 0;
}

static int host_log(lua_State *L)
{
    struct bind *b = bind_of(L);
    const char *level = luaL_checkstring(L, 1);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);

    b->log(b->log_arg, level, text, len);
    return 0;
}

/* metric(name, by, label): a counter of the policy's own. The names come from
 * policy code, so their length is bounded; their number is, by the registry. */
static int host_metric(lua_State *L)
{
    struct bind *b = bind_of(L);
    const char *name = luaL_checkstring(L, 1);
    double by = luaL_optnumber(L, 2, 1);
    const char *label = luaL_optstring(L, 3, "");
    const char *values[] = {b->policy_name ? b->policy_name : "", name, label};

    if (strlen(name) > 64 || strlen(label) > 64)
        return luaL_error(L, "metric names and labels have at most 64 bytes");
    if (!(by >= 0))
        return luaL_error(L, "a metric counts up: expected a number >= 0");
    metrics_add(b->metrics, b->shard,
                metrics_series(b->metrics, METRIC_CUSTOM, values), by);
    return 0;
}

/* array(t): mark a table as a JSON array, also when it is empty. */
static int host_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, "leme.array");
    return 1;
}

static int host_encode(lua_State *L)
{
    struct bind *b = bind_of(L);

    b->scratch.len = 0;
    bind_write_json(L, 1, &b->scratch);
    lua_pushlstring(L, b->scratch.data ? b->scratch.data : "", b->scratch.len);
    return 1;
}

static int host_decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);

    if (bind_read_json(L, text, len) == 0)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* "file:line" where function ${1} begins; false when it is not Lua. */
static bool begins(lua_State *L, lua_Debug *ar)
{
    lua_pushvalue(L, 1);
    lua_getinfo(L, ">Su", ar);
    return ar->what[0] != 'C';
}

/* where(level, function or coroutine) -> "file:line" or "" */
static int host_where(lua_State *L)
{
    char where[256] = "";
    lua_Debug ar;

    if (lua_isfunction(L, 1)) {
        if (begins(L, &ar))
            snprintf(where, sizeof where, "%s:%d",
                     ar.source + (*ar.source == '@'), ar.linedefined);
        lua_pushstring(L, where);
        return 1;
    }
    if (lua_isthread(L, 1))
        vm_where(lua_tothread(L, 1), 0, where, sizeof where);
    else
        vm_where(L, (int)luaL_optinteger(L, 1, 1), where, sizeof where);
    lua_pushstring(L, where);
    return 1;
}

/* wants(function): does it take a second argument, and is not of lua/leme? */
static int host_wants(lua_State *L)
{
    lua_Debug ar;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushboolean(L, begins(L, &ar) && (ar.nparams > 1 || ar.isvararg) &&
                           !vm_ours(ar.source));
    return 1;
}

static int host_revision(lua_State *L)
{
    lua_pushstring(L, bind_of(L)->revision);
    return 1;
}

static int host_services(lua_State *L)
{
    const struct config *c = bind_of(L)->config;

    lua_newtable(L);
    for (size_t i = 0; i < c->nproviders; i++) {
        if (!c->providers[i].service)
            continue;
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, c->providers[i].name);
    }
    return 1;
}

static int host_models(lua_State *L)
{
    const struct config *c = bind_of(L)->config;

    lua_createtable(L, 0, (int)c->nmodels);
    for (size_t i = 0; i < c->nmodels; i++) {
        const struct model *m = &c->models[i];

        lua_createtable(L, (int)m->ntargets, 0);
        for (size_t j = 0; j < m->ntargets; j++) {
            lua_pushinteger(L, (lua_Integer)m->targets[j] + 1);
            lua_rawseti(L, -2, (lua_Integer)j + 1);
        }
        lua_setfield(L, -2, m->name);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"now", host_now},           {"wall", host_wall},
    {"random", host_random},     {"bucket", host_bucket},
    {"note", host_note},         {"trace", host_trace},
    {"log", host_log},           {"metric", host_metric},
    {"encode", host_encode},     {"decode", host_decode},
    {"where", host_where},       {"revision", host_revision},
    {"services", host_services}, {"models", host_models},
    {"array", host_array},       {"wants", host_wants},
    {NULL, NULL},
};

void bind_push_host(lua_State *L, struct bind *b)
{
    luaL_newmetatable(L, "leme.array");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, functions, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    bind_open_targets(L, b);
    bind_open_shared(L, b);
    bind_open_request(L, b);
    bind_open_edit(L, b);
    bind_open_node(L, b);
    bind_open_files(L, b);
}
