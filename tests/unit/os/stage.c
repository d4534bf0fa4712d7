/* stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "harness/test.h"

static void actor_run(struct task *task)
{
    struct actor *actor = container_of(task, struct actor, task);
    struct stage *stage = actor->stage;

    actor->runs++;
    if (stage->traced < sizeof(stage->trace))
        stage->trace[stage->traced++] = actor->name;
    if (actor->act)
        actor->act(actor);
}

void stage_open(struct stage *stage)
{
    *stage = (struct stage){0};
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *actor = &stage->actors[i];

        *actor = (struct actor){.task.run = actor_run, .stage = stage, .name = (char)('a' + i)};
        actor->watch.task = actor->timer.task = &actor->task;
    }
}

void stage_close(struct stage *stage)
{
    for (int i = 0; i < ACTORS; i++) {
        task_forget(stage->loop, &stage->actors[i].task);
        timer_clear(stage->loop, &stage->actors[i].timer);
    }
    loop_free(stage->loop);
}

struct actor *stage_actor(struct stage *stage, char name)
{
    return &stage->actors[name - 'a'];
}

struct task *stage_task(struct stage *stage, char name)
{
    return &stage_actor(stage, name)->task;
}

struct timer *stage_timer(struct stage *stage, char name)
{
    return &stage_actor(stage, name)->timer;
}

struct str stage_trace(const struct stage *stage)
{
    return str_of(stage->trace, stage->traced);
}

void stage_turn(struct stage *stage)
{
    loop_turn(stage->loop, 0);
}
