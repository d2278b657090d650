/* SPDX-License-Identifier: MIT */
/* info.c – adapter-cl info: what a file, or the folder of a training, holds. One JSON object says
 * it all; the text is made from that object, so that both always say the same. */
#define _POSIX_C_SOURCE 200809L
#include "cli/describe_folder.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/training_folder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- describing ------------------------------------------------------------------------------*/

static json_t *describe_tensor(const char *name, const char *dtype, size_t rank,
                               const size_t *shape)
{
    return json_pack("{s:o, s:s, s:o}", "name", json_text(name), "dtype", dtype, "shape",
                     json_sizes(shape, rank));
}

static json_t *describe_tensors(const adcl_safetensors *file)
{
    json_t *array = json_array();
    for (size_t i = 0; i < adcl_safetensors_count(file); i++) {
        const adcl_safetensors_entry *entry = adcl_safetensors_get(file, i);
        json_array_append_new(array, describe_tensor(entry->name, adcl_dtype_name(entry->dtype),
                                                     entry->rank, entry->shape));
    }
    return array;
}

static json_t *describe_metadata(const adcl_safetensors *file)
{
    json_t *object = json_object();
    for (size_t i = 0; i < adcl_safetensors_metadata_count(file); i++) {
        const adcl_metadata *pair = adcl_safetensors_metadata_get(file, i);
        json_object_set_new(object, pair->key, json_text(pair->value));
    }
    return object;
}

static json_t *describe_adapter(const adcl_adapter_file_info *info)
{
    json_t *activation = info->has_activation ? json_string(adcl_activation_name(info->activation))
                                              : json_null();
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:b}",
                     "name", json_text(info->name),
                     "activation", activation,
                     "hidden_size", (json_int_t)info->hidden_size,
                     "bottleneck_size", (json_int_t)info->bottleneck_size,
                     "parameters", (json_int_t)info->parameter_count,
                     "scaling", json_finite((double)info->scaling),
                     "dropout", json_finite((double)info->dropout),
                     "parallel", info->parallel);
}

/* Formats of ours are named as the file names them; "pt" and the like are plain safetensors. */
static const char *format_of(const adcl_safetensors *file)
{
    const char *format = adcl_safetensors_metadata_find(file, "format");
    return format != NULL && strncmp(format, "adapter_cl", 10) == 0 ? format : "safetensors";
}

/* Native files say so; files of other programs may hold the same keys without saying so. */
static bool holds_adapters(const adcl_safetensors *file)
{
    const char *format = format_of(file);
    if (strcmp(format, "safetensors") != 0) return strcmp(format, "adapter_cl") == 0;
    static const char ending[] = "_down.kernel";
    for (size_t i = 0; i < adcl_safetensors_count(file); i++) {
        const char *name = adcl_safetensors_get(file, i)->name;
        size_t length = strlen(name);
        if (length > strlen(ending) && strcmp(name + length - strlen(ending), ending) == 0)
            return true;
    }
    return false;
}

/* All adapters are in `adapters`; the only one of a file also stands for the file itself. */
static int add_adapters(session *s, json_t *object, const char *path)
{
    adcl_adapter_file *file = NULL;
    TRY_HOST(s, adcl_adapter_file_load(&file, path, &s->error));
    json_t *adapters = json_array();
    for (size_t i = 0; i < adcl_adapter_file_count(file); i++)
        json_array_append_new(adapters, describe_adapter(adcl_adapter_file_get(file, i)));
    if (json_array_size(adapters) == 1)
        json_object_update(object, json_array_get(adapters, 0));
    json_object_set_new(object, "adapters", adapters);
    adcl_adapter_file_destroy(&file);
    return DONE;
}

static int describe_safetensors(session *s, const char *path, json_t **out)
{
    adcl_safetensors *file = NULL;
    TRY_HOST(s, adcl_safetensors_load(&file, path, &s->error));
    *out = json_pack("{s:s, s:o, s:o}", "format", format_of(file), "tensors",
                     describe_tensors(file), "metadata", describe_metadata(file));
    int status = holds_adapters(file) ? add_adapters(s, *out, path) : DONE;
    adcl_safetensors_destroy(&file);
    return status;
}

/* An array without a name of its own is called after its file. */
static int describe_npy(session *s, const char *path, json_t **out)
{
    adcl_npy *npy = NULL;
    TRY_HOST(s, adcl_npy_load(&npy, path, &s->error));
    json_t *tensor = describe_tensor(path, adcl_dtype_name(adcl_npy_dtype(npy)),
                                     adcl_npy_rank(npy), adcl_npy_shape(npy));
    *out = json_pack("{s:s, s:s, s:[o]}", "format", "npy", "descr", adcl_npy_descr(npy), "tensors",
                     tensor);
    adcl_npy_destroy(&npy);
    return DONE;
}

static int describe_file(session *s, const char *path, json_t **out)
{
    /* The first bytes of every .npy file; no safetensors file can begin so, for its header would
     * have more bytes than any file. */
    char magic[6] = "";
    FILE *stream = fopen(path, "rb");
    size_t got = stream != NULL ? fread(magic, 1, sizeof magic, stream) : 0;
    if (stream != NULL) fclose(stream);
    bool is_npy = got == sizeof magic && memcmp(magic, "\x93NUMPY", sizeof magic) == 0;
    return is_npy ? describe_npy(s, path, out) : describe_safetensors(s, path, out);
}

/* ---- the folder of a training ----------------------------------------------------------------*/

/* Adds what `path` holds to the folder's object: its tensors, and what else is not there yet. */
static int merge_file(session *s, json_t *folder, const char *path)
{
    json_t *file = NULL;
    int status = describe_file(s, path, &file);
    if (status == DONE) {
        json_array_extend(json_object_get(folder, "tensors"), json_object_get(file, "tensors"));
        json_object_update_missing(folder, file);
    }
    json_decref(file);
    return status;
}

/* A finished training holds a head; one that still runs, or was interrupted, only a checkpoint. */
static int describe_folder(session *s, const char *path, json_t **out)
{
    if (is_adapter_folder(path)) return describe_adapter_folder(s, path, out);
    training_folder folder;
    TRY(training_folder_open(s, &folder, path));
    static const training_file finished[] = {TRAINING_ADAPTER, TRAINING_HEAD};
    static const training_file unfinished[] = {TRAINING_CHECKPOINT};
    bool is_finished = training_folder_has(&folder, TRAINING_HEAD);
    *out = json_pack("{s:s, s:b, s:[]}", "format", "adapter_cl_training", "finished", is_finished,
                     "tensors");
    const training_file *files = is_finished ? finished : unfinished;
    size_t count = is_finished ? 2 : 1;
    int status = DONE;
    if (!is_finished && !training_folder_has(&folder, TRAINING_CHECKPOINT))
        status = session_fail(s, "%s: expected an AdapterHub folder or that of a training, with "
                              "adapter_config.json, head.safetensors or checkpoint.safetensors, "
                              "got none of them", path);
    for (size_t i = 0; i < count && status == DONE; i++)
        if (training_folder_has(&folder, files[i]))
            status = merge_file(s, *out, training_folder_path(&folder, files[i]));
    training_folder_close(&folder);
    return status;
}

/* ---- text ------------------------------------------------------------------------------------*/

/* Files choose their strings: control characters, which could play tricks on a terminal, are shown
 * as question marks. Padded to `width` characters. */
static void print_padded(const char *text, int width)
{
    int length = 0;
    for (; text != NULL && text[length] != '\0'; length++) {
        char c = text[length];
        putchar((unsigned char)c < ' ' || c == 127 ? '?' : c);
    }
    printf("%*s", length < width ? width - length : 0, "");
}

static void print_adapter(const json_t *adapter)
{
    const char *activation = json_string_value(json_object_get(adapter, "activation"));
    printf("  adapter \"");
    print_padded(json_string_value(json_object_get(adapter, "name")), 0);
    printf("\": hidden_size %lld, bottleneck_size %lld, activation %s, %lld parameters",
           (long long)json_integer_value(json_object_get(adapter, "hidden_size")),
           (long long)json_integer_value(json_object_get(adapter, "bottleneck_size")),
           activation != NULL ? activation : "not said",
           (long long)json_integer_value(json_object_get(adapter, "parameters")));
    double scaling = json_number_value(json_object_get(adapter, "scaling"));
    double dropout = json_number_value(json_object_get(adapter, "dropout"));
    if (scaling != 1.0) printf(", scaling %.9g", scaling);
    if (dropout != 0.0) printf(", dropout %.9g", dropout);
    if (json_is_true(json_object_get(adapter, "parallel"))) printf(", parallel");
    printf("\n");
}

static void print_tensor(const json_t *tensor)
{
    printf("  ");
    print_padded(json_string_value(json_object_get(tensor, "name")), 40);
    printf(" %-5s (", json_string_value(json_object_get(tensor, "dtype")));
    const json_t *shape = json_object_get(tensor, "shape");
    for (size_t i = 0; i < json_array_size(shape); i++)
        printf("%s%lld", i > 0 ? ", " : "",
               (long long)json_integer_value(json_array_get(shape, i)));
    printf(")\n");
}

static void print_text(const char *path, json_t *object)
{
    const char *format = json_string_value(json_object_get(object, "format"));
    printf("%s: %s\n", path, format);
    const json_t *adapters = json_object_get(object, "adapters");
    bool is_hub = format != NULL && strcmp(format, "adapterhub") == 0;
    if (is_hub) print_adapter_folder(object);
    for (size_t i = 0; !is_hub && i < json_array_size(adapters); i++)
        print_adapter(json_array_get(adapters, i));
    const json_t *tensors = json_object_get(object, "tensors");
    for (size_t i = 0; i < json_array_size(tensors); i++) print_tensor(json_array_get(tensors, i));
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(object, "metadata"), key, value) {
        printf("  ");
        print_padded(key, 0);
        printf(" = ");
        print_padded(json_string_value(value), 0);
        printf("\n");
    }
}

/* ---- the command -----------------------------------------------------------------------------*/

static int run_info(session *s, int argc, char **argv)
{
    const char *format = NULL;
    const option_spec specs[] = {
        {"output", 'o', OPTION_TEXT, &format, "FORMAT", "text or json (default text)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &info_command, specs, 1, argc, argv, operands, &status)) return status;
    bool json;
    TRY(options_text_or_json(s, format, &json));
    struct stat entry;
    bool is_folder = stat(operands[0], &entry) == 0 && S_ISDIR(entry.st_mode);
    json_t *object = NULL;
    status = is_folder ? describe_folder(s, operands[0], &object)
                       : describe_file(s, operands[0], &object);
    if (status == DONE && object == NULL)
        return session_fail(s, "%s: no memory to describe it", operands[0]);
    if (status == DONE && json) return json_print(s, object);
    if (status == DONE) print_text(operands[0], object);
    json_decref(object);
    return status;
}

const command_spec info_command = {
    .name = "info",
    .synopsis = "FILE|FOLDER [-o text|json]",
    .summary = "show what a file or a folder holds",
    .description =
        "FILE is a file of adapters, any other safetensors file, or an .npy file; FOLDER is an\n"
        "AdapterHub folder, or what `adapter-cl train -o FOLDER` made.",
    .examples = "  adapter-cl info adapter.safetensors\n"
                "  adapter-cl info run -o json",
    .least_operands = 1,
    .most_operands = 1,
    .run = run_info,
};
