/* origin.c: `holdfast origin`: a scriptable origin to test and load gateways with.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/origin_ledger.h"
#include "cli/origin_thread.h"
#include "os/process.h"
#include "os/signal.h"

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
    if (values->threads < 0 || values->threads > THREADS_MAX) {
        print(2, "ERROR --threads: %lld is not from 0 to %d\n", (long long)values->threads, THREADS_MAX);
        return false;
    }
    return read_addr(values->listen ? values->listen : "127.0.0.1:9001", addr) && origin_options_read(values, options);
}

static void print_ready(const struct addr *addr, int threads)
{
    char out[ADDR_TEXT_BYTES];
    struct str text = addr_format(addr, out);

    print(2, "ready: %s%.*s (http/1.1), %d thread%s\n", addr->family == ADDR_UNIX ? "" : "http://", STR_ARG(text),
          threads, threads == 1 ? "" : "s");
}

/* Starts the threads, says so, waits for a signal. */
static int serve_with(struct origin_run *run, int count, const struct origin_options *options, struct addr *addr)
{
    struct origin_thread *threads[THREADS_MAX] = {0};
    struct error err = {0};
    int code = EXIT_OK;

    for (int i = 0; i < count && code == EXIT_OK; i++) {
        threads[i] = origin_thread_start(addr, options, &err);
        code = threads[i] ? EXIT_OK : EXIT_ERROR;
    }
    if (code == EXIT_OK) {
        print_ready(addr, count);
        loop_run(run->loop);
    } else {
        print(2, "ERROR starting the origin: %s\n", err.text);
    }
    for (int i = 0; i < count; i++)
        origin_thread_stop(threads[i]);
    return code;
}

static int serve(struct origin_run *run, const struct origin_values *values)
{
    struct origin_options options;
    struct addr addr;
    int code;

    if (!read_options(values, &options, &addr))
        return EXIT_ERROR;
    options.ledger = origin_ledger_new();
    if (!options.ledger) {
        print(2, "ERROR starting the origin: out of memory\n");
        return EXIT_ERROR;
    }
    code = serve_with(run, values->threads > 0 ? (int)values->threads : 1, &options, &addr);
    origin_ledger_free(options.ledger);
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

#define VALUE(name) offsetof(struct origin_values, name)

static const struct flag origin_flags[] = {
    {"listen", 'l', FLAG_STRING, VALUE(listen), "ADDR", "IP:PORT or unix:PATH (127.0.0.1:9001)"},
    {"threads", 't', FLAG_NUMBER, VALUE(threads), "N", "threads that serve (1)"},
    {"delay", 0, FLAG_STRING, VALUE(delay), "TIME", "waits before each answer"},
    {"jitter", 0, FLAG_STRING, VALUE(jitter), "TIME", "and up to this more, at random"},
    {"close-idle-after", 0, FLAG_STRING, VALUE(close_idle_after), "TIME",
     "closes connections that are idle for so long; 5ms-30ms: at random between"},
    {"close-age", 0, FLAG_STRING, VALUE(close_age), "TIME", "closes connections at that age, behind an answer"},
    {"close-after-requests", 0, FLAG_NUMBER, VALUE(close_after_requests), "N",
     "closes after so many requests, announced"},
    {"unannounced", 0, FLAG_BOOL, VALUE(unannounced), NULL, "without Connection: close on the last of them"},
    {"close-by", 0, FLAG_STRING, VALUE(close_by), "HOW", "close, half (FIN only, then reads on) or reset (close)"},
    {"keep-alive-header", 0, FLAG_BOOL, VALUE(keep_alive_header), NULL,
     "announces the limits: Keep-Alive: timeout=, max="},
    {"reset-rate", 0, FLAG_STRING, VALUE(reset), "RATE", "requests that are read and get a reset, no answer"},
    {"hang-up-rate", 0, FLAG_STRING, VALUE(hang_up), "RATE", "requests that are read and get a close, no answer"},
    {"silence-rate", 0, FLAG_STRING, VALUE(silence), "RATE", "requests that are read and get nothing at all"},
    {"cut-rate", 0, FLAG_STRING, VALUE(cut), "RATE", "answers that end in the middle, as --close-by says"},
    {"cut-after", 0, FLAG_NUMBER, VALUE(cut_after), "BYTES", "behind so many bytes, head included (100)"},
    {"slow-rate", 0, FLAG_STRING, VALUE(slow), "RATE", "answers that come slowly"},
    {"bytes-per-second", 0, FLAG_NUMBER, VALUE(bytes_per_second), "N", "so slowly (1000)"},
    {"late-rate", 0, FLAG_STRING, VALUE(late), "RATE", "answers that come late, whoever still waits"},
    {"late-by", 0, FLAG_STRING, VALUE(late_by), "TIME", "so late (2s)"},
    {"stray-rate", 0, FLAG_STRING, VALUE(stray), "RATE", "answers with bytes behind that nobody asked for"},
    {"stray-bytes", 0, FLAG_BOOL, VALUE(stray_bytes), NULL, "the same as --stray-rate 1"},
};

const struct command origin_command = {
    .name = "origin",
    .summary = "Runs a scriptable test origin",
    .usage = "origin [--listen ADDR] [flags]",
    .text =
        "Answers by path: /bytes/N, /chunked/N, /json/N, /delay/MS, /status/CODE, /echo, /sink.\n"
        "RATE is a share of requests (0 to 1), or every:N, from:N, at:N by their number at the origin.\n"
        "Requests with X-Request-Number: N are counted: GET /ledger shows executions and doubles, DELETE resets.\n\n"
        "Examples:\n"
        "  holdfast origin\n"
        "  holdfast origin --listen 127.0.0.1:9002 --close-idle-after 3ms --keep-alive-header\n"
        "  holdfast origin --cut-rate 0.02 --cut-after 300 --close-by reset --silence-rate every:1000",
    .flags = origin_flags,
    .flag_count = COUNT_OF(origin_flags),
    .run = run,
};
