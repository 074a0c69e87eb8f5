// SPDX-License-Identifier: MIT
// A chat server, a line to it that can be cut, and people with browsers.
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {once} from "node:events";
import net from "node:net";
import {after, test as nodeTest} from "node:test";
import {setTimeout as delay} from "node:timers/promises";
import axe from "axe-core";
import {BROWSER, startBrowser} from "./browsers.mjs";

export const CHAT = process.env.CHAT ?? new URL("../../chat", import.meta.url).pathname;
export const WAIT = Number(process.env.WAIT ?? 45e3);  // ms that anything may take before a test fails

// ---- Tests ----
const ends = [];            // of all that a test has started
const pages = new Set();    // that are open
let shared;                 // the browser of all people who have no other

after(async () => { await (await shared)?.close(); });

// A test, after which all that it has started ends; no page may have failed.
export function test(name, body) {
	nodeTest(name, {timeout: 4 * WAIT}, async () => {
		try {
			await body();
			for (const page of pages)
				assert.deepEqual(page.errors, []);
		} finally {
			for (const end of ends.splice(0).reverse())
				await end();
		}
	});
}

export function afterTest(end) { ends.push(end); }

// ---- Servers and lines ----
export async function startChat(...options) {
	const child = spawn(CHAT, ["-a", "127.0.0.1", "-q", "-p", "0", ...options],
			    {stdio: ["ignore", "pipe", "inherit"]});
	const [text] = await once(child.stdout, "data");
	const url = String(text).match(/http:\S+/)[0];
	const ended = once(child, "exit");
	const chat = {
		url, port: new URL(url).port,
		pause() { child.kill("SIGSTOP"); },
		resume() { child.kill("SIGCONT"); },
		async stop(signal = "SIGTERM") {
			child.kill(signal);
			child.kill("SIGCONT");
			await ended;
		},
	};

	ends.push(() => chat.stop("SIGKILL"));
	process.setMaxListeners(0).on("exit", () => child.kill("SIGKILL"));
	return chat;
}

// A TCP line to the port of a server, or a proxy that has several of them at
// paths: {"kitchen": port, "garden": port}.  cut() ends all connections and
// refuses new ones until mend().  While it is deaf, the server hears its clients
// and they do not hear it.
export async function line(ports) {
	const sockets = new Set();
	let whole = true, deaf = false;
	const server = net.createServer(from => {
		from.on("error", () => {});
		if (!whole)
			return from.destroy();
		from.once("data", data => {
			const [, path] = String(data).match(/^\w+ \/([^/ ]+)\//) ?? [];
			const known = typeof ports === "object" && path in ports;
			const to = net.connect(known ? ports[path] : ports, "127.0.0.1");

			for (const socket of [from, to]) {
				sockets.add(socket);
				socket.on("error", () => {});
				socket.on("close", () => { sockets.delete(socket); from.destroy(); to.destroy(); });
			}
			to.write(known ? String(data).replace(`/${path}/`, "/") : data);
			from.pipe(to);
			to.on("data", answer => { if (!deaf) from.write(answer); });
		});
	});

	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const wire = {
		url: `http://127.0.0.1:${server.address().port}/`,
		cut() { whole = false; for (const socket of sockets) socket.destroy(); },
		mend() { whole = true; deaf = false; },
		deafen() { deaf = true; },
	};
	ends.push(() => { wire.cut(); server.close(); });
	return wire;
}

// ---- People ----
// A page and what it complains of.
async function prepare(page, options) {
	const note = text => {
		// that a connection fails while a server is down is no error of ours
		if (!/WebSocket connection|Failed to load resource|ERR_|ws:\/\/\S+ was interrupted|establish a connection/.test(text))
			page.errors.push(text);
	};
	page.errors = [];
	page.on("pageerror", e => note(e.message));
	page.on("console", m => { if (m.type() === "error") note(m.text()); });
	pages.add(page);
	await page.setViewport(options.viewport ?? {width: 480, height: 640});
	if (options.scheme && BROWSER === "chromium")  // others cannot be told
		await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: options.scheme}]);
	if (options.login)
		await page.authenticate(options.login);
	if (options.clock)
		await page.evaluateOnNewDocument(fakeClock);
	if (options.before)
		await page.evaluateOnNewDocument(options.before, ...options.args ?? []);
	return page;
}

// A person with a browser of their own, who opens the page; with a name they are
// in the room when it returns.  options: the viewport, a color scheme, a login,
// a fake clock, a function that runs before the page's script, another browser.
export async function person(url, name, options = {}) {
	const browser = options.browser ?? await (shared ??= startBrowser());
	const page = await browser.newPage();

	page.leave = async () => { if (pages.delete(page)) await browser.end(page); };
	ends.push(page.leave);
	await prepare(page, options);
	await page.goto(url);
	if (name !== undefined) {
		await seePeople(page);
		await fill(page, "#name", name);
	}
	return page;
}

// One more window of the same person.
export async function openTab(page, url, options = {}) {
	const tab = await (await shared).newTab(page);

	tab.leave = async () => { if (pages.delete(tab)) await tab.close(); };
	await prepare(tab, options);
	await tab.goto(url);
	return tab;
}

// A browser with other settings, for one test.
export async function otherBrowser(settings) {
	const browser = await startBrowser(settings);
	ends.push(() => browser.close());
	return browser;
}

// Opens a tab in front of a page's, which hides it, and closes that again.
export async function hide(page) {
	const opened = new Promise(done => page.once("popup", done));
	await page.evaluate(() => { window.open("about:blank"); });
	page.front = await opened;
	await until(page, () => document.hidden);
	// Chromium without a screen hides a page and does not tell it
	await page.evaluate(() => { document.dispatchEvent(new Event("visibilitychange")); });
}

export async function look(page) {
	await page.front.close();
	await page.bringToFront();
	await until(page, () => !document.hidden);
}

// ---- What a page shows ----
// Asks a page until the answer is yes, or anything else that is true; returns it.
export async function until(page, question, ...args) {
	const end = Date.now() + WAIT;

	for (;;) {
		// while a page is loaded there is nobody to ask
		const answer = await page.evaluate(question, ...args).catch(error => {
			if (Date.now() > end)
				throw error;
		});
		if (answer)
			return answer;
		if (Date.now() > end)
			assert.fail(`In vain: ${question} (${args.join(", ")}); the page shows: ${
				(await page.evaluate(() => document.body.innerText)).slice(0, 2000)}`);
		await delay(20);
	}
}

// Waits until something is true of what the test itself knows.
export async function eventually(question) {
	for (const end = Date.now() + WAIT; !question(); await delay(10))
		assert.ok(Date.now() < end, `In vain: ${question}`);
}

// Waits until an element shows a text, given as a string that it contains or as
// a pattern; returns all of its text.
export async function see(page, text, selector = "body") {
	return await until(page, (where, source, exact) => {
		for (const e of document.querySelectorAll(where)) {
			if (e.checkVisibility() && (exact ? e.innerText.includes(source) : new RegExp(source).test(e.innerText)))
				return e.innerText;
		}
		return false;
	}, selector, text.source ?? text, typeof text === "string");
}

// Waits until a page is in the room, with n people, if given.
export const seePeople = (page, n) => see(page, new RegExp(`^${n ?? "\\d+"} online$`), "#words");
export const seeLost = page => see(page, /Trying again in \d+\ss/, "#status");

// The texts of the elements.
export const list = (page, selector) => page.evaluate(s =>
	Array.from(document.querySelectorAll(s), e => e.textContent), selector);

export const count = (page, selector) => page.evaluate(s => document.querySelectorAll(s).length, selector);

export const visible = (page, selector) => page.evaluate(s =>
	document.querySelector(s)?.checkVisibility() ?? false, selector);

export const value = (page, selector) => page.evaluate(s => document.querySelector(s).value, selector);

export const style = (page, selector, property) => page.evaluate((s, p) =>
	getComputedStyle(document.querySelector(s))[p], selector, property);

// The texts on a page, once it shows the last of them, confirmed by the server.
export async function texts(page, last) {
	return await until(page, words => {
		const shown = Array.from(document.querySelectorAll("#list p"), p => p.textContent);
		return shown.includes(words) && shown;
	}, last);
}

// The lines in the list that nobody has said, without those of dates.
export async function notes(page) {
	return (await list(page, "#list li.note")).filter(text => !/\d{4}$/.test(text));
}

// Where the elements are, in CSS pixels.
export const boxes = (page, selector) => page.evaluate(s => Array.from(document.querySelectorAll(s), e => {
	const {left, right, top, bottom, width, height} = e.getBoundingClientRect();
	return {left, right, top, bottom, width, height};
}), selector);

// What is wider than its place.
export const sideways = (page, parts = "html, main, form, header, li") => page.evaluate(selector =>
	[...document.querySelectorAll(selector)].filter(e => e.scrollWidth > e.clientWidth).map(e => e.tagName), parts);

// What axe finds wrong with a page, by WCAG 2.2 and its own best practices.
export async function violations(page) {
	await page.evaluate(axe.source);
	const found = await page.evaluate(() => window.axe.run());
	return found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html).join(" ")}`);
}

// ---- What people do ----
// Puts a text into a field, as if pasted over what is there.
export async function fill(page, selector, text) {
	await page.evaluate((s, words) => {
		const field = document.querySelector(s);
		field.focus();
		field.value = words;
		for (const type of ["input", "change"])
			field.dispatchEvent(new Event(type, {bubbles: true}));
	}, selector, text);
}

export async function say(page, text) {
	await fill(page, "#text", text);
	await page.keyboard.press("Enter");
}

// Presses a key in a field.
export async function press(page, selector, key) {
	await page.evaluate(s => document.querySelector(s).focus(), selector);
	await page.keyboard.press(key);
}

// A message as our page says it.
export function shaped(name, text, time, id = `${name}.${text}.${time}`) {
	return JSON.stringify({id, name, text, time});
}

// What a program that is no page of ours says: text, or bytes.
export async function sayRaw(page, url, ...messages) {
	await page.evaluate((address, all) => new Promise(done => {
		const socket = new WebSocket(address);
		socket.onclose = done;
		socket.onopen = () => {
			for (const m of all)
				socket.send(typeof m === "string" ? m : new Uint8Array(m));
			socket.close(1000);
		};
	}), url.replace("http", "ws"), messages);
}

// ---- Time ----
// Runs before the page's script, so that its time is the test's to move.
function fakeClock() {
	const RealDate = Date, timers = new Map();
	let shift = 0, stopped = 0, last = 0;
	const now = () => stopped || RealDate.now() + shift;
	const start = (run, ms, args, every) => {
		timers.set(++last, {at: now() + (ms || 0), run: () => run(...args), every});
		return last;
	};
	const move = ms => { if (stopped) stopped += ms; else shift += ms; };
	const runDue = () => {
		for (const [id, timer] of [...timers].sort((a, b) => a[1].at - b[1].at)) {
			if (timer.at > now() || !timers.has(id))
				continue;
			if (timer.every)
				timer.at = now() + timer.every;
			else
				timers.delete(id);
			timer.run();
		}
	};

	setInterval(runDue, 10);
	window.Date = class extends RealDate {
		constructor(...parts) { super(...(parts.length ? parts : [now()])); }
		static now() { return now(); }
	};
	performance.now = () => now() - performance.timeOrigin;
	window.setTimeout = (run, ms, ...args) => start(run, ms, args);
	window.setInterval = (run, ms, ...args) => start(run, ms, args, ms || 1);
	window.clearTimeout = window.clearInterval = id => timers.delete(id);
	window.clock = {
		forward(ms) { move(ms); runDue(); },
		stop() { stopped = now(); },
		// a phone that sleeps: time goes on, and no timer runs
		sleep(ms) { move(ms); for (const timer of timers.values()) timer.at += ms; },
	};
}

export const clock = {
	forward: (page, ms) => page.evaluate(t => window.clock.forward(t), ms),
	stop: page => page.evaluate(() => window.clock.stop()),
	sleep: (page, ms) => page.evaluate(t => window.clock.sleep(t), ms),
};
