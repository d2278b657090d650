/* SPDX-License-Identifier: MIT */
/* devices.c – adapter-cl devices: what there is, and which one is taken. */
#include "cli/json.h"
#include "cli/options.h"

#include <string.h>

static const char *type_name(adcl_device_type type)
{
    switch (type) {
    case ADCL_DEVICE_CPU: return "cpu";
    case ADCL_DEVICE_GPU: return "gpu";
    case ADCL_DEVICE_ACCELERATOR: return "accelerator";
    case ADCL_DEVICE_OTHER: break;
    }
    return "other";
}

/* With --device the default is the device that this selects; without, the list knows. */
static bool is_default(const session *s, const adcl_device_info *device)
{
    if (s->ctx == NULL) return device->is_default;
    return strcmp(device->selector, adcl_context_device(s->ctx)->selector) == 0;
}

static void print_device(const session *s, const adcl_device_info *device)
{
    printf("%c %-5s %-4s %s%s\n", is_default(s, device) ? '*' : ' ', device->selector,
           type_name(device->type), device->name, is_default(s, device) ? "  (default)" : "");
    printf("             %s, %s, driver %s\n", device->platform, device->opencl, device->driver);
    printf("             %u compute units, %.1f GiB of memory, %.0f KiB of local memory\n",
           device->compute_units, (double)device->memory_bytes / (1 << 30),
           (double)device->local_memory_bytes / (1 << 10));
    if (!device->usable) printf("             not usable: %s\n", device->reason);
}

static json_t *describe_device(const session *s, const adcl_device_info *device)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:I, s:I, s:b, s:o, s:b}",
        "selector", json_text(device->selector),
        "platform", json_text(device->platform),
        "name", json_text(device->name),
        "vendor", json_text(device->vendor),
        "driver", json_text(device->driver),
        "opencl", json_text(device->opencl),
        "type", type_name(device->type),
        "compute_units", (json_int_t)device->compute_units,
        "memory_bytes", (json_int_t)device->memory_bytes,
        "local_memory_bytes", (json_int_t)device->local_memory_bytes,
        "usable", device->usable,
        "reason", json_text(device->reason),
        "default", is_default(s, device));
}

static json_t *describe_devices(const session *s, const adcl_device_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < adcl_device_list_count(list); i++)
        if (json_array_append_new(array, describe_device(s, adcl_device_list_get(list, i))) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static int show_devices(const session *s, const adcl_device_list *list, bool json)
{
    const char *note = adcl_device_list_note(list);
    if (note[0] != '\0') session_note(s, "%s", note);
    if (json) return json_print(s, describe_devices(s, list));
    for (size_t i = 0; i < adcl_device_list_count(list); i++)
        print_device(s, adcl_device_list_get(list, i));
    return DONE;
}

static int run_devices(session *s, int argc, char **argv)
{
    const char *format = NULL;
    const option_spec specs[] = {
        {"output", 'o', OPTION_TEXT, &format, "FORMAT", "text or json (default text)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &devices_command, specs, 1, argc, argv, operands, &status)) return status;
    bool json;
    TRY(options_text_or_json(s, format, &json));
    if (s->common.device != NULL) TRY(session_open(s, TALK_WARNINGS));
    adcl_device_list *list = NULL;
    TRY_HOST(s, adcl_device_list_create(&list, &s->error));
    status = show_devices(s, list, json);
    adcl_device_list_destroy(&list);
    return status;
}

const command_spec devices_command = {
    .name = "devices",
    .synopsis = "[-o text|json]",
    .summary = "list the OpenCL devices and mark the one that is taken by default",
    .description =
        "Lists every device of every OpenCL platform. The star marks the one that commands take\n"
        "without --device; with --device SEL, the one that SEL selects.",
    .examples = "  adapter-cl devices\n"
                "  adapter-cl devices --device gpu\n"
                "  adapter-cl devices -o json",
    .run = run_devices,
};
