/* SPDX-License-Identifier: Apache-2.0
 *
 * Named values of the board: values, token buckets, reservations. What is kept
 * here lives on the shelves of board_shelf.
 */
#include "board_shelf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Values ------------------------------------------------------------------ */

static enum board_result value_read(const struct entry *e,
                                    struct board_value *value, char *text,
                                    size_t size)
{
    *value = (struct board_value){ .type = e->type };
    if (e->type != BOARD_TEXT) {
        value->number = e->number;
        return BOARD_OK;
    }
    value->text = text;
    value->len = e->text_len;
    if (e->text_len > size)
        return BOARD_TOO_LARGE;
    if (e->text_len)
        memcpy(text, e->text, e->text_len);
    return BOARD_OK;
}

/* A text of its own for a value, booked; NULL for other types, or no room. */
static char *text_new(struct board *b, const struct board_value *v, us_t now)
{
    char *text;

    if (v->type != BOARD_TEXT || !board_room(b, v->len, now))
        return NULL;
    text = malloc(v->len + 1);
    if (!text) {
        board_discharge(b, v->len);
        return NULL;
    }
    if (v->len)
        memcpy(text, v->text, v->len);
    return text;
}

static void text_free(struct board *b, char *text, size_t len)
{
    if (!text)
        return;
    board_discharge(b, len);
    free(text);
}

static enum board_result value_check(size_t key_len,
                                     const struct board_value *v)
{
    if (key_len > CEIL_BOARD_KEY)
        return BOARD_TOO_LARGE;
    if (v && v->type == BOARD_TEXT && v->len > CEIL_BOARD_VALUE)
        return BOARD_TOO_LARGE;
    return BOARD_OK;
}

enum board_result board_get(struct board *b, const char *key, size_t key_len,
                            us_t now, struct board_value *value, char *text,
                            size_t size)
{
    struct name n = board_name(b, key, key_len);
    struct shelf *s = board_shelf_of(b, n.hash);
    enum board_result result = BOARD_OK;
    struct entry *e;

    *value = (struct board_value){ .type = BOARD_NIL };
    board_shelf_lock(b, s, now);
    e = board_shelf_find(b, s, &n, now);
    if (e && e->kind != VALUE)
        result = BOARD_WRONG_TYPE;
    else if (e)
        result = value_read(e, value, text, size);
    board_shelf_unlock(s);
    return result;
}

static enum board_result value_remove(struct board *b, const struct name *n,
                                      us_t now)
{
    struct shelf *s = board_shelf_of(b, n->hash);
    enum board_result result = BOARD_OK;
    struct entry *e;

    board_shelf_lock(b, s, now);
    e = board_shelf_find(b, s, n, now);
    if (e && e->kind != VALUE)
        result = BOARD_WRONG_TYPE;
    else if (e)
        board_shelf_drop(b, s, e);
    board_shelf_unlock(s);
    return result;
}

/* Set ${n} to ${v}; when ${standing} is not NULL and a value stands there, only
 * read it. */
static enum board_result value_write(struct board *b, const struct name *n,
                                     us_t now, const struct board_value *v,
                                     us_t ttl, struct board_value *standing,
                                     char *text, size_t size)
{
    struct shelf *s = board_shelf_of(b, n->hash);
    char *copy = text_new(b, v, now);
    enum board_result result;
    struct entry *e;

    if (v->type == BOARD_TEXT && !copy)
        return BOARD_FULL;
    result = board_entry_open(b, n, VALUE, now, &e);
    if (result != BOARD_OK) {
        text_free(b, copy, v->len);
        return result;
    }
    if (!standing || e->type == BOARD_NIL) {
        text_free(b, e->text, e->text_len);
        e->type = v->type;
        e->number = v->type == BOARD_TEXT ? 0 : v->number;
        e->text = copy;
        e->text_len = copy ? v->len : 0;
        copy = NULL;
        board_entry_expire(s, e, board_expiry(now, ttl));
    }
    if (standing)
        result = value_read(e, standing, text, size);
    board_shelf_unlock(s);
    text_free(b, copy, v->len);
    return result;
}

enum board_result board_set(struct board *b, const char *key, size_t key_len,
                            us_t now, const struct board_value *value, us_t ttl)
{
    struct name n = board_name(b, key, key_len);

    if (value_check(key_len, value) != BOARD_OK)
        return BOARD_TOO_LARGE;
    if (value->type == BOARD_NIL)
        return value_remove(b, &n, now);
    return value_write(b, &n, now, value, ttl, NULL, NULL, 0);
}

enum board_result board_pin(struct board *b, const char *key, size_t key_len,
                            us_t now, const struct board_value *want, us_t ttl,
                            struct board_value *value, char *text, size_t size)
{
    struct name n = board_name(b, key, key_len);
    enum board_result result;

    if (value_check(key_len, want) != BOARD_OK)
        return BOARD_TOO_LARGE;
    /* Mostly it is there: then nothing has to be copied or evicted for it. */
    result = board_get(b, key, key_len, now, value, text, size);
    if (result != BOARD_OK || value->type != BOARD_NIL ||
        want->type == BOARD_NIL)
        return result;
    return value_write(b, &n, now, want, ttl, value, text, size);
}

enum board_result board_incr(struct board *b, const char *key, size_t key_len,
                             us_t now, double by, us_t ttl, double *after)
{
    struct name n = board_name(b, key, key_len);
    enum board_result result = value_check(key_len, NULL);
    struct shelf *s = board_shelf_of(b, n.hash);
    struct entry *e;

    if (result == BOARD_OK)
        result = board_entry_open(b, &n, VALUE, now, &e);
    if (result != BOARD_OK)
        return result;
    if (e->type == BOARD_NIL || e->type == BOARD_NUMBER) {
        e->type = BOARD_NUMBER;
        e->number += by;
        *after = e->number;
        board_entry_expire(s, e, board_expiry(now, ttl));
    } else {
        result = BOARD_WRONG_TYPE;
    }
    board_shelf_unlock(s);
    return result;
}

/* Token buckets ----------------------------------------------------------- */

/* Bring the bucket up to ${now}. */
static void bucket_fill(struct bucket *k, us_t now, double rate, double burst)
{
    if (!k->started)
        k->tokens = burst;
    else if (now > k->at)
        k->tokens += rate * (double)(now - k->at) / 1e6;
    if (k->tokens > burst)
        k->tokens = burst;
    if (!k->started || now > k->at)
        k->at = now;
    k->started = true;
}

static us_t bucket_time(double tokens, double rate)
{
    double us = rate > 0 ? ceil(tokens / rate * 1e6) : INFINITY;

    return us < (double)BOARD_MAX_TTL ? (us_t)us : US_NEVER;
}

enum board_result board_take(struct board *b, const char *key, size_t key_len,
                             us_t now, double n, double rate, double burst,
                             us_t *wait)
{
    struct name name = board_name(b, key, key_len);
    enum board_result result = value_check(key_len, NULL);
    struct shelf *s = board_shelf_of(b, name.hash);
    struct bucket *k;
    struct entry *e;
    us_t full;

    *wait = 0;
    n = n > 0 ? n : 0;
    rate = rate > 0 ? rate : 0;
    burst = burst > 0 ? burst : 0;
    if (result == BOARD_OK)
        result = board_entry_open(b, &name, BUCKET, now, &e);
    if (result != BOARD_OK)
        return result;
    k = &e->bucket;
    bucket_fill(k, now, rate, burst);
    /* The tolerance is for rounding: after *wait it must not fail again. */
    if (k->tokens * (1 + 1e-9) >= n) {
        k->tokens = k->tokens > n ? k->tokens - n : 0;
    } else {
        *wait = n > burst ? US_NEVER : bucket_time(n - k->tokens, rate);
        result = BOARD_REFUSED;
    }
    /* A full bucket is as good as none, so it need not be kept longer. */
    full = bucket_time(burst - k->tokens, rate);
    full = full == US_NEVER ? 0 : full + 1;
    board_entry_expire(s, e, board_expiry(now, full));
    board_shelf_unlock(s);
    return result;
}

/* Reservations ------------------------------------------------------------ */

/* Windows follow the wall clock as it was when the board was made, and the
 * monotonic one from then on: a step of the wall clock moves no window. */
static int64_t window_index(const struct board *b, us_t window, us_t now)
{
    return window > 0 ? (now + b->wall_offset) / window : 0;
}

static us_t window_end(const struct board *b, us_t window, int64_t index)
{
    return window > 0 ? (index + 1) * window - b->wall_offset : 0;
}

/* Begin the window of ${now}, unless it runs already. Never goes back: another
 * thread's clock reading may be a little older. */
static void account_turn(struct account *a, us_t window, int64_t index)
{
    if (a->turn > 0 && a->window == window && a->index >= index)
        return;
    *a = (struct account){ .window = window, .index = index,
                           .turn = a->turn + 1 };
}

static struct entry *ticket_new(struct board *b, uint64_t hash, us_t now)
{
    uint64_t number = board_ticket_number(b);
    struct name n = { NULL, 0, 0 };
    struct entry *e;

    n.hash = number << BOARD_SHELF_BITS | (hash & (BOARD_SHELVES - 1));
    e = board_entry_new(b, &n, TICKET, now);
    if (e)
        e->ticket.id = n.hash;
    return e;
}

/* Under the lock: enter ticket ${e} into ${account} when it fits. */
static enum board_result reserve(struct board *b, struct shelf *s,
                                 struct entry *account, struct entry *e,
                                 double limit)
{
    struct account *a = &account->account;
    us_t until;

    /* The tolerance: ten times a tenth fits into one. */
    if (!(a->settled + a->reserved + e->ticket.n <=
          limit + fabs(limit) * 1e-9))
        return BOARD_REFUSED;
    if (!board_shelf_add(s, e))
        return BOARD_FULL;
    e->ticket.account = account;
    e->ticket.turn = a->turn;
    a->reserved += e->ticket.n;
    a->open++;
    until = window_end(b, a->window, a->index);
    if (until <= e->expires)
        until = e->expires + 1;     /* swept after its tickets */
    if (until > account->expires)
        board_entry_expire(s, account, until);
    return BOARD_OK;
}

enum board_result board_reserve(struct board *b, const char *key,
                                size_t key_len, us_t now, double n,
                                double limit, us_t window, us_t ttl,
                                uint64_t *id)
{
    struct name name = board_name(b, key, key_len);
    struct shelf *s = board_shelf_of(b, name.hash);
    struct entry *account, *e;
    enum board_result result;

    if (value_check(key_len, NULL) != BOARD_OK)
        return BOARD_TOO_LARGE;
    e = ticket_new(b, name.hash, now);
    if (!e)
        return BOARD_FULL;
    e->expires = board_expiry(now, ttl);
    e->ticket.n = n > 0 ? n : 0;
    window = window > 0 ? window : 0;
    result = board_entry_open(b, &name, ACCOUNT, now, &account);
    if (result == BOARD_OK) {
        account_turn(&account->account, window, window_index(b, window, now));
        result = reserve(b, s, account, e, limit);
        if (result == BOARD_OK)
            *id = e->ticket.id;
        board_shelf_unlock(s);
    }
    if (result != BOARD_OK)
        board_entry_free(b, e);
    return result;
}

bool board_settle(struct board *b, uint64_t id, us_t now, double used)
{
    struct shelf *s = board_shelf_of(b, id);
    struct entry *e;

    board_shelf_lock(b, s, now);
    e = board_shelf_ticket(s, id);
    if (e) {
        board_ticket_close(&e->ticket, used > 0 ? used : 0);
        board_shelf_drop(b, s, e);
    }
    board_shelf_unlock(s);
    return e != NULL;
}

double board_used(struct board *b, const char *key, size_t key_len, us_t now)
{
    struct name n = board_name(b, key, key_len);
    struct shelf *s = board_shelf_of(b, n.hash);
    const struct account *a;
    double used = 0;
    struct entry *e;

    board_shelf_lock(b, s, now);
    e = board_shelf_find(b, s, &n, now);
    if (e && e->kind == ACCOUNT) {
        a = &e->account;
        if (a->index >= window_index(b, a->window, now))
            used = a->settled + a->reserved;
    }
    board_shelf_unlock(s);
    return used;
}
