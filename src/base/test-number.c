/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/number.h"
#include "base/uuid.h"

static void only_whole_numbers_in_range(void)
{
    uint64_t value = 0;
    int64_t signed_value = 0;

    g_assert_true(number_parse_u64("18446744073709551615", UINT64_MAX, &value));
    g_assert_false(number_parse_u64("18446744073709551616", UINT64_MAX, &value));
    g_assert_false(number_parse_u64("", 9, &value));
    g_assert_false(number_parse_u64(" 1", 9, &value));
    g_assert_false(number_parse_u64("+1", 9, &value));
    g_assert_false(number_parse_u64("1x", 9, &value));
    g_assert_false(number_parse_u64("10", 9, &value));
    g_assert_true(number_parse_any("0x1f", 255, &value));
    g_assert_cmpuint(value, ==, 31);
    g_assert_true(number_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &signed_value));
    g_assert_true(signed_value == INT64_MIN);
    g_assert_false(number_parse_i64("--1", -9, 9, &signed_value));
}

static void uuid_text_comes_back(void)
{
    char text[UUID_TEXT_SIZE];
    Uuid uuid;

    g_assert_true(uuid_parse("64CF857bdd6d4d9a820c3ed9a0a84d9d", &uuid));
    g_assert_cmpstr(uuid_format(&uuid, text), ==, "64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d");
    g_assert_false(uuid_parse("64cf857b-dd6d-4d9a-820c-3ed9a0a84d9d0", &uuid));
    g_assert_false(uuid_parse("64cf857b-dd6d-4d9a-820c-3ed9a0a84d9", &uuid));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/number/only-whole-numbers-in-range", only_whole_numbers_in_range);
    g_test_add_func("/base/uuid/text-comes-back", uuid_text_comes_back);
    return g_test_run();
}
