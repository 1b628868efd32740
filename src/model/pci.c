/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCI addresses: who sits where.  What the XML says is kept and checked; the rest gets the
 * addresses that a stock host would give, in the same order, so that a guest looks the same
 * wherever it was defined: bridges and root ports, interfaces, other controllers, disks, balloon,
 * rng. On q35 every device has a root port of its own, and one spare is added if the XML named
 * none; on pc all share bus 0. */
#include <string.h>

#include "base/error.h"
#include "model/guest-def-internal.h"

#define BUSES          256
#define SLOTS          32
#define ALL_FUNCTIONS  0xff
#define Q35_SOUTH_SLOT 0x1f /* LPC bridge, SATA, SMBus */
#define PC_SOUTH_SLOT  1    /* ISA bridge, IDE, USB, ACPI */

typedef enum { PLACE_ROOT_PORT, PLACE_PCI_BRIDGE, PLACE_PCIE_BRIDGE, PLACE_ENDPOINT } Place;

typedef struct {
    Place place;
    GuestAddress *address;
    char *name; /* for errors */
} PciDevice;

typedef struct {
    GuestDef *def;
    gboolean is_q35;
    GuestController *bus[BUSES]; /* who opens this bus */
    uint8_t used[BUSES][SLOTS];  /* functions */
    uint8_t ports[BUSES]
                 [SLOTS]; /* those of root ports that may share their slot with more of them */
    GArray *devices;      /* of PciDevice */
} PciMap;

static void device_clear(gpointer device)
{
    g_free(((PciDevice *)device)->name);
}

static void map_free(PciMap *map)
{
    g_array_unref(map->devices);
    g_free(map);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciMap, map_free)

static gboolean pci_error(GError **error, const PciDevice *device, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean pci_error(GError **error, const PciDevice *device, const char *format, ...)
{
    g_autofree char *address = guest_address_text(device->address), *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                          "XML error: the PCI address %s of %s %s", address, device->name, what);
}

/* ---- what there is ---- */

static void add_device(PciMap *map, Place place, GuestAddress *address, char *name)
{
    PciDevice device = {place, address, name};

    g_array_append_val(map->devices, device);
}

static char *controller_name(const GuestController *controller)
{
    return g_strdup_printf("the %s controller %d",
                           enum_name(guest_controller_type_names, controller->type),
                           controller->index);
}

static void add_pci_controllers(PciMap *map)
{
    for (unsigned i = 0; i < map->def->controllers->len; i++) {
        GuestController *controller = guest_def_controller(map->def, i);
        char *name;

        if (controller->type != GUEST_CONTROLLER_PCI || controller->index == 0)
            continue;
        name = controller_name(controller);
        if (controller->model == GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT)
            add_device(map, PLACE_ROOT_PORT, &controller->address, name);
        else if (controller->model == GUEST_CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE)
            add_device(map, PLACE_PCIE_BRIDGE, &controller->address, name);
        else
            add_device(map, PLACE_PCI_BRIDGE, &controller->address, name);
    }
}

static void add_other_controllers(PciMap *map)
{
    for (unsigned i = 0; i < map->def->controllers->len; i++) {
        GuestController *controller = guest_def_controller(map->def, i);

        if (controller->type != GUEST_CONTROLLER_PCI && controller->type != GUEST_CONTROLLER_FDC &&
            controller->model != GUEST_CONTROLLER_MODEL_NONE)
            add_device(map, PLACE_ENDPOINT, &controller->address, controller_name(controller));
    }
}

static void add_all(PciMap *map)
{
    GuestDef *def = map->def;
    char mac[GUEST_MAC_TEXT_SIZE];

    add_pci_controllers(map);
    for (unsigned i = 0; i < def->interfaces->len; i++)
        add_device(map, PLACE_ENDPOINT, &guest_def_interface(def, i)->address,
                   g_strdup_printf("the interface %s",
                                   guest_mac_format(&guest_def_interface(def, i)->mac, mac)));
    add_other_controllers(map);
    for (unsigned i = 0; i < def->disks->len; i++)
        add_device(map, PLACE_ENDPOINT, &guest_def_disk(def, i)->address,
                   g_strdup_printf("the disk '%s'", guest_def_disk(def, i)->target));
    if (def->balloon.model == GUEST_BALLOON_VIRTIO)
        add_device(map, PLACE_ENDPOINT, &def->balloon.address, g_strdup("the memballoon"));
    for (unsigned i = 0; i < def->rngs->len; i++)
        add_device(map, PLACE_ENDPOINT, &guest_def_rng(def, i)->address,
                   g_strdup_printf("the rng device %u", i));
}

/* ---- buses and what is built in ---- */

static gboolean map_buses(PciMap *map, GError **error)
{
    GuestControllerModel root =
        map->is_q35 ? GUEST_CONTROLLER_MODEL_PCIE_ROOT : GUEST_CONTROLLER_MODEL_PCI_ROOT;

    for (unsigned i = 0; i < map->def->controllers->len; i++) {
        GuestController *controller = guest_def_controller(map->def, i);
        const char *model = guest_controller_model_name(controller);

        if (controller->type != GUEST_CONTROLLER_PCI)
            continue;
        if ((controller->index == 0) != (controller->model == root))
            return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                             "unsupported configuration: PCI controller %d of model '%s' on "
                             "machine type '%s' is not supported "
                             "by this host",
                             controller->index, model, map->def->os.machine);
        if (!map->is_q35 && controller->index != 0 &&
            controller->model != GUEST_CONTROLLER_MODEL_PCI_BRIDGE)
            return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                             "unsupported configuration: a PCI controller of model '%s' on machine "
                             "type '%s' is not supported by "
                             "this host",
                             model, map->def->os.machine);
        map->bus[controller->index] = controller;
    }
    return TRUE;
}

/* Controllers inside the chipset: they sit where they sit, and there is one of each. */
static gboolean place_built_in(PciMap *map, GuestController *controller, unsigned slot,
                               unsigned function, GError **error)
{
    GuestAddress fixed = {.type = GUEST_ADDRESS_PCI, .slot = slot, .function = function};

    if (controller->address.type == GUEST_ADDRESS_NONE)
        controller->address = fixed;
    fixed.multifunction = controller->address.multifunction;
    if (!guest_address_equal(&controller->address, &fixed)) {
        g_autofree char *text = guest_address_text(&fixed);

        return error_set_from(error, FROM_XML, ERROR_XML_ERROR,
                              "XML error: the %s controller 0 must have PCI address %s",
                              enum_name(guest_controller_type_names, controller->type), text);
    }
    return TRUE;
}

static gboolean place_controller(PciMap *map, GuestController *controller, GError **error)
{
    gboolean is_sata = controller->type == GUEST_CONTROLLER_SATA,
             is_ide = controller->type == GUEST_CONTROLLER_IDE;
    gboolean is_uhci = controller->model == GUEST_CONTROLLER_MODEL_PIIX3_UHCI;
    gboolean is_single = is_sata || is_ide || controller->type == GUEST_CONTROLLER_FDC;

    if ((is_single && controller->index != 0) || (is_sata && !map->is_q35) ||
        ((is_ide || is_uhci) && map->is_q35))
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: %s controller %d%s%s on machine type '%s' is "
                         "not supported by this host",
                         enum_name(guest_controller_type_names, controller->type),
                         controller->index, is_uhci ? " of model " : "",
                         is_uhci ? "piix3-uhci" : "", map->def->os.machine);
    if (is_sata)
        return place_built_in(map, controller, Q35_SOUTH_SLOT, 2, error);
    if (is_ide)
        return place_built_in(map, controller, PC_SOUTH_SLOT, 1, error);
    if (is_uhci && controller->index == 0 && controller->address.type == GUEST_ADDRESS_NONE)
        return place_built_in(map, controller, PC_SOUTH_SLOT, 2, error);
    return TRUE;
}

static void reserve_chipset(PciMap *map)
{
    map->used[0][0] = ALL_FUNCTIONS;
    if (map->is_q35)
        map->used[0][Q35_SOUTH_SLOT] = 1 << 0 | 1 << 3;
    else
        map->used[0][PC_SOUTH_SLOT] = 1 << 0 | 1 << 3;
    if (!map->is_q35 && !guest_def_find_controller(map->def, GUEST_CONTROLLER_IDE, 0))
        map->used[0][PC_SOUTH_SLOT] |= 1 << 1;
}

/* ---- what the XML says ---- */

static gboolean is_conventional(const GuestController *bus)
{
    return bus->model == GUEST_CONTROLLER_MODEL_PCI_ROOT ||
           bus->model == GUEST_CONTROLLER_MODEL_PCI_BRIDGE ||
           bus->model == GUEST_CONTROLLER_MODEL_PCIE_TO_PCI_BRIDGE;
}

static gboolean fits(Place place, const GuestController *bus)
{
    switch (place) {
    case PLACE_ROOT_PORT:
        return bus->model == GUEST_CONTROLLER_MODEL_PCIE_ROOT;
    case PLACE_PCI_BRIDGE:
        return is_conventional(bus);
    case PLACE_PCIE_BRIDGE:
        return !is_conventional(bus);
    case PLACE_ENDPOINT:
        break;
    }
    return TRUE;
}

static const PciDevice *find_at(const PciMap *map, const GuestAddress *address,
                                const PciDevice *other)
{
    for (unsigned i = 0; i < map->devices->len; i++) {
        const PciDevice *device = &g_array_index(map->devices, PciDevice, i);

        if (device != other && device->address->type == GUEST_ADDRESS_PCI &&
            device->address->bus == address->bus && device->address->slot == address->slot &&
            device->address->function == address->function)
            return device;
    }
    return NULL;
}

static void occupy(PciMap *map, const PciDevice *device)
{
    const GuestAddress *address = device->address;

    map->used[address->bus][address->slot] |= (uint8_t)(1 << address->function);
    if (device->place == PLACE_ROOT_PORT &&
        (address->function > 0 || address->multifunction == SWITCH_ON))
        map->ports[address->bus][address->slot] |= (uint8_t)(1 << address->function);
}

static gboolean place_given(PciMap *map, const PciDevice *device, const GuestController *own,
                            GError **error)
{
    const GuestAddress *address = device->address;
    const GuestController *bus = map->bus[address->bus];
    gboolean is_port_bus = bus && bus->model == GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT;

    if (!bus)
        return pci_error(error, device,
                         "names bus %u, but there is no PCI controller with that index",
                         address->bus);
    if (own && address->bus >= (unsigned)own->index)
        return pci_error(error, device,
                         "is on bus %u; a bridge sits on a bus of a lower index than its own",
                         address->bus);
    if (!fits(device->place, bus))
        return pci_error(error, device, "is on a bus of model '%s', where it cannot be plugged in",
                         guest_controller_model_name(bus));
    if (is_port_bus ? address->slot != 0 : address->slot == 0)
        return pci_error(error, device, "has a slot that the '%s' with index %u does not have",
                         guest_controller_model_name(bus), address->bus);
    if (map->used[address->bus][address->slot] & (1 << address->function)) {
        const PciDevice *holder = find_at(map, address, device);

        return pci_error(error, device, "is already taken by %s",
                         holder ? holder->name : "the chipset");
    }
    occupy(map, device);
    return TRUE;
}

/* The PCI controller whose address this is, if it is one's. */
static const GuestController *owner_of(const PciMap *map, const GuestAddress *address)
{
    for (unsigned i = 0; i < BUSES; i++)
        if (map->bus[i] && &map->bus[i]->address == address)
            return map->bus[i];
    return NULL;
}

static gboolean place_all_given(PciMap *map, GError **error)
{
    for (unsigned i = 0; i < map->devices->len; i++) {
        const PciDevice *device = &g_array_index(map->devices, PciDevice, i);
        const GuestController *own =
            device->place == PLACE_ENDPOINT ? NULL : owner_of(map, device->address);

        if (device->address->type == GUEST_ADDRESS_PCI && !place_given(map, device, own, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- what it leaves open ---- */

static void settle(PciMap *map, PciDevice *device, unsigned bus, unsigned slot, unsigned function)
{
    device->address->type = GUEST_ADDRESS_PCI;
    device->address->domain = 0;
    device->address->bus = bus;
    device->address->slot = slot;
    device->address->function = function;
    occupy(map, device);
}

/* The first slot that is empty or holds nothing but root ports, which share slots eight by eight.
 */
static gboolean settle_root_port(PciMap *map, PciDevice *device, GError **error)
{
    for (unsigned slot = 1; slot < SLOTS; slot++) {
        uint8_t used = map->used[0][slot];
        unsigned function = 0;

        if (used == ALL_FUNCTIONS || used != map->ports[0][slot] || (used && !(used & 1)))
            continue;
        while (used & (1 << function))
            function++;
        if (function == 0)
            device->address->multifunction = SWITCH_ON;
        settle(map, device, 0, slot, function);
        return TRUE;
    }
    return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                     "unsupported configuration: no PCI slot is left for %s", device->name);
}

/* On a conventional bus with an empty slot. */
static gboolean settle_conventional(PciMap *map, PciDevice *device, const GuestController *own,
                                    GError **error)
{
    unsigned end = own ? (unsigned)own->index : BUSES;

    for (unsigned bus = 0; bus < end; bus++) {
        if (!map->bus[bus] || !is_conventional(map->bus[bus]))
            continue;
        for (unsigned slot = 1; slot < SLOTS; slot++) {
            if (map->used[bus][slot])
                continue;
            settle(map, device, bus, slot, 0);
            return TRUE;
        }
    }
    return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                     "unsupported configuration: no PCI slot is left for %s; add a PCI controller "
                     "of model 'pci-bridge'",
                     device->name);
}

static int highest_bus(const PciMap *map)
{
    int highest = BUSES - 1;

    while (highest > 0 && !map->bus[highest])
        highest--;
    return highest;
}

/* NULL with an error if no more fit. */
static GuestController *add_root_port(PciMap *map, GError **error)
{
    int index = highest_bus(map) + 1;
    g_autoptr(GuestController) port = NULL;
    PciDevice device = {PLACE_ROOT_PORT};

    if (index >= BUSES) {
        error_set(error, ERROR_CONFIG_UNSUPPORTED,
                  "unsupported configuration: a guest has at most %d PCI buses", BUSES);
        return NULL;
    }
    port = guest_controller_new(GUEST_CONTROLLER_PCI, GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT, index);
    device.address = &port->address;
    device.name = controller_name(port);
    g_array_append_val(map->devices, device);
    if (!settle_root_port(map, &g_array_index(map->devices, PciDevice, map->devices->len - 1),
                          error)) {
        g_array_set_size(map->devices, map->devices->len - 1);
        return NULL;
    }
    map->bus[index] = port;
    g_ptr_array_add(map->def->controllers, port);
    return g_steal_pointer(&port);
}

static gboolean settle_express(PciMap *map, unsigned i, const GuestController *own, GError **error)
{
    const GuestController *port = NULL;

    for (unsigned bus = 0; bus < (own ? (unsigned)own->index : BUSES) && !port; bus++)
        if (map->bus[bus] && map->bus[bus]->model == GUEST_CONTROLLER_MODEL_PCIE_ROOT_PORT &&
            !map->used[bus][0])
            port = map->bus[bus];
    if (!port && own)
        return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                         "unsupported configuration: no PCI address is left for %s below its own "
                         "index; give it one",
                         g_array_index(map->devices, PciDevice, i).name);
    if (!port)
        port = add_root_port(map, error);
    if (!port)
        return FALSE;
    settle(map, &g_array_index(map->devices, PciDevice, i), (unsigned)port->index, 0, 0);
    return TRUE;
}

static gboolean settle_device(PciMap *map, unsigned i, GError **error)
{
    PciDevice *device = &g_array_index(map->devices, PciDevice, i);
    const GuestController *own =
        device->place == PLACE_ENDPOINT ? NULL : owner_of(map, device->address);

    if (device->place == PLACE_ROOT_PORT)
        return settle_root_port(map, device, error);
    if (device->place == PLACE_PCI_BRIDGE || !map->is_q35)
        return settle_conventional(map, device, own, error);
    return settle_express(map, i, own, error);
}

static gboolean settle_all(PciMap *map, GError **error)
{
    unsigned count = map->devices->len; /* root ports that are added on the way have their place */
    gboolean was_named = highest_bus(map) > 0;

    for (unsigned i = 0; i < count; i++)
        if (g_array_index(map->devices, PciDevice, i).address->type == GUEST_ADDRESS_NONE &&
            !settle_device(map, i, error))
            return FALSE;
    /* The spare one: something can be plugged in later without new hardware. */
    if (map->is_q35 && !was_named && highest_bus(map) > 0)
        return add_root_port(map, error) != NULL;
    return TRUE;
}

/* Function 0 tells the guest that there are others. */
static gboolean mark_multifunction(PciMap *map, GError **error)
{
    for (unsigned i = 0; i < map->devices->len; i++) {
        PciDevice *device = &g_array_index(map->devices, PciDevice, i);
        GuestAddress *address = device->address;

        if (address->function != 0 || (map->used[address->bus][address->slot] & ~1) == 0)
            continue;
        if (address->multifunction == SWITCH_OFF)
            return pci_error(
                error, device,
                "says multifunction='off', but other functions of that slot are in use");
        address->multifunction = SWITCH_ON;
    }
    return TRUE;
}

gboolean guest_def_assign_addresses(GuestDef *def, GError **error)
{
    g_autoptr(PciMap) map = g_new0(PciMap, 1);

    map->def = def;
    map->is_q35 = guest_def_is_q35(def);
    map->devices = g_array_new(FALSE, FALSE, sizeof(PciDevice));
    g_array_set_clear_func(map->devices, device_clear);
    if (!map_buses(map, error))
        return FALSE;
    for (unsigned i = 0; i < def->controllers->len; i++)
        if (!place_controller(map, guest_def_controller(def, i), error))
            return FALSE;
    reserve_chipset(map);
    add_all(map);
    if (!place_all_given(map, error) || !settle_all(map, error) || !mark_multifunction(map, error))
        return FALSE;
    for (unsigned i = 0; i < def->controllers->len; i++)
        guest_controller_fill(guest_def_controller(def, i));
    return TRUE;
}
