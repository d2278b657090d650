/* SPDX-License-Identifier: MIT */
/* convert.c – adapter-cl convert: between native adapters and AdapterHub folders, from the pickle
 * form, and to files of half the size. What IN is decides what OUT can be. */
#define _POSIX_C_SOURCE 200809L
#include "cli/describe_folder.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/outputs.h"

#include <string.h>
#include <sys/stat.h>

#define CONVERSIONS                                                                                \
    "a native adapter to or from an adapter of an AdapterHub folder, an AdapterHub folder from "   \
    "pickle to safetensors, an F32 model file to F16 or BF16 (--dtype)"

typedef struct convert_options {
    const char *name, *layer, *place, *dtype, *model_type;
    size_t layers;
} convert_options;

typedef struct conversion {
    session *s;
    const convert_options *options;
    const char *in, *out;
    bool has_layer, has_place;
    size_t layer;
    adcl_adapter_place place;
} conversion;

typedef enum entry_kind { ENTRY_NONE, ENTRY_FILE, ENTRY_FOLDER, ENTRY_ADAPTER_FOLDER } entry_kind;

static entry_kind kind_of(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) return ENTRY_NONE;
    if (!S_ISDIR(status.st_mode)) return ENTRY_FILE;
    return is_adapter_folder(path) ? ENTRY_ADAPTER_FOLDER : ENTRY_FOLDER;
}

static bool is_safetensors_name(const char *path)
{
    static const char ending[] = ".safetensors";
    size_t length = strlen(path);
    return length >= strlen(ending) && strcmp(path + length - strlen(ending), ending) == 0;
}

/* Options that say something of another conversion than this one. */
static int refuse_options(const conversion *c, bool dtype, bool name, bool place, bool model)
{
    const convert_options *o = c->options;
    const struct {
        const char *option;
        bool given, taken;
    } all[] = {
        {"--dtype", o->dtype != NULL, dtype},
        {"--name", o->name != NULL, name},
        {"--layer", c->has_layer, place},
        {"--place", c->has_place, place},
        {"--layers", o->layers != 0, model},
        {"--model-type", o->model_type != NULL, model},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].given && !all[i].taken)
            return session_fail(c->s, "option %s: expected none to convert %s to %s; conversions: "
                                CONVERSIONS, all[i].option, c->in, c->out);
    return DONE;
}

/* ---- from a folder ---------------------------------------------------------------------------*/

static int find_adapter(const conversion *c, const adcl_adapter_folder *folder, size_t *index)
{
    TRY_HOST(c->s, adcl_adapter_folder_find(folder, c->has_layer ? &c->layer : NULL,
                                            c->has_place ? &c->place : NULL, index, &c->s->error));
    return DONE;
}

static int extract(const conversion *c, const adcl_adapter_folder *folder)
{
    size_t index = 0;
    TRY(refuse_options(c, false, false, true, false));
    TRY(output_check(c->s, c->out));
    TRY(find_adapter(c, folder, &index));
    TRY_HOST(c->s, adcl_adapter_folder_extract(folder, index, c->out, &c->s->error));
    const adcl_adapter_folder_info *info = adcl_adapter_folder_get(folder, index);
    adcl_dtype dtype = adcl_adapter_folder_dtype(folder);
    session_note(c->s, "%s: the adapter \"%s\" of layer %zu, %s%s%s%s", c->out,
                 adcl_adapter_folder_params(folder)->name, info->layer,
                 adcl_adapter_place_name(info->place), dtype == ADCL_F32 ? "" : "; stored as ",
                 dtype == ADCL_F32 ? "" : adcl_dtype_name(dtype),
                 dtype == ADCL_F32 ? "" : ", written as F32");
    return DONE;
}

static int save_folder(const conversion *c, const adcl_adapter_folder *folder)
{
    TRY(refuse_options(c, false, false, false, false));
    TRY(output_check_folder(c->s, c->out));
    if (!adcl_adapter_folder_is_pickle(folder))
        return session_fail(c->s,
                            "%s: expected a folder with weights in the pickle form to convert to a "
                            "folder, got safetensors; for one of its adapters, OUT is a file",
                            c->in);
    TRY_HOST(c->s, adcl_adapter_folder_save(folder, c->out, &c->s->error));
    session_note(c->s, "%s: %zu tensors as safetensors", c->out,
                 adcl_adapter_folder_tensor_count(folder));
    return DONE;
}

static int convert_folder(const conversion *c)
{
    adcl_adapter_folder *folder = NULL;
    TRY_HOST(c->s, adcl_adapter_folder_load(&folder, c->in, &c->s->error));
    entry_kind out = kind_of(c->out);
    bool to_file = out == ENTRY_FILE || is_safetensors_name(c->out) || c->has_layer ||
                   c->has_place || !adcl_adapter_folder_is_pickle(folder);
    if (out == ENTRY_FOLDER || out == ENTRY_ADAPTER_FOLDER) to_file = false;
    int status = to_file ? extract(c, folder) : save_folder(c, folder);
    adcl_adapter_folder_destroy(&folder);
    return status;
}

/* ---- from a native file ----------------------------------------------------------------------*/

static int replace(const conversion *c, const adcl_adapter_file *file, size_t adapter)
{
    adcl_adapter_folder *folder = NULL;
    size_t index = 0;
    TRY(refuse_options(c, false, true, true, false));
    TRY_HOST(c->s, adcl_adapter_folder_load(&folder, c->out, &c->s->error));
    int status = find_adapter(c, folder, &index);
    if (status == DONE)
        status = session_check(
            c->s, adcl_adapter_folder_replace(folder, index, file, adapter, &c->s->error));
    const adcl_adapter_folder_info *info = adcl_adapter_folder_get(folder, index);
    if (status == DONE)
        session_note(c->s, "%s: replaced the adapter of layer %zu, %s", c->out, info->layer,
                     adcl_adapter_place_name(info->place));
    adcl_adapter_folder_destroy(&folder);
    return status;
}

static int create(const conversion *c, const adcl_adapter_file *file, size_t adapter)
{
    adcl_adapter_folder_target target = ADCL_ADAPTER_FOLDER_TARGET_INIT;
    TRY(refuse_options(c, false, true, true, true));
    TRY(output_check_folder(c->s, c->out));
    if (c->has_layer) target.layer = c->layer;
    if (c->has_place) target.place = c->place;
    target.layers = c->options->layers;
    target.model_type = c->options->model_type;
    TRY_HOST(c->s, adcl_adapter_folder_create(c->out, file, adapter, &target, &c->s->error));
    session_note(c->s, "%s: one adapter, in layer %zu of %zu, %s", c->out, target.layer,
                 target.layers != 0 ? target.layers : target.layer + 1,
                 adcl_adapter_place_name(target.place));
    return DONE;
}

static int convert_native(const conversion *c)
{
    adcl_adapter_file *file = NULL;
    size_t adapter = 0;
    entry_kind out = kind_of(c->out);
    if (out == ENTRY_FILE || is_safetensors_name(c->out))
        return session_fail(c->s, "%s: expected a folder's name to convert a native adapter to; "
                            "conversions: " CONVERSIONS, c->out);
    TRY_HOST(c->s, adcl_adapter_file_load(&file, c->in, &c->s->error));
    int status = session_check(c->s, adcl_adapter_file_find(file, c->options->name, &adapter,
                                                            &c->s->error));
    if (status == DONE)
        status = out == ENTRY_ADAPTER_FOLDER ? replace(c, file, adapter) : create(c, file, adapter);
    adcl_adapter_file_destroy(&file);
    return status;
}

/* ---- from a model's file ---------------------------------------------------------------------*/

static int convert_model(const conversion *c)
{
    adcl_dtype dtype = ADCL_F16;
    if (c->options->dtype == NULL)
        return session_fail(c->s, "%s: expected --dtype f16 or bf16 for a safetensors file without "
                            "adapters; conversions: " CONVERSIONS, c->in);
    TRY(refuse_options(c, true, false, false, false));
    if (strcmp(c->options->dtype, "bf16") == 0)
        dtype = ADCL_BF16;
    else if (strcmp(c->options->dtype, "f16") != 0)
        return session_misused(c->s, "option --dtype: expected f16 or bf16, got \"%s\"",
                               c->options->dtype);
    TRY(output_check(c->s, c->out));
    TRY_HOST(c->s, adcl_safetensors_convert(c->in, c->out, dtype, &c->s->error));
    session_note(c->s, "%s: F32 as %s", c->out, adcl_dtype_name(dtype));
    return DONE;
}

/* Native files say so, or hold their keys without saying so. */
static int holds_adapters(const conversion *c, bool *native)
{
    adcl_safetensors *file = NULL;
    static const char ending[] = "_down.kernel";
    TRY_HOST(c->s, adcl_safetensors_load(&file, c->in, &c->s->error));
    const char *format = adcl_safetensors_metadata_find(file, "format");
    *native = format != NULL && strcmp(format, "adapter_cl") == 0;
    for (size_t i = 0; i < adcl_safetensors_count(file); i++) {
        const char *name = adcl_safetensors_get(file, i)->name;
        size_t length = strlen(name);
        if (length > strlen(ending) && strcmp(name + length - strlen(ending), ending) == 0)
            *native = true;
    }
    adcl_safetensors_destroy(&file);
    return DONE;
}

/* ---- the command -----------------------------------------------------------------------------*/

static int convert(const conversion *c)
{
    entry_kind in = kind_of(c->in);
    bool native = false;
    interrupt_hold();
    if (in == ENTRY_ADAPTER_FOLDER) return convert_folder(c);
    if (in == ENTRY_FOLDER)
        return session_fail(c->s, "%s: expected a folder with adapter_config.json or "
                            "head_config.json; conversions: " CONVERSIONS, c->in);
    TRY(holds_adapters(c, &native));
    return native ? convert_native(c) : convert_model(c);
}

/* A layer counts from 0, which no option of a size takes. */
static int read_layer(conversion *c)
{
    const char *text = c->options->layer;
    c->has_layer = text != NULL;
    if (text == NULL) return DONE;
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 4 || text[digits] != '\0')
        return session_misused(c->s, "option --layer: expected a layer, from 0, got \"%s\"", text);
    for (size_t i = 0; i < digits; i++) c->layer = 10 * c->layer + (size_t)(text[i] - '0');
    return DONE;
}

static int read_place(conversion *c)
{
    c->has_place = c->options->place != NULL;
    if (!c->has_place) return DONE;
    if (adcl_adapter_place_from_name(c->options->place, &c->place, &c->s->error) == ADCL_OK)
        return DONE;
    return session_misused(c->s, "option --place: %s", c->s->error.message);
}

static int run_convert(session *s, int argc, char **argv)
{
    convert_options o = {0};
    const option_spec specs[] = {
        {"layer", 0, OPTION_TEXT, &o.layer, "N", "the layer of the folder's adapter, from 0"},
        {"place", 0, OPTION_TEXT, &o.place, "PLACE", "where in the layer: attention or output"},
        {"name", 0, OPTION_TEXT, &o.name, "NAME",
         "which adapter of a native file (default: the only)"},
        {"layers", 0, OPTION_SIZE, &o.layers, "L",
         "layers of the model that a new folder is for (default: N + 1)"},
        {"model-type", 0, OPTION_TEXT, &o.model_type, "TYPE",
         "its kind: bert or distilbert (default bert)"},
        {"dtype", 0, OPTION_TEXT, &o.dtype, "DTYPE", "f16 or bf16, for a model's file"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &convert_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    conversion c = {.s = s, .options = &o, .in = operands[0], .out = operands[1]};
    TRY(read_layer(&c));
    TRY(read_place(&c));
    return convert(&c);
}

const command_spec convert_command = {
    .name = "convert",
    .synopsis = "IN OUT [--layer N] [--place attention|output] [--dtype f16|bf16]",
    .summary = "convert adapters and model files",
    .description =
        "IN decides. An AdapterHub folder: the adapter of --layer and --place becomes the native\n"
        "file OUT (neither is needed where there is one only), or a folder in the pickle form\n"
        "becomes the folder OUT with safetensors. A native adapter: takes the place of an adapter\n"
        "in the folder OUT, or makes OUT. Another safetensors file: OUT is the same in --dtype.",
    .examples = "  adapter-cl convert published published-safetensors\n"
                "  adapter-cl convert run layer3.safetensors --layer 3 --place output\n"
                "  adapter-cl convert layer3.safetensors run --layer 3 --place output\n"
                "  adapter-cl convert minilm/model.safetensors half/model.safetensors --dtype bf16",
    .least_operands = 2,
    .most_operands = 2,
    .run = run_convert,
};
