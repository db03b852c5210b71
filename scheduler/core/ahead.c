#include "core/ahead.h"

int64_t ahead_window(int64_t launching, int64_t extra)
{
    return launching + AHEAD_MIN + extra;
}

int64_t ahead_room(int64_t window, int64_t ahead, int64_t pulling)
{
    int64_t pulling_max = window > AHEAD_PULLING_MAX ? window : AHEAD_PULLING_MAX;
    int64_t room = window - ahead;
    return pulling_max - pulling < room ? pulling_max - pulling : room;
}

int64_t ahead_after_start(int64_t extra, int64_t launching, bool has_waited, int64_t left_ready,
                          int64_t left_queued)
{
    bool engine_is_idle = !has_waited && left_ready == 0;
    if (engine_is_idle && left_queued > 0 && extra < AHEAD_MAX - AHEAD_MIN)
        return extra + 1;
    if (left_ready > 2 * launching && extra > 0)
        return extra - 1;
    return extra;
}
