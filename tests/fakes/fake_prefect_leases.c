/*
 * fake_prefect_leases.c - slots of a deployment's concurrency limit and the leases on them.
 *
 * As a 3.8.8 server keeps them: a claim takes a slot and a lease; whoever doesn't renew in time loses both; a
 * run that leaves PENDING, RUNNING and CANCELLING gives its slot back, and if its lease is gone by then the
 * count is lowered blindly, though the slot is another's. A deleted run gives its slot back and leaves its
 * lease behind. A run that is RUNNING counts as one whose container renews.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

enum { DURATION_MIN_S = 60, DURATION_MAX_S = 86400, GRACE_S = 300 };

static void give_back(struct fake_prefect *fake, const char *deployment_id)
{
    struct fake_deployment *deployment = fake_find_deployment(fake, deployment_id);
    if (deployment != NULL && deployment->active_slots > 0)
        deployment->active_slots--;
}

static void revoke(struct fake_prefect *fake, size_t index)
{
    free(fake->leases.items[index]);
    fake_array_remove(&fake->leases, index);
}

static bool is_renewed_by_its_container(const struct fake_prefect *fake, const struct fake_lease *lease)
{
    const struct fake_run *run = fake_find_run(fake, lease->run_id);
    return run != NULL && fake_present_state(run)->type == PREFECT_STATE_RUNNING;
}

void fake_expire_leases(struct fake_prefect *fake)
{
    for (size_t i = fake->leases.count; i > 0; i--) {
        const struct fake_lease *lease = fake->leases.items[i - 1];
        if (lease->expires_ms > fake_now_ms(fake) || is_renewed_by_its_container(fake, lease))
            continue;
        give_back(fake, lease->deployment_id);
        revoke(fake, i - 1);
    }
}

static int64_t grace_ms(const struct fake_deployment *deployment)
{
    return 1000 * (deployment->grace_s > 0 ? deployment->grace_s : GRACE_S);
}

bool fake_take_slot(struct fake_prefect *fake, struct fake_deployment *deployment, const char *run_id,
                    char lease_id[static UUID_TEXT_SIZE])
{
    fake_expire_leases(fake);
    if (deployment->active_slots >= deployment->limit)
        return false;
    struct fake_lease *lease = check_alloc(sizeof(*lease));
    deployment->active_slots++;
    lease->expires_ms = fake_now_ms(fake) + grace_ms(deployment);
    fake_make_id(fake, lease->id);
    snprintf(lease->deployment_id, sizeof(lease->deployment_id), "%s", deployment->id);
    snprintf(lease->run_id, sizeof(lease->run_id), "%s", run_id);
    fake_array_add(&fake->leases, lease);
    snprintf(lease_id, UUID_TEXT_SIZE, "%s", lease->id);
    return true;
}

static struct fake_lease *find(struct fake_prefect *fake, const char *lease_id)
{
    fake_expire_leases(fake);
    for (size_t i = 0; i < fake->leases.count; i++) {
        struct fake_lease *lease = fake->leases.items[i];
        if (strcmp(lease->id, lease_id) == 0)
            return lease;
    }
    return NULL;
}

bool fake_renew_at_running(struct fake_prefect *fake, const struct fake_deployment *deployment,
                           const char *lease_id)
{
    struct fake_lease *lease = find(fake, lease_id);
    if (lease != NULL)
        lease->expires_ms = fake_now_ms(fake) + grace_ms(deployment);
    return lease != NULL;
}

void fake_release_slot(struct fake_prefect *fake, const char *deployment_id, const char *lease_id)
{
    const struct fake_lease *lease = lease_id == NULL ? NULL : find(fake, lease_id);
    give_back(fake, deployment_id);
    for (size_t i = 0; lease != NULL && i < fake->leases.count; i++) {
        if (fake->leases.items[i] == lease) {
            revoke(fake, i);
            return;
        }
    }
}

/* POST /v2/concurrency_limits/leases/ID/renew */
void fake_handle_renew_lease(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    int64_t duration_s = json_get_int(call->body, "lease_duration", GRACE_S);
    if (duration_s < DURATION_MIN_S || duration_s > DURATION_MAX_S) {
        fake_answer_invalid(answer, "lease_duration", "Input should be within 60 and 86400");
        return;
    }
    if (strlen(call->parts[3]) != UUID_TEXT_SIZE - 1) {
        fake_answer_invalid(answer, "lease_id", "Input should be a valid UUID");
        return;
    }
    struct fake_lease *lease = find(fake, call->parts[3]);
    if (lease == NULL) {
        fake_answer_detail(answer, 410, "Lease not found - it may have expired or been revoked");
        return;
    }
    lease->expires_ms = fake_now_ms(fake) + 1000 * duration_s;
    answer->status = 204;
}

int64_t fake_prefect_slots(struct fake_prefect *fake, const char *deployment_id)
{
    fake_expire_leases(fake);
    const struct fake_deployment *deployment = fake_find_deployment(fake, deployment_id);
    return deployment == NULL ? -1 : deployment->active_slots;
}

void fake_prefect_lose_leases(struct fake_prefect *fake)
{
    while (fake->leases.count > 0)
        revoke(fake, fake->leases.count - 1);
}
