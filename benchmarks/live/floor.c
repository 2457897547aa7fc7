/* The floor of fan-out and of mutations: one thread, epoll, a write of one frame for each socket. No GraphQL, no JSON, no checks.
 *
 *   floor PORT CONTROL_PORT STATE_FILE
 *
 * Every socket has one subscription. The state file holds the message of a first state. For a change, the marker in it is written
 * over, and it goes to all sockets. For a mutation, the id, the version and how many attend are written over, and it goes to those
 * who look at that view; then the mutation is answered.
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
static char *marker, *id, *version, *attending; /* in the frame */
static int watchers;
static struct {
    int fd, view;
} watching[MOST];
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

/* Have the frame show this view now, and whether one of it is absent. */
static void show(int view, int absent) {
    char text[64];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(text, sizeof text, "%06d%016ld%02d", view % 1000000, now.tv_sec * 1000000L + now.tv_nsec / 1000, 20 - absent);
    memcpy(id, text, 6);
    memcpy(version, text + 6, 16);
    memcpy(attending, text + 22, 2);
}

static int view_in(const char *data, const char *name) {
    const char *found = strstr(data, name);
    return found ? atoi(found + strlen(name)) : 0;
}

static void mutate(int fd, const char *data) {
    char answer[512], body[256];
    int view = view_in(data, "\"ticket\":\"m");
    show(view, strstr(data, "\"attending\":false") != NULL);
    for (int one = 0; one < watchers; one++)
        if (watching[one].view == view) send_all(watching[one].fd, frame, frame_length);
    int length = snprintf(body, sizeof body,
                          "{\"data\":{\"setAttendance\":{\"id\":\"m%.6s\",\"version\":\"%.16s\",\"numAttending\":%.2s}}}", id,
                          version, attending);
    length = snprintf(answer, sizeof answer,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", length, body);
    send_all(fd, answer, length);
}

static void answer(int fd, const char *data) {
    static const char accepted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                   "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    static const char acknowledged[] = "\x81\x19{\"type\":\"connection_ack\"}";
    if (!strncmp(data, "GET ", 4)) send_all(fd, accepted, sizeof accepted - 1);
    else if (!strncmp(data, "POST ", 5)) mutate(fd, data);
    else if (strstr(data, "connection_init")) send_all(fd, acknowledged, sizeof acknowledged - 1);
    else {
        int view = view_in(data, "\"id\":\"m");
        watching[watchers].fd = fd;
        watching[watchers++].view = view;
        show(view, 0);
        send_all(fd, frame, frame_length);
    }
}

static void forget(int fd) {
    for (int one = watchers - 1; one >= 0; one--)
        if (watching[one].fd == fd) watching[one] = watching[--watchers];
    close(fd);
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
    id = strstr(frame + 4, "\"id\":\"m") + 7;
    version = strstr(frame + 4, "\"version\":\"") + 11;
    attending = strstr(frame + 4, "\"numAttending\":") + 15;
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
                forget(fd);
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
                for (int one = 0; one < watchers; one++) send_all(watching[one].fd, frame, frame_length);
            }
        }
    }
}
