/* temporary.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "temporary.h"

#include "harness/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void temporary_open(struct temporary *temporary)
{
    snprintf(temporary->folder, sizeof(temporary->folder), "/tmp/holdfast-os-XXXXXX");
    CHECK(mkdtemp(temporary->folder) != NULL);
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

void temporary_close(struct temporary *temporary)
{
    CHECK_INT(nftw(temporary->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

const char *temporary_path(const struct temporary *temporary, const char *name, char out[TEMPORARY_PATH_BYTES])
{
    CHECK(snprintf(out, TEMPORARY_PATH_BYTES, "%s/%s", temporary->folder, name) < TEMPORARY_PATH_BYTES);
    return out;
}

void temporary_write(const struct temporary *temporary, const char *name, const char *text)
{
    char path[TEMPORARY_PATH_BYTES];
    int fd;

    temporary_path(temporary, name, path);
    for (char *slash = strchr(path + strlen(temporary->folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* it may be there */
        *slash = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd != -1);
    CHECK_INT(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}
