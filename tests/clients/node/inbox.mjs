import assert from "node:assert/strict";

const WITHIN = 30_000;

/** Keeps what a subscription brings, in order, and waits for what it should bring. */
export class Inbox {
  items = [];
  #waiting = new Set();

  add(item) {
    this.items.push(item);
    for (const look of [...this.#waiting]) look();
  }

  /** The first item, from index `from` on, that `wanted` likes; now or as soon as it comes. */
  until(wanted, from = 0) {
    return new Promise((resolve, reject) => {
      const end = (settle) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const look = () => {
        const index = this.items.findIndex((item, at) => at >= from && wanted(item));
        if (index >= 0) end(() => resolve(this.items[index]));
      };
      const timer = setTimeout(
        () => end(() => reject(new Error(`did not come in time; what came: ${JSON.stringify(this.items.slice(-5))}`))),
        WITHIN,
      );
      this.#waiting.add(look);
      look();
    });
  }
}

/** Versions only ever move forward; after a reconnect the state one has may come once more. */
export function assertNeverBack(versions) {
  versions.reduce((before, version) => {
    assert.ok(BigInt(version) >= before, `went back from ${before} to ${version}`);
    return BigInt(version);
  }, 0n);
}
