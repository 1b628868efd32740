/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns. */
#include "migrate/turn.h"

static gboolean has_room(const Turns *turns)
{
    return !turns->most || turns->under_way < turns->most;
}

static void hold(Turn *turn)
{
    turn->is_held = TRUE;
    turn->turns->under_way++;
}

void turn_ask(Turn *turn, Turns *turns, void *owner)
{
    g_assert(!turn->turns);
    *turn = (Turn){.turns = turns, .owner = owner, .link = {.data = turn}};
    if (has_room(turns) && g_queue_is_empty(&turns->waiting))
        hold(turn);
    else
        g_queue_push_tail_link(&turns->waiting, &turn->link);
}

void turn_leave(Turn *turn)
{
    Turns *turns = g_steal_pointer(&turn->turns);

    if (!turns)
        return;
    if (turn->is_held) {
        turns->under_way--;
        turns->moves++;
    } else {
        g_queue_unlink(&turns->waiting, &turn->link);
    }
    turn->is_held = FALSE;
    while (has_room(turns) && !g_queue_is_empty(&turns->waiting)) {
        Turn *next = g_queue_pop_head_link(&turns->waiting)->data;

        hold(next);
        turns->granted(next->owner);
    }
}

gboolean turn_is_waiting(const Turn *turn)
{
    return turn->turns && !turn->is_held;
}

unsigned turn_others(const Turn *turn)
{
    if (!turn_is_waiting(turn))
        return 0;
    return turn->turns->under_way + (unsigned)g_queue_link_index(&turn->turns->waiting, (GList *)&turn->link);
}
