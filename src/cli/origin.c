/* origin.c: `holdfast origin`: a scriptable origin to test and load gateways with.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/origin_thread.h"
#include "os/process.h"
#include "os/signal.h"

struct origin_values {
    const char *listen, *close_idle_after, *delay, *jitter, *reset_rate;
    int64_t close_after_requests, threads;
    bool keep_alive_header, stray_bytes;
};

enum { THREADS_MAX = 64 };

struct origin_run {
    struct loop *loop;
    struct signals *signals;
    struct task task;
};

static void run_signals(struct task *task)
{
    struct origin_run *run = container_of(task, struct origin_run, task);

    for (int number; (number = signals_next(run->signals)) != 0;)
        if (str_eq(str_from(signal_name(number)), STR("SIGINT")) ||
            str_eq(str_from(signal_name(number)), STR("SIGTERM")))
            loop_stop(run->loop);
}

static bool read_duration(const char *flag, const char *text, uint64_t *out_ns)
{
    int64_t duration_ns = 0;

    if (text && (!text_to_duration(str_from(text), &duration_ns) || duration_ns < 0)) {
        print(2, "ERROR --%s: \"%s\" is not a duration (as in 300ms, 5s)\n", flag, text);
        return false;
    }
    *out_ns = (uint64_t)duration_ns;
    return true;
}

static bool read_rate(const char *text, uint32_t *per_million)
{
    double rate = 0;

    if (text && (!text_to_double(str_from(text), &rate) || rate < 0 || rate > 1)) {
        print(2, "ERROR --reset-rate: \"%s\" is not a number from 0 to 1\n", text);
        return false;
    }
    *per_million = (uint32_t)(rate * 1000000.0);
    return true;
}

static bool check_range(const char *flag, int64_t number, int64_t max)
{
    if (number >= 0 && number <= max)
        return true;
    print(2, "ERROR --%s: %lld is not from 0 to %lld\n", flag, (long long)number, (long long)max);
    return false;
}

static bool read_addr(const char *text, struct addr *addr)
{
    struct error err;

    if (addr_parse(str_from(text), addr, &err))
        return true;
    print(2, "ERROR --listen: %s\n", err.text);
    return false;
}

static bool read_options(const struct origin_values *values, struct origin_options *options, struct addr *addr)
{
    if (!check_range("threads", values->threads, THREADS_MAX) ||
        !check_range("close-after-requests", values->close_after_requests, UINT32_MAX))
        return false;
    *options = (struct origin_options){
        .close_after_requests = (uint32_t)values->close_after_requests,
        .keep_alive_header = values->keep_alive_header,
        .stray_bytes = values->stray_bytes,
        .shared = values->threads > 1,
    };
    return read_addr(values->listen ? values->listen : "127.0.0.1:9001", addr) &&
           read_duration("close-idle-after", values->close_idle_after, &options->close_idle_after_ns) &&
           read_duration("delay", values->delay, &options->delay_ns) &&
           read_duration("jitter", values->jitter, &options->jitter_ns) &&
           read_rate(values->reset_rate, &options->reset_per_million);
}

static void print_ready(const struct addr *addr, int threads)
{
    char out[ADDR_TEXT_BYTES];
    struct str text = addr_format(addr, out);

    print(2, "ready: %s%.*s (http/1.1), %d thread%s\n", addr->family == ADDR_UNIX ? "" : "http://", STR_ARG(text),
          threads, threads == 1 ? "" : "s");
}

/* Starts the threads, says so, waits for a signal. */
static int serve(struct origin_run *run, const struct origin_values *values)
{
    struct origin_thread *threads[THREADS_MAX] = {0};
    struct origin_options options;
    struct addr addr;
    struct error err = {0};
    int count = values->threads > 0 ? (int)values->threads : 1;
    int code = EXIT_OK;

    if (!read_options(values, &options, &addr))
        return EXIT_ERROR;
    for (int i = 0; i < count && code == EXIT_OK; i++) {
        threads[i] = origin_thread_start(&addr, &options, &err);
        code = threads[i] ? EXIT_OK : EXIT_ERROR;
    }
    if (code == EXIT_OK) {
        print_ready(&addr, count);
        loop_run(run->loop);
    } else {
        print(2, "ERROR starting the origin: %s\n", err.text);
    }
    for (int i = 0; i < count; i++)
        origin_thread_stop(threads[i]);
    return code;
}

static int run(int argc, char **argv)
{
    struct origin_values values = {0};
    struct origin_run run = {.task = {.run = run_signals}};
    struct error err = {0};
    struct world *world;
    int words, code = EXIT_ERROR;
    bool help;

    if (!flags_parse(&origin_command, argc, argv, &values, &words, &help))
        return EXIT_USAGE;
    if (help)
        return EXIT_OK;
    process_raise_file_limit();
    world = linux_world_new(&err);
    run.loop = world ? loop_new(world) : NULL;
    run.signals = run.loop ? signals_new(run.loop, &run.task, &err) : NULL;
    if (run.signals)
        code = serve(&run, &values);
    else
        print(2, "ERROR starting the origin: %s\n", err.text);
    signals_free(run.signals);
    if (run.loop)
        task_forget(run.loop, &run.task);
    loop_free(run.loop);
    linux_world_free(world);
    return code;
}

static const struct flag origin_flags[] = {
    {"listen", 'l', FLAG_STRING, offsetof(struct origin_values, listen), "ADDR",
     "IP:PORT or unix:PATH (127.0.0.1:9001)"},
    {"threads", 't', FLAG_NUMBER, offsetof(struct origin_values, threads), "N", "threads that serve (1)"},
    {"delay", 0, FLAG_STRING, offsetof(struct origin_values, delay), "TIME", "waits before each answer"},
    {"jitter", 0, FLAG_STRING, offsetof(struct origin_values, jitter), "TIME", "and up to this more, at random"},
    {"close-idle-after", 0, FLAG_STRING, offsetof(struct origin_values, close_idle_after), "TIME",
     "closes connections that are idle for so long"},
    {"close-after-requests", 0, FLAG_NUMBER, offsetof(struct origin_values, close_after_requests), "N",
     "closes after so many requests, announced"},
    {"keep-alive-header", 0, FLAG_BOOL, offsetof(struct origin_values, keep_alive_header), NULL,
     "announces the two above: Keep-Alive: timeout=, max="},
    {"reset-rate", 0, FLAG_STRING, offsetof(struct origin_values, reset_rate), "RATE",
     "share of requests that get no answer but an end, 0 to 1"},
    {"stray-bytes", 0, FLAG_BOOL, offsetof(struct origin_values, stray_bytes), NULL,
     "sends bytes nobody asked for behind answers"},
};

const struct command origin_command = {
    .name = "origin",
    .summary = "Runs a scriptable test origin",
    .usage = "origin [--listen ADDR] [flags]",
    .text = "Answers by path: /bytes/N, /chunked/N, /json/N, /delay/MS, /status/CODE, /echo, /sink.\n\n"
            "Examples:\n"
            "  holdfast origin\n"
            "  holdfast origin --listen 127.0.0.1:9002 --close-idle-after 3ms --keep-alive-header",
    .flags = origin_flags,
    .flag_count = COUNT_OF(origin_flags),
    .run = run,
};
