// SPDX-License-Identifier: MIT
// What phones, laptops and small windows show, in test/page/shots/, to be looked
// at.  With an argument it makes the README's picture anew:
//     make && node test/page/picture.mjs readme
import {person, say, sayRaw, startBrowser, startChat, texts} from "./harness.mjs";

const shots = name => new URL(`shots/${name}.png`, import.meta.url).pathname;
const browser = await startBrowser();
const chat = await startChat();
const size = {viewport: {width: 420, height: 500}};
const ann = await person(browser, chat.url, "Ann", size);
const bob = await person(browser, chat.url, "Bob", {...size, colorScheme: "dark"});

const talk = [
	[ann, "Hello! Is anybody on this network?"],
	[bob, "Yes, on the other side of the wall. What is this running on?"],
	[ann, "The old router in the cupboard. It is one small C program."],
	[bob, "And I only had to open a page :-)"],
];
for (const [who, text] of talk) {
	await say(who, text);
	await texts(ann, text);
	await texts(bob, text);
}
await say(ann, "That is the idea.");
await texts(bob, "That is the idea.");
await bob.getByLabel("Message", {exact: true}).fill("So who else is");

const halves = await Promise.all([ann, bob].map(async p =>
	`data:image/png;base64,${(await p.screenshot()).toString("base64")}`));
const frame = await browser.newPage({viewport: {width: 900, height: 540}});
await frame.setContent(`<body style="margin:20px; display:flex; gap:20px; background:#8a94a0">${
	halves.map(s => `<img src="${s}" style="border-radius:8px; box-shadow:0 4px 16px #0008">`).join("")}`);
await frame.screenshot({path: process.argv[2] ? shots("../two-windows") : shots("two-windows")});

for (const [name, options] of Object.entries({
	phone: {viewport: {width: 390, height: 844}, deviceScaleFactor: 2},
	small: {viewport: {width: 320, height: 568}},
	zoomed: {viewport: {width: 320, height: 256}},
	laptop: {viewport: {width: 1280, height: 800}},
}))
	for (const colorScheme of ["light", "dark"]) {
		const eve = await person(browser, chat.url, "Eve", {...options, colorScheme});

		await say(eve, "I am here too, with a link: https://www.rfc-editor.org/rfc/rfc6455");
		await texts(eve, "I am here too, with a link: https://www.rfc-editor.org/rfc/rfc6455");
		await say(eve, "And a second line.");
		await texts(eve, "And a second line.");
		await eve.screenshot({path: shots(`${name}-${colorScheme}`)});
		await eve.context().close();
	}
await ann.locator("main").evaluate(e => { e.scrollTop = 0; });
await sayRaw(bob, chat.url, "plain text from a sensor: 21.5 C");
await ann.getByRole("button", {name: "1 new"}).waitFor();
await ann.getByLabel("Message", {exact: true}).fill("long ".repeat(790));
await ann.screenshot({path: shots("scrolled-and-long")});
await chat.stop();
await ann.getByText(/reconnecting in/).waitFor();
await say(ann, "Is anybody there?");
await ann.screenshot({path: shots("away")});
await browser.close();
console.log("pictures of the page: test/page/shots/");
