/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a request fit a target: its prompt into the context window, the answer it
 * allows into the longest one. Candidates are asked this before they are called.
 */
#include "bind_impl.h"

#include "config.h"
#include "tokens.h"

#include <stdio.h>
#include <string.h>

/* Of the estimate that much is believed when a target is passed over for it: one
 * that could have served is worse lost than one that says itself it cannot. */
#define BELIEVED 0.75
/* No byte is more than a token, and templates add no more than this. */
#define TEMPLATE_MOST 2000

unsigned bind_tokens(struct plan *plan, struct buf *scratch)
{
    struct json_doc *doc = plan->doc;
    struct tokens_weight w;
    size_t len;
    const char *text;

    if (plan->tokens || !doc)
        return plan->tokens;
    text = json_edited(doc) ? NULL : json_raw(doc, JSON_ROOT, &len);
    if (!text) {
        scratch->len = 0;
        if (json_write(doc, NULL, 0, scratch))
            return 0;
        text = scratch->data;
        len = scratch->len;
    }
    w = tokens_weigh(text, len);
    plan->tokens = (unsigned)(w.tokens < 1e9 ? w.tokens + 0.5 : 1e9);
    plan->tools = w.tools;
    return plan->tokens;
}

static double number_at(struct json_doc *doc, const char *key)
{
    bool twice = false;
    json_node n = json_member(doc, JSON_ROOT, key, strlen(key), &twice);
    int64_t i;
    double d;

    switch (n && !twice ? json_number(doc, n, &i, &d) : -1) {
    case 1:
        return (double)i;
    case 0:
        return d;
    default:
        return 0;
    }
}

double bind_max_tokens(struct plan *plan)
{
    struct json_doc *doc = plan->doc;
    double n = doc ? number_at(doc, "max_completion_tokens") : 0;

    return n > 0 || !doc ? n : number_at(doc, "max_tokens");
}

static bool fits_window(struct plan *plan, const struct target *t, double answer,
                        struct buf *scratch, char *why, size_t size)
{
    double need;

    if (t->context == 0 ||
        (double)(plan->doc->len + TEMPLATE_MOST) + answer < t->context)
        return true;
    need = bind_tokens(plan, scratch);
    need += tokens_template(t->model, plan->tools);
    if (need * BELIEVED + answer <= t->context)
        return true;
    snprintf(why, size, "about %.0f tokens%s do not fit its %u", need,
             answer > 0 ? " and max_tokens" : "", t->context);
    return false;
}

bool bind_fits(struct plan *plan, const struct target *t, struct buf *scratch,
               char *why, size_t size)
{
    double asked;

    if (!plan->doc || (!t->context && !t->max_output))
        return true;
    asked = bind_max_tokens(plan);
    if (t->max_output && asked > t->max_output) {
        if (t->max_tokens == LIMIT_SKIP) {
            snprintf(why, size, "max_tokens %.0f is above its %u", asked,
                     t->max_output);
            return false;
        }
        asked = t->max_output;
    }
    return fits_window(plan, t, asked, scratch, why, size);
}
