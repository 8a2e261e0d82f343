/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker's Lua state of one generation: built aside, then stepped.
 */
#include "policy_impl.h"

#include "board.h"
#include "ceilings.h"
#include "metrics.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A model without a policy of its own runs this one. */
#define PLAIN "leme.plain"

/* -- building -------------------------------------------------------------- */

static void fault_from(struct policy_fault *out, const struct vm_fault *f)
{
    snprintf(out->message, sizeof out->message, "%s", f->message);
    snprintf(out->where, sizeof out->where, "%s", f->where);
    snprintf(out->traceback, sizeof out->traceback, "%s", f->traceback);
}

static const struct module *embedded(const char *name)
{
    for (const struct module *m = modules_embedded; m->name; m++)
        if (strcmp(m->name, name) == 0)
            return m;
    return NULL;
}

/* The text of module ${name}: a file of lua_dir, or the embedded one. Pushes
 * nothing; raises when there is none. */
static void load_module(lua_State *L, struct policy_state *s, const char *name)
{
    const struct module *m = embedded(name);
    const struct source *src = NULL;
    struct vm_fault fault;
    char path[512], why[600] = "";

    if (m && s->env.lua_dir) {
        snprintf(path, sizeof path, "%s/%s", s->env.lua_dir,
                 m->file + strlen("lua/"));
        src = generation_source(s->generation, path, why, sizeof why);
    }
    if (!m || (s->env.lua_dir && !src))
        luaL_error(L, "module '%s' not found%s%s", name, why[0] ? ": " : "", why);
    vm_push_lib_env(s->vm);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_host);
    lua_setfield(L, -2, "host");
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_require);
    lua_setfield(L, -2, "require");
    if (src ? vm_load(s->vm, src->text, src->len, m->file, &fault)
            : vm_load_own(s->vm, &modules_code[m - modules_embedded], m->text,
                          m->len, m->file, &fault))
        luaL_error(L, "%s", fault.message);
}

/* Modules of a policy folder: "name" is file "dir/name.lua". */
static void load_file(lua_State *L, struct policy_state *s, const char *dir,
                      const char *name)
{
    const struct source *src;
    struct vm_fault fault;
    char path[512], why[600] = "";
    size_t n;

    if (strlen(name) >= sizeof path)
        luaL_error(L, "module name of more than %d bytes", (int)sizeof path - 1);
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789_-.")] || strstr(name, ".."))
        luaL_error(L, "module '%s': expected letters, digits, _ - and .", name);
    n = (size_t)snprintf(path, sizeof path, "%s/%s", dir, name);
    for (size_t i = strlen(dir) + 1; i < n && i < sizeof path; i++)
        if (path[i] == '.')
            path[i] = '/';
    if (n + 5 > sizeof path)
        luaL_error(L, "module '%s': the path is too long", name);
    strcat(path, ".lua");
    src = generation_source(s->generation, path, why, sizeof why);
    if (!src)
        luaL_error(L, "module '%s' not found: %s", name, why);
    vm_push_env(s->vm);
    policy_push_require(L, s, dir);
    lua_setfield(L, -2, "require");
    if (vm_load(s->vm, src->text, src->len, policy_shown(s, path), &fault))
        luaL_error(L, "%s", fault.message);
}

/* Push what ${name} is, loaded once. ${dir}: the folder of its own files, ""
 * for modules of ours. */
static void push_loaded(lua_State *L, struct policy_state *s, const char *dir,
                        const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_loaded);
    lua_pushfstring(L, "%s\n%s", dir, name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
        lua_pop(L, 1);
        if (dir[0])
            load_file(L, s, dir, name);
        else
            load_module(L, s, name);
        lua_pushstring(L, name);
        lua_call(L, 1, 1);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            lua_pushboolean(L, 1);
        }
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* require(name): upvalues: state, folder ("" for library chunks). Policies get
 * our modules frozen. */
static int policy_require(lua_State *L)
{
    struct policy_state *s = lua_touserdata(L, lua_upvalueindex(1));
    const char *dir = lua_tostring(L, lua_upvalueindex(2));
    const char *name = luaL_checkstring(L, 1);
    bool ours = strcmp(name, "leme") == 0 || strncmp(name, "leme.", 5) == 0;

    if (ours && dir[0] && !policy_may_require(name))
        return luaL_error(L, "module '%s' is not for policies; there are leme, "
                             "leme.text and files beside the policy", name);
    if (!ours && !dir[0])
        return luaL_error(L, "module '%s' not found", name);
    if (!ours || !dir[0]) {
        push_loaded(L, s, ours ? "" : dir, name);
        return 1;
    }
    push_loaded(L, s, "", "leme.freeze");
    push_loaded(L, s, "", name);
    lua_pushvalue(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

void policy_push_require(lua_State *L, struct policy_state *s, const char *dir)
{
    lua_pushlightuserdata(L, s);
    lua_pushstring(L, dir);
    lua_pushcclosure(L, policy_require, 2);
}

bool policy_may_require(const char *name)
{
    static const char *const open[] = {"leme", "leme.text", "leme.pick",
                                       "leme.json", "leme.test"};

    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (strcmp(open[i], name) == 0)
            return true;
    return false;
}

const char *policy_shown(const struct policy_state *s, const char *path)
{
    size_t n = strlen(s->generation->config->dir);

    if (strncmp(path, s->generation->config->dir, n) == 0 && path[n] == '/')
        return path + n + 1;
    return path;
}

/* Keep ${name} of the table on top of the stack in the registry. */
static int keep_field(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    if (lua_isnil(L, -1))
        luaL_error(L, "lua/leme/driver.lua has no %s", name);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int open_library(lua_State *L, void *arg)
{
    struct policy_state *s = arg;

    lua_newtable(L);
    s->ref_loaded = luaL_ref(L, LUA_REGISTRYINDEX);
    bind_push_host(L, &s->bind);
    s->ref_host = luaL_ref(L, LUA_REGISTRYINDEX);
    policy_push_require(L, s, "");
    s->ref_require = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_require);
    lua_pushliteral(L, "leme.driver");
    lua_call(L, 1, 1);
    policy_open_steps(L, s);
    s->ref_ops = keep_field(L, "ops");
    s->ref_load = keep_field(L, "load");
    s->ref_test = keep_field(L, "test");
    s->ref_every = keep_field(L, "every");
    s->ref_tick = keep_field(L, "tick");
    return 0;
}

/* leme.dialect is on top of the stack. */
static void check_dialect(lua_State *L, const struct provider *p)
{
    lua_getfield(L, -1, "unknown");
    lua_pushstring(L, p->dialect);
    lua_call(L, 1, 1);
    if (!lua_isnil(L, -1))
        luaL_error(L, "%s:%d: provider \"%s\": %s", p->where.file, p->where.line,
                   p->name, lua_tostring(L, -1));
    lua_pop(L, 1);
}

/* The formats of providers are loaded here and not on a request's time; those of
 * clients when one first comes. */
static int load_dialects(lua_State *L, void *arg)
{
    struct policy_state *s = arg;
    const struct config *c = s->generation->config;

    for (size_t i = 0; i < c->nproviders; i++) {
        const struct provider *p = &c->providers[i];

        if (p->service || strcmp(p->dialect, "openai") == 0)
            continue;
        push_loaded(L, s, "", "leme.translate");
        push_loaded(L, s, "", "leme.dialect");
        lua_getfield(L, -1, "find");
        lua_pushstring(L, p->dialect);
        lua_call(L, 1, 0);
        lua_settop(L, 0);
    }
    return 0;
}

/* Files of the operator's own must be read, and proved to load, before the
 * generation is sealed: all of them. */
static int load_formats(lua_State *L, void *arg)
{
    static const char *const ours[] = {"leme.translate", "leme.dialect",
                                       "leme.surface"};
    struct policy_state *s = arg;
    const struct config *c = s->generation->config;

    for (const struct module *m = modules_embedded; m->name; m++)
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            if (strncmp(m->name, ours[i], strlen(ours[i])) == 0) {
                push_loaded(L, s, "", m->name);
                lua_pop(L, 1);
            }
    push_loaded(L, s, "", "leme.dialect");
    for (size_t i = 0; i < c->nproviders; i++)
        if (!c->providers[i].service)
            check_dialect(L, &c->providers[i]);
    return 0;
}

/* Push the compiled policy function of model ${m} and its shown name. */
static void push_chunk(lua_State *L, struct policy_state *s,
                       const struct model *m)
{
    const struct source *src;
    struct vm_fault fault;
    char why[600], dir[512];
    char *slash;

    if (!m->policy_path) {
        lua_pushliteral(L, PLAIN);
        load_module(L, s, PLAIN);
        return;
    }
    if (m->policy[0] == '@') {              /* a module of ours: the mock */
        lua_pushstring(L, m->policy + 1);
        load_module(L, s, m->policy + 1);
        return;
    }
    src = generation_source(s->generation, m->policy_path, why, sizeof why);
    if (!src)
        luaL_error(L, "%s", why);
    snprintf(dir, sizeof dir, "%s", m->policy_path);
    slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    lua_pushstring(L, policy_shown(s, m->policy_path));
    vm_push_env(s->vm);
    policy_push_require(L, s, slash ? dir : ".");
    lua_setfield(L, -2, "require");
    if (vm_load(s->vm, src->text, src->len, policy_shown(s, m->policy_path),
                &fault))
        luaL_error(L, "%s", fault.message);
}

struct load_args {
    struct policy_state *s;
    unsigned model;
};

/* policy = driver.load(file, chunk, knobs) */
static int load_policy(lua_State *L, void *arg)
{
    struct load_args *a = arg;
    struct policy_state *s = a->s;
    const struct model *m = &s->generation->config->models[a->model];
    struct model_policy *p = &s->models[a->model];

    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_load);
    push_chunk(L, s, m);
    bind_read_json(L, m->knobs, strlen(m->knobs));
    lua_call(L, 3, 1);
    lua_getfield(L, -1, "name");
    if (lua_type(L, -1) == LUA_TSTRING)
        snprintf(p->name, sizeof p->name, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    p->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* Collect the periods of policy.every. */
static int load_timers(lua_State *L, void *arg)
{
    struct load_args *a = arg;
    struct policy_state *s = a->s;

    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_every);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->models[a->model].ref);
    lua_call(L, 1, 1);
    for (lua_Integer i = 1, n = luaL_len(L, -1); i <= n; i++) {
        if (s->ntimers == POLICY_TIMERS)
            luaL_error(L, "at most %d periodic functions", POLICY_TIMERS);
        lua_geti(L, -1, i);
        lua_geti(L, -1, 1);
        s->timers[s->ntimers].seconds = lua_tonumber(L, -1);
        s->timers[s->ntimers].model = a->model;
        s->timers[s->ntimers++].index = (int)i;
        lua_pop(L, 2);
    }
    return 0;
}

static int load_all(struct policy_state *s, struct vm_fault *f)
{
    const struct config *c = s->generation->config;

    for (unsigned i = 0; i < c->nmodels; i++) {
        struct load_args a = {s, i};

        if (vm_enter(s->vm, load_policy, &a, f))
            return -1;
        if (vm_enter(s->vm, load_timers, &a, f))
            return -1;
    }
    return 0;
}

static void make_labels(struct policy_state *s)
{
    const struct config *c = s->generation->config;

    for (unsigned i = 0; i < c->nmodels; i++) {
        struct model_policy *p = &s->models[i];

        snprintf(p->label, sizeof p->label, "%s@%s", p->name,
                 s->generation->short_revision);
        policy_open_series(s, p);
    }
}

struct policy_state *policy_state_new(struct generation *g,
                                      const struct policy_env *env,
                                      struct policy_fault *fault)
{
    struct vm_limits limits = {
        .state_bytes = g->config->settings.lua_state_max,
        .step_us = CEIL_LOAD_US,
    };
    struct policy_state *s = calloc(1, sizeof *s);
    struct vm_fault f = {.kind = VM_OK};

    if (!s || !(s->models = calloc(g->config->nmodels + 1, sizeof *s->models)) ||
        !(s->vm = vm_new(&limits))) {
        snprintf(fault->message, sizeof fault->message, "not enough memory");
        goto err;
    }
    vm_aside(s->vm, true);
    generation_hold(g);
    s->generation = g;
    s->env = *env;
    policy_init_bind(s);
    if (vm_enter(s->vm, open_library, s, &f) ||
        (env->lua_dir && vm_enter(s->vm, load_formats, s, &f)) ||
        vm_enter(s->vm, load_dialects, s, &f) ||
        load_all(s, &f)) {
        fault_from(fault, &f);
        goto err;
    }
    generation_seal(g);
    make_labels(s);
    vm_step_limit(s->vm, g->config->settings.step_limit);
    return s;
err:
    policy_state_free(s);
    return NULL;
}

void policy_state_free(struct policy_state *s)
{
    if (!s)
        return;
    vm_free(s->vm);
    buf_free(&s->bind.scratch);
    buf_free(&s->text);
    free(s->models);
    generation_release(s->generation);
    free(s);
}

static int test_policy(lua_State *L, void *arg)
{
    struct load_args *a = arg;

    lua_rawgeti(L, LUA_REGISTRYINDEX, a->s->ref_test);
    lua_rawgeti(L, LUA_REGISTRYINDEX, a->s->models[a->model].ref);
    lua_call(L, 1, 0);
    return 0;
}

int policy_state_test(struct policy_state *s, struct policy_fault *fault)
{
    struct vm_fault f;
    int bad = 0;

    vm_step_limit(s->vm, CEIL_LOAD_US);
    for (unsigned i = 0; !bad && i < s->generation->config->nmodels; i++) {
        struct load_args a = {s, i};

        bad = vm_enter(s->vm, test_policy, &a, &f);
    }
    vm_step_limit(s->vm, s->generation->config->settings.step_limit);
    if (bad)
        fault_from(fault, &f);
    return bad;
}

/* -- periodic functions ---------------------------------------------------- */

unsigned policy_timers(const struct policy_state *s)
{
    return s->ntimers;
}

double policy_timer_seconds(const struct policy_state *s, unsigned i)
{
    return s->timers[i].seconds;
}

static int run_timer(lua_State *L, void *arg)
{
    struct load_args *a = arg;
    struct policy_state *s = a->s;

    lua_rawgeti(L, LUA_REGISTRYINDEX, s->ref_tick);
    lua_rawgeti(L, LUA_REGISTRYINDEX,
                s->models[s->timers[a->model].model].ref);
    lua_pushinteger(L, s->timers[a->model].index);
    lua_call(L, 2, 0);
    return 0;
}

void policy_timer_run(struct policy_state *s, unsigned i)
{
    struct load_args a = {s, i};
    struct model_policy *p = &s->models[s->timers[i].model];
    struct vm_fault f = {.kind = VM_OK};

    s->bind.plan = NULL;
    s->bind.policy_name = p->name;
    s->bind.now = clock_now();
    s->bind.wall = clock_wall();
    vm_enter(s->vm, run_timer, &a, &f);
    policy_count(s, p, HOOK_EVERY, f.kind, clock_now() - s->bind.now);
    if (f.kind != VM_OK)
        s->env.log(s->env.log_arg, "error", f.message, strlen(f.message));
}
