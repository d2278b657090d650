/* SPDX-License-Identifier: MIT */
#include "cli/set_options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- layers ----------------------------------------------------------------------------------*/

static int add_layers(const session *s, set_options *o, size_t *count, unsigned long first,
                      unsigned long last)
{
    for (unsigned long layer = first; layer <= last; layer++) {
        if (*count == SET_LAYERS_MOST)
            return session_misused(s, "option --leave-out: expected at most %d layers",
                                   SET_LAYERS_MOST);
        o->layers[(*count)++] = layer;
    }
    return DONE;
}

/* "0-3,5" → 0, 1, 2, 3, 5. */
static int read_layers(const session *s, set_options *o, size_t *count)
{
    const char *rest = o->leave_out;
    *count = 0;
    for (;;) {
        char *end;
        unsigned long first = strtoul(rest, &end, 10);
        unsigned long last = first;
        bool valid = isdigit((unsigned char)*rest);
        if (valid && *end == '-') {
            rest = end + 1;
            valid = isdigit((unsigned char)*rest);
            last = strtoul(rest, &end, 10);
        }
        if (!valid || last < first || last >= SET_LAYERS_MOST || (*end != ',' && *end != '\0'))
            return session_misused(s, "option --leave-out: expected layers such as 0-3,5, got "
                                      "\"%s\"",
                                   o->leave_out);
        TRY(add_layers(s, o, count, first, last));
        if (*end == '\0') return DONE;
        rest = end + 1;
    }
}

/* ---- the set ---------------------------------------------------------------------------------*/

static int read_scaling(const session *s, const char *text, adcl_adapter_set_params *p)
{
    char *end;
    if (strcmp(text, "learned") == 0) {
        p->scaling_kind = ADCL_SCALING_LEARNED;
        return DONE;
    }
    if (strcmp(text, "channel") == 0) {
        p->scaling_kind = ADCL_SCALING_CHANNEL;
        return DONE;
    }
    p->scaling_kind = ADCL_SCALING_CONSTANT;
    p->scaling = strtof(text, &end);
    if (end == text || *end != '\0')
        return session_misused(s, "option --scaling: expected a number, learned or channel, got "
                                  "\"%s\"",
                               text);
    if (p->scaling == 0.0f) /* to the library 0 means the default */
        return session_fail(s, "option --scaling: expected a number other than 0, got %s", text);
    return DONE;
}

static int read_pooling(const session *s, const char *text, adcl_pooling *out)
{
    *out = text != NULL && strcmp(text, "mean") == 0 ? ADCL_POOLING_MEAN : ADCL_POOLING_CLS;
    if (text == NULL || strcmp(text, "mean") == 0 || strcmp(text, "cls") == 0) return DONE;
    return session_misused(s, "option --pooling: expected cls or mean, got \"%s\"", text);
}

static int check_head(const session *s, const set_options *o)
{
    if (o->head_layers <= 2) return DONE;
    return session_fail(s, "option --head-layers: expected 1 or 2, got %zu", o->head_layers);
}

int set_options_read(session *s, set_options *o, adcl_adapter_set_params *p)
{
    TRY_HOST(s, adcl_adapter_set_preset(o->config, p, &s->error));
    if (o->name != NULL) p->name = o->name;
    if (o->reduction_factor > 0.0) p->reduction_factor = (float)o->reduction_factor;
    if (o->leave_out != NULL) {
        TRY(read_layers(s, o, &p->leave_out_count));
        p->leave_out = o->layers;
    }
    if (o->activation != NULL)
        TRY_HOST(s, adcl_activation_from_name(o->activation, &p->activation, &s->error));
    if (o->scaling != NULL) TRY(read_scaling(s, o->scaling, p));
    if (o->init != NULL) TRY_HOST(s, adcl_init_from_name(o->init, &p->init, &s->error));
    if (o->dropout >= 0.0) p->dropout = (float)o->dropout;
    TRY(read_pooling(s, o->pooling, &p->pooling));
    TRY(check_head(s, o));
    p->head_layers = o->head_layers;
    p->head_dropout = (float)o->head_dropout;
    p->train_layer_norms = o->train_layer_norms;
    return DONE;
}
