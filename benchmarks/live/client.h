/* What the load generators in C have in common: how they fail, clocks, connections, WebSockets, and times that are counted.
 *
 * Each is one program of one thread, which includes this. Whatever does not hold ends it with a line on stderr and exit code 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (1 << 20)
#define REST_BYTES (1 << 16)
#define SECOND 1000000000LL

enum kind { NEXT, ACKNOWLEDGED, OTHER };

/* A connection, and the beginning of what has not come whole. */
struct stream {
    int fd;
    char *rest;
    size_t rest_length;
};

struct times {
    int64_t *nanoseconds;
    size_t count, room;
};

static char buffer[READ_BYTES + REST_BYTES];

__attribute__((noreturn)) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static int64_t nanoseconds_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static int64_t monotonic(void) { return nanoseconds_of(CLOCK_MONOTONIC); }

static void note(struct times *times, int64_t nanoseconds) {
    if (times->count == times->room) {
        times->room = times->room ? 2 * times->room : 1024;
        times->nanoseconds = realloc(times->nanoseconds, times->room * sizeof *times->nanoseconds);
    }
    times->nanoseconds[times->count++] = nanoseconds;
}

static int by_size(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* In milliseconds. Part 100 is the longest one. */
static double percentile(struct times *times, int part) {
    if (!times->count) fail("there is nothing to count");
    qsort(times->nanoseconds, times->count, sizeof *times->nanoseconds, by_size);
    size_t place = times->count * part / 100;
    return times->nanoseconds[place < times->count ? place : times->count - 1] / 1e6;
}

/* The first line of a file. */
static char *line_of(const char *name) {
    FILE *file = fopen(name, "r");
    char *line = calloc(1, 4096);
    if (!file || !fread(line, 1, 4095, file)) fail("cannot read %s", name);
    fclose(file);
    line[strcspn(line, "\n")] = 0;
    return line;
}

static int connected(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) fail("no more sockets: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("cannot connect to port %d: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Have this epoll tell of what is there to be read, by this number. */
static void watch(int epoll, int fd, uint32_t number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl: %s", strerror(errno));
}

static void write_all(int fd, const char *data, size_t length) {
    while (length) {
        ssize_t written = write(fd, data, length);
        if (written < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                usleep(200);
                continue;
            }
            fail("a connection broke while something was sent: %s", strerror(errno));
        }
        data += written;
        length -= written;
    }
}

/* Read what has come into `buffer`, behind the rest of what came before. How many bytes that are; 0 where nothing came. */
static size_t receive(struct stream *stream) {
    size_t before = stream->rest_length;
    if (before > REST_BYTES) fail("a frame longer than 64 KiB");
    if (before) memcpy(buffer, stream->rest, before);
    ssize_t got = read(stream->fd, buffer + before, READ_BYTES - 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (got <= 0) fail("the server closed a connection: %s", got ? strerror(errno) : "end of file");
    return before + got;
}

/* Of that many bytes in `buffer`, these were taken: keep the rest until more has come. */
static void keep(struct stream *stream, size_t taken, size_t length) {
    stream->rest_length = length - taken;
    if (stream->rest_length) {
        stream->rest = realloc(stream->rest, stream->rest_length);
        memcpy(stream->rest, buffer + taken, stream->rest_length);
    }
}

static void send_handshake(int fd, const char *path, const char *subprotocol) {
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Protocol: %s\r\n\r\n",
                          path, subprotocol);
    write_all(fd, request, length);
}

/* How many bytes the answer to the handshake has; 0 while it is not whole. */
static size_t take_handshake(const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (strncmp(data, "HTTP/1.1 101", 12)) fail("no WebSocket: %.200s", data);
    return end + 4 - data;
}

/* A text frame or a pong, masked with zeros, as clients must mask. */
static void send_frame(int fd, int opcode, const char *payload, size_t length) {
    char head[14] = {0};
    size_t head_length;
    head[0] = (char)(0x80 | opcode);
    if (length < 126) {
        head[1] = (char)(0x80 | length);
        head_length = 6;
    } else {
        head[1] = (char)(0x80 | 126);
        head[2] = (char)(length >> 8);
        head[3] = (char)length;
        head_length = 8;
    }
    char *frame = malloc(head_length + length);
    memcpy(frame, head, head_length);
    memcpy(frame + head_length, payload, length);
    write_all(fd, frame, head_length + length);
    free(frame);
}

/* A message of graphql-transport-ws. */
static void send_text(int fd, const char *format, ...) {
    char message[8192];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof message) fail("too long to be sent: %.200s", message);
    send_frame(fd, 1, message, length);
}

/* Look at the view of this number. The query is a JSON string. */
static void send_subscribe(int fd, int id, const char *query, int view) {
    send_text(fd, "{\"id\":\"%d\",\"type\":\"subscribe\",\"payload\":{\"query\":%s,\"variables\":{\"id\":\"m%06d\"}}}", id, query,
              view);
}

/* Call `take` with each text that is whole; pings are answered. How many bytes the frames that are whole have. */
static size_t take_frames(int fd, char *data, size_t length, int owner, void (*take)(int owner, char *text, size_t length)) {
    size_t at = 0;
    while (length - at >= 2) {
        unsigned char first = data[at], second = data[at + 1];
        size_t head = 2, payload = second & 127;
        if (payload == 126) {
            head = 4;
            if (length - at < head) break;
            payload = ((unsigned char)data[at + 2] << 8) | (unsigned char)data[at + 3];
        } else if (payload == 127) {
            head = 10;
            if (length - at < head) break;
            payload = 0;
            for (int byte = 2; byte < 10; byte++) payload = payload << 8 | (unsigned char)data[at + byte];
        }
        if (length - at < head + payload) break;
        char *start = data + at + head;
        if (first == 0x81) {
            char kept = start[payload];
            start[payload] = 0;
            take(owner, start, payload);
            start[payload] = kept;
        } else if (first == 0x89) {
            send_frame(fd, 10, start, payload);
        } else if (first != 0x8a) {
            fail("a frame that begins with %02x: %.*s", first, (int)(payload < 200 ? payload : 200), start);
        }
        at += head + payload;
    }
    return at;
}

/* What a message of graphql-transport-ws is. Pings are answered; an error, and what is no such message, ends this program. */
static enum kind kind_of(int fd, const char *message, size_t length) {
    size_t head = length < 120 ? length : 120, tail = length > 40 ? 40 : length;
    const char *type = memmem(message, head, "\"type\":", 7);
    if (!type) type = memmem(message + length - tail, tail, "\"type\":", 7);
    if (!type) fail("no message of the protocol: %.200s", message);
    for (type += 7; *type == ' ';) type++;
    if (!strncmp(type, "\"next\"", 6)) return NEXT;
    if (!strncmp(type, "\"connection_ack\"", 16)) return ACKNOWLEDGED;
    if (!strncmp(type, "\"ping\"", 6)) send_text(fd, "{\"type\":\"pong\"}");
    else if (strncmp(type, "\"pong\"", 6)) fail("the server sent: %.1000s", message);
    return OTHER;
}
