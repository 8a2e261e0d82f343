/* SPDX-License-Identifier: Apache-2.0
 *
 * config_value: single values of a configuration: types, ranges, secrets. A
 * message says the key and what was expected, never the value of a text: it may
 * be a key in the wrong place.
 */
#include "config_impl.h"

#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void expected(const struct config_spot *s, const char *key,
                     const struct node *n, const char *what)
{
    if (n->kind != NODE_POISON)
        config_wrong(s->l, n->line, key, "%s: \"%s\" is %s, expected %s",
                     s->what, key, config_kind(n), what);
}

/* {"env": "NAME"}, {"file": "/path"} and {"credential": "name"} of JSON are
 * references as well. */
static struct node reference(const struct config_spot *s, const struct node *n)
{
    const struct node *env = config_member(n, "env"), *other;
    const struct node *file = config_member(n, "file");
    const struct node *credential = config_member(n, "credential");
    struct node found = *n;

    other = env ? env : file ? file : credential;
    if (!s->l->json || !other || (env && file) || (other != credential &&
        credential) || other->kind != NODE_STRING)
        return found;
    for (n = n->first; n; n = n->next)
        if (env && strcmp(n->key, "optional") == 0 && n->kind == NODE_BOOL)
            found.optional = n->truth;
        else if (n != other)
            config_wrong(s->l, n->line, NULL, "%s: unknown key \"%s\" beside "
                         "\"%s\"", s->what, n->key, other->key);
    found.kind = env ? NODE_ENV : file ? NODE_FILE : NODE_CREDENTIAL;
    found.text = other->text;
    found.len = other->len;
    return found;
}

/* --- texts and secrets ---------------------------------------------------- */

static const char *variable(const struct loader *l, const char *name)
{
    const struct config_options *o = l->options;

    return o->env ? o->env(o->env_arg, name) : getenv(name);
}

static const char *from_env(const struct config_spot *s, const char *key,
                            const struct node *n)
{
    const char *value = variable(s->l, n->text);

    if (value && *value)
        return value;
    if (!n->optional)
        config_wrong(s->l, n->line, n->text,
                     "%s: \"%s\": the variable %s is %s", s->what, key,
                     n->text, value ? "empty" : "not set");
    return NULL;
}

/* The content of an open secret file, copied; final newlines are not part. */
static char *file_content(struct loader *l, int fd, size_t *len)
{
    char bytes[4 * KIB];
    struct buf b;
    ssize_t n;
    char *copy = NULL;

    buf_init(&b, CONFIG_SECRET_FILE);
    /* All at once: growing would leave copies behind. */
    if (buf_reserve(&b, CONFIG_SECRET_FILE))
        return NULL;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        if (buf_add(&b, bytes, (size_t)n))
            break;
    explicit_bzero(bytes, sizeof bytes);
    while (b.len && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r'))
        b.len--;
    if (n == 0)
        copy = config_copy(&l->scratch, b.data, b.len);
    *len = b.len;
    explicit_bzero(b.data, b.size);
    buf_free(&b);
    return copy;
}

/* What systemd hands over lies in a folder of the service's own; access lists
 * show up there as rights of a group, so only other files are looked at. */
static void check_readers(const struct config_spot *s, const char *key,
                          const struct node *n, mode_t mode)
{
    if (n->kind == NODE_CREDENTIAL || !(mode & (S_IROTH | S_IRGRP)))
        return;
    config_warn(s->l, n->line, n->text, "%s: \"%s\": %s may read %s; chmod 600 "
                "keeps it to its owner", s->what, key,
                mode & S_IROTH ? "everybody on this machine" : "its whole group",
                n->text);
}

/* The secret in the file ${path}, which messages call by what ${n} says. */
static const char *from_path(const struct config_spot *s, const char *key,
                             const struct node *n, const char *path)
{
    struct loader *l = s->l;
    struct stat st;
    char *content = NULL;
    size_t len = 0;
    int fd;

    /* Not blocking: a pipe without a writer must not stop the start. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st)) {
        config_wrong(l, n->line, n->text, "%s: \"%s\": cannot read %s: %s",
                     s->what, key, n->text, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        config_wrong(l, n->line, n->text, "%s: \"%s\": %s is no plain file",
                     s->what, key, n->text);
    } else {
        check_readers(s, key, n, st.st_mode);
        content = file_content(l, fd, &len);
        if (!content || !len || strlen(content) != len) {
            config_wrong(l, n->line, n->text, "%s: \"%s\": %s holds no secret",
                         s->what, key, n->text);
            content = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return content;
}

static const char *from_file(const struct config_spot *s, const char *key,
                             const struct node *n)
{
    char path[4096];

    snprintf(path, sizeof path, "%s%s%s", n->text[0] == '/' ? "" : s->l->c->dir,
             n->text[0] == '/' ? "" : "/", n->text);
    return from_path(s, key, n, path);
}

static const char *from_credential(const struct config_spot *s, const char *key,
                                   const struct node *n)
{
    const char *dir = variable(s->l, "CREDENTIALS_DIRECTORY");
    char path[4096];

    if (strchr(n->text, '/') || n->text[0] == '.') {
        config_wrong(s->l, n->line, n->text, "%s: \"%s\": a credential has a "
                     "name, no path: file \"/path\" reads any file", s->what,
                     key);
        return NULL;
    }
    if (!dir || !*dir) {
        config_wrong(s->l, n->line, n->text, "%s: \"%s\": there is no "
                     "$CREDENTIALS_DIRECTORY: systemd sets it for a unit with "
                     "LoadCredential=%s:/path", s->what, key, n->text);
        return NULL;
    }
    snprintf(path, sizeof path, "%s/%s", dir, n->text);
    return from_path(s, key, n, path);
}

/* What the text of the file leads to, or NULL. */
static const char *from_outside(const struct config_spot *s, const char *key,
                                const struct node *n)
{
    const char *text = n->kind == NODE_ENV    ? from_env(s, key, n)
                       : n->kind == NODE_FILE ? from_file(s, key, n)
                                              : from_credential(s, key, n);

    /* With its NUL, so that two texts are not one. */
    sha256_add(&s->l->outside, text ? text : "", text ? strlen(text) + 1 : 1);
    return text;
}

/* Any text, borrowed; NULL when reported or absent. */
static const char *any_text(const struct config_spot *s, const char *key,
                            const struct node *node, bool files)
{
    struct node n = reference(s, node);

    if (n.kind == NODE_ENV ||
        (files && (n.kind == NODE_FILE || n.kind == NODE_CREDENTIAL)))
        return from_outside(s, key, &n);
    if (n.kind != NODE_STRING) {
        expected(s, key, &n, files ? "a text, env \"NAME\" or file \"/path\""
                                   : "a text");
        return NULL;
    }
    if (n.len == 0)
        config_wrong(s->l, n.line, key, "%s: \"%s\" is empty", s->what, key);
    else if (memchr(n.text, '\0', n.len))
        config_wrong(s->l, n.line, key, "%s: \"%s\" holds a zero byte", s->what,
                     key);
    else
        return n.text;
    return NULL;
}

char *config_text(const struct config_spot *s, const char *key,
                  const struct node *n, bool env)
{
    const char *text;
    char *copy;

    if (!env && reference(s, n).kind == NODE_ENV) {
        /* It would be shown, and might be the variable of a key. */
        config_wrong(s->l, n->line, key,
                     "%s: \"%s\" stands in the file, not in the environment",
                     s->what, key);
        return NULL;
    }
    text = any_text(s, key, n, false);
    if (!text)
        return NULL;
    copy = config_copy(&s->l->store->arena, text, strlen(text));
    if (!copy)
        s->l->memory = true;
    return copy;
}

#define PART_BYTES 16           /* of a value within a secret */

/* What may be shown: enough to tell two keys apart, never half of a key. */
static void make_hint(struct secret *secret)
{
    const char *bytes = secret->bytes;
    bool dashed = secret->len > 3 && memcmp(bytes, "sk-", 3) == 0;

    if (secret->len < 20)
        snprintf(secret->hint, sizeof secret->hint, "***");
    else
        snprintf(secret->hint, sizeof secret->hint, "%s...%s",
                 dashed ? "sk-" : "", bytes + secret->len - 4);
}

static int remember(struct config_store *store, const struct secret *secret)
{
    size_t size = store->secrets_size ? 2 * store->secrets_size : 16;
    struct secret *grown;

    if (store->nsecrets == store->secrets_size) {
        grown = config_array(&store->arena, size, sizeof *grown);
        if (!grown)
            return -1;
        if (store->nsecrets)
            memcpy(grown, store->secrets, store->nsecrets * sizeof *grown);
        store->secrets = grown;
        store->secrets_size = size;
    }
    store->secrets[store->nsecrets++] = *secret;
    return 0;
}

static bool secret_ok(const char *text, enum config_secrecy how)
{
    for (; *text; text++)
        if (*text < 0x20 || *text >= 0x7F ||
            (*text == ' ' && how != SECRET_IN_TEXT))
            return false;
    return true;
}

static int remember_part(struct config_store *store, char *from, size_t len)
{
    struct secret part = {.bytes = from, .len = len};

    make_hint(&part);
    return remember(store, &part);
}

/* "Bearer sk-...", "key=...": an error of a provider may repeat the last word, or
 * a value, alone. Short values are versions and the like. */
static int remember_parts(struct config_store *store, const struct secret *whole)
{
    char *blank = strrchr(whole->bytes, ' ');
    char *at = strchr(whole->bytes, '=');
    int bad = 0;

    if (blank)
        bad |= remember_part(store, blank + 1, strlen(blank + 1));
    for (; at; at = strchr(at + 1, '='))
        if (strcspn(at + 1, "&= ") >= PART_BYTES)
            bad |= remember_part(store, at + 1, strcspn(at + 1, "&= "));
    return bad;
}

int config_secret(const struct config_spot *s, const char *key,
                  const struct node *n, enum config_secrecy how,
                  struct secret *out)
{
    struct loader *l = s->l;
    const char *text = any_text(s, key, n, true);

    memset(out, 0, sizeof *out);
    if (!text)
        return -1;
    if (!secret_ok(text, how)) {
        config_wrong(l, n->line, key,
                     "%s: \"%s\" holds a blank, a control byte or a byte "
                     "outside of ASCII", s->what, key);
        return -1;
    }
    out->len = strlen(text);
    out->bytes = config_copy(how == SECRET_PASSING ? &l->scratch
                                                   : &l->store->arena,
                             text, out->len);
    if (!out->bytes) {
        l->memory = true;
        return -1;
    }
    make_hint(out);
    if (how != SECRET_PASSING &&
        (remember(l->store, out) || remember_parts(l->store, out)))
        l->memory = true;
    return 0;
}

bool config_is_secret(const struct config_store *store, const char *text)
{
    size_t i;

    for (i = 0; i < store->nsecrets; i++)
        if (store->secrets[i].bytes == text)
            return true;
    return false;
}

static char *pair_text(const struct config_spot *s, const char *key,
                       const struct node *n)
{
    char *value = config_text(s, n->key ? n->key : key, n, false), *pair;
    size_t size;

    if (!value || !n->key)
        return value;
    size = strlen(n->key) + strlen(value) + 2;
    pair = config_alloc(&s->l->store->arena, size);
    if (pair)
        snprintf(pair, size, "%s=%s", n->key, value);
    else
        s->l->memory = true;
    return pair;
}

void config_texts(const struct config_spot *s, const char *key,
                  const struct node *list, char ***out, size_t *n)
{
    const struct node *item;
    size_t count = 0;

    if (list->kind != NODE_TABLE) {
        expected(s, key, list, "a list of texts");
        return;
    }
    for (item = list->first; item; item = item->next)
        count++;
    *out = config_array(&s->l->store->arena, count, sizeof **out);
    if (!*out) {
        s->l->memory = true;
        return;
    }
    for (item = list->first; item; item = item->next) {
        (*out)[*n] = pair_text(s, key, item);
        *n += (*out)[*n] != NULL;
    }
}

/* --- plain keys ----------------------------------------------------------- */

static const char *unit_of(enum key_type type)
{
    return type == KEY_SECONDS ? " seconds" : type == KEY_BYTES ? " bytes" : "";
}

static bool in_range(const struct config_spot *s, const struct config_key *k,
                     const struct node *n)
{
    const char *more = "";
    bool whole = k->type == KEY_COUNT || k->type == KEY_BYTES;

    if (n->kind != NODE_INTEGER && n->kind != NODE_NUMBER) {
        expected(s, k->name, n,
                 k->type == KEY_SECONDS ? "seconds, as a number"
                 : k->type == KEY_BYTES ? "bytes, as a number" : "a number");
        return false;
    }
    if (isfinite(n->number) && n->number >= k->min && n->number <= k->max &&
        (!whole || floor(n->number) == n->number))
        return true;
    if (k->type == KEY_SECONDS && n->number > k->max &&
        n->number / 1000 <= k->max)
        more = ": it is not in milliseconds";
    config_wrong(s->l, n->line, k->name,
                 "%s: \"%s\" is %.14g, expected %s %.14g to %.14g%s%s", s->what,
                 k->name, isnan(n->number) ? fabs(n->number) : n->number,
                 whole ? "a whole number," : "a number,",
                 k->min, k->max, unit_of(k->type), more);
    return false;
}

static void set_number(const struct config_spot *s, const struct config_key *k,
                       const struct node *n, void *at)
{
    if (!in_range(s, k, n))
        return;
    switch (k->type) {
    case KEY_COUNT:
        *(unsigned *)at = (unsigned)n->number;
        break;
    case KEY_BYTES:
        *(size_t *)at = (size_t)n->number;
        break;
    case KEY_SECONDS:
        *(us_t *)at = clock_from_seconds(n->number);
        break;
    default:
        *(double *)at = n->number;
    }
}

static void set_choice(const struct config_spot *s, const struct config_key *k,
                       const struct node *n, unsigned *at)
{
    char copy[80], list[120] = "", *word, *rest = copy;
    const char *words[8], *near = NULL;
    unsigned i = 0, named = 0;
    size_t len = 0;

    if (n->kind != NODE_STRING) {
        expected(s, k->name, n, "a text");
        return;
    }
    snprintf(copy, sizeof copy, "%s", k->choices);
    while ((word = strsep(&rest, "|"))) {
        if (*word && strcmp(word, n->text) == 0) {
            *at = i;
            return;
        }
        i++;
        if (!*word)
            continue;
        words[named++] = word;
        len += (size_t)snprintf(list + len, sizeof list - len, "%s\"%s\"",
                                len ? ", " : "", word);
    }
    near = config_nearest(n->text, words, named);
    config_wrong(s->l, n->line, k->name, "%s: \"%s\" is none of %s%s%s%s",
                 s->what, k->name, list, near ? "; did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "");
}

static void set_switch(const struct config_spot *s, const struct config_key *k,
                       const struct node *n, bool *at)
{
    if (n->kind == NODE_BOOL)
        *at = n->truth;
    else
        expected(s, k->name, n, "true or false");
}

static void set(const struct config_spot *s, const struct config_key *k,
                const struct node *n, void *base)
{
    void *at = (char *)base + k->offset;

    switch (k->type) {
    case KEY_TEXT:
        *(char **)at = config_text(s, k->name, n, k->env);
        break;
    case KEY_SECRET:
        config_secret(s, k->name, n, SECRET_KEPT, at);
        break;
    case KEY_SWITCH:
        set_switch(s, k, n, at);
        break;
    case KEY_CHOICE:
        set_choice(s, k, n, at);
        break;
    case KEY_OTHER:
        k->set(s, n, base);
        break;
    default:
        set_number(s, k, n, at);
    }
}

static void unknown(const struct config_spot *s,
                    const struct config_schema *schema, const struct node *n)
{
    struct config_advice advice;
    const char *names[32];
    size_t i;

    for (i = 0; i < schema->n && i < 32; i++)
        names[i] = schema->keys[i].name;
    config_advise(&advice, n->key, names, i);
    config_wrong(s->l, n->line, n->key, "%s: unknown key \"%s\"%s", s->what,
                 n->key, advice.text);
}

void config_fill(const struct config_spot *s,
                 const struct config_schema *schema, const struct node *body,
                 void *base)
{
    const struct node *n;
    size_t i;

    for (n = body->first; n; n = n->next) {
        if (!n->key) {
            if (!schema->list)
                config_wrong(s->l, n->line, NULL,
                             "%s takes key = value, not a list", s->what);
            continue;
        }
        for (i = 0; i < schema->n; i++)
            if (strcmp(n->key, schema->keys[i].name) == 0)
                break;
        if (i == schema->n)
            unknown(s, schema, n);
        else if (n->kind != NODE_NULL && n->kind != NODE_POISON)
            set(s, &schema->keys[i], n, base);
    }
}
