/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arena: a list of blocks, filled from the front. */
#include "base/arena.h"

#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#define BLOCK_SIZE 4096

typedef struct Block Block;
struct Block {
    Block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) char bytes[];
};

struct Arena {
    Block *blocks; /* the first is the one being filled */
};

Arena *arena_new(void)
{
    return g_new0(Arena, 1);
}

void arena_free(Arena *arena)
{
    if (!arena)
        return;
    for (Block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        g_free(block);
    }
    g_free(arena);
}

void *arena_alloc(Arena *arena, size_t size)
{
    Block *block = arena->blocks;
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

    g_assert(rounded >= size);
    if (!block || block->size - block->used < rounded) {
        size_t room = MAX(rounded, BLOCK_SIZE - sizeof(Block));

        block = g_malloc0(sizeof(Block) + room);
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    block->used += rounded;
    return block->bytes + block->used - rounded;
}

char *arena_strndup(Arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);

    memcpy(copy, text, len);
    return copy;
}

char *arena_strdup(Arena *arena, const char *text)
{
    return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_printf(Arena *arena, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return arena_strdup(arena, text);
}
