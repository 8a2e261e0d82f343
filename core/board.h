/* SPDX-License-Identifier: Apache-2.0
 *
 * board: the live numbers that survive reloads and are shared by all workers:
 * per target in-flight, latency, errors, cooldown, quota; named values,
 * counters, token buckets, reservations. Thread-safe throughout; no call blocks
 * for longer than a short sharded lock. Called by bind and request.
 */
#ifndef LEME_BOARD_H
#define LEME_BOARD_H

#include "clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;

/** ${shards}: writers that never share a ring, one a worker. */
struct board *board_new(unsigned shards, size_t max_bytes);
void board_free(struct board *b);

/* Targets ---------------------------------------------------------------- */

/** The slot of target ${name}, made on first use (CEIL_TARGETS); the same for
 * the life of the board. -1 when full. Not for the hot path. */
int board_slot(struct board *b, const char *name);

/** Limits of a target, set when a generation is built. 0: none. ${rpm} is a
 * bucket that holds one minute's worth (at least 1) and fills steadily. */
void board_limits(struct board *b, unsigned slot, unsigned max_in_flight,
                  double rpm);

enum board_state { BOARD_READY, BOARD_DRAIN, BOARD_MAINT, BOARD_COOLING,
                   BOARD_HALF_OPEN, BOARD_SATURATED };

/**
 * State now. COOLING until its time is over; HALF_OPEN after an ejection is
 * over and before board_restore; SATURATED at max_in_flight or when the rpm
 * bucket is empty. When several are true: the operator's word, COOLING,
 * SATURATED, HALF_OPEN. ${why} (may be NULL) gets a copy of the reason, at most
 * ${size} bytes.
 */
enum board_state board_state(struct board *b, unsigned slot, us_t now,
                             char *why, size_t size);

/** Take one place (and one rpm token). false: saturated; nothing was taken. */
bool board_enter(struct board *b, unsigned slot, us_t now);
/** Give the place back. Exactly once for each successful board_enter. */
void board_leave(struct board *b, unsigned slot);
unsigned board_in_flight(const struct board *b, unsigned slot);

/** Cool until now + ${for_us}; never shortens a longer one. */
void board_cool(struct board *b, unsigned slot, us_t now, us_t for_us,
                const char *why);
/** Cool for base * (times ejected + 1), at most ${max}; counts the ejection.
 * Returns the time given. While an ejection runs, another one (of attempts that
 * were under way) is the same: not counted, and the rest of it is returned. */
us_t board_eject(struct board *b, unsigned slot, us_t now, us_t base, us_t max,
                 const char *why);
/** Ready again, times ejected back to 0. */
void board_restore(struct board *b, unsigned slot);
/** The one caller that may try a half-open target: true for a single caller
 * until restore, eject or 30 s. */
bool board_probe(struct board *b, unsigned slot, us_t now);
/** The operator's word: ready, drain or maint, and a weight factor (< 0 keeps
 * it). */
void board_operate(struct board *b, unsigned slot, enum board_state state,
                   double weight);
double board_weight(const struct board *b, unsigned slot);

/* Metrics of a target. ERROR counts; the others are samples in
 * seconds (or 1/s for SPEED, tokens a second; USD for COST). */
enum board_metric { BOARD_CONNECT, BOARD_FIRST_TOKEN, BOARD_TOTAL, BOARD_SPEED,
                    BOARD_COST, BOARD_ERROR, BOARD_METRICS };

/** Name of Lua ("first_token") to metric, or -1. */
int board_metric(const char *name);

/** One sample by worker ${shard}. For BOARD_ERROR: value 0 good, 1 bad; call it
 * once for each finished attempt. Wait-free. What is not finite is ignored. */
void board_sample(struct board *b, unsigned shard, unsigned slot,
                  enum board_metric m, us_t now, double value);
/**
 * Mean over all shards weighted exp(-age / tau), from 64 slots of 1 s and 60 of
 * 1 min; false when no sample has weight: none is younger than 12 tau (or an
 * hour). tau in seconds, 0.1 to 3600.
 */
bool board_ewma(struct board *b, unsigned slot, enum board_metric m, us_t now,
                double tau, double *value);
/**
 * Quantile q in 0..1 of the last ${window} seconds, error at most 6 %; cached
 * for 1 s; false without samples. Samples are kept for this from the first call
 * for the target and metric on, in steps of 10 s for windows up to 300 s and of
 * 4 min up to an hour. These histograms (50 KB a shard) take at most half of
 * max_bytes; one more answers false.
 */
bool board_quantile(struct board *b, unsigned slot, enum board_metric m,
                    us_t now, double q, double window, double *value);
/** Samples, and their sum, within the last ${window} seconds, by seconds for
 * the last 64 s and by minutes before, up to an hour. For BOARD_ERROR
 * sum / count is the error rate. */
void board_window(struct board *b, unsigned slot, enum board_metric m, us_t now,
                  double window, uint64_t *count, double *sum);
/** Time since the last bad attempt, US_NEVER when none. */
us_t board_outage_age(struct board *b, unsigned slot, us_t now);

/** Remaining provider quota from response headers; -1 unknown: what was known
 * stays. Resets are from now; -1 unknown: a minute. */
void board_quota(struct board *b, unsigned slot, us_t now, double requests,
                 double tokens, us_t reset_requests, us_t reset_tokens);
/** What is unknown or past its reset is -1; false when both are. */
bool board_remaining(struct board *b, unsigned slot, us_t now, double *requests,
                     double *tokens);

/* Named values ------------------------------------------------------------ */

enum board_type { BOARD_NIL, BOARD_NUMBER, BOARD_BOOL, BOARD_TEXT };

struct board_value {
    enum board_type type;
    double number;              /* or 0/1 for a bool */
    char *text;                 /* into the caller's buffer */
    size_t len;
};

enum board_result { BOARD_OK, BOARD_FULL, BOARD_WRONG_TYPE, BOARD_TOO_LARGE,
                    BOARD_REFUSED };

/* Every entry expires ${ttl} after its last write; 0 means one hour. A name
 * holds one sort of thing (value, bucket, reservations) until it expires; any
 * other call for it answers BOARD_WRONG_TYPE. */

/** NIL when absent; BOARD_TOO_LARGE when a text is longer than ${size} (len
 * says how long). */
enum board_result board_get(struct board *b, const char *key, size_t key_len,
                            us_t now, struct board_value *value, char *text,
                            size_t size);
/** NIL removes. */
enum board_result board_set(struct board *b, const char *key, size_t key_len,
                            us_t now, const struct board_value *value,
                            us_t ttl);
/** Add to a number (0 when absent); *${after} is the sum. Exact across
 * threads. */
enum board_result board_incr(struct board *b, const char *key, size_t key_len,
                             us_t now, double by, us_t ttl, double *after);
/** Set only when absent; *${value} is what stands there after the call. */
enum board_result board_pin(struct board *b, const char *key, size_t key_len,
                            us_t now, const struct board_value *want, us_t ttl,
                            struct board_value *value, char *text, size_t size);
/**
 * Token bucket: ${rate} tokens a second, at most ${burst}. Takes ${n}, or takes
 * nothing and answers BOARD_REFUSED with *${wait} until n would be there;
 * US_NEVER when it never will (n above burst, rate 0).
 */
enum board_result board_take(struct board *b, const char *key, size_t key_len,
                             us_t now, double n, double rate, double burst,
                             us_t *wait);
/**
 * Reserve ${n} of ${limit} in calendar window ${window} (0: no window, until
 * settled). BOARD_REFUSED when it does not fit. *${id} names the reservation;
 * it is never evicted, and ends by itself after ${ttl}, as if all of it had
 * been used. Windows begin at multiples of ${window} since 1970 by the wall
 * clock of board_new; its later steps move no window. A reservation belongs to
 * the window it was made in. Another ${window} for the same key begins anew.
 */
enum board_result board_reserve(struct board *b, const char *key,
                                size_t key_len, us_t now, double n,
                                double limit, us_t window, us_t ttl,
                                uint64_t *id);
/** Replace a reservation by what was used (of window 0 nothing is kept). false:
 * unknown or already ended. */
bool board_settle(struct board *b, uint64_t id, us_t now, double used);
/** Used (settled and reserved) in the current window. */
double board_used(struct board *b, const char *key, size_t key_len, us_t now);

/** Bytes of all entries and histograms now, and entries dropped for want of
 * room so far. */
size_t board_bytes(struct board *b);
uint64_t board_evicted(struct board *b);

#endif
