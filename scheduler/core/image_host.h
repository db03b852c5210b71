/*
 * image_host.h - which registry an image comes from.
 *
 * Source: distribution/reference, the rule of Docker's names: the part before the first slash is a host if it
 * holds a dot or a colon, or is "localhost"; else the image is Docker Hub's.
 */
#ifndef SLUICE_CORE_IMAGE_HOST_H
#define SLUICE_CORE_IMAGE_HOST_H

#define IMAGE_HOST_SIZE 256

/* image_host - "ghcr.io", "127.0.0.1:5000", "docker.io"; a longer one is cut. */
void image_host(const char *image, char host[static IMAGE_HOST_SIZE]);

#endif
