/* fuzz_json.c - any bytes: json_parse() refuses them, or what it writes is read and written again unchanged.
 */
#include "api/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    struct json *first = NULL;
    struct json *second = NULL;
    struct err err;
    if (json_parse((const char *)data, len, &first, &err) != 0)
        return 0;
    char *once = json_write(first);
    CHECK(json_parse(once, strlen(once), &second, &err) == 0);
    char *twice = json_write(second);
    CHECK(strcmp(once, twice) == 0);
    free(once);
    free(twice);
    json_free(first);
    json_free(second);
    return 0;
}
