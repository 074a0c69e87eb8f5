// SPDX-License-Identifier: MIT
// What phones, laptops and wide screens show, in test/page/shots/, to be looked
// at.  With README=1 it makes the README's pictures anew.
import {mkdirSync} from "node:fs";
import {line, fill, otherBrowser, person, say, sayRaw, see, seeLost, shaped, startChat, test, texts} from "./harness.mjs";

const shot = name => new URL(`shots/${name}.png`, import.meta.url).pathname;
mkdirSync(shot("").replace(/[^/]*$/, ""), {recursive: true});

async function saySeen(page, text) {
	await say(page, text);
	await see(page, text.trim().split("\n").at(-1), "#list li:last-child");
}

test("two windows side by side, as in the README", async () => {
	const chat = await startChat();
	const url = `${(await line({kitchen: chat.port})).url}kitchen/`;
	const viewport = {width: 420, height: 500};
	const ann = await person(url, "Ann", {viewport});
	const bob = await person(url, "Bob", {viewport, scheme: "dark"});
	const eve = await person(url, "Eve", {viewport: {width: 390, height: 700}});

	await saySeen(ann, "Hello! Is anybody on this network?");
	await texts(bob, "Hello! Is anybody on this network?");
	await saySeen(bob, "Yes, on the other side of the wall. What is this running on?");
	await texts(ann, "Yes, on the other side of the wall. What is this running on?");
	await saySeen(ann, "The old router in the cupboard. It is one small C program.");
	await texts(bob, "The old router in the cupboard. It is one small C program.");
	await saySeen(bob, "And I only had to open a page :-)");
	await texts(ann, "And I only had to open a page :-)");
	await saySeen(ann, "That is the idea.");
	await texts(bob, "That is the idea.");
	await see(eve, "That is the idea.", "#list li:last-child");
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

// A talk that has one of everything.
async function talk(url) {
	const bob = await person(url, "Bob");
	const day = Date.now() - 86400e3;

	await sayRaw(bob, url, shaped("Eve", "Who brings the board tomorrow?", day),
		     shaped("Eve", "And a second sentence, a little later.", day + 20e3),
		     shaped("سارة", "مرحبا بالجميع", day + 40e3), "board 7: 21.5 °C", "board 7: 21.6 °C");
	await saySeen(bob, "I do. Ann, the loop is\n```\nfor (i = 0; i < n; i++)\n\tblink(i);\n```\nas before.");
	await saySeen(bob, "See https://www.rfc-editor.org/rfc/rfc6455 for all that.");
	return bob;
}

for (const [name, viewport] of Object.entries({
	"320": {width: 320, height: 568}, "390": {width: 390, height: 844, deviceScaleFactor: 2},
	"768": {width: 768, height: 1024}, "1100": {width: 1100, height: 800}, "2560": {width: 2560, height: 1440},
	"zoomed-200": {width: 640, height: 400, deviceScaleFactor: 2},
	"zoomed-400": {width: 320, height: 200, deviceScaleFactor: 4},
}))
	for (const scheme of ["light", "dark"])
		test(`a talk, ${name}, ${scheme}`, async () => {
			const chat = await startChat();
			const ann = await person(chat.url, "Ann", {viewport, scheme});

			await ann.screenshot({path: shot(`${name}-${scheme}-empty`)});
			await talk(chat.url);
			await saySeen(ann, "ok");
			await ann.screenshot({path: shot(`${name}-${scheme}`)});
		});

for (const [name, settings] of Object.entries({"forced-colours": {forcedColors: true}, "large-text": {textSize: 32}}))
	test(`a talk, ${name}`, async () => {
		const chat = await startChat();
		const ann = await person(chat.url, "Ann", {viewport: {width: 390, height: 844}, browser: await otherBrowser(settings)});

		await talk(chat.url);
		await saySeen(ann, "ok");
		await ann.screenshot({path: shot(name)});
	});

for (const scheme of ["light", "dark"])
	test(`trouble, ${scheme}`, async () => {
		const chat = await startChat();
		const wire = await line(chat.port);
		const ann = await person(wire.url, "Ann", {viewport: {width: 390, height: 700}, scheme});
		const bob = await talk(chat.url);

		await sayRaw(bob, chat.url, "many\n".repeat(30));
		await see(ann, "many", "#list li:last-child");
		await ann.evaluate(() => { document.getElementById("room").scrollTop = 0; });
		await sayRaw(bob, chat.url, "one more");
		await see(ann, "1 new message", "#news");
		await fill(ann, "#text", "long ".repeat(790));
		await ann.screenshot({path: shot(`scrolled-and-long-${scheme}`)});
		await fill(ann, "#text", "long ".repeat(890));
		wire.cut();
		await seeLost(ann);
		await ann.screenshot({path: shot(`lost-and-too-long-${scheme}`)});
		await say(ann, "Is anybody there?");
		await ann.screenshot({path: shot(`lost-${scheme}`)});
		const stranger = await person(chat.url, undefined, {viewport: {width: 390, height: 700}, scheme,
			before: () => { window.WebSocket = class extends WebSocket { constructor() { super("ws://127.0.0.1:9"); } }; }});
		await seeLost(stranger);
		await stranger.screenshot({path: shot(`cannot-join-${scheme}`)});
	});
