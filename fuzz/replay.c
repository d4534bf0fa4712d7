/* replay.c: runs files (and all files of folders) given as arguments through a fuzz target, so that every build and
 * compiler can replay the corpora. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 16 << 20, PATH_BYTES = 4096 };

/* The file in a piece of memory of exactly its size, so that reading past it is seen. */
static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0 && size <= INPUT_BYTES_MAX)
        data = malloc((size_t)size + (size == 0));
    bool read = data && fseek(file, 0, SEEK_SET) == 0 && fread(data, 1, (size_t)size, file) == (size_t)size;

    if (read)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    else
        fprintf(stderr, "%s: %s\n", path, errno ? strerror(errno) : "too large");
    free(data);
    if (file)
        fclose(file);
    return read;
}

/* Files replayed, or -1. */
static int replay_folder(DIR *folder, const char *path)
{
    char name[PATH_BYTES];
    int count = 0;

    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

        if (len < 0 || len >= PATH_BYTES || !replay_file(name))
            return -1;
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        int count = folder ? replay_folder(folder, argv[i]) : replay_file(argv[i]) ? 1 : -1;

        if (folder)
            closedir(folder);
        if (count == -1)
            return 1;
        total += count;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1;
}
