// The way a page helps its reader: keys, the contents, what is folded, and buttons for single commands.
import assert from "node:assert/strict";
import test from "node:test";
import { none, pasted, site, visit } from "./browser.mjs";

const lesson = site + "step02-uts/index.html";

test("n and p turn the page, and no key acts while you type", async (t) => {
  const page = await visit(t, lesson);
  await page.keyboard.press("n");
  await page.waitForURL(/step03-pid/);
  await page.keyboard.press("p");
  await page.waitForURL(/step02-uts/);
  await page.keyboard.press("/");
  await page.keyboard.type("?");
  assert.equal(await page.locator("dialog.search input").inputValue(), "?");
  assert.equal(await page.locator("dialog.keys").count(), 0);
  none(page.problems);
});

test("? lists the keys, and Escape closes the list", async (t) => {
  const page = await visit(t, lesson);
  await page.keyboard.press("?");
  const list = page.locator("dialog.keys");
  assert.deepEqual(await list.locator("kbd").allTextContents(), ["n", "p", "t", "/", "?"]);
  assert.ok(await list.isVisible());
  await page.keyboard.press("Escape");
  assert.ok(!await list.isVisible());
});

test("the contents say where you are", async (t) => {
  const page = await visit(t, lesson);
  const links = page.locator(".contents details a");
  for (const name of await links.allTextContents()) {
    await links.getByText(name, { exact: true }).click();
    await page.locator(".contents [aria-current]", { hasText: name }).waitFor();
    assert.equal(await page.locator(".contents [aria-current]").count(), 1);
  }
  await page.locator("#goal").evaluate((heading) => scrollTo(0, scrollY + heading.getBoundingClientRect().top - 100));
  await page.locator(".contents [aria-current]", { hasText: "Goal" }).waitFor();
});

test("on a phone the contents are folded, and a link in them leads away from them", async (t) => {
  const page = await visit(t, lesson, { viewport: { width: 390, height: 844 } });
  const contents = page.getByRole("navigation", { name: "On this page" });
  const link = contents.getByRole("link", { name: "Break it" });
  assert.ok(!await link.isVisible());
  await contents.getByText("On this page").click();
  await link.click();
  await link.waitFor({ state: "hidden" });
  const top = () => page.locator("#break-it").evaluate((heading) => Math.abs(heading.getBoundingClientRect().top));
  assert.ok(await top() < 200, `the heading is ${await top()} px away`);
});

test("a link to a hint opens this hint alone", async (t) => {
  const page = await visit(t, site + "step02-uts/HINTS.html#hint-2");
  const open = () => page.locator("details.fold").evaluateAll((folds) => folds.map((fold) => fold.open));
  assert.deepEqual(await open(), [false, true, false]);
});

test("a single command can be copied, with the mouse and with the keys", async (t) => {
  const page = await visit(t, lesson, { permissions: ["clipboard-read", "clipboard-write"] });
  const terminal = page.locator("#check-your-work + figure");
  const commands = await terminal.locator("kbd").allTextContents();

  await terminal.locator("kbd").nth(4).hover();
  await terminal.locator(".copy.here").click();
  await pasted(page, commands[4]);

  // The third command is the first in the container.
  await terminal.getByRole("button", { name: "Copy 4 lines, from hostname" }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await pasted(page, commands[3]);
});

test("a copy button says for a moment that it has copied", async (t) => {
  const page = await visit(t, lesson, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.clock.install();
  const button = page.locator(".copies > :first-child").first();
  const name = await button.textContent();
  await button.focus();
  for (let twice = 0; twice < 2; twice++) {
    await page.keyboard.press("Enter");
    await page.locator(".copies > .done").waitFor();
    assert.equal(await button.textContent(), "Copied");
    await page.evaluate(() => navigator.clipboard.readText());
  }
  await page.clock.runFor(2000);
  assert.equal(await button.textContent(), name);
});

test("a picture has the colours of the page, not of the system", async (t) => {
  const page = await visit(t, lesson);
  const picture = page.locator("img[src$='picture.svg']");
  await picture.scrollIntoViewIfNeeded();
  await picture.evaluate((image) => image.decode());
  // A corner inside of the picture, without anything of the page.
  const corner = async () => {
    const { x, y } = await picture.boundingBox();
    return page.screenshot({ clip: { x: x + 12, y: y + 12, width: 40, height: 40 } });
  };
  const light = await corner();
  while (await page.evaluate(() => document.documentElement.dataset.theme) === "light") await page.keyboard.press("t");
  const drawn = () => page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  for (let frame = 0; frame < 20 && light.equals(await corner()); frame++) await drawn();
  assert.notDeepEqual(await corner(), light);
});

test("on a phone, the recording of the first page touches no button, and no button covers it", async (t) => {
  const page = await visit(t, site + "index.html", { viewport: { width: 390, height: 844 } });
  const box = (selector) => page.locator(selector).boundingBox();
  const [start, picture, play] = [await box(".hero .button >> nth=0"), await box(".hero .recording img"), await box(".hero .recording > button")];
  assert.ok(picture.y >= start.y + start.height + 8);
  assert.ok(play.y >= picture.y + picture.height);
});

test("a command that is too long for its line goes on below its beginning", async (t) => {
  const page = await visit(t, lesson, { viewport: { width: 390, height: 844 } });
  const command = page.locator("#check-your-work + figure kbd", { hasText: "--hostname web" });
  const [prompt, ...lines] = await command.evaluate((kbd) => [kbd.previousElementSibling, kbd].flatMap((e) => [...e.getClientRects()].map((box) => box.left)));
  assert.ok(lines.length > 1);
  assert.ok(lines[1] > prompt + 10);
});
