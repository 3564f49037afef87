// Every page, in both themes, on a desk and on a phone.
import assert from "node:assert/strict";
import test from "node:test";
import { addresses, none, site, violations, visit } from "./browser.mjs";

// examine adds what is wrong to the page's problems.
async function examine(page) {
  page.problems.push(...await violations(page));
  await page.evaluate(() => { document.documentElement.dataset.theme = "dark"; });
  page.problems.push(...(await violations(page, ["color-contrast"])).map((line) => `dark: ${line}`));
  await page.evaluate(() => { document.documentElement.dataset.theme = "light"; });
}

// The pages of the files of final and of the workshop are alike: some of them are enough.
const alike = addresses.filter((address) => /^(final|internal)\/.*\//.test(address) || /\.go\.html$/.test(address));
const visited = addresses.filter((address) => !alike.includes(address) || alike.indexOf(address) % 20 === 0);

test("every page loads, can be read by everybody, and fits on a phone", async (t) => {
  const page = await visit(t, "about:blank");
  for (const address of visited) {
    await t.test(address, async () => {
      page.problems.length = 0;
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.goto(site + address);
      // The hints of the steps are alike, too, and so are their programs.
      if (!/step0[2-6].*(HINTS|code)/.test(address)) await examine(page);
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
  // The events never end.
  const counts = (response) => response.ok() && !response.url().endsWith("/events");
  page.on("response", (response) => { if (counts(response)) sizes.push(response.body().then((body) => body.length)); });
  await page.goto(site + "index.html", { waitUntil: "networkidle" });
  const total = (await Promise.all(sizes)).reduce((a, b) => a + b);
  assert.ok(total > 20_000 && total <= 150_000, `${total} bytes`);
});
