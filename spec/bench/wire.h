/* SPDX-License-Identifier: Apache-2.0
 *
 * wire: what mock and load share: the clock, sockets, growing buffers, the
 * stamps that travel inside answers, and the little HTTP/1.1 both need.
 * Knows neither program. Misuse and lack of memory end the program: these are
 * measuring tools, not servers.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Print to stderr and exit 2. */
_Noreturn void wire_die(const char *format, ...)
    __attribute__((format(printf, 1, 2), cold));

/** CLOCK_MONOTONIC: the one clock of mock and load. */
uint64_t wire_now_ns(void);

/** Fill ${to} from "127.0.0.1:8080" or die. */
void wire_address(const char *text, struct sockaddr_in *to);
/** A listening, non-blocking socket that shares its port with the others of
 * this program. Fills in the port of ${at} when that is 0. */
int wire_listen(struct sockaddr_in *at);
/** A non-blocking socket on its way to ${to}, or -1. */
int wire_connect(const struct sockaddr_in *to);
/** As many descriptors as the system lets us have. */
void wire_raise_limits(void);

/** The size of a file, and its bytes in *${data} (owned by the caller). */
size_t wire_read_file(const char *path, char **data);

struct bytes {
    char *data;     /* owned */
    size_t len;
    size_t cap;
};

/** Room for ${n} more bytes; where they go. */
char *wire_room(struct bytes *b, size_t n);
void wire_add(struct bytes *b, const void *data, size_t n);
/** Drop ${n} bytes from the front. */
void wire_take(struct bytes *b, size_t n);

/** Bytes of the head up to and with its blank line; 0 while it is not whole. */
size_t wire_head(const char *s, size_t n);
/** The value of a field of a head, or NULL; ${name} without the colon. */
const char *wire_field(const char *head, size_t n, const char *name,
                       size_t *value_len);
/** A decimal number of at most ${n} characters; stops at the first other. */
uint64_t wire_decimal(const char *s, size_t n);
/** 64 bits that differ when the bytes differ, nearly always. */
uint64_t wire_hash(const void *data, size_t n);

/** splitmix64: the next of a seeded sequence. */
uint64_t wire_random(uint64_t *state);
/** The same as a number above 0 and below 1. */
double wire_dice(uint64_t *state);

/** When a piece of an answer was born: text of a fixed length that passes
 * through a gateway inside the content. */
struct stamp {
    unsigned seq;           /* from 0, of the chunk within the stream */
    uint64_t received_ns;   /* the request was read whole */
    uint64_t sent_ns;       /* just before this piece was written */
};

#define STAMP_BYTES 43      /* b!SEQUEN!RECEIVED........!SENT............! */
#define STAMP_DIGITS 16     /* nanoseconds of 115 days */

void wire_stamp_put(char *at, const struct stamp *stamp);
/** The first stamp in ${s}; false when there is none. */
bool wire_stamp_find(const char *s, size_t n, struct stamp *stamp);

#endif
