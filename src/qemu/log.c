/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that takes what QEMU itself writes.  Every start notes its arguments in it; the last
 * line behind them is what QEMU had to say when it died. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "qemu/guest-part.h"

#define TAIL_MAX (64 * 1024)
#define LOG_MAX  (8 * 1024 * 1024) /* a guest can make its QEMU complain without end */
/* A name of 255 bytes may be three times as long when encoded, and no file's name is. */
#define STEM_MAX 240
#define STEM_CUT 180
#define NOTE     ": starting up: "

char *guest_log_path(const QemuEnv *env, const char *name)
{
    g_autofree char *encoded = name_encode(name);
    g_autofree char *digest = NULL;

    if (strlen(encoded) <= STEM_MAX)
        return g_strdup_printf("%s/%s.log", env->log_dir, encoded);
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
    return g_strdup_printf("%s/%.*s~%.32s.log", env->log_dir, STEM_CUT, encoded, digest);
}

int guest_log_open(const QemuEnv *env, const char *name, char **argv, char **ret_path,
                   off_t *ret_start, GError **error)
{
    g_autofree char *path = guest_log_path(env, name);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%F %T.%f%z");
    g_autofree char *words = g_strjoinv(" ", argv);
    g_autofree char *note = g_strdup_printf("%s" NOTE "%s\n", time, words);
    auto_fd int fd = -1;

    if (!dir_make(env->log_dir, 0700, error))
        return -1;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error_errno(error, "cannot open log file '%s'", path);
        return -1;
    }
    if (write(fd, note, strlen(note)) < 0)
        log_warning("cannot write log file '%s': %s, continuing without", path, g_strerror(errno));
    *ret_start = lseek(fd, 0, SEEK_END);
    *ret_path = g_steal_pointer(&path);
    return fd_steal(&fd);
}

/* "2026-11-23T05:13:01.361000Z qemu-system-x86_64: text" without the first two. */
static const char *strip(const char *line)
{
    const char *space = strchr(line, ' ');
    const char *colon;

    if (space && space > line && g_ascii_isdigit(line[0]) && space[-1] == 'Z')
        line = space + 1;
    colon = strstr(line, ": ");
    if (colon && g_str_has_prefix(line, "qemu") && !memchr(line, ' ', (size_t)(colon - line)))
        line = colon + 2;
    return line;
}

/* What a healthy QEMU says as well. */
static gboolean is_small_talk(const char *words)
{
    return !words[0] || g_str_has_prefix(words, "warning: ") ||
           g_str_has_prefix(words, "char device redirected to ");
}

char *guest_log_pick(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *last = "";

    for (char **line = lines; *line; line++) {
        if (strstr(*line, NOTE))
            last = "";
        else if (!is_small_talk(strip(g_strstrip(*line))))
            last = strip(*line);
    }
    return g_utf8_make_valid(last, -1);
}

gboolean guest_log_bound(const char *path, off_t *start)
{
    auto_fd int fd = path ? open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW) : -1;
    static const char note[] = "(what stood here was more than a log may hold)\n";

    if (fd < 0 || lseek(fd, 0, SEEK_END) <= LOG_MAX)
        return FALSE;
    /* QEMU's descriptor appends: its next line goes to the new end. */
    if (ftruncate(fd, 0) < 0 || write(fd, note, strlen(note)) < 0)
        return FALSE;
    *start = 0;
    return TRUE;
}

char *guest_log_last_words(const char *path, off_t start)
{
    auto_fd int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    g_autofree char *text = g_malloc(TAIL_MAX + 1);
    off_t size;
    ssize_t n;

    if (fd < 0)
        return g_strdup("");
    size = lseek(fd, 0, SEEK_END);
    n = pread(fd, text, TAIL_MAX, MAX(MAX(start, 0), size - TAIL_MAX));
    text[MAX(n, 0)] = '\0';
    return guest_log_pick(text);
}
