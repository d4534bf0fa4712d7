/* book.c: the jobs of a run and the bytes that their bodies must be. A byte depends on the job and on its place, so
 * that bytes of another job, lost, doubled or moved bytes never look right. SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "sim/peers_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { JOBS_PER_PAGE = 256, PAGES_MAX = 1024 };

struct sim_book {
    struct sim_job *pages[PAGES_MAX];
    uint64_t count; /* the job with id n is number n - 1 */
};

struct sim_book *sim_book_new(void)
{
    return sim_alloc(sizeof(struct sim_book));
}

void sim_book_free(struct sim_book *book)
{
    if (!book)
        return;
    for (size_t i = 0; i < PAGES_MAX; i++)
        free(book->pages[i]);
    free(book);
}

struct sim_job *sim_book_add(struct sim_book *book)
{
    uint64_t at = book->count++;
    struct sim_job *job;

    ASSERT(at / JOBS_PER_PAGE < PAGES_MAX);
    if (!book->pages[at / JOBS_PER_PAGE])
        book->pages[at / JOBS_PER_PAGE] = sim_alloc(JOBS_PER_PAGE * sizeof(*job));
    job = &book->pages[at / JOBS_PER_PAGE][at % JOBS_PER_PAGE];
    job->id = at + 1;
    return job;
}

struct sim_job *sim_book_find(struct sim_book *book, uint64_t id)
{
    if (id == 0 || id > book->count)
        return NULL;
    return &book->pages[(id - 1) / JOBS_PER_PAGE][(id - 1) % JOBS_PER_PAGE];
}

unsigned sim_book_count(const struct sim_book *book, enum sim_outcome outcome)
{
    unsigned count = 0;

    for (uint64_t i = 0; i < book->count; i++)
        count += book->pages[i / JOBS_PER_PAGE][i % JOBS_PER_PAGE].outcome == outcome;
    return count;
}

static void add_pattern(struct sim_bytes *out, uint64_t key, size_t size)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    char piece[8];

    for (size_t at = 0; at < size; at += sizeof(piece)) {
        uint64_t bits = hash_mix(key * 0x9e3779b97f4a7c15u + at);

        for (size_t i = 0; i < sizeof(piece); i++)
            piece[i] = alphabet[bits >> (8 * i) & 63];
        sim_bytes_add(out, piece, size_min(sizeof(piece), size - at));
    }
}

void sim_content_of_request(const struct sim_job *job, struct sim_bytes *out)
{
    if (job->is_post)
        add_pattern(out, ~job->id, job->request_bytes);
}

void sim_content_of_answer(const struct sim_job *job, struct sim_bytes *out)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "{\"id\":%llu,\"pad\":\"", (unsigned long long)job->id);

    if (job->is_json)
        sim_bytes_add(out, text, (size_t)len);
    add_pattern(out, job->id, job->answer_bytes);
    if (job->is_json)
        sim_bytes_add(out, "\"}", 2);
}

bool sim_bytes_eq(const struct sim_bytes *a, const struct sim_bytes *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data + a->at, b->data + b->at, a->len) == 0);
}
