/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service functions share: finding the domain that a call names, filling one into an
 * answer, flags. */
#pragma once

#include <glib.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/params.h"
#include "domain/domain.h"
#include "host/node.h"
#include "loop/task.h"
#include "qemu/env.h"
#include "server/server.h"
#include "wire/procedures.h"

/* What this daemon answers about itself and its host; filled by ferryd, then constant. */
typedef struct {
    const QemuEnv *qemu;
    const Node *node;
    Uuid host_uuid;
    gboolean is_session;
} ServiceSettings;
void service_init(const ServiceSettings *settings);
const ServiceSettings *service_settings(void);

/* The domain of a call: by uuid only, as the wire wants it.  A new reference. */
Domain *service_find(const WireDomain *dom, GError **error);
void service_fill(WireDomain *ret_dom, const Domain *domain, Arena *arena);

/* Bits beyond `known` are ERROR_INVALID_ARG, as clients expect who retry without them. */
gboolean service_check_flags(unsigned flags, unsigned known, const char *function, GError **error);
/* Text as the array of characters that a few old calls have. */
void service_fill_chars(char **ret_chars, uint32_t *ret_count, const char *text, Arena *arena);

/* The definition that LIVE (1), CONFIG (2) or neither (CURRENT) means; borrowed.  NULL with
 * ERROR_OPERATION_INVALID. */
const GuestDef *service_choose_definition(const Domain *domain, unsigned flags, GError **error);
