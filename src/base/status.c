/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *adcl_status_string(adcl_status status)
{
    switch (status) {
    case ADCL_OK: return "success";
#define STATUS_TEXT(name, value, text) case ADCL_ERR_##name: return text;
        ADCL_ERROR_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *adcl_status_name(adcl_status status)
{
    switch (status) {
    case ADCL_OK: return "OK";
#define STATUS_NAME(name, value, text) case ADCL_ERR_##name: return #name;
        ADCL_ERROR_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "unknown status";
}

/* Cuts the unfinished UTF-8 sequence that a full buffer may end in. */
static void trim_to_character(char *text)
{
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t expected = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length - (start - 1) < expected) text[start - 1] = '\0';
}

adcl_status adcl__error_set(adcl_error *error, adcl_status status, int native_code,
                            const char *format, ...)
{
    if (error == NULL) return status;
    /* The arguments may point into error->message itself (a sentence put around another). */
    char message[ADCL_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length < 0) message[0] = '\0';
    if (length >= (int)sizeof message) trim_to_character(message);
    error->status = status;
    error->native_code = native_code;
    memcpy(error->message, message, sizeof message);
    return status;
}

void adcl__error_clear(adcl_error *error)
{
    if (error == NULL) return;
    error->status = ADCL_OK;
    error->native_code = 0;
    error->message[0] = '\0';
}
