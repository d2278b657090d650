/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/interrupt.h"

#include "cli/command.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_bool held;
static atomic_bool came;

/* Waits for SIGINT, which is blocked everywhere else. A signal handler would not do: compilers in
 * OpenCL drivers (LLVM) set their own, which removes the files that they are writing, so that a
 * kernel that is being compiled would fail to build. */
static void *wait_for_interrupts(void *signals)
{
    int number;
    while (sigwait(signals, &number) == 0) {
        if (!held || came) _exit(INTERRUPTED);
        came = true;
        static const char notice[] =
            "\nstopping when nothing is left half done; interrupt again to stop at once\n";
        if (write(STDERR_FILENO, notice, sizeof notice - 1) < 0) continue;
    }
    return NULL;
}

void interrupt_install(void)
{
    static sigset_t signals;
    pthread_t thread;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    /* Threads made later, those of drivers too, take over the mask. */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (pthread_create(&thread, NULL, wait_for_interrupts, &signals) == 0)
        pthread_detach(thread);
    else
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

void interrupt_hold(void)
{
    held = true;
}

bool interrupt_came(void)
{
    return came;
}
