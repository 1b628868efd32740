/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor-text.h"

static const struct {
    const char *text;
    gboolean is_hmp, is_gated;
} texts[] = {
    /* clang-format off */
    { "{\"execute\":\"cont\"}",                                                          FALSE, TRUE },
    { " {\n\"id\": 1, \"execute\" : \"cont\" }\n",                                       FALSE, TRUE },
    { "{\"execute\":\"\\u0063ont\"}",                                                    FALSE, TRUE },
    { "{\"\\u0065xecute\":\"con\\u0074\"}",                                             FALSE, TRUE },
    { "{'execute':'cont'}",                                                              FALSE, TRUE },
    { "{\"execute\":\"query-status\",\"execute\":\"cont\"}",                             FALSE, TRUE },
    { "{\"exec-oob\":\"cont\"}",                                                         FALSE, TRUE },
    { "{\"exec-oob\":\"migrate-recover\",\"arguments\":{\"uri\":\"tcp:x:1\"}}",          FALSE, TRUE },
    { "{\"execute\":\"query-status\",\"exec-oob\":\"migrate-pause\"}",                   FALSE, TRUE },
    { "{\"execute\":\"system_reset\"}",                                                  FALSE, TRUE },
    { "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"defer\"}}",            FALSE, TRUE },
    { "{\"execute\":\"snapshot-load\"}",                                                 FALSE, TRUE },
    { "{\"execute\":\"yank\"}",                                                          FALSE, TRUE },
    { "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\" c\"}}",                 FALSE, TRUE },
    { "{\"execute\":\"human-monitor-comman\\u0064\",\"arguments\":{\"command-line\":\"\\u0009loadvm x\"}}", FALSE, TRUE },
    { "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info status\"}}",        FALSE, FALSE },
    { "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":7}}",      FALSE, FALSE },
    { "{\"execute\":\"human-monitor-command\",\"arguments\":[\"cont\"]}",              FALSE, FALSE },
    { "{\"execute\":\"human-monitor-command\"}",                                         FALSE, FALSE },
    { "{\"execute\":\"query-status\"}",                                                  FALSE, FALSE },
    { "{\"execute\":\"query-status\",\"id\":\"cont\"}",                                  FALSE, FALSE },
    { "{\"execute\":{\"cont\":1}}",                                                      FALSE, FALSE },
    { "{\"execute\":\"cont",                                                            FALSE, FALSE },
    { "cont",                                                                            FALSE, FALSE },
    { "[\"cont\"]",                                                                      FALSE, FALSE },
    { "",                                                                                FALSE, FALSE },
    { "cont",                                                                            TRUE,  TRUE },
    { "c",                                                                               TRUE,  TRUE },
    { " \t\v\f\r\n c ",                                                                  TRUE,  TRUE },
    { "c/x",                                                                             TRUE,  TRUE },
    { "cont\nx",                                                                         TRUE,  TRUE },
    { "q",                                                                               TRUE,  TRUE },
    { "system_reset",                                                                    TRUE,  TRUE },
    { "migrate_incoming tcp:0:1",                                                        TRUE,  TRUE },
    { "loadvm x",                                                                        TRUE,  TRUE },
    { "gdbserver",                                                                       TRUE,  TRUE },
    { "info status",                                                                     TRUE,  FALSE },
    { "print 1 cont",                                                                    TRUE,  FALSE },
    { "{\"execute\":\"cont\"}",                                                          TRUE,  FALSE },
    { "",                                                                                TRUE,  FALSE },
    /* clang-format on */
};

static void gate_reads_as_qemu_does(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (monitor_text_is_gated(texts[i].text, texts[i].is_hmp) != texts[i].is_gated)
            g_error("'%s' should %sbe gated", texts[i].text, texts[i].is_gated ? "" : "not ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/monitor-text/gate-reads-as-qemu-does", gate_reads_as_qemu_does);
    return g_test_run();
}
