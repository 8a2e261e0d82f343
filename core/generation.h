/* SPDX-License-Identifier: Apache-2.0
 *
 * generation: everything one reload replaces: a configuration and the texts of
 * the policy files it leads to, under one revision. Immutable once sealed; held
 * by the states built from it. Called by policy, engine and daemon.
 */
#ifndef LEME_GENERATION_H
#define LEME_GENERATION_H

#include "board.h"
#include "config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/** One policy file (or a file it requires), read once for all workers. */
struct source {
    char *path;
    char *text;
    size_t len;
    struct source *next;
};

/** Everything one reload replaces. Immutable once built. */
struct generation {
    struct config *config;          /* owned */
    struct source *sources;         /* owned; in order of first use */
    char revision[65];              /* SHA-256 in hex over all texts, the
                                       operator's price list among them */
    char short_revision[8];         /* its first 6 digits */
    uint64_t id;                    /* its first 8 bytes: the same for the same
                                       texts, so it may key what they name */
    atomic_uint refs;
    bool sealed;                    /* no file is read any more */
};

/** What went wrong while building, with file:line in ${where}. */
struct policy_fault {
    char message[1024];
    char where[300];
    char traceback[2048];
};

/** A generation around ${config} (owned from now on, also on failure). */
struct generation *generation_new(struct config *config);
void generation_hold(struct generation *g);
/** Frees it with the last hold. Any thread. */
void generation_release(struct generation *g);
/** Give the targets, clients and limits of a configuration their places on the
 * board. 0, or -1 when the board is full. */
int generation_attach(struct config *c, struct board *board);
/** Put its limits in force: when it is adopted, not before. */
void generation_limits(const struct config *c, struct board *board);
/** Whatever rests at a key of ${old} is ready again where ${c} has another one.
 * With generation_limits. */
void generation_renew(const struct config *old, const struct config *c,
                      struct board *board);
/**
 * State of ${t} now. A target with pools is as ready as the readiest of them
 * (one that is half open may be tried): saturated when only limits stand in the
 * way, cooling when the rest cool down; its own word comes first. ${why} as of
 * board_state.
 */
enum board_state generation_state(const struct config *c,
                                  const struct target *t, struct board *board,
                                  us_t now, char *why, size_t size);
/** After the first state is built: fixes the revision, reads no more files. */
void generation_seal(struct generation *g);
/**
 * The text of a policy file, read on first use and then the same for all
 * workers: a regular file of at most CEIL_POLICY_FILE bytes. NULL, and a
 * sentence in ${why}. Only the thread that builds states calls it.
 */
const struct source *generation_source(struct generation *g, const char *path,
                                       char *why, size_t why_size);

#endif
