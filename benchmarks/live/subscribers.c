/* Many graphql-transport-ws subscribers in one thread, for measuring what a server delivers to them.
 *
 *   subscribers PORT PATH CONTROL_PORT SOCKETS PER_SOCKET VIEWS SUBPROTOCOL QUERY_FILE [TOKENS_FILE]
 *
 * It opens SOCKETS WebSockets with PER_SOCKET subscriptions each. Subscription number n looks at view n modulo VIEWS, whose id is
 * "m<number>". Every view shows the marker "view NNNN change NNNNNNNNNN at NNNNNNNNNNNNNNNNNNN" in its title: which view, which change,
 * and the monotonic nanosecond at which its source made it. What is checked of every message, without exception:
 *   - the frame is a whole text frame, the message a "next" without errors, of a subscription that was made;
 *   - it shows the view that was asked for, in a newer state than the one before;
 *   - what stands behind the marker is, byte for byte, what stood there in the first message of the view.
 * Whatever does not hold ends the program with a line on stderr and exit code 1.
 *
 * "ready {...}" is printed when every subscription has its first state. Then these lines are read from stdin:
 *   flood SECONDS          have changes made as fast as they are taken, and count what is delivered
 *   paced RATE SECONDS     have RATE changes made a second, to one view after the other, and note how long each delivery takes
 * Each is answered with one line of JSON, after every subscription has the newest state of its view: the last one is never skipped.
 * A change is asked for by sending "VIEW\n" to the control port. In a flood, the next state of a view is asked for as soon as half
 * of its subscribers have the present one: so the server always has something to send, and never a queue of what is outdated.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (1 << 20)
#define OPENING_AT_ONCE 64
#define MARKER "view "
#define MARKER_BYTES 52 /* "view 0007 change 0000000012 at 0000000000000000000" and the quote that ends it */
#define SETTLE_SECONDS 60.0
#define START_SECONDS 90.0
#define MAX_LATENCIES (4 * 1000 * 1000)

enum stage { HANDSHAKE, GREETING, SUBSCRIBED };

struct client {
    int fd;
    enum stage stage;
    char *rest; /* the beginning of a frame whose end has not come */
    size_t rest_length;
};

struct subscription {
    int64_t change; /* the newest that was received, -1 before the first */
};

struct view {
    int64_t asked;     /* changes asked for */
    int64_t newest;    /* the newest change seen by anybody */
    int subscribers;
    int have_newest;   /* how many subscribers have that one */
    int pending;       /* a change was asked for that nobody has seen */
    char *tail;        /* what stood behind the marker in the first message */
    size_t tail_length;
};

static struct client *clients;
static struct subscription *subscriptions;
static struct view *views;
static int sockets, per_socket, view_count, epoll, control, opened, opening;
static const char *path, *subprotocol;
static char *query, **tokens;
static int token_count;
static struct sockaddr_in address;
static char buffer[READ_BYTES + (1 << 16)];
static long waiting; /* subscriptions without a first state */
static int64_t deliveries, received_bytes, changes_asked;
static int flooding, noting;
static uint32_t *latencies;
static size_t latency_count;
static int64_t now_ns;
static char asking[1 << 16];
static size_t asking_length;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static int64_t monotonic(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static double used_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
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

static void flush_asking(void) {
    if (asking_length) write_all(control, asking, asking_length);
    asking_length = 0;
}

static void ask(int number) {
    struct view *view = &views[number];
    view->pending = 1;
    view->asked++;
    changes_asked++;
    if (asking_length + 16 > sizeof asking) flush_asking();
    asking_length += sprintf(asking + asking_length, "%d\n", number);
}

/* The payload of connection_init has the token of the socket, where there is a file of tokens, one a line, taken in turns. */
static void greet(int index) {
    char message[8192];
    if (!token_count) {
        send_frame(clients[index].fd, 1, "{\"type\":\"connection_init\"}", 26);
        return;
    }
    int length = snprintf(message, sizeof message, "{\"type\":\"connection_init\",\"payload\":{\"token\":\"%s\"}}",
                          tokens[index % token_count]);
    if (length >= (int)sizeof message) fail("a token is too long");
    send_frame(clients[index].fd, 1, message, length);
}

static void read_tokens(const char *name) {
    char line[8000];
    FILE *file = fopen(name, "r");
    if (!file) fail("cannot read %s", name);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        tokens = realloc(tokens, (token_count + 1) * sizeof *tokens);
        tokens[token_count++] = strdup(line);
    }
    fclose(file);
    if (!token_count) fail("there is no token in %s", name);
}

static void subscribe(int index) {
    for (int slot = 0; slot < per_socket; slot++) {
        char message[8192];
        int number = (index * per_socket + slot) % view_count;
        int length = snprintf(message, sizeof message,
                              "{\"id\":\"%d\",\"type\":\"subscribe\",\"payload\":{\"query\":%s,\"variables\":{\"id\":\"m%06d\"}}}",
                              slot + 1, query, number);
        if (length >= (int)sizeof message) fail("the query is too long");
        send_frame(clients[index].fd, 1, message, length);
    }
    clients[index].stage = SUBSCRIBED;
}

static void open_client(int index) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    char request[512];
    if (fd < 0) fail("no more sockets: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("cannot connect: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    clients[index] = (struct client){.fd = fd, .stage = HANDSHAKE};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl: %s", strerror(errno));
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Protocol: %s\r\n\r\n",
                          path, subprotocol);
    write_all(fd, request, length);
    opening++;
}

static int64_t digits(const char *text, int count) {
    int64_t number = 0;
    for (int at = 0; at < count; at++) {
        if (text[at] < '0' || text[at] > '9') fail("no marker: %.60s", text);
        number = number * 10 + (text[at] - '0');
    }
    return number;
}

static void take_state(int index, const char *message, size_t length) {
    const char *id = memmem(message, length < 120 ? length : 120, "\"id\":", 5);
    if (!id) fail("a message without an id: %.200s", message);
    for (id += 5; *id == ' ' || *id == '"';) id++;
    int slot = atoi(id) - 1;
    if (slot < 0 || slot >= per_socket) fail("a message of no subscription: %.200s", message);
    const char *marker = memmem(message, length, "\"" MARKER, 6);
    const char *end = message + length;
    if (!marker || end - marker < MARKER_BYTES) fail("a message without a marker: %.400s", message);
    int owner = index * per_socket + slot, number = owner % view_count;
    int64_t shown = digits(marker + 6, 4), change = digits(marker + 18, 10), made = digits(marker + 32, 19);
    if (shown != number) fail("view %d was asked for, view %ld came", number, (long)shown);
    struct subscription *subscription = &subscriptions[owner];
    if (change <= subscription->change) fail("change %ld came after %ld", (long)change, (long)subscription->change);
    const char *behind = marker + MARKER_BYTES;
    size_t behind_length = end - behind;
    struct view *view = &views[number];
    if (!view->tail) {
        view->tail = malloc(behind_length);
        memcpy(view->tail, behind, behind_length);
        view->tail_length = behind_length;
    } else if (behind_length != view->tail_length || memcmp(view->tail, behind, behind_length)) {
        fail("the content is not the one of the first message: %.3000s", message);
    }
    if (subscription->change < 0) waiting--;
    subscription->change = change;
    deliveries++;
    received_bytes += length;
    if (noting && latency_count < MAX_LATENCIES) latencies[latency_count++] = (uint32_t)((now_ns - made) / 1000);
    if (change > view->newest) {
        view->newest = change;
        view->have_newest = 0;
        view->pending = 0;
    }
    if (change == view->newest) {
        view->have_newest++;
        if (flooding && !view->pending && view->have_newest >= (view->subscribers + 1) / 2) ask(number);
    }
}

static void take_message(int index, char *message, size_t length) {
    size_t head = length < 120 ? length : 120;
    char *type = memmem(message, head, "\"type\":", 7);
    if (!type) type = memmem(message + (length > 40 ? length - 40 : 0), length > 40 ? 40 : length, "\"type\":", 7);
    if (!type) fail("no message of the protocol: %.200s", message);
    type += 7;
    while (*type == ' ') type++;
    if (!strncmp(type, "\"next\"", 6)) {
        take_state(index, message, length);
    } else if (!strncmp(type, "\"connection_ack\"", 16)) {
        opening--;
        subscribe(index);
    } else if (!strncmp(type, "\"ping\"", 6)) {
        send_frame(clients[index].fd, 1, "{\"type\":\"pong\"}", 15);
    } else if (strncmp(type, "\"pong\"", 6)) {
        fail("the server sent: %.*s", (int)(length < 1000 ? length : 1000), message);
    }
}

/* How many bytes the frames that are whole take. */
static size_t take_frames(int index, char *data, size_t length) {
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
            take_message(index, start, payload);
            start[payload] = kept;
        } else if (first == 0x89) {
            send_frame(clients[index].fd, 10, start, payload);
        } else if (first != 0x8a) {
            fail("a frame that begins with %02x: %.*s", first, (int)(payload < 200 ? payload : 200), start);
        }
        at += head + payload;
    }
    return at;
}

static void take_bytes(int index) {
    struct client *client = &clients[index];
    size_t before = client->rest_length;
    if (before > (1 << 16)) fail("a frame longer than 64 KiB");
    if (before) memcpy(buffer, client->rest, before);
    ssize_t got = read(client->fd, buffer + before, READ_BYTES - 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) fail("the server closed a connection: %s", got ? strerror(errno) : "end of file");
    now_ns = monotonic();
    size_t length = before + got, taken = 0;
    if (client->stage == HANDSHAKE) {
        char *end = memmem(buffer, length, "\r\n\r\n", 4);
        if (end) {
            if (strncmp(buffer, "HTTP/1.1 101", 12)) fail("no WebSocket: %.200s", buffer);
            taken = end + 4 - buffer;
            client->stage = GREETING;
            greet(index);
        }
    }
    if (client->stage != HANDSHAKE) taken += take_frames(index, buffer + taken, length - taken);
    client->rest_length = length - taken;
    if (client->rest_length) {
        client->rest = realloc(client->rest, client->rest_length);
        memcpy(client->rest, buffer + taken, client->rest_length);
    }
}

static void turn(int milliseconds) {
    struct epoll_event events[1024];
    int count = epoll_wait(epoll, events, 1024, milliseconds);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int at = 0; at < count; at++) take_bytes((int)events[at].data.u32);
    flush_asking();
}

/* Until every subscription has the newest state that its view was asked to take. */
static double settle(void) {
    int64_t begun = monotonic(), stop = begun + (int64_t)(SETTLE_SECONDS * 1e9);
    for (;;) {
        int lacking = -1;
        for (int number = 0; number < view_count && lacking < 0; number++)
            if (views[number].pending || views[number].have_newest < views[number].subscribers) lacking = number;
        if (lacking < 0) return (monotonic() - begun) / 1e9;
        if (monotonic() > stop)
            fail("view %d: after %.0f s %d of %d subscribers have change %ld%s", lacking, SETTLE_SECONDS, views[lacking].have_newest,
                 views[lacking].subscribers, (long)views[lacking].newest, views[lacking].pending ? ", and a newer one was made" : "");
        turn(100);
    }
}

static void report(double seconds, double cpu, int64_t count, int64_t bytes, int64_t changes) {
    printf("{\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"deliveries\":%ld,\"bytes\":%ld,\"changes\":%ld", seconds, cpu, (long)count,
           (long)bytes, (long)changes);
}

static void flood(double seconds) {
    flooding = 1;
    for (int number = 0; number < view_count; number++) ask(number);
    flush_asking();
    int64_t begun = monotonic(), stop = begun + (int64_t)(seconds * 1e9);
    int64_t count = deliveries, bytes = received_bytes, changes = changes_asked;
    double cpu = used_cpu();
    while (monotonic() < stop) turn(10);
    double took = (monotonic() - begun) / 1e9;
    cpu = used_cpu() - cpu;
    count = deliveries - count;
    bytes = received_bytes - bytes;
    changes = changes_asked - changes;
    flooding = 0;
    int64_t counted = deliveries;
    double settled = settle();
    report(took, cpu, count, bytes, changes);
    printf(",\"settling_seconds\":%.6f,\"settling_deliveries\":%ld}\n", settled, (long)(deliveries - counted));
}

static int by_size(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void paced(double rate, double seconds) {
    int64_t begun = monotonic(), total = (int64_t)(rate * seconds);
    int64_t count = deliveries, bytes = received_bytes;
    double cpu = used_cpu();
    latency_count = 0;
    noting = 1;
    for (int64_t change = 0; change <= total; change++) {
        int64_t next = begun + (int64_t)(change * 1e9 / rate), now;
        while ((now = monotonic()) < next) turn((int)((next - now) / 1000000));
        if (change < total) ask((int)(change % view_count));
        flush_asking();
    }
    settle();
    noting = 0;
    report((monotonic() - begun) / 1e9, used_cpu() - cpu, deliveries - count, received_bytes - bytes, total);
    qsort(latencies, latency_count, sizeof *latencies, by_size);
    if (!latency_count) fail("nothing was delivered");
    printf(",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n", latencies[latency_count / 2] / 1e3,
           latencies[latency_count * 99 / 100] / 1e3, latencies[latency_count - 1] / 1e3);
}

static void obey(void) {
    char line[256];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    int commands = epoll_create1(0);
    epoll_ctl(commands, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        /* Pings are answered while nothing is measured. */
        while (epoll_wait(commands, &event, 1, 0) == 0) turn(20);
        if (!fgets(line, sizeof line, stdin)) return;
        double first = 0, second = 0;
        if (sscanf(line, "flood %lf", &first) == 1) flood(first);
        else if (sscanf(line, "paced %lf %lf", &first, &second) == 2) paced(first, second);
        else fail("what is this: %s", line);
        fflush(stdout);
    }
}

int main(int count, char **arguments) {
    if (count != 9 && count != 10)
        fail("usage: subscribers PORT PATH CONTROL_PORT SOCKETS PER_SOCKET VIEWS SUBPROTOCOL QUERY_FILE [TOKENS_FILE]");
    if (count == 10) read_tokens(arguments[9]);
    path = arguments[2];
    sockets = atoi(arguments[4]);
    per_socket = atoi(arguments[5]);
    view_count = atoi(arguments[6]);
    subprotocol = arguments[7];
    FILE *file = fopen(arguments[8], "r");
    query = calloc(1, 4096);
    if (!file || !fread(query, 1, 4095, file)) fail("cannot read %s", arguments[8]);
    query[strcspn(query, "\n")] = 0;
    clients = calloc(sockets, sizeof *clients);
    subscriptions = calloc((size_t)sockets * per_socket, sizeof *subscriptions);
    views = calloc(view_count, sizeof *views);
    latencies = malloc(MAX_LATENCIES * sizeof *latencies);
    for (int number = 0; number < view_count; number++) views[number].newest = -1;
    for (int owner = 0; owner < sockets * per_socket; owner++) {
        subscriptions[owner].change = -1;
        views[owner % view_count].subscribers++;
    }
    waiting = (long)sockets * per_socket;
    epoll = epoll_create1(0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(arguments[3])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    control = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(control, (struct sockaddr *)&address, sizeof address)) fail("no control port: %s", strerror(errno));
    int one = 1;
    setsockopt(control, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    address.sin_port = htons(atoi(arguments[1]));
    int64_t begun = monotonic();
    while (waiting) {
        while (opened < sockets && opening < OPENING_AT_ONCE) open_client(opened++);
        turn(100);
        if (monotonic() - begun > (int64_t)(START_SECONDS * 1e9)) {
            int stages[3] = {0};
            for (int index = 0; index < opened; index++) stages[clients[index].stage]++;
            fail("%ld subscriptions have no state after %.0f s; of the sockets, %d wait for their handshake, %d to be acknowledged, %d have"
                 " subscribed", waiting, START_SECONDS, stages[HANDSHAKE], stages[GREETING], stages[SUBSCRIBED]);
        }
    }
    printf("ready {\"seconds\":%.3f,\"bytes\":%ld}\n", (monotonic() - begun) / 1e9, (long)(received_bytes / deliveries));
    fflush(stdout);
    settle();
    obey();
    return 0;
}
