#include "commands.h"

#include "api/jobspec.h"
#include "api/json.h"
#include "api/prefect.h"
#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static int load(const struct options *options, struct config **config, struct config_problems *problems,
                struct err *err)
{
    char host[256] = "localhost";
    if (gethostname(host, sizeof(host) - 1) != 0)
        snprintf(host, sizeof(host), "localhost");
    char *cwd = getcwd(NULL, 0);
    const struct passwd *user = getenv("HOME") == NULL ? getpwuid(geteuid()) : NULL;
    struct config_sources sources = {.file = options->config_file,
                                     .flags = options->flags,
                                     .environ = environ,
                                     .profile = options->profile,
                                     .working_directory = cwd == NULL ? "/" : cwd,
                                     .hostname = host,
                                     .home = user == NULL ? NULL : user->pw_dir,
                                     .is_root = geteuid() == 0};
    int rc = config_load(&sources, config, problems, err);
    free(cwd);
    return rc;
}

/* As load(), with what goes wrong and what people should know on stderr. */
static int load_aloud(const struct options *options, struct config **config, struct config_problems *problems)
{
    struct err err;
    int rc = load(options, config, problems, &err);
    if (rc != 0)
        fprintf(stderr, "sluice: %s\n", err.msg);
    else if ((*config)->notice != NULL)
        fprintf(stderr, "sluice: %s\n", (*config)->notice);
    return rc;
}

static void print_problems(const struct config_problems *problems, FILE *out)
{
    for (size_t i = 0; i < problems->count; i++)
        fprintf(out, "%s\n", problems->items[i].text);
}

struct config *commands_load_config(const struct options *options)
{
    struct config *config;
    struct config_problems problems = {0};
    if (load_aloud(options, &config, &problems) != 0)
        return NULL;
    print_problems(&problems, stderr);
    if (problems.count > 0) {
        config_free(config);
        config = NULL;
    }
    config_problems_done(&problems);
    return config;
}

struct config *commands_read_config(const struct options *options,
                                    void (*tell)(void *arg, bool is_mistake, const char *text), void *arg)
{
    struct config *config;
    struct config_problems problems = {0};
    struct err err;
    if (load(options, &config, &problems, &err) != 0) {
        tell(arg, true, err.msg);
        return NULL;
    }
    if (config->notice != NULL)
        tell(arg, false, config->notice);
    for (size_t i = 0; i < problems.count; i++)
        tell(arg, true, problems.items[i].text);
    if (problems.count > 0) {
        config_free(config);
        config = NULL;
    }
    config_problems_done(&problems);
    return config;
}

static int read_file(const char *path, struct buf *text, struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_sys(err, errno, "can't be read");
    char piece[4096];
    size_t n;
    int rc = 0;
    errno = 0;
    while (rc == 0 && (n = fread(piece, 1, sizeof(piece), f)) > 0)
        rc = buf_add(text, piece, n, err);
    if (rc == 0 && ferror(f) != 0)
        rc = err_sys(err, errno, "can't be read");
    fclose(f);
    return rc;
}

static int read_template(const char *path, struct buf *text, struct err *err)
{
    if (read_file(path, text, err) != 0)
        return -1;
    struct json *root;
    if (json_parse(buf_text(text), text->len, &root, err) != 0)
        return -1;
    bool is_object = json_kind(root) == JSON_OBJECT;
    json_free(root);
    return is_object ? 0 : err_set(err, ERR_INVALID, "not a JSON object");
}

int commands_prepare(const struct config *config, struct buf *template_json, struct err *err)
{
    const char *path = config->base_job_template_file;
    if (prefect_check_custom_headers(config->custom_headers, err) != 0)
        return -1;
    if (path == NULL)
        return buf_add_str(template_json, jobspec_default_template(), err);
    struct err why;
    if (read_template(path, template_json, &why) == 0)
        return 0;
    return err_set(err, why.kind,
                   "--base-job-template: \"%s\": %s; allowed: a file with one JSON object, as "
                   "`prefect work-pool get-default-base-job-template --type docker` writes it",
                   path, why.msg);
}

/* Prints what commands_prepare finds. */
static bool can_be_prepared(const struct config *config)
{
    struct err err;
    struct buf template_json;
    buf_init(&template_json, COMMANDS_TEMPLATE_MAX_BYTES);
    int rc = commands_prepare(config, &template_json, &err);
    if (rc != 0)
        fprintf(stderr, "%s\n", err.msg);
    buf_done(&template_json);
    return rc == 0;
}

int command_check(const struct options *options, FILE *out)
{
    struct config *config;
    struct config_problems problems = {0};
    if (load_aloud(options, &config, &problems) != 0)
        return EXIT_FAILED;
    print_problems(&problems, stderr);
    bool is_fine = problems.count == 0 && can_be_prepared(config);
    int code = is_fine ? EXIT_FINE : EXIT_FAILED;
    if (is_fine)
        fprintf(out, "%s: fine\n", options->config_file == NULL ? "configuration" : options->config_file);
    config_problems_done(&problems);
    config_free(config);
    return code;
}

int command_config(const struct options *options, FILE *out)
{
    struct config *config;
    struct config_problems problems = {0};
    if (load_aloud(options, &config, &problems) != 0)
        return EXIT_FAILED;
    config_print(config, out, options->json);
    print_problems(&problems, stderr);
    int code = problems.count > 0 ? EXIT_FAILED : EXIT_FINE;
    config_problems_done(&problems);
    config_free(config);
    return code;
}

struct config *commands_find_state(const struct options *options, int *exit_code)
{
    struct config *config = commands_load_config(options);
    if (config == NULL) {
        *exit_code = EXIT_FAILED;
        return NULL;
    }
    if (config->state_path != NULL)
        return config;
    fprintf(stderr, "sluice: which worker? give --pool (and --name), --state FILE, or [state] path\n");
    config_free(config);
    *exit_code = EXIT_WRONG_USE;
    return NULL;
}

/* ---- explain ---- */

int command_explain(const struct options *options, FILE *out)
{
    struct config *config = NULL;
    if (options->config_file != NULL && (config = commands_load_config(options)) == NULL)
        return EXIT_FAILED;
    int code = explain(&options->question, config, clock_wall_ms(&clock_system), out, stderr);
    config_free(config);
    return code;
}
