/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The capabilities of the host, as a document.  It promises only what a definition may really
 * contain here. */
#include "qemu/capabilities.h"

#include <string.h>

#include "qemu/capabilities-part.h"

/* --- a little writer: two blanks per level, text escaped --- */

void caps_line(Caps *caps, const char *format, ...)
{
    va_list args;

    g_string_append_printf(caps->text, "%*s", caps->depth * 2, "");
    va_start(args, format);
    g_autofree char *line = g_markup_vprintf_escaped(format, args);
    va_end(args);
    g_string_append(caps->text, line);
    g_string_append_c(caps->text, '\n');
}

void caps_open(Caps *caps, const char *tag)
{
    g_string_append_printf(caps->text, "%*s<%s>\n", caps->depth * 2, "", tag);
    caps->depth++;
}

void caps_close(Caps *caps, const char *name)
{
    caps->depth--;
    g_string_append_printf(caps->text, "%*s</%s>\n", caps->depth * 2, "", name);
}

/* --- the host --- */

static void write_cpu(Caps *caps, const Node *node)
{
    caps_open(caps, "cpu");
    caps_line(caps, "<arch>%s</arch>", node->arch);
    if (node->cpu_vendor)
        caps_line(caps, "<vendor>%s</vendor>", node->cpu_vendor);
    caps_line(caps, "<topology sockets='%u' dies='1' cores='%u' threads='%u'/>",
              node->topology_sockets, node->cores, node->threads);
    caps_line(caps, "<pages unit='KiB' size='%" G_GUINT64_FORMAT "'/>", node->page_kib);
    caps_close(caps, "cpu");
}

static const NodeCpu *find_cpu(const Node *node, unsigned id)
{
    for (unsigned i = 0; i < node->cpu_count; i++) {
        if (node->cpus[i].id == id)
            return &node->cpus[i];
    }
    return NULL;
}

static void write_cell(Caps *caps, const Node *node, const NodeCell *cell)
{
    g_autofree char *tag = g_strdup_printf("cell id='%u'", cell->id);
    g_autofree char *cpus = g_strdup_printf("cpus num='%u'", cell->cpu_count);

    caps_open(caps, tag);
    caps_line(caps, "<memory unit='KiB'>%" G_GUINT64_FORMAT "</memory>", cell->memory_kib);
    caps_line(caps, "<pages unit='KiB' size='%" G_GUINT64_FORMAT "'>%" G_GUINT64_FORMAT "</pages>",
              node->page_kib, cell->memory_kib / node->page_kib);
    if (cell->distance_count > 0) {
        caps_open(caps, "distances");
        for (unsigned i = 0; i < cell->distance_count; i++)
            caps_line(caps, "<sibling id='%u' value='%u'/>", i, cell->distances[i]);
        caps_close(caps, "distances");
    }
    caps_open(caps, cpus);
    for (unsigned i = 0; i < cell->cpu_count; i++) {
        const NodeCpu *cpu = find_cpu(node, cell->cpus[i]);

        if (cpu)
            caps_line(caps, "<cpu id='%u' socket_id='%u' die_id='0' core_id='%u' siblings='%s'/>",
                      cpu->id, cpu->socket, cpu->core, cpu->siblings);
        else
            caps_line(caps, "<cpu id='%u'/>", cell->cpus[i]);
    }
    caps_close(caps, "cpus");
    caps_close(caps, "cell");
}

static void write_topology(Caps *caps, const Node *node)
{
    g_autofree char *cells = g_strdup_printf("cells num='%u'", node->cell_count);

    caps_open(caps, "topology");
    caps_open(caps, cells);
    for (unsigned i = 0; i < node->cell_count; i++)
        write_cell(caps, node, &node->cell[i]);
    caps_close(caps, "cells");
    caps_close(caps, "topology");
}

static void write_security(Caps *caps, const HostUser *user)
{
    caps_open(caps, "secmodel");
    caps_line(caps, "<model>none</model>");
    caps_line(caps, "<doi>0</doi>");
    caps_close(caps, "secmodel");
    if (!user || !user->is_set)
        return;
    caps_open(caps, "secmodel");
    caps_line(caps, "<model>dac</model>");
    caps_line(caps, "<doi>0</doi>");
    caps_line(caps, "<baselabel type='kvm'>+%u:+%u</baselabel>", user->uid, user->gid);
    caps_line(caps, "<baselabel type='qemu'>+%u:+%u</baselabel>", user->uid, user->gid);
    caps_close(caps, "secmodel");
}

static void write_host(Caps *caps, const CapabilitiesFacts *facts)
{
    char uuid[UUID_TEXT_SIZE];

    caps_open(caps, "host");
    caps_line(caps, "<uuid>%s</uuid>", uuid_format(facts->host_uuid, uuid));
    write_cpu(caps, facts->node);
    caps_line(caps, "<power_management/>");
    caps_line(caps, "<iommu support='no'/>");
    caps_open(caps, "migration_features");
    caps_line(caps, "<live/>");
    caps_open(caps, "uri_transports");
    caps_line(caps, "<uri_transport>tcp</uri_transport>");
    caps_close(caps, "uri_transports");
    caps_close(caps, "migration_features");
    write_topology(caps, facts->node);
    write_security(caps, facts->user);
    caps_close(caps, "host");
}

/* --- guests --- */

gboolean caps_knows_machine(const char *name)
{
    return g_str_has_prefix(name, "pc-i440fx-") || g_str_has_prefix(name, "pc-q35-");
}

static void write_machine(Caps *caps, const ProbeMachine *machine)
{
    const char *deprecated = machine->is_deprecated ? " deprecated='yes'" : "";

    g_string_append_printf(caps->text, "%*s<machine maxCpus='%u'%s>%s</machine>\n", caps->depth * 2,
                           "", machine->max_cpus, deprecated, machine->name);
    if (machine->alias)
        g_string_append_printf(
            caps->text, "%*s<machine canonical='%s' maxCpus='%u'%s>%s</machine>\n", caps->depth * 2,
            "", machine->name, machine->max_cpus, deprecated, machine->alias);
}

/* The default comes first: a client that takes the first one has it. */
static void write_machines(Caps *caps, const Probe *probe)
{
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < probe->machine_count; i++) {
            if (caps_knows_machine(probe->machines[i].name) &&
                probe->machines[i].is_default == (pass == 0))
                write_machine(caps, &probe->machines[i]);
        }
    }
}

static void write_guest(Caps *caps, const CapabilitiesFacts *facts, const Probe *probe)
{
    g_autofree char *arch = g_strdup_printf("arch name='%s'", probe->arch);

    caps_open(caps, "guest");
    caps_line(caps, "<os_type>hvm</os_type>");
    caps_open(caps, arch);
    caps_line(caps, "<wordsize>%d</wordsize>", strcmp(probe->arch, "i686") == 0 ? 32 : 64);
    caps_line(caps, "<emulator>%s</emulator>", probe->emulator);
    write_machines(caps, probe);
    caps_line(caps, "<domain type='qemu'/>");
    if (facts->has_kvm && probe->has_kvm)
        caps_line(caps, "<domain type='kvm'/>");
    caps_close(caps, "arch");
    caps_open(caps, "features");
    caps_line(caps, "<pae/>");
    caps_line(caps, "<acpi default='on' toggle='yes'/>");
    caps_line(caps, "<apic default='on' toggle='no'/>");
    caps_line(caps, "<cpuselection/>");
    caps_line(caps, "<deviceboot/>");
    caps_close(caps, "features");
    caps_close(caps, "guest");
}

char *capabilities_format(const CapabilitiesFacts *facts)
{
    Caps caps = {g_string_new(NULL), 0};

    caps_open(&caps, "capabilities");
    write_host(&caps, facts);
    for (unsigned i = 0; i < facts->probe_count; i++)
        write_guest(&caps, facts, facts->probes[i]);
    caps_close(&caps, "capabilities");
    return g_string_free(caps.text, FALSE);
}
