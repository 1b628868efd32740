/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"

#define ENVIRONMENT_MAX (256 * 1024)
#define COMMAND_MAX     (1024 * 1024)
#define TABLE_MAX       (64 * 1024 * 1024)
#define LISTENING       0x0A

static void own_process_free(void *data)
{
    OwnProcess *process = data;

    g_free(process->name);
    g_free(process);
}

/* --- one process --- */

/* Of strings that each end with NUL: the rest of the one that begins so; NULL: none does. */
static const char *find_word(const char *words, size_t len, const char *begin)
{
    for (const char *word = words; word && word < words + len; word += strlen(word) + 1)
        if (g_str_has_prefix(word, begin))
            return word + strlen(begin);
    return NULL;
}

/* "guest=NAME,debug-threads=on"; a comma in the name is doubled. */
static char *guest_name(const char *option)
{
    GString *name = g_string_new(NULL);

    for (; *option && !(option[0] == ',' && option[1] != ','); option++) {
        g_string_append_c(name, *option);
        option += *option == ',';
    }
    return g_string_free(name, FALSE);
}

/* Parent and start time: fields 4 and 22, behind the name, which may hold anything. */
static gboolean read_stat(const char *dir, pid_t *ret_parent, guint64 *ret_start_time)
{
    g_autofree char *path = g_strconcat(dir, "/stat", NULL);
    g_autofree char *text = file_read(path, 4096, NULL, NULL);
    const char *behind = text ? strrchr(text, ')') : NULL;
    g_auto(GStrv) fields = behind && strlen(behind) > 2 ? g_strsplit(behind + 2, " ", 21) : NULL;
    uint64_t parent, start_time;

    if (!fields || g_strv_length(fields) < 20 || !number_parse_u64(fields[1], G_MAXINT, &parent) ||
        !number_parse_u64(fields[19], UINT64_MAX, &start_time))
        return FALSE;
    *ret_parent = (pid_t)parent;
    *ret_start_time = start_time;
    return TRUE;
}

/* FALSE: it has not our mark. */
static gboolean read_mark(const char *dir, const char *run_dir, OwnProcess *process)
{
    g_autofree char *path = g_strconcat(dir, "/environ", NULL);
    size_t len = 0;
    g_autofree char *environment = file_read(path, ENVIRONMENT_MAX, &len, NULL);
    const char *home = environment ? find_word(environment, len, "HOME=") : NULL;
    const size_t run_len = strlen(run_dir);

    if (!home || strncmp(home, run_dir, run_len) != 0)
        return FALSE;
    process->has_guest = home[run_len] == '/' && uuid_parse(home + run_len + 1, &process->uuid);
    return process->has_guest || home[run_len] == '\0';
}

static void read_command(const char *dir, OwnProcess *process)
{
    g_autofree char *path = g_strconcat(dir, "/cmdline", NULL);
    size_t len = 0;
    g_autofree char *words = file_read(path, COMMAND_MAX, &len, NULL);
    const char *name = words ? find_word(words, len, "guest=") : NULL;

    process->name = name ? guest_name(name) : NULL;
}

/* NULL: not ours, or gone. */
static OwnProcess *read_process(const char *proc, pid_t pid, const char *run_dir)
{
    g_autofree char *dir = g_strdup_printf("%s/%d", proc, (int)pid);
    OwnProcess *process = g_new0(OwnProcess, 1);

    process->pid = pid;
    if (read_mark(dir, run_dir, process) && read_stat(dir, &process->parent, &process->start_time)) {
        read_command(dir, process);
        return process;
    }
    own_process_free(process);
    return NULL;
}

/* --- all --- */

static int by_pid(const void *a, const void *b)
{
    const OwnProcess *left = *(OwnProcess *const *)a, *right = *(OwnProcess *const *)b;

    return left->pid - right->pid;
}

GPtrArray *process_list(const char *proc, const char *run_dir)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(own_process_free);
    g_autoptr(GDir) dir = g_dir_open(proc, 0, NULL);
    uint64_t pid;

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        OwnProcess *process = number_parse_u64(name, G_MAXINT, &pid) ? read_process(proc, (pid_t)pid, run_dir) : NULL;

        if (process)
            g_ptr_array_add(list, process);
    }
    g_ptr_array_sort(list, by_pid);
    return list;
}

OwnProcess *process_find_guest(const GPtrArray *processes, const Uuid *uuid)
{
    for (unsigned i = 0; i < processes->len; i++) {
        OwnProcess *process = processes->pdata[i];

        if (process->has_guest && uuid_equal(&process->uuid, uuid))
            return process;
    }
    return NULL;
}

/* --- what they hold --- */

static char *proc_path(const char *proc, pid_t pid, const char *what)
{
    return pid ? g_strdup_printf("%s/%d/%s", proc, (int)pid, what) : g_strdup_printf("%s/self/%s", proc, what);
}

static void add_tap(const char *path, GHashTable *taps)
{
    g_autofree char *text = file_read(path, 65536, NULL, NULL);
    char *name = text ? strstr(text, "iff:\t") : NULL;

    if (!name)
        return;
    name += strlen("iff:\t");
    name[strcspn(name, "\n")] = '\0';
    g_hash_table_add(taps, g_strdup(name));
}

static void add_inode(const char *path, GHashTable *inodes)
{
    g_autofree char *target = g_file_read_link(path, NULL);
    unsigned long inode;

    if (target && sscanf(target, "socket:[%lu]", &inode) == 1)
        g_hash_table_add(inodes, (void *)inode);
}

void process_holds(const char *proc, pid_t pid, GHashTable *taps, GHashTable *inodes)
{
    g_autofree char *fds = proc_path(proc, pid, "fd");
    g_autofree char *infos = proc_path(proc, pid, "fdinfo");
    g_autoptr(GDir) dir = g_dir_open(infos, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *info = g_build_filename(infos, name, NULL);
        g_autofree char *fd = g_build_filename(fds, name, NULL);

        if (taps)
            add_tap(info, taps);
        if (inodes)
            add_inode(fd, inodes);
    }
}

GHashTable *process_all_taps(const char *proc)
{
    GHashTable *taps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GDir) dir = g_dir_open(proc, 0, NULL);
    g_autofree char *own_path = proc_path(proc, 0, "ns/net");
    g_autofree char *own = g_file_read_link(own_path, NULL);
    uint64_t pid;

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_strdup_printf("%s/%s/ns/net", proc, name);
        g_autofree char *space = NULL;

        if (number_parse_u64(name, G_MAXINT, &pid) && (space = g_file_read_link(path, NULL)) && g_strcmp0(space, own) == 0)
            process_holds(proc, (pid_t)pid, taps, NULL);
    }
    return taps;
}

static void add_listening(const char *proc, const char *table, GHashTable *ports)
{
    g_autofree char *path = g_strdup_printf("%s/self/net/%s", proc, table);
    g_autofree char *text = file_read(path, TABLE_MAX, NULL, NULL);
    g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", -1);

    for (char **line = lines; *line; line++) {
        unsigned port, state;
        unsigned long inode;

        if (sscanf(*line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*d %lu", &port, &state, &inode) == 3 &&
            state == LISTENING)
            g_hash_table_insert(ports, GUINT_TO_POINTER(port), (void *)inode);
    }
}

GHashTable *process_listening(const char *proc)
{
    GHashTable *ports = g_hash_table_new(NULL, NULL);

    add_listening(proc, "tcp", ports);
    add_listening(proc, "tcp6", ports);
    return ports;
}
