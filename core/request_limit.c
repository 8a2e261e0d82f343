/* SPDX-License-Identifier: Apache-2.0
 *
 * A request may allow an answer that is longer than its target gives: as the target
 * says, the number is lowered in what is sent, or the attempt is refused before
 * anything is sent.
 */
#include "request_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"max_tokens", "max_completion_tokens",
                                    "max_output_tokens"};

static bool is_limit(const char *key)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

/* The largest such number that would be sent: ${extra} stands over the body. */
static double asked(struct json_doc *doc, const struct json_extra *extra, size_t n)
{
    double most = 0, d;
    int64_t whole;
    char text[32];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool twice = false;
        json_node node = json_member(doc, JSON_ROOT, names[i], strlen(names[i]),
                                     &twice);
        int kind = node ? json_number(doc, node, &whole, &d) : -1;

        d = kind < 0 ? 0 : kind ? (double)whole : d;
        for (size_t k = 0; k < n; k++)
            if (strcmp(extra[k].key, names[i]) == 0) {
                snprintf(text, sizeof text, "%.*s", (int)extra[k].len,
                         extra[k].value ? extra[k].value : "");
                d = strtod(text, NULL);
            }
        most = d > most ? d : most;
    }
    return most;
}

static void set_extra(struct json_extra *extra, size_t *n, const char *key,
                      const char *number)
{
    size_t k = 0;

    while (k < *n && strcmp(extra[k].key, key) != 0)
        k++;
    *n += k == *n;
    extra[k] = (struct json_extra){key, number, strlen(number)};
}

/* Every one of those members that would be sent becomes ${number}. */
static void lower(struct json_doc *doc, struct json_extra *extra, size_t *n,
                  const char *number)
{
    size_t given = *n;

    for (size_t k = 0; k < given; k++)
        if (is_limit(extra[k].key) && extra[k].value)
            set_extra(extra, n, extra[k].key, number);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool twice = false, over = false;

        for (size_t k = 0; k < given; k++)
            over |= strcmp(extra[k].key, names[i]) == 0;
        if (!over && json_member(doc, JSON_ROOT, names[i], strlen(names[i]), &twice))
            set_extra(extra, n, names[i], number);
    }
}

static void refuse(struct flight *f, double wanted)
{
    const struct target *t = flight_target(f);
    bool skip = t->max_tokens == LIMIT_SKIP;
    char text[200];

    snprintf(text, sizeof text, "max_tokens: %.0f is above the %u tokens that "
             "%s gives in one answer; ask for fewer", wanted, t->max_output,
             t->name);
    flight_stop(f, skip ? ERROR_provider_context_too_long
                        : ERROR_caller_invalid_request, text);
}

int limit_apply(struct flight *f, struct json_doc *doc, struct json_extra *extra,
                size_t *n, char number[LIMIT_DIGITS])
{
    const struct target *t = flight_target(f);
    char note[160];
    double wanted;

    if (t->max_output == 0 || f->request->in.op == REQUEST_EMBEDDINGS)
        return 0;
    wanted = asked(doc, extra, *n);
    if (wanted <= t->max_output)
        return 0;
    if (t->max_tokens != LIMIT_CLAMP) {
        refuse(f, wanted);
        return -1;
    }
    snprintf(number, LIMIT_DIGITS, "%u", t->max_output);
    lower(doc, extra, n, number);
    snprintf(note, sizeof note, "clamped max_tokens: %.0f to %u, what %.80s gives",
             wanted, t->max_output, t->name);
    record_add(&f->request->record, RECORD_trace, "limit", note);
    return 0;
}
