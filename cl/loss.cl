/* SPDX-License-Identifier: MIT */
/* loss.cl – cross-entropy and mean squared error, with their gradients.
 *
 *      predictions (N, C)            partials (B)
 *    ┌───────────────────┐ block 0 ──► (loss, count)
 *    │                   │ block 1 ──► (loss, count)   ──►   value = Σ loss / Σ count
 *    └───────────────────┘ …
 *
 * A work-item takes the rows of one block in order, then one work-item takes the blocks in order:
 * no atomics, so the same input gives the same bits. What is counted is rows that are not ignored
 * for cross-entropy, elements for the mean squared error. The gradient kernels make one element a
 * work-item and read no other prediction, so the gradient may take the predictions' place. */

bool adcl_is_class(int label, uint classes)
{
    return label >= 0 && (uint)label < classes;
}

/* partials[b] = (Σ log Σ_c exp(logits[r, c]) − logits[r, label], how many) over the rows of block b
 * whose label is not ignore_index. row_sums[r] is kept for the gradient: largest logit of the row
 * and Σ exp(logit − largest). logits (rows, classes), labels (rows, 1). */
kernel void adcl_cross_entropy_fwd(global const float *logits, ulong logits_offset,
                                   ulong logits_stride, global const int *labels,
                                   ulong labels_offset, ulong labels_stride,
                                   global float2 *row_sums, global float *partials, uint rows,
                                   uint classes, int ignore_index, uint block_rows)
{
    uint block = get_global_id(0), first = block * block_rows;
    if (first >= rows || get_global_id(1) > 0) return;
    uint last = first + min(rows - first, block_rows);
    float losses = 0.0f, count = 0.0f;
    for (uint r = first; r < last; r++) {
        int label = labels[adcl_at(labels_offset, labels_stride, r, 0)];
        if (label == ignore_index) continue;
        global const float *row = logits + adcl_at(logits_offset, logits_stride, r, 0);
        float2 sum = adcl_row_sum(row, classes);
        row_sums[r] = sum;
        /* The difference of the logits first: it is exact where they are large and close. */
        losses += adcl_is_class(label, classes) ? sum.x - row[label] + log(sum.y) : NAN;
        count += 1.0f;
    }
    partials[2 * block] = losses;
    partials[2 * block + 1] = count;
}

/* gradient = (softmax(logits) − onehot(label)) · share; 0 in ignored rows. It may be logits. */
kernel void adcl_cross_entropy_bwd(global const float *logits, ulong logits_offset,
                                   ulong logits_stride, global const int *labels,
                                   ulong labels_offset, ulong labels_stride,
                                   global const float2 *row_sums, global const float *share,
                                   global float *gradient, ulong gradient_offset,
                                   ulong gradient_stride, uint rows, uint classes, int ignore_index)
{
    uint c = get_global_id(0), r = get_global_id(1);
    if (c >= classes || r >= rows) return;
    int label = labels[adcl_at(labels_offset, labels_stride, r, 0)];
    float slope = 0.0f;
    if (label != ignore_index) {
        float2 sum = row_sums[r];
        float p = exp(logits[adcl_at(logits_offset, logits_stride, r, c)] - sum.x) / sum.y;
        float target = c == (uint)label ? 1.0f : 0.0f;
        slope = adcl_is_class(label, classes) ? (p - target) * share[0] : NAN;
    }
    gradient[adcl_at(gradient_offset, gradient_stride, r, c)] = slope;
}

/* partials[b] = (Σ (predictions − targets)², how many) over the elements of block b; where it `descends`, gradient =
 * slope · (predictions − targets) on the same way, with slope 2 / count. predictions, targets and gradient
 * (rows, cols); gradient may be predictions. */
kernel void adcl_mse_fwd(global const float *predictions, ulong predictions_offset,
                         ulong predictions_stride, global const float *targets,
                         ulong targets_offset, ulong targets_stride, global float *gradient,
                         ulong gradient_offset, ulong gradient_stride, global float *partials,
                         uint rows, uint cols, uint block_rows, float slope, uint descends)
{
    uint block = get_global_id(0), first = block * block_rows;
    if (first >= rows || get_global_id(1) > 0) return;
    uint last = first + min(rows - first, block_rows);
    float sum = 0.0f;
    for (uint r = first; r < last; r++) {
        global const float *p = predictions + adcl_at(predictions_offset, predictions_stride, r, 0);
        global const float *t = targets + adcl_at(targets_offset, targets_stride, r, 0);
        global float *g = gradient + adcl_at(gradient_offset, gradient_stride, r, 0);
        float16 lanes = 0.0f; /* sixteen sums at once */
        uint c = 0;
        for (; cols - c >= 16; c += 16) {
            float16 difference = vload16(0, p + c) - vload16(0, t + c);
            lanes += difference * difference;
            if (descends) vstore16(slope * difference, 0, g + c);
        }
        float sums[16], row_sum = 0.0f;
        vstore16(lanes, 0, sums);
        for (uint lane = 0; lane < 16; lane++) row_sum += sums[lane];
        for (; c < cols; c++) {
            float difference = p[c] - t[c];
            row_sum += difference * difference;
            if (descends) g[c] = slope * difference;
        }
        sum += row_sum;
    }
    partials[2 * block] = sum;
    partials[2 * block + 1] = (float)(last - first) * (float)cols;
}

/* gradient = slope · (predictions − targets); slope is 2 / count. gradient may be predictions. Work-item
 * (i, r) takes item_cols columns of row r, as in update.cl. */
kernel void adcl_mse_bwd(global const float *predictions, ulong predictions_offset,
                         ulong predictions_stride, global const float *targets,
                         ulong targets_offset, ulong targets_stride, global float *gradient,
                         ulong gradient_offset, ulong gradient_stride, uint rows, uint cols,
                         float slope, uint item_cols)
{
    uint first = get_global_id(0) * item_cols, r = get_global_id(1);
    if (first >= cols || r >= rows) return;
    uint last = first + min(cols - first, item_cols);
    global const float *p = predictions + adcl_at(predictions_offset, predictions_stride, r, 0);
    global const float *t = targets + adcl_at(targets_offset, targets_stride, r, 0);
    global float *g = gradient + adcl_at(gradient_offset, gradient_stride, r, 0);
    for (uint c = first; c < last; c++) g[c] = slope * (p[c] - t[c]);
}

/* share[0] = 1 / Σ count, and value = Σ loss / Σ count; both 0 when nothing counts. */
kernel void adcl_loss_finish(global const float *partials, global float *share,
                             global float *value, ulong value_offset, uint block_count)
{
    if (get_global_id(0) > 0 || get_global_id(1) > 0) return;
    float losses = 0.0f, count = 0.0f;
    for (uint block = 0; block < block_count; block++) {
        losses += partials[2 * block];
        count += partials[2 * block + 1];
    }
    share[0] = count > 0.0f ? 1.0f / count : 0.0f;
    value[value_offset] = losses * share[0];
}
