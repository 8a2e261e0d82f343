/* SPDX-License-Identifier: Apache-2.0
 *
 * cli_flags: every command and every flag, once. Parsing, help and the check of
 * the manual read these tables.
 */
#include "cli.h"

#include <string.h>

const struct cli_command cli_commands[] = {
    {"run", "[CONFIG]", "serve, as CONFIG says (./leme.lua)",
     "CONFIG is Lua or JSON. Prints where it listens, then its log, on stderr.\n"
     "SIGTERM, SIGINT finish what runs and stop; a second one stops at once.\n"
     "SIGHUP reloads, SIGUSR1 reopens log files, SIGUSR2 logs a snapshot,\n"
     "SIGQUIT stops without waiting and logs where policies wait.\n",
     0, 1, cli_run},
    {"check", "[CONFIG]", "say everything that is wrong with CONFIG and its policies",
     "One line a finding, \"file:line: error: message\", then their number.\n"
     "CONFIG may be - for stdin. With --online, a line for each key as well.\n",
     0, 1, cli_check},
    {"mock", "", "play any provider, in its own wire format",
     "The path chooses the format: /v1/messages, :generateContent, /v2/chat and so on;\n"
     "a vendor before it (/deepseek/v1/chat/completions) its particulars. The same\n"
     "request gets the same answer; nothing leaves this machine.\n",
     0, 0, cli_mock},
    {"reload", "", "make a running server read its files again",
     "A faulty configuration or policy is refused and the old one goes on.\n",
     0, 0, cli_reload},
    {"status", "", "what a running server serves, and how its targets do",
     "", 0, 0, cli_status},
    {"target", "drain|ready|maint|weight NAME [VALUE]", "control one target of a running server",
     "drain   gives it no new requests; those it has end as usual\n"
     "maint   the same, and says that it is being worked on\n"
     "ready   gives it requests again\n"
     "weight  sets its share to VALUE\n"
     "All of it ends with the server, or after --for.\n",
     2, 3, cli_target},
    {"version", "", "this version and those of the linked libraries",
     "", 0, 0, cli_version},
    {"help", "[COMMAND]", "this text, or the flags of a command",
     "", 0, 1, cli_help},
    {0},
};

const struct cli_flag cli_flags[] = {
    {CLI_LISTEN, " run ", "listen", "ADDRESS",
     "serve here instead: 127.0.0.1:8080, [::1]:0, unix:/path"},
    {CLI_ADMIN, " run ", "admin", "ADDRESS", "the operator's address instead"},
    {CLI_WORKERS, " run ", "workers", "N", "threads (as configured, else one a core)"},
    {CLI_WATCH, " run ", "watch", NULL, "reload when a file has changed (as configured)"},
    {CLI_ENV_FILE, " run check ", "env-file", "FILE",
     "NAME=value lines for what the environment lacks"},
    {CLI_LUA_DIR, " run check ", "lua-dir", "DIR", "instead of the built-in lua/leme"},
    {CLI_LOG_LEVEL, " run mock ", "log-level", "LEVEL",
     "no more than error, warn, info or debug (as configured)"},
    {CLI_LOG_FORMAT, " run mock ", "log-format", "FORMAT", "text or json (text)"},

    {CLI_STRICT, " check ", "strict", NULL, "warnings fail the check too"},
    {CLI_ONLINE, " check ", "online", NULL, "ask each provider whether its keys work"},
    {CLI_TIMEOUT, " check ", "timeout", "SECONDS", "for all of them together, online (10)"},

    {CLI_LISTEN, " mock ", "listen", "ADDRESS", "serve here (127.0.0.1:9000)"},
    {CLI_LATENCY, " mock ", "latency", "SECONDS", "before an answer: 0.05, or 0.1-0.5 by chance"},
    {CLI_PACE, " mock ", "pace", "SECONDS", "between two events of a stream: as latency"},
    {CLI_ERROR_RATE, " mock ", "error-rate", "SHARE", "of the requests that fail: 0 to 1"},
    {CLI_STATUS, " mock ", "status", "CODE", "of failures; alone it fails every request"},
    {CLI_RETRY_AFTER, " mock ", "retry-after", "SECONDS", "sent with failures"},
    {CLI_CUT_AFTER, " mock ", "cut-after", "EVENTS", "then the connection breaks"},
    {CLI_FORMAT, " mock ", "format", "DIALECT",
     "whose particulars, where the path names no vendor"},
    {CLI_RECORDINGS, " mock ", "recordings", "DIR",
     "play what was recorded there, by the name in `model`"},
    {CLI_SCRIPT, " mock ", "script", "FILE", "these and more as a JSON object, alone"},

    {CLI_ADMIN, " reload status target ", "admin", "ADDRESS",
     "of the server (LEME_ADMIN, ./leme.sock, /run/leme/admin.sock)"},
    {CLI_KEY, " reload status target ", "key", "KEY",
     "of the server's admin, if it has one (LEME_KEY)"},
    {CLI_FOR, " target ", "for", "SECONDS", "then as before; 90, 90s, 10m or 2h"},
    {CLI_FORMAT, " check reload status target ", "format", "FORMAT", "text or json (text)"},

    {CLI_JSON, " version ", "json", NULL, "as a JSON object"},
    {0},
};

bool cli_flag_of(const struct cli_flag *flag, const struct cli_command *command)
{
    size_t len = strlen(command->name);
    const char *p = flag->commands;

    for (; (p = strstr(p, command->name)); p += len)
        if (p[-1] == ' ' && p[len] == ' ')
            return true;
    return false;
}

const struct cli_command *cli_command_named(const char *name)
{
    const struct cli_command *c;

    for (c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
