/*
 * query.c - one reading statement on a state file, with all it says as text.
 */
#include "store/reader.h"
#include "store/store.h"

struct question {
    store_row_fn fn;
    void *arg;
};

static void on_row(void *arg, size_t columns, const struct store_cell *cells)
{
    const struct question *q = arg;
    const char **names = check_alloc((columns + 1) * 2 * sizeof(*names));
    const char **values = names + columns + 1;
    for (size_t i = 0; i < columns; i++) {
        names[i] = cells[i].name;
        values[i] = cells[i].text;
    }
    q->fn(q->arg, columns, names, values);
    free(names);
}

int store_query_file(const char *path, const char *sql, store_row_fn fn, void *arg, struct err *err)
{
    struct question q = {fn, arg};
    struct store_reader *reader;
    if (store_reader_open(path, &reader, err) != 0)
        return -1;
    int result = store_reader_ask(reader, sql, NULL, on_row, &q, err);
    store_reader_close(reader);
    return result;
}
