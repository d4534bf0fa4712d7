/* signal.c: signals are read like bytes, in the loop's own time. SPDX-License-Identifier: Apache-2.0 */
#include "os/signal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
    int number;
    const char *name;
} signals_handled[] = {
    {SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"},
};

struct signals {
    struct loop *loop;
    struct watch watch;
};

static int open_signalfd(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < COUNT_OF(signals_handled); i++)
        sigaddset(&set, signals_handled[i].number);
    errno = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (errno != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

struct signals *signals_new(struct loop *loop, struct task *task, struct error *err)
{
    struct signals *signals = calloc(1, sizeof(*signals));

    if (!signals) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for signals");
        return NULL;
    }
    signals->loop = loop;
    signals->watch = (struct watch){.fd = open_signalfd(), .task = task};
    if (signals->watch.fd == -1) {
        error_set_system(err, errno, "signals");
        goto fail;
    }
    if (loop_watch(loop, &signals->watch, err))
        return signals;
    close(signals->watch.fd);
fail:
    free(signals);
    return NULL;
}

int signals_next(struct signals *signals)
{
    struct signalfd_siginfo info;

    if (read(signals->watch.fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        return (int)info.ssi_signo;
    signals->watch.ready = 0;
    return 0;
}

void signals_free(struct signals *signals)
{
    if (!signals)
        return;
    loop_unwatch(signals->loop, &signals->watch);
    close(signals->watch.fd);
    free(signals);
}

const char *signal_name(int number)
{
    for (size_t i = 0; i < COUNT_OF(signals_handled); i++)
        if (signals_handled[i].number == number)
            return signals_handled[i].name;
    return "signal";
}
