/* test_recent.c: the last rows, the latest first. SPDX-License-Identifier: Apache-2.0 */
#include "base/recent.h"
#include "harness/test.h"

enum { ROWS = 4 };

/* No power of two, so that a row in the wrong place shows. */
struct row {
    uint32_t id, twice, more;
};

static const struct recent_shape shape = {.row_bytes = sizeof(struct row), .rows_max = ROWS};

static struct row *note(struct recent *recent, uint32_t id)
{
    return recent_note(recent, &shape, &(struct row){.id = id, .twice = 2 * id, .more = 7});
}

/* The ids as digits, the latest first. */
static void check_rows(const struct recent *recent, const char *expected)
{
    struct row rows[ROWS];
    size_t count = recent_read(recent, &shape, rows, ROWS);

    test_case_is("%s", expected);
    CHECK_EQ(count, strlen(expected));
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(rows[i].id, expected[i] - '0');
        CHECK_EQ(rows[i].twice, 2 * rows[i].id);
        CHECK_EQ(rows[i].more, 7);
    }
}

TEST(the_latest_row_is_first_and_the_oldest_goes)
{
    static const char *const expected[] = {"", "1", "21", "321", "4321", "5432", "6543", "7654", "8765", "9876"};
    struct recent recent = {0};

    for (uint32_t i = 0; i < COUNT_OF(expected); i++) {
        if (i > 0)
            CHECK(note(&recent, i) != NULL);
        check_rows(&recent, expected[i]);
    }
    recent_clear(&recent);
    check_rows(&recent, "");
    note(&recent, 3);
    check_rows(&recent, "3");
    recent_clear(&recent);
}

TEST(no_more_rows_are_read_than_there_is_room_for)
{
    struct row rows[ROWS] = {[2] = {.id = 99}};
    struct recent recent = {0};

    CHECK_EQ(recent_read(&recent, &shape, rows, 2), 0);
    for (uint32_t i = 1; i <= 6; i++)
        note(&recent, i);
    CHECK_EQ(recent_read(&recent, &shape, rows, 2), 2);
    CHECK_EQ(rows[0].id, 6);
    CHECK_EQ(rows[1].id, 5);
    CHECK_EQ(rows[2].id, 99);
    CHECK_EQ(recent_read(&recent, &shape, rows, 0), 0);
    recent_clear(&recent);
}

TEST(what_is_kept_can_be_changed)
{
    struct recent recent = {0};
    struct row row;

    note(&recent, 1)->id = 8;
    CHECK_EQ(recent_read(&recent, &shape, &row, 1), 1);
    CHECK_EQ(row.id, 8);
    recent_clear(&recent);
}

static bool is_named(const void *row, const void *arg)
{
    return strchr(arg, (int)('0' + ((const struct row *)row)->id)) != NULL;
}

/* At each place where the circle may begin. */
TEST(rows_are_dropped_wherever_they_stand)
{
    static const struct {
        uint32_t noted; /* 1, 2, 3 ... */
        const char *dropped, *left, *with_one_more;
    } cases[] = {
        {0, "1", "", "9"},       {2, "", "21", "921"},    {2, "1", "2", "92"},     {2, "2", "1", "91"},
        {2, "12", "", "9"},      {4, "2", "431", "9431"}, {4, "13", "42", "942"},  {5, "", "5432", "9543"},
        {5, "2", "543", "9543"}, {5, "5", "432", "9432"}, {6, "45", "63", "963"},  {7, "4567", "", "9"},
        {7, "46", "75", "975"},  {8, "567", "8", "98"},   {8, "8", "765", "9765"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct recent recent = {0};

        for (uint32_t id = 1; id <= cases[i].noted; id++)
            note(&recent, id);
        recent_drop(&recent, &shape, is_named, cases[i].dropped);
        check_rows(&recent, cases[i].left);
        note(&recent, 9);
        check_rows(&recent, cases[i].with_one_more);
        recent_clear(&recent);
    }
}

static void note_two(void *arg)
{
    struct recent recent = {0};
    struct row row;
    bool first = note(&recent, 1) != NULL, second = note(&recent, 2) != NULL;

    (void)arg;
    CHECK_EQ(recent_read(&recent, &shape, &row, 1), first || second ? 1 : 0);
    if (second)
        CHECK_EQ(row.id, 2);
    recent_clear(&recent);
}

TEST(without_memory_rows_are_forgotten)
{
    test_every_allocation_fails(note_two, NULL);
}
