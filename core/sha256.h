/* SPDX-License-Identifier: Apache-2.0
 *
 * sha256: the digest of FIPS 180-4. Pure; everybody may call it.
 */
#ifndef LEME_SHA256_H
#define LEME_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;             /* taken so far */
    unsigned char block[64];
};

void sha256_begin(struct sha256 *);
void sha256_add(struct sha256 *, const void *bytes, size_t len);
/** Writes the digest and wipes the state. */
void sha256_end(struct sha256 *, unsigned char out[32]);

#endif
