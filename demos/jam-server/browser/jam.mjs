// Real pages in a real browser, against the jam server with the official phoenix client: eight pages told
// one jam, loops, leave, redirect, reconnection, a closed tab. Writes pictures for a person to look at.
//
// node jam.mjs SERVER CHROMIUM PICTURES
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import net from "node:net";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [server, executablePath, pictures] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });

const LOOPS = ["kick", "hats", "claps", "bass", "chords", "arpeggio", "lead"];

async function startServer(...args) {
  const child = spawn(server, ["--port", "0", ...args], { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) return { child, url: line.trim() };
  throw new Error("the server printed no address");
}

// Carries bytes to the server, until `cut` ends all connections without a word.
async function startProxy(url) {
  const sockets = new Set();
  const { hostname, port } = new URL(url);
  let open = true;
  const proxy = net.createServer((inner) => {
    const outer = net.connect(Number(port), hostname);
    if (!open) {
      inner.destroy();
      outer.destroy();
      return;
    }
    for (const [from, to] of [[inner, outer], [outer, inner]]) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => { sockets.delete(from); to.destroy(); });
      from.pipe(to);
    }
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    cut() {
      open = false;
      for (const socket of sockets) socket.resetAndDestroy();
    },
    mend() { open = true; },
    stop() { proxy.close(); this.cut(); },
  };
}

const { child, url } = await startServer();
const proxy = await startProxy(url);
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const contexts = [];

// A page of a user of its own, whose errors are failures.
async function open(at, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 820 }, ...options });
  contexts.push(context);
  return openIn(context, at);
}

async function openIn(context, at) {
  const page = await context.newPage();
  page.on("pageerror", (error) => { throw error; });
  await page.goto(at);
  return page;
}

const joined = (page) =>
  page.waitForFunction(() => document.getElementById("connection").dataset.state === "in the jam" &&
    document.querySelector(".seat.mine") !== null);
const topicOf = (page) => page.evaluate(() => document.body.dataset.topic);
const loopOf = (page) => page.locator(".seat.mine h2").textContent();
const state = async () => (await fetch(`${url}/state`)).json();

async function eventually(what, holds) {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    assert(Date.now() < deadline, `never: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function check(name, test) {
  await test();
  console.log(`browser: ${name}`);
}

try {
  let pages = [];
  let told = "";

  await check("eight pages told one jam are seven and one, with one redirect", async () => {
    const first = await open(url);
    await joined(first);
    told = await topicOf(first);
    const link = `${url}/${told.replace(":", "/")}`;
    pages = [first, ...await Promise.all(Array.from({ length: 7 }, () => open(link)))];
    await Promise.all(pages.map(joined));
    const topics = await Promise.all(pages.map(topicOf));
    assert.equal(topics.filter((topic) => topic === told).length, 7);
    const redirects = await Promise.all(pages.map((page) => page.evaluate(() => document.body.dataset.redirects ?? "0")));
    assert.deepEqual(redirects.toSorted(), ["0", "0", "0", "0", "0", "0", "0", "1"]);
    const { members, rooms, redirected, held } = await state();
    assert.deepEqual({ members, rooms, redirected, held }, { members: 8, rooms: 2, redirected: 1, held: 0 });
  });

  const inJam = [];
  let alone;
  for (const page of pages) {
    if (await topicOf(page) === told) inJam.push(page);
    else alone = page;
  }

  await check("the seven have distinct loops, and all pages agree who has which", async () => {
    const loops = await Promise.all(inJam.map(loopOf));
    assert.deepEqual(loops.toSorted(), LOOPS.toSorted());
    const seen = () => Promise.all(inJam.map((page) => page.$$eval(".seat", (seats) => seats.map((seat) => seat.dataset.user))));
    await eventually("all pages show the same seven", async () => new Set((await seen()).map(String)).size === 1);
    assert.equal(new Set((await seen())[0]).size, 7);
    assert.match(await alone.locator("#notice").textContent(), /was full or had closed\. A seat was kept for you/);
    assert.equal(await loopOf(alone), "kick");
  });

  await check("a loop that one page plays is shown by the others, by button and by key", async () => {
    const [one, two] = inJam;
    await one.locator("#play").click();
    await two.keyboard.press("Space");
    for (const page of inJam) await page.waitForFunction(() => document.querySelectorAll(".seat.playing").length === 2);
    assert.equal(await one.locator("#play").getAttribute("aria-pressed"), "true");
    assert.equal(await alone.locator(".seat.playing").count(), 0);
    for (const page of inJam.slice(2, 5)) await page.locator("#play").click();
    await one.waitForFunction(() => document.querySelectorAll(".seat.playing").length === 5);
    await one.screenshot({ path: `${pictures}/jam.png` });
    await alone.screenshot({ path: `${pictures}/redirected.png` });
    await two.locator("#play").click();
    await one.waitForFunction(() => document.querySelectorAll(".seat.playing").length === 4);
  });

  await check("a member that leaves frees its loop, and the next one gets it", async () => {
    const leaving = inJam[3];
    const loop = await loopOf(leaving);
    await leaving.locator("#leave").click();
    await inJam[0].waitForFunction(() => document.querySelectorAll(".seat.taken").length === 6);
    const next = await open(`${url}/${told.replace(":", "/")}`);
    await joined(next);
    assert.equal(await loopOf(next), loop);
    inJam[3] = next;
  });

  await check("a closed tab frees its seat at once", async () => {
    const closing = inJam.pop();
    const begun = performance.now();
    await closing.close({ runBeforeUnload: false });
    await eventually("the seat is free", async () => (await state()).members === 7);
    console.log(`browser: seat free ${Math.round(performance.now() - begun)} ms after the tab was closed`);
    assert.equal((await state()).held, 0);
  });

  await check("a second tab of one user has the same seat", async () => {
    const second = await openIn(inJam[0].context(), url);
    await joined(second);
    assert.equal(await topicOf(second), told);
    assert.equal(await loopOf(second), await loopOf(inJam[0]));
    assert.equal((await state()).members, 7);
    await second.close();
    await eventually("its socket is gone", async () => (await (await fetch(`${url}/metrics`)).text()).includes("jam_sockets 7\n"));
    assert.equal((await state()).members, 7);
  });

  await check("after a broken connection the same seat is back", async () => {
    const page = await open(`${proxy.url}/${told.replace(":", "/")}`);
    await joined(page);
    const [loop, before] = [await loopOf(page), await state()];
    proxy.cut();
    await inJam[0].waitForFunction(() => document.querySelectorAll(".seat.away").length === 1);
    await page.screenshot({ path: `${pictures}/reconnecting.png` });
    assert.equal((await state()).held, 1);
    assert.match(await page.locator("#notice").textContent(), /The connection is lost/);
    assert(await page.locator("#play").isDisabled());
    proxy.mend();
    await inJam[0].waitForFunction(() => document.querySelectorAll(".seat.away").length === 0);
    await joined(page);
    assert.equal(await loopOf(page), loop);
    assert(await page.locator("#notice").isHidden());
    assert(await page.locator("#play").isEnabled());
    const after = await state();
    assert.deepEqual([after.members, after.held], [before.members, 0]);
    await page.close();
  });

  await check("the page fits a phone", async () => {
    const phone = await open(url, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
    await joined(phone);
    await phone.locator("#play").tap();
    await phone.waitForFunction(() => document.querySelectorAll(".seat.playing").length >= 1);
    const { width, wanted } = await phone.evaluate(() => ({ width: innerWidth, wanted: document.documentElement.scrollWidth }));
    assert(wanted <= width, `${wanted} pixels on a page of ${width}`);
    await phone.screenshot({ path: `${pictures}/phone.png`, fullPage: true });
  });

  await check("a full server says so, and its page tries again; one that left joins again", async () => {
    const full = await startServer("--jams", "1", "--page-hold", "3");
    try {
      for (let held = 0; held < 7; held += 1) await fetch(full.url);
      const page = await open(full.url);
      await page.waitForFunction(() => document.getElementById("connection").dataset.state === "refused");
      assert.match(await page.locator("#notice").textContent(), /all jams are full/);
      assert.equal(await page.getByText("free", { exact: true }).count(), 0);
      await page.screenshot({ path: `${pictures}/full.png` });
      await eventually("the held seats are due", async () => (await (await fetch(`${full.url}/state`)).json()).held === 0);
      await page.getByText("Try again").click();
      await joined(page);
      await page.locator("#volume").focus();
      await page.keyboard.press("Space");
      await page.waitForFunction(() => document.querySelector(".seat.mine.playing") !== null);
      await page.locator("#leave").click();
      await page.screenshot({ path: `${pictures}/left.png` });
      await eventually("its socket is gone", async () =>
        (await (await fetch(`${full.url}/metrics`)).text()).includes("jam_sockets 0\n"));
      await page.getByText("Join again").click();
      await joined(page);
    } finally {
      full.child.kill("SIGKILL");
    }
  });

  await check("all seats come back when all pages are closed", async () => {
    for (const context of contexts) await context.close();
    await eventually("no member is left", async () => (await state()).members === 0);
    assert.equal((await state()).rooms, 0);
  });

  await check("the server ends when it is told to", async () => {
    const ended = new Promise((done) => child.once("exit", (code) => done(code)));
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
  });
} finally {
  proxy.stop();
  await browser.close();
  child.kill("SIGKILL");
}
