/* SPDX-License-Identifier: Apache-2.0
 *
 * Node views: an array or object of the body as a policy sees it. No copy: a
 * view holds the node's number and the req it belongs to. `#`, indexing,
 * ipairs, pairs, table.insert and table.remove work on it.
 */
#include "bind_impl.h"

#include "ceilings.h"
#include "record.h"

#include <string.h>

/* Its address is the registry key of the bind. */
static const char scratch_key = 0;

struct view {
    json_node node;         /* user value 1 is the req userdata */
};

static void new_view(lua_State *L, int req, json_node n)
{
    struct view *v;

    req = lua_absindex(L, req);
    v = lua_newuserdatauv(L, sizeof *v, 1);
    v->node = n;
    lua_pushvalue(L, req);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, NODE_TYPE);
}

static void push_number(lua_State *L, struct plan *plan, json_node n)
{
    int64_t i;
    double d;

    if (json_number(plan->doc, n, &i, &d))
        lua_pushinteger(L, i);
    else
        lua_pushnumber(L, d);
}

/* Record a scalar that was read: short values that are not content as they
 * are, texts by their digest. */
static void note_scalar(struct plan *plan, json_node n, const char *bytes,
                        size_t len)
{
    char path[128] = "", value[64] = "", digest[DIGEST_SIZE] = "";
    struct buf p = {.data = path, .size = sizeof path, .ceiling = sizeof path - 1};
    bool content = json_parent(plan->doc, n) != JSON_ROOT;

    bind_node_path(plan, n, &p);
    path[p.len] = '\0';
    if (!content && len < sizeof value) {
        memcpy(value, bytes, len);
        value[len] = '\0';
    } else {
        bind_digest(bytes, len, digest);
    }
    record_add(plan->record, RECORD_read, path, value, digest);
}

static void push_string(lua_State *L, struct plan *plan, json_node n)
{
    size_t len;
    const char *s = json_plain(plan->doc, n, &len);
    struct bind *b;

    if (s) {
        note_scalar(plan, n, s, len);
        lua_pushlstring(L, s, len);
        return;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scratch_key);
    b = lua_touserdata(L, -1);
    lua_pop(L, 1);
    b->scratch.len = 0;
    json_string(plan->doc, n, &b->scratch);
    note_scalar(plan, n, b->scratch.data ? b->scratch.data : "", b->scratch.len);
    lua_pushlstring(L, b->scratch.data ? b->scratch.data : "", b->scratch.len);
}

/* Record a number, a boolean or null as it stands. */
static void note_plain(struct plan *plan, json_node n)
{
    size_t len;
    const char *raw;

    if (json_kind(plan->doc, n) >= JSON_STRING)
        return;
    raw = json_raw(plan->doc, n, &len);
    if (raw)
        note_scalar(plan, n, raw, len);
}

void bind_push_node(lua_State *L, int req, struct plan *plan, json_node n)
{
    if (n == JSON_NONE) {
        lua_pushnil(L);
        return;
    }
    note_plain(plan, n);
    switch (json_kind(plan->doc, n)) {
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        lua_pushboolean(L, json_kind(plan->doc, n) == JSON_TRUE);
        break;
    case JSON_NUMBER:
        push_number(L, plan, n);
        break;
    case JSON_STRING:
        push_string(L, plan, n);
        break;
    default:
        new_view(L, req, n);
    }
}

bool bind_test_node(lua_State *L, int arg, json_node *n, struct plan **plan)
{
    struct view *v = luaL_testudata(L, arg, NODE_TYPE);

    if (!v)
        return false;
    lua_getiuservalue(L, arg, 1);
    *plan = bind_check_plan(L, -1);
    lua_pop(L, 1);
    *n = v->node;
    return true;
}

json_node bind_check_node(lua_State *L, int arg, struct plan **plan)
{
    json_node n;

    luaL_checkudata(L, arg, NODE_TYPE);
    bind_test_node(L, arg, &n, plan);
    if (!json_live((*plan)->doc, n))
        luaL_error(L, "stale view: this part of the body was removed or "
                      "replaced; read it again from req");
    return n;
}

/* The path is built from the leaf up, so it is written backwards and turned. */
void bind_node_path(struct plan *plan, json_node n, struct buf *out)
{
    json_node up = json_parent(plan->doc, n);

    if (n == JSON_ROOT || n == JSON_NONE)
        return;
    bind_node_path(plan, up, out);
    buf_addc(out, '/');
    if (json_kind(plan->doc, up) == JSON_OBJECT) {
        json_key(plan->doc, n, out);
        return;
    }
    for (size_t i = 1, c = json_count(plan->doc, up); i <= c; i++) {
        if (json_item(plan->doc, up, i) == n) {
            buf_addf(out, "%zu", i);
            return;
        }
    }
}

/* -- metamethods ----------------------------------------------------------- */

static json_node child(lua_State *L, struct plan *plan, json_node n, int key)
{
    bool duplicate = false;
    json_node found = JSON_NONE;
    const char *name;
    size_t len;

    if (lua_isinteger(L, key) && lua_tointeger(L, key) > 0 &&
        json_kind(plan->doc, n) == JSON_ARRAY)
        return json_item(plan->doc, n, (size_t)lua_tointeger(L, key));
    if (lua_type(L, key) == LUA_TSTRING) {
        name = lua_tolstring(L, key, &len);
        found = json_member(plan->doc, n, name, len, &duplicate);
        if (duplicate)
            luaL_error(L, "the client's body has the key \"%s\" twice", name);
    }
    return found;
}

static int node_index(lua_State *L)
{
    struct plan *plan;
    json_node n = bind_check_node(L, 1, &plan);

    lua_getiuservalue(L, 1, 1);
    bind_push_node(L, -1, plan, child(L, plan, n, 2));
    return 1;
}

static int node_len(lua_State *L)
{
    struct plan *plan;
    json_node n = bind_check_node(L, 1, &plan);

    lua_pushinteger(L, json_kind(plan->doc, n) == JSON_ARRAY
                           ? (lua_Integer)json_count(plan->doc, n) : 0);
    return 1;
}

static void note_edit(struct plan *plan, json_node n, size_t bytes)
{
    char path[128] = "";
    struct buf p = {.data = path, .size = sizeof path, .ceiling = sizeof path - 1};

    bind_node_path(plan, n, &p);
    path[p.len] = '\0';
    plan->question_kept = false;
    plan->tokens = 0;
    bind_native_lost(plan);
    record_add(plan->record, RECORD_edit, path, "policy", (int64_t)bytes);
}

static int too_large(lua_State *L)
{
    return luaL_error(L, "the edit does not fit: the edits of one request may "
                         "hold as many bytes as a body");
}

/* view[key] = value */
static int node_newindex(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct plan *plan;
    json_node n = bind_check_node(L, 1, &plan), old, now;
    size_t len, count;
    const char *key;

    old = child(L, plan, n, 2);
    if (lua_isnil(L, 3)) {
        if (old)
            note_edit(plan, old, 0);
        return old && json_remove(plan->doc, old) ? too_large(L) : 0;
    }
    b->scratch.len = 0;
    bind_write_json(L, 3, &b->scratch);
    if (old) {
        now = json_replace(plan->doc, old, b->scratch.data, b->scratch.len);
    } else if (json_kind(plan->doc, n) == JSON_OBJECT) {
        key = luaL_checklstring(L, 2, &len);
        now = json_set(plan->doc, n, key, len, b->scratch.data, b->scratch.len);
    } else {
        count = json_count(plan->doc, n);
        if (luaL_checkinteger(L, 2) != (lua_Integer)count + 1)
            return luaL_error(L, "an array of %d items can be assigned at 1 to %d",
                              (int)count, (int)count + 1);
        now = json_insert(plan->doc, n, count + 1, b->scratch.data,
                          b->scratch.len);
    }
    if (!now)
        return too_large(L);
    note_edit(plan, now, b->scratch.len);
    return 0;
}

/* insert(view, [i,] value) */
static int host_insert(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct plan *plan;
    json_node n = bind_check_node(L, 1, &plan), now;
    size_t count = json_count(plan->doc, n);
    lua_Integer i = lua_gettop(L) > 2 ? luaL_checkinteger(L, 2)
                                      : (lua_Integer)count + 1;

    luaL_argcheck(L, json_kind(plan->doc, n) == JSON_ARRAY, 1, "array expected");
    luaL_argcheck(L, i >= 1 && i <= (lua_Integer)count + 1, 2,
                  "position out of bounds");
    b->scratch.len = 0;
    bind_write_json(L, lua_gettop(L) > 2 ? 3 : 2, &b->scratch);
    now = json_insert(plan->doc, n, (size_t)i, b->scratch.data, b->scratch.len);
    if (!now)
        return too_large(L);
    note_edit(plan, now, b->scratch.len);
    return 0;
}

/* Push what node ${n} holds as values of Lua's own, which outlive the node. */
static void push_copy(lua_State *L, struct bind *b, struct plan *plan, json_node n)
{
    b->scratch.len = 0;
    if (json_write_node(plan->doc, n, &b->scratch))
        too_large(L);
    bind_read_json(L, b->scratch.data, b->scratch.len);
}

/* remove(view, [i]) -> what was there */
static int host_remove(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct plan *plan;
    json_node n = bind_check_node(L, 1, &plan), item;
    size_t count = json_count(plan->doc, n);
    lua_Integer i = luaL_optinteger(L, 2, (lua_Integer)count);

    luaL_argcheck(L, json_kind(plan->doc, n) == JSON_ARRAY, 1, "array expected");
    if (count == 0 && i == 0)
        return 0;
    luaL_argcheck(L, i >= 1 && i <= (lua_Integer)count, 2,
                  "position out of bounds");
    item = json_item(plan->doc, n, (size_t)i);
    push_copy(L, b, plan, item);
    note_edit(plan, item, 0);
    return json_remove(plan->doc, item) ? too_large(L) : 1;
}

/* pairs(view): in the order of the text. */
static int node_next(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct plan *plan;
    json_node n = bind_check_node(L, lua_upvalueindex(2), &plan), item;
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(3)) + 1;

    if ((size_t)i > json_count(plan->doc, n))
        return 0;
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(3));
    item = json_item(plan->doc, n, (size_t)i);
    if (json_kind(plan->doc, n) == JSON_OBJECT) {
        b->scratch.len = 0;
        json_key(plan->doc, item, &b->scratch);
        lua_pushlstring(L, b->scratch.data ? b->scratch.data : "",
                        b->scratch.len);
    } else {
        lua_pushinteger(L, i);
    }
    lua_getiuservalue(L, lua_upvalueindex(2), 1);
    bind_push_node(L, -1, plan, item);
    lua_remove(L, -2);
    return 2;
}

static int node_pairs(lua_State *L)
{
    struct plan *plan;

    bind_check_node(L, 1, &plan);
    lua_pushlightuserdata(L, bind_of(L));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, node_next, 3);
    return 1;
}

static const luaL_Reg functions[] = {
    {"insert", host_insert}, {"remove", host_remove}, {NULL, NULL}};

static const luaL_Reg meta[] = {
    {"__index", node_index},   {"__newindex", node_newindex},
    {"__len", node_len},       {"__pairs", node_pairs},
    {"__insert", host_insert}, {"__remove", host_remove},
    {NULL, NULL},
};

void bind_open_node(lua_State *L, struct bind *b)
{
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, functions, 1);
    luaL_newmetatable(L, NODE_TYPE);
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, meta, 1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    /* For decoding strings, where no upvalue is at hand. */
    lua_pushlightuserdata(L, b);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scratch_key);
}
