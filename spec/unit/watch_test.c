/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever way a file changes, the watch tells; what editors leave beside it is
 * no news. Each row does one thing and waits for the
 * watch to tell, or a while to see that it does not.
 */
#include "test.h"

#include "../../core/clock.h"
#include "../../core/watch.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/leme-watch-XXXXXX";
static struct event_base *base;
static struct watch *watch;
static int changes;

static void on_change(void *arg)
{
    (void)arg;
    changes++;
    event_base_loopbreak(base);
}

/* Run the loop until there is news or ${ms} are over: how many. */
static int news(int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    changes = 0;
    event_base_loopexit(base, &tv);
    event_base_dispatch(base);
    return changes;
}

static void shell(const char *command)
{
    char line[512];

    snprintf(line, sizeof line, "cd %s && %s", folder, command);
    if (system(line))
        fprintf(stderr, "failed: %s\n", line);
}

static const char *paths_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void begin(const char *prepare, const char *name)
{
    const char *path;

    shell("rm -rf x && mkdir x");
    shell(prepare);
    base = event_base_new();
    watch = watch_new(base, on_change, NULL);
    path = paths_of(name);
    watch_set(watch, &path, 1);
}

static void end(void)
{
    watch_free(watch);
    event_base_free(base);
}

#define PLAIN "echo 1 > x/p.lua"
#define VOLUME "mkdir x/..1 x/..2 && echo 1 > x/..1/p.lua && " \
               "echo 2 > x/..2/p.lua && ln -s ..1 x/..data && " \
               "ln -s ..data/p.lua x/p.lua"
#define RELEASES "mkdir x/r1 x/r2 && echo 1 > x/r1/p.lua && " \
                 "echo 2 > x/r2/p.lua && ln -s r1 x/now"

static const struct {
    int line;
    const char *prepare, *path, *change;
    bool news;
} rows[] = {
    {__LINE__, PLAIN, "x/p.lua", "echo 2 > x/p.lua", true},
    {__LINE__, PLAIN, "x/p.lua", "echo 2 >> x/p.lua", true},
    {__LINE__, PLAIN, "x/p.lua", "echo 2 > x/n && mv x/n x/p.lua", true},
    {__LINE__, PLAIN, "x/p.lua", "rm x/p.lua", true},
    {__LINE__, PLAIN, "x/p.lua", "mv x/p.lua x/away", true},
    {__LINE__, PLAIN, "x/p.lua",
     "mv x/p.lua x/p.lua~ && echo 2 > x/p.lua && rm x/p.lua~", true},
    {__LINE__, PLAIN, "x/p.lua", "rm x/p.lua && ln -s q x/p.lua", true},
    {__LINE__, PLAIN, "x/p.lua", "mv x gone && mkdir x && mv gone x/sub", true},
    {__LINE__, "true", "x/p.lua", "echo 1 > x/p.lua", true},
    {__LINE__, "rmdir x", "x/p.lua", "mkdir x && echo 1 > x/p.lua", true},
    {__LINE__, VOLUME, "x/p.lua", "ln -s ..2 x/t && mv -T x/t x/..data", true},
    {__LINE__, VOLUME, "x/p.lua", "echo 3 > x/..1/p.lua", true},
    {__LINE__, RELEASES, "x/now/p.lua", "ln -s r2 x/t && mv -T x/t x/now", true},
    {__LINE__, PLAIN, "x/p.lua", "echo > x/.p.lua.swp; rm x/.p.lua.swp", false},
    {__LINE__, PLAIN, "x/p.lua", "echo > x/4913; rm x/4913", false},
    {__LINE__, PLAIN, "x/p.lua", "cat x/p.lua > /dev/null", false},
    {__LINE__, PLAIN, "x/p.lua", "echo 2 > x/q.lua", false},
    {__LINE__, PLAIN, "x/p.lua", "chmod 600 x/p.lua", false},
};

static void a_change_is_told_and_nothing_else(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(rows[i].prepare, rows[i].path);
        CHECK_ROW(rows[i].line, news(1) == 0);
        shell(rows[i].change);
        CHECK_ROW(rows[i].line,
                  (news(rows[i].news ? 3000 : 200) > 0) == rows[i].news);
        end();
    }
}

static void a_burst_is_told_once(void)
{
    begin(PLAIN, "x/p.lua");
    for (int i = 0; i < 20; i++)
        shell("echo 2 > x/p.lua");
    CHECK(news(3000) == 1);
    CHECK(news(200) == 0);
    end();
}

/* Until it is told, in microseconds; ${command} has been run by then. */
static us_t told_after(const char *command)
{
    us_t ran, took;

    begin(PLAIN, "x/p.lua");
    shell(command);
    ran = clock_now();
    CHECK(news(3000) == 1);
    took = clock_now() - ran;
    end();
    return took;
}

/* At once on a machine that has time; of ten attempts one must find it. */
static bool told_at_once(const char *command)
{
    for (int i = 0; i < 10; i++)
        if (told_after(command) < 40 * US_PER_MS)
            return true;
    return false;
}

static void what_is_moved_into_place_is_told_at_once(void)
{
    CHECK(told_at_once("echo 2 > x/n && mv x/n x/p.lua"));
}

/* The watch counts from when it reads the news, which is after the command. */
static void what_is_written_or_went_is_given_time(void)
{
    CHECK(told_after("echo 2 > x/p.lua") >= 45 * US_PER_MS);
    CHECK(told_after("mv x/p.lua x/p.lua~ && echo 2 > x/p.lua") >=
          45 * US_PER_MS);
    CHECK(told_after("rm x/p.lua && echo 2 > x/n && mv x/n x/p.lua") >=
          45 * US_PER_MS);
}

static void a_change_while_the_paths_are_set_anew_is_not_lost(void)
{
    const char *path;

    begin(PLAIN, "x/p.lua");
    shell("echo 2 > x/p.lua");
    path = paths_of("x/p.lua");
    watch_set(watch, &path, 1);
    CHECK(news(3000) == 1);
    end();
}

static void a_path_that_is_not_wanted_any_more_is_no_news(void)
{
    const char *path;

    begin(PLAIN " && mkdir x/y && echo > x/y/q.lua", "x/p.lua");
    path = paths_of("x/y/q.lua");
    watch_set(watch, &path, 1);
    shell("echo 2 > x/p.lua");
    CHECK(news(200) == 0);
    shell("echo 2 > x/y/q.lua");
    CHECK(news(3000) == 1);
    end();
}

static void a_folder_that_was_replaced_is_found_again(void)
{
    begin(PLAIN, "x/p.lua");
    shell("rm -r x");
    CHECK(news(3000) >= 1);
    shell("mkdir x && echo 2 > x/p.lua");
    CHECK(news(3000) >= 1);
    shell("echo 3 > x/p.lua");
    CHECK(news(3000) >= 1);
    end();
}

int main(void)
{
    char command[64];

    if (!mkdtemp(folder))
        return 1;
    RUN(a_change_is_told_and_nothing_else);
    RUN(a_burst_is_told_once);
    RUN(what_is_moved_into_place_is_told_at_once);
    RUN(what_is_written_or_went_is_given_time);
    RUN(a_change_while_the_paths_are_set_anew_is_not_lost);
    RUN(a_path_that_is_not_wanted_any_more_is_no_news);
    RUN(a_folder_that_was_replaced_is_found_again);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) ? 1 : test_end();
}
