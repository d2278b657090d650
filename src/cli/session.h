/* SPDX-License-Identifier: MIT */
/* session.h – one run of one command: its common options, its context, its sentences. */
#ifndef ADCL_CLI_SESSION_H
#define ADCL_CLI_SESSION_H

#include <adapter_cl/adapter_cl.h>

#include <stdbool.h>

/* The options that every command has. */
typedef struct common_options {
    const char *device; /* NULL: the library's choice, see context.h */
    adcl_engine engine; /* AUTO: the library's choice */
    const char *cache;  /* NULL: the library's choice, "off": none */
    adcl_tuning tuning;
    uint64_t seed;
    int quiet;
    int verbose; /* how often -v was given */
} common_options;

typedef struct session {
    const char *command; /* the name of the command, for sentences */
    common_options common;
    adcl_cache *cache; /* NULL before session_open, and where there is none */
    adcl_context *ctx; /* NULL before session_open */
    adcl_error error;  /* for calls that say why they failed in an adcl_error */
} session;

/* How much of the library's log a command shows when neither -q nor -v is given. */
typedef enum talk_level {
    TALK_WARNINGS, /* on a terminal, where a person waits, also what takes long */
    TALK_ALWAYS    /* what takes long is said even where no terminal is */
} talk_level;

/* Opens the device of the common options. */
int session_open(session *s, talk_level talk);
void session_close(session *s);

/* Says "adapter-cl <command>: <sentence>" on standard error and returns FAILED. */
int session_fail(const session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for a command line that is not understood; adds where help is. Returns WRONG_USAGE. */
int session_misused(const session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says something on standard error unless -q was given. */
void session_note(const session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Turn the status of a library call into DONE or, with the sentence that the call left in s->error
 * or in the context, into FAILED. */
int session_check(const session *s, adcl_status status);
int session_check_context(const session *s, adcl_status status);

/* Zeroed memory of rows · cols elements, never NULL when the result is DONE; the caller frees
 * *out. */
int session_allocate(const session *s, void **out, size_t rows, size_t cols, size_t element_size);

#endif
