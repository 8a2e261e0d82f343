/* SPDX-License-Identifier: Apache-2.0
 *
 * check_impl: what the files of check share. Nobody else includes it.
 */
#ifndef LEME_CHECK_IMPL_H
#define LEME_CHECK_IMPL_H

struct config;
struct policy_fault;
struct policy_state;

/** ${state} is NULL when it could not be built: ${fault} says why. */
typedef void check_use(void *arg, struct policy_state *state,
                       struct policy_fault *fault);

/**
 * Build ${config} (given away) as a server would, on a board and in a Lua state
 * that nobody else sees, and let ${use} have the state. 0, or -1 without memory.
 */
int check_build(struct config *config, const char *lua_dir, check_use *use,
                void *arg);

/** Something about a name in ${file}. */
typedef void check_name_fn(void *arg, const char *file, int line,
                           const char *message);

/** Report the names in the sources of all policies of ${c} that look like targets
 * and are none. */
void check_names(const struct config *c, check_name_fn *report, void *arg);

#endif
