/* cares_srv.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "net/cares_srv.h"

#include <stdio.h>
#include <stdlib.h>

struct asking {
    cares_srv_done *done;
    void *arg;
};

static struct srv_answer *answer_new(size_t count)
{
    struct srv_answer *answer =
        calloc(1, sizeof(*answer) + (count < SRV_RECORDS_MAX ? count : SRV_RECORDS_MAX) * sizeof(struct srv_record));

    return answer;
}

/* The root alone as a target says that the service is not offered (RFC 2782). */
static void add_record(struct srv_answer *answer, struct srv_record record, const char *target)
{
    size_t len = strlen(target);

    if (answer->count == SRV_RECORDS_MAX || len == 0 || len + 2 > sizeof(record.target) || record.port == 0 ||
        strcmp(target, ".") == 0)
        return;
    snprintf(record.target, sizeof(record.target), "%s%s", target, target[len - 1] == '.' ? "" : ".");
    answer->records[answer->count++] = record;
}

static void end(struct asking *asking, int status, struct srv_answer *answer)
{
    asking->done(asking->arg, status == ARES_SUCCESS && !answer ? ARES_ENOMEM : status, answer);
    free(asking);
}

#if ARES_VERSION >= 0x012200

static struct srv_answer *copy_records(const ares_dns_record_t *dns)
{
    size_t count = ares_dns_record_rr_cnt(dns, ARES_SECTION_ANSWER);
    struct srv_answer *answer = answer_new(count);

    for (size_t i = 0; answer && i < count; i++) {
        const ares_dns_rr_t *rr = ares_dns_record_rr_get_const(dns, ARES_SECTION_ANSWER, i);
        const char *target;

        if (!rr || ares_dns_rr_get_type(rr) != ARES_REC_TYPE_SRV)
            continue;
        target = ares_dns_rr_get_str(rr, ARES_RR_SRV_TARGET);
        add_record(answer,
                   (struct srv_record){
                       .priority = ares_dns_rr_get_u16(rr, ARES_RR_SRV_PRIORITY),
                       .weight = ares_dns_rr_get_u16(rr, ARES_RR_SRV_WEIGHT),
                       .port = ares_dns_rr_get_u16(rr, ARES_RR_SRV_PORT),
                   },
                   target ? target : "");
    }
    return answer;
}

static void on_records(void *arg, ares_status_t status, size_t timeouts, const ares_dns_record_t *dns)
{
    (void)timeouts;
    end(arg, (int)status, status == ARES_SUCCESS && dns ? copy_records(dns) : NULL);
}

static void ask(ares_channel_t *channel, const char *name, struct asking *asking)
{
    (void)ares_query_dnsrec(channel, name, ARES_CLASS_IN, ARES_REC_TYPE_SRV, on_records, asking, NULL);
}

#else

enum { CLASS_IN = 1, TYPE_SRV = 33 };

static struct srv_answer *copy_records(const struct ares_srv_reply *first)
{
    struct srv_answer *answer;
    size_t count = 0;

    for (const struct ares_srv_reply *reply = first; reply; reply = reply->next)
        count++;
    answer = answer_new(count);
    for (const struct ares_srv_reply *reply = first; answer && reply; reply = reply->next)
        add_record(answer,
                   (struct srv_record){.priority = reply->priority, .weight = reply->weight, .port = reply->port},
                   reply->host);
    return answer;
}

static void on_packet(void *arg, int status, int timeouts, unsigned char *packet, int size)
{
    struct ares_srv_reply *replies = NULL;
    struct srv_answer *answer = NULL;

    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(packet, size, &replies);
    if (status == ARES_SUCCESS)
        answer = copy_records(replies);
    if (replies)
        ares_free_data(replies);
    end(arg, status, answer);
}

static void ask(ares_channel_t *channel, const char *name, struct asking *asking)
{
    ares_query(channel, name, CLASS_IN, TYPE_SRV, on_packet, asking);
}

#endif

bool cares_srv_ask(ares_channel_t *channel, const char *name, cares_srv_done *done, void *arg)
{
    struct asking *asking = malloc(sizeof(*asking));

    if (!asking)
        return false;
    *asking = (struct asking){done, arg};
    ask(channel, name, asking);
    return true;
}
