/* SPDX-License-Identifier: Apache-2.0
 *
 * `req` as policies see it: fields decoded on first touch, assignments as edits.
 * The userdata holds a pointer to the plan that is cleared when the request
 * ends: a handle kept longer answers "the request is over".
 */
#include "bind_impl.h"

#include "config.h"
#include "record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A user value of the handle; the first is lua/leme's. */
#define QUESTION 2

struct handle {
    struct plan *plan;      /* borrowed until the request ends, then NULL */
};

struct plan *bind_check_plan(lua_State *L, int arg)
{
    struct handle *h = luaL_checkudata(L, arg, REQUEST_TYPE);

    if (!h->plan)
        luaL_error(L, "stale handle: the request is over; a policy may not keep "
                      "req beyond its request");
    return h->plan;
}

void bind_push_request(lua_State *L, struct bind *b, struct plan *plan)
{
    struct handle *h = lua_newuserdatauv(L, sizeof *h, 2);

    h->plan = plan;
    plan->handle = h;
    plan->question_kept = false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, b->ref_request);
    lua_setmetatable(L, -2);
}

void bind_close_request(struct plan *plan)
{
    struct handle *h = plan->handle;

    h->plan = NULL;
    plan->handle = NULL;
}

/* bind_check_plan for the metamethods, which nearly always get what they
 * should: a comparison instead of a search in the registry. */
static struct plan *own_plan(lua_State *L, struct bind *b)
{
    struct handle *h = lua_touserdata(L, 1);
    bool own;

    if (!h || !lua_getmetatable(L, 1))
        return bind_check_plan(L, 1);
    own = lua_topointer(L, -1) == b->request_meta;
    lua_pop(L, 1);
    return own && h->plan ? h->plan : bind_check_plan(L, 1);
}

void bind_plan_free(struct plan *plan)
{
    for (unsigned i = 0; i < plan->noverlays; i++) {
        buf_free(&plan->overlays[i]->text);
        free(plan->overlays[i]);
    }
    plan->noverlays = 0;
}

/* -- reading --------------------------------------------------------------- */

json_node bind_member(lua_State *L, struct plan *plan, json_node of,
                        const char *key)
{
    bool duplicate = false;
    json_node n;

    if (!plan->doc)
        return JSON_NONE;
    n = json_member(plan->doc, of, key, strlen(key), &duplicate);
    if (duplicate)
        luaL_error(L, "the client's body has the key \"%s\" twice", key);
    return n;
}

static bool member_is(lua_State *L, struct plan *plan, json_node of,
                      const char *key, const char *want)
{
    json_node n = bind_member(L, plan, of, key);
    size_t len;
    const char *s = n ? json_plain(plan->doc, n, &len) : NULL;

    return s && len == strlen(want) && memcmp(s, want, len) == 0;
}

/* Append the text of a message's content: a string, or its text parts. */
static void add_content(lua_State *L, struct plan *plan, json_node content,
                        struct buf *out)
{
    size_t n;

    if (json_kind(plan->doc, content) == JSON_STRING) {
        json_string(plan->doc, content, out);
        return;
    }
    n = json_count(plan->doc, content);
    for (size_t i = 1; i <= n; i++) {
        json_node text = bind_member(L, plan, json_item(plan->doc, content, i), "text");

        if (!text)
            continue;
        if (out->len)
            buf_addc(out, '\n');
        json_string(plan->doc, text, out);
    }
}

json_node bind_content(lua_State *L, struct plan *plan, json_node message)
{
    return bind_member(L, plan, message, "content");
}

/* The last message of the user, or the first of system or developer. */
json_node bind_message(lua_State *L, struct plan *plan, bool question)
{
    json_node all = bind_member(L, plan, JSON_ROOT, "messages"), m;
    size_t n = all ? json_count(plan->doc, all) : 0;

    for (size_t i = 1; i <= n; i++) {
        m = json_item(plan->doc, all, question ? n + 1 - i : i);
        if (question && member_is(L, plan, m, "role", "user"))
            return m;
        if (!question && (member_is(L, plan, m, "role", "system") ||
                          member_is(L, plan, m, "role", "developer")))
            return m;
    }
    return JSON_NONE;
}

/* What was read goes into the record: the value of short scalars that are not
 * content, the digest of everything else. */
static void note_read(struct plan *plan, const char *path, const char *value,
                      size_t len, bool content)
{
    char digest[DIGEST_SIZE] = "", text[80] = "";

    if (!content && len < sizeof text) {
        memcpy(text, value, len);
        text[len] = '\0';
    } else {
        bind_digest(value, len, digest);
    }
    record_add(plan->record, RECORD_read, path, text, digest);
}

static int push_message_text(lua_State *L, struct bind *b, struct plan *plan,
                             bool question)
{
    json_node m = bind_message(L, plan, question);
    json_node content = m ? bind_content(L, plan, m) : JSON_NONE;

    b->scratch.len = 0;
    if (content)
        add_content(L, plan, content, &b->scratch);
    else if (question && (content = bind_member(L, plan, JSON_ROOT, "prompt")))
        add_content(L, plan, content, &b->scratch);
    else if (question && (content = bind_member(L, plan, JSON_ROOT, "input")))
        add_content(L, plan, content, &b->scratch);
    if (!content && !question) {
        lua_pushnil(L);
        return 1;
    }
    note_read(plan, question ? "question" : "system",
              b->scratch.data ? b->scratch.data : "", b->scratch.len, true);
    lua_pushlstring(L, b->scratch.data ? b->scratch.data : "", b->scratch.len);
    return 1;
}

/* Nearly every policy reads it. */
static int get_model(lua_State *L, struct bind *b, struct plan *plan)
{
    json_node n = bind_member(L, plan, JSON_ROOT, "model");
    size_t len;
    const char *s = n ? json_plain(plan->doc, n, &len) : NULL;

    (void)b;
    if (!s) {
        bind_push_node(L, 1, plan, n);
        return 1;
    }
    note_read(plan, "/model", s, len, false);
    lua_pushlstring(L, s, len);
    return 1;
}

/* Decoded once, until the body is edited: policies ask it this and that. */
static int get_question(lua_State *L, struct bind *b, struct plan *plan)
{
    if (plan->question_kept) {
        lua_getiuservalue(L, 1, QUESTION);
        return 1;
    }
    push_message_text(L, b, plan, true);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, QUESTION);
    plan->question_kept = true;
    return 1;
}

static int get_system(lua_State *L, struct bind *b, struct plan *plan)
{
    return push_message_text(L, b, plan, false);
}

static int get_max_tokens(lua_State *L, struct bind *b, struct plan *plan)
{
    json_node n = bind_member(L, plan, JSON_ROOT, "max_completion_tokens");

    (void)b;
    if (!n)
        n = bind_member(L, plan, JSON_ROOT, "max_tokens");
    bind_push_node(L, 1, plan, n);
    return 1;
}

static int get_stream(lua_State *L, struct bind *b, struct plan *plan)
{
    json_node n = bind_member(L, plan, JSON_ROOT, "stream");

    (void)b;
    lua_pushboolean(L, n && json_kind(plan->doc, n) == JSON_TRUE);
    return 1;
}

static int get_id(lua_State *L, struct bind *b, struct plan *plan)
{
    (void)b;
    lua_pushstring(L, plan->id);
    return 1;
}

static int get_api(lua_State *L, struct bind *b, struct plan *plan)
{
    (void)b;
    lua_pushstring(L, plan->api);
    return 1;
}

static const struct client *client_of(const struct bind *b,
                                      const struct plan *plan)
{
    return plan->client < 0 ? NULL : &b->config->clients[plan->client];
}

/* The client's name, nil when none is configured. */
static int get_client(lua_State *L, struct bind *b, struct plan *plan)
{
    const struct client *c = client_of(b, plan);

    if (c)
        note_read(plan, "client", c->name, strlen(c->name), false);
    lua_pushstring(L, c ? c->name : NULL);
    return 1;
}

/* The client's tags, { team = "search" }: a fresh table, so that one request
 * cannot change what the next one sees. */
static int get_tags(lua_State *L, struct bind *b, struct plan *plan)
{
    const struct client *c = client_of(b, plan);

    lua_newtable(L);
    for (size_t i = 0; c && i < c->ntags; i++) {
        const char *eq = strchr(c->tags[i], '=');

        lua_pushlstring(L, c->tags[i],
                        eq ? (size_t)(eq - c->tags[i]) : strlen(c->tags[i]));
        lua_pushstring(L, eq ? eq + 1 : "");
        lua_rawset(L, -3);
        note_read(plan, "tags", c->tags[i], strlen(c->tags[i]), false);
    }
    return 1;
}

static int get_tokens(lua_State *L, struct bind *b, struct plan *plan)
{
    lua_pushinteger(L, (lua_Integer)bind_tokens(plan, &b->scratch));
    return 1;
}

static int get_remaining(lua_State *L, struct bind *b, struct plan *plan)
{
    double left = (double)(plan->deadline - b->now) / 1e6;

    lua_pushnumber(L, left > 0 ? left : 0);
    return 1;
}

static int get_headers(lua_State *L, struct bind *b, struct plan *plan)
{
    (void)b;
    (void)plan;
    lua_newuserdatauv(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, HEADERS_TYPE);
    return 1;
}

static const struct {
    const char *name;
    int (*get)(lua_State *L, struct bind *b, struct plan *plan);
} getters[] = {
    {"model", get_model},
    {"question", get_question}, {"system", get_system},
    {"stream", get_stream},     {"max_tokens", get_max_tokens},
    {"headers", get_headers},   {"client", get_client},   {"tags", get_tags},
    {"id", get_id},             {"api", get_api},
    {"tokens", get_tokens},     {"remaining", get_remaining},
};

/* What ${2} names among methods (a function) and getters (a number) goes into
 * one table, so that the next search is one look. Upvalues: bind, that table,
 * methods. */
static int find_name(lua_State *L)
{
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
        return lua_type(L, -1);
    lua_pop(L, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(3)) != LUA_TFUNCTION)
        return LUA_TNIL;
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(2));
    return LUA_TFUNCTION;
}

/* req.name: a method, a computed field, or a member of the body. */
static int request_index(lua_State *L)
{
    struct bind *b = bind_of(L);
    struct plan *plan = own_plan(L, b);

    switch (find_name(L)) {
    case LUA_TFUNCTION:
        return 1;
    case LUA_TNUMBER:
        return getters[lua_tointeger(L, -1) - 1].get(L, b, plan);
    default:
        bind_push_node(L, 1, plan,
                       bind_member(L, plan, JSON_ROOT, luaL_checkstring(L, 2)));
        return 1;
    }
}

/* -- writing --------------------------------------------------------------- */

/* req.name = value */
static int request_newindex(lua_State *L)
{
    struct plan *plan = bind_check_plan(L, 1);
    struct bind *b = bind_of(L);
    const char *name = luaL_checkstring(L, 2);

    bind_need_body(L, plan);
    if (strcmp(name, "system") == 0) {
        bind_set_system(L, b, plan);
        return 0;
    }
    if (strcmp(name, "max_tokens") == 0 &&
        bind_member(L, plan, JSON_ROOT, "max_completion_tokens"))
        name = "max_completion_tokens";
    for (size_t i = 0; i < sizeof getters / sizeof *getters; i++)
        if (strcmp(getters[i].name, name) == 0 && getters[i].get != get_model &&
            getters[i].get != get_max_tokens)
            return luaL_error(L, "req.%s can be read but not assigned", name);
    bind_set_member(L, b, plan, name, 3);
    return 0;
}

/* -- of attempts ----------------------------------------------------------- */

/* answer(req, id, "text" | "body" | "cost" | "facts") -> text | nil */
static int host_answer(lua_State *L)
{
    static const char *const whats[] = {"text", "body", "cost", "facts", NULL};
    struct plan *plan = bind_check_plan(L, 1);
    struct bind *b = bind_of(L);
    lua_Integer id = luaL_checkinteger(L, 2);
    int what = luaL_checkoption(L, 3, NULL, whats);

    static_assert(PLAN_ANSWER_BODY == 1 && PLAN_ANSWER_COST == 2 &&
                  PLAN_ANSWER_FACTS == 3, "whats");
    b->scratch.len = 0;
    if (!plan->view->answer(plan->owner, (unsigned)id, what, &b->scratch)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushlstring(L, b->scratch.data ? b->scratch.data : "", b->scratch.len);
    return 1;
}

static int host_remaining_time(lua_State *L)
{
    return get_remaining(L, bind_of(L), bind_check_plan(L, 1));
}

/* -- headers --------------------------------------------------------------- */

static struct plan *headers_plan(lua_State *L)
{
    struct plan *plan;

    luaL_checkudata(L, 1, HEADERS_TYPE);
    lua_getiuservalue(L, 1, 1);
    plan = bind_check_plan(L, -1);
    lua_pop(L, 1);
    return plan;
}

/* A caller's credential is neither a policy's business nor the record's. */
static bool names_credential(const char *lower)
{
    static const char *const words[] = {"auth", "key", "token", "secret",
                                        "cookie", "password"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(lower, words[i]))
            return true;
    return false;
}

static int headers_index(lua_State *L)
{
    struct plan *plan = headers_plan(L);
    size_t len, n;
    const char *name = luaL_checklstring(L, 2, &n), *value;
    char lower[128];

    if (n >= sizeof lower)
        return 0;
    for (size_t i = 0; i <= n; i++)
        lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32)
                                                    : name[i];
    if (names_credential(lower))
        return 0;
    value = plan->view->header(plan->owner, lower, &len);
    if (!value)
        return 0;
    note_read(plan, lower, value, len, false);
    lua_pushlstring(L, value, len);
    return 1;
}

static int read_only(lua_State *L)
{
    return luaL_error(L, "req.headers can be read but not assigned");
}

/* -- registration ---------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"answer", host_answer},
    {"remaining_time", host_remaining_time},
    {NULL, NULL},
};

static void push_getters(lua_State *L)
{
    lua_createtable(L, 0, 16);
    for (size_t i = 0; i < sizeof getters / sizeof *getters; i++) {
        lua_pushinteger(L, (lua_Integer)i + 1);
        lua_setfield(L, -2, getters[i].name);
    }
}

void bind_open_request(lua_State *L, struct bind *b)
{
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, functions, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "methods");
    luaL_newmetatable(L, REQUEST_TYPE);
    b->request_meta = lua_topointer(L, -1);
    lua_pushvalue(L, -1);
    b->ref_request = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, b);
    push_getters(L);
    lua_pushvalue(L, -4);
    lua_pushcclosure(L, request_index, 3);
    lua_setfield(L, -2, "__index");
    lua_pushlightuserdata(L, b);
    lua_pushcclosure(L, request_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    luaL_newmetatable(L, HEADERS_TYPE);
    lua_pushcfunction(L, headers_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, read_only);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
