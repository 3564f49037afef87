// A learner with an editor, make watch in a terminal, and the live page in a browser.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import test from "node:test";
import { none, site, visit } from "./browser.mjs";

const cwd = process.env.WORKSHOP;
const skip = process.getuid() !== 0 && "needs root, as make watch does";

test("the live page follows a save", { skip }, async (t) => {
  const page = await visit(t, site + "live.html");
  page.setDefaultTimeout(60_000);
  const main = page.locator("main");
  const lit = (step, light) => page.locator(`nav.steps [data-step="${step}"] a[data-light="${light}"]`).waitFor();

  const start = spawnSync("build/coach", ["start", "--step", "2", "--rootfs", "/"], { cwd, encoding: "utf8" });
  assert.equal(start.status, 0, start.stdout + start.stderr);
  await main.getByText("No watch is running").waitFor();
  const watch = spawn("build/coach", ["watch", "--step", "", "--dir", "", "--rootfs", "/"], { cwd, stdio: "ignore" });
  t.after(() => watch.kill("SIGKILL"));
  await main.getByText("is running: save your program").waitFor();
  await lit(2, "failed");
  const look = main.getByRole("link", { name: /step02-uts/ }).last();
  assert.match(await look.getAttribute("href"), /step02-uts\/index\.html#/);

  copyFileSync(`${cwd}/step02-uts/main.go`, `${cwd}/work/mine/main.go`);
  await lit(2, "passed");
  await main.getByText("Passed.").waitFor();
  assert.equal(await look.count(), 0);

  watch.kill("SIGINT");
  await main.getByText("No watch is running").waitFor();
  none(page.problems);
});
