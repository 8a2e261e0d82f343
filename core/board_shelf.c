/* SPDX-License-Identifier: Apache-2.0
 *
 * Every entry stands in one of the two heaps of its shelf, ordered by expiry:
 * "loose" ones may be evicted for want of room, "firm" ones (accounts and the
 * tickets of their reservations) may not, because a budget that forgets is no
 * budget.
 */
#include "board_shelf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DEFAULT_TTL (3600 * US_PER_S)
#define SWEEP 4             /* expired loose entries dropped in passing */
#define OVERHEAD 48u        /* of an entry in table, heap and malloc */

struct board_store {
    struct shelf shelves[BOARD_SHELVES];
    uint64_t seed[2];
    _Atomic uint64_t tickets;
};

/* Names ------------------------------------------------------------------- */

static uint64_t rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: keys may hold what clients sent, who must not be able to aim at
 * one chain. */
static uint64_t key_hash(const uint64_t seed[2], const char *key, size_t len)
{
    uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575u,
                      seed[1] ^ 0x646f72616e646f6du,
                      seed[0] ^ 0x6c7967656e657261u,
                      seed[1] ^ 0x7465646279746573u };
    uint64_t word;

    for (size_t at = 0; at <= len; at += 8) {
        bool last = len - at < 8;

        word = last ? (uint64_t)len << 56 : 0;
        for (size_t i = 0; i < (last ? len - at : 8); i++)
            word |= (uint64_t)(unsigned char)key[at + i] << (8 * i);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct name board_name(const struct board *b, const char *key, size_t len)
{
    struct name name = { key, len, key_hash(b->store->seed, key, len) };

    return name;
}

/* The low bits of a hash name the shelf. A ticket's hash is its id, made with
 * the bits of the shelf of its account. */
struct shelf *board_shelf_of(const struct board *b, uint64_t hash)
{
    return &b->store->shelves[hash & (BOARD_SHELVES - 1)];
}

/* Heaps ------------------------------------------------------------------- */

static struct heap *heap_of(struct shelf *s, const struct entry *e)
{
    return e->kind == ACCOUNT || e->kind == TICKET ? &s->firm : &s->loose;
}

static us_t heap_first(const struct heap *h)
{
    return h->len ? h->items[0]->expires : US_NEVER;
}

static void heap_put(struct heap *h, size_t place, struct entry *e)
{
    h->items[place] = e;
    e->place = place;
}

/* Move ${e} from ${place} to where its expiry belongs. */
static void heap_settle(struct heap *h, size_t place, struct entry *e)
{
    size_t child;

    while (place > 0 && h->items[(place - 1) / 2]->expires > e->expires) {
        heap_put(h, place, h->items[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        child = 2 * place + 1;
        if (child + 1 < h->len &&
            h->items[child + 1]->expires < h->items[child]->expires)
            child++;
        if (child >= h->len || h->items[child]->expires >= e->expires)
            break;
        heap_put(h, place, h->items[child]);
        place = child;
    }
    heap_put(h, place, e);
}

static bool heap_push(struct heap *h, struct entry *e)
{
    if (h->len == h->size) {
        size_t size = h->size ? 2 * h->size : 16;
        struct entry **items = realloc(h->items, size * sizeof(struct entry *));

        if (!items)
            return false;
        h->items = items;
        h->size = size;
    }
    h->len++;
    heap_settle(h, h->len - 1, e);
    return true;
}

static void heap_remove(struct heap *h, const struct entry *e)
{
    struct entry *last = h->items[--h->len];

    if (last != e)
        heap_settle(h, e->place, last);
}

/* Entries ----------------------------------------------------------------- */

static size_t entry_bytes(const struct entry *e)
{
    return sizeof *e + OVERHEAD + e->key_len + e->text_len;
}

void board_entry_free(struct board *b, struct entry *e)
{
    if (!e)
        return;
    board_discharge(b, entry_bytes(e));
    free(e->text);
    free(e);
}

static struct entry **chain_of(const struct shelf *s, uint64_t hash)
{
    return &s->table[(hash >> BOARD_SHELF_BITS) & (s->width - 1)];
}

static bool table_grow(struct shelf *s)
{
    struct shelf wide = { .width = s->width ? 2 * s->width : 16 };

    wide.table = calloc(wide.width, sizeof(struct entry *));
    if (!wide.table)
        return s->width > 0;
    for (size_t i = 0; i < s->width; i++) {
        while (s->table[i]) {
            struct entry *e = s->table[i], **chain = chain_of(&wide, e->hash);

            s->table[i] = e->next;
            e->next = *chain;
            *chain = e;
        }
    }
    free(s->table);
    s->table = wide.table;
    s->width = wide.width;
    return true;
}

struct entry *board_shelf_ticket(const struct shelf *s, uint64_t id)
{
    struct entry *e;

    if (s->width == 0)
        return NULL;
    for (e = *chain_of(s, id); e; e = e->next)
        if (e->kind == TICKET && e->ticket.id == id)
            return e;
    return NULL;
}

bool board_shelf_add(struct shelf *s, struct entry *e)
{
    struct entry **chain;

    if (s->count >= s->width && !table_grow(s))
        return false;
    if (!heap_push(heap_of(s, e), e))
        return false;
    chain = chain_of(s, e->hash);
    e->next = *chain;
    *chain = e;
    s->count++;
    return true;
}

void board_shelf_drop(struct board *b, struct shelf *s, struct entry *e)
{
    struct entry **link = chain_of(s, e->hash);

    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    heap_remove(heap_of(s, e), e);
    s->count--;
    board_entry_free(b, e);
}

void board_ticket_close(const struct ticket *t, double used)
{
    struct account *a = &t->account->account;

    if (a->turn != t->turn)
        return;
    a->reserved -= t->n;
    if (--a->open == 0)
        a->reserved = 0;        /* and no rounding error of many sums */
    if (a->window > 0)
        a->settled += used;
}

/* Drop what has expired: all that is firm, in order of expiry so that tickets
 * go before their accounts, and at most ${most} of the rest. */
static size_t shelf_sweep(struct board *b, struct shelf *s, us_t now,
                          size_t most)
{
    size_t dropped = 0;
    struct entry *e;

    while (heap_first(&s->firm) <= now) {
        e = s->firm.items[0];
        if (e->kind == TICKET)
            board_ticket_close(&e->ticket, e->ticket.n);
        board_shelf_drop(b, s, e);
        dropped++;
    }
    for (; most > 0 && heap_first(&s->loose) <= now; most--) {
        board_shelf_drop(b, s, s->loose.items[0]);
        dropped++;
    }
    return dropped;
}

void board_shelf_lock(struct board *b, struct shelf *s, us_t now)
{
    pthread_mutex_lock(&s->lock);
    shelf_sweep(b, s, now, SWEEP);
}

void board_shelf_unlock(struct shelf *s)
{
    atomic_store_explicit(&s->loose_next, heap_first(&s->loose),
                          memory_order_relaxed);
    atomic_store_explicit(&s->firm_next, heap_first(&s->firm),
                          memory_order_relaxed);
    pthread_mutex_unlock(&s->lock);
}

us_t board_expiry(us_t now, us_t ttl)
{
    if (ttl <= 0)
        ttl = DEFAULT_TTL;
    return now + (ttl < BOARD_MAX_TTL ? ttl : BOARD_MAX_TTL);
}

void board_entry_expire(struct shelf *s, struct entry *e, us_t expires)
{
    e->expires = expires;
    heap_settle(heap_of(s, e), e->place, e);
}

struct entry *board_shelf_find(struct board *b, struct shelf *s,
                                const struct name *n, us_t now)
{
    struct entry *e;

    if (s->width == 0)
        return NULL;
    for (e = *chain_of(s, n->hash); e; e = e->next)
        if (e->kind != TICKET && e->hash == n->hash && e->key_len == n->len &&
            memcmp(e->key, n->bytes, n->len) == 0)
            break;
    if (!e || e->expires > now)
        return e;
    board_shelf_drop(b, s, e);
    return NULL;
}

/* Room -------------------------------------------------------------------- */

/* Drop the expired of a shelf that has any, or else the one entry that expires
 * first. false: nothing can go. */
static bool make_room(struct board *b, us_t now)
{
    struct shelf *best = NULL, *s;
    us_t soonest = US_NEVER;

    for (unsigned i = 0; i < BOARD_SHELVES; i++) {
        us_t loose, firm;

        s = &b->store->shelves[i];
        loose = atomic_load_explicit(&s->loose_next, memory_order_relaxed);
        firm = atomic_load_explicit(&s->firm_next, memory_order_relaxed);
        if (loose <= now || firm <= now) {
            size_t dropped;

            pthread_mutex_lock(&s->lock);
            dropped = shelf_sweep(b, s, now, SIZE_MAX);
            board_shelf_unlock(s);
            if (dropped > 0)
                return true;
        } else if (loose < soonest) {
            soonest = loose;
            best = s;
        }
    }
    if (!best)
        return false;
    pthread_mutex_lock(&best->lock);
    if (best->loose.len > 0) {
        board_shelf_drop(b, best, best->loose.items[0]);
        atomic_fetch_add(&b->evicted, 1);
    }
    board_shelf_unlock(best);
    return true;
}

bool board_room(struct board *b, size_t n, us_t now)
{
    if (n > b->max_bytes)
        return false;
    while (!board_charge(b, n))
        if (!make_room(b, now))
            return false;
    return true;
}

struct entry *board_entry_new(struct board *b, const struct name *n,
                               enum kind kind, us_t now)
{
    size_t bytes = sizeof(struct entry) + OVERHEAD + n->len;
    struct entry *e;

    if (!board_room(b, bytes, now))
        return NULL;
    e = calloc(1, sizeof *e + n->len);
    if (!e) {
        board_discharge(b, bytes);
        return NULL;
    }
    e->hash = n->hash;
    e->kind = kind;
    e->key_len = n->len;
    e->expires = board_expiry(now, 0);
    if (n->len)
        memcpy(e->key, n->bytes, n->len);
    return e;
}

enum board_result board_entry_open(struct board *b, const struct name *n,
                                    enum kind kind, us_t now, struct entry **e)
{
    struct shelf *s = board_shelf_of(b, n->hash);
    enum board_result result = BOARD_OK;
    struct entry *fresh = NULL;

    board_shelf_lock(b, s, now);
    *e = board_shelf_find(b, s, n, now);
    if (!*e) {
        board_shelf_unlock(s);
        fresh = board_entry_new(b, n, kind, now);
        if (!fresh)
            return BOARD_FULL;
        board_shelf_lock(b, s, now);
        *e = board_shelf_find(b, s, n, now);
        if (!*e && board_shelf_add(s, fresh)) {
            *e = fresh;
            fresh = NULL;
        }
    }
    if (!*e)
        result = BOARD_FULL;
    else if ((*e)->kind != kind)
        result = BOARD_WRONG_TYPE;
    if (result != BOARD_OK)
        board_shelf_unlock(s);
    board_entry_free(b, fresh);
    return result;
}

/* Store ------------------------------------------------------------------- */

struct board_store *board_store_new(void)
{
    struct board_store *s = board_lines(sizeof *s);

    if (!s)
        return NULL;
    if (getrandom(s->seed, sizeof s->seed, 0) != (ssize_t)sizeof s->seed) {
        s->seed[0] = (uint64_t)clock_wall();
        s->seed[1] = (uint64_t)clock_now();
    }
    for (unsigned i = 0; i < BOARD_SHELVES; i++) {
        pthread_mutex_init(&s->shelves[i].lock, NULL);
        atomic_init(&s->shelves[i].loose_next, US_NEVER);
        atomic_init(&s->shelves[i].firm_next, US_NEVER);
    }
    return s;
}

static void heap_free(struct heap *h)
{
    for (size_t i = 0; i < h->len; i++) {
        free(h->items[i]->text);
        free(h->items[i]);
    }
    free(h->items);
}

void board_store_free(struct board_store *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < BOARD_SHELVES; i++) {
        heap_free(&s->shelves[i].loose);
        heap_free(&s->shelves[i].firm);
        free(s->shelves[i].table);
        pthread_mutex_destroy(&s->shelves[i].lock);
    }
    free(s);
}

uint64_t board_ticket_number(struct board *b)
{
    return atomic_fetch_add(&b->store->tickets, 1) + 1;
}

size_t board_bytes(struct board *b)
{
    return atomic_load(&b->bytes);
}

uint64_t board_evicted(struct board *b)
{
    return atomic_load(&b->evicted);
}
