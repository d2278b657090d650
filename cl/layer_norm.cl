/* SPDX-License-Identifier: MIT */
/* layer_norm.cl – y = weight∘x̂ + bias with x̂ = (x − mean)/√(variance + ε), row by row, where x is a sum of up
 * to three matrices; and its gradients.
 *
 *      dx = (g − mean(g) − x̂·mean(g∘x̂))/√(variance + ε)      with g = weight∘dy
 *      dweight += Σ dy∘x̂      dbias += Σ dy                  over the rows
 *
 * x, x̂, y (N, D). A work-item takes a row; lanes of a vector are summed apart, then together: one order for
 * every N. Known when the program is built: ADCL_WIDTH. */

/* Bits of `mode`. */
#define ADCL_SECOND 1 /* x = a + b */
#define ADCL_THIRD 2  /* x = a + b + c */
#define ADCL_KEEPS 4  /* x̂ and 1/√(variance + ε) are kept for backward */

float adcl_lane_sum(REAL lanes)
{
    float numbers[ADCL_WIDTH], sum = 0.0f;
    ADCL_STORE(lanes, numbers);
    for (uint i = 0; i < ADCL_WIDTH; i++) sum += numbers[i];
    return sum;
}

float adcl_row_total(global const float *row, uint cols)
{
    REAL lanes = (REAL)(0.0f);
    uint c = 0;
    for (; c + ADCL_WIDTH <= cols; c += ADCL_WIDTH) lanes += ADCL_LOAD(row + c);
    float sum = adcl_lane_sum(lanes);
    for (; c < cols; c++) sum += row[c];
    return sum;
}

/* The mean in two parts, and the variance. What the first part's rounding leaves is the second: without it all
 * numbers of a row would be off by the same amount, which adds up wherever a product's weights are of one sign. */
float4 adcl_row_moments(global const float *row, uint cols)
{
    const float first = adcl_row_total(row, cols) / (float)cols;
    REAL lanes = (REAL)(0.0f), squares = (REAL)(0.0f);
    uint c = 0;
    for (; c + ADCL_WIDTH <= cols; c += ADCL_WIDTH) {
        REAL x = ADCL_LOAD(row + c) - first;
        lanes += x;
        squares += x * x;
    }
    float rest = adcl_lane_sum(lanes), sum = adcl_lane_sum(squares);
    for (; c < cols; c++) {
        float x = row[c] - first;
        rest += x;
        sum += x * x;
    }
    rest /= (float)cols;
    return (float4)(first, rest, sum / (float)cols - rest * rest, 0.0f);
}

/* to = a [+ b [+ c]], one row. */
void adcl_row_add(global const float *a, global const float *b, global const float *c,
                  global float *to, uint cols, uint mode)
{
    uint i = 0;
    for (; i + ADCL_WIDTH <= cols; i += ADCL_WIDTH) {
        REAL x = ADCL_LOAD(a + i);
        if (mode & ADCL_SECOND) x += ADCL_LOAD(b + i);
        if (mode & ADCL_THIRD) x += ADCL_LOAD(c + i);
        ADCL_STORE(x, to + i);
    }
    for (; i < cols; i++)
        to[i] = a[i] + (mode & ADCL_SECOND ? b[i] : 0.0f) + (mode & ADCL_THIRD ? c[i] : 0.0f);
}

/* y may be a, b or c. x̂ is `normal`, 1/√… is `inverse` (N). */
kernel void adcl_layer_norm_fwd(global const float *a, ulong a_offset, ulong a_stride,
                                global const float *b, ulong b_offset, ulong b_stride,
                                global const float *c, ulong c_offset, ulong c_stride,
                                global const float *weight, ulong weight_offset,
                                global const float *bias, ulong bias_offset, float epsilon,
                                global float *normal, ulong normal_offset, ulong normal_stride,
                                global float *inverse, global float *y, ulong y_offset,
                                ulong y_stride, uint rows, uint cols, uint mode)
{
    const ulong r = get_global_id(0);
    if (r >= rows) return;
    global float *to = y + y_offset + r * y_stride;
    global float *kept = mode & ADCL_KEEPS ? normal + normal_offset + r * normal_stride : to;
    global const float *w = weight + weight_offset, *to_add = bias + bias_offset;
    adcl_row_add(a + a_offset + r * a_stride, b + b_offset + r * b_stride,
                 c + c_offset + r * c_stride, kept, cols, mode);
    const float4 moments = adcl_row_moments(kept, cols);
    const float mean = moments.x, rest = moments.y, factor = 1.0f / sqrt(moments.z + epsilon);
    if (mode & ADCL_KEEPS) inverse[r] = factor;
    uint i = 0;
    for (; i + ADCL_WIDTH <= cols; i += ADCL_WIDTH) {
        REAL x = (ADCL_LOAD(kept + i) - mean - rest) * factor;
        ADCL_STORE(x, kept + i);
        ADCL_STORE(x * ADCL_LOAD(w + i) + ADCL_LOAD(to_add + i), to + i);
    }
    for (; i < cols; i++) {
        float x = (kept[i] - mean - rest) * factor;
        kept[i] = x;
        to[i] = x * w[i] + to_add[i];
    }
}

/* dx may be dy. */
kernel void adcl_layer_norm_bwd(global const float *dy, ulong dy_offset, ulong dy_stride,
                                global const float *weight, ulong weight_offset,
                                global const float *normal, ulong normal_offset,
                                ulong normal_stride, global const float *inverse, global float *dx,
                                ulong dx_offset, ulong dx_stride, uint rows, uint cols)
{
    const ulong r = get_global_id(0);
    if (r >= rows) return;
    global const float *of_dy = dy + dy_offset + r * dy_stride, *w = weight + weight_offset;
    global const float *x = normal + normal_offset + r * normal_stride;
    global float *to = dx + dx_offset + r * dx_stride;
    REAL lanes = (REAL)(0.0f), lanes_x = (REAL)(0.0f);
    uint i = 0;
    for (; i + ADCL_WIDTH <= cols; i += ADCL_WIDTH) {
        REAL g = ADCL_LOAD(of_dy + i) * ADCL_LOAD(w + i);
        lanes += g;
        lanes_x += g * ADCL_LOAD(x + i);
    }
    float sum = adcl_lane_sum(lanes), sum_x = adcl_lane_sum(lanes_x);
    for (; i < cols; i++) {
        sum += of_dy[i] * w[i];
        sum_x += of_dy[i] * w[i] * x[i];
    }
    const float mean = sum / (float)cols, mean_x = sum_x / (float)cols, factor = inverse[r];
    i = 0;
    for (; i + ADCL_WIDTH <= cols; i += ADCL_WIDTH) {
        REAL g = ADCL_LOAD(of_dy + i) * ADCL_LOAD(w + i);
        REAL value = (g - mean - ADCL_LOAD(x + i) * mean_x) * factor;
        ADCL_STORE(value, to + i);
    }
    for (; i < cols; i++) to[i] = (of_dy[i] * w[i] - mean - x[i] * mean_x) * factor;
}

/* Work-item c: column c of dweight and dbias, (1, D) each. */
kernel void adcl_layer_norm_gradients(global const float *dy, ulong dy_offset, ulong dy_stride,
                                      global const float *normal, ulong normal_offset,
                                      ulong normal_stride, global float *dweight,
                                      ulong dweight_offset, global float *dbias, ulong dbias_offset,
                                      uint rows, uint cols)
{
    const uint c = get_global_id(0);
    if (c >= cols) return;
    float of_weight = 0.0f, of_bias = 0.0f;
    for (uint r = 0; r < rows; r++) {
        float g = dy[adcl_at(dy_offset, dy_stride, r, c)];
        of_weight += g * normal[adcl_at(normal_offset, normal_stride, r, c)];
        of_bias += g;
    }
    dweight[dweight_offset + c] += of_weight;
    dbias[dbias_offset + c] += of_bias;
}
