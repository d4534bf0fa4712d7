/* peers.h: scripted HTTP/1.1 peers of a simulated run: clients that know which answer they must get, and origins that
 * do what the request's entry in a common book says, mishaps included.
 *
 * They are written on struct world alone and share no HTTP code with the gateway: they are its judge. A violation ends
 * the run by sim_fail. What a client accepts for a job:
 *
 *   - a complete 200 whose body is the job's content, unless the mishap makes that impossible;
 *   - a status of 500 or more, when the mishap explains it, or the client is lenient (faults of the network are on);
 *   - an answer that breaks off, in the same cases, but never one that is complete and wrong;
 *   - silence for no longer than its patience.
 *
 * An origin checks every request: framing, Host, the body's bytes, that nothing came ahead of its answer, and that a
 * POST is not served twice. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_SIM_PEERS_H
#define HOLDFAST_SIM_PEERS_H

#include "sim/sim.h"

enum sim_framing { SIM_LENGTH, SIM_CHUNKED, SIM_UNTIL_CLOSE, SIM_FRAMING_COUNT };

/* What the origin does to the answer. */
enum sim_mishap {
    SIM_FINE,
    SIM_INTERIM,     /* a 103 comes before */
    SIM_SAYS_CLOSE,  /* Connection: close, and closes */
    SIM_CLOSES,      /* closes right behind the answer without a word */
    SIM_STRAY_BYTES, /* bytes behind a complete answer */
    /* From here on there is no complete answer. */
    SIM_NO_ANSWER, /* closes instead */
    SIM_RESETS,    /* resets instead */
    SIM_GARBAGE,   /* sends no HTTP instead */
    SIM_SILENT,    /* says nothing for ever */
    SIM_HALF,      /* the head and half of the body, then closes (with SIM_UNTIL_CLOSE: resets, as FIN would be fine) */
    SIM_HALF_RESETS, /* the same, then resets */
    SIM_HALF_SILENT, /* the same, then nothing for ever */
    SIM_MISHAP_COUNT,
};

enum sim_outcome {
    SIM_PENDING,
    SIM_ANSWERED,  /* complete, and as it must be */
    SIM_REFUSED,   /* a status of 500 or more */
    SIM_BROKEN,    /* the connection ended before the answer did */
    SIM_ABANDONED, /* the client went away on purpose */
};

/* One request and what became of it. */
struct sim_job {
    uint64_t id;
    bool is_post;
    bool is_json; /* the answer's body is {"id":ID,"pad":"..."}; else bytes that depend on id and place */
    uint32_t request_bytes, answer_bytes;
    enum sim_framing framing;
    enum sim_mishap mishap;
    unsigned heads;  /* times its head reached an origin */
    unsigned served; /* times it reached an origin completely */
    enum sim_outcome outcome;
    unsigned status; /* of the answer; 0: none */
};

/* The book: all jobs of a run. Jobs stay where they are until sim_book_free. */
struct sim_book;
struct sim_book *sim_book_new(void);
void sim_book_free(struct sim_book *book);
struct sim_job *sim_book_add(struct sim_book *book);               /* with an id of its own */
struct sim_job *sim_book_find(struct sim_book *book, uint64_t id); /* NULL: no such job */
unsigned sim_book_count(const struct sim_book *book, enum sim_outcome outcome);

struct sim_origin_options {
    uint16_t port;
    uint64_t think_max_ns;    /* each answer takes up to that */
    uint64_t idle_close_ns;   /* closes a connection that idles so long behind an answer; 0: never */
    uint64_t close_jitter_ns; /* ... or up to that longer, drawn for each idle period */
    uint32_t reset_percent;   /* of these closes are resets */
    uint32_t
        stray_percent;     /* of these closes are none: an answer nobody asked for is said instead, then nothing more */
    uint32_t half_percent; /* of the others close one way: a request that comes is read, and never answered */
    unsigned requests_max; /* closes after so many, without a word; 0: never */
    bool posts_may_repeat; /* do not fail when a POST comes twice */
};

/* An origin on a loop of the sim (sim_loop_new). It answers GET and POST of any path that ends in a job's id. */
struct sim_origin;
struct sim_origin *sim_origin_new(struct sim *sim, struct loop *loop, struct sim_book *book,
                                  const struct sim_origin_options *options);
void sim_origin_free(struct sim_origin *origin);
unsigned sim_origin_conns(const struct sim_origin *origin);    /* accepted so far */
unsigned sim_origin_requests(const struct sim_origin *origin); /* heads seen so far */
unsigned sim_origin_closes(const struct sim_origin *origin);   /* connections that it ended itself */
unsigned sim_origin_strays(const struct sim_origin *origin);   /* answers that nobody had asked for */

struct sim_client_options {
    struct addr server;
    const char *host;      /* the Host field */
    const char *path;      /* what stands before the id; "/jobs/" */
    unsigned requests;     /* to be made in all */
    unsigned pipeline_max; /* requests under way at once on the connection; 0: 1 */
    uint64_t gap_max_ns;   /* up to that between an answer and the next request */
    uint64_t patience_ns;  /* for an answer; 0: 100 s */
    uint32_t request_bytes_max, answer_bytes_max;
    uint32_t post_percent;
    uint32_t json_percent;
    uint32_t framings;            /* bits 1 << enum sim_framing; 0: all */
    uint32_t mishaps;             /* bits 1 << enum sim_mishap; 0: SIM_FINE only */
    uint32_t mishap_percent;      /* of requests with another mishap than SIM_FINE */
    uint32_t abandon_per_million; /* leaves in the middle of an answer, per arrival of bytes */
    uint32_t read_bytes_max;      /* reads so many bytes each millisecond; 0: as fast as they come */
    bool lenient;                 /* any job may be refused or broken */
};

/* A client on a loop of the sim: one connection at a time, kept alive. */
struct sim_client;
struct sim_client *sim_client_new(struct sim *sim, struct loop *loop, struct sim_book *book,
                                  const struct sim_client_options *options);
bool sim_client_is_done(const struct sim_client *client);
unsigned sim_client_conns(const struct sim_client *client);
void sim_client_free(struct sim_client *client);

#endif
