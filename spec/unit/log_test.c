/* SPDX-License-Identifier: Apache-2.0
 *
 * The log keeps its promises to those who write: a sink that is full, closed or
 * stuck costs lines, which are counted, and nobody's time.
 */
#include "test.h"

#include "../../core/ceilings.h"
#include "../../core/clock.h"
#include "../../core/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/leme-log-XXXXXX";

static struct log *open_log(const char *to)
{
    struct log_options o = {.to = to};
    char why[256] = "";
    struct log *l = log_new(&o, why, sizeof why);

    if (!l)
        fprintf(stderr, "%s\n", why);
    return l;
}

static void add(struct log *l, const char *text)
{
    log_add(l, "info", text, strlen(text));
}

static const char *in_folder(const char *name)
{
    static char path[8][256];
    static int next;

    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* The file as text; the caller's until the next call. */
static const char *read_file(const char *path)
{
    static char text[1 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static void lines_arrive_in_order_each_with_one_newline(void)
{
    const char *path = in_folder("order");
    struct log *l = open_log(path);

    add(l, "one");
    add(l, "two\n");
    add(l, "");
    add(l, "three");
    CHECK(log_dropped(l) == 0);
    log_free(l);
    CHECK(strcmp(read_file(path), "one\ntwo\n\nthree\n") == 0);
}

static void a_file_is_appended_to(void)
{
    const char *path = in_folder("append");

    for (int i = 0; i < 2; i++) {
        struct log *l = open_log(path);

        add(l, "line");
        log_free(l);
    }
    CHECK(strcmp(read_file(path), "line\nline\n") == 0);
}

static void a_path_that_cannot_be_opened_is_refused_by_name(void)
{
    struct log_options o = {.to = "/nowhere/at/all/log"};
    char why[256] = "";

    CHECK(log_new(&o, why, sizeof why) == NULL);
    CHECK(strstr(why, "/nowhere/at/all/log") != NULL);
}

static void reopen_goes_to_the_new_file_after_the_lines_before_it(void)
{
    const char *path = in_folder("live"), *moved = in_folder("moved");
    struct log *l = open_log(path);
    struct stat st;

    add(l, "before");
    while (stat(path, &st) || st.st_size == 0)
        usleep(1000);
    rename(path, moved);
    log_reopen(l);
    /* The new file is there: what follows goes to it. */
    while (stat(path, &st))
        usleep(1000);
    add(l, "after");
    log_free(l);
    CHECK(strcmp(read_file(moved), "before\n") == 0);
    CHECK(strcmp(read_file(path), "after\n") == 0);
}

static void a_full_disk_drops_and_counts_every_line(void)
{
    struct log *l = open_log("/dev/full");

    for (int i = 0; i < 10; i++)
        add(l, "lost");
    while (log_dropped(l) < 10)
        usleep(1000);
    CHECK(log_dropped(l) == 10);
    log_free(l);
}

static void a_pipe_nobody_reads_any_more_drops_and_kills_nobody(void)
{
    const char *path = in_folder("closed");
    char text[32] = "";
    int reader;
    struct log *l;

    CHECK(mkfifo(path, 0600) == 0);
    reader = open(path, O_RDONLY | O_NONBLOCK);
    l = open_log(path);
    close(reader);
    add(l, "lost");
    while (log_dropped(l) < 1)
        usleep(1000);
    CHECK(log_dropped(l) == 1);
    /* A reader that comes back gets what comes then. */
    reader = open(path, O_RDONLY | O_NONBLOCK);
    add(l, "kept");
    log_free(l);
    CHECK(read(reader, text, sizeof text - 1) == 5);
    CHECK(strcmp(text, "kept\n") == 0);
    close(reader);
}

/* Story: a reader that is stopped (`| less`) must not stop the gateway, neither
 * while it serves nor when it ends. */
static void a_stuck_reader_costs_lines_and_no_time(void)
{
    const char *path = in_folder("stuck");
    char line[1024];
    int reader;
    struct log *l;
    us_t began;

    CHECK(mkfifo(path, 0600) == 0);
    reader = open(path, O_RDONLY | O_NONBLOCK);
    l = open_log(path);
    memset(line, 'x', sizeof line);
    began = clock_now();
    for (unsigned i = 0; i < 4 * CEIL_LOG_QUEUE; i++)
        log_add(l, "info", line, sizeof line);
    CHECK(clock_now() - began < US_PER_S);
    CHECK(log_dropped(l) >= CEIL_LOG_QUEUE);
    began = clock_now();
    log_free(l);
    CHECK(clock_now() - began < 3 * US_PER_S);
    close(reader);
}

static void standard_error_stays_blocking_for_others(void)
{
    int ends[2], kept = dup(STDERR_FILENO), flags;
    char text[32] = "";
    struct log *l;

    CHECK(pipe(ends) == 0);
    dup2(ends[1], STDERR_FILENO);
    l = open_log("stderr");
    flags = fcntl(STDERR_FILENO, F_GETFL);
    add(l, "line");
    log_free(l);
    dup2(kept, STDERR_FILENO);
    CHECK((flags & O_NONBLOCK) == 0);
    CHECK(read(ends[0], text, sizeof text - 1) == 5);
    CHECK(strcmp(text, "line\n") == 0);
    close(kept);
    close(ends[0]);
    close(ends[1]);
}

static atomic_int heard;

static void hear(void *arg, const char *level, const char *text, size_t len)
{
    (void)arg;
    if (strcmp(level, "warn") == 0 && len == 3 && memcmp(text, "tok", 3) == 0)
        atomic_fetch_add(&heard, 1);
}

static void *talk(void *arg)
{
    for (int i = 0; i < 100; i++)
        log_add(arg, "warn", "tok", 3);
    return NULL;
}

static void a_function_hears_every_line_of_every_thread(void)
{
    struct log_options o = {.line = hear};
    char why[256];
    struct log *l = log_new(&o, why, sizeof why);
    pthread_t threads[4];

    CHECK(l != NULL);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, talk, l);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(log_dropped(l) == 0);
    log_free(l);
    CHECK(atomic_load(&heard) == 400);
}

static void a_line_longer_than_a_write_arrives_whole(void)
{
    const char *path = in_folder("long");
    size_t len = 200000;
    char *line = malloc(len);
    struct log *l = open_log(path);

    memset(line, 'y', len);
    log_add(l, "info", line, len);
    add(l, "end");
    log_free(l);
    CHECK(strlen(read_file(path)) == len + 1 + 4);
    CHECK(strcmp(read_file(path) + len, "\nend\n") == 0);
    free(line);
}

int main(void)
{
    char command[64];

    /* A promise that is broken shows as waiting for ever. */
    alarm(30);
    if (!mkdtemp(folder))
        return 1;
    RUN(lines_arrive_in_order_each_with_one_newline);
    RUN(a_file_is_appended_to);
    RUN(a_path_that_cannot_be_opened_is_refused_by_name);
    RUN(reopen_goes_to_the_new_file_after_the_lines_before_it);
    RUN(a_full_disk_drops_and_counts_every_line);
    RUN(a_pipe_nobody_reads_any_more_drops_and_kills_nobody);
    RUN(a_stuck_reader_costs_lines_and_no_time);
    RUN(standard_error_stays_blocking_for_others);
    RUN(a_function_hears_every_line_of_every_thread);
    RUN(a_line_longer_than_a_write_arrives_whole);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) ? 1 : test_end();
}
