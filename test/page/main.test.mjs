// SPDX-License-Identifier: MIT
// What everybody does with the page, in Chromium, Firefox ESR and WebKitGTK.
import assert from "node:assert/strict";
import {mkdtempSync, rmSync} from "node:fs";
import {afterTest, count, fill, line, list, notes, person, press, say, sayRaw, see, seeLost, seePeople, shaped, startChat, test,
	texts, until, value, visible} from "./harness.mjs";

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

// A clean stop ends no count of messages, a kill does. Only machines' texts, which
// nothing tells apart, may then come again.
for (const [signal, note, shown] of [["SIGTERM", [], ["21.5", "before"]],
	["SIGKILL", ["The room was restarted here."], ["21.5", "before", "21.5"]]])
	test(`after ${signal} and a start with the same file nobody's words are lost, or shown twice`, async () => {
		const folder = mkdtempSync("/tmp/chat-test-"), options = ["-f", `${folder}/messages`];
		const chat = await startChat(...options);
		const ann = await person(chat.url, "Ann"), bob = await person(chat.url, "Bob");

		afterTest(() => rmSync(folder, {recursive: true}));
		await sayRaw(ann, chat.url, "21.5");
		await texts(ann, "21.5");
		await say(ann, "before");
		await texts(bob, "before");
		await chat.stop(signal);
		await seeLost(ann);
		await seeLost(bob);
		await say(bob, "meanwhile");
		await startChat(...options, "-p", chat.port);
		await texts(bob, "meanwhile");
		for (const page of [ann, bob]) {
			assert.deepEqual(await texts(page, "meanwhile"), [...shown, "meanwhile"]);
			assert.deepEqual(await notes(page), note);
		}
		assert.deepEqual(await list(ann, "#list li.mine p"), ["before"]);
		await ann.reload();
		assert.deepEqual(await texts(ann, "meanwhile"), ["21.5", "before", "meanwhile"]);
	});

test("a draft that grows and shrinks while others talk does not stop the list from following", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const distance = () => ann.evaluate(() => {
		const {scrollHeight, scrollTop, clientHeight} = document.getElementById("room");
		return scrollHeight - scrollTop - clientHeight;
	});
	let said = 0;
	const follows = async step => {
		await sayRaw(ann, chat.url, `number ${++said}`);
		await texts(ann, `number ${said}`);
		assert.ok(await distance() < 2, `${await distance()} px from the end ${step}`);
		assert.equal(await visible(ann, "#news"), false);
	};

	await sayRaw(ann, chat.url, ...Array.from({length: 60}, (_, i) => `line ${i}`), "end");
	await texts(ann, "end");
	await press(ann, "#text", "a");
	for (let row = 2; row < 9; row++) {
		await ann.keyboard.down("Shift");
		await ann.keyboard.press("Enter");
		await ann.keyboard.up("Shift");
		await ann.keyboard.type("a");
		assert.ok(await distance() < 2, `${await distance()} px from the end in row ${row}`);
		await follows(`after row ${row}`);
	}
	for (let row = 8; row > 4; row--) {
		for (const key of ["Backspace", "Backspace"])
			await ann.keyboard.press(key);
		await follows(`back in row ${row}`);
	}
	await ann.keyboard.press("Enter");
	await until(ann, () => document.getElementById("text").value === "");
	await follows("when it is sent");
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
