/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Defaults: what define fills in and what then stays.  The values are those of a stock host, as its
 * guests come to us and ours go to it.  Filling a filled definition changes nothing. */
#include <string.h>

#include "base/error.h"
#include "base/uuid.h"
#include "model/guest-def-internal.h"

#define MEMORY_STEP_KIB 1024 /* a stock host rounds up at start; here it is seen at once */

/* ---- the guest itself ---- */

static void random_bytes(const GuestFacts *facts, void *buffer, size_t len)
{
    Uuid uuid;

    if (facts->random_bytes)
        return facts->random_bytes(facts->random_data, buffer, len);
    g_assert(len <= sizeof uuid.bytes);
    uuid_generate(&uuid);
    memcpy(buffer, uuid.bytes, len);
}

static void fill_uuid(GuestDef *def, const GuestFacts *facts)
{
    if (!uuid_is_null(&def->uuid))
        return;
    random_bytes(facts, def->uuid.bytes, sizeof def->uuid.bytes);
    def->uuid.bytes[6] = (uint8_t)((def->uuid.bytes[6] & 0x0f) | 0x40); /* version 4 */
    def->uuid.bytes[8] = (uint8_t)((def->uuid.bytes[8] & 0x3f) | 0x80);
}

static gboolean is_known_machine(const GuestFacts *facts, const char *machine)
{
    if (!facts->machines)
        return TRUE;
    for (const char *const *name = facts->machines; *name; name++)
        if (g_str_equal(*name, machine))
            return TRUE;
    return FALSE;
}

static gboolean fill_machine(GuestDef *def, const GuestFacts *facts, GError **error)
{
    const GuestMachineAlias *alias = facts->machine_aliases;

    if (!def->os.arch)
        def->os.arch = g_strdup("x86_64");
    if (!def->os.machine)
        def->os.machine = g_strdup(facts->machine ? facts->machine : "pc");
    while (alias && alias->alias && !g_str_equal(alias->alias, def->os.machine))
        alias++;
    if (alias && alias->alias) {
        g_free(def->os.machine);
        def->os.machine = g_strdup(alias->machine);
    }
    if (!g_str_has_prefix(def->os.machine, "pc-q35-") &&
        !g_str_has_prefix(def->os.machine, "pc-i440fx-"))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: machine type '%s' is not supported by this "
                         "host (pc and q35 are)",
                         def->os.machine);
    if (!is_known_machine(facts, def->os.machine))
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: the emulator of this host has no machine type '%s'",
            def->os.machine);
    return TRUE;
}

static void fill_memory(GuestDef *def)
{
    def->memory_kib = (def->memory_kib + MEMORY_STEP_KIB - 1) / MEMORY_STEP_KIB * MEMORY_STEP_KIB;
    if (def->current_memory_kib == 0 || def->current_memory_kib > def->memory_kib)
        def->current_memory_kib = def->memory_kib;
}

static gboolean fill_vcpus(GuestDef *def, GError **error)
{
    const GuestCpu *cpu = &def->cpu;
    uint64_t places = (uint64_t)cpu->sockets * cpu->dies * cpu->cores * cpu->threads;

    if (def->current_vcpus == 0)
        def->current_vcpus = def->vcpus;
    if (def->vcpus > 255 && !guest_def_is_q35(def))
        return error_set(
            error, ERROR_CONFIG_UNSUPPORTED,
            "unsupported configuration: machine type '%s' has at most 255 vCPUs, not %u",
            def->os.machine, def->vcpus);
    if (cpu->sockets && places != def->vcpus)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: the CPU topology has %" G_GUINT64_FORMAT
                         " places, which does not match the maximum vCPU count %u",
                         places, def->vcpus);
    return TRUE;
}

/* `check` is what a stock host would do with the model; it goes along so that the definition looks
 * alike there. */
static void fill_cpu(GuestDef *def)
{
    GuestCpu *cpu = &def->cpu;
    gboolean is_named = cpu->mode == GUEST_CPU_DEFAULT || cpu->mode == GUEST_CPU_CUSTOM;

    if (is_named) {
        if (!cpu->model) {
            cpu->model = g_strdup("qemu64");
            cpu->fallback = GUEST_CPU_FALLBACK_FORBID;
            cpu->check = GUEST_CPU_CHECK_NONE;
        }
        cpu->mode = GUEST_CPU_CUSTOM;
        cpu->match = GUEST_CPU_MATCH_EXACT;
        if (cpu->fallback == GUEST_CPU_FALLBACK_DEFAULT)
            cpu->fallback = GUEST_CPU_FALLBACK_ALLOW;
    }
    if (cpu->check == GUEST_CPU_CHECK_DEFAULT)
        cpu->check = is_named && def->virt == GUEST_VIRT_KVM ? GUEST_CPU_CHECK_PARTIAL
                                                             : GUEST_CPU_CHECK_NONE;
    if (cpu->mode == GUEST_CPU_HOST_PASSTHROUGH && cpu->migratable == SWITCH_ABSENT)
        cpu->migratable = SWITCH_ON;
}

static void fill_actions(GuestDef *def)
{
    if (def->clock.offset == GUEST_CLOCK_UNSET)
        def->clock.offset = GUEST_CLOCK_UTC;
    if (def->on_poweroff == GUEST_ACTION_UNSET)
        def->on_poweroff = GUEST_ACTION_DESTROY;
    if (def->on_reboot == GUEST_ACTION_UNSET)
        def->on_reboot = GUEST_ACTION_RESTART;
    if (def->on_crash == GUEST_ACTION_UNSET)
        def->on_crash = GUEST_ACTION_DESTROY;
}

/* ---- boot order ---- */

static gboolean note_order(GHashTable *orders, unsigned order, GError **error)
{
    if (order == 0 || g_hash_table_add(orders, GUINT_TO_POINTER(order)))
        return TRUE;
    return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                          "XML error: boot order '%u' used for more than one device", order);
}

static gboolean fill_boot(GuestDef *def, GError **error)
{
    g_autoptr(GHashTable) orders = g_hash_table_new(NULL, NULL);

    for (unsigned i = 0; i < def->disks->len; i++)
        if (!note_order(orders, guest_def_disk(def, i)->boot_order, error))
            return FALSE;
    for (unsigned i = 0; i < def->interfaces->len; i++)
        if (!note_order(orders, guest_def_interface(def, i)->boot_order, error))
            return FALSE;
    if (g_hash_table_size(orders) > 0 && def->os.boot_count > 0)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: per-device boot elements cannot be used "
                         "together with os/boot elements");
    if (g_hash_table_size(orders) == 0 && def->os.boot_count == 0)
        def->os.boot[def->os.boot_count++] = GUEST_BOOT_HD;
    return TRUE;
}

/* ---- devices ---- */

static void fill_macs(GuestDef *def, const GuestFacts *facts)
{
    for (unsigned i = 0; i < def->interfaces->len; i++) {
        GuestMac *mac = &guest_def_interface(def, i)->mac;

        if (mac->is_set)
            continue;
        mac->bytes[0] = 0x52; /* QEMU's range */
        mac->bytes[1] = 0x54;
        mac->bytes[2] = 0x00;
        random_bytes(facts, mac->bytes + 3, 3);
        mac->is_set = TRUE;
    }
}

static gboolean fill_serial_ports(GuestDef *def, GError **error)
{
    gboolean is_used[4] = {FALSE};

    for (unsigned i = 0; i < def->serials->len; i++) {
        int port = guest_def_serial(def, i)->port;

        if (port >= 0 && is_used[port])
            return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                                  "XML error: serial port %d is used twice", port);
        if (port >= 0)
            is_used[port] = TRUE;
    }
    for (unsigned i = 0; i < def->serials->len; i++) {
        GuestSerial *serial = guest_def_serial(def, i);

        for (int port = 0; port < 4 && serial->port < 0; port++)
            if (!is_used[port])
                serial->port = port;
        is_used[serial->port] = TRUE;
    }
    return TRUE;
}

static gboolean check_inputs(const GuestDef *def, GError **error)
{
    if (def->inputs->len < 2 || ((GuestInput *)g_ptr_array_index(def->inputs, 0))->type !=
                                    ((GuestInput *)g_ptr_array_index(def->inputs, 1))->type)
        return TRUE;
    return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                          "XML error: there are two PS/2 inputs of one type");
}

static void add_input(GuestDef *def, GuestInputType type)
{
    GuestInput *input;

    for (unsigned i = 0; i < def->inputs->len; i++)
        if (((GuestInput *)g_ptr_array_index(def->inputs, i))->type == type)
            return;
    input = guest_device_new(&guest_input_class);
    input->type = type;
    g_ptr_array_add(def->inputs, input);
}

static void fill_small_devices(GuestDef *def)
{
    add_input(def, GUEST_INPUT_MOUSE);
    add_input(def, GUEST_INPUT_KEYBOARD);
    def->has_audio = TRUE;
    if (def->balloon.model == GUEST_BALLOON_UNSET)
        def->balloon.model = GUEST_BALLOON_VIRTIO;
    for (unsigned i = 0; i < def->rngs->len; i++)
        if (!guest_def_rng(def, i)->path)
            guest_def_rng(def, i)->path = g_strdup("/dev/urandom");
}

/* ---- controllers ---- */

static gboolean number_controllers_of(GuestDef *def, GuestControllerType type, GError **error)
{
    gboolean is_used[256] = {FALSE};
    int next = 0;

    for (unsigned i = 0; i < def->controllers->len; i++) {
        const GuestController *controller = guest_def_controller(def, i);

        if (controller->type != type || controller->index < 0)
            continue;
        if (is_used[controller->index])
            return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                                  "XML error: there are two %s controllers with index %d",
                                  enum_name(guest_controller_type_names, type), controller->index);
        is_used[controller->index] = TRUE;
    }
    for (unsigned i = 0; i < def->controllers->len; i++) {
        GuestController *controller = guest_def_controller(def, i);

        if (controller->type != type || controller->index >= 0)
            continue;
        while (next < 256 && is_used[next])
            next++;
        if (next == 256)
            return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                                  "XML error: more than 256 %s controllers",
                                  enum_name(guest_controller_type_names, type));
        controller->index = next;
        is_used[next] = TRUE;
    }
    return TRUE;
}

static gboolean has_controller(const GuestDef *def, GuestControllerType type)
{
    for (unsigned i = 0; i < def->controllers->len; i++)
        if (guest_def_controller(def, i)->type == type)
            return TRUE;
    return FALSE;
}

static void add_controller(GuestDef *def, GuestControllerType type, GuestControllerModel model)
{
    g_ptr_array_add(def->controllers, guest_controller_new(type, model, 0));
}

static int compare_controllers(gconstpointer a, gconstpointer b, gpointer ranks)
{
    const GuestController *x = *(const GuestController *const *)a,
                          *y = *(const GuestController *const *)b;
    const unsigned *rank = ranks;

    return x->type != y->type ? (int)rank[x->type] - (int)rank[y->type] : x->index - y->index;
}

/* Types stay in the order of their first appearance, each sorted by index: the order does not
 * depend on how often a definition was written and read. */
static void sort_controllers(GuestDef *def)
{
    unsigned ranks[GUEST_CONTROLLER_FDC + 1] = {0};

    for (unsigned i = def->controllers->len; i-- > 0;)
        ranks[guest_def_controller(def, i)->type] = i;
    g_ptr_array_sort_with_data(def->controllers, compare_controllers, ranks);
}

static gboolean check_usb(const GuestDef *def, GError **error)
{
    unsigned count = 0, none = 0;

    for (unsigned i = 0; i < def->controllers->len; i++) {
        const GuestController *controller = guest_def_controller(def, i);

        count += controller->type == GUEST_CONTROLLER_USB;
        none += controller->model == GUEST_CONTROLLER_MODEL_NONE;
    }
    if (none == 0 || count == 1)
        return TRUE;
    return error_set_from(
        error, FROM_XML, ERROR_XML_ERROR,
        "XML error: a USB controller of model 'none' stands beside another USB controller");
}

static gboolean fill_controllers(GuestDef *def, GError **error)
{
    gboolean is_q35 = guest_def_is_q35(def);
    GuestControllerModel usb =
        is_q35 ? GUEST_CONTROLLER_MODEL_QEMU_XHCI : GUEST_CONTROLLER_MODEL_PIIX3_UHCI;

    for (const EnumName *type = guest_controller_type_names; type->name; type++)
        if (!number_controllers_of(def, (GuestControllerType)type->value, error))
            return FALSE;
    for (unsigned i = 0; i < def->controllers->len; i++) {
        GuestController *controller = guest_def_controller(def, i);

        if (controller->type == GUEST_CONTROLLER_USB &&
            controller->model == GUEST_CONTROLLER_MODEL_DEFAULT)
            controller->model = usb;
    }
    if (!has_controller(def, GUEST_CONTROLLER_USB))
        add_controller(def, GUEST_CONTROLLER_USB, usb);
    if (is_q35 && !has_controller(def, GUEST_CONTROLLER_SATA))
        add_controller(def, GUEST_CONTROLLER_SATA, GUEST_CONTROLLER_MODEL_DEFAULT);
    if (!guest_def_find_controller(def, GUEST_CONTROLLER_PCI, 0))
        add_controller(def, GUEST_CONTROLLER_PCI,
                       is_q35 ? GUEST_CONTROLLER_MODEL_PCIE_ROOT : GUEST_CONTROLLER_MODEL_PCI_ROOT);
    return check_usb(def, error);
}

/* ---- names that must differ ---- */

static gboolean check_disks(const GuestDef *def, GError **error)
{
    g_autoptr(GHashTable) targets = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned i = 0; i < def->disks->len; i++)
        if (!g_hash_table_add(targets, guest_def_disk(def, i)->target))
            return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                                  "XML error: two disks have the target '%s'",
                                  guest_def_disk(def, i)->target);
    return TRUE;
}

typedef struct {
    GHashTable *aliases;
    char *twice;
} AliasCheck;

static void note_alias(const GuestDeviceClass *class, void *device, unsigned i, void *data)
{
    AliasCheck *check = data;
    char **alias = guest_device_alias(class, device);

    if (*alias && !g_hash_table_add(check->aliases, *alias))
        check->twice = *alias;
}

static gboolean check_aliases(const GuestDef *def, GError **error)
{
    g_autoptr(GHashTable) aliases = g_hash_table_new(g_str_hash, g_str_equal);
    AliasCheck check = {aliases, NULL};

    guest_def_each_device(def, note_alias, &check);
    if (!check.twice)
        return TRUE;
    return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                          "XML error: two devices have the alias '%s'", check.twice);
}

gboolean guest_def_fill_defaults(GuestDef *def, const GuestFacts *facts, GError **error)
{
    fill_uuid(def, facts);
    if (!fill_machine(def, facts, error))
        return FALSE;
    fill_memory(def);
    if (!fill_vcpus(def, error))
        return FALSE;
    fill_cpu(def);
    fill_actions(def);
    if (!def->emulator)
        def->emulator = g_strdup(facts->emulator);
    if (!fill_boot(def, error) || !check_disks(def, error) || !check_aliases(def, error) ||
        !check_inputs(def, error))
        return FALSE;
    fill_macs(def, facts);
    fill_small_devices(def);
    if (!fill_serial_ports(def, error) || !fill_controllers(def, error))
        return FALSE;
    sort_controllers(def);
    if (!guest_def_assign_addresses(def, error))
        return FALSE;
    sort_controllers(def); /* with the root ports that were added */
    return TRUE;
}
