// Two steps side by side.
import assert from "node:assert/strict";
import test from "node:test";
import { none, site, visit } from "./browser.mjs";

// lines returns what a column shows of its step.
const lines = (page, column) => page.locator(".sides figure").nth(column).locator(".line:not([hidden]):not(.lacking)").allTextContents();

test("the sliders move through the steps, with the keyboard", async (t) => {
  const page = await visit(t, site + "compare.html#1-2");
  const before = await lines(page, 1);
  assert.equal(before.some((line) => line.includes("CLONE_NEWUTS")), true);
  assert.equal(before.some((line) => line.includes("CLONE_NEWPID")), false);
  await page.locator("#right").focus();
  await page.keyboard.press("ArrowRight");
  const after = await lines(page, 1);
  assert.equal(after.some((line) => line.includes("CLONE_NEWPID")), true);
  assert.ok(after.length > before.length);
  assert.match(await page.locator("#right").getAttribute("aria-valuetext"), /^Step 3/);
  await page.waitForURL(/#1-3$/);
  none(page.problems);
});

test("the address says which steps you see", async (t) => {
  const page = await visit(t, site + "compare.html#2-5");
  assert.equal(await page.locator("#left").inputValue(), "2");
  assert.equal(await page.locator("#right").inputValue(), "5");
  const [left, right] = [await lines(page, 0), await lines(page, 1)];
  assert.ok(left.length < right.length);
  let at = 0;
  for (const line of right) if (line === left[at]) at++;
  assert.equal(at, left.length, "the right column has all lines of the left one");
});

test("equal lines stand side by side, and the divider moves", async (t) => {
  const page = await visit(t, site + "compare.html#1-7");
  const tops = (column) => page.locator(".sides figure").nth(column).locator(".line:not([hidden])").evaluateAll((all) => all.map((line) => Math.round(line.getBoundingClientRect().top)));
  assert.deepEqual(await tops(0), await tops(1));
  const width = () => page.locator(".sides figure").first().evaluate((figure) => figure.getBoundingClientRect().width);
  const before = await width();
  await page.locator("#divide").focus();
  await page.keyboard.press("PageDown");
  assert.ok(await width() < before);
});
