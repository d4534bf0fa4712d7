/* verify.c: `holdfast verify`: is keep-alive active at a server? One table, and an exit code for scripts. How it is
 * found out: verify_probe.c. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/verify_probe.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_KEPT = 0, EXIT_NOT_KEPT = 1, EXIT_CANNOT_TELL = 2 };
enum { REQUESTS_DEFAULT = 3, PORT_HTTP = 80, PORT_HTTPS = 443, TEXT_BYTES = 128 };
#define ANSWER_LIMIT_NS  UINT64_C(10000000000)
#define PROMISE_SLACK_NS UINT64_C(100000000)

struct verify_values {
    const char *idle;
    int64_t requests;
    bool insecure;
};

static bool refuse_url(const char *url, const char *why)
{
    print(2, "ERROR \"%s\" %s\n", url, why);
    return false;
}

/* "[::1]:80", "name:80", "name" */
static bool read_authority(struct str authority, struct verify_target *target)
{
    bool bracketed = str_starts(authority, STR("["));
    size_t close = bracketed ? str_find_char(authority, ']') : 0;
    struct str rest = str_from_offset(authority, bracketed ? close + 1 : 0);
    size_t colon = str_find_char(rest, ':');
    uint64_t port = target->secure ? PORT_HTTPS : PORT_HTTP;

    target->authority = authority;
    target->host = bracketed ? str_first(str_from_offset(authority, 1), close - 1) : str_first(rest, colon);
    if (bracketed && (close == authority.len || (rest.len > 0 && colon != 0)))
        return false;
    if (colon < rest.len && (!text_to_u64(str_from_offset(rest, colon + 1), &port) || port == 0 || port > UINT16_MAX))
        return false;
    target->port = (uint16_t)port;
    return target->host.len > 0;
}

static bool read_url(const char *url, struct verify_target *target)
{
    struct str rest = str_from(url);
    size_t slash;

    target->secure = str_starts_fold(rest, STR("https://"));
    if (target->secure || str_starts_fold(rest, STR("http://")))
        rest = str_from_offset(rest, str_find(rest, STR("://")) + strlen("://"));
    else if (str_find(rest, STR("://")) < rest.len)
        return refuse_url(url, "is not an http:// or https:// URL");
    rest = str_first(rest, str_find_char(rest, '#'));
    slash = size_min(str_find_char(rest, '/'), str_find_char(rest, '?'));
    target->path = slash < rest.len ? str_from_offset(rest, slash) : STR("/");
    if (!str_starts(target->path, STR("/")))
        return refuse_url(url, "has a query without a path");
    return read_authority(str_first(rest, slash), target) || refuse_url(url, "has no host, or a port that is none");
}

static bool read_options(const char *url, const struct verify_values *values, struct verify_options *options)
{
    int64_t idle_ns = 0;

    *options = (struct verify_options){.requests = values->requests ? (unsigned)values->requests : REQUESTS_DEFAULT,
                                       .answer_limit_ns = ANSWER_LIMIT_NS,
                                       .insecure = values->insecure};
    if (values->requests != 0 && (values->requests < 2 || values->requests > VERIFY_REQUESTS_MAX)) {
        print(2, "ERROR --requests: %lld is not from 2 to %d\n", (long long)values->requests, VERIFY_REQUESTS_MAX);
        return false;
    }
    if (values->idle && (!text_to_duration(str_from(values->idle), &idle_ns) || idle_ns <= 0)) {
        print(2, "ERROR --idle: \"%s\" is not a duration (as in 300ms, 5s)\n", values->idle);
        return false;
    }
    options->idle_ns = (uint64_t)idle_ns;
    return read_url(url, &options->target);
}

static const char *unfit_text(enum http_unfit unfit)
{
    switch (unfit) {
    case HTTP_FIT:
        return "keep-alive";
    case HTTP_UNFIT_CLOSED: /* its end was read together with the answer's head, and hides what that said */
        return "closed with the answer";
    case HTTP_UNFIT_PEER:
        return "Connection: close";
    case HTTP_UNFIT_VERSION:
        return "HTTP/1.0 without keep-alive";
    case HTTP_UNFIT_NO_LENGTH:
        return "a body that ends by closing";
    case HTTP_UNFIT_FRAMING:
        return "framing that cannot be trusted";
    case HTTP_UNFIT_SURPLUS:
        return "bytes behind the answer";
    case HTTP_UNFIT_BLANK:
        return "line ends behind the answer";
    case HTTP_UNFIT_TUNNEL:
    case HTTP_UNFIT_OURS:
    case HTTP_UNFIT_UNFINISHED:
    case HTTP_UNFIT_TIMEOUT:
    case HTTP_UNFIT_GOAWAY: /* HTTP/2 only, which is not spoken here */
    case HTTP_UNFIT_USED_UP:
        return "given up here";
    }
    return "";
}

/* "keep-alive, timeout=5, max=99" */
static const char *promise_text(const struct verify_request *request, char out[TEXT_BYTES])
{
    int len = snprintf(out, TEXT_BYTES, "%s", unfit_text(request->unfit));

    if (request->hint_timeout_s >= 0)
        len += snprintf(out + len, (size_t)(TEXT_BYTES - len), ", timeout=%lld", (long long)request->hint_timeout_s);
    if (request->hint_max >= 0)
        snprintf(out + len, (size_t)(TEXT_BYTES - len), ", max=%lld", (long long)request->hint_max);
    return out;
}

static void print_request(unsigned number, const struct verify_request *request)
{
    char promise[TEXT_BYTES];

    print(1, "%-8u %-11s ", number, request->reused ? "same" : "new");
    if (request->status == 0)
        print(1, "%10u  no answer: %s\n", request->local_port, request->error.text);
    else
        print(1, "%10u  %6u  HTTP/1.%u  %6.1f ms  %s\n", request->local_port, request->status, request->version_minor,
              (double)request->took_ns / 1e6, promise_text(request, promise));
}

static void print_end(const struct verify_result *result)
{
    double seconds = (double)result->idle_ns / 1e9;
    int64_t promise_s = result->requests[result->count - 1].hint_timeout_s;

    if (!result->watched) {
        print(1, "\nno connection is left to watch\n");
        return;
    }
    switch (result->end) {
    case IO_WAIT:
        print(1, "\nstill open after %.3f s idle", seconds);
        break;
    case IO_END:
        print(1, "\nclosed by the peer after %.3f s idle", seconds);
        break;
    case IO_FAIL:
        print(1, "\nreset by the peer after %.3f s idle", seconds);
        break;
    case IO_OK:
        print(1, "\nthe peer sent bytes that nobody asked for after %.3f s idle", seconds);
        break;
    }
    if (promise_s >= 0)
        print(1, "; %lld s were promised", (long long)promise_s);
    if (promise_s > 0 && result->end != IO_WAIT &&
        result->idle_ns + PROMISE_SLACK_NS < (uint64_t)promise_s * 1000000000)
        print(1, ": earlier than promised, a client that trusts it loses requests");
    print(1, "\n");
}

/* The connection was kept when every request but the first found it, or when the peer said that it had done enough. */
static int verdict(const struct verify_result *result)
{
    unsigned answered = 0;

    for (unsigned i = 0; i < result->count; i++)
        answered += result->requests[i].status != 0;
    if (result->reused > 0) {
        print(1, "keep-alive works: %u answers over %u connection%s\n", answered, result->connections,
              result->connections == 1 ? "" : "s");
        return EXIT_KEPT;
    }
    if (answered < 2) {
        print(1, "cannot tell: only the first request was answered\n");
        return EXIT_CANNOT_TELL;
    }
    print(1, "keep-alive does not work: %u answers over %u connections\n", answered, result->connections);
    return EXIT_NOT_KEPT;
}

static int verify(const char *url, const struct verify_options *options)
{
    struct verify_result *result = calloc(1, sizeof(*result));
    struct error err = {0};
    int code = EXIT_CANNOT_TELL;

    if (!result) {
        print(2, "ERROR out of memory\n");
        return code;
    }
    if (!verify_probe(options, result, &err)) {
        print(2, "ERROR %s: %s\n", url, err.text);
    } else {
        print(1, "%s\n\n%-8s %-11s %10s  %6s  %-8s  %9s  %s\n", url, "request", "connection", "local port", "status",
              "version", "time", "promised");
        for (unsigned i = 0; i < result->count; i++)
            print_request(i + 1, &result->requests[i]);
        print_end(result);
        code = verdict(result);
    }
    free(result);
    return code;
}

static int run(int argc, char **argv)
{
    struct verify_values values = {0};
    struct verify_options options;
    int words;
    bool help;

    if (!flags_parse(&verify_command, argc, argv, &values, &words, &help))
        return EXIT_USAGE;
    if (help)
        return EXIT_OK;
    if (words != 1) {
        print(2, "ERROR please, provide one URL, as in: holdfast verify http://127.0.0.1:8080/\n");
        return EXIT_CANNOT_TELL;
    }
    return read_options(argv[0], &values, &options) ? verify(argv[0], &options) : EXIT_CANNOT_TELL;
}

static const struct flag verify_flags[] = {
    {"idle", 0, FLAG_STRING, offsetof(struct verify_values, idle), "TIME",
     "waits so long for the peer to close (its promise and 2s, or 10s)"},
    {"insecure", 'k', FLAG_BOOL, offsetof(struct verify_values, insecure), NULL,
     "takes any certificate of an https server"},
    {"requests", 'n', FLAG_NUMBER, offsetof(struct verify_values, requests), "N", "requests to send, 2 to 100 (3)"},
};

const struct command verify_command = {
    .name = "verify",
    .summary = "Tells whether a server keeps connections",
    .usage = "verify URL [--idle TIME] [--requests N] [--insecure]",
    .text =
        "Sends GET requests over one connection: does the next one find it open, what was promised, and when does the\n"
        "peer really close it? Exit code 0: keep-alive works; 1: it does not; 2: cannot tell.\n\n"
        "Examples:\n"
        "  holdfast verify http://127.0.0.1:8080/\n"
        "  holdfast verify 127.0.0.1:8080/health --idle 90s\n"
        "  holdfast verify https://www.example.org/",
    .flags = verify_flags,
    .flag_count = COUNT_OF(verify_flags),
    .run = run,
};
