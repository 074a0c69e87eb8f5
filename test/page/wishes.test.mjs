// SPDX-License-Identifier: MIT
// What users once missed in the page, or met with.
import assert from "node:assert/strict";
import {boxes, clock, count, eventually, fill, hide, line, list, look, person, press, say, sayRaw, see, seeLost,
	seePeople, shaped, startChat, style, test, texts, until, value, violations, visible} from "./harness.mjs";
import {PAGE, startPuppet} from "./puppet.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");

// ---- Trouble ----
test("while a server is gone nothing in the header moves, and each truth is told once", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann", {viewport: {width: 1100, height: 700}, clock: true});
	const places = async () => [await boxes(ann, "header"), await boxes(ann, "#name")];
	const before = await places();

	await ann.evaluate(() => {
		window.told = [];
		new MutationObserver(() => told.push(document.getElementById("words").textContent))
			.observe(document.getElementById("words"), {childList: true, characterData: true, subtree: true});
	});
	puppet.status = 503;
	puppet.close(1001);
	for (let tries = 0; tries < 4; tries++) {
		await see(ann, /^.?The server stopped\. Trying again in \d+ s$/, "#status.wrong");
		assert.deepEqual(await places(), before);
		await clock.forward(ann, 31e3);
		assert.deepEqual(await places(), before);
	}
	// a sign and a weight tell it as well as the colour
	const sign = () => ann.evaluate(() => getComputedStyle(document.getElementById("status"), "::before").content);
	assert.match(await sign(), /⚠/);
	assert.equal(await style(ann, "#status", "fontWeight"), "600");
	puppet.status = 101;
	await clock.forward(ann, 31e3);
	await seePeople(ann, 1);
	assert.doesNotMatch(await sign(), /⚠/);
	assert.deepEqual(await places(), before);
	assert.deepEqual(await ann.evaluate(() => told), ["The server stopped", "1 online"]);
});

test("what is still unsent can be taken back", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");

	wire.cut();
	await seeLost(ann);
	for (const text of ["first", "a mistake", "last"])
		await say(ann, text);
	await fill(ann, "#text", "my draft");
	await ann.evaluate(() => document.querySelectorAll("#unsent button")[1].click());
	assert.equal(await value(ann, "#text"), "a mistake\nmy draft");
	wire.mend();
	assert.deepEqual(await texts(ann, "last"), ["first", "last"]);
});

test("what is on its way cannot be taken back", async () => {
	const puppet = await startPuppet({relays: false});
	const ann = await person(puppet.url, "Ann");

	await say(ann, "on its way");
	await eventually(() => puppet.heard.length === 1);
	assert.deepEqual(await list(ann, "#unsent p"), ["on its way"]);
	assert.equal(await visible(ann, "#unsent button"), false);
	puppet.cut();
	await seeLost(ann);
	assert.equal(await visible(ann, "#unsent button"), true);
});

// ---- Browsers ----
test("a browser that cannot run the script shows a line that says so, and nothing else", async () => {
	for (const [page, before] of [[PAGE.replace("let socket", "let @socket"), () => {}], [PAGE, () => { delete window.ResizeObserver; }]]) {
		const puppet = await startPuppet({page});
		const ann = await person(puppet.url, undefined, {before});

		await see(ann, "a browser of the year 2020 or later", "#old");
		assert.doesNotMatch(await ann.evaluate(() => document.body.innerText), /Connecting|online/);
		ann.errors.length = 0;
	}
	const puppet = await startPuppet();
	const ann = await person(puppet.url);
	await seePeople(ann, 1);
	assert.equal(await count(ann, "#old"), 0);
});

test("nothing newer than 2020 is needed", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann", {before: () => {
		for (const one of [Array, String, Int8Array])
			for (const name of ["at", "replaceAll", "findLast", "toSorted", "toReversed", "isWellFormed"])
				delete one.prototype[name];
		for (const name of ["replaceChildren", "ariaBusy", "ariaInvalid", "ariaExpanded"])
			delete Element.prototype[name];
		for (const name of ["BigUint64Array", "structuredClone", "AggregateError", "WeakRef", "BroadcastChannel"])
			delete window[name];
		delete Object.hasOwn;
		delete URL.canParse;
		delete crypto.randomUUID;
		const Format = Intl.DateTimeFormat;
		Intl.DateTimeFormat = function (locale, {timeStyle, dateStyle, ...options}) { return new Format(locale, options); };
	}});

	await sayRaw(ann, chat.url, shaped("Bob", "look: https://example.org/\n```\ncode\n```", NOON), shaped("Bob", "many\n".repeat(200), NOON), "21.5");
	await say(ann, "hello");
	await see(ann, "hello", "#list li.mine");
	assert.match(await ann.evaluate(() => document.querySelector("#list time").textContent), /12.00/);
	await ann.evaluate(() => document.querySelector("#list li > button").click());
	await see(ann, "Show less");
	assert.equal(await ann.evaluate(() => document.getElementById("log").getAttribute("aria-busy")), "false");
});

// ---- The field ----
test("a file that is pasted or dropped is refused in words, and a text is not", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const give = (type, ...what) => ann.evaluate((name, all) => {
		const data = new DataTransfer();
		for (const one of all)
			data.items.add(one === "file" ? new File(["x"], "x.png", {type: "image/png"}) : "words", ...one === "file" ? [] : ["text/plain"]);
		// Firefox makes no ClipboardEvent with data
		const event = Object.assign(new Event(name, {bubbles: true, cancelable: true}),
			{[name === "paste" ? "clipboardData" : "dataTransfer"]: data});
		document.getElementById("room").dispatchEvent(event);
		return event.defaultPrevented;
	}, type, what);

	for (const type of ["paste", "dragover", "drop"]) {
		assert.equal(await give(type, "text"), false);
		assert.deepEqual(await list(ann, "#left"), [""]);
		assert.equal(await give(type, "file"), true);
		await see(ann, "Only text can be sent", "#left.wrong");
		await fill(ann, "#text", "");
	}
	assert.equal(await give("paste", "text", "file"), false);
	await give("dragover", "file");
	await see(ann, "Only text can be sent", "#left.wrong");
	await ann.evaluate(() => document.body.dispatchEvent(new Event("dragleave", {bubbles: true})));
	assert.deepEqual(await list(ann, "#left"), [""]);
});

test("a click on a name addresses the person, behind a draft as well", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "hello", NOON));
	await texts(ann, "hello");
	for (const [draft, want] of [["", "@Bob "], ["Hello", "Hello @Bob "], ["I ask ", "I ask @Bob "]]) {
		await fill(ann, "#text", draft);
		await ann.click("#list b button");
		assert.equal(await value(ann, "#text"), want);
		assert.equal(await ann.evaluate(() => document.activeElement.id), "text");
	}
	assert.equal(await ann.evaluate(() => document.getElementById("text").getAttribute("enterkeyhint")), "send");
});

// ---- The list ----
test("Tab goes from the name over the people in the list to the field, with a stop for each and one for the list", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann", {viewport: {width: 800, height: 400}});
	const focused = () => ann.evaluate(() => {
		const e = document.activeElement, {width, height} = e.getBoundingClientRect(), {outlineStyle} = getComputedStyle(e);
		return [e.id || e.textContent, width > 20 && height > 20, outlineStyle !== "none"];
	});
	const walk = ["sound", "room", "Bob", "https://example.org/", "Eve", "Show all", "text"];

	await sayRaw(ann, chat.url, shaped("Bob", "one", NOON), shaped("Bob", "see https://example.org/", NOON + 1), "21.5",
		     shaped("Eve", "many\n".repeat(200), NOON + 2));
	await see(ann, "Show all");
	await press(ann, "#name", "Tab");
	for (const [i, name] of walk.entries()) {
		const [shown, ...seen] = await focused();
		assert.deepEqual([shown, ...name === "https://example.org/" ? [true, true] : seen], [name, true, true]);
		if (name === "Show all") {
			const state = () => ann.evaluate(() => [document.activeElement.textContent, document.activeElement.getAttribute("aria-expanded")]);
			assert.deepEqual(await state(), ["Show all", "false"]);
			await ann.keyboard.press("Enter");
			assert.deepEqual(await state(), ["Show less", "true"]);
			assert.ok((await boxes(ann, "#list li:last-child"))[0].height > 3000);
			await ann.keyboard.press("Enter");
			assert.deepEqual(await state(), ["Show all", "false"]);
			assert.ok((await boxes(ann, "#list li:last-child"))[0].height < 800);
		}
		if (i < walk.length - 1)
			await ann.keyboard.press("Tab");
	}
	assert.deepEqual(await violations(ann), []);
});

test("names without a visible letter are Anonymous", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, ...["", "  ", "\u200b\u2060", "李", "🦊", "?"].map((name, i) => shaped(name, `${i}`, NOON + i)));
	await texts(ann, "5");
	assert.deepEqual(await list(ann, "#list b"), ["Anonymous", "李", "🦊", "?"]
		.flatMap(name => name === "Anonymous" ? Array(3).fill(name) : name));
});

test("my name in scripts without spaces is found, and one of a letter only after @", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");
	const called = [];
	let i = 0;

	for (const [name, text, other] of [["田中", "田中さん、おはよう", "中田さん"], ["สมชาย", "คุณสมชายครับ", "คุณ"], ["I", "hi @I!", "I am"],
		["a.b", "hi a.b!", "hi axb!"], ["C++", "ask C++ now", "ask D now"], ["Zoë", "Zoë?", "Zoëlle"], ["[a-z]", "hello [a-z]", "hello q"]]) {
		await fill(ann, "#name", name);
		await sayRaw(ann, chat.url, shaped("Bob", other, NOON + i++), shaped("Bob", text, NOON + i++));
		await texts(ann, text);
		called.push(text);
		assert.deepEqual(await list(ann, "#list li.named p"), called, name);
	}
});

// ---- Mine ----
test("what this browser keeps has a bound, and after a reload the last 200 messages are still mine", async () => {
	const puppet = await startPuppet({keep: 300});
	const ann = await person(puppet.url, "Ann");
	const stored = () => ann.evaluate(() => Object.entries(localStorage).join("").length);

	for (const [from, to] of [[0, 205], [205, 230]]) {
		await ann.evaluate((first, end) => {
			const field = document.getElementById("text");
			for (let i = first; i < end; i++) {
				field.value = `mine ${i} ${"x".repeat(3000)}`;
				field.dispatchEvent(new Event("input"));
				document.getElementById("form").requestSubmit();
			}
		}, from, to);
		await until(ann, n => document.querySelectorAll("#list li.mine").length === n, to);
		assert.ok(await stored() < 10000, `${await stored()} characters`);
	}
	await ann.reload();
	await see(ann, "mine 229", "#list li.mine");
	assert.equal(await count(ann, "#list li.mine"), 200);
});

test("a forged id changes only where a message stands on the screen of its owner", async () => {
	const puppet = await startPuppet({relays: false});
	const ann = await person(puppet.url, "Ann");

	await say(ann, "hello");
	await eventually(() => puppet.heard.length === 1);
	const message = JSON.parse(puppet.heard[0]);
	puppet.say(JSON.stringify({...message, text: "forged"}));
	await texts(ann, "forged");
	// what is under way stays so until it is heard, and comes once
	assert.deepEqual(await list(ann, "#unsent p"), ["hello"]);
	puppet.say(puppet.heard[0], puppet.heard[0], JSON.stringify({...message, id: `${message.id}0`, text: "other id"}));
	assert.deepEqual(await texts(ann, "other id"), ["forged", "hello", "other id"]);
	assert.deepEqual(await list(ann, "#list li.mine p"), ["forged", "hello"]);
	assert.deepEqual(await list(ann, "#unsent p"), []);
});

// ---- Looks ----
test("the heading of a phone is one row, with an address and port in one piece", async () => {
	const chat = await startChat();

	for (const width of [390, 360]) {
		const ann = await person(chat.url, "Ann", {viewport: {width, height: 844}});
		await ann.evaluate(() => { document.getElementById("title").textContent = "192.168.1.5:8080"; });
		const [[header], [input], [words], [title]] = [await boxes(ann, "header"), await boxes(ann, "#name"), await boxes(ann, "#words"), await boxes(ann, "#title")];
		assert.ok(title.height < 25 && words.height < 25, `${title.height} and ${words.height} px high`);
		assert.ok(header.height < 1.7 * input.height, `the header is ${header.height} px high, the field in it ${input.height}`);
		assert.ok(title.right <= words.left && words.right <= input.left && input.right <= width);
		await ann.leave();
	}
});

test("an empty room says where others join, unless only this computer can", async () => {
	const chat = await startChat();
	const url = chat.url.replace("127.0.0.1", "room.localhost");
	const ann = await person(url, "Ann"), bob = await person(chat.url);

	await see(ann, `No messages yet. Others join at ${url}`, "#empty");
	assert.equal(await see(bob, "No messages yet.", "#empty"), "No messages yet.");
	await say(ann, "first");
	await texts(bob, "first");
	assert.equal(await visible(bob, "#empty"), false);
});

test("a message with my name stands out, code is code, and I am You", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, shaped("Bob", "ann, try `ls -l` or\n```\nfor (;;)\n\tblink();\n```", NOON));
	await see(ann, "blink", "#list li.named");
	assert.notEqual(await style(ann, "#list li.named", "backgroundColor"), "rgba(0, 0, 0, 0)");
	assert.deepEqual(await list(ann, "#list :is(code, pre)"), ["ls -l", "for (;;)\n\tblink();\n"]);
	await say(ann, "It is I");
	await see(ann, "It is I", "#list li.mine");
	assert.deepEqual(await list(ann, "#list li.mine b"), ["You"]);
	assert.deepEqual(await violations(ann), []);
});

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
	const ann = await person(chat.url, "Ann", {viewport: {width: 800, height: 600}, before: countSounds});
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
	await ann.reload();
	await seePeople(ann);
	assert.equal(await ann.evaluate(() => document.getElementById("sound").checked), true);
});
