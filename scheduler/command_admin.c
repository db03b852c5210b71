/*
 * command_admin.c - the commands that ask a running sluice over its socket: pause, resume, drain, retry,
 * discard.
 *
 * One request, one answer; `drain --wait` reads on until the service says that nothing is left. What is meant
 * by a command, and its sentence, come from the service (admin.c).
 */
#include "admin_client.h"
#include "commands.h"
#include "terminal.h"

#include "api/admin_socket.h"
#include "api/json.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A turn of the loop takes milliseconds; a stopped process takes for ever. */
#define ANSWER_CLOCK_MS 10000

static int fail(const char *sentence)
{
    fprintf(stderr, "sluice: %s\n", sentence);
    return EXIT_FAILED;
}

/* A sentence of the service: it may hold a run's name, which may be anything. */
static void say(int fd, const char *before, const char *sentence, FILE *out)
{
    struct terminal terminal = terminal_look(fd, TERMINAL_COLOR_NEVER, false);
    char *AUTO_FREE whole = check_printf("%s%s", before, sentence);
    char *AUTO_FREE text = terminal_say(&terminal, whole);
    fputs(text, out);
}

static char *write_request(const struct options *options)
{
    struct json *o = json_new_object();
    json_set_text(o, "command", options_command_name(options->command));
    if (options->run != NULL)
        json_set_text(o, "run", options->run);
    if (options->wait)
        json_set_bool(o, "wait", true);
    char *AUTO_FREE text = json_write(o);
    json_free(o);
    return check_printf("%s\n", text);
}

/* Prints an answer; *is_last: no further one is of interest. */
static int print_answer(const struct options *options, const char *line, FILE *out, bool *is_last)
{
    struct json *answer;
    struct err err;
    *is_last = true;
    if (json_parse(line, strlen(line), &answer, &err) != 0)
        return fail("an answer that can't be read: is it another version that runs?");
    bool is_fine = json_get_bool(answer, "ok", false);
    if (options->json)
        fprintf(out, "%s\n", line);
    else if (is_fine)
        say(STDOUT_FILENO, "", json_get_text(answer, "said", "done"), out);
    if (!is_fine && !options->json)
        say(STDERR_FILENO, "sluice: ", json_get_text(answer, "error", "failed"), stderr);
    fflush(out);
    *is_last = !is_fine || !options->wait || json_get(answer, "drained") != NULL;
    json_free(answer);
    return is_fine ? EXIT_FINE : EXIT_FAILED;
}

static int converse(const struct options *options, int fd, FILE *out)
{
    char *AUTO_FREE request = write_request(options);
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        return fail("the running sluice does not listen");
    struct buf from;
    buf_init(&from, (size_t)64 * 1024);
    int code = EXIT_FINE;
    int clock_ms = ANSWER_CLOCK_MS;
    for (bool is_last = false; !is_last;) {
        char *AUTO_FREE line = admin_client_read_line(fd, &from, clock_ms);
        if (line != NULL)
            code = print_answer(options, line, out, &is_last);
        else if (clock_ms < 0)
            code = fail("sluice ended before it was drained; the next start takes over what is left");
        else
            code = fail("the running sluice does not answer; its log tells more");
        is_last = is_last || line == NULL;
        clock_ms = -1;
    }
    buf_done(&from);
    return code;
}

int command_admin(const struct options *options, FILE *out)
{
    int code;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    char *AUTO_FREE path = admin_socket_path(config->state_path);
    int fd = admin_socket_connect(path);
    if (fd < 0) {
        fprintf(stderr,
                "sluice: no running sluice is found at %s: %s; is it started, by the same user, with this "
                "state file?\n",
                path, strerror(errno));
        code = EXIT_FAILED;
    } else {
        code = converse(options, fd, out);
        close(fd);
    }
    config_free(config);
    return code;
}
