/* SPDX-License-Identifier: MIT */
#include "runtime/stored.h"

#include <stdio.h>
#include <string.h>

#define KEY_SIZE 512

/* "engine/<device>/<driver>/768x64": what was measured holds for one device under one driver. */
static void make_key(const adcl_context *ctx, const char *kind, const char *shape,
                     char key[KEY_SIZE])
{
    const adcl_device_info *device = &ctx->family->info;
    snprintf(key, KEY_SIZE, "%s/%.200s/%.200s%s%s", kind, device->name, device->driver,
             shape == NULL ? "" : "/", shape == NULL ? "" : shape);
}

bool adcl__stored_read(adcl_context *ctx, const char *kind, const char *shape,
                       char text[ADCL__STORED_SIZE])
{
    if (ctx->cache.get == NULL) return false;
    char key[KEY_SIZE];
    size_t size = 0;
    make_key(ctx, kind, shape, key);
    adcl_status status =
        ctx->cache.get(ctx->cache.user, key, text, ADCL__STORED_SIZE - 1, &size);
    if (status == ADCL_OK && size < ADCL__STORED_SIZE) {
        text[size] = '\0';
        return true;
    }
    if (status != ADCL_ERR_NOT_FOUND)
        adcl__log(ctx, ADCL_LOG_WARNING, "what the cache holds for %s is ignored: %s", key,
                  status == ADCL_OK ? "it is too long" : adcl_status_string(status));
    return false;
}

adcl_status adcl__stored_write(adcl_context *ctx, const char *kind, const char *shape,
                               const char *text)
{
    if (ctx->cache.put == NULL) return ADCL_OK;
    char key[KEY_SIZE];
    make_key(ctx, kind, shape, key);
    adcl_status status = ctx->cache.put(ctx->cache.user, key, text, strlen(text));
    if (status == ADCL_OK) return ADCL_OK;
    return adcl__fail(ctx, ADCL_ERR_CALLBACK, (int)status, "the cache did not take %s: %s", key,
                      adcl_status_string(status));
}
