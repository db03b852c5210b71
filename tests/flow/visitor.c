#include "tests/flow/visitor.h"

#include "api/admin_http.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct visit last;

struct admin_pages *visitor_begin(struct world *w)
{
    struct admin_pages *pages;
    struct err err;
    struct admin_pages_settings settings = {
        .base = w->base, .timers = w->timers, .config = w->config, .hostname = "", .takes_any_port = true};
    if (admin_pages_new(&settings, &pages, &err) != 0)
        fail_msg("%s", err.msg);
    admin_pages_set_service(pages, w->service);
    return pages;
}

static bool has_come(int fd, struct buf *got)
{
    char piece[16384];
    struct err err;
    ssize_t n;
    while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
        CHECK(buf_add(got, piece, (size_t)n, &err) == 0);
    return n == 0;
}

static struct visit *ask(struct world *w, int port, const char *path)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    char *AUTO_FREE request = check_printf("GET %s HTTP/1.0\r\n\r\n", path);
    CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
    struct buf got;
    buf_init(&got, (size_t)8 << 20);
    UNTIL(w, SECONDS(5), has_come(fd, &got));
    close(fd);
    visit_done();
    const char *body = strstr(buf_text(&got), "\r\n\r\n");
    assert_non_null(body);
    last.head = check_strndup(buf_text(&got), (size_t)(body - buf_text(&got)) + 2);
    last.body = check_strdup(body + 4);
    last.status = atoi(last.head + strlen("HTTP/1.1 "));
    buf_done(&got);
    return &last;
}

struct visit *visit(struct world *w, const struct admin_pages *pages, const char *path)
{
    return ask(w, admin_http_port(admin_pages_admin(pages)), path);
}

struct visit *visit_health(struct world *w, const struct admin_pages *pages, const char *path)
{
    return ask(w, admin_http_port(admin_pages_health(pages)), path);
}

void visit_done(void)
{
    free(last.head);
    free(last.body);
    last = (struct visit){0};
}
