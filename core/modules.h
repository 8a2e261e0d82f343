/* SPDX-License-Identifier: Apache-2.0
 *
 * modules: the files of lua/leme and the plain policy, embedded by the build.
 */
#ifndef LEME_MODULES_H
#define LEME_MODULES_H

#include <stddef.h>

struct module {
    const char *name;       /* "leme.driver" */
    const char *file;       /* "lua/leme/driver.lua" */
    const char *text;
    size_t len;
};

struct vm_code;

/** Ends with a NULL name. */
extern const struct module modules_embedded[];
/** Of each, in the same order; see vm_load_own. */
extern struct vm_code *_Atomic modules_code[];

#endif
