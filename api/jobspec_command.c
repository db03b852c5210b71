/*
 * jobspec_command.c - a command line -> words.
 *
 * Splits like Python's shlex.split, which is what docker-py does: blanks separate, single quotes keep
 * everything, double quotes and bare words know the backslash. No comments, no expansion.
 */
#include "api/jobspec_internal.h"

#include <string.h>

struct splitter {
    const char *at;
    char *word; /* room for the rest of the text */
    size_t len;
    char **list;
    size_t count;
};

static int bad_end(const char *what, struct err *err)
{
    return err_set(err, ERR_PARSE, "the command line ends %s", what);
}

/* s->at is behind the opening quote. */
static int take_quoted(struct splitter *s, char quote, struct err *err)
{
    while (*s->at != quote) {
        if (*s->at == '\0')
            return bad_end("inside a quote", err);
        if (*s->at == '\\' && quote == '"') {
            s->at++;
            if (*s->at == '\0')
                return bad_end("with a backslash", err);
            /* Elsewhere in double quotes a backslash stands for itself. */
            if (*s->at != '\\' && *s->at != '"')
                s->word[s->len++] = '\\';
        }
        s->word[s->len++] = *s->at++;
    }
    s->at++;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int take_word(struct splitter *s, struct err *err)
{
    s->len = 0;
    while (*s->at != '\0' && !is_blank(*s->at)) {
        char c = *s->at++;
        if (c == '\'' || c == '"') {
            if (take_quoted(s, c, err) != 0)
                return -1;
            continue;
        }
        if (c == '\\') {
            c = *s->at;
            if (c == '\0')
                return bad_end("with a backslash", err);
            s->at++;
        }
        s->word[s->len++] = c;
    }
    s->word[s->len] = '\0';
    s->list[s->count++] = check_strdup(s->word);
    s->list[s->count] = NULL;
    return 0;
}

/* At most this many words: each is followed by a blank or the end. */
static size_t most_words(const char *text)
{
    size_t count = 1;
    for (; *text != '\0'; text++)
        count += is_blank(*text);
    return count;
}

int jobspec_split_command(const char *text, char ***out, struct err *err)
{
    struct splitter s = {.at = text};
    char *AUTO_FREE word = check_alloc(strlen(text) + 1);
    s.word = word;
    s.list = check_alloc((most_words(text) + 1) * sizeof(*s.list));
    s.list[0] = NULL;
    for (;;) {
        while (is_blank(*s.at))
            s.at++;
        if (*s.at == '\0')
            break;
        if (take_word(&s, err) != 0) {
            jobspec_free_list(s.list);
            return -1;
        }
    }
    *out = s.list;
    return 0;
}

void jobspec_free_list(char **list)
{
    for (char **item = list; item != NULL && *item != NULL; item++)
        free(*item);
    free(list);
}
