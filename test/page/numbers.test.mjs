// SPDX-License-Identifier: MIT
// Connections that end: what was missed, what is told again, what is new.
import assert from "node:assert/strict";
import {clock, eventually, hide, line, list, notes, openTab, person, say, sayRaw, see, seeLost, seePeople, shaped,
	startChat, test, texts, until} from "./harness.mjs";
import {BINARY, startPuppet} from "./puppet.mjs";

const NOON = Date.parse("2026-11-20T12:00:00");

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

test("a notice with numbers that are none is ignored", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, "Ann");
	const good = puppet.notice();

	for (const bad of ['{"online":', '{"online":3}', good.replace(/"online":\d+/, '"online":"<b>"'),
		good.replace(/"said":\d+/, '"said":-5'), good.replace(/"since":\d+/, '"since":1.5'), good.replace(/,"max":\d+/, "")])
		puppet.raw(bad);
	puppet.say("end");
	assert.deepEqual(await texts(ann, "end"), ["end"]);
	await see(ann, /^1 online$/, "#words");
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

	puppet.raw(puppet.notice({online: 7}), BINARY);
	words.unshift(puppet.notice({online: 7}));
	puppet.say(...words.slice(1), "end");
	assert.deepEqual(await texts(ann, "end"), [...words, "end"]);
	await see(ann, /^1 online$/, "#words");
});

test("a server with a short heartbeat is missed sooner, one with a long one later", async () => {
	for (const [heartbeat, patience] of [[5, 20e3], [120, 250e3]]) {
		const puppet = await startPuppet({heartbeat});
		const ann = await person(puppet.url, "Ann", {clock: true});

		await clock.forward(ann, patience - 2e3);
		assert.match((await list(ann, "#words"))[0], /^1 online$/);
		await clock.forward(ann, 4e3);
		await see(ann, "Connection lost", "#words");
		await ann.leave();
	}
});

for (const notices of [true, false])
	test(`without a heartbeat${notices ? "" : " and notices"} a quiet room is left in peace for ten minutes`, async () => {
		const puppet = await startPuppet({heartbeat: 0, notices});
		const ann = await person(puppet.url, undefined, {clock: true});
		const [words] = await see(ann, notices ? /^1 online$/ : /^Connected$/, "#words") && await list(ann, "#words");

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
		await see(ann, "Connection lost", "#words");
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
				this.addEventListener("open", () => { window.opened = true; });
				this.addEventListener("message", () => { window.heard++; });
			}
		};
	}});

	await ann.close();
	puppet.greet = () => {};
	await tab.goto(puppet.url);
	await until(tab, () => window.opened);
	return tab;
}

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

test("a connection without notices that has lasted is followed by a short delay", async () => {
	const puppet = await startPuppet({notices: false});
	const ann = await person(puppet.url, undefined, {clock: true, before: () => {
		const Socket = WebSocket;
		window.clock.stop();
		window.opened = 0;
		Math.random = () => 0.999;
		window.WebSocket = class extends Socket {
			constructor(...address) {
				super(...address);
				this.addEventListener("open", () => { window.opened++; });
			}
		};
	}});

	for (let round = 1; round < 4; round++) {
		await until(ann, n => window.opened === n, round);
		await clock.forward(ann, 2e3);
		await see(ann, /^Connected$/, "#words");
		await clock.forward(ann, 40e3);
		puppet.cut();
		await see(ann, /Trying again in 1 s$/, "#status");
		puppet.mend();
		await clock.forward(ann, 2e3);
	}
});

test("a clock that is set back does not lengthen the delay", async () => {
	const puppet = await startPuppet();
	const ann = await person(puppet.url, undefined, {clock: true});

	await seePeople(ann, 1);
	await clock.stop(ann);
	puppet.cut();
	await seeLost(ann);
	puppet.mend();
	await clock.sleep(ann, -3600e3);
	await clock.forward(ann, 300);
	await clock.forward(ann, 31e3);
	await seePeople(ann, 1);
});

// The line is silent before the history, so that the page goes live without it.
async function joinLate(puppet) {
	const {greet} = puppet;

	puppet.greet = () => {};
	puppet.messages = ["a", "b", "c"];
	const ann = await person(puppet.url, undefined, {clock: true});
	await eventually(() => puppet.joined === 1);
	await see(ann, /^Connected$/, "#words");
	puppet.greet = greet;
	return ann;
}

test("a history that comes late is not new", async () => {
	const puppet = await startPuppet();
	const ann = await joinLate(puppet);
	const title = await ann.title();

	await hide(ann);
	puppet.greet(puppet.raw);
	await texts(ann, "c");
	assert.equal(await ann.title(), title);
	puppet.say("d");
	await texts(ann, "d");
	assert.equal(await ann.title(), `(1) ${title}`);
});

test("a line that is cut before the first notice does not mean that the room was restarted", async () => {
	const puppet = await startPuppet();
	const ann = await joinLate(puppet);

	puppet.cut();
	await seeLost(ann);
	puppet.mend();
	assert.deepEqual(await texts(ann, "c"), ["a", "b", "c"]);
	assert.deepEqual(await notes(ann), []);
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
		assert.doesNotMatch(await see(ann, "online"), /full/);
		assert.equal(await ann.evaluate(() => document.getElementById("status").classList.contains("wrong")), false);
		// and later it is a connection that was lost
		puppet.status = status;
		puppet.close(1000);
		await see(ann, /^Connection lost\. Trying again in/, "#status.wrong");
	});
