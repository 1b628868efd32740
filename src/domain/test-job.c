/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "domain/domain.h"
#include "loop/loop-test.h"

static Domain *new_domain(void)
{
    Uuid uuid;

    uuid_generate(&uuid);
    return domain_new(&uuid, "a");
}

typedef struct {
    Domain *domain;
    JobVerb verb;
    gboolean ok;
    GError *error;
    Await *done;
} Attempt;

static AWAITS void attempt(void *data)
{
    Attempt *self = data;

    self->ok = job_begin(self->domain, self->verb, "domain_resume", &self->error);
    if (self->ok)
        job_end(self->domain);
    await_succeed(self->done);
}

static void start(Attempt *self, Domain *domain, JobVerb verb)
{
    *self = (Attempt){.domain = domain, .verb = verb, .done = await_new("attempt")};
    task_spawn("attempt", attempt, self, NULL);
    task_yield();
}

static void finish(Attempt *self)
{
    g_assert_true(await(self->done, 5000, NULL));
    await_unref(self->done);
    g_clear_error(&self->error);
}

static void second_waits_body(void *data)
{
    g_autoptr(Domain) domain = new_domain();
    Attempt second;

    g_assert_true(job_begin(domain, JOB_MODIFY, "domain_suspend", NULL));
    start(&second, domain, JOB_DESTROY);
    g_assert_false(await_is_done(second.done));
    job_end(domain);
    finish(&second);
    g_assert_true(second.ok);
}

static void test_second_waits(void)
{
    loop_test_run(second_waits_body, NULL);
}

static void mask_body(void *data)
{
    g_autoptr(Domain) domain = new_domain();
    Attempt allowed, refused;

    g_assert_true(
        job_begin_long(domain, JOB_MIGRATION_OUT, JOB_ALLOWED_MIGRATION_OUT, "migrate", NULL));
    start(&allowed, domain, JOB_SUSPEND);
    finish(&allowed);
    g_assert_true(allowed.ok);
    start(&refused, domain, JOB_MODIFY);
    g_assert_false(await_is_done(refused.done));
    job_end_long(domain);
    finish(&refused);
    g_assert_true(refused.ok);
}

static void test_mask(void)
{
    loop_test_run(mask_body, NULL);
}

static void timeout_body(void *data)
{
    g_autoptr(Domain) domain = new_domain();
    Attempt waiting;

    g_assert_true(
        job_begin_long(domain, JOB_MIGRATION_OUT, 0, "domain_migrate_perform3_params", NULL));
    start(&waiting, domain, JOB_MODIFY);
    clock_advance(JOB_WAIT_MS + 1);
    g_assert_true(await(waiting.done, 5000, NULL));
    g_assert_true(error_is(waiting.error, ERROR_OPERATION_TIMEOUT));
    g_assert_cmpstr(waiting.error->message, ==,
                    "Timed out during operation: cannot acquire state change lock (held by "
                    "monitor=domain_migrate_perform3_params)");
    g_clear_error(&waiting.error);
    await_unref(waiting.done);
    g_assert_true(job_is(domain, JOB_MIGRATION_OUT));
    job_end_long(domain);
}

static void test_timeout(void)
{
    clock_freeze(1000);
    loop_test_run(timeout_body, NULL);
}

static void guard_body(void *data)
{
    g_autoptr(Domain) domain = new_domain();

    {
        g_auto(JobGuard) guard = {NULL};

        g_assert_true(job_guard_begin(&guard, domain, JOB_MODIFY, "a", NULL));
        g_assert_false(job_try_long(domain, JOB_MIGRATION_IN, 0, "b"));
    }
    g_assert_true(job_try_long(domain, JOB_MIGRATION_IN, 0, "b"));
    job_end_long(domain);
}

static void test_guard(void)
{
    loop_test_run(guard_body, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domain/job/a-second-verb-waits-for-the-first", test_second_waits);
    g_test_add_func("/domain/job/a-migration-lets-pass-what-its-mask-names", test_mask);
    g_test_add_func("/domain/job/a-guard-holds-for-its-scope", test_guard);
    g_test_add_func("/domain/job/waiting-ends-with-the-holder-s-name", test_timeout);
    return g_test_run();
}
