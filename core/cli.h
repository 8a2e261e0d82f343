/* SPDX-License-Identifier: Apache-2.0
 *
 * cli: the command line: words and flags to calls of leme.h. Data goes to
 * stdout, talk to stderr. Sees leme.h and the system, nothing else of core.
 */
#ifndef LEME_CLI_H
#define LEME_CLI_H

#include "leme.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** Exit statuses, beside those that leme.h gives as negative codes. */
enum { CLI_OK = 0, CLI_REFUSED = 1, CLI_USAGE = 2, CLI_ENVIRONMENT = 4 };

/** Every flag there is; what one takes and does stands in cli_flags.c. */
enum cli_name {
    CLI_LISTEN, CLI_ADMIN, CLI_WORKERS, CLI_WATCH, CLI_ENV_FILE, CLI_LUA_DIR,
    CLI_LOG_LEVEL, CLI_LOG_FORMAT, CLI_STRICT, CLI_FORMAT, CLI_LATENCY,
    CLI_PACE, CLI_ERROR_RATE, CLI_STATUS, CLI_RETRY_AFTER, CLI_CUT_AFTER,
    CLI_SCRIPT, CLI_RECORDINGS, CLI_KEY, CLI_FOR, CLI_JSON, CLI_ONLINE,
    CLI_TIMEOUT,
    CLI_NAMES
};

enum { CLI_WORDS = 3 };

enum cli_colour { CLI_PLAIN, CLI_RED, CLI_YELLOW, CLI_GREEN, CLI_DIM };

struct cli_command;

/** A command line, read. Texts are borrowed from argv and the environment. */
struct cli_args {
    const struct cli_command *command;
    const char *value[CLI_NAMES];   /* NULL: not given; switches: "0", "1" */
    const char *word[CLI_WORDS];
    int words;
    bool help;                      /* -h or --help stood among the flags */
};

struct cli_command {
    const char *name;
    const char *words;              /* "NAME [VALUE]", or "" */
    const char *summary;            /* one line */
    const char *more;               /* what else its help says, or "" */
    int least, most;                /* number of words */
    int (*run)(const struct cli_args *args);
};

/** One flag of one command. ${takes} NULL: a switch, with --no- before it too.*/
struct cli_flag {
    enum cli_name id;
    const char *commands;           /* " run mock " */
    const char *name;
    const char *takes;
    const char *text;
};

/** Both end with a NULL name. */
extern const struct cli_command cli_commands[];
extern const struct cli_flag cli_flags[];

bool cli_flag_of(const struct cli_flag *flag, const struct cli_command *command);
const struct cli_command *cli_command_named(const char *name);
/** Say that there is none of that name. Returns CLI_USAGE. */
int cli_command_unknown(const char *name);

/**
 * Read what follows the command's name, then LEME_<COMMAND>_<FLAG> for flags
 * that were not given. 0, or CLI_USAGE after saying why. ${args} is filled.
 */
int cli_parse(const struct cli_command *command, char **argv,
              struct cli_args *args);
/** Value of a flag that takes one of ${choices} (NULL-ended): its index, or
 * ${otherwise} when it was not given, or -1 after saying why. */
int cli_choice(const struct cli_args *args, enum cli_name id,
               const char *const *choices, int otherwise);
/** Value of a flag that takes a whole number from 0 to ${max}; ${otherwise}
 * when it was not given. -1 after saying why. */
long cli_count(const struct cli_args *args, enum cli_name id, long max,
               long otherwise);
/**
 * Say that ${what} is not ${word} but one of ${names} (NULL-ended), the nearest
 * if one is near. ${command} may be NULL. Returns CLI_USAGE.
 */
int cli_unknown(const struct cli_command *command, const char *what,
                const char *word, const char *const *names);

/** What a check has found so far. */
struct cli_findings {
    const char *spool;              /* the file that stands for stdin, or NULL */
    bool json;
    int counts[3];                  /* errors, warnings, notes */
};
/** Ask the providers of ${config} about their keys, for at most ${seconds}; print
 * what they say and count it. 0, or a negative code of leme.h. */
int cli_online(const char *config, const char *lua_dir, long seconds,
               struct cli_findings *found);
/** "FILE:LINE: word:" of a line, with the word in its colour. */
void cli_finding(const struct cli_findings *found, const char *file, int line,
                 enum cli_colour colour, const char *word);

/* The commands. Each returns the exit status. */
int cli_run(const struct cli_args *args);
int cli_mock(const struct cli_args *args);
int cli_check(const struct cli_args *args);
int cli_reload(const struct cli_args *args);
int cli_status(const struct cli_args *args);
int cli_target(const struct cli_args *args);
int cli_version(const struct cli_args *args);
int cli_help(const struct cli_args *args);

/** What "leme" and "leme -h" print. */
void cli_overview(FILE *out);
/** What "leme COMMAND -h" prints. */
void cli_help_of(const struct cli_command *command, FILE *out);

/** "leme: ..." and a line end on stderr. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** The same, and where to read more. Returns CLI_USAGE. ${command} may be NULL.*/
int cli_wrong(const struct cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** The exit status that a code of leme.h suggests. */
int cli_status_of(int code);
/** Say what failed. Returns the exit status. */
int cli_failed(int code, const struct leme_error *error);

/** The escape that begins a colour on ${out}, or "" where none is wanted. */
const char *cli_colour(FILE *out, enum cli_colour colour);
/** ${text} as a JSON string with its quotes. Bytes that are not UTF-8 become
 * U+FFFD. */
void cli_json(FILE *out, const char *text, size_t len);
/** JSON as lines for people: "name: value", nested ones indented; an object
 * without inner ones is one line of a list. False when ${json} is none. */
bool cli_outline(FILE *out, const char *json);

/**
 * A whole file, or stdin for "-", NUL-terminated; at most ${max} bytes. NULL
 * after saying why. Release with free.
 */
char *cli_read(const char *path, size_t max, size_t *len);
/** Stdin as a file beside the files it refers to; NULL after saying why. The
 * caller unlinks and frees it. */
char *cli_spool(void);
/** Set the variables of a file of NAME=value lines that are not set yet. 0, or
 * an exit status after saying why. */
int cli_environment(const char *path);

/** Where a server's lines go. Begin before the server is made. */
struct cli_log {
    int least;                      /* 0 error ... 3 debug */
    bool json;
};
/** By the flags of ${args}. 0, or CLI_USAGE after saying why. */
int cli_log_begin(const struct cli_args *args, struct cli_log *log);
/** A leme_log_fn; ${arg} is a struct cli_log. Whole lines, from any thread. */
void cli_log_line(void *arg, const char *level, const char *text, size_t len);

/** Signals to notices for ${server}, until cli_signals_end. Held back between
 * cli_signals_hold and cli_signals_begin. */
void cli_signals_hold(void);
void cli_signals_begin(leme_server *server);
/** How often a stop was asked for. */
int cli_signals_end(void);
/** Stops a policy that does not return; nothing else sends it. */
int cli_signals_kill(void);

#endif
