// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import {mkdtempSync, readFileSync, rmSync} from "node:fs";
import {networkInterfaces, tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, test as testFor} from "node:test";
import {line, person, say, sayRaw, shaped, sideways, startBrowser, startChat, texts, violations}
	from "./harness.mjs";

let browser;
const test = (name, body) => testFor(name, {timeout: 120e3}, body);

before(async () => { browser = await startBrowser(); });
after(async () => { await browser.close(); });

async function leave(...pages) {
	for (const page of pages) {
		assert.deepEqual(page.errors, []);
		await page.context().close();
	}
}

test("two windows hear each other, at once and in one order", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await ann.getByText("Connected, 2 here").waitFor();
	for (let i = 0; i < 5; i++) {
		await say(ann, `Ann says ${i}`);
		await say(bob, `Bob says ${i}`);
	}
	await texts(ann, "Bob says 4");
	await texts(bob, "Ann says 4");
	const order = await texts(bob, "Bob says 4");
	assert.deepEqual(await texts(ann, "Ann says 4"), order);
	assert.equal(order.length, 10);
	assert.equal(await ann.locator("#list li.mine").count(), 5);
	assert.equal(await bob.locator("#list li b").getByText("Ann").count(), 5);
	assert.equal(await bob.locator("#list li time").count(), 10);
	await leave(bob);
	await ann.getByText("Connected, 1 here").waitFor();
	await leave(ann);
	await chat.stop();
});

test("who comes later sees the last 100 messages, then the live ones", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(browser, chat.url, "Ann");

	await sayRaw(ann, chat.url, ...Array.from({length: 120}, (_, i) => `number ${i}`));
	await texts(ann, "number 119");
	const carl = await person(browser, chat.url, "Carl");
	await say(ann, "live");
	const seen = await texts(carl, "live");
	assert.deepEqual(seen, [...Array.from({length: 100}, (_, i) => `number ${i + 20}`), "live"]);
	await leave(ann, carl);
	await chat.stop();
});

test("a cut connection loses nothing and shows nothing twice", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await say(ann, "one");
	await sayRaw(bob, chat.url, "plain", "plain", [1, 2, 255]);
	await say(bob, "two");
	await texts(ann, "two");
	wire.cut();
	await ann.getByText(/reconnecting in/).waitFor();
	await say(ann, "said offline");
	await say(ann, "said offline");  // twice on purpose
	await sayRaw(bob, chat.url, "plain");
	await say(bob, "three");
	await texts(bob, "three");
	wire.mend();
	await ann.getByText(/Connected, 2 here/).waitFor();
	await say(bob, "end");
	await texts(ann, "end");
	const want = ["one", "plain", "plain", "Binary data: 01 02 ff", "two", "plain", "three",
		      "said offline", "said offline", "end"];
	assert.deepEqual(await texts(bob, "end"), want);
	assert.deepEqual(await texts(ann, "end"), want);
	assert.equal(await ann.locator("#list li.note", {hasText: "missing"}).count(), 0);
	await leave(ann, bob);
	wire.stop();
	await chat.stop();
});

for (const signal of ["SIGTERM", "SIGKILL"])
test(`a server that comes back after ${signal} finds everybody, with what they have said`, async () => {
	let chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await say(ann, "before");
	await texts(bob, "before");
	await chat.stop(signal);
	await say(ann, "meanwhile");
	await say(bob, "me too");
	chat = await startChat("-p", chat.port);
	await texts(bob, "meanwhile");
	await texts(ann, "me too");
	assert.deepEqual((await texts(bob, "me too")).sort(), ["before", "me too", "meanwhile"]);
	assert.deepEqual((await texts(ann, "meanwhile")).sort(), ["before", "me too", "meanwhile"]);
	await leave(ann, bob);
	await chat.stop();
});

for (const signal of ["SIGTERM", "SIGKILL"])
test(`with -f, what was said before ${signal} is there after it, once`, async () => {
	const folder = mkdtempSync(join(tmpdir(), "chat-test-"));
	const options = ["-f", join(folder, "messages")];
	let chat = await startChat(...options);
	const ann = await person(browser, chat.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await sayRaw(ann, chat.url, "plain", "plain");
	await say(ann, "before");
	await texts(bob, "before");
	for (const [page, words] of [[ann, "Ann meanwhile"], [bob, "Bob meanwhile"]]) {
		await chat.stop(signal);
		await say(page, words);
		chat = await startChat(...options, "-p", chat.port);
		await texts(ann, words);
		await texts(bob, words);
	}
	await say(ann, "after");
	const carl = await person(browser, chat.url, "Carl");
	await bob.reload();
	for (const page of [ann, bob, carl])
		assert.deepEqual(await texts(page, "after"),
				 ["plain", "plain", "before", "Ann meanwhile", "Bob meanwhile", "after"]);
	await leave(ann, bob, carl);
	await chat.stop();
	rmSync(folder, {recursive: true});
});

test("what is not sent yet survives a reload", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann");

	wire.cut();
	await ann.getByText(/reconnecting in/).waitFor();
	await say(ann, "unsent");
	wire.mend();
	await ann.reload();
	assert.deepEqual(await texts(ann, "unsent"), ["unsent"]);
	await ann.reload();
	assert.deepEqual(await texts(ann, "unsent"), ["unsent"]);
	assert.equal(await ann.getByLabel("Name").inputValue(), "Ann");
	assert.equal(await ann.locator("#list li.mine").count(), 1);
	await leave(ann);
	wire.stop();
	await chat.stop();
});

test("a message that got through before the cut is not said again", async () => {
	const chat = await startChat();
	const bob = await person(browser, chat.url, "Bob");
	const context = await browser.newContext();
	const ann = await context.newPage();

	// as if the server's copy had not come back before the page was left
	const message = {id: "an-id", name: "Ann", text: "once", time: 1767225600000};
	await sayRaw(bob, chat.url, JSON.stringify(message));
	await texts(bob, "once");
	await ann.addInitScript(m => sessionStorage.setItem("chat.pending", JSON.stringify([m])), message);
	await ann.goto(chat.url);
	assert.deepEqual(await texts(ann, "once"), ["once"]);
	await say(bob, "end");
	await texts(ann, "end");
	assert.deepEqual(await texts(bob, "end"), ["once", "end"]);
	await context.close();
	await leave(bob);
	await chat.stop();
});

test("whatever others say is only text", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(browser, chat.url, "Ann");
	const hostile = [
		"<img src=x onerror=document.title='owned'>",
		"null", "1", "[]", "{}", "\"x\"", "{ \"online\":1000000}", "[{\"online\":5}]",
		"{\"id\":1,\"name\":2,\"text\":3,\"time\":4}",
		"{\"__proto__\":{\"x\":1}}", "[".repeat(2000),
		"{\"id\":\"a\",\"name\":\"b\",\"text\":\"c\",\"time\":1e999}",
	];
	const shaped = {id: "x", name: "<script>document.title='owned'</script>",
			text: "</p><b>bold", time: 8.64e15};

	await sayRaw(ann, chat.url, ...hostile, JSON.stringify(shaped), "end");
	assert.deepEqual(await texts(ann, "end"), [...hostile, shaped.text, "end"]);
	assert.equal(await ann.locator("#list li b").textContent(), shaped.name);
	assert.equal(await ann.locator("#list img, #list script, #list p *").count(), 0);
	assert.equal(await ann.title(), "chat");
	assert.match(await ann.locator("#words").textContent(), /^Connected, [12] here$/);
	await leave(ann);
	await chat.stop();
});

test("works behind a path prefix", async () => {
	const chat = await startChat();
	const proxy = await line(chat.port, "room");
	const ann = await person(browser, proxy.url + "room/", "Ann");

	await say(ann, "through the proxy");
	await texts(ann, "through the proxy");
	await leave(ann);
	proxy.stop();
	await chat.stop();
});

test("Shift+Enter makes a line, blanks are not sent, too much is said so", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const field = ann.getByLabel("Message", {exact: true});

	await say(ann, "   ");
	await field.fill("first");
	await field.press("Shift+Enter");
	await field.pressSequentially("second");
	await field.press("Enter");
	await say(ann, "\u20ac".repeat(2000));  // 6,000 bytes
	assert.match(await ann.locator("#left").textContent(), /^\d+ bytes too long/);
	await field.fill("");
	await say(ann, "end");
	assert.deepEqual(await texts(ann, "end"), ["first\nsecond", "end"]);
	await leave(ann);
	await chat.stop();
});

const NOON = Date.parse("2026-11-20T12:00:00");
const field = page => page.getByLabel("Message", {exact: true});

test("ten people talk, and all read the same", async () => {
	const chat = await startChat();
	const people = await Promise.all(Array.from({length: 10}, (_, i) => person(browser, chat.url, `P${i}`)));

	await people[0].getByText("Connected, 10 here").waitFor();
	for (let round = 0; round < 3; round++)
		await Promise.all(people.map((p, i) => say(p, `${round} from ${i}`)));
	for (const p of people)
		await p.waitForFunction(() => document.querySelectorAll("#list p").length === 30);
	const order = await people[0].locator("#list p").allTextContents();
	for (const p of people)
		assert.deepEqual(await p.locator("#list p").allTextContents(), order);
	await leave(...people);
	await chat.stop();
});

test("a name is asked for once, and kept", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url);
	const focused = () => ann.evaluate(() => document.activeElement.id);

	assert.equal(await focused(), "name");
	await ann.keyboard.press("Enter");
	assert.equal(await focused(), "text");
	await ann.keyboard.type("as a guest");
	await ann.keyboard.press("Enter");
	await texts(ann, "as a guest");
	assert.match(await ann.locator("#list b").last().textContent(), /^Guest [0-9a-f]{4}$/);
	assert.equal(await focused(), "text");
	await ann.getByLabel("Name").fill("Ann");
	await say(ann, "as myself");
	await texts(ann, "as myself");
	assert.equal(await ann.locator("#list b").last().textContent(), "Ann");
	await ann.reload();
	await texts(ann, "as myself");
	assert.equal(await focused(), "text");
	assert.equal(await ann.getByLabel("Name").inputValue(), "Ann");
	await leave(ann);
	await chat.stop();
});

test("what is typed but not sent survives a reload", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");

	await field(ann).fill("half a thou");
	await ann.reload();
	assert.equal(await field(ann).inputValue(), "half a thou");
	await leave(ann);
	await chat.stop();
});

test("Enter that ends an input method's composition does not send", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const press = init => field(ann).dispatchEvent("keydown", {key: "Enter", bubbles: true, ...init});

	await field(ann).fill("かな");
	await press({isComposing: true});
	await press({keyCode: 229});
	assert.equal(await field(ann).inputValue(), "かな");
	await press({keyCode: 13});
	assert.deepEqual(await texts(ann, "かな"), ["かな"]);
	await leave(ann);
	await chat.stop();
});

test("the limit is counted in bytes, and said before it is hit", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const left = ann.locator("#left");

	await field(ann).fill("x".repeat(2000));
	assert.equal(await left.textContent(), "");
	await field(ann).fill("\u20ac".repeat(1200));
	const bytes = Number((await left.textContent()).match(/^(\d+) bytes left$/)[1]);
	await field(ann).press("End");
	await ann.keyboard.insertText("x".repeat(bytes + 1));
	assert.equal(await left.textContent(), "1 bytes too long to be sent");
	assert.equal(await field(ann).getAttribute("aria-invalid"), "true");
	await field(ann).press("Enter");
	await field(ann).press("Backspace");
	assert.equal(await left.textContent(), "0 bytes left");
	const longest = await field(ann).inputValue();
	await field(ann).press("Enter");
	assert.deepEqual(await texts(ann, longest), [longest]);
	await leave(ann);
	await chat.stop();
});

test("days are told apart, and messages of one person stand together", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(browser, chat.url, "Ann", {locale: "en-GB"});

	await sayRaw(ann, chat.url,
		     shaped("Bob", "a", NOON - 86400e3), shaped("Bob", "b", NOON), shaped("Bob", "c", NOON + 1e3),
		     shaped("Eve", "d", NOON + 2e3), shaped("Eve", "e", NOON + 6 * 60e3), "plain", shaped("Eve", "f", NOON + 6 * 60e3),
		     shaped("Eve", "g", NOON + 12 * 3600e3 - 1e3), shaped("Eve", "h", NOON + 12 * 3600e3));
	await texts(ann, "h");
	assert.deepEqual(await ann.locator("#list li").evaluateAll(all => all.map(e =>
		e.className === "note" ? e.textContent.replace(",", "") : e.lastChild.textContent + (e.matches(".same") ? " same" : ""))),
		["Thursday 19 November 2026", "a", "Friday 20 November 2026", "b", "c same", "d", "e", "plain", "f", "g",
		 "Saturday 21 November 2026", "h"]);
	assert.equal(await ann.locator("#list time").first().getAttribute("datetime"), new Date(NOON - 86400e3).toISOString());
	const colour = i => ann.locator("#list b").nth(i).evaluate(e => getComputedStyle(e).color);
	assert.equal(await colour(0), await colour(1));
	assert.notEqual(await colour(1), await colour(3));
	await leave(ann);
	await chat.stop();
});

test("links to the web can be followed, and nothing else", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(browser, chat.url, "Ann");

	await sayRaw(ann, chat.url, "see https://example.org/a?b=(c)#d, http://[::1]:8080/ or HTTP://x.example.",
		     "javascript:alert(1) data:text/html,x http:// https://a:b:c file:///etc/passwd xhttp://y", "end");
	await texts(ann, "end");
	assert.deepEqual(await ann.locator("#list a").evaluateAll(all => all.map(a => [a.textContent, a.href, a.rel, a.target])),
		["https://example.org/a?b=(c)#d", "http://[::1]:8080/", "HTTP://x.example"].map(url =>
			[url, new URL(url).href, "noopener noreferrer nofollow", "_blank"]));
	assert.match((await ann.locator("#list p").allTextContents())[0], /^see .*#d, http.* or HTTP:\/\/x\.example\.$/);
	await leave(ann);
	await chat.stop();
});

test("who reads further up is not moved, but told of what is new", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(browser, chat.url, "Ann");
	const top = () => ann.locator("main").evaluate(e => e.scrollTop);
	const news = ann.locator("#news");

	await sayRaw(ann, chat.url, ...Array.from({length: 60}, (_, i) => `line ${i}`));
	await texts(ann, "line 59");
	assert.ok(await top() > 500);
	await ann.locator("main").evaluate(e => { e.scrollTop = 300; });
	await sayRaw(ann, chat.url, "one", "two", "three");
	await texts(ann, "three");
	await ann.getByRole("button", {name: "3 new"}).waitFor();
	assert.equal(await top(), 300);
	await news.click();
	assert.ok(await top() > 500);
	assert.equal(await news.isVisible(), false);
	await sayRaw(ann, chat.url, "four");
	await texts(ann, "four");
	assert.equal(await news.isVisible(), false);
	assert.ok(await ann.locator("main").evaluate(e => e.scrollHeight - e.scrollTop - e.clientHeight < 2));
	await leave(ann);
	await chat.stop();
});

// Chromium without a window is never hidden by itself.
const hide = (page, hidden) => page.evaluate(h => {
	Object.defineProperty(document, "hidden", {get: () => h, configurable: true});
	document.dispatchEvent(new Event("visibilitychange"));
}, hidden);

test("the title counts what came while the page was hidden", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await say(bob, "seen");
	await texts(ann, "seen");
	await hide(ann, true);
	assert.equal(await ann.title(), "chat");
	await say(bob, "first");
	await say(bob, "second");
	await texts(ann, "second");
	assert.equal(await ann.title(), "(2) chat");
	await hide(ann, false);
	assert.equal(await ann.title(), "chat");
	await leave(ann, bob);
	await chat.stop();
});

test("a server that goes away says so, and a gap is marked", async () => {
	let chat = await startChat("-n", "5", "-l", "0");
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await say(ann, "before");
	await texts(ann, "before");
	wire.cut();
	await ann.getByText("Connection lost").waitFor();
	await sayRaw(bob, chat.url, ...Array.from({length: 20}, (_, i) => `number ${i}`));
	await texts(bob, "number 19");
	wire.mend();
	assert.deepEqual(await texts(ann, "number 19"), ["before", ...Array.from({length: 5}, (_, i) => `number ${i + 15}`)]);
	assert.equal(await ann.locator("#list li.note", {hasText: "may be missing"}).count(), 1);
	wire.stop();
	await chat.stop();
	await bob.getByText("The server has gone away").waitFor();
	chat = await startChat("-p", chat.port);
	await bob.getByText("Connected, 1 here").waitFor();
	await leave(ann, bob);
	await chat.stop();
});

test("a dead connection is noticed by its silence", async () => {
	const chat = await startChat("-t", "0");
	const ann = await person(browser, chat.url, "Ann", {clock: true});

	chat.pause();
	await ann.clock.fastForward(59e3);
	assert.match(await ann.locator("#words").textContent(), /Connected, 1 here/);
	await ann.clock.fastForward(2e3);
	await ann.getByText(/Connection lost|Connecting/).waitFor();
	chat.resume();
	await ann.clock.fastForward(60e3);
	await ann.getByText(/Connected, \d here/).waitFor();
	await leave(ann);
	await chat.stop();
});

test("a connection that does not come up is given up", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann", {clock: true});

	chat.pause();
	wire.cut();
	await ann.getByText(/reconnecting in/).waitFor();
	wire.mend();
	await ann.clock.fastForward(1e3);
	await ann.getByText("Connecting …").waitFor();
	await ann.clock.fastForward(9e3);
	assert.equal(await ann.locator("#words").textContent(), "Connecting …");
	await ann.clock.fastForward(2e3);
	await ann.getByText("Connection lost").waitFor();
	chat.resume();
	await ann.clock.fastForward(60e3);
	await ann.getByText(/Connected, \d here/).waitFor();
	await leave(ann);
	wire.stop();
	await chat.stop();
});

const loopback6 = Object.values(networkInterfaces()).flat().some(i => i.address === "::1");

testFor("works at an address of IPv6", {skip: !loopback6, timeout: 120e3}, async () => {
	const chat = await startChat("-a", "::1");
	const ann = await person(browser, chat.url, "Ann");

	assert.match(chat.url, /^http:\/\/\[::1\]:\d+\/$/);
	await say(ann, "over IPv6");
	await texts(ann, "over IPv6");
	await leave(ann);
	await chat.stop();
});

for (const [name, happens] of [
	["coming back online", page => page.evaluate(() => dispatchEvent(new Event("online")))],
	["being looked at again", page => hide(page, false)],
	["coming back from the cache", page =>
		page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})))],
]) test(`${name} reconnects at once, without waiting for the delay`, async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann", {clock: true});

	// from here on no delay ends by itself
	await ann.clock.pauseAt(await ann.evaluate(() => Date.now()) + 1000);
	wire.cut();
	await ann.getByText(/reconnecting in/).waitFor();
	wire.mend();
	await happens(ann);
	await ann.getByText("Connected, 1 here").waitFor();
	await leave(ann);
	wire.stop();
	await chat.stop();
});

test("a page that was out of sight for long does not trust its connection", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann", {clock: true});

	chat.pause();
	await hide(ann, true);
	await ann.clock.setFixedTime(Date.now() + 3600e3);
	await hide(ann, false);
	await ann.getByText("Connecting").waitFor();
	chat.resume();
	await ann.getByText(/Connected, \d here/).waitFor();
	await leave(ann);
	wire.stop();
	await chat.stop();
});

test("without a network it says that it is offline", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann");

	await ann.context().setOffline(true);
	wire.cut();
	await ann.getByText("Offline").waitFor();
	wire.mend();
	await ann.context().setOffline(false);
	await ann.getByText("Connected, 1 here").waitFor();
	await leave(ann);
	wire.stop();
	await chat.stop();
});

test("odd names, ids, letters and lengths break nothing", async () => {
	const chat = await startChat("-l", "0", "-n", "1000");
	const ann = await person(browser, chat.url, "Ann", {viewport: {width: 320, height: 560}});
	const zalgo = "a" + "\u0300\u0488\u20dd".repeat(250);
	const odd = [
		shaped("__proto__", "b1", NOON, "__proto__"), shaped("", "b2", NOON, "constructor"),
		shaped("\u202eevil".repeat(300), "b3", NOON, ""), shaped("Z" + "\u0300".repeat(900), zalgo, NOON, "z"),
		shaped("w", "w".repeat(3000), NOON, "w"), shaped("t", "b4", 8.64e15 + 1), shaped("t", "b5", -8.64e15),
		'{"online" :5,"id":"x"}', '{"online" :' + "9".repeat(4000) + "}", "9".repeat(4096),
		"\u200f\u202e\u2066 turned around", "https://" + "a".repeat(4000), "https://x/" + "!".repeat(4000),
	];

	await sayRaw(ann, chat.url, ...odd, "end");
	assert.equal((await texts(ann, "end")).length, odd.length + 1);
	assert.deepEqual(await sideways(ann, "html, main, form, header"), []);
	assert.match(await ann.locator("#words").textContent(), /Connected, \d here/);
	const heights = await ann.locator("#list b").evaluateAll(all => all.map(e => [...e.textContent].length));
	assert.ok(Math.max(...heights) <= 40);
	assert.deepEqual(await violations(ann), []);
	await leave(ann);
	await chat.stop();
});

test("5,000 messages are taken in few strokes, and 1,000 kept", async () => {
	const chat = await startChat("-l", "0", "-n", "1000");
	const ann = await person(browser, chat.url, "Ann");
	const cdp = await ann.context().newCDPSession(ann);
	const layouts = async () => (await cdp.send("Performance.getMetrics")).metrics
		.find(m => m.name === "LayoutCount").value;

	await cdp.send("Performance.enable");
	await ann.evaluate(() => {
		window.longest = 0;
		new PerformanceObserver(l => l.getEntries().forEach(e => { longest = Math.max(longest, e.duration); }))
			.observe({type: "longtask"});
	});
	const before = await layouts();
	const bob = await person(browser, chat.url, "Bob");
	for (let k = 0; k < 5; k++)
		await sayRaw(bob, chat.url, ...Array.from({length: 1000}, (_, i) =>
			shaped(`Person ${i % 7}`, `message ${k * 1000 + i}`, NOON + k * 86400e3 + i * 60e3)));
	await texts(ann, "message 4999");
	assert.ok(await ann.locator("#list li").count() <= 1000);
	const strokes = await layouts() - before;
	console.log(`# 5,000 messages: ${strokes} layouts, longest task ${await ann.evaluate(() => longest)} ms`);
	assert.ok(strokes < 2500, `${strokes} layouts`);
	await leave(ann, bob);
	await chat.stop();
});

for (const colorScheme of ["light", "dark"]) test(`axe finds nothing in ${colorScheme}, in any state`, async () => {
	const chat = await startChat("-l", "0");
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann", {colorScheme});

	assert.deepEqual(await violations(ann), [], "empty");
	await say(ann, "mine, see https://example.org/");
	await sayRaw(ann, wire.url, ...Array.from({length: 40}, (_, i) => shaped(`Person ${i}`, `text ${i}`, NOON + i)), "plain");
	await texts(ann, "plain");
	assert.deepEqual(await violations(ann), [], "in the middle of a talk");
	await ann.locator("main").evaluate(e => { e.scrollTop = 0; });
	await sayRaw(ann, wire.url, "new");
	await ann.getByRole("button", {name: "1 new"}).waitFor();
	assert.deepEqual(await violations(ann), [], "scrolled up");
	await field(ann).fill("x".repeat(4096));
	assert.deepEqual(await violations(ann), [], "too long");
	wire.cut();
	await ann.getByText(/reconnecting in/).waitFor();
	await say(ann, "unsent");
	assert.deepEqual(await violations(ann), [], "disconnected");
	await leave(ann);
	wire.stop();
	await chat.stop();
});

test("nothing is wider than a small screen, and nothing too small to touch", async () => {
	const chat = await startChat("-l", "0");

	for (const viewport of [{width: 320, height: 568}, {width: 320, height: 256}, {width: 390, height: 844}]) {
		const ann = await person(browser, chat.url, "Ann", {viewport, hasTouch: true, isMobile: true});

		await say(ann, "a long word: " + "w".repeat(300));
		await texts(ann, "a long word: " + "w".repeat(300));
		await field(ann).fill("x".repeat(3700));
		assert.deepEqual(await sideways(ann), []);
		for (const box of await ann.locator("input, textarea, button:visible").evaluateAll(all => all.map(e => {
			const r = e.getBoundingClientRect(), size = parseFloat(getComputedStyle(e).fontSize);
			return [e.id, r.width, r.height, size];
		})))
			assert.ok(box[1] >= 24 && box[2] >= 24 && box[3] >= 16, String(box));
		assert.ok((await ann.locator("main").boundingBox()).height >= 100);
		await leave(ann);
	}
	await chat.stop();
});

test("what is new is read out, what is old is not", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");

	await say(ann, "old");
	await texts(ann, "old");
	const context = await browser.newContext();
	const bob = await context.newPage();
	// each change of the log, and whether it is read out
	await bob.addInitScript(() => addEventListener("DOMContentLoaded", () => {
		window.changes = [];
		const log = document.getElementById("log");
		new MutationObserver(() => {}).observe(log, {childList: true, subtree: true});
		const append = Element.prototype.append;
		Element.prototype.append = function (...what) {
			if (this.id === "list" && what.length)
				changes.push([what.at(-1).lastChild.textContent, log.getAttribute("aria-busy")]);
			return append.apply(this, what);
		};
	}));
	await bob.goto(chat.url);
	await texts(bob, "old");
	await bob.getByText("Connected, 2 here").waitFor();
	await say(ann, "new");
	await texts(bob, "new");  // what comes at once enters the list together
	await say(bob, "my own");
	await texts(bob, "my own");
	assert.deepEqual(await bob.evaluate(() => changes), [["old", "true"], ["new", "false"], ["my own", "false"]]);
	assert.equal(await bob.getByRole("log", {name: "Messages"}).count(), 1);
	await context.close();
	await leave(ann);
	await chat.stop();
});

test("the client of the README works in the console", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
	const lines = readme.match(/^ {4}const socket = new WebSocket[^]*?\n\n/m)[0];
	const heard = ann.waitForEvent("console", m => m.text() === "Hello from the console");

	await ann.evaluate(lines);
	await heard;
	await texts(ann, "Hello from the console");
	await leave(ann);
	await chat.stop();
});
