/* SPDX-License-Identifier: Apache-2.0
 *
 * env_file: what each line says, and that what is wrong is named without a value.
 */
#include "env_file.h"

#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

static char why[256];

static struct env_file *parse(const char *text)
{
    why[0] = '\0';
    return env_file_parse("vars", strdup(text), why, sizeof why);
}

static bool says(const char *line, const char *name, const char *value)
{
    struct env_file *e = parse(line);
    const char *found = e ? env_file_get(e, name) : NULL;
    bool same = found && value ? strcmp(found, value) == 0 : found == value;

    env_file_free(e);
    return same;
}

static void lines_have_names_and_values(void)
{
    static const struct { int line; const char *text, *value; } rows[] = {
        {__LINE__, "LEME_T=a", "a"},
        {__LINE__, "LEME_T=a=b", "a=b"},
        {__LINE__, " \texport  LEME_T=a \r\n", "a"},
        {__LINE__, "# LEME_T=a\n\n", NULL},
        {__LINE__, "OTHER=a", NULL},
        {__LINE__, "LEME_T='a b'", "a b"},
        {__LINE__, "LEME_T=\"a'\"", "a'"},
        {__LINE__, "LEME_T='a\"", "'a\""},
        {__LINE__, "LEME_T='", "'"},
        {__LINE__, "LEME_T=", ""},
        {__LINE__, "LEME_T=first\nLEME_T=second", "first"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line, says(rows[i].text, "LEME_T", rows[i].value));
}

static void the_environment_comes_first(void)
{
    setenv("LEME_T_SET", "outside", 1);
    CHECK(says("LEME_T_SET=inside", "LEME_T_SET", "outside"));
    unsetenv("LEME_T_SET");
    CHECK(says("LEME_T_SET=inside", "LEME_T_SET", "inside"));
}

static void what_is_no_variable_is_named_by_its_line(void)
{
    static const char *const rows[] = {"A=1\nsecret", "A=1\n2B=secret",
                                       "A=1\n=secret", "A=1\nA B=secret"};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_ROW(i, !parse(rows[i]));
        CHECK_ROW(i, strcmp(why, "vars:2: expected NAME=value") == 0);
    }
}

static void a_file_is_read_and_nothing_else(void)
{
    CHECK(!env_file_read("/nowhere/vars", why, sizeof why));
    CHECK(strcmp(why, "/nowhere/vars: No such file or directory") == 0);
    CHECK(!env_file_read("/", why, sizeof why));
    CHECK(strncmp(why, "/: ", 3) == 0);
}

static void an_export_leaves_what_is_set(void)
{
    struct env_file *e = parse("LEME_T_OLD=new\nLEME_T_NEW=new");

    setenv("LEME_T_OLD", "old", 1);
    CHECK(e && env_file_export(e) == 0);
    CHECK(strcmp(getenv("LEME_T_OLD"), "old") == 0);
    CHECK(strcmp(getenv("LEME_T_NEW"), "new") == 0);
    env_file_free(e);
}

int main(void)
{
    RUN(lines_have_names_and_values);
    RUN(the_environment_comes_first);
    RUN(what_is_no_variable_is_named_by_its_line);
    RUN(a_file_is_read_and_nothing_else);
    RUN(an_export_leaves_what_is_set);
    return test_end();
}
