/*
 * fuzz_toml.c - any bytes as TOML: told with sound paths, or refused with a line of the text.
 */
#include "toml.h"

#include "base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

static void on_value(void *arg, const char *const *path, size_t depth, enum toml_kind kind, const char *value,
                     int line)
{
    const int *lines = arg;
    CHECK(depth >= 1 && depth <= TOML_MAX_DEPTH);
    for (size_t i = 0; i < depth; i++)
        CHECK(strlen(path[i]) <= TOML_MAX_VALUE_BYTES);
    CHECK(kind != TOML_BOOL || strcmp(value, "true") == 0 || strcmp(value, "false") == 0);
    CHECK(line >= 1 && line <= *lines);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    int lines = 1;
    for (size_t i = 0; i < len; i++)
        lines += data[i] == '\n' ? 1 : 0;
    int bad_line = 0;
    struct err err;
    if (toml_read((const char *)data, len, on_value, &lines, &bad_line, &err) != 0)
        CHECK(err.kind == ERR_PARSE && bad_line >= 1 && bad_line <= lines);
    return 0;
}
