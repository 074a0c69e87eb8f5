// SPDX-License-Identifier: MIT
// What those find who only read the page: eslint in its script, which the browsers
// of 2020 have to understand; and how long it is.
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import js from "@eslint/js";
import {ESLint} from "eslint";
import html from "eslint-plugin-html";
import globals from "globals";

const FILE = process.env.PAGE ?? new URL("../../../index.html", import.meta.url).pathname;
const page = readFileSync(FILE, "utf8");

test("the page is no larger than agreed", () => {
	const lines = page.trimEnd().split("\n");
	// as the Makefile serves it
	const served = lines.map(line => line.trimStart()).filter(line => !line.startsWith("// ")).join("\n");
	// the picture in the icon's address may have no line break
	const columns = lines.map(line => line.replaceAll("\t", " ".repeat(8)).replace(/data:image.*/, "").length);

	assert.ok(lines.length <= 480, `${lines.length} lines`);
	assert.ok(Buffer.byteLength(served) <= 20480, `${Buffer.byteLength(served)} bytes`);
	assert.ok(Math.max(...columns) <= 110, `line ${columns.findIndex(n => n > 110) + 1} has more than 110 columns`);
});

test("eslint finds nothing in the script", async () => {
	const eslint = new ESLint({
		cwd: new URL(".", `file://${FILE}`).pathname,
		overrideConfigFile: true,
		overrideConfig: [js.configs.recommended, {
			files: ["**/*.html"],
			plugins: {html},
			languageOptions: {ecmaVersion: 2020, sourceType: "script", globals: globals.browser},
			linterOptions: {reportUnusedDisableDirectives: "error"},
			rules: {
				// a function status() would hide window's own
				"no-redeclare": ["error", {builtinGlobals: true}], "no-shadow": "error", "no-undef": "error",
				"no-var": "error", "prefer-const": "error", eqeqeq: "error", "no-implied-eval": "error",
				"no-unused-expressions": "error",
			},
		}],
	});
	const [{messages}] = await eslint.lintFiles([FILE]);

	assert.deepEqual(messages.map(m => `${m.line}: ${m.message} (${m.ruleId})`), []);
});
