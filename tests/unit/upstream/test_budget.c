/* test_budget.c: the grades of pressure. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/budget.h"

#define SEC UINT64_C(1000000000)

TEST(descriptors_are_graded)
{
    static const struct {
        uint64_t limit, open;
        int64_t sockets; /* more than at the start */
        enum pressure pressure;
    } rows[] = {
        {0, 20, 100000, PRESSURE_NONE}, /* no limit known */
        {108, 20, 0, PRESSURE_NONE},    /* 100 without the reserve of 8 */
        {108, 20, 59, PRESSURE_NONE},
        {108, 20, 60, PRESSURE_WARN},
        {108, 20, 69, PRESSURE_WARN},
        {108, 20, 70, PRESSURE_STRETCH},
        {108, 20, 79, PRESSURE_STRETCH},
        {108, 20, 80, PRESSURE_SHED},
        {108, 20, 90, PRESSURE_SHED},
        {1048576, 20, 1048576 - 256 - 21, PRESSURE_STRETCH},
        {1048576, 20, 1048576 - 256 - 20, PRESSURE_SHED},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct budget budget = {.sockets = 3};

        budget_limit(&budget, rows[i].limit, rows[i].open, 0);
        CHECK_EQ(budget_files_used(&budget), rows[i].open);
        budget.sockets += rows[i].sockets;
        CHECK_EQ(budget_files(&budget, SEC), rows[i].pressure);
    }
}

TEST(ports_are_graded_for_each_host)
{
    static const struct {
        uint64_t ports;
        uint32_t open;
        enum pressure pressure;
    } rows[] = {
        {0, 1000000, PRESSURE_NONE}, {200, 139, PRESSURE_NONE},    {200, 140, PRESSURE_WARN},
        {200, 169, PRESSURE_WARN},   {200, 170, PRESSURE_STRETCH}, {200, 189, PRESSURE_STRETCH},
        {200, 190, PRESSURE_SHED},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct port_budget ports = {0};
        struct budget budget = {0};

        budget_limit(&budget, 0, 0, rows[i].ports);
        CHECK_EQ(budget_ports(&budget, &ports, rows[i].open, SEC), rows[i].pressure);
    }
}

TEST(a_refusal_of_the_system_is_believed_for_a_moment)
{
    struct port_budget ports = {0};
    struct budget budget = {0};

    budget_port_refused(&ports, SEC);
    budget_files_refused(&budget, SEC);
    CHECK_EQ(budget_ports(&budget, &ports, 0, SEC), PRESSURE_SHED);
    CHECK_EQ(budget_files(&budget, SEC), PRESSURE_SHED);
    CHECK_EQ(budget_ports(&budget, &ports, 0, SEC + BUDGET_REFUSED_NS), PRESSURE_NONE);
    CHECK_EQ(budget_files(&budget, SEC + BUDGET_REFUSED_NS), PRESSURE_NONE);
}

TEST(pressure_is_told_once)
{
    _Atomic bool told = false;

    CHECK(!budget_is_news(&told, PRESSURE_NONE));
    CHECK(budget_is_news(&told, PRESSURE_WARN));
    CHECK(!budget_is_news(&told, PRESSURE_SHED));
    CHECK(!budget_is_news(&told, PRESSURE_NONE));
    CHECK(budget_is_news(&told, PRESSURE_STRETCH));
}
