/* SPDX-License-Identifier: MIT */
/* The parts of bench/ that need no device: what is counted, what samples say, what files say. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include "bench/baseline.h"
#include "bench/page.h"
#include "bench/shapes.h"
#include "bench/token_batches.h"
#include "support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define NEAR(got, expected)                                                                \
    cr_expect(fabs((got) - (expected)) <= 1e-12 * fabs(expected), "%.17g, expected %.17g", \
              (double)(got), (double)(expected))

static bench_row row_of(size_t rows, size_t hidden, size_t bottleneck, bench_pass pass, double ms)
{
    return (bench_row){
        .shape = {.rows = rows, .hidden = hidden, .bottleneck = bottleneck,
                  .activation = ADCL_ACTIVATION_RELU},
        .pass = pass,
        .engine = "gemm",
        .timing = {.median_ms = ms, .min_ms = ms, .samples = 5, .passes_per_sample = 1},
    };
}

/* ---- statistics ------------------------------------------------------------------------------*/

Test(bench_statistics, median_and_quartiles_lie_between_samples)
{
    double odd[] = {5.0, 1.0, 3.0, 2.0, 4.0};
    bench_timing t = bench_summarise(odd, 5, 7);
    NEAR(t.median_ms, 3.0);
    NEAR(t.min_ms, 1.0);
    NEAR(t.spread_ms, 2.0);
    cr_expect_eq(t.samples, 5);
    cr_expect_eq(t.passes_per_sample, 7);
    double even[] = {4.0, 1.0, 3.0, 2.0};
    t = bench_summarise(even, 4, 1);
    NEAR(t.median_ms, 2.5);
    NEAR(t.spread_ms, 1.5); /* 3.25 − 1.75 */
}

Test(bench_statistics, one_sample_has_no_spread)
{
    double one[] = {3.0};
    bench_timing t = bench_summarise(one, 1, 1);
    NEAR(t.median_ms, 3.0);
    cr_expect_eq(t.spread_ms, 0.0);
}

/* Three rounds over two rows. */
Test(bench_rounds, become_one_row_of_their_medians)
{
    static const double medians[] = {3.0, 10.0, 1.0, 30.0, 2.0, 20.0};
    bench_device device = {0};
    for (size_t i = 0; i < 6; i++) {
        bench_row row = {.timing = {medians[i], medians[i] - 0.5, 0.1, 5, 7}};
        cr_assert(bench_device_add(&device, &row, 1));
    }
    cr_assert(bench_device_merge_rounds(&device, 3));
    cr_assert_eq(device.count, 2);
    const bench_timing *first = &device.rows[0].timing, *second = &device.rows[1].timing;
    NEAR(first->median_ms, 2.0);
    NEAR(first->min_ms, 0.5);
    NEAR(first->spread_ms, 1.0);
    cr_expect_eq(first->samples, 15);
    cr_expect_eq(first->passes_per_sample, 7);
    NEAR(second->median_ms, 20.0);
    NEAR(second->min_ms, 9.5);
    bench_device_free(&device);
}

static bench_verdict verdict_of(bench_timing now, bench_timing base)
{
    return bench_compare(&now, &base, 0.05);
}

/* Medians whose least sample says nothing. */
#define AROUND(median, spread) ((bench_timing){.median_ms = (median), .spread_ms = (spread)})

Test(bench_verdict, knows_the_spread_and_the_tolerance)
{
    cr_expect_eq(verdict_of(AROUND(11.0, 0.0), AROUND(10.0, 0.0)), BENCH_SLOWER);
    cr_expect_eq(verdict_of(AROUND(11.0, 0.0), AROUND(12.0, 0.0)), BENCH_FASTER);
    cr_expect_eq(verdict_of(AROUND(11.0, 0.0), AROUND(10.6, 0.0)), BENCH_SAME);
    /* 1 ms is within spreads of 0.8 and 0.7 (1.06 together), but not within one of them. */
    cr_expect_eq(verdict_of(AROUND(11.0, 0.8), AROUND(10.0, 0.7)), BENCH_SAME);
    cr_expect_eq(verdict_of(AROUND(11.0, 0.8), AROUND(10.0, 0.0)), BENCH_SLOWER);
    cr_expect_str_eq(bench_verdict_name(BENCH_SLOWER), "slower");
}

Test(bench_verdict, is_not_fooled_by_a_spread_that_lies_wholly_above)
{
    bench_timing wide = {.median_ms = 11.0, .min_ms = 10.6, .spread_ms = 9.0};
    cr_expect_eq(verdict_of(wide, AROUND(10.0, 0.2)), BENCH_SLOWER);
    cr_expect_eq(verdict_of(AROUND(10.0, 0.2), wide), BENCH_FASTER);
    cr_expect_eq(verdict_of(wide, AROUND(10.0, 0.7)), BENCH_SAME);
    wide.min_ms = 10.4; /* within the tolerance */
    cr_expect_eq(verdict_of(wide, AROUND(10.0, 0.2)), BENCH_SAME);
}

/* ---- counting --------------------------------------------------------------------------------*/

Test(bench_row, counts_operations_and_bytes)
{
    double ndr = 10.0 * 6.0 * 2.0, x = 4.0 * 10 * 6, z = 4.0 * 10 * 2, p = 4.0 * (24 + 2 + 6);
    bench_row row = row_of(10, 6, 2, BENCH_FORWARD, 1.0);
    NEAR(bench_flops(&row), 4.0 * ndr);
    NEAR(bench_bytes(&row), 2.0 * x + p);
    row.pass = BENCH_FORWARD_BACKWARD;
    NEAR(bench_flops(&row), 12.0 * ndr);
    NEAR(bench_bytes(&row), 5.0 * x + 2.0 * z + 4.0 * p);
    row.pass = BENCH_STEP;
    NEAR(bench_flops(&row), 12.0 * ndr);
    NEAR(bench_bytes(&row), 8.0 * x + 2.0 * z + 11.0 * p);
    row.pass = BENCH_FORWARD;
    row.shape.activation = ADCL_ACTIVATION_LOG_SUMEXP; /* h has one column */
    NEAR(bench_flops(&row), 2.0 * 10 * 6 * 3);
    cr_expect_eq(bench_bottleneck_bytes(&row), 80);
}

Test(bench_row, shares_are_of_what_the_device_can_do)
{
    bench_row row = row_of(512, 768, 64, BENCH_FORWARD, 0.5);
    adcl_peak peak = {400.0, 20.0};
    NEAR(bench_gflops(&row), 4.0 * 512 * 768 * 64 / 0.5e6);
    NEAR(bench_share_of_peak(&peak, &row), bench_gflops(&row) / 400.0);
    NEAR(bench_roof(&peak, 5.0), 100.0);
    NEAR(bench_roof(&peak, 50.0), 400.0);
    row = row_of(1, 768, 64, BENCH_FORWARD, 0.5); /* memory-bound: the roof is the slope */
    NEAR(bench_share_of_roof(&peak, &row), bench_share_of_bandwidth(&peak, &row));
}

Test(bench_row, further_bytes_are_never_negative)
{
    bench_row row = row_of(10, 6, 2, BENCH_FORWARD, 1.0);
    cr_expect_eq(bench_further_bytes(&row), 0);
    row.workspace_bytes = 100;
    cr_expect_eq(bench_further_bytes(&row), 20);
}

/* D 4, F 6, two layers: a layer's matrices have 4·16 + 2·24 = 112 numbers. */
static bench_model model_of(size_t lowest, bool attention)
{
    return (bench_model){.name = "m", .config = "houlsby", .layers = 2, .hidden = 4, .inner = 6,
                         .bottleneck = 3, .adapter_products = 12.0, .head_products = 20.0,
                         .trained = 50.0, .lowest = lowest, .lowest_is_attention = attention};
}

Test(bench_model, counts_no_gradient_of_what_is_frozen)
{
    /* Two batches of two sequences, 10 tokens in all: Σ l² = 4 + 9 + 4 + 9. */
    const bench_load load = {.batches = 2, .sequences = 2, .tokens = 10, .squares = 26.0};
    bench_model m = model_of(0, true);
    double base = 2.0 * (2.0 * 10 * 112 + 4.0 * 4 * 26), adapters = 4.0 * 10 * 12;
    double head = 2.0 * 4 * 20;
    NEAR(bench_model_flops(&m, &load, BENCH_MODEL_ALONE), base);
    NEAR(bench_model_flops(&m, &load, BENCH_MODEL_FORWARD), base + adapters + head);
    /* Down to the first layer's attention adapter: one whole layer, and one feed-forward part. */
    double forward = base + adapters + head, attention = 4.0 * 4 * 26;
    NEAR(bench_model_flops(&m, &load, BENCH_MODEL_STEP),
         forward + 2.0 * (adapters + head + attention) + 2.0 * 10 * (112 + 48));
    m = model_of(1, false); /* an adapter behind the last layer: nothing frozen is passed */
    NEAR(bench_model_flops(&m, &load, BENCH_MODEL_BACKWARD), forward + 2.0 * (adapters + head));
    m = model_of(2, false); /* a head alone */
    m.adapter_products = 0.0;
    NEAR(bench_model_flops(&m, &load, BENCH_MODEL_BACKWARD), base + 3.0 * head);
}

Test(bench_model, counts_every_matrix_once_a_batch)
{
    const bench_load load = {.batches = 2, .sequences = 2, .tokens = 10, .squares = 26.0};
    bench_model m = model_of(0, true);
    double states = 4.0 * 10 * 4, base = 2.0 * (4.0 * 112 * 2 + 2.0 * states);
    NEAR(bench_model_bytes(&m, &load, BENCH_MODEL_ALONE), base);
    NEAR(bench_model_bytes(&m, &load, BENCH_MODEL_FORWARD), base + 200.0 * 2);
    double backward = 4.0 * (112 + 48) * 2 + 3.0 * 2 * states + 3.0 * 200 * 2;
    NEAR(bench_model_bytes(&m, &load, BENCH_MODEL_BACKWARD), base + 200.0 * 2 + backward);
    NEAR(bench_model_bytes(&m, &load, BENCH_MODEL_STEP),
         base + 200.0 * 2 + backward + 7.0 * 200 * 2);
}

Test(bench_model, minilm_takes_21_million_operations_a_token)
{
    bench_model m = {.layers = 6, .hidden = 384, .inner = 1536};
    const bench_load one = {.batches = 1, .sequences = 1, .length = 1, .tokens = 1};
    NEAR(bench_model_flops(&m, &one, BENCH_MODEL_ALONE), 21233664.0);
}

Test(bench_row, says_what_it_is_for_people)
{
    bench_model m = model_of(0, true);
    bench_shape shape = {.level = BENCH_ENCODER, .model = &m,
                         .load = {.batches = 4, .sequences = 32}};
    char text[128];
    bench_shape_text(&shape, text, sizeof text);
    cr_expect_str_eq(text, "4 × 32 texts, m, houlsby");
    shape.load = (bench_load){.batches = 1, .sequences = 32, .length = 16};
    bench_shape_text(&shape, text, sizeof text);
    cr_expect_str_eq(text, "32 × 16 tokens, m, houlsby");
}

Test(bench_batches, of_texts_hold_every_token_once)
{
    static const size_t starts[] = {0, 2, 5, 6, 10, 11};
    static const int32_t ids[] = {1, 1, 2, 2, 2, 3, 4, 4, 4, 4, 5};
    const bench_texts texts = {5, starts, ids, 4};
    bench_batches b;
    cr_assert(bench_batches_of_texts(&b, &texts, 2, 9, false, 7));
    cr_expect_eq(b.load.batches, 2); /* the fifth text fills no batch */
    size_t seen = 0;
    double squares = 0.0;
    for (size_t i = 0; i < b.load.batches; i++)
        for (size_t s = 0; s < 2; s++) {
            const adcl_encoder_batch *batch = &b.items[i];
            size_t first = batch->starts[s], length = batch->starts[s + 1] - first;
            size_t text = (size_t)batch->ids[first] - 1;
            cr_expect_eq(length, starts[text + 1] - starts[text]);
            seen += length;
            squares += (double)(length * length);
        }
    cr_expect_eq(seen, b.load.tokens);
    NEAR(b.load.squares, squares);
    bench_batches_free(&b);
    cr_assert(bench_batches_of_texts(&b, &texts, 32, 9, false, 7)); /* fewer than a batch: all of them */
    cr_expect_eq(b.load.batches, 1);
    cr_expect_eq(b.load.sequences, 5);
    cr_expect_eq(b.load.tokens, 11);
    cr_expect_eq(b.most_tokens, 11);
    bench_batches_free(&b);
}

Test(bench_batches, of_sorted_texts_are_of_similar_length)
{
    static const size_t starts[] = {0, 2, 5, 6, 10};
    static const int32_t ids[] = {1, 1, 2, 2, 2, 3, 4, 4, 4, 4};
    static const int32_t first_of_batches[] = {3, 2}; /* one and two tokens, three and four */
    const bench_texts texts = {4, starts, ids, 4};
    bench_batches b;
    cr_assert(bench_batches_of_texts(&b, &texts, 2, 9, true, 7));
    cr_expect(b.load.sorted);
    for (size_t i = 0; i < 2; i++) cr_expect_eq(b.items[i].ids[0], first_of_batches[i]);
    cr_expect_eq(b.items[0].starts[2], 3);
    cr_expect_eq(b.items[1].starts[2], 7);
    bench_batches_free(&b);
}

Test(bench_batches, of_random_ids_stay_in_the_vocabulary)
{
    bench_batches b;
    cr_assert(bench_batches_random(&b, 3, 5, 7));
    for (size_t i = 0; i < 15; i++) cr_expect(b.ids[i] >= 0 && b.ids[i] < 7);
    cr_expect_eq(b.items[0].starts[3], 15);
    NEAR(b.load.squares, 75.0);
    bench_batches_free(&b);
}

Test(bench_passes, are_named)
{
    unsigned passes = 0;
    cr_expect(bench_passes_from_names("forward,step", &passes));
    cr_expect_eq(passes, BENCH_PASS_BIT(BENCH_FORWARD) | BENCH_PASS_BIT(BENCH_STEP));
    cr_expect(bench_passes_from_names("forward+backward", &passes));
    cr_expect_eq(passes, BENCH_PASS_BIT(BENCH_FORWARD_BACKWARD));
    cr_expect(bench_passes_from_names("start", &passes));
    cr_expect_eq(passes, BENCH_PASSES_START);
    cr_expect(bench_passes_from_names("all", &passes));
    cr_expect_eq(passes, (1u << BENCH_PASS_COUNT) - 1);
    static const char *const wrong[] = {"", "forward,", ",forward", "forwar", "forward2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect_not(bench_passes_from_names(wrong[i], &passes), "%s", wrong[i]);
}

/* ---- files -----------------------------------------------------------------------------------*/

TestSuite(bench_files, .init = adcl_test_folder_create, .fini = adcl_test_folder_remove);

static const char *file_of(const char *text)
{
    const char *path = adcl_test_path("input");
    adcl_test_file_write(path, text, strlen(text));
    return path;
}

Test(bench_files, shapes_name_pass_and_activation_or_take_the_defaults)
{
    bench_defaults defaults = {1u, {ADCL_ACTIVATION_RELU, ADCL_ACTIVATION_TANH}, 2};
    bench_shapes shapes;
    adcl_error error;
    const char *path = file_of("# comment\n\n1 2 3\n4 5 6 step gelu\n7 8 9 forward,step\r\n");
    cr_assert_eq(bench_shapes_load(path, &defaults, &shapes, &error), ADCL_OK, "%s", error.message);
    cr_assert_eq(shapes.count, 5);
    cr_expect_eq(shapes.items[1].activation, ADCL_ACTIVATION_TANH);
    cr_expect_eq(shapes.items[1].rows, 1);
    cr_expect_eq(shapes.items[2].activation, ADCL_ACTIVATION_GELU);
    cr_expect_eq(shapes.items[2].passes, BENCH_PASS_BIT(BENCH_STEP));
    cr_expect_eq(shapes.items[4].passes,
                 BENCH_PASS_BIT(BENCH_FORWARD) | BENCH_PASS_BIT(BENCH_STEP));
    bench_shapes_free(&shapes);
}

Test(bench_files, wrong_shapes_are_refused_with_their_line)
{
    static const char *const texts[] = {"1 2 3\n1 2 3 sideways\n", "1 2 3\n1 2 3 step reluu\n",
                                        "1 2 3\n1 2 3 step relu x\n", "1 2 3\n1 2 3x\n"};
    bench_defaults defaults = {1u, {ADCL_ACTIVATION_RELU}, 1};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bench_shapes shapes;
        adcl_error error;
        cr_expect_eq(bench_shapes_load(file_of(texts[i]), &defaults, &shapes, &error),
                     ADCL_ERR_FORMAT);
        cr_expect(strstr(error.message, "line 2") != NULL, "%s", error.message);
        bench_shapes_free(&shapes);
    }
}

#define BASE_ROW                                                                                 \
    "{\"device\": \"d\", \"engine\": \"gemm\", \"pass\": \"forward\", \"rows\": 8, \"hidden\": " \
    "6, "                                                                                        \
    "\"bottleneck\": 2, \"ms_median\": 1.0"

static bench_verdict verdict_against(const char *text, double ms)
{
    bench_baseline base;
    adcl_error error;
    bench_row rows[] = {row_of(8, 6, 2, BENCH_FORWARD, ms)};
    char name[] = "d";
    bench_device device = {.name = name, .rows = rows, .count = 1};
    cr_assert_eq(bench_baseline_load(file_of(text), &base, &error), ADCL_OK, "%s", error.message);
    bench_baseline_compare(&base, &device, 0.05);
    bench_baseline_free(&base);
    return rows[0].verdict;
}

Test(bench_files, a_baseline_gives_each_row_its_verdict)
{
    cr_expect_eq(verdict_against("[" BASE_ROW "}]", 1.01), BENCH_SAME);
    cr_expect_eq(verdict_against("[" BASE_ROW "}]", 2.0), BENCH_SLOWER);
    cr_expect_eq(verdict_against("[" BASE_ROW ", \"ms_spread\": 1.5}]", 2.0), BENCH_SAME);
    cr_expect_eq(verdict_against("[" BASE_ROW ", \"ms_spread\": 1, \"ms_min\": 0.9}]", 0.5),
                 BENCH_FASTER);
    cr_expect_eq(verdict_against("[" BASE_ROW ", \"activation\": \"gelu\"}]", 2.0), BENCH_NEW);
    cr_expect_eq(verdict_against(BASE_ROW "}\n", 2.0), BENCH_SLOWER); /* JSON Lines */
    /* and two of them, the second of which is the one. */
    cr_expect_eq(verdict_against(BASE_ROW ", \"activation\": \"gelu\"}\n" BASE_ROW "}\n", 0.5),
                 BENCH_FASTER);
}

#define ENCODER_ROW                                                                         \
    "{\"device\": \"d\", \"engine\": \"gemm\", \"bench\": \"encoder\", \"pass\": \"step\", "   \
    "\"rows\": 8, \"hidden\": 4, \"bottleneck\": 0, \"model\": \"m\", \"config\": \"houlsby\", " \
    "\"batches\": 1, \"sequences\": 2, \"length\": "

static bench_verdict encoder_verdict_against(const char *text, size_t length)
{
    bench_baseline base;
    adcl_error error;
    bench_model m = model_of(0, true);
    bench_row row = row_of(8, 4, 0, BENCH_STEP, 2.0);
    row.shape.level = BENCH_ENCODER;
    row.shape.model = &m;
    row.shape.load = (bench_load){.batches = 1, .sequences = 2, .length = length, .tokens = 8};
    char name[] = "d";
    bench_device device = {.name = name, .rows = &row, .count = 1};
    cr_assert_eq(bench_baseline_load(file_of(text), &base, &error), ADCL_OK, "%s", error.message);
    bench_baseline_compare(&base, &device, 0.05);
    bench_baseline_free(&base);
    return row.verdict;
}

Test(bench_files, an_encoder_is_compared_with_the_same_batches_only)
{
    cr_expect_eq(encoder_verdict_against("[" ENCODER_ROW "4, \"ms_median\": 1}]", 4),
                 BENCH_SLOWER);
    cr_expect_eq(encoder_verdict_against("[" ENCODER_ROW "2, \"ms_median\": 1}]", 4), BENCH_NEW);
    /* Texts have no length. */
    cr_expect_eq(encoder_verdict_against("[" ENCODER_ROW "null, \"ms_median\": 9}]", 0),
                 BENCH_FASTER);
    cr_expect_eq(encoder_verdict_against("[" BASE_ROW "}]", 4), BENCH_NEW);
}

static void expect_refused_baseline(const char *text, const char *says)
{
    bench_baseline base;
    adcl_error error;
    cr_expect_eq(bench_baseline_load(file_of(text), &base, &error), ADCL_ERR_FORMAT, "%s", text);
    cr_expect(strstr(error.message, says) != NULL, "%s", error.message);
    cr_expect_null(base.rows);
}

Test(bench_files, a_wrong_baseline_is_refused)
{
    expect_refused_baseline("", "empty");
    expect_refused_baseline("[{]", "line 1");
    expect_refused_baseline("3", "line 1");
    expect_refused_baseline("{}", "row 1");
    expect_refused_baseline("[" BASE_ROW "}, {}]", "row 2");
    expect_refused_baseline("[" BASE_ROW "}, 5]", "row 2");
}

#define PEER_ROW                                                                       \
    "{\"peer\": \"P\", \"pass\": \"forward+backward\", \"n\": 8, \"d\": 6, \"r\": 2, " \
    "\"median_s\": 0.002"

Test(bench_files, peers_are_rows_like_ours)
{
    bench_peers peers;
    adcl_error error;
    const char *path = file_of("{\"machine\": \"m\", \"date\": \"t\", \"rows\": [" PEER_ROW "}]}");
    bench_row ours = row_of(8, 6, 2, BENCH_FORWARD_BACKWARD, 1.0);
    cr_assert_eq(bench_peers_load(path, &peers, &error), ADCL_OK, "%s", error.message);
    cr_assert_eq(peers.count, 1);
    cr_expect(bench_same_work(&peers.rows[0], &ours));
    cr_expect_str_eq(peers.rows[0].engine, "P");
    cr_expect_str_eq(peers.machine, "m");
    NEAR(peers.rows[0].timing.median_ms, 2.0);
    bench_peers_free(&peers);
}

Test(bench_files, wrong_peers_are_refused)
{
    static const char *const texts[] = {
        "{\"rows\": [" PEER_ROW "}, {\"peer\": \"P\", \"pass\": \"sideways\"}]}",
        "{\"rows\": [" PEER_ROW "}, " PEER_ROW ", \"activation\": \"reluu\"}]}",
        "{\"rows\": [" PEER_ROW "}, 3]}",
    };
    bench_peers peers;
    adcl_error error;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_expect_eq(bench_peers_load(file_of(texts[i]), &peers, &error), ADCL_ERR_FORMAT);
        cr_expect(strstr(error.message, "row 2") != NULL, "%s", error.message);
    }
    cr_expect_eq(bench_peers_load(file_of("[]"), &peers, &error), ADCL_ERR_FORMAT);
    cr_expect(strstr(error.message, "rows") != NULL, "%s", error.message);
}

/* ---- side by side ----------------------------------------------------------------------------*/

Test(bench_series, finds_who_did_the_same_work)
{
    bench_row ours[] = {row_of(8, 6, 2, BENCH_FORWARD, 1.0), row_of(9, 6, 2, BENCH_FORWARD, 2.0),
                        row_of(8, 6, 2, BENCH_FORWARD, 3.0)};
    bench_row theirs[] = {row_of(9, 6, 2, BENCH_FORWARD, 4.0)};
    ours[2].engine = "fused";
    theirs[0].engine = "peer";
    char name[] = "d";
    bench_device device = {.name = name, .rows = ours, .count = 3};
    bench_report report = {
        .devices = &device, .device_count = 1, .peers = {.rows = theirs, .count = 1}};
    bench_series_list list = bench_series_of(&report);
    cr_assert_eq(list.count, 3);
    cr_expect_eq(bench_series_index(&list, NULL, "peer"), 2);
    cr_expect_eq(bench_series_find(&list, 1, &ours[0]), &ours[2]);
    cr_expect_null(bench_series_find(&list, 1, &ours[1]));
    cr_expect_eq(bench_series_find(&list, 2, &ours[1]), &theirs[0]);
    size_t next = 0;
    cr_expect_eq(bench_next_work(&report, &next), &ours[0]);
    cr_expect_eq(bench_next_work(&report, &next), &ours[1]);
    cr_expect_null(bench_next_work(&report, &next));
}

Test(bench_page, shows_an_encoder_too)
{
    char name[] = "d";
    bench_model m = model_of(0, true);
    bench_row row = row_of(8, 4, 3, BENCH_FORWARD, 1.0);
    row.shape.level = BENCH_ENCODER;
    row.shape.model = &m;
    row.shape.load = (bench_load){.batches = 1, .sequences = 2, .length = 4, .tokens = 8};
    bench_device device = {.name = name, .platform = name, .driver = name,
                           .peak = {10.0, 1.0}, .rows = &row, .count = 1};
    bench_report report = {.level = BENCH_ENCODER, .date = "today", .devices = &device,
                           .device_count = 1};
    static char page[1 << 16];
    FILE *stream = fmemopen(page, sizeof page, "w");
    cr_assert(bench_page_print(&report, stream));
    fclose(stream);
    cr_expect_not_null(strstr(page, "2 × 4 tokens, m, houlsby"));
    cr_expect_not_null(strstr(page, "tokens/s"));
}

Test(bench_page, escapes_what_it_did_not_write_itself)
{
    char name[] = "<b>&\"\x01";
    bench_row row = row_of(8, 6, 2, BENCH_FORWARD, 1.0);
    bench_device device = {.name = name,
                           .platform = name,
                           .driver = name,
                           .peak = {10.0, 1.0},
                           .rows = &row,
                           .count = 1};
    bench_report report = {.date = "today", .devices = &device, .device_count = 1};
    static char page[1 << 16];
    FILE *stream = fmemopen(page, sizeof page, "w");
    cr_assert(bench_page_print(&report, stream));
    fclose(stream);
    cr_expect_null(strstr(page, "<b>&"));
    cr_expect_not_null(strstr(page, "&lt;b&gt;&amp;&quot;"));
    cr_expect_null(strchr(page, '\x01'));
    cr_expect_null(strstr(page, "<script"));
    cr_expect_null(strstr(page, "nan"));
}
