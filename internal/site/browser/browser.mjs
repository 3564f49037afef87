// What the tests share: one browser, and the pages of the site.
import { createRequire } from "node:module";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { after } from "node:test";

const require = createRequire(process.env.MODULES);
const { chromium } = require("playwright-core");

// axe gives a page axe-core. As a script of the page, the server's policy would forbid axe-core.
const source = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export async function axe(page) {
  if (!await page.evaluate(() => "axe" in window)) await page.evaluate(source);
}
export const site = process.env.SITE;
export const files = pathToFileURL(process.env.FILES).href;

// patience is how long a test waits for what must come. A machine may do many other things, too.
const patience = 120_000;

// In a container, or as root, Chromium has no sandbox of its own. The pages are ours.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"], timeout: patience });
after(() => browser.close());

// addresses are the addresses of all pages.
export const addresses = readdirSync(process.env.FILES, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".html"))
  .map((entry) => relative(process.env.FILES, join(entry.parentPath ?? entry.path, entry.name))).sort();

// visit opens an address in a window of its own, which ends with the test. page.problems collects what the browser complains about.
export async function visit(t, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light", ...options });
  t.after(() => context.close());
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  page.problems = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) page.problems.push(message.text()); });
  page.on("pageerror", ({ message }) => page.problems.push(message));
  page.on("requestfailed", (request) => {
    // A page that the window leaves does not get its icon any more.
    const { errorText } = request.failure();
    if (errorText !== "net::ERR_ABORTED") page.problems.push(`${request.url()}: ${errorText}`);
  });
  page.on("response", (response) => { if (response.status() >= 400) page.problems.push(`${response.url()}: ${response.status()}`); });
  await page.goto(address);
  return page;
}

// pasted waits until a paste would give what the test wants. A button says only for a moment that it has copied.
export async function pasted(page, want) {
  await page.waitForFunction(async (want) => (await navigator.clipboard.readText()).trimEnd() === want, want);
}

// none fails if there are problems, and shows each on its line.
export function none(problems) {
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

// violations returns what axe finds wrong, as lines: the rule, and the places.
export async function violations(page, rules) {
  await axe(page);
  const runOnly = rules ?? ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const options = { runOnly, resultTypes: ["violations"] };
  const { violations } = await page.evaluate((options) => window.axe.run(document, options), options);
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 5).map((n) => n.target.join(" ")).join(", ")}`);
}
