#include "core/image_host.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HUB "docker.io"

void image_host(const char *image, char host[static IMAGE_HOST_SIZE])
{
    size_t len = strcspn(image, "/");
    bool is_host =
        image[len] == '/' && (memchr(image, '.', len) != NULL || memchr(image, ':', len) != NULL ||
                              (len == strlen("localhost") && strncmp(image, "localhost", len) == 0));
    if (!is_host) {
        snprintf(host, IMAGE_HOST_SIZE, HUB);
        return;
    }
    if (len >= IMAGE_HOST_SIZE)
        len = IMAGE_HOST_SIZE - 1;
    memcpy(host, image, len);
    host[len] = '\0';
}
