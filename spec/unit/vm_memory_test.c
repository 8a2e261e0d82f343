/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks keep what they hold, whatever sizes they go through, and those that wait
 * to be used again stay few.
 */
#include "test.h"

#include "../../core/vm_impl.h"

static const size_t sizes[] = {1, 15, 16, 17, 40, 80, 639, 640, 641, 5000};
#define SIZES (sizeof sizes / sizeof *sizes)

static void fill(unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (unsigned char)(seed + i * 7);
}

static bool holds(const unsigned char *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != (unsigned char)(seed + i * 7))
            return false;
    return true;
}

static void a_block_of_any_size_becomes_one_of_any_other(void)
{
    struct vm_blocks b = {0};

    for (size_t from = 0; from < SIZES; from++)
        for (size_t to = 0; to < SIZES; to++) {
            size_t both = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            unsigned char *other = vm_blocks_resize(&b, NULL, 0, sizes[to]);
            unsigned char *block = vm_blocks_resize(&b, NULL, 0, sizes[from]);

            fill(other, sizes[to], 3);
            fill(block, sizes[from], 5);
            block = vm_blocks_resize(&b, block, sizes[from], sizes[to]);
            CHECK(holds(block, both, 5));
            fill(block, sizes[to], 9);
            CHECK(holds(other, sizes[to], 3));
            vm_blocks_drop(&b, block, sizes[to]);
            vm_blocks_drop(&b, other, sizes[to]);
        }
    vm_blocks_free(&b);
    CHECK(b.kept == 0);
}

static void no_two_blocks_in_use_are_the_same(void)
{
    struct vm_blocks b = {0};
    unsigned char *block[64];

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 64; i++) {
            block[i] = vm_blocks_resize(&b, NULL, 0, 33 + i % 16);
            fill(block[i], 33 + i % 16, i);
        }
        for (unsigned i = 0; i < 64; i++) {
            CHECK(holds(block[i], 33 + i % 16, i));
            vm_blocks_drop(&b, block[i], 33 + i % 16);
        }
    }
    vm_blocks_free(&b);
}

static void what_waits_is_bounded(void)
{
    static void *block[4096];
    struct vm_blocks b = {0};
    size_t most = 0;

    for (unsigned i = 0; i < 4096; i++)
        block[i] = vm_blocks_resize(&b, NULL, 0, 320);
    CHECK(b.kept == 0);
    for (unsigned i = 0; i < 4096; i++) {
        vm_blocks_drop(&b, block[i], 320);
        most = b.kept > most ? b.kept : most;
    }
    CHECK(most <= 512 * KIB);
    for (unsigned i = 0; i < 4096; i++)
        block[i] = vm_blocks_resize(&b, NULL, 0, 320);
    CHECK(b.kept == 0);             /* what is in use again waits no longer */
    for (unsigned i = 0; i < 4096; i++)
        vm_blocks_drop(&b, block[i], 320);
    vm_blocks_drop(&b, NULL, 0);
    vm_blocks_free(&b);
    CHECK(b.kept == 0);
}

int main(void)
{
    RUN(a_block_of_any_size_becomes_one_of_any_other);
    RUN(no_two_blocks_in_use_are_the_same);
    RUN(what_waits_is_bounded);
    return test_end();
}
