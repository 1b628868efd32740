/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a bus of our own on which a stand-in for systemd takes the call. */
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "host/scope.h"
#include "loop/loop-test.h"

static const char interface[] =
    "<node><interface name='org.freedesktop.systemd1.Manager'><method name='StartTransientUnit'>"
    "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='a(sv)' direction='in'/>"
    "<arg type='a(sa(sv))' direction='in'/><arg type='o' "
    "direction='out'/></method></interface></node>";

static char *seen; /* the call's arguments */

static void take_call(GDBusConnection *connection, const char *sender, const char *path,
                      const char *iface, const char *method, GVariant *parameters,
                      GDBusMethodInvocation *invocation, void *data)
{
    g_free(seen);
    seen = g_variant_print(parameters, FALSE);
    if (strstr(seen, "forbidden"))
        g_dbus_method_invocation_return_dbus_error(
            invocation, "org.freedesktop.systemd1.UnitExists", "no such luck");
    else
        g_dbus_method_invocation_return_value(
            invocation, g_variant_new("(o)", "/org/freedesktop/systemd1/job/1"));
}

static void enter_body(void *data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(scope_enter(4242, "ferry-guest-x", "QEMU of domain x", "/machine/web", &error));
    g_assert_no_error(error);
    g_assert_cmpstr(
        seen, ==,
        "('ferry-guest-x.scope', 'fail', [('Description', <'QEMU of domain x'>), ('Slice', "
        "<'machine-web.slice'>), ('PIDs', <[uint32 4242]>), ('Delegate', <true>)], [])");
    g_assert_false(scope_enter(4242, "forbidden", "", NULL, &error));
    g_assert_cmpstr(error->message, ==, "cannot make 'forbidden.scope': no such luck");
    g_clear_error(&error);
    g_assert_false(scope_enter(4242, "x", "", "machine", &error));
    g_assert_nonnull(strstr(error->message, "'machine'"));
}

static void systemd_is_asked_for_a_scope(void)
{
    static const GDBusInterfaceVTable table = {.method_call = take_call};
    g_autofree char *daemon = g_find_program_in_path("dbus-daemon");
    g_autoptr(GTestDBus) bus = NULL;
    g_autoptr(GDBusConnection) connection = NULL;
    g_autoptr(GDBusNodeInfo) node = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;

#ifdef __SANITIZE_THREAD__
    g_test_skip("GDBus, which plays systemd here, looks like races to TSan");
    return;
#endif
    if (!daemon) {
        g_test_skip("needs dbus-daemon");
        return;
    }
    bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bus);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(bus), TRUE);
    connection =
        g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(bus),
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_assert_no_error(error);
    node = g_dbus_node_info_new_for_xml(interface, &error);
    g_dbus_connection_register_object(connection, "/org/freedesktop/systemd1", node->interfaces[0],
                                      &table, NULL, NULL, &error);
    reply = g_dbus_connection_call_sync(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "RequestName",
                                        g_variant_new("(su)", "org.freedesktop.systemd1", 0), NULL,
                                        G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_no_error(error);

    loop_test_run(enter_body, NULL);
    g_free(seen);
    g_dbus_connection_close_sync(connection, NULL, NULL);
    g_test_dbus_stop(bus);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/scope/systemd-is-asked-for-a-scope", systemd_is_asked_for_a_scope);
    return g_test_run();
}
