// The search, with the keyboard alone. Words come at once, so that nothing is found for a part of them.
import assert from "node:assert/strict";
import test from "node:test";
import { files, none, site, violations, visit } from "./browser.mjs";

// bare is an address without the name that a server leaves out.
const bare = (address) => address.replace("index.html", "");

for (const key of ["/", "Control+k"]) {
  test(`${key} opens the search, which finds pivot_root, and Enter leads there`, async (t) => {
    const page = await visit(t, site + "step02-uts/index.html");
    await page.keyboard.press(key);
    await page.keyboard.insertText("pivot_root");
    const results = page.locator("dialog.search li a");
    await results.first().waitFor();
    assert.match(await results.first().innerText(), /pivot_root/);
    assert.ok(await page.locator("dialog.search mark").count() > 0);
    none(await violations(page));
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    const href = await results.first().getAttribute("href");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), href);
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => bare(url.href) === bare(new URL(href, site).href));
    assert.match(await page.locator("main").innerText(), /pivot_root/);
    none(page.problems);
  });
}

test("Escape closes the search, and the focus is back", async (t) => {
  const page = await visit(t, site + "index.html");
  await page.locator("#search").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.insertText("cgroup");
  await page.locator("dialog.search li a").first().waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog.search").isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.id), "search");
});

test("what you type in the search is text", async (t) => {
  const page = await visit(t, site + "index.html");
  await page.keyboard.press("/");
  await page.keyboard.type("<img src=x onerror=alert(1)>/");
  await page.locator("dialog.search [role=status]:not(:empty)").waitFor();
  assert.equal(await page.locator("dialog.search img").count(), 0);
  none(page.problems);
});

test("the search gives no hints away", async (t) => {
  const page = await visit(t, site + "index.html");
  await page.keyboard.press("/");
  await page.keyboard.insertText("defer removeCgroups");
  await page.locator("dialog.search [role=status]:not(:empty)").waitFor();
  const text = await page.locator("dialog.search ol").innerText();
  assert.match(text, /Walking through/);
  assert.doesNotMatch(text, /Hint \d|func run/);
});

test("the search has lessons and no programs", async (t) => {
  const page = await visit(t, site + "index.html");
  await page.keyboard.press("/");
  await page.keyboard.insertText("SysProcAttr");
  await page.locator("dialog.search [role=status]:not(:empty)").waitFor();
  const links = await page.locator("dialog.search li a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  assert.ok(links.length > 0);
  for (const link of links) assert.doesNotMatch(link, /code\.html|\.go/);
});

test("the search counts the places that it lists", async (t) => {
  const page = await visit(t, site + "index.html");
  await page.keyboard.press("/");
  await page.keyboard.insertText("clone");
  const status = page.locator("dialog.search [role=status]");
  await status.getByText("places, on").waitFor();
  assert.match(await status.innerText(), new RegExp(`^${await page.locator("dialog.search li").count()} places`));
  assert.doesNotMatch(await page.locator("dialog.search ol").innerText(), /The whole program/);
});

test("in files, the search says what it needs", async (t) => {
  const page = await visit(t, files + "index.html");
  await page.keyboard.press("/");
  assert.match(await page.locator("dialog.search").innerText(), /make serve/);
  await page.keyboard.type("pivot_root");
  assert.match(await page.locator("dialog.search").innerText(), /make serve/);
  none(page.problems);
});
