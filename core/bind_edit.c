/* SPDX-License-Identifier: Apache-2.0
 *
 * Edits of the body as policies make them: for every later attempt (assignments,
 * messages) or for one (overlays).
 */
#include "bind_impl.h"

#include "ceilings.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

static void note_edit(struct plan *plan, const char *path, size_t bytes)
{
    plan->question_kept = false;
    plan->tokens = 0;
    record_add(plan->record, RECORD_edit, path, "policy", (int64_t)bytes);
}

static void check_edited(lua_State *L, bool ok)
{
    if (!ok)
        luaL_error(L, "the edit does not fit: the edits of one request may hold "
                      "as many bytes as a body");
}

void bind_need_body(lua_State *L, struct plan *plan)
{
    if (!plan->doc)
        luaL_error(L, "this request has no body to edit");
}

void bind_set_member(lua_State *L, struct bind *b, struct plan *plan,
                       const char *key, int value)
{
    json_node n;

    b->scratch.len = 0;
    if (lua_isnil(L, value)) {
        n = bind_member(L, plan, JSON_ROOT, key);
        if (n)
            json_remove(plan->doc, n);
    } else {
        bind_write_json(L, value, &b->scratch);
        check_edited(L, json_set(plan->doc, JSON_ROOT, key, strlen(key),
                                 b->scratch.data, b->scratch.len));
    }
    bind_native_member(plan, key, b->scratch.data, b->scratch.len);
    note_edit(plan, key, b->scratch.len);
}

/* Write a message {"role":...,"content":...} into the scratch. */
static void write_message(lua_State *L, struct bind *b, const char *role,
                          const char *text, size_t len)
{
    int bad = buf_adds(&b->scratch, "{\"role\":");

    bad |= buf_add_json(&b->scratch, role, strlen(role));
    bad |= buf_adds(&b->scratch, ",\"content\":");
    bad |= buf_add_json(&b->scratch, text, len);
    if (bad | buf_addc(&b->scratch, '}'))
        luaL_error(L, "the text is too large");
}

static json_node messages_of(lua_State *L, struct plan *plan)
{
    json_node all = bind_member(L, plan, JSON_ROOT, "messages");

    if (!all || json_kind(plan->doc, all) != JSON_ARRAY)
        luaL_error(L, "this request has no messages");
    return all;
}

static void insert_message(lua_State *L, struct bind *b, struct plan *plan,
                           size_t at, const char *role, const char *text,
                           size_t len)
{
    b->scratch.len = 0;
    write_message(L, b, role, text, len);
    check_edited(L, json_insert(plan->doc, messages_of(L, plan), at,
                                b->scratch.data, b->scratch.len));
    note_edit(plan, "messages", b->scratch.len);
}

/* prepend_system(req, text): in front of the system message's own text, or a
 * system message of its own when there is none. */
static int host_prepend_system(lua_State *L)
{
    struct plan *plan = bind_check_plan(L, 1);
    struct bind *b = bind_of(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    json_node m, content;

    bind_need_body(L, plan);
    m = bind_message(L, plan, false);
    content = m ? bind_content(L, plan, m) : JSON_NONE;
    if (!content || json_kind(plan->doc, content) != JSON_STRING) {
        insert_message(L, b, plan, 1, "system", text, len);
        bind_native_prepend(plan, &b->scratch, text, len);
        return 0;
    }
    lua_pushlstring(L, text, len);
    lua_pushliteral(L, "\n\n");
    b->scratch.len = 0;
    json_string(plan->doc, content, &b->scratch);
    lua_pushlstring(L, b->scratch.data ? b->scratch.data : "", b->scratch.len);
    lua_concat(L, 3);
    text = lua_tolstring(L, -1, &len);
    b->scratch.len = 0;
    check_edited(L, buf_add_json(&b->scratch, text, len) == 0 &&
                        json_replace(plan->doc, content, b->scratch.data,
                                     b->scratch.len));
    note_edit(plan, "system", b->scratch.len);
    text = lua_tolstring(L, 2, &len);
    bind_native_prepend(plan, &b->scratch, text, len);
    return 0;
}

static int host_append(lua_State *L)
{
    struct plan *plan = bind_check_plan(L, 1);
    struct bind *b = bind_of(L);
    const char *role = luaL_checkstring(L, 2);
    size_t len;
    const char *text = luaL_checklstring(L, 3, &len);
    json_node all;

    bind_need_body(L, plan);
    all = messages_of(L, plan);
    insert_message(L, b, plan, json_count(plan->doc, all) + 1, role, text, len);
    bind_native_append(plan, role, b->scratch.data, b->scratch.len);
    return 0;
}

void bind_set_system(lua_State *L, struct bind *b, struct plan *plan)
{
    size_t len;
    const char *text = luaL_checklstring(L, 3, &len);
    json_node m = bind_message(L, plan, false);

    if (!m) {
        insert_message(L, b, plan, 1, "system", text, len);
        bind_native_prepend(plan, &b->scratch, text, len);
        return;
    }
    b->scratch.len = 0;
    check_edited(L, buf_add_json(&b->scratch, text, len) == 0 &&
                        json_set(plan->doc, m, "content", 7, b->scratch.data,
                                 b->scratch.len));
    note_edit(plan, "system", b->scratch.len);
    bind_native_system(plan, &b->scratch, text, len);
}

/* overlay(req, fields) -> handle */
static int host_overlay(lua_State *L)
{
    struct plan *plan = bind_check_plan(L, 1);
    struct overlay *o;
    size_t at;

    luaL_checktype(L, 2, LUA_TTABLE);
    bind_need_body(L, plan);
    if (plan->noverlays == PLAN_OVERLAYS)
        return luaL_error(L, "at most %d req:with a request", PLAN_OVERLAYS);
    o = calloc(1, sizeof *o);
    if (!o)
        return luaL_error(L, "not enough memory");
    buf_init(&o->text, CEIL_BODY_BYTES);
    plan->overlays[plan->noverlays++] = o;
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_rawlen(L, -2) > 63 || o->n == 16)
            return luaL_error(L, "req:with takes up to 16 fields with text keys");
        at = o->text.len;
        strcpy(o->member[o->n].key, lua_tostring(L, -2));
        o->member[o->n].removed = lua_islightuserdata(L, -1);
        if (!o->member[o->n].removed)
            bind_write_json(L, -1, &o->text);
        o->member[o->n].at = (uint32_t)at;
        o->member[o->n].len = (uint32_t)(o->text.len - at);
        o->n++;
    }
    lua_pushinteger(L, plan->noverlays);
    return 1;
}

/* body(req) -> the client's bytes, edits included. Not for policies. */
static int host_body(lua_State *L)
{
    struct plan *plan = bind_check_plan(L, 1);
    struct bind *b = bind_of(L);

    bind_need_body(L, plan);
    b->scratch.len = 0;
    if (json_write(plan->doc, NULL, 0, &b->scratch))
        return luaL_error(L, "not enough memory");
    lua_pushlstring(L, b->scratch.data, b->scratch.len);
    return 1;
}

static const luaL_Reg functions[] = {
    {"prepend_system", host_prepend_system},
    {"append", host_append},
    {"overlay", host_overlay},
    {"body", host_body},
    {NULL, NULL},
};

void bind_open_edit(lua_State *L, struct bind *b)
{
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, functions, 1);
}
