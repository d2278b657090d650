/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* sysconf's _SC_PHYS_PAGES */
#include "cli/frozen_states.h"

#include "cli/interrupt.h"
#include "cli/outputs.h"
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- computing -------------------------------------------------------------------------------*/

typedef struct computation {
    session *s;
    const text_model *model;
    const token_list *list;
    adcl_encoder_workspace *workspace;
    packed_pass pass;
    size_t max_tokens;
} computation;

static void free_computation(computation *c)
{
    adcl_encoder_workspace_destroy(&c->workspace);
    packed_pass_free(&c->pass);
}

static int prepare(computation *c, size_t max_tokens)
{
    session *s = c->s;
    c->max_tokens = max_tokens > c->list->longest ? max_tokens : c->list->longest;
    adcl_encoder_workspace_params params = ADCL_ENCODER_WORKSPACE_PARAMS_INIT;
    params.max_tokens = c->max_tokens;
    params.keep_hidden = 1;
    TRY(packed_pass_create(s, &c->pass, c->max_tokens, c->max_tokens));
    TRY_DEVICE(
        s, adcl_encoder_workspace_create(&c->workspace, s->ctx, c->model->encoder, NULL, &params));
    return DONE;
}

static int compute_pass(computation *c, const frozen_states *out, size_t first, size_t last)
{
    session *s = c->s;
    adcl_encoder_batch batch;
    adcl_tensor *place = NULL;
    size_t tokens = packed_pass_fill(&c->pass, c->list, NULL, first, last, &batch);
    TRY_DEVICE(s,
               adcl_encoder_forward(s->ctx, c->model->encoder, NULL, c->workspace, &batch, NULL));
    TRY_DEVICE(s,
               adcl_tensor_view_rows(&place, s->ctx, out->states, c->list->starts[first], tokens));
    int status = session_check_context(
        s, adcl_tensor_copy(s->ctx, adcl_encoder_hidden(c->workspace, out->first_layer), place));
    adcl_tensor_destroy(&place);
    if (status == DONE) status = session_check_context(s, adcl_context_finish(s->ctx));
    return status;
}

static int compute_passes(computation *c, const frozen_states *out, const char *what)
{
    char words[64];
    progress shown;
    size_t end;
    snprintf(words, sizeof words, "frozen layers, %.40s", what);
    progress_start(&shown, c->s, 0, token_list_total(c->list));
    for (size_t first = 0; first < c->list->count; first = end) {
        end = pass_end(c->list, NULL, first, c->list->count, c->max_tokens);
        TRY(compute_pass(c, out, first, end));
        progress_show(&shown, c->list->starts[end], words, "");
        if (interrupt_came()) {
            session_fail(c->s, "interrupted while the frozen layers were computed");
            return INTERRUPTED;
        }
    }
    return DONE;
}

static int compute(session *s, const frozen_states *out, const text_model *m,
                   const token_list *list, const frozen_request *request)
{
    computation c = {.s = s, .model = m, .list = list};
    int status = prepare(&c, request->max_tokens);
    if (status == DONE) status = compute_passes(&c, out, request->what);
    free_computation(&c);
    return status;
}

/* ---- in a file -------------------------------------------------------------------------------*/

#define PAGE 4096
#define MAGIC "adapter_cl frozen states 1\n"

/* What the states belong to: other states of the same size must not be taken for them. */
static void write_page(const frozen_states *f, const text_model *m, const token_list *list,
                       const frozen_request *request, char page[PAGE])
{
    memset(page, '\n', PAGE);
    int length =
        snprintf(page, PAGE, MAGIC "tokens %zu\nhidden_size %zu\nlayer %zu\ndigest %016llx",
                 token_list_total(list), adcl_encoder_hidden_size(m->encoder), f->first_layer,
                 (unsigned long long)request->digest);
    page[length] = '\n';
}

static int fail_file(const session *s, const char *path)
{
    return session_fail(s, "option --cache-frozen: %s: %s", path, strerror(errno));
}

/* Maps a file of that size, new where `flags` say so. */
static int map_file(const session *s, frozen_states *f, const char *path, int flags, size_t bytes)
{
    int file = open(path, O_RDWR | O_CLOEXEC | flags, 0666);
    if (file < 0) return fail_file(s, path);
    int status = DONE;
    if ((flags & O_CREAT) != 0 && ftruncate(file, (off_t)bytes) != 0) status = fail_file(s, path);
    void *memory = MAP_FAILED;
    if (status == DONE) {
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (memory == MAP_FAILED) status = fail_file(s, path);
    }
    close(file);
    if (status != DONE) return status;
    f->mapping = memory;
    f->mapped_bytes = bytes;
    return DONE;
}

static int wrap_mapping(session *s, frozen_states *f, const text_model *m, const token_list *list)
{
    TRY_DEVICE(s, adcl_tensor_wrap_host(&f->states, s->ctx, ADCL_F32, token_list_total(list),
                                        adcl_encoder_hidden_size(m->encoder),
                                        (char *)f->mapping + PAGE));
    return DONE;
}

/* *usable = the file is there and holds these states. Another one of ours may be written over, what
 * somebody else has written may not. */
static int look_at_file(const session *s, const char *path, const char page[PAGE], size_t bytes,
                        bool *usable)
{
    char found[PAGE];
    struct stat status;
    *usable = false;
    FILE *file = fopen(path, "rb");
    if (file == NULL) return errno == ENOENT ? output_check(s, path) : fail_file(s, path);
    size_t size = fread(found, 1, PAGE, file);
    bool known = fstat(fileno(file), &status) == 0;
    fclose(file);
    if (!known || size < PAGE || memcmp(found, MAGIC, strlen(MAGIC)) != 0)
        return session_fail(s,
                            "option --cache-frozen: %s: expected frozen states that were kept "
                            "before, or no file, got something else",
                            path);
    *usable = memcmp(found, page, PAGE) == 0 && (size_t)status.st_size == bytes;
    return DONE;
}

/* Makes what the device wrote reach the file. */
static int complete_file(session *s, frozen_states *f, const char page[PAGE], const char *from,
                         const char *to)
{
    void *data;
    TRY_DEVICE(s, adcl_tensor_map(s->ctx, f->states, ADCL_MAP_READ, &data));
    TRY_DEVICE(s, adcl_tensor_unmap(s->ctx, f->states));
    TRY_DEVICE(s, adcl_context_finish(s->ctx));
    memcpy(f->mapping, page, PAGE);
    if (msync(f->mapping, f->mapped_bytes, MS_SYNC) != 0) return fail_file(s, from);
    return output_rename(s, from, to);
}

static int fill_file(session *s, frozen_states *f, const text_model *m, const token_list *list,
                     const frozen_request *request, const char page[PAGE], size_t bytes)
{
    char *pending;
    TRY(output_pending_name(s, &pending, request->place));
    int status = map_file(s, f, pending, O_CREAT | O_EXCL, bytes);
    if (status == DONE) status = wrap_mapping(s, f, m, list);
    if (status == DONE) status = compute(s, f, m, list, request);
    if (status == DONE) status = complete_file(s, f, page, pending, request->place);
    if (status != DONE) unlink(pending);
    free(pending);
    return status;
}

static int keep_in_file(session *s, frozen_states *f, const text_model *m, const token_list *list,
                        const frozen_request *request, size_t bytes)
{
    char page[PAGE];
    bool usable;
    write_page(f, m, list, request, page);
    TRY(look_at_file(s, request->place, page, bytes + PAGE, &usable));
    if (!usable) return fill_file(s, f, m, list, request, page, bytes + PAGE);
    TRY(map_file(s, f, request->place, 0, bytes + PAGE));
    return wrap_mapping(s, f, m, list);
}

/* ---- in memory -------------------------------------------------------------------------------*/

static size_t physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : 0;
}

/* A quarter of the memory is what nobody needs to be asked for. */
static bool is_worth_it(const text_model *m, const frozen_request *request, size_t bytes)
{
    return request->epochs > 1 && bytes <= physical_memory() / 4 &&
           adcl_encoder_engine(m->encoder) != ADCL_ENGINE_REFERENCE;
}

static int keep_in_memory(session *s, frozen_states *f, const text_model *m, const token_list *list,
                          const frozen_request *request, bool automatic)
{
    adcl_status status = adcl_tensor_create(&f->states, s->ctx, ADCL_F32, token_list_total(list),
                                            adcl_encoder_hidden_size(m->encoder));
    if (status == ADCL_ERR_OUT_OF_DEVICE_MEMORY && automatic) return DONE; /* then without */
    TRY_DEVICE(s, status);
    return compute(s, f, m, list, request);
}

/* ---- the choice ------------------------------------------------------------------------------*/

int frozen_states_make(session *s, frozen_states *out, const text_model *m, const token_list *list,
                       const frozen_request *request)
{
    *out = (frozen_states){.first_layer = adcl_adapter_set_lowest_layer(m->set)};
    bool automatic = strcmp(request->place, "auto") == 0;
    size_t row = adcl_encoder_hidden_size(m->encoder) * sizeof(float);
    size_t tokens = token_list_total(list);
    if (strcmp(request->place, "off") == 0 || (automatic && out->first_layer == 0)) return DONE;
    if (out->first_layer == 0) {
        session_note(s, "warning: --cache-frozen: the lowest layer is trained, so there is nothing "
                        "to keep");
        return DONE;
    }
    if (tokens > (SIZE_MAX - PAGE) / row)
        return session_fail(s, "option --cache-frozen: %zu tokens are too many to keep", tokens);
    if (automatic && !is_worth_it(m, request, tokens * row)) return DONE;
    if (adcl_encoder_engine(m->encoder) == ADCL_ENGINE_REFERENCE)
        return session_fail(s, "option --cache-frozen: the engine reference keeps nothing");
    if (automatic || strcmp(request->place, "memory") == 0)
        return keep_in_memory(s, out, m, list, request, automatic);
    return keep_in_file(s, out, m, list, request, tokens * row);
}

void frozen_states_free(frozen_states *f)
{
    adcl_tensor_destroy(&f->states);
    if (f->mapping != NULL) munmap(f->mapping, f->mapped_bytes);
    *f = (frozen_states){0};
}
