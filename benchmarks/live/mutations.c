/* Mutations at a steady rate in one thread, for measuring how long a server takes from each to its pushes.
 *
 *   mutations PORT PATH RATE SECONDS VIEWS LOOKING ATTENDEES MUTATION_FILE QUERY_FILE
 *
 * Each of the VIEWS, whose ids are "m<number>", has a connection for its mutations, and LOOKING WebSockets that look at it. Each
 * mutation says that the first one of ATTENDEES goes, or comes back. RATE of them are due a second, evenly, to one view after the
 * other; while one of a view is under way, the next one of it waits, and so do those that are due later. What is checked, without
 * exception:
 *   - the answer is a 200, a push is a whole text frame with a "next", and neither has errors;
 *   - both show the view that the mutation is of, in a newer state than the one before, with as many attendees as it must have;
 *   - each socket is sent one push for a mutation, and none that is for no mutation.
 * Whatever does not hold ends the program with a line on stderr and exit code 1. So does a server that does not keep up.
 *
 * Times are from when a mutation was due, whatever kept it from being sent, until its push can be read: the clock is read when
 * epoll_wait returns. "From the commit" is from the version, which is the commit's microsecond. The first second is not counted.
 * Between mutations it sleeps: the two cores may be one to the processor, of which a load that never sleeps takes half. A timerfd,
 * which is not late by the rounding and the slack that timeouts have, wakes it a little early, since to wake takes a while, too.
 */
#include "client.h"

#include <sys/timerfd.h>

#define WARM_SECONDS 1.0
#define BEHIND_SECONDS 5.0
#define START_SECONDS 90.0
#define EARLY 100000 /* nanoseconds */
#define TIMER UINT32_MAX
#define REQUEST_BYTES 8192

enum stage { MUTATING, HANDSHAKE, GREETING, LOOKING };

/* What sends the mutations of a view, or looks at it. */
struct client {
    struct stream stream;
    enum stage stage;
    int view;
    int awaits;      /* the last mutation was not answered, or not pushed */
    int64_t version; /* the newest that was shown */
};

/* A view, and the last mutation of it. */
struct meeting {
    char id[16];                     /* as JSON has it */
    char requests[2][REQUEST_BYTES]; /* somebody goes, somebody comes */
    int attending;
    int lacking; /* how many of answer and pushes have not come */
    int counted;
    int64_t due;
};

static struct client *clients; /* of each view, the one that mutates and those that look */
static struct meeting *meetings;
static int port, view_count, looking, attendees, epoll, timer;
static const char *path;
static char *mutation, *query;
static int64_t due, sent, done;         /* mutations */
static int64_t now_ns, now_of_versions; /* when epoll_wait returned, by both clocks */
static struct times pushes, commits, answers;

static void make_request(int view, int attending) {
    char body[REQUEST_BYTES];
    int length = snprintf(body, sizeof body, "{\"query\":%s,\"variables\":{\"ticket\":\"m%06d-t00\",\"attending\":%s}}", mutation,
                          view, attending ? "true" : "false");
    int whole = snprintf(meetings[view].requests[attending], REQUEST_BYTES,
                         "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                         path, length, body);
    if (whole >= REQUEST_BYTES) fail("the mutation is too long");
}

static void open_client(int index, enum stage stage) {
    struct client *client = &clients[index];
    client->stream.fd = connected(port);
    client->stage = stage;
    watch(epoll, client->stream.fd, (uint32_t)index);
    if (stage == HANDSHAKE) send_handshake(client->stream.fd, path, "graphql-transport-ws");
}

static void mutate(int view, int attending) {
    struct meeting *meeting = &meetings[view];
    struct client *sender = &clients[view * (1 + looking)];
    write_all(sender->stream.fd, meeting->requests[attending], strlen(meeting->requests[attending]));
    meeting->attending = attending;
    meeting->lacking = 1 + looking;
    for (int place = 0; place <= looking; place++) sender[place].awaits = 1;
}

/* What stands behind the first of these names. */
static const char *behind(const char *text, const char *name) {
    const char *found = strstr(text, name);
    if (!found) fail("there is no %s in %.3000s", name, text);
    for (found += strlen(name); *found == ' ';) found++;
    return found;
}

/* An answer, or a push, whose state has this name. */
static void take_state(struct client *client, const char *text, const char *name) {
    struct meeting *meeting = &meetings[client->view];
    int expected = meeting->attending ? attendees : attendees - 1;
    if (strstr(text, "\"errors\":")) fail("errors: %.3000s", text);
    if (!client->awaits) fail("after all that was to come of the last mutation, there came %.3000s", text);
    const char *state = behind(text, name);
    const char *id = behind(state, "\"id\":");
    if (strncmp(id, meeting->id, strlen(meeting->id))) fail("%s is not what %.3000s shows", meeting->id, text);
    int64_t version = strtoll(behind(state, "\"version\":") + 1, NULL, 10);
    if (version <= client->version) fail("version %ld was shown before %.3000s", (long)client->version, text);
    if (atoi(behind(state, "\"numAttending\":")) != expected) fail("%d attend, which %.3000s does not show", expected, text);
    if (meeting->counted) note(client->stage == MUTATING ? &answers : &pushes, now_ns - meeting->due);
    if (meeting->counted && client->stage == LOOKING) note(&commits, now_of_versions - version * 1000);
    client->version = version;
    client->awaits = 0;
    if (!--meeting->lacking) done++;
}

static void take_message(int index, char *message, size_t length) {
    struct client *client = &clients[index];
    switch (kind_of(client->stream.fd, message, length)) {
    case NEXT:
        take_state(client, message, "\"meetingSession\":");
        break;
    case ACKNOWLEDGED:
        client->stage = LOOKING;
        send_subscribe(client->stream.fd, 1, query, client->view);
        break;
    case OTHER:
        break;
    }
}

/* How many bytes of `buffer` an answer has that is whole. Those who look at a view are let in when its first one has come. */
static size_t take_answer(int index, size_t length) {
    struct client *client = &clients[index];
    buffer[length] = 0;
    char *end = strstr(buffer, "\r\n\r\n"), *field = strcasestr(buffer, "\r\ncontent-length:");
    if (!end) return 0;
    if (strncmp(buffer, "HTTP/1.1 200", 12)) fail("no 200: %.3000s", buffer);
    if (!field || field > end) fail("an answer of no known length: %.3000s", buffer);
    size_t whole = end + 4 - buffer + strtoul(field + 17, NULL, 10);
    if (length < whole) return 0;
    int first = !client->version;
    take_state(client, end + 4, "\"setAttendance\":");
    for (int place = 1; first && place <= looking; place++) open_client(index + place, HANDSHAKE);
    return whole;
}

static void take_bytes(int index) {
    struct client *client = &clients[index];
    size_t length = receive(&client->stream), taken = 0;
    if (!length) return;
    if (client->stage == MUTATING) {
        taken = take_answer(index, length);
    } else if (client->stage == HANDSHAKE && (taken = take_handshake(buffer, length))) {
        client->stage = GREETING;
        send_text(client->stream.fd, "{\"type\":\"connection_init\"}");
    }
    if (client->stage > HANDSHAKE) taken += take_frames(client->stream.fd, buffer + taken, length - taken, index, take_message);
    keep(&client->stream, taken, length);
}

/* Wait for what comes, and for the next one that is due. */
static void turn(void) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, 64, 100);
    now_ns = monotonic();
    now_of_versions = nanoseconds_of(CLOCK_REALTIME);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int at = 0; at < count; at++) {
        uint64_t ticks;
        if (events[at].data.u32 != TIMER) take_bytes((int)events[at].data.u32);
        else if (read(timer, &ticks, sizeof ticks) == sizeof ticks) due += (int64_t)ticks;
    }
}

/* Put everybody back into the meetings, and look at them. */
static void open_all(void) {
    int64_t stop = monotonic() + (int64_t)(START_SECONDS * SECOND);
    for (int view = 0; view < view_count; view++) {
        snprintf(meetings[view].id, sizeof meetings[view].id, "\"m%06d\"", view);
        for (int attending = 0; attending < 2; attending++) make_request(view, attending);
        for (int place = 0; place <= looking; place++) clients[view * (1 + looking) + place].view = view;
        open_client(view * (1 + looking), MUTATING);
        mutate(view, 1);
    }
    while (done < view_count) {
        turn();
        if (now_ns > stop) fail("%d of %d views are looked at after %.0f s", (int)done, view_count, START_SECONDS);
    }
    done = 0;
}

static void run(double rate, double seconds) {
    int64_t every = (int64_t)(SECOND / rate), begun = monotonic() + every;
    int64_t warm = (int64_t)(rate * WARM_SECONDS), total = (int64_t)(rate * (WARM_SECONDS + seconds));
    int64_t stop = begun + (int64_t)((2 * (WARM_SECONDS + seconds) + BEHIND_SECONDS) * SECOND);
    int64_t first = begun - EARLY;
    struct itimerspec ticking = {.it_value = {first / SECOND, first % SECOND}, .it_interval = {every / SECOND, every % SECOND}};
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    watch(epoll, timer, TIMER);
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &ticking, NULL)) fail("timerfd_settime: %s", strerror(errno));
    while (done < total) {
        turn();
        if (now_ns > stop)
            fail("the server does not keep up: %ld mutations in %.1f s, %g a second were due", (long)done, (now_ns - begun) / 1e9,
                 rate);
        for (; sent < total && sent < due && !meetings[sent % view_count].lacking; sent++) {
            struct meeting *meeting = &meetings[sent % view_count];
            meeting->due = begun + sent * every;
            meeting->counted = sent >= warm;
            while (monotonic() < meeting->due);
            mutate((int)(sent % view_count), !meeting->attending);
        }
    }
}

int main(int count, char **arguments) {
    if (count != 10) fail("usage: mutations PORT PATH RATE SECONDS VIEWS LOOKING ATTENDEES MUTATION_FILE QUERY_FILE");
    port = atoi(arguments[1]);
    path = arguments[2];
    view_count = atoi(arguments[5]);
    looking = atoi(arguments[6]);
    attendees = atoi(arguments[7]);
    mutation = line_of(arguments[8]);
    query = line_of(arguments[9]);
    meetings = calloc(view_count, sizeof *meetings);
    clients = calloc((size_t)view_count * (1 + looking), sizeof *clients);
    epoll = epoll_create1(0);
    open_all();
    run(atof(arguments[3]), atof(arguments[4]));
    printf("{\"p50\":%.3f,\"p99\":%.3f,\"p50 from the commit\":%.3f,\"p99 from the commit\":%.3f,\"p50 of the answer\":%.3f}\n",
           percentile(&pushes, 50), percentile(&pushes, 99), percentile(&commits, 50), percentile(&commits, 99),
           percentile(&answers, 50));
    return 0;
}
