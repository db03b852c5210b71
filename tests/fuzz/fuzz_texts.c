/*
 * fuzz_texts.c - short texts that people write: image references, volumes, names, command lines, sizes,
 * addresses, times, globs. Every input goes to every reader: a minute of this is a minute of each.
 *
 * Images: the parts make up the whole, and all who look for registry and tag agree. Volumes: what came out
 * goes in again and comes out unchanged. Names: legal, and their own slug. Commands: words that are quoted
 * and joined split into the same words. Sizes, addresses, times: what was read is what is written.
 */
#include "fuzz.h"

#include "api/engine_internal.h"
#include "api/engine_read.h"
#include "api/http.h"
#include "api/jobspec_internal.h"
#include "core/match.h"
#include "core/registry.h"

#include <stdio.h>

#define YEAR_10000_MS 253402300800000

/* --- images --- */

static void check_image(const char *image)
{
    char *AUTO_FREE repository = NULL;
    char *AUTO_FREE tag = NULL;
    engine_split_image(image, &repository, &tag);
    size_t front = strlen(repository);
    CHECK(fuzz_starts_with(image, repository));
    const char *rest = image + front;
    bool is_bare = rest[0] == '\0' && strcmp(tag, "latest") == 0;
    CHECK(is_bare || rest[0] == ':' || rest[0] == '@');
    CHECK(is_bare || strcmp(image + strlen(image) - strlen(tag), tag) == 0);
    const char *found = jobspec_image_tag(image);
    CHECK(found[0] != '\0');
    /* What stands behind the registry has no colon but the tag's: then all agree. */
    const char *slash = strchr(image, '/');
    const char *path = slash == NULL ? image : slash + 1;
    const char *colon = strchr(path, ':');
    if (strchr(image, '@') == NULL && (colon == NULL || strpbrk(colon + 1, ":/") == NULL) && tag[0] != '\0')
        CHECK(strcmp(found, tag) == 0);
    char host[REGISTRY_SIZE];
    registry_of(image, host);
    CHECK(host[0] != '\0' && strchr(host, '/') == NULL);
    CHECK(strcmp(host, "docker.io") == 0 || fuzz_starts_with(image, host));
}

/* --- volumes --- */

static void check_volume(const char *text)
{
    char *AUTO_FREE bind = NULL;
    char *AUTO_FREE path = NULL;
    struct err err = {.msg = ""};
    if (jobspec_volume_resolve(text, "/srv/worker", &bind, &path, &err) != 0) {
        CHECK(err.kind == ERR_INVALID && err.msg[0] != '\0');
        return;
    }
    CHECK(path[0] != '\0' && strstr(bind, path) != NULL);
    CHECK(bind[0] != '.' && bind[0] != '~' && bind[0] != '$' && bind[0] != ':');
    char *AUTO_FREE bind_again = NULL;
    char *AUTO_FREE path_again = NULL;
    CHECK(jobspec_volume_resolve(bind, "/elsewhere", &bind_again, &path_again, &err) == 0);
    CHECK(strcmp(bind, bind_again) == 0 && strcmp(path, path_again) == 0);
}

/* --- names --- */

static void check_slug(const char *text)
{
    char *AUTO_FREE slug = jobspec_slug(text);
    CHECK(slug[0] == '\0' || (engine_is_container_name(slug) && strlen(slug) <= JOBSPEC_NAME_MAX));
    char *AUTO_FREE again = jobspec_slug(slug);
    CHECK(strcmp(slug, again) == 0);
}

/* --- commands --- */

typedef void (*quote_fn)(struct buf *out, const char *word);

static void add(struct buf *out, const char *text, size_t len)
{
    struct err err;
    CHECK(buf_add(out, text, len, &err) == 0);
}

/* Single quotes take everything but themselves. */
static void quote_singly(struct buf *out, const char *word)
{
    add(out, "'", 1);
    for (const char *c = word; *c != '\0'; c++)
        add(out, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1);
    add(out, "'", 1);
}

/* In double quotes a backslash stands for itself, unless something follows that it would escape. */
static void quote_doubly(struct buf *out, const char *word)
{
    add(out, "\"", 1);
    for (const char *c = word; *c != '\0'; c++) {
        bool escapes = *c == '\\' && (c[1] == '\\' || c[1] == '"' || c[1] == '\0');
        if (*c == '"' || escapes)
            add(out, "\\", 1);
        add(out, c, 1);
    }
    add(out, "\"", 1);
}

static void quote_each_character(struct buf *out, const char *word)
{
    if (word[0] == '\0')
        add(out, "''", 2);
    for (const char *c = word; *c != '\0'; c++) {
        add(out, "\\", 1);
        add(out, c, 1);
    }
}

/* Quoted and joined they split into the same words. */
static void check_words(char *const *words, quote_fn quote)
{
    char **again = NULL;
    struct err err = {.msg = ""};
    struct buf joined;
    buf_init(&joined, SIZE_MAX / 4);
    for (size_t i = 0; words[i] != NULL; i++) {
        add(&joined, " \t", i % 2 + 1);
        quote(&joined, words[i]);
    }
    CHECK(jobspec_split_command(buf_text(&joined), &again, &err) == 0);
    size_t i = 0;
    for (; words[i] != NULL; i++)
        CHECK(again[i] != NULL && strcmp(words[i], again[i]) == 0);
    CHECK(again[i] == NULL);
    jobspec_free_list(again);
    buf_done(&joined);
}

static void check_command(const char *text)
{
    char **words = NULL;
    struct err err = {.msg = ""};
    if (jobspec_split_command(text, &words, &err) != 0) {
        CHECK(err.kind == ERR_PARSE && strpbrk(text, "'\"\\") != NULL);
        return;
    }
    check_words(words, quote_singly);
    check_words(words, quote_doubly);
    check_words(words, quote_each_character);
    jobspec_free_list(words);
}

/* --- the rest --- */

static void check_size(const char *text)
{
    struct err err = {.msg = ""};
    long long bytes = 0;
    long long again = 0;
    char number[32];
    if (jobspec_parse_size(text, &bytes, &err) != 0) {
        CHECK(err.kind == ERR_INVALID && err.msg[0] != '\0');
        return;
    }
    /* Above this a number read as a double need not be itself. */
    if (bytes > (1LL << 53) || bytes < -(1LL << 53))
        return;
    snprintf(number, sizeof(number), "%lld", bytes);
    CHECK(jobspec_parse_size(number, &again, &err) == 0 && again == bytes);
}

static void check_address(const char *text, bool is_tls)
{
    struct engine_target target = {0};
    struct engine_target again = {0};
    struct err err = {.msg = ""};
    if (engine_target_parse(text, is_tls, &target, &err) != 0) {
        CHECK(err.kind == ERR_INVALID && err.msg[0] != '\0');
        return;
    }
    const char *same = target.unix_socket != NULL ? target.for_people : target.url;
    CHECK(engine_target_parse(same, fuzz_starts_with(target.url, "https://"), &again, &err) == 0);
    CHECK(strcmp(target.url, again.url) == 0 && strcmp(target.pid_base, again.pid_base) == 0);
    CHECK(!is_tls || target.unix_socket != NULL || fuzz_starts_with(target.url, "https://"));
    engine_target_done(&target);
    engine_target_done(&again);
}

static void check_time(const char *text)
{
    struct err err = {.msg = ""};
    int64_t wall_ms = 0;
    int64_t again_ms = 0;
    /* An offset may lead out of the years that are read. */
    if (clock_parse(text, &wall_ms, &err) == 0 && wall_ms >= 0 && wall_ms < YEAR_10000_MS) {
        char written[CLOCK_TEXT_SIZE];
        clock_format(wall_ms, written);
        CHECK(clock_parse(written, &again_ms, &err) == 0 && again_ms == wall_ms);
    }
    char *AUTO_FREE utc = jobspec_utc_time(text);
    CHECK(utc != NULL);
    int64_t wait_ms = http_retry_after_ms(text, 1700000000000);
    CHECK(wait_ms >= -1 && wait_ms <= 3600000);
}

static void check_rest(const char *text)
{
    char *AUTO_FREE escaped = http_escape(text);
    CHECK(strpbrk(escaped, "/?#& \r\n") == NULL && strlen(escaped) >= strlen(text));
    CHECK(match_glob("*", text) && match_glob(text, text) >= (strpbrk(text, "[\\") == NULL));
    struct jobspec_placeholder found;
    for (size_t at = 0; jobspec_find_placeholder(text, at, &found); at = found.end) {
        CHECK(found.start >= at && found.end >= found.start + 5 && found.end <= strlen(text));
        CHECK(found.name[0] != '\0');
        free(found.name);
    }
    struct registry_limit limit;
    CHECK(registry_limit_parse(text, true, &limit) != NULL || limit.value >= 1);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    char *AUTO_FREE text = fuzz_text(data, len);
    check_image(text);
    check_volume(text);
    check_slug(text);
    check_command(text);
    check_size(text);
    check_address(text, false);
    check_address(text, true);
    check_time(text);
    check_rest(text);
    return 0;
}
