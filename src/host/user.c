/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the user and group that QEMU runs as, once, at start-up. */
#include "host/user.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/number.h"

typedef struct {
    const char *user, *group; /* group NULL: the user's own */
} Candidate;

static const Candidate candidates[] = {
    {"libvirt-qemu", "kvm"}, /* stock's on Debian: images of either kind of host have one owner */
    {"ferry-qemu", NULL},
};

static gboolean find_user(const char *user, uid_t *ret_uid, gid_t *ret_gid)
{
    const struct passwd *entry;
    uint64_t number;

    if (number_parse_u64(user[0] == '+' ? user + 1 : user, G_MAXUINT32 - 1, &number)) {
        entry = getpwuid((uid_t)number);
        *ret_uid = (uid_t)number;
        *ret_gid = entry ? entry->pw_gid : (gid_t)number;
        return TRUE;
    }
    entry = getpwnam(user);
    if (!entry)
        return FALSE;
    *ret_uid = entry->pw_uid;
    *ret_gid = entry->pw_gid;
    return TRUE;
}

static gboolean find_group(const char *group, gid_t *ret_gid)
{
    const struct group *entry;
    uint64_t number;

    if (number_parse_u64(group[0] == '+' ? group + 1 : group, G_MAXUINT32 - 1, &number)) {
        *ret_gid = (gid_t)number;
        return TRUE;
    }
    entry = getgrnam(group);
    if (!entry)
        return FALSE;
    *ret_gid = entry->gr_gid;
    return TRUE;
}

gboolean host_user_find(const char *user, const char *group, HostUser *ret_user, GError **error)
{
    HostUser found = {.is_set = TRUE};

    if (geteuid() != 0) {
        *ret_user = (HostUser){0};
        return TRUE;
    }
    for (unsigned i = 0; !user && i < G_N_ELEMENTS(candidates); i++) {
        if (getpwnam(candidates[i].user)) {
            user = candidates[i].user;
            group = group ? group : candidates[i].group;
        }
    }
    if (!user)
        return error_set(error, ERROR_CONF_SYNTAX,
                         "neither user 'libvirt-qemu' nor 'ferry-qemu' exists to run QEMU as; "
                         "create one (useradd "
                         "--system ferry-qemu) or set 'user' in ferryd.conf");
    if (!find_user(user, &found.uid, &found.gid))
        return error_set(error, ERROR_CONF_SYNTAX, "user '%s' of ferryd.conf does not exist", user);
    if (group && !find_group(group, &found.gid))
        return error_set(error, ERROR_CONF_SYNTAX, "group '%s' of ferryd.conf does not exist",
                         group);
    found.name = g_strdup(user);
    *ret_user = found;
    return TRUE;
}

void host_user_clear(HostUser *user)
{
    g_free(user->name);
    *user = (HostUser){0};
}
