/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A migration tried out on one side without anything being changed: what the procedures migration_check_… answer. */
#pragma once

#include <glib.h>

#include "migrate/check.h"

/* An answer within so long, whatever hangs. */
#define REHEARSAL_MS     2000
#define REHEARSAL_WAY_MS 4000

/* What all three are asked. */
typedef struct {
    const Params *params;
    uint64_t flags;
    const char *peer_uri; /* peer-to-peer: of the destination's daemon, as seen from the source; may be NULL */
    const struct sockaddr_storage *control_local; /* where the calling connection arrived; NULL: a unix socket */
} RehearsalRequest;

/* All: the rows, which the caller frees, and in *ret_scene (a new reference; NULL: there is none) what was found for the
 * other side.  A scene is to be kept until the other side has answered, then closed. */
AWAITS GPtrArray *rehearse_source(Domain *domain, const RehearsalRequest *request, char **ret_xml, CheckScene **ret_scene);
/* peer (taken): the source's facts; NULL: it is no ferryd. */
AWAITS GPtrArray *rehearse_destination(const char *xml, const RehearsalRequest *request, Params *peer, CheckScene **ret_scene);
/* The source again, once the destination listens.  peer (taken): the destination's facts.  held: what the source has kept,
 * NULL: nothing.  *ret_reached: addresses that are proven, -1: none was tried. */
AWAITS GPtrArray *rehearse_way(Domain *domain, const RehearsalRequest *request, Params *peer, CheckScene *held, int *ret_reached);
/* The destination again, if the source has reached nothing: it calls back.  scene: what it has kept. */
AWAITS GPtrArray *rehearse_back(CheckScene *scene, int *ret_reached);
