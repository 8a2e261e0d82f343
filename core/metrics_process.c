/* SPDX-License-Identifier: Apache-2.0
 *
 * The process_* set, as other exporters name it, read from /proc when asked.
 */
#include "metrics_impl.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A whole file of /proc, cut at the size; false when it cannot be read. */
static bool read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n;

    if (!file)
        return false;
    n = fread(text, 1, size - 1, file);
    fclose(file);
    text[n] = '\0';
    return n > 0;
}

static double open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double count = -1;          /* its own */

    if (!dir)
        return NAN;
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (e->d_name[0] != '.')
            count++;
    closedir(dir);
    return count;
}

/* Seconds since 1970: ticks since boot, plus the time of boot. */
static double start_time(void)
{
    char text[4096];
    unsigned long long ticks;
    const char *at;
    double boot = NAN;
    FILE *file;

    if (!read_file("/proc/self/stat", text, sizeof text))
        return NAN;
    /* Field 22; the name of the program, field 2, may hold anything. */
    at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (!at || sscanf(at, "%llu", &ticks) != 1)
        return NAN;
    file = fopen("/proc/stat", "re");
    if (!file)
        return NAN;
    while (fgets(text, sizeof text, file))
        if (strncmp(text, "btime ", 6) == 0)
            boot = strtod(text + 6, NULL);
    fclose(file);
    return boot + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_seconds(void)
{
    struct rusage use;

    if (getrusage(RUSAGE_SELF, &use))
        return NAN;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void memory(double *virtual_bytes, double *resident_bytes)
{
    double page = (double)sysconf(_SC_PAGESIZE);
    unsigned long long all, resident;
    char text[256];

    *virtual_bytes = *resident_bytes = NAN;
    if (!read_file("/proc/self/statm", text, sizeof text) ||
        sscanf(text, "%llu %llu", &all, &resident) != 2)
        return;
    *virtual_bytes = (double)all * page;
    *resident_bytes = (double)resident * page;
}

static double max_fds(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) ? NAN : (double)limit.rlim_cur;
}

int metrics_add_process(struct buf *out)
{
    double virtual_bytes, resident_bytes;

    memory(&virtual_bytes, &resident_bytes);
    const struct {
        const char *name, *help;
        enum metric_kind kind;
        double value;
    } rows[] = {
        { "process_cpu_seconds_total", "Processor time, user and system.",
          METRIC_COUNTER, cpu_seconds() },
        { "process_resident_memory_bytes", "Memory held in RAM.", METRIC_GAUGE,
          resident_bytes },
        { "process_virtual_memory_bytes", "Address space in use.", METRIC_GAUGE,
          virtual_bytes },
        { "process_open_fds", "Open file descriptors.", METRIC_GAUGE,
          open_fds() },
        { "process_max_fds", "File descriptors it may open.", METRIC_GAUGE,
          max_fds() },
        { "process_start_time_seconds", "When it started, since 1970.",
          METRIC_GAUGE, start_time() },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!isnan(rows[i].value) &&
            (metrics_add_head(out, rows[i].name, rows[i].kind, rows[i].help) ||
             metrics_add_line(out, rows[i].name, "", "", rows[i].value)))
            return -1;
    return 0;
}
