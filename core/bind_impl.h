/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bind*.c files share.
 */
#ifndef LEME_BIND_IMPL_H
#define LEME_BIND_IMPL_H

#include "bind.h"

#include "vm.h"

struct target;

#include <lauxlib.h>

#define REQUEST_TYPE "leme.request"
#define NODE_TYPE "leme.node"
#define HEADERS_TYPE "leme.headers"

/** The bind of a host function: its first upvalue. */
static inline struct bind *bind_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/** The open plan of the `req` at ${arg}; raises when it is over. */
struct plan *bind_check_plan(lua_State *L, int arg);

/* Each pushes its functions into the table on top of the stack, with the bind
 * as upvalue. */
void bind_open_targets(lua_State *L, struct bind *b);
void bind_open_shared(lua_State *L, struct bind *b);
void bind_open_request(lua_State *L, struct bind *b);
void bind_open_edit(lua_State *L, struct bind *b);
void bind_open_node(lua_State *L, struct bind *b);
void bind_open_files(lua_State *L, struct bind *b);

/** Member ${key} of an object of the body, or JSON_NONE; raises when the client
 * has it twice. */
json_node bind_member(lua_State *L, struct plan *plan, json_node of,
                      const char *key);
/** The last message of the user (${question}), or the first of system or
 * developer; JSON_NONE: there is none. */
json_node bind_message(lua_State *L, struct plan *plan, bool question);
/** The content of a message. */
json_node bind_content(lua_State *L, struct plan *plan, json_node message);

/** Tokens the request's body weighs, edits included; estimated once. ${scratch}
 * is overwritten. */
unsigned bind_tokens(struct plan *plan, struct buf *scratch);
/** Does the request fit ${t}? Else ${why}. */
bool bind_fits(struct plan *plan, const struct target *t, struct buf *scratch,
               char *why, size_t size);

/* Assignments to req. */
void bind_need_body(lua_State *L, struct plan *plan);
/** Set a member of the root to the Lua value at ${value}; nil removes it. */
void bind_set_member(lua_State *L, struct bind *b, struct plan *plan,
                     const char *key, int value);
/** Set the system message's content to the text at 3. */
void bind_set_system(lua_State *L, struct bind *b, struct plan *plan);

/* The same edits in the client's own body (bind_native.c). Each does nothing when
 * there is none, and gives it up when the edit has no place in it. ${scratch} is
 * overwritten. */
/** Set member ${key} of the chat completion to a JSON text; ${len} 0 removes. */
void bind_native_member(struct plan *plan, const char *key, const char *value,
                        size_t len);
void bind_native_system(struct plan *plan, struct buf *scratch, const char *text,
                        size_t len);
void bind_native_prepend(struct plan *plan, struct buf *scratch,
                         const char *text, size_t len);
/** ${message}: the JSON text of a message with ${role} and a text. */
void bind_native_append(struct plan *plan, const char *role, const char *message,
                        size_t len);
/** An edit that has no place there. */
void bind_native_lost(struct plan *plan);

/** Push the value at node ${n} of the body behind the req at ${req}: scalars
 * decoded, arrays and objects as views. */
void bind_push_node(lua_State *L, int req, struct plan *plan, json_node n);
/** The node of a view at ${arg} and its plan; raises when it is stale. */
json_node bind_check_node(lua_State *L, int arg, struct plan **plan);
/** A view at ${arg}? Then its node and plan, without raising. */
bool bind_test_node(lua_State *L, int arg, json_node *n, struct plan **plan);

/** Put the path of a node ("/messages/2/content") into ${out}. */
void bind_node_path(struct plan *plan, json_node n, struct buf *out);

/** The digest of bytes as text, for the record. */
#define DIGEST_SIZE 17
void bind_digest(const char *bytes, size_t len, char out[DIGEST_SIZE]);

/** An entry of kind host: name, one text argument, number result. */
void bind_note_number(struct bind *b, const char *name, const char *args,
                      double result);
void bind_note_text(struct bind *b, const char *name, const char *args,
                    const char *result);

#endif
