/* admin.c: the admin listener's connections: one request at a time, an answer from a page. The pages are pages.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include "admin/caller.h"
#include "admin/conns.h"
#include "admin/conservation.h"
#include "admin/pages.h"
#include "os/mailbox.h"

#include <stdlib.h>

enum {
    ADMIN_ARENA_BYTES = 256 << 20, /* a page of some ten thousand hosts */
};

struct admin {
    struct loop *loop;
    struct admin_view view;
    struct http_conn_options conn_options; /* as the configuration had it when somebody came last */
    struct listener *listener;
    struct task task, mail_task;
    struct mailbox *mailbox; /* answers of workers */
    struct list visitors;
    uint64_t started_ns;
};

/* One connection and the request on it. */
struct visitor {
    struct admin *admin;
    struct http_conn *conn;
    struct http_stream *stream; /* NULL between requests */
    struct arena *arena;
    struct http_head *request; /* NULL until it is here */
    struct inquiry *inquiry;   /* what workers are asked for it; NULL: nothing */
    struct chain body;         /* what is left to send */
    bool answered;
    struct task task;
    struct list_node node;
};

static void end_request(struct visitor *visitor)
{
    if (visitor->stream)
        http_done(visitor->stream);
    visitor->stream = NULL;
    visitor->answered = false;
    inquiry_end(visitor->inquiry);
    visitor->inquiry = NULL;
    visitor->request = NULL;
    chain_clear(&visitor->body);
    arena_free(visitor->arena);
    visitor->arena = NULL;
}

static void visitor_close(struct visitor *visitor)
{
    end_request(visitor);
    http_close(visitor->conn);
    task_forget(visitor->admin->loop, &visitor->task);
    list_remove(&visitor->admin->visitors, &visitor->node);
    free(visitor);
}

/* False: the page is made, and refuses. */
static bool admit(const struct visitor *visitor, struct page *page)
{
    if (caller_names_us(&visitor->admin->view, visitor->request))
        return true;
    page_refuse_name(page);
    return false;
}

/* A page that workers must be asked for is under way from here. False: the page is made, and refuses. */
static bool ask_workers(struct visitor *visitor, struct page *page)
{
    const struct http_head *request = visitor->request;
    struct str query = str_from_offset(request->path, page_path(request).len);
    const char *problem = NULL;
    struct inquiry_options options = {
        .view = &visitor->admin->view,
        .home = visitor->admin->mailbox,
        .loop = visitor->admin->loop,
        .waiter = &visitor->task,
    };

    if (query.len > 0)
        query = str_from_offset(query, 1);
    if (page_is_conns(request))
        visitor->inquiry = inquiry_conns(&options, query.len > 0 ? query : STR_EMPTY, &problem);
    else if (page_is_flush(&visitor->admin->view, request))
        visitor->inquiry = inquiry_flush(&options);
    else
        return true;
    if (!visitor->inquiry)
        page_refuse_asking(page, problem);
    return visitor->inquiry;
}

/* IO_OK: what was asked of workers is a page. */
static enum io make_asked_page(struct visitor *visitor, struct page *page)
{
    struct json_writer writer = {.arena = visitor->arena};

    if (!inquiry_is_over(visitor->inquiry))
        return IO_WAIT;
    inquiry_write(visitor->inquiry, &writer);
    page_take(page, json_written(&writer));
    return IO_OK;
}

/* IO_OK: the page to answer with; visitor->request is NULL when what came is none. */
static enum io make_page(struct visitor *visitor, struct page *page, struct error *err)
{
    struct admin *admin = visitor->admin;

    if (!visitor->request) {
        enum io io = http_recv_head(visitor->stream, visitor->arena, &visitor->request, err);

        if (io == IO_FAIL) {
            visitor->request = NULL;
            page_refuse(page);
            return IO_OK;
        }
        if (io != IO_OK || !admit(visitor, page) || !ask_workers(visitor, page))
            return io;
    }
    if (visitor->inquiry)
        return make_asked_page(visitor, page);
    secured_catch_up(generation_secured(admin->view.generation), loop_now_ns(admin->loop));
    page_make(visitor->arena, &admin->view, visitor->request, loop_now_ns(admin->loop) - admin->started_ns, page);
    if (page->drains)
        task_wake(admin->loop, admin->view.drain); /* it runs behind this task: the answer is under way by then */
    if (page->drains_listener) {
        admin->view.listeners[page->listener].state = LISTENER_ASKED;
        task_wake(admin->loop, admin->view.drain_listeners);
    }
    return IO_OK;
}

/* IO_OK: the answer's head is on its way and its body in the chain. */
static enum io answer(struct visitor *visitor, struct error *err)
{
    struct http_head head = {.announced_bytes = -1};
    struct page page;
    enum io io = make_page(visitor, &page, err);

    if (io != IO_OK)
        return io;
    head.status = page.status;
    if (visitor->request && str_eq(visitor->request->method, STR("HEAD")))
        head.announced_bytes = (int64_t)page.body.len;
    else
        head.body_bytes = (int64_t)page.body.len;
    if (!headers_add_id(&head.headers, visitor->arena, HEADER_CONTENT_TYPE, page.type) ||
        !headers_add_id(&head.headers, visitor->arena, HEADER_CACHE_CONTROL, STR("no-store")) ||
        (page.challenges &&
         !headers_add_id(&head.headers, visitor->arena, HEADER_WWW_AUTHENTICATE, STR("Bearer realm=\"admin\""))) ||
        (page.allow.len > 0 && !headers_add_id(&head.headers, visitor->arena, HEADER_ALLOW, page.allow)) ||
        (head.body_bytes && !chain_append(&visitor->body, loop_blocks(visitor->admin->loop), page.body)))
        return IO_FAIL;
    return http_send_head(visitor->stream, &head, head.body_bytes == 0, err);
}

/* IO_OK: the request is over. */
static enum io serve(struct visitor *visitor, struct error *err)
{
    if (!visitor->answered) {
        enum io io = answer(visitor, err);

        if (io != IO_OK)
            return io;
        visitor->answered = true;
    }
    if (visitor->body.size == 0)
        return IO_OK;
    return http_send_body(visitor->stream, &visitor->body, true, err);
}

static enum io next_request(struct visitor *visitor, struct error *err)
{
    enum io io = http_accept(visitor->conn, &visitor->stream, err);

    if (io != IO_OK)
        return io;
    visitor->stream->owner = &visitor->task;
    visitor->arena = arena_new(loop_pages(visitor->admin->loop), ADMIN_ARENA_BYTES);
    return visitor->arena ? IO_OK : IO_FAIL;
}

static void run_visitor(struct task *task)
{
    struct visitor *visitor = container_of(task, struct visitor, task);

    for (;;) {
        struct error err = {0};
        enum io io = visitor->stream ? IO_OK : next_request(visitor, &err);

        if (io == IO_OK)
            io = serve(visitor, &err);
        if (io == IO_WAIT)
            return;
        if (io != IO_OK) {
            visitor_close(visitor);
            return;
        }
        end_request(visitor);
    }
}

static void visitor_new(struct admin *admin, struct stream *stream)
{
    const struct server_options *server = &generation_service(admin->view.generation)->server;
    size_t count_max = (size_t)server->admin_connections_max;
    uint64_t limit_ns = (uint64_t)server->admin_timeout_ns;
    struct visitor *visitor = admin->visitors.count < count_max ? calloc(1, sizeof(*visitor)) : NULL;
    struct error err;

    if (!visitor) {
        stream_close(stream, true);
        return;
    }
    visitor->admin = admin;
    visitor->task.run = run_visitor;
    admin->conn_options = (struct http_conn_options){
        .idle_timeout_ns = limit_ns, .head_timeout_ns = limit_ns, .write_timeout_ns = limit_ns};
    visitor->conn = h1_server_new(stream, &admin->conn_options, &visitor->task, &err);
    if (!visitor->conn) {
        free(visitor);
        return;
    }
    list_push_back(&admin->visitors, &visitor->node);
}

static void run_mail(struct task *task)
{
    inquiry_receive(mailbox_take(container_of(task, struct admin, mail_task)->mailbox));
}

static void run_admin(struct task *task)
{
    struct admin *admin = container_of(task, struct admin, task);
    struct stream *stream;
    struct error err;

    while (listener_accept(admin->listener, &stream, &err) == IO_OK)
        visitor_new(admin, stream);
}

static void free_admin(struct admin *admin)
{
    task_forget(admin->loop, &admin->task);
    task_forget(admin->loop, &admin->mail_task);
    mailbox_free(admin->mailbox);
    conservation_free(admin->view.conservation);
    free(admin);
}

struct admin *admin_new(struct loop *loop, const struct addr *addr, const struct admin_view *view, struct error *err)
{
    struct admin *admin = calloc(1, sizeof(*admin));

    if (!admin) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for the admin listener");
        return NULL;
    }
    admin->loop = loop;
    admin->view = *view;
    admin->view.own_names = caller_must_name_us(addr, view->generation);
    admin->view.conservation = conservation_new(); /* without memory nobody checks */
    admin->task.run = run_admin;
    admin->started_ns = loop_now_ns(loop);
    list_init(&admin->visitors);
    admin->mail_task.run = run_mail;
    admin->mailbox = mailbox_new(loop, &admin->mail_task);
    if (admin->mailbox)
        admin->listener = listener_new(loop, addr, &(struct listen_options){.backlog = 64}, &admin->task, err);
    else
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for the admin listener");
    if (!admin->listener) {
        free_admin(admin);
        return NULL;
    }
    return admin;
}

void admin_succeed(struct admin *admin, const struct generation *generation)
{
    struct addr addr = *listener_addr(admin->listener);

    admin->view.generation = generation;
    admin->view.own_names = caller_must_name_us(&addr, generation);
}

struct addr admin_addr(const struct admin *admin)
{
    return *listener_addr(admin->listener);
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    for (struct list_node *node; (node = list_first(&admin->visitors));)
        visitor_close(container_of(node, struct visitor, node));
    listener_free(admin->listener);
    inquiry_receive(mailbox_take(admin->mailbox));
    free_admin(admin);
}
