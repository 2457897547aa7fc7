/* The floor of fan-out: one thread, epoll, one write of one constant frame for each socket. No GraphQL, no JSON, no checks.
 *
 *   floor PORT CONTROL_PORT STATE_FILE
 *
 * Every socket has one subscription, to one view. The state file holds the message of its first state; the marker in it is
 * written over for each change.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 20000

static char frame[1 << 16];
static size_t frame_length;
static char *marker;
static int watching[MOST], watchers;
static long change;

static int listening(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 2048)) exit(2);
    return fd;
}

static void send_all(int fd, const char *data, size_t length) {
    while (length) {
        ssize_t written = write(fd, data, length);
        if (written < 0) {
            if (errno != EAGAIN) return;
            usleep(50);
            continue;
        }
        data += written;
        length -= written;
    }
}

static void stamp(void) {
    char text[64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "%010ld at %09ld%010ld", change, (long)((now.tv_sec * 1000000000L + now.tv_nsec) / 10000000000L),
             (long)((now.tv_sec * 1000000000L + now.tv_nsec) % 10000000000L));
    memcpy(marker, text, 33);
}

static void answer(int fd, const char *data) {
    static const char accepted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                   "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    static const char acknowledged[] = "\x81\x19{\"type\":\"connection_ack\"}";
    if (!strncmp(data, "GET ", 4)) send_all(fd, accepted, sizeof accepted - 1);
    else if (strstr(data, "connection_init")) send_all(fd, acknowledged, sizeof acknowledged - 1);
    else {
        watching[watchers++] = fd;
        send_all(fd, frame, frame_length);
    }
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    FILE *file = fopen(arguments[3], "r");
    size_t length = file ? fread(frame + 4, 1, sizeof frame - 5, file) : 0;
    if (length < 126) return 2;
    frame[0] = (char)0x81;
    frame[1] = 126;
    frame[2] = (char)(length >> 8);
    frame[3] = (char)length;
    frame_length = length + 4;
    marker = strstr(frame + 4, " change ") + 8;
    int epoll = epoll_create1(0), web = listening(atoi(arguments[1])), control = listening(atoi(arguments[2]));
    static char kinds[MOST * 2];
    static char buffer[1 << 16];
    struct epoll_event event = {.events = EPOLLIN, .data.fd = web}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, web, &event);
    event.data.fd = control;
    epoll_ctl(epoll, EPOLL_CTL_ADD, control, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int at = 0; at < ready; at++) {
            int fd = events[at].data.fd;
            if (fd == web || fd == control) {
                int one = 1, peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
                if (peer < 0 || peer >= MOST * 2) continue;
                setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                kinds[peer] = fd == control;
                event.data.fd = peer;
                epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &event);
                continue;
            }
            ssize_t got = read(fd, buffer, sizeof buffer - 1);
            if (got <= 0) {
                close(fd);
                continue;
            }
            buffer[got] = 0;
            if (!kinds[fd]) {
                /* Masked with zeros: a text can be looked for as it is. Behind the head of a frame there are zeros, too. */
                for (ssize_t byte = 0; byte < got; byte++)
                    if (!buffer[byte]) buffer[byte] = ' ';
                answer(fd, buffer);
                continue;
            }
            for (ssize_t byte = 0; byte < got; byte++) {
                if (buffer[byte] != '\n') continue;
                change++;
                stamp();
                for (int one = 0; one < watchers; one++) send_all(watching[one], frame, frame_length);
            }
        }
    }
}
