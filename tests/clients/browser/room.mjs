// Windows of the meeting room's page, in a real Chromium.
import { execFileSync } from "node:child_process";

import { chromium } from "playwright-core";

const WITHIN = 30_000;

function executablePath() {
  return process.env.BFF_TEST_CHROMIUM ?? execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
}

export async function launch() {
  return chromium.launch({
    executablePath: executablePath(),
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
}

/** One window, with a profile of its own, as another person has one. */
export class Window {
  problems = [];
  requests = [];

  static async open(browser, server, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
    context.setDefaultTimeout(WITHIN);
    const window = new Window();
    window.context = context;
    window.page = await context.newPage();
    window.server = server;
    window.page.on("pageerror", (error) => window.problems.push(String(error)));
    window.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) window.problems.push(message.text());
    });
    window.page.on("request", (request) => window.requests.push(request.url()));
    return window;
  }

  async visit(search = "") {
    await this.page.goto(`${this.server.url}/${search}`);
    await this.isLive();
    await this.person("Joshua Pendergrast").waitFor();
    // Gone after a reload.
    await this.page.evaluate(() => (globalThis.sameDocument = true));
  }

  person(name) {
    return this.page.getByRole("switch", { name });
  }

  /** A meeting in a list: `meetings`, `in-session`, or a person's card. */
  row(list, meetingId) {
    return this.page.getByTestId(list).locator(`[data-meeting="${meetingId}"]`);
  }

  rowShows(list, meetingId, text) {
    return this.row(list, meetingId).filter({ hasText: text }).waitFor();
  }

  /** Resolves when the list shows these titles in this order. */
  async listShows(list, titles) {
    await this.page.waitForFunction(
      ([testId, wanted]) => {
        const links = document.querySelectorAll(`[data-testid="${testId}"] a`);
        return JSON.stringify([...links].map((link) => link.textContent)) === wanted;
      },
      [list, JSON.stringify(titles)],
    );
  }

  /** The requests over HTTP to GraphQL since the last time this was asked. */
  graphqlRequests() {
    const asked = this.requests.splice(0).filter((url) => new URL(url).pathname === "/graphql");
    return asked.length;
  }

  shows(testId, text) {
    return this.page.getByTestId(testId).filter({ hasText: text }).waitFor();
  }

  isLive() {
    return this.shows("connection", /^Live$/);
  }

  isHere(name) {
    return this.page.getByRole("switch", { name, checked: true }).waitFor();
  }

  isAway(name) {
    return this.page.getByRole("switch", { name, checked: false }).waitFor();
  }

  wasNotReloaded() {
    return this.page.evaluate(() => globalThis.sameDocument === true);
  }
}
