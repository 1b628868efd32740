/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frame of a command line: machine, processor, memory, clock.  Devices are in argv-device.c. */
#include "qemu/argv.h"

#include "base/error.h"
#include "qemu/argv-part.h"

#define RAM_BLOCK "pc.ram"
#define VERSION_MACHINE_SWITCHES                                                                   \
    8000000 /* hpet and acpi are properties of the machine since 8.0                               \
             */

void argv_add(ArgvBuilder *builder, const char *option, const char *format, ...)
{
    va_list args;

    g_ptr_array_add(builder->argv, g_strdup(option));
    if (!format)
        return;
    va_start(args, format);
    g_ptr_array_add(builder->argv, g_strdup_vprintf(format, args));
    va_end(args);
}

void argv_add_json(ArgvBuilder *builder, const char *option, json_object *object)
{
    argv_add(builder, option, "%s",
             json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}

char *argv_escape(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    return g_strjoinv(",,", parts);
}

const QemuDescriptor *argv_find_descriptor(const ArgvBuilder *builder, const char *alias)
{
    for (unsigned i = 0; i < builder->plan->descriptor_count; i++) {
        if (g_strcmp0(builder->plan->descriptors[i].alias, alias) == 0)
            return &builder->plan->descriptors[i];
    }
    return NULL;
}

static const char *on_off(Switch value)
{
    return value == SWITCH_ON ? "on" : "off";
}

static const char *ram_block(const ArgvBuilder *builder)
{
    return builder->plan->default_ram ? builder->plan->default_ram : RAM_BLOCK;
}

static gboolean has_timer(const GuestDef *def, GuestTimerName name, Switch present)
{
    const GuestTimer *timer = guest_clock_find_timer(&def->clock, name);

    return timer && timer->present == present;
}

static void add_machine(ArgvBuilder *builder)
{
    const GuestDef *def = builder->def;
    g_autoptr(GString) text = g_string_new(def->os.machine);

    g_string_append(text, ",usb=off");
    if (def->features.vmport != SWITCH_ABSENT)
        g_string_append_printf(text, ",vmport=%s", on_off(def->features.vmport));
    if (def->features.smm != SWITCH_ABSENT)
        g_string_append_printf(text, ",smm=%s", on_off(def->features.smm));
    g_string_append_printf(text, ",dump-guest-core=off,memory-backend=%s", ram_block(builder));
    if (builder->plan->qemu_version >= VERSION_MACHINE_SWITCHES) {
        if (has_timer(def, GUEST_TIMER_HPET, SWITCH_OFF))
            g_string_append(text, ",hpet=off");
        if (!def->features.has_acpi)
            g_string_append(text, ",acpi=off");
    }
    argv_add(builder, "-machine", "%s", text->str);
    argv_add(builder, "-accel", "%s", def->virt == GUEST_VIRT_KVM ? "kvm" : "tcg");
}

static void append_features(GString *text, const GuestCpu *cpu)
{
    for (unsigned i = 0; cpu->features && i < cpu->features->len; i++) {
        const GuestCpuFeature *feature = g_ptr_array_index(cpu->features, i);

        switch (feature->policy) {
        case GUEST_CPU_FEATURE_FORCE:
        case GUEST_CPU_FEATURE_REQUIRE:
            g_string_append_printf(text, ",%s=on", feature->name);
            break;
        case GUEST_CPU_FEATURE_DISABLE:
        case GUEST_CPU_FEATURE_FORBID:
            g_string_append_printf(text, ",%s=off", feature->name);
            break;
        case GUEST_CPU_FEATURE_OPTIONAL: /* left to the model, as stock does */
            break;
        }
    }
}

static void append_clocks(GString *text, const GuestClock *clock)
{
    for (unsigned i = 0; clock->timers && i < clock->timers->len; i++) {
        const GuestTimer *timer = g_ptr_array_index(clock->timers, i);

        if (timer->name == GUEST_TIMER_KVMCLOCK && timer->present != SWITCH_ABSENT)
            g_string_append_printf(text, ",kvmclock=%s", on_off(timer->present));
        else if (timer->name == GUEST_TIMER_TSC && timer->frequency_hz > 0)
            g_string_append_printf(text, ",tsc-frequency=%" G_GUINT64_FORMAT, timer->frequency_hz);
    }
}

static gboolean add_cpu(ArgvBuilder *builder, GError **error)
{
    const GuestDef *def = builder->def;
    const GuestCpu *cpu = &def->cpu;
    g_autoptr(GString) text = g_string_new(NULL);

    switch (cpu->mode) {
    case GUEST_CPU_DEFAULT:
        g_string_append(text, builder->plan->default_cpu ? builder->plan->default_cpu : "qemu64");
        break;
    case GUEST_CPU_CUSTOM:
        g_string_append(text, cpu->model);
        break;
    case GUEST_CPU_HOST_PASSTHROUGH:
        if (def->virt != GUEST_VIRT_KVM)
            return error_set(error, ERROR_CONFIG_UNSUPPORTED,
                             "unsupported configuration: CPU mode 'host-passthrough' for x86_64 "
                             "qemu domain on x86_64 host is "
                             "not supported by "
                             "hypervisor; it needs domain type 'kvm'");
        g_string_append(text, "host");
        break;
    case GUEST_CPU_MAXIMUM:
        g_string_append(text, "max");
        break;
    }
    if (cpu->mode == GUEST_CPU_HOST_PASSTHROUGH || cpu->mode == GUEST_CPU_MAXIMUM) {
        if (cpu->migratable != SWITCH_ABSENT)
            g_string_append_printf(text, ",migratable=%s", on_off(cpu->migratable));
    }
    append_features(text, cpu);
    append_clocks(text, &def->clock);
    if (def->features.pmu != SWITCH_ABSENT)
        g_string_append_printf(text, ",pmu=%s", on_off(def->features.pmu));
    argv_add(builder, "-cpu", "%s", text->str);
    return TRUE;
}

static void add_memory(ArgvBuilder *builder)
{
    uint64_t mib = (builder->def->memory_kib + 1023) / 1024;
    json_object *backend = json_object_new_object();

    argv_add(builder, "-m", "%" G_GUINT64_FORMAT, mib);
    json_object_object_add(backend, "qom-type", json_object_new_string("memory-backend-ram"));
    json_object_object_add(backend, "id", json_object_new_string(ram_block(builder)));
    json_object_object_add(backend, "size", json_object_new_uint64(mib * 1024 * 1024));
    argv_add_json(builder, "-object", backend);
    argv_add(builder, "-overcommit", "mem-lock=off");
}

static void add_smp(ArgvBuilder *builder)
{
    const GuestDef *def = builder->def;
    const GuestCpu *cpu = &def->cpu;
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "%u", def->current_vcpus);
    if (def->current_vcpus != def->vcpus)
        g_string_append_printf(text, ",maxcpus=%u", def->vcpus);
    if (cpu->sockets > 0) {
        g_string_append_printf(text, ",sockets=%u", cpu->sockets);
        if (cpu->dies > 0)
            g_string_append_printf(text, ",dies=%u", cpu->dies);
        g_string_append_printf(text, ",cores=%u,threads=%u", cpu->cores, cpu->threads);
    } else {
        g_string_append_printf(text, ",sockets=%u,cores=1,threads=1", def->vcpus);
    }
    argv_add(builder, "-smp", "%s", text->str);
}

static void add_monitor(ArgvBuilder *builder)
{
    argv_add(builder, "-display", "none");
    argv_add(builder, "-no-user-config", NULL);
    argv_add(builder, "-nodefaults", NULL);
    argv_add(builder, "-chardev", "socket,id=charmonitor,fd=%d,server=on,wait=off",
             builder->plan->monitor_fd);
    argv_add(builder, "-mon", "chardev=charmonitor,id=monitor,mode=control");
}

static void add_rtc(ArgvBuilder *builder)
{
    const GuestDef *def = builder->def;
    const GuestTimer *rtc = guest_clock_find_timer(&def->clock, GUEST_TIMER_RTC);
    g_autoptr(GString) text = g_string_new("base=");

    g_string_append(text, def->clock.offset == GUEST_CLOCK_LOCALTIME ? "localtime" : "utc");
    if (rtc && rtc->track != GUEST_TRACK_DEFAULT)
        g_string_append_printf(text, ",clock=%s", rtc->track == GUEST_TRACK_GUEST ? "vm" : "host");
    if (rtc && rtc->tick_policy == GUEST_TICK_CATCHUP)
        g_string_append(text, ",driftfix=slew");
    argv_add(builder, "-rtc", "%s", text->str);
}

static void add_timers(ArgvBuilder *builder)
{
    const GuestDef *def = builder->def;
    const GuestTimer *pit = guest_clock_find_timer(&def->clock, GUEST_TIMER_PIT);

    /* "delay" is what a PIT named without a policy means; QEMU's own default under KVM would be to
     * catch up. */
    if (pit && (pit->tick_policy == GUEST_TICK_DELAY || pit->tick_policy == GUEST_TICK_DEFAULT))
        argv_add(builder, "-global", "kvm-pit.lost_tick_policy=delay");
    else if (pit && pit->tick_policy == GUEST_TICK_DISCARD)
        argv_add(builder, "-global", "kvm-pit.lost_tick_policy=discard");
    if (has_timer(def, GUEST_TIMER_HPET, SWITCH_OFF) &&
        builder->plan->qemu_version < VERSION_MACHINE_SWITCHES)
        argv_add(builder, "-no-hpet", NULL);
}

static void add_sleep_state(ArgvBuilder *builder, const char *name, Switch value)
{
    if (value != SWITCH_ABSENT)
        argv_add(builder, "-global", "%s.disable_%s=%d",
                 guest_def_is_q35(builder->def) ? "ICH9-LPC" : "PIIX4_PM", name,
                 value == SWITCH_OFF);
}

static void add_power(ArgvBuilder *builder)
{
    const GuestDef *def = builder->def;

    if (def->on_reboot == GUEST_ACTION_DESTROY)
        argv_add(builder, "-no-reboot", NULL);
    argv_add(builder, "-no-shutdown", NULL);
    if (!def->features.has_acpi && builder->plan->qemu_version < VERSION_MACHINE_SWITCHES)
        argv_add(builder, "-no-acpi", NULL);
    add_sleep_state(builder, "s3", def->suspend_to_mem);
    add_sleep_state(builder, "s4", def->suspend_to_disk);
}

static void add_boot(ArgvBuilder *builder)
{
    const GuestOs *os = &builder->def->os;

    argv_add(builder, "-boot", "strict=on");
    if (os->kernel)
        argv_add(builder, "-kernel", "%s", os->kernel);
    if (os->initrd)
        argv_add(builder, "-initrd", "%s", os->initrd);
    if (os->cmdline)
        argv_add(builder, "-append", "%s", os->cmdline);
}

char **qemu_argv_build(const GuestDef *def, const QemuArgvPlan *plan, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    ArgvBuilder builder = {def, plan, argv};
    g_autofree char *name = argv_escape(def->name);
    char uuid[UUID_TEXT_SIZE];

    argv_add(&builder, def->emulator, NULL);
    argv_add(&builder, "-name", "guest=%s,debug-threads=on", name);
    argv_add(&builder, "-S", NULL);
    add_machine(&builder);
    if (!add_cpu(&builder, error))
        return NULL;
    add_memory(&builder);
    add_smp(&builder);
    argv_add(&builder, "-uuid", "%s", uuid_format(&def->uuid, uuid));
    add_monitor(&builder);
    add_rtc(&builder);
    add_timers(&builder);
    add_power(&builder);
    add_boot(&builder);
    if (!argv_add_devices(&builder, error))
        return NULL;
    if (plan->has_sandbox)
        argv_add(&builder, "-sandbox",
                 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    argv_add(&builder, "-msg", "timestamp=on");
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
}
