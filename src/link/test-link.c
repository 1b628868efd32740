/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link/link.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "link/listen.h"

static void wait_readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    g_assert_cmpint(poll(&polled, 1, 10000), ==, 1);
}

static char *folder_new(void)
{
    return g_dir_make_tmp("ferry-link-XXXXXX", NULL);
}

static Link *accept_one(int fd, LinkKind kind)
{
    Link *link = NULL;

    wait_readable(fd);
    g_assert_cmpint(listen_accept(fd, kind, &link, NULL), ==, LINK_OK);
    return link;
}

static void a_dead_socket_is_replaced_and_a_live_one_is_not(void)
{
    g_autofree char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "sock", NULL);
    g_autoptr(GError) error = NULL;
    struct stat there;
    auto_fd int first = listen_unix(path, 0600, 5, &error);
    auto_fd int second = -1;

    g_assert_no_error(error);
    g_assert_cmpint(stat(path, &there), ==, 0);
    g_assert_cmpuint(there.st_mode & 07777, ==, 0600);
    g_assert_cmpint(listen_unix(path, 0600, 5, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_OPERATION_INVALID));
    g_clear_error(&error);
    fd_clear(&first);
    second = listen_unix(path, 0777, 5, &error);
    g_assert_no_error(error);
    listen_unix_remove(second, path);
    g_assert_cmpint(stat(path, &there), ==, -1);
    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
    g_assert_cmpint(listen_unix(path, 0600, 5, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_OPERATION_INVALID));
    g_remove(path);
    g_rmdir(folder);
}

static void descriptors_follow_their_frame(void)
{
    g_autofree char *folder = folder_new();
    g_autofree char *path = g_build_filename(folder, "sock", NULL);
    auto_fd int listener = listen_unix(path, 0600, 5, NULL);
    g_autoptr(Link) client = link_connect_unix(path, NULL);
    g_autoptr(Link) server = accept_one(listener, LINK_KIND_UNIX);
    g_auto(LinkFds) fds = {0};
    auto_fd int sent_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char buffer[64];
    size_t total = 0, len;
    pid_t pid;
    uid_t uid;
    gid_t gid;

    g_assert_cmpint(link_read(server, buffer, sizeof buffer, &fds, &len, NULL), ==, LINK_AGAIN);
    g_assert_cmpint(link_write(client, "frame", 5, &len, NULL), ==, LINK_OK);
    g_assert_cmpint(link_send_fd(client, sent_fd, NULL), ==, LINK_OK);
    g_assert_cmpint(link_send_fd(client, sent_fd, NULL), ==, LINK_OK);
    g_assert_cmpint(link_write(client, "next", 4, &len, NULL), ==, LINK_OK);
    while (link_read(server, buffer + total, sizeof buffer - total, &fds, &len, NULL) == LINK_OK)
        total += len;
    g_assert_cmpmem(buffer, total, "frame\0\0next", 11);
    g_assert_cmpuint(fds.count, ==, 2);
    close(link_fds_take(&fds));
    g_assert_true(link_credentials(server, &pid, &uid, &gid));
    g_assert_cmpint(pid, ==, getpid());
    g_clear_pointer(&client, link_free);
    g_assert_cmpint(link_read(server, buffer, sizeof buffer, &fds, &len, NULL), ==, LINK_END);
    listen_unix_remove(listener, path);
    g_rmdir(folder);
}

static void too_many_descriptors_end_the_link(void)
{
    int pair[2];
    g_autoptr(Link) sender = NULL;
    g_autoptr(Link) receiver = NULL;
    g_auto(LinkFds) fds = {0};
    LinkResult result = LINK_OK;
    char buffer[64];
    size_t len;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    sender = link_new(LINK_KIND_UNIX, pair[0]);
    receiver = link_new(LINK_KIND_UNIX, pair[1]);
    for (int i = 0; i < LINK_FDS_MAX + 1; i++)
        g_assert_cmpint(link_send_fd(sender, pair[0], NULL), ==, LINK_OK);
    while (result == LINK_OK)
        result = link_read(receiver, buffer, sizeof buffer, &fds, &len, NULL);
    g_assert_cmpint(result, ==, LINK_FAILED);
}

static void tcp_connects_and_knows_its_addresses(void)
{
    int fds[LISTEN_TCP_MAX];
    g_autoptr(GError) error = NULL;
    unsigned count = listen_tcp("127.0.0.1", 0, 5, fds, &error);
    LinkAddress address, local, remote;
    g_autoptr(Link) client = NULL;
    g_autoptr(Link) server = NULL;
    g_autofree char *text = NULL;
    LinkKind kind;

    g_assert_no_error(error);
    g_assert_cmpuint(count, ==, 1);
    g_assert_true(listen_fd_kind(fds[0], &kind));
    g_assert_cmpint(kind, ==, LINK_KIND_TCP);
    g_assert_true(link_address_parse("127.0.0.1", listen_port(fds[0]), &address));
    client = link_connect_tcp(&address, &error);
    g_assert_no_error(error);
    server = accept_one(fds[0], LINK_KIND_TCP);
    g_assert_true(link_connect_result(client, "x", NULL));
    g_assert_true(link_remote_address(client, &remote));
    g_assert_true(link_local_address(server, &local));
    text = link_address_format(&remote);
    g_assert_cmpuint(link_address_port(&local), ==, link_address_port(&remote));
    g_assert_true(g_str_has_prefix(text, "127.0.0.1:"));
    g_assert_true(link_address_is_loopback(&local));
    close(fds[0]);
}

static void a_refused_connection_says_where(void)
{
    int fds[LISTEN_TCP_MAX];
    LinkAddress address;
    g_autoptr(GError) error = NULL;
    g_autoptr(Link) link = NULL;
    guint16 port;

    g_assert_cmpuint(listen_tcp("127.0.0.1", 0, 5, fds, NULL), ==, 1);
    port = listen_port(fds[0]);
    close(fds[0]);
    link_address_parse("127.0.0.1", port, &address);
    link = link_connect_tcp(&address, &error);
    if (link) {
        struct pollfd polled = {.fd = link->fd, .events = POLLOUT};

        poll(&polled, 1, 10000);
        g_assert_false(link_connect_result(link, "host:1", &error));
        g_assert_cmpstr(error->message, ==,
                        "unable to connect to server at 'host:1': Connection refused");
    }
    g_assert_nonnull(error);
}

static void all_addresses_share_one_port(void)
{
    int fds[LISTEN_TCP_MAX];
    unsigned count = listen_tcp(NULL, 0, 5, fds, NULL);

    g_assert_cmpuint(count, >=, 1);
    for (unsigned i = 0; i < count; i++)
        g_assert_cmpuint(listen_port(fds[i]), ==, listen_port(fds[0]));
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

static void literals_are_read_and_written(void)
{
    /* clang-format off */
    static const struct { const char *in, *out; gboolean is_loopback; } rows[] = {
        { "10.0.0.1", "10.0.0.1:7", FALSE },
        { "127.0.1.1", "127.0.1.1:7", TRUE },
        { "::ffff:127.0.0.1", "127.0.0.1:7", TRUE },
        { "fd00::1", "[fd00::1]:7", FALSE },
        { "::1", "[::1]:7", TRUE },
        { "fe80::1%lo", "[fe80::1%lo]:7", FALSE },
    };
    /* clang-format on */
    static const char *const wrong[] = {
        "", "localhost", "10.0.0", "fe80::1%", "fe80::1%nosuchthing", "1:2", "%lo"};
    LinkAddress address;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = NULL;

        g_assert_true(link_address_parse(rows[i].in, 7, &address));
        text = link_address_format(&address);
        g_assert_cmpstr(text, ==, rows[i].out);
        g_assert_cmpint(link_address_is_loopback(&address), ==, rows[i].is_loopback);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_false(link_address_parse(wrong[i], 7, &address));
}

static void a_command_speaks_and_is_quoted(void)
{
    const char *const argv[] = {"sh", "-c", "read word; echo got $word; echo trouble >&2", NULL};
    const char *const missing[] = {"/nonexistent/command", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(Link) link = link_spawn_command(argv, &error);
    g_autofree char *words = NULL;
    char buffer[64];
    size_t len;

    g_assert_no_error(error);
    g_assert_cmpint(link_write(link, "it\n", 3, &len, NULL), ==, LINK_OK);
    wait_readable(link->fd);
    g_assert_cmpint(link_read(link, buffer, sizeof buffer, NULL, &len, NULL), ==, LINK_OK);
    g_assert_cmpmem(buffer, len, "got it\n", 7);
    wait_readable(link->error_fd);
    words = link_command_words(link);
    g_assert_cmpstr(words, ==, "trouble");
    g_assert_null(link_spawn_command(missing, &error));
    g_assert_cmpstr(error->message, ==,
                    "cannot execute binary /nonexistent/command: No such file or directory");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link/unix/a-dead-socket-is-replaced-and-a-live-one-is-not",
                    a_dead_socket_is_replaced_and_a_live_one_is_not);
    g_test_add_func("/link/unix/descriptors-follow-their-frame", descriptors_follow_their_frame);
    g_test_add_func("/link/unix/too-many-descriptors-end-the-link",
                    too_many_descriptors_end_the_link);
    g_test_add_func("/link/tcp/connects-and-knows-its-addresses",
                    tcp_connects_and_knows_its_addresses);
    g_test_add_func("/link/tcp/a-refused-connection-says-where", a_refused_connection_says_where);
    g_test_add_func("/link/tcp/all-addresses-share-one-port", all_addresses_share_one_port);
    g_test_add_func("/link/address/literals-are-read-and-written", literals_are_read_and_written);
    g_test_add_func("/link/command/speaks-and-is-quoted", a_command_speaks_and_is_quoted);
    return g_test_run();
}
