/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/lease-value.h"

#include <string.h>

#include "base/error.h"

static const LeaseHost one = {1, "one"}, two = {2, "two"}, three = {3, "three"};

/* hosts: "", "1", "12" … */
static LeaseValue value(const char *hosts, const char *attempt)
{
    LeaseValue made = {.epoch = 7};

    g_strlcpy(made.attempt, attempt, sizeof made.attempt);
    for (; *hosts; hosts++)
        made.hosts[made.count++] = *hosts == '1' ? one : *hosts == '2' ? two : three;
    return made;
}

static char *summary(const LeaseValue *made)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < made->count; i++)
        g_string_append_printf(text, "%u", (unsigned)made->hosts[i].id);
    g_string_append_printf(text, " %s", made->attempt);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_text(void)
{
    const LeaseValue before = value("12", "abc");
    g_autofree char *text = lease_value_format(&before);
    g_autoptr(GError) error = NULL;
    LeaseValue after;

    g_assert_cmpstr(text, ==, "ferry 1 epoch=7 attempt=abc hosts=1/one,2/two");
    g_assert_true(lease_value_parse(text, &after, &error));
    g_assert_cmpmem(&before, sizeof before, &after, sizeof after);
    g_assert_true(lease_value_parse("", &after, &error));
    g_assert_cmpuint(after.count, ==, 0);
    for (size_t cut = 1; cut < strlen(text); cut++) {
        g_autofree char *less = g_strndup(text, cut);

        if (lease_value_parse(less, &after, NULL)) /* the end of the last name, or no host at all */
            g_assert_true(cut >= strlen("ferry 1 epoch=7 attempt=abc hosts="));
    }
    g_assert_false(lease_value_parse("ferry 2 epoch=7 attempt=abc hosts=", &after, &error));
    g_assert_nonnull(strstr(error->message, "written by a newer one"));
    g_assert_false(lease_value_parse("ferry 1 epoch=7 attempt= hosts=1/a,2/b,3/c", &after, NULL));
    g_assert_false(lease_value_parse("ferry 1 epoch=-1 attempt= hosts=", &after, NULL));
}

static void test_proof(void)
{
    static const struct {
        const char *line;
        gboolean is_proof;
    } cases[] = {
        {"host 2 live", FALSE}, {"host 2 fail", FALSE}, {"host 2 unknown", FALSE},
        {"host 2 dead", TRUE},  {"host 2 free", TRUE},  {"host 3 dead", FALSE},
    };
    LeaseStatus status;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(lease_status_parse(cases[i].line, &status));
        g_assert_cmpint(lease_status_is_proof(&status, &two), ==, cases[i].is_proof);
    }
    g_assert_false(lease_status_parse("host 2", &status));
    g_assert_false(lease_status_parse("host 2 asleep", &status));
}

typedef struct {
    LeaseOp op;
    const char *hosts, *attempt, *others; /* of the value; others: what sanlock says */
    const char *then;                     /* NULL: refused */
} Case;

/* All of them by host 1 for attempt "a". */
/* clang-format off */
static const Case cases[] = {
    {LEASE_TAKE,    "",   "",  NULL,            "1 "},
    {LEASE_TAKE,    "1",  "",  NULL,            "1 "},
    {LEASE_TAKE,    "2",  "",  NULL,            NULL},
    {LEASE_TAKE,    "2",  "",  "host 2 live", NULL},
    {LEASE_TAKE,    "2",  "",  "host 2 dead", "1 "},
    {LEASE_TAKE,    "12", "a", "host 2 live", NULL},
    {LEASE_TAKE,    "12", "a", "host 2 dead", "1 "},
    {LEASE_TAKE,    "23", "a", "host 2 dead", NULL},   /* both have to be */
    {LEASE_KEEP,    "",   "",  NULL,            "1 "},
    {LEASE_KEEP,    "1",  "",  NULL,            "1 "},
    {LEASE_KEEP,    "12", "a", NULL,            "12 a"},
    {LEASE_KEEP,    "2",  "",  NULL,            NULL},
    {LEASE_SHARE,   "",   "",  NULL,            "1 a"},
    {LEASE_SHARE,   "1",  "",  NULL,            "1 a"},
    {LEASE_SHARE,   "12", "b", NULL,            "1 a"},  /* the attempt before this one has ended here */
    {LEASE_SHARE,   "2",  "",  NULL,            NULL},
    {LEASE_JOIN,    "2",  "a", NULL,            "21 a"},
    {LEASE_JOIN,    "21", "a", NULL,            "21 a"},
    {LEASE_JOIN,    "2",  "b", NULL,            NULL},   /* too late: the source is at another one */
    {LEASE_JOIN,    "2",  "",  NULL,            NULL},
    {LEASE_JOIN,    "",   "",  NULL,            NULL},   /* the source keeps no leases */
    {LEASE_JOIN,    "23", "a", NULL,            NULL},
    {LEASE_JOINED,  "12", "a", NULL,            "12 a"},
    {LEASE_JOINED,  "1",  "a", NULL,            NULL},
    {LEASE_JOINED,  "12", "b", NULL,            NULL},
    {LEASE_BEREFT,  "12", "a", NULL,            NULL},
    {LEASE_BEREFT,  "12", "a", "host 2 live",   NULL},
    {LEASE_BEREFT,  "12", "a", "host 2 fail",   NULL},
    {LEASE_BEREFT,  "12", "a", "host 2 dead",   "12 a"},
    {LEASE_BEREFT,  "2",  "",  "host 2 free",   "2 "},   /* it had taken it */
    {LEASE_BEREFT,  "23", "a", "host 2 dead",   NULL},
    {LEASE_BEREFT,  "1",  "a", NULL,            NULL},   /* it has refused it, or will say what it knows */
    {LEASE_BEREFT,  "",   "",  NULL,            NULL},
    {LEASE_HERE,    "12", "a", NULL,            "1 "},
    {LEASE_HERE,    "2",  "a", NULL,            "1 "},
    {LEASE_HERE,    "2",  "b", NULL,            "2 b"},  /* others are at it by now */
    {LEASE_AWAY,    "12", "a", NULL,            "2 a"},
    {LEASE_AWAY,    "12", "b", NULL,            "12 b"},
    {LEASE_RELEASE, "1",  "",  NULL,            " "},
    {LEASE_RELEASE, "12", "a", NULL,            "12 a"},
    {LEASE_RELEASE, "2",  "",  NULL,            "2 "},
};
/* clang-format on */

static void test_decisions(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        const LeaseValue now = value(c->hosts, c->attempt);
        LeaseStatus status;
        const gboolean is_known = c->others && lease_status_parse(c->others, &status);
        const LeaseRequest request = {c->op, one, "a", &status, is_known ? 1 : 0};
        g_autoptr(GError) error = NULL;
        LeaseValue next;

        g_test_message("row %u", i);
        if (!c->then) {
            g_assert_false(lease_decide(&now, &request, &next, &error));
            g_assert_nonnull(error);
            continue;
        }
        g_assert_true(lease_decide(&now, &request, &next, &error));
        g_autofree char *text = summary(&next);
        g_assert_cmpstr(text, ==, c->then);
        g_assert_cmpuint(next.epoch, >=, now.epoch);
    }
}

/* Whoever takes it or offers it anew raises the generation, so that who held it before can tell. */
static void test_epochs(void)
{
    static const LeaseOp raising[] = {LEASE_TAKE, LEASE_SHARE};

    for (unsigned i = 0; i < G_N_ELEMENTS(raising); i++) {
        const LeaseValue now = value("1", "");
        const LeaseRequest request = {raising[i], one, "a", NULL, 0};
        LeaseValue next;

        g_assert_true(lease_decide(&now, &request, &next, NULL));
        g_assert_cmpuint(next.epoch, >, now.epoch);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domain/lease-value/the-text-is-read-as-it-is-written", test_text);
    g_test_add_func("/domain/lease-value/only-a-fired-watchdog-or-a-clean-leave-proves-death",
                    test_proof);
    g_test_add_func("/domain/lease-value/every-wish-by-every-value", test_decisions);
    g_test_add_func("/domain/lease-value/who-takes-it-raises-the-generation", test_epochs);
    return g_test_run();
}
