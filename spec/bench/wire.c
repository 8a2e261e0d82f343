/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096
#define SEQ_DIGITS 6

void wire_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

uint64_t wire_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- sockets ---------------------------------------------------------------- */

void wire_address(const char *text, struct sockaddr_in *to)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    long port = colon ? strtol(colon + 1, NULL, 10) : -1;

    if (!colon || port < 0 || port > 65535 || (size_t)(colon - text) >= sizeof host)
        wire_die("expected an address like 127.0.0.1:8080, got '%s'", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    memset(to, 0, sizeof *to);
    to->sin_family = AF_INET;
    to->sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &to->sin_addr) != 1)
        wire_die("expected an IPv4 address, got '%s'", host);
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* A system that prefers bbr would pace us by timers even on loopback. */
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    return fd;
}

int wire_listen(struct sockaddr_in *at)
{
    int fd = new_socket(), on = 1;
    socklen_t size = sizeof *at;

    if (fd < 0)
        wire_die("cannot open a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)at, sizeof *at) || listen(fd, BACKLOG))
        wire_die("cannot listen on port %d", ntohs(at->sin_port));
    if (getsockname(fd, (struct sockaddr *)at, &size))
        wire_die("cannot learn the port");
    return fd;
}

int wire_connect(const struct sockaddr_in *to)
{
    int fd = new_socket();

    /* The result shows when the socket becomes writable. */
    if (fd >= 0)
        (void)connect(fd, (const struct sockaddr *)to, sizeof *to);
    return fd;
}

void wire_raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* -- bytes ------------------------------------------------------------------ */

size_t wire_read_file(const char *path, char **data)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t at = 0;

    if (fd < 0 || fstat(fd, &st))
        wire_die("cannot read %s", path);
    *data = malloc((size_t)st.st_size + 1);
    if (!*data)
        wire_die("no memory");
    while (at < (size_t)st.st_size) {
        ssize_t n = read(fd, *data + at, (size_t)st.st_size - at);
        if (n <= 0)
            wire_die("cannot read %s", path);
        at += (size_t)n;
    }
    close(fd);
    return at;
}

char *wire_room(struct bytes *b, size_t n)
{
    if (b->cap - b->len < n) {
        size_t cap = b->cap ? b->cap : 1024;
        while (cap - b->len < n)
            cap *= 2;
        b->data = realloc(b->data, cap);
        if (!b->data)
            wire_die("no memory");
        b->cap = cap;
    }
    return b->data + b->len;
}

void wire_add(struct bytes *b, const void *data, size_t n)
{
    if (n == 0)
        return;
    memcpy(wire_room(b, n), data, n);
    b->len += n;
}

void wire_take(struct bytes *b, size_t n)
{
    b->len -= n;
    if (b->len)
        memmove(b->data, b->data + n, b->len);
}

/* -- HTTP ------------------------------------------------------------------- */

size_t wire_head(const char *s, size_t n)
{
    const char *end = n ? memmem(s, n, "\r\n\r\n", 4) : NULL;

    return end ? (size_t)(end - s) + 4 : 0;
}

const char *wire_field(const char *head, size_t n, const char *name,
                       size_t *value_len)
{
    size_t name_len = strlen(name);
    const char *end = head + n, *line = memchr(head, '\n', n);

    while (line && ++line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop)
            return NULL;
        if ((size_t)(stop - line) > name_len && line[name_len] == ':' &&
            strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            *value_len = (size_t)(stop - value) - (stop[-1] == '\r');
            return value;
        }
        line = stop;
    }
    return NULL;
}

uint64_t wire_decimal(const char *s, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n && s[i] >= '0' && s[i] <= '9'; i++)
        v = v * 10 + (uint64_t)(s[i] - '0');
    return v;
}

static uint64_t stir(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

/* Four lanes, because one waits for each of its multiplications. */
uint64_t wire_hash(const void *data, size_t n)
{
    const char *s = data;
    uint64_t lane[4] = { n, 1, 2, 3 }, word[4];

    for (; n >= sizeof word; s += sizeof word, n -= sizeof word) {
        memcpy(word, s, sizeof word);
        for (int i = 0; i < 4; i++)
            lane[i] = stir(lane[i], word[i]);
    }
    memset(word, 0, sizeof word);
    if (n)
        memcpy(word, s, n);
    for (int i = 0; i < 4; i++)
        lane[i] = stir(lane[i], word[i]);
    return stir(stir(stir(lane[0], lane[1]), lane[2]), lane[3]);
}

/* -- chance ----------------------------------------------------------------- */

uint64_t wire_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double wire_dice(uint64_t *state)
{
    return ((double)(wire_random(state) >> 11) + 0.5) / 9007199254740992.0;
}

/* -- stamps ----------------------------------------------------------------- */

static char *put(char *at, int digits, uint64_t v)
{
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        at[i] = (char)('0' + v % 10);
    at[digits] = '!';
    return at + digits + 1;
}

void wire_stamp_put(char *at, const struct stamp *stamp)
{
    at[0] = 'b';
    at[1] = '!';
    at = put(at + 2, SEQ_DIGITS, stamp->seq);
    at = put(at, STAMP_DIGITS, stamp->received_ns);
    put(at, STAMP_DIGITS, stamp->sent_ns);
}

bool wire_stamp_find(const char *s, size_t n, struct stamp *stamp)
{
    const char *at = n ? memmem(s, n, "b!", 2) : NULL;

    if (!at || (size_t)(s + n - at) < STAMP_BYTES || at[STAMP_BYTES - 1] != '!')
        return false;
    at += 2;
    stamp->seq = (unsigned)wire_decimal(at, SEQ_DIGITS);
    at += SEQ_DIGITS + 1;
    stamp->received_ns = wire_decimal(at, STAMP_DIGITS);
    at += STAMP_DIGITS + 1;
    stamp->sent_ns = wire_decimal(at, STAMP_DIGITS);
    return true;
}
