/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help and completion, from the commands' entries. */
#pragma once

#include "command.h"

void help_print_all(void);
void help_print(const Command *command);
