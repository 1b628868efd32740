/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "commands.h"
#include "progress.h"
#include "size.h"

static Arguments *parse(const char *line)
{
    g_auto(GStrv) words = NULL;
    Arguments *arguments;
    static GPtrArray *kept; /* values are borrowed from the words */

    g_assert_true(g_shell_parse_argv(line, NULL, &words, NULL));
    kept = kept ?: g_ptr_array_new();
    g_ptr_array_add(kept, words);
    arguments = arguments_parse(command_find(words[0]), words + 1);
    words = NULL;
    return arguments;
}

static void by_place_and_by_name(void)
{
    static const char *const lines[] = {
        "migrate g qemu+tcp://h/system tcp://1.2.3.4 --live",
        "migrate --live g --desturi qemu+tcp://h/system tcp://1.2.3.4",
        "migrate --desturi=qemu+tcp://h/system --domain=g --live --migrateuri tcp://1.2.3.4",
        "migrate --live -- g qemu+tcp://h/system tcp://1.2.3.4",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(Arguments) arguments = parse(lines[i]);

        g_assert_nonnull(arguments);
        g_assert_cmpstr(arguments_text(arguments, "domain"), ==, "g");
        g_assert_cmpstr(arguments_text(arguments, "desturi"), ==, "qemu+tcp://h/system");
        g_assert_cmpstr(arguments_text(arguments, "migrateuri"), ==, "tcp://1.2.3.4");
        g_assert_true(arguments_has(arguments, "live"));
        g_assert_false(arguments_has(arguments, "p2p"));
    }
}

static void places_are_those_of_virsh(void)
{
    g_autoptr(Arguments) arguments = parse("migrate g d u graphics listen newname 9");

    g_assert_cmpstr(arguments_text(arguments, "graphicsuri"), ==, "graphics");
    g_assert_cmpstr(arguments_text(arguments, "listen-address"), ==, "listen");
    g_assert_cmpstr(arguments_text(arguments, "dname"), ==, "newname");
    g_assert_cmpuint(arguments_number(arguments, "timeout", 0), ==, 9);
}

static void the_rest_is_a_list(void)
{
    g_autoptr(Arguments) arguments = parse("qemu-monitor-command g --hmp info status");
    g_autofree char *text = g_strjoinv(" ", arguments_rest(arguments));

    g_assert_cmpstr(text, ==, "info status");
}

static void another_spelling_is_the_same_option(void)
{
    g_autoptr(Arguments) arguments = parse("migrate g d --p2p --tunneled");

    g_assert_true(arguments_has(arguments, "tunnelled"));
}

static void what_does_not_fit_is_refused(void)
{
    static const struct {
        const char *line, *complaint;
    } cases[] = {
        {"start", "error: command 'start' requires <domain> option\n"},
        {"start g --bogus", "error: command 'start' doesn't support option --bogus\n"},
        {"start g more", "error: unexpected data 'more'\n"},
        {"migrate g d --bandwidth -1",
         "error: Numeric value '-1' for <bandwidth> option is malformed or out of range\n"},
        {"migrate g d --migrateuri ''",
         "error: Failed to get option 'migrateuri': Option argument is empty\n"},
        {"migrate g d --migrateuri", "error: expected syntax: --migrateuri <string>\n"},
        {"migrate g d --live=yes", "error: invalid '=' after option --live\n"},
        {"migrate g d --dname a --dname b", "error: option --dname already seen\n"},
    };

    if (g_test_subprocess()) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
            g_assert_null(parse(cases[i].line));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *pattern = g_strdup_printf("*%s*", cases[i].complaint);

        g_test_trap_assert_stderr(pattern);
    }
}

static void flags_add_up_their_bits(void)
{
    g_autoptr(Arguments) none = parse("undefine g");
    g_autoptr(Arguments) two = parse("undefine g --nvram --tpm");
    g_autoptr(Arguments) respelt = parse("migrate g d --tunneled --live --check");

    g_assert_cmpuint(arguments_bits(none), ==, 0);
    g_assert_cmpuint(arguments_bits(two), ==, FERRY_UNDEFINE_NVRAM | FERRY_UNDEFINE_TPM);
    g_assert_cmpuint(arguments_bits(respelt), ==, FERRY_MIGRATE_TUNNELLED | FERRY_MIGRATE_LIVE);
}

/* Text options have none, and no two flags of a command the same. */
static void bits_belong_to_one_flag(void)
{
    for (const Command *const *command = commands; *command; command++) {
        unsigned bits = 0;

        for (const Option *option = (*command)->options; option->name; option++) {
            g_assert_true(!option->bit || option->kind == OPTION_FLAG);
            g_assert_cmpuint(bits & option->bit, ==, 0);
            bits |= option->bit;
        }
    }
}

static void every_entry_is_whole(void)
{
    for (const Command *const *command = commands; *command; command++) {
        gboolean may_be_required = TRUE;

        g_assert_true(command_find((*command)->name) == *command);
        g_assert_nonnull((*command)->group);
        g_assert_true(strlen((*command)->summary) > 8 &&
                      !g_str_has_suffix((*command)->summary, "."));
        g_assert_nonnull((*command)->run);
        for (const Option *option = (*command)->options; option->name; option++) {
            g_assert_true(option->flags & OPTION_HIDDEN || strlen(option->help) > 4);
            if (option->kind == OPTION_FLAG)
                continue;
            g_assert_true(
                may_be_required ||
                !(option->flags & OPTION_REQUIRED)); /* what may be left out comes behind */
            may_be_required = option->flags & OPTION_REQUIRED;
        }
    }
}

static void progress_fits_one_line(void)
{
    const FerryProgress early = {.phase = "prepare", .expected_downtime_ms = -1};
    const FerryProgress late = {.phase = "perform",
                                .has_numbers = true,
                                .percent = 42,
                                .bytes_per_s = 117 << 20,
                                .remaining_bytes = 300 << 20,
                                .dirty_pages_per_s = 1024,
                                .page_bytes = 4096,
                                .expected_downtime_ms = 250};
    g_autofree char *first = progress_text(&early, FALSE);
    g_autofree char *second = progress_text(&late, FALSE);
    g_autofree char *third = progress_text(&late, TRUE);

    g_assert_cmpstr(first, ==, "getting the destination ready");
    g_assert_cmpstr(second, ==,
                    "[ 42 %] copying memory, 117.0 MiB/s, 300.0 MiB left, guest writes 4.0 MiB/s, "
                    "downtime about 250 ms");
    g_assert_true(g_str_has_prefix(third, "[ 42 %] aborting, "));
}

static void sizes_have_a_unit_that_fits(void)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } cases[] = {{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {G_MAXUINT64, "16.0 EiB"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = size_text(cases[i].bytes);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/arguments/by-place-and-by-name", by_place_and_by_name);
    g_test_add_func("/cli/arguments/places-are-those-of-virsh", places_are_those_of_virsh);
    g_test_add_func("/cli/arguments/the-rest-is-a-list", the_rest_is_a_list);
    g_test_add_func("/cli/arguments/another-spelling-is-the-same-option",
                    another_spelling_is_the_same_option);
    g_test_add_func("/cli/arguments/what-does-not-fit-is-refused", what_does_not_fit_is_refused);
    g_test_add_func("/cli/arguments/flags-add-up-their-bits", flags_add_up_their_bits);
    g_test_add_func("/cli/commands/bits-belong-to-one-flag", bits_belong_to_one_flag);
    g_test_add_func("/cli/commands/every-entry-is-whole", every_entry_is_whole);
    g_test_add_func("/cli/progress/fits-one-line", progress_fits_one_line);
    g_test_add_func("/cli/size/has-a-unit-that-fits", sizes_have_a_unit_that_fits);
    return g_test_run();
}
