// SPDX-License-Identifier: MIT
// contrib/ with the real programs: nginx, HAProxy and Caddy in front of two
// rooms, with TLS, and systemd's way to hand over a socket: make check-proxy.
import assert from "node:assert/strict";
import {execFileSync, spawn} from "node:child_process";
import {once} from "node:events";
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import {after, before, test as testFor} from "node:test";
import {person, say, startBrowser, startChat, texts, WAIT} from "./harness.mjs";

const CONTRIB = new URL("../../contrib/", import.meta.url).pathname;
const CHAT = new URL("../../chat", import.meta.url).pathname;
const folder = mkdtempSync("/tmp/chat-proxy-");
const test = (name, body) => testFor(name, {timeout: 120e3}, body);
let browser;

async function freePort() {
	const server = net.createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const {port} = server.address();
	server.close();
	await once(server, "close");
	return port;
}

before(async () => {
	browser = await startBrowser();
	execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
		"-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`], {stdio: "ignore"});
	writeFileSync(`${folder}/both.pem`, ["cert.pem", "key.pem"].map(f => readFileSync(`${folder}/${f}`)).join(""));
});
after(async () => { await browser?.close(); rmSync(folder, {recursive: true}); });

// Each program, how it is started with a file of contrib/, and how that file is
// changed for a test: other ports, names and folders, and a time after which
// what is idle is ended that is shorter than the test.
const proxies = {
	nginx: {
		file: "nginx.conf",
		adapt: text => `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr;
			events {} http { access_log off;
			${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(t => `${t}_temp_path ${folder};`).join(" ")}
			${text.replaceAll("75s", "3s").replace("chat.example;", "localhost;")} }`,
		command: file => ["nginx", "-c", file, "-e", "stderr"],
	},
	haproxy: {
		file: "haproxy.cfg",
		adapt: text => text.replaceAll("75s", "3s"),
		command: file => ["haproxy", "-f", file],
	},
	caddy: {
		file: "Caddyfile",
		adapt: text => `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${text.replace("chat.example:", "localhost:")}`,
		command: file => ["caddy", "run", "--adapter", "caddyfile", "--config", file],
	},
};

async function startProxy(name, kitchen, garden) {
	const {file, adapt, command} = proxies[name];
	const port = await freePort();
	const text = adapt(readFileSync(CONTRIB + file, "utf8"))
		.replaceAll("8081", kitchen).replaceAll("8082", garden)
		.replace(/(listen |bind :|localhost:)443/, (_, start) =>
			start === "bind :" ? `bind 127.0.0.1:${port}` : start === "listen " ? `listen 127.0.0.1:${port}` : start + port)
		.replaceAll("/etc/ssl/chat.example", folder);
	writeFileSync(`${folder}/${file}`, text);
	const [program, ...options] = command(`${folder}/${file}`);
	const child = spawn(program, options, {stdio: ["ignore", "ignore", "pipe"],
					       env: {...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder}});
	let said = "";
	child.stderr.on("data", data => { said += data; });
	process.setMaxListeners(0).on("exit", () => child.kill());
	for (let open = false; !open;) {
		assert.equal(child.exitCode, null, said);
		const socket = net.connect(port, "127.0.0.1");
		open = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
		socket.destroy();
	}
	return {url: `https://localhost:${port}/`, async stop() { child.kill(); await once(child, "exit"); }};
}

// The status of a request; a handshake if there is an Origin.
async function status(url, origin, path = "") {
	const request = (url.startsWith("https") ? https : http).get(url + path, {
		rejectUnauthorized: false,
		headers: origin ? {Origin: origin, Upgrade: "websocket", Connection: "Upgrade",
				   "Sec-WebSocket-Version": 13, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} : {},
	});
	return await new Promise((done, fail) => {
		request.on("error", fail);
		request.on("response", r => { r.resume(); done(r.statusCode); });
		request.on("upgrade", (r, socket) => { socket.destroy(); done(r.statusCode); });
	});
}

for (const name of Object.keys(proxies)) {
	test(`${name}: two rooms over TLS, by their paths`, async () => {
		let kitchen = await startChat("-t", "1");
		const garden = await startChat("-t", "1");
		const proxy = await startProxy(name, kitchen.port, garden.port);
		const secure = {ignoreHTTPSErrors: true};
		const ann = await person(browser, `${proxy.url}kitchen/`, "Ann", secure);
		const bob = await person(browser, `${proxy.url}kitchen/`, "Bob", secure);
		const carl = await person(browser, `${proxy.url}garden/`, "Carl", secure);

		await say(ann, "in the kitchen");
		await texts(bob, "in the kitchen");
		await say(carl, "in the garden");
		assert.deepEqual(await texts(carl, "in the garden"), ["in the garden"]);
		// pages from elsewhere stay out
		const origin = new URL(proxy.url).origin;
		assert.equal(await status(proxy.url, origin, "kitchen/"), 101);
		assert.equal(await status(proxy.url, "https://evil.example", "kitchen/"), 403);
		assert.equal(await status(proxy.url, null, "kitchen/"), 200);
		assert.equal(await status(proxy.url, null, "kitchen/nothing"), 404);
		// an hour of silence, in short: the proxy's patience is over several
		// times, and the heartbeat keeps the line open all the same
		const beats = await bob.evaluate(address => new Promise(done => {
			const socket = new WebSocket(address);
			let heard = 0;
			socket.onmessage = () => { if (++heard === 9) done(heard); };
			socket.onclose = () => done(-heard);
		}), `${proxy.url.replace("https", "wss")}garden/`);
		assert.equal(beats, 9);
		// one room ends and comes back; the other does not notice
		await kitchen.stop("SIGKILL");
		await ann.getByText(/reconnecting in/).waitFor();
		await say(carl, "still here");
		await texts(carl, "still here");
		await say(ann, "said meanwhile");
		kitchen = await startChat("-t", "1", "-p", String(kitchen.port));
		await texts(bob, "said meanwhile");
		assert.deepEqual(await texts(carl, "still here"), ["in the garden", "still here"]);
		for (const page of [ann, bob, carl])
			await page.context().close();
		await proxy.stop();
		await kitchen.stop();
		await garden.stop();
	});
}

// ---- systemd ----

async function activate(address) {
	const child = spawn("systemd-socket-activate", ["-l", address, CHAT, "-t", "1"], {stdio: ["ignore", "ignore", "pipe"]});
	let said = "";
	process.on("exit", () => child.kill());
	child.stderr.on("data", data => { said += data; });
	while (!said.includes("Listening on"))
		await once(child.stderr, "data");
	return {async stop() { child.kill(); await once(child, "exit"); },
		async logged(text) { while (!said.includes(text)) await once(child.stderr, "data"); }};
}

test("systemd starts the room when somebody comes, with its socket", async () => {
	const address = `127.0.0.1:${await freePort()}`;
	const room = await activate(address);
	const ann = await person(browser, `http://${address}/`, "Ann");

	await say(ann, "hello");
	assert.deepEqual(await texts(ann, "hello"), ["hello"]);
	await room.logged("Client connected (1 online)");
	await ann.context().close();
	await room.stop();
});

test("a unix-domain socket, for a proxy", async () => {
	const path = `${folder}/socket`;
	const room = await activate(path);
	const answer = await new Promise((done, fail) => http.get({socketPath: path, path: "/"}, done).on("error", fail));

	assert.equal(answer.statusCode, 200);
	answer.resume();
	await once(answer, "end");
	const upgraded = await new Promise((done, fail) => http.get({socketPath: path, path: "/", headers: {
		Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": 13,
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}}).on("upgrade", (r, socket) => done(socket)).on("error", fail));
	await room.logged("local Client connected (1 online)");
	upgraded.destroy();
	await room.logged("local Client disconnected: lost, the connection ended early (0 online)");
	await room.stop();
});

test("systemd finds nothing wrong with its units, and the service safe", async () => {
	for (const unit of ["chat.service", "chat.socket"])
		writeFileSync(`${folder}/${unit}`, readFileSync(CONTRIB + unit, "utf8").replace("/usr/local/bin/chat", CHAT));
	execFileSync("systemd-analyze", ["verify", "chat.service", "chat.socket"], {cwd: folder});
	const said = execFileSync("systemd-analyze", ["security", "--offline=true", "--no-pager", "--threshold=20", "./chat.service"], {cwd: folder});
	assert.match(String(said), /Overall exposure level for chat.service: [01]\.\d/);
});
