/*
 * fuzz_config.c - any bytes as a configuration file: every one is read or refused with sentences that name a
 * line, what was read can be printed, and differs in nothing from itself.
 */
#include "config.h"

#include "base/check.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

static void on_change(void *arg, const char *line)
{
    (void)arg;
    (void)line;
    CHECK(false);
}

static void check_loaded(const struct config *config, const struct config_problems *problems,
                         const char *path)
{
    for (size_t i = 0; i < problems->count; i++) {
        bool names_a_line = strncmp(problems->items[i].text, path, strlen(path)) == 0;
        CHECK(names_a_line || strncmp(problems->items[i].text, "more than ", 10) == 0);
    }
    char *text = NULL;
    size_t text_len = 0;
    FILE *out = open_memstream(&text, &text_len);
    CHECK(out != NULL);
    config_print(config, out, true);
    config_print(config, out, false);
    fclose(out);
    free(text);
    config_describe_changes(config, config, on_change, NULL);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    int file = memfd_create("configuration", MFD_CLOEXEC);
    CHECK(file >= 0);
    CHECK(write(file, data, len) == (ssize_t)len);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    char *nothing[] = {NULL};
    const struct config_sources sources = {
        .file = path, .environ = nothing, .hostname = "h", .is_root = true};
    struct config *config = NULL;
    struct config_problems problems = {NULL, 0};
    struct err err;
    if (config_load(&sources, &config, &problems, &err) == 0)
        check_loaded(config, &problems, path);
    else
        CHECK(err.kind == ERR_LIMIT);
    config_problems_done(&problems);
    config_free(config);
    close(file);
    return 0;
}
