/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests whose hand-over is not settled. */
#include "doubt.h"

FerryMigrationRow *doubt_of(FerryDomain *domain)
{
    FerryMigrationRow *rows = ferry_migrations_list(ferry_domain_connection(domain),
                                                    ferry_domain_uuid(domain), false, NULL);

    if (rows && rows[0].id && rows[0].state == FERRY_MIGRATION_WAITING)
        return rows;
    ferry_migration_rows_free(rows);
    return NULL;
}

char *time_text(gint64 wall_ms)
{
    g_autoptr(GDateTime) time = wall_ms ? g_date_time_new_from_unix_local(wall_ms / 1000) : NULL;

    return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("");
}

char *doubt_text(const FerryMigrationRow *doubt)
{
    return doubt ? g_strdup(doubt->sentence) : NULL;
}

char *kept_text(FerryDomain *domain)
{
    char **messages = ferry_domain_messages(domain, NULL);
    char *text = NULL;

    for (char **message = messages; message && *message && !text; message++)
        if (g_str_has_prefix(*message, "kept here after a migration") || g_str_has_prefix(*message, "here after a migration"))
            text = g_strdup(*message);
    ferry_strv_free(messages);
    return text;
}
