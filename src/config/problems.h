/* problems.h: the numbers of problems as constants: PROBLEM_UNKNOWN_KEY. The list is problems.def.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_PROBLEMS_H
#define HOLDFAST_CONFIG_PROBLEMS_H

enum problem_code {
#define PROBLEM(number, name, meaning) PROBLEM_##name = (number),
#include "config/problems.def"
#undef PROBLEM
};

#endif
