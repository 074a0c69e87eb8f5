// SPDX-License-Identifier: MIT
// What everybody does with the page, in Chromium, Firefox ESR and WebKitGTK.
import assert from "node:assert/strict";
import {count, fill, line, list, person, say, sayRaw, see, seeLost, seePeople, shaped, startChat, test, texts, until,
	value} from "./harness.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");

test("two people hear each other, at once and in one order", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");

	await seePeople(ann, 2);
	for (let i = 0; i < 5; i++) {
		await say(ann, `Ann says ${i}`);
		await say(bob, `Bob says ${i}`);
	}
	await texts(ann, "Bob says 4");
	await texts(bob, "Ann says 4");
	const order = await texts(bob, "Bob says 4");
	assert.deepEqual(await texts(ann, "Ann says 4"), order);
	assert.equal(order.length, 10);
	assert.equal(await count(ann, "#list li.mine"), 5);
	assert.equal(await count(bob, "#list li.mine"), 5);
	assert.deepEqual(new Set(await list(bob, "#list li:not(.mine) b")), new Set(["Ann"]));
	await bob.leave();
	await seePeople(ann, 1);
});

test("a person who comes later sees the last 100 messages, then the live ones", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, ...Array.from({length: 120}, (_, i) => `number ${i}`));
	await texts(ann, "number 119");
	const carl = await person(chat.url, "Carl");
	await say(ann, "live");
	assert.deepEqual(await texts(carl, "live"),
			 [...Array.from({length: 100}, (_, i) => `number ${i + 20}`), "live"]);
});

for (const signal of ["SIGTERM", "SIGKILL"])
test(`a server that comes back after ${signal} finds everybody, with what they have said`, async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const bob = await person(chat.url, "Bob");

	await say(ann, "before");
	await texts(bob, "before");
	await chat.stop(signal);
	await seeLost(ann);
	await say(ann, "meanwhile");
	await say(bob, "me too");
	await startChat("-p", chat.port);
	for (const page of [ann, bob]) {
		await texts(page, "meanwhile");
		assert.deepEqual((await texts(page, "me too")).sort(), ["before", "me too", "meanwhile"]);
	}
});

test("what is typed but not sent, and what is not sent yet, survive a reload", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");

	wire.cut();
	await seeLost(ann);
	await say(ann, "unsent");
	await fill(ann, "#text", "half a thou");
	wire.mend();
	await ann.reload();
	assert.deepEqual(await texts(ann, "unsent"), ["unsent"]);
	assert.equal(await value(ann, "#text"), "half a thou");
	assert.equal(await value(ann, "#name"), "Ann");
	assert.equal(await count(ann, "#list li.mine"), 1);
	await ann.reload();
	assert.deepEqual(await texts(ann, "unsent"), ["unsent"]);
});

test("a list that is full loses its oldest items, and a reader of older ones is not moved", async () => {
	const chat = await startChat("-l", "0", "-n", "1000");
	const ann = await person(chat.url, "Ann");
	const messages = (from, to) => Array.from({length: to - from}, (_, i) =>
		shaped(`Person ${i % 7}`, `message ${from + i}`, NOON + (from + i) * 1e3));
	// where the reader's message stands in the window
	const place = () => ann.evaluate(() => Math.round(Array.from(document.querySelectorAll("#list p"))
		.find(p => p.textContent === "message 800").getBoundingClientRect().top));

	await sayRaw(ann, chat.url, ...messages(0, 1000));
	await texts(ann, "message 999");
	await ann.evaluate(() => Array.from(document.querySelectorAll("#list p"))
		.find(p => p.textContent === "message 800").scrollIntoView({block: "center"}));
	const before = await place();
	await sayRaw(ann, chat.url, ...messages(1000, 1050));
	await texts(ann, "message 1049");
	await see(ann, "50 new messages", "#news");
	assert.ok(Math.abs(await place() - before) <= 2, `moved from ${before} to ${await place()}`);
	assert.ok(await count(ann, "#list li") <= 1000);
	assert.equal((await list(ann, "#list p")).includes("message 3"), false);
});

test("the field grows with its text, and shrinks when that is sent", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const height = () => ann.evaluate(() => document.getElementById("text").clientHeight);
	const low = await height();

	// one line of text that wraps
	await fill(ann, "#text", "many words ".repeat(6));
	await until(ann, () => {
		const field = document.getElementById("text");
		return field.scrollHeight <= field.clientHeight + 1;
	});
	const high = await height();
	assert.ok(high > low + 15, `${low}, then ${high}`);
	await fill(ann, "#text", "line\n".repeat(300));
	assert.ok(await ann.evaluate(() => document.getElementById("room").clientHeight > 100));
	await fill(ann, "#text", "many words ".repeat(6).trim());
	await ann.keyboard.press("Enter");
	await texts(ann, "many words ".repeat(6).trim());
	await until(ann, h => document.getElementById("text").clientHeight === h, low);
});
