// SPDX-License-Identifier: MIT
// What the page looks like, as far as numbers tell it; pictures are for eyes.
import assert from "node:assert/strict";
import {boxes, fill, list, otherBrowser, person, say, sayRaw, see, seeLost, seePeople, shaped, sideways,
	startChat, style, test, texts, violations, visible} from "./harness.mjs";
import {startPuppet} from "./puppet.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");
const DAY = 86400e3;

// Something that is no letter of the words: a border, a sign before or after them.
const marked = (page, selector) => page.evaluate(s => {
	const e = document.querySelector(s), own = getComputedStyle(e);
	const sign = side => !["none", "normal", '""'].includes(getComputedStyle(e, side).content);
	return ["Top", "Right", "Bottom", "Left"].some(side => parseFloat(own[`border${side}Width`]) > 0 &&
		own[`border${side}Style`] !== "none") || sign("::before") || sign("::after") || own.textDecorationLine !== "none";
}, selector);

const mono = family => /mono/i.test(family);

// ---- Text that can be made larger ----
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

// ---- Groups ----
test("a machine's text looks like one, and belongs to no person", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "hello", NOON), "21.5", shaped("Bob", "again", NOON + 1));
	await texts(ann, "again");
	assert.deepEqual(await list(ann, "#list li.machine p"), ["21.5"]);
	assert.ok(mono(await style(ann, "#list li.machine p", "fontFamily")));
	assert.ok(!mono(await style(ann, "#list li:not(.machine) p", "fontFamily")));
	// the next message of the same person begins anew
	assert.equal(await ann.evaluate(() => document.querySelector("#list li:last-child").classList.contains("same")), false);
});

// ---- Code ----
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

test("a block of code is what stands between its fences, less the language's name", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, ...["```int a;\nint b;\n```", "```js \nlet x;\n```  \nafter", "```\nx\n``` y", "```\n\ny\n```"].map((text, i) =>
		shaped("Bob", text, NOON + i)), "end");
	await texts(ann, "end");
	assert.deepEqual(await list(ann, "#list pre"), ["int a;\nint b;\n", "let x;\n", "\ny\n"]);
	assert.deepEqual((await list(ann, "#list p")).slice(1, 3), ["let x;\nafter", "```\nx\n``` y"]);
});

// ---- A small window ----
test("sound that is on can be switched off in a narrow window", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann", {viewport: {width: 1100, height: 700}});

	await ann.click("#sound");
	await ann.setViewport({width: 390, height: 844});
	assert.equal(await visible(ann, "#sound"), true);
	assert.deepEqual(await violations(ann), []);
	await ann.click("#sound");
	assert.equal(await visible(ann, "#sound"), false);
	assert.equal(await visible(ann, "[for=sound]"), false);
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
	puppet.cut();
	await seeLost(ann);
	puppet.messages = [];
	puppet.mend();
	await see(ann, "The room was restarted here.");
	assert.deepEqual(await violations(ann), [], "started anew");
});
