/* SPDX-License-Identifier: Apache-2.0 */
#include "price.h"

#include "answer.h"

#include <stdbool.h>

#define DAY_S 86400

static bool holds(const struct price *p, int64_t input, int64_t second)
{
    int64_t of_day = second % DAY_S;
    bool hours = p->from == p->to ||
                 (p->from < p->to ? of_day >= p->from && of_day < p->to
                                  : of_day >= p->from || of_day < p->to);

    return (double)input > p->above && second >= p->since && hours;
}

const struct price *price_at(const struct prices *prices, int64_t input,
                             us_t wall)
{
    const struct price *found = NULL;

    if (input < 0)
        input = 0;
    for (size_t i = 0; i < prices->n; i++)
        if (holds(&prices->list[i], input, wall / US_PER_S))
            found = &prices->list[i];
    return found;
}

static double counted(int64_t tokens)
{
    return tokens > 0 ? (double)tokens : 0;
}

static double own(double price, double otherwise)
{
    return price >= 0 ? price : otherwise;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* What part of the prompt costs what, in millionths; -1 unknown. */
static double prompt(const struct price *p, const struct usage *u)
{
    double input = counted(u->input), read = counted(u->cache_read);
    double hour = counted(u->cache_write_1h);
    double written = counted(u->cache_write);
    double fresh, audio;

    /* Some count an hour's writes among the others, some beside them. */
    written = written >= hour ? written - hour : written;
    /* More in the cache than in the prompt: they stand beside each other. */
    fresh = input - read - written - hour;
    if (fresh < 0)
        fresh = input;
    /* Mistral counts sound beside the prompt. */
    audio = counted(u->audio);
    if (audio > fresh)
        fresh += audio;
    if (p->input < 0 || (hour > 0 && p->cache_write_1h < 0))
        return -1;
    return (fresh - audio) * p->input + audio * own(p->audio, p->input) +
           read * own(p->cached, p->input) +
           written * own(p->cache_write, p->input) +
           (hour > 0 ? hour * p->cache_write_1h : 0);
}

/* The same for the completion. */
static double completion(const struct price *p, const struct usage *u)
{
    double output = counted(u->output);
    double thoughts = smaller(counted(u->reasoning), output);
    double price = thoughts > 0 ? own(p->thinking, p->output) : p->output;

    if (output > 0 && price < 0)
        return -1;
    if (output <= 0)
        return 0;
    return (output - thoughts) * price + thoughts * own(p->reasoning, price);
}

double price_cost(const struct prices *prices, const struct usage *usage,
                  us_t wall)
{
    const struct price *p = price_at(prices, usage->input, wall);
    double in, out;

    if (!p || usage->input < 0)
        return -1;
    in = prompt(p, usage);
    out = completion(p, usage);
    return in < 0 || out < 0 ? -1 : (in + out) / 1e6;
}
