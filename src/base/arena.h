/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arena: memory that is given back all at once.  What is decoded from one message lives in one. */
#pragma once

#include <glib.h>

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *arena);

/* Zeroed, aligned for any type.  Never NULL; callers check sizes from outside against a limit first. */
void *arena_alloc(Arena *arena, size_t size);
/* A copy of len bytes with a NUL behind them. */
char *arena_strndup(Arena *arena, const char *text, size_t len);
char *arena_strdup(Arena *arena, const char *text);
char *arena_printf(Arena *arena, const char *format, ...) G_GNUC_PRINTF(2, 3);
#define arena_new0(arena, Type, count) ((Type *)arena_alloc((arena), sizeof(Type) * (size_t)(count)))

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Arena, arena_free)
