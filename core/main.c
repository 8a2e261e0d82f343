/* SPDX-License-Identifier: Apache-2.0
 *
 * main: from argv to a command, and its exit status.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

static const char *as_command(const char *word)
{
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
        return "help";
    if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0)
        return "version";
    return word;
}

static int dispatch(char **argv)
{
    const struct cli_command *command;
    struct cli_args args;
    int status;

    if (!argv[0] || !argv[1]) {
        cli_overview(stderr);
        return CLI_USAGE;
    }
    command = cli_command_named(as_command(argv[1]));
    if (!command)
        return cli_command_unknown(argv[1]);
    status = cli_parse(command, argv + 2, &args);
    if (status)
        return status;
    if (args.help) {
        cli_help_of(command, stdout);
        return CLI_OK;
    }
    return command->run(&args);
}

int main(int argc, char **argv)
{
    int status;

    (void)argc;
    if (leme_abi() != LEME_ABI) {
        cli_say("the library is of another version than this program (%s)",
                leme_version());
        return CLI_ENVIRONMENT;
    }
    status = dispatch(argv);
    errno = 0;
    if (fflush(stdout) || ferror(stdout)) {
        cli_say("stdout: %s", errno ? strerror(errno) : "write failed");
        return status ? status : CLI_ENVIRONMENT;
    }
    return status;
}
