// The recordings play, served and in files.
import assert from "node:assert/strict";
import test from "node:test";
import { files, none, site, violations, visit } from "./browser.mjs";

for (const [place, top] of [["served", site], ["in files", files]]) {
  test(`a recording plays, ${place}`, async (t) => {
    const page = await visit(t, top + "step02-uts/index.html");
    const button = page.getByRole("button", { name: "Play the recording" });
    await button.focus();
    await page.keyboard.press("Enter");
    const terminal = page.locator(".recording .ap-term");
    await terminal.getByText("go build").waitFor();
    await terminal.getByText("root@container").first().waitFor();
    assert.match(await page.evaluate(() => document.activeElement.className), /ap-wrapper/);
    none(page.problems);
    none(await violations(page));
  });
}

test("nothing plays by itself, and the player comes when you need it", async (t) => {
  const page = await visit(t, "about:blank");
  const loaded = [];
  page.on("request", (request) => loaded.push(request.url()));
  await page.goto(site + "step02-uts/index.html", { waitUntil: "networkidle" });
  assert.equal(await page.locator(".ap-wrapper").count(), 0);
  assert.deepEqual(loaded.filter((address) => /asciinema|cast|pagefind/.test(address)), []);
});
