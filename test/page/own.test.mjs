// SPDX-License-Identifier: MIT
// What a person has said, typed and set: it is theirs, in all their windows, and
// nobody else's.
import assert from "node:assert/strict";
import {count, fill, line, list, openTab, otherBrowser, person, say, see, seeLost, seePeople,
	startChat, test, texts, until, value} from "./harness.mjs";
import {startPuppet} from "./puppet.mjs";

// The texts that a page marks as its person's own.
const mine = page => list(page, "#list li.mine p");
const seeMine = (page, text) => until(page, words => Array.from(document.querySelectorAll("#list li.mine p"))
	.some(p => p.textContent === words), text);
const unsent = page => list(page, "#unsent p");

// ---- Too long ----
test("a message that the server finds too long comes back, and the others go out", async () => {
	const puppet = await startPuppet({notices: false, max: 1000});
	const ann = await person(puppet.url);
	const long = "x".repeat(1500);

	await see(ann, /^Connected$/, "#words");
	puppet.cut();
	await seeLost(ann);
	for (const text of ["first", long, "last"])
		await say(ann, text);
	puppet.mend();
	await texts(ann, "last");
	assert.deepEqual((await list(ann, "#list p")).sort(), ["first", "last"]);
	assert.deepEqual(await unsent(ann), []);
	assert.equal(await value(ann, "#text"), long);
	await see(ann, /long/i, "#left");
	// once is enough, over reloads as well
	const refused = () => puppet.heard.filter(m => m.length > 1000).length;
	assert.equal(refused(), 1);
	await ann.reload();
	await texts(ann, "last");
	assert.equal(refused(), 1);
	assert.equal(await value(ann, "#text"), long);
});

// ---- Nothing stored ----
test("with cookies blocked the page works as long as it lives", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann", {browser: await otherBrowser({storage: false})});
	const blocked = await ann.evaluate(() => ["localStorage", "sessionStorage"].map(store => {
		try {
			return window[store] === null;
		} catch (error) {
			return error.name;
		}
	}));

	assert.deepEqual(blocked, ["SecurityError", "SecurityError"]);
	await say(ann, "one");
	await seeMine(ann, "one");
	wire.cut();
	await seeLost(ann);
	await say(ann, "two");
	wire.mend();
	await seeMine(ann, "two");
	assert.deepEqual(await list(ann, "#list p"), ["one", "two"]);
});

// ---- Rooms ----
test("two rooms of one site know nothing of each other's drafts and unsent words", async () => {
	const kitchen = await startChat(), garden = await startChat();
	const wire = await line({kitchen: kitchen.port, garden: garden.port});
	const ann = await person(`${wire.url}kitchen/`, "Ann");
	const bob = await person(garden.url, "Bob");

	await say(ann, "said in the kitchen");
	await seeMine(ann, "said in the kitchen");
	wire.cut();
	await seeLost(ann);
	await say(ann, "unsent in the kitchen");
	await fill(ann, "#text", "half a kitchen");
	wire.mend();
	await ann.goto(`${wire.url}garden/`);
	await seePeople(ann, 2);
	assert.equal(await value(ann, "#text"), "");
	assert.equal(await value(ann, "#name"), "Ann");
	assert.deepEqual(await unsent(ann), []);
	await say(ann, "in the garden");
	assert.deepEqual(await texts(bob, "in the garden"), ["in the garden"]);
	await ann.goto(`${wire.url}kitchen/`);
	assert.deepEqual(await texts(ann, "unsent in the kitchen"), ["said in the kitchen", "unsent in the kitchen"]);
	assert.equal(await value(ann, "#text"), "half a kitchen");
	assert.equal(await count(ann, "#list li.mine"), 2);
});

// ---- Two windows of one person ----
test("a second tab shows the same messages as mine, those of the first and its own", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await say(ann, "before");
	await seeMine(ann, "before");
	const tab = await openTab(ann, chat.url);
	await seeMine(tab, "before");
	await say(ann, "from the first");
	await seeMine(tab, "from the first");
	await say(tab, "from the second");
	for (const page of [ann, tab]) {
		await seeMine(page, "from the second");
		assert.deepEqual(await list(page, "#list p"), ["before", "from the first", "from the second"]);
		assert.deepEqual(await mine(page), ["before", "from the first", "from the second"]);
	}
	for (const page of [ann, tab])
		await page.reload();
	for (const page of [ann, tab]) {
		await texts(page, "from the second");
		assert.deepEqual(await mine(page), ["before", "from the first", "from the second"]);
	}
});

test("a name set in one tab is known in the others", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const tab = await openTab(ann, chat.url);

	await seePeople(tab, 2);
	assert.equal(await value(tab, "#name"), "Ann");
	await fill(ann, "#name", "Anna");
	await until(tab, () => document.getElementById("name").value === "Anna");
	await say(tab, "hello");
	await texts(ann, "hello");
	const bob = await person(chat.url);
	await texts(bob, "hello");
	assert.deepEqual(await list(bob, "#list b"), ["Anna"]);
	await fill(ann, "#name", "");
	await until(tab, () => document.getElementById("name").value === "");
});
