/* SPDX-License-Identifier: Apache-2.0
 *
 * ceilings: every bound of the engine in one place. A growing buffer, queue or
 * table elsewhere names one of these. Those marked "setting" are only the
 * default of a configuration key.
 */
#ifndef LEME_CEILINGS_H
#define LEME_CEILINGS_H

#define KIB 1024u
#define MIB (1024u * 1024u)

/* Client side. */
#define CEIL_HEAD_BYTES (32 * KIB)          /* setting: request line and fields */
#define CEIL_HEAD_FIELDS 100                /* request fields */
#define CEIL_REQUEST_LINE (12 * KIB)        /* request line alone */
#define CEIL_FIELD_BYTES (12 * KIB)         /* one request field */
#define CEIL_BODY_BYTES (32 * MIB)          /* setting: decoded request body */
#define CEIL_CHUNK_EXT 1024                 /* one chunk-size line */
#define CEIL_TRAILER_BYTES (8 * KIB)        /* request trailers, dropped */
#define CEIL_EMPTY_LINES 8                  /* before a request line */
#define CEIL_REPLY_QUEUE (64 * KIB)         /* bytes waiting for a slow client */
#define CEIL_PIPELINE_BYTES (64 * KIB)      /* read ahead while an answer is due */

/* Bodies as JSON. */
#define CEIL_JSON_DEPTH 64
#define CEIL_JSON_NODES (1024 * 1024)       /* nodes expanded lazily in one body */

/* Provider side. */
#define CEIL_CALL_LINES (256 * KIB)         /* headers of one call's own */
#define CEIL_ANSWER_HEAD_BYTES (64 * KIB)
#define CEIL_ANSWER_HEAD_FIELDS 200
#define CEIL_ANSWER_INTERIM 16              /* 1xx answers before the final one */
#define CEIL_ANSWER_BYTES (32 * MIB)        /* setting: a complete answer held */
#define CEIL_EVENT_BYTES (1 * MIB)          /* one server-sent event */
#define CEIL_HOLD_BYTES (64 * KIB)          /* an attempt nobody has relayed */
#define CEIL_ERROR_BYTES (64 * KIB)         /* body of a provider's error */

/* Policies. */
#define CEIL_POLICY_FILE (256 * KIB)
#define CEIL_TRANSLATION_US 2000000         /* one call of a dialect */
#define CEIL_STEP_US 50000                  /* setting: one step */
#define CEIL_LOAD_US 500000                 /* reading and self-testing a policy */
#define CEIL_REQUEST_LUA_BYTES (4 * MIB)    /* net Lua bytes of one request */
#define CEIL_STATE_LUA_BYTES (128 * MIB)    /* setting: one worker's Lua state */
#define CEIL_LUA_STRING (1 * MIB)           /* a string made by the bounded library */
#define CEIL_LUA_UNPACK 1000
#define CEIL_LUA_COROUTINES 64              /* alive, a policy's own */
#define CEIL_RECORDED_FILES 20000           /* below a mock's recordings */
#define CEIL_OPS 64                         /* operations of one step */
#define CEIL_ATTEMPTS 4                     /* setting: max_attempts of a model */
#define CEIL_FLIGHTS 16                     /* calls of one request in the air */
#define CEIL_GENERATIONS 8                  /* alive at once */
#define CEIL_KILLS_PER_MINUTE 5

/* Board, records, logs. */
#define CEIL_BOARD_BYTES (64 * MIB)
#define CEIL_BOARD_VALUE (4 * KIB)
#define CEIL_BOARD_KEY 256
#define CEIL_TARGETS 4096
#define CEIL_RECORD_BYTES (32 * KIB)        /* one decision record */
#define CEIL_RING_BYTES (8 * MIB)           /* all records kept */
#define CEIL_LOG_QUEUE 4096                 /* lines waiting for the log writer */
#define CEIL_LOG_BYTES (8 * MIB)            /* the same lines in bytes */
#define CEIL_SERIES 65536                   /* metric series */

#endif
