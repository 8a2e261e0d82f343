/* SPDX-License-Identifier: Apache-2.0
 *
 * tokens: how many tokens a request's body weighs, estimated without a tokeniser.
 * Pure. Called by bind. The README says how far off it is; spec/fixtures/tokens.py
 * measures that on recorded usage.
 */
#ifndef LEME_TOKENS_H
#define LEME_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

/** What a body weighs by itself; ${tools}: it brings tools. */
struct tokens_weight {
    double tokens;
    bool tools;
};

/**
 * Weigh a JSON body: a chat completion, text completion or list of texts to embed;
 * also Anthropic's, Gemini's, Cohere's and OpenAI's responses. One pass over the
 * bytes, no allocation; safe on arbitrary bytes.
 */
struct tokens_weight tokens_weigh(const char *body, size_t len);
/** What ${model} is given beside that: its template, the text around tools. 0 for
 * models nobody has measured. */
unsigned tokens_template(const char *model, bool tools);

#endif
