/* SPDX-License-Identifier: Apache-2.0
 *
 * config_lua: a configuration written in Lua, run in a sandbox, to blocks. The
 * constructors only note what they were given and where; what is wrong is
 * noted too and the run goes on, so that all faults are seen at once.
 */
#include "config_impl.h"

#include "vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys of the registry, by address: reading them allocates nothing. */
static const char reference_key, poison_key, environment_key;

/* env "NAME", file "/path", credential "name": all that Lua sees of a secret. */
struct reference {
    enum node_kind kind;
    int line;
    bool optional;
    const char *text;       /* borrowed from the scratch arena */
};

static struct loader *loader_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* The line of the nearest Lua caller. */
static int line_here(lua_State *L)
{
    lua_Debug ar;
    int level;

    for (level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "l", &ar);
        if (ar.currentline > 0)
            return ar.currentline;
    }
    return 0;
}

static bool has_metatable(lua_State *L, int index, const char *key)
{
    bool same = false;

    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, key);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* Stands for a value whose fault is reported: it may be called, indexed and
 * joined without a further complaint. */
LUA_RAISES static int push_poison(lua_State *L)
{
    lua_newuserdatauv(L, 0, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &poison_key);
    lua_setmetatable(L, -2);
    return 1;
}

LUA_RAISES static void *need(lua_State *L, struct loader *l, void *memory)
{
    if (!memory) {
        l->memory = true;
        luaL_error(L, "the configuration is too large");
    }
    return memory;
}

/* --- values --------------------------------------------------------------- */

LUA_RAISES static struct node *to_node(lua_State *L, struct loader *l,
                                       int index, int line, int depth);

LUA_RAISES static void to_list(lua_State *L, struct loader *l, int index,
                               struct node *table, int depth)
{
    struct node **tail = &table->first;
    lua_Integer i, n = (lua_Integer)lua_rawlen(L, index);

    for (i = 1; i <= n; i++) {
        lua_rawgeti(L, index, i);
        *tail = to_node(L, l, lua_gettop(L), table->line, depth);
        tail = &(*tail)->next;
        lua_pop(L, 1);
    }
}

LUA_RAISES static void to_members(lua_State *L, struct loader *l, int index,
                                  struct node *table, int depth)
{
    lua_Integer i, n = (lua_Integer)lua_rawlen(L, index);
    struct node *member;
    const char *key;
    size_t len;

    lua_pushnil(L);
    for (; lua_next(L, index); lua_pop(L, 1)) {
        if (lua_isinteger(L, -2)) {
            i = lua_tointeger(L, -2);
            if (i >= 1 && i <= n)
                continue;
        }
        key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len)
                                             : NULL;
        if (!key || memchr(key, '\0', len)) {
            config_wrong(l, table->line, NULL,
                         "a key is a text, or the table is a list without "
                         "holes");
            continue;
        }
        member = to_node(L, l, lua_gettop(L), table->line, depth);
        member->key = need(L, l, config_copy(&l->scratch, key, len));
        member->next = table->first;
        table->first = member;
    }
}

LUA_RAISES static struct node *to_table(lua_State *L, struct loader *l,
                                        int index, int line, int depth)
{
    struct node *table = need(L, l, config_node(l, NODE_TABLE, line));
    struct node *items, *last;

    if (depth == CONFIG_DEPTH)
        luaL_error(L, "tables stand deeper than %d in each other",
                   CONFIG_DEPTH);
    luaL_checkstack(L, 8, "configuration");
    to_list(L, l, index, table, depth + 1);
    items = table->first;
    table->first = NULL;
    to_members(L, l, index, table, depth + 1);
    if (items) {
        for (last = items; last->next;)
            last = last->next;
        last->next = table->first;
        table->first = items;
    }
    config_sort_members(l, table);
    return table;
}

static void from_reference(lua_State *L, int index, struct node *n)
{
    const struct reference *r = lua_touserdata(L, index);

    n->kind = r->kind;
    n->line = r->line;
    n->optional = r->optional;
    n->text = r->text;
    n->len = strlen(r->text);
}

LUA_RAISES static void from_text(lua_State *L, struct loader *l, int index,
                                 struct node *n)
{
    const char *text = lua_tolstring(L, index, &n->len);

    n->kind = NODE_STRING;
    n->text = need(L, l, config_copy(&l->scratch, text, n->len));
}

LUA_RAISES static struct node *to_node(lua_State *L, struct loader *l,
                                       int index, int line, int depth)
{
    struct node *n;

    if (lua_istable(L, index))
        return to_table(L, l, index, line, depth);
    n = need(L, l, config_node(l, NODE_OTHER, line));
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        n->kind = NODE_NULL;
        break;
    case LUA_TBOOLEAN:
        n->kind = NODE_BOOL;
        n->truth = lua_toboolean(L, index);
        break;
    case LUA_TNUMBER:
        n->kind = lua_isinteger(L, index) ? NODE_INTEGER : NODE_NUMBER;
        n->number = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        from_text(L, l, index, n);
        break;
    default:
        if (has_metatable(L, index, &reference_key))
            from_reference(L, index, n);
        else if (has_metatable(L, index, &poison_key))
            n->kind = NODE_POISON;
    }
    return n;
}

/* --- constructors --------------------------------------------------------- */

static enum section section_of(lua_State *L)
{
    return (enum section)lua_tointeger(L, lua_upvalueindex(2));
}

LUA_RAISES static int open_block(lua_State *L)
{
    struct loader *l = loader_of(L);
    enum section section = section_of(L);
    const char *word = config_word(section);
    struct block *b;
    struct node *text;

    if (has_metatable(L, 1, &poison_key))
        return push_poison(L);
    if (lua_istable(L, 1)) {
        b = need(L, l, config_block(l, section, NULL, line_here(L)));
        b->body = to_table(L, l, 1, b->line, 0);
        return 0;
    }
    if (lua_type(L, 1) == LUA_TSTRING &&
        (section == SECTION_LISTEN || section == SECTION_ADMIN)) {
        b = need(L, l, config_block(l, section, NULL, line_here(L)));
        b->body = need(L, l, config_node(l, NODE_TABLE, b->line));
        text = to_node(L, l, 1, b->line, 0);
        b->body->first = text;
        return 0;
    }
    config_wrong(l, line_here(L), NULL, "write %s { ... }%s", word,
                 section == SECTION_CLIENT ? " with name = \"...\" inside"
                                           : "");
    return push_poison(L);
}

/* The table after provider "name". */
LUA_RAISES static int fill_block(lua_State *L)
{
    struct loader *l = loader_of(L);
    struct block *b = lua_touserdata(L, lua_upvalueindex(2));
    const char *word = config_word(b->section);

    if (has_metatable(L, 1, &poison_key))
        b->body = need(L, l, config_node(l, NODE_POISON, b->line));
    else if (!lua_istable(L, 1))
        config_wrong(l, line_here(L), NULL, "write %s \"%s\" { ... }", word,
                     b->name);
    else if (b->body)
        config_wrong(l, line_here(L), NULL, "%s \"%s\" has two tables", word,
                     b->name);
    else
        b->body = to_table(L, l, 1, b->line, 0);
    return 0;
}

LUA_RAISES static int name_block(lua_State *L)
{
    struct loader *l = loader_of(L);
    enum section section = section_of(L);
    struct block *b;
    const char *name;
    size_t len;

    if (has_metatable(L, 1, &poison_key))
        return push_poison(L);
    name = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
    if (!name || memchr(name, '\0', len)) {
        config_wrong(l, line_here(L), NULL, "write %s \"name\" { ... }",
                     config_word(section));
        return push_poison(L);
    }
    name = need(L, l, config_copy(&l->scratch, name, len));
    b = need(L, l, config_block(l, section, name, line_here(L)));
    lua_pushlightuserdata(L, l);
    lua_pushlightuserdata(L, b);
    lua_pushcclosure(L, fill_block, 2);
    if (lua_istable(L, 2)) {
        lua_pushvalue(L, 2);
        lua_call(L, 1, 0);
        return 0;
    }
    return 1;
}

LUA_RAISES static bool read_optional(lua_State *L, struct loader *l)
{
    struct node *options = to_node(L, l, 2, line_here(L), 0);
    struct node *n;
    bool optional = false;

    for (n = options->first; n; n = n->next)
        if (n->key && strcmp(n->key, "optional") == 0 && n->kind == NODE_BOOL)
            optional = n->truth;
        else
            config_wrong(l, n->line, n->key,
                         "env takes only optional = true beside the name");
    if (options->kind != NODE_TABLE)
        config_wrong(l, options->line, NULL,
                     "write env(\"NAME\", { optional = true })");
    return optional;
}

/* env, file and credential; the second upvalue is the kind of node. */
LUA_RAISES static int make_reference(lua_State *L)
{
    struct loader *l = loader_of(L);
    enum node_kind kind = (enum node_kind)lua_tointeger(L, lua_upvalueindex(2));
    struct reference *r;
    const char *text;
    size_t len = 0;

    lua_settop(L, 2);
    if (has_metatable(L, 1, &poison_key))
        return push_poison(L);
    text = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
    if (!text || len == 0 || memchr(text, '\0', len)) {
        config_wrong(l, line_here(L), NULL, "write %s",
                     kind == NODE_ENV    ? "env \"NAME\""
                     : kind == NODE_FILE ? "file \"/path\""
                                         : "credential \"name\"");
        return push_poison(L);
    }
    text = need(L, l, config_copy(&l->scratch, text, len));
    r = lua_newuserdatauv(L, sizeof *r, 0);
    r->kind = kind;
    r->line = line_here(L);
    r->text = text;
    r->optional = false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &reference_key);
    lua_setmetatable(L, -2);
    if (kind == NODE_ENV && !lua_isnoneornil(L, 2))
        r->optional = read_optional(L, l);
    return 1;
}

/* --- globals -------------------------------------------------------------- */

/* Upvalues: loader, constructors, what the sandbox offers. */
LUA_RAISES static int get_global(lua_State *L)
{
    struct config_advice advice;
    struct loader *l = loader_of(L);
    const char *name;

    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, 2);
    if (lua_gettable(L, lua_upvalueindex(3)) != LUA_TNIL)
        return 1;
    name = lua_tostring(L, 2);
    config_advise_root(&advice, name ? name : "", l);
    config_wrong(l, line_here(L), NULL, "nothing is called \"%s\"%s",
                 name ? name : "?", advice.text);
    return push_poison(L);
}

LUA_RAISES static int set_global(lua_State *L)
{
    struct config_advice advice;
    struct loader *l = loader_of(L);
    const char *name = lua_tostring(L, 2);

    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) {
        config_wrong(l, line_here(L), NULL,
                     "\"%s\" is called, not assigned: %s { ... }", name, name);
        return 0;
    }
    config_advise_root(&advice, name ? name : "", l);
    config_wrong(l, line_here(L), NULL,
                 "\"%s\" is assigned, which sets nothing%s%s",
                 name ? name : "?",
                 advice.text, advice.text[0] ? "" : "; a helper is local");
    return 0;
}

LUA_RAISES static int secret_joined(lua_State *L)
{
    return luaL_error(L, "a secret is no text: it cannot be joined, compared "
                         "or printed");
}

LUA_RAISES static int secret_text(lua_State *L)
{
    lua_pushliteral(L, "secret");
    return 1;
}

LUA_RAISES static int poisoned(lua_State *L)
{
    return push_poison(L);
}

LUA_RAISES static void make_metatables(lua_State *L)
{
    static const luaL_Reg reference[] = {
        {"__concat", secret_joined}, {"__index", secret_joined},
        {"__len", secret_joined},    {"__lt", secret_joined},
        {"__tostring", secret_text}, {NULL, NULL},
    };
    static const luaL_Reg poison[] = {
        {"__concat", poisoned}, {"__index", poisoned}, {"__call", poisoned},
        {"__add", poisoned},    {"__sub", poisoned},   {"__mul", poisoned},
        {"__div", poisoned},    {"__len", poisoned},   {"__newindex", poisoned},
        {NULL, NULL},
    };

    lua_createtable(L, 0, 8);
    luaL_setfuncs(L, reference, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reference_key);
    lua_createtable(L, 0, 12);
    luaL_setfuncs(L, poison, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &poison_key);
}

LUA_RAISES static void add_word(lua_State *L, struct loader *l,
                                const char *word, lua_CFunction function,
                                lua_Integer what)
{
    lua_pushlightuserdata(L, l);
    lua_pushinteger(L, what);
    lua_pushcclosure(L, function, 2);
    lua_setfield(L, -2, word);
}

LUA_RAISES static void push_words(lua_State *L, struct loader *l)
{
    enum section s;

    lua_createtable(L, 0, 16);
    for (s = l->first; s < l->end; s++) {
        bool named = s == SECTION_PROVIDER || s == SECTION_SERVICE ||
                     s == SECTION_TARGET || s == SECTION_MODEL ||
                     s == SECTION_PRICE;

        add_word(L, l, config_word(s), named ? name_block : open_block,
                 (lua_Integer)s);
    }
    if (l->first != 0)
        return;
    add_word(L, l, "env", make_reference, NODE_ENV);
    add_word(L, l, "file", make_reference, NODE_FILE);
    add_word(L, l, "credential", make_reference, NODE_CREDENTIAL);
}

/* An empty table stays empty, so that every access passes get_global and
 * set_global. */
LUA_RAISES static int make_environment(lua_State *L, void *arg)
{
    struct loader *l = arg;

    make_metatables(L);
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushlightuserdata(L, l);
    push_words(L, l);
    vm_push_env(vm_of(L));
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, set_global, 2);
    lua_setfield(L, -5, "__newindex");
    lua_pushcclosure(L, get_global, 3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
    return 0;
}

/* --- the run -------------------------------------------------------------- */

/* Lua shortens long names, which would hide the line. */
static const char *chunk_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    return strlen(name) > 40 || strchr(name, ':') ? "config" : name;
}

/* A syntax error repeats the text where it stopped, which may be a key. */
static void hide_text(char *message)
{
    char *near = strstr(message, " near '");

    if (near && (near[7] == '"' || near[7] == '\'' || near[7] == '['))
        snprintf(near, 16, " near a text");
}

/* "leme.lua:12: sentence" to line and sentence. */
static void report_fault(struct loader *l, const char *name,
                         const struct vm_fault *fault, us_t limit)
{
    char message[sizeof fault->message];
    const char *text = message, *where = fault->where;
    size_t len = strlen(name);
    int line = 0;
    char *end;

    snprintf(message, sizeof message, "%s", fault->message);
    hide_text(message);
    if (strncmp(text, name, len) == 0 && text[len] == ':') {
        line = (int)strtol(text + len + 1, &end, 10);
        text = end[0] == ':' && end[1] == ' ' ? end + 2 : end;
    } else if (strncmp(where, name, len) == 0 && where[len] == ':') {
        line = (int)strtol(where + len + 1, &end, 10);
    }
    if (fault->kind == VM_TIMEOUT)
        config_wrong(l, line, NULL, "the configuration ran longer than %d ms",
                     (int)(limit / US_PER_MS));
    else if (fault->kind == VM_MEMORY)
        config_wrong(l, line, NULL, "the configuration needs too much memory");
    else
        config_wrong(l, line, NULL, "%s", text);
}

void config_lua_read(struct loader *l)
{
    const struct config *c = l->c;
    const char *name = chunk_name(l->options->path);
    struct vm_limits limits = {
        .state_bytes = CONFIG_LUA_BYTES + 24 * c->source_len,
        .step_us = CEIL_LOAD_US + (us_t)(c->source_len / 4),
    };
    struct vm *vm = vm_new(&limits);
    struct vm_fault fault;
    int bad;

    if (!vm) {
        l->memory = l->partial = true;
        return;
    }
    vm_aside(vm, true);
    bad = vm_enter(vm, make_environment, l, &fault);
    if (!bad) {
        lua_rawgetp(vm_lua(vm), LUA_REGISTRYINDEX, &environment_key);
        bad = vm_load(vm, c->source, c->source_len, name, &fault) ||
              vm_call(vm, 0, 0, &fault);
    }
    if (bad) {
        l->partial = true;
        report_fault(l, name, &fault, limits.step_us);
    }
    vm_free(vm);
}
