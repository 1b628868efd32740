/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/note.h"

#include <signal.h>
#include <unistd.h>

#include "base/number.h"
#include "loop/child.h"

void note_end(const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;
    guint64 pid = 0, start_time = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return;
    words = g_strsplit(text, " ", 2);
    if (g_strv_length(words) == 2 && number_parse_u64(words[0], G_MAXINT, &pid) && pid > 1 &&
        number_parse_u64(words[1], G_MAXUINT64, &start_time) && start_time &&
        process_start_time((pid_t)pid) == start_time)
        kill((pid_t)pid, SIGKILL);
    unlink(path);
}
