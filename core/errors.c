/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include <string.h>

static const struct error_row rows[] = {
    {"", 200, "", "", false, false},
#define X(name, status, type, code, retry, fallback)                           \
    {#name, status, type, code, retry, fallback},
    ERRORS(X)
#undef X
};

_Static_assert(sizeof rows / sizeof *rows == ERROR_COUNT, "one row a value");

const struct error_row *errors_row(enum error_type e)
{
    return &rows[(unsigned)e < ERROR_COUNT ? e : ERROR__other];
}

enum error_type errors_find(const char *name, size_t len)
{
    for (int e = 0; e < ERROR_COUNT; e++)
        if (strlen(rows[e].name) == len && !memcmp(rows[e].name, name, len))
            return (enum error_type)e;
    return ERROR__other;
}
