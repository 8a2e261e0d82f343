/* SPDX-License-Identifier: Apache-2.0
 *
 * board_shelf: the machinery below the named values: 64 shelves, each a hash
 * table behind a lock, with expiry, eviction and the booking of bytes. Knows
 * nothing of what the values mean, but that an expired reservation is settled.
 * Called by board_store.c only.
 */
#ifndef LEME_BOARD_SHELF_H
#define LEME_BOARD_SHELF_H

#include "board_impl.h"

#define BOARD_SHELVES 64u
#define BOARD_SHELF_BITS 6
/* No entry is kept longer, whatever its ttl. */
#define BOARD_MAX_TTL (10LL * 366 * 24 * 3600 * US_PER_S)

enum kind { VALUE, BUCKET, ACCOUNT, TICKET };

/* A token bucket. */
struct bucket {
    bool started;
    double tokens;
    us_t at;
};

/* What a window has used, and what is reserved in it. */
struct account {
    us_t window;
    int64_t index;          /* number of the window since 1970 */
    uint64_t turn;          /* windows it has seen; names the current one */
    double settled, reserved;
    unsigned open;          /* tickets of this turn */
};

/* One reservation. */
struct ticket {
    uint64_t id;
    struct entry *account;  /* borrowed: an account outlives its tickets */
    uint64_t turn;
    double n;
};

struct entry {
    struct entry *next;     /* in its chain of the table */
    uint64_t hash;
    size_t place;           /* in its heap */
    us_t expires;
    enum kind kind;
    enum board_type type;   /* of a VALUE; NIL until first written */
    union {
        double number;
        struct bucket bucket;
        struct account account;
        struct ticket ticket;
    };
    char *text;             /* owned; NULL unless type is TEXT */
    size_t text_len;
    size_t key_len;
    char key[];
};

struct heap {
    struct entry **items;   /* owned */
    size_t len, size;
};

struct shelf {
    pthread_mutex_t lock;
    struct entry **table;   /* owned; ${width} chains, a power of two or 0 */
    size_t width, count;
    struct heap loose, firm;
    /* First expiry of each heap, for those who look for room unlocked. */
    _Atomic us_t loose_next, firm_next;
} __attribute__((aligned(BOARD_LINE)));

struct name {
    const char *bytes;
    size_t len;
    uint64_t hash;
};

struct name board_name(const struct board *b, const char *key, size_t len);
/** The shelf of a hash: of a name's, or of a ticket's, which is its id. */
struct shelf *board_shelf_of(const struct board *b, uint64_t hash);

/** Lock a shelf, and drop what has expired in it: all accounts and tickets, a
 * few others. A thread holds one shelf at most. */
void board_shelf_lock(struct board *b, struct shelf *s, us_t now);
void board_shelf_unlock(struct shelf *s);

/* With the shelf locked. */

/** The entry of ${n}, never an expired one, or NULL. */
struct entry *board_shelf_find(struct board *b, struct shelf *s,
                               const struct name *n, us_t now);
/** The ticket ${id}, or NULL. */
struct entry *board_shelf_ticket(const struct shelf *s, uint64_t id);
/** Takes ${e} over when there is memory for it. */
bool board_shelf_add(struct shelf *s, struct entry *e);
/** Take ${e} out and free it. */
void board_shelf_drop(struct board *b, struct shelf *s, struct entry *e);
void board_entry_expire(struct shelf *s, struct entry *e, us_t expires);
/** Replace a reservation by what was used; of a window that is over, nothing
 * is kept. The ticket is still to be dropped. */
void board_ticket_close(const struct ticket *t, double used);

/* With no shelf locked. */

/** Book ${n} bytes, evicting what it takes. false: no room. */
bool board_room(struct board *b, size_t n, us_t now);
/** A number no ticket had before; from 1. */
uint64_t board_ticket_number(struct board *b);
/** A booked entry on no shelf, or NULL: no room. */
struct entry *board_entry_new(struct board *b, const struct name *n,
                              enum kind kind, us_t now);
void board_entry_free(struct board *b, struct entry *e);
/** Find or make the entry of ${n}. BOARD_OK leaves its shelf locked; anything
 * else leaves nothing locked. */
enum board_result board_entry_open(struct board *b, const struct name *n,
                                   enum kind kind, us_t now, struct entry **e);

/** When an entry written now expires; ${ttl} 0 is an hour. */
us_t board_expiry(us_t now, us_t ttl);

#endif
