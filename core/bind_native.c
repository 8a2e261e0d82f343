/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy reads and edits a chat completion, whatever its client speaks. Here
 * its edits are made once more in the client's own body, for providers that take
 * that as it is. An edit that has no place there ends this: from then on such
 * providers, too, get what is made of the chat completion.
 */
#include "bind_impl.h"

#include "config.h"
#include "record.h"

#include <string.h>

/* Where the two formats call the same thing by other names, or by the same. */
static const struct {
    unsigned format;
    const char *chat, *native;
} members[] = {
    {NATIVE_MESSAGES, "model", "model"},
    {NATIVE_MESSAGES, "max_tokens", "max_tokens"},
    {NATIVE_MESSAGES, "max_completion_tokens", "max_tokens"},
    {NATIVE_MESSAGES, "top_p", "top_p"},
    {NATIVE_MESSAGES, "top_k", "top_k"},
    {NATIVE_MESSAGES, "temperature", "temperature"},
    {NATIVE_MESSAGES, "stop", "stop_sequences"},
    {NATIVE_RESPONSES, "model", "model"},
    {NATIVE_RESPONSES, "max_tokens", "max_output_tokens"},
    {NATIVE_RESPONSES, "max_completion_tokens", "max_output_tokens"},
    {NATIVE_RESPONSES, "top_p", "top_p"},
    {NATIVE_RESPONSES, "temperature", "temperature"},
    {NATIVE_RESPONSES, "parallel_tool_calls", "parallel_tool_calls"},
    {NATIVE_RESPONSES, "metadata", "metadata"},
    {NATIVE_RESPONSES, "user", "user"},
    {NATIVE_RESPONSES, "safety_identifier", "safety_identifier"},
    {NATIVE_RESPONSES, "service_tier", "service_tier"},
    {NATIVE_RESPONSES, "prompt_cache_key", "prompt_cache_key"},
};

/* Where the system text and the turns stand. */
static const struct shape {
    unsigned format;
    const char *system, *turns;
    bool blocks;                /* the system text may be a list of blocks */
} shapes[] = {
    {NATIVE_MESSAGES, "system", "messages", true},
    {NATIVE_RESPONSES, "instructions", "input", false},
};

const char *bind_native_name(unsigned format, const char *chat)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].format == format && strcmp(members[i].chat, chat) == 0)
            return members[i].native;
    return NULL;
}

/* NULL: policies' edits of texts have no place in this format. */
static const struct shape *shape_of(const struct plan *plan)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].format == plan->native_format)
            return &shapes[i];
    return NULL;
}

static json_node native_member(struct plan *plan, const char *key)
{
    bool twice = false;
    json_node n = json_member(plan->native, JSON_ROOT, key, strlen(key), &twice);

    return n && json_kind(plan->native, n) != JSON_NULL ? n : JSON_NONE;
}

void bind_native_lost(struct plan *plan)
{
    if (plan->native)
        record_add(plan->record, RECORD_trace, "native",
                   "an edit of the policy has no place in the client's own "
                   "format: translated");
    plan->native = NULL;
}

static void keep_if(struct plan *plan, bool ok)
{
    if (!ok)
        bind_native_lost(plan);
}

void bind_native_member(struct plan *plan, const char *key, const char *value,
                        size_t len)
{
    const char *name = plan->native ? bind_native_name(plan->native_format, key)
                                    : NULL;
    json_node n;

    if (!plan->native)
        return;
    if (!name) {
        bind_native_lost(plan);
        return;
    }
    if (len) {
        keep_if(plan, json_set(plan->native, JSON_ROOT, name, strlen(name), value,
                               len));
        return;
    }
    n = native_member(plan, name);
    keep_if(plan, !n || json_remove(plan->native, n) == 0);
}

/* Set a member of the root to a text. */
static bool set_text(struct plan *plan, struct buf *b, const char *key,
                     const char *text, size_t len)
{
    b->len = 0;
    return buf_add_json(b, text, len) == 0 &&
           json_set(plan->native, JSON_ROOT, key, strlen(key), b->data, b->len);
}

void bind_native_system(struct plan *plan, struct buf *b, const char *text,
                        size_t len)
{
    const struct shape *s = shape_of(plan);

    /* Without a place of its own the system text stands among the turns. */
    if (plan->native)
        keep_if(plan, s && (s->blocks || native_member(plan, s->system)) &&
                          set_text(plan, b, s->system, text, len));
}

static bool insert_block(struct plan *plan, struct buf *b, json_node list,
                         const char *text, size_t len)
{
    b->len = 0;
    return buf_adds(b, "{\"type\":\"text\",\"text\":") == 0 &&
           buf_add_json(b, text, len) == 0 && buf_addc(b, '}') == 0 &&
           json_insert(plan->native, list, 1, b->data, b->len);
}

void bind_native_prepend(struct plan *plan, struct buf *b, const char *text,
                         size_t len)
{
    const struct shape *s = shape_of(plan);
    struct buf both;
    json_node n;

    if (!s)
        bind_native_lost(plan);
    if (!plan->native)
        return;
    n = native_member(plan, s->system);
    if (n && s->blocks && json_kind(plan->native, n) == JSON_ARRAY) {
        keep_if(plan, insert_block(plan, b, n, text, len));
        return;
    }
    buf_init(&both, b->ceiling);
    keep_if(plan, (!n || json_kind(plan->native, n) == JSON_STRING) &&
                      buf_add(&both, text, len) == 0 &&
                      (!n || (buf_adds(&both, "\n\n") == 0 &&
                              json_string(plan->native, n, &both) == 0)) &&
                      set_text(plan, b, s->system, both.data ? both.data : "",
                               both.len));
    buf_free(&both);
}

void bind_native_append(struct plan *plan, const char *role, const char *message,
                        size_t len)
{
    const struct shape *s = shape_of(plan);
    json_node turns;

    if (!s)
        bind_native_lost(plan);
    if (!plan->native)
        return;
    turns = native_member(plan, s->turns);
    keep_if(plan, (strcmp(role, "user") == 0 || strcmp(role, "assistant") == 0) &&
                      turns && json_kind(plan->native, turns) == JSON_ARRAY &&
                      json_insert(plan->native, turns,
                                  json_count(plan->native, turns) + 1, message,
                                  len));
}
