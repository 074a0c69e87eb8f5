// SPDX-License-Identifier: MIT
// What the page does for its users.
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {clock, count, fill, hide, line, list, look, person, press, say, sayRaw, see, seeLost, seePeople,
	shaped, sideways, startChat, test, texts, until, value, violations, visible} from "./harness.mjs";
import {startPuppet} from "./puppet.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");

// ---- Nothing is lost, and nothing doubled ----
test("a cut connection loses nothing and shows nothing twice", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");
	const bob = await person(chat.url, "Bob");

	await say(ann, "one");
	await texts(bob, "one");
	await sayRaw(bob, chat.url, "plain", "plain", [1, 2, 255], [...Buffer.from("21.5 °C")]);
	await texts(bob, "21.5 °C");
	await say(bob, "two");
	await texts(ann, "two");
	wire.cut();
	await seeLost(ann);
	await say(ann, "said offline");
	await say(ann, "said offline");  // twice on purpose
	await sayRaw(bob, chat.url, "plain");
	await texts(bob, "plain");
	await say(bob, "three");
	await texts(bob, "three");
	wire.mend();
	await seePeople(ann, 2);
	await until(bob, () => Array.from(document.querySelectorAll("#list p"))
		.filter(p => p.textContent === "said offline").length === 2);
	await say(bob, "end");
	const want = ["one", "plain", "plain", "Binary data: 01 02 ff", "21.5 °C", "two", "plain", "three",
		      "said offline", "said offline", "end"];
	assert.deepEqual(await texts(bob, "end"), want);
	assert.deepEqual(await texts(ann, "end"), want);
	assert.doesNotMatch((await list(ann, "#list li.note")).join(), /miss/);
});

test("a message that got through before the cut is not said again, not even after a reload", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const bob = await person(chat.url, "Bob");
	const ann = await person(wire.url, "Ann");

	wire.deafen();
	await say(ann, "once");
	await say(ann, "twice");
	await texts(bob, "twice");
	assert.deepEqual(await list(ann, "#unsent p"), ["once", "twice"]);
	wire.cut();
	wire.mend();
	await ann.reload();
	assert.deepEqual(await texts(ann, "twice"), ["once", "twice"]);
	await say(bob, "end");
	await texts(ann, "end");
	assert.deepEqual(await texts(bob, "end"), ["once", "twice", "end"]);
	assert.equal(await count(ann, "#list li.mine"), 2);
	assert.equal(await count(ann, "#unsent li"), 0);
});

// ---- What others say ----
test("whatever others say is only text", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const title = await ann.title();
	const hostile = [
		"<img src=x onerror=document.title='owned'>",
		"null", "1", "[]", "{}", "\"x\"", "{ \"online\":1000000}", "[{\"online\":5}]",
		"{\"id\":1,\"name\":2,\"text\":3,\"time\":4}",
		"{\"__proto__\":{\"x\":1}}", "[".repeat(2000),
		"{\"id\":\"a\",\"name\":\"b\",\"text\":\"c\",\"time\":1e999}",
	];
	const bold = {id: "x", name: "<script>document.title='owned'</script>", text: "</p><b>bold", time: 8.64e15};

	await sayRaw(ann, chat.url, ...hostile, JSON.stringify(bold), "end");
	assert.deepEqual(await texts(ann, "end"), [...hostile, bold.text, "end"]);
	assert.deepEqual(await list(ann, "#list b"), [bold.name]);
	assert.equal(await count(ann, "#list img, #list script, #list p *"), 0);
	assert.equal(await ann.title(), title);
	await seePeople(ann);
});

test("odd names, ids, letters and lengths break nothing", async () => {
	const chat = await startChat("-l", "0", "-n", "1000");
	const ann = await person(chat.url, "Ann", {viewport: {width: 320, height: 560}});
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
	await seePeople(ann);
	const lengths = (await list(ann, "#list b")).map(name => [...name].length);
	assert.ok(Math.max(...lengths) <= 40);
	assert.deepEqual(await violations(ann), []);
});

test("days are told apart, and messages of one person stand together", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const day = time => ann.evaluate(t => new Intl.DateTimeFormat([], {dateStyle: "full"}).format(t), time);

	await sayRaw(ann, chat.url,
		     shaped("Bob", "a", NOON - 86400e3), shaped("Bob", "b", NOON), shaped("Bob", "c", NOON + 1e3),
		     shaped("Eve", "d", NOON + 2e3), shaped("Eve", "e", NOON + 6 * 60e3), "plain", shaped("Eve", "f", NOON + 6 * 60e3),
		     shaped("Eve", "g", NOON + 12 * 3600e3 - 1e3), shaped("Eve", "h", NOON + 12 * 3600e3));
	await texts(ann, "h");
	assert.deepEqual(await ann.evaluate(() => Array.from(document.querySelectorAll("#list li"), e =>
		e.matches(".note") ? e.textContent : e.querySelector("p").textContent + (e.matches(".same") ? " same" : ""))),
		[await day(NOON - 86400e3), "a", await day(NOON), "b", "c same", "d", "e", "plain", "f", "g",
		 await day(NOON + 12 * 3600e3), "h"]);
	assert.equal(await ann.evaluate(() => document.querySelector("#list time").dateTime), new Date(NOON - 86400e3).toISOString());
	const colours = await ann.evaluate(() => Array.from(document.querySelectorAll("#list b"), e => getComputedStyle(e).color));
	assert.equal(colours[0], colours[1]);
	assert.notEqual(colours[1], colours[3]);
});

test("links to the web can be followed, and nothing else", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, "see https://example.org/a?b=(c)#d, http://[::1]:8080/ or HTTP://x.example.",
		     "javascript:alert(1) data:text/html,x http:// https://a:b:c file:///etc/passwd xhttp://y", "end");
	await texts(ann, "end");
	assert.deepEqual(await ann.evaluate(() => Array.from(document.querySelectorAll("#list a"), a => [a.textContent, a.href, a.rel, a.target])),
		["https://example.org/a?b=(c)#d", "http://[::1]:8080/", "HTTP://x.example"].map(url =>
			[url, new URL(url).href, "noreferrer", "_blank"]));
	assert.match((await list(ann, "#list p"))[0], /^see .*#d, http.* or HTTP:\/\/x\.example\.$/);
});

// ---- Writing ----
test("a name is typed by keys, and Enter or Tab leaves its field", async () => {
	const chat = await startChat();
	const ann = await person(chat.url);
	const focused = () => ann.evaluate(() => document.activeElement.id);

	await seePeople(ann, 1);
	assert.equal(await focused(), "name");
	await ann.keyboard.type("Anna Li");
	await ann.keyboard.press("Backspace");
	assert.equal(await value(ann, "#name"), "Anna L");
	await ann.keyboard.press("Enter");
	assert.equal(await focused(), "text");
	assert.equal(await value(ann, "#text"), "");
	await ann.keyboard.type("hello");
	await ann.keyboard.press("Enter");
	await texts(ann, "hello");
	const bob = await person(chat.url);
	await texts(bob, "hello");
	assert.deepEqual(await list(bob, "#list b"), ["Anna L"]);
	await press(ann, "#name", "Tab");
	assert.equal(await focused(), "room");
	await ann.reload();
	await texts(ann, "hello");
	assert.equal(await value(ann, "#name"), "Anna L");
});

test("Shift+Enter makes a line, and blanks are not sent", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await say(ann, "   ");
	await fill(ann, "#text", "first");
	await ann.keyboard.press("End");
	await ann.keyboard.down("Shift");
	await ann.keyboard.press("Enter");
	await ann.keyboard.up("Shift");
	await ann.keyboard.type("second");
	await ann.keyboard.press("Enter");
	await say(ann, "end");
	assert.deepEqual(await texts(ann, "end"), ["first\nsecond", "end"]);
});

test("Enter that ends an input method's composition does not send", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const enter = init => ann.evaluate(more => document.getElementById("text").dispatchEvent(
		new KeyboardEvent("keydown", {key: "Enter", bubbles: true, ...more})), init);

	await fill(ann, "#text", "かな");
	await enter({isComposing: true});
	await enter({keyCode: 229});
	assert.equal(await value(ann, "#text"), "かな");
	await enter({keyCode: 13});
	assert.deepEqual(await texts(ann, "かな"), ["かな"]);
});

test("the limit is counted in bytes, and told before it is reached", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const too = async () => (await list(ann, "#left"))[0];

	await fill(ann, "#text", "x".repeat(2000));
	assert.equal(await too(), "");
	await fill(ann, "#text", "\u20ac".repeat(1200));
	assert.match(await too(), /^\d+ bytes left$/);
	await fill(ann, "#text", "\u20ac".repeat(1400));
	const [, bytes] = (await too()).match(/^Too long by (\d+) bytes/);
	// what fits exactly
	const euros = "\u20ac".repeat(1400 - Math.ceil(bytes / 3)) + "x".repeat(Math.ceil(bytes / 3) * 3 - bytes);
	await fill(ann, "#text", euros + "x");
	assert.match(await too(), /^Too long by 1 byte\b/);
	assert.equal(await ann.evaluate(() => document.getElementById("text").getAttribute("aria-invalid")), "true");
	await ann.keyboard.press("Enter");
	assert.equal(await value(ann, "#text"), euros + "x");
	await say(ann, euros);
	assert.deepEqual(await texts(ann, euros), [euros]);
});

test("a draft that a longer name or a new limit makes too long is told so", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	await fill(ann, "#text", "x".repeat(4020));
	assert.match((await list(ann, "#left"))[0], /^\d+ bytes left$/);
	await fill(ann, "#name", "Ann of the long name");
	await see(ann, /^Too long by \d+ bytes$/, "#left");
	await fill(ann, "#name", "Ann");
	await see(ann, /^\d+ bytes left$/, "#left");
	puppet.raw(puppet.notice({max: 3000}));
	await see(ann, /^Too long by 1\d{3} bytes$/, "#left");
	await fill(ann, "#text", "x".repeat(2925));
	await see(ann, /^\d+ bytes left$/, "#left");
	// whatever made it too long, Enter tells
	await ann.evaluate(() => { document.getElementById("name").value = "Ann of another tab"; });
	await press(ann, "#text", "Enter");
	await see(ann, /^Too long by \d+ bytes?$/, "#left");
});

// ---- Reading ----
test("a reader further up is not moved, but told of what is new", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const top = () => ann.evaluate(() => document.getElementById("room").scrollTop);

	await sayRaw(ann, chat.url, ...Array.from({length: 60}, (_, i) => `line ${i}`));
	await texts(ann, "line 59");
	assert.ok(await top() > 500);
	await ann.evaluate(() => { document.getElementById("room").scrollTop = 300; });
	await sayRaw(ann, chat.url, "one", "two", "three");
	await see(ann, "3 new messages", "#news");
	assert.equal(await top(), 300);
	await ann.click("#news");
	await until(ann, () => document.getElementById("room").scrollTop > 500);
	await until(ann, () => !document.getElementById("news").checkVisibility());
	await sayRaw(ann, chat.url, "four");
	await texts(ann, "four");
	assert.equal(await visible(ann, "#news"), false);
	await until(ann, () => {
		const e = document.getElementById("room");
		return e.scrollHeight - e.scrollTop - e.clientHeight < 2;
	});
});

test("a window that grows until all fits in it ends the count of new messages", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann", {viewport: {width: 480, height: 400}});

	await sayRaw(ann, chat.url, ...Array.from({length: 20}, (_, i) => `line ${i}`));
	await texts(ann, "line 19");
	await ann.evaluate(() => { document.getElementById("room").scrollTop = 0; });
	await sayRaw(ann, chat.url, "one");
	await see(ann, "1 new message", "#news");
	await ann.setViewport({width: 480, height: 1200});
	await until(ann, () => !document.getElementById("news").checkVisibility());
});

// ---- The connection ----
test("a dead connection is noticed by its silence", async () => {
	const chat = await startChat("-t", "25");
	const ann = await person(chat.url, "Ann", {clock: true});

	chat.pause();
	await clock.forward(ann, 59e3);
	assert.match((await list(ann, "#words"))[0], /^1 online$/);
	await clock.forward(ann, 2e3);
	await see(ann, "Connection lost", "#words");
	chat.resume();
	await clock.forward(ann, 60e3);
	await seePeople(ann);
});

test("a connection that does not come up is given up", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann", {clock: true});

	chat.pause();
	wire.cut();
	await seeLost(ann);
	wire.mend();
	await clock.forward(ann, 1e3);
	await see(ann, /Trying again…$/, "#status");
	await clock.forward(ann, 9e3);
	assert.match((await list(ann, "#status"))[0], /Trying again…$/);
	await clock.forward(ann, 2e3);
	await seeLost(ann);
	chat.resume();
	await clock.forward(ann, 60e3);
	await seePeople(ann);
});

for (const [name, happens] of [
	["sending something", page => say(page, "hello")],
	["coming back online", page => page.evaluate(() => dispatchEvent(new Event("online")))],
	["being looked at again", async page => { await hide(page); await look(page); }],
	["coming back from the cache", page =>
		page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})))],
]) test(`${name} reconnects at once, without waiting for the delay`, async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann", {clock: true});

	// from here on no delay ends by itself
	await clock.stop(ann);
	wire.cut();
	await seeLost(ann);
	wire.mend();
	await happens(ann);
	await seePeople(ann, 1);
});

test("a page that was out of sight for long does not trust its connection", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann", {clock: true});

	chat.pause();
	await hide(ann);
	await clock.sleep(ann, 3600e3);
	await look(ann);
	await see(ann, "Connection lost", "#words");
	chat.resume();
	await seePeople(ann);
});

test("without a network it says that it is offline", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");

	await ann.setOfflineMode(true);
	wire.cut();
	await see(ann, /^Offline\. Trying again in/, "#status");
	wire.mend();
	await ann.setOfflineMode(false);
	await seePeople(ann, 1);
});

// ---- For everybody's eyes and fingers ----
for (const scheme of ["light", "dark"]) test(`axe finds nothing in ${scheme}, in any state`, async () => {
	const chat = await startChat("-l", "0");
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann", {scheme});

	assert.deepEqual(await violations(ann), [], "empty");
	await say(ann, "mine, see https://example.org/");
	await texts(ann, "mine, see https://example.org/");
	await sayRaw(ann, wire.url, ...Array.from({length: 40}, (_, i) => shaped(`Person ${i}`, `text ${i}`, NOON + i)), "plain");
	await texts(ann, "plain");
	assert.deepEqual(await violations(ann), [], "in the middle of a talk");
	await ann.evaluate(() => { document.getElementById("room").scrollTop = 0; });
	await sayRaw(ann, wire.url, "new");
	await see(ann, "1 new message", "#news");
	assert.deepEqual(await violations(ann), [], "scrolled up");
	await fill(ann, "#text", "x".repeat(4096));
	assert.deepEqual(await violations(ann), [], "too long");
	wire.cut();
	await seeLost(ann);
	await say(ann, "unsent");
	assert.deepEqual(await violations(ann), [], "disconnected");
});

test("nothing is wider than a small screen, and nothing too small to touch", async () => {
	const chat = await startChat("-l", "0");

	for (const viewport of [{width: 320, height: 568}, {width: 320, height: 256}, {width: 390, height: 844}]) {
		const ann = await person(chat.url, "Ann", {viewport: {...viewport, hasTouch: true, isMobile: true}});

		await say(ann, "a long word: " + "w".repeat(300));
		await texts(ann, "a long word: " + "w".repeat(300));
		await fill(ann, "#text", "x".repeat(3700));
		assert.deepEqual(await sideways(ann), []);
		for (const box of await ann.evaluate(() => Array.from(document.querySelectorAll("input:not([type=checkbox]), textarea, button"), e => {
			const r = e.getBoundingClientRect(), size = parseFloat(getComputedStyle(e).fontSize);
			return [e.id, r.width, r.height, size, e.checkVisibility()];
		})))
			assert.ok(!box[4] || box[1] >= 24 && box[2] >= 24 && box[3] >= 16, String(box));
		assert.ok(await ann.evaluate(() => document.getElementById("room").getBoundingClientRect().height >= 100));
		await ann.leave();
	}
});

test("the client of docs/clients.md works in the console", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const protocol = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf8");
	const lines = protocol.match(/^ {4}const socket = new WebSocket[^]*?\n\n/m)[0];
	const heard = new Promise(done => ann.on("console", m => {
		if (m.text() === "Hello from the console")
			done();
	}));

	await ann.evaluate(`{${lines}}`);
	await heard;
	await texts(ann, "Hello from the console");
});
