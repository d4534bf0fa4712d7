/* origin_options.c: from the flags of `holdfast origin` to what its faults are, and the dice. Start with
 * origin_options_read. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_options.h"

#include "base/text.h"
#include "cli/flags.h"

enum { MILLION = 1000000 };

/* The number behind the name: "every:100". */
static bool number_behind(struct str text, struct str name, uint64_t *number)
{
    return str_starts(text, name) && text_to_u64(str_from_offset(text, name.len), number) && *number > 0;
}

bool origin_when_parse(struct str text, struct origin_when *when)
{
    uint64_t number;
    double share;

    *when = (struct origin_when){0};
    if (number_behind(text, STR("every:"), &number))
        *when = (struct origin_when){.first = number, .every = number};
    else if (number_behind(text, STR("from:"), &number))
        *when = (struct origin_when){.first = number, .every = 1};
    else if (number_behind(text, STR("at:"), &number))
        *when = (struct origin_when){.first = number, .every = UINT64_MAX};
    else if (text_to_double(text, &share) && share >= 0 && share <= 1)
        when->per_million = (uint32_t)(share * (double)MILLION);
    else
        return false;
    return true;
}

bool origin_when_hits(const struct origin_when *when, uint64_t request, struct rng *rng)
{
    if (when->every > 0)
        return request >= when->first && (request - when->first) % when->every == 0;
    return when->per_million > 0 && rng_chance(rng, when->per_million);
}

static bool parse_time(struct str text, uint64_t *out_ns)
{
    int64_t duration_ns;

    if (!text_to_duration(text, &duration_ns) || duration_ns < 0)
        return false;
    *out_ns = (uint64_t)duration_ns;
    return true;
}

bool origin_span_parse(struct str text, struct origin_span *span)
{
    size_t dash = str_find_char(text, '-');

    if (!parse_time(str_first(text, dash), &span->min_ns))
        return false;
    span->max_ns = span->min_ns;
    return dash == text.len ||
           (parse_time(str_from_offset(text, dash + 1), &span->max_ns) && span->max_ns >= span->min_ns);
}

uint64_t origin_span_pick(const struct origin_span *span, struct rng *rng)
{
    uint64_t width_ns = span->max_ns - span->min_ns;

    return span->min_ns + (width_ns > 0 ? rng_below(rng, width_ns) : 0);
}

struct origin_plan origin_plan_for(const struct origin_options *options, uint64_t request, struct rng *rng)
{
    return (struct origin_plan){
        .reset = origin_when_hits(&options->reset, request, rng),
        .hang_up = origin_when_hits(&options->hang_up, request, rng),
        .silence = origin_when_hits(&options->silence, request, rng),
        .cut = origin_when_hits(&options->cut, request, rng),
        .slow = origin_when_hits(&options->slow, request, rng),
        .late = origin_when_hits(&options->late, request, rng),
        .stray = origin_when_hits(&options->stray, request, rng),
    };
}

static bool refuse(const char *flag, const char *text, const char *wanted)
{
    print(2, "ERROR --%s: \"%s\" is not %s\n", flag, text, wanted);
    return false;
}

static bool read_duration(const char *flag, const char *text, uint64_t *out_ns)
{
    *out_ns = 0;
    return !text || parse_time(str_from(text), out_ns) || refuse(flag, text, "a duration (as in 300ms, 5s)");
}

static bool read_span(const char *flag, const char *text, struct origin_span *span)
{
    return !text || origin_span_parse(str_from(text), span) ||
           refuse(flag, text, "a duration, or two with a dash between (as in 3ms, 5ms-30ms)");
}

static bool read_when(const char *flag, const char *text, struct origin_when *when)
{
    return !text || origin_when_parse(str_from(text), when) ||
           refuse(flag, text, "a number from 0 to 1, every:N, from:N or at:N");
}

static bool read_end(const char *text, enum origin_end *end)
{
    static const char *const names[] = {"close", "half", "reset"};

    for (size_t i = 0; text && i < COUNT_OF(names); i++)
        if (str_eq(str_from(text), str_from(names[i]))) {
            *end = (enum origin_end)i;
            return true;
        }
    return !text || refuse("close-by", text, "close, half or reset");
}

static bool read_number(const char *flag, int64_t number, int64_t max)
{
    if (number >= 0 && number <= max)
        return true;
    print(2, "ERROR --%s: %lld is not from 0 to %lld\n", flag, (long long)number, (long long)max);
    return false;
}

static bool read_faults(const struct origin_values *values, struct origin_options *options)
{
    const struct {
        const char *flag, *text;
        struct origin_when *when;
    } rows[] = {
        {"reset-rate", values->reset, &options->reset},       {"hang-up-rate", values->hang_up, &options->hang_up},
        {"silence-rate", values->silence, &options->silence}, {"cut-rate", values->cut, &options->cut},
        {"slow-rate", values->slow, &options->slow},          {"late-rate", values->late, &options->late},
        {"stray-rate", values->stray, &options->stray},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!read_when(rows[i].flag, rows[i].text, rows[i].when))
            return false;
    return true;
}

/* An amount without a rate means every answer, a rate without an amount some amount that shows. */
static void complete(const struct origin_values *values, struct origin_options *options)
{
    static const struct origin_when always = {.first = 1, .every = 1};

    if (options->cut_after > 0 && !values->cut)
        options->cut = always;
    if (options->bytes_per_second > 0 && !values->slow)
        options->slow = always;
    if (options->late_ns > 0 && !values->late)
        options->late = always;
    if (values->stray_bytes && !values->stray)
        options->stray = always;
    if (options->cut_after == 0)
        options->cut_after = 100;
    if (options->bytes_per_second == 0)
        options->bytes_per_second = 1000;
    if (options->late_ns == 0)
        options->late_ns = UINT64_C(2000000000);
}

bool origin_options_read(const struct origin_values *values, struct origin_options *options)
{
    *options = (struct origin_options){
        .close_after_requests = (uint32_t)values->close_after_requests,
        .unannounced = values->unannounced,
        .keep_alive_header = values->keep_alive_header,
        .cut_after = (uint64_t)values->cut_after,
        .bytes_per_second = (uint64_t)values->bytes_per_second,
        .shared = values->threads > 1,
    };
    if (!read_number("close-after-requests", values->close_after_requests, UINT32_MAX) ||
        !read_number("cut-after", values->cut_after, INT64_MAX) ||
        !read_number("bytes-per-second", values->bytes_per_second, INT64_MAX) ||
        !read_span("close-idle-after", values->close_idle_after, &options->close_idle_after) ||
        !read_span("close-age", values->close_age, &options->close_age) ||
        !read_end(values->close_by, &options->close_by) || !read_duration("delay", values->delay, &options->delay_ns) ||
        !read_duration("jitter", values->jitter, &options->jitter_ns) ||
        !read_duration("late-by", values->late_by, &options->late_ns) || !read_faults(values, options))
        return false;
    complete(values, options);
    return true;
}
