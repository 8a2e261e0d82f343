/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_help: help and version.
 */
#include "cli.h"

#include <string.h>

void cli_overview(FILE *out)
{
    const struct cli_command *c;

    fputs("leme: a router for LLM traffic; Lua policies decide\n"
          "\n"
          "usage: leme COMMAND [FLAGS] [WORDS]\n"
          "\n", out);
    for (c = cli_commands; c->name; c++)
        fprintf(out, "  %-8s %s\n", c->name, c->summary);
    fputs("\n"
          "leme COMMAND -h prints its flags; each may also stand in the environment,\n"
          "as LEME_RUN_LISTEN for --listen of run. A file named - is stdin.\n"
          "\n"
          "exit status: 0 well; 1 refused, or errors found; 2 wrong usage;\n"
          "3 bad configuration or policy; 4 cannot bind; 5 no server answers;\n"
          "6 stopped with streams cut; 70 a mistake of leme's own\n", out);
}

void cli_help_of(const struct cli_command *command, FILE *out)
{
    const struct cli_flag *f;
    char left[64];
    bool any = false;

    fprintf(out, "leme %s: %s\n\nusage: leme %s [FLAGS]%s%s\n", command->name,
            command->summary, command->name, command->words[0] ? " " : "",
            command->words);
    if (command->more[0])
        fprintf(out, "\n%s", command->more);
    for (f = cli_flags; f->name; f++) {
        if (!cli_flag_of(f, command))
            continue;
        if (!any)
            fputc('\n', out);
        any = true;
        snprintf(left, sizeof left, "--%s%s%s%s", f->takes ? "" : "[no-]",
                 f->name, f->takes ? " " : "", f->takes ? f->takes : "");
        fprintf(out, "  %-22s %s\n", left, f->text);
    }
}

int cli_help(const struct cli_args *args)
{
    const struct cli_command *command;

    if (!args->words) {
        cli_overview(stdout);
        return CLI_OK;
    }
    command = cli_command_named(args->word[0]);
    if (!command)
        return cli_command_unknown(args->word[0]);
    cli_help_of(command, stdout);
    return CLI_OK;
}

/* Lines "name version" as members of an object. */
static void libraries_json(FILE *out, const char *lines)
{
    const char *end, *blank;

    for (; *lines; lines = *end ? end + 1 : end) {
        end = lines + strcspn(lines, "\n");
        blank = lines + strcspn(lines, " \n");
        cli_json(out, lines, (size_t)(blank - lines));
        fputc(':', out);
        blank += *blank == ' ';
        cli_json(out, blank, (size_t)(end - blank));
        if (*end && end[1])
            fputc(',', out);
    }
}

int cli_version(const struct cli_args *args)
{
    const char *json = args->value[CLI_JSON];

    if (!json || *json == '0') {
        printf("leme %s\n%s", leme_version(), leme_libraries());
        return CLI_OK;
    }
    printf("{\"version\":");
    cli_json(stdout, leme_version(), strlen(leme_version()));
    printf(",\"abi\":%d,\"libraries\":{", leme_abi());
    libraries_json(stdout, leme_libraries());
    printf("}}\n");
    return CLI_OK;
}
