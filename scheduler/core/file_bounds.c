#include "core/file_bounds.h"

#define SHRINK_MIN_BYTES (INT64_C(4) << 20)
#define ROWS_FIRST 64
#define SLOW_MS 3
#define SHARE 20

void file_bounds_see(struct file_bounds *bounds, const struct file_sight *sight)
{
    int64_t used = sight->bytes - sight->free_bytes;
    int64_t max = sight->max_bytes;
    bounds->is_cutting = max > 0 && used > (bounds->is_cutting ? max / 10 * 9 : max);
    bool is_much = sight->free_bytes > sight->bytes / 4 && sight->free_bytes > SHRINK_MIN_BYTES;
    bool is_enough = sight->free_bytes <= sight->bytes / 8;
    bool is_over = max > 0 && sight->bytes > max && sight->free_bytes > 0;
    bounds->is_shrinking = sight->can_shrink && (is_over || is_much || (bounds->is_shrinking && !is_enough));
}

int64_t file_bounds_rows(int64_t rows, int64_t took_ms)
{
    if (rows == 0)
        return ROWS_FIRST;
    int64_t next = took_ms >= SLOW_MS ? rows / 2 : took_ms < 1 ? rows * 2 : rows;
    return next < FILE_BOUNDS_ROWS_MIN   ? FILE_BOUNDS_ROWS_MIN
           : next > FILE_BOUNDS_ROWS_MAX ? FILE_BOUNDS_ROWS_MAX
                                         : next;
}

int64_t file_bounds_pause_ms(int64_t took_ms)
{
    return took_ms * SHARE > FILE_BOUNDS_PAUSE_MIN_MS ? took_ms * SHARE : FILE_BOUNDS_PAUSE_MIN_MS;
}
