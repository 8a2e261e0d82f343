/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets of the board: places, limits, cooling, the operator's word, quota.
 * What every pick reads is an atomic; what changes once in a while (cooling,
 * ejection, restore, quota) is changed under the lock of its target, so that
 * these changes do not have to be ordered against each other.
 */
#include "board_impl.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_US 1000LL
#define RPM_SPAN_NS 60000000000LL
#define RPM_SLOWEST_NS (365LL * 24 * 60 * RPM_SPAN_NS)
#define PROBE_US (30 * US_PER_S)
#define QUOTA_US (60 * US_PER_S)    /* a provider that names no reset */

#define LOAD(field) atomic_load_explicit(&(field), memory_order_acquire)
#define STORE(field, value) \
    atomic_store_explicit(&(field), (value), memory_order_release)

void *board_lines(size_t size)
{
    size_t whole = (size + BOARD_LINE - 1) / BOARD_LINE * BOARD_LINE;
    void *p = aligned_alloc(BOARD_LINE, whole);

    if (p)
        memset(p, 0, whole);
    return p;
}

bool board_charge(struct board *b, size_t n)
{
    size_t have = atomic_load(&b->bytes);

    do {
        if (n > b->max_bytes || have > b->max_bytes - n)
            return false;
    } while (!atomic_compare_exchange_weak(&b->bytes, &have, have + n));
    return true;
}

void board_discharge(struct board *b, size_t n)
{
    atomic_fetch_sub(&b->bytes, n);
}

struct board *board_new(unsigned shards, size_t max_bytes)
{
    struct board *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->store = board_store_new();
    if (!b->store) {
        free(b);
        return NULL;
    }
    b->shards = shards ? shards : 1;
    b->max_bytes = max_bytes;
    b->wall_offset = clock_wall() - clock_now();
    pthread_mutex_init(&b->lock, NULL);
    return b;
}

static void target_free(struct board_target *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < BOARD_METRICS; i++)
        board_hist_free(atomic_load(&t->hists[i]));
    board_rings_free(t->rings);
    pthread_mutex_destroy(&t->lock);
    free(t->name);
    free(t);
}

void board_free(struct board *b)
{
    if (!b)
        return;
    for (unsigned i = 0; i < b->count; i++)
        target_free(atomic_load(&b->targets[i]));
    board_store_free(b->store);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* Slots ------------------------------------------------------------------- */

struct board_target *board_target(const struct board *b, unsigned slot)
{
    struct board_target *t;

    assert(slot < CEIL_TARGETS);
    t = LOAD(b->targets[slot]);
    assert(t);
    return t;
}

static struct board_target *target_new(const struct board *b, const char *name)
{
    struct board_target *t = board_lines(sizeof *t);

    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    t->quota_requests = t->quota_tokens = -1;
    atomic_init(&t->weight, 1.0);
    t->name = strdup(name);
    t->rings = board_rings_new(b->shards);
    if (!t->name || !t->rings) {
        target_free(t);
        return NULL;
    }
    return t;
}

/* Spares the scan of 4,096 names most of its strcmp; collisions cost time only,
 * and names come from the configuration. */
static uint64_t name_hash(const char *name)
{
    uint64_t h = 14695981039346656037u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

int board_slot(struct board *b, const char *name)
{
    uint64_t hash = name_hash(name);
    struct board_target *t;
    int slot = -1;

    pthread_mutex_lock(&b->lock);
    for (unsigned i = 0; i < b->count && slot < 0; i++)
        if (b->hashes[i] == hash &&
            strcmp(board_target(b, i)->name, name) == 0)
            slot = (int)i;
    t = slot < 0 && b->count < CEIL_TARGETS ? target_new(b, name) : NULL;
    if (t) {
        slot = (int)b->count;
        b->hashes[slot] = hash;
        STORE(b->targets[slot], t);
        b->count++;
    }
    pthread_mutex_unlock(&b->lock);
    return slot;
}

void board_limits(struct board *b, unsigned slot, unsigned max_in_flight,
                  double rpm)
{
    struct board_target *t = board_target(b, slot);
    double interval = rpm > 0 ? (double)RPM_SPAN_NS / rpm : 0;

    if (interval > (double)RPM_SLOWEST_NS)
        interval = (double)RPM_SLOWEST_NS;
    if (rpm > 0 && interval < 1)
        interval = 1;
    STORE(t->max_in_flight, max_in_flight);
    STORE(t->rpm_interval_ns, (int64_t)interval);
}

/* State ------------------------------------------------------------------- */

/* The bucket as the one moment when it will be full again (GCRA): a token moves
 * that moment by one interval, and may not move it further than a full bucket
 * away. Returns the moment after one more token, -1 when there is none. */
static int64_t rpm_after(int64_t full_ns, int64_t interval_ns, us_t now)
{
    int64_t now_ns = now * NS_PER_US;
    int64_t span = interval_ns > RPM_SPAN_NS ? interval_ns : RPM_SPAN_NS;
    int64_t after = (full_ns > now_ns ? full_ns : now_ns) + interval_ns;

    return after - now_ns > span ? -1 : after;
}

static const char *saturated(const struct board_target *t, us_t now)
{
    unsigned max = LOAD(t->max_in_flight);
    int64_t interval = LOAD(t->rpm_interval_ns);

    if (max && LOAD(t->in_flight) >= max)
        return "max_in_flight";
    if (interval && rpm_after(LOAD(t->rpm_full_ns), interval, now) < 0)
        return "rpm";
    return NULL;
}

static enum board_state target_state(const struct board_target *t, us_t now)
{
    int operated = LOAD(t->operated);
    unsigned ejections;

    if (operated != BOARD_READY)
        return (enum board_state)operated;
    /* Before cool_until, as board_eject stores them the other way round: a new
     * ejection is never seen without its cooling. */
    ejections = LOAD(t->ejections);
    if (now < LOAD(t->cool_until))
        return BOARD_COOLING;
    if (saturated(t, now))
        return BOARD_SATURATED;
    return ejections ? BOARD_HALF_OPEN : BOARD_READY;
}

static void explain(struct board_target *t, enum board_state state, us_t now,
                    char *why, size_t size)
{
    const char *limit;

    why[0] = '\0';
    switch (state) {
    case BOARD_READY:
        break;
    case BOARD_DRAIN:
    case BOARD_MAINT:
        snprintf(why, size, "operator");
        break;
    case BOARD_SATURATED:
        limit = saturated(t, now);
        snprintf(why, size, "%s", limit ? limit : "");
        break;
    case BOARD_COOLING:
    case BOARD_HALF_OPEN:
        pthread_mutex_lock(&t->lock);
        snprintf(why, size, "%s", t->why);
        pthread_mutex_unlock(&t->lock);
        break;
    }
}

enum board_state board_state(struct board *b, unsigned slot, us_t now,
                             char *why, size_t size)
{
    struct board_target *t = board_target(b, slot);
    enum board_state state = target_state(t, now);

    if (why && size > 0)
        explain(t, state, now, why, size);
    return state;
}

/* Places ------------------------------------------------------------------ */

static bool take_place(struct board_target *t)
{
    unsigned max = LOAD(t->max_in_flight);
    unsigned have = atomic_load(&t->in_flight);

    do {
        if (max && have >= max)
            return false;
    } while (!atomic_compare_exchange_weak(&t->in_flight, &have, have + 1));
    return true;
}

static bool take_token(struct board_target *t, us_t now)
{
    int64_t interval = LOAD(t->rpm_interval_ns);
    int64_t full, after;

    if (!interval)
        return true;
    full = atomic_load(&t->rpm_full_ns);
    do {
        after = rpm_after(full, interval, now);
        if (after < 0)
            return false;
    } while (!atomic_compare_exchange_weak(&t->rpm_full_ns, &full, after));
    return true;
}

bool board_enter(struct board *b, unsigned slot, us_t now)
{
    struct board_target *t = board_target(b, slot);

    /* The place first: unlike a token it can be given back exactly. */
    if (!take_place(t))
        return false;
    if (take_token(t, now))
        return true;
    board_leave(b, slot);
    return false;
}

void board_leave(struct board *b, unsigned slot)
{
    unsigned was = atomic_fetch_sub(&board_target(b, slot)->in_flight, 1);

    assert(was > 0);
    (void)was;
}

unsigned board_in_flight(const struct board *b, unsigned slot)
{
    return LOAD(board_target(b, slot)->in_flight);
}

/* Cooling ----------------------------------------------------------------- */

static us_t later(us_t now, us_t for_us)
{
    if (for_us <= 0)
        return now;
    return for_us > US_NEVER - now ? US_NEVER : now + for_us;
}

/* Under the lock. The reason of the longest cooling is the one that is told. */
static void cool(struct board_target *t, us_t until, const char *why)
{
    if (until <= LOAD(t->cool_until))
        return;
    STORE(t->cool_until, until);
    snprintf(t->why, sizeof t->why, "%s", why ? why : "");
}

void board_cool(struct board *b, unsigned slot, us_t now, us_t for_us,
                const char *why)
{
    struct board_target *t = board_target(b, slot);

    pthread_mutex_lock(&t->lock);
    cool(t, later(now, for_us), why);
    pthread_mutex_unlock(&t->lock);
}

us_t board_eject(struct board *b, unsigned slot, us_t now, us_t base, us_t max,
                 const char *why)
{
    struct board_target *t = board_target(b, slot);
    unsigned times;
    us_t given;

    pthread_mutex_lock(&t->lock);
    if (now < t->eject_until) {
        given = t->eject_until - now;
    } else {
        times = LOAD(t->ejections);
        given = base > max / ((us_t)times + 1) ? max
                                               : base * ((us_t)times + 1);
        t->eject_until = later(now, given);
        cool(t, t->eject_until, why);
        if (times < UINT32_MAX)
            times++;
        STORE(t->probe_until, 0);
        STORE(t->ejections, times);
    }
    pthread_mutex_unlock(&t->lock);
    return given;
}

void board_restore(struct board *b, unsigned slot)
{
    struct board_target *t = board_target(b, slot);

    pthread_mutex_lock(&t->lock);
    STORE(t->ejections, 0);
    STORE(t->cool_until, 0);
    STORE(t->probe_until, 0);
    t->eject_until = 0;
    t->why[0] = '\0';
    pthread_mutex_unlock(&t->lock);
}

bool board_probe(struct board *b, unsigned slot, us_t now)
{
    struct board_target *t = board_target(b, slot);
    bool won = false;

    pthread_mutex_lock(&t->lock);
    if (target_state(t, now) == BOARD_HALF_OPEN &&
        now >= LOAD(t->probe_until)) {
        STORE(t->probe_until, now + PROBE_US);
        won = true;
    }
    pthread_mutex_unlock(&t->lock);
    return won;
}

void board_operate(struct board *b, unsigned slot, enum board_state state,
                   double weight)
{
    struct board_target *t = board_target(b, slot);

    assert(state == BOARD_READY || state == BOARD_DRAIN ||
           state == BOARD_MAINT);
    STORE(t->operated, (int)state);
    if (weight >= 0)
        STORE(t->weight, weight);
}

double board_weight(const struct board *b, unsigned slot)
{
    return LOAD(board_target(b, slot)->weight);
}

/* Quota ------------------------------------------------------------------- */

static us_t quota_end(us_t now, us_t reset)
{
    return reset < 0 ? now + QUOTA_US : later(now, reset);
}

void board_quota(struct board *b, unsigned slot, us_t now, double requests,
                 double tokens, us_t reset_requests, us_t reset_tokens)
{
    struct board_target *t = board_target(b, slot);

    pthread_mutex_lock(&t->lock);
    if (requests >= 0) {
        t->quota_requests = requests;
        t->quota_requests_until = quota_end(now, reset_requests);
    }
    if (tokens >= 0) {
        t->quota_tokens = tokens;
        t->quota_tokens_until = quota_end(now, reset_tokens);
    }
    pthread_mutex_unlock(&t->lock);
}

bool board_remaining(struct board *b, unsigned slot, us_t now, double *requests,
                     double *tokens)
{
    struct board_target *t = board_target(b, slot);

    pthread_mutex_lock(&t->lock);
    *requests = now < t->quota_requests_until ? t->quota_requests : -1;
    *tokens = now < t->quota_tokens_until ? t->quota_tokens : -1;
    pthread_mutex_unlock(&t->lock);
    return *requests >= 0 || *tokens >= 0;
}
