/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks systemd over the system bus, on a worker: a bus that hangs must not hold up a guest.  Its
 * library comes with the first guest: with its own libraries it would weigh as much as all of an
 * idle ferryd's heap, also where no guest is ever started or systemd does not run. */
#include "host/scope.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-bus.h>
#endif

#define ENTER_MS  (10 * 1000)
#define SLICE_MAX 200

char *scope_slice_name(const char *partition)
{
    g_autoptr(GString) name = g_string_new(NULL);
    const char *path = partition ? partition : "/machine";

    if (path[0] != '/' || !path[1] || strlen(path) > SLICE_MAX)
        return NULL;
    for (const char *c = path + 1; *c; c++) {
        if (*c == '/' && c[1] && c[1] != '/')
            g_string_append_c(name, '-'); /* a dash is what stands between the levels of a slice */
        else if (g_ascii_isalnum(*c) || *c == '_')
            g_string_append_c(name, *c);
        else
            g_string_append_printf(name, "\\x%02x", (unsigned char)*c);
    }
    return g_strdup_printf("%s.slice", name->str);
}

gboolean scope_is_available(void)
{
#ifdef HAVE_SYSTEMD
    return geteuid() == 0 && access("/run/systemd/system", F_OK) == 0;
#else
    return FALSE;
#endif
}

#ifdef HAVE_SYSTEMD
typedef struct {
    char *unit, *description, *slice;
    uint32_t pid;
} Request;

/* What is used of libsystemd, by the types of its header. */
typedef struct {
    __typeof__(&sd_bus_open_system) open_system;
    __typeof__(&sd_bus_call_method) call_method;
    __typeof__(&sd_bus_flush_close_unref) flush_close_unref;
    __typeof__(&sd_bus_error_free) error_free;
} BusLibrary;

/* Once in a process, and for good. */
static const BusLibrary *library_get(GError **error)
{
    static GMutex lock;
    static BusLibrary library;
    static gboolean is_loaded;
    const struct {
        const char *name;
        void *slot;
    } functions[] = {{"sd_bus_open_system", &library.open_system},
                     {"sd_bus_call_method", &library.call_method},
                     {"sd_bus_flush_close_unref", &library.flush_close_unref},
                     {"sd_bus_error_free", &library.error_free}};
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    void *handle = is_loaded ? NULL : dlopen("libsystemd.so.0", RTLD_LAZY | RTLD_LOCAL);

    for (unsigned i = 0; handle && i < G_N_ELEMENTS(functions); i++) {
        void *found = dlsym(handle, functions[i].name);

        memcpy(functions[i].slot, &found, sizeof found);
        is_loaded = found != NULL;
        if (!found)
            handle = NULL;
    }
    if (is_loaded)
        return &library;
    error_set(error, ERROR_DBUS_SERVICE, "cannot use libsystemd to ask systemd for a scope: %s",
              dlerror());
    return NULL;
}

static void request_free(void *data)
{
    Request *request = data;

    g_free(request->unit);
    g_free(request->description);
    g_free(request->slice);
    g_free(request);
}

static gboolean call_failed(const Request *request, const sd_bus_error *bus_error, int number,
                            GError **error)
{
    return error_set(error, ERROR_DBUS_SERVICE, "cannot make '%s': %s", request->unit,
                     bus_error->message ? bus_error->message : g_strerror(-number));
}

/* On a worker. */
static gboolean request_work(void *data, GError **error)
{
    Request *request = data;
    const BusLibrary *library = library_get(error);
    sd_bus_error bus_error = SD_BUS_ERROR_NULL;
    sd_bus *bus = NULL;

    if (!library)
        return FALSE;
    int status = library->open_system(&bus);

    /* clang-format off */
    if (status >= 0)
        status = library->call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                      "org.freedesktop.systemd1.Manager", "StartTransientUnit",
                                      &bus_error, NULL, "ssa(sv)a(sa(sv))",
                                      request->unit, "fail", /* mode: no second one of that name */
                                      4,                     /* properties */
                                      "Description", "s", request->description,
                                      "Slice", "s", request->slice,
                                      "PIDs", "au", 1, request->pid,
                                      "Delegate", "b", 1,
                                      0); /* auxiliary units */
    /* clang-format on */
    const gboolean is_done = status >= 0 || call_failed(request, &bus_error, status, error);

    library->error_free(&bus_error);
    library->flush_close_unref(bus);
    return is_done;
}
#endif

AWAITS gboolean scope_enter(pid_t pid, const char *name, const char *description,
                            const char *partition, GError **error)
{
    g_autofree char *slice = scope_slice_name(partition);

    if (!slice)
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: resource partition '%s' is not a path like /machine/web",
            partition);
#ifdef HAVE_SYSTEMD
    Request *request = g_new0(Request, 1);

    request->unit = g_strdup_printf("%s.scope", name);
    request->description = g_strdup(description);
    request->slice = g_steal_pointer(&slice);
    request->pid = (uint32_t)pid;
    g_autoptr(Work) work = work_new("systemd's answer", request_work, request, request_free);
    return work_run(work, ENTER_MS, error);
#else
    return error_set(error, ERROR_OPERATION_UNSUPPORTED, "built without systemd");
#endif
}
