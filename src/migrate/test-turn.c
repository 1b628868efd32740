/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/turn.h"

static GString *granted; /* the names, in order */

static void on_granted(void *owner)
{
    g_string_append(granted, owner);
}

typedef struct {
    Turns turns;
    Turn a, b, c, d;
} Scene;

static void scene_init(Scene *scene, unsigned most)
{
    *scene = (Scene){.turns = TURNS_INIT(on_granted)};
    scene->turns.most = most;
    g_string_truncate(granted, 0);
    turn_ask(&scene->a, &scene->turns, "a");
    turn_ask(&scene->b, &scene->turns, "b");
    turn_ask(&scene->c, &scene->turns, "c");
    turn_ask(&scene->d, &scene->turns, "d");
}

static void first_come_first_served(void)
{
    Scene scene;

    scene_init(&scene, 2);
    g_assert_true(scene.a.is_held && scene.b.is_held && !scene.c.is_held && !scene.d.is_held);
    g_assert_cmpuint(turn_others(&scene.a), ==, 0);
    g_assert_cmpuint(turn_others(&scene.c), ==, 2);
    g_assert_cmpuint(turn_others(&scene.d), ==, 3);
    turn_leave(&scene.b);
    g_assert_cmpstr(granted->str, ==, "c");
    g_assert_cmpuint(turn_others(&scene.d), ==, 2);
    turn_leave(&scene.a);
    turn_leave(&scene.c);
    turn_leave(&scene.d);
    g_assert_cmpstr(granted->str, ==, "cd");
    g_assert_cmpuint(scene.turns.under_way, ==, 0);
    g_assert_cmpuint(scene.turns.moves, ==, 4);
}

static void who_stops_waiting_gives_nothing_back(void)
{
    Scene scene;

    scene_init(&scene, 1);
    turn_leave(&scene.b);
    g_assert_false(turn_is_waiting(&scene.b));
    g_assert_cmpuint(scene.turns.moves, ==, 0);
    g_assert_cmpuint(turn_others(&scene.c), ==, 1);
    turn_leave(&scene.a);
    g_assert_cmpstr(granted->str, ==, "c");
    g_assert_cmpuint(scene.turns.under_way, ==, 1);
}

static void leaving_twice_is_leaving_once(void)
{
    Scene scene;

    scene_init(&scene, 1);
    turn_leave(&scene.a);
    turn_leave(&scene.a);
    g_assert_cmpstr(granted->str, ==, "b");
    g_assert_cmpuint(scene.turns.under_way, ==, 1);
}

static void without_a_limit_nobody_waits(void)
{
    Scene scene;

    scene_init(&scene, 0);
    g_assert_true(scene.d.is_held);
    g_assert_cmpuint(scene.turns.under_way, ==, 4);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    granted = g_string_new(NULL);
    g_test_add_func("/migrate/turn/first-come-first-served", first_come_first_served);
    g_test_add_func("/migrate/turn/who-stops-waiting-gives-nothing-back", who_stops_waiting_gives_nothing_back);
    g_test_add_func("/migrate/turn/leaving-twice-is-leaving-once", leaving_twice_is_leaving_once);
    g_test_add_func("/migrate/turn/without-a-limit-nobody-waits", without_a_limit_nobody_waits);
    status = g_test_run();
    g_string_free(granted, TRUE);
    return status;
}
