// SPDX-License-Identifier: MIT
// A chat server, a line to it that can be cut, and Chromium.
import {spawn} from "node:child_process";
import {once} from "node:events";
import net from "node:net";
import axe from "axe-core";
import {chromium} from "playwright-core";

const CHAT = new URL("../../chat", import.meta.url).pathname;
export const WAIT = 45e3;  // ms that anything may take before a test fails

export async function startChat(...options) {
	const child = spawn(CHAT, ["-a", "127.0.0.1", "-q", "-p", "0", ...options],
			    {stdio: ["ignore", "pipe", "inherit"]});
	const [line] = await once(child.stdout, "data");
	const url = String(line).match(/http:\S+/)[0];

	// a test that fails must neither leave it behind nor wait for it
	process.setMaxListeners(0).on("exit", () => child.kill());
	child.unref();
	child.stdout.destroy();
	return {
		url, port: new URL(url).port,
		pause() { child.kill("SIGSTOP"); },
		resume() { child.kill("SIGCONT"); },
		async stop(signal = "SIGTERM") {
			child.ref();
			child.kill(signal);
			await once(child, "exit");
		},
	};
}

// A TCP line to a server.  With a prefix it is a proxy that has the room at
// /prefix/; cut() ends all connections and refuses new ones until mend().
export async function line(port, prefix = "") {
	const sockets = new Set();
	let whole = true;
	const server = net.createServer(from => {
		const to = net.connect(port, "127.0.0.1");

		for (const s of [from, to]) {
			sockets.add(s);
			s.on("error", () => {});
			s.on("close", () => { sockets.delete(s); from.destroy(); to.destroy(); });
		}
		if (!whole)
			return from.destroy();
		if (prefix)
			from.once("data", data => {
				to.write(String(data).replace(`GET /${prefix}/`, "GET /"));
				from.pipe(to);
			});
		else
			from.pipe(to);
		to.pipe(from);
	});

	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	server.unref();
	return {
		url: `http://127.0.0.1:${server.address().port}/`,
		cut() { whole = false; for (const s of sockets) s.destroy(); },
		mend() { whole = true; },
		stop() { for (const s of sockets) s.destroy(); server.close(); },
	};
}

export async function startBrowser(executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium") {
	return await chromium.launch({
		executablePath,
		args: ["--no-sandbox", "--disable-gpu", "--disable-quic",
		       "--no-first-run", "--disable-background-networking",
		       "--disable-component-update", "--disable-sync"],
	});
}

// A person: a browser window of their own, at the page.
export async function person(browser, url, name, options = {}) {
	const context = await browser.newContext({viewport: {width: 480, height: 640}, ...options});
	const page = await context.newPage();

	page.setDefaultTimeout(WAIT);
	page.errors = [];
	page.on("pageerror", e => page.errors.push(e.message));
	page.on("console", m => {
		// that a connection is refused while a server is down is no error of ours
		if (m.type() === "error" && !/WebSocket connection|ERR_/.test(m.text()))
			page.errors.push(m.text());
	});
	if (options.clock)
		await page.clock.install();
	await page.goto(url);
	if (name)
		await page.getByLabel("Name").fill(name);
	await page.getByText(/Connected, \d+ here/).waitFor();
	return page;
}

// As our page says it.
export function shaped(name, text, time, id = `${name}.${text}.${time}`) {
	return JSON.stringify({id, name, text, time});
}

export async function say(page, text) {
	await page.getByLabel("Message", {exact: true}).fill(text);
	await page.getByLabel("Message", {exact: true}).press("Enter");
}

// The texts on a page, once the last of them is there and confirmed.
export async function texts(page, last) {
	await page.locator("#list p").getByText(last, {exact: true}).last().waitFor();
	return await page.locator("#list p").allTextContents();
}

// What a program that is no page of ours says.
export async function sayRaw(page, url, ...messages) {
	await page.evaluate(([address, list]) => new Promise(done => {
		const socket = new WebSocket(address);
		socket.onclose = done;
		socket.onopen = () => {
			for (const m of list)
				socket.send(typeof m === "string" ? m : new Uint8Array(m));
			socket.close(1000);
		};
	}), [url.replace("http", "ws"), messages]);
}

// What axe finds wrong with a page, by WCAG 2.2 and its own best practices.
export async function violations(page) {
	await page.evaluate(axe.source);
	const found = await page.evaluate(() => window.axe.run());
	return found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html).join(" ")}`);
}

// What holds more than its width.
export async function sideways(page, parts = "html, main, form, header, li") {
	return await page.evaluate(selector => [...document.querySelectorAll(selector)]
		.filter(e => e.scrollWidth > e.clientWidth).map(e => e.tagName), parts);
}
