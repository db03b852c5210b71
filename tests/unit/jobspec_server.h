/*
 * jobspec_server.h - a server for the renderer's questions: answers come from a JSON object.
 *
 *     {"blocks": {"TYPE/NAME": DATA}, "ids": {"UUID": DATA}, "variables": {"NAME": VALUE},
 *      "flow_run": OBJECT, "flow": OBJECT, "secret_fields": [PATH of every block's data, ...]}
 */
#ifndef SLUICE_TESTS_UNIT_JOBSPEC_SERVER_H
#define SLUICE_TESTS_UNIT_JOBSPEC_SERVER_H

#include "api/jobspec.h"
#include "api/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct jobspec_server {
    const struct json *world; /* borrowed; NULL: it has nothing */
    int rounds;               /* of questions, in the last rendering */
    struct jobspec_answer *answers;
    size_t answer_count;
};

/* jobspec_server_render - render, answer, and render again until there is no question. Fails the test when
 * something is asked twice, or more than three times in a row. */
int jobspec_server_render(struct jobspec_server *server, struct jobspec_input *input, struct jobspec *out,
                          struct err *err);
/* Was this asked in the last rendering? "KIND TYPE NAME", with the kinds id, block, variable, run, flow. */
bool jobspec_server_was_asked(const struct jobspec_server *server, const char *question);
void jobspec_server_done(struct jobspec_server *server);

#endif
