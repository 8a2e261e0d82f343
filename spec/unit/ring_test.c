/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring keeps the newest records and never more bytes than it was given.
 */
#include "test.h"

#include "../../core/record.h"
#include "../../core/ring.h"

#include <stdlib.h>

static struct record_blob *make(const char *id, size_t extra)
{
    struct record r;
    struct record_blob *b;
    char text[1024];

    memset(text, 'x', sizeof text);
    text[extra < sizeof text ? extra : sizeof text - 1] = '\0';
    record_init(&r);
    record_add(&r, RECORD_begin, id, (int64_t)0, "", "chat", "m", 0, "", "", "",
               (int64_t)0, "");
    record_add(&r, RECORD_trace, "k", text);
    b = record_seal(&r);
    record_free(&r);
    return b;
}

static void keep(struct ring *r, const char *id, size_t extra)
{
    struct record_blob *b = make(id, extra);

    ring_add(r, b);
    free(b);
}

static const char *id_of(const struct record_blob *b)
{
    static char id[200];

    if (!b)
        return "none";
    record_id(b, id, sizeof id);
    return id;
}

static void an_empty_ring_has_nothing(void)
{
    struct ring *r = ring_new(1000);

    CHECK(ring_count(r) == 0);
    CHECK(ring_newest(r, 0) == NULL);
    CHECK(ring_find(r, "a", 1) == NULL);
    ring_free(r);
    ring_free(NULL);
}

static void the_newest_comes_first(void)
{
    struct ring *r = ring_new(100000);

    keep(r, "a", 0);
    keep(r, "b", 0);
    keep(r, "c", 0);
    CHECK(ring_count(r) == 3);
    CHECK(strcmp(id_of(ring_newest(r, 0)), "c") == 0);
    CHECK(strcmp(id_of(ring_newest(r, 2)), "a") == 0);
    CHECK(ring_newest(r, 3) == NULL);
    ring_free(r);
}

static void the_oldest_make_room(void)
{
    struct ring *r = ring_new(10000);
    size_t bytes;
    char id[32];

    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "req_%d", i);
        keep(r, id, (size_t)i * 7 % 700);
        bytes = 0;
        for (size_t k = 0; k < ring_count(r); k++) {
            snprintf(id, sizeof id, "req_%d", i - (int)k);
            CHECK(strcmp(id_of(ring_newest(r, k)), id) == 0);
            bytes += sizeof(struct record_blob) + ring_newest(r, k)->len;
        }
        CHECK(bytes <= 10000 && (i < 40 || bytes > 8000));
    }
    CHECK(ring_find(r, "req_4999", 8) == ring_newest(r, 0));
    CHECK(ring_find(r, "req_4998", 8) == ring_newest(r, 1));
    CHECK(ring_find(r, "req_0", 5) == NULL);
    ring_free(r);
}

static void a_record_larger_than_the_ring_is_not_kept(void)
{
    struct ring *r = ring_new(500);

    keep(r, "big", 1000);
    CHECK(ring_count(r) == 0);
    keep(r, "small", 10);
    CHECK(ring_count(r) == 1);
    ring_free(r);
}

/* Clients may send one request id twice. */
static void of_two_with_one_id_the_newer_is_found(void)
{
    struct ring *r = ring_new(100000);

    keep(r, "same", 1);
    keep(r, "same", 2);
    CHECK(ring_find(r, "same", 4) == ring_newest(r, 0));
    CHECK(ring_find(r, "sam", 3) == NULL);
    ring_free(r);
}

int main(void)
{
    RUN(an_empty_ring_has_nothing);
    RUN(the_newest_comes_first);
    RUN(the_oldest_make_room);
    RUN(a_record_larger_than_the_ring_is_not_kept);
    RUN(of_two_with_one_id_the_newer_is_found);
    return test_end();
}
