/* SPDX-License-Identifier: MIT */
#include "reference/reference.h"

#include <math.h>

/* Writes one row's softmax(logits) − onehot(label), not yet divided by the number of rows, and
 * returns its loss. gradient may be logits, or NULL. */
static double row_cross_entropy(size_t classes, const double *logits, int32_t label,
                                double *gradient)
{
    double log_sum;
    adcl__reference_activation_forward(ADCL_ACTIVATION_LOG_SUMEXP, 1, classes, logits, &log_sum);
    int valid = label >= 0 && (size_t)label < classes;
    double loss = valid ? log_sum - logits[label] : (double)NAN;
    for (size_t c = 0; gradient != NULL && c < classes; c++) {
        double target = c == (size_t)label ? 1.0 : 0.0;
        gradient[c] = valid ? exp(logits[c] - log_sum) - target : (double)NAN;
    }
    return loss;
}

double adcl__reference_cross_entropy(size_t rows, size_t classes, const double *logits,
                                     const int32_t *labels, int32_t ignore_index, double *gradient)
{
    size_t counted = 0;
    for (size_t r = 0; r < rows; r++) counted += labels[r] != ignore_index;
    double share = counted == 0 ? 0.0 : 1.0 / (double)counted;
    double sum = 0.0;
    for (size_t r = 0; r < rows; r++) {
        double *row_gradient = gradient == NULL ? NULL : gradient + r * classes;
        int ignored = labels[r] == ignore_index;
        if (!ignored)
            sum += row_cross_entropy(classes, logits + r * classes, labels[r], row_gradient);
        for (size_t c = 0; row_gradient != NULL && c < classes; c++)
            row_gradient[c] = ignored ? 0.0 : share * row_gradient[c];
    }
    return sum * share;
}

double adcl__reference_mse(size_t count, const double *prediction, const double *target,
                           double *gradient)
{
    double share = count == 0 ? 0.0 : 1.0 / (double)count;
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        double difference = prediction[i] - target[i];
        sum += difference * difference;
        if (gradient != NULL) gradient[i] = 2.0 * share * difference;
    }
    return sum * share;
}
