// Every page, in both themes, on a desk and on a phone.
import assert from "node:assert/strict";
import test from "node:test";
import { addresses, axe, none, site, visit } from "./browser.mjs";

// violations returns what axe finds wrong, as lines: the rule, and the places.
async function violations(page, rules) {
  const options = rules ? { runOnly: rules } : { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
  const { violations } = await page.evaluate((options) => window.axe.run(document, options), options);
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 5).map((n) => n.target.join(" ")).join(", ")}`);
}

// examine adds what is wrong to the page's problems.
async function examine(page) {
  await page.addScriptTag({ path: axe });
  page.problems.push(...await violations(page));
  await page.evaluate(() => { document.documentElement.dataset.theme = "dark"; });
  page.problems.push(...(await violations(page, ["color-contrast"])).map((line) => `dark: ${line}`));
  await page.evaluate(() => { document.documentElement.dataset.theme = "light"; });
}

test("every page loads, can be read by everybody, and fits on a phone", async (t) => {
  const page = await visit(t, site + "index.html");
  const kinds = new Set();
  for (const address of addresses) {
    await t.test(address, async () => {
      page.problems.length = 0;
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.goto(site + address);
      // Pages made from programs are alike: one of each kind is enough.
      const kind = await page.evaluate(() => document.querySelector("[data-pagefind-body]") ? location.pathname : document.body.className);
      if (!kinds.has(kind)) await examine(page);
      kinds.add(kind);
      await page.setViewportSize({ width: 390, height: 844 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) page.problems.push(`at 390 px the page is ${wide} px too wide`);
      none(page.problems);
    });
  }
});

test("the first page loads at most 150 KB", async (t) => {
  const page = await visit(t, "about:blank");
  const sizes = [];
  page.on("response", (response) => { if (response.ok()) sizes.push(response.body().then((body) => body.length)); });
  await page.goto(site + "index.html", { waitUntil: "networkidle" });
  const total = (await Promise.all(sizes)).reduce((a, b) => a + b);
  assert.ok(total > 20_000 && total <= 150_000, `${total} bytes`);
});
