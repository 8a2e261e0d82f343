/* SPDX-License-Identifier: Apache-2.0
 *
 * json_path: documents and nodes by a short name, for the tests of json.
 */
#ifndef LEME_JSON_PATH_H
#define LEME_JSON_PATH_H

#include "../../core/json.h"

#include <stdlib.h>
#include <string.h>

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

static inline bool opens(struct json_doc *doc, const char *text)
{
    struct json_fault fault = { 0 };

    return json_open(doc, text, strlen(text), 64, 1 << 20, &fault) == 0;
}

/* "messages.2.role": a part that starts with a digit is a place. */
static inline json_node at(struct json_doc *doc, const char *path)
{
    json_node n = JSON_ROOT;
    bool duplicate;
    size_t len;

    while (*path) {
        len = strcspn(path, ".");
        n = *path >= '0' && *path <= '9'
                ? json_item(doc, n, (size_t)atoi(path))
                : json_member(doc, n, path, len, &duplicate);
        path += len;
        path += *path == '.';
    }
    return n;
}

#endif
