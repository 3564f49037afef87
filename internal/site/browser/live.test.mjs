// The live view, with what the coach could see.
import assert from "node:assert/strict";
import test from "node:test";
import { files, none, site, violations, visit } from "./browser.mjs";

const state = {
  doing: "failed", at: "2026-01-02T03:04:05Z", program: "work/mine", step: 2, title: "hostname",
  passed: [true, false, false, false, false, false, false],
  properties: [{ name: "the hostname is container", state: "lacks" }, { name: "hostname changes stay inside" }],
  first: {
    property: "the hostname is container", step: 2, state: "lacks", seen: "<img src=x onerror=alert(1)>", why: "Programs show it.",
    place: "step02-uts/README.md#how-it-works", page: "step02-uts/index.html#how-it-works",
  },
};

const passed = {
  ...state, doing: "passed", first: undefined, gained: "You gained a hostname.", passed: [true, true, false, false, false, false, false],
  properties: state.properties.map(({ name }) => ({ name, state: "has" })),
};

// see puts a state where the coach puts what it sees.
async function see(page, state) {
  const answer = await page.request.put(site + "test/state", { data: JSON.stringify(state) });
  assert.equal(answer.status(), 200, await answer.text());
}

// check tells a page that a check is running. In a file, that holds only while the check holds its lock, which no browser can take.
function check(page) {
  const detail = { connected: true, lights: Array(7).fill({ word: "", share: 0 }), state: { ...state, doing: "checking", first: undefined } };
  return page.evaluate((detail) => document.dispatchEvent(new CustomEvent("live", { detail })), detail);
}

test("the page follows, from the problem to its place in the lesson, and to the step that has passed", async (t) => {
  const page = await visit(t, site + "live.html");
  await see(page, state);
  const main = page.locator("main");
  await main.getByText("Programs show it.").waitFor();
  assert.match(await main.innerText(), /Step 2: hostname/);
  assert.equal(await page.locator("main img").count(), 0, "what a program prints stays text");
  assert.match(await main.innerText(), /<img src=x/);

  const light = (step) => page.locator(`nav.steps [data-step="${step}"] a`).getAttribute("data-light");
  assert.deepEqual([await light(1), await light(2), await light(3)], ["passed", "failed", ""]);

  await see(page, passed);
  await main.getByText("You gained a hostname.").waitFor();
  assert.equal(await light(2), "passed");
  assert.equal(await main.getByText("Programs show it.").count(), 0);

  await see(page, state);
  await main.getByRole("link", { name: /how-it-works/ }).click();
  await page.waitForURL(/step02-uts\/(index\.html)?#how-it-works$/);
  none(page.problems);
});

test("every page shows the lights", async (t) => {
  const page = await visit(t, site + "step05-proc/index.html");
  await see(page, state);
  await page.locator(`nav.steps [data-step="1"] a[data-light="passed"]`).waitFor();
  none(page.problems);
});

test("the lesson of the step shows the problem, and our code when the step has passed", async (t) => {
  const page = await visit(t, site + "step02-uts/index.html");
  await see(page, state);
  const problem = page.locator("#now-yours + p").getByRole("link", { name: "the hostname is container" });
  await problem.waitFor();
  const number = page.locator(`nav.steps [data-step="2"] a`);
  const colours = await number.evaluate((link) => {
    const red = document.body.appendChild(document.createElement("i"));
    red.style.color = "var(--bad)";
    return [link, red].map((e) => getComputedStyle(e).color);
  });
  assert.equal(colours[0], colours[1], "the number is red here, too");
  none(await violations(page));
  await check(page);
  assert.ok(await problem.isVisible(), "the problem stays until there is an answer");
  assert.equal(await page.locator(".pieces").first().isVisible(), false);
  await see(page, passed);
  await problem.waitFor({ state: "hidden" });
  await page.locator(".pieces").first().waitFor();
  none(page.problems);
});

test("while a check runs, the last problem says that it is old", async (t) => {
  const page = await visit(t, site + "live.html");
  await see(page, state);
  await page.locator("#live-news .problem").waitFor();
  assert.equal(await page.locator("#live-news.stale").count(), 0);
  await check(page);
  const old = page.locator("#live-news.stale .problem");
  await old.waitFor();
  assert.match(await old.evaluate((e) => getComputedStyle(e, "::before").content), /the check before/);
});

test("the view for a projector begins at its top", async (t) => {
  const page = await visit(t, site + "live.html", { viewport: { width: 1440, height: 400 } });
  await see(page, state);
  await page.getByRole("link", { name: "Large, for a projector" }).click();
  await page.locator("body > header").waitFor({ state: "hidden" });
  await page.waitForFunction(() => scrollY === 0);
});

test("in files there is nothing live, and no error", async (t) => {
  const page = await visit(t, files + "live.html");
  assert.match(await page.locator("main").innerText(), /make serve/);
  assert.equal(await page.locator("[data-light]").count(), 0);
  none(page.problems);
});
