/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/note.h"

#include <signal.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "loop/child.h"

#define NOTE_MAX 256

/* 0: there is none, or it has ended. */
static pid_t read_pid(const char *path)
{
    g_autofree char *text = file_read(path, NOTE_MAX, NULL, NULL);
    g_auto(GStrv) words = g_strsplit(text ?: "", " ", 2);
    guint64 pid = 0, start_time = 0;

    if (g_strv_length(words) == 2 && number_parse_u64(words[0], G_MAXINT, &pid) && pid > 1 &&
        number_parse_u64(words[1], G_MAXUINT64, &start_time) && start_time &&
        process_start_time((pid_t)pid) == start_time)
        return (pid_t)pid;
    return 0;
}

gboolean note_is_true(const char *path)
{
    return read_pid(path) != 0;
}

void note_end(const char *path)
{
    const pid_t pid = read_pid(path);

    if (pid)
        kill(pid, SIGKILL);
    unlink(path);
}
