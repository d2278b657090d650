/* SPDX-License-Identifier: MIT */
/* device.c – every platform is asked for its devices, every device for what it is; nothing that one
 * of them does wrong keeps the others from being found. */
#include "runtime/device.h"

#include "base/text.h"
#include "runtime/context.h"

#include <stdlib.h>
#include <string.h>

typedef struct listed_device {
    adcl_device_info info;
    cl_device_id id;
    unsigned platform_index;
    unsigned device_index;
} listed_device;

struct adcl_device_list {
    listed_device *devices;
    size_t count;
    adcl__text note;
};

/* ---- asking a device --------------------------------------------------------------------------*/

/* A copy of one string that a platform (device NULL) or a device tells; "" when it fails to. */
static char *info_string(cl_platform_id platform, cl_device_id device, cl_uint key)
{
    size_t size = 0;
    cl_int code = device != NULL ? clGetDeviceInfo(device, key, 0, NULL, &size)
                                 : clGetPlatformInfo(platform, key, 0, NULL, &size);
    char *text = calloc(size + 1, 1);
    if (text == NULL || code != CL_SUCCESS || size == 0) return text;
    code = device != NULL ? clGetDeviceInfo(device, key, size, text, NULL)
                          : clGetPlatformInfo(platform, key, size, text, NULL);
    if (code != CL_SUCCESS) text[0] = '\0';
    /* Some drivers pad their strings with blanks. */
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == ' ') text[--length] = '\0';
    return text;
}

static cl_ulong info_number(cl_device_id device, cl_device_info key, size_t size)
{
    cl_ulong wide = 0;
    cl_uint narrow = 0;
    void *target = size == sizeof narrow ? (void *)&narrow : (void *)&wide;
    if (clGetDeviceInfo(device, key, size, target, NULL) != CL_SUCCESS) return 0;
    return size == sizeof narrow ? narrow : wide;
}

/* Why this library cannot run on a device; "" if it can. */
static const char *unusable_reason(cl_device_id device, const char *version)
{
    if (!info_number(device, CL_DEVICE_AVAILABLE, sizeof(cl_bool)))
        return "the driver says that it is not available";
    if (!info_number(device, CL_DEVICE_COMPILER_AVAILABLE, sizeof(cl_bool)))
        return "its driver has no compiler for kernels";
    if (!info_number(device, CL_DEVICE_ENDIAN_LITTLE, sizeof(cl_bool)))
        return "it is big-endian";
    if (strncmp(version, "OpenCL ", 7) != 0 || strtod(version + 7, NULL) < 1.15)
        return "it offers less than OpenCL 1.2";
    return "";
}

static adcl_device_type device_type(cl_device_id device)
{
    cl_ulong type = info_number(device, CL_DEVICE_TYPE, sizeof(cl_device_type));
    if (type & CL_DEVICE_TYPE_GPU) return ADCL_DEVICE_GPU;
    if (type & CL_DEVICE_TYPE_CPU) return ADCL_DEVICE_CPU;
    if (type & CL_DEVICE_TYPE_ACCELERATOR) return ADCL_DEVICE_ACCELERATOR;
    return ADCL_DEVICE_OTHER;
}

void adcl__device_info_free(adcl_device_info *info)
{
    const char *const strings[] = {info->selector, info->platform, info->name, info->vendor,
                                   info->driver,   info->opencl,   info->reason};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        union {
            const char *read_only;
            void *owned;
        } string = {strings[i]}; /* the public struct shows its strings as const */
        free(string.owned);
    }
    memset(info, 0, sizeof *info);
}

adcl_status adcl__device_info_read(adcl_device_info *info, cl_platform_id platform,
                                   cl_device_id device, const char *selector, adcl_error *error)
{
    memset(info, 0, sizeof *info);
    info->selector = adcl__string_copy(selector);
    info->platform = info_string(platform, NULL, CL_PLATFORM_NAME);
    info->name = info_string(NULL, device, CL_DEVICE_NAME);
    info->vendor = info_string(NULL, device, CL_DEVICE_VENDOR);
    info->driver = info_string(NULL, device, CL_DRIVER_VERSION);
    info->opencl = info_string(NULL, device, CL_DEVICE_VERSION);
    if (info->opencl != NULL)
        info->reason = adcl__string_copy(unusable_reason(device, info->opencl));
    if (info->selector == NULL || info->platform == NULL || info->name == NULL ||
        info->vendor == NULL || info->driver == NULL || info->reason == NULL) {
        adcl__device_info_free(info);
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0,
                               "no memory to describe a device");
    }
    info->usable = info->reason[0] == '\0';
    info->type = device_type(device);
    info->compute_units =
        (unsigned)info_number(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(cl_uint));
    info->memory_bytes = info_number(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(cl_ulong));
    info->local_memory_bytes = info_number(device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(cl_ulong));
    return ADCL_OK;
}

/* ---- the list ---------------------------------------------------------------------------------*/

static adcl_status append_device(adcl_device_list *list, cl_platform_id platform, cl_device_id id,
                                 unsigned platform_index, unsigned device_index, adcl_error *error)
{
    listed_device *grown = realloc(list->devices, (list->count + 1) * sizeof *grown);
    if (grown == NULL)
        return adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "no memory to list devices");
    list->devices = grown;
    listed_device *device = &grown[list->count];
    adcl__text selector = {0};
    adcl__text_append(&selector, "%u:%u", platform_index, device_index);
    adcl_status status = adcl__device_info_read(&device->info, platform, id, selector.bytes, error);
    adcl__text_free(&selector);
    if (status != ADCL_OK) return status;
    device->id = id;
    device->platform_index = platform_index;
    device->device_index = device_index;
    list->count++;
    return ADCL_OK;
}

static adcl_status append_platform(adcl_device_list *list, cl_platform_id platform, unsigned index,
                                   adcl_error *error)
{
    cl_uint count = 0;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count);
    cl_device_id *ids = code == CL_SUCCESS && count > 0 ? calloc(count, sizeof *ids) : NULL;
    if (ids != NULL) code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL);
    adcl_status status = ADCL_OK;
    if (ids == NULL || code != CL_SUCCESS) {
        char *name = info_string(platform, NULL, CL_PLATFORM_NAME);
        adcl__text_append(&list->note, "%splatform %u (%s) has no devices (%s)",
                          list->note.length > 0 ? "; " : "", index, name != NULL ? name : "?",
                          adcl__cl_code_name(code == CL_SUCCESS ? CL_DEVICE_NOT_FOUND : code));
        free(name);
        count = 0;
    }
    for (cl_uint i = 0; i < count && status == ADCL_OK; i++)
        status = append_device(list, platform, ids[i], index, i, error);
    free(ids);
    return status;
}

/* GPU before accelerator before CPU before the rest, then more compute units. */
static uint64_t device_score(const adcl_device_info *info)
{
    static const uint64_t class_of_type[] = {[ADCL_DEVICE_OTHER] = 0, [ADCL_DEVICE_CPU] = 1,
                                             [ADCL_DEVICE_ACCELERATOR] = 2, [ADCL_DEVICE_GPU] = 3};
    return class_of_type[info->type] << 32 | info->compute_units;
}

static void mark_default(adcl_device_list *list)
{
    listed_device *best = NULL;
    for (size_t i = 0; i < list->count; i++) {
        listed_device *device = &list->devices[i];
        if (device->info.usable &&
            (best == NULL || device_score(&device->info) > device_score(&best->info)))
            best = device;
    }
    if (best != NULL) best->info.is_default = 1;
}

adcl_status adcl_device_list_create(adcl_device_list **out, adcl_error *error)
{
    if (out == NULL)
        return adcl__error_set(error, ADCL_ERR_INVALID_ARGUMENT, 0,
                               "device list: expected a place for the result, got NULL");
    *out = NULL;
    adcl_status status = ADCL_OK;
    cl_uint count = 0;
    cl_platform_id *platforms = NULL;
    adcl_device_list *list = calloc(1, sizeof *list);
    if (list == NULL) goto out_of_memory;
    /* Without any driver the ICD loader answers CL_PLATFORM_NOT_FOUND_KHR: an empty list. */
    if (clGetPlatformIDs(0, NULL, &count) != CL_SUCCESS) count = 0;
    if (count > 0) {
        platforms = calloc(count, sizeof *platforms);
        if (platforms == NULL) goto out_of_memory;
        if (clGetPlatformIDs(count, platforms, NULL) != CL_SUCCESS) count = 0;
    }
    for (cl_uint i = 0; i < count && status == ADCL_OK; i++)
        status = append_platform(list, platforms[i], i, error);
    free(platforms);
    if (status != ADCL_OK) goto fail;
    if (list->count == 0)
        adcl__text_append(&list->note,
                          "%sno OpenCL device was found; install a driver: pocl-opencl-icd runs on "
                          "any processor, intel-opencl-icd, mesa-opencl-icd or the vendor's own "
                          "driver on GPUs",
                          list->note.length > 0 ? "; " : "");
    mark_default(list);
    *out = list;
    return ADCL_OK;

out_of_memory:
    status = adcl__error_set(error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "no memory to list devices");
fail:
    adcl_device_list_destroy(&list);
    return status;
}

void adcl_device_list_destroy(adcl_device_list **list)
{
    if (list == NULL || *list == NULL) return;
    for (size_t i = 0; i < (*list)->count; i++) adcl__device_info_free(&(*list)->devices[i].info);
    free((*list)->devices);
    adcl__text_free(&(*list)->note);
    free(*list);
    *list = NULL;
}

size_t adcl_device_list_count(const adcl_device_list *list)
{
    return list == NULL ? 0 : list->count;
}

const adcl_device_info *adcl_device_list_get(const adcl_device_list *list, size_t index)
{
    return index < adcl_device_list_count(list) ? &list->devices[index].info : NULL;
}

const char *adcl_device_list_note(const adcl_device_list *list)
{
    return list == NULL || list->note.bytes == NULL ? "" : list->note.bytes;
}

cl_device_id adcl__device_list_id(const adcl_device_list *list, size_t index)
{
    return list->devices[index].id;
}

/* ---- selectors --------------------------------------------------------------------------------*/

/* True when all of [text, end) are digits, at least one; *value is their number. */
static bool parse_index(const char *text, const char *end, unsigned long *value)
{
    if (text == end || end - text > 9) return false;
    for (const char *c = text; c < end; c++)
        if (*c < '0' || *c > '9') return false;
    *value = strtoul(text, NULL, 10);
    return true;
}

/* The part after the colon of "platform:device": nothing, an index, or a part of the name. */
static bool device_part_matches(const listed_device *device, const char *part)
{
    unsigned long index;
    if (parse_index(part, part + strlen(part), &index)) return device->device_index == index;
    return adcl__string_contains(device->info.name, part);
}

static bool platform_part_matches(const listed_device *device, const char *part, const char *end)
{
    unsigned long index;
    if (parse_index(part, end, &index)) return device->platform_index == index;
    char name[128];
    size_t length = (size_t)(end - part);
    if (length >= sizeof name) return false;
    memcpy(name, part, length);
    name[length] = '\0';
    /* POCL's platform is called "Portable Computing Language"; "PoCL" is in its versions only. */
    return adcl__string_contains(device->info.platform, name) ||
           adcl__string_contains(device->info.opencl, name);
}

static bool selector_matches(const listed_device *device, const char *selector)
{
    static const struct {
        const char *word;
        adcl_device_type type;
    } types[] = {{"gpu", ADCL_DEVICE_GPU}, {"cpu", ADCL_DEVICE_CPU},
                 {"accelerator", ADCL_DEVICE_ACCELERATOR}};
    if (selector == NULL || selector[0] == '\0') return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (adcl__string_equal_nocase(selector, types[i].word))
            return device->info.type == types[i].type;
    const char *colon = strchr(selector, ':');
    if (colon != NULL)
        return platform_part_matches(device, selector, colon) &&
               device_part_matches(device, colon + 1);
    return adcl__string_contains(device->info.name, selector);
}

static adcl_status no_match(const adcl_device_list *list, const char *selector, adcl_error *error)
{
    if (list->count == 0)
        return adcl__error_set(error, ADCL_ERR_NO_DEVICE, 0, "%s", adcl_device_list_note(list));
    adcl__text text = {0};
    for (size_t i = 0; i < list->count; i++) {
        const adcl_device_info *info = &list->devices[i].info;
        adcl__text_append(&text, "%s%s %s (%s)%s%s", i == 0 ? "" : ", ", info->selector, info->name,
                          info->platform, info->usable ? "" : ", not usable: ", info->reason);
    }
    bool any = selector == NULL || selector[0] == '\0';
    adcl_status status =
        adcl__error_set(error, ADCL_ERR_NO_DEVICE, 0,
                        "no usable OpenCL device %s%s%s; there %s: %s",
                        any ? "was found" : "matches \"", any ? "" : selector, any ? "" : "\"",
                        list->count == 1 ? "is" : "are", text.failed ? "…" : text.bytes);
    adcl__text_free(&text);
    return status;
}

adcl_status adcl__device_select(const adcl_device_list *list, const char *selector, size_t *order,
                                size_t *matches, adcl_error *error)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const listed_device *device = &list->devices[i];
        if (!device->info.usable || !selector_matches(device, selector)) continue;
        size_t place = count++; /* insertion sort, best first; equal ones keep their order */
        while (place > 0 &&
               device_score(&device->info) > device_score(&list->devices[order[place - 1]].info)) {
            order[place] = order[place - 1];
            place--;
        }
        order[place] = i;
    }
    *matches = count;
    return count > 0 ? ADCL_OK : no_match(list, selector, error);
}
