// SPDX-License-Identifier: MIT
// pages.mjs URL: two pages in Chromium chat in the room at this address.
import {createRequire} from "node:module";
const puppeteer = createRequire(new URL("../page/", import.meta.url))("puppeteer-core");

const LIMIT = {timeout: 250e3};  // ms: the machine is slow
const browser = await puppeteer.launch({
	executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
	args: ["--no-sandbox", "--disable-gpu", "--disable-quic"],
});

async function open(name) {
	const context = await browser.createBrowserContext();
	const page = await context.newPage();

	await page.goto(process.argv[2], LIMIT);
	await page.type("#name", name);
	return page;
}

try {
	const [ann, bob] = [await open("Ann"), await open("Bob")];

	for (const [page, text] of [[ann, "from Ann's page"], [bob, "from Bob's page"]]) {
		await page.bringToFront();
		await page.type("#text", text);
		await page.keyboard.press("Enter");
		for (const each of [ann, bob])
			await each.waitForFunction(words => document.querySelector("#list").textContent.includes(words),
						   {...LIMIT, polling: 100}, text);
	}
} finally {
	await browser.close();
}
