// SPDX-License-Identifier: MIT
// What the page looks like, as far as numbers tell it; pictures are for eyes.
import assert from "node:assert/strict";
import {BROWSER, fill, line, list, onlyIn, otherBrowser, person, press, say, sayRaw, see, seeLost, seePeople, shaped, sideways,
	startChat, style, test, texts, until, violations, visible} from "./harness.mjs";
import {startPuppet} from "./puppet.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");
const DAY = 86400e3;

// The rectangle of each element, in CSS pixels.
const boxes = (page, selector) => page.evaluate(s => Array.from(document.querySelectorAll(s), e => {
	const {left, right, top, bottom, width, height} = e.getBoundingClientRect();
	return {left, right, top, bottom, width, height};
}), selector);

// Something that is no letter of the words: a border, a sign before or after them.
const marked = (page, selector) => page.evaluate(s => {
	const e = document.querySelector(s), own = getComputedStyle(e);
	const sign = side => !["none", "normal", '""'].includes(getComputedStyle(e, side).content);
	return ["Top", "Right", "Bottom", "Left"].some(side => parseFloat(own[`border${side}Width`]) > 0 &&
		own[`border${side}Style`] !== "none") || sign("::before") || sign("::after") || own.textDecorationLine !== "none";
}, selector);

const mono = family => /mono/i.test(family);

// ---- Text that can be made larger ----
test("all text is as large as the browser's setting", async () => {
	const chat = await startChat("-l", "0");
	const browser = await otherBrowser({textSize: 32});
	const viewport = {width: 1100, height: 900};
	const normal = await person(chat.url, "Ann", {viewport});
	const large = await person(chat.url, "Bob", {viewport, browser});
	const sizes = page => page.evaluate(() => ["h1", "#words", "#name", "#list p", "#list b", "#list time", "#text", "#form button:not([hidden])"]
		.map(s => parseFloat(getComputedStyle(document.querySelector(`${s}:not(#news)`)).fontSize)));

	await say(normal, "hello");
	await texts(large, "hello");
	await texts(normal, "hello");
	assert.deepEqual(await sizes(large), (await sizes(normal)).map(size => 2 * size));
});

test("text of twice or four times the size fits, and the list has room", async () => {
	const chat = await startChat("-l", "0");

	for (const [textSize, viewport] of [[32, {width: 390, height: 844}], [64, {width: 1280, height: 1024}]]) {
		const ann = await person(chat.url, "Ann", {viewport, browser: await otherBrowser({textSize})});

		await say(ann, "a long word: " + "w".repeat(300));
		await texts(ann, "a long word: " + "w".repeat(300));
		assert.deepEqual(await sideways(ann), []);
		const [room] = await boxes(ann, "#room");
		assert.ok(room.height >= 100, `${room.height} px for the list`);
		await ann.leave();
	}
});

test("a message of many lines is folded, until one asks for all of it", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const high = shaped("Bob", `top${"\n".repeat(1900)}bottom`, NOON, "high");

	await sayRaw(ann, chat.url, "before", high, "\n".repeat(1900) + "x", "end");
	await texts(ann, "end");
	for (const {height} of await boxes(ann, "#list li"))
		assert.ok(height <= 800, `an item of ${height} px in a window of 640`);
	const buttons = () => ann.evaluate(() => [...document.querySelectorAll("#list button")].filter(e => e.textContent === "Show all" && e.checkVisibility()).length);
	assert.equal(await buttons(), 2);
	await ann.evaluate(() => [...document.querySelectorAll("#list button")].find(e => e.textContent === "Show all").click());
	await until(ann, () => [...document.querySelectorAll("#list li")].some(e => e.clientHeight > 10000));
	assert.equal(await buttons(), 1);
	// and short ones have no button
	const bob = await person(chat.url, "Bob");
	await sayRaw(bob, chat.url, "short", "three\nlines\nonly");
	await texts(bob, "three\nlines\nonly");
	assert.equal(await bob.evaluate(() => [...document.querySelectorAll("#list li:last-child button")].some(e => e.checkVisibility())), false);
});

test("a message that is cut after the phone is turned can be unfolded", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann", {viewport: {width: 1000, height: 640}});
	const buttons = () => ann.evaluate(() => document.querySelectorAll("#list li > button").length);
	const layouts = async () => BROWSER === "chromium" ? (await ann.metrics()).LayoutCount : 0;

	await sayRaw(ann, chat.url, ...Array.from({length: 99}, (_, i) => shaped("Bob", `${i} ` + "many words ".repeat(120), NOON + i, `${i}`)), "end");
	await texts(ann, "end");
	assert.equal(await buttons(), 0);
	const before = await layouts();
	await ann.setViewport({width: 320, height: 640});
	await until(ann, () => document.querySelectorAll("#list li > button").length === 99);
	const strokes = await layouts() - before;
	assert.ok(strokes < 30, `${strokes} layouts`);
	await until(ann, () => {
		const e = document.getElementById("room");
		return e.scrollHeight - e.scrollTop - e.clientHeight < 2;
	});
	// there and back, each has one
	await ann.setViewport({width: 1000, height: 640});
	await until(ann, () => innerWidth === 1000);
	await ann.setViewport({width: 320, height: 640});
	await until(ann, () => innerWidth === 320);
	assert.equal(await buttons(), 99);
});

test("the button that shows all of a message keeps the focus, and folds it again", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const state = () => ann.evaluate(() => [document.activeElement.textContent,
		document.activeElement.closest("li") === document.querySelector("#list li:last-child"),
		document.querySelector("#list li:last-child").clientHeight > 10000]);

	await sayRaw(ann, chat.url, shaped("Bob", `top${"\n".repeat(1900)}bottom`, NOON, "high"));
	await see(ann, "Show all", "#list li:last-child button:last-child");
	await press(ann, "#list li:last-child > button", "Enter");
	assert.deepEqual(await state(), ["Show less", true, true]);
	await ann.keyboard.press("Enter");
	assert.deepEqual(await state(), ["Show all", true, false]);
});

// ---- Times ----
test("times go neither back nor into the future, however wrong the clocks of others are", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const now = await ann.evaluate(() => Date.now());

	await sayRaw(ann, chat.url, ...Array.from({length: 8}, (_, i) => i % 2
		? shaped("Carl", `tomorrow ${i}`, now + DAY) : shaped("board", `1970 ${i}`, i * 1000)), "end");
	await texts(ann, "end");
	const shown = await ann.evaluate(() => Array.from(document.querySelectorAll("#list time"), e => Date.parse(e.dateTime)));
	const dates = (await list(ann, "#list li.note")).filter(text => /\d{4}$/.test(text));
	assert.equal(shown.length, 8);
	for (const [i, time] of shown.entries()) {
		assert.ok(time <= Date.now() + 1000, `${new Date(time)} is in the future`);
		assert.ok(i === 0 || time >= shown[i - 1], `${new Date(time)} after ${new Date(shown[i - 1])}`);
	}
	assert.ok(dates.length <= 2, String(dates));
});

test("a clock that goes ahead loses nothing of a history without a notice", async () => {
	const puppet = await startPuppet({notices: false});

	puppet.say("before", shaped("Carl", "tomorrow", Date.now() + DAY), "after");
	const ann = await person(puppet.url);
	assert.deepEqual(await texts(ann, "after"), ["before", "tomorrow", "after"]);
	assert.ok(await ann.evaluate(() => Date.parse(document.querySelector("#list time").dateTime) <= Date.now()));
});

// ---- From right to left ----
test("Arabic is typed and named from the right", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "سارة");

	await fill(ann, "#text", "مرحبا");
	assert.equal(await style(ann, "#text", "direction"), "rtl");
	assert.equal(await style(ann, "#name", "direction"), "rtl");
	await fill(ann, "#text", "hello");
	assert.equal(await style(ann, "#text", "direction"), "ltr");
	await say(ann, "مرحبا");
	await texts(ann, "مرحبا");
	assert.equal(await style(ann, "#list p", "direction"), "rtl");
});

test("a name and its time do not stick together, in any direction", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "hello", NOON), shaped("سارة", "مرحبا", NOON + 1), "end");
	await texts(ann, "end");
	const names = await boxes(ann, "#list b"), times = await boxes(ann, "#list time");
	for (const [i, name] of names.entries()) {
		const gap = Math.max(times[i].left - name.right, name.left - times[i].right);
		assert.ok(gap >= 4, `${gap} px between a name and its time`);
	}
	for (const text of await ann.evaluate(() => Array.from(document.querySelectorAll("#list b"), e => e.parentElement.innerText)))
		assert.match(text, /^(Bob|سارة)\s+\S/);
});

// ---- Groups ----
test("messages of one person stand close, with a gap to the next person's", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "a", NOON), shaped("Bob", "b", NOON + 1), shaped("Eve", "c", NOON + 2),
		     shaped("Eve", "d", NOON + 3));
	await texts(ann, "d");
	const [a, b, c, d] = await boxes(ann, "#list li:not(.note)");
	const within = Math.max(b.top - a.bottom, d.top - c.bottom), between = c.top - b.bottom;
	assert.ok(between >= within + 4, `${within} px within, ${between} px between`);
});

test("my message is as wide as its text", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann", {viewport: {width: 768, height: 640}});

	await say(ann, "ok");
	await texts(ann, "ok");
	await say(ann, "many words ".repeat(30).trim());
	await texts(ann, "many words ".repeat(30).trim());
	const [short, long] = await boxes(ann, "#list li.mine"), [room] = await boxes(ann, "#room");
	assert.ok(short.width < room.width / 2, `"ok" is ${short.width} px wide`);
	assert.ok(long.width > room.width / 2 && long.right <= room.right);
	assert.ok(short.right > room.right - 60, "own messages stand at the right");
});

test("a machine's text looks like one, and belongs to no person", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "hello", NOON), "21.5", shaped("Bob", "again", NOON + 1));
	await texts(ann, "again");
	assert.deepEqual(await list(ann, "#list li.machine p"), ["21.5"]);
	assert.ok(mono(await style(ann, "#list li.machine p", "fontFamily")));
	assert.ok(!mono(await style(ann, "#list li:not(.machine) p", "fontFamily")));
	const lines = await ann.evaluate(() => Array.from(document.querySelectorAll("#list li.machine, #list li.machine *"), e => getComputedStyle(e))
		.some(s => parseFloat(s.borderInlineStartWidth) > 0 && s.borderInlineStartStyle !== "none"));
	assert.ok(lines, "no line at its side");
	// the next message of the same person begins anew
	assert.equal(await ann.evaluate(() => document.querySelector("#list li:last-child").classList.contains("same")), false);
});

test("a person named undefined has a heading after a machine's text", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "hello", NOON), "21.5", shaped("undefined", "who am I?", NOON + 1));
	await texts(ann, "who am I?");
	assert.equal(await ann.evaluate(() => document.querySelector("#list li:last-child").classList.contains("same")), false);
	assert.deepEqual(await list(ann, "#list li:last-child b"), ["undefined"]);
});

// ---- What is wrong looks wrong ----
test("a lost connection is seen by more than a colour", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");
	// while it tries again, nothing is wrong for a moment
	const looks = () => until(ann, () => {
		const e = document.getElementById("status"), {color, fontWeight, backgroundColor, borderTopWidth} = getComputedStyle(e);
		const signs = ["::before", "::after"].map(side => getComputedStyle(e, side).content);
		return !e.innerText.startsWith("Connecting") && {wrong: e.classList.contains("wrong"), words: e.innerText,
			colours: [color, fontWeight, backgroundColor].join(), signs: [borderTopWidth, ...signs].join()};
	});
	const well = await looks();

	wire.cut();
	await seeLost(ann);
	const lost = await looks();
	assert.deepEqual([well.wrong, lost.wrong], [false, true], lost.words);
	assert.notEqual(lost.colours, well.colours);
	assert.notEqual(lost.signs, well.signs, "neither a border nor a sign");
	wire.mend();
	await seePeople(ann);
	assert.deepEqual(await looks(), well);
});

test("a text that is too long looks wrong, not only less long", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const looks = () => ann.evaluate(() => {
		const left = getComputedStyle(document.getElementById("left")), text = getComputedStyle(document.getElementById("text"));
		return [left.color, left.fontWeight, text.borderTopColor, text.borderTopWidth, text.borderTopStyle, text.outlineStyle].join();
	});

	await fill(ann, "#text", "x".repeat(3600));
	const well = await looks();
	await fill(ann, "#text", "x".repeat(4096));
	assert.notEqual(await looks(), well);
});

// ---- Space ----
test("on a phone the header is one row, with a connection and without", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);

	for (const width of [390, 360]) {
		const ann = await person(wire.url, "Ann", {viewport: {width, height: 844}});
		const oneRow = async () => {
			const [header] = await boxes(ann, "header"), [input] = await boxes(ann, "#name");
			const [words] = await boxes(ann, "#words"), [title] = await boxes(ann, "#title");
			assert.ok(header.height < 2 * input.height, `the header is ${header.height} px high, the field in it ${input.height}`);
			assert.ok(words.top < input.bottom && input.top < words.bottom, "the status and the name stand in one row");
			assert.ok(title.top < input.bottom && input.top < title.bottom, "the title and the name stand in one row");
		};

		await oneRow();
		await ann.leave();
	}
});

test("an empty room says that it is", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const shown = () => ann.evaluate(() => {
		const room = document.getElementById("room"), e = document.getElementById("list");
		const made = [room, document.getElementById("log"), e].flatMap(one => ["::before", "::after"].map(side => getComputedStyle(one, side).content))
			.filter(words => !["none", "normal", '""'].includes(words));
		return room.innerText.trim() + made.join();
	});

	const empty = await until(ann, () => true) && await shown();
	assert.match(empty, /\w{3}/);
	await say(ann, "first");
	await texts(ann, "first");
	assert.ok(!(await shown()).includes(empty));
});

test("the button for new messages covers no text", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, ...Array.from({length: 60}, (_, i) => `line ${i} ${"long ".repeat(20)}`), "end");
	await texts(ann, "end");
	await ann.evaluate(() => { document.getElementById("room").scrollTop = 300; });
	await sayRaw(ann, chat.url, "one");
	await see(ann, "1 new message", "#news");
	const [news] = await boxes(ann, "#news"), [room] = await boxes(ann, "#room"), [field] = await boxes(ann, "#text");
	const apart = (a, b) => a.bottom <= b.top + 1 || b.bottom <= a.top + 1 || a.right <= b.left + 1 || b.right <= a.left + 1;
	assert.ok(apart(news, field), "covers the field");
	if (!apart(news, room))
		for (const p of await boxes(ann, "#list p, #list div"))
			assert.ok(p.width < 2 || p.bottom < room.top || p.top > room.bottom || apart(news, p), "covers text");
});

test("a short screen hides the field's label, for eyes only", async () => {
	const chat = await startChat();
	const label = page => page.evaluate(() => {
		const e = document.querySelector("label[for=text]"), {width, height} = e.getBoundingClientRect(), s = getComputedStyle(e);
		return [width > 1 && height > 1, s.display !== "none" && s.visibility !== "hidden", document.getElementById("text").labels.length];
	});
	const tall = await person(chat.url, "Ann", {viewport: {width: 390, height: 844}});
	const short = await person(chat.url, "Bob", {viewport: {width: 640, height: 300}});

	assert.deepEqual(await label(tall), [true, true, 1]);
	const [seen, , labels] = await label(short);
	assert.equal(seen, false);
	assert.equal(labels, 1);
	// its name remains for those who listen
	assert.equal(await short.evaluate(() => {
		const e = document.querySelector("label[for=text]");
		return getComputedStyle(e).display !== "none" || Boolean(document.getElementById("text").ariaLabel);
	}), true);
});

// ---- Code ----
test("fenced text is in monospace, with its indentation and without its fence's meaning lost", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const code = "for (;;)\n\tblink();\n    done();";

	await say(ann, `Look:\n\`\`\`\n${code}\n\`\`\`\nand more`);
	await see(ann, "and more", "#list");
	const found = await ann.evaluate(words => {
		const part = [...document.querySelectorAll("#list li.mine *")].filter(e => e.textContent.includes(words)).at(-1);
		const s = getComputedStyle(part), before = [...document.querySelectorAll("#list li.mine *")].filter(e => e.textContent.includes("and more")).at(-1);
		return [s.fontFamily, s.whiteSpace, getComputedStyle(before).fontFamily];
	}, code);
	assert.ok(mono(found[0]), found[0]);
	assert.match(found[1], /^(pre|pre-wrap|break-spaces)$/);
	assert.ok(!mono(found[2]), found[2]);
});

test("an indented text keeps its indentation, also that of its first line", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");
	const code = "    if x:\n        y()";

	await say(ann, code);
	for (const page of [ann, bob]) {
		await see(page, "y()", "#list");
		const [text, family] = await page.evaluate(() => {
			const part = [...document.querySelectorAll("#list li:last-child *")].filter(e => e.textContent.includes("if x:")).at(-1);
			return [part.textContent, getComputedStyle(part).fontFamily];
		});
		assert.equal(text, code);
		assert.ok(mono(family), family);
	}
});

test("a fence that is not closed, or is empty, loses no word", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const words = ["```\nopen", "``````", "```", "a ``` b ``` c", "```js\nlet x = '<b>';\n```", "```\n```", "see\n```\nhttps://example.org/\n```\n```\nx"];

	for (const [i, text] of words.entries())
		await sayRaw(ann, chat.url, shaped("Bob", text, NOON + i));
	await sayRaw(ann, chat.url, "end");
	await texts(ann, "end");
	const shown = await ann.evaluate(() => Array.from(document.querySelectorAll("#list li:not(.note):not(.machine)"), e => e.textContent));
	assert.equal(shown.length, words.length);
	for (const [i, word] of ["open", "", "", "a", "let x = '<b>';", "", "https://example.org/"].entries())
		assert.ok(shown[i].includes(word), shown[i]);
	assert.ok(shown.at(-1).endsWith("x") || shown.at(-1).includes("x"));
	assert.equal(await ann.evaluate(() => document.querySelectorAll("#list li p b").length), 0);
});

// ---- Contrast ----
test("in forced colours all that can be pressed is seen, and own messages are told apart", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann", {browser: await otherBrowser({forcedColors: true})});

	assert.equal(await ann.evaluate(() => matchMedia("(forced-colors: active)").matches), true);
	await say(ann, "mine");
	await texts(ann, "mine");
	await sayRaw(ann, chat.url, shaped("Bob", "not mine", NOON));
	await texts(ann, "not mine");
	assert.ok(await marked(ann, "#list li.mine"), "own messages have no border");
	assert.ok(await marked(ann, "#form button:not([hidden]):not(#news)"), "the button has no border");
	for (const name of ["b", "time", "p"])
		assert.notEqual(await style(ann, `#list ${name}`, "color"), await style(ann, "body", "backgroundColor"));
});

for (const scheme of ["light", "dark"]) test(`axe finds nothing in ${scheme} in the states of trouble`, async () => {
	const puppet = await startPuppet({status: 503});
	const ann = await person(puppet.url, undefined, {scheme});

	await see(ann, "Cannot join the room", "#status");
	assert.deepEqual(await violations(ann), [], "not let in");
	puppet.status = 101;
	await seePeople(ann, 1);
	await fill(ann, "#name", "Ann");
	puppet.say(shaped("Bob", "Ann, look:\n```\ncode\n```", Date.now()), shaped("Bob", "many\n".repeat(200), Date.now()), "21.5");
	await texts(ann, "21.5");
	assert.deepEqual(await violations(ann), [], "code, a machine, a folded message, my name");
	puppet.etag = '"two"';
	puppet.cut();
	await seeLost(ann);
	puppet.messages = [];
	puppet.mend();
	await see(ann, "The room was restarted here.");
	assert.deepEqual(await violations(ann), [], "started anew");
}, onlyIn(["chromium"], "axe judges the same page in one browser"));

test("nothing is wider than the window, from 320 to 2560 pixels", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await say(ann, "a long word: " + "w".repeat(300));
	await sayRaw(ann, chat.url, "x".repeat(500), shaped("N".repeat(40), "```\n" + "c".repeat(500) + "\n```", NOON), "end");
	await texts(ann, "end");
	for (const [width, height] of [[320, 200], [320, 568], [390, 844], [768, 1024], [1100, 800], [2560, 1440]]) {
		await ann.setViewport({width, height});
		await until(ann, w => innerWidth === w, width);
		assert.deepEqual(await sideways(ann), [], `at ${width} px`);
	}
	assert.equal(await visible(ann, "#text"), true);
});
