/* SPDX-License-Identifier: Apache-2.0
 *
 * config_words: what somebody meant who wrote a word that is not known.
 */
#include "config_impl.h"

#include <stdio.h>
#include <string.h>

#define WORD_BYTES 64

/* Distance with swapped neighbours as one step (optimal string alignment). */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned rows[3][WORD_BYTES + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2], *spare;
    size_t i, j;

    for (j = 0; j <= nb; j++)
        above[j] = (unsigned)j;
    for (i = 1; i <= na; i++) {
        row[0] = (unsigned)i;
        for (j = 1; j <= nb; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[nb];
}

const char *config_nearest(const char *word, const char *const *names, size_t n)
{
    size_t i, len = strlen(word), other;
    const char *nearest = NULL;
    unsigned best = len < 3 ? 1 : len < 5 ? 2 : len < 10 ? 3 : 4, d;

    /* ${best} is one more than the steps that still count. */
    if (len > WORD_BYTES)
        return NULL;
    for (i = 0; i < n; i++) {
        other = strlen(names[i]);
        if (other > WORD_BYTES || other + best <= len || len + best <= other)
            continue;
        d = distance(word, len, names[i], other);
        if (d > 0 && d < best) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

/* Lower case, without "_" and "-": camelCase and snake_case look alike. */
static void flatten(const char *word, char out[WORD_BYTES + 1])
{
    size_t n = 0;

    for (; *word && n < WORD_BYTES; word++) {
        if (*word == '_' || *word == '-')
            continue;
        out[n++] = (char)(*word >= 'A' && *word <= 'Z' ? *word + 32 : *word);
    }
    out[n] = '\0';
}

/* What other gateways and clients call our keys; the first that is a key of the
 * place in question counts. */
static const char *const aliases[][2] = {
    {"baseurl", "base"}, {"apibase", "base"}, {"apibaseurl", "base"},
    {"url", "base"}, {"baseuri", "base"}, {"endpoint", "base"},
    {"apikey", "key"}, {"token", "key"}, {"secret", "key"},
    {"apitoken", "key"}, {"accesskey", "key"}, {"password", "key"},
    {"masterkey", "key"}, {"virtualkey", "key"}, {"apikeys", "keys"}, {"keys", "key"},
    {"tokens", "keys"}, {"secrets", "keys"}, {"keypool", "keys"},
    {"format", "dialect"}, {"type", "dialect"}, {"apitype", "dialect"},
    {"extraheaders", "headers"}, {"defaultheaders", "headers"},
    {"params", "query"}, {"extraquery", "query"}, {"apiversion", "query"},
    {"httpproxy", "proxy"}, {"httpsproxy", "proxy"}, {"proxyurl", "proxy"},
    {"cacert", "ca_file"}, {"cabundle", "ca_file"}, {"ca", "ca_file"},
    {"timeout", "total"}, {"timeout", "total_timeout"},
    {"requesttimeout", "total"}, {"requesttimeout", "total_timeout"},
    {"requesttimeout", "timeout"}, {"deadline", "total"},
    {"maxparallelrequests", "max_in_flight"},
    {"maxconcurrency", "max_in_flight"}, {"concurrency", "max_in_flight"},
    {"maxconcurrentrequests", "max_in_flight"},
    {"requestsperminute", "rpm"}, {"ratelimit", "rpm"},
    {"contextwindow", "context"}, {"contextlength", "context"},
    {"maxinputtokens", "context"}, {"maxtokens", "max_output"},
    {"maxoutputtokens", "max_output"}, {"capabilities", "caps"},
    {"features", "caps"}, {"labels", "tags"}, {"metadata", "tags"},
    {"cost", "price"}, {"pricing", "price"}, {"prices", "price"},
    {"prompt", "input"}, {"inputcostpertoken", "input"},
    {"completion", "output"}, {"outputcostpertoken", "output"},
    {"cacheread", "cached"}, {"cachedinput", "cached"},
    {"script", "policy"}, {"file", "policy"}, {"lua", "policy"},
    {"defaults", "default_route"}, {"default", "default_route"},
    {"route", "default_route"}, {"fallbacks", "default_route"},
    {"fallback", "default_route"}, {"fallbackmodels", "default_route"},
    {"options", "knobs"}, {"config", "knobs"}, {"parameters", "knobs"},
    {"numretries", "max_attempts"}, {"maxretries", "max_attempts"},
    {"retries", "max_attempts"}, {"attempts", "max_attempts"},
    {"threads", "workers"}, {"numworkers", "workers"},
    {"maxbody", "body_max"}, {"maxbodysize", "body_max"},
    {"maxrequestsize", "body_max"}, {"clientmaxbodysize", "body_max"},
    {"maxmemory", "memory_max"}, {"memorylimit", "memory_max"},
    {"logfile", "log"}, {"level", "log_level"}, {"verbosity", "log_level"},
    {"hotreload", "watch"}, {"id", "name"}, {"user", "name"},
};

#define CHECKED \
    "certificates are always checked; ca_file names an authority"

/* Words that stand at no place of ours, and where the matter is settled. */
static const char *const advice[][2] = {
    {"masterkey", "callers' keys stand in client { name = ..., key = ... }, "
                  "the operator's in admin { ..., key = ... }"},
    {"litellmsettings", "numbers stand in settings { ... }"},
    {"generalsettings", "numbers stand in settings { ... }"},
    {"routersettings", "routing is a policy: model \"name\" { policy = "
                       "\"...\", default_route = { ... } }"},
    {"modellist", "write model \"name\" { \"provider/model\", ... }"},
    {"routingstrategy", "routing is a policy: model \"name\" { policy = "
                        "\"...\", default_route = { ... } }"},
    {"strategy", "routing is a policy: model \"name\" { policy = \"...\", "
                 "default_route = { ... } }"},
    {"loadbalancing", "routing is a policy: model \"name\" { policy = \"...\", "
                      "default_route = { ... } }"},
    {"fallbacks", "a model lists its targets in order: model \"name\" { "
                  "\"a/x\", \"b/y\" }"},
    {"numretries", "max_attempts belongs to a model"},
    {"environmentvariables", "write env \"NAME\" where the value is needed"},
    {"port", "write listen { \"127.0.0.1:8080\" }"},
    {"host", "write listen { \"127.0.0.1:8080\" }"},
    {"verifyssl", CHECKED},
    {"sslverify", CHECKED},
    {"insecure", CHECKED},
    {"skipverify", CHECKED},
    {"os", "a configuration reads the environment by env \"NAME\" and does no "
           "other I/O"},
    {"io", "a configuration does no I/O; a secret is read by file \"/path\""},
    {"dofile", "a configuration is one file"},
    {"loadfile", "a configuration is one file"},
    {"load", "a configuration loads no code"},
    {"print", "a configuration does no I/O"},
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static bool among(const char *word, const char *const *names, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (strcmp(word, names[i]) == 0)
            return true;
    return false;
}

/* A name whose flat form, or one of whose aliases, is ${flat}. */
static const char *same_flat(const char *flat, const char *const *names,
                             size_t n)
{
    char other[WORD_BYTES + 1];
    size_t i;

    for (i = 0; i < n; i++) {
        flatten(names[i], other);
        if (strcmp(flat, other) == 0)
            return names[i];
    }
    for (i = 0; i < LENGTH(aliases); i++)
        if (strcmp(flat, aliases[i][0]) == 0 && among(aliases[i][1], names, n))
            return aliases[i][1];
    return NULL;
}

/* "timeoutMs", "idle_timeout_seconds": the name without its unit. */
static const char *without_unit(const char *flat, const char *const *names,
                                size_t n)
{
    static const char *const units[] = {"milliseconds", "seconds", "secs",
                                        "ms", "sec", "s"};
    char cut[WORD_BYTES + 1];
    size_t i, len = strlen(flat), unit;
    const char *found;

    for (i = 0; i < LENGTH(units); i++) {
        unit = strlen(units[i]);
        if (len <= unit || strcmp(flat + len - unit, units[i]) != 0)
            continue;
        memcpy(cut, flat, len - unit);
        cut[len - unit] = '\0';
        found = same_flat(cut, names, n);
        if (found)
            return found;
    }
    return NULL;
}

/* The section that has the key ${word}, other than the one in question. */
static bool elsewhere(struct config_advice *a, const char *word)
{
    enum section s;
    size_t i, len = 0;

    for (s = 0; s < SECTIONS; s++)
        if (strcmp(word, config_word(s)) == 0 ||
            strcmp(word, config_plural(s)) == 0) {
            snprintf(a->text, sizeof a->text,
                     "; \"%s\" stands at the outermost level", word);
            return true;
        }
    for (s = 0; s < SECTIONS; s++)
        for (i = 0; i < config_schemas[s].n && len < sizeof a->text; i++)
            if (strcmp(word, config_schemas[s].keys[i].name) == 0)
                len += (size_t)snprintf(a->text + len, sizeof a->text - len,
                                        len ? " or %s%s"
                                            : "; \"%s\" belongs to %s",
                                        len ? "" : word, config_word(s));
    return len > 0;
}

static bool by_table(struct config_advice *a, const char *flat)
{
    size_t i;

    for (i = 0; i < LENGTH(advice); i++)
        if (strcmp(flat, advice[i][0]) == 0) {
            snprintf(a->text, sizeof a->text, "; %s", advice[i][1]);
            return true;
        }
    return false;
}

static void list(struct config_advice *a, const char *const *names, size_t n)
{
    size_t i, len = 0;

    for (i = 0; i < n && len < sizeof a->text; i++)
        len += (size_t)snprintf(a->text + len, sizeof a->text - len, "%s%s",
                                i ? ", " : "; known: ", names[i]);
}

void config_advise(struct config_advice *a, const char *word,
                   const char *const *names, size_t n)
{
    char flat[WORD_BYTES + 1];
    const char *found, *unit = "";

    a->text[0] = '\0';
    flatten(word, flat);
    found = same_flat(flat, names, n);
    if (!found) {
        found = without_unit(flat, names, n);
        unit = found ? " (in seconds)" : "";
    }
    if (!found && (by_table(a, flat) || elsewhere(a, word)))
        return;
    if (!found)
        found = config_nearest(word, names, n);
    if (found)
        snprintf(a->text, sizeof a->text, "; did you mean \"%s\"%s?", found,
                 unit);
    else
        list(a, names, n);
}

void config_advise_root(struct config_advice *a, const char *word,
                        const struct loader *l)
{
    const char *names[SECTIONS + 3];
    char flat[WORD_BYTES + 1];
    const char *found;
    enum section s;
    size_t n = 0;

    for (s = l->first; s < l->end; s++)
        names[n++] = l->json ? config_plural(s) : config_word(s);
    if (!l->json && l->first == 0) {
        names[n++] = "env";
        names[n++] = "file";
        names[n++] = "credential";
    }
    a->text[0] = '\0';
    flatten(word, flat);
    if (by_table(a, flat))
        return;
    found = config_nearest(word, names, n);
    if (found)
        snprintf(a->text, sizeof a->text, "; did you mean \"%s\"?", found);
    else if (!elsewhere(a, word) && l->json)
        list(a, names, n);
}
