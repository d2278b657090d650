/* SPDX-License-Identifier: MIT */
#include "cli/session.h"

#include "cli/command.h"
#include "cli/screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sentences -------------------------------------------------------------------------------*/

static void say(const char *prefix, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    screen_say(prefix, format, arguments);
    va_end(arguments);
}

/* "adapter-cl train: "; a session without a command is that of adapter-cl itself. */
static void say_for_command(const session *s, const char *format, va_list arguments)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "adapter-cl%s%s: ", s->command[0] != '\0' ? " " : "",
             s->command);
    screen_say(prefix, format, arguments);
}

int session_fail(const session *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_for_command(s, format, arguments);
    va_end(arguments);
    return FAILED;
}

int session_misused(const session *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_for_command(s, format, arguments);
    va_end(arguments);
    say("", "Try 'adapter-cl%s%s --help'.", s->command[0] != '\0' ? " " : "", s->command);
    return WRONG_USAGE;
}

void session_note(const session *s, const char *format, ...)
{
    if (s->common.quiet) return;
    va_list arguments;
    va_start(arguments, format);
    screen_say("", format, arguments);
    va_end(arguments);
}

int session_check(const session *s, adcl_status status)
{
    return status == ADCL_OK ? DONE : session_fail(s, "%s", s->error.message);
}

int session_check_context(const session *s, adcl_status status)
{
    return status == ADCL_OK ? DONE : session_fail(s, "%s", adcl_context_error(s->ctx)->message);
}

int session_allocate(const session *s, void **out, size_t rows, size_t cols, size_t element_size)
{
    /* calloc checks the second product; some give NULL for nothing at all. */
    bool fits = cols == 0 || rows <= SIZE_MAX / cols;
    size_t count = rows * cols;
    *out = fits ? calloc(count > 0 ? count : 1, element_size) : NULL;
    if (*out == NULL)
        return session_fail(s, "no memory for %zu times %zu elements of %zu bytes", rows, cols,
                            element_size);
    return DONE;
}

/* ---- the device ------------------------------------------------------------------------------*/

static void show_log(void *user, adcl_log_level level, const char *message)
{
    (void)user;
    static const char *const prefixes[] = {
        [ADCL_LOG_ERROR] = "error: ",
        [ADCL_LOG_WARNING] = "warning: ",
        [ADCL_LOG_INFO] = "",
        [ADCL_LOG_DEBUG] = "debug: ",
    };
    say(prefixes[level], "%s", message);
}

static adcl_log_level log_level(const common_options *common, talk_level talk)
{
    if (common->verbose > 1) return ADCL_LOG_DEBUG;
    if (common->verbose > 0) return ADCL_LOG_INFO;
    if (common->quiet) return ADCL_LOG_ERROR;
    return talk == TALK_ALWAYS || screen_is_terminal() ? ADCL_LOG_INFO : ADCL_LOG_WARNING;
}

/* Without a place for it (no HOME) there is no cache, which is no failure unless one was asked
 * for. */
static int open_cache(session *s)
{
    const char *folder = s->common.cache;
    if (folder != NULL && strcmp(folder, "off") == 0) return DONE;
    adcl_status status = adcl_cache_open(&s->cache, folder, &s->error);
    return status == ADCL_ERR_NOT_FOUND ? DONE : session_check(s, status);
}

int session_open(session *s, talk_level talk)
{
    int status = open_cache(s);
    if (status != DONE) return status;
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.device = s->common.device;
    params.engine = s->common.engine;
    params.tuning = s->common.tuning;
    params.cache = adcl_cache_callbacks_of(s->cache);
    params.log = show_log;
    params.log_level = log_level(&s->common, talk);
    return session_check(s, adcl_context_create(&s->ctx, &params, &s->error));
}

void session_close(session *s)
{
    adcl_context_destroy(&s->ctx);
    adcl_cache_close(&s->cache);
}
