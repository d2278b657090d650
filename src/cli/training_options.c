/* SPDX-License-Identifier: MIT */
#include "cli/training_options.h"

#include "cli/options.h"

int training_options_read(session *s, training_options *o)
{
    TRY(options_require(s, o->folder_path != NULL, "-o"));
    if (o->resume && o->force)
        return session_misused(s, "--resume and --force contradict each other");
    TRY_HOST(s, adcl_schedule_kind_from_name(o->schedule_name, &o->schedule, &s->error));
    o->optimizer = (adcl_optimizer_params)ADCL_OPTIMIZER_PARAMS_INIT;
    adcl_optimizer_params *p = &o->optimizer;
    TRY_HOST(s, adcl_optimizer_kind_from_name(o->optimizer_name, &p->kind, &s->error));
    p->momentum = (float)o->momentum;
    p->beta1 = (float)o->beta1;
    p->beta2 = (float)o->beta2;
    p->epsilon = (float)o->epsilon;
    p->weight_decay = (float)o->weight_decay;
    p->clip_norm = (float)o->clip;
    p->no_bias_correction = o->no_bias_correction;
    p->record_norm = 1; /* for the log */
    return DONE;
}
