/* SPDX-License-Identifier: MIT */
#include "cli/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- confusion -------------------------------------------------------------------------------*/

bool confusion_create(confusion *out, size_t classes)
{
    *out = (confusion){.classes = classes};
    if (classes > 0 && classes <= SIZE_MAX / classes)
        out->counts = calloc(classes * classes, sizeof *out->counts);
    return out->counts != NULL;
}

void confusion_free(confusion *c)
{
    free(c->counts);
    *c = (confusion){0};
}

void confusion_clear(confusion *c)
{
    memset(c->counts, 0, c->classes * c->classes * sizeof *c->counts);
    c->total = 0;
}

void confusion_add(confusion *c, int32_t right, int32_t answer)
{
    c->counts[(size_t)right * c->classes + (size_t)answer]++;
    c->total++;
}

size_t confusion_count(const confusion *c, size_t right, size_t answer)
{
    return c->counts[right * c->classes + answer];
}

static size_t truths_of(const confusion *c, size_t class)
{
    size_t sum = 0;
    for (size_t i = 0; i < c->classes; i++) sum += confusion_count(c, class, i);
    return sum;
}

static size_t answers_of(const confusion *c, size_t class)
{
    size_t sum = 0;
    for (size_t i = 0; i < c->classes; i++) sum += confusion_count(c, i, class);
    return sum;
}

static size_t correct(const confusion *c)
{
    size_t sum = 0;
    for (size_t i = 0; i < c->classes; i++) sum += confusion_count(c, i, i);
    return sum;
}

double confusion_accuracy(const confusion *c)
{
    return c->total > 0 ? (double)correct(c) / (double)c->total : (double)NAN;
}

double confusion_matthews(const confusion *c)
{
    double total = (double)c->total;
    double products = 0.0;
    double truths = 0.0;
    double answers = 0.0;
    if (c->total == 0) return (double)NAN;
    for (size_t i = 0; i < c->classes; i++) {
        double t = (double)truths_of(c, i);
        double p = (double)answers_of(c, i);
        products += t * p;
        truths += t * t;
        answers += p * p;
    }
    double root = sqrt((total * total - answers) * (total * total - truths));
    return root > 0.0 ? (total * (double)correct(c) - products) / root : 0.0;
}

double confusion_macro_f1(const confusion *c)
{
    double sum = 0.0;
    size_t present = 0;
    for (size_t i = 0; i < c->classes; i++) {
        size_t both = truths_of(c, i) + answers_of(c, i);
        if (both == 0) continue;
        sum += 2.0 * (double)confusion_count(c, i, i) / (double)both;
        present++;
    }
    return present > 0 ? sum / (double)present : (double)NAN;
}

/* Moves a pair up to its place among the `count` that are there; drops the last where it is full.
 */
static size_t insert(confused_pair *pairs, size_t count, size_t most, confused_pair pair)
{
    size_t place = count;
    while (place > 0 && pairs[place - 1].count < pair.count) place--;
    if (place == most) return count;
    if (count < most) count++;
    for (size_t i = count - 1; i > place; i--) pairs[i] = pairs[i - 1];
    pairs[place] = pair;
    return count;
}

size_t confusion_worst(const confusion *c, confused_pair *pairs, size_t most)
{
    size_t count = 0;
    for (size_t right = 0; right < c->classes; right++)
        for (size_t answer = 0; answer < c->classes; answer++) {
            size_t times = confusion_count(c, right, answer);
            if (right == answer || times == 0) continue;
            count = insert(pairs, count, most, (confused_pair){right, answer, times});
        }
    return count;
}

/* ---- logits ----------------------------------------------------------------------------------*/

int32_t largest_logit(const float *logits, size_t classes)
{
    size_t best = 0;
    for (size_t i = 1; i < classes; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

double softmax_loss(const float *logits, size_t classes, size_t which)
{
    double largest = (double)logits[largest_logit(logits, classes)];
    double sum = 0.0;
    for (size_t i = 0; i < classes; i++) sum += exp((double)logits[i] - largest);
    return largest + log(sum) - (double)logits[which];
}

double softmax_probability(const float *logits, size_t classes, size_t which)
{
    return exp(-softmax_loss(logits, classes, which));
}

/* ---- numbers ---------------------------------------------------------------------------------*/

static double pearson_of_doubles(const double *a, const double *b, size_t count)
{
    double mean_a = 0.0, mean_b = 0.0, ab = 0.0, aa = 0.0, bb = 0.0;
    for (size_t i = 0; i < count; i++) {
        mean_a += a[i] / (double)count;
        mean_b += b[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        ab += (a[i] - mean_a) * (b[i] - mean_b);
        aa += (a[i] - mean_a) * (a[i] - mean_a);
        bb += (b[i] - mean_b) * (b[i] - mean_b);
    }
    return aa > 0.0 && bb > 0.0 ? ab / sqrt(aa * bb) : (double)NAN;
}

static double of_converted(const float *a, const float *b, size_t count,
                           bool (*convert)(const float *in, size_t count, double *out))
{
    double *memory =
        count > 0 && count <= SIZE_MAX / 16 ? malloc(2 * count * sizeof *memory) : NULL;
    double result = (double)NAN;
    if (memory == NULL) return result;
    if (convert(a, count, memory) && convert(b, count, memory + count))
        result = pearson_of_doubles(memory, memory + count, count);
    free(memory);
    return result;
}

static bool to_doubles(const float *in, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) out[i] = (double)in[i];
    return true;
}

typedef struct place {
    float value;
    size_t index;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a;
    const place *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

static void rank_sorted(const place *places, size_t count, double *out)
{
    for (size_t first = 0, end; first < count; first = end) {
        end = first + 1;
        while (end < count && places[end].value <= places[first].value) end++;
        for (size_t i = first; i < end; i++) out[places[i].index] = 0.5 * (double)(first + end - 1);
    }
}

static bool to_ranks(const float *in, size_t count, double *out)
{
    place *places = malloc(count * sizeof *places);
    if (places == NULL) return false;
    for (size_t i = 0; i < count; i++) places[i] = (place){in[i], i};
    qsort(places, count, sizeof *places, compare_places);
    rank_sorted(places, count, out);
    free(places);
    return true;
}

double pearson(const float *a, const float *b, size_t count)
{
    return of_converted(a, b, count, to_doubles);
}

double spearman(const float *a, const float *b, size_t count)
{
    return of_converted(a, b, count, to_ranks);
}

double mean_squared_error(const float *a, const float *b, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)a[i] - (double)b[i];
        sum += difference * difference;
    }
    return count > 0 ? sum / (double)count : (double)NAN;
}
