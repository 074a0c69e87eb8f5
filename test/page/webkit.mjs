// SPDX-License-Identifier: MIT
// WebKitGTK by the W3C's WebDriver, https://www.w3.org/TR/webdriver2/: Debian's
// WebKitWebDriver starts its MiniBrowser, on a screen that is only memory.
import {spawn} from "node:child_process";
import {once} from "node:events";
import {readdirSync} from "node:fs";
import net from "node:net";
import {setTimeout as delay} from "node:timers/promises";

const LIBRARIES = "/usr/lib";
const KEYS = {Enter: "\ue007", Backspace: "\ue003", Shift: "\ue008", ArrowUp: "\ue013",
	      PageUp: "\ue00e", PageDown: "\ue00f"};

function miniBrowser() {
	const [found] = readdirSync(LIBRARIES, {withFileTypes: true}).filter(e => e.isDirectory())
		.flatMap(e => ["4.1", "4.0"].map(v => `${LIBRARIES}/${e.name}/webkit2gtk-${v}`))
		.filter(path => { try { return readdirSync(path).includes("MiniBrowser"); } catch { return false; } });
	return `${found}/MiniBrowser`;
}

async function freePort() {
	const server = net.createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const {port} = server.address();
	server.close();
	return port;
}

// A page in a browser of its own, since a driver has one session.
async function openPage(env) {
	let port, driver, session = "";

	async function call(method, path, body) {
		const answer = await fetch(`http://127.0.0.1:${port}${path}`, {method, body: body && JSON.stringify(body)});
		const {value} = await answer.json();
		if (!answer.ok)
			throw new Error(`WebDriver ${path}: ${value.error}, ${value.message}`);
		return value;
	}
	const ask = (method, path, body) => call(method, session + path, body);
	const type = actions => ask("POST", "/actions", {actions: [{type: "key", id: "keyboard", actions}]});
	const down = key => ({type: "keyDown", value: KEYS[key] ?? key}), up = key => ({...down(key), type: "keyUp"});

	// somebody else may take the port before the driver does, which then ends
	do {
		port = await freePort();
		driver = spawn("WebKitWebDriver", ["-p", port], {env, stdio: "ignore"});
		while (driver.exitCode === null && !await call("GET", "/status").catch(() => null))
			await delay(20);
	} while (driver.exitCode !== null);
	process.setMaxListeners(0).on("exit", () => driver.kill());
	const {sessionId} = await call("POST", "/session", {capabilities: {alwaysMatch: {
		browserName: "MiniBrowser", timeouts: {script: 60e3},
		"webkitgtk:browserOptions": {binary: miniBrowser(), args: ["--automation"]}}}});
	session = `/session/${sessionId}`;
	return {
		async goto(url) { await ask("POST", "/url", {url}); },
		async reload() { await ask("POST", "/refresh", {}); },
		async evaluate(run, ...args) {
			const {value, error} = await ask("POST", "/execute/async", {args: [args], script: `
				const done = arguments[1];
				Promise.resolve(arguments[0]).then(args => (${run})(...args))
					.then(value => done({value}), error => done({error: String(error)}));`});
			if (error)
				throw new Error(error);
			return value;
		},
		async setViewport({width, height}) {
			const bars = 38;  // pixels above the page
			await ask("POST", "/window/rect", {width, height: height + bars});
		},
		keyboard: {
			async press(key) { await type([down(key), up(key)]); },
			async down(key) { await type([down(key)]); },
			async up(key) { await type([up(key)]); },
			async type(text) { await type([...text].flatMap(key => [down(key), up(key)])); },
		},
		on() {},  // it tells nothing by itself
		async end() {
			await ask("DELETE", "").catch(() => {});
			driver.kill();
		},
	};
}

export async function startWebKit() {
	const screen = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1024x24"],
			     {stdio: ["ignore", "ignore", "ignore", "pipe"]});
	process.on("exit", () => screen.kill());
	const [number] = await once(screen.stdio[3], "data");
	// without user namespaces, as in a container, its sandbox does not start
	const env = {...process.env, DISPLAY: `:${String(number).trim()}`, LANG: "C.UTF-8",
		     WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1", LIBGL_ALWAYS_SOFTWARE: "1"};

	return {
		async newPage() { return await openPage(env); },
		async end(page) { await page.end(); },
		async close() { screen.kill(); },
	};
}
