// SPDX-License-Identifier: MIT
// What phones, laptops and wide screens show, in test/page/shots/, to be looked
// at. With README=1 it makes the README's pictures anew.
import {mkdirSync} from "node:fs";
import {fill, line, otherBrowser, person, say, sayRaw, see, seeLost, shaped, startChat, test, texts} from "./harness.mjs";

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

// A talk that has one of everything, and then the loss of its server.
for (const [name, scheme, viewport, settings] of [
	["phone", "light", {width: 390, height: 844}], ["phone", "dark", {width: 390, height: 844}],
	["laptop", "light", {width: 1100, height: 800}], ["laptop", "dark", {width: 1100, height: 800}],
	["landscape", "light", {width: 667, height: 375}], ["keyboard", "light", {width: 667, height: 180}],
	["zoomed-200", "light", {width: 640, height: 400, deviceScaleFactor: 2}],
	["zoomed-400", "light", {width: 320, height: 200, deviceScaleFactor: 4}],
	["forced-colours", "light", {width: 390, height: 844}, {forcedColors: true}],
	["large-text", "light", {width: 390, height: 844}, {textSize: 32}]])
	test(`${name}, ${scheme}`, async () => {
		const chat = await startChat("-l", "0"), day = Date.now() - 86400e3;
		const ann = await person(chat.url.replace("127.0.0.1", "room.localhost"), "Ann",
			{viewport, scheme, browser: settings && await otherBrowser(settings)});

		await ann.screenshot({path: shot(`${name}-${scheme}-empty`)});
		await sayRaw(ann, ann.url(), shaped("Eve", "Who brings the board tomorrow?", day),
			     shaped("Eve", "And a second sentence, a little later.", day + 20e3),
			     shaped("سارة", "مرحبا بالجميع", day + 40e3), "board 7: 21.5 °C", "board 7: 21.6 °C");
		await say(ann, "I do. The loop is\n```\nfor (i = 0; i < n; i++)\n\tblink(i);\n```\nas before, with `n` = 3.");
		await say(ann, "Did I forget anything?");
		await texts(ann, "Did I forget anything?");
		await sayRaw(ann, ann.url(), shaped("Bob", "See https://www.rfc-editor.org/rfc/rfc6455 for all that.", Date.now()),
			     shaped("Bob", "Ann, the window on floor 2 is still open.", Date.now()));
		await texts(ann, "Ann, the window on floor 2 is still open.");
		await ann.screenshot({path: shot(`${name}-${scheme}`)});
		await chat.stop();
		await seeLost(ann);
		await say(ann, "Is anybody there?");
		await fill(ann, "#text", "long ".repeat(890));
		await see(ann, "Too long", "#left");
		await ann.screenshot({path: shot(`${name}-${scheme}-trouble`)});
	});
