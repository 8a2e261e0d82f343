/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of generation: the texts of policy files and the revision over them.
 */
#include "generation.h"

#include "board.h"
#include "ceilings.h"
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/generation_test.XXXXXX";

#define CONFIG                                                                 \
    "provider \"a\" { base = \"http://127.0.0.1:1\", key = \"sk-1234567890abcdef\" }\n"\
    "target \"a/x\" { max_in_flight = 1 }\n"                                   \
    "model \"m\" { \"a/x\" }\n"

static const char *path_of(const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const char *text, size_t len)
{
    const char *path = path_of(name);
    FILE *f = fopen(path, "w");

    if (!f || fwrite(text, 1, len, f) != len || fclose(f))
        abort();
    return path;
}

static const char *write_text(const char *name, const char *text)
{
    return write_file(name, text, strlen(text));
}

static void print_issue(void *arg, const struct config_issue *issue)
{
    (void)arg;
    if (!issue->warning)
        fprintf(stderr, "%s:%d: %s\n", issue->file, issue->line, issue->message);
}

static struct generation *generation_of(const char *config)
{
    struct config_options options = {.path = write_text("leme.lua", config)};
    struct config *c = config_load(&options, print_issue, NULL);

    if (!c)
        abort();
    return generation_new(c);
}

static void a_file_is_read_once_and_stays_the_same(void)
{
    struct generation *g = generation_of(CONFIG);
    const char *path = write_text("p.lua", "return 1");
    const struct source *s, *again;
    char why[300] = "";

    s = generation_source(g, path, why, sizeof why);
    CHECK(s && s->len == 8 && strcmp(s->text, "return 1") == 0);
    CHECK(strcmp(s->path, path) == 0);
    write_text("p.lua", "return 2 -- changed");
    again = generation_source(g, path, why, sizeof why);
    CHECK(again == s && strcmp(s->text, "return 1") == 0);
    unlink(path);
    CHECK(generation_source(g, path, why, sizeof why) == s);
    CHECK(why[0] == '\0');
    generation_release(g);
}

static void files_stand_in_the_order_of_their_first_use(void)
{
    struct generation *g = generation_of(CONFIG);
    char why[300];

    generation_source(g, write_text("b.lua", "b"), why, sizeof why);
    generation_source(g, write_text("a.lua", "a"), why, sizeof why);
    generation_source(g, path_of("b.lua"), why, sizeof why);
    CHECK(g->sources && strcmp(g->sources->text, "b") == 0);
    CHECK(g->sources->next && strcmp(g->sources->next->text, "a") == 0);
    CHECK(g->sources->next && !g->sources->next->next);
    generation_release(g);
}

static void a_file_may_be_empty_and_may_hold_any_byte(void)
{
    struct generation *g = generation_of(CONFIG);
    const struct source *s;
    char why[300];

    s = generation_source(g, write_text("empty.lua", ""), why, sizeof why);
    CHECK(s && s->len == 0 && s->text[0] == '\0');
    s = generation_source(g, write_file("bytes.lua", "\0\xFF\n", 3), why,
                          sizeof why);
    CHECK(s && s->len == 3 && memcmp(s->text, "\0\xFF\n", 4) == 0);
    generation_release(g);
}

static void what_is_no_small_regular_file_is_refused_at_once(void)
{
    static char large[CEIL_POLICY_FILE + 1];
    struct generation *g = generation_of(CONFIG);
    const struct source *s;
    char why[300];
    static const struct {
        int line;
        const char *name, *says;
    } rows[] = {
        {__LINE__, "missing.lua", "missing.lua: No such file"},
        {__LINE__, "fifo.lua", "fifo.lua: not a regular file"},
        {__LINE__, "large.lua", "large.lua: larger than 256 KiB"},
        {__LINE__, "folder.lua", "folder.lua: not a regular file"},
        {__LINE__, "loop.lua", "loop.lua: "},
    };

    memset(large, '-', sizeof large);
    write_file("large.lua", large, sizeof large);
    write_file("full.lua", large, sizeof large - 1);
    mkfifo(path_of("fifo.lua"), 0600);
    mkdir(path_of("folder.lua"), 0700);
    CHECK(symlink("loop.lua", path_of("loop.lua")) == 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        why[0] = '\0';
        s = generation_source(g, path_of(rows[i].name), why, sizeof why);
        CHECK_ROW(rows[i].line, s == NULL && strstr(why, rows[i].says));
    }
    CHECK(g->sources == NULL);
    s = generation_source(g, path_of("full.lua"), why, sizeof why);
    CHECK(s && s->len == CEIL_POLICY_FILE);
    generation_release(g);
}

static void a_file_refused_once_may_be_read_when_it_is_there(void)
{
    struct generation *g = generation_of(CONFIG);
    char why[300];

    CHECK(!generation_source(g, path_of("late.lua"), why, sizeof why));
    write_text("late.lua", "x");
    CHECK(generation_source(g, path_of("late.lua"), why, sizeof why));
    generation_release(g);
}

static void a_sealed_generation_reads_no_more_files(void)
{
    struct generation *g = generation_of(CONFIG);
    const struct source *s;
    char why[300];

    s = generation_source(g, write_text("p.lua", "x"), why, sizeof why);
    generation_seal(g);
    CHECK(g->sealed);
    CHECK(generation_source(g, path_of("p.lua"), why, sizeof why) == s);
    CHECK(!generation_source(g, write_text("q.lua", "y"), why, sizeof why));
    CHECK(strstr(why, "q.lua") != NULL);
    generation_release(g);
}

/* The revision of a configuration and up to two files. */
static void revision_of(const char *config, const char *first,
                        const char *second, char out[65])
{
    struct generation *g = generation_of(config);
    char why[300], short_one[8];

    if (first)
        generation_source(g, write_text("1.lua", first), why, sizeof why);
    if (second)
        generation_source(g, write_text("2.lua", second), why, sizeof why);
    generation_seal(g);
    memcpy(out, g->revision, 65);
    snprintf(short_one, sizeof short_one, "%.6s", g->revision);
    CHECK(strcmp(short_one, g->short_revision) == 0);
    CHECK(strlen(out) == 64 && strspn(out, "0123456789abcdef") == 64);
    generation_release(g);
}

static void the_revision_follows_every_text(void)
{
    static const char *const rows[][3] = {
        {CONFIG, NULL, NULL},
        {CONFIG "-- a comment\n", NULL, NULL},
        {CONFIG, "a", NULL},
        {CONFIG, "b", NULL},
        {CONFIG, "a", "b"},
        {CONFIG, "b", "a"},
        {CONFIG, "ab", NULL},
        {CONFIG, "ab", ""},
        {CONFIG, "", "ab"},
    };
    enum { N = sizeof rows / sizeof *rows };
    char revisions[N][65], again[65];

    for (size_t i = 0; i < N; i++) {
        revision_of(rows[i][0], rows[i][1], rows[i][2], revisions[i]);
        revision_of(rows[i][0], rows[i][1], rows[i][2], again);
        CHECK_ROW(i, strcmp(revisions[i], again) == 0);
        for (size_t k = 0; k < i; k++)
            CHECK_ROW(i, strcmp(revisions[i], revisions[k]) != 0);
    }
}

static void sealing_again_changes_nothing(void)
{
    struct generation *g = generation_of(CONFIG);
    char revision[65];
    uint64_t id;

    CHECK(!g->sealed && g->revision[0] == '\0');
    generation_seal(g);
    memcpy(revision, g->revision, 65);
    id = g->id;
    generation_seal(g);
    CHECK(strcmp(revision, g->revision) == 0 && g->id == id && id != 0);
    generation_release(g);
}

static void *hold_and_release(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        generation_hold(arg);
        generation_release(arg);
    }
    generation_release(arg);
    return NULL;
}

/* Freed twice or never: a sanitizer's finding. */
static void the_last_of_many_holders_frees_it(void)
{
    struct generation *g = generation_of(CONFIG);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        generation_hold(g);
        pthread_create(&threads[i], NULL, hold_and_release, g);
    }
    generation_release(g);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    generation_release(NULL);
    CHECK(true);
}

#define LIMITED                                                                \
    "settings { max_in_flight = 2 }\n"                                         \
    "client { name = \"web\", key = \"web-0123456789abcdef\", max_in_flight = 1 }\n"   \
    "client { name = \"free\", key = \"fre-0123456789abcdef\" }\n" CONFIG

static void limits_stand_on_the_board_and_are_in_force_when_adopted(void)
{
    struct board *board = board_new(1, CEIL_BOARD_BYTES);
    struct generation *g = generation_of(LIMITED);
    const struct config *c = g->config;
    unsigned slot;

    CHECK(generation_attach(g->config, board) == 0);
    CHECK(c->clients[0].slot >= 0 && c->clients[1].slot == -1);
    CHECK(c->settings.global_slot >= 0);
    CHECK(c->settings.global_slot != c->clients[0].slot);
    slot = (unsigned)c->clients[0].slot;
    CHECK(board_enter(board, slot, 1) && board_enter(board, slot, 1));
    board_leave(board, slot);
    board_leave(board, slot);
    generation_limits(c, board);
    CHECK(board_enter(board, slot, 1) && !board_enter(board, slot, 1));
    slot = c->targets[0].slot;
    CHECK(board_enter(board, slot, 1) && !board_enter(board, slot, 1));
    generation_release(g);
    board_free(board);
}

static void the_next_generation_finds_the_same_places(void)
{
    struct board *board = board_new(1, CEIL_BOARD_BYTES);
    struct generation *a = generation_of(LIMITED);
    struct generation *b = generation_of("-- anew\n" LIMITED);

    CHECK(generation_attach(a->config, board) == 0);
    CHECK(generation_attach(b->config, board) == 0);
    CHECK(a->config->targets[0].slot == b->config->targets[0].slot);
    CHECK(a->config->clients[0].slot == b->config->clients[0].slot);
    CHECK(a->config->settings.global_slot == b->config->settings.global_slot);
    generation_release(a);
    generation_release(b);
    board_free(board);
}

#define SEVERAL(first)                                                         \
    "provider \"a\" { base = \"http://127.0.0.1:1\",\n"                         \
    "  keys = { one = \"" first "\", two = \"sk-two-0123456789\" } }\n"         \
    "target \"a/x\" { max_in_flight = 1 }\n"                                   \
    "model \"m\" { \"a/x\" }\n"

static unsigned slot_of(const struct config *c, const char *name)
{
    int i = config_find_target(c, name, strlen(name));

    if (i < 0)
        abort();
    return c->targets[i].slot;
}

static enum board_state state_at(const struct generation *g, const char *name,
                                 struct board *b, char why[64])
{
    const struct config *c = g->config;

    return generation_state(c, &c->targets[config_find_target(c, name,
                                                              strlen(name))],
                            b, 2, why, 64);
}

static void a_target_is_as_ready_as_the_readiest_of_its_keys(void)
{
    struct board *b = board_new(1, CEIL_BOARD_BYTES);
    struct generation *g = generation_of(SEVERAL("sk-one-0123456789"));
    unsigned one, two, whole;
    char why[64];

    CHECK(generation_attach(g->config, b) == 0);
    generation_limits(g->config, b);
    one = slot_of(g->config, "a/x#one");
    two = slot_of(g->config, "a/x#two");
    whole = slot_of(g->config, "a/x");
    CHECK(state_at(g, "a/x", b, why) == BOARD_READY);
    board_cool(b, one, 1, US_PER_S, "refused");
    CHECK(state_at(g, "a/x", b, why) == BOARD_READY);
    CHECK(state_at(g, "a/x#one", b, why) == BOARD_COOLING);
    CHECK(board_enter(b, two, 1) && !board_enter(b, two, 1));
    CHECK(board_enter(b, whole, 1) && board_enter(b, whole, 1));
    CHECK(state_at(g, "a/x", b, why) == BOARD_SATURATED);
    board_leave(b, two);
    board_cool(b, two, 1, US_PER_S, "limited");
    CHECK(state_at(g, "a/x", b, why) == BOARD_COOLING);
    CHECK(strcmp(why, "refused") == 0);
    board_operate(b, whole, BOARD_MAINT, -1);
    CHECK(state_at(g, "a/x", b, why) == BOARD_MAINT);
    generation_release(g);
    board_free(b);
}

static void only_another_key_ends_the_rest_of_one(void)
{
    struct board *b = board_new(1, CEIL_BOARD_BYTES);
    struct generation *old = generation_of(SEVERAL("sk-one-0123456789"));
    struct generation *new = generation_of(SEVERAL("sk-new-0123456789"));
    char why[64];

    CHECK(generation_attach(old->config, b) == 0);
    CHECK(generation_attach(new->config, b) == 0);
    board_cool(b, slot_of(new->config, "a/x#one"), 1, US_PER_S, "refused");
    board_cool(b, slot_of(new->config, "a/x#two"), 1, US_PER_S, "refused");
    generation_renew(old->config, new->config, b);
    CHECK(state_at(new, "a/x#one", b, why) == BOARD_READY);
    CHECK(state_at(new, "a/x#two", b, why) == BOARD_COOLING);
    generation_release(old);
    generation_release(new);
    board_free(b);
}

static void a_full_board_is_said(void)
{
    struct board *board = board_new(1, CEIL_BOARD_BYTES);
    struct generation *g = generation_of(CONFIG);
    char name[32];
    int got = 0;

    for (int i = 0; got >= 0 && i <= 2 * CEIL_TARGETS; i++) {
        snprintf(name, sizeof name, "filler/%d", i);
        got = board_slot(board, name);
    }
    CHECK(got < 0);
    CHECK(generation_attach(g->config, board) == -1);
    generation_release(g);
    board_free(board);
}

static void clean_up(void)
{
    char command[sizeof folder + 16];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command))
        fprintf(stderr, "%s\n", command);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    RUN(a_file_is_read_once_and_stays_the_same);
    RUN(files_stand_in_the_order_of_their_first_use);
    RUN(a_file_may_be_empty_and_may_hold_any_byte);
    RUN(what_is_no_small_regular_file_is_refused_at_once);
    RUN(a_file_refused_once_may_be_read_when_it_is_there);
    RUN(a_sealed_generation_reads_no_more_files);
    RUN(the_revision_follows_every_text);
    RUN(sealing_again_changes_nothing);
    RUN(the_last_of_many_holders_frees_it);
    RUN(limits_stand_on_the_board_and_are_in_force_when_adopted);
    RUN(the_next_generation_finds_the_same_places);
    RUN(a_target_is_as_ready_as_the_readiest_of_its_keys);
    RUN(only_another_key_ends_the_rest_of_one);
    RUN(a_full_board_is_said);
    clean_up();
    return test_end();
}
