// SPDX-License-Identifier: MIT
// A little chat server in the hand of a test, for what the real one says seldom
// or never: RFC 6455 5.2 as far as a browser needs it, whole frames only.
import {createHash} from "node:crypto";
import {once} from "node:events";
import {readFileSync} from "node:fs";
import {createServer} from "node:http";
import {afterTest} from "./harness.mjs";

export const PAGE = readFileSync(process.env.PAGE ?? new URL("../../index.html", import.meta.url), "utf8");
export const BINARY = 0x82;
const TEXT = 0x81, CLOSE = 0x88;  // FIN and opcode

function frame(first, payload) {
	const n = payload.length;
	return Buffer.concat([Buffer.from(n < 126 ? [first, n] : [first, 126, n >> 8, n & 255]), payload]);
}

// Takes the first frame off what a client has sent: [its first byte, its payload,
// the rest], or nothing while it is not complete.
function unframe(data) {
	if (data.length < 2)
		return;
	const short = data[1] & 127, at = short < 126 ? 2 : 4, n = short < 126 ? short : data.readUInt16BE(2);
	if (data.length < at + 4 + n)
		return;
	return [data[0], data.subarray(at + 4, at + 4 + n).map((byte, i) => byte ^ data[at + i % 4]), data.subarray(at + 4 + n)];
}

// status: what a handshake is answered; keep: so many messages are the history;
// notices: whether it says any; relays: whether it says what it hears.
export async function startPuppet(settings = {}) {
	const sockets = new Set();
	const puppet = {
		status: 101, page: PAGE, keep: 100, notices: true, relays: true, open: true,
		since: 1767225600, heartbeat: 25, max: 4096,
		messages: [],   // all that was said
		heard: [],      // what clients have sent
		joined: 0,      // handshakes so far
		...settings,
		raw(text, first = TEXT) { for (const socket of sockets) socket.write(frame(first, Buffer.from(text))); },
		say(...texts) { for (const text of texts) { puppet.messages.push(text); puppet.raw(text); } },
		notice(more) {
			const {since, heartbeat, max, messages} = puppet;
			return JSON.stringify({online: sockets.size, said: messages.length, since, heartbeat, max, ...more});
		},
		cut() { puppet.open = false; for (const socket of sockets) socket.destroy(); },
		mend() { puppet.open = true; },
		close(code) { for (const socket of sockets) socket.end(frame(CLOSE, Buffer.from([code >> 8, code & 255]))); },
		// tells a client what it has missed
		greet(say) {
			for (const text of puppet.messages.slice(puppet.messages.length - Math.min(puppet.keep, puppet.messages.length)))
				say(text);
			if (puppet.notices)
				say(puppet.notice());
		},
	};
	const server = createServer((request, response) => {
		if (!puppet.open)
			return request.socket.destroy();
		response.writeHead(200, {"Content-Type": "text/html; charset=utf-8", Connection: "close"});
		response.end(puppet.page);
	});

	server.on("upgrade", (request, socket) => {
		const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
		let data = Buffer.alloc(0);

		socket.on("error", () => {});
		if (!puppet.open)
			return socket.destroy();
		if (puppet.status !== 101)
			return socket.end(`HTTP/1.1 ${puppet.status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
		socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			`Sec-WebSocket-Accept: ${createHash("sha1").update(key).digest("base64")}\r\n\r\n`);
		sockets.add(socket);
		puppet.joined++;
		puppet.greet(text => socket.write(frame(TEXT, Buffer.from(text))));
		socket.on("close", () => sockets.delete(socket));
		socket.on("data", more => {
			data = Buffer.concat([data, more]);
			for (let next; (next = unframe(data));) {
				const [first, payload, rest] = next;
				data = rest;
				if (first === CLOSE)
					socket.end(frame(CLOSE, payload));
				if (first !== TEXT)
					continue;
				puppet.heard.push(String(payload));
				if (payload.length > puppet.max)
					socket.end(frame(CLOSE, Buffer.from([1009 >> 8, 1009 & 255])));
				else if (puppet.relays)
					puppet.say(String(payload));
			}
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	puppet.url = `http://127.0.0.1:${server.address().port}/`;
	afterTest(() => { puppet.cut(); server.close(); server.closeAllConnections(); });
	return puppet;
}
