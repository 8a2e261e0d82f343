/* SPDX-License-Identifier: Apache-2.0
 *
 * blame: what to tell an author about a policy that cannot be loaded: the place
 * and the sentence, each once. Pure. Called by check and daemon.
 */
#ifndef LEME_BLAME_H
#define LEME_BLAME_H

struct policy_fault;

struct blame {
    char file[280];         /* "policies/x.lua"; "" unknown */
    int line;               /* 0: the file as a whole */
    char message[1024];
};

/** A fault raised inside lua/leme is the author's: its own place is dropped, and
 * the file that its message begins with is the place. */
void blame_policy(const struct policy_fault *fault, struct blame *out);

#endif
