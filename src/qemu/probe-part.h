/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the probe share: asking, and reading the answers. */
#pragma once

#include <json-c/json.h>

#include "qemu/probe.h"

/* Asks the program itself: one object with a member per question.  The caller owns it
 * (json_object_put). */
AWAITS json_object *probe_ask(const QemuEnv *env, const char *emulator, gboolean with_kvm,
                              GError **error);

/* Pure: answers to a probe, or NULL with what is missing.  Answers from a file are as little
 * trusted as those of a program. */
Probe *probe_read(const char *emulator, json_object *answers, GError **error);
void probe_free(Probe *probe);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Probe, probe_free)
