/*
 * config_problems.c - the list of mistakes, and the memory a configuration lives in.
 *
 * A sentence is kept once: DOCKER_CLIENT_TIMEOUT sets two dozen keys, and its mistake is one mistake. After
 * CONFIG_MAX_PROBLEMS a last line says that there are more, so that a file of another kind (a picture, a
 * log) doesn't fill the terminal.
 */
#include "config_internal.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

struct config_arena_block {
    struct config_arena_block *next;
    _Alignas(max_align_t) char bytes[];
};

void *config_arena_alloc(struct config_arena *arena, size_t size_bytes)
{
    struct config_arena_block *block = check_alloc(sizeof(*block) + size_bytes);
    memset(block->bytes, 0, size_bytes);
    block->next = arena->head;
    arena->head = block;
    return block->bytes;
}

char *config_arena_copy(struct config_arena *arena, const char *text, size_t len)
{
    char *copy = config_arena_alloc(arena, len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *config_arena_printf(struct config_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *AUTO_FREE text = check_vprintf(fmt, args);
    va_end(args);
    return config_arena_copy(arena, text, strlen(text));
}

void config_arena_done(struct config_arena *arena)
{
    while (arena->head != NULL) {
        struct config_arena_block *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
}

/* Takes text over. */
static void take_problem(struct config_problems *problems, char *text)
{
    struct config_problem *items = check_realloc(problems->items, (problems->count + 1) * sizeof(*items));
    items[problems->count].text = text;
    problems->items = items;
    problems->count++;
}

void config_problem(struct config_problems *problems, const char *fmt, ...)
{
    if (problems->count > CONFIG_MAX_PROBLEMS)
        return;
    va_list args;
    va_start(args, fmt);
    char *AUTO_FREE text = check_vprintf(fmt, args);
    va_end(args);
    for (size_t i = 0; i < problems->count; i++)
        if (strcmp(problems->items[i].text, text) == 0)
            return;
    if (problems->count == CONFIG_MAX_PROBLEMS)
        take_problem(problems,
                     check_printf("more than %d mistakes; the rest is not shown", CONFIG_MAX_PROBLEMS));
    else
        take_problem(problems, STEAL(text));
}

/* The line a sentence is about; those of other sources come last. */
static long line_of(const char *text, const char *path)
{
    size_t len = strlen(path);
    bool is_in_file = len > 0 && strncmp(text, path, len) == 0 && text[len] == ':';
    return is_in_file ? strtol(text + len + 1, NULL, 10) : LONG_MAX;
}

void config_problems_sort(struct config_problems *problems, const char *path)
{
    for (size_t i = 1; i < problems->count; i++) {
        struct config_problem moved = problems->items[i];
        size_t place = i;
        for (; place > 0 && line_of(problems->items[place - 1].text, path) > line_of(moved.text, path);
             place--)
            problems->items[place] = problems->items[place - 1];
        problems->items[place] = moved;
    }
}

void config_problems_done(struct config_problems *problems)
{
    if (problems == NULL)
        return;
    for (size_t i = 0; i < problems->count; i++)
        free(problems->items[i].text);
    free(problems->items);
    *problems = (struct config_problems){NULL, 0};
}
