/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The race. */
#include "migrate/race.h"

#include <string.h>

#include "base/clock.h"
#include "host/address.h"
#include "loop/loop.h"
#include "migrate/candidate.h"

typedef struct {
    Race *race; /* borrows */
    struct sockaddr_storage address;
    char *origin;
    Greeting *greeting; /* NULL: not dialled yet */
} Runner;

struct Race {
    GPtrArray *runners; /* Runner, best first */
    unsigned started;
    HelloTerms terms;
    OwnerSide side;
    LaneName lane;
    int64_t patience_ms;
    Timer *stagger;
    Timer *grace;   /* running: somebody is proven, a better one is under way */
    int winner;     /* -1 */
    gboolean is_over;
    int64_t started_us, ended_us;
    RaceFunc fn;
    void *data;
};

static void runner_free(void *data)
{
    Runner *runner = data;

    greeting_free(runner->greeting);
    g_free(runner->origin);
    g_free(runner);
}

static const Runner *runner_at(const Race *race, unsigned index)
{
    return race->runners->pdata[index];
}

static GreetingVerdict verdict_at(const Race *race, unsigned index)
{
    const Runner *runner = runner_at(race, index);

    return runner->greeting ? greeting_verdict(runner->greeting) : GREETING_NOT_TRIED;
}

static unsigned count_pending(const Race *race)
{
    unsigned count = 0;

    for (unsigned i = 0; i < race->started; i++)
        count += verdict_at(race, i) == GREETING_PENDING;
    return count;
}

static int best_proven(const Race *race)
{
    for (unsigned i = 0; i < race->started; i++)
        if (verdict_at(race, i) == GREETING_PROVEN)
            return (int)i;
    return -1;
}

static gboolean is_better_under_way(const Race *race, unsigned than)
{
    for (unsigned i = 0; i < than; i++)
        if (verdict_at(race, i) == GREETING_PENDING)
            return TRUE;
    return FALSE;
}

static void end(Race *race, int winner)
{
    race->winner = winner;
    race->is_over = TRUE;
    race->ended_us = clock_now_us();
    g_clear_pointer(&race->stagger, timer_free);
    g_clear_pointer(&race->grace, timer_free);
    for (unsigned i = 0; i < race->runners->len; i++) {
        Runner *runner = race->runners->pdata[i];

        if ((int)i != winner && verdict_at(race, i) == GREETING_PENDING)
            g_clear_pointer(&runner->greeting, greeting_free);
    }
    race->fn(race->data);
}

static void on_grace(void *data)
{
    Race *race = data;

    end(race, best_proven(race));
}

static void go_on(Race *race);

static void on_greeting(Greeting *greeting, void *data)
{
    Runner *runner = data;
    Race *race = runner->race;
    int winner;
    int64_t took_ms;

    winner = best_proven(race);
    if (winner < 0) {
        go_on(race);
        return;
    }
    if (!is_better_under_way(race, (unsigned)winner)) {
        end(race, winner);
        return;
    }
    took_ms = greeting_elapsed_us(runner_at(race, (unsigned)winner)->greeting) / 1000 + 1;
    if (!race->grace)
        race->grace = timer_new(MIN(took_ms, RACE_GRACE_MAX_MS), on_grace, race);
}

static void start_next(Race *race)
{
    Runner *runner = race->runners->pdata[race->started++];

    runner->greeting = greeting_dial(&runner->address, &race->terms, race->side, race->lane, race->patience_ms, on_greeting, runner);
}

static void on_stagger(void *data)
{
    Race *race = data;

    if (race->started < race->runners->len && count_pending(race) < RACE_AT_ONCE_MAX) {
        start_next(race);
        timer_restart(race->stagger, RACE_STAGGER_MS);
    }
}

/* One has failed: the next comes at once. */
static void go_on(Race *race)
{
    if (race->started < race->runners->len)
        start_next(race);
    else if (count_pending(race) == 0)
        return end(race, best_proven(race)); /* which may free it */
    timer_restart(race->stagger, RACE_STAGGER_MS);
}

/* The first step is taken on the loop as well: fn is not called before race_new has returned. */
Race *race_new(const GPtrArray *candidates, const HelloTerms *terms, OwnerSide side, LaneName lane, int64_t patience_ms,
               RaceFunc fn, void *data)
{
    Race *race = g_new0(Race, 1);

    race->runners = g_ptr_array_new_with_free_func(runner_free);
    for (unsigned i = 0; i < candidates->len; i++) {
        const Candidate *candidate = candidates->pdata[i];
        Runner *runner;

        if (candidate->filtered)
            continue;
        runner = g_new0(Runner, 1);
        runner->race = race;
        runner->address = candidate->address;
        runner->origin = g_strdup(candidate->origin);
        g_ptr_array_add(race->runners, runner);
    }
    race->terms = *terms;
    race->side = side;
    race->lane = lane;
    race->patience_ms = patience_ms;
    race->winner = -1;
    race->started_us = clock_now_us();
    race->fn = fn;
    race->data = data;
    race->is_over = race->runners->len == 0;
    race->stagger = timer_new(RACE_STAGGER_MS, on_stagger, race);
    if (!race->is_over)
        start_next(race);
    return race;
}

void race_free(Race *race)
{
    if (!race)
        return;
    timer_free(race->stagger);
    timer_free(race->grace);
    g_ptr_array_free(race->runners, TRUE);
    explicit_bzero(&race->terms, sizeof race->terms);
    g_free(race);
}

gboolean race_is_over(const Race *race)
{
    return race->is_over;
}

gboolean race_is_lost(const Race *race)
{
    return race->is_over && race->winner < 0;
}

int race_winner(const Race *race)
{
    return race->winner;
}

int race_steal_fd(Race *race)
{
    return race->winner < 0 ? -1 : greeting_steal_fd(runner_at(race, (unsigned)race->winner)->greeting);
}

int64_t race_elapsed_us(const Race *race)
{
    return (race->ended_us ?: clock_now_us()) - race->started_us;
}

unsigned race_count(const Race *race)
{
    return race->runners->len;
}

RaceEntry race_entry(const Race *race, unsigned index)
{
    const Runner *runner = runner_at(race, index);
    RaceEntry entry = {.address = runner->address, .origin = runner->origin, .verdict = verdict_at(race, index)};

    if (runner->greeting) {
        entry.reason = greeting_reason(runner->greeting);
        entry.elapsed_us = greeting_elapsed_us(runner->greeting);
    }
    return entry;
}

static char *format_address(const struct sockaddr_storage *address)
{
    g_autofree char *host = address_format_host(address);

    return g_strdup_printf("%s:%u", host, address_port(address));
}

char *race_table(const Race *race)
{
    GString *table = g_string_new(NULL);
    int widest_address = 0, widest_origin = 0;

    for (unsigned i = 0; i < race->runners->len; i++) {
        RaceEntry entry = race_entry(race, i);
        g_autofree char *where = format_address(&entry.address);

        widest_address = MAX(widest_address, (int)strlen(where));
        widest_origin = MAX(widest_origin, (int)strlen(entry.origin));
    }
    for (unsigned i = 0; i < race->runners->len; i++) {
        RaceEntry entry = race_entry(race, i);
        g_autofree char *where = format_address(&entry.address);

        g_string_append_printf(table, "\n  %-*s  %-*s  %-10s  %6.1f ms  %s", widest_address, where, widest_origin, entry.origin,
                               enum_name(greeting_verdict_names, (int)entry.verdict), (double)entry.elapsed_us / 1000,
                               entry.reason ?: "");
    }
    return g_string_free(table, FALSE);
}
