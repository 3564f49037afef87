// What a reader does: walk with the Tab key, copy, change the colours, print, and read without scripts.
import assert from "node:assert/strict";
import test from "node:test";
import { axe, none, pasted, site, visit } from "./browser.mjs";

const lesson = site + "step02-uts/index.html";

test("Tab leads through the page in the order of reading, and you see where you are", async (t) => {
  const page = await visit(t, lesson);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), "#main");
  const seen = [];
  for (let at = 0; at < 40; at++) {
    seen.push(await page.evaluate(() => {
      const e = document.activeElement;
      const style = getComputedStyle(e);
      const box = e.getBoundingClientRect();
      const part = ["header", "nav.contents", "main"].findIndex((name) => e.closest(name));
      return { name: e.outerHTML.slice(0, 80), part, outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0, shown: box.width > 0 && box.height > 0 };
    }));
    await page.keyboard.press("Tab");
  }
  none(seen.filter(({ shown }) => !shown).map(({ name }) => `you do not see ${name}`));
  none(seen.filter(({ outline }) => !outline).map(({ name }) => `no outline when it has the focus: ${name}`));
  const parts = seen.map(({ part }) => part);
  assert.deepEqual(parts, parts.toSorted((a, b) => a - b), "first the header, then the contents, then the text");
  assert.ok(parts.includes(2), "forty steps lead into the text");
});

test("the first link skips to the text", async (t) => {
  const page = await visit(t, lesson);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.activeElement.closest("main")), "the next stop is in the text");
});

// shells returns the commands of a terminal in groups: where the prompt names another user or host, another shell reads them.
function shells(terminal) {
  return terminal.locator("kbd").evaluateAll((commands) => {
    const groups = [];
    let last;
    for (const command of commands.filter((kbd) => kbd.textContent)) {
      const shell = command.previousElementSibling.textContent.split(":")[0];
      if (shell === last) groups[groups.length - 1] += "\n" + command.textContent;
      else groups.push(command.textContent);
      last = shell;
    }
    return groups;
  });
}

for (const [device, options] of [["the keyboard", {}], ["a phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }]]) {
  test(`with ${device}, each button copies the commands of one shell, without prompts and output`, async (t) => {
    const page = await visit(t, lesson, { permissions: ["clipboard-read", "clipboard-write"], ...options });
    let several = 0;
    for (const terminal of await page.locator("figure.terminal:visible").all()) {
      const buttons = await terminal.locator(".copy:not(.line)").all();
      const wanted = await shells(terminal);
      assert.equal(buttons.length, wanted.length);
      for (const [i, button] of buttons.entries()) {
        assert.ok(await button.evaluate((b) => b.tabIndex === 0));
        if (options.hasTouch) await button.tap();
        else await button.press("Enter");
        await pasted(page, wanted[i]);
      }
      if (wanted.length > 1) several++;
    }
    assert.ok(several > 2, `${several} terminals have several shells`);
    none(page.problems);
  });
}

test("the colours follow the system, and then your choice, on every page", async (t) => {
  const page = await visit(t, lesson, { colorScheme: "dark" });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), "dark");
  for (let i = 0; i < 3 && await theme() === "dark"; i++) await page.keyboard.press("t");
  assert.equal(await theme(), "light");
  await page.goto(site + "step03-pid/index.html");
  assert.equal(await theme(), "light");
});

for (const colorScheme of ["light", "dark"]) {
  test(`where the system is ${colorScheme}, the first t changes what you see`, async (t) => {
    const page = await visit(t, lesson, { colorScheme });
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    await page.keyboard.press("t");
    assert.equal(await theme(), colorScheme === "light" ? "dark" : "light");
    const choices = [];
    for (let i = 0; i < 3; i++) {
      choices.push(await page.locator("#theme").getAttribute("aria-label"));
      await page.keyboard.press("t");
    }
    assert.equal(new Set(choices).size, 3);
  });

  test(`on paper there is the text alone, black on white, from ${colorScheme}`, async (t) => {
    const page = await visit(t, lesson, { colorScheme });
    await page.emulateMedia({ media: "print", colorScheme });
    await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
    for (const part of ["header", ".contents", "main button"]) {
      assert.equal(await page.locator(part).filter({ visible: true }).count(), 0, part);
    }
    await axe(page);
    await page.addStyleTag({ content: "html { background: #fff; }" });
    const { violations } = await page.evaluate(() => window.axe.run(document.querySelector("main"), { runOnly: ["color-contrast"] }));
    none(violations.flatMap((v) => v.nodes.slice(0, 5).map((n) => `${n.target}: ${n.any[0].message}`)));
  });
}

test("without scripts, all of a lesson can be read", async (t) => {
  const page = await visit(t, lesson, { javaScriptEnabled: false });
  assert.match(await page.locator("main").innerText(), /UTS namespace/);
  for (const fold of await page.locator("main details > summary").all()) {
    await fold.click();
    assert.ok(await fold.locator("xpath=..").evaluate((e) => e.open));
  }
  assert.equal(await page.locator("button").filter({ visible: true }).count(), 0, "no button without its script");
  none(page.problems);
});

test("a page below a path works as one at the top", async (t) => {
  const page = await visit(t, site + "below/a/path/step02-uts/index.html");
  await page.keyboard.press("/");
  await page.keyboard.insertText("pivot_root");
  const first = page.locator("dialog.search li a").first();
  await first.waitFor();
  assert.match(await first.getAttribute("href"), /^\/below\/a\/path\//);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Play the recording" }).click();
  await page.locator(".ap-term").getByText("go build").waitFor();
  none(page.problems);
});
