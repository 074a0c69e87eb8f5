// SPDX-License-Identifier: MIT
// Connections that end: what was missed, what is told again, what is new.
import assert from "node:assert/strict";
import {clock, count, eventually, hide, line, list, look, notes, openTab, person, say, sayRaw, see, seeLost, seePeople, shaped,
	startChat, test, texts, until, visible} from "./harness.mjs";
import {startPuppet} from "./puppet.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");

test("a sensor that says the same again is heard again, also after a cut", async () => {
	const chat = await startChat("-n", "5");
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");
	const bob = await person(chat.url, "Bob");
	const shown = n => until(ann, k => document.querySelectorAll("#list p").length === k, n);

	await sayRaw(bob, chat.url, ...Array(10).fill("21.5"));
	await shown(10);
	wire.cut();
	await seeLost(ann);
	await sayRaw(bob, chat.url, ...Array(3).fill("21.5"));
	await until(bob, () => document.querySelectorAll("#list p").length === 13);
	wire.mend();
	await seePeople(ann, 2);
	await shown(13);
	assert.deepEqual(await notes(ann), []);
});

test("a cut that is longer than the history is told in numbers, and the next message has its name", async () => {
	const chat = await startChat("-n", "5", "-l", "0");
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");
	const bob = await person(chat.url, "Bob");

	await sayRaw(bob, chat.url, shaped("Eve", "number 0", NOON));
	await texts(ann, "number 0");
	wire.cut();
	await seeLost(ann);
	await sayRaw(bob, chat.url, ...Array.from({length: 42}, (_, i) => shaped("Eve", `number ${i + 1}`, NOON + i)));
	await texts(bob, "number 42");
	wire.mend();
	assert.deepEqual(await texts(ann, "number 42"),
			 ["number 0", "number 38", "number 39", "number 40", "number 41", "number 42"]);
	assert.deepEqual(await notes(ann), ["37 messages missing here"]);
	// the note stands where they are missing, and the reader needs no name before it
	const items = await ann.evaluate(() => Array.from(document.querySelectorAll("#list li"), e =>
		[e.classList.contains("note"), e.classList.contains("same"), e.textContent]));
	const at = items.findIndex(([, , text]) => text.startsWith("37"));
	assert.match(items[at - 1][2], /number 0$/);
	assert.match(items[at + 1][2], /^Eve.*number 38$/);
	assert.equal(items[at + 1][1], false);
});

for (const [missed, words] of [[1, "1 message missing here"], [3, "3 messages missing here"]])
	test(`without a history, ${words}`, async () => {
		const chat = await startChat("-n", "0");
		const wire = await line(chat.port);
		const ann = await person(wire.url, "Ann");
		const bob = await person(chat.url, "Bob");

		await say(bob, "before");
		await texts(ann, "before");
		wire.cut();
		await seeLost(ann);
		for (let i = 0; i < missed; i++) {
			await say(bob, `missed ${i}`);
			await texts(bob, `missed ${i}`);
		}
		wire.mend();
		await see(ann, words, "#list li.note");
		await say(bob, "after");
		assert.deepEqual(await texts(ann, "after"), ["before", "after"]);
		assert.deepEqual(await notes(ann), [words]);
	});

test("a short cut without a history leaves no note if nothing was missed", async () => {
	const chat = await startChat("-n", "0");
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");

	await say(ann, "before");
	await texts(ann, "before");
	wire.cut();
	await seeLost(ann);
	wire.mend();
	await seePeople(ann);
	await say(ann, "after");
	assert.deepEqual(await texts(ann, "after"), ["before", "after"]);
	assert.deepEqual(await notes(ann), []);
});

test("a room that was started anew is told as such, and what is said there is shown", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, "21.5", "21.5");
	await until(ann, () => document.querySelectorAll("#list p").length === 2);
	await chat.stop();
	await seeLost(ann);
	const again = await startChat("-p", chat.port);
	await seePeople(ann);
	await see(ann, "The room was restarted here.", "#list li.note");
	await sayRaw(ann, again.url, "21.5");
	await until(ann, () => document.querySelectorAll("#list p").length === 3);
	assert.deepEqual(await notes(ann), ["The room was restarted here."]);
});

test("with -f a restart is no new room", async () => {
	const {mkdtempSync, rmSync} = await import("node:fs");
	const folder = mkdtempSync("/tmp/chat-test-");
	const chat = await startChat("-f", `${folder}/messages`);
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, "21.5", "21.5");
	await until(ann, () => document.querySelectorAll("#list p").length === 2);
	await chat.stop();
	await seeLost(ann);
	await startChat("-f", `${folder}/messages`, "-p", chat.port);
	await seePeople(ann);
	await sayRaw(ann, chat.url, "21.5", "end");
	assert.deepEqual(await texts(ann, "end"), ["21.5", "21.5", "21.5", "end"]);
	assert.deepEqual(await notes(ann), []);
	rmSync(folder, {recursive: true});
});

test("a server of the same start that has forgotten messages counts as started anew", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	puppet.say("a", "b", "c");
	await texts(ann, "c");
	puppet.cut();
	await seeLost(ann);
	puppet.messages = ["c"];
	puppet.mend();
	await see(ann, "The room was restarted here.", "#list li.note");
	assert.deepEqual(await texts(ann, "c"), ["a", "b", "c", "c"]);
});

test("from a bare relay nothing is missed while the line holds, and after a cut it may be", async () => {
	const chat = await startChat("-n", "0", "-t", "0");
	const wire = await line(chat.port);
	const ann = await person(wire.url);
	const bob = await person(chat.url);

	for (const page of [ann, bob])
		await see(page, /^Connected$/, "#words");
	await say(bob, "before");
	await texts(ann, "before");
	assert.deepEqual(await notes(ann), []);
	wire.cut();
	await seeLost(ann);
	wire.mend();
	await see(ann, "Messages may be missing here.", "#list li.note");
	await say(bob, "after");
	assert.deepEqual(await texts(ann, "after"), ["before", "after"]);
});

test("a line that is cut within the history shows it once", async () => {
	const puppet = await startPuppet();
	const all = Array.from({length: 9}, (_, i) => `number ${i}`);
	const ann = await person(puppet.url, "Ann");
	const whole = puppet.greet;

	puppet.say(...all.slice(0, 2));
	await texts(ann, "number 1");
	puppet.cut();
	await seeLost(ann);
	puppet.messages = all;
	puppet.greet = say => { for (const text of all.slice(0, 5)) say(text); };  // no notice
	puppet.mend();
	await eventually(() => puppet.joined === 2);
	puppet.greet = whole;
	puppet.cut();
	puppet.mend();
	assert.deepEqual(await texts(ann, "number 8"), all);
	assert.deepEqual(await notes(ann), []);
});

test("what is said while the history is told stays in its place", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	puppet.say("a", "b");
	await texts(ann, "b");
	puppet.cut();
	await seeLost(ann);
	puppet.messages.push("c", "d");
	puppet.mend();
	await texts(ann, "d");
	puppet.say("e");
	puppet.raw(puppet.notice());
	assert.deepEqual(await texts(ann, "e"), ["a", "b", "c", "d", "e"]);
	// and the next cut begins to count there
	puppet.cut();
	await seeLost(ann);
	puppet.messages.push("f");
	puppet.mend();
	assert.deepEqual(await texts(ann, "f"), ["a", "b", "c", "d", "e", "f"]);
	assert.deepEqual(await notes(ann), []);
});

test("a notice with numbers that are none is ignored", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");
	const good = puppet.notice();

	for (const bad of [
		'{"online":', '{"online":}', '{"online":"3"}', '{"online":3}', '{"online":null}', '{"online":[3]}',
		good.replace(/"online":\d+/, '"online":-1'), good.replace(/"online":\d+/, '"online":1.5'),
		good.replace(/"online":\d+/, '"online":1e999'), good.replace(/"online":\d+/, '"online":"<b>"'),
		good.replace(/"said":\d+/, '"said":-5'), good.replace(/"said":\d+/, '"said":"9"'),
		good.replace(/"since":\d+/, '"since":{}'), good.replace(/"heartbeat":\d+/, '"heartbeat":1e400'),
		good.replace(/"max":\d+/, '"max":-1'), good.replace(/"max":\d+/, '"max":"1"'), good.replace(/,"max":\d+/, ""),
	])
		puppet.raw(bad);
	puppet.say("end");
	assert.deepEqual(await texts(ann, "end"), ["end"]);
	await see(ann, /^Connected · 1 person here$/, "#words");
	// they say nothing about messages either
	puppet.cut();
	await seeLost(ann);
	puppet.mend();
	await seePeople(ann, 1);
	assert.deepEqual(await list(ann, "#list p"), ["end"]);
	assert.deepEqual(await notes(ann), []);
});

test("what only looks like a notice is a text", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");
	const words = [' {"online":7}', '{"Online":7}', '{"online" :7}', '{ "online":7}', '["online",7]'];

	puppet.say(...words, "end");
	assert.deepEqual(await texts(ann, "end"), [...words, "end"]);
	await see(ann, /^Connected · 1 person here$/, "#words");
});

test("a new number of people is shown when it changes", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	puppet.raw(puppet.notice({online: 1234}));
	await see(ann, /^Connected · 1234 people here$/, "#words");
});

test("a server with a short heartbeat is missed sooner, one with a long one later", async () => {
	for (const [heartbeat, patience] of [[5, 20e3], [120, 250e3]]) {
		const puppet = await startPuppet({heartbeat});
		const ann = await person(puppet.url, "Ann", {clock: true});

		await clock.forward(ann, patience - 2e3);
		assert.match((await list(ann, "#words"))[0], /^Connected · 1 p/);
		await clock.forward(ann, 4e3);
		await see(ann, /Connection lost|Connecting/, "#words");
		await ann.leave();
	}
});

for (const notices of [true, false])
	test(`without a heartbeat${notices ? "" : " and notices"} a quiet room is left in peace for ten minutes`, async () => {
		const puppet = await startPuppet({heartbeat: 0, notices});
		const ann = await person(puppet.url, undefined, {clock: true});
		const [words] = await see(ann, notices ? /^Connected · 1/ : /^Connected$/, "#words") && await list(ann, "#words");

		puppet.say("before");
		await texts(ann, "before");
		for (let minute = 0; minute < 9; minute++) {
			await clock.forward(ann, 60e3);
			assert.deepEqual(await list(ann, "#words"), [words]);
		}
		assert.equal(puppet.joined, 1);
		assert.deepEqual(await notes(ann), []);
		// the line may be dead, after all
		await clock.forward(ann, 120e3);
		await see(ann, /Connection lost|Connecting/, "#words");
		await clock.forward(ann, 2e3);
		await eventually(() => puppet.joined === 2);
	});

// Opens a page whose time stands still, in a tab of a person who is gone, and
// counts what it hears.
async function openStill(ann, puppet) {
	const tab = await openTab(ann, "about:blank", {clock: true, before: () => {
		const Socket = WebSocket;
		window.clock.stop();
		window.heard = 0;
		window.WebSocket = class extends Socket {
			constructor(...address) {
				super(...address);
				this.addEventListener("message", () => { window.heard++; });
			}
		};
	}});

	await ann.close();
	puppet.greet = () => {};
	await tab.goto(puppet.url);
	await see(tab, /^Connected$/, "#words");
	return tab;
}

test("a history that comes slowly is still one", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	puppet.say("first", "second");
	await say(ann, "mine");
	await see(ann, "mine", "#list li.mine");
	const tab = await openStill(ann, puppet);
	for (const [i, text] of puppet.messages.entries()) {
		await clock.forward(tab, 900);
		assert.deepEqual(await list(tab, "#list p"), []);
		puppet.raw(text);
		await until(tab, n => window.heard === n, i + 1);
	}
	puppet.raw(puppet.notice());
	assert.deepEqual(await texts(tab, "mine"), ["first", "second", "mine"]);
	assert.deepEqual(await list(tab, "#list li.mine p"), ["mine"]);
});

test("a busy room without notices is shown after ten seconds", async () => {
	const puppet = await startPuppet({notices: false});
	const tab = await openStill(await person(puppet.url), puppet);

	for (let i = 0; i < 14; i++) {
		puppet.raw(`number ${i}`);
		await until(tab, n => window.heard === n, i + 1);
		await clock.forward(tab, 900);
	}
	assert.equal((await texts(tab, "number 13")).length, 14);
});

test("what came during a cut counts in the title of a hidden tab", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(wire.url, "Ann");
	const bob = await person(chat.url, "Bob");
	const title = await ann.title();

	await say(bob, "seen");
	await texts(ann, "seen");
	await hide(ann);
	wire.cut();
	await seeLost(ann);
	for (const text of ["first", "second"]) {
		await say(bob, text);
		await texts(bob, text);
	}
	wire.mend();
	await texts(ann, "second");
	assert.equal(await ann.title(), `(2) ${title}`);
	await look(ann);
	await until(ann, t => document.title === t, title);
});

test("the history that a page begins with is nothing new", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, "a", "b");
	await texts(ann, "b");
	await ann.reload();
	await texts(ann, "b");
	assert.doesNotMatch(await ann.title(), /\(/);
});

test("the first message of a list that is full has its name", async () => {
	const chat = await startChat("-l", "0", "-n", "1000");
	const ann = await person(chat.url, "Ann");

	await sayRaw(ann, chat.url, ...Array.from({length: 1100}, (_, i) => shaped("Bob", `number ${i}`, NOON + i * 100)));
	await texts(ann, "number 1099");
	const first = await ann.evaluate(() => {
		const item = [...document.querySelectorAll("#list li")].find(e => e.querySelector("p"));
		const name = item.querySelector("b").getBoundingClientRect();
		return [item.classList.contains("same"), item.querySelector("b").textContent, name.width > 1];
	});
	assert.deepEqual(first, [false, "Bob", true]);
	assert.ok(await count(ann, "#list li") <= 1000);
});

// ---- Not in the room ----
for (const status of [503, 403, 429])
	test(`a person who is not let in (${status}) is told so, and why that may be`, async () => {
		const puppet = await startPuppet({status});
		const ann = await person(puppet.url);

		await see(ann, /^Cannot join the room\. Trying again in \d+\ss/, "#status.wrong");
		const causes = await see(ann, /full/);
		assert.match(causes, /address/);
		assert.doesNotMatch(causes, /Connection lost/);
		puppet.status = 101;
		await seePeople(ann, 1);
		assert.doesNotMatch(await see(ann, "Connected"), /full/);
		assert.equal(await ann.evaluate(() => document.getElementById("status").classList.contains("wrong")), false);
		// and later it is a connection that was lost
		puppet.status = status;
		puppet.close(1000);
		await see(ann, /^Connection lost\. Trying again in/, "#status.wrong");
	});

// ---- A page that is older than its server ----
test("a page that was renewed on the server is offered after a reconnect, and reloads", async () => {
	const puppet = await startPuppet({etag: '"one"'});
	const ann = await person(puppet.url, "Ann");

	puppet.say("before");
	await texts(ann, "before");
	puppet.cut();
	await seeLost(ann);
	puppet.mend();
	await seePeople(ann, 1);
	assert.deepEqual(await notes(ann), []);
	puppet.cut();
	await seeLost(ann);
	puppet.etag = '"two"';
	puppet.mend();
	await see(ann, "The page was renewed on the server.", "#list li.note");
	assert.deepEqual(await list(ann, "#list li.note button"), ["Reload"]);
	await ann.evaluate(() => { window.old = true; });
	await ann.click("#list li.note button");
	await until(ann, () => !window.old && document.getElementById("words").textContent.startsWith("Connected · "));
	assert.deepEqual(await texts(ann, "before"), ["before"]);
	assert.deepEqual(await notes(ann), []);
});

test("a server without ETag, or whose answer is lost, is no reason to reload", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");

	for (const etag of ['"one"', undefined, '"one"']) {
		puppet.cut();
		await seeLost(ann);
		puppet.etag = etag;
		puppet.mend();
		await seePeople(ann, 1);
	}
	puppet.say("end");
	await texts(ann, "end");
	assert.deepEqual(await notes(ann), []);
	assert.equal(await visible(ann, "#list button"), false);
});

test("a server that was replaced by a newer one is seen by its page", async () => {
	const chat = await startChat();
	const ann = await person(chat.url, "Ann");
	const answer = await fetch(chat.url, {method: "HEAD"});

	assert.match(answer.headers.get("etag") ?? "", /^(W\/)?"/);
	await chat.stop();
	await seeLost(ann);
	await startChat("-p", chat.port);
	await seePeople(ann, 1);
	assert.ok(!(await notes(ann)).some(text => text.includes("renewed")));
});
