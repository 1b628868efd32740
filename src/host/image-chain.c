/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is inside an image and behind it.  qemu-img reads it, as QEMU's user and with limits on
 * memory and time: an image comes from outside. */
#include <json-c/json.h>

#include "base/error.h"
#include "host/command.h"
#include "host/image.h"

#define INFO_TIMEOUT_MS (20 * 1000)
#define INFO_MAX        (4 * 1024 * 1024)

static const char *get_text(json_object *object, const char *name)
{
    json_object *value;

    return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : NULL;
}

static uint64_t get_number(json_object *object, const char *name)
{
    json_object *value;

    return json_object_object_get_ex(object, name, &value) ? json_object_get_uint64(value) : 0;
}

static gboolean read_layers(json_object *list, const char *path, ImageChain *chain, GError **error)
{
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    if (count == 0 || count > IMAGE_CHAIN_MAX)
        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: '%s' has a chain of %zu images; 1 to %d are understood",
                         path, count, IMAGE_CHAIN_MAX);
    chain->layers = g_new0(ImageLayer, count);
    for (size_t i = 0; i < count; i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        const char *name = get_text(entry, "filename");
        const char *format = get_text(entry, "format");

        if (!name || !format)
            return error_set(
                error, ERROR_OPERATION_FAILED,
                "operation failed: qemu-img's answer about '%s' names no file or format", path);
        chain->layers[chain->count++] =
            (ImageLayer){g_strdup(name), g_strdup(format), get_number(entry, "virtual-size"),
                         get_number(entry, "actual-size")};
    }
    return TRUE;
}

AWAITS gboolean image_chain_read(const char *path, const char *format, const HostUser *user,
                                 ImageChain *ret_chain, GError **error)
{
    const char *argv[16] = {
        "/usr/bin/prlimit", "--as=1073741824", "--cpu=10", "/usr/bin/qemu-img", "info",
        "--output=json",    "--backing-chain", "-U"};
    unsigned n = 8;
    g_auto(CommandResult) result = {0};
    g_auto(ImageChain) chain = {0};

    if (path[0] != '/')
        return error_set(error, ERROR_INVALID_ARG,
                         "invalid argument: image '%s' is not an absolute path", path);
    if (format) {
        argv[n++] = "-f";
        argv[n++] = format;
    }
    argv[n++] = "--";
    argv[n++] = path;
    if (!command_run(argv, user, INFO_MAX, INFO_TIMEOUT_MS, &result, error)) {
        g_prefix_error(error, "cannot read image '%s': ", path);
        return FALSE;
    }
    if (result.wait_status != 0) {
        const char *why = g_str_has_prefix(result.complaint, "qemu-img: ") ? result.complaint + 10
                                                                           : result.complaint;

        return error_set(error, ERROR_OPERATION_FAILED,
                         "operation failed: cannot read image '%s': %s", path, why);
    }

    json_object *list = json_tokener_parse(result.output);
    gboolean is_read = read_layers(list, path, &chain, error);
    json_object_put(list);
    if (!is_read)
        return FALSE;
    *ret_chain = chain;
    chain = (ImageChain){0};
    return TRUE;
}

void image_chain_clear(ImageChain *chain)
{
    for (unsigned i = 0; i < chain->count; i++) {
        g_free(chain->layers[i].path);
        g_free(chain->layers[i].format);
    }
    g_free(chain->layers);
    *chain = (ImageChain){0};
}
