// Every page, in both themes, on a desk and on a phone.
import assert from "node:assert/strict";
import test from "node:test";
import { addresses, axe, site, visit } from "./browser.mjs";

// violations returns what axe finds wrong, as lines: the rule, and the places.
async function violations(page, rules) {
  const options = rules ? { runOnly: rules } : { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
  const { violations } = await page.evaluate((options) => window.axe.run(document, options), options);
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 5).map((n) => n.target.join(" ")).join(", ")}`);
}

test("every page loads, can be read by everybody, and fits on a phone", async (t) => {
  const page = await visit(t, site + "index.html");
  for (const address of addresses) {
    await t.test(address, async () => {
      page.problems.length = 0;
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.goto(site + address);
      await page.addScriptTag({ path: axe });
      assert.deepEqual(await violations(page), [], "light");
      await page.evaluate(() => { document.documentElement.dataset.theme = "dark"; });
      assert.deepEqual(await violations(page, ["color-contrast"]), [], "dark");
      await page.setViewportSize({ width: 390, height: 844 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways at 390 px");
      assert.deepEqual(page.problems, []);
    });
  }
});

test("the first page loads at most 150 KB", async (t) => {
  const page = await visit(t, "about:blank");
  const sizes = [];
  page.on("response", (response) => sizes.push(response.body().then((body) => body.length)));
  await page.goto(site + "index.html", { waitUntil: "networkidle" });
  const total = (await Promise.all(sizes)).reduce((a, b) => a + b);
  assert.ok(total > 20_000 && total <= 150_000, `${total} bytes`);
});
