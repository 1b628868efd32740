/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domain XML: any bytes end in a definition or in one clean error; a definition that define
 * accepted reads back as itself, copies to itself, and arrives at a destination as the same
 * hardware. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "model/guest-def.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_bytes(void *data, void *buffer, size_t len)
{
    memset(buffer, 0x11, len);
}

static gboolean fill(GuestDef *def)
{
    static const GuestMachineAlias aliases[] = {
        {"q35", "pc-q35-7.2"}, {"pc", "pc-i440fx-7.2"}, {NULL}};
    static const GuestFacts facts = {.emulator = "/usr/bin/qemu-system-x86_64",
                                     .machine_aliases = aliases,
                                     .random_bytes = same_bytes};
    g_autoptr(GError) error = NULL;

    if (guest_def_fill_defaults(def, &facts, &error))
        return TRUE;
    g_assert_nonnull(error);
    return FALSE;
}

/* What we print ourselves is always accepted. */
static GuestDef *read_back(const char *xml, GuestParseFlags flags)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestDef) def = guest_def_parse(xml, strlen(xml), flags, &error);

    if (!def)
        g_error("%s\n%s", error->message, xml);
    if (!fill(def))
        g_error("what was filled before is refused:\n%s", xml);
    return g_steal_pointer(&def);
}

static void check_round(const GuestDef *def, GuestFormatFlags format, GuestParseFlags parse)
{
    g_autofree char *first = guest_def_format(def, format), *second = NULL;
    g_autoptr(GuestDef) back = read_back(first, parse);
    g_autoptr(GError) error = NULL;

    second = guest_def_format(back, format);
    g_assert_cmpstr(first, ==, second);
    if (!guest_def_compare_abi(def, back, &error))
        g_error("%s\n%s", error->message, first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestDef) def = guest_def_parse((const char *)data, size, GUEST_PARSE_LIVE, &error),
                        copy = NULL;
    g_autofree char *text = NULL, *copied = NULL;

    if (!def) {
        g_assert_nonnull(error);
        return 0;
    }
    if (!fill(def))
        return 0;
    check_round(def, GUEST_FORMAT_INACTIVE, GUEST_PARSE_INACTIVE);
    check_round(def, GUEST_FORMAT_MIGRATABLE, GUEST_PARSE_INACTIVE);
    guest_def_assign_aliases(def);
    check_round(def, GUEST_FORMAT_LIVE, GUEST_PARSE_LIVE);
    copy = guest_def_copy(def);
    text = guest_def_format(def, GUEST_FORMAT_LIVE);
    copied = guest_def_format(copy, GUEST_FORMAT_LIVE);
    g_assert_cmpstr(text, ==, copied);
    return 0;
}
