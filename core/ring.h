/* SPDX-License-Identifier: Apache-2.0
 *
 * ring: the records of the last requests, as many as fit into a number of
 * bytes. One thread. Called by daemon and admin.
 */
#ifndef LEME_RING_H
#define LEME_RING_H

#include <stddef.h>

struct record_blob;
struct ring;

/** Keeps at most ${max_bytes} of records; an index of 16 bytes a record comes on
 * top. NULL: memory. */
struct ring *ring_new(size_t max_bytes);
/** Accepts NULL. */
void ring_free(struct ring *r);
/** Keep a copy of ${blob}; the oldest ones make room. */
void ring_add(struct ring *r, const struct record_blob *blob);
size_t ring_count(const struct ring *r);
/** The ${i}th newest, from 0; NULL beyond the oldest. Valid until ring_add. */
const struct record_blob *ring_newest(const struct ring *r, size_t i);
/** The newest record with request id ${id}, or NULL. */
const struct record_blob *ring_find(const struct ring *r, const char *id,
                                    size_t len);

#endif
