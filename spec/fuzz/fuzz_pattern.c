/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns: whatever the pattern, ours answer what Lua's own string library
 * answers, errors included. Input: pattern, newline, subject, newline,
 * replacement. Short, because Lua's own matcher needs exponential time.
 */
#include <stdint.h>
#include <stdio.h>

#include "../unit/pattern_twin.h"

#define MAX_PATTERN 14
#define MAX_SUBJECT 24
#define MAX_REPLACEMENT 8

struct part {
    const char *text;
    size_t len;
};

static struct part take(struct part *rest, size_t max)
{
    const char *end = memchr(rest->text, '\n', rest->len);
    struct part part = {rest->text, end ? (size_t)(end - rest->text)
                                        : rest->len};

    rest->text += part.len + (end != NULL);
    rest->len -= part.len + (end != NULL);
    if (part.len > max)
        part.len = max;
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct twin twin;
    struct part rest = {size ? (const char *)data : "", size};
    struct part pattern = take(&rest, MAX_PATTERN);
    struct part subject = take(&rest, MAX_SUBJECT);
    struct part with = take(&rest, MAX_REPLACEMENT);

    if (!twin.vm && !twin_new(&twin))
        abort();
    if (!twin_agree(&twin, subject.text, subject.len, pattern.text, pattern.len,
                    with.text, with.len, true))
        abort();
    return 0;
}
