/* server_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "server_stage.h"

#include <openssl/err.h>

enum { ROUNDS_MAX = 2000, ROOM = 1 << 16 };

static const struct str protocols[] = {STR_INIT("http/1.1")};

static void count_run(struct task *task)
{
    container_of(task, struct probe, task)->runs++;
}

static struct str keep(const char *text)
{
    return arena_copy(test_arena(), str_from(text));
}

void server_stage_add_key(struct server_stage *stage, const char *name, const char *names)
{
    struct made made = made_new(&(struct made_options){.names = names, .issuer = &stage->authority});
    struct str pem = keep(arena_format(test_arena(), "%s.pem", name).data);
    struct str key = keep(arena_format(test_arena(), "%s.key", name).data);

    stage->keys[stage->options.keys.count++] = (struct tls_server_key){
        .public_key = made_file(&stage->folder, pem.data, &made, false),
        .private_key = made_file(&stage->folder, key.data, &made, true),
    };
    stage->options.keys.items = stage->keys;
    made_free(&made);
}

static void make_profile(struct server_stage *stage)
{
    static struct str trusted;
    struct error err = {0};

    trusted = made_file(&stage->folder, "authority.pem", &stage->authority, false);
    stage->client_options.disable_system_ca_pool = true;
    stage->client_options.ca_certs = (struct str_list){.items = &trusted, .count = 1};
    stage->profile = tls_profile_new(&stage->client_options, &err);
    CHECK(stage->profile != NULL);
}

void server_stage_open(struct server_stage *stage)
{
    *stage = (struct server_stage){.client_owner.task.run = count_run, .far_owner.task.run = count_run};
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    temporary_open(&stage->folder);
    report_init(&stage->report, test_arena());
    stage->authority = made_new(&(struct made_options){.authority = true});
    CHECK(schema_bind(&tls_tuning_schema, NULL, "", &stage->tuning, test_arena(), &stage->report));
    stage->options = (struct tls_server_options){.given = true, .min_version = STR("TLS12")};
    server_stage_add_key(stage, "own", "DNS:origin.test");
    stage->sessions = tls_sessions_new(16, 1);
    CHECK(stage->sessions != NULL);
}

void server_stage_start(struct server_stage *stage)
{
    make_profile(stage);
    stage->shared = tls_shared_new(&stage->tuning, &stage->report);
    CHECK(stage->shared != NULL);
    tls_shared_refresh(stage->shared, loop_now_ns(stage->loop));
    stage->server = tls_server_new(
        &(struct tls_server_start){
            .options = &stage->options,
            .tuning = &stage->tuning,
            .shared = stage->shared,
            .protocols = protocols,
            .protocol_count = 1,
            .path = "tls",
        },
        &stage->report);
    if (!stage->server)
        test_fail(__FILE__, __LINE__, "%s", stage->report.first->text);
}

void server_stage_connect(struct server_stage *stage, const char *server_name)
{
    CHECK(pair_new(stage->loop, ROOM, &stage->client_under, &stage->far_under));
    stage->client = tls_client_stream(stage->client_under,
                                      &(struct tls_stream_options){
                                          .profile = stage->profile,
                                          .server_name = str_from(server_name),
                                          .protocols = protocols,
                                          .protocol_count = 1,
                                          .sessions = stage->sessions,
                                          .session_scope = str_from(server_name),
                                      },
                                      &stage->client_owner.task, &stage->client_err);
    stage->far = tls_server_stream(stage->far_under, stage->server, &stage->common, &stage->counts,
                                   &stage->far_owner.task, &stage->far_err);
    CHECK(stage->client && stage->far);
}

void server_stage_turn(struct server_stage *stage)
{
    loop_turn(stage->loop, 0);
}

enum io server_stage_shake(struct server_stage *stage)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        enum io io = tls_handshake(stage->client, &stage->client_err), far;

        server_stage_turn(stage);
        far = tls_server_handshake(stage->far, &stage->far_err);
        server_stage_turn(stage);
        if (far != IO_WAIT && io != IO_WAIT)
            return far;
        if (far == IO_FAIL)
            return far;
    }
    test_fail(__FILE__, __LINE__, "the handshake does not end");
}

void server_stage_disconnect(struct server_stage *stage)
{
    stream_close(stage->client, false);
    stream_close(stage->far, false);
    stage->client = stage->far = NULL;
    server_stage_turn(stage);
}

void server_stage_close(struct server_stage *stage)
{
    server_stage_disconnect(stage);
    task_forget(stage->loop, &stage->client_owner.task);
    task_forget(stage->loop, &stage->far_owner.task);
    tls_server_common_end(&stage->common);
    tls_server_release(stage->server);
    tls_shared_release(stage->shared);
    tls_sessions_free(stage->sessions);
    tls_profile_unref(stage->profile);
    made_free(&stage->authority);
    temporary_close(&stage->folder);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    ERR_clear_error();
}

static void carry(struct server_stage *stage, struct stream *from, struct stream *to, char letter)
{
    struct iovec out = {&letter, 1};
    char got_letter = 0;
    struct iovec in = {&got_letter, 1};
    struct error err;
    size_t moved = 0;

    CHECK_EQ(stream_writev(from, &out, 1, &moved, &err), IO_OK);
    server_stage_turn(stage);
    CHECK_EQ(stream_readv(to, &in, 1, &moved, &err), IO_OK);
    CHECK_INT(got_letter, letter);
}

bool server_stage_visit(struct server_stage *stage)
{
    struct tls_info info;

    server_stage_connect(stage, "origin.test");
    CHECK_EQ(server_stage_shake(stage), IO_OK);
    carry(stage, stage->client, stage->far, 'a');
    carry(stage, stage->far, stage->client, 'b');
    tls_info(stage->far, &info);
    CHECK_STR(info.protocol, STR("http/1.1"));
    tls_info(stage->client, &info);
    server_stage_disconnect(stage);
    return info.resumed;
}
