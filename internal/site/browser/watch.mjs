// A learner writes step 2, with make serve, make watch and a browser. These are the programs themselves.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import test, { after } from "node:test";
import { files, none, site, violations, visit } from "./browser.mjs";

const workshop = process.env.WORKSHOP + "/";
const mine = workshop + "work/mine/main.go";
const running = new Set();
after(() => running.forEach((program) => program.kill("SIGKILL")));

// run starts a program of the workshop.
function run(program, ...args) {
  const started = spawn(workshop + "build/" + program, args, { cwd: workshop, stdio: ["ignore", "pipe", "inherit"] });
  running.add(started);
  started.on("exit", () => running.delete(started));
  return started;
}

// serve starts make serve's program, and returns it and the address that it prints.
async function serve(address) {
  const server = run("pages", "serve", address);
  for await (const text of server.stdout) {
    const [found] = String(text).match(/http:\S+/) ?? [];
    if (found) return [server, found];
  }
  throw new Error("the server has ended");
}

const coach = (...args) => execFileSync(workshop + "build/coach", ["--rootfs=/", ...args], { cwd: workshop });
const watch = () => run("coach", "--rootfs=/", "watch");
const killed = (program) => new Promise((done) => { program.on("exit", done); program.kill("SIGKILL"); });

// save writes the learner's program, as most editors do: another file takes its place.
function save(text) {
  writeFileSync(mine + "~", text);
  renameSync(mine + "~", mine);
}

// fits checks a state of the live page on a phone and in both themes.
async function fits(page) {
  for (const theme of ["dark", "light"]) {
    await page.evaluate((theme) => { document.documentElement.dataset.theme = theme; }, theme);
    page.problems.push(...await violations(page));
  }
  await page.setViewportSize({ width: 390, height: 844 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  await page.setViewportSize({ width: 1440, height: 900 });
  none(page.problems);
}

test("the pages follow each save", async (t) => {
  const [, address] = await serve("127.0.0.1:0");
  const page = await visit(t, address + "live.html");
  const shows = (text) => page.locator("main").getByText(text).first().waitFor();
  await shows("No program yet. Begin with make start.");
  coach("start", "--step", "2");
  await shows("Not checked yet.");
  await shows("No watch is running. Type make watch");
  const right = readFileSync(workshop + "step02-uts/main.go", "utf8");
  const wrong = right.replace("CLONE_NEWUTS", "CLONE_NEWNS");

  let watching = watch();
  await shows("make watch is running");
  save(wrong);
  await shows("You made a mount namespace, not a UTS namespace.");
  const two = page.locator("header [data-step='2'] a");
  assert.equal(await two.getAttribute("data-light"), "failed");
  assert.equal(await page.locator(".live-link").innerText(), "live");
  await fits(page);
  await page.getByRole("link", { name: "step02-uts/README.md, How it works" }).click();
  await page.waitForURL(/step02-uts\/(index.html)?#how-it-works$/);
  assert.ok(await page.locator("#how-it-works").isVisible());
  // Every page has the lights. This one follows the next save.
  await page.locator("header [data-step='2'] a[data-light=failed]").waitFor();
  save(right);
  await page.locator("header [data-step='2'] a[data-light=passed]").waitFor();
  await page.locator(".live-link").click();
  await shows("✓ Passed.");
  await shows("hostname of its own");
  await fits(page);

  save(right + "\nfunc broken() { nowhere() }\n");
  await shows("undefined: nowhere");
  await killed(watching);
  await shows("No watch is running.");
  watching = watch();
  await shows("make watch is running");
  none(page.problems);
  await killed(watching);
});

test("what a program prints is text", async (t) => {
  const [, address] = await serve("127.0.0.1:0");
  const page = await visit(t, address + "live.html");
  cpSync(workshop + "step01-exec", workshop + "work/hostile", { recursive: true });
  const hostile = workshop + "work/hostile/main.go";
  writeFileSync(hostile, 'package main\n\nfunc main() { println("<img src=x onerror=alert(1)><script>alert(2)</script>") }\n');
  rmSync(workshop + "work/hostile/process.go");
  try { coach("check", "--step", "1", "--dir", "work/hostile"); } catch { /* It fails. */ }
  await page.locator("main .problem").getByText("<img src=x onerror=alert(1)>").waitFor();
  assert.equal(await page.locator("main img, main script").count(), 0);
  none(page.problems);
});

test("a page notices that the server ends, and that it is back", async (t) => {
  const [server, address] = await serve("127.0.0.1:0");
  const page = await visit(t, address + "live.html#class");
  await page.getByText("Back to the page").waitFor();
  assert.equal(await page.locator("body > header").isVisible(), false, "a projector shows the state alone");
  await killed(server);
  await page.getByText("The connection is lost.").waitFor();
  await serve(new URL(address).host);
  await page.getByText("The connection is lost.").waitFor({ state: "detached" });
  await page.getByText("Back to the page").click();
  await page.locator("body > header").waitFor({ state: "visible" });
});

test("on any other server, and in files, no page asks for events", async (t) => {
  for (const top of [site, files]) {
    const page = await visit(t, "about:blank");
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(top + "live.html", { waitUntil: "load" });
    assert.match(await page.locator("main").innerText(), /make serve/);
    assert.equal(await page.locator(".live-link").count(), 0);
    assert.ok(asked.length > 3);
    none(asked.filter((address) => address.includes("events")));
    none(page.problems);
  }
});
