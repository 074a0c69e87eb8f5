// SPDX-License-Identifier: MIT
// contrib/ with the real programs: nginx, HAProxy and Caddy in front of two
// rooms, with TLS, and systemd's way to hand over a socket: make check-proxy.
import assert from "node:assert/strict";
import {execFileSync, spawn, spawnSync} from "node:child_process";
import {once} from "node:events";
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import {after, before} from "node:test";
import {CHAT, person, say, seeLost, test, texts} from "./harness.mjs";

const CONTRIB = new URL("../../contrib/", import.meta.url).pathname;
const folder = mkdtempSync("/tmp/chat-proxy-");
const env = {...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder};
const children = new Set();

// Starts a program that writes its log to stderr.
function run(program, ...options) {
	const child = spawn(program, options, {stdio: ["ignore", "ignore", "pipe"], env});
	const ended = once(child, "close");
	let said = "", wake = () => {};

	children.add(child);
	child.stderr.setEncoding("utf8");
	child.stderr.on("data", data => { said += data; wake(); });
	child.stderr.on("end", () => wake());
	return {
		child,
		get said() { return said; },
		// Waits until the pattern is in the log, and returns the match.
		async says(pattern) {
			while (!pattern.test(said)) {
				assert.ok(!child.stderr.readableEnded, `${program} does not say ${pattern}, but: ${said}`);
				await new Promise(done => { wake = done; });
			}
			return said.match(pattern);
		},
		async stop(signal = "SIGTERM") {
			child.kill(signal);
			await ended;
			children.delete(child);
		},
	};
}

// A room behind a proxy.
async function startRoom(...options) {
	const room = run(CHAT, "-x", "-a", "127.0.0.1", "-p", "0", ...options);
	const [, port] = await room.says(/(?:127\.0\.0\.1:|port )(\d+)/);

	return Object.assign(room, {
		port, url: `http://127.0.0.1:${port}/`,
		// Waits until the log has so many events of clients, and returns them: [address, event].
		async events(n) {
			await room.says(new RegExp(`(^\\S+ \\S+ (Client|Handshake) [^]*?\n){${n}}`, "m"));
			return [...room.said.matchAll(/^\S+ (\S+) ((?:Client|Handshake) .*)\n/gm)].map(found => found.slice(1));
		},
	});
}

async function freePort() {
	const server = net.createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const {port} = server.address();
	server.close();
	await once(server, "close");
	return port;
}

before(async () => {
	execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
		"-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
		"-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`], {stdio: "ignore"});
	writeFileSync(`${folder}/both.pem`, ["cert.pem", "key.pem"].map(f => readFileSync(`${folder}/${f}`)).join(""));
});
after(async () => {
	// a test that fails must neither leave a program behind nor wait for it
	for (const child of children) {
		child.kill();
		child.kill("SIGCONT");
	}
	rmSync(folder, {recursive: true});
});

// Each program; how that file of contrib/ is changed for a test: other ports,
// names and folders, and a time after which what is idle is ended that is
// shorter than the test; how the program is started; how it checks the file, and
// what it then says.
const proxies = {
	nginx: {
		file: "nginx.conf",
		// its comment tells what belongs into other parts of nginx.conf
		adapt(text) {
			const [connections, files] = text.match(/worker_\w+ \d+;$/gm);
			const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(t => `${t}_temp_path ${folder};`);
			return `${process.getuid() === 0 ? "user root;" : ""}
				daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr; ${files}
				events { ${connections} }
				http { access_log off; ${temporary.join(" ")}
				${text.replaceAll("75s", "3s").replace("chat.example;", "localhost;")} }`;
		},
		start: file => ["nginx", "-c", file, "-e", "stderr"],
		check: file => ["nginx", "-t", "-c", file, "-e", "stderr"],
		fine: /^nginx: .* syntax is ok\nnginx: .* test is successful\n$/,
	},
	haproxy: {
		file: "haproxy.cfg",
		adapt: text => text.replaceAll("75s", "3s"),
		start: file => ["haproxy", "-f", file],
		check: file => ["haproxy", "-c", "-f", file],
		fine: /^Configuration file is valid\n$/,
	},
	caddy: {
		file: "Caddyfile",
		adapt: text => `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${text.replace("chat.example:", "localhost:")}`,
		start: file => ["caddy", "run", "--adapter", "caddyfile", "--config", file],
		check: file => ["caddy", "validate", "--adapter", "caddyfile", "--config", file],
		// that the certificate is our own, and that port 80 is not used, is the test's
		fine: /^(\{("level":"info"|.*"stapling OCSP"|.*"automatic HTTP->HTTPS redirects are disabled").*\}\n)+Valid configuration\n$/,
	},
};

// Writes the file of a proxy for two rooms, each given by its port.
function configure(name, port, kitchen, garden, change = text => text) {
	const {file, adapt} = proxies[name];
	const text = adapt(change(readFileSync(CONTRIB + file, "utf8")))
		.replace("127.0.0.1:8081", `127.0.0.1:${kitchen}`).replace("127.0.0.1:8082", `127.0.0.1:${garden}`)
		.replace(/(listen |bind :|localhost:)443/, (_, start) =>
			start === "bind :" ? `bind 127.0.0.1:${port}` : start === "listen " ? `listen 127.0.0.1:${port}` : start + port)
		.replaceAll("/etc/ssl/chat.example", folder);

	writeFileSync(`${folder}/${file}`, text);
	return `${folder}/${file}`;
}

// Turns on the password, as the comment in nginx.conf says.
const withPassword = text => text.replaceAll("#auth_basic", "auth_basic").replaceAll("/etc/nginx/", `${folder}/`);

async function startProxy(name, kitchen, garden, change) {
	const port = await freePort();
	const proxy = run(...proxies[name].start(configure(name, port, kitchen, garden, change)));

	for (let open = false; !open;) {
		assert.equal(proxy.child.exitCode, null, proxy.said);
		const socket = net.connect(port, "127.0.0.1");
		open = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
		socket.destroy();
	}
	return Object.assign(proxy, {url: `https://localhost:${port}/`});
}

const HANDSHAKE = {Upgrade: "websocket", Connection: "Upgrade",
		   "Sec-WebSocket-Version": 13, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="};

// Sends a request, from any address 127.x.x.x, on a connection of its own, and
// returns the response and, after a handshake, the socket.
async function ask(url, fields = {}, from = "127.0.0.1") {
	// no new URL(): the path is sent as it is
	const [, scheme, host, port, path] = url.match(/^(\w+):\/\/([^/:]+):(\d+)(.*)$/);
	const request = (scheme === "https" ? https : http).get({
		host, port, path, family: 4, localAddress: from, agent: false, rejectUnauthorized: false, headers: fields});

	return await new Promise((done, fail) => {
		request.on("error", fail);
		request.on("response", response => { response.resume(); done({response, status: response.statusCode}); });
		request.on("upgrade", (response, socket) => {
			socket.on("error", () => {});
			done({response, socket, status: response.statusCode});
		});
	});
}

const status = async (...what) => {
	const {socket, status: number} = await ask(...what);
	socket?.destroy();
	return number;
};

// What a client can send in the hope that the room takes it for its address.
const forgeries = [
	{},
	{"X-Forwarded-For": "192.0.2.66"},
	{"x-forwarded-FOR": "192.0.2.66, 2001:db8::66"},
	{"X-Forwarded-For": ["192.0.2.66", "192.0.2.67"]},
	{"X-Forwarded-For": "192.0.2.66,"},
	{"X-Forwarded-For": ""},
	{"X-Forwarded-For": "anybody\tat all"},
	{"X-Forwarded-For": "192.0.2.66", "Connection": "Upgrade, X-Forwarded-For"},
	{"X_Forwarded_For": "192.0.2.66", "Forwarded": "for=192.0.2.66", "X-Real-IP": "192.0.2.66"},
];

for (const name of Object.keys(proxies)) {
	test(`${name}: two rooms over TLS, by their paths`, async () => {
		let kitchen = await startRoom("-t", "1");
		const garden = await startRoom("-t", "1");
		const proxy = await startProxy(name, kitchen.port, garden.port);
		const ann = await person(`${proxy.url}kitchen/`, "Ann");
		const bob = await person(`${proxy.url}kitchen/`, "Bob");
		const carl = await person(`${proxy.url}garden/`, "Carl");

		await say(ann, "in the kitchen");
		await texts(bob, "in the kitchen");
		await say(carl, "in the garden");
		assert.deepEqual(await texts(carl, "in the garden"), ["in the garden"]);
		// pages from elsewhere stay out
		const origin = new URL(proxy.url).origin;
		assert.equal(await status(`${proxy.url}kitchen/`, {...HANDSHAKE, Origin: origin}), 101);
		assert.equal(await status(`${proxy.url}kitchen/`, {...HANDSHAKE, Origin: "https://evil.example"}), 403);
		assert.equal(await status(`${proxy.url}kitchen/`), 200);
		assert.equal(await status(`${proxy.url}kitchen/nothing`), 404);
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
		await seeLost(ann);
		await say(carl, "still here");
		await texts(carl, "still here");
		await say(ann, "said meanwhile");
		kitchen = await startRoom("-t", "1", "-p", kitchen.port);
		await texts(bob, "said meanwhile");
		assert.deepEqual(await texts(carl, "still here"), ["in the garden", "still here"]);
		for (const page of [ann, bob, carl])
			await page.leave();
		await proxy.stop();
		await kitchen.stop();
		await garden.stop();
	});

	test(`${name}: finds nothing to warn of in its file`, async () => {
		for (const change of [undefined, withPassword]) {
			const [program, ...options] = proxies[name].check(configure(name, await freePort(), 1, 2, change));
			const checked = spawnSync(program, options, {encoding: "utf8", env});
			assert.match(checked.stderr + checked.stdout, proxies[name].fine);
			assert.equal(checked.status, 0);
		}
	});

	test(`${name}: the room knows a browser's address, which cannot be forged`, async () => {
		const room = await startRoom("-c", String(forgeries.length));
		const proxy = await startProxy(name, room.port, room.port);
		const join = (fields, from) => ask(`${proxy.url}kitchen/`, {...HANDSHAKE, ...fields}, from);
		const sockets = [];

		for (const fields of forgeries) {
			const {socket, status: number} = await join(fields, "127.0.0.7");
			assert.equal(number, 101);
			sockets.push(socket);
		}
		// all of them count as one address, which is full now,
		assert.equal((await join({"X-Forwarded-For": "127.0.0.9"}, "127.0.0.7")).status, 429);
		// and another does not become it
		const {socket, status: number} = await join({"X-Forwarded-For": "127.0.0.7"}, "127.0.0.8");
		assert.equal(number, 101);
		const events = await room.events(forgeries.length + 2);
		assert.deepEqual(events.map(([address, event]) => [address, event.replace(/( 429) .*/, "$1")]), [
			...forgeries.map((_, k) => ["127.0.0.7", `Client connected (${k + 1} online)`]),
			["127.0.0.7", "Handshake refused: 429"],
			["127.0.0.8", `Client connected (${forgeries.length + 1} online)`]]);
		for (const s of [...sockets, socket])
			s.destroy();
		await proxy.stop();
		await room.stop();
	});

	test(`${name}: /metrics is closed, and /kitchen leads to /kitchen/`, async () => {
		const room = await startRoom();
		const proxy = await startProxy(name, room.port, room.port);

		for (const path of ["metrics", "metrics?x", "metrics/", "%6detrics", "/metrics", "./metrics", "x/../metrics",
				    "../kitchen/metrics", "METRICS", "metrics;x", "metrics%3f", "%2fmetrics"]) {
			assert.equal(await status(`${proxy.url}kitchen/${path}`), 404, path);
			assert.equal(await status(`${proxy.url}garden/${path.replace("kitchen", "garden")}`), 404, path);
		}
		assert.equal(await status(`${room.url}metrics`), 200);
		for (const path of ["kitchen", "garden"]) {
			const {response} = await ask(proxy.url + path);
			const address = new URL(response.headers.location, proxy.url + path).href;
			assert.equal(response.statusCode, 301);
			assert.equal(address, `${proxy.url}${path}/`);
			assert.equal(await status(address), 200);
		}
		await proxy.stop();
		await room.stop();
	});
}

test("a handshake that comes past the proxy is refused, and the log says why", async () => {
	const room = await startRoom();
	assert.equal(await status(room.url, HANDSHAKE), 400);
	assert.equal(await status(room.url, {...HANDSHAKE, "X-Forwarded-For": "192.0.2.7, nobody"}), 400);
	assert.equal(await status(room.url), 200);
	assert.equal(await status(`${room.url}metrics`), 200);
	const events = await room.events(2);
	assert.match(events[0][1], /^Handshake refused: 400 .*X-Forwarded-For/);
	assert.match(events[1][1], /^Handshake refused: 400 .*X-Forwarded-For.*nobody/);
	await room.stop();
});

test("haproxy: its health check finds a room down, hung, and up again", async () => {
	// its check comes by the room's address, whatever -o says
	const options = ["-o", "chat.example"];
	let kitchen = await startRoom(...options);
	const garden = await startRoom(...options);
	const proxy = await startProxy("haproxy", kitchen.port, garden.port, text => text.replace("inter 2s", "inter 500ms"));
	const both = async () => [await status(`${proxy.url}kitchen/`), await status(`${proxy.url}garden/`)];

	assert.deepEqual(await both(), [200, 200]);
	await kitchen.stop();
	await proxy.says(/kitchen\/kitchen is DOWN, reason: Layer4/);
	assert.deepEqual(await both(), [503, 200]);
	kitchen = await startRoom(...options, "-p", kitchen.port);
	await proxy.says(/kitchen\/kitchen is UP, reason: Layer7 check passed, code: 200/);
	assert.deepEqual(await both(), [200, 200]);
	// the kernel still accepts connections for it
	kitchen.child.kill("SIGSTOP");
	await proxy.says(/kitchen\/kitchen is DOWN, reason: Layer7 timeout/);
	assert.deepEqual(await both(), [503, 200]);
	kitchen.child.kill("SIGCONT");
	await proxy.says(/(kitchen\/kitchen is UP[^]*){2}/);
	assert.deepEqual(await both(), [200, 200]);
	await proxy.stop();
	await kitchen.stop();
	await garden.stop();
});

test("nginx: 64 people can share an address, which cannot take all connections", async () => {
	const kitchen = await startRoom();
	const garden = await startRoom("-c", "0");
	const proxy = await startProxy("nginx", kitchen.port, garden.port);
	const visit = async (path, from) => [await status(proxy.url + path, {}, from), await ask(proxy.url + path, HANDSHAKE, from)];

	// all of them are in both rooms, and come at once
	const visits = await Promise.all(Array.from({length: 128}, (_, k) => visit(k % 2 ? "kitchen/" : "garden/", "127.0.0.7")));
	assert.deepEqual(visits.map(([page, joined]) => [page, joined.status]), visits.map(() => [200, 101]));
	// one who does not stop there
	const joined = [];
	while (joined.at(-1)?.status !== 429)
		joined.push(await ask(`${proxy.url}garden/`, HANDSHAKE, "127.0.0.8"));
	assert.equal(joined.length, 201);
	await proxy.says(/limiting connections by zone "chat_connections", client: 127\.0\.0\.8,/);
	// one who asks and asks
	for (let answers = []; !answers.includes(429);)
		answers = await Promise.all(Array.from({length: 50}, () => status(`${proxy.url}garden/`, {}, "127.0.0.9")));
	await proxy.says(/limiting requests, .* by zone "chat_requests", client: 127\.0\.0\.9,/);
	// all the others notice nothing of that
	const [page, other] = await visit("garden/", "127.0.0.10");
	assert.deepEqual([page, other.status], [200, 101]);
	for (const {socket} of [other, ...joined, ...visits.map(v => v[1])])
		socket?.destroy();
	await proxy.stop();
	await kitchen.stop();
	await garden.stop();
});

test("nginx: a password for one room", async () => {
	// the command that nginx.conf names
	const [command] = withPassword(readFileSync(`${CONTRIB}nginx.conf`, "utf8")).match(/echo "ann:.*$/m);
	execFileSync("sh", ["-c", command.replace("passwd", "passwd -stdin")], {input: "salt and pepper\n"});
	const kitchen = await startRoom();
	const garden = await startRoom();
	const proxy = await startProxy("nginx", kitchen.port, garden.port, withPassword);
	const url = `${proxy.url}kitchen/`;

	// without it, or with another: no page and no room, but the other room
	assert.equal(await status(url), 401);
	assert.equal(await status(url, HANDSHAKE), 401);
	for (const login of [undefined, {username: "ann", password: "pepper"}]) {
		const stranger = await person(`${proxy.url}garden/`, undefined, {login});
		assert.equal(await stranger.evaluate(address => new Promise(done => {
			const socket = new WebSocket(address);
			socket.onopen = () => done("open");
			socket.onclose = event => done(event.code);
		}), url.replace("https", "wss")), 1006);
		const answer = stranger.waitForResponse(url);
		await stranger.goto(url).catch(() => {});  // Chromium calls a wrong password an error
		assert.equal((await answer).status(), 401);
	}
	// with it, the page joins and talks
	const login = {username: "ann", password: "salt and pepper"};
	const ann = await person(url, "Ann", {login});
	const bob = await person(url, "Bob", {login});
	await say(ann, "just us");
	assert.deepEqual(await texts(bob, "just us"), ["just us"]);
	assert.deepEqual(await kitchen.events(2), [
		["127.0.0.1", "Client connected (1 online)"], ["127.0.0.1", "Client connected (2 online)"]]);
	for (const page of [ann, bob])
		await page.leave();
	await proxy.stop();
	await kitchen.stop();
	await garden.stop();
});

// ---- systemd ----

async function activate(address) {
	const room = run("systemd-socket-activate", "-l", address, CHAT, "-t", "1");
	await room.says(/Listening on/);
	return room;
}

test("systemd starts the room when somebody comes, with its socket", async () => {
	const address = `127.0.0.1:${await freePort()}`;
	const room = await activate(address);
	const ann = await person(`http://${address}/`, "Ann");

	await say(ann, "hello");
	assert.deepEqual(await texts(ann, "hello"), ["hello"]);
	await room.says(/Client connected \(1 online\)/);
	await ann.leave();
	await room.stop();
});

test("a unix-domain socket, for a proxy", async () => {
	const path = `${folder}/socket`;
	const room = await activate(path);
	const answer = await new Promise((done, fail) => http.get({socketPath: path, path: "/"}, done).on("error", fail));

	assert.equal(answer.statusCode, 200);
	answer.resume();
	await once(answer, "end");
	const upgraded = await new Promise((done, fail) => http.get({socketPath: path, path: "/", headers: HANDSHAKE})
		.on("upgrade", (r, socket) => done(socket)).on("error", fail));
	await room.says(/ Client connected \(1 online\)/);
	upgraded.destroy();
	await room.says(/ Client disconnected: lost.* \(0 online\)/);
	await room.stop();
});

test("systemd finds nothing wrong with its units, and the service safe", async () => {
	for (const unit of ["chat.service", "chat.socket", "chat@.service", "chat@.socket"])
		writeFileSync(`${folder}/${unit}`, readFileSync(CONTRIB + unit, "utf8").replace("/usr/local/bin/chat", CHAT));
	for (const name of ["chat.", "chat@8081."]) {
		const verified = spawnSync("systemd-analyze", ["verify", `${name}service`, `${name}socket`], {cwd: folder, encoding: "utf8"});
		assert.equal(verified.status, 0);
		assert.doesNotMatch(verified.stderr, /chat[.@]/);
	}
	for (const unit of ["chat.service", "chat@.service"]) {
		const said = execFileSync("systemd-analyze", ["security", "--offline=true", "--no-pager", "--threshold=20", `./${unit}`], {cwd: folder});
		assert.match(String(said), /Overall exposure level for chat\S+: [01]\.\d/);
	}
});
