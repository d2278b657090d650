/* SPDX-License-Identifier: MIT */
/* layer_norm_gpu.cl – what layer_norm.cl computes, for devices of many work-groups with local memory: a group
 * takes a row, an item every GROUP-th column; their sums are added in pairs, in one order for every N. After
 * common.cl. Arguments are those of layer_norm.cl's kernels, also rows, which is not read: there are as many
 * groups. (A return before barriers, even of whole groups, is what POCL 3.1 makes wrong code of.) */

/* Bits of `mode`, as in layer_norm.cl. */
#define ADCL_SECOND 1
#define ADCL_THIRD 2
#define ADCL_KEEPS 4

#define ADCL_GROUP 64
#define ADCL_GROUPED __attribute__((reqd_work_group_size(ADCL_GROUP, 1, 1)))

/* The sum of two numbers of every item, each apart; all items get it. */
float2 adcl_group_sum(float2 value, local float2 *parts)
{
    const uint item = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    parts[item] = value;
    for (uint apart = ADCL_GROUP / 2; apart > 0; apart /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < apart) parts[item] += parts[item + apart];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return parts[0];
}

/* As adcl_layer_norm_fwd. Group: a row. */
ADCL_GROUPED kernel void adcl_layer_norm_gpu_fwd(
    global const float *a, ulong a_offset, ulong a_stride, global const float *b, ulong b_offset,
    ulong b_stride, global const float *c, ulong c_offset, ulong c_stride, global const float *weight,
    ulong weight_offset, global const float *bias, ulong bias_offset, float epsilon,
    global float *normal, ulong normal_offset, ulong normal_stride, global float *inverse,
    global float *y, ulong y_offset, ulong y_stride, uint rows, uint cols, uint mode)
{
    local float2 parts[ADCL_GROUP];
    const ulong r = get_group_id(0);
    const uint item = get_local_id(0);
    global const float *of_a = a + a_offset + r * a_stride, *of_b = b + b_offset + r * b_stride;
    global const float *of_c = c + c_offset + r * c_stride;
    global float *to = y + y_offset + r * y_stride;
    global float *kept = mode & ADCL_KEEPS ? normal + normal_offset + r * normal_stride : to;
    float2 sums = (float2)(0.0f);
    for (uint i = item; i < cols; i += ADCL_GROUP) {
        float x = of_a[i];
        if (mode & ADCL_SECOND) x += of_b[i];
        if (mode & ADCL_THIRD) x += of_c[i];
        kept[i] = x;
        sums.x += x;
    }
    /* In two parts, as there: what the mean's rounding leaves is taken away as well. */
    const float mean = adcl_group_sum(sums, parts).x / (float)cols;
    sums = (float2)(0.0f);
    for (uint i = item; i < cols; i += ADCL_GROUP) {
        const float x = kept[i] - mean;
        sums += (float2)(x, x * x);
    }
    sums = adcl_group_sum(sums, parts) / (float)cols;
    const float factor = 1.0f / sqrt(sums.y - sums.x * sums.x + epsilon);
    if ((mode & ADCL_KEEPS) && item == 0) inverse[r] = factor;
    for (uint i = item; i < cols; i += ADCL_GROUP) {
        const float x = (kept[i] - mean - sums.x) * factor;
        if (mode & ADCL_KEEPS) kept[i] = x;
        to[i] = x * weight[weight_offset + i] + bias[bias_offset + i];
    }
}

/* As adcl_layer_norm_bwd. dx may be dy. Group: a row. */
ADCL_GROUPED kernel void adcl_layer_norm_gpu_bwd(
    global const float *dy, ulong dy_offset, ulong dy_stride, global const float *weight,
    ulong weight_offset, global const float *normal, ulong normal_offset, ulong normal_stride,
    global const float *inverse, global float *dx, ulong dx_offset, ulong dx_stride, uint rows,
    uint cols)
{
    local float2 parts[ADCL_GROUP];
    const ulong r = get_group_id(0);
    const uint item = get_local_id(0);
    global const float *of_dy = dy + dy_offset + r * dy_stride, *w = weight + weight_offset;
    global const float *x = normal + normal_offset + r * normal_stride;
    global float *to = dx + dx_offset + r * dx_stride;
    float2 sums = (float2)(0.0f);
    for (uint i = item; i < cols; i += ADCL_GROUP) {
        const float g = of_dy[i] * w[i];
        sums += (float2)(g, g * x[i]);
    }
    sums = adcl_group_sum(sums, parts) / (float)cols;
    const float factor = inverse[r];
    for (uint i = item; i < cols; i += ADCL_GROUP)
        to[i] = (of_dy[i] * w[i] - sums.x - x[i] * sums.y) * factor;
}
