/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transcripts: fake endpoints write down what they are asked; each row lets other phases fail. */
#include "base/error.h"
#include "phase/driver.h"
#include "phase/flags.h"

#define BIT(phase) (1u << (phase))

typedef struct {
    unsigned failing; /* phases that fail */
    gboolean is_lost; /* Finish fails without an answer */
    gboolean gives_uri;
    ErrorCode perform_code, finish_code;
    ErrorDomain finish_domain;
    GString *told;
} Fake;

static gboolean answer(Fake *fake, Phase phase, PhaseRun *run, GError **error)
{
    g_autofree char *cookie = g_strdup_printf("C%d", phase == PHASE_BEGIN    ? 1
                                                     : phase < PHASE_PERFORM ? 2
                                                                             : (int)phase);
    size_t len;
    const char *seen = run->cookie ? g_bytes_get_data(run->cookie, &len) : "-";
    ErrorCode code = phase == PHASE_PERFORM  ? fake->perform_code
                     : phase == PHASE_FINISH ? fake->finish_code
                                             : ERROR_INTERNAL_ERROR;
    ErrorDomain domain = phase == PHASE_FINISH ? fake->finish_domain : FROM_QEMU;

    g_string_append_printf(fake->told, "%s%s(%s)", fake->told->len ? " " : "",
                           enum_name(phase_names, (int)phase), seen);
    if (phase >= PHASE_FINISH)
        g_string_append_printf(fake->told, "=%d", run->is_cancelled);
    if (fake->failing & BIT(phase)) {
        phase_run_set_cookie(run, NULL);
        return error_set_from(error, domain, code, "%s failed", enum_name(phase_names, (int)phase));
    }
    phase_run_set_cookie(run, g_bytes_new(cookie, 3));
    return TRUE;
}

static gboolean fake_begin(void *fake, PhaseRun *run, GError **error)
{
    run->xml = g_strdup("<domain/>");
    return answer(fake, PHASE_BEGIN, run, error);
}

static gboolean fake_prepare(void *endpoint, PhaseRun *run, GError **error)
{
    Fake *fake = endpoint;

    run->uri_out = fake->gives_uri ? g_strdup("tcp:10.0.0.2:49152") : NULL;
    return answer(fake, PHASE_PREPARE, run, error);
}

static gboolean fake_perform(void *fake, PhaseRun *run, GError **error)
{
    return answer(fake, PHASE_PERFORM, run, error);
}

static gboolean fake_finish(void *endpoint, PhaseRun *run, GError **error)
{
    Fake *fake = endpoint;
    gboolean ok = answer(fake, PHASE_FINISH, run, error);

    if (run->is_cancelled && ok) /* a cancelled one never brings a domain */
        return phase_error_refused(error, "migration successfully aborted");
    if (!run->is_cancelled)
        run->outcome = ok ? PHASE_ARRIVED : fake->is_lost ? PHASE_UNKNOWN : PHASE_STAYED;
    return ok;
}

static gboolean fake_confirm(void *fake, PhaseRun *run, GError **error)
{
    return answer(fake, PHASE_CONFIRM, run, error);
}

typedef struct {
    const char *name;
    uint64_t flags;
    unsigned failing;
    gboolean is_lost, is_not_protected, gives_no_uri, is_unwanted;
    const char *user_uri;
    ErrorCode perform_code, finish_code; /* 0: INTERNAL_ERROR */
    gboolean finish_is_not_qemu;
    const char *transcript;
    const char *error; /* NULL: it went well */
    PhaseOutcome outcome;
} Case;

static const Case cases[] = {
    {"all goes well", .transcript = "begin(-) prepare(C1) perform(C2) finish(C3)=0 confirm(C4)=0",
     .outcome = PHASE_ARRIVED},
    {"begin fails", .failing = BIT(PHASE_BEGIN), .transcript = "begin(-)", .error = "begin failed"},
    {"prepare fails, the source's job is dropped", .failing = BIT(PHASE_PREPARE),
     .transcript = "begin(-) prepare(C1) confirm(-)=1", .error = "prepare failed"},
    {"prepare fails, the source holds no job", .failing = BIT(PHASE_PREPARE),
     .is_not_protected = TRUE, .transcript = "begin(-) prepare(C1)", .error = "prepare failed"},
    {"prepare and confirm fail", .failing = BIT(PHASE_PREPARE) | BIT(PHASE_CONFIRM),
     .transcript = "begin(-) prepare(C1) confirm(-)=1", .error = "prepare failed"},
    {"nobody knows an address", .gives_no_uri = TRUE,
     .transcript = "begin(-) prepare(C1) finish(C2)=1 confirm(C4)=1",
     .error = "internal error: domainMigratePrepare3 did not set uri"},
    {"the user knows the address", .gives_no_uri = TRUE, .user_uri = "tcp://h:1",
     .transcript = "begin(-) prepare(C1) perform(C2) finish(C3)=0 confirm(C4)=0",
     .outcome = PHASE_ARRIVED},
    {"the user gave up during prepare", .is_unwanted = TRUE,
     .transcript = "begin(-) prepare(C1) finish(C2)=1 confirm(C4)=1",
     .error = "operation aborted: job 'migration out' canceled by client"},
    {"perform fails: finish tidies up, confirm is left out", .failing = BIT(PHASE_PERFORM),
     .transcript = "begin(-) prepare(C1) perform(C2) finish(-)=1", .error = "perform failed"},
    {"perform failed and finish knows why", .failing = BIT(PHASE_PERFORM) | BIT(PHASE_FINISH),
     .perform_code = ERROR_OPERATION_FAILED,
     .transcript = "begin(-) prepare(C1) perform(C2) finish(-)=1", .error = "finish failed"},
    {"perform failed, finish's error is another driver's",
     .failing = BIT(PHASE_PERFORM) | BIT(PHASE_FINISH), .finish_is_not_qemu = TRUE,
     .perform_code = ERROR_OPERATION_FAILED,
     .transcript = "begin(-) prepare(C1) perform(C2) finish(-)=1", .error = "perform failed"},
    {"perform failed otherwise, its error stands",
     .failing = BIT(PHASE_PERFORM) | BIT(PHASE_FINISH), .perform_code = ERROR_OPERATION_ABORTED,
     .transcript = "begin(-) prepare(C1) perform(C2) finish(-)=1", .error = "perform failed"},
    {"perform failed, finish only says that it tidied up",
     .failing = BIT(PHASE_PERFORM) | BIT(PHASE_FINISH), .perform_code = ERROR_OPERATION_FAILED,
     .finish_code = ERROR_MIGRATE_FINISH_OK,
     .transcript = "begin(-) prepare(C1) perform(C2) finish(-)=1", .error = "perform failed"},
    {"finish refuses: the source takes it back", .failing = BIT(PHASE_FINISH),
     .transcript = "begin(-) prepare(C1) perform(C2) finish(C3)=0 confirm(-)=1",
     .error = "finish failed"},
    {"finish is not answered: nobody guesses", .failing = BIT(PHASE_FINISH), .is_lost = TRUE,
     .transcript = "begin(-) prepare(C1) perform(C2) finish(C3)=0 confirm(-)=1",
     .error = "finish failed", .outcome = PHASE_UNKNOWN},
    {"confirm fails: it arrived all the same", .failing = BIT(PHASE_CONFIRM),
     .transcript = "begin(-) prepare(C1) perform(C2) finish(C3)=0 confirm(C4)=0",
     .outcome = PHASE_ARRIVED},
    {"tunnelled has no address", .flags = MIGRATE_PEER2PEER | MIGRATE_TUNNELLED,
     .gives_no_uri = TRUE,
     .transcript = "begin(-) prepare(C1) perform(C2) finish(C3)=0 confirm(C4)=0",
     .outcome = PHASE_ARRIVED},
    {"offline moves no memory", .flags = MIGRATE_OFFLINE, .gives_no_uri = TRUE,
     .transcript = "begin(-) prepare(C1) finish(-)=0 confirm(C4)=0", .outcome = PHASE_ARRIVED},
};

static void transcript_is(const void *data)
{
    const Case *c = data;
    g_autoptr(GString) told = g_string_new(NULL);
    Fake fake = {.failing = c->failing,
                 .is_lost = c->is_lost,
                 .gives_uri = !c->gives_no_uri,
                 .told = told,
                 .perform_code = c->perform_code ?: ERROR_INTERNAL_ERROR,
                 .finish_code = c->finish_code ?: ERROR_INTERNAL_ERROR,
                 .finish_domain = c->finish_is_not_qemu ? FROM_RPC : FROM_QEMU};
    const PhaseEndpoints endpoints = {.source = &fake,
                                      .destination = &fake,
                                      .begin = fake_begin,
                                      .prepare = fake_prepare,
                                      .perform = fake_perform,
                                      .finish = fake_finish,
                                      .confirm = fake_confirm};
    g_autoptr(Params) params = params_new();
    g_autoptr(GError) error = NULL;
    PhaseRun run;
    gboolean ok;

    phase_run_init(&run);
    run.flags = c->flags;
    run.params = params;
    run.is_protected = !c->is_not_protected;
    run.is_unwanted = c->is_unwanted;
    if (c->user_uri)
        params_add_string(params, MIGRATE_PARAM_URI, c->user_uri);
    ok = phase_driver_run(&endpoints, &run, &error);
    g_assert_cmpstr(told->str, ==, c->transcript);
    g_assert_cmpstr(error ? error->message : NULL, ==, c->error);
    g_assert_true(ok == !c->error);
    g_assert_cmpint(run.outcome, ==, c->outcome);
    g_assert_true((run.confirm_error != NULL) == (ok && (c->failing & BIT(PHASE_CONFIRM)) != 0));
    phase_run_clear(&run);
}

static void a_stock_source_may_have_found_the_wrong_host(void)
{
    static const struct {
        ErrorCode code;
        const char *message;
        gboolean is_astray;
    } rows[] = {
        {ERROR_SYSTEM_ERROR, "unable to connect to server at 'fedora2:49152': Connection refused", TRUE},
        {ERROR_OPERATION_FAILED,
         "operation failed: job 'migration out' failed: Unable to write to socket: Connection reset by peer", TRUE},
        {ERROR_INTERNAL_ERROR,
         "internal error: hostname on destination resolved to localhost, but migration requires an FQDN", TRUE},
        {ERROR_OPERATION_ABORTED, "operation aborted: job 'migration out' canceled by client", FALSE},
        {ERROR_OPERATION_FAILED, "operation failed: domain is not running", FALSE},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = error_new(rows[i].code, "%s", rows[i].message);

        g_assert_true(phase_error_is_astray(error) == rows[i].is_astray);
    }
}

static void no_route_is_known_by_stocks_words(void)
{
    static const struct {
        const char *message, *line;
        gboolean is_no_route;
    } rows[] = {
        {"Unable to resolve address 'fedora2' service '49155': Name or service not known",
         "Unable to resolve address 'fedora2' service '49155': Name or service not known", TRUE},
        {"unable to connect to server at '192.0.2.2:49152': Connection refused\nTried from fedora1:\n  x",
         "unable to connect to server at '192.0.2.2:49152': Connection refused", TRUE},
        {"internal error: address resolution failed for fedora2", "internal error: address resolution failed for fedora2",
         TRUE},
        {"operation failed: job 'migration out' failed: load of migration failed:\n",
         "operation failed: job 'migration out' failed: load of migration failed", FALSE},
        {"operation aborted: job 'migration out' canceled by client",
         "operation aborted: job 'migration out' canceled by client", FALSE},
        {"", "", FALSE},
        {"\n", "", FALSE},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = error_new(ERROR_OPERATION_FAILED, "%s", rows[i].message);
        g_autofree char *line = phase_error_line(error);

        g_assert_true(phase_error_is_no_route(error) == rows[i].is_no_route);
        g_assert_cmpstr(line, ==, rows[i].line);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/phase/driver/no-route-is-known-by-stocks-words", no_route_is_known_by_stocks_words);
    g_test_add_func("/phase/driver/a-stock-source-may-have-found-the-wrong-host", a_stock_source_may_have_found_the_wrong_host);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/phase/driver/%s", cases[i].name);

        g_strdelimit(path, " ", '-');
        g_test_add_data_func(path, &cases[i], transcript_is);
    }
    return g_test_run();
}
