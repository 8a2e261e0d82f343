/* SPDX-License-Identifier: Apache-2.0
 *
 * An author is told the place and the sentence, each once.
 */
#include "test.h"

#include "../../core/blame.h"
#include "../../core/generation.h"

static const struct {
    int line;
    const char *where, *message, *file;
    int at;
    const char *says;
} rows[] = {
    {__LINE__, "policies/x.lua:12", "policies/x.lua:12: no such thing",
     "policies/x.lua", 12, "no such thing"},
    {__LINE__, "policies/x.lua:12", "no such thing", "policies/x.lua", 12,
     "no such thing"},
    {__LINE__, "policies/x.lua", "out of time", "policies/x.lua", 0,
     "out of time"},
    {__LINE__, "lua/leme/policy.lua:7",
     "lua/leme/policy.lua:7: policies/x.lua: returned 1", "policies/x.lua", 0,
     "returned 1"},
    {__LINE__, "", "policies/x.lua:3: unexpected symbol", "policies/x.lua", 3,
     "unexpected symbol"},
    {__LINE__, "lua/leme/task.lua:7", "lua/leme/task.lua:7: it broke", "", 0,
     "it broke"},
    {__LINE__, "", "not enough memory", "", 0, "not enough memory"},
    {__LINE__, "", "what x.lua says: nothing", "", 0,
     "what x.lua says: nothing"},
    {__LINE__, "", "", "", 0, ""},
};

static void place_and_sentence_are_told_once(void)
{
    struct policy_fault fault;
    struct blame b;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&fault, 0, sizeof fault);
        snprintf(fault.where, sizeof fault.where, "%s", rows[i].where);
        snprintf(fault.message, sizeof fault.message, "%s", rows[i].message);
        blame_policy(&fault, &b);
        CHECK_ROW(rows[i].line, strcmp(b.file, rows[i].file) == 0);
        CHECK_ROW(rows[i].line, b.line == rows[i].at);
        CHECK_ROW(rows[i].line, strcmp(b.message, rows[i].says) == 0);
    }
}

int main(void)
{
    RUN(place_and_sentence_are_told_once);
    return test_end();
}
