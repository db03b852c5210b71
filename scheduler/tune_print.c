#include "tune_print.h"

#include "tune_image.h"

#include "api/json.h"
#include "base/display.h"

#include <string.h>

#define BAR_WIDTH 40

/* ---- table ---- */

static void print_cell_ms(int64_t ms, int width, FILE *out)
{
    if (ms < 0)
        fprintf(out, " %*s", width, "-");
    else
        fprintf(out, " %*lld", width, (long long)ms);
}

static const char *mark_of(const struct tune_picture *p, size_t i)
{
    if ((int)i == p->knee)
        return "  <- the knee";
    return p->rows[i].is_usable ? "" : p->rows[i].why_not;
}

static void print_table(const struct tune_picture *p, FILE *out)
{
    fputs("                                         create ms       start ms      remove ms\n"
          "in flight   starts  failed  starts/s     p50     p95     p50     p95     p50     p95\n",
          out);
    for (size_t i = 0; i < p->count; i++) {
        const struct tune_row *row = &p->rows[i];
        fprintf(out, "%9d %8d %7d %9.1f", row->in_flight, row->starts, row->failures, row->starts_per_second);
        for (int call = 0; call < TUNE_CALLS; call++) {
            print_cell_ms(row->p50_ms[call], 7, out);
            print_cell_ms(row->p95_ms[call], 7, out);
        }
        const char *mark = mark_of(p, i);
        fprintf(out, "%s%s\n", mark[0] != '\0' && mark[0] != ' ' ? "  " : "", mark);
    }
}

/* ---- bars ---- */

typedef double (*figure_fn)(const struct tune_row *row);

static double rate_of(const struct tune_row *row)
{
    return row->starts_per_second;
}

static double launch_ms_of(const struct tune_row *row)
{
    int64_t create_ms = row->p50_ms[TUNE_CREATE];
    int64_t start_ms = row->p50_ms[TUNE_START];
    return create_ms < 0 || start_ms < 0 ? 0 : (double)(create_ms + start_ms);
}

static void print_bars(const struct tune_picture *p, const char *title, figure_fn figure, int decimals,
                       bool can_draw, FILE *out)
{
    const struct display display = {.is_utf8 = can_draw};
    double largest = 0;
    for (size_t i = 0; i < p->count; i++)
        largest = figure(&p->rows[i]) > largest ? figure(&p->rows[i]) : largest;
    fprintf(out, "\n%s\n", title);
    for (size_t i = 0; i < p->count; i++) {
        double value = figure(&p->rows[i]);
        char *AUTO_FREE bar = display_bar(&display, largest > 0 ? value / largest : 0, BAR_WIDTH);
        fprintf(out, "%9d %s %.*f\n", p->rows[i].in_flight, bar, decimals, value);
    }
}

/* ---- the rest ---- */

void tune_print_config(const struct tune_report *report, FILE *out)
{
    struct tune_value values[TUNE_VALUES_MAX];
    size_t count = tune_advise(report->levels, &report->picture, &report->pulls, values);
    const char *section = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(section, values[i].section) != 0)
            fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", values[i].section);
        section = values[i].section;
        fprintf(out, "# %s\n%s = %s\n", values[i].evidence, values[i].key, values[i].value);
    }
}

static void print_pulls(const struct tune_report *r, FILE *out)
{
    if (r->pull_image == NULL || r->pulls.count == 0)
        return;
    fprintf(out, "\npull of %s: ", r->pull_image);
    if (r->pulls.was_there)
        fprintf(out, "%lld ms; the engine had it already, so only the registry was asked\n",
                (long long)r->pulls.longest_ms);
    else
        fprintf(out, "%d times, %lld ms at most; removed again\n", r->pulls.count,
                (long long)r->pulls.longest_ms);
}

static void print_head(const struct tune_report *r, FILE *out)
{
    char made[64];
    snprintf(made, sizeof(made), "made, a program of %zu bytes", tune_exit_program_size());
    fprintf(out, "engine %s (API %s) at %s; image: %s; network: %s", r->engine_version, r->api_version,
            r->engine_host, r->image == NULL ? made : r->image, r->network);
}

void tune_print(const struct tune_report *r, bool can_draw, FILE *out)
{
    struct tune_note notes[TUNE_NOTES_MAX];
    size_t count = tune_notes(&r->picture, notes);
    print_head(r, out);
    fprintf(out, "; took %.0f s\n\n", (double)r->took_ms / 1000);
    if (r->found > 0)
        fprintf(out, "Removed %d containers and images that an earlier tune had left.\n\n", r->found);
    print_table(&r->picture, out);
    print_bars(&r->picture, "starts/s", rate_of, 1, can_draw, out);
    print_bars(&r->picture, "create + start, medians, ms", launch_ms_of, 0, can_draw, out);
    print_pulls(r, out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "\n%s\n", notes[i].text);
    if (r->picture.knee < 0)
        return;
    fputs("\nFor sluice.conf; measured with nothing else to do, so look again when flows run:\n\n", out);
    tune_print_config(r, out);
}

static struct json *new_double(double value)
{
    char text[64];
    snprintf(text, sizeof(text), "%.3f", value);
    return json_new_number_text(text);
}

static struct json *json_row(const struct tune_row *row)
{
    struct json *o = json_new_object();
    json_set_int(o, "in_flight", row->in_flight);
    json_set_int(o, "starts", row->starts);
    json_set_int(o, "failures", row->failures);
    json_take_set(o, "starts_per_second", new_double(row->starts_per_second));
    for (int call = 0; call < TUNE_CALLS; call++) {
        const char *name = tune_call_name((enum tune_call)call);
        char *AUTO_FREE p50 = check_printf("%s_p50_ms", name);
        char *AUTO_FREE p95 = check_printf("%s_p95_ms", name);
        json_take_set(o, p50, row->p50_ms[call] < 0 ? json_new_null() : json_new_int(row->p50_ms[call]));
        json_take_set(o, p95, row->p95_ms[call] < 0 ? json_new_null() : json_new_int(row->p95_ms[call]));
    }
    json_set_bool(o, "usable", row->is_usable);
    return o;
}

static struct json *json_pull(const struct tune_report *r)
{
    if (r->pull_image == NULL)
        return json_new_null();
    struct json *o = json_new_object();
    json_set_text(o, "image", r->pull_image);
    json_set_int(o, "pulls", r->pulls.count);
    json_set_int(o, "longest_ms", r->pulls.longest_ms);
    json_set_bool(o, "was_there", r->pulls.was_there);
    json_set_text(o, "error", r->pull_error);
    return o;
}

static struct json *json_advice(const struct tune_report *r)
{
    struct tune_value values[TUNE_VALUES_MAX];
    size_t count = tune_advise(r->levels, &r->picture, &r->pulls, values);
    struct json *list = json_new_array();
    for (size_t i = 0; i < count; i++) {
        struct json *o = json_new_object();
        json_set_text(o, "section", values[i].section);
        json_set_text(o, "key", values[i].key);
        json_set_text(o, "value", values[i].value);
        json_set_text(o, "evidence", values[i].evidence);
        json_take_add(list, o);
    }
    return list;
}

static struct json *json_head(const struct tune_report *r)
{
    struct json *o = json_new_object();
    json_set_text(o, "engine_host", r->engine_host);
    json_set_text(o, "engine_version", r->engine_version);
    json_set_text(o, "api_version", r->api_version);
    json_set_text(o, "image", r->image);
    json_set_text(o, "network", r->network);
    json_set_text(o, "error", r->error);
    return o;
}

static void write_json(struct json *take_json, FILE *out)
{
    char *AUTO_FREE text = json_write(take_json);
    json_free(take_json);
    fprintf(out, "%s\n", text);
}

void tune_print_json(const struct tune_report *r, FILE *out)
{
    struct tune_note notes[TUNE_NOTES_MAX];
    size_t count = tune_notes(&r->picture, notes);
    struct json *o = json_head(r);
    struct json *levels = json_new_array();
    struct json *said = json_new_array();
    for (size_t i = 0; i < r->picture.count; i++)
        json_take_add(levels, json_row(&r->picture.rows[i]));
    for (size_t i = 0; i < count; i++)
        json_take_add(said, json_new_text(notes[i].text));
    json_set_int(o, "took_ms", r->took_ms);
    json_set_int(o, "found", r->found);
    json_take_set(o, "levels", levels);
    json_take_set(o, "knee",
                  r->picture.knee < 0 ? json_new_null()
                                      : json_new_int(r->picture.rows[r->picture.knee].in_flight));
    json_take_set(o, "drift", new_double(r->picture.drift));
    json_take_set(o, "scatter", new_double(r->picture.scatter));
    json_take_set(o, "pull", json_pull(r));
    json_take_set(o, "recommended", json_advice(r));
    json_take_set(o, "notes", said);
    write_json(o, out);
}

/* ---- the plan ---- */

void tune_print_plan(const struct tune_settings *s, const struct tune_report *r, FILE *out)
{
    int32_t levels[TUNE_LEVELS_MAX];
    size_t count = tune_plan(s->containers, levels);
    print_head(r, out);
    fprintf(out,
            "\n\nThis was a dry run: only the engine's version was asked. Without --dry-run:\n"
            "- containers and images with the label %s are removed, if a killed tune has left any\n",
            TUNE_LABEL);
    if (s->image == NULL)
        fputs("- an image is made of one static program that ends at once\n", out);
    else
        fprintf(out, "- the image %s, which must be on the engine, runs `true`\n", s->image);
    fprintf(out, "- up to %d containers at each of ", s->containers);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%d", i > 0 ? ", " : "", levels[i]);
    fprintf(out, " in flight are created, started and removed, %zu in all at most, in network %s\n",
            count * (size_t)s->containers + 1, s->network);
    if (s->pull != NULL)
        fprintf(out,
                "- %s is pulled: up to three times, and removed after each, if it is not there; else once\n",
                s->pull);
    fprintf(out, "- all of it is removed; this takes %lld s at most\n", (long long)(s->time_ms / 1000));
}

void tune_print_plan_json(const struct tune_settings *s, const struct tune_report *r, FILE *out)
{
    int32_t levels[TUNE_LEVELS_MAX];
    size_t count = tune_plan(s->containers, levels);
    struct json *o = json_head(r);
    struct json *list = json_new_array();
    for (size_t i = 0; i < count; i++)
        json_take_add(list, json_new_int(levels[i]));
    json_set_bool(o, "dry_run", true);
    json_take_set(o, "in_flight", list);
    json_set_int(o, "containers_per_level", s->containers);
    json_set_int(o, "time_ms", s->time_ms);
    json_set_text(o, "pull_image", s->pull);
    write_json(o, out);
}
