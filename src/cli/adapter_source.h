/* SPDX-License-Identifier: MIT */
/* adapter_source.h – an adapter from a file, as the command line chooses it. */
#ifndef ADCL_CLI_ADAPTER_SOURCE_H
#define ADCL_CLI_ADAPTER_SOURCE_H

#include "cli/command.h"

/* Makes the adapter called params->name (NULL: the only one) of the file at `path`. `activation`
 * (NULL: not given) is for a file that does not name it, and must not contradict one that does; nor
 * may the sizes in params. The caller destroys *file and *adapter in any case. */
int adapter_source_load(session *s, adcl_adapter_file **file, adcl_adapter **adapter,
                        const char *path, const char *activation,
                        const adcl_adapter_params *params);

#endif
