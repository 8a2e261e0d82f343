/* SPDX-License-Identifier: Apache-2.0
 *
 * upstream_lines: the header lines of requests, and the one place that lets a
 * name and a value become a line.
 */
#include "upstream_impl.h"

#include "ceilings.h"
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Names that say how the request is framed or where it goes: libcurl's. */
static bool reserved(const char *name, size_t len)
{
    static const char *const names[] = {
        "host", "content-length", "transfer-encoding", "connection", "expect",
        "te", "trailer", "upgrade", "keep-alive", "proxy-connection",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && !strncasecmp(names[i], name, len))
            return true;
    return false;
}

static bool plain(const char *value)
{
    for (const char *c = value; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7F)
            return false;
    return true;
}

static const char *skip_blank(const char *s)
{
    return s + strspn(s, " \t");
}

/* The one writer of header lines: libcurl sends them verbatim, so a name that
 * is no token or a value with a control byte ends here. A header without a
 * value is "name;" to libcurl. Returns bytes written, or 0. */
static size_t write_line(char *to, size_t size, const char *name, size_t len,
                         const char *value)
{
    int n;

    if (!upstream_head_token(name, len) || reserved(name, len) || !plain(value))
        return 0;
    n = *value ? snprintf(to, size, "%.*s: %s", (int)len, name, value)
               : snprintf(to, size, "%.*s;", (int)len, name);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

static bool has_name(const struct curl_slist *list, const char *name,
                     size_t len)
{
    for (; list; list = list->next)
        if (!strncasecmp(list->data, name, len) &&
            (list->data[len] == ':' || list->data[len] == ';'))
            return true;
    return false;
}

static int add_verbatim(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (!longer)
        return -1;
    *list = longer;
    return 0;
}

/* 0, or -1: memory, or not a header. */
static int add_header(struct curl_slist **list, const char *name,
                      const char *value)
{
    size_t size = strlen(name) + strlen(value) + 4;
    char *line = malloc(size);
    int bad = -1;

    if (line && write_line(line, size, name, strlen(name), value))
        bad = add_verbatim(list, line);
    if (line)
        explicit_bzero(line, size);
    free(line);
    return bad;
}

static int add_default(struct curl_slist **list, const char *name,
                       const char *value)
{
    return has_name(*list, name, strlen(name)) ? 0
                                               : add_header(list, name, value);
}

static int add_key(struct curl_slist **list, const struct provider *p)
{
    size_t size = p->key.len + sizeof "Bearer ";
    char *value;
    int bad;

    if (!p->key.bytes || p->auth == AUTH_NONE)
        return 0;
    if (p->auth != AUTH_BEARER)
        return add_default(list,
                           p->auth == AUTH_X_API_KEY ? "x-api-key"
                           : p->auth == AUTH_X_GOOG  ? "x-goog-api-key"
                                                     : "api-key",
                           p->key.bytes);
    value = malloc(size);
    if (!value)
        return -1;
    snprintf(value, size, "Bearer %s", p->key.bytes);
    bad = add_default(list, "Authorization", value);
    explicit_bzero(value, size);
    free(value);
    return bad;
}

/* Path and query of the URL, then its host with the port when one is named. */
static int add_target(const struct shape *s, struct buf *out)
{
    char *path = NULL, *query = NULL, *host = NULL, *port = NULL;
    int bad = curl_url_get(s->url, CURLUPART_PATH, &path, 0) ||
              curl_url_get(s->url, CURLUPART_HOST, &host, 0);

    curl_url_get(s->url, CURLUPART_QUERY, &query, 0);
    curl_url_get(s->url, CURLUPART_PORT, &port, 0);
    bad = bad || buf_addf(out, "%s%s%s HTTP/1.1\r\nHost: %s%s%s\r\n", path,
                          query ? "?" : "", query ? query : "", host,
                          port ? ":" : "", port ? port : "");
    curl_free(path);
    curl_free(query);
    curl_free(host);
    curl_free(port);
    return bad;
}

/* The lines of the shape as they stand on the wire. */
static int add_lines(const struct shape *s, struct buf *out)
{
    int bad = 0;

    for (struct curl_slist *l = s->lines; l; l = l->next) {
        size_t len = strlen(l->data);

        /* "name;" is a header without a value. */
        if (len && l->data[len - 1] == ';' && !strchr(l->data, ':'))
            bad |= buf_add(out, l->data, len - 1) | buf_adds(out, ":\r\n");
        else
            bad |= buf_add(out, l->data, len) | buf_adds(out, "\r\n");
    }
    return bad;
}

/* libcurl 7.88 writes header lines through its printf, a character at a time:
 * 23,000 instructions a request, a third of all it does. The request target it
 * copies as it is, and never looks into it. So the lines that are the same for
 * every request of a shape stand behind the target; libcurl completes the last
 * one with " HTTP/1.1". Nothing of a client is in there. */
static int pack_lines(struct shape *s)
{
    struct buf all;
    int bad;

    buf_init(&all, 256 * KIB);
    bad = add_target(s, &all) | add_lines(s, &all) |
          buf_adds(&all, "User-Agent: leme") | buf_addc(&all, '\0');
    s->target = all.data;
    /* What libcurl would add of its own. */
    return bad | add_verbatim(&s->headers, "Host:") |
           add_verbatim(&s->headers, "Content-Type:") |
           add_verbatim(&s->headers, "Accept:");
}

static int write_start(struct shape *s)
{
    return buf_addf(&s->start, "%s ", s->method) | add_target(s, &s->start) |
           add_default(&s->lines, "User-Agent", "leme") |
           add_lines(s, &s->start);
}

int upstream_lines_prepare(struct shape *s)
{
    const struct provider *p = s->provider;
    struct curl_slist **list = &s->lines;
    bool own_agent;
    int bad = 0;

    for (size_t i = 0; i < p->nheaders; i++)
        bad |= add_header(list, p->headers[i].name, p->headers[i].value);
    if (strcmp(s->method, "GET") != 0)
        bad |= add_default(list, "Content-Type", "application/json");
    bad |= add_default(list, "Accept",
                       s->stream ? "text/event-stream" : "application/json");
    bad |= add_default(list, "Accept-Encoding", "identity");
    own_agent = has_name(*list, "User-Agent", 10);
    bad |= add_key(list, p);
    if (bad || s->site)
        return bad ? bad : write_start(s);
    /* A proxy reads the request line, and an agent of the provider's own is
       not to be completed: there libcurl writes the lines. */
    if (p->proxy || own_agent) {
        bad |= add_default(list, "User-Agent", "leme");
        for (struct curl_slist *l = *list; l; l = l->next)
            bad |= add_verbatim(&s->headers, l->data);
    } else {
        bad = pack_lines(s);
    }
    /* Without it libcurl waits for "100 Continue" before large bodies. */
    return bad | add_verbatim(&s->headers, "Expect:");
}

void upstream_lines_free(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(list);
}

/* ${header} as a line of the wire, behind what ${out} holds. */
static const char *add_own(const struct shape *s, struct buf *out,
                           const char *header)
{
    size_t len = strcspn(header, ":");
    const char *value;

    if (header[len] != ':')
        return "a header of the call is malformed";
    if (has_name(s->lines, header, len))
        return NULL;
    value = skip_blank(header + len + 1);
    if (!upstream_head_token(header, len) || reserved(header, len) ||
        !plain(value))
        return "a header of the call is malformed";
    return buf_add(out, header, len) || buf_add(out, ": ", 2) ||
                   buf_adds(out, value) || buf_add(out, "\r\n", 2)
               ? "no memory for headers"
               : NULL;
}

const char *upstream_lines_write(struct transfer *t,
                                 const char *const *headers, size_t body_bytes)
{
    struct buf *out = &t->exchange.lines;
    const char *problem = NULL;
    int bad;

    out->len = 0;
    for (; headers && *headers && !problem; headers++)
        problem = add_own(t->shape, out, *headers);
    if (problem)
        return problem;
    if (strcmp(t->shape->method, "GET") == 0)
        bad = buf_adds(out, "\r\n");
    else
        bad = buf_adds(out, "Content-Length: ") |
              buf_addi(out, (int64_t)body_bytes) | buf_adds(out, "\r\n\r\n");
    return bad ? "no memory for headers" : NULL;
}

const char *upstream_lines_chain(struct transfer *t,
                                 const char *const *headers)
{
    size_t n = 0, size = 0, used;
    struct curl_slist *node, **end;
    char *text;

    for (; headers[n]; n++)
        size += strlen(headers[n]) + 4;
    t->own = malloc(n * sizeof *node + size);
    if (!t->own)
        return "no memory for headers";
    node = t->own;
    end = &t->own->next;
    text = (char *)(node + n);
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(headers[i], ":");

        if (headers[i][len] != ':')
            return "a header of the call is malformed";
        if (has_name(t->shape->lines, headers[i], len))
            continue;
        used = write_line(text, size, headers[i], len,
                          skip_blank(headers[i] + len + 1));
        if (!used)
            return "a header of the call is malformed";
        node->data = text;
        end = &node->next;
        node->next = node + 1;
        node++;
        text += used + 1;
        size -= used + 1;
    }
    if (node == t->own) {
        free(t->own);
        t->own = NULL;
        return NULL;
    }
    *end = t->shape->headers;
    if (curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->own))
        return "libcurl refused the headers";
    return NULL;
}
