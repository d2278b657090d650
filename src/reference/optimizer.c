/* SPDX-License-Identifier: MIT */
/* optimizer.c – the formulas of include/adapter_cl/optimizer.h. */
#include "reference/reference.h"

#include <math.h>

double adcl__reference_square_sum(size_t count, const double *gradient)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) sum += gradient[i] * gradient[i];
    return sum;
}

double adcl__reference_clip_factor(double norm, double clip_norm)
{
    if (clip_norm == 0.0) return 1.0;
    if (!isfinite(norm)) return (double)NAN;
    return norm > clip_norm ? clip_norm / norm : 1.0;
}

static void sgd_step(const adcl__reference_optimizer *o, size_t count, const double *gradient,
                     double *value, double *velocity)
{
    for (size_t i = 0; i < count; i++) {
        double g = o->clip_factor * gradient[i] + o->weight_decay * value[i];
        if (o->momentum != 0.0) g = velocity[i] = o->momentum * velocity[i] + g;
        value[i] -= o->learning_rate * g;
    }
}

static void adam_step(const adcl__reference_optimizer *o, size_t count, const double *gradient,
                      double *value, double *m, double *v)
{
    double t = (double)o->step;
    double m_correction = o->bias_correction ? 1.0 - pow(o->beta1, t) : 1.0;
    double v_correction = o->bias_correction ? 1.0 - pow(o->beta2, t) : 1.0;
    int decoupled = o->kind == ADCL_ADAMW;
    for (size_t i = 0; i < count; i++) {
        double g = o->clip_factor * gradient[i];
        if (decoupled)
            value[i] -= o->learning_rate * o->weight_decay * value[i];
        else
            g += o->weight_decay * value[i];
        m[i] = o->beta1 * m[i] + (1.0 - o->beta1) * g;
        v[i] = o->beta2 * v[i] + (1.0 - o->beta2) * g * g;
        double root = sqrt(v[i] / v_correction + o->epsilon_root);
        value[i] -= o->learning_rate * (m[i] / m_correction) / (root + o->epsilon);
    }
}

void adcl__reference_optimizer_step(const adcl__reference_optimizer *optimizer, size_t count,
                                    const double *gradient, double *value, double *first,
                                    double *second)
{
    if (optimizer->kind == ADCL_SGD)
        sgd_step(optimizer, count, gradient, value, first);
    else
        adam_step(optimizer, count, gradient, value, first, second);
}
