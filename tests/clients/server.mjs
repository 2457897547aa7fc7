// The server under test, as pytest describes it: started, killed and started again from Node.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const READY_WITHIN = 45_000;
const FORGOTTEN_WITHIN = 15_000;

export class Server {
  #process;
  #printed = "";
  #last = "";

  constructor(described = process.env.BFF_TEST_SERVER) {
    const { url, command, environment, directory } = JSON.parse(described);
    Object.assign(this, { url, command, environment, directory });
    this.socketUrl = `${url.replace(/^http/, "ws")}/graphql`;
  }

  /** Start it; resolves when it is ready. */
  async start() {
    const [program, ...args] = this.command;
    this.#printed = "";
    this.#process = spawn(program, args, { cwd: this.directory, env: { ...process.env, ...this.environment } });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on("data", (printed) => (this.#printed += printed));
    }
    try {
      await this.#ready();
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async #ready() {
    const deadline = Date.now() + READY_WITHIN;
    while (Date.now() < deadline) {
      if (this.#process.exitCode !== null) throw new Error(`the server ended:\n${this.#printed}`);
      const response = await fetch(`${this.url}/readyz`).catch(() => null);
      const checks = await response?.text();
      if (response?.ok) return;
      this.#last = checks ?? "no answer";
      await sleep(50);
    }
    throw new Error(`the server was not ready in time:\n${this.#last}\n${this.#printed}`);
  }

  /** End it at once, as a crash would; resolves when it is gone. */
  async kill() {
    const running = this.#process;
    this.#process = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, "exit");
    running.kill("SIGKILL");
    await gone;
  }

  async restart() {
    await this.kill();
    await this.start();
  }

  /** One request over HTTP, without any client library. */
  async post(query, variables = {}) {
    const response = await fetch(`${this.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    return response.json();
  }

  /** Resolves when no subscription is left on the server: a client that has stopped left nothing behind. */
  async untilNobodyListens() {
    const deadline = Date.now() + FORGOTTEN_WITHIN;
    let left;
    while (Date.now() < deadline) {
      left = (await (await fetch(`${this.url}/subscriptions`)).json()).subscriptions;
      if (left === 0) return;
      await sleep(20);
    }
    throw new Error(`${left} subscriptions are left on the server`);
  }

  async setAttendance(userId, attending) {
    const { data, errors } = await this.post(
      `mutation ($userId: ID!, $attending: Boolean!) {
        setAttendance(meetingId: "meeting_1", userId: $userId, attending: $attending) { id version attending { name } }
      }`,
      { userId, attending },
    );
    if (errors) throw new Error(JSON.stringify(errors));
    return data.setAttendance;
  }
}
