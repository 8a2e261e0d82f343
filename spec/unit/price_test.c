/* SPDX-License-Identifier: Apache-2.0
 *
 * price: every sum is worked out by hand in the row's comment, in millionths of
 * a dollar.
 */
#include "price.h"

#include "answer.h"
#include "test.h"

#include <math.h>

#define HOUR (3600 * US_PER_S)
/* 2026-11-21 00:00 UTC */
#define DAY (1795219200 * US_PER_S)

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

static struct price rates(double input, double output)
{
    struct price p = PRICE_UNKNOWN;

    p.input = input;
    p.output = output;
    return p;
}

static double cost(struct price p, struct usage u)
{
    struct prices prices = {&p, 1, NULL};

    return price_cost(&prices, &u, DAY);
}

static void what_is_unknown_costs_nothing_known(void)
{
    struct prices none = {NULL, 0, NULL};
    struct usage u = {10, 5, 15, -1, -1, -1, -1, -1};
    struct usage uncounted = {-1, 5, 5, -1, -1, -1, -1, -1};
    struct usage hour = {10, 5, 15, -1, 4, -1, 4, -1};
    struct price p = rates(1, 2);

    CHECK(price_cost(&none, &u, DAY) < 0);
    CHECK(cost(p, uncounted) < 0);
    CHECK(cost(rates(-1, 2), u) < 0);
    CHECK(cost(rates(1, -1), u) < 0);
    /* An hour's cache is not sold at the price of 5 minutes. */
    p.cache_write = 1.25;
    CHECK(cost(p, hour) < 0);
    /* Free is a price. */
    CHECK(cost(rates(0, 0), u) == 0);
}

static void parts_are_priced_once(void)
{
    struct price p = {1, 10, 0.1, 1.25, 2, 7, -1, -1, -1, 0, 0, 0};
    static const struct {
        int line;
        struct usage u;
        double want;
    } rows[] = {
        /* 100 * 1 + 20 * 10 */
        {__LINE__, {100, 20, 120, -1, -1, -1, -1, -1}, 300},
        /* An embedding has no completion: 100 * 1 */
        {__LINE__, {100, -1, 100, -1, -1, -1, -1, -1}, 100},
        /* (100 - 60) * 1 + 60 * 0.1 + 20 * 10 */
        {__LINE__, {100, 20, 120, 60, -1, 5, -1, -1}, 246},
        /* (100 - 60 - 30) * 1 + 60 * 0.1 + 30 * 1.25 + 20 * 10 */
        {__LINE__, {100, 20, 120, 60, 30, -1, -1, -1}, 253.5},
        /* (100 - 60 - 30) * 1 + 60 * 0.1 + 20 * 1.25 + 10 * 2 + 20 * 10 */
        {__LINE__, {100, 20, 120, 60, 30, -1, 10, -1}, 261},
        /* The hour's counted beside: 10 * 1 + 60 * 0.1 + 20 * 1.25 + 10 ... */
        {__LINE__, {100, 20, 120, 60, 0, -1, 30, -1}, 276},
        /* (100 - 40) * 1 + 40 * 7 + 20 * 10 */
        {__LINE__, {100, 20, 120, -1, -1, -1, -1, 40}, 540},
        /* Sound beside the prompt: 9 * 1 + 375 * 7 + 1 * 10 */
        {__LINE__, {9, 1, 385, -1, -1, -1, -1, 375}, 2644},
        /* A cache beside the prompt: 293 * 1 + 387 * 0.1 + 58 * 10 */
        {__LINE__, {293, 58, 351, 387, -1, -1, -1, -1}, 911.7},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_ROW(rows[i].line, near(cost(p, rows[i].u), rows[i].want / 1e6));
}

static void a_part_without_a_price_costs_what_the_whole_does(void)
{
    struct usage u = {100, 20, 120, 60, 30, 5, -1, 8};

    CHECK(near(cost(rates(1, 10), u), 300e-6));
}

static void thoughts_cost_alone_or_make_the_whole_answer_dearer(void)
{
    struct price alone = rates(2, 8), whole = rates(0.4, 1.2);
    struct usage with = {10, 50, 60, -1, -1, 30, -1, -1};
    struct usage without = {10, 50, 60, -1, -1, 0, -1, -1};

    alone.reasoning = 3;
    whole.thinking = 4;
    /* 10 * 2 + (50 - 30) * 8 + 30 * 3 */
    CHECK(near(cost(alone, with), 270e-6));
    /* 10 * 0.4 + 50 * 4, and 10 * 0.4 + 50 * 1.2 */
    CHECK(near(cost(whole, with), 204e-6));
    CHECK(near(cost(whole, without), 64e-6));
}

static void a_long_prompt_is_priced_as_a_whole(void)
{
    struct price list[] = {rates(1.25, 10), rates(2.5, 15)};
    struct prices prices = {list, 2, NULL};
    struct usage at = {200000, 100, -1, -1, -1, -1, -1, -1};
    struct usage above = {200001, 100, -1, -1, -1, -1, -1, -1};

    list[1].above = 200000;
    CHECK(near(price_cost(&prices, &at, DAY), 0.251));
    CHECK(near(price_cost(&prices, &above, DAY), 0.5015025));
}

static void prices_hold_from_a_day_and_at_hours_of_the_day(void)
{
    struct price list[] = {rates(1, 1), rates(2, 2), rates(3, 3), rates(4, 4)};
    struct prices prices = {list, 4, NULL};

    list[1].since = DAY / US_PER_S;
    list[2].from = 3600, list[2].to = 4 * 3600;
    list[3].from = 23 * 3600, list[3].to = 1800;    /* over midnight */
    CHECK(price_at(&prices, 0, DAY - 2 * HOUR)->input == 1);
    CHECK(price_at(&prices, 0, DAY + HOUR / 2)->input == 2);
    CHECK(price_at(&prices, 0, DAY + HOUR)->input == 3);
    CHECK(price_at(&prices, 0, DAY + 4 * HOUR - 1)->input == 3);
    CHECK(price_at(&prices, 0, DAY + 4 * HOUR)->input == 2);
    CHECK(price_at(&prices, 0, DAY + 23 * HOUR)->input == 4);
    CHECK(price_at(&prices, 0, DAY + HOUR / 4)->input == 4);
}

int main(void)
{
    RUN(what_is_unknown_costs_nothing_known);
    RUN(parts_are_priced_once);
    RUN(a_part_without_a_price_costs_what_the_whole_does);
    RUN(thoughts_cost_alone_or_make_the_whole_answer_dearer);
    RUN(a_long_prompt_is_priced_as_a_whole);
    RUN(prices_hold_from_a_day_and_at_hours_of_the_day);
    return test_end();
}
