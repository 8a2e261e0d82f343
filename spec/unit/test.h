/* SPDX-License-Identifier: Apache-2.0
 *
 * test: a unit test in one header. Each file of spec/unit is one program:
 *
 *     static void a_title(void) { CHECK(1 + 1 == 2); }
 *     int main(void) { RUN(a_title); return test_end(); }
 *
 * It prints one line a failure and ends with "N passed, N failed".
 */
#ifndef LEME_TEST_H
#define LEME_TEST_H

#include <stdio.h>
#include <string.h>

static int test_passed, test_failed, test_bad;

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: CHECK(%s)\n", __FILE__, __LINE__,          \
                    #condition);                                               \
            test_bad = 1;                                                      \
        }                                                                      \
    } while (0)

/* For table-driven tests: names the line of the row. */
#define CHECK_ROW(line, condition)                                             \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: row: CHECK(%s)\n", __FILE__, (int)(line),  \
                    #condition);                                               \
            test_bad = 1;                                                      \
        }                                                                      \
    } while (0)

#define RUN(test)                                                              \
    do {                                                                       \
        test_bad = 0;                                                          \
        test();                                                                \
        if (test_bad)                                                          \
            test_failed++;                                                     \
        else                                                                   \
            test_passed++;                                                     \
        if (test_bad)                                                          \
            fprintf(stderr, "FAIL %s\n", #test);                               \
    } while (0)

static inline int test_end(void)
{
    printf("%d passed, %d failed\n", test_passed, test_failed);
    return test_failed ? 1 : 0;
}

#endif
