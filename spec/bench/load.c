/* SPDX-License-Identifier: Apache-2.0
 *
 * A load generator on raw epoll, one thread: an open loop on an absolute
 * schedule, a closed loop, or many held streams: see README.md.
 */
#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *path = "/v1/chat/completions";
static char *body;
static size_t body_bytes;
static struct bytes headers;
static const char *address;
static struct load_options opt = { .connections = 1, .seed = 1 };

_Noreturn static void usage(void)
{
    fputs("bench-load --to 127.0.0.1:PORT --body FILE [--path PATH]\n"
          "           [--header 'NAME: VALUE']... [--connections N]\n"
          "           [--warmup S] [--watch PID,PID...] [--spin 1] and\n"
          "  --rate R [--poisson SEED] --seconds S   open loop\n"
          "  --seconds S | --requests N              closed loop\n"
          "  --hold CHUNKS                           open streams and wait\n",
          stderr);
    exit(2);
}

static void add_header(const char *line)
{
    wire_add(&headers, line, strlen(line));
    wire_add(&headers, "\r\n", 2);
}

static void add_watch(const char *list)
{
    char *end;

    for (;; list = end + 1) {
        long pid = strtol(list, &end, 10);
        if (end == list || pid <= 0 || opt.nwatch == LOAD_WATCH_MAX)
            usage();
        opt.watch[opt.nwatch++] = (pid_t)pid;
        if (*end != ',')
            return;
    }
}

static void set(const char *flag, const char *value)
{
    if (strcmp(flag, "--to") == 0)
        address = value;
    else if (strcmp(flag, "--path") == 0)
        path = value;
    else if (strcmp(flag, "--body") == 0)
        body_bytes = wire_read_file(value, &body);
    else if (strcmp(flag, "--header") == 0)
        add_header(value);
    else if (strcmp(flag, "--connections") == 0)
        opt.connections = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(flag, "--rate") == 0)
        opt.rate = strtod(value, NULL);
    else if (strcmp(flag, "--seconds") == 0)
        opt.seconds = strtod(value, NULL);
    else if (strcmp(flag, "--warmup") == 0)
        opt.warmup_s = strtod(value, NULL);
    else if (strcmp(flag, "--requests") == 0)
        opt.requests = strtoull(value, NULL, 10);
    else if (strcmp(flag, "--hold") == 0)
        opt.hold = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(flag, "--watch") == 0)
        add_watch(value);
    else if (strcmp(flag, "--spin") == 0)
        opt.spin = strtoul(value, NULL, 10) > 0;
    else if (strcmp(flag, "--poisson") == 0)
        opt.poisson = true, opt.seed = strtoull(value, NULL, 10);
    else
        usage();
}

static void build_request(void)
{
    char head[512];

    snprintf(head, sizeof head,
             "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
             "Authorization: Bearer sk-bench-client\r\n"
             "Content-Length: %zu\r\n",
             path, address, body_bytes);
    wire_add(&opt.request, head, strlen(head));
    wire_add(&opt.request, headers.data, headers.len);
    wire_add(&opt.request, "\r\n", 2);
    wire_add(&opt.request, body, body_bytes);
}

int main(int argc, char **argv)
{
    static struct load_result result;

    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            usage();
        set(argv[i], argv[i + 1]);
    }
    if (!address || !body || !opt.connections ||
        (opt.seconds <= 0 && !opt.requests && !opt.hold))
        usage();
    signal(SIGPIPE, SIG_IGN);
    wire_raise_limits();
    wire_address(address, &opt.to);
    build_request();
    load_run(&opt, &result);
    load_print(&opt, &result);
    free(opt.request.data);
    free(headers.data);
    free(body);
    return 0;
}
