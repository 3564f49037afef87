// The code of the steps: beside its paragraph, whole, and two steps side by side.
import assert from "node:assert/strict";
import test from "node:test";
import { none, site, visit } from "./browser.mjs";

const phone = { viewport: { width: 390, height: 844 } };

for (const [where, options, beside] of [["a wide window", {}, true], ["a phone", phone, false]]) {
  test(`on ${where}, the code is ${beside ? "beside" : "below"} its paragraph`, async (t) => {
    const page = await visit(t, site + "step05-proc/index.html", options);
    await page.getByRole("button", { name: "Show our code" }).click();
    const pair = page.locator(".beside", { hasText: "mounts nothing" });
    const words = await pair.locator("p").boundingBox();
    const code = await pair.locator("figure").boundingBox();
    if (beside) assert.ok(code.x >= words.x + words.width && Math.abs(code.y - words.y) < 40);
    else assert.ok(code.y >= words.y + words.height && code.x + code.width <= 390);
    assert.match(await pair.locator(".new").first().innerText(), /makeMountsPrivate/);
  });
}

test("from a piece of code you come to its lines in the whole program", async (t) => {
  const page = await visit(t, site + "step05-proc/index.html");
  await page.getByRole("button", { name: "Show our code" }).click();
  const pair = page.locator(".beside", { hasText: "mounts nothing" });
  const line = await pair.locator(".new").first().innerText();
  await pair.getByRole("link", { name: /main.go, lines/ }).click();
  await page.waitForURL(/code\.html#L\d+$/);
  assert.equal(await page.locator(".line:target").innerText(), line);
  none(page.problems);
});

test("a lesson shows our code when you ask, and remembers that for this step alone", async (t) => {
  const page = await visit(t, site + "step05-proc/index.html");
  const code = page.locator(".pieces").first();
  assert.equal(await code.isVisible(), false);
  await page.getByRole("button", { name: "Show our code" }).press("Enter");
  assert.ok(await code.isVisible());
  await page.reload();
  assert.ok(await code.isVisible());
  await page.goto(site + "step06-cgroups/index.html");
  assert.equal(await code.isVisible(), false);
  await page.goto(site + "step06-cgroups/code.html");
  await page.getByRole("link", { name: "The lesson explains them" }).click();
  await code.waitFor();
  await page.getByRole("button", { name: "Hide our code" }).click();
  assert.equal(await code.isVisible(), false);
  await page.emulateMedia({ media: "print" });
  assert.ok(await code.isVisible(), "on paper, all code is there");
  none(page.problems);
});

test("without scripts, our code is there", async (t) => {
  const page = await visit(t, site + "step05-proc/index.html", { javaScriptEnabled: false });
  assert.ok(await page.locator(".pieces").first().isVisible());
});

test("process.go unfolds", async (t) => {
  const page = await visit(t, site + "step02-uts/code.html");
  assert.equal(await page.getByText("func dispatch").isVisible(), false);
  await page.getByRole("link", { name: "process.go" }).click();
  await page.getByText("func dispatch").waitFor();
});

// sides returns what the two columns show: their lines, which of them are marked as new, and their width.
const sides = (page) => page.locator(".sides figure").evaluateAll((figures) => figures.map((figure) => {
  const lines = [...figure.querySelectorAll(".line")].filter((line) => getComputedStyle(line).display !== "none");
  const shown = lines.filter((line) => getComputedStyle(line).visibility !== "hidden");
  return {
    text: shown.map((line) => line.textContent).join(""), height: lines.length,
    fresh: shown.filter((line) => line.matches(".new")).length, width: figure.getBoundingClientRect().width,
  };
}));

// program returns the main.go of a step, as the page of the step shows it.
async function program(t, step) {
  const page = await visit(t, `${site}${step}/code.html`);
  return (await page.locator(".listing pre").first().locator(".line").allTextContents()).join("");
}

test("the sliders choose two steps and divide their columns", async (t) => {
  const page = await visit(t, site + "compare.html#2-5");
  let [left, right] = await sides(page);
  assert.equal(left.text, await program(t, "step02-uts"));
  assert.equal(right.text, await program(t, "step05-proc"));
  assert.equal(left.height, right.height, "equal lines are side by side");

  await page.getByLabel("Right").focus();
  await page.keyboard.press("ArrowLeft");
  await page.waitForURL(/#2-4$/);
  [left, right] = await sides(page);
  assert.equal(right.text, await program(t, "step04-chroot"));
  assert.deepEqual([left.fresh, right.fresh], [0, 40]);
  assert.match(await page.getByRole("status").first().innerText(), /40 lines/);

  await page.getByLabel("Width of the left column").focus();
  await page.keyboard.press("Home");
  [left, right] = await sides(page);
  assert.ok(left.width < 5 && right.width > 900, "the right column has all the width");
  none(page.problems);
});

test("a lesson leads to the comparison with the step before, and a button to each change", async (t) => {
  const page = await visit(t, site + "step07-tmpfs/index.html");
  await page.getByRole("button", { name: "Show our code" }).click();
  await page.getByRole("link", { name: "Compare with step 6" }).click();
  await page.waitForURL(/compare\.html#6-7$/);
  const head = await page.getByText("The number beside a line").boundingBox();
  assert.ok(head.y > 60 && head.y < 800, "you see what the numbers mean");
  const [left, right] = await sides(page);
  assert.equal(left.text, await program(t, "step06-cgroups"));
  assert.equal(right.text, await program(t, "step07-tmpfs"));
  const seen = page.getByText("func mountTmpfs");
  const inView = () => seen.last().evaluate((e) => e.getBoundingClientRect().top > 0 && e.getBoundingClientRect().bottom < innerHeight);
  assert.equal(await inView(), false);
  for (let i = 0; i < 5 && !await inView(); i++) await page.getByRole("button", { name: "Next change" }).click();
  assert.ok(await inView());
  none(page.problems);
});
