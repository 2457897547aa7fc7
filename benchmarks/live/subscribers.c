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
#include "client.h"

#include <sys/resource.h>

#define OPENING_AT_ONCE 64
#define MARKER "view "
#define MARKER_BYTES 52 /* "view 0007 change 0000000012 at 0000000000000000000" and the quote that ends it */
#define SETTLE_SECONDS 60.0
#define START_SECONDS 90.0

enum stage { HANDSHAKE, GREETING, SUBSCRIBED };

struct client {
    struct stream stream;
    enum stage stage;
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
static int port, sockets, per_socket, view_count, epoll, control, opened, opening;
static const char *path, *subprotocol;
static char *query, **tokens;
static int token_count;
static long waiting; /* subscriptions without a first state */
static int64_t deliveries, received_bytes, changes_asked;
static int flooding, noting;
static struct times latencies;
static int64_t now_ns;
static char asking[1 << 16];
static size_t asking_length;

static double used_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
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
    int fd = clients[index].stream.fd;
    if (!token_count) send_text(fd, "{\"type\":\"connection_init\"}");
    else send_text(fd, "{\"type\":\"connection_init\",\"payload\":{\"token\":\"%s\"}}", tokens[index % token_count]);
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
    for (int slot = 0; slot < per_socket; slot++)
        send_subscribe(clients[index].stream.fd, slot + 1, query, (index * per_socket + slot) % view_count);
    clients[index].stage = SUBSCRIBED;
}

static void open_client(int index) {
    int fd = connected(port);
    clients[index] = (struct client){.stream.fd = fd, .stage = HANDSHAKE};
    watch(epoll, fd, (uint32_t)index);
    send_handshake(fd, path, subprotocol);
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
    if (noting) note(&latencies, now_ns - made);
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
    switch (kind_of(clients[index].stream.fd, message, length)) {
    case NEXT:
        take_state(index, message, length);
        break;
    case ACKNOWLEDGED:
        opening--;
        subscribe(index);
        break;
    case OTHER:
        break;
    }
}

static void take_bytes(int index) {
    struct client *client = &clients[index];
    size_t length = receive(&client->stream), taken = 0;
    if (!length) return;
    now_ns = monotonic();
    if (client->stage == HANDSHAKE && (taken = take_handshake(buffer, length))) {
        client->stage = GREETING;
        greet(index);
    }
    if (client->stage != HANDSHAKE) taken += take_frames(client->stream.fd, buffer + taken, length - taken, index, take_message);
    keep(&client->stream, taken, length);
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

static void paced(double rate, double seconds) {
    int64_t begun = monotonic(), total = (int64_t)(rate * seconds);
    int64_t count = deliveries, bytes = received_bytes;
    double cpu = used_cpu();
    latencies.count = 0;
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
    printf(",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n", percentile(&latencies, 50), percentile(&latencies, 99),
           percentile(&latencies, 100));
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
    query = line_of(arguments[8]);
    clients = calloc(sockets, sizeof *clients);
    subscriptions = calloc((size_t)sockets * per_socket, sizeof *subscriptions);
    views = calloc(view_count, sizeof *views);
    for (int number = 0; number < view_count; number++) views[number].newest = -1;
    for (int owner = 0; owner < sockets * per_socket; owner++) {
        subscriptions[owner].change = -1;
        views[owner % view_count].subscribers++;
    }
    waiting = (long)sockets * per_socket;
    epoll = epoll_create1(0);
    control = connected(atoi(arguments[3]));
    port = atoi(arguments[1]);
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
