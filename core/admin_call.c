/* SPDX-License-Identifier: Apache-2.0
 *
 * leme_admin_call: one request over a blocking socket, one connection a call.
 */
#include "leme.h"

#include "buf.h"
#include "ceilings.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_S 10
#define ANSWER_S 120            /* a reload may wait for others */
#define ANSWER_BYTES (64 * MIB)

static int unreachable(struct leme_error *error, const char *address,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int unreachable(struct leme_error *error, const char *address,
                       const char *format, ...)
{
    char why[256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(why, sizeof why, format, ap);
    va_end(ap);
    if (error && error->size >= sizeof *error) {
        error->code = LEME_UNREACHABLE;
        error->where[0] = '\0';
        snprintf(error->message, sizeof error->message, "%s: %s", address, why);
    }
    return LEME_UNREACHABLE;
}

/* -- connecting -------------------------------------------------------------------- */

static void set_patience(int fd, int option, time_t seconds)
{
    struct timeval tv = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv);
}

static int connect_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof at.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(at.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_info(const struct addrinfo *ai)
{
    int fd;

    for (; ai; ai = ai->ai_next) {
        fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        set_patience(fd, SO_SNDTIMEO, CONNECT_S);
        if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

static int connect_tcp(const char *address)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *ai;
    const char *colon = strrchr(address, ':');
    bool brackets = address[0] == '[';
    char host[256];
    int fd;

    if (!colon || (size_t)(colon - address) >= sizeof host ||
        (brackets && (colon - address < 3 || colon[-1] != ']'))) {
        errno = EINVAL;
        return -1;
    }
    snprintf(host, sizeof host, "%.*s",
             (int)(colon - address) - 2 * brackets, address + brackets);
    if (getaddrinfo(host, colon + 1, &want, &ai)) {
        errno = EHOSTUNREACH;
        return -1;
    }
    fd = connect_info(ai);
    freeaddrinfo(ai);
    return fd;
}

/* -- asking ---------------------------------------------------------------------------- */

static int write_request(struct buf *b, const char *host, const char *key,
                         const char *method, const char *path,
                         const char *request)
{
    size_t len = request ? strlen(request) : 0;
    int bad = buf_addf(b, "%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n",
                       method, path, host);

    if (key)
        bad |= buf_addf(b, "authorization: Bearer %s\r\n", key);
    if (request)
        bad |= buf_adds(b, "content-type: application/json\r\n");
    if (request || strcmp(method, "GET") != 0)
        bad |= buf_addf(b, "content-length: %zu\r\n", len);
    return bad | buf_adds(b, "\r\n") | buf_add(b, request ? request : "", len);
}

/* A line break in a key or path would be a request of its own. */
static bool plain(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text <= 0x20 || *text == 0x7F)
            return false;
    return true;
}

static int send_all(int fd, const struct buf *b)
{
    size_t done = 0;

    while (done < b->len) {
        ssize_t n = send(fd, b->data + done, b->len - done, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

static int receive_all(int fd, struct buf *b)
{
    for (;;) {
        ssize_t n;

        if (buf_reserve(b, 16 * KIB))
            return -1;
        n = recv(fd, b->data + b->len, b->size - b->len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -1 : 0;
        b->len += (size_t)n;
    }
}

/* -- the answer ------------------------------------------------------------------------- */

/* Bytes of the body by its Content-Length; -1: none is said. */
static long long said_length(const char *head, size_t len)
{
    static const char name[] = "content-length:";
    const char *p = head, *end = head + len;

    while (p < end) {
        const char *line = memchr(p, '\n', (size_t)(end - p));

        if (strncasecmp(p, name, sizeof name - 1) == 0)
            return atoll(p + sizeof name - 1);
        if (!line)
            break;
        p = line + 1;
    }
    return -1;
}

/* Status and body out of what came; false: that is no whole answer. */
static bool read_answer(const struct buf *b, int *status, char **body)
{
    const char *blank = b->len ? memmem(b->data, b->len, "\r\n\r\n", 4) : NULL;
    long long said;
    size_t head, rest;

    if (!blank || b->len < 12 || memcmp(b->data, "HTTP/1.", 7) != 0)
        return false;
    head = (size_t)(blank - b->data) + 4;
    rest = b->len - head;
    said = said_length(b->data, head);
    if (said < 0 || (unsigned long long)said > rest)
        return false;
    *status = atoi(b->data + 9);
    *body = malloc((size_t)said + 1);
    if (!*body)
        return false;
    memcpy(*body, blank + 4, (size_t)said);
    (*body)[said] = '\0';
    return true;
}

static int exchange(int fd, struct buf *b, const char *address, int *status,
                    char **body, struct leme_error *error)
{
    set_patience(fd, SO_SNDTIMEO, CONNECT_S);
    set_patience(fd, SO_RCVTIMEO, ANSWER_S);
    if (send_all(fd, b))
        return unreachable(error, address, "%s", strerror(errno));
    b->len = 0;
    if (receive_all(fd, b))
        return unreachable(error, address, "no answer: %s", strerror(errno));
    if (!read_answer(b, status, body))
        return unreachable(error, address, "the answer is not whole");
    return 0;
}

int leme_admin_call(const char *address, const char *key, const char *method,
                    const char *path, const char *request, int *status,
                    char **body, struct leme_error *error)
{
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    struct buf b;
    int fd, code;

    *status = 0;
    *body = NULL;
    if (!plain(key) || !plain(path) || !plain(method))
        return unreachable(error, address, "the key, method or path has "
                           "blanks in it");
    fd = is_unix ? connect_unix(address + 5) : connect_tcp(address);
    if (fd < 0)
        return unreachable(error, address, "%s", strerror(errno));
    buf_init(&b, ANSWER_BYTES);
    code = write_request(&b, is_unix ? "localhost" : address, key, method, path,
                         request)
               ? unreachable(error, address, "not enough memory")
               : exchange(fd, &b, address, status, body, error);
    buf_free(&b);
    close(fd);
    return code;
}

void leme_release(void *memory)
{
    free(memory);
}
