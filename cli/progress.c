/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress of a migration. */
#include "progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "size.h"

static const struct {
    const char *phase, *text;
} phase_texts[] = {
    {"begin", "asking the source"}, {"prepare", "getting the destination ready"},
    {"p2p", "asking the other host"}, {"arrive", "taking memory in"},
    {"perform", "copying memory"},  {"finish", "switching over"},
    {"confirm", "tidying up"},
};

const char *progress_phase_text(const char *phase)
{
    for (size_t i = 0; i < G_N_ELEMENTS(phase_texts); i++)
        if (g_strcmp0(phase, phase_texts[i].phase) == 0)
            return phase_texts[i].text;
    return phase ?: "";
}

char *progress_text(const FerryProgress *numbers, gboolean is_aborting)
{
    GString *text = g_string_new(NULL);
    g_autofree char *rate = size_text(numbers->bytes_per_s);
    g_autofree char *left = size_text(numbers->remaining_bytes);
    g_autofree char *dirty = size_text(numbers->dirty_pages_per_s * numbers->page_bytes);

    if (numbers->has_numbers)
        g_string_append_printf(text, "[%3d %%] ", numbers->percent);
    if (numbers->waits_for && !is_aborting) {
        g_string_append_printf(text, "waiting for its turn: %u %s first", numbers->waits_for,
                               numbers->waits_for == 1 ? "other goes" : "others go");
        return g_string_free(text, FALSE);
    }
    g_string_append(text, is_aborting ? "aborting" : progress_phase_text(numbers->phase));
    if (!numbers->has_numbers)
        return g_string_free(text, FALSE);
    if (numbers->bytes_per_s)
        g_string_append_printf(text, ", %s/s", rate);
    g_string_append_printf(text, ", %s left", left);
    if (numbers->dirty_pages_per_s && numbers->page_bytes)
        g_string_append_printf(text, ", guest writes %s/s", dirty);
    if (numbers->expected_downtime_ms >= 0)
        g_string_append_printf(text, ", downtime about %" G_GINT64_FORMAT " ms",
                               numbers->expected_downtime_ms);
    return g_string_free(text, FALSE);
}

static int terminal_width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void progress_show(Progress *progress, const FerryProgress *numbers)
{
    g_autofree char *text = NULL;

    switch (progress->style) {
    case PROGRESS_NONE:
        return;
    case PROGRESS_PERCENT:
        if (!numbers->has_numbers)
            return;
        fprintf(stderr, "\rMigration: [%3d %%]", numbers->percent);
        break;
    case PROGRESS_LINE:
        text = progress_text(numbers, progress->is_aborting);
        fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, text);
        break;
    }
    progress->has_line = TRUE;
    fflush(stderr);
}

void progress_end(Progress *progress, gboolean is_success)
{
    if (progress->style == PROGRESS_PERCENT && is_success)
        fprintf(stderr, "\rMigration: [100 %%]\n");
    else if (progress->style == PROGRESS_PERCENT && progress->has_line)
        fputc('\n', stderr);
    else if (progress->style == PROGRESS_LINE && progress->has_line)
        fputs("\r\033[K", stderr);
    fflush(stderr);
}
