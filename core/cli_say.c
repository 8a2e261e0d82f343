/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_say: what goes to the terminal and how it looks there.
 */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cli_colour(FILE *out, enum cli_colour colour)
{
    static const char *const codes[] = {
        [CLI_PLAIN] = "\033[0m",   [CLI_RED] = "\033[31m",
        [CLI_YELLOW] = "\033[33m", [CLI_GREEN] = "\033[32m",
        [CLI_DIM] = "\033[2m",
    };
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if ((no && *no) || !term || strcmp(term, "dumb") == 0 ||
        !isatty(fileno(out)))
        return "";
    return codes[colour];
}

static void say(const char *name, const char *format, va_list list)
    __attribute__((format(printf, 2, 0)));

static void say(const char *name, const char *format, va_list list)
{
    fprintf(stderr, "leme%s%s: ", name ? " " : "", name ? name : "");
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

void cli_say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(NULL, format, list);
    va_end(list);
}

int cli_wrong(const struct cli_command *command, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(command ? command->name : NULL, format, list);
    va_end(list);
    fprintf(stderr, "leme help%s%s says more\n", command ? " " : "",
            command ? command->name : "");
    return CLI_USAGE;
}

int cli_status_of(int code)
{
    if (code >= 0)
        return code ? CLI_REFUSED : CLI_OK;
    return code > -128 ? -code : -LEME_BUG;
}

int cli_failed(int code, const struct leme_error *error)
{
    fprintf(stderr, "%s: %serror:%s %s\n",
            error->where[0] ? error->where : "leme",
            cli_colour(stderr, CLI_RED), cli_colour(stderr, CLI_PLAIN),
            error->message[0] ? error->message : "unknown");
    if (code == LEME_BUG)
        cli_say("this is a mistake of leme's own: please report the lines "
                "above with what \"leme version\" prints");
    return cli_status_of(code);
}

/* Bytes of the UTF-8 sequence at ${s}, 0 when there is none. */
static size_t sequence(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80 ? 1
               : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
               : s[0] >= 0xE0 && s[0] < 0xF0 ? 3
               : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
    size_t i;

    if (!n || n > len)
        return 0;
    for (i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    /* Too long, surrogates, beyond the last character. */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

void cli_json(FILE *out, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i, n;

    fputc('"', out);
    for (i = 0; i < len; i += n ? n : 1) {
        n = sequence(s + i, len - i);
        if (!n)
            fputs("\\ufffd", out);
        else if (s[i] == '"' || s[i] == '\\')
            fprintf(out, "\\%c", s[i]);
        else if (s[i] < 0x20 || s[i] == 0x7F)
            fprintf(out, "\\u%04x", s[i]);
        else
            fwrite(s + i, 1, n, out);
    }
    fputc('"', out);
}
