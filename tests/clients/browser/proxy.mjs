// A network between a browser and the server that can be cut.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Forwards TCP to the server, until it is cut: then it drops what there is, and whoever comes. */
export class Proxy {
  #open = new Set();
  #isCut = false;
  #listener;

  constructor(server) {
    this.server = server;
  }

  async start() {
    const { hostname, port } = new URL(this.server.url);
    this.#listener = createServer((client) => {
      if (this.#isCut) return client.resetAndDestroy();
      const target = connect(Number(port), hostname);
      for (const [socket, other] of [
        [client, target],
        [target, client],
      ]) {
        this.#open.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          this.#open.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
    this.url = `http://127.0.0.1:${this.#listener.address().port}`;
  }

  /** No network for so many milliseconds; resolves when it is back. Nobody is told: connections end as they do on a lost network. */
  async cut(milliseconds) {
    this.#isCut = true;
    for (const socket of this.#open) socket.resetAndDestroy();
    await sleep(milliseconds);
    this.#isCut = false;
  }

  async stop() {
    this.#listener?.close();
    for (const socket of this.#open) socket.destroy();
  }
}
