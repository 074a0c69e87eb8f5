// SPDX-License-Identifier: MIT
// What a person has said, typed and set: it is theirs, in all their windows, and
// nobody else's.
import assert from "node:assert/strict";
import {count, duplicate, eventually, fill, line, list, openTab, otherBrowser, person, press, say, sayRaw, see, seeLost, seePeople,
	shaped, startChat, test, texts, until, value} from "./harness.mjs";
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

test("a message longer than the server's limit is not sent, and stands before the draft", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");
	const long = "y".repeat(1500);

	puppet.cut();
	await seeLost(ann);
	for (const text of ["first", long, "last"])
		await say(ann, text);
	await fill(ann, "#text", "my draft");
	puppet.max = 1000;  // an operator has changed it meanwhile
	puppet.mend();
	await texts(ann, "last");
	assert.deepEqual(await list(ann, "#list p"), ["first", "last"]);
	assert.equal(await value(ann, "#text"), `${long}\nmy draft`);
	await see(ann, /long/i, "#left");
	assert.ok(puppet.heard.every(m => m.length < 1000));
	assert.deepEqual(await unsent(ann), []);
});

test("the limit is the server's", async () => {
	for (const [max, fits, not] of [[300, 150, 301], [20000, 15000, 20001]]) {
		const puppet = await startPuppet({max});
		const ann = await person(puppet.url, "Ann");

		await say(ann, "x".repeat(not));
		await see(ann, /^Too long by \d+ bytes/, "#left");
		await say(ann, "x".repeat(fits));
		await texts(ann, "x".repeat(fits));
		assert.equal(puppet.heard.length, 1);
	}
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

// ---- Forgeries ----
test("another person's message is not mine, whatever id and name it has", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	await say(ann, "hello");
	await seeMine(ann, "hello");
	const message = JSON.parse(puppet.heard[0]);
	puppet.say(JSON.stringify({...message, text: "forged, same id"}),
		   JSON.stringify({...message, id: `${message.id}0`, text: "forged, longer id"}),
		   JSON.stringify({...message, id: message.id.replace(/.$/, "_"), text: "forged, same beginning"}));
	await texts(ann, "forged, same beginning");
	assert.deepEqual(await mine(ann), ["hello"]);
	assert.deepEqual(await list(ann, "#list p"), ["hello", "forged, same id", "forged, longer id", "forged, same beginning"]);
	await ann.reload();
	await texts(ann, "forged, same beginning");
	assert.deepEqual(await mine(ann), ["hello"]);
});

test("a forged message does not take the place of one that is under way", async () => {
	const puppet = await startPuppet({relays: false});
	const ann = await person(puppet.url, "Ann");

	await say(ann, "hello");
	await eventually(() => puppet.heard.length === 1);
	puppet.say(JSON.stringify({...JSON.parse(puppet.heard[0]), text: "forged"}));
	await texts(ann, "forged");
	assert.deepEqual(await mine(ann), []);
	assert.deepEqual(await unsent(ann), ["hello"]);
	puppet.say(puppet.heard[0]);
	await seeMine(ann, "hello");
	assert.deepEqual(await list(ann, "#list p"), ["forged", "hello"]);
	assert.deepEqual(await unsent(ann), []);
});

test("my message that somebody says again is shown once, and later it is not mine", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	await say(ann, "pay Bob");
	await seeMine(ann, "pay Bob");
	puppet.say(puppet.heard[0], "end");
	assert.deepEqual(await texts(ann, "end"), ["pay Bob", "end"]);
	assert.deepEqual(await mine(ann), ["pay Bob"]);
	// both are in the history,
	await ann.reload();
	assert.deepEqual(await texts(ann, "end"), ["pay Bob", "end"]);
	assert.deepEqual(await mine(ann), ["pay Bob"]);
	// and now only the other person's
	puppet.keep = 2;
	await ann.reload();
	assert.deepEqual(await texts(ann, "end"), ["pay Bob", "end"]);
	assert.deepEqual(await mine(ann), []);
});

test("a page that says nothing has no own messages, even of its own name", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const other = await person(chat.url, "Ann");

	await say(other, "I am Ann, too");
	await texts(ann, "I am Ann, too");
	await seeMine(other, "I am Ann, too");
	assert.deepEqual(await mine(ann), []);
});

test("one resent by a phone whose line died is shown once to all", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");
	const twice = shaped("Bob", "said once", Date.now());

	puppet.say(twice, "meanwhile", twice, "end");
	assert.deepEqual(await texts(ann, "end"), ["said once", "meanwhile", "end"]);
	puppet.say("21.5", "21.5", "more");
	assert.deepEqual(await texts(ann, "more"), ["said once", "meanwhile", "end", "21.5", "21.5", "more"]);
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

test("a tab that is opened again knows what was said in the one that was closed", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await say(ann, "before");
	await seeMine(ann, "before");
	const tab = await openTab(ann, "about:blank");
	await ann.close();
	await tab.goto(chat.url);
	await seeMine(tab, "before");
	assert.equal(await value(tab, "#name"), "Ann");
});

test("what two tabs say during a cut is said once each, and is mine in both", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");
	const tab = await openTab(ann, wire.url);
	const bob = await person(chat.url, "Bob");

	await seePeople(tab, 3);
	wire.cut();
	await seeLost(ann);
	await seeLost(tab);
	await say(ann, "from the first");
	await say(tab, "from the second");
	wire.mend();
	await seePeople(bob, 3);
	await texts(bob, "from the first");
	await texts(bob, "from the second");
	await say(bob, "end");
	for (const page of [ann, tab, bob])
		assert.deepEqual((await texts(page, "end")).sort(), ["end", "from the first", "from the second"]);
	for (const page of [ann, tab]) {
		assert.deepEqual((await mine(page)).sort(), ["from the first", "from the second"]);
		assert.deepEqual(await unsent(page), []);
	}
});

test("a tab that is duplicated during a cut does not say everything twice", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	puppet.cut();
	await seeLost(ann);
	await say(ann, "once");
	await fill(ann, "#text", "half a thou");
	puppet.mend();
	puppet.relays = false;
	await eventually(() => puppet.heard.length === 1);  // heard, and not had back
	const copy = await duplicate(ann);
	await seePeople(copy, 2);
	// the copy has had the time to say it: it says something of its own
	await say(copy, "mine");
	await eventually(() => puppet.heard.some(m => m.includes('"mine"')));
	assert.equal(puppet.heard.filter(m => m.includes('"once"')).length, 1);
	puppet.say(...puppet.heard);
	for (const page of [ann, copy]) {
		await seeMine(page, "mine");
		assert.deepEqual(await list(page, "#list p"), ["once", "mine"]);
		assert.deepEqual(await mine(page), ["once", "mine"]);
		assert.deepEqual(await unsent(page), []);
	}
	assert.equal(await value(ann, "#text"), "half a thou");
	// from then on they are two
	puppet.relays = true;
	await say(ann, "one more");
	await seeMine(copy, "one more");
	await copy.reload();
	await seeMine(copy, "one more");
	assert.equal(puppet.heard.filter(m => m.includes('"one more"')).length, 1);
	assert.equal(puppet.heard.filter(m => m.includes('"once"')).length, 1);
});

test("a tab that is duplicated while nothing gets through says it once, later", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	puppet.status = 503;
	puppet.close(1000);
	await seeLost(ann);
	await say(ann, "once");
	const copy = await duplicate(ann);
	await seeLost(copy);
	puppet.status = 101;
	for (const page of [ann, copy]) {
		await seePeople(page);
		await seeMine(page, "once");
	}
	await say(copy, "end");
	for (const page of [ann, copy]) {
		assert.deepEqual(await texts(page, "end"), ["once", "end"]);
		assert.deepEqual(await unsent(page), []);
	}
	assert.equal(puppet.heard.length, 2);
});

test("a tab that is restored after a crash says what it had not sent, once", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");
	const other = await openTab(ann, "about:blank");

	puppet.cut();
	await seeLost(ann);
	await say(ann, "unsent");
	await fill(ann, "#text", "half a thou");
	const kept = await ann.evaluate(() => ({...sessionStorage}));
	await ann.close();
	puppet.mend();
	await other.evaluateOnNewDocument((address, all) => {
		if (location.href === address && sessionStorage.length === 0)
			Object.assign(sessionStorage, all);
	}, puppet.url, kept);
	await other.goto(puppet.url);
	await seeMine(other, "unsent");
	assert.equal(await value(other, "#text"), "half a thou");
	await other.reload();
	await seeMine(other, "unsent");
	assert.equal(puppet.heard.length, 1);
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
	assert.deepEqual(await list(ann, "#list b"), ["Anna"]);
});

test("a name that is half typed is left alone while another tab says something", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const tab = await openTab(ann, chat.url);

	await seePeople(tab, 2);
	await press(tab, "#name", "End");
	await tab.keyboard.type("a ");
	await say(ann, "from the first");
	await seeMine(tab, "from the first");
	await tab.keyboard.type("Lee");
	assert.equal(await value(tab, "#name"), "Anna Lee");
	await until(ann, () => document.getElementById("name").value === "Anna Lee");
});

test("with many messages sent, the old ones may be forgotten and nothing breaks", async () => {
	const puppet = await startPuppet({keep: 300});
	const ann = await person(puppet.url, "Ann");

	for (let i = 0; i < 210; i++)
		await ann.evaluate(text => {
			const field = document.getElementById("text");
			field.value = text;
			field.dispatchEvent(new Event("input"));
			document.getElementById("form").requestSubmit();
		}, `mine ${i}`);
	await seeMine(ann, "mine 209");
	await ann.reload();
	await texts(ann, "mine 209");
	const own = await mine(ann);
	assert.ok(own.length >= 190 && own.includes("mine 209") && own.includes("mine 20"), `${own.length} are mine`);
});

test("what is no JSON in the browser's storage does no harm", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await say(ann, "before");
	await seeMine(ann, "before");
	for (const garbage of ["", "null", "{", "undefined"]) {
		await ann.evaluate(words => {
			for (const store of [localStorage, sessionStorage])
				for (const key of Object.keys(store))
					store.setItem(key, words);
		}, garbage);
		await ann.reload();
		await seePeople(ann, 1);
		await texts(ann, "before");
	}
	await say(ann, "after");
	await seeMine(ann, "after");
});
