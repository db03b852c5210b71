#include "tests/support/steps.h"

int64_t steps;

void __cyg_profile_func_enter(void *function, void *site); /* NOLINT(bugprone-reserved-identifier) */
void __cyg_profile_func_exit(void *function, void *site);  /* NOLINT(bugprone-reserved-identifier) */

void __cyg_profile_func_enter(void *function, void *site) /* NOLINT(bugprone-reserved-identifier) */
{
    (void)function;
    (void)site;
    steps++;
}

void __cyg_profile_func_exit(void *function, void *site) /* NOLINT(bugprone-reserved-identifier) */
{
    (void)function;
    (void)site;
}
