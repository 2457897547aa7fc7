/* The fastest server that a load generator can meet: one answer from memory, over epoll. answer PORT FILE
 *
 * It looks for the end of a request's head and for its content-length, and for nothing else. What wrk reaches against this is what
 * wrk can do. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 4096, ROOM = 65536 };
static char *buffers[PEERS];
static size_t held[PEERS];

/* How many bytes the first request in the buffer has; 0 while it is not whole. */
static size_t whole(const char *data, size_t size) {
  const char *end = memmem(data, size, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t head = (size_t)(end - data) + 4, body = 0;
  for (const char *line = data; line < end;) {
    if (!strncasecmp(line, "content-length:", 15)) body = strtoul(line + 15, NULL, 10);
    const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
    if (!next) break;
    line = next + 2;
  }
  return head + body <= size ? head + body : 0;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  FILE *file = fopen(argv[2], "rb");
  if (!file) return 2;
  static char body[1 << 20], answer[(1 << 20) + 256];
  size_t length = fread(body, 1, sizeof body, file);
  int size = snprintf(answer, 256, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", length);
  memcpy(answer + size, body, length);
  size += (int)length;

  int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return 1;
  int poll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);

  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1);
    for (int place = 0; place < ready; place++) {
      int peer = events[place].data.fd;
      if (peer == listener) {
        int came = accept(listener, NULL, NULL);
        if (came < 0) continue;
        if (came >= PEERS) { close(came); continue; }
        setsockopt(came, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!buffers[came]) buffers[came] = malloc(ROOM);
        held[came] = 0;
        event = (struct epoll_event){.events = EPOLLIN, .data.fd = came};
        epoll_ctl(poll, EPOLL_CTL_ADD, came, &event);
        continue;
      }
      ssize_t got = read(peer, buffers[peer] + held[peer], ROOM - held[peer]);
      if (got <= 0) { close(peer); continue; }
      held[peer] += (size_t)got;
      size_t used;
      while ((used = whole(buffers[peer], held[peer]))) {
        memmove(buffers[peer], buffers[peer] + used, held[peer] - used);
        held[peer] -= used;
        if (write(peer, answer, (size_t)size) != size) { close(peer); break; }
      }
    }
  }
}
