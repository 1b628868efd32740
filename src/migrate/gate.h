/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers the gate of domain/owner; see migrate_init in migrate/migration.h. */
#pragma once

#include "domain/owner.h"
