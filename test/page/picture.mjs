// SPDX-License-Identifier: MIT
// The README's pictures, in test/page/shots/, to be looked at; with README=1 in
// the README's own place.
import {mkdirSync} from "node:fs";
import {fill, line, person, say, startChat, test, texts} from "./harness.mjs";

const shot = name => new URL(`shots/${name}.png`, import.meta.url).pathname;
mkdirSync(shot("").replace(/[^/]*$/, ""), {recursive: true});

test("two windows side by side, as in the README", async () => {
	const chat = await startChat();
	const url = `${(await line({kitchen: chat.port})).url}kitchen/`, viewport = {width: 420, height: 500};
	const ann = await person(url, "Ann", {viewport}), bob = await person(url, "Bob", {viewport, scheme: "dark"});
	const eve = await person(url, "Eve", {viewport: {width: 390, height: 700}});

	for (const [from, to, text] of [[ann, bob, "Hello! Is anybody on this network?"],
		[bob, ann, "Yes, on the other side of the wall. What is this running on?"],
		[ann, bob, "The old router in the cupboard. It is one small C program."],
		[bob, ann, "And I only had to open a page :-)"], [ann, bob, "That is the idea."]]) {
		await say(from, text);
		await texts(to, text);
	}
	await texts(eve, "That is the idea.");
	await eve.screenshot({path: shot(process.env.README ? "../phone" : "phone")});
	await fill(bob, "#text", "So who else is");
	const halves = [];
	for (const page of [ann, bob])
		halves.push(`data:image/png;base64,${await page.screenshot({encoding: "base64"})}`);
	await ann.setViewport({width: 900, height: 540});
	await ann.goto("about:blank");
	await ann.setContent(`<body style="margin:20px; display:flex; gap:20px; background:#8a94a0">${
		halves.map(s => `<img src="${s}" style="border-radius:8px; box-shadow:0 4px 16px #0008">`).join("")}`);
	await ann.screenshot({path: shot(process.env.README ? "../two-windows" : "two-windows")});
});
