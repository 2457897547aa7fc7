// Writes explorer.js, explorer.css and licences.txt, and what they were built from: node build.mjs <folder>
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const folder = process.argv[2];
if (!folder) throw new Error("node build.mjs <folder>");

const { metafile } = await build({
  entryPoints: { explorer: "main.jsx" },
  outdir: folder,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
  loader: { ".woff2": "dataurl", ".woff": "dataurl", ".ttf": "dataurl", ".svg": "dataurl" },
  metafile: true,
  logLevel: "warning",
});

// The licence of every package that any byte of it came from.
const packages = new Set();
for (const file of Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs))) {
  const found = file.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//);
  if (found) packages.add(found[1]);
}
const texts = [...packages].sort().map((path) => {
  const about = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  const file = readdirSync(path).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? readFileSync(join(path, file), "utf8").trim() : `Licence: ${about.license}`;
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
});
writeFileSync(join(folder, "licences.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));

const sources = ["build.mjs", "main.jsx", "package-lock.json", "package.json"];
const digest = createHash("sha256");
for (const name of sources) digest.update(readFileSync(name));
writeFileSync(join(folder, "built-from.txt"), `${digest.digest("hex")}\n`);
