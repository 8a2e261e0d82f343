/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded exchanges for the mock: the names below one folder, and what is in
 * such a file. The folder stands in the knobs of the mock's own model, which an
 * operator wrote; no policy can name another.
 */
#include "bind_impl.h"

#include "buf.h"
#include "ceilings.h"
#include "config.h"
#include "json.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH 6             /* folders in folders */
#define NAME_BYTES 1024

/* The knob "recordings" of the model that takes every name. */
static bool folder_of(const struct config *c, char *out, size_t size)
{
    int i = config_find_model(c, "*", 1);
    struct json_walk w;

    if (i < 0)
        return false;
    json_walk_start(&w, c->models[i].knobs, strlen(c->models[i].knobs));
    while (json_walk_next(&w))
        if (w.key_len == 10 && memcmp(w.key, "recordings", 10) == 0 &&
            json_view_kind(w.value) == JSON_STRING)
            return json_view_string(w.value, out, size) > 0;
    return false;
}

static const char *check_folder(lua_State *L, char *out)
{
    if (!folder_of(bind_of(L)->config, out, NAME_BYTES))
        luaL_error(L, "no folder of recordings is configured");
    return out;
}

/* Add the regular files below ${path} to the list on top of the stack, by their
 * names behind its first ${skip} bytes. False: too many. */
static bool list_files(lua_State *L, const char *path, size_t skip, int depth)
{
    char name[NAME_BYTES];
    const struct dirent *e;
    DIR *d = opendir(path);
    struct stat st;
    bool fits = true;

    if (!d)
        return true;
    while (fits && (e = readdir(d))) {
        int n = snprintf(name, sizeof name, "%s/%s", path, e->d_name);

        if (e->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof name ||
            stat(name, &st))
            continue;
        if (S_ISDIR(st.st_mode) && depth) {
            fits = list_files(L, name, skip, depth - 1);
        } else if (S_ISREG(st.st_mode)) {
            lua_pushstring(L, name + skip);
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
            fits = lua_rawlen(L, -1) < CEIL_RECORDED_FILES;
        }
    }
    closedir(d);
    return fits;
}

/* recorded() -> the names of the files below the folder, in no order */
static int host_recorded(lua_State *L)
{
    char folder[NAME_BYTES];
    struct stat st;

    check_folder(L, folder);
    if (stat(folder, &st) || !S_ISDIR(st.st_mode))
        return luaL_error(L, "recordings: %s is no folder that can be read",
                          folder);
    lua_newtable(L);
    if (!list_files(L, folder, strlen(folder) + 1, DEPTH))
        return luaL_error(L, "recordings: %s has more than %d files", folder,
                          CEIL_RECORDED_FILES);
    return 1;
}

/* recording(name) -> the bytes of one of them, or nil and why not */
static int host_recording(lua_State *L)
{
    struct bind *b = bind_of(L);
    char folder[NAME_BYTES], path[2 * NAME_BYTES], piece[16 * KIB];
    const char *name = luaL_checkstring(L, 1);
    size_t n;
    FILE *f;

    check_folder(L, folder);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = strstr(name, "..") ? NULL : fopen(path, "rb");
    if (!f) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s cannot be read: %s", path, strerror(errno));
        return 2;
    }
    b->scratch.len = 0;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        if (buf_add(&b->scratch, piece, n))
            break;
    fclose(f);
    lua_pushlstring(L, b->scratch.data ? b->scratch.data : "", b->scratch.len);
    return 1;
}

static const luaL_Reg functions[] = {
    {"recorded", host_recorded},
    {"recording", host_recording},
    {NULL, NULL},
};

void bind_open_files(lua_State *L, struct bind *b)
{
    lua_pushlightuserdata(L, b);
    luaL_setfuncs(L, functions, 1);
}
