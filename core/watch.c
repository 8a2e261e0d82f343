/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders are watched, not files: a file that is replaced takes its watch with
 * it. An event counts when its name is that of a file wanted there; for a link,
 * what it leads to is wanted as well.
 */
#include "watch.h"

#include "timer.h"

#include <event2/event.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is moved into place is complete; only others of its kind may follow. A file
 * that is written may be written on, and one that goes will come back. */
#define COMPLETE_US (2 * US_PER_MS)
#define QUIET_US (50 * US_PER_MS)
#define BURST_US (500 * US_PER_MS)
#define LOOK_AGAIN_US US_PER_S
#define LINKS 8                 /* followed from one path */

#define CHANGES (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | \
                 IN_CREATE)
#define GONE (IN_DELETE_SELF | IN_MOVE_SELF)

/* One name in one folder. */
struct wanted {
    struct wanted *next;
    int wd;                     /* of its folder; -1: the folder is not there */
    char *name;                 /* points into ${path} */
    char path[];                /* the folder, NUL, the name */
};

struct watch {
    int fd;
    struct event event;
    struct timer quiet, look;
    us_t first;                 /* of a burst; 0: none */
    bool unfinished;            /* not all of it was moved into place */
    struct wanted *wanted;
    void (*changed)(void *arg);
    void *arg;
};

static void note(struct watch *w, bool complete)
{
    us_t now = clock_now(), due, latest;

    if (!w->first)
        w->first = now;
    w->unfinished |= !complete;
    due = now + (w->unfinished ? QUIET_US : COMPLETE_US);
    latest = w->first + BURST_US;
    timer_at(&w->quiet, due < latest ? due : latest);
}

static void on_quiet(void *arg)
{
    struct watch *w = arg;

    w->first = 0;
    w->unfinished = false;
    w->changed(w->arg);
}

/* -- what is wanted ---------------------------------------------------------- */

static void start(struct watch *w, struct wanted *one)
{
    one->wd = inotify_add_watch(w->fd, one->path, CHANGES | GONE | IN_ONLYDIR);
    if (one->wd >= 0)
        return;
    timer_at(&w->look, clock_now() + LOOK_AGAIN_US);
}

/* A folder that has come back may hold anything. */
static void on_look(void *arg)
{
    struct watch *w = arg;

    for (struct wanted *one = w->wanted; one; one = one->next) {
        if (one->wd >= 0)
            continue;
        start(w, one);
        if (one->wd >= 0)
            note(w, false);
    }
}

static struct wanted *find(struct wanted *list, const char *dir,
                           const char *name)
{
    for (; list; list = list->next)
        if (strcmp(list->path, dir) == 0 && strcmp(list->name, name) == 0)
            return list;
    return NULL;
}

static void want(struct watch *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct wanted *one = calloc(1, sizeof *one + strlen(path) + 4);

    if (!one)
        return;
    if (slash)
        memcpy(one->path, path, slash == path ? 1 : (size_t)(slash - path));
    else
        strcpy(one->path, ".");
    one->name = one->path + strlen(one->path) + 1;
    strcpy(one->name, name);
    if (!name[0] || find(w->wanted, one->path, name)) {
        free(one);
        return;
    }
    start(w, one);
    one->next = w->wanted;
    w->wanted = one;
}

static bool is_link(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* The folders above ${path} that are links: switching one changes the file. */
static void want_folders(struct watch *w, const char *path)
{
    char folder[PATH_MAX];
    char *slash;

    snprintf(folder, sizeof folder, "%s", path);
    while ((slash = strrchr(folder, '/')) && slash > folder) {
        *slash = '\0';
        if (is_link(folder))
            want(w, folder);
    }
}

/* One step along the link ${path}, in place. false: it does not fit. */
static bool follow(char path[PATH_MAX])
{
    char to[PATH_MAX], joined[2 * PATH_MAX];
    char *slash = strrchr(path, '/');
    ssize_t n = readlink(path, to, sizeof to - 1);

    if (n <= 0)
        return false;
    to[n] = '\0';
    if (to[0] == '/' || !slash)
        snprintf(joined, sizeof joined, "%s", to);
    else
        snprintf(joined, sizeof joined, "%.*s/%s", (int)(slash - path), path, to);
    if (strlen(joined) >= PATH_MAX)
        return false;
    strcpy(path, joined);
    return true;
}

static void want_chain(struct watch *w, const char *path)
{
    char at[PATH_MAX];

    if (strlen(path) >= sizeof at)
        return;
    strcpy(at, path);
    for (int i = 0; i < LINKS; i++) {
        want(w, at);
        want_folders(w, at);
        if (!is_link(at) || !follow(at))
            return;
    }
}

static bool in_use(const struct wanted *list, int wd)
{
    for (; list; list = list->next)
        if (list->wd == wd)
            return true;
    return false;
}

static void forget(struct watch *w, struct wanted *list)
{
    while (list) {
        struct wanted *one = list;

        list = one->next;
        if (one->wd >= 0 && !in_use(w->wanted, one->wd) &&
            !in_use(list, one->wd))
            inotify_rm_watch(w->fd, one->wd);
        free(one);
    }
}

/* New ones first: a folder that stays keeps its watch and what is queued. */
void watch_set(struct watch *w, const char *const *paths, size_t n)
{
    struct wanted *old = w->wanted;

    w->wanted = NULL;
    timer_at(&w->look, US_NEVER);
    for (size_t i = 0; i < n; i++)
        want_chain(w, paths[i]);
    forget(w, old);
}

/* -- what happens ------------------------------------------------------------- */

/* A file just made is written next, and then closed; a link is complete. */
static bool is_complete(const struct wanted *one)
{
    char path[2 * PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", one->path, one->name);
    return lstat(path, &st) || !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

static void lost(struct watch *w, int wd)
{
    for (struct wanted *one = w->wanted; one; one = one->next)
        if (one->wd == wd) {
            one->wd = -1;
            timer_at(&w->look, clock_now() + LOOK_AGAIN_US);
        }
}

static void take(struct watch *w, const struct inotify_event *e)
{
    if (e->mask & IN_IGNORED)
        lost(w, e->wd);
    if (e->mask & IN_Q_OVERFLOW)
        note(w, false);
    for (struct wanted *one = w->wanted; one; one = one->next) {
        if (one->wd != e->wd)
            continue;
        if (e->mask & GONE)
            note(w, false);
        else if (e->len && strcmp(e->name, one->name) == 0 &&
                 (!(e->mask & IN_CREATE) || is_complete(one)))
            note(w, e->mask & IN_MOVED_TO);
    }
}

static void on_events(evutil_socket_t fd, short what, void *arg)
{
    _Alignas(struct inotify_event) char bytes[16384];
    const struct inotify_event *e;
    ssize_t n = read(fd, bytes, sizeof bytes);

    (void)what;
    for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof *e + e->len)) {
        e = (const struct inotify_event *)(const void *)(bytes + at);
        take(arg, e);
    }
}

struct watch *watch_new(struct event_base *base, void (*changed)(void *arg),
                        void *arg)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->changed = changed;
    w->arg = arg;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        free(w);
        return NULL;
    }
    timer_init(&w->quiet, base, on_quiet, w);
    timer_init(&w->look, base, on_look, w);
    event_assign(&w->event, base, w->fd, EV_READ | EV_PERSIST, on_events, w);
    event_add(&w->event, NULL);
    return w;
}

void watch_free(struct watch *w)
{
    struct wanted *list;

    if (!w)
        return;
    list = w->wanted;
    w->wanted = NULL;
    forget(w, list);
    event_del(&w->event);
    timer_drop(&w->quiet);
    timer_drop(&w->look);
    close(w->fd);
    free(w);
}
