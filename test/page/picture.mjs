// SPDX-License-Identifier: MIT
// Makes the README's picture, two windows in the middle of a talk:
//     make && node test/page/picture.mjs
import {person, say, startBrowser, startChat, texts} from "./harness.mjs";

const out = new URL("two-windows.png", import.meta.url).pathname;
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

const shots = await Promise.all([ann, bob].map(async p =>
	`data:image/png;base64,${(await p.screenshot()).toString("base64")}`));
const frame = await browser.newPage({viewport: {width: 900, height: 540}});
await frame.setContent(`<body style="margin:20px; display:flex; gap:20px; background:#8a94a0">${
	shots.map(s => `<img src="${s}" style="border-radius:8px; box-shadow:0 4px 16px #0008">`).join("")}`);
await frame.screenshot({path: out});
await browser.close();
await chat.stop();
console.log(out);
