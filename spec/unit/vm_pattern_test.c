/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "pattern_twin.h"

#include <stdint.h>

static struct twin twin;

struct row {
    int line;
    const char *s, *p, *r;
};
#define R(s, p, r) {__LINE__, s, p, r}

static const struct row rows[] = {
    R("", "", "x"), R("abc", "", "x"), R("", "a", "x"), R("", "$", "x"),
    R("", "^", "x"), R("abc", "^", "x"), R("abc", "$", "x"),
    R("abc", "^$", "x"), R("", "^$", "x"), R("abc", "a", "b"),
    R("abcabc", "c", "%0%0"), R("abc", "d", "x"), R("a.b.c", ".", "%%"),
    R("a.b.c", "%.", "-"), R("hello world", "o w", "_"),
    R("hello world", "l+", "L"), R("hello world", "l*", "L"),
    R("hello world", "l-", "L"), R("hello world", "l?", "L"),
    R("hello world", "l-o", "%0"), R("hello", "x*", "-"),
    R("hello", "x-", "-"), R("hello", "x?", "-"), R("hello", "x+", "-"),
    R("aaa", "a*", "b"), R("aaa", "a-", "b"), R("aaa", "a?", "b"),
    R("aaa", "a+", "b"), R("aaab", "a*ab", "x"), R("aaab", "a-ab", "x"),
    R("aaab", "a?ab", "x"), R("aaab", "a+ab", "x"), R("aaab", "^a-b$", "x"),
    R("aaab", "^a?b$", "x"), R("  trim me  ", "^%s*(.-)%s*$", "[%1]"),
    R("key = value", "(%w+)%s*=%s*(%w+)", "%2=%1"),
    R("key = value", "^(%w+)%s*=%s*(%w+)$", "%2=%1"),
    R("one two three", "%w+", "<%0>"), R("one two three", "(%w)(%w*)", "%2%1"),
    R("one two three", "()%w+()", "%1-%2"), R("one;two;;four", "([^;]*)", "x"),
    R("one;two;;four", "[^;]+", "x"), R("2024-05-17", "(%d+)-(%d+)-(%d+)",
                                        "%3.%2.%1"),
    R("f(a(b)c)d(e)", "%b()", ""), R("f(a(b)c", "%b()", "x"),
    R("((((", "%b()", "x"), R("xaxbx", "%bxx", "-"), R("[[a]]", "%b[]", "%0"),
    R("begin end", "%bbn", "x"), R("a(b", "%b", "x"), R("a(b", "%b(", "x"),
    R("THE (quick) fox", "%((%a+)%)", "%1"),
    R("THE (quick) fox", "%f[%a]%a+", "%0!"),
    R("THE (quick) fox", "%f[%a]%a+%f[%A]", "."), R("abc", "%f[%z]", "E"),
    R("abc", "%f[^%z]", "S"), R("abc", "%fa", "x"), R("abc", "%f", "x"),
    R("abc", "%f[", "x"), R("aXb", "%f[%u]%u", "y"),
    R("hello", "(l)%1", "%1"), R("hello", "(.)%1", "%1%1"),
    R("abab", "(ab)%1", "x"), R("abab", "(a(b))%1", "%2"),
    R("abab", "(a(b)%2)", "x"), R("abab", "(a%1)", "x"), R("abab", "%1", "x"),
    R("abab", "(a)%2", "x"), R("aa", "()a%1", "x"), R("a0", "a%0", "x"),
    R("\"it's\"", "([\"'])(.-)%1", "<%2>"), R("abc", "(", "x"),
    R("abc", ")", "x"), R("abc", "(a", "x"), R("abc", "a)", "x"),
    R("abc", "(a))", "x"), R("abc", "((a)(b)(c))", "%4%3%2%1"),
    R("abc", "(a)(b)(c)", "%4"), R("abc", "a", "%1"), R("abc", "a", "%2"),
    R("abc", "a", "%"), R("abc", "a", "%x"), R("abc", "a", "%9"),
    R("abc", "%", "x"), R("abc", "a%", "x"), R("abc", "[", "x"),
    R("abc", "[a", "x"), R("abc", "[^", "x"), R("abc", "[^a", "x"),
    R("abc", "[]", "x"), R("abc", "[^]", "x"), R("abc", "[%", "x"),
    R("abc", "[%a", "x"), R("abc", "[a%", "x"), R("abc", "[%]", "x"),
    R("a]c", "[]]", "x"), R("a]c", "[^]]", "x"), R("a]c", "[%]]", "x"),
    R("a-c", "[a-]", "x"), R("a-c", "[-a]", "x"), R("a-c", "[a%-c]", "x"),
    R("a-c", "[%a-]", "x"), R("a-z%", "[%a-z]", "x"), R("b+%", "[+-%]", "x"),
    R("abcxyz", "[a-cx-z]", "-"), R("abcxyz", "[^a-cx-z]", "-"),
    R("abcxyz", "[c-a]", "-"), R("a^b", "[a^]", "x"), R("a^b", "[^^]", "x"),
    R("a^b", "a^b", "x"), R("a$b", "a$b", "x"), R("a$", "a$$", "x"),
    R("a$", "a%$$", "x"), R("a^", "^a^", "x"), R("^a", "%^a", "x"),
    R("aaa", "^a", "b"), R("aaa", "^^a", "b"), R("a*", "a%*", "x"),
    R("a*b", "*", "x"), R("+b", "+", "x"), R("-b", "^-", "x"),
    R("?b", "?", "x"), R("a**", "a**", "x"), R("a+-", "a+-", "x"),
    R("aab", "a-*", "x"), R("a\tb\nc", "%s", "_"), R("a\tb\nc", "%S+", "_"),
    R("a\tb\nc", "%c", "_"), R("a1b2", "%d", "#"), R("a1b2", "%D", "#"),
    R("aB", "%l", "#"), R("aB", "%u", "#"), R("aB", "%L", "#"),
    R("aB", "%U", "#"), R("a,b!", "%p", "#"), R("a,b!", "%P", "#"),
    R("fag9", "%x", "#"), R("fag9", "%X", "#"), R("a_b-c", "%w", "#"),
    R("a_b-c", "%W", "#"), R("a b\x7f", "%g", "#"), R("a b\x7f", "%G", "#"),
    R("a b\x7f", "%C", "#"), R("\xc3\xa9t\xc3\xa9", "[\x80-\xff]+", "e"),
    R("\xc3\xa9t\xc3\xa9", "[%z\1-\x7f\xc2-\xf4][\x80-\xbf]*", "."),
    R("abc", "%z", "x"), R("abc", "%Z", "x"), R("abc", "%q", "x"),
    R("a%qb", "%%q", "x"), R("abc", "(.)(.)(.)(.)", "x"),
    R("abc", ".-.-.-$", "x"), R("abcd", ".-b.-d", "x"),
    R("aXbXc", "(.-)X(.*)", "%2|%1"), R("aXbXc", "(.*)X(.-)", "%2|%1"),
    R("a b a b", "(a) (b)", "%2 %1"), R("x=1, y=2", "(%w+)=(%w+)", "%1:%2"),
    R("/a/b/c.txt", "([^/]+)%.(%w+)$", "%1"), R("//", "/?", "."),
    R("http://h:80/p?q", "^(%w+)://([^/:]+):?(%d*)(/?[^?]*)", "%1%2%3%4"),
    R("abcb", ".*(b)c", "%1"), R("key=val", ".-(%w)=(%w)", "%2%1"),
    R("aab", "a*(a)(b)", "%2%1"), R("abc", ".-()c", "%1"),
    R("aaab", "(a*)(a-)(a?)b", "%1|%2|%3"), R("abab", "(.*)(.)%2", "x"),
    R("abcabc", "(a.-)(c?)$", "%2%1"), R("aXaY", "(.-)(%u)(a)", "%3%2%1"),
    R("((()))", "(((((())))))", "x"), R("abc", "()()()", "%1%2%3"),
};

static bool agree(const char *s, const char *p, const char *r)
{
    return twin_agree(&twin, s, strlen(s), p, strlen(p), r, strlen(r), true);
}

static void patterns_mean_what_they_mean_in_lua(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line, agree(rows[i].s, rows[i].p, rows[i].r));
}

static void zero_bytes_are_characters(void)
{
    CHECK(twin_agree(&twin, "a\0b\0c", 5, "%z", 2, "-", 1, true));
    CHECK(twin_agree(&twin, "a\0b\0c", 5, "\0b", 2, "-", 1, true));
    CHECK(twin_agree(&twin, "a\0b\0c", 5, "[\0b]+", 5, "\0%0", 3, true));
    CHECK(twin_agree(&twin, "a\0b\0c", 5, "(%Z+)\0", 6, "%1", 2, true));
    CHECK(twin_agree(&twin, "\0\0", 2, "%b\0\0", 4, "x", 1, true));
    CHECK(twin_agree(&twin, "", 0, "%b\0x", 4, "x", 1, true));
}

static uint32_t dice = 20240517;

static uint32_t roll(uint32_t sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 17;
    dice ^= dice << 5;
    return dice % sides;
}

static size_t random_text(char *out, size_t max, const char *from)
{
    size_t len = roll((uint32_t)max);

    for (size_t i = 0; i < len; i++)
        out[i] = from[roll((uint32_t)strlen(from))];
    out[len] = '\0';
    return len;
}

/* Of whole items, so that most patterns are well formed. */
static void random_items(char *out)
{
    static const char *const items[] = {
        "a", "b", ".", "%w", "[ab]", "[^a]", "%s", "x", "()", "%1", "%b()",
        "%f[a]", "$", "^", "%)",
    };
    static const char *const suffixes[] = {"", "", "*", "-", "?", "+"};
    int open = 0;

    *out = '\0';
    for (uint32_t n = 1 + roll(5); n > 0; n--) {
        if (roll(3) == 0) {
            strcat(out, "(");
            open++;
        }
        strcat(out, items[roll(sizeof items / sizeof *items)]);
        strcat(out, suffixes[roll(sizeof suffixes / sizeof *suffixes)]);
        if (open && roll(2)) {
            strcat(out, ")");
            open--;
        }
    }
    while (open--)
        strcat(out, ")");
}

static void random_well_formed_patterns_agree(void)
{
    char s[12], p[64], r[6];

    for (int i = 0; i < 6000 && !test_bad; i++) {
        random_text(s, sizeof s, "aab(b) x");
        random_items(p);
        random_text(r, sizeof r, "a%%012");
        CHECK(agree(s, p, r));
    }
}

static void random_patterns_agree_too(void)
{
    char s[16], p[12], r[6];

    for (int i = 0; i < 6000 && !test_bad; i++) {
        random_text(s, sizeof s, "aab(b)] %1-x");
        random_text(p, sizeof p, "ab.x%%%()()[]^$*+-?1bfwd ");
        random_text(r, sizeof r, "a%%012");
        CHECK(agree(s, p, r));
    }
}

/* Runs ${code} in a policy's environment; its error message, or "". */
static const char *error_of(const char *code)
{
    static struct vm_fault f;
    struct vm *vm = twin.vm;

    *f.message = '\0';
    vm_push_env(vm);
    if (!vm_load(vm, code, strlen(code), "p.lua", &f))
        vm_call(vm, 0, 0, &f);
    return f.message;
}

static void bounds_are_told(void)
{
    static const struct {
        int line;
        const char *code, *message;
    } cases[] = {
#define B(code, message) {__LINE__, code, message}
        B("return (''):rep(math.maxinteger)", "at most 1000000"),
        B("return ('x'):rep(-5)", ""),
        B("return ('abc'):rep(1000000)", "longer than 1048576"),
        B("return ('x'):rep(math.mininteger)", ""),
        B("local s = ('x'):rep(1000000) s = s .. s return s:find('y-z')",
          "subject of 2000000 bytes, at most 1048576"),
        B("local s = ('x'):rep(1000000) s = s .. s"
          " return s:find('y', 1, true), s:find('y')", ""),
        B("local s = ('x'):rep(1000000) s = s .. s return s:lower()",
          "longer than 1048576"),
        B("return ('x'):rep(1e6):gsub('x', 'yy')", "longer than 1048576"),
        B("return ('x'):rep(1e6):gsub('x', function() return 'yy' end)",
          "longer than 1048576"),
        B("return ('x'):rep(2000):byte(1, -1)", "more than 1000"),
        B("return utf8.codepoint(('x'):rep(2000), 1, -1)", "more than 1000"),
        B("return ('%s%s'):format(('x'):rep(1e6), ('x'):rep(1e6))",
          "longer than 1048576"),
        B("return ('%p'):format({})", "addresses"),
        B("return ('%d'):format('x')", "number expected, got string"),
        B("return ('%y'):format(1)", "invalid conversion"),
        B("return ('%s'):format()", "no value"),
        B("return string.pack('c1000000000', 'x')", "sizes too large"),
        B("return string.unpack(('b'):rep(2000), ('x'):rep(2000))",
          "format too long"),
        B("return ('(.)'):rep(33)", ""),
        B("return ('x'):find(('(.)'):rep(33))", ""),
        B("return ('x'):rep(40):find(('(.)'):rep(33))", "too many captures"),
        B("return ('x'):rep(300):find(('x?'):rep(300))", "too complex"),
        B("return ('x'):find(nil)", "p.lua:1: bad argument #1 to 'find'"),
        B("string.find()", "p.lua:1: bad argument #1 to 'find'"),
#undef B
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = error_of(cases[i].code);

        if (!*cases[i].message ? *got : !strstr(got, cases[i].message))
            fprintf(stderr, "got: %s\n", got);
        CHECK_ROW(cases[i].line, *cases[i].message
                                     ? strstr(got, cases[i].message) != NULL
                                     : !*got);
    }
}

int main(void)
{
    if (!twin_new(&twin))
        return 1;
    RUN(patterns_mean_what_they_mean_in_lua);
    RUN(zero_bytes_are_characters);
    RUN(random_patterns_agree_too);
    RUN(random_well_formed_patterns_agree);
    RUN(bounds_are_told);
    twin_free(&twin);
    return test_end();
}
