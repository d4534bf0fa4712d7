/* admin_token.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/admin_token.h"

#include "config/problems.h"
#include "os/file.h"

enum { TOKEN_BYTES_MAX = 4096, PATH_BYTES_MAX = 4096 };

/* Visible ASCII: what a field can carry without quotes. */
static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return text.len > 0;
}

static bool refuse(const struct server_options *options, struct report *report, const char *why)
{
    report_add(report, SEVERITY_ERROR, PROBLEM_ADMIN_TOKEN, options->admin_token_place, NULL,
               "extra_config.holdfast/admin.token_file: %s", why);
    return false;
}

bool admin_token_read(struct arena *arena, const struct server_options *options, struct str *token,
                      struct report *report)
{
    char path[PATH_BYTES_MAX];
    struct error err;

    *token = STR_EMPTY;
    if (options->admin_token_file.len == 0)
        return true;
    if (!str_to_cstr(options->admin_token_file, path, sizeof(path)))
        return refuse(options, report, "is no path");
    if (!file_read(arena, path, TOKEN_BYTES_MAX, token, &err))
        return refuse(options, report, err.text);
    *token = str_trim_of(*token, STR(" \t\r\n"));
    return is_token(*token) || refuse(options, report, "holds no token: one word of visible ASCII is needed");
}

bool admin_token_fits(struct str token, struct str authorization)
{
    struct str scheme = STR("Bearer "), given;
    unsigned char differs = 0;

    if (!str_starts_fold(authorization, scheme))
        return false;
    given = str_trim(str_from_offset(authorization, scheme.len));
    if (given.len != token.len)
        return false;
    for (size_t i = 0; i < token.len; i++)
        differs |= (unsigned char)(given.data[i] ^ token.data[i]);
    return differs == 0;
}
