/* SPDX-License-Identifier: MIT */
/* pickle_machine.c – the program for {"a": tensor} is, in order of execution,
 *
 *     }                                   an empty dictionary
 *     ( X"a"                              mark; the key
 *       c torch._utils _rebuild_tensor_v2
 *       ( ( X"storage" c torch FloatStorage X"0" X"cpu" K 6 t Q     a storage by its description
 *         K 0  K 2 K 3 \x86  K 3 K 1 \x86                           offset, shape, strides
 *         \x89 c collections OrderedDict ) R                        no gradient, no hooks
 *       t R                               "call" the function: here a description of the tensor
 *     u .                                 put the pairs into the dictionary; stop
 *
 * with q n after each value, which keeps it for a later h n. Every value is a node; instructions
 * push and pop numbers of nodes. A program of n bytes makes at most n nodes and pushes at most n
 * numbers, so memory is bounded by the size of the file, and nothing is walked along deeper than
 * two levels. */
#include "encoder/pickle_machine.h"

#include "base/text.h"
#include "io/describe.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef enum node_kind {
    NODE_NONE,
    NODE_BOOL,
    NODE_INTEGER,
    NODE_STRING,
    NODE_TUPLE,
    NODE_DICTIONARY,
    NODE_GLOBAL, /* a function or class, by its name */
    NODE_STORAGE,
    NODE_TENSOR
} node_kind;

typedef enum global {
    GLOBAL_ORDERED_DICT,
    GLOBAL_REBUILD_TENSOR,
    GLOBAL_STORAGE /* and all behind it: see globals[] */
} global;

/* Children are a run of numbers in machine.children, for a dictionary a list of pairs. */
typedef struct node {
    node_kind kind;
    int64_t integer;         /* of an integer or bool; of a global: its place in globals[] */
    const char *text;        /* of a string, in the program */
    size_t length;           /* of a string; how many children of a tuple */
    size_t first;            /* child of a tuple; first and last pair of a dictionary, SIZE_MAX: */
    size_t last;             /* none */
} node;

typedef struct pair {
    size_t key, value; /* nodes */
    size_t next;       /* pair of the same dictionary, SIZE_MAX: none */
} pair;

typedef struct number_list {
    size_t *items;
    size_t count, capacity;
} number_list;

typedef struct machine {
    const char *path;
    adcl_error *error;
    const unsigned char *next, *end; /* of the program */
    node *nodes;
    size_t node_count, node_capacity;
    pair *pairs;
    size_t pair_count, pair_capacity;
    number_list children, stack, marks, memo;
    bool stopped;
} machine;

/* What may be named. */
static const struct {
    const char *module, *name;
    adcl_dtype dtype; /* of a storage */
} globals[] = {
    [GLOBAL_ORDERED_DICT] = {"collections", "OrderedDict", ADCL_F32},
    [GLOBAL_REBUILD_TENSOR] = {"torch._utils", "_rebuild_tensor_v2", ADCL_F32},
    [GLOBAL_STORAGE] = {"torch", "FloatStorage", ADCL_F32},
    {"torch", "HalfStorage", ADCL_F16},
    {"torch", "BFloat16Storage", ADCL_BF16},
    {"torch", "DoubleStorage", ADCL_F64},
    {"torch", "LongStorage", ADCL_I64},
    {"torch", "IntStorage", ADCL_I32},
    {"torch", "ShortStorage", ADCL_I16},
    {"torch", "CharStorage", ADCL_I8},
    {"torch", "ByteStorage", ADCL_U8},
    {"torch", "BoolStorage", ADCL_BOOL},
};

#define GLOBAL_COUNT (sizeof globals / sizeof globals[0])
#define NO_PAIR SIZE_MAX

/* ---- sentences -------------------------------------------------------------------------------*/

static adcl_status out_of_memory(const machine *m)
{
    return adcl__error_set(m->error, ADCL_ERR_OUT_OF_HOST_MEMORY, 0, "%s: no memory to read it",
                           m->path);
}

static adcl_status damaged(const machine *m, const char *expected)
{
    return adcl__error_set(m->error, ADCL_ERR_FORMAT, 0, "%s: pickle: expected %s", m->path,
                           expected);
}

/* ---- memory ----------------------------------------------------------------------------------*/

/* Room for one item more in an array. */
static bool grow(void **items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity) return true;
    size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *bytes = wanted > SIZE_MAX / item_size ? NULL : realloc(*items, wanted * item_size);
    if (bytes == NULL) return false;
    *items = bytes;
    *capacity = wanted;
    return true;
}

static adcl_status append(const machine *m, number_list *list, size_t number)
{
    void *items = list->items;
    bool enough = grow(&items, list->count, &list->capacity, sizeof *list->items);
    list->items = items;
    if (!enough) return out_of_memory(m);
    list->items[list->count++] = number;
    return ADCL_OK;
}

/* Makes a node and pushes it. */
static adcl_status push_node(machine *m, const node *value)
{
    void *nodes = m->nodes;
    bool enough = grow(&nodes, m->node_count, &m->node_capacity, sizeof *m->nodes);
    m->nodes = nodes;
    if (!enough) return out_of_memory(m);
    m->nodes[m->node_count] = *value;
    return append(m, &m->stack, m->node_count++);
}

static adcl_status push_kind(machine *m, node_kind kind, int64_t integer)
{
    return push_node(m, &(node){.kind = kind, .integer = integer, .first = NO_PAIR,
                                .last = NO_PAIR});
}

/* ---- the stack -------------------------------------------------------------------------------*/

/* How many numbers are above the last mark. */
static size_t stack_height(const machine *m)
{
    return m->stack.count - (m->marks.count > 0 ? m->marks.items[m->marks.count - 1] : 0);
}

static adcl_status pop(machine *m, size_t *number)
{
    if (stack_height(m) == 0) return damaged(m, "a value on the stack, got none");
    *number = m->stack.items[--m->stack.count];
    return ADCL_OK;
}

/* The last value, left where it is. */
static adcl_status peek(const machine *m, size_t *number)
{
    if (stack_height(m) == 0) return damaged(m, "a value on the stack, got none");
    *number = m->stack.items[m->stack.count - 1];
    return ADCL_OK;
}

/* *count = the values above the last mark, which is taken away; they stay in the array behind the
 * stack's end. */
static adcl_status pop_to_mark(machine *m, size_t *count)
{
    if (m->marks.count == 0) return damaged(m, "a mark, got none");
    *count = stack_height(m);
    m->stack.count -= *count;
    m->marks.count--;
    return ADCL_OK;
}

/* ---- the program's bytes ---------------------------------------------------------------------*/

static adcl_status take_bytes(machine *m, size_t count, const unsigned char **bytes)
{
    if ((size_t)(m->end - m->next) < count) return damaged(m, "more bytes: it is truncated");
    *bytes = m->next;
    m->next += count;
    return ADCL_OK;
}

/* An unsigned number of `size` bytes. */
static adcl_status take_number(machine *m, size_t size, uint64_t *out)
{
    const unsigned char *bytes = NULL;
    ADCL_TRY(take_bytes(m, size, &bytes));
    *out = 0;
    for (size_t i = 0; i < size; i++) *out |= (uint64_t)bytes[i] << 8 * i;
    return ADCL_OK;
}

/* Up to a line's end, which is taken too. */
static adcl_status take_line(machine *m, const char **text, size_t *length)
{
    const unsigned char *end = memchr(m->next, '\n', (size_t)(m->end - m->next));
    if (end == NULL) return damaged(m, "a line's end: it is truncated");
    *text = (const char *)m->next;
    *length = (size_t)(end - m->next);
    m->next = end + 1;
    return ADCL_OK;
}

/* ---- values ----------------------------------------------------------------------------------*/

/* Two's complement of `size` bytes. */
static adcl_status push_signed(machine *m, size_t size)
{
    uint64_t bits = 0;
    if (size > sizeof bits)
        return adcl__error_set(m->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: pickle: expected integers of at most 8 bytes, got %zu",
                               m->path, size);
    ADCL_TRY(take_number(m, size, &bits));
    if (size > 0 && size < sizeof bits && (bits >> (8 * size - 1) & 1) != 0)
        bits |= UINT64_MAX << 8 * size;
    int64_t value;
    memcpy(&value, &bits, sizeof value);
    return push_kind(m, NODE_INTEGER, value);
}

static adcl_status push_unsigned(machine *m, size_t size)
{
    uint64_t value = 0;
    ADCL_TRY(take_number(m, size, &value));
    return push_kind(m, NODE_INTEGER, (int64_t)value);
}

static adcl_status push_string(machine *m)
{
    uint64_t length = 0;
    const unsigned char *bytes = NULL;
    ADCL_TRY(take_number(m, 4, &length));
    ADCL_TRY(take_bytes(m, (size_t)length, &bytes));
    const char *text = (const char *)bytes;
    if (!adcl__utf8_valid(text, (size_t)length) || memchr(text, '\0', (size_t)length) != NULL)
        return damaged(m, "strings of UTF-8 without NUL");
    return push_node(m, &(node){.kind = NODE_STRING, .text = text, .length = (size_t)length});
}

static bool equals(const char *text, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(text, wanted, length) == 0;
}

static adcl_status push_global(machine *m)
{
    const char *module = "", *name = "";
    size_t module_length = 0, name_length = 0;
    ADCL_TRY(take_line(m, &module, &module_length));
    ADCL_TRY(take_line(m, &name, &name_length));
    for (size_t i = 0; i < GLOBAL_COUNT; i++)
        if (equals(module, module_length, globals[i].module) &&
            equals(name, name_length, globals[i].name))
            return push_kind(m, NODE_GLOBAL, (int64_t)i);
    adcl__text full = {0};
    adcl__text_append(&full, "%.*s.%.*s", (int)(module_length < 100 ? module_length : 100), module,
                      (int)(name_length < 100 ? name_length : 100), name);
    size_t valid = full.failed ? 0 : adcl__utf8_length(full.bytes, full.length);
    if (!full.failed) full.bytes[valid] = '\0';
    adcl_status status =
        adcl__error_set(m->error, ADCL_ERR_UNSUPPORTED, 0,
                        "%s: pickle: expected a dictionary of tensors, got %s, which is never run",
                        m->path, full.failed ? "…" : adcl__describe_name(full.bytes).text);
    adcl__text_free(&full);
    return status;
}

static adcl_status push_tuple(machine *m, size_t count)
{
    node tuple = {.kind = NODE_TUPLE, .first = m->children.count, .length = count};
    /* The values are still behind the stack's end. */
    for (size_t i = 0; i < count; i++)
        ADCL_TRY(append(m, &m->children, m->stack.items[m->stack.count + i]));
    return push_node(m, &tuple);
}

static adcl_status make_short_tuple(machine *m, size_t count)
{
    if (stack_height(m) < count) return damaged(m, "values on the stack, got too few");
    m->stack.count -= count;
    return push_tuple(m, count);
}

static adcl_status make_tuple(machine *m)
{
    size_t count = 0;
    ADCL_TRY(pop_to_mark(m, &count));
    return push_tuple(m, count);
}

/* ---- dictionaries ----------------------------------------------------------------------------*/

static adcl_status put_pair(machine *m, size_t dictionary, size_t key, size_t value)
{
    void *pairs = m->pairs;
    bool enough = grow(&pairs, m->pair_count, &m->pair_capacity, sizeof *m->pairs);
    m->pairs = pairs;
    if (!enough) return out_of_memory(m);
    m->pairs[m->pair_count] = (pair){key, value, NO_PAIR};
    node *owner = &m->nodes[dictionary];
    if (owner->first == NO_PAIR)
        owner->first = m->pair_count;
    else
        m->pairs[owner->last].next = m->pair_count;
    owner->last = m->pair_count++;
    return ADCL_OK;
}

static adcl_status peek_dictionary(const machine *m, size_t *dictionary)
{
    ADCL_TRY(peek(m, dictionary));
    if (m->nodes[*dictionary].kind == NODE_DICTIONARY) return ADCL_OK;
    return damaged(m, "a dictionary for pairs, got another value");
}

static adcl_status set_item(machine *m)
{
    size_t value = 0, key = 0, dictionary = 0;
    ADCL_TRY(pop(m, &value));
    ADCL_TRY(pop(m, &key));
    ADCL_TRY(peek_dictionary(m, &dictionary));
    return put_pair(m, dictionary, key, value);
}

static adcl_status set_items(machine *m)
{
    size_t count = 0, dictionary = 0;
    ADCL_TRY(pop_to_mark(m, &count));
    ADCL_TRY(peek_dictionary(m, &dictionary));
    if (count % 2 != 0) return damaged(m, "a value for every key");
    const size_t *items = m->stack.items + m->stack.count;
    for (size_t i = 0; i < count; i += 2)
        ADCL_TRY(put_pair(m, dictionary, items[i], items[i + 1]));
    return ADCL_OK;
}

/* A state dictionary has attributes (versions of its modules), which no tensor needs. */
static adcl_status build(machine *m)
{
    size_t state = 0, dictionary = 0;
    ADCL_TRY(pop(m, &state));
    return peek_dictionary(m, &dictionary);
}

/* ---- what functions stand for ----------------------------------------------------------------*/

/* Child `index` of a tuple. */
static const node *child(const machine *m, const node *tuple, size_t index)
{
    return &m->nodes[m->children.items[tuple->first + index]];
}

static bool is_storage_class(const node *value)
{
    return value->kind == NODE_GLOBAL && value->integer >= GLOBAL_STORAGE;
}

/* ("storage", class, name, device, count), checked here and looked into later. */
static adcl_status push_storage(machine *m)
{
    size_t number = 0;
    ADCL_TRY(pop(m, &number));
    node storage = m->nodes[number];
    bool valid = storage.kind == NODE_TUPLE && storage.length == 5;
    if (valid) {
        const node *what = child(m, &storage, 0), *count = child(m, &storage, 4);
        valid = what->kind == NODE_STRING && equals(what->text, what->length, "storage") &&
                is_storage_class(child(m, &storage, 1)) &&
                child(m, &storage, 2)->kind == NODE_STRING && count->kind == NODE_INTEGER &&
                count->integer >= 0;
    }
    if (!valid) return damaged(m, "a storage's kind, name, device and count");
    storage.kind = NODE_STORAGE;
    return push_node(m, &storage);
}

/* A tuple of sizes that are not negative. */
static bool is_sizes(const machine *m, const node *value)
{
    if (value->kind != NODE_TUPLE || value->length > ADCL_SAFETENSORS_MAX_RANK) return false;
    for (size_t i = 0; i < value->length; i++)
        if (child(m, value, i)->kind != NODE_INTEGER || child(m, value, i)->integer < 0)
            return false;
    return true;
}

/* (storage, offset, shape, strides, gradient or not, hooks[, None]) */
static adcl_status push_tensor(machine *m, const node *arguments)
{
    node tensor = *arguments;
    bool valid = tensor.length == 6 || (tensor.length == 7 &&
                                        child(m, &tensor, 6)->kind == NODE_NONE);
    if (valid) {
        const node *offset = child(m, &tensor, 1);
        const node *shape = child(m, &tensor, 2), *strides = child(m, &tensor, 3);
        valid = child(m, &tensor, 0)->kind == NODE_STORAGE && offset->kind == NODE_INTEGER &&
                offset->integer >= 0 && is_sizes(m, shape) && is_sizes(m, strides) &&
                shape->length == strides->length && child(m, &tensor, 4)->kind == NODE_BOOL;
    }
    if (!valid) return damaged(m, "a tensor's storage, offset, shape and strides");
    tensor.kind = NODE_TENSOR;
    return push_node(m, &tensor);
}

static adcl_status reduce(machine *m)
{
    size_t arguments = 0, function = 0;
    ADCL_TRY(pop(m, &arguments));
    ADCL_TRY(pop(m, &function));
    const node *called = &m->nodes[function], *given = &m->nodes[arguments];
    if (called->kind != NODE_GLOBAL || given->kind != NODE_TUPLE)
        return damaged(m, "a function and its arguments, got other values");
    if (called->integer == GLOBAL_REBUILD_TENSOR) return push_tensor(m, given);
    if (called->integer == GLOBAL_ORDERED_DICT && given->length == 0)
        return push_kind(m, NODE_DICTIONARY, 0);
    return adcl__error_set(m->error, ADCL_ERR_UNSUPPORTED, 0,
                           "%s: pickle: expected no call of %s with %zu arguments", m->path,
                           globals[called->integer].name, given->length);
}

/* ---- instructions ----------------------------------------------------------------------------*/

/* PyTorch numbers what it keeps from 0 on. */
static adcl_status put(machine *m, size_t index_size)
{
    uint64_t index = 0;
    size_t number = 0;
    ADCL_TRY(take_number(m, index_size, &index));
    ADCL_TRY(peek(m, &number));
    if (index < m->memo.count) {
        m->memo.items[index] = number;
        return ADCL_OK;
    }
    if (index > m->memo.count) return damaged(m, "values to be kept under numbers without a gap");
    return append(m, &m->memo, number);
}

static adcl_status get(machine *m, size_t index_size)
{
    uint64_t index = 0;
    ADCL_TRY(take_number(m, index_size, &index));
    if (index >= m->memo.count) return damaged(m, "the number of a value that was kept");
    return append(m, &m->stack, m->memo.items[index]);
}

static adcl_status check_protocol(machine *m)
{
    uint64_t version = 0;
    ADCL_TRY(take_number(m, 1, &version));
    if (version == 2) return ADCL_OK;
    return adcl__error_set(m->error, ADCL_ERR_UNSUPPORTED, 0,
                           "%s: pickle: expected protocol 2, as torch.save writes, got %u", m->path,
                           (unsigned)version);
}

static adcl_status push_long(machine *m)
{
    uint64_t size = 0;
    ADCL_TRY(take_number(m, 1, &size));
    return push_signed(m, (size_t)size);
}

/* The names of instructions that are refused; Python's. */
static const char *instruction_name(unsigned char code)
{
    static const struct {
        unsigned char code;
        const char *name;
    } names[] = {
        {'0', "POP"}, {'1', "POP_MARK"}, {'2', "DUP"}, {'F', "FLOAT"}, {'G', "BINFLOAT"},
        {'I', "INT"}, {'L', "LONG"}, {'P', "PERSID"}, {'S', "STRING"}, {'T', "BINSTRING"},
        {'U', "SHORT_BINSTRING"}, {'V', "UNICODE"}, {']', "EMPTY_LIST"}, {'a', "APPEND"},
        {'d', "DICT"}, {'e', "APPENDS"}, {'g', "GET"}, {'i', "INST"}, {'l', "LIST"},
        {'o', "OBJ"}, {'p', "PUT"}, {'B', "BINBYTES"}, {'C', "SHORT_BINBYTES"},
        {0x81, "NEWOBJ"}, {0x82, "EXT1"}, {0x83, "EXT2"}, {0x84, "EXT4"}, {0x8B, "LONG4"},
        {0x8C, "SHORT_BINUNICODE"}, {0x8D, "BINUNICODE8"}, {0x8E, "BINBYTES8"},
        {0x8F, "EMPTY_SET"}, {0x90, "ADDITEMS"}, {0x91, "FROZENSET"}, {0x92, "NEWOBJ_EX"},
        {0x93, "STACK_GLOBAL"}, {0x94, "MEMOIZE"}, {0x95, "FRAME"}, {0x96, "BYTEARRAY8"},
        {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code) return names[i].name;
    return "none of Python's";
}

/* STOP ends the program. */
static adcl_status step(machine *m)
{
    const unsigned char *code = NULL;
    ADCL_TRY(take_bytes(m, 1, &code));
    switch (*code) {
    case 0x80: return check_protocol(m);
    case '(': return append(m, &m->marks, m->stack.count);
    case ')': return push_tuple(m, 0);
    case 't': return make_tuple(m);
    case 0x85: return make_short_tuple(m, 1);
    case 0x86: return make_short_tuple(m, 2);
    case 0x87: return make_short_tuple(m, 3);
    case '}': return push_kind(m, NODE_DICTIONARY, 0);
    case 's': return set_item(m);
    case 'u': return set_items(m);
    case 'b': return build(m);
    case 'N': return push_kind(m, NODE_NONE, 0);
    case 0x88: return push_kind(m, NODE_BOOL, 1);
    case 0x89: return push_kind(m, NODE_BOOL, 0);
    case 'K': return push_unsigned(m, 1);
    case 'M': return push_unsigned(m, 2);
    case 'J': return push_signed(m, 4);
    case 0x8A: return push_long(m);
    case 'X': return push_string(m);
    case 'c': return push_global(m);
    case 'Q': return push_storage(m);
    case 'R': return reduce(m);
    case 'q': return put(m, 1);
    case 'r': return put(m, 4);
    case 'h': return get(m, 1);
    case 'j': return get(m, 4);
    case '.': m->stopped = true; return ADCL_OK;
    default:
        return adcl__error_set(m->error, ADCL_ERR_UNSUPPORTED, 0,
                               "%s: pickle: expected a dictionary of tensors, got the instruction "
                               "0x%02X (%s), which none needs",
                               m->path, (unsigned)*code, instruction_name(*code));
    }
}

/* ---- the result ------------------------------------------------------------------------------*/

static void copy_sizes(const machine *m, const node *tuple, size_t *out)
{
    for (size_t i = 0; i < tuple->length; i++) out[i] = (size_t)child(m, tuple, i)->integer;
}

static adcl_status visit_pair(const machine *m, const pair *item, adcl__pickle_visit visit,
                              void *user)
{
    const node *key = &m->nodes[item->key], *value = &m->nodes[item->value];
    if (key->kind != NODE_STRING || value->kind != NODE_TENSOR)
        return damaged(m, "a dictionary from names to tensors, got another key or value");
    const node *storage = child(m, value, 0), *name = child(m, storage, 2);
    adcl__pickled_tensor tensor = {
        .name = key->text,
        .name_length = key->length,
        .storage = name->text,
        .storage_length = name->length,
        .dtype = globals[child(m, storage, 1)->integer].dtype,
        .storage_count = (size_t)child(m, storage, 4)->integer,
        .offset = (size_t)child(m, value, 1)->integer,
        .rank = child(m, value, 2)->length,
    };
    copy_sizes(m, child(m, value, 2), tensor.shape);
    copy_sizes(m, child(m, value, 3), tensor.strides);
    return visit(user, &tensor);
}

static adcl_status run(machine *m, adcl__pickle_visit visit, void *user)
{
    size_t result = 0;
    while (!m->stopped) ADCL_TRY(step(m));
    ADCL_TRY(pop(m, &result));
    if (m->next != m->end || m->stack.count > 0 || m->marks.count > 0)
        return damaged(m, "one value and nothing behind it");
    if (m->nodes[result].kind != NODE_DICTIONARY)
        return damaged(m, "a dictionary of tensors, got another value");
    for (size_t i = m->nodes[result].first; i != NO_PAIR; i = m->pairs[i].next)
        ADCL_TRY(visit_pair(m, &m->pairs[i], visit, user));
    return ADCL_OK;
}

adcl_status adcl__pickle_run(const char *path, const unsigned char *bytes, size_t size,
                             adcl__pickle_visit visit, void *user, adcl_error *error)
{
    machine m = {.path = path, .error = error, .next = bytes, .end = bytes + size};
    adcl_status status = run(&m, visit, user);
    free(m.nodes);
    free(m.pairs);
    free(m.children.items);
    free(m.stack.items);
    free(m.marks.items);
    free(m.memo.items);
    return status;
}
