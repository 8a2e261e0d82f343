/* SPDX-License-Identifier: Apache-2.0
 *
 * env_file: NAME=value lines that stand behind the environment. They are not put
 * into it: a process of several threads cannot change its own, and a reload reads
 * the file again.
 */
#ifndef LEME_ENV_FILE_H
#define LEME_ENV_FILE_H

#include <stddef.h>

struct env_file;

/**
 * Empty lines and those that begin with # are skipped; "export " and quotes
 * around a value are taken off. NULL with a sentence in ${why}, which names the
 * file and the line and shows no value.
 */
struct env_file *env_file_read(const char *path, char *why, size_t why_size);
/** The same of a text, which becomes its own (also when NULL is returned);
 * ${name} stands in the sentence. */
struct env_file *env_file_parse(const char *name, char *text, char *why,
                                size_t why_size);
/** The value of ${name} in the environment, else in the file, else NULL. */
const char *env_file_get(const struct env_file *e, const char *name);
/** Into the environment, where that has no value; before there are threads.
 * 0, or -1 without memory. */
int env_file_export(const struct env_file *e);
/** Wipes the values. Accepts NULL. */
void env_file_free(struct env_file *e);

#endif
