// SPDX-License-Identifier: MIT
// Chromium and Firefox ESR, driven by puppeteer, and WebKitGTK by webkit.mjs:
// BROWSER says which one.  A page is puppeteer's Page; of WebKitGTK it is a part
// of that.
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import puppeteer from "puppeteer-core";
import {startWebKit} from "./webkit.mjs";

export const BROWSER = process.env.BROWSER ?? "chromium";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

// What a user has set in a browser: the size of text in pixels, whether sites
// may store anything, whether the system's colours replace those of pages.
async function startChromium({program = CHROMIUM, textSize = 16, storage = true, forcedColors = false, port = false}) {
	const profile = mkdtempSync("/tmp/chat-chromium-");

	mkdirSync(`${profile}/Default`);
	writeFileSync(`${profile}/Default/Preferences`, JSON.stringify({
		profile: {default_content_setting_values: {cookies: storage ? 1 : 2}},
		webkit: {webprefs: {default_font_size: textSize}},
	}));
	const browser = await puppeteer.launch({
		browser: "chrome", executablePath: program, userDataDir: profile, acceptInsecureCerts: true, pipe: !port,
		args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		       "--disable-background-networking", "--disable-component-update", "--disable-sync",
		       // the menus of the address bar, which take a second of each new window
		       "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
		       ...forcedColors ? ["--force-high-contrast"] : []],
	});
	// its processes write until the last of them has ended
	process.on("exit", () => rmSync(profile, {recursive: true, force: true, maxRetries: 9}));
	return browser;
}

function startFirefox({program = FIREFOX, textSize = 16, storage = true, forcedColors = false}) {
	return puppeteer.launch({
		browser: "firefox", executablePath: program, acceptInsecureCerts: true,
		extraPrefsFirefox: {
			"font.size.variable.x-western": textSize,
			"network.cookie.cookieBehavior": storage ? 0 : 2,
			"browser.display.document_color_use": forcedColors ? 2 : 0,
		},
	});
}

// Starts a browser: newPage() opens a page with a profile of its own, newTab()
// another window of the same profile.
export async function startBrowser(settings = {}) {
	if (BROWSER === "webkit")
		return await startWebKit();
	const browser = await (BROWSER === "firefox" ? startFirefox : startChromium)(settings);

	return {
		browser,
		async newPage() { return await (await browser.createBrowserContext()).newPage({type: "window"}); },
		async newTab(page) { return await page.browserContext().newPage({type: "window"}); },
		// ends the page and its profile
		async end(page) { await page.browserContext().close(); },
		async close() { await browser.close(); },
	};
}
