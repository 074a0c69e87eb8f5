// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import {after, before, test as testFor} from "node:test";
import {line, person, say, sayRaw, startBrowser, startChat, texts} from "./harness.mjs";

let browser;
const test = (name, body) => testFor(name, {timeout: 120e3}, body);

before(async () => { browser = await startBrowser(); });
after(async () => { await browser.close(); });

async function leave(...pages) {
	for (const page of pages) {
		assert.deepEqual(page.errors, []);
		await page.context().close();
	}
}

test("two windows hear each other, at once and in one order", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await ann.getByText("Connected, 2 here").waitFor();
	for (let i = 0; i < 5; i++) {
		await say(ann, `Ann says ${i}`);
		await say(bob, `Bob says ${i}`);
	}
	await texts(ann, "Bob says 4");
	await texts(bob, "Ann says 4");
	const order = await texts(bob, "Bob says 4");
	assert.deepEqual(await texts(ann, "Ann says 4"), order);
	assert.equal(order.length, 10);
	assert.equal(await ann.locator("#list li.mine").count(), 5);
	assert.equal(await bob.locator("#list li b").getByText("Ann").count(), 5);
	assert.equal(await bob.locator("#list li time").count(), 10);
	await leave(bob);
	await ann.getByText("Connected, 1 here").waitFor();
	await leave(ann);
	await chat.stop();
});

test("who comes later sees the last 100 messages, then the live ones", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(browser, chat.url, "Ann");

	await sayRaw(ann, chat.url, ...Array.from({length: 120}, (_, i) => `number ${i}`));
	await texts(ann, "number 119");
	const carl = await person(browser, chat.url, "Carl");
	await say(ann, "live");
	const seen = await texts(carl, "live");
	assert.deepEqual(seen, [...Array.from({length: 100}, (_, i) => `number ${i + 20}`), "live"]);
	await leave(ann, carl);
	await chat.stop();
});

test("a cut connection loses nothing and shows nothing twice", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await say(ann, "one");
	await sayRaw(bob, chat.url, "plain", "plain", [1, 2, 255]);
	await say(bob, "two");
	await texts(ann, "two");
	wire.cut();
	await ann.getByText(/Trying again/).waitFor();
	await say(ann, "said offline");
	await say(ann, "said offline");  // twice on purpose
	await sayRaw(bob, chat.url, "plain");
	await say(bob, "three");
	await texts(bob, "three");
	wire.mend();
	await ann.getByText(/Connected, 2 here/).waitFor();
	await say(bob, "end");
	await texts(ann, "end");
	const want = ["one", "plain", "plain", "Binary data: 01 02 ff", "two", "plain", "three",
		      "said offline", "said offline", "end"];
	assert.deepEqual(await texts(bob, "end"), want);
	assert.deepEqual(await texts(ann, "end"), want);
	assert.equal(await ann.locator("#list li.gap").count(), 0);
	await leave(ann, bob);
	wire.stop();
	await chat.stop();
});

test("a server that comes back finds everybody, with what they have said", async () => {
	let chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const bob = await person(browser, chat.url, "Bob");

	await say(ann, "before");
	await texts(bob, "before");
	await chat.stop();
	await say(ann, "meanwhile");
	await say(bob, "me too");
	chat = await startChat("-p", chat.port);
	await texts(bob, "meanwhile");
	await texts(ann, "me too");
	assert.deepEqual((await texts(bob, "me too")).sort(), ["before", "me too", "meanwhile"]);
	assert.deepEqual((await texts(ann, "meanwhile")).sort(), ["before", "me too", "meanwhile"]);
	await leave(ann, bob);
	await chat.stop();
});

test("what is not sent yet survives a reload", async () => {
	const chat = await startChat();
	const wire = await line(chat.port);
	const ann = await person(browser, wire.url, "Ann");

	wire.cut();
	await ann.getByText(/Trying again/).waitFor();
	await say(ann, "unsent");
	wire.mend();
	await ann.reload();
	assert.deepEqual(await texts(ann, "unsent"), ["unsent"]);
	await ann.reload();
	assert.deepEqual(await texts(ann, "unsent"), ["unsent"]);
	assert.equal(await ann.getByLabel("Name").inputValue(), "Ann");
	assert.equal(await ann.locator("#list li.mine").count(), 1);
	await leave(ann);
	wire.stop();
	await chat.stop();
});

test("a message that got through before the cut is not said again", async () => {
	const chat = await startChat();
	const bob = await person(browser, chat.url, "Bob");
	const context = await browser.newContext();
	const ann = await context.newPage();

	// as if the server's copy had not come back before the page was left
	const message = {id: "an-id", name: "Ann", text: "once", time: 1767225600000};
	await sayRaw(bob, chat.url, JSON.stringify(message));
	await texts(bob, "once");
	await ann.addInitScript(m => sessionStorage.setItem("chat.pending", JSON.stringify([m])), message);
	await ann.goto(chat.url);
	assert.deepEqual(await texts(ann, "once"), ["once"]);
	await say(bob, "end");
	await texts(ann, "end");
	assert.deepEqual(await texts(bob, "end"), ["once", "end"]);
	await context.close();
	await leave(bob);
	await chat.stop();
});

test("whatever others say is only text", async () => {
	const chat = await startChat("-l", "0");
	const ann = await person(browser, chat.url, "Ann");
	const hostile = [
		"<img src=x onerror=document.title='owned'>",
		"null", "1", "[]", "{}", "\"x\"", "{\"online\":\"<b>\"}",
		"{\"id\":1,\"name\":2,\"text\":3,\"time\":4}",
		"{\"__proto__\":{\"x\":1}}", "[".repeat(2000),
		"{\"id\":\"a\",\"name\":\"b\",\"text\":\"c\",\"time\":1e999}",
	];
	const shaped = {id: "x", name: "<script>document.title='owned'</script>",
			text: "</p><b>bold", time: 8.64e15};

	await sayRaw(ann, chat.url, ...hostile, JSON.stringify(shaped), "end");
	assert.deepEqual(await texts(ann, "end"), [...hostile, shaped.text, "end"]);
	assert.equal(await ann.locator("#list li b").textContent(), shaped.name);
	assert.equal(await ann.locator("#list img, #list script, #list p *").count(), 0);
	assert.equal(await ann.title(), "chat");
	await leave(ann);
	await chat.stop();
});

test("works behind a path prefix", async () => {
	const chat = await startChat();
	const proxy = await line(chat.port, "room");
	const ann = await person(browser, proxy.url + "room/", "Ann");

	await say(ann, "through the proxy");
	await texts(ann, "through the proxy");
	await leave(ann);
	proxy.stop();
	await chat.stop();
});

test("Shift+Enter makes a line, blanks are not sent, too much is said so", async () => {
	const chat = await startChat();
	const ann = await person(browser, chat.url, "Ann");
	const field = ann.getByLabel("Message", {exact: true});

	await say(ann, "   ");
	await field.fill("first");
	await field.press("Shift+Enter");
	await field.pressSequentially("second");
	await field.press("Enter");
	await say(ann, "\u20ac".repeat(2000));  // 6,000 bytes
	assert.match(await field.evaluate(f => f.validationMessage), /too long/);
	await say(ann, "end");
	assert.deepEqual(await texts(ann, "end"), ["first\nsecond", "end"]);
	await leave(ann);
	await chat.stop();
});
