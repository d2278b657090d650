/* SPDX-License-Identifier: MIT */
/* interrupt.h – SIGINT. At first it ends the program at once with status 130. A training, or a save
 * that should not leave half a file behind, holds it off and looks whether it came. */
#ifndef ADCL_CLI_INTERRUPT_H
#define ADCL_CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void);
/* From now on the first SIGINT is only remembered; a second one still ends the program. */
void interrupt_hold(void);
bool interrupt_came(void);

#endif
