/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stock host in a pre-flight: the standard calls answer some of it; the rest is unknown, and said
 * so row by row. */
#include <string.h>

#include "check.h"
#include "phase/flags.h"
#include "xml/xml.h"

#define MIB          (1024 * 1024)

typedef struct {
    const char *section, *name, *cause;
} Silence;

/* clang-format off */
static const Silence source_silences[] = {
    { "guest", "devices",  "a stock source cannot be asked what QEMU has against it; try, it is told at the beginning" },
    { "host",  "clock",    "a stock host does not tell its time; compare `date` on both hosts" },
    { NULL },
};
static const Silence destination_silences[] = {
    { "host",    "clock",      "a stock host does not tell its time; compare `date` on both hosts" },
    { "host",    "ports",      "a stock host does not tell which migration ports are free; look at `ss -ltn` there" },
    { "route",   "addresses",  "a stock host does not tell where it can be reached; try, or force an address with tcp://ADDRESS" },
    { NULL },
};
/* clang-format on */

static CheckRow *add(Preflight *flight, const char *host, const char *section, const char *name,
                     CheckVerdict verdict, const char *sentence)
{
    CheckRow *row = check_rows_add(flight->rows, section, name, verdict, "%s", sentence);

    row->host = g_strdup(host);
    return row;
}

static void add_silences(Preflight *flight, const char *host, const Silence *silences)
{
    for (; silences->section; silences++)
        add(flight, host, silences->section, silences->name, CHECK_UNKNOWN, silences->cause);
}

static char *host_uuid(FerryConnection *conn)
{
    g_autofree char *text = ferry_connection_capabilities(conn, NULL);
    g_autoptr(XmlTree) tree = text ? xml_parse(text, strlen(text), "capabilities", NULL) : NULL;
    XmlNode *node = tree ? xml_child(xml_root(tree), "host/uuid") : NULL;

    return node ? g_strdup(xml_text(node)) : NULL;
}

/* ---- the source ---- */

void check_stock_source(Preflight *flight)
{
    FerryConnection *conn = flight->domain->conn;
    const char *host = flight->source_name;
    g_autofree char *uuid = host_uuid(conn);
    GError *why = NULL;
    bool is_active = false;

    flight->xml = g_strdup(params_get_string(flight->params, MIGRATE_PARAM_DEST_XML));
    if (!flight->xml)
        flight->xml = ferry_domain_xml(flight->domain, FERRY_XML_MIGRATABLE | FERRY_XML_SECURE, &why);
    if (!flight->xml) {
        check_rows_add_error(flight->rows, "guest", "definition", CHECK_BLOCKER, why)->host =
            g_strdup(host);
        return;
    }
    if (!ferry_domain_is_active(flight->domain, &is_active, NULL))
        add(flight, host, "guest", "state", CHECK_UNKNOWN, "the source does not tell");
    else if (is_active || (flight->wanted->flags & MIGRATE_OFFLINE))
        add(flight, host, "guest", "state", CHECK_OK, is_active ? "running" : "only its definition moves");
    else
        add(flight, host, "guest", "state", CHECK_BLOCKER, "domain is not running; start it first");
    add_silences(flight, host, source_silences);
    flight->facts = params_new();
    if (uuid)
        params_add_string(flight->facts, "host_uuid", uuid);
    if (host)
        params_add_string(flight->facts, "host_name", host);
}

/* ---- the destination ---- */

static void check_identity(Preflight *flight)
{
    g_autofree char *theirs = host_uuid(flight->dest);
    g_autofree char *asked = NULL;
    const char *ours = params_get_string(flight->facts, "host_uuid");

    if (!ours)
        ours = asked = host_uuid(flight->domain->conn);
    if (!ours || !theirs)
        add(flight, flight->dest_name, "host", "identity", CHECK_UNKNOWN,
            "one of the hosts does not tell its UUID; compare `virsh capabilities`");
    else if (g_ascii_strcasecmp(ours, theirs) == 0)
        add(flight, flight->dest_name, "host", "identity", CHECK_BLOCKER,
            "both hosts have the same UUID; if they are two, give one another host_uuid in its "
            "libvirtd.conf");
    else
        add(flight, flight->dest_name, "host", "identity", CHECK_OK, "another host than the source");
}

static void check_name(Preflight *flight)
{
    const char *name =
        params_get_string(flight->params, MIGRATE_PARAM_DEST_NAME) ?: flight->domain->name;
    g_autoptr(GError) why = NULL;
    FerryDomain *by_uuid = ferry_domain_find_by_uuid(flight->dest, flight->domain->uuid_text, &why);
    FerryDomain *by_name = ferry_domain_find_by_name(flight->dest, name, NULL);
    bool is_active = false;

    if (!by_uuid && !error_is(why, ERROR_NO_DOMAIN))
        add(flight, flight->dest_name, "guest", "name and UUID", CHECK_UNKNOWN,
            why ? why->message : "no answer");
    else if (by_uuid && ferry_domain_is_active(by_uuid, &is_active, NULL) && is_active)
        add(flight, flight->dest_name, "guest", "name and UUID", CHECK_BLOCKER,
            "it runs there already; destroy that one if it is not wanted");
    else if (by_name && (!by_uuid || !uuid_equal(&by_name->uuid, &by_uuid->uuid)))
        add(flight, flight->dest_name, "guest", "name and UUID", CHECK_BLOCKER,
            "another guest has its name there; give it another with --dname");
    else
        add(flight, flight->dest_name, "guest", "name and UUID", CHECK_OK,
            by_uuid ? "defined there, and does not run" : "not taken there");
    ferry_domain_free(by_uuid);
    ferry_domain_free(by_name);
}

static const char *text_of(XmlNode *root, const char *path)
{
    XmlNode *node = xml_child(root, path);

    return node ? xml_text(node) : NULL;
}

static gboolean knows_model(XmlNode *capabilities, const char *model, gboolean *ret_is_usable)
{
    XmlNode *mode = xml_child(capabilities, "cpu/mode");

    for (; mode; mode = xml_next(mode, "mode")) {
        XmlNode *node = xml_child(mode, "model");

        if (g_strcmp0(xml_attr(mode, "name"), "custom") != 0)
            continue;
        for (; node; node = xml_next(node, "model"))
            if (g_str_equal(xml_text(node), model)) {
                *ret_is_usable = g_strcmp0(xml_attr(node, "usable"), "yes") == 0;
                return TRUE;
            }
    }
    return FALSE;
}

static void check_model(Preflight *flight, XmlNode *domain, XmlNode *capabilities)
{
    const gboolean is_kvm = g_strcmp0(xml_attr(domain, "type"), "kvm") == 0;
    const char *model = text_of(domain, "cpu/model");
    g_autofree char *name = NULL;
    gboolean is_usable = FALSE;

    if (!model) {
        add(flight, flight->dest_name, "machine", "processor", CHECK_UNKNOWN,
            "the guest names no model, and a stock host does not tell its processor's flags; compare "
            "/proc/cpuinfo");
        return;
    }
    name = g_strdup_printf("processor '%s'", model);
    if (!knows_model(capabilities, model, &is_usable))
        add(flight, flight->dest_name, "machine", name, CHECK_BLOCKER,
            "this model is not known there; install a QEMU that has it");
    else if (is_usable)
        add(flight, flight->dest_name, "machine", name, CHECK_OK, "that host can give all of it");
    else if (is_kvm)
        add(flight, flight->dest_name, "machine", name, CHECK_BLOCKER,
            "that host's processor lacks part of it; give the guest an older model");
    else
        add(flight, flight->dest_name, "machine", name, CHECK_OK, "known there, and emulated");
}

static void check_machine(Preflight *flight, XmlNode *domain)
{
    XmlNode *type = xml_child(domain, "os/type");
    const char *machine = type ? xml_attr(type, "machine") : NULL;
    g_autofree char *name = g_strdup_printf("type '%s'", machine ?: "default");
    g_autofree char *text = NULL;
    g_autoptr(XmlTree) tree = NULL;
    GError *why = NULL;

    text = ferry_connection_domain_capabilities(flight->dest, text_of(domain, "devices/emulator"),
                                                type ? xml_attr(type, "arch") : NULL, machine,
                                                xml_attr(domain, "type"), &why);
    if (!text) {
        check_rows_add_error(flight->rows, "machine", name, CHECK_BLOCKER, why)->host =
            g_strdup(flight->dest_name);
        return;
    }
    add(flight, flight->dest_name, "machine", name, CHECK_OK, "known there");
    tree = xml_parse(text, strlen(text), "domainCapabilities", NULL);
    if (tree)
        check_model(flight, domain, xml_root(tree));
    add(flight, flight->dest_name, "machine", "devices", CHECK_UNKNOWN,
        "a stock host does not tell which devices its QEMU has; compare the versions of QEMU");
}

static void check_memory(Preflight *flight)
{
    g_autoptr(Arena) arena = arena_new();
    RemoteNodeGetFreeMemoryRet free_memory = {0};
    FerryDomainInfo info = {0};
    g_autofree char *text = NULL;

    if (!ferry_domain_info(flight->domain, &info, NULL) ||
        !CALL(flight->dest, NODE_GET_FREE_MEMORY, NULL, arena, &free_memory, NULL)) {
        add(flight, flight->dest_name, "host", "memory", CHECK_UNKNOWN,
            "the host does not tell; look at `free -m` there");
        return;
    }
    text = g_strdup_printf("%" G_GUINT64_FORMAT " MiB free for the guest's %" G_GUINT64_FORMAT " MiB%s",
                           free_memory.free_mem / MIB, info.max_memory_kib / 1024,
                           free_memory.free_mem / 1024 < info.max_memory_kib
                               ? ", not counting caches that it could give up; look at `free -m` there"
                               : "");
    add(flight, flight->dest_name, "host", "memory",
        free_memory.free_mem / 1024 < info.max_memory_kib ? CHECK_UNKNOWN : CHECK_OK, text);
}

/* The source laid proofs, but nobody there reads them. */
static void check_disks(Preflight *flight, XmlNode *domain)
{
    const Param *proves = params_find(flight->facts, "proves");
    const gboolean refuses = proves && proves->type == PARAM_BOOL && proves->value.b &&
                             !(flight->wanted->flags & MIGRATE_UNSAFE);
    XmlNode *disk = xml_child(domain, "devices/disk");

    for (; disk; disk = xml_next(disk, "disk")) {
        XmlNode *source = xml_child(disk, "source");
        XmlNode *target = xml_child(disk, "target");
        const char *file = source ? xml_attr(source, "file") ?: xml_attr(source, "dev") : NULL;
        g_autofree char *name = g_strdup_printf(
            "disk '%s'", target && xml_attr(target, "dev") ? xml_attr(target, "dev") : "?");
        g_autofree char *text = NULL;

        if (!file)
            continue;
        text = refuses ? g_strdup_printf("a stock host cannot prove that '%s' is the same file there; "
                                         "if it is, add --unsafe",
                                         file)
                       : g_strdup_printf("a stock host does not tell whether '%s' is there and the same; "
                                         "look there",
                                         file);
        add(flight, flight->dest_name, "storage", name, refuses ? CHECK_BLOCKER : CHECK_UNKNOWN, text);
    }
}

static void check_network(Preflight *flight, const char *network)
{
    g_autoptr(Arena) arena = arena_new();
    g_autoptr(GError) why = NULL;
    const RemoteNetworkLookupByNameArgs args = {.name = (char *)network};
    RemoteNetworkLookupByNameRet found = {0};
    RemoteNetworkIsActiveArgs ask = {0};
    RemoteNetworkIsActiveRet answer = {0};
    g_autofree char *name = g_strdup_printf("network '%s'", network);

    if (!CALL(flight->dest, NETWORK_LOOKUP_BY_NAME, &args, arena, &found, &why)) {
        add(flight, flight->dest_name, "network", name,
            error_is(why, ERROR_NO_NETWORK) ? CHECK_BLOCKER : CHECK_UNKNOWN, why->message);
        return;
    }
    ask.net = found.net;
    if (!CALL(flight->dest, NETWORK_IS_ACTIVE, &ask, arena, &answer, NULL))
        add(flight, flight->dest_name, "network", name, CHECK_UNKNOWN, "whether it is active, the host does not tell");
    else
        add(flight, flight->dest_name, "network", name, answer.active ? CHECK_OK : CHECK_BLOCKER,
            answer.active ? "active there" : "it is not active there; `virsh net-start` it");
}

static void check_interfaces(Preflight *flight, XmlNode *domain)
{
    XmlNode *interface = xml_child(domain, "devices/interface");

    for (; interface; interface = xml_next(interface, "interface")) {
        XmlNode *source = xml_child(interface, "source");
        const char *bridge = source ? xml_attr(source, "bridge") : NULL;
        const char *network = source ? xml_attr(source, "network") : NULL;
        g_autofree char *name = bridge ? g_strdup_printf("bridge '%s'", bridge) : NULL;

        if (network)
            check_network(flight, network);
        else if (bridge)
            add(flight, flight->dest_name, "network", name, CHECK_UNKNOWN,
                "a stock host does not tell its bridges; look at `ip link show type bridge` there");
    }
}

void check_stock_destination(Preflight *flight)
{
    g_autoptr(XmlTree) tree = xml_parse(flight->xml, strlen(flight->xml), "domain", NULL);

    check_identity(flight);
    check_name(flight);
    check_memory(flight);
    if (tree) {
        check_machine(flight, xml_root(tree));
        check_disks(flight, xml_root(tree));
        check_interfaces(flight, xml_root(tree));
    }
    add_silences(flight, flight->dest_name, destination_silences);
}
