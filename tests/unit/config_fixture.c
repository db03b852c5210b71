#include "config_fixture.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    snprintf(f->folder, sizeof(f->folder), "/tmp/sluice-config-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->start_folder = getcwd(NULL, 0);
    assert_non_null(f->start_folder);
    assert_int_equal(chdir(f->folder), 0);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    static const char *const names[] = {"c.conf",         ".env",          "prefect.toml",
                                        "pyproject.toml", "profiles.toml", "ca.pem"};
    struct fixture *f = *state;
    config_free(f->config);
    config_problems_done(&f->problems);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(names[i]);
    assert_int_equal(chdir(f->start_folder), 0);
    rmdir(f->folder);
    free(f->start_folder);
    free(f);
    return 0;
}

void fixture_write_bytes(const char *name, const void *bytes, size_t len)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

void fixture_write(const char *name, const char *text)
{
    fixture_write_bytes(name, text, strlen(text));
}

void fixture_load_file(struct fixture *f, const char *path, const char *const *environment,
                       const char *const *flags)
{
    char *strings[64] = {NULL};
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        assert_true(i + 1 < ARRAY_LEN(strings));
        strings[i] = check_strdup(environment[i]);
    }
    const struct config_sources sources = {.file = path,
                                           .flags = flags,
                                           .environ = strings,
                                           .working_directory = f->folder,
                                           .hostname = "box",
                                           .is_root = true};
    config_free(f->config);
    config_problems_done(&f->problems);
    f->config = NULL;
    f->result = config_load(&sources, &f->config, &f->problems, &f->err);
    for (size_t i = 0; strings[i] != NULL; i++)
        free(strings[i]);
}

void fixture_load(struct fixture *f, const char *text, const char *const *environment,
                  const char *const *flags)
{
    if (text != NULL)
        fixture_write("c.conf", text);
    fixture_load_file(f, text != NULL ? "c.conf" : NULL, environment, flags);
    if (f->result != 0)
        fail_msg("config_load: %s", f->err.msg);
}

void fixture_expect_problems(const struct fixture *f, const char *expected)
{
    char *AUTO_FREE found = check_strdup("");
    for (size_t i = 0; i < f->problems.count; i++) {
        char *more = check_printf("%s%s\n", found, f->problems.items[i].text);
        free(found);
        found = more;
    }
    assert_string_equal(found, expected);
}

char *fixture_print(const struct fixture *f, bool json)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(f->config, out, json);
    assert_int_equal(fclose(out), 0);
    return text;
}

const char *fixture_printed(struct fixture *f, const char *key)
{
    char *AUTO_FREE text = fixture_print(f, false);
    size_t key_len = strlen(key);
    for (const char *p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n' ? 1 : 0) {
        if (strncmp(p, key, key_len) != 0 || p[key_len] != ' ')
            continue;
        const char *value = p + key_len + strspn(p + key_len, " ");
        size_t used = 0;
        for (; *value != '\n' && *value != '\0' && used + 1 < sizeof(f->line); value++)
            if (*value != ' ' || value[1] != ' ')
                f->line[used++] = *value;
        f->line[used] = '\0';
        return f->line;
    }
    fail_msg("no line for %s in:\n%s", key, text);
    return NULL;
}

void fixture_check_texts(struct fixture *f, const struct fixture_text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fixture_load(f, texts[i].text, NULL, NULL);
        fixture_expect_problems(f, texts[i].problems);
    }
}
