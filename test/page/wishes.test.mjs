// SPDX-License-Identifier: MIT
// What people missed most: a household, a class, a workshop with a board.
import assert from "node:assert/strict";
import {BROWSER, count, fill, hide, line, list, look, openTab, person, press, say, sayRaw, see, seeLost, seePeople, shaped,
	startChat, style, test, texts, until, value, violations, visible} from "./harness.mjs";
import {startPuppet} from "./puppet.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");

// ---- Away and back ----
test("a person who comes back to the tab sees where the new messages begin", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");
	const lines = () => ann.evaluate(() => Array.from(document.querySelectorAll("#list li"), e => e.querySelector("p")?.textContent ?? e.textContent));

	await say(bob, "seen");
	await texts(ann, "seen");
	await hide(ann);
	await say(bob, "new one");
	await say(bob, "new two");
	await texts(ann, "new two");
	await look(ann);
	await see(ann, "New since you left", "#list");
	const shown = await lines();
	assert.deepEqual(shown.slice(shown.indexOf("seen")), ["seen", "New since you left", "new one", "new two"]);
	// the next message after the line has its name
	assert.equal(await ann.evaluate(() => [...document.querySelectorAll("#list li")].find(e => e.textContent.includes("new one")).classList.contains("same")), false);
	// away again, the line moves, and there is one
	await hide(ann);
	await say(bob, "new three");
	await texts(ann, "new three");
	await look(ann);
	const later = await lines();
	assert.deepEqual(later.slice(later.indexOf("seen")), ["seen", "new one", "new two", "New since you left", "new three"]);
});

test("nothing new while away, no line", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await say(ann, "mine");
	await texts(ann, "mine");
	await hide(ann);
	await look(ann);
	await say(ann, "end");
	await texts(ann, "end");
	assert.ok(!(await list(ann, "#list li")).some(text => text.includes("New since")));
});

// ---- My name ----
test("a message with my name is marked, and the title says so while I am away", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");
	const title = await ann.title();

	await hide(ann);
	await say(bob, "hello all");
	await say(bob, "what do you say, ann?");
	await texts(ann, "what do you say, ann?");
	assert.equal(await ann.title(), `(2!) ${title}`);
	await look(ann);
	await until(ann, t => document.title === t, title);
	assert.deepEqual(await list(ann, "#list li.named p"), ["what do you say, ann?"]);
	assert.equal(await count(bob, "#list li.named"), 0);
	// a part of another word is not my name, and what I say myself is not for me
	await say(bob, "Annabel and Joann, plan");
	await say(ann, "I am Ann");
	await texts(ann, "I am Ann");
	assert.deepEqual(await list(ann, "#list li.named p"), ["what do you say, ann?"]);
});

test("a name of signs that mean something elsewhere is found as it is", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");
	const called = [];

	for (const [name, text, other] of [["a.b", "hi a.b!", "hi axb!"], ["C++", "ask C++ now", "ask D now"], ["Zoë", "Zoë?", "Zo"],
		["[a-z]", "hello [a-z]", "hello q"], ["李", "谢谢 李 先生", "谢谢"], ["😀", "hi 😀", "hi ?"]]) {
		await fill(ann, "#name", name);
		await say(bob, other);
		await say(bob, text);
		await texts(ann, text);
		called.push(text);
		assert.deepEqual(await list(ann, "#list li.named p"), called, name);
	}
});

// ---- The room's name ----
test("heading and title tell the room: the last part of the path, or the host", async () => {
	const chat = await startChat();
	const wire = await line({"kitchen": chat.port, "caf%C3%A9": chat.port, "%zz": chat.port, "%3Cb%3E": chat.port});

	for (const [path, name] of [["kitchen/", "kitchen"], ["caf%C3%A9/", "café"], ["%zz/", "%zz"], ["%3Cb%3E/", "<b>"]]) {
		const ann = await person(wire.url + path, "Ann");

		assert.deepEqual(await list(ann, "#title"), [name]);
		assert.equal(await ann.title(), name);
		await ann.leave();
	}
	const ann = await person(chat.url, "Ann");
	assert.deepEqual(await list(ann, "#title"), [new URL(chat.url).host]);
	assert.ok((await ann.title()).includes(new URL(chat.url).host));
	assert.equal(await ann.evaluate(() => document.getElementById("title").tagName), "H1");
});

// ---- Times ----
test("the full time of every message is its tooltip, and comes on a tap", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const full = await ann.evaluate(t => new Intl.DateTimeFormat([], {dateStyle: "full"}).format(t), NOON);

	await sayRaw(ann, chat.url, shaped("Bob", "a", NOON), shaped("Bob", "b", NOON + 1), shaped("Bob", "c", NOON + 2));
	await texts(ann, "c");
	const tips = await ann.evaluate(() => Array.from(document.querySelectorAll("#list li:not(.note)"), e =>
		[e, ...e.querySelectorAll("*")].map(one => one.title).join("")));
	assert.equal(tips.length, 3);
	for (const tip of tips)
		assert.ok(tip.includes(full), tip);
	// one in the middle, whose time is hidden
	const heights = () => ann.evaluate(() => Array.from(document.querySelectorAll("#list li:not(.note)"), e => e.offsetHeight));
	const before = await heights();
	const [, middle] = await ann.$$("#list li:not(.note) p");
	await middle.click();
	await until(ann, h => document.querySelectorAll("#list li:not(.note)")[1].offsetHeight > h, before[1]);
	await middle.click();
	await until(ann, h => document.querySelectorAll("#list li:not(.note)")[1].offsetHeight === h, before[1]);
});

test("a machine's text has the time of its coming, unless it is older than the page", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, "21.5");
	await texts(ann, "21.5");
	assert.match(await ann.evaluate(() => document.querySelector("#list li.machine").title), /\d/);
});

// ---- Keys ----
test("Up in an empty field brings my last message back", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");

	await press(ann, "#text", "ArrowUp");
	assert.equal(await value(ann, "#text"), "");
	await say(ann, "first");
	await texts(ann, "first");
	await say(ann, "  indented\nlast");
	await texts(bob, "  indented\nlast");
	await say(bob, "not mine");
	await texts(ann, "not mine");
	await press(ann, "#text", "ArrowUp");
	assert.equal(await value(ann, "#text"), "  indented\nlast");
	// in a text it only moves the cursor
	await fill(ann, "#text", "typed");
	await press(ann, "#text", "ArrowUp");
	assert.equal(await value(ann, "#text"), "typed");
});

test("PageUp and PageDown in the field scroll the list", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const top = () => ann.evaluate(() => document.getElementById("room").scrollTop);

	await sayRaw(ann, chat.url, ...Array.from({length: 90}, (_, i) => `line ${i}`));
	await texts(ann, "line 89");
	await until(ann, () => {
		const e = document.getElementById("room");
		return e.scrollTop > 500 && e.scrollHeight - e.scrollTop - e.clientHeight < 2;
	});
	const end = await top();
	await press(ann, "#text", "PageUp");
	await until(ann, from => document.getElementById("room").scrollTop < from - 100, end);
	const higher = await top();
	await press(ann, "#text", "PageDown");
	await until(ann, from => document.getElementById("room").scrollTop > from + 100, higher);
	assert.equal(await ann.evaluate(() => document.activeElement.id), "text");
});

test("a click on a name addresses that person", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "hello", NOON));
	await texts(ann, "hello");
	await ann.click("#list b");
	assert.match(await value(ann, "#text"), /Bob\b\W* $/);
	assert.equal(await ann.evaluate(() => document.activeElement.id), "text");
	await ann.keyboard.type("welcome");
	await ann.keyboard.press("Enter");
	await see(ann, /Bob.* welcome/, "#list li.mine");
	// and a draft is kept
	await fill(ann, "#text", "I ask ");
	await ann.click("#list b");
	assert.match(await value(ann, "#text"), /^I ask .*Bob/);
});

test("Tab goes from message to message and shows the full time, and Enter on a name addresses it", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const focused = () => ann.evaluate(() => {
		const e = document.activeElement, item = e.closest("li"), {width, height} = e.getBoundingClientRect();
		const isSeen = width > 1 && height > 20 && getComputedStyle(e).outlineStyle !== "none";
		return [e.textContent, item?.querySelector("p").textContent, isSeen];
	});
	const heights = () => ann.evaluate(() => Array.from(document.querySelectorAll("#list li:not(.note)"), e => e.offsetHeight));

	await sayRaw(ann, chat.url, shaped("Bob", "one", NOON), shaped("Bob", "two", NOON + 1), "21.5", shaped("Eve", "three", NOON + 2));
	await texts(ann, "three");
	const before = await heights();
	await press(ann, "#name", "Tab");
	for (const [i, want] of [["Bob", "one"], ["Bob", "two"], ["21.5", "21.5"], ["Eve", "three"]].entries()) {
		await ann.keyboard.press("Tab");
		assert.deepEqual(await focused(), [...want, true]);
		const now = await heights();
		assert.deepEqual(now.map((h, k) => h > before[k]), before.map((_, k) => k === i));
		if (BROWSER === "chromium")
			assert.deepEqual(await violations(ann), [], want.join());
	}
	await ann.keyboard.press("Enter");
	assert.equal(await value(ann, "#text"), "@Eve ");
	assert.equal(await ann.evaluate(() => document.activeElement.id), "text");
	assert.deepEqual(await heights(), before);
	// back from the field, the last message comes first
	await ann.keyboard.down("Shift");
	for (let i = 0; i < 2; i++)
		await ann.keyboard.press("Tab");
	await ann.keyboard.up("Shift");
	assert.deepEqual(await focused(), ["Eve", "three", true]);
});

// ---- Sound ----
// Counts what would be heard.
const countSounds = () => {
	const start = OscillatorNode.prototype.start;
	window.sounds = 0;
	OscillatorNode.prototype.start = function (...when) {
		window.sounds++;
		return start.apply(this, when);
	};
};

test("a beep tells of a message while the tab is hidden, if one has switched it on", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann", {before: countSounds});
	const bob = await person(chat.url, "Bob");
	const sounds = () => ann.evaluate(() => window.sounds);

	assert.equal(await ann.evaluate(() => document.getElementById("sound").checked), false);
	await hide(ann);
	await say(bob, "unheard");
	await texts(ann, "unheard");
	await look(ann);
	assert.equal(await sounds(), 0);
	await ann.click("#sound");
	const tried = await sounds();  // it may let hear how it sounds
	await say(bob, "seen at once");
	await texts(ann, "seen at once");
	assert.equal(await sounds(), tried);
	await hide(ann);
	await say(bob, "heard");
	await texts(ann, "heard");
	await until(ann, n => window.sounds === n + 1, tried);
	await look(ann);
	// many at once are one beep, and what I say in another tab is none
	const tab = await openTab(ann, chat.url);
	await seePeople(tab);
	await hide(ann);
	await say(tab, "from my other tab");
	await texts(ann, "from my other tab");
	assert.equal(await sounds(), tried + 1);
	assert.equal(await tab.evaluate(() => document.getElementById("sound").checked), true);
	await tab.leave();
	await look(ann);
	await ann.reload();
	await seePeople(ann);
	assert.equal(await ann.evaluate(() => document.getElementById("sound").checked), true);
});

// ---- Copying ----
test("a copy of several messages has a line for each, with name and time", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const copied = (from, to) => ann.evaluate((a, b) => {
		const all = [...document.querySelectorAll("#list p")], range = document.createRange();
		range.setStart(all[a], 0);
		range.setEnd(all[b], all[b].childNodes.length);
		getSelection().removeAllRanges();
		getSelection().addRange(range);
		const event = new ClipboardEvent("copy", {clipboardData: new DataTransfer(), bubbles: true, cancelable: true});
		all[a].dispatchEvent(event);
		return [event.defaultPrevented, event.clipboardData.getData("text/plain")];
	}, from, to);

	await sayRaw(ann, chat.url, shaped("Bob", "one", NOON), shaped("Bob", "two", NOON + 1), shaped("Eve", "three", NOON + 60e3), "21.5");
	await texts(ann, "21.5");
	const [ours, text] = await copied(0, 3);
	const time = await ann.evaluate(t => new Intl.DateTimeFormat([], {timeStyle: "short"}).format(t), NOON);
	const lines = text.split("\n");
	assert.equal(ours, true);
	assert.equal(lines.length, 4, text);
	for (const [i, [name, words]] of [["Bob", "one"], ["Bob", "two"], ["Eve", "three"]].entries()) {
		assert.match(lines[i], new RegExp(`^\\W*${name}\\b`), text);
		assert.ok(lines[i].endsWith(words), text);
	}
	assert.ok(lines[0].includes(time), text);
	assert.match(lines[1], new RegExp(`${time.replace(/\s/g, "\\s")}`));
	assert.equal(lines[3].includes("21.5"), true);
	// a part of one message is copied as it is
	const [one] = await copied(2, 2);
	assert.equal(one, false);
});

// ---- An evil room ----
test("a name cannot look like a notice, and a note not like a message", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	puppet.say(shaped("The room was restarted here.", "37 messages missing here", Date.now()),
		   "New since you left", "The page was renewed on the server.");
	await texts(ann, "The page was renewed on the server.");
	assert.equal(await count(ann, "#list li > button"), 0);
	assert.equal(await ann.evaluate(() => [...document.querySelectorAll("#list li.note")].some(e => /missing|restarted|renewed|since/.test(e.textContent))), false);
	assert.equal(await count(ann, "#list li.machine"), 2);
	assert.ok(await visible(ann, "#list b"));
	assert.notEqual(await style(ann, "#list li.machine", "borderInlineStartWidth"), "0px");
});

test("a storm of messages with my name while I am away is one line, one title, and soon over", async () => {
	const chat = await startChat("-l", "0", "-n", "1000");
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");
	const title = await ann.title();

	await hide(ann);
	await sayRaw(bob, chat.url, ...Array.from({length: 1500}, (_, i) => shaped("Eve", `Ann ${i}`, NOON + i)));
	await texts(ann, "Ann 1499");
	await until(ann, t => document.title === t, `(1500!) ${title}`);
	await look(ann);
	assert.ok(await count(ann, "#list li") <= 1000);
	await say(ann, "I am back");
	await texts(ann, "I am back");
});

test("a line that comes and goes leaves the draft and the place in the list alone", async () => {
	const chat = await startChat("-l", "0");
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");
	const top = () => ann.evaluate(() => document.getElementById("room").scrollTop);

	await sayRaw(ann, wire.url, ...Array.from({length: 60}, (_, i) => `line ${i}`));
	await texts(ann, "line 59");
	await ann.evaluate(() => { document.getElementById("room").scrollTop = 300; });
	await fill(ann, "#text", "half a thou");
	for (let i = 0; i < 2; i++) {
		wire.cut();
		await seeLost(ann);
		wire.mend();
		await seePeople(ann);
	}
	assert.equal(await top(), 300);
	assert.equal(await value(ann, "#text"), "half a thou");
	assert.equal(await count(ann, "#list p"), 60);
});
