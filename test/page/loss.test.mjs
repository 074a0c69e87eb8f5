// SPDX-License-Identifier: MIT
// A network that loses packets, between two hosts that are namespaces of the
// kernel: `room` has the server and one browser, `far` has others, behind
// nftables and tbf. Needs root: make loss.
import assert from "node:assert/strict";
import {execFileSync, spawn} from "node:child_process";
import {once} from "node:events";
import {chmodSync, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {after, before} from "node:test";
import {startBrowser} from "./browsers.mjs";
import {CHAT, list, person, say, sayRaw, seePeople, test, texts} from "./harness.mjs";

const ROOM = `chat-room-${process.pid}`, FAR = `chat-far-${process.pid}`;
const ADDRESS = "192.0.2.1";  // RFC 5737: for examples, and nobody's
const scripts = mkdtempSync("/tmp/chat-loss-");

let chat, url, log = "", near, far;

const run = (...command) => execFileSync(command[0], command.slice(1));
const inFar = (...command) => run("ip", "netns", "exec", FAR, ...command);

// What becomes of packets, in both directions.
function network(fate) {
	inFar("nft", `flush ruleset
		table inet loss {
			chain in {
				type filter hook input priority 0
				iifname far ${fate}
			}
			chain out {
				type filter hook output priority 0
				oifname far ${fate}
			}
		}`);
}

const FINE = "accept", A_FIFTH_LOST = "numgen random mod 100 < 20 drop", DEAD = "drop";

// Kilobits a second, both ways.
function speed(kbit) {
	for (const [host, link] of [[ROOM, "room"], [FAR, "far"]])
		run("ip", "netns", "exec", host, "tc", "qdisc", "replace", "dev", link, "root",
		    "tbf", "rate", `${kbit}kbit`, "burst", "5kb", "latency", "500ms");
}

// Chromium on one of the hosts.
async function browserOn(host) {
	const script = `${scripts}/${host}`;
	writeFileSync(script, `#!/bin/sh\nexec ip netns exec ${host} /usr/bin/chromium "$@"\n`);
	chmodSync(script, 0o755);
	return await startBrowser({program: script});
}

async function logged(pattern) {
	while (!pattern.test(log))
		await once(chat.stderr, "data");
}

before(async () => {
	for (const host of [ROOM, FAR]) {
		run("ip", "netns", "add", host);
		run("ip", "-n", host, "link", "set", "lo", "up");
	}
	run("ip", "-n", ROOM, "link", "add", "room", "type", "veth", "peer", "far", "netns", FAR);
	for (const [host, link, address] of [[ROOM, "room", ADDRESS], [FAR, "far", "192.0.2.2"]]) {
		run("ip", "-n", host, "address", "add", `${address}/24`, "dev", link);
		run("ip", "-n", host, "link", "set", link, "up");
	}
	chat = spawn("ip", ["netns", "exec", ROOM, CHAT, "-a", ADDRESS, "-p", "0",
			    "-l", "0", "-n", "1000", "-t", "3"], {stdio: ["ignore", "pipe", "pipe"]});
	chat.stderr.on("data", data => { log += data; });
	url = String((await once(chat.stdout, "data"))[0]).match(/http:\S+/)[0];
	near = await browserOn(ROOM);
	far = await browserOn(FAR);
});

after(async () => {
	await near?.close();
	await far?.close();
	chat?.kill();
	for (const host of [ROOM, FAR])
		run("ip", "netns", "delete", host);
	rmSync(scripts, {recursive: true});
});

// All that was said so far, as each page shows it.
async function expectSame(pages, last, count) {
	const [first, ...others] = await Promise.all(pages.map(page => texts(page, last)));
	for (const other of others)
		assert.deepEqual(other, first);
	assert.equal(new Set(first).size, count);
	assert.equal(first.length, count);
}

test("a fifth of all packets is lost, and no message", async () => {
	const ann = await person(url, "Ann", {browser: near}), bob = await person(url, "Bob", {browser: far});

	network(A_FIFTH_LOST);
	for (let i = 0; i < 50; i++)
		await Promise.all([say(ann, `Ann's ${i}`), say(bob, `Bob's ${i}`)]);
	await Promise.all([texts(ann, "Bob's 49"), texts(bob, "Ann's 49")]);
	network(FINE);
	await say(ann, "end of the first");
	await expectSame([ann, bob], "end of the first", 101);
});

test("all is lost for a while: who is gone is noticed, and gets everything later", async () => {
	const ann = await person(url, "Ann", {browser: near});
	const bob = await person(url, "Bob", {browser: far}), carl = await person(url, "Carl", {browser: far});

	await seePeople(ann, 3);
	log = "";
	network(DEAD);
	await say(bob, "Bob, into the void");
	await say(ann, "Ann, to those who are gone");
	await logged(/disconnected: silent[^]*disconnected: silent/);
	await seePeople(ann, 1);
	await say(ann, "Ann, alone");
	network(FINE);
	await Promise.all([bob, carl].map(page => texts(page, "Ann, alone")));
	await texts(ann, "Bob, into the void");
	await seePeople(ann, 3);
	await say(carl, "end of the second");
	await expectSame([ann, bob, carl], "end of the second", 100 + 1 + 1 + 4 - 1);
	for (const page of [ann, bob, carl])
		assert.doesNotMatch((await list(page, "#list li.note")).join(), /miss/);
});

test("a slow line gets a burst that takes it seconds", async () => {
	const ann = await person(url, "Ann", {browser: near}), bob = await person(url, "Bob", {browser: far});
	const text = i => `${i} ${"x".repeat(1000)}`;

	speed(400);
	await sayRaw(ann, url, ...Array.from({length: 300}, (_, i) => text(i)));
	await say(bob, "Bob meanwhile");
	await texts(bob, text(299));
	await say(ann, "end of the third");
	await expectSame([ann, bob], "end of the third", 105 + 300 + 2);
});
