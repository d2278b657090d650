/* SPDX-License-Identifier: MIT */
/* tune.c – adapter-cl tune: lets the library measure, shows how far it is, prints the result. */
#include "bench/shapes.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tune_options {
    size_list rows, hidden, bottleneck;
    const char *shapes_path;
    size_t candidates; /* 0: all */
    int force, dry_run;
    bool json;
} tune_options;

typedef struct tuning {
    session *s;
    progress progress;
} tuning;

/* ---- shapes -----------------------------------------------------------------------------------*/

static int combine(const session *s, const tune_options *o, adcl_tune_shape **out, size_t *count)
{
    void *memory;
    *count = 0;
    TRY(session_allocate(s, &memory, o->rows.count * o->hidden.count, o->bottleneck.count,
                         sizeof **out));
    *out = memory;
    for (size_t d = 0; d < o->hidden.count; d++)
        for (size_t r = 0; r < o->bottleneck.count; r++)
            for (size_t n = 0; n < o->rows.count; n++)
                (*out)[(*count)++] = (adcl_tune_shape){o->rows.values[n], o->hidden.values[d],
                                                       o->bottleneck.values[r]};
    return DONE;
}

static int load(session *s, const char *path, adcl_tune_shape **out, size_t *count)
{
    static const bench_defaults one_of_each = {.activation_count = 1}; /* sizes alone count here */
    bench_shapes shapes = {0};
    void *memory = NULL;
    int status = session_check(s, bench_shapes_load(path, &one_of_each, &shapes, &s->error));
    *count = shapes.count;
    if (status == DONE) status = session_allocate(s, &memory, *count, 1, sizeof **out);
    *out = memory;
    for (size_t i = 0; i < *count && status == DONE; i++)
        (*out)[i] = (adcl_tune_shape){shapes.items[i].rows, shapes.items[i].hidden,
                                      shapes.items[i].bottleneck};
    bench_shapes_free(&shapes);
    return status;
}

/* ---- measuring --------------------------------------------------------------------------------*/

static int show_step(void *user, const adcl_tune_step *step)
{
    tuning *t = user;
    char figures[80];
    if (step->gflops > 0.0)
        snprintf(figures, sizeof figures, "%.1f GFLOP/s, best %.1f", step->gflops,
                 step->best_gflops);
    else
        snprintf(figures, sizeof figures, "refused or wrong, best %.1f", step->best_gflops);
    t->progress.total = step->total;
    progress_show(&t->progress, step->done, step->what, figures);
    return interrupt_came();
}

static int measure(session *s, const tune_options *o, const adcl_tune_shape *shapes, size_t count,
                   adcl_tune_result *results)
{
    tuning t = {.s = s};
    adcl_tune_params params = ADCL_TUNE_PARAMS_INIT;
    params.shapes = shapes;
    params.shape_count = count;
    params.max_candidates = o->candidates;
    params.force = o->force;
    params.dry_run = o->dry_run;
    params.progress = show_step;
    params.user = &t;
    progress_start(&t.progress, s, 0, 1);
    adcl_status status = adcl_tune(s->ctx, &params, results);
    screen_clear();
    if (interrupt_came()) {
        session_note(s, "stopped; the same command goes on from here");
        return INTERRUPTED;
    }
    return session_check_context(s, status);
}

/* ---- what was found ---------------------------------------------------------------------------*/

/* "12.3 (0.09)": a rate and its share of the peak, or a dash. */
static const char *print_rate(char text[32], double gflops, double peak)
{
    if (gflops > 0.0)
        snprintf(text, 32, "%.3g (%.2f)", gflops, gflops / peak);
    else
        snprintf(text, 32, "-");
    return text;
}

static void print_table(const adcl_device_info *device, const adcl_peak *peak,
                        const adcl_tune_result *results, size_t count)
{
    char before[32], after[32], both_before[32], both_after[32];
    printf("%s, %s, driver %s; peak %.1f GFLOP/s\n", device->name, device->platform, device->driver,
           peak->gflops);
    printf("GFLOP/s of the engine gemm before and after, with the share of the peak\n\n");
    printf("%6s %6s %6s  %-13s %-13s  %-13s %-13s  %s\n", "rows", "hidden", "bottl.", "forward",
           "after", "with backward", "after", "fastest");
    for (size_t i = 0; i < count; i++) {
        const adcl_tune_result *r = &results[i];
        printf("%6zu %6zu %6zu  %-13s %-13s  %-13s %-13s  %s", r->shape.rows, r->shape.hidden_size,
               r->shape.bottleneck_size, print_rate(before, r->forward_before, peak->gflops),
               print_rate(after, r->forward_after, peak->gflops),
               print_rate(both_before, r->backward_before, peak->gflops),
               print_rate(both_after, r->backward_after, peak->gflops),
               adcl_engine_name(r->engine));
        if (r->engine_kept) printf(" (kept)");
        for (size_t k = 0; k < r->engine_count && r->engine_count > 1; k++) {
            printf("%s %s ", k == 0 ? ":" : ",", adcl_engine_name(r->engines[k]));
            if (r->engine_gflops[k] > 0.0)
                printf("%.3g", r->engine_gflops[k]);
            else
                printf("wrong");
        }
        printf("\n");
    }
}

/* A rate, or null where nothing was measured. */
static json_t *json_rate(double gflops)
{
    return gflops > 0.0 ? json_finite(gflops) : json_null();
}

static json_t *describe_engines(const adcl_tune_result *r)
{
    json_t *engines = json_object();
    for (size_t k = 0; k < r->engine_count; k++)
        json_object_set_new(engines, adcl_engine_name(r->engines[k]),
                            json_rate(r->engine_gflops[k]));
    return engines;
}

static json_t *describe(const adcl_device_info *device, const adcl_peak *peak,
                        const adcl_tune_result *r)
{
    return json_pack("{s:o, s:o, s:o, s:f, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:f, s:b, s:s, s:b,"
                     " s:o}",
                     "device", json_text(device->name),
                     "driver", json_text(device->driver),
                     "platform", json_text(device->platform),
                     "peak_gflops", peak->gflops,
                     "rows", (json_int_t)r->shape.rows,
                     "hidden", (json_int_t)r->shape.hidden_size,
                     "bottleneck", (json_int_t)r->shape.bottleneck_size,
                     "forward_before", json_rate(r->forward_before),
                     "forward_after", json_rate(r->forward_after),
                     "forward_backward_before", json_rate(r->backward_before),
                     "forward_backward_after", json_rate(r->backward_after),
                     "share_of_peak_after", r->backward_after / peak->gflops,
                     "parameters_kept", r->parameters_kept,
                     "engine", adcl_engine_name(r->engine),
                     "engine_kept", r->engine_kept,
                     "engines", describe_engines(r));
}

static int print_json(const session *s, const adcl_peak *peak, const adcl_tune_result *results,
                      size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, describe(adcl_context_device(s->ctx), peak,
                                                  &results[i])) != 0) {
            json_decref(array);
            array = NULL;
            break;
        }
    return json_print(s, array);
}

static int print_results(session *s, const tune_options *o, const adcl_peak *peak,
                         const adcl_tune_result *results, size_t count)
{
    if (o->json) return print_json(s, peak, results, count);
    print_table(adcl_context_device(s->ctx), peak, results, count);
    return DONE;
}

/* A folder that cannot be written is found before the work instead of after it. */
static int check_cache(session *s, const tune_options *o)
{
    if (o->dry_run || s->cache == NULL) return DONE;
    TRY_HOST(s, adcl_cache_put(s->cache, "writable", "", 0, &s->error));
    return DONE;
}

static int tune_into(session *s, const tune_options *o, const adcl_tune_shape *shapes, size_t count,
                     adcl_tune_result *results)
{
    adcl_peak peak;
    TRY(check_cache(s, o));
    interrupt_hold();
    session_note(s, "measuring the peak");
    TRY_DEVICE(s, adcl_peak_measure(s->ctx, &peak));
    TRY(measure(s, o, shapes, count, results));
    TRY(print_results(s, o, &peak, results, count));
    if (o->dry_run || s->cache == NULL)
        session_note(s, "nothing was stored");
    else
        session_note(s, "stored in %s", adcl_cache_directory(s->cache));
    return DONE;
}

static int tune(session *s, const tune_options *o, const adcl_tune_shape *shapes, size_t count)
{
    void *results;
    TRY(session_open(s, TALK_WARNINGS));
    TRY(session_allocate(s, &results, count, 1, sizeof(adcl_tune_result)));
    int status = tune_into(s, o, shapes, count, results);
    free(results);
    return status;
}

static int run_tune(session *s, int argc, char **argv)
{
    tune_options o = {.rows = {{4096}, 1}, .hidden = {{768}, 1}, .bottleneck = {{64}, 1}};
    const char *format = NULL;
    const option_spec specs[] = {
        {"rows", 0, OPTION_SIZES, &o.rows, "N,...", "rows of a batch (default 4096)"},
        {"hidden", 0, OPTION_SIZES, &o.hidden, "D,...", "hidden sizes (default 768)"},
        {"bottleneck", 0, OPTION_SIZES, &o.bottleneck, "R,...", "bottleneck sizes (default 64)"},
        {"shapes", 0, OPTION_TEXT, &o.shapes_path, "FILE",
         "lines of `rows hidden bottleneck` instead"},
        {"candidates", 0, OPTION_SIZE, &o.candidates, "C",
         "try only the first C sets of CLBlast's parameters"},
        {"force", 0, OPTION_FLAG, &o.force, NULL, "measure again what is stored already"},
        {"dry-run", 0, OPTION_FLAG, &o.dry_run, NULL, "store nothing"},
        {"output", 'o', OPTION_TEXT, &format, "FORMAT", "text or json (default text)"},
    };
    const char *operands[OPERANDS_MOST];
    int status;
    if (!options_parse(s, &tune_command, specs, sizeof specs / sizeof specs[0], argc, argv,
                       operands, &status))
        return status;
    TRY(options_text_or_json(s, format, &o.json));
    adcl_tune_shape *shapes = NULL;
    size_t count = 0;
    status = o.shapes_path != NULL ? load(s, o.shapes_path, &shapes, &count)
                                   : combine(s, &o, &shapes, &count);
    if (status == DONE) status = tune(s, &o, shapes, count);
    free(shapes);
    return status;
}

const command_spec tune_command = {
    .name = "tune",
    .synopsis = "[OPTION ...]",
    .summary = "measure what is fastest on a device, and keep it for later runs",
    .description =
        "Searches CLBlast's parameters for the engine gemm, the best set over all the given\n"
        "shapes, then measures the engines at each shape. Every candidate's results are compared\n"
        "with the reference engine. What is best is stored for this device and driver in the\n"
        "cache folder ($ADCL_CACHE_DIR, else $XDG_CACHE_HOME/adapter_cl, else\n"
        "~/.cache/adapter_cl), where all commands find it. Takes minutes; after an interrupt the\n"
        "same command goes on where it was.",
    .examples = "  adapter-cl tune\n"
                "  adapter-cl tune --hidden 384,768 --bottleneck 24,64 --rows 512\n"
                "  adapter-cl tune --shapes bench/shapes/adapter.txt -o json --dry-run",
    .run = run_tune,
};
