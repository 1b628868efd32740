/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/uri.h"

#include "base/error.h"

typedef struct {
    const char *text;
    UriTransport transport;
    const char *user, *host;
    guint16 port;
    const char *open_name, *socket;
} GoodRow;

/* clang-format off */
static const GoodRow good[] = {
    { "qemu:///system", URI_TRANSPORT_UNIX, NULL, NULL, 0, "qemu:///system", NULL },
    { "qemu:///session", URI_TRANSPORT_UNIX, NULL, NULL, 0, "qemu:///session", NULL },
    { "qemu+unix:///system?socket=/tmp/a%20b", URI_TRANSPORT_UNIX, NULL, NULL, 0, "qemu:///system", "/tmp/a b" },
    { "qemu+tcp://10.0.0.2/system", URI_TRANSPORT_TCP, NULL, "10.0.0.2", 16509, "qemu:///system", NULL },
    { "qemu+tcp://h:1234/system", URI_TRANSPORT_TCP, NULL, "h", 1234, "qemu:///system", NULL },
    { "qemu+tcp:///system", URI_TRANSPORT_TCP, NULL, "localhost", 16509, "qemu:///system", NULL },
    { "qemu+tcp://[fd00::1]:99/system", URI_TRANSPORT_TCP, NULL, "fd00::1", 99, "qemu:///system", NULL },
    { "qemu+tcp://[fe80::1%25eth0]/system", URI_TRANSPORT_TCP, NULL, "fe80::1%eth0", 16509, "qemu:///system", NULL },
    { "qemu://host/system", URI_TRANSPORT_TLS, NULL, "host", 16514, "qemu:///system", NULL },
    { "qemu+tls://host/system?pkipath=/x&foo=bar", URI_TRANSPORT_TLS, NULL, "host", 16514, "qemu:///system?foo=bar", NULL },
    { "qemu+ssh://me@host/system?NO_TTY=1;a=b", URI_TRANSPORT_SSH, "me", "host", 0, "qemu:///system?a=b", NULL },
    { "qemu+libssh2://host:22/system", URI_TRANSPORT_SSH, NULL, "host", 22, "qemu:///system", NULL },
    { "qemu+ext:///system?command=/bin/x", URI_TRANSPORT_EXT, NULL, NULL, 0, "qemu:///system", NULL },
    { "qemu:///system?foo=b%26r&name=", URI_TRANSPORT_UNIX, NULL, NULL, 0, "", NULL },
    { "remote+tcp://h", URI_TRANSPORT_TCP, NULL, "h", 16509, "", NULL },
    { "qemu+tcp://h/system#part", URI_TRANSPORT_TCP, NULL, "h", 16509, "qemu:///system#part", NULL },
};

static const struct { const char *text, *sentence; } bad[] = {
    { "", "no connection driver available for URI '' does not include a driver name" },
    { "foo bar", "internal error: Unable to parse URI foo bar" },
    { "/system", "no connection driver available for URI '/system' does not include a driver name" },
    { "qemu+foo:///system", "invalid argument: remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh)" },
    { "qemu+:///system", "invalid argument: remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh)" },
    { "qemu+unix://host/system", "invalid argument: using unix socket and remote server 'host' is not supported." },
    { "qemu+ext:///system", "invalid argument: remote_open: for 'ext' transport, command is required" },
    { "qemu+tcp://[fd00::1/system", "internal error: Unable to parse URI qemu+tcp://[fd00::1/system" },
    { "qemu+tcp://h:abc/system", "internal error: Unable to parse URI qemu+tcp://h:abc/system" },
    { "qemu+tcp://h:99999/system", "internal error: Unable to parse URI qemu+tcp://h:99999/system" },
    { "qemu+tcp://h:-1/system", "internal error: Unable to parse URI qemu+tcp://h:-1/system" },
    { "qemu:///system?mode=foo", "invalid argument: Unknown remote mode 'foo'" },
    { "qemu+ssh://h/system?mode=direct", "Operation not supported: Cannot use direct socket mode for ssh transport" },
    { "qemu+ssh://h/system?no_tty=x", "invalid argument: Failed to parse value of URI component no_tty" },
    { "qemu:///system?socket=%zz", "internal error: Unable to parse URI qemu:///system?socket=%zz" },
};
/* clang-format on */

static void parts_come_out(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Uri) uri = uri_parse(good[i].text, &error);

        g_test_message("%s", good[i].text);
        g_assert_no_error(error);
        g_assert_cmpint(uri->transport, ==, good[i].transport);
        g_assert_cmpstr(uri->user, ==, good[i].user);
        g_assert_cmpstr(uri->host, ==, good[i].host);
        g_assert_cmpuint(uri->port, ==, good[i].port);
        g_assert_cmpstr(uri->open_name, ==, good[i].open_name);
        g_assert_cmpstr(uri->socket, ==, good[i].socket);
        g_assert_cmpstr(uri->text, ==, good[i].text);
    }
}

static void what_is_wrong_is_said(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Uri) uri = uri_parse(bad[i].text, &error);

        g_assert_null(uri);
        g_assert_nonnull(error);
        g_assert_cmpstr(error->message, ==, bad[i].sentence);
    }
}

static void any_cut_text_is_survived(void)
{
    const char *text = "qemu+ssh://me@[fe80::1%25eth0]:22/system?socket=%2Fx&keyfile=/k&no_tty=1#f";

    for (size_t len = 0; len <= strlen(text); len++) {
        g_autofree char *part = g_strndup(text, len);
        g_autoptr(GError) error = NULL;
        g_autoptr(Uri) uri = uri_parse(part, &error);

        g_assert_true((uri == NULL) == (error != NULL));
    }
}

static char *sockets_of(const char *text, gboolean is_readonly, const char *runtime_dir)
{
    g_autoptr(Uri) uri = uri_parse(text, NULL);
    g_auto(GStrv) list = uri_unix_sockets(uri, is_readonly, runtime_dir);

    return g_strjoinv(" ", list);
}

static void sockets_are_tried_in_order(void)
{
    g_autofree char *system = sockets_of("qemu:///system", FALSE, "/run/user/5");
    g_autofree char *readonly = sockets_of("qemu:///system?mode=legacy", TRUE, NULL);
    g_autofree char *session = sockets_of("qemu:///session", FALSE, "/run/user/5");
    g_autofree char *given = sockets_of("qemu+unix:///system?socket=/x", TRUE, NULL);

    g_assert_cmpstr(
        system, ==,
        "/run/ferry/ferry-sock /var/run/libvirt/virtqemud-sock /var/run/libvirt/libvirt-sock");
    g_assert_cmpstr(readonly, ==, "/var/run/libvirt/libvirt-sock-ro");
    g_assert_cmpstr(session, ==,
                    "/run/user/5/ferry/ferry-sock /run/user/5/libvirt/virtqemud-sock "
                    "/run/user/5/libvirt/libvirt-sock");
    g_assert_cmpstr(given, ==, "/x");
}

static void ssh_is_called_as_ever(void)
{
    g_autoptr(Uri) uri =
        uri_parse("qemu+ssh://me@h:23/system?keyfile=/k&no_tty=1&no_verify=1&proxy=native", NULL);
    g_auto(GStrv) argv = uri_command_argv(uri, TRUE, NULL);
    g_autofree char *line = g_strjoinv("|", argv);

    g_assert_cmpstr(
        line, ==,
        "ssh|-p|23|-l|me|-i|/k|-T|-e|none|-o|BatchMode=yes|-o|StrictHostKeyChecking=no|--|h|"
        "sh -c 'virt-ssh-helper -r '\\''qemu:///system'\\'''");
}

/* The words of a URI must never become words of a shell. */
static void nothing_in_a_uri_is_run(void)
{
    g_autoptr(Uri) uri =
        uri_parse("qemu+ssh://h/system?socket=/a';touch%20/x;'&netcat=n$(id)", NULL);
    g_auto(GStrv) argv = uri_command_argv(uri, FALSE, NULL);
    const char *remote = argv[g_strv_length(argv) - 1];
    g_auto(GStrv) words = NULL;
    g_autofree char *script = NULL;

    g_assert_true(g_shell_parse_argv(remote, NULL, &words, NULL));
    g_assert_cmpuint(g_strv_length(words), ==, 3);
    g_assert_nonnull(strstr(words[2], "'n$(id)' $ARG -U '/a'\\'''"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link/uri/parts-come-out", parts_come_out);
    g_test_add_func("/link/uri/what-is-wrong-is-said", what_is_wrong_is_said);
    g_test_add_func("/link/uri/any-cut-text-is-survived", any_cut_text_is_survived);
    g_test_add_func("/link/uri/sockets-are-tried-in-order", sockets_are_tried_in_order);
    g_test_add_func("/link/uri/ssh-is-called-as-ever", ssh_is_called_as_ever);
    g_test_add_func("/link/uri/nothing-in-a-uri-is-run", nothing_in_a_uri_is_run);
    return g_test_run();
}
