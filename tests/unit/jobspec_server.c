#include "tests/unit/jobspec_server.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 3

static const struct json *look_up(const struct json *world, const struct jobspec_question *question)
{
    char *AUTO_FREE full_name = check_printf("%s/%s", question->block_type, question->name);
    switch (question->kind) {
    case JOBSPEC_ASK_BLOCK_ID:
        return json_get(json_get(world, "ids"), question->name);
    case JOBSPEC_ASK_BLOCK:
        return json_get(json_get(world, "blocks"), full_name);
    case JOBSPEC_ASK_VARIABLE:
        return json_get(json_get(world, "variables"), question->name);
    case JOBSPEC_ASK_FLOW_RUN:
        return json_get(world, "flow_run");
    case JOBSPEC_ASK_FLOW:
        return json_get(world, "flow");
    }
    return NULL;
}

static void answer(struct jobspec_server *server, const struct jobspec_question *question)
{
    for (size_t i = 0; i < server->answer_count; i++)
        assert_false(jobspec_is_same_question(&server->answers[i].question, question));
    const struct json *value = look_up(server->world, question);
    char *text = value == NULL ? NULL : json_write(value);
    const struct json *secret = json_get(server->world, "secret_fields");
    server->answers = check_realloc(server->answers, (server->answer_count + 1) * sizeof(*server->answers));
    server->answers[server->answer_count++] =
        (struct jobspec_answer){.question = jobspec_copy_question(question),
                                .is_found = value != NULL,
                                .json = text,
                                .json_len = text == NULL ? 0 : strlen(text),
                                .secret_fields_json = secret == NULL ? NULL : json_write(secret)};
}

int jobspec_server_render(struct jobspec_server *server, struct jobspec_input *input, struct jobspec *out,
                          struct err *err)
{
    jobspec_server_done(server);
    for (;;) {
        input->answers = server->answers;
        input->answer_count = server->answer_count;
        if (jobspec_render(input, out, err) != 0)
            return -1;
        if (out->question_count == 0)
            return 0;
        assert_null(out->create_body);
        assert_true(server->rounds++ < ROUNDS_MAX);
        for (size_t i = 0; i < out->question_count; i++)
            answer(server, &out->questions[i]);
        jobspec_done(out);
    }
}

bool jobspec_server_was_asked(const struct jobspec_server *server, const char *question)
{
    static const char *const kinds[] = {
        [JOBSPEC_ASK_BLOCK_ID] = "id",  [JOBSPEC_ASK_BLOCK] = "block", [JOBSPEC_ASK_VARIABLE] = "variable",
        [JOBSPEC_ASK_FLOW_RUN] = "run", [JOBSPEC_ASK_FLOW] = "flow",
    };
    for (size_t i = 0; i < server->answer_count; i++) {
        const struct jobspec_question *asked = &server->answers[i].question;
        char *AUTO_FREE text = check_printf("%s %s %s", kinds[asked->kind], asked->block_type, asked->name);
        if (strcmp(text, question) == 0)
            return true;
    }
    return false;
}

void jobspec_server_done(struct jobspec_server *server)
{
    for (size_t i = 0; i < server->answer_count; i++) {
        jobspec_free_question(&server->answers[i].question);
        free(server->answers[i].json);
        free(server->answers[i].secret_fields_json);
    }
    free(server->answers);
    server->answers = NULL;
    server->answer_count = 0;
    server->rounds = 0;
}
