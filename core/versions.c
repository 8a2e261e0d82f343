/* SPDX-License-Identifier: Apache-2.0 */
#include "versions.h"

#include "leme.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <lua.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define VERSION "0.1.0"

static struct {
    const char *name;
    char version[64];
} libraries[] = {
    {"lua", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE},
    {"curl", ""}, {"event", ""}, {"openssl", ""},
};

#define COUNT (sizeof libraries / sizeof *libraries)

static char text[512];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void ask(void)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    const char *tls = curl->ssl_version ? strchr(curl->ssl_version, '/') : NULL;
    size_t n = 0;

    snprintf(libraries[1].version, sizeof libraries[1].version, "%s",
             curl->version);
    snprintf(libraries[2].version, sizeof libraries[2].version, "%s",
             event_get_version());
    snprintf(libraries[3].version, sizeof libraries[3].version, "%s",
             tls ? tls + 1 : "");
    for (size_t i = 0; i < COUNT; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %s\n",
                              libraries[i].name, libraries[i].version);
}

const char *versions_of(const char *library)
{
    pthread_once(&once, ask);
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(libraries[i].name, library) == 0)
            return libraries[i].version;
    return "";
}

int leme_abi(void)
{
    return LEME_ABI;
}

const char *leme_version(void)
{
    return VERSION;
}

const char *leme_libraries(void)
{
    pthread_once(&once, ask);
    return text;
}
